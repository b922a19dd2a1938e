# batch_size > 1: one step per batch, along the mean gradient of its rows. "full" is one batch.
#
# Dense: rows are predicted some at a time, as many as fit the first-level cache, so that losses and their
# gradients are vectorised over rows and the rows are still at hand when their gradients gather in g; the
# step itself is the fused pass of the sequential loop with g as its row. CSR: predictions of all rows first,
# then their gradients straight into the touched weights, so that a step costs what its rows contain.
# Weights arrive divided by their mean, so that weight 2 is the row twice.

cdef enum:
    NEAR = 24576               # bytes of rows that stay in the first-level cache between two passes

cdef struct Batch:
    # Some rows of a batch.
    double y[BLOCK]
    double weight[BLOCK]
    double p[BLOCK]            # w . x without scale, then predictions
    double xx[BLOCK]           # x . x, for the passive-aggressive rules
    double c[BLOCK]            # shares of the step: minus the weighted gradient, or the passive-aggressive step


cdef void gather_targets(Batch *b, const Recipe *r, const W *y, const W *weight, const int32_t *order, idx first,
                         idx count, idx n) noexcept nogil:
    cdef idx k, i
    for k in range(count):
        i = row(order, first + k, n)
        b.y[k] = y[i]
        b.weight[k] = r.class_weight[y[i] > 0]
        if weight != NULL:
            b.weight[k] *= weight[i]


cdef double pulls(Model *m, const Recipe *r, Batch *b, idx count, double scale) noexcept nogil:
    """From w . x to the rows' shares of the step; returns their sum."""
    cdef idx k
    cdef double total = 0
    cdef bint unused
    for k in range(count):
        b.p[k] = scale * b.p[k] + m.intercept
    m.loss_sum += loss_sum(r.loss, b.y, b.p, b.weight, count, r.parameter)
    if r.rule == GRADIENT:
        loss_pulls(r.loss, b.weight, b.y, b.p, b.c, count, r.parameter)
        for k in range(count):
            b.c[k] = -b.c[k]
            total += b.c[k]
    else:
        for k in range(count):
            b.c[k] = b.weight[k] * passive_aggressive(r, b.p[k], b.xx[k], b.y[k], &unused)
            total += b.c[k]
    return total


cdef inline double batch_rate(Model *m, const Recipe *r, Steps *s, idx k, double total, idx rows) noexcept nogil:
    """Move the intercept in step k; returns what the sum of the rows' pulls is multiplied with."""
    cdef double rate = (s.eta[k] if r.rule == GRADIENT else 1.0) / rows
    if r.fit_intercept:
        m.intercept += rate * total - r.nu * s.eta[k]
    s.intercept[k + 1] = m.intercept
    return rate * s.inverse[k]


cdef inline idx rows_at_once(idx d, idx itemsize) noexcept nogil:
    """Rows whose losses and gradients are computed together: what stays in the first-level cache."""
    return max(<idx> 4, min(<idx> BLOCK, NEAR // (d * itemsize + 1) // 4 * 4))


cdef double dense_pulls(Model *m, const Recipe *r, Batch *b, const X *x, const Integers *integers, idx d, const W *y,
                        const W *weight, const W *w, W *g, const int32_t *order, idx first, idx batch, idx n,
                        idx near, double scale) noexcept nogil:
    """Add the rows of a batch to g, each times its share of the step; returns the sum of the shares."""
    cdef const X *rows[2 * BLOCK]
    cdef idx i, j, part, at, count
    cdef double total = 0, unused
    for part in range((batch + near - 1) // near):
        at = first + part * near
        count = min(near, first + batch - at)
        for j in range(2 * near):       # the second half is prefetched
            i = row(order, at + j, n)
            rows[j] = x + (i if integers == NULL else j % near) * d
            if integers != NULL and j < count:
                integers.convert(integers.data, d, i, <void *> rows[j])
        gather_targets(b, r, y, weight, order, at, count, n)
        for j in range(0, count, 4):
            dot4(<const X **> rows + j, <int> min(<idx> 4, count - j), <const X **> rows + j + near, w, d, b.p + j)
        if r.rule != GRADIENT:
            for j in range(count):
                dot(rows[j], rows[j], w, d, &unused, &b.xx[j])
        total += pulls(m, r, b, count, scale)
        if count == 1:
            axpy(rows[0], g, b.c[0], d)
            continue
        for j in range(0, count, 4):
            axpy4(<const X **> rows + j, <int> min(<idx> 4, count - j), <const double *> (b.c + j), g, d)
    return total


cdef void dense_batches(Model *m, const Recipe *r, const X *x, const Integers *integers, idx d, const W *y,
                        const W *weight, W *w, W *q, W *average, W *g, const int32_t *order, idx n, idx size,
                        const double *rates, idx stride) noexcept nogil:
    """integers: x is a buffer for a block of rows."""
    cdef idx done = 0, batches = (n + size - 1) // size
    cdef idx k, first, batch
    cdef idx near = rows_at_once(d, sizeof(X))
    cdef double total, rate, unused
    cdef Batch b
    cdef Steps s
    cdef Extras[W] e
    cdef Norms now
    cdef const W *none = NULL
    e.q, e.average = q, average
    while done < batches:
        plan_steps(m, r, &s, batches - done, rates + done * stride, stride)
        for k in range(s.n):
            first = (done + k) * size
            batch = min(size, n - first)
            m.penalty_sum += batch * penalty(r, m.sq, m.l1, m.intercept)
            memset(g, 0, d * sizeof(W))
            total = dense_pulls(m, r, &b, x, integers, d, y, weight, <const W *> w, g, order, first, batch, n, near,
                                s.scale[k])
            rate = batch_rate(m, r, &s, k, total, batch)
            if s.faded and k == 0:
                fade(m, &s, w, average, d)
            if q != NULL:
                e.u, e.scale = s.u[k], s.scale[k + 1]
            if average != NULL:
                e.average_c = -s.average_a[k] * rate
            fused(<const W *> g, <const W *> g, <const W *> g, w, rate, d, &e, &unused, &unused)
            if q == NULL:
                now = norms(<const W *> w, none, d)
                e.l1, e.sq = now.l1, now.sq
            m.l1 = s.scale[k + 1] * e.l1
            m.sq = s.scale[k + 1] * s.scale[k + 1] * e.sq
        done += s.n
        end_steps(m, r, &s, s.n)


cdef void csr_batches(Model *m, const Recipe *r, const X *x, const I *indptr, const I *col, const W *y,
                      const W *weight, W *w, W *average, W *z, double *c, idx d, const int32_t *order, idx n, idx size,
                      const double *rates, idx stride) noexcept nogil:
    """CSR without an l1 penalty; z has room for the longest row, c for a batch."""
    cdef idx done = 0, batches = (n + size - 1) // size
    cdef idx i, j, k, first, batch, part, at, count, begin, nnz, far
    cdef double total, rate, growth
    cdef Batch b
    cdef Steps s
    while done < batches:
        plan_steps(m, r, &s, batches - done, rates + done * stride, stride)
        for k in range(s.n):
            first = (done + k) * size
            batch = min(size, n - first)
            m.penalty_sum += batch * penalty(r, m.sq, m.l1, m.intercept)
            total = 0
            for part in range((batch + BLOCK - 1) // BLOCK):
                at = part * BLOCK
                count = min(<idx> BLOCK, batch - at)
                gather_targets(&b, r, y, weight, order, first + at, count, n)
                for j in range(count):
                    i = row(order, first + at + j, n)
                    begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
                    far = row(order, first + at + j + AHEAD, n)
                    prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
                    csr_dot(x + begin, col + begin, nnz, w, z, &b.p[j], &b.xx[j])
                total += pulls(m, r, &b, count, s.scale[k])
                memcpy(c + at, b.c, count * sizeof(double))
            rate = batch_rate(m, r, &s, k, total, batch)
            if s.faded and k == 0:
                fade(m, &s, w, average, d)
            growth = 0
            for j in range(batch):
                i = row(order, first + j, n)
                begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
                far = row(order, first + j + AHEAD, first + batch)
                prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
                if c[j] != 0:
                    growth += csr_axpy(x + begin, col + begin, nnz, rate * c[j], w)
                    if average != NULL and s.average_a[k] != 0:
                        csr_axpy(x + begin, col + begin, nnz, -s.average_a[k] * rate * c[j], average)
            m.sq = max(0.0, s.factor[k] * s.factor[k] * m.sq + s.scale[k + 1] * s.scale[k + 1] * growth)
        done += s.n
        end_steps(m, r, &s, s.n)


cdef void csr_batches_l1(Model *m, const Recipe *r, const X *x, const I *indptr, const I *col, const W *y,
                         const W *weight, W *w, W *q, W *last, W *average, W *z, W *v, double *c,
                         Truncation *t, idx d, const int32_t *order, idx n, idx size, const double *rates,
                         idx stride) noexcept nogil:
    """CSR with an l1 penalty, truncated when read (see Truncation); buffers as in `csr_batches`."""
    cdef idx done = 0, batches = (n + size - 1) // size
    cdef idx i, j, k, first, batch, part, at, count, begin, nnz
    cdef double total, rate
    cdef Batch b
    cdef Steps s
    t.u = m.u
    csr_start(t, w, last, d)
    while done < batches:
        plan_steps(m, r, &s, batches - done, rates + done * stride, stride)
        for k in range(s.n):
            csr_make_room(t, m, r, s.scale[k], w, q, last, d)
            first = (done + k) * size
            batch = min(size, n - first)
            total = 0
            for part in range((batch + BLOCK - 1) // BLOCK):
                at = part * BLOCK
                count = min(<idx> BLOCK, batch - at)
                gather_targets(&b, r, y, weight, order, first + at, count, n)
                for j in range(count):
                    i = row(order, first + at + j, n)
                    begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
                    csr_late(col + begin, nnz, w, q, last, z, v, t)
                    csr_put(col + begin, nnz, <const W *> z, <const W *> v, w, q, last, t)
                    dot(x + begin, x + begin, <const W *> z, nnz, &b.p[j], &b.xx[j])
                total += pulls(m, r, &b, count, s.scale[k])
                memcpy(c + at, b.c, count * sizeof(double))
            csr_correct(t, m, r, s.scale[k])
            m.penalty_sum += batch * penalty(r, m.sq, m.l1, m.intercept)
            note_charge(t, s.scale[k], batch)
            rate = batch_rate(m, r, &s, k, total, batch)
            if s.faded and k == 0:
                csr_bring_up(t, w, q, last, d)
                csr_correct(t, m, r, s.faded_scale)
                fade(m, &s, w, average, d)
                csr_start(t, w, last, d)
            # every row's gradient first, then the penalty once on what they touched
            for j in range(batch):
                i = row(order, first + j, n)
                begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
                csr_add(x + begin, col + begin, nnz, rate * c[j], w, t)
                if average != NULL and s.average_a[k] != 0:
                    csr_axpy(x + begin, col + begin, nnz, -s.average_a[k] * rate * c[j], average)
            m.l1 = s.scale[k + 1] * t.l1
            m.sq = s.scale[k + 1] * s.scale[k + 1] * t.sq
            t.seen_U = t.U
            csr_penalise(t, r, &s, k)
            advance(t)
            for j in range(batch):
                i = row(order, first + j, n)
                begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
                csr_truncate(col + begin, nnz, w, q, last, t)
        done += s.n
        end_steps(m, r, &s, s.n)
    csr_bring_up(t, w, q, last, d)
    csr_correct(t, m, r, m.scale)
