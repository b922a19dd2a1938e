"""Laws that hold for every loss, penalty, number type, layout and batch size.

Design note. Each law says that two ways to the same model end at the same model: the kernels and
the NumPy twin, dense rows and sparse ones, postponed penalties and immediate ones, a weight of two
and the row twice, one thread and several. The cases are enumerated from the registries, so whatever
is added to those is under the same laws at once. "Kernels" in the mark means: run again for every
instruction-set level.

Tolerances. float64: 1e-8, since only the order of additions may differ. float32 weights: 5e-4 of
the largest coefficient, against the twin in float64 on the same rounded data; that is some hundreds
of steps of one rounding each. "The same bits" means the same bits.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from cases import (
    CLASSIFICATION,
    PENALTIES,
    REGRESSION,
    SKLEARN_CLASSIFICATION,
    assert_same_model,
    layout,
    solution,
    steps,
)
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from fastgd import SGDClassifier, SGDOneClassSVM, SGDRegressor, reference, training
from fastgd.losses import LOSSES
from fastgd.schedules import SCHEDULES

pytestmark = [
    pytest.mark.kernels,
    pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning"),
]

LAYOUTS = ("dense", "csr32", "csr64")
BATCHES = (1, 7, "full")
MODELS = [(SGDClassifier, loss) for loss in SKLEARN_CLASSIFICATION]
MODELS += [(SGDRegressor, loss) for loss in REGRESSION]

COMMON = {
    "learning_rate": "constant",
    "eta0": 0.05,
    "alpha": 0.01,
    "max_iter": 5,
    "tol": None,
    "random_state": 5,
}


@pytest.fixture(scope="module")
def target(y_two, y_real, y_count):
    """The y that suits an estimator."""

    def suits(estimator):
        if isinstance(estimator, SGDClassifier):
            return y_two
        return y_count if getattr(estimator, "loss", None) == "poisson" else y_real

    return suits


def assert_equals_twin(estimator, twin, dtype=np.float64, message=""):
    """The fitted estimator has the twin's model, number of epochs and history."""
    # intercept_ is kept in the number type of the weights, like coef_.
    assert estimator.coef_.dtype == dtype
    shift = 1 - twin.intercept if isinstance(estimator, SGDOneClassSVM) else twin.intercept
    actual, expected = solution(estimator).astype(float), np.array([[*twin.coef, shift]])
    if dtype == np.float64:
        rtol = 1e-8
        assert_same_model(actual, expected, rtol, message)
    else:
        rtol = 5e-4
        assert_allclose(actual, expected, atol=rtol * np.abs(expected).max(), err_msg=message)
    assert estimator.n_iter_ == twin.n_iter, message
    for key in ("loss", "objective", "update_norm"):
        recorded = estimator.history_[key]
        assert_allclose(recorded, getattr(twin, key), rtol=rtol, atol=rtol, err_msg=message + key)


def fit_everywhere(estimator, X, y, **fit_params):
    """Fit to every layout and number type of X, and compare each with the twin."""
    for dtype in (np.float64, np.float32):
        rounded = X.astype(dtype)
        twin = reference.fit(estimator, rounded, y, **fit_params)
        for kind in LAYOUTS:
            estimator.fit(layout(rounded, kind), y, **fit_params)
            assert_equals_twin(estimator, twin, dtype, f"{estimator} {dtype.__name__} {kind} ")


# ---- kernel = twin, dense = CSR, lazy = eager ----------------------------------------------------


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("klass, loss", MODELS)
def test_kernel_equals_twin(klass, loss, penalty, batch_size, X, target, row_weights):
    estimator = klass(loss=loss, penalty=penalty, batch_size=batch_size, **COMMON)
    if loss == "quantile":
        estimator.set_params(quantile=0.3)
    fit_everywhere(estimator, X, target(estimator), sample_weight=row_weights)


@pytest.mark.parametrize("learning_rate", ["optimal", "invscaling", "adaptive", "constant"])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
@pytest.mark.parametrize("penalty", ["l1", "elasticnet"])
@pytest.mark.parametrize("loss", ["hinge", "log_loss"])
def test_weights_that_reach_zero_unseen(loss, penalty, batch_size, learning_rate):
    """With l1 on CSR, most columns of a row to come were last seen many steps, of many rates, ago."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((9000, 12)) * (rng.random((9000, 12)) < 0.05)  # more rows than are noted
    y = (X.sum(axis=1) + rng.standard_normal(9000) > 0).astype(int)
    estimator = SGDClassifier(loss=loss, penalty=penalty, batch_size=batch_size, random_state=0)
    estimator.set_params(learning_rate=learning_rate, eta0=0.1, l1_ratio=0.7, max_iter=6)
    for alpha in (1e-3, 3e-2):
        dense, sparse = (
            clone(estimator).set_params(alpha=alpha).fit(kind(X), y)
            for kind in (np.asarray, sp.csr_matrix)
        )
        assert dense.n_iter_ == sparse.n_iter_
        assert_allclose(sparse.coef_, dense.coef_, rtol=0, atol=1e-11 * np.abs(dense.coef_).max())
        assert_allclose(sparse.history_["objective"], dense.history_["objective"], rtol=1e-11)


@pytest.mark.parametrize("average", [True, 4, 10_000])
@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("klass, loss", [(SGDClassifier, "log_loss"), (SGDRegressor, "huber")])
def test_average_equals_twin(klass, loss, penalty, batch_size, average, X, target):
    estimator = klass(loss=loss, penalty=penalty, batch_size=batch_size, average=average, **COMMON)
    fit_everywhere(estimator, X, target(estimator))


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("rule", ["pa1", "pa2"])
def test_passive_aggressive_equals_twin(rule, penalty, batch_size, X, target, row_weights):
    for estimator in (SGDClassifier(), SGDRegressor(loss="epsilon_insensitive")):
        estimator.set_params(**COMMON, penalty=penalty, batch_size=batch_size)
        estimator.set_params(learning_rate=rule, eta0=0.2)
        fit_everywhere(estimator, X, target(estimator), sample_weight=row_weights)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("nu", [0.1, 1.0])
def test_one_class_equals_twin(nu, batch_size, average, X, row_weights):
    estimator = SGDOneClassSVM(
        nu=nu,
        batch_size=batch_size,
        average=average,
        learning_rate="invscaling",
        eta0=0.1,
        max_iter=5,
        tol=None,
        random_state=5,
    )
    fit_everywhere(estimator, X, None, sample_weight=row_weights)


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("learning_rate", ["optimal", "invscaling", "constant", "adaptive"])
def test_stopping_equals_twin(learning_rate, batch_size, X, target, row_weights):
    # Larger batches weight the sum that decides when to stop; single rows do not.
    common = {**COMMON, **steps(learning_rate), "max_iter": 80, "tol": 1e-2}
    for estimator in (SGDClassifier(loss="log_loss"), SGDRegressor(penalty="elasticnet")):
        estimator.set_params(**common, batch_size=batch_size, n_iter_no_change=2)
        y = target(estimator)
        estimator.fit(X, y, sample_weight=row_weights)
        assert_equals_twin(estimator, reference.fit(estimator, X, y, row_weights))


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 16, 31, 61])
def test_rows_of_every_number(n):
    draws = np.random.RandomState(n)
    X, y = draws.randn(n, 5), draws.randn(n)
    for batch_size in {1, min(2, n), "full"}:
        estimator = SGDRegressor(batch_size=batch_size, **COMMON)
        fit_everywhere(estimator, X, y)


@pytest.mark.parametrize("d", [1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 257])
def test_columns_of_every_number(d):
    draws = np.random.RandomState(d)
    X, y = draws.randn(23, d) / np.sqrt(d), np.where(draws.rand(23) < 0.5, -1, 1)
    X[draws.rand(23, d) < 0.3] = 0.0
    for penalty in ("l2", "l1"):
        for batch_size in BATCHES:
            params = {"penalty": penalty, "batch_size": batch_size, "average": d % 2 == 0}
            fit_everywhere(SGDClassifier(loss="log_loss", **params, **COMMON), X, y)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_long_rows(penalty):
    # Rows so long that kernels change their way of reading them.
    draws = np.random.RandomState(8)
    for d in (1031, 4099, 9001):
        X, y = draws.randn(13, d) / np.sqrt(d), draws.randn(13)
        params = {"penalty": penalty, "batch_size": 1}
        fit_everywhere(SGDRegressor(**params, **COMMON), X, y)
        fit_everywhere(SGDRegressor(**params | {"batch_size": 4}, **COMMON), X, y)


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_penalty_of_a_rare_feature_is_not_forgotten(penalty, batch_size):
    # Column 0 occurs in one row of 40: its penalties of 39 steps wait, and must all arrive.
    draws = np.random.RandomState(4)
    X = np.where(draws.rand(40, 6) < 0.2, draws.randn(40, 6), 0.0)
    X[:, 0] = 0.0
    X[17, 0] = 3.0
    y = draws.randn(40)
    common = {**COMMON, "alpha": 0.1, "max_iter": 40}
    for average in (False, True):
        estimator = SGDRegressor(penalty=penalty, batch_size=batch_size, average=average, **common)
        fit_everywhere(estimator, X, y)


@pytest.mark.parametrize("batch_size", BATCHES)
def test_rows_of_zeros(batch_size, y_real):
    # Nothing but the intercept can learn; a CSR matrix of it stores nothing at all.
    estimator = SGDRegressor(batch_size=batch_size, **COMMON)
    fit_everywhere(estimator, np.zeros((60, 4)), y_real)
    assert not estimator.coef_.any()
    assert estimator.intercept_[0] != 0


def test_stored_zeros_and_unsorted_indices_change_nothing(X, y_real):
    plain = sp.csr_matrix(X)
    kept = sp.csr_matrix(np.where(X == 0, 9.0, X))
    kept.data[kept.data == 9.0] = 0.0
    assert kept.nnz == X.size
    backwards = plain.copy()
    for first, last in zip(plain.indptr[:-1], plain.indptr[1:], strict=True):
        backwards.indices[first:last] = plain.indices[first:last][::-1]
        backwards.data[first:last] = plain.data[first:last][::-1]
    backwards.has_sorted_indices = False
    for penalty in PENALTIES:
        for batch_size in BATCHES:
            estimator = SGDRegressor(penalty=penalty, batch_size=batch_size, **COMMON)
            expected = solution(estimator.fit(X, y_real))
            assert_same_model(solution(estimator.fit(kept, y_real)), expected, 1e-9)
            assert_same_model(solution(estimator.fit(backwards, y_real)), expected, 1e-9)


@pytest.mark.parametrize("kind", LAYOUTS[1:])
def test_sparse_equals_dense_beyond_fit(kind, X, y_three, y_real):
    sparse = layout(X, kind)
    for params in ({"early_stopping": True}, {"average": True}, {"class_weight": "balanced"}):
        dense_fit = SGDClassifier(loss="log_loss", random_state=2, **params).fit(X, y_three)
        sparse_fit = SGDClassifier(loss="log_loss", random_state=2, **params).fit(sparse, y_three)
        assert_same_model(solution(sparse_fit), solution(dense_fit))
        assert sparse_fit.n_iter_ == dense_fit.n_iter_
        assert_allclose(sparse_fit.predict_proba(sparse), dense_fit.predict_proba(X), atol=1e-6)
    ours, again = SGDRegressor(random_state=2), SGDRegressor(random_state=2)
    for rows in (slice(0, 25), slice(25, 60)):
        ours.partial_fit(X[rows], y_real[rows])
        again.partial_fit(sparse[rows], y_real[rows])
    assert_same_model(solution(again), solution(ours))
    assert_allclose(again.predict(sparse), again.predict(X), rtol=1e-12)


# ---- weights and batches -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("klass, loss", MODELS)
def test_weight_two_is_the_row_twice(klass, loss, kind, X, target):
    estimator = klass(loss=loss, penalty="elasticnet", batch_size="full", **COMMON)
    estimator.set_params(tol=1e-3, max_iter=30)
    y, times = target(estimator), np.arange(len(X)) % 4  # weight 0: the row is not there
    # From a crooked start: at zero the perceptron sits on its kink, where rounding decides.
    start = {"coef_init": np.linspace(-0.1, 0.1, X.shape[1]), "intercept_init": [0.0123]}
    weighted = solution(estimator.fit(layout(X, kind), y, sample_weight=times, **start))
    epochs = estimator.n_iter_
    X2, y2 = np.repeat(X, times, axis=0), np.repeat(y, times)
    repeated = estimator.fit(layout(X2, kind), y2, **start)
    assert_same_model(weighted, solution(repeated), 1e-8)
    assert epochs == repeated.n_iter_


@pytest.mark.parametrize("batch_size", BATCHES)
def test_class_weight_is_the_weight_of_its_rows(batch_size, X, y_two):
    common = {**COMMON, "loss": "log_loss", "batch_size": batch_size}
    by_class = SGDClassifier(class_weight={"yes": 0.25, "no": 3.0}, **common).fit(X, y_two)
    by_row = SGDClassifier(**common).fit(X, y_two, sample_weight=np.where(y_two == "yes", 0.25, 3))
    assert_same_model(solution(by_class), solution(by_row), 1e-12)


@pytest.mark.parametrize("batch_size", [7, "full"])
def test_only_ratios_of_weights_count_in_batches(batch_size, X, y_real, row_weights):
    estimator = SGDRegressor(batch_size=batch_size, **COMMON)
    plain = solution(estimator.fit(X, y_real, sample_weight=row_weights))
    scaled = solution(estimator.fit(X, y_real, sample_weight=1000.0 * row_weights))
    assert_same_model(scaled, plain, 1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_batch_of_all_rows_is_the_full_batch(kind, dtype, X, target):
    data = layout(X.astype(dtype), kind)
    rtol = 1e-4 if dtype == np.float32 else 1e-9
    for klass in (SGDClassifier, SGDRegressor, SGDOneClassSVM):
        estimator = klass(learning_rate="constant", eta0=0.05, random_state=5)
        y = target(estimator)
        full = solution(estimator.set_params(batch_size="full").fit(data, y))
        all_rows = solution(estimator.set_params(batch_size=len(X)).fit(data, y))
        assert_same_model(all_rows.astype(float), full.astype(float), rtol)


def test_order_does_not_matter_to_the_full_batch(X, y_real):
    shuffled = SGDRegressor(batch_size="full", **COMMON).fit(X, y_real)
    in_order = SGDRegressor(batch_size="full", shuffle=False, **COMMON).fit(X[::-1], y_real[::-1])
    assert_same_model(solution(shuffled), solution(in_order), 1e-9)


def test_steps_are_counted(X, y_real):
    for batch_size, steps_per_epoch in ((1, 60), (7, 9), (60, 1), ("full", 1)):
        estimator = SGDRegressor(batch_size=batch_size, **COMMON).fit(X, y_real)
        assert estimator.t_ == 1 + 5 * steps_per_epoch


# ---- one model alone, many together; one run and its pieces; one thread and several --------------


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("penalty", PENALTIES)
def test_each_class_is_fitted_as_if_alone(penalty, batch_size, X, y_three):
    common = {"loss": "log_loss", "penalty": penalty, "batch_size": batch_size, "shuffle": False}
    for average in (False, True):
        together = SGDClassifier(average=average, **common, **COMMON).fit(X, y_three)
        for k in range(3):
            alone = SGDClassifier(average=average, **common, **COMMON).fit(X, y_three == k)
            assert_same_model(solution(together)[k], solution(alone)[0], 1e-9)


@pytest.mark.parametrize("kind", LAYOUTS)
def test_any_number_of_jobs_gives_the_same_bits(kind, X, y_three):
    for batch_size in BATCHES:
        params = {"loss": "log_loss", "batch_size": batch_size, "random_state": 5, "average": True}
        data = layout(X, kind)
        one = SGDClassifier(n_jobs=None, **params).fit(data, y_three)
        for n_jobs in (1, 2, 3, -1):
            several = SGDClassifier(n_jobs=n_jobs, **params).fit(data, y_three)
            assert_array_equal(solution(several), solution(one))
            assert_array_equal(several.decision_function(data), one.decision_function(data))


@pytest.mark.parametrize("kind", LAYOUTS)
def test_the_same_seed_gives_the_same_bits(kind, X, y_real):
    for batch_size in (1, 7):
        data = layout(X, kind)
        first = SGDRegressor(batch_size=batch_size, random_state=1).fit(data, y_real)
        second = SGDRegressor(batch_size=batch_size, random_state=1).fit(data, y_real)
        other = SGDRegressor(batch_size=batch_size, random_state=2).fit(data, y_real)
        assert_array_equal(solution(first), solution(second))
        assert (solution(first) != solution(other)).any()


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("penalty", [None, "l2"])  # L1 forgets what it is owed between calls
def test_partial_fit_twice_is_two_epochs(penalty, average, batch_size, X, target):
    common = {"average": average, "batch_size": batch_size, "shuffle": False, "tol": None}
    # scikit-learn's averaging classifier forgets its own intercept between calls, and so does ours.
    for klass in (SGDRegressor,) if average else (SGDClassifier, SGDRegressor):
        whole = klass(penalty=penalty, max_iter=2, **common)
        parts = klass(penalty=penalty, **common)
        y = target(whole)
        whole.fit(X, y)
        known = {"classes": np.unique(y)} if klass is SGDClassifier else {}
        parts.partial_fit(X, y, **known).partial_fit(X, y)
        assert_same_model(solution(parts), solution(whole), 1e-9)
        assert parts.t_ == whole.t_


@pytest.mark.parametrize("batch_size", [1, 7, 40])  # of 40: one step in each call
@pytest.mark.parametrize("learning_rate", SCHEDULES)
def test_an_epoch_in_several_calls_is_one_epoch(learning_rate, batch_size, X, y_two, monkeypatch):
    model = SGDClassifier(**COMMON | {"learning_rate": learning_rate, "batch_size": batch_size})
    whole = solution(model.fit(X, y_two))
    monkeypatch.setattr(training, "SEGMENT", 20 * X.shape[1])
    assert_same_model(solution(model.fit(X, y_two)), whole, 1e-9)


# ---- what may come in, and that it comes out unharmed --------------------------------------------


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float32, np.float64])
def test_memory_maps_are_read_in_place(dtype, batch_size, X, y_real, tmp_path):
    whole = np.round(20 * np.abs(X)).astype(dtype)
    np.save(tmp_path / "X.npy", whole)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert not mapped.flags.writeable
    estimator = SGDRegressor(batch_size=batch_size, **COMMON | {"eta0": 1e-4})
    expected = solution(estimator.fit(whole, y_real))
    assert_array_equal(solution(estimator.fit(mapped, y_real)), expected)
    assert_array_equal(estimator.predict(mapped), estimator.predict(whole))


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("index", [np.int32, np.int64])
def test_memory_mapped_csr_is_read_in_place(index, batch_size, X, y_real, tmp_path):
    plain, parts = sp.csr_matrix(X), []
    for name in ("data", "indices", "indptr"):
        array = getattr(plain, name)
        np.save(tmp_path / name, array if name == "data" else array.astype(index))
        parts.append(np.load(tmp_path / f"{name}.npy", mmap_mode="r"))
    mapped = sp.csr_matrix(tuple(parts), shape=plain.shape)
    mapped.indices, mapped.indptr = parts[1], parts[2]  # scipy may have narrowed them
    estimator = SGDRegressor(penalty="elasticnet", batch_size=batch_size, **COMMON)
    expected = solution(estimator.fit(plain, y_real))
    assert_array_equal(solution(estimator.fit(mapped, y_real)), expected)
    assert_array_equal(estimator.predict(mapped), estimator.predict(plain))


@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("klass", [SGDClassifier, SGDRegressor, SGDOneClassSVM])
def test_inputs_are_left_as_they_were(klass, kind, X, target, row_weights):
    data = layout(X.copy(), kind)
    y, weights = target(klass()).copy(), row_weights.copy()
    inside = [data] if kind == "dense" else [data.data, data.indices, data.indptr]
    for batch_size in BATCHES:
        estimator = klass(batch_size=batch_size, average=True, random_state=5, max_iter=3, tol=None)
        estimator.fit(data, y, sample_weight=weights)
        estimator.predict(data)
        estimator.partial_fit(data, y, sample_weight=weights)
    expected = layout(X, kind)
    before = [X] if kind == "dense" else [expected.data, expected.indices, expected.indptr]
    for now, then in zip(inside, before, strict=True):
        assert now.dtype == then.dtype
        assert_array_equal(now, then)
    assert_array_equal(y, target(klass()))
    assert_array_equal(weights, row_weights)


@pytest.mark.parametrize("kind", ["dense", "csr32"])
@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int8, np.int16, np.uint16, np.int64])
def test_integers_are_trained_on_as_float64(dtype, kind, y_three):
    draws = np.random.RandomState(6)
    whole = draws.randint(0, 2 if dtype is np.bool_ else 100, size=(60, 9)).astype(dtype)
    if dtype in (np.int16, np.int64):
        whole -= 50
    for batch_size in BATCHES:
        estimator = SGDClassifier(loss="log_loss", batch_size=batch_size, average=True, **COMMON)
        estimator.set_params(eta0=1e-3)
        as_float = solution(estimator.fit(layout(whole.astype(np.float64), kind), y_three))
        scores = estimator.decision_function(layout(whole.astype(np.float64), kind))
        estimator.fit(layout(whole, kind), y_three)
        assert estimator.coef_.dtype == np.float64
        assert_same_model(solution(estimator), as_float, 1e-10)
        assert_allclose(estimator.decision_function(layout(whole, kind)), scores, rtol=1e-9)


def test_predictions_keep_the_number_type(X, y_real, y_two):
    for dtype in (np.float32, np.float64):
        for kind in LAYOUTS:
            data = layout(X.astype(dtype), kind)
            assert SGDRegressor(**COMMON).fit(data, y_real).predict(data).dtype == dtype
            scores = SGDClassifier(**COMMON).fit(data, y_two).decision_function(data)
            assert scores.dtype == dtype


# ---- the losses' own registry --------------------------------------------------------------------

GOLDENS = json.loads((Path(__file__).parent / "goldens" / "losses.json").read_text())


def parameter(name):
    """The parameter a loss was recorded with, None if it has none."""
    return GOLDENS.get(LOSSES[name].parameter)


def test_the_registry_is_the_twin_s():
    assert set(LOSSES) == set(reference.LOSSES)
    for name, loss in LOSSES.items():
        assert loss.task == ("classification" if name in CLASSIFICATION else "regression")


@pytest.mark.parametrize("name", sorted(reference.LOSSES))
def test_compiled_losses_equal_pytorch(name):
    golden, loss, a = GOLDENS["points"][name], LOSSES[name], parameter(name)
    y, raw = np.array(golden["y"]), np.array(golden["raw"])
    assert_allclose(loss.value(y, raw, a), golden["value"], rtol=1e-12, atol=1e-15)
    assert_allclose(loss.gradient(y, raw, a), golden["gradient"], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", sorted(reference.LOSSES))
def test_compiled_losses_equal_the_twin_s(name):
    raw = np.concatenate([np.linspace(-50, 50, 2001), [-1e20, 1e20] * (name != "poisson")])
    loss, a = LOSSES[name], parameter(name)
    for y in (-1.0, 1.0) if name in CLASSIFICATION else (0.0, 1.0, 2.5):
        value, gradient = reference.value(name, y, raw, a), reference.gradient(name, y, raw, a)
        assert_allclose(loss.value(y, raw, a), value, rtol=1e-12, atol=1e-15)
        assert_allclose(loss.gradient(y, raw, a), gradient, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", sorted(reference.LOSSES))
def test_compiled_gradients_are_the_slopes_of_their_losses(name):
    raw = np.arange(-40, 40) / 8.0 + 0.03  # no kink within a step
    loss, a, step = LOSSES[name], parameter(name), 1e-6
    for y in (-1.0, 1.0) if name in CLASSIFICATION else (0.0, 1.0, 2.5):
        slope = (loss.value(y, raw + step, a) - loss.value(y, raw - step, a)) / (2 * step)
        assert_allclose(loss.gradient(y, raw, a), slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_initial_weights_count_in_the_first_objective(penalty, X, y_real):
    start = np.linspace(-1.0, 1.0, X.shape[1])
    estimator = SGDRegressor(penalty=penalty, **COMMON)
    twin = reference.fit(estimator, X, y_real, coef_init=start)
    for kind in LAYOUTS:
        estimator.fit(layout(X, kind), y_real, coef_init=start)
        assert_equals_twin(estimator, twin, np.float64, f"{estimator} {kind} ")
