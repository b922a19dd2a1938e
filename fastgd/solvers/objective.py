"""What a solver minimises, how far it has to go, and what it leaves behind.

Everything on this floor is in one set of units, those of the mean loss::

    F(w, b) = sum_i s_i loss(y_i, w . x_i + b) / S + l1 |w|_1 + l2 / 2 |w|^2,      S = sum_i s_i

with the intercept b unpenalised. Estimators translate their own scaling (C, alpha) into l1 and l2 and
back; a solver knows no estimator. For softmax the loss is that of K raw predictions, and w has K rows.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp

__all__ = ["Certificate", "Goal", "Objective", "Solution"]

FULL = 0.8  # share of values from which on sparse rows are worked on as dense ones


@dataclass
class Objective:
    """A smooth loss, data and penalties.

    Attributes
    ----------
    X : ndarray or CSR matrix of shape (n, d)
        As `data.validated` returns it: C-contiguous floats or integers, or CSR of floats. Nearly full CSR
        becomes an ndarray, which then takes no more memory, and whose columns can be centred.
    y : ndarray
        {-1, +1} of shape (n,) for "log_loss"; numbers of shape (n,) or (n, n_targets) for
        "squared_error"; int32 codes 0 ... classes - 1 of shape (n,) for "multinomial".
    loss : {"log_loss", "squared_error", "multinomial"}
    weight : ndarray of shape (n,) of float64, or None
        Row weights >= 0; they count repetitions.
    l1, l2 : float
        Strengths of the penalties; `l2` may be an array of shape (n_targets,).
    fit_intercept : bool
    positive : bool
        Whether all weights must be >= 0.
    classes : int
        Number of classes of "multinomial".
    """

    X: object
    y: np.ndarray
    loss: str
    weight: np.ndarray | None = None
    l1: float = 0.0
    l2: float = 0.0
    fit_intercept: bool = True
    positive: bool = False
    classes: int = 1

    def __post_init__(self):
        X = self.X
        if sp.issparse(X) and X.nnz > FULL * X.shape[0] * X.shape[1]:
            self.X = X.toarray()

    @cached_property
    def total(self):
        """S, the sum of the row weights."""
        return float(self.X.shape[0] if self.weight is None else self.weight.sum())


@dataclass(frozen=True)
class Goal:
    """When a solver is done.

    Attributes
    ----------
    tol : float
        The largest relative suboptimality, (F(w) - F*) / F(w), that the certificate may leave.
    max_iter : int, or None for the solver's own generous limit
    max_time : float, or None
        Seconds.
    n_threads : int
    random_state : int
        Seed of what a solver draws.
    shuffle : bool
        Whether coordinates are visited in a drawn order rather than in that of the columns.
    verbose : int
    on_iteration : callable, or None
        ``on_iteration(history, coef, intercept)`` after each iteration; True ends the fit.
    patient : bool
        Whether a solver goes on where its steps gain so little that it should give way to another one.
    """

    tol: float = 1e-4
    max_iter: int | None = None
    max_time: float | None = None
    n_threads: int = 1
    random_state: int = 0
    shuffle: bool = False
    verbose: int = 0
    on_iteration: Callable | None = None
    patient: bool = True


@dataclass(frozen=True)
class Certificate:
    """How far F(w) may be above its minimum.

    Attributes
    ----------
    kind : {"gap", "estimate"}
        "gap" is a bound that holds; "estimate" is a Newton decrement, or what the gains of the last steps
        promise, near the truth but no bound.
    value : float
        The bound or estimate of F(w) - F*.
    relative : float
        The same over F(w).
    """

    kind: str
    value: float
    relative: float


@dataclass
class Solution:
    """The best point a solver found.

    Attributes
    ----------
    coef : ndarray of float64 of shape (d,), or (classes, d), or (n_targets, d)
    intercept : float, or ndarray of shape (classes,) or (n_targets,)
    objective : float
    n_iter : int
    certificate : Certificate
    converged : bool
        Whether the certificate reached the goal.
    stop_reason : str
    solver : str
        The solver that found it.
    history : dict of arrays of shape (iterations,)
        "objective", "certificate" (relative) and "seconds".
    failure : BaseException, or None
        What ended the solver early: the point is valid, and the caller raises it again once it is stored.
    gave_way : bool
        Whether it ended so that another solver goes on from its point.
    """

    coef: np.ndarray
    intercept: object
    objective: float
    n_iter: int
    certificate: Certificate
    converged: bool
    stop_reason: str
    solver: str
    history: dict = field(default_factory=dict)
    failure: BaseException | None = None
    gave_way: bool = False
