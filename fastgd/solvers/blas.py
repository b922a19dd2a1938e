"""One thread for BLAS while a solver is at work on small products, or has threads of its own.

A thread pool of BLAS waits for its next product by spinning, on a core that our threads want, and shares
products that are over before it is awake. The limit is one for the process, so runs that overlap count:
the first sets it, the last takes it back.
"""

import os
import threading
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


class _Limit:
    """The limit of this process, and how many runs want it."""

    def __init__(self):
        self.lock, self.runs = threading.Lock(), 0
        self.pools = self.before = None

    def set(self):
        with self.lock:
            if self.pools is None:  # finding the libraries takes milliseconds
                self.pools = ThreadpoolController()
            if self.runs == 0:
                self.before = self.pools.limit(limits=1, user_api="blas")
            self.runs += 1

    def take_back(self):
        with self.lock:
            self.runs -= 1
            if self.runs == 0:
                self.before.restore_original_limits()


_limit = _Limit()
if hasattr(os, "register_at_fork"):  # runs of other threads do not go on in a child

    def _begin_anew():
        global _limit
        _limit = _Limit()

    os.register_at_fork(after_in_child=_begin_anew)


@contextmanager
def one_thread(wanted=True):
    """Limit BLAS to one thread for as long as any run wants it.

    Parameters
    ----------
    wanted : bool, default=True
        False: leave it as it is.
    """
    if not wanted:
        yield
        return
    limit = _limit
    limit.set()
    try:
        yield
    finally:
        limit.take_back()
