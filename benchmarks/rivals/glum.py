"""glum: generalised linear models by iteratively reweighted least squares."""

from benchmarks.rivals import Solver

NOTE = "half the mean deviance is the mean loss: alpha = l1 + l2, l1_ratio; no softmax"
MOST = 100_000


def load(threads):
    global Regressor
    from glum import GeneralizedLinearRegressor as Regressor


def solvers(problem, X):
    if problem.loss == "softmax" or X.shape[1] > 2000:  # its Hessian is dense
        return
    for name in ("irls-cd",) if problem.l1 else ("irls-ls", "lbfgs"):

        def fit(X, y, tol, name=name):
            model = Regressor(
                family="normal" if problem.loss == "squared_error" else "binomial",
                alpha=problem.alpha,
                l1_ratio=problem.l1_ratio,
                solver=name,
                gradient_tol=tol,
                max_iter=MOST,
            )
            model.fit(X, y.astype(X.dtype))
            return model.coef_, model.intercept_

        yield Solver(f"glum {name}", fit)
