"""A short version of each trial of `endurance.py`; memory is left to the command."""

import os

import endurance
import pytest
from endurance import KINDS

needs_posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="fork and timers are POSIX's")


@pytest.mark.parametrize("name", KINDS)
def test_threads_at_once_give_what_one_gives(name):
    assert endurance.threads(name, times=8) == 8


@needs_posix
@pytest.mark.filterwarnings("ignore:Loky-backed parallel loops")
def test_processes_give_what_this_one_gives():
    assert endurance.forks() == 3 * len(KINDS)


@needs_posix
@pytest.mark.parametrize("name", KINDS)
def test_an_interrupt_at_any_moment_leaves_a_model_or_none(name):
    left = endurance.interrupts(name, times=2, n=5000)
    assert left["valid"] + left["absent"] == 2


@pytest.mark.parametrize("name", KINDS)
def test_what_a_callback_raises_comes_out(name):
    assert endurance.callbacks(name, times=3) in (0, 3)  # 0: takes no callbacks


@needs_posix
def test_a_checkpoint_survives_kills():
    assert endurance.kills(times=5)["kills"] == 5
