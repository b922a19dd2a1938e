"""What can only be measured in a fresh process: import time and peak memory.

``in_child`` runs a function of this module in a child, away from the checkout's directory.
"""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from importlib import import_module
from pathlib import Path

CHECKOUT = str(Path(__file__).resolve().parent.parent)
CHILD = """
import json, sys
sys.path.append({path!r})
from benchmarks import footprint
print(json.dumps(footprint.{function}(**{arguments!r})))
"""


def in_child(function, **arguments):
    code = CHILD.format(path=CHECKOUT, function=function.__name__, arguments=arguments)
    child = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tempfile.gettempdir(),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(child.stdout.splitlines()[-1])


def import_seconds(first, then, name):
    """How long ``import first`` takes, and how much ``from then import name`` adds to it.

    A name, because a package may put off its own work until one is asked for.
    """
    start = time.perf_counter()
    import_module(first)
    middle = time.perf_counter()
    getattr(import_module(then), name)
    return middle - start, time.perf_counter() - middle


def resident(field):
    """A field of /proc/self/status in bytes; elsewhere the peak so far is all there is to know."""
    try:
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forget_peak():
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_bytes(rival, rows, columns, dtype):
    """Peak memory during a fit above what was there before it, X and y included in "before"."""
    import numpy as np

    from benchmarks.rivals import Task

    build = import_module(f"benchmarks.rivals.{rival}").build
    rng = np.random.default_rng(0)
    if dtype == "uint8":
        X = rng.integers(0, 256, (rows, columns), dtype=np.uint8)
    else:
        X = rng.standard_normal((rows, columns), dtype=dtype)
    y = (X[:, 0] > X[:99, 0].mean()).astype(np.int64)
    task = Task(step=1e-9, epochs=2)
    build(task).fit(X[:99], y[:99])  # what is imported or allocated once is no part of a fit
    forget_peak()
    before = resident("VmRSS")
    build(task).fit(X, y)
    return resident("VmHWM") - before


def instructions(function, **arguments):
    """Instructions that a function of this module executes in a fresh process; None without valgrind."""
    if shutil.which("valgrind") is None:
        return None
    code = CHILD.format(path=CHECKOUT, function=function.__name__, arguments=arguments)
    child = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, "-c", code],
        cwd=tempfile.gettempdir(),
        # hashes decide the order of things, and with it how many instructions they take
        env=os.environ | {"PYTHONHASHSEED": "0"},
        check=True,
        capture_output=True,
        text=True,
    )
    return int(re.search(r"Collected : (\d+)", child.stderr)[1])


def watched_fit(rows, columns, epochs, watch):
    """A fit without history ("nothing"), with it ("history"), or with a callback, too ("callback")."""
    import numpy as np

    from fastgd import SGDClassifier, training
    from fastgd.callbacks import on_epoch

    class Forgotten:
        """Counts epochs, as training asks, and keeps nothing of them."""

        def __init__(self):
            self.epochs = 0

        def append(self, row):
            self.epochs += 1

        def __len__(self):
            return self.epochs

        def columns(self):
            return {}

        def arrays(self):
            return {"loss": np.zeros(0)}

    rng = np.random.default_rng(0)
    X = rng.standard_normal((rows, columns), dtype=np.float32)
    model = SGDClassifier(loss="log_loss", alpha=1e-3, max_iter=epochs, tol=None, random_state=0)
    if watch == "callback":
        model.set_callbacks(on_epoch(lambda *_, **__: None))
    if watch == "nothing":
        training.History = Forgotten
    model.fit(X, X[:, 0] > 0)


def search_peak_bytes(rival, folder, rows, dtype, alphas, folds, epochs):
    """As `peak_bytes`, of a grid search on the first rows of the first set of several classes."""
    from sklearn.exceptions import ConvergenceWarning

    from benchmarks.datasets import Collection

    adapter = import_module(f"benchmarks.rivals.{rival}")
    collection = Collection(folder)
    _, X, y = collection.load(collection.names["classes"][0], dtype)
    X, y = X[:rows].copy(), y[:rows]
    del collection  # and what it keeps in memory

    def search():
        model = adapter.default("classification").set_params(loss="log_loss", max_iter=epochs)
        return adapter.search(model, {"alpha": alphas}, cv=folds)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        few = max(99, rows // 100)
        search().fit(X[:few], y[:few])
        forget_peak()
        before = resident("VmRSS")
        search().fit(X, y)
    return resident("VmHWM") - before
