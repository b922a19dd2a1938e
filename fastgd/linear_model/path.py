"""SGDClassifierCV and SGDRegressorCV: the strength of the penalty chosen by cross-validation.

Design note. Each is its base estimator, with everything that one can do, and fits twice: first a path
of models, one per alpha and l1_ratio, on the training rows of each fold (`fit_together` trains them at
once, `raw_scores_together` scores them at once; a fold is an array of row numbers); then, by the base's
own `fit`, the best setting on all rows. The chosen strengths are fitted attributes that the base asks
for through `_alpha` and `_plan`; the parameters are never written to.
"""

import warnings
from dataclasses import replace
from numbers import Integral

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import check_random_state

from ..compat import (
    StrOptions,
    asks_for_responses,
    callers_level,
    check_sample_weight,
    fit_context,
    takes_weight,
)
from ..data import RowSubset, refuse_weightless, validated
from ..penalties import strengths
from . import explained
from .sharing import answering, fit_together, raw_scores_together
from .stochastic import MAX_INT, SGDClassifier, SGDRegressor
from .whole import all_or_nothing

__all__ = ["SGDClassifierCV", "SGDRegressorCV"]

FACTORS = 10.0 ** np.arange(3, -3, -1)  # of alpha, from strong to weak: ties go to the stronger penalty
OF_THE_PATH = ("alphas", "l1_ratios", "cv", "scoring")
_CONSTRAINTS = {
    "alphas": ["array-like", None],
    "l1_ratios": ["array-like", None],
    "cv": ["cv_object"],
    "scoring": [StrOptions(set(get_scorer_names())), callable, None],
}


class _Path:
    """What both classes share; stands before the base estimator among the bases."""

    _base: type | None = None  # the class of the models on the path

    # -- the chosen strengths, where the base asks for them ---------------------------------------

    def _alpha(self):
        return getattr(self, "alpha_", self.alpha)

    def _plan(self, partial, given=None):
        plan = super()._plan(partial, given)
        l1, l2 = strengths(self.penalty, self._alpha(), getattr(self, "l1_ratio_", self.l1_ratio))
        return replace(plan, l1=l1, l2=l2)

    # -- fitting ----------------------------------------------------------------------------------

    def _fit_path(self, X, y, sample_weight, groups):
        """Choose by cross-validation, then fit the chosen setting on all rows."""
        for name in ("alpha_", "l1_ratio_", "l1_ratios_"):
            self.__dict__.pop(name, None)
        mixed = self.penalty == "elasticnet"
        alphas = self._checked_path("alphas", self.alpha * FACTORS if self.alpha else [0.0])
        ratios = self._checked_path("l1_ratios", [self.l1_ratio]) if mixed else [self.l1_ratio]
        settings = [(alpha, ratio) for ratio in ratios for alpha in alphas]
        models = self._models(settings)
        scores = self._cross_validate(models, X, y, sample_weight, groups)
        mean = scores.mean(axis=1)
        if np.isnan(mean).all():
            raise ValueError(
                "No setting on the path has a score on every fold, so there is none to choose. Try other "
                "alphas, a smaller eta0, scaled features, or another `scoring`."
            )
        best = int(np.argmax(np.where(np.isnan(mean), -np.inf, mean)))
        self.alphas_, self.best_score_ = np.asarray(alphas, float), float(mean[best])
        self.scores_path_ = scores.reshape(len(ratios), len(alphas), -1)
        self.alpha_ = settings[best][0]
        if mixed:
            self.l1_ratios_, self.l1_ratio_ = np.asarray(ratios, float), settings[best][1]
        return super().fit(X, y, sample_weight=sample_weight)

    def _checked_path(self, name, default):
        """The values to try: finite numbers, at least one."""
        given = getattr(self, name)
        values = np.asarray(default if given is None else given)
        if values.ndim != 1 or not len(values) or values.dtype.kind not in "iuf":
            raise ValueError(f"{name} must be a list of one or more numbers; got {given!r}.")
        return values.tolist()

    def _models(self, settings):
        """An unfitted base estimator per setting; refuses values that its own checks refuse."""
        parameters = {n: v for n, v in self.get_params(deep=False).items() if n not in OF_THE_PATH}
        parameters.update(warm_start=False, verbose=0)
        if not isinstance(self.random_state, Integral):  # one order for the whole path
            parameters["random_state"] = check_random_state(self.random_state).randint(MAX_INT)
        models = []
        for alpha, ratio in settings:
            model = self._base(**{**parameters, "alpha": alpha, "l1_ratio": ratio})
            model._validate_params()
            model._check_combinations()
            models.append(model)
        return models

    def _cross_validate(self, models, X, y, sample_weight, groups):
        """Scores of shape (n_settings, n_splits); NaN where a fit failed."""
        X, y = self._checked_data(X, y)
        weight = sample_weight
        if weight is not None:
            weight = check_sample_weight(weight, X, np.float64, allow_all_zero=False)
        cv = check_cv(self.cv, y, classifier=is_classifier(self))
        scorer = check_scoring(models[0], scoring=self.scoring)
        everything, columns, heard = np.arange(X.shape[0]), [], []
        for train, test in cv.split(X, y, groups):
            train, test = everything[train], everything[test]
            copies = [_quiet(model) for model in models]
            fitted = fit_together(
                copies,
                X,
                y,
                rows=train,
                sample_weight=weight,
                n_jobs=getattr(self, "n_jobs", None),
            )
            heard += [copy._heard for copy in copies]
            columns.append(_scored([outcome for outcome, _ in fitted], X, y, test, weight, scorer))
        failures = [score for column in columns for score in column if isinstance(score, Exception)]
        if not columns:
            raise ValueError("cv gives no splits, so there is nothing to choose by.")
        if failures:
            _report(failures, len(models) * len(columns))
        _sum_up(heard)
        table = [[np.nan if isinstance(s, Exception) else s for s in column] for column in columns]
        return np.array(table, dtype=float).T

    def _checked_data(self, X, y):
        """X and y as the base's fit would take them."""
        numeric = not is_classifier(self)
        X, y = validated(self, X, y, reset=True, y_numeric=numeric)
        if not numeric and len(np.unique(y)) < 2:
            raise ValueError("The number of classes has to be greater than one; got 1 class")
        return X, y


@explained.by(SGDClassifier)
class SGDClassifierCV(_Path, SGDClassifier):
    """Linear classifier that chooses the strength of its penalty by cross-validation.

    `SGDClassifier` with a path: models for all `alphas` (and `l1_ratios`) are trained on each fold, in
    passes over X that they share (one by one for penalties 'elasticnet' and 'l1'), the setting with the
    best mean score is chosen, and fitted on all rows. The scores are those of a `GridSearchCV` over the
    same values.

    Parameters
    ----------
    alphas : array-like of shape (n_alphas,), default=None
        Strengths of the penalty to try, >= 0. None: `alpha` times 1000, 100, 10, 1, 0.1 and 0.01.
        Where scores are equal, the first one is chosen.

    l1_ratios : array-like of shape (n_l1_ratios,), default=None
        For ``penalty='elasticnet'``: shares of l1 to try, in [0, 1]. None: `l1_ratio` alone.

    cv : int, cross-validation generator or iterable, default=None
        The folds, as of scikit-learn's searches; None: 5 (stratified).

    scoring : str, callable or None, default=None
        What to choose by, larger is better; None: accuracy.

    ...

    Attributes
    ----------
    alpha_ : float
        The chosen strength.

    l1_ratio_ : float
        The chosen share of l1; only for ``penalty='elasticnet'``.

    scores_path_ : ndarray of shape (n_l1_ratios, n_alphas, n_splits)
        The score of every setting on every fold, NaN where the fit failed; n_l1_ratios is 1 unless
        ``penalty='elasticnet'``.

    best_score_ : float
        Mean over the folds of the chosen setting's scores.

    alphas_ : ndarray of shape (n_alphas,)
        The strengths that were tried.

    l1_ratios_ : ndarray of shape (n_l1_ratios,)
        The shares that were tried; only for ``penalty='elasticnet'``.

    coef_, intercept_, classes_, n_iter_, t_, history_, stop_reason_, n_features_in_, feature_names_in_
        As of `SGDClassifier`, from the fit on all rows.

    Notes
    -----
    `alpha` is the middle of the default path. With `random_state` None, one row order is drawn for the
    whole path. `verbose` and callbacks follow the fit on all rows, and `warm_start` is where this fit
    begins. `partial_fit` goes on with the chosen penalty; before any `fit`, with `alpha` and `l1_ratio`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastgd import SGDClassifierCV
    >>> X, y = load_iris(return_X_y=True)
    >>> model = SGDClassifierCV(alphas=[1e-3, 1e-2, 1e-1], random_state=0).fit(X, y)
    >>> model.scores_path_.shape
    (1, 3, 5)
    """

    _base = SGDClassifier

    _parameter_constraints = {**SGDClassifier._parameter_constraints, **_CONSTRAINTS}

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
        alphas=None,
        l1_ratios=None,
        cv=None,
        scoring=None,
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
            batch_size=batch_size,
            multi_class=multi_class,
            optimizer=optimizer,
        )
        self.alphas = alphas
        self.l1_ratios = l1_ratios
        self.cv = cv
        self.scoring = scoring

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Choose the penalty by cross-validation, then fit it on all rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data; C-contiguous float32/float64 and CSR are used in place, never written to.

        y : array-like of shape (n_samples,)
            Labels.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, >= 0, in training and, where `scoring` takes them, in the scores.

        groups : array-like of shape (n_samples,), default=None
            For a `cv` that keeps groups together.

        Returns
        -------
        self : SGDClassifierCV

        Raises
        ------
        ValueError
            For data that cannot be trained on, and when no setting has a score on every fold.

        Warns
        -----
        FitFailedWarning
            When some settings could not be fitted; they are not chosen.

        ConvergenceWarning
            One for all fits of the folds that did not end well, and one for the fit on all rows.
        """
        return self._fit_path(X, y, sample_weight, groups)


@explained.by(SGDRegressor)
class SGDRegressorCV(_Path, SGDRegressor):
    """Linear regression that chooses the strength of its penalty by cross-validation.

    `SGDRegressor` with a path; see `SGDClassifierCV`.

    Parameters
    ----------
    alphas : array-like of shape (n_alphas,), default=None
        Strengths of the penalty to try, >= 0. None: `alpha` times 1000, 100, 10, 1, 0.1 and 0.01.
        Where scores are equal, the first one is chosen.

    l1_ratios : array-like of shape (n_l1_ratios,), default=None
        For ``penalty='elasticnet'``: shares of l1 to try, in [0, 1]. None: `l1_ratio` alone.

    cv : int, cross-validation generator or iterable, default=None
        The folds, as of scikit-learn's searches; None: 5 in row order.

    scoring : str, callable or None, default=None
        What to choose by, larger is better; None: R^2.

    ...

    Attributes
    ----------
    alpha_ : float
        The chosen strength.

    l1_ratio_ : float
        The chosen share of l1; only for ``penalty='elasticnet'``.

    scores_path_ : ndarray of shape (n_l1_ratios, n_alphas, n_splits)
        The score of every setting on every fold, NaN where the fit failed; n_l1_ratios is 1 unless
        ``penalty='elasticnet'``.

    best_score_ : float
        Mean over the folds of the chosen setting's scores.

    alphas_ : ndarray of shape (n_alphas,)
        The strengths that were tried.

    l1_ratios_ : ndarray of shape (n_l1_ratios,)
        The shares that were tried; only for ``penalty='elasticnet'``.

    coef_, intercept_, n_iter_, t_, history_, stop_reason_, n_features_in_, feature_names_in_
        As of `SGDRegressor`, from the fit on all rows.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastgd import SGDRegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SGDRegressorCV(penalty="elasticnet", l1_ratios=[0.1, 0.9], cv=3, random_state=0)
    >>> model.fit(X, y).scores_path_.shape
    (2, 6, 3)
    """

    _base = SGDRegressor

    _parameter_constraints = {**SGDRegressor._parameter_constraints, **_CONSTRAINTS}

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
        alphas=None,
        l1_ratios=None,
        cv=None,
        scoring=None,
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
            batch_size=batch_size,
            quantile=quantile,
            optimizer=optimizer,
        )
        self.alphas = alphas
        self.l1_ratios = l1_ratios
        self.cv = cv
        self.scoring = scoring

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Choose the penalty by cross-validation, then fit it on all rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Training data; C-contiguous float32/float64 and CSR are used in place, never written to.

        y : array-like of shape (n_samples,)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, >= 0, in training and, where `scoring` takes them, in the scores.

        groups : array-like of shape (n_samples,), default=None
            For a `cv` that keeps groups together.

        Returns
        -------
        self : SGDRegressorCV

        Raises
        ------
        ValueError
            For data that cannot be trained on, and when no setting has a score on every fold.

        Warns
        -----
        FitFailedWarning
            When some settings could not be fitted; they are not chosen.

        ConvergenceWarning
            One for all fits of the folds that did not end well, and one for the fit on all rows.
        """
        return self._fit_path(X, y, sample_weight, groups)


def _scored(outcomes, X, y, test, weight, scorer):
    """Scores of fitted models on the test rows; the exceptions of those that failed in their place."""
    rows = RowSubset(X, test)
    fitted = [model for model in outcomes if not isinstance(model, Exception)]
    params = {}
    if weight is not None and fitted and takes_weight(scorer, fitted[0]):
        params["sample_weight"] = weight[test]
        refuse_weightless(weight[test])
    together = asks_for_responses(scorer)
    raws = raw_scores_together(fitted, rows) if together else (None for _ in fitted)
    sliced = None if together else X[test]
    scores = []
    for model in outcomes:
        if isinstance(model, Exception):
            scores.append(model)
        elif together:
            raw = next(raws)
            with answering(model, rows, raw):
                scores.append(_score(scorer, model, rows, y[test], params, raw))
        else:
            scores.append(scorer(model, sliced, y[test], **params))
    return scores


def _score(scorer, model, rows, y, params, raw):
    """The score, or what is wrong with it where predictions are not finite."""
    try:
        return scorer(model, rows, y, **params)
    except ValueError as error:
        if np.isfinite(raw).all():
            raise
        return ValueError(
            f"The predictions of the rows held out are not finite and have no score: {error} Scale X, "
            "whose values are too large for floating-point numbers."
        )


def _quiet(model):
    """A clone that keeps its warnings."""
    copy = clone(model)
    copy._heard = []
    return copy


def _sum_up(heard):
    """One warning for all fits of a path that did not converge."""
    doubts = [[said for said, category in each if category is ConvergenceWarning] for each in heard]
    doubts = [said for said in doubts if said]
    if doubts:
        warnings.warn(
            f"{len(doubts)} of {len(heard)} fits on the path did not end well. The first: {doubts[0][0]}",
            ConvergenceWarning,
            stacklevel=callers_level(),
        )


def _report(failures, of):
    """Raise if all fits of a path failed, else warn of those that did.

    Raises
    ------
    Exception
        What the first fit raised.
    """
    if len(failures) == of:
        raise failures[0]
    warnings.warn(
        f"{len(failures)} of {of} fits on the path failed, and their settings are not chosen. The first "
        f"one with {type(failures[0]).__name__}: {failures[0]}",
        FitFailedWarning,
        stacklevel=callers_level(),
    )
