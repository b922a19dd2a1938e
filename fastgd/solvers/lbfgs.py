"""The loop of the smooth solvers: L-BFGS on a metric that is renewed when it pays, and its line search.

L-BFGS (Nocedal and Wright, 2006, algorithm 7.4) corrects a metric, an approximation of the Hessian at an
earlier point, by pairs of steps and gradient changes since. With a good metric the full step is nearly
always right, so an iteration reads X once: objective and gradient at the full step come from one fused
pass. A shorter step, should one be needed, is found on the stored raw predictions, without X.

A point has `theta`, `objective`, `gradient`, `moved(theta)`, `line_to(following)`, `answer()`,
`margin()`, which tells how clearly the rows are told apart where no penalty limits the weights, and
`gap()`, nearly a bound on the suboptimality, which `proven_gap()` makes a bound at the cost of a pass. A
metric has `refresh(point)`, `inverse(vector)` and `cost` (of a refresh, in passes). The estimate of the
suboptimality is the Newton decrement in the corrected metric, or what the next step gains if gains go on
to fall as they did. A metric with `faded(point)` is asked, before an estimate ends a run, how much the
curvature of each parameter has fallen: where rows of a rare feature are settled by now, an old metric
would hide what is left to gain.
"""

import numpy as np

__all__ = ["Pairs", "certified", "descend", "line_search", "told_apart"]

MEMORY = 30  # pairs
PATIENCE = 5  # iterations before a metric is judged
WINDOW = 4  # iterations over which decrements are averaged to see how fast they fall
HESITATION = 2.0  # on the cost of a new one: convergence gets faster by itself
MOST = 9.0  # times the decrement: gains do not make an estimate larger
FRESH = 10.0  # steps that a metric remains in touch
CLEAR = 1.0  # margin from which on separable rows need no further steps
CERTAIN = 40.0  # margin that makes a logistic loss zero but for rounding
SAFETY = 3.0  # on the decrement: curvature that the metric does not know yet


class Pairs:
    """A metric and what has been learned since it was made."""

    def __init__(self, metric):
        self.metric = metric
        self.forget()

    def forget(self):
        self.pairs, self.age, self.decrements = [], 0, []

    def learn(self, s, y):
        self.age += 1
        sy = float(s @ y)
        if sy > 1e-14 * float(np.sqrt((s @ s) * (y @ y))):
            self.pairs = [*self.pairs[-(MEMORY - 1) :], (s, y, 1.0 / sy)]

    def refresh(self, point):
        """Renew the metric at a point; False if it is from there already."""
        if self.age == 0 or not self.metric.refresh(point):
            return False
        self.forget()
        return True

    def outdated(self, point, most):
        """Whether the decrement exceeds `most`, once the metric has the curvatures of this point."""
        faded = getattr(self.metric, "faded", None)
        ratio = None if faded is None or self.age == 0 else faded(point)
        if ratio is None:
            return False
        g = point.gradient / np.sqrt(ratio)
        return -0.5 * float(g @ self.direction(g)) > most

    def direction(self, g):
        """Minus the inverse of the corrected metric times g."""
        g = g.copy()
        taken = []
        for s, y, rho in reversed(self.pairs):
            a = rho * float(s @ g)
            g -= a * y
            taken.append(a)
        g = self.metric.inverse(g)
        for (s, y, rho), a in zip(self.pairs, reversed(taken), strict=True):
            g += (a - rho * float(y @ g)) * s
        return -g

    def worth_refreshing(self, now, target):
        """Whether a new metric would save more passes than it costs, at the rate of late."""
        self.decrements.append(now)
        if now <= target or self.age < PATIENCE:
            return False
        rate = self.rate()
        if rate >= 0.95:
            return True
        return np.log(max(target / now, 1e-300)) / np.log(rate) > HESITATION * self.metric.cost + 2

    def rate(self):
        """By which an iteration has multiplied the decrement: since the last metric, or of late."""
        seen = self.decrements
        if len(seen) < 3 * WINDOW:
            return max(seen[-1] / seen[0], 1e-300) ** (1.0 / self.age)
        early, late = seen[-3 * WINDOW : -2 * WINDOW], seen[-WINDOW:]
        return max(sum(late) / sum(early), 1e-300) ** (0.5 / WINDOW)


def descend(point, metric, goal, progress):
    """Go from a point, at which the metric was made, until the goal is reached."""
    progress.begin(point.objective)
    pairs = Pairs(metric)
    correction = 1.0  # of the decrement, from what steps have gained beyond it
    gains = [0.0, 0.0]  # of the steps
    step = pairs.direction(point.gradient)
    decrement = -0.5 * float(point.gradient @ step)
    started = False
    while True:
        kind, value = certified(
            point, estimated(gains, correction * decrement, pairs.age), goal, progress
        )
        target = goal.tol * max(abs(point.objective), progress.floor)
        if kind == "estimate" and value <= target and pairs.outdated(point, target):
            pairs.refresh(point)
            step = pairs.direction(point.gradient)
            decrement = -0.5 * float(point.gradient @ step)
            value = estimated(gains, correction * decrement, pairs.age)
        if progress.add(point.answer, point.objective, kind, value, started):
            return
        started = True
        following = line_search(point, step)
        if following is None:
            if pairs.refresh(point):
                step = pairs.direction(point.gradient)
                decrement = -0.5 * float(point.gradient @ step)
                following = line_search(point, step)
            if following is None:
                progress.stalled()
                return
        pairs.learn(following.theta - point.theta, following.gradient - point.gradient)
        gained = point.objective - following.objective
        gains.append(gained)
        correction = max(1.0, 0.7 * correction, gained / decrement if decrement > 0 else 1.0)
        point = following
        if told_apart(point, progress):
            return
        step = pairs.direction(point.gradient)
        decrement = -0.5 * float(point.gradient @ step)
        target = goal.tol * max(abs(point.objective), progress.floor)
        if pairs.worth_refreshing(SAFETY * decrement, target) and pairs.refresh(point):
            step = pairs.direction(point.gradient)
            decrement = -0.5 * float(point.gradient @ step)


def told_apart(point, progress):
    """Whether the point tells all rows apart and no penalty limits the weights; ends the run then.

    Longer weights are all that is left to find: a multiple of these makes every loss zero.
    """
    margin = point.margin()
    if not margin >= CLEAR:
        return False
    end = point.moved(point.theta * max(1.0, CERTAIN / margin))
    progress.add(end.answer, end.objective, "gap", end.objective)
    progress.stalled()
    return True


def estimated(gains, decrement, age):
    """What is left to gain: by the decrement, or, within limits, by the gains of the last steps.

    A decrement falls short where the metric has lost touch, after many steps; further steps would then
    gain more in all, if gains went on to fall as the last ones did.
    """
    if len(gains) < 6:
        early, late, steps = gains[-2], gains[-1], 1
    else:
        early, late, steps = np.mean(gains[-6:-3]), np.mean(gains[-3:]), 3
    if not 0 < late < early:
        ahead = late
    else:
        rate = (late / early) ** (1 / steps)
        ahead = late * rate / (1 - rate)
    return max(SAFETY * max(1.0, age / FRESH) ** 0.5 * decrement, min(ahead, MOST * decrement))


def certified(point, estimate, goal, progress):
    """Kind and value of the certificate: a bound where it ends the run and the estimate does not."""
    bound, objective = point.gap(), point.objective
    if progress.relative(bound, objective) <= goal.tol < progress.relative(estimate, objective):
        bound = point.proven_gap()
        if bound <= estimate:
            return "gap", bound
    return "estimate", estimate


def line_search(point, step):
    """The next point along the step; None if nothing is to be gained."""
    slope = float(point.gradient @ step)
    if not slope < 0:
        return None
    full = point.moved(point.theta + step)
    derivative = float(full.gradient @ step)
    if full.objective <= point.objective + 1e-4 * slope and abs(derivative) <= 0.9 * abs(slope):
        return full
    along, t = point.line_to(full), 1.0
    value, curvature = full.objective, None
    low, high = 0.0, None
    for _ in range(60):
        sound = np.isfinite(value) and np.isfinite(derivative)
        if sound and value <= point.objective + 1e-4 * t * slope and abs(derivative) <= 0.1 * abs(slope):
            break
        if not sound or derivative > 0 or value > point.objective:
            high = t
        else:
            low = t
        if high is None:
            t *= 4.0
        else:
            newton = t - derivative / curvature if sound and curvature else np.nan
            t = newton if low < newton < high else 0.5 * (low + high)
            if high - low <= 1e-12 * high:
                break
        value, derivative, curvature = along.at(t)
    return along.point(t, point.theta + t * step) if value < point.objective else None
