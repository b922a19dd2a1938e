"""Speed for programs that cannot be edited: fastgd's estimators under scikit-learn's names.

After :func:`patch_sklearn`, ``from sklearn.linear_model import SGDClassifier`` gives fastgd's.
What makes that safe is that each of ours is a subclass of the one it replaces, with the same
parameters and attributes, and leaves what it does not cover to the code it inherits.

Only the public namespace is changed, never the module that defines the class.  Pickle finds a class
by the module that defines it and refuses one that is not there any more: models made before the
patch, or by somebody who got hold of the class earlier, stay usable, picklable and what they are;
models that were pickled without fastgd load as they were saved.  Classes that scikit-learn derives
from the same base (Perceptron, the passive-aggressive ones) are untouched.
"""

import threading
from importlib import import_module

# Each name, and the module that has it: sklearn.<module> the original, fastgd.<module> ours.
# To let a new estimator be patched in, add it here.
REPLACEMENTS = {
    "LogisticRegression": "linear_model",
    "LogisticRegressionCV": "linear_model",
    "ElasticNet": "linear_model",
    "ElasticNetCV": "linear_model",
    "Lasso": "linear_model",
    "LassoCV": "linear_model",
    "LinearRegression": "linear_model",
    "Ridge": "linear_model",
    "RidgeCV": "linear_model",
    "SGDClassifier": "linear_model",
    "SGDOneClassSVM": "linear_model",
    "SGDRegressor": "linear_model",
}

# The same for what is replaced only if it is asked for by name: searches of any estimator.
BY_NAME = {
    "GridSearchCV": "model_selection",
    "RandomizedSearchCV": "model_selection",
}
_MODULES = {**REPLACEMENTS, **BY_NAME}

_originals: dict = {}  # name -> the class that was there before; the names patched right now
_lock = threading.Lock()


def patch_sklearn(*names):
    """Put fastgd's estimators in the place of scikit-learn's.

    It acts on imports that come later: a name that a program has already imported from
    scikit-learn stays what it was.  Patching twice is patching once.

    Parameters
    ----------
    *names : str
        Which classes; all estimators that fastgd has, when none is given. The searches of
        `fastgd.model_selection` are put in place only by name: ``patch_sklearn("GridSearchCV")``.

    Returns
    -------
    list of str
        What is patched now, such as ``"sklearn.linear_model.SGDClassifier"``.

    See Also
    --------
    unpatch_sklearn : Undo it.

    Examples
    --------
    >>> from fastgd import patch_sklearn, unpatch_sklearn
    >>> patch_sklearn("SGDClassifier")
    ['sklearn.linear_model.SGDClassifier']
    >>> from sklearn.linear_model import SGDClassifier
    >>> SGDClassifier.__module__.partition(".")[0]
    'fastgd'
    >>> unpatch_sklearn()
    ['sklearn.linear_model.SGDClassifier']
    """
    names = _checked(names) or tuple(REPLACEMENTS)
    # Import ours before any lock or change: they derive from the originals.
    ours = {name: getattr(import_module(_home(name, "fastgd")), name) for name in names}
    with _lock:
        for name in names:
            home = import_module(_home(name, "sklearn"))
            if getattr(home, name) is not ours[name]:
                _originals[name] = getattr(home, name)
                setattr(home, name, ours[name])
        return _qualified(_originals)


def unpatch_sklearn(*names):
    """Put back what :func:`patch_sklearn` replaced.

    Parameters
    ----------
    *names : str
        Which classes; all that are patched, when none is given.

    Returns
    -------
    list of str
        What was put back.
    """
    names = _checked(names) or tuple(_MODULES)
    restored = []
    with _lock:
        for name in names:
            original = _originals.pop(name, None)
            if original is None:
                continue
            home = import_module(_home(name, "sklearn"))
            ours = getattr(import_module(_home(name, "fastgd")), name)
            if getattr(home, name) is ours:  # else somebody patched after us: theirs to undo
                setattr(home, name, original)
                restored.append(name)
    return _qualified(restored)


def _checked(names):
    """Return the names; a sentence for one that is not in the list."""
    unknown = [name for name in names if name not in _MODULES]
    if unknown:
        raise ValueError(
            f"fastgd has no replacement for {', '.join(map(repr, unknown))}; it has one for "
            f"{', '.join(_MODULES)}."
        )
    return names


def _home(name, package):
    return f"{package}.{_MODULES[name]}"


def _qualified(names):
    return [f"{_home(name, 'sklearn')}.{name}" for name in _MODULES if name in names]
