"""The README's pictures of descents, on scikit-learn's bundled data: no data folder is needed.

    python -m benchmarks pictures [FOLDER] [--format svg|png]

One function per picture, named as its file; `draw` runs them all.
"""

import argparse
import warnings
from pathlib import Path

from benchmarks.chart import prepared


def standardised(load, **keywords):
    from sklearn.preprocessing import StandardScaler

    data = load(as_frame=True, **keywords)
    scaler = StandardScaler().set_output(transform="pandas")
    return scaler.fit_transform(data.data), data.target


def training_curves():
    """Three step sizes on breast_cancer, with a validation set."""
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import train_test_split

    from fastgd import SGDClassifier, TrainingCurveDisplay

    X, y = standardised(load_breast_cancer)
    X, X_val, y, y_val = train_test_split(X, y, test_size=0.4, random_state=2)
    fits = {}
    for eta0 in (0.03, 0.3, 3.0):
        model = SGDClassifier(
            "log_loss", learning_rate="invscaling", eta0=eta0, batch_size=32, alpha=1e-3
        )
        model.set_params(max_iter=40, tol=None, random_state=0)
        fits[f"eta0={eta0:g}"] = model.fit(X, y, X_val=X_val, y_val=y_val)
    return TrainingCurveDisplay.from_estimators(fits).figure_


def learning_rates():
    """What each learning rate reaches in one epoch of the diabetes data."""
    from sklearn.datasets import load_diabetes

    from fastgd import LearningRateFinderDisplay, SGDRegressor

    X, y = standardised(load_diabetes)
    model = SGDRegressor(learning_rate="constant", batch_size=8, random_state=0)
    return LearningRateFinderDisplay.from_estimator(model, X, y).figure_


def descent_paths():
    """Batch sizes: from a noisy walk to a straight slide."""
    from sklearn.datasets import load_diabetes

    from fastgd import DescentPathDisplay, SGDRegressor
    from fastgd.callbacks import PathRecorder

    X, y = standardised(load_diabetes)
    X, y = X[["s1", "s5"]], (y - y.mean()) / y.std()  # two correlated features make a narrow valley
    paths = {}
    for label, parameters in {
        "full batch, rate 0.3": {"batch_size": "full", "eta0": 0.3},
        "full batch, rate 1.25": {"batch_size": "full", "eta0": 1.25},
        "batches of 8, rate 0.05": {"batch_size": 8, "eta0": 0.05},
    }.items():
        path = paths[label] = PathRecorder()
        model = SGDRegressor(learning_rate="constant", fit_intercept=False, max_iter=20, tol=None)
        model.set_params(random_state=0, **parameters).set_callbacks(path).fit(X, y)
    return DescentPathDisplay.from_paths(model, X, y, paths, directions=("s1", "s5")).figure_


def regularization_path():
    """The strength of an l2 penalty on the diabetes data, by cross-validation."""
    import numpy as np
    from sklearn.datasets import load_diabetes

    from fastgd import RegularizationPathDisplay, SGDRegressorCV

    X, y = standardised(load_diabetes)
    y = y - y.mean()
    model = SGDRegressorCV(alphas=np.geomspace(1e-3, 30, 24), cv=5, learning_rate="adaptive", eta0=3e-3)
    model.set_params(random_state=0, max_iter=200, tol=1e-4).fit(X, y)
    return RegularizationPathDisplay.from_estimator(model, X, y).figure_


PICTURES = (training_curves, learning_rates, descent_paths, regularization_path)


def draw(folder, kind):
    """Write all pictures into a folder; yields their paths."""
    from sklearn.exceptions import ConvergenceWarning

    plt = prepared()
    for picture in PICTURES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            figure = picture()
        path = Path(folder) / f"{picture.__name__}.{kind}"
        metadata = {"Date": None} if kind == "svg" else {}
        figure.savefig(path, metadata=metadata, facecolor="white", dpi=110)
        plt.close(figure)
        yield path


def main(argv):
    parser = argparse.ArgumentParser(prog="python -m benchmarks pictures")
    parser.add_argument("folder", type=Path, nargs="?", default=Path(__file__).parent / "pictures")
    parser.add_argument("--format", choices=("svg", "png"), default="svg")
    options = parser.parse_args(argv)
    options.folder.mkdir(exist_ok=True)
    for path in draw(options.folder, options.format):
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
    return 0
