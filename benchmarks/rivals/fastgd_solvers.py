"""fastgd's estimators that converge by themselves."""

from inspect import signature

from benchmarks.objective import Problem
from benchmarks.rivals import Solver

NOTE = "the objective itself, intercept unpenalised"
MOST = 1_000_000
THREADS = 1


def load(threads):
    global linear_model, THREADS
    import fastgd as linear_model

    THREADS = threads
    for name in ("LogisticRegression", "Ridge", "LinearRegression", "Lasso", "ElasticNet"):
        if not hasattr(linear_model, name):
            raise ImportError(f"fastgd has no {name} yet")


def estimator(problem: Problem, tol):
    """The class for the problem, all but the tolerance at its defaults."""
    common = {"tol": tol, "max_iter": MOST}
    if problem.loss != "squared_error":
        kind, own = linear_model.LogisticRegression, {"C": problem.C, "l1_ratio": problem.l1_ratio}
    elif not problem.alpha:
        kind, own = linear_model.LinearRegression, {}
    elif not problem.l1:
        kind, own = linear_model.Ridge, {"alpha": problem.ridge}
    elif not problem.l2:
        kind, own = linear_model.Lasso, {"alpha": problem.alpha}
    else:
        kind, own = linear_model.ElasticNet, {"alpha": problem.alpha, "l1_ratio": problem.l1_ratio}
    known = signature(kind).parameters
    common |= {"n_jobs": THREADS} if "n_jobs" in known else {}
    return kind(**own, **{name: value for name, value in common.items() if name in known})


def solvers(problem, X):
    def fit(X, y, tol):
        model = estimator(problem, tol).fit(X, y)
        return model.coef_, model.intercept_

    return [Solver("fastgd", fit)]
