# One model between two rows: its scalars, and the step that every loop takes.

cdef enum Rule:
    GRADIENT = 0
    PA1 = 1
    PA2 = 2

cdef struct Recipe:
    int loss
    double parameter           # of the loss
    Rule rule
    double l1, l2              # strengths: alpha * l1_ratio, alpha * (1 - l1_ratio)
    double class_weight[2]     # of negative and positive rows: an index, since labels defy prediction
    double nu                  # one-class SVM: pull of the offset; 0 otherwise
    bint one_class
    bint fit_intercept
    double average_from        # step at which averaging starts; 0: never
    double aggressiveness      # passive-aggressive: the constant C of Crammer et al. 2006
    double smallest_scale      # below it the scale goes into the weights

cdef enum:
    TALLY = 64

cdef struct Model:
    double intercept, average_intercept
    double t                   # number of the next step, from 1
    double scale, inverse      # true weights = scale * w; 1 / scale, divided ahead of its use
    double carried             # what `settle` has put into the weights since they were begun anew
    double sq, l1              # norms of the true weights after the last step, before its truncation
    double u                   # l1 penalty so far
    double average_a, average_b, average_c   # lazy average, see `average_step`
    double loss_sum, penalty_sum    # over the rows of the epoch so far
    bint skipped               # the rule left the row out: nothing moved
    bint faded                 # the scale is too small to go on with
    idx tallied                # rows whose loss waits in the buffers, to be summed vectorised
    double y[TALLY]
    double p[TALLY]

cdef inline void flush(Model *m, const Recipe *r) noexcept nogil:
    m.loss_sum += loss_sum(r.loss, m.y, m.p, NULL, m.tallied, r.parameter)
    m.tallied = 0

cdef inline double penalty(const Model *m, const Recipe *r) noexcept nogil:
    cdef double value = 0.5 * r.l2 * max(0.0, m.sq) + r.l1 * m.l1   # rounding may leave m.sq below zero
    if r.rule != GRADIENT:
        return 0
    return value + r.nu * m.intercept if r.one_class else value

cdef inline double clip(double gradient) noexcept nogil:
    """Gradients beyond 1e12 are cut, as in scikit-learn, so that one row cannot overflow the weights."""
    if fabs(gradient) > 1e12:     # a branch that is never taken costs the waiting step nothing
        return -1e12 if gradient < 0 else 1e12
    return gradient

cdef inline double shrink(Model *m, const Recipe *r, double eta) noexcept nogil:
    """The l2 penalty's share of a step: a factor on the weights, never below zero."""
    cdef double factor = max(0.0, 1.0 - r.l2 * eta)
    m.scale *= factor
    m.inverse = 1.0 / m.scale
    m.faded = m.scale * m.carried < r.smallest_scale
    m.sq *= factor * factor
    m.l1 *= factor
    return factor

cdef inline void average_step(Model *m, const Recipe *r, double c) noexcept nogil:
    """Running average of the weights as average = (a w + sum of -a_i c_i x_i) / b (Bottou 2012, 5.2).

    `c` is the row's coefficient in the unscaled weights; average_c becomes its coefficient in the sum.
    The sum sees the steps but not the truncation of an l1 penalty, as in scikit-learn.
    """
    cdef double k = m.t - r.average_from + 1
    m.average_c = 0
    if r.average_from <= 0 or k < 1:
        return
    m.average_c = -m.average_a * c
    if k > 1:
        m.average_b /= 1.0 - 1.0 / k
    m.average_a += m.average_b * m.scale / k
    m.average_intercept += (m.intercept - m.average_intercept) / k

cdef inline double step(Model *m, const Recipe *r, double wx, double xx, double y, double weight,
                        double eta) noexcept nogil:
    """Stochastic step on one row; wx is w . x with true weights. Returns the coefficient of x.

    Order of operations as in scikit-learn: loss, update, shrink, add, intercept, average, truncate.
    The caller adds coefficient / scale times x to the unscaled weights, after `refresh` if `faded`.
    """
    cdef double p = wx + m.intercept
    cdef double update, push, factor, share = weight * r.class_weight[y > 0]
    m.skipped = False
    m.faded = False
    if m.tallied == TALLY:
        flush(m, r)
    m.y[m.tallied] = y
    m.p[m.tallied] = p
    m.tallied += 1
    m.penalty_sum += penalty(m, r)
    if r.rule == GRADIENT:
        update = -(eta * share) * clip(loss_gradient(r.loss, y, p, r.parameter))
    else:
        update = share * passive_aggressive(m, r, p, xx, y)
    if m.skipped:
        return 0
    if r.l2 != 0:
        factor = shrink(m, r, eta)
        wx *= factor
    if r.l1 == 0 and update != 0:
        # no pass over the weights is needed for their norm: |w + u x|^2 from numbers at hand
        m.sq += update * (2 * wx + update * xx)
    if r.fit_intercept:
        push = update - r.nu * eta if r.one_class else update
        if push != 0:             # predicted: where it is zero, the next row does not wait for it
            m.intercept += push
    return update

cdef inline double passive_aggressive(Model *m, const Recipe *r, double p, double xx, double y) noexcept nogil:
    """PA-I and PA-II (Crammer et al. 2006): the smallest step that puts the row right, bounded by C."""
    cdef double length = loss_value(r.loss, y, p, r.parameter)
    if r.rule == PA1:
        if xx == 0:
            m.skipped = True
            return 0
        length = min(r.aggressiveness, length / xx)
    else:
        length /= xx + 0.5 / r.aggressiveness
    return -length if loss_gradient(r.loss, y, p, r.parameter) > 0 else length

cdef inline void finish(Model *m, const Recipe *r, double c, double eta) noexcept nogil:
    """What follows the step on the weights: average, penalty of the truncation to come, step count."""
    average_step(m, r, c)
    m.u += r.l1 * eta
    m.t += 1

cdef void settle(Model *m, W *w, idx d) noexcept nogil:
    """Put the scale into the weights; the average goes on."""
    rescale(w, d, m.scale)
    m.average_a /= m.scale
    m.carried *= m.scale
    m.scale = m.inverse = 1

cdef void refresh(Model *m, W *w, W *average, idx d) noexcept nogil:
    """Begin anew with scale one, when it is too small (or zero) to go on with."""
    settle_average(<const W *> w, average, d, m.average_a, m.average_b)
    rescale(w, d, m.scale)
    m.scale = m.inverse = m.carried = 1
    m.average_a = 0
    m.average_b = 1
    m.faded = False
