"""How soon does a solver reach the optimum? Every solver climbs a ladder of tolerances.

What a tolerance means differs from package to package, so none is compared at equal tolerances. All
solvers climb the same ladder from loose to tight, the quickest so far going next; the objective that
each rung reaches is computed by us. A solver's time to a suboptimality is that of its quickest rung
that is at least so good. Between that rung and the next looser one, the ladder is refined for those
in the running. Then the chosen rungs are repeated, all in turn.

A rung that takes long ends the climb: longer than the limit, or than ``PATIENCE`` times what the
quickest solver needs to the last target.
"""

import math
from typing import NamedTuple

from benchmarks.measure import Spread, spread, take_turns

TARGETS = (1e-3, 1e-6)  # (F - F*) / F*
LADDER = tuple(10.0**-k for k in range(1, 11))
PATIENCE = 2.5
LEAST_LIMIT = 0.3  # seconds that every rung is given
RUNNING = 1.5  # times the quickest: up to here a solver's rungs are refined and repeated
STALLED = 3  # rungs in a row with one and the same outcome, the last of them at FINE or tighter
FINE = 1e-6


class Rung(NamedTuple):
    tol: float | None
    seconds: float
    value: float


class Arrival(NamedTuple):
    """A solver at a target."""

    seconds: Spread | None  # None: not reached
    value: float  # the objective there, else the least it got to
    tol: float | None = None
    repeats: int = 0
    why_not: str = ""


class Climber:
    def __init__(self, name, ladder=LADDER):
        self.name, self.ladder = name, ladder
        self.rungs, self.why_not = [], ""
        self.active = True

    def next(self):
        return self.ladder[len(self.rungs)]

    def pace(self):
        """How long the rung before took: at first, all are equal."""
        return self.rungs[-1].seconds if self.rungs else 0.0

    def take(self, run, tol, limit, optimum):
        """What came of a rung: ``None`` if it took longer than the limit."""
        if run is None:
            self.active, self.why_not = False, f"not by {limit:.3g} s"
            return
        self.rungs.append(Rung(tol, run.seconds, run.value))
        last = [rung.value for rung in self.rungs[-STALLED:]]
        if math.isinf(run.value):
            self.active, self.why_not = False, run.problem or "no finite model"
        elif len(self.rungs) == len(self.ladder) or self.reached(optimum, TARGETS[-1]):
            self.active = False
        elif len(last) == STALLED and len(set(last)) == 1 and tol <= FINE:
            self.active, self.why_not = False, "stalled"

    def reached(self, optimum, target):
        """The quickest rung that is good enough, or None."""
        enough = [r for r in self.rungs if good(r.value, optimum, target)]
        return min(enough, key=lambda rung: rung.seconds, default=None)

    def between(self, optimum, target):
        """A tolerance to try between the chosen rung and the tightest one that is not good enough."""
        chosen = self.reached(optimum, target)
        if chosen is None or chosen.tol is None:
            return None
        looser = [r.tol for r in self.rungs if r.tol > chosen.tol and not good(r.value, optimum, target)]
        if looser and min(looser) / chosen.tol > 2:
            return math.sqrt(min(looser) * chosen.tol)
        return None

    def least(self):
        return min((rung.value for rung in self.rungs), default=math.inf)


def good(value, optimum, target):
    return value - optimum <= target * abs(optimum)


def climb(climbers, run, optimum, limit):
    """All to the top of their ladders; ``run(name, tol, limit)`` is a ``Run``, or None out of time.

    ``optimum`` is called for its value, which may be lowered by what is found.
    """
    while active := [c for c in climbers if c.active]:
        climber = min(active, key=Climber.pace)
        allowed, tol = patience(climbers, optimum(), limit), climber.next()
        climber.take(run(climber.name, tol, allowed), tol, allowed, optimum())


def patience(climbers, optimum, limit):
    done = [rung.seconds for c in climbers if (rung := c.reached(optimum, TARGETS[-1]))]
    return min([limit, max(LEAST_LIMIT, PATIENCE * min(done))] if done else [limit])


def running(climbers, optimum, target):
    """Those whose quickest rung is near the quickest of all."""
    times = {c: rung.seconds for c in climbers if (rung := c.reached(optimum, target))}
    return [c for c, seconds in times.items() if seconds <= RUNNING * min(times.values())]


def refine(climbers, run, optimum, limit, rounds=2, always=()):
    for _ in range(rounds):
        for target in TARGETS:
            near = running(climbers, optimum(), target)
            for climber in near + [c for c in climbers if c.name in always and c not in near]:
                tol = climber.between(optimum(), target)
                again = tol and run(climber.name, tol, limit)
                if again and math.isfinite(again.value):
                    climber.rungs.append(Rung(tol, again.seconds, again.value))


def race(names, run, optimum, limit, repeats, always=()):
    """{target: {name: Arrival}, quickest first} and {(name, tol): seconds of each turn}.

    ``names`` is {solver: has it a ladder?}; those in ``always`` are refined and repeated however
    slow they are.
    """
    climbers = [Climber(name, LADDER if ladder else (None,)) for name, ladder in names.items()]
    climb(climbers, run, optimum, limit)
    refine(climbers, run, optimum, limit, always=always)
    best = optimum()
    chosen = {}
    for target in TARGETS:
        for climber in climbers:
            rung = climber.reached(best, target)
            if rung and (climber in running(climbers, best, target) or climber.name in always):
                chosen[climber.name, rung.tol] = rung
    outcomes = {key: [] for key in chosen}

    def sampler(key):
        def sample():
            again = run(*key, 10 * limit)
            outcomes[key].append(again.value if again else math.inf)
            return again.seconds if again else math.inf

        return sample

    turns = take_turns({key: sampler(key) for key in chosen}, repeats)
    arrivals = {}
    for target in TARGETS:
        found = {}
        for climber in climbers:
            rung = climber.reached(best, target)
            if rung is None:
                found[climber.name] = Arrival(
                    None, climber.least(), why_not=climber.why_not or "not reached"
                )
                continue
            key = climber.name, rung.tol
            taken = turns.get(key) or [rung.seconds]
            worst = max(outcomes.get(key) or [rung.value])
            unsteady = "" if good(worst, best, target) else "not in every repeat"
            found[climber.name] = Arrival(spread(taken), worst, rung.tol, len(taken), unsteady)
        in_order = sorted(found, key=lambda n: found[n].seconds.median if found[n].seconds else math.inf)
        arrivals[target] = {name: found[name] for name in in_order}
    return arrivals, turns
