"""Schedules: pure functions of the step, equal to PyTorch's, composed, and reachable in searches."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from cases import assert_same_model, layout, solution
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from fastgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, reference, schedules
from fastgd.optimizers import Adam
from fastgd.schedules import (
    SCHEDULES,
    Constant,
    Cosine,
    Exponential,
    InvScaling,
    OneCycle,
    Optimal,
    Piecewise,
    Polynomial,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    WarmUp,
    make_schedule,
)

pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")

GOLDENS = json.loads((Path(__file__).parent / "goldens" / "optimizers.json").read_text())

EXAMPLES = [
    Constant(0.1),
    InvScaling(0.1, 0.3),
    Optimal(0.01, 2.0),
    StepDecay(every=9, eta0=0.1),
    Exponential(0.97, eta0=0.1),
    Cosine(steps=30, eta0=0.1),
    Cosine(steps=7, restarts=True, growth=1.5, lowest=0.01, eta0=0.1),
    OneCycle(steps=40, eta0=0.1),
    Polynomial(steps=30, power=0.7, lowest=1e-3, eta0=0.1),
    WarmUp(Cosine(steps=30, eta0=0.1), steps=10),
    Piecewise([10, 25], [0.01, Exponential(0.9, eta0=0.1), 0.001]),
    ReduceOnPlateau(InvScaling(0.1)),
    Exponential(0.97, eta0=0.1) * Cosine(steps=30, lowest=0.5, eta0=1.0),
    0.5 * StepDecay(every=9, eta0=0.1),
    make_schedule(lambda t: 0.1 / (t + 3)),
]


def whole(schedule, n=50):
    return np.broadcast_to(schedule.rates(1.0, n), n)


@pytest.mark.parametrize(
    "golden", GOLDENS["schedules"], ids=lambda g: f"{g['schedule']}{g['parameters']}"
)
def test_fifty_rates_equal_pytorch(golden):
    schedule = getattr(schedules, golden["schedule"])(**golden["parameters"]).bound(GOLDENS["eta0"])
    assert_allclose(whole(schedule), golden["rates"], rtol=1e-9, atol=1e-12)


def test_every_class_has_an_example():
    classes = [getattr(schedules, name) for name in schedules.__all__]
    classes = {each for each in classes if isinstance(each, type)} - {Schedule}
    assert classes <= {type(example) for example in EXAMPLES}


@pytest.mark.parametrize("schedule", EXAMPLES, ids=repr)
def test_rates_are_a_pure_function_of_the_step(schedule):
    all_at_once = whole(schedule)
    assert (all_at_once >= 0).all() and np.isfinite(all_at_once).all()
    assert_array_equal([schedule(t) for t in range(1, 51)], all_at_once)
    assert_array_equal(schedule(np.arange(1, 51)), all_at_once)
    for start in (1, 8, 31):
        part = np.broadcast_to(schedule.rates(float(start), 20), 20)
        assert_array_equal(part[: 51 - start], all_at_once[start - 1 : start + 19])
    assert_array_equal(whole(schedule), all_at_once)


@pytest.mark.parametrize("schedule", EXAMPLES[:-1], ids=repr)
def test_schedules_are_objects_with_parameters(schedule):
    again = pickle.loads(pickle.dumps(clone(schedule)))
    assert again == schedule and hash(again) == hash(schedule)
    assert_array_equal(whole(again), whole(schedule))
    assert repr(schedule).startswith(type(schedule).__name__)
    assert clone(SGDRegressor(learning_rate=schedule)).learning_rate == schedule


def test_formulas():
    t = np.arange(1.0, 51.0)
    assert_allclose(whole(InvScaling(0.1, 0.3)), 0.1 / t**0.3)
    twin = reference.schedule("optimal", alpha=0.01, loss="squared_hinge")
    steepest = float(reference.gradient("squared_hinge", 1.0, -np.sqrt(1 / np.sqrt(0.01)), None))
    assert_allclose(whole(Optimal(0.01, steepest)), [twin(step) for step in t], rtol=1e-12)
    parts = whole(Piecewise([10, 25], [0.01, Exponential(0.9, eta0=0.1), 0.001]))
    assert_allclose(parts, [*[0.01] * 10, *(0.1 * 0.9 ** np.arange(15)), *[0.001] * 25])
    both = whole(Exponential(0.97, eta0=0.1) * Cosine(steps=30, eta0=1.0))
    assert_allclose(both, whole(Exponential(0.97, eta0=0.1)) * whole(Cosine(steps=30, eta0=1.0)))
    assert_allclose(whole(WarmUp(steps=4, start=0).bound(2.0), 6), [0, 0.5, 1, 1.5, 2, 2])


def falling(t):
    return 0.1 / t


@pytest.mark.parametrize(
    "given, same",
    [
        (WarmUp(0.1, steps=7), WarmUp(Constant(0.1), steps=7)),
        (WarmUp(falling, steps=7), WarmUp(make_schedule(falling), steps=7)),
        (ReduceOnPlateau(0.1), ReduceOnPlateau(Constant(0.1))),
        (ReduceOnPlateau(falling), ReduceOnPlateau(make_schedule(falling))),
        (
            Piecewise(np.array([10]), [0.1, falling]),
            Piecewise([10], [Constant(0.1), make_schedule(falling)]),
        ),
        (Cosine() * falling, make_schedule(falling) * Cosine()),
        (falling * Cosine(), Cosine() * make_schedule(falling)),
        (np.float32(0.5) * Cosine(), Cosine() * Constant(0.5)),
    ],
    ids=repr,
)
def test_numbers_and_functions_are_schedules(given, same, X, y_real):
    given.check()
    bound = given.bound(0.2).over(50)
    assert_array_equal(whole(bound), whole(same.bound(0.2).over(50)))
    assert bound == given.bound(0.2).over(50) and hash(bound) == hash(given.bound(0.2).over(50))
    assert clone(given).get_params(deep=False).keys() == given.get_params(deep=False).keys()
    assert bound.cut(1.0) == same.bound(0.2).over(50).cut(1.0)
    assert bound.ahead == ("falling" not in repr(given))
    common = {"max_iter": 5, "tol": None, "random_state": 5, "batch_size": 7}
    fits = [SGDRegressor(learning_rate=each, **common).fit(X, y_real) for each in (given, same)]
    assert_array_equal(solution(fits[0]), solution(fits[1]))


def test_a_number_is_a_constant_rate_whatever_eta0(X, y_real, y_two):
    common = {"max_iter": 5, "tol": None, "random_state": 5}
    for estimator, y in ((SGDClassifier(), y_two), (SGDRegressor(), y_real), (SGDOneClassSVM(), None)):
        estimator.set_params(**common)
        number = clone(estimator).set_params(learning_rate=0.003, eta0=7.0).fit(X, y)
        named = clone(estimator).set_params(learning_rate="constant", eta0=0.003).fit(X, y)
        assert_array_equal(number.coef_, named.coef_)


def test_functions_are_called_not_copied():
    class Calls:
        def __init__(self):
            self.count = 0

        def __call__(self, t):
            self.count += 1
            return 0.1

    calls = Calls()
    SGDRegressor(learning_rate=calls, max_iter=2, tol=None).fit([[1.0], [2.0]], [1.0, 2.0])
    assert calls.count > 0
    calls.count = 0
    SGDRegressor(learning_rate=WarmUp(calls), max_iter=2, tol=None).fit([[1.0], [2.0]], [1.0, 2.0])
    assert calls.count > 0


def test_classes_are_no_schedules(X, y_two):
    for params, sentence in (
        ({"learning_rate": Cosine}, r"learning_rate=Cosine is a class; give an object: Cosine\(\)"),
        ({"learning_rate": WarmUp(Cosine)}, r"schedule=Cosine is a class"),
        ({"learning_rate": Adam}, r"learning_rate=Adam is a class"),
        ({"optimizer": Adam}, r"optimizer=Adam is a class; give an object: Adam\(\)"),
        ({"learning_rate": WarmUp("cosine")}, r"schedule='cosine': .* such as Cosine\(eta0=0.1\)"),
        ({"learning_rate": Cosine() * "x"}, r"second='x' is neither"),
        ({"learning_rate": True}, r"learning_rate=True is neither"),
    ):
        with pytest.raises(TypeError, match=sentence):
            SGDClassifier(**params).fit(X, y_two)


def test_a_plateau_is_a_matter_of_the_whole_fit(X, y_two):
    for part in (ReduceOnPlateau(), 2 * ReduceOnPlateau(), WarmUp(ReduceOnPlateau())):
        with pytest.raises(ValueError, match=r"parts\[1\]=.* reduces .*ReduceOnPlateau\(Piecewise"):
            SGDClassifier(learning_rate=Piecewise([10], [0.1, part])).fit(X, y_two)
    SGDClassifier(learning_rate=ReduceOnPlateau(Piecewise([10], [0.1, 0.01]))).fit(X, y_two)


def test_errors_list_names_in_order(X, y_two):
    for params in ({"learning_rate": "cosinus"}, {"optimizer": "adamant"}, {"loss": "hing"}):
        with pytest.raises(ValueError) as caught:
            SGDClassifier(**params).fit(X, y_two)
        names = re.findall(r"'(\w+)'", str(caught.value).split("{")[1].split("}")[0])
        assert len(names) > 8 and names == sorted(names)


def test_what_is_open_is_filled_in():
    schedule = WarmUp(Cosine(), steps=3)
    assert not schedule.endless
    filled = schedule.bound(0.2).over(40)
    assert filled.endless
    assert filled.schedule.get_params() == Cosine(steps=40, eta0=0.2).get_params()
    assert schedule.schedule.eta0 is None and schedule.schedule.steps is None
    mixed = Piecewise([5], [Constant(), 0.1]).bound(0.3)
    assert_allclose(whole(mixed, 7), [0.3] * 5 + [0.1] * 2)


@pytest.mark.parametrize("kind", ["dense", "csr32"])
@pytest.mark.parametrize("batch_size", [1, 7, "full"])
@pytest.mark.parametrize("schedule", [*EXAMPLES[3:11], 0.03, lambda t: 0.2 / (t + 3)], ids=repr)
def test_fits_equal_the_twin_s(schedule, batch_size, kind, X, y_two, y_real):
    common = {"alpha": 0.01, "max_iter": 5, "tol": None, "random_state": 5, "batch_size": batch_size}
    for estimator, y in ((SGDClassifier(loss="log_loss"), y_two), (SGDRegressor(), y_real)):
        estimator.set_params(learning_rate=schedule, **common)
        twin = reference.fit(estimator, X, y)
        estimator.fit(layout(X, kind), y)
        assert_same_model(solution(estimator), [[*twin.coef, twin.intercept]], 1e-8)
        assert_allclose(estimator.history_["learning_rate"], twin.learning_rate, rtol=1e-12)


def test_names_take_their_numbers_from_the_fit(X, y_real):
    common = {"max_iter": 5, "tol": None, "random_state": 5, "batch_size": 7, "eta0": 0.05}
    named = SGDRegressor(learning_rate="cosine", **common).fit(X, y_real)
    given = SGDRegressor(learning_rate=Cosine(steps=45, eta0=0.05), **common).fit(X, y_real)
    assert_array_equal(solution(named), solution(given))
    eta0_of_the_estimator = SGDRegressor(learning_rate=Cosine(), **common).fit(X, y_real)
    assert_array_equal(solution(eta0_of_the_estimator), solution(given))


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"pa1", "pa2"}))
def test_many_models_have_the_rates_of_one(name, X, y_three):
    common = {"loss": "log_loss", "alpha": 0.01, "random_state": 5, "eta0": 0.05, "shuffle": False}
    common |= {"max_iter": 30, "n_iter_no_change": 2, "learning_rate": name, "batch_size": 7}
    together = SGDClassifier(**common).fit(
        X, np.where(y_three == 2, 3, y_three % 3) + X[:, 0].round() % 2
    )
    for k, label in enumerate(together.classes_):
        y = np.where(y_three == 2, 3, y_three % 3) + X[:, 0].round() % 2 == label
        alone = SGDClassifier(**common).fit(X, y)
        assert_same_model(solution(together)[k], solution(alone)[0], 1e-8)


def test_a_plateau_reduces_what_is_inside(X, y_real):
    common = {"max_iter": 200, "random_state": 5, "n_iter_no_change": 2, "eta0": 0.05}
    adaptive = SGDRegressor(learning_rate="adaptive", **common).fit(X, y_real)
    given = SGDRegressor(learning_rate=ReduceOnPlateau(), **common).fit(X, y_real)
    assert_array_equal(solution(given), solution(adaptive))
    thirds = SGDRegressor(learning_rate=ReduceOnPlateau(divide_by=3, lowest=0.01), **common)
    rates = np.unique(thirds.fit(X, y_real).history_["learning_rate"])[::-1]
    assert_allclose(rates, [0.05, 0.05 / 3, 0.05 / 9])


def test_searches_reach_the_parameters(X, y_two):
    from fastgd.model_selection import GridSearchCV

    model = SGDClassifier(loss="log_loss", random_state=0, max_iter=3, tol=None, eta0=0.1)
    model.set_params(learning_rate=WarmUp(Cosine(), steps=5))
    grid = {"learning_rate__steps": [2, 30], "learning_rate__schedule__lowest": [0.0, 0.05]}
    search = GridSearchCV(model, grid, cv=3, refit=False).fit(X, y_two)
    assert len(search.cv_results_["params"]) == 4
    assert model.learning_rate.steps == 5


def test_one_class_takes_schedules(X):
    model = SGDOneClassSVM(
        learning_rate=Exponential(0.999), eta0=0.1, random_state=0, max_iter=3, tol=None
    )
    model.fit(X)
    assert model.history_["learning_rate"][-1] == pytest.approx(0.1 * 0.999**179)


def test_partial_fit_goes_on_in_the_schedule(X, y_real):
    schedule = Cosine(steps=120, eta0=0.05)
    common = {"learning_rate": schedule, "shuffle": False, "tol": None, "batch_size": 2}
    whole_fit = SGDRegressor(max_iter=4, **common).fit(X, y_real)
    parts = SGDRegressor(**common)
    for _ in range(4):
        parts.partial_fit(X, y_real)
    assert_same_model(solution(parts), solution(whole_fit), 1e-12)
    with pytest.raises(ValueError, match="does not know"):
        SGDRegressor(learning_rate="cosine").partial_fit(X, y_real)


@pytest.mark.parametrize(
    "bad, name",
    [
        (Constant(0.0), "eta0"),
        (Constant(float("inf")), "eta0"),
        (Cosine(steps=0), "steps"),
        (Exponential(1.1), "decay"),
        (WarmUp(Cosine(steps=-1)), "steps"),
        (ReduceOnPlateau(divide_by=1), "divide_by"),
        (Piecewise([5], [0.1, -0.1]), r"parts\[1\]"),
        (WarmUp(-0.1), "schedule"),
        (Cosine() * 0, "second"),
        (-0.1, "learning_rate"),
    ],
)
def test_bad_parameters_are_refused(bad, name, X, y_two):
    with pytest.raises(ValueError, match=f"{name}(=|' parameter).*must be"):
        SGDClassifier(learning_rate=bad).fit(X, y_two)


def test_counts_are_whole(X, y_two):
    for bad, sentence in (
        (Cosine(steps=2.5), r"steps=2.5 of Cosine\(steps=2.5\) must be an int >= 1"),
        (StepDecay(every=10.0), "every=10.0 of .* must be an int"),
        (Piecewise([2.5], [0.1, 0.2]), r"boundaries\[0\]=2.5 of .* must be an int"),
        (Cosine(steps=True), "steps=True"),
    ):
        with pytest.raises(TypeError, match=sentence):
            bad.check()
    Cosine(steps=np.int64(3), growth=1.5).check()
    with pytest.raises(ValueError, match=r"growth=0.5 of .* must be >= 1 and finite"):
        Cosine(growth=0.5).check()


def test_bad_rates_are_refused(X, y_two):
    with pytest.raises(ValueError, match="rising boundaries"):
        SGDClassifier(learning_rate=Piecewise([5, 3], [1.0, 2.0, 3.0])).fit(X, y_two)
    with pytest.raises(ValueError, match="for step 4"):
        SGDClassifier(learning_rate=lambda t: np.nan if t == 4 else 0.1).fit(X, y_two)
    with pytest.raises(TypeError, match="'much'"):
        SGDClassifier(learning_rate=Cosine(lowest="much")).fit(X, y_two)
    with pytest.raises(ValueError, match="'learning_rate' parameter"):
        SGDClassifier(learning_rate="cosinus").fit(X, y_two)
