"""The README's charts, from a results file.

    python -m benchmarks chart RESULTS.json OUT.svg      (or OUT.png)

`fit`: how much sooner a whole fit is done, set by set. The figure is the ratio that users feel (default
arguments, to its own stopping, one thread), not the larger ratio of bare epochs; the scale starts at
zero. `search`: how long whole searches take, on a logarithmic scale of seconds. Every row of a table is
drawn, losses included and in their own colour; lines are the quartiles. Colours are from Okabe and
Ito's palette, which all kinds of colour vision tell apart.
"""

import argparse
import json
from pathlib import Path

COLOURS = {"float32": "#0072B2", "float64": "#56B4E9"}
LOSS = "#D55E00"
SIDES = {  # of a search: colour, marker, name
    "sklearn": ("#E69F00", "s", "scikit-learn"),
    "inside": ("#56B4E9", "D", "fastgd in scikit-learn's search"),
    "fastgd": ("#0072B2", "o", "fastgd's search"),
}
INK, FAINT = "#24292f", "#8c959f"


# -- shared by the charts --------------------------------------------------------------------------


def prepared():
    """Matplotlib's pyplot in the house's style."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    matplotlib.rcParams |= {
        "svg.hashsalt": "fastgd",
        "text.color": INK,
        "ytick.color": INK,
        "svg.fonttype": "none",  # text as text: small, and can be searched
        "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
    }
    return plt


def set_rows(axes, labels):
    """One row per label, the first on top, and nothing else around."""
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(len(labels) - 0.45, -0.65)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def finish(figure, axes, title, handles, names, conditions, marks):
    """Legend under the title, conditions under the axes."""
    figure.legend(
        handles,
        names,
        loc="outside upper left",
        ncols=4,
        frameon=False,
        fontsize=8,
        borderpad=0,
        handlelength=1.2,
        columnspacing=1.5,
        alignment="left",
        title=title,
        title_fontproperties={"weight": "bold", "size": 10.5},
    )
    caption = (
        f"fastgd {conditions['fastgd']}, scikit-learn {conditions['scikit-learn']}, "
        f"{conditions['cpu'].split(',')[0]}, {conditions['date'][:10]} · {marks}"
    )
    axes.set_xlabel(caption, fontsize=7, color=FAINT, loc="left")


# -- whole fits ------------------------------------------------------------------------------------


def grouped(rows):
    """{data set: {type: row}}, the largest gain of float32 first."""
    sets = {}
    for row in rows:
        sets.setdefault(row["set"], {})[row["dtype"]] = row
    return dict(sorted(sets.items(), key=lambda item: -item[1]["float32"]["ratio"]["median"]))


def label(name, row):
    rows, columns = row["shape"]
    return f"{name.replace('_', ' ')}\n{rows:,} × {columns:,}"


def duration(seconds):
    if seconds >= 9.95:
        return f"{seconds:.{1 if seconds < 99.5 else 0}f} s"
    if seconds >= 0.0995:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.{0 if seconds >= 0.00995 else 1}f} ms"


def fits(results):
    plt = prepared()
    sets = grouped(results["tables"]["fit"]["rows"])
    figure, axes = plt.subplots(figsize=(7.2, 1.2 + 0.42 * len(sets)), layout="constrained")
    thickness = 0.36
    most = max(r["ratio"]["high"] for types in sets.values() for r in types.values())
    for place, types in enumerate(sets.values()):
        for dtype, row in types.items():
            at = place + (-0.5 if dtype == "float32" else 0.5) * (thickness + 0.03)
            median, low, high = (row["ratio"][k] for k in ("median", "low", "high"))
            axes.barh(at, median, thickness, color=COLOURS[dtype] if median >= 1 else LOSS)
            axes.plot([low, high], [at, at], color=INK, linewidth=0.9, solid_capstyle="butt")
            end = high if median >= 1 else max(high, 1)  # clear of the line at 1
            axes.text(
                end + most / 90,
                at,
                f"{median:.1f}×",
                va="center_baseline",
                fontweight="bold",
                fontsize=8,
            )
            times = " → ".join(duration(row[f"{who}_s"]["median"]) for who in ("sklearn", "fastgd"))
            axes.text(most * 1.33, at, times, ha="right", va="center_baseline", color=FAINT, fontsize=7.5)
    axes.axvline(1, color=INK, linewidth=0.9, linestyle=(0, (3, 2)))
    axes.text(1, -0.72, "scikit-learn", ha="center", va="bottom", fontsize=7.5)
    axes.text(
        most * 1.33,
        -0.72,
        "scikit-learn → fastgd",
        ha="right",
        va="bottom",
        color=FAINT,
        fontsize=7.5,
    )
    set_rows(axes, [label(name, next(iter(types.values()))) for name, types in sets.items()])
    axes.set_xlim(0, most * 1.33)
    axes.set_xticks([])
    means = {m["dtype"]: m["value"] for m in results["tables"]["fit"]["means"]}
    handles = [plt.Rectangle((0, 0), 1, 1, color=c) for c in map(COLOURS.get, means)]
    names = [f"{dtype} (geometric mean {means[dtype]:.1f}×)" for dtype in means]
    if any(r["ratio"]["median"] < 1 for types in sets.values() for r in types.values()):
        handles.append(plt.Rectangle((0, 0), 1, 1, color=LOSS))
        names.append("fastgd is slower")
    title = "Times faster than scikit-learn: the whole fit, default arguments, one thread"
    finish(figure, axes, title, handles, names, results["conditions"], "bars: median, lines: quartiles")
    return figure


# -- whole searches --------------------------------------------------------------------------------


def search_label(row):
    threads = "" if row["n_jobs"] == 1 else f", n_jobs={row['n_jobs']}"
    return (
        f"{row['search']}{threads}\n{row['set'].split('_')[0]} {row['dtype']}, {row['rows']:,} rows, "
        f"{row['fits']} fits"
    )


def searches(results):
    plt = prepared()
    rows = results["tables"]["search"]["rows"]
    figure, axes = plt.subplots(figsize=(7.2, 1.5 + 0.46 * len(rows)), layout="constrained")
    everything = [row[f"{who}_s"][k] for row in rows for who in SIDES for k in ("low", "high")]
    least, most = min(everything) / 1.5, max(everything) * 1.5
    right = most * (most / least) ** 0.52  # behind the columns of ratios
    columns = {"ratio": most * (right / most) ** 0.49, "inside": right}
    for at, row in enumerate(rows):
        medians = {who: row[f"{who}_s"]["median"] for who in SIDES}
        ends = min(medians.values()), max(medians.values())
        axes.plot(ends, [at, at], color="#d0d7de", linewidth=2.5, zorder=1)
        for who, (colour, marker, _) in SIDES.items():
            times = row[f"{who}_s"]
            axes.plot([times["low"], times["high"]], [at, at], color=INK, linewidth=0.9, zorder=2)
            axes.plot(medians[who], at, marker, color=colour, markersize=7, zorder=3)
        for who in ("fastgd", "sklearn"):  # beside the line at its ends, else below it
            outwards = (medians[who] == ends[1]) - (medians[who] == ends[0])
            axes.annotate(
                duration(medians[who]),
                (medians[who], at),
                (7 * outwards, 0 if outwards else -10),
                textcoords="offset points",
                ha={-1: "right", 0: "center", 1: "left"}[outwards],
                va="center_baseline",
                color=FAINT,
                fontsize=7.5,
            )
        for key, place in columns.items():
            faster = row[key]["median"]
            axes.text(
                place,
                at,
                f"{faster:.{1 if faster >= 1.95 else 2}f}×",
                ha="right",
                va="center_baseline",
                fontweight="bold",
                fontsize=8,
                color=INK if faster >= 1 else LOSS,
            )
    for key, text in (("ratio", "than\nscikit-learn"), ("inside", "than fastgd\nin its search")):
        axes.text(columns[key], -0.62, text, ha="right", va="bottom", color=FAINT, fontsize=7.5)
    ticks = [t for t in (0.1, 1, 10, 100, 1000) if least <= t <= most]
    axes.set_xscale("log")
    axes.set_xlim(least / 1.9, right)
    axes.set_xticks(ticks, [f"{t:g} s" for t in ticks], fontsize=7.5, color=FAINT)
    axes.set_xticks([], minor=True)
    axes.vlines(ticks, -0.5, len(rows) - 0.5, color="#eaeef2", linewidth=0.8, zorder=0)
    set_rows(axes, [search_label(row) for row in rows])
    handles = [
        plt.Line2D([], [], marker=marker, color=colour, linestyle="", markersize=6)
        for colour, marker, _ in SIDES.values()
    ]
    names = [name for _, _, name in SIDES.values()]
    if any(row[key]["median"] < 1 for row in rows for key in columns):
        handles.append(plt.Rectangle((0, 0), 1, 1, color=LOSS))
        names.append("fastgd's search is slower")
    title = "Grid search with cross-validation: seconds (log scale), and times faster"
    finish(figure, axes, title, handles, names, results["conditions"], "marks: median, lines: quartiles")
    return figure


# -- the command line ------------------------------------------------------------------------------

CHARTS = {"fit": fits, "search": searches}  # by the table that they draw


def main(argv):
    parser = argparse.ArgumentParser(prog="python -m benchmarks chart")
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--table", choices=CHARTS, help="which to draw, if the file has several")
    options = parser.parse_args(argv)
    results = json.loads(options.results.read_text())
    present = [name for name in CHARTS if name in results["tables"] and options.table in (None, name)]
    if not present:
        parser.error(f"{options.results} has no table {' or '.join(f'`{n}`' for n in CHARTS)}")
    figure = CHARTS[present[0]](results)
    metadata = {"Date": None} if options.out.suffix == ".svg" else {}
    figure.savefig(options.out, metadata=metadata, facecolor="white", dpi=150)
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB")
    return 0
