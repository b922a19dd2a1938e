"""History: what each epoch saw, kept as tuples while training and as arrays afterwards."""

import numpy as np

__all__ = ["History", "joined", "latest_of", "side_by_side", "stacked"]

COLUMNS = ("loss", "objective", "learning_rate", "update_norm", "seconds", "validation_score")


class History(list):
    """One model's training: a tuple per epoch, in the order of `COLUMNS`, the last one optional."""

    def columns(self):
        """The columns so far: name -> list of floats."""
        return {
            name: list(values) for name, values in zip(COLUMNS, zip(*self, strict=True), strict=False)
        }

    def arrays(self):
        """The columns as float64 arrays of shape (epochs,)."""
        table = np.array(self or np.empty((0, 5)), dtype=np.float64)
        return {name: table[:, i].copy() for i, name in enumerate(COLUMNS[: table.shape[1]])}


def latest_of(histories, epoch):
    """The row of the epoch that has ended: name -> float, or array (models,), NaN after a model's end."""
    if len(histories) == 1:
        return dict(zip(COLUMNS, histories[0][-1], strict=False))
    width = max(len(history[-1]) for history in histories if history)
    rows = np.full((len(histories), width), np.nan)
    for model, history in enumerate(histories):
        if len(history) == epoch:
            rows[model] = history[-1]
    return dict(zip(COLUMNS, rows.T, strict=False))


def side_by_side(histories):
    """Columns so far of several models: name -> list of arrays (models,), NaN after a model's end."""
    if len(histories) == 1:
        return histories[0].columns()
    table = stacked([history.arrays() for history in histories])
    return {name: list(column) for name, column in table.items()}


def stacked(histories):
    """Histories of several models side by side: arrays of shape (epochs, models), padded with NaN."""
    if len(histories) == 1:
        return histories[0]
    epochs = max(len(history["loss"]) for history in histories)
    table = {}
    for name in histories[0]:
        table[name] = np.full((epochs, len(histories)), np.nan)
        for model, history in enumerate(histories):
            column = history.get(name, ())
            table[name][: len(column), model] = column
    return table


def joined(before, after):
    """A history and its continuation, for `partial_fit`; a column that one part lacks is NaN there."""
    if not before:
        return after
    table = {}
    for name in before | after:
        parts = [
            part[name] if name in part else np.full_like(part["loss"], np.nan) for part in (before, after)
        ]
        table[name] = np.concatenate(parts)
    return table
