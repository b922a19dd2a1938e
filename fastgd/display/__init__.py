"""Displays: pictures of a descent, in scikit-learn's Display convention.

Each class takes fitted things by ``from_...``, keeps the numbers that it shows as attributes, and draws
them by ``plot(ax=None)``, which sets ``figure_`` and ``ax_``. matplotlib is needed for drawing only, and
imported then. One file per display; ``style.py`` is the look that they share, ``landscape.py`` the
objective of given weights.
"""

from .descent_path import DescentPathDisplay
from .learning_rate import LearningRateFinderDisplay
from .regularization import RegularizationPathDisplay
from .training_curve import TrainingCurveDisplay

__all__ = [
    "DescentPathDisplay",
    "LearningRateFinderDisplay",
    "RegularizationPathDisplay",
    "TrainingCurveDisplay",
]
