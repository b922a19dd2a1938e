"""minimize(): gradient descent on any differentiable function, and `Optimizer`, one step at a time.

The update rules are those of the estimators, run by the same compiled code on NumPy arrays in place;
the schedules, too. `minimize` is SciPy's interface around the loop, with the path that the descent took:
made to watch and to compare rules, and for functions that only a gradient method can handle. (For a
smooth function of few variables, ``scipy.optimize.minimize(method="BFGS")`` needs far fewer steps.)
`Optimizer` is for loops that are written by hand: it remembers what its rule needs of each array.

A function of the user's may fail in the middle of a descent: it may return NaN, or what is no number, or
raise. The best point so far is then returned, with a message that says what happened, at which step, and
what to do.
"""

from inspect import signature
from math import inf, isfinite, sqrt
from numbers import Integral, Real
from reprlib import repr as short

import numpy as np
from scipy.optimize import Bounds, OptimizeResult

from .kernels import kernels
from .optimizers import make_optimizer
from .schedules import make_schedule

__all__ = ["Optimizer", "minimize"]

RATES = 1 << 10  # learning rates asked for at once
PLATEAU = 10  # steps without a new lowest value, after which `ReduceOnPlateau` reduces
DIFFERENCE = np.finfo(np.float64).eps ** (1 / 3)  # of central differences, relative to max(1, abs(x))
DEFAULT_RATE = 0.01  # of rules that have none of their own
CLIP_EPS = 1e-6
UNKNOWN = None, None, inf  # a gradient

ROUNDING = 1e-10  # relative: values that differ by less are the same
CONVERGED, OUT_OF_STEPS, NOT_FINITE, RAISED, WRONG, ASTRAY, STOPPED = 0, 1, 2, 3, 4, 5, 99


def _rule_and_schedule(optimizer, learning_rate, steps=None):
    rule = make_optimizer(optimizer)
    own = DEFAULT_RATE if rule.rate is None else rule.rate
    schedule = make_schedule(own if learning_rate is None else learning_rate, eta0=own)
    return rule, schedule if steps is None else schedule.over(max(steps, 1))


class _Rates:
    """Learning rates by step. A schedule object, a pure function, is asked for some steps ahead."""

    def __init__(self, schedule, last=inf):
        self.schedule, self.last, self.ahead = schedule, last, schedule.ahead
        self.first, self.rates = 1, []  # what was asked for: the rates from step `first` on

    def of(self, t):
        """The rate of step t <= last, t = 1, 2, ... in turn."""
        k = t - self.first
        if not k < len(self.rates):
            n = min(RATES, self.last + 1 - t) if self.ahead else 1
            rates = self.schedule.rates(float(t), n)
            self.first, self.rates = t, (rates if len(rates) == n else rates.repeat(n)).tolist()
            k = 0
        return self.rates[k]

    def __getstate__(self):
        return self.__dict__ | {"rates": []}


class Optimizer:
    """An update rule at work: it moves arrays in place, one step at a time.

    Parameters
    ----------
    rule : str or UpdateRule, default='sgd'
        A name of ``fastgd.optimizers.OPTIMIZERS``, or an object such as ``Adam(beta1=0.8)``.
    learning_rate : float, Schedule, callable or None, default=None
        A constant, a schedule of `fastgd.schedules` with all its parameters, or a function of the step
        1, 2, ... None: the rule's own rate, 0.01 where it has none.

    Attributes
    ----------
    t : int
        Steps taken.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgd import Optimizer
    >>> w = np.array([5.0])
    >>> optimizer = Optimizer("sgd", learning_rate=0.1)
    >>> optimizer.step(w, 2 * (w - 2))
    >>> w
    array([4.4])
    """

    def __init__(self, rule="sgd", learning_rate=None):
        self.rule, self._schedule = _rule_and_schedule(rule, learning_rate)
        if not self._schedule.endless:
            raise ValueError(f"{learning_rate!r} needs `steps`: nobody knows how many there will be.")
        self.t = 0
        self._rates = _Rates(self._schedule)
        self._held = None  # an `_Array` for each

    def __repr__(self):
        return f"Optimizer({self.rule!r}, {self._schedule!r})"

    def step(self, weights, gradients):
        """Move the weights, in place.

        With 'averaged' and the schedule-free rules, the weights become the point where the next gradient
        is to be taken; `answer` is what predicts.

        Parameters
        ----------
        weights : ndarray, or sequence of them
            C-contiguous, float32 or float64, of any shape; the same shapes in each call.
        gradients : array-like, or sequence of them
            In the shapes of the weights.

        Raises
        ------
        ValueError
            For other shapes or types, and for gradients that are not finite: nothing has moved then.
        FloatingPointError
            If finite gradients were so large that weights overflowed: they have moved, and are lost.
        """
        alone = isinstance(weights, np.ndarray)
        weights = [weights] if alone else list(weights)
        gradients = [gradients] if alone else list(gradients)
        if self._held is None:
            self._held = [_Array(self.rule, w) for w in weights]
        if not len(weights) == len(gradients) == len(self._held):
            raise ValueError(
                f"This optimizer moves {len(self._held)} arrays; step got {len(weights)}, and "
                f"{len(gradients)} gradients."
            )
        gradients = [
            self._checked(i, w, g) for i, (w, g) in enumerate(zip(weights, gradients, strict=True))
        ]
        rate = self._rates.of(self.t + 1)
        factor = _clip_factor(self.rule, gradients)
        for w, g, held in zip(weights, gradients, self._held, strict=True):
            if held.answer is None:
                held.updates.step(w, g, rate, factor)
            else:
                held.updates.step(held.answer, g, rate, factor)
                w[...] = held.state.point(w)
        self.t += 1
        for i, w in enumerate(weights):
            if not isfinite(kernels.largest(w)):
                raise FloatingPointError(
                    f"Step {self.t}, with learning rate {rate:g}, made weights of array {i} infinite. "
                    "Begin again with a smaller learning rate, or with clip_norm."
                )

    def answer(self, weights=None):
        """The weights that predict: for rules with an average, that; else those given.

        Parameters
        ----------
        weights : ndarray, or sequence of them
            What `step` moves.

        Returns
        -------
        ndarray, or list of ndarray
        """
        if not self._held or self._held[0].answer is None:
            return weights
        answers = [held.answer.copy() for held in self._held]
        return answers[0] if isinstance(weights, np.ndarray) else answers

    def _checked(self, i, w, g):
        _refuse_unless_movable(w)
        state = self._held[i].state
        if w.size != state.slots.shape[1] or w.dtype != state.slots.dtype:
            raise ValueError(
                f"Array {i} has shape {w.shape} and type {w.dtype}; this optimizer was begun with "
                f"{state.slots.shape[1]} numbers of {state.slots.dtype}. Make a new Optimizer."
            )
        g = np.ascontiguousarray(g, dtype=w.dtype)
        if g.size != w.size or (g.shape != w.shape and g.size != 1):
            raise ValueError(f"The gradient of array {i} has shape {g.shape}, the array {w.shape}.")
        if not isfinite(kernels.largest(g)):
            raise ValueError(
                f"The gradient of array {i} is not finite at step {self.t + 1}. The weights are as they "
                "were; take a smaller learning rate, clip_norm, or look at the function that made it."
            )
        return g


class _Array:
    """What an optimizer holds for one array: the rule's state, and the answer where it is kept apart."""

    def __init__(self, rule, w):
        _refuse_unless_movable(w)
        self.rule, self.state = rule, rule.begin(w)
        self.answer = None if self.state.point(w) is w else w.copy()
        self.updates = rule.updates(self.state)

    def __getstate__(self):
        return self.rule, self.state, self.answer

    def __setstate__(self, parts):
        self.rule, self.state, self.answer = parts
        self.updates = self.rule.updates(self.state)


def _refuse_unless_movable(w):
    if not isinstance(w, np.ndarray):
        what = f"a {type(w).__name__}"
    elif w.dtype not in (np.float32, np.float64):
        what = f"one of {w.dtype}"
    elif not (w.flags.c_contiguous and w.flags.aligned):
        what = f"one of shape {w.shape} with strides {w.strides}"
    elif not w.flags.writeable:
        what = "a read-only one"
    else:
        return
    raise ValueError(
        "An optimizer moves C-contiguous, writable arrays of float32 or float64 in place, not "
        f'{what}. Make one by np.array(w, dtype=np.float64, order="C").'
    )


def _clip_factor(rule, gradients):
    """What gradients are multiplied with so that all of them together are no longer than clip_norm."""
    if rule.clip_norm is None:
        return 1.0
    length = sqrt(sum(float(np.vdot(g, g)) for g in gradients))
    return min(1.0, rule.clip_norm / (length + CLIP_EPS))


class _Failure(Exception):
    """The user's function gave no number: a sentence, and the exception that is raised for it at x0."""

    def __init__(self, sentence, status, error):
        super().__init__(sentence)
        self.status, self.error = status, error


class _Function:
    """The user's function and gradient, counted and checked. Each call gets an array of its own."""

    def __init__(self, fun, jac, args, low, high):
        self.fun, self.jac, self.args = fun, jac, args
        self.low, self.high = low, high
        self.nfev = self.njev = 0
        self.pair = None, None  # jac=True: the last point, and the gradient there

    def _call(self, function, x, name):
        try:
            return function(x.copy(), *self.args)
        except Exception as error:
            raise _raised(name, error) from error

    def value(self, x):
        """fun(x), a finite float."""
        self.nfev += 1
        value = self._call(self.fun, x, "fun")
        if self.jac is True:
            try:
                value, gradient = value
            except (TypeError, ValueError):
                raise _wrong("With jac=True, fun must return a pair (value, gradient)", value) from None
            self.pair = x, gradient
        if type(value) is not float:
            value = _as_float(value)
        if not isfinite(value):
            sentence = f"fun returned {value}."
            raise _Failure(sentence, NOT_FINITE, ValueError(sentence))
        return value

    def gradient(self, x):
        """The gradient at x: a finite float64 array of x's shape, and its largest entry.

        It may be a buffer of the user's: good until the next call of one of the functions.
        """
        self.njev += 1
        if self.jac is True:
            if self.pair[0] is not x:
                self.value(x)
            gradient = self.pair[1]
        elif self.jac is None:
            gradient = self._differences(x)
        else:
            gradient = self._call(self.jac, x, "jac")
        if not (
            type(gradient) is np.ndarray
            and gradient.dtype == np.float64
            and gradient.shape == x.shape
            and gradient.flags.c_contiguous
        ):
            gradient = _as_gradient(gradient, x, "fun" if self.jac is True else "jac")
        largest = kernels.largest(gradient, x, self.low, self.high)
        if not isfinite(largest):
            sentence = "The gradient has entries that are not finite."
            raise _Failure(sentence, NOT_FINITE, ValueError(sentence))
        return gradient, largest

    def _differences(self, x):
        """Central differences, within the bounds."""
        gradient = np.empty_like(x)
        for j in range(x.size):
            step = DIFFERENCE * max(1.0, abs(x[j]))
            right, left = x.copy(), x.copy()
            right[j] += step
            left[j] -= step
            if self.low is not None:
                right[j], left[j] = min(right[j], self.high[j]), max(left[j], self.low[j])
            width = right[j] - left[j]
            gradient[j] = (self.value(right) - self.value(left)) / width if width else 0.0
        return gradient


def _raised(name, error):
    """The failure of a function that raised an exception."""
    what = f"{type(error).__name__}: {error}".rstrip(".")
    return _Failure(f"{name} raised {what}.", RAISED, error)


def _wrong(duty, value):
    """The failure of a function that returned what it must not."""
    what = f"an array of shape {value.shape}" if isinstance(value, np.ndarray) else short(value)
    sentence = f"{duty}; it returned {what}."
    return _Failure(sentence, WRONG, TypeError(sentence))


def _numeric(value):
    """An array of real numbers; ValueError or TypeError for others. (NumPy makes NaN of None.)"""
    array = np.asarray(value)
    if array.dtype.kind not in "fiubO" or value is None:
        raise TypeError
    return array


def _as_float(value):
    try:
        return float(_numeric(value).item())
    except Exception:
        raise _wrong("fun must return a number", value) from None


def _as_gradient(value, x, name):
    try:
        gradient = np.ascontiguousarray(_numeric(value), dtype=np.float64)
        return gradient if gradient.shape == x.shape else gradient.reshape(x.shape)
    except Exception:
        raise _wrong(f"{name} must return a gradient of shape {x.shape}, that of x", value) from None


def _box(bounds, x):
    """Lower and upper bounds as arrays; None without bounds."""
    if bounds is None:
        return None, None
    try:
        if not isinstance(bounds, Bounds):
            low, high = zip(*bounds, strict=True)
            bounds = Bounds(
                [-np.inf if each is None else each for each in low],
                [np.inf if each is None else each for each in high],
            )
            if len(low) != x.size:
                raise ValueError
        low, high = (
            np.array(np.broadcast_to(b, x.shape), dtype=np.float64) for b in (bounds.lb, bounds.ub)
        )
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds must be {x.size} pairs (low, high) of numbers, None where there is none, or a "
            f"scipy.optimize.Bounds for x of shape {x.shape}; got {short(bounds)}."
        ) from None
    wrong = np.flatnonzero(~(low <= high))
    if wrong.size:
        j = wrong[0]
        raise ValueError(
            f"Lower bounds must be <= the upper ones; those of x[{j}] are {low[j]} and {high[j]}."
        )
    return low, high


def _notifier(callback):
    """SciPy's two conventions: callback(intermediate_result=...) by that name, else callback(xk)."""
    try:
        names = list(signature(callback).parameters)
    except (TypeError, ValueError):
        names = []
    if names == ["intermediate_result"]:
        return lambda x, fun: callback(intermediate_result=OptimizeResult(x=x.copy(), fun=fun))
    return lambda x, fun: callback(x.copy())


class _Descent:
    """A run of `minimize`: its steps, the lowest point so far, and what is said in the end."""

    def __init__(self, function, x, keep_path):
        self.function = function
        self.path, self.values = [], []
        self.keep_path = keep_path
        self.step, self.rate = 0, None
        self.known = UNKNOWN  # a point, the gradient there (a buffer of the user's?), its largest entry
        self.now = self.best = x.copy()
        try:
            self.lowest = function.value(self.now)
            self.gradient_at(self.now)
        except _Failure as failure:
            if failure.status == RAISED:
                raise failure.error from None
            raise type(failure.error)(
                f"{failure} That was at x0 = {x}, so there is nothing to return."
            ) from None
        self._note(self.now, self.lowest)

    def run(self, rule, rates, max_iter, tol, tell):
        """Take steps until there is a reason to end: its status."""
        function, x = self.function, self.now.copy()
        state = rule.begin(x)
        updates = rule.updates(state)
        point = state.point(x)  # where gradients are taken: x itself, or a buffer of the rule's
        apart = point is not x
        _, gradient, largest = self.known
        factor, since = 1.0, 0  # of the rates, for those that are cut on a plateau
        while True:
            # an average converges later than the point where gradients are taken
            if largest <= tol:
                if not apart:
                    return CONVERGED
                gradient = gradient.copy()
                if self.gradient_at(self.now)[1] <= tol:
                    return CONVERGED
            if self.step == max_iter:
                return OUT_OF_STEPS
            self.step += 1
            self.rate = rate = self._rate(rates) * factor
            updates.step(x, gradient, rate, _clip_factor(rule, (gradient,)), function.low, function.high)
            self.known = UNKNOWN  # the next call may overwrite it
            self.now = now = x.copy()
            value = function.value(now)
            self._note(now, value)
            since += 1
            if value < self.lowest:
                self.best, self.lowest, since = now, value, 0
            elif since >= PLATEAU:
                since = 0
                cut = rates.schedule.cut(factor)
                factor = factor if cut is None else cut
            if tell is not None and tell(now, value):
                return STOPPED
            gradient, largest = function.gradient(point.copy()) if apart else self.gradient_at(now)

    def _rate(self, rates):
        try:
            return rates.of(self.step)
        except Exception as error:
            self.rate = None
            raise _raised("learning_rate", error) from error

    def gradient_at(self, x):
        """The gradient at a point that counts, and its largest entry."""
        gradient, largest = self.function.gradient(x)
        self.known = x, gradient, largest
        return gradient, largest

    def _note(self, x, value):
        if self.keep_path:
            self.path.append(x)
        self.values.append(value)

    def settle(self, status, tol):
        """The status in view of the gradient at the point that is returned, the lowest as a rule."""
        if self.known[0] is not self.best:
            rest = self.known
            if status == CONVERGED:
                rest = rest[0], rest[1].copy(), rest[2]
            try:
                self.gradient_at(self.best)
            except _Failure:
                self.known = UNKNOWN
            if status == CONVERGED and self.known[2] > tol:
                if not self._is_as_low(tol):
                    return ASTRAY
                self.known, self.best, self.lowest = rest, self.now, self.values[-1]
        if status == OUT_OF_STEPS and self.known[2] <= tol:
            return CONVERGED
        return status

    def _is_as_low(self, tol):
        """Whether the last value is the lowest, but for what `tol` leaves open.

        If the function is convex between a point without larger entries of the gradient and another one,
        the other one's value is lower by at most tol for each unit of the way.
        """
        way = float(np.abs(self.now - self.best).sum())
        return self.values[-1] - self.lowest <= tol * way + ROUNDING * abs(self.lowest)

    def message(self, status, failure, tol):
        """What happened, where, and what to do."""
        if failure is not None:
            rate = "" if self.rate is None else f", with learning rate {self.rate:g}"
            remedy = (
                "; a smaller learning rate or clip_norm may avoid it" if rate and status != WRONG else ""
            )
            return (
                f"{failure} That was at step {self.step}{rate}. The best point until then is "
                f"returned{remedy}."
            )
        if status == CONVERGED:
            return f"No entry of the gradient is larger than tol={tol:g}, after {self.step} steps."
        if status == STOPPED:
            return f"The callback asked to stop after step {self.step}."
        largest = self.known[2]
        here = f"at x its largest entry is {largest:.3g}" if largest < inf else "at x it is not known"
        if status == OUT_OF_STEPS:
            return (
                f"{self.step} steps were taken, which is max_iter, before the gradient was small; {here}."
            )
        return (
            f"After {self.step} steps no entry of the gradient was larger than tol={tol:g}, but the "
            f"value there is {self.values[-1]:.6g}. The point of the lowest on the way is returned, of "
            f"{self.lowest:.6g}; {here}. Begin there with a smaller learning rate."
        )

    def result(self, status, message, error=None):
        function = self.function
        if function.jac is None:
            calls = 2 * self.best.size
            message += f" Gradients are central differences, as jac is None: {calls} calls of fun each."
        return OptimizeResult(
            x=self.best,
            fun=self.lowest,
            jac=self.known[1].copy() if self.known[0] is self.best else None,
            nit=len(self.values) - 1,
            nfev=function.nfev,
            njev=function.njev,
            success=status == CONVERGED,
            status=status,
            message=message,
            error=error,
            path=np.array(self.path[: len(self.values)]) if self.keep_path else None,
            path_fun=np.array(self.values),
        )


def _refuse_arguments(fun, args, jac, max_iter, tol, callback):
    """Refuse what cannot be meant, before any work."""
    if not callable(fun):
        raise TypeError(f"fun={fun!r} must be a function of x.")
    if not isinstance(args, (tuple, list)):
        raise TypeError(
            f"args={args!r} must be a tuple of further arguments of fun, such as ({args!r},)."
        )
    if not (jac is None or jac is True or callable(jac)):
        raise TypeError(f"jac={jac!r} must be a function, True, or None for finite differences.")
    if not isinstance(max_iter, Integral) or isinstance(max_iter, bool) or max_iter < 0:
        raise ValueError(f"max_iter={max_iter!r} must be an int >= 0.")
    if not isinstance(tol, Real) or isinstance(tol, bool) or not tol >= 0:
        raise ValueError(f"tol={tol!r} must be a number >= 0; with 0, all max_iter steps are taken.")
    if callback is not None and not callable(callback):
        raise TypeError(f"callback={callback!r} must be a function, or None.")


def _start(x0):
    """x0 as a float64 array of shape (n,), a copy."""
    try:
        x = np.array(_numeric(x0), dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"x0 must be one or more real numbers; got {short(x0)}.") from None
    x = x.reshape(1) if x.ndim == 0 else x
    if x.ndim != 1 or not x.size:
        raise ValueError(f"x0 must be one or more numbers, of shape (n,); got shape {x.shape}.")
    wrong = np.flatnonzero(~np.isfinite(x))
    if wrong.size:
        raise ValueError(f"x0 must be finite; entry {wrong[0]} is {x[wrong[0]]}.")
    return x


def minimize(
    fun,
    x0,
    args=(),
    *,
    jac=None,
    optimizer="sgd",
    learning_rate=None,
    max_iter=1000,
    tol=1e-6,
    callback=None,
    bounds=None,
    keep_path=True,
):
    """Minimise a function by gradient descent.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)`` -> value, a number; x is a float64 array of shape (n,).
    x0 : float or array-like of shape (n,)
        Where to begin.
    args : tuple, default=()
        Further arguments of `fun` and `jac`.
    jac : callable, bool or None, default=None
        ``jac(x, *args)`` -> gradient of shape (n,). True: `fun` returns (value, gradient). None: central
        differences, 2 n calls of `fun` per step, as the message will say.
    optimizer : str or UpdateRule, default='sgd'
        The update rule: a name of ``fastgd.optimizers.OPTIMIZERS`` or an object such as
        ``Adam(beta1=0.8)``.
    learning_rate : float, Schedule, callable or None, default=None
        A constant, a schedule of `fastgd.schedules`, or a function of the step 1, 2, ... None: the rule's
        own rate, 0.01 where it has none.
    max_iter : int, default=1000
        Most steps, >= 0.
    tol : float, default=1e-6
        Descent ends where no entry of the gradient is larger; entries that point out of the bounds do not
        count.
    callback : callable or None, default=None
        Called after every step: as ``callback(intermediate_result)`` with ``.x`` and ``.fun`` if its one
        parameter has that name, else as ``callback(xk)``. It ends the descent by returning True or
        raising StopIteration.
    bounds : scipy.optimize.Bounds or sequence of (low, high), default=None
        Steps that lead out end on the bound.
    keep_path : bool, default=True
        Whether to keep every point; ``8 * n * max_iter`` bytes at most.

    Returns
    -------
    scipy.optimize.OptimizeResult
        ``x``, the point of the lowest value, ``fun`` its value and ``jac`` the gradient there (None
        where it is not known); ``path`` of shape (nit + 1, n), from x0 on, and ``path_fun`` of shape
        (nit + 1,); ``nit`` steps, ``nfev`` and ``njev`` calls; ``success``, whether no entry of ``jac``
        is larger than `tol`; ``message``, and ``status``: 0 converged, 1 max_iter, 2 not finite, 3 an
        exception, which is ``error``, 4 a function returned no number or the wrong shape, 5 the descent
        came to rest, but above x, 99 callback.

    Raises
    ------
    Exception
        What `fun` or `jac` raise at x0, where there is no point to return, and what `callback` raises.
    ValueError, TypeError
        If they are not finite or no numbers at x0, and for bad arguments.
    KeyboardInterrupt
        By Ctrl-C. Once x0 is known, its attribute ``result`` is the result so far, for ``except
        KeyboardInterrupt as stop: best = stop.result.x``; interactively also ``sys.last_value.result``.

    Notes
    -----
    Where the descent comes to rest is x if no value on the way was lower, but for rounding and what `tol`
    leaves open; if one was, x is the lowest point, and no success. `fun` and `jac` get an array of their
    own at each call, as in SciPy.

    With 'averaged' and the schedule-free rules, gradients are taken at another point than the one that
    counts. With ``jac=True`` this costs a second call of `fun` per step.

    Examples
    --------
    >>> from fastgd import minimize
    >>> result = minimize(lambda w: (w - 2) ** 2, 5.0, jac=lambda w: 2 * (w - 2), learning_rate=0.1)
    >>> result.path[:3].ravel()
    array([5.  , 4.4 , 3.92])
    >>> result.x.round(6)
    array([2.])
    """
    _refuse_arguments(fun, args, jac, max_iter, tol, callback)
    max_iter = int(max_iter)
    rule, schedule = _rule_and_schedule(optimizer, learning_rate, max_iter)
    x = _start(x0)
    low, high = _box(bounds, x)
    if low is not None:
        np.clip(x, low, high, out=x)
    tell = None if callback is None else _notifier(callback)
    rates = _Rates(schedule, max_iter)
    if max_iter:
        rates.of(1)  # a function that cannot be asked is refused before any work
    descent = _Descent(_Function(fun, jac, tuple(args), low, high), x, keep_path)
    failure = None
    try:
        try:
            status = descent.run(rule, rates, max_iter, tol, tell)
        except StopIteration:
            status = STOPPED
        except _Failure as caught:
            failure, status = caught, caught.status
        status = descent.settle(status, tol)
    except KeyboardInterrupt as interrupt:
        interrupt.result = descent.result(STOPPED, f"Interrupted after {len(descent.values) - 1} steps.")
        raise
    error = failure.error if status == RAISED else None
    return descent.result(status, descent.message(status, failure, tol), error)
