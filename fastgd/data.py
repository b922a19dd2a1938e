"""Data: from what a user passes to views that the kernels can read, without copying X.

C-contiguous float32 and float64 arrays and CSR matrices of such values (int32 or int64 indices) are
used in place, read-only and memory-mapped ones included. Dense integers stay as they are, too: the
kernels convert a block of rows at a time, and `raw_scores` a block at a time for prediction. Other
layouts (F-ordered, CSC, COO, data frames) are converted by scikit-learn's own validation. A subset
of the rows is an array of row numbers: for training the kernels take one, for prediction `RowSubset`.
"""

from contextlib import contextmanager
from functools import cached_property
from math import isfinite

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import validate_data

from .kernels import kernels

__all__ = [
    "RowSubset",
    "labels_in_order",
    "make_rows",
    "padded",
    "raw_scores",
    "refuse_broken",
    "refuse_weightless",
    "validated",
    "validated_for_prediction",
    "worst_scaled",
]

FLOATS = [np.float64, np.float32]
INTEGERS = [
    np.bool_,
    np.int8,
    np.uint8,
    np.int16,
    np.uint16,
    np.int32,
    np.uint32,
    np.int64,
    np.uint64,
]
NATIVE = {np.dtype(kind) for kind in FLOATS + INTEGERS}
PADDING = 16  # elements; the kernels read and write whole vectors of weights
SCORE_BYTES = 1 << 18  # of converted or gathered rows at a time: they stay in L2
NO_TARGETS = object()


class RowSubset:
    """Some rows of a validated X, to predict on without copying them all.

    Parameters
    ----------
    X : ndarray or CSR matrix
    rows : ndarray of int
    """

    def __init__(self, X, rows):
        self.X, self.rows = X, rows
        self.shape = (len(rows), X.shape[1])

    @cached_property
    def _for_kernels(self):
        """The view of X, and the rows, that the kernels take; None for integers."""
        if self.X.dtype.kind != "f":
            return None
        return make_rows(self.X), np.ascontiguousarray(self.rows, dtype=np.int32)

    def predicted(self, coef):
        """``X @ coef`` of one vector of weights of X's type; None if the rows must be gathered for it.

        They are read where they are: early stopping asks for this after every epoch.
        """
        if self._for_kernels is None or coef.dtype != self.X.dtype:
            return None
        rows, chosen = self._for_kernels
        out = np.empty(len(chosen))
        w = padded(coef, self.shape[1], coef.dtype)
        kernels.predict_rows(rows, chosen, w, coef.dtype == np.float64, out)
        return out.astype(coef.dtype, copy=False)

    def __array__(self, dtype=None, copy=None):
        """For subclasses that do more with X than predict: the rows as a dense array."""
        rows = self.X[self.rows]
        return np.asarray(rows.toarray() if sp.issparse(rows) else rows, dtype=dtype)


def validated(estimator, X, y=NO_TARGETS, *, reset, y_numeric=False, any_order=False, trusting=False):
    """X, or X and y, checked by scikit-learn and laid out for the kernels.

    Parameters
    ----------
    estimator : estimator
        Whose feature names and number of features are set (`reset`) or compared.
    X : array-like or sparse matrix of shape (n_samples, n_features)
    y : array-like of shape (n_samples,), optional
    reset : bool
        Whether this is the estimator's first sight of data.
    y_numeric : bool, default=False
        Whether y must be numbers; it may then have several columns, for as many targets.
    any_order : bool, default=False
        Whether a Fortran-ordered X, and a y of shape (n_samples, 1), stay as they are.
    trusting : bool, default=False
        Whether the caller will find out by itself if an array X is not finite, and call again
        without this.

    Returns
    -------
    X : ndarray or CSR matrix, and y : ndarray of shape (n_samples,) or (n_samples, n_targets) if given

    Raises
    ------
    ValueError
        With scikit-learn's sentences for NaN, infinity, wrong shapes and types; with ours for a
        sparse matrix whose indices lead outside it.
    """
    alone = y is NO_TARGETS
    if (
        _sound(X, 2, any_order, not trusting)
        and (alone or (_sound(y, 1) and len(y) == len(X)))
        and _expected(estimator, X, reset)
    ):
        return X if alone else (X, y)
    if sp.issparse(X):
        refuse_broken(X)
        if X.dtype not in FLOATS:  # SciPy before 1.11 sorts the indices of what it converts, in place
            X = X.copy()
    settings = {
        "accept_sparse": "csr",
        "accept_large_sparse": True,
        "dtype": FLOATS if sp.issparse(X) else FLOATS + INTEGERS,
        "order": None if any_order else "C",
        "reset": reset,
    }
    if getattr(getattr(X, "dtype", None), "kind", None) in ("m", "M"):
        raise ValueError(
            f"X holds dates or durations ({X.dtype}). Make numbers of them first, for example by "
            "X.astype('int64'), or features such as the day of the week."
        )
    with no_text(X, y if y_numeric else NO_TARGETS):
        if alone:
            X = validate_data(estimator, X, **settings)
        else:
            shape = getattr(y, "shape", None) or np.asarray(y).shape
            several = y_numeric and len(shape) == 2 and (shape[1] > 1 or any_order)
            X, y = validate_data(estimator, X, y, y_numeric=y_numeric, multi_output=several, **settings)
            if y_numeric and y.dtype.kind in "US":
                y = y.astype(np.float64)
    if sp.issparse(X):
        X = without_duplicates(X)
    elif not (X.flags.aligned and (X.flags.c_contiguous or (any_order and X.flags.f_contiguous))):
        X = X.copy(order="C")
    return X if alone else (X, y)


def validated_for_prediction(estimator, X):
    """X checked by scikit-learn and against what the estimator was fitted on, in any layout."""
    if isinstance(X, RowSubset) or (_sound(X, 2) and _expected(estimator, X, reset=False)):
        return X
    if sp.issparse(X):
        refuse_broken(X)
    with no_text(X):
        return validate_data(estimator, X, accept_sparse="csr", reset=False)


@contextmanager
def no_text(X, y=NO_TARGETS):
    """Say where the text is that scikit-learn could not make numbers of."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith("could not convert"):
            raise
        if y is not NO_TARGETS and not _numbers(y):
            where = (
                "y has values that are no numbers, which a regressor needs. Labels are for classifiers."
            )
        else:
            where = f"X has values that are no numbers{_in_columns(X)}. Encode or drop them."
        raise ValueError(f"{error}. {where}") from None


def _in_columns(X):
    """The names, or numbers, of the columns with text."""
    values = np.asarray(X, dtype=object)
    if values.ndim != 2:
        return ""
    names = getattr(X, "columns", range(values.shape[1]))
    text = [repr(name) for name, column in zip(names, values.T, strict=True) if not _numbers(column)]
    return f", in column {', '.join(text[:5])}"


def _numbers(values):
    try:
        np.asarray(values).astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def labels_in_order(y, return_inverse=False):
    """`numpy.unique` of labels, which must have an order among each other."""
    try:
        return np.unique(y, return_inverse=return_inverse)
    except TypeError:
        kinds = sorted({type(label).__name__ for label in y})
        raise TypeError(
            f"The labels in y have no order among each other: they are of type {' and '.join(kinds)}. "
            "Make all of them strings, or all of them numbers."
        ) from None


def _sound(values, ndim, any_order=False, finite=True):
    """Whether scikit-learn's checks would return these values as they are; they take longer to say so.

    The sum finds what is not finite without an array of flags. It may overflow by itself: not sound,
    hence looked at more closely.
    """
    if type(values) is not np.ndarray or values.ndim != ndim or values.dtype not in NATIVE:
        return False
    if not (values.size and values.flags.aligned):
        return False
    if not (values.flags.c_contiguous or (any_order and values.flags.f_contiguous)):
        return False
    if values.dtype.kind != "f" or not finite:
        return True
    with np.errstate(over="ignore", invalid="ignore"):
        return isfinite(values.sum())


def _expected(estimator, X, reset):
    """Whether an array without feature names is what the estimator knows, or (`reset`) comes to know."""
    if hasattr(estimator, "feature_names_in_"):
        return False
    if reset:
        estimator.n_features_in_ = X.shape[1]
    return getattr(estimator, "n_features_in_", None) == X.shape[1]


def refuse_broken(X):
    """Refuse a compressed matrix whose structure would lead outside its buffers."""
    if X.format not in ("csr", "csc") or X.ndim != 2:
        return
    major, minor = X.shape if X.format == "csr" else X.shape[::-1]
    indptr, indices = X.indptr, X.indices
    fault = 0
    sound = indptr.shape[0] == major + 1 and indptr[0] == 0 and (indptr[1:] >= indptr[:-1]).all()
    if not sound or indptr[-1] > min(len(indices), len(X.data)):
        fault = 2
    elif indptr[-1] > 0:
        used = indices[: indptr[-1]]
        if used.dtype in (np.int32, np.int64) and used.flags.c_contiguous:
            # in one pass: what is below zero becomes very large
            inside = used.view(f"u{used.itemsize}").max() < minor
        else:
            inside = 0 <= used.min() <= used.max() < minor
        fault = 0 if inside else 3
    if fault == 2:
        raise ValueError(
            f"X is not a sound {X.format.upper()} matrix: `indptr` must have {major + 1} entries, start "
            "at 0, never fall and end within `data` and `indices`. Rebuild X, for example by scipy's "
            "`coo_matrix(...).tocsr()`."
        )
    if fault == 3:
        raise ValueError(
            f"X is not a sound {X.format.upper()} matrix: `indices` has an entry outside 0 ... "
            f"{minor - 1}, the range that shape {X.shape} allows. Rebuild X, or correct its shape."
        )


def refuse_weightless(weight):
    """Refuse weights of the rows of a fold that are all zero; None is a weight of 1 for each."""
    if weight is not None and not weight.any():
        raise ValueError(
            "All rows of a fold of the cross-validation have a weight of zero, so that nothing can be "
            "said of it. Leave such rows out, or give a `cv` that spreads the others over the folds."
        )


def without_duplicates(X):
    """A sound CSR matrix with each column once per row; X itself if it is that already."""
    indptr, indices = X.indptr, X.indices
    if indptr.dtype != indices.dtype or indptr.dtype not in (np.int32, np.int64):
        indptr, indices = indptr.astype(np.int64), indices.astype(np.int64)
    if kernels.distinct(np.ascontiguousarray(indptr), np.ascontiguousarray(indices), X.shape[1]):
        return X
    X = X.copy()
    X.sum_duplicates()
    return X


def make_rows(X):
    """The kernels' view of a validated matrix."""
    if not sp.issparse(X):
        return kernels.Rows(X.shape, X, X.dtype.kind + str(X.dtype.itemsize))
    indices, indptr = X.indices, X.indptr
    wide = np.int64 in (indices.dtype, indptr.dtype)
    index = np.int64 if wide else np.int32
    return kernels.Rows(
        X.shape,
        np.ascontiguousarray(X.data),
        "f" + str(X.data.dtype.itemsize),
        np.ascontiguousarray(indices, dtype=index),
        np.ascontiguousarray(indptr, dtype=index),
        wide,
    )


def padded(values, n_features, dtype):
    """A vector of weights with room for whole vectors: values (None: zeros), then zeros."""
    out = np.zeros(-(-n_features // PADDING) * PADDING, dtype=dtype)
    if values is not None:
        out[:n_features] = values
    return out


def raw_scores(X, coef, intercept):
    """``X @ coef.T + intercept`` for validated X, integers a block at a time.

    Parameters
    ----------
    X : ndarray, CSR matrix or RowSubset of shape (n_samples, n_features)
    coef : ndarray or sparse matrix of shape (n_models, n_features)
    intercept : ndarray of shape (n_models,)

    Returns
    -------
    ndarray of shape (n_samples, n_models)
    """
    with np.errstate(over="ignore", invalid="ignore"):  # of values that no training has seen
        return _raw_scores(X, coef, intercept)


def _raw_scores(X, coef, intercept):
    subset = isinstance(X, RowSubset)
    if not subset and (sp.issparse(X) or X.dtype.kind == "f" or sp.issparse(coef)):
        if coef.shape[0] == 1 and sp.issparse(X) and not sp.issparse(coef):
            return (X @ coef[0])[:, None] + intercept  # sooner there than by a matrix of one column
        return safe_sparse_dot(X, coef.T, dense_output=True) + intercept
    if subset and coef.shape[0] == 1 and not sp.issparse(coef):
        predicted = X.predicted(coef[0])
        if predicted is not None:
            return predicted[:, None] + intercept
    scores = np.empty((X.shape[0], coef.shape[0]), dtype=np.result_type(coef.dtype, np.float32))
    block = max(1, SCORE_BYTES // (X.shape[1] * coef.dtype.itemsize))
    for start in range(0, X.shape[0], block):
        at = slice(start, start + block)
        if subset:
            scores[at] = _raw_scores(X.X[X.rows[at]], coef, intercept)
        else:
            scores[at] = _raw_scores(X[at].astype(scores.dtype), coef, intercept)
    return scores


def worst_scaled(X, names=None):
    """The feature with the largest values, for messages: (name, its largest, the features' median).

    Looks at no more than 10,000 rows, evenly spaced.
    """
    largest = np.zeros(X.shape[1])
    rows = np.arange(0, X.shape[0], -(-X.shape[0] // 10_000))
    if sp.issparse(X):
        sample = X[rows].tocsr()
        np.maximum.at(largest, sample.indices, abs(sample.data.astype(np.float64)))
    else:
        for part in np.array_split(rows, -(-len(rows) * X.shape[1] // SCORE_BYTES)):
            np.maximum(largest, abs(X[part].astype(np.float64)).max(axis=0), out=largest)
    worst = int(largest.argmax())
    name = f"feature {worst}" if names is None else f"feature {names[worst]!r}"
    return name, float(largest[worst]), float(np.median(largest))
