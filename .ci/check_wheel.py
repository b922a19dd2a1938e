"""What a wheel must be: `python .ci/check_wheel.py WHEEL [WHEEL ...]` says why one is not.

Small, only fastgd inside, the licence with it, every kernel build of the architecture present, no symbols
left, nothing linked but the C library, and nothing of NumPy's C interface, so that one wheel serves every
NumPy. The machine code of Linux's x86-64 wheels is looked at as well, by objdump (binutils), without
which no such wheel passes: the v3 build must use the 32-byte registers, and the modules that any
processor runs must have no AVX instruction at all.
"""

import ast
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

LARGEST = 6_000_000  # bytes
SOURCES = (".pyx", ".pxi", ".pxd", ".c", ".cpp", ".h")
SYSTEM = {"libc.so.6", "libm.so.6", "libgcc_s.so.1", "libpthread.so.0"}  # what every Linux has
NUMPY_ABI = (b"_ARRAY_API", b"_UFUNC_API", b"PyArray_")
DISPATCH = Path(__file__).parent.parent / "fastgd/kernels/dispatch.py"


def levels(machine):
    """Names of the kernel builds that an architecture gets, as dispatch.py's table has them."""
    for node in ast.parse(DISPATCH.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "LEVELS":
            table = ast.literal_eval(node.value)
            return [row["name"] for row in table if row["machines"] is None or machine in row["machines"]]
    raise SystemExit(f"{DISPATCH} has no table named LEVELS.")


def sections(elf):
    """{name: content} of the sections of a 64-bit little-endian ELF file."""
    start, size, count, names = struct.unpack_from("<Q10xHHH", elf, 0x28)
    headers = [struct.unpack_from("<IIQQQQ", elf, start + size * i) for i in range(count)]
    strings = headers[names][4]
    found = {}
    for name, kind, _, _, offset, length in headers:
        begin = strings + name
        text = elf[begin : elf.index(b"\0", begin)].decode()
        found[text] = b"" if kind == 8 else elf[offset : offset + length]  # 8: no bits in the file
    return found


def needed(parts):
    """Names of the shared libraries that an ELF file asks for."""
    strings = parts[".dynstr"]
    for tag, value in struct.iter_unpack("<qQ", parts[".dynamic"]):
        if tag == 1:  # DT_NEEDED
            yield strings[value : strings.index(b"\0", value)].decode()


def module_faults(name, elf):
    """Why a compiled module is not as it must be."""
    for mark in NUMPY_ABI:
        if mark in elf:
            yield f"{name} uses NumPy's C interface ({mark.decode()})"
    if elf[:4] != b"\x7fELF":
        return
    parts = sections(elf)
    if ".symtab" in parts or ".debug_info" in parts:
        yield f"{name} is not stripped"
    for library in needed(parts):
        if library not in SYSTEM and not library.startswith("ld-linux"):
            yield f"{name} needs {library}"


def code_faults(name, elf):
    """Why the machine code of an x86-64 module is not of its level."""
    if elf[:4] != b"\x7fELF" or elf[18:20] != b"\x3e\0":
        return
    if not shutil.which("objdump"):
        yield f"the machine code of {name} was not looked at: objdump is missing"
        return
    with tempfile.NamedTemporaryFile(suffix=".so") as file:
        file.write(elf)
        file.flush()
        listing = subprocess.run(
            ["objdump", "-d", "--no-show-raw-insn", file.name], capture_output=True, text=True, check=True
        ).stdout
    wide = len(re.findall(r"%ymm", listing))
    if "/_v3." in name and not wide:
        yield f"{name} has no AVX2 code"
    if "/_v3." not in name and (
        wide or re.search(r"\t(v[a-z]\w+|andn|bextr|mulx|sarx|shlx|shrx) ", listing)
    ):
        yield f"{name} has code that older processors lack"


def faults(wheel):
    """Yield a sentence for everything that is wrong with a wheel."""
    size = wheel.stat().st_size
    if size >= LARGEST:
        yield f"{size} bytes, more than {LARGEST}"
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    modules = {name: content for name, content in files.items() if name.endswith((".so", ".pyd"))}
    tops = {name.partition("/")[0] for name in files}
    distribution = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    if tops != {"fastgd", distribution}:
        yield f"holds {', '.join(sorted(tops))} at the top"
    if f"{distribution}/licenses/LICENSE" not in files:
        yield "has no licence"
    if "fastgd/py.typed" not in files:
        yield "has no fastgd/py.typed"
    for name in files:
        if name.endswith(SOURCES):
            yield f"holds the source {name}"
    metadata = files[f"{distribution}/METADATA"].decode()
    if not re.search(r"^Requires-Dist: numpy>=[\d.]+\s*$", metadata, re.M):
        yield "asks for NumPy otherwise than from a version on"
    machine = wheel.stem.split("-")[-1].split(".")[-1].lower()
    machine = next((m for m in ("x86_64", "amd64", "aarch64", "arm64") if machine.endswith(m)), machine)
    expected = {f"_{level}" for level in levels(machine)} | {"_cpu"}
    present = {name.rpartition("/")[2].partition(".")[0] for name in modules}
    if present != expected:
        yield f"holds the modules {', '.join(sorted(present))} instead of {', '.join(sorted(expected))}"
    for name, content in modules.items():
        yield from module_faults(name, content)
        yield from code_faults(name, content)


def main(paths):
    failed = False
    for path in map(Path, paths):
        found = list(faults(path))
        failed |= bool(found)
        print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, " + ("; ".join(found) or "sound"))
    return int(failed or not paths)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
