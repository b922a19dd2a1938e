# Coordinate descent on a Gram matrix, and what makes Gram matrices of dense rows ready for BLAS.

def descend_gram(const double[:, ::1] Q, double[::1] w, double[::1] g, const double[::1] l1, bint positive,
                 const int64_t[::1] order, idx epochs, double enough):
    """Minimise w'Qw / 2 - q'w + sum of l1_j |w_j| one coordinate after another, in place.

    Parameters
    ----------
    Q : (d, d) symmetric; a coordinate whose diagonal entry is not positive is left alone
    w : (d,), changed
    g : (d,), q - Q w, changed with it
    l1 : (d,)
    positive : whether w >= 0
    order : the coordinates of an epoch, in their order; None for 0 ... d - 1
    epochs : the most passes over the coordinates
    enough : stop after an epoch that has lowered the objective by less than about this

    Returns
    -------
    (epochs run, sum of Q_jj delta_j^2 / 2 over the last of them)
    """
    cdef idx d = Q.shape[0], i, j, k, n = d if order is None else order.shape[0], done = 0
    cdef double curvature, old, new, u, delta, gained = 0
    cdef const double *row
    cdef double *out
    if Q.shape[1] != d or w.shape[0] != d or g.shape[0] != d or l1.shape[0] != d:
        raise ValueError("The kernels need Q of shape (d, d) and three vectors of length d.")
    if order is not None:
        for i in range(n):
            if not 0 <= order[i] < d:
                raise ValueError("The kernels need an order of existing coordinates.")
    if d == 0:
        return 0, 0.0
    out = &g[0]
    with nogil:
        while done < epochs:
            gained = 0
            done += 1
            for i in range(n):
                j = i if order is None else order[i]
                curvature = Q[j, j]
                if not curvature > 0:
                    continue
                old = w[j]
                u = g[j] + curvature * old
                if u > l1[j]:
                    new = (u - l1[j]) / curvature
                elif u < -l1[j] and not positive:
                    new = (u + l1[j]) / curvature
                else:
                    new = 0
                delta = new - old
                if delta == 0:
                    continue
                w[j] = new
                row = &Q[j, 0]
                for k in range(d):
                    out[k] -= delta * row[k]
                gained += 0.5 * curvature * delta * delta
            if not gained > enough:
                break
    return done, gained


cdef extern from "gram.h" namespace "fastgd" nogil:
    void centre_row[X](const X *x, const X *ahead, const double *shift, double scale, double *z, idx d)
    void gram_rows(bint wide, const double *z, idx width, idx count, double *table)
    void add_squares_along(const double *z, idx width, idx count, const double *v, idx directions, double *squares)

cdef enum:
    L1_BYTES = 24576           # of centred rows that stay in the first-level cache
    FEWEST = 24                # rows whose products are worth adding to the table, though they only stay in the second
    FEWEST_WIDE = 64           # the same for vectors of 64 bytes


cdef void center_as(const X *x, const double *shift, const double *root, idx d, idx width, double *out,
                    idx count, idx left) noexcept nogil:
    """left: rows of X from x on; as many as are centred, the next ones are fetched meanwhile."""
    cdef idx i
    for i in range(count):
        centre_row(x + i * d, x + min(i + count, left - 1) * d, shift, 1.0 if root == NULL else root[i],
                   out + i * width, d)


def center_rows(Rows rows, const double[::1] shift, const double[::1] root, idx start, idx stop,
                double[:, ::1] out):
    """out[i, :d] = (x_{start + i} - shift) root_{start + i} of dense float rows; root None means ones."""
    cdef idx d = rows.d
    cdef const double *scale = NULL
    if rows.sparse or rows.convert != NULL:
        raise TypeError("The kernels centre dense rows of floats.")
    if not (0 <= start <= stop <= rows.n and out.shape[0] >= stop - start and out.shape[1] >= d
            and shift.shape[0] >= d and (root is None or root.shape[0] >= rows.n)):
        raise ValueError("The kernels need existing rows, a shift per column, a root per row and room for them.")
    if start == stop or d == 0:
        return
    if root is not None:
        scale = &root[start]
    with nogil:
        if rows.float32:
            center_as(<const float *> address(rows.data) + start * d, &shift[0], scale, d, out.shape[1], &out[0, 0],
                      stop - start, rows.n - start)
        else:
            center_as(<const double *> address(rows.data) + start * d, &shift[0], scale, d, out.shape[1], &out[0, 0],
                      stop - start, rows.n - start)


cdef void products_as(const X *x, const double *shift, const double *root, const double *y, const double *y_shift,
                      idx d, idx targets, idx width, idx rows, bint wide, double *z, double *table,
                      idx count) noexcept nogil:
    cdef idx start = 0, now, i, j
    cdef double scale = 1
    cdef double *row
    cdef const double *near = NULL
    while start < count:
        now = min(rows, count - start)
        if root != NULL:
            near = root + start
        center_as(x + start * d, shift, near, d, width, z, now, count - start)
        for i in range(now):
            row = z + i * width + d
            if root != NULL:
                scale = root[start + i]
            for j in range(targets):
                row[j] = (y[(start + i) * targets + j] - y_shift[j]) * scale
            row[targets] = scale
        gram_rows(wide, z, width, now, table)
        start += now


cdef void squares_along_as(const X *x, const double *shift, const double *root, const double[:, ::1] v, idx d, idx rows,
                           double *z, double *squares, idx count) noexcept nogil:
    cdef idx start = 0, now, width = v.shape[1]
    cdef const double *near = NULL
    while start < count:
        now = min(rows, count - start)
        if root != NULL:
            near = root + start
        center_as(x + start * d, shift, near, d, width, z, now, count - start)
        add_squares_along(z, width, now, &v[0, 0], v.shape[0], squares)
        start += now


def squares_along(Rows rows, const double[::1] shift, const double[::1] root, const double[:, ::1] v, double[::1] squares):
    """squares[a] += sum of (z . v_a)^2, of z = root (x - shift) of all dense float rows.

    v: (directions, width), width being d rounded up to a multiple of 4, and zeros in the columns from d on.
    """
    cdef idx d = rows.d, width = v.shape[1], block
    cdef const double *scale = NULL
    cdef double *z
    if rows.sparse or rows.convert != NULL:
        raise TypeError("The kernels centre dense rows of floats.")
    if not (width == (d + 3) // 4 * 4 and shift.shape[0] >= d and (root is None or root.shape[0] >= rows.n)
            and squares.shape[0] >= v.shape[0]):
        raise ValueError("The kernels need a shift per column, directions padded to fours, and a sum for each.")
    if rows.n == 0 or d == 0 or v.shape[0] == 0:
        return
    if root is not None:
        scale = &root[0]
    block = max(<idx> 8, L1_BYTES // (width * 8))
    z = <double *> take(block * width * sizeof(double))
    with nogil:
        memset(z, 0, block * width * sizeof(double))
        if rows.float32:
            squares_along_as(<const float *> address(rows.data), &shift[0], scale, v, d, block, z, &squares[0], rows.n)
        else:
            squares_along_as(<const double *> address(rows.data), &shift[0], scale, v, d, block, z, &squares[0], rows.n)
        free(z)


def products(Rows rows, const double[::1] shift, const double[::1] root, const double[:, ::1] y, idx start, idx stop,
             double[:, ::1] table, bint wide=False):
    """table += Z'Z, symmetric before and after, of z = root (x - shift, y - shift, 1) of dense float rows.

    Parameters
    ----------
    rows : Rows of n rows and d columns
    shift : (d + targets,)
    root : (n,) or None for ones
    y : (n, targets)
    start, stop : the rows that take part
    table : (width, width), width being d + targets + 1 rounded up to a multiple of 4
    wide : whether to use vectors of 64 bytes, which the CPU must have: `long_vectors` of the dispatch
    """
    cdef idx d = rows.d, targets = y.shape[1], width = table.shape[0], k = rows.d + y.shape[1] + 1, block, i, j
    cdef const double *scale = NULL
    cdef const double *target = NULL
    cdef double *z
    if rows.sparse or rows.convert != NULL:
        raise TypeError("The kernels multiply dense rows of floats.")
    if not (0 <= start <= stop <= rows.n <= y.shape[0] and shift.shape[0] >= k - 1
            and (root is None or root.shape[0] >= rows.n) and width == table.shape[1] == (k + 3) // 4 * 4):
        raise ValueError("The kernels need existing rows, a shift per column, and a table that is padded to fours.")
    if start == stop or d == 0:
        return
    if root is not None:
        scale = &root[start]
    if targets:
        target = &y[start, 0]
    block = max(<idx> (FEWEST_WIDE if wide else FEWEST), L1_BYTES // (width * 8))
    z = <double *> take(block * width * sizeof(double))
    with nogil:
        memset(z, 0, block * width * sizeof(double))
        if rows.float32:
            products_as(<const float *> address(rows.data) + start * d, &shift[0], scale, target, &shift[0] + d, d, targets,
                        width, block, wide, z, &table[0, 0], stop - start)
        else:
            products_as(<const double *> address(rows.data) + start * d, &shift[0], scale, target, &shift[0] + d, d,
                        targets, width, block, wide, z, &table[0, 0], stop - start)
        free(z)
        for i in range(width):
            for j in range(i):
                table[i, j] = table[j, i]


cdef void csr_columns(const X *x, const I *indices, const I *indptr, idx n, const double[::1] weight,
                      double[::1] total, double[::1] square) noexcept:
    cdef idx i, k
    cdef double s = 1.0, value
    with nogil:
        for i in range(n):
            if weight is not None:
                s = weight[i]
            for k in range(indptr[i], indptr[i + 1]):
                value = x[k]
                total[indices[k]] += s * value
                square[indices[k]] += s * value * value


def column_sums(Rows rows, const double[::1] weight, double[::1] total, double[::1] square):
    """Of CSR rows: total += sum of s_i x_i and square += sum of s_i x_i^2; weight None means ones."""
    cdef const void *x = address(rows.data)
    cdef const void *indices = address(rows.indices)
    cdef const void *indptr = address(rows.indptr)
    if not rows.sparse or total.shape[0] < rows.d or square.shape[0] < rows.d or (
            weight is not None and weight.shape[0] < rows.n):
        raise ValueError("The kernels need CSR rows, a weight per row and room for each column.")
    if rows.float32 and rows.wide:
        csr_columns(<const float *> x, <const int64_t *> indices, <const int64_t *> indptr, rows.n, weight, total, square)
    elif rows.float32:
        csr_columns(<const float *> x, <const int32_t *> indices, <const int32_t *> indptr, rows.n, weight, total, square)
    elif rows.wide:
        csr_columns(<const double *> x, <const int64_t *> indices, <const int64_t *> indptr, rows.n, weight, total, square)
    else:
        csr_columns(<const double *> x, <const int32_t *> indices, <const int32_t *> indptr, rows.n, weight, total, square)
