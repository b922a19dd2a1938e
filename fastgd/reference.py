"""The NumPy twin: what every kernel computes, written to be read and not to be fast.

Design note. The compiled kernels postpone work: they carry a common scale in front of the weights,
let an absent feature's penalty wait until the feature is seen again, keep the average as two
numbers and a correction, and follow the norms by recurrences. Here nothing waits. Each step touches
every weight, in float64, one line per line of the mathematics, so that the twin can be checked by
eye and the kernels can be checked by the twin. It has no opinion on speed or memory, and nothing in
the package calls it: the tests do, and people who want to know what exactly is computed.

Floors, each usable alone:

``value`` and ``gradient``
    the pointwise losses as functions of the raw prediction (link included);
``epoch_orders``, ``schedule``, ``Patience``
    what decides which row comes when, how far a step goes and when training ends;
``UPDATES``
    the optimizers: how weights answer a gradient;
``descend``
    one call of gradient descent over given orders and learning rates;
``fit``
    all of them put together as an estimator's parameters say.

Two habits of scikit-learn's algorithm look odd and are deliberate here, because equal coefficients
and equal numbers of epochs depend on them (see ``descend``): the objective sees the weights before
an L1 truncation, and the average sees a truncation as if it had always been there.
"""

from dataclasses import dataclass

import numpy as np

# A gradient is cut to this size before it is used, so that one huge row cannot overflow a step.
LARGEST_GRADIENT = 1e12

# What PyTorch adds to a gradient's length before it is clipped.
CLIP_EPS = 1e-6

# The weights' common scale is folded into them when it falls below this (float64 weights). The twin
# has no scale, but the average's odd habit is bounded by it.
SMALLEST_SCALE = 1e-9

LARGEST_INT32 = np.iinfo(np.int32).max


# ---- losses --------------------------------------------------------------------------------------
#
# y is -1 or +1 for the classification losses. ``param`` is epsilon or the quantile. At a kink the
# subgradient is scikit-learn's where it has the loss, and zero for the quantile loss.


def _hinge(y, raw, _):
    z = y * raw
    return np.where(z <= 1.0, 1.0 - z, 0.0), np.where(z <= 1.0, -y, 0.0)


def _squared_hinge(y, raw, _):
    slack = np.maximum(0.0, 1.0 - y * raw)
    return slack**2, -2.0 * y * slack


def _perceptron(y, raw, _):
    z = y * raw
    return np.where(z <= 0.0, -z, 0.0), np.where(z <= 0.0, -y, 0.0)


def _log_loss(y, raw, _):
    z = y * raw
    return np.logaddexp(0.0, -z), -y * np.exp(-np.logaddexp(0.0, z))


def _modified_huber(y, raw, _):
    z = y * raw
    slack = np.maximum(0.0, 1.0 - z)
    return np.where(z >= -1.0, slack**2, -4.0 * z), np.where(z >= -1.0, -2.0 * y * slack, -4.0 * y)


def _squared_error(y, raw, _):
    return 0.5 * (raw - y) ** 2, raw - y


def _huber(y, raw, epsilon):
    error = raw - y
    size = np.abs(error)
    quadratic = size <= epsilon
    return (
        np.where(quadratic, 0.5 * error**2, epsilon * (size - 0.5 * epsilon)),
        np.where(quadratic, error, epsilon * np.sign(error)),
    )


def _epsilon_insensitive(y, raw, epsilon):
    excess = np.maximum(0.0, np.abs(raw - y) - epsilon)
    return excess, np.where(excess > 0.0, np.sign(raw - y), 0.0)


def _squared_epsilon_insensitive(y, raw, epsilon):
    excess = np.maximum(0.0, np.abs(raw - y) - epsilon)
    return excess**2, 2.0 * excess * np.sign(raw - y)


def _quantile(y, raw, quantile):
    error = y - raw
    return (
        np.where(error > 0.0, quantile * error, (quantile - 1.0) * error),
        np.where(error > 0.0, -quantile, np.where(error < 0.0, 1.0 - quantile, 0.0)),
    )


def _poisson(y, raw, _):
    mean = np.exp(raw)
    return mean - y * raw, mean - y


LOSSES = {
    "hinge": _hinge,
    "squared_hinge": _squared_hinge,
    "perceptron": _perceptron,
    "log_loss": _log_loss,
    "modified_huber": _modified_huber,
    "squared_error": _squared_error,
    "huber": _huber,
    "epsilon_insensitive": _epsilon_insensitive,
    "squared_epsilon_insensitive": _squared_epsilon_insensitive,
    "quantile": _quantile,
    "poisson": _poisson,
}


def value(name, y, raw, param=None):
    """Pointwise loss at the raw prediction."""
    return LOSSES[name](np.asarray(y, float), np.asarray(raw, float), param)[0]


def gradient(name, y, raw, param=None):
    """Derivative of the pointwise loss with respect to the raw prediction."""
    return LOSSES[name](np.asarray(y, float), np.asarray(raw, float), param)[1]


# ---- order, learning rate, end -------------------------------------------------------------------


def permutation(n, seed):
    """The Fisher-Yates permutation that one epoch applies, driven by a 32-bit xorshift."""
    order = np.arange(n)
    state = int(seed) or 1
    for i in range(n - 1):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        j = i + (state & 0x7FFFFFFF) % (n - i)
        order[i], order[j] = order[j], order[i]
    return order


def epoch_orders(n, seed, epochs, shuffle=True):
    """Row orders of successive epochs: the same permutation, applied again each time."""
    order = np.arange(n)
    sigma = permutation(n, seed) if shuffle else order
    for _ in range(epochs):
        order = order[sigma]
        yield order


def classifier_seed(random_state, n_classes):
    """Seed of the order that a classifier's epochs use; all classes share the first one's."""
    draws = np.random.RandomState(random_state)
    if n_classes > 2:
        draws = np.random.RandomState(draws.randint(LARGEST_INT32, size=n_classes)[0])
    draws.randint(1, LARGEST_INT32)  # scikit-learn gives this one to its data set, which ignores it
    return draws.randint(LARGEST_INT32)


def regressor_seed(random_state):
    """Seed of the order that a regressor's or a one-class SVM's epochs use."""
    return np.random.RandomState(random_state).randint(0, LARGEST_INT32)


def schedule(name, *, eta0=0.01, power_t=0.5, alpha=1e-4, loss="hinge", param=None):
    """Learning rate as a function of the step t = 1, 2, ... (Bottou's heuristic for "optimal").

    "adaptive" is "constant" until ``fit`` divides it.
    """
    if name == "optimal":
        typical = np.sqrt(1.0 / np.sqrt(alpha))
        first = typical / max(1.0, float(gradient(loss, 1.0, -typical, param)))
        t0 = 1.0 / (first * alpha)
        return lambda t: 1.0 / (alpha * (t0 + t - 1.0))
    if name == "invscaling":
        return lambda t: eta0 / t**power_t
    return lambda t: eta0


class Patience:
    """Counts epochs that did not improve a number that should fall by more than ``tol``."""

    def __init__(self, tol, n_iter_no_change):
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.best = np.inf
        self.waited = 0

    def exhausted(self, number):
        """Take in one epoch's number; True when there was no improvement for too long."""
        late = self.tol is not None and number > self.best - self.tol
        self.waited = self.waited + 1 if late else 0
        self.best = min(self.best, number)
        return self.waited >= self.n_iter_no_change


# ---- optimizers ----------------------------------------------------------------------------------
#
# Each takes the weights w, the gradient g, the learning rate eta, the number of the step t = 1, 2 ...,
# its parameters p and a dict s that it remembers from step to step (empty before the first), and returns
# the weights that predict. ``s["point"]``, where there is one, is where the next gradient is to be taken.


def _decayed(w, eta, p):
    return (1.0 - eta * p["weight_decay"]) * w


def _sgd(w, g, eta, t, p, s):
    return _decayed(w, eta, p) - eta * g


def _momentum(w, g, eta, t, p, s):
    s["v"] = g if t == 1 else p["momentum"] * s["v"] + (1.0 - p["dampening"]) * g
    return _decayed(w, eta, p) - eta * s["v"]


def _nesterov(w, g, eta, t, p, s):
    s["v"] = g if t == 1 else p["momentum"] * s["v"] + g
    return _decayed(w, eta, p) - eta * (g + p["momentum"] * s["v"])


def _adagrad(w, g, eta, t, p, s):
    s["v"] = s.get("v", p["initial_accumulator"]) + g**2
    return _decayed(w, eta, p) - eta * g / (np.sqrt(s["v"]) + p["eps"])


def _rmsprop(w, g, eta, t, p, s):
    s["v"] = p["rho"] * s.get("v", 0.0) + (1.0 - p["rho"]) * g**2
    return _decayed(w, eta, p) - eta * g / (np.sqrt(s["v"]) + p["eps"])


def _adadelta(w, g, eta, t, p, s):
    s["v"] = p["rho"] * s.get("v", 0.0) + (1.0 - p["rho"]) * g**2
    step = np.sqrt(s.get("u", 0.0) + p["eps"]) / np.sqrt(s["v"] + p["eps"]) * g
    s["u"] = p["rho"] * s.get("u", 0.0) + (1.0 - p["rho"]) * step**2
    return _decayed(w, eta, p) - eta * step


def _moments(g, t, p, s):
    """Adam's m and v; v corrected for its start at zero."""
    s["m"] = p["beta1"] * s.get("m", 0.0) + (1.0 - p["beta1"]) * g
    s["v"] = p["beta2"] * s.get("v", 0.0) + (1.0 - p["beta2"]) * g**2
    return s["m"], s["v"] / (1.0 - p["beta2"] ** t)


def _adam(w, g, eta, t, p, s):
    m, v = _moments(g, t, p, s)
    return _decayed(w, eta, p) - eta * m / (1.0 - p["beta1"] ** t) / (np.sqrt(v) + p["eps"])


def _amsgrad(w, g, eta, t, p, s):
    m, _ = _moments(g, t, p, s)
    s["most"] = np.maximum(s.get("most", 0.0), s["v"])
    v = s["most"] / (1.0 - p["beta2"] ** t)
    return _decayed(w, eta, p) - eta * m / (1.0 - p["beta1"] ** t) / (np.sqrt(v) + p["eps"])


def _nadam(w, g, eta, t, p, s):
    m, v = _moments(g, t, p, s)
    now, after = (p["beta1"] * (1.0 - 0.5 * 0.96 ** (step * p["momentum_decay"])) for step in (t, t + 1))
    s["product"] = s.get("product", 1.0) * now
    ahead = (1.0 - now) * g / (1.0 - s["product"]) + after * m / (1.0 - s["product"] * after)
    return _decayed(w, eta, p) - eta * ahead / (np.sqrt(v) + p["eps"])


def _lion(w, g, eta, t, p, s):
    m = s.get("m", 0.0)
    s["m"] = p["beta2"] * m + (1.0 - p["beta2"]) * g
    return _decayed(w, eta, p) - eta * np.sign(p["beta1"] * m + (1.0 - p["beta1"]) * g)


def _averaged(w, g, eta, t, p, s):
    s["point"] = _decayed(s.get("point", w), eta, p) - eta * g
    number = max(1, t - p["start"] + 1)
    return w + (s["point"] - w) / number


def _schedule_free(w, step, eta, beta, p, s):
    s["sum"] = s.get("sum", 0.0) + eta**2
    s["z"] = s.get("z", w) - eta * (step + p["weight_decay"] * s.get("point", w))
    c = eta**2 / s["sum"]
    w = (1.0 - c) * w + c * s["z"]
    s["point"] = (1.0 - beta) * s["z"] + beta * w
    return w


def _schedule_free_sgd(w, g, eta, t, p, s):
    return _schedule_free(w, g, eta, p["beta"], p, s)


def _schedule_free_adam(w, g, eta, t, p, s):
    s["v"] = p["beta2"] * s.get("v", 0.0) + (1.0 - p["beta2"]) * g**2
    eta = eta * np.sqrt(1.0 - p["beta2"] ** t)
    return _schedule_free(w, g / (np.sqrt(s["v"]) + p["eps"]), eta, p["beta1"], p, s)


UPDATES = {
    "sgd": _sgd,
    "momentum": _momentum,
    "nesterov": _nesterov,
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
    "adadelta": _adadelta,
    "adam": _adam,
    "amsgrad": _amsgrad,
    "nadam": _nadam,
    "lion": _lion,
    "averaged": _averaged,
    "schedule_free_sgd": _schedule_free_sgd,
    "schedule_free_adam": _schedule_free_adam,
}


def clipped(g, p):
    """The gradient, shortened to ``clip_norm`` and then cut to ``clip_value``."""
    if p["clip_norm"] is not None:
        g = g * min(1.0, p["clip_norm"] / (np.linalg.norm(g) + CLIP_EPS))
    return g if p["clip_value"] is None else np.clip(g, -p["clip_value"], p["clip_value"])


# ---- descent -------------------------------------------------------------------------------------


@dataclass
class Descent:
    """What a descent ends with, and what each of its epochs saw."""

    coef: np.ndarray
    intercept: float
    average_coef: np.ndarray
    average_intercept: float
    t: float
    loss: np.ndarray
    objective: np.ndarray
    learning_rate: np.ndarray
    update_norm: np.ndarray

    @property
    def n_iter(self):
        return len(self.loss)


def _slope(rule, loss, y, raw, param, squared_norm, eta, eta0):
    """How far each row wants to move along itself: the step of one row, before weights."""
    if rule == "gradient":
        return -eta * np.clip(gradient(loss, y, raw, param), -LARGEST_GRADIENT, LARGEST_GRADIENT)
    # Passive-aggressive (Crammer et al., JMLR 2006): as far as the row needs, bounded by C = eta0.
    towards = y if loss == "hinge" else np.where(y - raw < 0.0, -1.0, 1.0)
    excess = value(loss, y, raw, param)
    if rule == "pa1":
        # A row of zeros cannot move the prediction, however far one goes.
        ratio = np.divide(excess, squared_norm, out=np.zeros_like(excess), where=squared_norm > 0)
        return towards * np.where(squared_norm > 0, np.minimum(eta0, ratio), 0.0)
    return towards * excess / (squared_norm + 0.5 / eta0)


def descend(
    X,
    y,
    *,
    loss,
    orders,
    eta,
    param=None,
    penalty=None,
    alpha=0.0,
    l1_ratio=0.15,
    batch_size=1,
    rule="gradient",
    eta0=None,
    one_class=False,
    fit_intercept=True,
    weights=None,
    average=0,
    coef=None,
    intercept=0.0,
    average_coef=None,
    average_intercept=0.0,
    t=1.0,
    watch=None,
    optimizer=None,
):
    """Gradient descent on mean(weights * loss(X @ coef + intercept, y)) + penalty.

    One step, on the rows B of a batch:

    1. raw = X_B w + b
    2. eta = eta(t)
    3. the running sums of loss and of objective = loss + penalty take in the batch
    4. move_i = -eta * weight_i * d loss_i / d raw_i, or the passive-aggressive move
    5. w <- w * max(0, 1 - eta * alpha * (1 - l1_ratio))         (the L2 part of the penalty)
    6. w <- w + mean_i(move_i x_i),   b <- b + mean_i(move_i)    (one-class: - eta * alpha)
    7. the averages take in w and b
    8. w is truncated towards zero by what is left of the total L1 penalty so far
    9. t <- t + 1

    With ``batch_size=1`` the steps are scikit-learn's: weights multiply the move as they are, and
    the sums of step 3 ignore them. Larger batches divide the weights by their mean over all rows
    first, so that a weight of 2 is the same as the row twice, and the sums use them.

    Parameters
    ----------
    X, y : array-like or sparse, y in {-1, +1} for classification losses
    orders : iterable of row index arrays, one per epoch
    eta : callable, step -> learning rate
    penalty : None, "l2", "l1" or "elasticnet"
    batch_size : int or "full"
    rule : "gradient", "pa1" or "pa2" (the latter two bounded by ``eta0``)
    average : first step (counted by t) that enters the average; 0 for none
    watch : callable (epoch, descent so far) -> True to stop, called after each epoch
    optimizer : (name, dict of parameters), or None for the steps above
        The step is then that of ``UPDATES[name]`` along the clipped gradient of the batch's objective,
        penalty included; batches of one row are batches, too.

    Returns
    -------
    Descent
    """
    X = np.asarray(X.toarray() if hasattr(X, "toarray") else X, dtype=np.float64)
    y = np.asarray(y, dtype=np.float64)
    n, d = X.shape
    w = np.zeros(d) if coef is None else np.array(coef, dtype=np.float64).ravel()
    b = float(intercept)
    mean_w = np.zeros(d) if average_coef is None else np.array(average_coef, np.float64).ravel()
    mean_b = float(average_intercept)
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    squared_norms = (X * X).sum(axis=1)

    l1 = {None: 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": l1_ratio}[penalty]
    l2 = 0.0 if penalty is None else 1.0 - l1
    stochastic = batch_size == 1 and optimizer is None
    remembered = [{}, {}]  # by an optimizer: of the weights, of the intercept

    # L1 (Tsuruoka et al., ACL 2009): u is the penalty each weight should have received by now,
    # received the (signed) part it did receive. Both start anew with each call.
    u, received, start_t = 0.0, np.zeros(d), t

    # The penalty in the objective is measured where the weights last moved, then shrunk along.
    norm_l1, norm_l2 = np.abs(w).sum(), w @ w

    # A truncation reaches the average as if it had been there since the call began. With weights
    # w = scale * v this means: v is truncated, and the average over past steps is avg(scale) * v.
    scale, mean_scale = 1.0, 0.0

    history = {"loss": [], "objective": [], "learning_rate": [], "update_norm": []}

    def descent():
        arrays = {name: np.array(numbers, dtype=np.float64) for name, numbers in history.items()}
        return Descent(w.copy(), b, mean_w.copy(), mean_b, t, **arrays)

    for epoch, order in enumerate(orders):
        order = np.asarray(order)
        m = len(order) if batch_size == "full" else batch_size
        relative = weights if stochastic else weights / weights[order].mean()
        start = np.append(w, b)
        loss_sum = objective_sum = 0.0

        for first in range(0, len(order), m):
            rows = order[first : first + m]
            at, at_b = (s.get("point", own) for s, own in zip(remembered, (w, b), strict=True))
            raw = X[rows] @ at + at_b
            if optimizer is not None:
                norm_l1, norm_l2 = np.abs(at).sum(), at @ at
            rate = eta(t)

            losses = value(loss, y[rows], raw, param) * (1.0 if stochastic else relative[rows])
            cost = 0.0
            if rule == "gradient":
                cost += alpha * (l2 * 0.5 * norm_l2 + l1 * norm_l1)
                cost += alpha * at_b if one_class else 0.0
            loss_sum += losses.sum()
            objective_sum += losses.sum() + len(rows) * cost

            if stochastic and rule == "pa1" and squared_norms[rows[0]] == 0.0:
                continue  # scikit-learn passes over such a row: no step, not even of the penalty

            move = relative[rows] * _slope(
                rule, loss, y[rows], raw, param, squared_norms[rows], rate, eta0
            )

            if optimizer is not None:
                pull = relative[rows] * np.clip(
                    gradient(loss, y[rows], raw, param), -LARGEST_GRADIENT, LARGEST_GRADIENT
                )
                slope = pull @ X[rows] / len(rows) + alpha * (l2 * at + l1 * np.sign(at))
                slope_b = (pull.mean() + (alpha if one_class else 0.0)) if fit_intercept else 0.0
                kind, settings = optimizer
                both, step = clipped(np.append(slope, slope_b), settings), int(t - start_t) + 1
                w = UPDATES[kind](w, both[:-1], rate, step, settings, remembered[0])
                if fit_intercept:
                    no_decay = settings | {"weight_decay": 0.0}
                    b = float(UPDATES[kind](b, both[-1], rate, step, no_decay, remembered[1]))
                t += 1.0
                continue

            shrink = max(0.0, 1.0 - l2 * rate * alpha)
            w = shrink * w
            norm_l1, norm_l2, scale = norm_l1 * shrink, norm_l2 * shrink**2, scale * shrink
            if scale < SMALLEST_SCALE:
                scale, mean_scale = 1.0, 0.0

            if np.any(move != 0.0) or not stochastic:
                w = w + (move @ X[rows]) / len(rows)
                norm_l1, norm_l2 = np.abs(w).sum(), w @ w
            if fit_intercept:
                b += move.mean() - (rate * alpha if one_class else 0.0)

            if 0 < average <= t:
                mu = 1.0 / (t - average + 1.0)
                mean_w = mean_w + mu * (w - mean_w)
                mean_b = mean_b + mu * (b - mean_b)
                mean_scale = mean_scale + mu * (scale - mean_scale)

            if l1 > 0.0:
                u += l1 * rate * alpha
                before = w
                w = np.where(
                    w > 0.0,
                    np.maximum(0.0, w - (u + received)),
                    np.where(w < 0.0, np.minimum(0.0, w + (u - received)), w),
                )
                received = received + (w - before)
                if average > 0:
                    mean_w = mean_w + (mean_scale / scale) * (w - before)

            t += 1.0

        history["loss"].append(loss_sum / len(order))
        history["objective"].append(objective_sum / len(order))
        history["learning_rate"].append(rate)
        history["update_norm"].append(np.linalg.norm(np.append(w, b) - start))
        if watch is not None and watch(epoch, descent()):
            break

    return descent()


def fit(estimator, X, y=None, sample_weight=None, coef_init=None, intercept_init=0.0):
    """What ``estimator.fit(X, y, ...)`` computes, for one model and no validation set.

    Reads the parameters of fastgd's or scikit-learn's ``SGDClassifier`` (two classes),
    ``SGDRegressor`` and ``SGDOneClassSVM``. The result's ``coef`` and ``intercept`` are averaged
    where the estimator would show averages; a one-class SVM's offset is 1 - ``intercept``.
    """
    X = X.toarray() if hasattr(X, "toarray") else np.asarray(X)
    n = X.shape[0]
    p = estimator.get_params()
    weights = np.ones(n) if sample_weight is None else np.array(sample_weight, dtype=np.float64)
    one_class = "nu" in p
    alpha = p["nu"] if one_class else p["alpha"]
    name = "hinge" if one_class else p["loss"]
    param = p.get("quantile" if name == "quantile" else "epsilon")
    if one_class:
        y, seed = np.ones(n), regressor_seed(p["random_state"])
    elif "class_weight" in p:
        classes, code = np.unique(y, return_inverse=True)
        if p["class_weight"] == "balanced":
            weights = weights * (n / (len(classes) * np.bincount(code)))[code]
        elif p["class_weight"]:
            weights = weights * np.array([p["class_weight"].get(c, 1.0) for c in classes])[code]
        y, seed = np.where(code == 1, 1.0, -1.0), classifier_seed(p["random_state"], 2)
    else:
        seed = regressor_seed(p["random_state"])

    pa = p["learning_rate"] in ("pa1", "pa2")
    base = p["learning_rate"]
    if isinstance(base, (int, float)):
        base = schedule("constant", eta0=base)
    if isinstance(base, str):
        base = schedule(
            base,
            eta0=p["eta0"],
            power_t=p["power_t"],
            alpha=alpha,
            loss=name,
            param=param,
        )
    divisor = [1.0]
    patience = Patience(p["tol"], p.get("n_iter_no_change", 5))

    def watch(_, so_far):
        if not patience.exhausted(so_far.objective[-1]):
            return False
        if p["learning_rate"] == "adaptive" and base(1.0) / divisor[0] > 1e-6:
            divisor[0] *= 5.0
            patience.waited = 0
            return False
        return True

    rule = p.get("optimizer", "sgd")  # or an object of fastgd.optimizers
    plain = rule == "sgd" or rule.plain
    if p["learning_rate"] == "optimal" and not plain and rule.rate is not None:
        base = schedule("constant", eta0=rule.rate)

    result = descend(
        X,
        y,
        loss=name,
        param=param,
        orders=epoch_orders(n, seed, p["max_iter"], p["shuffle"]),
        eta=lambda t: base(t) / divisor[0],
        penalty="l2" if one_class else p["penalty"],
        alpha=alpha,
        l1_ratio=p.get("l1_ratio"),
        batch_size=p.get("batch_size", 1),
        rule=p["learning_rate"] if pa else "gradient",
        eta0=p["eta0"],
        one_class=one_class,
        fit_intercept=p["fit_intercept"],
        weights=weights,
        average=int(p["average"]),
        coef=coef_init,
        intercept=1.0 if one_class else intercept_init,
        watch=watch,
        optimizer=None if plain else (rule.rule, rule.get_params()),
    )
    if 0 < p["average"] < result.t:
        result.coef, result.intercept = result.average_coef, result.average_intercept
    return result


# ---- passes of the solvers -----------------------------------------------------------------------
#
# ``weight`` are row weights, None for ones; the sums are not divided by their total.


def curvature(name, y, raw):
    """Second derivative of a smooth loss in the raw prediction."""
    if name == "squared_error":
        return np.ones(np.broadcast(y, raw).shape)
    if name == "poisson":
        return np.exp(raw)
    e = np.exp(-np.abs(raw))
    return e / (1.0 + e) ** 2


def descend_pass(name, X, y, w, b, weight=None):
    """Raw predictions, sum of losses, gradient in w and gradient in b."""
    weight = np.ones(len(y)) if weight is None else weight
    z = X @ w + b
    r = weight * gradient(name, y, z)
    return z, float(weight @ value(name, y, z)), X.T @ r, float(r.sum())


def softmax_slopes(Z, y, weight=None):
    """Sum of softmax losses and weighted residuals of raw predictions (classes, n)."""
    weight = np.ones(len(y)) if weight is None else weight
    P = np.exp(Z - Z.max(axis=0))
    P /= P.sum(axis=0)
    rows = np.arange(len(y))
    loss = -float(weight @ np.log(P[y, rows]))
    P[y, rows] -= 1.0
    return loss, P * weight


def dual_epoch(X, y, theta, w, b, share, kappa, order, weight=None):
    """One epoch of dual ascent for the logistic loss; returns theta, w, b and the sum of the rows' gaps.

    See ``kernels/dual.pxi``; the one-dimensional root is found by bisection.
    """
    theta, w = theta.copy(), w.copy()
    weight = np.ones(len(y)) if weight is None else weight
    gap = 0.0
    for i in order:
        if weight[i] == 0:
            continue
        margin = y[i] * (X[i] @ w + b)
        q = share * weight[i] * (X[i] @ X[i] + kappa)
        a = 1.0 / (1.0 + np.exp(-theta[i]))
        conjugate = a * theta[i] - np.logaddexp(0.0, theta[i])
        gap += weight[i] * (np.logaddexp(0.0, -margin) + conjugate + a * margin)
        target = q * a - margin
        low, high = target - q, target
        for _ in range(200):
            theta[i] = 0.5 * (low + high)
            if theta[i] + q / (1.0 + np.exp(-theta[i])) > target:
                high = theta[i]
            else:
                low = theta[i]
        change = share * weight[i] * y[i] * (1.0 / (1.0 + np.exp(-theta[i])) - a)
        w += change * X[i]
        b += kappa * change
    return theta, w, b, gap


# ---- descent on scaled columns (learning_rate="auto") ---------------------------------------------


def column_epoch(X, h, s, w, order, total, shift, l1, l2):
    """An epoch of coordinate descent on a quadratic model of a loss; see `kernels.ColumnBlock`.

    Returns
    -------
    w, s, z, shift, gained : z is what the raw predictions have changed by, without the shift
    """
    w, s, z, gained = w.copy(), s.copy(), np.zeros(len(s)), 0.0
    for j in order:
        x = X[:, j]
        m = h @ x
        a = h @ (x * x) - (m * m / total if total else 0.0) + l2
        u = x @ (s - h * shift) - l2 * w[j] + a * w[j]
        new = np.sign(u) * max(abs(u) - l1, 0.0) / a if a > 1e-12 * (h @ (x * x)) else 0.0
        step = new - w[j]
        w[j], z, s = new, z + step * x, s - step * h * x
        shift -= step * m / total if total else 0.0
        gained += 0.5 * a * step * step
    return w, s, z, shift, gained


def scaled_segment(
    X, y, v, b, rate, *, loss, centre, inverse, l2, l1=None, batch=1, sweep=64, steepness=0.0
):
    """Steps over the rows of X in order: weights of the scaled columns, intercept, and their averages.

    Each batch moves against its mean gradient; after every `sweep` rows the penalty acts by one proximal
    step for all of them, with strengths per column, and the averages take in the weights.
    """
    scaled = (X - centre) * inverse
    v, total, b_total = v.copy(), np.zeros_like(v), 0.0
    for start in range(0, len(X), sweep):
        stop = min(start + sweep, len(X))
        steps = 0
        for first in range(start, stop, batch):
            rows = slice(first, min(first + batch, stop))
            pull = np.clip(
                gradient(loss, y[rows], scaled[rows] @ v + b), -LARGEST_GRADIENT, LARGEST_GRADIENT
            )
            if steepness > 0:  # no further than what puts the row right
                limit = rate * steepness * ((scaled[rows] ** 2).sum(axis=1) + 1.0)
                pull = pull / np.maximum(limit, 1.0)
            v -= rate * scaled[rows].T @ pull / len(pull)
            b -= rate * pull.mean()
            steps += 1
        v /= 1.0 + steps * rate * l2
        if l1 is not None:
            v = np.sign(v) * np.maximum(np.abs(v) - steps * rate * l1, 0.0)
        total += (stop - start) * v
        b_total += (stop - start) * b
    return v, b, total / len(X), b_total / len(X)
