"""The first impression: fastgd beside scikit-learn, on data that needs no download.

scikit-learn's bundled real sets, and one generated set that is large enough to watch.  Both sides
get the same arrays, the same arguments and the same random state, and are scored on rows they have
not seen.  A taste, not a benchmark: that is ``python -m benchmarks``, in a checkout.
"""

import time
import warnings
from statistics import median

import numpy as np
from sklearn import datasets, linear_model
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from . import linear_model as fast
from .callbacks import ProgressBar
from .config import show_config

LARGE_SHAPE = (200_000, 100)
LARGE_EPOCHS = 20
SMALL_REPEATS = 5

_ROW = "{:<14} {:>14}  {:<8} {:>7} {:>8}  {:>9} {:>9}  {:>7}"


def run_demo():
    """Show the configuration, train both libraries' estimators and print a table."""
    show_config()
    print(f"\nTraining on {LARGE_SHAPE[0]:,} generated rows of {LARGE_SHAPE[1]} columns:", flush=True)
    # Watched first, listed last.
    large = {"loss": "log_loss", "max_iter": LARGE_EPOCHS, "tol": None}
    generated = _compare("generated", _generated(), "SGDClassifier", watch=True, **large)
    rows = [
        _compare("digits", datasets.load_digits(return_X_y=True), "SGDClassifier"),
        _compare("breast_cancer", datasets.load_breast_cancer(return_X_y=True), "SGDClassifier"),
        _compare("diabetes", datasets.load_diabetes(return_X_y=True), "SGDRegressor"),
        generated,
    ]
    _print_table(rows)


def _generated():
    """Two overlapping classes in float32, half of the columns informative."""
    random = np.random.default_rng(0)
    X = random.standard_normal(LARGE_SHAPE, dtype=np.float32)
    w = random.standard_normal(LARGE_SHAPE[1]) * (np.arange(LARGE_SHAPE[1]) % 2)
    noise = random.logistic(size=LARGE_SHAPE[0])
    return X, (X @ w + 2.0 * noise > 0).astype(np.int64)


def _compare(data, Xy, estimator, watch=False, **parameters):
    """Fit and score the same estimator of both libraries; return a row of the table."""
    X, y = Xy
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
    scaler = StandardScaler().fit(X_train)
    X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)

    scores, seconds = [], []
    for library in (fast, linear_model):
        model = getattr(library, estimator)(random_state=0, **parameters)
        if watch and library is fast:
            bar = ProgressBar(force=True)
            bar.interval = 0.0  # few epochs, and each of them is worth a look
            model.set_callbacks(bar)
        times = []
        for _ in range(1 if watch else SMALL_REPEATS):
            begin = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(X_train, y_train)
            times.append(time.perf_counter() - begin)
        seconds.append(median(times))
        scores.append(model.score(X_test, y_test))
    score = "R2" if estimator == "SGDRegressor" else "accuracy"
    return (data, X.shape, score, scores, seconds)


def _print_table(rows):
    header = _ROW.format(
        "data", "rows x columns", "score", "fastgd", "sklearn", "fastgd", "sklearn", "times"
    )
    print(f"\n{header}\n{'-' * len(header)}")
    for data, (n, d), score, (ours, theirs), (our_time, their_time) in rows:
        print(
            _ROW.format(
                data,
                f"{n:,} x {d}",
                score,
                f"{ours:.3f}",
                f"{theirs:.3f}",
                _duration(our_time),
                _duration(their_time),
                f"{their_time / our_time:.1f}",
            )
        )
    print("\nScores on rows not trained on; time of one fit (the median of a few on the small sets).")


def _duration(seconds):
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
