"""Fits of middle size against their optima: whether certificates say how good a model is.

Design note. A case is a number: it seeds the generator that draws the rows (their kind by turns: one-hot
groups, factors, columns of very different size, ...), the targets, the weights, the estimator and its
parameters. The fit is judged by its coefficients alone: their objective, written in NumPy in float64,
is compared with the lowest that anybody finds. That is the estimator's own fit of float64 rows at a
tight tolerance, and then steps of Newton's method from there, each a weighted least squares problem
that scikit-learn solves; they go down from wherever fastgd is wrong. What is found can only be above the
optimum, so that a model is never blamed for more than it deserves; and the tight fit is judged like the
other. A bound must hold, an estimate may be ten times too low, or ten times above the tolerance where
that was reached. What a last bit of the coefficients changes is nobody's fault.

Run more of them than the suite does, or one again, with its figures::

    python tests/optima.py --cases 200 [--first 0] [--jobs 1]
    python tests/optima.py --case 1234
"""

import argparse
import sys
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import sklearn.linear_model
from fuzz import pick
from optimum import Reference
from scipy.special import softmax
from threadpoolctl import threadpool_limits

import fastgd

ROWS, COLUMNS = (500, 2000, 8000, 20_000), (30, 150, 300, 700)
VALUES = 6_000_000  # the most that X has
FACTOR = 10.0  # by which an estimate may be too low
SLOW = 8.0  # seconds of processor time that no fit of this size may take, the tight one excepted
MAX_TIME = 20.0  # seconds of wall clock that it may go on: a shared processor gives it SLOW of its own
LINEAR_TOL = 1e-6  # of LinearRegression, unless told otherwise
TIGHT = {"tol": 1e-9, "max_iter": 5000}
PASSES = 5  # of Newton's steps for all classes
LITTLE = 1e-8  # share of the objective below which a pass's gain ends them
NOTHING = 1e-12  # share of the objective at zero that is rounding where a model fits all targets
ESTIMATORS = (*["LogisticRegression"] * 4, "LinearRegression", "Ridge", "Lasso", "ElasticNet")


# ---- problems ------------------------------------------------------------------------------------


def one_hot(draws, n, d):
    groups = []
    while sum(groups) < d:
        groups.append(int(pick(draws, [3, 10, 50, 200])))
    shares = [np.arange(1, size + 1) ** -1.5 for size in groups]
    return np.hstack([np.eye(len(p))[draws.choice(len(p), n, p=p / p.sum())] for p in shares])


def factors(draws, n, d):
    k = pick(draws, [2, 5, 20])
    noise = 10 ** draws.uniform(-4, 0) * draws.normal(size=(n, d))
    return draws.normal(size=(n, k)) @ draws.normal(size=(k, d)) + noise


def counts(draws, n, d):
    shares = np.arange(1, d + 1) ** -1.1
    return draws.poisson(np.minimum(5, 20 * shares / shares.sum()), size=(n, d)).astype(float)


def copies(draws, n, d):
    X = draws.normal(size=(n, d))
    X[:, d // 2 :] = X[:, : d - d // 2]
    X[:, 0], X[:, 1] = 0, 7
    return X


KINDS = {
    "normal": lambda draws, n, d: draws.normal(size=(n, d)),
    "one-hot": one_hot,
    "heavy tails": lambda draws, n, d: (
        draws.standard_t(2.2, size=(n, d)) * np.exp(3 * draws.normal(size=d))
    ),
    "factors": factors,
    "counts": counts,
    "scales": lambda draws, n, d: draws.normal(size=(n, d)) * 10.0 ** draws.uniform(-9, 9, size=d),
    "copies": copies,
    "offsets": lambda draws, n, d: (
        draws.normal(size=(n, d)) + 10 ** draws.uniform(0, 4) * draws.normal(size=d)
    ),
    "pixels": lambda draws, n, d: (
        draws.integers(0, 255, size=(n, d)) * (draws.random((n, d)) < 0.3) * 1.0
    ),
}


class Squares:
    """Half the mean squared error with its penalty, as `optimum.Reference` has it for log-loss."""

    models = 1

    def __init__(self, X, y, l1, l2, fit_intercept, weight):
        self.X, self.y, self.l1, self.l2, self.fit_intercept = X, y, l1, l2, fit_intercept
        self.weight = np.ones(len(y)) if weight is None else weight
        self.total = self.weight.sum()

    def value(self, coef, intercept):
        errors = self.y - self.X @ np.ravel(coef) - intercept
        penalty = self.l1 * np.abs(coef).sum() + 0.5 * self.l2 * (np.asarray(coef) ** 2).sum()
        return 0.5 * (self.weight @ errors**2) / self.total + penalty


@dataclass
class Problem:
    """What is fitted, and its number.

    Attributes
    ----------
    number : int
    kind : str
        Of `KINDS`.
    estimator : str
    params : dict
    X, y, weight
        As the estimator gets them.
    """

    number: int
    kind: str
    estimator: str
    params: dict
    X: object
    y: np.ndarray
    weight: np.ndarray | None

    @property
    def words(self):
        params = ", ".join(f"{name}={value!r}" for name, value in self.params.items())
        layout = "CSR" if sp.issparse(self.X) else "dense"
        words = (
            f"{self.estimator}({params}) on {self.X.shape[0]} x {self.X.shape[1]} {self.X.dtype} {layout}"
        )
        if self.estimator == "LogisticRegression":
            words += f", {len(np.unique(self.y))} classes"
        return words + (", weighted" if self.weight is not None else "")

    @cached_property
    def objective(self):
        """What the estimator promises to minimise, in units of the mean loss."""
        rows = np.asarray(self.X.toarray() if sp.issparse(self.X) else self.X, dtype=np.float64)
        params = {name: value for name, value in self.params.items() if name in ("C", "l1_ratio")}
        intercept = self.params["fit_intercept"]
        if self.estimator == "LogisticRegression":
            return Reference(rows, self.y, fit_intercept=intercept, weight=self.weight, **params)
        alpha = self.params.get("alpha", 0.0)
        share = params.get("l1_ratio", float(self.estimator == "Lasso"))
        if self.estimator == "Ridge":  # whose penalty is beside the sum of squares
            alpha /= len(self.y) if self.weight is None else self.weight.sum()
        return Squares(rows, self.y, alpha * share, alpha * (1 - share), intercept, self.weight)

    def tightened(self):
        """The same on dense float64 rows at a tight tolerance."""
        known = getattr(fastgd, self.estimator)().get_params()
        tight = {name: value for name, value in TIGHT.items() if name in known}
        return replace(self, X=self.objective.X, params=self.params | tight)


def some_weights(draws, n):
    natures = [None, None, draws.integers(0, 4, size=n).astype(float), draws.exponential(size=n)]
    return pick(draws, natures)


def some_problem(number, rows=ROWS, columns=COLUMNS):
    draws = np.random.default_rng([21, number])
    kind = list(KINDS)[number % len(KINDS)]
    n, d = int(pick(draws, rows)), int(pick(draws, columns))
    while n * d > VALUES:
        n //= 2
    X = KINDS[kind](draws, n, d).astype(pick(draws, [np.float32, np.float64]))
    n, d = X.shape
    spread = X.std(axis=0, dtype=np.float64)
    Z = (X - X.mean(axis=0, dtype=np.float64)) / np.where(spread > 0, spread, 1)
    classes = pick(draws, [2, 2, 2, 3, 12])
    effects = draws.normal(size=(d, classes)) * (draws.random((d, 1)) < pick(draws, [0.1, 1]))
    scores = Z @ effects * (pick(draws, [0.5, 3, 30]) / d**0.5)
    weight = some_weights(draws, n)
    estimator = pick(draws, ESTIMATORS)
    params = {"fit_intercept": bool(draws.random() < 0.85), "max_time": MAX_TIME}
    if estimator != "LinearRegression":  # which has a tight one anyway
        params["tol"] = pick(draws, [1e-2, 1e-4, 1e-4, 1e-6])
    strength = float(10.0 ** draws.integers(-3, 5))
    if estimator == "LogisticRegression":
        params |= {"C": strength, "l1_ratio": pick(draws, [0.0, 0.0, 0.5, 1.0]), "max_iter": 1000}
        y = (scores + draws.gumbel(size=scores.shape)).argmax(axis=1)
        first = np.unique(y, return_index=True)[1]
        if len(first) == 1:
            y[0] += 1
        if weight is not None:  # no class without weight
            weight[np.unique(y, return_index=True)[1]] = 1.0
    else:
        y = 5 * scores[:, 0] + draws.normal(size=n) + pick(draws, [0, 100])
    if estimator == "Ridge":
        params["alpha"] = 1 / strength
    if estimator in ("Lasso", "ElasticNet"):  # some columns matter with these penalties, others do not
        slopes = np.abs(np.average((Z * spread) * (y - y.mean())[:, None], axis=0, weights=weight))
        useful = np.quantile(slopes[slopes > 0], pick(draws, [0.5, 1.0]))
        params["alpha"] = float(useful * 10.0 ** draws.integers(-3, 1))
    if estimator == "ElasticNet":
        params["l1_ratio"] = pick(draws, [0.1, 0.5, 0.9])
    if draws.random() < 0.4:
        X = sp.csr_matrix(X)
    return Problem(number, kind, estimator, params, X, y, weight)


# ---- the optimum ---------------------------------------------------------------------------------


def working(objective, coef, intercept, k):
    """Weights and targets of the least squares problem that is Newton's step for class k."""
    if isinstance(objective, Squares):
        return objective.weight, objective.y
    raw = objective.raw(coef, intercept)
    at = raw.shape[1] - objective.models + k
    p = softmax(raw, axis=1)[:, at]
    curvature = np.maximum(p * (1 - p), 1e-8)
    return objective.weight * curvature, raw[:, at] + (objective.onehot[:, at] - p) / curvature


def step(objective, coef, weight, y):
    """(coef, intercept) of a penalised least squares problem, by scikit-learn, from `coef` if need be."""
    o, models = objective, sklearn.linear_model
    settings = {"fit_intercept": o.fit_intercept}
    scale = 1.0
    if o.l1 > 0:
        alpha = (o.l1 + o.l2) * o.total / weight.sum()
        settings |= {
            "l1_ratio": o.l1 / (o.l1 + o.l2),
            "precompute": True,
            "tol": 1e-12,
            "warm_start": True,
        }
        model = models.ElasticNet(alpha, **settings)
        model.coef_ = coef.copy()
    elif o.l2 > 0:
        model = models.Ridge(o.l2 * o.total, solver="cholesky", **settings)
    else:  # columns in any units, but scikit-learn takes small ones for dependent
        scale = o.X.std(axis=0) + np.abs(o.X.mean(axis=0))
        scale[scale == 0] = 1.0
        model = models.LinearRegression(**settings)
    model.fit(o.X / scale if np.ndim(scale) else o.X, y, sample_weight=weight)
    return model.coef_ / scale, model.intercept_


def lowered(objective, coef, intercept):
    """The objective's value at the end of some steps of Newton's method, one class after the other."""
    coef, intercept = coef.reshape(objective.models, -1), np.broadcast_to(intercept, objective.models)
    value = objective.value(coef, intercept)
    for _ in range(PASSES):
        before = value
        for k in range(objective.models):
            to, shift = step(objective, coef[k], *working(objective, coef, intercept, k))
            for t in 0.5 ** np.arange(12):
                there, shifted = coef.copy(), intercept.copy()
                there[k] += t * (to - coef[k])
                shifted[k] += t * (shift - intercept[k])
                found = objective.value(there, shifted)
                if found < value:
                    coef, intercept, value = there, shifted, found
                    break
        if before - value <= LITTLE * value:
            break
    return value


# ---- judging -------------------------------------------------------------------------------------


@dataclass
class Fit:
    """A problem with the model that was fitted to it, or the error instead."""

    problem: Problem
    model: object = None
    error: Exception | None = None
    seconds: float = 0.0

    @cached_property
    def point(self):
        """Coefficients and intercept in float64, in which their sums are exact enough."""
        return [np.asarray(part, dtype=np.float64) for part in (self.model.coef_, self.model.intercept_)]

    @cached_property
    def finite(self):
        return self.model is not None and all(
            np.isfinite(part).all() for part in (*self.point, self.value)
        )

    @cached_property
    def value(self):
        return self.problem.objective.value(*self.point)

    def rounding(self):
        """How much of the objective is not the model's fault: the effect of its last bits."""
        draws, eps = np.random.default_rng(0), np.finfo(self.model.coef_.dtype).eps
        values = []
        for _ in range(3):
            moved = [part * (1 + eps * draws.uniform(-1, 1, part.shape)) for part in self.point]
            values.append(self.problem.objective.value(*moved))
        zero = self.problem.objective.value(*(0 * part for part in self.point))
        return FACTOR * max(abs(value - self.value) for value in values) + NOTHING * zero

    def complaints(self, optimum, limit=np.inf):
        """Sentences about what is wrong, given the lowest value that is known and a limit of seconds."""
        about = f"Case {self.problem.number} ({self.problem.kind}): {self.problem.words}"
        if self.error is not None:
            return [f"{about} raised {type(self.error).__name__}: {self.error}"]
        if not self.finite:
            return [f"{about} has coefficients or an objective that are not finite."]
        found, model = [], self.model
        how = f"{getattr(model, 'solver_', 'no name')}, {self.seconds:.2f} s: {model.stop_reason_}"
        if self.seconds > limit:
            found.append(f"{about} took {self.seconds:.1f} s, more than {limit:g} ({how})")
        claim = model.certificate_
        bound, tol = claim.kind == "gap", self.problem.params.get("tol", LINEAR_TOL)
        allowed = (claim.relative if bound else FACTOR * max(claim.relative, tol)) * self.value
        excess = self.value - optimum
        if not excess <= allowed and not excess <= allowed + self.rounding():  # nor a claim that is NaN
            found.append(
                f"{about} claimed to be {'at most' if bound else 'about'} {claim.relative:.1e} above the "
                f"optimum, and is {excess / self.value:.1e} above it, at {self.value:.10g} instead of "
                f"{optimum:.10g} ({how})"
            )
        return found


def fitted(problem):
    model = getattr(fastgd, problem.estimator)(**problem.params)
    start = time.process_time()
    try:
        model.fit(problem.X, problem.y, sample_weight=problem.weight)
    except Exception as error:
        return Fit(problem, error=error)
    return Fit(problem, model, seconds=time.process_time() - start)


def outcome_of(number, **sizes):
    """The fit of a case, the tight one, the optimum (None without any model), and the complaints."""
    with warnings.catch_warnings(), threadpool_limits(1):  # threads that wait take processor time, too
        warnings.simplefilter("ignore")
        problem = some_problem(number, **sizes)
        fit, tight = fitted(problem), fitted(problem.tightened())
        optimum = None
        if sound := [one for one in (fit, tight) if one.finite]:
            best = min(sound, key=lambda one: one.value)
            optimum = lowered(problem.objective, *best.point)
        return fit, tight, optimum, fit.complaints(optimum, SLOW) + tight.complaints(optimum)


# ---- the command line ----------------------------------------------------------------------------


def summary(number):
    """What the report needs of a case: its number, the seconds of the fit, the complaints."""
    fit, _, _, complaints = outcome_of(number)
    return number, fit.seconds, complaints


def show(number):
    fit, tight, optimum, complaints = outcome_of(number)
    print(f"Case {number} ({fit.problem.kind}): {fit.problem.words}, {fit.seconds:.2f} s")
    for name, one in (("the fit", fit), ("at a tight tolerance", tight)):
        if one.finite:
            print(f"{name}: {one.value:.12g}, {one.model.certificate_}, {one.model.stop_reason_}")
    print(f"the lowest known: {optimum}", *complaints, sep="\n")
    return complaints


def main(argv):
    parser = argparse.ArgumentParser(prog="python tests/optima.py", description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--case", type=int, help="one case, with its figures")
    args = parser.parse_args(argv)
    if args.case is not None:
        return 1 if show(args.case) else 0

    numbers, count, slowest = range(args.first, args.first + args.cases), 0, (0.0, None)
    with ProcessPoolExecutor(args.jobs) as pool:
        for number, seconds, complaints in (pool.map if args.jobs > 1 else map)(summary, numbers):
            count += len(complaints)
            slowest = max(slowest, (seconds, number), key=lambda fit: fit[0])
            for sentence in complaints:
                print(sentence, flush=True)
            if (number + 1 - args.first) % 20 == 0:
                print(f"{number + 1 - args.first} cases, {count} complaints", flush=True)
    print(f"{count} complaints; the slowest fit took {slowest[0]:.2f} s (case {slowest[1]})")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
