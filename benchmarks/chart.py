"""The README's chart, from a results file: how much sooner a whole fit is done, set by set.

    python -m benchmarks chart RESULTS.json OUT.svg      (or OUT.png)

The figure is the ratio that users feel (default arguments, to its own stopping, one thread), not
the larger ratio of bare epochs. Every row of the table is drawn, losses included and in their own
colour; the scale starts at zero; whiskers are the quartiles. Colours are from Okabe and Ito's
palette, which all kinds of colour vision tell apart.
"""

import argparse
import json
from pathlib import Path

COLOURS = {"float32": "#0072B2", "float64": "#56B4E9"}
LOSS = "#D55E00"
TITLE = "Times faster than scikit-learn: the whole fit, default arguments, one thread"
INK, FAINT = "#24292f", "#8c959f"


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
    if seconds >= 0.0995:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.{0 if seconds >= 0.00995 else 1}f} ms"


def draw(results, path):
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
    sets = grouped(results["tables"]["fit"]["rows"])
    conditions = results["conditions"]
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
    axes.set_yticks(
        range(len(sets)),
        [label(name, next(iter(types.values()))) for name, types in sets.items()],
        fontsize=8,
    )
    axes.set_ylim(len(sets) - 0.45, -0.65)
    axes.set_xlim(0, most * 1.33)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    means = {m["dtype"]: m["value"] for m in results["tables"]["fit"]["means"]}
    handles = [plt.Rectangle((0, 0), 1, 1, color=c) for c in map(COLOURS.get, means)]
    names = [f"{dtype} (geometric mean {means[dtype]:.1f}×)" for dtype in means]
    if any(r["ratio"]["median"] < 1 for types in sets.values() for r in types.values()):
        handles.append(plt.Rectangle((0, 0), 1, 1, color=LOSS))
        names.append("fastgd is slower")
    figure.legend(
        handles,
        names,
        loc="outside upper left",
        ncols=3,
        frameon=False,
        fontsize=8,
        borderpad=0,
        handlelength=1.2,
        columnspacing=1.5,
        alignment="left",
        title=TITLE,
        title_fontproperties={"weight": "bold", "size": 10.5},
    )
    caption = (
        f"fastgd {conditions['fastgd']}, scikit-learn {conditions['scikit-learn']}, "
        f"{conditions['cpu'].split(',')[0]}, {conditions['date'][:10]}"
        " · bars: median, lines: quartiles"
    )
    axes.set_xlabel(caption, fontsize=7, color=FAINT, loc="left")
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    figure.savefig(path, metadata=metadata, facecolor="white", dpi=150)


def main(argv):
    parser = argparse.ArgumentParser(prog="python -m benchmarks chart")
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args(argv)
    results = json.loads(options.results.read_text())
    if "fit" not in results["tables"]:
        parser.error(f"{options.results} has no table `fit`")
    draw(results, options.out)
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB")
    return 0
