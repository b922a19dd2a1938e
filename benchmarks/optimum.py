"""The optimum F* that suboptimality is measured against, by nobody's solver: Newton's method in NumPy.

Newton steps by preconditioned conjugate gradients in double precision. The preconditioner is a
Cholesky factor of the Hessian (for softmax: of one Hessian averaged over the classes) while that is
small, else the Hessian's diagonal. With an l1 penalty the steps stay in the orthant of the present
signs and move those coefficients alone that are not zero or want to leave zero (OWL-QN, Andrew and
Gao 2007, with Newton's direction in place of the quasi-Newton one), and the Hessian's diagonal is
raised (Levenberg and Marquardt) until the signs have settled.

What is found is kept in the temporary folder with the recipe, by data, precision and problem, and
lowered whenever a contender finds a smaller objective: F* is the least value that anybody has seen.
"""

import json
import tempfile
import zlib
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from scipy.linalg import cho_factor, cho_solve

from benchmarks.objective import gap, losses, penalty, scores, slopes, transposed

RECIPE = 3  # changes with the method: older values are not trusted
SMALL = 2000  # columns up to which a Hessian is factored
DECREMENT = 1e-13  # of F: where Newton's method has nothing more to gain
KEPT = Path(tempfile.gettempdir()) / "fastgd-benchmarks-optima.json"


class Optima:
    """{problem on data: F*}, on disk between runs."""

    def __init__(self, path=KEPT):
        self.path = path
        try:
            self.known = json.loads(path.read_text())
        except (OSError, ValueError):
            self.known = {}

    def key(self, data, problem):
        values = data.X.data if sp.issparse(data.X) else data.X
        print_of_X = zlib.crc32(np.ascontiguousarray(values)) ^ zlib.crc32(np.ascontiguousarray(data.y))
        shape = "x".join(map(str, data.X.shape))
        return f"{data.name} {data.X.dtype} {shape} {print_of_X:08x} {problem} recipe {RECIPE}"

    def find(self, data, problem):
        key = self.key(data, problem)
        if key not in self.known:
            best, recipe = newton(data.X, data.y, problem)
            self.known[key] = {"value": best, "recipe": recipe}
            self.save()
        return key

    def value(self, key):
        return self.known[key]["value"]

    def recipe(self, key):
        return self.known[key]["recipe"]

    def lower(self, key, value, who):
        """A contender's objective: F* if it is less than what was known."""
        if value < self.known[key]["value"]:
            self.known[key] = {"value": value, "recipe": f"the least that was seen: {who}"}
            self.save()

    def save(self):
        self.path.write_text(json.dumps(self.known, indent=1) + "\n")


def newton(X, y, problem, steps=100):
    """(F*, how it was found)."""
    if sp.issparse(X):
        X = X.astype(np.float64)
    n, d = X.shape
    classes = int(y.max()) + 1 if problem.loss == "softmax" else 1
    W, b = np.zeros((classes, d)), np.zeros(classes)
    Z = scores(X, W, b)
    F = losses(problem, y, Z).mean()
    hessian = Hessian(X, problem, classes)
    damping = 1.0 if problem.l1 else 0.0
    for step in range(1, steps + 1):  # noqa: B007, told at the end
        R = slopes(problem, y, Z) / n
        gW, gb = transposed(X, R) + problem.l2 * W, R.sum(axis=0)
        signs = np.sign(W)
        if problem.l1:  # the steepest way among the subgradients; zeros without one stay
            signs = np.where(W != 0, signs, -np.sign(gW) * (np.abs(gW) > problem.l1))
            gW = np.where(signs != 0, gW + problem.l1 * signs, 0.0)
        free = signs != 0 if problem.l1 else np.ones_like(W, bool)
        dW, db = hessian.solve(Z, gW, gb, free, damping)
        decrement = -((gW * dW).sum() + (gb * db).sum()) / 2
        if decrement <= DECREMENT * abs(F) and damping < 1e-3:
            break
        for t in 0.5 ** np.arange(40):
            there = W + t * dW
            if problem.l1:
                there = np.where(there * signs > 0, there, 0.0)
            there_b = b + t * db
            new_Z = scores(X, there, there_b)
            new_F = losses(problem, y, new_Z).mean() + penalty(problem, there)
            progress = (gW * (there - W)).sum() + (gb * (there_b - b)).sum()
            if new_F <= F + 1e-4 * min(progress, 0.0):
                break
        else:
            break  # rounding has the last word
        damping = max(damping / 5, 1e-12) if t > 0.2 else min(10 * damping, 1.0)
        W, b, Z, F = there, there_b, new_Z, new_F
    recipe = f"Newton, {step} steps, last decrement {decrement / F:.0e} of F"
    if classes == 1 and (problem.l1 or problem.l2):
        recipe += f", duality gap {gap(problem, X, y, W, b) / F:.0e}"
    return float(F), recipe


class Hessian:
    def __init__(self, X, problem, classes):
        self.X, self.problem, self.classes = X, problem, classes
        self.small = X.shape[1] <= SMALL
        self.squares = X.multiply(X).tocsr() if sp.issparse(X) and not self.small else None
        self.kept = None  # the factor's matrix where the curvature is the same everywhere

    def curvature(self, Z):
        if self.problem.loss == "squared_error":
            return np.ones_like(Z)
        if self.problem.loss == "log_loss":
            return np.exp(-np.logaddexp(0, Z) - np.logaddexp(0, -Z))
        P = np.exp(Z - Z.max(axis=1, keepdims=True))
        return P / P.sum(axis=1, keepdims=True)

    def times(self, S, V, v, extra):
        """H (V, v) for curvatures S, which are probabilities for softmax; l2 raised by ``extra``."""
        U = scores(self.X, V, v)
        U = S * (U - (S * U).sum(axis=1, keepdims=True)) if self.classes > 1 else S * U
        U /= self.problem.n
        return transposed(self.X, U) + extra * V, U.sum(axis=0)

    def gram(self, s):
        """[X 1]' diag(s) [X 1] / n."""
        X, n, d = self.X, *self.X.shape
        M = np.zeros((d + 1, d + 1))
        if sp.issparse(X):
            M[:d, :d] = (X.T @ X.multiply(s[:, None]).tocsr()).toarray()
        else:
            size = max(1, (1 << 22) // d)
            for rows in range(0, n, size):
                root = X[rows : rows + size] * np.sqrt(s[rows : rows + size, None])
                M[:d, :d] += root.T @ root
        M[d, :d] = M[:d, d] = transposed(X, s[:, None])[0]
        M[d, d] = s.sum()
        return M / n

    def preconditioner(self, S, free, damping):
        """(roughly H^-1, what damping and the l2 penalty add to the diagonal of H)"""
        s = S[:, 0] if self.classes == 1 else (S * (1 - S)).mean(axis=1)
        if not self.small:
            X = self.X
            per_column = transposed(self.squares if sp.issparse(X) else X**2, s[:, None])[0] / len(s)
            extra = damping * per_column + self.problem.l2
            diagonal, constant = per_column + extra + 1e-12, s.mean() + 1e-12
            return (lambda W, b: (W / diagonal, b / constant)), extra
        M = self.kept
        if M is None:
            M = self.gram(s)
            if self.problem.loss == "squared_error":
                self.kept = M
        chosen = np.append(free.any(axis=0), True)
        extra = damping * np.diag(M)[:-1] + self.problem.l2
        M = M[np.ix_(chosen, chosen)]
        M[np.diag_indices_from(M)] += np.append(extra, 0.0)[chosen]
        unit = 1 / np.sqrt(np.maximum(np.diag(M), 1e-300))
        M = M * unit[:, None] * unit
        M[np.diag_indices_from(M)] += 1e-10  # columns may be collinear
        factor = cho_factor(M, lower=True)

        def solve(W, b):
            full = np.zeros((len(b), len(chosen)))
            right = np.column_stack([W, b])[:, chosen] * unit
            full[:, chosen] = cho_solve(factor, right.T).T * unit
            return full[:, :-1] * free, full[:, -1]

        return solve, extra

    def solve(self, Z, gW, gb, free, damping, most=2000):
        """-H^-1 (gW, gb) on the free coefficients, to 1e-3 of the residual or better."""
        S = self.curvature(Z)
        M, extra = self.preconditioner(S, free, damping)
        W, b = np.zeros_like(gW), np.zeros_like(gb)
        rW, rb = -gW, -gb
        zW, zb = M(rW, rb)
        pW, pb = zW, zb
        size = first = (rW * zW).sum() + (rb * zb).sum()
        for _ in range(most):
            if size <= 1e-10 * first or size <= 0:
                break
            HW, Hb = self.times(S, pW, pb, extra)
            HW = HW * free
            curved = (pW * HW).sum() + (pb * Hb).sum()
            if curved <= 0:
                break
            step = size / curved
            W, b = W + step * pW, b + step * pb
            rW, rb = rW - step * HW, rb - step * Hb
            zW, zb = M(rW, rb)
            size, before = (rW * zW).sum() + (rb * zb).sum(), size
            pW, pb = zW + size / before * pW, zb + size / before * pb
        if not W.any() and not b.any():
            W, b = zW, zb
        return W, b
