"""TimeBudget and DivergenceGuard: the two limits that end a fit before its stopping rule does."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ..compat import callers_level
from .base import Callback

__all__ = ["DivergenceGuard", "TimeBudget"]


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
        if not max_time > 0:
            raise ValueError(f"max_time={max_time!r} seconds must be more than 0.")
        self.max_time = max_time

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
        many times the smallest one so far, or a hundredth of the first epoch's if that is larger.

    restore_best : bool, default=True
        Whether to end with the weights of the epoch of the smallest loss, also when the weights overflow.

    every_segments : int or None, default=None
        Also look at the running loss after every so many segments of an epoch.

    Examples
    --------
    >>> from fastgd import SGDRegressor
    >>> from fastgd.callbacks import DivergenceGuard
    >>> regressor = SGDRegressor(learning_rate="constant").set_callbacks(DivergenceGuard())
    """

    def __init__(self, factor=10.0, *, restore_best=True, every_segments=None):
        if not factor > 1:
            raise ValueError(f"factor={factor!r} must be more than 1.")
        self.factor = factor
        self.restore_best = restore_best
        self.every_segments = every_segments
        self.fit_begin(None)

    def fit_begin(self, estimator):
        """Forget an earlier fit."""
        self._first, self._least, self._rate = None, np.inf, np.nan

    def segment_end(self, info):
        """Look at the running loss."""
        return self._look(info, info.loss)

    def epoch_end(self, info):
        """Look at the epoch's loss."""
        loss = info.loss
        self._rate = float(np.nanmax(info.latest.get("learning_rate", np.nan)))
        if self._look(info, loss):
            return True
        if self._first is None:
            self._first = loss
        if loss < self._least:
            self._least = loss
            if self.restore_best:
                info.keep(if_diverged=True)
        return False

    def _look(self, info, loss):
        if self._first is None:
            blown = not np.isfinite(loss)
            limit = np.inf
        else:
            limit = self.factor * max(self._least, 0.01 * self._first)
            blown = not loss <= limit
        if not blown:
            return False
        rate = "" if np.isnan(self._rate) else f", at a learning rate of {self._rate:.3g}"
        sentence = (
            f"The fit diverged: the loss of epoch {info.epoch} is {loss:.3g}, the smallest was "
            f"{self._least:.3g}{rate}. Set a smaller learning rate (eta0), or scale the features."
        )
        warnings.warn(sentence, ConvergenceWarning, stacklevel=callers_level())
        return info.stop(sentence, diverged=True)

    def state(self):
        """For a checkpoint."""
        return self._first, self._least, self._rate

    def load(self, state):
        """From a checkpoint."""
        self._first, self._least, self._rate = state
