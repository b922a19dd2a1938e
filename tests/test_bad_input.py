"""Whatever cannot be trained on is refused with a sentence that names it.

Design note. Each case asserts the words that tell the user what is wrong, not the whole sentence:
most are scikit-learn's own and change a little from version to version. A refusal that comes only
because something broke deep inside would not have those words. The sparse matrices are broken by
hand, in the ways that would make a kernel read outside its memory; they run over every method that
reads X.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.exceptions import NotFittedError

from fastgd import LogisticRegression, Ridge, SGDClassifier, SGDOneClassSVM, SGDRegressor
from fastgd.model_selection import GridSearchCV

ALL = [SGDClassifier, SGDRegressor, SGDOneClassSVM]
NAN, INF = float("nan"), float("inf")


def refuses(message, call, *args, **kwargs):
    with pytest.raises((ValueError, TypeError), match=f"(?i){message}"):
        call(*args, **kwargs)


@pytest.fixture
def y(y_real):
    """A target that every estimator takes: two whole numbers."""
    return (y_real > 0.5).astype(float)


def broken(array, index, value):
    array = np.array(array)
    array[index] = value
    return array


# ---- X -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("klass", ALL)
class TestX:
    def call(self, klass, method, X, y):
        known = {"classes": [0, 1]} if (klass, method) == (SGDClassifier, "partial_fit") else {}
        return getattr(klass(), method)(X, y, **known)

    @pytest.mark.parametrize("value, word", [(NAN, "NaN"), (INF, "infinity"), (-INF, "infinity")])
    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_not_finite(self, klass, method, dtype, value, word, X, y):
        bad = broken(X, (3, 2), value).astype(dtype)
        refuses(f"X contains {word}", self.call, klass, method, bad, y)
        refuses(f"X contains {word}", self.call, klass, method, sp.csr_matrix(bad), y)

    def test_not_a_table(self, klass, method, y):
        refuses("expected 2D array, got 1D", self.call, klass, method, np.ones(60), y)
        refuses("dim 3", self.call, klass, method, np.ones((60, 7, 1)), y)

    def test_scalar(self, klass, method, y):
        refuses("expected 2D array, got scalar", self.call, klass, method, 3.0, y)

    def test_empty(self, klass, method, y):
        refuses(r"0 sample\(s\)", self.call, klass, method, np.empty((0, 7)), y[:0])
        refuses(r"0 feature\(s\)", self.call, klass, method, np.empty((60, 0)), y)
        refuses(r"0 sample\(s\)", self.call, klass, method, sp.csr_matrix((0, 7)), y[:0])

    def test_complex(self, klass, method, X, y):
        refuses("complex", self.call, klass, method, X + 1j, y)
        refuses("complex", self.call, klass, method, sp.csr_matrix(X + 1j), y)

    def test_strings_and_objects(self, klass, method, X, y):
        words = broken(X.astype(object), (5, 1), "blue")
        refuses("convert string to float: 'blue'", self.call, klass, method, words, y)
        things = broken(X.astype(object), (5, 1), {})
        refuses("float|number", self.call, klass, method, things, y)

    def test_text_columns_of_a_frame(self, klass, method, X, y):
        pandas = pytest.importorskip("pandas")
        frame = pandas.DataFrame(X).assign(colour="blue")
        frame.columns = frame.columns.astype(str)
        refuses("convert string to float: 'blue'", self.call, klass, method, frame, y)

    def test_rows_do_not_match_y(self, klass, method, X, y):
        if klass is SGDOneClassSVM:
            assert self.call(klass, method, X, y[:-1]).coef_.any()  # which does not look at y
        else:
            refuses("inconsistent numbers of samples", self.call, klass, method, X, y[:-1])


@pytest.mark.parametrize("klass", ALL)
def test_other_number_of_features(klass, X, y):
    model = klass().fit(X, y)
    for wrong in (X[:, :-1], np.hstack([X, X]), sp.csr_matrix(X[:, :-1])):
        words = f"{wrong.shape[1]} features.*expecting {X.shape[1]}"
        refuses(words, model.partial_fit, wrong, y)
        refuses(words, model.predict, wrong)
    np.testing.assert_array_equal(model.coef_.shape[-1], X.shape[1])


@pytest.mark.parametrize("klass", ALL)
def test_predict_looks_at_x_too(klass, X, y):
    with pytest.raises(NotFittedError, match="not fitted"):
        klass().predict(X)
    model = klass().fit(X, y)
    refuses("X contains NaN", model.predict, broken(X, (0, 0), NAN))
    refuses("expected 2D array", model.predict, X[0])
    refuses("complex", model.predict, X + 1j)
    refuses("0 sample", model.predict, X[:0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("klass", ALL)
def test_finite_values_with_an_infinite_sum_are_not_refused(klass, dtype, X, y):
    X = X.astype(dtype)
    model = klass(random_state=3, average=True).fit(X, y)
    model.coef_ *= 0
    assert np.isfinite(model.predict(np.full_like(X, np.finfo(dtype).max))).all()


# ---- broken CSR ----------------------------------------------------------------------------------


def csr(X, index=np.int32, **parts):
    """A CSR matrix of X with some of its arrays replaced behind scipy's back."""
    matrix = sp.csr_matrix(X)
    matrix.indices, matrix.indptr = matrix.indices.astype(index), matrix.indptr.astype(index)
    for name, (at, value) in parts.items():
        setattr(matrix, name, broken(getattr(matrix, name), at, value))
    return matrix


BROKEN = {
    "column too large": {"indices": (40, 7)},
    "column far too large": {"indices": (40, 2**31 - 1)},
    "negative column": {"indices": (40, -1)},
    "very negative column": {"indices": (40, -(2**31))},
    "first row starts late": {"indptr": (0, 3)},
    "first row starts before the array": {"indptr": (0, -5)},
    "row ends before it starts": {"indptr": (20, 0)},
    "row ends after the array": {"indptr": (20, 2**31 - 1)},
    "last row ends after the array": {"indptr": (60, 2**20)},
    "negative end": {"indptr": (60, -1)},
}


@pytest.mark.filterwarnings("ignore:The fit is worse than none")
@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("klass", ALL)
def test_broken_csr(klass, fault, index, X, y):
    bad = csr(X, index, **BROKEN[fault])
    words = "ind(ices|ptr|ex)"
    refuses(words, klass().fit, bad, y)
    known = {"classes": [0, 1]} if klass is SGDClassifier else {}
    refuses(words, klass().partial_fit, bad, y, **known)
    model = klass().fit(X, y)
    refuses(words, model.predict, bad)
    if klass is not SGDRegressor:
        refuses(words, model.decision_function, bad)


@pytest.mark.parametrize("klass", ALL)
def test_csr_with_too_few_row_ends_or_values(klass, X, y):
    short = csr(X)
    short.indptr = short.indptr[:-4]
    refuses("ind(ices|ptr|ex)", klass().fit, short, y)
    hollow = csr(X)
    hollow.data = hollow.data[:-10]
    refuses("ind(ices|ptr|ex)|data", klass().fit, hollow, y)
    headless = csr(X)
    headless.indices = headless.indices[:-10]
    refuses("ind(ices|ptr|ex)", klass().fit, headless, y)


@pytest.mark.parametrize("batch_size", [1, 7, "full"])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_duplicate_entries_of_csr_add_up(penalty, batch_size, X, y):
    # Legal, if unusual: two entries of one place mean their sum.
    plain = sp.csr_matrix(X)
    twice = sp.csr_matrix(
        (np.repeat(plain.data / 2, 2), np.repeat(plain.indices, 2), 2 * plain.indptr),
        shape=plain.shape,
    )
    assert not twice.has_canonical_format
    params = {"penalty": penalty, "batch_size": batch_size, "max_iter": 4, "tol": None}
    estimator = SGDRegressor(random_state=0, average=True, **params)
    expected = estimator.fit(X, y).coef_
    np.testing.assert_allclose(estimator.fit(twice, y).coef_, expected, rtol=1e-8, atol=1e-12)
    assert twice.nnz == 2 * plain.nnz  # the caller's matrix is not tidied up


# ---- y -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("klass", [SGDClassifier, SGDRegressor])
def test_y_not_finite(klass, X, y):
    refuses("y contains NaN", klass().fit, X, broken(y, 0, NAN))
    refuses("y contains infinity", klass().fit, X, broken(y, 0, INF))


@pytest.mark.parametrize("klass", [SGDClassifier, SGDRegressor])
def test_y_missing_or_of_wrong_shape(klass, X, y):
    refuses("requires y|y cannot be None|missing", klass().fit, X, None)
    if klass is not SGDRegressor:  # two targets
        refuses("1d array", klass().fit, X, np.column_stack([y, y]))
    refuses("1d array|0d|scalar|singleton|inconsistent", klass().fit, X, 1.0)


def test_y_of_words_for_the_regressor(X, y_two):
    refuses("convert string to float|numeric|must be numbers", SGDRegressor().fit, X, y_two)
    as_objects = y_two.astype(object)
    refuses("convert string to float|numeric|must be num", SGDRegressor().fit, X, as_objects)


def test_y_continuous_for_the_classifier(X, y_real):
    refuses("continuous|unknown label type", SGDClassifier().fit, X, y_real)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_poisson_of_negative_counts(method, X, y_count):
    estimator = SGDRegressor(loss="poisson")
    refuses("poisson", getattr(estimator, method), X, broken(y_count, 7, -1.0))
    assert (getattr(estimator, method)(X, y_count).predict(X) > 0).all()


def test_one_class(X):
    refuses("more than one|greater than one|at least 2", SGDClassifier().fit, X, np.ones(60))
    refuses(
        "more than one|greater than one|at least 2",
        SGDClassifier().partial_fit,
        X,
        np.ones(60),
        classes=[1],
    )


def test_unknown_class_in_partial_fit(X, y_three):
    refuses("classes", SGDClassifier().partial_fit, X, y_three)  # which were not given
    refuses("class|label", SGDClassifier().partial_fit, X, y_three, classes=[0, 1])
    model = SGDClassifier().partial_fit(X[:30], y_three[:30], classes=[0, 1, 2])
    refuses("class|label", model.partial_fit, X, y_three + 1)
    refuses(r"\[-1, 7\]", model.partial_fit, X, np.where(y_three == 1, 1, 7 - 4 * y_three))
    refuses("class|label", model.partial_fit, X, y_three.astype(str))
    refuses("classes", model.partial_fit, X, y_three, classes=[0, 1, 2, 3])


# ---- weights and starts --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("klass", ALL)
class TestWeights:
    def call(self, klass, method, X, y, weights):
        known = {"classes": [0, 1]} if (klass, method) == (SGDClassifier, "partial_fit") else {}
        return getattr(klass(), method)(X, y, sample_weight=weights, **known)

    @pytest.mark.parametrize(
        "value, words", [(NAN, "NaN"), (INF, "infinity"), (-1.0, "negative.*sample_weight")]
    )
    def test_value(self, klass, method, value, words, X, y):
        refuses(words, self.call, klass, method, X, y, broken(np.ones(60), 9, value))

    def test_all_zero(self, klass, method, X, y):
        refuses("weights.*zero", self.call, klass, method, X, y, np.zeros(60))

    def test_shape(self, klass, method, X, y):
        refuses("sample_weight.*shape", self.call, klass, method, X, y, np.ones(59))
        refuses("sample.weight.*1D", self.call, klass, method, X, y, np.ones((60, 2)))

    def test_words(self, klass, method, X, y):
        refuses("convert string to float", self.call, klass, method, X, y, ["heavy"] * 60)


def test_weights_of_the_validation_rows_are_all_zero(X, y):
    weights = np.zeros(60)
    weights[0] = 1.0
    for klass in (SGDClassifier, SGDRegressor):
        estimator = klass(early_stopping=True, random_state=0)
        refuses("validation set are all zero", estimator.fit, X, y, sample_weight=weights)


@pytest.mark.parametrize("klass", ALL)
def test_start_of_wrong_shape(klass, X, y):
    shift = "offset_init" if klass is SGDOneClassSVM else "intercept_init"
    refuses("coef_init.*does not match", klass().fit, X, y, coef_init=np.zeros(6))
    refuses(f"{shift}.*does not match", klass().fit, X, y, **{shift: np.zeros(2)})


def test_start_of_several_classes_of_wrong_shape(X, y_three):
    fit = SGDClassifier().fit
    refuses("coef_.*does not match", fit, X, y_three, coef_init=np.zeros((2, 7)))
    refuses("intercept_init.*does not match", fit, X, y_three, intercept_init=np.zeros(2))


@pytest.mark.parametrize("klass", ALL)
def test_start_not_finite(klass, X, y):
    refuses("coef_init", klass().fit, X, y, coef_init=np.full(7, NAN))


def test_class_weights(X, y_two):
    refuses("class", SGDClassifier(class_weight={"maybe": 2.0}).fit, X, y_two)
    balanced = SGDClassifier(class_weight="balanced")
    refuses("balanced.*partial_fit", balanced.partial_fit, X, y_two, classes=["no", "yes"])


# ---- validation sets -----------------------------------------------------------------------------


@pytest.mark.parametrize("klass", [SGDClassifier, SGDRegressor])
class TestValidationSet:
    def call(self, klass, X, y, **validation):
        return klass(early_stopping=True, max_iter=5).fit(X, y, **validation)

    def test_incomplete(self, klass, X, y):
        refuses("y_val", self.call, klass, X, y, X_val=X[:9])
        refuses("X_val", self.call, klass, X, y, y_val=y[:9])
        refuses("X_val", self.call, klass, X, y, sample_weight_val=y[:9])

    def test_wrong_shape(self, klass, X, y):
        refuses("features", self.call, klass, X, y, X_val=X[:9, :3], y_val=y[:9])
        refuses("inconsistent", self.call, klass, X, y, X_val=X[:9], y_val=y[:8])
        refuses("2D", self.call, klass, X, y, X_val=X[0], y_val=y[:1])

    def test_values(self, klass, X, y):
        refuses("NaN", self.call, klass, X, y, X_val=broken(X[:9], 0, NAN), y_val=y[:9])
        refuses("NaN", self.call, klass, X, y, X_val=X[:9], y_val=broken(y[:9], 0, NAN))

    def test_weights(self, klass, X, y):
        def call(weights):
            self.call(klass, X, y, X_val=X[:9], y_val=y[:9], sample_weight_val=weights)

        refuses("shape", call, np.ones(8))
        refuses("negative", call, -np.ones(9))
        refuses("zero", call, np.zeros(9))


def test_too_few_rows_to_split(X, y):
    for klass in (SGDClassifier, SGDRegressor):
        estimator = klass(early_stopping=True, validation_fraction=0.99)
        refuses("train|split|class|empty", estimator.fit, X[:3], y[:3])


def test_early_stopping_needs_fit(X, y):
    for klass in (SGDClassifier, SGDRegressor):
        known = {"classes": [0, 1]} if klass is SGDClassifier else {}
        estimator = klass(early_stopping=True)
        refuses("early_stopping.*partial_fit", estimator.partial_fit, X, y, **known)


# ---- parameters ----------------------------------------------------------------------------------

SHARED = {
    "batch_size": [0, -1, 2.5, "half", None, "FULL", NAN],
    "fit_intercept": ["yes", 2],
    "max_iter": [0, -1, 2.5, None],
    "tol": [-1e-9, "small", NAN],
    "shuffle": ["yes", 3],
    "verbose": [-1, "loud"],
    "random_state": ["zero", -1, 1.5],
    "learning_rate": ["fast", None, -0.1],
    "eta0": [0.0, -1.0, "big", None, NAN],
    "power_t": ["half", None, NAN],
    "warm_start": ["yes", 2],
    "average": [-1, 0, 1.5, "yes"],
}
PENALISED = {
    "loss": ["hinges", None, 1],
    "penalty": ["l3", 2, "none"],
    "alpha": [-1e-9, "big", None, NAN],
    "l1_ratio": [-0.1, 1.1, "some", NAN],
    "epsilon": [-0.1, "some", None, NAN],
    "early_stopping": ["yes", 2],
    "validation_fraction": [0.0, 1.0, -0.1, "some", None],
    "n_iter_no_change": [0, -1, 2.5, None],
}
BAD = [
    *((klass, name, value) for klass in ALL for name in SHARED for value in SHARED[name]),
    *(
        (klass, name, value)
        for klass in (SGDClassifier, SGDRegressor)
        for name in PENALISED
        for value in PENALISED[name]
    ),
    *((SGDClassifier, "n_jobs", value) for value in (1.5, "all")),
    *((SGDClassifier, "class_weight", value) for value in ("even", 2.0)),
    *((SGDRegressor, "quantile", value) for value in (0.0, 1.0, -0.1, 1.1, "median", None, NAN)),
    *((SGDOneClassSVM, "nu", value) for value in (0.0, 1.1, -0.1, "half", None, NAN)),
    (SGDClassifier, "loss", "quantile"),
    (SGDClassifier, "loss", "poisson"),
    (SGDRegressor, "loss", "hinge"),
]


@pytest.mark.parametrize("klass, name, value", BAD)
def test_parameter(klass, name, value, X, y):
    # A quantile is of interest to one loss only.
    params = {name: value} | ({"loss": "quantile"} if name == "quantile" else {})
    estimator = klass(**params)
    refuses(name, estimator.fit, X, y)
    if name not in ("max_iter", "tol", "n_iter_no_change"):
        known = {"classes": [0, 1]} if klass is SGDClassifier else {}
        refuses(name, estimator.partial_fit, X, y, **known)


@pytest.mark.parametrize("klass", ALL)
def test_batch_larger_than_the_data(klass, X, y):
    # A slip in fit. partial_fit is called with chunks of any size, so there it means all of them.
    refuses("batch_size=61.*60", klass(batch_size=61).fit, X, y)
    known = {"classes": [0, 1]} if klass is SGDClassifier else {}
    chunk = klass(batch_size=61, random_state=0).partial_fit(X, y, **known)
    whole = klass(batch_size="full", random_state=0).partial_fit(X, y, **known)
    np.testing.assert_allclose(chunk.coef_, whole.coef_, rtol=1e-9, atol=1e-12)


def test_combinations(X, y):
    refuses("alpha must be > 0", SGDClassifier(alpha=0).fit, X, y)
    refuses("l1_ratio must be set", SGDClassifier(penalty="elasticnet", l1_ratio=None).fit, X, y)
    refuses("only works with.*'hinge'", SGDClassifier(loss="log_loss", learning_rate="pa1").fit, X, y)
    refuses("only works with.*'epsilon_insens", SGDRegressor(learning_rate="pa2").fit, X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("batch_size", [1, 7, "full"])
@pytest.mark.parametrize("learning_rate", ["optimal", "invscaling", "constant", "adaptive"])
@pytest.mark.parametrize("name", ["alpha", "eta0", "power_t", "epsilon"])
def test_infinite_parameters_never_give_infinite_weights(name, learning_rate, batch_size, X, y):
    # scikit-learn lets infinity pass; what must not happen is a model that says nothing.
    params = {name: INF, "learning_rate": learning_rate, "batch_size": batch_size}
    model = SGDRegressor(loss="huber", max_iter=3, random_state=0, **params)
    try:
        model.fit(X, y)
    except ValueError as error:
        assert str(error)[0].isupper() or name in str(error)
    else:
        assert np.isfinite(model.coef_).all()
        assert np.isfinite(model.intercept_).all()


def test_a_refused_fit_leaves_the_model_alone(X, y):
    model = SGDRegressor(random_state=0).fit(X, y)
    before = model.coef_.copy()
    refuses("NaN", model.partial_fit, broken(X, (0, 0), NAN), y)
    np.testing.assert_array_equal(model.coef_, before)


@pytest.mark.parametrize("klass", [SGDClassifier, LogisticRegression])
def test_text_and_labels_without_an_order_are_named(klass):
    X, y = np.zeros((6, 2)), np.arange(6) % 2
    frame = pd.DataFrame({"area": [1.0] * 6, "town": ["Rome"] * 6})
    with pytest.raises(ValueError, match=r"'Rome'\. X has values that are no numbers, in column 'town'"):
        klass().fit(frame, y)
    with pytest.raises(ValueError, match="no numbers, in column 1"):
        klass().fit(frame.to_numpy(), y)
    for labels, kinds in (([1, "a"] * 3, "int and str"), ([None] * 6, "NoneType")):
        with pytest.raises(TypeError, match=f"no order among each other: they are of type {kinds}"):
            klass().fit(X, np.array(labels, dtype=object))


@pytest.mark.parametrize("klass", [SGDRegressor, Ridge])
def test_labels_for_a_regressor_are_refused(klass):
    with pytest.raises(
        ValueError, match=r"could not convert string to float.*y has values that are no numbers"
    ):
        klass().fit(np.zeros((4, 2)), ["a"] * 4)


def test_a_batch_is_no_bool():
    with pytest.raises(ValueError, match="batch_size=True is no number of rows"):
        SGDClassifier(batch_size=True).fit(np.eye(4), [0, 1, 0, 1])


@pytest.mark.parametrize("klass", [SGDClassifier, LogisticRegression, Ridge])
def test_dates_are_refused(klass):
    dates = np.arange("2020-01-01", "2020-01-09", dtype="M8[D]").reshape(4, 2)
    for X in (dates, dates - dates[0]):
        with pytest.raises(ValueError, match="X holds dates or durations"):
            klass().fit(X, [0, 1, 0, 1])


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("value", [1e200, 1e308])
@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_values_whose_squares_overflow_end_a_fit(layout, value, classes):
    X = np.random.default_rng(0).standard_normal((40, 6))
    X[3, 2] = value
    model = LogisticRegression(l1_ratio=1.0, solver="proximal", max_time=10)
    with pytest.raises(ValueError, match="The squares of feature 2 are too large"):
        model.fit(layout(X), np.arange(40) % classes)


def test_predictions_that_overflow_make_no_noise():
    model = SGDRegressor(fit_intercept=False).fit(np.eye(4), np.arange(1.0, 5.0))
    model.coef_[:] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not np.isfinite(model.predict(np.full((1, 4), 1.7e308))).all()


def test_a_search_refuses_a_broken_matrix():
    X = sp.random(30, 5, 0.5, "csr", random_state=0)
    X.indptr[-1] = 10**6
    with pytest.raises(ValueError, match="not a sound CSR matrix"):
        GridSearchCV(SGDRegressor(), {"alpha": [1e-4, 1.0]}, cv=2).fit(X, np.arange(30.0))
