"""Newton's method with a Hessian that is kept as long as it serves, repaired by L-BFGS.

Needs a smooth loss, no l1 penalty, and a Hessian that fits in memory: dense X of some thousand columns,
or sparse X of fewer.

A Cholesky factor of the Hessian at an earlier point is the initial metric of L-BFGS (Nocedal and Wright,
2006, algorithm 7.4), whose pairs of steps and gradient changes correct what has changed since. An
iteration then costs one read of X: the objective and the gradient at the full step come from one fused
pass, and a shorter step, should one be needed, is found on the stored raw predictions, without X. The
Hessian is computed anew when the iterations that the present rate of convergence still needs would cost
more. Where the Hessian costs more than a few passes, it comes from a sample of the rows drawn in
proportion to their curvature, put right by the exact diagonal (a sample alone is wrong for rare columns).
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from ..kernels import kernels
from .design import Design
from .progress import Progress

__all__ = ["solve"]

MAX_ITER = 1000
MEMORY = 20  # pairs
PRECISE_BELOW = 1e-7  # tolerance below which float32 rows are worked on in float64
SHRINK = 0.02  # of the off-diagonal of a sampled Hessian


class Point:
    """A point in the scaled coordinates, with its objective and gradient."""

    def __init__(self, design, l2, theta, evaluated=None):
        self.design, self.l2, self.theta = design, l2, theta
        self.w, self.b = design.weights(theta[:-1], theta[-1])
        loss, g, gc, self.z = evaluated or design.evaluate(self.w, self.b)
        self.objective = loss + 0.5 * l2 * float(self.w @ self.w)
        self.gradient = np.append(g + l2 * self.w * design.scale, gc if design.fit_intercept else 0.0)

    def gap(self):
        """A bound on the suboptimality: F is l2-strongly convex in w, once b is the best for it.

        The gradient in b is zero but for rounding where this is asked for.
        """
        design = self.design
        g = self.gradient[:-1] * design.spread
        if self.l2 <= 0:
            return np.inf
        c = self.gradient[-1]
        g = g + design.mean * c
        return float(g @ g) / (2 * self.l2)


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
    design = Design(objective, goal.n_threads, precise=goal.tol < PRECISE_BELOW)
    progress = Progress("newton", goal, MAX_ITER)
    try:
        _descend(design, objective, goal, start, progress)
    except (KeyboardInterrupt, Exception) as error:
        progress.interrupted(error)
    return progress.solution()


def _start(design, objective, start):
    if start is not None:
        u, c = design.scaled(np.asarray(start[0], np.float64), float(start[1]))
        return np.append(u, c)
    theta = np.zeros(design.d + 1)
    if objective.fit_intercept:
        theta[-1] = best_intercept(objective)
    return theta


def best_intercept(objective):
    """The best intercept of zero weights."""
    if objective.loss == "squared_error":
        return float(np.average(objective.y, weights=objective.weight))
    weight = np.ones(len(objective.y)) if objective.weight is None else objective.weight
    positive = float(weight[objective.y > 0].sum())
    negative = float(weight.sum()) - positive
    return float(np.log(positive / negative)) if positive > 0 and negative > 0 else 0.0


def _descend(design, objective, goal, start, progress):
    l2 = float(objective.l2)
    point = Point(design, l2, _start(design, objective, start))
    progress.begin(point.objective)
    metric = Metric(design, objective, goal, point)
    correction = 1.0  # of the decrement, from what steps have gained beyond it
    step = -metric.solve(point.gradient)
    decrement = -0.5 * float(point.gradient @ step)
    started = False
    while True:
        kind, value = "estimate", correction * decrement
        gap = point.gap()
        if gap <= value or progress.relative(gap, point.objective) <= goal.tol:
            kind, value = "gap", gap
        if progress.add(_answer(point), point.objective, kind, value, started):
            return
        started = True
        following = _line_search(point, step)
        if following is None:
            if metric.refresh(point):
                step = -metric.solve(point.gradient)
                decrement = -0.5 * float(point.gradient @ step)
                following = _line_search(point, step)
            if following is None:
                progress.stalled()
                return
        metric.learn(following.theta - point.theta, following.gradient - point.gradient)
        gained = point.objective - following.objective
        correction = max(1.0, 0.7 * correction, gained / decrement if decrement > 0 else 1.0)
        before, point = decrement, following
        step = -metric.solve(point.gradient)
        decrement = -0.5 * float(point.gradient @ step)
        target = goal.tol * max(abs(point.objective), progress.floor)
        if metric.worth_refreshing(before, decrement, target) and metric.refresh(point):
            step = -metric.solve(point.gradient)
            decrement = -0.5 * float(point.gradient @ step)


def _answer(point):
    return lambda: (point.w.copy(), point.b if point.design.fit_intercept else 0.0)


def _line_search(point, step):
    """The next point along the step; None if nothing is to be gained."""
    design, objective = point.design, point.design.objective
    slope = float(point.gradient @ step)
    if not slope < 0:
        return None
    theta = point.theta + step
    following = Point(design, point.l2, theta)
    new_slope = float(following.gradient @ step)
    if following.objective <= point.objective + 1e-4 * slope and abs(new_slope) <= 0.9 * abs(slope):
        return following
    # The objective along the step, from the raw predictions at both ends.
    dz, dw = following.z - point.z, following.w - point.w
    quadratic = point.l2 * float(dw @ dw)
    linear = point.l2 * float(point.w @ dw)
    r = np.empty(len(dz))
    loss, y, weight = design.loss, design.y, objective.weight

    def along(t):
        value = kernels.slopes(loss.number, loss.default, y, point.z + t * dz, weight, r)
        penalty = 0.5 * point.l2 * float(point.w @ point.w) + t * linear + 0.5 * t * t * quadratic
        return value / objective.total + penalty, float(r @ dz) / objective.total + linear + t * quadratic

    low, high = 0.0, None
    t = 1.0
    value, derivative = following.objective, new_slope
    if not np.isfinite(value):
        t = 0.1
        value, derivative = along(t)
    for _ in range(60):
        if (
            np.isfinite(value)
            and value <= point.objective + 1e-4 * t * slope
            and abs(derivative) <= 0.1 * abs(slope)
        ):
            break
        if not np.isfinite(value) or derivative > 0:
            high = t
        else:
            low = t
        if high is None:
            t *= 4.0
        else:
            h = design.curvatures(point.z + t * dz) if np.isfinite(value) else None
            newton = t - derivative / (float(h @ (dz * dz)) + quadratic) if h is not None else np.nan
            t = newton if low < newton < high else 0.5 * (low + high)
        value, derivative = along(t)
        if high is not None and high - low <= 1e-12 * high:
            break
    if not value < point.objective:
        return None
    z = point.z + t * dz
    total = kernels.slopes(loss.number, loss.default, y, z, weight, r)
    r /= objective.total
    g, gc = design.gradient_of(r)
    return Point(design, point.l2, point.theta + t * step, (total / objective.total, g, gc, z))


class Metric:
    """An approximation of the Hessian: the Cholesky factor of an earlier one, and L-BFGS pairs since."""

    def __init__(self, design, objective, goal, point):
        self.design, self.objective, self.goal = design, objective, goal
        self.rng = np.random.default_rng(goal.random_state)
        self.penalty = float(objective.l2) * design.scale**2
        self.age = 0
        self.share = self._first_share()
        self.refresh(point)

    # ---- costs, in reads of X ----------------------------------------------------------------------

    def _cost(self, share):
        """Of a Hessian from a share of the rows, in passes."""
        design = self.design
        if design.sparse:
            per_row = design.X.nnz / max(1, design.n)
            return share * (0.5 * per_row + 1) + design.d**3 / (3e1 * max(1, design.X.nnz))
        ratio = 0.02 if not design.double else 0.03
        return share * (ratio * design.d + 1) + design.d**2 / (30.0 * design.n)

    def _first_share(self):
        design = self.design
        if self._cost(1.0) <= 3:
            return 1.0
        rows = max(4 * design.d, int(design.n * 3 / self._cost(1.0)))
        return min(1.0, rows / design.n)

    def worth_refreshing(self, before, now, target):
        """Whether a new Hessian would save more passes than it costs."""
        if now <= target or before <= 0:
            return False
        rate = now / before
        if rate >= 0.9:
            return self.age >= 2
        remaining = np.log(target / now) / np.log(rate)
        return remaining > self._cost(self.share) + 2

    # ---- the factor ---------------------------------------------------------------------------------

    def refresh(self, point):
        """Compute the Hessian at a point; False if it was already there."""
        if self.age == 0 and hasattr(self, "factor") and self.share == 1.0:
            return False
        design = self.design
        h = design.curvatures(point.z)
        if self.share < 1.0:
            H = self._sampled(h)
            self.share = min(1.0, 2 * self.share)
        else:
            H = design.hessian(h)
        d = design.d
        H[:d, :d].flat[:: d + 1] += self.penalty
        if not design.fit_intercept:
            H[d, :] = H[:, d] = 0.0
            H[d, d] = 1.0
        self.factor = _factor(H)
        self.pairs = []
        self.age = 0
        return True

    def _sampled(self, h):
        """Rows drawn with probabilities in proportion to h, put right by the exact diagonal."""
        design = self.design
        total = float(h.sum())
        wanted = self.share * design.n
        probability = np.minimum(1.0, wanted * h / total)
        chosen = np.flatnonzero(self.rng.random(design.n) < probability)
        H = design.hessian(h[chosen] / probability[chosen], chosen)
        diagonal = np.append(design.hessian_diagonal(h), total)
        sampled = H.diagonal().copy()
        ratio = np.sqrt(np.divide(diagonal, sampled, out=np.zeros_like(diagonal), where=sampled > 0))
        H *= ratio
        H *= ratio[:, None]
        H *= 1 - SHRINK
        np.fill_diagonal(H, diagonal)
        return H

    # ---- L-BFGS -------------------------------------------------------------------------------------

    def learn(self, s, y):
        self.age += 1
        sy = float(s @ y)
        if sy > 1e-14 * float(np.sqrt((s @ s) * (y @ y))):
            self.pairs = [*self.pairs[-(MEMORY - 1) :], (s, y, 1.0 / sy)]

    def solve(self, g):
        """The inverse of the metric times g."""
        g = g.copy()
        taken = []
        for s, y, rho in reversed(self.pairs):
            a = rho * float(s @ g)
            g -= a * y
            taken.append(a)
        g = cho_solve(self.factor, g, check_finite=False)
        for (s, y, rho), a in zip(self.pairs, reversed(taken), strict=True):
            g += (a - rho * float(y @ g)) * s
        if not self.design.fit_intercept:
            g[-1] = 0.0
        return g


def _factor(H):
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
