"""Callbacks: scikit-learn's ``set_callbacks``, on every version of it.

scikit-learn 1.9 brought one mechanism: an object that follows the ``FitCallback`` protocol is
handed to ``estimator.set_callbacks(...)``, is told when the fit and each of its tasks begin and
end, with a *context* that says where in the tree of tasks it is, and asks for a stop by returning
True.  fastgd has this mechanism and no other, so that scikit-learn's own callbacks (its progress
bar, its scoring monitor) show the epochs of a fastgd fit.  Before 1.9, callback_support.py stands in
for it.

A pipeline or a search hands down those callbacks alone that have a ``max_propagation_depth`` (here
:class:`ProgressBar`), and refuses to have these on its steps.  The others act on one fit and are set on
the estimator that they act on, ``pipeline[-1].set_callbacks(TimeBudget(60))``; on a pipeline they would
hear of no epoch, which they warn about.

A fit is a task with one subtask per epoch, and an epoch, where a callback asks for it, one subtask
per segment: a share of the rows that the kernels train on in one call.  One file per concern:

- ``task.py``: what an estimator opens around its training, and :class:`Epoch`, what callbacks read.
- ``base.py``: :class:`Callback`, which turns the protocol's hooks into three methods to override, and
  :func:`on_epoch`, which makes a callback of a plain function.
- ``progress.py``, ``limits.py``, ``early_stopping.py``, ``checkpoint.py``, ``loggers.py``, ``path.py``:
  ready-made callbacks.
"""

from importlib import import_module as _import_module

from ..callback_support import CallbackSupportMixin
from .task import Epoch, fit_task

# Where each ready-made callback lives; loaded on first use, so that estimators do not wait for them.
_HOMES = {
    "CSVLogger": "loggers",
    "Callback": "base",
    "Checkpoint": "checkpoint",
    "DivergenceGuard": "limits",
    "EarlyStopping": "early_stopping",
    "JSONLogger": "loggers",
    "PathRecorder": "path",
    "ProgressBar": "progress",
    "TimeBudget": "limits",
    "on_epoch": "base",
    "on_segment": "base",
}

__all__ = [*_HOMES, "CallbackSupportMixin", "Epoch", "fit_task"]


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(_import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted(set(globals()) | set(__all__))
