"""What callbacks that watch a fit see and do: in step, in segments, kept weights, resuming, limits.

Design note. The laws here hold for whatever is trained: one model, several that share passes, several
that cannot, a softmax. `KINDS` has one of each, so that a new way of training is tested by one line.
"""

import csv
import io
import json
import os
import pickle
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
from cases import layout, solution
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss, roc_auc_score

from fastgd import LogisticRegression, SGDClassifier, SGDOneClassSVM, SGDRegressor, many, training
from fastgd.callbacks import (
    Callback,
    Checkpoint,
    CSVLogger,
    DivergenceGuard,
    EarlyStopping,
    JSONLogger,
    PathRecorder,
    ProgressBar,
    TimeBudget,
    on_epoch,
    on_segment,
)

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# name -> (estimator, which target of the shared data)
KINDS = {
    "binary": (SGDClassifier("log_loss"), "two"),
    "batches": (SGDClassifier("log_loss", batch_size=8, learning_rate="constant", eta0=0.1), "two"),
    "average": (SGDClassifier("log_loss", average=7, learning_rate="constant", eta0=0.1), "two"),
    "adaptive": (SGDRegressor(learning_rate="adaptive", tol=1e-2, n_iter_no_change=2, eta0=0.1), "real"),
    "elasticnet": (SGDRegressor(penalty="elasticnet", l1_ratio=0.5, power_t=0.3), "real"),
    "classes in one pass": (SGDClassifier("log_loss"), "three"),
    "classes one by one": (SGDClassifier("log_loss", penalty="l1"), "three"),
    "stopping classes": (SGDClassifier("log_loss", tol=0.1, n_iter_no_change=2), "three"),
    "adam": (SGDClassifier("log_loss", optimizer="adam", batch_size=8), "two"),
    "averaged": (SGDRegressor(optimizer="averaged", learning_rate="constant", eta0=0.1), "real"),
    "schedule free": (SGDRegressor(optimizer="schedule_free_adam", batch_size=4), "real"),
    "momentum, classes": (
        SGDClassifier(
            "log_loss", optimizer="momentum", learning_rate="constant", eta0=0.02, batch_size=4
        ),
        "three",
    ),
    "softmax": (SGDClassifier("log_loss", multi_class="multinomial"), "three"),
    "early stopping": (SGDClassifier("log_loss", early_stopping=True, n_iter_no_change=8), "two"),
    "one class": (SGDOneClassSVM(), "real"),
}


@pytest.fixture(params=KINDS)
def kind(request, y_two, y_three, y_real):
    estimator, target = KINDS[request.param]
    y = {"two": y_two, "three": y_three, "real": y_real}[target]

    def make(**parameters):
        default = {"random_state": 0, "max_iter": 12}
        if estimator.tol == 1e-3:
            default["tol"] = None if not getattr(estimator, "early_stopping", False) else 1e-3
        return type(estimator)(**{**estimator.get_params(), **default, **parameters})

    return make, y


@pytest.fixture
def short_segments(monkeypatch, X):
    """Segments of 16 rows, so that an epoch of the shared data has four."""
    monkeypatch.setattr(training, "SEGMENT", 16 * X.shape[1])
    monkeypatch.setattr(many, "SEGMENT", 16 * X.shape[1] * 4)


class Interruption(Exception):
    """Raised by a callback."""


# -- what is told ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind_of_layout", ["dense", "csr32"])
def test_watching_changes_nothing(kind, kind_of_layout, X):
    make, y = kind
    X = layout(X, kind_of_layout)
    alone = make().fit(X, y)
    watched = make().set_callbacks(on_epoch(lambda info: False)).fit(X, y)
    assert_array_equal(solution(watched), solution(alone))
    assert watched.n_iter_ == alone.n_iter_ and watched.t_ == alone.t_
    assert watched.stop_reason_ == alone.stop_reason_
    for name in set(alone.history_) - {"seconds"}:
        assert_array_equal(watched.history_[name], alone.history_[name])


def test_what_is_told_is_what_is_left(kind, X):
    make, y = kind
    told = []

    def look(info):
        told.append({name: np.array(values[-1]) for name, values in info.history.items()})
        assert info.latest.keys() == told[-1].keys()
        for name, value in info.latest.items():
            assert_array_equal(value, told[-1][name])
        shorter = make(max_iter=info.epoch).fit(X, y)
        assert_array_equal(solution(info.fitted_estimator), solution(shorter))

    model = make().set_callbacks(on_epoch(look)).fit(X, y)
    assert len(told) == model.n_iter_
    for name, column in model.history_.items():
        assert_array_equal(np.array([row[name] for row in told]), column)


def test_segments_are_told_and_change_nothing(kind, X, short_segments):
    make, y = kind
    alone = make().fit(X, y)
    seen = []

    def look(info):
        seen.append((info.epoch, info.segment, info.n_segments))
        if info.segment < info.n_segments:
            assert np.isfinite(info.loss) and info.state is None
            assert np.isfinite(solution(info.fitted_estimator)).all()
        return False

    watched = make().set_callbacks(on_segment(look)).fit(X, y)
    assert_array_equal(solution(watched), solution(alone))
    of = seen[0][2]
    assert of > 2 or make().early_stopping
    in_first = [segment for epoch, segment, _ in seen if epoch == 1]
    assert in_first[: of - 1] == list(range(1, of)) and len(in_first) == of
    assert max(epoch for epoch, _, _ in seen) == alone.n_iter_


def test_segments_are_told_every_so_often(X, y_real, short_segments):
    two, three = [], []
    model = SGDRegressor(max_iter=1, tol=None, random_state=0).set_callbacks(
        on_segment(lambda info: two.append(info.segment), every=2),
        on_segment(lambda info: three.append(info.segment), every=3),
    )
    model.fit(X, y_real)
    assert two == [2, 1] and three == [3, 1]  # of four; the last is the epoch's end


def test_a_stop_within_an_epoch_leaves_a_valid_model(kind, X, short_segments):
    make, y = kind
    stop = on_segment(lambda info: info.epoch == 2 and info.segment == 1 and info.stop("Enough."))
    model = make().set_callbacks(stop).fit(X, y)
    reasons = [model.stop_reason_] if isinstance(model.stop_reason_, str) else model.stop_reason_
    assert "Enough." in reasons
    assert model.n_iter_ == 2 and np.isfinite(solution(model)).all()
    assert np.isfinite(model.history_["loss"][0]).all()


# -- interruptions ---------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [KeyboardInterrupt, Interruption])
@pytest.mark.parametrize("moment", [(1, 1), (1, 2), (2, 1), (2, 3), (3, 1)])
def test_an_interruption_at_any_moment_leaves_a_valid_model(error, moment, kind, X, short_segments):
    make, y = kind

    def interrupt(info):
        if (info.epoch, info.segment) == moment:
            raise error

    model = make().set_callbacks(on_segment(interrupt))
    try:
        model.fit(X, y)
    except error:
        reasons = np.ravel(model.stop_reason_)
        assert any("Interrupted in epoch" in r or "Not begun" in r for r in reasons)
    assert np.isfinite(solution(model)).all()
    assert len(model.predict(X)) == len(X)
    assert model.n_iter_ >= 1 and len(model.history_["loss"]) == model.n_iter_
    model.set_callbacks().fit(X, y)  # and it can be fitted again
    assert_array_equal(solution(model), solution(make().fit(X, y)))


def test_an_interruption_in_the_first_segment_loses_nothing(X, y_real):
    model = SGDRegressor(max_iter=3, tol=None, random_state=0).fit(X, y_real)
    before = solution(model).copy()

    class Early(Callback):
        def on_fit_task_begin(self, estimator, context):
            if context.task_name == "epoch":
                raise Interruption

    with pytest.raises(Interruption):
        model.set_callbacks(Early()).fit(X, y_real)
    assert_array_equal(solution(model), before)


def test_a_real_ctrl_c_leaves_a_valid_model():
    code = """
import _thread, threading, time, numpy as np
from fastgd import SGDClassifier
X = np.random.default_rng(0).normal(size=(20000, 50)); y = (X[:, 0] > 0).astype(int)
for watched in (False, True):
    model = SGDClassifier("log_loss", max_iter=10**6, tol=None, random_state=0)
    if watched:
        from fastgd.callbacks import TimeBudget
        model.set_callbacks(TimeBudget(60))
    threading.Timer(0.3, _thread.interrupt_main).start()
    try:
        model.fit(X, y)
    except KeyboardInterrupt:
        assert model.score(X, y) > 0.9 and "KeyboardInterrupt" in model.stop_reason_
    else:
        raise SystemExit("not interrupted")
print("fine")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=os.sep)
    assert done.stdout.strip() == "fine", done.stderr


@pytest.mark.skipif(os.name == "nt", reason="there, a process cannot send itself Ctrl-C alone")
@pytest.mark.parametrize("settings", ["penalty='l2'", "penalty='l1'", "learning_rate='auto'"])
def test_a_real_ctrl_c_ends_all_threads_and_leaves_what_they_have(settings):
    code = f"""
import os, signal, sys, threading, numpy as np
from fastgd import SGDClassifier
X = np.random.default_rng(0).normal(size=(20000, 50)); y = X[:, :6].argmax(axis=1)
model = SGDClassifier("log_loss", max_iter=10**6, tol=None, random_state=0, n_jobs=2, {settings})
# a signal also wakes a main thread that waits for a lock, in older versions of joblib
threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    model.fit(X, y)
except KeyboardInterrupt:
    reasons = " ".join(model.stop_reason_)
    assert "KeyboardInterrupt" in reasons and np.isfinite(model.coef_).all() and len(model.predict(X))
    busy = [frame for frame in sys._current_frames().values() if "fastgd" in frame.f_code.co_filename]
    assert not busy, busy
else:
    raise SystemExit("not interrupted")
print("fine")
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=os.sep, timeout=120)
    assert done.stdout.strip() == "fine", done.stderr


def interrupted_at_line(model, X, y, count):
    """Fit, with Ctrl-C at the count-th line that the epoch loops execute; whether it got that far."""
    seen = 0

    def trace(frame, event, arg):
        nonlocal seen
        if frame.f_globals.get("__name__") not in LOOPS:
            return None
        if event == "line":
            seen += 1
            if seen == count:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        model.fit(X, y)
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


LOOPS = ("fastgd.training", "fastgd.many", "fastgd.watching", "fastgd.callbacks.task")


@pytest.mark.parametrize("watched", [False, True])
def test_an_interruption_at_any_line_leaves_a_valid_model_or_none(
    kind, watched, X, y_two, short_segments
):
    make, y = kind
    length, trained = 1, 0
    while True:
        model = make(max_iter=2)
        if watched:
            model.set_callbacks(on_segment(lambda info: False))
        if not interrupted_at_line(model, X, y, length):
            break
        if hasattr(model, "coef_"):
            trained += 1
            assert np.isfinite(solution(model)).all() and len(model.predict(X)) == len(X)
            assert len(model.history_["loss"]) == model.n_iter_ <= 2
        else:
            assert not hasattr(model, "history_") and not hasattr(model, "n_features_in_")
        length += 1 + length // 25
    assert trained > 5


# -- resuming --------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [1, 5])
@pytest.mark.parametrize("kind_of_layout", ["dense", "csr64", "float32"])
def test_a_resumed_fit_has_the_same_bits(kind, after, kind_of_layout, X, tmp_path):
    make, y = kind
    X = X.astype(np.float32) if kind_of_layout == "float32" else layout(X, kind_of_layout)
    path = tmp_path / "fit.ckpt"
    whole = make().fit(X, y)

    def die(info):
        if info.epoch == after + 1:  # which is not saved: not all callbacks have been told of it
            raise Interruption

    broken = make().set_callbacks(Checkpoint(path), on_epoch(die))
    with pytest.raises(Interruption):
        broken.fit(X, y)
    resumed = Checkpoint.resume(path, X, y)
    assert_array_equal(solution(resumed), solution(whole))
    assert resumed.n_iter_ == whole.n_iter_ and resumed.t_ == whole.t_
    assert resumed.stop_reason_ == whole.stop_reason_
    for name in set(whole.history_) - {"seconds"}:
        assert_array_equal(resumed.history_[name], whole.history_[name])
    seconds = resumed.history_["seconds"]
    assert (np.diff(seconds, axis=0)[: after + 1] > 0).all() or np.isnan(seconds).any()


@pytest.mark.parametrize("end", ["max_iter", "callback", "TimeBudget"])
@pytest.mark.parametrize("kind_of_layout, every", [("dense", 1), ("dense", 100), ("csr64", 1)])
def test_a_fit_that_was_ended_goes_on(kind, end, kind_of_layout, every, X, tmp_path):
    make, y = kind
    X = layout(X, kind_of_layout)
    path, whole = tmp_path / "fit.ckpt", make().fit(X, y)
    budget = TimeBudget(1e9)
    enders = {
        "max_iter": [],
        "callback": [on_epoch(lambda info: info.epoch == 5)],
        "TimeBudget": [
            on_epoch(lambda info: setattr(budget, "max_time", 1e-9 if info.epoch == 5 else 1e9)),
            budget,
        ],
    }
    parameters = {"max_iter": 5} if end == "max_iter" else {}
    part = make(**parameters).set_callbacks(Checkpoint(path, every=every), *enders[end]).fit(X, y)
    assert part.n_iter_ == min(5, whole.n_iter_)
    saved = path.read_bytes()
    for _ in range(2):  # what is saved does not depend on the memory of the run that saved it
        path.write_bytes(saved)
        resumed = Checkpoint.resume(path, X, y, max_iter=12, every=1)
        assert_array_equal(solution(resumed), solution(whole))
        assert resumed.n_iter_ == whole.n_iter_ and resumed.t_ == whole.t_
        assert resumed.stop_reason_ == whole.stop_reason_
        for name in set(whole.history_) - {"seconds"}:
            assert_array_equal(resumed.history_[name], whole.history_[name])
    # and once more, from the end of the run that went on
    longer = make(max_iter=20).fit(X, y)
    again = Checkpoint.resume(path, X, y, max_iter=20)
    assert_array_equal(solution(again), solution(longer))
    assert again.n_iter_ == longer.n_iter_ and again.stop_reason_ == longer.stop_reason_


def test_a_program_that_is_started_again_goes_on(X, y_two, tmp_path):
    path, seen = tmp_path / "fit.ckpt", []

    def fit(die_at=None):
        def look(info):
            seen.append(info.epoch)
            if info.epoch == die_at:
                raise Interruption

        model = SGDClassifier("log_loss", max_iter=9, tol=None, random_state=0)
        return model.set_callbacks(Checkpoint(path, every=2, resume=True), on_epoch(look)).fit(X, y_two)

    for die_at in (3, 6):
        with pytest.raises(Interruption):
            fit(die_at)
    model = fit()
    assert seen == [1, 2, 3, 3, 4, 5, 6, 5, 6, 7, 8, 9]
    alone = SGDClassifier("log_loss", max_iter=9, tol=None, random_state=0).fit(X, y_two)
    assert_array_equal(solution(model), solution(alone))
    fit()  # all is done: nothing is trained
    assert len(seen) == 12


def test_random_orders_are_resumed_too(X, y_two, tmp_path):
    path = tmp_path / "fit.ckpt"
    whole = SGDClassifier("log_loss", max_iter=8, tol=None, random_state=np.random.RandomState(5))
    whole.set_callbacks(Checkpoint(path)).fit(X, y_two)
    model = SGDClassifier("log_loss", max_iter=4, tol=None, random_state=np.random.RandomState(5))
    model.set_callbacks(Checkpoint(path)).fit(X, y_two)
    resumed = Checkpoint.resume(path, X, y_two, max_iter=8)
    assert_array_equal(solution(resumed), solution(whole))


def test_other_callbacks_are_resumed_too(X, y_two, tmp_path):
    path = tmp_path / "fit.ckpt"

    def callbacks():
        return EarlyStopping(X[:30], y_two[:30], scoring="neg_log_loss", patience=2), PathRecorder()

    def make(*own):
        return SGDClassifier("log_loss", max_iter=40, tol=None, random_state=0).set_callbacks(*own)

    stopping, recorder = callbacks()
    whole = make(stopping, recorder).fit(X, y_two)
    assert 4 < whole.n_iter_ < 40

    def die(info):
        if info.epoch == whole.n_iter_ - 1:
            raise Interruption

    with pytest.raises(Interruption):
        make(Checkpoint(path), *callbacks(), on_epoch(die)).fit(X, y_two)
    again, recorded = callbacks()
    resumed = Checkpoint.resume(path, X, y_two, callbacks=[again, recorded], every=1)
    assert_array_equal(solution(resumed), solution(whole))
    assert resumed.stop_reason_ == whole.stop_reason_ and resumed.n_iter_ == whole.n_iter_
    assert again.scores_ == stopping.scores_
    assert_array_equal(recorded.coefs_, recorder.coefs_)
    # the end of the fit was saved as such: to resume it once more trains nothing
    assert Checkpoint.resume(path, X, y_two).n_iter_ == whole.n_iter_


def test_a_checkpoint_predicts(kind, X, tmp_path):
    make, y = kind
    seen = []
    model = make().set_callbacks(
        Checkpoint(tmp_path / "{epoch}.ckpt", every=3), on_epoch(lambda info: seen.append(info.epoch))
    )
    model.fit(X, y)
    last = model.n_iter_
    names = {f"{e}.ckpt" for e in range(3, last + 1, 3)} | {f"{last}.ckpt"}
    assert set(os.listdir(tmp_path)) == names
    early = Checkpoint.load(tmp_path / "3.ckpt")
    assert_array_equal(solution(early), solution(make(max_iter=3).fit(X, y)))
    assert early.n_iter_ == 3 and len(early.history_["loss"]) == 3
    assert len(early.predict(X)) == len(X)
    assert not [name for name in vars(early) if "callback" in name]


def test_a_checkpoint_is_whole_whatever_happens_while_it_is_written(X, y_real, tmp_path, monkeypatch):
    path = tmp_path / "fit.ckpt"
    SGDRegressor(max_iter=2, tol=None, random_state=0).set_callbacks(Checkpoint(path)).fit(X, y_real)
    before = path.read_bytes()

    def full(handle):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    model = SGDRegressor(max_iter=5, tol=None, random_state=0).set_callbacks(Checkpoint(path))
    with pytest.raises(OSError, match="No space"):
        model.fit(X, y_real)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["fit.ckpt"]
    assert model.n_iter_ == 1  # and the model of the first epoch is there


def test_other_data_and_parameters_are_refused(X, y_real, tmp_path):
    path = tmp_path / "fit.ckpt"
    model = SGDRegressor(max_iter=2, tol=None, random_state=0).set_callbacks(
        Checkpoint(path, resume=True)
    )
    model.fit(X, y_real)
    other = X.copy()
    other[3, 2] += 1
    with pytest.raises(ValueError, match="the content of X is not that of the saved fit"):
        Checkpoint.resume(path, other, y_real)
    with pytest.raises(ValueError, match=r"the shape of X is not .*\(59, 7\) now, \(60, 7\) then"):
        Checkpoint.resume(path, X[:-1], y_real[:-1])
    with pytest.raises(ValueError, match="sample_weight"):
        Checkpoint.resume(path, X, y_real, sample_weight=np.ones(len(X)))
    with pytest.raises(ValueError, match=r"alpha=0.0001, this fit has alpha=0.1"):
        model.set_params(alpha=0.1).fit(X, y_real)
    (tmp_path / "no.ckpt").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is no checkpoint of fastgd"):
        Checkpoint.load(tmp_path / "no.ckpt")
    with pytest.raises(FileNotFoundError):
        Checkpoint.load(tmp_path / "missing.ckpt")


def test_another_validation_split_is_refused(X, y_two, tmp_path):
    path = tmp_path / "fit.ckpt"
    model = SGDClassifier("log_loss", early_stopping=True, max_iter=3, tol=None, random_state=None)
    model.set_callbacks(Checkpoint(path)).fit(X, y_two)
    with pytest.raises(ValueError, match="holds out other rows than in the run that was saved"):
        for _ in range(5):  # each draws a split of its own
            Checkpoint.resume(path, X, y_two, max_iter=5)


def test_what_no_file_can_hold_is_refused_at_once(X, y_real, tmp_path):
    seen = []
    model = SGDClassifier(class_weight={0: 1.0, 1: (unnamed := type("Half", (float,), {})(0.5))})
    assert unnamed == 0.5
    model.set_callbacks(Checkpoint(tmp_path / "fit.ckpt"), on_epoch(seen.append))
    with pytest.raises(ValueError, match="The fit cannot be saved: class_weight="):
        model.fit(X, y_real > 0)
    assert not seen and not os.listdir(tmp_path)


def test_partial_fit_is_saved_but_not_resumed(X, y_real, tmp_path):
    path = tmp_path / "fit.ckpt"
    model = SGDRegressor(random_state=0).set_callbacks(Checkpoint(path))
    model.partial_fit(X, y_real)
    assert_array_equal(solution(Checkpoint.load(path)), solution(model))
    with pytest.raises(ValueError, match="partial_fit goes on from"):
        Checkpoint.resume(path, X, y_real)


# -- early stopping --------------------------------------------------------------------------------


@pytest.mark.parametrize("scoring", ["roc_auc", "neg_log_loss", None])
def test_early_stopping_restores_the_best_epoch_of_any_metric(scoring, X, y_two):
    train, val = slice(0, 40), slice(40, None)
    watch = EarlyStopping(X[val], y_two[val], scoring=scoring, patience=3)
    model = SGDClassifier("log_loss", tol=None, max_iter=200, random_state=0).set_callbacks(watch)
    model.fit(X[train], y_two[train])
    assert model.n_iter_ == watch.best_epoch_ + 3 < 200
    assert watch.best_score_ == max(watch.scores_) == watch.scores_[watch.best_epoch_ - 1]
    named = f"score {scoring}" if scoring else "score"
    assert model.stop_reason_.startswith(f"The {named} of the validation set did not improve")
    now = {
        "roc_auc": lambda: roc_auc_score(y_two[val], model.decision_function(X[val])),
        "neg_log_loss": lambda: -log_loss(y_two[val], model.predict_proba(X[val])),
        None: lambda: model.score(X[val], y_two[val]),
    }[scoring]()
    assert now == pytest.approx(watch.best_score_)
    best = SGDClassifier("log_loss", tol=None, max_iter=watch.best_epoch_, random_state=0)
    assert_array_equal(solution(model), solution(best.fit(X[train], y_two[train])))
    assert f"The weights of epoch {watch.best_epoch_} were restored." in model.stop_reason_


def test_early_stopping_sees_all_classes(kind, X):
    make, y = kind
    if isinstance(make(), SGDOneClassSVM):
        pytest.skip("has no score")
    watch = EarlyStopping(X, y, patience=2)
    model = make(max_iter=60).set_callbacks(watch).fit(X, y)
    assert model.score(X, y) == pytest.approx(watch.best_score_)


def test_early_stopping_on_a_column_of_the_history(X, y_real):
    watch = EarlyStopping(monitor="objective", patience=2, min_delta=0.01, restore_best=False)
    model = SGDRegressor(tol=None, max_iter=500, random_state=0).set_callbacks(watch).fit(X, y_real)
    assert_allclose(watch.scores_, -model.history_["objective"])
    assert model.stop_reason_.startswith(
        "The objective did not improve by 0.01 for 2 epochs; its best was "
    )
    with pytest.raises(ValueError, match="monitor='weather' is no column"):
        model.set_callbacks(EarlyStopping(monitor="weather")).fit(X, y_real)


def test_early_stopping_refuses_what_makes_no_sense(X, y_two):
    for wrong in ({"X_val": X}, {"scoring": "r2"}, {"patience": 0}, {"min_delta": -1}):
        with pytest.raises(ValueError):
            EarlyStopping(**wrong)
    with pytest.raises(ValueError, match="weather"):
        SGDClassifier().set_callbacks(EarlyStopping(X, y_two, scoring="weather")).fit(X, y_two)


# -- limits ----------------------------------------------------------------------------------------


def test_time_budget_ends_a_fit_within_an_epoch(kind, X, short_segments):
    make, y = kind
    model = make().set_callbacks(TimeBudget(1e-9)).fit(X, y)
    assert model.n_iter_ == 1 and np.isfinite(solution(model)).all()
    assert any("max_time=1e-09 seconds were over in epoch 1" in r for r in np.ravel(model.stop_reason_))


def test_time_budget_lets_a_fit_take_its_time(X, y_real):
    model = SGDRegressor(max_iter=10**7, tol=None, random_state=0).set_callbacks(TimeBudget(0.2))
    began = time.perf_counter()
    model.fit(X, y_real)
    assert model.history_["seconds"][-1] > 0.19 and time.perf_counter() - began < 20
    for wrong in (0, -1, float("nan"), "1", None, True):
        with pytest.raises(ValueError, match="must be a number of seconds, more than 0"):
            TimeBudget(wrong)


def test_time_budget_gives_a_resumed_fit_what_is_left(X, y_real, tmp_path):
    path = tmp_path / "fit.ckpt"
    pause = on_epoch(lambda info: info.epoch == 3 and info.stop("A pause.", final=False))
    model = SGDRegressor(max_iter=50, tol=None, random_state=0)
    model.set_callbacks(Checkpoint(path), pause).fit(X, y_real)
    state = pickle.loads(path.read_bytes())
    state["state"]["seconds"] = 100.0
    path.write_bytes(pickle.dumps(state))
    assert Checkpoint.resume(path, X, y_real, callbacks=[TimeBudget(99)]).n_iter_ == 4


def stable_rate(X):
    """The largest learning rate at which full-batch descent on the squared error does not diverge."""
    full = np.column_stack([X, np.ones(len(X))])
    return 2 / np.linalg.eigvalsh(full.T @ full / len(X))[-1]


def test_the_guard_stops_a_slow_divergence_with_the_best_weights(X, y_real):
    rates = {"learning_rate": "constant", "eta0": 1.02 * stable_rate(X), "batch_size": "full"}
    model = SGDRegressor(max_iter=1000, tol=None, **rates)
    model.set_callbacks(DivergenceGuard())
    with pytest.warns(ConvergenceWarning, match="The fit diverged: the loss of epoch"):
        model.fit(X, y_real)
    loss = model.history_["loss"]
    best = int(np.argmin(loss)) + 1
    assert loss[-1] > 10 * loss[best - 1] and 1 < best < model.n_iter_ < 1000
    assert model.stop_reason_.startswith("The fit diverged")
    assert model.stop_reason_.endswith(f"The weights of epoch {best} were restored.")
    again = SGDRegressor(max_iter=best, tol=None, **rates)
    assert_array_equal(solution(model), solution(again.fit(X, y_real)))


def test_the_guard_survives_an_overflow(kind, X, monkeypatch):
    make, y = kind
    one, several = training.Run.epoch, many.Band._epoch

    def poisoned(run, order, number, tell=None):
        run._w[0] = np.inf if number == 4 else run._w[0]
        return one(run, order, number, tell)

    def poisoned_band(band, order, tell=None):
        band.w[0, 0] = np.inf if band.epoch == 4 else band.w[0, 0]
        return several(band, order, tell)

    best = make(max_iter=3).set_callbacks(DivergenceGuard()).fit(X, y)
    loss = best.history_["loss"].reshape(3, -1).mean(axis=1)
    epoch = int(np.argmin(loss)) + 1
    monkeypatch.setattr(training.Run, "epoch", poisoned)
    monkeypatch.setattr(many.Band, "_epoch", poisoned_band)
    with pytest.raises(ValueError, match="under-/overflow"):
        make().fit(X, y)
    model = make().set_callbacks(DivergenceGuard()).fit(X, y)
    assert any(r.startswith("The weights overflowed in epoch 4") for r in np.ravel(model.stop_reason_))
    assert all(
        r.endswith(f"The weights of epoch {epoch} were restored.") for r in np.ravel(model.stop_reason_)
    )
    monkeypatch.undo()
    assert_array_equal(solution(model), solution(make(max_iter=epoch).fit(X, y)))


def test_the_guard_is_silent_on_a_healthy_fit(kind, X):
    make, y = kind
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="The fit diverged")
        watched = make().set_callbacks(DivergenceGuard()).fit(X, y)
    assert_array_equal(solution(watched), solution(make().fit(X, y)))
    for wrong in (1, "a", None):
        with pytest.raises(ValueError, match=r"factor=.* must be a number above 1"):
            DivergenceGuard(wrong)


@pytest.mark.parametrize("targets", [1, 4])
def test_the_guard_sees_a_blow_up_in_the_first_epoch(targets, X, y_real):
    # the losses of all epochs are alike, and astronomic: the kernels bound the slope of the loss
    y = y_real if targets == 1 else np.column_stack([y_real] * targets)
    model = SGDRegressor(learning_rate="constant", eta0=0.01, max_iter=30, tol=None, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        blind = clone(model).fit(200 * X, y)
    losses = blind.history_["loss"].reshape(30, -1).mean(axis=1)
    assert losses.max() < 10 * losses[0]
    watched = model.set_callbacks(DivergenceGuard())
    with pytest.warns(ConvergenceWarning, match=r"The fit diverged: .* that of zero weights is"):
        watched.fit(200 * X, y)
    assert 5 <= watched.n_iter_ < 30
    assert not watched.coef_.any() and not watched.intercept_.any()
    for reason in np.ravel(watched.stop_reason_):
        assert reason.endswith("The weights that training began with were restored.")


def test_the_guard_sees_a_blow_up_within_the_first_epoch(X, y_real, short_segments):
    rows = np.tile(200 * X, (4, 1))
    model = SGDRegressor(learning_rate="constant", eta0=0.01, max_iter=30, tol=None, random_state=0)
    model.set_callbacks(DivergenceGuard(every_segments=1)).fit(rows, np.tile(y_real, 4))
    assert model.n_iter_ == 1 and model.stop_reason_.startswith("The fit diverged: the loss of epoch 1")


def test_the_guard_gives_up_a_loss_that_falls_from_beyond_all_bounds(X, y_two):
    model = SGDClassifier("squared_hinge", max_iter=100, tol=None, random_state=0)
    losses = clone(model).fit(5 * X, y_two).history_["loss"]
    assert losses[0] > losses[4] > losses[-1] > 1e15
    assert model.set_callbacks(DivergenceGuard()).fit(5 * X, y_two).n_iter_ == 5


def test_the_guard_lets_a_wild_beginning_come_down(X, y_two):
    # scikit-learn's defaults on few rows begin with steps far too large, and decay
    model = SGDClassifier(max_iter=100, tol=None, random_state=0)
    whole = clone(model).fit(5 * X, y_two)
    assert whole.history_["loss"][0] > 10  # ten times that of zero weights
    watched = model.set_callbacks(DivergenceGuard()).fit(5 * X, y_two)
    assert watched.n_iter_ == 100
    assert_array_equal(solution(watched), solution(whole))


def test_the_guard_leaves_solvers_and_perceptrons_alone(X, y_two):
    for model in (LogisticRegression(), SGDClassifier("perceptron", random_state=0)):
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="The fit diverged")
            model.set_callbacks(DivergenceGuard()).fit(X, y_two)


# -- loggers, paths and bars -----------------------------------------------------------------------


def test_loggers_write_the_history(kind, X, tmp_path):
    make, y = kind
    table, lines = tmp_path / "log.csv", tmp_path / "log.jsonl"
    model = make().set_callbacks(CSVLogger(table), JSONLogger(lines)).fit(X, y)
    history = {name: column.reshape(model.n_iter_, -1) for name, column in model.history_.items()}
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == np.isfinite(history["loss"]).sum()
    for row in rows:
        for name, column in history.items():
            assert float(row[name]) == column[int(row["epoch"]) - 1, int(row["model"])]
    objects = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [o["epoch"] for o in objects] == list(range(1, model.n_iter_ + 1))
    for o in objects:
        for name, column in history.items():
            values = np.array(np.ravel(o[name]), dtype=float)  # null is NaN
            assert_array_equal(values, column[o["epoch"] - 1])


def test_loggers_append_and_refuse_a_path_that_cannot_be_written(X, y_real, tmp_path):
    table = tmp_path / "log.csv"
    model = SGDRegressor(max_iter=2, tol=None, random_state=0).set_callbacks(
        CSVLogger(table, append=True)
    )
    model.fit(X, y_real).fit(X, y_real)
    assert [row["epoch"] for row in csv.DictReader(table.open())] == ["1", "2", "1", "2"]
    seen = []
    model.set_callbacks(CSVLogger(tmp_path / "missing" / "log.csv"), on_epoch(seen.append))
    with pytest.raises(FileNotFoundError):
        model.fit(X, y_real)
    assert not seen


def test_a_path_is_recorded(kind, X, short_segments):
    make, y = kind
    recorder = PathRecorder(every_segments=1)
    model = make(max_iter=3).set_callbacks(recorder).fit(X, y)
    assert_array_equal(recorder.coefs_[-1], model.coef_)
    assert recorder.epochs_ == sorted(recorder.epochs_) and recorder.epochs_[-1] == model.n_iter_
    assert len(recorder.losses_) == len(recorder.intercepts_) == len(recorder.coefs_)
    whole = [k for k, epoch in enumerate(recorder.epochs_) if epoch == int(epoch)]
    assert_array_equal(recorder.coefs_[whole[0]], make(max_iter=1).fit(X, y).coef_)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("style", ["rich", "tqdm", "plain"])
def test_every_style_of_bar_shows_the_epochs(style, X, y_real):
    if style != "plain":
        pytest.importorskip(style)
    stream = Terminal()
    bar = ProgressBar(style, stream=stream)
    bar.interval = 0
    SGDRegressor(max_iter=5, tol=None, random_state=0).set_callbacks(bar).fit(X, y_real)
    text = stream.getvalue()
    assert "SGDRegressor" in text and "5/5" in text and "loss" in text
    assert not bar._bars
    silent = io.StringIO()
    SGDRegressor(max_iter=5, tol=None).set_callbacks(ProgressBar(style, stream=silent)).fit(X, y_real)
    assert silent.getvalue() == ""


@pytest.mark.parametrize("style", ["rich", "tqdm", "plain"])
def test_a_bar_is_closed_when_the_fit_fails(style, X, y_real):
    if style != "plain":
        pytest.importorskip(style)

    def die(info):
        raise Interruption

    bar = ProgressBar(style, stream=Terminal())
    with pytest.raises(Interruption):
        SGDRegressor(max_iter=5, tol=None).set_callbacks(bar, on_epoch(die)).fit(X, y_real)
    assert not bar._bars and pickle.loads(pickle.dumps(bar)).style == style
    with pytest.raises(ValueError, match="style='neon'"):
        ProgressBar("neon")
