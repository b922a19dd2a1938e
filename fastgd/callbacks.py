"""Callbacks: scikit-learn's ``set_callbacks``, on every version of it.

scikit-learn 1.9 brought one mechanism: an object that follows the ``FitCallback`` protocol is
handed to ``estimator.set_callbacks(...)``, is told when the fit and each of its tasks begin and
end, with a *context* that says where in the tree of tasks it is, and asks for a stop by returning
True.  fastgd has this mechanism and no other, so that scikit-learn's own callbacks (its progress
bar, its scoring monitor) show the epochs of a fastgd fit, and a search or a pipeline hands its
callbacks down.  Before 1.9, callback_support.py stands in for it.

A fit is a task with one subtask per epoch:

- :func:`fit_task` is what an estimator opens around its training.  Without callbacks it is a
  shared object that does nothing, so that a fit pays for callbacks only when there are some.
- :class:`Epoch` is what our own callbacks read.  The protocol has no place for a history, so it
  travels as the attribute ``epoch`` of the context, for the time of the hooks.
- :func:`on_epoch` and :class:`ProgressBar` are ready-made callbacks.
"""

import sys
import time

import numpy as np

from .callback_support import CallbackSupportMixin, as_if_fitted, evaluated, tear_down

__all__ = ["CallbackSupportMixin", "Epoch", "ProgressBar", "fit_task", "on_epoch"]


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
    """

    active = True

    def __init__(self, estimator, max_epochs, X, y, metadata, task_name):
        self._estimator = estimator
        self._max_epochs = max_epochs
        self._told = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self._task_name = task_name
        self._context = None  # of the fit
        self._epoch_context = None

    def __enter__(self):
        try:
            self._context = self._estimator._init_callback_context(
                task_name=self._task_name, max_subtasks=self._max_epochs
            )
            self._context.call_on_fit_task_begin(**self._told)
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
        self._epoch_context = self._context.subcontext(task_name="epoch")
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

        history : dict, default=None
            What is known so far: a sequence per name, one entry per epoch.

        Returns
        -------
        stop : bool
            Whether a callback asked to stop.
        """
        context, self._epoch_context = self._epoch_context, None
        epoch = Epoch(
            epoch=context.task_id + 1,
            max_epochs=self._max_epochs,
            estimator=self._estimator,
            history={} if history is None else history,
            seconds=time.perf_counter() - self._started,
            reconstruction_attributes=reconstruction_attributes,
        )
        # The fit's own context keeps the last one, for the hooks at the end of the fit.
        context.epoch = self._context.epoch = epoch
        try:
            return context.call_on_fit_task_end(
                **self._told, reconstruction_attributes=reconstruction_attributes
            )
        finally:
            del context.epoch  # the tree keeps its nodes: they must not keep the coefficients


class _NoTask:
    """What :func:`fit_task` returns when nobody watches; stateless, hence shared."""

    active = False

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        pass

    def epoch_begin(self, reconstruction_attributes=None):
        pass

    def epoch_end(self, reconstruction_attributes=None, history=None):
        return False


_SILENT = _NoTask()


# -- What callbacks read, and the ready-made ones -------------------------------------------------


class Epoch:
    """An epoch that has just ended.

    A callback finds it as ``context.epoch`` in ``on_fit_task_end``.

    Attributes
    ----------
    epoch : int
        Its number, from 1.

    max_epochs : int or None
        The most there will be in this fit, None when that is not known.

    estimator : estimator
        The one that is being fitted.

    history : dict
        What is known so far: a sequence per name (``loss``, ``objective``, ``learning_rate``,
        ...), one entry per epoch.

    seconds : float
        Since training began.
    """

    def __init__(self, epoch, max_epochs, estimator, history, seconds, reconstruction_attributes=None):
        self.epoch = epoch
        self.max_epochs = max_epochs
        self.estimator = estimator
        self.history = history
        self.seconds = seconds
        self._reconstruction_attributes = reconstruction_attributes

    @property
    def fitted_estimator(self):
        """A copy of the estimator, ready to predict as if the fit had stopped here.

        Made when it is asked for; use it before the next epoch begins.
        """
        attributes = evaluated(self._reconstruction_attributes)
        return None if attributes is None else as_if_fitted(self.estimator, attributes)

    def __repr__(self):
        return f"Epoch(epoch={self.epoch}, estimator={type(self.estimator).__name__})"


class _FitCallback:
    """The hooks of the protocol, doing nothing."""

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        pass


class on_epoch(_FitCallback):
    """Make a callback of a plain function.

    Parameters
    ----------
    function : callable
        Called as ``function(info)`` after each epoch, with an :class:`Epoch`: ``info.epoch``,
        ``info.estimator``, ``info.history``.  Returning True stops the fit.

    Examples
    --------
    >>> from fastgd import SGDClassifier
    >>> from fastgd.callbacks import on_epoch
    >>> stop_early = on_epoch(lambda info: info.history["loss"][-1] < 0.1)
    >>> classifier = SGDClassifier(loss="log_loss").set_callbacks(stop_early)
    """

    def __init__(self, function):
        self.function = function

    def on_fit_task_end(self, estimator, context):
        """Call the function, if the task is an epoch of fastgd."""
        if context.task_name != "epoch" or not hasattr(context, "epoch"):
            return False
        # Exactly True: a function that ends in an expression must not stop a fit by accident.
        stop = self.function(context.epoch)
        return isinstance(stop, (bool, np.bool_)) and bool(stop)


class ProgressBar(_FitCallback):
    """Show epoch, loss and time while an estimator is fitted, as one line of plain text.

    Needs nothing beyond scikit-learn and works on every version of it.  It shows on a terminal
    only, so that it may be left in programs whose output goes to a file.

    Parameters
    ----------
    force : bool, default=False
        Write even if the stream is not a terminal, then a line per update.

    stream : file object, default=None
        Where to write; None for ``sys.stderr``.

    max_propagation_depth : int or None, default=1
        How many levels of nested estimators a pipeline or a search hands it down; None for all.

    Examples
    --------
    >>> from fastgd import SGDClassifier
    >>> from fastgd.callbacks import ProgressBar
    >>> classifier = SGDClassifier().set_callbacks(ProgressBar())
    """

    #: Seconds between two updates of the line.
    interval = 0.1

    def __init__(self, *, force=False, stream=None, max_propagation_depth=1):
        self.force = force
        self.stream = stream
        self.max_propagation_depth = max_propagation_depth
        # The one line of the terminal is shared by all fits.
        self._next_update = 0.0
        self._up_to_date = True

    def on_fit_task_end(self, estimator, context):
        """Update the line after an epoch; finish it after the last one."""
        epoch = getattr(context, "epoch", None)
        if epoch is None:
            return False
        stream = sys.stderr if self.stream is None else self.stream
        terminal = getattr(stream, "isatty", bool)()
        if not (terminal or self.force):
            return False
        ended = context.task_name != "epoch"
        now = time.monotonic()
        if ended:
            write = terminal or not self._up_to_date
        else:
            write = self._up_to_date = now >= self._next_update
        if write:
            self._next_update = now + self.interval
            line = self._line(epoch)
            # ESC [K clears what a longer line before may have left.
            stream.write(f"\r{line}\x1b[K{chr(10) * ended}" if terminal else f"{line}\n")
            stream.flush()
        return False

    @staticmethod
    def _line(epoch):
        total = "" if epoch.max_epochs is None else f"/{epoch.max_epochs}"
        line = f"{type(epoch.estimator).__name__}  epoch {epoch.epoch}{total}"
        losses = epoch.history.get("loss")
        if losses is not None and len(losses):
            line += f"  loss {np.nanmean(losses[-1]):.6g}"  # the mean of several models
        return f"{line}  {epoch.seconds:.1f} s"
