"""The twin is right: it equals scikit-learn, finite differences, PyTorch and closed forms.

Design note. Everything else in the suite leans on ``fastgd.reference``, so the twin itself is held
against four things that know nothing of it. Where scikit-learn has the algorithm (one row per step)
it must give the same numbers; where scikit-learn has nothing (batches), PyTorch's optimizer and the
optimum of the objective take its place.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from cases import (
    CLASSIFICATION,
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
from sklearn.linear_model import ElasticNet, SGDClassifier, SGDOneClassSVM, SGDRegressor

from fastgd import reference

GOLDENS = json.loads((Path(__file__).parent / "goldens" / "losses.json").read_text())
PARAM = {
    "huber": GOLDENS["epsilon"],
    "epsilon_insensitive": GOLDENS["epsilon"],
    "squared_epsilon_insensitive": GOLDENS["epsilon"],
    "quantile": GOLDENS["quantile"],
}


# ---- losses --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", reference.LOSSES)
def test_losses_equal_pytorch(name):
    golden = GOLDENS["points"][name]
    y, raw = np.array(golden["y"]), np.array(golden["raw"])
    value = reference.value(name, y, raw, PARAM.get(name))
    gradient = reference.gradient(name, y, raw, PARAM.get(name))
    assert_allclose(value, golden["value"], rtol=1e-13, atol=1e-15)
    assert_allclose(gradient, golden["gradient"], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", reference.LOSSES)
def test_gradient_is_the_slope_of_the_loss(name):
    # Off the grid of 1/8, no point is closer to a kink than the step.
    raw = np.arange(-40, 40) / 8.0 + 0.03
    for y in (-1.0, 1.0) if name in CLASSIFICATION else (0.0, 1.0, 2.5):
        step = 1e-6
        above = reference.value(name, y, raw + step, PARAM.get(name))
        below = reference.value(name, y, raw - step, PARAM.get(name))
        slope = (above - below) / (2 * step)
        assert_allclose(reference.gradient(name, y, raw, PARAM.get(name)), slope, rtol=1e-6, atol=1e-8)


# ---- order and learning rate ---------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, 3, 17, 100])
@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_orders_repeat_one_permutation(n, seed):
    first, second, third = reference.epoch_orders(n, seed, 3)
    assert_array_equal(np.sort(first), np.arange(n))
    assert_array_equal(second, first[first])
    assert_array_equal(third, first[first][first])


def test_orders_in_row_order_without_shuffle():
    for order in reference.epoch_orders(5, 3, 2, shuffle=False):
        assert_array_equal(order, np.arange(5))


def test_patience_restarts_with_each_improvement():
    patience = reference.Patience(tol=0.1, n_iter_no_change=2)
    numbers = [5.0, 4.0, 3.95, 3.0, 2.95, 2.94]
    assert [patience.exhausted(number) for number in numbers] == [False] * 5 + [True]


def test_patience_without_tolerance_never_ends():
    patience = reference.Patience(tol=None, n_iter_no_change=1)
    assert not any(patience.exhausted(1.0) for _ in range(10))


# ---- one row per step: scikit-learn --------------------------------------------------------------


def assert_twin_equals(estimator, X, y, sample_weight=None):
    estimator.fit(X, y, sample_weight=sample_weight)
    twin = reference.fit(estimator, X, y, sample_weight)
    shift = 1 - twin.intercept if isinstance(estimator, SGDOneClassSVM) else twin.intercept
    # scikit-learn keeps an average as a difference of two numbers that grow as the weights' scale
    # shrinks, down to 1e-9: up to that many digits of the average are lost. The twin keeps them.
    rtol = 1e-7 if estimator.average else 1e-9
    assert_same_model([[*twin.coef, shift]], solution(estimator), rtol, str(estimator))
    assert twin.n_iter == estimator.n_iter_, str(estimator)


@needs_parity_version
@pytest.mark.parametrize("learning_rate", SCHEDULES)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", SKLEARN_CLASSIFICATION)
def test_twin_equals_sgd_classifier(loss, penalty, learning_rate, X, y_two, row_weights, quiet):
    for average, class_weight in ((False, None), (True, "balanced"), (37, {"yes": 2.0})):
        estimator = SGDClassifier(
            loss=loss,
            penalty=penalty,
            average=average,
            class_weight=class_weight,
            n_iter_no_change=2,
            max_iter=8,
            random_state=5,
            **steps(learning_rate),
        )
        assert_twin_equals(estimator, X, y_two, row_weights)


@needs_parity_version
@pytest.mark.parametrize("learning_rate", SCHEDULES)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", SKLEARN_REGRESSION)
def test_twin_equals_sgd_regressor(loss, penalty, learning_rate, X, y_real, row_weights, quiet):
    for average, shuffle in ((False, True), (True, False), (37, True)):
        estimator = SGDRegressor(
            loss=loss,
            penalty=penalty,
            average=average,
            shuffle=shuffle,
            n_iter_no_change=2,
            max_iter=8,
            random_state=5,
            **steps(learning_rate),
        )
        assert_twin_equals(estimator, X, y_real, row_weights)


@needs_parity_version
@pytest.mark.parametrize("learning_rate", ["pa1", "pa2"])
@pytest.mark.parametrize("penalty", PENALTIES)
def test_twin_equals_passive_aggressive(learning_rate, penalty, X, y_two, y_real, quiet):
    # Row 11 of X is all zero, which passive-aggressive steps must survive.
    for average in (False, True):
        common = {
            "learning_rate": learning_rate,
            "penalty": penalty,
            "average": average,
            "alpha": 0.01,
            "eta0": 0.2,
            "max_iter": 8,
            "random_state": 5,
        }
        assert_twin_equals(SGDClassifier(loss="hinge", **common), X, y_two)
        assert_twin_equals(SGDRegressor(loss="epsilon_insensitive", **common), X, y_real)


@needs_parity_version
@pytest.mark.parametrize("learning_rate", SCHEDULES)
@pytest.mark.parametrize("nu", [0.1, 0.5, 1.0])
def test_twin_equals_one_class_svm(learning_rate, nu, X, row_weights, quiet):
    for average, fit_intercept in ((False, True), (True, True), (37, True), (False, False)):
        estimator = SGDOneClassSVM(
            nu=nu,
            learning_rate=learning_rate,
            average=average,
            fit_intercept=fit_intercept,
            eta0=0.05,
            max_iter=8,
            random_state=5,
        )
        assert_twin_equals(estimator, X, None, row_weights)


@needs_parity_version
@pytest.mark.parametrize(
    "estimator",
    [
        *(SGDClassifier(penalty=penalty, **steps("constant")) for penalty in PENALTIES),
        *(SGDRegressor(penalty=penalty, **steps("constant")) for penalty in PENALTIES),
        SGDClassifier(learning_rate="pa1"),
        SGDOneClassSVM(learning_rate="constant"),
    ],
    ids=str,
)
def test_twin_sums_what_scikit_learn_prints(estimator, X, y_two, y_real, capsys):
    y = y_two if isinstance(estimator, SGDClassifier) else y_real
    estimator.set_params(max_iter=6, tol=None, verbose=1, random_state=5).fit(X, y)
    printed = re.findall(r"Avg\. loss: ([-\d.]+), Objective: ([-\d.]+)", capsys.readouterr().out)
    printed = np.array(printed, dtype=float)
    twin = reference.fit(estimator, X, y)
    assert printed.shape == (6, 2)
    assert_allclose(twin.loss, printed[:, 0], atol=6e-7)
    assert_allclose(twin.objective, printed[:, 1], atol=6e-7)


# ---- batches: PyTorch, the optimum, and repeated rows --------------------------------------------


@pytest.mark.parametrize("name", GOLDENS["runs"])
def test_batches_equal_pytorch_sgd(name):
    run, how = GOLDENS["runs"][name], GOLDENS["descent"]
    twin = reference.descend(
        run["X"],
        run["y"],
        loss=name,
        param=PARAM.get(name),
        orders=[np.arange(len(run["y"]))] * how["epochs"],
        eta=lambda t: how["eta"],
        penalty="l2",
        alpha=how["alpha"],
        batch_size=how["batch_size"],
        weights=np.array(run["weights"]) * 3.0,  # only their ratios count
    )
    assert_allclose(twin.coef, run["coef"], rtol=1e-12)
    assert_allclose(twin.intercept, run["intercept"], rtol=1e-12)
    assert twin.t == 1 + how["epochs"] * 3


@pytest.mark.parametrize("penalty, l1_ratio", [("l2", 0.0), ("l1", 1.0), ("elasticnet", 0.4)])
def test_full_batches_reach_the_optimum(penalty, l1_ratio, X, y_real):
    twin = reference.descend(
        X,
        y_real,
        loss="squared_error",
        orders=[np.arange(len(X))] * 4000,
        eta=lambda t: 0.3,
        penalty=penalty,
        alpha=0.05,
        l1_ratio=l1_ratio,
        batch_size="full",
    )
    optimum = ElasticNet(alpha=0.05, l1_ratio=max(l1_ratio, 1e-12), tol=1e-12, max_iter=100_000)
    optimum.fit(X, y_real)
    # The truncated gradient holds a weight at zero only up to one step of its penalty.
    assert_allclose(twin.coef, optimum.coef_, atol=1e-5 if l1_ratio == 0 else 0.3 * 0.05)
    assert_allclose(twin.intercept, optimum.intercept_, atol=1e-5 if l1_ratio == 0 else 0.01)


@pytest.mark.parametrize("name", reference.LOSSES)
def test_weight_two_is_the_row_twice(name, X, y_real, y_count):
    y = np.sign(y_real) if name in CLASSIFICATION else y_count if name == "poisson" else y_real
    times = 1 + np.arange(len(X)) % 3
    common = {
        "loss": name,
        "param": PARAM.get(name),
        "eta": lambda t: 0.1 / t**0.3,
        "penalty": "elasticnet",
        "alpha": 0.01,
        "batch_size": "full",
        "average": 3,
    }
    weighted = reference.descend(X, y, orders=[np.arange(len(X))] * 9, weights=times, **common)
    rows = np.repeat(np.arange(len(X)), times)
    repeated = reference.descend(X[rows], y[rows], orders=[np.arange(len(rows))] * 9, **common)
    assert_allclose(weighted.coef, repeated.coef, rtol=1e-10, atol=1e-12)
    assert_allclose(weighted.average_coef, repeated.average_coef, rtol=1e-10, atol=1e-12)
    assert_allclose(weighted.intercept, repeated.intercept, rtol=1e-10)
    assert_allclose(weighted.objective, repeated.objective, rtol=1e-10)


def test_a_run_continues_where_it_stopped(X, y_real):
    orders = list(reference.epoch_orders(len(X), 7, 4))
    common = {
        "loss": "huber",
        "param": 0.1,
        "eta": lambda t: 0.1 / t**0.3,
        "penalty": "l2",
        "alpha": 0.01,
        "batch_size": 7,
        "average": 1,
    }
    whole = reference.descend(X, y_real, orders=orders, **common)
    part = reference.descend(X, y_real, orders=orders[:2], **common)
    part = reference.descend(
        X,
        y_real,
        orders=orders[2:],
        coef=part.coef,
        intercept=part.intercept,
        average_coef=part.average_coef,
        average_intercept=part.average_intercept,
        t=part.t,
        **common,
    )
    assert_array_equal(part.coef, whole.coef)
    assert_array_equal(part.average_coef, whole.average_coef)
    assert part.intercept == whole.intercept
