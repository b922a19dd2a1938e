"""celer: working sets and dual extrapolation; for the lasso and the elastic net."""

import numpy as np
import scipy.sparse as sp

from benchmarks.rivals import Solver

NOTE = (
    "the objective itself; columns are needed, so the copy counts; no logistic regression with intercept"
)
MOST = 10_000


def load(threads):
    global celer
    import celer


def solvers(problem, X):
    if not problem.l1 or problem.loss != "squared_error":
        return []

    def fit(X, y, tol):
        X = sp.csc_matrix(X) if sp.issparse(X) else np.asfortranarray(X)
        arguments = {"alpha": problem.alpha, "tol": tol, "max_iter": MOST, "fit_intercept": True}
        model = (
            celer.ElasticNet(l1_ratio=problem.l1_ratio, **arguments)
            if problem.l2
            else celer.Lasso(**arguments)
        )
        model.fit(X, y)
        return model.coef_, model.intercept_

    return [Solver("celer", fit)]
