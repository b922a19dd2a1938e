"""What is imported on first use, which type checkers cannot see; tests/test_typing.py keeps it true."""

from ..callback_support import CallbackSupportMixin as CallbackSupportMixin
from .base import Callback as Callback
from .base import on_epoch as on_epoch
from .base import on_segment as on_segment
from .checkpoint import Checkpoint as Checkpoint
from .early_stopping import EarlyStopping as EarlyStopping
from .limits import DivergenceGuard as DivergenceGuard
from .limits import TimeBudget as TimeBudget
from .loggers import CSVLogger as CSVLogger
from .loggers import JSONLogger as JSONLogger
from .path import PathRecorder as PathRecorder
from .progress import ProgressBar as ProgressBar
from .task import Epoch as Epoch
from .task import fit_task as fit_task
