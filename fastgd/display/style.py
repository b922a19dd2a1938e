"""The look of all displays: colours that every kind of colour vision tells apart, and little ink.

Nothing global is touched: no style sheet, no rcParams, so that a display fits into a figure of one's own.
"""

__all__ = ["COLOURS", "FAINT", "INK", "MARKERS", "colour", "legend", "named", "panels", "pyplot", "tidy"]

# Okabe and Ito's palette, in an order in which neighbours also differ in lightness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "os^Dvp*"
MOST_INSIDE = 5  # entries of a legend that fit into an axes
INK, FAINT, GRID = "#24292f", "#6e7781", "#e6e9ed"


def pyplot(who):
    """matplotlib's pyplot, or a sentence about what is missing."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{who} draws with matplotlib, which is not installed: pip install 'fastgd[plot]' or "
            "pip install matplotlib. Its numbers are there without it, as attributes."
        ) from error
    return plt


def colour(i):
    """The i-th colour; they begin again after the last."""
    return COLOURS[i % len(COLOURS)]


def panels(who, ax, rows, columns, size):
    """A figure and its axes as a list, rows x columns of them; `ax` is taken, or split into so many."""
    plt = pyplot(who)
    if ax is None:
        figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
        return figure, list(axes.ravel())
    if not hasattr(ax, "get_figure"):
        given = list(getattr(ax, "flat", ax))
        if len(given) != rows * columns:
            raise ValueError(f"{who} needs {rows * columns} axes, one per panel; ax has {len(given)}.")
        return given[0].get_figure(), given
    figure = ax.get_figure()
    if rows * columns == 1:
        return figure, [ax]
    spec = ax.get_subplotspec()
    if spec is None:
        raise ValueError(f"{who} cannot split an axes outside of a grid; pass {rows * columns} axes.")
    ax.set_axis_off()
    grid = spec.subgridspec(rows, columns)
    return figure, [figure.add_subplot(grid[r, c]) for r in range(rows) for c in range(columns)]


def tidy(ax, xlabel, ylabel, title=None):
    """Labels, faint grid, two spines."""
    ax.set_xlabel(xlabel, color=INK)
    ax.set_ylabel(ylabel, color=INK)
    if title:
        ax.set_title(title, loc="left", fontsize="medium", fontweight="bold", color=INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(FAINT)
    ax.tick_params(colors=FAINT, which="both")
    ax.grid(True, color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)


def legend(ax, beside=None, **where):
    """A legend without a frame, if there is something to tell apart; a long one below, not on the lines.

    Below the figure `beside`, or below the axes where that is None.
    """
    handles, labels = ax.get_legend_handles_labels()
    if not labels:
        return
    style = {"fontsize": "small", "frameon": False, "labelcolor": INK}
    if len(labels) <= MOST_INSIDE:
        ax.legend(handles, labels, **style, **{"loc": "best", **where})
        return
    style["ncols"] = 3 if max(map(len, labels)) < 30 else 2
    if beside is not None:
        beside.legend(handles, labels, loc="outside lower center", **style)
    else:
        ax.legend(handles, labels, loc="upper center", bbox_to_anchor=(0.5, -0.14), **style)


def named(things, parameter, what):
    """A dict of name -> thing as it was given, or a sentence about what was given instead."""
    if isinstance(things, dict) and things:
        return things
    given = "an empty dict" if isinstance(things, dict) else f"a {type(things).__name__}"
    raise ValueError(
        f"{parameter} must be a dict of name -> {what}, such as {{'small steps': ...}}; got {given}."
    )
