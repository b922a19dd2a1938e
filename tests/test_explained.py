"""Every parameter of every public class, function and `fit` is explained where `help` shows it."""

import importlib
import inspect

import pytest

from fastgd.linear_model import explained

MODULES = ("", *(f".{name}" for name in ["callbacks", "optimizers", "schedules", "losses", "penalties"]))
MODULES += tuple(f".{name}" for name in ["display", "optimize", "diagnosis", "model_selection"])
METHODS = ("fit", "partial_fit", "predict", "predict_proba", "predict_log_proba", "decision_function")


def ours():
    """{name: class or function of a public module, or method of such a class that is fastgd's own}"""
    found = {}
    for module in (importlib.import_module(f"fastgd{name}") for name in MODULES):
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                found[thing.__module__ + "." + name] = thing
                methods = {method: getattr(thing, method, None) for method in METHODS}
                found |= {
                    f"{thing.__module__}.{name}.{method}": function
                    for method, function in methods.items()
                    if inspect.isfunction(function) and function.__module__.startswith("fastgd.")
                }
    return found


PUBLIC = ours()


@pytest.mark.parametrize("name", PUBLIC)
def test_every_parameter_is_explained(name):
    doc = PUBLIC[name].__doc__
    entries = {key.lstrip("*"): entry for key, entry in explained.entries(doc or "").items()}
    for parameter, its in inspect.signature(PUBLIC[name]).parameters.items():
        if parameter == "self" or its.kind in (its.VAR_POSITIONAL, its.VAR_KEYWORD):
            continue
        assert parameter in entries, parameter
        _, *explanation = entries[parameter].split("\n")
        assert " ".join(explanation).strip(), parameter
    if inspect.isclass(PUBLIC[name]):  # nothing is left to fill in
        assert not explained.PLACE.search(doc) and not explained.REST.search(doc)


def test_own_explanations_come_first():
    class Base:
        """A base.

        Parameters
        ----------
        a, b : int, default=1
            Shared.

        c : int
            Of the base.

        Attributes
        ----------
        d : int
            None of these.
        """

    class Derived(Base):
        """Derived.

        Parameters
        ----------
        c : float
            Its own.
            ...

        ...

        Attributes
        ----------
        d : int
        """

        def __init__(self, b=1, c=2.0, a=1):
            pass

    explained.by(Base)(Derived)
    assert explained.entries(Derived.__doc__) == {
        "c": "c : float\n    Its own.\n    Of the base.",
        "b": "b : int, default=1\n    Shared.",
        "a": "a : int, default=1\n    Shared.",
    }
