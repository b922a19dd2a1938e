"""The compiled kernels: they know buffers and numbers, no estimator and no policy.

``kernels`` is the module of compiled functions that suits this CPU; see :mod:`.dispatch`.
"""

from .dispatch import available_levels, built_with, kernels, level, long_vectors

__all__ = ["available_levels", "built_with", "kernels", "level", "long_vectors"]
