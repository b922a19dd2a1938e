"""Penalties: what a user names, as the two strengths that the kernels know.

The objective is ``mean loss + l1 * sum|w| + l2 / 2 * sum w^2``, with the intercept unpenalised. A
penalty of this family is one line in the registry: a function of ``alpha`` and ``l1_ratio``.
"""

__all__ = ["PENALTIES", "strengths"]

# name -> (l1, l2)
PENALTIES = {
    None: lambda alpha, l1_ratio: (0.0, 0.0),
    "l2": lambda alpha, l1_ratio: (0.0, alpha),
    "l1": lambda alpha, l1_ratio: (alpha, 0.0),
    "elasticnet": lambda alpha, l1_ratio: (alpha * l1_ratio, alpha * (1.0 - l1_ratio)),
}


def strengths(penalty, alpha, l1_ratio):
    """Strengths ``(l1, l2)`` of a penalty.

    Parameters
    ----------
    penalty : {None, "l2", "l1", "elasticnet"}
        Its name; None for none.
    alpha : float
        Strength of the whole penalty.
    l1_ratio : float or None
        Share of l1 in the elastic net, in [0, 1]; the others ignore it.
    """
    return PENALTIES[penalty](float(alpha), None if l1_ratio is None else float(l1_ratio))
