"""What an estimator opens around its training, and what callbacks read of it.

- :func:`fit_task` is what an estimator opens.  Without callbacks it is a shared object that does
  nothing, so that a fit pays for callbacks only when there are some.
- :class:`Epoch` is what our own callbacks read.  The protocol has no place for a history, so it
  travels as the attribute ``epoch`` of the context, for the time of the hooks.  What a callback asks for
  beyond a stop (to say why, to keep these weights, to go on from a checkpoint) goes through it, too.
"""

import time
from dataclasses import replace

import numpy as np

from ..callback_support import as_if_fitted, evaluated, tear_down

__all__ = ["Epoch", "FitTask", "fit_task"]


# -- What an estimator opens around its training --------------------------------------------------


def fit_task(estimator, max_epochs=None, *, X=None, y=None, metadata=None, task_name="fit"):
    """Return the context manager that tells an estimator's callbacks about its training.

    The estimator sets its fitted attributes before it leaves the block: the callbacks' last hook
    may want to predict with it.  Callbacks are torn down however the block is left.  Inside it, no
    public method that fits may be called on the estimator: from scikit-learn 1.9 on, such a method
    tears down too.

    Parameters
    ----------
    estimator : estimator
        One with :class:`CallbackSupportMixin`.

    max_epochs : int or None, default=None
        The most epochs there will be, None when that is not known.

    X, y : array-like, default=None
        The training data, for the callbacks that ask for them.

    metadata : dict, default=None
        What else was given to fit, such as ``{"sample_weight": ...}``.

    task_name : str, default="fit"
        The name of the whole task.

    Returns
    -------
    task : FitTask
        Or, when the estimator has no callbacks, an object with the same methods that does nothing.

    Examples
    --------
    ::

        with fit_task(self, max_epochs, X=X, y=y) as task:
            for _ in range(max_epochs):
                task.epoch_begin()
                ...
                if task.epoch_end(lambda: {"coef_": w.copy()}, history):
                    break
    """
    if getattr(estimator, "_skl_callbacks", None):
        return FitTask(estimator, max_epochs, X, y, metadata, task_name)
    return _SILENT


class FitTask:
    """A fit that callbacks watch; made by :func:`fit_task`.

    Attributes
    ----------
    active : bool
        Whether anybody watches; True here.  What only callbacks need may be skipped otherwise.

    wants_segments : bool
        Whether a callback wants to be told within an epoch.
    """

    active = True

    def __init__(self, estimator, max_epochs, X, y, metadata, task_name):
        self._estimator = estimator
        self._max_epochs = max_epochs
        self._told = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._task_name = task_name
        self._context = None  # of the fit
        self._epoch_context = None
        wanted = (getattr(callback, "every_segments", None) for callback in estimator._skl_callbacks)
        self._every = [every for every in wanted if every]
        self.wants_segments = bool(self._every)
        # what callbacks have asked for
        self._reason, self._final, self._diverged = None, False, False
        self._kept = self._fallback = None  # (epoch, weights of all models)
        self._deferred = []  # functions to call when all callbacks have been told
        # what only a checkpoint needs
        self._training = None
        self._facts = {}
        self._resumed = None
        self._earlier = 0.0  # seconds of the run that this one goes on from

    def __enter__(self):
        try:
            self._context = self._estimator._init_callback_context(
                task_name=self._task_name, max_subtasks=self._max_epochs
            )
            self._context.call_on_fit_task_begin(**self._told)
            self._resumed = vars(self._context).pop("resume_from", None)
        except BaseException:
            # Python does not call __exit__ when __enter__ fails.
            tear_down(self._estimator)
            raise
        self._started = time.perf_counter()
        return self

    def __exit__(self, kind, error, traceback):
        try:
            if kind is None:
                # No attributes to add: the estimator itself is fitted by now.
                self._context.call_on_fit_task_end(**self._told, reconstruction_attributes={})
                self._run_deferred()
        finally:
            vars(self._context).pop("epoch", None)
            tear_down(self._estimator)

    def epoch_begin(self, reconstruction_attributes=None):
        """Tell the callbacks that an epoch begins.

        Parameters
        ----------
        reconstruction_attributes : callable or dict, default=None
            As for :meth:`epoch_end`.
        """
        subtasks = None if self.wants_segments else 0
        self._epoch_context = self._context.subcontext(task_name="epoch", max_subtasks=subtasks)
        self._epoch_context.call_on_fit_task_begin(
            **self._told, reconstruction_attributes=reconstruction_attributes
        )

    def epoch_end(self, reconstruction_attributes=None, history=None):
        """Tell the callbacks that the epoch has ended.

        Parameters
        ----------
        reconstruction_attributes : callable or dict, default=None
            The fitted attributes that make the estimator ready to predict as if the fit had
            stopped here, or a function that returns them, called only if a callback asks.

        history : callable or dict, default=None
            What is known so far: a sequence per name, one entry per epoch; or a function that returns
            it.

        Returns
        -------
        stop : bool
            Whether a callback asked to stop.
        """
        context, self._epoch_context = self._epoch_context, None
        return self._tell(context, context, reconstruction_attributes, history, 1, 1)

    def segment_end(self, reconstruction_attributes, history, segment, n_segments):
        """Tell the callbacks that want it that a segment of the epoch has ended.

        Parameters
        ----------
        reconstruction_attributes, history
            As for :meth:`epoch_end`.

        segment, n_segments : int
            Its number, from 1, and how many there are in the epoch.

        Returns
        -------
        stop : bool
            Whether a callback asked to stop.
        """
        if not any(segment % every == 0 for every in self._every):
            return False
        context = self._epoch_context.subcontext(task_name="segment")
        # both now: nothing could be told between them, the kernels do not stop at its beginning
        context.call_on_fit_task_begin(**self._told, reconstruction_attributes=reconstruction_attributes)
        return self._tell(
            context, self._epoch_context, reconstruction_attributes, history, segment, n_segments
        )

    def _tell(self, context, epoch_context, attributes, history, segment, n_segments):
        epoch = Epoch(
            epoch=self._epochs_before() + epoch_context.task_id + 1,
            max_epochs=self._max_epochs,
            estimator=self._estimator,
            history=history,
            seconds=self._earlier + time.perf_counter() - self._started,
            reconstruction_attributes=attributes,
            segment=segment,
            n_segments=n_segments,
            task=self,
        )
        # The fit's own context keeps the last one, for the hooks at the end of the fit.
        context.epoch = self._context.epoch = epoch
        try:
            stop = context.call_on_fit_task_end(**self._told, reconstruction_attributes=attributes)
            self._run_deferred()
            return stop
        finally:
            del context.epoch  # the tree keeps its nodes: they must not keep the coefficients

    # -- what callbacks ask for, beyond a stop ------------------------------------------------------

    def _run_deferred(self):
        deferred, self._deferred = self._deferred, []
        for function in deferred:
            function()

    def _epochs_before(self):
        return 0 if self._resumed is None else self._resumed["epoch"]

    def resumed_seed(self, facts):
        """The seed of the row order: that of the run which a checkpoint goes on from, if there is one.

        Parameters
        ----------
        facts : dict
            ``seed`` and ``training`` (rows, or None for all) of this fit, and whether it is ``partial``.
        """
        self._facts = facts
        if self._resumed is None:
            return facts["seed"]
        before = self._resumed["facts"]
        if facts["partial"] or before["partial"]:
            raise ValueError(
                "A checkpoint is resumed by fit and of a fit; partial_fit goes on from the estimator's "
                "own weights: take the one of Checkpoint.load(path)."
            )
        if not np.array_equal(facts["training"], before["training"]):
            raise ValueError(
                "The checkpoint cannot be resumed: early_stopping holds out other rows than in the run "
                "that was saved. Set random_state to an int, so that the split is the same each time."
            )
        self._facts = before
        return before["seed"]

    def begin_training(self, training):
        """Take note of what is in training; returns whether an earlier run had stopped for good.

        Parameters
        ----------
        training : many.Band or watching.OneByOne
            It goes on from the state of a checkpoint, if a callback offers one.
        """
        self._training = training
        if self._resumed is None:
            return False
        training.load(self._resumed["training"])
        for name in ("reason", "final", "kept", "fallback"):
            setattr(self, f"_{name}", self._resumed[name])
        self._earlier = self._resumed["seconds"]
        return self._final

    def state(self, seconds):
        """What a later fit needs to go on from the end of this epoch."""
        return {
            "epoch": self._training.epoch,
            "seconds": seconds,
            "facts": self._facts,
            "training": self._training.save(),
            "reason": self._reason if self._final else None,
            "final": self._final,
            "kept": self._kept,
            "fallback": self._fallback,
        }

    def saves(self, overflow):
        """Whether a callback has kept weights to end with in spite of an overflow.

        Parameters
        ----------
        overflow : training.Overflow
        """
        if self._kept is None and self._fallback is None:
            return False
        self._diverged = True
        self._reason = (
            f"The weights overflowed in epoch {overflow.epoch}, at a learning rate of "
            f"{overflow.learning_rate:.3g}."
        )
        return True

    def concluded(self, results):
        """Results of the models with the weights and the reason that callbacks asked for."""
        kept = self._kept or (self._fallback if self._diverged else None)
        return [self._as_asked(result, i, kept) for i, result in enumerate(results)]

    def _as_asked(self, result, i, kept):
        if isinstance(result, ArithmeticError):
            return result
        reason = self._reason if result.stopped and self._reason else result.stop_reason
        if kept is None or not result.n_iter:
            return replace(result, stop_reason=reason)
        epoch, weights = kept
        coef, intercept, average_coef, average_intercept, state = weights[i]
        which = f"of epoch {epoch}" if epoch else "that training began with"
        return replace(
            result,
            coef=coef,
            intercept=intercept,
            average_coef=average_coef,
            average_intercept=average_intercept,
            state=state,
            stop_reason=f"{reason} The weights {which} were restored.",
        )


class _NoTask:
    """What :func:`fit_task` returns when nobody watches; stateless, hence shared."""

    active = False
    wants_segments = False

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        pass

    def epoch_begin(self, reconstruction_attributes=None):
        pass

    def epoch_end(self, reconstruction_attributes=None, history=None):
        return False


_SILENT = _NoTask()


# -- What callbacks read --------------------------------------------------------------------------


class Epoch:
    """An epoch that has just ended, or a segment of one.

    A callback finds it as ``context.epoch`` in ``on_fit_task_end``.

    Parameters
    ----------
    epoch : int
        Its number, from 1.

    max_epochs : int or None
        The most there will be in this fit, None when that is not known.

    segment, n_segments : int
        The segment that has ended and how many there are in the epoch; both 1 at its end.

    estimator : estimator
        The one that is being fitted.

    history : dict or None
        What is known so far, worked out when it is asked for.

    seconds : float
        Since training began, an earlier run's included that a checkpoint went on from.

    reconstruction_attributes : callable, default=None
        Gives the attributes of the model as it is now, for `fitted_estimator`.

    task : object, default=None
        The fit's own record, by which callbacks reach the training.
    """

    def __init__(
        self,
        epoch,
        max_epochs,
        estimator,
        history,
        seconds,
        reconstruction_attributes=None,
        *,
        segment=1,
        n_segments=1,
        task=None,
    ):
        self.epoch = epoch
        self.max_epochs = max_epochs
        self.estimator = estimator
        self.seconds = seconds
        self.segment = segment
        self.n_segments = n_segments
        self._history = history
        self._reconstruction_attributes = reconstruction_attributes
        self._task = task

    @property
    def history(self):
        """What is known so far, a dict: a sequence per name (``loss``, ``objective``, ``learning_rate``,
        ...) with one entry per epoch, a float, or an array with one number per model of several.
        """
        self._history = evaluated({} if self._history is None else self._history)
        return self._history

    @property
    def latest(self):
        """The last entry of each column of the history; it costs the same however long that is."""
        training = None if self._task is None else self._task._training
        if training is not None:
            return training.latest()
        return {name: column[-1] for name, column in self.history.items() if len(column)}

    @property
    def loss(self):
        """Mean loss of the epoch's rows so far, each before its step; the mean of several models."""
        if self.segment < self.n_segments:
            losses = self._task._training.running_loss()
        else:
            losses = self.latest.get("loss", np.nan)
        return float(np.nanmean(losses)) if np.isfinite(losses).any() else np.nan

    @property
    def zero_loss(self):
        """Mean loss of zero weights, to compare `loss` with; NaN where it is not known.

        Worked out from the targets each time it is asked for.
        """
        training = None if self._task is None else self._task._training
        return np.nan if training is None else float(np.mean(training.zero_loss()))

    @property
    def complete(self):
        """Whether this is the end of an epoch that was not cut short."""
        training = None if self._task is None else self._task._training
        return self.segment == self.n_segments and not getattr(training, "partial", False)

    @property
    def attributes(self):
        """The fitted attributes as if the fit had stopped here, copies: ``coef_``, ``intercept_`` ..."""
        return evaluated(self._reconstruction_attributes)

    @property
    def fitted_estimator(self):
        """A copy of the estimator, ready to predict as if the fit had stopped here.

        Made when it is asked for; use it before the next epoch begins.
        """
        attributes = self.attributes
        return None if attributes is None else as_if_fitted(self.estimator, attributes)

    @property
    def state(self):
        """What a later fit needs to go on from here with the same bits, a dict; for `Checkpoint`.

        None within an epoch, and for estimators that cannot go on.
        """
        if self._task is None or self._task._training is None or not self.complete:
            return None
        return self._task.state(self.seconds)

    def stop(self, reason, *, diverged=False, final=True):
        """Say why a callback stops the fit.

        Parameters
        ----------
        reason : str
            A sentence for the estimator's ``stop_reason_``.

        diverged : bool, default=False
            Whether to end with the weights that were kept for this case, see :meth:`keep`.

        final : bool, default=True
            Whether a fit that goes on from a checkpoint of this one shall stop here, too.

        Returns
        -------
        stop : bool
            True, for the callback to return.
        """
        task = self._task
        if task is not None and task._reason is None:
            task._reason, task._final = reason, final
            task._diverged = diverged
        return True

    def defer(self, function):
        """Have a function called when all callbacks have been told, none having raised."""
        self._task._deferred.append(function)

    def keep(self, *, if_diverged=False, start=False):
        """Have the fit end with the weights of this moment, unless others are kept later.

        Parameters
        ----------
        if_diverged : bool, default=False
            Only if it overflows, or a callback stops it as diverged, and no others are kept.

        start : bool, default=False
            Instead of those of this moment, the weights that training began with.
        """
        task = self._task
        if task is None or task._training is None:
            return
        kept = (0, task._training.start()) if start else (self.epoch, task._training.weights())
        if if_diverged:
            task._fallback = kept
        else:
            task._kept = kept

    def __repr__(self):
        return f"Epoch(epoch={self.epoch}, estimator={type(self.estimator).__name__})"
