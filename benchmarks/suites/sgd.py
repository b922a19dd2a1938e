"""SGDClassifier and SGDRegressor against scikit-learn's, and against a loop written in NumPy."""

from dataclasses import replace

import numpy as np
from sklearn.model_selection import train_test_split

from benchmarks import datasets, measure
from benchmarks.duel import (
    DIFFERENCE,
    OURS,
    RATIO,
    SET,
    THEIRS,
    TYPE,
    difference,
    duel,
    epochs,
    loaded,
    marks,
    per_row,
    stable_step,
)
from benchmarks.footprint import import_seconds, in_child, peak_bytes
from benchmarks.measure import Calls, ratio, spread, take_turns
from benchmarks.report import Column
from benchmarks.rivals import Task, fastgd, numpy_loop, sklearn

VARIANTS = {  # of the dense epoch: what differs from the plain task, and what is aimed at
    "log_loss": ({}, {"float32": 10, "float64": 6}),
    "hinge": ({"loss": "hinge"}, {"float32": 10, "float64": 6}),
    "squared_error": ({"loss": "squared_error"}, {"float32": 10, "float64": 6}),
    "l1": ({"penalty": "l1"}, {"float32": 5, "float64": 5}),
    "elasticnet": ({"penalty": "elasticnet"}, {"float32": 5, "float64": 5}),
    "average": ({"average": True}, {"float32": 5, "float64": 5}),
    "early_stopping": ({"early_stopping": True}, {"float32": 5, "float64": 5}),
}


# -- the tables ----------------------------------------------------------------------------------


def dense(bench):
    table = bench.report.table(
        "dense",
        "Dense epochs, batch_size=1, constant step, shuffled",
        [
            Column("variant", "variant", width=14),
            SET,
            TYPE,
            OURS,
            THEIRS,
            RATIO,
            Column("stream", "of a read of X", ".2f", width=18),
            DIFFERENCE,
        ],
        ["of a read of X: the epoch over one sequential read of X by NumPy's fastest reader"],
    )
    for dtype, data in loaded(bench, "dense"):
        reader, read = measure.streaming_read(data.X, bench.resolution / 2)
        step = stable_step(data.X)
        for variant, (change, _) in VARIANTS.items():
            if bench.quick and variant != "log_loss" and data.X.size > 1e7:
                continue
            task = Task(step=step, **change)
            cells, taken = duel(bench, task, data, dtype, stream=read)
            table.add(
                variant=variant,
                stream=ratio(taken["fastgd"], taken["stream"]),
                reader=reader,
                **cells,
            )
    for variant, (_, goals) in VARIANTS.items():
        for dtype, goal in goals.items():
            table.mean(f"{variant} {dtype}", "ratio", goal, variant=variant, dtype=dtype)


def csr(bench):
    table = bench.report.table(
        "csr",
        "CSR epochs, batch_size=1, constant step, shuffled",
        [
            Column("penalty", "penalty", width=7),
            SET,
            TYPE,
            OURS,
            THEIRS,
            RATIO,
            Column("ns_stored", "ns/stored value", ".2f"),
            DIFFERENCE,
        ],
        ["coef differs: compared without intercept, which scikit-learn damps on CSR by 0.01"],
    )
    for dtype, data in loaded(bench, "sparse"):
        step = stable_step(data.X)
        for penalty in ("l2", "l1", None):
            cells, taken = duel(bench, Task(penalty=penalty, step=step), data, dtype)
            table.add(
                penalty=penalty or "none",
                ns_stored=float(np.median(taken["fastgd"])) * 1e9 / data.X.nnz,
                **cells,
            )
    for name in bench.data.names["sparse"]:
        row_length = next(r["fastgd_ns"].median / r["ns_stored"] for r in table.rows if r["set"] == name)
        for penalty in ("l2", "l1", "none"):
            goal = 5 if penalty == "l1" else 2.7 if row_length > 50 else 10
            table.mean(f"{name} {penalty}", "ratio", goal, set=name, penalty=penalty)


def minibatch(bench):
    table = bench.report.table(
        "minibatch",
        "Mini-batch epochs, log_loss, l2",
        [
            SET,
            TYPE,
            Column("batch", "batch", width=5),
            Column("order", "order", width=8),
            OURS,
            Column("single", "of batch_size=1", ".2f", width=18),
            Column("ratio", "times NumPy's loop", ".2f", width=18),
            DIFFERENCE,
        ],
        [
            "of batch_size=1: time over fastgd's at batch_size=1 in the same order",
            "coef differs: from the NumPy loop, in row order",
        ],
    )
    names = [n for n in bench.data.names["dense"] if n in ("mnist", "adult_dense")]
    for name in names or bench.data.names["dense"][-3:-1]:
        for dtype in bench.precisions:
            data = bench.data.load(name, dtype)
            single = Task(step=stable_step(data.X))
            for size, order in (
                (64, "shuffled"),
                (64, "in order"),
                (1024, "shuffled"),
                (1024, "in order"),
                ("full", "in order"),
            ):
                one = replace(single, shuffle=order == "shuffled")
                task = replace(one, batch_size=size)
                taken = take_turns(
                    {
                        "batch": epochs(bench, fastgd, task, data),
                        "one": epochs(bench, fastgd, one, data),
                        "loop": epochs(bench, numpy_loop, task, data),
                    },
                    bench.repeats,
                )
                faster = ratio(taken["loop"], taken["batch"])
                apart = difference(replace(task, shuffle=False), data, numpy_loop)
                table.add(
                    set=name,
                    dtype=dtype,
                    batch=str(size),
                    order=order,
                    ratio=faster,
                    fastgd_ns=per_row(taken["batch"], data),
                    single=ratio(taken["batch"], taken["one"]),
                    difference=apart,
                    mark=marks(faster, apart, dtype),
                )
    for size in ("64", "1024", "full"):
        table.mean(f"batch {size} over batch_size=1", "single", 1.5, at_most=True, batch=size)
    table.mean("NumPy, shuffled", "ratio", 3, order="shuffled")
    table.mean("NumPy, in order", "ratio", 1.5, order="in order")


def fit(bench):
    table = bench.report.table(
        "fit",
        "Whole fit, default arguments, to its own stopping (three quarters of the rows)",
        [
            SET,
            TYPE,
            Column("fastgd_s", "fastgd s", ".4f", width=24),
            Column("sklearn_s", "sklearn s", ".3f", width=20),
            RATIO,
            Column("fastgd_epochs", "epochs", "d"),
            Column("sklearn_epochs", "sklearn", "d"),
            Column("fastgd_score", "score", ".4f"),
            Column("sklearn_score", "sklearn", ".4f"),
        ],
        ["score: accuracy (R2 for regressions) on the other quarter"],
    )
    kinds = [
        ("dense", "classification"),
        ("sparse", "classification"),
        ("regression", "regression"),
    ]
    cases = [(name, kind) for group, kind in kinds for name in bench.data.names[group]]
    cases += [
        ("digits", "classification"),
        ("breast_cancer", "classification"),
        ("diabetes", "regression"),
    ]
    for name, kind in dict.fromkeys(cases):
        for dtype in bench.precisions:
            data = bench.data.load(name, dtype)
            X, X_test, y, y_test = train_test_split(data.X, data.y, random_state=0)
            rivals = {"fastgd": fastgd.default(kind), "sklearn": sklearn.default(kind)}
            samplers = {
                n: Calls(lambda m=m, X=X, y=y: m.fit(X, y), bench.resolution / 10)
                for n, m in rivals.items()
            }
            taken = take_turns(samplers, 1 if bench.quick else 3)
            faster = ratio(taken["sklearn"], taken["fastgd"])
            cells = {}
            for who, model in rivals.items():
                cells |= {
                    f"{who}_s": spread(taken[who]),
                    f"{who}_epochs": int(model.n_iter_),
                    f"{who}_score": float(model.score(X_test, y_test)),
                }
            worse = cells["sklearn_score"] - cells["fastgd_score"] > 0.005
            table.add(
                set=name,
                dtype=dtype,
                kind=kind,
                shape=list(X.shape),
                ratio=faster,
                mark=marks(faster) + (" WORSE SCORE" if worse else ""),
                **cells,
            )
    for dtype in bench.precisions:
        table.mean(dtype, "ratio", 5, dtype=dtype)


def growth(bench):
    table = bench.report.table(
        "growth",
        "Growth: time of an epoch on ever larger generated data, float32",
        [
            Column("grows", "what grows", width=10),
            Column("rows", "rows", "d", width=7),
            Column("columns", "columns", "d"),
            Column("fastgd_ms", "fastgd ms", ".2f", width=22),
            Column("per_element", "ns/value", ".3f"),
            Column("sklearn_per_element", "sklearn ns/value", ".3f"),
        ],
        ["linear growth: the exponent of a power law through the four times is 1"],
    )
    rows, columns = (100_000 if bench.quick else 200_000), 64  # too large for caches, if it can be
    for grows, base in (("rows", (rows, columns)), ("columns", (rows // 2, columns))):
        sizes = [
            (base[0] * k, base[1]) if grows == "rows" else (base[0], base[1] * k) for k in (1, 2, 4, 8)
        ]
        times = {"fastgd": [], "sklearn": []}
        for n, d in sizes:
            data = datasets.Dataset("generated", *datasets.dense(n, d, dtype=np.float32))
            _, taken = duel(bench, Task(step=0.1 / d), data, "float32")
            for who, samples in taken.items():
                times[who].append(float(np.median(samples)))
            table.add(
                grows=grows,
                rows=n,
                columns=d,
                fastgd_ms=spread(np.multiply(taken["fastgd"], 1e3)),
                per_element=times["fastgd"][-1] * 1e9 / (n * d),
                sklearn_per_element=times["sklearn"][-1] * 1e9 / (n * d),
            )
        for who, seconds in times.items():
            slope = float(np.polyfit(np.log([1, 2, 4, 8]), np.log(seconds), 1)[0])
            print(f"  {who}, {grows}: exponent {slope:.3f}")
            table.means.append({"label": f"exponent, {grows}, {who}", "value": slope})


def small(bench):
    table = bench.report.table(
        "small",
        "Small things: one fit on a 100 x 10 array, and the import",
        [
            Column("what", "what", width=42),
            Column("fastgd_ms", "fastgd ms", ".3f", width=24),
            Column("sklearn_ms", "sklearn ms", ".3f", width=24),
            RATIO,
        ],
    )
    X, y = datasets.dense(100, 10, noise=0.1)  # easy: no side has anything to warn of
    for loss in ("hinge", "squared_error"):
        for label, options in (("default arguments", None), ("20 epochs", Task(loss, epochs=20))):
            kind = "regression" if loss == "squared_error" else "classification"
            models = {
                who: adapter.build(options) if options else adapter.default(kind)
                for who, adapter in (("fastgd", fastgd), ("sklearn", sklearn))
            }
            taken = take_turns(
                {who: Calls(lambda m=m: m.fit(X, y), bench.resolution / 4) for who, m in models.items()},
                bench.repeats,
            )
            faster = ratio(taken["sklearn"], taken["fastgd"])
            table.add(
                what=f"fit, {loss}, {label}",
                ratio=faster,
                mark=marks(faster),
                **{f"{who}_ms": spread(np.multiply(t, 1e3)) for who, t in taken.items()},
            )
    imports = [
        in_child(import_seconds, first="sklearn.linear_model", then="fastgd", name="SGDClassifier")
        for _ in range(bench.repeats)
    ]
    theirs, added = (spread(np.multiply(times, 1e3)) for times in zip(*imports, strict=True))
    table.add(
        what="import, on top of sklearn.linear_model's",
        fastgd_ms=added,
        sklearn_ms=theirs,
        mark="" if added.median < 30 else "OVER 30 ms",
    )


def memory(bench):
    table = bench.report.table(
        "memory",
        "Peak memory of a fit above X and y",
        [
            Column("rows", "rows", "d", width=9),
            Column("columns", "columns", "d"),
            TYPE,
            Column("x_mb", "X MB", ".0f", width=5),
            Column("fastgd_share", "fastgd % of X", ".1f"),
            Column("fastgd_row", "bytes/row", ".1f"),
            Column("limit_row", "limit", ".1f"),
            Column("sklearn_share", "sklearn % of X", ".1f"),
            Column("sklearn_row", "bytes/row", ".1f"),
        ],
        ["limit: 5 % of X plus 32 bytes a row"],
    )
    for rows, columns, dtype in (
        (1_000_000, 10, "float32"),
        (100_000, 500, "float32"),
        (100_000, 500, "float64"),
        (200_000, 784, "uint8"),
    ):
        size = rows * columns * np.dtype(dtype).itemsize
        peaks = {
            who: in_child(peak_bytes, rival=who, rows=rows, columns=columns, dtype=dtype)
            for who in ("fastgd", "sklearn")
        }
        limit = 0.05 * size + 32 * rows
        table.add(
            rows=rows,
            columns=columns,
            dtype=dtype,
            x_mb=size / 1e6,
            limit_row=limit / rows,
            mark="OVER LIMIT" if peaks["fastgd"] > limit else "",
            **{f"{who}_share": 100 * peak / size for who, peak in peaks.items()},
            **{f"{who}_row": peak / rows for who, peak in peaks.items()},
        )


TABLES = [dense, csr, minibatch, fit, growth, small, memory]
