"""Many models on the same rows: all classes, a path of alphas, whole searches.

What fastgd trains together is compared with scikit-learn, and with fastgd training one by one: what
sharing itself gains.
"""

import warnings
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.duel import (
    DIFFERENCE,
    OURS,
    RATIO,
    SET,
    THEIRS,
    TYPE,
    apart,
    duel,
    epochs,
    loaded,
    marks,
    per_row,
    stable_step,
)
from benchmarks.footprint import in_child, search_peak_bytes
from benchmarks.measure import Epochs, ratio, seconds, spread, take_turns
from benchmarks.report import Column
from benchmarks.rivals import Task, fastgd, fastgd_alone, sklearn

# -- all classes, many alphas: epochs ------------------------------------------------------------


def classes(bench):
    table = bench.report.table(
        "classes",
        "One-vs-all epochs, log_loss, all classes, batch_size=1, constant step, shuffled",
        [
            SET,
            Column("classes", "classes", "d"),
            TYPE,
            OURS,
            THEIRS,
            RATIO,
            Column("alone", "times alone", ".2f", width=18),
            Column("softmax", "softmax", ".2f", width=16),
            DIFFERENCE,
        ],
        [
            "times alone: how much faster than fastgd with every class trained by itself",
            "softmax: time of its epoch over that of one-vs-all",
            "coef differs: from scikit-learn, in row order (shuffled, its classes go separate ways)",
        ],
    )
    for dtype, data in loaded(bench, "classes"):
        task = Task(step=stable_step(data.X))
        alone = epochs(bench, fastgd_alone, task, data)
        softmax = epochs(bench, fastgd, replace(task, softmax=True), data)
        in_order = replace(task, shuffle=False)
        cells, taken = duel(bench, task, data, dtype, in_order, alone=alone, softmax=softmax)
        gain = ratio(taken["alone"], taken["fastgd"])
        cells["mark"] = marks(cells["ratio"], cells["difference"], dtype, gain)
        over = ratio(taken["softmax"], taken["fastgd"])
        table.add(classes=len(np.unique(data.y)), alone=gain, softmax=over, **cells)
    for name, goal in (("mnist_10", 25), ("letter_26", 20)):
        table.mean(f"{name} float32", "ratio", goal, set=name, dtype="float32")
    for dtype in bench.precisions:
        table.mean(f"softmax over one-vs-all, {dtype}", "softmax", 1.5, at_most=True, dtype=dtype)


def models(bench):
    table = bench.report.table(
        "models",
        "Binary models with alphas of their own in one pass, log_loss, l2, constant step, shuffled",
        [
            SET,
            TYPE,
            Column("models", "models", "d"),
            Column("together_ns", "all models ns/row", ".0f", width=22),
            Column("one_ns", "one model ns/row", ".1f", width=22),
            Column("singles", "in single epochs", ".2f", width=20),
            Column("alone", "times alone", ".2f", width=18),
            DIFFERENCE,
        ],
        [
            "in single epochs: an epoch of all models over fastgd's epoch of one",
            "times alone: how much faster than as many single epochs; coef differs: from those models",
        ],
    )
    dense, sparse = bench.data.names["dense"], bench.data.names["sparse"]
    chosen = [n for n in dense if n in ("mnist", "adult_dense")] or dense[-3:-1]
    for name in (*chosen, *sparse[:1]):
        for dtype in bench.precisions:
            data = bench.data.load(name, dtype)
            one = Task(step=stable_step(data.X))
            for count in (10, 40, 200):
                tasks = [replace(one, alpha=float(a)) for a in np.logspace(-6, -3, count)]
                fit = together(tasks, data)
                steady = max(
                    bench.resolution, seconds(fit, 1) / 2
                )  # what is done once, is done per model
                taken = take_turns(
                    {
                        "together": Epochs(fit, steady),
                        "one": epochs(bench, fastgd, one, data),
                    },
                    min(bench.repeats, 3) if count == 200 else bench.repeats,
                )
                gain = ratio(np.multiply(taken["one"], count), taken["together"])
                differs = difference_to_single(tasks, data)
                table.add(
                    set=name,
                    dtype=dtype,
                    layout="dense" if name in dense else "csr",
                    models=count,
                    together_ns=per_row(taken["together"], data),
                    one_ns=per_row(taken["one"], data),
                    singles=ratio(taken["together"], taken["one"]),
                    alone=gain,
                    difference=differs,
                    mark=marks(None, differs, dtype, gain),
                )
    for layout, goal in (("dense", 15), ("csr", 6)):
        for dtype in bench.precisions:
            label = f"40 models, {layout} {dtype}"
            table.mean(label, "singles", goal, at_most=True, layout=layout, dtype=dtype, models=40)


def together(tasks, data):
    def fit(n):
        return fastgd.train_together([replace(task, epochs=n) for task in tasks], data.X, data.y)

    return fit


def difference_to_single(tasks, data):
    """The largest of three models' differences from the same models trained alone, in two epochs."""
    fitted = together(tasks, data)(2)
    few = sorted({0, len(tasks) // 2, len(tasks) - 1})
    singles = {i: fastgd.build(replace(tasks[i], epochs=2)).fit(data.X, data.y) for i in few}
    return max(apart(fitted[i], single) for i, single in singles.items())


# -- whole searches ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Search:
    """A grid search as a user would write it: default arguments but for what is named here."""

    label: str
    kind: str  # of data; the first set of it
    grid: dict
    folds: int
    rows: int | None  # the first so many; None for all
    quick_rows: int
    goal: float | None = None  # times faster than scikit-learn
    loss: str = "hinge"
    scaled: bool = False  # a StandardScaler in front
    n_jobs: tuple = (1,)
    precisions: tuple = ("float32", "float64")

    def build(self, estimators, searches, n_jobs):
        """The search class of one adapter over the estimator of another."""
        model = estimators.default("classification").set_params(loss=self.loss)
        grid = self.grid
        if self.scaled:
            model = Pipeline([("scale", StandardScaler()), ("sgd", model)])
            grid = {f"sgd__{name}": values for name, values in grid.items()}
        return searches.search(model, grid, cv=self.folds, n_jobs=n_jobs)


def alphas(count):
    return np.logspace(-6, -1, count).tolist()


SEARCHES = [
    Search(
        label="all classes",
        kind="classes",
        loss="log_loss",
        grid={"alpha": alphas(6)},
        folds=3,
        rows=20_000,
        quick_rows=2_000,
        n_jobs=(1, 2),
        precisions=("float32",),
        goal=30,
    ),
    Search(
        label="text, l2 and l1",
        kind="hashed",
        grid={"alpha": alphas(8), "penalty": ["l2", "l1"]},
        folds=5,
        rows=None,
        quick_rows=4_000,
        precisions=("float32",),
        goal=20,
    ),
    Search(
        label="text, l2",
        kind="hashed",
        grid={"alpha": alphas(8)},
        folds=5,
        rows=None,
        quick_rows=4_000,
        precisions=("float32",),
    ),
    Search(
        label="pipeline",
        kind="raw",
        grid={"alpha": alphas(8)},
        folds=3,
        rows=None,
        quick_rows=10_000,
        scaled=True,
        goal=20,
    ),
]
BRIEF = 20  # seconds up to which a search is run three times
SAME = 0.002  # of the best scores, where the best candidates differ


def search(bench):
    table = bench.report.table(
        "search",
        "GridSearchCV, default arguments, to the candidates' own stopping, with the refit",
        [
            Column("search", "search", width=15),
            SET,
            TYPE,
            Column("rows", "rows", "d", width=6),
            Column("fits", "fits", "d"),
            Column("n_jobs", "n_jobs", "d"),
            Column("fastgd_s", "fastgd s", ".2f", width=21),
            Column("inside_s", "in sklearn's s", ".2f", width=21),
            Column("sklearn_s", "sklearn s", ".1f", width=21),
            RATIO,
            Column("inside", "times in sklearn's", ".2f", width=18),
            Column("fastgd_score", "best", ".4f"),
            Column("sklearn_score", "sklearn", ".4f"),
        ],
        [
            "fastgd: its estimator in its search; in sklearn's: its estimator in scikit-learn's search;",
            "sklearn: scikit-learn's estimator in its search. best: mean score of the best candidate",
            f"what takes more than {BRIEF} s is run once. RESULTS DIFFER: neither the best candidate is",
            f"scikit-learn's, nor its score, to {SAME}",
        ],
    )
    for asked in SEARCHES:
        name = bench.data.names[asked.kind][0]
        for dtype, n_jobs in product(asked.precisions, asked.n_jobs):
            if dtype not in bench.precisions:
                continue
            _, X, y = bench.data.load(name, dtype)
            rows = asked.quick_rows if bench.quick else asked.rows
            X, y = X[:rows], y[:rows]
            sides = {
                "fastgd": asked.build(fastgd, fastgd, n_jobs),
                "inside": asked.build(fastgd, sklearn, n_jobs),
                "sklearn": asked.build(sklearn, sklearn, n_jobs),
            }
            taken = searched(sides, X, y, 1 if bench.quick else 3)
            faster, gain = (ratio(taken[who], taken["fastgd"]) for who in ("sklearn", "inside"))
            table.add(
                search=asked.label,
                set=name,
                dtype=dtype,
                rows=len(y),
                fits=asked.folds * len(sides["fastgd"].cv_results_["params"]),
                n_jobs=n_jobs,
                ratio=faster,
                inside=gain,
                sharing=sides["fastgd"].sharing_report_,
                mark=search_marks(sides, faster, gain),
                **{f"{who}_s": spread(samples) for who, samples in taken.items()},
                **{f"{who}_score": float(side.best_score_) for who, side in sides.items()},
                **{f"{who}_best": side.best_params_ for who, side in sides.items()},
            )
    for asked in SEARCHES:
        for n_jobs in asked.n_jobs:
            where = {"search": asked.label, "n_jobs": n_jobs}
            label = f"{asked.label}, n_jobs={n_jobs}"
            table.mean(label, "ratio", asked.goal if n_jobs == 1 else None, **where)
            table.mean(f"{label}, against sklearn's search", "inside", 3, **where)


def searched(sides, X, y, repeats):
    """Seconds of each side's search; warnings of candidates with useless alphas are kept quiet."""
    samplers = {who: lambda side=side: seconds(side.fit, X, y) for who, side in sides.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        taken = take_turns(samplers, 1)
        brief = {who: sampler for who, sampler in samplers.items() if taken[who][0] <= BRIEF}
        for who, samples in take_turns(brief, repeats - 1).items():
            taken[who] += samples
    return taken


def search_marks(sides, faster, gain):
    ours, theirs = sides["fastgd"], sides["sklearn"]
    same = ours.best_params_ == theirs.best_params_ or abs(ours.best_score_ - theirs.best_score_) <= SAME
    return ", ".join(filter(None, [marks(faster, alone=gain), "" if same else "RESULTS DIFFER"]))


# -- memory --------------------------------------------------------------------------------------


def memory(bench):
    table = bench.report.table(
        "search_memory",  # the other suite has a table `memory`
        "Peak memory of the search over all classes above X and y",
        [
            SET,
            TYPE,
            Column("rows", "rows", "d", width=6),
            Column("x_mb", "X MB", ".1f"),
            Column("fastgd_mb", "fastgd MB", ".1f"),
            Column("fastgd_share", "% of X", ".0f"),
            Column("sklearn_mb", "sklearn MB", ".1f"),
            Column("sklearn_share", "% of X", ".0f"),
        ],
        ["six alphas, three folds and the refit, at most 8 epochs: more take longer, but no more memory"],
    )
    name = bench.data.names["classes"][0]
    folder = bench.data.folder and str(bench.data.folder.resolve())
    first = next(asked for asked in SEARCHES if asked.kind == "classes")
    for dtype in bench.precisions:
        data = bench.data.load(name, dtype)
        rows = min(len(data.y), first.quick_rows if bench.quick else first.rows)
        size = data.X[:rows].nbytes
        arguments = {"rows": rows, "dtype": dtype, "alphas": first.grid["alpha"], "folds": first.folds}
        peaks = {
            who: in_child(search_peak_bytes, rival=who, folder=folder, epochs=8, **arguments)
            for who in ("fastgd", "sklearn")
        }
        table.add(
            set=name,
            dtype=dtype,
            rows=rows,
            x_mb=size / 1e6,
            mark="MORE MEMORY" if peaks["fastgd"] > peaks["sklearn"] else "",
            **{f"{who}_mb": peak / 1e6 for who, peak in peaks.items()},
            **{f"{who}_share": 100 * peak / size for who, peak in peaks.items()},
        )


TABLES = [classes, models, search, memory]
