"""LIBLINEAR itself (liblinear-official), for logistic regression, through its Python interface."""

import numpy as np
import scipy.sparse as sp

from benchmarks.rivals import Solver

NOTE = (
    "C as scikit-learn's; primal solvers with -B 1 -R leave the intercept unpenalised; "
    "the dual one penalises it, less so with -B 10; dense data becomes CSR"
)


def load(threads):
    global liblinearutil
    from liblinear import liblinearutil


def solvers(problem, X):
    if problem.loss != "log_loss" or (problem.l1 and problem.l2):
        return
    if problem.l1:
        kinds = {"l1": "-s 6 -B 1 -R"}
    else:
        kinds = {"primal": "-s 0 -B 1 -R", "dual": "-s 7 -B 1", "dual x10": "-s 7 -B 10"}
    for name, options in kinds.items():

        def fit(X, y, tol, options=options):
            rows = sp.csr_matrix(X, dtype=np.float64)
            signs = np.where(y == 1, 1.0, -1.0)
            model = liblinearutil.train(
                liblinearutil.problem(signs, rows), f"{options} -c {problem.C!r} -e {tol!r} -q"
            )
            w = np.ctypeslib.as_array(model.w, (rows.shape[1] + 1,)).copy()
            w *= 1.0 if model.get_labels()[0] == 1 else -1.0
            return w[:-1], w[-1] * model.bias

        yield Solver(f"liblinear {name}", fit)
