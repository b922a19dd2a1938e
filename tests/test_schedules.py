"""Schedules: pure functions of the step, equal to PyTorch's, composed, and reachable in searches."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from cases import assert_same_model, layout, solution
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from fastgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, reference, schedules
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
@pytest.mark.parametrize("schedule", [*EXAMPLES[3:11], lambda t: 0.2 / (t + 3)], ids=repr)
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
        (Piecewise([5], [0.1, -0.1]), "eta0"),
    ],
)
def test_bad_parameters_are_refused(bad, name, X, y_two):
    with pytest.raises(ValueError, match=f"{name}=.*must be"):
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
