# One model between two rows: its scalars, the steps ahead of it, and the step that every loop takes.
#
# Steps go by blocks. Rates, scales and weights of a block's steps are known before the first of them
# (`begin_rows`), losses, penalties and norms can wait until after the last one (`end_rows`): both are short
# loops over arrays. What is left for the step itself is the chain from one prediction to the next.

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

cdef struct Model:            # of doubles only: `Descent.numbers` hands it out as such
    double intercept, average_intercept
    double t                   # number of the next step, from 1
    double scale               # true weights = scale * w
    double carried             # what `settle` has put into the weights since they were begun anew
    double sq, l1              # norms of the true weights after the last step, before its truncation
    double u                   # l1 penalty so far
    double average_a, average_b     # lazy average, see `plan_steps`
    double loss_sum, penalty_sum    # over the rows of the epoch so far

cdef enum:
    BLOCK = 64                 # steps, or rows of a batch, that are prepared and accounted for together

cdef struct Steps:
    # The next steps, as far as they are known before the first of them: what does not depend on the
    # data is computed here, many steps at once, so that a step itself waits for little.
    idx n
    bint faded                 # at the first step, the scale has become too small to go on with ...
    double faded_scale         # ... and this is what has to go into the weights (`fade`)
    double eta[BLOCK]          # learning rates
    double factor[BLOCK]       # the l2 penalty's share of a step: a factor on the weights, never below zero
    double scale[BLOCK + 1]    # of the weights before each step, and after the last one
    double inverse[BLOCK]      # 1 / scale after the step: from true steps to those of the unscaled weights
    double u[BLOCK]            # l1 penalty so far, this step's included
    double average_a[BLOCK + 1]
    double average_unit        # average_b per averaged step
    # Stochastic steps: one row each.
    bint skipped               # the rule left the last row out: nothing moved, only its loss counts
    double y[BLOCK]
    double pull[BLOCK]         # what the loss's gradient is multiplied with
    double p[BLOCK]            # predictions
    double xx[BLOCK]           # x . x
    double update[BLOCK]       # coefficients of x in the true weights
    double intercept[BLOCK + 1]

cdef inline double penalty(const Recipe *r, double sq, double l1, double intercept) noexcept nogil:
    cdef double value = 0.5 * r.l2 * max(0.0, sq) + r.l1 * l1   # rounding may leave sq below zero
    if r.rule != GRADIENT:
        return 0
    return value + r.nu * intercept if r.one_class else value

cdef void plan_steps(const Model *m, const Recipe *r, Steps *s, idx n, const double *rates, idx stride) noexcept nogil:
    """Fill what is known of up to n next steps; s.n becomes their number.

    The running average of the weights is (a w + sum of -a_i c_i x_i) / b, with c_i the coefficient of row
    i in the unscaled weights (Bottou 2012, 5.2); it sees the steps but not the truncation of an l1
    penalty, as in scikit-learn.
    """
    cdef idx k
    cdef double a, b, u, number
    n = min(<idx> BLOCK, n)
    s.scale[0] = m.scale
    for k in range(n):
        s.eta[k] = rates[k * stride]
        s.factor[k] = max(0.0, 1.0 - r.l2 * s.eta[k])
        s.scale[k + 1] = s.scale[k] * s.factor[k]
    s.faded = s.scale[1] * m.carried < r.smallest_scale
    if s.faded:
        s.faded_scale = s.scale[1]
        s.scale[1] = 1.0
        for k in range(1, n):
            s.scale[k + 1] = s.scale[k] * s.factor[k]
    # a later step that fades begins a block of its own
    while n > 1 and s.scale[n] * (1.0 if s.faded else m.carried) < r.smallest_scale:
        n -= 1
    s.n = n
    s.skipped = False
    for k in range(n):
        s.inverse[k] = 1.0 / s.scale[k + 1]
    if r.l1 != 0:
        u = m.u
        for k in range(n):
            u += r.l1 * s.eta[k]
            s.u[k] = u
    if r.average_from > 0:
        # b grows by N / (N - 1) with the N-th averaged step, hence in proportion to N
        number = max(0.0, m.t - r.average_from)
        a = 0.0 if s.faded else m.average_a
        b = (1.0 if s.faded else m.average_b) / max(1.0, number)
        s.average_a[0] = a
        for k in range(n):
            if m.t + k >= r.average_from:
                a += b * s.scale[k + 1]
            s.average_a[k + 1] = a
        s.average_unit = b

cdef void end_steps(Model *m, const Recipe *r, const Steps *s, idx n) noexcept nogil:
    """The first n of the steps are done: clock, scale and average go on; norms and losses are the caller's."""
    cdef idx k
    cdef double before, number, total
    if n == 0:                 # the rule left the only row out: a scale that would have faded goes on, too
        return
    m.scale = s.scale[n]
    if r.l1 != 0 and n > 0:
        m.u = s.u[n - 1]
    if r.average_from > 0:
        before, number = max(0.0, m.t - r.average_from), m.t + n - r.average_from
        if number > 0:
            total = before * m.average_intercept
            for k in range(max(<idx> 0, n - <idx> number), n):
                total += s.intercept[k + 1]
            m.average_intercept = total / number
            m.average_a, m.average_b = s.average_a[n], s.average_unit * number
    m.t += n

cdef void begin_rows(const Model *m, const Recipe *r, Steps *s, const W *y, const W *weight, const int32_t *order,
                     idx first, idx n, const double *rates, idx stride) noexcept nogil:
    """Prepare stochastic steps on rows order[first], order[first + 1] ... before order[n]."""
    cdef idx k, i, far
    plan_steps(m, r, s, n - first, rates + first * stride, stride)
    for k in range(s.n):
        i = row(order, first + k, n)
        far = row(order, first + BLOCK + k, n)
        prefetch(y + far)
        if weight != NULL:
            prefetch(weight + far)
        s.y[k] = y[i]
        s.pull[k] = r.class_weight[y[i] > 0]
        if weight != NULL:
            s.pull[k] *= weight[i]
    if r.rule == GRADIENT:
        for k in range(s.n):
            s.pull[k] *= -s.eta[k]

cdef inline double step(Model *m, const Recipe *r, Steps *s, idx k, double p, double xx) noexcept nogil:
    """Stochastic step on a row with prediction p. Returns the row's coefficient in the unscaled weights.

    Order of operations as in scikit-learn: loss, update, shrink, add, intercept, average, truncate. The
    caller adds the row, after `fade` if this is the first step and s.faded, and ends the block if s.skipped.
    """
    cdef double update
    s.xx[k] = xx
    s.p[k] = p
    s.intercept[k] = m.intercept
    if r.rule == GRADIENT:
        update = loss_pull(r.loss, s.pull[k], s.y[k], p, r.parameter)
    else:
        update = s.pull[k] * passive_aggressive(r, p, xx, s.y[k], &s.skipped)
    s.update[k] = update
    if s.skipped:
        s.n = k + 1
        s.faded = False
        return 0
    if r.fit_intercept:
        m.intercept += update - r.nu * s.eta[k]
    return update * s.inverse[k]

cdef inline double passive_aggressive(const Recipe *r, double p, double xx, double y, bint *skipped) noexcept nogil:
    """PA-I and PA-II (Crammer et al. 2006): the smallest step that puts the row right, bounded by C."""
    cdef double length = loss_value(r.loss, y, p, r.parameter)
    if r.rule == PA1:
        if xx == 0:
            skipped[0] = True
            return 0
        length = min(r.aggressiveness, length / xx)
    else:
        length /= xx + 0.5 / r.aggressiveness
    return -length if loss_gradient(r.loss, y, p, r.parameter) > 0 else length

cdef inline void charge(Model *m, const Recipe *r, const Steps *s, idx k) noexcept nogil:
    """Count the penalty before step k and shrink the norms: with l1, whose norms the passes over the weights give."""
    m.penalty_sum += penalty(r, m.sq, m.l1, 0)
    m.sq *= s.factor[k] * s.factor[k]
    m.l1 *= s.factor[k]

cdef void end_rows(Model *m, const Recipe *r, Steps *s) noexcept nogil:
    """The block's rows are done: losses, penalties and norms of all of them."""
    cdef idx k, n = s.n - s.skipped
    cdef double sq = m.sq, total = 0, f, u
    m.loss_sum += loss_sum(r.loss, s.y, s.p, NULL, s.n, r.parameter)
    s.intercept[n] = m.intercept
    if r.l1 == 0:
        # no pass over the weights is needed for their norm: |f w + u x|^2 from numbers at hand
        for k in range(n):
            f, u = s.factor[k], s.update[k]
            total += penalty(r, sq, 0, s.intercept[k])
            sq = f * f * sq + u * (2 * f * (s.p[k] - s.intercept[k]) + u * s.xx[k])
        m.sq = sq
        m.penalty_sum += total
    end_steps(m, r, s, n)

cdef void fade(Model *m, const Steps *s, W *w, W *average, idx d) noexcept nogil:
    """Begin anew with scale one, when it is too small (or zero) to go on with."""
    settle_average(<const W *> w, average, d, m.average_a, m.average_b)
    rescale(w, d, s.faded_scale)
    m.carried = 1

cdef void settle(Model *m, W *w, idx d) noexcept nogil:
    """Put the scale into the weights; the average goes on."""
    rescale(w, d, m.scale)
    m.average_a /= m.scale
    m.carried *= m.scale
    m.scale = 1
