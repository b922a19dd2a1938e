"""Several models on the same rows: which can be trained together, and how they are scored together.

Design note. Training reads X once per epoch, so models that visit the rows in the same order can take
their steps while a row is in the cache. `why_not` decides whether an estimator can take part at all,
`group_key` which estimators agree in everything that the order of the rows and the form of a step
depend on, and `fit_together` trains such a group. What a fit costs in bytes read is then paid once for
all. Scores need the raw predictions of every model on the same rows: `raw_scores_together` gets them
by one product, and `answering` lends them to an estimator while a scorer of scikit-learn asks it, so
that every scorer sees the numbers that it would have computed by itself.

Nothing here knows folds, searches or pipelines; see `fastgd.model_selection` and `path`.
"""

from contextlib import contextmanager
from numbers import Integral

import numpy as np
import scipy.sparse as sp

from ..data import RowSubset, raw_scores, validated
from ..many import train_all, why_alone, worthwhile
from .stochastic import PASSIVE_AGGRESSIVE, SGDClassifier, SGDRegressor

__all__ = ["answering", "fit_together", "group_key", "raw_scores_together", "why_not"]

SCORES_AT_ONCE = 1 << 22  # raw scores of one product: 32 MB of float64
VALUES_AT_ONCE = 1 << 20  # of CSR rows that are gathered for a product
OWN_PASS = "Its fit failed before it began to train."
TOO_FEW = "So few models are faster one by one."


# ---- what can be trained together ----------------------------------------------------------------


def why_not(estimator, X=None):
    """Why an estimator cannot share its passes over X with others.

    Parameters
    ----------
    estimator : estimator
        With its parameters set.
    X : array-like or sparse matrix of shape (n_samples, n_features), default=None
        The training data, if they are known already.

    Returns
    -------
    str or None
        A sentence; None if it can share.
    """
    name = type(estimator).__name__
    if type(estimator) not in (SGDClassifier, SGDRegressor):
        if isinstance(estimator, (SGDClassifier, SGDRegressor)):
            return f"{name} is a subclass that may train or predict in its own way."
        return f"{name} is not fastgd's SGDClassifier or SGDRegressor."
    invalid = _invalid(estimator)
    if invalid:
        return f"The parameters are not valid. {invalid}"
    return _own_way(estimator) or _unshared_layout(X)


def _invalid(estimator):
    """What the estimator's own checks say about its parameters; None if they pass."""
    try:
        estimator._validate_params()
        estimator._check_combinations()
    except (TypeError, ValueError) as error:
        return str(error)
    return None


def _own_way(estimator):
    """Which parameter or state asks for a training of its own; None if none does."""
    seeded = isinstance(estimator.random_state, Integral)
    if not seeded and (estimator.shuffle or estimator.early_stopping):
        given = "None" if estimator.random_state is None else "a random generator"
        return f"random_state is {given}, so every fit draws its own row order; an int allows sharing."
    if estimator.learning_rate in PASSIVE_AGGRESSIVE:
        return f"Steps of learning_rate={estimator.learning_rate!r} depend on each row's length."
    if estimator.average:
        return "average=True keeps a second set of weights."
    if estimator.verbose:
        return "verbose prints a report of every epoch of a single fit."
    if getattr(estimator, "_skl_callbacks", None):
        return "The estimator's callbacks follow the epochs of a single fit."
    if estimator.warm_start and hasattr(estimator, "coef_"):
        return "warm_start=True begins at the weights of the last fit."
    return None


def _unshared_layout(X):
    if X is None or isinstance(X, np.ndarray) or (sp.issparse(X) and X.format == "csr"):
        return None
    return f"X is a {type(X).__name__}, not an array or a CSR matrix."


def group_key(estimator):
    """What estimators that share a pass have to agree in.

    The row order and the form of a step: everything else (penalty, learning rate, stopping rule, class
    weights, the parameter of the loss) may differ from model to model.

    Parameters
    ----------
    estimator : SGDClassifier or SGDRegressor
        One that `why_not` has nothing against.

    Returns
    -------
    tuple
        Hashable; equal for estimators that may share.
    """
    early = estimator.early_stopping
    return (
        type(estimator),
        estimator.loss,
        estimator.batch_size,
        getattr(estimator, "multi_class", None),
        bool(estimator.fit_intercept),
        bool(estimator.shuffle),
        estimator.random_state if estimator.shuffle or early else None,
        estimator.validation_fraction if early else None,
    )


# ---- training ------------------------------------------------------------------------------------


def fit_together(estimators, X, y, *, rows=None, sample_weight=None, n_jobs=None):
    """Fit several estimators of one class on the same rows of X.

    Parameters
    ----------
    estimators : list of SGDClassifier, or of SGDRegressor
        Unfitted, with their parameters set.
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        All rows.
    y : ndarray of shape (n_samples,)
        All targets.
    rows : ndarray of int, default=None
        The training rows, in the order in which a splitter gives them; None for all.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of all rows.
    n_jobs : int or None, default=None
        Threads to train with; the result does not depend on it.

    Returns
    -------
    list of (estimator or Exception, str or None)
        For each estimator: itself, as ``fit(X[rows], y[rows], sample_weight[rows])`` leaves it, or the
        exception that this raises; and None if it shared its passes with others, else a sentence why
        it did not.
    """
    outcomes = [None] * len(estimators)
    groups = {}
    rows = None if rows is None else np.asarray(rows, dtype=np.int32)
    repeated = rows is not None and len(np.unique(rows)) < len(rows)
    for i, estimator in enumerate(estimators):
        reason = why_not(estimator, X)
        if reason is None and repeated and estimator.early_stopping:
            reason = "Rows that occur several times cannot be split into training and validation rows."
        if reason is None:
            groups.setdefault(group_key(estimator), []).append(i)
        else:
            outcomes[i] = _alone(estimator, X, y, rows, sample_weight), reason
    for members in groups.values():
        group = [estimators[i] for i in members]
        done = _fit_group(group, X, y, rows, sample_weight, n_jobs)
        for i, outcome in zip(members, done, strict=True):
            outcomes[i] = outcome
    return outcomes


def _alone(estimator, X, y, rows, sample_weight):
    """The estimator, fitted on a copy of the rows, or the exception that its fit raised."""
    if rows is not None:
        X, y = X[rows], y[rows]
        sample_weight = None if sample_weight is None else sample_weight[rows]
    try:
        return estimator.fit(X, y, sample_weight=sample_weight)
    except Exception as error:
        return error


def _fit_group(estimators, X, y, rows, sample_weight, n_jobs):
    """Outcomes of estimators with one `group_key`."""
    first = estimators[0]
    outcomes = [None] * len(estimators)
    jobs = {}
    try:
        X, y = validated(first, X, y, reset=True, y_numeric=isinstance(first, SGDRegressor))
    except Exception as error:
        return [(error, OWN_PASS)] * len(estimators)
    for i, estimator in enumerate(estimators):
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(first, name):
                setattr(estimator, name, getattr(first, name))
        try:
            jobs[i] = estimator._prepare(X, y, sample_weight, rows=rows)
        except Exception as error:
            outcomes[i] = error, OWN_PASS
    problems, plans = [], []
    for job in jobs.values():
        for problem in job.problems:
            start = problems[0] if problems else problem  # what is equal is kept once
            for name in ("rows", "targets", "weight", "chosen"):
                setattr(problem, name, getattr(start, name))
            problems.append(problem)
            plans.append(job.plan)
    if jobs:
        results = iter(train_all(problems, plans, next(iter(jobs.values())).make_order, n_jobs))
        sharing = sum(why_alone(plan) is None for plan in plans)
        few = not worthwhile(sharing, problems[0])
    for i, job in jobs.items():
        reason = why_alone(job.plan) or (TOO_FEW if few else None)
        try:
            estimators[i]._conclude(job, [next(results) for _ in job.problems])
            outcomes[i] = estimators[i], reason
        except Exception as error:
            outcomes[i] = error, reason
    return outcomes


# ---- scoring -------------------------------------------------------------------------------------


def raw_scores_together(estimators, X):
    """Raw scores of several fitted estimators on the same rows, by one product where memory allows.

    Equal models get equal scores to the last bit, so that ties between candidates remain ties.

    Parameters
    ----------
    estimators : list of fitted SGDClassifier, or of SGDRegressor
    X : validated ndarray, CSR matrix or RowSubset of shape (n_samples, n_features)

    Yields
    ------
    ndarray of shape (n_samples, n_models)
        For each estimator in turn; n_models is 1, or the number of classes if there are more than two.
    """
    models = [estimator._get_model() for estimator in estimators]
    widest = max((len(intercept) for _, intercept in models), default=1)
    count = max(1, SCORES_AT_ONCE // max(1, X.shape[0] * widest))
    for start in range(0, len(models), count):
        coef, intercept, columns = _stacked(models[start : start + count])
        scores = _product(X, coef, intercept)
        for chosen in columns:
            yield np.ascontiguousarray(scores[:, chosen])


def _stacked(models):
    """All different models as one: weights, intercepts, and the columns of each estimator."""
    seen, columns = {}, []
    for coef, intercept in models:
        keys = [(w.tobytes(), b.tobytes()) for w, b in zip(coef, intercept, strict=True)]
        columns.append([seen.setdefault(key, len(seen)) for key in keys])
    coef = np.empty((len(seen), models[0][0].shape[1]), dtype=models[0][0].dtype)
    out = np.empty(len(seen), dtype=models[0][1].dtype)
    for (w, b), chosen in zip(models, columns, strict=True):
        coef[chosen], out[chosen] = w, b
    return coef, out, columns


def _product(X, coef, intercept):
    """``X @ coef.T + intercept``; rows of a CSR matrix some at a time, with the weights turned once."""
    subset = isinstance(X, RowSubset)
    if not sp.issparse(X.X if subset else X):
        return raw_scores(X, coef, intercept)
    turned = np.ascontiguousarray(coef.T)
    if not subset:
        return X @ turned + intercept
    per_row = max(1, X.X.nnz // max(1, X.X.shape[0]))
    size = max(1, VALUES_AT_ONCE // per_row)
    parts = [X.X[X.rows[at : at + size]] @ turned for at in range(0, len(X.rows), size)]
    return np.concatenate(parts) + intercept


@contextmanager
def answering(estimator, X, raw):
    """Let a fitted estimator answer for X, this very object, from raw scores that are known.

    Parameters
    ----------
    estimator : fitted SGDClassifier or SGDRegressor
    X : object
        What will be passed to `predict` and its kin.
    raw : ndarray of shape (n_samples, n_models)
    """
    ask = estimator._scores
    # a copy: probabilities are computed in place
    estimator._scores = lambda other: raw.copy() if other is X else ask(other)
    try:
        yield
    finally:
        del estimator._scores
