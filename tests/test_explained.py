"""Every parameter of every public class is explained where `help` shows it."""

import inspect

import pytest

import fastgd
from fastgd import model_selection
from fastgd.linear_model import explained

CLASSES = [name for name in fastgd.__all__ if inspect.isclass(getattr(fastgd, name))]
CLASSES += model_selection.__all__


@pytest.mark.parametrize("name", CLASSES)
def test_every_parameter_is_explained(name):
    kind = getattr(fastgd, name, None) or getattr(model_selection, name)
    entries = explained.entries(kind.__doc__)
    for parameter in inspect.signature(kind).parameters:
        _, *explanation = entries[parameter].split("\n")
        assert " ".join(explanation).strip(), parameter
    assert not explained.PLACE.search(kind.__doc__) and not explained.REST.search(kind.__doc__)


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
