"""Cyanure: variance-reduced and quasi-Newton methods, stopped on a duality gap."""

import scipy.sparse as sp

from benchmarks.conditions import has_avx2
from benchmarks.rivals import Solver

NOTE = "the objective itself; the duality gap that stops it is looked at every 10 passes, or every 2 (/2)"
MOST = 100_000
# Its OpenBLAS of 2021 takes newer processors for ones without AVX.
ENVIRONMENT = {"OPENBLAS_CORETYPE": "Haswell"} if has_avx2() else {}


def load(threads):
    global estimators, THREADS
    from cyanure import estimators

    THREADS = threads


def solvers(problem, X):
    if problem.loss == "softmax" and sp.issparse(X):
        return
    if problem.l1 and problem.l2:
        penalty, first, second = "elasticnet", problem.l1, problem.l2
    else:
        penalty, first, second = ("l1", problem.l1, 0) if problem.l1 else ("l2", problem.l2, 0)
        penalty = penalty if first else "none"
    for solver in ("auto", "catalyst-miso", "qning-svrg"):
        for interval in (10, 2):

            def fit(X, y, tol, solver=solver, interval=interval):
                arguments = {
                    "penalty": penalty,
                    "lambda_1": first,
                    "lambda_2": second,
                    "fit_intercept": True,
                    "solver": solver,
                    "tol": tol,
                    "max_iter": MOST,
                    "duality_gap_interval": interval,
                    "n_threads": THREADS,
                    "verbose": False,
                }
                if problem.loss == "squared_error":
                    model = estimators.Regression(**arguments)
                else:
                    loss = "logistic" if problem.loss == "log_loss" else "multiclass-logistic"
                    model = estimators.Classifier(loss=loss, **arguments)
                model.fit(X, y)
                coef = model.coef_
                return coef.T if coef.ndim == 2 and coef.shape[0] == X.shape[
                    1
                ] else coef, model.intercept_

            yield Solver(f"cyanure {solver}" if interval == 10 else f"cyanure {solver} /{interval}", fit)
