"""SGDClassifierCV and SGDRegressorCV: the path agrees with a search, the rest with the base estimator.

Design note. scikit-learn's own GridSearchCV over the base estimator is the arbiter: same scores, same
choice, same refitted model. Then come the contract (scikit-learn's checks), the forms of data, and what
happens when settings fail.
"""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from cases import solution
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_val_score
from sklearn.preprocessing import scale
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastgd
from fastgd import SGDClassifier, SGDClassifierCV, SGDRegressor, SGDRegressorCV
from fastgd.linear_model import path as module
from fastgd.linear_model.sharing import fit_together

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:The least populated class in y:UserWarning"),
]

BOTH = [(SGDClassifierCV, SGDClassifier), (SGDRegressorCV, SGDRegressor)]
ALPHAS = [1.0, 1e-1, 1e-3]
EPOCHS = {"max_iter": 8, "tol": None, "random_state": 3}


@pytest.fixture
def target(y_three, y_real):
    """The y that suits a class of estimators."""
    return lambda klass: y_three if issubclass(klass, SGDClassifier) else y_real


@parametrize_with_checks(
    [SGDClassifierCV(max_iter=5, cv=3), SGDRegressorCV(max_iter=5, cv=3)],
    expected_failed_checks=lambda estimator: dict.fromkeys(
        (
            "check_sample_weight_equivalence_on_dense_data",
            "check_sample_weight_equivalence_on_sparse_data",
        ),
        "a step of twice the length is not two steps",
    ),
)
def test_sklearn_checks(estimator, check):
    check(estimator)


# ---- agreement with a search ---------------------------------------------------------------------


def assert_agrees(path, search):
    """The path's scores, choice and final model are those of a fitted search over the same values."""
    names = [name for name in search.cv_results_ if name.startswith("split") and "test" in name]
    table = np.column_stack([search.cv_results_[name] for name in names])
    assert_allclose(path.scores_path_.reshape(table.shape), table, atol=1e-8)
    assert_allclose(path.best_score_, search.best_score_, atol=1e-8)
    assert path.alpha_ == search.best_params_["alpha"]
    assert_array_equal(solution(path), solution(search.best_estimator_))


@pytest.mark.parametrize("scoring", [None, "balanced_accuracy", "neg_log_loss", "roc_auc_ovr"])
@pytest.mark.parametrize("load", [load_iris, load_breast_cancer])
def test_classifier_agrees_with_a_search(load, scoring):
    X, y = load(return_X_y=True)
    common = {"loss": "log_loss", **EPOCHS}
    path = SGDClassifierCV(alphas=ALPHAS, cv=3, scoring=scoring, **common).fit(scale(X), y)
    search = GridSearchCV(SGDClassifier(**common), {"alpha": ALPHAS}, cv=3, scoring=scoring)
    assert_agrees(path, search.fit(scale(X), y))
    assert path.scores_path_.shape == (1, 3, 3)
    assert_array_equal(path.alphas_, ALPHAS)


@pytest.mark.parametrize("scoring", [None, "neg_mean_squared_error", "neg_median_absolute_error"])
def test_regressor_agrees_with_a_search(scoring):
    X, y = load_diabetes(return_X_y=True)
    path = SGDRegressorCV(alphas=ALPHAS, cv=4, scoring=scoring, **EPOCHS).fit(scale(X), y)
    search = GridSearchCV(SGDRegressor(**EPOCHS), {"alpha": ALPHAS}, cv=4, scoring=scoring)
    assert_agrees(path, search.fit(scale(X), y))


def test_elastic_net_chooses_both_strengths(X, y_real):
    common = {"penalty": "elasticnet", **EPOCHS}
    ratios = [0.9, 0.2]
    path = SGDRegressorCV(alphas=ALPHAS, l1_ratios=ratios, cv=3, **common).fit(X, y_real)
    assert path.scores_path_.shape == (2, 3, 3)
    assert_array_equal(path.l1_ratios_, ratios)
    search = GridSearchCV(SGDRegressor(**common), {"l1_ratio": ratios, "alpha": ALPHAS}, cv=3)
    search.fit(X, y_real)
    order = [(p["l1_ratio"], p["alpha"]) for p in search.cv_results_["params"]]
    for i, ratio in enumerate(ratios):
        for j, alpha in enumerate(ALPHAS):
            mean = search.cv_results_["mean_test_score"][order.index((ratio, alpha))]
            assert_allclose(path.scores_path_[i, j].mean(), mean, atol=1e-8)
    assert (path.l1_ratio_, path.alpha_) == (
        search.best_params_["l1_ratio"],
        search.best_params_["alpha"],
    )
    assert_array_equal(solution(path), solution(search.best_estimator_))


def test_a_fold_is_one_call_for_the_whole_path(X, y_real, monkeypatch):
    calls = []

    def spy(estimators, given, y, *, rows, **kwargs):
        calls.append((len(estimators), given is X, rows))
        return fit_together(estimators, given, y, rows=rows, **kwargs)

    monkeypatch.setattr(module, "fit_together", spy)
    ratios = {"penalty": "elasticnet", "l1_ratios": [0.1, 0.9]}
    SGDRegressorCV(alphas=ALPHAS, cv=KFold(4), **ratios, **EPOCHS).fit(X, y_real)
    assert len(calls) == 4
    for (count, same, rows), (train, _) in zip(calls, KFold(4).split(X), strict=True):
        assert count == 6 and same
        assert_array_equal(rows, train)


def test_without_elastic_net_there_is_no_share_to_choose(X, y_real):
    path = SGDRegressorCV(l1_ratios=[0.1, 0.5], cv=3, **EPOCHS).fit(X, y_real)
    assert not hasattr(path, "l1_ratio_")
    assert not hasattr(path, "l1_ratios_")
    assert path.scores_path_.shape == (1, 6, 3)


def test_the_default_path_surrounds_alpha(X, y_real):
    path = SGDRegressorCV(alpha=0.01, **EPOCHS).fit(X, y_real)
    assert_allclose(path.alphas_, [10, 1, 0.1, 0.01, 1e-3, 1e-4])
    assert path.scores_path_.shape == (1, 6, 5)


def test_ties_go_to_the_first():
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]] * 6)
    y = (X[:, 0] > 0).astype(int)
    path = SGDClassifierCV(alphas=[1e-2, 1e-3, 1e-4], cv=3, random_state=0).fit(X, y)
    assert (path.scores_path_ == 1.0).all()
    assert path.alpha_ == 1e-2


def test_a_scorer_of_ones_own_is_given_rows_and_a_fitted_model(X, y_three):
    def wrong(model, rows, y):
        assert rows.shape[1] == X.shape[1]
        return -np.mean(model.predict(rows) != y)

    path = SGDClassifierCV(alphas=ALPHAS, cv=3, scoring=wrong, **EPOCHS).fit(X, y_three)
    usual = SGDClassifierCV(alphas=ALPHAS, cv=3, **EPOCHS).fit(X, y_three)
    assert_allclose(path.scores_path_ + 1, usual.scores_path_)
    assert path.alpha_ == usual.alpha_


# ---- what goes in --------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "base"), BOTH)
def test_weights_count_in_training_and_in_scores(path, base, X, target, row_weights):
    y = target(base)
    cv = KFold(3)
    model = path(alphas=ALPHAS, cv=cv, **EPOCHS).fit(X, y, sample_weight=row_weights)
    for j, alpha in enumerate(ALPHAS):
        for k, (train, test) in enumerate(cv.split(X)):
            single = base(alpha=alpha, **EPOCHS).fit(X[train], y[train], sample_weight=row_weights[train])
            score = single.score(X[test], y[test], sample_weight=row_weights[test])
            assert_allclose(model.scores_path_[0, j, k], score, atol=1e-10)
    chosen = base(alpha=model.alpha_, **EPOCHS).fit(X, y, sample_weight=row_weights)
    assert_array_equal(solution(model), solution(chosen))


def test_groups_stay_together(X, y_three):
    groups = np.arange(60) // 6
    model = SGDClassifierCV(alphas=ALPHAS, cv=GroupKFold(5), **EPOCHS)
    search = GridSearchCV(SGDClassifier(**EPOCHS), {"alpha": ALPHAS}, cv=GroupKFold(5))
    assert_agrees(model.fit(X, y_three, groups=groups), search.fit(X, y_three, groups=groups))
    with pytest.raises(ValueError, match="groups"):
        model.fit(X, y_three)


@pytest.mark.parametrize("path", [SGDClassifierCV, SGDRegressorCV])
@pytest.mark.parametrize("form", ["csr", "csc", "float32", "fortran", "list", "pandas", "polars"])
def test_forms_of_data(form, path, X, target):
    y = target(path)
    model = path(alphas=ALPHAS, cv=3, learning_rate="invscaling", **EPOCHS)
    expected = clone(model).fit(X, y)
    if form in ("pandas", "polars"):
        frames = pytest.importorskip(form)
        names = [f"c{i}" for i in range(X.shape[1])]
        given = frames.DataFrame({name: X[:, i] for i, name in enumerate(names)})
        if form == "pandas" or hasattr(sklearn, "callback"):  # older versions do not see polars' names
            assert_array_equal(clone(model).fit(given, y).feature_names_in_, names)
    else:
        given = {
            "csr": sp.csr_matrix,
            "csc": sp.csc_matrix,
            "float32": lambda X: X.astype(np.float32),
            "fortran": np.asfortranarray,
            "list": lambda X: X.tolist(),
        }[form](X)
    model.fit(given, y)
    loose = 1e-5 if form == "float32" else 1e-10
    assert_allclose(model.scores_path_, expected.scores_path_, atol=loose)
    assert_allclose(solution(model), solution(expected), atol=loose)
    assert model.coef_.dtype == (np.float32 if form == "float32" else np.float64)


def test_string_labels(X, y_two):
    model = SGDClassifierCV(alphas=ALPHAS, cv=3, **EPOCHS).fit(X, y_two)
    assert_array_equal(model.classes_, ["no", "yes"])
    assert set(model.predict(X)) <= {"no", "yes"}
    assert model.best_score_ > 0.6


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(5)])
def test_one_order_for_the_whole_path(random_state, X, y_real):
    # equal settings have equal scores only if they visited the rows in the same order
    model = SGDRegressorCV(alphas=[0.01, 0.01], cv=3, max_iter=3, tol=None, random_state=random_state)
    scores = model.fit(X, y_real).scores_path_
    assert_array_equal(scores[0, 0], scores[0, 1])
    assert model.random_state is random_state


# ---- what it is afterwards -----------------------------------------------------------------------


@pytest.mark.parametrize(("path", "base"), BOTH)
def test_is_its_base(path, base, X, target):
    assert issubclass(path, base)
    assert getattr(fastgd, path.__name__) is path
    assert is_classifier(path()) == (base is SGDClassifier)
    assert is_regressor(path()) == (base is SGDRegressor)
    further = set(path().get_params()) - set(base().get_params())
    assert further == {"alphas", "l1_ratios", "cv", "scoring"}
    assert base().get_params().items() <= path().get_params().items()
    model = path(alphas=ALPHAS, cv=3, **EPOCHS)
    parameters = model.get_params()
    model.fit(X, target(base))
    assert model.get_params() == parameters
    chosen = base(alpha=model.alpha_, **EPOCHS).fit(X, target(base))
    assert model.n_iter_ == chosen.n_iter_ and model.t_ == chosen.t_
    assert model.stop_reason_ == chosen.stop_reason_
    assert_array_equal(model.history_["objective"], chosen.history_["objective"])
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), chosen.predict(X))
    assert again.alpha_ == model.alpha_


def test_partial_fit_goes_on_with_the_choice(X, y_real):
    model = SGDRegressorCV(alphas=[1.0, 0.3], cv=3, alpha=1e-4, **EPOCHS).fit(X, y_real)
    chosen = SGDRegressor(alpha=model.alpha_, **EPOCHS).fit(X, y_real)
    assert_array_equal(solution(model.partial_fit(X, y_real)), solution(chosen.partial_fit(X, y_real)))
    fresh = SGDRegressorCV(alphas=[1.0], alpha=1e-4, **EPOCHS).partial_fit(X, y_real)
    plain = SGDRegressor(alpha=1e-4, **EPOCHS).partial_fit(X, y_real)
    assert_array_equal(solution(fresh), solution(plain))


def test_warm_start_is_for_the_last_fit(X, y_real):
    model = SGDRegressorCV(alphas=ALPHAS, cv=3, warm_start=True, **EPOCHS).fit(X, y_real)
    scores = model.scores_path_.copy()
    chosen = SGDRegressor(alpha=model.alpha_, warm_start=True, **EPOCHS).fit(X, y_real).fit(X, y_real)
    model.fit(X, y_real)
    assert_array_equal(model.scores_path_, scores)
    assert_array_equal(solution(model), solution(chosen))


@pytest.mark.parametrize("callbacks", [1, 0])
def test_callbacks_and_verbose_follow_the_last_fit(callbacks, X, y_real, capsys):
    seen = []
    model = SGDRegressorCV(alphas=ALPHAS, cv=3, verbose=1 - callbacks, **EPOCHS)
    if callbacks:
        from fastgd.callbacks import on_epoch

        model.set_callbacks(on_epoch(lambda epoch: seen.append(epoch)))
    model.fit(X, y_real)
    printed = capsys.readouterr().out.count("-- Epoch")
    assert (len(seen), printed) == ((8, 0) if callbacks else (0, 8))


def test_inside_cross_validation(X, y_three):
    model = SGDClassifierCV(alphas=ALPHAS, cv=3, **EPOCHS)
    scores = cross_val_score(model, X, y_three, cv=3)
    assert scores.shape == (3,) and (scores > 0.3).all()


# ---- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alphas": [0.1, -1.0]}, "'alpha' parameter"),
        ({"alphas": []}, "alphas must be a list of one or more numbers"),
        ({"alphas": [[0.1]]}, "alphas must be a list of one or more numbers"),
        ({"alphas": ["strong"]}, "alphas must be a list of one or more numbers"),
        ({"l1_ratios": [0.5, 2.0], "penalty": "elasticnet"}, "'l1_ratio' parameter"),
        ({"alphas": [0.0], "learning_rate": "optimal"}, "alpha must be > 0"),
        ({"scoring": "no such thing"}, "'scoring' parameter"),
        ({"cv": []}, "no splits"),
    ],
)
def test_wrong_parameters_are_sentences(parameters, message, X, y_real):
    model = SGDRegressorCV(**{**EPOCHS, **parameters})
    with pytest.raises(ValueError, match=message):
        model.fit(X, y_real)
    assert not hasattr(model, "coef_")


def test_settings_that_fail_are_not_chosen(X, y_real):
    # 'optimal' begins with steps of alpha ** -0.25: the smallest alpha leaves the range of float32
    model = SGDRegressorCV(
        alphas=[1e-300, 1.0], learning_rate="optimal", cv=3, max_iter=50, random_state=0
    )
    with pytest.warns(FitFailedWarning, match="3 of 6 fits on the path failed.*overflow"):
        model.fit(X.astype(np.float32), y_real)
    assert model.alpha_ == 1.0
    assert_array_equal(np.isnan(model.scores_path_[0]), [[True] * 3, [False] * 3])


@pytest.mark.parametrize("penalty", ["l2", "l1"])  # together, and one by one
def test_fits_that_do_not_end_well_are_summed_up(penalty, X, y_three):
    model = SGDClassifierCV(alphas=[1e-3, 1.0], penalty=penalty, cv=3, max_iter=2, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y_three)
    said = [str(w.message) for w in caught if issubclass(w.category, ConvergenceWarning)]
    assert len(said) <= 3 and all(w.filename == __file__ for w in caught)
    assert "6 of 6 fits on the path did not end well. The first: Maximum number" in said[0]
    assert "Maximum number" in said[1]


def test_if_all_settings_fail_the_first_error_is_raised(X, y_real):
    model = SGDRegressorCV(alphas=[1e-300, 1e-299], learning_rate="optimal", cv=3, random_state=0)
    with pytest.raises(ValueError, match="overflow"):
        model.fit(X.astype(np.float32), y_real)
    assert not hasattr(model, "alpha_")


def test_a_failed_fit_leaves_the_last_one(X, y_real):
    model = SGDRegressorCV(alphas=ALPHAS, cv=3, **EPOCHS).fit(X, y_real)
    before = solution(model), model.alpha_
    with pytest.raises(ValueError, match="NaN"):
        model.fit(np.where(X > 1, np.nan, X), y_real)
    assert_array_equal(solution(model), before[0])
    assert model.alpha_ == before[1]


def test_a_metric_without_a_number_is_a_sentence(X, y_real):
    model = SGDRegressorCV(alphas=ALPHAS, cv=3, scoring=lambda model, X, y: np.nan, **EPOCHS)
    with pytest.raises(ValueError, match="No setting on the path has a score on every fold"):
        model.fit(X, y_real)
