"""fastgd itself."""

from benchmarks.rivals import scikit_learn_arguments
from fastgd import SGDClassifier, SGDRegressor
from fastgd.linear_model.sharing import fit_together
from fastgd.model_selection import GridSearchCV as search  # noqa: F401


def build(task):
    arguments = {"batch_size": task.batch_size, "optimizer": task.optimizer}
    arguments |= scikit_learn_arguments(task)
    if task.loss == "squared_error":
        return SGDRegressor(**arguments)
    return SGDClassifier(multi_class="multinomial" if task.softmax else "ovr", **arguments)


def default(kind):
    return {"classification": SGDClassifier, "regression": SGDRegressor}[kind](random_state=0)


def train_together(tasks, X, y):
    """The models of several tasks, trained in passes that they share.

    Raises
    ------
    RuntimeError
        If some did not share.
    """
    outcomes = fit_together([build(task) for task in tasks], X, y)
    for model, why_not in outcomes:
        if why_not or isinstance(model, Exception):
            raise RuntimeError(why_not or str(model))
    return [model for model, _ in outcomes]
