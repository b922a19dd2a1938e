"""A few of the cases of `fuzz.py`, and what it found.

Design note. The cases are the same in every run: number and estimator decide. `python tests/fuzz.py` runs
others and more, in processes of their own.
"""

import faulthandler
import warnings

import fuzz
import numpy as np
import pytest
from fuzz import KINDS, TIME_LIMIT, outcome_of
from numpy.testing import assert_allclose
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from fastgd import (
    ElasticNet,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    Optimizer,
    RidgeCV,
    SGDRegressor,
    minimize,
)
from fastgd.linear_model import least_squares, logistic

CASES = 90


@pytest.mark.parametrize("kind", KINDS)
def test_a_finite_model_or_a_sentence(kind):
    outcomes = set()
    for number in range(CASES):
        faulthandler.dump_traceback_later(TIME_LIMIT, exit=True)
        try:
            _, words, outcome, failure, _ = outcome_of(number, kind)
        finally:
            faulthandler.cancel_dump_traceback_later()
        assert failure is None, f"python tests/fuzz.py --only {kind} --case {number}\n{words}\n{failure}"
        outcomes.add(outcome)
    assert outcomes == {"model", "refused"}  # both were tried


def test_the_fuzzer_notices(monkeypatch):
    def spoilt(self, X, y, sample_weight=None):
        self.coef_, self.intercept_ = np.array([np.nan]), 0.0
        return self

    monkeypatch.setattr(fuzz.fastgd.Ridge, "fit", spoilt)
    assert any(outcome_of(number, "Ridge")[3] == "coef_ is not finite" for number in range(5))


# ---- what it found -------------------------------------------------------------------------------


AGAIN = (2003981, 2006556)  # an average that overflows by itself, dual ascent without a penalty


# Step lengths that overflow, classes without a row, scores of what is no number, weights that
# early stopping took away, rates without a bound.
@pytest.mark.parametrize("number", [500073, 501193, 1012408, 1013205, 1017698, 1019977, *AGAIN])
def test_cases_that_failed_once(number):
    faulthandler.dump_traceback_later(TIME_LIMIT, exit=True)
    try:
        *_, failure, _ = outcome_of(number)
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert failure is None


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("size", [1e300, 1e-300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_only_ratios_of_weights_and_the_penalty_count(dtype, size, n_classes):
    draws = np.random.default_rng(0)
    X, y = draws.standard_normal((60, 3)).astype(dtype), draws.integers(n_classes, size=60)
    weight = draws.random(60)
    plain = LogisticRegression(tol=1e-8, C=1.0).fit(X, y, weight)
    scaled = LogisticRegression(tol=1e-8, C=1.0 / size).fit(X, y, weight * size)
    assert_allclose(scaled.coef_, plain.coef_, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("model", [LassoCV(cv=2), RidgeCV()])
def test_overflow_inside_a_fit_is_no_warning(model):
    X = np.random.default_rng(0).standard_normal((20, 3)) * [1e-300, 1.0, 1e150]
    y = np.arange(20.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            model.fit(X, y, sample_weight=np.full(20, 1e-310))
        except ValueError as error:
            assert len(str(error).split()) > 3
        else:
            assert np.isfinite(model.coef_).all()


def test_coefficients_that_overflow_are_refused():
    y = np.array([-1.0, 1.0])
    classes = logistic._Classes(y, np.array([0, 1]), None, True)
    for found in (np.array([1e300]), np.array([np.nan])):
        with pytest.raises(ValueError, match="float32 cannot hold"):
            classes.attributes(found, 0.0, np.dtype(np.float32))


def test_a_fit_that_is_interrupted_early_leaves_no_half_of_a_model(monkeypatch):
    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(least_squares.gram, "least_squares", interrupted)
    X = np.ones((5, 1))
    model = LinearRegression()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, X[:, 0])
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_a_function_that_fails_right_behind_its_start_has_a_sentence():
    calls = []

    def fun(x):
        calls.append(x)
        return float("nan") if len(calls) > 1 else 0.0  # for the differences at x0

    with pytest.raises(ValueError, match="at x0"):
        minimize(fun, [1.0, 2.0])


def test_a_step_that_overflows_says_so():
    w = np.array([1.0, 2.0])
    optimizer = Optimizer("nesterov", 1.0)
    with pytest.raises(FloatingPointError, match="array 0 infinite"):
        for _ in range(3):
            optimizer.step(w, np.array([1e308, 0.0]))


def test_targets_whose_squares_overflow_are_refused_by_working_sets():
    X = np.random.default_rng(0).standard_normal((5, 400))
    y = np.array([1e308, -1e308, 1.0, 0.0, 2.0])
    with pytest.raises(ValueError, match="squares of y are too large"):
        ElasticNet(alpha=0.1).fit(X, y)


def test_the_smallest_share_of_the_largest_alpha():
    X = np.random.default_rng(0).standard_normal((20, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LassoCV(eps=5e-324, alphas=5, cv=2).fit(X, X[:, 0])
    assert np.isfinite(model.coef_).all() and model.alphas_[-1] > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_means_beyond_all_numbers(dtype):
    X, y = np.array([[-1.0], [1.0]], dtype), np.array([0.0, 3.0], dtype)
    model = SGDRegressor(loss="poisson", max_iter=5, tol=None).fit(X, y)
    model.coef_ = np.full(1, 1e4, dtype)
    assert (model.predict(X) == [0, np.finfo(dtype).max]).all()
