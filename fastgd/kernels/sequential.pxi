# batch_size=1: stochastic gradient descent in exact order, one model.
#
# Four loops. Losses that leave well-predicted rows alone (hinge and its kin) take the simple loop on dense
# data: predict, and touch the weights only where there is a step. Otherwise short dense rows without l1 and averaging take the pipelined loop: the prediction of the row
# after next is begun in the same pass that adds this row's step, and completed with the two rows' inner
# product, so that nobody waits for the loss's exponential. Other dense rows take the fused loop: the step
# on one row and the prediction of the next in one pass. CSR rows are short and scattered: gather, step,
# scatter. Rows to come are prefetched into L2, all lines of them.

cdef enum:
    AHEAD = 10                 # rows between a prefetch and its use
    AHEAD_LONG = 2             # the same for rows of more than LONG bytes
    LONG = 8192

cdef inline idx row(const int32_t *order, idx k, idx n) noexcept nogil:
    """Index of the k-th row, or of the last one where k runs over."""
    if k >= n:
        k = n - 1
    return k if order == NULL else order[k]


cdef void pipelined(Model *m, const Recipe *r, const X *x, idx d, const W *y, const W *weight, W *w,
                    const int32_t *order, idx n, const double *rates, idx stride) noexcept nogil:
    cdef double p0, p1 = 0, p2 = 0, g = 0, g2 = 0, xx0, xx1 = 0, xx2 = 0, u, eta
    cdef idx k, i0, i1, i2, far, ahead = AHEAD if d * sizeof(X) <= LONG else AHEAD_LONG
    cdef W *none = NULL
    if n == 0:
        return
    i0, i1, i2 = row(order, 0, n), row(order, 1, n), row(order, 2, n)
    dot(x + i0 * d, x + i1 * d, w, d, &p0, &xx0)
    if n > 1:
        dot(x + i1 * d, x + i2 * d, w, d, &p1, &xx1)
        g = gram(x + i0 * d, x + i1 * d, w, d)
    for k in range(n):
        far = row(order, k + 2 + ahead, n)
        prefetch(y + far)
        if weight != NULL:
            prefetch(weight + far)
        eta = rates[k * stride]
        u = step(m, r, m.scale * p0, xx0, <double> y[i0], 1.0 if weight == NULL else <double> weight[i0], eta)
        if m.faded:
            p1 *= m.scale
            refresh(m, w, none, d)
        u *= m.inverse
        if not m.skipped:
            finish(m, r, u, eta)
        pipe(x + i0 * d, x + i1 * d, x + i2 * d, x + far * d, w, u, d, &p2, &g2, &xx2)
        p0, p1, g = p1 + u * g, p2, g2
        xx0, xx1 = xx1, xx2
        i0, i1, i2 = i1, i2, row(order, k + 3, n)


cdef void simple_rows(Model *m, const Recipe *r, const X *x, idx d, const W *y, const W *weight, W *w,
                      const int32_t *order, idx n, const double *rates, idx stride) noexcept nogil:
    cdef double wx, u, eta
    cdef idx k, i, far, ahead = AHEAD if d * sizeof(X) <= LONG else AHEAD_LONG
    cdef W *none = NULL
    for k in range(n):
        i = row(order, k, n)
        far = row(order, k + ahead, n)
        prefetch(y + far)
        if weight != NULL:
            prefetch(weight + far)
        eta = rates[k * stride]
        wx = m.scale * predict(x + i * d, x + far * d, <const W *> w, d)
        u = step(m, r, wx, 0, <double> y[i], 1.0 if weight == NULL else <double> weight[i], eta)
        if m.faded:
            refresh(m, w, none, d)
        finish(m, r, u * m.inverse, eta)
        if u != 0:
            # the step has taken the row's length for zero: it is known only now
            m.sq += u * u * axpy(x + i * d, w, u * m.inverse, d)


cdef void fused_rows(Model *m, const Recipe *r, const X *x, idx d, const W *y, const W *weight, W *w, W *q,
                     W *average, const int32_t *order, idx n, const double *rates, idx stride) noexcept nogil:
    cdef double p0, p1, xx0, xx1, u, eta
    cdef idx k, i0, i1, far, ahead = AHEAD if d * sizeof(X) <= LONG else AHEAD_LONG
    cdef Extras[W] e
    if n == 0:
        return
    i0 = row(order, 0, n)
    dot(x + i0 * d, x + i0 * d, w, d, &p0, &xx0)
    for k in range(n):
        i1 = row(order, k + 1, n)
        far = row(order, k + 1 + ahead, n)
        prefetch(y + far)
        if weight != NULL:
            prefetch(weight + far)
        eta = rates[k * stride]
        u = step(m, r, m.scale * p0, xx0, <double> y[i0], 1.0 if weight == NULL else <double> weight[i0], eta)
        if m.faded:
            refresh(m, w, average, d)
        if not m.skipped:
            finish(m, r, u * m.inverse, eta)
        if m.skipped or (u == 0 and q == NULL):
            dot(x + i1 * d, x + far * d, w, d, &p1, &xx1)   # the weights stay as they are
        else:
            e.q, e.u, e.scale = q, m.u, m.scale
            e.average, e.average_c = average, m.average_c
            fused(x + i0 * d, x + i1 * d, x + far * d, w, u * m.inverse, d, &e, &p1, &xx1)
            if q != NULL and u != 0:
                m.l1 = m.scale * e.l1
                m.sq = m.scale * m.scale * e.sq
        p0, xx0 = p1, xx1
        i0 = i1


cdef void csr_rows(Model *m, const Recipe *r, const X *x, const I *indptr, const I *col, const W *y,
                   const W *weight, W *w, W *average, W *z, idx d, const int32_t *order, idx n,
                   const double *rates, idx stride) noexcept nogil:
    """CSR without an l1 penalty; z has room for the longest row."""
    cdef double p, xx, u, eta
    cdef idx k, j, i, begin, nnz, far
    for k in range(n):
        i = row(order, k, n)
        begin = indptr[i]
        nnz = indptr[i + 1] - begin
        prefetch(indptr + row(order, k + 2 * AHEAD, n))
        far = row(order, k + AHEAD, n)
        prefetch(y + far)
        if weight != NULL:
            prefetch(weight + far)
        prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
        csr_dot(x + begin, col + begin, nnz, w, z, &p, &xx)
        eta = rates[k * stride]
        u = step(m, r, m.scale * p, xx, <double> y[i], 1.0 if weight == NULL else <double> weight[i], eta)
        if m.skipped:
            continue
        if m.faded:
            for j in range(nnz):
                z[j] = <W> (z[j] * m.scale)
            refresh(m, w, average, d)
        u *= m.inverse
        finish(m, r, u, eta)
        if u != 0:
            csr_step(x + begin, col + begin, nnz, z, u, w)
            if average != NULL and m.average_c != 0:
                csr_axpy(x + begin, col + begin, nnz, m.average_c, average)


cdef void csr_bring_up(Truncation *t, W *w, W *q, W *last, idx d) noexcept nogil:
    """Bring the weights of every column up to date."""
    cdef int32_t col[256]
    cdef W z[256]
    cdef W u[256]
    cdef W *at = last
    cdef idx first, k, n
    for first in range(0, d, 256):
        n = min(256, d - first)
        for k in range(n):
            col[k] = <int32_t> k
        csr_late(<const int32_t *> col, n, <const W *> (w + first), <const W *> (q + first), <const W *> at,
                 <W *> z, <W *> u, t)
        if at != NULL:
            at += 256
        memcpy(w + first, z, n * sizeof(W))
        memcpy(q + first, u, n * sizeof(W))


cdef void csr_start(Truncation *t, W *w, W *last, idx d) noexcept nogil:
    """All weights are up to date and the scale is one: count the norms anew."""
    cdef W *none = NULL
    cdef Norms now = norms(<const W *> w, <const W *> none, d)
    cdef idx j
    t.U = 0
    t.scale = t.inverse = 1
    t.l1, t.sq, t.active = now.l1, now.sq, now.active
    t.seen_l1, t.seen_sq = now.l1, now.sq
    if last != NULL:
        for j in range(d):
            last[j] = 0


cdef inline void csr_penalise(Truncation *t, Model *m, const Recipe *r, double eta) noexcept nogil:
    """This step's share of the penalty."""
    t.u = m.u
    t.scale, t.inverse = m.scale, m.inverse
    t.charge = r.l1 * eta
    t.step = t.charge * m.inverse
    t.U += t.step
    if r.l2 != 0 and t.factor != 1 - r.l2 * eta:
        t.factor = 1 - r.l2 * eta
        t.decay = -log1p(-r.l2 * eta) if t.factor > 0 else 1


cdef inline void csr_correct(Truncation *t, Model *m, const Recipe *r, idx rows, idx latest) noexcept nogil:
    """Norms, and the sums of past norms, were short of weights stopped at zero.

    The sums took `rows` rows a step, `latest` rows in the last one.
    """
    if t.late_l1 == 0 and t.over_l1 == 0:
        return
    if r.rule == GRADIENT:
        m.penalty_sum += m.scale * r.l1 * (rows * t.late_l1 + (latest - rows) * t.near_l1)
        m.penalty_sum += m.scale * m.scale * 0.5 * r.l2 * (rows * t.late_sq + (latest - rows) * t.near_sq)
    m.l1 += m.scale * t.over_l1
    m.sq += m.scale * m.scale * t.over_sq
    t.late_l1 = t.late_sq = t.over_l1 = t.over_sq = t.near_l1 = t.near_sq = 0


cdef void csr_rows_l1(Model *m, const Recipe *r, const X *x, const I *indptr, const I *col, const W *y,
                      const W *weight, W *w, W *q, W *last, W *average, W *z, W *s, idx d, const int32_t *order,
                      idx n, const double *rates, idx stride) noexcept nogil:
    """CSR with an l1 penalty, truncated when read (see Truncation); z and s have room for the longest row."""
    cdef double p, xx, u, eta
    cdef idx k, j, i, begin, nnz, far
    cdef Truncation t
    memset(&t, 0, sizeof(Truncation))
    t.u = m.u
    t.l1_over_l2 = r.l1 / r.l2 if r.l2 > 0 else 0
    csr_start(&t, w, last, d)
    for k in range(n):
        i = row(order, k, n)
        begin = indptr[i]
        nnz = indptr[i + 1] - begin
        prefetch(indptr + row(order, k + 2 * AHEAD, n))
        far = row(order, k + AHEAD, n)
        prefetch(y + far)
        if weight != NULL:
            prefetch(weight + far)
        prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
        csr_late(col + begin, nnz, w, q, last, z, s, &t)
        csr_correct(&t, m, r, 1, 1)
        p = xx = 0
        for j in range(nnz):
            p += <double> z[j] * x[begin + j]
            xx += <double> x[begin + j] * x[begin + j]
        eta = rates[k * stride]
        u = step(m, r, m.scale * p, xx, <double> y[i], 1.0 if weight == NULL else <double> weight[i], eta)
        if m.faded:
            for j in range(nnz):
                w[col[begin + j]] = z[j]
                q[col[begin + j]] = s[j]
                if last != NULL:
                    last[col[begin + j]] = <W> t.U
                z[j] = <W> (z[j] * m.scale)
            csr_bring_up(&t, w, q, last, d)
            refresh(m, w, average, d)
            csr_start(&t, w, last, d)
            for j in range(nnz):      # they are in hand, as if `csr_late` had just read them
                t.active -= z[j] != 0
                t.l1 -= fabs(z[j])
                t.sq -= <double> z[j] * z[j]
        u *= m.inverse
        if m.skipped:
            t.step = 0
        else:
            finish(m, r, u, eta)
            csr_penalise(&t, m, r, eta)
        csr_truncated_step(x + begin, col + begin, nnz, u, z, s, w, q, last, &t)
        if u != 0:
            m.l1 = m.scale * t.seen_l1
            m.sq = m.scale * m.scale * t.seen_sq
        advance(&t)
        if average != NULL and m.average_c != 0:
            csr_axpy(x + begin, col + begin, nnz, m.average_c, average)
    csr_bring_up(&t, w, q, last, d)
    csr_correct(&t, m, r, 1, 1)
