# Coordinate descent on the columns of X: a quadratic model of a loss plus l1 and l2 penalties.
#
# Of the model's gradient only its slopes s in the raw predictions are kept, one per row: the gradient of a weight
# is one product of its column with s, and a step of the weight changes s in the column's rows. So the work is
# that of reading the columns, and neither X'X nor the curvature of columns that never leave zero is needed.
#
# The intercept is at its best for the weights at all times. It has no column: `shift`, how far it has moved, enters
# through the products m = h . x, as if the columns were centred by the means that the curvatures h weigh.

cdef extern from "columns.h" namespace "fastgd" nogil:
    double column_square[X](const X *x, idx count)
    double column_dot[X](const X *x, const int32_t *at, idx count, const double *s)
    void column_products[X](const X *x, const int32_t *at, idx count, const double *s, const double *h, double *out)
    void column_add[X](const X *x, const int32_t *at, idx count, double c, double *z)
    void column_step[X](const X *x, const int32_t *at, idx count, double c, const double *h, double *s, double *z)

cdef enum:
    TURNED = 64                # rows of a dense matrix that are turned at a time

cdef double CONSTANT = 1e-13   # share of a column's curvature that is left about its mean, if only by rounding

cdef struct Descending:
    double total               # sum of h, or 0: no intercept
    double shift               # of the intercept since s was the slopes
    double l1, l2
    double gained              # out, of an epoch: sum of a_j delta_j^2 / 2


cdef void turn_dense(const X *x, const Integers *integers, X *block, idx d, idx n, const int32_t *chosen, idx k,
                     X *values) noexcept nogil:
    """values[j, i] = x[i, chosen[j]]; `block` has room for TURNED rows that are converted first."""
    cdef idx start = 0, count, i, j
    cdef const X *source
    cdef X *out
    while start < n:
        count = min(<idx> TURNED, n - start)
        source = x + start * d
        if integers != NULL:
            for i in range(count):
                integers.convert(integers.data, d, start + i, <void *> (block + i * d))
            source = block
        for j in range(k):
            out = values + j * n + start
            for i in range(count):
                out[i] = source[i * d + chosen[j]]
        start += count


cdef void turn_sparse(const X *x, const I *indices, const I *indptr, idx n, const int32_t *place, int64_t *begin,
                      X *values, int32_t *at) noexcept nogil:
    """The values of each column that has a place, in the order of the rows; begin[p] ends where column p ends."""
    cdef idx i, t
    cdef I k
    cdef int32_t p
    for i in range(n):
        for k in range(indptr[i], indptr[i + 1]):
            p = place[indices[k]]
            if p >= 0:
                t = begin[p]
                begin[p] = t + 1
                values[t] = x[k]
                at[t] = <int32_t> i


cdef void count_sparse(const I *indices, idx stored, const int32_t *place, int64_t *begin) noexcept nogil:
    cdef idx k
    cdef int32_t p
    for k in range(stored):
        p = place[indices[k]]
        if p >= 0:
            begin[p + 1] += 1


cdef void descend_as(Descending *t, const X *values, const int32_t *at, const int64_t *begin, const int32_t *order,
                     idx count, const double *h, double *s, double *z, double *w, double *m, double *a,
                     bint fresh) noexcept nogil:
    """One epoch; `fresh`: m and a of the columns are computed on the way."""
    cdef double products[3]
    cdef double g, u, old, new, delta
    cdef const X *x
    cdef const int32_t *rows = NULL
    cdef idx i, j, size
    t.gained = 0
    for i in range(count):
        j = order[i]
        x, size, old = values + begin[j], begin[j + 1] - begin[j], w[j]
        if at != NULL:
            rows = at + begin[j]
        if fresh:
            column_products(x, rows, size, <const double *> s, h, products)
            g, m[j], a[j] = products[0], products[1], products[2]
            if t.total > 0:
                a[j] -= m[j] * m[j] / t.total
                if not a[j] > CONSTANT * products[2]:
                    a[j] = 0
            a[j] += t.l2
        if not fresh:
            g = column_dot(x, rows, size, <const double *> s)
        u = g - t.shift * m[j] + (a[j] - t.l2) * old
        if not a[j] > 0:
            new = 0
        elif u > t.l1:
            new = (u - t.l1) / a[j]
        elif u < -t.l1:
            new = (u + t.l1) / a[j]
        else:
            new = 0
        delta = new - old
        if delta == 0:
            continue
        w[j] = new
        column_step(x, rows, size, delta, h, s, z)
        if t.total > 0:
            t.shift -= delta * m[j] / t.total
        t.gained += 0.5 * a[j] * delta * delta


cdef class ColumnBlock:
    """Some columns of X, turned so that each one's values are together.

    Parameters
    ----------
    rows : Rows
    chosen : buffer of int32
        Numbers of columns, all different.
    room : callable
        ``room(size)`` -> a writable buffer of so many bytes: NumPy's arrays, unlike malloc's, ask for huge pages.
    """

    cdef readonly idx n, k
    cdef readonly idx stored   # values of all columns
    cdef readonly bint float32
    cdef Buffer held_values, held_at
    cdef void *values
    cdef int32_t *at           # NULL: dense
    cdef int64_t *begin

    def __cinit__(self):
        self.begin = NULL

    def __dealloc__(self):
        free(self.begin)

    def __init__(self, Rows rows, const int32_t[::1] chosen, room):
        cdef idx j, size = 4 if rows.float32 else 8
        if self.begin != NULL:
            raise TypeError("A block of columns is filled once.")
        self.n, self.k, self.float32 = rows.n, chosen.shape[0], rows.float32
        if rows.n > 0x7FFFFFFF:
            raise ValueError("Blocks of columns number their rows by 32 bits.")
        for j in range(self.k):
            if not 0 <= chosen[j] < rows.d:
                raise ValueError("The kernels need existing columns.")
        self.at = NULL
        self.begin = <int64_t *> take((self.k + 1) * sizeof(int64_t))
        if rows.sparse:
            self.fill_sparse(rows, chosen, size, room)
        else:
            for j in range(self.k + 1):
                self.begin[j] = j * self.n
            self.stored = self.k * self.n
            self.take_room(room, size)
            if self.stored > 0:
                self.fill_dense(rows, &chosen[0])

    cdef fill_dense(self, Rows rows, const int32_t *chosen):
        cdef Integers integers
        cdef const Integers *converted = NULL
        cdef const void *x = address(rows.data)
        cdef void *block = NULL
        if rows.convert != NULL:
            integers.data, integers.convert = x, rows.convert
            converted = &integers
            block = take(TURNED * rows.d * (4 if rows.float32 else 8))
        with nogil:
            if rows.float32:
                turn_dense(<const float *> x, converted, <float *> block, rows.d, rows.n, chosen, self.k,
                           <float *> self.values)
            else:
                turn_dense(<const double *> x, converted, <double *> block, rows.d, rows.n, chosen, self.k,
                           <double *> self.values)
        free(block)

    cdef take_room(self, room, idx size):
        self.held_values = borrow(room(max(<idx> 1, self.stored * size)), True)
        if fewer(self.held_values, self.stored * size):
            raise ValueError("The kernels need room for all values of the columns.")
        self.values = address(self.held_values)

    cdef fill_sparse(self, Rows rows, const int32_t[::1] chosen, idx size, room):
        cdef idx j
        cdef int32_t *place = <int32_t *> take(rows.d * sizeof(int32_t))
        cdef int64_t *begin = self.begin
        cdef const void *x = address(rows.data)
        cdef const int32_t *narrow = <const int32_t *> address(rows.indices)
        cdef const int64_t *broad = <const int64_t *> address(rows.indices)
        cdef const int32_t *narrow_ptr = <const int32_t *> address(rows.indptr)
        cdef const int64_t *broad_ptr = <const int64_t *> address(rows.indptr)
        try:
            for j in range(rows.d):
                place[j] = -1
            for j in range(self.k):
                place[chosen[j]] = <int32_t> j
            memset(begin, 0, (self.k + 1) * sizeof(int64_t))
            with nogil:
                if rows.wide:
                    count_sparse(broad, rows.stored, place, begin)
                else:
                    count_sparse(narrow, rows.stored, place, begin)
            for j in range(self.k):
                begin[j + 1] += begin[j]
            self.stored = begin[self.k]
            self.take_room(room, size)
            self.held_at = borrow(room(max(<idx> 1, self.stored * <idx> sizeof(int32_t))), True)
            if fewer(self.held_at, self.stored * <idx> sizeof(int32_t)):
                raise ValueError("The kernels need room for the rows of all values.")
            self.at = <int32_t *> address(self.held_at)
            with nogil:
                if rows.float32 and rows.wide:
                    turn_sparse(<const float *> x, broad, broad_ptr, rows.n, place, begin, <float *> self.values, self.at)
                elif rows.float32:
                    turn_sparse(<const float *> x, narrow, narrow_ptr, rows.n, place, begin, <float *> self.values, self.at)
                elif rows.wide:
                    turn_sparse(<const double *> x, broad, broad_ptr, rows.n, place, begin, <double *> self.values, self.at)
                else:
                    turn_sparse(<const double *> x, narrow, narrow_ptr, rows.n, place, begin, <double *> self.values, self.at)
            # each begin has moved to its column's end
            for j in range(self.k, 0, -1):
                begin[j] = begin[j - 1]
            begin[0] = 0
        finally:
            free(place)

    def sizes(self, int64_t[::1] out):
        """Write how many values each column has."""
        cdef idx j
        if out.shape[0] != self.k:
            raise ValueError("The kernels need room for the size of every column.")
        for j in range(self.k):
            out[j] = self.begin[j + 1] - self.begin[j]

    def squares(self, double[::1] out):
        """Write the sum of squares of each column."""
        cdef idx j
        if out.shape[0] != self.k:
            raise ValueError("The kernels need room for the square of every column.")
        with nogil:
            for j in range(self.k):
                if self.float32:
                    out[j] = column_square(<const float *> self.values + self.begin[j], self.begin[j + 1] - self.begin[j])
                else:
                    out[j] = column_square(<const double *> self.values + self.begin[j], self.begin[j + 1] - self.begin[j])

    cdef check(self, const int32_t[::1] order, idx rows, idx weights):
        cdef idx i
        if rows != self.n or weights != order.shape[0]:
            raise ValueError("The kernels need a value for every row and one for each column of the order.")
        for i in range(order.shape[0]):
            if not 0 <= order[i] < self.k:
                raise ValueError("The kernels need an order of existing columns.")

    def predict(self, const int32_t[::1] order, const double[::1] w, double[::1] z):
        """z += the sum of w_i times the column in place order_i."""
        cdef idx i
        self.check(order, z.shape[0], w.shape[0])
        if self.n == 0:
            return
        with nogil:
            for i in range(order.shape[0]):
                if self.float32:
                    column_add(<const float *> self.values + self.begin[order[i]], self.rows_of(order[i]),
                               self.begin[order[i] + 1] - self.begin[order[i]], w[i], &z[0])
                else:
                    column_add(<const double *> self.values + self.begin[order[i]], self.rows_of(order[i]),
                               self.begin[order[i] + 1] - self.begin[order[i]], w[i], &z[0])

    def correlate(self, const int32_t[::1] order, const double[::1] v, double[::1] out):
        """out_i = v times the column in place order_i."""
        cdef idx i
        self.check(order, v.shape[0], out.shape[0])
        if self.n == 0:
            return
        with nogil:
            for i in range(order.shape[0]):
                if self.float32:
                    out[i] = column_dot(<const float *> self.values + self.begin[order[i]], self.rows_of(order[i]),
                                        self.begin[order[i] + 1] - self.begin[order[i]], &v[0])
                else:
                    out[i] = column_dot(<const double *> self.values + self.begin[order[i]], self.rows_of(order[i]),
                                        self.begin[order[i] + 1] - self.begin[order[i]], &v[0])

    cdef const int32_t *rows_of(self, idx j) noexcept nogil:
        if self.at == NULL:
            return self.at
        return self.at + self.begin[j]

    def descend(self, const int32_t[::1] order, const double[::1] h, double[::1] s, double[::1] z, double[::1] w,
                double[::1] m, double[::1] a, double total, double shift, double l1, double l2, bint fresh,
                idx epochs, double enough):
        """Lower a quadratic model of the loss plus penalties, one weight after another, in place.

        Parameters
        ----------
        order : (count,), the places in the block of the weights that take part, in their order
        h : (n,), curvatures of the loss in the raw predictions
        s : (n,), minus its slopes there; changed with the raw predictions, but not by the shift
        z : (n,), to which the changes of the raw predictions are added, but for the shift
        w : (k,), the weights
        m, a : (k,), h . x and the curvature of each weight
        total : the sum of h; 0 without an intercept
        shift : by how much the intercept has moved
        fresh : whether to compute m and a in the first epoch, before each step
        epochs : the most passes over the order
        enough : stop after an epoch that has gained no more than this

        Returns
        -------
        epochs run, what the last of them gained (sum of a_j delta_j^2 / 2), the shift now
        """
        cdef Descending t
        cdef idx i, count = order.shape[0], done = 0
        if h.shape[0] != self.n or s.shape[0] != self.n or z.shape[0] != self.n or w.shape[0] != self.k or (
                m.shape[0] != self.k or a.shape[0] != self.k):
            raise ValueError("The kernels need three vectors over the rows and three over the columns.")
        for i in range(count):
            if not 0 <= order[i] < self.k:
                raise ValueError("The kernels need an order of existing columns.")
        t.total, t.shift, t.l1, t.l2, t.gained = total, shift, l1, l2, 0
        if count == 0 or self.n == 0:
            return 0, 0.0, shift
        with nogil:
            while done < epochs:
                if self.float32:
                    descend_as(&t, <const float *> self.values, self.at, self.begin, &order[0], count, &h[0], &s[0], &z[0],
                               &w[0], &m[0], &a[0], fresh and done == 0)
                else:
                    descend_as(&t, <const double *> self.values, self.at, self.begin, &order[0], count, &h[0], &s[0], &z[0],
                               &w[0], &m[0], &a[0], fresh and done == 0)
                done += 1
                if not t.gained > enough:
                    break
        return done, t.gained, t.shift
