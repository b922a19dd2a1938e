"""L1 and elastic net, and sign constraints: coordinate descent on Gram matrices, with working sets.

Needs squared loss or log-loss of two classes, and an l1 penalty or ``positive``. Three layers:

1. `Quadratic`: w'Qw/2 - q'w + sum l1_j |w_j| on a Gram matrix. Epochs of coordinate descent find the
signs; Newton's
   method on the support with those signs then finds the minimum at once, where coordinate descent alone
   would need an epoch per digit or worse (the support enumeration of an active-set method).
2. Newton's method for the loss, each step such a problem (Lee, Sun and Saunders, 2014, "Proximal
Newton-type
   methods"), with an exact or backtracking line search. For squared loss it is one step.
3. Working sets (Massias, Gramfort and Salmon, 2018, "Celer"): only columns that are or could become
non-zero enter
   1 and 2; a pass over all of X then tells which ones were left out, and how far the objective can still
   fall.

With few columns, 3 is left out, and for squared loss X is read once.

The certificate is a duality gap in the user's units (Fenchel; the dual point is the scaled residual, as
in Kim, Koh, Lustig, Boyd and Gorinevsky, 2007). With the intercept at its best for w the residuals sum to
zero, which makes the dual point feasible. A small multiple of the rounding error of the sums is added, so
that the gap does not claim more than was computed.
"""

import time
from dataclasses import replace
from functools import partial

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack
from scipy.special import entr, expit

from ..data import make_rows, padded
from ..kernels import kernels
from .gram import relative_weights, unit_where_zero
from .moments import TooLarge, column_stats, moments
from .objective import Certificate
from .progress import Progress

__all__ = ["Quadratic", "merged", "on_moments", "path_on_moments", "solve", "solve_each"]

EPS = np.finfo(np.float64).eps
MAX_ITER = 100_000  # epochs of coordinate descent
BLOCK = 10  # epochs between two looks at the gap, at least
BLOCK_STEPS = 2000  # of single coordinates in that, at least: as long as a look takes at few columns
SETTLED = 1e-6  # share of the objective that epochs on few columns gain when they may end
POLISHED = 4000  # largest support on which Newton's method is tried
POLISHES = 10  # times that it is tried in a row
EPOCHS, ROUNDS = 20, 25  # between two tries, and how often, on the way to about the minimum
LITTLE = 1e-3  # share of what has been gained, below which an epoch's gain ends that
FIRST_SET = 100  # columns in the first working set
WHOLE = 200  # dense columns whose Gram matrix is sooner there than working sets
WHOLE_SPARSE = (40, 2000)  # values per row and columns, the same for sparse X
SMALLEST_SHARE = 1e-9  # of the same, when steps have no effect any more
INNER = 0.1  # of the gap that is left, what the problem on a working set is solved to
SCALES, LOOSE = (
    8,
    1e-3,
)  # how finely the scale of a dual point is searched, if the gap is above this share
NEWTON_STEPS = 30  # on one working set
CRAWL = 0.5  # share of the gap that so many steps must gain, or another solver is sooner there


def solve(objective, goal, start=None):
    """Minimise squared loss or log-loss with an l1 penalty, an l2 penalty, or weights that must be >= 0.

    Parameters
    ----------
    objective : Objective
        Of one model, or of several targets for squared loss.
    goal : Goal
    start : (coef, intercept), or None

    Returns
    -------
    Solution
    """
    if objective.y.ndim == 1 or objective.loss != "squared_error":
        return solve_each(objective, goal, None if start is None else [start])[0]
    starts = None if start is None else list(zip(*start, strict=True))
    return merged(solve_each(objective, goal, starts))


def solve_each(objective, goal, starts=None):
    """The solutions of all targets, one by one; moments of X are shared. As `solve` otherwise."""
    several = objective.y.ndim == 2
    targets = objective.y.shape[1] if several else 1
    solutions = []
    stats = None
    no_gap = objective.positive and objective.l1 == 0 and not np.any(objective.l2)
    if objective.loss == "squared_error" and (no_gap or gram_pays(objective.X)):
        y = np.asarray(objective.y, np.float64).reshape(len(objective.y), -1)
        weight = relative_weights(objective.weight)
        table = moments(objective.X, y, weight, center=objective.fit_intercept)
        stats = table.centred(objective.fit_intercept)
    for k in range(targets):
        start = None if starts is None else starts[k]
        one = objective
        if several:
            l2 = float(np.broadcast_to(objective.l2, (targets,))[k])
            one = replace(objective, y=objective.y[:, k], l2=l2)
        if stats is None:
            solutions.append(_on_working_sets(one, goal, start))
        else:
            solutions.append(on_moments(stats, k, one, goal, start))
        if solutions[-1].failure is not None:
            break
    return solutions


def merged(solutions):
    """One solution of the sum of independent objectives."""
    first = solutions[0]
    value = sum(solution.certificate.value for solution in solutions)
    objective = sum(solution.objective for solution in solutions)
    kinds = {solution.certificate.kind for solution in solutions}
    relative = max(solution.certificate.relative for solution in solutions)
    slowest = max(solutions, key=lambda solution: (not solution.converged, solution.n_iter))
    return replace(
        first,
        coef=np.array([solution.coef for solution in solutions]),
        intercept=np.array([solution.intercept for solution in solutions]),
        objective=objective,
        n_iter=max(solution.n_iter for solution in solutions),
        certificate=Certificate("gap" if kinds == {"gap"} else "estimate", value, relative),
        converged=all(solution.converged for solution in solutions),
        stop_reason=slowest.stop_reason,
        history=stacked_histories([solution.history for solution in solutions]),
        failure=next((solution.failure for solution in solutions if solution.failure), None),
    )


def stacked_histories(histories):
    """Side by side: arrays of shape (iterations, targets), the end of shorter ones repeated as NaN."""
    longest = max(len(history["objective"]) for history in histories)
    table = {name: np.full((longest, len(histories)), np.nan) for name in histories[0]}
    for k, history in enumerate(histories):
        for name, column in history.items():
            table[name][: len(column), k] = column
    return table


def gram_pays(X):
    """Whether the Gram matrix of all columns is sooner there than passes for working sets."""
    n, d = X.shape
    if sp.issparse(X):
        return X.nnz <= WHOLE_SPARSE[0] * n and d <= WHOLE_SPARSE[1]
    return d <= WHOLE


class Epochs(Progress):
    """Progress whose iterations are epochs of coordinate descent, or Newton steps if not `counted`."""

    def __init__(self, goal, counted=True):
        super().__init__("coordinate", goal, MAX_ITER, unit="epochs" if counted else "iterations")
        self.counted = counted
        self.epochs = 0
        self.rounding = 0.0  # the share of it in the certificate

    @property
    def n_iter(self):
        return self.epochs if self.counted else len(self.rows)

    @property
    def left(self):
        return max(0, (self.max_iter if self.counted else MAX_ITER) - self.epochs)

    def sharpen(self, point, objective, gap):
        """A better certificate for the point of the last iteration; returns whether to stop."""
        stop = self.add(point, objective, "gap", gap, started=False)
        if self.rows:
            self.rows[-1] = (self.objective, self.certificate.relative, self.rows[-1][2])
        return stop

    def limit(self, objective):
        """The gap, in units of the objective, that satisfies the goal; not below rounding."""
        return max(self.goal.tol * max(objective, self.floor), 4 * self.floor)

    def stalled(self):
        """No further progress is possible in floating-point numbers: done, if the gap agrees."""
        self.stuck = True
        self.converged = self.certificate.value <= max(1e3 * self.floor, 2 * self.rounding)
        self.reason = "The objective cannot be lowered any further in floating-point numbers."

    def over(self):
        seconds = time.perf_counter() - self.began
        return self.goal.max_time is not None and seconds >= self.goal.max_time


def fenchel_gap(loss, norm2, along, g, w, l1, l2, positive):
    """Duality gap of squared loss with penalties, at w and the residual of w scaled to be feasible.

    Parameters
    ----------
    loss : float
        |r|^2 / 2 + l2 |w|^2 / 2.
    norm2, along : float
        |r|^2 + l2 |w|^2 and y'r, for centred y: the rows of the problem with the l2 penalty as rows.
    g : ndarray of shape (d,)
        X'r - l2 w.
    """
    penalty = float(l1 @ np.abs(w)) if isinstance(l1, np.ndarray) else l1 * float(np.abs(w).sum())
    primal = loss + penalty
    size = g if positive else np.abs(g)
    best = np.inf
    if np.all(l1 > 0):
        ratio = float((size / l1).max(initial=0.0))
        scale = along / norm2 if norm2 > 0 else 1.0
        if ratio * scale > 1:
            scale = 1.0 / ratio
        scale = max(scale, 0.0)
        best = primal - (scale * along - 0.5 * scale * scale * norm2)
    if l2 > 0:
        u = g + l2 * w
        over = np.maximum((u if positive else np.abs(u)) - l1, 0.0)
        terms = l1 * np.abs(w) + 0.5 * l2 * w * w - u * w + over * over / (2 * l2)
        best = min(best, float(terms.sum()))
    return primal, max(best, 0.0)


class Quadratic:
    """w'Qw/2 - q'w + c/2 + sum of l1_j |w_j|, perhaps with w >= 0.

    Parameters
    ----------
    Q : C-contiguous ndarray of shape (d, d)
        With l2 on the diagonal.
    q : ndarray of shape (d,)
    c : float
        The squared norm of the targets of the least-squares problem that this is: never negative at any
        w.
    l1 : float
    l2 : float
    positive : bool
    order : ndarray of int64, or None
        Of the coordinates in an epoch.
    """

    def __init__(self, Q, q, c, l1, l2, positive, order=None):
        self.Q, self.q, self.c = Q, q, c
        self.l1, self.l2, self.positive, self.order = l1, l2, positive, order
        self.l1s = np.full(len(q), l1)
        self.sure = l1 > 0 or l2 > 0  # whether there is a gap

    def gradient(self, w):
        """q - Q w."""
        support = np.flatnonzero(w)
        if len(support) * 4 < len(w):
            return self.q - w[support] @ self.Q[support]
        return self.q - self.Q @ w

    def measure(self, w, g):
        """The objective, and a bound (for NNLS an estimate) of how far it is above its minimum."""
        along = self.c - float(self.q @ w)
        norm2 = max(along - float(g @ w), 0.0)
        primal, gap = fenchel_gap(0.5 * norm2, norm2, along, g, w, self.l1, self.l2, self.positive)
        if not self.sure:
            gap = self._decrement(w, g)
        return primal, gap + self.rounding(w)

    def rounding(self, w):
        """What rounding of the sums may have done to a gap."""
        size = float(np.sqrt(self.Q.diagonal()) @ np.abs(w))
        return 4 * EPS * (self.c + size * size)

    def _decrement(self, w, g):
        """What Newton's method on the support and single steps elsewhere would gain: no bound."""
        support = np.flatnonzero(w)
        curvature = unit_where_zero(self.Q.diagonal())
        over = np.maximum((g if self.positive else np.abs(g)) - self.l1, 0.0)
        over[support] = 0.0
        gain = 0.5 * float((over * over / curvature).sum()) * max(1, len(support))
        right = g[support] - self.l1 * np.sign(w[support])
        step = self._newton(support, right)
        return gain + (0.5 * float(step @ right) if step is not None else np.inf)

    def estimate(self, w):
        """The objective and an estimate of what is left, for where rounding has spoilt the dual point."""
        g = self.gradient(w)
        primal, _ = self.measure(w, g)
        return primal, abs(self._decrement(w, g)) + self.rounding(w)

    def _newton(self, support, right):
        """The support's block of Q inverted times `right`."""
        if not len(support):
            return np.zeros(0)
        H = self.Q[np.ix_(support, support)]
        scale = 1.0 / np.sqrt(H.diagonal())
        H *= scale
        H *= scale[:, None]
        for jitter in (0.0, 1e-13, 1e-10, 1e-7):
            if jitter:
                H.flat[:: len(H) + 1] += jitter
            factor, info = lapack.dpotrf(H, lower=1)
            if info == 0:
                return lapack.dpotrs(factor, right * scale, lower=1)[0] * scale
        return None

    def polished(self, w, g, times):
        """(w, g) after `polish`, up to so many times, until the support stays as it is."""
        for _ in range(times):
            better = self.polish(w, g)
            if better is None:
                break
            same = ((better[0] != 0) == (w != 0)).all()
            w, g = better
            if same:
                break
        return w, g

    def polish(self, w, g):
        """Newton's method on the support, as far as signs allow; the new (w, g), or None without gain."""
        support = np.flatnonzero(w)
        if not 0 < len(support) <= POLISHED:
            return None
        old = w[support]
        sign = np.sign(old)
        step = self._newton(support, g[support] - self.l1 * sign)
        if step is None or not np.isfinite(step).all():
            return None
        new = old + step
        crossed = new * sign < 0
        before = self._value(w, g)
        if crossed.any():
            trial = w.copy()
            trial[support] = np.where(crossed, 0.0, new)
            gradient = self.gradient(trial)
            if self._value(trial, gradient) < before:
                return trial, gradient
            reach = np.full(len(old), np.inf)
            reach[crossed] = -old[crossed] / step[crossed]
            first = int(reach.argmin())
            new = old + reach[first] * step
            new[first] = 0.0
            new[new * sign < 0] = 0.0
        trial = w.copy()
        trial[support] = new
        gradient = self.gradient(trial)
        return (trial, gradient) if self._value(trial, gradient) < before else None

    def active_set(self):
        """NNLS by adding the most violated coordinate and going back where one turns negative.

        Lawson and Hanson (1974), chapter 23. Slower than epochs, but where many answers are as good, it
        gives the same one whatever the rounding.
        """
        w, g = np.zeros(len(self.q)), self.q.copy()
        spread = np.sqrt(unit_where_zero(self.Q.diagonal()))
        small = 1e2 * EPS * float(np.sqrt(self.c))
        chosen = np.zeros(len(w), dtype=bool)
        for _ in range(3 * len(w)):
            score = np.where(chosen, -np.inf, g / spread)
            j = int(score.argmax())
            if not score[j] > small:
                break
            chosen[j] = True
            while True:
                support = np.flatnonzero(chosen)
                full = np.zeros(len(w))
                full[support] = self._newton(support, self.q[support])
                falling = support[full[support] <= 0]
                if not len(falling):
                    break
                room = w[falling] / np.maximum(w[falling] - full[falling], np.finfo(np.float64).tiny)
                w += room.min() * (full - w)
                chosen[falling[room <= room.min()]] = False
                w[~chosen] = 0.0
            w = full
            g = self.gradient(w)
        return w

    def _value(self, w, g):
        return -0.5 * float((self.q + g) @ w) + self.l1 * float(np.abs(w).sum())

    def approached(self, start):
        """About the minimum, from a start: until epochs gain little of what has been gained already.

        That is enough for one step of many, and needs no gap, which rounding may spoil.
        """
        w = start.copy()
        w[self.Q.diagonal() <= 0] = 0.0
        g = self.gradient(w)
        first = self._value(w, g)
        for _ in range(ROUNDS):
            _, gained = kernels.descend_gram(
                self.Q, w, g, self.l1s, self.positive, self.order, EPOCHS, 0.0
            )
            w, g = self.polished(w, g, POLISHES)
            if not gained > LITTLE * (first - self._value(w, g)):
                break
        return w

    def minimise(self, w, limit, progress, report=None):
        """Lower the objective until its gap is at most `limit`, epochs run out, or rounding forbids.

        Parameters
        ----------
        w : ndarray of shape (d,)
            Where to begin; not changed.
        limit : callable
            ``limit(objective)`` -> the gap that is good enough.
        progress : Epochs
        report : callable, default=None
            ``report(w, objective, gap)`` after each block of epochs; True ends.

        Returns
        -------
        w, objective, gap, ended : ended is True if rounding ended it
        """
        w = w.copy()
        w[self.Q.diagonal() <= 0] = 0.0
        g = self.gradient(w)
        objective, gap = self.measure(w, g)
        # without a penalty many answers may be as good, and epochs choose among them by rounding
        block, idle = max(2, BLOCK_STEPS // max(1, len(w))) if self.sure else 2, 0
        while not gap <= limit(objective) and progress.left and not progress.over():
            before, support = objective, w != 0
            enough = 0.01 * limit(objective)
            if block > BLOCK:  # epochs that cost next to nothing: until the signs are right
                enough = min(enough, SETTLED * objective)
            run, _ = kernels.descend_gram(
                self.Q,
                w,
                g,
                self.l1s,
                self.positive,
                self.order,
                min(block, progress.left),
                enough,
            )
            progress.epochs += run
            block = max(block, BLOCK)
            settled = len(w) <= 300 or ((w != 0) == support).all()
            if settled and progress.left:
                w, g = self.polished(w, g, POLISHES)
            else:
                g = self.gradient(w)
            objective, gap = self.measure(w, g)
            if report is not None and report(w, objective, gap):
                return w, objective, gap, False
            idle = idle + 1 if before - objective <= 4 * EPS * self.c else 0
            if idle >= 3:
                return w, objective, gap, True
        return w, objective, gap, False


# -- squared loss on the moments of all columns ----------------------------------------------------------


def on_moments(stats, k, objective, goal, start=None):
    """Minimise squared loss of target k from moments.

    Parameters
    ----------
    stats : Centred
    k : int
    objective : Objective
        For its penalties.
    goal : Goal
    start : (coef, intercept), or None

    Returns
    -------
    Solution
    """
    progress = Epochs(goal)
    d = len(stats.A)
    l2 = float(objective.l2)
    Q = stats.A
    if l2 > 0:
        Q = stats.A.copy()
        Q.flat[:: d + 1] += l2
    c = float(stats.c[k])
    problem = Quadratic(
        Q,
        np.ascontiguousarray(stats.B[:, k]),
        c,
        float(objective.l1),
        l2,
        objective.positive,
        _order(d, goal),
    )
    progress.begin(0.5 * c)
    w = np.zeros(d) if start is None else np.array(start[0], dtype=np.float64)
    if objective.positive:
        w = np.maximum(w, 0.0)
    if not problem.sure and d >= objective.X.shape[0]:
        w = problem.active_set()

    def point(w):
        return lambda: (w.copy(), float(stats.intercept(w)[k]) if objective.fit_intercept else 0.0)

    kind = "gap" if problem.sure else "estimate"

    def report(w, value, gap, started=True):
        return progress.add(point(w), value, kind, gap, started)

    try:
        w[Q.diagonal() <= 0] = 0.0
        if not report(w, *problem.measure(w, problem.gradient(w)), started=False):
            w, value, gap, ended = problem.minimise(w, progress.limit, progress, report)
            if ended or not progress.reason:
                report(w, value, gap)
                if ended and not progress.converged:
                    # the slopes of columns with large values are not known to better than l1
                    value, left = problem.estimate(w)
                    progress.add(point(w), value, "estimate", left)
                progress.rounding = problem.rounding(w)
                _conclude(progress, gap <= progress.limit(value) or ended)
    except (KeyboardInterrupt, Exception) as error:
        progress.interrupted(error)
    return progress.solution()


def _conclude(progress, optimal):
    """Where the goal is below rounding, say that it was rounding that ended the run."""
    if optimal and not progress.converged:
        progress.stalled()


def _order(d, goal):
    if not goal.shuffle:
        return None
    return np.random.default_rng(goal.random_state).permutation(d).astype(np.int64)


def path_on_moments(stats, alphas, l1_ratio, positive, goal):
    """Solutions for falling strengths of the penalties, each begun at the one before.

    Parameters
    ----------
    stats : Centred
        Of one target.
    alphas : ndarray of shape (k,)
        From large to small: l1 = alpha l1_ratio, l2 = alpha (1 - l1_ratio).
    l1_ratio : float
    positive : bool
    goal : Goal
        `max_iter` is per strength, `max_time` for all of them.

    Returns
    -------
    coefs : ndarray of shape (k, d), gaps : ndarray of shape (k,), relative to the objectives
    """
    d = len(stats.A)
    b, c = np.ascontiguousarray(stats.B[:, 0]), float(stats.c[0])
    coefs, gaps = np.zeros((len(alphas), d)), np.zeros(len(alphas))
    order = _order(d, goal)
    progress = Epochs(goal)
    progress.begin(0.5 * c)
    Q = stats.A.copy()
    diagonal = stats.A.diagonal().copy()
    w = np.zeros(d)
    for i, alpha in enumerate(alphas):
        l2 = float(alpha * (1.0 - l1_ratio))
        np.fill_diagonal(Q, diagonal + l2)
        problem = Quadratic(Q, b, c, float(alpha * l1_ratio), l2, positive, order)
        progress.epochs = 0
        w, value, gap, _ = problem.minimise(w, progress.limit, progress)
        coefs[i], gaps[i] = w, progress.relative(gap, value) if gap > progress.limit(value) else 0.0
    return coefs, gaps


# -- working sets ----------------------------------------------------------------------------------------


class Columns:
    """Passes over some columns of X."""

    def __init__(self, X):
        self.n, self.d = X.shape
        self.X = X
        # a Fortran-ordered X is a C-ordered one of columns
        self.turned = not sp.issparse(X) and not X.flags.c_contiguous and X.flags.f_contiguous
        rows = make_rows(X.T if self.turned else X)
        n = self.d if self.turned else self.n
        self.count = n
        self.sweeps = kernels.Sweeps(rows, np.zeros(n), None, 0)

    def predict(self, w):
        """X w."""
        if self.turned:
            out = np.zeros(self.n)
            self.sweeps.backward(np.ascontiguousarray(w), True, out, 0, self.count)
            return out
        out = np.empty(self.n)
        self.sweeps.forward(padded(w, self.d, np.float64), True, 0.0, out, 0, self.count)
        return out

    def correlate(self, v):
        """X'v."""
        if self.turned:
            out = np.empty(self.d)
            self.sweeps.forward(padded(v, self.n, np.float64), True, 0.0, out, 0, self.count)
            return out
        out = np.zeros(self.d)
        self.sweeps.backward(v, True, out, 0, self.count)
        return out

    def choose(self, which):
        """Some columns, C-contiguous or CSR."""
        X = self.X[:, which]
        return X.tocsr() if sp.issparse(X) else np.ascontiguousarray(X)


class SquaredLoss:
    """Squared loss at raw predictions z."""

    def __init__(self, objective, h):
        self.h, self.fit_intercept = h, objective.fit_intercept
        y = np.asarray(objective.y, dtype=np.float64)
        self.mean = float(h @ y) if objective.fit_intercept else 0.0
        self.y = y - self.mean
        self.c = float(h @ (self.y * self.y))
        self.steps = 1

    def start(self):
        """The objective at zero weights, for the scale of rounding errors."""
        return 0.5 * self.c

    def best_intercept(self, z, b):
        """The best intercept for raw predictions z, which lack it."""
        return self.mean - float(self.h @ z) if self.fit_intercept else 0.0

    def at(self, z):
        """Loss, and the negative slopes v in z, weighted."""
        r = self.y + self.mean - z
        v = self.h * r
        return 0.5 * float(v @ r), v

    def curvatures(self, v):
        return self.h

    def gap(self, loss, v, g, w, l1, l2, positive):
        """Objective and duality gap; g = X'v - l2 w of all columns that may be non-zero."""
        norm2 = 2 * loss + l2 * float(w @ w)
        along = float(v @ self.y)
        primal, gap = fenchel_gap(0.5 * norm2, norm2, along, g, w, l1, l2, positive)
        return primal, gap + 4 * EPS * self.c


class LogLoss:
    """Log-loss of targets -1 and 1 at raw predictions z."""

    def __init__(self, objective, h):
        self.h, self.fit_intercept = h, objective.fit_intercept
        self.y = np.asarray(objective.y, dtype=np.float64)
        self.steps = NEWTON_STEPS
        self.floor = float(h.sum()) * np.log(2.0)

    def start(self):
        return self.floor

    def best_intercept(self, z, b):
        if not self.fit_intercept:
            return 0.0
        for _ in range(100):
            a = expit(-self.y * (z + b))
            v = self.h * self.y * a
            slope, curvature = float(v.sum()), float((self.h * a) @ (1.0 - a))
            if abs(slope) <= 4 * EPS * float(np.abs(v).sum()) or not curvature > 0:
                break
            step = float(np.clip(slope / curvature, -2.0, 2.0))
            if b + step == b:
                break
            b += step
        return b

    def at(self, z):
        margin = self.y * z
        loss = float(self.h @ np.logaddexp(0.0, -margin))
        return loss, self.h * self.y * expit(-margin)

    def curvatures(self, v):
        a = np.divide(np.abs(v), self.h, out=np.zeros_like(v), where=self.h > 0)
        return self.h * np.maximum(a * (1.0 - a), 1e-12)

    def gap(self, loss, v, g, w, l1, l2, positive):
        u = g + l2 * w
        primal = loss + l1 * float(np.abs(w).sum()) + 0.5 * l2 * float(w @ w)
        size = u if positive else np.abs(u)
        a = np.divide(np.abs(v), self.h, out=np.zeros_like(v), where=self.h > 0)
        feasible = min(1.0, l1 / max(float(size.max(initial=0.0)), np.finfo(np.float64).tiny))

        def dual(scale):
            over = np.maximum(scale * size - l1, 0.0)
            charge = float(over @ over) / (2 * l2) if l2 > 0 else 0.0
            return float(self.h @ (entr(scale * a) + entr(1.0 - scale * a))) - charge

        best = dual(feasible)
        if l2 > 0 and feasible < 1:
            best = max(best, dual(1.0))
            low, high = feasible, 1.0
            for _ in range(SCALES if primal - best > LOOSE * primal else 0):
                left, right = low + 0.382 * (high - low), low + 0.618 * (high - low)
                at_left, at_right = dual(left), dual(right)
                best = max(best, at_left, at_right)
                low, high = (low, right) if at_left > at_right else (left, high)
        return primal, max(primal - best, 0.0) + 8 * EPS * self.floor


LOSS = {"squared_error": SquaredLoss, "log_loss": LogLoss}


class Search:
    """A point on its way to the minimum, by working sets."""

    def __init__(self, objective, goal, start):
        self.X = objective.X
        self.all = Columns(self.X)
        n, d = self.X.shape
        weight = relative_weights(objective.weight)
        self.h = np.full(n, 1.0 / n) if weight is None else weight / weight.sum()
        self.loss = LOSS[objective.loss](objective, self.h)
        self.l1, self.l2, self.positive = float(objective.l1), float(objective.l2), objective.positive
        self.fit_intercept = objective.fit_intercept
        self.goal = goal
        _, square = column_stats(self.X, self.h, self.fit_intercept)
        self.empty = square <= 0
        self.spread = np.sqrt(unit_where_zero(square))
        self.w = np.zeros(d) if start is None else np.array(start[0], dtype=np.float64)
        self.w[self.empty] = 0.0
        if self.positive:
            self.w = np.maximum(self.w, 0.0)
        z = self.all.predict(self.w) if self.w.any() else np.zeros(n)
        self.b = self.loss.best_intercept(z, 0.0 if start is None else float(start[1]))
        self.z = z + self.b
        self.crawls = False  # where columns are so alike that single coordinates move nothing

    def penalty(self, w):
        return self.l1 * float(np.abs(w).sum()) + 0.5 * self.l2 * float(w @ w)

    def run(self, progress):
        """Working sets until the goal or a limit is reached."""
        progress.begin(self.loss.start())
        size, started, best, share = FIRST_SET, False, np.inf, INNER
        while True:
            loss, v = self.loss.at(self.z)
            g = self.all.correlate(v) - self.l2 * self.w
            g[self.empty] = 0.0
            objective, gap = self.loss.gap(loss, v, g, self.w, self.l1, self.l2, self.positive)
            if not np.isfinite(objective):
                raise TooLarge("y")
            self.known = objective, gap
            point = partial(_as_answer, self.w, self.b)
            if self.loss.steps > 1:
                stop = progress.sharpen(point, objective, gap)
            else:
                stop = progress.add(point, objective, "gap", gap, started)
            if stop:
                return
            limit = progress.limit(objective)
            if started and best - objective <= 2 * progress.floor:
                share *= 0.01  # what the working set was solved to was not enough to move
            if gap <= limit or share < SMALLEST_SHARE:
                progress.stalled()
                return
            started, best = True, min(best, objective)
            chosen = self.choose(g, size)
            inner = share * min(gap, objective)
            inner = max(0.3 * limit, inner) if share == INNER else max(0.03 * progress.floor, inner)
            if len(chosen) == len(g) and share == INNER:
                inner = 0.5 * limit
            if self.work_on(chosen, g, v, loss, inner, progress):
                return
            if self.crawls and not self.goal.patient:
                progress.give_way()
                return
            size = max(size, 2 * int(np.count_nonzero(self.w)))

    def choose(self, g, size):
        """The columns that are not zero, and those whose optimality conditions are violated most."""
        over = (g if self.positive else np.abs(g)) - self.l1
        score = np.where(self.w != 0, np.inf, over / self.spread)
        score[self.empty] = -np.inf
        support = int(np.count_nonzero(self.w))
        wanted = min(max(size, 2 * support), len(score))
        wanted = max(min(wanted, int((score > 0).sum())), min(wanted, support + 10))
        chosen = (
            np.argpartition(-score, wanted - 1)[:wanted] if wanted < len(score) else np.arange(len(score))
        )
        return np.sort(chosen[score[chosen] > -np.inf])

    def work_on(self, chosen, g, v, loss, limit, progress):
        """Newton's method on the chosen columns, down to a gap of `limit`; returns whether to stop."""
        stop = False
        X = self.all.choose(chosen)
        columns = Columns(X)
        w, g = self.w[chosen], g[chosen]
        for step in range(self.loss.steps):
            if step:
                g = columns.correlate(v) - self.l2 * w
                _, gap = self.loss.gap(loss, v, g, w, self.l1, self.l2, self.positive)
                if gap <= limit:
                    break
            h = self.loss.curvatures(v)
            stats = moments(X, None, h, center=self.fit_intercept).centred(self.fit_intercept)
            Q = stats.A * stats.total
            Q.flat[:: len(Q) + 1] += self.l2
            q = g + Q @ w
            norm2 = float(
                (v * v) @ np.divide(1.0, h, out=np.zeros_like(h), where=h > 0)
            ) + self.l2 * float(w @ w)
            c = norm2 + float(q @ w) + float(g @ w)
            problem = Quadratic(Q, q, c, self.l1, self.l2, self.positive, _order(len(q), self.goal))
            if self.loss.steps == 1:
                new, _, _, _ = problem.minimise(w, lambda _: limit, progress)
            else:
                new = problem.approached(w)
            moved, loss, v = self.move(columns, w, new, g, loss, stats.x_mean)
            if moved is None:
                break
            w = moved
            if self.loss.steps > 1:
                value = loss + self.penalty(w)
                # what has been gained since the last gap is no longer missing
                left = self.known[1] - (self.known[0] - value) + 8 * progress.floor
                full = np.zeros(len(self.w))
                full[chosen] = w
                stop = progress.add(partial(_as_answer, full, self.b), value, "gap", left)
            if stop or not progress.left or progress.over():
                break
        else:
            gained = self.known[0] - (loss + self.penalty(w))
            self.crawls = self.loss.steps > 1 and gained < CRAWL * self.known[1]
        self.w = np.zeros(len(self.w))
        self.w[chosen] = w
        return stop

    def move(self, columns, w, new, g, loss, mean):
        """Go from w towards `new` while the objective falls: the point reached, None if it does not."""
        step = new - w
        slope = -float(g @ step) + self.l1 * float(np.abs(new).sum() - np.abs(w).sum())
        if not slope < 0:
            return None, loss, self.loss.at(self.z)[1]
        dz = columns.predict(step)
        db = -float(mean @ step) if self.fit_intercept else 0.0
        dz += db
        before = loss + self.penalty(w)
        t = 1.0
        for _ in range(40):
            trial = w + t * step
            z = self.z + t * dz
            after, v = self.loss.at(z)
            if after + self.penalty(trial) <= before + 1e-4 * t * slope:
                break
            t *= 0.5
        else:
            return None, loss, self.loss.at(self.z)[1]
        self.z = z
        b = self.b + t * db
        self.b = self.loss.best_intercept(z - b, b)
        self.z += self.b - b
        loss, v = self.loss.at(self.z)
        return trial, loss, v


def _as_answer(w, b):
    return w.copy(), b


def _on_working_sets(objective, goal, start):
    progress = Epochs(goal, counted=objective.loss == "squared_error")
    try:
        Search(objective, goal, start).run(progress)
    except (KeyboardInterrupt, Exception) as error:
        progress.interrupted(error)
    return progress.solution()
