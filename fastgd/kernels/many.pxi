# Many models in one pass over X: one loss, gradient steps, l2 penalty or none.
#
# `Band` is what `Descent` is for one model. Weights are d x width (many.h); all other numbers of the models live
# in one array, a row per field, which Python reads and writes between calls. The models visit the same
# rows in the same order, each with its own target, class weights, penalty and learning rates.

cdef extern from "many.h" namespace "fastgd" nogil:
    int ROWS_AT_ONCE, FADED, STEPPED

    cdef struct Models:
        idx width, stride
        idx classes
        int loss, fit_intercept
        double smallest
        double *parameter
        double *l2
        double *positive
        double *negative
        double *target
        double *intercept
        double *scale
        double *carried
        double *sq
        double *loss_sum
        double *product
        double *penalty_sum
        double *eta
        double *y
        double *weight
        double *fold

    void many_gram[T, V](const T *const *x, const T *const *ahead, const V *w, idx d, double *g)
    void many_prefetch[T](const T *x, idx d)
    idx many_compress[T](const T *x, const T *ahead, idx d, T *values, int32_t *columns)
    void many_dot[T, V](const T *const *x, const V *w, idx d, idx width, V *p)
    void many_axpy[T, V](const T *const *x, const V *u, idx d, idx width, V *w)
    void many_prefetch_weights[V, J](const V *w, const J *col, idx nnz, idx stride)
    void many_csr_dot[T, V, J](const T *x, const J *col, idx nnz, const V *w, idx stride, V *p)
    void many_csr_axpy[T, V, J](const T *x, const J *col, idx nnz, const V *u, V *w, idx stride)
    void many_csr_add[T, V, J](const Models *s, const T *x, const J *col, idx nnz, const V *u, const double *c, V *w,
                               double *growth)
    double squares[T](const T *x, idx n)
    void many_labels(const Models *s, double code, double weight)
    int many_step[V](const Models *s, V *p, V *u, const double *g, int r, double xx, idx code, double weight)
    void many_pull[V](const Models *s, const V *p, V *u, double *total, idx code, double weight)
    bint many_batch(const Models *s, double *total, double rows, double *c)
    void many_flush(const Models *s)
    void many_add[V](const Models *s, V *w, V *g, idx d, const double *c)
    void many_fold[V](const Models *s, V *w, idx d, V *block, int rows)
    void many_settle[V](const Models *s, V *w, V *previous, idx d, double *size, double *moved)

MODEL_FIELDS = ("parameter", "l2", "positive", "negative", "target", "intercept", "scale", "carried", "sq",
                "loss_sum", "product", "penalty_sum", "eta", "y", "weight", "fold", "size", "moved")

cdef enum:
    N_FIELDS = 18
    SIZE = 16                  # l1 norm of weights and intercept: finite if all of them are
    MOVED = 17                 # squared distance of the weights to those at the end of the last epoch
    FLUSH = 512                # rows after which products of losses are turned into sums

cdef struct Pass:
    # What one call of `Band.run` goes through.
    idx first                  # row 0 of the pass, where there is no order
    const int32_t *order
    idx n
    idx batch
    const double *rates        # learning rates of each distinct schedule
    idx steps                  # how many of them each has; 1: the same for all steps
    const int32_t *schedule    # of each model

cdef inline idx pass_row(const Pass *a, idx k) noexcept nogil:
    """Row k of the pass, or the last one where k runs over."""
    if k >= a.n:
        k = a.n - 1
    return a.first + k if a.order == NULL else a.order[k]

cdef inline void pass_rates(const Models *s, const Pass *a, idx step) noexcept nogil:
    cdef idx m
    if a.steps == 1:
        if step > 0:
            return             # they are there from the first step
        step = 0
    for m in range(s.width):
        s.eta[m] = a.rates[a.schedule[m] * a.steps + step]


cdef class Band:
    """Many models in training, and the loops over them.

    Parameters
    ----------
    rows : Rows
    y : buffer of n int32 label codes (`labels`), or of (n, targets) values of the weights' type
    weight : buffer of n values of the weights' type, or None
    w, previous : writable buffers of (d, width) weights, of now and of the end of the last epoch
    numbers : writable float64 array of shape (len(MODEL_FIELDS), width)
    double_w : bool
    loss : int
    labels : bool
    fit_intercept : bool
    classes : int
        Softmax over so many neighbouring lanes; 1: every lane is a model.
    zeros : bool
        Whether dense rows have so many zeros that it pays to pass over them.
    """

    cdef Rows rows
    cdef Buffer y, weight, w, previous
    cdef double[:, ::1] numbers
    cdef Models models
    cdef bint double_w, labels
    cdef idx targets
    cdef void *p               # x W of a few rows
    cdef void *u               # their steps; of a CSR batch: of all its rows
    cdef idx u_rows
    cdef void *g               # gradient of a batch
    cdef void *block           # converted integer rows
    cdef void *values          # of a dense row, those that are not zero ...
    cdef int32_t *columns      # ... and where they are; NULL where X has few zeros
    cdef double *total         # sums over a batch
    cdef double *c             # factors of a batch's step

    def __cinit__(self):
        self.p = self.u = self.g = self.block = self.values = NULL
        self.total = NULL
        self.columns = NULL

    def __init__(self, Rows rows, y, weight, w, previous, double[:, ::1] numbers, *, bint double_w, int loss,
                 bint labels, bint fit_intercept, idx classes=1, bint zeros=False, idx stride=0):
        cdef idx size = 8 if double_w else 4
        cdef idx width = numbers.shape[1]
        cdef double *field = &numbers[0, 0]
        cdef Models *s = &self.models
        self.rows, self.numbers, self.double_w, self.labels = rows, numbers, double_w, labels
        self.y, self.weight = borrow(y), borrow(weight)
        self.w, self.previous = borrow(w, True), borrow(previous, True)
        stride = stride or width
        self.targets = 1 if labels else self.y.view.len // (max(<idx> 1, rows.n) * size)
        if numbers.shape[0] != N_FIELDS or width * size % 32:
            raise ValueError("The kernels need all fields of the models, padded to whole vectors.")
        if stride != width and not (stride in (1, 2, 4) and stride * size < 32 and (rows.sparse or zeros)):
            raise ValueError("The kernels need weights in whole vectors, or a few of scattered rows.")
        if fewer(self.w, rows.d * stride * size) or fewer(self.previous, rows.d * stride * size):
            raise ValueError("The kernels need d x stride weights.")
        if fewer(self.y, rows.n * (4 if labels else size)) or fewer(self.weight, rows.n * size):
            raise ValueError("The kernels need a target and a weight for every row.")
        if classes > 1 and not (labels and classes <= width):
            raise ValueError("The kernels need labels, and a lane for every class.")
        if not labels:
            for value in numbers[4]:
                if not 0 <= value < self.targets:
                    raise ValueError("The kernels need the targets of every model.")
        s.width, s.loss, s.fit_intercept, s.smallest = width, loss, fit_intercept, 1e-9 if double_w else 1e-6
        s.classes, s.stride = classes, stride
        s.parameter, s.l2, s.positive, s.negative = field, field + width, field + 2 * width, field + 3 * width
        s.target, s.intercept, s.scale = field + 4 * width, field + 5 * width, field + 6 * width
        s.carried, s.sq, s.loss_sum = field + 7 * width, field + 8 * width, field + 9 * width
        s.product, s.penalty_sum, s.eta = field + 10 * width, field + 11 * width, field + 12 * width
        s.y, s.weight, s.fold = field + 13 * width, field + 14 * width, field + 15 * width
        self.p = take(ROWS_AT_ONCE * width * size)
        self.u_rows = ROWS_AT_ONCE
        self.u = take(self.u_rows * width * size)
        self.total = <double *> take(2 * width * sizeof(double))
        self.c = self.total + width
        memset(self.total, 0, width * sizeof(double))
        if rows.convert != NULL:
            self.block = take(ROWS_AT_ONCE * rows.d * (4 if rows.float32 else 8))
        if zeros and not rows.sparse:
            self.values = take((rows.d + PADDING) * (4 if rows.float32 else 8))
            self.columns = <int32_t *> take((rows.d + PADDING) * sizeof(int32_t))
        self.end_epoch()

    def __dealloc__(self):
        free(self.p)
        free(self.u)
        free(self.g)
        free(self.block)
        free(self.values)
        free(self.columns)
        free(self.total)

    def run(self, Order order, idx start, idx stop, const double[:, ::1] rates, const int32_t[::1] schedule, idx batch):
        """Train on the epoch's rows start to stop, one step per `batch` rows.

        rates holds, for each distinct schedule, the learning rate of each step, or one for all of them;
        schedule[m] is the schedule of model m.
        """
        cdef Pass a
        cdef idx size = 8 if self.double_w else 4
        cdef idx k, width = self.models.width
        if stop <= start:
            return
        a.first, a.order, a.n, a.batch = start, order.rows(), stop - start, batch
        a.rates, a.steps, a.schedule = &rates[0, 0], rates.shape[1], &schedule[0]
        if start < 0 or stop > order.count or order.most > self.rows.n \
                or (a.steps > 1 and a.steps < (a.n + batch - 1) // batch):
            raise ValueError("The segment reaches beyond its rows or learning rates.")
        if schedule.shape[0] != width:
            raise ValueError("The kernels need a schedule for every model.")
        for k in range(width):
            if not 0 <= schedule[k] < rates.shape[0]:
                raise ValueError("The kernels need the rates of every schedule.")
        if a.order != NULL:
            a.order += start
        if batch > 1 and self.dense_gradient(batch):
            if self.g == NULL:
                self.g = take(self.w.view.len)
                memset(self.g, 0, self.w.view.len)
        elif batch > self.u_rows:
            free(self.u)
            self.u, self.u_rows = NULL, 0
            self.u = take(batch * width * size)
            self.u_rows = batch
        with nogil:
            if self.rows.float32 and self.double_w:
                band_pass[float, double](self, NULL, NULL, &a)
            elif self.rows.float32:
                band_pass[float, float](self, NULL, NULL, &a)
            elif self.double_w:
                band_pass[double, double](self, NULL, NULL, &a)
            else:
                band_pass[double, float](self, NULL, NULL, &a)
            many_flush(&self.models)

    cdef bint dense_gradient(self, idx batch) noexcept nogil:
        """Whether the gradient of a batch gathers in an array of its own, like that of the weights."""
        return not self.rows.sparse or batch * self.rows.stored > self.rows.n * self.rows.d

    def end_epoch(self):
        """Put the scales into the weights and fill the fields sq, size and moved."""
        cdef double *size = &self.numbers[SIZE, 0]
        cdef double *moved = &self.numbers[MOVED, 0]
        cdef void *w = address(self.w)
        cdef void *previous = address(self.previous)
        with nogil:
            if self.double_w:
                many_settle(&self.models, <double *> w, <double *> previous, self.rows.d, size, moved)
            else:
                many_settle(&self.models, <float *> w, <float *> previous, self.rows.d, size, moved)


cdef void band_pass(Band self, const X *x, W *w, const Pass *a) noexcept nogil:
    """The rows of a pass by the loop for this data; x and w tell types."""
    w = <W *> address(self.w)
    if self.rows.sparse and self.rows.wide:
        band_scattered[X, W, int64_t](self, <const X *> NULL, w, <const int64_t *> NULL, a)
    elif self.rows.sparse or self.columns != NULL:
        band_scattered[X, W, int32_t](self, <const X *> NULL, w, <const int32_t *> NULL, a)
    elif a.batch == 1:
        band_rows(self, <const X *> NULL, w, a)
    else:
        band_batches(self, <const X *> NULL, w, a)


cdef inline double band_weight(Band self, const W *w, idx i) noexcept nogil:
    """Weight of row i; w tells the type."""
    cdef const W *weights = <const W *> address(self.weight)
    return 1 if weights == NULL else weights[i]


cdef inline idx band_code(Band self, idx i) noexcept nogil:
    """Label code of row i."""
    return (<const int32_t *> address(self.y))[i] if self.labels else 0


cdef inline void band_targets(Band self, const W *w, idx i) noexcept nogil:
    """Targets and weights of row i for all models; w tells the type. Softmax makes its own."""
    cdef const Models *s = &self.models
    cdef const W *y = <const W *> address(self.y)
    cdef double weight = band_weight(self, w, i)
    cdef idx m
    if s.classes > 1:
        return
    if self.labels:
        many_labels(s, band_code(self, i), weight)
        return
    for m in range(s.width):
        s.y[m] = y[i * self.targets + <idx> s.target[m]]
        s.weight[m] = weight * s.positive[m]


cdef inline void band_block(Band self, const X **x, const X **ahead, const Pass *a, idx k, int count) noexcept nogil:
    """Rows k ... k + count of a pass, filled up with the last one, and the block after them."""
    cdef const X *data = <const X *> address(self.rows.data)
    cdef idx d = self.rows.d
    cdef int r
    for r in range(ROWS_AT_ONCE):
        if self.rows.convert == NULL:
            x[r] = data + pass_row(a, k + min(r, count - 1)) * d
            ahead[r] = data + pass_row(a, k + ROWS_AT_ONCE + r) * d
        else:
            x[r] = ahead[r] = <const X *> self.block + min(r, count - 1) * d
            if r < count:
                self.rows.convert(<const void *> data, d, pass_row(a, k + r), <void *> x[r])


cdef void band_rows(Band self, const X *x, W *w, const Pass *a) noexcept nogil:
    """batch_size=1, dense: blocks of rows, exact. x tells the type."""
    cdef const Models *s = &self.models
    cdef idx d = self.rows.d, width = s.width, k, i
    cdef const X *rows[4]
    cdef const X *ahead[4]
    cdef double g[16]
    cdef W *p = <W *> self.p
    cdef W *u = <W *> self.u
    cdef int r, count, outcome, stepped
    for k in range(0, a.n, 4):
        count = <int> min(<idx> 4, a.n - k)
        band_block(self, rows, ahead, a, k, count)
        many_gram(<const X **> rows, <const X **> ahead, <const W *> w, d, g)
        many_dot(<const X **> rows, <const W *> w, d, width, p)
        if count < 4:
            memset(u, 0, 4 * width * sizeof(W))
        stepped = 0
        for r in range(count):
            i = pass_row(a, k + r)
            pass_rates(s, a, k + r)
            band_targets(self, <const W *> w, i)
            outcome = many_step(s, p + r * width, u, g + 4 * r, r, g[5 * r], band_code(self, i),
                                band_weight(self, <const W *> w, i))
            stepped |= outcome & STEPPED
            if outcome & FADED:
                # the weights see this row's step after the block, but not its neighbours' old scale
                many_fold(s, w, d, u, r)
                many_fold(s, w, 0, p + (r + 1) * width, 3 - r)
        if stepped:
            many_axpy(<const X **> rows, <const W *> u, d, width, w)
        if k % FLUSH == 0:
            many_flush(s)


cdef void band_batches(Band self, const X *x, W *w, const Pass *a) noexcept nogil:
    """Dense batches. x tells the type."""
    cdef const Models *s = &self.models
    cdef idx d = self.rows.d, width = s.width, b, first, batch, k, i
    cdef const X *rows[4]
    cdef const X *ahead[4]
    cdef W *p = <W *> self.p
    cdef W *u = <W *> self.u
    cdef W *gradient = <W *> self.g
    cdef int r, count
    for b in range((a.n + a.batch - 1) // a.batch):
        first = b * a.batch
        batch = min(a.batch, a.n - first)
        for k in range(first, first + batch, 4):
            count = <int> min(<idx> 4, first + batch - k)
            band_block(self, rows, ahead, a, k, count)
            for r in range(4):
                many_prefetch(ahead[r], d)
            many_dot(<const X **> rows, <const W *> w, d, width, p)
            if count < 4:
                memset(u, 0, 4 * width * sizeof(W))
            for r in range(count):
                i = pass_row(a, k + r)
                band_targets(self, <const W *> w, i)
                many_pull(s, <const W *> (p + r * width), u + r * width, self.total, band_code(self, i),
                          band_weight(self, <const W *> w, i))
            many_axpy(<const X **> rows, <const W *> u, d, width, gradient)
        pass_rates(s, a, b)
        if many_batch(s, self.total, batch, self.c):
            many_fold(s, w, d, u, 0)
        many_add(s, w, gradient, d, self.c)


cdef void band_scattered(Band self, const X *x, W *w, const I *col, const Pass *a) noexcept nogil:
    """Rows of which only some values are stored, or not zero, one by one or in batches. x and col tell types."""
    cdef const Models *s = &self.models
    cdef idx width = s.width, stride = s.stride, b, first, batch, k, i, nnz, code
    cdef double weight
    cdef int outcome
    cdef bint gathered = a.batch > 1 and self.dense_gradient(a.batch)
    cdef const I *indptr = <const I *> address(self.rows.indptr)
    cdef const I *indices = <const I *> address(self.rows.indices)
    cdef W *p = <W *> self.p
    cdef W *u = <W *> self.u
    for b in range((a.n + a.batch - 1) // a.batch):
        first = b * a.batch
        batch = min(a.batch, a.n - first)
        for k in range(first, first + batch):
            i = pass_row(a, k)
            nnz = band_row(self, &x, &col, a, k, True)
            if self.rows.sparse:
                i = pass_row(a, k + 1)
                many_prefetch_weights(<const W *> w, indices + indptr[i], indptr[i + 1] - indptr[i], stride)
                i = pass_row(a, k)
            many_csr_dot(x, col, nnz, <const W *> w, stride, p)
            band_targets(self, <const W *> w, i)
            code, weight = band_code(self, i), band_weight(self, <const W *> w, i)
            if a.batch == 1:
                pass_rates(s, a, k)
                outcome = many_step(s, p, u, NULL, 0, squares(x, nnz), code, weight)
                if outcome & FADED:
                    many_fold(s, w, self.rows.d, u, 0)
                if outcome & STEPPED:
                    many_csr_axpy(x, col, nnz, <const W *> u, w, stride)
                if k % FLUSH == 0:
                    many_flush(s)
            elif gathered:
                many_pull(s, <const W *> p, u, self.total, code, weight)
                many_csr_axpy(x, col, nnz, <const W *> u, <W *> self.g, stride)
            else:
                many_pull(s, <const W *> p, u + (k - first) * width, self.total, code, weight)
        if a.batch == 1:
            continue
        pass_rates(s, a, b)
        if many_batch(s, self.total, batch, self.c):
            many_fold(s, w, self.rows.d, u, 0)
        if gathered:
            many_add(s, w, <W *> self.g, self.rows.d, self.c)
            continue
        for k in range(first, first + batch):
            nnz = band_row(self, &x, &col, a, k, False)
            many_csr_add(s, x, col, nnz, <const W *> (u + (k - first) * width), self.c, w, self.total)
        for k in range(width):
            s.sq[k] += s.scale[k] * s.scale[k] * self.total[k]
            self.total[k] = 0


cdef inline idx band_row(Band self, const X **x, const I **col, const Pass *a, idx k, bint more) noexcept nogil:
    """Row k of a pass: its values and columns, and their number; rows to come are prefetched if there are `more`."""
    cdef idx d = self.rows.d, i = pass_row(a, k), far = pass_row(a, k + AHEAD)
    cdef const I *indptr = <const I *> address(self.rows.indptr)
    cdef const X *data = <const X *> address(self.rows.data)
    cdef const I *indices = <const I *> address(self.rows.indices)
    cdef const X *ahead
    if self.rows.sparse:
        if more:
            prefetch(indptr + pass_row(a, k + 2 * AHEAD))
            prefetch_row(data + indptr[far], indices + indptr[far], indptr[far + 1] - indptr[far])
        x[0], col[0] = data + indptr[i], indices + indptr[i]
        return indptr[i + 1] - indptr[i]
    if self.rows.convert != NULL:
        self.rows.convert(<const void *> data, d, i, self.block)
        data = ahead = <const X *> self.block
    else:
        ahead = data + far * d
        data = data + i * d
    x[0], col[0] = <const X *> self.values, <const I *> self.columns
    return many_compress(data, ahead, d, <X *> self.values, self.columns)
