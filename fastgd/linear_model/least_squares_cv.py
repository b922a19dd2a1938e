"""RidgeCV, LassoCV and ElasticNetCV: the penalty by cross-validation, from moments that folds share.

X is read once for all folds and strengths: the moments of the training rows of a fold are those of all
rows minus those held out, and the held-out rows' own moments give the squared error of any coefficients
there. Where X is too wide for that, folds are cut out and solved by working sets.
"""

import warnings
from functools import partial
from numbers import Integral, Number, Real

import numpy as np
import scipy.sparse as sp
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNetCV as _ElasticNetCV
from sklearn.linear_model import LassoCV as _LassoCV
from sklearn.linear_model import RidgeCV as _RidgeCV
from sklearn.model_selection import check_cv
from sklearn.utils import check_scalar, column_or_1d
from sklearn.utils.metadata_routing import process_routing

from ..compat import Interval, callers_level, fit_context, raise_for_params, routing_enabled, takes_weight
from ..solvers import coordinate, gram
from ..solvers.moments import gather, moments, sample_mean
from ..solvers.objective import Certificate, Objective
from . import explained
from .least_squares import MAX_TIME, ElasticNet, Lasso, Ridge, Solved, float_like, narrowed
from .whole import all_or_nothing, silent

__all__ = ["ElasticNetCV", "LassoCV", "RidgeCV"]

WIDEST = 2000  # columns whose moments folds share


# -- folds -----------------------------------------------------------------------------------------------


def shares_moments(X):
    """Whether the moments of all columns are a sensible way to fit many times."""
    n, d = X.shape
    return d <= WIDEST and (d <= n or d <= coordinate.WHOLE)


class Folds:
    """Moments of the training and the held-out rows of each fold.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d)
    y : ndarray of shape (n, n_targets)
    weight : ndarray of shape (n,), or None
    splits : list of (train, test)
        Row numbers.
    fit_intercept : bool
    """

    def __init__(self, X, y, weight, splits, fit_intercept):
        self.data = (X, y, weight)
        self.fit_intercept = fit_intercept
        n = X.shape[0]
        self.shift = _shift(X, y, fit_intercept)
        tests = [np.asarray(test) for _, test in splits]
        apart = np.concatenate(tests) if tests else np.zeros(0, dtype=int)
        whole = len(apart) == n and len(np.unique(apart)) == n
        self.tests = [self._of(test) for test in tests]
        self.total = sum(self.tests[1:], self.tests[0]) if whole else self._of(None)
        self.trains = [
            self._train(np.asarray(train), tests[i], self.tests[i]) for i, (train, _) in enumerate(splits)
        ]

    def _of(self, rows):
        X, y, weight = self.data
        return moments(X, y, weight, rows, self.shift)

    def _train(self, train, test, held_out):
        n = self.data[0].shape[0]
        complement = 2 * len(test) <= n and len(train) + len(test) == n
        if complement:
            seen = np.zeros(n, dtype=bool)
            seen[train] = True
            complement = seen.sum() == len(train) and not seen[test].any()
        weight = self.data[2]
        if complement and weight is not None:
            complement = weight[train].sum() >= 0.1 * weight.sum()
        # a difference of nearly all would lose digits
        return self.total - held_out if complement else self._of(train)


def _shift(X, y, center):
    shift = np.zeros(X.shape[1] + y.shape[1])
    if center:
        if not sp.issparse(X):
            shift[: X.shape[1]] = sample_mean(X)
        shift[X.shape[1] :] = sample_mean(y)
    return shift


def mean_squared_errors(table, coefs, intercepts):
    """Of coefficients of shape (k, d) and intercepts (k,) on the rows of a table with one target."""
    d = table.d
    shift = table.shift
    a = np.empty((len(coefs), d + 2))
    a[:, :d] = -coefs
    a[:, d] = 1.0
    a[:, d + 1] = shift[d] - intercepts - coefs @ shift[:d]
    errors = np.einsum("kj,kj->k", a @ table.table, a) / table.table[-1, -1]
    return np.maximum(errors, 0.0)


# -- RidgeCV ---------------------------------------------------------------------------------------------


class Predicted(RegressorMixin, BaseEstimator):
    """Stands for a model in the eyes of a scorer: its X are the predictions."""

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return X


class RidgeCV(Solved, _RidgeCV):
    """Ridge regression with the strength of the penalty chosen by cross-validation.

    Each model minimises ``||y - Xw - b||^2 + alpha ||w||^2``, the rows weighted. By default every row is
    left out in turn, exactly and for all strengths at once, from one eigendecomposition.

    Parameters
    ----------
    alphas : float or array-like of shape (n_alphas,), default=(0.1, 1.0, 10.0)
        Strengths alpha to choose from; positive, where rows are left out one by one.

    fit_intercept : bool, default=True
        Whether to fit an intercept.

    scoring : str, callable or None, default=None
        How to score; None for the negative mean squared error of left-out rows, R^2 with `cv`.

    cv : int, splitter, iterable or None, default=None
        The folds: how many, in row order, or what makes them; None to leave out one row at a time.

    gcv_mode : {"auto", "svd", "eigen"} or None, default=None
        Accepted as scikit-learn has it; the decomposition is chosen by the shape of X.

    store_cv_results : bool, default=False
        Whether to keep `cv_results_`; only without `cv`.

    alpha_per_target : bool, default=False
        Whether each target has its own strength; only without `cv`.

    max_time : float or None, default=None
        Seconds after which an iterative solver of one fold stops where it is.

    Attributes
    ----------
    cv_results_ : ndarray of shape (n_samples, n_alphas) or (n_samples, n_targets, n_alphas)
        Squared errors of left-out rows, or predictions for them if `scoring` is given.
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    alpha_ : float or ndarray of shape (n_targets,)
    best_score_ : float or ndarray of shape (n_targets,)
    certificate_, stop_reason_, history_
        As of :class:`Ridge`, of the model with the chosen strength.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> import numpy as np
    >>> from fastgd import RidgeCV
    >>> X = np.arange(10.0)[:, None]
    >>> RidgeCV(alphas=[1e-3, 1.0]).fit(X, 2 * X[:, 0]).alpha_
    0.001
    """

    _parameter_constraints = {**_RidgeCV._parameter_constraints, **MAX_TIME}

    def __init__(
        self,
        alphas=(0.1, 1.0, 10.0),
        *,
        fit_intercept=True,
        scoring=None,
        cv=None,
        gcv_mode=None,
        store_cv_results=False,
        alpha_per_target=False,
        max_time=None,
    ):
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.gcv_mode = gcv_mode
        self.store_cv_results = store_cv_results
        self.alpha_per_target = alpha_per_target
        self.max_time = max_time

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X, y, sample_weight=None, **params):
        """Fit the model, the strength of its penalty chosen by cross-validation.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; each column is a model of its own.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the rows, in fits and in scores.
        **params : dict
            For the scorer, where metadata routing is enabled.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For bad input, and for values whose squares overflow.
        """
        raise_for_params(params, self, "fit")
        alphas = self._checked_alphas()
        if self.cv is not None:
            if self.store_cv_results:
                raise ValueError("cv!=None and store_cv_results=True are incompatible")
            if self.alpha_per_target:
                raise ValueError("cv!=None and alpha_per_target=True are incompatible")
        X, y = self._read(X, y)
        if self.gcv_mode == "svd" and sp.issparse(X) and self.cv is None:
            self._warn_of_svd()
        weight = self._row_weights(sample_weight, X)
        scorer = self._get_scorer()
        routed = {}
        if routing_enabled():
            if sample_weight is not None:
                params = {**params, "sample_weight": sample_weight}
            routed = process_routing(self, "fit", **params)
        if self.cv is None:
            score = routed.scorer.score if routed else {}
            if not routed and sample_weight is not None:
                score = {"sample_weight": weight}
            self._leave_one_out(X, y, weight, alphas, None if self.scoring is None else scorer, score)
        else:
            split = routed.splitter.split if routed else {}
            score = routed.scorer.score if routed else {}
            if not routed and weight is not None and takes_weight(scorer, self):
                score = {"sample_weight": weight}
            self._by_folds(X, y, weight, alphas, scorer, split, score)
        return self

    def _checked_alphas(self):
        check = partial(
            check_scalar,
            target_type=Real,
            min_val=0.0,
            include_boundaries="neither" if self.cv is None else "left",
        )
        if isinstance(self.alphas, (np.ndarray, list, tuple)) and np.ndim(self.alphas):
            several = len(self.alphas) > 1
            for index, alpha in enumerate(self.alphas):
                check(alpha, f"alphas[{index}]" if several else "alphas")
        return np.atleast_1d(np.asarray(self.alphas, dtype=np.float64))

    def _warn_of_svd(self):
        warnings.warn(
            "The 'svd' mode is not supported for sparse X, we fallback to `gcv_mode='eigen'`. Passing "
            "`gcv_mode='svd'` on sparse X will raise an error in 1.11, use the default or pass "
            "`gcv_mode='eigen'` to suppress this warning.",
            FutureWarning,
            stacklevel=callers_level(),
        )

    def _objective(self, X, y, weight, l2=0.0):
        return Objective(X, y, "squared_error", weight, l2=l2, fit_intercept=self.fit_intercept)

    # -- one row at a time ----------------------------------------------------------------------------

    def _leave_one_out(self, X, y, weight, alphas, scorer, score_params):
        objective = self._objective(X, y, weight)
        problem = gram.Problem(objective)
        n, targets = problem.y.shape
        largest = 1.0 if weight is None else float(weight.max())
        total = float(n if weight is None else weight.sum())
        keep = scorer is not None or self.store_cv_results
        table = np.empty((n, targets, len(alphas))) if keep else None
        squares = np.zeros((targets, len(alphas)))

        def visit(start, stop, errors):
            squares[:] += (errors**2).sum(axis=0)
            if keep:
                table[start:stop] = errors * largest**0.5

        solution = gram.leave_one_out(problem, alphas / total, visit)
        if scorer is None:
            scores = -squares * (largest / n)  # the problem's weights are relative to the largest
            if keep:
                table **= 2
        else:
            root = np.ones(n) if weight is None else np.sqrt(weight)
            shown = root > 0
            table /= np.where(shown, root, 1.0)[:, None, None]
            np.subtract(problem.y[:, :, None], table, out=table)
            scores = self._scored(table, y, scorer, score_params)
        if self.alpha_per_target and targets > 1:
            best = scores.argmax(axis=1)
            picked = [solution(j) for j in best]
            coef = np.array([one[0][k] for k, one in enumerate(picked)])
            intercept = np.array([one[1][k] for k, one in enumerate(picked)])
            self.alpha_ = alphas[best]
            self.best_score_ = scores[np.arange(targets), best]
        else:
            mean = scores.mean(axis=0) if scores.ndim == 2 else scores
            best = int(np.argmax(mean))
            coef, intercept = solution(best)
            self.alpha_ = float(alphas[best])
            self.best_score_ = float(mean[best])
        if self.store_cv_results:
            results = table[:, 0] if y.ndim == 1 else table
            self.cv_results_ = results.astype(float_like(X))
        l2 = np.broadcast_to(np.asarray(self.alpha_) / total, (targets,))
        self._describe(problem, coef, intercept, l2, X, y)

    def _scored(self, predictions, y, scorer, params):
        """Scores of the predictions for left-out rows: of shape (n_alphas,), or (n_targets, n_alphas)."""
        count = predictions.shape[2]
        if self.alpha_per_target and y.ndim == 2:
            return np.array(
                [
                    [scorer(Predicted(), predictions[:, k, j], y[:, k], **params) for j in range(count)]
                    for k in range(y.shape[1])
                ]
            )
        shown = predictions[:, 0] if y.ndim == 1 else predictions
        return np.array([scorer(Predicted(), shown[..., j], y, **params) for j in range(count)])

    def _describe(self, problem, coef, intercept, l2, X, y):
        """Attributes of a solution by eigenvectors, which is as precise as rounding allows."""
        kind = float_like(X)
        flat = y.ndim == 1 or y.shape[1] == 1
        self.coef_ = narrowed(coef.reshape(-1) if flat else coef, kind)
        self.intercept_ = (
            narrowed(intercept, kind).reshape(y.shape[1:])[()] if self.fit_intercept else 0.0
        )
        s = np.ones(problem.n) if problem.weight is None else problem.weight
        residual = problem.y - (problem.X @ coef.T + intercept)
        squares = (s[:, None] * residual**2).sum(axis=0) / s.sum()
        value = float((0.5 * squares + 0.5 * l2 * (coef**2).sum(axis=1)).sum())
        self.certificate_ = Certificate("estimate", 0.0, 0.0)
        self.stop_reason_ = "The solution is direct: its error is that of rounding."
        self.history_ = {
            "objective": np.array([value]),
            "certificate": np.zeros(1),
            "seconds": np.zeros(1),
        }

    # -- folds ----------------------------------------------------------------------------------------

    def _by_folds(self, X, y, weight, alphas, scorer, split_params, score_params):
        splits = list(check_cv(self.cv).split(X, y, **split_params))
        model = Ridge(fit_intercept=self.fit_intercept, max_time=self.max_time)
        scores = np.empty((len(splits), len(alphas)))
        two = y[:, None] if y.ndim == 1 else y
        shared = shares_moments(X)
        folds = Folds(X, two, weight, splits, self.fit_intercept) if shared else None
        for i, (train, test) in enumerate(splits):
            X_test, y_test = gather(X, np.asarray(test)), gather(y, np.asarray(test))
            params = {
                name: value[test] if np.ndim(value) and len(value) == len(y) else value
                for name, value in score_params.items()
            }
            if shared:
                stats = folds.trains[i].centred(self.fit_intercept)
                spectrum = gram.Spectrum(stats)
            for j, alpha in enumerate(alphas):
                if shared:
                    W = spectrum.coef(alpha / stats.total)
                    intercept = stats.intercept(W) if self.fit_intercept else np.zeros(len(W))
                    fitted = fitted_ridge(model, W, intercept, X, y)
                else:
                    fitted = Ridge(alpha=alpha, fit_intercept=self.fit_intercept, max_time=self.max_time)
                    fitted.fit(X[train], y[train], None if weight is None else weight[train])
                scores[i, j] = scorer(fitted, X_test, y_test, **params)
        mean = scores.mean(axis=0)
        best = int(np.argmax(np.where(np.isnan(mean), -np.inf, mean)))
        self.alpha_ = float(alphas[best])
        self.best_score_ = float(mean[best])
        total = X.shape[0] if weight is None else weight.sum()
        objective = self._objective(X, y, weight, self.alpha_ / total)
        solution = gram.solve(objective, self._goal(1e-4))
        self._store(solution, X, y, flat=True)


def fitted_ridge(model, coef, intercept, X, y):
    """The model with coefficients, as if it had been fitted."""
    kind = float_like(X)
    flat = y.ndim == 1 or y.shape[1] == 1
    model.n_features_in_ = X.shape[1]
    model.coef_ = narrowed(coef.reshape(-1) if flat else coef, kind)
    model.intercept_ = narrowed(intercept, kind).reshape(y.shape[1:])[()]
    return model


# -- LassoCV and ElasticNetCV ----------------------------------------------------------------------------


class PenaltyPath(Solved):
    """What LassoCV and ElasticNetCV share."""

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X, y, sample_weight=None, **params):
        """Fit the model, the strength of its penalties chosen by cross-validation.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the rows, in fits and in scores.
        **params : dict
            For the splitter, where metadata routing is enabled.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For bad input, and for values whose squares overflow.
        """
        raise_for_params(params, self, "fit")
        X, y = self._read(X, y)
        if y.ndim == 2 and y.shape[1] > 1:
            raise ValueError(f"For multi-task outputs, use MultiTask{type(self).__name__}")
        y = column_or_1d(y, warn=True)
        weight = None
        if sample_weight is not None and not isinstance(sample_weight, Number):
            weight = self._row_weights(sample_weight, X)
        ratios = np.atleast_1d(getattr(self, "l1_ratio", 1.0)).astype(np.float64)
        cv = check_cv(self.cv)
        split = {}
        if routing_enabled():
            given = {} if sample_weight is None else {"sample_weight": sample_weight}
            split = process_routing(self, "fit", **given, **params).splitter.split
        splits = list(cv.split(X, y, **split))
        settings = {"shuffle": self.selection == "random"}
        goal = self._goal(self.tol, self.max_iter, **settings)
        shared = shares_moments(X)
        if shared:
            folds = Folds(X, y[:, None], weight, splits, self.fit_intercept)
            correlation = folds.total.centred(self.fit_intercept).B[:, 0]
        else:
            correlation = correlations(X, y, weight, self.fit_intercept)
        grids = self._grids(correlation, ratios)
        if shared:
            trains = [table.centred(self.fit_intercept) for table in folds.trains]
            jobs = [
                delayed(silent(errors_on_moments))(trains[i], folds.tests[i], grid, ratio, self, goal)
                for grid, ratio in zip(grids, ratios, strict=True)
                for i in range(len(splits))
            ]
        else:
            jobs = [
                delayed(silent(errors_on_rows))(X, y, weight, train, test, grid, ratio, self, goal)
                for grid, ratio in zip(grids, ratios, strict=True)
                for train, test in splits
            ]
        done = Parallel(n_jobs=self.n_jobs, verbose=int(self.verbose), prefer="threads")(jobs)
        errors = np.array([one[0] for one in done]).reshape(len(ratios), len(splits), -1)
        worst = max(one[1] for one in done)
        self.mse_path_ = np.squeeze(np.moveaxis(errors, 2, 1))
        mean = errors.mean(axis=1)
        at = np.unravel_index(int(np.argmin(mean)), mean.shape)
        self.alpha_ = grids[at[0]][at[1]]
        if hasattr(self, "l1_ratio"):
            self.l1_ratio_ = ratios[at[0]]
        generated = isinstance(self.alphas, Integral)
        self.alphas_ = np.asarray(grids if generated and len(ratios) > 1 else grids[0])
        self._refit(X, y, weight, float(ratios[at[0]]))
        if worst > self.tol:
            self._warn_of_folds(worst)
        return self

    def _grids(self, correlation, ratios):
        """Strengths from large to small, for each share of the l1 penalty."""
        if isinstance(self.alphas, Integral):
            return [self._grid(correlation, ratio) for ratio in ratios]
        for index, alpha in enumerate(self.alphas):
            check_scalar(alpha, f"alphas[{index}]", Real, min_val=0.0, include_boundaries="left")
        return [np.sort(np.asarray(self.alphas, dtype=np.float64))[::-1]] * len(ratios)

    def _grid(self, correlation, ratio):
        if ratio == 0:
            raise ValueError(
                "Automatic alpha grid generation is not supported for l1_ratio=0. Please supply a grid "
                "by providing your estimator with the appropriate `alphas=` argument."
            )
        size = correlation if self.positive else np.abs(correlation)
        largest = float(size.max(initial=0.0)) / ratio
        smallest = np.finfo(np.float64).resolution
        if largest <= smallest:
            return np.full(self.alphas, smallest)
        least = max(
            largest * self.eps, np.finfo(np.float64).tiny
        )  # a share that vanishes still has a grid
        return np.geomspace(largest, least, num=self.alphas)

    def _refit(self, X, y, weight, ratio):
        model = self._get_estimator()
        names = model.get_params()
        model.set_params(**{name: value for name, value in self.get_params().items() if name in names})
        model.set_params(alpha=self.alpha_, precompute=False)
        model.l1_ratio = ratio
        model.fit(X, y, sample_weight=weight)
        for name in (
            "coef_",
            "intercept_",
            "dual_gap_",
            "n_iter_",
            "certificate_",
            "stop_reason_",
            "history_",
        ):
            setattr(self, name, getattr(model, name))

    def _warn_of_folds(self, worst):
        warnings.warn(
            "Objective did not converge. You might want to increase the number of iterations, check the "
            "scale of the features or consider increasing regularisation. In a fold, the duality gap is "
            f"{worst:.1e} of the objective, tolerance: {self.tol:.1e}",
            ConvergenceWarning,
            stacklevel=callers_level(),
        )


def correlations(X, y, weight, fit_intercept):
    """X'(y - mean) about the means, over the sum of the weights."""
    h = np.full(len(y), 1.0 / len(y)) if weight is None else weight / weight.sum()
    v = h * (y - (h @ y if fit_intercept else 0.0))
    return coordinate.Columns(X).correlate(np.ascontiguousarray(v))


def errors_on_moments(train, test, alphas, ratio, model, goal):
    """Mean squared errors on held-out rows at each strength, and the largest relative gap in training."""
    if ratio == 0 and not model.positive:
        spectrum = gram.Spectrum(train)
        coefs, gaps = np.array([spectrum.coef(alpha)[0] for alpha in alphas]), np.zeros(1)
    else:
        coefs, gaps = coordinate.path_on_moments(train, alphas, ratio, model.positive, goal)
    intercepts = train.y_mean[0] - coefs @ train.x_mean if model.fit_intercept else np.zeros(len(coefs))
    return mean_squared_errors(test, coefs, intercepts), gaps.max()


def errors_on_rows(X, y, weight, train, test, alphas, ratio, model, goal):
    """The same for wide X, on rows that are cut out."""
    X_train, y_train, X_test, y_test = X[train], y[train], X[test], y[test]
    inside = None if weight is None else weight[train]
    outside = None if weight is None else weight[test]
    errors, worst, start = np.empty(len(alphas)), 0.0, None
    columns = coordinate.Columns(X_test)
    for i, alpha in enumerate(alphas):
        objective = Objective(
            X_train,
            y_train,
            "squared_error",
            inside,
            l1=alpha * ratio,
            l2=alpha * (1.0 - ratio),
            fit_intercept=model.fit_intercept,
            positive=model.positive,
        )
        smooth = objective.l1 == 0 and not model.positive
        solution = (gram if smooth else coordinate).solve(objective, goal, start)
        if solution.failure is not None:
            raise solution.failure
        start = (solution.coef, solution.intercept)
        residual = y_test - columns.predict(solution.coef) - solution.intercept
        errors[i] = np.average(residual**2, weights=outside)
        worst = max(worst, 0.0 if solution.converged else solution.certificate.relative)
    return errors, worst


CV_PARAMETERS = {
    "eps": [Interval(Real, 0, None, closed="neither")],
    "alphas": [Interval(Integral, 1, None, closed="left"), "array-like"],
    **MAX_TIME,
}


@explained.by(Lasso)
class LassoCV(PenaltyPath, _LassoCV):
    """Lasso with the strength of the penalty chosen by cross-validation.

    Of the strengths alpha of a grid, the one whose models have the least mean squared error on the rows
    that they have not seen; with it, all rows are fitted. Each model minimises, S being the sum of the
    weights of its rows::

        ||y - Xw - b||^2 / (2 S) + alpha |w|_1

    Parameters
    ----------
    eps : float, default=1e-3
        The smallest strength of the grid over the largest, > 0.

    alphas : int or array-like, default=100
        How many strengths a grid has, equidistant in their logarithm, from the one that makes all
        coefficients zero, ``max |X'y| / S`` for centred X and y, down; or the strengths, >= 0.

    fit_intercept : bool, default=True
        Whether to fit an intercept.

    precompute : "auto", bool or array-like of shape (n_features, n_features), default="auto"
        Accepted as scikit-learn has it; the moments that folds share are always computed.

    max_iter : int, default=1000
        The most epochs of coordinate descent at one strength.

    tol : float, default=1e-4
        The largest relative suboptimality at each strength, bounded by the duality gap over the
        objective.

    copy_X : bool, default=True
        Accepted as scikit-learn has it; X is never written to.

    cv : int, splitter, iterable or None, default=None
        The folds: how many, in row order, or what makes them; None for 5.

    verbose : bool or int, default=False
        How much joblib prints about the folds that are done.

    n_jobs : int or None, default=None
        Threads that fit folds side by side; None is 1 outside `joblib.parallel_config`.

    positive : bool, default=False
        Whether coefficients must be >= 0.

    ...

    max_time : float or None, default=None
        Seconds after which the solver of one fold stops where it is.

    Attributes
    ----------
    alpha_ : float
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    mse_path_ : ndarray of shape (n_alphas, n_folds)
        Mean squared errors on held-out rows.
    alphas_ : ndarray of shape (n_alphas,)
    dual_gap_ : float
    n_iter_ : int
    certificate_, stop_reason_, history_
        As of :class:`Lasso`, of the model with the chosen strength.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from fastgd import LassoCV
    >>> X, y = make_regression(noise=4, random_state=0)
    >>> round(LassoCV(cv=5).fit(X, y).score(X, y), 3)
    0.999
    """

    _parameter_constraints = {**_LassoCV._parameter_constraints, **CV_PARAMETERS}

    def __init__(
        self,
        *,
        eps=1e-3,
        alphas=100,
        fit_intercept=True,
        precompute="auto",
        max_iter=1000,
        tol=1e-4,
        copy_X=True,
        cv=None,
        verbose=False,
        n_jobs=None,
        positive=False,
        random_state=None,
        selection="cyclic",
        max_time=None,
    ):
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.copy_X = copy_X
        self.cv = cv
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.max_time = max_time

    def _get_estimator(self):
        return Lasso()


@explained.by(LassoCV)
class ElasticNetCV(PenaltyPath, _ElasticNetCV):
    """Elastic net with the strength and the mixture of its penalties chosen by cross-validation.

    Of the strengths alpha of a grid, and of the shares `l1_ratio`, those whose models have the least mean
    squared error on the rows that they have not seen; with them, all rows are fitted. Each model
    minimises, S being the sum of the weights of its rows::

        ||y - Xw - b||^2 / (2 S) + alpha l1_ratio |w|_1 + alpha (1 - l1_ratio) |w|^2 / 2

    Parameters
    ----------
    l1_ratio : float or list of float, default=0.5
        Shares of the l1 penalty to choose from, from 0 to 1; above 0 where the grid is not given.

    alphas : int or array-like, default=100
        How many strengths a grid has, equidistant in their logarithm, from the one that makes all
        coefficients zero, ``max |X'y| / (S l1_ratio)`` for centred X and y, down; or the strengths, >= 0.

    ...

    Attributes
    ----------
    alpha_ : float
    l1_ratio_ : float
    coef_ : ndarray of shape (n_features,)
    intercept_ : float
    mse_path_ : ndarray of shape (n_alphas, n_folds) or (n_l1_ratio, n_alphas, n_folds)
        Mean squared errors on held-out rows.
    alphas_ : ndarray of shape (n_alphas,) or (n_l1_ratio, n_alphas)
    dual_gap_, n_iter_, certificate_, stop_reason_, history_
        As of :class:`ElasticNet`, of the model with the chosen penalties.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from fastgd import ElasticNetCV
    >>> X, y = make_regression(n_features=2, random_state=0)
    >>> ElasticNetCV(cv=5).fit(X, y).coef_.shape
    (2,)
    """

    _parameter_constraints = {**_ElasticNetCV._parameter_constraints, **CV_PARAMETERS}

    def __init__(
        self,
        *,
        l1_ratio=0.5,
        eps=1e-3,
        alphas=100,
        fit_intercept=True,
        precompute="auto",
        max_iter=1000,
        tol=1e-4,
        cv=None,
        copy_X=True,
        verbose=0,
        n_jobs=None,
        positive=False,
        random_state=None,
        selection="cyclic",
        max_time=None,
    ):
        self.l1_ratio = l1_ratio
        self.eps = eps
        self.alphas = alphas
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.tol = tol
        self.cv = cv
        self.copy_X = copy_X
        self.verbose = verbose
        self.n_jobs = n_jobs
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.max_time = max_time

    def _get_estimator(self):
        return ElasticNet()
