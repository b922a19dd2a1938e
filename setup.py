"""Build of the compiled kernels; everything declarative is in pyproject.toml.

The kernels are one Cython source, ``fastgd/kernels/kernels.pxi``, compiled once per
instruction-set level into ``fastgd.kernels._<level>``.  The table of levels lives in
``fastgd/kernels/dispatch.py``, beside the code that picks one at import; it is read from there as
a literal, without importing the package, so adding a level edits that one file.  A level's module
is a one-line stub written here at build time.

``FASTGD_DEBUG=1`` builds with checked memoryviews and symbols, ``FASTGD_SANITIZE=address,undefined``
with those sanitizers (GCC or Clang; `.ci/sanitize` builds and tests both).
"""

import ast
import os
import sys
import sysconfig
from pathlib import Path

import Cython
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNELS = Path("fastgd/kernels")
STUBS = Path("build/stubs")
DEBUG = os.environ.get("FASTGD_DEBUG", "0") not in ("", "0")
SANITIZE = os.environ.get("FASTGD_SANITIZE", "")
SANITIZERS = [f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=undefined"] if SANITIZE else []

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
    "wraparound": False,
    "cdivision": True,
    "freethreading_compatible": True,  # kernels share no state
}

# Never -ffast-math: it deletes the finite checks and may flip flush-to-zero for the whole process.
# These keep IEEE semantics except for fused multiply-adds, which the laws allow for (rounding).
GCC_FLAGS = [
    *(["-O1", "-g"] if DEBUG or SANITIZE else ["-O3", "-g0"]),
    *SANITIZERS,
    "-fopenmp-simd",  # honours `omp simd`, needs no OpenMP runtime
    "-ffp-contract=fast",
    "-fno-math-errno",
    "-fno-trapping-math",
    # Template instances are weak symbols with the same names at every level: they must not leave
    # their module, or the loader could hand one level's code to another.
    "-fvisibility=hidden",
    # Vectors are passed between inline functions only; how the ABI would pass them is no concern.
    "-Wno-psabi",
    # A step is inlined into every loop: a call would put what waits for it into memory.
    "-DCYTHON_INLINE=inline __attribute__((always_inline))",
]
MSVC_FLAGS = ["/Od" if DEBUG else "/O2"]


def read_levels():
    """Return the rows of dispatch.py's table that the architecture compiled for has, by module."""
    machine = sysconfig.get_platform().rpartition("-")[2].lower()  # "universal2" is in no row
    for node in ast.parse((KERNELS / "dispatch.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "LEVELS":
            return {
                f"_{level['name']}": level
                for level in ast.literal_eval(node.value)
                if level["machines"] is None or machine in level["machines"]
            }
    raise SystemExit("fastgd/kernels/dispatch.py has no literal table named LEVELS.")


LEVELS = read_levels()


def write_stub(module):
    """Write the Cython module of one level; left alone when nothing changed, to save a rebuild."""
    stub = STUBS / f"{module}.pyx"
    # The first line makes a change of Cython, of the directives or of a sanitizer a change of the file.
    text = f'# Cython {Cython.__version__}, {DIRECTIVES} {SANITIZE}\ninclude "kernels.pxi"\n'
    if not stub.exists() or stub.read_text(encoding="utf-8") != text:
        stub.parent.mkdir(parents=True, exist_ok=True)
        stub.write_text(text, encoding="utf-8")
    return str(stub)


def extensions():
    """One module of kernels per level, and the one that reads the CPU."""
    settings = ["setup.py", str(KERNELS / "dispatch.py")]
    sources = sorted(str(path) for suffix in ("pxi", "h") for path in KERNELS.glob(f"*.{suffix}"))
    modules = [
        Extension(
            f"fastgd.kernels.{module}",
            [write_stub(module)],
            language="c++",  # for the templates in passes.h; no C++ library is used
            include_dirs=[str(KERNELS)],
            depends=settings + sources,
        )
        for module in LEVELS
    ]
    cpu = Extension("fastgd.kernels._cpu", [str(KERNELS / "_cpu.pyx")], depends=settings)
    return [*modules, cpu]


class BuildKernels(build_ext):
    """Adds the flags once the compiler is known."""

    def build_extension(self, ext):
        level = LEVELS.get(ext.name.rpartition(".")[2], {"gcc": (), "msvc": ()})
        if self.compiler.compiler_type == "msvc":
            ext.extra_compile_args = [*MSVC_FLAGS, *level["msvc"]]
            standard = "/std:c++17"
        else:
            ext.extra_compile_args = [*GCC_FLAGS, *level["gcc"]]
            standard = "-std=gnu++17"
            if sys.platform.startswith("linux"):
                ext.extra_link_args = ["-Wl,--as-needed"]  # drops the unused libstdc++
                if not (DEBUG or SANITIZE):
                    ext.extra_link_args.append("-Wl,--strip-all")
            ext.extra_link_args += SANITIZERS
        if ext.language == "c++":
            ext.extra_compile_args.append(standard)
        super().build_extension(ext)


setup(
    ext_modules=cythonize(
        extensions(),
        build_dir="build/cython",
        include_path=[str(KERNELS)],
        compiler_directives=DIRECTIVES,
    ),
    cmdclass={"build_ext": BuildKernels},
    options={"build_ext": {"parallel": 2}},
)
