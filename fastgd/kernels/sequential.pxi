# batch_size=1: stochastic gradient descent in exact order, one model.
#
# Three loops. Short dense rows without an l1 penalty take the pipelined loop: the prediction of the row
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


cdef void pipelined(Model *m, const Recipe *r, const X *x, idx d, const W *y, const W *weight, W *w, W *average,
                    const int32_t *order, idx n, const double *rates, idx stride) noexcept nogil:
    """Gradient steps without l1 penalty."""
    cdef double p, p1 = 0, g = 0, xx0, xx1 = 0, p2, g2, xx2, u, c = 0, base, turn, own = r.fit_intercept
    cdef idx first = 0, k
    cdef const X *rows[BLOCK + 3 + AHEAD]
    cdef Steps s
    if n == 0:
        return
    for k in range(3):
        rows[k] = x + row(order, k, n) * d
    dot(rows[0], rows[1], <const W *> w, d, &p, &xx0)
    if n > 1:
        dot(rows[1], rows[2], <const W *> w, d, &p1, &xx1)
        g = gram(rows[0], rows[1], <const W *> w, d)
    p = m.scale * p + m.intercept
    while first < n:
        begin_rows(m, r, &s, y, weight, order, first, n, rates, stride)
        for k in range(s.n + 3 + AHEAD):
            rows[k] = x + row(order, first + k, n) * d
        if s.faded:
            p1 *= s.faded_scale
            fade(m, &s, w, average, d)
        for k in range(s.n):
            # the next prediction is base + turn * update: what it takes to be one product away
            base = s.scale[k + 1] * p1 + m.intercept
            turn = s.scale[k + 1] * s.inverse[k] * g + own
            u = step(m, r, &s, k, p, xx0)
            if average != NULL:
                c = -s.average_a[k] * u
            pipe(rows[k], rows[k + 1], rows[k + 2], rows[k + 2 + AHEAD], w, u, average, c, d, &p2, &g2, &xx2)
            p, p1, g = base + turn * s.update[k], p2, g2
            xx0, xx1 = xx1, xx2
        first += s.n
        end_rows(m, r, &s)


cdef void fused_rows(Model *m, const Recipe *r, const X *x, idx d, const W *y, const W *weight, W *w, W *q,
                     W *average, const int32_t *order, idx n, const double *rates, idx stride) noexcept nogil:
    cdef double p0, p1, xx0, xx1, u
    cdef idx first = 0, k, i0, i1, far, ahead = AHEAD if d * sizeof(X) <= LONG else AHEAD_LONG
    cdef Extras[W] e
    cdef Steps s
    if n == 0:
        return
    e.q, e.average = q, average
    i0 = row(order, 0, n)
    dot(x + i0 * d, x + i0 * d, w, d, &p0, &xx0)
    while first < n:
        begin_rows(m, r, &s, y, weight, order, first, n, rates, stride)
        for k in range(s.n):
            i1 = row(order, first + k + 1, n)
            far = row(order, first + k + 1 + ahead, n)
            if q != NULL:
                charge(m, r, &s, k)
            u = step(m, r, &s, k, s.scale[k] * p0 + m.intercept, xx0)
            if s.faded and k == 0:
                fade(m, &s, w, average, d)
            if s.skipped:
                dot(x + i1 * d, x + far * d, w, d, &p1, &xx1)   # the weights stay as they are
            else:
                if q != NULL:
                    e.u, e.scale = s.u[k], s.scale[k + 1]
                if average != NULL:
                    e.average_c = -s.average_a[k] * u
                fused(x + i0 * d, x + i1 * d, x + far * d, w, u, d, &e, &p1, &xx1)
                if q != NULL and u != 0:
                    m.l1 = s.scale[k + 1] * e.l1
                    m.sq = s.scale[k + 1] * s.scale[k + 1] * e.sq
            p0, xx0 = p1, xx1
            i0 = i1
            if s.skipped:
                break
        first += s.n
        end_rows(m, r, &s)


cdef void csr_rows(Model *m, const Recipe *r, const X *x, const I *indptr, const I *col, const W *y,
                   const W *weight, W *w, W *average, W *z, idx d, const int32_t *order, idx n,
                   const double *rates, idx stride) noexcept nogil:
    """CSR without an l1 penalty; z has room for the longest row."""
    cdef double p, xx, u
    cdef idx first = 0, k, j, i, begin, nnz, far
    cdef Steps s
    while first < n:
        begin_rows(m, r, &s, y, weight, order, first, n, rates, stride)
        for k in range(s.n):
            i = row(order, first + k, n)
            begin = indptr[i]
            nnz = indptr[i + 1] - begin
            prefetch(indptr + row(order, first + k + 2 * AHEAD, n))
            far = row(order, first + k + AHEAD, n)
            prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
            csr_dot(x + begin, col + begin, nnz, w, z, &p, &xx)
            u = step(m, r, &s, k, s.scale[k] * p + m.intercept, xx)
            if s.skipped:
                break
            if s.faded and k == 0:
                for j in range(nnz):
                    z[j] = <W> (z[j] * s.faded_scale)
                fade(m, &s, w, average, d)
            if u != 0:
                csr_step(x + begin, col + begin, nnz, z, u, w)
                if average != NULL and s.average_a[k] != 0:
                    csr_axpy(x + begin, col + begin, nnz, -s.average_a[k] * u, average)
        first += s.n
        end_rows(m, r, &s)


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
    """All weights are up to date: count the norms anew, and forget how they came about."""
    cdef W *none = NULL
    cdef Norms now = norms(<const W *> w, <const W *> none, d)
    cdef idx j
    t.l1, t.sq, t.active = now.l1, now.sq, now.active
    t.seen_l1, t.seen_sq = now.l1, now.sq
    forget(t)
    if last != NULL:
        for j in range(d):
            last[j] = 0


cdef inline void csr_penalise(Truncation *t, const Recipe *r, const Steps *s, idx k) noexcept nogil:
    """Step k's share of the penalty."""
    t.u = s.u[k]
    t.scale, t.inverse = s.scale[k + 1], s.inverse[k]
    t.step = r.l1 * s.eta[k] * t.inverse
    t.U += t.step
    note_step(t)


cdef inline void csr_correct(Truncation *t, Model *m, const Recipe *r, double scale) noexcept nogil:
    """Norms, and the sums of past norms, were short of weights stopped at zero; scale is that of the weights now."""
    if t.over_l1 == 0:
        return
    if r.rule == GRADIENT:
        m.penalty_sum += r.l1 * t.late_l1 + 0.5 * r.l2 * t.late_sq
    m.l1 += scale * t.over_l1
    m.sq += scale * scale * t.over_sq
    t.late_l1 = t.late_sq = t.over_l1 = t.over_sq = 0


cdef inline void csr_make_room(Truncation *t, Model *m, const Recipe *r, double scale, W *w, W *q, W *last,
                               idx d) noexcept nogil:
    """Before a step: where there is no room for its notes, bring all weights up to date and begin anew."""
    if t.steps == t.room or t.charges == t.room:
        csr_bring_up(t, w, q, last, d)
        csr_correct(t, m, r, scale)
        csr_start(t, w, last, d)


cdef void csr_rows_l1(Model *m, const Recipe *r, const X *x, const I *indptr, const I *col, const W *y,
                      const W *weight, W *w, W *q, W *last, W *average, W *z, W *v, Truncation *t, idx d,
                      const int32_t *order, idx n, const double *rates, idx stride) noexcept nogil:
    """CSR with an l1 penalty, truncated when read (see Truncation); z and v have room for the longest row."""
    cdef double p, xx, u, U
    cdef idx first = 0, k, j, i, begin, nnz, far
    cdef Steps s
    t.u = m.u
    csr_start(t, w, last, d)
    while first < n:
        begin_rows(m, r, &s, y, weight, order, first, n, rates, stride)
        for k in range(s.n):
            csr_make_room(t, m, r, s.scale[k], w, q, last, d)
            i = row(order, first + k, n)
            begin = indptr[i]
            nnz = indptr[i + 1] - begin
            prefetch(indptr + row(order, first + k + 2 * AHEAD, n))
            far = row(order, first + k + AHEAD, n)
            prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
            csr_late(col + begin, nnz, w, q, last, z, v, t)
            csr_correct(t, m, r, s.scale[k])
            dot(x + begin, x + begin, <const W *> z, nnz, &p, &xx)
            charge(m, r, &s, k)
            note_charge(t, s.scale[k], 1)
            u = step(m, r, &s, k, s.scale[k] * p + m.intercept, xx)
            if s.faded and k == 0:
                for j in range(nnz):
                    w[col[begin + j]] = z[j]
                    q[col[begin + j]] = v[j]
                    if last != NULL:
                        last[col[begin + j]] = <W> t.U
                    z[j] = <W> (z[j] * s.faded_scale)
                csr_bring_up(t, w, q, last, d)
                csr_correct(t, m, r, s.faded_scale)
                fade(m, &s, w, average, d)
                csr_start(t, w, last, d)
                for j in range(nnz):      # they are in hand, as if `csr_late` had just read them
                    t.active -= z[j] != 0
                    t.l1 -= fabs(z[j])
                    t.sq -= <double> z[j] * z[j]
            U = t.U
            if s.skipped:
                t.step = 0
            else:
                csr_penalise(t, r, &s, k)
            csr_truncated_step(x + begin, col + begin, nnz, u, z, v, w, q, last, t)
            if u != 0:
                t.seen_U = U
                m.l1 = s.scale[k + 1] * t.seen_l1
                m.sq = s.scale[k + 1] * s.scale[k + 1] * t.seen_sq
            advance(t)
            if average != NULL and s.average_a[k] * u != 0:
                csr_axpy(x + begin, col + begin, nnz, -s.average_a[k] * u, average)
            if s.skipped:
                break
        first += s.n
        end_rows(m, r, &s)
    csr_bring_up(t, w, q, last, d)
    csr_correct(t, m, r, m.scale)
