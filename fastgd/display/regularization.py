"""RegularizationPathDisplay: coefficients and cross-validated score over the strength of the penalty."""

import warnings

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.pipeline import Pipeline

from ..linear_model.sharing import fit_together, why_not
from .landscape import last_step, through
from .style import COLOURS, FAINT, colour, panels, tidy

__all__ = ["RegularizationPathDisplay"]

NAMED = 6  # coefficients with a colour and a name, the largest ones


class RegularizationPathDisplay:
    """Coefficients and cross-validated score by `alpha`.

    Make it by `from_estimator` (SGDClassifierCV, SGDRegressorCV) or `from_search`.

    Parameters
    ----------
    alphas : ndarray of shape (n_alphas,)
        Rising.

    scores : ndarray of shape (n_alphas, n_folds)
        Cross-validated scores.

    best : float
        The chosen alpha.

    coefs : ndarray of shape (n_alphas, n_features), default=None
        Coefficients of fits to all data; of several models, the length of a feature's vector of them.
        None: the score is drawn alone.

    names : list of str, default=None
        Names of the features.

    scoring : str, default='score'
        What the scores are.

    models : int, default=1
        How many models a fit has: classes or targets.

    Attributes
    ----------
    alphas, scores, best, coefs, names, scoring, models
        As given.

    figure_ : matplotlib Figure
    ax_ : matplotlib Axes, or ndarray of two: coefficients, scores

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from fastgd import RegularizationPathDisplay, SGDRegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> X = scale(X)
    >>> model = SGDRegressorCV(random_state=0).fit(X, y)
    >>> display = RegularizationPathDisplay.from_estimator(model, X, y)  # doctest: +SKIP
    """

    def __init__(self, alphas, scores, best, coefs=None, names=None, *, scoring="score", models=1):
        order = np.argsort(alphas)
        self.alphas = np.asarray(alphas, dtype=float)[order]
        self.scores = np.asarray(scores, dtype=float).reshape(len(order), -1)[order]
        self.best = float(best)
        self.coefs = None if coefs is None else np.asarray(coefs, dtype=float)[order]
        self.names = names
        self.scoring = scoring
        self.models = models

    @classmethod
    def from_estimator(cls, estimator, X=None, y=None, *, sample_weight=None, ax=None):
        """Draw the path of an estimator that has chosen its penalty.

        Parameters
        ----------
        estimator : fitted SGDClassifierCV or SGDRegressorCV, or Pipeline that ends in one

        X, y : array-like, default=None
            The data that it was fitted to, for the coefficients: one fit per alpha, in one pass. None for
            the scores alone.

        sample_weight : array-like, default=None

        ax : matplotlib Axes, default=None
            None for a new figure.

        Returns
        -------
        display : RegularizationPathDisplay
        """
        own = last_step(estimator)
        if not hasattr(own, "scores_path_"):
            raise ValueError(
                f"This {type(own).__name__} has no path: it must be a fitted SGDClassifierCV or "
                "SGDRegressorCV; for a search use from_search."
            )
        scores, ratio = own.scores_path_[0], None
        if len(own.scores_path_) > 1:
            ratio = int(np.flatnonzero(own.l1_ratios_ == own.l1_ratio_)[0])
            scores = own.scores_path_[ratio]
        coefs, models, names = None, 1, None
        if X is not None:
            X, names = through(estimator, X)
            settings = [(float(alpha), getattr(own, "l1_ratio_", own.l1_ratio)) for alpha in own.alphas_]
            coefs, models = _coefs(own._models(settings), X, y, sample_weight)
        usual = "accuracy" if is_classifier(own) else "R²"
        scoring = own.scoring if isinstance(own.scoring, str) else usual
        display = cls(own.alphas_, scores, own.alpha_, coefs, names, scoring=scoring, models=models)
        return display.plot(ax=ax)

    @classmethod
    def from_search(cls, search, X=None, y=None, *, param=None, ax=None):
        """Draw the candidates of a search that varied `alpha`, at the best values of all else.

        Parameters
        ----------
        search : fitted GridSearchCV or RandomizedSearchCV

        X, y : array-like, default=None
            The data, for the coefficients: one fit per alpha. None for the scores alone.

        param : str, default=None
            The parameter; None for the one named ``alpha`` or ``...__alpha``.

        ax : matplotlib Axes, default=None
            None for a new figure.

        Returns
        -------
        display : RegularizationPathDisplay
        """
        if not hasattr(search, "cv_results_"):
            raise ValueError(
                f"This {type(search).__name__} has no cv_results_: it must be a GridSearchCV or "
                "RandomizedSearchCV that is fitted."
            )
        results = search.cv_results_
        varied = [name.removeprefix("param_") for name in results if name.startswith("param_")]
        if param is None:
            param = next((name for name in varied if name.split("__")[-1] == "alpha"), None)
        if param not in varied:
            raise ValueError(f"The search did not vary {param or 'alpha'}; it varied {varied}.")
        metric = search.refit if isinstance(search.refit, str) else "score"
        best = search.cv_results_["params"][search.best_index_]
        rest = {name: value for name, value in best.items() if name != param}
        chosen = [
            i
            for i, params in enumerate(results["params"])
            if all(repr(params.get(name)) == repr(value) for name, value in rest.items())
        ]
        splits = [
            name for name in results if name.startswith("split") and name.endswith(f"_test_{metric}")
        ]
        scores = np.column_stack([results[name] for name in splits])[chosen]
        alphas = np.array([results["params"][i][param] for i in chosen], dtype=float)
        coefs, several, names = None, 1, None
        if X is not None:
            model = clone(search.estimator).set_params(**best)
            if isinstance(model, Pipeline):
                front = model.fit(X, y)
                X, names = through(front, X)
                model, inner = last_step(front), param.split("__", 1)[-1]
            else:
                (X, names), inner = through(model, X), param
            models = [clone(model).set_params(**{inner: alpha}) for alpha in alphas.tolist()]
            coefs, several = _coefs(models, X, y)
        scoring = search.scoring if isinstance(search.scoring, str) else metric
        display = cls(alphas, scores, best[param], coefs, names, scoring=scoring, models=several)
        return display.plot(ax=ax)

    def plot(self, ax=None):
        """Draw.

        Parameters
        ----------
        ax : matplotlib Axes or array of two Axes, default=None
            One is split. None for a new figure.

        Returns
        -------
        self : RegularizationPathDisplay
        """
        both = self.coefs is not None
        size = (6.4, 6.0 if both else 3.4)
        self.figure_, axes = panels(type(self).__name__, ax, 2 if both else 1, 1, size)
        if both:
            self._draw_coefs(axes[0])
        self._draw_scores(axes[-1])
        for panel in axes:
            if self.alphas[0] > 0:
                panel.set_xscale("log")
            if self.alphas[0] < self.alphas[-1]:
                panel.set_xlim(self.alphas[0], self.alphas[-1])
            panel.axvline(self.best, color=FAINT, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
        self.ax_ = np.array(axes, dtype=object) if both else axes[0]
        return self

    def _draw_coefs(self, ax):
        largest = np.argsort(-np.abs(self.coefs).max(axis=0), kind="stable")
        named = largest[:NAMED].tolist()
        ax.plot(self.alphas, self.coefs[:, largest[NAMED:]], color="#b6bec8", linewidth=0.9)
        handles = []
        named.sort(key=lambda j: -self.coefs[0, j])  # as the lines follow each other at the left
        for i, j in enumerate(named):
            name = f"feature {j}" if self.names is None else self.names[j]
            style = ("-", (0, (5, 1.5)))[i % 2]
            handles += ax.plot(
                self.alphas, self.coefs[:, j], color=colour(i), ls=style, linewidth=1.9, label=name
            )
        ax.axhline(0, color=FAINT, linewidth=0.8)
        if self.models == 1:
            tidy(ax, "", "coefficient (per unit of the feature)", "Coefficients")
        else:
            label = f"norm of a feature's {self.models} coefficients"
            tidy(ax, "", label, "Size of the coefficients, over the classes or targets")
        ax.legend(
            handles=handles,
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            fontsize="small",
            title=f"{len(named)} largest of {self.coefs.shape[1]}"
            if self.coefs.shape[1] > NAMED
            else None,
            title_fontsize="small",
        )

    def _draw_scores(self, ax):
        mean, spread = self.scores.mean(axis=1), self.scores.std(axis=1)
        ax.fill_between(
            self.alphas, mean - spread, mean + spread, color=COLOURS[0], alpha=0.15, linewidth=0
        )
        ax.plot(self.alphas, mean, "o-", color=COLOURS[0], ms=4, linewidth=1.9)
        at = int(np.argmin(np.abs(self.alphas - self.best)))
        star = {"ms": 15, "color": COLOURS[1], "mec": "white", "mew": 0.9, "zorder": 4, "clip_on": False}
        ax.plot(self.alphas[at], mean[at], "*", **star)
        right = at > len(self.alphas) / 2
        ax.annotate(
            f"chosen: {self.best:.3g} ({mean[at]:.3g} ± {spread[at]:.2g})",
            (self.alphas[at], mean[at]),
            (-8 if right else 8, -16),
            textcoords="offset points",
            ha="right" if right else "left",
            color=COLOURS[1],
            fontsize="small",
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 1},
        )
        folds = self.scores.shape[1]
        tidy(
            ax, "alpha (strength of the penalty)", self.scoring, f"Score, mean ± spread of {folds} folds"
        )


def _coefs(models, X, y, sample_weight=None):
    """Coefficients of the models fitted to all data, (n_models, n_features), and of how many each is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if all(why_not(model) is None for model in models):
            X, y = np.asarray(X) if not hasattr(X, "dtype") else X, np.asarray(y)
            fits = [fit for fit, _ in fit_together(models, X, y, sample_weight=sample_weight)]
        else:
            weight = {} if sample_weight is None else {"sample_weight": sample_weight}
            fits = [model.fit(X, y, **weight) for model in models]
    rows = []
    for fit in fits:
        if isinstance(fit, Exception):
            raise fit
        coef = np.atleast_2d(fit.coef_)
        rows.append(coef[0] if len(coef) == 1 else np.linalg.norm(coef, axis=0))
    return np.array(rows), len(coef)
