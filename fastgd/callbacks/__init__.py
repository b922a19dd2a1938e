"""Callbacks: scikit-learn's ``set_callbacks``, on every version of it.

scikit-learn 1.9 brought one mechanism: an object that follows the ``FitCallback`` protocol is
handed to ``estimator.set_callbacks(...)``, is told when the fit and each of its tasks begin and
end, with a *context* that says where in the tree of tasks it is, and asks for a stop by returning
True.  fastgd has this mechanism and no other, so that scikit-learn's own callbacks (its progress
bar, its scoring monitor) show the epochs of a fastgd fit, and a search or a pipeline hands its
callbacks down.  Before 1.9, callback_support.py stands in for it.

A fit is a task with one subtask per epoch, and an epoch, where a callback asks for it, one subtask
per segment: a share of the rows that the kernels train on in one call.  One file per concern:

- ``task.py``: what an estimator opens around its training, and :class:`Epoch`, what callbacks read.
- ``base.py``: :class:`Callback`, which turns the protocol's hooks into three methods to override, and
  :func:`on_epoch`, which makes a callback of a plain function.
- ``progress.py``, ``limits.py``, ``early_stopping.py``, ``checkpoint.py``, ``loggers.py``, ``path.py``:
  ready-made callbacks.
"""

from ..callback_support import CallbackSupportMixin
from .base import Callback, on_epoch, on_segment
from .checkpoint import Checkpoint
from .early_stopping import EarlyStopping
from .limits import DivergenceGuard, TimeBudget
from .loggers import CSVLogger, JSONLogger
from .path import PathRecorder
from .progress import ProgressBar
from .task import Epoch, fit_task

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackSupportMixin",
    "Checkpoint",
    "DivergenceGuard",
    "EarlyStopping",
    "Epoch",
    "JSONLogger",
    "PathRecorder",
    "ProgressBar",
    "TimeBudget",
    "fit_task",
    "on_epoch",
    "on_segment",
]
