"""The objective of given weights: the loss that a fit descends, on its data.

Raw predictions are linear in the weights, so that a plane of weights needs three products with X and no
more, however many points of it are asked for.
"""

import numpy as np
from sklearn.base import clone
from sklearn.pipeline import Pipeline

from ..data import raw_scores, validated
from ..linear_model.stochastic import SGDClassifier, SGDRegressor
from ..training import RULES, row_weights, total_loss

__all__ = ["Landscape", "last_step", "through"]

MOST_ROWS = 8192  # rows that an objective is computed on; more are sampled evenly


def last_step(estimator):
    """The estimator itself, or the last step of a pipeline."""
    return estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator


def through(estimator, X):
    """X as the last step of a fitted pipeline gets it, and the names of its columns if they have such."""
    names = getattr(X, "columns", None)
    if isinstance(estimator, Pipeline) and len(estimator) > 1:
        front = estimator[:-1]
        try:
            names = front.get_feature_names_out()
        except (AttributeError, ValueError):
            names = None
        X = front.transform(X)
    return X, None if names is None else [str(name) for name in names]


class Landscape:
    """The objective of one model of an estimator as a function of its weights.

    Parameters
    ----------
    estimator : SGDClassifier or SGDRegressor
        For its loss, penalty and class weights; neither fitted nor changed.
    X, y : array-like
        The data; of more than 8192 rows a sample.
    sample_weight : array-like, default=None
    model : int, default=0
        Which class of a one-vs-all classifier, or which target.
    """

    def __init__(self, estimator, X, y, sample_weight=None, model=0):
        if not isinstance(estimator, (SGDClassifier, SGDRegressor)):
            raise TypeError(
                f"{type(estimator).__name__} has no objective that can be drawn; it must be an "
                "SGDClassifier or SGDRegressor of fastgd, or a pipeline that ends in one."
            )
        estimator = clone(estimator).set_params(warm_start=False, early_stopping=False)
        numeric = isinstance(estimator, SGDRegressor)
        X, y = validated(estimator, X, y, reset=True, y_numeric=numeric)
        job = estimator._prepare(X, y, sample_weight)
        self.models = len(job.problems)
        if not (isinstance(model, (int, np.integer)) and 0 <= model < self.models):
            raise ValueError(
                f"model={model!r}: this {type(estimator).__name__} trains {self.models} on these data, "
                f"numbered from 0 to {self.models - 1}."
            )
        self.problem, self.plan = job.problems[model], job.plan
        self.classes = self.problem.classes
        n = X.shape[0]
        self.rows = np.unique(np.linspace(0, n - 1, min(n, MOST_ROWS)).astype(np.int32))
        self.X = X[self.rows]
        self.weight = row_weights(self.problem, self.rows).astype(np.float64)
        # as the steps see it: single rows multiply, batches take weights as repetitions
        self.count = len(self.rows) if self.plan.stochastic else self.weight.sum()

    def raw(self, coef, intercept):
        """Raw predictions of the sample, float64; of a softmax with a column per class."""
        raw = raw_scores(self.X, np.atleast_2d(coef), intercept).astype(np.float64)
        return raw if self.classes > 1 else raw.ravel()

    def loss(self, raw):
        """Mean loss of raw predictions."""
        with np.errstate(all="ignore"):
            return total_loss(self.problem, self.plan, self.rows, raw, self.weight) / self.count

    def penalty(self, coef):
        """The penalty of weights."""
        if self.plan.learning_rate in RULES:
            return 0.0
        with np.errstate(all="ignore"):
            return float(self.plan.l1 * np.abs(coef).sum() + 0.5 * self.plan.l2 * (coef**2).sum())

    def objective(self, coef, intercept):
        """Mean loss and penalty of weights; infinite where they are not finite."""
        coef = np.asarray(coef, dtype=np.float64)
        if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            return np.inf
        value = self.loss(self.raw(coef, intercept)) + self.penalty(coef)
        return value if np.isfinite(value) else np.inf
