"""The design matrix as solvers use it: passes over X in well-scaled coordinates, whatever the units of X.

Design note. A solver works on u and c, where column j of X is measured from its mean m_j in units of its
spread s_j::

    w_j = u_j / s_j,      b = c - sum_j m_j w_j,      w . x + b = u . (x - m) / s + c

This is a change of variables, not of the objective: the penalty stays on w, in the user's units. X is
never copied or centred as a whole; means enter gradients by a correction of rank one. The columns of a
sparse X are scaled but, since centring buys it little, not centred.

Each pass reads X once. Rows go by a fixed number of pieces whose sums are added in order: any number of
threads gives the same bits.
"""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from copy import copy

import numpy as np
import scipy.sparse as sp

from ..data import make_rows, padded
from ..kernels import kernels
from ..losses import LOSSES

__all__ = ["Design"]

PIECES = 16  # of the rows, for threads
PIECE_ROWS = 4096  # no smaller ones
SHRINK = 1e-6  # of the off-diagonal of a sampled Hessian: no more than makes up for rounding
FAIR = 2.0  # factor within which a sample has the variance of a column if it is in it in proportion
SEEN = 0.1  # share of a column's variance that a sample must have, for its covariances to count
THREADED = 1 << 20  # values of X from which on a pass is shared
GRAM_BYTES = 1 << 20  # of rows in one matrix product: they stay in L2
BLOCKS = 16  # of products that are added up in float32


class Design:
    """Passes over the rows of an objective.

    Parameters
    ----------
    objective : Objective
        Of one model.
    n_threads : int
    precise : bool
        Whether to compute in float64 on float32 rows.
    scaled : bool
        Whether to measure columns from their means (never for sparse rows) in units of their spreads.

    Attributes
    ----------
    n, d : int
    mean, spread : ndarray of float64 of shape (d,)
        m and s above. A column that is constant has spread 1.
    """

    def __init__(self, objective, n_threads=1, precise=False, scaled=True):
        X = objective.X
        self.X, self.objective = X, objective
        self.sparse = sp.issparse(X)
        self.n, self.d = X.shape
        self.n_threads, self.threads = n_threads, None
        self.fit_intercept = objective.fit_intercept
        loss = LOSSES["log_loss" if objective.loss == "multinomial" else objective.loss]
        self.loss = loss
        self.y = np.ascontiguousarray(objective.y, dtype=np.float64)  # of no use to softmax
        self.weight = objective.weight
        self.rows = make_rows(X)
        self.sweeps = kernels.Sweeps(self.rows, self.y, self.weight, loss.number, loss.default)
        # the gathers of sparse rows are as fast in float64
        self.double = precise or self.sparse or not _is_float32(X)
        size = max(PIECE_ROWS, -(-self.n // PIECES))
        self.pieces = [(start, min(start + size, self.n)) for start in range(0, self.n, size)]
        self.centred = scaled and self.fit_intercept and not self.sparse
        self.mean, self.spread = np.zeros(self.d), np.ones(self.d)
        self.constant = np.empty(0, dtype=np.intp)  # columns that the intercept stands for
        if scaled:
            self.mean, self.spread = self._moments()
        self.scale = 1.0 / self.spread

    # ---- passes ------------------------------------------------------------------------------------

    def _over_pieces(self, work, size):
        """Sum over the pieces of what ``work(start, stop, out)`` adds to `out`, and what it returned."""
        if not self._shares_work() or len(self.pieces) == 1:
            total, part, returned = np.zeros(size), np.empty(size), []
            for start, stop in self.pieces:
                part[:] = 0
                returned.append(work(start, stop, part))
                total += part
            return total, returned
        parts, returned = np.zeros((len(self.pieces), size)), [None] * len(self.pieces)
        ahead = deque(range(len(self.pieces)))

        def share():
            while ahead:
                try:
                    i = ahead.popleft()
                except IndexError:  # another thread has taken the last one
                    break
                returned[i] = work(*self.pieces[i], parts[i])

        others = [self._pool().submit(share) for _ in range(1, self.n_threads)]
        share()
        for other in others:
            other.result()
        total = parts[0].copy()
        for part in parts[1:]:
            total += part
        return total, returned

    def add_halves(self, total, share, n, values):
        """total += share(0, n), by two halves if it is of many values: with one thread as with more."""
        if values < THREADED:
            total += share(0, n)
            return
        other = self._pool().submit(share, n // 2, n) if self.n_threads > 1 else None
        total += share(0, n // 2)
        total += share(n // 2, n) if other is None else other.result()

    def _shares_work(self):
        """Whether threads are wanted, and a pass is long enough for them."""
        values = (self.X.nnz if self.sparse else self.X.size) * self.objective.classes
        return self.n_threads > 1 and values >= THREADED

    def _pool(self):
        if self.threads is None:
            self.threads = ThreadPoolExecutor(self.n_threads - 1)
        return self.threads

    def weights(self, u, c):
        """w and b of the scaled point (u, c)."""
        w = u * self.scale
        return w, c - float(self.mean @ w)

    def scaled(self, w, b):
        """(u, c) of the weights w and the intercept b."""
        return w * self.spread, b + float(self.mean @ w)

    def _kernel_weights(self, w):
        return padded(w, self.d, np.float64 if self.double else np.float32)

    def evaluate(self, w, b):
        """Losses and gradient at the weights w, b.

        Returns
        -------
        loss : float
            The mean loss.
        gradient : ndarray of shape (d,), gradient_c : float
            Of the mean loss in u and c.
        z : ndarray of shape (n,)
            Raw predictions.
        """
        kernel_w, z = self._kernel_weights(w), np.empty(self.n)
        g, sums = self._over_pieces(
            lambda start, stop, out: self.sweeps.descend(kernel_w, self.double, b, z, out, start, stop),
            self.d,
        )
        loss, r = np.sum(sums, axis=0) / self.objective.total
        return float(loss), self._in_scaled(g / self.objective.total, r), float(r), z

    def _in_scaled(self, g, r):
        g = (g - self.mean * r) * self.scale
        g[self.constant] = 0.0  # but for rounding, which nothing but a penalty would keep in bounds
        return g

    def gradient_of(self, r):
        """Gradients in u and c of sum_i r_i (w . x_i + b)."""
        total = float(r.sum())
        return self._in_scaled(self.unscaled_gradient(r), total), total

    def unscaled_gradient(self, r):
        """sum_i r_i x_i."""
        g, _ = self._over_pieces(
            lambda start, stop, out: self.sweeps.backward(r, self.double, out, start, stop), self.d
        )
        return g

    def precisely(self):
        """The same design, computing in float64."""
        if self.double:
            return self
        other = copy(self)
        other.double = True
        return other

    def predictions(self, w, b):
        """Raw predictions of shape (n,)."""
        kernel_w, z = self._kernel_weights(w), np.empty(self.n)
        self._over_pieces(
            lambda start, stop, _: self.sweeps.forward(kernel_w, self.double, b, z, start, stop), 0
        )
        return z

    def curvatures(self, z):
        """Second derivatives of the losses in z, over S."""
        h = np.empty(self.n)
        kernels.curvatures(self.loss.number, self.loss.default, self.y, z, self.weight, h)
        h /= self.objective.total
        return h

    def curved(self, h, u, c):
        """The Hessian of the mean loss, curvatures h, times (u, c)."""
        w, b = self.weights(u, c)
        kernel_w = self._kernel_weights(w)
        g, sums = self._over_pieces(
            lambda start, stop, out: self.sweeps.curve(kernel_w, self.double, b, h, out, start, stop),
            self.d,
        )
        r = float(np.sum(sums))
        return self._in_scaled(g, r), r

    # ---- matrices ----------------------------------------------------------------------------------

    def hessian(self, h, chosen=None, precise=True):
        """X' diag(h) X in the coordinates (u, c), of shape (d + 1, d + 1).

        Parameters
        ----------
        h : ndarray of shape (n,), or of the chosen rows
        chosen : ndarray of int32, default=None
            Row numbers; None for all.
        precise : bool, default=True
            False: dense rows may be multiplied in float32, at twice the speed.
        """
        d = self.d
        H = np.zeros((d + 1, d + 1))
        if self.sparse:
            raw, g = self._sparse_gram(h, chosen)
            H[:d, :d] = raw * self.scale
            H[:d, :d] *= self.scale[:, None]
            H[:d, d] = H[d, :d] = g * self.scale
        else:
            self._dense_gram(h, chosen, H, np.float64 if precise else np.float32)
        H[d, d] = h.sum()
        return H

    def sampled_hessian(self, h, share, rng, precise=True):
        """The same from a share of the rows, drawn with probabilities in proportion to h.

        About the weighted means, which are exact: columns whose means exceed their spread have little
        else in common. Columns that the sample has in fair proportion keep its covariances as they are:
        so combinations of columns that hardly vary remain what they are, and are not taken for settled.
        The others, which are rare, get their exact variance; covariances scaled to it, or none if the
        sample has next to nothing of them but rounding.
        """
        total = float(h.sum())
        probability = np.minimum(1.0, share * self.n * h / total)
        chosen = np.flatnonzero(rng.random(self.n) < probability).astype(np.int32)
        H = self.hessian(h[chosen] / probability[chosen], chosen, precise)
        means = H[:-1, -1] / max(H[-1, -1], np.finfo(np.float64).tiny)
        C = H[:-1, :-1]
        C -= np.outer(means, means * H[-1, -1])
        along, diagonal = self._weighted_moments(h)
        diagonal = np.maximum(diagonal - along**2 / total, 0.0)
        sampled = C.diagonal().copy()
        fair = (sampled > diagonal / FAIR) & (sampled < diagonal * FAIR)
        diagonal[fair] = sampled[fair]
        seen = sampled > SEEN * diagonal
        ratio = np.sqrt(np.divide(diagonal, sampled, out=np.zeros_like(diagonal), where=seen))
        C *= ratio
        C *= ratio[:, None]
        C *= 1 - SHRINK
        np.fill_diagonal(C, diagonal)
        C += np.outer(along, along / total)
        H[:-1, -1] = H[-1, :-1] = along
        H[-1, -1] = total
        return H

    def hessian_diagonal(self, h):
        """The diagonal of X' diag(h) X in the coordinate u, of shape (d,)."""
        return self._sparse_squares(h) * self.scale**2 if self.sparse else self._weighted_moments(h)[1]

    def _weighted_moments(self, h):
        """sum_i h_i u_i and sum_i h_i u_i^2 of each column."""
        if self.sparse:
            return self.gradient_of(h)[0], self._sparse_squares(h) * self.scale**2
        if self.centred and self.weight is None and h.min() == h.max():  # as at zero weights: known
            squares = np.full(self.d, h.sum())
            squares[self.constant] = 0.0
            return np.zeros(self.d), squares
        sums, squares = self._dense_moments(self.mean.astype(self._kind), self._kind, h)
        return sums * self.scale, squares * self.scale**2

    @property
    def _kind(self):
        return np.float64 if self.double else np.float32

    def _sparse_gram(self, h, chosen=None, place=None, size=None):
        """sum of h_i x_i x_i' and of h_i x_i over CSR rows, unscaled; see `kernels.Sweeps.gram`."""
        sweeps, n, d = self.sweeps, self.n, self.d if size is None else size
        if chosen is not None:
            X = self.X[chosen]
            n = X.shape[0]
            sweeps = kernels.Sweeps(make_rows(X), h, None, self.loss.number)
        raw, g = np.zeros((d, d)), np.zeros(d)
        sweeps.gram(h, raw, g, 0, n, place)
        diagonal = raw.diagonal().copy()
        raw += raw.T.copy()
        np.fill_diagonal(raw, diagonal)
        return raw, g

    def hessian_block(self, h, columns):
        """As `hessian`, of the given columns and the intercept only."""
        place = np.full(self.d, -1, dtype=np.int32)
        place[columns] = np.arange(len(columns), dtype=np.int32)
        k, scale = len(columns), self.scale[columns]
        H = np.empty((k + 1, k + 1))
        raw, g = self._sparse_gram(h, None, place, k)
        H[:k, :k] = raw * scale * scale[:, None]
        H[:k, k] = H[k, :k] = g * scale
        H[k, k] = h.sum()
        return H

    def _dense_gram(self, h, chosen, H, kind):
        """Rows are centred and scaled a block at a time: a difference of large sums would lose digits."""
        width, root = self.d + 1, np.sqrt(h)
        n = self.n if chosen is None else len(chosen)
        mean, scale, double = self.mean.astype(kind), self.scale.astype(kind), kind == np.float64
        # in L2, but enough rows that their product is worth adding to the sum
        size = min(n, max(64, width, GRAM_BYTES // (width * np.dtype(kind).itemsize)))

        def share(first, last):
            total, part = None, np.zeros((width, width), dtype=kind)
            block = np.empty((size, width), dtype=kind)
            for k, start in enumerate(range(first, last, size)):
                if not double and k and k % BLOCKS == 0:
                    total = part.astype(np.float64) if total is None else np.add(total, part, total)
                    part[:] = 0
                rows = block[: min(size, last - start)]
                self.sweeps.centred(mean, scale, double, root, chosen, rows, start, start + len(rows))
                part += rows.T @ rows  # without the interpreter's lock, unlike SciPy's syrk
            return part if total is None else np.add(total, part, total)

        self.add_halves(H, share, n, n * width)

    def _dense_moments(self, mean, kind, h=None):
        """sum of h (x - mean) and of h (x - mean)^2, of each column."""

        def work(start, stop, out):
            self.sweeps.moments(mean, kind == np.float64, h, out[: self.d], out[self.d :], start, stop)

        both, _ = self._over_pieces(work, 2 * self.d)
        return both[: self.d], both[self.d :]

    def _sparse_squares(self, h):
        def work(start, stop, out):
            self.sweeps.squares(h, out, start, stop)

        return self._over_pieces(work, self.d)[0]

    def _moments(self):
        """Means and spreads of the columns, rows counted by their weights."""
        weight, n = self.weight, self.objective.total
        if self.sparse:
            return np.zeros(self.d), _positive(np.sqrt(self._sparse_squares(weight) / n))
        kind = self._kind
        # So that means far from zero cost no digits.
        shift = self.X[0 if weight is None else int(weight.argmax())].astype(kind)
        total, squares = self._dense_moments(shift, kind, weight)
        mean, squares = total / n, squares / n
        variance = squares - mean**2
        variance[variance <= 4 * np.finfo(kind).eps * squares] = 0.0
        mean += shift
        if self.centred:
            self.constant = np.flatnonzero(variance == 0)
            return mean, _positive(np.sqrt(variance))
        return np.zeros(self.d), _positive(np.sqrt(variance + mean**2))


def _positive(spread):
    spread = np.asarray(spread)
    spread[~(spread > 0)] = 1.0
    return spread


def _is_float32(X):
    return X.dtype == np.float32 or (X.dtype.kind in "iub" and X.dtype.itemsize <= 2)
