# Softmax losses of many rows: raw predictions in, residuals out, in place.

cdef double softmax_slopes(W *z, const int32_t *y, const double *weight, double *picked, idx classes, idx rows) noexcept nogil:
    """z (classes x rows): raw predictions, then weight (p - onehot(y)); picked: room for the rows.

    Returns the sum of weight times loss. Classes are rows of z, so that every loop runs over rows of X.
    """
    cdef idx k, i
    cdef double total = 0
    softmax_columns(z, y, picked, classes, rows)
    for i in range(rows):
        total += picked[i] if weight == NULL else weight[i] * picked[i]
        z[y[i] * rows + i] -= 1
    if weight != NULL:
        for k in range(classes):
            for i in range(rows):
                z[k * rows + i] = <W> (z[k * rows + i] * weight[i])
    return total


def softmax(z, bint double_z, const int32_t[::1] y, weight, idx classes):
    """Residuals of softmax in place; returns the sum of weight times loss.

    Parameters
    ----------
    z : writable buffer of (classes, n) raw predictions, float64 if `double_z`, else float32
    y : n class codes
    weight : n float64, or None
    """
    cdef Buffer held = borrow(z, True)
    cdef const double[::1] given
    cdef const double *weights = NULL
    cdef idx n = y.shape[0], i
    cdef double *picked
    cdef double total
    if n == 0:
        return 0.0
    if held.view.len < n * classes * (8 if double_z else 4):
        raise ValueError("The kernels need a raw prediction for every row and class.")
    for i in range(n):
        if not 0 <= y[i] < classes:
            raise ValueError("The kernels need class codes below the number of classes.")
    if weight is not None:
        given = weight
        if given.shape[0] != n:
            raise ValueError("The kernels need a weight for every row.")
        weights = &given[0]
    picked = <double *> take(n * sizeof(double))
    with nogil:
        if double_z:
            total = softmax_slopes(<double *> address(held), &y[0], weights, picked, classes, n)
        else:
            total = softmax_slopes(<float *> address(held), &y[0], weights, picked, classes, n)
    free(picked)
    return total
