"""learning_rate="auto": its kernel is its twin, and no data, unit or loss makes it diverge."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from cases import CLASSIFICATION, PENALTIES, REGRESSION, layout
from sklearn.base import clone

from fastgd import SGDClassifier, SGDRegressor, reference
from fastgd.auto import measure
from fastgd.callbacks import Checkpoint, on_epoch
from fastgd.data import make_rows, padded
from fastgd.kernels import kernels
from fastgd.losses import LOSSES

N, D = 300, 7


def data(seed=0, n=N, d=D, regression=False):
    """Columns of very different units and offsets, and what they tell."""
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, d))
    signal = Z @ rng.standard_normal(d) + 0.3 * rng.standard_normal(n)
    X = Z * 10.0 ** np.arange(d) - 5 * 10.0 ** np.arange(d)
    return X, signal if regression else (signal > 0.2).astype(int)


def classifier(**params):
    settings = {"learning_rate": "auto", "random_state": 0, "max_iter": 20, "tol": None}
    return SGDClassifier(**settings | params)


def regressor(**params):
    return SGDRegressor(learning_rate="auto", random_state=0, max_iter=20, tol=None, **params)


@pytest.mark.kernels
@pytest.mark.parametrize("steepness", [0.0, 2.0])
@pytest.mark.parametrize("l1", [False, True])
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("kind", ["dense", "csr32", "csr64"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernel_equals_its_twin(dtype, kind, batch, l1, steepness):
    if batch > 1 and steepness:
        pytest.skip("steps are cut for single rows only")
    rng = np.random.default_rng(0)
    X = (rng.standard_normal((N, D)) * (rng.random((N, D)) < 0.6)).astype(dtype)
    y = np.where(rng.random(N) < 0.5, 1.0, -1.0).astype(dtype)
    centre = np.zeros(D) if kind != "dense" else rng.standard_normal(D).astype(dtype).astype(np.float64)
    inverse = (0.5 + rng.random(D)).astype(dtype).astype(np.float64)
    l2 = 0.01 * rng.random(D).astype(dtype).astype(np.float64)
    lasso = 0.01 * rng.random(D).astype(dtype).astype(np.float64)
    w, sums = padded(None, D, dtype), padded(None, D, dtype)
    descent = kernels.ScaledDescent(
        make_rows(layout(X, kind)),
        y,
        None,
        w,
        padded(None, D, dtype),
        scaling={
            "centre": padded(centre, D, dtype),
            "inverse": padded(inverse, D, dtype),
            "l2": padded(l2, D, dtype),
            "l1": padded(lasso, D, dtype) if l1 else None,
            "total": sums,
        },
        double_w=dtype == np.float64,
        recipe={
            "loss": LOSSES["log_loss"].number,
            "parameter": 0.0,
            "rule": 0,
            "l1": 0.0,
            "l2": 0.0,
            "class_weight": (1.0, 1.0),
            "one_class": False,
            "nu": 0.0,
            "fit_intercept": True,
            "average_from": 0.0,
            "aggressiveness": 1.0,
        },
    )
    order = kernels.Order(N)
    order.advance()
    descent.train(order, 0, N, 0.3, batch, 64, steepness, True)
    v, b, mean, mean_b = reference.scaled_segment(
        X.astype(np.float64),
        y.astype(np.float64),
        np.zeros(D),
        0.0,
        0.3,
        loss="log_loss",
        centre=centre,
        inverse=inverse,
        l2=l2,
        l1=lasso if l1 else None,
        batch=batch,
        steepness=steepness,
    )
    tolerance = 1e-10 if dtype == np.float64 else 2e-4
    np.testing.assert_allclose(w[:D], v, rtol=0, atol=tolerance)
    np.testing.assert_allclose(sums[:D] / N, mean, rtol=0, atol=tolerance)
    assert descent.intercept == pytest.approx(b, abs=tolerance)
    assert descent.intercept_total / N == pytest.approx(mean_b, abs=tolerance)


@pytest.mark.parametrize("kind", ["dense", "csr32", "uint8"])
def test_columns_are_measured(kind):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 5, (N, D)).astype(np.uint8 if kind == "uint8" else np.float64)
    chosen = np.arange(0, N, 3, dtype=np.int32)
    columns = measure(make_rows(layout(X, kind) if kind != "uint8" else X), chosen)
    part = X[chosen].astype(np.float64)
    np.testing.assert_allclose(columns.mean, part.mean(axis=0), rtol=1e-10)
    np.testing.assert_allclose(columns.square / len(part), part.var(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(columns.low, part.min(axis=0))
    np.testing.assert_array_equal(columns.high, part.max(axis=0))


@pytest.mark.parametrize("batch_size", [1, 16, "full"])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", CLASSIFICATION)
def test_classifiers_learn_raw_features(loss, penalty, batch_size):
    X, y = data()
    model = classifier(loss=loss, penalty=penalty, batch_size=batch_size, max_iter=40).fit(X, y)
    assert np.isfinite(model.coef_).all() and model.score(X, y) > (0.7 if loss == "perceptron" else 0.9)
    other = classifier(loss=loss, penalty=penalty, batch_size=batch_size, max_iter=40).fit(
        sp.csr_matrix(X), y
    )
    assert np.isfinite(other.coef_).all()


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("loss", REGRESSION)
def test_regressors_learn_raw_features(loss, penalty):
    X, y = data(regression=True)
    y = np.exp(0.3 * y) if loss == "poisson" else 1000 + 100 * y
    extra = {"epsilon": 1.0} if loss in ("huber", "epsilon_insensitive") else {}
    model = regressor(loss=loss, penalty=penalty, **extra).fit(X, y)
    assert np.isfinite(model.coef_).all()
    if loss in ("squared_error", "poisson"):
        assert model.score(X, y) > 0.5


def test_units_do_not_matter():
    X, y = data()
    X = X / np.abs(X).max(axis=0)
    one = classifier(loss="log_loss", penalty=None).fit(X, y)
    other = classifier(loss="log_loss", penalty=None).fit(X * 2.0 ** np.linspace(-40, 40, D).round(), y)
    np.testing.assert_allclose(one.decision_function(X), X @ one.coef_[0] + one.intercept_)
    np.testing.assert_allclose(other.coef_ * 2.0 ** np.linspace(-40, 40, D).round(), one.coef_, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("loss", ["hinge", "log_loss", "squared_error", "squared_hinge"])
def test_hostile_data_stay_finite(loss, dtype):
    X, y = data()
    hostile = {
        "scales": X * 10.0 ** np.linspace(-12, 12, D),
        "outlier": np.where(np.arange(N)[:, None] == 3, 1e9 * X, X),
        "constant": np.where(np.arange(D) == 2, 7.0, X),
        "separable": np.where(np.arange(D) == 0, np.where(y[:, None] == 1, 1e6, -1e6), X),
        "zeros": np.zeros_like(X),
    }
    for name, Z in hostile.items():
        model = classifier(loss=loss).fit(Z.astype(dtype), y)
        assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all(), name
        if name in ("scales", "separable"):
            assert model.score(Z.astype(dtype), y) > 0.8, name


def test_integers_weights_and_classes():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (N, D)).astype(np.uint8)
    y = (X[:, 0] > 80).astype(int) + (X[:, 0] > 170)
    model = classifier(loss="log_loss", class_weight="balanced").fit(X, y, sample_weight=rng.random(N))
    assert model.coef_.shape == (3, D) and model.score(X, y) > 0.6
    same = classifier(loss="log_loss", class_weight="balanced", n_jobs=2)
    one = classifier(loss="log_loss", class_weight="balanced").fit(X, y)
    np.testing.assert_array_equal(same.fit(X, y).coef_, one.coef_)
    targets = np.column_stack([X[:, 0], 3.0 * X[:, 1]])
    assert regressor().fit(X, targets).score(X, targets) > 0.9


def test_partial_fit_goes_on_and_pickles():
    X, y = data()
    model = classifier(loss="log_loss")
    scores = []
    for _ in range(15):
        model = pickle.loads(pickle.dumps(model.partial_fit(X, y, classes=[0, 1])))
        scores.append(model.score(X, y))
    assert scores[-1] > 0.9 and np.isfinite(model.coef_).all()
    chunks = classifier(loss="log_loss")
    for _ in range(5):
        for rows in np.array_split(np.arange(N), 10):
            chunks.partial_fit(X[rows], y[rows], classes=[0, 1])
    assert chunks.score(X, y) > 0.85


def test_warm_start_and_history():
    X, y = data()
    model = classifier(loss="log_loss", warm_start=True, max_iter=5).fit(X, y)
    first = model.history_["objective"][-1]
    model.fit(X, y)
    assert model.history_["objective"][0] <= first * 1.5
    assert model.n_iter_ == 5 and len(model.history_["learning_rate"]) == 5
    assert (model.history_["learning_rate"] > 0).all() and "max_iter" in model.stop_reason_
    stopping = classifier(loss="log_loss", early_stopping=True, tol=1e-3, max_iter=100).fit(X, y)
    assert stopping.n_iter_ < 100 and "validation" in stopping.stop_reason_


def test_callbacks_watch_the_same_fit(tmp_path):
    X, y = data()
    plain = classifier(loss="log_loss").fit(X, y)
    seen = []
    model = classifier(loss="log_loss").set_callbacks(on_epoch(lambda info: seen.append(info.epoch)))
    np.testing.assert_array_equal(model.fit(X, y).coef_, plain.coef_)
    assert seen == list(range(1, 21))

    def stop(info):
        if info.epoch == 7:
            raise KeyboardInterrupt

    path = tmp_path / "fit.ckpt"
    cut = classifier(loss="log_loss").set_callbacks(Checkpoint(path), on_epoch(stop))
    with pytest.raises(KeyboardInterrupt):
        cut.fit(X, y)
    assert np.isfinite(cut.coef_).all()
    resumed = Checkpoint.resume(path, X, y)
    np.testing.assert_array_equal(resumed.coef_, plain.coef_)


@pytest.mark.parametrize(
    "params, words",
    [
        ({"average": True}, "average"),
        ({"optimizer": "adam"}, "optimizer"),
        ({"multi_class": "multinomial", "loss": "log_loss"}, "multinomial|ovr"),
    ],
)
def test_what_it_does_not_do_is_refused(params, words):
    X, y = data()
    y = y + (X[:, 1] > np.median(X[:, 1]))
    with pytest.raises(ValueError, match=words):
        clone(classifier(**params)).fit(X, y)
