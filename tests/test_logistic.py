"""Logistic regression: the optimum, how sure it is, and what a user may throw at it.

Design note. The arbiter is `optimum.Reference`, which shares no code with the solvers. Laws run over
penalties, classes, intercepts, weights, layouts and number types; the rest are the corners: data
without a unique or without any optimum, interruptions, scikit-learn's names. Cross-validation is in
test_logistic_path.
"""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model
from optimum import Reference
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from fastgd import LogisticRegression
from fastgd.callbacks import on_epoch
from fastgd.solvers import LOGISTIC

PENALTIES = [(1.0, 0.0), (1.0, 1.0), (0.1, 0.5), (50.0, 0.0), (20.0, 0.3), (np.inf, 0.0)]
WEAK = (np.inf, 0.0)


@pytest.fixture(scope="module")
def labels():
    """Labels of 60 rows for 2, 3 and 5 classes, which no plane separates."""
    draws = np.random.RandomState(5)

    def draw(X, classes):
        z = X @ draws.randn(X.shape[1]) + 1.5 * draws.randn(len(X))
        return np.digitize(z, np.quantile(z, np.linspace(0, 1, classes + 1)[1:-1]))

    return draw


@pytest.fixture(scope="module")
def problems(X, labels):
    X = X[:, :6]  # the last column is zero: it has its own test
    return {classes: (X, labels(X, classes)) for classes in (2, 3, 5)}


def relative(model, reference, best):
    """(F - F*) / F* of a fitted model."""
    coef, intercept = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    return (reference.value(coef, intercept) - best) / best


# -- the optimum ------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("C, l1_ratio", PENALTIES)
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_the_optimum(problems, row_weights, classes, C, l1_ratio, fit_intercept, weighted):
    X, y = problems[classes]
    weight = row_weights if weighted else None
    reference = Reference(X, y, C, l1_ratio, fit_intercept, weight)
    best, coef, intercept = reference.optimum()
    for rows in (X, sp.csr_matrix(X)):
        model = LogisticRegression(C=C, l1_ratio=l1_ratio, fit_intercept=fit_intercept, tol=1e-10)
        model.fit(rows, y, sample_weight=weight)
        assert abs(relative(model, reference, best)) < 1e-8
        assert reference.kkt(model.coef_, model.intercept_) < 1e-5
        scale = max(1.0, np.abs(coef).max())
        if classes == 2 or np.inf > C:  # without a penalty softmax has no unique weights
            np.testing.assert_allclose(model.coef_, coef, atol=1e-4 * scale)
            if classes == 2:
                np.testing.assert_allclose(model.intercept_, intercept, atol=1e-4 * scale)


@pytest.mark.parametrize("C, l1_ratio", PENALTIES)
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("kind", ["float32", "int8", "int64", "csr float32"])
def test_number_types(problems, classes, C, l1_ratio, kind):
    X, y = problems[classes]
    whole = np.round(4 * X)
    rows = sp.csr_matrix(whole.astype(np.float32)) if kind.startswith("csr") else whole.astype(kind)
    reference = Reference(whole, y, C, l1_ratio)
    best = reference.optimum()[0]
    model = LogisticRegression(C=C, l1_ratio=l1_ratio, tol=1e-8).fit(rows, y)
    assert model.coef_.dtype == model.intercept_.dtype
    assert model.coef_.dtype == (np.float32 if "float32" in kind else np.float64)
    assert abs(relative(model, reference, best)) < 1e-6


@pytest.mark.parametrize("solver", LOGISTIC)
def test_every_solver_that_has_a_name(problems, solver):
    two = "two" in LOGISTIC[solver]
    X, y = problems[2 if two else 3]
    for rows in (X, sp.csr_matrix(X)):
        reference = Reference(X, y, 2.0)
        model = LogisticRegression(C=2.0, solver=solver, tol=1e-9, max_iter=3000).fit(rows, y)
        assert abs(relative(model, reference, reference.optimum()[0])) < 1e-7
        assert model.solver_ == solver
    if "l1" not in LOGISTIC[solver]:
        with pytest.raises(ValueError, match=f"Solver {solver} needs a smooth objective"):
            LogisticRegression(solver=solver, l1_ratio=0.5).fit(X, y)
    if not {"two", "several"} <= set(LOGISTIC[solver]):
        other, many = ("several", 3) if two else ("two", 2)
        with pytest.raises(ValueError, match=f"not for {other} classes, and y has {many}"):
            LogisticRegression(solver=solver).fit(*problems[many])


@pytest.mark.parametrize("classes", [2, 3])
def test_agrees_with_scikit_learn_at_its_tightest(problems, classes):
    X, y = problems[classes]
    theirs = sklearn.linear_model.LogisticRegression(solver="newton-cholesky", tol=1e-12).fit(X, y)
    ours = LogisticRegression(tol=1e-12).fit(X, y)
    np.testing.assert_allclose(ours.coef_, theirs.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.intercept_, theirs.intercept_, atol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-5)
    assert (ours.predict(X) == theirs.predict(X)).all()


def test_softmax_is_centred(problems):
    X, y = problems[3]
    model = LogisticRegression(C=10).fit(X, y)
    assert np.abs(model.coef_.sum(axis=0)).max() < 1e-12
    assert abs(model.intercept_.sum()) < 1e-12


# -- the certificate ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tol", [1e-1, 1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize("C, l1_ratio", PENALTIES)
@pytest.mark.parametrize("classes", [2, 3])
def test_certificates_are_honest(problems, classes, C, l1_ratio, tol):
    X, y = problems[classes]
    reference = Reference(X, y, C, l1_ratio)
    best = reference.optimum()[0]
    for solver in ("auto", "proximal"):
        model = LogisticRegression(C=C, l1_ratio=l1_ratio, tol=tol, solver=solver).fit(X, y)
        certificate = model.certificate_
        above = reference.value(model.coef_, model.intercept_) - best
        allowed = {"gap": 1.0, "estimate": 10.0}[certificate.kind]
        assert above <= allowed * certificate.value + 1e-14
        assert certificate.relative <= tol
        if model.n_iter_:
            assert model.history_["certificate"][-1] == certificate.relative


BUNDLED = [load_iris, load_wine, load_breast_cancer, load_digits]


@pytest.mark.parametrize("load", BUNDLED, ids=lambda load: load.__name__)
@pytest.mark.parametrize("C", [0.01, 1.0])
def test_bundled_data_in_their_own_units(load, C):
    X, y = load(return_X_y=True)
    model = LogisticRegression(C=C).fit(X, y)
    best = LogisticRegression(C=C, tol=1e-13).fit(X, y)
    reference = Reference(X, y, C)
    above = reference.value(model.coef_, model.intercept_) - reference.value(best.coef_, best.intercept_)
    assert above + 1e-14 >= 0
    certificate = model.certificate_
    assert above <= (1 if certificate.kind == "gap" else 10) * certificate.value + 1e-14
    assert certificate.relative <= 1e-4
    assert reference.kkt(best.coef_, best.intercept_) < 1e-6 * np.abs(X).max()


# -- weights --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix], ids=["dense", "csr"])
def test_weights_are_repetitions(problems, classes, l1_ratio, layout):
    X, y = problems[classes]
    counts = np.random.RandomState(0).randint(0, 4, size=len(y))
    again = np.repeat(np.arange(len(y)), counts)
    setting = LogisticRegression(l1_ratio=l1_ratio, tol=1e-14)
    weighted = clone(setting).fit(layout(X), y, sample_weight=counts)
    repeated = clone(setting).fit(layout(X[again]), y[again])
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(weighted.intercept_, repeated.intercept_, rtol=1e-6, atol=1e-8)


def test_class_weights_are_row_weights(problems, row_weights):
    X, y = problems[3]
    factors = {0: 2.0, 1: 0.5, 2: 1.0}
    by_class = LogisticRegression(class_weight=factors).fit(X, y, sample_weight=row_weights)
    rows = row_weights * np.array([factors[label] for label in y])
    by_row = LogisticRegression().fit(X, y, sample_weight=rows)
    np.testing.assert_allclose(by_class.coef_, by_row.coef_)
    sums = np.bincount(y, weights=row_weights)
    balanced = LogisticRegression(class_weight="balanced").fit(X, y, sample_weight=row_weights)
    by_row = LogisticRegression().fit(X, y, row_weights * (row_weights.sum() / (3 * sums))[y])
    np.testing.assert_allclose(balanced.coef_, by_row.coef_, rtol=1e-6)


@pytest.mark.parametrize("absent", [0, 1, 2])
def test_a_class_without_weight_keeps_its_place(problems, absent):
    X, y = problems[3]
    model = LogisticRegression().fit(X, y, sample_weight=(y != absent).astype(float))
    assert model.coef_.shape == (3, X.shape[1]) and not model.coef_[absent].any()
    assert model.predict_proba(X)[:, absent].max() < 1e-15
    others = np.delete(np.arange(3), absent)
    kept = y != absent
    two = Reference(X[kept], y[kept], C=2.0)  # half of the penalty: the weights are w and -w
    coef = model.coef_[others[1]] - model.coef_[others[0]]
    intercept = model.intercept_[others[1]] - model.intercept_[others[0]]
    assert two.value(coef, intercept) <= two.optimum()[0] * (1 + 1e-4)


def test_classes_without_weight_among_many(problems):
    X, y = problems[5]
    model = LogisticRegression(tol=1e-9).fit(X, y, sample_weight=(y % 3 != 1).astype(float))
    kept = y % 3 != 1  # classes 0, 2 and 3
    alone = LogisticRegression(tol=1e-9).fit(X[kept], y[kept])
    np.testing.assert_allclose(model.coef_[[0, 2, 3]], alone.coef_, rtol=1e-5, atol=1e-7)
    assert set(model.predict(X)) <= {0, 2, 3}
    certain = LogisticRegression().fit(X, y, sample_weight=(y == 4).astype(float))
    assert (certain.predict(X) == 4).all() and certain.n_iter_ == 0
    for label in (0, 1):
        certain = LogisticRegression().fit(X, y > 2, sample_weight=((y > 2) == label).astype(float))
        assert (certain.predict(X) == label).all() and np.isfinite(certain.intercept_).all()
    bare = LogisticRegression(fit_intercept=False).fit(X, y, sample_weight=(y != 1).astype(float))
    assert bare.coef_[1].any() and not bare.intercept_.any()


@pytest.mark.parametrize("classes", [2, 3])
def test_extreme_class_weights(problems, classes):
    X, y = problems[classes]
    model = LogisticRegression(class_weight={0: 1e8}).fit(X, y)
    assert model.certificate_.relative <= 1e-4 and np.isfinite(model.coef_).all()
    with pytest.raises(ValueError, match="class_weight must be finite numbers >= 0"):
        LogisticRegression(class_weight={0: -1.0}).fit(X, y)
    with pytest.raises(ValueError, match="class_weight leaves no row to train on"):
        LogisticRegression(class_weight=dict.fromkeys(range(classes), 0.0)).fit(X, y)
    with pytest.raises(ValueError, match="Negative values in data passed to `sample_weight`"):
        LogisticRegression().fit(X, y, sample_weight=-np.ones(len(y)))
    with pytest.raises(ValueError, match="must contain at least one non-zero number"):
        LogisticRegression().fit(X, y, sample_weight=np.zeros(len(y)))
    with pytest.raises(ValueError, match="sum of the weights is not a finite number"):
        LogisticRegression().fit(X, y, sample_weight=np.full(len(y), 1e308))


# -- data without a unique optimum, or without any -------------------------------------------------


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_constant_zero_and_duplicate_columns(problems, classes, l1_ratio):
    X, y = problems[classes]
    extended = np.hstack([X, X[:, :2], np.full((len(X), 1), 7.0), np.zeros((len(X), 1))])
    reference = Reference(extended, y, 1.0, l1_ratio)
    for C in (1.0, np.inf) if l1_ratio == 0 else (1.0,):
        model = LogisticRegression(C=C, l1_ratio=l1_ratio, tol=1e-6).fit(extended, y)
        assert np.isfinite(model.coef_).all()
        assert np.abs(model.coef_[:, -2:]).max() < 1e-10
        if C == 1.0:
            assert abs(relative(model, reference, reference.optimum()[0])) < 1e-5
            if l1_ratio == 0:
                np.testing.assert_allclose(model.coef_[:, :2], model.coef_[:, 6:8], atol=1e-5)


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_scales_from_1e_minus_12_to_1e12(problems, classes, l1_ratio):
    X, y = problems[classes]
    units = 10.0 ** np.array([-12, -6, -2, 2, 6, 12])
    model = LogisticRegression(l1_ratio=l1_ratio).fit(X * units, y)
    assert np.isfinite(model.coef_).all()
    best = LogisticRegression(l1_ratio=l1_ratio, tol=1e-9).fit(X * units, y)
    reference = Reference(X * units, y, 1.0, l1_ratio)
    here, there = (reference.value(m.coef_, m.intercept_) for m in (model, best))
    assert here <= there * (1 + 1e-4)
    # In the limit the features in tiny units are lost, and those in huge ones are free of the penalty.
    free = Reference((X * units)[:, 3:] / units[3:], y, 1e9 if l1_ratio else np.inf)
    assert here <= free.optimum()[0] * (1 + 1e-2)


@pytest.mark.parametrize("classes", [2, 3])
def test_means_far_from_zero(problems, classes):
    X, y = problems[classes]
    near = LogisticRegression(C=1e6, tol=1e-9).fit(X, y)
    far = LogisticRegression(C=1e6, tol=1e-9).fit(X + 1e5, y)
    np.testing.assert_allclose(far.coef_, near.coef_, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("C, l1_ratio", PENALTIES)
@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix], ids=["dense", "csr"])
def test_more_columns_than_rows(C, l1_ratio, layout):
    draws = np.random.RandomState(0)
    X, y = draws.randn(12, 40), np.arange(12) % 3
    for target in (y, y > 0):
        model = LogisticRegression(C=C, l1_ratio=l1_ratio, tol=1e-6).fit(layout(X), target)
        assert np.isfinite(model.coef_).all() and (model.score(layout(X), target) > 0.9 or C < 1)
        if np.inf > C:
            reference = Reference(X, target, C, l1_ratio)
            assert relative(model, reference, reference.optimum()[0]) < 1e-5


@pytest.mark.parametrize("classes", [2, 3])
def test_separable_without_penalty_says_so(classes):
    X = np.arange(12.0)[:, None]
    y = np.digitize(X[:, 0], [5.5] if classes == 2 else [3.5, 7.5])
    with pytest.warns(ConvergenceWarning, match="told apart without error"):
        model = LogisticRegression(C=np.inf, max_iter=1000).fit(X, y)
    assert np.isfinite(model.coef_).all() and model.score(X, y) == 1.0


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("C", [0.1, 1.0, 10.0, 100.0, np.inf])
def test_digits_need_no_settings(C, scaled):
    """Ten classes of pixels, raw or standardised, weakly or strongly penalised: defaults are enough."""
    X, y = load_digits(return_X_y=True)
    if scaled:
        X = StandardScaler().fit_transform(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error" if np.inf > C else "ignore", ConvergenceWarning)
        model = LogisticRegression(C=C).fit(X, y)
    assert model.n_iter_[0] < model.max_iter
    if np.inf > C:
        best = LogisticRegression(C=C, tol=1e-8, max_iter=1000).fit(X, y)
        assert model.history_["objective"][-1] <= best.history_["objective"][-1] * (1 + 10 * model.tol)
    else:
        assert model.score(X, y) == 1.0 and model.certificate_.relative <= 1.0


def test_one_row_and_one_class():
    with pytest.raises(ValueError, match="at least 2 classes"):
        LogisticRegression().fit(np.ones((1, 3)), [1])
    with pytest.raises(ValueError, match="only one class: 4"):
        LogisticRegression().fit(np.eye(3), [4, 4, 4])
    model = LogisticRegression(tol=1e-10).fit([[0.0], [1.0]], [0, 1])
    assert model.score([[0.0], [1.0]], [0, 1]) == 1.0
    with pytest.raises(ValueError, match="Unknown label type"):
        LogisticRegression().fit(np.eye(3), [0.1, 0.2, 0.3])


@pytest.mark.parametrize("C", [1e-300, 1e-12, 1e12, 1e300])
@pytest.mark.parametrize("l1_ratio", [0.0, 1.0])
@pytest.mark.parametrize("classes", [2, 3])
def test_extreme_penalties(problems, classes, l1_ratio, C):
    X, y = problems[classes]
    model = LogisticRegression(C=C, l1_ratio=l1_ratio).fit(X, y)
    assert np.isfinite(model.coef_).all()
    prior = -(np.bincount(y) / len(y)) @ np.log(np.bincount(y) / len(y))
    loss = Reference(X, y).loss(model.coef_, model.intercept_)
    if C < 1:
        assert np.abs(model.coef_).max() < 1e-8
        assert loss == pytest.approx(prior)
    else:
        assert loss < prior


# -- how a fit ends -------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3])
def test_limits(problems, classes):
    X, y = problems[classes]
    with pytest.warns(ConvergenceWarning, match="before tol=1e-12 was reached. max_iter=1 .* were run"):
        model = LogisticRegression(tol=1e-12, max_iter=1).fit(X, y)
    assert model.n_iter_ == 1 and model.n_iter_.shape == (1,) and model.n_iter_.dtype == np.int32
    assert len(model.history_["objective"]) == 1
    with pytest.warns(ConvergenceWarning, match="max_time=1e-09 seconds"):
        model = LogisticRegression(tol=1e-12, max_time=1e-9).fit(X, y)
    assert "max_time" in model.stop_reason_
    with pytest.warns(ConvergenceWarning):
        model = LogisticRegression(max_iter=0).fit(X, y)
    assert model.n_iter_ == 0 and not model.coef_.any() and not model.intercept_.any()


@pytest.mark.parametrize("classes", [2, 3])
def test_tol_zero_ends_at_rounding(problems, classes):
    X, y = problems[classes]
    reference = Reference(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LogisticRegression(tol=0).fit(X, y)
    assert abs(relative(model, reference, reference.optimum()[0])) < 1e-13
    assert model.n_iter_ < 100


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
def test_warm_start_goes_on(problems, classes, l1_ratio):
    X, y = problems[classes]
    model = LogisticRegression(l1_ratio=l1_ratio, tol=1e-8, warm_start=True).fit(X, y)
    first = model.n_iter_[0]
    coef = model.coef_.copy()
    model.fit(X, y)
    assert model.n_iter_[0] <= min(2, first)
    np.testing.assert_allclose(model.coef_, coef, atol=1e-4)
    model.sparsify().fit(X, y)
    with pytest.raises(ValueError, match="Initialization coef is of shape"):
        model.fit(X[:, :3], y)
    assert model.n_features_in_ == X.shape[1]  # as it was


@pytest.mark.parametrize("classes", [2, 3])
def test_callbacks_hear_of_each_iteration(problems, classes):
    X, y = problems[classes]
    heard = []

    def listen(info):
        fitted = info.fitted_estimator
        heard.append((info.epoch, fitted.score(X, y), info.history["objective"][-1]))

    model = LogisticRegression(tol=1e-9).set_callbacks(on_epoch(listen)).fit(X, y)
    assert [epoch for epoch, _, _ in heard] == list(range(1, model.n_iter_[0] + 1))
    np.testing.assert_array_equal([o for _, _, o in heard], model.history_["objective"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)  # who asks for a stop needs no warning
        model = LogisticRegression(tol=1e-9).set_callbacks(on_epoch(lambda info: True)).fit(X, y)
    assert model.n_iter_ == 1 and "callback" in model.stop_reason_


@pytest.mark.parametrize("solver", [*LOGISTIC, "auto"])
def test_an_interrupted_fit_is_a_valid_model(problems, solver):
    X, y = problems[3 if solver == "softmax" else 2]

    def interrupt(info):
        if info.epoch == 2:
            raise KeyboardInterrupt

    l1_ratio = 1.0 if "l1" in LOGISTIC.get(solver, ()) else 0.0
    model = LogisticRegression(solver=solver, l1_ratio=l1_ratio, tol=1e-12)
    model.set_callbacks(on_epoch(interrupt))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == 2 and "KeyboardInterrupt" in model.stop_reason_
    assert np.isfinite(model.predict_proba(X)).all()


def test_a_fit_that_is_refused_leaves_the_model_as_it_was(problems):
    X, y = problems[2]
    model = LogisticRegression().fit(X, y)
    before = pickle.dumps(model.coef_)
    for bad in (np.full_like(X, np.nan), X[:5]):
        with pytest.raises(ValueError):
            model.fit(bad, y)
    assert pickle.dumps(model.coef_) == before and model.predict(X).shape == y.shape


# -- parameters ----------------------------------------------------------------------------------------


NAMES = {
    "lbfgs": "lbfgs failed to converge after 1 iteration",
    "newton-cg": "newton-cg failed to converge at loss = .* Increase the number of iterations",
    "newton-cholesky": "Newton solver did not converge after 1 iterations",
    "sag": "The max_iter was reached which means the coef_ did not converge",
    "saga": "The max_iter was reached which means the coef_ did not converge",
}


@pytest.mark.parametrize("name", NAMES)
def test_scikit_learns_solver_names(problems, name):
    X, y = problems[3]
    reference = Reference(X, y)
    model = LogisticRegression(solver=name).fit(X, y)
    assert relative(model, reference, reference.optimum()[0]) < 1e-8
    assert model.solver == name and model.solver_ in LOGISTIC
    with pytest.warns(ConvergenceWarning, match=NAMES[name]):
        LogisticRegression(solver=name, tol=1e-9, max_iter=1).fit(X, y)
    with pytest.raises(ValueError, match=f"Solver {name} supports only dual=False"):
        LogisticRegression(solver=name, dual=True).fit(X, y)
    if name != "saga":
        with pytest.raises(ValueError, match=f"{name} supports only 'l2' or None penalties, got l1"):
            LogisticRegression(solver=name, l1_ratio=1).fit(X, y)


def test_liblinear_is_scikit_learns(problems):
    X, y = problems[2]
    ours = LogisticRegression(solver="liblinear", random_state=0).fit(X, y)
    theirs = sklearn.linear_model.LogisticRegression(solver="liblinear", random_state=0).fit(X, y)
    np.testing.assert_array_equal(ours.coef_, theirs.coef_)
    np.testing.assert_array_equal(ours.n_iter_, theirs.n_iter_)
    assert ours.certificate_ is None and ours.solver_ == "liblinear"
    with pytest.warns(UserWarning, match="Callbacks are only supported"):
        ours.set_callbacks(on_epoch(print))


@pytest.mark.filterwarnings("ignore:'penalty' was deprecated")
@pytest.mark.parametrize(
    "old, new",
    [
        ({"penalty": "l1"}, {"l1_ratio": 1}),
        ({"penalty": "l2"}, {}),
        ({"penalty": "elasticnet", "l1_ratio": 0.3}, {"l1_ratio": 0.3}),
        ({"penalty": None}, {"C": np.inf}),
    ],
)
@pytest.mark.filterwarnings("ignore:Inconsistent values")
def test_the_older_way_to_name_a_penalty(problems, old, new):
    X, y = problems[3]
    np.testing.assert_array_equal(
        LogisticRegression(**old).fit(X, y).coef_, LogisticRegression(**new).fit(X, y).coef_
    )


@pytest.mark.parametrize("classes, multi_class", [(2, "multinomial"), (3, "ovr")])
def test_models_of_before_1_8(problems, classes, multi_class):
    X, y = problems[classes]
    model = LogisticRegression(multi_class=multi_class)
    if "multi_class" in sklearn.linear_model.LogisticRegression().get_params():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            theirs = sklearn.linear_model.LogisticRegression(multi_class=multi_class).fit(X, y)
            np.testing.assert_allclose(model.fit(X, y).predict_proba(X), theirs.predict_proba(X))
    else:
        with pytest.raises(ValueError, match="scikit-learn removed in 1"):
            model.fit(X, y)
    LogisticRegression(multi_class="auto").fit(X, y)


@pytest.mark.parametrize(
    "parameters",
    [
        {"C": 0},
        {"C": -1.0},
        {"l1_ratio": 2},
        {"tol": -1},
        {"max_time": 0},
        {"solver": "adam"},
        {"max_iter": -1},
    ],
)
def test_bad_parameters_are_refused(problems, parameters):
    with pytest.raises(ValueError, match=next(iter(parameters))):
        LogisticRegression(**parameters).fit(*problems[2])


# -- the fitted model ----------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [2, 3])
def test_predictions_are_scikit_learns(problems, classes):
    X, y = problems[classes]
    names = np.array(["a", "b", "c"])
    ours = LogisticRegression().fit(X, names[y])
    theirs = sklearn.linear_model.LogisticRegression().fit(X, names[y])
    theirs.coef_, theirs.intercept_ = ours.coef_, ours.intercept_
    for rows in (X, sp.csr_matrix(X), X.astype(np.float32), np.round(X).astype(int)):
        for method in ("decision_function", "predict_proba", "predict_log_proba"):
            np.testing.assert_allclose(
                getattr(ours, method)(rows), getattr(theirs, method)(rows), rtol=1e-6
            )
        assert (ours.predict(rows) == theirs.predict(rows)).all()
    assert np.isfinite(ours.predict_log_proba(1e4 * X)).all()


def test_pickle_clone_and_threads(problems):
    X, y = problems[3]
    model = LogisticRegression(l1_ratio=0.2, n_jobs=2).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))
    assert again.certificate_ == model.certificate_
    assert clone(model).get_params() == model.get_params()
    assert isinstance(model, sklearn.linear_model.LogisticRegression)
    one = LogisticRegression(l1_ratio=0.2).fit(X, y)
    np.testing.assert_array_equal(one.coef_, model.coef_)
