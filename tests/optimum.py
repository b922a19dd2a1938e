"""The optimum of penalised logistic regression, slowly: what the solvers must find.

Design note. The objective is written as in the books, with dense arrays and one-hot labels. For l1,
weights are split into two non-negative parts, which makes the problem smooth; SciPy's L-BFGS-B finds
the zeros, and Newton's method on the weights that are not zero finishes to rounding. Nothing of fastgd
is used.
"""

import numpy as np
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax


class Reference:
    """The mean loss with its penalty, for two classes as one model and for more as a softmax.

    Parameters
    ----------
    X : ndarray or sparse matrix
    y : ndarray of shape (n,)
    C, l1_ratio, fit_intercept, weight
        As of `LogisticRegression` and its fit.
    """

    def __init__(self, X, y, C=1.0, l1_ratio=0.0, fit_intercept=True, weight=None):
        X = X.toarray() if sp.issparse(X) else np.asarray(X)
        self.X = X.astype(np.float64)
        self.labels, codes = np.unique(y, return_inverse=True)
        self.weight = np.ones(len(codes)) if weight is None else np.asarray(weight, dtype=np.float64)
        self.total = self.weight.sum()
        self.models = 1 if len(self.labels) == 2 else len(self.labels)
        self.onehot = np.eye(len(self.labels))[codes]
        self.l1 = l1_ratio / (C * self.total)
        self.l2 = (1 - l1_ratio) / (C * self.total)
        self.fit_intercept = fit_intercept

    def raw(self, coef, intercept):
        z = self.X @ np.atleast_2d(coef).T + intercept
        return np.hstack([np.zeros_like(z), z]) if self.models == 1 else z

    def loss(self, coef, intercept):
        z = self.raw(coef, intercept)
        return self.weight @ (logsumexp(z, axis=1) - (z * self.onehot).sum(axis=1)) / self.total

    def value(self, coef, intercept):
        """F at some weights, in units of the mean loss."""
        penalty = self.l1 * np.abs(coef).sum() + 0.5 * self.l2 * (np.asarray(coef) ** 2).sum()
        return self.loss(coef, intercept) + penalty

    def gradient(self, coef, intercept):
        """Of the mean loss: for the weights, of shape (models, d), and the intercepts."""
        r = self.weight[:, None] * (softmax(self.raw(coef, intercept), axis=1) - self.onehot) / self.total
        r = r[:, -self.models :]
        return r.T @ self.X, r.sum(axis=0) * self.fit_intercept

    def hessian(self, coef, intercept):
        """Of the mean loss, weights and intercepts of a model side by side."""
        p = softmax(self.raw(coef, intercept), axis=1)[:, -self.models :]
        rows = np.hstack([self.X, np.ones((len(self.X), 1))])
        blocks = [
            [
                rows.T @ (rows * (self.weight * p[:, i] * ((i == j) - p[:, j]))[:, None]) / self.total
                for j in range(self.models)
            ]
            for i in range(self.models)
        ]
        return np.block(blocks)

    def optimum(self):
        """(F*, coef, intercept), the coefficients of shape (models, d)."""
        shape, size = (self.models, self.X.shape[1]), self.models * self.X.shape[1]

        def unpacked(v):
            positive, negative = v[:size].reshape(shape), v[size : 2 * size].reshape(shape)
            return positive, negative, v[2 * size :] * self.fit_intercept

        def split(v):
            positive, negative, intercept = unpacked(v)
            coef = positive - negative
            g, gc = self.gradient(coef, intercept)
            g = g + self.l2 * coef
            value = self.loss(coef, intercept) + 0.5 * self.l2 * (coef**2).sum()
            value += self.l1 * (positive + negative).sum()
            return value, np.concatenate([(g + self.l1).ravel(), (self.l1 - g).ravel(), gc])

        coef, intercept = np.zeros(shape), np.zeros(self.models)
        if not self.l1 > 0:
            return self._polished(coef, intercept)
        best = (np.inf,)
        for _ in range(20):  # from where the last one was stuck
            start = np.concatenate([np.maximum(coef, 0).ravel(), np.maximum(-coef, 0).ravel(), intercept])
            found = minimize(
                split,
                start,
                jac=True,
                method="L-BFGS-B",
                bounds=[(0, None)] * (2 * size) + [(None, None)] * self.models,
                options={"maxiter": 50_000, "maxfun": 10**6, "ftol": 0, "gtol": 1e-12, "maxcor": 30},
            )
            positive, negative, intercept = unpacked(found.x)
            coef = positive - negative
            sparse = np.where(np.abs(coef) < 1e-9, 0.0, coef)
            best = min(best, self._polished(sparse, intercept), key=lambda found: found[0])
            if self.kkt(*best[1:]) < 1e-10:
                break
        return best

    def _polished(self, coef, intercept):
        signs = np.sign(coef) * (self.l1 > 0)
        free = np.hstack([(signs != 0) | (self.l1 == 0), np.full((self.models, 1), self.fit_intercept)])
        value = self.value(coef, intercept)
        for _ in range(200):
            g, gc = self.gradient(coef, intercept)
            g = np.hstack([g + self.l2 * coef + self.l1 * signs, gc[:, None]])
            H = self.hessian(coef, intercept)
            penalised = np.hstack([np.ones_like(coef), np.zeros((self.models, 1))]).ravel()
            H = H + np.diag(self.l2 * penalised)
            at = free.ravel()
            step = np.zeros(free.size)
            step[at] = -np.linalg.lstsq(H[np.ix_(at, at)], g.ravel()[at], rcond=1e-14)[0]
            step = step.reshape(free.shape)
            for t in 0.5 ** np.arange(30):
                there = coef + t * step[:, :-1], intercept + t * step[:, -1]
                if self.value(*there) < value:
                    break
            else:
                break
            coef, intercept = there
            value = self.value(coef, intercept)
        return value, coef, intercept

    def kkt(self, coef, intercept):
        """The largest violation of the conditions of an optimum, in units of the gradient."""
        coef = np.atleast_2d(coef)
        g, gc = self.gradient(coef, intercept)
        g = g + self.l2 * coef
        violation = np.where(
            coef != 0, np.abs(g + self.l1 * np.sign(coef)), np.maximum(np.abs(g) - self.l1, 0)
        )
        return max(violation.max(), np.abs(gc).max())
