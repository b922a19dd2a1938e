"""Explanations of parameters that several estimators share, written once.

Design note. `help(Lasso)` shall explain every parameter, not send its reader elsewhere, and yet each
explanation has one home. A docstring says ``...`` on a line of its own where the parameters that it does
not explain itself belong, or, indented, in the entry of one whose explanation goes on there; `by` fills
that in from the estimator that explains them.
"""

import inspect
import re

__all__ = ["by"]

PLACE = re.compile(r"^\.\.\.$", re.MULTILINE)
REST = re.compile(r"^( {4}\.\.\.)$", re.MULTILINE)
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
        doc = PLACE.sub(lambda _: text, inspect.cleandoc(cls.__doc__), count=1)
        for name in [name for name in own if REST.search(own[name])]:
            rest = shared[name].partition("\n")[2]
            doc = doc.replace(own[name], REST.sub(lambda _, rest=rest: rest, own[name]))
        cls.__doc__ = doc
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
