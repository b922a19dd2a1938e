"""The command line.

Run from the checkout, but always against the *installed* package: the checkout's own directory is
taken off the import path first, because the source tree there has no compiled kernels.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != CHECKOUT]


def arguments(argv, suites):
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Benchmarks of fastgd.",
        epilog="python -m benchmarks chart RESULTS.json OUT.svg draws the README's charts, "
        "python -m benchmarks pictures [FOLDER] its pictures of descents; "
        "python -m benchmarks compare REV sets the tree against a revision, benchmark by benchmark.",
    )
    parser.add_argument("suite", nargs="?", default="all", choices=[*suites, "all"])
    parser.add_argument(
        "--data",
        metavar="DIR",
        default=os.environ.get("FASTGD_DATA"),
        help="folder of real data sets (default: $FASTGD_DATA)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="float32 only, fewer rows and repeats: about 2 minutes a suite",
    )
    parser.add_argument(
        "--only", metavar="TABLE", action="append", help="only this table of the suite (repeatable)"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="results as JSON (default: a dated file in the temporary folder)",
    )
    return parser.parse_args(argv)


def main(argv):
    if argv[:1] == ["chart"]:
        from benchmarks import chart

        return chart.main(argv[1:])
    if argv[:1] == ["pictures"]:
        from benchmarks import pictures

        return pictures.main(argv[1:])
    if argv[:1] == ["compare"]:
        from benchmarks import compare

        return compare.main(argv[1:])

    from benchmarks import suites
    from benchmarks.bench import Bench
    from benchmarks.measure import single_threaded

    options = arguments(argv, suites.names())
    stamp = time.strftime("fastgd-benchmarks-%Y%m%d-%H%M%S.json")
    out = options.out or Path(tempfile.gettempdir()) / stamp
    chosen = suites.names() if options.suite == "all" else [options.suite]
    with single_threaded():
        bench = Bench(data=options.data, quick=options.quick, out=out)
        bench.run({name: suites.load(name).TABLES for name in chosen}, options.only)
    print(f"\nresults: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
