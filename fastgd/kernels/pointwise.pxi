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
