"""Accelerated proximal gradient with Newton steps on the support, for l1 and elastic net.

Needs a log-loss, binary or softmax, and a penalty: l1, l2 or both. Dense or sparse X of any shape.

An iteration is a round of three parts.

1. The certificate. The best intercepts for the present raw predictions are found without X, and the
   gradient's residuals are a point of the dual problem, where the dual objective bounds F* from below.
   The bound holds, so the certificate is a "gap".
2. A Newton step within the orthant of the weights that are not zero, or ought not to be (Andrew and Gao,
   2007, for quasi-Newton steps; Bertsekas, 1982, for the projection). Once the zeros are right, such
   steps converge quadratically, which a first-order method never does. Small systems are factored,
   others are solved by preconditioned conjugate gradients.
3. Steps of FISTA (Beck and Teboulle, 2009) with the restart of O'Donoghue and Candes (2015) in the
   coordinates of :mod:`.design`, where columns have unit spread. They find the zeros. Step lengths come
   from backtracking, and may grow again. The penalty is in the proximal step alone, so that the l2
   penalty of a column in tiny units does not shorten the steps.

Raw predictions are linear in the weights: those at the extrapolated point need no pass over X, so a step
costs one product with X and one with X'.
"""

import time

import numpy as np
import scipy.sparse as sp
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.special import expit, xlogy

from .design import GRAM_BYTES, Design
from .moments import TooLarge
from .progress import EPS, Progress

__all__ = ["solve"]

MAX_ITER = 10_000  # rounds
STEPS = (1, 32)  # of FISTA in a round, least and most
DIRECT = 1200  # unknowns of a Newton system that is factored
CG_STEPS = 60  # at most, for a larger one
FAR = 1e3  # spreads between the mean of a column and zero, from which rows are centred before sums
ROUNDING = 64 * EPS  # of an objective, relative
SAFETY = 2.0  # of an estimate, where there is no penalty and so no gap
JUMPS = 60  # on a quadratic model, at most
IDLE = 6  # of them in a row that gain next to nothing
QUADRATIC_STEPS = 20  # of FISTA on it, at a time
SOFTEN = 1e-10  # of the diagonal of a Newton system, which softmax leaves singular


def solve(objective, goal, start=None):
    """Minimise an objective; see :func:`fastgd.solvers.solve`."""
    problem = _Problem(objective, goal.n_threads)
    progress = Progress("proximal", goal, MAX_ITER, "rounds")
    progress.begin(np.log(max(2, problem.models)))
    try:
        _run(problem, progress, goal, start)
    except BaseException as error:
        progress.interrupted(error)
    return progress.solution()


def _run(problem, progress, goal, start):
    point = problem.start(start)
    search = _Fista(problem)
    best = narrowest = np.inf
    still, steps = 0, 8
    deadline = np.inf if goal.max_time is None else progress.began + goal.max_time
    for count in range(progress.max_iter + 1):
        if count or (start is not None and progress.max_iter > 0):
            point = problem.recentred(point)
        gap = problem.gap(point)
        kind, slack = ("gap", gap) if np.isfinite(gap) else ("estimate", np.inf)
        step = None
        if kind == "estimate" or problem.relative(gap, point) > goal.tol:
            step = _newton_direction(problem, point)
            if kind == "estimate" and step is not None:
                slack = SAFETY * step.decrement
        if progress.add(point.weights, point.objective, kind, min(slack, 1e300), started=count > 0):
            return
        better = best - point.objective > ROUNDING * abs(point.objective) or slack < 0.5 * narrowest
        still = 0 if better else still + 1
        best, narrowest = min(best, point.objective), min(narrowest, slack)
        if still >= 3:
            if kind == "gap" and step is not None:  # rounding hides what a bound would have to show
                slack = min(slack, SAFETY * max(step.decrement, EPS * abs(point.objective)))
                progress.certify("estimate", slack)
            progress.stalled()
            return
        moved = None if step is None else _newton_step(problem, point, step)
        if moved is None:
            steps = min(2 * steps, STEPS[1])
        else:
            steps = STEPS[0] if step.full else min(steps, 8)
            point = moved
            search.restart()
        for _ in range(steps):
            point = search.step(point)
            if time.perf_counter() > deadline:
                break


class _Point:
    """Weights in the scaled coordinates, their raw predictions, losses and objective."""

    def __init__(self, problem, U, c, Z):
        self.problem, self.U, self.c, self.Z = problem, U, c, Z
        self.loss = problem.loss(Z)
        self.objective = self.loss + problem.penalty(U)
        self._gradient = None

    def weights(self):
        """(coef, intercept) in the user's units."""
        W, b = self.problem.unscaled(self.U, self.c)
        return (W[0], float(b[0])) if self.problem.models == 1 else (W, b)

    def gradient(self):
        """Of the mean loss: of shapes (models, d) and (models,)."""
        if self._gradient is None:
            self.P = self.problem.probabilities(self.Z)
            self._gradient = self.problem.backward(self.problem.residuals(self.P))
        return self._gradient


class _Problem:
    """The objective in scaled coordinates, for one raw prediction a row (binary) or K (softmax)."""

    def __init__(self, objective, n_threads):
        design = Design(objective, n_threads, precise=True)
        self.n, self.d = design.n, design.d
        self.mean, self.scale, self.constant = design.mean, design.scale, design.constant
        self.fit_intercept = objective.fit_intercept
        self.models = objective.classes if objective.loss == "multinomial" else 1
        self.total = objective.total
        weight = np.ones(self.n) if objective.weight is None else objective.weight
        self.s = (weight / self.total)[:, None]
        if self.models == 1:
            self.y = (objective.y > 0).astype(np.float64)[:, None]
        else:
            self.codes = np.asarray(objective.y, dtype=np.intp)
            self.y = np.zeros((self.n, self.models))
            self.y[np.arange(self.n), self.codes] = 1.0
        self.shares = (self.s * self.y).sum(axis=0)  # of the classes in the weight
        self.raw_l1, self.raw_l2 = objective.l1, float(objective.l2)
        self.l1, self.l2 = objective.l1 * self.scale, float(objective.l2) * self.scale**2
        self.sparse = sp.issparse(objective.X)
        self.X = objective.X.astype(np.float64) if self.sparse else objective.X
        self.far = bool((np.abs(self.mean) > FAR * design.spread).any())
        self.block = max(64, GRAM_BYTES // (8 * self.d))
        direct = not self.sparse and self.X.dtype == np.float64 and not self.far
        self.whole = direct or self.sparse

    # ---- products with X ---------------------------------------------------------------------------

    def _blocks(self):
        """Blocks of dense rows in float64, centred where their means are far from zero."""
        for start in range(0, self.n, self.block):
            at = slice(start, start + self.block)
            rows = self.X[at]
            yield at, rows - self.mean if self.far else rows.astype(np.float64, copy=False)

    def unscaled(self, U, c):
        W = U * self.scale
        return W, c - W @ self.mean

    def forward(self, U, c):
        """Raw predictions of shape (n, models)."""
        W, b = self.unscaled(U, c)
        if self.whole:
            return self.X @ W.T + b
        Z = np.empty((self.n, len(W)))
        for at, rows in self._blocks():
            Z[at] = rows @ W.T
        return Z + (c if self.far else b)

    def backward(self, R):
        """Gradients in U and c of sum_i R_i (w . x_i + b)."""
        if self.whole:
            G = np.asarray((self.X.T @ R).T)
        else:
            G = np.zeros((R.shape[1], self.d))
            for at, rows in self._blocks():
                G += R[at].T @ rows
        total = R.sum(axis=0)
        if not self.far:
            G = G - total[:, None] * self.mean
        G = G * self.scale
        G[:, self.constant] = 0.0
        return G, total if self.fit_intercept else np.zeros_like(total)

    # ---- losses ------------------------------------------------------------------------------------

    def loss(self, Z):
        if self.models == 1:
            return float(self.s[:, 0] @ np.logaddexp(0.0, np.where(self.y > 0, -Z, Z))[:, 0])
        largest = Z.max(axis=1)
        spread = np.log(np.exp(Z - largest[:, None]).sum(axis=1))
        return float(self.s[:, 0] @ (spread + (largest - Z[np.arange(self.n), self.codes])))

    def probabilities(self, Z):
        if self.models == 1:
            return expit(Z)
        P = np.exp(Z - Z.max(axis=1, keepdims=True))
        P /= P.sum(axis=1, keepdims=True)
        return P

    def residuals(self, P):
        return self.s * (P - self.y)

    def penalty(self, U):
        return float((self.l1 * np.abs(U)).sum() + 0.5 * (self.l2 * U * U).sum())

    def shrunk(self, U, step):
        """The proximal operator of `step` times the penalty."""
        return np.sign(U) * np.maximum(np.abs(U) - step * self.l1, 0.0) / (1.0 + step * self.l2)

    def start(self, start):
        U, c = np.zeros((self.models, self.d)), np.zeros(self.models)
        if start is not None:
            W = np.reshape(np.asarray(start[0], dtype=np.float64), U.shape)
            U = W / self.scale
            if self.fit_intercept:
                c = np.reshape(np.asarray(start[1], dtype=np.float64), c.shape) + W @ self.mean
        return self.point(U, c)

    def point(self, U, c):
        return _Point(self, U, c, self.forward(U, c))

    # ---- intercepts and the dual -------------------------------------------------------------------

    def recentred(self, point):
        """The point with the best intercepts for its weights: Newton's method on raw predictions."""
        if not self.fit_intercept:
            return point
        c, Z, value = point.c, point.Z, point.loss
        present = self.shares > 0 if self.models > 1 else np.ones(1, dtype=bool)
        for _ in range(20):
            P = self.probabilities(Z)
            g = (self.residuals(P)).sum(axis=0)
            weighted = self.s * P
            if self.models == 1:
                H = np.array([[float((weighted * (1 - P)).sum())]])
            else:
                H = np.diag(weighted.sum(axis=0)) - weighted.T @ P
            if np.abs(g[present]).max() <= 1e-15:
                break
            shift = np.zeros_like(c)
            H = H[np.ix_(present, present)]
            soft = SOFTEN * np.trace(H) / len(H) + 1e-300
            shift[present] = -np.linalg.solve(H + soft * np.eye(len(H)), g[present])
            length = np.abs(shift).max()
            if not np.isfinite(length):
                break
            shift *= min(1.0, 4.0 / max(length, 1e-300))
            trial = self.loss(Z + shift)
            if not trial <= value + 2 * EPS * abs(value):
                break
            c, Z, settled = c + shift, Z + shift, value - trial <= 2 * EPS * abs(value)
            value = trial
            if settled and length < 1e-9:
                break
        return point if c is point.c else _Point(self, point.U, c, Z)

    def gap(self, point):
        """A bound on F - F* from a point of the dual problem::

            max -sum_i s_i ent(q_i) - sum_jk phi*(sum_i s_i (q_ik - y_ik) x_ij),   ent(q) = sum_k q_k
            log q_k

        over probabilities q_i whose weighted sums are those of the classes (where there is an intercept);
        phi*(u) = max(|u| - l1, 0)^2 / (2 l2). Probabilities of the model are put right by mixing in a
        little of a constant distribution, and drawn towards y until l1 bounds every |u|.
        """
        if not (self.raw_l1 > 0 or self.raw_l2 > 0):
            point.gradient()
            return np.inf
        P = point.P = self.probabilities(point.Z)
        if self.fit_intercept:
            P = self._feasible(P)
        R = self.residuals(P)
        G, total = self.backward(R)
        point._gradient = G, total
        reached = 1.0
        if self.raw_l1 > 0:
            with np.errstate(divide="ignore"):
                reached = min(1.0, float((self.l1 / np.abs(G).max(axis=0)).min()))
        if self.raw_l2 > 0:
            tried = {1.0, reached, 0.5 * (1.0 + reached), 0.1 + 0.9 * reached}
        else:
            tried = {reached}
        lower = max(self._dual(P, G, share) for share in tried)
        # F and the bound are sums of n terms: what rounding may have hidden is not claimed.
        return max(point.objective - lower, 0.0) + 4 * EPS * abs(point.objective)

    def _feasible(self, P):
        """Probabilities near P whose weighted sums are the shares of the classes."""
        if self.models == 1:
            shares = np.array([1.0 - self.shares[0], self.shares[0]])
            P = np.hstack([1.0 - P, P])
        else:
            shares = self.shares
            if (shares == 0).any():
                P = np.where(shares > 0, P, 0.0)
                P /= P.sum(axis=1, keepdims=True)
        sums = (self.s * P).sum(axis=0)
        present = sums > 0
        mixed = max(0.0, float((1.0 - shares[present] / sums[present]).max()))
        constant = np.maximum(shares - (1.0 - mixed) * sums, 0.0)
        if mixed > 0.0 and constant.any():
            P = (1.0 - mixed) * P + mixed * (constant / constant.sum())
        return P[:, 1:] if self.models == 1 else P

    def _dual(self, P, G, share):
        q = share * P + (1.0 - share) * self.y
        entropies = xlogy(q, q).sum(axis=1)
        if self.models == 1:
            entropies += xlogy(1.0 - q, 1.0 - q)[:, 0]
        value = -float(self.s[:, 0] @ entropies)
        if self.raw_l2 > 0:
            excess = np.maximum(np.abs(share * G) - self.l1, 0.0)
            value -= float((excess**2 / (2.0 * self.l2)).sum())
        return value

    def relative(self, value, point):
        return value / max(abs(point.objective), np.finfo(np.float64).tiny)


class _Fista:
    """Accelerated proximal steps; keeps the point before, the momentum and the step length."""

    def __init__(self, problem):
        self.problem = problem
        self.L = 0.25 * self._largest() * (2.0 if problem.models > 1 else 1.0)
        if not np.isfinite(self.L):
            largest = abs(problem.X).max(axis=0)
            largest = largest.toarray().ravel() if problem.sparse else largest
            raise TooLarge(f"feature {int(np.argmax(largest))}")
        self.restart()

    def _largest(self):
        """About the largest eigenvalue of the Gram matrix of the scaled rows: power iteration."""
        problem = self.problem
        v = np.random.default_rng(0).standard_normal((1, problem.d))
        size = 1.0
        for _ in range(6):
            v /= max(np.linalg.norm(v), 1e-300)
            v = problem.backward(problem.s * problem.forward(v, np.zeros(1)))[0]
            size = float(np.linalg.norm(v))
        return max(size, 1.0 if problem.fit_intercept else 1e-12)

    def restart(self):
        self.before, self.t = None, 1.0

    def step(self, point):
        problem = self.problem
        t = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * self.t**2))
        ahead = point
        if self.before is not None:
            beta, last = (self.t - 1.0) / t, self.before
            ahead = _Point(
                problem,
                point.U + beta * (point.U - last.U),
                point.c + beta * (point.c - last.c),
                point.Z + beta * (point.Z - last.Z),
            )
        g, gc = ahead.gradient()
        self.L *= 0.9
        while True:
            U = problem.shrunk(ahead.U - g / self.L, 1.0 / self.L)
            c = ahead.c - gc / self.L
            following = problem.point(U, c)
            dU, dc = U - ahead.U, c - ahead.c
            squares = float((dU * dU).sum() + dc @ dc)
            model = ahead.loss + float((g * dU).sum() + gc @ dc) + 0.5 * self.L * squares
            if following.loss <= model + 4 * EPS * abs(ahead.loss) or not self.L < 1e300:
                break
            self.L *= 2.0
        uphill = float(((ahead.U - U) * (U - point.U)).sum() + (ahead.c - c) @ (c - point.c)) > 0
        if uphill or not following.objective <= point.objective:
            self.restart()
            return following if following.objective <= point.objective else point
        self.before, self.t = point, t
        return following


class _Step:
    """A Newton step: where it leads, the orthant it stays in, and half of its decrease to first order."""

    def __init__(self, U, c, orthant, decrement):
        self.U, self.c, self.orthant, self.decrement = U, c, orthant, decrement
        self.full = False


def _newton_direction(problem, point):
    """The Newton step on the weights that may move; None where there is none."""
    G, gc = point.gradient()
    U = point.U
    if problem.raw_l1 > 0:
        orthant = np.where(U != 0, np.sign(U), np.where(np.abs(G) > problem.l1, -np.sign(G), 0.0))
        free = orthant != 0
    else:
        orthant, free = None, np.ones(U.shape, dtype=bool)
    smooth = np.append((G + problem.l2 * U)[free], gc)
    l1 = np.append(np.broadcast_to(problem.l1, U.shape)[free], np.zeros(problem.models))
    here = np.append(U[free], point.c)
    if len(smooth) == problem.models and not problem.fit_intercept:
        return None
    if len(smooth) <= DIRECT:
        there = _factored(problem, point, free, smooth, here, l1)
        orthant = None
    else:
        slopes = smooth
        if orthant is not None:
            slopes = smooth + l1 * np.append(orthant[free], np.zeros(problem.models))
        there = _conjugate(problem, point, free, here, slopes)
    if there is None or not np.isfinite(there).all():
        return None
    target = np.zeros_like(U)
    target[free] = there[: -problem.models]
    decrease = float(smooth @ (here - there)) + float((l1 * (np.abs(here) - np.abs(there))).sum())
    return _Step(target, there[-problem.models :], orthant, 0.5 * decrease)


def _newton_step(problem, point, step):
    """The point after the step, shortened until the objective falls; None if it does not."""
    t = 1.0
    for _ in range(12):
        U = step.U if t == 1.0 else point.U + t * (step.U - point.U)
        if step.orthant is not None:
            U = np.where(np.sign(U) == step.orthant, U, 0.0)
        following = problem.point(U, point.c + t * (step.c - point.c))
        allowed = ROUNDING * abs(point.objective)
        if following.objective <= point.objective - 1e-4 * t * step.decrement + allowed:
            step.full = t == 1.0
            return following
        t *= 0.5
        if t * step.decrement < EPS * abs(point.objective):
            break
    return None


def _factored(problem, point, free, g, here, l1):
    """Solve the Newton system by Cholesky's method: H = blocks of single classes - V' V.

    With an l1 penalty, it is the quadratic model together with the penalty that is minimised.
    """
    P, models = point.P, problem.models
    columns = np.flatnonzero(free.any(axis=0))
    of_class = [np.flatnonzero(free[k, columns]) for k in range(models)]
    ends = np.cumsum([len(chosen) for chosen in of_class])
    size = int(ends[-1])
    intercepts = size + np.arange(models)
    H = np.zeros((size + models, size + models))
    V = np.empty((problem.block, size + models))
    for at, rows in _chosen_blocks(problem, columns):
        s, p = problem.s[at], P[at]
        part = V[: len(rows)]
        for k, chosen in enumerate(of_class):
            own = slice(ends[k] - len(chosen), ends[k])
            mine = rows[:, chosen]
            if models == 1:
                weighted = s * p * (1.0 - p) * mine
                H[own, intercepts[k]] += weighted.sum(axis=0)
                H[intercepts[k], intercepts[k]] += float((s * p * (1.0 - p)).sum())
            else:
                weighted = s * p[:, k : k + 1] * mine
                part[:, own] = np.sqrt(s) * p[:, k : k + 1] * mine
                H[own, intercepts[k]] += weighted.sum(axis=0)
                H[intercepts[k], intercepts[k]] += float((s[:, 0] * p[:, k]).sum())
            H[own, own] += mine.T @ weighted
        if models > 1:
            part[:, size:] = np.sqrt(s) * p
            H -= np.triu(part.T @ part)
    H = np.triu(H) + np.triu(H, 1).T
    penalty = np.broadcast_to(problem.l2, free.shape)[free]
    H[np.arange(size), np.arange(size)] += penalty
    if not problem.fit_intercept:
        H[size:] = H[:, size:] = 0.0
        H[intercepts, intercepts] = 1.0
    soften = SOFTEN if models > 1 else 1e-14
    if problem.raw_l1 > 0:
        return _quadratic(H, g, here, l1, soften)
    step = _solved(H, -g, soften)
    return None if step is None else here + step


def _quadratic(H, g, u, l1, soften):
    """The x = u + d that makes g . d + d . H d / 2 + sum l1 |x| least.

    The method of this module again, on a problem whose steps cost a product with H: the solution of the
    linear system for the weights that are not zero, softened as Levenberg and Marquardt do, and FISTA
    where that does not help.
    """
    size = np.sqrt(H.diagonal())
    size[~(size > 0)] = 1.0
    A = H / size / size[:, None]
    A.flat[:: len(A) + 1] += soften
    model = _Quadratic(A, g / size, u * size, l1 / size)
    x, start, damping = model.u, model.value(model.u), 0.0
    now, idle = start, 0
    for _ in range(JUMPS):
        before = now
        x, exact = model.jump(x, damping)
        now = model.value(x)
        if exact and damping <= 1e-10:
            break
        gain, reached = before - now, start - now
        if exact:
            damping *= 0.1
        elif gain > 0.1 * reached:
            damping *= 0.3
        elif gain <= 1e-3 * reached:
            damping = min(max(10.0 * damping, 1e-4), 0.5)
            x = model.steps(x)
            now = model.value(x)
        idle = idle + 1 if before - now <= 1e-4 * (start - now) else 0
        if idle >= IDLE:
            break
    return x / size


class _Quadratic:
    """A quadratic with an l1 penalty, near u: g . (x - u) + (x - u) . A (x - u) / 2 + sum l1 |x|."""

    def __init__(self, A, g, u, l1):
        self.A, self.g, self.u, self.l1 = A, g, u, l1
        self.L = None

    def value(self, x):
        d = x - self.u
        return float(self.g @ d + 0.5 * (d @ (self.A @ d)) + (self.l1 * np.abs(x)).sum())

    def slopes(self, x):
        return self.g + self.A @ (x - self.u)

    def jump(self, x, damping):
        """The least for the signs of x and of what would leave zero; whether it is the least of all.

        `damping` / 2 times the squared way is added, which keeps the way short where the quadratic hardly
        says which is best. Where signs change, the better of two: those weights at zero, or the way's
        lowest point.
        """
        slopes, l1 = self.slopes(x), self.l1
        signs = np.where(x != 0, np.sign(x), np.where(np.abs(slopes) > l1, -np.sign(slopes), 0.0))
        loose = np.flatnonzero((signs != 0) | (l1 == 0))
        if not len(loose):
            return x, True
        A, signs = self.A[np.ix_(loose, loose)], signs[loose] * (l1[loose] > 0)
        d = _solved(A, -(slopes[loose] + l1[loose] * signs), damping)
        if d is None:
            return x, False
        target = x[loose] + d
        wrong = target * signs < 0
        there = x.copy()
        there[loose] = np.where(wrong, 0.0, target)
        now = self.value(x)
        if not wrong.any():
            if not self.value(there) <= now + 1e-12 * abs(now):
                return x, False
            zero = (there == 0) & (l1 > 0)
            return there, bool((np.abs(self.slopes(there)[zero]) <= l1[zero] * (1 + 1e-9)).all())
        along = x.copy()
        along[loose] = _along(A, slopes[loose], x[loose], d, l1[loose])
        return min((x, there, along), key=self.value), False

    def steps(self, x):
        """Some steps of FISTA."""
        if self.L is None:
            v = np.random.default_rng(0).standard_normal(len(x))
            for _ in range(10):
                v = self.A @ (v / np.linalg.norm(v))
            self.L = 1.1 * float(np.linalg.norm(v))
        L, ahead, last, t = self.L, x, x, 1.0
        for _ in range(QUADRATIC_STEPS):
            y = ahead - self.slopes(ahead) / L
            new = np.sign(y) * np.maximum(np.abs(y) - self.l1 / L, 0.0)
            faster = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t * t))
            if (ahead - new) @ (new - last) > 0:
                faster = t = 1.0
            ahead = new + (t - 1.0) / faster * (new - last)
            last, t = new, faster
        return min((x, last), key=self.value)


def _along(A, g, x, d, l1):
    """The least of g . t d + t^2 d A d / 2 + sum l1 |x + t d| over 0 < t <= 1, zeros kept exact."""
    with np.errstate(divide="ignore", invalid="ignore"):
        crossed = np.where((l1 > 0) & (x != 0), -x / d, np.inf)
    crossed[~((crossed > 0) & (crossed < 1))] = np.inf
    order = np.argsort(crossed)
    signs = np.where(x != 0, np.sign(x), np.sign(d))
    slope = float(g @ d) + float((l1 * signs * d).sum())
    curvature = float(d @ (A @ d))
    for j in order:
        t = crossed[j]
        if t == np.inf or slope + t * curvature >= 0:
            break
        slope += 2.0 * l1[j] * abs(d[j])
        if slope + t * curvature >= 0:  # the least is at the kink
            there = x + t * d
            there[j] = 0.0
            return there
    return x + min(1.0, -slope / curvature if curvature > 0 else 1.0) * d


def _solved(H, rhs, soften):
    """Solve H x = rhs, with as much added to the diagonal as it takes; None if nothing helps."""
    diagonal = H.diagonal().copy()
    diagonal[diagonal <= 0] = max(float(diagonal.max()), 1e-300)
    while soften < 1.0:
        trial = H.copy()
        trial.flat[:: len(H) + 1] += soften * diagonal
        try:
            return cho_solve(cho_factor(trial, check_finite=False), rhs, check_finite=False)
        except LinAlgError:
            soften = max(1e-14, 100.0 * soften)
    return None


def _chosen_blocks(problem, columns):
    """Blocks of some columns of the scaled rows, dense."""
    mean, scale = problem.mean[columns], problem.scale[columns]
    X = problem.X
    if problem.sparse:
        X = X[:, columns]
    for start in range(0, problem.n, problem.block):
        at = slice(start, start + problem.block)
        rows = X[at].toarray() if problem.sparse else X[at][:, columns].astype(np.float64)
        yield at, (rows - mean) * scale


def _conjugate(problem, point, free, here, slopes):
    """Solve the Newton system by conjugate gradients with the Hessian's diagonal."""
    P, models, size = point.P, problem.models, int(free.sum())
    penalty = np.broadcast_to(problem.l2, free.shape)[free]
    h = problem.s * P * (1.0 - P)
    # Columns have unit spread: the curvature of a class is about its mean p (1 - p).
    rough = np.broadcast_to(h.sum(axis=0)[:, None], free.shape)[free] + penalty
    diagonal = np.append(rough, h.sum(axis=0)) + 1e-12

    def product(v):
        dU, dc = np.zeros(free.shape), v[size:]
        dU[free] = v[:size]
        Z = problem.forward(dU, dc)
        mean = P * Z if models == 1 else (P * Z).sum(axis=1, keepdims=True)
        R = problem.s * P * (Z - mean)
        G, gc = problem.backward(R)
        return np.append(G[free] + penalty * v[:size], gc if problem.fit_intercept else v[size:])

    x, r = np.zeros_like(slopes), -slopes
    z = r / diagonal
    p, rz = z, float(r @ z)
    enough = 0.01 * rz
    for _ in range(CG_STEPS):
        Hp = product(p)
        curvature = float(p @ Hp)
        if not curvature > 0:
            break
        alpha = rz / curvature
        x += alpha * p
        r -= alpha * Hp
        z = r / diagonal
        new = float(r @ z)
        if new <= enough * 0.01:
            break
        p, rz = z + (new / rz) * p, new
    return here + x
