"""minimize() and Optimizer: known minima and functions that fail."""

import pickle
import re

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import Bounds, OptimizeResult, rosen, rosen_der

from fastgd import Optimizer, SGDClassifier, minimize, reference
from fastgd.optimizers import OPTIMIZERS, SGD, Adam, Averaged
from fastgd.schedules import Cosine, Exponential, ReduceOnPlateau, WarmUp

pytestmark = pytest.mark.kernels


def beale(w):
    x, y = w
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def beale_gradient(w):
    x, y = w
    parts = np.array([1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3])
    return 2 * np.array([parts @ [y - 1, y**2 - 1, y**3 - 1], parts @ [x, 2 * x * y, 3 * x * y**2]])


def himmelblau(w):
    x, y = w
    return (x * x + y - 11) ** 2 + (x + y * y - 7) ** 2


def himmelblau_gradient(w):
    x, y = w
    a, b = x * x + y - 11, x + y * y - 7
    return np.array([4 * x * a + 2 * b, 2 * a + 4 * y * b])


HIMMELBLAU = [(3, 2), (-2.805118, 3.131312), (-3.779310, -3.283186), (3.584428, -1.848126)]
SCALES = np.geomspace(1, 1e3, 10)


def quadratic(w):
    return 0.5 * SCALES @ w**2


def quadratic_gradient(w):
    return SCALES * w


FUNCTIONS = {
    "rosenbrock": (rosen, rosen_der, [-1.2, 1.0], [(1.0, 1.0)]),
    "beale": (beale, beale_gradient, [1.0, 1.0], [(3.0, 0.5)]),
    "himmelblau": (himmelblau, himmelblau_gradient, [0.5, 0.5], HIMMELBLAU),
    "ill-conditioned": (quadratic, quadratic_gradient, np.ones(10), [np.zeros(10)]),
}
# learning rates that get there in 20,000 steps
RATES = {
    "sgd": {"rosenbrock": 1e-3, "beale": 1e-2, "himmelblau": 1e-2, "ill-conditioned": 1e-3},
    "momentum": {"rosenbrock": 5e-4, "beale": 1e-3, "himmelblau": 1e-3, "ill-conditioned": 1e-3},
    "nesterov": {"rosenbrock": 5e-4, "beale": 1e-3, "himmelblau": 1e-3, "ill-conditioned": 3e-4},
    "adam": {"rosenbrock": 1e-2, "beale": 1e-2, "himmelblau": 1e-2, "ill-conditioned": 1e-2},
    "adagrad": {"rosenbrock": 0.5, "beale": 0.5, "himmelblau": 0.5, "ill-conditioned": 0.5},
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("optimizer", RATES)
def test_known_minima_are_found(optimizer, function):
    fun, jac, x0, minima = FUNCTIONS[function]
    result = minimize(
        fun,
        x0,
        jac=jac,
        optimizer=optimizer,
        learning_rate=RATES[optimizer][function],
        max_iter=40_000,
        tol=1e-6,
    )
    assert result.success and result.status == 0, result.message
    assert min(np.abs(result.x - minimum).max() for minimum in minima) < 1e-4
    assert result.fun == fun(result.x) <= result.path_fun.min() + 1e-9
    assert np.abs(jac(result.x)).max() <= 1e-6
    assert_allclose(result.jac, jac(result.x))
    assert result.path.shape == (result.nit + 1, len(x0))
    assert_array_equal(result.path_fun, [fun(x) for x in result.path])
    assert result.nfev == result.nit + 1


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_paths_are_the_twin_s(name):
    rule, eta = OPTIMIZERS[name](clip_norm=3.0, clip_value=2.5, weight_decay=0.01), 0.02
    result = minimize(
        himmelblau,
        [0.5, 0.5],
        jac=himmelblau_gradient,
        optimizer=rule,
        learning_rate=eta,
        max_iter=40,
        tol=0,
    )
    w, memory = np.array([0.5, 0.5]), {}
    for t in range(1, 41):
        g = reference.clipped(himmelblau_gradient(memory.get("point", w)), rule.get_params())
        w = reference.UPDATES[rule.rule](w, g, eta, t, rule.get_params(), memory)
        assert_allclose(result.path[t], w, rtol=1e-9)
    assert result.status == 1


def test_the_classic():
    seen = []
    result = minimize(
        lambda w: (w - 2) ** 2,
        5,
        jac=lambda w: seen.append(2 * (w - 2)) or seen[-1],
        learning_rate=0.1,
        callback=lambda xk: None,
    )
    assert seen[0] == [6.0]
    assert_allclose(result.path[1], [4.4])
    assert_allclose(result.x, [2.0], atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_finite_differences_say_so(name):
    common = {"optimizer": name, "learning_rate": 1e-3, "max_iter": 30}
    exact = minimize(rosen, [-1.2, 1, 0.5], jac=rosen_der, **common)
    estimated = minimize(rosen, [-1.2, 1, 0.5], **common)
    assert_allclose(estimated.path, exact.path, atol=1e-5)
    assert "central differences" in estimated.message and "differences" not in exact.message
    assert estimated.nfev > 6 * 30


def test_value_and_gradient_in_one():
    common = {"max_iter": 50, "learning_rate": 1e-3}
    for optimizer in ("sgd", "averaged"):
        common["optimizer"] = optimizer
        together = minimize(lambda w: (rosen(w), rosen_der(w)), [-1.2, 1.0], jac=True, **common)
        apart = minimize(rosen, [-1.2, 1.0], jac=rosen_der, **common)
        assert_array_equal(together.path, apart.path)
        if optimizer == "sgd":
            assert together.nfev == 51


def test_arguments_and_shapes():
    result = minimize(
        lambda w, a, b: ((w - a) ** 2).sum() * b,
        [0.0, 0.0],
        (3.0, 0.5),
        jac=lambda w, a, b: 2 * b * (w - a),
        learning_rate=0.5,
    )
    assert_allclose(result.x, [3.0, 3.0], atol=1e-6)
    x0 = np.array([5.0, 5.0])
    x0.setflags(write=False)
    minimize(quadratic_of_two, x0, jac=lambda w: 2 * w)
    assert_array_equal(x0, [5.0, 5.0])


def quadratic_of_two(w):
    return w @ w


def test_callbacks_are_scipy_s():
    seen = []

    def intermediate(intermediate_result):
        assert isinstance(intermediate_result, OptimizeResult)
        seen.append((intermediate_result.x, intermediate_result.fun))

    result = minimize(rosen, [0.0, 0.0], jac=rosen_der, callback=intermediate, max_iter=7)
    assert_array_equal([x for x, _ in seen], result.path[1:])
    assert_array_equal([fun for _, fun in seen], result.path_fun[1:])
    points = []
    minimize(rosen, [0.0, 0.0], jac=rosen_der, callback=lambda xk: points.append(xk) or False, max_iter=7)
    assert_array_equal(points, result.path[1:])
    points[0][:] = 99  # the callback's own

    def stop(xk):
        raise StopIteration

    for callback in (lambda xk: True, stop):
        stopped = minimize(rosen, [0.0, 0.0], jac=rosen_der, callback=callback)
        assert stopped.status == 99 and stopped.nit == 1 and not stopped.success
        assert "callback" in stopped.message

    def broken(xk):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        minimize(rosen, [0.0, 0.0], jac=rosen_der, callback=broken)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_bounds_hold(name):
    bounds = Bounds([-1.5, 0.0], [0.3, 0.4])
    common = {"jac": himmelblau_gradient, "optimizer": name, "learning_rate": 0.01, "max_iter": 500}
    result = minimize(himmelblau, [0.0, 0.1], bounds=bounds, **common)
    assert (result.path >= bounds.lb - 1e-15).all() and (result.path <= bounds.ub + 1e-15).all()
    again = minimize(himmelblau, [0.0, 0.1], bounds=[(-1.5, 0.3), (0.0, 0.4)], **common)
    assert_array_equal(again.path, result.path)
    if name == "sgd":
        assert result.success  # both entries of the gradient point out of the box
        assert_allclose(result.x, [0.3, 0.4])
    differences = minimize(himmelblau, [9.0, 9.0], bounds=bounds, optimizer=name, max_iter=3)
    assert_array_equal(differences.path[0], [0.3, 0.4])


def test_one_bound_is_enough():
    result = minimize(
        lambda w: w @ w,
        [3.0, 3.0],
        jac=lambda w: 2 * w,
        bounds=[(1, None), (None, None)],
        learning_rate=0.1,
    )
    assert_allclose(result.x, [1.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_functions_that_leave_the_numbers(wrong):
    def fun(w):
        return float(w @ w) if w[0] > 1 else wrong

    result = minimize(fun, [3.0], jac=lambda w: 2 * w, learning_rate=0.2)
    assert result.status == 2 and not result.success
    assert_array_equal(result.x, result.path[-2 if result.path[-1, 0] <= 1 else -1])
    assert result.fun == fun(result.x)
    assert re.search(
        r"fun returned -?(nan|inf)\. That was at step 3, with learning rate 0\.2", result.message
    )


def test_gradients_that_leave_the_numbers():
    result = minimize(
        quadratic_of_two, [3.0], jac=lambda w: 2 * w if w[0] > 1 else w * np.nan, learning_rate=0.2
    )
    assert result.status == 2 and "gradient" in result.message
    assert np.isfinite(result.x).all() and result.fun == result.path_fun.min()


def test_steps_that_diverge():
    with np.errstate(over="ignore"):
        result = minimize(quadratic_of_two, [3.0, 1.0], jac=lambda w: 2 * w, learning_rate=100.0)
    assert result.status == 2
    assert_array_equal(result.x, [3.0, 1.0])
    assert "smaller learning rate" in result.message


def test_functions_that_raise():
    def fun(w):
        if w[0] < 1:
            raise RuntimeError("simulation failed")
        return float(w @ w)

    result = minimize(fun, [3.0], jac=lambda w: 2 * w, learning_rate=0.2)
    assert result.status == 3 and isinstance(result.error, RuntimeError)
    assert "fun raised RuntimeError: simulation failed" in result.message
    assert result.fun == fun(result.x)
    with pytest.raises(RuntimeError, match="simulation failed"):
        minimize(fun, [0.0], jac=lambda w: 2 * w)
    with pytest.raises(ValueError, match=r"fun returned nan.*x0"):
        minimize(lambda w: np.nan, [0.0], jac=lambda w: 2 * w)


def well(w):
    """A narrow well at 0, deeper than the wide one at 3."""
    return -100 * np.exp(-((w[0] / 0.1) ** 2)) + (w[0] - 3) ** 2


def well_gradient(w):
    return 2e4 * w * np.exp(-((w / 0.1) ** 2)) + 2 * (w - 3)


def test_what_is_said_is_true_of_the_point_that_is_returned():
    result = minimize(well, [0.005], jac=well_gradient, learning_rate=0.1)
    assert_array_equal(result.x, [0.005])
    assert result.fun == well(result.x) == result.path_fun.min()
    assert_allclose(result.jac, well_gradient(result.x))
    assert not result.success and result.status == 5
    assert "93.8" in result.message and "smaller learning rate" in result.message
    again = minimize(well, result.x, jac=well_gradient, learning_rate=1e-5)
    assert again.success and again.fun < result.fun


@pytest.mark.parametrize("name", ["momentum", "averaged", "adam"])
def test_a_point_is_stationary_or_no_success(name):
    for jac in (quadratic_gradient, None):
        common = {"jac": jac, "optimizer": name, "learning_rate": 1e-3}
        for max_iter in (50, 30_000 if jac else 100):
            result = minimize(quadratic, np.linspace(0.01, 0.02, 10), max_iter=max_iter, **common)
            largest = np.abs(quadratic_gradient(result.x)).max()
            assert_allclose(result.jac, quadratic_gradient(result.x), atol=1e-8)
            assert result.fun == quadratic(result.x)
            assert result.success == (largest <= 1e-6) or jac is None
            if not result.success:
                assert f"its largest entry is {np.abs(result.jac).max():.3g}" in result.message


def test_momentum_may_pass_lower_points_on_its_way_to_rest():
    # nearly flat along the first axis: a value below that of the last point, with a larger gradient
    result = minimize(
        lambda w: 0.5 * (w[0] ** 2 + 1000 * w[1] ** 2),
        [1.0, 1e-3],
        jac=lambda w: np.array([w[0], 1000 * w[1]]),
        optimizer="momentum",
        learning_rate=1e-3,
        max_iter=100_000,
    )
    assert result.success and np.abs(result.jac).max() <= 1e-6
    assert result.fun <= result.path_fun.min() + 1e-9


@pytest.mark.parametrize("wrong", [None, "3", np.zeros(2), 1j], ids=repr)
@pytest.mark.parametrize("which", ["fun", "jac", "both"])
def test_functions_that_return_no_numbers_in_the_end(which, wrong):
    def fun(w):
        return wrong if which == "fun" and w[0] < 1 else float(w @ w)

    def jac(w):
        return wrong if which == "jac" and w[0] < 1 else 2 * w

    def both(w):
        return (wrong if w[0] < 1 else float(w @ w)), 2 * w

    functions = {"fun": both, "jac": True} if which == "both" else {"fun": fun, "jac": jac}
    result = minimize(x0=[3.0], learning_rate=0.2, **functions)
    assert result.status == 4 and not result.success
    assert "must return" in result.message and "at step 3" in result.message
    assert result.fun == result.x @ result.x == result.path_fun.min()
    assert len(result.path) == len(result.path_fun) == result.nit + 1


def test_an_interruption_brings_the_point_along():
    def fun(w):
        if w[0] < 1:
            raise KeyboardInterrupt
        return float(w @ w)

    with pytest.raises(KeyboardInterrupt) as stop:
        minimize(fun, [3.0], jac=lambda w: 2 * w, learning_rate=0.2)
    result = stop.value.result
    assert result.fun == fun(result.x) == result.path_fun.min() and result.nit == 2
    assert not result.success and "Interrupted after 2 steps" in result.message


@pytest.mark.parametrize("name", ["sgd", "averaged"])
def test_functions_may_keep_and_change_what_they_get(name):
    kept, buffer = [], np.empty(2)

    def fun(w):
        kept.append(w)
        value = float((w - 2) @ (w - 2))
        w -= 2
        return value

    def jac(w):
        w -= 2
        w *= 2
        buffer[:] = w
        return buffer

    def clean(w):
        return float((w - 2) @ (w - 2))

    common = {"x0": [5.0, 1.0], "optimizer": name, "learning_rate": 0.6, "max_iter": 20}
    expected = minimize(clean, jac=lambda w: 2 * (w - 2), **common)
    for result in (
        minimize(fun, jac=jac, **common),
        minimize(lambda w: (fun(w.copy()), jac(w)), jac=True, **common),
    ):
        assert_array_equal(result.path, expected.path)
        assert_array_equal(result.x, expected.x)
        assert_array_equal(result.jac, expected.jac)
    assert len({id(w) for w in kept}) == len(kept)


def test_a_gradient_that_was_overwritten_is_not_returned():
    buffer = np.empty(1)

    def fun(w):
        buffer[:] = 2 * w
        if abs(w[0]) < 0.01:
            raise KeyboardInterrupt
        return (float(w @ w) if w[0] > 1 else np.nan), buffer

    result = minimize(fun, [3.0], jac=True, learning_rate=0.2)
    assert result.status == 2
    assert_array_equal(result.jac, 2 * result.x)
    with pytest.raises(KeyboardInterrupt) as stop:
        minimize(fun, [3.0], jac=True, learning_rate=0.5)
    assert stop.value.result.jac is None


def test_schedules_set_the_steps():
    common = {"jac": lambda w: np.ones(1), "tol": 0, "max_iter": 6}
    falling = minimize(lambda w: w[0], [0.0], learning_rate=Exponential(0.5, eta0=1.0), **common)
    assert_allclose(-np.diff(falling.path[:, 0]), 0.5 ** np.arange(6))
    cosine = minimize(lambda w: w[0], [0.0], learning_rate=WarmUp(Cosine(eta0=1.0), steps=2), **common)
    assert_allclose(-np.diff(cosine.path[:, 0]), WarmUp(Cosine(6, eta0=1.0), steps=2)(np.arange(1, 7)))
    called = minimize(lambda w: w[0], [0.0], learning_rate=lambda t: 1.0 / t, **common)
    assert_allclose(-np.diff(called.path[:, 0]), 1.0 / np.arange(1, 7))


@pytest.mark.parametrize("wrap", [lambda f: f, lambda f: 1.0 * (WarmUp(1.0, steps=1, start=1.0) * f)])
def test_functions_of_the_step_are_asked_when_it_comes(wrap):
    asked, table = [], [0.1] * 100

    def rate(t):
        asked.append(t)
        return table[t - 1]

    common = {"jac": lambda w: np.ones(1), "tol": 0, "learning_rate": wrap(rate)}
    assert minimize(lambda w: w[0], [0.0], max_iter=100, **common).nit == 100
    assert asked == [*range(1, 101)]
    longer = minimize(lambda w: w[0], [0.0], max_iter=101, **common)
    assert longer.status == 3 and isinstance(longer.error, IndexError) and longer.nit == 100
    assert (
        "learning_rate raised IndexError: list index out of range. That was at step 101" in longer.message
    )
    assert ".." not in longer.message
    asked.clear()
    optimizer, w = Optimizer("sgd", wrap(rate)), np.zeros(1)
    for t in range(1, 101):
        optimizer.step(w, [1.0])
        assert asked == [*range(1, t + 1)]
    for _ in range(2):
        with pytest.raises(IndexError):
            optimizer.step(w, [1.0])
    assert optimizer.t == 100
    with pytest.raises(TypeError):
        minimize(lambda w: w[0], [0.0], learning_rate=lambda: 0.1)


def test_a_step_that_is_refused_takes_no_rate():
    optimizer, w = Optimizer("sgd", Exponential(0.5, eta0=1.0)), np.zeros(1)
    optimizer.step(w, [1.0])
    with pytest.raises(ValueError, match="at step 2"):
        optimizer.step(w, [np.nan])
    optimizer.step(w, [1.0])
    assert_array_equal(w, [-1.5])


def test_a_plateau_reduces_the_rate():
    # signs only: the rate decides how close one gets
    common = {"jac": np.sign, "optimizer": "sgd", "max_iter": 400, "tol": 0}
    constant = minimize(lambda w: np.abs(w).sum(), [1.05], learning_rate=0.1, **common)
    reduced = minimize(
        lambda w: np.abs(w).sum(), [1.05], learning_rate=ReduceOnPlateau().bound(0.1), **common
    )
    assert constant.fun > 0.04
    assert reduced.fun < 1e-4


def test_without_the_path():
    result = minimize(rosen, [0.0, 0.0], jac=rosen_der, keep_path=False, max_iter=9)
    assert result.path is None and len(result.path_fun) == 10


def test_any_whole_number_of_steps():
    for steps in (0, 3, np.int8(127)):
        result = minimize(
            rosen, [0.0, 0.0], jac=rosen_der, max_iter=steps, learning_rate=Cosine(eta0=1e-3)
        )
        assert result.nit == steps and result.status == 1
        assert_array_equal(result.path[0], [0.0, 0.0])
        assert_array_equal(result.jac, rosen_der(result.x))


@pytest.mark.parametrize(
    "params, sentence",
    [
        ({"x0": [1.0, np.nan]}, "x0 must be finite; entry 1 is nan"),
        ({"x0": np.zeros((2, 2))}, r"x0 must be .* got shape \(2, 2\)"),
        ({"x0": "here"}, "x0 must be .* got 'here'"),
        ({"x0": None}, "x0 must be .* got None"),
        ({"x0": []}, r"x0 must be .* got shape \(0,\)"),
        ({"fun": 3}, "fun=3 must be a function"),
        ({"args": 3}, r"args=3 must be a tuple .* such as \(3,\)"),
        ({"callback": 3}, "callback=3 must be a function"),
        ({"max_iter": -1}, "max_iter=-1 must be an int"),
        ({"max_iter": 2.5}, "max_iter=2.5 must be an int"),
        ({"max_iter": True}, "max_iter=True must be an int"),
        ({"tol": -1}, "tol=-1 must be"),
        ({"tol": None}, "tol=None must be"),
        ({"tol": np.nan}, "tol=nan must be"),
        ({"jac": "2-point"}, "jac='2-point'"),
        ({"learning_rate": "cosine"}, r"learning_rate='cosine': .* such as Cosine\(eta0=0.1\)"),
        ({"learning_rate": "optimal"}, r"learning_rate='optimal': .* such as Optimal\(alpha=0.001\)"),
        ({"learning_rate": "cosinus"}, r"learning_rate='cosinus' is neither"),
        ({"learning_rate": Cosine}, r"learning_rate=Cosine is a class; give an object: Cosine\(\)"),
        ({"learning_rate": -1.0}, r"learning_rate=-1.0 must be > 0 and finite"),
        ({"learning_rate": True}, r"learning_rate=True is neither"),
        ({"optimizer": Adam}, r"optimizer=Adam is a class; give an object: Adam\(\)"),
        ({"optimizer": "adamant"}, "adamant"),
        ({"bounds": [(0, 1), (0, 1), (0, 1)]}, "2 pairs"),
        ({"bounds": [(1, 0), (0, 1)]}, r"Lower bounds .* of x\[0\] are 1.0 and 0.0"),
        ({"bounds": [(0, 1), (0, np.nan)]}, r"Lower bounds .* of x\[1\] are 0.0 and nan"),
        ({"bounds": 3}, "2 pairs"),
        ({"bounds": [(0, 1), (0,)]}, "2 pairs"),
        ({"bounds": [0, 1]}, "2 pairs"),
        ({"bounds": Bounds([0, 0, 0], [1, 1, 1])}, r"shape \(2,\)"),
        ({"fun": lambda w: w}, "must return a number"),
        ({"fun": lambda w: None}, r"must return a number; it returned None.*x0"),
        ({"fun": lambda w: "3"}, r"must return a number; it returned '3'"),
        ({"fun": lambda w: 1j}, r"must return a number; it returned 1j"),
        ({"fun": lambda w: [1.0, [2.0]]}, r"must return a number"),
        ({"jac": lambda w: np.zeros(3)}, r"jac must return a gradient of shape \(2,\).*shape \(3,\).*x0"),
        ({"jac": lambda w: None}, r"jac must return a gradient .* it returned None"),
        ({"jac": True}, r"fun must return a pair \(value, gradient\); it returned"),
        ({"jac": True, "fun": lambda w: (1.0, None)}, "fun must return a gradient"),
    ],
)
def test_bad_arguments_are_refused(params, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        minimize(**{"fun": rosen, "x0": [0.0, 0.0], "jac": rosen_der} | params)


# ---- one step at a time --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_equal_the_twin_s(name, dtype):
    rule = OPTIMIZERS[name](clip_norm=4.0, weight_decay=0.01)
    draws = np.random.RandomState(0)
    arrays = [draws.randn(3, 4).astype(dtype), draws.randn(5).astype(dtype)]
    twins = [w.astype(float) for w in arrays]
    points, memories = [w.copy() for w in twins], [{}, {}]
    optimizer = Optimizer(rule, learning_rate=Exponential(0.9, eta0=0.05))
    for t in range(1, 21):
        gradients = [draws.randn(*w.shape).astype(dtype) for w in arrays]
        before = [g.copy() for g in gradients]
        optimizer.step(arrays, gradients)
        assert all(map(np.array_equal, gradients, before))
        factor = min(1.0, 4.0 / (np.linalg.norm(np.concatenate([g.ravel() for g in gradients])) + 1e-6))
        for i, (g, memory) in enumerate(zip(gradients, memories, strict=True)):
            eta = 0.05 * 0.9 ** (t - 1)
            step = rule.get_params() | {"clip_norm": None}
            twins[i] = reference.UPDATES[rule.rule](
                twins[i], factor * g.astype(float), eta, t, step, memory
            )
            points[i] = memory.get("point", twins[i])
    rtol = 1e-9 if dtype == np.float64 else 1e-4
    for w, point in zip(arrays, points, strict=True):
        assert_allclose(w, point, rtol=rtol, atol=rtol)
    for answer, twin in zip(optimizer.answer(arrays), twins, strict=True):
        assert_allclose(answer, twin, rtol=rtol, atol=rtol)
    assert optimizer.t == 20


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_pickled_optimizer_goes_on(name):
    draws = np.random.RandomState(0)
    optimizer, w = Optimizer(name, learning_rate=Exponential(0.9, eta0=0.1)), np.ones((2, 3))
    for _ in range(5):
        optimizer.step(w, draws.randn(2, 3))
    again, v, gradient = pickle.loads(pickle.dumps(optimizer)), w.copy(), draws.randn(2, 3)
    optimizer.step(w, gradient)
    again.step(v, gradient)
    assert_array_equal(v, w)
    assert_array_equal(again.answer(v), optimizer.answer(w))


def test_a_gradient_that_is_not_finite_moves_nothing():
    w = np.array([1.0, 2.0])
    optimizer = Optimizer("adam")
    with pytest.raises(ValueError, match="not finite at step 1"):
        optimizer.step(w, np.array([np.nan, 1.0]))
    assert_array_equal(w, [1.0, 2.0])
    assert optimizer.t == 0


@pytest.mark.parametrize(
    "weights, what",
    [
        ([1.0, 2.0], "a float"),
        (np.arange(3), "one of int64"),
        (np.ones((4, 4))[:, ::2], r"one of shape \(4, 2\) with strides \(32, 16\)"),
        (np.ones((3, 4), order="F"), r"one of shape \(3, 4\) with strides \(8, 24\)"),
        (np.ones(3, np.float16), "one of float16"),
        (np.broadcast_to(1.0, (1, 1)), "a read-only one"),
    ],
)
def test_what_cannot_be_moved_in_place_is_refused(weights, what):
    with pytest.raises(ValueError, match=f"in place, not {what}. Make one by") as caught:
        Optimizer().step(weights, np.ones(np.shape(weights)))
    remedy = re.search(r"np\.array\(.*\)", str(caught.value))[0]
    movable = eval(remedy, {"np": np, "w": weights})
    Optimizer().step(movable, np.ones(np.shape(weights)))


def test_arrays_keep_their_shapes():
    optimizer = Optimizer("momentum")
    optimizer.step(np.ones(3), np.ones(3))
    for weights, gradients in (
        (np.ones(4), np.ones(4)),
        (np.ones(3), np.ones(2)),
        ([np.ones(3)] * 2, [np.ones(3)] * 2),
    ):
        with pytest.raises(ValueError):
            optimizer.step(weights, gradients)
    with pytest.raises(ValueError, match="needs `steps`"):
        Optimizer("sgd", Cosine(eta0=0.1))


def test_a_loop_by_hand_is_the_estimator_s(X, y_two):
    sign = np.where(y_two == "yes", 1.0, -1.0)
    w, b = np.zeros(X.shape[1]), np.zeros(1)
    optimizer = Optimizer(Adam(beta1=0.8), learning_rate=0.05)
    for _ in range(10):
        for first in range(0, len(X), 20):
            rows = slice(first, first + 20)
            pull = -sign[rows] / (1 + np.exp(sign[rows] * (X[rows] @ w + b))) / 20
            optimizer.step([w, b], [pull @ X[rows], [pull.sum()]])
    model = SGDClassifier(
        loss="log_loss", penalty=None, optimizer=Adam(beta1=0.8), batch_size=20, shuffle=False
    )
    model.set_params(learning_rate="constant", eta0=0.05, max_iter=10, tol=None).fit(X, y_two)
    assert_allclose(model.coef_[0], w, rtol=1e-9)
    assert_allclose(model.intercept_, b, rtol=1e-9)


def test_rules_and_what_they_say():
    assert repr(Optimizer(SGD(clip_norm=1.0), 0.1)) == "Optimizer(SGD(clip_norm=1.0), Constant(eta0=0.1))"
    assert repr(Optimizer("adam")) == "Optimizer(Adam(), Constant(eta0=0.001))"
    average = Optimizer(Averaged(), 0.5)
    w = np.array([2.0])
    average.step(w, [1.0])
    average.step(w, [1.0])
    assert_array_equal(w, [1.0])
    assert_array_equal(average.answer(w), [1.25])
