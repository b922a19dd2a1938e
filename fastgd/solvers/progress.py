"""The bookkeeping that every solver shares: history, limits, the best point, and the end.

A solver reports each point with its objective and certificate; `Progress.add` says whether to stop, and
`Progress.solution` makes the `Solution`. What interrupts a solver (Ctrl-C, a callback that raises) is
kept in it, so that the point reached so far is not lost.
"""

import time

import numpy as np

from .objective import Certificate, Solution

__all__ = ["Progress"]

EPS = np.finfo(np.float64).eps


class Progress:
    """One run of a solver.

    Parameters
    ----------
    solver : str
    goal : Goal
    max_iter : int
        The solver's own limit, where the goal names none.
    unit : str
        What an iteration is called in messages.
    """

    def __init__(self, solver, goal, max_iter, unit="iterations"):
        self.solver, self.goal, self.unit = solver, goal, unit
        self.max_iter = max_iter if goal.max_iter is None else goal.max_iter
        self.began = time.perf_counter()
        self.rows = []
        self.point, self.objective, self.certificate = None, np.inf, None
        self.first = self.floor = 0.0
        self.converged, self.reason, self.failure = False, "", None
        self.stuck = self.gave_way = False

    @property
    def n_iter(self):
        return len(self.rows)

    def relative(self, value, objective):
        """value over the objective, which a perfect fit would make zero."""
        return float(value / max(abs(objective), self.floor, np.finfo(np.float64).tiny))

    def begin(self, objective):
        """The objective at zero weights, for the scale of what follows."""
        self.first, self.floor = objective, EPS * abs(objective)

    def add(self, point, objective, kind, value, started=True):
        """A new point, ``point() -> (coef, intercept)``; returns whether to stop.

        `started` is False for the start, which is no iteration.
        """
        value = max(min(float(value), float(objective)), 0.0)  # no objective is negative but for rounding
        relative = self.relative(value, objective)
        # the point last: an interruption that finds one finds all that belongs to it
        self.certificate, self.objective = Certificate(kind, value, relative), float(objective)
        self.point = point
        seconds = time.perf_counter() - self.began
        if started:
            self.rows.append((self.objective, relative, seconds))
            if self.goal.verbose:
                print(f"{self.solver}: {self.n_iter}, objective {objective:.8g}, {kind} {relative:.2g}")
        if relative <= self.goal.tol:
            bound = "is at most" if kind == "gap" else "is about"
            self.converged = True
            self.reason = f"The relative suboptimality {bound} {relative:.2g}, tol={self.goal.tol:g}."
        elif self.n_iter >= self.max_iter:
            self.reason = f"max_iter={self.max_iter} {self.unit} were run."
        elif self.goal.max_time is not None and seconds >= self.goal.max_time:
            self.reason = f"max_time={self.goal.max_time:g} seconds were over."
        # A callback hears of the last iteration, too.
        if started and self.goal.on_iteration is not None:
            stop = self.goal.on_iteration(self.history(), *point())
            if stop and not self.reason:
                self.reason = f"A callback asked to stop after {self.n_iter} {self.unit}."
        return bool(self.reason)

    def certify(self, kind, value):
        """Replace the certificate of the point that was added last."""
        self.certificate = Certificate(kind, float(value), self.relative(value, self.objective))

    def tick(self, value):
        """Count an iteration whose objective was not computed, with a guess of its suboptimality."""
        seconds = time.perf_counter() - self.began
        self.rows.append((np.nan, self.relative(value, self.first), seconds))

    def stalled(self):
        """No further progress is possible in floating-point numbers."""
        self.stuck = True
        self.converged = self.certificate.value <= 100 * self.floor
        self.reason = "The objective cannot be lowered any further in floating-point numbers."
        if self.objective <= 1e3 * self.floor:
            self.reason += (
                " It is zero but for rounding: the data are separable, and only a penalty would limit the"
                " weights."
            )

    def give_way(self):
        """Another solver will get further from here."""
        self.gave_way = True
        self.reason = "The steps gain next to nothing."

    def go_on(self):
        """Take a stop back."""
        self.converged, self.reason, self.stuck = False, "", False

    def interrupted(self, error):
        """Keep what ended the run; without a point to keep, let it go on."""
        if self.point is None:
            raise error
        self.failure = error
        self.reason = f"Interrupted after {self.n_iter} {self.unit} by {type(error).__name__}."

    def history(self):
        table = np.array(self.rows or np.empty((0, 3)), dtype=np.float64)
        return {
            name: table[:, i].copy() for i, name in enumerate(("objective", "certificate", "seconds"))
        }

    def solution(self):
        coef, intercept = self.point()
        return Solution(
            coef=coef,
            intercept=intercept,
            objective=self.objective,
            n_iter=self.n_iter,
            certificate=self.certificate,
            converged=self.converged,
            stop_reason=self.reason,
            solver=self.solver,
            history=self.history(),
            failure=self.failure,
            gave_way=self.gave_way,
        )
