"""Cases that nobody thought of: every estimator on random data, parameters and hostile values.

Design note. A case is a number: it seeds the generator that draws the estimator, the matrix (shape,
number type, byte order, layout, values), the targets, the weights and the parameters (from the
estimator's own constraints, so that a new parameter is drawn as soon as it exists). What must come out is
a finite model with predictions on its training rows that are finite where the products are, or a refusal
that is a sentence; and never a crash, a hang, a warning about arithmetic, or an input that has changed.
The cases run in a process of their own that says what it begins, so that a crash or a hang is a result
like others: the next process goes on behind it.

Run more of them than the suite does, or one again::

    python tests/fuzz.py --cases 20000 [--from 0] [--only Ridge]
    python tests/fuzz.py --case 1234 [--only Ridge]
"""

import argparse
import collections
import faulthandler
import inspect
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from numbers import Integral

import numpy as np
import scipy
import scipy.sparse as sp
from sklearn.utils._param_validation import Hidden, Interval, StrOptions
from sklearn.utils.fixes import parse_version

import fastgd
from fastgd.model_selection import GridSearchCV, RandomizedSearchCV

CLASSIFIERS = ("SGDClassifier", "SGDClassifierCV", "LogisticRegression", "LogisticRegressionCV")
REGRESSORS = (
    "SGDRegressor",
    "SGDRegressorCV",
    "LinearRegression",
    "Ridge",
    "RidgeCV",
    "Lasso",
    "LassoCV",
    "ElasticNet",
    "ElasticNetCV",
)
SEVERAL_TARGETS = ("LinearRegression", "Ridge", "RidgeCV", "Lasso", "ElasticNet")
KINDS = (
    *CLASSIFIERS,
    *REGRESSORS,
    "SGDOneClassSVM",
    "minimize",
    "Optimizer",
    "GridSearchCV",
    "RandomizedSearchCV",
)

PRODUCTS_OVERFLOW = 1e300  # of X and weights from here on: finite weights may have infinite predictions
OLD_SCIPY = parse_version(scipy.__version__) < parse_version("1.11")
TIME_LIMIT = 30.0  # seconds of wall clock for one case
DENSE = ["C", "F", "strided", "reversed", "misaligned", "broadcast rows", "broadcast columns", "list"]
SPARSE = ["csr", "csc", "coo", "csr64", "unsorted", "duplicates", "explicit zeros"]
INTEGERS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8"]
DTYPES = ["f8"] * 4 + ["f4"] * 3 + ["f2", "g", ">f8", ">f4", ">i4", "?", *INTEGERS, "O"]
SOUND = ["plain"] * 8 + ["scales", "far", "small", "constant", "collinear", "zeros"]
HOSTILE = ["nan", "inf", "1e308", "all 1e308", "1e200", "1e160", "denormal", "huge and tiny"]


class Failure(Exception):
    """What must not happen."""


# ---- data ----------------------------------------------------------------------------------------


def pick(draws, values):
    return values[draws.integers(len(values))]


def some_values(draws, n, d, nature):
    X = draws.standard_normal((n, d))
    at = draws.integers(n), draws.integers(d)
    if nature == "scales":
        X *= 10.0 ** draws.integers(-8, 9, size=d)
    elif nature == "far":
        X += 10.0 ** draws.integers(2, 9)
    elif nature == "small":
        X = draws.integers(-3, 4, size=(n, d)).astype(float)
    elif nature == "constant":
        X[:, draws.integers(d)] = draws.integers(-2, 3)
    elif nature == "collinear":
        X[:, at[1]] = X[:, draws.integers(d)]
        X[at[0]] = X[draws.integers(n)]
    elif nature == "zeros":
        X[draws.random((n, d)) < draws.choice([0.3, 0.9, 1.0])] = 0.0
    elif nature in ("nan", "inf"):
        X[at] = float(nature) * draws.choice([-1, 1])
    elif nature == "1e308":
        X[at] = 1e308
    elif nature == "all 1e308":
        X = np.sign(X) * 1e308
    elif nature in ("1e200", "1e160"):
        X *= float(nature)
    elif nature == "denormal":
        X *= 5e-324 if draws.random() < 0.5 else 1e-310
    elif nature == "huge and tiny":
        X *= 10.0 ** draws.integers(-300, 300, size=d)
    return X


def as_kind(values, kind):
    """Values as a number type; numbers beyond its range become what a cast makes of them."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kind = np.dtype(kind)
        if kind.kind in "iu":
            span = np.iinfo(kind)
            values = np.clip(np.nan_to_num(values), span.min / 2, span.max / 2)
        return values.astype(kind)


def laid_out(draws, X, layout):
    n, d = X.shape
    if layout == "F":
        return np.asfortranarray(X)
    if layout == "strided":
        wide = np.zeros((2 * n, 3 * d), X.dtype)
        wide[::2, ::3] = X
        return wide[::2, ::3]
    if layout == "reversed":
        return np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1]
    if layout == "misaligned" and X.dtype != object:
        room = np.zeros(X.nbytes + 1, np.uint8)
        shifted = room[1:].view(X.dtype) if X.itemsize == 1 else np.ndarray(X.shape, X.dtype, room, 1)
        shifted = shifted.reshape(X.shape)
        shifted[...] = X
        return shifted
    if layout == "broadcast rows":
        return np.broadcast_to(X[:1], X.shape)
    if layout == "broadcast columns":
        return np.broadcast_to(X[:, :1], X.shape)
    if layout == "list":
        return X.tolist()
    if layout not in SPARSE:
        return np.ascontiguousarray(X)
    if layout in ("csc", "coo"):
        S = sp.coo_matrix(X).asformat(layout)
        if layout == "coo" and S.nnz:  # duplicates
            again = draws.integers(S.nnz, size=2)
            parts = [(np.r_[part, part[again]]) for part in (S.data, S.row, S.col)]
            S = sp.coo_matrix((parts[0], (parts[1], parts[2])), shape=S.shape)
        return S
    S = sp.csr_matrix(X)
    if layout == "explicit zeros" and S.nnz:
        S.data[draws.random(S.nnz) < 0.3] = 0
    if layout in ("unsorted", "duplicates"):
        S = sp.csr_matrix((S.data.copy(), S.indices.copy(), S.indptr.copy()), shape=S.shape)
        for first, last in zip(S.indptr[:-1], S.indptr[1:], strict=True):
            order = first + draws.permutation(last - first)
            S.indices[first:last], S.data[first:last] = S.indices[order], S.data[order]
            if layout == "duplicates" and last - first > 1:
                S.indices[first] = S.indices[last - 1]
        S.has_sorted_indices = S.has_canonical_format = False
    if layout == "csr64" or draws.random() < 0.2:
        S.indices, S.indptr = S.indices.astype(np.int64), S.indptr.astype(np.int64)
    return S


def buffers(values):
    """The arrays that a value consists of."""
    if sp.issparse(values):
        names = ("data", "indices", "indptr", "row", "col")
        return [getattr(values, name) for name in names if hasattr(values, name)]
    return [values] if isinstance(values, np.ndarray) else []


def freeze(values):
    for array in buffers(values):
        array.flags.writeable = False


def some_matrix(draws):
    """A matrix and the words that describe it."""
    n = int(pick(draws, [1, 2, 3, 5, 10, 20, 20, 40, 40, 80, 200, 600]))
    d = int(pick(draws, [1, 1, 2, 3, 5, 8, 15, 16, 17, 33, 70, 130]))
    nature = pick(draws, SOUND if draws.random() < 0.6 else HOSTILE)
    kind = pick(draws, DTYPES)
    layout = pick(draws, DENSE if draws.random() < 0.6 else SPARSE)
    if layout in SPARSE and kind in ("O", "f2", "g"):
        kind = "f8"
    if layout in SPARSE:
        kind = kind.lstrip(">")
    X = laid_out(draws, as_kind(some_values(draws, n, d, nature), kind), layout)
    if draws.random() < 0.3:
        freeze(X)
    return X, f"X {n} x {d} {kind} {layout}, {nature}"


def some_targets(draws, n, kind):
    if kind in CLASSIFIERS:
        names = pick(
            draws, [[0, 1], [0, 1, 2], ["no", "yes"], [-1.0, 1.0], [True, False], list("abcd"), [7]]
        )
        y = np.array(names)[draws.integers(len(names), size=n)]
        if draws.random() < 0.1:
            y = y.astype(object)
        return y, f"{len(names)} classes"
    several = kind in SEVERAL_TARGETS and draws.random() < 0.2
    nature = pick(draws, SOUND if draws.random() < 0.85 else HOSTILE)
    y = some_values(draws, n, 3 if several else 1, nature)
    y = as_kind(y if several else y[:, 0], pick(draws, ["f8", "f8", "f4", ">f8", "i4", "g"]))
    return abs(y) if draws.random() < 0.2 else y, f"y {nature}{' of 3 columns' if several else ''}"


def some_weights(draws, n):
    natures = {
        "none": None,
        "random": draws.random(n),
        "some-zero": draws.integers(0, 2, size=n).astype(float),
        "zero": np.zeros(n),
        "1e300": np.full(n, 1e300),
        "denormal": np.full(n, 1e-310),
        "negative": -draws.random(n),
        "nan": np.full(n, np.nan),
        "one": np.eye(1, n, draws.integers(n))[0],
        "int": draws.integers(0, 4, size=n),
    }
    nature = pick(draws, ["none"] * 4 + list(natures))
    return natures[nature], f"weights {nature}"


# ---- parameters ----------------------------------------------------------------------------------


def some_number(draws, interval):
    low, high = interval.left, interval.right
    if interval.type is Integral:
        low = -5 if low is None else int(np.ceil(low)) + (interval.closed in ("right", "neither"))
        return int(low + draws.integers(30 if high is None else int(high) - low + 1))
    values = [0.0, 1.0, 0.5, 0.1, 1e-3, 1e-8, 1e-300, 5e-324, 0.9999, 3.0, 50.0, 1e4, 1e300]
    allowed = [value for value in values if value in interval]
    return pick(draws, allowed[:-1] if draws.random() < 0.7 and len(allowed) > 1 else allowed)


UNBOUNDED = {"liblinear"}  # scikit-learn's C code, which knows no time limit


def some_parameter(draws, name, constraints):
    special = {
        "verbose": [0],
        "random_state": [0, 1],
        "n_jobs": [None, None, None, None, 1, 2],
        "max_iter": [1, 2, 5, 30],
        "max_time": [None, 1e-6, 0.01, 10.0],
        "cv": [None, 2, 3],
        "scoring": [None],
        "class_weight": [None, "balanced", {0: 2.0, 1: 0.5}],
        "alphas": [None, [1.0], [0.1, 10.0], [1e-300, 1e300], 3, (0.0, 1.0)],
        "Cs": [1, 3, [0.1], [1e-300, 1e300], [1e-4, 1e4]],
        "l1_ratios": [None, [0.5], [0.0, 1.0]],
        "precompute": [True, False, "auto"],
        "multi_class": ["ovr", "multinomial"],
        "solver": None,
    }.get(name)
    if special:
        return pick(draws, special)
    constraint = pick(draws, [c for c in constraints if not isinstance(c, Hidden)] or ["?"])
    if isinstance(constraint, Interval):
        return some_number(draws, constraint)
    if isinstance(constraint, StrOptions):
        return pick(draws, sorted(constraint.options - UNBOUNDED))
    if constraint == "boolean":
        return bool(draws.integers(2))
    if constraint is None:
        return None
    raise LookupError(name)  # objects of other kinds


def some_parameters(draws, klass):
    names = list(inspect.signature(klass.__init__).parameters)[1:]
    chosen = {"random_state": 0} if "random_state" in names else {}
    if "max_iter" in names:
        chosen["max_iter"] = int(pick(draws, [1, 3, 20, 60]))
    share = pick(draws, [0.0, 0.15, 0.4])
    for name in names:
        if draws.random() < share and name in klass._parameter_constraints:
            try:
                chosen[name] = some_parameter(draws, name, klass._parameter_constraints[name])
            except LookupError:
                continue
    return chosen


# ---- running a case ------------------------------------------------------------------------------


class Watch:
    """Warnings about arithmetic, with where they came from."""

    def __enter__(self):
        self.seen = []
        self._context = warnings.catch_warnings()
        self._context.__enter__()
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", RuntimeWarning)
        warnings.showwarning = self._show
        return self

    def __exit__(self, *exception):
        self._context.__exit__(*exception)

    def _show(self, message, category, filename, lineno, file=None, line=None):
        if category is not RuntimeWarning:  # FitFailedWarning and its kin speak to the user
            return
        stack = traceback.extract_stack()[:-2]
        scikit_learns = "sklearn/model_selection/" in stack[-1].filename  # means of scores
        if not scikit_learns and not any("sklearn/utils/" in frame.filename for frame in stack[-6:]):
            self.seen.append(f"{category.__name__}: {message} at {place(stack)}")


def place(stack):
    """The innermost lines of fastgd and of all."""
    ours = [frame for frame in stack if os.sep + "fastgd" + os.sep in frame.filename]
    return " <- ".join(f"{os.path.basename(f.filename)}:{f.lineno}" for f in [stack[-1], *ours[-1:]])


def check_refusal(error):
    """Whether an exception is something to tell a user."""
    stack = traceback.extract_tb(error.__traceback__)
    where = f"{type(error).__name__}: {str(error)[:200]} at {place(stack)}"
    if not isinstance(
        error, (ValueError, TypeError, FloatingPointError, OverflowError, NotImplementedError)
    ):
        raise Failure(f"not a refusal: {where}") from error
    if isinstance(error, np.linalg.LinAlgError) or len(str(error).split()) < 4:
        raise Failure(f"no sentence: {where}") from error
    if any(f"{os.sep}{name}{os.sep}" in stack[-1].filename for name in ("numpy", "scipy")) and not any(
        "sklearn/utils/" in frame.filename for frame in stack
    ):
        raise Failure(f"from deep inside: {where}") from error
    return "refused"


def check_finite(what, values):
    values = values.toarray() if sp.issparse(values) else np.asarray(values)
    if values.dtype.kind in "fc" and not np.isfinite(values).all():
        raise Failure(f"{what} is not finite")


def largest(X):
    values = X.data if sp.issparse(X) else np.asarray(X)
    return float(abs(values.astype(np.longdouble)).max()) if values.size else 0.0


def products_in_range(model, X):
    """Whether the products of X and the weights, and their sums, are far from overflow."""
    coef = np.asarray(getattr(model, "best_estimator_", model).coef_)
    product = largest(X) * float(abs(coef).max()) * coef.shape[-1]
    return product < min(1e-8 * float(np.finfo(coef.dtype).max), PRODUCTS_OVERFLOW)


def check_model(model, X):
    for name in ("coef_", "intercept_", "offset_"):
        if hasattr(model, name):
            check_finite(name, getattr(model, name))
    n = X.shape[0] if hasattr(X, "shape") else len(X)
    in_range = products_in_range(model, X)
    for method in ("predict", "decision_function", "predict_proba"):
        if hasattr(model, method):
            values = getattr(model, method)(X)
            if in_range:
                check_finite(method, values)
            if len(values) != n:
                raise Failure(f"{method} gave {len(values)} for {n} rows")


class Case:
    """One case: what it is in words, and its outcome."""

    def __init__(self, number, only=None):
        self.number = number
        self.draws = np.random.default_rng([20, number])
        self.kind = pick(self.draws, KINDS)
        self.kind = only or self.kind
        self.words = self.kind

    def run(self):
        """'model' or 'refused'.

        Raises
        ------
        Failure
            With what happened instead.
        """
        with Watch() as watch:
            if self.kind == "minimize":
                outcome = self._minimize()
            elif self.kind == "Optimizer":
                outcome = self._optimizer()
            else:
                outcome = self._estimator()
        if watch.seen:
            raise Failure("warned: " + "; ".join(sorted(set(watch.seen))))
        return outcome

    def _make(self):
        kind, draws = self.kind, self.draws
        if kind not in ("GridSearchCV", "RandomizedSearchCV"):
            klass = getattr(fastgd, kind)
            params = some_parameters(draws, klass)
            self.words += f"({', '.join(f'{k}={v!r}' for k, v in params.items())})"
            return klass(**params)
        base = fastgd.SGDRegressor(max_iter=5, random_state=0)
        grid = pick(
            draws,
            [
                {"alpha": [1e-4, 1.0]},
                {"alpha": [0.1], "penalty": ["l1", "l2"]},
                {"eta0": [0.01, 1e300]},
                {"batch_size": [1, 8]},
            ],
        )
        self.words += f"({grid})"
        if kind == "GridSearchCV":
            return GridSearchCV(base, grid, cv=2)
        return RandomizedSearchCV(base, grid, n_iter=2, cv=2, random_state=0)

    def _estimator(self):
        draws = self.draws
        X, words = some_matrix(draws)
        n = X.shape[0] if hasattr(X, "shape") else len(X)
        y, about_y = some_targets(draws, n, self.kind)
        weights, about_weights = some_weights(draws, n)
        if draws.random() < 0.3:
            freeze(y)
        model = self._make()
        self.words += f" on {words}, {about_y}, {about_weights}"
        takes = "sample_weight" in inspect.signature(model.fit).parameters
        given = {"sample_weight": weights} if takes and weights is not None else {}
        # SciPy before 1.11 sorts the indices of what it converts in place, and scikit-learn lets it
        kept = (y, weights) if sp.issparse(X) and OLD_SCIPY else (X, y, weights)
        arrays = [array for values in kept for array in buffers(values)]
        before = [array.copy() for array in arrays]
        partly = hasattr(model, "partial_fit") and draws.random() < 0.2
        try:
            if partly:
                self.words += ", partial_fit"
                known = {"classes": np.unique(y)} if self.kind in CLASSIFIERS else {}
                model.partial_fit(X, y, **known, **given)
                model.partial_fit(X, y, **given)
            else:
                model.fit(X, y, **given)
        except Exception as error:
            outcome = check_refusal(error)
        else:
            outcome = "model"
            try:
                check_model(model, X)
            except Failure:
                raise
            except Exception as error:
                raise Failure(f"fitted, but {type(error).__name__}: {error}") from error
        for array, old in zip(arrays, before, strict=True):
            if not same(array, old):
                raise Failure("an input was changed")
        return outcome

    def _minimize(self):
        draws = self.draws
        n = int(draws.integers(1, 6))
        scale = 10.0 ** draws.integers(-300, 300) if draws.random() < 0.3 else 1.0
        nature = pick(draws, ["quadratic", "abs", "nan", "inf", "late nan", "raises", "cliff"])
        calls = []

        def fun(x):
            calls.append(1)
            late = len(calls) > 7
            if nature in ("nan", "inf") or (nature == "late nan" and late):
                return float("nan" if "nan" in nature else "inf")
            if nature == "raises" and late:
                raise ZeroDivisionError("The function was told to fail here.")
            with np.errstate(all="ignore"):
                if nature == "cliff":
                    return float(np.exp(np.clip(abs(x).max(), 0, 1e4)))
                return float(scale * (abs(x).sum() if nature == "abs" else x @ x))

        def jac(x):
            with np.errstate(all="ignore"):
                return scale * (np.sign(x) if nature == "abs" else 2 * x)

        x0 = as_kind(draws.standard_normal(n) * 3, pick(draws, ["f8", "f4", "i4", ">f8"]))
        before = x0.copy()
        rule = pick(draws, sorted(fastgd.optimizers.OPTIMIZERS))
        settings = {
            "jac": jac if draws.random() < 0.5 else None,
            "optimizer": rule,
            "learning_rate": pick(draws, [None, 1e-300, 1e-2, 1.0, 1e300]),
            "max_iter": int(pick(draws, [1, 10, 50])),
            "bounds": [(-1, 2)] * n if draws.random() < 0.2 else None,
        }
        self.words += f" of {nature} times {scale} from {x0}, {settings}"
        try:
            result = fastgd.minimize(fun, x0, **settings)
        except ZeroDivisionError:
            return "refused"  # the function's own, at x0
        except Exception as error:
            return check_refusal(error)
        check_finite("x", result.x)
        check_finite("fun", result.fun)
        if not same(x0, before):
            raise Failure("x0 was changed")
        return "model"

    def _optimizer(self):
        draws = self.draws
        rule = pick(draws, sorted(fastgd.optimizers.OPTIMIZERS))
        kind = pick(draws, ["f8", "f4"])
        w = as_kind(draws.standard_normal(draws.integers(1, 40)), kind)
        nature = pick(draws, SOUND + HOSTILE)
        self.words += f" {rule} of {len(w)} {kind}, gradients {nature}"
        try:
            optimizer = fastgd.Optimizer(rule, pick(draws, [None, 1e-300, 0.01, 1.0]))
            for _ in range(5):
                before = w.copy()
                optimizer.step(w, as_kind(some_values(draws, 1, len(w), nature)[0], kind))
        except FloatingPointError as error:  # the step went too far, and says so
            return check_refusal(error)
        except Exception as error:
            check_refusal(error)
            check_finite("what a refused step left", w)
            if not same(w, before):
                raise Failure("a refused step moved the weights") from error
            return "refused"
        check_finite("the weights", w)
        return "model"


def same(array, old):
    if array.dtype == object:
        return all(
            a is b or a == b or (a != a and b != b) for a, b in zip(array.flat, old.flat, strict=True)
        )
    if array.dtype.kind == "f":
        return np.array_equal(array, old, equal_nan=True)
    return np.array_equal(array, old)


def outcome_of(number, only=None):
    """(kind, words, outcome, what went wrong or None, seconds) of a case."""
    case, start = Case(number, only), time.perf_counter()
    try:
        outcome, failure = case.run(), None
    except Failure as error:
        outcome, failure = "failed", str(error)
    except Exception as error:  # of the generator itself, or of prediction
        outcome, failure = "failed", "".join(traceback.format_exception(error)[-3:])
    return case.kind, case.words, outcome, failure, time.perf_counter() - start


# ---- the command line ----------------------------------------------------------------------------


def work(first, stop, only, out):
    """The process that may crash: one line for a case begun, one for its end."""
    with open(out, "a", buffering=1) as file:
        for number in range(first, stop):
            file.write(json.dumps({"begun": number}) + "\n")
            faulthandler.dump_traceback_later(TIME_LIMIT, exit=True)
            kind, words, outcome, failure, seconds = outcome_of(number, only)
            faulthandler.cancel_dump_traceback_later()
            line = {"case": number, "kind": kind, "outcome": outcome, "seconds": round(seconds, 4)}
            if failure:
                line |= {"words": words, "failure": failure}
            file.write(json.dumps(line) + "\n")


def run(first, stop, only=None):
    """The results of cases [first, stop), those that crashed or hung included."""
    results = []
    # two threads of BLAS that wait for each other take forty times as long where others use the processor
    environment = {"OPENBLAS_NUM_THREADS": "1", **os.environ}
    while first < stop:
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "results")
            command = [sys.executable, __file__, "--work", str(first), str(stop), out]
            done = subprocess.run(
                command + (["--only", only] if only else []),
                env=environment,
                capture_output=True,
                text=True,
            )
            lines = []
            if os.path.exists(out):
                with open(out) as file:
                    lines = [json.loads(line) for line in file]
        results += [line for line in lines if "case" in line]
        if done.returncode == 0:
            return results
        if not lines:
            raise RuntimeError(done.stderr)
        number = lines[-1].get("begun", lines[-1].get("case"))
        how = "hung" if "Timeout" in done.stderr else f"crashed with code {done.returncode}"
        kind = Case(number, only).kind
        failure = f"{how}: {done.stderr[-1500:]}"
        results.append({"case": number, "kind": kind, "outcome": how, "words": "", "failure": failure})
        first = number + 1
    return results


def main(argv):
    parser = argparse.ArgumentParser(prog="python tests/fuzz.py", description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--only", choices=KINDS, help="this estimator in all cases")
    parser.add_argument("--case", type=int, help="one case, in this process, with its words")
    parser.add_argument("--out", help="failures as lines of JSON")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.work:
        return work(int(args.work[0]), int(args.work[1]), args.only, args.work[2])
    if args.case is not None:
        print(*outcome_of(args.case, args.only), sep="\n")
        return 0

    counts, failures, piece = collections.Counter(), [], 500
    slowest = (0, None)
    for first in range(args.first, args.first + args.cases, piece):
        for line in run(first, min(first + piece, args.first + args.cases), args.only):
            counts[line["outcome"]] += 1
            slowest = max(slowest, (line.get("seconds", 0), line["case"]))
            if "failure" in line:
                failures.append(line)
                print(f"case {line['case']}: {line['words']}\n    {line['failure']}", flush=True)
                if args.out:
                    with open(args.out, "a") as file:
                        file.write(json.dumps(line) + "\n")
        print(f"{sum(counts.values())} cases: {dict(counts)}", flush=True)
    print(f"{len(failures)} failures; the slowest case took {slowest[0]} s (case {slowest[1]})")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
