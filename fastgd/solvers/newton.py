"""Newton's method with a Hessian that is kept as long as it serves, repaired by L-BFGS.

Needs a smooth loss, no l1 penalty, and a Hessian that fits in memory: dense X of some thousand columns,
or sparse X of fewer.

The metric of the loop in :mod:`.lbfgs` is the Cholesky factor of the Hessian at an earlier point. Where
the Hessian costs more than several passes over X, it comes from a sample of the rows drawn in proportion
to their curvature, put right by the exact diagonal (a sample alone is wrong for rare columns).
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.special import xlog1py, xlogy

from ..kernels import kernels
from .design import Design
from .lbfgs import descend
from .progress import Progress

__all__ = ["entropy", "factor", "run_precisely_in_the_end", "solve"]

MAX_ITER = 1000
PRECISE_BELOW = 1e-7  # tolerance below which float32 rows are worked on in float64
FULL_COST = 8.0  # in passes, up to which a Hessian is made of all rows
ROWS_PER_COLUMN = 6  # in the smallest sample
FIRST_COST = 1.0  # of the first Hessian, in passes over X, if its sample is large enough
LOOSE = 1e-5  # tolerance from which on the first Hessian of dense rows is soon outdated,
CHEAP_COST = 4.0  # and the passes up to which it is made of all rows even so


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
    progress = Progress("newton", goal, MAX_ITER)
    try:
        run_precisely_in_the_end(objective, goal, start, progress, _run)
    except (KeyboardInterrupt, Exception) as error:
        progress.interrupted(error)
    return progress.solution()


def _run(point, goal, progress):
    descend(point, HessianMetric(point, goal), goal, progress)


def run_precisely_in_the_end(objective, goal, start, progress, run):
    """``run(point, goal, progress)`` in the precision of X and, where this ends too early, in float64."""
    design = Design(objective, goal.n_threads, precise=goal.tol < PRECISE_BELOW)
    run(first_point(design, start), goal, progress)
    if not design.double and progress.stuck:
        progress.go_on()
        design = Design(objective, goal.n_threads, precise=True)
        run(first_point(design, progress.point()), goal, progress)


def first_point(design, start):
    """The point to begin at: zero weights and their best intercept, unless a start is given."""
    theta = np.zeros(design.d + 1)
    if start is not None:
        theta[:-1], theta[-1] = design.scaled(np.asarray(start[0], np.float64), float(start[1]))
    elif design.fit_intercept:
        theta[-1] = best_intercept(design.objective)
    return Point(design, theta)


def best_intercept(objective):
    """The best intercept of zero weights."""
    if objective.loss == "squared_error":
        return float(np.average(objective.y, weights=objective.weight))
    weight = np.ones(len(objective.y)) if objective.weight is None else objective.weight
    positive = float(weight[objective.y > 0].sum())
    negative = float(weight.sum()) - positive
    return float(np.log(positive / negative)) if positive > 0 and negative > 0 else 0.0


class Point:
    """A point (u, c) in the scaled coordinates of a design, with its objective and gradient."""

    def __init__(self, design, theta, evaluated=None):
        self.design, self.theta = design, theta
        self.l2 = float(design.objective.l2)
        self.w, self.b = design.weights(theta[:-1], theta[-1])
        loss, g, gc, self.z = evaluated or design.evaluate(self.w, self.b)
        self.objective = loss + 0.5 * self.l2 * float(self.w @ self.w)
        self.gradient = np.append(
            g + self.l2 * self.w * design.scale, gc if design.fit_intercept else 0.0
        )

    def moved(self, theta):
        return Point(self.design, theta)

    def line_to(self, following):
        return Line(self, following)

    def answer(self):
        """Weights and intercept in the user's units."""
        return self.w.copy(), self.b if self.design.fit_intercept else 0.0

    def margin(self):
        """The least y z of all rows if nothing but losses is minimised, which can then become zero."""
        if self.l2 > 0 or self.design.objective.loss == "squared_error":
            return 0.0
        margins = self.z * self.design.y
        weight = self.design.weight
        return float(margins.min() if weight is None else margins[weight > 0].min())

    def gap(self):
        """A bound on the suboptimality: F is l2-strongly convex in w, once b is the best for it.

        The gradient in b is zero but for rounding where this is asked for.
        """
        if self.l2 <= 0:
            return np.inf
        g = self.gradient[:-1] * self.design.spread + self.design.mean * self.gradient[-1]
        return float(g @ g) / (2 * self.l2)

    def proven_gap(self):
        """The duality gap, in float64, at dual variables that the unpenalised intercept allows."""
        return duality_gap(self.design, self.l2, self.w, self.b)


def duality_gap(design, l2, w, b):
    """F(w, b) minus a value of the dual objective, which is never above the minimum of F.

    The dual variables are the slopes at (w, b). With an intercept they must sum to zero: for the logistic
    loss those of the heavier class are scaled down, for squared errors their mean is taken off.
    """
    design = design.precisely()
    y, total, loss = design.y, design.objective.total, design.loss
    s = np.ones(design.n) if design.weight is None else design.weight
    z, r = design.predictions(w, b), np.empty(design.n)
    primal = kernels.slopes(loss.number, loss.default, y, z, design.weight, r) / total
    primal += 0.5 * l2 * float(w @ w)
    if design.objective.loss == "squared_error":
        if design.fit_intercept:
            r -= s * (r.sum() / total)
        with np.errstate(invalid="ignore"):
            residual = np.divide(r, s, out=np.zeros_like(r), where=s > 0)
        conjugate = float(s @ (0.5 * residual**2 + residual * y))
    else:
        alpha = np.divide(-r * y, s, out=np.zeros_like(r), where=s > 0)
        if design.fit_intercept:
            positive, negative = float(-r[y > 0].sum()), float(r[y < 0].sum())
            if min(positive, negative) <= 0:
                return np.inf
            heavy = y == (1.0 if positive > negative else -1.0)
            alpha[heavy] *= min(positive, negative) / max(positive, negative)
            r = -s * alpha * y
        conjugate = -float(s @ entropy(alpha))
    g = design.unscaled_gradient(r)
    return primal + conjugate / total + float(g @ g) / (2 * l2 * total**2)


def entropy(alpha):
    """-(a log a + (1 - a) log(1 - a)), zero at both ends."""
    return -xlog1py(1 - alpha, -alpha) - xlogy(alpha, alpha)


class Line:
    """The objective on the line through two points, from their raw predictions."""

    def __init__(self, point, following):
        self.point0, self.design = point, point.design
        self.dz, dw = following.z - point.z, following.w - point.w
        self.constant = 0.5 * point.l2 * float(point.w @ point.w)
        self.linear, self.quadratic = point.l2 * float(point.w @ dw), point.l2 * float(dw @ dw)
        self.r = np.empty(len(self.dz))

    def _slopes(self, t):
        loss, design = self.design.loss, self.design
        z = self.point0.z + t * self.dz
        total = kernels.slopes(loss.number, loss.default, design.y, z, design.weight, self.r)
        self.r /= design.objective.total
        return total / design.objective.total, z

    def at(self, t):
        """Objective, and its first and second derivatives in t."""
        value, z = self._slopes(t)
        value += self.constant + t * (self.linear + 0.5 * t * self.quadratic)
        first = float(self.r @ self.dz) + self.linear + t * self.quadratic
        return value, first, float(self.design.curvatures(z) @ (self.dz * self.dz)) + self.quadratic

    def point(self, t, theta):
        value, z = self._slopes(t)
        return Point(self.design, theta, (value, *self.design.gradient_of(self.r), z))


class HessianMetric:
    """The Cholesky factor of the Hessian at a point, of all rows or of a sample.

    Parameters
    ----------
    point : Point
        Where it is made first.
    goal : Goal
    precise : bool, default=False
        Whether dense rows are multiplied in float64 whatever the goal.
    """

    def __init__(self, point, goal, precise=False):
        self.design = point.design
        self.rng = np.random.default_rng(goal.random_state)
        self.penalty = point.l2 * self.design.scale**2
        self.tol, self.precise = goal.tol, precise or goal.tol < PRECISE_BELOW
        self.share = self._first_share()
        self.refresh(point)

    def _cost(self, share):
        """Of a Hessian from a share of the rows, in passes over X."""
        design = self.design
        d, n = design.d, max(1, design.n)
        if design.sparse:
            per_row = design.X.nnz / n
            one_pass, hessian = 5 + 2 * per_row, per_row * per_row / 2 + per_row
        else:
            one_pass, hessian = 5 + 0.2 * d, 3 + 0.3 * d + d * d / 80
        return share * hessian / one_pass + d**3 / 30 / (n * one_pass)

    @property
    def cost(self):
        return self._cost(self.share)

    def _first_share(self):
        design = self.design
        full = self._cost(1.0)
        lasting = design.sparse or self.tol < LOOSE
        if full <= (FULL_COST if lasting else CHEAP_COST):
            return 1.0
        return min(1.0, max(ROWS_PER_COLUMN * design.d / design.n, FIRST_COST / full))

    def matrix(self, point):
        """The Hessian at a point; next time of more rows."""
        design, d = self.design, self.design.d
        h = design.curvatures(point.z)
        if self.share < 1.0:
            H = design.sampled_hessian(h, self.share, self.rng, self.precise)
            self.share = 1.0 if self._cost(1.0) <= FULL_COST else min(1.0, 2 * self.share)
        else:
            H = design.hessian(h, precise=self.precise)
        H[:d, :d].flat[:: d + 1] += self.penalty
        if not design.fit_intercept:
            H[d, :] = H[:, d] = 0.0
            H[d, d] = 1.0
        return H

    def refresh(self, point):
        self.factor = factor(self.matrix(point))
        return True

    def inverse(self, g):
        g = cho_solve(self.factor, g, check_finite=False)
        if not self.design.fit_intercept:
            g[-1] = 0.0
        return g


def factor(H):
    """Cholesky factor, with as much added to the diagonal as it takes."""
    size = H.diagonal().copy()
    size[size <= 0] = max(1e-300, float(size.max()))
    jitter = 0.0
    while True:
        try:
            trial = H.copy() if jitter else H
            if jitter:
                trial.flat[:: len(H) + 1] += jitter * size
            return cho_factor(trial, lower=True, check_finite=False)
        except LinAlgError:
            jitter = max(1e-14, 100 * jitter)
            if jitter > 1e2:
                raise
