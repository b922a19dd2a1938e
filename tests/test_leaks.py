"""`leaks.py` finds one lost `coef_` per fit, whichever the estimator; real leaks are its own to find."""

import leaks
import numpy as np
import pytest

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.skipif(leaks.mallinfo2 is None, reason="counts bytes by glibc's mallinfo2"),
]
KINDS = leaks.kinds()


@pytest.mark.parametrize("name", [name for name in KINDS if name != "refused"])
def test_a_lost_array_is_found(name):
    kept = []

    def leaky():
        kept.append(np.array(KINDS[name]().coef_))

    growth = leaks.lost(leaky, fits=5, rounds=3, most=3)
    assert leaks.leaks(growth)
    assert growth[0] >= 0.9 * kept[0].nbytes


def test_nothing_is_found_where_nothing_is_lost():
    assert not leaks.leaks(leaks.lost(KINDS["partial_fit"]))
