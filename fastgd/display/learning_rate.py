"""LearningRateFinderDisplay: the loss after a short fit, learning rate by learning rate.

All rates are trained in one pass over the data (`fit_together`), each from the same start and on the same
rows, so that the curve shows what a rate does and not when in a ramp it was tried.
"""

import warnings

import numpy as np
from sklearn.base import clone

from ..data import validated
from ..linear_model.sharing import fit_together
from ..linear_model.stochastic import SGDClassifier, SGDRegressor
from .landscape import Landscape, last_step, through
from .style import COLOURS, FAINT, INK, panels, tidy

__all__ = ["LearningRateFinderDisplay"]

BELOW_THE_EDGE = 3.0  # the suggestion stays so many times below the rate that diverges
ANY = np.geomspace(1e-6, 1e2, 65)
TAKES_ETA0 = ("constant", "invscaling", "adaptive")


class LearningRateFinderDisplay:
    """The loss after a short fit as a function of the learning rate, with a suggested value.

    Make it by `from_estimator`.

    Parameters
    ----------
    learning_rates : ndarray of shape (n_rates,)
        Rising.

    losses : ndarray of shape (n_rates,)
        The objective after the fit, infinite where it overflowed.

    start : float
        The objective of the weights that the fits began with, zeros.

    schedule : str, default='constant'
        The `learning_rate` of the fits, whose `eta0` is varied.

    epochs : int, default=1
        Of each fit.

    Attributes
    ----------
    learning_rates, losses, start
        As given.

    suggestion : float
        The rate of the smallest loss, but at most a third of the edge.

    edge : float
        The smallest tried rate beyond that of the smallest loss from which on a fit ends worse than it
        began; infinite if there is none.

    figure_ : matplotlib Figure
    ax_ : matplotlib Axes

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from fastgd import LearningRateFinderDisplay, SGDRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> finder = LearningRateFinderDisplay.from_estimator(
    ...     SGDRegressor(random_state=0), scale(X), y
    ... )  # doctest: +SKIP
    """

    def __init__(self, learning_rates, losses, start, *, schedule="constant", epochs=1):
        self.learning_rates = np.asarray(learning_rates, dtype=float)
        self.losses = np.asarray(losses, dtype=float)
        self.start = float(start)
        self.schedule = schedule
        self.epochs = epochs
        worse = ~(self.losses <= self.start)
        best = int(np.argmin(np.where(np.isfinite(self.losses), self.losses, np.inf)))
        beyond = np.flatnonzero(worse & (np.arange(len(worse)) > best))
        self.edge = float(self.learning_rates[beyond[0]]) if len(beyond) else np.inf
        self.suggestion = float(min(self.learning_rates[best], self.edge / BELOW_THE_EDGE))
        if worse.all():  # even the smallest: none of them can be suggested
            self.edge, self.suggestion = float(self.learning_rates[0]), np.nan

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, learning_rates=None, max_iter=1, sample_weight=None, ax=None
    ):
        """Try learning rates and draw the losses.

        Parameters
        ----------
        estimator : SGDClassifier, SGDRegressor, or fitted Pipeline that ends in one
            Its `eta0` is varied; if its `learning_rate` does not depend on that, it is 'constant'. Not
            changed.

        X, y : array-like
            The data.

        learning_rates : array-like, default=None
            Values of `eta0`, > 0; None for 65 from 1e-6 to 100.

        max_iter : int, default=1
            Epochs of each fit.

        sample_weight : array-like, default=None

        ax : matplotlib Axes, default=None

        Returns
        -------
        display : LearningRateFinderDisplay
        """
        X, _ = through(estimator, X)
        estimator = last_step(estimator)
        if not isinstance(estimator, (SGDClassifier, SGDRegressor)):
            raise TypeError(
                f"{type(estimator).__name__} has no learning rate to find; it must be an SGDClassifier "
                "or SGDRegressor of fastgd, or a pipeline that ends in one."
            )
        rates = np.unique(np.asarray(ANY if learning_rates is None else learning_rates, dtype=float))
        if not (len(rates) and np.isfinite(rates).all() and rates[0] > 0):
            raise ValueError("learning_rates must be finite numbers above 0, at least one.")
        schedule = estimator.learning_rate if estimator.learning_rate in TAKES_ETA0 else "constant"
        fixed = {"max_iter": max_iter, "tol": None, "warm_start": False, "early_stopping": False}
        fixed |= {"learning_rate": schedule, "verbose": 0}
        if not isinstance(estimator.random_state, (int, np.integer)):
            fixed["random_state"] = 0  # one order for all: what differs is the rate
        landscape = _Landscapes(estimator, X, y, sample_weight)
        models = [clone(estimator).set_params(**fixed, eta0=float(rate)) for rate in rates]
        for model in models:
            model.set_callbacks()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fits = fit_together(models, landscape.X, landscape.y, sample_weight=sample_weight)
        losses = [landscape.objective(fit) for fit, _ in fits]
        display = cls(rates, losses, landscape.start, schedule=schedule, epochs=max_iter)
        return display.plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None for a new figure.

        Returns
        -------
        self : LearningRateFinderDisplay
        """
        self.figure_, (ax,) = panels(type(self).__name__, ax, 1, 1, (6.4, 3.8))
        finite = np.isfinite(self.losses)
        best = self.losses[finite].min() if finite.any() else self.start
        room = max(self.start - best, 1e-3 * abs(self.start), 1e-12)
        top, bottom = self.start + 0.35 * room, best - 0.12 * room
        shown = np.where(finite, np.minimum(self.losses, top + room), top + room)
        ax.plot(self.learning_rates, shown, color=COLOURS[0], linewidth=2, zorder=3)
        ax.axhline(self.start, color=FAINT, linewidth=1, linestyle=(0, (4, 3)))
        ax.annotate(
            "before training",
            (0.01, self.start),
            (0, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color=FAINT,
            fontsize="small",
        )
        if np.isfinite(self.edge):
            ax.axvspan(self.edge, 2 * self.learning_rates[-1], color=COLOURS[1], alpha=0.13, linewidth=0)
            ax.axvline(self.edge, color=COLOURS[1], linewidth=1.4)
            ax.annotate(
                f"diverges\nfrom {self.edge:.2g}",
                (self.edge, 0.5),
                (5, 0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                color=COLOURS[1],
                fontsize="small",
                va="center",
            )
        if np.isfinite(self.suggestion):
            at = float(np.interp(np.log(self.suggestion), np.log(self.learning_rates), shown))
            ax.plot([self.suggestion] * 2, [bottom, at], color=COLOURS[2], linewidth=1.2, zorder=2)
            ax.plot(self.suggestion, at, "o", color=COLOURS[2], ms=9, mec="white", mew=1.2, zorder=4)
            ax.annotate(
                f"suggested: {self.suggestion:.2g}",
                (self.suggestion, at),
                (0, 40),
                textcoords="offset points",
                ha="center",
                color=COLOURS[2],
                fontweight="bold",
                bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
                zorder=5,
            )
        ax.set_xscale("log")
        ax.set_xlim(*self._interesting(best))
        ax.set_ylim(bottom, top)
        after = "one epoch" if self.epochs == 1 else f"{self.epochs} epochs"
        tidy(ax, f"learning rate (eta0, {self.schedule})", f"objective after {after}")
        ax.set_title("Learning rate", loc="left", fontsize="medium", fontweight="bold", color=INK)
        self.ax_ = ax
        return self

    def _interesting(self, best):
        """The range of rates from where the loss begins to fall to well beyond the edge."""
        rates = self.learning_rates
        falls = np.flatnonzero(self.losses < self.start - 0.01 * (self.start - best))
        low = rates[falls[0]] / 10 if len(falls) else rates[0]
        high = self.edge * 10 if np.isfinite(self.edge) else rates[-1]
        low, high = max(low, rates[0]), min(high, rates[-1])
        return (low, high) if low < high else (low / 2, high * 2)


class _Landscapes:
    """The mean of the objectives of all models of an estimator."""

    def __init__(self, estimator, X, y, sample_weight):
        numeric = isinstance(estimator, SGDRegressor)
        self.X, self.y = validated(clone(estimator), X, y, reset=True, y_numeric=numeric)
        first = Landscape(estimator, self.X, self.y, sample_weight)
        rest = range(1, first.models)
        self.each = [first, *(Landscape(estimator, self.X, self.y, sample_weight, i) for i in rest)]
        shape = (first.classes, self.X.shape[1])
        self.start = np.mean([each.objective(np.zeros(shape), np.zeros(shape[0])) for each in self.each])

    def objective(self, fit):
        """Of a fit; infinite if it failed."""
        if isinstance(fit, Exception):
            return np.inf
        coefs, intercepts = fit._get_model()
        if self.each[0].classes > 1:
            return self.each[0].objective(coefs, intercepts)
        return np.mean(list(map(Landscape.objective, self.each, coefs, intercepts)))
