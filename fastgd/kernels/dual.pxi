# Stochastic dual coordinate ascent for the logistic loss with an l2 penalty (Shalev-Shwartz and Zhang 2013).
#
# Each row has a dual variable a in (0, 1), the negative slope of its loss, kept as theta = log(a / (1 - a)). The
# weights are w = sum_i share_i a_i y_i x_i with share_i = s_i / (S l2). A step makes a the best for its row:
#
#     theta + q a(theta) = q a_old - y (w . x + b),      q = share (x . x + kappa)
#
# which has one root, between q a_old - margin - q and q a_old - margin; Newton's method inside that bracket
# cannot leave it. The intercept is the weight of a feature of size sqrt(kappa), penalised for its distance
# to where the epoch began.

cdef struct Ascent:
    double kappa
    double share               # of a row of weight one
    double intercept
    double gap                 # out: sum of s_i times the rows' own gaps, each just before its step
    bint fit_intercept


cdef inline double best_dual(double theta, double t, double q) noexcept nogil:
    """The root of theta + q / (1 + exp(-theta)) = t, from a first guess."""
    cdef double low = t - q, high = t, a, f, step
    cdef int k
    if not low < theta < high:
        theta = t - q / (1.0 + exp_clamped(-t))
        theta = max(low, min(high, theta))
    for k in range(20):
        a = 1.0 / (1.0 + exp_clamped(-theta))
        f = theta + q * a - t
        if f > 0:
            high = theta
        else:
            low = theta
        step = f / (1.0 + q * a * (1.0 - a))
        theta -= step
        if not low <= theta <= high:
            theta = 0.5 * (low + high)
        elif fabs(step) <= 1e-6 * (1.0 + fabs(theta)):
            break
    return theta


cdef double gaps(const double *margin, const double *theta, const double *s, idx count) noexcept nogil:
    """Sum of s (loss(margin) + its conjugate at -a + a margin), zero where theta = -margin."""
    cdef double total = 0
    cdef idx k
    for k in range(count):
        total += s[k] * (softplus(-margin[k]) - softplus(theta[k])
                         + (theta[k] + margin[k]) / (1.0 + exp_clamped(-theta[k])))
    return total


cdef void ascend(Ascent *t, const X *x, const I *indptr, const I *col, idx d, const double *y, const double *weight,
                 double *theta, W *w, W *z, const int32_t *order, idx n) noexcept nogil:
    """An epoch of steps; indptr NULL: dense rows of d values."""
    cdef double margin[BLOCK]
    cdef double before[BLOCK]
    cdef double s[BLOCK]
    cdef double p, xx, q, old, new, change
    cdef idx first = 0, count, k, i, far, begin, nnz = d
    while first < n:
        count = min(<idx> BLOCK, n - first)
        for k in range(count):
            far = row(order, first + BLOCK + k, n)
            prefetch(theta + far)
            prefetch(y + far)
            if weight != NULL:
                prefetch(weight + far)
        for k in range(count):
            i = row(order, first + k, n)
            far = row(order, first + k + AHEAD, n)
            if indptr == NULL:
                dot(x + i * d, x + far * d, <const W *> w, d, &p, &xx)
            else:
                begin = indptr[i]
                nnz = indptr[i + 1] - begin
                prefetch(indptr + row(order, first + k + 2 * AHEAD, n))
                prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
                csr_dot(x + begin, col + begin, nnz, w, z, &p, &xx)
            s[k] = 1.0 if weight == NULL else weight[i]
            margin[k] = y[i] * (p + t.intercept)
            before[k] = theta[i]
            if s[k] == 0:
                continue
            q = t.share * s[k] * (xx + t.kappa)
            old = 1.0 / (1.0 + exp_clamped(-theta[i]))
            theta[i] = best_dual(theta[i], q * old - margin[k], q)
            new = 1.0 / (1.0 + exp_clamped(-theta[i]))
            change = t.share * s[k] * y[i] * (new - old)
            if t.fit_intercept:
                t.intercept += t.kappa * change
            if indptr == NULL:
                axpy(x + i * d, w, change, d)
            else:
                csr_step(x + begin, col + begin, nnz, <const W *> z, change, w)
        t.gap += gaps(margin, before, s, count)
        first += count


cdef class DualAscent:
    """Dual variables of one model, and epochs of ascent over them.

    Parameters
    ----------
    rows : Rows, of floats
    y : buffer of n float64 in {-1, +1}
    weight : buffer of n float64, or None
    theta : writable buffer of n float64
    w : writable buffer of the padded weights, of the type of the rows
    share : 1 / (S l2)
    kappa : square of the size of the intercept's feature; 0: no intercept
    """

    cdef Rows rows
    cdef Buffer y, weight, theta, w
    cdef Ascent ascent
    cdef void *z

    def __cinit__(self):
        self.z = NULL

    def __init__(self, Rows rows, y, weight, theta, w, double share, double kappa):
        cdef idx size = 4 if rows.float32 else 8
        self.rows = rows
        self.y, self.weight = borrow(y), borrow(weight)
        self.theta, self.w = borrow(theta, True), borrow(w, True)
        if rows.convert != NULL:
            raise TypeError("Dual ascent needs rows of floats.")
        if fewer(self.y, rows.n * 8) or fewer(self.weight, rows.n * 8) or fewer(self.theta, rows.n * 8):
            raise ValueError("The kernels need a target, a weight and a dual variable for every row.")
        if fewer(self.w, (rows.d + PADDING - 1) // PADDING * PADDING * size):
            raise ValueError("The kernels need weights padded to a multiple of 16 elements.")
        self.ascent.share, self.ascent.kappa = share, kappa
        self.ascent.fit_intercept = kappa > 0
        self.ascent.intercept = 0
        self.z = take((rows.longest + PADDING) * size)

    def __dealloc__(self):
        free(self.z)

    @property
    def intercept(self):
        return self.ascent.intercept

    @intercept.setter
    def intercept(self, double value):
        self.ascent.intercept = value

    def epoch(self, Order order):
        """Step on every row of the order; returns the sum of s_i times the rows' gaps before their steps."""
        self.ascent.gap = 0
        if self.rows.float32:
            self.run(<const float *> address(self.rows.data), <float *> address(self.w), order)
        else:
            self.run(<const double *> address(self.rows.data), <double *> address(self.w), order)
        return self.ascent.gap

    cdef void run(self, const X *x, W *w, Order order) noexcept:
        cdef Rows rows = self.rows
        cdef const double *y = <const double *> address(self.y)
        cdef const double *weight = <const double *> address(self.weight)
        cdef double *theta = <double *> address(self.theta)
        cdef const int32_t *narrow = <const int32_t *> address(rows.indptr)
        cdef const int64_t *broad = <const int64_t *> address(rows.indptr)
        with nogil:
            if rows.sparse and rows.wide:
                ascend(&self.ascent, x, broad, <const int64_t *> address(rows.indices), rows.d, y, weight, theta, w,
                       <W *> self.z, order.rows(), order.count)
            else:
                ascend(&self.ascent, x, narrow, <const int32_t *> address(rows.indices), rows.d, y, weight, theta, w,
                       <W *> self.z, order.rows(), order.count)
