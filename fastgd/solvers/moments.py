"""Moments: weighted sums of products of columns, which is all that squared loss asks of many rows.

Design note. One table holds them all, Z'Z of the rows z = sqrt(s) (x - c, y - e, 1): sums of weights, of
columns, of squares and of products. The shift (c, e) is the mean of some rows. Centring at the true means
is then a small correction, and no difference of large sums, whatever the units of X. Tables of parts
of the rows add up, so that a fold of cross-validation is the total minus the part held out: X is read
once for all folds, targets and penalties. Sums are in float64 for every type of X (float32 sums
lose the Cholesky factor of collinear columns).

Sparse rows are not shifted: a column is centred by a difference there, which costs the digits by
which its mean exceeds its spread.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.linalg.blas import dsyrk

from ..data import make_rows
from ..kernels import kernels, level, long_vectors

__all__ = [
    "Centred",
    "Moments",
    "TooLarge",
    "add_products",
    "blocks_of",
    "column_stats",
    "gather",
    "moments",
    "sample_mean",
    "squares_along",
]

EPS = np.finfo(np.float64).eps
BLOCK_BYTES = 1 << 19  # of centred rows in one matrix product: they stay in L2
BLOCK_ROWS = (256, 8192)
# columns of which products by our own kernel are sooner there than by BLAS
FEW = 1024 if long_vectors else 256
SAMPLE = 256  # rows whose mean is the shift


class TooLarge(ValueError):
    """Values whose squares overflow: those of "feature 3", or of "y"."""

    def __init__(self, what):
        super().__init__(
            f"The squares of {what} are too large for floating-point numbers: their sum over the rows "
            "overflows. Scale it down, for example by dividing it by its largest absolute value."
        )


@dataclass
class Centred:
    """Moments about the means, divided by the sum of the weights.

    Attributes
    ----------
    total : float
        S, the sum of the weights.
    A : ndarray of shape (d, d)
        Of the columns of X. Rows and columns of constant columns are zero.
    B : ndarray of shape (d, n_targets)
        Of X with y.
    c : ndarray of shape (n_targets,)
        Of y with itself.
    x_mean : ndarray of shape (d,), y_mean : ndarray of shape (n_targets,)
        Zeros without an intercept.
    """

    total: float
    A: np.ndarray
    B: np.ndarray
    c: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray

    def intercept(self, coef):
        """The best intercepts of coefficients of shape (d,) or (n_targets, d)."""
        return self.y_mean - coef @ self.x_mean


@dataclass
class Moments:
    """Sums of products of shifted columns; see the module's design note.

    Attributes
    ----------
    table : ndarray of shape (d + n_targets + 1, d + n_targets + 1)
    shift : ndarray of shape (d + n_targets,)
    d : int
    """

    table: np.ndarray
    shift: np.ndarray
    d: int

    def __add__(self, other):
        with np.errstate(over="ignore", invalid="ignore"):
            return Moments(self.table + other.table, self.shift, self.d)

    def __sub__(self, other):
        with np.errstate(over="ignore", invalid="ignore"):
            return Moments(self.table - other.table, self.shift, self.d)

    def centred(self, fit_intercept=True):
        """Moments about the means, or about zero without an intercept (then the shift must be zero).

        Raises
        ------
        TooLarge
            If the sums have overflowed.
        """
        d, table = self.d, self.table
        with np.errstate(over="ignore", invalid="ignore"):
            sound = np.isfinite(table.sum())
        if not sound:
            self._refuse()
        total = float(table[-1, -1])
        mean = np.zeros(len(table) - 1)
        second = table[:-1, :-1] / total
        if fit_intercept:
            mean = table[-1, :-1] / total
            raw = second.diagonal().copy()
            second -= np.outer(mean, mean)
            mean = mean + self.shift
            variance = second.diagonal()
            # what rounding leaves of a constant column is no information
            constant = variance <= np.maximum(1e-14 * raw, (8 * EPS * mean) ** 2)
            if constant.any():
                second[constant] = 0.0
                second[:, constant] = 0.0
        return Centred(
            total=total,
            A=np.ascontiguousarray(second[:d, :d]),
            B=np.ascontiguousarray(second[:d, d:]),
            c=second.diagonal()[d:].copy(),
            x_mean=mean[:d],
            y_mean=mean[d:],
        )

    def _refuse(self):
        diagonal = self.table.diagonal()
        worst = int(np.argmax(~np.isfinite(diagonal[:-1]))) if len(diagonal) > 1 else 0
        raise TooLarge(f"feature {worst}" if worst < self.d else "y")


def sample_mean(values):
    """The mean of at most `SAMPLE` evenly spaced rows, in float64."""
    step = max(1, len(values) // SAMPLE)
    with np.errstate(over="ignore", invalid="ignore"):
        return values[::step][:SAMPLE].mean(axis=0, dtype=np.float64)


def gather(X, rows):
    """Some rows of X: a view if they follow each other, None meaning all."""
    if rows is None:
        return X
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows) and (np.diff(rows) == 1).all():
        return X[rows[0] : rows[-1] + 1]
    return X[rows]


def blocks_of(X, shift, root, width=None):
    """Yield (start, stop, Z) of dense X: Z[:, :d] = (x - shift) sqrt(s), in a buffer that is used again.

    Parameters
    ----------
    X : ndarray of shape (n, d), of any order and number type
    shift : ndarray of shape (d,)
    root : ndarray of shape (n,), or None
        Square roots of the weights.
    width : int, default=d
        Columns of Z; the caller fills those from d on.
    """
    n, d = X.shape
    width = d if width is None else width
    size = int(np.clip(BLOCK_BYTES // (8 * max(1, width)), *BLOCK_ROWS))
    buffer = np.empty((min(size, n), width))
    rows = make_rows(X) if _takes(X) else None
    for start in range(0, n, size):
        stop = min(start + size, n)
        Z = buffer[: stop - start]
        if rows is not None:
            kernels.center_rows(rows, shift, root, start, stop, Z)
        else:
            np.subtract(X[start:stop], shift, out=Z[:, :d])
            if root is not None:
                Z[:, :d] *= root[start:stop, None]
        yield start, stop, Z


def squares_along(X, shift, root, directions):
    """sum of ((x - shift) sqrt(s) . v)^2 over the rows of dense X, for each column v of `directions`.

    Parameters as of `blocks_of`; returns an array of shape (directions,).
    """
    squares = np.zeros(directions.shape[1])
    if _takes(X):
        v = np.zeros((len(squares), -(-X.shape[1] // 4) * 4))
        v[:, : X.shape[1]] = directions.T
        kernels.squares_along(make_rows(X), shift, root, v, squares)
        return squares
    for _, _, Z in blocks_of(X, shift, root):
        moves = Z @ directions
        squares += np.einsum("ij,ij->j", moves, moves)
    return squares


def _takes(X):
    """Whether the kernels centre the rows of dense X."""
    return X.flags.c_contiguous and X.dtype.kind == "f"


def add_products(table, Z):
    """The upper triangle of table += Z'Z, in place."""
    dsyrk(1.0, Z.T, beta=1.0, c=table.T, trans=0, lower=1, overwrite_c=1)


def moments(X, y=None, weight=None, rows=None, shift=None, center=True):
    """The table of moments of some rows.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d)
    y : ndarray of float64 of shape (n, n_targets), or None for no targets
    weight : ndarray of float64 of shape (n,), or None
    rows : ndarray of int, or None for all
    shift : ndarray of shape (d + n_targets,), or None
        That of tables this one shall be added to.
    center : bool
        Whether to shift at all, if no shift is given.

    Returns
    -------
    Moments
    """
    d = X.shape[1]
    targets = 0 if y is None else y.shape[1]
    k = d + targets + 1
    sparse = sp.issparse(X)
    if shift is None:
        shift = np.zeros(k - 1)
        if center and not sparse:
            shift[:d] = sample_mean(X)
        if center and targets:
            shift[d:] = sample_mean(y)
    if rows is not None:
        X, y = gather(X, rows), None if y is None else gather(y, rows)
        weight = None if weight is None else gather(weight, rows)
    table = _sparse_table(X, y, weight, shift) if sparse else _dense_table(X, y, weight, shift)
    return Moments(table, shift, d)


def _dense_table(X, y, weight, shift):
    d = X.shape[1]
    k = len(shift) + 1
    root = None if weight is None else np.sqrt(weight)
    table = np.zeros((k, k))
    # overflow is looked for in the sums
    # the vectors of the plain build are too short to compete
    if k <= FEW and level == "v3" and _takes(X):
        width = -(-k // 4) * 4
        sums = np.zeros((width, width))
        targets = np.empty((len(X), 0)) if y is None else np.ascontiguousarray(y)
        kernels.products(make_rows(X), shift, root, targets, 0, len(X), sums, long_vectors)
        return sums[:k, :k]
    with np.errstate(over="ignore", invalid="ignore"):
        for start, stop, Z in blocks_of(X, shift[:d], root, k):
            if y is not None:
                np.subtract(y[start:stop], shift[d:], out=Z[:, d:-1])
            Z[:, -1] = 1.0
            if root is not None:
                Z[:, d:] *= root[start:stop, None]
            add_products(table, Z)
    return _symmetric(table)


def _symmetric(table):
    return np.triu(table) + np.triu(table, 1).T


def _sparse_table(X, y, weight, shift):
    n, d = X.shape
    k = len(shift) + 1
    s = np.ones(n) if weight is None else np.ascontiguousarray(weight, dtype=np.float64)
    table = np.zeros((k, k))
    products, sums = np.zeros((d, d)), np.zeros(d)
    sweeps = kernels.Sweeps(make_rows(X), s, None, 0)
    with np.errstate(over="ignore", invalid="ignore"):
        sweeps.gram(s, products, sums, 0, n)  # each pair of columns once, in either triangle
        diagonal = products.diagonal().copy()
        products += products.T.copy()
        np.fill_diagonal(products, diagonal)
        table[:d, :d] = products
        table[:d, -1] = table[-1, :d] = sums
        table[-1, -1] = s.sum()
        if y is not None:
            centred = (y - shift[d:]) * s[:, None]
            for target in range(y.shape[1]):
                out = np.zeros(d)
                sweeps.backward(np.ascontiguousarray(centred[:, target]), True, out, 0, n)
                table[:d, d + target] = table[d + target, :d] = out
            table[d:-1, d:-1] = (y - shift[d:]).T @ centred
            table[d:-1, -1] = table[-1, d:-1] = centred.sum(axis=0)
    return table


def column_stats(X, weight=None, center=True):
    """Means and mean squares about them, of every column: two arrays of shape (d,).

    Without `center` the means are zeros.
    """
    n, d = X.shape
    total = float(n if weight is None else weight.sum())
    sums, squares = np.zeros(d), np.zeros(d)
    shift = np.zeros(d)
    if sp.issparse(X):
        kernels.column_sums(make_rows(X), weight, sums, squares)
    else:
        shift = sample_mean(X) if center else shift
        root = None if weight is None else np.sqrt(weight)
        for start, stop, Z in blocks_of(X, shift, root):
            ones = np.ones(stop - start) if root is None else root[start:stop]
            sums += ones @ Z
            squares += np.einsum("ij,ij->j", Z, Z)
    mean, square = sums / total, squares / total
    if not center:
        return np.zeros(d), square
    variance = square - mean**2
    mean = mean + shift
    variance[variance <= np.maximum(1e-14 * square, (8 * EPS * mean) ** 2)] = 0.0
    return mean, variance
