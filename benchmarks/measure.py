"""How time is taken.

* One thread, wall clock; processor time where a suite says so. All contenders of a comparison take turns
  in the same loop, in alternating order, so that a slow minute of the machine hits all of them.
* The time of an epoch is a difference, ``(fit(1 + k) - fit(1)) / k``: validation, copies and other
  things done once per fit cancel. Each contender gets its own k, so large that the difference is
  far above the clock's and the machine's noise.
* A figure is a median with its quartiles; a ratio is taken turn by turn before its median is.
"""

import contextlib
import math
import os
import time
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)


@contextlib.contextmanager
def single_threaded():
    """Here by threadpoolctl, in child processes by the environment."""
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    with threadpool_limits(limits=1):
        yield


class Spread(NamedTuple):
    median: float
    low: float
    high: float


def spread(samples):
    return Spread(*(float(q) for q in np.quantile(samples, (0.5, 0.25, 0.75))))


def ratio(slow, fast):
    return spread(np.divide(slow, fast))


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def seconds(call, *args, clock=time.perf_counter):
    started = clock()
    call(*args)
    return clock() - started


class Epochs:
    """Seconds per epoch of ``fit(epochs)``."""

    def __init__(self, fit, resolution, most=20_000, clock=time.perf_counter):
        self.fit, self.extra, self.clock = fit, 2, clock
        while True:  # also the warm-up
            gap = self.seconds(1 + self.extra) - self.seconds(1)
            if gap >= 0.7 * resolution or self.extra >= most:
                break
            growth = resolution / gap if gap > resolution / 10 else 8
            self.extra = min(most, math.ceil(self.extra * min(8, 1.2 * growth)))

    def seconds(self, count):
        return seconds(self.fit, count, clock=self.clock)

    def __call__(self):
        once = self.seconds(1)
        return max(self.seconds(1 + self.extra) - once, 1e-9) / self.extra


class Processor:
    """Processor seconds per step of ``run(steps)``, in which a step is one unit of something small."""

    def __init__(self, run, steps):
        self.run, self.steps = run, steps
        run(steps)  # the warm-up

    def __call__(self):
        started = time.process_time()
        self.run(self.steps)
        return (time.process_time() - started) / self.steps


class Calls:
    """Seconds per call of something short."""

    def __init__(self, call, resolution):
        self.call, first = call, seconds(call)
        if first < resolution:  # short enough for the warm-up to matter
            first = min(seconds(call) for _ in range(3))
        self.times = max(1, math.ceil(resolution / first))

    def __call__(self):
        started = time.perf_counter()
        for _ in range(self.times):
            self.call()
        return (time.perf_counter() - started) / self.times


def take_turns(samplers, repeats):
    """{name: seconds of each turn}, the order reversed every other turn."""
    taken = {name: [] for name in samplers}
    for turn in range(repeats):
        for name in list(samplers)[:: -1 if turn % 2 else 1]:
            taken[name].append(samplers[name]())
    return taken


def streaming_read(X, resolution):
    """The fastest way we know to make NumPy read all of X once: (what it was, its sampler)."""
    flat, ones = X.reshape(-1), np.ones(X.shape[1], X.dtype)
    words = flat[: flat.size // 2 * 2].view(np.int64)
    readers = {
        "BLAS dot(x, x)": lambda: flat @ flat,
        "BLAS gemv X @ 1": lambda: X @ ones,
        "int64 max": lambda: words.max(),
    }
    samplers = {name: Calls(read, resolution / 4) for name, read in readers.items()}
    fastest = min(samplers, key=lambda name: min(samplers[name]() for _ in range(3)))
    return fastest, samplers[fastest]
