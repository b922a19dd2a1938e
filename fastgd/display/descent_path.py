"""DescentPathDisplay: the ways of one or more descents over the contours of the objective.

The picture is a plane through the space of weights: two features', or the two directions in which the
paths spread most (their first two principal components), through the last point of the first path. All
other weights are those of that point, so the contours are exact on the plane, and a path that leaves it
is seen as its shadow.
"""

import numpy as np

from .landscape import Landscape, last_step, through
from .style import INK, MARKERS, MOST_INSIDE, colour, legend, named, panels, tidy

__all__ = ["DescentPathDisplay"]

LEVELS = 14
FEW = 60  # points up to which each is marked
MARGIN = 0.18  # of the paths' extent, around them


class DescentPathDisplay:
    """Contours of the objective in two directions of the weights, with the paths of descents on them.

    Make it by `from_estimator` or `from_paths`, of what `fastgd.callbacks.PathRecorder` recorded.

    Parameters
    ----------
    a, b : ndarray of shape (resolution,)
        Coordinates of the grid.

    objective : ndarray of shape (resolution, resolution)
        ``objective[i, j]`` at ``(a[j], b[i])``.

    paths : list of ndarray of shape (n_points, 2)
        Coordinates of the paths.

    labels : list of str
        A name for each path.

    axis_labels : (str, str)
        Names of the directions.

    Attributes
    ----------
    a, b, objective, paths, labels, axis_labels
        As given.

    figure_ : matplotlib Figure
    ax_ : matplotlib Axes
    contours_ : matplotlib ContourSet
    lines_ : list of matplotlib Line2D

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from fastgd import DescentPathDisplay, SGDRegressor
    >>> from fastgd.callbacks import PathRecorder
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X, path = scale(X), PathRecorder()
    >>> model = SGDRegressor(batch_size="full", random_state=0).set_callbacks(path).fit(X, y)
    >>> display = DescentPathDisplay.from_estimator(model, X, y, path)  # doctest: +SKIP
    """

    def __init__(self, a, b, objective, paths, labels, axis_labels):
        self.a, self.b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
        self.objective = np.asarray(objective, dtype=float)
        self.paths = [np.asarray(path, dtype=float) for path in paths]
        self.labels = list(labels)
        self.axis_labels = tuple(axis_labels)

    @classmethod
    def from_estimator(cls, estimator, X, y, path, *, label=None, **keywords):
        """Draw the path of a fit.

        Parameters
        ----------
        estimator : SGDClassifier, SGDRegressor, or fitted Pipeline that ends in one
            Whose objective is drawn.

        X, y : array-like
            The data that it was fitted to.

        path : PathRecorder
            A callback of that fit.

        label : str, default=None
            None for the name of the estimator's class.

        **keywords
            As for `from_paths`.

        Returns
        -------
        display : DescentPathDisplay
        """
        label = type(last_step(estimator)).__name__ if label is None else label
        return cls.from_paths(estimator, X, y, {label: path}, **keywords)

    @classmethod
    def from_paths(
        cls,
        estimator,
        X,
        y,
        paths,
        *,
        directions="principal",
        start=True,
        model=0,
        resolution=80,
        sample_weight=None,
        ax=None,
    ):
        """Draw the paths of several fits over the objective of one estimator.

        Parameters
        ----------
        estimator, X, y
            As for `from_estimator`.

        paths : dict of str -> PathRecorder

        directions : 'principal' or (feature, feature), default='principal'
            The plane: two features, by their number or name (-1 is the intercept), or the two directions
            in which the paths spread most.

        start : bool, default=True
            Whether the fits began at zero weights, which are then the first point of each path.

        model : int, default=0
            Of a classifier with several classes, or of several targets: which model.

        resolution : int, default=80
            Points of the grid in each direction.

        sample_weight : array-like, default=None

        ax : matplotlib Axes, default=None

        Returns
        -------
        display : DescentPathDisplay
        """
        paths = named(paths, "paths", "PathRecorder")
        X, names = through(estimator, X)
        own = last_step(estimator)
        landscape = Landscape(own, X, y, sample_weight, model)
        if landscape.classes > 1:
            raise ValueError("The classes of a softmax move together; draw a fit with multi_class='ovr'.")
        names = names or [f"feature {j}" for j in range(landscape.X.shape[1])]
        points = [_points(recorder, model, start) for recorder in paths.values()]
        for label, own_points in zip(paths, points, strict=True):
            if len(own_points) < 2 or own_points.shape[1] != len(names) + 1:
                raise ValueError(
                    f"The path {label!r} has {len(own_points)} points of {own_points.shape[1] - 1} "
                    f"weights; it needs at least two, of {len(names)}. Was the recorder set as a "
                    "callback of a fit to these data?"
                )
        centre = points[0][-1]
        u, v, axis_labels = _plane(directions, names, points, centre)
        flat = [np.column_stack([(own - centre) @ u, (own - centre) @ v]) for own in points]
        if not isinstance(directions, str):  # weights themselves, not differences
            flat = [path + [centre @ u, centre @ v] for path in flat]
        grid = [_range(np.concatenate([path[:, k] for path in flat]), resolution) for k in (0, 1)]
        shift = np.array([0.0, 0.0] if isinstance(directions, str) else [centre @ u, centre @ v])
        objective = _on_plane(landscape, centre, u, v, grid[0] - shift[0], grid[1] - shift[1])
        return cls(*grid, objective, flat, list(paths), axis_labels).plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            None for a new figure.

        Returns
        -------
        self : DescentPathDisplay
        """
        self.figure_, (ax,) = panels(type(self).__name__, ax, 1, 1, (6.0, 4.8))
        finite = np.where(np.isfinite(self.objective), self.objective, np.nan)
        least, most = np.nanmin(finite), np.nanmax(finite)
        # near the bottom, where the paths are, the contours are as near as the eye can tell
        levels = np.unique(least + (most - least) * np.linspace(0, 1, LEVELS) ** 2)
        if len(levels) < 3:
            levels = np.linspace(least - 1e-9, most + 1e-9, 3)
        filled = ax.contourf(self.a, self.b, finite, levels=levels, cmap="Greys", alpha=0.55)
        self.contours_ = ax.contour(
            self.a, self.b, finite, levels=levels, colors="#8c959f", linewidths=0.6
        )
        bar = self.figure_.colorbar(filled, ax=ax, pad=0.02, format="%.3g")
        bar.set_label("objective (mean loss + penalty)", color=INK)
        bar.outline.set_visible(False)
        low = np.unravel_index(np.nanargmin(finite), finite.shape)
        # above the paths that end there, with a halo
        ax.plot(self.a[low[1]], self.b[low[0]], "+", ms=14, mew=4.5, color="white", zorder=6)
        lowest = {"color": INK, "label": "lowest on the plane", "zorder": 7}
        ax.plot(self.a[low[1]], self.b[low[0]], "+", ms=11, mew=1.8, **lowest)
        self.lines_ = []
        for i, (path, label) in enumerate(zip(self.paths, self.labels, strict=True)):
            marker = MARKERS[i % len(MARKERS)] if len(path) <= FEW else None
            style = {"color": colour(i), "ms": 3.5, "lw": 1.6, "zorder": 3}
            (line,) = ax.plot(*path.T, marker=marker, label=label, **style)
            ax.plot(*path[0], "o", ms=9, mfc="white", mec=colour(i), mew=1.8, zorder=4)
            ax.plot(*path[-1], "*", ms=15, color=colour(i), mec="white", mew=0.9, zorder=5)
            self.lines_.append(line)
        tidy(ax, *self.axis_labels, "Descent: from ○ to ★")
        ax.grid(False)
        ax.set_xlim(self.a[0], self.a[-1])
        ax.set_ylim(self.b[0], self.b[-1])
        legend(ax, loc=self._free_corner())
        if len(self.paths) < MOST_INSIDE:
            ax.get_legend().set_frame_on(True)
            ax.get_legend().get_frame().set(alpha=0.8, edgecolor="none", facecolor="white")
        self.ax_ = ax
        return self

    def _free_corner(self):
        """The corner of the plane with the fewest points of the paths."""
        points = np.concatenate(self.paths)
        lows, highs = np.array([self.a[0], self.b[0]]), np.array([self.a[-1], self.b[-1]])
        x, y = ((points - lows) / (highs - lows)).T
        corners = {
            "upper left": (x < 0.5) & (y > 0.65),
            "lower right": (x > 0.5) & (y < 0.35),
            "lower left": (x < 0.5) & (y < 0.35),
            "upper right": (x > 0.5) & (y > 0.65),
        }
        return min(corners, key=lambda corner: corners[corner].sum())


def _points(recorder, model, start):
    """Weights and intercept of one model along a path, of shape (n_points, d + 1)."""
    rows = [
        np.append(np.atleast_2d(coef)[model], intercept[model])
        for coef, intercept in zip(recorder.coefs_, recorder.intercepts_, strict=True)
    ]
    if not rows:
        return np.empty((0, 1))
    points = np.array(rows, dtype=float)
    return np.vstack([np.zeros(points.shape[1]), points]) if start else points


def _plane(directions, names, points, centre):
    """Two orthonormal directions and their names."""
    if not isinstance(directions, str):
        places = _features(directions, names)
        units = np.zeros((2, len(names) + 1))
        units[[0, 1], places] = 1.0
        labels = ["intercept" if j == len(names) else f"weight of {names[j]}" for j in places]
        return *units, tuple(labels)
    if directions != "principal":
        raise ValueError(f"directions={directions!r} must be 'principal' or a pair of features.")
    spread = np.vstack([own - centre for own in points])
    _, sizes, rows = np.linalg.svd(spread - spread.mean(axis=0), full_matrices=False)
    if len(rows) < 2:
        rows = np.vstack([rows, np.eye(len(rows[0]))[:1]])
        sizes = np.append(sizes, 0.0)
    shares = 100 * sizes**2 / max((sizes**2).sum(), 1e-300)
    signs = [np.sign(row[np.argmax(np.abs(row))]) or 1.0 for row in rows[:2]]
    labels = tuple(
        f"direction {k + 1} (weights; {shares[k]:.3g} % of the paths' spread)" for k in range(2)
    )
    return signs[0] * rows[0], signs[1] * rows[1], labels


def _features(directions, names):
    """The places of two features among the weights; the intercept's is behind them."""
    pair, d = list(directions), len(names)
    if len(pair) != 2:
        raise ValueError(
            f"directions={directions!r} must be 'principal' or a pair of features; got {len(pair)}."
        )
    places = []
    for feature in pair:
        if isinstance(feature, str):
            if feature not in names:
                shown = ", ".join(map(repr, names[:8])) + (" ..." if d > 8 else "")
                raise ValueError(f"directions={directions!r}: there is no {feature!r} among {shown}.")
            places.append(names.index(feature))
        elif isinstance(feature, (int, np.integer)) and -1 <= feature < d:
            places.append(int(feature) % (d + 1))
        else:
            raise ValueError(
                f"directions={directions!r}: {feature!r} must be the name of a feature, or its number "
                f"from 0 to {d - 1}, or -1 for the intercept."
            )
    if places[0] == places[1]:
        raise ValueError(f"directions={directions!r} must be two different features: they span a plane.")
    return places


def _range(values, resolution):
    low, high = values.min(), values.max()
    margin = MARGIN * (high - low) or 0.5 * abs(high) or 0.5
    return np.linspace(low - margin, high + margin, resolution)


def _on_plane(landscape, centre, u, v, a, b):
    """The objective on a grid; raw predictions are linear in the weights."""
    base = landscape.raw(centre[:-1], centre[-1])
    along_u, along_v = landscape.raw(u[:-1], u[-1]), landscape.raw(v[:-1], v[-1])
    objective = np.empty((len(b), len(a)))
    for i, y in enumerate(b):
        for j, x in enumerate(a):
            raw = base + x * along_u + y * along_v
            objective[i, j] = landscape.loss(raw) + landscape.penalty((centre + x * u + y * v)[:-1])
    return objective
