"""Displays: their numbers, what they draw, and scikit-learn's conventions."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.model_selection import GridSearchCV as SklearnGridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from fastgd import (
    DescentPathDisplay,
    LearningRateFinderDisplay,
    LogisticRegression,
    RegularizationPathDisplay,
    SGDClassifier,
    SGDClassifierCV,
    SGDOneClassSVM,
    SGDRegressor,
    SGDRegressorCV,
    TrainingCurveDisplay,
)
from fastgd.callbacks import PathRecorder
from fastgd.display.landscape import Landscape
from fastgd.model_selection import GridSearchCV

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

SHORT = {"max_iter": 12, "tol": None, "random_state": 0}


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return scale(X), (y - y.mean()) / y.std()


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return scale(X), y


def labelled(display):
    """All visible axes have labels, and the figure can be rendered."""
    axes = np.ravel(display.ax_).tolist()
    for ax in axes:
        assert ax.get_figure() is display.figure_
        assert ax.get_ylabel()
    assert axes[-1].get_xlabel()
    display.figure_.canvas.draw()
    return axes


def objective(model, X, y, coef, intercept):
    """Of the squared error with an l2 penalty, by its formula."""
    residual = X @ coef + intercept - y
    return 0.5 * np.mean(residual**2) + 0.5 * model.alpha * coef @ coef


# -- training curves -------------------------------------------------------------------------------


def test_training_curve_shows_the_history(diabetes):
    X, y = diabetes
    model = SGDRegressor(**SHORT).fit(X, y, X_val=X[:99], y_val=y[:99])
    display = TrainingCurveDisplay.from_estimator(model)
    axes = labelled(display)
    assert list(display.lines_) == ["loss", "validation_score", "learning_rate", "update_norm"]
    for ax, (column, lines) in zip(axes, display.lines_.items(), strict=True):
        assert column.replace("_", " ") in ax.get_title(loc="left")
        np.testing.assert_array_equal(lines[0].get_xdata(), np.arange(1, 13))
        np.testing.assert_array_equal(lines[0].get_ydata(), model.history_[column])


def test_training_curves_overlay_fits_of_unequal_length(diabetes):
    X, y = diabetes
    fits = {
        "short": make_pipeline(StandardScaler(), SGDRegressor(**{**SHORT, "max_iter": 3})).fit(X, y),
        "long": SGDRegressor(**SHORT).fit(X, y, X_val=X[:99], y_val=y[:99]),
    }
    display = TrainingCurveDisplay.from_estimators(fits)
    labelled(display)
    assert [len(line.get_xdata()) for line in display.lines_["loss"]] == [3, 12]
    assert len(display.lines_["validation_score"]) == 1
    texts = [text.get_text() for text in display.ax_[0].get_legend().get_texts()]
    assert texts == ["short", "long"]
    colours = {line.get_color() for line in display.lines_["loss"]}
    assert len(colours) == 2


def test_training_curve_of_several_models_is_their_mean(iris):
    X, y = iris
    model = SGDClassifier("log_loss", tol=0.05, n_iter_no_change=2, random_state=0).fit(X, y)
    loss = model.history_["loss"]
    assert np.isnan(loss).any()  # they stop at different epochs
    display = TrainingCurveDisplay.from_estimator(model, columns="loss", label="iris")
    (line,) = display.lines_["loss"]
    np.testing.assert_allclose(line.get_ydata(), np.nanmean(loss, axis=1))
    assert len(display.ax_.lines) == 1 + loss.shape[1]


def test_training_curve_over_seconds_and_on_given_axes(diabetes):
    X, y = diabetes
    model = SGDRegressor(**SHORT).fit(X, y)
    figure, axes = plt.subplots(1, 2)
    display = TrainingCurveDisplay.from_estimator(model, ax=axes[0], columns=["loss"], x="seconds")
    assert display.ax_ is axes[0] and display.figure_ is figure
    assert display.ax_.get_xlabel() == "seconds"
    np.testing.assert_array_equal(display.lines_["loss"][0].get_xdata(), model.history_["seconds"])
    split = TrainingCurveDisplay.from_history(model.history_, ax=axes[1])
    assert len(split.ax_) == 3 and split.figure_ is figure
    pair = TrainingCurveDisplay.from_history(model.history_).plot(
        ax=plt.subplots(2)[1], columns=["loss", "objective"]
    )
    labelled(pair)


def test_training_curve_refuses_what_it_cannot_draw(diabetes):
    X, y = diabetes
    model = SGDRegressor(**SHORT)
    with pytest.raises(ValueError, match="This SGDRegressor has no history_"):
        TrainingCurveDisplay.from_estimator(model)
    model.fit(X, y)
    with pytest.raises(ValueError, match="'weather' is no column of the history"):
        TrainingCurveDisplay.from_estimator(model, columns=["weather"])
    with pytest.raises(ValueError, match="x='miles'"):
        TrainingCurveDisplay.from_estimator(model, x="miles")
    with pytest.raises(ValueError, match=r"needs \d axes"):
        TrainingCurveDisplay.from_estimator(model, ax=plt.subplots(2)[1])
    with pytest.raises(ValueError, match="at least one history"):
        TrainingCurveDisplay([], [])


def test_the_gradient_norm_is_that_of_the_mean_gradient(diabetes):
    X, y = diabetes
    # full batches: the gradient itself, of the objective at the weights before the epoch
    model = SGDRegressor(batch_size="full", learning_rate="constant", eta0=0.1, alpha=0.01)
    paths = PathRecorder()
    model.set_params(max_iter=5, tol=None, random_state=0).set_callbacks(paths).fit(X, y)
    display = TrainingCurveDisplay.from_estimator(model, columns="gradient_norm")
    assert "gradient norm" in display.ax_.get_title(loc="left")
    drawn = display.lines_["gradient_norm"][0].get_ydata()
    coefs = [np.zeros(X.shape[1]), *[np.ravel(coef) for coef in paths.coefs_]]
    intercepts = [0.0, *np.ravel(paths.intercepts_)]
    for epoch in range(5):
        residual = X @ coefs[epoch] + intercepts[epoch] - y
        gradient = np.append(X.T @ residual / len(y) + 0.01 * coefs[epoch], residual.mean())
        assert drawn[epoch] == pytest.approx(np.linalg.norm(gradient), rel=1e-9)
    assert "gradient_norm" not in model.history_


@pytest.mark.parametrize("batch_size", [1, 8])
@pytest.mark.parametrize("rate", ["invscaling", "constant", "adaptive", "optimal"])
def test_the_gradient_norm_divides_by_the_sum_of_the_rates(rate, batch_size, diabetes):
    X, y = diabetes
    model = SGDRegressor(learning_rate=rate, eta0=0.01, alpha=0.01, tol=0.05, n_iter_no_change=1)
    model.set_params(batch_size=batch_size, max_iter=12, random_state=0).fit(X, y)
    drawn = TrainingCurveDisplay.from_estimator(model, columns=["gradient_norm"])
    steps = -(-len(X) // batch_size)
    t = np.arange(1, model.n_iter_ * steps + 1).reshape(model.n_iter_, steps)
    last = model.history_["learning_rate"]
    if rate == "invscaling":
        total = (0.01 / t**0.25).sum(axis=1)
    elif rate == "optimal":
        t = t - 1 + 1 / (0.01 * last[0]) - (steps - 1)
        total = (1 / (0.01 * t)).sum(axis=1)
    else:
        total = last * steps
    np.testing.assert_allclose(
        drawn.lines_["gradient_norm"][0].get_ydata(), model.history_["update_norm"] / total, rtol=1e-9
    )


def test_the_gradient_norm_of_several_models_and_what_has_none(iris):
    X, y = iris
    model = SGDClassifier("log_loss", random_state=0).fit(X, y)
    display = TrainingCurveDisplay.from_estimators({"a": model, "b": model}, columns=["loss"])
    display.plot(columns=["loss", "gradient_norm"])  # asked for later
    assert np.isfinite(display.lines_["gradient_norm"][1].get_ydata()).all()
    for parameters in ({"optimizer": "adam"}, {"learning_rate": "auto"}):
        other = SGDClassifier(random_state=0, **parameters).fit(X, y)
        with pytest.raises(ValueError, match="updates are no multiples of the gradient"):
            TrainingCurveDisplay.from_estimator(other, columns=["gradient_norm"])
    with pytest.raises(ValueError, match="draw it by from_estimator"):
        TrainingCurveDisplay.from_history(model.history_, columns=["gradient_norm"])
    parts = SGDClassifier("log_loss", random_state=0).partial_fit(X[:100], y[:100], classes=[0, 1, 2])
    with pytest.raises(ValueError, match="several calls of partial_fit"):
        TrainingCurveDisplay.from_estimator(parts.partial_fit(X[100:], y[100:]), columns="gradient_norm")


def test_training_curve_of_a_solver(iris):
    X, y = iris
    model = LogisticRegression().fit(X, y)
    display = TrainingCurveDisplay.from_estimator(model)
    axes = labelled(display)
    assert list(display.lines_) == ["objective", "certificate"]
    assert axes[1].get_yscale() == "log" and axes[0].get_xlabel() == "iteration"
    np.testing.assert_array_equal(
        display.lines_["certificate"][0].get_ydata(), model.history_["certificate"]
    )
    with pytest.raises(ValueError, match="LogisticRegression has no gradient_norm"):
        TrainingCurveDisplay.from_estimator(model, columns=["gradient_norm"])
    model.history_ = {}
    with pytest.raises(ValueError, match="history_ of this LogisticRegression is empty"):
        TrainingCurveDisplay.from_estimator(model)


def test_many_fits_have_their_legend_below(diabetes):
    X, y = diabetes
    fits = {f"eta0={eta0}": SGDRegressor(eta0=eta0, **SHORT).fit(X, y) for eta0 in np.arange(1, 9) / 1e3}
    display = TrainingCurveDisplay.from_estimators(fits)
    assert display.ax_[0].get_legend() is None
    (legend,) = display.figure_.legends
    assert len(legend.get_texts()) == 8
    display.figure_.canvas.draw()
    lowest = min(ax.get_window_extent().y0 for ax in display.ax_)
    assert legend.get_window_extent().y1 < lowest
    (ax,) = plt.subplots(1, squeeze=False, layout="constrained")[1].ravel()
    one = TrainingCurveDisplay.from_estimators(fits, columns="loss", ax=ax)
    one.figure_.canvas.draw()
    assert ax.get_legend().get_window_extent().y1 < ax.get_window_extent().y0


def test_a_dict_of_names_is_asked_for(diabetes):
    X, y = diabetes
    path = PathRecorder()
    model = SGDRegressor(**SHORT).set_callbacks(path).fit(X, y)
    with pytest.raises(ValueError, match="estimators must be a dict of name -> fitted estimator"):
        TrainingCurveDisplay.from_estimators([model, model])
    with pytest.raises(ValueError, match="paths must be a dict of name -> PathRecorder"):
        DescentPathDisplay.from_paths(model, X, y, [path])


# -- learning rates --------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 16])
def test_learning_rates_are_those_of_single_fits(batch_size, diabetes):
    X, y = diabetes
    model = SGDRegressor(learning_rate="constant", batch_size=batch_size, random_state=0)
    rates = [1e-5, 1e-3, 0.02, 5.0]
    display = LearningRateFinderDisplay.from_estimator(model, X, y, learning_rates=rates)
    labelled(display)
    np.testing.assert_allclose(display.learning_rates, rates)
    zeros = np.zeros(X.shape[1])
    assert display.start == pytest.approx(objective(model, X, y, zeros, 0.0))
    for rate, loss in zip(rates[:3], display.losses[:3], strict=True):
        alone = SGDRegressor(
            learning_rate="constant",
            batch_size=batch_size,
            random_state=0,
            eta0=rate,
            max_iter=1,
            tol=None,
        ).fit(X, y)
        assert loss == pytest.approx(objective(model, X, y, alone.coef_, alone.intercept_[0]), rel=1e-6)
    assert not display.losses[3] < display.start
    assert display.edge == 5.0 and display.suggestion == 0.02


def test_the_suggested_rate_is_below_the_edge_and_trains_well(diabetes):
    X, y = diabetes
    model = SGDRegressor(batch_size="full", learning_rate="constant", random_state=0, tol=None)
    display = LearningRateFinderDisplay.from_estimator(model, X, y, max_iter=30)
    full = np.column_stack([X, np.ones(len(X))])
    stable = 2 / np.linalg.eigvalsh(full.T @ full / len(X))[-1]
    assert stable <= display.edge < 1.6 * stable  # the grid is that coarse
    assert display.suggestion <= display.edge / 3
    trained = model.set_params(eta0=display.suggestion, max_iter=200).fit(X, y)
    assert trained.score(X, y) > 0.5


@pytest.mark.parametrize("multi_class", ["ovr", "multinomial"])
def test_learning_rates_of_several_classes(multi_class, iris):
    X, y = iris
    model = SGDClassifier("log_loss", multi_class=multi_class, random_state=0)
    display = LearningRateFinderDisplay.from_estimator(model, X, y)
    labelled(display)
    assert display.schedule == "constant"  # 'optimal' has no eta0
    assert display.start == pytest.approx(np.log(2) if multi_class == "ovr" else np.log(3))
    assert 1e-3 < display.suggestion < 10


def test_learning_rates_through_a_pipeline(diabetes):
    X, y = diabetes
    pipeline = make_pipeline(StandardScaler(), SGDRegressor(random_state=0)).fit(1000 * X, y)
    display = LearningRateFinderDisplay.from_estimator(pipeline, 1000 * X, y, ax=plt.subplots()[1])
    assert display.schedule == "invscaling" and 1e-3 < display.suggestion < 1


def test_learning_rates_of_which_none_is_good():
    display = LearningRateFinderDisplay([0.1, 1.0], [np.inf, np.inf], 1.0).plot()
    labelled(display)
    assert display.edge == 0.1 and np.isnan(display.suggestion)
    fine = LearningRateFinderDisplay([0.1, 1.0], [0.9, 0.8], 1.0).plot()
    assert fine.edge == np.inf and fine.suggestion == 1.0
    with pytest.raises(ValueError, match="learning_rates must be"):
        LearningRateFinderDisplay.from_estimator(
            SGDRegressor(), [[0.0], [1.0]], [0, 1], learning_rates=[0]
        )


# -- descent paths ---------------------------------------------------------------------------------


def recorded(model, X, y, **keywords):
    path = PathRecorder(**keywords)
    return model.set_callbacks(path).fit(X, y), path


@pytest.mark.parametrize("directions", ["principal", (2, 8), (3, -1)])
def test_the_contours_are_the_objective_on_the_plane(directions, diabetes):
    X, y = diabetes
    model, path = recorded(SGDRegressor(batch_size="full", eta0=0.1, alpha=0.1, **SHORT), X, y)
    display = DescentPathDisplay.from_estimator(model, X, y, path, directions=directions, resolution=9)
    labelled(display)
    end = np.append(model.coef_, model.intercept_)
    if directions == "principal":
        spread = (
            np.vstack([np.zeros(11), np.column_stack([path.coefs_, np.ravel(path.intercepts_)])]) - end
        )
        u, v = np.linalg.svd(spread - spread.mean(axis=0))[2][:2]
        u, v = u * np.sign(u[np.argmax(np.abs(u))]), v * np.sign(v[np.argmax(np.abs(v))])
        origin = end
    else:
        u, v = np.eye(11)[list(directions)]
        origin = end - u * (end @ u) - v * (end @ v)
        np.testing.assert_allclose(display.paths[0][-1], end[list(directions)])
        np.testing.assert_allclose(display.paths[0][0], 0, atol=1e-12)
    for i, j in [(0, 0), (8, 3), (4, 8)]:
        w = origin + display.a[j] * u + display.b[i] * v
        assert display.objective[i, j] == pytest.approx(objective(model, X, y, w[:-1], w[-1]))
    assert len(display.paths[0]) == 13
    low, high = display.paths[0].min(axis=0), display.paths[0].max(axis=0)
    assert display.a[0] < low[0] and high[0] < display.a[-1]
    assert display.b[0] < low[1] and high[1] < display.b[-1]


def test_several_paths_and_named_features(diabetes):
    names = load_diabetes(as_frame=True).data.columns
    X, y = diabetes
    X = pd.DataFrame(X, columns=names)
    paths = {}
    for batch_size in (1, "full"):
        model, paths[f"batch_size={batch_size}"] = recorded(
            SGDRegressor(batch_size=batch_size, **SHORT), X, y
        )
    display = DescentPathDisplay.from_paths(model, X, y, paths, directions=("bmi", "s5"), resolution=8)
    labelled(display)
    assert display.axis_labels == ("weight of bmi", "weight of s5")
    texts = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert texts[-2:] == ["batch_size=1", "batch_size=full"]
    assert len({line.get_color() for line in display.lines_}) == 2
    pipeline = make_pipeline(StandardScaler(), model).fit(X, y)
    display = DescentPathDisplay.from_estimator(pipeline, X, y, paths["batch_size=1"], resolution=5)
    labelled(display)


def test_a_path_of_one_class_of_several(iris):
    X, y = iris
    model, path = recorded(SGDClassifier("log_loss", **SHORT), X, y)
    display = DescentPathDisplay.from_estimator(
        model, X, y, path, model=2, directions=(0, 1), resolution=6
    )
    np.testing.assert_allclose(display.paths[0][-1], model.coef_[2, :2])
    w = model.coef_[2].copy()
    w[:2] = display.a[1], display.b[4]
    margin = np.where(y == 2, 1, -1) * (X @ w + model.intercept_[2])
    expected = np.mean(np.log1p(np.exp(-margin))) + 0.5 * model.alpha * w @ w
    assert display.objective[4, 1] == pytest.approx(expected)


def test_descent_paths_refuse_what_they_cannot_draw(diabetes, iris):
    X, y = diabetes
    model, path = recorded(SGDRegressor(**SHORT), X, y)
    with pytest.raises(ValueError, match="The path 'SGDRegressor' has 0 points"):
        DescentPathDisplay.from_estimator(model, X, y, PathRecorder())
    with pytest.raises(ValueError, match="it needs at least two, of 3"):
        DescentPathDisplay.from_estimator(model, X[:, :3], y, path)
    with pytest.raises(ValueError, match="directions='north'"):
        DescentPathDisplay.from_estimator(model, X, y, path, directions="north")
    with pytest.raises(TypeError, match="SGDOneClassSVM has no objective that can be drawn"):
        DescentPathDisplay.from_estimator(SGDOneClassSVM(), X, y, path)
    X, y = iris
    model, path = recorded(SGDClassifier("log_loss", multi_class="multinomial", **SHORT), X, y)
    with pytest.raises(ValueError, match="softmax move together"):
        DescentPathDisplay.from_estimator(model, X, y, path)


@pytest.mark.parametrize(
    "wrong, match",
    [
        (("typo", "feature 1"), "there is no 'typo' among 'feature 0', 'feature 1'"),
        ((0, 99), "99 must be the name of a feature, or its number"),
        ((0.5, 1), "0.5 must be the name of a feature"),
        ((0,), "must be 'principal' or a pair of features"),
        ((0, 0), "must be two different features"),
        ((-1, "feature 0", 1), "a pair of features; got 3"),
    ],
)
def test_directions_that_are_no_pair_of_features(wrong, match, diabetes):
    X, y = diabetes
    path = PathRecorder()
    model = SGDRegressor(**SHORT).set_callbacks(path).fit(X, y)
    with pytest.raises(ValueError, match=match):
        DescentPathDisplay.from_estimator(model, X, y, path, directions=wrong)


def test_a_model_that_is_not_there(iris):
    X, y = iris
    path = PathRecorder()
    model = SGDClassifier("log_loss", random_state=0).set_callbacks(path).fit(X, y)
    for wrong in (99, 3, -1, "a"):
        with pytest.raises(ValueError, match="trains 3 on these data, numbered from 0 to 2"):
            DescentPathDisplay.from_estimator(model, X, y, path, model=wrong)


def test_the_lowest_point_is_above_the_paths(diabetes):
    X, y = diabetes
    path = PathRecorder()
    model = SGDRegressor(**SHORT).set_callbacks(path).fit(X, y)
    display = DescentPathDisplay.from_estimator(model, X, y, path)
    (cross,) = [line for line in display.ax_.lines if line.get_label() == "lowest on the plane"]
    assert all(cross.get_zorder() > line.get_zorder() for line in display.ax_.lines if line is not cross)


def test_what_has_no_learning_rate_or_path_is_refused(iris):
    X, y = iris
    with pytest.raises(TypeError, match="LogisticRegression has no learning rate to find"):
        LearningRateFinderDisplay.from_estimator(LogisticRegression().fit(X, y), X, y)
    search = GridSearchCV(SGDClassifier(), {"alpha": [1e-3, 1e-2]})
    with pytest.raises(ValueError, match=r"has no cv_results_: it must be a .* that is fitted"):
        RegularizationPathDisplay.from_search(search)


def test_the_landscape_is_what_the_fit_descends(iris):
    X, y = iris
    weight = np.linspace(0.5, 2, len(X))
    for parameters in ({}, {"batch_size": "full", "learning_rate": "constant", "eta0": 1e-12}):
        model = SGDClassifier("log_loss", alpha=0.3, class_weight={1: 3.0}, **SHORT, **parameters)
        model.fit(X, y == 1, sample_weight=weight)
        landscape = Landscape(model, X, y == 1, weight)
        if parameters:  # whose steps are so small that each epoch's objective is that of its weights
            found = landscape.objective(model.coef_[0], model.intercept_[0])
            assert found == pytest.approx(model.history_["objective"][-1], rel=1e-6)
        assert landscape.objective(np.full(4, np.nan), 0.0) == np.inf


# -- regularization paths --------------------------------------------------------------------------


def test_regularization_path_of_a_regressor(diabetes):
    X, y = diabetes
    model = SGDRegressorCV(alphas=[1.0, 0.1, 0.01], cv=3, random_state=0, max_iter=20).fit(X, y)
    display = RegularizationPathDisplay.from_estimator(model, X, y)
    axes = labelled(display)
    assert len(axes) == 2 and axes[-1].get_ylabel() == "R²"
    np.testing.assert_array_equal(display.alphas, [0.01, 0.1, 1.0])
    np.testing.assert_array_equal(display.scores, model.scores_path_[0][::-1])
    assert display.best == model.alpha_
    for alpha, coef in zip(display.alphas, display.coefs, strict=True):
        alone = SGDRegressor(alpha=alpha, random_state=0, max_iter=20).fit(X, y)
        np.testing.assert_allclose(coef, alone.coef_, rtol=1e-6)
    alone = RegularizationPathDisplay.from_estimator(model)
    assert alone.coefs is None and labelled(alone)


def test_regularization_path_of_classes_and_of_the_elastic_net(iris):
    X, y = iris
    model = SGDClassifierCV(
        "log_loss", penalty="elasticnet", alphas=[1e-3, 1e-2], l1_ratios=[0.2, 0.8], cv=3, random_state=0
    ).fit(X, y)
    display = RegularizationPathDisplay.from_estimator(model, X, y)
    labelled(display)
    ratio = model.l1_ratios_.tolist().index(model.l1_ratio_)
    np.testing.assert_array_equal(display.scores, model.scores_path_[ratio])
    assert display.ax_[0].get_ylabel() == "norm of a feature's 3 coefficients"
    at = display.alphas.tolist().index(model.alpha_)
    np.testing.assert_allclose(display.coefs[at], np.linalg.norm(model.coef_, axis=0), rtol=1e-6)


@pytest.mark.parametrize("search", [GridSearchCV, SklearnGridSearchCV])
def test_regularization_path_of_a_search_over_a_pipeline(search, diabetes):
    names = load_diabetes(as_frame=True).data.columns
    X, y = diabetes
    X = pd.DataFrame(X, columns=names)
    grid = {"sgdregressor__alpha": [0.01, 0.1, 1.0], "sgdregressor__eta0": [0.01, 0.003]}
    pipeline = make_pipeline(StandardScaler(), SGDRegressor(random_state=0, max_iter=20))
    fitted = search(pipeline, grid, cv=3).fit(X, y)
    display = RegularizationPathDisplay.from_search(fitted, X, y)
    labelled(display)
    assert display.coefs.shape == (3, 10) and display.names == list(names)
    at = display.alphas.tolist().index(fitted.best_params_["sgdregressor__alpha"])
    assert display.scores[at].mean() == pytest.approx(fitted.best_score_)
    best = fitted.best_estimator_[-1]
    np.testing.assert_allclose(display.coefs[at], best.coef_, rtol=1e-6)


def test_regularization_path_refuses_what_has_none(diabetes):
    X, y = diabetes
    with pytest.raises(ValueError, match="This SGDRegressor has no path"):
        RegularizationPathDisplay.from_estimator(SGDRegressor(**SHORT).fit(X, y))
    search = GridSearchCV(SGDRegressor(**SHORT), {"eta0": [0.1, 0.01]}, cv=2).fit(X, y)
    with pytest.raises(ValueError, match=r"did not vary alpha; it varied \['eta0'\]"):
        RegularizationPathDisplay.from_search(search)


# -- all of them -----------------------------------------------------------------------------------


def test_nothing_global_is_touched(diabetes):
    before = dict(matplotlib.rcParams)
    X, y = diabetes
    TrainingCurveDisplay.from_estimator(SGDRegressor(**SHORT).fit(X, y))
    assert dict(matplotlib.rcParams) == before


def test_without_matplotlib_a_sentence_says_what_is_missing():
    code = """
import sys
sys.modules["matplotlib"] = sys.modules["matplotlib.pyplot"] = None
from fastgd import TrainingCurveDisplay, LearningRateFinderDisplay, diagnose
display = TrainingCurveDisplay([{"loss": [1.0], "seconds": [0.1]}], ["fit"])
finder = LearningRateFinderDisplay([0.1, 1.0], [0.5, 2.0], 1.0)
assert finder.edge == 1.0
for one in (display, finder):
    try:
        one.plot()
    except ImportError as error:
        assert "pip install 'fastgd[plot]'" in str(error) and type(one).__name__ in str(error)
    else:
        raise SystemExit("drawn")
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert done.stdout.strip() == "fine", done.stderr
