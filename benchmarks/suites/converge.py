"""Time to the optimum: whole fits against every rival's solvers, at the same objective.

The objective is computed by us on everyone's coefficients (objective.py), its optimum by Newton's
method (optimum.py); each solver runs in a process of its package (arena.py) and climbs a ladder of
tolerances (ladder.py). What a rival needs of X and y, copies and conversions, is part of its time.
One thread and CPU time, unless a table says otherwise.
"""

import math

import numpy as np

from benchmarks import datasets, ladder
from benchmarks.arena import Arena, Run
from benchmarks.datasets import Dataset
from benchmarks.duel import RATIO, SET, TYPE
from benchmarks.measure import Calls, ratio, spread, take_turns
from benchmarks.objective import elastic_net, gap, largest_alpha, logistic, ridge, value
from benchmarks.optimum import Optima, newton
from benchmarks.report import Column

OURS = "fastgd"
TIE = 1.1  # times sooner: ahead; slower by less than as much: a tie
LIMIT, QUICK_LIMIT = 30, 4  # seconds a fit may take
REPEATS = 5
PROBLEM = Column("problem", "problem", width=14)
TARGET = Column("target", "to", ".0e")
NOTES = [
    "to: (F - F*) / F*. rival: the quickest solver of all on this row (the JSON has every one's time)",
    "loss: the objective F at the end of the timed fit, computed in double precision on the coefficients",
    "ahead: at least 1.1 times sooner than that rival; tie: within as much",
]
COLUMNS = [
    SET,
    PROBLEM,
    TYPE,
    TARGET,
    Column("rival", "rival", width=24),
    Column("rival_s", "rival s", ".4f", width=24),
    Column("fastgd_s", "fastgd s", ".4f", width=24),
    RATIO,
    Column("rival_loss", "rival's loss", ".8f"),
    Column("fastgd_loss", "fastgd's loss", ".8f"),
    Column("optimum", "F*", ".8f"),
]


# -- a contest: all solvers on one problem after the other -----------------------------------------


class Contest:
    """The children, the optima and the rows of one table."""

    def __init__(self, bench, rivals=None, threads=1):
        self.bench, self.optima = bench, Optima()
        self.limit = QUICK_LIMIT if bench.quick else LIMIT
        self.arena = Arena(threads)
        self.rivals = rivals

    def __enter__(self):
        arguments = () if self.rivals is None else (self.rivals,)
        self.about = self.arena.start(*arguments)
        for rival, why in self.arena.missing.items():
            print(f"  left out: {rival} ({why})")
        return self

    def __exit__(self, *exception):
        self.arena.close()

    def race(self, data, problem):
        """Arrivals by target and the seconds of each turn, and the key of the optimum."""
        key = self.optima.find(data, problem)
        solvers = self.arena.pose(data, problem)

        def run(name, tol, limit):
            outcome = self.arena.fit(solvers[name][0], name, tol, limit)
            if outcome and math.isfinite(outcome.value):
                self.optima.lower(key, outcome.value, name)
            return outcome

        arrivals, turns = ladder.race(
            {name: has_ladder for name, (_, has_ladder) in solvers.items()},
            run,
            lambda: self.optima.value(key),
            self.limit,
            3 if self.bench.quick else REPEATS,
            always=(OURS,),
        )
        return arrivals, turns, key

    def rows(self, table, data, problem, label, group, targets=ladder.TARGETS):
        arrivals, turns, key = self.race(data, problem)
        for target in targets:
            found = dict(arrivals[target])
            ours = found.pop(OURS, None)
            rival = next(iter(found), None)
            theirs = found.get(rival)
            cells = compared(ours, theirs, (OURS, rival), turns, self.limit)
            table.add(
                set=data.name,
                problem=label,
                dtype=str(data.X.dtype),
                group=group,
                shape=list(data.X.shape),
                target=target,
                rival=rival if theirs and theirs.seconds else "none",
                optimum=self.optima.value(key),
                recipe=self.optima.recipe(key),
                all={name: told(arrival) for name, arrival in arrivals[target].items()},
                **cells,
            )
        self.bench.report.save()


def told(arrival):
    """For the JSON file."""
    known = arrival._asdict()
    return known | {"seconds": arrival.seconds._asdict() if arrival.seconds else None}


def compared(ours, theirs, names, turns, limit):
    """The cells and the verdict of a row."""
    cells = {}
    for who, arrival in (("fastgd", ours), ("rival", theirs)):
        if arrival:
            cells |= {f"{who}_s": arrival.seconds, f"{who}_loss": arrival.value}
    if ours is None or theirs is None:
        return cells
    if not theirs.seconds:
        verdict = "ahead: no rival got there" if ours.seconds else "nobody got there"
    elif not ours.seconds:  # in the mean it counts as if it came right after the limit
        cells["ratio"] = spread([theirs.seconds.median / limit])
        verdict = f"BEHIND: {ours.why_not}"
    else:
        taken = [
            turns.get((name, a.tol), a.seconds) for name, a in zip(names, (ours, theirs), strict=True)
        ]
        sooner = cells["ratio"] = (
            ratio(taken[1], taken[0])
            if len(taken[0]) == len(taken[1])
            else spread([theirs.seconds.median / ours.seconds.median])
        )
        verdict = "ahead" if sooner.median >= TIE else "tie" if sooner.median > 1 / TIE else "BEHIND"
        verdict += f", {ours.why_not}" if ours.why_not else ""
    return cells | {"mark": verdict}


def labelled(bench, name, dtype):
    """A set with classes as 0, 1, ..."""
    data = bench.data.load(name, dtype)
    if data.y.dtype.kind == "f":
        return data
    return Dataset(data.name, data.X, np.unique(data.y, return_inverse=True)[1].astype(np.int64))


def chosen(bench, kinds, names, quick=None):
    """The named sets that are at hand, or else all of their kinds that are."""
    here = [name for kind in kinds for name in bench.data.names[kind]]
    wanted = quick if bench.quick and quick else names
    return [name for name in wanted if name in here] or here[: 2 if bench.quick else None]


# -- the tables ------------------------------------------------------------------------------------

STRENGTH = {"mnist": 0.01, "mnist_10": 0.01}  # C, where it is not 1


def table_of(bench, key, title, notes=()):
    return bench.report.table(f"converge_{key}", title, COLUMNS, [*NOTES, *notes])


def dense(bench):
    table = table_of(bench, "dense", "Dense, logistic regression, l2")
    names = ("adult_dense", "covtype_20k", "skin", "mnist")
    with Contest(bench) as contest:
        for name in chosen(bench, ("dense",), names, names[:3]):
            for dtype in bench.precisions:
                data, C = labelled(bench, name, dtype), STRENGTH.get(name, 1.0)
                contest.rows(table, data, logistic(len(data.y), C), f"C={C:g}", "dense")
    for target in ladder.TARGETS:
        table.mean(f"dense to {target:.0e}", "ratio", 2, group="dense", target=target)


SPARSE = [
    ("w8a", (1.0,)),
    ("a9a", (1.0,)),
    ("flights_onehot", (1.0,)),
    ("imdb_tfidf", (0.1, 1.0, 10.0, 100.0)),
]


def sparse(bench):
    table = table_of(bench, "sparse", "CSR, logistic regression, l2")
    quick = ("w8a", "a9a")
    with Contest(bench) as contest:
        for name in chosen(bench, ("binary columns", "sparse"), [name for name, _ in SPARSE], quick):
            for dtype in bench.precisions:
                data = labelled(bench, name, dtype)
                for C in dict(SPARSE).get(name, (1.0,)):
                    contest.rows(table, data, logistic(len(data.y), C), f"C={C:g}", "sparse")
    for target in ladder.TARGETS:
        table.mean(f"sparse to {target:.0e}", "ratio", 2.5, group="sparse", target=target)


def softmax(bench):
    table = table_of(bench, "softmax", "Softmax over all classes, l2")
    with Contest(bench) as contest:
        for name in chosen(bench, ("classes",), ("letter_26", "mnist_10"), ("letter_26",)):
            for dtype in ("float32",) if name == "mnist_10" else bench.precisions:
                data, C = labelled(bench, name, dtype), STRENGTH.get(name, 1.0)
                contest.rows(table, data, logistic(len(data.y), C, softmax=True), f"C={C:g}", name)
    table.mean("letter", "ratio", 1.5, group="letter_26")
    table.mean("mnist", "ratio", 1, group="mnist_10")


REGRESSIONS = ("california", "bike", "beijing_regression", "fremtpl2freq")


def squared(bench):
    table = table_of(bench, "squared", "Squared loss: Ridge(alpha=1) and LinearRegression")
    names = chosen(bench, ("regressions",), REGRESSIONS, REGRESSIONS[:2])
    with Contest(bench) as contest:
        for name in (*names, *bench.data.names["sparse regression"]):
            for dtype in bench.precisions:
                data = labelled(bench, name, dtype)
                group = "dense" if isinstance(data.X, np.ndarray) else "sparse"
                for alpha in (1.0, 0.0):
                    label = f"ridge {alpha:g}" if alpha else "no penalty"
                    contest.rows(table, data, ridge(len(data.y), alpha), label, group)
    table.mean("dense", "ratio", 1, group="dense")
    table.mean("sparse", "ratio", 4, group="sparse")


def lasso(bench):
    table = table_of(
        bench,
        "lasso",
        "Lasso and elastic net (l1_ratio 0.5)",
        ["alpha as a share of the least one at which all coefficients are zero"],
    )
    names = chosen(bench, ("regressions",), REGRESSIONS, REGRESSIONS[:2])
    sparse_names = () if bench.quick else bench.data.names["sparse regression"]
    with Contest(bench) as contest:
        for name in (*names, *sparse_names):
            for dtype in bench.precisions:
                data = labelled(bench, name, dtype)
                for l1_ratio in (1.0, 0.5):
                    for share in (0.1, 0.01):
                        alpha = share * largest_alpha(data.X, data.y, l1_ratio)
                        label = f"{'lasso' if l1_ratio == 1 else 'elastic'} {share:g}"
                        problem = elastic_net(len(data.y), alpha, l1_ratio)
                        contest.rows(table, data, problem, label, label.split()[0])
    table.mean("lasso", "ratio", 2, group="lasso")
    table.mean("elastic net", "ratio", 2, group="elastic")


def l1(bench):
    table = table_of(bench, "l1", "Logistic regression, l1 and elastic net (l1_ratio 0.5), C=1")
    names = chosen(bench, ("dense", "sparse"), ("adult_dense", "imdb_tfidf"), ("adult_dense",))
    with Contest(bench) as contest:
        for name in names:
            for dtype in bench.precisions:
                data = labelled(bench, name, dtype)
                for label, l1_ratio in (("l1", 1.0), ("elastic net", 0.5)):
                    contest.rows(table, data, logistic(len(data.y), 1.0, l1_ratio), label, label)
    for label in ("l1", "elastic net"):
        table.mean(label, "ratio", 1, group=label)


# -- fastgd with itself, and small fits ------------------------------------------------------------


def problems(bench):
    """(data, problem, label) of a set of every kind."""
    for name in chosen(bench, ("dense",), ("mnist", "adult_dense", "skin"), ("adult_dense",)):
        data, C = labelled(bench, name, "float32"), STRENGTH.get(name, 1.0)
        yield data, logistic(len(data.y), C), f"C={C:g}"
    for name in chosen(bench, ("sparse",), ("imdb_tfidf", "flights_onehot"), ("flights_onehot",)):
        data = labelled(bench, name, "float32")
        yield data, logistic(len(data.y), 1.0), "C=1"
    for name in chosen(bench, ("classes",), ("letter_26", "mnist_10"), ("letter_26",)):
        data, C = labelled(bench, name, "float32"), STRENGTH.get(name, 1.0)
        yield data, logistic(len(data.y), C, softmax=True), f"softmax C={C:g}"
    for name in chosen(bench, ("regressions",), REGRESSIONS[2:], REGRESSIONS[2:3]):
        data = labelled(bench, name, "float64")
        yield data, ridge(len(data.y), 1.0), "ridge 1"


def threads(bench):
    table = bench.report.table(
        "converge_threads",
        "fastgd with two threads, wall clock",
        [
            SET,
            PROBLEM,
            TYPE,
            TARGET,
            Column("one_s", "one thread s", ".4f", width=24),
            Column("two_s", "two threads s", ".4f", width=24),
            Column("ratio", "times faster", ".2f", width=18),
        ],
        ["goals: 1.4 where memory binds and 1.6 where arithmetic does, above 50 ms; never slower"],
    )
    with Contest(bench, ["fastgd_solvers"]) as one, Contest(bench, ["fastgd_solvers"], 2) as two:
        if not one.about:
            return
        for data, problem, label in problems(bench):
            arrivals, _, _ = one.race(data, problem)
            two.arena.pose(data, problem)
            for target in ladder.TARGETS:
                ours = arrivals[target][OURS]
                if not ours.seconds:
                    table.add(set=data.name, problem=label, target=target, mark=ours.why_not)
                    continue
                walls = take_turns(
                    {
                        number: lambda c=c, tol=ours.tol: c.arena.wall("fastgd_solvers", OURS, tol)
                        for number, c in (("one", one), ("two", two))
                    },
                    3 if bench.quick else REPEATS,
                )
                faster = ratio(walls["one"], walls["two"])
                table.add(
                    set=data.name,
                    problem=label,
                    dtype=str(data.X.dtype),
                    target=target,
                    one_s=spread(walls["one"]),
                    two_s=spread(walls["two"]),
                    ratio=faster,
                    mark="SLOWER" if faster.median < 1 else "",
                )
    table.mean("two threads", "ratio", 1.4)


# (scaled set, unscaled set, kind of problem, C of the unscaled one over that of the scaled one)
SCALED = [
    ("adult_dense", "adult_dense_unscaled", "binary", 1.0),
    ("covtype_20k", "covtype_20k_unscaled", "binary", 1.0),
    ("skin", "skin_unscaled", "binary", 1.0),
    ("mnist", "mnist_unscaled", "binary", 1 / 255**2),
    ("letter_26", "letter_unscaled", "softmax", 1 / 15**2),
    ("california", "california_unscaled", "ridge", 1.0),
    ("bike", "bike_unscaled", "ridge", 1.0),
    ("beijing_regression", "beijing_pm25_unscaled", "ridge", 1.0),
    ("fremtpl2freq", "fremtpl2freq_unscaled", "ridge", 1.0),
    ("california", "california_unscaled", "lasso", 1.0),
    ("bike", "bike_unscaled", "lasso", 1.0),
    ("breast_cancer", "breast_cancer_unscaled", "binary", 1.0),
]
IN_QUICK = ("adult_dense", "covtype_20k", "california", "breast_cancer")


def raw(bench):
    table = bench.report.table(
        "converge_raw",
        "fastgd on unscaled data over the same on scaled data",
        [
            SET,
            PROBLEM,
            TYPE,
            TARGET,
            Column("raw_s", "unscaled s", ".4f", width=24),
            Column("scaled_s", "scaled s", ".4f", width=24),
            Column("ratio", "times scaled", ".2f", width=18),
            Column("raw_loss", "loss", ".8g"),
            Column("optimum", "F*", ".8g"),
        ],
        [
            "the penalty is in the user's units, so problems differ; not where all of X was divided by",
            "one number (mnist, letter): there C is divided by its square. goal: at most 1.5 times",
        ],
    )
    with Contest(bench, ["fastgd_solvers"]) as contest:
        if not contest.about:
            return
        for scaled, unscaled, kind, factor in SCALED:
            if not {scaled, unscaled} <= set(bench.data.loaders) or (
                bench.quick and scaled not in IN_QUICK
            ):
                continue
            for dtype in bench.precisions:
                arrivals = {}
                for name, times in ((unscaled, factor), (scaled, 1.0)):
                    data = labelled(bench, name, dtype)
                    problem = posed(kind, data, STRENGTH.get(scaled, 1.0) * times)
                    arrivals[name], _, key = contest.race(data, problem)
                    if name == unscaled:
                        best = contest.optima.value(key)
                for target in ladder.TARGETS:
                    there, base = (arrivals[name][target][OURS] for name in (unscaled, scaled))
                    both = there.seconds and base.seconds
                    times = spread([there.seconds.median / base.seconds.median]) if both else None
                    table.add(
                        set=scaled,
                        problem=kind,
                        dtype=dtype,
                        target=target,
                        raw_s=there.seconds,
                        scaled_s=base.seconds,
                        ratio=times,
                        raw_loss=there.value,
                        optimum=best,
                        mark=there.why_not or ("OVER 1.5" if times and times.median > 1.5 else ""),
                    )
    table.mean("unscaled over scaled", "ratio", 1.5, at_most=True)


def posed(kind, data, C):
    n = len(data.y)
    if kind == "ridge":
        return ridge(n, 1.0)
    if kind == "lasso":
        return elastic_net(n, 0.01 * largest_alpha(data.X, data.y))
    return logistic(n, C, softmax=kind == "softmax")


def small(bench):
    table = bench.report.table(
        "converge_small",
        "One fit on a 200 x 5 array, default arguments",
        [
            Column("what", "what", width=24),
            TYPE,
            Column("fastgd_ms", "fastgd ms", ".3f", width=24),
            Column("sklearn_ms", "sklearn ms", ".3f", width=24),
            RATIO,
        ],
        ["goal: within 2 times scikit-learn's time"],
    )
    import sklearn.linear_model as theirs

    import fastgd as ours

    X, y = datasets.dense(200, 5)
    for name, arguments in (
        ("LogisticRegression", {}),
        ("LinearRegression", {}),
        ("Ridge", {}),
        ("Lasso", {"alpha": 0.01}),
        ("ElasticNet", {"alpha": 0.01}),
    ):
        if not hasattr(ours, name):
            print(f"  left out: fastgd has no {name} yet")
            continue
        for dtype in bench.precisions:
            models = {"fastgd": getattr(ours, name), "sklearn": getattr(theirs, name)}
            taken = take_turns(
                {
                    who: default_fit(kind(**arguments), X.astype(dtype), y, bench)
                    for who, kind in models.items()
                },
                bench.repeats,
            )
            faster = ratio(taken["sklearn"], taken["fastgd"])
            table.add(
                what=name,
                dtype=dtype,
                ratio=faster,
                mark="" if faster.median >= 0.5 else "OVER TWICE",
                **{f"{who}_ms": spread(np.multiply(t, 1e3)) for who, t in taken.items()},
            )
    table.mean("times faster", "ratio", 0.5)


def default_fit(model, X, y, bench):
    return Calls(lambda: model.fit(X, y), bench.resolution / 4)


# -- does the suite measure what it says? ----------------------------------------------------------


def check(bench):
    """Every solver's objective is ours, and the ladder picks what it should: on small problems."""
    check_objectives()
    check_ladder()
    table = bench.report.table(
        "converge_check",
        "Every solver's best suboptimality on small problems: is its objective ours?",
        [
            Column("rival", "rival", width=10),
            Column("solver", "solver", width=28),
            *(Column(key, key, ".0e", width=8) for key in CHECKS),
        ],
        ["at tolerance 1e-10, within a second, or looser; - : it has no such problem"],
    )
    with Contest(bench) as contest:
        for rival, note in contest.about.items():
            print(f"  {rival}: {note}")
        found = {}
        for label, (name, pose) in CHECKS.items():
            load = getattr(datasets, name)
            X, y = load()
            data = Dataset(
                name, np.ascontiguousarray(X), y if y.dtype.kind == "f" else y.astype(np.int64)
            )
            problem = pose(data)
            best, _ = newton(data.X, data.y, problem)
            for solver, (rival, has_ladder) in contest.arena.pose(data, problem).items():
                run = None
                for tol in (1e-10, 1e-6, 1e-3) if has_ladder else (None,):
                    run = run or contest.arena.fit(rival, solver, tol, 1)
                cells = found.setdefault((rival, solver), {})
                cells[label] = max((run.value - best) / best, 1e-16) if run else math.inf
        for (rival, solver), cells in found.items():
            table.add(
                rival=rival,
                solver=solver,
                mark="OBJECTIVE DIFFERS" if max(cells.values()) > 0.05 else "",
                **cells,
            )


def smallest(data, share=0.1, l1_ratio=1.0):
    return elastic_net(len(data.y), share * largest_alpha(data.X, data.y, l1_ratio), l1_ratio)


CHECKS = {
    "l2": ("breast_cancer", lambda data: logistic(len(data.y), 1.0)),
    "l1": ("breast_cancer", lambda data: logistic(len(data.y), 1.0, 1.0)),
    "l1 l2": ("breast_cancer", lambda data: logistic(len(data.y), 1.0, 0.5)),
    "softmax": ("digits_10", lambda data: logistic(len(data.y), 0.1, softmax=True)),
    "ridge": ("diabetes", lambda data: ridge(len(data.y), 10.0)),
    "plain": ("diabetes", lambda data: ridge(len(data.y), 0.0)),
    "lasso": ("diabetes", smallest),
    "elastic": ("diabetes", lambda data: smallest(data, l1_ratio=0.5)),
}


def check_objectives():
    """The gap bounds the truth; Newton's optimum is one; the losses are scikit-learn's."""
    from sklearn.metrics import log_loss

    rng = np.random.default_rng(0)
    for name, pose in CHECKS.values():
        X, y = getattr(datasets, name)()
        y = y if y.dtype.kind == "f" else y.astype(np.int64)
        problem = pose(Dataset(name, X, y))
        best, _ = newton(X, y, problem)
        classes = int(y.max()) + 1 if problem.loss == "softmax" else 1
        W, b = 0.01 * rng.standard_normal((classes, X.shape[1])), np.zeros(classes)
        assert best <= value(problem, X, y, W, b)
        if problem.loss != "squared_error":
            Z = X @ W.T + b
            if classes == 1:
                Z = np.hstack([np.zeros_like(Z), Z])
            P = np.exp(Z) / np.exp(Z).sum(axis=1, keepdims=True)
            expected = log_loss(y, P) + problem.l1 * np.abs(W).sum() + problem.l2 / 2 * (W**2).sum()
            assert math.isclose(value(problem, X, y, W, b), expected, rel_tol=1e-12)
        if classes == 1 and problem.alpha:
            assert gap(problem, X, y, W, b) >= value(problem, X, y, W, b) - best - 1e-12


def check_ladder():
    """A solver whose suboptimality is its tolerance and whose time is known: what is picked is known."""

    def run(name, tol, limit):
        if name == "direct":
            return Run(0.3, 1.0)
        seconds, suboptimality = {
            "quick": (-0.01 * math.log10(tol), tol),
            "crude": (-0.01 * math.log10(tol) / 2, max(tol, 3e-4)),
            "slow": (-math.log10(tol), tol),
        }[name]
        return Run(seconds, 1 + suboptimality) if seconds <= limit else None

    names = {"slow": True, "quick": True, "crude": True, "direct": False}
    arrivals, turns = ladder.race(names, run, lambda: 1.0, 30, 3)
    assert list(arrivals[1e-3])[:2] == ["crude", "quick"]
    assert next(iter(arrivals[1e-6])) == "quick"
    assert not arrivals[1e-6]["crude"].seconds and not arrivals[1e-6]["slow"].seconds
    assert math.isclose(arrivals[1e-6]["direct"].seconds.median, 0.3)
    assert all(len(seconds) == 3 for seconds in turns.values())


TABLES = [check, dense, sparse, lasso, l1, softmax, squared, threads, raw, small]
