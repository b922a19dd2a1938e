"""One run: what every suite is given, and the loop over the suites' tables.

A table is a function of a ``Bench``; its name is the name of the function. It asks for data sets
(those that are missing have been named once, at the start), measures, and adds rows to a table of
the report. How long to measure is decided here, so that suites need hardly know of ``--quick``.
"""

import time

from benchmarks import conditions
from benchmarks.datasets import Collection
from benchmarks.report import Report


class Bench:
    def __init__(self, data, quick, out):
        self.quick = quick
        self.precisions = ("float32",) if quick else ("float32", "float64")
        self.repeats = 3 if quick else 7
        self.resolution = 0.04 if quick else 0.12  # seconds that one timing difference must span
        self.data = Collection(data)
        self.report = Report(out, conditions.collect(quick) | self.data.described())

    def run(self, suites, only=None):
        unknown = set(only or ()) - {t.__name__ for tables in suites.values() for t in tables}
        if unknown:
            raise SystemExit(f"no such table: {', '.join(sorted(unknown))}")
        self.report.show_conditions()
        for suite, tables in suites.items():
            for table in tables:
                if only and table.__name__ not in only:
                    continue
                started = time.perf_counter()
                table(self)
                print(f"  ({suite}: {table.__name__}, {time.perf_counter() - started:.0f} s)")
                self.report.save()
