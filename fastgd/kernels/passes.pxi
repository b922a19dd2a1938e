# Declarations of the C++ passes (passes.h) and losses (losses.h).

ctypedef fused X:
    float
    double

ctypedef fused W:
    float
    double

ctypedef fused I:
    int32_t
    int64_t

ctypedef Py_ssize_t idx

cdef extern from "passes.h" namespace "fastgd" nogil:
    void prefetch(const void *address)

    cdef cppclass Extras[T]:
        T *q
        double u
        double scale
        T *average
        double average_c
        double l1
        double sq

    cdef struct Taken:
        pass

    cdef struct Charged:
        pass

    cdef struct Truncation:
        double u, U, step, scale, inverse
        double active, l1, sq, seen_U, seen_l1, seen_sq, late_l1, late_sq, over_l1, over_sq
        Taken *taken
        Charged *charged
        idx steps, charges, room

    cdef struct Norms:
        double l1, sq, active, moved

    void dot[T, V](const T *x, const T *ahead, const V *w, idx d, double *p, double *xx)
    double predict[T, V](const T *x, const T *ahead, const V *w, idx d)
    double axpy[T, V](const T *x, V *w, double c, idx d)
    double gram[T, V](const T *x, const T *y, const V *w, idx d)
    void pipe[T, V](const T *x0, const T *x1, const T *x2, const T *ahead, V *w, double c, V *average,
                    double average_c, idx d, double *p, double *g, double *xx)
    void fused[T, V](const T *x0, const T *x1, const T *ahead, V *w, double c, idx d, Extras[V] *e,
                     double *p, double *xx)
    void dot4[T, V](const T *const *x, int rows, const T *const *ahead, const V *w, idx d, double *p)
    void axpy4[T, V](const T *const *x, int rows, const double *c, V *g, idx d)

    void centred_row[T, V](const T *x, const T *ahead, const V *mean, const V *scale, V root, V *out, idx d)
    void add_moments[T, V](const T *x, const T *ahead, const V *mean, V h, V *sum, V *squares, idx d)

    void prefetch_row[T, J](const T *x, const J *col, idx nnz)
    void csr_dot[T, V, J](const T *x, const J *col, idx nnz, const V *w, V *z, double *p, double *xx)
    void csr_step[T, V, J](const T *x, const J *col, idx nnz, const V *z, double c, V *w)
    double csr_axpy[T, V, J](const T *x, const J *col, idx nnz, double c, V *w)
    void csr_add_to[T, J](const T *x, const J *col, idx nnz, double c, double *g)
    double csr_predict[T, V, J](const T *x, const J *col, idx nnz, const V *w)
    void csr_add_squares[T, J](const T *x, const J *col, idx nnz, double h, double *squares)
    void csr_outer[T, J](const T *x, const J *col, idx nnz, double h, double *H, idx d)
    void csr_late[V, J](const J *col, idx nnz, const V *w, const V *q, const V *last, V *z, V *r,
                        Truncation *t)
    void csr_truncated_step[T, V, J](const T *x, const J *col, idx nnz, double c, const V *z, const V *r, V *w, V *q,
                                     V *last, Truncation *t)
    void csr_put[V, J](const J *col, idx nnz, const V *z, const V *r, V *w, V *q, V *last, Truncation *t)
    void csr_add[T, V, J](const T *x, const J *col, idx nnz, double c, V *w, Truncation *t)
    void csr_truncate[V, J](const J *col, idx nnz, V *w, V *q, V *last, Truncation *t)
    void advance(Truncation *t)
    void forget(Truncation *t)
    void note_charge(Truncation *t, double scale, double rows)
    void note_step(Truncation *t)

    void rescale[V](V *w, idx d, double scale)
    void settle_average[V](const V *w, V *average, idx d, double a, double b)
    Norms norms[V](const V *w, const V *previous, idx d)

cdef extern from "losses.h" namespace "fastgd" nogil:
    cdef struct LossEntry:
        const char *name
        int task
        const char *parameter
        double value
    const LossEntry *LOSS_TABLE
    int N_LOSSES
    double loss_value(int id, double y, double p, double a)
    double loss_gradient(int id, double y, double p, double a)
    double loss_pull(int id, double c, double y, double p, double a)
    void loss_pulls(int id, const double *c, const double *y, const double *p, double *out, idx n, double a)
    double loss_sum(int id, const double *y, const double *p, const double *weight, idx n, double a)
    double losses_and_slopes(int id, const double *weight, const double *y, const double *p, double *out, idx n, double a)
    void loss_curvatures(int id, const double *weight, const double *y, const double *p, double *out, idx n, double a)
    double exp_clamped(double x)
    double softplus(double x)
    void softmax_columns[T](T *z, const int32_t *y, double *loss, idx classes, idx rows)

cdef extern from "optimizers.h" namespace "fastgd" nogil:
    enum:
        MAX_SLOTS
        N_RULES
        RULE_NESTEROV
        RULE_MOMENTUM
        RULE_LION
        RULE_FREE_ADAM

    cdef struct UpdateRule:
        int kind
        double first, second, eps, extra, weight_decay, clip_norm, clip_value

    cdef struct Progress:
        double t, product, sum
        double slots[3]

    cdef struct Missed:
        idx steps
        double power, rates, share

    cdef cppclass Pace[V]:
        pass

    uint64_t denormals_off()
    void denormals_back(uint64_t before)

    cdef cppclass Force[V]:
        V share, l2, l1, limit

    cdef struct RuleEntry:
        const char *name
        int slots, begin, two, lazy
    const RuleEntry *RULE_TABLE

    void prepare(const UpdateRule &r, Progress *s, double rate, Pace[double] *p)
    double squared_force[V](const Force[V] *f, const V *point, const V *g, idx d)
    void train_step[V](const UpdateRule &r, const Pace[double] &p, const Force[V] &f, double factor, V *w, V *g, V *s0, V *s1,
                       V *s2, idx d, double *sq, double *l1)
    void free_step[V](const UpdateRule &r, const Pace[double] &p, double factor, V *w, const V *g, V *s0, V *s1, V *s2,
                      const V *low, const V *high, idx d)
    void some_step[V](const UpdateRule &r, const Pace[double] &p, const Force[V] &f, double factor, V *w, V *g, V *s0, V *s1,
                      V *s2, const int32_t *columns, idx n)
    void intercept_step(const UpdateRule &r, const Pace[double] &p, double g, double *w, double *s)
    void late_step[V](const UpdateRule &r, const Missed &m, V *w, V *s0, V *s1, V *s2, idx j)
