"""A thousand fits of each kind must leave the memory as they found it: `python tests/leaks.py`.

The resident set is read after a warm-up, in which caches and allocators take what they keep, and again
at the end. Fits of `COLUMNS` weights that lost one such array each would leave ten times what is allowed.
Not collected by pytest, since it takes half a minute; `.ci/sanitize` runs it.
"""

import gc
import os
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

FITS, WARM_UP, COLUMNS = 1000, 200, 2000
ALLOWED = FITS * COLUMNS * 8 // 10  # bytes


def resident():
    """Bytes of memory that the process holds now."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(fit):
    """Bytes that `FITS` calls of `fit` leave behind."""
    for _ in range(WARM_UP):
        fit()
    before = resident()
    for _ in range(FITS):
        fit()
    return resident() - before


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
        "ridge": lambda: Ridge().fit(X[:, :60], y),
        "elastic net": lambda: ElasticNet(alpha=0.1).fit(X[:, :60], y),
        "logistic": lambda: LogisticRegression().fit(X[:, :60], three),
        "refused": refused,
    }


def main():
    warnings.simplefilter("ignore")
    failed = False
    for name, fit in kinds().items():
        grown = growth(fit)
        failed |= grown > ALLOWED
        print(
            f"{name:<20} {FITS} fits leave {grown / 1024:8.0f} KiB" + (" LEAK" * (grown > ALLOWED)),
            flush=True,
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
