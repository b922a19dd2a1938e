"""Fixtures that every test file shares.

Design note. The data are small, so that thousands of fits stay cheap, and made once with fixed
seeds. All of it is read-only: a fit that writes to its input fails wherever it happens, not only in
the test that looks for it. The columns have unequal scales and means, and a few entries are zero,
so that the dense and the sparse form of one matrix exercise different code.
"""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning


def frozen(array):
    array.setflags(write=False)
    return array


@pytest.fixture(scope="session")
def X():
    """60 rows, 7 columns, a third of the entries zero, one row and one column all zero."""
    draws = np.random.RandomState(0)
    X = 0.4 * draws.randn(60, 7) * [1.0, 0.3, 2.0, 1.0, 0.7, 1.5, 0.0] + [0.2, 0, 0, -0.3, 0, 0, 0]
    X[draws.rand(60, 7) < 0.3] = 0.0
    X[11] = 0.0
    return frozen(X)


@pytest.fixture(scope="session")
def y_real(X):
    """A noisy linear target."""
    draws = np.random.RandomState(1)
    return frozen(X @ draws.randn(X.shape[1]) + 0.5 + 0.3 * draws.randn(len(X)))


@pytest.fixture(scope="session")
def y_count(y_real):
    """A target for poisson: whole numbers from zero."""
    return frozen(np.random.RandomState(2).poisson(np.exp(np.clip(y_real, -2, 1.5))).astype(float))


@pytest.fixture(scope="session")
def y_two(y_real):
    """Two classes, unequally frequent, named by strings."""
    return frozen(np.where(y_real > np.quantile(y_real, 0.4), "yes", "no"))


@pytest.fixture(scope="session")
def y_three(y_real):
    """Three classes."""
    return frozen(np.digitize(y_real, np.quantile(y_real, [0.3, 0.6])))


@pytest.fixture(scope="session")
def row_weights():
    """Unequal weights, some of them zero."""
    weights = np.random.RandomState(3).uniform(0.2, 2.0, size=60)
    weights[[4, 20, 33]] = 0.0
    return frozen(weights)


@pytest.fixture
def quiet():
    """For tests that stop training on purpose before it has converged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
