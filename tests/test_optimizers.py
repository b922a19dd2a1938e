"""Optimizers: kernel = NumPy twin = PyTorch, lazy = eager, one run = the same run in pieces.

Design note. The rules are enumerated from their registry. The twin, which never waits, is the arbiter
of the kernels; what says that both are right is PyTorch, recorded in `goldens/optimizers.json`, and for
the rules that PyTorch lacks the papers' recursions, written down once more below.
"""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from cases import PENALTIES, assert_same_model, layout, solution
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from fastgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, reference, training
from fastgd.optimizers import (
    OPTIMIZERS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Averaged,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    ScheduleFreeSGD,
    make_optimizer,
)

pytestmark = [
    pytest.mark.kernels,
    pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"),
]

LAYOUTS = ("dense", "csr32", "csr64")
BATCHES = (1, 7, "full")
# A learning rate at which each rule trains and nothing grows.
RATES = {"adadelta": 0.5, "lion": 0.01, "schedule_free_adam": 0.02, "adam": 0.02, "rmsprop": 0.01}
COMMON = {"alpha": 0.01, "max_iter": 5, "tol": None, "random_state": 5}

# Every rule as it is, and the parameters that change its arithmetic.
VARIANTS = [klass() for klass in OPTIMIZERS.values() if klass is not SGD] + [
    SGD(clip_norm=0.3),
    SGD(weight_decay=0.1),
    Momentum(momentum=0.7, dampening=0.4, clip_value=0.1),
    Adagrad(initial_accumulator=0.5, weight_decay=0.2),
    Adam(beta1=0.0, beta2=0.9, eps=1e-3, clip_norm=0.5, clip_value=0.2),
    NAdam(momentum_decay=0.1),
    Lion(weight_decay=0.5),
    Averaged(start=9, weight_decay=0.05),
    OPTIMIZERS["schedule_free_sgd"](beta=0.5, weight_decay=0.1, clip_norm=1.0),
    OPTIMIZERS["schedule_free_adam"](beta1=0.8, weight_decay=0.1),
]


def rate(rule):
    return {"learning_rate": "constant", "eta0": RATES.get(rule.rule, 0.03)}


def assert_equals_twin(estimator, twin, rtol, message):
    shift = 1 - twin.intercept if isinstance(estimator, SGDOneClassSVM) else twin.intercept
    expected = np.array([[*twin.coef, shift]])
    actual = solution(estimator).astype(float)
    assert_allclose(actual, expected, rtol=0, atol=rtol * np.abs(expected).max(), err_msg=message)
    assert estimator.n_iter_ == twin.n_iter, message
    for key in ("loss", "objective"):
        assert_allclose(
            estimator.history_[key], getattr(twin, key), rtol=rtol, atol=rtol, err_msg=message + key
        )


EXACT, ROUGH = (np.float64, 1e-8), (np.float32, 2e-3)


def fit_everywhere(estimator, X, y, kinds=LAYOUTS, types=(EXACT, ROUGH), **fit_params):
    """Fit to every layout and number type of X, and compare each with the twin."""
    for dtype, rtol in types:
        if dtype == np.float32 and getattr(estimator.optimizer, "rule", None) == "lion":
            continue  # the sign of nearly nothing is a matter of rounding
        rounded = X.astype(dtype)
        twin = reference.fit(estimator, rounded, y, **fit_params)
        for kind in kinds:
            estimator.fit(layout(rounded, kind), y, **fit_params)
            assert_equals_twin(estimator, twin, rtol, f"{estimator} {dtype.__name__} {kind} ")


# ---- kernel = twin, dense = CSR, lazy = eager ----------------------------------------------------


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("rule", VARIANTS, ids=repr)
def test_kernel_equals_twin(rule, batch_size, X, y_two, y_real, row_weights):
    for penalty in (None, "elasticnet"):
        common = {**COMMON, **rate(rule), "penalty": penalty, "batch_size": batch_size}
        classifier = SGDClassifier(loss="log_loss", optimizer=rule, **common)
        fit_everywhere(classifier, X, y_two, sample_weight=row_weights)
    fit_everywhere(SGDRegressor(optimizer=rule, **common), X, y_real, sample_weight=row_weights)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("schedule", ["optimal", "invscaling", "adaptive"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_schedules_and_penalties_equal_twin(name, schedule, penalty, X, y_two):
    rule = OPTIMIZERS[name]()
    common = {**COMMON, "alpha": 0.05, "penalty": penalty, "batch_size": 7, "max_iter": 12, "tol": 1e-2}
    estimator = SGDClassifier(loss="log_loss", optimizer=rule, learning_rate=schedule, **common)
    estimator.set_params(eta0=RATES.get(rule.rule, 0.05), n_iter_no_change=2)
    fit_everywhere(estimator, X, y_two, kinds=("dense", "csr32"))


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("name", ["adam", "averaged", "momentum"])
def test_one_class_equals_twin(name, batch_size, X, row_weights):
    rule = OPTIMIZERS[name]()
    common = {"max_iter": 5, "tol": None, "random_state": 5, "batch_size": batch_size}
    estimator = SGDOneClassSVM(nu=0.3, optimizer=rule, **rate(rule), **common)
    fit_everywhere(estimator, X, None, sample_weight=row_weights)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_columns_that_wait_equal_columns_that_do_not(name, batch_size):
    # Column 0 is in one row of 60; others in few. Momenta and averages must catch up exactly.
    draws = np.random.RandomState(4)
    X = np.where(draws.rand(60, 40) < 0.05, draws.randn(60, 40), 0.0)
    X[:, 0] = 0.0
    X[17, 0] = 3.0
    y = draws.randn(60)
    rule = OPTIMIZERS[name](weight_decay=0.0)
    for schedule in ("constant", "invscaling"):
        for clip in (None, 0.5):
            rule.set_params(clip_norm=clip)
            estimator = SGDRegressor(penalty=None, optimizer=rule, batch_size=batch_size, **COMMON)
            estimator.set_params(**rate(rule) | {"learning_rate": schedule}, max_iter=40)
            fit_everywhere(estimator, X, y, types=(EXACT,))


@pytest.mark.parametrize("name", ["momentum", "lion", "averaged", "schedule_free_adam", "adadelta"])
def test_columns_wait_longer_than_the_span(name):
    # More steps than are kept: everybody catches up in between.
    draws = np.random.RandomState(4)
    X = np.where(draws.rand(2500, 30) < 0.03, draws.rand(2500, 30), 0.0)
    X[:, 0] = 0.0
    X[5, 0] = 1.0
    y = X @ draws.randn(30)
    rule = OPTIMIZERS[name]()
    estimator = SGDRegressor(penalty=None, optimizer=rule, **rate(rule), **COMMON | {"max_iter": 2})
    dense = solution(estimator.fit(X, y))
    assert_same_model(solution(estimator.fit(sp.csr_matrix(X), y)), dense, 1e-9)


@pytest.mark.parametrize("d", [1, 3, 8, 15, 16, 17, 33, 511, 513, 1031])
def test_columns_of_every_number(d):
    draws = np.random.RandomState(d)
    X, y = draws.randn(23, d) / np.sqrt(d), np.where(draws.rand(23) < 0.5, -1, 1)
    for name in ("adam", "schedule_free_sgd"):
        for batch_size in (1, 5):
            rule = OPTIMIZERS[name](clip_norm=0.5)
            estimator = SGDClassifier(loss="log_loss", optimizer=rule, batch_size=batch_size, **COMMON)
            fit_everywhere(estimator.set_params(**rate(rule)), X, y)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_integers_are_trained_on_as_float64(name, y_two):
    whole = np.random.RandomState(6).randint(0, 100, size=(60, 9)).astype(np.uint8)
    for batch_size in BATCHES:
        estimator = SGDClassifier(optimizer=name, batch_size=batch_size, eta0=1e-4, **COMMON)
        estimator.set_params(learning_rate="constant", loss="log_loss")
        expected = solution(estimator.fit(whole.astype(np.float64), y_two))
        assert_same_model(solution(estimator.fit(whole, y_two)), expected, 1e-9)


def test_sgd_as_an_object_is_the_default(X, y_two):
    for batch_size in BATCHES:
        for kind in ("dense", "csr32"):
            data = layout(X, kind)
            plain = SGDClassifier(batch_size=batch_size, **COMMON).fit(data, y_two)
            named = SGDClassifier(batch_size=batch_size, optimizer=SGD(), **COMMON).fit(data, y_two)
            assert_array_equal(solution(named), solution(plain))


@pytest.mark.parametrize("batch_size", [7, "full"])
def test_the_rule_of_sgd_takes_the_steps_of_sgd(batch_size, X, y_real):
    # Clipping that never clips: the same model by the other loops.
    common = {**COMMON, "batch_size": batch_size, "learning_rate": "invscaling"}
    plain = solution(SGDRegressor(**common).fit(X, y_real))
    other = SGDRegressor(optimizer=SGD(clip_norm=1e9), **common).fit(X, y_real)
    assert_same_model(solution(other), plain, 1e-9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_two_is_the_row_twice(name, X, y_two):
    times = np.arange(len(X)) % 4
    estimator = SGDClassifier(loss="log_loss", batch_size="full", optimizer=name, **COMMON)
    estimator.set_params(**rate(OPTIMIZERS[name]()))
    for kind in LAYOUTS:
        weighted = solution(estimator.fit(layout(X, kind), y_two, sample_weight=times))
        X2, y2 = np.repeat(X, times, axis=0), np.repeat(y_two, times)
        assert_same_model(weighted, solution(estimator.fit(layout(X2, kind), y2)), 1e-7)


# ---- one run and its pieces ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_run_is_the_same_run_in_pieces(name, dtype, kind, X, y_three, y_real):
    data = layout(X.astype(dtype), kind)
    common = {"shuffle": False, "tol": None, "alpha": 0.01, "optimizer": name, "eta0": 0.01}
    common["learning_rate"] = "constant"
    for klass, y, batch_size in ((SGDClassifier, y_three, 7), (SGDRegressor, y_real, 1)):
        for penalty in (None, "l2"):
            make = lambda: klass(penalty=penalty, batch_size=batch_size, **common)  # noqa: B023, E731
            whole = make().set_params(max_iter=4).fit(data, y)
            known = {"classes": np.unique(y)} if klass is SGDClassifier else {}
            parts = make().partial_fit(data, y, **known)
            parts.partial_fit(data, y)
            parts = pickle.loads(pickle.dumps(parts))
            parts.partial_fit(data, y).partial_fit(data, y)
            if name != "sgd" or dtype == np.float64:  # plain SGD rounds its intercept between calls
                assert_array_equal(solution(parts), solution(whole))
            assert parts.t_ == whole.t_
            warm = make().set_params(warm_start=True, max_iter=2).fit(data, y)
            before = solution(warm).copy()
            warm.fit(data, y)
            assert (solution(warm) != before).any()
            if name != "sgd" or dtype == np.float64:
                assert_array_equal(solution(warm), solution(whole))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_epoch_in_several_calls_is_one_epoch(name, X, y_two, monkeypatch):
    for batch_size in (1, 7):
        for kind in ("dense", "csr32"):
            for penalty in (None, "l2"):
                model = SGDClassifier(optimizer=name, batch_size=batch_size, penalty=penalty, **COMMON)
                model.set_params(**rate(OPTIMIZERS[name]()))
                whole = solution(model.fit(layout(X, kind), y_two))
                with monkeypatch.context() as patch:
                    patch.setattr(training, "SEGMENT", 20 * X.shape[1])
                    assert_same_model(solution(model.fit(layout(X, kind), y_two)), whole, 1e-9)


def test_another_optimizer_begins_anew(X, y_real):
    model = SGDRegressor(optimizer="adam", **COMMON).partial_fit(X, y_real)
    model.set_params(optimizer="amsgrad").partial_fit(X, y_real)
    assert model._optimizer_states[0].numbers[0] == len(X)
    model.set_params(optimizer="sgd").partial_fit(X, y_real)
    assert not hasattr(model, "_optimizer_states")


def test_a_fit_without_warm_start_begins_anew(X, y_real):
    for kind in ("dense", "csr32"):
        model = SGDRegressor(optimizer="adam", batch_size=4, **COMMON).fit(layout(X, kind), y_real)
        first = solution(model)
        assert_array_equal(solution(model.fit(layout(X, kind), y_real)), first)


def test_restored_weights_go_on_from_their_own_state(X, y_real):
    common = {**COMMON, "shuffle": False, "optimizer": "schedule_free_sgd", "batch_size": 5}
    common |= {"learning_rate": "constant", "early_stopping": True, "warm_start": True}
    model = SGDRegressor(**common | {"max_iter": 30, "eta0": 0.3})
    model.fit(X[:40], y_real[:40], X_val=X[40:], y_val=y_real[40:])
    best = int(np.argmax(model.history_["validation_score"])) + 1
    assert best < 30
    assert model._optimizer_states[0].numbers[0] == best * 8


# ---- as parameters -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rules_are_objects_with_parameters(name):
    rule = OPTIMIZERS[name](clip_norm=2.0)
    again = pickle.loads(pickle.dumps(clone(rule)))
    assert again.get_params() == rule.get_params()
    assert "clip_norm=2.0" in repr(rule)
    assert make_optimizer(rule) is rule
    model = SGDClassifier(optimizer=rule)
    assert model.get_params()["optimizer__clip_norm"] == 2.0
    assert clone(model).set_params(optimizer__clip_norm=3.0).optimizer.clip_norm == 3.0
    assert rule.clip_norm == 2.0


def test_searches_reach_the_parameters(X, y_two):
    from fastgd.model_selection import GridSearchCV

    model = SGDClassifier(optimizer=Adam(), loss="log_loss", random_state=0, max_iter=5, tol=None)
    grid = {"optimizer__beta1": [0.0, 0.9], "optimizer": [Adam()]}
    search = GridSearchCV(model, grid, cv=3).fit(X, y_two)
    assert len(search.cv_results_["params"]) == 2
    assert "optimizer='adam'" in str(search.sharing_report_)
    betas = [params["optimizer__beta1"] for params in search.cv_results_["params"]]
    for beta1, score in zip(betas, search.cv_results_["split0_test_score"], strict=True):
        from sklearn.model_selection import StratifiedKFold

        train, test = next(StratifiedKFold(3).split(X, y_two))
        alone = clone(model).set_params(optimizer__beta1=beta1).fit(X[train], y_two[train])
        assert alone.score(X[test], y_two[test]) == score


@pytest.mark.parametrize(
    "rule, name",
    [
        (Adam(beta1=1.0), "beta1"),
        (Adam(beta2=-0.1), "beta2"),
        (Adam(eps=0.0), "eps"),
        (Nesterov(momentum=2), "momentum"),
        (SGD(clip_norm=0.0), "clip_norm"),
        (AdamW(weight_decay=-1.0), "weight_decay"),
        (Averaged(start=0), "start"),
        (Averaged(start=1.5), "start"),
        (Adam(beta1=float("nan")), "beta1"),
        (SGD(clip_value=float("inf")), "clip_value"),
    ],
)
def test_bad_parameters_are_refused(rule, name, X, y_two):
    model = SGDClassifier(optimizer=rule)
    with pytest.raises((ValueError, TypeError), match=f"{name}=.*must be"):
        model.fit(X, y_two)
    assert not hasattr(model, "coef_")


def test_what_is_no_number_is_refused(X, y_two):
    with pytest.raises(TypeError, match="beta1='much'"):
        SGDClassifier(optimizer=Adam(beta1="much")).fit(X, y_two)
    with pytest.raises(ValueError, match="The 'optimizer' parameter"):
        SGDClassifier(optimizer="adamant").fit(X, y_two)
    with pytest.raises(ValueError, match="no optimizer 'adamant'"):
        make_optimizer("adamant")


def test_what_only_plain_steps_have_is_refused(X, y_two, y_three):
    for params in ({"average": True}, {"learning_rate": "pa1"}):
        with pytest.raises(ValueError, match="optimizer 'sgd'"):
            SGDClassifier(optimizer="adam", **params).fit(X, y_two)
    with pytest.raises(ValueError, match="multinomial"):
        model = SGDClassifier(loss="log_loss", multi_class="multinomial", optimizer="adam")
        model.fit(X, y_three)


def test_the_optimal_rate_is_the_rule_s_own(X, y_two):
    for name, klass in OPTIMIZERS.items():
        model = SGDClassifier(optimizer=name, loss="log_loss", **COMMON).fit(X, y_two)
        rates = model.history_["learning_rate"]
        if klass.rate is None:
            assert rates[0] > rates[-1]
        else:
            assert_array_equal(rates, klass.rate)


def test_overflow_is_found(X, y_real):
    for kind in ("dense", "csr32"):
        for name in ("momentum", "averaged"):
            model = SGDRegressor(optimizer=name, eta0=1e6, learning_rate="constant", max_iter=200)
            with pytest.raises(ValueError, match="overflow"):
                model.fit(layout(X, kind), y_real)


# ---- PyTorch, and the papers where it lacks the rule ---------------------------------------------

GOLDENS = json.loads((Path(__file__).parent / "goldens" / "optimizers.json").read_text())


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("label", GOLDENS["runs"])
def test_fifty_steps_equal_pytorch(label, kind):
    golden = GOLDENS["runs"][label]
    X, y = layout(np.array(GOLDENS["X"]), kind), np.array(GOLDENS["y"])
    model = SGDClassifier(
        loss="log_loss",
        alpha=GOLDENS["alpha"],
        batch_size=GOLDENS["batch_size"],
        optimizer=OPTIMIZERS[golden["optimizer"]](**golden["parameters"]),
        learning_rate="constant",
        eta0=golden["rate"],
        shuffle=False,
    )
    for coef, intercept in zip(golden["coef"], golden["intercept"], strict=True):
        model.partial_fit(X, y, classes=[-1, 1], sample_weight=GOLDENS["weights"])
        assert_allclose(solution(model), [[*coef, intercept]], atol=1e-7)
    assert model.t_ == 51


def gradients(steps=50):
    """Some gradients in a row; the rules see them wherever they are."""
    return np.random.RandomState(0).randn(steps, 3)


def after(rule, rate, start):
    """Weights after the rule's steps along `gradients`, by the kernels."""
    w = np.array(start)
    updates = rule.updates(rule.begin(w))
    for g in gradients():
        updates.step(w, g, rate)
    return w


def test_lion_is_algorithm_2_of_its_paper():
    theta, m, eta, decay = np.array([1.0, -2.0, 0.5]), np.zeros(3), 0.01, 0.3
    for g in gradients():
        update = np.sign(0.9 * m + (1 - 0.9) * g)
        theta = theta - eta * (update + decay * theta)
        m = 0.99 * m + (1 - 0.99) * g
    assert_allclose(after(Lion(weight_decay=decay), eta, [1.0, -2.0, 0.5]), theta, rtol=1e-12)


@pytest.mark.parametrize("start", [1, 7])
def test_averaged_is_the_mean_of_the_steps(start):
    iterates = np.array([1.0, -2.0, 0.5]) - 0.1 * gradients().cumsum(axis=0)
    averaged = after(Averaged(start=start), 0.1, [1.0, -2.0, 0.5])
    assert_allclose(averaged, iterates[start - 1 :].mean(axis=0), rtol=1e-12)


def test_schedule_free_sgd_is_equation_2_to_4_of_its_paper():
    # gradients that do not depend on y: x is the mean of z_1 ... z_t, by weights that are all equal
    z = np.array([1.0, -2.0, 0.5]) - 0.1 * gradients().cumsum(axis=0)
    free = OPTIMIZERS["schedule_free_sgd"]()
    assert_allclose(after(free, 0.1, [1.0, -2.0, 0.5]), z.mean(axis=0), rtol=1e-12)
    # and y lies between z and x
    w = np.array([1.0, -2.0, 0.5])
    state = free.begin(w)
    free.updates(state).step(w, gradients()[0], 0.1)
    assert_allclose(state.point(w), 0.1 * z[0] + 0.9 * w, rtol=1e-12)


def test_schedule_free_adam_is_algorithm_1_of_its_paper():
    x = z = np.array([1.0, -2.0, 0.5])
    v, total, eta, decay, beta1 = np.zeros(3), 0.0, 0.05, 0.1, 0.9
    for t, g in enumerate(gradients(), start=1):
        y = (1 - beta1) * z + beta1 * x
        v = 0.999 * v + (1 - 0.999) * g**2
        eta_t = eta * np.sqrt(1 - 0.999**t)
        z = z - eta_t * g / (np.sqrt(v) + 1e-8) - eta_t * decay * y
        total += eta_t**2
        c = eta_t**2 / total
        x = (1 - c) * x + c * z
    rule = OPTIMIZERS["schedule_free_adam"](weight_decay=decay)
    assert_allclose(after(rule, eta, [1.0, -2.0, 0.5]), x, rtol=1e-10)


def test_every_rule_has_an_arbiter():
    recorded = {golden["optimizer"] for golden in GOLDENS["runs"].values()}
    assert set(OPTIMIZERS) - recorded == {
        *("lion", "averaged", "schedule_free_sgd", "schedule_free_adam")
    }
    assert {klass.rule for klass in OPTIMIZERS.values()} == set(reference.UPDATES)


def test_ranges_say_what_they_hold():
    for rule, sentence in (
        (ScheduleFreeSGD(beta=1.5), r"beta=1.5 of .* must be >= 0 and <= 1\."),
        (Adam(beta1=1.0), r"beta1=1.0 of .* must be >= 0 and < 1\."),
        (SGD(clip_norm=0), r"clip_norm=0 of .* must be > 0 and finite\."),
        (SGD(weight_decay=np.inf), r"weight_decay=inf of .* must be >= 0 and finite\."),
    ):
        with pytest.raises(ValueError, match=sentence):
            rule.check()
    ScheduleFreeSGD(beta=1.0).check()
