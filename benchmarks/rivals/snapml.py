"""Snap ML: stochastic coordinate ascent, in single precision whatever X is."""

from benchmarks.rivals import Solver

NOTE = (
    "sums the losses: regularizer = n x l2; the intercept is a constant column that is penalised, "
    "a hundredth as much with intercept_scaling=10; one class against the rest, so no softmax"
)
MOST = 100_000


def load(threads):
    global snap, THREADS
    import snapml as snap

    THREADS = threads


def solvers(problem, X):
    if problem.loss == "softmax" or (problem.l1 and problem.l2) or not problem.alpha:
        return
    for dual in (False,) if problem.l1 else (True, False):
        for scaling in (1, 10):

            def fit(X, y, tol, dual=dual, scaling=scaling):
                kind = snap.LogisticRegression if problem.loss == "log_loss" else snap.LinearRegression
                model = kind(
                    regularizer=problem.n * problem.alpha,
                    penalty="l1" if problem.l1 else "l2",
                    dual=dual,
                    tol=tol,
                    max_iter=MOST,
                    n_jobs=THREADS,
                    fit_intercept=True,
                    intercept_scaling=scaling,
                    random_state=0,
                )
                model.fit(X, y)
                return model.coef_.ravel(), model.intercept_

            name = f"snapml {'dual' if dual else 'primal'}"
            yield Solver(name if scaling == 1 else f"{name} x{scaling}", fit)
