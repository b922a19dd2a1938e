"""Least squares from second moments, with or without an l2 penalty: one read of X for all targets.

Needs squared loss, no l1 penalty and no sign constraint. What is solved depends on the shape:

- n >= d: the normal equations in float64, their columns scaled to a unit diagonal, so that the units of X
do
  not matter. Where Cholesky's method finds them singular, an eigendecomposition tells which
  directions the rows say nothing about, and the answer has minimum norm among all that are as good.
- near-singular without a penalty, in float64: products of columns keep only half of the digits. The rows
  are read once more to see whether they are constant along the directions in question, as those of
  one-hot columns with an intercept are; if not, the triangle R of a QR decomposition of the rows, made
  block by block.
- d > n: the n x n kernel matrix.
- sparse and wide: conjugate gradients, preconditioned by the diagonal and the block of the most frequent
  columns, which some tens of thousands of rows tell well enough.

With the eigenvectors of the moments at hand, further strengths of the penalty cost a matrix product
(`Spectrum`), the exact leave-one-out residuals of all of them one more (`leave_one_out`).
"""

from functools import partial

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve, eigh, lapack

from ..data import make_rows, padded
from ..kernels import kernels
from .moments import blocks_of, column_stats, moments, sample_mean, squares_along
from .progress import Progress

__all__ = ["Problem", "Spectrum", "least_squares", "leave_one_out", "relative_weights", "solve"]

EPS = np.finfo(np.float64).eps
WELL_CONDITIONED = 1e-10  # reciprocal condition of scaled normal equations that Cholesky may solve
MAX_ITER = 10_000  # of conjugate gradients
DENSE_ENOUGH = 1_000_000  # values of a wide sparse X that is small enough to be worked on as a dense one
BLOCK_PASSES = 8  # that the exact block of the preconditioner may cost
HEAVY = 200  # columns in the dense block of the preconditioner
BLOCK_ROWS = 40_000  # from which it is made, if there are twice as many
SHRINK = 0.02  # of what is off its diagonal then
VANISHING = 1e-10  # penalty, relative to the largest column, under which an answer has minimum norm
SHORTENING = 150  # iterations that this may take, from a tolerance of 1e-6 on
GUESSES = 16  # one in so many of what is left must agree that it is little
LOOK_BACK = 3  # iterations of conjugate gradients whose gains are compared with those of as many before
FOLD_BYTES = 1 << 22  # of rows whose leverages are computed at a time


def solve(objective, goal, start=None):
    """Minimise squared loss with an l2 penalty.

    Parameters
    ----------
    objective : Objective
        Of one or several targets; `l2` may differ between them.
    goal : Goal
        Direct solutions are as precise as rounding allows, whatever its `tol`.
    start : (coef, intercept), or None
        Where conjugate gradients begin.

    Returns
    -------
    Solution
    """
    return _solve(Problem(objective), goal, start)


def least_squares(objective, goal):
    """The same without penalties on dense X, with what it has learnt of the rank.

    Returns
    -------
    Solution, rank : int, singular_values : ndarray of shape (min(n, d),)
        Of the centred rows, multiplied by the roots of their relative weights.
    """
    problem = Problem(objective)
    solution = _solve(problem, goal, None)
    values = np.zeros(0) if problem.singular is None else problem.singular()
    return solution, problem.rank, problem.root_scale * values[: min(problem.n, problem.d)]


def _solve(problem, goal, start):
    wide = problem.d > problem.n and (not problem.sparse or problem.n * problem.d <= DENSE_ENOUGH)
    if problem.sparse and not wide and not _gram_pays(problem):
        progress = Progress("gram", goal, MAX_ITER)
        try:
            _conjugate_gradients(problem, goal, start, progress)
        except (KeyboardInterrupt, Exception) as error:
            progress.interrupted(error)
        return progress.solution()
    progress = Progress("gram", goal, 1)
    if wide:
        _by_kernel(problem, progress)
    else:
        _by_moments(problem, progress)
    return progress.solution()


class Problem:
    """An objective, with targets of shape (n, n_targets) and weights whose largest is 1."""

    def __init__(self, objective):
        self.X = objective.X
        self.sparse = sp.issparse(self.X)
        self.n, self.d = self.X.shape
        self.one = objective.y.ndim == 1
        y = np.asarray(objective.y, dtype=np.float64)
        self.y = np.ascontiguousarray(y[:, None] if self.one else y)
        self.targets = self.y.shape[1]
        self.weight = relative_weights(objective.weight)
        largest = 1.0 if objective.weight is None else float(objective.weight.max())
        self.root_scale = largest**0.5  # of the weights that were divided away
        self.rank, self.singular = None, None  # set by the solution: a number, and a function
        self.fit_intercept = objective.fit_intercept
        self.l2 = np.broadcast_to(np.asarray(objective.l2, dtype=np.float64), (self.targets,))
        self.cutoff = rank_cutoff(self.X.dtype)

    def answer(self, coef, intercept):
        """A point as a solution has it."""
        return (coef[0], float(intercept[0])) if self.one else (coef, np.asarray(intercept))


def relative_weights(weight):
    """Weights over their largest: the objective is the same, and extreme ones do not overflow."""
    if weight is None:
        return None
    largest = weight.max()
    return (
        np.ascontiguousarray(weight / largest)
        if largest > 0
        else np.ascontiguousarray(weight, np.float64)
    )


def rank_cutoff(dtype):
    """Singular values of scaled columns that are noise, relative to the largest."""
    return 10 * float(np.finfo(np.float32).eps) if dtype == np.float32 else 1e-14


# -- the normal equations ------------------------------------------------------------------------------


def _by_moments(problem, progress):
    table = moments(problem.X, problem.y, problem.weight, center=problem.fit_intercept)
    stats = table.centred(problem.fit_intercept)
    coef = np.empty((problem.targets, problem.d))
    system = value = 0.0
    for l2 in np.unique(problem.l2):
        chosen = np.flatnonzero(problem.l2 == l2)
        system = Normal(stats.A, l2, problem.cutoff)
        if l2 == 0 and system.doubtful and not system.confirmed_by(problem, stats):
            system = Triangle(problem, stats)
        problem.rank, problem.singular = system.rank, partial(system.singular_values, stats)
        coef[chosen], left = system.solve(stats.B[:, chosen])
        value += left
    finish(problem, stats, coef, value, progress)


def finish(problem, stats, coef, value, progress):
    """Report a direct solution, whose suboptimality is estimated to be `value` beside rounding."""
    quadratic = np.einsum("td,td->t", coef @ stats.A, coef)
    losses = 0.5 * stats.c - np.einsum("dt,td->t", stats.B, coef) + 0.5 * quadratic
    penalty = 0.5 * problem.l2 * np.einsum("td,td->t", coef, coef)
    objective = float(np.maximum(losses, 0.0).sum() + penalty.sum())
    progress.begin(float(0.5 * stats.c.sum()))
    intercept = stats.intercept(coef) if problem.fit_intercept else np.zeros(problem.targets)
    point = problem.answer(coef, intercept)
    progress.add(lambda: point, objective, "estimate", value)
    exact(progress)


def exact(progress):
    """Where the goal is below rounding, say that rounding is what limits a direct solution."""
    if not progress.converged:
        progress.converged = True
        progress.reason = "The objective cannot be lowered any further in floating-point numbers."


class Normal:
    """The normal equations (A + l2) w = b of one strength, factored.

    Parameters
    ----------
    A : ndarray of shape (d, d)
    l2 : float
    cutoff : float
        Singular values of the scaled columns below this share of the largest are taken for zero.

    Attributes
    ----------
    doubtful : bool
        Whether A is so close to singular that products of columns cannot tell how close.
    near : bool
        Whether some directions are near null, and not those alone that are taken for null.
    """

    def __init__(self, A, l2, cutoff):
        self.A, self.l2 = A, l2
        self.d = len(A)
        self.scale = 1.0 / unit_where_zero(np.sqrt(A.diagonal() + l2))
        self.doubtful = self.near = False
        H = A * self.scale
        H *= self.scale[:, None]
        H.flat[:: self.d + 1] += l2 * self.scale**2
        self.empty = H.diagonal() <= 0
        H.flat[:: self.d + 1] += self.empty  # coefficients of empty columns are zero
        self.null = None
        self.factor = None
        if self.d == 0:
            return
        c, info = lapack.dpotrf(H, lower=1)
        if info == 0:
            rcond, _ = lapack.dpocon(c, np.abs(H).sum(axis=0).max(), uplo="L")
            if rcond > WELL_CONDITIONED:
                self.factor = c
                return
        self._decompose(H, cutoff)

    def _decompose(self, H, cutoff):
        values, vectors = decomposed(H)
        largest = float(values[-1])
        below = max(cutoff**2, 4 * self.d * EPS) * largest
        null = values <= below
        small = values < 1e-9 * largest
        self.doubtful, self.near = cutoff < 1e-10 and bool(small.any()), bool((small & ~null).any())
        self.values, self.vectors = values[~null], vectors[:, ~null]
        self.null = vectors[:, null]

    def confirmed_by(self, problem, stats):
        """Whether the rows are constant, to rounding, along all directions that are near null."""
        if self.near:
            return False
        directions = self.null * self.scale[:, None]
        if problem.sparse:
            moves = problem.X @ directions - stats.x_mean @ directions
            squares = (np.ones(problem.n) if problem.weight is None else problem.weight) @ moves**2
        else:
            root = None if problem.weight is None else np.sqrt(problem.weight)
            squares = squares_along(problem.X, stats.x_mean, root, directions)
        longest = (stats.total * self.values[-1]) ** 0.5 if len(self.values) else 0.0
        return bool((np.sqrt(squares) <= noise(problem) * longest).all())

    @property
    def rank(self):
        full = self.d if self.null is None else len(self.values)
        return int(full - self.empty.sum())

    def singular_values(self, stats):
        values = np.linalg.eigvalsh(self.A * stats.total)[::-1]
        values[self.rank :] = 0.0  # rounding is all they have
        return np.sqrt(np.maximum(values, 0.0))

    def apply(self, right):
        """The (pseudo-)inverse of the scaled system times `right`, of shape (d, k)."""
        if self.factor is not None:
            return lapack.dpotrs(self.factor, right, lower=1)[0]
        return self.vectors @ ((self.vectors.T @ right) / self.values[:, None])

    def solve(self, B):
        """Coefficients of shape (n_targets, d), and the decrement that is left of their objective."""
        if self.d == 0:
            return np.zeros((B.shape[1], 0)), 0.0
        scale = self.scale[:, None]
        W = self.apply(B * scale) * scale
        # one step of refinement; what it would take off after it is what is left
        W += self.apply((B - self.A @ W - self.l2 * W) * scale) * scale
        if self.null is not None and self.null.shape[1]:  # a penalty there is below rounding
            W = without(W, self.null * scale)
        W[self.empty] = 0.0
        right = (B - self.A @ W - self.l2 * W) * scale
        left = 0.5 * float((right * self.apply(right)).sum())
        return np.ascontiguousarray(W.T), max(left, 0.0)


def noise(problem):
    """Singular values of the scaled rows up to this share of the largest are rounding."""
    return problem.cutoff * max(problem.n, problem.d) ** 0.5


def decomposed(A):
    """Eigenvalues and eigenvectors of a symmetric matrix, by divide and conquer."""
    return eigh(A, check_finite=False, driver="evd" if len(A) > 1 else "ev")  # SciPy 1.9 fails on 1 x 1


def without(W, null):
    """W, of shape (d, k), less its part in the span of the columns of `null`: the minimum norm."""
    length = np.linalg.norm(null, axis=0)
    basis, _ = np.linalg.qr(null / np.where(length > 0, length, 1.0))
    return W - basis @ (basis.T @ W)


def unit_where_zero(values):
    return np.where(values > 0, values, 1.0)


class Triangle:
    """Least squares by R of a QR decomposition of the centred, scaled rows, and R's singular values."""

    def __init__(self, problem, stats):
        self.scale = 1.0 / unit_where_zero(np.sqrt(stats.A.diagonal()))
        self.problem, self.stats = problem, stats
        d = problem.d
        rows = np.zeros((0, d + problem.targets))
        root = None if problem.weight is None else np.sqrt(problem.weight)
        X = problem.X.toarray() if problem.sparse else problem.X
        for start, stop, Z in blocks_of(X, stats.x_mean, root, d + problem.targets):
            Z[:, :d] *= self.scale
            np.subtract(problem.y[start:stop], stats.y_mean, out=Z[:, d:])
            if root is not None:
                Z[:, d:] *= root[start:stop, None]
            rows = np.linalg.qr(np.vstack([rows, Z]), mode="r")
        self.R, self.right = rows[:d, :d], rows[:d, d:]
        left, self.values, self.vectors = np.linalg.svd(self.R, full_matrices=True)
        self.left = left
        largest = self.values[0] if len(self.values) else 0.0
        self.kept = self.values > noise(problem) * largest

    @property
    def rank(self):
        return int(self.kept.sum())

    def singular_values(self, stats):
        return np.linalg.svd(self.R / self.scale, compute_uv=False)

    def solve(self, B):
        """Coefficients of shape (n_targets, d), and zero: the decrement is below rounding."""
        targets = [
            int(np.flatnonzero((B[:, [k]] == self.stats.B).all(axis=0))[0]) for k in range(B.shape[1])
        ]
        kept = np.zeros(len(self.vectors), dtype=bool)
        kept[: len(self.kept)] = self.kept
        inner = (self.left.T @ self.right[:, targets])[: len(self.values)][self.kept]
        scale = self.scale[:, None]
        W = (self.vectors[kept].T @ (inner / self.values[self.kept][:, None])) * scale
        if not kept.all():
            W = without(W, self.vectors[~kept].T * scale)
        return np.ascontiguousarray(W.T), 0.0


# -- more columns than rows ----------------------------------------------------------------------------


def _by_kernel(problem, progress):
    centred = Wide(problem.X, problem.y, problem.weight, problem.fit_intercept)
    Z, y = centred.Z, centred.y
    coef = np.empty((problem.targets, problem.d))
    K = Z @ Z.T
    if not np.isfinite(K.sum()):
        moments(problem.X[:, :1], problem.y, problem.weight)
        raise ValueError(
            "The squares of X are too large for floating-point numbers: their sum over the columns "
            "overflows. Scale the columns down, for example by dividing X by its largest absolute value."
        )
    total, value = centred.total, 0.0
    for l2 in np.unique(problem.l2):
        chosen = np.flatnonzero(problem.l2 == l2)
        dual = _dual(K, l2 * total, y[:, chosen])
        if dual is None:
            coef[chosen], singular, problem.rank = _least_norm(Z, y[:, chosen], noise(problem))
            problem.singular = partial(np.copy, singular)
        else:
            coef[chosen] = (Z.T @ dual).T
            if l2 > 0:  # a step of refinement: what the dual system left over
                left = y[:, chosen] - Z @ coef[chosen].T - l2 * total * dual
                dual = _dual(K, l2 * total, left)
                coef[chosen] += (Z.T @ dual).T
    residual = y - Z @ coef.T
    gradient = (residual.T @ Z) / total - problem.l2[:, None] * coef
    penalised = problem.l2 > 0
    strength = np.where(penalised, problem.l2, 1.0)
    # (A + l2)^-1 <= 1 / l2 bounds the decrement
    value = float((0.5 * (gradient**2).sum(axis=1) / strength)[penalised].sum())
    progress.begin(float(0.5 * (y**2).sum() / total))
    objective = 0.5 * (residual**2).sum() / total + 0.5 * float(problem.l2 @ (coef**2).sum(axis=1))
    intercept = centred.y_mean - coef @ centred.x_mean
    point = problem.answer(coef, intercept)
    kind = "gap" if penalised.all() else "estimate"
    progress.add(lambda: point, float(objective), kind, value)
    exact(progress)


class Wide:
    """All rows centred and multiplied by the roots of their weights, in float64: for few rows."""

    def __init__(self, X, y, weight, fit_intercept):
        n, d = X.shape
        s = np.ones(n) if weight is None else weight
        self.total = float(s.sum())
        self.root = np.sqrt(s)
        X = X.toarray() if sp.issparse(X) else X
        self.x_mean, self.y_mean = np.zeros(d), np.zeros(y.shape[1])
        Z = X.astype(np.float64)
        if fit_intercept:
            shift = sample_mean(X)
            Z -= shift
            self.x_mean = s @ Z / self.total
            Z -= self.x_mean
            self.x_mean = self.x_mean + shift
            self.y_mean = s @ y / self.total
        Z *= self.root[:, None]
        self.Z = Z
        self.y = (y - self.y_mean) * self.root[:, None]


def _dual(K, shift, y):
    """(K + shift)^-1 y; None where that is not well-determined."""
    if not shift > 0:
        return None
    H = K.copy()
    H.flat[:: len(K) + 1] += shift
    try:
        factor = cho_factor(H, lower=True, overwrite_a=True, check_finite=False)
    except np.linalg.LinAlgError:
        values, vectors = eigh(K, check_finite=False)
        return vectors @ ((vectors.T @ y) / (np.maximum(values, 0.0) + shift)[:, None])
    return cho_solve(factor, y, check_finite=False)


def _least_norm(Z, y, share):
    left, values, right = np.linalg.svd(Z, full_matrices=False)
    kept = values > share * (values[0] if len(values) else 0.0)
    return ((left[:, kept].T @ y) / values[kept, None]).T @ right[kept], values, int(kept.sum())


# -- sparse and wide -----------------------------------------------------------------------------------


def _gram_pays(problem):
    """Whether the moments of sparse columns are sooner there than conjugate gradients."""
    nnz, d = problem.X.nnz, problem.d
    if d > 8000:
        return False
    per_row = nnz / max(1, problem.n)
    gram = 0.25e-9 * nnz * per_row + 1e-8 * d**2 + 2e-11 * d**3
    descent = 60 * 2.5e-9 * (nnz + 4 * problem.n + 10 * d) * problem.targets
    return gram <= descent or d <= 200


class Operator:
    """The centred second moments of a sparse X, as products with vectors."""

    def __init__(self, problem):
        self.problem = problem
        n = problem.n
        s = np.ones(n) if problem.weight is None else problem.weight
        self.total = float(s.sum())
        self.h = s / self.total
        self.rows = make_rows(problem.X)
        self.sweeps = kernels.Sweeps(self.rows, self.h, None, 0)
        self.x_mean, self.square = column_stats(problem.X, problem.weight, problem.fit_intercept)
        y = problem.y
        self.y_mean = self.h @ y if problem.fit_intercept else np.zeros(problem.targets)
        self.y = y - self.y_mean

    def times(self, v):
        """A v."""
        out = np.zeros(self.problem.d)
        left = self.sweeps.curve(
            padded(v, self.problem.d, np.float64),
            True,
            -float(self.x_mean @ v),
            self.h,
            out,
            0,
            self.problem.n,
        )
        return out - left * self.x_mean

    def sample(self):
        """Rows drawn in proportion to their weights, or all where they are few, and the share of each."""
        X, n = self.problem.X, self.problem.n
        if n < 2 * BLOCK_ROWS:
            return X, self.h
        draws = np.random.default_rng(0)
        if self.problem.weight is None:
            rows = draws.integers(n, size=BLOCK_ROWS)
        else:
            rows = np.searchsorted(np.cumsum(self.h), draws.random(BLOCK_ROWS)).clip(max=n - 1)
        return X[np.sort(rows)], np.full(BLOCK_ROWS, 1.0 / BLOCK_ROWS)

    def block(self, columns, X, h):
        """A of some columns, from the rows X: their diagonal is exact even if these are not all rows."""
        k = len(columns)
        place = np.full(self.problem.d, -1, dtype=np.int32)
        place[columns] = np.arange(k)
        H, sums = np.zeros((k, k)), np.zeros(k)
        kernels.Sweeps(make_rows(X), h, None, 0).gram(h, H, sums, 0, X.shape[0], place)
        diagonal = H.diagonal().copy()
        H += H.T.copy()
        np.fill_diagonal(H, diagonal)
        if self.problem.fit_intercept:
            H -= np.outer(sums, sums)
        if X is not self.problem.X:
            found = H.diagonal()
            ratio = np.sqrt(np.where(found > 0, self.square[columns] / unit_where_zero(found), 0.0))
            H *= ratio
            H *= ratio[:, None] * (1 - SHRINK)
        np.fill_diagonal(H, self.square[columns])
        return H

    def correlation(self, r):
        """X'r about the means, weighted: the right-hand side for r = y."""
        out = np.zeros(self.problem.d)
        r = np.ascontiguousarray(r * self.h)
        self.sweeps.backward(r, True, out, 0, self.problem.n)
        return out - r.sum() * self.x_mean


class Preconditioner:
    """The diagonal of A + l2, and the block of the most frequent columns."""

    def __init__(self, operator, l2):
        problem = operator.problem
        self.diagonal = unit_where_zero(operator.square + l2)
        X, h = operator.sample()
        counts = np.bincount(X.indices, minlength=problem.d)
        heavy = np.argsort(-counts, kind="stable")[:HEAVY]
        # their block costs the square of their values per row: not more than some passes over X
        per_row = np.cumsum(counts[heavy]) / max(1, X.shape[0])
        affordable = per_row**2 <= BLOCK_PASSES * X.nnz / max(1, X.shape[0])
        self.heavy = np.sort(heavy[affordable & (counts[heavy] * 50 > counts.max())])
        A = operator.block(self.heavy, X, h)
        A.flat[:: len(A) + 1] += l2
        scale = 1.0 / unit_where_zero(np.sqrt(A.diagonal()))
        A *= scale
        A *= scale[:, None]
        A.flat[:: len(A) + 1] += 1e-10 + (A.diagonal() <= 0)
        self.scale, self.factor = scale, cho_factor(A, lower=True, check_finite=False)

    def apply(self, r):
        out = r / self.diagonal
        inner = cho_solve(self.factor, r[self.heavy] * self.scale, check_finite=False)
        out[self.heavy] = inner * self.scale
        return out


def _conjugate_gradients(problem, goal, start, progress):
    operator = Operator(problem)
    progress.max_iter *= problem.targets
    coef = np.zeros((problem.targets, problem.d))
    if start is not None:
        coef[:] = start[0]
    c = operator.h @ operator.y**2
    progress.begin(float(0.5 * c.sum()))
    objectives = 0.5 * c
    left = objectives.copy()  # of targets that have not begun, all
    preconditioners = {}

    def answer():
        return problem.answer(coef.copy(), operator.y_mean - coef @ operator.x_mean)

    vanishing = VANISHING * float(operator.square.max(initial=0.0))
    for k in range(problem.targets):
        l2 = float(problem.l2[k]) or vanishing  # without one, there are directions of no curvature
        if l2 not in preconditioners:
            preconditioners[l2] = Preconditioner(operator, l2)
        precondition = preconditioners[l2].apply
        b = operator.correlation(operator.y[:, k])
        floor, added = EPS * float(c[k]), l2 - float(problem.l2[k])

        def report(w, objective, value, k=k, floor=floor, added=added):
            objective = max(objective - 0.5 * added * float(w @ w), 0.0)
            coef[k], objectives[k], left[k] = w, objective, value
            limit = progress.add(answer, float(objectives.sum()), "estimate", float(left.sum()))
            return limit or value <= goal.tol * max(objective, floor)

        _descend(operator, b, l2, coef[k], precondition, float(c[k]), report)
        if progress.reason and not progress.converged:
            return
        if added:
            digits = -np.log10(goal.tol) if goal.tol > 0 else np.inf  # loose tolerances ask for less
            most = 1 + int(SHORTENING * min(1.0, max(digits, 0.0) / 6) ** 2)
            coef[k], objectives[k] = _shortened(operator, b, l2, coef[k], precondition, float(c[k]), most)
    if not progress.reason:
        exact(progress)


def _descend(operator, b, l2, start, precondition, c, report):
    """Conjugate gradients for (A + l2) w = b until `report` or rounding ends them."""
    w = start.copy()
    r = b - operator.times(w) - l2 * w if w.any() else b.copy()
    z = precondition(r)
    p = z.copy()
    rho = float(r @ z)
    gains, guesses = [], []
    objective = 0.5 * c - 0.5 * float(w @ (b + r))
    while True:
        q = operator.times(p) + l2 * p
        curvature = float(p @ q)
        if not (curvature > 0 and rho > 0):
            report(w, objective, 0.0)
            return
        step = rho / curvature
        w += step * p
        r -= step * q
        gains.append(0.5 * step * rho)
        objective = max(objective - gains[-1], 0.0)
        guesses.append(still_to_gain(gains, objective))
        # conjugate gradients hesitate before they find another small eigenvalue: one guess is not enough
        value = max(guesses[-1 - len(guesses) // GUESSES :])
        if report(w, objective, value) or gains[-1] <= EPS * EPS * c:
            return
        z = precondition(r)
        previous, rho = rho, float(r @ z)
        p *= rho / previous
        p += z


def still_to_gain(gains, objective):
    """Twice the tail of the geometric series that the gains of the last iterations suggest."""
    if len(gains) < 2 * LOOK_BACK:
        return objective
    recent, before = sum(gains[-LOOK_BACK:]), sum(gains[-2 * LOOK_BACK : -LOOK_BACK])
    rate = min(recent / before, 0.95) if before > 0 else 0.0
    return max(2 * recent * rate / (1 - rate), gains[-1])


def _shortened(operator, b, l2, start, precondition, c, most):
    """The answer of minimum norm among those without penalty, and its objective, from one of them.

    It is the limit of ever smaller penalties: with one that is next to nothing, conjugate gradients also
    move along the directions that the rows say nothing about. They find what the tolerance has left of
    rare columns, too.
    """
    points = []

    def report(w, objective, value):
        points.append(w)
        return len(points) >= most

    _descend(operator, b, l2, start, precondition, c, report)
    w = points[-1]
    return w, max(0.5 * c - 0.5 * float(w @ (2 * b - operator.times(w))), 0.0)


# -- many strengths ------------------------------------------------------------------------------------


class Spectrum:
    """The eigenvectors of the moments, from which any strength of the penalty is a matrix product away.

    Parameters
    ----------
    stats : Centred
    """

    def __init__(self, stats):
        self.stats = stats
        self.values, self.vectors = (
            decomposed(stats.A)
            if len(stats.A)
            else (
                np.zeros(0),
                np.zeros((0, 0)),
            )
        )
        self.values = np.maximum(self.values, 0.0)
        self.right = self.vectors.T @ stats.B  # (d, n_targets)
        self.noise = 4 * len(self.values) * EPS * self.values.max(initial=0.0)

    def inverse(self, l2):
        """1 / (eigenvalue + l2), of shape (d,) or (d, k); zero where both are lost in rounding."""
        values = self.values[:, None] + np.atleast_1d(l2)
        with np.errstate(divide="ignore"):
            return np.where(
                values <= self.noise, 0.0, 1.0 / np.maximum(values, np.finfo(np.float64).tiny)
            )

    def coef(self, l2):
        """Coefficients of shape (n_targets, d) at one strength l2; without penalty, of minimum norm."""
        return (self.vectors @ (self.inverse(l2) * self.right)).T


def leave_one_out(problem, strengths, visit):
    """Residuals of every row on the fit without it, exact, for many strengths of the penalty at once.

    With rows and targets multiplied by the roots of their weights, the residual of row i on the fit
    without it is r_i / (1 - H_ii), H being the matrix that turns targets into fitted values.

    Parameters
    ----------
    problem : Problem
    strengths : ndarray of shape (k,)
        l2 > 0.
    visit : callable
        ``visit(start, stop, errors)`` for one block of rows after another, errors of shape
        (stop - start, n_targets, k), multiplied by the roots of the weights.

    Returns
    -------
    callable
        ``coef(j)`` -> (coefficients of shape (n_targets, d), intercepts) at the j-th strength.
    """
    if problem.d >= problem.n:
        return _leave_one_out_wide(problem, strengths, visit)
    stats = moments(problem.X, problem.y, problem.weight, center=problem.fit_intercept)
    stats = stats.centred(problem.fit_intercept)
    spectrum = Spectrum(stats)
    inverse = spectrum.inverse(strengths)  # (d, k)
    fits = (inverse[:, None, :] * spectrum.right[:, :, None]).reshape(problem.d, -1)
    s = np.ones(problem.n) if problem.weight is None else problem.weight
    root = np.sqrt(s)
    shift = stats.x_mean @ spectrum.vectors
    size = max(16, FOLD_BYTES // (8 * max(1, problem.d)))
    for start in range(0, problem.n, size):
        stop = min(start + size, problem.n)
        if problem.sparse:
            P = problem.X[start:stop] @ spectrum.vectors - shift
        else:
            P = np.subtract(problem.X[start:stop], stats.x_mean) @ spectrum.vectors
        P *= root[start:stop, None]
        leverage = (P**2) @ inverse / stats.total
        if problem.fit_intercept:
            leverage += s[start:stop, None] / stats.total
        y = (problem.y[start:stop] - stats.y_mean) * root[start:stop, None]
        residual = y[:, :, None] - (P @ fits).reshape(stop - start, problem.targets, -1)
        visit(start, stop, _over(residual, 1.0 - leverage[:, None, :]))

    def coef(j):
        W = spectrum.coef(strengths[j])
        return W, stats.intercept(W) if problem.fit_intercept else np.zeros(problem.targets)

    return coef


def _leave_one_out_wide(problem, strengths, visit):
    centred = Wide(problem.X, problem.y, problem.weight, problem.fit_intercept)
    Z, y, root = centred.Z, centred.y, centred.root
    values, Q = eigh(Z @ Z.T, check_finite=False)
    inverse = 1.0 / (np.maximum(values, 0.0)[:, None] + strengths * centred.total)
    right = Q.T @ y
    dual = np.einsum("ij,jtk->itk", Q, inverse[:, None, :] * right[:, :, None])
    diagonal = (Q**2) @ inverse
    if problem.fit_intercept:
        mean = Q @ (inverse * (Q.T @ root)[:, None])
        diagonal -= mean * (root / centred.total)[:, None]
    visit(0, problem.n, _over(dual, diagonal[:, None, :]))

    def coef(j):
        W = (Z.T @ dual[:, :, j]).T
        return W, centred.y_mean - W @ centred.x_mean

    return coef


def _over(errors, share):
    """errors / share; a row that alone decides its own fit, or has no weight, keeps a finite error."""
    small = share <= EPS
    return np.where(small, 0.0 if small.all() else errors, errors) / np.where(small, 1.0, share)
