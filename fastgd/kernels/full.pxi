# Passes over all rows for the solvers: each reads X once.
#
#   forward    z_i = w . x_i + b
#   descend    the same, the losses of z, and g = sum of r_i x_i with r_i = weight_i loss'(z_i)
#   curve      g = sum of h_i (v . x_i + c) x_i: the Hessian times a vector
#   backward   g = sum of r_i x_i for r given
#
# One loop serves them all: some rows are predicted, as many as fit the first-level cache, their r is computed
# by vectors, and while they are still at hand they are added to g. Sums over rows are kept in float64: in
# float32, g is emptied into float64 every few thousand rows.

cdef enum SweepKind:
    FORWARD = 0
    DESCEND = 1
    CURVE = 2
    BACKWARD = 3

cdef enum:
    SUMMED = 2048              # rows that may be summed in float32
    TURNS = 512                # rows that are visited by length
    LENGTHS = 128              # that are told apart
    SHORT = 64                 # values of a row, on average, up to which that pays

cdef struct Sweep:
    SweepKind kind
    int loss
    double parameter
    double intercept
    const double *y
    const double *weight       # NULL: ones
    const double *h            # CURVE: curvatures; BACKWARD: r itself
    double *z                  # FORWARD, DESCEND: out
    double loss_sum, r_sum     # out


cdef void residuals(Sweep *s, double *p, double *r, idx at, idx count) noexcept nogil:
    """From w . x of some rows to what the rows are added with."""
    cdef idx k
    cdef double total = 0
    cdef const double *weight = NULL
    if s.kind == BACKWARD:
        for k in range(count):
            r[k] = s.h[at + k]
    elif s.kind == CURVE:
        for k in range(count):
            r[k] = s.h[at + k] * (p[k] + s.intercept)
    else:
        for k in range(count):
            p[k] += s.intercept
            s.z[at + k] = p[k]
        if s.kind == FORWARD:
            return
        if s.weight != NULL:
            weight = s.weight + at
        s.loss_sum += losses_and_slopes(s.loss, weight, s.y + at, p, r, count, s.parameter)
    for k in range(count):
        total += r[k]
    s.r_sum += total


cdef void flush(W *g, double *out, idx d) noexcept nogil:
    cdef idx j
    for j in range(d):
        out[j] += g[j]
    memset(g, 0, d * sizeof(W))


cdef void dense_sweep(Sweep *s, const X *x, const Integers *integers, idx d, const W *w, W *g, double *out,
                      idx start, idx stop) noexcept nogil:
    """integers: x is a buffer for a block of rows. out += g, which is zero before and after."""
    cdef const X *rows[2 * BLOCK]
    cdef double p[BLOCK]
    cdef double r[BLOCK]
    cdef idx at = start, held = 0, count, i, j
    cdef idx near = max(<idx> 4, min(<idx> BLOCK, NEAR // (d * <idx> sizeof(X) + 1) // 4 * 4))
    while at < stop:
        count = min(near, stop - at)
        for j in range(2 * near):
            i = min(at + j, stop - 1)
            rows[j] = x + (i if integers == NULL else j % near) * d
            if integers != NULL and j < count:
                integers.convert(integers.data, d, i, <void *> rows[j])
        if s.kind != BACKWARD:
            for j in range(0, count, 4):
                dot4(<const X **> rows + j, <int> min(<idx> 4, count - j), <const X **> rows + j + near, w, d, p + j)
        residuals(s, p, r, at, count)
        if s.kind != FORWARD:
            for j in range(0, count, 4):
                axpy4(<const X **> rows + j, <int> min(<idx> 4, count - j), <const double *> (r + j), g, d)
            held += count
            if held >= SUMMED:
                flush(g, out, d)
                held = 0
        at += count
    if held:
        flush(g, out, d)


cdef void by_length(const I *indptr, idx n, uint16_t *turns) noexcept nogil:
    """Of each block of TURNS rows: their places in the block, the shortest row's first.

    How often the loop over a row's values runs is guessed by the processor, and a wrong guess costs as much
    as a dozen values: rows of one length in a row leave little to guess.
    """
    cdef idx first[LENGTHS + 1]
    cdef idx block, at, j, k, count
    for block in range((n + TURNS - 1) // TURNS):
        at = block * TURNS
        count = min(<idx> TURNS, n - at)
        memset(first, 0, sizeof(first))
        for j in range(at, at + count):
            first[min(<idx> (indptr[j + 1] - indptr[j]), <idx> LENGTHS - 1) + 1] += 1
        for k in range(LENGTHS):
            first[k + 1] += first[k]
        for j in range(count):
            k = min(<idx> (indptr[at + j + 1] - indptr[at + j]), <idx> LENGTHS - 1)
            turns[at + first[k]] = <uint16_t> j
            first[k] += 1


cdef void csr_sweep(Sweep *s, const X *x, const I *indices, const I *indptr, const W *w, double *out,
                    const uint16_t *turns, idx start, idx stop) noexcept nogil:
    """turns: see `by_length`; NULL where rows are visited as they come."""
    cdef double p[TURNS]
    cdef double r[TURNS]
    cdef idx at = start, count, j, k, i
    cdef bint turned
    while at < stop:
        count = min(<idx> BLOCK if turns == NULL else TURNS - at % TURNS, stop - at)
        turned = turns != NULL and count == TURNS
        if s.kind != BACKWARD:
            for j in range(count):
                k = turns[at + j] if turned else j
                i = at + k
                p[k] = csr_predict(x + indptr[i], indices + indptr[i], indptr[i + 1] - indptr[i], w)
        residuals(s, p, r, at, count)
        if s.kind != FORWARD:
            for j in range(count):
                k = turns[at + j] if turned else j
                i = at + k
                csr_add_to(x + indptr[i], indices + indptr[i], indptr[i + 1] - indptr[i], r[k], out)
        at += count


cdef void dense_moments(const X *x, const Integers *integers, X *block, idx d, const W *mean, const double *h, W *work,
                        double *sums, double *squares, idx start, idx stop) noexcept nogil:
    """sums += sum of h (x - mean), squares += sum of h (x - mean)^2; h NULL: ones. work: 2 d, zero before and after."""
    cdef idx i, j, held = 0
    cdef const X *now
    cdef const X *ahead
    for i in range(start, stop):
        if integers == NULL:
            now, ahead = x + i * d, x + min(i + 4, stop - 1) * d
        else:
            integers.convert(integers.data, d, i, <void *> block)
            now = ahead = block
        add_moments(now, ahead, mean, <W> (1.0 if h == NULL else h[i]), work, work + d, d)
        held += 1
        if held == SUMMED or i == stop - 1:
            for j in range(d):
                sums[j] += work[j]
                squares[j] += work[d + j]
            memset(work, 0, 2 * d * sizeof(W))
            held = 0


cdef void dense_centred(const X *x, const Integers *integers, X *block, idx d, const W *mean, const W *scale,
                        const double *root, const int32_t *chosen, W *out, idx start, idx stop) noexcept nogil:
    cdef idx i, k
    cdef const X *now
    cdef const X *ahead
    for k in range(start, stop):
        i = row(chosen, k, stop)
        if integers == NULL:
            now, ahead = x + i * d, x + row(chosen, k + 4, stop) * d
        else:
            integers.convert(integers.data, d, i, <void *> block)
            now = ahead = block
        centred_row(now, ahead, mean, scale, <W> root[k], out + (k - start) * (d + 1), d)


cdef void dense_job(int job, const X *x, const Integers *integers, X *block, idx d, const W *mean, const W *scale,
                    const double *h, const int32_t *chosen, W *work, W *out, double *sums, double *squares, idx start,
                    idx stop) noexcept nogil:
    if job == 0:
        dense_moments(x, integers, block, d, mean, h, work, sums, squares, start, stop)
    else:
        dense_centred(x, integers, block, d, mean, scale, h, chosen, out, start, stop)


cdef void csr_squares(const X *kind, const I *index, Rows rows, const double *h, double *squares, idx start,
                      idx stop) noexcept:
    cdef const X *x = <const X *> address(rows.data)
    cdef const I *indices = <const I *> address(rows.indices)
    cdef const I *indptr = <const I *> address(rows.indptr)
    cdef idx i
    with nogil:
        for i in range(start, stop):
            csr_add_squares(x + indptr[i], indices + indptr[i], indptr[i + 1] - indptr[i], 1.0 if h == NULL else h[i],
                            squares)


cdef void csr_gram(const X *kind, const I *index, Rows rows, const double[::1] h, const int32_t *place, double *kept,
                   int32_t *at, double *H, double *g, idx k, idx start, idx stop) noexcept:
    """place: where a column is in H, below zero if nowhere; NULL: at its own number. kept, at: room for a row."""
    cdef const X *x = <const X *> address(rows.data)
    cdef const I *indices = <const I *> address(rows.indices)
    cdef const I *indptr = <const I *> address(rows.indptr)
    cdef idx i, j, count
    with nogil:
        for i in range(start, stop):
            if h[i] == 0:
                continue
            count = 0
            for j in range(indptr[i], indptr[i + 1]):   # converted once, not once per pair
                kept[count] = x[j]
                at[count] = <int32_t> indices[j] if place == NULL else place[indices[j]]
                count += at[count] >= 0
            csr_outer(<const double *> kept, <const int32_t *> at, count, h[i], H, k)
            csr_add_to(<const double *> kept, <const int32_t *> at, count, h[i], g)


cdef class Sweeps:
    """Passes over the rows of one matrix, with their targets and weights.

    Parameters
    ----------
    rows : Rows
    y : buffer of n float64
    weight : buffer of n float64, or None for ones
    loss, parameter : the loss's number and parameter
    """

    cdef Rows rows
    cdef Buffer y, weight
    cdef int loss
    cdef double parameter
    cdef uint16_t *turns

    def __cinit__(self):
        self.turns = NULL

    def __dealloc__(self):
        free(self.turns)

    def __init__(self, Rows rows, y, weight, int loss, double parameter=0.0):
        self.rows = rows
        self.y, self.weight = borrow(y), borrow(weight)
        self.loss, self.parameter = loss, parameter
        if fewer(self.y, rows.n * 8) or fewer(self.weight, rows.n * 8):
            raise ValueError("The kernels need a target and a weight for every row.")
        if rows.sparse and rows.longest * rows.n != rows.stored <= SHORT * rows.n:
            self.turns = <uint16_t *> take(rows.n * sizeof(uint16_t))
            if rows.wide:
                by_length(<const int64_t *> address(rows.indptr), rows.n, self.turns)
            else:
                by_length(<const int32_t *> address(rows.indptr), rows.n, self.turns)

    def forward(self, w, bint double_w, double intercept, double[::1] z, idx start, idx stop):
        """z_i = w . x_i + intercept for the rows start ... stop - 1; w is padded."""
        cdef Sweep s
        s.kind = FORWARD
        s.z = &z[0]
        self.run(&s, w, double_w, intercept, None, start, stop)

    def descend(self, w, bint double_w, double intercept, double[::1] z, double[::1] g, idx start, idx stop):
        """z as above, g += sum of r_i x_i; returns the sums of the weighted losses and of r."""
        cdef Sweep s
        s.kind = DESCEND
        s.z = &z[0]
        self.run(&s, w, double_w, intercept, g, start, stop)
        return s.loss_sum, s.r_sum

    def curve(self, v, bint double_w, double c, const double[::1] h, double[::1] g, idx start, idx stop):
        """g += sum of h_i (v . x_i + c) x_i; returns the sum of h_i (v . x_i + c)."""
        cdef Sweep s
        s.kind = CURVE
        s.h = &h[0]
        self.run(&s, v, double_w, c, g, start, stop)
        return s.r_sum

    def gram(self, const double[::1] h, double[:, ::1] H, double[::1] g, idx start, idx stop,
             const int32_t[::1] place=None):
        """Of CSR rows: H += sum of h_i x_i x_i' and g += sum of h_i x_i.

        Columns of a row come in any order, so that an entry may land in either triangle of H: the sum of H and
        its transpose holds every entry off the diagonal once, and those on the diagonal twice. With `place`, only
        columns j with place[j] >= 0 take part, at that place.
        """
        cdef Rows rows = self.rows
        cdef idx k = H.shape[0]
        cdef const int32_t *places = NULL
        cdef double *kept
        cdef int32_t *at
        if not (0 <= start <= stop <= rows.n <= h.shape[0] and rows.sparse and H.shape[1] == k <= g.shape[0]):
            raise ValueError("The kernels need CSR rows, their weights, and a square matrix.")
        if place is None and k != rows.d or place is not None and place.shape[0] != rows.d:
            raise ValueError("The kernels need a place for every column.")
        if k == 0:
            return
        kept = <double *> take((rows.longest + 1) * sizeof(double))
        try:
            at = <int32_t *> take((rows.longest + 1) * sizeof(int32_t))
        except MemoryError:
            free(kept)
            raise
        if place is not None:
            places = &place[0]
        if rows.float32 and rows.wide:
            csr_gram(<float *> NULL, <int64_t *> NULL, rows, h, places, kept, at, &H[0, 0], &g[0], k, start, stop)
        elif rows.float32:
            csr_gram(<float *> NULL, <int32_t *> NULL, rows, h, places, kept, at, &H[0, 0], &g[0], k, start, stop)
        elif rows.wide:
            csr_gram(<double *> NULL, <int64_t *> NULL, rows, h, places, kept, at, &H[0, 0], &g[0], k, start, stop)
        else:
            csr_gram(<double *> NULL, <int32_t *> NULL, rows, h, places, kept, at, &H[0, 0], &g[0], k, start, stop)
        free(kept)
        free(at)

    def squares(self, h, double[::1] squares, idx start, idx stop):
        """Of CSR rows: squares += sum of h_i x_i^2; h None: ones."""
        cdef Rows rows = self.rows
        cdef const double[::1] given
        cdef const double *weights = NULL
        if not (0 <= start <= stop <= rows.n and rows.sparse and squares.shape[0] >= rows.d):
            raise ValueError("The kernels need CSR rows and a sum for every column.")
        if h is not None:
            given = h
            if given.shape[0] < stop:
                raise ValueError("The kernels need a weight for every row.")
            weights = &given[0]
        if rows.float32 and rows.wide:
            csr_squares(<float *> NULL, <int64_t *> NULL, rows, weights, &squares[0], start, stop)
        elif rows.float32:
            csr_squares(<float *> NULL, <int32_t *> NULL, rows, weights, &squares[0], start, stop)
        elif rows.wide:
            csr_squares(<double *> NULL, <int64_t *> NULL, rows, weights, &squares[0], start, stop)
        else:
            csr_squares(<double *> NULL, <int32_t *> NULL, rows, weights, &squares[0], start, stop)

    def moments(self, mean, bint double_w, h, double[::1] sums, double[::1] squares, idx start, idx stop):
        """Of dense rows: sums += sum of h_i (x_i - mean), squares += the same of the squares; h None: ones."""
        self.dense(0, mean, None, double_w, h, None, None, sums, squares, start, stop)

    def centred(self, mean, scale, bint double_w, const double[::1] root, const int32_t[::1] chosen, out, idx start,
                idx stop):
        """Dense rows start ... stop - 1 (of the chosen ones): root (x - mean) scale, root, into the rows of `out`."""
        self.dense(1, mean, scale, double_w, root, chosen, out, None, None, start, stop)

    cdef int dense(self, int job, mean, scale, bint double_w, const double[::1] h, const int32_t[::1] chosen, out,
                   double[::1] sums, double[::1] squares, idx start, idx stop) except -1:
        cdef Rows rows = self.rows
        cdef Buffer m = borrow(mean), s = borrow(scale), o = borrow(out, True)
        cdef idx d = rows.d, size = 8 if double_w else 4, k
        cdef void *work
        cdef void *block
        cdef double *first = NULL
        cdef double *second = NULL
        cdef const double *weights = NULL
        cdef const int32_t *among = NULL
        cdef Integers integers
        cdef const Integers *converted = NULL
        if rows.sparse or not 0 <= start <= stop <= (rows.n if chosen is None else chosen.shape[0]):
            raise ValueError("The kernels need a range of existing dense rows.")
        if start == stop or d == 0:
            return 0
        if fewer(m, d * size) or fewer(s, d * size) or fewer(o, (stop - start) * (d + 1) * size):
            raise ValueError("The kernels need all buffers in the size of the rows.")
        if h is not None:
            if h.shape[0] < stop:
                raise ValueError("The kernels need a weight for every row.")
            weights = &h[0]
        if job == 0:
            if sums.shape[0] < d or squares.shape[0] < d:
                raise ValueError("The kernels need a sum for every column.")
            first, second = &sums[0], &squares[0]
        if chosen is not None:
            for k in range(start, stop):
                if not 0 <= chosen[k] < rows.n:
                    raise ValueError("The kernels need chosen rows of X.")
            among = &chosen[0]
        if rows.convert != NULL:
            integers.data, integers.convert = address(rows.data), rows.convert
            converted = &integers
        work = take(2 * d * size)
        try:
            block = take(d * 8)
        except MemoryError:
            free(work)
            raise
        memset(work, 0, 2 * d * size)
        with nogil:
            if rows.float32 and double_w:
                dense_job(job, <const float *> address(rows.data), converted, <float *> block, d, <const double *> address(m),
                          <const double *> address(s), weights, among, <double *> work, <double *> address(o), first, second, start, stop)
            elif rows.float32:
                dense_job(job, <const float *> address(rows.data), converted, <float *> block, d, <const float *> address(m),
                          <const float *> address(s), weights, among, <float *> work, <float *> address(o), first, second, start, stop)
            elif double_w:
                dense_job(job, <const double *> address(rows.data), converted, <double *> block, d, <const double *> address(m),
                          <const double *> address(s), weights, among, <double *> work, <double *> address(o), first, second, start, stop)
            else:
                dense_job(job, <const double *> address(rows.data), converted, <double *> block, d, <const float *> address(m),
                          <const float *> address(s), weights, among, <float *> work, <float *> address(o), first, second, start, stop)
        free(work)
        free(block)
        return 0

    def backward(self, const double[::1] r, bint double_w, double[::1] g, idx start, idx stop):
        """g += sum of r_i x_i."""
        cdef Sweep s
        s.kind = BACKWARD
        s.h = &r[0]
        self.run(&s, None, double_w, 0, g, start, stop)

    cdef int run(self, Sweep *s, w, bint double_w, double intercept, double[::1] g, idx start, idx stop) except -1:
        cdef Buffer weights = borrow(w)
        cdef double *out = NULL
        cdef idx size = 8 if double_w else 4
        if g is not None:
            if g.shape[0] < self.rows.d:
                raise ValueError("The kernels need a gradient with an entry for every column.")
            out = &g[0]
        if not 0 <= start <= stop <= self.rows.n:
            raise ValueError("The kernels need a range of existing rows.")
        if fewer(weights, (self.rows.d + PADDING - 1) // PADDING * PADDING * size):
            raise ValueError("The kernels need weights padded to a multiple of 16 elements.")
        s.loss, s.parameter, s.intercept = self.loss, self.parameter, intercept
        s.y, s.weight = <const double *> address(self.y), <const double *> address(self.weight)
        s.loss_sum = s.r_sum = 0
        if self.rows.float32:
            if double_w:
                self.run_as(s, <float *> NULL, <const double *> address(weights), out, start, stop)
            else:
                self.run_as(s, <float *> NULL, <const float *> address(weights), out, start, stop)
        elif double_w:
            self.run_as(s, <double *> NULL, <const double *> address(weights), out, start, stop)
        else:
            raise ValueError("The kernels take float64 weights with float64 rows.")
        return 0

    cdef int run_as(self, Sweep *s, const X *kind, const W *w, double *out, idx start, idx stop) except -1:
        cdef Rows rows = self.rows
        cdef idx padded = (rows.d + PADDING - 1) // PADDING * PADDING
        cdef Integers integers
        cdef const Integers *converted = NULL
        cdef const X *data = <const X *> address(rows.data)
        cdef W *work
        cdef X *block = NULL
        if rows.sparse:
            with nogil:
                if rows.wide:
                    csr_sweep(s, data, <const int64_t *> address(rows.indices), <const int64_t *> address(rows.indptr),
                              w, out, self.turns, start, stop)
                else:
                    csr_sweep(s, data, <const int32_t *> address(rows.indices), <const int32_t *> address(rows.indptr),
                              w, out, self.turns, start, stop)
            return 0
        work = <W *> take(padded * sizeof(W))
        if rows.convert != NULL:
            try:
                block = <X *> take(BLOCK * rows.d * sizeof(X))
            except MemoryError:
                free(work)
                raise
            integers.data, integers.convert = address(rows.data), rows.convert
            converted, data = &integers, <const X *> block
        with nogil:
            memset(work, 0, padded * sizeof(W))
            dense_sweep(s, data, converted, rows.d, w, work, out, start, stop)
        free(work)
        free(block)
        return 0


cdef void dense_predict(const X *x, idx d, const W *w, const int32_t *chosen, idx n, double *out) noexcept nogil:
    cdef const X *rows[4]
    cdef const X *ahead[4]
    cdef idx at, k
    for at in range(0, n, 4):
        for k in range(4):
            rows[k] = x + row(chosen, at + k, n) * d
            ahead[k] = x + row(chosen, at + k + AHEAD, n) * d
        dot4(<const X **> rows, <int> min(<idx> 4, n - at), <const X **> ahead, w, d, out + at)


cdef void csr_predict_rows(const X *x, const I *indices, const I *indptr, const W *w, const int32_t *chosen, idx n,
                           double *out) noexcept nogil:
    cdef idx k, i, far
    for k in range(n):
        i, far = chosen[k], row(chosen, k + AHEAD, n)
        prefetch(indptr + row(chosen, k + 2 * AHEAD, n))
        prefetch_row(x + indptr[far], indices + indptr[far], indptr[far + 1] - indptr[far])
        out[k] = csr_predict(x + indptr[i], indices + indptr[i], indptr[i + 1] - indptr[i], w)


cdef void predict_as(Rows rows, const X *x, const W *w, const int32_t *chosen, idx n, double *out) noexcept nogil:
    """x tells the type."""
    x = <const X *> address(rows.data)
    if not rows.sparse:
        dense_predict(x, rows.d, w, chosen, n, out)
    elif rows.wide:
        csr_predict_rows(x, <const int64_t *> address(rows.indices), <const int64_t *> address(rows.indptr), w, chosen, n, out)
    else:
        csr_predict_rows(x, <const int32_t *> address(rows.indices), <const int32_t *> address(rows.indptr), w, chosen, n, out)


def predict_rows(Rows rows, const int32_t[::1] chosen, w, bint double_w, double[::1] out):
    """out_k = w . x_i with i = chosen_k: some rows of floats, where they are; w is padded."""
    cdef Buffer weights = borrow(w)
    cdef idx k, n = chosen.shape[0]
    if out.shape[0] != n:
        raise ValueError("The kernels need a place for the prediction of every row.")
    if rows.convert != NULL or not (double_w or rows.float32):
        raise ValueError("The kernels need rows of floats, and float64 weights with float64 rows.")
    if fewer(weights, (rows.d + PADDING - 1) // PADDING * PADDING * (8 if double_w else 4)):
        raise ValueError("The kernels need weights padded to a multiple of 16 elements.")
    for k in range(n):
        if not 0 <= chosen[k] < rows.n:
            raise ValueError("The kernels need existing rows.")
    if n == 0:
        return
    with nogil:
        if rows.float32 and double_w:
            predict_as(rows, <float *> NULL, <double *> address(weights), &chosen[0], n, &out[0])
        elif rows.float32:
            predict_as(rows, <float *> NULL, <float *> address(weights), &chosen[0], n, &out[0])
        else:
            predict_as(rows, <double *> NULL, <double *> address(weights), &chosen[0], n, &out[0])
