# batch_size > 1: one step per batch, along the mean gradient of its rows. "full" is one batch.
#
# Dense: the rows of a batch are read once, four at a time; their gradients gather in g, and the step
# itself is the fused pass of the sequential loop with g as its row. CSR: predictions of all rows first,
# then their gradients straight into the touched weights, so that a step costs what its rows contain.
# Weights arrive divided by their mean, so that weight 2 is the row twice.

cdef inline double pull(Model *m, const Recipe *r, double wx, double xx, double y, double weight) noexcept nogil:
    """A row's share of the step: minus the weighted gradient, or the passive-aggressive step."""
    cdef double share, p = wx + m.intercept
    weight *= r.class_weight[y > 0]
    m.loss_sum += weight * loss_value(r.loss, y, p, r.parameter)
    if r.rule == GRADIENT:
        share = -clip(loss_gradient(r.loss, y, p, r.parameter))
    else:
        share = passive_aggressive(m, r, p, xx, y)
    return share * weight


cdef inline double batch_end(Model *m, const Recipe *r, double total, idx rows, double eta) noexcept nogil:
    """Shrink, move the intercept; returns what the sum of the rows' pulls is multiplied with."""
    cdef double rate = (eta if r.rule == GRADIENT else 1.0) / rows
    m.faded = False
    if r.l2 != 0:
        shrink(m, r, eta)
    if r.fit_intercept:
        m.intercept += rate * total - r.nu * eta
    return rate


cdef void dense_batches(Model *m, const Recipe *r, const X *x, const Integers *integers, idx d, const W *y, const W *weight, W *w, W *q,
                        W *average, W *g, const int32_t *order, idx n, idx size, const double *rates,
                        idx stride) noexcept nogil:
    cdef double p[4]
    cdef double c[4]
    cdef const X *rows[4]
    cdef const X *ahead[4]
    cdef idx b, i, j, k, first, batch, count
    cdef double xx = 0, total, eta, rate, unused
    cdef Extras[W] e
    cdef Norms now
    cdef const W *none = NULL
    # integers: x is a buffer for four rows
    for b in range((n + size - 1) // size):
        first = b * size
        batch = min(size, n - first)
        m.penalty_sum += batch * penalty(m, r)
        memset(g, 0, d * sizeof(W))
        total = 0
        for k in range(first, first + batch, 4):
            count = min(4, first + batch - k)
            for j in range(4):
                if integers == NULL:
                    rows[j] = x + row(order, k + j, n) * d
                    ahead[j] = x + row(order, k + 4 + j, n) * d
                else:
                    rows[j] = ahead[j] = x + j * d
                    integers.convert(integers.data, d, row(order, k + j, n), <void *> rows[j])
            dot4(<const X **> rows, <int> count, <const X **> ahead, <const W *> w, d, p)
            for j in range(count):
                i = row(order, k + j, n)
                if r.rule != GRADIENT:
                    dot(rows[j], rows[j], <const W *> w, d, &unused, &xx)
                c[j] = pull(m, r, m.scale * p[j], xx, <double> y[i], 1.0 if weight == NULL else <double> weight[i])
                total += c[j]
            axpy4(<const X **> rows, <int> count, <const X **> ahead, <const double *> c, g, d)
        eta = rates[b * stride]
        rate = batch_end(m, r, total, batch, eta)
        if m.faded:
            refresh(m, w, average, d)
        rate *= m.inverse
        finish(m, r, rate, eta)
        e.q, e.u, e.scale = q, m.u, m.scale
        e.average, e.average_c = average, m.average_c
        fused(<const W *> g, <const W *> g, <const W *> g, w, rate, d, &e, &unused, &unused)
        if q == NULL:
            now = norms(<const W *> w, none, d)
            e.l1, e.sq = now.l1, now.sq
        m.l1 = m.scale * e.l1
        m.sq = m.scale * m.scale * e.sq


cdef void csr_batches(Model *m, const Recipe *r, const X *x, const I *indptr, const I *col, const W *y,
                      const W *weight, W *w, W *average, W *z, double *c, idx d, const int32_t *order, idx n, idx size,
                      const double *rates, idx stride) noexcept nogil:
    """CSR without an l1 penalty; z has room for the longest row, c for a batch."""
    cdef idx b, i, k, first, batch, begin, nnz, far
    cdef double p, xx, total, eta, rate, growth
    for b in range((n + size - 1) // size):
        first = b * size
        batch = min(size, n - first)
        m.penalty_sum += batch * penalty(m, r)
        total = 0
        for k in range(batch):
            i = row(order, first + k, n)
            begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
            far = row(order, first + k + AHEAD, n)
            prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
            csr_dot(x + begin, col + begin, nnz, w, z, &p, &xx)
            c[k] = pull(m, r, m.scale * p, xx, <double> y[i], 1.0 if weight == NULL else <double> weight[i])
            total += c[k]
        eta = rates[b * stride]
        rate = batch_end(m, r, total, batch, eta)
        if m.faded:
            refresh(m, w, average, d)
        rate *= m.inverse
        finish(m, r, rate, eta)
        growth = 0
        for k in range(batch):
            i = row(order, first + k, n)
            begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
            far = row(order, first + k + AHEAD, first + batch)
            prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
            if c[k] != 0:
                growth += csr_axpy(x + begin, col + begin, nnz, rate * c[k], w)
                if average != NULL and m.average_c != 0:
                    csr_axpy(x + begin, col + begin, nnz, m.average_c * c[k], average)
        m.sq = max(0.0, m.sq + m.scale * m.scale * growth)


cdef void csr_batches_l1(Model *m, const Recipe *r, const X *x, const I *indptr, const I *col, const W *y,
                         const W *weight, W *w, W *q, W *last, W *average, W *z, W *s, double *c, idx d,
                         const int32_t *order, idx n, idx size, const double *rates, idx stride) noexcept nogil:
    """CSR with an l1 penalty, truncated when read (see Truncation); buffers as in `csr_batches`."""
    cdef idx b, i, j, k, first, batch, begin, nnz
    cdef double p, xx, total, eta, rate
    cdef Truncation t
    memset(&t, 0, sizeof(Truncation))
    t.u = m.u
    t.l1_over_l2 = r.l1 / r.l2 if r.l2 > 0 else 0
    csr_start(&t, w, last, d)
    for b in range((n + size - 1) // size):
        first = b * size
        batch = min(size, n - first)
        total = 0
        for k in range(batch):
            i = row(order, first + k, n)
            begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
            csr_late(col + begin, nnz, w, q, last, z, s, &t)
            csr_put(col + begin, nnz, <const W *> z, <const W *> s, w, q, last, &t)
            p = xx = 0
            for j in range(nnz):
                p += <double> z[j] * x[begin + j]
                xx += <double> x[begin + j] * x[begin + j]
            c[k] = pull(m, r, m.scale * p, xx, <double> y[i], 1.0 if weight == NULL else <double> weight[i])
            total += c[k]
        csr_correct(&t, m, r, size, size)
        m.penalty_sum += batch * penalty(m, r)
        eta = rates[b * stride]
        rate = batch_end(m, r, total, batch, eta)
        if m.faded:
            csr_bring_up(&t, w, q, last, d)
            refresh(m, w, average, d)
            csr_start(&t, w, last, d)
        rate *= m.inverse
        finish(m, r, rate, eta)
        # every row's gradient first, then the penalty once on what they touched
        for k in range(batch):
            i = row(order, first + k, n)
            begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
            csr_add(x + begin, col + begin, nnz, rate * c[k], w, &t)
            if average != NULL and m.average_c != 0:
                csr_axpy(x + begin, col + begin, nnz, m.average_c * c[k], average)
        m.l1 = m.scale * t.l1
        m.sq = m.scale * m.scale * t.sq
        csr_penalise(&t, m, r, eta)
        advance(&t)
        for k in range(batch):
            i = row(order, first + k, n)
            begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
            csr_truncate(col + begin, nnz, w, q, last, &t)
    csr_bring_up(&t, w, q, last, d)
    csr_correct(&t, m, r, size, batch)
