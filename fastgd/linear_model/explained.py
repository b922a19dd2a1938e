"""Explanations of parameters that several estimators share, written once.

Design note. `help(Lasso)` shall explain every parameter, not send its reader elsewhere, and yet each
explanation has one home. A docstring says ``...`` on a line of its own where the parameters that it does
not explain itself belong; `by` fills that in from the estimator that explains them.
"""

import inspect
import re

__all__ = ["by"]

PLACE = re.compile(r"^\.\.\.$", re.MULTILINE)
PARAMETERS = re.compile(r"^Parameters\n-+\n(.*?)(?=^\w[\w ]*\n-{3,}$|\Z)", re.DOTALL | re.MULTILINE)
ENTRY = re.compile(r"^(\w[\w, ]*?)( : .*)?\n((?:(?: {4}.*)?\n)+)", re.MULTILINE)


def by(base):
    """Class decorator: explain the parameters at the ``...`` as `base`, an estimator, does.

    Parameters
    ----------
    base : type

    Returns
    -------
    callable
    """

    def explained(cls):
        if cls.__doc__ is None:  # python -OO
            return cls
        own, shared = entries(cls.__doc__), entries(base.__doc__)
        names = [name for name in inspect.signature(cls.__init__).parameters if name not in own]
        text = "\n\n".join(shared[name] for name in names if name in shared)
        cls.__doc__ = PLACE.sub(lambda _: text, inspect.cleandoc(cls.__doc__), count=1)
        return cls

    return explained


def entries(doc):
    """Parameter -> its lines in a docstring, without the common indentation."""
    section = PARAMETERS.search(inspect.cleandoc(doc))
    found = ENTRY.findall(section[1].rstrip() + "\n") if section else []
    return {
        name.strip(): f"{name.strip()}{kind}\n{body.rstrip()}"
        for names, kind, body in found
        for name in names.split(",")
    }
