# Optimizers other than plain SGD: the gradient of a batch, then one pass over weights and slots.
#
# `Updates` is a rule (optimizers.h) and its state; the state is in NumPy arrays that Python keeps, so that
# a model goes on where it stopped. Batches are as in minibatch.pxi, of one row too. The penalty is part of the
# gradient, so that a step moves all weights. On CSR data without a penalty, LAZY rules move only the columns of the
# batch's rows: the others catch up when they are read again, and before the call returns.

cdef enum:
    SPAN = 1024                # fewest steps after which all columns catch up

cdef double CLIP_EPS = 1e-6    # added to the gradient's length, as PyTorch does

cdef struct Lazy:
    # On CSR data: which steps each column has seen. Steps count from the last time all caught up.
    idx span                   # most steps until then
    idx now                    # steps so far
    idx terms                  # of a momentum's sum that count
    int32_t *last              # steps that a column has seen
    int32_t *touched           # the columns of this batch
    idx n_touched
    double *power              # decay rate to the power of 0 ... span
    double *rates              # sum of the learning rates after 0 ... span steps
    double *sums               # `Progress.sum` after as many
    double *each               # the learning rates


cdef class Updates:
    """An update rule and its state for one array of weights.

    Parameters
    ----------
    name : str, of the rule
    parameters : sequence of the numbers first, second, eps, extra, weight_decay, clip_norm, clip_value
    slots : list of writable buffers like the weights
    progress : writable buffer of 6 float64: steps taken, product, sum, and the slots of an intercept
    double_w : bool
    """

    cdef UpdateRule rule
    cdef Buffer slot0, slot1, slot2, state
    cdef bint double_w
    cdef Lazy lazy

    def __cinit__(self):
        memset(&self.lazy, 0, sizeof(Lazy))

    def __init__(self, str name, parameters, list slots, progress, *, bint double_w):
        cdef int k
        for k in range(N_RULES):
            if RULE_TABLE[k].name.decode() == name:
                break
        else:
            raise ValueError(f"The kernels know no update rule {name!r}.")
        self.rule.kind = k
        (self.rule.first, self.rule.second, self.rule.eps, self.rule.extra, self.rule.weight_decay,
         self.rule.clip_norm, self.rule.clip_value) = parameters
        if len(slots) != RULE_TABLE[k].slots:
            raise ValueError(f"The rule {name!r} needs {RULE_TABLE[k].slots} slots.")
        borrowed = [borrow(each, True) for each in slots] + [None] * MAX_SLOTS
        self.slot0, self.slot1, self.slot2 = borrowed[:3]
        self.state = borrow(progress, True)
        if self.state.view.len != sizeof(Progress):
            raise ValueError("The kernels need the progress of a rule in its size.")
        self.double_w = double_w

    def __dealloc__(self):
        free(self.lazy.last)
        free(self.lazy.touched)
        free(self.lazy.power)

    cdef inline Progress *progress(self) noexcept nogil:
        return <Progress *> address(self.state)

    cdef bint hold(self, idx size):
        """Whether all slots have at least so many bytes."""
        cdef bint held = not (fewer(self.slot0, size) or fewer(self.slot1, size) or fewer(self.slot2, size))
        return held

    cdef bint waits(self, const Recipe *r) noexcept nogil:
        """Whether columns that a batch lacks may wait."""
        return RULE_TABLE[self.rule.kind].lazy and r.l1 == 0 and r.l2 == 0 and self.rule.weight_decay == 0

    cdef int make_lazy(self, idx d) except -1:
        """Memory for columns that wait."""
        cdef Lazy *z = &self.lazy
        cdef idx k
        cdef double decay
        if z.last != NULL:
            return 0
        z.span = max(<idx> SPAN, d // 32)
        z.last = <int32_t *> take(d * sizeof(int32_t))
        memset(z.last, 0, d * sizeof(int32_t))
        z.touched = <int32_t *> take(d * sizeof(int32_t))
        z.power = <double *> take(4 * (z.span + 1) * sizeof(double))
        z.rates = z.power + z.span + 1
        z.sums = z.rates + z.span + 1
        z.each = z.sums + z.span + 1
        decay = self.rule.second if self.rule.kind in (RULE_LION, RULE_FREE_ADAM) else self.rule.first
        z.power[0] = 1
        z.terms = 0
        for k in range(z.span):
            z.power[k + 1] = z.power[k] * decay
            if z.power[k + 1] > 1e-18:
                z.terms = k + 1
        return 0

    def step(self, w, gradient, double rate, double factor=1.0, low=None, high=None):
        """A step of the weights w along a gradient times factor, all buffers of one type and size."""
        cdef Py_buffer now, g
        cdef Pace[double] pace
        cdef Buffer bottom = borrow(low)
        cdef Buffer top = borrow(high)
        PyObject_GetBuffer(w, &now, PyBUF_WRITABLE)
        try:
            PyObject_GetBuffer(gradient, &g, PyBUF_SIMPLE)
            try:
                if g.len != now.len or not self.hold(now.len) or fewer(bottom, now.len) or fewer(top, now.len):
                    raise ValueError("The kernels need a gradient and slots in the size of the weights.")
                prepare(self.rule, self.progress(), rate, &pace)
                if self.double_w:
                    free_step(self.rule, pace, factor, <double *> now.buf, <const double *> g.buf,
                              <double *> slot(self, 0), <double *> slot(self, 1), <double *> slot(self, 2),
                              <const double *> address(bottom), <const double *> address(top),
                              now.len // <idx> sizeof(double))
                else:
                    free_step(self.rule, pace, factor, <float *> now.buf, <const float *> g.buf,
                              <float *> slot(self, 0), <float *> slot(self, 1), <float *> slot(self, 2),
                              <const float *> address(bottom), <const float *> address(top),
                              now.len // <idx> sizeof(float))
            finally:
                PyBuffer_Release(&g)
        finally:
            PyBuffer_Release(&now)


cdef inline void *slot(Updates self, int k) noexcept nogil:
    if k == 0:
        return address(self.slot0)
    return address(self.slot1) if k == 1 else address(self.slot2)


def update_rules():
    """The table of rules: (name, slots, how many of them begin as the weights, whether slot 0 is the point)."""
    return [
        (RULE_TABLE[k].name.decode(), RULE_TABLE[k].slots, RULE_TABLE[k].begin, bool(RULE_TABLE[k].two))
        for k in range(N_RULES)
    ]


cdef inline double *point_of_intercept(Updates u, Model *m) noexcept nogil:
    """The intercept of the point where gradients are taken."""
    return &u.progress().slots[0] if RULE_TABLE[u.rule.kind].two else &m.intercept


cdef void step_on_batch(Model *m, const Recipe *r, Updates u, W *w, W *g, idx d, double total, idx batch, double rate,
                        double *answer, bint some) noexcept nogil:
    """The step of weights and intercept, once g has the rows of a batch; some: of the touched columns only.

    m.intercept is the point's, `answer` the one that predicts.
    """
    cdef W *a = <W *> slot(u, 0)
    cdef W *b = <W *> slot(u, 1)
    cdef W *c = <W *> slot(u, 2)
    cdef bint two = RULE_TABLE[u.rule.kind].two
    cdef double pull = r.nu - total / batch if r.fit_intercept else 0
    cdef double factor = 1, length, sq = 0, l1 = 0
    cdef Progress *progress = u.progress()
    cdef Pace[double] pace
    cdef Force[W] force
    cdef idx k
    force.share, force.l2, force.l1 = <W> (-1.0 / batch), <W> r.l2, <W> r.l1
    force.limit = <W> u.rule.clip_value
    if isfinite(u.rule.clip_norm):
        length = pull * pull
        if some:
            for k in range(u.lazy.n_touched):
                length += (<double> g[u.lazy.touched[k]] / batch) ** 2
        else:
            length += squared_force(&force, <const W *> (a if two else w), <const W *> g, d)
        length = length ** 0.5
        factor = min(1.0, u.rule.clip_norm / (length + CLIP_EPS))
    prepare(u.rule, progress, rate, &pace)
    if some:
        some_step(u.rule, pace, force, factor, w, g, a, b, c, u.lazy.touched, u.lazy.n_touched)
    else:
        train_step(u.rule, pace, force, factor, w, g, a, b, c, d, &sq, &l1)
    m.penalty_sum += batch * penalty(r, sq, l1, m.intercept)
    if r.fit_intercept:
        if two:
            progress.slots[0] = m.intercept
            intercept_step(u.rule, pace, factor * pull, answer, progress.slots)
            m.intercept = progress.slots[0]
        else:
            intercept_step(u.rule, pace, factor * pull, &m.intercept, progress.slots)
            answer[0] = m.intercept
    m.t += 1


cdef void dense_updates(Model *m, const Recipe *r, Updates u, const X *x, const Integers *integers, idx d, const W *y,
                        const W *weight, W *w, W *g, const int32_t *order, idx n, idx size, const double *rates,
                        idx stride) noexcept nogil:
    """integers: x is a buffer for a block of rows; g is zero before and after."""
    cdef idx k, first, batch, batches = (n + size - 1) // size
    cdef idx near = min(rows_at_once(d, sizeof(X)), (size + 3) // 4 * 4)
    cdef const W *point = <const W *> (slot(u, 0) if RULE_TABLE[u.rule.kind].two else w)
    cdef double total, answer = m.intercept
    cdef Batch b
    cdef uint64_t before = denormals_off()
    m.intercept = point_of_intercept(u, m)[0]
    for k in range(batches):
        first = k * size
        batch = min(size, n - first)
        total = dense_pulls(m, r, &b, x, integers, d, y, weight, point, g, order, first, batch, n, near, 1.0)
        step_on_batch(m, r, u, w, g, d, total, batch, rates[k * stride], &answer, False)
    m.intercept = answer
    denormals_back(before)


cdef void catch_up(Updates u, W *w, idx j) noexcept nogil:
    """Column j takes the steps that it missed."""
    cdef Lazy *z = &u.lazy
    cdef Missed missed
    cdef idx k, last = z.last[j]
    missed.steps = z.now - last
    if missed.steps == 0:
        return
    missed.power = z.power[missed.steps]
    missed.rates = 0
    if u.rule.kind == RULE_MOMENTUM or u.rule.kind == RULE_NESTEROV:
        for k in range(min(missed.steps, z.terms)):
            missed.rates += z.each[last + k] * z.power[k + 1]
    elif u.rule.kind == RULE_LION:
        missed.rates = z.rates[z.now] - z.rates[last]
    missed.share = z.sums[last] / z.sums[z.now] if z.sums[z.now] > 0 else 0
    late_step(u.rule, missed, w, <W *> slot(u, 0), <W *> slot(u, 1), <W *> slot(u, 2), j)


cdef void all_catch_up(Updates u, W *w, idx d) noexcept nogil:
    cdef Lazy *z = &u.lazy
    cdef idx j
    for j in range(d):
        catch_up(u, w, j)
        z.last[j] = 0
    z.now = 0
    z.rates[0] = 0
    z.sums[0] = u.progress().sum


cdef void csr_updates(Model *m, const Recipe *r, Updates u, const X *x, const I *indptr, const I *col, const W *y,
                      const W *weight, W *w, W *g, W *z, idx d, const int32_t *order, idx n, idx size,
                      const double *rates, idx stride) noexcept nogil:
    """g is zero before and after; z has room for the longest row."""
    cdef idx i, j, k, e, first, batch, at, part, count, begin, nnz, far, batches = (n + size - 1) // size
    cdef bint some = u.waits(r)
    cdef W *point = <W *> (slot(u, 0) if RULE_TABLE[u.rule.kind].two else w)
    cdef Lazy *lazy = &u.lazy
    cdef double total, answer = m.intercept
    cdef Batch b
    cdef uint64_t before = denormals_off()
    m.intercept = point_of_intercept(u, m)[0]
    if some:
        lazy.now = 0
        lazy.rates[0] = 0
        lazy.sums[0] = u.progress().sum
    for k in range(batches):
        first = k * size
        batch = min(size, n - first)
        total = 0
        if some:
            if lazy.now == lazy.span:
                all_catch_up(u, w, d)
            lazy.n_touched = 0
            lazy.each[lazy.now] = rates[k * stride]
            lazy.rates[lazy.now + 1] = lazy.rates[lazy.now] + rates[k * stride]
        for part in range((batch + BLOCK - 1) // BLOCK):
            at = first + part * BLOCK
            count = min(<idx> BLOCK, first + batch - at)
            gather_targets(&b, r, y, weight, order, at, count, n)
            for j in range(count):
                i = row(order, at + j, n)
                begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
                far = row(order, at + j + AHEAD, n)
                prefetch_row(x + indptr[far], col + indptr[far], indptr[far + 1] - indptr[far])
                if some:
                    for e in range(begin, begin + nnz):
                        if lazy.last[col[e]] <= lazy.now:
                            catch_up(u, w, col[e])
                            lazy.last[col[e]] = <int32_t> (lazy.now + 1)
                            lazy.touched[lazy.n_touched] = <int32_t> col[e]
                            lazy.n_touched += 1
                csr_dot(x + begin, col + begin, nnz, <const W *> point, z, &b.p[j], &b.xx[j])
            total += pulls(m, r, &b, count, 1.0)
            for j in range(count):
                i = row(order, at + j, n)
                begin, nnz = indptr[i], indptr[i + 1] - indptr[i]
                if b.c[j] != 0:
                    csr_axpy(x + begin, col + begin, nnz, b.c[j], g)
        step_on_batch(m, r, u, w, g, d, total, batch, rates[k * stride], &answer, some)
        if some:
            lazy.now += 1
            lazy.sums[lazy.now] = u.progress().sum
    if some:
        all_catch_up(u, w, d)
    m.intercept = answer
    denormals_back(before)


def largest(gradient, x=None, low=None, high=None):
    """The largest size of an entry, infinite or NaN if one is; float64 with bounds: of those that lead inside."""
    cdef Buffer g = borrow(gradient)
    cdef Buffer here = borrow(x)
    cdef Buffer bottom = borrow(low)
    cdef Buffer top = borrow(high)
    cdef const double *v = <const double *> g.view.buf
    cdef idx j, n = g.view.len // g.view.itemsize
    cdef double most = 0, size
    if g.view.itemsize == sizeof(float):
        return largest_of(<const float *> g.view.buf, n)
    if bottom is None:
        return largest_of(v, n)
    if fewer(here, g.view.len) or fewer(bottom, g.view.len) or fewer(top, g.view.len):
        raise ValueError("The kernels need bounds for every number.")
    for j in range(n):
        size = fabs(v[j])
        if (<double *> here.view.buf)[j] <= (<double *> bottom.view.buf)[j] and v[j] > 0:
            size = 0
        if (<double *> here.view.buf)[j] >= (<double *> top.view.buf)[j] and v[j] < 0:
            size = 0
        if not size <= most:
            most = size
            if size != size:
                break
    return most


cdef double largest_of(const W *v, idx n) noexcept nogil:
    cdef idx j
    cdef double most = 0, size
    for j in range(n):
        size = fabs(v[j])
        if not size <= most:
            most = size
            if size != size:       # NaN: nothing is larger
                break
    return most
