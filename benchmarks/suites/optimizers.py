"""Optimizers: Adam against plain mini-batches and PyTorch, every rule, minimize(), and watching.

Times are processor time.
"""

import time
from dataclasses import replace
from functools import partial
from importlib.util import find_spec

import numpy as np

from benchmarks import duel
from benchmarks.duel import DIFFERENCE, OURS, SET, TYPE, apart, marks, per_row, stable_step
from benchmarks.footprint import instructions, watched_fit
from benchmarks.measure import Processor, ratio, spread, take_turns
from benchmarks.report import Column
from benchmarks.rivals import Task, fastgd
from fastgd import minimize
from fastgd.optimizers import OPTIMIZERS

OVER_SGD = Column("over_sgd", "of plain SGD", ".2f", width=18)
FASTER = Column("ratio", "times PyTorch", ".1f", width=18)
ADAM_STEP = 1e-3


epochs = partial(duel.epochs, clock=time.process_time)


def image_sets(bench):
    """Dense sets of the shape of mnist."""
    names = [name for name in bench.data.names["dense"] if name in ("mnist", "generated_784")]
    for name in names or bench.data.names["dense"][:1]:
        for dtype in bench.precisions:
            yield dtype, bench.data.load(name, dtype)


def rival():
    """The PyTorch loop; None where PyTorch is not installed."""
    if find_spec("torch") is None:
        print("  PyTorch is not installed (pip install torch): not compared")
        return None
    from benchmarks.rivals import torch

    return torch


def adam(bench):
    table = bench.report.table(
        "adam",
        "Mini-batch epochs with Adam, log_loss, l2, shuffled, one thread",
        [
            SET,
            TYPE,
            Column("batch", "batch", "d", width=5),
            OURS,
            OVER_SGD,
            Column("torch_ns", "PyTorch ns/row", ".0f", width=22),
            FASTER,
            Column("sgd_ratio", "same, plain SGD", ".1f", width=18),
            DIFFERENCE,
        ],
        [
            "of plain SGD: time over that of optimizer='sgd' with the same batches",
            "coef differs: from PyTorch's, in row order",
        ],
    )
    torch = rival()
    for dtype, data in image_sets(bench):
        for size in (64, 1024):
            plain = Task(step=stable_step(data.X), batch_size=size)
            task = replace(plain, optimizer="adam", step=ADAM_STEP)
            samplers = {
                "adam": epochs(bench, fastgd, task, data),
                "sgd": epochs(bench, fastgd, plain, data),
            }
            if torch is not None:
                samplers |= {
                    "torch": epochs(bench, torch, task, data),
                    "torch_sgd": epochs(bench, torch, plain, data),
                }
            taken = take_turns(samplers, bench.repeats)
            cells = {}
            if torch is not None:
                faster = ratio(taken["torch"], taken["adam"])
                once = replace(task, epochs=2, shuffle=False)
                differs = apart(*(who.build(once).fit(data.X, data.y) for who in (fastgd, torch)))
                cells = {
                    "torch_ns": per_row(taken["torch"], data),
                    "ratio": faster,
                    "sgd_ratio": ratio(taken["torch_sgd"], taken["sgd"]),
                    "difference": differs,
                    "mark": marks(faster, differs, dtype),
                }
            table.add(
                set=data.name,
                dtype=dtype,
                batch=size,
                fastgd_ns=per_row(taken["adam"], data),
                over_sgd=ratio(taken["adam"], taken["sgd"]),
                **cells,
            )
    for size, goal in ((64, 5), (1024, 1.5)):
        table.mean(f"batch {size}, over plain SGD", "over_sgd", 1.3, at_most=True, batch=size)
        table.mean(f"batch {size}, times PyTorch", "ratio", goal, batch=size)


def rules(bench):
    table = bench.report.table(
        "rules",
        "Epochs of every optimizer over those of plain SGD with the same batches, log_loss, l2, shuffled",
        [
            Column("optimizer", "optimizer", width=18),
            SET,
            TYPE,
            *(Column(f"batch_{size}", f"batch {size}", ".2f", width=18) for size in (1, 64, 1024)),
        ],
        ["batch 1 of plain SGD has loops of its own, see the suite sgd"],
    )
    names = [name for name in OPTIMIZERS if name != "sgd"]
    dtype, data = next(image_sets(bench))
    taken = {}
    for size in (1, 64, 1024):
        plain = Task(step=stable_step(data.X), batch_size=size)
        tasks = {name: replace(plain, optimizer=name, step=plain.step / 10) for name in names}
        samplers = {name: epochs(bench, fastgd, task, data) for name, task in tasks.items()}
        taken[size] = take_turns(samplers | {"sgd": epochs(bench, fastgd, plain, data)}, 3)
    for name in names:
        cells = {f"batch_{size}": ratio(times[name], times["sgd"]) for size, times in taken.items()}
        table.add(optimizer=name, set=data.name, dtype=dtype, **cells)


def steps(bench):
    table = bench.report.table(
        "steps",
        "minimize(): microseconds of processor time a step, beyond the user's function and gradient",
        [
            Column("optimizer", "optimizer", width=18),
            Column("d", "d", "d", width=6),
            Column("micro", "µs/step", ".2f", width=22),
        ],
    )

    def fun(x):
        return 1.0

    for d in (10, 1000):
        gradient = np.linspace(1.0, 2.0, d)

        def jac(x, gradient=gradient):
            return gradient

        def user(count, d=d, jac=jac):
            x = np.ones(d)
            for _ in range(count):
                fun(x)
                jac(x)

        for name in ("sgd", "adam", "schedule_free_adam"):

            def run(count, d=d, jac=jac, name=name):
                minimize(fun, np.ones(d), jac=jac, optimizer=name, learning_rate=1e-3, max_iter=count)

            count = 5_000 if bench.quick else 20_000
            taken = take_turns(
                {"all": Processor(run, count), "user": Processor(user, count)}, bench.repeats
            )
            micro = spread(1e6 * np.subtract(taken["all"], taken["user"]))
            over = "OVER 5 µs" if d == 10 and micro.median > 5 else ""
            table.add(optimizer=name, d=d, micro=micro, mark=over)
    table.mean("d = 10", "micro", 5, at_most=True, d=10)


def watching(bench):
    table = bench.report.table(
        "watching",
        "What the history and a callback that does nothing cost, in instructions of a fit (callgrind)",
        [
            Column("rows", "rows", "d", width=7),
            Column("columns", "columns", "d"),
            Column("epoch", "instructions/epoch", ",.0f", width=20),
            Column("history", "history, %", ".2f"),
            Column("callback", "callback, %", ".2f"),
        ],
        ["per cent of an epoch without either, over a hundred epochs, since imports vary"],
    )
    for rows, columns in ((10_000, 50),) if bench.quick else ((10_000, 50), (20_000, 200)):
        count = partial(instructions, watched_fit, rows=rows, columns=columns)
        few, many = 2, 102
        begun = count(epochs=few, watch="nothing")
        if begun is None:
            print("  valgrind is not installed: not counted")
            return
        whole = {watch: count(epochs=many, watch=watch) for watch in ("nothing", "history", "callback")}
        base = whole["nothing"] - begun
        history = 100 * (whole["history"] - whole["nothing"]) / base
        callback = 100 * (whole["callback"] - whole["history"]) / base
        table.add(
            rows=rows,
            columns=columns,
            epoch=base / (many - few),
            history=history,
            callback=callback,
            mark="OVER 2 %" if history + callback > 2 else "",
        )


TABLES = [adam, rules, steps, watching]
