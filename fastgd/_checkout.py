"""Standing in a checkout: its sources hide the installed package.

Python puts the current folder first on its path, so ``pip install . && python -m fastgd``, typed in
a checkout, finds the sources, which have no compiled kernels.  They then step aside for the package
that was installed from them.  Imported by the package in that case only.
"""

import sys
from importlib.machinery import PathFinder
from pathlib import Path


def installed_instead(sources):
    """Return where the installed package is, or ``sources`` if there is none.

    Parameters
    ----------
    sources : list of str
        The ``__path__`` of the package in the checkout.

    Returns
    -------
    list of str
        The ``__path__`` to use.
    """
    root = Path(sources[0]).resolve().parent
    elsewhere = [entry for entry in sys.path if Path(entry).resolve() != root]
    spec = PathFinder.find_spec("fastgd", elsewhere)
    if spec is None or spec.submodule_search_locations is None:
        return list(sources)
    return list(spec.submodule_search_locations)
