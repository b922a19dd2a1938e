"""LogisticRegressionCV: the strength of the penalty chosen by cross-validation.

Design note. It is a `LogisticRegression` that runs a path of solvers first: on each fold and for each
l1_ratio, one C after the other, from the weights of the one before. Folds run in threads. The rows of a
fold are copied where they are few; from `COPIED` bytes on, the others get weight zero instead, which is
another read of them per iteration but no memory. The fit on all rows, with the chosen penalty, begins
at the mean of the folds' weights.

Attributes keep scikit-learn's two layouts: `use_legacy_attributes`.
"""

import warnings
from numbers import Integral

import numpy as np
import scipy.sparse as sp
from joblib import Parallel, delayed, effective_n_jobs
from sklearn import get_config
from sklearn.linear_model import LogisticRegressionCV as _LogisticRegressionCV
from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils.metadata_routing import UNUSED, process_routing

from ..compat import (
    Hidden,
    Interval,
    StrOptions,
    check_method_params,
    default_of,
    fit_context,
    knowing_labels,
    raise_for_params,
)
from ..data import refuse_weightless, validated
from ..solvers import one_thread
from . import explained
from .logistic import (
    HANDED_OVER,
    SKLEARN,
    LogisticRegression,
    _Classes,
    class_factors,
    encoded,
    warn,
    weighed,
)
from .whole import all_or_nothing, silent

__all__ = ["LogisticRegressionCV"]

COPIED = 1 << 27  # bytes of a fold that are copied; larger ones become weights of zero


@explained.by(LogisticRegression)
class LogisticRegressionCV(LogisticRegression, _LogisticRegressionCV):
    """Logistic regression that chooses the strength of its penalty by cross-validation.

    A drop-in for scikit-learn's class of the same name: `LogisticRegression` with a path of `Cs` and
    `l1_ratios` on each fold. The pair with the best mean score is fitted on all rows.

    Parameters
    ----------
    Cs : int or array-like of shape (n_cs,), default=10
        Values of C to try, > 0; a number stands for as many from 1e-4 to 1e4.

    l1_ratios : array-like of shape (n_l1_ratios,) or None, default='warn'
        Values of `l1_ratio` to try. None, deprecated, is ``(0.0,)`` with other shapes of the attributes;
        so is the default, with scikit-learn's warning that it will change.

    cv : int, cross-validation generator or iterable, default=None
        The folds; None: 5 (stratified).

    scoring : str, callable or None, default='warn'
        What to choose by, larger is better; None: accuracy, and so is the default, with scikit-learn's
        warning that it will change.

    n_jobs : int or None, default=None
        Threads: folds side by side, and those of the fit on all rows.

    refit : bool, default=True
        Whether to fit all rows with the best pair. Otherwise weights and penalties are the means of each
        fold's best.

    use_legacy_attributes : bool, default='warn'
        The layout of the attributes below; the default is True, with scikit-learn's warning that it
        will change.

    ...

    Attributes
    ----------
    C_, l1_ratio_ : float; legacy: ndarray of shape (1,) or (n_classes,)
        The chosen pair.

    Cs_, l1_ratios_ : ndarray of shape (n_cs,), (n_l1_ratios,)
        What was tried.

    coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_cs, n_models, n_features + 1)
        The weights of each fit, the intercept (if there is one) at the end; n_models is 1 for two
        classes. Legacy: a dict, label -> ndarray of shape (n_folds, n_cs, n_l1_ratios, n_features + 1).

    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_cs)
        Legacy: a dict, label -> ndarray of shape (n_folds, n_cs, n_l1_ratios), the same for all labels.

    n_iter_ : ndarray of shape (n_folds, n_l1_ratios, n_cs)
        Iterations of each fit. Legacy: of shape (1, n_folds, n_cs, n_l1_ratios).

    coef_, intercept_, classes_, certificate_, stop_reason_, history_, solver_, n_features_in_,
    feature_names_in_
        As of `LogisticRegression`, of float64, from the fit on all rows; without `refit` there is no
        certificate (None) and no history.

    Notes
    -----
    `max_time`, `max_iter` and `verbose` are those of each fit. ``class_weight='balanced'`` balances all
    rows, not those of a fold. With ``l1_ratios=None``, legacy attributes lack the dimension n_l1_ratios.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from fastgd import LogisticRegressionCV
    >>> X, y = load_wine(return_X_y=True)
    >>> model = LogisticRegressionCV(l1_ratios=(0,), scoring="neg_log_loss", use_legacy_attributes=False)
    >>> model.fit(X, y).coefs_paths_.shape
    (5, 1, 10, 3, 14)
    """

    __metadata_request__score = {"sample_weight": UNUSED}

    _parameter_constraints = {
        **{
            name: constraint
            for name, constraint in LogisticRegression._parameter_constraints.items()
            if name not in ("C", "warm_start", "l1_ratio")
        },
        "penalty": [StrOptions({"l1", "l2", "elasticnet"}), Hidden(StrOptions({"deprecated"}))],
        "Cs": [Interval(Integral, 1, None, closed="left"), "array-like"],
        "l1_ratios": ["array-like", None, Hidden(StrOptions({"warn"}))],
        "cv": ["cv_object"],
        "scoring": [
            StrOptions(set(get_scorer_names())),
            callable,
            None,
            Hidden(StrOptions({"warn"})),
        ],
        "refit": ["boolean"],
        "use_legacy_attributes": ["boolean", Hidden(StrOptions({"warn"}))],
    }

    def __init__(
        self,
        *,
        Cs=10,
        l1_ratios="warn",
        fit_intercept=True,
        cv=None,
        dual=False,
        penalty="deprecated",
        scoring="warn",
        solver="auto",
        tol=1e-4,
        max_iter=100,
        class_weight=None,
        n_jobs=None,
        verbose=0,
        refit=True,
        intercept_scaling=1.0,
        random_state=None,
        use_legacy_attributes="warn",
        max_time=None,
        multi_class="deprecated",
    ):
        self.Cs = Cs
        self.l1_ratios = l1_ratios
        self.fit_intercept = fit_intercept
        self.cv = cv
        self.dual = dual
        self.penalty = penalty
        self.scoring = scoring
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.class_weight = class_weight
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.refit = refit
        self.intercept_scaling = intercept_scaling
        self.random_state = random_state
        self.use_legacy_attributes = use_legacy_attributes
        self.max_time = max_time
        self.multi_class = multi_class

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X, y, sample_weight=None, **params):
        """Choose the penalty by cross-validation and fit all rows with it.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data.

        y : array-like of shape (n_samples,)
            Labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, >= 0, in the fits and in the scores.

        **params : dict
            Passed on to the splitter and the scorer, where metadata routing is enabled.

        Returns
        -------
        self : LogisticRegressionCV

        Raises
        ------
        ValueError
            For parameters that do not go together, and data that cannot be trained on.
        """
        raise_for_params(params, self, "fit")
        if self.solver == HANDED_OVER:
            return self._hand_over(X, y, sample_weight=sample_weight, **params)
        Cs, ratios, given_ratios = self._resolved_path()
        scoring, legacy = self._resolved_scoring(), self._resolved_layout()
        given = X, y
        X, y = validated(self, X, y, reset=True)
        labels, codes = encoded(y)
        if self._is_another_model(len(labels)):
            return self._hand_over(*given, sample_weight=sample_weight, **params)
        everything = _Classes(labels, codes, None, self.fit_intercept)  # refuses a single class
        self._check_classes(len(labels))
        counts = self._weights(sample_weight, X)
        if isinstance(self.class_weight, dict) and not set(self.class_weight) <= set(labels.tolist()):
            raise ValueError(
                "The given class_weight dict must have the class labels as keys; "
                f"classes={labels} but key={self.class_weight.keys()}"
            )
        weight = weighed(counts, class_factors(self.class_weight, labels, codes, y, counts), codes)
        everything = _Classes(labels, codes, weight, self.fit_intercept)
        splits, scored_with = self._routed(X, y, sample_weight, params)
        folds = [(np.arange(X.shape[0])[train], np.arange(X.shape[0])[test]) for train, test in splits]
        paths = _Paths(self, X, y, everything, Cs, scoring, counts, scored_with)
        parallel = Parallel(n_jobs=self.n_jobs, require="sharedmem")
        tasks = [(fold, ratio) for fold in folds for ratio in ratios]
        with one_thread(effective_n_jobs(self.n_jobs) > 1):
            results = parallel(delayed(silent(paths.run))(*fold, ratio) for fold, ratio in tasks)
        shape = (len(folds), len(ratios), len(Cs))
        coefs, scores, n_iter = (np.array(part) for part in zip(*results, strict=True))
        coefs = coefs.reshape(*shape, *coefs.shape[2:])
        scores, n_iter = scores.reshape(shape), n_iter.reshape(shape)
        if self.refit:
            pair = self._refit(X, y, everything, Cs, ratios, coefs, scores, sample_weight)
        else:
            pair = self._average(everything, Cs, ratios, coefs, scores)
        self.Cs_, self.l1_ratios_ = Cs, np.asarray(ratios if given_ratios is not None else [None])
        self._lay_out(legacy, given_ratios is None, coefs, scores, n_iter, *pair)
        if paths.unconverged and not self.refit:
            self._warn_unconverged(paths.unconverged[0])
        return self

    # -- parameters -------------------------------------------------------------------------------

    def _resolved_path(self):
        """(Cs, l1_ratios, l1_ratios as given), after scikit-learn's warnings."""
        given, deprecated = self.l1_ratios, default_of(_LogisticRegressionCV, "penalty") == "deprecated"
        if isinstance(given, str):
            given = None
            if deprecated:
                warn(
                    "The default value for l1_ratios will change from None to (0.0,) in scikit-learn "
                    "1.10, where None will be forbidden. Set it, such as l1_ratios=(0,).",
                    FutureWarning,
                )
        elif given is None and deprecated and self.penalty == "deprecated":
            warn(
                "'l1_ratios=None' was deprecated in scikit-learn 1.8 and will be an error in 1.10. Use "
                "an array of numbers from 0 to 1.",
                FutureWarning,
            )
        penalty = self.penalty
        if penalty == "deprecated":
            ratios = np.zeros(1) if given is None else np.asarray(given)
            penalty = "l2" if np.all(ratios == 0) else "l1" if np.all(ratios == 1) else "elasticnet"
        elif deprecated:
            warn(
                "'penalty' was deprecated in scikit-learn 1.8 and will be removed in 1.10. Leave it out: "
                "l1_ratios=(0,) stands for 'l2', l1_ratios=(1,) for 'l1', what is between for "
                "'elasticnet', and Cs=(np.inf,) for none.",
                FutureWarning,
            )
        self._check_solver(penalty)
        if penalty == "elasticnet":
            ratios = _numbers(given)
            if ratios is None or not ((ratios >= 0) & (ratios <= 1)).all():
                raise ValueError(
                    "l1_ratios must be an array-like of numbers between 0 and 1; got "
                    f"(l1_ratios={given!r})"
                )
        else:
            if given is not None and self.penalty != "deprecated":
                warn(
                    "l1_ratios parameter is only used when penalty is 'elasticnet'. Got "
                    f"(penalty={penalty})",
                    UserWarning,
                )
            ratios = np.full(1 if given is None else len(given), 1.0 if penalty == "l1" else 0.0)
        Cs = self.Cs
        Cs = np.logspace(-4, 4, Cs) if isinstance(Cs, Integral) else _numbers(Cs)
        if Cs is None or not (Cs > 0).all():
            raise ValueError(f"Cs must be a number of values or an array of numbers > 0; got {self.Cs!r}")
        return Cs, ratios, given

    def _resolved_penalty(self, quiet=False):
        """The penalty's name, for scikit-learn's class of a version that wants one."""
        given = None if isinstance(self.l1_ratios, str) else self.l1_ratios
        if self.penalty != "deprecated":
            return self.penalty
        return "l2" if given is None or np.all(np.asarray(given) == 0) else "elasticnet"

    def _resolved_scoring(self):
        if self.scoring != "warn":
            return self.scoring
        if default_of(_LogisticRegressionCV, "scoring") == "warn":
            warn(
                "The default value of the parameter 'scoring' will change from None, which is accuracy, "
                "to 'neg_log_loss' in scikit-learn 1.11. Set it to either.",
                FutureWarning,
            )
        return None

    def _resolved_layout(self):
        if self.use_legacy_attributes != "warn":
            return self.use_legacy_attributes
        if default_of(_LogisticRegressionCV, "use_legacy_attributes") == "warn":
            warn(
                f"The fitted attributes of {type(self).__name__} will be simplified in scikit-learn "
                "1.10. The default value of use_legacy_attributes will change from True to False: set "
                "it to either.",
                FutureWarning,
            )
        return True

    def _original(self):
        """scikit-learn's estimator with our parameters, as far as the installed version knows them."""
        changed = {}
        if default_of(_LogisticRegressionCV, "penalty") != "deprecated":
            changed["l1_ratios"] = None if isinstance(self.l1_ratios, str) else self.l1_ratios
        if default_of(_LogisticRegressionCV, "scoring") != "warn" and isinstance(self.scoring, str):
            changed["scoring"] = None if self.scoring == "warn" else self.scoring
        return super()._original(_LogisticRegressionCV, **changed)

    def _get_scorer(self):
        """The scorer that `score` uses."""
        scoring = None if isinstance(self.scoring, str) and self.scoring == "warn" else self.scoring
        return get_scorer(scoring or "accuracy")

    def _coef_dtype(self, X):
        return np.dtype(np.float64)

    # -- the path -----------------------------------------------------------------------------------

    def _routed(self, X, y, sample_weight, params):
        """(train, test) of the folds, and what the scorer is given."""
        cv = check_cv(self.cv, y, classifier=True)
        if get_config().get("enable_metadata_routing", False):
            routed = process_routing(self, "fit", sample_weight=sample_weight, **params)
            return list(cv.split(X, y, **routed.splitter.split)), routed.scorer.score
        return list(cv.split(X, y)), {} if sample_weight is None else {"sample_weight": sample_weight}

    def _refit(self, X, y, classes, Cs, ratios, coefs, scores, sample_weight):
        """Fit all rows with the best pair; returns it."""
        # The smallest C first where scores are equal.
        at_C, at_ratio = np.unravel_index(scores.sum(axis=0).T.argmax(), (len(Cs), len(ratios)))
        C, ratio = float(Cs[at_C]), float(ratios[at_ratio])
        start = coefs[:, at_ratio, at_C].mean(axis=0)
        start = (start[:, : X.shape[1]], start[:, -1] if self.fit_intercept else np.zeros(len(start)))
        self._optimise(X, y, classes, C, ratio, start, {"sample_weight": sample_weight})
        return C, ratio

    def _average(self, classes, Cs, ratios, coefs, scores):
        """Mean weights and penalties of the folds' best pairs."""
        best = scores.swapaxes(1, 2).reshape(len(scores), -1).argmax(axis=1)
        at_C, at_ratio = np.unravel_index(best, (len(Cs), len(ratios)))
        mean = coefs[np.arange(len(coefs)), at_ratio, at_C].mean(axis=0)
        self.classes_ = classes.labels
        self.coef_ = mean[:, :-1] if self.fit_intercept else mean
        self.intercept_ = mean[:, -1] if self.fit_intercept else np.zeros(len(mean))
        self.certificate_, self.history_, self.solver_ = None, {}, self._solver_name()
        self.stop_reason_ = "The mean of the folds' best weights, which is no optimum (refit=False)."
        return float(Cs[at_C].mean()), float(ratios[at_ratio].mean())

    def _lay_out(self, legacy, flat, coefs, scores, n_iter, C, ratio):
        """Set the attributes of the path in one of scikit-learn's two layouts."""
        if not legacy:
            self.C_, self.l1_ratio_ = C, ratio
            self.coefs_paths_, self.scores_, self.n_iter_ = coefs, scores, n_iter
            return
        labels = self.classes_[1:] if len(self.classes_) == 2 else self.classes_
        coefs, scores, n_iter = (table.swapaxes(1, 2) for table in (coefs, scores, n_iter))
        if flat:
            coefs, scores, n_iter = (table[:, :, 0] for table in (coefs, scores, n_iter))
            ratio = None if self.refit else 0.0
        self.C_ = np.full(len(labels), C)
        self.l1_ratio_ = np.array([ratio] * len(labels))
        self.coefs_paths_ = {label: coefs[..., k, :] for k, label in enumerate(labels)}
        self.scores_ = {label: scores.copy() for label in labels}
        self.n_iter_ = n_iter[None]


class _Paths:
    """The fits of a path on the folds of a model in cross-validation."""

    def __init__(self, model, X, y, classes, Cs, scoring, counts, scored_with):
        self.model, self.X, self.y, self.classes, self.Cs = model, X, y, classes, Cs
        self.counts, self.scored_with = counts, scored_with
        self.scorer = None if scoring is None else knowing_labels(get_scorer(scoring), classes.labels)
        self.unconverged = []

    def run(self, train, test, ratio):
        """Weights, scores and iterations of one fold and l1_ratio, an entry for each C."""
        model, classes = self.model, self._of_fold(train)
        X, classes = classes
        X_test, y_test = self.X[test], self.y[test]
        scored, start, goal = self._fitted(), None, self._goal()
        coefs, scores, n_iter = [], [], []
        for C in self.Cs:
            solution = classes.solve(X, float(C), ratio, model._solver_name(), goal, start)
            if solution.failure is not None:
                raise solution.failure
            if not solution.converged:
                self.unconverged.append(solution)
            start = classes.attributes(solution.coef, solution.intercept, np.float64)
            coefs.append(np.column_stack(start) if model.fit_intercept else start[0])
            scored.C, (scored.coef_, scored.intercept_) = float(C), start
            scores.append(self._score(scored, X_test, y_test, test))
            n_iter.append(solution.n_iter)
        return coefs, scores, n_iter

    def _goal(self):
        goal = self.model._goal()
        return goal if self.model.n_jobs is None else type(goal)(**{**vars(goal), "n_threads": 1})

    def _of_fold(self, train):
        """The rows a fold trains on: a copy of them, or all rows with weights of zero elsewhere."""
        X, classes = self.X, self.classes
        size = X.data.nbytes if sp.issparse(X) else X.nbytes
        if size * len(train) <= COPIED * X.shape[0]:
            weight = None if classes.weight is None else classes.weight[train]
            return X[train], _Classes(classes.labels, classes.codes[train], weight, classes.fit_intercept)
        weight = np.bincount(train, minlength=X.shape[0]).astype(np.float64)
        if classes.weight is not None:
            weight *= classes.weight
        return X, _Classes(classes.labels, classes.codes, weight, classes.fit_intercept)

    def _fitted(self):
        """A fitted estimator, for scorers, that gets its weights later."""
        solver = self.model.solver
        model = LogisticRegression(
            fit_intercept=self.model.fit_intercept, solver=solver if solver in SKLEARN else "auto"
        )
        model.classes_, model.n_features_in_ = self.classes.labels, self.X.shape[1]
        return model

    def _score(self, fitted, X, y, test):
        if self.scorer is None:
            weight = None if self.counts is None else self.counts[test]
            refuse_weightless(weight)
            return fitted.score(X, y, sample_weight=weight)
        return self.scorer(fitted, X, y, **check_method_params(self.X, self.scored_with, indices=test))


def _numbers(values):
    """The values as an array of float64; None if they are not one or more numbers."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            values = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, Warning):
        return None
    return values if values.ndim == 1 and len(values) and not np.isnan(values).any() else None
