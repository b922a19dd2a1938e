"""The Extension for Scikit-learn (scikit-learn-intelex), over oneDAL."""

import scipy.sparse as sp

from benchmarks.rivals import Solver

NOTE = (
    "scikit-learn's objective and arguments; what oneDAL lacks falls back to scikit-learn and is left out"
)
MOST = 1_000_000


def load(threads):
    global accelerated, coordinate
    import daal4py
    import daal4py.sklearn.linear_model as coordinate
    import sklearnex.linear_model as accelerated

    daal4py.daalinit(threads)


def fitted(model, X, y):
    model.fit(X, y)
    return model.coef_, model.intercept_


def solvers(problem, X):
    if problem.loss != "squared_error":
        return [] if problem.l1 else list(logistic(problem))
    if sp.issparse(X):
        return []
    if problem.l1:
        return [Solver("intelex cd", lambda X, y, tol: elastic_net(problem, X, y, tol))]

    def fit(X, y, tol):
        alpha = problem.ridge
        return fitted(accelerated.Ridge(alpha) if alpha else accelerated.LinearRegression(), X, y)

    return [Solver("intelex", fit, ladder=False)]


def logistic(problem):
    for name in ("lbfgs", "newton-cg"):

        def fit(X, y, tol, name=name):
            model = accelerated.LogisticRegression(C=problem.C, solver=name, tol=tol, max_iter=MOST)
            return fitted(model, X, y)

        yield Solver(f"intelex {name}", fit)


def elastic_net(problem, X, y, tol):
    arguments = {"tol": tol, "max_iter": MOST}
    if problem.l2:
        arguments["l1_ratio"] = problem.l1_ratio
    kind = coordinate.ElasticNet if problem.l2 else coordinate.Lasso
    return fitted(kind(problem.alpha, **arguments), X, y)
