"""What is running: the facts to put into a bug report, in one place."""

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import joblib

from . import __version__
from .kernels import available_levels, built_with, level, long_vectors

_DEPENDENCIES = ("numpy", "scipy", "scikit-learn", "joblib")


def show_config():
    """Print the version, the kernels in use, their compiler, the threads and the dependencies.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.show_config()  # doctest: +SKIP
    fastgd        0.1.0
    kernels       v3 (available: v3, baseline)
    ...
    """
    for name, value in config().items():
        print(f"{name:<14}{value}")


def config():
    """Return what :func:`show_config` prints.

    Returns
    -------
    dict of str
        In the order of printing.
    """
    return {
        "fastgd": __version__,
        "kernels": f"{level} (available: {', '.join(available_levels())})"
        + (", vectors of 64 bytes for sums of products" if long_vectors else ""),
        "compiler": f"{built_with['compiler']}, Cython {built_with['Cython']}",
        "threads": f"{joblib.effective_n_jobs(-1)}{_gil()}",
        "python": f"{platform.python_version()} ({platform.system()} {platform.machine()})",
        **{name: _version(name) for name in _DEPENDENCIES},
    }


def _gil():
    """A remark if this is a free-threaded Python."""
    return "" if getattr(sys, "_is_gil_enabled", lambda: True)() else " (free-threaded)"


def _version(distribution):
    try:
        return version(distribution)
    except PackageNotFoundError:  # not installed as a distribution, by conda for one
        return "unknown"
