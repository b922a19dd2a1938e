"""multi_class='multinomial': one softmax over the classes."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import model_selection
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import NotFittedError

from fastgd import SGDClassifier
from fastgd.callbacks import on_epoch
from fastgd.model_selection import GridSearchCV

pytestmark = [
    pytest.mark.kernels,
    pytest.mark.filterwarnings("ignore:The fit is worse than none"),
    pytest.mark.filterwarnings("ignore:Maximum number of iteration"),
]

K, D = 4, 6


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(90, D)) * (rng.random((90, D)) < 0.7)
    y = np.array(list("wxyz"))[np.argmax(X[:, :K] + 0.5 * rng.normal(size=(90, K)), axis=1)]
    return X, y, rng.random(90) + 0.1


def softmax(scores):
    e = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def twin(X, codes, weight, alpha, eta, epochs, batch):
    """The descent, written out: one step per batch along the mean gradient, the l2 penalty first."""
    W, b = np.zeros((K, X.shape[1])), np.zeros(K)
    losses = []
    unit = 1.0 if batch == 1 else weight.mean()
    for _ in range(epochs):
        total = 0.0
        for start in range(0, len(X), batch):
            rows = slice(start, start + batch)
            scores = X[rows] @ W.T + b
            right = np.eye(K)[codes[rows]]
            share = weight[rows] / unit
            loss = np.logaddexp.reduce(scores, axis=1) - (scores * right).sum(axis=1)
            total += loss.sum() if batch == 1 else (share * loss).sum()
            pull = share[:, None] * (softmax(scores) - right) / len(scores)
            W *= 1 - eta * alpha
            W -= eta * pull.T @ X[rows]
            b -= eta * pull.sum(axis=0)
        losses.append(total / len(X))
    return W, b, losses


@pytest.mark.parametrize("batch_size", [1, 8, "full"])
@pytest.mark.parametrize("layout", ["dense", "csr", "csr64", "float32", "uint8"])
@pytest.mark.parametrize("weighted", [False, True])
def test_equals_the_twin(data, batch_size, layout, weighted):
    X, y, weight = data
    if layout == "uint8":
        X = (3 * np.abs(X)).astype(np.uint8)
    classes, codes = np.unique(y, return_inverse=True)
    class_weight = np.array([1.0, 2.0, 0.5, 3.0]) if weighted else np.ones(K)
    rows = weight * class_weight[codes] if weighted else np.ones(len(X))
    batch = len(X) if batch_size == "full" else batch_size
    W, b, losses = twin(X.astype(float), codes, rows, 1e-2, 0.05, 3, batch)
    given = {
        "csr": sp.csr_matrix,
        "csr64": lambda X: sp.csr_matrix(sp.csc_matrix(X)),
        "float32": lambda X: X.astype(np.float32),
    }.get(layout, lambda X: X)(X)
    if layout == "csr64":
        given.indices, given.indptr = given.indices.astype(np.int64), given.indptr.astype(np.int64)
    model = SGDClassifier(
        loss="log_loss",
        multi_class="multinomial",
        alpha=1e-2,
        learning_rate="constant",
        eta0=0.05,
        shuffle=False,
        max_iter=3,
        tol=None,
        batch_size=batch_size,
        class_weight=dict(zip(classes, class_weight, strict=True)) if weighted else None,
    ).fit(given, y, sample_weight=weight if weighted else None)
    tolerance = 1e-5 if layout in ("float32", "uint8") else 1e-10
    np.testing.assert_allclose(model.coef_, W, atol=tolerance)
    np.testing.assert_allclose(model.intercept_, b, atol=tolerance)
    np.testing.assert_allclose(model.history_["loss"], losses, rtol=10 * tolerance)


def test_gradient_is_that_of_finite_differences(data):
    # one full step from given weights is minus eta times the gradient of the objective
    X, y, _ = data
    codes = np.unique(y, return_inverse=True)[1]
    rng = np.random.default_rng(0)
    W, b, alpha, eta = rng.normal(size=(K, D)), rng.normal(size=K), 0.03, 1e-3

    def objective(theta):
        W, b = theta[:-K].reshape(K, D), theta[-K:]
        scores = X @ W.T + b
        loss = np.logaddexp.reduce(scores, axis=1) - scores[np.arange(len(X)), codes]
        return loss.mean() + 0.5 * alpha * (W**2).sum()

    model = SGDClassifier(
        loss="log_loss",
        multi_class="multinomial",
        alpha=alpha,
        learning_rate="constant",
        eta0=eta,
        batch_size="full",
        max_iter=1,
        tol=None,
    ).fit(X, y, coef_init=W, intercept_init=b)
    theta = np.append(W.ravel(), b)
    step = np.append(model.coef_.ravel(), model.intercept_) - theta
    h = 1e-6
    slopes = [(objective(theta + h * e) - objective(theta - h * e)) / (2 * h) for e in np.eye(len(theta))]
    np.testing.assert_allclose(-step / eta, slopes, atol=1e-7)
    assert model.history_["objective"][0] == pytest.approx(objective(theta))


def test_reaches_the_optimum_of_logistic_regression():
    X, y = load_iris(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    alpha = 1e-2
    exact = LogisticRegression(C=1 / (alpha * len(X)), tol=1e-10, max_iter=10_000).fit(X, y)
    model = SGDClassifier(
        loss="log_loss",
        multi_class="multinomial",
        alpha=alpha,
        learning_rate="constant",
        eta0=0.5,
        batch_size="full",
        max_iter=5000,
        tol=None,
    ).fit(X, y)
    np.testing.assert_allclose(model.coef_, exact.coef_, atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(X), exact.predict_proba(X), atol=1e-5)
    np.testing.assert_allclose(model.predict_proba(X), softmax(model.decision_function(X)), rtol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(model.predict_proba(X)))
    assert model.classes_[model.predict_proba(X).argmax(axis=1)].tolist() == model.predict(X).tolist()


def test_two_classes_are_the_binary_model(data):
    X, y, _ = data
    two = np.isin(y, ["w", "x"])
    settings = {"loss": "log_loss", "random_state": 0}
    plain = SGDClassifier(**settings).fit(X[two], y[two])
    softmax = SGDClassifier(multi_class="multinomial", **settings).fit(X[two], y[two])
    np.testing.assert_array_equal(plain.coef_, softmax.coef_)
    np.testing.assert_array_equal(plain.predict_proba(X), softmax.predict_proba(X))


@pytest.mark.parametrize(
    "parameters", [{"loss": "hinge"}, {"penalty": "l1"}, {"penalty": "elasticnet"}, {"average": True}]
)
def test_what_has_no_softmax_is_refused(data, parameters):
    X, y, _ = data
    model = SGDClassifier(**({"loss": "log_loss", "multi_class": "multinomial"} | parameters))
    (name,) = parameters
    with pytest.raises(ValueError, match=f"multi_class='multinomial' needs {name}="):
        model.fit(X, y)
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_stops_by_itself_and_goes_on_in_pieces(data, early_stopping):
    X, y, _ = data
    model = SGDClassifier(
        loss="log_loss",
        multi_class="multinomial",
        early_stopping=early_stopping,
        random_state=0,
        alpha=0.01,
    ).fit(X, y)
    assert model.n_iter_ < 1000
    assert "did not improve" in model.stop_reason_
    assert model.history_["objective"].shape == (model.n_iter_,)
    assert ("validation_score" in model.history_) == early_stopping
    assert model.score(X, y) > 0.6
    if not early_stopping:
        before = model.t_
        model.partial_fit(X, y)
        assert model.t_ == before + len(X)


def test_own_validation_set_restores_the_best_weights(data):
    X, y, weight = data
    model = SGDClassifier(
        loss="log_loss", multi_class="multinomial", early_stopping=True, random_state=0, max_iter=40
    ).fit(X[:60], y[:60], X_val=X[60:], y_val=y[60:], sample_weight_val=weight[60:])
    best = model.history_["validation_score"].max()
    assert model.score(X[60:], y[60:], sample_weight=weight[60:]) == pytest.approx(best)


def test_candidates_share_a_pass_and_equal_their_own_fits():
    X, y = load_digits(return_X_y=True)
    X = X / 16.0
    base = SGDClassifier(loss="log_loss", multi_class="multinomial", random_state=0, max_iter=8, tol=None)
    grid = {"alpha": [1e-4, 1e-3, 1e-2], "eta0": [0.01, 0.1], "learning_rate": ["constant"]}
    search = GridSearchCV(base, grid, cv=3).fit(X, y)
    assert search.sharing_report_[0].startswith("Candidates 0-5 shared")
    ordinary = model_selection.GridSearchCV(base, grid, cv=3).fit(X, y)
    np.testing.assert_allclose(
        search.cv_results_["mean_test_score"], ordinary.cv_results_["mean_test_score"], atol=1e-8
    )
    np.testing.assert_allclose(search.best_estimator_.coef_, ordinary.best_estimator_.coef_, atol=1e-10)


def test_callbacks_and_verbose(data, capsys):
    X, y, _ = data
    seen = []

    def watch(info):
        seen.append(info.history["loss"][-1])
        return len(seen) == 3

    model = SGDClassifier(loss="log_loss", multi_class="multinomial", random_state=0, verbose=1)
    model.set_callbacks(on_epoch(watch)).fit(X, y)
    assert seen == model.history_["loss"].tolist()
    assert model.n_iter_ == 3
    assert "A callback asked to stop" in model.stop_reason_
    assert "-- Epoch 3" in capsys.readouterr().out
