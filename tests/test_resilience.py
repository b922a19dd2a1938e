"""What people do to an estimator besides fitting it once, and what it must survive.

Parameters of every number type, parameters changed between calls, interruptions, fits that fail
half-way, weights of unusual size, and where a warning points.
"""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from cases import solution
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_predict

from fastgd import SGDClassifier, SGDOneClassSVM, SGDRegressor
from fastgd.callbacks import on_epoch

SHORT = {"max_iter": 4, "tol": None, "random_state": 0}


@pytest.fixture
def y_two(y_real):
    return (y_real > np.quantile(y_real, 0.4)).astype(int)


def quietly(fit, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fit(*args, **kwargs)


@pytest.mark.parametrize("rate", ["constant", "adaptive", "invscaling", "optimal", "pa1"])
@pytest.mark.parametrize("number", [int, np.int64, np.float32])
def test_parameters_of_every_number_type(rate, number, X, y_two):
    loss = "hinge" if rate == "pa1" else "log_loss"
    plain, typed = (
        SGDClassifier(loss, learning_rate=rate, eta0=kind(1), alpha=kind(1), **SHORT)
        for kind in (float, number)
    )
    assert_array_equal(solution(quietly(typed.fit, X, y_two)), solution(quietly(plain.fit, X, y_two)))


def test_float32_penalty_is_its_float64_value(X, y_two):
    ratio = np.float32(0.3)
    plain, typed = (
        SGDClassifier("log_loss", penalty="elasticnet", l1_ratio=value, alpha=value, **SHORT)
        for value in (float(ratio), ratio)
    )
    assert_array_equal(solution(quietly(typed.fit, X, y_two)), solution(quietly(plain.fit, X, y_two)))


class Stop(Exception):
    """Raised by a callback."""


@pytest.mark.parametrize("penalty", ["l2", "l1"])  # in one pass, and one by one
@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop])
def test_an_interrupted_fit_of_many_classes_ends_at_once_and_predicts(error, penalty, X, y_three):
    seen = []

    def interrupt(info):
        seen.append(info.epoch)
        if len(seen) == 2:
            raise error

    model = SGDClassifier("log_loss", penalty=penalty, **SHORT).set_callbacks(on_epoch(interrupt))
    with pytest.raises(error):
        model.fit(X, y_three)
    assert seen == [1, 2] and model.n_iter_ == 2
    assert np.isfinite(model.coef_).all() and model.coef_.any(axis=1).all()
    assert set(model.predict(X)) <= set(y_three)
    assert all(reason.startswith("Interrupted in epoch 2") for reason in model.stop_reason_)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_a_callback_that_stops_ends_all_classes_at_the_same_epoch(penalty, X, y_three):
    model = SGDClassifier("log_loss", penalty=penalty, max_iter=50, tol=None, random_state=0)
    model.set_callbacks(on_epoch(lambda info: info.epoch == 3))
    quietly(model.fit, X, y_three)
    assert_array_equal(np.isfinite(model.history_["loss"]).sum(axis=0), [3, 3, 3])


def test_a_failed_fit_leaves_the_estimator_as_it_was(X, y_real):
    model = quietly(SGDRegressor(**SHORT).fit, X, y_real)
    before = {name: np.copy(value) for name, value in vars(model).items() if name.endswith("_")}
    wild = np.hstack([X, X[:, :1] * 1e200])
    with pytest.raises(ValueError, match="Floating-point under-/overflow"):
        quietly(model.fit, wild, y_real)
    assert model.n_features_in_ == X.shape[1]
    for name, value in before.items():
        assert_array_equal(getattr(model, name), value)


@pytest.mark.parametrize("change", [{"early_stopping": True}, {"penalty": "l1"}, {"average": True}])
def test_parameters_changed_between_calls_of_partial_fit(change, X, y_two):
    model = SGDClassifier("log_loss", random_state=0).partial_fit(X, y_two, classes=[0, 1])
    model.set_params(**change).partial_fit(X, y_two)
    assert np.isfinite(model.coef_).all()
    assert len(model.history_["loss"]) == 2


def test_combinations_are_checked_in_every_partial_fit(X, y_two):
    model = SGDClassifier("log_loss").partial_fit(X, y_two, classes=[0, 1])
    with pytest.raises(ValueError, match="l1_ratio must be set"):
        model.set_params(penalty="elasticnet", l1_ratio=None).partial_fit(X, y_two)


def test_history_of_a_validation_set_survives_partial_fit(X, y_two):
    model = SGDClassifier("log_loss", **SHORT)
    quietly(model.fit, X, y_two, X_val=X[:30], y_val=y_two[:30]).partial_fit(X, y_two)
    scores = model.history_["validation_score"]
    assert np.isfinite(scores[:4]).all() and np.isnan(scores[4])


def test_integer_weights_predict_on_integer_rows():
    model = SGDClassifier().partial_fit([[0.0], [1.0]], [0, 1], classes=[0, 1])
    model.coef_, model.intercept_ = np.array([[2]]), np.array([0.5])
    assert_allclose(model.decision_function(np.array([[3], [-4]], dtype=np.int8)), [6.5, -7.5])


def test_large_weights_do_not_make_a_good_fit_look_bad(X):
    y = X @ np.arange(1.0, X.shape[1] + 1)
    model = SGDRegressor(alpha=1.0, eta0=1e-4, max_iter=300, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit(X, y, sample_weight=np.full(len(X), 100.0))
    assert model.score(X, y) > 0.5


def test_warnings_point_at_the_users_line(X, y_two):
    with pytest.warns(ConvergenceWarning, match="Maximum number of iteration") as caught:
        model = SGDClassifier("log_loss", learning_rate="constant", max_iter=1, random_state=0)
        model.fit(X, y_two)
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("weights", [{0: 0, 1: 0}, {0: np.nan, 1: 1}, {0: -1, 1: 1}])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_class_weights_out_of_their_domain(weights, batch_size, X, y_two):
    model = SGDClassifier(class_weight=weights, batch_size=batch_size)
    with pytest.raises(ValueError, match="class_weight gives the classes"):
        model.fit(X, y_two)


def test_chunks_keep_their_class_weights(X, y_two):
    # A chunk of one class: relative weights would make its weight one.
    ones = X[y_two == 1]
    models = [
        SGDClassifier("log_loss", class_weight={0: 1, 1: weight}, batch_size=4, random_state=0)
        for weight in (1, 100)
    ]
    small, large = (m.partial_fit(ones, np.ones(len(ones), int), classes=[0, 1]).coef_ for m in models)
    assert np.linalg.norm(large) > 5 * np.linalg.norm(small)


def test_targets_beyond_float32_are_refused(X):
    with pytest.raises(ValueError, match="beyond float32"):
        SGDRegressor().fit(X.astype(np.float32), np.full(len(X), 1e39))


def test_a_validation_set_of_one_row_is_refused_by_the_regressor(X, y_real):
    with pytest.raises(ValueError, match="at least two"):
        SGDRegressor(early_stopping=True).fit(X, y_real, X_val=X[:1], y_val=y_real[:1])


@pytest.mark.parametrize("via", ["cross_val_predict", "calibration"])
def test_cross_validation_may_not_slice_the_validation_set(via, X, y_two):
    model = SGDClassifier("log_loss", **SHORT)
    val = {"X_val": X, "y_val": y_two}
    with pytest.raises(ValueError, match="X_val has as many rows as X"):
        if via == "calibration":
            CalibratedClassifierCV(model, ensemble=True, cv=3).fit(X, y_two, **val)
        else:
            cross_val_predict(model, X, y_two, params=val, cv=3)


@pytest.mark.parametrize("klass", [SGDClassifier, SGDRegressor, SGDOneClassSVM])
def test_prediction_copies_no_layout(klass, X, y_two):
    model = quietly(klass(random_state=0).fit, X, y_two)
    predict = model.predict if klass is SGDRegressor else model.decision_function
    expected = predict(X)
    unsorted = sp.csr_matrix(X)
    unsorted.indices, unsorted.data = unsorted.indices.copy(), unsorted.data.copy()
    for first, last in zip(unsorted.indptr[:-1], unsorted.indptr[1:], strict=True):
        unsorted.indices[first:last] = unsorted.indices[first:last][::-1].copy()
        unsorted.data[first:last] = unsorted.data[first:last][::-1].copy()
    unsorted.has_sorted_indices = False
    for layout in (np.asfortranarray(X), sp.csr_matrix(X), unsorted, sp.csc_matrix(X)):
        assert_allclose(predict(layout), expected)
