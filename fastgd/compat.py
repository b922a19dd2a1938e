"""The few private names of scikit-learn that fastgd cannot do without, each in one place.

Tested on the oldest and the newest supported version. Everything else comes from public modules.
"""

import warnings
from inspect import signature

from sklearn.base import _fit_context as fit_context
from sklearn.linear_model import _stochastic_gradient
from sklearn.utils._param_validation import Hidden, Interval, StrOptions
from sklearn.utils.multiclass import _check_partial_fit_first_call as check_first_call
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "Hidden",
    "Interval",
    "StrOptions",
    "check_first_call",
    "check_sample_weight",
    "fit_context",
    "validation_score",
    "warn_power_t",
]


# From 1.7 on all-zero weights are refused unless allowed; here the caller decides, on every version.
_LENIENT = {"allow_all_zero_weights": True}
if "allow_all_zero_weights" not in signature(_check_sample_weight).parameters:
    _LENIENT = {}


def check_sample_weight(sample_weight, X, dtype, allow_all_zero):
    """Validated weights of shape (n_samples,), never negative, refused if all are zero.

    Raises
    ------
    ValueError
        With a sentence, for NaN, infinite, negative or all-zero weights and wrong shapes.
    """
    weight = _check_sample_weight(sample_weight, X, dtype=dtype, **_LENIENT)
    if (weight < 0).any():
        raise ValueError(
            "Negative values in data passed to `sample_weight`: row "
            f"{int((weight < 0).argmax())} has weight {weight.min():g}. Weights count how often a "
            "row stands for itself; remove the row or give it weight 0."
        )
    if not allow_all_zero and not weight.any():
        raise ValueError(
            "Sample weights must contain at least one non-zero number: all of them are zero, so "
            "there is no row to train on."
        )
    return weight


def validation_score(*arguments, **keywords):
    """scikit-learn's own scoring of early stopping's internal split.

    Looked up at each call. It scores by the estimator's `score` on the targets as the loss encodes
    them, so that subclasses and the number of epochs agree with scikit-learn.
    """
    return _stochastic_gradient._ValidationScoreCallback(*arguments, **keywords)


def warn_power_t(power_t):
    """scikit-learn's own deprecation of negative exponents."""
    if power_t < 0:
        warnings.warn(
            "Negative values for `power_t` are deprecated in scikit-learn 1.8 and will raise an "
            "error in 1.10: the learning rate would grow without bound. Use a value >= 0.",
            FutureWarning,
            stacklevel=4,
        )
