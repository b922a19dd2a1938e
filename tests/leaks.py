"""Fits must leave the memory as they found it: `python tests/leaks.py`.

Design note. What malloc has given out and not got back is exact to the byte, and so is the number of
Python's small blocks; the resident set is neither. Both are read after every `FITS` fits, and growth is
the median of several such rounds, so that a cache that fills once counts as nothing. Until caches are
warm there are further rounds; a leak grows in all of them. What is seen: from `ALLOWED` bytes or blocks a
fit, that is an array of a few numbers, or an object with its dictionary. What is not: a leak of less, and
memory that is mapped without malloc. `test_leaks.py` loses arrays on purpose.
"""

import ctypes
import gc
import statistics
import sys
import warnings

import numpy as np
import scipy.sparse as sp

from fastgd import (
    ElasticNet,
    LogisticRegression,
    Ridge,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
)

FITS, ROUNDS, MOST = 20, 5, 25  # fits a round; rounds that count; rounds until a leak is believed
ALLOWED = 64, 2  # bytes, blocks a fit
COLUMNS = 2000


class Mallinfo2(ctypes.Structure):
    """What glibc tells of its heaps, all threads' included."""

    _fields_ = [
        *[(name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")],
        *[(name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")],
    ]


try:
    mallinfo2 = ctypes.CDLL(None).mallinfo2  # glibc 2.33 and later
    mallinfo2.restype = Mallinfo2
except (AttributeError, OSError, TypeError):
    mallinfo2 = None


def held():
    """(bytes that malloc has given out, Python's small blocks)"""
    gc.collect()
    heaps = mallinfo2()
    return heaps.uordblks + heaps.hblkhd, sys.getallocatedblocks()


def lost(fit, fits=FITS, rounds=ROUNDS, most=MOST):
    """(bytes, blocks) that a call of `fit` leaves behind: medians of rounds of so many fits."""
    for _ in range(fits):
        fit()
    points = [held()]
    while True:
        for _ in range(fits):
            fit()
        points.append(held())
        if len(points) <= rounds:
            continue
        latest = np.diff(points[-rounds - 1 :], axis=0) / fits
        growth = tuple(statistics.median(column) for column in latest.T.tolist())
        if not leaks(growth) or len(points) > most:
            return growth


def leaks(growth):
    """Whether so many bytes and blocks a fit are a leak."""
    return any(grown >= allowed for grown, allowed in zip(growth, ALLOWED, strict=True))


def kinds():
    """{name: a fit of that kind}"""
    draws = np.random.RandomState(0)
    X = draws.randn(30, COLUMNS)
    single = X.astype(np.float32)
    sparse = sp.random(30, COLUMNS, 0.05, "csr", random_state=0)
    y, three = X[:, 0] + 0.1, np.arange(30) % 3
    broken = X.copy()
    broken[3, 3] = np.nan

    def refused():
        try:
            SGDRegressor(max_iter=2).fit(broken, y)
        except ValueError:
            return
        raise AssertionError("NaN was not refused")

    return {
        "regressor": lambda: SGDRegressor(max_iter=2).fit(X, y),
        "regressor, float32": lambda: SGDRegressor(max_iter=2).fit(single, y),
        "three classes": lambda: SGDClassifier(max_iter=2).fit(X, three),
        "softmax": lambda: SGDClassifier(loss="log_loss", multi_class="multinomial", max_iter=2).fit(
            X, three
        ),
        "l1 on CSR": lambda: SGDRegressor(penalty="l1", max_iter=2).fit(sparse, y),
        "adam": lambda: SGDRegressor(optimizer="adam", batch_size=8, max_iter=2).fit(X, y),
        "averaged": lambda: SGDRegressor(average=True, max_iter=2).fit(X, y),
        "automatic": lambda: SGDRegressor(learning_rate="auto", max_iter=2).fit(X, y),
        "one class": lambda: SGDOneClassSVM(max_iter=2).fit(X),
        "partial_fit": lambda: SGDRegressor().partial_fit(X, y),
        "ridge": lambda: Ridge().fit(X[:, :300], y),
        "elastic net": lambda: ElasticNet(alpha=0.1).fit(X[:, :300], y),
        "logistic": lambda: LogisticRegression().fit(X[:, :60], three),
        "refused": refused,
    }


def main():
    if mallinfo2 is None:
        print("This needs glibc 2.33 or later, whose mallinfo2 counts bytes.", file=sys.stderr)
        return 2
    warnings.simplefilter("ignore")
    failed = False
    for name, fit in kinds().items():
        growth = lost(fit)
        failed |= leaks(growth)
        print(
            f"{name:<20} a fit leaves {growth[0]:8.1f} bytes, {growth[1]:5.1f} blocks"
            + " LEAK" * leaks(growth),
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
