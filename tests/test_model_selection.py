"""Searches whose candidates are trained together: the same results as scikit-learn's own.

Design note. scikit-learn's class over the same estimator is the arbiter of everything in this file:
`agree` fits both, compares every column of `cv_results_` but the times, the choice, and the refitted
model. Each test puts one feature of a search into both. `together` sees which candidates were handed
to `fit_together` at once, so that a search that quietly fits everything alone fails here.
"""

import io
import pickle
import warnings
from contextlib import redirect_stdout

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
import sklearn.model_selection
from cases import solution
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.decomposition import TruncatedSVD
from sklearn.exceptions import FitFailedWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, fbeta_score, make_scorer
from sklearn.model_selection import GridSearchCV as Original
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, cross_val_score
from sklearn.model_selection import RandomizedSearchCV as OriginalRandomized
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler, scale

import fastgd.model_selection
from fastgd import SGDClassifier, SGDRegressor, patch_sklearn, unpatch_sklearn
from fastgd.linear_model import sharing
from fastgd.linear_model.sharing import fit_together, group_key, raw_scores_together, why_not
from fastgd.model_selection import GridSearchCV, RandomizedSearchCV

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:.*does not support sample_weight:UserWarning"),
]

EPOCHS = {"max_iter": 6, "tol": None, "random_state": 0}
GRID = {"alpha": [1e-4, 1e-2, 1.0], "penalty": ["l2", "l1"]}
NEWEST = hasattr(sklearn, "callback")  # scikit-learn 1.9 and later
BAD = -1.0  # an alpha that the estimator refuses


def data(load, rows=None):
    """A bundled data set, scaled, in random order."""
    X, y = load(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(y))[:rows]
    return scale(X[order]), y[order]


def classifier(**parameters):
    return SGDClassifier(**{**EPOCHS, **parameters})


def regressor(**parameters):
    return SGDRegressor(**{**EPOCHS, **parameters})


@pytest.fixture
def together(monkeypatch):
    """How many estimators each call of `fit_together` was given."""
    calls = []

    def spy(estimators, *args, **kwargs):
        calls.append(len(estimators))
        return fit_together(estimators, *args, **kwargs)

    monkeypatch.setattr(fastgd.model_selection, "fit_together", spy)
    return calls


def columns(search):
    """What must be equal in `cv_results_`: all but the times."""
    return {n: v for n, v in search.cv_results_.items() if "_time" not in n}


def assert_same_search(ours, theirs, tolerance=1e-8):
    assert list(ours.cv_results_) == list(theirs.cv_results_)
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    for name, values in columns(theirs).items():
        if name.startswith("rank_"):
            assert_array_equal(ours.cv_results_[name], values, err_msg=name)
        elif name.startswith(("mean_", "std_", "split")):
            assert_allclose(ours.cv_results_[name], values, atol=tolerance, err_msg=name)
        elif name.startswith("param_"):
            assert ours.cv_results_[name].tolist() == values.tolist()
    for name in ("best_index_", "best_params_", "n_splits_", "multimetric_"):
        assert getattr(ours, name, None) == getattr(theirs, name, None), name
    assert hasattr(ours, "best_score_") == hasattr(theirs, "best_score_")
    assert hasattr(ours, "best_estimator_") == hasattr(theirs, "best_estimator_")
    if hasattr(theirs, "best_estimator_") and hasattr(last(theirs), "coef_"):
        assert type(ours.best_estimator_) is type(theirs.best_estimator_)
        assert_array_equal(solution(last(ours)), solution(last(theirs)))


def last(search):
    best = search.best_estimator_
    return best[-1] if isinstance(best, Pipeline) else best


def agree(estimator, grid, X, y, *, fit=None, tolerance=1e-8, **settings):
    """Fit our search and scikit-learn's, and compare them; ours."""
    settings = {"cv": 3, **settings}
    ours = GridSearchCV(estimator, grid, **settings).fit(X, y, **(fit or {}))
    theirs = Original(estimator, grid, **settings).fit(X, y, **(fit or {}))
    assert_same_search(ours, theirs, tolerance)
    return ours


def alone(search, *words):
    """The sentence of the report that has these words."""
    found = [line for line in search.sharing_report_ if all(word in line for word in words)]
    assert len(found) == 1, search.sharing_report_
    return found[0]


# ---- the same search -----------------------------------------------------------------------------


@pytest.mark.parametrize("train_score", [False, True])
@pytest.mark.parametrize(
    "scoring",
    [
        "accuracy",
        "balanced_accuracy",
        "f1_macro",
        "neg_log_loss",
        "roc_auc_ovr",
        "matthews_corrcoef",
        None,
    ],
)
@pytest.mark.parametrize("load", [load_digits, load_iris, load_breast_cancer])
def test_classifiers(load, scoring, train_score, together):
    X, y = data(load, 300)
    agree(classifier(loss="log_loss"), GRID, X, y, scoring=scoring, return_train_score=train_score)
    assert together == [6, 6, 6]


@pytest.mark.parametrize("scoring", ["roc_auc", "average_precision", "f1", "neg_brier_score"])
@pytest.mark.parametrize("loss", ["log_loss", "modified_huber", "hinge"])
def test_two_classes(loss, scoring, together):
    X, y = data(load_breast_cancer, 300)
    if loss == "hinge" and scoring == "neg_brier_score":
        scoring = make_scorer(fbeta_score, beta=2)
    agree(classifier(loss=loss), GRID, X, y, scoring=scoring)
    assert together == [6, 6, 6]


@pytest.mark.parametrize(
    "scoring", ["r2", "neg_mean_squared_error", "neg_median_absolute_error", "max_error", None]
)
@pytest.mark.parametrize("loss", ["squared_error", "huber", "epsilon_insensitive"])
def test_regressors(loss, scoring, together):
    X, y = data(load_diabetes)
    grid = {"alpha": [1e-4, 1e-2, 1.0], "epsilon": [0.1, 1.0], "eta0": [0.01]}
    if scoring == "max_error":
        scoring = (
            "neg_max_error" if "neg_max_error" in sklearn.metrics.get_scorer_names() else "max_error"
        )
    agree(regressor(loss=loss), grid, X, y, scoring=scoring, return_train_score=True)
    assert together == [6, 6, 6]


def test_candidates_fall_into_groups(together):
    X, y = data(load_iris)
    grid = [
        {"loss": ["hinge", "log_loss"], "alpha": [1e-3, 1e-2, 0.1]},
        {"loss": ["hinge"], "random_state": [7], "alpha": [1e-3, 1e-2]},
        {"loss": ["modified_huber"], "alpha": [1e-3]},
    ]
    search = agree(classifier(), grid, X, y, scoring="accuracy")
    assert together == [3, 3, 2] * 3
    assert alone(search, "No other candidate agrees").startswith("Candidate 8 was fitted alone.")


def test_what_may_differ_within_a_group(together):
    X, y = data(load_iris)
    grid = {
        "learning_rate": ["optimal", "invscaling", "adaptive"],
        "class_weight": [None, "balanced", {0: 2.0}],
        "max_iter": [2, 5],
        "tol": [None, 1e-2],
        "n_iter_no_change": [1],
    }
    agree(classifier(), grid, X, y)
    assert together == [36, 36, 36]


@pytest.mark.parametrize("batch_size", [16, "full"])
def test_batches(batch_size, together):
    X, y = data(load_diabetes)
    agree(regressor(batch_size=batch_size, eta0=0.1), {"alpha": [1e-4, 0.1]}, X, y)
    assert together == [2, 2, 2]


def test_early_stopping(together):
    X, y = data(load_iris)
    grid = {"alpha": [1e-4, 1e-2], "validation_fraction": [0.1, 0.2]}
    agree(classifier(early_stopping=True, max_iter=50, tol=1e-3), grid, X, y)
    assert together == [2, 2] * 3


def test_ties_remain_ties():
    # products of many columns may round equal columns differently; equal models must stay equal
    X, y = data(load_digits, 400)
    grid = {"class_weight": [None, {9: 1.0}], "n_iter_no_change": list(range(1, 12))}
    search = agree(classifier(loss="log_loss"), grid, X, y, scoring="neg_log_loss")
    assert_array_equal(search.cv_results_["rank_test_score"], 1)


def test_randomized(together):
    X, y = data(load_iris)
    distributions = {"alpha": loguniform(1e-5, 1), "penalty": ["l1", "l2", "elasticnet"]}
    settings = {"n_iter": 7, "random_state": 3, "cv": 3}
    ours = RandomizedSearchCV(classifier(), distributions, **settings).fit(X, y)
    theirs = OriginalRandomized(classifier(), distributions, **settings).fit(X, y)
    assert_same_search(ours, theirs)
    assert together == [7, 7, 7]


# ---- refit, metrics, scorers ---------------------------------------------------------------------


def worst(results):
    return int(np.argmin(results["mean_test_accuracy"]))


@pytest.mark.parametrize("refit", ["f1_macro", "accuracy", worst, False])
def test_several_metrics(refit, together):
    X, y = data(load_iris)
    scoring = ["accuracy", "f1_macro", "neg_log_loss"]
    search = agree(
        classifier(loss="log_loss"), GRID, X, y, scoring=scoring, refit=refit, return_train_score=True
    )
    assert together == [6, 6, 6]
    assert hasattr(search, "predict") == (refit is not False)


def test_refit_by_a_callable_and_not_at_all():
    X, y = data(load_iris)
    search = agree(classifier(), GRID, X, y, refit=lambda results: 4)
    assert search.best_index_ == 4 and not hasattr(search, "best_score_")
    search = agree(classifier(), GRID, X, y, refit=False)
    assert search.best_params_ and not hasattr(search, "best_estimator_")


def own(model, X, y):
    """A scorer that looks into the model and the rows."""
    assert model.coef_.shape[1] == X.shape[1]
    return accuracy_score(y, model.predict(X)) - 0.01 * np.abs(model.coef_).mean()


def own_metrics(model, X, y):
    return {"size": float(np.abs(model.coef_).sum()), "accuracy": model.score(X, y)}


def test_scorers_of_ones_own(together):
    X, y = data(load_iris)
    agree(classifier(), GRID, X, y, scoring=own, return_train_score=True)
    agree(classifier(), GRID, X, y, scoring=own_metrics, refit="accuracy")
    agree(classifier(), GRID, X, y, scoring={"own": own, "usual": "accuracy"}, refit="own")
    assert together == [6] * 9


def test_a_scorer_of_ones_own_sees_the_frame_and_the_whole_pipeline(together):
    frames = pytest.importorskip("pandas")
    X, y = data(load_iris)
    X = frames.DataFrame(X, columns=list("abcd"))

    def looks(model, rows, y):
        assert list(rows.columns) == list("abcd")
        assert list(model.feature_names_in_) == list("abcd")
        return model.score(rows, y)

    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="X (has|does not have valid) feature names")
        agree(classifier(), {"alpha": [1e-3, 0.1]}, X, y, scoring=looks)
        pipeline = make_pipeline(StandardScaler(), classifier())
        agree(pipeline, {"sgdclassifier__alpha": [1e-3, 0.1]}, X, y, scoring=looks)
    assert together == [2] * 6


@pytest.mark.parametrize("scoring", ["roc_auc", ["accuracy", "roc_auc"]])
def test_a_metric_that_fails_on_some_folds(scoring):
    X, y = data(load_breast_cancer, 120)
    X, y = X[np.argsort(y)], np.sort(y)  # the first fold of KFold tests one class only
    settings = {"scoring": scoring, "cv": KFold(4), "refit": False, "error_score": -7.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        agree(classifier(), {"alpha": [1e-3, 0.1]}, X, y, **settings)


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
def test_a_metric_without_probabilities_fails_alike():
    X, y = data(load_iris)
    with pytest.warns(UserWarning, match="Scoring failed"):
        search = GridSearchCV(classifier(), {"alpha": [1e-3, 0.1]}, cv=3, scoring="neg_log_loss")
        search.fit(X, y)
    assert np.isnan(search.cv_results_["mean_test_score"]).all()
    with pytest.raises(AttributeError, match="predict_proba"):
        search.set_params(error_score="raise").fit(X, y)


# ---- candidates that fail ------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
@pytest.mark.parametrize("error_score", [np.nan, -3.5])
def test_a_candidate_that_diverges_harms_no_other(error_score, together):
    X, y = data(load_diabetes, 120)
    X = X.astype(np.float32)
    grid = {"alpha": [1e-300, 10.0, 100.0]}
    searches, messages = [], []
    for search in (GridSearchCV, Original):
        model = regressor(learning_rate="optimal", max_iter=50)
        with pytest.warns(FitFailedWarning, match=r"3 fits failed out of a total of 9") as record:
            searches.append(search(model, grid, cv=3, error_score=error_score).fit(X, y))
        messages += [str(w.message) for w in record if w.category is FitFailedWarning]
    ours, theirs = searches
    assert messages[0] == messages[1] and "overflow" in messages[0]
    assert_same_search(ours, theirs, 1e-5)
    assert together == [3, 3, 3]
    assert "Candidate 0 was fitted alone. The fit failed with ValueError" in "".join(ours.sharing_report_)


@pytest.mark.parametrize("train_score", [False, True])
def test_a_candidate_that_is_not_valid(train_score, together):
    X, y = data(load_iris)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = agree(classifier(), {"alpha": [1e-3, BAD, 1e-2]}, X, y, return_train_score=train_score)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True, False]
    assert together == [2, 2, 2]
    assert "'alpha' parameter" in alone(search, "Candidate 1 was", "not valid")


@pytest.mark.parametrize("scoring", ["accuracy", ["accuracy", "f1_macro"], own_metrics])
def test_failures_with_every_kind_of_scoring(scoring):
    X, y = data(load_iris)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = agree(classifier(), {"alpha": [1e-3, BAD]}, X, y, scoring=scoring, refit=False)
    assert len(search.cv_results_["params"]) == 2


def test_errors_are_raised_where_that_is_asked_for():
    X, y = data(load_iris)
    for search in (GridSearchCV, Original):
        with pytest.raises(ValueError, match="'alpha' parameter of SGDClassifier"):
            search(classifier(), {"alpha": [1e-3, BAD, 1e-2]}, error_score="raise").fit(X, y)
    grid = {"alpha": [0.1, 1e-300]}
    X, y = data(load_diabetes, 120)
    for search in (GridSearchCV, Original):
        with pytest.raises(ValueError, match="overflow"):
            search(regressor(learning_rate="optimal"), grid, error_score="raise").fit(
                X.astype(np.float32), y
            )


def test_no_candidate_succeeds():
    X, y = data(load_iris)
    for search in (GridSearchCV, Original):
        with pytest.raises(ValueError, match="All the 10 fits failed"):
            search(classifier(), {"alpha": [BAD, BAD]}).fit(X, y)


def test_a_parameter_that_does_not_exist():
    X, y = data(load_iris)
    for search in (GridSearchCV, Original):
        with pytest.raises(ValueError, match="Invalid parameter 'strength'"):
            search(classifier(), {"strength": [1, 2]}).fit(X, y)


def test_rows_that_no_fit_takes():
    X, y = data(load_iris)
    X = X.copy()
    X[3, 1] = np.nan  # in one test set, and in the training rows of the other folds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = agree(classifier(), {"alpha": [1e-3, 1e-2]}, X, y, cv=KFold(3), refit=False)
    assert "NaN" in alone(search, "Candidates 0-1 were", "X as a whole")


def test_a_transformer_that_fails_on_one_fold(together):
    X, y = data(load_iris)
    X = X.copy()
    X[0, 0] = 1e9

    class Refuses(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            if X.max() > 1e6:
                raise ArithmeticError("too large")
            return self

        def transform(self, X):
            return X

    pipeline = make_pipeline(Refuses(), classifier(eta0=1e-9, learning_rate="constant"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = agree(pipeline, {"sgdclassifier__alpha": [1e-3, 1e-2]}, X, y, cv=KFold(3), refit=False)
    assert np.isnan(search.cv_results_["split1_test_score"]).all()
    assert np.isfinite(search.cv_results_["split0_test_score"]).all()
    assert together == [2]
    alone(search, "Candidates 0-1 were fitted alone on folds 1-2", "too large")


# ---- rows: folds, groups, weights ----------------------------------------------------------------


def test_splitters(together):
    X, y = data(load_iris)
    grid = {"alpha": [1e-3, 1e-2]}
    folds = list(KFold(3, shuffle=True, random_state=0).split(X))
    masks = [(np.isin(np.arange(150), train), np.isin(np.arange(150), test)) for train, test in folds]
    for cv in (ShuffleSplit(4, random_state=0), folds, masks, iter(folds), 2):
        settings = {"cv": list(cv) if hasattr(cv, "__next__") else cv}
        agree(classifier(), grid, X, y, **settings)
    ours = GridSearchCV(classifier(), grid, cv=(fold for fold in folds)).fit(X, y)
    theirs = Original(classifier(), grid, cv=(fold for fold in folds)).fit(X, y)
    assert_same_search(ours, theirs)
    assert together == [2] * (4 + 3 + 3 + 3 + 2 + 3)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_fold_without_rows_fails_alike(part):
    X, y = data(load_iris)
    some, none = np.arange(100), np.array([], dtype=int)
    cv = [(some, np.arange(100, 150)), (none, some) if part == "train" else (some, none)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = agree(classifier(), {"alpha": [1e-3, 1e-2]}, X, y, cv=cv, refit=False)
    assert np.isnan(search.cv_results_["split1_test_score"]).all()
    alone(search, "not all arrays of row numbers within X")


def test_rows_beyond_x():
    X, y = data(load_iris)
    for search in (GridSearchCV, Original):
        with pytest.raises(IndexError):
            search(classifier(), {"alpha": [1e-3, 1e-2]}, cv=[([0, 60, 1], [150])]).fit(X, y)


def test_rows_in_any_order_and_more_than_once():
    X, y = data(load_iris)
    draws = np.random.RandomState(0)
    cv = [(draws.randint(0, 150, 200), draws.randint(-150, 150, 40)) for _ in range(3)]
    agree(classifier(), {"alpha": [1e-3, 1e-2]}, X, y, cv=cv, return_train_score=True)


def test_groups():
    X, y = data(load_iris)
    groups = np.arange(150) // 10
    agree(classifier(), GRID, X, y, cv=GroupKFold(4), fit={"groups": groups})
    with pytest.raises(ValueError, match="groups"):
        GridSearchCV(classifier(), GRID, cv=GroupKFold(4)).fit(X, y)


@pytest.mark.parametrize("form", [np.asarray, list])
@pytest.mark.parametrize("scoring", [None, "f1_macro", ["accuracy", "neg_log_loss"]])
def test_weights(scoring, form, together):
    X, y = data(load_iris)
    weights = form(np.random.RandomState(0).randint(0, 4, 150))
    settings = {"scoring": scoring, "refit": "accuracy" if isinstance(scoring, list) else True}
    search = agree(classifier(loss="log_loss"), GRID, X, y, fit={"sample_weight": weights}, **settings)
    plain = GridSearchCV(classifier(loss="log_loss"), GRID, cv=3, **settings).fit(X, y)
    assert (solution(search.best_estimator_) != solution(plain.best_estimator_)).any()
    assert together == [6] * 6


def test_weights_that_are_not_one_number_per_row(together):
    X, y = data(load_iris)
    search = agree(classifier(), {"alpha": [1e-3, 1e-2]}, X, y, fit={"sample_weight": 2.0}, scoring=own)
    alone(search, "Candidates 0-1 were", "sample_weight is not one number per row")
    assert together == []


@pytest.mark.parametrize("piped", [False, True])
def test_routed_weights(piped, together):
    X, y = data(load_iris)
    weights = np.random.RandomState(0).randint(0, 4, 150)
    with config_context(enable_metadata_routing=True):
        estimator = classifier().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        name = "alpha"
        if piped:
            steps = StandardScaler().set_fit_request(sample_weight=False)
            estimator, name = make_pipeline(steps, estimator), "sgdclassifier__alpha"
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        for scoring in (None, scorer) if NEWEST or not piped else (scorer, scorer):
            fit = {"sample_weight": weights}
            agree(estimator, {name: [1e-3, 1e-2, 0.1]}, X, y, fit=fit, scoring=scoring)
    assert together == [3] * 6


def test_weights_routed_to_a_transformer_too(together):
    X, y = data(load_iris)
    weights = np.random.RandomState(0).randint(1, 4, 150)
    with config_context(enable_metadata_routing=True):
        steps = (
            StandardScaler().set_fit_request(sample_weight=True),
            classifier().set_fit_request(sample_weight=True).set_score_request(sample_weight=True),
        )
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        settings = {"fit": {"sample_weight": weights}, "scoring": scorer}
        grid = {"sgdclassifier__alpha": [1e-3, 1e-2]}
        search = agree(make_pipeline(*steps), grid, X, y, **settings)
    alone(search, "routed to step 'standardscaler'")
    assert together == []


def test_routed_groups():
    X, y = data(load_iris)
    groups = np.arange(150) // 10
    with config_context(enable_metadata_routing=True):
        agree(classifier(), GRID, X, y, cv=GroupKFold(4), fit={"groups": groups})


def test_other_parameters_of_fit(together):
    X, y = data(load_breast_cancer, 150)
    start = {"coef_init": np.full((1, X.shape[1]), 0.1)}
    search = agree(classifier(), {"alpha": [1e-3, 1e-2]}, X, y, fit=start)
    assert "coef_init" in alone(search, "Candidates 0-1 were fitted alone")
    agree(classifier(), {"alpha": [1e-3, 1e-2]}, X, y, fit={"coef_init": None})
    assert together == [2, 2, 2]


# ---- forms of data -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csr", "csc", "float32", "csr32", "int", "uint8", "fortran", "list"])
def test_forms_of_x(form, together):
    X, y = load_digits(return_X_y=True)
    X, y = X[:300], y[:300]
    convert = {
        "csr": sp.csr_matrix,
        "csc": sp.csc_matrix,
        "float32": lambda X: X.astype(np.float32),
        "csr32": lambda X: sp.csr_matrix(X.astype(np.float32)),
        "int": lambda X: X.astype(np.int64),
        "uint8": lambda X: X.astype(np.uint8),
        "fortran": np.asfortranarray,
        "list": lambda X: X.tolist(),
    }[form]
    estimator = classifier(loss="log_loss", learning_rate="invscaling", eta0=1e-3)
    tolerance = 1e-5 if "32" in form else 1e-8
    agree(
        estimator,
        {"alpha": [1e-4, 1e-2, 0.1, 10.0]},
        convert(X),
        y,
        scoring=["accuracy", "neg_log_loss"],
        refit="neg_log_loss",
        return_train_score=True,
        tolerance=tolerance,
    )
    assert together == [4, 4, 4]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames(library, together):
    frames = pytest.importorskip(library)
    X, y = data(load_iris)
    names = list("abcd")
    X = frames.DataFrame({name: X[:, i] for i, name in enumerate(names)})
    labels = (
        frames.Series("kind", [f"kind {k}" for k in y])
        if library == "polars"
        else frames.Series([f"kind {k}" for k in y])
    )
    for target in (labels, [f"kind {k}" for k in y]):
        search = agree(classifier(), GRID, X, target)
        if library == "pandas" or NEWEST:  # older versions do not see polars' names
            assert_array_equal(search.feature_names_in_, names)
        assert search.predict(X)[0].startswith("kind")
    assert together == [6] * 6


def test_a_frame_of_mixed_types_goes_through_its_pipeline(together):
    frames = pytest.importorskip("pandas")
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OneHotEncoder

    X, y = data(load_breast_cancer, 200)
    X = frames.DataFrame({"size": X[:, 0], "colour": np.where(X[:, 1] > 0, "red", "blue")})
    encode = make_column_transformer((StandardScaler(), ["size"]), (OneHotEncoder(), ["colour"]))
    agree(make_pipeline(encode, classifier()), {"sgdclassifier__alpha": [1e-3, 1e-2]}, X, y)
    assert together == [2, 2, 2]


@pytest.mark.parametrize("labels", ["strings", "objects", "bools", "columns", "missing"])
def test_forms_of_y(labels, together):
    X, y = data(load_breast_cancer, 200)
    given = {
        "strings": np.where(y > 0, "good", "bad"),
        "objects": np.where(y > 0, "good", "bad").astype(object),
        "bools": y > 0,
        "columns": y[:, None],
        "missing": np.where(y > 0, 1.0, 0.0).astype(object),
    }[labels]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if labels == "missing":  # objects that are not strings: scikit-learn's own path, and its error
            with pytest.raises(ValueError):
                GridSearchCV(classifier(), GRID, cv=3).fit(X, given)
        else:
            agree(classifier(), GRID, X, given)
    assert together == ([] if labels in ("columns", "missing") else [6, 6, 6])


def test_x_is_not_copied_for_a_fold(monkeypatch):
    X, y = data(load_digits)
    seen = []

    def spy(estimators, X, y, *, rows=None, **kwargs):
        seen.append((X, rows))
        return fit_together(estimators, X, y, rows=rows, **kwargs)

    sliced = []
    rows_of = fastgd.model_selection.rows_of
    monkeypatch.setattr(fastgd.model_selection, "fit_together", spy)
    monkeypatch.setattr(
        fastgd.model_selection,
        "rows_of",
        lambda given, rows: sliced.append(given) or rows_of(given, rows),
    )
    cv = KFold(3)
    search = GridSearchCV(classifier(max_iter=1), {"alpha": [1e-3, 1e-2]}, cv=cv, return_train_score=True)
    search.fit(X, y)
    assert len(sliced) == 6 and all(given is y for given in sliced)
    for (given, rows), (train, _) in zip(seen, cv.split(X), strict=True):
        assert given is X
        assert_array_equal(rows, train)


# ---- pipelines -----------------------------------------------------------------------------------


class Counts(TransformerMixin, BaseEstimator):
    """Counts how often it is fitted."""

    fits = 0

    def __init__(self, factor=1.0):
        self.factor = factor

    def fit(self, X, y=None):
        type(self).fits += 1
        return self

    def transform(self, X):
        return X * self.factor


def test_transformers_are_fitted_once_per_fold_and_setting(together, monkeypatch):
    X, y = data(load_iris)
    monkeypatch.setattr(Counts, "fits", 0)
    pipeline = make_pipeline(Counts(), classifier())
    grid = {"counts__factor": [1.0, 0.5], "sgdclassifier__alpha": [1e-3, 1e-2, 0.1]}
    ours = GridSearchCV(pipeline, grid, cv=4, refit=False).fit(X, y)
    assert Counts.fits == 2 * 4
    assert together == [3, 3] * 4
    assert_same_search(ours, Original(pipeline, grid, cv=4, refit=False).fit(X, y))


def test_steps_are_parameters_too(together):
    X, y = data(load_iris)
    pipeline = Pipeline([("scale", StandardScaler()), ("model", classifier())])
    grid = [
        {"scale": [StandardScaler(), MinMaxScaler(), "passthrough"], "model__alpha": [1e-3, 1e-2]},
        {"model": [LogisticRegression(), classifier(loss="log_loss")], "scale__with_mean": [False]},
    ]
    search = agree(pipeline, grid, X, y, scoring="accuracy", return_train_score=True)
    assert together == [2, 2, 2] * 3
    assert "Candidate 6 was fitted alone. LogisticRegression is not" in "".join(search.sharing_report_)


def test_candidates_of_different_losses_share_transformed_rows(together, monkeypatch):
    X, y = data(load_iris)
    monkeypatch.setattr(Counts, "fits", 0)
    pipeline = make_pipeline(Counts(), classifier())
    search = agree(pipeline, {"sgdclassifier__loss": ["hinge", "log_loss"]}, X, y, refit=False)
    assert together == [1, 1] * 3
    assert Counts.fits == 3 + 6  # ours and scikit-learn's
    alone(search, "Candidates 0-1 were fitted alone", "No other candidate agrees")


def test_text(together):
    words = np.random.RandomState(0).choice(["red", "blue", "green", "fast", "slow"], (90, 6))
    texts = [" ".join(row) for row in words]
    y = np.where((words == "fast").sum(axis=1) > (words == "slow").sum(axis=1), "quick", "not")
    pipeline = make_pipeline(TfidfVectorizer(), classifier(loss="log_loss"))
    grid = {"tfidfvectorizer__ngram_range": [(1, 1), (1, 2)], "sgdclassifier__alpha": [1e-4, 1e-2]}
    agree(pipeline, grid, texts, y, scoring=["accuracy", "neg_log_loss"], refit="accuracy")
    assert together == [2, 2] * 3


def test_parameters_of_fit_by_step(together):
    X, y = data(load_iris)
    weights = np.random.RandomState(0).randint(1, 4, 150)
    pipeline = make_pipeline(StandardScaler(), classifier())
    grid = {"sgdclassifier__alpha": [1e-3, 1e-2]}
    for names in (["sgdclassifier"], ["standardscaler"], ["sgdclassifier", "standardscaler"]):
        agree(pipeline, grid, X, y, fit={f"{name}__sample_weight": weights for name in names})
    assert together == [2] * 9
    for search in (GridSearchCV, Original):
        with pytest.raises(ValueError, match=r"Pipeline\.fit does not accept the sample_weight"):
            search(pipeline, grid, error_score="raise").fit(X, y, sample_weight=weights)


def test_frames_out_of_transformers(together):
    frames = pytest.importorskip("pandas")
    X, y = data(load_iris)
    X = frames.DataFrame(X, columns=list("abcd"))
    pipeline = make_pipeline(StandardScaler(), classifier()).set_output(transform="pandas")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="X (has|does not have valid) feature names")
        search = agree(pipeline, {"sgdclassifier__alpha": [1e-3, 1e-2]}, X, y, scoring=None)
        agree(
            pipeline, {"sgdclassifier__alpha": [1e-3, 1e-2]}, X, y, scoring=lambda m, X, y: m.score(X, y)
        )
    assert_array_equal(search.best_estimator_[-1].feature_names_in_, list("abcd"))
    assert together == [2] * 6


def test_memory(tmp_path, together):
    X, y = data(load_iris)
    pipeline = make_pipeline(StandardScaler(), classifier(), memory=str(tmp_path))
    agree(pipeline, {"sgdclassifier__alpha": [1e-3, 1e-2]}, X, y)
    assert together == [2, 2, 2]


def test_a_transformer_that_draws(together):
    X, y = data(load_iris)
    grid = {"sgdclassifier__alpha": [1e-3, 1e-2]}
    pipeline = make_pipeline(TruncatedSVD(2, algorithm="randomized", n_iter=1), classifier())
    np.random.seed(0)
    ours = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    np.random.seed(0)
    assert_same_search(ours, Original(pipeline, grid, cv=3).fit(X, y))
    assert "an int allows sharing" in alone(ours, "random_state of step 'truncatedsvd'")
    agree(pipeline.set_params(truncatedsvd__random_state=1), grid, X, y)
    assert together == [2, 2, 2]


# ---- what cannot share ---------------------------------------------------------------------------


class Own(SGDClassifier):
    def fit(self, X, y, **params):
        return super().fit(np.sqrt(np.abs(X)), y, **params)


class OwnPipeline(Pipeline):
    pass


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (classifier(random_state=None), "random_state is None"),
        (classifier(random_state=np.random.RandomState(3)), "random_state is a random generator"),
        (classifier(learning_rate="pa1"), "learning_rate='pa1'"),
        (classifier(average=True), "average=True"),
        (classifier(verbose=1), "verbose prints"),
        (Own(**EPOCHS), "Own is a subclass"),
        (sklearn.linear_model.SGDClassifier(**EPOCHS), "is not fastgd's"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "LogisticRegression is not"),
        (Pipeline([("a", StandardScaler()), ("b", classifier())], verbose=True), "verbose=True"),
        (OwnPipeline([("a", StandardScaler()), ("b", classifier())]), "subclass of Pipeline"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_everything_else_goes_scikit_learns_way(estimator, reason, together):
    X, y = data(load_iris)
    name = next(n for n in estimator.get_params() if n.rpartition("__")[2] in ("alpha", "C"))
    results = []
    for search in (GridSearchCV, Original):
        np.random.seed(0)
        with redirect_stdout(io.StringIO()) as printed:
            results.append(search(clone(estimator), {name: [1e-3, 1e-2]}, cv=3).fit(X, y))
        assert bool(printed.getvalue()) == ("verbose" in reason)
    assert_same_search(*results)
    assert together == []
    alone(results[0], "Candidates 0-1 were fitted alone", reason)


@pytest.mark.parametrize(
    "grid",
    [
        {"model__alpha": [1e-3, "strong", None, [1.0]]},
        {"model__loss": ["hinge", "no such loss", None]},
        {"model__random_state": [0, None, np.random.RandomState(0), 1.5]},
        {"model__class_weight": [None, {0: 2.0}, {0: -1.0}, {7: 1.0}]},
        {"model__batch_size": [1, 1000], "model__alpha": [1e-3, 1e-2]},
        {"model": ["passthrough", None, LogisticRegression(), SGDClassifier(random_state=1)]},
        {"scale": [5, None, StandardScaler()], "model__alpha": [1e-3, 1e-2]},
        {"steps": [[("a", StandardScaler()), ("b", classifier())], [("c", classifier())], []]},
    ],
    ids=lambda grid: next(iter(grid)),
)
def test_any_grid(grid):
    X, y = data(load_iris)
    pipeline = Pipeline([("scale", StandardScaler()), ("model", classifier())])
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for search in (GridSearchCV, Original):
            np.random.seed(0)
            settings = {"cv": 3, "scoring": "accuracy", "refit": False}
            results.append(search(pipeline, grid, **settings).fit(X, y))
    assert_same_search(*results)


def test_some_share_and_some_do_not(together):
    X, y = data(load_iris)
    grid = [{"alpha": [1e-3, 1e-2, 0.1]}, {"alpha": [1e-3, 1e-2], "average": [True]}]
    search = agree(classifier(), grid, X, y)
    assert together == [3, 3, 3]
    alone(search, "Candidates 3-4 were fitted alone. average=True")


def test_without_shuffling_no_seed_is_needed(together):
    X, y = data(load_iris)
    agree(classifier(shuffle=False, random_state=None), {"alpha": [1e-3, 1e-2]}, X, y)
    assert together == [2, 2, 2]


def test_warm_start_of_a_fitted_estimator(together):
    X, y = data(load_iris)
    fitted = classifier(warm_start=True).fit(X, y)
    agree(fitted, {"alpha": [1e-3, 1e-2]}, X, y)  # a search fits clones, which are unfitted
    assert together == [2, 2, 2]


def test_callbacks_of_the_estimator(together):
    from fastgd.callbacks import on_epoch

    if not NEWEST:
        pytest.skip("clones keep callbacks from scikit-learn 1.9 on")
    X, y = data(load_iris)
    epochs = []
    estimator = classifier().set_callbacks(on_epoch(lambda epoch: epochs.append(1)))
    search = GridSearchCV(estimator, {"alpha": [1e-3, 1e-2]}, cv=3).fit(X, y)
    assert len(epochs) == 7 * 6  # all classes of a fit in step
    assert together == []
    alone(search, "The estimator's callbacks follow")


def test_callbacks_of_the_search(together):
    if not NEWEST:
        pytest.skip("searches have callbacks from scikit-learn 1.9 on")
    from sklearn.callback import ScoringMonitor

    X, y = data(load_iris)
    monitor = ScoringMonitor(scoring="accuracy")
    search = GridSearchCV(classifier(), {"alpha": [1e-3, 1e-2]}, cv=3).set_callbacks(monitor)
    search.fit(X, y)
    alone(search, "The callbacks of the search")
    assert together == []


# ---- a search among other things -----------------------------------------------------------------


def test_inside_cross_validation():
    X, y = data(load_iris)
    ours = cross_val_score(GridSearchCV(classifier(), GRID, cv=3), X, y, cv=3)
    theirs = cross_val_score(Original(classifier(), GRID, cv=3), X, y, cv=3)
    assert_allclose(ours, theirs, atol=1e-8)


def test_clone_parameters_pickle_and_html():
    X, y = data(load_iris)
    for ours, theirs in ((GridSearchCV, Original), (RandomizedSearchCV, OriginalRandomized)):
        assert issubclass(ours, theirs) and ours.__name__ == theirs.__name__
        assert set(ours(classifier(), {}).get_params()) == set(theirs(classifier(), {}).get_params())
    search = GridSearchCV(classifier(), GRID, cv=3)
    assert clone(search).get_params(deep=False).keys() == search.get_params(deep=False).keys()
    assert "SGDClassifier" in search._repr_html_()
    search = clone(search).fit(X, y)
    again = pickle.loads(pickle.dumps(search))
    assert_array_equal(again.predict(X), search.predict(X))
    assert again.sharing_report_ == search.sharing_report_
    assert again.score(X, y) == search.score(X, y)
    assert "best_estimator_" in search._repr_html_()


@pytest.mark.parametrize(
    ("backend", "pre_dispatch"), [("loky", "2*n_jobs"), ("threading", 1), ("threading", "all")]
)
def test_n_jobs(backend, pre_dispatch):
    X, y = data(load_iris)
    grid = [{"alpha": [1e-3, 1e-2]}, {"average": [True, 10]}]
    with joblib.parallel_backend(backend):
        agree(classifier(), grid, X, y, n_jobs=2, pre_dispatch=pre_dispatch)


@pytest.mark.parametrize("verbose", [0, 1, 2, 3, 10])
def test_verbose(verbose, capsys):
    X, y = data(load_iris)
    search = GridSearchCV(
        classifier(), {"alpha": [1e-3, 1e-2]}, cv=3, verbose=verbose, return_train_score=True
    ).fit(X, y)
    printed = capsys.readouterr().out
    assert ("Fitting 3 folds for each of 2 candidates" in printed) == (verbose > 0)
    assert printed.count("END alpha=0.01") == (3 if verbose > 1 else 0)
    score = search.cv_results_["split2_test_score"][1]
    assert ("[CV 3/3] END alpha=0.01, train score=" in printed) == (verbose > 2)
    assert (f"test score={score:.3f}" in printed) == (verbose > 2)


def test_times_are_parts_of_the_whole():
    X, y = data(load_digits)
    search = GridSearchCV(classifier(), GRID, cv=3).fit(X, y)
    times = search.cv_results_["mean_fit_time"]
    assert (times > 0).all() and np.ptp(times) < 1e-12
    assert (search.cv_results_["mean_score_time"] > 0).all()


def test_a_search_that_asks_twice(together):
    X, y = data(load_iris)

    class Twice(GridSearchCV):
        def _run_search(self, evaluate_candidates, callback_ctx=None):
            super()._run_search(evaluate_candidates, callback_ctx)
            evaluate_candidates([{"alpha": 0.5}, {"alpha": 0.6}])

    search = Twice(classifier(), {"alpha": [1e-3, 1e-2, 0.1]}, cv=3).fit(X, y)
    assert [p["alpha"] for p in search.cv_results_["params"]] == [1e-3, 1e-2, 0.1, 0.5, 0.6]
    assert together == [3] * 3 + [2] * 3
    theirs = Original(classifier(), {"alpha": [1e-3, 1e-2, 0.1, 0.5, 0.6]}, cv=3).fit(X, y)
    assert_same_search(search, theirs)


def test_patched_only_by_name():
    before = sklearn.model_selection.GridSearchCV
    try:
        assert all("model_selection" not in name for name in patch_sklearn())
        assert sklearn.model_selection.GridSearchCV is before
        assert "sklearn.model_selection.GridSearchCV" in patch_sklearn("GridSearchCV")
        assert sklearn.model_selection.GridSearchCV is GridSearchCV
        assert sklearn.model_selection.RandomizedSearchCV is OriginalRandomized
    finally:
        assert "sklearn.model_selection.GridSearchCV" in unpatch_sklearn()
    assert sklearn.model_selection.GridSearchCV is before


# ---- the report, when passes are shared ----------------------------------------------------------


def test_the_report(monkeypatch):
    X, y = data(load_iris)

    def shares(*args, **kwargs):
        return [(outcome, None) for outcome, _ in fit_together(*args, **kwargs)]

    monkeypatch.setattr(fastgd.model_selection, "fit_together", shares)
    grid = [{"alpha": [1e-3, 1e-2]}, {"average": [True]}, {"alpha": [0.1], "loss": ["hinge"]}]
    search = GridSearchCV(classifier(), grid, cv=3).fit(X, y)
    shared, single = search.sharing_report_
    assert shared.startswith("Candidates 0-1, 3 shared the passes of each fold over X: loss='hinge'")
    assert single == "Candidate 2 was fitted alone. average=True keeps a second set of weights."


# ---- the seam ------------------------------------------------------------------------------------


def test_fit_together_is_every_fit_by_itself(X, y_three, row_weights):
    rows = np.random.RandomState(0).permutation(60)[:45]
    settings = [{"alpha": 0.1}, {"alpha": 1e-3, "penalty": "l1"}, {"max_iter": 2}, {"average": True}]
    for weights in (None, row_weights):
        outcomes = fit_together(
            [classifier(**s) for s in settings], X, y_three, rows=rows, sample_weight=weights
        )
        for (fitted, reason), chosen in zip(outcomes, settings, strict=True):
            single = classifier(**chosen).fit(
                X[rows], y_three[rows], sample_weight=None if weights is None else weights[rows]
            )
            assert_allclose(solution(fitted), solution(single), rtol=1e-10)
            assert reason is None or reason.endswith(".")
    assert "average" in outcomes[3][1]


def test_fit_together_returns_what_a_fit_raises(X, y_real):
    X = X.astype(np.float32)
    models = [regressor(alpha=a, learning_rate="optimal", max_iter=50) for a in (1e-300, 0.1)]
    (failed, _), (fitted, _) = fit_together(models, X, y_real)
    assert isinstance(failed, ValueError) and "overflow" in str(failed)
    assert fitted is models[1] and np.isfinite(fitted.coef_).all()


def test_why_not():
    assert why_not(classifier()) is None
    assert why_not(regressor(), np.ones((2, 2))) is None
    assert why_not(regressor(), sp.csr_matrix((2, 2))) is None
    assert "not an array or a CSR matrix" in why_not(regressor(), sp.coo_matrix((2, 2)))
    assert why_not(classifier(random_state=None, early_stopping=True, shuffle=False))
    assert why_not(classifier(random_state=np.int64(3))) is None
    assert "not valid" in why_not(classifier(alpha=BAD))
    assert "not valid" in why_not(classifier(learning_rate="optimal", alpha=0))


def test_group_key():
    same = [
        {"alpha": 1.0},
        {"penalty": "l1"},
        {"max_iter": 3},
        {"tol": 1.0},
        {"class_weight": "balanced"},
    ]
    other = [
        {"loss": "log_loss"},
        {"batch_size": 2},
        {"shuffle": False},
        {"random_state": 1},
        {"early_stopping": True},
        {"fit_intercept": False},
    ]
    key = group_key(classifier())
    assert all(group_key(classifier(**s)) == key for s in same)
    keys = {group_key(classifier(**s)) for s in other}
    assert len(keys) == len(other) and key not in keys
    assert group_key(regressor()) != key


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("limit", [1, 1000])
def test_raw_scores_together(form, limit, X, y_three, monkeypatch):
    monkeypatch.setattr(sharing, "SCORES_AT_ONCE", limit)
    monkeypatch.setattr(sharing, "VALUES_AT_ONCE", limit)
    X = form(X)
    rows = np.array([5, 1, 1, 40, 33])
    models = [classifier(alpha=a).fit(X, y_three) for a in (1e-3, 1e-2, 1e-2, 1.0)]
    for given in (X[rows], sharing.RowSubset(X, rows)):
        scores = list(raw_scores_together(models, given))
        for model, raw in zip(models, scores, strict=True):
            assert_allclose(raw, model.decision_function(X[rows]), atol=1e-12)
        assert_array_equal(scores[1], scores[2])
