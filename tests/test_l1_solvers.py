"""Log-loss with an l1 penalty: every solver reaches the optimum, and its certificate tells the truth."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from fastgd.solvers import Goal, Objective, choose, solve
from fastgd.solvers.choose import NARROW

NAMES = ("newton_l1", "columns", "coordinate", "auto")
KINDS = ("tall", "wide", "correlated", "one-hot", "separable", "units")


def problem(kind, sparse=False, l1_ratio=1.0, weighted=False, intercept=True, dtype=np.float64, seed=0):
    """An objective of the kind: what makes it hard is in its name."""
    rng = np.random.default_rng(seed)
    n, d = {"wide": (60, 300), "separable": (200, 6)}.get(kind, (400, 30))
    X = rng.standard_normal((n, d))
    if kind == "correlated":
        X = rng.standard_normal((n, 3)) @ rng.standard_normal((3, d)) + 0.05 * X
    if kind == "one-hot":  # three groups of columns that sum to one, and a constant, a zero and a double
        X = np.hstack([np.eye(9)[rng.integers(0, 9, n)] for _ in range(3)])
        X = np.hstack([X, np.full((n, 1), 3.0), np.zeros((n, 1)), X[:, :1]])
    noise = 0.01 if kind == "separable" else 1.0
    raw = X[:, 0] - X[:, 1] + 0.5 * X[:, 2] + noise * rng.logistic(size=n)
    if kind == "units":
        X = X * 10.0 ** rng.integers(-6, 7, X.shape[1])
    if sparse:
        X = sp.csr_matrix(X * (rng.random(X.shape) < 0.5))
    strength = 1e-3 if kind == "separable" else 5e-3
    return Objective(
        X.astype(dtype),
        np.where(raw > 0, 1.0, -1.0),
        "log_loss",
        weight=rng.integers(0, 4, n).astype(np.float64) if weighted else None,
        l1=strength * l1_ratio,
        l2=strength * (1 - l1_ratio),
        fit_intercept=intercept,
    )


def value(objective, solution):
    """F, written down a second time."""
    z = objective.X.astype(np.float64) @ solution.coef + solution.intercept
    s = np.ones(len(z)) if objective.weight is None else objective.weight
    penalty = objective.l1 * np.abs(solution.coef).sum() + 0.5 * objective.l2 * np.sum(solution.coef**2)
    return s @ np.logaddexp(0, -objective.y * z) / s.sum() + penalty


def bounds(objective):
    """What the minimum is at least and at most, by a solver whose gap is tested elsewhere."""
    whole = replace(objective, X=objective.X.astype(np.float64))
    solution = solve(whole, "coordinate", Goal(tol=1e-12))
    found = value(whole, solution)
    return found - solution.certificate.value, found


@pytest.mark.parametrize("weighted, intercept", [(False, True), (True, True), (True, False)])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5])
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_optimum_and_certificates(name, kind, sparse, l1_ratio, weighted, intercept):
    if name == "newton_l1" and kind == "wide":
        pytest.skip("made for more rows than columns")
    objective = problem(kind, sparse, l1_ratio, weighted, intercept)
    least, most = bounds(objective)
    for tol in (1e-1, 1e-2, 1e-4, 1e-6, 1e-9):
        solution = solve(objective, name, Goal(tol=tol))
        at_rounding = "lowered any further" in solution.stop_reason  # where a gap shows no more
        assert solution.converged or at_rounding, solution.stop_reason
        found = value(objective, solution)
        assert solution.objective == pytest.approx(found, rel=1e-11)
        certificate = solution.certificate
        assert certificate.relative <= tol or at_rounding
        if certificate.kind == "gap":
            assert found - most <= certificate.value + 1e-13 * found
        assert found - most <= 10 * certificate.value + 1e-13 * found
        assert found >= least - 1e-13
        assert intercept or solution.intercept == 0
    assert found - most <= 1e-8 * most


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("name", NAMES)
def test_certificates_where_little_is_known(name, seed):
    """Few rows and next to no penalty: gains fall unevenly, which estimates have to survive."""
    rng = np.random.default_rng(seed)
    n, d = 40 * (1 + seed % 4), (5, 4, 15, 19)[seed // 2]
    X = rng.standard_normal((n, d)) * 10.0 ** rng.integers(-3, 4, d)
    y = np.where(X[:, 0] / np.abs(X[:, 0]).max() + 0.3 * rng.standard_normal(n) > 0, 1.0, -1.0)
    l1 = 10.0 ** rng.uniform(-6, -2)
    X = sp.csr_matrix(X) if seed % 2 else X
    objective = Objective(X, y, "log_loss", l1=l1, l2=l1 * (seed % 3 == 0))
    if name == "newton_l1" and n < 8 * d:
        pytest.skip("made for more rows than columns")
    _, most = bounds(objective)
    for tol in (1e-1, 1e-3, 1e-6):
        solution = solve(objective, name, Goal(tol=tol))
        allowed = 1 if solution.certificate.kind == "gap" else 10
        above = value(objective, solution) - most
        assert above <= allowed * solution.certificate.value + 1e-12 * most, (tol, solution.n_iter)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("name", NAMES)
def test_float32(name, sparse):
    objective = problem("tall", sparse, dtype=np.float32)
    _, most = bounds(objective)
    for tol in (1e-3, 1e-6, 1e-9):
        found = value(objective, solve(objective, name, Goal(tol=tol)))
        assert found <= most * (1 + 10 * tol)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "csr"])
@pytest.mark.parametrize("name", NAMES)
def test_zeros_are_exact_and_conditions_hold(name, sparse):
    objective = problem("tall", sparse)
    solution = solve(objective, name, Goal(tol=1e-11))
    z = objective.X @ solution.coef + solution.intercept
    slopes = -objective.y / (1 + np.exp(objective.y * z)) / len(z)
    gradient = objective.X.T @ slopes
    zero = solution.coef == 0
    assert 0 < zero.sum() < len(zero)
    assert np.abs(gradient[zero]).max() <= objective.l1 * (1 + 1e-4)
    np.testing.assert_allclose(gradient[~zero], -objective.l1 * np.sign(solution.coef[~zero]), rtol=1e-4)
    assert abs(slopes.sum()) < 1e-7


@pytest.mark.parametrize("name", NAMES)
def test_a_start_is_used(name):
    objective = problem("tall")
    first = solve(objective, name, Goal(tol=1e-9))
    again = solve(objective, name, Goal(tol=1e-6), start=(first.coef, first.intercept))
    assert again.n_iter <= max(2, first.n_iter // 3)
    far = solve(objective, name, Goal(tol=1e-9), start=(np.full(30, 5.0), -3.0))
    assert far.objective == pytest.approx(first.objective, rel=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_column_gets_no_weight(name):
    objective = problem("one-hot")
    for start in (None, (np.ones(30), 0.0)):
        solution = solve(objective, name, Goal(tol=1e-9), start=start)
        assert solution.coef[27] == 0 and solution.coef[28] == 0
        assert solution.converged


@pytest.mark.parametrize("name", NAMES)
def test_limits(name):
    objective = problem("correlated")
    short = solve(objective, name, Goal(tol=1e-12, max_iter=2))
    assert not short.converged and "max_iter=2" in short.stop_reason
    assert np.isfinite(short.coef).all()
    seen = []

    def look(history, coef, intercept):
        seen.append((len(history["objective"]), coef, intercept))
        return len(seen) == 2

    stopped = solve(objective, name, Goal(tol=1e-12, on_iteration=look))
    assert "callback" in stopped.stop_reason and seen[-1][0] == stopped.n_iter
    np.testing.assert_array_equal(seen[-1][1], stopped.coef)

    def fail(history, coef, intercept):
        raise KeyboardInterrupt

    broken = solve(objective, name, Goal(on_iteration=fail))
    assert isinstance(broken.failure, KeyboardInterrupt) and np.isfinite(broken.coef).all()


def test_choice():
    tall, wide = problem("tall"), problem("wide")
    assert choose(tall, Goal()) == "newton_l1"
    assert choose(wide, Goal()) == "coordinate"
    assert choose(problem("wide", sparse=True), Goal()) == "columns"
    assert wide.X.shape[1] > NARROW
    assert choose(replace(tall, positive=True), Goal()) == "coordinate"


def test_a_solver_that_crawls_gives_way_to_another():
    rng = np.random.default_rng(0)
    n, d = 60, 90  # columns so alike that weights must grow far along what hardly varies
    X = rng.standard_normal((n, 3)) @ rng.standard_normal((3, d)) + 1e-3 * rng.standard_normal((n, d))
    y = np.where(rng.random(n) < 0.5, 1.0, -1.0)
    objective = Objective(X, y, "log_loss", l1=1e-3 / n)
    assert choose(objective, Goal()) == "coordinate"
    solution = solve(objective, goal=Goal(tol=1e-4))
    assert solution.solver == "proximal" and solution.converged
    named = solve(objective, "coordinate", Goal(tol=1e-4, max_iter=40))
    assert named.n_iter == 40 and not named.gave_way  # who is asked by name goes on
    assert named.objective > 1.5 * solution.objective
    late = solve(objective, goal=Goal(tol=1e-4, max_time=1e-3))
    assert "max_time" in late.stop_reason
