"""The estimators: scikit-learn's contract, and nothing else."""

from .least_squares import ElasticNet, Lasso, LinearRegression, Ridge
from .least_squares_cv import ElasticNetCV, LassoCV, RidgeCV
from .path import SGDClassifierCV, SGDRegressorCV
from .stochastic import SGDClassifier, SGDOneClassSVM, SGDRegressor

__all__ = [
    "ElasticNet",
    "ElasticNetCV",
    "Lasso",
    "LassoCV",
    "LinearRegression",
    "Ridge",
    "RidgeCV",
    "SGDClassifier",
    "SGDClassifierCV",
    "SGDOneClassSVM",
    "SGDRegressor",
    "SGDRegressorCV",
]
