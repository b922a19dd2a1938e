"""The epoch loop that callbacks watch: all models of a fit in step, an epoch of each at a time.

Design note. What callbacks are told is one epoch of the whole estimator, however many models it has:
`history` has a number for each of them, the fitted estimator they may ask for is whole, a stop ends all
models at the same epoch, and so does an interruption. Models that share passes do so here as well (the
same `Band`, hence the same bits as without callbacks); those that cannot take turns (`OneByOne`). Both
have the methods of `training.Training`, which is all that callbacks reach: through `callbacks.Epoch`.
"""

import numpy as np

from .history import latest_of, side_by_side
from .many import Band, together
from .training import FitResult, Overflow, Training, untrained, weights_before, zero_loss

__all__ = ["train_watched"]


def train_watched(problems, plan, order, task, describe):
    """Train the models of a fit while callbacks watch.

    Parameters
    ----------
    problems : list of Problem
        All models of the fit, on the same rows.
    plan : Plan
        Of all of them.
    order : kernels.Order
        Of all of them.
    task : callbacks.FitTask
        Told about every epoch, and about segments if a callback wants them.
    describe : callable
        ``describe(weights, steps)`` -> fitted attributes, for callbacks that ask: of the weights,
        intercepts and their averages (a tuple per model), after so many steps.

    Returns
    -------
    list of FitResult or Overflow, one per problem
        After an interruption, with its exception in `failure`.
    """
    training = (Band if together(problems, plan) else OneByOne)(problems, [plan] * len(problems))
    stopped = task.begin_training(training)
    for _ in range(training.epoch):  # of an earlier run, gone on with
        order.advance()

    def attributes():
        steps = training.epoch * (order.count if plan.stochastic else training.steps)
        return describe(training.weights(), steps)

    def tell(k, of):
        return task.segment_end(attributes, training.history, k, of)

    tell = tell if task.wants_segments else None
    try:
        while not (training.ended or stopped):
            task.epoch_begin(attributes)
            order.advance()
            training.step(order, tell)
            overflows = [result for result in training.results if isinstance(result, Overflow)]
            if overflows:
                training.partial = True  # nothing to go on from: a checkpoint keeps the epoch before
                stopped = task.saves(overflows[0])
                break
            stopped = task.epoch_end(attributes, training.history) or training.partial
        training.end(stopped)
    except (KeyboardInterrupt, Exception) as error:
        if not training.leaves_a_model():
            raise
        training.end(failure=error)
    results = training.results
    if stopped:
        results = [
            _survivor(training, i) if isinstance(r, Overflow) else r for i, r in enumerate(results)
        ]
    return task.concluded(results)


def _survivor(training, i):
    """The result of a model that overflowed, as of the epoch before; its weights are those kept."""
    n_iter = training.epoch - 1
    history = {
        name: np.array([np.ravel(row)[i] for row in column[:n_iter]])
        for name, column in training.history().items()
    }
    return FitResult(None, None, None, 0.0, n_iter, n_iter * training.steps, history, stopped=True)


class OneByOne:
    """Models that cannot share a pass, in step; see `training.Training` for the methods."""

    def __init__(self, problems, plans):
        self.problems, self.plans = problems, plans
        self.trainings = [Training(*pair) for pair in zip(problems, plans, strict=True)]
        self.results = [None] * len(problems)
        self.steps = self.trainings[0].run.steps  # of an epoch
        self.epoch = 0
        self.partial = False
        self._turn = 0  # whose epoch it is

    @property
    def ended(self):
        return self.partial or all(training.ended for training in self.trainings)

    def step(self, order, tell=None):
        models = len(self.trainings)

        def tell_place(k, of):
            return tell(self._turn * of + k, models * of)

        self.epoch += 1
        for turn, training in enumerate(self.trainings):
            self._turn = turn
            if training.ended:
                continue
            try:
                training.step(order, tell and tell_place)
            except Overflow as error:
                self.results[turn] = error
                return
            of = len(training.run.segments)
            last = turn == models - 1
            if training.partial or (tell and not last and tell((turn + 1) * of, models * of)):
                self.partial = True
                return

    def leaves_a_model(self):
        begun = [training for training in self.trainings if training.run.begun()]
        return bool(begun) and all(training.run.finite() for training in begun)

    def end(self, stopped=False, failure=None):
        for i, training in enumerate(self.trainings):
            if isinstance(self.results[i], Overflow):
                continue
            if training.run.begun():
                asked = stopped and not (training.ended and not training.partial)
                try:
                    self.results[i] = training.result(failure, asked)
                except Overflow as error:
                    self.results[i] = error
            else:
                self.results[i] = untrained(training.problem)
                self.results[i].failure = failure

    def history(self):
        return side_by_side([training.history for training in self.trainings])

    def latest(self):
        return latest_of([training.history for training in self.trainings], self.epoch)

    def running_loss(self):
        return np.array([training.run.running_loss() for training in self.trainings])

    def weights(self):
        return [
            training.best if training.ended and training.best else training.run.weights()
            for training in self.trainings
        ]

    def zero_loss(self):
        """Mean losses of zero weights, of shape (models,)."""
        return np.array([zero_loss(*pair) for pair in zip(self.problems, self.plans, strict=True)])

    def start(self):
        """All models' weights before training, in the form of `weights`."""
        return [weights_before(problem) for problem in self.problems]

    def save(self):
        return {"epoch": self.epoch, "models": [training.save() for training in self.trainings]}

    def load(self, state):
        self.epoch = state["epoch"]
        for training, saved in zip(self.trainings, state["models"], strict=True):
            training.load(saved)
