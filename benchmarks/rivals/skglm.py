"""skglm: working sets, Anderson-accelerated coordinate descent, proximal Newton; for l1 penalties."""

import numpy as np
import scipy.sparse as sp

from benchmarks.rivals import Solver

NOTE = "the objective itself; columns are needed, so the copy counts; no l2 alone, no softmax"
MOST = 10_000


def load(threads):
    global skglm
    import skglm


def solvers(problem, X):
    if not problem.l1 or problem.loss == "softmax":
        return []

    def fit(X, y, tol):
        X = sp.csc_matrix(X) if sp.issparse(X) else np.asfortranarray(X)
        arguments = {"alpha": problem.alpha, "tol": tol, "max_iter": MOST, "fit_intercept": True}
        if problem.loss == "log_loss":
            model = skglm.SparseLogisticRegression(l1_ratio=problem.l1_ratio, **arguments)
        elif problem.l2:
            model = skglm.ElasticNet(l1_ratio=problem.l1_ratio, **arguments)
        else:
            model = skglm.Lasso(**arguments)
        model.fit(X, y)
        return model.coef_, model.intercept_

    return [Solver("skglm", fit)]
