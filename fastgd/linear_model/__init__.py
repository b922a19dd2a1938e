"""The estimators: scikit-learn's contract, and nothing else."""

from .path import SGDClassifierCV, SGDRegressorCV
from .stochastic import SGDClassifier, SGDOneClassSVM, SGDRegressor

__all__ = ["SGDClassifier", "SGDClassifierCV", "SGDOneClassSVM", "SGDRegressor", "SGDRegressorCV"]
