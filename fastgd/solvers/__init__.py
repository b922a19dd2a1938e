"""Solvers: algorithms that run to an optimum, each in one file, and stop on a certificate.

`solve` is the door: it picks a solver by the measured table in :mod:`.choose` and runs it.
"""

from .blas import one_thread
from .choose import LOGISTIC, SOLVERS, choose, solve
from .objective import Certificate, Goal, Objective, Solution

__all__ = [
    "LOGISTIC",
    "SOLVERS",
    "Certificate",
    "Goal",
    "Objective",
    "Solution",
    "choose",
    "one_thread",
    "solve",
]
