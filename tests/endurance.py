"""What an estimator survives: threads, forks, Ctrl-C, kill -9, and a thousand fits.

Design note. One table of fits, one per kind of estimator, and one function per trial; each returns how
often it went well and raises AssertionError where it did not. Signals are
real: a timer's, with the handler of Ctrl-C, at a random moment of a fit whose usual length was measured,
and SIGKILL from a parent process. The suite runs a few of
each, the command as many as asked for::

    python tests/endurance.py [threads] [forks] [interrupts] [callbacks] [kills] [memory] [--times 100]
"""

import argparse
import contextlib
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import leaks
import numpy as np
from joblib import Parallel, delayed
from sklearn.exceptions import NotFittedError

import fastgd
from fastgd.callbacks import Checkpoint, on_epoch
from fastgd.model_selection import GridSearchCV

LONG = {"max_iter": 200, "tol": None, "random_state": 0}
SHORT = {"max_iter": 3, "tol": None, "random_state": 0}


def makers(descent):
    """Every kind of estimator, by name, as functions that make one; `descent`: for those with epochs."""
    f = fastgd
    grid = {"alpha": [1e-4, 1e-2]}
    return {
        "SGDClassifier": lambda: f.SGDClassifier("log_loss", **descent),
        "SGDClassifier, averaged, threads": lambda: f.SGDClassifier(average=True, n_jobs=2, **descent),
        "SGDClassifier, Adam": lambda: f.SGDClassifier(optimizer="adam", batch_size=32, **descent),
        "SGDClassifier, auto": lambda: f.SGDClassifier("log_loss", learning_rate="auto", **descent),
        "SGDRegressor": lambda: f.SGDRegressor(**descent),
        "SGDRegressor, l1": lambda: f.SGDRegressor(penalty="l1", batch_size=16, **descent),
        "SGDOneClassSVM": lambda: f.SGDOneClassSVM(**descent),
        "SGDClassifierCV": lambda: f.SGDClassifierCV("log_loss", alphas=[1e-4, 1e-2], cv=2, **descent),
        "SGDRegressorCV": lambda: f.SGDRegressorCV(alphas=[1e-4, 1e-2], cv=2, **descent),
        "LogisticRegression": lambda: f.LogisticRegression(tol=1e-8, n_jobs=2),
        "LogisticRegression, l1": lambda: f.LogisticRegression(l1_ratio=1.0, solver="saga", C=0.1),
        "LogisticRegressionCV": lambda: f.LogisticRegressionCV(
            Cs=3, cv=2, l1_ratios=(0,), scoring=None, use_legacy_attributes=False
        ),
        "LinearRegression": lambda: f.LinearRegression(n_jobs=2),
        "LinearRegression, positive": lambda: f.LinearRegression(positive=True),
        "Ridge": lambda: f.Ridge(),
        "RidgeCV": lambda: f.RidgeCV(),
        "Lasso": lambda: f.Lasso(alpha=0.01),
        "LassoCV": lambda: f.LassoCV(cv=2, n_jobs=2),
        "ElasticNet": lambda: f.ElasticNet(alpha=0.01),
        "ElasticNetCV": lambda: f.ElasticNetCV(cv=2),
        "GridSearchCV": lambda: GridSearchCV(f.SGDRegressor(**descent), grid, cv=2),
    }


KINDS = tuple(makers(SHORT))


def data(n, d, seed=0):
    """X and, for classifiers and regressors, y; read-only."""
    draws = np.random.default_rng(seed)
    X = draws.standard_normal((n, d))
    score = X @ draws.standard_normal(d) + draws.standard_normal(n)
    arrays = X, np.digitize(score, np.quantile(score, [0.4, 0.7])), score
    for array in arrays:
        array.flags.writeable = False
    return arrays


def target(name, y_class, y_real):
    return y_class if "Classifier" in name or "Logistic" in name else y_real


@contextlib.contextmanager
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def weights(model):
    model = getattr(model, "best_estimator_", model)
    shift = model.offset_ if hasattr(model, "offset_") else model.intercept_
    return np.concatenate([np.ravel(model.coef_), np.ravel(shift)])


def fit_and_predict(name, X, y_class, y_real):
    """The weights of a fit followed by its predictions; a function that other processes can import."""
    model = makers(SHORT)[name]().fit(X, target(name, y_class, y_real))
    return np.concatenate([weights(model), model.predict(X).astype(float)])


def same(actual, expected, message, rtol=0.0):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=rtol, err_msg=message)


# ---- threads and processes -----------------------------------------------------------------------


def threads(name, times=16, n=300, d=9, workers=8):
    """Fits and predictions of many threads at once, on the same rows, are those of one."""
    arrays = data(n, d)
    with quiet():
        expected = fit_and_predict(name, *arrays)
        fitted = makers(SHORT)[name]().fit(arrays[0], target(name, *arrays[1:]))
        predicted = fitted.predict(arrays[0])
        barrier = threading.Barrier(workers)

        def work(number):
            if number < workers:
                barrier.wait(60)
            own = fit_and_predict(name, *arrays)
            return own, fitted.predict(arrays[0])

        with ThreadPoolExecutor(workers) as pool:
            for own, shared in pool.map(work, range(times)):
                same(own, expected, f"{name}: a fit among threads")
                same(shared, predicted, f"{name}: predictions among threads")
    return times


def forks(names=KINDS, ways=("fork", "spawn", "loky"), n=300, d=9):
    """Processes made after threads were used give what this one gives."""
    arrays = data(n, d)
    with quiet():
        expected = {name: fit_and_predict(name, *arrays) for name in names}
        for way in ways:
            if way == "loky":
                results = Parallel(2, backend="loky")(
                    delayed(fit_and_predict)(name, *arrays) for name in names
                )
            else:
                with multiprocessing.get_context(way).Pool(2) as pool:
                    calls = [pool.apply_async(fit_and_predict, (name, *arrays)) for name in names]
                    results = [call.get(timeout=120) for call in calls]
            for name, result in zip(names, results, strict=True):
                # loky's processes have fewer BLAS threads, which may add up in another order
                same(result, expected[name], f"{name} by {way}", rtol=1e-9 if way == "loky" else 0.0)
        for name in names:  # and this process goes on as before
            same(fit_and_predict(name, *arrays), expected[name], f"{name} afterwards")
    return len(names) * len(ways)


# ---- interruptions -------------------------------------------------------------------------------


def check_what_is_left(model, X, name):
    """'valid' or 'absent': what an interrupted fit left, whole or not at all."""
    inner = getattr(model, "best_estimator_", model)
    if not hasattr(inner, "coef_"):
        try:
            model.predict(X[:5])
        except NotFittedError:
            return "absent"
        except AttributeError:  # scikit-learn's search, interrupted by itself
            assert isinstance(model, GridSearchCV), f"{name}: half a model"
            return "absent"
        raise AssertionError(f"{name}: no coef_, but predict says nothing of it")
    assert np.isfinite(weights(model)).all(), f"{name}: weights that are not finite"
    assert len(model.predict(X[:5])) == 5
    return "valid"


def interrupt(name, arrays, usual, draws, attempts=20):
    """One Ctrl-C at a random moment of a fit: 'valid' or 'absent'."""
    X, y = arrays[0], target(name, *arrays[1:])
    for _ in range(attempts):
        model, done = makers(LONG)[name](), False
        try:
            with quiet():
                signal.setitimer(signal.ITIMER_REAL, draws.uniform(1e-5, usual))
                model.fit(X, y)
            done = True
            time.sleep(2 * usual)
        except KeyboardInterrupt:
            if not done:
                return check_what_is_left(model, X, name)
            continue  # it came too late
        raise AssertionError(f"{name}: the interrupt was swallowed")
    raise AssertionError(f"{name}: no interrupt came in time in {attempts} fits of {usual:.3f} s")


def interrupts(name, times=5, n=20_000, d=30, seed=0):
    """Ctrl-C at random moments: KeyboardInterrupt comes out and the model is valid or absent.

    Returns
    -------
    dict : how often 'valid', how often 'absent'
    """
    arrays, draws = data(n, d), np.random.default_rng(seed)
    with quiet():
        seconds = []
        for _ in range(2):
            start = time.perf_counter()
            makers(LONG)[name]().fit(arrays[0], target(name, *arrays[1:]))
            seconds.append(time.perf_counter() - start)
        usual = min(seconds)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        left = [interrupt(name, arrays, usual, draws) for _ in range(times)]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return {kind: left.count(kind) for kind in ("valid", "absent")}


class Told(Exception):
    """Raised by a callback."""


def callbacks(name, times=5, n=400, d=9):
    """Callbacks that raise: their exception comes out and the model is valid or absent."""
    X, y_class, y_real = data(n, d)
    for moment in range(times):
        seen = []

        def shout(info, moment=moment, seen=seen):
            seen.append(info)
            if len(seen) > moment:
                raise Told

        model = makers(LONG)[name]()
        if not hasattr(model, "set_callbacks"):
            return 0
        model.set_callbacks(on_epoch(shout))
        try:
            with quiet():
                model.fit(X, target(name, y_class, y_real))
        except Told:
            check_what_is_left(model, X, name)
        else:
            assert len(seen) <= moment, f"{name}: a callback's exception was swallowed"
    return times


def kills(times=5, d=20_000, seed=0):
    """kill -9 while checkpoints are written: the file is a whole one, from before or after.

    Returns
    -------
    dict : kills, distinct epochs found, and temporary files left behind
    """
    draws = np.random.default_rng(seed)
    X, _, y = data(20, d)
    params = {"max_iter": 10_000, "tol": None, "random_state": 0, "eta0": 1e-5}
    epochs, litter = [], 0
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "fit.ckpt")
            child = os.fork()
            if child == 0:
                with quiet(), contextlib.suppress(BaseException):
                    fastgd.SGDRegressor(**params).set_callbacks(Checkpoint(path)).fit(X, y)
                os._exit(1)
            try:
                deadline = time.monotonic() + 30
                while not os.path.exists(path) and time.monotonic() < deadline:
                    time.sleep(0.001)
                time.sleep(draws.uniform(0, 0.05))
            finally:
                os.kill(child, signal.SIGKILL)
                _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status), "the fit ended by itself"
            model = Checkpoint.load(path)
            assert np.isfinite(model.coef_).all() and model.coef_.any()
            with quiet():  # what the file holds are the bits of an uninterrupted fit of so many epochs
                whole = fastgd.SGDRegressor(**params | {"max_iter": model.n_iter_}).fit(X, y)
                same(model.coef_, whole.coef_, f"the checkpoint of epoch {model.n_iter_}")
                further = Checkpoint.resume(path, X, y, max_iter=model.n_iter_ + 2)
            assert further.n_iter_ == model.n_iter_ + 2
            epochs.append(model.n_iter_)
            left = len(os.listdir(folder)) - 1  # a kill leaves what was being written, and no more
            assert left <= 1, f"{left} temporary files after one kill"
            litter += left
    return {"kills": times, "distinct epochs": len(set(epochs)), "temporary files left": litter}


# ---- memory --------------------------------------------------------------------------------------


def memory(name, times=1000, n=200, d=50):
    """(bytes, Python's blocks) that a fit leaves behind, as `leaks.py` counts them."""
    arrays = data(n, d)
    with quiet():
        return leaks.lost(lambda: fit_and_predict(name, *arrays), fits=-(-times // (leaks.ROUNDS + 1)))


# ---- the command line ----------------------------------------------------------------------------


def report(trial, function, argument=None):
    try:
        result = function()
    except Exception as error:
        print(f"{trial:<11}{argument or '':<36}FAILED {type(error).__name__}: {error}", flush=True)
        return False
    print(f"{trial:<11}{argument or '':<36}{result}", flush=True)
    return True


def main(argv):
    trials = ("threads", "forks", "interrupts", "callbacks", "kills", "memory")
    parser = argparse.ArgumentParser(prog="python tests/endurance.py", description=__doc__.split("\n")[0])
    parser.add_argument("trial", nargs="*", help=f"of {', '.join(trials)} (all)")
    parser.add_argument("--times", type=int, default=100, help="interruptions in all, and kills")
    parser.add_argument("--fits", type=int, default=1000, help="per estimator, for memory")
    parser.add_argument("--only", metavar="WORD", default="", help="estimators with this in their name")
    args = parser.parse_args(argv)
    if unknown := set(args.trial) - set(trials):
        parser.error(f"no such trial: {', '.join(sorted(unknown))}")
    chosen, names = args.trial or trials, [name for name in KINDS if args.only in name]
    each, fine = -(-args.times // len(names)), True
    if "threads" in chosen:
        fine &= all([report("threads", lambda name=name: threads(name), name) for name in names])
    if "forks" in chosen:
        fine &= report("forks", lambda: forks(tuple(names)))
    if "interrupts" in chosen:
        fine &= all(
            [report("interrupts", lambda name=name: interrupts(name, each), name) for name in names]
        )
    if "callbacks" in chosen:
        fine &= all([report("callbacks", lambda name=name: callbacks(name), name) for name in names])
    if "kills" in chosen:
        fine &= report("kills", lambda: kills(args.times))
    if "memory" in chosen:
        for name in names:
            growth = memory(name, args.fits)
            fine &= not leaks.leaks(growth)
            print(
                f"{'memory':<11}{name:<36}{growth[0]:.1f} bytes, {growth[1]:.2f} blocks a fit", flush=True
            )
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
