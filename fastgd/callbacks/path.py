"""PathRecorder: the weights on the way of the descent, for pictures of it."""

import numpy as np

from .base import Callback

__all__ = ["PathRecorder"]


class PathRecorder(Callback):
    """Record the weights as training goes on; `DescentPathDisplay` draws them.

    Parameters
    ----------
    every : int, default=1
        Epochs between two records.

    every_segments : int or None, default=None
        Record also within epochs, after every so many segments.

    Attributes
    ----------
    coefs_ : list of ndarray
        Copies of `coef_`, of shape (n_features,) or (n_models, n_features).

    intercepts_ : list of ndarray of shape (n_models,)

    epochs_ : list of float
        When: 2.5 is the middle of the third epoch.

    losses_ : list of float
        The mean loss of the epoch so far, of several models their mean.
    """

    def __init__(self, every=1, *, every_segments=None):
        if not (isinstance(every, (int, np.integer)) and every >= 1):
            raise ValueError(f"every={every!r} epochs: it must be an int from 1 on.")
        self.every = every
        self.every_segments = every_segments
        self.fit_begin(None)

    def fit_begin(self, estimator):
        """Forget an earlier path."""
        self.coefs_, self.intercepts_, self.epochs_, self.losses_ = [], [], [], []

    def epoch_end(self, info):
        """Record the end of an epoch."""
        if info.epoch % self.every == 0:
            self._record(info)

    def segment_end(self, info):
        """Record a moment within an epoch."""
        self._record(info)

    def _record(self, info):
        attributes = info.attributes
        self.coefs_.append(np.array(attributes["coef_"]))
        shift = attributes.get("intercept_", attributes.get("offset_"))
        self.intercepts_.append(np.array(np.atleast_1d(shift)))
        self.epochs_.append(info.epoch - 1 + info.segment / info.n_segments)
        self.losses_.append(info.loss)

    def state(self):
        """For a checkpoint."""
        return [list(x) for x in (self.coefs_, self.intercepts_, self.epochs_, self.losses_)]

    def load(self, state):
        """From a checkpoint."""
        self.coefs_, self.intercepts_, self.epochs_, self.losses_ = map(list, state)
