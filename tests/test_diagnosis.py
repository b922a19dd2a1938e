"""diagnose: every finding on data that provoke it, and none on healthy fits."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    make_classification,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import SGDClassifier as SklearnSGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from fastgd import (
    Lasso,
    LinearRegression,
    LogisticRegression,
    Ridge,
    RidgeCV,
    SGDClassifier,
    SGDRegressor,
    SGDRegressorCV,
    diagnose,
)
from fastgd.callbacks import on_epoch
from fastgd.diagnosis import FINDINGS, SOLVER_FINDINGS

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

NAMES = {
    look.__name__.replace("_", " ").replace("under ", "under-") for look in (*FINDINGS, *SOLVER_FINDINGS)
}


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return scale(X), (y - y.mean()) / y.std()


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True, as_frame=True)


HEALTHY = {
    "logistic": lambda: (SGDClassifier("log_loss", alpha=0.01), *load_breast_cancer(return_X_y=True)),
    "hinge": lambda: (SGDClassifier(alpha=0.01), *load_breast_cancer(return_X_y=True)),
    "three classes": lambda: (SGDClassifier("log_loss", alpha=0.01), *load_iris(return_X_y=True)),
    "ten classes": lambda: (SGDClassifier("log_loss", alpha=0.01), *load_digits(return_X_y=True)),
    "softmax": lambda: (
        SGDClassifier("log_loss", alpha=0.01, multi_class="multinomial"),
        *load_iris(return_X_y=True),
    ),
    "regression": lambda: (SGDRegressor(), *load_diabetes(return_X_y=True)),
    "batches": lambda: (
        SGDRegressor(batch_size=16, learning_rate="adaptive", eta0=0.05),
        *load_diabetes(return_X_y=True),
    ),
    "full batch": lambda: (
        SGDRegressor(batch_size="full", learning_rate="constant", eta0=0.3, tol=1e-4),
        *load_diabetes(return_X_y=True),
    ),
    "path": lambda: (SGDRegressorCV(), *load_diabetes(return_X_y=True)),
    "l1": lambda: (SGDRegressor(penalty="l1", alpha=0.01), *load_diabetes(return_X_y=True)),
    "auto": lambda: (
        SGDClassifier("log_loss", learning_rate="auto"),
        *load_breast_cancer(return_X_y=True),
    ),
    "logistic to the optimum": lambda: (LogisticRegression(), *load_iris(return_X_y=True)),
    "lasso to the optimum": lambda: (Lasso(alpha=0.1), *load_diabetes(return_X_y=True)),
}


@pytest.mark.parametrize("name", HEALTHY)
@pytest.mark.parametrize("seed", range(3))
def test_silent_on_healthy_fits(name, seed):
    model, X, y = HEALTHY[name]()
    if y.dtype.kind == "f":
        y = (y - y.mean()) / y.std()
    seeds = {"random_state": seed} if "random_state" in model.get_params() else {}
    model = make_pipeline(StandardScaler(), model.set_params(**seeds)).fit(X, y)
    diagnosis = diagnose(model, X, y, X, y)
    assert diagnosis.healthy and not diagnosis.findings, repr(diagnosis)
    assert repr(diagnosis).endswith("Nothing stands out.")
    assert "objective" in diagnosis.summary


@pytest.mark.parametrize("batch_size, eta0", [("full", 0.75), (1, 0.2), (8, 0.4)])
def test_overshooting(batch_size, eta0, diabetes):
    X, y = diabetes
    model = SGDRegressor(
        learning_rate="constant", batch_size=batch_size, eta0=eta0, max_iter=40, tol=None, random_state=0
    )
    finding = diagnose(model.fit(X, y), X, y)["overshooting"]
    assert finding.parameters == {"eta0": pytest.approx(eta0 / 10)}
    assert f"Set eta0={eta0 / 10:g} instead of {eta0:g}" in finding.remedy
    assert "overshooting" not in diagnose(model.set_params(**finding.parameters).fit(X, y), X, y)


def test_overshooting_of_the_optimal_schedule(cancer):
    X, y = cancer
    model = SGDClassifier("log_loss", alpha=1e-7, max_iter=30, tol=None, random_state=0).fit(X, y)
    finding = diagnose(model, X, y)["overshooting"]
    assert "average=True" in finding.remedy


@pytest.mark.parametrize("tol", [None, 1e-3])
def test_crawling(tol, diabetes):
    X, y = diabetes
    model = SGDRegressor(learning_rate="constant", eta0=1e-6, max_iter=30, tol=tol, random_state=0)
    diagnosis = diagnose(model.fit(X, y), X, y)
    finding = diagnosis["crawling"]
    assert finding.parameters == {"eta0": pytest.approx(1e-5)}
    assert "crawling" in diagnosis and "overshooting" not in diagnosis
    assert "still fell" in finding.what if tol is None else "too small" in finding.what


def test_crawling_at_an_even_pace(cancer):
    # the objective falls by 6 %, but no slower in the end than in the beginning
    X, y = scale(cancer[0]), cancer[1]
    model = SGDClassifier(
        "log_loss", learning_rate="constant", eta0=1e-6, max_iter=10_000, random_state=0
    ).fit(X, y)
    finding = diagnose(model, X, y)["crawling"]
    assert "tol=0.001 ended the fit" in finding.what and finding.parameters == {"eta0": 1e-5}


def test_a_fit_that_a_callback_ended_is_not_said_to_crawl_because_of_tol(diabetes):
    X, y = diabetes
    model = SGDRegressor(learning_rate="constant", eta0=1e-6, max_iter=30, tol=None, random_state=0)
    model.set_callbacks(on_epoch(lambda info: info.epoch == 10)).fit(X, y)
    assert diagnose(model, X, y).healthy


def test_the_auto_rate_scales_by_itself(cancer):
    X, y = cancer
    model = SGDClassifier("log_loss", learning_rate="auto", random_state=0).fit(X, y)
    assert diagnose(model, X, y).healthy


def test_the_numbers_of_several_models_are_said_of_whom():
    X, y = load_digits(return_X_y=True)
    model = SGDClassifier(learning_rate="constant", eta0=5, max_iter=30, random_state=0).fit(X, y)
    diagnosis = diagnose(model, X, y)
    table = model.history_["objective"]
    last = [column[np.isfinite(column)][-1] for column in table.T]
    assert f"objective (mean of 10 models) {table[0].mean():.4g} in the first" in diagnosis.summary
    assert f"{np.mean(last):.4g} in the last" in diagnosis.summary
    longest = int(np.argmax(np.isfinite(table).sum(axis=0)))
    finding = diagnosis["overshooting"]
    assert finding.what.startswith(f"The objective of class '{longest}' ")
    assert finding.numbers["last"] == last[longest]


def test_a_solver_that_was_ended_early(cancer):
    X, y = cancer
    model = LogisticRegression(max_iter=3).fit(X, y)
    diagnosis = diagnose(model, X, y)
    assert [finding.name for finding in diagnosis] == ["unfinished"]
    finding = diagnosis["unfinished"]
    assert "where tol=0.0001 asks for less: max_iter=3 iterations were run." in finding.what
    assert finding.numbers["certificate"] == model.certificate_.relative > 1e-4
    assert diagnose(model.set_params(**finding.parameters).fit(X, y), X, y).healthy
    assert diagnosis.summary.startswith("LogisticRegression, 3 iterations: objective ")


@pytest.mark.parametrize("model", [LinearRegression(), Ridge(), RidgeCV(), Lasso(alpha=0.1)])
def test_least_squares_can_be_diagnosed(model, diabetes):
    X, y = diabetes
    diagnosis = diagnose(model.fit(X, y), X, y)
    assert diagnosis.healthy and "1 iteration: objective" in diagnosis.summary


def test_plateau(diabetes):
    X, y = diabetes
    model = SGDRegressor(learning_rate="constant", eta0=0.3, batch_size="full", max_iter=800, tol=None)
    diagnosis = diagnose(model.fit(X, y), X, y)
    assert [finding.name for finding in diagnosis] == ["plateau"]
    arrived = diagnosis["plateau"].numbers["arrived"]
    assert f"in epoch {arrived} " in diagnosis["plateau"].what and 5 < arrived < 400
    assert "plateau" not in diagnose(model.set_params(max_iter=arrived + 5).fit(X, y), X, y)


@pytest.mark.parametrize("kind", ["frame", "array", "sparse"])
def test_unscaled_features_are_named(kind, cancer):
    frame, y = cancer
    X = {"frame": frame, "array": frame.to_numpy(), "sparse": sp.csr_matrix(frame)}[kind]
    model = SGDClassifier("log_loss", random_state=0).fit(X, y)
    finding = diagnose(model, X, y)["unscaled features"]
    names = [str(name) for name in frame.columns]
    expected = ["worst area", "mean area"]
    if kind != "frame":
        expected = [f"feature {names.index(name)}" for name in expected]
    assert finding.numbers["features"][:2] == expected
    assert all(name in finding.what for name in expected)
    assert ("MaxAbsScaler" if kind == "sparse" else "StandardScaler") in finding.remedy
    scaled = make_pipeline(StandardScaler(with_mean=kind != "sparse"), model).fit(X, y)
    assert "unscaled features" not in diagnose(scaled, X, y)


def test_class_imbalance():
    X, y = make_classification(
        2000, 5, n_informative=3, n_redundant=0, weights=[0.96], class_sep=0.5, random_state=0
    )
    model = SGDClassifier("log_loss", alpha=0.01, random_state=0).fit(scale(X), y)
    finding = diagnose(model, scale(X), y)["class imbalance"]
    assert finding.numbers["classes"] == [1] and finding.numbers["recalls"][0] < 0.5
    assert "'1' (4." in finding.what
    assert "class imbalance" not in diagnose(
        model.set_params(**finding.parameters).fit(scale(X), y), scale(X), y
    )


def test_under_regularised():
    draws = np.random.default_rng(0)
    X = draws.normal(size=(120, 200))
    y = np.where(X[:, :3].sum(axis=1) + 1.5 * draws.normal(size=120) > 0, "up", "down")
    model = SGDClassifier("log_loss", alpha=1e-4, random_state=0).fit(X[:60], y[:60])
    diagnosis = diagnose(model, X[:60], y[:60], X[60:], y[60:])
    finding = diagnosis["under-regularised"]
    assert finding.numbers["training"] > finding.numbers["unseen"] + 0.08
    assert finding.parameters == {"alpha": pytest.approx(1e-3)}
    watched = SGDClassifier("log_loss", random_state=0, max_iter=20, tol=None)
    watched.fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:])
    assert "validation set of the fit" in diagnose(watched, X[:60], y[:60])["under-regularised"].what
    assert "under-regularised" not in diagnose(model, X[:60], y[:60])  # not to be seen


@pytest.mark.parametrize(
    "model, expected",
    [
        (SGDClassifier("log_loss", penalty=None), {"penalty": "l2", "alpha": 1e-3}),
        (SGDClassifier("log_loss", alpha=0, learning_rate="constant", eta0=0.1), {"alpha": 1e-3}),
        (SGDClassifier(learning_rate="pa1", eta0=1.0), {"eta0": 0.1}),
        (LogisticRegression(C=100.0), {"C": 10.0}),
        (LogisticRegression(C=np.inf), {"C": 1.0}),
        (RidgeCV([1e-6]), {}),
        (LinearRegression(), {}),
        (Ridge(alpha=1e-6), {"alpha": 1e-5}),
    ],
    ids=lambda value: str(value).replace("\n", "") if isinstance(value, dict) else type(value).__name__,
)
def test_the_remedy_of_a_missing_penalty_has_an_effect(model, expected):
    draws = np.random.default_rng(0)
    X = draws.normal(size=(120, 70))
    score = X[:, :3].sum(axis=1) + 1.5 * draws.normal(size=120)
    y = score if isinstance(model, (LinearRegression, Ridge, RidgeCV)) else score > 0
    model.fit(X[:60], y[:60])
    finding = diagnose(model, X[:60], y[:60], X[60:], y[60:])["under-regularised"]
    assert finding.parameters == expected
    for name, value in expected.items():
        assert f"{name}={value!r}" in finding.remedy or f"{name}={value:g}" in finding.remedy
    before = model.coef_.copy()
    if expected:
        assert (model.set_params(**expected).fit(X[:60], y[:60]).coef_ != before).any()


def test_what_is_returned_is_for_people_and_programs(cancer):
    X, y = cancer
    model = SGDClassifier("log_loss", random_state=0).fit(X, y)
    diagnosis = diagnose(model, X, y)
    text = repr(diagnosis)
    assert len(diagnosis) == len(list(diagnosis)) == text.count("\n- ") == text.count("\n  -> ")
    for finding in diagnosis:
        assert finding.name in NAMES and finding.name in diagnosis
        assert str(finding) == f"{finding.what} {finding.remedy}"
        assert finding.what[0].isupper() or finding.what.split()[0] in " ".join(X.columns)
        assert finding.what.endswith(".") and finding.remedy.endswith(".")
        assert set(finding.parameters) <= set(model.get_params())
    with pytest.raises(KeyError):
        diagnosis["weather"]


def test_what_cannot_be_diagnosed_is_refused(cancer):
    X, y = cancer
    with pytest.raises(NotFittedError):
        diagnose(SGDClassifier(), X, y)
    with pytest.raises(ValueError, match="This SGDClassifier has no history_"):
        diagnose(SklearnSGDClassifier().fit(X, y), X, y)
    model = SGDClassifier("log_loss", random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"call diagnose\(model, X, y\)"):
        diagnose(model, y, X)
    with pytest.raises(ValueError, match="was fitted to 30 features"):
        diagnose(model, X.iloc[:, :4], y)
    with pytest.raises(ValueError, match="X has 569 rows and y has 5"):
        diagnose(model, X, y[:5])
    with pytest.raises(ValueError, match="both X_val and y_val"):
        diagnose(model, X, y, X)


def test_nothing_is_changed(cancer):
    X, y = cancer
    before = pd.DataFrame(X).copy()
    model = SGDClassifier("log_loss", random_state=0).fit(X, y)
    state = {name: np.copy(value) for name, value in vars(model).items() if name.endswith("_")}
    diagnose(model, X, y)
    pd.testing.assert_frame_equal(X, before)
    for name, value in state.items():
        np.testing.assert_array_equal(getattr(model, name), value)
