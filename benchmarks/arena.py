"""One child process per package, in which its solvers are fitted.

A process of its own keeps the packages' thread pools and bundled libraries apart, can be ended when
a solver does not come to an end, and survives a crash of one. Each child loads its own copy of the
data into ordinary memory, fits, evaluates the objective (outside the measured time), and answers with
seconds and value. Time is the process's CPU time where one thread is asked for, so that a busy machine
costs nothing and a second thread gains nothing; with more threads, wall clock. A fit that takes too
long is ended by a timer of the same CPU time (Unix only).
"""

import contextlib
import os
import pickle
import select
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from benchmarks import measure
from benchmarks.objective import value
from benchmarks.rivals import SOLVERS

CHECKOUT = str(Path(__file__).resolve().parent.parent)
CHILD = """
import sys
sys.path.append({path!r})
from benchmarks import arena
arena.serve({rival!r}, {threads})
"""
# Meant for one build of a BLAS, these slow every other one: an adapter asks for what its package needs.
BLAS_OVERRIDES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
LOADING = 300  # wall seconds that imports, loading and warming up may take


class Run(NamedTuple):
    seconds: float
    value: float  # of the objective; infinity where the fit failed
    problem: str = ""  # why, in that case


class Ended(Exception):
    """The child did not answer in time, or is no more."""


# -- the parent's side -----------------------------------------------------------------------------


class Arena:
    """The children of one run; at any time they all know the same data and problem."""

    def __init__(self, threads=1):
        self.threads, self.children = threads, {}
        self.present, self.missing = {}, {}
        self.folder = tempfile.TemporaryDirectory(prefix="fastgd-benchmarks-")
        self.asked = None

    def start(self, rivals=SOLVERS):
        """The packages at hand, as {rival: what it said of itself}."""
        for rival in rivals:
            try:
                self.present[rival] = self.child(rival).about
            except (ImportError, Ended) as error:
                self.missing[rival] = str(error)
        return self.present

    def child(self, rival):
        if rival not in self.children:
            child = self.children[rival] = Child(rival, self.threads)
            child.solvers = child.ask(*self.asked, limit=LOADING) if self.asked else {}
        return self.children[rival]

    def pose(self, data, problem):
        """The data and the problem that all fits are of from now on; {solver: (rival, ladder?)}."""
        path = Path(self.folder.name) / "data.pickle"
        with open(path, "wb") as file:
            pickle.dump(tuple(data), file, protocol=5)
        self.asked = ("pose", str(path), problem)
        solvers = {}
        for rival in self.present:
            try:
                fresh = rival not in self.children
                child = self.child(rival)
                names = child.solvers if fresh else child.ask(*self.asked, limit=LOADING)
            except (ImportError, Ended) as error:
                self.drop(rival)
                print(f"  {rival}: left out of {data.name}: {error}")
                continue
            solvers |= {name: (rival, ladder) for name, ladder in names.items()}
        return solvers

    def fit(self, rival, solver, tol, limit):
        """One fit as a ``Run``, or None if it took longer than ``limit`` seconds."""
        try:
            child = self.child(rival)
            child.ask("warm_up", solver, limit=LOADING)
            run = child.ask("fit", solver, tol, limit, limit=LOADING + 20 * limit)
        except (ImportError, Ended) as error:
            self.drop(rival)
            return None if error.args == ("time",) else Run(np.inf, np.inf, str(error))
        return None if run.seconds > limit or run.problem.startswith(OutOfTime.__name__) else run

    def wall(self, rival, solver, tol, limit=LOADING):
        """Wall seconds of one fit."""
        return self.child(rival).ask("fit", solver, tol, limit, time.perf_counter, limit=limit).seconds

    def drop(self, rival):
        child = self.children.pop(rival, None)
        if child:
            child.end()

    def close(self):
        for rival in list(self.children):
            self.drop(rival)
        self.folder.cleanup()


class Child:
    def __init__(self, rival, threads):
        adapter = import_module(f"benchmarks.rivals.{rival}")
        environment = {k: v for k, v in os.environ.items() if k not in BLAS_OVERRIDES}
        environment |= dict.fromkeys(measure.THREAD_VARIABLES, str(threads))
        environment |= getattr(adapter, "ENVIRONMENT", {})
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD.format(path=CHECKOUT, rival=rival, threads=threads)],
            cwd=tempfile.gettempdir(),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.about = self.answer(LOADING)
        if isinstance(self.about, ImportError):
            self.end()
            raise self.about

    def ask(self, *request, limit):
        try:
            pickle.dump(request, self.process.stdin)
            self.process.stdin.flush()
        except OSError as error:
            raise Ended("its process ended") from error
        return self.answer(limit)

    def answer(self, limit):
        ready, _, _ = select.select([self.process.stdout], [], [], limit)
        if not ready:
            raise Ended("time")
        try:
            return pickle.load(self.process.stdout)
        except EOFError as error:
            code = self.process.wait()
            raise Ended(
                "time" if code == -signal.SIGVTALRM else f"its process ended with code {code}"
            ) from error

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


# -- the child's side ------------------------------------------------------------------------------


def serve(rival, threads):
    """Answer requests until the parent goes away."""
    answers = os.fdopen(os.dup(1), "wb")  # what packages print must not get between the answers
    os.dup2(2, 1)
    warnings.simplefilter("ignore")

    def say(answer):
        pickle.dump(answer, answers)
        answers.flush()

    try:
        adapter = import_module(f"benchmarks.rivals.{rival}")
        adapter.load(threads)
    except ImportError as error:
        return say(ImportError(str(error)))
    say(adapter.NOTE)
    house = House(adapter, threads)
    while True:
        try:
            request, *arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return None
        say(getattr(house, request)(*arguments))


class House:
    def __init__(self, adapter, threads):
        self.adapter, self.threads = adapter, threads
        self.clock = time.process_time if threads == 1 else time.perf_counter

    def pose(self, path, problem):
        with open(path, "rb") as file:
            _, self.X, self.y = pickle.load(file)
        self.problem = problem
        self.exact = self.X.astype(np.float64) if sp.issparse(self.X) else self.X
        self.solvers = {s.name: s for s in self.adapter.solvers(problem, self.X)}
        self.warm = set()
        return {s.name: s.ladder for s in self.solvers.values()}

    def warm_up(self, solver):
        """Compilers, allocators and caches, once for each solver."""
        if solver not in self.warm:
            self.warm.add(solver)
            few = self.few_rows()
            with contextlib.suppress(Exception):  # too few rows for it? the measured fit will tell
                self.solvers[solver].fit(self.X[few], self.y[few], 1e-1)

    def few_rows(self):
        """Some rows of each class."""
        if self.problem.loss == "squared_error":
            return np.arange(min(200, len(self.y)))
        return np.sort(np.concatenate([np.flatnonzero(self.y == k)[:100] for k in np.unique(self.y)]))

    def fit(self, solver, tol, limit, clock=None):
        """One fit, given up after ``limit`` seconds of CPU time for each thread."""
        clock = clock or self.clock
        if self.threads > 1:
            time.sleep(RESTING)
        started = clock()
        try:
            with ended_after(limit * self.threads):
                coef, intercept = self.solvers[solver].fit(self.X, self.y, tol)
        except Exception as error:
            return Run(clock() - started, np.inf, f"{type(error).__name__}: {error}"[:200])
        seconds = clock() - started
        if seconds < SHORT:  # a clock that ticks: as many fits as it takes to tell
            repeats = int(2 * SHORT / max(seconds, SHORT / 100))
            started = clock()
            for _ in range(repeats):
                coef, intercept = self.solvers[solver].fit(self.X, self.y, tol)
            seconds = (clock() - started) / repeats
        F = value(self.problem, self.exact, self.y, coef, intercept)
        return Run(seconds, F if np.isfinite(F) else np.inf)


SHORT = 0.02  # seconds
RESTING = 0.06  # that threads of BLAS go on spinning, after the objective was evaluated


class OutOfTime(Exception):
    """Raised inside a fit."""


@contextlib.contextmanager
def ended_after(seconds):
    """An exception where Python gets to raise it; if compiled code runs on, the end of the process."""

    def give_up(signum, frame):
        raise OutOfTime

    signal.signal(signal.SIGPROF, give_up)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_VIRTUAL, 1.2 * seconds + 0.1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
