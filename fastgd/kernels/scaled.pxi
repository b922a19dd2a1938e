# Descent on scaled columns: row x trains as (x - centre) * inverse, column by column, and the penalty has a
# strength per column, so that it stays in the user's units. For learning rates that adapt (`auto.py`).
#
# X is never copied as a whole: dense rows are scaled a block at a time into a buffer that stays in the
# second-level cache, in the order of the epoch, and train there by the loops of `descent.pxi`; CSR rows are
# scaled one at a time (their centre is zero). The penalty acts by proximal steps, every `sweep` rows and
# for all of them at once: a step with a factor per column costs a pass over the weights, and a sweep of
# columns among many rows costs nothing. The same pass sums the weights for an average.

cdef enum:
    SCALED_BYTES = 1 << 15     # of a block of scaled rows
    TOGETHER = 32              # rows whose columns are summed in one pass

cdef extern from "scaled.h" namespace "fastgd" nogil:
    double scale_row[T, V](const T *x, const T *ahead, const V *centre, const V *inverse, V *out, idx d)
    void shrinkage[V](const V *l2, double steps, V *factor, idx d)
    double shrink[V](V *w, const V *l2, const V *factor, const V *l1, V *total, idx d, double steps, double weight)
    void column_ranges[T](const T *const *rows, int n, idx d, const T *shift, double *sum, double *square,
                        double *low, double *high)
    void csr_column_ranges[T, J](const T *x, const J *col, idx nnz, double *sum, double *square, double *low,
                               double *high)
    void csr_scale[T, V, J](const T *x, const J *col, idx nnz, const V *inverse, V *out)


cdef struct Scaling:
    # How a dense row is read; what `Convert` functions get as their data.
    const void *data           # the segment's first row
    idx itemsize
    Convert convert            # of integers; NULL otherwise
    void *raw                  # a row of them, converted
    const void *centre
    const void *inverse


cdef double scaled_row(const X *scaling, idx d, idx row, W *out) noexcept nogil:
    """A row as it trains; scaling is a Scaling, its type tells the type of the rows."""
    cdef const Scaling *s = <const Scaling *> <const void *> scaling
    cdef const X *x
    if s.convert != NULL:
        s.convert(s.data, d, row, s.raw)
        x = <const X *> s.raw
    else:
        x = <const X *> s.data + row * d
    return scale_row(x, x, <const W *> s.centre, <const W *> s.inverse, out, d)


cdef void convert_scaled(const X *scaling, idx d, idx row, W *out) noexcept nogil:
    """The same, as `Convert`."""
    scaled_row(scaling, d, row, out)


cdef class ScaledDescent(Descent):
    """A model that trains on scaled columns; its weights are those of the scaled columns.

    Parameters
    ----------
    scaling : dict
        `centre` and `inverse` (CSR: `centre` all zero), `l2` and `l1` (strengths of the penalty of the
        scaled weights; `l1` may be None) and `total` (writable): buffers like w.
    others
        As of `Descent`; the recipe's own penalties are zero.
    """

    cdef Buffer centre, inverse, l2, l1, total
    cdef void *factor          # of the weights, where the penalty is that of `steps`
    cdef double steps
    cdef void *raw             # an integer row, converted
    cdef void *scaled          # a block of dense rows, or a CSR row
    cdef void *scaled_y
    cdef void *scaled_weight
    cdef idx near              # rows in such a block
    cdef double penalties      # sum over the rows of the epoch so far
    cdef public double intercept_total

    def __cinit__(self):
        self.factor = self.raw = self.scaled = self.scaled_y = self.scaled_weight = NULL

    def __init__(self, Rows rows, y, weight, w, previous, *, dict scaling, bint double_w, dict recipe):
        cdef idx size = 8 if double_w else 4
        Descent.__init__(self, rows, y, weight, w, previous, double_w=double_w, recipe=recipe)
        self.centre = borrow(scaling["centre"])
        self.inverse = borrow(scaling["inverse"])
        self.l2 = borrow(scaling["l2"])
        self.l1 = borrow(scaling["l1"])
        self.total = borrow(scaling["total"], True)
        for buffer in (self.centre, self.inverse, self.l2, self.l1, self.total):
            if fewer(buffer, self.w.view.len):
                raise ValueError("The kernels need all buffers of the weights in their size.")
        self.penalties = self.intercept_total = 0
        self.factor = take(self.w.view.len)
        self.steps = -1
        self.near = max(<idx> 8, min(<idx> BLOCK, SCALED_BYTES // (rows.d * size + 1)))
        if rows.sparse:
            self.scaled = take((rows.longest + PADDING) * size)
            return
        self.scaled = take((BLOCK * rows.d + PADDING) * size)
        self.scaled_y = take(BLOCK * size)
        self.scaled_weight = take(BLOCK * size)
        if rows.convert != NULL:
            self.raw = take((rows.d + PADDING) * 8)

    def __dealloc__(self):
        free(self.factor)
        free(self.raw)
        free(self.scaled)
        free(self.scaled_y)
        free(self.scaled_weight)

    def train(self, Order order, idx start, idx stop, double rate, idx batch, idx sweep, double steepness,
              bint average):
        """Train on the epoch's rows start to stop, one step of size `rate` per `batch` rows.

        Parameters
        ----------
        sweep : int
            Rows between two steps of the penalty, a multiple of `batch`.
        steepness : float
            With `batch` 1: bound on the loss's second derivative. A row's step is cut to where, at this
            bound, it puts the row right and no further; 0: no cut.
        average : bool
            Whether `total` and `intercept_total` take in the weights after each sweep, times its rows.
        """
        cdef const int32_t *chosen = order.rows()
        if stop <= start:
            return
        if start < 0 or stop > order.count or order.most > self.rows.n or batch < 1 or sweep < 1:
            raise ValueError("The segment reaches beyond its rows.")
        if batch > 1 and self.rows.sparse and self.pulls_size < min(batch, stop - start):
            free(self.pulls)
            self.pulls = NULL
            self.pulls_size = 0
            self.pulls = <double *> take(min(batch, stop - start) * sizeof(double))
            self.pulls_size = min(batch, stop - start)
        if batch > 1 and not self.rows.sparse and self.g == NULL:
            self.g = take(self.w.view.len)
            memset(self.g, 0, self.w.view.len)
        with nogil:
            if self.rows.float32 and self.double_w:
                scaled_segment[float, double](self, NULL, NULL, chosen, start, stop, rate, batch, sweep, steepness, average)
            elif self.rows.float32:
                scaled_segment[float, float](self, NULL, NULL, chosen, start, stop, rate, batch, sweep, steepness, average)
            elif self.double_w:
                scaled_segment[double, double](self, NULL, NULL, chosen, start, stop, rate, batch, sweep, steepness, average)
            else:
                scaled_segment[double, float](self, NULL, NULL, chosen, start, stop, rate, batch, sweep, steepness, average)

    def report(self):
        """Since the last report: (sum of losses, sum of penalties, all weights finite)."""
        cdef Norms now
        cdef const double *no_double = NULL
        cdef const float *no_float = NULL
        with nogil:
            if self.double_w:
                now = norms(<const double *> address(self.w), no_double, self.rows.d)
            else:
                now = norms(<const float *> address(self.w), no_float, self.rows.d)
        report = (self.model.loss_sum, self.penalties, bool(isfinite(self.model.intercept) and isfinite(now.l1)))
        self.forget()
        self.penalties = 0
        return report

    def raw_scores(self, const int32_t[::1] rows, w, double[::1] intercepts, double[::1] out):
        """Raw predictions of some rows by other weights of the scaled columns: k after one another in w,
        each padded; out takes as many for the first row, then for the second, and so on."""
        cdef Buffer weights = borrow(w)
        cdef idx models = intercepts.shape[0]
        check_rows(self, rows, out.shape[0] // max(models, <idx> 1))
        if models < 1 or out.shape[0] != models * rows.shape[0] or fewer(weights, models * self.w.view.len):
            raise ValueError("The kernels need all buffers of the weights in their size.")
        if rows.shape[0] == 0:
            return
        with nogil:
            if self.rows.float32 and self.double_w:
                scaled_scores[float, double](self, NULL, <double *> address(weights), &rows[0], rows.shape[0], models, &intercepts[0], &out[0])
            elif self.rows.float32:
                scaled_scores[float, float](self, NULL, <float *> address(weights), &rows[0], rows.shape[0], models, &intercepts[0], &out[0])
            elif self.double_w:
                scaled_scores[double, double](self, NULL, <double *> address(weights), &rows[0], rows.shape[0], models, &intercepts[0], &out[0])
            else:
                scaled_scores[double, float](self, NULL, <float *> address(weights), &rows[0], rows.shape[0], models, &intercepts[0], &out[0])

    def combine(self, const int32_t[::1] rows, double[::1] coefficients, out):
        """out += the sum of coefficient times scaled row, over some rows; out is a buffer like w."""
        cdef Buffer sums = borrow(out, True)
        check_rows(self, rows, coefficients.shape[0])
        if fewer(sums, self.w.view.len):
            raise ValueError("The kernels need all buffers of the weights in their size.")
        if rows.shape[0] == 0:
            return
        with nogil:
            if self.rows.float32 and self.double_w:
                scaled_scores[float, double](self, NULL, <double *> address(sums), &rows[0], rows.shape[0], 0, NULL, &coefficients[0])
            elif self.rows.float32:
                scaled_scores[float, float](self, NULL, <float *> address(sums), &rows[0], rows.shape[0], 0, NULL, &coefficients[0])
            elif self.double_w:
                scaled_scores[double, double](self, NULL, <double *> address(sums), &rows[0], rows.shape[0], 0, NULL, &coefficients[0])
            else:
                scaled_scores[double, float](self, NULL, <float *> address(sums), &rows[0], rows.shape[0], 0, NULL, &coefficients[0])


cdef check_rows(ScaledDescent self, const int32_t[::1] rows, idx values):
    cdef idx k
    if values != rows.shape[0]:
        raise ValueError("The kernels need one value for each row.")
    for k in range(rows.shape[0]):
        if not 0 <= rows[k] < self.rows.n:
            raise ValueError("The segment reaches beyond its rows.")


cdef void scaled_segment(ScaledDescent self, const X *x, W *w, const int32_t *order, idx start, idx stop, double rate,
                         idx batch, idx sweep, double steepness, bint average) noexcept nogil:
    """Rows order[start:stop], or start to stop; x and w tell types."""
    cdef idx at = start, count
    cdef double steps
    cdef W *total = <W *> address(self.total) if average else NULL
    while at < stop:
        count = min(sweep, stop - at)
        if self.rows.sparse:
            if self.rows.wide:
                scaled_csr[X, W, int64_t](self, x, w, <const int64_t *> NULL, order, at, count, rate, batch, steepness)
            else:
                scaled_csr[X, W, int32_t](self, x, w, <const int32_t *> NULL, order, at, count, rate, batch, steepness)
        else:
            scaled_dense(self, x, w, order, at, count, rate, batch, steepness)
        self.model.sq = self.model.l1 = 0     # the penalty is counted here, not by the steps
        steps = rate * ((count + batch - 1) // batch)
        if steps != self.steps:
            shrinkage(<const W *> address(self.l2), steps, <W *> self.factor, self.rows.d)
            self.steps = steps
        self.penalties += count * shrink(<W *> address(self.w), <const W *> address(self.l2), <const W *> self.factor,
                                         <const W *> address(self.l1), total, self.rows.d, steps, count)
        if average:
            self.intercept_total += count * self.model.intercept
        at += count


cdef inline double cut(const Recipe *r, double weight, double xx, double rate, double steepness) noexcept nogil:
    """A row's weight, at most what puts the row right in one step."""
    cdef double limit = rate * steepness * (xx + r.fit_intercept)
    return weight if weight * limit <= 1 else 1 / limit


cdef void scaled_dense(ScaledDescent self, const X *x, W *w, const int32_t *order, idx first, idx n, double rate,
                       idx batch, double steepness) noexcept nogil:
    cdef Model *m = &self.model
    cdef const Recipe *r = &self.recipe
    cdef idx d = self.rows.d, shift = 0 if order != NULL else first
    cdef idx done = 0, k, i, far, count
    cdef const W *y = <const W *> address(self.y) + shift
    cdef const W *weight = <const W *> address(self.weight)
    cdef const W *centre = <const W *> address(self.centre)
    cdef const W *inverse = <const W *> address(self.inverse)
    cdef W *block = <W *> self.scaled
    cdef W *block_y = <W *> self.scaled_y
    cdef W *block_weight = NULL
    cdef W *none = NULL
    cdef W own
    cdef double xx, given
    cdef Scaling s
    cdef Integers scaled
    w = <W *> address(self.w)
    s.data = address(self.rows.data)
    s.itemsize = self.rows.itemsize
    s.convert = self.rows.convert
    s.data = <const char *> s.data + shift * d * s.itemsize
    s.raw = self.raw
    s.centre, s.inverse = centre, inverse
    if order != NULL:
        order += first
    if weight != NULL:
        weight += shift
    if batch > 1:
        scaled.data = &s
        scaled.convert = <Convert> convert_scaled[X, W]
        dense_batches(m, r, <const W *> block, &scaled, d, y, weight, w, none, none, <W *> self.g, order, n, batch,
                      &rate, 0)
        return
    if weight != NULL or steepness > 0:
        block_weight = <W *> self.scaled_weight
    while done < n:
        count = min(self.near, n - done)
        for k in range(count):
            i = row(order, done + k, n)
            if s.convert != NULL:
                xx = scaled_row(<const X *> <const void *> &s, d, i, block + k * d)
            else:
                far = row(order, done + k + AHEAD, n)
                xx = scale_row(<const X *> s.data + i * d, <const X *> s.data + far * d, centre, inverse, block + k * d, d)
            block_y[k] = y[i]
            if block_weight == NULL:
                continue
            own = weight[i] if weight != NULL else 1
            if steepness > 0:
                given = r.class_weight[y[i] > 0]
                if given > 0:
                    own = <W> (cut(r, own * given, xx, rate, steepness) / given)
            block_weight[k] = own
        dense_segment(self, <const W *> block, <const W *> block_y, <const W *> block_weight, w, NULL, count, &rate, 0)
        done += count


cdef void scaled_csr(ScaledDescent self, const X *x, W *w, const I *col, const int32_t *order, idx first, idx n,
                     double rate, idx batch, double steepness) noexcept nogil:
    cdef Model *m = &self.model
    cdef const Recipe *r = &self.recipe
    cdef idx shift = 0 if order != NULL else first
    cdef const I *indptr = <const I *> address(self.rows.indptr) + shift
    cdef const W *y = <const W *> address(self.y) + shift
    cdef const W *weight = <const W *> address(self.weight)
    cdef const W *inverse = <const W *> address(self.inverse)
    cdef W *v = <W *> self.scaled
    cdef W *z = <W *> self.z
    cdef double *c = self.pulls
    cdef idx done = 0, k, i, j, begin, nnz, far, batches = (n + batch - 1) // batch, size, part, at, count
    cdef double xx, u, p, total, step_rate
    cdef Steps s
    cdef Batch b
    w = <W *> address(self.w)
    x = <const X *> address(self.rows.data)
    col = <const I *> address(self.rows.indices)
    if order != NULL:
        order += first
    if weight != NULL:
        weight += shift
    while batch == 1 and done < n:
        begin_rows(m, r, &s, y, weight, order, done, n, &rate, 0)
        for k in range(s.n):
            i = row(order, done + k, n)
            begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
            prefetch(indptr + row(order, done + k + 2 * AHEAD, n))
            far = row(order, done + k + AHEAD, n)
            prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
            csr_scale(x + begin, col + begin, nnz, inverse, v)
            csr_dot(<const W *> v, col + begin, nnz, <const W *> w, z, &p, &xx)
            if steepness > 0:
                s.pull[k] = -rate * cut(r, -s.pull[k] / rate, xx, rate, steepness)
            u = step(m, r, &s, k, p + m.intercept, xx)
            if u != 0:
                csr_step(<const W *> v, col + begin, nnz, <const W *> z, u, w)
        done += s.n
        end_rows(m, r, &s)
    while batch > 1 and done < batches:
        plan_steps(m, r, &s, batches - done, &rate, 0)
        for k in range(s.n):
            at = (done + k) * batch
            size = min(batch, n - at)
            total = 0
            for part in range((size + BLOCK - 1) // BLOCK):
                count = min(<idx> BLOCK, size - part * BLOCK)
                gather_targets(&b, r, y, weight, order, at + part * BLOCK, count, n)
                for j in range(count):
                    i = row(order, at + part * BLOCK + j, n)
                    begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
                    far = row(order, at + part * BLOCK + j + AHEAD, n)
                    prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
                    csr_scale(x + begin, col + begin, nnz, inverse, v)
                    csr_dot(<const W *> v, col + begin, nnz, <const W *> w, z, &b.p[j], &b.xx[j])
                total += pulls(m, r, &b, count, 1)
                memcpy(c + part * BLOCK, b.c, count * sizeof(double))
            step_rate = batch_rate(m, r, &s, k, total, size)
            for j in range(size):
                i = row(order, at + j, n)
                begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
                if c[j] != 0:
                    csr_scale(x + begin, col + begin, nnz, inverse, v)
                    csr_axpy(<const W *> v, col + begin, nnz, step_rate * c[j], w)
        done += s.n
        end_steps(m, r, &s, s.n)


cdef void scaled_scores(ScaledDescent self, const X *x, W *w, const int32_t *rows, idx n, idx models,
                        const double *intercepts, double *values) noexcept nogil:
    """Predictions of rows by so many models into values; by none: w += the sum of values times rows."""
    cdef idx d = self.rows.d, k, m, size = self.w.view.len // sizeof(W)
    cdef idx far
    cdef W *v = <W *> self.scaled
    cdef double p, unused
    cdef Scaling s
    if self.rows.sparse:
        if self.rows.wide:
            scaled_csr_scores[X, W, int64_t](self, x, w, <const int64_t *> NULL, rows, n, models, intercepts, values)
        else:
            scaled_csr_scores[X, W, int32_t](self, x, w, <const int32_t *> NULL, rows, n, models, intercepts, values)
        return
    s.data = address(self.rows.data)
    s.itemsize = self.rows.itemsize
    s.convert = self.rows.convert
    s.raw = self.raw
    s.centre, s.inverse = address(self.centre), address(self.inverse)
    for k in range(n):
        if s.convert == NULL:
            far = rows[min(k + AHEAD, n - 1)]
            scale_row(<const X *> s.data + rows[k] * d, <const X *> s.data + far * d, <const W *> s.centre,
                      <const W *> s.inverse, v, d)
        else:
            scaled_row(<const X *> <const void *> &s, d, rows[k], v)
        for m in range(models):
            dot(<const W *> v, <const W *> v, <const W *> (w + m * size), d, &p, &unused)
            values[k * models + m] = p + intercepts[m]
        if models == 0:
            axpy(<const W *> v, w, values[k], d)


cdef void scaled_csr_scores(ScaledDescent self, const X *x, W *w, const I *col, const int32_t *rows, idx n,
                            idx models, const double *intercepts, double *values) noexcept nogil:
    cdef const I *indptr = <const I *> address(self.rows.indptr)
    cdef W *v = <W *> self.scaled
    cdef W *z = <W *> self.z
    cdef idx k, i, m, begin, nnz, far, size = self.w.view.len // sizeof(W)
    cdef double p, unused
    x = <const X *> address(self.rows.data)
    col = <const I *> address(self.rows.indices)
    for k in range(n):
        i = rows[k]
        begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
        csr_scale(x + begin, col + begin, nnz, <const W *> address(self.inverse), v)
        far = rows[min(k + AHEAD, n - 1)]
        prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
        for m in range(models):
            csr_dot(<const W *> v, col + begin, nnz, <const W *> (w + m * size), z, &p, &unused)
            values[k * models + m] = p + intercepts[m]
        if models == 0:
            csr_axpy(<const W *> v, col + begin, nnz, values[k], w)


def column_moments(Rows rows, const int32_t[::1] chosen, shift, double[::1] sums, double[::1] squares,
                   double[::1] low, double[::1] high):
    """Add up each column over some rows (None: all): sum, sum of squares, and range.

    Sums of dense columns are of ``x - shift``; shift is a buffer of d values as the kernels read X,
    float32 where they hold it. CSR has no shift, and its zeros do not count in the range.
    """
    cdef Buffer about = borrow(shift)
    cdef idx n = rows.n if chosen is None else chosen.shape[0], k
    cdef const int32_t *order = NULL
    if sums.shape[0] != rows.d or squares.shape[0] != rows.d or low.shape[0] != rows.d or high.shape[0] != rows.d \
            or (not rows.sparse and fewer(about, rows.d * (4 if rows.float32 else 8))):
        raise ValueError("The kernels need one number for each column.")
    if chosen is not None:
        for k in range(n):
            if not 0 <= chosen[k] < rows.n:
                raise ValueError("The segment reaches beyond its rows.")
    if n == 0 or rows.d == 0:
        return
    if chosen is not None:
        order = &chosen[0]
    if rows.sparse:
        if rows.float32 and rows.wide:
            csr_ranges(rows, <const float *> NULL, <const int64_t *> NULL, order, n, &sums[0], &squares[0], &low[0], &high[0])
        elif rows.float32:
            csr_ranges(rows, <const float *> NULL, <const int32_t *> NULL, order, n, &sums[0], &squares[0], &low[0], &high[0])
        elif rows.wide:
            csr_ranges(rows, <const double *> NULL, <const int64_t *> NULL, order, n, &sums[0], &squares[0], &low[0], &high[0])
        else:
            csr_ranges(rows, <const double *> NULL, <const int32_t *> NULL, order, n, &sums[0], &squares[0], &low[0], &high[0])
        return
    cdef void *raw = take((TOGETHER * rows.d + PADDING) * 8)
    with nogil:
        if rows.float32:
            dense_ranges(rows, <const float *> address(about), <float *> raw, order, n, &sums[0], &squares[0], &low[0], &high[0])
        else:
            dense_ranges(rows, <const double *> address(about), <double *> raw, order, n, &sums[0], &squares[0], &low[0], &high[0])
        free(raw)


cdef void dense_ranges(Rows rows, const X *shift, X *raw, const int32_t *order, idx n, double *sums, double *squares,
                        double *low, double *high) noexcept nogil:
    cdef const X *x = <const X *> address(rows.data)
    cdef const X *some[TOGETHER]
    cdef idx first = 0, k, i, d = rows.d
    cdef int count
    while first < n:
        count = <int> min(<idx> TOGETHER, n - first)
        for k in range(count):
            i = row(order, first + k, n)
            if rows.convert != NULL:
                rows.convert(address(rows.data), d, i, raw + k * d)
                some[k] = raw + k * d
            else:
                some[k] = x + i * d
        column_ranges(<const X **> some, count, d, shift, sums, squares, low, high)
        first += count


cdef void csr_ranges(Rows rows, const X *x, const I *col, const int32_t *order, idx n, double *sums,
                      double *squares, double *low, double *high) noexcept nogil:
    cdef const I *indptr = <const I *> address(rows.indptr)
    cdef idx k, i
    x = <const X *> address(rows.data)
    col = <const I *> address(rows.indices)
    for k in range(n):
        i = row(order, k, n)
        csr_column_ranges(x + indptr[i], col + indptr[i], indptr[i + 1] - indptr[i], sums, squares, low, high)
