"""Schedules: the learning rate as a pure function of the step ``t = 1, 2, ...``.

A schedule is named (``learning_rate="cosine"``), given as an object with parameters
(``learning_rate=Cosine(steps=5000)``), or is any callable from the step to the rate. Steps are steps of
the weights: with ``batch_size=64`` an epoch over 6400 rows has 100. Objects have scikit-learn's
``get_params`` and ``set_params``, so that searches reach ``learning_rate__steps``; training never changes
them. They compose: `WarmUp` and `ReduceOnPlateau` take any schedule, `Piecewise` puts several one after
another, and ``a * b`` multiplies their rates. A number, a constant rate, or a callable will do wherever a
schedule is wanted (`as_schedule`).

A schedule answers ``rates(t, n)``: the rates of steps t ... t + n - 1 as an array of shape (n,), or of
shape (1,) where they are all the same. It has no state; what a training run adds (the cut on a plateau)
is kept by the run. Where ``eta0`` is None, the estimator's is taken, and where ``steps`` is None, the
most steps that the fit can have (`bound`, `over`). A schedule is one class here; its name enters
``SCHEDULES``.
"""

from functools import lru_cache
from math import inf
from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, clone

from .ranges import ANY, COUNT, FROM_ONE, FROM_ZERO, POSITIVE, UNIT, Range

__all__ = [
    "SCHEDULES",
    "Constant",
    "Cosine",
    "Exponential",
    "InvScaling",
    "OneCycle",
    "Optimal",
    "Piecewise",
    "Polynomial",
    "Product",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "WarmUp",
    "as_schedule",
    "make_schedule",
]


@lru_cache(maxsize=64)
def _param_names(cls):
    """Names of a schedule's parameters; reading the signature for each fit anew takes too long."""
    return tuple(super(Schedule, cls)._get_param_names())


class Schedule(BaseEstimator):
    """What all schedules share."""

    _limits: dict = {}  # parameter -> Range
    _made_of: tuple = ()  # parameters that are schedules, or sequences of them
    _plain = False  # no `steps`, and made of no other schedule

    @classmethod
    def _get_param_names(cls):
        return list(_param_names(cls))

    def at(self, t):
        """Rates of the steps in the float64 array t, which it may overwrite."""
        raise NotImplementedError

    def rates(self, t, n):
        """Rates of the steps t ... t + n - 1, of shape (n,), or (1,) where they are all the same."""
        return self.at(np.arange(t, t + n)[:n])

    def __call__(self, t):
        """The rate of step t, or of an array of steps."""
        steps = np.asarray(t, np.float64)
        rates = np.array([self.rates(step, 1)[0] for step in steps.ravel()]).reshape(steps.shape)
        return rates if rates.ndim else float(rates)

    def cut(self, factor):
        """What to multiply the rates with after a plateau, where it was `factor`; None: stop instead."""
        return None

    def bound(self, eta0):
        """The schedule with eta0 where it has None, in schedules that it is made of, too."""
        return self._with("eta0", float(eta0))

    def over(self, steps):
        """The schedule over so many steps where it has None, in schedules that it is made of, too."""
        return self if self._plain else self._with("steps", int(steps))

    def _with(self, name, value):
        changed = {}
        for key, own in self.get_params(deep=False).items():
            if key == name and own is None:
                changed[key] = value
            elif key == "schedule" and own is None and name == "eta0":
                changed[key] = Constant(value)
            elif key in self._made_of and own is not None:
                if isinstance(own, (list, tuple, np.ndarray)):
                    changed[key] = tuple(as_schedule(part)._with(name, value) for part in own)
                else:
                    changed[key] = as_schedule(own)._with(name, value)
        return type(self)(**self.get_params(deep=False) | changed) if changed else self

    @property
    def ahead(self):
        """Whether rates may be asked for before their step: not those of a user's function."""
        return all(part.ahead for _, part in self._parts())

    @property
    def reduces(self):
        """Whether a plateau may cut its rates."""
        return any(part.reduces for _, part in self._parts())

    @property
    def endless(self):
        """Whether its shape does not depend on how many steps there will be."""
        return self.over(1) == self.over(2)

    def check(self):
        """Refuse parameters that give no learning rates.

        Raises
        ------
        TypeError
            For what is not a number.
        ValueError
            For numbers out of range.
        """
        for name, limit in self._limits.items():
            value = getattr(self, name)
            if value is not None or name not in ("eta0", "steps"):
                limit.check(value, name, self)
        for _, part in self._parts():
            part.check()
        return self

    def _parts(self):
        """The schedules that it is made of, by name."""
        for name in self._made_of:
            own = getattr(self, name)
            if isinstance(own, (list, tuple, np.ndarray)):
                for k, part in enumerate(own):
                    yield f"{name}[{k}]", as_schedule(part, f"{name}[{k}]")
            elif own is not None:
                yield name, as_schedule(own, name)

    def __mul__(self, other):
        return Product(self, other)

    __rmul__ = __mul__

    def _key(self):
        params = self.get_params(deep=False)
        parts = (tuple(v) if isinstance(v, (list, np.ndarray)) else v for v in params.values())
        return (type(self), *zip(params, parts, strict=True))

    # equal ones are asked once for the models that share them
    def __eq__(self, other):
        return self._key() == other._key() if isinstance(other, Schedule) else NotImplemented

    def __hash__(self):
        return hash(self._key())


class Constant(Schedule):
    """``eta0`` at every step. Also of the passive-aggressive rules, whose steps do not use it.

    Parameters
    ----------
    eta0 : float or None, default=None
        > 0; None: the estimator's.
    """

    _limits = {"eta0": POSITIVE}
    _plain = True

    def __init__(self, eta0=None):
        self.eta0 = eta0

    def rates(self, t, n):
        return np.array([self.eta0])


class InvScaling(Schedule):
    """``eta0 / t**power_t``.

    Parameters
    ----------
    eta0 : float or None, default=None
        > 0; None: the estimator's.
    power_t : float, default=0.5
        How fast the rate falls: 0.5 as the root of the steps, 0 not at all.
    """

    _limits = {"eta0": POSITIVE, "power_t": ANY}
    _plain = True

    def __init__(self, eta0=None, power_t=0.5):
        self.eta0 = eta0
        self.power_t = power_t

    def at(self, t):
        rates = t
        # roots are several times cheaper than a power
        if self.power_t in (0.25, 0.5):
            np.sqrt(rates, out=rates)
            if self.power_t == 0.25:
                np.sqrt(rates, out=rates)
        else:
            np.power(rates, self.power_t, out=rates)
        return np.divide(self.eta0, rates, out=rates)


class Optimal(Schedule):
    """``1 / (alpha * (t0 + t - 1))`` with Bottou's choice of t0: the first step has the size of
    typical weights, sqrt(1 / sqrt(alpha)), where the loss's gradient is at most 1.

    Parameters
    ----------
    alpha : float, default=0.0001
        Strength of the penalty, > 0.
    steepest : float, default=1.0
        Derivative of the loss at minus the typical weight.

    References
    ----------
    L. Bottou, "Stochastic Gradient Descent Tricks", 2012.
    """

    _limits = {"alpha": POSITIVE, "steepest": ANY}
    _plain = True

    def __init__(self, alpha=0.0001, steepest=1.0):
        self.alpha = alpha
        self.steepest = steepest

    def at(self, t):
        first = np.sqrt(1.0 / np.sqrt(self.alpha)) / max(1.0, self.steepest)
        t0 = 1.0 / (first * self.alpha)
        rates = t
        rates += t0 - 1.0
        rates *= self.alpha
        with np.errstate(divide="ignore"):  # of a tiny alpha: an infinite rate is what the fit reports
            return np.divide(1.0, rates, out=rates)


class StepDecay(Schedule):
    """``eta0 * factor**k`` after k times `every` steps.

    Parameters
    ----------
    every : int, default=1000
        >= 1.
    factor : float, default=0.5
        > 0.
    eta0 : float or None, default=None
        > 0; None: the estimator's.
    """

    _limits = {"every": COUNT, "factor": POSITIVE, "eta0": POSITIVE}

    def __init__(self, every=1000, factor=0.5, eta0=None):
        self.every = every
        self.factor = factor
        self.eta0 = eta0

    def at(self, t):
        return self.eta0 * self.factor ** np.floor((t - 1) / self.every)


class Exponential(Schedule):
    """``eta0 * decay**(t - 1)``.

    Parameters
    ----------
    decay : float, default=0.999
        In (0, 1].
    eta0 : float or None, default=None
        > 0; None: the estimator's.
    """

    _limits = {"decay": Range(0.0, 1.0, above=True), "eta0": POSITIVE}

    def __init__(self, decay=0.999, eta0=None):
        self.decay = decay
        self.eta0 = eta0

    def at(self, t):
        return self.eta0 * self.decay ** (t - 1)


class Cosine(Schedule):
    """Half a wave from `eta0` to `lowest` over `steps` steps, there to stay, or to begin again.

    Parameters
    ----------
    steps : int or None, default=None
        >= 1; None: the whole fit, `max_iter` epochs.
    lowest : float, default=0.0
        >= 0.
    restarts : bool, default=False
        Whether to begin again at `eta0`.
    growth : float, default=1.0
        How many times as long each wave is as the one before, >= 1.
    eta0 : float or None, default=None
        > 0; None: the estimator's.

    References
    ----------
    I. Loshchilov, F. Hutter, "SGDR: Stochastic gradient descent with warm restarts", ICLR 2017.
    """

    _limits = {"steps": COUNT, "lowest": FROM_ZERO, "growth": FROM_ONE, "eta0": POSITIVE}

    def __init__(self, steps=None, lowest=0.0, restarts=False, growth=1.0, eta0=None):
        self.steps = steps
        self.lowest = lowest
        self.restarts = restarts
        self.growth = growth
        self.eta0 = eta0

    def at(self, t):
        done = (t - 1) / self.steps
        if not self.restarts:
            share = np.minimum(done, 1.0)
        elif self.growth == 1:
            share = done % 1.0
        else:  # wave k begins after (growth**k - 1) / (growth - 1) first waves
            wave = np.floor(np.log1p(done * (self.growth - 1) * (1 + 1e-14)) / np.log(self.growth))
            share = (done - (self.growth**wave - 1) / (self.growth - 1)) / self.growth**wave
        return self.lowest + (self.eta0 - self.lowest) * (1 + np.cos(np.pi * share)) / 2


class OneCycle(Schedule):
    """Up to `eta0` and down to nearly nothing, both along half a cosine wave, in `steps` steps.

    Parameters
    ----------
    steps : int or None, default=None
        >= 1; None: the whole fit, `max_iter` epochs.
    warm_up : float, default=0.3
        Share of the steps in which the rate rises, in [0, 1].
    start : float, default=0.04
        The first rate, as a share of `eta0`; > 0.
    end : float, default=4e-6
        The last rate, as a share of `eta0`; >= 0.
    eta0 : float or None, default=None
        The highest rate, > 0; None: the estimator's.

    References
    ----------
    L. Smith, N. Topin, "Super-convergence", 2018.
    """

    _limits = {
        "steps": COUNT,
        "warm_up": UNIT,
        "start": POSITIVE,
        "end": FROM_ZERO,
        "eta0": POSITIVE,
    }

    def __init__(self, steps=None, warm_up=0.3, start=0.04, end=4e-6, eta0=None):
        self.steps = steps
        self.warm_up = warm_up
        self.start = start
        self.end = end
        self.eta0 = eta0

    def at(self, t):
        top, last = max(self.warm_up * self.steps - 1, 0.0), self.steps - 1
        up = np.clip((t - 1) / max(top, 1e-300), 0.0, 1.0)
        down = np.clip((t - 1 - top) / max(last - top, 1e-300), 0.0, 1.0)
        rise = self.start + (1 - self.start) * (1 - np.cos(np.pi * up)) / 2
        fall = self.end + (1 - self.end) * (1 + np.cos(np.pi * down)) / 2
        return self.eta0 * np.where(t - 1 <= top, rise, fall)


class Polynomial(Schedule):
    """``lowest + (eta0 - lowest) * (1 - (t - 1) / steps)**power``, then `lowest`.

    Parameters
    ----------
    steps : int or None, default=None
        >= 1; None: the whole fit, `max_iter` epochs.
    power : float, default=1.0
        > 0; 1 falls linearly.
    lowest : float, default=0.0
        >= 0.
    eta0 : float or None, default=None
        > 0; None: the estimator's.
    """

    _limits = {"steps": COUNT, "power": POSITIVE, "lowest": FROM_ZERO, "eta0": POSITIVE}

    def __init__(self, steps=None, power=1.0, lowest=0.0, eta0=None):
        self.steps = steps
        self.power = power
        self.lowest = lowest
        self.eta0 = eta0

    def at(self, t):
        left = np.maximum(0.0, 1 - (t - 1) / self.steps)
        return self.lowest + (self.eta0 - self.lowest) * left**self.power


class WarmUp(Schedule):
    """A linear rise, from `start` times another schedule's rates to all of them after `steps` steps.

    Parameters
    ----------
    schedule : Schedule, float, callable or None, default=None
        It counts its steps from the first one, warm-up included. None: the estimator's `eta0`.
    steps : int, default=100
        >= 1.
    start : float, default=0.1
        In [0, 1].
    """

    _limits = {"steps": COUNT, "start": UNIT}
    _made_of = ("schedule",)

    def __init__(self, schedule=None, steps=100, start=0.1):
        self.schedule = schedule
        self.steps = steps
        self.start = start

    def at(self, t):
        factor = self.start + (1 - self.start) * np.minimum(1.0, (t - 1) / self.steps)
        return factor * as_schedule(self.schedule).rates(t[0], len(t)) if len(t) else t

    def cut(self, factor):
        return as_schedule(self.schedule).cut(factor)


class Piecewise(Schedule):
    """One part after another.

    Parameters
    ----------
    boundaries : sequence of int, default=(1000,)
        The last step of each part but the last one, rising.
    parts : sequence of float, Schedule or callable, default=(0.01, 0.001)
        One more than boundaries; each counts its steps from the beginning of its part.
    """

    _made_of = ("parts",)

    def __init__(self, boundaries=(1000,), parts=(0.01, 0.001)):
        self.boundaries = boundaries
        self.parts = parts

    def check(self):
        bounds = list(self.boundaries)
        for k, bound in enumerate(bounds):
            COUNT.check(bound, f"boundaries[{k}]", self)
        if len(self.parts) != len(bounds) + 1 or bounds != sorted(set(bounds)):
            raise ValueError(
                f"{self!r} needs rising boundaries >= 1 and one part more than boundaries; it has "
                f"{len(bounds)} and {len(self.parts)}."
            )
        for name, part in self._parts():
            if part.reduces:
                raise ValueError(
                    f"{name}={part!r} reduces on a plateau, which is a matter of the whole fit: write "
                    "ReduceOnPlateau(Piecewise(...))."
                )
        return super().check()

    def at(self, t):
        rates = np.empty(len(t))
        begins = [0, *self.boundaries]
        which = np.searchsorted(self.boundaries, t, side="left")
        for k in np.unique(which):
            mine, part = which == k, as_schedule(self.parts[k])
            rates[mine] = part.rates(t[mine][0] - begins[k], int(mine.sum()))
        return rates


class ReduceOnPlateau(Schedule):
    """Another schedule's rates, divided each time that training stops to improve.

    When an estimator would stop because of `n_iter_no_change`, it goes on with smaller rates, as long as
    the first one is above `lowest`.

    Parameters
    ----------
    schedule : Schedule, float, callable or None, default=None
        None: the estimator's `eta0`.
    divide_by : float, default=5.0
        > 1.
    lowest : float, default=1e-6
        > 0.
    """

    _limits = {"divide_by": Range(1.0, above=True), "lowest": POSITIVE}
    _made_of = ("schedule",)
    reduces = True

    def __init__(self, schedule=None, divide_by=5.0, lowest=1e-6):
        self.schedule = schedule
        self.divide_by = divide_by
        self.lowest = lowest

    def rates(self, t, n):
        return as_schedule(self.schedule).rates(t, n)

    def cut(self, factor):
        if as_schedule(self.schedule).rates(1.0, 1)[0] * factor <= self.lowest:
            return None
        return factor / self.divide_by


class Product(Schedule):
    """The rates of two schedules, or of a schedule and a number, multiplied: what ``a * b`` makes.

    Parameters
    ----------
    first, second : Schedule, float or callable
        The rates that are multiplied.
    """

    _made_of = ("first", "second")

    def __init__(self, first, second):
        self.first = first
        self.second = second

    def rates(self, t, n):
        return as_schedule(self.first).rates(t, n) * as_schedule(self.second).rates(t, n)

    def cut(self, factor):
        cut = as_schedule(self.first).cut(factor)
        return as_schedule(self.second).cut(factor) if cut is None else cut


class _Called(Schedule):
    """The rates that a function of the step returns.

    Parameters
    ----------
    function : callable, step (int, from 1) -> rate
    """

    def __init__(self, function):
        self.function = function

    ahead = False

    def _key(self):
        return type(self), id(self.function)

    def __sklearn_clone__(self):
        return self  # the user's function, not a copy of what it holds

    def at(self, t):
        rates = np.empty(len(t))
        for i, step in enumerate(t):
            rate = self.function(int(step))
            if not (np.ndim(rate) == 0 and isinstance(rate, (Real, np.generic)) and 0 <= rate < inf):
                raise ValueError(
                    f"learning_rate returned {rate!r} for step {int(step)}: it must return a finite "
                    "number >= 0."
                )
            rates[i] = rate
        return rates


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
    "adaptive": lambda eta0, **_: ReduceOnPlateau(Constant(eta0)),
    "pa1": _constant,
    "pa2": _constant,
    "step": lambda eta0, **_: StepDecay(eta0=eta0),
    "exponential": lambda eta0, **_: Exponential(eta0=eta0),
    "cosine": lambda eta0, **_: Cosine(eta0=eta0),
    "one_cycle": lambda eta0, **_: OneCycle(eta0=eta0),
    "polynomial": lambda eta0, **_: Polynomial(eta0=eta0),
}


def _written(name):
    """How the schedule of a name is written as an object, for messages."""
    if name == "optimal":
        return repr(Optimal(0.001))
    return repr(SCHEDULES[name](eta0=0.1, power_t=0.5, alpha=0.001))


def as_schedule(given, name="schedule"):
    """The schedule that is given as an object, as a number, which is a constant rate, or as a callable.

    Parameters
    ----------
    given : Schedule, float or callable
        A callable gives the rate of a step by its number, from 1.
    name : str, default='schedule'
        What it is called in messages.

    Returns
    -------
    Schedule

    Raises
    ------
    TypeError
        For what is none of these.
    ValueError
        For numbers that are no rates.
    """
    if isinstance(given, Schedule):
        return given
    if isinstance(given, Real) and not isinstance(given, (bool, np.bool_)):
        POSITIVE.check(given, name)
        return Constant(float(given))
    if isinstance(given, type):
        ours = given.__name__ if issubclass(given, Schedule) else "Cosine"
        raise TypeError(f"{name}={given.__name__} is a class; give an object: {ours}().")
    if callable(given):
        return _Called(given)
    if isinstance(given, str) and given in SCHEDULES:
        raise TypeError(
            f"{name}={given!r}: only an estimator has the numbers for a name. Give an object, such as "
            f"{_written(given)}."
        )
    raise TypeError(
        f"{name}={given!r} is neither a number nor a schedule of fastgd.schedules, such as Cosine(), nor "
        "a function of the step."
    )


def make_schedule(learning_rate, **parameters):
    """The checked schedule of a name, an object or a callable.

    Parameters
    ----------
    learning_rate : str, Schedule, callable or float
        A float is a constant rate, whatever eta0.
    **parameters
        Of an estimator: eta0, and for names power_t, alpha, loss and its parameter.

    Returns
    -------
    Schedule
    """
    if isinstance(learning_rate, str) and "alpha" in parameters:
        numbers = {key: float(parameters.pop(key)) for key in ("eta0", "power_t", "alpha")}
        return SCHEDULES[learning_rate](**numbers, **parameters)
    schedule = as_schedule(learning_rate, "learning_rate").check()
    if "eta0" in parameters:
        schedule = schedule.bound(parameters["eta0"])
    # a copy: what is set on it later is not for the fit that is running
    return clone(schedule)
