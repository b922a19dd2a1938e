"""TimeBudget and DivergenceGuard: the two limits that end a fit before its stopping rule does."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..compat import callers_level
from .base import Callback

__all__ = ["DivergenceGuard", "TimeBudget"]


HOPELESS = 1e10  # times the loss of zero weights


class TimeBudget(Callback):
    """Stop when a fit has taken its time, within an epoch if that is long.

    Parameters
    ----------
    max_time : float
        Seconds from the beginning of the training. The fit ends at the first segment's end after that
        (20 to 60 ms of work), with the weights reached by then.

    Examples
    --------
    >>> from fastgd import SGDClassifier
    >>> from fastgd.callbacks import TimeBudget
    >>> classifier = SGDClassifier().set_callbacks(TimeBudget(max_time=60))
    """

    every_segments = 1

    def __init__(self, max_time):
        what = "it must be a number of seconds, more than 0"
        self.max_time = number("max_time", max_time, what, lambda seconds: seconds > 0)

    def epoch_end(self, info):
        """Look at the clock."""
        if info.seconds < self.max_time:
            return False
        # not final: who resumes from a checkpoint does so to give it more time
        return info.stop(
            f"max_time={self.max_time:g} seconds were over in epoch {info.epoch}.", final=False
        )

    segment_end = epoch_end


class DivergenceGuard(Callback):
    """Stop when the loss blows up, say so, and end with the best weights there were.

    Without it, a loss that grows beyond all bounds ends in an error about overflow, or, if it grows
    slowly, in a useless model and a warning.

    Parameters
    ----------
    factor : float, default=10.0
        The fit has diverged when the mean loss of an epoch (of several models, their mean) exceeds so
        many times the smallest one so far, or a hundredth of the first epoch's if that is larger; or
        when it exceeds so many times the loss of zero weights, see the notes.

    restore_best : bool, default=True
        Whether to end with the weights of the epoch of the smallest loss, also when the weights overflow
        after the first epoch. Where that loss is beyond `factor` times the one of zero weights, the
        weights that training began with are better, and it ends with those.

    every_segments : int or None, default=None
        Also look at the running loss after every so many segments of an epoch.

    Notes
    -----
    A loss that blows up in the first epoch already has no smaller one before it: it is compared with the
    loss of zero weights, which is known from y alone. The first epochs get some time, since their losses
    are means over all their rows: a few wild steps in the beginning spoil the mean of an epoch that ends
    well, and where the learning rate decays, the loss comes down from there. So the fit has diverged if,
    in the fifth epoch or later, the loss is that large and not below the first epoch's, or more than 1e10
    times that of zero weights, from where no decay brings it back; within the first epoch, if
    `every_segments` is set, when the running loss is also `factor` times that of the epoch's first
    segments. Losses that are zero for zero weights (the perceptron's) have no such bound.

    Examples
    --------
    >>> from fastgd import SGDRegressor
    >>> from fastgd.callbacks import DivergenceGuard
    >>> regressor = SGDRegressor(learning_rate="constant").set_callbacks(DivergenceGuard())
    """

    #: Epochs that a loss beyond that of zero weights has to come down again.
    grace = 4

    def __init__(self, factor=10.0, *, restore_best=True, every_segments=None):
        self.factor = number("factor", factor, "it must be a number above 1", lambda x: x > 1)
        self.restore_best = restore_best
        self.every_segments = every_segments
        self.fit_begin(None)

    def fit_begin(self, estimator):
        """Forget an earlier fit."""
        self._first, self._least, self._rate = None, np.inf, np.nan
        self._zero = self._opening = None  # losses: of zero weights, of the first segments

    def segment_end(self, info):
        """Look at the running loss."""
        if self._opening is None:
            self._opening = info.loss
        return self._look(info, info.loss)

    def epoch_end(self, info):
        """Look at the epoch's loss."""
        latest = info.latest
        if "loss" not in latest:  # a solver's iterations: they only go down
            return False
        loss = info.loss
        self._rate = float(np.nanmax(latest.get("learning_rate", np.nan)))
        if self._look(info, loss):
            return True
        if self._first is None:
            self._first = loss
        if loss < self._least:
            self._least = loss
            if self.restore_best:
                info.keep(if_diverged=True, start=loss > self._bound(info))
        return False

    def _bound(self, info):
        """The loss from which on weights are worse than none."""
        if self._zero is None:
            self._zero = info.zero_loss
        return self.factor * self._zero if self._zero > 0 else np.inf

    def _look(self, info, loss):
        smallest = f"the smallest was {self._least:.3g}"
        if not np.isfinite(loss):
            blown = True
        elif self._first is None:
            blown = info.segment < info.n_segments and loss > max(
                self._bound(info), self.factor * self._opening
            )
        else:
            blown = loss > self.factor * max(self._least, 0.01 * self._first)
            if not blown and info.epoch > self.grace and loss > self._bound(info):
                blown = loss >= self._first or loss > HOPELESS * self._zero
                smallest = f"that of the first was {self._first:.3g}"
        if not blown:
            return False
        if self._zero is not None and loss > self._bound(info):
            smallest += f" and that of zero weights is {self._zero:.3g}"
        rate = "" if np.isnan(self._rate) else f", at a learning rate of {self._rate:.3g}"
        sentence = (
            f"The fit diverged: the loss of epoch {info.epoch} is {loss:.3g}, {smallest}{rate}. Set a "
            "smaller learning rate (eta0), or scale the features."
        )
        warnings.warn(sentence, ConvergenceWarning, stacklevel=callers_level())
        return info.stop(sentence, diverged=True)

    def state(self):
        """For a checkpoint."""
        return self._first, self._least, self._rate

    def load(self, state):
        """From a checkpoint."""
        self._first, self._least, self._rate = state


def number(name, value, what, suits):
    """A callback's parameter that is a number, or a sentence about what it must be."""
    real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if not (real and suits(value)):
        raise ValueError(f"{name}={value!r}: {what}.")
    return value
