"""The solvers' passes over X equal their NumPy twins, on every layout, type and kernel build."""

import numpy as np
import pytest
import scipy.sparse as sp
from cases import layout

from fastgd import reference
from fastgd.data import RowSubset, make_rows, padded, raw_scores
from fastgd.kernels import kernels
from fastgd.losses import LOSSES
from fastgd.solvers.design import Design
from fastgd.solvers.objective import Objective

pytestmark = pytest.mark.kernels
LAYOUTS = ("dense", "csr32", "csr64")
SMOOTH = ("log_loss", "squared_error", "poisson")
LAYOUT_TYPES = [(kind, dtype) for kind in LAYOUTS for dtype in (np.float32, np.float64)]
N, D = 150, 37


def rows_of(kind, dtype, n=N, d=D):
    """A matrix with gaps, and targets in {-1, +1}."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d)) * (rng.random((n, d)) < 0.4)
    y = np.where(rng.random(n) < 0.4, 1.0, -1.0)
    weight = rng.integers(0, 4, n).astype(np.float64)
    X = X.astype(dtype)
    return layout(X, kind), X.astype(np.float64), y, weight


def close(actual, expected, dtype):
    scale = max(1.0, float(np.abs(expected).max()))
    tolerance = 1e-12 if dtype == np.float64 else 2e-5
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale)


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("loss", SMOOTH)
@pytest.mark.parametrize("weighted", [False, True])
def test_passes(kind, dtype, double, loss, weighted):
    if dtype == np.float64 and not double:
        pytest.skip("float64 rows are always worked on in float64")
    X, plain, y, weight = rows_of(kind, dtype)
    weight = weight if weighted else None
    rng = np.random.default_rng(1)
    w, b = 0.1 * rng.standard_normal(D), 0.3
    precision = np.float64 if double else np.float32
    sweeps = kernels.Sweeps(make_rows(X), y, weight, LOSSES[loss].number, LOSSES[loss].default)
    kernel_w, z, g = padded(w, D, precision), np.empty(N), np.zeros(D)
    total, r = 0.0, 0.0
    for start, stop in ((0, 70), (70, 70), (70, N)):  # pieces add up
        part = sweeps.descend(kernel_w, double, b, z, g, start, stop)
        total, r = total + part[0], r + part[1]
    expected = reference.descend_pass(loss, plain, y, w, b, weight)
    for actual, twin in zip((z, total, g, r), expected, strict=True):
        close(actual, twin, precision)

    only_z = np.empty(N)
    sweeps.forward(kernel_w, double, b, only_z, 0, N)
    close(only_z, expected[0], precision)

    back = np.zeros(D)
    sweeps.backward(z, double, back, 0, N)
    close(back, plain.T @ z, precision)

    h, curved = rng.random(N), np.zeros(D)
    product = h * (plain @ w + 0.2)
    assert sweeps.curve(kernel_w, double, 0.2, h, curved, 0, N) == pytest.approx(product.sum(), rel=1e-4)
    close(curved, plain.T @ product, precision)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", LAYOUTS)
def test_predictions_of_some_rows(kind, dtype):
    X, plain, _, _ = rows_of(kind, dtype)
    w = 0.1 * np.random.default_rng(1).standard_normal(D).astype(dtype)
    assert RowSubset(X, np.array([], dtype=np.int64)).predicted(w).shape == (0,)
    for rows in ([3], [7, 7, 149, 0, 2], np.random.default_rng(2).permutation(N)):
        chosen = np.array(rows)
        subset = RowSubset(X, chosen)
        close(subset.predicted(w), plain[chosen] @ w, dtype)
        assert raw_scores(subset, w[None], np.zeros(1, dtype)).dtype == dtype

    kernel_rows, chosen, out = make_rows(X), np.array([0, N], dtype=np.int32), np.empty(2)
    with pytest.raises(ValueError, match="existing rows"):
        kernels.predict_rows(kernel_rows, chosen, padded(w, D, dtype), dtype == np.float64, out)
    with pytest.raises(ValueError, match="padded"):
        kernels.predict_rows(kernel_rows, chosen, w, dtype == np.float64, out)
    with pytest.raises(ValueError, match="every row"):
        kernels.predict_rows(kernel_rows, chosen, padded(w, D, dtype), dtype == np.float64, out[:1])
    with pytest.raises(ValueError, match="rows of floats"):
        kernels.predict_rows(make_rows(np.ones((N, D), np.int8)), chosen, w, dtype == np.float64, out)


@pytest.mark.parametrize("loss", SMOOTH)
def test_slopes_and_curvatures(loss):
    rng = np.random.default_rng(0)
    y = np.where(rng.random(1000) < 0.5, 1.0, -1.0)
    z, weight = 4 * rng.standard_normal(1000), rng.random(1000)
    number, parameter = LOSSES[loss].number, LOSSES[loss].default
    out = np.empty(1000)
    for s in (None, weight):
        ones = np.ones(1000) if s is None else s
        total = kernels.slopes(number, parameter, y, z, s, out)
        assert total == pytest.approx(ones @ reference.value(loss, y, z), rel=1e-13)
        np.testing.assert_allclose(out, ones * reference.gradient(loss, y, z), rtol=1e-12, atol=1e-14)
        kernels.curvatures(number, parameter, y, z, s, out)
        np.testing.assert_allclose(out, ones * reference.curvature(loss, y, z), rtol=1e-12)
    step = 1e-5
    numeric = reference.gradient(loss, y, z + step) - reference.gradient(loss, y, z - step)
    np.testing.assert_allclose(
        reference.curvature(loss, y, z), numeric / (2 * step), rtol=1e-4, atol=1e-9
    )


def test_extreme_raw_predictions_stay_finite():
    z = np.array([-1e300, -1e4, -50.0, 0.0, 50.0, 1e4, 1e300])
    y, out = np.ones(7), np.empty(7)
    loss = LOSSES["log_loss"]
    assert kernels.slopes(loss.number, 0.0, y, z, None, out) == pytest.approx(1e300)
    np.testing.assert_allclose(out, [-1, -1, -1, -0.5, -np.exp(-50.0), 0, 0], rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int32])
@pytest.mark.parametrize("intercept", [False, True])
def test_dense_moments_and_hessian(dtype, intercept):
    rng = np.random.default_rng(0)
    X = (5 + 3 * rng.standard_normal((N, D))).astype(dtype) if dtype != np.uint8 else None
    X = rng.integers(0, 255, (N, D)).astype(dtype) if X is None else X
    y = np.where(rng.random(N) < 0.5, 1.0, -1.0)
    design = Design(Objective(X, y, "log_loss", fit_intercept=intercept), precise=True)
    plain = X.astype(np.float64)
    mean = plain.mean(axis=0) if intercept else np.zeros(D)
    np.testing.assert_allclose(design.mean, mean, rtol=1e-10)
    np.testing.assert_allclose(design.spread, np.sqrt(((plain - mean) ** 2).mean(axis=0)), rtol=1e-10)

    h = rng.random(N)
    scaled = np.column_stack([(plain - mean) * design.scale, np.ones(N)])
    expected = (scaled * h[:, None]).T @ scaled
    np.testing.assert_allclose(design.hessian(h), expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(design.hessian(h, precise=False), expected, rtol=0, atol=1e-4 * N)
    np.testing.assert_allclose(design.hessian_diagonal(h), np.diag(expected)[:D], rtol=1e-10)
    chosen = np.array([3, 7, 100, 149], dtype=np.int32)
    part = (scaled[chosen] * h[chosen, None]).T @ scaled[chosen]
    np.testing.assert_allclose(design.hessian(h[chosen], chosen), part, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
def test_sampled_hessian_is_near_about_the_means(layout):
    rng = np.random.default_rng(0)
    n, d = 4000, 6
    X = rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + 1000 * rng.standard_normal(d)
    design = Design(Objective(layout(X), np.where(rng.random(n) < 0.5, 1.0, -1.0), "log_loss"))
    h = rng.random(n)

    def about_means(H):
        return H[:d, :d] - np.outer(H[:d, d], H[:d, d]) / H[d, d]

    whole, sampled = design.hessian(h), design.sampled_hessian(h, 0.5, rng)
    np.testing.assert_allclose(sampled[d], whole[d], rtol=1e-8, atol=1e-8 * n)
    expected, found = about_means(whole), about_means(sampled)
    size = np.sqrt(expected.diagonal())
    assert np.abs((found - expected) / np.outer(size, size)).max() < 0.1


@pytest.mark.parametrize("layout", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("precise", [False, True])
def test_sampled_hessian_knows_rare_and_dependent_columns(layout, precise):
    """Rare columns have their exact variance, and what hardly varies in X does so in the Hessian."""
    rng = np.random.default_rng(0)
    n, d = 4000, 8
    X = rng.standard_normal((n, d))
    X[:, 5] = X[:, :5].sum(axis=1) + 1e-2 * rng.standard_normal(n)
    X[:, 6:] = 0.0
    X[7, 6] = X[8, 7] = X[9, 7] = 1.0
    design = Design(Objective(layout(X), np.where(rng.random(n) < 0.5, 1.0, -1.0), "log_loss"))
    h = rng.random(n)
    for _ in range(5):
        whole, sampled = design.hessian(h), design.sampled_hessian(h, 0.1, rng, precise)
        np.testing.assert_allclose(sampled.diagonal()[6:8], whole.diagonal()[6:8], rtol=1e-6)
        np.testing.assert_allclose(sampled.diagonal()[:6], whole.diagonal()[:6], rtol=0.5)
        v = np.append(design.scaled(np.array([1.0, 1, 1, 1, 1, -1, 0, 0]), 0.0)[0], 0.0)
        assert 0.5 < (v @ sampled @ v) / (v @ whole @ v) < 2.0
        assert np.linalg.eigvalsh(sampled).min() > -1e-6 * n


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["csr32", "csr64", "unsorted"])
def test_sparse_hessian(kind, dtype):
    X, plain, y, _ = rows_of("csr32" if kind == "unsorted" else kind, dtype)
    if kind == "unsorted":  # columns of a row backwards
        order = np.concatenate(
            [np.arange(b - 1, a - 1, -1) for a, b in zip(X.indptr, X.indptr[1:], strict=False)]
        )
        X = sp.csr_matrix((X.data[order], X.indices[order], X.indptr), X.shape)
    design = Design(Objective(X, y, "log_loss"))
    h = np.random.default_rng(1).random(N)
    scaled = np.column_stack([plain * design.scale, np.ones(N)])
    expected = (scaled * h[:, None]).T @ scaled
    np.testing.assert_allclose(design.hessian(h), expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(design.hessian_diagonal(h), np.diag(expected)[:D], rtol=1e-10)
    columns = np.array([2, 11, 30])
    pick = np.append(columns, D)
    block = design.hessian_block(h, columns)
    np.testing.assert_allclose(block, expected[np.ix_(pick, pick)], rtol=1e-10, atol=1e-10)
    chosen = np.array([0, 5, 77], dtype=np.int32)
    part = (scaled[chosen] * h[chosen, None]).T @ scaled[chosen]
    np.testing.assert_allclose(design.hessian(h[chosen], chosen), part, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [1, 63, 200])
def test_softmax(dtype, weighted, n):
    rng = np.random.default_rng(0)
    Z = (8 * rng.standard_normal((7, n))).astype(dtype)
    y = rng.integers(0, 7, n).astype(np.int32)
    weight = rng.random(n) if weighted else None
    loss, residuals = reference.softmax_slopes(Z.astype(np.float64), y, weight)
    out, double = Z.copy(), dtype == np.float64
    found = kernels.softmax(out, double, y, weight, 7)
    assert found == pytest.approx(loss, rel=1e-12 if double else 2e-7)
    np.testing.assert_allclose(out, residuals, rtol=0, atol=1e-14 if double else 1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exponentials(dtype):
    Z = np.zeros((2, 20_001), dtype=dtype)
    Z[1] = np.linspace(-80, 0, 20_001)
    expected = np.exp(Z[1].astype(np.float64))
    expected /= 1 + expected
    kernels.softmax(Z, dtype == np.float64, np.zeros(20_001, np.int32), None, 2)
    np.testing.assert_allclose(Z[1], expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", LAYOUTS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kappa", [0.0, 2.0])
def test_dual_epochs(kind, dtype, weighted, kappa):
    X, plain, y, weight = rows_of(kind, dtype)
    weight = weight if weighted else None
    theta, w, share = np.full(N, -2.0), padded(None, D, dtype), 0.7
    kernel = kernels.DualAscent(make_rows(X), y, weight, theta, w, share, kappa)
    kernel.intercept = 0.1
    order = kernels.Order(N, 5)
    twin = np.full(N, -2.0), np.zeros(D), 0.1
    for rows in reference.epoch_orders(N, 5, 3):
        order.advance()
        gap = kernel.epoch(order)
        *twin, expected = reference.dual_epoch(plain, y, *twin, share, kappa, rows, weight)
        tolerance = 1e-5 if dtype == np.float64 else 2e-3
        np.testing.assert_allclose(theta, twin[0], rtol=0, atol=tolerance)
        np.testing.assert_allclose(w[:D], twin[1], rtol=0, atol=tolerance)
        assert kernel.intercept == pytest.approx(twin[2], abs=tolerance)
        assert gap == pytest.approx(expected, rel=1e-4 if dtype == np.float64 else 1e-2)


def test_buffers_that_do_not_fit_are_refused():
    X, _, y, _ = rows_of("dense", np.float64)
    sweeps = kernels.Sweeps(make_rows(X), y, None, 0)
    w = padded(None, D, np.float64)
    with pytest.raises(ValueError, match="padded"):
        sweeps.forward(w[:16], True, 0.0, np.empty(N), 0, N)
    with pytest.raises(ValueError, match="existing rows"):
        sweeps.forward(w, True, 0.0, np.empty(N), 0, N + 1)
    with pytest.raises(ValueError, match="float64 rows"):
        sweeps.forward(w.astype(np.float32), False, 0.0, np.empty(N), 0, N)
    with pytest.raises(ValueError, match="target"):
        kernels.Sweeps(make_rows(X), y[:-1], None, 0)
    with pytest.raises(ValueError, match="class codes"):
        kernels.softmax(np.zeros((2, 3)), True, np.array([0, 1, 2], np.int32), None, 2)


@pytest.mark.parametrize("kind, dtype", [*LAYOUT_TYPES, ("dense", np.int8), ("dense", np.int64)])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("l2", [0.0, 0.02])
def test_columns(kind, dtype, intercept, l2):
    X, plain, _, _ = rows_of(kind, dtype)
    if np.dtype(dtype).kind == "f":
        plain[:, 3] = 0.0
        plain[:, 4] = 2.0  # constant: nothing is left of it beside an intercept
        X = layout(plain.astype(dtype), kind)
    rng = np.random.default_rng(2)
    chosen = rng.permutation(D)[:20].astype(np.int32)
    block = kernels.ColumnBlock(make_rows(X), chosen, lambda size: np.empty(size, dtype=np.uint8))
    some = plain[:, chosen]
    sizes, squares = np.empty(20, dtype=np.int64), np.empty(20)
    block.sizes(sizes)
    block.squares(squares)
    assert sizes.sum() == block.stored == (N * 20 if kind == "dense" else np.count_nonzero(some))
    np.testing.assert_allclose(squares, (some**2).sum(axis=0), rtol=1e-12)

    v, u = rng.standard_normal(N), rng.standard_normal(7)
    order = rng.permutation(20)[:7].astype(np.int32)
    z, out = v.copy(), np.empty(7)
    block.predict(order, u, z)
    block.correlate(order, v, out)
    np.testing.assert_allclose(z, v + some[:, order] @ u, rtol=0, atol=1e-11)
    np.testing.assert_allclose(out, v @ some[:, order], rtol=0, atol=1e-11)

    h = rng.uniform(0.01, 0.25, N) / N
    s, w = v / N, 0.1 * rng.standard_normal(20) * (rng.random(20) < 0.5)
    total, shift = (h.sum(), s.sum() / h.sum()) if intercept else (0.0, 0.0)
    m, a, z, l1 = np.zeros(20), np.zeros(20), np.zeros(N), 0.01
    order = rng.permutation(20).astype(np.int32)
    twin = w, s, z, shift, 0.0
    run, gained, moved = 0, 0.0, shift
    for epoch in range(3):
        z_before = twin[2]
        twin = reference.column_epoch(some, h, twin[1], twin[0], order, total, twin[3], l1, l2)
        twin = (*twin[:2], z_before + twin[2], *twin[3:])
        if epoch == 0:
            s, w = s.copy(), w.copy()
        run, gained, moved = block.descend(
            order, h, s, z, w, m, a, total, moved, l1, l2, epoch == 0, 1, 0.0
        )
        assert run == 1
    for actual, expected in zip((w, s, z, moved, gained), twin, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-11)


def test_columns_are_checked():
    rows = make_rows(np.ones((5, 3)))
    with pytest.raises(ValueError, match="existing columns"):
        kernels.ColumnBlock(rows, np.array([3], dtype=np.int32), bytearray)
    with pytest.raises(ValueError, match="room for all values"):
        kernels.ColumnBlock(rows, np.array([0], dtype=np.int32), lambda size: bytearray(size - 1))
    block = kernels.ColumnBlock(rows, np.array([0, 2], dtype=np.int32), bytearray)
    with pytest.raises(ValueError, match="order of existing columns"):
        block.predict(np.array([2], dtype=np.int32), np.ones(1), np.zeros(5))
    with pytest.raises(ValueError, match="a value for every row"):
        block.correlate(np.array([1], dtype=np.int32), np.ones(4), np.zeros(1))
