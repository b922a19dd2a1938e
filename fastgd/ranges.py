"""Ranges of the numbers that optimizers and schedules take, and the sentence for those outside."""

from dataclasses import dataclass
from math import inf, isfinite
from numbers import Integral, Real

import numpy as np

__all__ = ["ANY", "COUNT", "FROM_ONE", "FROM_ZERO", "POSITIVE", "SHARE", "UNIT", "Range"]


@dataclass(frozen=True)
class Range:
    """Finite numbers from `least` to `most`.

    Attributes
    ----------
    above, below : bool
        Whether `least` and `most` themselves are left out.
    whole : bool
        Whether it must be an int.
    """

    least: float = -inf
    most: float = inf
    above: bool = False
    below: bool = False
    whole: bool = False

    def __contains__(self, value):
        return (
            (self.least < value if self.above else self.least <= value)
            and (value < self.most if self.below else value <= self.most)
            and isfinite(value)
        )

    def __str__(self):
        lower = f"{'>' if self.above else '>='} {self.least:g}"
        upper = f"{'<' if self.below else '<='} {self.most:g}"
        words = [lower] if self.least > -inf else []
        words += [upper] if self.most < inf else [] if self.whole else ["finite"]
        return " and ".join(words)

    def check(self, value, name, owner=None):
        """Refuse a value that is not in it.

        Parameters
        ----------
        value
        name : str
        owner : object or None, default=None
            Whose parameter it is, for the sentence.

        Raises
        ------
        TypeError
            For what is not a number, or not an int where one is needed.
        ValueError
            For numbers out of range.
        """
        kind = Integral if self.whole else Real
        fits = isinstance(value, kind) and not isinstance(value, (bool, np.bool_))
        if fits and value in self:
            return
        whose = f"{name}={value!r}" if owner is None else f"{name}={value!r} of {owner!r}"
        if not fits:
            raise TypeError(f"{whose} must be {f'an int {self}' if self.whole else 'a number'}.")
        raise ValueError(f"{whose} must be {self}.")


ANY = Range()
POSITIVE = Range(0.0, above=True)
FROM_ZERO = Range(0.0)
FROM_ONE = Range(1.0)
SHARE = Range(0.0, 1.0, below=True)
UNIT = Range(0.0, 1.0)
COUNT = Range(1, whole=True)
