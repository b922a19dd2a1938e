"""What every fit is wrapped in: it leaves a whole model or none, and its arithmetic is silent.

Overflow is no event inside a fit: infinity and NaN go on to the checks that refuse them with a sentence,
so that NumPy's warnings on the way would only say the same in worse words.
"""

from functools import wraps

import numpy as np

__all__ = ["all_or_nothing", "silent"]


def silent(function):
    """A function whose arithmetic warns of nothing; for threads, which do not inherit that."""

    @wraps(function)
    def wrapper(*args, **kwargs):
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    return wrapper


def all_or_nothing(fit):
    """A fit that fails before it has a model leaves the estimator as it was.

    It has one as soon as it has a new `history_`, which is therefore the last of the attributes that
    a model is made of.
    """

    @wraps(fit)
    def wrapper(self, *args, **kwargs):
        before = self.__dict__.copy()
        try:
            with np.errstate(all="ignore"):
                return fit(self, *args, **kwargs)
        except BaseException as error:
            if self.__dict__.get("history_") is before.get("history_"):
                self.__dict__.clear()
                self.__dict__.update(before)
            if isinstance(error, np.linalg.LinAlgError):
                raise ValueError(
                    f"Products of the columns of X make no sound matrix ({error}): values or weights are "
                    "too large or too unequal for floating-point numbers. Scale the features, for "
                    "example by StandardScaler, and look for outliers."
                ) from error
            raise

    return wrapper
