"""Softmax regression: L-BFGS on the Hessian where it is small, else on its Kronecker approximation.

Needs class codes and no l1 penalty; dense or sparse X.

With K classes the Hessian is sum_i s_i (P_i - p_i p_i') x x_i x_i' over K (d + 1) parameters, P_i being
diag(p_i). Up to a thousand or so of them, its Cholesky factor at an earlier point is the metric of the
loop in :mod:`.lbfgs`. Beyond, the two factors of the sum are averaged apart (as in K-FAC, Martens and
Grosse, 2015): A x G with A the mean of P - p p' and G the mean of x x', which is exact at zero weights,
where all p are equal. Both are diagonalised, so that the l2 penalty enters exactly. With many columns the
metric is the diagonal.
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_solve, eigh

from ..kernels import kernels
from .design import Design
from .lbfgs import descend
from .newton import PRECISE_BELOW, factor
from .progress import Progress

__all__ = ["solve"]

MAX_ITER = 5000
FULL = 1200  # parameters up to which the Hessian itself is the metric
KRONECKER = 3000  # columns up to which X'X is diagonalised
ROWS_PER_COLUMN = 12  # in a sample for X'X
BLOCK_BYTES = 1 << 19  # of rows in one matrix product
FADED = 1e-8  # least share of a curvature that is told: all rows settled leave none


def solve(objective, goal, start=None):
    """Minimise a multinomial objective.

    Parameters
    ----------
    objective : Objective
        With `classes` and class codes.
    goal : Goal
    start : (coef, intercept), or None for zeros

    Returns
    -------
    Solution
    """
    progress = Progress("softmax", goal, MAX_ITER)
    try:
        precise = goal.tol < PRECISE_BELOW
        model = Softmax(objective, goal, precise)
        _run(model, start, goal, progress)
        if progress.stuck and not model.design.double:
            progress.go_on()
            _run(Softmax(objective, goal, precise=True), progress.point(), goal, progress)
    except (KeyboardInterrupt, Exception) as error:
        progress.interrupted(error)
    return progress.solution()


def _run(model, start, goal, progress):
    point = model.first_point(start)
    if model.size <= FULL:
        metric = FullMetric(point, goal)
    elif model.design.d <= KRONECKER:
        metric = KroneckerMetric(point, goal)
    else:
        metric = DiagonalMetric(point)
    descend(point, metric, goal, progress)


class Softmax:
    """Passes over X for all classes at once.

    A block of rows is predicted, and added to the gradient while it is near. Parameters have the shape
    (classes, d + 1), the intercepts in the last column, in the scaled coordinates of the design.
    """

    def __init__(self, objective, goal, precise):
        self.objective = objective
        self.design = Design(objective, goal.n_threads, precise)
        self.kind = np.float64 if self.design.double else np.float32
        self.y = np.ascontiguousarray(objective.y, dtype=np.int32)
        self.classes, self.l2 = objective.classes, float(objective.l2)
        self.size = self.classes * (self.design.d + 1)
        X = objective.X
        self.transposed = X.T.tocsr() if self.design.sparse else None
        self.block = max(256, BLOCK_BYTES // max(1, self.design.d * np.dtype(self.kind).itemsize))

    def first_point(self, start):
        theta = np.zeros((self.classes, self.design.d + 1))
        if start is not None:
            coef = np.asarray(start[0], np.float64)
            theta[:, :-1] = coef * self.design.spread
            theta[:, -1] = np.asarray(start[1], np.float64) + coef @ self.design.mean
        elif self.objective.fit_intercept:
            counts = np.bincount(self.y, self.objective.weight, self.classes)
            theta[:, -1] = np.log(np.maximum(counts, 1e-12 * counts.sum()))
        theta -= theta.mean(axis=0)
        return Point(self, theta.ravel())

    def weights(self, theta):
        theta = theta.reshape(self.classes, -1)
        W = theta[:, :-1] * self.design.scale
        return W, theta[:, -1] - W @ self.design.mean

    def evaluate(self, W, b):
        """Mean loss, its gradient of shape (classes, d + 1), and the raw predictions (classes, n)."""
        design, n = self.design, self.design.n
        z = np.empty((self.classes, n), dtype=self.kind)
        if design.sparse:
            z[:] = (self.objective.X @ W.T.astype(self.kind)).T
            z += b[:, None].astype(self.kind)
            r = z.copy()
            loss = kernels.softmax(r, design.double, self.y, self.objective.weight, self.classes)
            return loss / self.objective.total, self._gradient(r), z
        W, b = W.astype(self.kind), b.astype(self.kind)[:, None]

        def work(start, stop, out):
            total, g = 0.0, out.reshape(self.classes, -1)
            for first in range(start, stop, self.block):
                last = min(first + self.block, stop)
                rows = self._rows(first, last)
                part = W @ rows.T
                part += b
                z[:, first:last] = part
                weight = self.objective.weight
                total += kernels.softmax(
                    part,
                    design.double,
                    self.y[first:last],
                    None if weight is None else weight[first:last],
                    self.classes,
                )
                g[:, :-1] += part @ rows
                g[:, -1] += part.sum(axis=1, dtype=np.float64)
            return total

        g, losses = design._over_pieces(work, self.size)
        return sum(losses) / self.objective.total, self._in_scaled(g.reshape(self.classes, -1)), z

    def _rows(self, first, last):
        rows = self.objective.X[first:last]
        return rows if rows.dtype == self.kind else rows.astype(self.kind)

    def _gradient(self, r):
        """Of sum_i r_ki z_ki, of shape (classes, d + 1), for residuals r of shape (classes, n)."""
        g = np.zeros((self.classes, self.design.d + 1))
        if self.design.sparse:
            g[:, :-1] = (self.transposed @ r.T).T
        else:
            for first in range(0, self.design.n, self.block):
                last = min(first + self.block, self.design.n)
                g[:, :-1] += r[:, first:last] @ self._rows(first, last)
        g[:, -1] = r.sum(axis=1, dtype=np.float64)
        return self._in_scaled(g)

    def _in_scaled(self, g):
        g /= self.objective.total
        g[:, :-1] -= g[:, -1:] * self.design.mean
        g[:, :-1] *= self.design.scale
        g[:, self.design.constant] = 0.0
        if not self.objective.fit_intercept:
            g[:, -1] = 0.0
        return g

    def balanced(self, theta):
        """Without the mean over the classes, which changes no prediction: rounding alone is there."""
        theta = theta.reshape(self.classes, -1)
        return (theta - theta.mean(axis=0)).ravel()

    def penalty(self):
        """On the diagonal: l2, and a little on the intercepts, which a constant can be added to."""
        penalty = np.empty((self.classes, self.design.d + 1))
        penalty[:, :-1] = self.l2 * self.design.scale**2
        penalty[:, -1] = 1e-6 if self.objective.fit_intercept else 1.0
        return penalty.ravel()

    def slopes(self, z):
        """Mean loss and weighted residuals of raw predictions."""
        r = z.copy()
        loss = kernels.softmax(r, self.design.double, self.y, self.objective.weight, self.classes)
        return loss / self.objective.total, r

    def probabilities(self, z):
        p = np.exp(z - z.max(axis=0))
        p /= p.sum(axis=0)
        return p


class Point:
    """A point of all classes, with its objective and gradient."""

    def __init__(self, model, theta, evaluated=None):
        self.model, self.theta = model, theta
        self.W, self.b = model.weights(theta)
        loss, g, self.z = evaluated or model.evaluate(self.W, self.b)
        self.objective = loss + 0.5 * model.l2 * float(np.vdot(self.W, self.W))
        g = g.copy()
        g[:, :-1] += model.l2 * self.W * model.design.scale
        self.gradient = model.balanced(g)

    def moved(self, theta):
        return Point(self.model, theta)

    def line_to(self, following):
        return Line(self, following)

    def answer(self):
        """Weights and intercepts in the user's units, the intercepts summing to zero."""
        b = self.b - self.b.mean() if self.model.objective.fit_intercept else np.zeros_like(self.b)
        return self.W.copy(), b

    def margin(self):
        """By how much each row's class is ahead, at least, if nothing but losses is minimised."""
        model = self.model
        if model.l2 > 0:
            return 0.0
        z, rows = self.z.copy(), np.arange(model.design.n)
        own = z[model.y, rows]
        z[model.y, rows] = -np.inf
        ahead, weight = own - z.max(axis=0), model.objective.weight
        return float(ahead.min() if weight is None else ahead[weight > 0].min())

    def gap(self):
        """A bound on the suboptimality by strong convexity; none with unpenalised intercepts."""
        model = self.model
        if model.l2 <= 0 or model.objective.fit_intercept:
            return np.inf
        g = self.gradient.reshape(model.classes, -1)
        g = g[:, :-1] * model.design.spread + g[:, -1:] * model.design.mean
        return float(np.vdot(g, g)) / (2 * model.l2)

    def proven_gap(self):
        return self.gap() if self.model.design.double else np.inf


class Line:
    """The objective on the line through two points, from their raw predictions."""

    def __init__(self, point, following):
        self.model, self.start = point.model, point
        self.dz, dW = following.z - point.z, following.W - point.W
        l2 = self.model.l2
        self.constant = 0.5 * l2 * float(np.vdot(point.W, point.W))
        self.linear, self.quadratic = l2 * float(np.vdot(point.W, dW)), l2 * float(np.vdot(dW, dW))

    def at(self, t):
        """Objective, and its first and second derivatives in t."""
        model = self.model
        z = self.start.z + np.asarray(t, self.dz.dtype) * self.dz
        value, r = model.slopes(z)
        value += self.constant + t * (self.linear + 0.5 * t * self.quadratic)
        first = float(np.vdot(r, self.dz)) / model.objective.total + self.linear + t * self.quadratic
        p = model.probabilities(z)
        curved = (p * self.dz**2).sum(axis=0) - (p * self.dz).sum(axis=0) ** 2
        weight = model.objective.weight
        second = float(curved.sum() if weight is None else curved @ weight) / model.objective.total
        return value, first, second + self.quadratic

    def point(self, t, theta):
        model = self.model
        z = self.start.z + np.asarray(t, self.dz.dtype) * self.dz
        loss, r = model.slopes(z)
        return Point(model, theta, (loss, model._gradient(r), z))


def curvatures(point):
    """The diagonal of the Hessian of the losses at a point, of shape (classes * (d + 1),)."""
    model, design = point.model, point.model.design
    p = model.probabilities(point.z).astype(np.float64)
    s = np.full(design.n, 1.0) if model.objective.weight is None else model.objective.weight
    h = p * (1 - p) * (s / model.objective.total)
    diagonal = np.empty((model.classes, design.d + 1))
    for k in range(model.classes):
        diagonal[k, :-1] = design.hessian_diagonal(h[k])
    diagonal[:, -1] = h.sum(axis=1)
    return diagonal.ravel()


class FullMetric:
    """The Cholesky factor of the whole Hessian, from the first refresh on.

    Until then it is the Kronecker form, which costs little and is nearly exact at zero weights.
    """

    def __init__(self, point, goal):
        self.model = point.model
        model = self.model
        per_row = 0.4 * model.design.d * model.classes + 3 * model.classes
        self.cost = 1 + model.size**2 / 40 / per_row
        self.factor, self.first = None, KroneckerMetric(point, goal)

    def refresh(self, point):
        model, K = self.model, self.model.classes
        d, design = model.design.d, model.design
        p = model.probabilities(point.z.astype(np.float64))
        s = model.objective.weight
        s = np.full(design.n, 1.0) if s is None else s
        s = s / model.objective.total
        H = np.zeros((K, d + 1, K, d + 1))
        for k in range(K):
            H[k, :, k, :] = design.hessian(s * p[k], precise=design.double)
        flat = H.reshape(model.size, model.size)
        flat -= self._outer(p, s)
        if not model.objective.fit_intercept:
            H[:, d] = 0.0
            H[:, :, :, d] = 0.0
        flat.flat[:: model.size + 1] += self.model.penalty()
        self.diagonal = np.maximum(flat.diagonal(), np.finfo(np.float64).tiny)
        self.factor = factor(flat)
        return True

    def faded(self, point):
        """The curvature of each parameter at a point over that in the metric, FADED ... 1."""
        if self.factor is None:
            return None
        return np.clip((curvatures(point) + self.model.penalty()) / self.diagonal, FADED, 1.0)

    def _outer(self, p, s):
        """sum_i s_i (p_i x x_i) (p_i x x_i)' over the pairs of class and column."""
        model, design = self.model, self.model.design
        kind, root = model.kind, np.sqrt(s)
        total = np.zeros((model.size, model.size))
        size = max(64, (1 << 20) // (model.size * np.dtype(kind).itemsize))
        p = np.ascontiguousarray(p.T, dtype=kind)
        mean, scale = design.mean.astype(kind), design.scale.astype(kind)

        def share(start, stop):
            part, rows = np.zeros_like(total), np.empty((size, design.d + 1), dtype=kind)
            for first in range(start, stop, size):
                last = min(first + size, stop)
                if design.sparse:
                    block = np.empty((last - first, design.d + 1), dtype=kind)
                    block[:, :-1] = design.X[first:last].toarray() * scale
                    block[:, -1] = 1.0
                    block *= root[first:last, None].astype(kind)
                else:
                    block = rows[: last - first]
                    design.sweeps.centred(mean, scale, kind == np.float64, root, None, block, first, last)
                A = (p[first:last, :, None] * block[:, None, :]).reshape(last - first, -1)
                part += A.T @ A
            return part

        design.add_halves(total, share, design.n, design.n * model.size)
        return total

    def inverse(self, g):
        if self.factor is None:
            return self.first.inverse(g)
        return self.model.balanced(cho_solve(self.factor, g, check_finite=False))


class KroneckerMetric:
    """A x G + l2 D, with A and G diagonalised."""

    def __init__(self, point, goal):
        self.model = point.model
        self.rng = np.random.default_rng(goal.random_state)
        self.refresh(point)

    @property
    def cost(self):
        design = self.model.design
        d, per_row = design.d, 0.1 * design.d * self.model.classes
        return (self.share * d * d / 80 + d**3 / 2 / design.n) / per_row + 1

    def refresh(self, point):
        model, design = self.model, self.model.design
        p = model.probabilities(point.z)
        s = np.full(design.n, 1.0) if model.objective.weight is None else model.objective.weight
        s = s / model.objective.total
        # rows count as much as their probabilities are undecided
        spread = np.maximum(1.0 - (p * p).sum(axis=0), 0.0).astype(np.float64) * s
        self.share = min(1.0, ROWS_PER_COLUMN * design.d / design.n)
        if design.sparse or design.d / 80 <= 2 * 0.4 * model.classes:  # all rows cost two passes or less
            self.share = 1.0
        if self.share < 1.0:
            G = design.sampled_hessian(spread, self.share, self.rng, precise=design.double)
        else:
            G = design.hessian(spread, precise=design.double)
        A = np.diag((p * s).sum(axis=1, dtype=np.float64)) - ((p * s) @ p.T).astype(np.float64)
        A /= spread.sum()
        d = design.d
        if not (np.isfinite(A).all() and np.isfinite(G).all()):
            raise LinAlgError("entries that are not finite")
        # (A x G + l2 D) = (I x L) (A x L^-1 G L^-T + I) (I x L') with D = l2 L L' on the weights
        self.root = np.append(np.sqrt(model.l2) * design.scale, 0.0)
        floor = 1e-3 * np.sqrt(np.maximum(G.diagonal(), 1e-300) * A.trace() / model.classes)
        self.root = np.maximum(self.root, floor)
        values, self.U = eigh(G / self.root / self.root[:, None], check_finite=False)
        a, self.V = eigh(A)
        self.inverses = 1.0 / (1.0 + np.outer(np.maximum(a, 0.0), np.maximum(values, 0.0)))
        return d > 0

    def inverse(self, g):
        model = self.model
        g = g.reshape(model.classes, -1) / self.root
        g = self.V @ (self.inverses * (self.V.T @ g @ self.U)) @ self.U.T
        g /= self.root
        if not model.objective.fit_intercept:
            g[:, -1] = 0.0
        return model.balanced(g)


class DiagonalMetric:
    """The diagonal of the Hessian."""

    cost = 1.0

    def __init__(self, point):
        self.model = point.model
        self.refresh(point)

    def refresh(self, point):
        self.diagonal = curvatures(point) + self.model.penalty()
        self.diagonal[self.diagonal <= 0] = 1.0
        return True

    def inverse(self, g):
        return self.model.balanced(g / self.diagonal)
