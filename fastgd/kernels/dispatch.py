"""Which build of the kernels this CPU gets.

One kernel source is compiled once per row of ``LEVELS`` into the module ``_<name>``, and one of
them is picked here, before it is imported: a module may use its instructions anywhere, even while
it loads.  Whole epochs are dispatched, never single dot products, so the choice costs nothing.

To add a kernel build, add a row; nothing else changes.  ``setup.py`` reads the table from this
file as a literal, without importing it.  ``FASTGD_ISA=<name>`` forces a level, so that one machine
tests them all.
"""

import os
from importlib import import_module
from importlib.util import find_spec

# Best first.  ``machines``: the architectures it is built for (None: all); ``requires``: the
# features the CPU must have, by the names in _cpu.pyx; ``gcc`` and ``msvc``: compiler flags.
LEVELS = (
    {
        "name": "v3",  # x86-64-v3: AVX2 and FMA, on nearly every x86 since 2013-2015
        "machines": ("x86_64", "amd64"),
        "requires": ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "lzcnt", "movbe"),
        "gcc": ("-march=x86-64-v3",),
        "msvc": ("/arch:AVX2",),
    },
    {
        "name": "baseline",  # what the compiler targets by default: SSE2 on x86-64, NEON on aarch64
        "machines": None,
        "requires": (),
        "gcc": (),
        "msvc": (),
    },
)


def available_levels():
    """Return the names of the levels that are built here and that this CPU runs, best first.

    Returns
    -------
    list of str
        Ordered from the fastest to the most portable.
    """
    cpu = _cpu.features()
    return [
        level["name"]
        for level in LEVELS
        if cpu.issuperset(level["requires"]) and find_spec(f"{__package__}._{level['name']}")
    ]


def _choose(levels, forced):
    """Return the best of ``levels``, or the one that was asked for."""
    if not levels:
        raise ImportError(
            "fastgd has no build of its kernels for this machine; install it again with "
            "`pip install .` from its source."
        )
    if not forced:
        return levels[0]
    if forced not in levels:
        known = forced in [level["name"] for level in LEVELS]
        reason = "not available on this machine" if known else "not a level of fastgd's kernels"
        raise ImportError(
            f"FASTGD_ISA={forced!r} is {reason}. Available here: {', '.join(levels)}; "
            "unset FASTGD_ISA to get the first of them."
        )
    return forced


try:
    _cpu = import_module(f"{__package__}._cpu")
except ModuleNotFoundError as error:
    raise ImportError(
        f"The compiled kernels of fastgd are missing from {os.path.dirname(__file__)}. If this is "
        "its source tree, build it with `pip install .` and import it from another directory."
    ) from error

#: The name of the level in use.
level = _choose(available_levels(), os.environ.get("FASTGD_ISA"))
#: Whether the one loop that has them uses vectors of 64 bytes: not where a level was asked for by name.
long_vectors = level == "v3" and not os.environ.get("FASTGD_ISA") and "avx512f" in _cpu.features()
#: The module of compiled kernels in use.
kernels = import_module(f"{__package__}._{level}")
#: The compiler and the version of Cython that built them.
built_with = _cpu.built_with()
