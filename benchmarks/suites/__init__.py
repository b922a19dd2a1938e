"""What is asked: one file per suite, found by being here.

A suite is a module with ``TABLES``, a list of functions of a ``Bench``; see ``bench.py``.
"""

import pkgutil
from importlib import import_module


def names():
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name):
    return import_module(f"{__name__}.{name}")
