"""LogisticRegressionCV: what it chooses, its attributes in both layouts, and its folds.

Design note. scikit-learn's own class at a tight tolerance is the arbiter of scores, paths and shapes.
Folds as copies and folds as weights of zero must give the same models.
"""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model
from cases import needs_parity_version
from sklearn import config_context
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold

from fastgd import LogisticRegression, LogisticRegressionCV
from fastgd.callbacks import on_epoch
from fastgd.linear_model import logistic_path

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")

NEW = {"use_legacy_attributes": False, "l1_ratios": (0,), "scoring": "neg_log_loss"}


@pytest.fixture(scope="module")
def problems(X):
    X = X[:, :6]
    draws = np.random.RandomState(5)
    z = X @ draws.randn(6) + draws.randn(len(X))
    return {
        2: (X, np.where(z > 0.2, "yes", "no")),
        3: (X, np.array(["a", "b", "c"])[np.digitize(z, np.quantile(z, [0.4, 0.7]))]),
    }


@needs_parity_version
@pytest.mark.parametrize("legacy", [True, False])
@pytest.mark.parametrize("refit", [True, False])
@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("l1_ratios", [None, (0.0,), (1.0,), (0.0, 0.5)])
@pytest.mark.parametrize("classes", [2, 3])
def test_attributes_are_scikit_learns(problems, classes, l1_ratios, fit_intercept, refit, legacy):
    X, y = problems[classes]
    parameters = {
        "Cs": [0.03, 1.0],
        "cv": 3,
        "l1_ratios": l1_ratios,
        "refit": refit,
        "fit_intercept": fit_intercept,
        "use_legacy_attributes": legacy,
        "scoring": "neg_log_loss",
    }
    smooth = l1_ratios in (None, (0.0,))
    if l1_ratios is not None:
        parameters["l1_ratios"] = np.array(l1_ratios)
    theirs = sklearn.linear_model.LogisticRegressionCV(
        solver="newton-cholesky" if smooth else "saga",
        tol=1e-10 if smooth else 1e-8,
        max_iter=100 if smooth else 20_000,
        random_state=0,
        **parameters,
    ).fit(X, y)
    ours = LogisticRegressionCV(tol=1e-11, **parameters).fit(X, y)
    for name in ("Cs_", "l1_ratios_", "C_", "coef_", "intercept_", "scores_", "coefs_paths_", "n_iter_"):
        here, there = getattr(ours, name), getattr(theirs, name)
        assert type(here) is type(there), name
        pairs = [(here, there)]
        if isinstance(there, dict):
            assert list(here) == list(there)
            pairs = [(here[label], there[label]) for label in there]
        for h, t in pairs:
            assert np.shape(h) == np.shape(t), name
            if name == "n_iter_":
                assert h.dtype.kind == "i"
            elif np.asarray(t).dtype == object:
                assert list(h) == list(t)
            elif smooth or not fit_intercept:
                np.testing.assert_allclose(h, t, rtol=1e-3, atol=2e-3, err_msg=name)
            elif name in ("coef_", "coefs_paths_"):  # saga leaves the intercepts anywhere near
                cut = np.s_[..., : X.shape[1]]
                np.testing.assert_allclose(h[cut], t[cut], rtol=2e-2, atol=2e-2, err_msg=name)
    assert np.shape(ours.l1_ratio_) == np.shape(theirs.l1_ratio_)
    if refit:
        assert np.all(ours.l1_ratio_ == theirs.l1_ratio_)
        assert ours.certificate_.relative <= 1e-11 or "rounding" in ours.stop_reason_
    else:
        assert ours.certificate_ is None


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix], ids=["dense", "csr"])
def test_folds_without_copies(problems, row_weights, classes, weighted, layout, monkeypatch):
    X, y = problems[classes]
    weight = row_weights if weighted else None
    setting = LogisticRegressionCV(Cs=3, l1_ratios=(0, 0.5), tol=1e-12, cv=3, use_legacy_attributes=False)
    copied = setting.fit(layout(X), y, sample_weight=weight).coefs_paths_
    monkeypatch.setattr(logistic_path, "COPIED", 0)
    setting.fit(layout(X), y, sample_weight=weight)
    np.testing.assert_allclose(setting.coefs_paths_, copied, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("scoring", [None, "accuracy", "neg_log_loss", "f1_macro", "roc_auc_ovr"])
@pytest.mark.parametrize("classes", [2, 3])
def test_scores_are_those_of_a_search(problems, classes, scoring):
    X, y = problems[classes]
    Cs = [0.01, 0.3, 3.0]
    cv = StratifiedKFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(LogisticRegression(tol=1e-13), {"C": Cs}, cv=cv, scoring=scoring).fit(X, y)
    model = LogisticRegressionCV(Cs=Cs, cv=cv, tol=1e-13, **{**NEW, "scoring": scoring}).fit(X, y)
    of_search = [search.cv_results_[f"split{k}_test_score"] for k in range(3)]
    np.testing.assert_allclose(model.scores_[:, 0], of_search, rtol=1e-6)
    assert search.best_params_["C"] == model.C_
    np.testing.assert_allclose(model.coef_, search.best_estimator_.coef_, rtol=1e-4, atol=1e-6)
    assert model.score(X, y) == pytest.approx(search.score(X, y), rel=1e-4)


def test_weights_in_the_scores(problems, row_weights):
    X, y = problems[2]
    counts = np.ceil(row_weights).astype(int)
    again = np.repeat(np.arange(len(y)), counts)
    halves = np.arange(len(y)) % 2
    by_weight = [(halves != k, halves == k) for k in (0, 1)]
    by_row = [(halves[again] != k, halves[again] == k) for k in (0, 1)]
    weighted = LogisticRegressionCV(Cs=3, cv=by_weight, tol=1e-13, **NEW).fit(X, y, sample_weight=counts)
    repeated = LogisticRegressionCV(Cs=3, cv=by_row, tol=1e-13, **NEW).fit(X[again], y[again])
    np.testing.assert_allclose(weighted.scores_, repeated.scores_, rtol=1e-6)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, rtol=1e-5, atol=1e-7)
    balanced = LogisticRegressionCV(Cs=3, class_weight="balanced", cv=3, **NEW).fit(X, y)
    sums = {label: len(y) / (2 * (y == label).sum()) for label in np.unique(y)}
    by_dict = LogisticRegressionCV(Cs=3, class_weight=sums, cv=3, **NEW).fit(X, y)
    np.testing.assert_allclose(balanced.coef_, by_dict.coef_)
    with pytest.raises(ValueError, match="must have the class labels as keys"):
        LogisticRegressionCV(class_weight={"maybe": 1}, **NEW).fit(X, y)


def test_folds_that_lack_a_class(problems):
    X, y = problems[3]
    order = np.argsort(y, kind="stable")
    model = LogisticRegressionCV(cv=KFold(3), Cs=2, **NEW)
    model.fit(X[order], y[order])
    assert np.isfinite(model.coefs_paths_).all() and np.isfinite(model.scores_).all()
    two = y[order] != "c"
    model = LogisticRegressionCV(cv=[(y[order][two] == "a", y[order][two] == "b")], **NEW)
    model.fit(X[order][two], y[order][two])
    assert np.isfinite(model.scores_).all()


def test_scorers_of_all_kinds(problems):
    X, y = problems[2]
    seen = []

    def scorer(model, rows, labels):
        seen.append(model.C)
        assert rows.shape[1] == 6 and isinstance(model, LogisticRegression)
        return -abs(model.C - 2)

    model = LogisticRegressionCV(Cs=[1, 2, 3], cv=2, **{**NEW, "scoring": scorer}).fit(X, y)
    assert model.C_ == 2 and seen == [1, 2, 3, 1, 2, 3]
    assert model._get_scorer() is scorer
    assert LogisticRegressionCV()._get_scorer()._score_func is get_scorer("accuracy")._score_func


def test_metadata_routing(problems, row_weights):
    X, y = problems[2]
    with pytest.raises(ValueError, match="enable_metadata_routing=True"):
        LogisticRegressionCV(**NEW).fit(X, y, groups=y)
    with config_context(enable_metadata_routing=True):
        asked = get_scorer("accuracy").set_score_request(sample_weight=True)
        not_asked = get_scorer("accuracy").set_score_request(sample_weight=False)
        scores = [
            LogisticRegressionCV(**{**NEW, "scoring": scorer}).fit(X, y, sample_weight=row_weights)
            for scorer in (asked, not_asked)
        ]
    assert not np.allclose(*(model.scores_ for model in scores))


def test_threads_give_the_same(problems):
    X, y = problems[3]
    one = LogisticRegressionCV(Cs=4, **NEW).fit(X, y)
    two = LogisticRegressionCV(Cs=4, n_jobs=2, **NEW).fit(X, y)
    np.testing.assert_array_equal(one.coefs_paths_, two.coefs_paths_)
    np.testing.assert_array_equal(one.coef_, two.coef_)
    assert isinstance(one, LogisticRegression)
    assert isinstance(one, sklearn.linear_model.LogisticRegressionCV)


def test_callbacks_follow_the_last_fit(problems):
    X, y = problems[3]
    heard = []
    model = LogisticRegressionCV(Cs=[1e-3, 1], tol=1e-9, **NEW)
    model.set_callbacks(on_epoch(lambda info: heard.append(info.epoch))).fit(X, y)
    assert heard == list(range(1, len(model.history_["objective"]) + 1))


def test_liblinear_is_scikit_learns(problems):
    X, y = problems[2]
    ours = LogisticRegressionCV(solver="liblinear", random_state=0, Cs=3).fit(X, y)
    theirs = sklearn.linear_model.LogisticRegressionCV(solver="liblinear", random_state=0, Cs=3)
    np.testing.assert_array_equal(ours.coef_, theirs.fit(X, y).coef_)
    assert ours.solver_ == "liblinear"


@pytest.mark.parametrize(
    "parameters, message",
    [
        ({"Cs": [1.0, -1.0]}, "Cs must be a number of values or an array of numbers > 0"),
        ({"Cs": ["a"]}, "Cs must be a number of values or an array of numbers > 0"),
        ({"Cs": 0}, "Cs"),
        ({"l1_ratios": (0.5, 2)}, "l1_ratios must be an array-like of numbers between 0 and 1"),
        ({"l1_ratios": (0.5,), "solver": "lbfgs"}, "supports only 'l2' or None penalties"),
        ({"solver": "dual", "l1_ratios": (1,)}, "needs a smooth objective"),
    ],
)
def test_bad_parameters_are_refused(problems, parameters, message):
    with pytest.raises(ValueError, match=message):
        LogisticRegressionCV(**parameters).fit(*problems[2])
    with pytest.raises(ValueError, match="only one class"):
        LogisticRegressionCV().fit(np.eye(4), np.ones(4))


@pytest.mark.skipif(not hasattr(sklearn, "callback"), reason="the warnings of scikit-learn 1.9")
def test_warnings_of_defaults_that_will_change(problems):
    X, y = problems[2]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        LogisticRegressionCV(Cs=2).fit(X, y)
    texts = " ".join(str(warning.message) for warning in caught)
    for name in ("l1_ratios", "'scoring'", "use_legacy_attributes"):
        assert name in texts
    assert {warning.filename for warning in caught} == {__file__}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LogisticRegressionCV(Cs=2, **NEW).fit(X, y)
