"""scikit-learn's stochastic gradient descent."""

from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.model_selection import GridSearchCV as search  # noqa: F401

from benchmarks.rivals import scikit_learn_arguments


def build(task):
    assert task.batch_size == 1, "scikit-learn has no mini-batches"
    estimator = SGDRegressor if task.loss == "squared_error" else SGDClassifier
    return estimator(**scikit_learn_arguments(task))


def default(kind):
    return {"classification": SGDClassifier, "regression": SGDRegressor}[kind](random_state=0)
