"""The objectives of the `converge` suite, computed here on everyone's coefficients, in double precision.

    F(W, b) = mean loss(y_i, W x_i + b) + l1 |W|_1 + l2/2 |W|^2        b is never penalised

with the logistic loss (one row of coefficients), its softmax (one row per class) or half the squared
error. The scikit-learn names C, alpha and l1_ratio are translated once, in the functions below; the
adapters of the rivals translate from ``Problem`` into their own dialects. X stays as it was given to
the rivals (float32 data is not rounded again): rows are widened block by block.
"""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.special import expit, logsumexp

BLOCK = 1 << 21  # values of X that are widened at a time


@dataclass(frozen=True)
class Problem:
    loss: str  # "log_loss", "softmax" or "squared_error"
    l1: float
    l2: float
    n: int  # rows, for the dialects that do not take the mean

    @property
    def alpha(self):
        """The penalty's strength, scikit-learn's alpha of its ElasticNet."""
        return self.l1 + self.l2

    @property
    def C(self):
        """The same as scikit-learn's and LIBLINEAR's C."""
        return 1 / (self.alpha * self.n) if self.alpha else np.inf

    @property
    def l1_ratio(self):
        return self.l1 / self.alpha if self.alpha else 0.0

    @property
    def ridge(self):
        """The l2 penalty as scikit-learn's Ridge counts it."""
        return self.l2 * self.n


def logistic(n, C, l1_ratio=0.0, softmax=False):
    strength = 1 / (C * n)
    return Problem(
        "softmax" if softmax else "log_loss", l1_ratio * strength, (1 - l1_ratio) * strength, n
    )


def ridge(n, alpha):
    return Problem("squared_error", 0.0, alpha / n, n)


def elastic_net(n, alpha, l1_ratio=1.0):
    return Problem("squared_error", l1_ratio * alpha, (1 - l1_ratio) * alpha, n)


def largest_alpha(X, y, l1_ratio=1.0):
    """Of a lasso or elastic net with intercept: from here on all coefficients are zero."""
    centred = np.asarray(y, float) - np.mean(y, dtype=float)
    return float(np.abs(transposed(X, centred[:, None])).max() / len(centred) / l1_ratio)


# -- products with X -------------------------------------------------------------------------------


def blocks(X):
    size = max(1, BLOCK // max(1, X.shape[1]))
    for start in range(0, X.shape[0], size):
        rows = slice(start, start + size)
        yield rows, X[rows].astype(np.float64)


def scores(X, W, b):
    """X W' + b: one row per row of X, one column per row of W."""
    W, b = np.asarray(W, np.float64), np.asarray(b, np.float64)
    if sp.issparse(X) or X.dtype == np.float64:
        return X @ W.T + b
    return np.vstack([block @ W.T for _, block in blocks(X)]) + b


def transposed(X, R):
    """X' R, as one row per column of R."""
    if sp.issparse(X):
        return (X.T @ R).T
    if X.dtype == np.float64:
        return R.T @ X
    return sum(R[rows].T @ block for rows, block in blocks(X))


# -- the loss as a function of the scores ----------------------------------------------------------


def losses(problem, y, Z):
    """One loss per row."""
    if problem.loss == "squared_error":
        return 0.5 * (Z[:, 0] - y) ** 2
    if problem.loss == "log_loss":
        return np.logaddexp(0, np.where(y == 1, -Z[:, 0], Z[:, 0]))
    return logsumexp(Z, axis=1) - Z[np.arange(len(Z)), y]


def slopes(problem, y, Z):
    """The derivative of each row's loss by its scores."""
    if problem.loss == "squared_error":
        return Z - y[:, None]
    if problem.loss == "log_loss":
        return expit(Z) - (y == 1)[:, None]
    P = np.exp(Z - logsumexp(Z, axis=1, keepdims=True))
    P[np.arange(len(Z)), y] -= 1
    return P


def penalty(problem, W):
    return problem.l1 * np.abs(W).sum() + 0.5 * problem.l2 * (W * W).sum()


def shaped(coef, intercept):
    """Anybody's coefficients, as one row per class."""
    W = np.atleast_2d(np.asarray(coef, np.float64))
    return W, np.broadcast_to(np.asarray(intercept, np.float64).ravel(), (len(W),))


def value(problem, X, y, coef, intercept):
    """F on anybody's coefficients; labels are 0, 1, ... in the order of the rows of ``coef``."""
    W, b = shaped(coef, intercept)
    return float(losses(problem, y, scores(X, W, b)).mean() + penalty(problem, W))


def gap(problem, X, y, coef, intercept):
    """A rigorous bound on F - F*, for models of one row of coefficients whose slopes sum to zero.

    The dual point is the slopes themselves, centred (the intercept is free) and, without an l2 part,
    shrunk until no column exceeds l1. Fenchel's duality: for the elastic net the conjugate of the
    penalty at u is (|u| - l1)_+^2 / (2 l2).
    """
    W, b = shaped(coef, intercept)
    Z = scores(X, W, b)
    dual = slopes(problem, y, Z)[:, 0]
    if problem.loss == "log_loss":  # stay within the conjugate's domain: balance the two classes
        sums = dual[y == 1].sum(), dual[y != 1].sum()
        share = min(-sums[0], sums[1])
        dual = np.where(y == 1, dual * share / -sums[0], dual * share / sums[1])
    else:
        dual = dual - dual.mean()
    u = np.abs(transposed(X, dual[:, None]) / len(y)).max(initial=0.0, axis=0)
    if problem.l2:
        conjugate = (np.maximum(u - problem.l1, 0) ** 2).sum() / (2 * problem.l2)
    else:
        dual, conjugate = dual * min(1.0, problem.l1 / max(u.max(), 1e-300)), 0.0
    if problem.loss == "log_loss":
        p = np.abs(dual)
        bound = np.where(p > 0, p * np.log(np.maximum(p, 1e-300)), 0)
        bound += np.where(p < 1, (1 - p) * np.log(np.maximum(1 - p, 1e-300)), 0)
    else:
        bound = 0.5 * dual**2 + dual * y
    return value(problem, X, y, W, b) + float(bound.mean()) + conjugate
