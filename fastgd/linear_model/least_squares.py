"""LinearRegression, Ridge, Lasso and ElasticNet: scikit-learn's, solved to a certified optimum.

Each class subclasses scikit-learn's own and inherits what reads fitted attributes; what trains is
overridden. An estimator says what is minimised, in its own units, and hands that to the solvers: `gram`
where the penalty is smooth, `coordinate` where it has corners or signs. The names of scikit-learn's
solvers are accepted; they lead to the same optimum, and keep their checks, their warnings and whether
there is an `n_iter_`.
"""

import warnings
from functools import lru_cache, partial
from numbers import Number, Real

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import ElasticNet as _ElasticNet
from sklearn.linear_model import Lasso as _Lasso
from sklearn.linear_model import LinearRegression as _LinearRegression
from sklearn.linear_model import Ridge as _Ridge
from sklearn.utils import check_random_state

from .. import __version__
from ..compat import Interval, StrOptions, callers_level, check_sample_weight, fit_context
from ..data import validated
from ..solvers import coordinate, gram
from ..solvers.moments import TooLarge
from ..solvers.objective import Goal, Objective
from . import explained
from .whole import all_or_nothing

__all__ = ["ElasticNet", "Lasso", "LinearRegression", "Ridge"]

MAX_INT = np.iinfo(np.int32).max
STATE_VERSION = 1  # of pickles; raised when the fitted state changes meaning
RIDGE_SOLVERS = ("auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs")
UNCOUNTED = (
    "svd",
    "cholesky",
    "sparse_cg",
)  # Ridge's solvers whose iterations scikit-learn does not count
MAX_TIME: dict = {"max_time": [Interval(Real, 0, None, closed="neither"), None]}

DIVERGED = (
    "Coordinate descent iterations resulted in non-finite parameter values. The input data may contain "
    "large values and need to be preprocessed."
)


@lru_cache
def _param_names(cls):
    return tuple(super(Solved, cls)._get_param_names())


class Solved:
    """What the estimators share; stands before scikit-learn's class among the bases."""

    @classmethod
    def _get_param_names(cls):
        return list(_param_names(cls))

    def _read(self, X, y, trusting=False):
        """X in any layout the solvers take, and y of shape (n_samples,) or (n_samples, n_targets).

        `trusting`: sums over all of X will tell whether it is finite, and a pass over it can be saved.
        """
        X, y = validated(self, X, y, reset=True, y_numeric=True, any_order=True, trusting=trusting)
        return X, np.asarray(y, dtype=np.float64)

    def _solved(self, solve, X, y):
        """What `solve()` returns; if sums were not finite, the sentence of the check left out."""
        try:
            return solve()
        except TooLarge:
            validated(self, X, y, reset=False, y_numeric=True, any_order=True)
            raise

    def _row_weights(self, sample_weight, X):
        if sample_weight is None:
            return None
        return check_sample_weight(sample_weight, X, np.float64, allow_all_zero=False)

    def _goal(self, tol, max_iter=None, **settings):
        return Goal(tol=tol, max_iter=max_iter, max_time=self.max_time, **settings)

    def _store(self, solution, X, y, flat):
        """A solution to attributes; `flat`: a y of one column has coefficients of shape (n_features,)."""
        kind = float_like(X)
        if not np.isfinite(solution.coef).all():
            raise ValueError(DIVERGED)
        coef = narrowed(solution.coef, kind)
        intercept = np.asarray(narrowed(solution.intercept, kind))
        if y.ndim == 1 or (flat and y.shape[1] == 1):
            coef = coef.reshape(-1)
        self.coef_ = coef
        self.intercept_ = 0.0
        if self.fit_intercept:
            self.intercept_ = intercept.reshape(y.shape[1:])[()]
        self.certificate_ = solution.certificate
        self.stop_reason_ = solution.stop_reason
        self.history_ = solution.history
        if solution.failure is not None:
            raise solution.failure

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


def summed(X, corners):
    """Whether solving starts with sums over all of X, which would show what is not finite."""
    if type(X) is not np.ndarray or X.ndim != 2:
        return False
    return coordinate.gram_pays(X) if corners else X.shape[1] <= X.shape[0]


def float_like(X):
    """Type of coefficients for X: float32 for float32, else float64."""
    return np.dtype(np.float32 if X.dtype == np.float32 else np.float64)


def narrowed(values, kind):
    """Values in a float type; a sentence where they do not fit into it."""
    with np.errstate(over="ignore"):
        narrow = np.asarray(values).astype(kind)
    if not np.isfinite(narrow).all():
        raise ValueError(
            f"The solution has coefficients up to {np.abs(values).max():.2g}, which {kind} cannot hold. "
            "Pass X as float64, or scale the features that are very small."
        )
    return narrow


def warn_unless_converged(solution, sentence):
    if not solution.converged and solution.failure is None:
        warnings.warn(sentence, ConvergenceWarning, stacklevel=callers_level())


class LinearRegression(Solved, _LinearRegression):
    """Ordinary least squares.

    Minimises the (weighted) sum of squared residuals. Where several answers are as good, because there
    are more features than samples or features depend on each other, it is the one of least Euclidean
    norm.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Whether to fit an intercept.

    copy_X : bool, default=True
        Accepted as scikit-learn has it; X is never written to.

    tol : float, default=1e-6
        The largest relative suboptimality that an iterative solution (large sparse X, `positive`) may
        have; direct solutions are as precise as rounding allows.

    n_jobs : int or None, default=None
        Accepted as scikit-learn has it; all targets share one solution of the normal equations.

    positive : bool, default=False
        Whether coefficients must be >= 0. Dense X only.

    max_time : float or None, default=None
        Seconds after which an iterative solver stops where it is.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    rank_ : int
        Rank of the (centred, weighted) rows. Dense X only.
    singular_ : ndarray of shape (min(n_samples, n_features),)
        Singular values of the same. Dense X only.
    certificate_ : Certificate
        `kind`, `value` and `relative`: how far the objective may be above its minimum.
    stop_reason_ : str
    history_ : dict of arrays
        "objective", "certificate" and "seconds" of each iteration.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> import numpy as np
    >>> from fastgd import LinearRegression
    >>> X = np.array([[1, 1], [1, 2], [2, 2], [2, 3]])
    >>> LinearRegression().fit(X, X @ [1, 2] + 3).coef_.round(6)
    array([1., 2.])
    """

    _parameter_constraints = {
        **_LinearRegression._parameter_constraints,
        "tol": [Interval(Real, 0, None, closed="left")],
        **MAX_TIME,
    }

    def __init__(
        self, *, fit_intercept=True, copy_X=True, tol=1e-6, n_jobs=None, positive=False, max_time=None
    ):
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.tol = tol
        self.n_jobs = n_jobs
        self.positive = positive
        self.max_time = max_time

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; each column is a model of its own.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, as if each were there so many times.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For bad input, and for values whose squares overflow.
        """
        if self.positive and sp.issparse(X):
            raise TypeError(
                "Sparse data was passed for X, but dense data is required. With positive=True, convert "
                "it by X.toarray()."
            )
        X, y = self._read(X, y, summed(X, self.positive))
        weight = self._row_weights(sample_weight, X)
        objective = Objective(
            X, y, "squared_error", weight, fit_intercept=self.fit_intercept, positive=self.positive
        )
        goal = self._goal(self.tol)
        if sp.issparse(X) or self.positive:
            solver = coordinate if self.positive else gram
            solution = self._solved(partial(solver.solve, objective, goal), X, y)
        else:
            solve = partial(gram.least_squares, objective, goal)
            solution, self.rank_, singular = self._solved(solve, X, y)
            self.singular_ = singular.astype(float_like(X))
        self._store(solution, X, y, flat=False)
        warn_unless_converged(
            solution,
            f"LinearRegression did not reach tol={self.tol:g}: {solution.stop_reason} Allow it more "
            "time, or scale the features.",
        )
        return self


class Ridge(Solved, _Ridge):
    """Least squares with an l2 penalty.

    Minimises ``||y - Xw - b||^2 + alpha ||w||^2``, the rows weighted, the intercept b unpenalised.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Strength of the penalty ``alpha |w|^2``, >= 0, for all targets or for each.

    fit_intercept : bool, default=True
        Whether to fit an intercept.

    copy_X : bool, default=True
        Accepted as scikit-learn has it; X is never written to.

    max_iter : int or None, default=None
        The most iterations, where the solution is iterative (large sparse X, `positive`).

    tol : float, default=1e-4
        The largest relative suboptimality that an iterative solution may have; direct solutions are as
        precise as rounding allows.

    solver : {"auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"}, default="auto"
        scikit-learn's names, accepted for what they mean there: which data and constraints are allowed,
        which warnings are given, `solver_` and `n_iter_`. All reach the same optimum by the
        solver that fits the data.

    positive : bool, default=False
        Whether coefficients must be >= 0.

    random_state : int, RandomState instance or None, default=None
        Accepted as scikit-learn has it; nothing is drawn.

    max_time : float or None, default=None
        Seconds after which an iterative solver stops where it is.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    n_iter_ : ndarray of shape (n_targets,), or None
        Iterations, one for a direct solution. None for "svd", "cholesky" and "sparse_cg", as in
        scikit-learn.
    solver_ : str
        The name of scikit-learn's solver that "auto" stands for.
    certificate_ : Certificate
        `kind`, `value` and `relative`: how far the objective may be above its minimum, in units of
        half the objective above over the sum of the weights.
    stop_reason_ : str
    history_ : dict of arrays
        "objective", "certificate" and "seconds" of each iteration.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> from fastgd import Ridge
    >>> Ridge(alpha=1.0).fit([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0]).coef_
    array([1.33333333])
    """

    _parameter_constraints = {
        **_Ridge._parameter_constraints,
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],  # as from scikit-learn 1.8 on
        "solver": [StrOptions(set(RIDGE_SOLVERS))],
        **MAX_TIME,
    }

    def __init__(
        self,
        alpha=1.0,
        *,
        fit_intercept=True,
        copy_X=True,
        max_iter=None,
        tol=1e-4,
        solver="auto",
        positive=False,
        random_state=None,
        max_time=None,
    ):
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.copy_X = copy_X
        self.max_iter = max_iter
        self.tol = tol
        self.solver = solver
        self.positive = positive
        self.random_state = random_state
        self.max_time = max_time

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X, y, sample_weight=None):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; each column is a model of its own.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the rows, as if each were there so many times.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For bad input, for a solver that does not do what is asked for, and for values whose squares
            overflow.
        """
        X, y = self._read(X, y, summed(X, self.positive))
        solver = self._named_solver(sp.issparse(X))
        weight = self._row_weights(sample_weight, X)
        targets = 1 if y.ndim == 1 else y.shape[1]
        alpha = np.ravel(np.asarray(self.alpha, dtype=np.float64))
        if len(alpha) not in (1, targets):
            raise ValueError(
                f"Number of targets and number of penalties do not correspond: {len(alpha)} != {targets}"
            )
        total = X.shape[0] if weight is None else weight.sum()
        l2 = np.broadcast_to(alpha / total, (targets,))
        goal = self._goal(self.tol, self.max_iter)
        objective = Objective(
            X,
            y,
            "squared_error",
            weight,
            l2=float(l2[0]) if y.ndim == 1 else l2,
            fit_intercept=self.fit_intercept,
            positive=self.positive,
        )
        solve = (coordinate if self.positive else gram).solve
        solution = self._solved(partial(solve, objective, goal), X, y)
        self._store(solution, X, y, flat=True)
        self.solver_ = solver
        self.n_iter_ = None
        if self.solver not in UNCOUNTED:
            self.n_iter_ = np.full(targets, solution.n_iter, dtype=np.int32)
        if solver == "lbfgs":
            sentence = (
                "The lbfgs solver did not converge. Try increasing max_iter or tol. Currently: "
                f"max_iter={self.max_iter} and tol={self.tol}"
            )
        elif solver in ("sag", "saga"):
            sentence = "The max_iter was reached which means the coef_ did not converge"
        else:
            sentence = (
                f"Ridge did not reach tol={self.tol:g}: {solution.stop_reason} Allow it more iterations "
                "or time, or scale the features."
            )
        warn_unless_converged(solution, sentence)
        return self

    def _named_solver(self, sparse):
        """The name of scikit-learn's solver that would run; refuses what it refuses."""
        name = self.solver
        if name == "lbfgs" and not self.positive:
            raise ValueError(
                "'lbfgs' solver can be used only when positive=True. Please use another solver."
            )
        if self.positive:
            if name not in ("auto", "lbfgs"):
                raise ValueError(
                    f"solver='{name}' does not support positive fitting. Please set the solver to 'auto' "
                    "or 'lbfgs', or set `positive=False`"
                )
            return "lbfgs"
        if sparse and self.fit_intercept:
            if name not in ("auto", "lsqr", "sag", "sparse_cg"):
                raise ValueError(
                    f"solver='{name}' does not support fitting the intercept on sparse data. Please set "
                    "the solver to 'auto' or 'lsqr', 'sparse_cg', 'sag', 'lbfgs' or set "
                    "`fit_intercept=False`"
                )
            if name == "sag" and self.max_iter is None and self.tol > 1e-4:
                warnings.warn(
                    '"sag" solver requires many iterations to fit an intercept with sparse inputs. '
                    'Either set the solver to "auto" or "sparse_cg", or set a low "tol" and a high '
                    '"max_iter" (especially if inputs are not standardized).',
                    stacklevel=callers_level(),
                )
                return "sag"
            return name if name in ("lsqr", "sag") else "sparse_cg"
        if sparse and name == "svd":
            raise TypeError("SVD solver does not support sparse inputs currently")
        if name == "auto":
            return "sparse_cg" if sparse else "cholesky"
        return name

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.array_api_support = False
        return tags


class ElasticNet(Solved, _ElasticNet):
    """Least squares with l1 and l2 penalties.

    Minimises, over the sum of the weights S::

        ||y - Xw - b||^2 / (2 S) + alpha l1_ratio |w|_1 + alpha (1 - l1_ratio) |w|^2 / 2

    the rows weighted, the intercept b unpenalised.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of both penalties, >= 0.

    l1_ratio : float, default=0.5
        Share of the l1 penalty, from 0 (``alpha |w|^2 / 2``) to 1 (``alpha |w|_1``).

    fit_intercept : bool, default=True
        Whether to fit an intercept.

    precompute : bool or array-like of shape (n_features, n_features), default=False
        Accepted as scikit-learn has it, and a given Gram matrix is checked; whether one is used is up to
        the solver, which makes its own.

    max_iter : int or None, default=1000
        The most epochs of coordinate descent.

    copy_X : bool, default=True
        Accepted as scikit-learn has it; X is never written to.

    tol : float, default=1e-4
        The largest relative suboptimality, bounded by the duality gap over the objective.

    warm_start : bool, default=False
        Whether to begin at the coefficients of the previous fit.

    positive : bool, default=False
        Whether coefficients must be >= 0.

    random_state : int, RandomState instance or None, default=None
        Draws the order of the coordinates, for ``selection="random"``.

    selection : {"cyclic", "random"}, default="cyclic"
        The order of the coordinates in an epoch: that of the columns, or a drawn one.

    max_time : float or None, default=None
        Seconds after which the solver stops where it is.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
    sparse_coef_ : sparse matrix of shape (n_features,) or (n_targets, n_features)
    intercept_ : float or ndarray of shape (n_targets,)
    n_iter_ : int, or list of int
        Epochs for each target.
    dual_gap_ : float, or ndarray of shape (n_targets,)
        The duality gap: a bound on how far the objective is above its minimum.
    certificate_ : Certificate
        `kind`, `value` and `relative` of the same.
    stop_reason_ : str
    history_ : dict of arrays
        "objective", "certificate" and "seconds" of each check of the gap.
    n_features_in_ : int
    feature_names_in_ : ndarray of str

    Examples
    --------
    >>> from fastgd import ElasticNet
    >>> ElasticNet(alpha=0.1).fit([[0.0], [1.0], [2.0]], [0.0, 2.0, 4.0]).coef_.round(4)
    array([1.7907])
    """

    _parameter_constraints = {**_ElasticNet._parameter_constraints, **MAX_TIME}

    def __init__(
        self,
        alpha=1.0,
        *,
        l1_ratio=0.5,
        fit_intercept=True,
        precompute=False,
        max_iter=1000,
        copy_X=True,
        tol=1e-4,
        warm_start=False,
        positive=False,
        random_state=None,
        selection="cyclic",
        max_time=None,
    ):
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.precompute = precompute
        self.max_iter = max_iter
        self.copy_X = copy_X
        self.tol = tol
        self.warm_start = warm_start
        self.positive = positive
        self.random_state = random_state
        self.selection = selection
        self.max_time = max_time

    @fit_context(prefer_skip_nested_validation=True)
    @all_or_nothing
    def fit(self, X, y, sample_weight=None, check_input=True):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets; each column is a model of its own.
        sample_weight : float or array-like of shape (n_samples,), default=None
            Weights of the rows, as if each were there so many times.
        check_input : bool, default=True
            False skips the checks of X and y: then they must be arrays of finite floats, or X a CSR
            matrix.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            For bad input, and for values whose squares overflow.
        """
        if self.alpha == 0:
            warnings.warn(
                "With alpha=0, this algorithm does not converge well. You are advised to use the "
                "LinearRegression estimator",
                stacklevel=2,
            )
        if check_input:
            X, y = self._read(X, y, summed(X, corners=True))
        else:
            X = X.tocsr() if sp.issparse(X) else np.asarray(X)
            y = np.asarray(y, dtype=np.float64)
        weight = None
        if sample_weight is not None and not isinstance(sample_weight, Number):
            weight = self._row_weights(sample_weight, X)
        self._check_precomputed(X, weight, check_input)
        objective = Objective(
            X,
            y,
            "squared_error",
            weight,
            l1=self.alpha * self.l1_ratio,
            l2=self.alpha * (1.0 - self.l1_ratio),
            fit_intercept=self.fit_intercept,
            positive=self.positive,
        )
        settings = {"shuffle": self.selection == "random"}
        if settings["shuffle"]:
            settings["random_state"] = int(check_random_state(self.random_state).randint(MAX_INT))
        goal = self._goal(self.tol, self.max_iter, **settings)
        try:
            solutions, solution = self._solved(partial(self._solutions, objective, goal), X, y)
        except TooLarge as error:
            raise ValueError(f"{DIVERGED} {error}") from None
        gaps = [one.certificate.value for one in solutions]
        counts = [one.n_iter for one in solutions]
        single = len(solutions) == 1
        self.n_iter_ = counts[0] if single else counts
        self.dual_gap_ = gaps[0] if single else np.array(gaps)
        self._store(solution, X, y, flat=True)
        warn_unless_converged(
            solution,
            "Objective did not converge. You might want to increase the number of iterations, check the "
            "scale of the features or consider increasing regularisation. Duality gap: "
            f"{solution.certificate.value:.6e}, tolerance: {self.tol * solution.objective:.3e}",
        )
        return self

    def _solutions(self, objective, goal):
        """The solution for each target, and one for all."""
        X, y = objective.X, objective.y
        if objective.l1 == 0 and not self.positive:
            solution = gram.solve(objective, goal)
            return [solution] * (1 if y.ndim == 1 else y.shape[1]), solution
        solutions = coordinate.solve_each(objective, goal, self._starts(X, y))
        return solutions, solutions[0] if y.ndim == 1 else coordinate.merged(solutions)

    def _starts(self, X, y):
        """(coef, intercept) of each target from the previous fit, for a warm start."""
        if not self.warm_start or not hasattr(self, "coef_"):
            return None
        coef = np.atleast_2d(np.asarray(self.coef_, dtype=np.float64))
        targets = 1 if y.ndim == 1 else y.shape[1]
        if coef.shape != (targets, X.shape[1]):
            raise ValueError(
                f"warm_start=True begins at the coefficients of the previous fit, of shape {coef.shape}, "
                f"but the data need {(targets, X.shape[1])}. Set warm_start=False, or fit a new "
                "estimator."
            )
        intercept = np.broadcast_to(np.ravel(getattr(self, "intercept_", 0.0)), (targets,))
        return list(zip(coef, intercept, strict=True))

    def _check_precomputed(self, X, weight, check):
        """Warn of a given Gram matrix that cannot be that of centred X; refuse one that is wrong."""
        given = self.precompute
        if isinstance(given, (bool, np.bool_)) or sp.issparse(X):
            return
        given = np.asarray(given)
        total = X.shape[0] if weight is None else weight.sum()
        mean = np.zeros(X.shape[1])
        if self.fit_intercept:
            mean = np.average(X, axis=0, weights=weight)
            if not np.allclose(mean, 0.0):
                warnings.warn(
                    "Gram matrix was provided but X was centered to fit intercept: recomputing Gram "
                    "matrix.",
                    UserWarning,
                    stacklevel=callers_level(),
                )
                return
        d = X.shape[1]
        if given.shape != (d, d):
            raise ValueError(f"precompute has shape {given.shape}; the Gram matrix of X has {(d, d)}.")
        if check:
            one, other = d // 2, min(d // 2 + 1, d - 1)
            share = np.ones(len(X)) if weight is None else weight * (len(X) / total)
            columns = [X[:, j].astype(np.float64) - mean[j] for j in (one, other)]
            expected = float((share * columns[0]) @ columns[1])
            narrow = np.float32 in (X.dtype, given.dtype)
            if not np.isclose(expected, given[one, other], rtol=1e-4 if narrow else 1e-7, atol=1e-5):
                raise ValueError(
                    "Gram matrix passed in via 'precompute' parameter did not pass validation when a "
                    "single element was checked - please check that it was computed properly. For "
                    f"element ({one},{other}) we computed {expected} but the user-supplied value was "
                    f"{given[one, other]}."
                )


@explained.by(ElasticNet)
class Lasso(ElasticNet, _Lasso):
    """Least squares with an l1 penalty.

    Minimises ``||y - Xw - b||^2 / (2 S) + alpha |w|_1``, S being the sum of the weights of the rows and
    the intercept b unpenalised.

    Parameters
    ----------
    alpha : float, default=1.0
        Strength of the penalty ``alpha |w|_1``, >= 0.

    ...

    Attributes
    ----------
    coef_, sparse_coef_, intercept_, n_iter_, dual_gap_, certificate_, stop_reason_, history_
        As of :class:`ElasticNet`.

    Examples
    --------
    >>> from fastgd import Lasso
    >>> Lasso(alpha=0.1).fit([[0.0, 0], [1, 1], [2, 2]], [0.0, 1, 2]).coef_.round(3)
    array([0.85, 0.  ])
    """

    _parameter_constraints = {**_Lasso._parameter_constraints, **MAX_TIME}

    def __init__(
        self,
        alpha=1.0,
        *,
        fit_intercept=True,
        precompute=False,
        copy_X=True,
        max_iter=1000,
        tol=1e-4,
        warm_start=False,
        positive=False,
        random_state=None,
        selection="cyclic",
        max_time=None,
    ):
        super().__init__(
            alpha=alpha,
            l1_ratio=1.0,
            fit_intercept=fit_intercept,
            precompute=precompute,
            copy_X=copy_X,
            max_iter=max_iter,
            tol=tol,
            warm_start=warm_start,
            positive=positive,
            random_state=random_state,
            selection=selection,
            max_time=max_time,
        )
