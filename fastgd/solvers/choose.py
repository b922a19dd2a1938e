"""Which solver for which problem: the decision table of ``solver="auto"``, with its measurements.

Seconds to a relative suboptimality of 1e-3 / 1e-6 on one core (float32, set-up included)::

    data (C), q                 newton          conjugate       dual
    adult_dense (1), 100        0.021 / 0.030
    covtype_20k (1), 54         0.003 / 0.006
    mnist odd/even (.01), 1     0.11 / 0.17
    skin (1), 3                 0.010 / 0.013
    a9a (1), 14                 0.011 / 0.013
    w8a (1), 12                 0.028 / 0.040   0.11 / 0.16     0.09 / -
    imdb tf-idf (1), 1                          0.41 / 0.58     0.07 / 0.10
    imdb tf-idf (10), 10                        0.56 / 1.07     0.14 / 0.25
    imdb tf-idf (100), 100                      1.10 / 2.08     0.57 / 1.15
    flights_onehot (1), 8                       0.17 / 0.30     0.35 / 0.75

Nanoseconds that explain these figures, for n rows of p values in d columns::

    a pass             n (5 + 0.2 p) dense, n (5 + 2 p) sparse
    newton             12 passes, d^3 / 120, and m p^2 / 80 (dense, of m rows) or n p^2 (sparse)
    conjugate          25 + 10 sqrt(q) passes
    dual               6 + 1.3 q epochs of n (70 + p / 2) dense, n (70 + p) sparse

The same with an l1 penalty::

    data (C)                      newton_l1         columns           coordinate        proximal
    adult_dense (1)               0.03 / 0.04       0.06 / 5          0.21 / 0.23       0.31 / 0.31
    200,000 x 40                  0.04 / 0.05       0.12 / 0.36       0.29 / 0.28
    a9a (1)                       0.02 / 0.03       0.02 / 1.3        0.08 / 0.08       0.32 / 0.34
    w8a (1)                       0.14 / 0.15       0.08 / 0.13       0.19 / 0.20       1.7 / 1.9
    imdb tf-idf (1)                                 0.11 / 0.19       0.7 / 1.1
    flights_onehot (1)                              0.17 / 0.8        not by 60         not by 50
    200,000 x 20,000, 6 in a row                    0.06 / 0.07       not by 12
    mnist, 20,000 rows (.01)      0.07 / 0.12       0.09 / 0.12       0.09 / 0.10
    2000 x 1500, 20 factors       not by 10         1.3 / 1.4         0.48 / 0.49
    500 x 5000, dense             -                 0.04 / 0.04       0.05 / 0.06
    covtype_20k, 7 classes (1)                                                          1.1 / 1.1
    letter, 26 classes (1)                                                              1.4 / 1.5
    mnist, 10,000 rows (.01)                                                            1.4 / 1.5

Squared loss has no choice to make: gram without an l1 penalty, coordinate with one.

q = mean |x|^2 / (S l2) says how far the penalty alone conditions the problem.
"""

import time
from dataclasses import replace
from importlib import import_module
from math import sqrt

import numpy as np
import scipy.sparse as sp

from . import newton
from .blas import one_thread
from .objective import Goal

__all__ = ["LOGISTIC", "SOLVERS", "choose", "solve"]

SOLVERS = (
    *("newton", "conjugate", "dual", "softmax"),
    *("newton_l1", "columns", "coordinate", "proximal"),
    "gram",
)

# Of these, the ones for logistic regression: whether for two classes, for several, with an l1 penalty.
LOGISTIC = {
    "newton": ("two",),
    "conjugate": ("two",),
    "dual": ("two",),
    "softmax": ("several",),
    "coordinate": ("two", "l1"),
    "newton_l1": ("two", "l1"),
    "columns": ("two", "l1"),
    "proximal": ("two", "several", "l1"),
}

# Who goes on where a solver that was expected to be soonest finds that it is not.
SUCCESSORS = {
    "dual": "conjugate",  # q says too little of the data, or float32 weights too little of the minimum
    "coordinate": "proximal",  # of two classes: columns are so alike that single ones move nothing
}

NARROW = 256  # columns, up to which a Hessian is worth its price with an l1 penalty
TALL = 8  # rows per column, from which on
SAMPLE = 100_000  # values of X from which q is taken
BLAS_PAYS = 1000  # columns from which on the threads of BLAS are quicker than one
MOST_COLUMNS = 8192  # of a Hessian: half a gigabyte


def choose(objective, goal):
    """The name of the solver that is expected to be soonest."""
    if objective.loss == "multinomial":
        return "proximal" if objective.l1 > 0 else "softmax"
    if objective.l1 > 0 or objective.positive:
        if objective.loss == "squared_error" or objective.positive:
            return "coordinate"
        return with_l1(objective)
    if objective.loss == "squared_error":
        return "gram"
    costs = estimated(objective)
    return min(costs, key=costs.get)


def with_l1(objective):
    """The solver for the log-loss of two classes and an l1 penalty."""
    n, d = objective.X.shape
    if d <= NARROW and n >= TALL * d:
        return "newton_l1"
    return "columns" if sp.issparse(objective.X) else "coordinate"


def estimated(objective):
    """Nanoseconds that each solver which can do the work is expected to take."""
    X = objective.X
    n, d = X.shape
    sparse = sp.issparse(X)
    values = X.data if sparse else X.reshape(-1)
    per_row = len(values) / max(1, n)
    one_pass = n * (5 + (2 if sparse else 0.2) * per_row)
    costs = {}
    if d <= MOST_COLUMNS:
        rows = min(n, max(newton.ROWS_PER_COLUMN * d, n * one_pass / (n * d * d / 80 + one_pass)))
        hessian = n * per_row**2 if sparse else rows * d * d / 80
        costs["newton"] = 12 * one_pass + hessian + d**3 / 120
    q = np.inf
    if objective.l2 > 0:
        some = values[:: max(1, len(values) // SAMPLE)].astype(np.float64)
        with np.errstate(over="ignore"):
            q = float(some @ some) / max(1, len(some)) * per_row / (objective.total * objective.l2)
    costs["conjugate"] = (25 + 10 * sqrt(min(q, 1e4))) * one_pass
    if objective.loss == "log_loss" and np.isfinite(q) and X.dtype.kind == "f" and n <= 0x7FFFFFFF:
        costs["dual"] = (6 + 1.3 * q) * n * (70 + (1 if sparse else 0.5) * per_row)
    return costs


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
    with one_thread(goal.n_threads > 1 or objective.X.shape[1] < BLAS_PAYS):
        if solver != "auto":
            return _solve(solver, objective, goal, start)
        name = choose(objective, goal)
        began = time.perf_counter()
        solution = _solve(name, objective, replace(goal, patient=name not in SUCCESSORS), start)
        if not solution.gave_way or solution.failure is not None:
            return solution
        if goal.max_time is not None:
            goal = replace(goal, max_time=max(0.0, goal.max_time - (time.perf_counter() - began)))
        return _solve(SUCCESSORS[name], objective, goal, (solution.coef, solution.intercept))


def _solve(name, objective, goal, start):
    return import_module(f".{name}", __package__).solve(objective, goal, start)
