"""What type checkers see of the names that are imported on first use."""

import ast
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import fastgd

PACKAGE = Path(fastgd.__path__[0])

USE = """
from fastgd import Adam  # not a name of fastgd
from fastgd import LogisticRegression, Ridge, SGDClassifier, minimize, show_config
from fastgd.callbacks import EarlyStopping
from fastgd.model_selection import GridSearchCV
from fastgd.optimizers import Adam as Adam_
from fastgd.schedules import Cosine

model = SGDClassifier(loss="log_loss", optimizer=Adam_(beta1=0.8), learning_rate=Cosine())
model.fit([[0.0], [1.0]], [0, 1]).predict([[0.5]])
show_config(1)
GridSearchCV(Ridge(), {"alpha": [1.0]}), LogisticRegression(C=1.0), EarlyStopping(), minimize
"""


def test_the_marker_is_installed():
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("module", ["fastgd", "fastgd.linear_model", "fastgd.callbacks"])
def test_stubs_name_what_there_is(module):
    module = import_module(module)
    folder = Path(module.__path__[0])
    declared = {}
    for node in ast.parse((folder / "__init__.pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            declared |= {alias.name: node.module for alias in node.names}
    public = set(module.__all__) - {"__version__"}
    assert set(declared) == public
    for name, home in module._HOMES.items():
        assert declared[name] == home


@pytest.mark.skipif(find_spec("mypy") is None, reason="mypy is not installed")
def test_a_user_program_is_checked(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(USE)
    command = ["-m", "mypy", "--ignore-missing-imports", "--cache-dir", tmp_path / "cache", program]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=tmp_path)
    errors = [line for line in done.stdout.splitlines() if ": error:" in line]
    # The two mistakes of the program are found, and nothing else: not even in fastgd.
    assert [error.split("error: ")[1].split(";")[0] for error in errors] == [
        'Module "fastgd" has no attribute "Adam"  [attr-defined]',
        'Too many arguments for "show_config"  [call-arg]',
    ], done.stdout + done.stderr
