"""The tree against a revision: every row of every table, as a ratio of times.

`python -m benchmarks compare REV` unpacks REV and the tree as it stands (changes that are not committed
included) into two folders, builds both with this interpreter, and runs the tree's suites on both. Table
by table, the two sides take turns in processes of their own, the order reversed every other turn, so
that a slow minute of the machine hits both.

A row's change is time of the tree / time of REV: below 1 is faster. Where a row holds the times of a
rival that took turns with fastgd, its ratio to the rival is what is compared: the rival is the clock.
Where it is the quickest of many rivals, fastgd's own processor time is.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from benchmarks import suites
from benchmarks.measure import THREAD_VARIABLES, geometric_mean

CHECKOUT = Path(__file__).resolve().parent.parent
OUTCOMES = ("mark", "rival", "recipe")  # columns that a run fills with words of its own
NOTABLE = 1.05  # what a row's change must exceed, in every pair of turns, to be called slower


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks compare",
        description="Builds REV and the tree, and prints the ratio of every benchmark.",
    )
    parser.add_argument("revision", metavar="REV", help="what git knows as a commit")
    parser.add_argument(
        "suite", nargs="*", default=None, help=f"default: all of {', '.join(suites.names())}"
    )
    parser.add_argument("--data", metavar="DIR", default=os.environ.get("FASTGD_DATA"))
    parser.add_argument("--quick", action="store_true", help="float32 only, fewer rows and repeats")
    parser.add_argument("--only", metavar="TABLE", action="append", help="only this table (repeatable)")
    parser.add_argument(
        "--turns", type=int, default=2, help="runs of each table on each side (default: 2)"
    )
    options = parser.parse_args(argv)
    unknown = set(options.suite or ()) - set(suites.names())
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    return options


# -- the two sides -------------------------------------------------------------------------------


def git(*words):
    done = subprocess.run(["git", *words], cwd=CHECKOUT, capture_output=True)
    if done.returncode:
        raise SystemExit(f"git {' '.join(words)}: {done.stderr.decode().strip()}")
    return done.stdout


def unpack_revision(revision, folder):
    with tarfile.open(fileobj=BytesIO(git("archive", "--format=tar", revision))) as archive:
        archive.extractall(folder, filter="data")


def copy_tree(folder):
    """What git tracks or would track, as it is on the disk now."""
    for name in git("ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0"):
        source = CHECKOUT / name
        if name and source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(source.read_bytes())


def build(sources, site):
    """Install into a folder of its own; what fastgd depends on is this interpreter's."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, sources]
    # A debug or sanitizer build is no side of a comparison.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("FASTGD_")}
    if subprocess.run(command, env=environment).returncode:
        raise SystemExit(f"the sources in {sources} do not build")


# -- turns ---------------------------------------------------------------------------------------


def run(site, suite, table, options, out):
    """One table in a process that imports fastgd from `site`: its rows, or None if it failed."""
    flags = ["--quick"] * options.quick + (["--data", options.data] if options.data else [])
    command = [sys.executable, "-m", "benchmarks", suite, "--only", table, "--out", str(out), *flags]
    environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1"), "PYTHONPATH": str(site)}
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(f"  {suite} {table} fails on {site.name}: {done.stderr.strip().splitlines()[-1:]}")
        return None
    content = json.loads(out.read_text())["tables"]
    return {
        key: rows for name, part in content.items() for key, rows in keyed(name, part["rows"]).items()
    }


def keyed(table, rows):
    """{what a row is about: its times, by column}"""
    found = {}
    for row in rows:
        about = [str(value) for key, value in row.items() if key not in OUTCOMES and names(value)]
        spreads = {
            key: value["median"]
            for key, value in row.items()
            if isinstance(value, dict) and "median" in value
        }
        if "rival" in row:  # the quickest of many, perhaps not the same one: no clock
            spreads = {"": spreads.get("fastgd_s")}
        found[" ".join([table, *about])] = costs(spreads)
    return found


def names(value):
    """Whether a cell says what a row is about, and is not a measurement."""
    return isinstance(value, str | int) and not isinstance(value, bool)


def costs(spreads):
    """{column: what is the smaller the better}"""
    if spreads.get("ratio"):  # times faster than the rival
        return {"": 1 / spreads["ratio"]}
    return {key: value for key, value in spreads.items() if value and value > 0}


def compare(suite, table, sites, options, folder):
    """Yield (row, its change in each pair of turns)."""
    changes = {}
    for turn in range(options.turns):
        order = ("revision", "tree") if turn % 2 == 0 else ("tree", "revision")
        taken = {side: run(sites[side], suite, table, options, folder / "turn.json") for side in order}
        if None in taken.values():
            return
        for row in taken["tree"].keys() & taken["revision"].keys():
            old, new = taken["revision"][row], taken["tree"][row]
            for column in new.keys() & old.keys():
                label = f"{row} {column}".strip()
                changes.setdefault(label, []).append(new[column] / old[column])
    yield from sorted(changes.items())


def main(argv):
    options = arguments(argv)
    slower, all_changes = [], []
    with tempfile.TemporaryDirectory(prefix="fastgd-compare-") as name:
        folder = Path(name)
        sites = {side: folder / "sites" / side for side in ("revision", "tree")}
        for side, site in sites.items():
            sources = folder / "sources" / side
            sources.mkdir(parents=True)
            if side == "tree":
                copy_tree(sources)
            else:
                unpack_revision(options.revision, sources)
            print(f"building the {side}", flush=True)
            build(sources, site)
        print(f"time of the tree / time of {options.revision}: geometric mean [of each pair of turns]")
        for suite in options.suite or suites.names():
            for table in suites.load(suite).TABLES:
                if options.only and table.__name__ not in options.only:
                    continue
                for row, changes in compare(suite, table.__name__, sites, options, folder):
                    value = geometric_mean(changes)
                    all_changes.append(value)
                    mark = "SLOWER" if min(changes) > NOTABLE else ""
                    slower += [row] * bool(mark)
                    turns = ", ".join(f"{change:.2f}" for change in changes)
                    print(f"  {value:5.2f}  [{turns}]  {suite}: {row}  {mark}".rstrip(), flush=True)
    if not all_changes:
        raise SystemExit("no benchmark ran on both sides")
    mean = geometric_mean(all_changes)
    print(f"{len(all_changes)} benchmarks, geometric mean {mean:.3f}, {len(slower)} slower")
    return 0
