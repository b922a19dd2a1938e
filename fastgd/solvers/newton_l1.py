"""Newton's method for l1 and elastic net, with a Hessian that is kept as long as it serves.

Needs log-loss of two classes, an l1 penalty, and a Hessian that fits in memory: dense X of some hundred
columns, or sparse X of fewer.

A step goes to the minimum of a quadratic model of the smooth part plus the l1 penalty (Lee, Sun and
Saunders, 2014, "Proximal Newton-type methods"), which coordinate descent and Newton's method on the
support find on the model's matrix, without X. The matrix is the Hessian at an earlier point, perhaps of a
sample of the rows (see :mod:`.newton`), and is put right after each step by the update of Broyden,
Fletcher, Goldfarb and Shanno. So an iteration reads X once: objective and gradient at the full step come
from one fused pass, and a shorter step, should one be needed, is found on the stored raw predictions.

The certificate is the duality gap, where it is small enough to end the run. Far from the minimum of an l1
penalty it is loose: with the largest slope a share e above l1, it is about e l1 |w|_1 while the objective
is within e^2 of its minimum. What a step is expected to gain in the model, with a factor for what the
model does not know, is then the sooner one to tell; it is an estimate.
"""

from functools import partial

import numpy as np

from .coordinate import LogLoss, Quadratic
from .dual import best_shift
from .lbfgs import SAFETY, Pairs, estimated
from .newton import HessianMetric, run_precisely_in_the_end
from .progress import Progress

__all__ = ["certified", "proven_gap", "solve"]

MAX_ITER = 1000
HALVINGS = 40
UNKNOWN = 6  # gains, the two at the start included, up to which the last one is taken for what is left


def solve(objective, goal, start=None):
    """Minimise the log-loss of two classes with an l1 penalty, and perhaps an l2 penalty.

    Parameters
    ----------
    objective : Objective
    goal : Goal
    start : (coef, intercept), or None for zeros

    Returns
    -------
    Solution
    """
    progress = Progress("newton_l1", goal, MAX_ITER)
    try:
        run_precisely_in_the_end(objective, goal, start, progress, _run)
    except (KeyboardInterrupt, Exception) as error:
        progress.interrupted(error)
    return progress.solution()


class Matrix(HessianMetric):
    """The Hessian of the smooth part, in the coordinates of a design.

    In float64: without an l2 penalty, directions along which X hardly varies are bounded by its
    smallest eigenvalues alone, and in float32 these are rounding.
    """

    def __init__(self, point, goal):
        super().__init__(point, goal, precise=True)

    @property
    def cost(self):
        """Of a new one, in steps: a pass and some factors of matrices."""
        return self._cost(self.share) / (1.0 + self._cost(0.0))

    def refresh(self, point):
        self.H = self.matrix(point)
        return True


class Model(Pairs):
    """The smooth part as a quadratic function: a Hessian, and what steps have taught since."""

    def __init__(self, point, goal):
        super().__init__(Matrix(point, goal))
        self.design, self.l1 = point.design, point.design.objective.l1

    def learn(self, s, y):
        self.age += 1
        H = self.metric.H
        sy = float(s @ y)
        Hs = H @ s
        sHs = float(s @ Hs)
        if sy > 1e-14 * float(np.sqrt((s @ s) * (y @ y))) and sHs > 0:
            H += np.outer(y, y / sy)
            H -= np.outer(Hs, Hs / sHs)

    def step(self, point):
        """The way to the model's minimum, in u and c, and what it gains."""
        design, H, g = self.design, self.metric.H, point.gradient
        spread, across = design.spread, H[-1, :-1]
        Q, right = H[:-1, :-1].copy(), -g[:-1]
        if design.fit_intercept:  # at its best for the weights
            Q -= np.outer(across, across / H[-1, -1])
            right += across * (g[-1] / H[-1, -1])
        # in the user's units, where the penalty is the same for all columns
        Q *= spread
        Q *= spread[:, None]
        right = right * spread
        w = Quadratic(Q, right + Q @ point.w, 0.0, self.l1, 0.0, False).approached(point.w)
        way = w - point.w
        gain = float(right @ way) - 0.5 * float(way @ (Q @ way))
        gain -= self.l1 * float(np.abs(w).sum() - np.abs(point.w).sum())
        step = np.append(way * spread, 0.0)
        if design.fit_intercept:
            step[-1] = -(g[-1] + across @ step[:-1]) / H[-1, -1]
            gain += 0.5 * g[-1] ** 2 / H[-1, -1]
        return step, w, gain


def _run(point, goal, progress):
    design = point.design
    l1 = float(design.objective.l1)

    def total(point):
        return point.objective + l1 * float(np.abs(point.w).sum())

    progress.begin(total(point))
    model = Model(point, goal)
    empty = model.metric.H.diagonal()[:-1] <= 0
    if point.w[empty].any():
        point.theta[:-1][empty] = 0.0
        point = point.moved(point.theta)
    correction, gains, started, value = 1.0, [0.0, 0.0], False, total(point)
    step, target, gain = model.step(point)
    while True:
        guess = estimated(gains, correction * max(gain, 0.0), model.age)
        if len(gains) < UNKNOWN:  # the model has not proven itself
            guess = max(guess, gains[-1])
        kind, bound = certified(point, value, guess, goal, progress)
        if progress.add(partial(_answer, point), value, kind, bound, started):
            return
        started = True
        following = _line_search(point, step, target, gain, value, l1)
        if following is None:
            if model.refresh(point):
                step, target, gain = model.step(point)
                following = _line_search(point, step, target, gain, value, l1)
            if following is None:
                if design.double:
                    progress.certify("gap", proven_gap(design, point.w, point.b))
                progress.stalled()
                return
        model.learn(following.theta - point.theta, following.gradient - point.gradient)
        after = total(following)
        gained = value - after
        gains.append(gained)
        correction = max(1.0, 0.7 * correction, gained / gain if gain > 0 else 1.0)
        point, value = following, after
        step, target, gain = model.step(point)
        aim = goal.tol * max(abs(value), progress.floor)
        if model.worth_refreshing(SAFETY * gain, aim) and model.refresh(point):
            step, target, gain = model.step(point)


def _answer(point):
    return point.answer()


def certified(point, value, estimate, goal, progress):
    """Kind and value of the certificate: the duality gap where it ends the run, else the estimate."""
    if progress.relative(estimate, value) > goal.tol:
        return "estimate", estimate
    gap = proven_gap(point.design, point.w, point.b)
    if gap <= estimate or progress.relative(gap, value) <= goal.tol:
        return "gap", gap
    return "estimate", estimate


def proven_gap(design, w, b):
    """The duality gap of w and b, in float64: its dual point is that of the best intercept for w."""
    design = design.precisely()
    objective = design.objective
    h = np.full(design.n, 1.0) if design.weight is None else design.weight
    h = h / objective.total
    z = design.predictions(w, b)
    loss = LogLoss(objective, h)
    value, v = loss.at(z)
    excess = 0.0
    if design.fit_intercept:
        best, v = loss.at(z + best_shift(design, z))
        excess, value = max(value - best, 0.0), best
    g = design.gradient_of(v)[0] * design.spread
    l1, l2 = float(objective.l1), float(objective.l2)
    return excess + loss.gap(value, v, g - l2 * w, w, l1, l2, False)[1]


def _line_search(point, step, target, gain, value, l1):
    """The next point on the way to the model's minimum; None if nothing is to be gained."""
    if not gain > 0:
        return None
    theta = point.theta + step
    theta[:-1][target == 0] = 0.0  # but for rounding
    full = point.moved(theta)
    if full.objective + l1 * float(np.abs(full.w).sum()) <= value - 1e-4 * gain:
        return full
    along, t = point.line_to(full), 1.0
    for _ in range(HALVINGS):
        t *= 0.5
        after = along.at(t)[0] + l1 * float(np.abs(point.w + t * (full.w - point.w)).sum())
        if after <= value - 1e-4 * t * gain:
            return along.point(t, point.theta + t * (theta - point.theta))
    return None
