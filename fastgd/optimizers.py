"""Optimizers: how the weights answer a gradient.

An optimizer is named (``optimizer="adam"``) or given as an object with parameters
(``optimizer=Adam(beta1=0.8)``). Objects have scikit-learn's ``get_params`` and ``set_params``, so that
searches reach ``optimizer__beta1``, and are never changed by training: what a rule remembers from step
to step is a `State`, which belongs to the model. The learning rate is not a rule's but the schedule's.

The formulas live in ``kernels/optimizers.h``, where the training loops run them in one pass over the
weights; a rule is one struct there and one class here, and its name enters ``OPTIMIZERS``. With the
gradient g of the objective, penalty included, at the weights w, in step t = 1, 2, ... of size eta:

- *clipping* comes first: ``clip_norm`` shortens the whole gradient to that length, then ``clip_value``
  cuts each entry to that size;
- *decoupled weight decay* (Loshchilov and Hutter 2019) multiplies w by ``1 - eta * weight_decay``
  beside the step; the penalty of an estimator is part of the gradient instead. The intercept does not
  decay.
"""

from dataclasses import dataclass, replace
from math import inf

import numpy as np
from sklearn.base import BaseEstimator

from .kernels import kernels
from .ranges import COUNT, FROM_ZERO, POSITIVE, SHARE, UNIT

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "AMSGrad",
    "AdaDelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Averaged",
    "Lion",
    "Momentum",
    "NAdam",
    "Nesterov",
    "RMSProp",
    "ScheduleFreeAdam",
    "ScheduleFreeSGD",
    "State",
    "UpdateRule",
    "make_optimizer",
]

_TABLE = {name: facts for name, *facts in kernels.update_rules()}


class UpdateRule(BaseEstimator):
    """What all optimizers share: checks, and the way to the kernels.

    Attributes
    ----------
    rate : float
        The constant learning rate that suits the rule where nobody asks for another: what
        ``learning_rate="optimal"`` means for it. None: Bottou's schedule, as for plain SGD.
    """

    rule: str | None = None  # the kernels' name
    rate: float | None = 0.01
    # Names of the parameters in the kernels' order.
    _first: str | None = None
    _second: str | None = None
    _eps: str | None = None
    _extra: str | None = None
    _limits: dict = {}  # parameter -> Range

    @property
    def plain(self):
        """Whether the rule is that of scikit-learn's algorithm, which has its own loops."""
        return False

    def check(self):
        """Refuse parameters that are no parameters of this rule.

        Raises
        ------
        TypeError
            For what is not a number.
        ValueError
            For numbers out of range.
        """
        limits = {"weight_decay": FROM_ZERO, "clip_norm": POSITIVE, "clip_value": POSITIVE}
        for name, limit in {**limits, **self._limits}.items():
            value = getattr(self, name)
            if value is not None or name not in ("clip_norm", "clip_value"):
                limit.check(value, name, self)
        return self

    def numbers(self):
        """The parameters as the kernels take them: seven floats."""
        names = (self._first, self._second, self._eps, self._extra)
        values = [0.0 if name is None else float(getattr(self, name)) for name in names]
        clips = [inf if clip is None else float(clip) for clip in (self.clip_norm, self.clip_value)]
        return (*values, float(self.weight_decay), *clips)

    def begin(self, weights, intercept=0.0):
        """The `State` before the first step, for weights of any shape and an intercept."""
        slots, begin, _ = _TABLE[self.rule]
        state = State(self.rule, np.zeros((slots, weights.size), weights.dtype), np.zeros(6), intercept)
        state.slots[:begin] = weights.ravel()
        state.numbers[1] = 1.0
        state.numbers[3 : 3 + begin] = intercept
        return state

    def updates(self, state):
        """The kernels' view of the rule and a state, which it moves."""
        return kernels.Updates(
            self.rule,
            self.numbers(),
            list(state.slots),
            state.numbers,
            double_w=state.slots.dtype == np.float64,
        )


@dataclass
class State:
    """What a rule remembers of one array of weights.

    Parameters
    ----------
    rule : str
        The name of the rule, which alone can go on with it.
    slots : ndarray of shape (n_slots, n_weights)
        The arrays that the rule keeps, in the type of the weights.
    numbers : ndarray of shape (6,)
        Steps taken, two sums of the rule's, and the slots of the intercept.
    intercept : float
        That of the model, before it was rounded to the type of the weights.
    """

    rule: str
    slots: np.ndarray
    numbers: np.ndarray
    intercept: float = 0.0

    def copy(self):
        return replace(self, slots=self.slots.copy(), numbers=self.numbers.copy())

    def suits(self, rule, n_weights, dtype):
        """Whether a rule can go on with it for such weights."""
        slots = self.slots
        return self.rule == rule.rule and slots.shape[1] == n_weights and slots.dtype == dtype

    def point(self, weights):
        """Where the next gradient is taken: the weights themselves, or the rule's own copy of them."""
        return self.slots[0].reshape(weights.shape) if _TABLE[self.rule][2] else weights


class SGD(UpdateRule):
    """Plain steps: ``w -= eta * g``.

    Without clipping and decay this is scikit-learn's algorithm, trained by loops of its own.

    Parameters
    ----------
    weight_decay : float, default=0.0
        Decoupled weight decay, >= 0.
    clip_norm : float or None, default=None
        Greatest length of the gradient, > 0.
    clip_value : float or None, default=None
        Greatest size of each entry of the gradient, > 0.
    """

    rule = "sgd"
    rate = None

    def __init__(self, *, weight_decay=0.0, clip_norm=None, clip_value=None):
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value

    @property
    def plain(self):
        return self.weight_decay == 0 and self.clip_norm is None and self.clip_value is None


class Momentum(UpdateRule):
    """Heavy ball: ``v = momentum * v + (1 - dampening) * g; w -= eta * v``.

    Parameters
    ----------
    momentum : float, default=0.9
        In [0, 1).
    dampening : float, default=0.0
        In [0, 1); not of the first step.
    weight_decay, clip_norm, clip_value
        As of `SGD`.

    References
    ----------
    B. Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    """

    rule = "momentum"
    _first, _extra = "momentum", "dampening"
    _limits = {"momentum": SHARE, "dampening": SHARE}

    def __init__(self, *, momentum=0.9, dampening=0.0, weight_decay=0.0, clip_norm=None, clip_value=None):
        self.momentum = momentum
        self.dampening = dampening
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value


class Nesterov(UpdateRule):
    """Momentum that looks ahead: ``v = momentum * v + g; w -= eta * (g + momentum * v)``.

    Parameters
    ----------
    momentum : float, default=0.9
        In [0, 1).
    weight_decay, clip_norm, clip_value
        As of `SGD`.

    References
    ----------
    I. Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.
    """

    rule = "nesterov"
    _first = "momentum"
    _limits = {"momentum": SHARE}

    def __init__(self, *, momentum=0.9, weight_decay=0.0, clip_norm=None, clip_value=None):
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value


class Adagrad(UpdateRule):
    """Steps shortened by all past gradients: ``s += g**2; w -= eta * g / (sqrt(s) + eps)``.

    Parameters
    ----------
    initial_accumulator : float, default=0.0
        Where s begins, >= 0.
    eps : float, default=1e-10
        > 0.
    weight_decay, clip_norm, clip_value
        As of `SGD`.

    References
    ----------
    J. Duchi, E. Hazan, Y. Singer, "Adaptive subgradient methods", JMLR 2011.
    """

    rule = "adagrad"
    _eps = "eps"
    _limits = {"initial_accumulator": FROM_ZERO, "eps": POSITIVE}

    def __init__(
        self, *, initial_accumulator=0.0, eps=1e-10, weight_decay=0.0, clip_norm=None, clip_value=None
    ):
        self.initial_accumulator = initial_accumulator
        self.eps = eps
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value

    def begin(self, weights, intercept=0.0):
        state = super().begin(weights, intercept)
        state.slots[:] = state.numbers[3] = self.initial_accumulator
        return state


class RMSProp(UpdateRule):
    """Steps over the root of a running mean of squares.

    ``s = rho * s + (1 - rho) * g**2; w -= eta * g / (sqrt(s) + eps)``.

    Parameters
    ----------
    rho : float, default=0.99
        In [0, 1).
    eps : float, default=1e-8
        > 0.
    weight_decay, clip_norm, clip_value
        As of `SGD`.

    References
    ----------
    T. Tieleman, G. Hinton, "Lecture 6.5 - RMSProp", Coursera, 2012.
    """

    rule = "rmsprop"
    rate = 0.001
    _first, _eps = "rho", "eps"
    _limits = {"rho": SHARE, "eps": POSITIVE}

    def __init__(self, *, rho=0.99, eps=1e-8, weight_decay=0.0, clip_norm=None, clip_value=None):
        self.rho = rho
        self.eps = eps
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value


class AdaDelta(UpdateRule):
    """Steps in the unit of the weights: the root mean square of past steps over that of past gradients.

    ``s = rho * s + (1 - rho) * g**2; d = sqrt((u + eps) / (s + eps)) * g``, then
    ``u = rho * u + (1 - rho) * d**2; w -= eta * d``.

    Parameters
    ----------
    rho : float, default=0.9
        In [0, 1).
    eps : float, default=1e-6
        > 0.
    weight_decay, clip_norm, clip_value
        As of `SGD`.

    References
    ----------
    M. Zeiler, "ADADELTA: An adaptive learning rate method", 2012.
    """

    rule = "adadelta"
    rate = 1.0
    _first, _eps = "rho", "eps"
    _limits = {"rho": SHARE, "eps": POSITIVE}

    def __init__(self, *, rho=0.9, eps=1e-6, weight_decay=0.0, clip_norm=None, clip_value=None):
        self.rho = rho
        self.eps = eps
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value


class Adam(UpdateRule):
    """Momentum over a running root mean square, both corrected for their start at zero.

    ``m = beta1 * m + (1 - beta1) * g; v = beta2 * v + (1 - beta2) * g**2``, then
    ``w -= eta * m / (1 - beta1**t) / (sqrt(v / (1 - beta2**t)) + eps)``.

    Parameters
    ----------
    beta1 : float, default=0.9
        In [0, 1).
    beta2 : float, default=0.999
        In [0, 1).
    eps : float, default=1e-8
        > 0.
    weight_decay, clip_norm, clip_value
        As of `SGD`.

    References
    ----------
    D. Kingma, J. Ba, "Adam: A method for stochastic optimization", ICLR 2015.
    """

    rule = "adam"
    rate = 0.001
    _first, _second, _eps = "beta1", "beta2", "eps"
    _limits = {"beta1": SHARE, "beta2": SHARE, "eps": POSITIVE}

    def __init__(
        self,
        *,
        beta1=0.9,
        beta2=0.999,
        eps=1e-8,
        weight_decay=0.0,
        clip_norm=None,
        clip_value=None,
    ):
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value


class AdamW(Adam):
    """`Adam` with decoupled weight decay.

    Parameters
    ----------
    beta1, beta2, eps
        As of `Adam`.
    weight_decay : float, default=0.01
        >= 0.
    clip_norm, clip_value
        As of `SGD`.

    References
    ----------
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
    """

    def __init__(
        self,
        *,
        beta1=0.9,
        beta2=0.999,
        eps=1e-8,
        weight_decay=0.01,
        clip_norm=None,
        clip_value=None,
    ):
        super().__init__(
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            clip_value=clip_value,
        )


class AMSGrad(Adam):
    """`Adam` over the largest v so far, so that steps never grow again.

    Parameters
    ----------
    beta1, beta2, eps
        As of `Adam`.
    weight_decay, clip_norm, clip_value
        As of `SGD`.

    References
    ----------
    S. Reddi, S. Kale, S. Kumar, "On the convergence of Adam and beyond", ICLR 2018.
    """

    rule = "amsgrad"


class NAdam(Adam):
    """`Adam` with Nesterov's momentum, which grows from ``beta1 / 2`` to beta1.

    Parameters
    ----------
    beta1, beta2, eps
        As of `Adam`.
    momentum_decay : float, default=0.004
        The momentum of step t is ``beta1 * (1 - 0.96**(t * momentum_decay) / 2)``; >= 0.
    weight_decay, clip_norm, clip_value
        As of `SGD`.

    References
    ----------
    T. Dozat, "Incorporating Nesterov momentum into Adam", 2016.
    """

    rule = "nadam"
    rate = 0.002
    _extra = "momentum_decay"
    _limits = {**Adam._limits, "momentum_decay": FROM_ZERO}

    def __init__(
        self,
        *,
        beta1=0.9,
        beta2=0.999,
        eps=1e-8,
        momentum_decay=0.004,
        weight_decay=0.0,
        clip_norm=None,
        clip_value=None,
    ):
        super().__init__(
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            clip_value=clip_value,
        )
        self.momentum_decay = momentum_decay


class Lion(UpdateRule):
    """Steps of one size, along the sign: ``w -= eta * sign(beta1 * m + (1 - beta1) * g)``.

    Then ``m = beta2 * m + (1 - beta2) * g``.

    Parameters
    ----------
    beta1 : float, default=0.9
        In [0, 1).
    beta2 : float, default=0.99
        In [0, 1).
    weight_decay, clip_norm, clip_value
        As of `SGD`.

    References
    ----------
    X. Chen et al., "Symbolic discovery of optimization algorithms", 2023.
    """

    rule = "lion"
    rate = 0.0003
    _first, _second = "beta1", "beta2"
    _limits = {"beta1": SHARE, "beta2": SHARE}

    def __init__(self, *, beta1=0.9, beta2=0.99, weight_decay=0.0, clip_norm=None, clip_value=None):
        self.beta1 = beta1
        self.beta2 = beta2
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value


class Averaged(UpdateRule):
    """Plain steps; the answer is the mean of the weights after each of them.

    Parameters
    ----------
    start : int, default=1
        The first step whose weights count, >= 1; until then, the answer is the weights themselves.
    weight_decay, clip_norm, clip_value
        As of `SGD`.

    References
    ----------
    B. Polyak, A. Juditsky, "Acceleration of stochastic approximation by averaging", 1992.
    """

    rule = "averaged"
    rate = None
    _extra = "start"
    _limits = {"start": COUNT}

    def __init__(self, *, start=1, weight_decay=0.0, clip_norm=None, clip_value=None):
        self.start = start
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value


class ScheduleFreeSGD(UpdateRule):
    """Plain steps and their average, with gradients taken between the two.

    Made for a constant learning rate.

    ``y = (1 - beta) * z + beta * x; z -= eta * (g(y) + weight_decay * y); x += c * (z - x)``, where c is
    eta**2 over the sum of its values so far; x is the answer.

    Parameters
    ----------
    beta : float, default=0.9
        In [0, 1].
    weight_decay, clip_norm, clip_value
        As of `SGD`; the decay is that of y.

    References
    ----------
    A. Defazio et al., "The road less scheduled", NeurIPS 2024.
    """

    rule = "schedule_free_sgd"
    _first = "beta"
    _limits = {"beta": UNIT}

    def __init__(self, *, beta=0.9, weight_decay=0.0, clip_norm=None, clip_value=None):
        self.beta = beta
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value


class ScheduleFreeAdam(UpdateRule):
    """`ScheduleFreeSGD` whose steps are those of Adam without momentum.

    ``v = beta2 * v + (1 - beta2) * g**2; z -= eta_t * (g / (sqrt(v) + eps) + weight_decay * y)`` with
    ``eta_t = eta * sqrt(1 - beta2**t)``, also in c.

    Parameters
    ----------
    beta1 : float, default=0.9
        The beta of `ScheduleFreeSGD`, in [0, 1].
    beta2 : float, default=0.999
        In [0, 1).
    eps : float, default=1e-8
        > 0.
    weight_decay, clip_norm, clip_value
        As of `ScheduleFreeSGD`.

    References
    ----------
    A. Defazio et al., "The road less scheduled", NeurIPS 2024.
    """

    rule = "schedule_free_adam"
    rate = 0.0025
    _first, _second, _eps = "beta1", "beta2", "eps"
    _limits = {"beta1": UNIT, "beta2": SHARE, "eps": POSITIVE}

    def __init__(
        self,
        *,
        beta1=0.9,
        beta2=0.999,
        eps=1e-8,
        weight_decay=0.0,
        clip_norm=None,
        clip_value=None,
    ):
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        self.weight_decay = weight_decay
        self.clip_norm = clip_norm
        self.clip_value = clip_value


# name -> class; in the order of the README
OPTIMIZERS = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": Adagrad,
    "rmsprop": RMSProp,
    "adadelta": AdaDelta,
    "adam": Adam,
    "amsgrad": AMSGrad,
    "nadam": NAdam,
    "adamw": AdamW,
    "lion": Lion,
    "averaged": Averaged,
    "schedule_free_sgd": ScheduleFreeSGD,
    "schedule_free_adam": ScheduleFreeAdam,
}


_PLAIN = SGD()


def make_optimizer(optimizer):
    """The checked rule of a name or an object.

    Parameters
    ----------
    optimizer : str or UpdateRule
        A name in `OPTIMIZERS`, for the rule with its defaults, or a rule, which is returned as it is.

    Returns
    -------
    UpdateRule

    Raises
    ------
    ValueError
        For unknown names and parameters out of range.
    TypeError
        For what is neither a name nor a rule.
    """
    if isinstance(optimizer, UpdateRule):
        return optimizer.check()
    if optimizer == "sgd":  # short fits ask often
        return _PLAIN
    if isinstance(optimizer, type):
        ours = optimizer.__name__ if issubclass(optimizer, UpdateRule) else "Adam"
        raise TypeError(f"optimizer={optimizer.__name__} is a class; give an object: {ours}().")
    if not isinstance(optimizer, str):
        raise TypeError(
            f"optimizer={optimizer!r} is neither a name nor a rule of fastgd.optimizers, such as Adam()."
        )
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"There is no optimizer {optimizer!r}; there are {', '.join(OPTIMIZERS)}.")
    return OPTIMIZERS[optimizer]()
