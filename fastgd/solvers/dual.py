"""Stochastic dual coordinate ascent (Shalev-Shwartz and Zhang, 2013) for the logistic loss.

Needs an l2 penalty, no l1, and two classes; rows of floats, best sparse. It is soonest where the penalty
is strong against the rows, q = mean of |x|^2 / (S l2) up to a hundred: an epoch reads X once, takes the
step on each row that is exactly the best for its dual variable, and knows no learning rate.

The intercept is unpenalised: in the epochs it is the weight of a constant feature that is penalised for
its distance to its value when the epoch began, and between epochs it moves by what the balance of the
classes' dual variables says (the method of multipliers). The certificate is the duality gap at dual
variables that have been balanced exactly, so it is a bound; it costs a pass, and is taken when the gaps
that the epoch has met by the way say that it will do.
"""

from functools import partial

import numpy as np

from ..data import padded
from ..kernels import kernels
from .design import Design
from .newton import entropy
from .progress import Progress

__all__ = ["solve"]

MAX_ITER = 1000
PATIENCE = 50  # epochs in which the gaps that are met do not fall by a tenth
KAPPA = 1.0  # of the intercept's feature, in units of the mean |x|^2


def solve(objective, goal, start=None):
    """Minimise the logistic loss with an l2 penalty.

    Parameters
    ----------
    objective : Objective
        Of two classes, with l2 > 0.
    goal : Goal
    start : ignored
        The dual variables, not the weights, say where an ascent begins.

    Returns
    -------
    Solution
    """
    progress = Progress("dual", goal, MAX_ITER, "epochs")
    try:
        ascent = Ascent(objective, goal)
        _ascend(ascent, goal, progress)
    except (KeyboardInterrupt, Exception) as error:
        if progress.point is None and progress.n_iter > 0:
            *point, primal, gap = ascent.certify()
            progress.add(partial(tuple, point), primal, "gap", gap, started=False)
        progress.interrupted(error)
    return progress.solution()


class Ascent:
    """Dual variables, the weights that belong to them, and the gap between the two objectives.

    `first` is the objective at zero weights and their best intercept.
    """

    def __init__(self, objective, goal):
        self.objective = objective
        self.design = design = Design(objective, goal.n_threads, precise=True, scaled=False)
        self.l2, self.total = float(objective.l2), objective.total
        if not self.l2 > 0:
            raise ValueError("Solver dual needs an l2 penalty. Give a finite C, or solver='auto'.")
        self.share = 1.0 / (self.total * self.l2)
        self.theta = np.zeros(design.n)
        self.w = padded(None, design.d, objective.X.dtype)
        self.kappa = KAPPA * self._mean_square() if objective.fit_intercept else 0.0
        self.kernel = kernels.DualAscent(
            design.rows, design.y, design.weight, self.theta, self.w, self.share, self.kappa
        )
        self.order = kernels.Order(design.n, 1 + goal.random_state % 0x7FFFFFFE)
        self._begin()

    def _mean_square(self):
        X = self.objective.X
        values = X.data if self.design.sparse else X.ravel()
        return float(values @ values) / max(1, self.design.n)

    def _begin(self):
        """Dual variables in proportion to the other class's share, hence balanced, at the best scale."""
        y, s = self.design.y, self._row_weights()
        prior = float(s[y > 0].sum()) / self.total
        if not self.objective.fit_intercept:
            prior = 0.5
        elif 0 < prior < 1:
            self.kernel.intercept = float(np.log(prior / (1 - prior)))
        prior = min(max(prior, 1e-9), 1 - 1e-9)
        self.first = float(entropy(prior))
        alpha = np.where(y > 0, 1 - prior, prior)
        w, _ = self.design.gradient_of(alpha * s * y)
        w *= self.share

        def dual(scale):
            a, b = scale * (1 - prior), scale * prior
            return prior * entropy(a) + (1 - prior) * entropy(b) - 0.5 * self.l2 * scale**2 * float(w @ w)

        scale = max(0.5 ** np.arange(20), key=dual)
        self.theta[:] = logit(scale * alpha)
        self.w[: self.design.d] = scale * w

    def _row_weights(self):
        return np.ones(self.design.n) if self.design.weight is None else self.design.weight

    def alpha(self):
        return 1.0 / (1.0 + np.exp(-np.clip(self.theta, -700, 700)))

    def epoch(self):
        """One epoch; returns the mean gap that its rows had before their steps."""
        self.order.advance()
        gap = self.kernel.epoch(self.order) / self.total
        if self.kappa:
            y, s = self.design.y, self.design.weight
            balance = self.alpha() * y
            balance = float(balance.sum() if s is None else balance @ s)
            self.kernel.intercept += self.kappa * self.share * balance
        return gap

    def certify(self):
        """Weights, intercept, objective and gap, at dual variables that are exactly balanced.

        The dual variables of the heavier class are scaled down, and the weights computed anew from all of
        them: the ascent goes on from there, without what rounding has gathered in its weights.
        """
        design = self.design
        y, s = design.y, self._row_weights()
        alpha = self.alpha()
        if self.kappa:
            positive, negative = float((s * alpha)[y > 0].sum()), float((s * alpha)[y < 0].sum())
            if min(positive, negative) > 0:
                heavy = y == (1.0 if positive > negative else -1.0)
                alpha[heavy] *= min(positive, negative) / max(positive, negative)
                self.theta[heavy] = logit(alpha[heavy])
        g, _ = design.gradient_of(alpha * s * y)
        w = g * self.share
        self.w[: design.d] = w
        b = self.kernel.intercept
        z = design.predictions(w, b)
        if self.kappa:
            shift = best_shift(design, z)
            self.kernel.intercept = b = b + shift
            z += shift
        penalty = 0.5 * self.l2 * float(w @ w)
        loss = (
            kernels.total_loss(design.loss.number, design.loss.default, y, z, design.weight) / self.total
        )
        dual = float(s @ entropy(alpha)) / self.total - penalty
        return w, b, loss + penalty, max(0.0, loss + penalty - dual)


def logit(alpha):
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(alpha) - np.log1p(-alpha), -700.0)


def best_shift(design, z):
    """What added to all raw predictions makes the loss least, by Newton's method."""
    shift, objective = 0.0, design.objective
    r, h = np.empty(design.n), np.empty(design.n)
    number, parameter = design.loss.number, design.loss.default
    for _ in range(20):
        moved = z + shift
        kernels.slopes(number, parameter, design.y, moved, design.weight, r)
        kernels.curvatures(number, parameter, design.y, moved, design.weight, h)
        curvature = float(h.sum())
        if curvature <= 0:
            break
        step = float(np.clip(-float(r.sum()) / curvature, -2.0, 2.0))
        shift += step
        if abs(step) <= 1e-9 * (1.0 + abs(shift)) or abs(float(r.sum())) <= 1e-13 * objective.total:
            break
    return shift


def _ascend(ascent, goal, progress):
    progress.begin(ascent.first)
    watched = goal.on_iteration is not None or goal.max_time is not None
    scale, before, least, idle = ascent.first, None, np.inf, 0
    while True:
        met = ascent.epoch()
        rate = 1.0 if before is None else min(1.0, met / before)
        idle = 0 if met < 0.9 * least else idle + 1
        before, least = met, min(met, least)
        hopeless = idle >= PATIENCE
        # the gap falls during the epoch: what its last rows met is about rate times the mean
        near = met * rate <= 1.5 * goal.tol * scale
        if not (near or watched or hopeless or progress.n_iter + 1 >= progress.max_iter):
            progress.tick(met)
            continue
        *point, primal, gap = ascent.certify()
        scale = abs(primal)
        if progress.add(partial(tuple, point), primal, "gap", gap):
            return
        if hopeless:
            progress.stalled()
            progress.gave_way = not progress.converged
            return
