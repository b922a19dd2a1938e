"""scikit-learn's checks of the least-squares estimators; weights are repetitions, none may fail."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastgd import ElasticNet, ElasticNetCV, Lasso, LassoCV, LinearRegression, Ridge, RidgeCV

ESTIMATORS = [
    LinearRegression(),
    LinearRegression(positive=True),
    Ridge(),
    Ridge(positive=True),
    Ridge(solver="lsqr"),
    RidgeCV(),
    RidgeCV(cv=3),
    Lasso(),
    ElasticNet(alpha=0.1),
    ElasticNet(positive=True),
    LassoCV(cv=3),
    ElasticNetCV(cv=3),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(ESTIMATORS)
def test_sklearn_checks(estimator, check):
    check(estimator)
