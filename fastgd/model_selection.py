"""GridSearchCV and RandomizedSearchCV that train the candidates of a fold together.

Design note. The searches are scikit-learn's: its `fit` makes the candidates, the splits, the table of
results and the refit. It hands one task per candidate and fold to an executor and takes the results in
the same order; that executor is all that is exchanged, for one that goes fold by fold (`_FoldByFold`).
Candidates that end in fastgd's SGDClassifier or SGDRegressor and see the same rows are a `_Batch`. For
estimators that stand alone a fold is an array of row numbers into one X, for training and for scoring;
for pipelines the transformers of all but the last step are fitted once per fold, and one transformed
fold exists at a time. A batch falls into groups that `fit_together` trains and `raw_scores_together`
scores.

Whatever is not known to be equal goes scikit-learn's own way, task by task, in the order it would have
had there. So does a task whose fit failed: it fails again there, and scikit-learn reports it as ever.
"""

import time
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from sklearn import get_config
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV as _GridSearchCV
from sklearn.model_selection import RandomizedSearchCV as _RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import process_routing

from .compat import (
    asks_for_responses,
    check_method_params,
    checked_score,
    is_fit_and_score,
    replace_executor,
    rows_of,
)
from .data import RowSubset, refuse_broken, validated, validated_for_prediction
from .linear_model import explained
from .linear_model.sharing import answering, fit_together, group_key, raw_scores_together, why_not
from .linear_model.whole import silent

__all__ = ["GridSearchCV", "RandomizedSearchCV"]

KEY_NAMES = (
    *("loss", "batch_size", "multi_class", "fit_intercept", "shuffle", "random_state"),
    "validation_fraction",
)
ALONE = f"No other candidate agrees in {', '.join(KEY_NAMES)} and in what precedes the last step."


class _Sharing:
    """What both searches add; stands before scikit-learn's class among the bases."""

    def fit(self, X, y=None, **params):
        """Search, and fit the best candidate to all rows, as scikit-learn's class does.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            The rows, which `cv` splits by number: they are not copied.
        y : array-like of shape (n_samples,) or (n_samples, n_targets), default=None
            Labels of a classifier, numbers of a regressor.
        **params : dict
            Passed on to the estimator, the scorers and the splitter.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For a sparse matrix that is not sound, before SciPy slices it into folds; and as of the class.
        """
        if sp.issparse(X):
            refuse_broken(X)
        return super().fit(X, y, **params)

    def _run_search(self, evaluate_candidates, callback_ctx=None):
        self.sharing_report_ = []

        def fold_by_fold(parallel):
            known = isinstance(parallel, _FoldByFold)
            return _FoldByFold(self, parallel.parallel if known else parallel)

        if not replace_executor(evaluate_candidates, fold_by_fold):
            self.sharing_report_.append(
                "All candidates were fitted alone. Their tasks are handed out in a way unknown to fastgd."
            )
        further = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        super()._run_search(evaluate_candidates, **further)


class GridSearchCV(_Sharing, _GridSearchCV):
    """Exhaustive search over parameter values, the candidates of a fold trained together.

    A drop-in for scikit-learn's class of the same name: same parameters, same `cv_results_`, same
    scores to rounding, same refit; see there for what each parameter does. Candidates for fastgd's
    SGDClassifier or SGDRegressor, alone or as the last step of a `Pipeline`, share what they can. They
    have to agree in loss, batch_size, multi_class, fit_intercept, shuffle and random_state, an int (with
    early_stopping, in validation_fraction, too); alpha, penalty 'l2' or None, the learning rate, the
    stopping rule, class weights and the parameters of the loss may differ. Penalties with an l1 share,
    averaging, 'pa1' and 'pa2', verbose fits, callbacks and a y of several columns are fitted one by
    one, as scikit-learn does; `sharing_report_` tells. Transformers are fitted once per fold and
    setting, if their own `random_state` is not None. In float32, scores agree with scikit-learn's
    search to about 1e-5.

    Parameters
    ----------
    estimator : estimator object
        Any; only fastgd's share.

    param_grid : dict or list of dict
        Names of parameters, and the values to try.

    scoring : str, callable, list, tuple or dict, default=None
        One metric or several. Those made by scikit-learn (by name or `make_scorer`) are computed from
        one product of X with the weights of all candidates; functions of one's own are called with
        each fitted estimator.

    n_jobs : int, default=None
        Threads of a shared fit, and jobs for candidates that are fitted alone.

    refit : bool, str or callable, default=True
        Whether, and by which metric, to fit the best candidate on all rows.

    cv : int, cross-validation generator or iterable, default=None
        The folds; they are run one after another.

    verbose : int, default=0
        Above 0, print what is done.

    pre_dispatch : int or str, default='2*n_jobs'
        For candidates that are fitted alone.

    error_score : 'raise' or float, default=np.nan
        The score of a candidate whose fit failed.

    return_train_score : bool, default=False
        Whether to score the training rows as well.

    Attributes
    ----------
    sharing_report_ : list of str
        Which candidates (numbered as the rows of `cv_results_`) shared, and why others did not.

    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, \
refit_time_, multimetric_, classes_, n_features_in_, feature_names_in_
        As of scikit-learn's class. `mean_fit_time` and `mean_score_time` of candidates that shared are
        equal parts of the time they took together.

    See Also
    --------
    fastgd.SGDClassifierCV : The path over alpha alone, in the manner of `LassoCV`.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastgd import SGDClassifier
    >>> from fastgd.model_selection import GridSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> search = GridSearchCV(SGDClassifier(random_state=0), {"alpha": [1e-3, 1e-2, 1e-1]})
    >>> search.fit(X, y).cv_results_["mean_test_score"].shape
    (3,)
    """


@explained.by(GridSearchCV)
class RandomizedSearchCV(_Sharing, _RandomizedSearchCV):
    """Search over sampled parameter values, the candidates of a fold trained together.

    A drop-in for scikit-learn's class of the same name: same parameters, same candidates for the same
    `random_state`, same `cv_results_`. What is shared, and when, is told at `GridSearchCV`.

    Parameters
    ----------
    estimator : estimator object
        Any; only fastgd's share.

    param_distributions : dict or list of dict
        Names of parameters, and lists or distributions to sample from.

    n_iter : int, default=10
        How many candidates to sample.

    random_state : int, RandomState or None, default=None
        Seeds the sampling of candidates (the estimator's own seeds the row order).

    ...

    Attributes
    ----------
    sharing_report_, cv_results_, best_estimator_ and all others
        As of `GridSearchCV`.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from fastgd import SGDClassifier
    >>> from fastgd.model_selection import RandomizedSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> alphas = {"alpha": loguniform(1e-4, 1e-1)}
    >>> search = RandomizedSearchCV(SGDClassifier(random_state=0), alphas, n_iter=4, random_state=0)
    >>> len(search.fit(X, y).cv_results_["params"])
    4
    """


# ---- the executor --------------------------------------------------------------------------------


class _FoldByFold:
    """Runs the tasks of a search: what can share, fold after fold; what cannot, by scikit-learn.

    Parameters
    ----------
    search : GridSearchCV or RandomizedSearchCV
    parallel : callable
        Runs tasks as scikit-learn would.
    """

    def __init__(self, search, parallel):
        self.search, self.parallel = search, parallel

    def __call__(self, tasks):
        """Results of the tasks, in their order."""
        tasks = list(tasks)
        results = {}
        if tasks and all(map(is_fit_and_score, tasks)):
            candidates = _candidates(tasks)
            folds = _row_numbers(candidates[0])
            batches = _batches(self.search, candidates, folds)
            for fold in folds if batches else ():
                for batch in batches:
                    results.update(_run(batch, fold, folds[fold], self.search.n_jobs))
            self.search.sharing_report_ += _report(candidates)
        rest = [i for i in range(len(tasks)) if i not in results]
        if rest or not tasks:
            results.update(zip(rest, self.parallel([tasks[i] for i in rest]), strict=True))
        return [results[i] for i in range(len(tasks))]


@dataclass
class _Candidate:
    """One setting of the parameters, and what becomes of it.

    Attributes
    ----------
    number : int
        Its row of `cv_results_`.
    tasks : dict
        Fold -> (place among all tasks, the arguments of scikit-learn's fit and score).
    model : estimator
        With the parameters set; never fitted.
    weight : ndarray of shape (n_samples,), or None
        Row weights for its last step.
    before : dict
        Fit parameters of a pipeline's other steps.
    reason : str or None
        Why it was fitted alone on all folds.
    apart : dict
        Further reasons -> the folds on which it was fitted alone.
    group : list of int
        The numbers of those that it is trained with.
    """

    number: int
    X: object
    y: object
    tasks: dict = field(default_factory=dict)
    model: object = None
    weight: np.ndarray | None = None
    before: dict = field(default_factory=dict)
    reason: str | None = None
    apart: dict = field(default_factory=dict)
    group: list | None = None

    @property
    def settings(self):
        """What its tasks have in common."""
        return next(iter(self.tasks.values()))[1]

    @property
    def piped(self):
        return isinstance(self.model, Pipeline)

    @property
    def last(self):
        """The estimator that is trained by descent."""
        return self.model.steps[-1][1] if self.piped else self.model

    def key(self):
        """Equal for candidates that see the same rows: the parameters of all steps but the last."""
        if not self.piped:
            return ()
        last = self.model.steps[-1][0]
        names = [n for n in self.settings["parameters"] if n.partition("__")[0] != last]
        return tuple((n, _marker(self.settings["parameters"][n])) for n in sorted(names))


def _marker(value):
    """A hashable that is equal for equal values; the identity of what has no hash."""
    try:
        hash(value)
    except TypeError:
        return "id", id(value)
    return type(value), value


def _candidates(tasks):
    """The candidates of a search, from its tasks."""
    candidates = {}
    for place, (_, (estimator, X, y), settings) in enumerate(tasks):
        number, fold = settings["candidate_progress"][0], settings["split_progress"][0]
        candidate = candidates.setdefault(number, _Candidate(number, X, y))
        candidate.tasks[fold] = place, settings
        if candidate.model is None and candidate.reason is None:
            _set_up(candidate, estimator)
    return list(candidates.values())


def _set_up(candidate, estimator):
    """Give a candidate its model, or the reason why there is none."""
    parameters = clone(candidate.settings["parameters"], safe=False)
    try:
        candidate.model = clone(estimator).set_params(**parameters)
    except Exception as error:
        candidate.reason = f"The parameters cannot be set. {error}"


def _row_numbers(candidate):
    """Fold -> (training rows, test rows), as non-negative numbers; empty if one fold has none."""
    everything = np.arange(_length(candidate.X))
    try:
        folds = {
            fold: (everything[np.asarray(task["train"])], everything[np.asarray(task["test"])])
            for fold, (_, task) in candidate.tasks.items()
        }
    except IndexError:
        return {}
    return folds if all(len(part) for rows in folds.values() for part in rows) else {}


def _length(X):
    return X.shape[0] if hasattr(X, "shape") else len(X)


# ---- who shares ----------------------------------------------------------------------------------


@dataclass
class _Batch:
    """Candidates that see the same rows, in groups that are trained together."""

    source: object
    groups: list


def _batches(search, candidates, folds):
    """The batches of a search; candidates in none of them have a reason."""
    y = _targets(candidates[0].y)
    general = _general_reason(search, y, folds)
    rows = {}  # candidates by what they see
    for candidate in candidates:
        candidate.reason = candidate.reason or general or _reason(candidate)
        if candidate.reason is None:
            rows.setdefault(candidate.key(), []).append(candidate)
    batches = [_batch(together, y) for together in rows.values()]
    return [batch for batch in batches if batch is not None]


def _batch(candidates, y):
    """Candidates that see the same rows, as a batch; None if nothing is gained by one."""
    groups = {}
    for candidate in candidates:
        key = candidate.weight is None, group_key(candidate.last)
        groups.setdefault(key, []).append(candidate)
    for group in groups.values():
        for candidate in group:
            candidate.group = [other.number for other in group]
            candidate.reason = ALONE if len(group) == 1 else None
    first, groups = candidates[0], list(groups.values())
    if first.piped:  # transformed rows are worth sharing even if passes are not
        return _Batch(_Transformed(first, y), groups) if len(candidates) > 1 else None
    groups = [group for group in groups if len(group) > 1]
    try:
        return _Batch(_AsGiven(first, y), groups) if groups else None
    except Exception as error:  # rows outside a fold may be at fault, so each fold is asked
        for candidate in candidates:
            candidate.reason = f"X as a whole does not pass the checks of a fit. {error}"
        return None


def _general_reason(search, y, folds):
    """Why no candidate of a search can share; None if some may."""
    if getattr(search, "_skl_callbacks", None):
        return "The callbacks of the search follow single fits."
    if get_config().get("array_api_dispatch"):
        return "scikit-learn's array API dispatch is on."
    if y is None:
        return "y is not one column of numbers or strings."
    if not folds:
        return "The splits of cv are not all arrays of row numbers within X."
    return None


def _reason(candidate):
    """Why a candidate cannot share by itself; None if it can. Finds its row weights."""
    try:
        reason = why_not(candidate.last)
        if reason is None and candidate.piped:
            reason = _pipeline_reason(candidate.model)
        return reason or _take_fit_params(candidate)
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        return f"The estimator is not sound. {error}"  # no steps, for example: left to its own fit


def _pipeline_reason(pipeline):
    """What in a pipeline asks for a fit of its own; None if nothing does."""
    if type(pipeline) is not Pipeline:
        return f"{type(pipeline).__name__} is a subclass of Pipeline that may fit in its own way."
    if pipeline.verbose:
        return "Pipeline(verbose=True) prints a report of every fit."
    for name, step in pipeline.steps[:-1]:
        if getattr(step, "_skl_callbacks", None):
            return f"The callbacks of step {name!r} follow single fits."
        if _draws(step):
            return (
                f"random_state of step {name!r} is None, so every fit of it draws anew; "
                "an int allows sharing."
            )
    if getattr(pipeline, "_skl_callbacks", None):
        return "The callbacks of the pipeline follow single fits."
    if get_tags(pipeline).input_tags.pairwise:
        return "X is a matrix of pairs of rows, of which a fold takes some columns only."
    return None


def _draws(step):
    """Whether two fits of a transformer on the same rows may differ."""
    if not hasattr(step, "get_params"):
        return False  # 'passthrough'
    parameters = step.get_params()
    return any(n.rpartition("__")[2] == "random_state" and v is None for n, v in parameters.items())


def _take_fit_params(candidate):
    """Find the row weights among the parameters of fit; why it cannot share, if there is more."""
    given = {n: v for n, v in (candidate.settings["fit_params"] or {}).items() if v is not None}
    last = given
    if candidate.piped and given:
        try:
            last, candidate.before = _by_step(candidate.model, given)
        except Exception as error:  # the same error comes from the fit itself
            return f"The parameters of fit do not suit the pipeline. {error}"
    weight = last.pop("sample_weight", None)
    if last:
        return f"fit is given {', '.join(sorted(last))}, which shared passes do not take."
    if weight is None:
        return None
    candidate.weight = np.asarray(weight)
    if candidate.weight.shape != (_length(candidate.X),) or candidate.weight.dtype.kind not in "biuf":
        return "sample_weight is not one number per row."
    return None


def _by_step(pipeline, given):
    """Parameters of a pipeline's fit: those of the last step, and those that go to the others."""
    name = pipeline.steps[-1][0]
    if not get_config()["enable_metadata_routing"]:
        own = {n: v for n, v in given.items() if n.startswith(f"{name}__")}
        last = {n.partition("__")[2]: v for n, v in own.items()}
        return last, {n: v for n, v in given.items() if n not in own}
    routed = process_routing(pipeline, "fit", **given)
    for other, _ in pipeline.steps[:-1]:
        if any(routed.get(other, {}).values()):
            raise ValueError(f"Metadata is routed to step {other!r}, too.")
    return {n: v for n, v in routed[name].fit.items() if v is not None}, {}


def _targets(y):
    """y as an array, if a fit would take it as it is; else None."""
    try:
        values = np.asarray(y)
    except ValueError:
        return None
    strings = values.dtype.kind == "O" and all(isinstance(value, str) for value in values.ravel())
    return values if values.ndim == 1 and (strings or values.dtype.kind in "biufU") else None


# ---- the rows that a batch sees ------------------------------------------------------------------


@dataclass
class _Fold:
    """One fold as a batch sees it.

    Attributes
    ----------
    X, y, rows : as `fit_together` takes them
    picked : ndarray of int
        The training rows, as numbers into all that the search was given.
    parts : dict
        'train' and 'test' -> rows in the form that `raw_scores_together` takes.
    reference : estimator
        Knows the number of features and their names.
    steps : list of (str, transformer)
        Fitted; empty for an estimator that stands alone.
    """

    X: object
    y: np.ndarray
    rows: np.ndarray
    picked: np.ndarray
    parts: dict
    reference: object
    steps: list | tuple = ()
    name: str | None = None

    def weight(self, weight):
        """The weights that go with X."""
        return weight if weight is None or self.rows is not None else weight[self.picked]

    def on_parts(self, estimator):
        """The model that scorers may ask about `parts`."""
        if self.name is None:
            return estimator
        return Pipeline([*((n, "passthrough") for n, _ in self.steps), (self.name, estimator)])

    def on_rows(self, estimator):
        """The model that scorers may ask about rows as the search was given them."""
        return estimator if self.name is None else Pipeline([*self.steps, (self.name, estimator)])


class _AsGiven:
    """X of estimators that stand alone: checked once, never copied; a fold is row numbers.

    Raises
    ------
    Exception
        If X does not pass the checks.
    """

    def __init__(self, candidate, y):
        self.y = y
        self.reference = clone(candidate.last)
        self.X = validated(self.reference, candidate.X, reset=True)

    def fold(self, train, test):
        parts = {"train": RowSubset(self.X, train), "test": RowSubset(self.X, test)}
        return _Fold(self.X, self.y, train, train, parts, self.reference)


class _Transformed:
    """Rows as the last step of a pipeline sees them: transformers fitted on each fold anew."""

    def __init__(self, candidate, y):
        self.candidate, self.y = candidate, y

    def fold(self, train, test):
        """Transform a fold.

        Raises
        ------
        Exception
            Whatever a transformer raises, or the checks of what it returns.
        """
        X, before = self.candidate.X, self.candidate.before
        pipeline = clone(self.candidate.model)
        name, last = pipeline.steps[-1]
        pipeline.steps = [*pipeline.steps[:-1], (name, "passthrough")]
        params = check_method_params(X, before, indices=train)
        seen = pipeline.fit_transform(rows_of(X, train), rows_of(self.candidate.y, train), **params)
        seen, unseen = validated(last, seen, reset=True), rows_of(X, test)
        for _, step in pipeline.steps[:-1]:
            if step is not None and step != "passthrough":
                unseen = step.transform(unseen)
        unseen = validated_for_prediction(last, unseen)
        parts = {"train": seen, "test": unseen}
        return _Fold(seen, self.y[train], None, train, parts, last, pipeline.steps[:-1], name)


# ---- running a batch on a fold -------------------------------------------------------------------


@silent
def _run(batch, number, rows, n_jobs):
    """Fit and score a batch on one fold: place of the task -> result, for fits that succeeded."""
    results = {}
    clock = time.perf_counter
    began = clock()
    try:
        fold = batch.source.fold(*rows)
    except Exception as error:
        for candidate in (candidate for group in batch.groups for candidate in group):
            _note(candidate, number, f"The transformed rows could not be shared. {error}")
        return results
    everybody = sum(map(len, batch.groups))
    prepared = (clock() - began) / everybody
    for group in batch.groups:
        began = clock()
        done = _fit(group, fold, number, n_jobs)
        fit_time = prepared + (clock() - began) / len(group)
        began = clock()
        scores = _score(done, fold, number, "test", rows[1])
        score_time = (clock() - began) / len(group)
        further = _score(done, fold, number, "train", rows[0])
        for i, (candidate, _) in enumerate(done):
            place, settings = candidate.tasks[number]
            results[place] = {
                "fit_error": None,
                "test_scores": scores[i],
                **({"train_scores": further[i]} if further else {}),
                "n_test_samples": len(rows[1]),
                "fit_time": fit_time,
                "score_time": score_time,
            }
            if settings["verbose"] > 1:
                print(_line(settings, results[place]))
    return results


def _fit(group, fold, number, n_jobs):
    """Train a group: the candidates whose fit succeeded, with their fitted estimators."""
    outcomes = fit_together(
        [clone(candidate.last) for candidate in group],
        fold.X,
        fold.y,
        rows=fold.rows,
        sample_weight=fold.weight(group[0].weight),
        n_jobs=n_jobs,
    )
    done = []
    for candidate, (outcome, reason) in zip(group, outcomes, strict=True):
        if isinstance(outcome, Exception):
            kind = type(outcome).__name__
            _note(candidate, number, f"The fit failed with {kind}; scikit-learn was left to report it.")
            continue
        if reason is not None:
            _note(candidate, number, reason)
        outcome.n_features_in_ = fold.reference.n_features_in_
        if hasattr(fold.reference, "feature_names_in_"):
            outcome.feature_names_in_ = fold.reference.feature_names_in_
        done.append((candidate, outcome))
    return done


def _score(done, fold, number, part, rows):
    """Scores of fitted candidates on one part of a fold; none if they are not asked for."""
    if not done or (part == "train" and not done[0][0].settings["return_train_score"]):
        return []
    candidate = done[0][0]
    settings = candidate.tasks[number][1]
    y = rows_of(candidate.y, rows)
    params = check_method_params(candidate.X, settings["score_params"] or {}, indices=rows)
    estimators = [estimator for _, estimator in done]

    def score(model, X):
        return checked_score(model, X, y, settings["scorer"], params, settings["error_score"])

    if not asks_for_responses(settings["scorer"]):
        X = rows_of(candidate.X, rows)
        return [score(fold.on_rows(estimator), X) for estimator in estimators]
    scores, X = [], fold.parts[part]
    for estimator, raw in zip(estimators, raw_scores_together(estimators, X), strict=True):
        with answering(estimator, X, raw):
            scores.append(score(fold.on_parts(estimator), X))
    return scores


def _line(settings, result):
    """A line for verbose searches, in the manner of scikit-learn."""
    fold, of = settings["split_progress"]
    parts = [f"{name}={value}" for name, value in sorted(settings["parameters"].items())]
    if settings["verbose"] > 2:
        for kind in ("train", "test"):
            scores = result.get(f"{kind}_scores", {})
            scores = scores if isinstance(scores, dict) else {"score": scores}
            parts += [f"{kind} {name}={value:.3f}" for name, value in scores.items()]
    seconds = result["fit_time"] + result["score_time"]
    return f"[CV {fold + 1}/{of}] END {', '.join(parts)} (its part of the time: {seconds:.3f}s)"


def _note(candidate, fold, reason):
    """Remember why a candidate was fitted alone on a fold."""
    candidate.apart.setdefault(reason, []).append(fold)


# ---- the report ----------------------------------------------------------------------------------


def _report(candidates):
    """Sentences about who shared, and why others did not."""
    said = {}
    for candidate in candidates:
        for verdict in _verdicts(candidate):
            said.setdefault(verdict, []).append(candidate)
    return [_sentence(those, *verdict) for verdict, those in said.items()]


def _verdicts(candidate):
    """What became of a candidate: its group if it shared; the folds, and why, if it did not."""
    if candidate.reason is not None:
        return [(None, "", candidate.reason)]
    everywhere = len(candidate.tasks)
    verdicts = []
    if sum(map(len, candidate.apart.values())) < everywhere:
        verdicts.append((tuple(candidate.group), "", ""))
    for reason, folds in candidate.apart.items():
        some = f" on fold{'s' if len(folds) > 1 else ''} {_ranges(folds)}"
        on = "" if len(folds) == everywhere else some
        verdicts.append((None, on, reason))
    return verdicts


def _sentence(candidates, group, on, reason):
    several = len(candidates) > 1
    who = f"Candidate{'s' if several else ''} {_ranges([c.number for c in candidates])}"
    if group is None:
        return f"{who} {'were' if several else 'was'} fitted alone{on}. {reason}"
    first = candidates[0]
    names = [name for name in KEY_NAMES[:-1] if hasattr(first.last, name)]
    agree = ", ".join(f"{name}={getattr(first.last, name)!r}" for name in names)
    rows = "rows that were transformed once" if first.piped else "X"
    return f"{who} shared the passes of each fold over {rows}: {agree}."


def _ranges(numbers):
    """Numbers in rising order, for reading: [0, 1, 2, 5] is '0-2, 5'."""
    runs = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)
