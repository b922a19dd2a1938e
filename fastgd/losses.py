"""Losses: pointwise functions of the raw prediction ``p = w . x + b``.

The formulas live in ``kernels/losses.h``, where the training loops inline them; this module reads
that table, so a new loss appears here, in the estimators and in the tests by itself. The link is
part of the loss: no exponential overflows for large ``|p|``.
"""

from dataclasses import dataclass

import numpy as np

from .kernels import kernels

__all__ = ["LOSSES", "Loss"]

_TASKS = {1: ("classification",), 2: ("regression",), 3: ("classification", "regression")}


@dataclass(frozen=True)
class Loss:
    """One loss.

    Parameters
    ----------
    name : str
        What estimators call it, as in ``loss="hinge"``.
    number : int
        Its place in the kernels' table.
    tasks : tuple of str
        "classification" (y in {-1, +1}), "regression", or both.
    parameter : str
        Name of its one parameter, "" if it has none.
    default : float
        Default of that parameter.
    """

    name: str
    number: int
    tasks: tuple
    parameter: str
    default: float

    @property
    def task(self):
        """The task the loss is made for."""
        return self.tasks[-1]

    def _evaluate(self, y, raw, parameter, gradient):
        y, raw = np.broadcast_arrays(np.asarray(y, np.float64), np.asarray(raw, np.float64))
        out = np.empty(raw.shape)
        parameter = self.default if parameter is None else parameter
        kernels.pointwise(
            self.number,
            parameter,
            np.ascontiguousarray(y).ravel(),
            np.ascontiguousarray(raw).ravel(),
            out.reshape(-1),
            gradient,
        )
        return out

    def value(self, y, raw, parameter=None):
        """Loss of each pair of target and raw prediction, as a float64 array."""
        return self._evaluate(y, raw, parameter, False)

    def gradient(self, y, raw, parameter=None):
        """Derivative of each loss in the raw prediction, as a float64 array."""
        return self._evaluate(y, raw, parameter, True)

    def total(self, y, raw, weight=None, parameter=None):
        """Sum of ``weight`` times loss over float64 arrays of shape (n,)."""
        parameter = self.default if parameter is None else parameter
        return kernels.total_loss(self.number, parameter, y, raw, weight)


LOSSES = {
    name: Loss(name, number, _TASKS[task], parameter, default)
    for number, (name, task, parameter, default) in enumerate(kernels.losses())
}
