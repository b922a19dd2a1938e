"""Callback: the protocol's hooks as three methods to override; on_epoch: a plain function as a callback.

The protocol has one hook for the end of the fit, of an epoch and of a segment. `Callback` tells them
apart and leaves alone what is no task of fastgd, such as those of a search above it.
"""

import warnings

import numpy as np
from sklearn.pipeline import Pipeline

from ..callback_support import CallbackSupportMixin
from ..compat import callers_level

__all__ = ["Callback", "on_epoch", "on_segment"]


class Callback:
    """A callback for fastgd's estimators; override what is of interest.

    Attributes
    ----------
    every_segments : int or None
        Also be told after every so many segments of an epoch (`segment_end`). Rows that the kernels
        train on in one call are a segment, 20 to 60 ms of work; a short epoch has only one.

    Examples
    --------
    >>> from fastgd import SGDRegressor
    >>> from fastgd.callbacks import Callback
    >>> class Patience(Callback):
    ...     def epoch_end(self, info):
    ...         return info.epoch == 3 and info.stop("Three epochs are enough.")
    >>> model = SGDRegressor(random_state=0).set_callbacks(Patience())
    >>> model.fit([[0.0], [1.0]], [0.0, 1.0]).stop_reason_
    'Three epochs are enough.'
    """

    every_segments: int | None = None

    # -- to override ------------------------------------------------------------------------------

    def fit_begin(self, estimator):
        """The fit begins; what an earlier one left is to be forgotten."""

    def epoch_end(self, info):
        """An epoch has ended; `info` is an :class:`Epoch`. Returning True stops the fit."""

    def segment_end(self, info):
        """A segment has ended, not the last of its epoch. Returning True stops the fit."""

    def fit_end(self, info):
        """The fit has ended and ``info.estimator`` is fitted; `info` is the last epoch's."""

    def state(self):
        """What a checkpoint shall hold of this callback's fit: an object that can be pickled."""

    def load(self, state):
        """Go on from what `state` gave."""

    # -- the protocol -----------------------------------------------------------------------------

    def setup(self, estimator, context):
        """Called before the fit."""
        if not (isinstance(estimator, CallbackSupportMixin) or hasattr(self, "max_propagation_depth")):
            self._warn_deaf(estimator)
        self.fit_begin(estimator)

    def _warn_deaf(self, estimator):
        """Say that a pipeline or a search does not hand this callback down."""
        name, own = type(estimator).__name__, type(self).__name__
        remedy = "Set it on the estimator of fastgd inside it"
        if isinstance(estimator, Pipeline):
            remedy = "Set it on the step that trains: pipeline[-1].set_callbacks(...)"
        warnings.warn(
            f"{own} is set on a {name}, which does not hand it down: it will hear of no epoch and do "
            f"nothing. {remedy}.",
            UserWarning,
            stacklevel=callers_level(),
        )

    def teardown(self, estimator, context):
        """Called after the fit, however it ended."""

    def on_fit_task_begin(self, estimator, context):
        """Called when the fit, an epoch or a segment begins."""

    def on_fit_task_end(self, estimator, context):
        """Called when the fit, an epoch or a segment has ended."""
        info = getattr(context, "epoch", None)
        if info is None:
            return False
        if context.task_name == "epoch":
            stop = self.epoch_end(info)
        elif context.task_name == "segment":
            wanted = self.every_segments and info.segment % self.every_segments == 0
            stop = wanted and self.segment_end(info)
        else:
            stop = self.fit_end(info)
        # Exactly True: a function that ends in an expression must not stop a fit by accident.
        return isinstance(stop, (bool, np.bool_)) and bool(stop)


class on_epoch(Callback):
    """Make a callback of a plain function.

    Parameters
    ----------
    function : callable
        Called as ``function(info)`` after each epoch, with an :class:`Epoch`: ``info.epoch``,
        ``info.estimator``, ``info.history``.  Returning True stops the fit.

    Examples
    --------
    >>> from fastgd import SGDClassifier
    >>> from fastgd.callbacks import on_epoch
    >>> stop_early = on_epoch(lambda info: info.history["loss"][-1] < 0.1)
    >>> classifier = SGDClassifier(loss="log_loss").set_callbacks(stop_early)
    """

    def __init__(self, function):
        self.function = function

    def epoch_end(self, info):
        """Call the function."""
        return self.function(info)


class on_segment(on_epoch):
    """Make a callback of a plain function that is also called within the epochs.

    Parameters
    ----------
    function : callable
        As for :class:`on_epoch`; ``info.segment`` of ``info.n_segments`` tells where in the epoch it is,
        and ``info.loss`` the mean loss of the epoch so far.

    every : int, default=1
        After how many segments it is called; always at an epoch's end.
    """

    def __init__(self, function, every=1):
        super().__init__(function)
        if not (isinstance(every, (int, np.integer)) and every >= 1):
            raise ValueError(f"every={every!r} segments: it must be an int from 1 on.")
        self.every_segments = int(every)

    def segment_end(self, info):
        """Call the function."""
        return self.function(info)
