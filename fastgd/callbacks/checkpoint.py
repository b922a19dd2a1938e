"""Checkpoint: a fit on disk, to predict with or to go on from with the same bits.

Design note. A file holds a fitted copy of the estimator as of the end of an epoch, the state of the
training (weights, penalties so far, clock of the schedule, patience, kept weights; the row order is
drawn again from its seed), what the other callbacks remember, and a fingerprint of the data. It is
written to a temporary file beside it, flushed to the disk and put in place by one rename, so that whoever
reads or dies at any moment finds the last whole checkpoint. Going on is `fit` itself: this callback hands
the state to the fit that begins (`context.resume_from`), and the kernels take it up.
"""

import contextlib
import copy
import hashlib
import os
import pickle
import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from ..callback_support import as_if_fitted
from .base import Callback

__all__ = ["Checkpoint"]

FORMAT = 1  # of the files; raised when their meaning changes
SAMPLED_ROWS = 4096  # of X, for the fingerprint
MAY_CHANGE = ("max_iter", "verbose", "n_jobs")  # parameters that a resumed fit may have otherwise


class Checkpoint(Callback):
    """Save the fit to a file every so many epochs and at its end.

    Parameters
    ----------
    path : str or path-like
        The file. It may contain ``{epoch}``, for a file per checkpoint.

    every : int, default=1
        Epochs between two checkpoints.

    resume : bool, default=False
        Whether a fit that begins goes on from the file, if there is one: a program that is killed and
        started again then loses at most `every` epochs.

    Notes
    -----
    A resumed fit ends with the same coefficients, bit for bit, as one that was not interrupted, if it
    gets the same data and parameters; `max_iter` may be larger. Other callbacks of this package that are
    set when it resumes go on, too. The file is a pickle: load only files that you trust. Set it on the
    estimator itself (the last step of a pipeline), not on a search, whose fits would overwrite each
    other's file.

    Examples
    --------
    >>> import tempfile, os
    >>> import numpy as np
    >>> from fastgd import SGDRegressor
    >>> from fastgd.callbacks import Checkpoint
    >>> X, y = np.arange(6.0).reshape(-1, 1) / 6, np.arange(6.0)
    >>> path = os.path.join(tempfile.mkdtemp(), "fit.ckpt")
    >>> model = SGDRegressor(max_iter=20, tol=None, random_state=0)
    >>> half = model.set_params(max_iter=10).set_callbacks(Checkpoint(path)).fit(X, y).coef_
    >>> whole = Checkpoint.resume(path, X, y, max_iter=20)
    >>> whole.n_iter_
    20
    """

    def __init__(self, path, *, every=1, resume=False):
        if not (isinstance(every, (int, np.integer)) and every >= 1):
            raise ValueError(f"every={every!r} epochs: it must be an int from 1 on.")
        self.path = os.fspath(path)
        self.every = int(every)
        self.resumes = resume
        self._fingerprint = None
        self._saved = None  # the epoch of the last file

    # -- saving -----------------------------------------------------------------------------------

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        """Look at the data and, when the fit begins, offer the state to go on from."""
        if context.task_name in ("epoch", "segment"):
            return
        self._fingerprint = fingerprint(X, y, (metadata or {}).get("sample_weight"))
        self._saved = None
        check_saveable(estimator)
        if self.resumes and "{epoch}" not in self.path and os.path.exists(self.path):
            saved = read(self.path)
            check_same(estimator, saved, self._fingerprint, self.path)
            for callback, (name, state) in zip(others(estimator), saved["callbacks"], strict=False):
                if type(callback).__name__ == name:
                    callback.load(state)
            context.resume_from = saved["state"]

    def epoch_end(self, info):
        """Save the fit, if it is time."""
        if info.epoch % self.every == 0:
            info.defer(lambda: self._save(info))  # with what the callbacks after this one remember

    def fit_end(self, info):
        """Save the end of the fit."""
        if info.epoch != self._saved:
            info.defer(lambda: self._save(info))

    def _save(self, info):
        state = info.state
        if state is None:  # cut short within an epoch: the last whole one stays
            return
        fitted = info.fitted_estimator
        for name in [name for name in vars(fitted) if "callback" in name]:
            delattr(fitted, name)
        history = {name: np.array(column) for name, column in info.history.items()}
        fitted = as_if_fitted(
            fitted,
            {
                "history_": history,
                "n_iter_": info.epoch,
                "stop_reason_": f"This is the checkpoint of epoch {info.epoch}.",
            },
        )
        content = {
            "format": FORMAT,
            "estimator": fitted,
            "state": state,
            "fingerprint": self._fingerprint,
            "callbacks": [(type(c).__name__, c.state()) for c in others(info.estimator)],
        }
        write(self.path.replace("{epoch}", str(info.epoch)), content)
        self._saved = info.epoch

    # -- loading ----------------------------------------------------------------------------------

    @staticmethod
    def load(path):
        """The estimator as of the checkpoint, ready to predict.

        Parameters
        ----------
        path : str or path-like
            A file that this callback wrote; as with any pickle, one that you trust.

        Returns
        -------
        estimator : fitted estimator
        """
        return read(path)["estimator"]

    @classmethod
    def resume(cls, path, X, y=None, *, max_iter=None, callbacks=(), every=None, **fit_params):
        """Go on with the fit of a checkpoint.

        Parameters
        ----------
        path : str or path-like
            A file that this callback wrote; as with any pickle, one that you trust.

        X, y : array-like
            The data of the fit that was saved, and

        **fit_params
            what else it was given: `sample_weight`, `X_val`, `y_val` ...

        max_iter : int, default=None
            Most epochs, those before included; None for those of the saved estimator.

        callbacks : sequence of callbacks, default=()
            Callbacks of the saved fit, in the same order and without its `Checkpoint`.

        every : int, default=None
            Go on saving to the file every so many epochs; None: do not.

        Returns
        -------
        estimator : fitted estimator

        Raises
        ------
        ValueError
            If the data differ from those of the saved fit.
        """
        estimator = copy.copy(read(path)["estimator"])
        for name in ("coef_", "intercept_", "offset_", "history_", "stop_reason_"):
            vars(estimator).pop(name, None)
        if max_iter is not None:
            estimator.set_params(max_iter=max_iter)
        own = cls(path, every=every or 1, resume=True)
        if every is None:
            own._save = lambda info: None
        estimator.set_callbacks(own, *callbacks)
        try:
            return estimator.fit(X, y, **fit_params)
        finally:
            estimator.set_callbacks(*callbacks)


def others(estimator):
    """The callbacks of this package on an estimator, but its checkpoints."""
    own = getattr(estimator, "_skl_callbacks", ())
    return [c for c in own if isinstance(c, Callback) and not isinstance(c, Checkpoint)]


def write(path, content):
    """Put a file in place as a whole: whatever happens meanwhile, there is the old one or the new one."""
    folder = os.path.dirname(os.path.abspath(path))
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}.", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            pickle.dump(content, file, protocol=5)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    with contextlib.suppress(OSError):  # the rename itself; some systems cannot open a folder
        folder = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path):
    """The content of a checkpoint."""
    try:
        content = pickle.loads(Path(path).read_bytes())
        version = content["format"]
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"{os.fspath(path)} is no checkpoint of fastgd: {error}") from error
    if version != FORMAT:
        raise ValueError(
            f"{os.fspath(path)} is a checkpoint of format {version}; this version of fastgd reads "
            f"{FORMAT}. Resume with the version that wrote it."
        )
    return content


def check_same(estimator, saved, data, path):
    """Refuse to go on with other data or parameters than those of the saved fit."""
    for what, now in data.items():
        before = saved["fingerprint"].get(what)
        if now != before:
            raise ValueError(
                f"The checkpoint {path} cannot be resumed: {what} is not that of the saved fit"
                f"{'' if len(str(now)) > 30 else f' ({now} now, {before} then)'}. Pass the same data, or "
                "remove the file to begin anew."
            )
    before = saved["estimator"].get_params()
    for name, now in estimator.get_params().items():
        drawn = name == "random_state" and not isinstance(now, (int, np.integer))  # by the saved seed
        if name not in MAY_CHANGE and not drawn and not alike(now, before.get(name)):
            raise ValueError(
                f"The checkpoint {path} cannot be resumed: it was made with {name}={before.get(name)!r}, "
                f"this fit has {name}={now!r}. Set the same, or remove the file to begin anew."
            )


def alike(one, other):
    """Whether two parameters are the same; objects and functions by what a pickle says of them."""
    return repr(one) == repr(other) or pickle.dumps(one) == pickle.dumps(other)


def check_saveable(estimator):
    """Refuse parameters that no file can hold before any work is done."""
    for name, value in estimator.get_params().items():
        try:
            pickle.dumps(value)
        except Exception as error:
            raise ValueError(
                f"The fit cannot be saved: {name}={value!r} has no pickle ({error}). Functions must "
                "have a name in a module; a lambda has none."
            ) from error


def fingerprint(X, y, sample_weight):
    """What tells data apart: kinds, shapes, and digests of rows (of X, a sample of them)."""
    print_ = {}
    for name, values in (("X", X), ("y", y), ("sample_weight", sample_weight)):
        if values is None:
            print_[f"whether there is a {name}"] = False
            continue
        if sp.issparse(values):
            print_[f"the number of values of {name}"] = values.nnz
        else:
            values = np.asarray(values)
        print_[f"the shape of {name}"] = tuple(values.shape)
        print_[f"the type of {name}"] = str(values.dtype)
        stride = max(1, values.shape[0] // SAMPLED_ROWS)
        rows = values[::stride]
        digest = hashlib.blake2b(digest_size=16)
        for part in (rows.data, rows.indices, rows.indptr) if sp.issparse(rows) else (rows,):
            plain = part.dtype.hasobject
            digest.update(repr(part.tolist()).encode() if plain else np.ascontiguousarray(part).tobytes())
        print_[f"the content of {name}"] = digest.hexdigest()
    return print_
