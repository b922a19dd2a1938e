"""The examples of the documentation run and give what they say: docstrings as installed, README.

Design note. The examples of a docstring are one test, found in the modules that are imported and not in
the sources of the checkout, which have no kernels. The README's blocks build on one another and are run
in order, in one namespace and in a folder of their own, because one of them writes a file there.
"""

import doctest
import importlib
import inspect
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import fastgd

README = Path(__file__).resolve().parents[1] / "README.md"
MODULES = [
    module.name
    for module in pkgutil.walk_packages(fastgd.__path__, "fastgd.")
    if "kernels._" not in module.name and not module.name.endswith("__main__")
]
needs_docstrings = pytest.mark.skipif(sys.flags.optimize > 1, reason="python -OO drops docstrings")


def examples(name):
    """The docstrings of a module that have examples, its classes' and functions' included."""
    return [
        found for found in doctest.DocTestFinder().find(importlib.import_module(name)) if found.examples
    ]


EXAMPLES = [pytest.param(test, id=test.name) for name in MODULES for test in examples(name)]


@pytest.fixture
def pyplot():
    """matplotlib.pyplot, that draws on no screen; the figures are closed afterwards."""
    pytest.importorskip("matplotlib").use("Agg")
    plt = importlib.import_module("matplotlib.pyplot")
    yield plt
    plt.close("all")


@needs_docstrings
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # short fits are the point
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_of_a_docstring(example, request, monkeypatch, tmp_path):
    if "display" in example.name:
        request.getfixturevalue("pyplot")
    monkeypatch.chdir(tmp_path)
    said = []
    outcome = doctest.DocTestRunner(verbose=False).run(example, out=said.append, clear_globs=False)
    assert outcome.attempted and not outcome.failed, "".join(said)


@needs_docstrings
@pytest.mark.parametrize("name", MODULES)
def test_no_example_is_overlooked(name):
    written = re.findall(r"^ *>>> ", inspect.getsource(importlib.import_module(name)), re.MULTILINE)
    assert len(written) == sum(len(found.examples) for found in examples(name))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")  # raw features, on purpose
def test_the_blocks_of_the_readme(pyplot, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(
        r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert len(blocks) >= 6
    names, said = {"__name__": "readme"}, {}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"block {number} of the README", "exec"), names)
        said[block] = capsys.readouterr().out.splitlines()
    assert Path("fit.ckpt").exists()

    ((first, second),) = [lines for block, lines in said.items() if "minimize(" in block]
    assert first == "[5.   4.4  3.92]"
    assert "after 70 steps" in second
    (network,) = [block for block in blocks if "Optimizer(" in block]
    assert len(network.splitlines()) <= 25
    assert names["accuracy"] > 0.95
