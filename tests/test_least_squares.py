"""The least-squares estimators: scikit-learn's optimum at its tightest, certificates, edge cases.

Design note. Objectives are computed here, from coefficients, in float64. For l1 the truth is told by the
conditions of optimality and not by a solver: each gradient is the penalty's slope where the coefficient
is not zero, and no larger elsewhere.
"""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model as theirs
from cases import PARITY
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import KFold, ShuffleSplit

import fastgd
from fastgd import ElasticNet, ElasticNetCV, Lasso, LassoCV, LinearRegression, Ridge, RidgeCV
from fastgd.data import make_rows
from fastgd.kernels import kernels, long_vectors
from fastgd.solvers import Goal, Objective, coordinate, gram, solve
from fastgd.solvers.moments import blocks_of, column_stats, moments, squares_along

NAMES = ("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV")
RATIOS = {"lasso": 1.0, "elastic net": 0.4, "nearly ridge": 0.01}


def made(n, d, seed=0, sparse=False, targets=None, scales=1.0):
    """Rows with unequal scales and means, and noisy linear targets."""
    draws = np.random.RandomState(seed)
    X = draws.randn(n, d) * 10 ** draws.uniform(-scales, scales, d) + 2 * draws.randn(d)
    if sparse:
        X[draws.rand(n, d) < 0.7] = 0.0
    W = draws.randn(d, targets or 1) * (np.arange(d) < 5)[:, None] / X.std(axis=0)[:, None]
    y = X @ W + draws.randn(n, targets or 1) + 3.0
    weight = draws.randint(0, 4, n).astype(float)
    return X, (y if targets else y[:, 0]), weight


def layouts(X):
    return {
        "C": np.ascontiguousarray(X),
        "F": np.asfortranarray(X),
        "float32": X.astype(np.float32),
        "csr": sp.csr_matrix(X),
        "csc": sp.csc_matrix(X),
        "csr64": sp.csr_array(X),
    }


def objective(model, X, y, weight=None, l1=0.0, l2=0.0):
    """Half the mean squared residual and the penalties, summed over targets."""
    X = X.toarray() if sp.issparse(X) else np.asarray(X, dtype=np.float64)
    coef = np.atleast_2d(model.coef_).astype(np.float64)
    weight = np.ones(len(X)) if weight is None else weight
    residual = y.reshape(len(y), -1) - X @ coef.T - model.intercept_
    loss = 0.5 * (weight[:, None] * residual**2).sum() / weight.sum()
    return loss + l1 * np.abs(coef).sum() + 0.5 * l2 * (coef**2).sum()


def strongest(X, y, weight, ratio, fit_intercept):
    """The alpha from which on all coefficients are zero."""
    s = np.ones(len(y)) if weight is None else weight
    mean = np.average(y, weights=s) if fit_intercept else 0.0
    v = s * (y - mean) / s.sum()
    return np.abs(X.T @ v).max() / ratio


# -- the optimum -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", ["C", "F", "float32", "csr", "csc", "csr64"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(80, 6), (25, 60)])
def test_ridge_is_scikit_learns(shape, fit_intercept, weighted, layout):
    X, y, weight = made(*shape, sparse="cs" in layout)
    weight = weight if weighted else None
    data = layouts(X)[layout]
    X = np.asarray(data, dtype=np.float64) if layout == "float32" else X
    for targets in (y, np.column_stack([y, y[::-1] ** 2])):
        for alpha in (1e-3, 1.0, 1e3):
            ours = Ridge(alpha, fit_intercept=fit_intercept).fit(data, targets, weight)
            truth = theirs.Ridge(alpha, fit_intercept=fit_intercept, solver="svd").fit(X, targets, weight)
            assert ours.coef_.shape == truth.coef_.shape
            assert np.shape(ours.intercept_) == np.shape(truth.intercept_)
            rtol = 1e-4 if layout == "float32" else 1e-6
            np.testing.assert_allclose(
                ours.coef_, truth.coef_, rtol=rtol, atol=rtol * np.abs(truth.coef_).max()
            )
            if layout != "float32":
                total = len(X) if weight is None else weight.sum()
                values = [objective(m, X, targets, weight, l2=alpha / total) for m in (ours, truth)]
                assert values[0] <= values[1] * (1 + 1e-8)


@pytest.mark.parametrize("layout", ["C", "F", "float32", "csr"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("shape", [(80, 6), (25, 60)])
def test_linear_regression_is_scikit_learns(shape, fit_intercept, weighted, layout):
    X, y, weight = made(*shape, sparse="cs" in layout, scales=0.2)
    weight = weight if weighted else None
    data = layouts(X)[layout]
    for targets in (y, np.column_stack([y, y[::-1]])):
        ours = LinearRegression(fit_intercept=fit_intercept).fit(data, targets, weight)
        truth = theirs.LinearRegression(fit_intercept=fit_intercept).fit(X, targets, weight)
        rtol = 1e-4 if layout == "float32" else 1e-7
        np.testing.assert_allclose(
            ours.coef_, truth.coef_, rtol=rtol, atol=rtol * np.abs(truth.coef_).max()
        )
        np.testing.assert_allclose(ours.intercept_, truth.intercept_, rtol=100 * rtol)
        if layout == "C":
            assert ours.rank_ == truth.rank_
            np.testing.assert_allclose(
                ours.singular_, truth.singular_, rtol=1e-6, atol=1e-7 * truth.singular_[0]
            )


@pytest.mark.parametrize("layout", ["C", "F", "float32", "csr", "csc"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("shape", [(80, 12), (30, 250)])
def test_l1_meets_the_conditions_of_optimality(shape, ratio, fit_intercept, weighted, layout):
    X, y, weight = made(*shape, sparse="cs" in layout, scales=0.5)
    weight = weight if weighted else None
    data, ratio = layouts(X)[layout], RATIOS[ratio]
    dense = np.asarray(data.toarray() if sp.issparse(data) else data, dtype=np.float64)
    s = np.ones(len(y)) if weight is None else weight
    for share in (0.5, 0.05, 0.005):
        alpha = share * strongest(dense, y, weight, ratio, fit_intercept)
        model = ElasticNet(alpha, l1_ratio=ratio, fit_intercept=fit_intercept, tol=1e-10, max_iter=10**5)
        model.fit(data, y, weight)
        coef = model.coef_.astype(np.float64)
        r = y - dense @ coef
        r -= np.average(r, weights=s) if fit_intercept else 0.0
        l1, l2 = alpha * ratio, alpha * (1 - ratio)
        g = dense.T @ (s * r) / s.sum() - l2 * coef
        slack = (3e-3 if layout == "float32" else 1e-4) * l1
        assert np.abs(g).max() <= l1 + slack
        active = np.abs(coef) > 1e-3 * np.abs(coef).max()
        np.testing.assert_allclose(g[active], l1 * np.sign(coef[active]), atol=slack)


@pytest.mark.parametrize("ratio", [1.0, 0.3])
@pytest.mark.parametrize("shape", [(80, 12), (30, 250)])
def test_positive_is_scikit_learns(shape, ratio):
    X, y, weight = made(*shape, scales=0.2)
    alpha = 0.05 * strongest(X, y, None, ratio, True)
    ours = ElasticNet(alpha, l1_ratio=ratio, positive=True, tol=1e-10).fit(X, y, weight)
    truth = theirs.ElasticNet(alpha, l1_ratio=ratio, positive=True, tol=1e-12, max_iter=10**6)
    truth.fit(X, y, weight)
    penalty = {"l1": alpha * ratio, "l2": alpha * (1 - ratio)}
    assert (ours.coef_ >= 0).all()
    value = objective(ours, X, y, weight, **penalty)
    np.testing.assert_allclose(value, objective(truth, X, y, weight, **penalty), rtol=1e-8)
    for pair in ((LinearRegression, theirs.LinearRegression), (Ridge, theirs.Ridge)):
        settings = [{name: 1e-10 for name in klass().get_params() if name == "tol"} for klass in pair]
        ours, truth = (
            klass(positive=True, **given).fit(X[:60], y[:60])
            for klass, given in zip(pair, settings, strict=True)
        )
        l2 = 1.0 / len(X[:60]) if pair[0] is Ridge else 0.0
        values = [objective(model, X[:60], y[:60], l2=l2) for model in (ours, truth)]
        assert values[0] <= values[1] * (1 + 1e-6) + 1e-12
        assert (ours.coef_ >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_weights_are_repetitions(name):
    X, y, weight = made(60, 5)
    repeated = np.repeat(np.arange(60), weight.astype(int))
    klass = getattr(fastgd, name)
    splits = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    folds = [tuple(np.flatnonzero(np.isin(repeated, part)) for part in split) for split in splits]
    once = {"cv": splits} if name.endswith("CV") else {}
    twice = {"cv": folds} if name.endswith("CV") else {}
    a = klass(**once).fit(X, y, sample_weight=weight)
    b = klass(**twice).fit(X[repeated], y[repeated])
    np.testing.assert_allclose(a.coef_, b.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(a.intercept_, b.intercept_, rtol=1e-6)


@pytest.mark.parametrize("name", ["LinearRegression", "Ridge", "Lasso", "ElasticNet"])
def test_units_do_not_matter(name):
    """Features of scales 1e-12 ... 1e12 give the optimum of scaled ones."""
    X, y, _ = made(200, 6, scales=0)
    scale = 10.0 ** np.array([-12, -6, 0, 3, 8, 12])
    klass = getattr(fastgd, name)
    model = klass(**({} if name == "LinearRegression" else {"alpha": 1e-15})).fit(X * scale, y)
    truth = theirs.LinearRegression().fit(X, y)
    if name == "LinearRegression":
        np.testing.assert_allclose(model.coef_ * scale, truth.coef_, rtol=1e-6)
    assert np.isfinite(model.coef_).all()
    best = objective(truth, X, y)
    l1 = 1e-15 * {"Lasso": 1.0, "ElasticNet": 0.5}.get(name, 0.0)
    l2 = {"ElasticNet": 5e-16, "Ridge": 1e-15 / 200}.get(name, 0.0)
    reached = objective(model, X * scale, y, l1=l1, l2=l2)
    assert reached >= best * (1 - 1e-9)
    assert model.certificate_.relative <= 1e-4


def test_unscaled_lasso_is_the_weighted_penalty_on_scaled_columns():
    X, y, _ = made(100, 5, scales=0)
    scale = np.array([1e-3, 1.0, 1e2, 1e4, 1e6])
    model = Lasso(alpha=1e-4, tol=1e-10).fit(X * scale, y)
    r = y - X * scale @ model.coef_ - model.intercept_
    g = (X * scale).T @ r / len(y)
    active = model.coef_ != 0
    np.testing.assert_allclose(g[active], 1e-4 * np.sign(model.coef_[active]), rtol=1e-3)
    assert (np.abs(g[~active]) <= 1e-4 * (1 + 1e-6)).all()


# -- certificates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["squared_error", "log_loss"])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("shape", [(100, 8), (40, 120)])
def test_a_gap_never_overclaims(shape, ratio, loss):
    X, y, weight = made(*shape, scales=0.4)
    if loss == "log_loss":
        y = np.where(y > np.median(y), 1.0, -1.0)
    alpha = 0.02 * strongest(X, y, weight, ratio, True)
    problem = Objective(X, y, loss, weight, l1=alpha * ratio, l2=alpha * (1 - ratio))
    best = solve(problem, "coordinate", Goal(tol=1e-13)).objective
    for tol in (1e-1, 1e-2, 1e-3, 1e-5, 1e-8):
        seen = []

        def look(history, coef, intercept, seen=seen):
            seen.append((history["objective"][-1], history["certificate"][-1]))

        solution = solve(problem, "coordinate", Goal(tol=tol, on_iteration=look))
        assert solution.converged and solution.certificate.kind == "gap"
        assert solution.certificate.relative <= tol
        for value, relative in [*seen, (solution.objective, solution.certificate.relative)]:
            assert value - best <= relative * value + 1e-14 * abs(best)


def test_log_loss_reaches_the_optimum_of_scikit_learn():
    X, y, weight = made(200, 30, scales=0.2)
    signs = np.where(y > np.median(y), 1.0, -1.0)
    total = weight.sum()
    for ratio in (1.0, 0.5):
        problem = Objective(X, signs, "log_loss", weight, l1=ratio / total, l2=(1 - ratio) / total)
        solution = solve(problem, goal=Goal(tol=1e-10))
        assert solution.solver == "coordinate"
        r = -signs / (1 + np.exp(signs * (X @ solution.coef + solution.intercept)))
        g = X.T @ (weight * r) / total + problem.l2 * solution.coef
        assert abs(weight @ r) / total < 1e-10
        active = solution.coef != 0
        np.testing.assert_allclose(g[active], -problem.l1 * np.sign(solution.coef[active]), rtol=1e-3)
        assert (np.abs(g[~active]) <= problem.l1 * (1 + 1e-6)).all()


def test_the_attributes_of_a_certified_fit():
    X, y, _ = made(100, 5)
    for name in NAMES:
        model = getattr(fastgd, name)().fit(X, y)
        assert model.certificate_.relative <= 1e-4
        assert isinstance(model.stop_reason_, str) and model.stop_reason_
        assert set(model.history_) == {"objective", "certificate", "seconds"}
        again = pickle.loads(pickle.dumps(model))
        np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_limits_end_a_fit_with_a_warning_and_a_valid_model():
    X, y, _ = made(100, 60, scales=2)
    for settings in ({"max_iter": 1}, {"max_time": 1e-9}):
        with pytest.warns(ConvergenceWarning, match="Objective did not converge"):
            model = Lasso(alpha=1e-6, tol=1e-12, **settings).fit(X, y)
        assert np.isfinite(model.coef_).all()


# -- several targets, warm starts, copies ----------------------------------------------------------------


@pytest.mark.parametrize("name", ["LinearRegression", "Ridge", "ElasticNet"])
def test_targets_in_any_order(name):
    X, y, _ = made(50, 4, targets=3)
    klass = getattr(fastgd, name)
    truth = klass().fit(X, y).coef_
    for same in (np.asfortranarray(y), np.repeat(y, 2, axis=1)[:, ::2]):
        np.testing.assert_allclose(klass().fit(X, same).coef_, truth, rtol=1e-9)


def test_penalties_of_targets():
    X, y, _ = made(50, 4, targets=3)
    alphas = [0.1, 1.0, 10.0]
    together = Ridge(alpha=alphas).fit(X, y)
    for k, alpha in enumerate(alphas):
        np.testing.assert_allclose(together.coef_[k], Ridge(alpha=alpha).fit(X, y[:, k]).coef_, rtol=1e-9)
    with pytest.raises(ValueError, match="Number of targets and number of penalties"):
        Ridge(alpha=[1.0, 2.0]).fit(X, y)


def test_a_warm_start_has_nothing_to_do():
    X, y, _ = made(100, 300)
    model = Lasso(alpha=0.05, warm_start=True, tol=1e-6).fit(X, y)
    assert model.n_iter_ > 0
    before = model.coef_.copy()
    assert model.fit(X, y).n_iter_ == 0
    np.testing.assert_allclose(model.coef_, before, rtol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_not_written_to(name):
    X, y, weight = made(60, 5)
    for array in (X, y, weight):
        array.setflags(write=False)
    before = X.copy()
    model = getattr(fastgd, name)()
    if "copy_X" in model.get_params():
        model.set_params(copy_X=False)
    model.fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(X, before)


# -- cross-validation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("targets", [None, 2])
@pytest.mark.parametrize("layout", ["C", "csr"])
@pytest.mark.parametrize("shape", [(60, 5), (20, 40)])
def test_leave_one_out_is_scikit_learns(shape, layout, targets, weighted):
    X, y, weight = made(*shape, targets=targets, scales=0.3)
    weight = weight + 1 if weighted else None
    settings = {
        "alphas": [0.01, 0.1, 1.0, 10.0],
        "store_cv_results": True,
        "alpha_per_target": bool(targets),
    }
    ours = RidgeCV(**settings).fit(layouts(X)[layout], y, weight)
    truth = theirs.RidgeCV(**settings).fit(X, y, weight)
    np.testing.assert_allclose(ours.cv_results_, truth.cv_results_, rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(ours.alpha_, truth.alpha_)
    np.testing.assert_allclose(ours.coef_, truth.coef_, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours.best_score_, truth.best_score_, rtol=1e-6)


@pytest.mark.parametrize(
    "cv", [3, KFold(4, shuffle=True, random_state=0), ShuffleSplit(3, test_size=0.7)]
)
@pytest.mark.parametrize("shape", [(60, 5), (30, 300)])
def test_folds_are_scikit_learns(shape, cv):
    X, y, weight = made(*shape, scales=0.3)
    splits = list((KFold(cv) if isinstance(cv, int) else cv).split(X))
    if not PARITY:
        weight = None  # older versions do not weigh the scores
    ours = RidgeCV(alphas=[0.1, 1.0, 10.0], cv=splits).fit(X, y, weight)
    truth = theirs.RidgeCV(alphas=[0.1, 1.0, 10.0], cv=splits).fit(X, y, weight)
    assert ours.alpha_ == truth.alpha_
    np.testing.assert_allclose(ours.best_score_, truth.best_score_, rtol=1e-6)
    np.testing.assert_allclose(ours.coef_, truth.coef_, rtol=1e-6, atol=1e-9)
    settings = {"cv": splits, "tol": 1e-9, "max_iter": 10**5, "eps": 0.05, "alphas": 10}
    for pair in ((LassoCV, theirs.LassoCV), (ElasticNetCV, theirs.ElasticNetCV)):
        extra = {"l1_ratio": [0.5, 0.9]} if pair[0] is ElasticNetCV else {}
        if "alphas" not in theirs.LassoCV().get_params() or theirs.LassoCV().alphas != 100:
            pytest.skip("grids are asked for in another way before scikit-learn 1.9")
        ours, truth = (klass(**settings, **extra).fit(X, y, weight + 1) for klass in pair)
        np.testing.assert_allclose(ours.alphas_, truth.alphas_, rtol=1e-9)
        np.testing.assert_allclose(ours.mse_path_, truth.mse_path_, rtol=1e-4)
        np.testing.assert_allclose(ours.alpha_, truth.alpha_, rtol=1e-9)
        np.testing.assert_allclose(
            ours.coef_, truth.coef_, rtol=1e-3, atol=1e-4 * np.abs(truth.coef_).max()
        )


# -- edge cases ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "case",
    [
        "constant",
        "duplicate",
        "zero",
        "far away",
        "extreme weights",
        "one feature",
        "perfect",
        "constant y",
    ],
)
def test_edge_cases_are_finite(name, case):
    X, y, _ = made(40, 5)
    weight = None
    if case == "constant":
        X[:, 1] = 7.3
    elif case == "duplicate":
        X[:, 1] = X[:, 2]
        X[:, 3] = X[:, 2] + X[:, 4]
    elif case == "zero":
        X[:] = 0.0
    elif case == "far away":
        X += 1e8
    elif case == "extreme weights":
        weight = 10.0 ** np.linspace(-200, 200, 40)
    elif case == "one feature":
        X = X[:, :1]
    elif case == "perfect":
        y = X @ np.arange(5.0)
    else:
        y = np.full(40, 2.5)
    klass = getattr(fastgd, name)
    with np.errstate(all="raise", under="ignore"):
        model = klass(**({"cv": 3} if name in ("LassoCV", "ElasticNetCV") else {})).fit(X, y, weight)
    assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
    assert np.isfinite(model.predict(X)).all()
    if case == "constant y":
        np.testing.assert_allclose(model.predict(X), 2.5)


@pytest.mark.parametrize("name", ["LinearRegression", "Ridge", "Lasso", "ElasticNet"])
def test_one_row(name):
    model = getattr(fastgd, name)().fit([[1.0, 2.0, 3.0]], [4.0])
    np.testing.assert_allclose(model.coef_, 0.0, atol=1e-12)
    np.testing.assert_allclose(model.predict([[0.0, 0.0, 0.0]]), 4.0)


@pytest.mark.parametrize("layout", ["C", "csr"])
@pytest.mark.parametrize("shape", [(20, 50), (60, 8)])
def test_answers_without_penalty_have_minimum_norm(shape, layout):
    X, y, _ = made(*shape, scales=0.3)
    if shape[0] > shape[1]:
        X = np.column_stack([X, X[:, 0] + X[:, 1], 3 * X[:, 2]])
    truth = np.linalg.pinv(X - X.mean(axis=0)) @ (y - y.mean())
    model = LinearRegression().fit(layouts(X)[layout], y)
    np.testing.assert_allclose(model.coef_, truth, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        Ridge(alpha=0).fit(layouts(X)[layout], y).coef_, truth, rtol=1e-6, atol=1e-8
    )


def test_nearly_collinear_columns_keep_their_digits():
    """Products of columns would lose them: the QR decomposition of the rows does not."""
    draws = np.random.RandomState(0)
    X = draws.randn(300, 4)
    X[:, 3] = X[:, 0] + 1e-9 * draws.randn(300)
    coef = np.array([1.0, -2.0, 0.5, 3.0])
    model = LinearRegression(fit_intercept=False).fit(X, X @ coef)
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-4)
    assert model.rank_ == 4


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("layout", ["C", "F", "csr"])
def test_one_hot_columns_need_no_decomposition_of_the_rows(layout, weighted, monkeypatch):
    draws = np.random.RandomState(0)
    one_hot = np.hstack([np.eye(5)[draws.randint(5, size=400)], np.eye(3)[draws.randint(3, size=400)]])
    X = np.hstack([one_hot, draws.randn(400, 2)])
    y, weight = draws.randn(400), draws.rand(400) + 0.5 if weighted else None
    monkeypatch.setattr(gram, "Triangle", None)
    model = LinearRegression().fit(layouts(X)[layout], y, weight)
    truth = theirs.LinearRegression().fit(X, y, weight)
    np.testing.assert_allclose(model.coef_, truth.coef_, rtol=1e-7, atol=1e-12)
    np.testing.assert_allclose(model.intercept_, truth.intercept_, rtol=1e-7)
    if layout != "csr":
        assert model.rank_ == truth.rank_ == 8
        np.testing.assert_allclose(model.singular_, truth.singular_, rtol=1e-7, atol=1e-11)


@pytest.mark.parametrize("layout", ["C", "csr"])
def test_collinear_but_for_little_is_no_rank_deficiency(layout):
    draws = np.random.RandomState(0)
    X = draws.randn(300, 4)
    X[:, 3] = X[:, 0] + 1e-10 * draws.randn(300)  # its products are those of a copy
    coef = np.array([1.0, -2.0, 0.5, 3.0])
    model = LinearRegression(fit_intercept=False).fit(layouts(X)[layout], X @ coef)
    np.testing.assert_allclose(model.coef_, coef, rtol=1e-4)


def test_overflow_is_a_sentence():
    X, y, _ = made(40, 3)
    X[:, 1] *= 1e200
    for klass in (LinearRegression, Ridge, Lasso, ElasticNet, RidgeCV, LassoCV):
        with pytest.raises(ValueError, match="squares of feature 1 are too large"):
            klass().fit(X, y)


def test_bad_parameters_are_sentences():
    X, y, _ = made(40, 3)
    with pytest.raises(ValueError, match="Please use another solver"):
        Ridge(solver="lbfgs").fit(X, y)
    with pytest.raises(ValueError, match="does not support positive fitting"):
        Ridge(solver="svd", positive=True).fit(X, y)
    with pytest.raises(ValueError, match="does not support fitting the intercept on sparse"):
        Ridge(solver="cholesky").fit(sp.csr_matrix(X), y)
    with pytest.raises(ValueError, match="did not pass validation"):
        Lasso(precompute=np.eye(3), fit_intercept=False).fit(X, y)
    with pytest.raises(ValueError, match="warm_start=True begins at"):
        model = clone(Lasso(warm_start=True)).fit(X, y)
        model.fit(X[:, :2], y)


@pytest.mark.parametrize("block_rows", [50, 1000])  # a sample of the rows, or all of them
@pytest.mark.parametrize("targets", [None, 2])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_sparse_and_wide_is_solved_by_conjugate_gradients(alpha, targets, block_rows, monkeypatch):
    monkeypatch.setattr(gram, "_gram_pays", lambda problem: False)
    monkeypatch.setattr(gram, "BLOCK_ROWS", block_rows)
    monkeypatch.setattr(gram, "DENSE_ENOUGH", 0)
    X, y, weight = made(120, 40, sparse=True, targets=targets, scales=0.2)
    for w in (None, weight):
        model = Ridge(alpha=alpha, tol=1e-13).fit(sp.csr_matrix(X), y, w)
        truth = theirs.Ridge(alpha=alpha, solver="svd").fit(X, y, w)
        np.testing.assert_allclose(model.coef_, truth.coef_, rtol=1e-4, atol=1e-5)
        assert len(model.history_["objective"]) > 1


@pytest.mark.parametrize("block_rows", [100, 1000])
def test_sparse_and_collinear_has_minimum_norm(block_rows, monkeypatch):
    monkeypatch.setattr(gram, "_gram_pays", lambda problem: False)
    monkeypatch.setattr(gram, "BLOCK_ROWS", block_rows)
    draws = np.random.RandomState(0)
    X = np.hstack([np.eye(size)[draws.randint(size, size=400)] for size in (30, 20, 7)])
    y = draws.randn(400)
    model = LinearRegression().fit(sp.csr_matrix(X), y)
    truth = np.linalg.pinv(X - X.mean(axis=0)) @ (y - y.mean())
    np.testing.assert_allclose(model.coef_, truth, rtol=1e-5, atol=1e-6)


# -- kernels and moments against their NumPy twins -------------------------------------------------------


def descend_slowly(Q, q, w, l1, positive, order, epochs):
    """Coordinate descent, written as in the books."""
    w = w.copy()
    for _ in range(epochs):
        for j in order:
            if Q[j, j] > 0:
                u = q[j] - Q[j] @ w + Q[j, j] * w[j]
                w[j] = np.sign(u) * max(abs(u) - l1[j], 0.0) / Q[j, j]
                if positive:
                    w[j] = max(u - l1[j], 0.0) / Q[j, j]
    return w


@pytest.mark.kernels
@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("shuffled", [False, True])
def test_descend_gram_is_its_twin(positive, shuffled):
    draws = np.random.RandomState(0)
    A = draws.randn(30, 9)
    A[:, 4] = 0.0
    Q, q = A.T @ A, A.T @ draws.randn(30)
    l1 = draws.uniform(0, 3, 9)
    order = draws.permutation(9).astype(np.int64) if shuffled else None
    w = np.zeros(9)
    g = q.copy()
    run, gained = kernels.descend_gram(Q, w, g, l1, positive, order, 7, 0.0)
    truth = descend_slowly(Q, q, np.zeros(9), l1, positive, range(9) if order is None else order, 7)
    assert run == 7 and gained >= 0
    np.testing.assert_allclose(w, truth, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(g, q - Q @ w, atol=1e-10)


@pytest.mark.kernels
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int8, np.uint8, np.int32])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_are_centred_rows(kind, order, weighted):
    draws = np.random.RandomState(0)
    X = np.array(draws.randint(0, 90, (700, 5)), dtype=kind, order=order)
    shift = draws.randn(5)
    root = draws.rand(700) if weighted else None
    truth = (X - shift) * (1.0 if root is None else root[:, None])
    rows = np.vstack([Z.copy() for _, _, Z in blocks_of(X, shift, root)])
    np.testing.assert_allclose(rows, truth, rtol=1e-12)


@pytest.mark.kernels
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("d", [1, 2, 5, 6, 9, 14, 18, 22, 30, 45])
def test_products_are_their_twin(kind, d):
    """Each width of the last tile, with and without weights and targets, by vectors of either width."""
    draws = np.random.RandomState(0)
    X = draws.randn(700, d).astype(kind)
    for targets in (0, 1, 3):
        y, shift = draws.randn(700, targets), draws.randn(d + targets)
        for root in (None, draws.rand(700)):
            k = d + targets + 1
            width = -(-k // 4) * 4
            table = np.zeros((width, width))
            kernels.products(make_rows(X), shift, root, y, 100, 650, table, long_vectors)
            narrow = np.zeros((width, width))
            kernels.products(make_rows(X), shift, root, y, 100, 650, narrow)
            Z = np.column_stack([X - shift[:d], y - shift[d:], np.ones(700)])
            Z = (Z if root is None else Z * root[:, None])[100:650]
            np.testing.assert_allclose(table[:k, :k], Z.T @ Z, rtol=1e-10, atol=1e-10)
            np.testing.assert_allclose(narrow[:k, :k], Z.T @ Z, rtol=1e-10, atol=1e-10)


@pytest.mark.kernels
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16])
@pytest.mark.parametrize("d", [1, 3, 4, 10])
def test_squares_along_directions_are_their_twin(kind, d):
    draws = np.random.RandomState(0)
    X = (100 * draws.randn(1003, d)).astype(kind)
    shift, directions = draws.randn(d), draws.randn(d, 3)
    for root in (None, draws.rand(1003)):
        Z = (X - shift) * (1.0 if root is None else root[:, None])
        np.testing.assert_allclose(
            squares_along(X, shift, root, directions), ((Z @ directions) ** 2).sum(axis=0), rtol=1e-12
        )


@pytest.mark.kernels
@pytest.mark.parametrize("layout", ["C", "F", "float32", "csr", "csr64"])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_are_their_twin(layout, weighted):
    X, y, weight = made(500, 7, targets=2, sparse="cs" in layout)
    s = weight if weighted else np.ones(500)
    data = layouts(X)[layout]
    X = data.astype(np.float64) if layout == "float32" else X
    rows = np.r_[3:60, 100:400]
    for chosen in (None, rows):
        at = slice(None) if chosen is None else chosen
        part, t, target = X[at], s[at], y[at]
        stats = moments(data, y, weight if weighted else None, chosen).centred()
        mean, y_mean = np.average(part, axis=0, weights=t), np.average(target, axis=0, weights=t)
        Xc, yc = part - mean, target - y_mean
        np.testing.assert_allclose(stats.total, t.sum())
        np.testing.assert_allclose(stats.A, (t[:, None] * Xc).T @ Xc / t.sum(), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(stats.B, (t[:, None] * Xc).T @ yc / t.sum(), rtol=1e-8, atol=1e-8)
        np.testing.assert_allclose(stats.c, (t[:, None] * yc**2).sum(axis=0) / t.sum())
        np.testing.assert_allclose(stats.x_mean, mean, rtol=1e-9)
    mean, square = column_stats(data, weight if weighted else None)
    np.testing.assert_allclose(mean, np.average(X, axis=0, weights=s), rtol=1e-9)
    np.testing.assert_allclose(square, np.average((X - mean) ** 2, axis=0, weights=s), rtol=1e-8)


def test_working_sets_and_moments_agree():
    X, y, weight = made(150, 40, scales=0.5)
    alpha = 0.03 * strongest(X, y, weight, 1.0, True)
    problem = Objective(X, y, "squared_error", weight, l1=alpha)
    one = coordinate.solve(problem, Goal(tol=1e-11))
    other = coordinate._on_working_sets(problem, Goal(tol=1e-11), None)
    np.testing.assert_allclose(one.coef, other.coef, rtol=1e-5, atol=1e-8)
