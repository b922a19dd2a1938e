"""What is imported on first use, which type checkers cannot see; tests/test_typing.py keeps it true."""

from . import optimizers as optimizers
from . import schedules as schedules
from .config import show_config as show_config
from .diagnosis import diagnose as diagnose
from .display import DescentPathDisplay as DescentPathDisplay
from .display import LearningRateFinderDisplay as LearningRateFinderDisplay
from .display import RegularizationPathDisplay as RegularizationPathDisplay
from .display import TrainingCurveDisplay as TrainingCurveDisplay
from .linear_model import ElasticNet as ElasticNet
from .linear_model import ElasticNetCV as ElasticNetCV
from .linear_model import Lasso as Lasso
from .linear_model import LassoCV as LassoCV
from .linear_model import LinearRegression as LinearRegression
from .linear_model import LogisticRegression as LogisticRegression
from .linear_model import LogisticRegressionCV as LogisticRegressionCV
from .linear_model import Ridge as Ridge
from .linear_model import RidgeCV as RidgeCV
from .linear_model import SGDClassifier as SGDClassifier
from .linear_model import SGDClassifierCV as SGDClassifierCV
from .linear_model import SGDOneClassSVM as SGDOneClassSVM
from .linear_model import SGDRegressor as SGDRegressor
from .linear_model import SGDRegressorCV as SGDRegressorCV
from .optimize import Optimizer as Optimizer
from .optimize import minimize as minimize
from .patching import patch_sklearn as patch_sklearn
from .patching import unpatch_sklearn as unpatch_sklearn

__version__: str

def load_ipython_extension(ipython: object) -> None: ...
def unload_ipython_extension(ipython: object) -> None: ...
