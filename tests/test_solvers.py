"""Every solver reaches the optimum of its objective, and its certificate tells the truth."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from threadpoolctl import threadpool_info

from fastgd.solvers import Goal, Objective, choose, softmax, solve
from fastgd.solvers.blas import one_thread

BINARY = ("newton", "conjugate", "dual")
N, D = 240, 9


def problem(
    kind="dense", dtype=np.float64, classes=2, d=D, weighted=False, intercept=True, l2=1e-2, seed=0
):
    """An objective on noisy data, and the same data in float64."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((N, d)) * (rng.random((N, d)) < 0.7)
    raw = X @ rng.standard_normal((d, classes)) + 1.5 * rng.standard_normal((N, classes)) + 0.4
    codes = raw.argmax(axis=1).astype(np.int32)
    y = codes if classes > 2 else np.where(codes == 1, 1.0, -1.0)
    X = X.astype(dtype)
    weight = rng.integers(0, 4, N).astype(np.float64) if weighted else None
    objective = Objective(
        sp.csr_matrix(X) if kind == "csr" else X,
        y,
        "log_loss" if classes == 2 else "multinomial",
        weight=weight,
        l2=l2,
        fit_intercept=intercept,
        classes=1 if classes == 2 else classes,
    )
    return objective


def dense(objective):
    X = objective.X
    return (X.toarray() if sp.issparse(X) else X).astype(np.float64)


def value(objective, coef, intercept):
    """F, written down a second time."""
    z = dense(objective) @ np.atleast_2d(coef).T + intercept
    s = np.ones(len(z)) if objective.weight is None else objective.weight
    if objective.loss == "log_loss":
        losses = np.logaddexp(0, -objective.y * z[:, 0])
    else:
        losses = np.logaddexp.reduce(z, axis=1) - z[np.arange(len(z)), objective.y]
    return s @ losses / s.sum() + 0.5 * objective.l2 * np.sum(coef**2)


def optimum(objective):
    """The minimum, by SciPy."""
    X, K = dense(objective), objective.classes
    y, s = objective.y, np.ones(len(X)) if objective.weight is None else objective.weight
    binary = objective.loss == "log_loss"

    def fun(flat):
        theta = flat.reshape(K, -1)
        W, b = theta[:, :-1], theta[:, -1] * objective.fit_intercept
        z = X @ W.T + b
        if binary:
            r = (-y / (1 + np.exp(y * z[:, 0])))[:, None]
        else:
            r = np.exp(z - np.logaddexp.reduce(z, axis=1)[:, None])
            r[np.arange(len(r)), y] -= 1
        r *= s[:, None] / s.sum()
        g = np.column_stack([r.T @ X + objective.l2 * W, r.sum(axis=0) * objective.fit_intercept])
        return value(objective, W[0] if binary else W, b), g.ravel()

    found = minimize(
        fun,
        np.zeros(K * (X.shape[1] + 1)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 10000, "maxfun": 20000, "ftol": 1e-16, "gtol": 1e-11},
    )
    return found.fun


CASES = [(name, 2) for name in BINARY] + [("softmax", 4)]


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("name, classes", CASES)
def test_optimum(name, classes, kind, weighted, intercept):
    objective = problem(kind, classes=classes, weighted=weighted, intercept=intercept)
    solution = solve(objective, name, Goal(tol=1e-10))
    assert solution.converged and solution.solver == name, solution.stop_reason
    best = optimum(objective)
    assert value(objective, solution.coef, solution.intercept) <= best * (1 + 1e-9)
    assert solution.objective == pytest.approx(best, rel=1e-9)
    if not intercept:
        assert np.all(solution.intercept == 0)


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("name, classes", CASES)
def test_float32(name, classes, kind):
    objective = problem(kind, np.float32, classes)
    best = optimum(objective)
    for tol in (1e-3, 1e-6, 1e-9):  # the last one beyond what float32 sums can tell
        solution = solve(objective, name, Goal(tol=tol, max_iter=3000))
        found = value(objective, solution.coef, solution.intercept)
        assert found <= best * (1 + max(10 * tol, 3e-8 if name == "dual" else 0)), (
            tol,
            solution.stop_reason,
        )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("name, classes", CASES)
def test_certificates_tell_the_truth(name, classes, seed):
    rng = np.random.default_rng(seed)
    l2 = 10.0 ** rng.uniform(-4, 0)
    objective = problem(
        "csr" if seed % 2 else "dense", classes=classes, l2=l2, weighted=seed > 2, seed=seed
    )
    best = optimum(objective)
    for tol in (1e-1, 1e-2, 1e-4, 1e-6, 1e-8):
        solution = solve(objective, name, Goal(tol=tol, max_iter=20_000))
        truth = value(objective, solution.coef, solution.intercept) - best
        rounding = 1e-12 * best
        if solution.certificate.kind == "gap":
            assert truth <= solution.certificate.value + rounding
        else:
            assert truth <= 10 * solution.certificate.value + rounding
        assert solution.certificate.relative <= tol
        assert solution.certificate.value == pytest.approx(
            solution.certificate.relative * solution.objective, rel=1e-9
        )


def test_a_gap_is_claimed_only_where_the_intercept_allows_it():
    """The strong-convexity bound alone overclaims where the intercept is not yet the best one."""
    objective = problem(l2=10.0)
    start = solve(objective, "newton", Goal(tol=1e-12))
    off = Goal(tol=10.0)  # stops where it starts
    solution = solve(objective, "newton", off, start=(start.coef, start.intercept + 1.0))
    truth = value(objective, solution.coef, solution.intercept) - start.objective
    assert solution.n_iter == 0 and truth > 0
    assert truth <= solution.certificate.value * (1 if solution.certificate.kind == "gap" else 10)


@pytest.mark.parametrize("name, classes", CASES)
def test_weights_are_repetitions(name, classes):
    objective = problem(classes=classes, weighted=True)
    rows = np.repeat(np.arange(N), objective.weight.astype(int))
    repeated = Objective(
        objective.X[rows], objective.y[rows], objective.loss, l2=objective.l2, classes=objective.classes
    )
    goal = Goal(tol=1e-11, max_iter=20_000)
    one, other = solve(objective, name, goal), solve(repeated, name, goal)
    assert one.objective == pytest.approx(other.objective, rel=1e-10)
    np.testing.assert_allclose(one.coef, other.coef, rtol=0, atol=1e-4 * np.abs(other.coef).max())


@pytest.mark.parametrize("name, classes", [case for case in CASES if case[0] != "dual"])
def test_scales_do_not_matter(name, classes):
    """A change of units changes nothing where there is no penalty."""
    objective = problem(classes=classes, l2=0.0)
    scale = 10.0 ** np.linspace(-12, 12, D)
    scaled = Objective(objective.X * scale, objective.y, objective.loss, classes=objective.classes)
    one, other = (solve(each, name, Goal(tol=1e-10)) for each in (objective, scaled))
    assert one.objective == pytest.approx(other.objective, rel=1e-9)
    np.testing.assert_allclose(other.coef * scale, one.coef, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name, classes", CASES)
@pytest.mark.parametrize("kind", ["dense", "csr"])
def test_threads_give_the_same_bits(name, classes, kind, monkeypatch):
    monkeypatch.setattr("fastgd.solvers.design.PIECE_ROWS", 16)
    monkeypatch.setattr("fastgd.solvers.design.THREADED", 1)
    objective = problem(kind, np.float32, classes)
    one, two = (solve(objective, name, Goal(n_threads=n)) for n in (1, 2))
    np.testing.assert_array_equal(one.coef, two.coef)
    assert np.all(one.intercept == two.intercept)


@pytest.mark.parametrize("name, classes", CASES)
def test_awkward_columns(name, classes):
    objective = problem(classes=classes)
    X = objective.X
    X[:, 0], X[:, 1], X[:, 3] = 3.0, X[:, 2], 0.0
    solution = solve(objective, name, Goal(tol=1e-9, max_iter=20_000))
    assert solution.converged
    assert value(objective, solution.coef, solution.intercept) <= optimum(objective) * (1 + 1e-8)
    np.testing.assert_allclose(solution.coef[..., 1], solution.coef[..., 2], atol=1e-3)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["newton", "conjugate", "softmax"])
def test_separable_data_without_a_penalty_end(name, weighted):
    objective = problem(l2=0.0)
    objective.y = np.where(objective.X[:, 0] > 0, 1.0, -1.0)
    if name == "softmax":
        objective.loss, objective.classes = "multinomial", 3
        objective.y = np.digitize(objective.X[:, 0], [-0.5, 0.5]).astype(np.int32)
    if weighted:  # rows without weight may be on the wrong side
        objective.weight = np.ones(len(objective.y))
        objective.weight[:3] = 0.0
        objective.y[:3] = objective.y[:3][::-1] if name == "softmax" else -objective.y[:3]
    solution = solve(objective, name, Goal(tol=1e-9))
    assert np.isfinite(solution.coef).all() and solution.objective < 1e-15
    assert solution.converged and solution.n_iter < 60
    assert "separable" in solution.stop_reason and "penalty" in solution.stop_reason


@pytest.mark.parametrize("name, classes", CASES)
def test_limits_and_interruptions(name, classes):
    objective = problem(classes=classes)
    solution = solve(objective, name, Goal(tol=1e-14, max_iter=1))
    assert solution.n_iter == 1 and not solution.converged and "max_iter=1" in solution.stop_reason
    solution = solve(objective, name, Goal(tol=1e-14, max_time=0.0))
    assert not solution.converged and "max_time" in solution.stop_reason

    def interrupt(history, coef, intercept):
        if len(history["objective"]) == 2:
            raise KeyboardInterrupt

    solution = solve(objective, name, Goal(tol=1e-14, on_iteration=interrupt))
    assert isinstance(solution.failure, KeyboardInterrupt) and "KeyboardInterrupt" in solution.stop_reason
    assert solution.n_iter == 2 and np.isfinite(solution.coef).all()
    assert solution.objective == pytest.approx(
        value(objective, solution.coef, solution.intercept), rel=1e-12
    )
    solution = solve(objective, name, Goal(tol=1e-14, on_iteration=lambda *_: True))
    assert solution.n_iter == 1 and "callback" in solution.stop_reason


@pytest.mark.parametrize("name, classes", CASES)
def test_history(name, classes):
    objective = problem(classes=classes)
    solution = solve(objective, name, Goal(tol=1e-8))
    assert set(solution.history) == {"objective", "certificate", "seconds"}
    assert {len(column) for column in solution.history.values()} == {solution.n_iter}
    assert solution.history["objective"][-1] == solution.objective
    assert solution.history["certificate"][-1] == solution.certificate.relative
    assert (np.diff(solution.history["seconds"]) >= 0).all()


@pytest.mark.parametrize("name, classes", [case for case in CASES if case[0] != "dual"])
def test_a_good_start_is_used(name, classes):
    objective = problem(classes=classes)
    first = solve(objective, name, Goal(tol=1e-10))
    again = solve(objective, name, Goal(tol=1e-8), start=(first.coef, first.intercept))
    assert again.n_iter <= 1


def test_inputs_are_left_alone():
    for name, classes in CASES:
        for kind in ("dense", "csr"):
            objective = problem(kind, classes=classes, weighted=True)
            arrays = [objective.y, objective.weight]
            X = objective.X
            arrays += [X] if kind == "dense" else [X.data, X.indices, X.indptr]
            for array in arrays:
                array.setflags(write=False)
            solve(objective, name, Goal(tol=1e-4))


def test_kronecker_metric_reaches_the_optimum(monkeypatch):
    monkeypatch.setattr("fastgd.solvers.softmax.FULL", 0)
    for kind in ("dense", "csr"):
        objective = problem(kind, classes=5)
        assert solve(objective, "softmax", Goal(tol=1e-9)).objective <= optimum(objective) * (1 + 1e-8)
    monkeypatch.setattr("fastgd.solvers.softmax.KRONECKER", 0)
    assert solve(objective, "softmax", Goal(tol=1e-9)).objective <= optimum(objective) * (1 + 1e-8)


def test_sampled_hessian_reaches_the_optimum(monkeypatch):
    monkeypatch.setattr("fastgd.solvers.newton.FULL_COST", 0.0)
    monkeypatch.setattr("fastgd.solvers.newton.FIRST_COST", 0.0)
    for kind in ("dense", "csr"):
        objective = problem(kind, l2=1e-3)
        assert solve(objective, "newton", Goal(tol=1e-9)).objective <= optimum(objective) * (1 + 1e-8)


@pytest.mark.parametrize("name", ["newton", "newton_l1"])
@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_samples_do_not_hide_what_is_left(name, layout, monkeypatch):
    """Data of a few factors and little noise: certificates say what is left in the noise, too."""
    monkeypatch.setattr("fastgd.solvers.newton.FULL_COST", 0.0)
    monkeypatch.setattr("fastgd.solvers.newton.FIRST_COST", 0.0)
    rng = np.random.default_rng(0)
    factors = rng.standard_normal((4000, 4))
    X = factors @ rng.standard_normal((4, 40)) + 0.01 * rng.standard_normal((4000, 40))
    y = np.where(factors[:, 0] + 0.5 * rng.standard_normal(4000) > 0, 1.0, -1.0)
    for penalties in ({"l2": 1e-3 / 4000}, {"l2": 1 / 4000}):
        if name == "newton_l1":
            penalties = {"l1": penalties["l2"]}
        best = solve(Objective(X, y, "log_loss", **penalties), name, Goal(tol=1e-9)).objective
        for tol in (1e-3, 1e-5):
            solution = solve(Objective(layout(X), y, "log_loss", **penalties), name, Goal(tol=tol))
            left = solution.objective / best - 1
            assert left <= 10 * solution.certificate.relative <= 10 * tol


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_samples_of_rare_categories(layout):
    rng = np.random.default_rng(0)
    groups = (200, 60, 20)
    X = np.hstack([np.eye(k)[rng.choice(k, 6000, p=_falling(k))] for k in groups])
    y = np.where(X @ rng.standard_normal(X.shape[1]) + rng.logistic(size=6000) > 0, 1.0, -1.0)
    objective = Objective(layout(X), y, "log_loss", l2=1 / 6000)
    best = solve(objective, "newton", Goal(tol=1e-10)).objective
    for tol in (1e-2, 1e-4):
        solution = solve(objective, "newton", Goal(tol=tol))
        assert solution.converged and solution.objective / best - 1 <= 10 * tol


def _falling(k):
    share = np.arange(1, k + 1) ** -1.5
    return share / share.sum()


def test_choice():
    rng = np.random.default_rng(0)
    y = np.where(rng.random(2000) < 0.5, 1.0, -1.0)
    tall = rng.standard_normal((2000, 20))
    wide = sp.random(2000, 30_000, density=0.005, format="csr", random_state=0)
    wide.data /= 10
    goal = Goal()
    assert choose(Objective(tall, y, "log_loss", l2=1e-3), goal) == "newton"
    assert choose(Objective(wide, y, "log_loss", l2=1e-3), goal) == "dual"
    assert choose(Objective(wide, y, "log_loss", l2=1e-9), goal) == "conjugate"
    assert choose(Objective(wide, y, "log_loss", l2=0.0), goal) == "conjugate"
    assert choose(Objective(tall, y > 0, "multinomial", classes=2), goal) == "softmax"


def test_blas_is_limited_for_as_long_as_any_run_wants_it():
    def threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    before = threads()
    if not before:
        pytest.skip("a BLAS that cannot be limited")
    first, second = one_thread(), one_thread()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)  # not in the order of nested runs: they may be in different threads
    assert threads() == {1}
    second.__exit__(None, None, None)
    assert threads() == before
    with one_thread(wanted=False):
        assert threads() == before
    with pytest.raises(ZeroDivisionError), one_thread():
        raise ZeroDivisionError
    assert threads() == before


def test_nearly_full_sparse_rows_are_dense_ones():
    """With columns far from zero, which sparse rows cannot be centred for."""
    objective = problem(classes=3)
    X = objective.X + 1e4
    for kind in (np.float32, np.float64):
        rows = X.astype(kind)
        full = Objective(sp.csr_matrix(rows), objective.y, "multinomial", classes=3, l2=1e-2)
        plain = Objective(rows, objective.y, "multinomial", classes=3, l2=1e-2)
        assert isinstance(full.X, np.ndarray) and full.X.dtype == kind
        np.testing.assert_array_equal(*(solve(each).coef for each in (full, plain)))
    assert sp.issparse(problem("csr").X)


def test_curvatures_that_have_faded_away_leave_a_share():
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 4)), (np.arange(60) % 3).astype(np.int32)
    model = softmax.Softmax(Objective(X, y, "multinomial", l2=0.0, classes=3), Goal(), precise=True)
    point = model.first_point(None)
    metric = softmax.FullMetric(point, Goal())
    assert metric.faded(point) is None  # the Hessian is made at the first refresh
    metric.refresh(point)
    np.testing.assert_allclose(metric.faded(point), 1.0, rtol=1e-3)
    settled = metric.faded(point.moved(1e6 * rng.standard_normal(model.size)))  # no row is undecided
    assert (settled[:-1] < 1e-3).all() and (settled > 0).all()
