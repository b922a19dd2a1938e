"""History: what each epoch saw, kept as lists while training and as arrays afterwards."""

import numpy as np

__all__ = ["History", "joined", "stacked"]


class History(dict):
    """Columns of one model's training, a list of floats per name; one row per epoch."""

    def append(self, **row):
        """Add an epoch."""
        for name, value in row.items():
            self.setdefault(name, []).append(value)

    def arrays(self):
        """Return the columns as float64 arrays of shape (epochs,)."""
        return {name: np.array(values, dtype=np.float64) for name, values in self.items()}


def stacked(histories):
    """Histories of several models side by side: arrays of shape (epochs, models), padded with NaN."""
    if len(histories) == 1:
        return histories[0]
    epochs = max(len(history["loss"]) for history in histories)
    table = {}
    for name in histories[0]:
        table[name] = np.full((epochs, len(histories)), np.nan)
        for model, history in enumerate(histories):
            table[name][: len(history[name]), model] = history[name]
    return table


def joined(before, after):
    """A history and its continuation, for `partial_fit`."""
    if not before:
        return after
    return {name: np.concatenate([before[name], after[name]]) for name in after}
