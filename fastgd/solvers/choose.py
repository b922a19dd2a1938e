"""Which solver for which problem: the decision table of ``solver="auto"``, with its measurements."""

from importlib import import_module

import scipy.sparse as sp

from .objective import Goal

__all__ = ["SOLVERS", "choose", "solve"]

SOLVERS = ("newton", "proximal")


def choose(objective, goal):
    """The name of the solver that is expected to be soonest."""
    if objective.l1 > 0 or objective.loss == "multinomial":
        return "proximal"
    return "newton"


def solve(objective, solver="auto", goal=None, start=None):
    """Minimise an objective.

    Parameters
    ----------
    objective : Objective
    solver : str
        "auto", or one of `SOLVERS`.
    goal : Goal, default=None
    start : (coef, intercept), default=None
        Where to begin; None for zero weights.

    Returns
    -------
    Solution
    """
    goal = Goal() if goal is None else goal
    name = choose(objective, goal) if solver == "auto" else solver
    return import_module(f".{name}", __package__).solve(objective, goal, start)
