"""Who takes part: one adapter file each.

A ``Task`` says what is to be minimised and by which steps, in nobody's dialect. An adapter turns
it into its own estimator (``build(task)``: an object with ``fit(X, y)``, ``coef_`` and
``intercept_``), so that all sides have equal objectives and do equal work; ``default(kind)`` is the
estimator of a user who passes no argument. Where there is one, `search` is its grid search.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    loss: str = "log_loss"  # squared_error means a regression on the labels
    penalty: str | None = "l2"
    alpha: float = 1e-4
    step: float = 0.01  # constant, so that every epoch costs the same
    batch_size: int | str = 1
    shuffle: bool = True
    average: bool = False
    early_stopping: bool = False  # scored every epoch, but never stopped
    intercept: bool = True
    softmax: bool = False  # over all classes, in place of one model for each
    optimizer: str = "sgd"
    epochs: int = 1
    seed: int = 0


def scikit_learn_arguments(task):
    """The dialect that scikit-learn and fastgd share."""
    return {
        "loss": task.loss,
        "penalty": task.penalty,
        "alpha": task.alpha,
        "learning_rate": "constant",
        "eta0": task.step,
        "shuffle": task.shuffle,
        "average": task.average,
        "early_stopping": task.early_stopping,
        "fit_intercept": task.intercept,
        "max_iter": task.epochs,
        "tol": None,
        "random_state": task.seed,
    }


# -- solvers: models fitted to convergence -------------------------------------------------------

# An adapter of the `converge` suite is a file with
#   NOTE            one line: how its objective is made ours
#   ENVIRONMENT     optional: variables that its process needs
#   load(threads)   import the package, ImportError if it is not there
#   solvers(problem, X)   what it has for a ``Problem`` on such data, as ``Solver``s
SOLVERS = (
    "fastgd_solvers",
    "sklearn_solvers",
    "intelex",
    "snapml",
    "cyanure",
    "glum",
    "liblinear",
    "skglm",
    "celer",
)


@dataclass(frozen=True)
class Solver:
    name: str
    fit: object  # (X, y, tol) -> coef, intercept; whatever it needs of X and y is made in here
    ladder: bool = True  # False: direct, it knows no tolerance
