"""What is imported on first use, which type checkers cannot see; tests/test_typing.py keeps it true."""

from .least_squares import ElasticNet as ElasticNet
from .least_squares import Lasso as Lasso
from .least_squares import LinearRegression as LinearRegression
from .least_squares import Ridge as Ridge
from .least_squares_cv import ElasticNetCV as ElasticNetCV
from .least_squares_cv import LassoCV as LassoCV
from .least_squares_cv import RidgeCV as RidgeCV
from .logistic import LogisticRegression as LogisticRegression
from .logistic_path import LogisticRegressionCV as LogisticRegressionCV
from .path import SGDClassifierCV as SGDClassifierCV
from .path import SGDRegressorCV as SGDRegressorCV
from .stochastic import SGDClassifier as SGDClassifier
from .stochastic import SGDOneClassSVM as SGDOneClassSVM
from .stochastic import SGDRegressor as SGDRegressor
