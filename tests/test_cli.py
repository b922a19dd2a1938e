"""The command line, the demonstration, the configuration, and what importing costs."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import fastgd
from fastgd import demo
from fastgd.config import config

CHECKOUT = Path(__file__).resolve().parents[1]

SCRIPT = """\
import sys
from sklearn.linear_model import SGDClassifier
import neighbour
print(__name__, sys.argv[1:], SGDClassifier.__module__.partition(".")[0])
if __name__ == "__main__":
    sys.exit(3)
"""


@pytest.fixture
def folder(tmp_path):
    program = tmp_path / "program"
    program.mkdir()
    (program / "script.py").write_text(SCRIPT)
    (program / "neighbour.py").write_text("")
    return tmp_path


def run(*arguments, cwd, prefix=("-m", "fastgd")):
    return subprocess.run([sys.executable, *prefix, *arguments], cwd=cwd, capture_output=True, text=True)


def test_a_script_runs_patched_as_python_would_run_it(folder):
    result = run("program/script.py", "a", "-b", "--help", cwd=folder)
    assert result.stdout == "__main__ ['a', '-b', '--help'] fastgd\n", result.stderr
    assert result.returncode == 3


def test_a_module_runs_patched(folder):
    result = run("-m", "script", "a", cwd=folder / "program")
    assert result.stdout == "__main__ ['a'] fastgd\n", result.stderr
    assert result.returncode == 3


def test_a_script_that_fails_fails(folder):
    (folder / "failing.py").write_text("raise RuntimeError('as it should')")
    result = run("failing.py", cwd=folder)
    assert result.returncode == 1 and "RuntimeError: as it should" in result.stderr


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (("absent.py",), "there is no file 'absent.py'"),
        (("-m",), "-m needs the name of a module"),
        (("--fast",), "there is no option --fast"),
    ],
)
def test_misuse_is_a_sentence(arguments, reason, tmp_path):
    result = run(*arguments, cwd=tmp_path)
    assert result.returncode == 2
    assert reason in result.stderr and "usage:" in result.stderr


def test_help(tmp_path):
    result = run("--help", cwd=tmp_path)
    assert result.returncode == 0 and result.stdout.startswith("usage: python -m fastgd")


def test_the_sources_of_a_checkout_give_way_to_the_installed_package():
    if not (CHECKOUT / "fastgd").is_dir():
        pytest.skip("not in a checkout")
    result = run("-c", "import fastgd.kernels; print(fastgd.kernels.level)", cwd=CHECKOUT, prefix=())
    assert result.returncode == 0, result.stderr


def test_demo(monkeypatch, capsys):
    monkeypatch.setattr(demo, "LARGE_SHAPE", (2000, 10))
    monkeypatch.setattr(demo, "SMALL_REPEATS", 1)
    demo.run_demo()
    out, err = capsys.readouterr()
    for name in ("digits", "breast_cancer", "diabetes", "generated"):
        assert f"\n{name} " in out
    assert "SGDClassifier  epoch 1" in err  # visible progress


def test_show_config(capsys):
    fastgd.show_config()
    out = capsys.readouterr().out
    assert out.startswith("fastgd ")
    for name in ("kernels", "compiler", "threads", "python", "numpy", "scipy", "joblib"):
        assert f"\n{name} " in out
    assert config()["scikit-learn"] == version("scikit-learn")


def test_the_version_is_the_installed_one():
    assert fastgd.__version__ == version("fastgd")


def test_public_names():
    assert set(fastgd.__all__) <= set(dir(fastgd))
    for name in fastgd.__all__:
        assert getattr(fastgd, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'SGDTransformer'"):
        fastgd.SGDTransformer  # noqa: B018


def test_importing_costs_little_beyond_scikit_learn(tmp_path):
    """Nothing but what the class needs; the benchmark `sgd` has the time."""
    code = (
        "import sys, sklearn.linear_model; before = set(sys.modules);"
        "from fastgd import SGDClassifier; print(*(set(sys.modules) - before))"
    )
    loaded = run("-c", code, cwd=tmp_path, prefix=()).stdout.split()
    ours = {name for name in loaded if name.split(".")[0] == "fastgd"}
    assert "fastgd.linear_model.stochastic" in ours and len(ours) <= 25
    assert {name.split(".")[1] for name in ours if "." in name}.isdisjoint(
        ("solvers", "display", "diagnosis", "model_selection", "optimize", "patching", "demo")
    )
    others = {name.split(".")[0] for name in loaded} - {"fastgd"}
    assert others.isdisjoint(("matplotlib", "pandas", "polars", "rich", "tqdm", "IPython"))
