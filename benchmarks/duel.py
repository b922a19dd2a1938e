"""Two sides on the same data: the cells, columns and marks that the tables of all suites share.

The models are compared as well as the times: two epochs on either side, largest difference of a
coefficient relative to the largest coefficient. A fast wrong answer is marked as such.
"""

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from benchmarks.measure import Epochs, ratio, spread, take_turns
from benchmarks.report import Column
from benchmarks.rivals import fastgd, sklearn

# Between two sides' coefficients. Rounding alone moves scikit-learn's float32 hinge model by 5 %
# on one of these sets (rows near the kink fall to the other side), so float32 cannot be a strict
# test; float64 is.
TOLERANCE = {"float32": 1e-1, "float64": 1e-6}

SET = Column("set", "data set", width=18)
TYPE = Column("dtype", "type", width=7)
OURS = Column("fastgd_ns", "fastgd ns/row", ".1f", width=22)
THEIRS = Column("sklearn_ns", "sklearn ns/row", ".0f", width=22)
RATIO = Column("ratio", "times faster", ".1f", width=18)
DIFFERENCE = Column("difference", "coef differs", ".0e")


def stable_step(X):
    """A constant step at which squared loss does not blow up and the others still learn."""
    squares = X.multiply(X).sum(axis=1) if sp.issparse(X) else np.einsum("ij,ij->i", X, X)
    return float(min(0.1 / np.mean(squares), 1 / np.max(squares)))


def epochs(bench, adapter, task, data, **options):
    def fit(n):
        adapter.build(replace(task, epochs=n)).fit(data.X, data.y)

    return Epochs(fit, bench.resolution, **options)


def difference(task, data, rival):
    """Between the two models; without intercept on CSR, whose steps scikit-learn damps by 0.01."""
    task = replace(task, epochs=2, intercept=not sp.issparse(data.X))
    return apart(*(adapter.build(task).fit(data.X, data.y) for adapter in (fastgd, rival)))


def apart(ours, theirs):
    """Two fitted models: the largest difference of a coefficient relative to the largest."""
    ours, theirs = (np.append(np.ravel(m.coef_), m.intercept_) for m in (ours, theirs))
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def marks(faster, differs=0.0, dtype="float64", alone=None):
    """What a row is marked with; `alone`: times faster than one model after the other."""
    notes = ["SLOWER"] if faster and faster.median < 1 else []
    notes += ["SLOWER THAN ALONE"] if alone and alone.median < 1 else []
    return ", ".join(notes + (["MODELS DIFFER"] if not differs <= TOLERANCE[dtype] else []))


def per_row(samples, data):
    return spread(np.divide(samples, data.X.shape[0] / 1e9))


def duel(bench, task, data, dtype, compared=None, **more):
    """Epochs of both sides (and of what else takes turns with them) as the cells of one row.

    The models are compared on the task `compared`, if it differs.
    """
    rivals = {"fastgd": fastgd, "sklearn": sklearn}
    samplers = {name: epochs(bench, adapter, task, data) for name, adapter in rivals.items()}
    taken = take_turns(samplers | more, bench.repeats)
    faster = ratio(taken["sklearn"], taken["fastgd"])
    differs = difference(compared or task, data, sklearn)
    cells = {
        "set": data.name,
        "dtype": dtype,
        "shape": list(data.X.shape),
        "fastgd_ns": per_row(taken["fastgd"], data),
        "sklearn_ns": per_row(taken["sklearn"], data),
        "ratio": faster,
        "difference": differs,
        "mark": marks(faster, differs, dtype),
    }
    return cells, taken


def loaded(bench, kind):
    for name in bench.data.names[kind]:
        for dtype in bench.precisions:
            yield dtype, bench.data.load(name, dtype)
