"""The estimators: scikit-learn's contract, and nothing else."""

from .logistic import LogisticRegression
from .logistic_path import LogisticRegressionCV
from .path import SGDClassifierCV, SGDRegressorCV
from .stochastic import SGDClassifier, SGDOneClassSVM, SGDRegressor

__all__ = [
    "LogisticRegression",
    "LogisticRegressionCV",
    "SGDClassifier",
    "SGDClassifierCV",
    "SGDOneClassSVM",
    "SGDRegressor",
    "SGDRegressorCV",
]
