"""Many models in one pass: each is the model that it would have been alone."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp

from fastgd import SGDClassifier, many
from fastgd.linear_model.sharing import fit_together
from fastgd.losses import LOSSES
from fastgd.schedules import SCHEDULES

pytestmark = [
    pytest.mark.kernels,
    pytest.mark.filterwarnings("ignore:The fit is worse than none"),
]

BATCHES = (1, 7, "full")

CLASSIFICATION = [name for name, loss in LOSSES.items() if "classification" in loss.tasks]
GRADIENT_STEPS = [name for name in SCHEDULES if not name.startswith("pa")]
LAYOUTS = ("dense", "csr", "csr64", "uint8")
TOLERANCE = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 2e-4}


@pytest.fixture
def apart(monkeypatch):
    """Call a function with every model trained alone."""

    def call(function):
        with monkeypatch.context() as patch:
            patch.setattr(many, "worthwhile", lambda *args: False)
            return function()

    return call


@pytest.fixture(autouse=True)
def always_together(monkeypatch):
    monkeypatch.setattr(many, "worthwhile", lambda models, problem: models > 1)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    X = rng.normal(size=(203, 9)) * (rng.random((203, 9)) < 0.6)
    y = np.array(list("abcde"))[np.argmax(X[:, :5] + 0.3 * rng.normal(size=(203, 5)), axis=1)]
    return X, y, rng.random(203) + 0.2


def in_layout(X, kind, dtype=np.float64):
    if kind == "uint8":
        return (10 * np.abs(X)).astype(np.uint8)
    matrix = sp.csr_matrix(X.astype(dtype))
    if kind == "csr64":
        matrix.indices, matrix.indptr = matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)
    return X.astype(dtype) if kind == "dense" else matrix


def assert_same(together, alone):
    tolerance = TOLERANCE[alone.coef_.dtype] * max(1e-3, np.abs(alone.coef_).max())
    assert together.n_iter_ == alone.n_iter_
    assert together.t_ == alone.t_
    assert together.stop_reason_ == alone.stop_reason_
    np.testing.assert_allclose(together.coef_, alone.coef_, rtol=0, atol=tolerance)
    np.testing.assert_allclose(together.intercept_, alone.intercept_, rtol=0, atol=tolerance)
    for name, column in alone.history_.items():
        if name != "seconds":
            np.testing.assert_allclose(
                together.history_[name], column, rtol=1e4 * tolerance, atol=1e2 * tolerance, err_msg=name
            )


def compare(apart, X, y, weight=None, **parameters):
    settings = {"random_state": 3, "max_iter": 6, "tol": None, "alpha": 1e-3}
    settings |= {"learning_rate": "constant", "eta0": 0.02} | parameters

    def fit():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return SGDClassifier(**settings).fit(X, y, sample_weight=weight)

    together, alone = fit(), apart(fit)
    assert_same(together, alone)
    return together


@pytest.mark.parametrize("batch_size", BATCHES)
@pytest.mark.parametrize("loss", CLASSIFICATION)
@pytest.mark.parametrize("penalty", ["l2", None])
def test_losses_and_penalties(apart, data, loss, penalty, batch_size):
    X, y, weight = data
    compare(apart, X, y, loss=loss, penalty=penalty, batch_size=batch_size)
    compare(apart, X, y, weight, loss=loss, penalty=penalty, batch_size=batch_size)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("batch_size", [*BATCHES, 150])
def test_layouts_and_types(apart, data, kind, dtype, batch_size):
    X, y, weight = data
    eta0 = 1e-4 if kind == "uint8" else 0.02
    X = in_layout(X, kind, dtype)
    compare(
        apart, X, y, weight, loss="log_loss", eta0=eta0, learning_rate="constant", batch_size=batch_size
    )


@pytest.mark.parametrize("learning_rate", GRADIENT_STEPS)
@pytest.mark.parametrize("batch_size", BATCHES)
def test_learning_rates(apart, data, learning_rate, batch_size):
    X, y, _ = data
    compare(apart, X, y, loss="log_loss", learning_rate=learning_rate, batch_size=batch_size)
    compare(apart, X, y, loss="log_loss", learning_rate=learning_rate, tol=1e-2, max_iter=60)


@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("class_weight", [None, "balanced", {"a": 3.0, "c": 0.1}])
def test_stopping_and_class_weights(apart, data, kind, early_stopping, class_weight):
    X, y, weight = data
    fitted = compare(
        apart,
        in_layout(X, kind),
        y,
        weight,
        loss="log_loss",
        early_stopping=early_stopping,
        class_weight=class_weight,
        tol=1e-3,
        max_iter=100,
    )
    epochs = np.isfinite(fitted.history_["loss"]).sum(axis=0)
    assert len(set(epochs)) > 1, "the models should stop at different times"


def test_shuffle_and_intercept(apart, data):
    X, y, _ = data
    for parameters in (
        {"shuffle": False},
        {"fit_intercept": False},
        {"shuffle": False, "early_stopping": True},
    ):
        compare(apart, X, y, **parameters)


def test_own_validation_set_restores_the_best_weights(apart, data):
    X, y, _ = data

    def fit():
        model = SGDClassifier(
            early_stopping=True, random_state=0, max_iter=30, eta0=0.5, learning_rate="constant"
        )
        return model.fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])

    assert_same(fit(), apart(fit))


@pytest.mark.parametrize("alpha", [0.5, 30.0, 200.0])
@pytest.mark.parametrize("kind", ["dense", "csr"])
@pytest.mark.parametrize("batch_size", [1, 7])
def test_scale_that_fades_away(apart, data, alpha, kind, batch_size):
    # the product of the l2 penalty's factors underflows within an epoch, or is zero at once
    X, y, _ = data
    compare(
        apart,
        in_layout(X, kind),
        y,
        alpha=alpha,
        learning_rate="constant",
        eta0=0.01,
        batch_size=batch_size,
    )


def test_partial_fit(apart, data):
    X, y, weight = data

    def fit():
        model = SGDClassifier(loss="log_loss", random_state=0)
        for part in np.array_split(np.arange(len(X)), 3):
            model.partial_fit(X[part], y[part], classes=np.unique(y), sample_weight=weight[part])
        return model

    assert_same(fit(), apart(fit))


def test_initial_weights_and_warm_start(apart, data):
    X, y, _ = data
    coef = np.linspace(-1, 1, 5 * X.shape[1]).reshape(5, -1)

    def fit():
        model = SGDClassifier(random_state=0, max_iter=3, tol=None, warm_start=True, eta0=0.01)
        return model.fit(X, y, coef_init=coef, intercept_init=np.arange(5.0)).fit(X, y)

    assert_same(fit(), apart(fit))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["dense", "csr", "csr64"])
@pytest.mark.parametrize("batch_size", BATCHES)
def test_neighbours_change_no_bit(data, kind, dtype, batch_size):
    X, y, _ = data
    X, y = in_layout(X, kind, dtype), y == "a"
    settings = {"loss": "log_loss", "random_state": 0, "tol": None, "batch_size": batch_size}
    alphas, epochs = np.logspace(-4, -1, 19), 3 + np.arange(19) % 5

    def trained(count):
        pairs = zip(alphas[:count], epochs, strict=False)
        models = [SGDClassifier(alpha=alpha, max_iter=most, **settings) for alpha, most in pairs]
        return [model for model, _ in fit_together(models, X, y)]

    all_of_them = trained(len(alphas))
    for count in (2, 3, 5, 9):
        for few, among in zip(trained(count), all_of_them, strict=False):
            np.testing.assert_array_equal(few.coef_, among.coef_)
            np.testing.assert_array_equal(few.intercept_, among.intercept_)


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_threads_give_the_same_bits(data, n_jobs):
    X, y, _ = data
    one, several = (SGDClassifier(random_state=0, n_jobs=jobs).fit(X, y) for jobs in (1, n_jobs))
    np.testing.assert_array_equal(one.coef_, several.coef_)


def test_overflow_is_an_error_that_names_the_epoch(data):
    X, y, _ = data
    X = X * 1e200
    model = SGDClassifier(loss="squared_error", learning_rate="constant", random_state=0)
    with pytest.raises(ValueError, match="overflow occurred at epoch #"):
        model.fit(X, y)
    assert not hasattr(model, "coef_")


def test_segments_give_the_same_bits(data, monkeypatch):
    X, y, _ = data
    for batch_size in (1, 8):
        settings = {"loss": "log_loss", "batch_size": batch_size, "random_state": 0}
        whole = SGDClassifier(**settings).fit(X, y)
        with monkeypatch.context() as patch:
            patch.setattr(many, "SEGMENT", 32 * X.size // len(X) * 8)
            pieces = SGDClassifier(**settings).fit(X, y)
        assert whole.n_iter_ == pieces.n_iter_
        np.testing.assert_array_equal(pieces.coef_, whole.coef_)


def test_waves_give_the_same_models(data, monkeypatch):
    X, y, _ = data
    whole = SGDClassifier(random_state=0).fit(X, y)
    monkeypatch.setattr(many, "BUDGET", 0.0)
    waves = SGDClassifier(random_state=0).fit(X, y)
    np.testing.assert_allclose(waves.coef_, whole.coef_, rtol=1e-12)


def test_what_cannot_share_is_trained_alone(apart, data):
    X, y, _ = data
    for parameters in (
        {"penalty": "l1"},
        {"penalty": "elasticnet"},
        {"average": True},
        {"learning_rate": "pa1"},
    ):
        together = SGDClassifier(random_state=0, **parameters).fit(X, y)
        alone = apart(lambda p=parameters: SGDClassifier(random_state=0, **p).fit(X, y))
        np.testing.assert_array_equal(together.coef_, alone.coef_)


def test_interrupted_models_are_valid(data, monkeypatch):
    X, y, _ = data
    epoch, calls = many.Band._epoch, []

    def interrupted(self, order, tell=None):
        calls.append(None)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return epoch(self, order, tell)

    monkeypatch.setattr(many.Band, "_epoch", interrupted)
    model = SGDClassifier(random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert model.n_iter_ == 2
    assert model.score(X, y) > 0.5
    assert "Interrupted in epoch 3" in model.stop_reason_[0]


def test_interrupted_while_models_leave(data, monkeypatch):
    X, y, _ = data
    stride, calls = many.Band._stride, []

    def interrupted(self, models):
        calls.append(models)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return stride(self, models)

    monkeypatch.setattr(many.Band, "_stride", interrupted)
    model = SGDClassifier(loss="log_loss", random_state=0, tol=0.01, n_iter_no_change=2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert 0 < calls[1] < 5, "some models had left, others had not"
    assert model.score(X, y) > 0.6
