"""fastgd's estimators among everything else that people put around an estimator.

Design note. Each test puts the estimators where programs put scikit-learn's (searches, pipelines,
pickles, data frames, other people's meta-estimators) and asserts a result, mostly that the same
model comes out as by the direct way. The second half is about what a fit says of itself: its
history, why it stopped, and what it does when it goes wrong.
"""

import copy
import pickle
import warnings

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.linear_model
from cases import assert_same_model, solution
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_outlier_detector, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastgd import SGDClassifier, SGDOneClassSVM, SGDRegressor

try:
    import polars
except ImportError:  # free-threaded interpreters have none
    polars = None

# Most fits here are cut short or roughly tuned; the tests of warnings ask for theirs by name.
pytestmark = pytest.mark.filterwarnings(f"ignore::{ConvergenceWarning.__module__}.ConvergenceWarning")

ALL = [SGDClassifier, SGDRegressor, SGDOneClassSVM]
EPOCHS = {"max_iter": 6, "tol": None}


@pytest.fixture
def target(y_three, y_real):
    """The y that suits a class of estimators."""
    return lambda klass: y_three if issubclass(klass, SGDClassifier) else y_real


# ---- what an estimator is ------------------------------------------------------------------------


@pytest.mark.parametrize("klass", ALL)
def test_is_a_kind_of_scikit_learn_s(klass):
    assert issubclass(klass, getattr(sklearn.linear_model, klass.__name__))
    assert klass.__module__.startswith("fastgd.")
    assert is_classifier(klass()) == (klass is SGDClassifier)
    assert is_regressor(klass()) == (klass is SGDRegressor)
    assert is_outlier_detector(klass()) == (klass is SGDOneClassSVM)


@pytest.mark.parametrize("klass", ALL)
def test_clone(klass, X, target):
    original = klass(batch_size=7, eta0=0.02, random_state=3, **EPOCHS).fit(X, target(klass))
    copied = clone(original)
    assert copied.get_params() == original.get_params()
    assert not hasattr(copied, "coef_")
    assert_array_equal(solution(copied.fit(X, target(klass))), solution(original))
    assert repr(copied) == repr(original)
    assert "batch_size=7" in repr(copied)


@pytest.mark.parametrize("klass", ALL)
def test_refitting_forgets(klass, X, target):
    y = target(klass)
    used = klass(average=True, random_state=3, **EPOCHS).fit(X[:, :3], y).partial_fit(X[:, :3], y)
    fresh = klass(average=True, random_state=3, **EPOCHS)
    assert_array_equal(solution(used.fit(X, y)), solution(fresh.fit(X, y)))
    assert used.t_ == fresh.t_
    assert len(used.history_["loss"]) == 6


# ---- pickles -------------------------------------------------------------------------------------


def by_pickle(model):
    return pickle.loads(pickle.dumps(model))


@pytest.mark.parametrize("copier", [by_pickle, copy.deepcopy])
@pytest.mark.parametrize("klass", ALL)
def test_a_copy_predicts_alike(klass, copier, X, target):
    model = klass(random_state=3, average=True, **EPOCHS).fit(X, target(klass))
    copied = copier(model)
    assert_array_equal(copied.predict(X), model.predict(X))
    assert_array_equal(copied.history_["loss"], model.history_["loss"])
    assert copied.stop_reason_ == model.stop_reason_


def test_joblib_maps_a_pickled_model(X, y_three, tmp_path):
    model = SGDClassifier(loss="log_loss", random_state=3, **EPOCHS).fit(X, y_three)
    joblib.dump(model, tmp_path / "model.joblib")
    mapped = joblib.load(tmp_path / "model.joblib", mmap_mode="r")
    assert_array_equal(mapped.predict_proba(X), model.predict_proba(X))
    # The weights of a mapped model are read-only; training goes on in new ones.
    assert_array_equal(solution(mapped.partial_fit(X, y_three)), solution(model.partial_fit(X, y_three)))


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("klass", ALL)
def test_a_pickle_of_half_a_training_continues_identically(klass, average, batch_size, X, target):
    y = target(klass)
    known = {"classes": np.unique(y)} if klass is SGDClassifier else {}
    model = klass(average=average, batch_size=batch_size, random_state=3)
    model.partial_fit(X[:25], y[:25], **known).partial_fit(X[25:], y[25:])
    resumed = by_pickle(model)
    for _ in range(3):
        model.partial_fit(X, y)
        resumed.partial_fit(X, y)
    assert_array_equal(solution(resumed), solution(model))
    assert resumed.t_ == model.t_
    assert len(resumed.history_["loss"]) == 5


def test_a_pickle_of_a_later_version_is_refused(X, y_real):
    model = SGDRegressor(random_state=3, **EPOCHS).fit(X, y_real)
    state = model.__getstate__()
    (key,) = [name for name in state if "fastgd" in name]
    version, *rest = state[key]
    with pytest.raises(ValueError, match="pickled by fastgd"):
        SGDRegressor().__setstate__({**state, key: (version + 1, *rest)})


# ---- containers ----------------------------------------------------------------------------------


def frames(X):
    """X in the forms that are converted rather than used in place."""
    import pandas

    names = [f"feature {j}" for j in range(X.shape[1])]
    forms = {
        "Fortran order": np.asfortranarray(X),
        "every other column": np.repeat(X, 2, axis=1)[:, ::2],
        "rows backwards": np.ascontiguousarray(X[::-1])[::-1],
        "list": X.tolist(),
        "big-endian": X.astype(">f8"),
        "pandas": pandas.DataFrame(X, columns=names),
        "CSC": sp.csc_matrix(X),
        "COO": sp.coo_matrix(X),
        "CSR array": sp.csr_array(X),
        "LIL": sp.lil_matrix(X),
    }
    if polars:
        forms["polars"] = polars.DataFrame(X, schema=names)
    return forms


@pytest.mark.parametrize("batch_size", [1, 7])
@pytest.mark.parametrize("form", frames(np.zeros((1, 1))))
@pytest.mark.parametrize("klass", ALL)
def test_every_container(klass, form, batch_size, X, target):
    y, data = target(klass), frames(X)[form]
    model = klass(random_state=3, batch_size=batch_size, **EPOCHS)
    expected = solution(model.fit(X, y))
    predicted = model.predict(X)
    assert_same_model(solution(model.fit(data, y)), expected, 1e-9)
    assert_array_equal(model.predict(data).round(9), predicted.round(9))


def test_containers_of_y_and_weights(X, y_three, row_weights):
    import pandas

    model = SGDClassifier(random_state=3, **EPOCHS)
    expected = solution(model.fit(X, y_three, sample_weight=row_weights))
    series = [pandas.Series, *([polars.Series] if polars else [])]
    for form in (list, *series, lambda v: np.repeat(v, 3)[::3]):
        model.fit(X, form(y_three), sample_weight=form(row_weights))
        assert_array_equal(solution(model), expected)


@pytest.mark.parametrize("klass", ALL)
def test_feature_names(klass, X, target):
    frame = frames(X)["pandas"]
    model = klass(random_state=3, **EPOCHS).fit(frame, target(klass))
    assert_array_equal(model.feature_names_in_, frame.columns)
    assert model.n_features_in_ == X.shape[1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(frame)
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"feature 0": "feature zero"}))
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(frame[frame.columns[::-1]], target(klass))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)
    assert not hasattr(model.fit(X, target(klass)), "feature_names_in_")


def test_sparsify_and_densify(X, y_three):
    model = SGDClassifier(penalty="l1", alpha=0.05, random_state=3, **EPOCHS).fit(X, y_three)
    scores = model.decision_function(X)
    model.sparsify()
    assert sp.issparse(model.coef_)
    assert_allclose(model.decision_function(X), scores, rtol=1e-12)
    assert_allclose(model.decision_function(sp.csr_matrix(X)), scores, rtol=1e-12)
    assert_array_equal(by_pickle(model).predict(X), model.predict(X))
    assert isinstance(model.densify().coef_, np.ndarray)
    assert_allclose(model.decision_function(X), scores, rtol=1e-12)


# ---- pipelines, searches, meta-estimators --------------------------------------------------------


def test_pipeline_with_frames_as_output(X, y_three):
    frame = frames(X)["pandas"]
    pipeline = make_pipeline(StandardScaler(), SGDClassifier(random_state=3, **EPOCHS))
    pipeline.set_output(transform="pandas").fit(frame, y_three)
    assert_array_equal(pipeline[-1].feature_names_in_, frame.columns)
    by_hand = SGDClassifier(random_state=3, **EPOCHS).fit(StandardScaler().fit_transform(X), y_three)
    assert_same_model(solution(pipeline[-1]), solution(by_hand), 1e-9)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_grid_search_in_parallel(backend, X, y_three):
    grid = {"alpha": [1e-4, 1e-1], "batch_size": [1, 7, "full"]}
    model = SGDClassifier(loss="log_loss", random_state=3, n_jobs=2, **EPOCHS)
    alone = GridSearchCV(model, grid, cv=3).fit(X, y_three)
    with joblib.parallel_backend(backend):
        search = GridSearchCV(model, grid, cv=3, n_jobs=2).fit(X, y_three)
    assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert search.best_params_ == alone.best_params_
    assert_array_equal(solution(search.best_estimator_), solution(alone.best_estimator_))


def test_cross_validation_of_sparse_rows(X, y_real):
    model = SGDRegressor(random_state=3, **EPOCHS)
    dense = cross_val_score(model, X, y_real, cv=4)
    assert_allclose(cross_val_score(model, sp.csr_matrix(X), y_real, cv=4), dense, rtol=1e-7)


def test_one_versus_rest(X, y_three):
    model = SGDClassifier(loss="log_loss", shuffle=False, **EPOCHS)
    outside = OneVsRestClassifier(model).fit(X, y_three)
    inside = clone(model).fit(X, y_three)
    coef = np.vstack([each.coef_ for each in outside.estimators_])
    assert_same_model(coef, inside.coef_)
    assert_array_equal(outside.predict(X), inside.predict(X))


@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(method, X, y_three):
    model = CalibratedClassifierCV(SGDClassifier(random_state=3, **EPOCHS), method=method, cv=3)
    probabilities = model.fit(X, y_three).predict_proba(X)
    assert_allclose(probabilities.sum(axis=1), 1.0)
    assert model.score(X, y_three) > 0.5  # one class in three by chance


def test_selection_by_weight(X, y_real):
    selector = SelectFromModel(SGDRegressor(penalty="l1", alpha=0.1, random_state=3, **EPOCHS))
    kept = selector.fit(X, y_real).get_support()
    assert 0 < kept.sum() < X.shape[1]
    assert_array_equal(kept, np.abs(selector.estimator_.coef_) > 1e-5)
    assert_array_equal(selector.transform(X), X[:, kept])


def test_several_outputs(X, y_real):
    model = MultiOutputRegressor(SGDRegressor(random_state=3, **EPOCHS), n_jobs=2)
    predicted = model.fit(X, np.column_stack([y_real, -y_real])).predict(X)
    assert_allclose(predicted[:, 0], -predicted[:, 1], rtol=1e-6)


def test_weights_are_routed(X, y_three, row_weights):
    with config_context(enable_metadata_routing=True):
        model = SGDClassifier(random_state=3, **EPOCHS).set_fit_request(sample_weight=True)
        pipeline = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        pipeline.fit(X, y_three, sample_weight=row_weights)
        by_hand = SGDClassifier(random_state=3, **EPOCHS)
        by_hand.fit(StandardScaler().fit_transform(X), y_three, sample_weight=row_weights)
        assert_array_equal(solution(pipeline[-1]), solution(by_hand))
        scorer = clone(model).set_score_request(sample_weight=True)
        routed = cross_validate(scorer, X, y_three, params={"sample_weight": row_weights}, cv=3)
        plain = cross_validate(
            clone(model).set_fit_request(sample_weight=False), X, y_three, cv=3, params={}
        )
        assert (routed["test_score"] != plain["test_score"]).any()


def test_validation_sets_are_routed(X, y_three):
    with config_context(enable_metadata_routing=True):
        model = SGDClassifier(early_stopping=True, random_state=3)
        model.set_fit_request(X_val=True, y_val=True)
        pipeline = make_pipeline(StandardScaler(), model)
        pipeline.fit(X[:40], y_three[:40], X_val=X[40:], y_val=y_three[40:])
    scaled = StandardScaler().fit(X[:40]).transform(X[:40])
    by_hand = clone(model).fit(scaled, y_three[:40], X_val=X[40:], y_val=y_three[40:])
    assert_array_equal(solution(pipeline[-1]), solution(by_hand))


# ---- history and the reason of the end -----------------------------------------------------------

COLUMNS = {"loss", "objective", "learning_rate", "update_norm", "seconds"}


@pytest.mark.parametrize("batch_size", [1, 7, "full"])
@pytest.mark.parametrize("klass", [SGDRegressor, SGDOneClassSVM])
def test_history_of_one_model(klass, batch_size, X, y_real):
    model = klass(batch_size=batch_size, random_state=3, max_iter=50).fit(X, y_real)
    assert set(model.history_) == COLUMNS
    for column in model.history_.values():
        assert column.shape == (model.n_iter_,)
        assert column.dtype == np.float64
        assert np.isfinite(column).all()
    assert (np.diff(model.history_["seconds"]) >= 0).all()
    assert (np.diff(model.history_["learning_rate"]) < 0).all()
    assert (model.history_["objective"] != model.history_["loss"]).any()


def test_history_of_several_models(X, y_three):
    model = SGDClassifier(loss="log_loss", random_state=3, learning_rate="invscaling", eta0=0.1)
    model.set_params(tol=2e-3, n_iter_no_change=1).fit(X, y_three)
    epochs = [np.isfinite(model.history_["loss"][:, k]).sum() for k in range(3)]
    assert len(set(epochs)) > 1, "the classes should need different numbers of epochs"
    assert max(epochs) == model.n_iter_
    for column in model.history_.values():
        assert column.shape == (model.n_iter_, 3)
        for k in range(3):  # padded at the end, nowhere else
            assert_array_equal(np.isnan(column[:, k]), np.arange(model.n_iter_) >= epochs[k])
    assert len(model.stop_reason_) == 3
    assert all("tol" in reason for reason in model.stop_reason_)


def test_history_of_the_validation_score(X, y_two):
    model = SGDClassifier(early_stopping=True, random_state=3).fit(X, y_two)
    scores = model.history_["validation_score"]
    assert set(model.history_) == COLUMNS | {"validation_score"}
    assert scores.shape == (model.n_iter_,)
    assert ((scores >= 0) & (scores <= 1)).all()


def test_partial_fit_appends_to_the_history(X, y_real):
    model = SGDRegressor(random_state=3, max_iter=4, tol=None).fit(X, y_real)
    whole = model.history_["objective"].copy()
    for _ in range(3):
        model.partial_fit(X, y_real)
    assert set(model.history_) == COLUMNS
    assert_array_equal(model.history_["objective"][:4], whole)
    assert all(column.shape == (7,) for column in model.history_.values())
    assert model.fit(X, y_real).history_["objective"].shape == (4,)


def test_stop_reasons(X, y_real):
    converged = SGDRegressor(random_state=3).fit(X, y_real)
    assert "tol" in converged.stop_reason_
    with pytest.warns(ConvergenceWarning, match="Maximum number of iteration reached"):
        cut = SGDRegressor(random_state=3, max_iter=2).fit(X, y_real)
    assert "max_iter" in cut.stop_reason_
    assert "max_iter" in SGDRegressor(max_iter=3, tol=None).fit(X, y_real).stop_reason_
    stopped = SGDRegressor(random_state=3, early_stopping=True).fit(X, y_real)
    assert "validation" in stopped.stop_reason_


def test_verbose_prints_epochs(X, y_real, capsys):
    SGDRegressor(verbose=1, random_state=3, max_iter=3, tol=None).fit(X, y_real)
    printed = capsys.readouterr().out
    assert [f"-- Epoch {k}\n" in printed for k in (1, 2, 3, 4)] == [True, True, True, False]
    assert printed.count("Objective:") == 3
    SGDRegressor(random_state=3, max_iter=3, tol=None).fit(X, y_real)
    assert capsys.readouterr().out == ""


# ---- fits that go wrong --------------------------------------------------------------------------


@pytest.fixture
def badly_scaled():
    """Five columns scaled 1 to 1e4, and a target that is linear in them."""
    X = np.random.RandomState(0).randn(300, 5) * np.logspace(0, 4, 5)
    return X, X @ np.logspace(0, -4, 5)


@pytest.mark.parametrize("batch_size", [1, 7, "full"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_overflow_is_an_error_that_says_where(dtype, batch_size):
    draws = np.random.RandomState(0)
    X = draws.randn(100, 4).astype(dtype)
    X[:, 2] *= 1e30 if dtype is np.float32 else 1e300
    model = SGDRegressor(batch_size=batch_size, random_state=3, max_iter=200)
    with pytest.raises(ValueError, match=r"^Floating-point under-/overflow occurred at epoch") as info:
        model.fit(X, X[:, 0])
    for words in ("epoch #", "learning rate", "feature 2", "StandardScaler"):
        assert words in str(info.value)
    assert not hasattr(model, "coef_")


def test_overflow_names_the_column_of_a_frame():
    import pandas

    draws = np.random.RandomState(0)
    frame = pandas.DataFrame(draws.randn(100, 2), columns=["age", "income"])
    frame["income"] *= 1e300
    with pytest.raises(ValueError, match="'income'"):
        SGDRegressor(random_state=3).fit(frame, frame["age"])


def test_a_fit_worse_than_none_is_a_warning(badly_scaled):
    X, y = badly_scaled
    model = SGDRegressor(random_state=0)
    with pytest.warns(ConvergenceWarning, match="worse") as record:
        model.fit(X, y)
    message = next(str(w.message) for w in record if "worse" in str(w.message))
    for words in ("learning rate", "feature 4", "StandardScaler"):
        assert words in message
    assert model.score(X, y) < -1e20
    assert np.isfinite(model.coef_).all()


@pytest.mark.parametrize("klass", ALL)
def test_a_good_fit_says_nothing(klass, X, target):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for batch_size in (1, 7, "full"):
            model = klass(batch_size=batch_size, learning_rate="invscaling", random_state=3)
            model.set_params(eta0=0.1, max_iter=5000).fit(X, target(klass))
            assert model.n_iter_ < 5000


def test_poisson_predicts_on_the_scale_of_y(X, y_count):
    model = SGDRegressor(loss="poisson", random_state=3, eta0=0.05).fit(X, y_count)
    raw = X @ model.coef_ + model.intercept_
    assert_allclose(model.predict(X), np.exp(raw))
    assert_allclose(model.predict(X).mean(), y_count.mean(), rtol=0.15)
    assert model.score(X, y_count) > 0


def test_quantile_splits_the_rows(X, y_real):
    common = {"loss": "quantile", "max_iter": 200, "tol": None, "random_state": 3, "alpha": 0}
    for quantile in (0.1, 0.5, 0.9):
        model = SGDRegressor(quantile=quantile, average=True, eta0=0.1, **common).fit(X, y_real)
        assert abs((y_real < model.predict(X)).mean() - quantile) < 0.1


# ---- the user's validation set -------------------------------------------------------------------


def noisy(klass):
    """A fit whose validation score goes up and down."""
    return klass(learning_rate="constant", eta0=0.3, random_state=3, n_iter_no_change=4)


@pytest.mark.parametrize("average", [False, True])
@pytest.mark.parametrize("klass", [SGDClassifier, SGDRegressor])
def test_best_weights_come_back(klass, average, X, y_two, y_real):
    y = y_two if klass is SGDClassifier else y_real
    train, val = slice(0, 40), slice(40, 60)
    model = noisy(klass).set_params(early_stopping=True, average=average, max_iter=40)
    model.fit(X[train], y[train], X_val=X[val], y_val=y[val])
    scores = model.history_["validation_score"]
    best = int(np.argmax(scores))
    assert best < len(scores) - 1, "the last epoch should not be the best"
    assert len(scores) == model.n_iter_
    assert "best" in model.stop_reason_
    # All of X was trained on, so the epochs up to the best one are a fit of their own.
    again = noisy(klass).set_params(average=average, max_iter=best + 1, tol=None)
    again.fit(X[train], y[train])
    assert_same_model(solution(model), solution(again), 1e-9)
    if not average:
        assert_allclose(model.score(X[val], y[val]), scores[best])


@pytest.mark.parametrize("loss", ["hinge", "log_loss", "squared_error"])
def test_validation_score_of_a_classifier_is_its_accuracy(loss, X, y_two):
    # Where scikit-learn scores log_loss against the wrong labels, the user's own set does not.
    model = noisy(SGDClassifier).set_params(loss=loss, early_stopping=True, max_iter=1, tol=None)
    model.fit(X[:40], y_two[:40], X_val=X[40:], y_val=y_two[40:])
    accuracy = model.score(X[40:], y_two[40:])
    assert_allclose(model.history_["validation_score"], [accuracy])


def test_validation_weights_count(X, y_real, row_weights):
    model = noisy(SGDRegressor).set_params(early_stopping=True, max_iter=1, tol=None)
    weights = row_weights[40:]
    model.fit(X[:40], y_real[:40], X_val=X[40:], y_val=y_real[40:], sample_weight_val=weights)
    score = model.score(X[40:], y_real[40:], sample_weight=weights)
    assert score != model.score(X[40:], y_real[40:])
    assert_allclose(model.history_["validation_score"], [score])


def test_weight_two_is_the_validation_row_twice(X, y_real):
    times = np.arange(20) % 3
    rows = 40 + np.repeat(np.arange(20), times)
    model = noisy(SGDRegressor).set_params(early_stopping=True)
    train = X[:40], y_real[:40]
    weighted = model.fit(*train, X_val=X[40:], y_val=y_real[40:], sample_weight_val=times).history_
    repeated = model.fit(*train, X_val=X[rows], y_val=y_real[rows]).history_
    assert_allclose(weighted["validation_score"], repeated["validation_score"])


def test_without_early_stopping_a_validation_set_is_only_watched(X, y_real):
    watched = noisy(SGDRegressor).set_params(max_iter=9, tol=None)
    watched.fit(X[:40], y_real[:40], X_val=X[40:], y_val=y_real[40:])
    plain = noisy(SGDRegressor).set_params(max_iter=9, tol=None).fit(X[:40], y_real[:40])
    assert_array_equal(solution(watched), solution(plain))
    assert_allclose(watched.history_["validation_score"][-1], watched.score(X[40:], y_real[40:]))


def test_a_label_seen_only_in_validation_is_refused(X, y_three):
    model = noisy(SGDClassifier).set_params(early_stopping=True, max_iter=1, tol=None)
    known = y_three < 2
    with pytest.raises(ValueError, match=r"y_val has labels that y does not have: \[2"):
        model.fit(X[known], y_three[known], X_val=X, y_val=y_three)


def test_validation_sets_of_every_form(X, y_three):
    model = noisy(SGDClassifier).set_params(early_stopping=True)
    expected = solution(model.fit(X[:40], y_three[:40], X_val=X[40:], y_val=y_three[40:]))
    for val in (sp.csr_matrix(X[40:]), sp.csc_matrix(X[40:]), X[40:].tolist()):
        model.fit(X[:40], y_three[:40], X_val=val, y_val=y_three[40:])
        assert_array_equal(solution(model), expected)


@pytest.mark.parametrize("search", ["grid", "cross_validate"])
def test_a_search_may_not_slice_the_validation_set(search, X, y_three):
    # scikit-learn cuts every fit parameter as long as X to each fold's rows, and says nothing. Here
    # the validation set is as long as X. It is not training data, so it must arrive whole or not at
    # all: the rows 40 to 59 are labelled so that a cut set has other scores than the whole.
    model = noisy(SGDClassifier).set_params(early_stopping=True, max_iter=3)
    val = {"X_val": X[::-1], "y_val": y_three[::-1]}
    with pytest.raises(ValueError, match="X_val has as many rows as X"):
        if search == "grid":
            grid = GridSearchCV(model, {"alpha": [1e-4, 1e-2]}, cv=3, error_score="raise")
            grid.fit(X, y_three, **val)
        else:
            cross_validate(model, X, y_three, cv=3, params=val, error_score="raise")


def test_a_search_with_a_validation_set_of_its_own_length(X, y_three):
    model = noisy(SGDClassifier).set_params(early_stopping=True, max_iter=3, tol=None)
    val = {"X_val": X[50:], "y_val": y_three[50:]}
    grid = GridSearchCV(model, {"alpha": [1e-4, 1e-2]}, cv=3, error_score="raise")
    grid.fit(X[:50], y_three[:50], **val)
    direct = clone(grid.best_estimator_).fit(X[:50], y_three[:50], **val)
    assert_array_equal(solution(grid.best_estimator_), solution(direct))


def test_a_direct_fit_takes_a_validation_set_as_long_as_x(X, y_real):
    model = noisy(SGDRegressor).set_params(early_stopping=True)
    model.fit(X[:30], y_real[:30], X_val=X[30:], y_val=y_real[30:])
    assert model.history_["validation_score"].max() <= 1.0
