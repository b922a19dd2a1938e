"""Which solver for which problem: the decision table of ``solver="auto"``, with its measurements.

Seconds to a relative suboptimality of 1e-3 / 1e-6 on one core (float32, set-up included)::

    data (C), q                 newton          conjugate       dual
    adult_dense (1), 100        0.037 / 0.068
    covtype_20k (1), 54         0.008 / 0.015
    mnist odd/even (.01), 1     0.44 / 0.46
    skin (1), 3                 0.019 / 0.023
    a9a (1), 14                 0.017 / 0.021
    w8a (1), 12                 0.032 / 0.042   0.11 / 0.16     0.09 / -
    imdb tf-idf (1), 1                          0.41 / 0.58     0.06 / 0.11
    imdb tf-idf (10), 10                        0.62 / 1.07     0.17 / 0.31
    imdb tf-idf (100), 100                      1.10 / 2.08     0.70 / 1.30
    flights_onehot (1), 8                       0.30 / 0.36     0.35 / 0.75

q = mean |x|^2 / (S l2) decides how many epochs dual ascent takes, about 6 + 1.3 q whatever the data; an
epoch costs some 60 ns a row and 1 ns a value. Conjugate gradients take about 30 + 12 sqrt(q) passes of
1.8 ns a value. Where the Hessian costs a few passes, Newton's method is ahead of both.
"""

from importlib import import_module
from math import sqrt

import numpy as np
import scipy.sparse as sp

from .objective import Goal

__all__ = ["LOGISTIC", "SOLVERS", "choose", "solve"]

SOLVERS = ("newton", "conjugate", "dual", "softmax", "proximal")

# Of these, the ones for logistic regression: whether for two classes, for several, with an l1 penalty.
LOGISTIC = {
    "newton": ("two",),
    "conjugate": ("two",),
    "dual": ("two",),
    "softmax": ("several",),
    "proximal": ("two", "several", "l1"),
}

DENSE_HESSIAN = 5000  # columns up to which a Hessian is made of dense rows
SPARSE_HESSIAN = 1500  # ... of sparse rows


def choose(objective, goal):
    """The name of the solver that is expected to be soonest."""
    if objective.l1 > 0:
        return "proximal"
    if objective.loss == "multinomial":
        return "softmax"
    X = objective.X
    n, d = X.shape
    sparse = sp.issparse(X)
    if d <= (SPARSE_HESSIAN if sparse else DENSE_HESSIAN) and not (d > 500 and n < d / 2):
        return "newton"
    if objective.loss != "log_loss" or not objective.l2 > 0 or X.dtype.kind != "f" or n > 0x7FFFFFFF:
        return "conjugate"
    values = X.data if sparse else X.reshape(-1)
    q = float(values @ values) / max(1, n) / (objective.total * objective.l2)
    count = len(values)
    dual = (6 + 1.3 * q) * (60 * n + count)
    conjugate = (30 + 12 * sqrt(q)) * 1.8 * count
    return "dual" if np.isfinite(q) and dual < conjugate else "conjugate"


def solve(objective, solver="auto", goal=None, start=None):
    """Minimise an objective.

    Parameters
    ----------
    objective : Objective
    solver : str
        "auto", or one of `SOLVERS`.
    goal : Goal, default=None
    start : (coef, intercept), default=None
        Where to begin; None for zero weights.

    Returns
    -------
    Solution
    """
    goal = Goal() if goal is None else goal
    name = choose(objective, goal) if solver == "auto" else solver
    solution = import_module(f".{name}", __package__).solve(objective, goal, start)
    if solver == "auto" and name == "dual" and "lowered any further" in solution.stop_reason:
        # slower than expected, or beyond what its float32 weights can tell
        start = solution.coef, solution.intercept
        return import_module(".conjugate", __package__).solve(objective, goal, start)
    return solution
