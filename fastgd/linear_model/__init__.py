"""The estimators: scikit-learn's contract, and nothing else. Each is imported on first use."""

from importlib import import_module as _import_module

_HOMES = {
    "ElasticNet": "least_squares",
    "ElasticNetCV": "least_squares_cv",
    "Lasso": "least_squares",
    "LassoCV": "least_squares_cv",
    "LinearRegression": "least_squares",
    "LogisticRegression": "logistic",
    "LogisticRegressionCV": "logistic_path",
    "Ridge": "least_squares",
    "RidgeCV": "least_squares_cv",
    "SGDClassifier": "stochastic",
    "SGDClassifierCV": "path",
    "SGDOneClassSVM": "stochastic",
    "SGDRegressor": "stochastic",
    "SGDRegressorCV": "path",
}

__all__ = list(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__))
