"""SGDClassifier, SGDRegressor and SGDOneClassSVM: scikit-learn's estimators, trained by our kernels.

Each class subclasses scikit-learn's own, so that ``isinstance`` holds, inherits what reads fitted
attributes (probabilities, sparsify, tags), and overrides what trains or touches private code. What
the three share is `_Descending`: checks, the way from parameters to a `Plan`, from a `FitResult` to
attributes, and the sentences about fits that went wrong. No loop over rows or epochs lives here.

Fitted state, for `partial_fit`, `warm_start` and pickles: `coef_` and `intercept_` (or `offset_`) are
what predicts; while averaging, `_standard_coef`, `_standard_intercept`, `_average_coef` and
`_average_intercept` hold both sequences; `_optimizer_states` is what an optimizer remembers of each
model; `t_` counts steps.
"""

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import SGDClassifier as _SGDClassifier
from sklearn.linear_model import SGDOneClassSVM as _SGDOneClassSVM
from sklearn.linear_model import SGDRegressor as _SGDRegressor
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import check_is_fitted

from .. import __version__
from ..auto import AutoRun, Pace, measure
from ..callbacks import CallbackSupportMixin, fit_task
from ..compat import (
    Hidden,
    Interval,
    StrOptions,
    callers_level,
    check_first_call,
    check_sample_weight,
    fit_context,
    inside_cross_validation,
    validation_score,
)
from ..data import (
    RowSubset,
    labels_in_order,
    make_rows,
    raw_scores,
    refuse_weightless,
    validated,
    validated_for_prediction,
    worst_scaled,
)
from ..history import joined, stacked
from ..kernels import kernels
from ..losses import LOSSES
from ..many import train_all
from ..optimizers import OPTIMIZERS, UpdateRule, make_optimizer
from ..penalties import PENALTIES, strengths
from ..schedules import SCHEDULES, Schedule, make_schedule
from ..training import Overflow, Plan, Problem, objective_check
from ..watching import train_watched
from . import explained
from .whole import all_or_nothing

__all__ = ["SGDClassifier", "SGDOneClassSVM", "SGDRegressor"]

MAX_INT = np.iinfo(np.int32).max
STATE_VERSION = 1  # of pickles; raised when the fitted state changes meaning
PASSIVE_AGGRESSIVE = ("pa1", "pa2")

_RATES = [Schedule, callable, Interval(Real, 0, None, closed="neither")]
_COMMON = {
    "fit_intercept": ["boolean"],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left"), None],
    "shuffle": ["boolean"],
    "verbose": ["verbose"],
    "random_state": ["random_state"],
    "learning_rate": [StrOptions({*SCHEDULES, "auto"}), *_RATES],
    "eta0": [Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, None, None, closed="neither")],
    "warm_start": ["boolean"],
    "average": [Interval(Integral, 0, None, closed="neither"), "boolean"],
    "batch_size": [Interval(Integral, 1, None, closed="left"), StrOptions({"full"})],
    # a class is refused by make_optimizer, which says what to write
    "optimizer": [StrOptions(set(OPTIMIZERS)), UpdateRule, Hidden(type)],
}
_PENALISED = {
    "penalty": [StrOptions({name for name in PENALTIES if name}), None],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
    "epsilon": [Interval(Real, 0, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
}


def _names(task):
    return {name for name, loss in LOSSES.items() if task in loss.tasks}


@dataclass
class _Job:
    """A fit that is prepared: what to train, and what is needed to make a fitted estimator of it.

    `rows` are the rows of X that it is about, as in a fold of cross-validation (None: all); `training`
    are the places among them that an internal validation split leaves for training (None: all).
    `describe` turns weights of all models into fitted attributes, for callbacks.
    """

    X: object
    y: np.ndarray
    sample_weight: object
    problems: list
    plan: Plan
    seed: int
    partial: bool
    coef: np.ndarray
    intercept: np.ndarray
    describe: Callable
    training: np.ndarray | None = None
    rows: np.ndarray | None = None

    @property
    def n_rows(self):
        return self.X.shape[0] if self.rows is None else len(self.rows)

    def make_order(self, problem):
        return kernels.Order(self.n_rows, self.seed, self.training, self.rows)


class _Descending(CallbackSupportMixin):
    """What the three estimators share; stands before scikit-learn's class among the bases."""

    _one_class = False
    _heard = None  # a list: what a fit has to say is kept there, not said

    # scikit-learn's binary classifier does not store the intercept while its average is in use, so that
    # each partial_fit starts from an older one: kept, for the same coefficients
    _keeps_intercept = False

    # -- parameters -------------------------------------------------------------------------------

    @classmethod
    def _get_param_names(cls):
        return list(_param_names(cls))

    def _check_combinations(self, partial=False):
        """Refuse parameters that are valid alone but not together."""
        early_stopping = getattr(self, "early_stopping", False)
        loss, classifies = self._loss(), isinstance(self, _SGDClassifier)
        if early_stopping and partial:
            raise ValueError(
                "early_stopping should be False with partial_fit: one epoch at a time leaves nothing "
                "to stop. Call fit, or watch the score between the calls yourself."
            )
        if not isinstance(self.learning_rate, str):
            make_schedule(self.learning_rate, eta0=self.eta0)
        rule = make_optimizer(self.optimizer)
        if not rule.plain:
            self._check_optimizer()
        if self.learning_rate == "optimal" and rule.rate is None and self._alpha() == 0:
            raise ValueError(
                "alpha must be > 0 since learning_rate is 'optimal'. alpha is used to compute the "
                "optimal learning rate. Set another learning_rate, such as 'invscaling'."
            )
        needed = "hinge" if classifies or self._one_class else "epsilon_insensitive"
        if self.learning_rate in PASSIVE_AGGRESSIVE and loss.name != needed:
            raise ValueError(f"Learning rate '{self.learning_rate}' only works with loss '{needed}'.")
        if self.learning_rate == "auto" and self.average:
            raise ValueError(
                "average must be False with learning_rate='auto', which averages the weights by itself "
                "where that is better."
            )
        if getattr(self, "multi_class", "ovr") == "multinomial":
            self._check_multinomial()
        if getattr(self, "penalty", None) == "elasticnet" and self.l1_ratio is None:
            raise ValueError("l1_ratio must be set when penalty is 'elasticnet'")

    def _check_optimizer(self):
        """Refuse what only plain SGD does."""
        if self.learning_rate in PASSIVE_AGGRESSIVE:
            raise ValueError(
                f"Learning rate '{self.learning_rate}' only works with optimizer 'sgd': its steps are no "
                "gradient steps. Set another learning_rate or optimizer='sgd'."
            )
        if self.learning_rate == "auto":
            raise ValueError(
                "learning_rate='auto' only works with optimizer 'sgd', whose steps it finds. Set another "
                "learning_rate or optimizer='sgd'."
            )
        if self.average:
            raise ValueError(
                f"average={self.average!r} only works with optimizer 'sgd'. Set average=False; "
                "optimizer='averaged' averages plain steps, the schedule-free ones average theirs."
            )

    def _loss(self):
        return LOSSES[self.loss]

    def _alpha(self):
        return self.alpha

    def _plan(self, partial, given=None):
        loss = self._loss()
        parameter = getattr(self, loss.parameter) if loss.parameter else 0.0
        if self._one_class:
            l1, l2 = 0.0, self.nu
        else:
            l1, l2 = strengths(self.penalty, self.alpha, self.l1_ratio)
        early_stopping = getattr(self, "early_stopping", False) and not partial
        rule = make_optimizer(self.optimizer)
        own_rate = self.learning_rate == "optimal" and rule.rate is not None
        adaptive = self.learning_rate == "auto"
        schedule = make_schedule(
            "constant" if own_rate or adaptive else self.learning_rate,
            eta0=rule.rate if own_rate else self.eta0,
            power_t=self.power_t,
            alpha=self._alpha(),
            loss=loss,
            parameter=parameter,
        )
        if partial and not schedule.endless:
            raise ValueError(
                f"learning_rate={self.learning_rate!r} falls over a whole fit, whose length partial_fit "
                "does not know. Give a schedule object with `steps`."
            )
        return Plan(
            loss=loss,
            parameter=parameter,
            l1=l1,
            l2=l2,
            schedule=schedule,
            learning_rate=self.learning_rate if isinstance(self.learning_rate, str) else "",
            eta0=self.eta0,
            max_iter=1 if partial else self.max_iter,
            tol=self.tol,
            n_iter_no_change=getattr(self, "n_iter_no_change", 5),
            fit_intercept=self.fit_intercept,
            average=int(self.average),
            batch_size=self.batch_size,
            nu=self.nu if self._one_class else None,
            early_stopping=early_stopping,
            # the user's own validation set brings back the best weights; an internal split does not
            restore_best=given is not None and early_stopping,
            relative_weights=not partial,  # a chunk's mean weight would undo its class weights
            verbose=int(self.verbose),
            # a copy: what is set on it later is not for the fit that is running
            optimizer=None if rule.plain else clone(rule),
            run=AutoRun if adaptive else None,
        )

    def _check_batch_size(self, n_samples):
        if isinstance(self.batch_size, bool):
            raise ValueError(
                f"batch_size={self.batch_size} is no number of rows: give 1 or more, or 'full'."
            )
        if self.batch_size != "full" and self.batch_size > n_samples:
            raise ValueError(
                f"batch_size={self.batch_size} is more than the {n_samples} rows of X. Set a smaller "
                "one, or batch_size='full' for one step per epoch over all rows."
            )

    # -- data -------------------------------------------------------------------------------------

    def _weights(self, sample_weight, X, dtype, rows=None):
        """Validated row weights, or None where all rows count the same; `rows` are trained on."""
        if sample_weight is None:
            return None
        lenient = getattr(self, "early_stopping", False)  # the split has its own sentence for it
        weight = check_sample_weight(sample_weight, X, dtype, allow_all_zero=lenient)
        if rows is not None and not lenient:
            refuse_weightless(weight[rows])
        return weight

    def _weight_dtype(self, X):
        """Type of the weights: as in an earlier call, else as X asks for."""
        coef = getattr(self, "coef_", None)
        if coef is not None and coef.dtype in (np.float32, np.float64):
            return coef.dtype
        return _float_like(X)

    def _split(self, y, weight, rows, given, partial):
        """Internal validation split of rows: places of training rows among them, and validation rows.

        int32 arrays in rising order of the places; (None, None) without a split.
        """
        if not self.early_stopping or partial or given is not None:
            return None, None
        y = y if rows is None else y[rows]
        splitter = ShuffleSplit if isinstance(self, _SGDRegressor) else StratifiedShuffleSplit
        split = splitter(test_size=self.validation_fraction, random_state=self.random_state)
        training, validation = next(split.split(np.zeros((len(y), 1)), y))
        training, validation = (np.sort(part).astype(np.int32) for part in (training, validation))
        validation = validation if rows is None else rows[validation]
        if weight is not None and not weight[validation].any():
            raise ValueError(
                "The sample weights for validation set are all zero, consider using a different "
                "random state."
            )
        return training, validation

    def _user_validation(self, X, y, X_val, y_val, sample_weight_val):
        """The user's own validation set, checked; None without."""
        if X_val is None:
            if y_val is not None or sample_weight_val is not None:
                raise ValueError("y_val and sample_weight_val need X_val, the validation rows.")
            return None
        if y_val is None:
            raise ValueError("X_val needs y_val, the targets of the validation rows.")
        if _same_length(X, X_val) and inside_cross_validation():
            raise ValueError(
                f"X_val has as many rows as X, {_length(X)}, inside scikit-learn's cross-validation. "
                "That cuts such a fit parameter to the rows of each training fold without saying so. "
                "Pass a validation set with another number of rows, or leave validation to the "
                "folds (early_stopping=True splits each training fold by itself)."
            )
        numeric = isinstance(self, _SGDRegressor)
        X_val, y_val = validated(self, X_val, y_val, reset=False, y_numeric=numeric)
        if _n_targets(y_val) != _n_targets(y):
            raise ValueError(
                f"y_val has {_n_targets(y_val)} targets, y has {_n_targets(y)}: they must be the same."
            )
        if sample_weight_val is not None:
            sample_weight_val = check_sample_weight(
                sample_weight_val, X_val, np.float64, allow_all_zero=False
            )
        return X_val, y_val, sample_weight_val

    def _start(self, n_models, n_features, dtype, coef_init, intercept_init, intercept_name="intercept"):
        """Weights to begin with, of shape (n_models, n_features) and (n_models,)."""
        coef = np.zeros((n_models, n_features), dtype=dtype)
        intercept = np.zeros(n_models, dtype=dtype)
        if coef_init is not None:
            coef_init = coef_init.toarray() if sp.issparse(coef_init) else np.asarray(coef_init, dtype)
            expected = (n_models, n_features)
            if (n_models > 1 and coef_init.shape != expected) or coef_init.size != coef.size:
                raise ValueError(
                    "Provided coef_init does not match dataset: it has shape "
                    f"{coef_init.shape}, the data need {expected}."
                )
            coef[:] = coef_init.reshape(coef.shape)
        if intercept_init is not None:
            intercept_init = np.asarray(intercept_init, dtype)
            if intercept_init.size != n_models or intercept_init.ndim > 1:
                raise ValueError(
                    f"Provided {intercept_name}_init does not match dataset: it has shape "
                    f"{intercept_init.shape}, the data need ({n_models},)."
                )
            intercept[:] = intercept_init
        if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            raise ValueError(f"coef_init and {intercept_name}_init must be finite numbers.")
        return coef, intercept

    # -- training ---------------------------------------------------------------------------------

    def _pace(self, problems, partial):
        """For learning_rate='auto': what it knows of the columns, and of an earlier call's progress."""
        if self.learning_rate != "auto":
            return
        columns = measure(problems[0].rows, problems[0].chosen)
        earlier, paces = getattr(self, "_auto", None) or (None, None)
        if partial:
            columns = columns if earlier is None else earlier.merged(columns)
            paces = paces or [Pace() for _ in problems]
        for i, problem in enumerate(problems):
            problem.columns = columns
            problem.pace = paces[i] if partial else None

    def _shuffles(self):
        return self.shuffle and self.batch_size != "full"  # the sum over all rows has no order

    def _descend(self, job):
        """Train the models of a job and set what they leave behind."""
        metadata = {"sample_weight": job.sample_weight}
        n_jobs = getattr(self, "n_jobs", None)
        with fit_task(self, job.plan.max_iter, X=job.X, y=job.y, metadata=metadata) as task:
            if task.active:
                results = self._train_watched(job, task)
            else:
                plans = [job.plan] * len(job.problems)
                results = train_all(job.problems, plans, job.make_order, n_jobs)
            self._conclude(job, results)
        return self

    def _train_watched(self, job, task):
        """The models of a job in step, for callbacks."""
        facts = {"seed": job.seed, "training": job.training, "partial": job.partial}
        job.seed = task.resumed_seed(facts)

        def describe(weights, steps):
            averaged = job.plan.average and job.plan.average <= job.problems[0].t - 1 + steps
            chosen = [own[2:4] if averaged else own[:2] for own in weights]
            coef = np.concatenate([np.atleast_2d(own[0]) for own in chosen])
            intercept = np.concatenate([np.atleast_1d(own[1]) for own in chosen])
            return job.describe(coef, intercept.astype(coef.dtype))

        order = job.make_order(job.problems[0])
        return train_watched(job.problems, job.plan, order, task, describe)

    def _conclude(self, job, results):
        """Results to attributes, errors and warnings."""
        for result in results:
            if isinstance(result, Overflow):
                raise ValueError(self._overflow_sentence(job.X, result)) from None
        self._store(results, job.plan, job.partial, job.intercept, job.n_rows)
        if job.plan.learning_rate == "auto":
            self._auto = job.problems[0].columns, [result.pace or Pace() for result in results]
        for result in results:
            if result.failure is not None:
                raise result.failure
        if not job.partial:
            self._warn(job, results)

    def _store(self, results, plan, partial, began, n_samples):
        """Results to attributes; `began` are the intercepts that training started from."""
        n_models = len(results)
        coef = np.atleast_2d(results[0].coef) if n_models == 1 else np.array([r.coef for r in results])
        intercept = np.ravel([result.intercept for result in results]).astype(coef.dtype)
        histories = stacked([result.history for result in results])
        reasons = [result.stop_reason for result in results]
        self.n_iter_ = max(result.n_iter for result in results)
        per_epoch = n_samples if plan.batch_size == 1 else results[0].steps // max(results[0].n_iter, 1)
        self.t_ += self.n_iter_ * per_epoch
        self.history_ = joined(getattr(self, "history_", None) if partial else None, histories)
        if partial:
            reasons = ["partial_fit runs one epoch."] * n_models
        self.stop_reason_ = reasons if n_models > 1 else reasons[0]
        self.__dict__.pop("_optimizer_states", None)
        if plan.optimizer is not None:
            self._optimizer_states = [result.state for result in results]
        if plan.average:
            averaged = plan.average <= self.t_ - 1.0
            self._average_coef = np.array([result.average_coef for result in results])
            self._average_intercept = np.array(
                [result.average_intercept for result in results], dtype=coef.dtype
            )
            self._standard_coef = coef
            keep = averaged and self._keeps_intercept and n_models == 1
            self._standard_intercept = began if keep else intercept
            if averaged:
                coef, intercept = self._average_coef, self._average_intercept
        elif partial and self._same_layout(coef):
            # in place: views that a program holds follow partial_fit, as with scikit-learn
            self.coef_.reshape(coef.shape)[:] = coef
            coef = None
        self._set_model(coef, intercept)

    def _same_layout(self, coef):
        old = getattr(self, "coef_", None)
        return (
            isinstance(old, np.ndarray)
            and old.dtype == coef.dtype
            and old.size == coef.size
            and old.flags.writeable
            and old.flags.c_contiguous
        )

    def _resume(self, dtype):
        """Weights and averages that an earlier `partial_fit` left: four arrays."""
        coef, intercept = self._get_model()
        if not getattr(self, "average", 0) or getattr(self, "_average_coef", None) is None:
            return coef.astype(dtype, copy=False), intercept.astype(dtype), None, None
        return (
            self._standard_coef.astype(dtype),
            self._standard_intercept.astype(dtype),
            self._average_coef,
            self._average_intercept,
        )

    def _states(self, n_models):
        """What the optimizer remembers of each model; None where it begins."""
        states = getattr(self, "_optimizer_states", None) or ()
        return states if len(states) == n_models else [None] * n_models

    def _forget(self, states=True):
        """Drop what an earlier fit left, before a new one; the optimizer's `states` if it begins anew."""
        if states:
            self.__dict__.pop("_optimizer_states", None)
        for which in ("standard", "average"):
            self.__dict__.pop(f"_{which}_coef", None)
            self.__dict__.pop(f"_{which}_intercept", None)
        self.__dict__.pop("_auto", None)
        self.t_ = 1.0

    def _internal_validation(self, X, rows, y_val, weight, classes=None):
        """Scoring function of the internal split, see `Problem.validate`.

        scikit-learn scores weights that lack the l2 penalty's scale: kept, since the number of epochs,
        and so the coefficients, depend on it. Its own scoring object is asked where a subclass scores
        in its own way; ours is the same number without the checks of a public `score`.
        """
        subset = RowSubset(X, rows)
        weight_val = np.ones(len(rows), y_val.dtype) if weight is None else weight[rows]
        published = validation_score(self, subset, y_val, weight_val, classes=classes)
        ours = self._scores_as_published()

        def score(coef, intercept, scale):
            coef = coef / coef.dtype.type(scale)
            if not ours:
                return published(coef, intercept)
            return self._score_raw(raw_scores(subset, coef[None], intercept).ravel(), y_val, weight_val)

        return score

    def _scores_as_published(self):
        """Whether `score` and what it calls are this module's and scikit-learn's."""
        ours = SGDRegressor if isinstance(self, SGDRegressor) else SGDClassifier
        names = ("score", "predict", "decision_function")
        return all(getattr(type(self), name, None) is getattr(ours, name, None) for name in names)

    # -- fits that went wrong -----------------------------------------------------------------------

    def _remedy(self, X, learning_rate):
        name, largest, median = worst_scaled(X, getattr(self, "feature_names_in_", None))
        facts = (
            f"The learning rate was {learning_rate:.3g}; the largest values are in {name}, up to "
            f"{largest:.3g}, against {median:.3g} in the median feature. "
        )
        if largest > 10 * max(median, 1.0):
            return facts + "Scale the features, for example by make_pipeline(StandardScaler(), ...)."
        if self.learning_rate == "optimal":
            return facts + "Set average=True, a larger alpha, or another learning_rate."
        return facts + "Set a smaller eta0."

    def _overflow_sentence(self, X, error):
        return (
            f"Floating-point under-/overflow occurred at epoch #{error.epoch}. Scaling input data "
            "with StandardScaler or MinMaxScaler might help. " + self._remedy(X, error.learning_rate)
        )

    def _warn(self, job, results):
        plan = job.plan
        if plan.tol is not None and self.n_iter_ == plan.max_iter:
            self._say(
                "Maximum number of iteration reached before convergence. Consider increasing "
                "max_iter to improve the fit.",
                ConvergenceWarning,
            )
        if self.power_t < 0:
            self._say(
                "Negative values for `power_t` are deprecated in scikit-learn 1.8 and will raise an "
                "error in 1.10: the learning rate would grow without bound. Use a value >= 0.",
                FutureWarning,
            )
        if plan.loss.name == "perceptron":
            return  # zero weights have loss zero: no fit can be better
        coefs, intercepts = self._get_model()

        def scores(rows):
            return raw_scores(job.X[rows], coefs, intercepts).astype(np.float64)

        checked = objective_check(job.problems, plan, coefs, intercepts, scores)
        for result, (here, zero) in zip(results, checked, strict=True):
            if not here <= zero * (1 + 1e-6) + 1e-12:
                rate = result.history["learning_rate"][-1]
                self._say(
                    f"The fit is worse than none: its objective on the data is {here:.3g} after "
                    f"{result.n_iter} epochs, with all weights zero it is {zero:.3g}. "
                    + self._remedy(job.X, rate),
                    ConvergenceWarning,
                )
                break

    def _say(self, message, category):
        """Warn the user, or leave it to the estimator that fits this one as one of many."""
        if self._heard is None:
            warnings.warn(message, category, stacklevel=callers_level())
        else:
            self._heard.append((message, category))

    # -- the fitted model -----------------------------------------------------------------------------

    def _get_model(self):
        """Weights that predict, dense: shapes (n_models, d) and (n_models,)."""
        coef = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        return np.atleast_2d(coef), self.intercept_

    def _scores(self, X):
        """Raw predictions of shape (n_samples, n_models)."""
        check_is_fitted(self)
        X = validated_for_prediction(self, X)
        coef = self.coef_ if sp.issparse(self.coef_) else np.atleast_2d(self.coef_)
        return raw_scores(X, coef, 0.0 if self._one_class else self.intercept_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def __getstate__(self):
        return {**super().__getstate__(), "_fastgd_state": (STATE_VERSION, __version__)}

    def __setstate__(self, state):
        version, written_by = state.pop("_fastgd_state", (STATE_VERSION, __version__))
        if version > STATE_VERSION:
            raise ValueError(
                f"This {type(self).__name__} was pickled by fastgd {written_by}, whose fitted state "
                f"fastgd {__version__} does not know. Load it with that version or a newer one."
            )
        super().__setstate__(state)


def _float_like(X):
    """Type of weights for X: float32 for float32, else float64."""
    return np.dtype(np.float32 if X.dtype == np.float32 else np.float64)


def _distinct(labels):
    """The classes in order, unless scikit-learn sees that they are none, such as fractions."""
    classes = labels_in_order(labels)
    return classes if classes.dtype.kind in "biu" else unique_labels(classes)


class _Generators(threading.local):
    """A random generator per thread: to make one takes longer than a short fit, to seed one does not."""

    def __init__(self):
        self.mine = np.random.RandomState()


_GENERATORS = _Generators()


def _random_state(seed):
    """scikit-learn's `check_random_state`; what it gives for an int is good until the next call."""
    if not isinstance(seed, Integral):
        return check_random_state(seed)
    _GENERATORS.mine.seed(seed)
    return _GENERATORS.mine


def _length(X):
    return X.shape[0] if hasattr(X, "shape") else len(X)


def _same_length(X, other):
    try:
        return _length(X) == _length(other)
    except TypeError:
        return False


@lru_cache(maxsize=64)
def _param_names(cls):
    """Names of an estimator's parameters; reading the signature for each fit anew takes too long."""
    return tuple(super(_Descending, cls)._get_param_names())


def _n_targets(y):
    return 1 if y.ndim == 1 else y.shape[1]


def _one_or_all(coef):
    """Weights of shape (d,) for one target, else (n_targets, d)."""
    return coef[0] if len(coef) == 1 else coef


def _chosen(training, rows):
    """The rows of X that are trained on: those at the `training` places among `rows`; None means all."""
    if training is None:
        return rows
    return training if rows is None else rows[training]


def _values_per_row(X):
    return X.nnz / X.shape[0] if sp.issparse(X) else X.shape[1]


class SGDClassifier(_Descending, _SGDClassifier):
    """Linear classifier trained by stochastic, mini-batch or full-batch gradient descent.

    A drop-in for scikit-learn's class of the same name: same parameters, defaults and attributes,
    and for ``batch_size=1`` the same coefficients for the same ``random_state``. It minimises::

        mean_i(weight_i * loss(y_i, w . x_i + b)) + penalty(w)

    by steps against the gradient. Several classes are trained one versus all, in one pass, or as one
    softmax (`multi_class`).

    Parameters
    ----------
    loss : str, default='hinge'
        With the margin ``m = y * (w . x + b)``, y in {-1, +1}: 'hinge' ``max(0, 1 - m)`` (a linear
        SVM), 'log_loss' ``log(1 + exp(-m))`` (logistic regression), 'modified_huber'
        ``max(0, 1 - m)**2`` for m >= -1, else ``-4 m``, 'squared_hinge' ``max(0, 1 - m)**2``,
        'perceptron' ``max(0, -m)``, or a loss of ``r = y - (w . x + b)``: 'squared_error' ``r**2 / 2``,
        'huber' the same up to ``abs(r) = epsilon``, beyond ``epsilon * abs(r) - epsilon**2 / 2``,
        'epsilon_insensitive' ``max(0, abs(r) - epsilon)``, 'squared_epsilon_insensitive' its square.

    penalty : {'l2', 'l1', 'elasticnet'} or None, default='l2'
        ``alpha / 2 * sum(w**2)``, ``alpha * sum(abs(w))``, or their mixture with shares
        ``1 - l1_ratio`` and ``l1_ratio``. The intercept is not penalised.

    alpha : float, default=0.0001
        Strength of the penalty, >= 0; also in the 'optimal' learning rate, which needs it > 0.

    l1_ratio : float or None, default=0.15
        Share of l1 in the elastic net, in [0, 1].

    fit_intercept : bool, default=True
        Whether to train the intercept b; without it, b = 0.

    max_iter : int, default=1000
        Most epochs (passes over the data) of `fit`.

    tol : float or None, default=1e-3
        Training stops when for `n_iter_no_change` epochs the objective (early stopping: the
        validation score) did not improve by `tol` over its best, ``objective > best - tol``. None: run
        all `max_iter` epochs. The objective is the epoch's running mean before each step, at no extra
        pass.

    shuffle : bool, default=True
        Whether to visit the rows in a new random order in each epoch.

    verbose : int, default=0
        Above 0, print a report of each epoch.

    epsilon : float, default=0.1
        Width of 'huber' and the epsilon-insensitive losses, in units of y.

    n_jobs : int or None, default=None
        Threads that train the classes of a multi-class problem; the result does not depend on it.

    random_state : int, RandomState or None, default=None
        Seeds the row order and the validation split.

    learning_rate : str, float, Schedule or callable, default='optimal'
        Size eta of step t = 1, 2, ...: 'constant' ``eta0``; 'optimal' ``1 / (alpha * (t0 + t - 1))``
        with Bottou's t0, for a first step of ``alpha**-0.25`` over the loss's slope at minus that, if it
        is above 1, or the constant rate that the optimizer's authors recommend, if it is not 'sgd' or
        'averaged'; 'invscaling' ``eta0 / t**power_t``; 'adaptive' ``eta0``, divided by 5 whenever
        training stops to improve; 'step', 'exponential', 'cosine', 'one_cycle' and 'polynomial' as in
        `fastgd.schedules`; for 'hinge' and 'epsilon_insensitive', the passive-aggressive 'pa1'
        ``min(eta0, loss / |x|^2)`` and 'pa2' ``loss / (|x|^2 + 1 / (2 eta0))``, times x. Or a
        number, a constant rate without regard to `eta0`; or an object of `fastgd.schedules`, whose
        parameters searches reach as ``learning_rate__steps``; or a function of the step.
        'auto' has no parameter: columns are scaled in passing, results stay in the user's units, and
        the step ``factor / (4 c R^2 sqrt(1 + k))`` follows from the mean squared norm R^2 of the scaled
        rows and the loss's curvature c; weights are averaged where that is better, and rolled back
        where they blow up (after Bach and Moulines, 2013, and Ross, Mineiro and Langford, 2013; see
        `fastgd.auto`). It trains one model at a time.

    eta0 : float, default=0.01
        Initial learning rate, > 0.

    power_t : float, default=0.5
        Exponent of 'invscaling'.

    early_stopping : bool, default=False
        Whether to stop on the score of a validation set: `validation_fraction` of the rows, or the
        one given to `fit`.

    validation_fraction : float, default=0.1
        Share of the rows held out for early stopping, in (0, 1), where `fit` is given none.

    n_iter_no_change : int, default=5
        Epochs without improvement before training stops.

    class_weight : dict, 'balanced' or None, default=None
        Weight of each class, multiplied with `sample_weight`; 'balanced' is ``n_samples / (n_classes *
        rows of the class)``. One versus all weighs the class itself and leaves the others at 1.

    warm_start : bool, default=False
        Whether `fit` starts from the weights of the last fit.

    average : bool or int, default=False
        Whether `coef_` is the average of the weights over all steps, ``(w_1 + ... + w_t) / t``; an int
        > 1 begins at that step.

    batch_size : int or 'full', default=1
        Rows per step. 1 is stochastic gradient descent, scikit-learn's algorithm; larger takes the
        mean gradient of that many rows per step; 'full' is batch gradient descent, one step per
        epoch. Schedules count steps, so larger batches want larger learning rates. Above 1, `fit` takes
        weights relative to their mean, so that weight 2 counts as the row twice; `partial_fit` takes
        them as they are.

    multi_class : {'ovr', 'multinomial'}, default='ovr'
        With more than two classes: one model per class against all others, or one softmax over the
        classes, ``-log softmax(W x + b)[y]``, for ``loss='log_loss'``, `penalty` 'l2' or None and no
        averaging; `predict_proba` is then that softmax. Class weights weigh the rows. With two classes
        both are the same model.

    optimizer : str or UpdateRule, default='sgd'
        How the weights answer a gradient: 'sgd', 'momentum', 'nesterov', 'adagrad', 'rmsprop',
        'adadelta', 'adam', 'amsgrad', 'nadam', 'adamw', 'lion', 'averaged', 'schedule_free_sgd',
        'schedule_free_adam', or an object of `fastgd.optimizers` such as ``Adam(beta1=0.8)``, with
        clipping and decoupled weight decay, whose parameters searches reach as ``optimizer__beta1``. All
        but 'sgd' take single rows as batches, with weights relative to their mean. They have the penalty
        in their gradient, so that l1 makes no weight exactly zero. Their state goes on in `partial_fit`
        and with `warm_start`.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        The weights w, float32 if X is, else float64.

    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts b.

    classes_ : ndarray of shape (n_classes,)
        The labels.

    n_iter_ : int
        Epochs until the stopping rule; the most of any class.

    t_ : float
        1 + steps taken (scikit-learn's count: epochs times rows, with `batch_size=1`).

    history_ : dict of ndarray
        One row per epoch: shape (epochs,), or (epochs, n_classes) padded with NaN for several
        models. 'loss': mean loss, each before its step; 'objective': the same with the penalty;
        'learning_rate': of the last step; 'update_norm': length of the epoch's way from start to
        end; 'validation_score' if there is a validation set; 'seconds' since the start.
        `partial_fit` appends.

    stop_reason_ : str or list of str
        Why training ended, for each model.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had such.

    Notes
    -----
    Dense and CSR data give the same model. See the README for what differs from scikit-learn.

    References
    ----------
    L. Bottou, "Stochastic Gradient Descent Tricks", 2012: scaled weights, lazy averages, 'optimal'.
    Y. Tsuruoka, J. Tsujii, S. Ananiadou, "Stochastic Gradient Descent Training for L1-regularized
    Log-linear Models with Cumulative Penalty", ACL 2009.
    K. Crammer et al., "Online Passive-Aggressive Algorithms", JMLR 2006.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from fastgd import SGDClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0))
    >>> bool(model.fit(X, y).score(X, y) > 0.97)
    True
    """

    _parameter_constraints: dict = {
        **_COMMON,
        **_PENALISED,
        "loss": [StrOptions(_names("classification"))],
        "multi_class": [StrOptions({"ovr", "multinomial"})],
        "n_jobs": [Integral, None],
        "class_weight": [StrOptions({"balanced"}), dict, None],
    }

    def __init__(
        self,
        loss="hinge",
        *,
        penalty="l2",
        alpha=0.0001,
        l1_ratio=0.15,
        fit_intercept=True,
        max_iter=1000,
        tol=1e-3,
        shuffle=True,
        verbose=0,
        epsilon=0.1,
        n_jobs=None,
        random_state=None,
        learning_rate="optimal",
        eta0=0.01,
        power_t=0.5,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        class_weight=None,
        warm_start=False,
        average=False,
        batch_size=1,
        multi_class="ovr",
        optimizer="sgd",
    ):
        super().__init__(
            loss=loss,
            penalty=penalty,
            alpha=alpha,
            l1_ratio=l1_ratio,
            fit_intercept=fit_intercept,
            max_iter=max_iter,
            tol=tol,
            shuffle=shuffle,
            verbose=verbose,
            epsilon=epsilon,
            n_jobs=n_jobs,
            random_state=random_state,
            learning_rate=learning_rate,
            eta0=eta0,
            power_t=power_t,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            class_weight=class_weight,
            warm_start=warm_start,
            average=average,
        )
        self.batch_size = batch_size
        self.multi_class = multi_class
        self.optimizer = optimizer

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(
        self,
        X,
        y,
        coef_init=None,
        intercept_init=None,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data; C-contiguous float32/float64 and CSR are used in place, never written to.

        y : array-like of shape (n_samples,)
            Labels.

        coef_init : ndarray of shape (1, n_features) or (n_classes, n_features), default=None
            Weights to start from.

        intercept_init : ndarray of shape (1,) or (n_classes,), default=None
            Intercepts to start from.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, >= 0.

        X_val, y_val : array-like, default=None
            The user's own validation set, in place of `validation_fraction`; its accuracy is in
            `history_`. With ``early_stopping=True`` training stops on it and the weights of its best
            epoch are restored.

        sample_weight_val : array-like, default=None
            Weights of the validation rows.

        Returns
        -------
        self : SGDClassifier

        Raises
        ------
        ValueError
            For data that cannot be trained on, and when the weights overflow.
        """
        self._check_combinations()
        X, y = validated(self, X, y, reset=True)
        given = self._user_validation(X, y, X_val, y_val, sample_weight_val)
        return self._descend(self._prepare(X, y, sample_weight, coef_init, intercept_init, given))

    def _prepare(
        self, X, y, sample_weight=None, coef_init=None, intercept_init=None, given=None, rows=None
    ):
        """What `fit` does to valid data before training; rows of X to train on, None for all."""
        start = (self.coef_, self.intercept_) if self.warm_start and hasattr(self, "coef_") else None
        self._check_batch_size(X.shape[0] if rows is None else len(rows))
        self.classes_ = classes = _distinct(y if rows is None else y[rows])
        if len(classes) < 2:
            raise ValueError(
                f"The number of classes has to be greater than one; got {len(classes)} class"
            )
        dtype = _float_like(X)
        if start is not None:
            coef_init = start[0] if coef_init is None else coef_init
            intercept_init = start[1] if intercept_init is None else intercept_init
        n_models = 1 if len(classes) == 2 else len(classes)
        coef, intercept = self._start(n_models, X.shape[1], dtype, coef_init, intercept_init)
        self._forget(states=start is None or coef_init is not start[0])
        return self._job(X, y, sample_weight, (coef, intercept, None, None), given, rows=rows)

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch on the given rows, going on from the present weights.

        The schedule goes on where the last call ended (`t_`); the row order starts anew with each
        call, as scikit-learn's does. Stopping rules are not applied.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The rows of this epoch, with the same features in each call.

        y : array-like of shape (n_samples,)
            Labels.

        classes : array-like of shape (n_classes,), default=None
            All labels that will ever come; required in the first call.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, >= 0.

        Returns
        -------
        self : SGDClassifier
        """
        first = not hasattr(self, "classes_")
        self._check_combinations(partial=first)
        if first and self.class_weight == "balanced":
            raise ValueError(
                "class_weight 'balanced' is not supported for partial_fit. In order to use "
                "'balanced' weights, use compute_class_weight('balanced', classes=classes, y=y). "
                "In place of y you can use a large enough sample of the full training set target "
                "to properly estimate the class frequency distributions. Pass the resulting "
                "weights as the class_weight parameter."
            )
        X, y = validated(self, X, y, reset=first)
        check_first_call(self, classes)
        n_models = 1 if len(self.classes_) == 2 else len(self.classes_)
        if len(self.classes_) < 2:
            raise ValueError("The number of classes has to be greater than one; got 1 class")
        if first or not hasattr(self, "coef_"):
            dtype = _float_like(X)
            self._forget()
            begin = (*self._start(n_models, X.shape[1], dtype, None, None), None, None)
        else:
            begin = self._resume(self._weight_dtype(X))
        return self._descend(self._job(X, y, sample_weight, begin, None, partial=True))

    def _job(self, X, y, sample_weight, begin, given, partial=False, rows=None):
        """Prepare one model per class, or one for two classes, from the weights in `begin`."""
        coef, intercept, average_coef, average_intercept = begin
        dtype = coef.dtype
        softmax = self._softmax()
        n_models = 1 if softmax else len(intercept)
        codes = self._codes(y, rows)
        weight = self._weights(sample_weight, X, dtype, rows)
        class_weight = np.ones(len(self.classes_))
        if self.class_weight is not None:
            seen = y if rows is None else y[rows]
            class_weight = compute_class_weight(self.class_weight, classes=self.classes_, y=seen)
            if not (np.isfinite(class_weight).all() and (class_weight >= 0).all() and class_weight.any()):
                raise ValueError(
                    f"class_weight gives the classes {self.classes_.tolist()} the weights "
                    f"{class_weight.tolist()}: they must be finite, >= 0 and not all zero."
                )
        if n_models == 1:
            # scikit-learn draws a seed for its data set, too, which ignores it
            random_state = _random_state(self.random_state)
            random_state.randint(1, MAX_INT)
            training, validation = self._split(codes, weight, rows, given, partial)
            seed = random_state.randint(MAX_INT)
        else:
            training, validation = self._split(codes, weight, rows, given, partial)
            seeds = _random_state(self.random_state).randint(MAX_INT, size=n_models)
            random_state = _random_state(seeds[0])  # all classes share the first one's order
            random_state.randint(1, MAX_INT)
            seed = random_state.randint(MAX_INT)
        shared = {
            "rows": make_rows(X),
            "values_per_row": _values_per_row(X),
            "targets": codes,
            "dtype": dtype,
            "weight": weight,
            "t": self.t_,
            "chosen": _chosen(training, rows),
        }
        problems = []
        states = self._states(n_models)
        if softmax:
            problems.append(
                Problem(
                    **shared,
                    label=0,
                    classes=len(self.classes_),
                    weight_pos=class_weight,
                    coef=coef,
                    intercept=intercept,
                    validate=self._softmax_validation(X, codes, weight, validation, given),
                )
            )
        for i in range(0 if softmax else n_models):
            positive = 1 if n_models == 1 else i
            problems.append(
                Problem(
                    **shared,
                    label=positive,
                    weight_pos=class_weight[positive],
                    weight_neg=class_weight[0] if n_models == 1 else 1.0,
                    coef=coef[i],
                    intercept=float(intercept[i]),
                    average_coef=None if average_coef is None else average_coef[i],
                    average_intercept=0.0 if average_intercept is None else float(average_intercept[i]),
                    state=states[i],
                    validate=self._validation(X, positive, codes, dtype, weight, validation, given),
                )
            )
        self._pace(problems, partial)
        return _Job(
            X=X,
            y=y,
            sample_weight=sample_weight,
            problems=problems,
            plan=self._plan(partial, given),
            seed=seed if self._shuffles() else None,
            partial=partial,
            coef=coef,
            intercept=intercept,
            describe=lambda coef, intercept: {"coef_": coef, "intercept_": intercept},
            training=training,
            rows=rows,
        )

    def _codes(self, y, rows):
        """The place of each label in `classes_`; of other rows than those trained on, any number."""
        codes = np.searchsorted(self.classes_, y)
        strings = [labels.dtype.kind in "OUS" for labels in (self.classes_, y)]
        unknown = np.ones(len(y), bool)  # strings among numbers: NumPy does not always compare them
        if strings[0] == strings[1]:
            unknown = self.classes_.take(codes, mode="clip") != y
        unknown = unknown if rows is None else unknown[rows]
        if np.any(unknown):
            raise ValueError(
                f"y has labels that are not in classes_: {np.unique(y[unknown])[:5].tolist()}. The first "
                "call of partial_fit must name all labels that will come, in `classes`."
            )
        return codes.astype(np.int32)

    def _softmax(self):
        """Whether this is one softmax over the classes; with two, it is the binary log_loss."""
        return self.multi_class == "multinomial" and len(self.classes_) > 2

    def _check_multinomial(self):
        """Refuse what has no softmax."""
        for name, allowed in (
            ("loss", ("log_loss",)),
            ("penalty", ("l2", None)),
            ("average", (False, 0)),
        ):
            value = getattr(self, name)
            if value not in allowed:
                raise ValueError(
                    f"multi_class='multinomial' needs {name}={' or '.join(map(repr, allowed[:2]))}, got "
                    f"{value!r}. Set it, or multi_class='ovr' for one model per class."
                )
        if self.learning_rate == "auto":
            raise ValueError(
                "learning_rate='auto' trains one model at a time, a softmax is several. Set "
                "multi_class='ovr', or another learning_rate, such as 'invscaling'."
            )
        if not make_optimizer(self.optimizer).plain:
            raise ValueError(
                f"multi_class='multinomial' needs optimizer='sgd', got {self.optimizer!r}. Set it, or "
                "multi_class='ovr' for one model per class."
            )

    def _softmax_validation(self, X, codes, weight, rows, given):
        """As `_validation`, for a softmax: accuracy."""
        if given is not None:
            X, y_val, weight = given
            right = self._codes_of_validation(y_val)
        elif rows is not None:
            X, right, weight = RowSubset(X, rows), codes[rows], None if weight is None else weight[rows]
        else:
            return None
        return lambda coef, intercept, scale: float(
            np.average(raw_scores(X, coef, intercept).argmax(axis=1) == right, weights=weight)
        )

    def _codes_of_validation(self, y_val):
        unknown = np.setdiff1d(y_val, self.classes_)
        if len(unknown):
            raise ValueError(f"y_val has labels that y does not have: {unknown[:5].tolist()}.")
        return np.searchsorted(self.classes_, y_val)

    def _predict_proba_lr(self, X):
        """What scikit-learn's `predict_proba` asks for log_loss: with softmax, its probabilities."""
        if not self._softmax():
            return super()._predict_proba_lr(X)
        scores = self.decision_function(X)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def _validation(self, X, positive, codes, dtype, weight, rows, given):
        """Scoring function of one model, see `Problem.validate`; None without a validation set."""
        if given is not None:
            X_val, y_val, weight_val = given
            sign = np.where(self._codes_of_validation(y_val) == positive, 1.0, -1.0)
            return lambda coef, intercept, scale: self._score_raw(
                raw_scores(X_val, coef[None], intercept).ravel(), sign, weight_val
            )
        if rows is None:
            return None
        # {-1, 1}, and {0, 1} for log_loss, as scikit-learn encodes it
        other = 0 if self.loss == "log_loss" else -1
        y_val = np.where(codes[rows] == positive, dtype.type(1), dtype.type(other))
        return self._internal_validation(X, rows, y_val, weight, np.array([-1, 1], dtype=dtype))

    _keeps_intercept = True

    @staticmethod
    def _score_raw(raw, y, weight):
        """Accuracy of raw predictions for y in {-1, +1}; rows with another y are never right."""
        return float(np.average(np.where(raw > 0, 1.0, -1.0) == y, weights=weight))

    def _set_model(self, coef, intercept):
        self.intercept_ = intercept
        if coef is not None:
            self.coef_ = coef

    def decision_function(self, X):
        """Raw predictions ``w . x + b``: signed distances to the hyperplanes, times ``|w|``.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows to predict, with the features of the fit.

        Returns
        -------
        ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
        """
        scores = self._scores(X)
        return scores.ravel() if scores.shape[1] == 1 else scores

    def predict(self, X):
        """Predicted labels: the class with the largest raw prediction.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows to predict, with the features of the fit.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        scores = self.decision_function(X)
        return self.classes_[scores.argmax(axis=1) if scores.ndim > 1 else (scores > 0).astype(np.intp)]


@explained.by(SGDClassifier)
class SGDRegressor(_Descending, _SGDRegressor):
    """Linear regression trained by stochastic, mini-batch or full-batch gradient descent.

    A drop-in for scikit-learn's class of the same name: same parameters, defaults and attributes,
    and for ``batch_size=1`` the same coefficients for the same ``random_state``. It minimises::

        mean_i(weight_i * loss(y_i, w . x_i + b)) + penalty(w)

    Parameters
    ----------
    loss : str, default='squared_error'
        With the residual ``r = y - (w . x + b)``: 'squared_error' ``r**2 / 2``, 'huber' the same up
        to ``abs(r) = epsilon``, beyond ``epsilon * abs(r) - epsilon**2 / 2``, 'epsilon_insensitive'
        ``max(0, abs(r) - epsilon)``, 'squared_epsilon_insensitive' its square, 'quantile'
        ``quantile * r`` for r > 0, else
        ``(quantile - 1) * r`` (the conditional quantile), 'poisson' ``exp(p) - y * p`` with
        ``p = w . x + b`` (counts, y >= 0: the model is ``exp(p)``, which `predict` returns).

    penalty : {'l2', 'l1', 'elasticnet'} or None, default='l2'
        ``alpha / 2 * sum(w**2)``, ``alpha * sum(abs(w))``, or their mixture with shares
        ``1 - l1_ratio`` and ``l1_ratio``. The intercept is not penalised.

    alpha : float, default=0.0001
        Strength of the penalty, >= 0; also in the 'optimal' learning rate, which needs it > 0.

    l1_ratio : float or None, default=0.15
        Share of l1 in the elastic net, in [0, 1].

    fit_intercept : bool, default=True
        Whether to train the intercept b; without it, b = 0.

    max_iter : int, default=1000
        Most epochs (passes over the data) of `fit`.

    tol : float or None, default=1e-3
        Training stops when for `n_iter_no_change` epochs the objective (early stopping: the
        validation R^2) did not improve by `tol` over its best, ``objective > best - tol``. None: run all
        `max_iter` epochs.

    shuffle : bool, default=True
        Whether to visit the rows in a new random order in each epoch.

    verbose : int, default=0
        Above 0, print a report of each epoch.

    epsilon : float, default=0.1
        Width of 'huber' and the epsilon-insensitive losses, in units of y.

    random_state : int, RandomState or None, default=None
        Seeds the row order and the validation split.

    learning_rate : str, float, Schedule or callable, default='invscaling'
        ...

    eta0 : float, default=0.01
        Initial learning rate, > 0.

    power_t : float, default=0.25
        Exponent of 'invscaling'.

    early_stopping : bool, default=False
        Whether to stop on the R^2 of a validation set: `validation_fraction` of the rows, or the one
        given to `fit`.

    validation_fraction : float, default=0.1
        Share of the rows held out for early stopping, in (0, 1), where `fit` is given none.

    n_iter_no_change : int, default=5
        Epochs without improvement before training stops.

    warm_start : bool, default=False
        Whether `fit` starts from the weights of the last fit.

    average : bool or int, default=False
        Whether `coef_` is the average of the weights over all steps, ``(w_1 + ... + w_t) / t``; an int
        > 1 begins at that step.

    batch_size : int or 'full', default=1
        ...

    quantile : float, default=0.5
        Level of the 'quantile' loss, in (0, 1); 0.5 is the median.

    optimizer : str or UpdateRule, default='sgd'
        ...

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        The weights w, float32 if X is, else float64.

    intercept_ : ndarray of shape (1,) or (n_targets,)
        The intercepts b.

    n_iter_, t_, history_, stop_reason_, n_features_in_, feature_names_in_
        As of `SGDClassifier`.

    Notes
    -----
    `score` is R^2 on the scale of y for every loss, 'poisson' included.

    References
    ----------
    As of `SGDClassifier`; R. Koenker, G. Bassett, "Regression Quantiles", Econometrica 1978.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from fastgd import SGDRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), SGDRegressor(random_state=0)).fit(X, y)
    >>> bool(model.score(X, y) > 0.5)
    True
    """

    _parameter_constraints: dict = {
        **_COMMON,
        **_PENALISED,
        "loss": [StrOptions(_names("regression"))],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(
        self,
        loss="squared_error",
        *,
        penalty="l2",
        alpha=0.0001,
        l1_ratio=0.15,
        fit_intercept=True,
        max_iter=1000,
        tol=1e-3,
        shuffle=True,
        verbose=0,
        epsilon=0.1,
        random_state=None,
        learning_rate="invscaling",
        eta0=0.01,
        power_t=0.25,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        warm_start=False,
        average=False,
        batch_size=1,
        quantile=0.5,
        optimizer="sgd",
    ):
        super().__init__(
            loss=loss,
            penalty=penalty,
            alpha=alpha,
            l1_ratio=l1_ratio,
            fit_intercept=fit_intercept,
            max_iter=max_iter,
            tol=tol,
            shuffle=shuffle,
            verbose=verbose,
            epsilon=epsilon,
            random_state=random_state,
            learning_rate=learning_rate,
            eta0=eta0,
            power_t=power_t,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            n_iter_no_change=n_iter_no_change,
            warm_start=warm_start,
            average=average,
        )
        self.batch_size = batch_size
        self.quantile = quantile
        self.optimizer = optimizer

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(
        self,
        X,
        y,
        coef_init=None,
        intercept_init=None,
        sample_weight=None,
        *,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data; C-contiguous float32/float64 and CSR are used in place, never written to.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets. Several are independent models that share each read of X.

        coef_init : ndarray of shape (n_features,) or (n_targets, n_features), default=None
            Weights to start from.

        intercept_init : ndarray of shape (1,) or (n_targets,), default=None
            Intercepts to start from.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, >= 0.

        X_val, y_val : array-like, default=None
            The user's own validation set, in place of `validation_fraction`; its R^2 is in
            `history_`. With ``early_stopping=True`` training stops on it and the weights of its best
            epoch are restored.

        sample_weight_val : array-like, default=None
            Weights of the validation rows.

        Returns
        -------
        self : SGDRegressor

        Raises
        ------
        ValueError
            For data that cannot be trained on, and when the weights overflow.
        """
        self._check_combinations()
        X, y = validated(self, X, y, reset=True, y_numeric=True)
        given = self._user_validation(X, y, X_val, y_val, sample_weight_val)
        return self._descend(self._prepare(X, y, sample_weight, coef_init, intercept_init, given))

    def _prepare(
        self, X, y, sample_weight=None, coef_init=None, intercept_init=None, given=None, rows=None
    ):
        """What `fit` does to valid data before training; rows of X to train on, None for all."""
        start = None
        if self.warm_start and getattr(self, "coef_", None) is not None:
            start = self._get_model()
        self._check_batch_size(X.shape[0] if rows is None else len(rows))
        dtype = _float_like(X)
        if start is not None:
            coef_init = start[0] if coef_init is None else coef_init
            intercept_init = start[1] if intercept_init is None else intercept_init
        coef, intercept = self._start(_n_targets(y), X.shape[1], dtype, coef_init, intercept_init)
        begin = (coef, intercept, None, None)
        if start is not None and self.average and coef_init is start[0]:
            begin = self._resume(dtype)  # scikit-learn's regressor goes on with both sequences
        self._forget(states=start is None or coef_init is not start[0])
        return self._job(X, y, sample_weight, begin, given, rows=rows)

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def partial_fit(self, X, y, sample_weight=None):
        """Train one epoch on the given rows, going on from the present weights.

        The schedule goes on where the last call ended (`t_`); the row order starts anew with each
        call, as scikit-learn's does. Stopping rules are not applied.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The rows of this epoch, with the same features in each call.

        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, >= 0.

        Returns
        -------
        self : SGDRegressor
        """
        first = getattr(self, "coef_", None) is None
        self._check_combinations(partial=first)
        X, y = validated(self, X, y, reset=first, y_numeric=True)
        if first:
            dtype = _float_like(X)
            self._forget()
            begin = (*self._start(_n_targets(y), X.shape[1], dtype, None, None), None, None)
        else:
            begin = self._resume(self._weight_dtype(X))
            if len(begin[1]) != _n_targets(y):
                raise ValueError(
                    f"y has {_n_targets(y)} targets, but this model was begun with {len(begin[1])}. Pass "
                    "as many, or begin a new model by fit."
                )
        return self._descend(self._job(X, y, sample_weight, begin, None, partial=True))

    def _job(self, X, y, sample_weight, begin, given, partial=False, rows=None):
        coef, intercept, average_coef, average_intercept = begin
        weight = self._weights(sample_weight, X, coef.dtype, rows)
        with np.errstate(over="ignore"):
            y = np.ascontiguousarray(y, dtype=coef.dtype)
        if not np.isfinite(y).all():
            raise ValueError(f"y has values beyond {coef.dtype}, the type of X and the weights.")
        self._check_targets(y if rows is None else y[rows])
        training, validation = self._split(y, weight, rows, given, partial)
        random_state = _random_state(self.random_state)
        seed = random_state.randint(0, MAX_INT)
        random_state.randint(1, MAX_INT)  # a data set's seed in scikit-learn, which ignores it
        shared = {
            "rows": make_rows(X),
            "values_per_row": _values_per_row(X),
            "targets": y,
            "weight": weight,
            "t": self.t_,
            "chosen": _chosen(training, rows),
        }
        states = self._states(len(intercept))
        problems = [
            Problem(
                **shared,
                column=i,
                coef=coef[i],
                intercept=float(intercept[i]),
                average_coef=None if average_coef is None else average_coef[i],
                average_intercept=0.0 if average_intercept is None else float(average_intercept[i]),
                state=states[i],
                validate=self._validation(X, y, i, weight, validation, given),
            )
            for i in range(len(intercept))
        ]
        self._pace(problems, partial)
        return _Job(
            X=X,
            y=y,
            sample_weight=sample_weight,
            problems=problems,
            plan=self._plan(partial, given),
            seed=seed if self._shuffles() else None,
            partial=partial,
            coef=coef,
            intercept=intercept,
            describe=lambda coef, intercept: {"coef_": _one_or_all(coef), "intercept_": intercept},
            training=training,
            rows=rows,
        )

    def _check_targets(self, y):
        if self.loss == "poisson" and (y < 0).any():
            row = int(np.argwhere(y < 0)[0, 0])
            raise ValueError(
                f"Some value(s) of y are out of the valid range of the loss 'poisson': row {row} has "
                f"y = {np.min(y[row]):g}, counts must be >= 0. Choose another loss for such targets."
            )

    def _link(self, raw):
        if self.loss != "poisson":
            return raw
        with np.errstate(over="ignore"):  # a mean beyond all numbers is the largest of them
            return np.minimum(np.exp(raw), np.finfo(raw.dtype).max)

    def _score_raw(self, raw, y, weight):
        """R^2 of raw predictions, as scikit-learn's `r2_score`."""
        if len(y) < 2:
            return np.nan
        y = y.astype(np.float64, copy=False)
        weight = np.ones(len(y)) if weight is None else weight
        residual = np.sum(weight * (y - self._link(raw)) ** 2)
        total = np.sum(weight * (y - np.average(y, weights=weight)) ** 2)
        if total == 0:
            return 1.0 if residual == 0 else 0.0
        return float(1 - residual / total)

    def _validation(self, X, y, column, weight, rows, given):
        """Scoring function of one target, see `Problem.validate`; None without a validation set."""
        y = y if y.ndim == 1 else y[:, column]
        if given is not None:
            X_val, y_val, weight_val = given
            self._check_targets(y_val)
            if len(y_val) < 2:
                raise ValueError("X_val has one row; the R^2 of a validation set needs at least two.")
            y_val = np.asarray(y_val if np.ndim(y_val) == 1 else y_val[:, column], np.float64)
            return lambda coef, intercept, scale: self._score_raw(
                raw_scores(X_val, coef[None], intercept).ravel(), y_val, weight_val
            )
        return None if rows is None else self._internal_validation(X, rows, y[rows], weight)

    def _set_model(self, coef, intercept):
        self.intercept_ = intercept
        if coef is not None:
            self.coef_ = _one_or_all(coef)

    def predict(self, X):
        """Predicted targets, on the scale of y.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows to predict, with the features of the fit.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_targets)
            ``w . x + b``, or its exponential for ``loss='poisson'``.
        """
        scores = self._scores(X)
        several = scores.ndim > 1 and scores.shape[1] > 1
        return self._link(scores if several else scores.ravel())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


@explained.by(SGDClassifier)
class SGDOneClassSVM(_Descending, _SGDOneClassSVM):
    """Linear one-class SVM trained by stochastic, mini-batch or full-batch gradient descent.

    A drop-in for scikit-learn's class of the same name, with the same coefficients for the same
    ``random_state``. It minimises, over weights w and offset rho::

        nu / 2 * sum(w**2) + nu * rho + mean_i(max(0, rho - w . x_i))

    up to a change of scale, so that about a share `nu` of the rows lies outside, ``w . x < rho``.

    Parameters
    ----------
    nu : float, default=0.5
        Bound on the share of training rows left outside, in (0, 1].

    fit_intercept : bool, default=True
        Whether to train the offset; without it, it keeps its start.

    max_iter : int, default=1000
        Most epochs of `fit`.

    tol : float or None, default=1e-3
        Training stops when for 5 epochs the objective did not improve by `tol` over its best,
        ``objective > best - tol``. None: run all `max_iter` epochs.

    shuffle : bool, default=True
        Whether to visit the rows in a new random order in each epoch.

    verbose : int, default=0
        Above 0, print a report of each epoch.

    random_state : int, RandomState or None, default=None
        Seeds the row order.

    learning_rate : str, float, Schedule or callable, default='optimal'
        In what follows, alpha is `nu`; there are no 'pa1' and 'pa2'.
        ...

    eta0 : float, default=0.01
        Initial learning rate, > 0.

    power_t : float, default=0.5
        Exponent of 'invscaling'.

    warm_start : bool, default=False
        Whether `fit` starts from the weights of the last fit.

    average : bool or int, default=False
        Whether `coef_` is the average of the weights over all steps, ``(w_1 + ... + w_t) / t``; an int
        > 1 begins at that step.

    batch_size : int or 'full', default=1
        ...

    optimizer : str or UpdateRule, default='sgd'
        ...

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
        The weights w.

    offset_ : ndarray of shape (1,)
        The offset rho: `decision_function` is ``w . x - rho``.

    n_iter_, t_, history_, stop_reason_, n_features_in_, feature_names_in_
        As of `SGDClassifier`.

    References
    ----------
    B. Schoelkopf et al., "Estimating the Support of a High-Dimensional Distribution", 2001.

    Examples
    --------
    >>> import numpy as np
    >>> from fastgd import SGDOneClassSVM
    >>> X = np.array([[-1, -1], [-2, -1], [1, 1], [2, 1]])
    >>> SGDOneClassSVM(random_state=42, tol=None).fit(X).predict([[4, 4]])
    array([1], dtype=int32)
    """

    _parameter_constraints = {
        **_COMMON,
        "nu": [Interval(Real, 0.0, 1.0, closed="right")],
        "learning_rate": [
            StrOptions(set(SCHEDULES) - set(PASSIVE_AGGRESSIVE)),
            Hidden(StrOptions(set(PASSIVE_AGGRESSIVE))),
            *_RATES,
        ],
    }

    def __init__(
        self,
        nu=0.5,
        fit_intercept=True,
        max_iter=1000,
        tol=1e-3,
        shuffle=True,
        verbose=0,
        random_state=None,
        learning_rate="optimal",
        eta0=0.01,
        power_t=0.5,
        warm_start=False,
        average=False,
        batch_size=1,
        optimizer="sgd",
    ):
        super().__init__(
            nu=nu,
            fit_intercept=fit_intercept,
            max_iter=max_iter,
            tol=tol,
            shuffle=shuffle,
            verbose=verbose,
            random_state=random_state,
            learning_rate=learning_rate,
            eta0=eta0,
            power_t=power_t,
            warm_start=warm_start,
            average=average,
        )
        self.batch_size = batch_size
        self.optimizer = optimizer

    _one_class = True

    def _loss(self):
        return LOSSES["hinge"]

    def _alpha(self):
        return self.nu

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X, y=None, coef_init=None, offset_init=None, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data; C-contiguous float32/float64 and CSR are used in place, never written to.

        y : None
            Ignored.

        coef_init : ndarray of shape (n_features,), default=None
            Weights to start from.

        offset_init : ndarray of shape (1,), default=None
            Offset to start from.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, >= 0.

        Returns
        -------
        self : SGDOneClassSVM
        """
        self._check_combinations()
        start = None
        if self.warm_start and getattr(self, "coef_", None) is not None:
            start = self.coef_, self.offset_
        X = validated(self, X, reset=True)
        self._check_batch_size(X.shape[0])
        dtype = _float_like(X)
        if start is not None:
            coef_init = start[0] if coef_init is None else coef_init
            offset_init = start[1] if offset_init is None else offset_init
        coef, offset = self._start(1, X.shape[1], dtype, coef_init, offset_init, "offset")
        self._forget(states=start is None or coef_init is not start[0])
        return self._descend(self._job(X, sample_weight, (coef, 1 - offset, None, None)))

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def partial_fit(self, X, y=None, sample_weight=None):
        """Train one epoch on the given rows, going on from the present weights.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The rows of this epoch, with the same features in each call.

        y : None
            Ignored.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, >= 0.

        Returns
        -------
        self : SGDOneClassSVM
        """
        first = getattr(self, "coef_", None) is None
        self._check_combinations(partial=first)
        X = validated(self, X, reset=first)
        if first:
            dtype = _float_like(X)
            self._forget()
            coef, offset = self._start(1, X.shape[1], dtype, None, None)
            begin = (coef, 1 - offset, None, None)
        else:
            begin = self._resume(self._weight_dtype(X))
        return self._descend(self._job(X, sample_weight, begin, partial=True))

    def _job(self, X, sample_weight, begin, partial=False):
        coef, intercept, average_coef, average_intercept = begin
        check_random_state(None).randint(1, MAX_INT)  # as scikit-learn does, for np.random.seed
        seed = _random_state(self.random_state).randint(0, MAX_INT)
        problem = Problem(
            rows=make_rows(X),
            values_per_row=_values_per_row(X),
            targets=np.ones(X.shape[0], dtype=coef.dtype),
            weight=self._weights(sample_weight, X, coef.dtype),
            coef=coef[0],
            intercept=float(intercept[0]),
            average_coef=None if average_coef is None else average_coef[0],
            average_intercept=0.0 if average_intercept is None else float(average_intercept[0]),
            state=self._states(1)[0],
            t=self.t_,
        )
        return _Job(
            X=X,
            y=None,
            sample_weight=sample_weight,
            problems=[problem],
            plan=self._plan(partial),
            seed=seed if self._shuffles() else None,
            partial=partial,
            coef=coef,
            intercept=intercept,
            describe=lambda coef, intercept: {"coef_": coef[0], "offset_": 1 - intercept},
        )

    def _get_model(self):
        coef = self.coef_.toarray() if sp.issparse(self.coef_) else self.coef_
        return np.atleast_2d(coef), 1 - self.offset_

    def _set_model(self, coef, intercept):
        self.offset_ = 1 - intercept
        if coef is not None:
            self.coef_ = coef[0]

    def decision_function(self, X):
        """Signed distance to the hyperplane, times ``|w|``: positive inside, negative outside.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows to predict, with the features of the fit.

        Returns
        -------
        ndarray of shape (n_samples,)
        """
        return self._scores(X).ravel() - self.offset_
