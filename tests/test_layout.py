"""The floors of the house: imports point downward only, and everything has a place."""

import ast
import subprocess
from pathlib import Path

import pytest

import fastgd

PACKAGE = Path(fastgd.__path__[0])
CHECKOUT = Path(__file__).resolve().parents[1]

TOP_LEVEL = {
    *("fastgd", "tests", "benchmarks", ".ci", ".github", ".gitignore"),
    *("pyproject.toml", "setup.py", "MANIFEST.in"),
    *("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"),
}

# From the top down.  A module imports from its own floor and from those below.
FLOORS = (
    # what users call
    (
        "__init__",
        "__main__",
        "config",
        "demo",
        "patching",
        "model_selection",
        "linear_model",
        "optimize",
        "display",
        "diagnosis",
    ),
    # how models are trained
    ("watching",),
    ("many",),
    ("auto",),
    ("training", "solvers"),
    # the nouns, and how data and callbacks come in
    (
        "losses",
        "penalties",
        "optimizers",
        "schedules",
        "compat",
        "data",
        "callbacks",
        "history",
        "ranges",
    ),
    ("callback_support",),
    # the arithmetic: buffers and numbers
    ("reference", "kernels", "_checkout"),
)
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}


def unit(path):
    """The file or subpackage directly in fastgd that a path belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path):
    """Yield (line, absolute module, names) for every import in a file, lazy ones too."""
    package = ("fastgd", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ()
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*base, *filter(None, [node.module])))
            yield node.lineno, module, tuple(alias.name for alias in node.names)


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downward(path):
    assert unit(path) in FLOOR, f"say in this test on which floor {unit(path)} stands"
    for line, module, names in imports(path):
        if module == "fastgd":  # from . import name
            targets = [name for name in names if name in FLOOR] or ["__init__"]
        elif module.startswith("fastgd."):
            targets = [module.split(".")[1]]
        else:
            continue
        for target in targets:
            assert FLOOR[target] >= FLOOR[unit(path)], (
                f"{path.name}:{line} imports {target}, which stands above it"
            )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_private_scikit_learn_stays_in_one_module(path):
    for line, module, names in imports(path):
        if module.partition(".")[0] == "sklearn" and unit(path) != "compat":
            private = [part for part in (*module.split("."), *names) if part.startswith("_")]
            assert not private, f"{path.name}:{line} imports {private[0]}; that is compat's job"


def test_nothing_else_at_the_top_level():
    if not (CHECKOUT / ".git").exists():
        pytest.skip("not in a checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    if files.returncode:
        pytest.skip("git does not list the files here")
    assert {file.partition("/")[0] for file in files.stdout.splitlines()} <= TOP_LEVEL
