"""Linear and logistic regression by gradient descent, at memory speed.

The estimators are scikit-learn's, with the same parameters and attributes::

    from fastgd import SGDClassifier

Names are imported on first use, so that the command line and the kernels do not wait for
scikit-learn.
"""

from importlib import import_module as _import_module
from importlib.machinery import PathFinder as _PathFinder

__version__ = "0.1.0"

if _PathFinder.find_spec("_cpu", [f"{__path__[0]}/kernels"]) is None:  # sources, not compiled
    from ._checkout import installed_instead

    __path__[:] = installed_instead(__path__)

# Where each public name lives.
_HOMES = {
    "DescentPathDisplay": "display",
    "ElasticNet": "linear_model",
    "ElasticNetCV": "linear_model",
    "Lasso": "linear_model",
    "LassoCV": "linear_model",
    "LearningRateFinderDisplay": "display",
    "LinearRegression": "linear_model",
    "LogisticRegression": "linear_model",
    "LogisticRegressionCV": "linear_model",
    "Optimizer": "optimize",
    "RegularizationPathDisplay": "display",
    "Ridge": "linear_model",
    "RidgeCV": "linear_model",
    "SGDClassifier": "linear_model",
    "SGDClassifierCV": "linear_model",
    "SGDOneClassSVM": "linear_model",
    "SGDRegressor": "linear_model",
    "SGDRegressorCV": "linear_model",
    "TrainingCurveDisplay": "display",
    "diagnose": "diagnosis",
    "minimize": "optimize",
    "patch_sklearn": "patching",
    "show_config": "config",
    "unpatch_sklearn": "patching",
}

# Modules with public names of their own.
_MODULES = ("optimizers", "schedules")

__all__ = [*_HOMES, *_MODULES, "__version__"]


def __getattr__(name):
    if name in _MODULES:
        return _import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__))


def load_ipython_extension(ipython):
    """Patch scikit-learn: what ``%load_ext fastgd`` does in a notebook."""
    from .patching import patch_sklearn

    patch_sklearn()


def unload_ipython_extension(ipython):
    """Undo the patch: what ``%unload_ext fastgd`` does in a notebook."""
    from .patching import unpatch_sklearn

    unpatch_sklearn()
