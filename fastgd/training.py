"""The epoch loop: order, learning rates, stopping, validation -> `FitResult`.

One model at a time; a fit that callbacks watch goes through the same `Training`, see watching.py. The
loop draws the order of an epoch, asks the schedule for the learning rates of a segment (an epoch, or a
good part of a long one, so that Ctrl-C is heard), makes one call into the kernels for it, and reads their
report. Python is entered once per segment, never per row.

An estimator prepares a `Problem` (what is fitted to what) and a `Plan` (how), and turns the result
into attributes. Nothing here knows labels, feature names or scikit-learn's contract.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import repeat
from math import hypot, isfinite

import numpy as np

from .data import padded
from .history import History
from .kernels import kernels

__all__ = [
    "FitResult",
    "Halt",
    "Overflow",
    "Plan",
    "Problem",
    "Run",
    "Training",
    "ending",
    "objective_check",
    "pieces",
    "report",
    "row_weights",
    "total_loss",
    "train",
    "unit_weight",
    "untrained",
    "weights_before",
    "zero_loss",
]

RULES = {"pa1": 1, "pa2": 2}  # passive-aggressive; every other learning rate is a gradient step
SEGMENT = 1 << 26  # values of X in one call into the kernels: some 20 to 60 ms
RATES = 1 << 12  # learning rates asked for at once, so that short epochs do not wait for NumPy
CHECKED_ROWS = 1 << 12  # rows looked at to see whether a fit is better than no fit
CHECKED_AT_ONCE = 256


class Overflow(ArithmeticError):
    """Weights left the range of floating-point numbers."""

    def __init__(self, epoch, learning_rate):
        super().__init__(epoch, learning_rate)
        self.epoch = epoch
        self.learning_rate = learning_rate


@dataclass
class Problem:
    """One model's data and start.

    Attributes
    ----------
    rows : kernels.Rows
    values_per_row : float
        Mean number of values in a row.
    targets : ndarray of shape (n,) or (n, n_targets)
        In the type of the weights; or int32 label codes, if there is a `label`.
    label : int, or None
        The code that counts as +1; all others are -1.
    column : int
        Which of several targets.
    classes : int
        Softmax over so many label codes (any `label`); `coef` and `intercept` then have the shapes
        (classes, d) and (classes,), and `weight_pos` is an array of class weights.
    dtype : dtype, or None for that of the targets
        Type of the weights.
    weight : ndarray of shape (n,), or None
        Row weights in the type of the weights.
    weight_pos, weight_neg : float
        Class weights.
    coef, average_coef : ndarray of shape (d,), or None for zeros; never written to
    intercept, average_intercept : float
    state : optimizers.State, or None to begin anew
        What the plan's optimizer remembers of earlier training; never written to.
    t : float
        Number of the first step, from 1.
    chosen : ndarray of int32, or None
        The rows to train on; None for all.
    columns : auto.Columns, or None
        What is known of the columns of X, for `learning_rate="auto"`; None: to be measured.
    pace : auto.Pace, or None
        How fast an earlier call trained, to go on with; None for a fit by itself.
    validate : callable, or None
        ``validate(coef, intercept, scale)`` -> score of the present weights; `scale` is the product
        of the l2 penalty's factors on them so far.
    """

    rows: object
    values_per_row: float
    targets: np.ndarray
    label: int | None = None
    column: int = 0
    classes: int = 1
    dtype: np.dtype | None = None
    weight: np.ndarray | None = None
    weight_pos: float = 1.0
    weight_neg: float = 1.0
    coef: np.ndarray | None = None
    intercept: float = 0.0
    average_coef: np.ndarray | None = None
    average_intercept: float = 0.0
    state: object = None
    t: float = 1.0
    chosen: np.ndarray | None = None
    columns: object = None
    pace: object = None
    validate: Callable | None = None

    def __post_init__(self):
        self.dtype = np.dtype(self.dtype or self.targets.dtype)

    @cached_property
    def y(self):
        """Targets of shape (n,) in the type of the weights, {-1, +1} in classification."""
        if self.label is not None:
            return np.where(self.targets == self.label, self.dtype.type(1), self.dtype.type(-1))
        several = self.targets.ndim > 1
        return np.ascontiguousarray(self.targets[:, self.column]) if several else self.targets

    def targets_of(self, rows):
        """Targets of some rows, float64."""
        if self.label is not None:
            return np.where(self.targets[rows] == self.label, 1.0, -1.0)
        return self.y[rows].astype(np.float64)


@dataclass(frozen=True)
class Plan:
    """How to descend; see the estimators' parameters of the same names. `optimizer` None: plain SGD."""

    loss: object
    parameter: float
    l1: float
    l2: float
    schedule: object
    learning_rate: str
    eta0: float
    max_iter: int
    tol: float | None = None
    n_iter_no_change: int = 5
    fit_intercept: bool = True
    average: int = 0
    batch_size: object = 1
    nu: float | None = None  # one-class SVM
    early_stopping: bool = False
    restore_best: bool = False
    relative_weights: bool = True  # in batches: divide row weights by their mean
    verbose: int = 0
    optimizer: object = None
    run: type | None = None  # what trains an epoch; None: `Run`

    @property
    def stochastic(self):
        """Whether the steps are those of scikit-learn's algorithm, on single rows."""
        return self.batch_size == 1 and self.optimizer is None


@dataclass
class FitResult:
    """What a training run leaves behind.

    `failure` is the exception that ended it early, if one did (a KeyboardInterrupt, or what a
    callback raised): the weights reached so far are valid, and the caller raises it again once they
    are stored. `stopped` tells that a callback asked for the end. `pace` is that of `Problem`, to go on
    with.
    """

    coef: np.ndarray
    intercept: float
    average_coef: np.ndarray
    average_intercept: float
    n_iter: int
    steps: int
    history: dict = field(default_factory=dict)
    state: object = None  # of the optimizer
    stop_reason: str = ""
    stopped: bool = False
    failure: BaseException | None = None
    pace: object = None


class _Patience:
    """Counts epochs without an improvement by tol; larger scores are better."""

    def __init__(self, plan):
        self.tol = -np.inf if plan.tol is None else plan.tol
        self.limit = plan.n_iter_no_change
        self.best = -np.inf
        self.waited = 0

    def exhausted(self, score):
        self.waited = self.waited + 1 if score < self.best + self.tol else 0
        if score > self.best:
            self.best = score
        return self.waited >= self.limit


class Training:
    """One model in training, an epoch at a time.

    Attributes
    ----------
    ended : bool
        Whether its own stopping rule has ended it.
    partial : bool
        Whether the last epoch was cut short.
    """

    def __init__(self, problem, plan):
        self.problem, self.plan = problem, plan
        self.run = (plan.run or Run)(problem, plan)
        self.patience = _Patience(plan)
        self.history = History()
        self.best = None  # weights to restore
        self.plateau = self.partial = False
        self.epoch = 0
        self.began = time.perf_counter()

    @property
    def ended(self):
        return self.plateau or self.partial or self.epoch >= self.plan.max_iter

    def step(self, order, tell=None):
        """One epoch.

        Parameters
        ----------
        order : kernels.Order
            Advanced to this epoch.
        tell : callable, default=None
            ``tell(k, of)`` is called after the k-th segment of so many, but the last; when it returns
            True, the epoch is cut short and the training ends.

        Raises
        ------
        Overflow
            If the weights became infinite or NaN.
        """
        run, plan, history = self.run, self.plan, self.history
        self.epoch += 1
        self._account(run.epoch(order, self.epoch, tell))
        self.partial = run.rows_done < run.n
        score = -history[-1][1]
        if self.problem.validate is not None and plan.early_stopping:
            score = history[-1][5]
        if plan.verbose:
            report(self.epoch, run.coef, run.intercept, self.epoch * run.n, history.columns())
        if plan.restore_best and (self.best is None or score > self.patience.best):
            self.best = run.weights()
        self.plateau = self.patience.exhausted(score) and not run.cut_rate(self.patience)
        if self.plateau and plan.verbose:
            seconds = time.perf_counter() - self.began
            print(f"Convergence after {self.epoch} epochs took {seconds:.2f} seconds")

    def _account(self, row):
        seconds = time.perf_counter() - self.began
        if self.problem.validate is None:
            self.history.append((*row, seconds))
        else:
            run = self.run
            validation = self.problem.validate(run.coef, run.intercept, run.descent.carried_scale)
            self.history.append((*row, seconds, validation))

    def leaves_a_model(self):
        """Whether an interruption now leaves valid weights of some training."""
        return self.run.begun() and self.run.finite()

    def result(self, failure=None, stopped=False):
        """The `FitResult`, after the end or an interruption.

        Raises
        ------
        Overflow
            If the running average became infinite or NaN.
        """
        run = self.run
        if not self.history and run.begun():  # interrupted in the first epoch: what it saw until then
            self._account(run.close(self.epoch))
        weights = self.best or run.weights(copy=False)
        coef, intercept, average_coef, average_intercept, state = weights
        if failure is None and average_coef is not None and not np.isfinite(average_coef).all():
            raise Overflow(self.epoch, self.history[-1][2])  # of the sum alone: the weights are finite
        n_iter = len(self.history)
        restored = self.best is not None
        return FitResult(
            coef=coef,
            intercept=intercept,
            average_coef=average_coef,
            average_intercept=average_intercept,
            n_iter=n_iter,
            steps=n_iter * run.steps,
            history=self.history.arrays(),
            state=state,
            stop_reason=ending(self.plan, self.epoch, self.plateau, restored, failure, stopped),
            stopped=stopped,
            failure=failure,
            pace=getattr(run, "pace", None),
        )

    def save(self):
        """All that it takes to go on from the end of an epoch with the same bits."""
        return {
            "run": self.run.save(),
            "patience": (self.patience.best, self.patience.waited),
            "history": list(self.history),
            "best": self.best,
            "plateau": self.plateau,
            "epoch": self.epoch,
            "seconds": time.perf_counter() - self.began,
        }

    def load(self, state):
        """Go on from what `save` gave."""
        self.run.load(state["run"])
        self.patience.best, self.patience.waited = state["patience"]
        self.history = History(state["history"])
        self.best, self.plateau, self.epoch = state["best"], state["plateau"], state["epoch"]
        self.began = time.perf_counter() - state["seconds"]


class Halt:
    """Word to other threads that training is over: called between segments, it raises the `error`."""

    error = None

    def __call__(self, *progress):
        if self.error is not None:
            raise self.error


def train(problem, plan, order, halt):
    """Run epochs until the plan's stopping rule, and return the `FitResult`.

    Parameters
    ----------
    problem : Problem
    plan : Plan
    order : kernels.Order
    halt : Halt
        May end the training before.

    Raises
    ------
    Overflow
        If the weights became infinite or NaN. The problem is left as it was.
    """
    training = Training(problem, plan)
    failure = None
    try:
        while not training.ended:
            halt()
            order.advance()
            training.step(order, halt)
    except (KeyboardInterrupt, Exception) as error:
        if isinstance(error, Overflow) or not training.leaves_a_model():
            raise
        failure = error
    return training.result(failure)


def ending(plan, epoch, plateau, restored, failure=None, stopped=False):
    """The sentence that says why training ended in this epoch."""
    if failure is not None:
        reason = f"Interrupted in epoch {epoch} by {type(failure).__name__}."
    elif stopped:
        reason = f"A callback asked to stop after epoch {epoch}."
    elif plateau:
        reason = (
            f"The {'validation score' if plan.early_stopping else 'objective'} did not improve by "
            f"tol={plan.tol:g} for n_iter_no_change={plan.n_iter_no_change} epochs."
        )
    else:
        reason = f"max_iter={plan.max_iter} epochs were run."
    return reason + (" The weights of the best validation score were restored." if restored else "")


def untrained(problem):
    """The `FitResult` of a model that was not begun: its start."""
    d, dtype = problem.rows.d, problem.dtype
    coef = np.zeros(d, dtype) if problem.coef is None else problem.coef.copy()
    average = np.zeros(d, dtype) if problem.average_coef is None else problem.average_coef.copy()
    return FitResult(
        coef,
        problem.intercept,
        average,
        problem.average_intercept,
        n_iter=0,
        steps=0,
        history=History().arrays(),
        state=problem.state,
        stop_reason="Not begun: the fit was interrupted before.",
    )


def weights_before(problem):
    """What `Run.weights` would give before training."""
    begun = untrained(problem)
    return (
        begun.coef,
        begun.intercept,
        begun.average_coef,
        begun.average_intercept,
        begun.state,
    )


class Run:
    """The kernels' state of one model, and one epoch of it."""

    _BUFFERS = ("_w", "_previous", "_q", "_last", "_average")

    def __init__(self, problem, plan):
        n, d = problem.rows.n, problem.rows.d
        dtype = problem.dtype
        self.problem, self.plan = problem, plan
        self.n = n if problem.chosen is None else len(problem.chosen)
        self.batch = self.n if plan.batch_size == "full" else min(plan.batch_size, self.n)
        self.steps = -(-self.n // self.batch)
        batches = max(1, int(SEGMENT / max(1.0, problem.values_per_row)) // self.batch)
        self.segments = pieces(self.n, batches * self.batch)  # an epoch, as calls into the kernels
        self.schedule = plan.schedule.over(plan.max_iter * self.steps)
        self.factor = 1.0  # of the schedule's rates, for those that are cut on a plateau
        self._ready = iter(())  # rates of the coming segments
        self._before = problem.intercept  # as the epoch began
        self.rows_done = 0  # of this epoch
        self._w = padded(problem.coef, d, dtype)
        self._average = padded(problem.average_coef, d, dtype) if plan.average else None
        self.state = self._state(problem, plan.optimizer)
        l1 = plan.l1 > 0 and plan.optimizer is None
        self._q = padded(None, d, dtype) if l1 else None
        self._last = padded(None, d, dtype) if l1 and plan.l2 > 0 and problem.rows.sparse else None
        self._previous = padded(None, d, dtype)
        self.descent = kernels.Descent(
            problem.rows,
            problem.y,
            problem.weight,
            self._w,
            self._previous,
            self._q,
            self._last,
            self._average,
            None if self.state is None else plan.optimizer.updates(self.state),
            double_w=dtype == np.float64,
            recipe=self._recipe(),
        )
        self.descent.intercept = self._intercept(problem)
        self.descent.average_intercept = problem.average_intercept
        self.descent.t = problem.t

    def _state(self, problem, optimizer):
        """What the optimizer remembers, from before or from now on; None for plain SGD."""
        if optimizer is None:
            return None
        if problem.state is not None and problem.state.suits(optimizer, len(self._w), self._w.dtype):
            return problem.state.copy()
        return optimizer.begin(self._w, problem.intercept)

    def _intercept(self, problem):
        """Where the intercept begins: as the state has it in full, if nobody changed it meanwhile."""
        if self.state is None:
            return problem.intercept
        same = problem.dtype.type(self.state.intercept) == problem.dtype.type(problem.intercept)
        return self.state.intercept if same else problem.intercept

    def kept_state(self):
        """The optimizer's state as of now, for the model to keep; None for plain SGD."""
        return None if self.state is None else replace(self.state.copy(), intercept=self.intercept)

    def _recipe(self):
        problem, plan = self.problem, self.plan
        unit = unit_weight(problem, plan)
        return {
            "loss": plan.loss.number,
            "parameter": plan.parameter,
            "rule": RULES.get(plan.learning_rate, 0),
            "l1": plan.l1,
            "l2": plan.l2,
            "class_weight": (problem.weight_neg / unit, problem.weight_pos / unit),
            "one_class": plan.nu is not None,
            "nu": plan.nu or 0.0,
            "fit_intercept": plan.fit_intercept,
            "average_from": float(plan.average),
            "aggressiveness": plan.eta0,
        }

    @property
    def coef(self):
        """The weights, of shape (d,); a view."""
        return self._w[: self.problem.rows.d]

    @property
    def intercept(self):
        return self.descent.intercept

    def finite(self):
        return bool(np.isfinite(self._w).all() and np.isfinite(self.intercept))

    def weights(self, copy=True):
        """Weights, intercept, their averages, and the optimizer's state."""
        average = None
        if self._average is not None:
            a, b = self.descent.lazy_average
            average = (self._average[: self.problem.rows.d] + a * self.coef) / b
            average = average.astype(self.coef.dtype, copy=False)
        coef = self.coef.copy() if copy else self.coef
        return coef, self.intercept, average, self.descent.average_intercept, self.kept_state()

    def _rates(self, rows):
        """Learning rates of the steps over the next rows, or one for all of them."""
        rates = next(self._ready, None)
        if rates is not None:
            return rates
        steps = -(-rows // self.batch)
        epochs = max(1, min(RATES // steps, self.plan.max_iter)) if len(self.segments) == 1 else 1
        rates = self.schedule.rates(self.descent.t, epochs * steps)
        if self.factor != 1.0:
            rates = rates * self.factor
        each = len(rates) == epochs * steps
        self._ready = iter(rates.reshape(epochs, steps)) if each else repeat(rates)
        return next(self._ready)

    def epoch(self, order, number, tell=None):
        """Train one epoch, see `Training.step`: (loss, objective, last learning rate, way moved)."""
        descent = self.descent
        self._before, self.rows_done = descent.intercept, 0
        for k, (start, stop) in enumerate(self.segments, 1):
            self._rate = rates = self._rates(stop - start)
            descent.run(order, start, stop, rates, self.batch)
            self.rows_done = stop
            if tell is not None and stop < self.n and tell(k, len(self.segments)):
                break
        return self.close(number)

    def close(self, number):
        """The row of the history of an epoch that ends here, at its end or before."""
        n, rate = max(1, self.rows_done), self._rate.item(-1)
        loss, penalty, moved, finite = self.descent.end_epoch()
        if not (finite and isfinite(self.descent.average_intercept)):
            raise Overflow(number, rate)
        return loss / n, (loss + penalty) / n, rate, hypot(moved, self.descent.intercept - self._before)

    def running_loss(self):
        """Mean loss of this epoch's rows so far."""
        return self.descent.loss_sum / max(1, self.rows_done)

    def begun(self):
        """Whether a step has been taken."""
        return self.descent.t > self.problem.t

    def save(self):
        """Copies of the weights and numbers as of the end of an epoch."""
        buffers = {name: getattr(self, name) for name in self._BUFFERS}
        copies = {name: None if buffer is None else buffer.copy() for name, buffer in buffers.items()}
        return {
            "buffers": copies,
            "numbers": self.descent.numbers,
            "factor": self.factor,
            "optimizer": self.kept_state(),
        }

    def load(self, state):
        """Go on from what `save` gave."""
        for name, saved in state["buffers"].items():
            if saved is not None:
                getattr(self, name)[:] = saved
        self.descent.numbers = state["numbers"]
        self.factor = state["factor"]
        if self.state is not None:  # in place: the kernels hold these arrays
            self.state.slots[:] = state["optimizer"].slots
            self.state.numbers[:] = state["optimizer"].numbers

    def cut_rate(self, patience):
        """Answer a plateau by a smaller learning rate, if the schedule does so and one is left."""
        factor = self.schedule.cut(self.factor)
        if factor is None:
            return False
        self.factor = factor
        self._ready = iter(())
        patience.waited = 0
        return True


def pieces(n, size):
    """0 ... n in pieces of at most `size`: (start, stop) of each."""
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def unit_weight(problem, plan):
    """What row weights are divided by: in batches, where they count repetitions, their mean."""
    if plan.stochastic or not plan.relative_weights:
        return 1.0
    rows = slice(None) if problem.chosen is None else problem.chosen
    return float(row_weights(problem, rows).mean()) or 1.0  # without any weight nothing moves


def row_weights(problem, rows):
    """Weights of some rows, class weights included."""
    if problem.classes > 1:
        weight = problem.weight_pos[problem.targets[rows]]
    else:
        weight = np.where(problem.targets_of(rows) > 0, problem.weight_pos, problem.weight_neg)
    return weight if problem.weight is None else weight * problem.weight[rows]


def report(epoch, coef, intercept, t, columns):
    """Print the lines of scikit-learn's verbose mode, which programs read."""
    now = {name: values[-1] for name, values in columns.items()}
    score = f", Validation score: {now['validation_score']:f}" if "validation_score" in now else ""
    print(f"-- Epoch {epoch}")
    print(
        f"Norm: {np.linalg.norm(coef):.2f}, NNZs: {np.count_nonzero(coef)}, "
        f"Bias: {np.linalg.norm(intercept) if np.ndim(intercept) else intercept:.6f}, T: {t}, "
        f"Avg. loss: {now['loss']:f}, Objective: {now['objective']:f}{score}"
    )
    print(f"Total training time: {now['seconds']:.2f} seconds.")


def total_loss(problem, plan, rows, raw, weight):
    """Weighted sum of the losses of raw predictions for some rows."""
    if problem.classes > 1:
        right = raw[np.arange(len(rows)), problem.targets[rows]]
        return float(weight @ (np.logaddexp.reduce(raw, axis=1) - right))
    return plan.loss.total(problem.targets_of(rows), np.ascontiguousarray(raw), weight, plan.parameter)


def zero_loss(problem, plan):
    """Mean loss of zero weights on all rows, weighted as an epoch's; it reads no X."""
    n = problem.rows.n if problem.chosen is None else len(problem.chosen)
    rows = np.arange(n, dtype=np.int32) if problem.chosen is None else problem.chosen
    raw = np.zeros((n, problem.classes) if problem.classes > 1 else n)
    weight = row_weights(problem, rows).astype(np.float64) / unit_weight(problem, plan)
    return total_loss(problem, plan, rows, raw, weight) / n


def objective_check(problems, plan, coefs, intercepts, scores):
    """Objectives of given weights against those of zero weights, for models of the same rows.

    Exact where it matters: a sample of the rows decides only when it shows the fits to be better by
    more than a tenth.

    Parameters
    ----------
    problems : list of Problem
    plan : Plan
    coefs, intercepts : ndarray of shape (n_models, d) and (n_models,)
    scores : callable
        ``scores(rows)`` -> raw predictions of the given rows, float64 of shape (n_rows, n_models).

    Returns
    -------
    list of (float, float) : objective of the weights, objective of zero weights
    """
    penalties = np.zeros(len(problems))
    if plan.learning_rate not in RULES:
        wide = coefs.astype(np.float64)
        each = plan.l1 * np.abs(wide).sum(axis=1) + 0.5 * plan.l2 * (wide**2).sum(axis=1)
        each += (plan.nu or 0.0) * np.asarray(intercepts)
        penalties += each.reshape(len(problems), -1).sum(axis=1)
    n, chosen = problems[0].rows.n, problems[0].chosen
    n = n if chosen is None else len(chosen)
    for stride in dict.fromkeys((max(1, n // CHECKED_ROWS), 1)):
        rows = np.arange(0, n, stride, dtype=np.int32) if chosen is None else chosen[::stride]
        sums = np.zeros((len(problems), 3))  # of losses, of losses at zero, and of weights
        for start, stop in pieces(len(rows), CHECKED_AT_ONCE):
            part = rows[start:stop]
            raw = scores(part)
            for model, problem in enumerate(problems):
                weight = row_weights(problem, part).astype(np.float64)
                own = raw if problem.classes > 1 else raw[:, model]
                sums[model] += (
                    total_loss(problem, plan, part, own, weight),
                    total_loss(problem, plan, part, np.zeros_like(own), weight),
                    weight.sum(),
                )
        # as the steps see it: one row at a time, weights multiply; batches take them as repetitions
        count = len(rows) if plan.stochastic else np.maximum(sums[:, 2], 1e-300)
        here, zero = sums[:, 0] / count + penalties, sums[:, 1] / count
        if (here < 0.9 * zero).all():
            break
    return list(zip(here.tolist(), zero.tolist(), strict=True))
