"""Which build of the kernels is loaded, and how one is forced."""

import os
import subprocess
import sys

import pytest

from fastgd import kernels
from fastgd.kernels import dispatch


def run(code, **environment):
    """Run a line of Python in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_the_table_ends_with_a_level_for_every_machine():
    names = [level["name"] for level in dispatch.LEVELS]
    assert len(set(names)) == len(names)
    last = dispatch.LEVELS[-1]
    assert last["machines"] is None and last["requires"] == ()
    assert dispatch.available_levels()[-1] == last["name"]


def test_required_features_are_ones_the_cpu_module_can_tell():
    for level in dispatch.LEVELS:
        assert set(level["requires"]) <= set(dispatch._cpu._FEATURES)


def test_features_agree_with_the_operating_system():
    try:
        with open("/proc/cpuinfo") as file:
            flags = next(line for line in file if line.startswith("flags")).split()
    except (OSError, StopIteration):
        pytest.skip("no /proc/cpuinfo that lists flags")
    names = {"lzcnt": "abm"}  # Linux's name
    features = dispatch._cpu.features()
    for name in dispatch._cpu._FEATURES:
        assert (name in features) == (names.get(name, name) in flags), name


@pytest.mark.kernels
def test_the_level_in_use_is_the_forced_or_the_best_one():
    expected = os.environ.get("FASTGD_ISA") or dispatch.available_levels()[0]
    assert kernels.level == expected
    assert kernels.kernels.__name__ == f"fastgd.kernels._{expected}"


@pytest.mark.parametrize("level", dispatch.available_levels())
def test_every_available_level_can_be_forced(level):
    # Only the chosen module is loaded: another might hold instructions this CPU lacks.
    modules = [f"fastgd.kernels._{row['name']}" for row in dispatch.LEVELS]
    code = (
        "import sys, fastgd.kernels as k;"
        f"print(k.level, *[name for name in {modules} if name in sys.modules])"
    )
    assert run(code, FASTGD_ISA=level).stdout.split() == [level, f"fastgd.kernels._{level}"]


def test_an_unknown_level_is_a_sentence():
    result = run("import fastgd.kernels", FASTGD_ISA="pentium")
    assert result.returncode != 0
    assert "ImportError: FASTGD_ISA='pentium' is not a level of fastgd's kernels" in result.stderr
    assert f"Available here: {', '.join(dispatch.available_levels())}" in result.stderr


def test_an_unavailable_level_is_a_sentence():
    with pytest.raises(ImportError, match=r"'v3' is not available on this machine.*: baseline;"):
        dispatch._choose(["baseline"], "v3")
    with pytest.raises(ImportError, match="no build of its kernels for this machine"):
        dispatch._choose([], None)


def test_an_empty_variable_forces_nothing():
    assert run("import fastgd.kernels", FASTGD_ISA="").returncode == 0


def test_kernels_import_nothing_heavy():
    result = run(
        "import sys, fastgd, fastgd.kernels;"
        "print([name for name in ('numpy', 'scipy', 'sklearn', 'joblib') if name in sys.modules])"
    )
    assert result.stdout.strip() == "[]"


def test_kernels_record_what_built_them():
    assert set(kernels.built_with) == {"compiler", "Cython"}
    assert all(kernels.built_with.values())
