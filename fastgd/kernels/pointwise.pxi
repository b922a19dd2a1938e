# Losses for Python: their table, and values over arrays of targets and raw predictions.

def losses():
    """The table of losses: (name, task, parameter name, default); the position is the loss's number."""
    return [(LOSS_TABLE[i].name.decode(), LOSS_TABLE[i].task, LOSS_TABLE[i].parameter.decode(),
             LOSS_TABLE[i].value) for i in range(N_LOSSES)]


def pointwise(int loss, double parameter, const double[::1] y, const double[::1] raw, double[::1] out,
              bint gradient):
    """Write the loss, or its gradient in the raw prediction, of each pair (y, raw) into out."""
    cdef idx i
    with nogil:
        for i in range(y.shape[0]):
            if gradient:
                out[i] = loss_gradient(loss, y[i], raw[i], parameter)
            else:
                out[i] = loss_value(loss, y[i], raw[i], parameter)


def total_loss(int loss, double parameter, const double[::1] y, const double[::1] raw, weight=None):
    """Sum of weight times loss over all pairs (y, raw); weight defaults to 1."""
    cdef const double[::1] given
    cdef const double *weights = NULL
    cdef idx n = y.shape[0]
    cdef double total
    if n == 0:
        return 0.0
    if weight is not None:
        given = weight
        weights = &given[0]
    with nogil:
        total = loss_sum(loss, &y[0], &raw[0], weights, n, parameter)
    return total


def curvatures(int loss, double parameter, const double[::1] y, const double[::1] raw, weight, double[::1] out):
    """Write weight times the second derivative in the raw prediction; weight defaults to 1."""
    cdef const double[::1] given
    cdef const double *weights = NULL
    cdef idx n = y.shape[0]
    if raw.shape[0] != n or out.shape[0] != n:
        raise ValueError("The kernels need as many raw predictions as targets.")
    if n == 0:
        return
    if weight is not None:
        given = weight
        weights = &given[0]
    with nogil:
        loss_curvatures(loss, weights, &y[0], &raw[0], &out[0], n, parameter)


def slopes(int loss, double parameter, const double[::1] y, const double[::1] raw, weight, double[::1] out):
    """Write weight times the gradient in the raw prediction, nothing cut; returns the sum of weight times loss."""
    cdef const double[::1] given
    cdef const double *weights = NULL
    cdef idx n = y.shape[0], start, count
    cdef double total = 0
    if raw.shape[0] != n or out.shape[0] != n:
        raise ValueError("The kernels need as many raw predictions as targets.")
    if weight is not None:
        given = weight
    with nogil:
        for start in range(0, n, 512):
            if weight is not None:
                weights = &given[start]
            count = min(<idx> 512, n - start)
            total += losses_and_slopes(loss, weights, &y[start], &raw[start], &out[start], count, parameter)
    return total
