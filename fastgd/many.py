"""Many models in one pass: the epoch loop of models that share each read of X.

`train_all` takes any number of problems on the same rows and returns what `train` would return for
each of them alone. Those that can share are put into bands, one kernel call per segment for all models
of a band; the others are trained one by one. A model of a band has its own target, class weights,
penalty, learning rates and stopping rule, and the order of rows that it would have alone. A model that
has stopped, or overflowed, is taken out, and the rest move together.

What cannot share: l1 penalties, averaging, optimizers other than plain SGD, the passive-aggressive
rules, `learning_rate="auto"`, one-class models, verbose fits (`why_alone`); and where a band would have
so few models that one by one is faster (`worthwhile`).

Memory: a band takes two arrays of d x models, three in batches. When they would exceed `BUDGET` of the
free memory, the models go in several bands, one after another.
"""

import os
import threading
import time

import numpy as np
from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed

from .history import COLUMNS
from .kernels import kernels
from .training import (
    RULES,
    SEGMENT,
    FitResult,
    Halt,
    Overflow,
    ending,
    report,
    train,
    unit_weight,
    untrained,
    weights_before,
    zero_loss,
)

__all__ = ["Band", "together", "train_all", "why_alone", "worthwhile"]

BUDGET = 0.25  # share of the free memory that the weights of a band may take
UNKNOWN_MEMORY = 1 << 32  # where the system does not tell how much is free
FEW = 0.3  # share of a dense row's values up to which passing over its zeros pays
VECTOR = 32  # bytes of a vector in the kernels
FIELD = {name: row for row, name in enumerate(kernels.MODEL_FIELDS)}


def why_alone(plan):
    """Why a model cannot share a pass: a sentence, or None if it can."""
    if plan.optimizer is not None:
        return f"optimizer={plan.optimizer.rule!r} keeps numbers of its own for each weight of a model."
    if plan.l1 > 0:
        return "An l1 penalty moves every weight at every step, so that models do not share their steps."
    if plan.learning_rate in RULES:
        return "The passive-aggressive rules have steps of their own."
    if plan.learning_rate == "auto":
        return "learning_rate='auto' finds the steps of each model by itself."
    if plan.average:
        return "Averaged weights are kept for one model at a time."
    if plan.nu is not None:
        return "One-class models are trained one at a time."
    if plan.verbose:
        return "A verbose fit reports on one model at a time."
    return None


def worthwhile(models, problem):
    """Whether so many models of a problem's kind are faster in a band than one by one."""
    fewest = 3 if problem.rows.sparse or problem.dtype == np.float64 else 4
    return problem.classes > 1 or models >= fewest


def train_all(problems, plans, make_order, n_jobs=None):
    """Train models on the same rows of the same X, sharing passes where they can.

    Parameters
    ----------
    problems : list of Problem
        With the same rows of X, targets and row weights.
    plans : list of Plan, one per problem
    make_order : callable
        ``make_order(problem)`` -> a new `kernels.Order` for it.
    n_jobs : int, default=None
        Threads, each with models of its own; as in joblib.

    Returns
    -------
    list of FitResult or Overflow, one per problem
        As `train` alone would have returned or raised. After an interruption, models that have not
        begun are `untrained`, and one at least has its exception in `failure`.
    """
    workers = effective_n_jobs(n_jobs) if len(problems) > 1 else 1
    tasks = []
    groups = {}
    for i, (problem, plan) in enumerate(zip(problems, plans, strict=True)):
        alone = problem.classes == 1 and why_alone(plan)
        groups.setdefault(None if alone else _key(problem, plan), []).append(i)
    for key, members in groups.items():
        first = problems[members[0]]
        if key is not None and worthwhile(len(members), first):
            tasks += [(part, True) for part in _waves(members, first, workers)]
        else:
            tasks += [([i], False) for i in members]
    results = [None] * len(problems)
    halt = Halt()

    def run(members, together):
        first = problems[members[0]]
        if any(result is not None and getattr(result, "failure", None) for result in results):
            done = [untrained(problems[i]) for i in members]
        elif together:
            band = Band([problems[i] for i in members], [plans[i] for i in members])
            done = band.train(make_order(first), halt)
        else:
            try:
                done = [train(first, plans[members[0]], make_order(first), halt)]
            except Overflow as error:
                done = [error]
        for i, result in zip(members, done, strict=True):
            results[i] = result

    if min(workers, len(tasks)) == 1:  # joblib takes as long as a short fit
        for task in tasks:
            run(*task)
        return results
    try:
        _in_threads(run, tasks, n_jobs, halt)
    except KeyboardInterrupt as error:
        trained = [result for result in results if isinstance(result, FitResult) and result.steps]
        if not trained:
            raise
        trained[0].failure = error
        for i, result in enumerate(results):
            results[i] = untrained(problems[i]) if result is None else result
    return results


def _in_threads(run, tasks, n_jobs, halt):
    """Call ``run(*task)`` for each, by joblib; none of them goes on after an exception has come out."""
    busy = [threading.Lock() for _ in tasks]

    def work(lock, task):
        with lock:
            halt()
            run(*task)

    try:
        calls = (delayed(work)(*pair) for pair in zip(busy, tasks, strict=True))
        Parallel(n_jobs=n_jobs, require="sharedmem")(calls)
    except BaseException as error:
        halt.error = error
        for lock in busy:  # joblib leaves its threads at work
            with lock:
                pass
        raise


def together(problems, plan):
    """Whether models of one plan, of all the problems of a fit, are trained in a band."""
    first = problems[0]
    return first.classes > 1 or (why_alone(plan) is None and worthwhile(len(problems), first))


def _key(problem, plan):
    """What the models of a band have in common."""
    batch = plan.batch_size, plan.relative_weights
    return plan.loss.name, problem.classes, plan.fit_intercept, batch, problem.t, id(problem.chosen)


def _waves(members, problem, workers):
    """The members in parts, one per worker or more, whose weights fit into the budget together.

    A lane's arithmetic does not depend on its neighbours: how many parts there are changes no bit.
    """
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        free = UNKNOWN_MEMORY
    lanes = VECTOR // problem.dtype.itemsize if problem.classes == 1 else 1
    size = 3 * max(1, problem.rows.d) * problem.classes * problem.dtype.itemsize
    affordable = BUDGET * free / (size * workers)
    most = lanes * max(1, int(min(affordable // lanes, -(-len(members) // (lanes * workers)))))
    parts = -(-len(members) // most)
    # neighbours, such as the classes of one candidate, stop at the same time: to different parts
    return [members[k::parts] for k in range(parts)]


class Band:
    """A band in training.

    It has the methods of `training.Training`, for all its models at once.

    The models that still train are numbered by their `live` place; each has `classes` neighbouring
    lanes of the weights and numbers, one unless it is a softmax.
    """

    _ARRAYS = ("live", "factor", "w", "numbers", "best", "waited")

    def __init__(self, problems, plans):
        first = problems[0]
        self.problems, self.plans = problems, plans
        self.dtype, self.classes = first.dtype, first.classes
        self.d = first.rows.d
        self.n = first.rows.n if first.chosen is None else len(first.chosen)
        plan = plans[0]
        self.batch = self.n if plan.batch_size == "full" else min(plan.batch_size, self.n)
        self.steps = -(-self.n // self.batch)
        self.t = first.t
        self.live = np.arange(len(problems))
        self.schedules = [plan.schedule.over(plan.max_iter * self.steps) for plan in plans]
        self.factor = np.ones(len(problems))  # of the learning rates, for those cut on a plateau
        self.tol = np.array([-np.inf if plan.tol is None else plan.tol for plan in plans])
        self.limit = np.array([plan.n_iter_no_change for plan in plans])
        self.most = np.array([plan.max_iter for plan in plans])
        self.early = np.array([plan.early_stopping for plan in plans])
        self.best, self.waited = np.full(len(plans), -np.inf), np.zeros(len(plans), int)
        self.kept = {}  # best weights of those that restore them
        self.seen = []  # an array of (columns of the history, models) per epoch
        self.results = [None] * len(plans)
        self.epoch = self.rows_done = 0  # rows of this epoch
        self.partial = False  # whether the last epoch was cut short
        self.began = time.perf_counter()
        self.scattered = first.rows.sparse or first.rows.filled() < FEW
        self.w = np.zeros((self.d, self._stride(len(problems))), self.dtype)
        self.numbers = np.zeros((len(FIELD), self._width(len(problems))))
        for name in ("scale", "carried", "product"):
            self[name][:] = 1
        # lanes beyond the models have weight zero, and idle
        for place, (problem, plan) in enumerate(zip(problems, plans, strict=True)):
            lanes = self._lanes(place)
            unit = unit_weight(problem, plan)
            self["parameter"][lanes] = plan.parameter
            self["l2"][lanes] = plan.l2
            self["positive"][lanes] = problem.weight_pos / unit
            self["negative"][lanes] = problem.weight_neg / unit
            self["target"][lanes] = problem.column if problem.label is None else problem.label
            self["intercept"][lanes] = problem.intercept
            if problem.coef is not None:
                self.w[:, lanes] = problem.coef.reshape(self.classes, self.d).T
        self._hand_over()

    def __getitem__(self, name):
        """One number of each lane, a view."""
        return self.numbers[FIELD[name]]

    def _lanes(self, place):
        return slice(place * self.classes, (place + 1) * self.classes)

    def _sums(self, name):
        """Sums of a number over the lanes of each live model."""
        lanes = self[name][: len(self.live) * self.classes]
        return lanes.reshape(-1, self.classes).sum(axis=1)

    def _width(self, models):
        vector = VECTOR // self.dtype.itemsize
        return -(-models * self.classes // vector) * vector

    def _stride(self, models):
        """Weights kept for a feature: the width, or a power of two below it where rows are scattered."""
        lanes = models * self.classes
        few = self.scattered and lanes <= VECTOR // self.dtype.itemsize // 2
        return 1 << (lanes - 1).bit_length() if few else self._width(models)

    def _hand_over(self):
        """Make the kernels' view of the weights and numbers."""
        first, width = self.problems[0], self.numbers.shape[1]
        self.w, self.numbers = np.ascontiguousarray(self.w), np.ascontiguousarray(self.numbers)
        self.band = kernels.Band(
            first.rows,
            first.targets,
            first.weight,
            self.w,
            np.empty_like(self.w),
            self.numbers,
            double_w=self.dtype == np.float64,
            loss=self.plans[0].loss.number,
            labels=first.label is not None,
            fit_intercept=self.plans[0].fit_intercept,
            classes=self.classes,
            zeros=self.scattered and not first.rows.sparse,
            stride=self.w.shape[1],
        )
        per_segment = SEGMENT / max(1.0, first.values_per_row) / width
        batches = max(1, int(min(per_segment, (1 << 20) / width)) // self.batch)
        size = batches * self.batch
        size = -(-size // 4) * 4 if self.batch == 1 else size  # whole blocks of the kernels: same bits
        self.segments = [(k, min(k + size, self.n)) for k in range(0, self.n, size)]

    def _schedules(self):
        """Distinct schedules, as (schedule, factor), and which of them a lane has."""
        places, which = {}, np.zeros(self.numbers.shape[1], np.int32)
        for place, i in enumerate(self.live):
            key = (self.schedules[i], self.factor[i])
            which[self._lanes(place)] = places.setdefault(key, len(places))
        return list(places), which

    def _rates(self, schedules, t, steps):
        """Learning rates, of shape (schedules, steps), or (schedules, 1) if all are constant."""
        rates = [schedule.rates(t, steps) * factor for schedule, factor in schedules]
        if any(len(part) > 1 for part in rates):
            rates = [np.broadcast_to(part, steps) for part in rates]
        return np.ascontiguousarray(rates, dtype=np.float64)

    def _epoch(self, order, tell=None):
        """Train one epoch; returns columns (loss, objective, last rate, way moved) of the live models."""
        before = self["intercept"].copy()
        self["loss_sum"][:] = self["penalty_sum"][:] = 0
        self.rows_done = 0
        schedules, which = self._schedules()
        for k, (start, stop) in enumerate(self.segments, 1):
            steps = -(-(stop - start) // self.batch)
            rates = self._rates(schedules, self.t, steps)
            self.band.run(order, start, stop, rates, which, self.batch)
            self.t += steps
            self.rows_done = stop
            if tell is not None and stop < self.n and tell(k, len(self.segments)):
                self.partial = True
                break
        self.band.end_epoch()
        self["moved"][:] += (self["intercept"] - before) ** 2
        loss = self._sums("loss_sum") / self.rows_done
        objective = loss + self._sums("penalty_sum") / self.rows_done
        rate = rates[which[: len(self.live) * self.classes : self.classes], -1]
        return np.array([loss, objective, rate, np.sqrt(self._sums("moved"))])

    def _weights(self, place):
        """Copies of a live model's weights and intercept; of a softmax (classes, d) and (classes,)."""
        coef, intercept = (
            self.w[:, self._lanes(place)].T.copy(),
            self["intercept"][self._lanes(place)].copy(),
        )
        return (coef, intercept) if self.classes > 1 else (coef[0], float(intercept[0]))

    def train(self, order, halt):
        """Run epochs until every model has stopped.

        Parameters
        ----------
        order : kernels.Order
        halt : Halt
            May end the training before.

        Returns
        -------
        list of FitResult or Overflow
        """
        try:
            while not self.ended:
                halt()
                order.advance()
                self.step(order, halt)
            self.end()
        except (KeyboardInterrupt, Exception) as error:
            if not self.leaves_a_model():
                raise
            self.end(failure=error)
        return self.results

    @property
    def ended(self):
        """Whether every live model has run its epochs (or none is live), or the last was cut short."""
        return self.partial or bool((self.most[self.live] <= self.epoch).all())

    def step(self, order, tell=None):
        """One epoch of the live models; see `training.Training.step`."""
        self.epoch += 1
        row = np.full((len(COLUMNS), len(self.plans)), np.nan)
        live = self.live
        row[:4, live] = columns = self._epoch(order, tell)
        row[4, live] = time.perf_counter() - self.began
        finite = np.isfinite(self._sums("size"))
        score = -columns[1]
        if any(problem.validate is not None for problem in self.problems):
            row[5, live[finite]] = valid = self._validate(np.flatnonzero(finite))
            score[finite] = np.where(self.early[live[finite]], valid, score[finite])
        self.seen.append(row)
        if self.plans[0].verbose:
            report(self.epoch, *self._weights(0), self.epoch * self.n, self.history())
        self._keep_best(live, finite, score)
        # as `_Patience`, for all models at once
        late = score < self.best[live] + self.tol[live]
        self.waited[live] = np.where(late, self.waited[live] + 1, 0)
        self.best[live] = np.fmax(self.best[live], score)
        plateau = self._cut_rates(live, finite & (self.waited[live] >= self.limit[live]))
        for place in np.flatnonzero(~finite):
            self.results[live[place]] = Overflow(self.epoch, float(columns[2, place]))
        spent = self.most[live] <= self.epoch
        if (~finite | plateau | spent).all():
            spent[:] = False  # they stay live until `end`: a fit with more epochs goes on with them
        for place in np.flatnonzero(finite & (plateau | spent)):
            self._finish(place, plateau[place])
        self._drop()

    def leaves_a_model(self):
        """Settle the weights, whatever was interrupted; whether they are valid and of some training."""
        self._hand_over()
        return (bool(self.seen) or self.rows_done > 0) and bool(np.isfinite(self._sums("size")).all())

    def end(self, stopped=False, failure=None):
        """Give every live model its result: epochs are over, or a callback or an exception ended them.

        They stay live, so that `save` still holds what they need to go on.
        """
        if not self.seen:  # interrupted in the first epoch: what it saw until then
            row = np.full((len(COLUMNS), len(self.plans)), np.nan)
            row[0] = self.running_loss()
            row[1] = row[0] + self._sums("penalty_sum") / self.rows_done
            row[4] = time.perf_counter() - self.began
            self.seen.append(row)
        for place, i in enumerate(self.live):
            if self.results[i] is None:
                self._finish(place, False, stopped, failure)

    # -- what callbacks see ------------------------------------------------------------------------

    def history(self):
        """Columns so far: name -> list of floats, of arrays of shape (models,) if there are several."""
        if len(self.plans) == 1:
            return {name: [row[k, 0] for row in self.seen] for k, name in enumerate(self._columns(0))}
        return {name: [row[k] for row in self.seen] for k, name in enumerate(self._columns(0))}

    def latest(self):
        """The last row of `history`."""
        row = self.seen[-1][:, 0] if len(self.plans) == 1 else self.seen[-1]
        return dict(zip(self._columns(0), row, strict=False))

    def running_loss(self):
        """Mean losses of this epoch's rows so far, of shape (models,); NaN after a model's end."""
        losses = np.full(len(self.plans), np.nan)
        losses[self.live] = self._sums("loss_sum") / max(1, self.rows_done)
        return losses

    def weights(self):
        """Copies of all models' weights, intercepts and (absent) averages."""
        weights = [None] * len(self.plans)
        for place, i in enumerate(self.live):
            weights[i] = (*self._weights(place), None, 0.0, None)
        for i, result in enumerate(self.results):
            if isinstance(result, FitResult):
                weights[i] = (result.coef, result.intercept, None, 0.0, None)
        return weights

    def zero_loss(self):
        """Mean losses of zero weights, of shape (models,)."""
        return np.array([zero_loss(*pair) for pair in zip(self.problems, self.plans, strict=True)])

    def start(self):
        """All models' weights before training, in the form of `weights`."""
        return [weights_before(problem) for problem in self.problems]

    def save(self):
        """All that it takes to go on from the end of an epoch with the same bits.

        Results are those of models that will not go on, however many epochs there are to be.
        """
        arrays = {name: getattr(self, name).copy() for name in self._ARRAYS}
        live = set(self.live.tolist())
        return {
            "arrays": arrays,
            "t": self.t,
            "epoch": self.epoch,
            "seen": list(self.seen),
            "kept": dict(self.kept),
            "results": [None if i in live else result for i, result in enumerate(self.results)],
            "seconds": time.perf_counter() - self.began,
        }

    def load(self, state):
        """Go on from what `save` gave."""
        for name, saved in state["arrays"].items():
            setattr(self, name, saved.copy())
        self.t, self.epoch, self.seen = state["t"], state["epoch"], list(state["seen"])
        self.kept, self.results = dict(state["kept"]), list(state["results"])
        self.began = time.perf_counter() - state["seconds"]
        self._hand_over()

    # -- an epoch's end ----------------------------------------------------------------------------

    def _columns(self, i):
        """Names of the columns of a model's history."""
        return COLUMNS if self.problems[i].validate is not None else COLUMNS[:-1]

    def _validate(self, places):
        """Scores of live models on their validation sets; NaN for those without one."""
        scores = np.full(len(places), np.nan)
        for k, place in enumerate(places):
            problem = self.problems[self.live[place]]
            if problem.validate is not None:
                carried = self["carried"][place * self.classes]
                scores[k] = problem.validate(*self._weights(place), carried)
        return scores

    def _keep_best(self, live, finite, score):
        for place in np.flatnonzero(finite):
            i = live[place]
            if self.plans[i].restore_best and (i not in self.kept or score[place] > self.best[i]):
                self.kept[i] = self._weights(place)

    def _cut_rates(self, live, plateau):
        """Those of the models on a plateau that stop: the others go on at a smaller learning rate."""
        for place in np.flatnonzero(plateau):
            i = live[place]
            factor = self.schedules[i].cut(self.factor[i])
            if factor is not None:
                self.factor[i] = factor
                self.waited[i] = 0
                plateau[place] = False
        return plateau

    def _finish(self, place, plateau, stopped=False, error=None):
        """The result of a model that ends here."""
        i = self.live[place]
        restored = i in self.kept
        coef, intercept = self.kept[i] if restored else self._weights(place)
        n_iter = len(self.seen)
        table = np.array([row[:, i] for row in self.seen])
        self.results[i] = FitResult(
            coef=coef,
            intercept=intercept,
            average_coef=None,
            average_intercept=0.0,
            n_iter=n_iter,
            steps=n_iter * self.steps,
            history={name: table[:, k].copy() for k, name in enumerate(self._columns(i))},
            stop_reason=ending(self.plans[i], self.epoch, plateau, restored, error, stopped),
            stopped=stopped,
            failure=error,
        )

    def _drop(self):
        """Take out the models that have a result."""
        stay = np.array([place for place, i in enumerate(self.live) if self.results[i] is None], int)
        if len(stay) == len(self.live):
            return
        if not len(stay):
            self.live = self.live[stay]
            return
        lanes = (stay[:, None] * self.classes + np.arange(self.classes)).ravel()
        used = len(lanes)
        lanes = np.concatenate([lanes, np.full(self._width(len(stay)) - used, lanes[0])])
        w, numbers = self.w[:, lanes[: self._stride(len(stay))]], self.numbers[:, lanes]
        for name in ("positive", "negative"):  # the others idle
            numbers[FIELD[name], used:] = 0
        # at once: an interruption must not find the lanes of others under a model's number
        self.live, self.w, self.numbers = self.live[stay], w, numbers
        self._hand_over()
