"""Coordinate descent on the columns of X, for l1 and elastic net with many columns.

Needs log-loss of two classes and an l1 penalty. Dense or sparse X of any shape; no Gram matrix is made.

A round goes once over the columns that are or could become non-zero. The loss is replaced by its
quadratic model about the present raw predictions, one weight after another is set to the model's minimum
(Friedman, Hastie and Tibshirani, 2010, "Regularization paths for generalized linear models"), and the way
is cut where the loss does not agree (Yuan, Ho and Lin, 2012, "An improved GLMNET"). The intercept is at
its best throughout, which is as if columns were centred by the means that the curvatures weigh.

Far from the minimum curvatures change much within one pass, so a round is made of several segments, each
with a model of its own; columns with steep slopes come first. Near it, what is not zero is visited some
more times on the same model. Where columns are so correlated that rounds gain little, each ends with a
step of Newton's method for what is not zero.

The certificate is the duality gap, where it is small enough to end the run; else an estimate of what the
rounds to come will gain, from how the gains of the last ones fell and from the gradient.
"""

from functools import partial

import numpy as np

from ..data import make_rows
from ..kernels import kernels
from ..losses import LOSSES
from .coordinate import Columns, LogLoss
from .progress import EPS, Progress

__all__ = ["solve"]

MAX_ITER = 10_000  # rounds
NEAR = 0.8  # of l1, the slope from which on a column that is zero is visited
TAKEN = 0.5  # the same for dense columns that are copied
FAR = 0.02  # share of the objective that a round gains where the model is still a poor one
FAR_ROUNDS = 8  # at most, since the gains of separable rows stay large
SEGMENT = 12  # values per row in a segment of a round, about; and the most segments
SEGMENTS = 8
VISITS = (4, 8)  # epochs on what is not zero, and times as many, in a round
SETTLED = 0.1  # share of a round's first epoch below which an epoch's gain ends it
FLAT = 1e-12  # the least curvature of a loss
HALVINGS = 40
TINY = float(np.finfo(np.float64).tiny)
SAFETY = 3.0  # on estimates
LEAST_ROUNDS = 4  # before their gains are believed to go on as they do
SLOW = 0.25  # of the gain of the round before, from which on a round is a slow one
PATIENCE = 2  # slow rounds before Newton steps are tried
CG_STEPS = 100  # of conjugate gradients in one, at most
CG_LEFT = 1e-3  # share of the residual, squared, that they may leave
SUMS = 16  # rounds after which raw predictions are computed anew, without what rounding has gathered
IDLE = 3  # rounds in a row that gain nothing but rounding


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
    progress = Progress("columns", goal, MAX_ITER, "rounds")
    try:
        Descent(objective, start).run(progress)
    except (KeyboardInterrupt, Exception) as error:
        progress.interrupted(error)
    return progress.solution()


def room(size):
    return np.empty(size, dtype=np.uint8)


class Descent:
    """A point on its way to the minimum.

    It has weights w, an intercept b, raw predictions z, their loss, and v, minus its slopes in z.
    """

    def __init__(self, objective, start):
        X, n = objective.X, objective.X.shape[0]
        self.objective, self.rows = objective, make_rows(X)
        self.all = Columns(X)
        self.y = np.ascontiguousarray(objective.y, dtype=np.float64)
        weight = np.ones(n) if objective.weight is None else objective.weight
        self.share = weight / objective.total
        self.inverse = np.divide(1.0, self.share, out=np.zeros(n), where=self.share > 0)
        self.log_loss = LogLoss(objective, self.share)
        self.kind = LOSSES["log_loss"]
        self.l1, self.l2 = float(objective.l1), float(objective.l2)
        d = X.shape[1]
        self.w = np.zeros(d) if start is None else np.array(start[0], dtype=np.float64)
        z = self.all.predict(self.w) if self.w.any() else np.zeros(n)
        self.b = self.log_loss.best_intercept(z, 0.0 if start is None else float(start[1]))
        self.place(z + self.b)
        self.block = None

    def place(self, z):
        self.z = z
        self.loss, self.v = self.at(z)

    def at(self, z):
        """The loss at raw predictions, and minus its slopes there."""
        r = np.empty(len(z))
        loss = kernels.slopes(self.kind.number, self.kind.default, self.y, z, self.share, r)
        return loss, np.negative(r, out=r)

    def curvatures(self):
        h = np.abs(self.v)
        h *= self.inverse
        h *= 1.0 - h
        np.maximum(h, FLAT, out=h)
        h *= self.share
        return h

    def penalty(self, w):
        return self.l1 * float(np.abs(w).sum()) + 0.5 * self.l2 * float(w @ w)

    def answer(self):
        return partial(lambda w, b: (w.copy(), b), self.w, self.b)

    # ---- rounds ------------------------------------------------------------------------------------

    def run(self, progress):
        progress.begin(self.log_loss.start())
        gains, slow, idle, far, started, keen, helped = [], 0, 0, True, False, False, False
        while True:
            g = self.all.correlate(self.v) - self.l2 * self.w
            value = self.loss + self.penalty(self.w)
            estimate = _ahead(gains, value, helped) * (SAFETY if slow else 1.0)
            if gains:
                estimate = max(estimate, self.left(g))
            kind, bound = self.certified(g, value, estimate, progress)
            if progress.add(self.answer(), value, kind, bound, started):
                return
            if idle >= IDLE:
                progress.stalled()
                return
            far = far and (not gains or FAR * value < gains[-1]) and len(gains) < FAR_ROUNDS
            slow = slow + 1 if not far and len(gains) > 1 and gains[-1] > SLOW * gains[-2] else 0
            self.round(g, far)
            between = self.loss + self.penalty(self.w)
            if not far and (keen or slow >= PATIENCE):
                self.newton()
                after = self.loss + self.penalty(self.w)
                keen, helped = between - after > value - between, True
            gained = value - self.loss - self.penalty(self.w)
            idle = idle + 1 if gained <= 2 * EPS * abs(value) else 0
            gains.append(max(gained, 0.0))
            if len(gains) % SUMS == 0:
                self.place(self.all.predict(self.w) + self.b)
                self.recentre()
            started = True

    def round(self, g, far):
        size = np.abs(g)
        columns = np.flatnonzero((self.w != 0) | (size > NEAR * self.l1))
        self.take(columns, g)
        if far:  # what has the steepest slope is to explain most
            columns = columns[np.argsort(-size[columns], kind="stable")]
        order = self.places[columns]
        parts = self.segments(order) if far else [order]
        for part in parts:
            self.segment(part, () if far else range(VISITS[1]))
        self.recentre()

    def recentre(self):
        """The best intercept for the weights."""
        b = self.log_loss.best_intercept(self.z - self.b, self.b)
        if b != self.b:
            self.place(self.z + (b - self.b))
            self.b = b

    def newton(self):
        """A step of Newton's method for the weights that are not zero, by conjugate gradients.

        Weights may change their sign on the way, at a price that the line search sees. To stop them at
        zero would spoil the step where columns are correlated; the next round puts them there.
        """
        before = self.w[self.chosen]
        order = np.flatnonzero(before).astype(np.int32)
        signs, curved = np.sign(before[order]), self.curved[order]
        if not len(order) or not (curved > 0).all():
            return
        h = self.curvatures()
        total = float(h.sum()) if self.objective.fit_intercept else 0.0

        def predictions(w):
            dz = np.zeros(len(h))
            self.block.predict(order, w, dz)
            return dz - float(h @ dz) / total if total > 0 else dz

        def gradient(v):
            out = np.empty(len(order))
            self.block.correlate(order, v, out)
            return out

        r = gradient(self.v) - self.l2 * before[order] - self.l1 * signs
        x, u = np.zeros(len(order)), r / curved
        p, ru = u.copy(), float(r @ u)
        enough = CG_LEFT * ru
        for _ in range(CG_STEPS):
            Hp = gradient(h * predictions(p)) + self.l2 * p
            bent = float(p @ Hp)
            if not bent > 0:
                break
            step = ru / bent
            x += step * p
            r -= step * Hp
            u = r / curved
            after = float(r @ u)
            if not after > enough:
                break
            p, ru = u + (after / ru) * p, after
        new = before.copy()
        new[order] += x
        step = (new - before)[order]
        dz = np.zeros(len(h))
        self.block.predict(order, step, dz)
        shift = -float(h @ dz) / total if total > 0 else 0.0
        self.move(before, new, dz + shift, shift)
        self.recentre()

    def take(self, columns, g):
        """Have the columns in the block."""
        if self.block is not None and (self.places[columns] >= 0).all():
            return
        chosen = np.arange(len(g))
        if not self.rows.sparse:  # else it takes as long as for a few of them
            had = self.places >= 0 if self.block is not None else False
            chosen = np.flatnonzero((self.w != 0) | (np.abs(g) > TAKEN * self.l1) | had)
        self.block = None
        self.block = kernels.ColumnBlock(self.rows, chosen.astype(np.int32), room)
        self.chosen = chosen
        self.places = np.full(len(g), -1, dtype=np.int32)
        self.places[chosen] = np.arange(len(chosen), dtype=np.int32)
        self.sizes = np.empty(len(chosen), dtype=np.int64)
        self.block.sizes(self.sizes)
        self.m, self.curved = np.zeros(len(chosen)), np.zeros(len(chosen))
        square = np.empty(len(chosen))
        self.block.squares(square)
        self.a = np.full(len(g), self.l2)
        self.a[chosen] += square * (float(self.curvatures().sum()) / len(self.z))

    def segments(self, order):
        values = np.cumsum(self.sizes[order])
        count = int(min(SEGMENTS, max(1, values[-1] // (SEGMENT * len(self.z))))) if len(order) else 1
        ends = np.searchsorted(values, values[-1] / count * np.arange(1, count)) if len(order) else []
        return [part for part in np.split(order, ends) if len(part)]

    def segment(self, order, visits):
        """A model, epochs of coordinate descent on it, and as much of the way as the loss agrees with."""
        h = self.curvatures()
        total = float(h.sum()) if self.objective.fit_intercept else 0.0
        shift = float(self.v.sum()) / total if total > 0 else 0.0
        before = self.w[self.chosen]
        new, s, dz = before.copy(), self.v.copy(), np.zeros(len(h))
        settings = total, self.l1, self.l2

        def epochs(order, shift, fresh, count, enough):
            total, l1, l2 = settings
            return self.block.descend(
                order, h, s, dz, new, self.m, self.curved, total, shift, l1, l2, fresh, count, enough
            )

        _, first, shift = epochs(order, shift, True, 1, 0.0)
        for _ in visits:
            _, last, shift = epochs(order[new[order] != 0], shift, False, VISITS[0], SETTLED * first)
            if last <= SETTLED * first:
                break
        self.a[self.chosen[order]] = self.curved[order]
        self.move(before, new, dz + shift, shift)

    def move(self, before, new, dz, db):
        """As much of the way as lowers the objective."""
        penalty = self.penalty(before)
        value = self.loss + penalty
        slope = min(0.0, -float(self.v @ dz) + self.penalty(new) - penalty)
        t = 1.0
        for _ in range(HALVINGS):
            w = new if t == 1.0 else before + t * (new - before)
            z = self.z + t * dz
            loss, v = self.at(z)
            if loss + self.penalty(w) <= value + 1e-4 * t * slope:
                self.w = self.w.copy()
                self.w[self.chosen] = w
                self.b += t * db
                self.z, self.loss, self.v = z, loss, v
                return
            t *= 0.5

    # ---- certificates ------------------------------------------------------------------------------

    def certified(self, g, value, estimate, progress):
        """Kind and value of the certificate: the duality gap where it ends the run, else the estimate."""
        reached = progress.relative(estimate, value) <= progress.goal.tol
        if not reached and progress.relative(self.rough_gap(g), value) > 2 * progress.goal.tol:
            return "estimate", estimate
        _, gap = self.log_loss.gap(self.loss, self.v, g, self.w, self.l1, self.l2, False)
        if gap <= estimate or progress.relative(gap, value) <= progress.goal.tol:
            return "gap", gap
        return "estimate", estimate

    def left(self, g):
        """What single steps of the weights would gain by the gradient, times the factor of safety."""
        slope = np.where(self.w != 0, np.abs(g - self.l1 * np.sign(self.w)), np.abs(g) - self.l1)
        slope = np.maximum(slope, 0.0)
        gain = np.divide(slope * slope, self.a, out=np.zeros_like(g), where=self.a > 0)
        return SAFETY * 0.5 * float(gain.sum())

    def rough_gap(self, g):
        """About the duality gap, from the largest slope alone."""
        u = np.abs(g + self.l2 * self.w)
        excess = max(float(u.max(initial=0.0)) / max(self.l1, TINY) - 1.0, 0.0)
        rough = excess * (self.l1 * float(np.abs(self.w).sum()) + self.l2 * float(self.w @ self.w))
        if self.l2 > 0:
            # against strongly convex weights, the slopes need not be scaled
            over = np.maximum(u - self.l1, 0.0)
            terms = self.l1 * np.abs(self.w) + 0.5 * self.l2 * self.w**2 + over * over / (2 * self.l2)
            rough = min(rough, float(np.abs(terms - (g + self.l2 * self.w) * self.w).sum()))
        return rough


def _ahead(gains, value, uneven):
    """What further rounds gain if their gains go on to fall as the last ones did.

    `uneven`: rounds with Newton steps and without have taken turns, and the last one alone tells little.
    """
    if len(gains) < LEAST_ROUNDS:
        return value
    early, late = gains[-2:]
    rate = late / early if early > 0 else 1.0
    if gains[-4] > 0:  # two rounds alone may happen to differ much
        rate = max(rate, (late / gains[-4]) ** (1 / 3))
    if uneven:
        rate = max(rate, 0.5)
    if rate > SLOW:
        late = max(gains[-3:])
    rate = min(rate, 0.99)
    return SAFETY * late * rate / (1.0 - rate)
