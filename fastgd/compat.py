"""The few private names of scikit-learn that fastgd cannot do without, each in one place.

Tested on the oldest and the newest supported version. Everything else comes from public modules.
"""

import sys
from functools import lru_cache
from inspect import signature

from sklearn.base import _fit_context as fit_context
from sklearn.linear_model import _stochastic_gradient
from sklearn.metrics import make_scorer
from sklearn.metrics._scorer import _MultimetricScorer, _PassthroughScorer, _Scorer
from sklearn.model_selection._validation import _fit_and_score
from sklearn.model_selection._validation import _score as checked_score
from sklearn.utils import _safe_indexing as rows_of
from sklearn.utils._param_validation import Hidden, Interval
from sklearn.utils._param_validation import StrOptions as _StrOptions
from sklearn.utils.metadata_routing import _raise_for_params as raise_for_params
from sklearn.utils.metadata_routing import _routing_enabled as routing_enabled
from sklearn.utils.multiclass import _check_partial_fit_first_call as check_first_call
from sklearn.utils.validation import _check_method_params as check_method_params
from sklearn.utils.validation import _check_sample_weight

__all__ = [
    "Hidden",
    "Interval",
    "StrOptions",
    "asks_for_responses",
    "callers_level",
    "check_first_call",
    "check_method_params",
    "check_sample_weight",
    "checked_score",
    "default_of",
    "fit_context",
    "inside_cross_validation",
    "is_fit_and_score",
    "knowing_labels",
    "raise_for_params",
    "replace_executor",
    "routing_enabled",
    "rows_of",
    "takes_weight",
    "validation_score",
]


class StrOptions(_StrOptions):
    """One of some strings, which an error lists in alphabetical order, not in that of a set."""

    def __init__(self, options):
        super().__init__(dict.fromkeys(sorted(options)).keys())


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


def asks_for_responses(scorer):
    """Whether a scorer does nothing with X but hand it to the estimator's public predictions.

    True for those that scikit-learn makes (by name, by `make_scorer`, the estimator's own `score`), alone
    or several at once; a function of one's own may look into X or the estimator.
    """
    if type(scorer) is _MultimetricScorer:
        return all(map(asks_for_responses, scorer._scorers.values()))
    return type(scorer) in (_Scorer, _PassthroughScorer)


def takes_weight(scorer, estimator):
    """Whether a scorer counts row weights, on every version of scikit-learn."""
    if type(scorer) is _PassthroughScorer:
        counts = estimator.score
    else:
        counts = scorer._score_func if type(scorer) is _Scorer else scorer
    return "sample_weight" in signature(counts).parameters


def knowing_labels(scorer, labels):
    """The scorer with the labels of all classes, where it has a use for them: a fold may lack some."""
    function = getattr(scorer, "_score_func", None)
    known = {} if function is None else signature(function).parameters
    if "labels" not in known:
        return scorer
    arguments = {"labels": labels}
    if len(labels) <= 2 and "pos_label" in known:
        arguments["pos_label"] = labels[-1]
    return make_scorer(
        function,
        greater_is_better=scorer._sign == 1,
        response_method=scorer._response_method,
        **{**arguments, **scorer._kwargs},
    )


@lru_cache(maxsize=64)
def default_of(estimator, parameter):
    """The default of a parameter in the installed scikit-learn; None if it does not have it."""
    found = signature(estimator.__init__).parameters.get(parameter)
    return None if found is None else found.default


def is_fit_and_score(task):
    """Whether a task, as joblib takes it, is scikit-learn's fit and score of a candidate on a fold."""
    return getattr(task[0], "function", None) is _fit_and_score


def replace_executor(evaluate_candidates, wrap):
    """Have a search hand the tasks of its candidates to another executor than joblib's.

    `evaluate_candidates`, which a search's `_run_search` is given, collects one task per candidate and
    fold and calls the executor that its enclosing `fit` made, ``parallel(tasks)``, for the results in
    the same order. Only this one call of `fit` is changed.

    Parameters
    ----------
    evaluate_candidates : callable
    wrap : callable
        ``wrap(parallel)`` -> another executor.

    Returns
    -------
    bool
        Whether there was such an executor to replace.
    """
    code = getattr(evaluate_candidates, "__code__", None)
    names = () if code is None else code.co_freevars
    if "parallel" not in names:
        return False
    cell = evaluate_candidates.__closure__[names.index("parallel")]
    cell.cell_contents = wrap(cell.cell_contents)
    return True
