"""Newton's method by preconditioned conjugate gradients: for many columns, where no Hessian fits.

Needs a smooth loss and no l1 penalty; the choice for wide sparse X, where dual ascent is slow or, without
a penalty, impossible.

A step solves the Newton equations by conjugate gradients (Nocedal and Wright, 2006, algorithm 7.1), a
product with the Hessian being one pass over X. The preconditioner is exact on the columns that most rows
have, and diagonal on the rest: in text and one-hot data a few hundred columns carry most of the coupling.
The decrement of the Newton equations is the estimate of the suboptimality.
"""

import numpy as np
from scipy.linalg import cho_solve

from .lbfgs import SAFETY, certified, line_search, told_apart
from .newton import factor, run_precisely_in_the_end
from .progress import Progress

__all__ = ["solve"]

MAX_ITER = 200
MOST_HEAVY = 512  # columns of the exact block
MAX_PRODUCTS = 500  # with the Hessian, in one step


def solve(objective, goal, start=None):
    """Minimise a smooth objective of one model.

    Parameters
    ----------
    objective : Objective
    goal : Goal
    start : (coef, intercept), or None for zeros

    Returns
    -------
    Solution
    """
    progress = Progress("conjugate", goal, MAX_ITER)
    try:
        run_precisely_in_the_end(objective, goal, start, progress, _run)
    except (KeyboardInterrupt, Exception) as error:
        progress.interrupted(error)
    return progress.solution()


def _run(point, goal, progress):
    _descend(point, Preconditioner(point.design, point.l2), goal, progress)


def _descend(point, preconditioner, goal, progress):
    progress.begin(point.objective)
    forcing, started = 0.3, False
    while True:
        target = goal.tol * max(abs(point.objective), progress.floor) / SAFETY
        h = point.design.curvatures(point.z)
        preconditioner.refresh(h)
        step, decrement = newton_step(point, h, preconditioner, forcing, target)
        kind, value = certified(point, SAFETY * decrement, goal, progress)
        if progress.add(point.answer, point.objective, kind, value, started):
            return
        following = line_search(point, step)
        if following is None:
            progress.stalled()
            return
        gained = (point.objective - following.objective) / decrement if decrement > 0 else 1.0
        # steps that do what the quadratic promised deserve more exact ones
        forcing = max(1e-3, forcing * (0.3 if gained > 0.8 else 1.0))
        point, started = following, True
        if told_apart(point, progress):
            return


def newton_step(point, h, preconditioner, forcing, target):
    """A step, and the decrease that the quadratic model promises for the best one.

    Conjugate gradients end when the residual has fallen by `forcing` in the preconditioner's norm, or
    when what they can still gain is small against the target.
    """
    design = point.design
    l2 = point.l2 * design.scale**2
    g = point.gradient
    x, r = np.zeros_like(g), -g
    z = preconditioner.inverse(r)
    p, rz = z.copy(), float(r @ z)
    first, decrement = rz, 0.0
    for _ in range(MAX_PRODUCTS):
        hp = np.empty_like(p)
        hp[:-1], hp[-1] = design.curved(h, p[:-1], p[-1])
        hp[:-1] += l2 * p[:-1]
        if not design.fit_intercept:
            hp[-1] = 0.0
        curvature = float(p @ hp)
        if not curvature > 0:
            break
        a = rz / curvature
        x += a * p
        r -= a * hp
        decrement += 0.5 * a * rz
        z = preconditioner.inverse(r)
        rz, before = float(r @ z), rz
        if rz <= forcing**2 * first or rz <= 0.1 * target:
            break
        p = z + (rz / before) * p
    if not x.any():
        x, decrement = preconditioner.inverse(-g), 0.5 * first
    return x, decrement + 0.5 * max(rz, 0.0)


class Preconditioner:
    """The Hessian on the heavy columns and the intercept, its diagonal elsewhere."""

    def __init__(self, design, l2):
        self.design = design
        self.penalty = l2 * design.scale**2
        self.heavy = _heavy(design)
        self.place = np.append(self.heavy, design.d)

    def refresh(self, h):
        design, k = self.design, len(self.heavy)
        diagonal = design.hessian_diagonal(h) + self.penalty
        self.diagonal = np.append(diagonal, max(float(h.sum()), np.finfo(float).tiny))
        self.diagonal[self.diagonal <= 0] = 1.0
        self.factor = None
        if k:
            H = design.hessian_block(h, self.heavy)
            H[:k, :k].flat[:: k + 1] += self.penalty[self.heavy]
            if not design.fit_intercept:
                H[k, :] = H[:, k] = 0.0
                H[k, k] = 1.0
            self.factor = factor(H)

    def inverse(self, r):
        z = r / self.diagonal
        if self.factor is not None:
            z[self.place] = cho_solve(self.factor, r[self.place], check_finite=False)
        if not self.design.fit_intercept:
            z[-1] = 0.0
        return z


def _heavy(design):
    """Columns that most rows have, as many as make their block cost about two passes."""
    if not design.sparse or design.n == 0:
        return np.empty(0, dtype=np.intp)
    counts = np.bincount(design.X.indices, minlength=design.d)
    order = np.argsort(-counts, kind="stable")[:MOST_HEAVY]
    per_row = np.cumsum(counts[order]) / design.n
    order = order[(per_row <= 2 * np.sqrt(design.X.nnz / design.n)) & (counts[order] > 1)]
    return np.sort(order)
