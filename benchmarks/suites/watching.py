"""What it costs to watch: history, callbacks, checkpoints, in instructions.

Instructions, because what is measured is smaller than this machine's noise in time. valgrind's callgrind
counts them in a child process, from after a first fit on; an epoch is a difference of two fits, so that
what is done once per fit cancels.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.report import Column

MODES = ("bare", "history", "on_epoch", "checkpoint")
FEW = 2  # epochs of the shorter fit
SHAPES = ((100, 10), (1_000, 20), (20_000, 54), (20_000, 784))

CHILD = """
import json, os, subprocess, sys, warnings
import numpy as np
from fastgd import SGDClassifier, callbacks, training

warnings.simplefilter("ignore")
rows, columns, modes, lengths = json.loads(sys.argv[1])
rng = np.random.default_rng(0)
X = rng.standard_normal((rows, columns), dtype=np.float32)
y = (X[:, 0] > 0).astype(int)
watched = {
    "on_epoch": lambda: callbacks.on_epoch(lambda info: None),
    "checkpoint": lambda: callbacks.Checkpoint("fit.ckpt"),
}

def fit(mode, epochs):
    model = SGDClassifier("log_loss", learning_rate="constant", max_iter=epochs, tol=None, random_state=0)
    if mode in watched:
        model.set_callbacks(watched[mode]())
    if mode == "bare":  # the kernels, called epoch by epoch, and nothing else
        job = model._prepare(X, y)
        run, order = training.Run(job.problems[0], job.plan), job.make_order(job.problems[0])
        for number in range(epochs):
            order.advance()
            run.epoch(order, number)
    else:
        model.fit(X, y)

def control(option):
    command = ["callgrind_control", option, str(os.getpid())]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

for mode in modes:
    fit(mode, 2)
    for epochs in lengths:
        control("--instr=on")
        fit(mode, epochs)
        control("--instr=off")
        control("--dump")
"""


def instructions(rows, columns):
    """Of an epoch, by mode, counted in a child."""
    with tempfile.TemporaryDirectory() as folder:
        more = min(500, max(4, 4_000_000 // (rows * columns)))  # epochs of the longer one
        options = ["--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=out"]
        task = json.dumps([rows, columns, MODES, (FEW, FEW + more)])
        command = ["valgrind", *options, sys.executable, "-c", CHILD, task]
        child = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if child.returncode:
            raise RuntimeError(f"callgrind failed: {child.stderr[-500:]}")
        totals = []
        for number in range(1, 2 * len(MODES) + 1):  # the dumps, in their order
            lines = (Path(folder) / f"out.{number}").read_text().splitlines()
            totals += [int(line.split()[1]) for line in lines if line.startswith("totals:")]
    few, many = totals[::2], totals[1::2]
    each = [(m - f) / more for f, m in zip(few, many, strict=True)]
    return dict(zip(MODES, each, strict=True))


def watching(bench):
    if shutil.which("valgrind") is None or shutil.which("callgrind_control") is None:
        print("\nwatching: valgrind is not installed, nothing to count instructions with")
        return
    table = bench.report.table(
        "watching",
        "What watching adds to an epoch: log_loss, batch_size=1, float32, instructions",
        [
            Column("rows", "rows", "d"),
            Column("columns", "columns", "d"),
            Column("epoch", "epoch, thousands", ",.0f"),
            Column("history", "history and stopping %", ".2f"),
            Column("on_epoch", "+ empty on_epoch %", ".2f"),
            Column("checkpoint", "+ Checkpoint, every epoch %", ".2f"),
        ],
        ["goal: history and an empty callback below 2 % of a fit of 20,000 rows"],
    )
    for rows, columns in SHAPES[:3] if bench.quick else SHAPES:
        taken = instructions(rows, columns)
        bare = taken["bare"]
        added = {mode: 100 * (count - bare) / bare for mode, count in taken.items() if mode != "bare"}
        over = rows >= 20_000 and max(added["history"], added["on_epoch"]) > 2
        table.add(rows=rows, columns=columns, epoch=bare / 1e3, mark="OVER GOAL" if over else "", **added)


TABLES = [watching]
