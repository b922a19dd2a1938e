"""The estimators: scikit-learn's contract, and nothing else."""

from .stochastic import SGDClassifier, SGDOneClassSVM, SGDRegressor

__all__ = ["SGDClassifier", "SGDOneClassSVM", "SGDRegressor"]
