"""fastgd under scikit-learn's names: what changes, what must not, and the way back."""

import pickle
import threading
from importlib import import_module

import pytest
import sklearn.linear_model
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.utils import all_estimators

import fastgd
from fastgd.patching import REPLACEMENTS, patch_sklearn, unpatch_sklearn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# Bound before any patch, as in a program that imported early.
ORIGINALS = {name: getattr(sklearn.linear_model, name) for name in REPLACEMENTS}
EVERYTHING = [f"sklearn.{module}.{name}" for name, module in REPLACEMENTS.items()]

X, y = make_classification(random_state=0)


@pytest.fixture(autouse=True)
def clean():
    unpatch_sklearn()
    yield
    unpatch_sklearn()


def current():
    return {name: getattr(sklearn.linear_model, name) for name in REPLACEMENTS}


def test_patch_and_back():
    assert patch_sklearn() == EVERYTHING
    assert current() == {name: getattr(fastgd, name) for name in REPLACEMENTS}
    assert unpatch_sklearn() == EVERYTHING
    assert current() == ORIGINALS


def test_twice_is_once():
    assert patch_sklearn() == patch_sklearn() == EVERYTHING
    assert unpatch_sklearn() == EVERYTHING
    assert unpatch_sklearn() == []
    assert current() == ORIGINALS


def test_some_names_only():
    assert patch_sklearn("SGDRegressor") == ["sklearn.linear_model.SGDRegressor"]
    assert sklearn.linear_model.SGDClassifier is ORIGINALS["SGDClassifier"]
    assert patch_sklearn("SGDClassifier") == [
        "sklearn.linear_model.SGDClassifier",
        "sklearn.linear_model.SGDRegressor",
    ]
    assert unpatch_sklearn("SGDRegressor") == ["sklearn.linear_model.SGDRegressor"]
    assert sklearn.linear_model.SGDClassifier is fastgd.SGDClassifier


def test_an_unknown_name_is_a_sentence_and_changes_nothing():
    with pytest.raises(ValueError, match=r"no replacement for 'KMeans'; it has one for .*SGDC"):
        patch_sklearn("SGDClassifier", "KMeans")
    with pytest.raises(ValueError, match="no replacement for 'KMeans'"):
        unpatch_sklearn("KMeans")
    assert current() == ORIGINALS


def test_imports_after_the_patch_get_ours():
    patch_sklearn()
    namespace = {}
    exec("from sklearn.linear_model import SGDClassifier", namespace)
    assert namespace["SGDClassifier"] is fastgd.SGDClassifier


@pytest.mark.parametrize("name", REPLACEMENTS)
def test_ours_is_a_subclass_with_the_same_parameters(name):
    ours, original = getattr(fastgd, name), ORIGINALS[name]
    assert issubclass(ours, original) and ours.__name__ == name
    defaults = original().get_params()
    for gone in ("n_alphas", "store_cv_values"):  # by scikit-learn 1.9
        defaults.pop(gone, None)
    assert defaults.keys() <= ours().get_params().keys()
    if hasattr(sklearn, "callback"):  # from 1.9 on; older versions have some other defaults
        defaults.pop("solver", None)  # ours is "auto"
        assert defaults.items() <= ours().get_params().items()


def test_models_made_before_the_patch_stay_usable():
    early = ORIGINALS["SGDClassifier"](random_state=0).fit(X, y)
    saved = pickle.dumps(early)
    patch_sklearn()
    assert type(clone(early)) is ORIGINALS["SGDClassifier"]
    for model in (pickle.loads(saved), pickle.loads(pickle.dumps(early))):
        assert type(model) is ORIGINALS["SGDClassifier"]
        assert (model.predict(X) == early.predict(X)).all()
        model.partial_fit(X, y)


def test_models_made_under_the_patch_outlive_it():
    patch_sklearn()
    model = sklearn.linear_model.SGDClassifier(random_state=0).fit(X, y)
    saved = pickle.dumps(model)
    unpatch_sklearn()
    for copy in (pickle.loads(saved), pickle.loads(pickle.dumps(model)), clone(model).fit(X, y)):
        assert type(copy) is fastgd.SGDClassifier
        assert isinstance(copy, ORIGINALS["SGDClassifier"])
        assert (copy.predict(X) == model.predict(X)).all()


def test_the_defining_module_and_the_relatives_are_untouched():
    patch_sklearn()
    for name, original in ORIGINALS.items():
        assert getattr(import_module(original.__module__), name) is original
    for relative in ("Perceptron", "PassiveAggressiveClassifier"):
        relative = getattr(sklearn.linear_model, relative)
        assert not [c for c in relative.__mro__ if c.__module__.startswith("fastgd")]


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_scikit_learn_lists_ours_while_patched():
    def listed():
        return {name: cls for name, cls in all_estimators() if name in REPLACEMENTS}

    assert listed() == ORIGINALS
    patch_sklearn()
    assert listed() == {name: getattr(fastgd, name) for name in REPLACEMENTS}


def test_somebody_elses_patch_is_left_alone():
    class Theirs(ORIGINALS["SGDClassifier"]):
        pass

    patch_sklearn()
    sklearn.linear_model.SGDClassifier = Theirs
    try:
        assert "sklearn.linear_model.SGDClassifier" not in unpatch_sklearn()
        assert sklearn.linear_model.SGDClassifier is Theirs
    finally:
        sklearn.linear_model.SGDClassifier = ORIGINALS["SGDClassifier"]


def test_threads_may_patch_at_once():
    barrier = threading.Barrier(8)

    def work(i):
        barrier.wait()
        for _ in range(50):
            patch_sklearn()
            if i % 2:
                unpatch_sklearn()

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    unpatch_sklearn()
    assert current() == ORIGINALS


def test_notebook_extension():
    fastgd.load_ipython_extension(None)
    assert sklearn.linear_model.SGDClassifier is fastgd.SGDClassifier
    fastgd.unload_ipython_extension(None)
    assert current() == ORIGINALS
