"""CSVLogger and JSONLogger: what each epoch saw, written to a file as it happens.

A row is written and flushed after each epoch, so that a fit that dies leaves all rows but its last, and
another program can follow the file.
"""

import csv
import json
import math
import os

import numpy as np

from .base import Callback

__all__ = ["CSVLogger", "JSONLogger"]


class _Logger(Callback):
    """Opens the file when a fit begins and writes what `rows` makes of an epoch."""

    def __init__(self, path, *, append=False):
        self.path = os.fspath(path)
        self.append = append
        self._file = None

    def fit_begin(self, estimator):
        """Open the file: one that cannot be written is refused before any work."""
        self._file = open(self.path, "a" if self.append else "w", newline="", encoding="utf-8")  # noqa: SIM115

    def epoch_end(self, info):
        """Write the epoch."""
        columns = {name: np.ravel(values).tolist() for name, values in info.latest.items()}
        self._write(info.epoch, columns)
        self._file.flush()

    def teardown(self, estimator, context):
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def __getstate__(self):
        return {**self.__dict__, "_file": None}


class CSVLogger(_Logger):
    """Write a row per epoch and model to a CSV file.

    The columns are ``epoch``, ``model`` (0 if there is one; the classes or targets in their order) and
    those of `history_`: ``loss``, ``objective``, ``learning_rate``, ``update_norm``, ``seconds`` and, if
    there is a validation set, ``validation_score``. A model that has stopped has no more rows.

    Parameters
    ----------
    path : str or path-like
        The file; it is written to after every epoch.

    append : bool, default=False
        Go on with an existing file, as for a fit that is resumed; False: begin anew with each fit.
    """

    def _write(self, epoch, columns):
        writer = csv.writer(self._file)
        if self._file.tell() == 0:
            writer.writerow(["epoch", "model", *columns])
        for model, row in enumerate(zip(*columns.values(), strict=True)):
            if not all(map(math.isnan, row)):
                writer.writerow([epoch, model, *map(repr, row)])


class JSONLogger(_Logger):
    """Write a JSON object per epoch and line.

    Its keys are ``epoch`` and the columns of `history_` (see `CSVLogger`): numbers, or lists with one per
    model of several; null where a model has stopped.

    Parameters
    ----------
    path : str or path-like
        The file; it is written to after every epoch.

    append : bool, default=False
        Go on with an existing file, as for a fit that is resumed; False: begin anew with each fit.
    """

    def _write(self, epoch, columns):
        row = {"epoch": epoch}
        for name, values in columns.items():
            values = [value if math.isfinite(value) else None for value in values]
            row[name] = values[0] if len(values) == 1 else values
        self._file.write(json.dumps(row) + "\n")
