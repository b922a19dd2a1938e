"""diagnose: what the history of a fit and its data show, in sentences, and what to change.

Design note. Each finding is one function of `_Facts` that returns a `Finding` or None and is registered
in `FINDINGS`, or in `SOLVER_FINDINGS` for fits to the optimum; it looks at one thing only, and its
thresholds stand at its top with their reasons. A healthy fit has none. The functions read fitted
attributes and the data, and fit nothing.
"""

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from .display.landscape import Landscape, last_step, through

__all__ = ["Diagnosis", "Finding", "diagnose"]


@dataclass(frozen=True)
class Finding:
    """One thing that a diagnosis found.

    Parameters
    ----------
    name : str
        Which: 'overshooting', 'crawling', 'plateau', 'unfinished', 'unscaled features',
        'class imbalance', 'under-regularised'.

    what : str
        A sentence that says what is seen, with the numbers.

    remedy : str
        A sentence that says what to change.

    numbers : dict
        The numbers, for programs.

    parameters : dict
        Parameters of the estimator that `remedy` names, with the values that it proposes; may be empty.
    """

    name: str
    what: str
    remedy: str
    numbers: dict = field(default_factory=dict)
    parameters: dict = field(default_factory=dict)

    def __str__(self):
        return f"{self.what} {self.remedy}"


class Diagnosis:
    """What `diagnose` found; printing it shows the sentences.

    Parameters
    ----------
    findings : list of Finding
        Empty for a healthy fit.

    summary : str
        The fit in a sentence.
    """

    def __init__(self, findings, summary):
        self.findings = findings
        self.summary = summary

    @property
    def healthy(self):
        """Whether there is no finding."""
        return not self.findings

    def __contains__(self, name):
        return any(finding.name == name for finding in self.findings)

    def __getitem__(self, name):
        for finding in self.findings:
            if finding.name == name:
                return finding
        raise KeyError(name)

    def __iter__(self):
        return iter(self.findings)

    def __len__(self):
        return len(self.findings)

    def __repr__(self):
        lines = [self.summary]
        if self.healthy:
            lines.append("Nothing stands out.")
        for finding in self.findings:
            lines += [f"- {finding.name}: {finding.what}", f"  -> {finding.remedy}"]
        return "\n".join(lines)


def diagnose(estimator, X, y, X_val=None, y_val=None):
    """Say what the history of a fit shows, and what to change.

    Parameters
    ----------
    estimator : fitted estimator of fastgd, or Pipeline that ends in one
        Of those that run epochs, every finding is looked for; of those that solvers fit to the optimum,
        'unfinished', 'class imbalance' and 'under-regularised'. Nothing of it is changed.

    X, y : array-like
        The data that it was fitted to.

    X_val, y_val : array-like, default=None
        Data that it was not fitted to, to see whether it is under-regularised; None: a validation score
        in the history is compared, if there is one.

    Returns
    -------
    diagnosis : Diagnosis
        A list of `Finding` that prints as sentences.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from fastgd import SGDClassifier, diagnose
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> model = SGDClassifier(loss="log_loss", random_state=0).fit(X, y)
    >>> "unscaled features" in diagnose(model, X, y)
    True
    """
    check_is_fitted(estimator)
    facts = _Facts(estimator, X, y, X_val, y_val)
    looks = FINDINGS if facts.by_epochs else SOLVER_FINDINGS
    findings = [finding for look in looks if (finding := look(facts)) is not None]
    return Diagnosis(findings, facts.summary())


class _Facts:
    """The fit, its history and its data, as the findings read them."""

    def __init__(self, estimator, X, y, X_val, y_val):
        self.whole, self.model = estimator, last_step(estimator)
        name = type(self.model).__name__
        if not hasattr(self.model, "history_"):
            raise ValueError(
                f"This {name} has no history_; diagnose takes a fitted estimator of fastgd, or a "
                "pipeline that ends in one."
            )
        history = self.model.history_
        if not len(history.get("objective", ())):
            raise ValueError(
                f"The history_ of this {name} is empty, so that there is nothing to diagnose: "
                "scikit-learn's own solver fitted it, or it was interrupted before its first iteration."
            )
        self.by_epochs = "loss" in history
        self.raw_X, self.y = X, np.asarray(y)
        _check_swapped(X, self.y, name)
        self.X, self.names = through(estimator, X)
        if not sp.issparse(self.X):
            self.X = np.asarray(self.X)
        if self.X.ndim != 2 or self.X.shape[1] != self.model.n_features_in_:
            raise ValueError(
                f"X has the shape {self.X.shape}, this {name} was fitted to "
                f"{self.model.n_features_in_} features: call diagnose(model, X, y) with the data of the "
                "fit."
            )
        if self.X.shape[0] != len(self.y):
            raise ValueError(
                f"X has {self.X.shape[0]} rows and y has {len(self.y)}: call diagnose(model, X, y) with "
                "the data of the fit."
            )
        if self.names is None:
            names = getattr(self.model, "feature_names_in_", range(self.X.shape[1]))
            self.names = [name if isinstance(name, str) else f"feature {name}" for name in names]
        if (X_val is None) != (y_val is None):
            raise ValueError("diagnose needs both X_val and y_val, or none of them.")
        self.X_val, self.y_val = X_val, y_val
        self.history = {name: column.reshape(len(column), -1) for name, column in history.items()}
        self.epochs = len(history["objective"])
        ran = np.isfinite(self.history["objective"]).sum(axis=0)
        self.models = len(ran)
        self.longest_model = int(np.argmax(ran))

    def longest(self, column):
        """A column of the history of the model that trained for longest: the findings are about it."""
        values = self.history[column][:, self.longest_model]
        return values[np.isfinite(values)]

    @property
    def subject(self):
        """What the findings are about, to begin a sentence with."""
        if self.models == 1:
            return "The objective"
        if is_classifier(self.model):
            return f"The objective of class {str(self.model.classes_[self.longest_model])!r}"
        return f"The objective of target {self.longest_model}"

    @property
    def reason(self):
        """Why training ended, of that model."""
        reasons = np.ravel(self.model.stop_reason_)
        return str(reasons[self.longest_model if len(reasons) > 1 else 0])

    @property
    def exhausted(self):
        """Whether training ended because it ran out of epochs."""
        return "epochs were run" in self.reason

    @property
    def by_tol(self):
        """Whether training ended because its own stopping rule saw no progress."""
        return "did not improve by tol=" in self.reason

    def start(self):
        """The objective of zero weights."""
        one = Landscape(self.model, self.X, self.y, model=self.longest_model)
        return one.objective(np.zeros((one.classes, self.X.shape[1])), np.zeros(one.classes))

    def summary(self):
        name, n = type(self.model).__name__, self.epochs
        table = self.history["objective"]
        last = np.mean([column[np.isfinite(column)][-1] for column in table.T])
        unit = "epoch" if self.by_epochs else "iteration"
        several = f" (mean of {self.models} models)" if self.models > 1 else ""
        return (
            f"{name}, {n} {unit}{'s' * (n > 1)}: objective{several} {np.nanmean(table[0]):.4g} in the "
            f"first, {last:.4g} in the last. {self.reason}"
        )


def _check_swapped(X, y, name):
    """Tell who passes y for X and X for y; texts for a pipeline are 1-d, too, but no numbers."""
    shape = getattr(X, "shape", None) or np.shape(X)
    numbers = getattr(getattr(X, "dtype", None), "kind", "O") in "biuf"
    if len(shape) == 1 and (numbers or (y.ndim == 2 and y.shape[1] > 1)):
        raise ValueError(
            f"X has the shape {shape} and y {y.shape}: call diagnose(model, X, y), with the 2-d data that"
            f" the {name} was fitted to before its targets."
        )


# ---- the findings --------------------------------------------------------------------------------


def overshooting(facts):
    """Steps so large that the objective jumps about, rises, or stays above that of zero weights."""
    rises = 0.25  # share of late epochs that rise ...
    size = 0.05  # ... and by how much in the mean, of the objective, before it is no longer noise
    objective = facts.longest("objective")
    late = objective[len(objective) // 3 :]
    changes = np.diff(late)
    up = changes[changes > 0]
    start = facts.start()
    grows = len(objective) > 2 and objective[-1] > 1.5 * objective.min()
    jumps = len(changes) >= 4 and len(up) >= rises * len(changes) and up.sum() > size * late.sum()
    useless = objective[-1] > start * (1 + 1e-3)
    if not (grows or jumps or useless):
        return None
    rate = float(facts.longest("learning_rate")[0])
    if useless:
        what = f"{facts.subject} ends at {objective[-1]:.3g}, above the {start:.3g} of zero weights"
    elif grows:
        least, last = f"{objective.min():.3g}", f"{objective[-1]:.3g}"
        what = f"{facts.subject} was {least} at its lowest and is {last} in the end"
    else:
        what = f"{facts.subject} rises in {len(up)} of the last {len(changes)} epochs"
    remedy, parameters = _smaller_steps(facts)
    return Finding(
        "overshooting",
        f"{what}: the steps are too large (learning rate {rate:.3g} in the first epoch).",
        remedy,
        {"first": float(objective[0]), "least": float(objective.min()), "last": float(objective[-1])}
        | {"start": start, "learning_rate": rate},
        parameters,
    )


def _smaller_steps(facts):
    model = facts.model
    if model.learning_rate == "auto":
        return (
            "Set a larger tol or a smaller max_iter, or learning_rate='invscaling' with a small eta0.",
            {},
        )
    if model.learning_rate == "optimal":
        return (
            "Scale the features if they are not, set average=True, or learning_rate='invscaling' with a "
            "small eta0; LearningRateFinderDisplay shows which values are stable.",
            {"average": True},
        )
    if not isinstance(model.learning_rate, str):
        return "Let learning_rate begin with a tenth of its values.", {}
    smaller = float(f"{model.eta0 / 10:.3g}")
    return (
        f"Set eta0={smaller:g} instead of {model.eta0:g}; LearningRateFinderDisplay shows which values "
        "are stable.",
        {"eta0": smaller},
    )


def crawling(facts):
    """Steps so small that the objective still falls steadily when the epochs are over."""
    slow = 0.01  # of the whole fall in the last tenth of the epochs: it has not flattened
    objective = facts.longest("objective")
    start = facts.start()
    tail = max(2, len(objective) // 10)
    fall = start - objective[-1]
    if len(objective) < 3:
        return None
    late = (objective[-tail - 1] if len(objective) > tail else objective[0]) - objective[-1]
    steady = (np.diff(objective[-tail - 1 :]) < 0).mean() > 0.8
    steady = steady and fall > 0 and late > slow * fall * tail / max(tail, 10)
    # the rule of `tol` takes steady but little progress for none; what nears its end slows down instead
    falls = (np.diff(objective) < 0).mean()
    third = (len(objective) - 1) // 3
    unslowed = (
        third >= 2
        and falls > 0.9
        and (objective[-third - 1] - objective[-1] > 0.5 * (objective[0] - objective[third]))
    )
    tiny = facts.by_tol and fall >= 0 and (unslowed or (fall < 0.02 * abs(start) and falls > 0.8))
    if not ((facts.exhausted and steady) or tiny):
        return None
    model = facts.model
    share = late / max(fall, 1e-300)
    if tiny:
        what = (
            f"{facts.subject} fell from {start:.4g} to {objective[-1]:.4g} only, a little in every "
            f"epoch, when tol={model.tol:g} ended the fit: the steps are too small."
        )
    else:
        what = (
            f"{facts.subject} still fell in the last {tail} of {facts.epochs} epochs, by "
            f"{100 * share:.2g} % of its whole way: the fit is not finished."
        )
    if model.learning_rate in ("constant", "invscaling", "adaptive"):
        larger = float(f"{model.eta0 * 10:.3g}")
        other = f"tol={model.tol / 10:g}" if tiny else "a larger max_iter"
        remedy = f"Set eta0={larger:g} instead of {model.eta0:g}, or {other}."
        parameters = {"eta0": larger}
    elif tiny:
        parameters = {"tol": float(f"{model.tol / 10:.3g}")}
        remedy = f"Set tol={parameters['tol']:g} instead of {model.tol:g}, or another learning_rate."
    else:
        parameters = {"max_iter": 4 * model.max_iter}
        remedy = f"Set max_iter={4 * model.max_iter}, or another learning_rate."
    numbers = {"start": start, "last": float(objective[-1]), "late_share": float(share)}
    return Finding("crawling", what, remedy, numbers, parameters)


def plateau(facts):
    """Epochs that went on long after the objective had stopped to fall."""
    long = 0.5  # share of the epochs
    fewest = 20
    objective = facts.longest("objective")
    n = len(objective)
    if n < fewest or not facts.exhausted:
        return None
    way = max(objective[0], facts.start()) - objective.min()
    near = objective <= objective.min() + 1e-3 * max(way, 1e-12 * abs(objective[0]))
    arrived = n if not near.any() else int(np.argmax(near)) + 1
    if way <= 0 or n - arrived < long * n:
        return None
    return Finding(
        "plateau",
        f"{facts.subject} reached its level of {objective.min():.4g} in epoch {arrived} and has stayed "
        f"there for {n - arrived} of {n} epochs.",
        f"Set tol=1e-4 to stop there, or max_iter={max(5, arrived + arrived // 2)}; for a still lower "
        "objective, a smaller learning rate in the end (learning_rate='adaptive').",
        {"arrived": arrived, "epochs": n, "level": float(objective.min())},
        {"tol": 1e-4},
    )


def unfinished(facts):
    """A solver that was ended before its certificate met `tol`."""
    model, reason = facts.model, facts.reason
    if not any(limit in reason for limit in ("max_iter=", "max_time=", "A callback asked")):
        return None
    certificate = getattr(model, "certificate_", None)
    relative = float(np.max(getattr(certificate, "relative", facts.history["certificate"][-1])))
    bound = "at most" if getattr(certificate, "kind", "estimate") == "gap" else "about"
    tol = getattr(model, "tol", None)
    if tol is not None and relative <= tol:
        return None
    parameters = {}
    remedy = "Let it run for longer."
    if "max_iter=" in reason:
        parameters["max_iter"] = 4 * max(int(np.max(model.n_iter_)), 25)
        remedy = f"Set max_iter={parameters['max_iter']}."
    elif "max_time=" in reason:
        parameters["max_time"] = 4 * model.max_time
        remedy = f"Set max_time={parameters['max_time']:g}."
    asked = "" if tol is None else f", where tol={tol:g} asks for less"
    return Finding(
        "unfinished",
        f"The objective may still be lowered, by {bound} {100 * relative:.2g} % of it{asked}: "
        f"{reason[:1].lower() + reason[1:]}",
        remedy,
        {"certificate": relative, "iterations": facts.epochs},
        parameters,
    )


def unscaled_features(facts):
    """Features whose typical size differs so much that one learning rate cannot suit all."""
    ratio = 30.0  # of the largest to the median size: the condition number is its square
    if isinstance(facts.model.learning_rate, str) and facts.model.learning_rate == "auto":
        return None  # it scales them in passing
    sizes = _root_mean_squares(facts.X)
    present = sizes[sizes > 0]
    if len(present) < 2:
        return None
    median = float(np.median(present))
    large = np.flatnonzero(sizes > ratio * median)
    if not len(large) and present.max() > 10 * ratio * present.min() and len(present) == 2:
        large = np.array([int(np.argmax(sizes))])
    if not len(large):
        return None
    large = large[np.argsort(-sizes[large], kind="stable")]
    shown = [f"{facts.names[j]} ({sizes[j]:.3g})" for j in large[:5]]
    more = f" and {len(large) - 5} more" if len(large) > 5 else ""
    verb = "dwarfs" if len(large) == 1 else "dwarf"
    sparse = sp.issparse(facts.X)
    scaler = "MaxAbsScaler()" if sparse else "StandardScaler()"
    return Finding(
        "unscaled features",
        f"{', '.join(shown)}{more} {verb} the others, whose median size (root mean square) is "
        f"{median:.3g}.",
        f"Scale the features: make_pipeline({scaler}, {type(facts.model).__name__}(...)).",
        {"features": [facts.names[j] for j in large], "sizes": sizes[large].tolist(), "median": median},
    )


def class_imbalance(facts):
    """A rare class that the model hardly ever predicts."""
    rare = 0.1  # share of the rows
    seen = 0.5  # of its rows that are found
    if not is_classifier(facts.model) or getattr(facts.model, "class_weight", None) is not None:
        return None
    classes, counts = np.unique(facts.y, return_counts=True)
    shares = counts / counts.sum()
    predicted = facts.whole.predict(facts.raw_X)
    found = []
    for label, share in zip(classes, shares, strict=True):
        recall = float(np.mean(predicted[facts.y == label] == label))
        if share < min(rare, 0.5 / len(classes)) and recall < seen:
            found.append((label, share, recall))
    if not found:
        return None
    named = ", ".join(
        f"{str(c)!r} ({100 * s:.2g} % of the rows, {100 * r:.2g} % found)" for c, s, r in found
    )
    return Finding(
        "class imbalance",
        f"Rare classes are overlooked: {named}.",
        "Set class_weight='balanced', or judge by a score that does not hide them, such as "
        "'balanced_accuracy' or 'average_precision'.",
        {"classes": [c.item() if hasattr(c, "item") else c for c, _, _ in found]}
        | {"shares": [float(s) for _, s, _ in found], "recalls": [r for _, _, r in found]},
        {"class_weight": "balanced"},
    )


def under_regularised(facts):
    """A score on the training data far above that on data not seen."""
    gap = 0.08  # of accuracy or R^2
    if facts.X_val is not None:
        unseen = float(facts.whole.score(facts.X_val, facts.y_val))
        source = "the validation data"
    elif "validation_score" in facts.history and facts.history["validation_score"].shape[1] == 1:
        unseen = float(facts.history["validation_score"][-1, 0])
        source = "the validation set of the fit"
    else:
        return None
    seen = float(facts.whole.score(facts.raw_X, facts.y))
    if not seen - unseen > gap:
        return None
    remedy, parameters = _stronger_penalty(facts)
    return Finding(
        "under-regularised",
        f"The score is {seen:.3g} on the training data and {unseen:.3g} on {source}: the model has "
        f"learned them by heart ({facts.X.shape[1]} features, {facts.X.shape[0]} rows).",
        remedy,
        {"training": seen, "unseen": unseen},
        parameters,
    )


def _stronger_penalty(facts):
    model = facts.model
    name, parameters = type(model).__name__, model.get_params(deep=False)
    if name.endswith("CV"):
        return "Let it choose among stronger penalties, or take fewer features.", {}
    if "C" in parameters:
        smaller = 1.0 if np.isinf(model.C) else float(f"{model.C / 10:.3g}")
        changed = {"C": smaller}
        if model.penalty is None:
            changed = {"penalty": "l2", "C": smaller}
    elif "alpha" not in parameters:
        return "Fit a Ridge or a Lasso instead, which have a penalty.", {}
    elif facts.by_epochs and model.learning_rate in ("pa1", "pa2"):  # they know no penalty
        changed = {"eta0": float(f"{model.eta0 / 10:.3g}")}
    else:
        changed = {"alpha": float(f"{model.alpha * 10:.3g}") or 1e-3}
        if parameters.get("penalty", "l2") is None:  # without one, alpha does nothing
            changed = {"penalty": "l2", **changed}
    now = " and ".join(
        f"{key}={value!r}" if isinstance(value, str) else f"{key}={value:g}"
        for key, value in changed.items()
    )
    before = " and ".join(
        f"{getattr(model, key):g}" if getattr(model, key) is not None else "None" for key in changed
    )
    return f"Set {now} instead of {before}, or let {name}CV choose the penalty.", changed


FINDINGS = (
    overshooting,
    crawling,
    plateau,
    unscaled_features,
    class_imbalance,
    under_regularised,
)
SOLVER_FINDINGS = (unfinished, class_imbalance, under_regularised)  # of fits to the optimum


def _root_mean_squares(X):
    """Of the columns of an array, a CSR matrix or a data frame."""
    if sp.issparse(X):
        return np.sqrt(np.asarray(X.multiply(X).mean(axis=0)).ravel())
    X = np.asarray(X, dtype=float)
    return np.sqrt(np.einsum("ij,ij->j", X, X) / len(X))
