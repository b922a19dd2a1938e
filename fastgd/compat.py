"""The few private names of scikit-learn that fastgd cannot do without, each in one place.

Tested on the oldest and the newest supported version. Everything else comes from public modules.
"""

import sys
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
    "callers_level",
    "check_first_call",
    "check_sample_weight",
    "fit_context",
    "inside_cross_validation",
    "validation_score",
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
        row = int((weight < 0).argmax())
        raise ValueError(
            "Negative values in data passed to `sample_weight`: row "
            f"{row} has weight {weight[row]:g}. Weights count how often a "
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


def inside_cross_validation():
    """Whether scikit-learn's model selection or calibration is calling: it cuts fit parameters."""
    frame = sys._getframe(1)
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("sklearn.model_selection.") or module == "sklearn.calibration":
            return True
        frame = frame.f_back
    return False


def callers_level():
    """`stacklevel` of a warning that shall point at the first line outside fastgd and scikit-learn."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(
        ("fastgd.", "sklearn.")
    ):
        level, frame = level + 1, frame.f_back
    return level
