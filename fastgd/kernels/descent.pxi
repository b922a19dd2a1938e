# A model in training: what Python holds between two segments.

cdef enum:
    PADDING = 16               # elements; buffers are read and written in whole vectors
    NOTES = 4096               # steps of an l1 penalty on CSR, at least, that notes are taken of
    SHORT_ROW = 512            # bytes up to which the pipelined loop is the faster one

cdef bint fewer(Buffer buffer, idx size):
    """Whether there is a buffer and it has fewer bytes."""
    return buffer is not None and buffer.view.len < size


cdef class Descent:
    """State of one model and the loops over it.

    Weights are padded with zeros to a multiple of 16 elements (`passes.h`); between two calls they are
    the true weights (scale applied, l1 penalty up to date). The average stays lazy, see `lazy_average`.

    Parameters
    ----------
    rows : Rows
    y : buffer of n values of the weights' type; {-1, +1} in classification
    weight : buffer of n values of the weights' type, or None
    w : writable buffer of the padded weights, float32 or (`double_w`) float64
    previous : writable buffer like w: the weights at the end of the last epoch
    q, last : writable buffers like w for an l1 penalty (`last`: elastic net on CSR), or None
    average : writable buffer like w, or None
    updates : Updates, or None for plain SGD
    double_w : bool
    recipe : dict with the members of the struct Recipe
    """

    cdef Rows rows
    cdef Buffer y, weight, w, previous, q, last, average
    cdef Updates updates
    cdef bint double_w
    cdef Recipe recipe
    cdef Model model
    cdef void *z               # weights and penalties of one CSR row
    cdef void *s
    cdef void *g               # gradient of a batch
    cdef double *pulls         # of the rows of a CSR batch
    cdef idx pulls_size
    cdef Truncation truncation # of an l1 penalty on CSR
    cdef void *block           # converted integer rows, their targets and weights
    cdef void *block_y
    cdef void *block_weight

    def __cinit__(self):
        self.z = self.s = self.g = self.block = self.block_y = self.block_weight = NULL
        self.pulls = NULL
        self.pulls_size = 0
        memset(&self.truncation, 0, sizeof(Truncation))

    def __init__(self, Rows rows, y, weight, w, previous, q=None, last=None, average=None, Updates updates=None, *,
                 bint double_w, dict recipe):
        cdef idx size = 8 if double_w else 4
        cdef idx padded
        cdef Norms now
        self.rows = rows
        self.y = borrow(y)
        self.weight = borrow(weight)
        self.w = borrow(w, True)
        self.previous = borrow(previous, True)
        self.q = borrow(q, True)
        self.last = borrow(last, True)
        self.average = borrow(average, True)
        self.updates = updates
        self.double_w = double_w
        self.recipe.loss = recipe["loss"]
        self.recipe.parameter = recipe["parameter"]
        self.recipe.rule = recipe["rule"]
        self.recipe.l1 = recipe["l1"]
        self.recipe.l2 = recipe["l2"]
        self.recipe.class_weight[0], self.recipe.class_weight[1] = recipe["class_weight"]
        self.recipe.one_class = recipe["one_class"]
        self.recipe.nu = recipe["nu"]
        self.recipe.fit_intercept = recipe["fit_intercept"]
        self.recipe.average_from = recipe["average_from"]
        self.recipe.aggressiveness = recipe["aggressiveness"]
        self.recipe.smallest_scale = 1e-9 if double_w else 1e-6
        padded = self.w.view.len
        if padded < rows.d * size or padded % (PADDING * size):
            raise ValueError("The kernels need weights padded to a multiple of 16 elements.")
        if fewer(self.y, rows.n * size) or fewer(self.weight, rows.n * size):
            raise ValueError("The kernels need a target and a weight for every row.")
        if fewer(self.previous, padded) or fewer(self.q, padded) or fewer(self.last, padded) \
                or fewer(self.average, padded):
            raise ValueError("The kernels need all buffers of the weights in their size.")
        if updates is not None and not (updates.hold(padded) and updates.double_w == double_w):
            raise ValueError("The kernels need the slots of an update rule in the type and size of the weights.")
        self.model.intercept = self.model.average_intercept = 0
        self.model.t = 1
        self.model.u = 0
        self.model.scale = self.model.carried = self.model.average_b = 1
        self.model.average_a = 0
        self.forget()
        now = self.measure()
        self.model.sq, self.model.l1 = now.sq, now.l1
        memcpy(address(self.previous), address(self.w), padded)
        if rows.sparse:
            self.z = take((rows.longest + PADDING) * size)
            self.s = take((rows.longest + PADDING) * size)
            if q is not None:
                self.truncation.room = min(rows.n, max(<idx> NOTES, rows.d // 4))
                self.truncation.taken = <Taken *> take((self.truncation.room + 1) * sizeof(Taken))
                self.truncation.charged = <Charged *> take((self.truncation.room + 1) * sizeof(Charged))
        elif rows.convert != NULL:
            self.block = take(BLOCK * rows.d * (4 if rows.float32 else 8))
            self.block_y = take(BLOCK * size)
            self.block_weight = take(BLOCK * size)

    def __dealloc__(self):
        free(self.z)
        free(self.s)
        free(self.g)
        free(self.pulls)
        free(self.truncation.taken)
        free(self.truncation.charged)
        free(self.block)
        free(self.block_y)
        free(self.block_weight)

    @property
    def intercept(self):
        return self.model.intercept

    @intercept.setter
    def intercept(self, double value):
        self.model.intercept = value

    @property
    def average_intercept(self):
        return self.model.average_intercept

    @average_intercept.setter
    def average_intercept(self, double value):
        self.model.average_intercept = value

    @property
    def lazy_average(self):
        """(a, b): the average is (buffer `average` + a w) / b."""
        return self.model.average_a, self.model.average_b

    @property
    def carried_scale(self):
        """Product of the l2 penalty's factors since the weights were begun anew."""
        return self.model.carried

    @property
    def t(self):
        """Number of the next step, from 1."""
        return self.model.t

    @t.setter
    def t(self, double value):
        self.model.t = value

    @property
    def numbers(self):
        """All scalars of the model, for one that goes on from here with copies of the buffers."""
        return [(<double *> &self.model)[k] for k in range(sizeof(Model) // sizeof(double))]

    @numbers.setter
    def numbers(self, list values):
        if len(values) != sizeof(Model) // sizeof(double):
            raise ValueError("The kernels need all scalars of a model, as they gave them.")
        for k in range(len(values)):
            (<double *> &self.model)[k] = values[k]

    @property
    def loss_sum(self):
        """Sum of the losses of the epoch's rows so far."""
        return self.model.loss_sum

    cdef void forget(self) noexcept nogil:
        self.model.loss_sum = self.model.penalty_sum = 0

    cdef Norms measure(self) noexcept nogil:
        if self.double_w:
            return norms(<const double *> address(self.w), <const double *> address(self.previous), self.rows.d)
        return norms(<const float *> address(self.w), <const float *> address(self.previous), self.rows.d)

    def run(self, Order order, idx start, idx stop, const double[::1] rates, idx batch):
        """Train on the epoch's rows start to stop, one step per `batch` rows.

        rates holds the learning rate of each step, or one for all of them.
        """
        cdef const int32_t *chosen = order.rows()
        cdef idx stride = 0 if rates.shape[0] == 1 else 1
        cdef idx need = (stop - start + batch - 1) // batch
        if stop <= start:
            return
        if start < 0 or stop > order.count or order.most > self.rows.n or (stride and rates.shape[0] < need):
            raise ValueError("The segment reaches beyond its rows or learning rates.")
        if chosen != NULL:
            chosen += start
        if batch > 1 and self.rows.sparse and self.pulls_size < min(batch, stop - start):
            free(self.pulls)
            self.pulls = <double *> take(min(batch, stop - start) * sizeof(double))
            self.pulls_size = min(batch, stop - start)
        if (self.updates is not None or (batch > 1 and not self.rows.sparse)) and self.g == NULL:
            self.g = take(self.w.view.len)
            memset(self.g, 0, self.w.view.len)
        if self.updates is not None and self.rows.sparse and self.updates.waits(&self.recipe):
            self.updates.make_lazy(self.rows.d)
        with nogil:
            if self.rows.float32 and self.double_w:
                segment[float, double](self, NULL, NULL, chosen, start, stop - start, &rates[0], stride, batch)
            elif self.rows.float32:
                segment[float, float](self, NULL, NULL, chosen, start, stop - start, &rates[0], stride, batch)
            elif self.double_w:
                segment[double, double](self, NULL, NULL, chosen, start, stop - start, &rates[0], stride, batch)
            else:
                segment[double, float](self, NULL, NULL, chosen, start, stop - start, &rates[0], stride, batch)

    def end_epoch(self):
        """Report of the epoch: (sum of losses, sum of penalties, distance moved, all finite)."""
        cdef Model *m = &self.model
        cdef Norms now
        cdef double moved
        with nogil:
            now = self.measure()
            moved = now.moved ** 0.5
            memcpy(address(self.previous), address(self.w), self.w.view.len)
            if self.recipe.l1 == 0:  # else they are as of the last step, before its truncation
                m.sq, m.l1 = now.sq, now.l1
        report = (m.loss_sum, m.penalty_sum, moved, bool(isfinite(m.intercept) and isfinite(now.l1)))
        self.forget()
        return report


cdef inline W *average_of(Descent self, const W *w, idx steps) noexcept nogil:
    """The running average; NULL while none of the next steps counts, so that they go as without it."""
    return <W *> address(self.average) if self.model.t + steps > self.recipe.average_from else NULL


cdef void segment(Descent self, const X *x, W *w, const int32_t *order, idx first, idx n, const double *rates,
                  idx stride, idx batch) noexcept nogil:
    """Rows order[0:n], or first to first + n, by the loop for this data; then settle. x and w tell types."""
    cdef Model *m = &self.model
    cdef const Recipe *r = &self.recipe
    cdef idx d = self.rows.d, shift = 0 if order != NULL else first
    cdef const W *y = <const W *> address(self.y) + shift
    cdef const W *weight = <const W *> address(self.weight)
    cdef W *q = <W *> address(self.q)
    cdef W *average = average_of(self, w, (n + batch - 1) // batch)
    cdef Integers integers
    if weight != NULL:
        weight += shift
    w = <W *> address(self.w)
    if self.rows.sparse:
        if self.rows.wide:
            csr_segment[X, W, int64_t](self, <const X *> NULL, y, weight, w, <const int64_t *> NULL, shift, order, n, rates, stride, batch)
        else:
            csr_segment[X, W, int32_t](self, <const X *> NULL, y, weight, w, <const int32_t *> NULL, shift, order, n, rates, stride, batch)
    elif batch > 1 or self.updates is not None:
        integers.data = address(self.rows.data)
        integers.convert = self.rows.convert
        if integers.convert != NULL:
            integers.data = <const char *> integers.data + shift * d * self.rows.itemsize
            x = <const X *> self.block
        else:
            x = <const X *> integers.data + shift * d
        if self.updates is not None:
            dense_updates(m, r, self.updates, x, &integers if integers.convert != NULL else NULL, d, y, weight, w,
                          <W *> self.g, order, n, batch, rates, stride)
        elif integers.convert != NULL:
            dense_batches(m, r, x, &integers, d, y, weight, w, q, average, <W *> self.g, order,
                          n, batch, rates, stride)
        else:
            dense_batches(m, r, x, NULL, d, y, weight, w, q, average,
                          <W *> self.g, order, n, batch, rates, stride)
    elif self.rows.convert != NULL:
        integer_segment(self, x, y, weight, w, shift, order, n, rates, stride)
    else:
        dense_segment(self, <const X *> address(self.rows.data) + shift * d, y, weight, w, order, n, rates, stride)
    settle(m, w, d)


cdef void dense_segment(Descent self, const X *x, const W *y, const W *weight, W *w, const int32_t *order, idx n,
                        const double *rates, idx stride) noexcept nogil:
    cdef W *q = <W *> address(self.q)
    cdef W *average = average_of(self, w, n)
    cdef const Recipe *r = &self.recipe
    if q == NULL and r.rule == GRADIENT and not r.one_class and self.rows.d * sizeof(X) <= SHORT_ROW:
        pipelined(&self.model, r, x, self.rows.d, y, weight, w, average, order, n, rates, stride)
    else:
        fused_rows(&self.model, r, x, self.rows.d, y, weight, w, q, average, order, n, rates, stride)


cdef void integer_segment(Descent self, const X *x, const W *y, const W *weight, W *w, idx shift,
                          const int32_t *order, idx n, const double *rates, idx stride) noexcept nogil:
    """A block of rows at a time, converted and gathered in the order of the epoch."""
    cdef X *block = <X *> self.block
    cdef W *block_y = <W *> self.block_y
    cdef W *block_weight = NULL
    cdef idx d = self.rows.d, b, first, k, i, count
    if weight != NULL:
        block_weight = <W *> self.block_weight
    for b in range((n + BLOCK - 1) // BLOCK):
        first = b * BLOCK
        count = min(<idx> BLOCK, n - first)
        for k in range(count):
            i = row(order, first + k, n)
            self.rows.convert(address(self.rows.data), d, shift + i, block + k * d)
            block_y[k] = y[i]
            if weight != NULL:
                block_weight[k] = weight[i]
        dense_segment(self, <const X *> block, <const W *> block_y, <const W *> block_weight, w, NULL, count,
                      rates + first * stride, stride)


cdef void csr_segment(Descent self, const X *x, const W *y, const W *weight, W *w, const I *col, idx shift,
                      const int32_t *order, idx n, const double *rates, idx stride, idx batch) noexcept nogil:
    cdef Model *m = &self.model
    cdef const Recipe *r = &self.recipe
    cdef idx d = self.rows.d
    cdef const I *indptr = <const I *> address(self.rows.indptr) + shift
    cdef W *q = <W *> address(self.q)
    cdef W *last = <W *> address(self.last)
    cdef W *average = average_of(self, w, (n + batch - 1) // batch)
    cdef W *z = <W *> self.z
    cdef W *s = <W *> self.s
    x = <const X *> address(self.rows.data)
    col = <const I *> address(self.rows.indices)
    if self.updates is not None:
        csr_updates(m, r, self.updates, x, indptr, col, y, weight, w, <W *> self.g, z, d, order, n, batch, rates, stride)
    elif q == NULL and batch == 1:
        csr_rows(m, r, x, indptr, col, y, weight, w, average, z, d, order, n, rates, stride)
    elif q == NULL:
        csr_batches(m, r, x, indptr, col, y, weight, w, average, z, self.pulls, d, order, n, batch, rates, stride)
    elif batch == 1:
        csr_rows_l1(m, r, x, indptr, col, y, weight, w, q, last, average, z, s, &self.truncation, d, order, n, rates,
                    stride)
    else:
        csr_batches_l1(m, r, x, indptr, col, y, weight, w, q, last, average, z, s, self.pulls, &self.truncation, d,
                       order, n, batch, rates, stride)
