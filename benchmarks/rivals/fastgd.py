"""fastgd itself."""

from benchmarks.rivals import scikit_learn_arguments
from fastgd import SGDClassifier, SGDRegressor


def build(task):
    estimator = SGDRegressor if task.loss == "squared_error" else SGDClassifier
    return estimator(batch_size=task.batch_size, **scikit_learn_arguments(task))


def default(kind):
    return {"classification": SGDClassifier, "regression": SGDRegressor}[kind](random_state=0)
