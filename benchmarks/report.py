"""Results: a table on the screen, row by row as it is measured, and all of it as one JSON file.

A cell is a text, a number or a ``Spread``. A row in which fastgd loses says so in the last column;
no row is ever left out.
"""

import json
import textwrap
from typing import NamedTuple

from benchmarks.measure import Spread, geometric_mean


class Column(NamedTuple):
    key: str
    label: str
    form: str = ""  # format specification of the cell; texts need none
    width: int = 0


def cell(value, form):
    if value is None:
        return "-"
    if isinstance(value, Spread):
        return "{:{f}} [{:{f}}-{:{f}}]".format(*value, f=form)
    return format(value, form)


class Table:
    def __init__(self, key, title, columns, notes=()):
        self.key, self.title, self.notes = key, title, list(notes)
        self.columns = [*columns, Column("mark", "")]
        self.widths = [max(c.width, len(c.label)) for c in self.columns]
        self.rows, self.means = [], []
        print(f"\n{title}")
        for note in notes:
            print(f"  {note}")
        self.line([c.label for c in self.columns])

    def line(self, cells):
        left = [isinstance(c, Column) and not c.form for c in self.columns]
        padded = (
            f"{text:<{w}}" if is_left else f"{text:>{w}}"
            for text, w, is_left in zip(cells, self.widths, left, strict=True)
        )
        print("  " + "  ".join(padded).rstrip(), flush=True)

    def add(self, mark="", **row):
        row["mark"] = mark
        self.rows.append(row)
        self.line([cell(row.get(c.key), c.form) for c in self.columns])

    def mean(self, label, key, goal=None, at_most=False, **where):
        """A geometric mean over the rows that match, against what was aimed at."""
        values = [
            row[key].median
            for row in self.rows
            if row.get(key) and all(row[k] == v for k, v in where.items())
        ]
        if not values:
            return
        value = geometric_mean(values)
        text = f"  geometric mean, {label}: {value:.2f}"
        if goal:
            met = value <= goal if at_most else value >= goal
            text += f"  (goal {'at most' if at_most else 'at least'} {goal:g}: " + (
                "met)" if met else "MISSED)"
            )
        print(text)
        self.means.append({"label": label, "key": key, "value": value, "goal": goal, **where})

    def as_dict(self):
        labels = {c.key: c.label for c in self.columns if c.key != "mark"}
        rows = [
            {k: v._asdict() if isinstance(v, Spread) else v for k, v in row.items()} for row in self.rows
        ]
        return {
            "title": self.title,
            "notes": self.notes,
            "columns": labels,
            "rows": rows,
            "means": self.means,
        }


class Report:
    def __init__(self, path, conditions):
        self.path, self.conditions, self.tables = path, conditions, []

    def show_conditions(self):
        for name, value in self.conditions.items():
            print(textwrap.fill(value, 90, initial_indent=f"{name:>14}  ", subsequent_indent=" " * 16))

    def table(self, *args, **kwargs):
        self.tables.append(Table(*args, **kwargs))
        return self.tables[-1]

    def save(self):
        content = {
            "conditions": self.conditions,
            "tables": {table.key: table.as_dict() for table in self.tables},
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(content, indent=1) + "\n")
