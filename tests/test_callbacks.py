"""The one callback mechanism: what is told, to whom, when, and what a stop does."""

import io
import pickle
import timeit
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastgd import SGDClassifier, SGDRegressor, model_selection
from fastgd.callback_support import CallbackSupportMixin as Support
from fastgd.callbacks import CallbackSupportMixin, Epoch, ProgressBar, TimeBudget, fit_task, on_epoch

try:
    import sklearn.callback as native
except ImportError:
    native = None

# The fits here are as short as they can be.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
needs_native = pytest.mark.skipif(native is None, reason="scikit-learn < 1.9 has no callbacks")

X = np.random.default_rng(0).normal(size=(40, 3))
y = X @ [1.0, -2.0, 0.5]


class Toy(CallbackSupportMixin, RegressorMixin, BaseEstimator):
    """The smallest estimator with epochs: each moves the constant it predicts half way."""

    def __init__(self, max_iter=5):
        self.max_iter = max_iter

    def fit(self, X, y, sample_weight=None):
        value, history, self.n_iter_ = 0.0, {"loss": []}, 0
        metadata = {"sample_weight": sample_weight}
        with fit_task(self, self.max_iter, X=X, y=y, metadata=metadata) as task:
            for _ in range(self.max_iter):
                task.epoch_begin()
                self.n_iter_ += 1
                history["loss"].append(float(np.mean((y - value) ** 2)))
                value += 0.5 * (np.mean(y) - value)
                if task.epoch_end(lambda value=value: {"value_": value}, history):
                    break
            self.value_ = value
        return self

    def predict(self, X):
        return np.full(len(X), self.value_)


class Recorder:
    """Writes down every hook."""

    def __init__(self, fail_at=None):
        self.calls = []
        self.fail_at = fail_at

    def _record(self, hook, context):
        self.calls.append((hook, context.task_name, context.task_id))
        if self.fail_at == (hook, context.task_name):
            raise RuntimeError(f"failed at {self.fail_at}")

    def setup(self, estimator, context):
        self._record("setup", context)

    def teardown(self, estimator, context):
        self._record("teardown", context)

    def on_fit_task_begin(self, estimator, context):
        self._record("begin", context)

    def on_fit_task_end(self, estimator, context):
        self._record("end", context)


def expected_calls(n_epochs):
    epochs = [(hook, "epoch", i) for i in range(n_epochs) for hook in ("begin", "end")]
    outer = [("setup", "fit", 0), ("begin", "fit", 0)]
    return [*outer, *epochs, ("end", "fit", 0), ("teardown", "fit", 0)]


def test_hooks_are_called_in_order():
    recorder = Recorder()
    Toy(max_iter=3).set_callbacks(recorder).fit(X, y)
    assert recorder.calls == expected_calls(3)


@pytest.mark.parametrize("make", [SGDClassifier, SGDRegressor])
def test_estimators_tell_their_epochs(make):
    recorder = Recorder()
    target = (y > 0).astype(int) if make is SGDClassifier else y
    model = make(random_state=0, max_iter=6, tol=None).set_callbacks(recorder).fit(X, target)
    assert model.n_iter_ == 6
    assert recorder.calls == expected_calls(6)


def test_set_callbacks_returns_the_estimator_and_replaces():
    first, second = Recorder(), Recorder()
    model = Toy()
    assert model.set_callbacks(first).set_callbacks(second) is model
    model.fit(X, y)
    assert not first.calls and second.calls
    count = len(second.calls)
    model.set_callbacks().fit(X, y)
    assert len(second.calls) == count


@pytest.mark.parametrize("wrong", [Recorder, print, None])
def test_what_is_not_a_callback_is_refused(wrong):
    with pytest.raises(TypeError, match="callbacks must be instances following"):
        Toy().set_callbacks(wrong)


def test_callbacks_are_no_parameters_and_survive_cloning():
    recorder = Recorder()
    model = Toy().set_callbacks(recorder)
    assert model.get_params() == {"max_iter": 5}
    clone(model).fit(X, y)
    assert recorder.calls == expected_calls(5)


@pytest.mark.parametrize(
    "hook, task",
    [("setup", "fit"), ("begin", "fit"), ("begin", "epoch"), ("end", "epoch"), ("end", "fit")],
)
def test_teardown_always_runs(hook, task):
    failing, other = Recorder(fail_at=(hook, task)), Recorder()
    model = Toy().set_callbacks(other, failing)
    with pytest.raises(RuntimeError, match="failed at"):
        model.fit(X, y)
    for recorder in (failing, other):
        assert recorder.calls[-1] == ("teardown", "fit", 0)
    assert not [name for name in vars(model) if "callback" in name and name != "_skl_callbacks"]


def test_teardown_runs_for_all_when_one_fails():
    failing, other = Recorder(fail_at=("teardown", "fit")), Recorder()
    with pytest.raises(RuntimeError, match="failed at"):
        Toy().set_callbacks(failing, other).fit(X, y)
    assert other.calls[-1] == ("teardown", "fit", 0)


def test_hooks_receive_what_they_name():
    seen = {}

    class Curious(Recorder):
        def on_fit_task_end(
            self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None
        ):
            seen[context.task_name] = (X, y, metadata, fitted_estimator)

    weight = np.ones(len(X))
    model = Toy().set_callbacks(Curious()).fit(X, y, sample_weight=weight)
    for got_X, got_y, metadata, fitted in seen.values():
        assert got_X is X and got_y is y and metadata["sample_weight"] is weight
        assert fitted is not model
        np.testing.assert_array_equal(fitted.predict(X), model.predict(X))
    assert set(seen) == {"fit", "epoch"}


def test_a_hook_with_a_wrong_name_is_refused():
    class Wrong(Recorder):
        def on_fit_task_end(self, estimator, context, *, weather=None):
            pass

    with pytest.raises(TypeError, match="weather"):
        Toy().set_callbacks(Wrong()).fit(X, y)


def test_a_fitted_estimator_is_made_only_if_asked_for():
    task_epochs = []

    class Model(Toy):
        def fit(self, X, y):
            with fit_task(self, 1) as task:
                task.epoch_begin()
                task.epoch_end(lambda: task_epochs.append(1) or {})

    Model().set_callbacks(Recorder()).fit(X, y)
    assert not task_epochs


def test_without_callbacks_nothing_is_built():
    model = Toy()
    task = fit_task(model, 10, X=X, y=y)
    assert task is fit_task(Toy()) and not task.active
    with task:
        task.epoch_begin()
        assert task.epoch_end(lambda: 1 / 0, {}) is False

    def empty_fit():
        with fit_task(model, 10, X=X, y=y, metadata=None) as task:
            task.epoch_begin()
            task.epoch_end(None, None)

    # Two microseconds on an idle machine; the bound leaves room for a busy one.
    assert min(timeit.repeat(empty_fit, number=1000, repeat=5)) / 1000 < 20e-6


# -- on_epoch -------------------------------------------------------------------------------------


def test_on_epoch_sees_epoch_estimator_and_history():
    seen = []

    def look(info):
        assert isinstance(info, Epoch)
        assert info.max_epochs == 4 and info.seconds >= 0
        assert info.fitted_estimator.value_ == pytest.approx(np.mean(y) * (1 - 0.5**info.epoch))
        seen.append((info.epoch, info.estimator, len(info.history["loss"])))

    model = Toy(max_iter=4).set_callbacks(on_epoch(look)).fit(X, y)
    assert seen == [(i, model, i) for i in range(1, 5)]


def test_on_epoch_stops_on_true_only():
    assert Toy().set_callbacks(on_epoch(lambda info: info.epoch == 2)).fit(X, y).n_iter_ == 2
    assert Toy().set_callbacks(on_epoch(lambda info: np.True_)).fit(X, y).n_iter_ == 1
    assert Toy().set_callbacks(on_epoch(lambda info: "a sentence")).fit(X, y).n_iter_ == 5


@pytest.mark.parametrize("make", [SGDClassifier, SGDRegressor])
def test_a_stop_leaves_a_valid_model(make):
    target = (y > 0).astype(int) if make is SGDClassifier else y
    stop = on_epoch(lambda info: info.epoch == 3)
    model = make(random_state=0, max_iter=50, tol=None).set_callbacks(stop).fit(X, target)
    assert model.n_iter_ == 3
    alone = make(random_state=0, max_iter=3, tol=None).fit(X, target)
    np.testing.assert_allclose(model.coef_, alone.coef_, rtol=1e-10)
    assert np.isfinite(model.predict(X)).all()


@pytest.mark.parametrize("make", [SGDClassifier, SGDRegressor])
def test_estimators_hand_over_history_and_snapshots(make):
    target = (y > 0).astype(int) if make is SGDClassifier else y
    losses, scores = [], []

    def look(info):
        losses.append(info.history["loss"][-1])
        assert len(info.history["loss"]) == info.epoch
        scores.append(info.fitted_estimator.score(X, target))

    model = make(random_state=0, max_iter=5, tol=None).set_callbacks(on_epoch(look))
    model.fit(X, target)
    np.testing.assert_allclose(losses, model.history_["loss"])
    assert scores[-1] == pytest.approx(model.score(X, target))


def test_the_tree_of_tasks_does_not_keep_the_snapshots():
    contexts = []

    class Keeper(Recorder):
        def on_fit_task_end(self, estimator, context):
            contexts.append(context)

    Toy().set_callbacks(Keeper()).fit(X, y)
    assert not [context for context in contexts if hasattr(context, "epoch")]


# -- ProgressBar ----------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_bar_is_silent_away_from_a_terminal(capsys):
    Toy().set_callbacks(ProgressBar()).fit(X, y)
    assert capsys.readouterr().err == ""


def test_progress_bar_writes_to_stderr_when_forced(capsys):
    Toy().set_callbacks(ProgressBar(force=True)).fit(X, y)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("Toy  epoch 5/5  loss ") and last.endswith(" s")


def test_progress_bar_keeps_to_one_line_of_a_terminal():
    terminal = Terminal()
    bar = ProgressBar("plain", stream=terminal)
    bar.interval = 0
    Toy().set_callbacks(bar).fit(X, y)
    text = terminal.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n")
    assert text.count("\r") == 6


def test_progress_bar_is_throttled():
    stream = io.StringIO()
    Toy(max_iter=1000).set_callbacks(ProgressBar(force=True, stream=stream)).fit(X, y)
    assert 2 <= len(stream.getvalue().splitlines()) < 100


def test_progress_bar_can_be_pickled():
    bar = pickle.loads(pickle.dumps(ProgressBar(force=True)))
    assert bar.force


# -- With scikit-learn's own ----------------------------------------------------------------------


@needs_native
def test_the_protocol_is_followed():
    assert issubclass(Support, native.CallbackSupportMixin)
    for callback in (ProgressBar(), on_epoch(print)):
        assert isinstance(callback, native.FitCallback)
    assert isinstance(ProgressBar(), native.AutoPropagatedCallback)


@needs_native
@pytest.mark.filterwarnings("ignore:The estimator .* does not support callbacks")
def test_callbacks_come_down_from_a_pipeline_and_a_search():
    class Propagated(Recorder):
        max_propagation_depth = None

    recorder = Propagated()
    make_pipeline(StandardScaler(), Toy(max_iter=2)).set_callbacks(recorder).fit(X, y)
    assert recorder.calls.count(("end", "epoch", 1)) == 1
    assert [call[0] for call in recorder.calls].count("teardown") == 1

    recorder = Propagated()
    search = GridSearchCV(Toy(), {"max_iter": [1, 3]}, cv=2, refit=False)
    search.set_callbacks(recorder).fit(X, y)
    assert recorder.calls.count(("end", "epoch", 0)) == 4
    assert recorder.calls.count(("end", "epoch", 2)) == 2
    assert [call[0] for call in recorder.calls].count("teardown") == 1


@needs_native
def test_progress_bar_comes_down_from_a_pipeline():
    stream = io.StringIO()
    pipeline = make_pipeline(StandardScaler(), Toy())
    pipeline.set_callbacks(ProgressBar(force=True, stream=stream)).fit(X, y)
    assert "Toy  epoch 5/5" in stream.getvalue()


@needs_native
@pytest.mark.parametrize("make", [Toy, SGDRegressor])
def test_the_progress_bar_of_scikit_learn_shows_the_epochs(make, capsys):
    pytest.importorskip("rich")
    make(max_iter=5).set_callbacks(native.ProgressBar()).fit(X, y)
    assert f"{make.__name__} - fit" in capsys.readouterr().out


@needs_native
@pytest.mark.parametrize("make", [Toy, SGDRegressor])
def test_the_scoring_monitor_of_scikit_learn_scores_the_epochs(make):
    monitor = native.ScoringMonitor(scoring="r2")
    model = make(max_iter=5).set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data
    scores = [row["r2"] for row in log if row["task_name"] == "epoch"]
    assert len(scores) == model.n_iter_
    assert scores[-1] == pytest.approx(model.score(X, y))


@needs_native
def test_the_stand_in_behaves_like_the_original(monkeypatch):
    """Run the stand-in for older versions, which this version does not use, through the above."""
    import importlib.util
    import sys

    path = Path(sys.modules[Support.__module__].__file__)
    monkeypatch.setitem(sys.modules, "sklearn.callback", None)
    spec = importlib.util.spec_from_file_location("stand_in", path)
    stand_in = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(stand_in)
    assert not issubclass(stand_in.CallbackSupportMixin, Support)

    monkeypatch.setattr("fastgd.callbacks.task.tear_down", stand_in.tear_down)

    class OldToy(stand_in.CallbackSupportMixin, Toy):
        pass

    recorder = Recorder()
    clone(OldToy(max_iter=3)).set_callbacks(recorder).fit(X, y)
    assert recorder.calls == expected_calls(3)


# -- estimators inside others ----------------------------------------------------------------------


@needs_native
def test_a_callback_that_a_pipeline_does_not_hand_down_says_so():
    seen = []
    pipeline = make_pipeline(StandardScaler(), SGDRegressor(max_iter=50, tol=None, random_state=0))
    pipeline.set_callbacks(on_epoch(lambda info: seen.append(info.epoch)))
    sentence = r"on_epoch is set on a Pipeline, .* Set it on the step that trains: pipeline\[-1\]"
    with pytest.warns(UserWarning, match=sentence) as caught:
        pipeline.fit(X, y)
    assert not seen and [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        pipeline.set_callbacks()
        pipeline[-1].set_callbacks(on_epoch(lambda info: seen.append(info.epoch)))
        pipeline.fit(X, y)
    assert len(seen) == 50


@needs_native
@pytest.mark.parametrize("search", [GridSearchCV, model_selection.GridSearchCV])
def test_a_search_does_not_hand_them_down_either(search):
    search = search(SGDRegressor(max_iter=3, tol=None), {"alpha": [1e-3]}, cv=2)
    with pytest.warns(UserWarning, match="TimeBudget is set on a GridSearchCV, which does not hand it"):
        search.set_callbacks(TimeBudget(60)).fit(X, y)
