"""scikit-learn's checks of what every estimator must do.

Design note. Two expected failures are declared, the two that scikit-learn declares for its own SGD
estimators: with one row per step, a weight of 2 is one step twice as long and not two steps. With the
full batch that reason is gone, so there the same two checks must pass. What is run to an optimum passes
all.
"""

import pytest
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastgd import (
    LogisticRegression,
    LogisticRegressionCV,
    SGDClassifier,
    SGDOneClassSVM,
    SGDRegressor,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KLASSES = (SGDClassifier, SGDRegressor, SGDOneClassSVM)
WEIGHTS_AS_REPETITIONS = (
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
)


def expected_failed_checks(estimator):
    return dict.fromkeys(WEIGHTS_AS_REPETITIONS, "a step of twice the length is not two steps")


@parametrize_with_checks(
    [klass(max_iter=5) for klass in KLASSES], expected_failed_checks=expected_failed_checks
)
def test_sklearn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("check", WEIGHTS_AS_REPETITIONS)
@pytest.mark.parametrize("klass", KLASSES)
def test_weights_are_repetitions_to_the_full_batch(klass, check):
    estimator = klass(batch_size="full", max_iter=200)
    getattr(estimator_checks, check)(klass.__name__, estimator)


OPTIMAL = [
    LogisticRegression(),
    LogisticRegression(l1_ratio=0.5),
    LogisticRegression(solver="saga", C=0.5, l1_ratio=1),
    LogisticRegressionCV(cv=3, Cs=3),
]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@parametrize_with_checks(OPTIMAL)
def test_sklearn_checks_of_what_is_optimal(estimator, check):
    check(estimator)
