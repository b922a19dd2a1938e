"""TrainingCurveDisplay: what each epoch saw, for one or several fits."""

import numpy as np

from ..training import RULES
from .landscape import last_step
from .style import colour, legend, named, panels, tidy

__all__ = ["TrainingCurveDisplay"]

# column of the history -> (label of its axis, whether a logarithmic axis suits it)
COLUMNS = {
    "loss": ("loss (mean per row, before each step)", True),
    "objective": ("objective (mean loss + penalty)", True),
    "validation_score": ("validation score (accuracy or R²)", False),
    "learning_rate": ("learning rate (eta of the epoch's last step)", True),
    "update_norm": ("update norm (|w after - w before| of the epoch)", True),
    "gradient_norm": ("gradient norm (of the epoch's mean gradient)", True),
    "certificate": ("certificate (relative suboptimality)", True),
}
DEFAULT = ("loss", "validation_score", "learning_rate", "update_norm")
DEFAULT_OF_SOLVERS = ("objective", "certificate")
SPAN = 10  # largest over smallest value from which an axis is logarithmic
FEW = 30  # epochs up to which each is marked
MOST_MODELS = 40  # drawn one by one behind their mean


class TrainingCurveDisplay:
    """Loss, validation score, learning rate and update norm by epoch, of one or several fits.

    Of an estimator that a solver fits to the optimum, objective and certificate by iteration. Make it by
    `from_estimator`, `from_estimators` or `from_history`.

    Parameters
    ----------
    histories : list of dict
        As of the attribute `history_`: arrays of shape (epochs,) or (epochs, n_models) by name.

    labels : list of str
        A name for each.

    Attributes
    ----------
    histories, labels : list
    figure_ : matplotlib Figure
    ax_ : matplotlib Axes, or ndarray of Axes, one per column
    lines_ : dict
        Column -> list of the lines of the fits, their mean for several models.

    Notes
    -----
    The column ``gradient_norm`` is not in the history, but follows from it for plain SGD, where an update
    is the sum of learning rate times gradient over the steps of the epoch::

        gradient_norm = update_norm / sum of the epoch's learning rates

    So it is the length of the gradient's mean along the epoch (of loss and penalty, with the intercept),
    weighted by the learning rates. The rates are those of the estimator's schedule, times what an
    'adaptive' one has cut; they need an estimator, and are right as long as the parameters are those of
    the fit. The updates of other optimizers, of 'auto' and of the passive-aggressive rules are no
    multiples of the gradient.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from fastgd import SGDClassifier, TrainingCurveDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SGDClassifier(loss="log_loss", random_state=0).fit(X / 16, y)
    >>> display = TrainingCurveDisplay.from_estimator(model)  # doctest: +SKIP
    """

    def __init__(self, histories, labels):
        self.histories = list(histories)
        self.labels = [str(label) for label in labels]
        self._estimators = [None] * len(self.histories)  # that they are of
        if not self.histories or len(self.histories) != len(self.labels):
            raise ValueError("There must be at least one history, and a label for each.")

    @classmethod
    def from_estimator(cls, estimator, *, label=None, ax=None, **plot):
        """Draw the history of a fitted estimator.

        Parameters
        ----------
        estimator : fitted estimator of fastgd, or Pipeline that ends in one

        label : str, default=None
            None for the name of its class.

        ax : matplotlib Axes, default=None
            Where to draw; split into panels if several columns are drawn. None for a new figure.

        **plot
            As for `plot`.

        Returns
        -------
        display : TrainingCurveDisplay
        """
        label = type(last_step(estimator)).__name__ if label is None else label
        return cls._of({label: estimator}).plot(ax=ax, **plot)

    @classmethod
    def from_estimators(cls, estimators, *, ax=None, **plot):
        """Draw the histories of several fitted estimators over each other.

        Parameters
        ----------
        estimators : dict of str -> fitted estimator

        ax, **plot
            As for `from_estimator`.

        Returns
        -------
        display : TrainingCurveDisplay
        """
        return cls._of(named(estimators, "estimators", "fitted estimator")).plot(ax=ax, **plot)

    @classmethod
    def _of(cls, estimators):
        display = cls([_history(estimator) for estimator in estimators.values()], list(estimators))
        display._estimators = [last_step(estimator) for estimator in estimators.values()]
        return display

    @classmethod
    def from_history(cls, history, *, label="fit", ax=None, **plot):
        """Draw a history, such as ``info.history`` in a callback.

        Parameters
        ----------
        history : dict of array-like

        label, ax, **plot
            As for `from_estimator`.

        Returns
        -------
        display : TrainingCurveDisplay
        """
        return cls([history], [label]).plot(ax=ax, **plot)

    def plot(self, ax=None, *, columns=None, x="epoch"):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or array of Axes, default=None
            One per column, or one to split. None for a new figure.

        columns : sequence of str, default=None
            Columns of the history, or 'gradient_norm', one panel each; None for the loss, the validation
            score if there is one, the learning rate and the update norm; of solvers the objective and the
            certificate.

        x : {'epoch', 'seconds'}, default='epoch'
            The horizontal axis.

        Returns
        -------
        self : TrainingCurveDisplay
        """
        if x not in ("epoch", "seconds"):
            raise ValueError(f"x={x!r} must be 'epoch' or 'seconds'.")
        known = set().union(*self.histories) - {"seconds"}
        if columns is None:
            default = DEFAULT if "loss" in known else DEFAULT_OF_SOLVERS
            columns = [name for name in default if name in known]
        columns = [columns] if isinstance(columns, str) else list(columns)
        if "gradient_norm" in columns and "gradient_norm" not in known:
            pairs = zip(self.histories, self._estimators, strict=True)
            self.histories = [{**own, "gradient_norm": _gradient_norm(own, e)} for own, e in pairs]
            known.add("gradient_norm")
        for name in columns:
            if name not in known:
                raise ValueError(f"{name!r} is no column of the history, which has {sorted(known)}.")
        across = 1 if len(columns) == 1 else 2
        down = -(-len(columns) // across)
        size = (5.2 * across, 3.1 * down + 0.4)
        if len(columns) % across and ax is None:
            across, down, size = len(columns), 1, (3.9 * len(columns), 3.4)
        name = type(self).__name__
        self.figure_, axes = panels(name, ax, down, across, size)
        self.lines_ = {}
        for panel, column in zip(axes, columns, strict=False):
            self._draw(panel, column, x)
        for panel in axes[len(columns) :]:
            panel.set_axis_off()
        if len(self.histories) > 1:
            legend(axes[0], beside=self.figure_ if ax is None else None)
        axes = axes[: len(columns)]
        self.ax_ = axes[0] if len(axes) == 1 else np.array(axes, dtype=object)
        return self

    def _draw(self, ax, column, x):
        label, scales = COLUMNS.get(column, (column, False))
        self.lines_[column] = lines = []
        values = []
        for i, (history, name) in enumerate(zip(self.histories, self.labels, strict=True)):
            if column not in history:
                continue
            table = np.asarray(history[column], dtype=float)
            table = table.reshape(len(table), -1)
            at = _horizontal(history, len(table), x)
            mean = _mean(table)
            values.append(mean)
            if 1 < table.shape[1] <= MOST_MODELS:
                ax.plot(at, table, color=colour(i), linewidth=0.7, alpha=0.3)
                values.append(table.ravel())
            marker = "o" if len(mean) <= FEW else None
            (line,) = ax.plot(at, mean, marker=marker, color=colour(i), ms=3.5, lw=1.8, label=name)
            lines.append(line)
            if column == "validation_score" and np.isfinite(mean).any():
                best = int(np.nanargmax(mean))
                ax.plot(at[best], mean[best], "*", ms=12, mec="white", mew=0.8, color=colour(i), zorder=4)
                ax.annotate(
                    f"{mean[best]:.4g}",
                    (at[best], mean[best]),
                    (0, -17),
                    textcoords="offset points",
                    ha="center",
                    fontsize="small",
                    color=colour(i),
                    bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 0.8},
                    zorder=5,
                )
        values = np.concatenate(values)
        values = values[np.isfinite(values)]
        if scales and len(values) and values.min() > 0 and values.max() > SPAN * values.min():
            ax.set_yscale("log")
        if x == "epoch" and max(len(h[column]) for h in self.histories if column in h) < 8:
            ax.xaxis.get_major_locator().set_params(integer=True)
        quantity, _, unit = label.partition(" (")
        step = "epoch" if any("loss" in history for history in self.histories) else "iteration"
        tidy(ax, "seconds" if x == "seconds" else step, unit.removesuffix(")"), quantity)


def _history(estimator):
    estimator = last_step(estimator)
    if not hasattr(estimator, "history_"):
        raise ValueError(
            f"This {type(estimator).__name__} has no history_: it is not fitted, or not one of fastgd's."
        )
    if not any(len(column) for column in estimator.history_.values()):
        raise ValueError(
            f"The history_ of this {type(estimator).__name__} is empty: scikit-learn's own solver fitted "
            "it, or it was interrupted before its first iteration."
        )
    return estimator.history_


def _gradient_norm(history, estimator):
    """The column, see the notes of the class, or a sentence about why there is none."""
    if estimator is None:
        raise ValueError(
            "gradient_norm follows from a history and the learning rates of its steps: draw it by "
            "from_estimator or from_estimators, which know the schedule."
        )
    name = type(estimator).__name__
    if "update_norm" not in history:
        raise ValueError(f"{name} has no gradient_norm: its solver records objective and certificate.")
    plan = estimator._plan(False)
    other = f"optimizer={estimator.optimizer!r}" if plan.optimizer is not None else None
    if plan.learning_rate in ("auto", *RULES):
        other = f"learning_rate={plan.learning_rate!r}"
    if other is not None:
        raise ValueError(
            f"There is no gradient_norm with {other}: its updates are no multiples of the gradient. Draw "
            "the update_norm."
        )
    table = np.asarray(history["update_norm"], dtype=float)
    epochs = len(table)
    if epochs > 1 and "partial_fit" in np.ravel(estimator.stop_reason_)[0]:
        raise ValueError(
            "There is no gradient_norm of several calls of partial_fit: how many steps each of them took "
            "is not recorded."
        )
    steps = int(estimator.t_ - 1) // epochs
    schedule = plan.schedule.over(plan.max_iter * steps)
    total, last = np.empty(epochs), np.empty(epochs)
    for epoch in range(epochs):
        rates = np.broadcast_to(schedule.rates(1.0 + epoch * steps, steps), steps)
        total[epoch], last[epoch] = rates.sum(), rates[-1]
    # what a plateau has cut is in the rate that was recorded
    shape = (epochs, *[1] * (table.ndim - 1))
    with np.errstate(all="ignore"):
        cut = np.asarray(history["learning_rate"]) / last.reshape(shape)
        return table / (total.reshape(shape) * cut)


def _mean(table):
    """Mean over the models that still train; of the last value where all have stopped."""
    counts = np.isfinite(table).sum(axis=1)
    with np.errstate(all="ignore"):
        return np.where(counts > 0, np.nansum(table, axis=1) / np.maximum(counts, 1), np.nan)


def _horizontal(history, epochs, x):
    if x == "epoch":
        return np.arange(1, epochs + 1)
    seconds = np.asarray(history["seconds"], dtype=float).reshape(epochs, -1)
    return np.nanmax(seconds, axis=1)
