"""scikit-learn's estimators with every solver they have for the problem."""

import numpy as np
import scipy.sparse as sp
from sklearn import linear_model

from benchmarks.rivals import Solver

NOTE = "the objective itself; liblinear also penalises the intercept, less so with intercept_scaling=30"
MOST = 1_000_000


def load(threads):
    """Already imported."""


def fitted(model, X, y):
    model.fit(X, y)
    return model.coef_, model.intercept_


def solvers(problem, X):
    if problem.loss == "squared_error":
        found = lasso(problem) if problem.l1 else ridge(problem, X)
    else:
        found = logistic(problem, X)
    return [Solver(f"sklearn {s.name}", s.fit, s.ladder) for s in found]


def logistic(problem, X):
    if problem.l1:
        names = ["saga"] + (["liblinear"] if not problem.l2 and problem.loss == "log_loss" else [])
    else:
        names = ["lbfgs", "newton-cg", "sag", "saga"]
        names += ["newton-cholesky"] if X.shape[1] <= 2000 else []
        names += ["liblinear"] if problem.loss == "log_loss" else []
    for name in names:
        for scaling in (1, 30) if name == "liblinear" else (1,):

            def fit(X, y, tol, name=name, scaling=scaling):
                model = linear_model.LogisticRegression(
                    C=problem.C,
                    l1_ratio=problem.l1_ratio,
                    solver=name,
                    tol=tol,
                    max_iter=MOST,
                    intercept_scaling=scaling,
                    random_state=0,
                )
                return fitted(model, X, y)

            yield Solver(name if scaling == 1 else f"{name} x{scaling}", fit)


def ridge(problem, X):
    if not problem.alpha:

        def least_squares(X, y, tol):
            return fitted(linear_model.LinearRegression(tol=tol or 1e-6), X, y)

        yield Solver("LinearRegression", least_squares, ladder=sp.issparse(X))
    direct = [] if sp.issparse(X) else ["cholesky", "svd"]
    for name in (*direct, "sparse_cg", "lsqr", "sag", "saga"):

        def fit(X, y, tol, name=name):
            model = linear_model.Ridge(
                alpha=problem.ridge, solver=name, tol=tol or 1e-4, max_iter=MOST, random_state=0
            )
            return fitted(model, X, y)

        yield Solver(name, fit, ladder=name not in direct)


def lasso(problem):
    for precompute in (True, False):

        def fit(X, y, tol, precompute=precompute):
            X = sp.csc_matrix(X) if sp.issparse(X) else np.asfortranarray(X)
            model = linear_model.ElasticNet(
                alpha=problem.alpha,
                l1_ratio=problem.l1_ratio,
                precompute=precompute,
                tol=tol,
                max_iter=MOST,
            )
            return fitted(model, X, y)

        yield Solver("cd, Gram matrix" if precompute else "cd", fit)
