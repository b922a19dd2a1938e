"""scikit-learn's own tests of logistic regression, run against fastgd's.

Design note. As in test_sklearn_suite: the installed tests, unchanged, in a process of their own in
which ``fastgd.patch_sklearn()`` came first. The few that must fail are listed by name, with what they
assert that fastgd does on purpose not do, and must fail.
"""

import collections
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sklearn
from cases import needs_parity_version

PRIVATE = "hands all parameters to a private function, which does not know max_time and multi_class"
MEMORY = "expects an iteration to depend on nothing but the weights; ours keep curvature"
INDICES = "expects 64-bit indices to be refused under these names; ours take them"
THREADS = "expects a warning that n_jobs has no effect; here it has"
FALLBACK = "expects newton-cholesky to give up a singular Hessian, and to warn as lbfgs"
EMPTY_TASK = "counts an empty task after the last iteration, which ours do not report"

EXPECTED_FAILURES = {
    **{
        f"test_logistic_cv_multinomial_score[{scoring}-multiclass_agg_list{i}]": PRIVATE
        for i, scoring in enumerate(("accuracy", "precision", "f1", "neg_log_loss", "recall"))
    },
    **{
        f"test_warm_start_newton_solver[{C}-{intercept}-newton-{solver}]": MEMORY
        for C in ("1", "inf")
        for intercept in ("True", "False")
        for solver in ("cg", "cholesky")
    },
    **{
        f"test_large_sparse_matrix[{layout}-{solver}]": INDICES
        for layout in ("csr_matrix", "csr_array")
        for solver in ("sag", "saga")
    },
    "test_logisticregression_warns_with_n_jobs": THREADS,
    "test_newton_cholesky_fallback_to_lbfgs": FALLBACK,
    **{f"test_logistic_regression_callback_support[{n}]": EMPTY_TASK for n in (0, 2, 1000)},
}


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    """Outcome of every test, and the names of those that construct an estimator of fastgd."""
    folder = tmp_path_factory.mktemp("suite")
    report = folder / "report.json"
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short", f"--rootdir={folder}"]
    options += ["-p", "sgd_suite_plugin", f"--suite-report={report}"]
    here = str(Path(__file__).parent)
    path = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *options,
            "--pyargs",
            "sklearn.linear_model.tests.test_logistic",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert report.exists(), run.stdout + run.stderr
    return {**json.loads(report.read_text()), "text": run.stdout}


@needs_parity_version
def test_only_what_differs_on_purpose_fails(suite, capsys):
    outcomes = suite["outcomes"]
    counts = collections.Counter(outcomes.values())
    with capsys.disabled():
        print(
            f"\nscikit-learn {sklearn.__version__}'s test_logistic.py on fastgd: {dict(counts)}; "
            f"{len(suite['constructing'])} of {len(outcomes)} tests construct its estimators"
        )
    failed = {name for name, outcome in outcomes.items() if outcome == "failed"}
    assert failed == set(EXPECTED_FAILURES), suite["text"]


@needs_parity_version
def test_the_suite_really_ran_on_fastgd(suite):
    outcomes = suite["outcomes"]
    if sklearn.__version__ == "1.9.1":
        assert sum(outcome != "skipped" for outcome in outcomes.values()) >= 295
    # Other arrays than NumPy's, and three combinations that scikit-learn skips itself.
    skipped = {name.partition("[")[0] for name, outcome in outcomes.items() if outcome == "skipped"}
    assert skipped <= {
        "test_logistic_regression_array_api_compliance",
        "test_logistic_regression_array_api_warm_start",
        "test_max_iter",
    }
    # The others call a private function of scikit-learn's module.
    ran = {name for name, outcome in outcomes.items() if outcome != "skipped"}
    idle = {name.partition("[")[0] for name in ran - set(suite["constructing"])}
    assert idle <= {
        "test_logistic_regression_path_coefs_multinomial",
        "test_logistic_regression_path_convergence_fail",
        "test_logistic_regression_path_init_coefs",
    }
