"""``learning_rate="auto"`` against the best of a grid of learning rates.

With F the objective on the data, F* its optimum and G the best of 20 values of eta0 for each of the
constant and invscaling schedules, and of optimal, in as many epochs: (F(auto) - G) / (F(0) - F*) is the
excess, and an excess of up to 2 % of the way is as good. The grid trains many models in one pass.
"""

import warnings

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from benchmarks.duel import SET
from benchmarks.report import Column
from fastgd import SGDClassifier, SGDRegressor
from fastgd.data import make_rows
from fastgd.kernels import kernels
from fastgd.losses import LOSSES
from fastgd.many import train_all
from fastgd.schedules import make_schedule
from fastgd.solvers import Goal, Objective, solve
from fastgd.training import Overflow, Plan
from fastgd.training import Problem as Model

ALPHA = 1e-4
EPOCHS = (1, 5, 20)
GRID = np.logspace(-3.5, 3, 20)  # of eta0, in units of 1 / mean |x|^2
ALLOWED = 0.02  # excess
KINDS = ("dense", "sparse", "binary columns", "regressions", "classes", "unscaled")


def objective(loss, X, y, coef, intercept):
    """F, in float64."""
    raw = X @ np.asarray(coef, np.float64).ravel() + float(np.ravel(intercept)[0])
    with np.errstate(over="ignore", invalid="ignore"):
        return LOSSES[loss].value(y, raw).mean() + ALPHA / 2 * float(
            np.sum(np.square(coef, dtype=np.float64))
        )


def problems(bench):
    """(name, X, labels in {-1, 1}, numbers or labels) of every set, float32."""
    names = dict.fromkeys(name for kind in KINDS for name in bench.data.names[kind])
    for name in [*names][:3] if bench.quick else names:
        data = bench.data.load(name, np.float32)
        y = data.y.astype(np.float64)
        few = len(np.unique(y))
        labels = np.where(y > (np.median(y) if few > 2 else y.min()), 1.0, -1.0)
        yield name, data.X, labels, y if few > 30 else labels


def grid(loss, X, y):
    """The least objective of the grid after each number of epochs."""
    n = X.shape[0]
    square = (X.multiply(X).sum() if sp.issparse(X) else np.vdot(X, X)) / n + 1
    plans = [("optimal", 1.0)] + [
        (name, eta / square) for name in ("constant", "invscaling") for eta in GRID
    ]
    rows, per_row = make_rows(X), (X.nnz / n if sp.issparse(X) else X.shape[1])
    states, best, done = {plan: (None, 0.0) for plan in plans}, [], 0
    for epochs in EPOCHS:
        alive = list(states)
        models = [
            Model(
                rows=rows,
                values_per_row=per_row,
                targets=y.astype(np.float32),
                coef=states[plan][0],
                intercept=states[plan][1],
                t=1.0 + n * done,
            )
            for plan in alive
        ]
        results = train_all(
            models,
            [plan_of(loss, *plan, epochs - done) for plan in alive],
            lambda _, seed=epochs: kernels.Order(n, seed),
        )
        done = epochs
        states = {
            plan: (result.coef, result.intercept)
            for plan, result in zip(alive, results, strict=True)
            if not isinstance(result, Overflow)
        }
        values = [objective(loss, X, y, *state) for state in states.values()]
        best.append(min((value for value in values if np.isfinite(value)), default=np.inf))
    return best


def plan_of(loss, schedule, eta0, epochs):
    return Plan(
        loss=LOSSES[loss],
        parameter=0.0,
        l1=0.0,
        l2=ALPHA,
        schedule=make_schedule(
            schedule, eta0=eta0, power_t=0.5, alpha=ALPHA, loss=LOSSES[loss], parameter=0.0
        ),
        learning_rate=schedule,
        eta0=eta0,
        max_iter=epochs,
        tol=None,
    )


def automatic(loss, X, y, epochs):
    kind = SGDRegressor if len(np.unique(y)) > 2 else SGDClassifier
    model = kind(loss=loss, learning_rate="auto", alpha=ALPHA, max_iter=epochs, tol=None, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    return objective(loss, X, y, model.coef_, model.intercept_)


def optimum(loss, X, y):
    """F* where a solver has the loss, else infinity."""
    if loss == "hinge":
        return np.inf
    solution = solve(Objective(X, y, loss, l2=ALPHA), goal=Goal(tol=1e-6, max_time=60))
    return objective(loss, X, y, solution.coef, solution.intercept)


def auto(bench):
    table = bench.report.table(
        "auto",
        "learning_rate='auto' against the best of 41 learning rates, alpha = 1e-4",
        [
            SET,
            Column("loss", "loss", width=14),
            *(Column(f"excess_{e}", f"excess, {e} epochs", "+.4f", width=18) for e in EPOCHS),
        ],
        [
            "excess: (F(auto) - G) / (F(0) - F*), G the grid's best in as many epochs; * above 0.02",
        ],
    )
    cells = failures = 0
    for name, X, labels, numbers in problems(bench):
        for loss in ("log_loss", "hinge", "squared_error"):
            y = numbers if loss == "squared_error" else labels
            found = [automatic(loss, X, y, epochs) for epochs in EPOCHS]
            best = grid(loss, X, y)
            zero = objective(loss, X, y, np.zeros(X.shape[1]), 0.0)
            way = zero - min(optimum(loss, X, y), *found, *best)
            excess = [(a - g) / way for a, g in zip(found, best, strict=True)]
            missed = sum(e > ALLOWED for e in excess)
            cells, failures = cells + len(EPOCHS), failures + missed
            table.add(
                mark="*" * missed,
                set=name,
                loss=loss,
                **{f"excess_{e}": value for e, value in zip(EPOCHS, excess, strict=True)},
            )
    print(f"  {cells - failures} of {cells} within {ALLOWED:g}")


TABLES = [auto]
