"""EarlyStopping: stop when a validation metric, or a column of the history, no longer improves."""

import numpy as np
from sklearn.metrics import check_scoring

from .base import Callback

__all__ = ["EarlyStopping"]


class EarlyStopping(Callback):
    """Stop when a score no longer improves, and end with the weights of its best epoch.

    The estimator's own `early_stopping` knows accuracy and R^2; this one any metric of scikit-learn.

    Parameters
    ----------
    X_val, y_val : array-like, default=None
        The validation set, in the form in which the estimator gets its training data (inside a pipeline:
        transformed). None: `monitor` is watched instead.

    scoring : str, callable or None, default=None
        The metric, larger is better, as in scikit-learn: a name such as ``"roc_auc"``, or
        ``scorer(estimator, X, y)``. None for the estimator's own `score`.

    sample_weight_val : array-like, default=None
        Weights of the validation rows.

    monitor : {'objective', 'loss', 'validation_score', 'update_norm'}, default='objective'
        Without a validation set, the column of the history that is watched: the mean of several models.
        All but the validation score shall fall.

    patience : int, default=5
        Epochs without an improvement before the fit is stopped.

    min_delta : float, default=0.0
        By how much a score must exceed the best one to count, in the units of the score.

    restore_best : bool, default=True
        Whether the fit ends with the weights of the best epoch.

    Attributes
    ----------
    scores_ : list of float
        The score of each epoch; of a monitored loss, its negative.

    best_score_ : float

    best_epoch_ : int
        From 1; 0 before there is one.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.preprocessing import scale
    >>> from fastgd import SGDClassifier
    >>> from fastgd.callbacks import EarlyStopping
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> X, X_val, y, y_val = train_test_split(scale(X), y, random_state=0)
    >>> watch = EarlyStopping(X_val, y_val, scoring="roc_auc", patience=3)
    >>> model = SGDClassifier(loss="log_loss", tol=None, random_state=0).set_callbacks(watch)
    >>> model.fit(X, y).n_iter_ == watch.best_epoch_ + 3
    True
    """

    def __init__(
        self,
        X_val=None,
        y_val=None,
        *,
        scoring=None,
        sample_weight_val=None,
        monitor="objective",
        patience=5,
        min_delta=0.0,
        restore_best=True,
    ):
        if (X_val is None) != (y_val is None):
            raise ValueError("EarlyStopping needs both X_val and y_val, or none of them.")
        if X_val is None and (scoring is not None or sample_weight_val is not None):
            raise ValueError("`scoring` and `sample_weight_val` need a validation set, X_val and y_val.")
        if not (isinstance(patience, (int, np.integer)) and patience >= 1):
            raise ValueError(f"patience={patience!r} epochs: it must be an int from 1 on.")
        if not 0 <= min_delta < np.inf:
            raise ValueError(f"min_delta={min_delta!r} must be a finite number, at least 0.")
        self.X_val, self.y_val = X_val, y_val
        self.scoring = scoring
        self.sample_weight_val = sample_weight_val
        self.monitor = monitor
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best = restore_best
        self.fit_begin(None)

    def fit_begin(self, estimator):
        """Forget the scores of an earlier fit."""
        self.scores_ = []
        self.best_score_, self.best_epoch_ = -np.inf, 0
        if estimator is not None and self.X_val is not None:  # a wrong name is refused at once
            check_scoring(estimator, self.scoring)

    def epoch_end(self, info):
        """Score the epoch."""
        score = self._score(info)
        self.scores_.append(score)
        if score > self.best_score_ + (self.min_delta if self.best_epoch_ else 0.0):
            self.best_score_, self.best_epoch_ = score, info.epoch
            if self.restore_best:
                info.keep()
        if info.epoch - self.best_epoch_ < self.patience:
            return False
        what = self.monitor if self.X_val is None else f"{self._name()} of the validation set"
        best = self.best_score_ if self.X_val is not None or self._rises() else -self.best_score_
        return info.stop(
            f"The {what} did not improve by {self.min_delta:g} for {self.patience} epochs; its best was "
            f"{best:.6g} in epoch {self.best_epoch_}."
        )

    def _name(self):
        name = self.scoring if isinstance(self.scoring, str) else getattr(self.scoring, "__name__", None)
        return "score" if name is None else f"score {name}"

    def _rises(self):
        return self.monitor == "validation_score"

    def _score(self, info):
        if self.X_val is None:
            latest = info.latest
            if self.monitor not in latest:
                raise ValueError(
                    f"monitor={self.monitor!r} is no column of the history, which has "
                    f"{', '.join(latest)}."
                )
            return float(np.nanmean(latest[self.monitor])) * (1 if self._rises() else -1)
        scorer = check_scoring(info.estimator, self.scoring)
        weight = {} if self.sample_weight_val is None else {"sample_weight": self.sample_weight_val}
        return float(scorer(info.fitted_estimator, self.X_val, self.y_val, **weight))

    def state(self):
        """For a checkpoint."""
        return list(self.scores_), self.best_score_, self.best_epoch_

    def load(self, state):
        """From a checkpoint."""
        self.scores_, self.best_score_, self.best_epoch_ = state
