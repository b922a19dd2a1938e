"""``learning_rate="auto"``: descent that finds its own step, on columns scaled in passing.

What `training.Training` runs for other learning rates is `training.Run`; `AutoRun` takes its place. It
has no parameter, and the coefficients, the penalty and the objective stay in the user's units.

**Columns.** Column j trains as ``(x_j - centre_j) / D_j`` with ``D_j = sqrt(largest_j * spread_j)``: the
geometric mean of its largest value and its root mean square, both about its mean. That is between
scaling by the largest value (which leaves rare columns slow) and by the standard deviation (which makes
their rare values huge), and the same whatever unit the column has (compare the normalised updates of
Ross, Mineiro and Langford, "Normalized Online Learning", UAI 2013). CSR columns are not centred, and stay
sparse.

**Step.** ``rate = factor / (4 c R^2 sqrt(1 + k))``: R^2 is the mean squared norm of the scaled rows (with
the intercept's 1), c the loss's curvature, k the number of calm epochs. For squared loss and factor 1 it
is the constant step of Bach and Moulines ("Non-strongly-convex smooth stochastic approximation with
convergence rate O(1/n)", NeurIPS 2013), who show that averaged weights then converge without decay. c is
the secant of the loss's gradient between a prediction of zero and the right one, so that hinge has one
too. Where the gradient has no bound (squared losses), a row's step is cut to what puts that row right.

**Averages.** Each epoch ends with the best of three: the last weights, and their averages over the last
half and the last eighth of the epoch, judged on a sample of the rows; the next epoch starts there. Where
averages are worse than the last weights, what is missing is speed, not calm: the factor doubles, within a
bound. Where they are much better, it halves. The first epoch looks five times, since it has no past.

**Blow-ups.** Weights that are no longer finite, or far worse than before, are rolled back to where that
part of the epoch, or the epoch, began, and the factor shrinks. So no fit ends worse than it started, up
to the sample's noise, and none overflows while the loss of the start is finite.

With batches, the step is for the mean of a batch: ``1 / (c (4 R^2 / B + lambda (1 - 1 / B)))`` with the
largest eigenvalue lambda of the scaled rows' second moments, by power iteration.
"""

from dataclasses import dataclass, replace
from math import hypot, inf, isfinite, sqrt

import numpy as np

from .data import padded
from .kernels import kernels
from .training import SEGMENT, Overflow, pieces, row_weights, unit_weight

__all__ = ["AutoRun", "Columns", "Pace", "measure"]

SAMPLE = 512, 4096  # rows that weights are judged on: a sixteenth of them all, within these
FEW_ROWS = 1024  # a piece of a stream that is too short to judge by
SWEEP = 64  # rows between two steps of the penalty, and more where there are many columns
LOOKS = (32, 16, 8, 4)  # parts of the first epoch after which the step may change
FASTEST = 16.0  # largest factor; 2 where the loss's gradient has no bound
CALM = 0.15  # share of the progress so far that the last weights may be worse than their average
LARGEST = 1e30  # of a penalty's strength for a scaled column


# -- columns -------------------------------------------------------------------------------------


@dataclass
class Columns:
    """What is known of the columns of X: arrays of shape (d,) over `n` rows."""

    n: int
    mean: np.ndarray
    square: np.ndarray  # sum of squared deviations from the mean
    low: np.ndarray
    high: np.ndarray

    def merged(self, other):
        """Columns of both sets of rows (Chan, Golub and LeVeque 1983, eq. 2.1)."""
        n = self.n + other.n
        shift = other.mean - self.mean
        return Columns(
            n,
            self.mean + shift * (other.n / n),
            self.square + other.square + shift**2 * (self.n * other.n / n),
            np.minimum(self.low, other.low),
            np.maximum(self.high, other.high),
        )

    def scaling(self, centred, dtype):
        """(centre, inverse of D), float64, exact in `dtype`; the inverse is 0 where nothing varies."""
        mean_square = self.square / self.n
        if centred:
            centre = self.mean.astype(dtype).astype(np.float64)
            largest = np.maximum(self.high - centre, centre - self.low)
            # what is left of a constant column is rounding
            noise = 32 * np.finfo(dtype).eps * np.abs(centre)
        else:
            centre, noise = np.zeros_like(self.mean), 0.0
            mean_square = mean_square + self.mean**2
            largest = np.maximum(np.abs(self.low), np.abs(self.high))
        spread = np.sqrt(np.maximum(mean_square, 0.0))
        spread = np.where(np.isfinite(spread), spread, largest)
        scale = np.sqrt(largest) * np.sqrt(spread)
        varies = (spread > noise) & (scale > np.finfo(dtype).tiny * 4)
        inverse = np.where(varies, 1.0 / np.where(varies, scale, 1.0), 0.0)
        return centre, inverse.astype(dtype).astype(np.float64)

    def mean_square(self, centre):
        """Mean of (x - centre) ** 2 of each column."""
        return self.square / self.n + (self.mean - centre) ** 2


def measure(rows, chosen=None):
    """`Columns` of some rows (None: all), in one pass."""
    n, d = rows.n if chosen is None else len(chosen), rows.d
    low, high = np.full(d, inf), np.full(d, -inf)
    sums, squares = np.zeros(d), np.zeros(d)
    if rows.sparse:
        low[:] = high[:] = 0.0
        kernels.column_moments(rows, chosen, None, sums, squares, low, high)
        mean = sums / n
        return Columns(n, mean, np.maximum(squares - n * mean**2, 0.0), low, high)
    # sums about the first row, so that they cannot cancel
    kind = np.float32 if rows.reads_float32 else np.float64
    first = np.zeros(1, np.int32) if chosen is None else chosen[:1]
    shift = np.zeros(d)
    kernels.column_moments(rows, first, np.zeros(d, kind), shift, squares, low, high)
    squares[:] = 0.0
    kernels.column_moments(rows, chosen, shift.astype(kind), sums, squares, low, high)
    return Columns(n, shift + sums / n, np.maximum(squares - sums**2 / n, 0.0), low, high)


# -- the step ------------------------------------------------------------------------------------


@dataclass
class Pace:
    """How fast a model trains, from one epoch to the next, and from one `partial_fit` to the next."""

    factor: float = 1.0
    calm: float = 0.0  # rows of the epochs after which the step was not enlarged
    begun: bool = False


@dataclass
class _Sample:
    """Some training rows to judge weights on: targets and weights as float64."""

    rows: np.ndarray
    targets: np.ndarray
    weight: np.ndarray


def _sample(problem, plan, n):
    stride = max(1, n // max(SAMPLE[0], min(SAMPLE[1], n // 16)))
    rows = np.arange(n, dtype=np.int32) if problem.chosen is None else problem.chosen
    rows = np.ascontiguousarray(rows[::stride], dtype=np.int32)
    weight = row_weights(problem, rows) / unit_weight(problem, plan)
    return _Sample(rows, problem.targets_of(rows), np.ascontiguousarray(weight, np.float64))


def _best_constant(plan, targets, weight):
    """The one prediction with the least loss, by golden section; losses are convex in it."""
    if plan.loss.name == "poisson":
        low, high = -30.0, np.log(max(targets.max(), 1e-12)) + 1.0
    elif plan.loss.task == "regression":
        low, high = targets.min(), targets.max()
    else:
        low, high = min(-10.0, targets.min()), max(10.0, targets.max())
    low, high = float(low), float(high)

    def total(b):
        return plan.loss.total(targets, np.full(len(targets), b), weight, plan.parameter)

    golden = (sqrt(5.0) - 1.0) / 2.0
    a, b = high - golden * (high - low), low + golden * (high - low)
    at_a, at_b = total(a), total(b)
    for _ in range(40):
        if at_a <= at_b:
            high, b, at_b = b, a, at_a
            a = high - golden * (high - low)
            at_a = total(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + golden * (high - low)
            at_b = total(b)
    middle = 0.5 * (low + high)
    return middle if isfinite(middle) else 0.0


def _curvature(plan, targets, weight, classification):
    """(c, bound on the second derivative or 0): how fast the loss's gradient changes.

    c is the secant of the gradient: for labels from a prediction of zero to the right one; for numbers
    that of the mean loss about its best constant, as far as the best constants of the upper and the lower
    half of the targets are from one another.
    """
    loss, parameter = plan.loss, plan.parameter
    if classification:
        span, middle = 1.001, 0.0  # beyond the kink at 1
        gradients = loss.gradient(1.0, np.array([0.0, span]), parameter)
        c = (gradients[1] - gradients[0]) / span
        ones = np.ones(1)
    else:
        ones = targets
        middle = _best_constant(plan, targets, weight)
        if loss.name == "poisson":
            span = 1.0  # a factor of e in the mean
        else:
            upper = targets >= np.median(targets)
            halves = [
                _best_constant(plan, targets[part], weight[part])
                for part in (upper, ~upper)
                if part.any()
            ]
            span = 0.5 * abs(halves[0] - halves[-1]) or abs(middle) or 1.0
        up, down = (loss.gradient(targets, middle + side, parameter) for side in (span, -span))
        share = weight.sum() or 1.0
        c = float(weight @ (up - down)) / share / (2.0 * span)
    far = middle + span * np.array([1e3, 5e2, -5e2, -1e3])
    gradients = [float(np.abs(loss.gradient(ones, p, parameter)).mean()) for p in far]
    steepest = max(gradients[0] - gradients[1], gradients[3] - gradients[2]) / (5e2 * span)
    if not (isfinite(c) and c > 0):
        c = 1.0
    # exponential losses have no bound: what is met near the best constant must do
    bound = min(steepest, 4.0 * c) if steepest > 1e-3 * c else 0.0
    return c, bound


class AutoRun:
    """One model in training, as `training.Run`.

    `coef` and `intercept` are the best weights after the last epoch, in the user's units.
    """

    def __init__(self, problem, plan):
        n, d = problem.rows.n, problem.rows.d
        dtype = problem.dtype
        self.problem, self.plan = problem, plan
        self.n = n if problem.chosen is None else len(problem.chosen)
        self.batch = self.n if plan.batch_size == "full" else min(plan.batch_size, self.n)
        self.steps = -(-self.n // self.batch)
        self.pace = replace(problem.pace) if problem.pace is not None else Pace()
        self.stream = problem.pace is not None
        columns = problem.columns or measure(problem.rows, problem.chosen)
        self.centre, self.inverse = columns.scaling(plan.fit_intercept and not problem.rows.sparse, dtype)
        strength = np.minimum(self.inverse**2 * plan.l2, LARGEST)
        threshold = np.minimum(self.inverse * plan.l1, LARGEST)
        self.strength, self.threshold = strength, threshold
        unit = unit_weight(problem, plan)
        self._w, self._sums = padded(None, d, dtype), padded(None, d, dtype)
        self.descent = kernels.ScaledDescent(
            problem.rows,
            problem.y,
            problem.weight,
            self._w,
            padded(None, d, dtype),
            scaling={
                "centre": padded(self.centre, d, dtype),
                "inverse": padded(self.inverse, d, dtype),
                "l2": padded(strength, d, dtype),
                "l1": padded(threshold, d, dtype) if plan.l1 > 0 else None,
                "total": self._sums,
            },
            double_w=dtype == np.float64,
            recipe={
                "loss": plan.loss.number,
                "parameter": plan.parameter,
                "rule": 0,
                "l1": 0.0,
                "l2": 0.0,
                "class_weight": (problem.weight_neg / unit, problem.weight_pos / unit),
                "one_class": False,
                "nu": 0.0,
                "fit_intercept": plan.fit_intercept,
                "average_from": 0.0,
                "aggressiveness": 1.0,
            },
        )
        self.descent.t = problem.t
        sweep = max(1, min(max(SWEEP, d // 16), max(SWEEP, self.n // SWEEP), self.n // 16))
        self.sweep = -(-sweep // self.batch) * self.batch
        self.judging = _sample(problem, plan, self.n)
        self.present = None  # score of the weights that the next epoch starts from
        self.zero = None  # ... of those that the first one started from
        self.segments, self.rows_done, self.trained = [(0, self.n)], 0, False
        self.loss = np.nan  # of the last epoch
        self._begin(problem)
        c, self.steepness = _curvature(
            plan, self.judging.targets, self.judging.weight, problem.label is not None
        )
        self.fastest = 2.0 if self.steepness else FASTEST
        self.base = self._base(c, columns)
        if self.batch > 1:
            self.steepness = 0.0  # a row's share of a batch is small by itself

    # -- weights: the user's, and those of the scaled columns ---------------------------------------

    def _begin(self, problem):
        """Start from the given weights; without any, from the best constant."""
        d, dtype = problem.rows.d, problem.dtype
        self._given = np.zeros(d, dtype) if problem.coef is None else problem.coef.copy()
        self._coef, self._intercept = self._given, problem.intercept
        trained = self.inverse > 0
        scaled = np.zeros(d)
        np.divide(self._given, self.inverse, out=scaled, where=trained)
        self._w[:d] = scaled
        intercept = problem.intercept + float(self._given[trained] @ self.centre[trained])
        fresh = not self._given.any() and problem.intercept == 0.0
        if fresh and self.plan.fit_intercept and not self.pace.begun:
            best = _best_constant(self.plan, self.judging.targets, self.judging.weight)
            better, zero = self._scores((self._w, best), (self._w, 0.0))
            if better[0] < zero[0]:
                intercept = best
                # what remains if no epoch does better
                self._intercept = best - float(self._given[trained] @ self.centre[trained])
        self.descent.intercept = intercept

    def _base(self, c, columns):
        """The step of one batch for factor 1."""
        own = float(self.plan.fit_intercept)
        norm = float(columns.mean_square(self.centre) @ self.inverse**2) + own or 1.0
        weight = self.judging.weight
        heavy = float(weight @ weight) / (float(weight.sum()) or 1.0) or 1.0
        if self.batch == 1:
            return 1.0 / (4.0 * c * norm * heavy)
        share = 1.0 / self.batch
        return 1.0 / (c * (4.0 * norm * heavy * share + self._largest_eigenvalue(own) * (1.0 - share)))

    def _largest_eigenvalue(self, own):
        """Of the second moments of scaled rows and intercept, from part of the sample, a little above."""
        rows, weight = self.judging.rows[: SAMPLE[0]], self.judging.weight[: SAMPLE[0]]
        d = self.problem.rows.d
        v = padded(None, d, self.problem.dtype)
        self.descent.combine(rows, np.ones(len(rows)), v)
        b, value, raw = own, 1.0, np.empty(len(rows))
        for _ in range(12):
            length = sqrt(float(v.astype(np.float64) @ v) + b * b)
            if not (isfinite(length) and length > 0):
                break
            v = (v / length).astype(v.dtype)
            b /= length
            self.descent.raw_scores(rows, v, np.array([b]), raw)
            raw *= weight
            v = np.zeros_like(v)
            self.descent.combine(rows, raw, v)
            b = own * float(raw.sum())
            value = sqrt(float(v.astype(np.float64) @ v) + b * b) / len(rows)
        return 1.1 * value

    @property
    def coef(self):
        """The weights, of shape (d,)."""
        return self._coef

    @property
    def intercept(self):
        return self._intercept

    def finite(self):
        return bool(np.isfinite(self._coef).all() and isfinite(self._intercept))

    def weights(self, copy=True):
        """As `training.Run.weights`; there is no further average, and no optimizer."""
        return self._coef.copy() if copy else self._coef, self._intercept, None, 0.0, None

    def begun(self):
        """Whether an epoch has been trained: an interruption goes back to where the present one began."""
        return self.trained

    def running_loss(self):
        """Mean loss of the last epoch."""
        return self.loss

    def save(self):
        """Copies of what the next epoch starts from."""
        return {
            "weights": self._present(),
            "t": self.descent.t,
            "pace": replace(self.pace),
            "scores": (self.present, self.zero),
            "users": (self._coef.copy(), self._intercept),
        }

    def load(self, state):
        """Go on from what `save` gave."""
        self._restore(state["weights"])
        self.descent.t = state["t"]
        self.pace = replace(state["pace"])
        self.present, self.zero = state["scores"]
        self._coef, self._intercept = state["users"]
        self._coef, self.trained = self._coef.copy(), True

    def cut_rate(self, patience):
        """The step has been adapted all along: a plateau is the end."""
        return False

    def _present(self):
        return self._w.copy(), self.descent.intercept

    def _restore(self, weights):
        self._w[:], self.descent.intercept = weights

    def _users(self, weights):
        """Weights in the user's units."""
        v, intercept = weights
        d = self.problem.rows.d
        with np.errstate(over="ignore"):
            coef = np.where(self.inverse > 0, v[:d] * self.inverse, self._given).astype(self._given.dtype)
        trained = self.inverse > 0
        return coef, intercept - float(coef[trained].astype(np.float64) @ self.centre[trained])

    def _scores(self, *candidates):
        """Of each candidate, weights and intercept: (objective on the sample or inf, raw predictions)."""
        judging, k = self.judging, len(candidates)
        raw = np.empty((len(judging.rows), k))
        together = np.concatenate([v for v, _ in candidates])
        intercepts = np.array([intercept for _, intercept in candidates])
        self.descent.raw_scores(judging.rows, together, intercepts, raw.reshape(-1))
        scores = []
        for (v, _), p in zip(candidates, np.ascontiguousarray(raw.T), strict=True):
            with np.errstate(over="ignore", invalid="ignore"):
                value = self._total(p) / len(p) + self._penalty(v)
            scores.append((value if isfinite(value) else inf, p))
        return scores

    def _total(self, raw):
        """Weighted sum of the sample's losses."""
        judging = self.judging
        if self.plan.loss.name == "perceptron":  # zero weights have its least loss: count mistakes
            return float(judging.weight @ (judging.targets * raw <= 0))
        return self.plan.loss.total(judging.targets, raw, judging.weight, self.plan.parameter)

    def _penalty(self, v):
        plan, wide = self.plan, v[: self.problem.rows.d].astype(np.float64)
        value = 0.5 * float(self.strength @ (wide * wide)) if plan.l2 > 0 else 0.0
        return value + float(self.threshold @ np.abs(wide)) if plan.l1 > 0 else value

    # -- an epoch -----------------------------------------------------------------------------------

    def epoch(self, order, number, tell=None):
        """Train one epoch, see `training.Run.epoch`; it is one segment, in which nobody is told."""
        before = self._coef, self._intercept
        start = self._present()
        if self.present is None:
            (self.present,) = self._scores(start)
        at_start = self.present[0]
        if not isfinite(at_start):
            raise Overflow(number, self._rate())
        brief = self.stream and self.n < FEW_ROWS
        deterministic = self.steps <= 4
        first = not (self.pace.begun or brief or deterministic)
        self.pace.begun = True
        zero = at_start if first or number == 1 else self.zero
        self.zero = zero
        sums, seen, windows = np.zeros(2), 0, []
        here, value_here, at = start, at_start, 0
        for stop in self._cuts(first):
            look = first and stop <= self.n // 2 + self.batch
            averages = not (brief or deterministic) and (look or stop > self.n // 2)
            part, finite, average = self._piece(order, at, stop, averages, look)
            present = self._present()
            if look:
                (last, _), (mean, _) = self._scores(present, average)
                finite = finite and min(last, mean) <= value_here + 0.5 * abs(
                    zero - value_here
                ) + 0.1 * abs(zero)
            if not finite:
                self._restore(here)
                self.pace.factor /= 4.0
                windows = []
            else:
                sums += part
                seen += stop - at
                here = present
                if look:
                    value_here = last
                    if last < mean:
                        self._hasten()
                    elif last - mean > CALM * max(zero - mean, 0.0) and self.pace.factor > 1.0:
                        self.pace.factor /= 2.0
                if averages and stop > self.n // 2:
                    windows.append((stop - at, average))
            at = stop
        rate = self._rate()
        chosen, weights = self._choose(windows)
        value = chosen[0]
        if self._worse(chosen):
            self.pace.factor /= 2.0
            self._restore(start)
            value = at_start
        else:
            self.present = chosen
            self._restore(weights)
            coef, intercept = self._users(weights)
            if np.isfinite(coef).all() and isfinite(intercept):
                self._coef, self._intercept = coef, intercept
            else:  # a column too small for its type
                self.pace.factor /= 4.0
                self._restore(start)
                self.present = None
        if brief:
            self.pace.calm += self.n
        loss, penalty = sums / seen if seen and np.isfinite(sums).all() else (value, 0.0)
        self.loss, self.rows_done, self.trained = loss, self.n, True
        moved = np.linalg.norm(self._coef.astype(np.float64) - before[0])
        return loss, loss + penalty, rate, hypot(moved, self._intercept - before[1])

    def _rate(self):
        return self.base * self.pace.factor / sqrt(1.0 + self.pace.calm / max(self.n, FEW_ROWS))

    def _hasten(self):
        self.pace.factor = min(2.0 * self.pace.factor, max(self.fastest, self.pace.factor))

    def _cuts(self, first):
        """Ends of the pieces of an epoch, in rows, each after a whole batch."""
        n = self.n
        cuts = [n // part for part in LOOKS] if first else []
        cuts += [n // 2, n - n // 8, n]
        cuts = [min(n, -(-cut // self.batch) * self.batch) for cut in cuts if cut > 0]
        return list(dict.fromkeys(cuts))

    def _piece(self, order, start, stop, average, look):
        """Train some rows: (sums of losses and penalties, all finite, average weights or None).

        The average is over the piece, or its second half where it is to be compared (`look`).
        """
        rate = self._rate()
        begin = start
        if average and look:
            begin = start + (stop - start) // 2 // self.batch * self.batch
        self._sums[:] = 0.0
        self.descent.intercept_total = 0.0
        for part, counts in ((range(start, begin), False), (range(begin, stop), average)):
            for a, b in self._segments(part.start, part.stop):
                self.descent.train(order, a, b, rate, self.batch, self.sweep, self.steepness, counts)
        loss, penalty, finite = self.descent.report()
        mean = None
        if average:
            rows = stop - begin
            with np.errstate(invalid="ignore", over="ignore"):
                mean = (self._sums / self._sums.dtype.type(rows), self.descent.intercept_total / rows)
        return np.array([loss, penalty]), finite, mean

    def _segments(self, start, stop):
        """Rows start to stop as calls into the kernels, short enough that Ctrl-C is heard."""
        size = max(1, int(SEGMENT / max(1.0, self.problem.values_per_row)) // self.sweep) * self.sweep
        return [(start + a, start + b) for a, b in pieces(stop - start, size)]

    def _choose(self, windows):
        """The best of last weights and averages: (its score, weights); sets the pace."""
        last = self._present()
        candidates = [last]
        for some in (windows, windows[-1:]):
            if some:
                rows = sum(count for count, _ in some)
                v = sum(average[0] * average[0].dtype.type(count / rows) for count, average in some)
                if self.plan.l1 > 0:
                    v = np.where(last[0] == 0, last[0], v)  # averages of zeros and not quite zeros
                candidates.append((v, sum(average[1] * (count / rows) for count, average in some)))
        scored = self._scores(*candidates)
        if len(candidates) > 1:
            value, mean = scored[0][0], scored[1][0]
            if value < mean:
                self._hasten()
            else:
                self.pace.calm += self.n
                if value - mean > CALM * max(self.zero - mean, 0.0):
                    self.pace.factor /= 2.0
        elif self.steps <= 4:
            self.pace.factor = min(1.25 * self.pace.factor, max(FASTEST, self.pace.factor))
        best = min(range(len(candidates)), key=lambda k: scored[k][0])
        return scored[best], candidates[best]

    def _worse(self, score):
        """Whether weights are worse than the epoch's first by more than the sample's noise."""
        (value, raw), (before, raw_before) = score, self.present
        if value <= before or not isfinite(value):
            return not isfinite(value)
        if len(raw) == self.n or self.plan.loss.name == "perceptron":
            return True
        judging, loss, parameter = self.judging, self.plan.loss, self.plan.parameter
        change = loss.value(judging.targets, raw, parameter) - loss.value(
            judging.targets, raw_before, parameter
        )
        return value > before + 2.0 * float(np.std(judging.weight * change)) / sqrt(len(raw))
