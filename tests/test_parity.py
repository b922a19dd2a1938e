"""fastgd's estimators equal scikit-learn's on dense float64 data.

Design note. The promise is that a changed import changes nothing but the time: the same
``random_state`` gives the same coefficients to 1e-6, the same number of epochs and the same step
count. The cases cross what can interact (loss, penalty and schedule as tests; averaging, early
stopping and weights inside each). Tolerances and epochs are such that some fits stop by themselves
and some do not, since the number of epochs is part of the promise. Only the compiled kernels differ
between the two sides, so whatever this file finds is a kernel's or an estimator's fault.

Several classes share one order of rows here and have one order each in scikit-learn: they are equal
without shuffling, and that is how they are compared.
"""

import itertools

import numpy as np
import pytest
import sklearn.linear_model
from cases import (
    PENALTIES,
    SCHEDULES,
    SKLEARN_CLASSIFICATION,
    SKLEARN_REGRESSION,
    assert_same_model,
    needs_parity_version,
    solution,
    steps,
)
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

import fastgd

pytestmark = [
    pytest.mark.kernels,
    needs_parity_version,
    pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"),
]

EPOCHS = {"max_iter": 12, "n_iter_no_change": 2, "tol": 5e-3}
CLASS_WEIGHTS = (None, "balanced", {"yes": 0.5, "no": 2.0})


def pair(name, **params):
    """The estimator of that name, from fastgd and from scikit-learn."""
    return getattr(fastgd, name)(**params), getattr(sklearn.linear_model, name)(**params)


def assert_equal_fits(ours, theirs):
    assert type(ours) is not type(theirs)
    assert_same_model(solution(ours), solution(theirs), rtol=1e-6, message=str(theirs))
    assert ours.n_iter_ == theirs.n_iter_, str(theirs)
    assert ours.t_ == theirs.t_, str(theirs)
    assert ours.coef_.shape == theirs.coef_.shape
    assert ours.coef_.dtype == theirs.coef_.dtype


def assert_fit_alike(name, params, *data, **fit_params):
    ours, theirs = pair(name, random_state=9, **params)
    assert_equal_fits(ours.fit(*data, **fit_params), theirs.fit(*data, **fit_params))
    return ours, theirs


# ---- fit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("learning_rate", SCHEDULES)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", SKLEARN_CLASSIFICATION)
def test_classifier(loss, penalty, learning_rate, X, y_two, row_weights):
    params = {"loss": loss, "penalty": penalty, **steps(learning_rate), **EPOCHS}
    for average, early_stopping, class_weight in itertools.product(
        (False, True, 100), (False, True), CLASS_WEIGHTS
    ):
        params.update(average=average, early_stopping=early_stopping, class_weight=class_weight)
        weights = row_weights if class_weight != "balanced" else None
        assert_fit_alike("SGDClassifier", params, X, y_two, sample_weight=weights)


@pytest.mark.parametrize("learning_rate", SCHEDULES)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", SKLEARN_REGRESSION)
def test_regressor(loss, penalty, learning_rate, X, y_real, row_weights):
    params = {"loss": loss, "penalty": penalty, **steps(learning_rate), **EPOCHS}
    for average, early_stopping, weights in itertools.product(
        (False, True, 100), (False, True), (None, row_weights)
    ):
        params.update(average=average, early_stopping=early_stopping)
        assert_fit_alike("SGDRegressor", params, X, y_real, sample_weight=weights)


@pytest.mark.parametrize("learning_rate", SCHEDULES)
@pytest.mark.parametrize("nu", [0.05, 0.5, 1.0])
def test_one_class_svm(nu, learning_rate, X, row_weights):
    for average, weights in itertools.product((False, True, 100), (None, row_weights)):
        params = {"nu": nu, "average": average, "learning_rate": learning_rate, "eta0": 0.05}
        ours, theirs = assert_fit_alike(
            "SGDOneClassSVM", {**params, "max_iter": 12}, X, sample_weight=weights
        )
        # A score may cancel to nearly nothing, and scikit-learn's averages have lost digits by then.
        assert_allclose(ours.score_samples(X), theirs.score_samples(X), rtol=1e-6, atol=1e-7)
        assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("learning_rate", ["pa1", "pa2"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_passive_aggressive(penalty, learning_rate, X, y_two, y_real, row_weights):
    params = {"penalty": penalty, "learning_rate": learning_rate, "alpha": 0.01, "eta0": 0.2}
    for average, early_stopping in itertools.product((False, True), (False, True)):
        params.update(average=average, early_stopping=early_stopping, **EPOCHS)
        both = {"sample_weight": row_weights}
        assert_fit_alike("SGDClassifier", params, X, y_two, **both)
        assert_fit_alike("SGDRegressor", {**params, "loss": "epsilon_insensitive"}, X, y_real, **both)


@pytest.mark.parametrize("alpha", [0.1, 1.0, 100.0])
@pytest.mark.parametrize("average", [False, True])
def test_passive_aggressive_on_rows_of_zeros_while_the_scale_fades(alpha, average):
    # pa1 leaves a row of zeros out, whether or not the scale of the weights was about to be put into them
    X = np.ones((9, 1))
    X[[3, 4, 8]] = 0
    y = np.array([0, 1, 0, 1, 1, 0, 0, 1, 0])
    for eta0 in (0.02, 1.28):
        params = {
            "learning_rate": "pa1",
            "alpha": alpha,
            "eta0": eta0,
            "average": average,
            "shuffle": False,
        }
        assert_fit_alike("SGDClassifier", params | EPOCHS, X, y)
        params["loss"] = "epsilon_insensitive"
        assert_fit_alike("SGDRegressor", params | EPOCHS, X, y.astype(float))


@pytest.mark.parametrize("name", ["SGDClassifier", "SGDRegressor", "SGDOneClassSVM"])
def test_defaults(name, X, y_two, y_real):
    y = y_two if name == "SGDClassifier" else y_real
    assert_fit_alike(name, {}, X, y)


@pytest.mark.parametrize("name", ["SGDClassifier", "SGDRegressor", "SGDOneClassSVM"])
def test_same_parameters_and_defaults(name):
    ours, theirs = (model.get_params() for model in pair(name))
    added = {"SGDClassifier": {"multi_class": "ovr"}, "SGDRegressor": {"quantile": 0.5}}.get(name, {})
    added = {"batch_size": 1, "optimizer": "sgd"} | added
    assert ours == theirs | added


@pytest.mark.parametrize("name", ["SGDClassifier", "SGDRegressor", "SGDOneClassSVM"])
def test_without_intercept(name, X, y_two, y_real):
    y = y_two if name == "SGDClassifier" else y_real
    ours, _ = assert_fit_alike(name, {"fit_intercept": False, "eta0": 0.05, "max_iter": 9}, X, y)
    assert ours.coef_.any()


@pytest.mark.parametrize("tol", [None, 0.0, 1e-3, 1e-1])
@pytest.mark.parametrize("learning_rate", ["constant", "adaptive"])
def test_tolerances(learning_rate, tol, X, y_real, row_weights):
    # The sum that decides when to stop ignores the weights, as scikit-learn's does.
    params = {"learning_rate": learning_rate, "tol": tol, "max_iter": 60, "n_iter_no_change": 3}
    ours, _ = assert_fit_alike("SGDRegressor", params, X, y_real, sample_weight=5 * row_weights)
    if tol is None:
        assert ours.n_iter_ == 60
    if tol == 1e-1:
        assert ours.n_iter_ < 60


def test_many_epochs(X, y_two):
    # 400 epochs of an l2 penalty this strong shrink the weights' common scale far below any float.
    params = {"loss": "log_loss", "alpha": 0.3, "learning_rate": "constant", "eta0": 0.1}
    for average in (False, True):
        params.update(average=average, max_iter=400, tol=None)
        assert_fit_alike("SGDClassifier", params, X, y_two)


@pytest.mark.parametrize("penalty", ["l2", "elasticnet"])
def test_penalty_that_wipes_the_weights(penalty, X, y_real):
    # 1 - eta * alpha < 0: the weights become zero in each step, not negative.
    params = {"penalty": penalty, "alpha": 30.0, "learning_rate": "constant", "eta0": 0.1}
    for average in (False, True):
        assert_fit_alike("SGDRegressor", {**params, "average": average, "max_iter": 5}, X, y_real)


# ---- start, restart and continue -----------------------------------------------------------------


def test_initial_coefficients(X, y_two, y_real):
    for name, y, shift in (
        ("SGDClassifier", y_two, "intercept_init"),
        ("SGDRegressor", y_real, "intercept_init"),
        ("SGDOneClassSVM", None, "offset_init"),
    ):
        for average in (False, True):
            ours, theirs = pair(name, average=average, max_iter=4, tol=None, random_state=9)
            init = {"coef_init": np.linspace(-1, 1, X.shape[1]), shift: np.array([0.3])}
            ours.fit(X, y, **init)
            # Ours leaves what it was given alone; scikit-learn trains in place, hence comes second.
            assert_array_equal(init["coef_init"], np.linspace(-1, 1, X.shape[1]))
            assert_array_equal(init[shift], [0.3])
            assert_equal_fits(ours, theirs.fit(X, y, **init))


@pytest.mark.parametrize("average", [False, True, 150])
@pytest.mark.parametrize("name", ["SGDClassifier", "SGDRegressor", "SGDOneClassSVM"])
def test_warm_start(name, average, X, y_two, y_real):
    y = y_two if name == "SGDClassifier" else y_real
    ours, theirs = pair(name, warm_start=True, average=average, max_iter=3, tol=None, random_state=9)
    for _ in range(3):
        assert_equal_fits(ours.fit(X, y), theirs.fit(X, y))


@pytest.mark.parametrize("average", [False, True, 70])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("learning_rate", ["optimal", "invscaling", "constant", "adaptive"])
def test_partial_fit(learning_rate, penalty, average, X, y_two, y_real, row_weights):
    common = {"penalty": penalty, "average": average, "random_state": 9, **steps(learning_rate)}
    # Chunks of unequal size, the last of a single row.
    chunks = [slice(0, 20), slice(20, 59), slice(5, 40), slice(59, 60)]
    for name, params, y in (
        ("SGDClassifier", {**common, "loss": "log_loss"}, y_two),
        ("SGDClassifier", {**common, "loss": "hinge", "class_weight": {"yes": 3.0}}, y_two),
        ("SGDRegressor", common, y_real),
    ):
        ours, theirs = pair(name, **params)
        for rows in chunks:
            known = {"classes": ["no", "yes"]} if name == "SGDClassifier" else {}
            for model in (ours, theirs):
                model.partial_fit(X[rows], y[rows], sample_weight=1 + row_weights[rows], **known)
            assert_equal_fits(ours, theirs)


@pytest.mark.parametrize("average", [False, True, 70])
def test_partial_fit_one_class(average, X):
    ours, theirs = pair("SGDOneClassSVM", nu=0.3, average=average, random_state=9)
    for rows in (slice(0, 20), slice(20, 60), slice(5, 40)):
        assert_equal_fits(ours.partial_fit(X[rows]), theirs.partial_fit(X[rows]))


def test_partial_fit_after_fit(X, y_two):
    ours, theirs = pair("SGDClassifier", average=True, max_iter=4, tol=None, random_state=9)
    for model in (ours, theirs):
        model.fit(X, y_two).partial_fit(X[:30], y_two[:30]).partial_fit(X[30:], y_two[30:])
    assert_equal_fits(ours, theirs)


# ---- where random numbers come from --------------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("name", ["SGDClassifier", "SGDRegressor"])
def test_shared_random_state(name, early_stopping, X, y_two, y_real):
    # A RandomState moves on with each fit, so both sides must draw equally often and in order.
    y = y_two if name == "SGDClassifier" else y_real
    params = {"max_iter": 4, "tol": None, "early_stopping": early_stopping}
    (ours, theirs), draws = pair(name, **params), [np.random.RandomState(4) for _ in range(2)]
    for model, state in zip((ours, theirs), draws, strict=True):
        model.set_params(random_state=state)
    for _ in range(2):
        assert_equal_fits(ours.fit(X, y), theirs.fit(X, y))
    assert draws[0].randint(1000) == draws[1].randint(1000)


@pytest.mark.parametrize("name", ["SGDClassifier", "SGDRegressor", "SGDOneClassSVM"])
def test_global_random_state(name, X, y_two, y_real):
    y = y_two if name == "SGDClassifier" else y_real
    before = np.random.get_state()
    try:
        for model in (models := pair(name, max_iter=4, tol=None)):
            np.random.seed(11)
            model.fit(X, y)
    finally:
        np.random.set_state(before)
    assert_equal_fits(*models)


# ---- several classes, without shuffling ----------------------------------------------------------


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", ["hinge", "log_loss", "squared_error", "modified_huber"])
def test_several_classes(loss, penalty, early_stopping, X, y_three, row_weights):
    params = {"loss": loss, "penalty": penalty, "early_stopping": early_stopping, **EPOCHS}
    for average, class_weight in itertools.product((False, True, 100), (None, "balanced")):
        params.update(average=average, class_weight=class_weight, **steps("invscaling"))
        ours, theirs = assert_fit_alike(
            "SGDClassifier", {**params, "shuffle": False}, X, y_three, sample_weight=row_weights
        )
        assert_array_equal(ours.predict(X), theirs.predict(X))


def test_several_classes_partial_fit(X, y_three):
    # Without averaging: there, scikit-learn's second call overwrites the averaged intercepts.
    ours, theirs = pair("SGDClassifier", shuffle=False)
    for rows in (slice(0, 25), slice(25, 60)):
        for model in (ours, theirs):
            model.partial_fit(X[rows], y_three[rows], classes=[0, 1, 2])
        assert_equal_fits(ours, theirs)


def test_several_classes_share_the_order_of_the_first(X, y_three):
    # scikit-learn's first class is the model that is the same with shuffling.
    ours, theirs = pair("SGDClassifier", max_iter=5, tol=None, random_state=9)
    ours.fit(X, y_three)
    theirs.fit(X, y_three)
    assert_same_model(solution(ours)[0], solution(theirs)[0])


# ---- predictions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["y_two", "y_three"])
@pytest.mark.parametrize("loss", ["log_loss", "modified_huber", "hinge"])
def test_classifier_predictions(loss, target, X, request):
    y = request.getfixturevalue(target)
    params = {"loss": loss, "shuffle": False, **steps("invscaling")}
    ours, theirs = assert_fit_alike("SGDClassifier", params, X, y)
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), rtol=1e-6, atol=1e-8)
    assert_array_equal(ours.predict(X), theirs.predict(X))
    assert_array_equal(ours.classes_, theirs.classes_)
    assert ours.score(X, y) == theirs.score(X, y)
    assert hasattr(ours, "predict_proba") == hasattr(theirs, "predict_proba") == (loss != "hinge")
    if loss != "hinge":
        assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-6, atol=1e-8)
    if loss == "log_loss":
        with np.errstate(divide="ignore"):  # probabilities of exactly zero
            assert_allclose(ours.predict_log_proba(X), theirs.predict_log_proba(X), rtol=1e-6)


def test_regressor_predictions(X, y_real):
    ours, theirs = assert_fit_alike("SGDRegressor", {}, X, y_real)
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-6, atol=1e-9)
    assert_allclose(ours.score(X, y_real), theirs.score(X, y_real), rtol=1e-6)
