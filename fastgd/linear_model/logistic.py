"""LogisticRegression: scikit-learn's estimator, run to its optimum by our solvers.

It subclasses scikit-learn's own, so that ``isinstance`` holds, and inherits what reads fitted
attributes. What it adds is the way from parameters to an `Objective` and a `Goal`, and from a
`Solution` to attributes. No loop over rows or iterations lives here.

`_Classes` stands between labels and raw predictions: two classes are one model, and a class whose rows
all have weight zero has no optimum of its own (its best intercept is minus infinity), so that the
others are fitted without it. `LogisticRegressionCV`, in :mod:`.logistic_path`, builds on both.
"""

import warnings
from functools import lru_cache
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from joblib import effective_n_jobs
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression as _LogisticRegression
from sklearn.utils import check_random_state, compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from ..callbacks import CallbackSupportMixin, fit_task
from ..compat import (
    Hidden,
    Interval,
    StrOptions,
    callers_level,
    check_sample_weight,
    default_of,
    fit_context,
)
from ..data import labels_in_order, raw_scores, validated, validated_for_prediction
from ..solvers import LOGISTIC, Certificate, Goal, Objective, Solution, solve
from .stochastic import MAX_INT
from .whole import all_or_nothing

__all__ = ["LogisticRegression"]

SKLEARN = ("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga")  # names of scikit-learn's that we run
OURS = {"auto", *LOGISTIC} - {*SKLEARN}
HANDED_OVER = "liblinear"  # penalises the intercept: another objective
STRICTER = 0.01  # times the square of a gradient's tol: the relative suboptimality asked for
ABSENT = 40.0  # e ** -ABSENT is nothing next to 1: minus the intercept of a class without weight
LARGEST_PENALTY = 1e100
SMALLEST_WEIGHT = 1e-20  # among the largest weights that are used as they are
SEPARATED = 1e-7  # of the objective at zero weights, below which nothing is left of a loss


class LogisticRegression(CallbackSupportMixin, _LogisticRegression):
    """Logistic regression, binary and multinomial, fitted until a certificate says it is good enough.

    A drop-in for scikit-learn's class of the same name, with the same objective::

        C * sum_i weight_i * loss(y_i, x_i) + l1_ratio * sum(abs(w)) + (1 - l1_ratio) / 2 * sum(w**2)

    The loss is ``log(1 + exp(-y (w . x + b)))``, y in {-1, +1}, for two classes, and that of the
    softmax of ``w_k . x + b_k`` for more. The intercepts b are not penalised. Features need no scaling:
    it happens implicitly, and changes neither the objective nor the coefficients.

    Parameters
    ----------
    penalty : {'l1', 'l2', 'elasticnet'} or None, default='deprecated'
        Deprecated in scikit-learn 1.8: set `l1_ratio`, or ``C=inf`` for no penalty.

    C : float, default=1.0
        Inverse of the strength of the penalty, > 0: what multiplies the losses. Infinity for no penalty.

    l1_ratio : float, default=0.0
        Share of l1 in the penalty, in [0, 1]: 0 is ``sum(w**2) / 2``, 1 is ``sum(abs(w))``.

    dual : bool, default=False
        Whether ``solver='liblinear'`` maximises the dual objective, whose maximum is the same model's;
        needs an l2 penalty.

    tol : float, default=1e-4
        Largest relative suboptimality, (F(w) - F*) / F(w), that `certificate_` may leave. With one of
        scikit-learn's solver names, which compare it with a gradient, it is ``tol**2 / 100``: the
        suboptimality goes with the square of the gradient.

    fit_intercept : bool, default=True
        Whether to fit the intercepts b; without them, b = 0.

    intercept_scaling : float, default=1
        With ``solver='liblinear'``: the value of a column that is appended to X. The intercept is its
        weight times this, and that weight is penalised like the others, the less the larger this is.

    class_weight : dict, 'balanced' or None, default=None
        Weight of each class, multiplied with `sample_weight`; 'balanced' is ``n_samples / (n_classes *
        rows of the class)``.

    random_state : int, RandomState or None, default=None
        Seeds what a solver draws. The optimum does not depend on it; None is a fixed seed.

    solver : str, default='auto'
        'auto' chooses by shape, sparsity, penalty and classes. One of fastgd's may be named: for two
        classes and no l1 'newton', 'conjugate' or 'dual', for more 'softmax', with l1 'newton_l1',
        'columns' or 'coordinate' for two and 'proximal' for any. scikit-learn's 'lbfgs', 'newton-cg',
        'newton-cholesky', 'sag' and 'saga' reach the same optimum as 'auto', with the penalties and
        warnings of that name. 'liblinear' penalises the intercept: scikit-learn's own code fits it.

    max_iter : int, default=100
        Most iterations of the solver, then a `ConvergenceWarning` says what is left to the optimum.

    verbose : int, default=0
        Above 0, print a line for each iteration.

    warm_start : bool, default=False
        Whether `fit` starts from the weights of the last fit.

    n_jobs : int or None, default=None
        Threads that share the rows of each pass; None is 1 outside `joblib.parallel_config`.

    max_time : float or None, default=None
        Seconds after which the fit stops, at a valid model.

    multi_class : {'auto', 'ovr', 'multinomial'}, default='deprecated'
        For programs written for scikit-learn before 1.8, which removed it. Where the installed version
        knows it, 'ovr' with several and 'multinomial' with two classes are fitted by scikit-learn's own
        code.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        The weights w, float32 if X is, else float64.

    intercept_ : ndarray of shape (1,) or (n_classes,)
        The intercepts b; those of several classes sum to zero, and without an l1 penalty so do the
        weights of each feature.

    classes_ : ndarray of shape (n_classes,)
        The labels.

    n_iter_ : ndarray of shape (1,) of int32
        Iterations.

    certificate_ : Certificate
        ``value`` and ``relative``: how far the objective, in units of the mean loss, is above its
        minimum (``relative``: over the objective). ``kind`` is 'gap' for a bound that holds, or
        'estimate' for one that may be off by a small factor. None after ``solver='liblinear'``.

    stop_reason_ : str
        Why the fit ended.

    history_ : dict of ndarray of shape (n_iter,)
        'objective' (mean loss and penalty), 'certificate' (relative) and 'seconds' of each iteration.

    solver_ : str
        The solver that found the weights.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of shape (n_features,)
        Names of the features, when X had such.

    Notes
    -----
    Weights count repetitions: weight 2 is the row twice, weight 0 no row. A class whose rows all have
    weight 0 keeps its place in `classes_`, with zero weights and an intercept that makes it improbable.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from fastgd import LogisticRegression
    >>> X, y = load_wine(return_X_y=True)
    >>> model = LogisticRegression().fit(X, y)
    >>> bool(model.certificate_.relative <= 1e-4)
    True
    """

    _parameter_constraints: dict = {
        "penalty": [
            StrOptions({"l1", "l2", "elasticnet"}),
            None,
            Hidden(StrOptions({"deprecated"})),
        ],
        "C": [Interval(Real, 0, None, closed="right")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both"), None],
        "dual": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "fit_intercept": ["boolean"],
        "intercept_scaling": [Interval(Real, 0, None, closed="neither")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
        "solver": [StrOptions({*OURS, *SKLEARN, HANDED_OVER})],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "n_jobs": [None, Integral],
        "max_time": [Interval(Real, 0, None, closed="neither"), None],
        "multi_class": [
            StrOptions({"auto", "ovr", "multinomial"}),
            Hidden(StrOptions({"deprecated"})),
        ],
    }

    def __init__(
        self,
        penalty="deprecated",
        *,
        C=1.0,
        l1_ratio=0.0,
        dual=False,
        tol=1e-4,
        fit_intercept=True,
        intercept_scaling=1,
        class_weight=None,
        random_state=None,
        solver="auto",
        max_iter=100,
        verbose=0,
        warm_start=False,
        n_jobs=None,
        max_time=None,
        multi_class="deprecated",
    ):
        self.penalty = penalty
        self.C = C
        self.l1_ratio = l1_ratio
        self.dual = dual
        self.tol = tol
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.random_state = random_state
        self.solver = solver
        self.max_iter = max_iter
        self.verbose = verbose
        self.warm_start = warm_start
        self.n_jobs = n_jobs
        self.max_time = max_time
        self.multi_class = multi_class

    @classmethod
    def _get_param_names(cls):
        return list(_param_names(cls))

    def set_callbacks(self, *callbacks):
        """Set the callbacks of the estimator, in place of those it had.

        Parameters
        ----------
        *callbacks : callback instances
            Told of each iteration; those of ``solver='liblinear'`` hear nothing, and a warning says so.

        Returns
        -------
        self : LogisticRegression
        """
        if self.solver == HANDED_OVER:
            warnings.warn(
                f"Callbacks are only supported in {type(self).__name__} for solver='lbfgs' and the other "
                f"solvers but 'liblinear'. This estimator has solver='{self.solver}', whose code is "
                "scikit-learn's: its callbacks will hear nothing of the fit.",
                stacklevel=callers_level(),
            )
        return CallbackSupportMixin.set_callbacks(self, *callbacks)

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data; C-contiguous float32/float64 and CSR are used in place, never written to.

        y : array-like of shape (n_samples,)
            Labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, >= 0; they count repetitions.

        Returns
        -------
        self : LogisticRegression

        Raises
        ------
        ValueError
            For parameters that do not go together, and data that cannot be trained on.
        """
        if self.solver == HANDED_OVER:
            return self._hand_over(X, y, sample_weight=sample_weight)
        C, l1_ratio = self._resolved_penalty()
        given = X, y
        X, y = validated(self, X, y, reset=True)
        labels, codes = encoded(y)
        if self._is_another_model(len(labels)):
            return self._hand_over(*given, sample_weight=sample_weight)
        self._check_classes(len(labels))
        weight = self._weights(sample_weight, X)
        factors = class_factors(self.class_weight, labels, codes, y, weight)
        weight = weighed(weight, factors, codes)
        start = self._start(len(labels), X.shape[1]) if self.warm_start else None
        classes = _Classes(labels, codes, weight, self.fit_intercept)
        self._optimise(X, y, classes, C, l1_ratio, start, {"sample_weight": sample_weight})
        return self

    # -- parameters -------------------------------------------------------------------------------

    def _resolved_penalty(self, quiet=False):
        """(C, l1_ratio) of the objective, after scikit-learn's warnings; refuses what a solver cannot."""
        deprecated = default_of(_LogisticRegression, "penalty") == "deprecated" and not quiet
        penalty, ratio = self.penalty, self.l1_ratio
        if penalty == "deprecated":
            if ratio is None and deprecated:
                warn(
                    "'l1_ratio=None' was deprecated in scikit-learn 1.8 and will be an error in 1.10. "
                    "Use a number from 0 to 1.",
                    FutureWarning,
                )
            penalty = {None: "l2", 0: "l2", 1: "l1"}.get(ratio, "elasticnet")
            if np.inf == self.C:
                penalty = None
        elif deprecated:
            warn(
                "'penalty' was deprecated in scikit-learn 1.8 and will be removed in 1.10. Leave it out: "
                "l1_ratio=0 stands for 'l2', l1_ratio=1 for 'l1', what is between for 'elasticnet', and "
                "C=np.inf for None.",
                FutureWarning,
            )
        self._check_solver(penalty)
        if penalty == "elasticnet" and ratio is None:
            raise ValueError("l1_ratio must be specified when penalty is elasticnet.")
        if quiet:
            return penalty
        if penalty != "elasticnet" and ratio is not None and 0 < ratio < 1:
            warn(
                f"l1_ratio parameter is only used when penalty is 'elasticnet'. Got (penalty={penalty})",
                UserWarning,
            )
        expected = {"l1": 1, "l2": 0}.get(self.penalty)
        if deprecated and expected is not None and ratio != expected:
            warn(
                f"Inconsistent values: penalty={self.penalty} with l1_ratio={ratio}. penalty is "
                "deprecated, and here it counts; use l1_ratio only.",
                UserWarning,
            )
        if self.penalty is None and self.C != 1.0:
            warn("Setting penalty=None will ignore the C and l1_ratio parameters", UserWarning)
        C = np.inf if penalty is None else self.C
        return C, {"l1": 1.0, "l2": 0.0, None: 0.0}.get(penalty, ratio)

    def _check_solver(self, penalty):
        """Refuse penalties that the named solver cannot have, in scikit-learn's words for its names."""
        solver = self.solver
        if solver in ("lbfgs", "newton-cg", "newton-cholesky", "sag") and penalty not in ("l2", None):
            raise ValueError(
                f"Solver {solver} supports only 'l2' or None penalties, got {penalty} penalty."
            )
        if penalty not in ("l2", None) and "l1" not in self._capabilities():
            raise ValueError(
                f"Solver {solver} needs a smooth objective, without an l1 share in the penalty; got "
                f"{penalty}. Use solver='auto'."
            )
        if self.dual and solver != HANDED_OVER:
            raise ValueError(f"Solver {solver} supports only dual=False, got dual={self.dual}")

    def _capabilities(self):
        """What the solver is for: two classes, several, an l1 penalty."""
        return LOGISTIC.get(self.solver, ("two", "several", "l1"))

    def _check_classes(self, n_classes):
        needed = "several" if n_classes > 2 else "two"
        if needed not in self._capabilities():
            raise ValueError(
                f"Solver {self.solver} is not for {needed} classes, and y has {n_classes}. Use "
                "solver='auto'."
            )

    def _is_another_model(self, n_classes):
        """Whether `multi_class` asks for a model that only versions of scikit-learn before 1.8 have."""
        if self.multi_class != ("ovr" if n_classes > 2 else "multinomial"):
            return False
        if default_of(_LogisticRegression, "multi_class") is None:
            raise ValueError(
                f"multi_class={self.multi_class!r} with {n_classes} classes is a model that scikit-learn "
                "removed in 1.8. Use OneVsRestClassifier(LogisticRegression()) for 'ovr', and leave "
                "multi_class out otherwise."
            )
        return True

    def _hand_over(self, X, y, **fit_params):
        """Fit scikit-learn's own class and take over what it leaves."""
        original = self._original()
        original.fit(X, y, **fit_params)
        for name, value in vars(original).items():
            if name.endswith("_") and not name.startswith("_"):
                setattr(self, name, value)
        self.certificate_, self.history_, self.solver_ = None, {}, original.solver
        self.stop_reason_ = "Fitted by scikit-learn's own code."
        return self

    def _original(self, base=_LogisticRegression, **changed):
        """scikit-learn's estimator with our parameters, as far as the installed version knows them."""
        known = base._get_param_names()
        parameters = {n: v for n, v in self.get_params(deep=False).items() if n in known}
        if default_of(base, "penalty") != "deprecated":
            penalty = self._resolved_penalty(quiet=True)
            parameters["penalty"] = penalty
            if "l1_ratio" in parameters and penalty != "elasticnet":
                parameters["l1_ratio"] = None
        if self.solver in OURS:
            parameters["solver"] = "lbfgs"
        return base(**{**parameters, **changed})

    def _goal(self, on_iteration=None):
        seed = self.random_state
        if seed is None:
            seed = 0
        elif not isinstance(seed, Integral):
            seed = check_random_state(seed).randint(MAX_INT)
        return Goal(
            tol=self.tol if self.solver in OURS else min(self.tol, STRICTER * self.tol**2),
            max_iter=self.max_iter,
            max_time=self.max_time,
            n_threads=effective_n_jobs(self.n_jobs),
            random_state=int(seed),
            verbose=int(self.verbose),
            on_iteration=on_iteration,
        )

    # -- data -------------------------------------------------------------------------------------

    def _weights(self, sample_weight, X):
        if sample_weight is None:
            return None
        return check_sample_weight(sample_weight, X, np.float64, allow_all_zero=False)

    def _start(self, n_classes, n_features):
        """(coef, intercept) of the last fit; None if there was none."""
        coef = getattr(self, "coef_", None)
        if coef is None:
            return None
        coef = np.asarray(coef.toarray() if sp.issparse(coef) else coef, dtype=np.float64)
        expected = (1 if n_classes == 2 else n_classes, n_features)
        if coef.shape != expected:
            raise ValueError(
                f"Initialization coef is of shape {coef.shape}, expected shape {expected}: warm_start "
                "goes on from the last fit, which had other data. Set warm_start=False, or fit a clone."
            )
        return coef, np.asarray(self.intercept_, dtype=np.float64)

    # -- the optimum ------------------------------------------------------------------------------

    def _optimise(self, X, y, classes, C, l1_ratio, start, metadata):
        """Run a solver on all rows and keep what it finds."""
        dtype = self._coef_dtype(X)
        with fit_task(self, self.max_iter, X=X, y=y, metadata=metadata) as task:
            watch = _Watch(task, classes, dtype) if task.active else None
            solution = classes.solve(X, C, l1_ratio, self._solver_name(), self._goal(watch), start)
            self._store(solution, classes, dtype)
        if solution.failure is not None:
            raise solution.failure
        if not (solution.converged or (watch is not None and watch.stopped)):
            self._warn_unconverged(solution)
        elif np.inf == C:
            self._warn_separated(solution, classes)

    def _coef_dtype(self, X):
        return np.dtype(np.float32 if X.dtype == np.float32 else np.float64)

    def _solver_name(self):
        return self.solver if self.solver in OURS else "auto"

    def _store(self, solution, classes, dtype):
        self.classes_ = classes.labels
        self.coef_, self.intercept_ = classes.attributes(solution.coef, solution.intercept, dtype)
        self.n_iter_ = np.array([solution.n_iter], dtype=np.int32)
        self.certificate_ = solution.certificate
        self.stop_reason_ = solution.stop_reason
        self.history_ = solution.history
        self.solver_ = solution.solver

    def _warn_unconverged(self, solution):
        n_iter, ours = solution.n_iter, self.solver in OURS
        state = (
            f"{solution.stop_reason} The relative suboptimality is "
            f"{'at most' if solution.certificate.kind == 'gap' else 'about'} "
            f"{solution.certificate.relative:.2g}."
        )
        more = "Increase the number of iterations"
        if ours:
            message = f"The fit stopped before tol={self.tol:g} was reached. {state} {more}, or tol."
        elif self.solver == "lbfgs":
            message = (
                f"lbfgs failed to converge after {n_iter} iteration(s) (status=1):\n{state}\n\n{more} to "
                f"improve the convergence (max_iter={self.max_iter})."
            )
        elif self.solver == "newton-cg":
            message = f"newton-cg failed to converge at loss = {solution.objective}. {more}. {state}"
        elif self.solver == "newton-cholesky":
            message = f"Newton solver did not converge after {n_iter} iterations. {state}"
        else:
            message = f"The max_iter was reached which means the coef_ did not converge. {state}"
        warn(message, ConvergenceWarning)

    def _warn_separated(self, solution, classes):
        if solution.objective <= SEPARATED * np.log(len(classes.labels)):
            warn(
                "The training rows can be told apart without error, and without a penalty there is no "
                "optimum then: the coefficients grow for as long as the fit goes on. They are finite, "
                "and as good as any others. Set a finite C for a model that is determined.",
                ConvergenceWarning,
            )

    # -- the fitted model -----------------------------------------------------------------------------

    def _scores(self, X):
        """Raw predictions of shape (n_samples, n_models)."""
        check_is_fitted(self)
        X = validated_for_prediction(self, X)
        return raw_scores(X, self.coef_, self.intercept_)

    def decision_function(self, X):
        """Raw predictions ``w . x + b``.

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
        """Predicted labels: the most probable class.

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

    def predict_proba(self, X):
        """Probabilities of the classes, in the order of `classes_`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows to predict, with the features of the fit.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        if self._is_old_model():
            return super().predict_proba(X)
        return self._probabilities(X, expit, softmax)

    def predict_log_proba(self, X):
        """Logarithms of the probabilities of the classes, exact where a probability is next to nothing.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows to predict, with the features of the fit.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
        """
        if self._is_old_model():
            return super().predict_log_proba(X)
        return self._probabilities(X, log_expit, log_softmax)

    def _is_old_model(self):
        known = default_of(_LogisticRegression, "multi_class") is not None
        return known and self.multi_class != "deprecated"

    def _probabilities(self, X, of_two, of_many):
        scores = self.decision_function(X)
        if scores.ndim > 1:
            return of_many(scores, axis=1)
        table = np.empty((len(scores), 2), dtype=scores.dtype)
        of_two(-scores, out=table[:, 0])
        of_two(scores, out=table[:, 1])
        return table

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        if hasattr(tags, "array_api_support"):
            tags.array_api_support = False
        return tags


class _Classes:
    """The classes of a fit, as models: what a solver sees of them, and the way back.

    Parameters
    ----------
    labels : ndarray of shape (n_classes,)
        All of them.
    codes : ndarray of int of shape (n_samples,)
        Places of the rows' labels.
    weight : ndarray of shape (n_samples,), or None
    fit_intercept : bool
    """

    def __init__(self, labels, codes, weight, fit_intercept):
        if len(labels) < 2:
            raise ValueError(
                "This solver needs samples of at least 2 classes in the data, but the data contains only "
                f"one class: {labels.tolist()[0]!r}"
            )
        self.labels, self.codes, self.weight = labels, codes, weight
        self.fit_intercept = fit_intercept
        self.present = np.arange(len(labels))
        # Without an intercept, weights of a class without rows are determined: it stays.
        if fit_intercept:
            self.present = np.flatnonzero(np.bincount(codes, weights=weight, minlength=len(labels)) > 0)
        self.whole = len(self.present) == len(labels)
        self.centred = True  # the weights of a feature sum to zero

    def solve(self, X, C, l1_ratio, solver, goal, start=None):
        """The optimum: a `Solution` whose weights `attributes` understands."""
        total = X.shape[0] if self.weight is None else float(self.weight.sum())
        strength = min(1.0 / (C * total), LARGEST_PENALTY) if C * total > 0 else LARGEST_PENALTY
        l1, l2 = l1_ratio * strength, (1.0 - l1_ratio) * strength
        self.centred = l1 == 0
        models = len(self.present)
        if models == 1:
            return self._certain(X.shape[1])
        weight = self.weight  # only their ratios count by now: large ones must not overflow float32
        if weight is not None and not SMALLEST_WEIGHT < weight.max() < 1 / SMALLEST_WEIGHT:
            weight = weight / weight.max()
        if start is None and goal.max_iter == 0:  # a solver may begin with better intercepts
            start = np.zeros((len(self.labels), X.shape[1])), np.zeros(len(self.labels))
        if start is not None:
            start = self._of_the_present(*start)
        setting = {"X": X, "weight": weight, "l1": l1, "fit_intercept": self.fit_intercept}
        if models == 2:
            # Two of several classes: w, -w in a softmax have half of the l2 penalty of 2 w in one model.
            l2 = l2 if len(self.labels) == 2 else 0.5 * l2
            y = np.where(self.codes == self.present[1], 1.0, -1.0)
            return solve(Objective(y=y, loss="log_loss", l2=l2, **setting), solver, goal, start)
        codes = self.codes
        if not self.whole:
            codes = np.minimum(np.searchsorted(self.present, codes), models - 1)
        objective = Objective(
            y=codes.astype(np.int32), loss="multinomial", classes=models, l2=l2, **setting
        )
        return solve(objective, solver, goal, start)

    def _of_the_present(self, coef, intercept):
        """Weights to begin with, of the models that a solver sees."""
        if len(self.labels) == 2:
            return coef[0], float(intercept[0])
        coef, intercept = coef[self.present], intercept[self.present]
        if len(self.present) == 2:
            return coef[1] - coef[0], float(intercept[1] - intercept[0])
        return coef, intercept

    def _certain(self, n_features):
        """All of the weight in one class: nothing to learn but which."""
        loss = float(np.exp(-ABSENT))
        return Solution(
            coef=np.zeros(n_features),
            intercept=ABSENT,
            objective=loss,
            n_iter=0,
            certificate=Certificate("gap", loss, loss / np.log(len(self.labels))),
            converged=True,
            stop_reason="All rows with a weight are of one class.",
            solver="none",
            history={name: np.empty(0) for name in ("objective", "certificate", "seconds")},
        )

    def attributes(self, coef, intercept, dtype):
        """`coef_` and `intercept_` of a solver's weights.

        Raises
        ------
        ValueError
            If they are not finite numbers of this type.
        """
        with np.errstate(over="ignore"):  # refused below
            found = self._expanded(coef, intercept, dtype)
        if not all(np.isfinite(values).all() for values in found):
            raise ValueError(
                f"The solution has coefficients that {dtype} cannot hold. Scale the features that are "
                "very small or very large, for example by StandardScaler."
            )
        return found

    def _expanded(self, coef, intercept, dtype):
        present, n_classes = self.present, len(self.labels)
        coef, intercept = np.atleast_2d(coef), np.atleast_1d(intercept)
        if n_classes == 2:
            sign = -1.0 if len(present) == 1 and present[0] == 0 else 1.0
            return (sign * coef).astype(dtype), (sign * intercept).astype(dtype)
        if len(present) == 1:
            coef, intercept = np.zeros_like(coef), np.zeros(1)
        elif len(present) == 2:
            coef, intercept = np.vstack([-coef, coef]) / 2, np.append(-intercept, intercept) / 2
        # Softmax does not see what all classes share.
        intercept = intercept - intercept.mean()
        if self.centred:
            coef = coef - coef.mean(axis=0)
        all_coef = np.zeros((n_classes, coef.shape[1]), dtype=dtype)
        all_intercept = np.full(n_classes, -ABSENT if self.fit_intercept else 0.0, dtype=dtype)
        all_coef[present], all_intercept[present] = coef, intercept
        return all_coef, all_intercept


class _Watch:
    """What a solver tells after each iteration, passed on to an estimator's callbacks."""

    def __init__(self, task, classes, dtype):
        self.task, self.classes, self.dtype = task, classes, dtype
        self.stopped = False

    def __call__(self, history, coef, intercept):
        def fitted():
            found = self.classes.attributes(coef, intercept, self.dtype)
            names = ("coef_", "intercept_", "classes_", "n_iter_")
            n_iter = np.array([len(history["objective"])], dtype=np.int32)
            return dict(zip(names, (*found, self.classes.labels, n_iter), strict=True))

        # Whether there will be an iteration is known only once it is over.
        self.task.epoch_begin(fitted)
        self.stopped = bool(self.task.epoch_end(fitted, history))
        return self.stopped


def encoded(y):
    """The labels in order, and the place of each row's label among them."""
    labels, codes = labels_in_order(y, return_inverse=True)
    if labels.dtype.kind not in "biu":
        check_classification_targets(y)
    return labels, codes


def class_factors(class_weight, labels, codes, y, weight):
    """What the rows of each class are multiplied with, of shape (n_classes,); None for ones.

    'balanced' makes the total weights of all classes that have any the same, where scikit-learn before
    1.7 counts rows instead of weights.
    """
    if class_weight is None:
        return None
    if isinstance(class_weight, str):
        sums = np.bincount(codes, weights=weight, minlength=len(labels)).astype(np.float64)
        present = sums > 0
        factors = np.zeros(len(labels))
        factors[present] = sums.sum() / (present.sum() * sums[present])
        return factors
    factors = np.asarray(compute_class_weight(class_weight, classes=labels, y=y), dtype=np.float64)
    if not (np.isfinite(factors).all() and (factors >= 0).all()):
        raise ValueError(
            f"class_weight must be finite numbers >= 0; got {class_weight!r}. Weights count how often a "
            "row stands for itself."
        )
    return factors


def weighed(weight, factors, codes):
    """Row weights times the factors of their classes.

    Raises
    ------
    ValueError
        If nothing is left of any row, or the weights are too large to be summed.
    """
    if factors is not None:
        weight = factors[codes] if weight is None else weight * factors[codes]
        if not weight.any():
            raise ValueError(
                "class_weight leaves no row to train on: all classes in y have weight 0 with it."
            )
    if weight is not None:
        with np.errstate(over="ignore"):
            total = weight.sum()
        if not np.isfinite(total):
            raise ValueError(
                "The sum of the weights is not a finite number: divide them by their largest."
            )
    return weight


def warn(message, category):
    """Warn at the line that called fit."""
    warnings.warn(message, category, stacklevel=callers_level())


@lru_cache(maxsize=64)
def _param_names(cls):
    """Names of an estimator's parameters; reading the signature for each fit anew takes too long."""
    return tuple(super(LogisticRegression, cls)._get_param_names())
