"""A pytest plugin: scikit-learn's own tests with fastgd's estimators in place.

Design note. Patching happens when the plugin is loaded, before scikit-learn's test modules are
collected, because they look their estimators up when they are imported. A suite that passes because
nothing was patched proves nothing, so the plugin also notes which tests construct an estimator of
fastgd, and writes both to the file named by ``--suite-report``.
"""

import functools
import json
from pathlib import Path

import pytest

import fastgd
import fastgd.patching

current = None
outcomes = {}
constructing = set()


def note_construction(klass):
    """Make ``klass`` note the running test whenever it, or a subclass, is constructed."""
    construct = klass.__init__

    @functools.wraps(construct)  # scikit-learn reads the parameters from the signature
    def __init__(self, *args, **kwargs):
        if current is not None:
            constructing.add(current)
        construct(self, *args, **kwargs)

    klass.__init__ = __init__


fastgd.patch_sklearn()
for estimator in map(fastgd.__getattr__, fastgd.patching.REPLACEMENTS):
    note_construction(estimator)


def pytest_addoption(parser):
    parser.addoption("--suite-report", type=Path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    global current
    current = item.name
    try:
        return (yield)
    finally:
        current = None


def pytest_runtest_logreport(report):
    name = report.nodeid.rpartition("::")[2]
    if report.when == "call" or report.outcome != "passed":
        outcomes[name] = report.outcome


def pytest_sessionfinish(session):
    report = {"outcomes": outcomes, "constructing": sorted(constructing)}
    session.config.getoption("--suite-report").write_text(json.dumps(report))
