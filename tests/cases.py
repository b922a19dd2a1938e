"""What the tests enumerate: losses, penalties, schedules, layouts; and how results are compared.

Design note. The names come from the package's own registries, so that a new loss arrives tested.
Every case is stable on the shared data: a fit that grows without bound multiplies rounding errors
until nothing can be compared.
"""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.utils.fixes import parse_version

from fastgd import reference

CLASSIFICATION = ("hinge", "squared_hinge", "perceptron", "log_loss", "modified_huber")
REGRESSION = tuple(name for name in reference.LOSSES if name not in CLASSIFICATION)

# scikit-learn's SGDClassifier also takes its SGDRegressor's losses; neither knows the last two.
SKLEARN_REGRESSION = tuple(name for name in REGRESSION if name not in ("quantile", "poisson"))
SKLEARN_CLASSIFICATION = CLASSIFICATION + SKLEARN_REGRESSION

PENALTIES = (None, "l2", "l1", "elasticnet")
SCHEDULES = ("optimal", "invscaling", "constant", "adaptive")

# Equality with scikit-learn is promised for the version whose algorithm was copied.
PARITY_VERSION = "1.9"
PARITY = parse_version(sklearn.__version__) >= parse_version(PARITY_VERSION)
needs_parity_version = pytest.mark.skipif(
    not PARITY,
    reason=f"equality is promised with scikit-learn {PARITY_VERSION}, not {sklearn.__version__}",
)


def steps(schedule):
    """Parameters of a schedule that trains well on the shared data with every loss."""
    return {
        "learning_rate": schedule,
        "eta0": 0.1 if schedule == "invscaling" else 0.05,
        "power_t": 0.3,
        # "optimal" starts at alpha ** -0.25: small for losses that grow with the square.
        "alpha": 0.1 if schedule == "optimal" else 0.01,
    }


def layout(X, kind):
    """X as a dense array or as CSR with 32- or 64-bit indices."""
    if kind == "dense":
        return X
    X = sp.csr_matrix(X)
    index = {"csr32": np.int32, "csr64": np.int64}[kind]
    X.indices, X.indptr = X.indices.astype(index), X.indptr.astype(index)
    return X


def solution(estimator):
    """Coefficients and intercept (or offset) of a fitted estimator in one row per model."""
    shift = estimator.offset_ if hasattr(estimator, "offset_") else estimator.intercept_
    return np.column_stack([np.atleast_2d(estimator.coef_), shift])


def assert_same_model(actual, expected, rtol=1e-6, message=""):
    """Equal to ``rtol``, entry by entry; what cancels to nearly nothing may differ by as little."""
    expected = np.asarray(expected)
    np.testing.assert_allclose(
        actual, expected, rtol=rtol, atol=1e-3 * rtol * np.abs(expected).max(), err_msg=message
    )
