"""Schedules: the learning rate as a pure function of the step ``t = 1, 2, ...``.

A schedule answers ``rates(t, n)``: the rates of steps t ... t + n - 1 as an array of shape (n,), or of
shape (1,) where they are all the same. It has no state; what a training run adds (the cut on a
plateau) is kept by the run. A schedule is one class here; its name enters ``SCHEDULES``.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["SCHEDULES", "make_schedule"]


@dataclass(frozen=True)
class Constant:
    """``eta0`` at every step. Also of the passive-aggressive rules, whose steps do not use it."""

    eta0: float
    plateau_cut = None

    def rates(self, t, n):
        return np.array([self.eta0])


@dataclass(frozen=True)
class Adaptive(Constant):
    """``eta0``, divided by 5 each time that training stops to improve, while above 1e-6."""

    plateau_cut = 5.0


@dataclass(frozen=True)
class InvScaling:
    """``eta0 / t ** power_t``."""

    eta0: float
    power_t: float
    plateau_cut = None

    def rates(self, t, n):
        rates = np.arange(t, t + n)[:n]
        # roots are several times cheaper than a power
        if self.power_t in (0.25, 0.5):
            np.sqrt(rates, out=rates)
            if self.power_t == 0.25:
                np.sqrt(rates, out=rates)
        else:
            np.power(rates, self.power_t, out=rates)
        return np.divide(self.eta0, rates, out=rates)


@dataclass(frozen=True)
class Optimal:
    """``1 / (alpha * (t0 + t - 1))`` with Bottou's choice of t0: the first step has the size of
    typical weights, sqrt(1 / sqrt(alpha)), where the loss's gradient is at most 1.
    """

    alpha: float
    steepest: float
    plateau_cut = None

    def rates(self, t, n):
        first = np.sqrt(1.0 / np.sqrt(self.alpha)) / max(1.0, self.steepest)
        t0 = 1.0 / (first * self.alpha)
        rates = np.arange(t, t + n)[:n]
        rates += t0 - 1.0
        rates *= self.alpha
        return np.divide(1.0, rates, out=rates)


@dataclass(frozen=True)
class Auto:
    """No function of the step: a run finds its rates from the data and from what they do (`auto.py`)."""

    plateau_cut = None


def _optimal(alpha, loss, parameter, **_):
    typical = np.sqrt(1.0 / np.sqrt(alpha))
    return Optimal(alpha, float(loss.gradient(1.0, -typical, parameter)))


def _constant(eta0, **_):
    return Constant(eta0)


# name -> schedule, from the estimator's parameters
SCHEDULES = {
    "constant": _constant,
    "optimal": _optimal,
    "invscaling": lambda eta0, power_t, **_: InvScaling(eta0, power_t),
    "adaptive": lambda eta0, **_: Adaptive(eta0),
    "pa1": _constant,
    "pa2": _constant,
    "auto": lambda **_: Auto(),
}


def make_schedule(name, **parameters):
    """Schedule of a ``learning_rate`` name, from eta0, power_t, alpha, loss and its parameter."""
    numbers = {key: float(parameters.pop(key)) for key in ("eta0", "power_t", "alpha")}
    return SCHEDULES[name](**numbers, **parameters)
