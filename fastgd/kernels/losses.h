/* Losses: pointwise functions of the raw prediction p = w . x + b. The one file a new loss touches.
 *
 * A loss is a struct with value(y, p, a) and gradient(y, p, a) = d value / d p, where `a` is its one
 * parameter (0 if it has none), and a line in FASTGD_LOSSES. The link is part of the loss, so that
 * large |p| cannot overflow. Classification losses take y in {-1, +1}. Everything else follows from
 * the table: the kernels' switch, the Python registry, the estimators' names, the laws in the tests.
 *
 * `values` sums a buffer of losses at once: exp and log are inlined polynomials, so the compiler
 * vectorises them (0.4 to 1 ns a value instead of the library's 15).
 */
#ifndef FASTGD_LOSSES_H
#define FASTGD_LOSSES_H

#include "passes.h"

namespace fastgd {
namespace { /* internal linkage: each build of the kernels keeps its own code */

enum Task { CLASSIFICATION = 1, REGRESSION = 2, BOTH = 3 };

/* exp for |x| <= 708, 2 ulp, without branches: 2^k times a polynomial on |r| <= ln(2) / 2. */
FASTGD_INLINE double exp_within(double x) {
    const double shift = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer */
    double t = x * 1.4426950408889634 + shift;
    const double k = t - shift;
    const double r = (x - k * 6.93147180369123816490e-01) - k * 1.90821492927058770002e-10;
    /* Taylor series to r^13 in Estrin's scheme: the step waits for this number, so depth counts. */
    const double r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
    const double a0 = 1.0 + r, a1 = 0.5 + r * 1.6666666666666666e-01;
    const double a2 = 4.1666666666666664e-02 + r * 8.333333333333333e-03;
    const double a3 = 1.388888888888889e-03 + r * 1.984126984126984e-04;
    const double a4 = 2.48015873015873e-05 + r * 2.7557319223985893e-06;
    const double a5 = 2.755731922398589e-07 + r * 2.505210838544172e-08;
    const double a6 = 2.08767569878681e-09 + r * 1.6059043836821613e-10;
    const double s = ((a0 + r2 * a1) + r4 * (a2 + r2 * a3)) + r8 * ((a4 + r2 * a5) + r4 * a6);
    uint64_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits = (bits + 1023) << 52;
    memcpy(&t, &bits, sizeof t);
    return s * t;
}

/* The same for any x, clamped to where the result is a normal number. */
FASTGD_INLINE double exp_(double x) {
    x = x < -708.0 ? -708.0 : x;
    return exp_within(x > 708.0 ? 708.0 : x);
}

/* log(1 + e) for 0 <= e <= 1: the series of 2 atanh(e / (2 + e)). */
FASTGD_INLINE double log1p_(double e) {
    const double s = e / (2.0 + e), z = s * s;
    double t = 1.0 / 35;
    t = t * z + 1.0 / 33;
    t = t * z + 1.0 / 31;
    t = t * z + 1.0 / 29;
    t = t * z + 1.0 / 27;
    t = t * z + 1.0 / 25;
    t = t * z + 1.0 / 23;
    t = t * z + 1.0 / 21;
    t = t * z + 1.0 / 19;
    t = t * z + 1.0 / 17;
    t = t * z + 1.0 / 15;
    t = t * z + 1.0 / 13;
    t = t * z + 1.0 / 11;
    t = t * z + 1.0 / 9;
    t = t * z + 1.0 / 7;
    t = t * z + 1.0 / 5;
    t = t * z + 1.0 / 3;
    return 2.0 * s + 2.0 * s * z * t;
}

struct Hinge {
    static FASTGD_INLINE double value(double y, double p, double) { return y * p <= 1.0 ? 1.0 - y * p : 0.0; }
    static FASTGD_INLINE double gradient(double y, double p, double) { return y * p <= 1.0 ? -y : 0.0; }
};
struct SquaredHinge {
    static FASTGD_INLINE double value(double y, double p, double) {
        const double z = 1.0 - y * p;
        return z > 0 ? z * z : 0.0;
    }
    static FASTGD_INLINE double gradient(double y, double p, double) {
        const double z = 1.0 - y * p;
        return z > 0 ? -2.0 * y * z : 0.0;
    }
};
struct Perceptron {
    static FASTGD_INLINE double value(double y, double p, double) { return y * p <= 0.0 ? -y * p : 0.0; }
    static FASTGD_INLINE double gradient(double y, double p, double) { return y * p <= 0.0 ? -y : 0.0; }
};
struct LogLoss {
    static FASTGD_INLINE double value(double y, double p, double) {
        const double z = y * p;
        return log1p_(exp_(-fabs(z))) + (z < 0 ? -z : 0.0);
    }
    static FASTGD_INLINE double gradient(double y, double p, double) {
        const double z = y * p;
        /* a branch, not a clamp: predicted, it costs the step that waits for this number nothing */
        if (FASTGD_UNLIKELY(!(fabs(z) <= 708.0))) return z > 0 ? 0.0 : z < 0 ? -y : z;
        return -y / (1.0 + exp_within(z));
    }
};
struct ModifiedHuber {
    static FASTGD_INLINE double value(double y, double p, double) {
        const double z = y * p, m = 1.0 - z;
        return z >= 1.0 ? 0.0 : z >= -1.0 ? m * m : -4.0 * z;
    }
    static FASTGD_INLINE double gradient(double y, double p, double) {
        const double z = y * p;
        return z >= 1.0 ? 0.0 : z >= -1.0 ? -2.0 * y * (1.0 - z) : -4.0 * y;
    }
};
struct SquaredError {
    static FASTGD_INLINE double value(double y, double p, double) { return 0.5 * (p - y) * (p - y); }
    static FASTGD_INLINE double gradient(double y, double p, double) { return p - y; }
};
struct Huber {
    static FASTGD_INLINE double value(double y, double p, double a) {
        const double r = fabs(y - p);
        return r <= a ? 0.5 * r * r : a * (r - 0.5 * a);
    }
    static FASTGD_INLINE double gradient(double y, double p, double a) {
        const double r = p - y;
        return r > a ? a : r < -a ? -a : r;
    }
};
struct EpsilonInsensitive {
    static FASTGD_INLINE double value(double y, double p, double a) {
        const double r = fabs(y - p) - a;
        return r > 0 ? r : 0.0;
    }
    static FASTGD_INLINE double gradient(double y, double p, double a) {
        return y - p > a ? -1.0 : p - y > a ? 1.0 : 0.0;
    }
};
struct SquaredEpsilonInsensitive {
    static FASTGD_INLINE double value(double y, double p, double a) {
        const double r = fabs(y - p) - a;
        return r > 0 ? r * r : 0.0;
    }
    static FASTGD_INLINE double gradient(double y, double p, double a) {
        const double z = y - p;
        return z > a ? -2.0 * (z - a) : z < -a ? -2.0 * (z + a) : 0.0;
    }
};
/* Koenker and Bassett 1978: the minimiser is the conditional quantile at level a. */
struct Quantile {
    static FASTGD_INLINE double value(double y, double p, double a) {
        const double r = y - p;
        return r > 0 ? a * r : (a - 1.0) * r;
    }
    static FASTGD_INLINE double gradient(double y, double p, double a) {
        return y - p > 0 ? -a : y - p < 0 ? 1.0 - a : 0.0;
    }
};
/* Half the Poisson deviance with log link, up to a constant in y; the mean is exp(p). */
struct Poisson {
    static FASTGD_INLINE double value(double y, double p, double) { return exp_(p) - y * p; }
    static FASTGD_INLINE double gradient(double y, double p, double) { return exp_(p) - y; }
};

/* name, struct, task, name of the parameter (or ""), its default */
#define FASTGD_LOSSES(LOSS)                                                                         \
    LOSS(hinge, Hinge, CLASSIFICATION, "", 0)                                                       \
    LOSS(squared_hinge, SquaredHinge, CLASSIFICATION, "", 0)                                        \
    LOSS(perceptron, Perceptron, CLASSIFICATION, "", 0)                                             \
    LOSS(log_loss, LogLoss, CLASSIFICATION, "", 0)                                                  \
    LOSS(modified_huber, ModifiedHuber, CLASSIFICATION, "", 0)                                      \
    LOSS(squared_error, SquaredError, BOTH, "", 0)                                                  \
    LOSS(huber, Huber, BOTH, "epsilon", 0.1)                                                        \
    LOSS(epsilon_insensitive, EpsilonInsensitive, BOTH, "epsilon", 0.1)                             \
    LOSS(squared_epsilon_insensitive, SquaredEpsilonInsensitive, BOTH, "epsilon", 0.1)              \
    LOSS(quantile, Quantile, REGRESSION, "quantile", 0.5)                                           \
    LOSS(poisson, Poisson, REGRESSION, "", 0)

#define FASTGD_ID(name, type, task, parameter, value) LOSS_##name,
enum LossId { FASTGD_LOSSES(FASTGD_ID) N_LOSSES };
#undef FASTGD_ID

struct LossEntry {
    const char *name;
    int task;
    const char *parameter;
    double value;
};
#define FASTGD_ENTRY(name, type, task, parameter, value) {#name, task, parameter, value},
static const LossEntry LOSS_TABLE[] = {FASTGD_LOSSES(FASTGD_ENTRY)};
#undef FASTGD_ENTRY

FASTGD_INLINE double loss_value(int id, double y, double p, double a) {
    switch (id) {
#define FASTGD_CASE(name, type, task, parameter, default_)                                          \
    case LOSS_##name:                                                                               \
        return type::value(y, p, a);
        FASTGD_LOSSES(FASTGD_CASE)
#undef FASTGD_CASE
    }
    return 0;
}

FASTGD_INLINE double loss_gradient(int id, double y, double p, double a) {
    switch (id) {
#define FASTGD_CASE(name, type, task, parameter, default_)                                          \
    case LOSS_##name:                                                                               \
        return type::gradient(y, p, a);
        FASTGD_LOSSES(FASTGD_CASE)
#undef FASTGD_CASE
    }
    return 0;
}

template <typename Loss>
inline double values_as(const double *y, const double *p, const double *weight, idx n, double a) {
    double total = 0;
    if (weight) {
        FASTGD_SIMD_SUM(total)
        for (idx i = 0; i < n; i++) total += weight[i] * Loss::value(y[i], p[i], a);
    } else {
        FASTGD_SIMD_SUM(total)
        for (idx i = 0; i < n; i++) total += Loss::value(y[i], p[i], a);
    }
    return total;
}

/* Sum of (weight_i times) the losses of a buffer of rows; weight may be NULL. */
inline double loss_sum(int id, const double *y, const double *p, const double *weight, idx n, double a) {
    switch (id) {
#define FASTGD_CASE(name, type, task, parameter, default_)                                          \
    case LOSS_##name:                                                                               \
        return values_as<type>(y, p, weight, n, a);
        FASTGD_LOSSES(FASTGD_CASE)
#undef FASTGD_CASE
    }
    return 0;
}

}  // namespace
}  // namespace fastgd

#endif
