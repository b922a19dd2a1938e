"""SGDRegressor with several targets: each is the model that it would be alone."""

import numpy as np
import pytest
import scipy.sparse as sp
from cases import REGRESSION
from sklearn.base import clone

from fastgd import SGDRegressor, many

pytestmark = pytest.mark.kernels


@pytest.fixture
def targets(y_real):
    """Five targets, one of them constant, none negative."""
    rng = np.random.default_rng(0)
    Y = y_real[:, None] * rng.normal(size=5) + rng.normal(size=(len(y_real), 5))
    Y[:, 3] = 2.0
    return np.abs(Y)


@pytest.fixture(autouse=True, params=[True, False], ids=["together", "alone"])
def shared(request, monkeypatch):
    monkeypatch.setattr(many, "worthwhile", lambda models, *_: request.param and models > 1)


def assert_each_alone(estimator, X, Y, tolerance=1e-9, **fit):
    together = clone(estimator).fit(X, Y, **fit)
    assert together.coef_.shape == (Y.shape[1], X.shape[1])
    assert together.intercept_.shape == (Y.shape[1],)
    assert together.predict(X).shape == Y.shape
    for k in range(Y.shape[1]):
        alone = clone(estimator).fit(X, np.ascontiguousarray(Y[:, k]), **fit)
        np.testing.assert_allclose(together.coef_[k], alone.coef_, rtol=0, atol=tolerance)
        np.testing.assert_allclose(together.intercept_[k], alone.intercept_[0], rtol=0, atol=tolerance)
        np.testing.assert_allclose(together.predict(X)[:, k], alone.predict(X), atol=100 * tolerance)
        assert together.stop_reason_[k] == alone.stop_reason_
        epochs = len(alone.history_["loss"])
        np.testing.assert_allclose(
            together.history_["objective"][:epochs, k], alone.history_["objective"], rtol=1e-6, atol=1e-9
        )
    return together


@pytest.mark.parametrize("loss", REGRESSION)
@pytest.mark.parametrize("batch_size", [1, 16, "full"])
def test_losses_and_batches(X, targets, row_weights, loss, batch_size):
    estimator = SGDRegressor(
        loss=loss, batch_size=batch_size, eta0=0.01, random_state=0, max_iter=9, tol=None
    )
    assert_each_alone(estimator, X, targets, sample_weight=row_weights)


@pytest.mark.parametrize("parameters", [{"penalty": "l1"}, {"average": True}, {"early_stopping": True}])
def test_penalties_averages_and_stopping(X, targets, parameters):
    assert_each_alone(SGDRegressor(random_state=0, **parameters), X, targets)


def test_layouts_and_types(X, targets):
    estimator = SGDRegressor(random_state=0)
    dense = assert_each_alone(estimator, X, targets)
    np.testing.assert_allclose(estimator.fit(sp.csr_matrix(X), targets).coef_, dense.coef_, atol=1e-9)
    single = clone(estimator).fit(X.astype(np.float32), targets)
    assert single.coef_.dtype == np.float32
    np.testing.assert_allclose(single.coef_, dense.coef_, atol=1e-3)


def test_partial_fit_and_validation_set(X, targets):
    model = SGDRegressor(random_state=0)
    for _ in range(3):
        model.partial_fit(X, targets)
    assert model.t_ == 1 + 3 * len(X)
    with pytest.raises(ValueError, match="y has 1 targets, but this model was begun with 5"):
        model.partial_fit(X, targets[:, 0])
    model = SGDRegressor(random_state=0, early_stopping=True).fit(
        X[:40], targets[:40], X_val=X[40:], y_val=targets[40:]
    )
    assert model.history_["validation_score"].shape[1] == 5
    assert "best validation score were restored" in model.stop_reason_[0]


def test_score_is_the_mean_of_the_targets(X, targets):
    model = SGDRegressor(random_state=0).fit(X, targets)
    alone = [SGDRegressor(random_state=0).fit(X, y).score(X, y) for y in targets.T.copy()]
    assert model.score(X, targets) == pytest.approx(np.mean(alone), abs=1e-6)
