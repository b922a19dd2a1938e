"""The few tests that an emulated processor has time for: `pytest tests/smoke.py` (see .ci/old-processor).

Fits of every kernel family, which must agree, descend, or reach a known optimum. Not collected with the
others, which ask the same and more.
"""

import numpy as np
import pytest
import scipy.sparse as sp

from fastgd import ElasticNet, LogisticRegression, Ridge, SGDClassifier, SGDRegressor, kernels
from fastgd.losses import LOSSES


@pytest.fixture(scope="module", params=[np.float32, np.float64])
def X(request):
    return np.random.RandomState(0).randn(60, 37).astype(request.param)


@pytest.fixture(scope="module")
def y(X):
    return X @ np.random.RandomState(1).randn(37) + 0.5


def test_the_level_is_one_that_runs_here():
    assert kernels.level == kernels.available_levels()[0]


@pytest.mark.parametrize("batch_size", [1, 8, "full"])
def test_dense_equals_sparse(X, y, batch_size):
    model = SGDRegressor(
        batch_size=batch_size, eta0=1e-3, max_iter=20, tol=None, fit_intercept=False, random_state=0
    )
    dense = model.fit(X, y).coef_.copy()
    sparse = model.fit(sp.csr_matrix(X), y).coef_
    assert np.abs(dense).max() > 1e-3
    np.testing.assert_allclose(dense, sparse, rtol=0, atol=5e-4 * np.abs(dense).max())


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_every_loss_descends(X, y, loss):
    regression = loss in (
        "squared_error",
        "huber",
        "epsilon_insensitive",
        "squared_epsilon_insensitive",
    ) or (loss in ("quantile", "poisson"))
    target = np.clip(np.round(np.abs(y)), 0, 5) if regression else y > 0
    kind = SGDRegressor if regression else SGDClassifier
    model = kind(loss=loss, learning_rate="constant", eta0=1e-3, max_iter=10, tol=None, random_state=0)
    model.fit(X, target)
    assert model.history_["loss"][-1] < model.history_["loss"][0]


@pytest.mark.parametrize("optimizer", ["momentum", "adam", "nadam", "schedule_free_sgd"])
def test_optimizers_learn(X, y, optimizer):
    model = SGDClassifier(
        optimizer=optimizer, eta0=0.01, batch_size=8, max_iter=60, tol=None, random_state=0
    )
    assert model.fit(X, y > 0).score(X, y > 0) > 0.9


def test_many_models_in_one_pass_learn(X, y):
    classes = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    for how in ({"average": True}, {"multi_class": "multinomial"}):
        model = SGDClassifier(loss="log_loss", alpha=0.01, random_state=0, **how)
        assert model.fit(X, classes).score(X, classes) > 0.8


def test_solvers_reach_certified_optima(X, y):
    X64, y64 = X.astype(np.float64), y.astype(np.float64)
    ridge = Ridge(alpha=1.0).fit(X, y)
    centred = X64 - X64.mean(axis=0)
    exact = np.linalg.solve(centred.T @ centred + np.eye(37), centred.T @ (y64 - y64.mean()))
    np.testing.assert_allclose(ridge.coef_, exact, rtol=1e-3, atol=1e-4)
    lasso = ElasticNet(alpha=0.1, l1_ratio=0.9).fit(X, y)
    assert np.isfinite(lasso.coef_).all() and lasso.score(X, y) > 0.8
    assert LogisticRegression().fit(X, y > 0).score(X, y > 0) > 0.9
