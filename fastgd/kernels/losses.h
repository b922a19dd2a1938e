/* Losses: pointwise functions of the raw prediction p = w . x + b. The one file a new loss touches.
 *
 * A loss is a struct with value(y, p, a) and gradient(y, p, a) = d value / d p, where `a` is its one
 * parameter (0 if it has none), derived from Pointwise, and a line in FASTGD_LOSSES. The link is part of the loss, so that
 * large |p| cannot overflow. Classification losses take y in {-1, +1}. Everything else follows from
 * the table: the kernels' switch, the Python registry, the estimators' names, the laws in the tests.
 *
 * `loss_sum` and `loss_pulls` take a buffer at once: exp and log are inlined polynomials, so the compiler
 * vectorises them (0.4 to 1 ns a value instead of the library's 15).
 */
#ifndef FASTGD_LOSSES_H
#define FASTGD_LOSSES_H

#include "passes.h"

namespace fastgd {
namespace { /* internal linkage: each build of the kernels keeps its own code */

enum Task { CLASSIFICATION = 1, REGRESSION = 2, BOTH = 3 };

/* 2^(k / 64) */
static const double POWERS[64] = {
    1.0, 1.0108892860517005, 1.0218971486541166, 1.0330248790212284,
    1.0442737824274138, 1.0556451783605572, 1.0671404006768237, 1.0787607977571199,
    1.0905077326652577, 1.102382583307841, 1.1143867425958924, 1.1265216186082418,
    1.1387886347566916, 1.1511892299529827, 1.1637248587775775, 1.1763969916502812,
    1.189207115002721, 1.202156731452703, 1.215247359980469, 1.22848053610687,
    1.241857812073484, 1.255380757024691, 1.2690509571917332, 1.2828700160787783,
    1.2968395546510096, 1.3109612115247644, 1.3252366431597413, 1.339667524053303,
    1.3542555469368927, 1.3690024229745905, 1.383909881963832, 1.3989796725383112,
    1.4142135623730951, 1.42961333839197, 1.4451808069770467, 1.460917794180647,
    1.4768261459394993, 1.4929077282912648, 1.5091644275934228, 1.5255981507445384,
    1.5422108254079407, 1.559004400237837, 1.5759808451078865, 1.593142151342267,
    1.6104903319492543, 1.6280274218573478, 1.645755478153965, 1.6636765803267364,
    1.681792830507429, 1.7001063537185235, 1.718619298122478, 1.7373338352737062,
    1.7562521603732995, 1.7753764925265212, 1.7947090750031072, 1.8142521755003989,
    1.8340080864093424, 1.8539791250833855, 1.8741676341103, 1.8945759815869656,
    1.9152065613971474, 1.9360617934922943, 1.9571441241754002, 1.978456026387951,
};

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

/* The same for x <= 0, without the second clamp, which costs as much as a third of the polynomial. */
FASTGD_INLINE double exp_down(double x) { return exp_within(x < -708.0 ? -708.0 : x); }

/* That in float32, 2 ulp: for predictions that are no more precise themselves, at half the cost. */
FASTGD_INLINE float exp_down(float x) {
    const float shift = 12582912.0f; /* 1.5 * 2^23 */
    x = x < -87.0f ? -87.0f : x;
    float t = x * 1.44269504f + shift;
    const float k = t - shift;
    const float r = (x - k * 0.693359375f) - k * -2.12194440e-4f, r2 = r * r;
    const float a0 = 1.0f + r, a1 = 0.5f + r * 1.66666667e-01f;
    const float a2 = 4.16666667e-02f + r * 8.33333333e-03f, a3 = 1.38888889e-03f + r * 1.98412698e-04f;
    const float s = (a0 + r2 * a1) + (r2 * r2) * (a2 + r2 * a3);
    uint32_t bits;
    memcpy(&bits, &t, sizeof bits);
    bits = (bits + 127) << 23;
    memcpy(&t, &bits, sizeof t);
    return s * t;
}

/* The same for one number that a step waits for: 2^(k / 64), and a shorter polynomial on |r| <= ln(2) / 128. */
FASTGD_INLINE double exp_soon(double x) {
    const double shift = 6755399441055744.0;
    double t = x * (64 * 1.4426950408889634) + shift;
    const double r = x - (t - shift) * (0.6931471805599453 / 64), r2 = r * r;
    const double q = r + r2 * ((0.5 + r * (1.0 / 6)) + r2 * ((1.0 / 24) + r * (1.0 / 120)));
    uint64_t bits, power;
    memcpy(&bits, &t, sizeof bits);
    memcpy(&power, POWERS + (bits & 63), sizeof power);
    power += (bits >> 6) << 52;
    memcpy(&t, &power, sizeof t);
    return t + t * q;
}

/* log(1 + e) for 0 <= e <= 1: the series of 2 atanh(s), s = f / (2 + f), where 1 + f is 1 + e or half of it. */
FASTGD_INLINE double log1p_(double e) {
    const bool halved = e > 0.41421356237309503;
    const double f = halved ? 0.5 * e - 0.5 : e;
    const double s = f / (2.0 + f), z = s * s, z2 = z * z, z4 = z2 * z2;
    const double low = (1.0 / 3 + z * (1.0 / 5)) + z2 * (1.0 / 7 + z * (1.0 / 9));
    const double high = (1.0 / 11 + z * (1.0 / 13)) + z2 * (1.0 / 15 + z * (1.0 / 17));
    const double t = low + z4 * (high + z4 * (1.0 / 19));
    return (halved ? 0.6931471805599453 : 0.0) + 2.0 * (s + s * z * t);
}

/* Gradients beyond 1e12 are cut, as in scikit-learn, so that one row cannot overflow the weights. */
FASTGD_INLINE double clip(double gradient) {
    return gradient > 1e12 ? 1e12 : gradient < -1e12 ? -1e12 : gradient;
}

/* pull(c, y, p, a) = c * clip(gradient(y, p, a)), in the way that is ready soonest.
 * both: the loss as value + log(product), product in [1, 2], and its gradient as slope / product, so that
 * many losses need one logarithm, and a step one division.
 * curvature: the second derivative of a smooth loss, for the solvers; 0 for the others. */
template <typename Loss> struct Pointwise {
    static FASTGD_INLINE double pull(double c, double y, double p, double a) {
        const double g = Loss::gradient(y, p, a);
        if (FASTGD_UNLIKELY(fabs(g) > 1e12)) return c * clip(g); /* predicted: nobody waits for it */
        return c * g;
    }
    static FASTGD_INLINE void both(double y, double p, double a, double *value, double *product, double *slope) {
        *value = Loss::value(y, p, a);
        *product = 1.0;
        *slope = Loss::gradient(y, p, a);
    }
    static FASTGD_INLINE double curvature(double, double, double) { return 0.0; }
    typedef double Single; /* of `both`, where predictions are float32 */
    static FASTGD_INLINE double clipped(double gradient) { return clip(gradient); }
};

struct Hinge : Pointwise<Hinge> {
    static FASTGD_INLINE double value(double y, double p, double) { return y * p <= 1.0 ? 1.0 - y * p : 0.0; }
    static FASTGD_INLINE double gradient(double y, double p, double) { return y * p <= 1.0 ? -y : 0.0; }
    static FASTGD_INLINE double pull(double c, double y, double p, double) {
        return (double)(y * p <= 1.0) * (-c * y); /* no branch: which rows need a step cannot be predicted */
    }
};
struct SquaredHinge : Pointwise<SquaredHinge> {
    static FASTGD_INLINE double value(double y, double p, double) {
        const double z = 1.0 - y * p;
        return z > 0 ? z * z : 0.0;
    }
    static FASTGD_INLINE double gradient(double y, double p, double) {
        const double z = 1.0 - y * p;
        return z > 0 ? -2.0 * y * z : 0.0;
    }
};
struct Perceptron : Pointwise<Perceptron> {
    static FASTGD_INLINE double value(double y, double p, double) { return y * p <= 0.0 ? -y * p : 0.0; }
    static FASTGD_INLINE double gradient(double y, double p, double) { return y * p <= 0.0 ? -y : 0.0; }
};
struct LogLoss : Pointwise<LogLoss> {
    static FASTGD_INLINE double value(double y, double p, double) {
        const double z = y * p;
        return log1p_(exp_down(-fabs(z))) + (z < 0 ? -z : 0.0);
    }
    static FASTGD_INLINE double gradient(double y, double p, double) {
        return -y / (1.0 + exp_(y * p));
    }
    static FASTGD_INLINE void both(double y, double p, double, double *value, double *product, double *slope) {
        const double z = y * p, e = exp_down(-fabs(z));
        *value = z < 0 ? -z : 0.0;
        *product = 1.0 + e;
        *slope = -y * (z > 0 ? e : 1.0);
    }
    typedef float Single;
    static FASTGD_INLINE double clipped(double gradient) { return gradient; } /* at most 1 */
    static FASTGD_INLINE void both(float y, float p, float, float *value, float *product, float *slope) {
        const float z = y * p, e = exp_down(-fabsf(z));
        *value = z < 0 ? -z : 0.0f;
        *product = 1.0f + e;
        *slope = -y * (z > 0 ? e : 1.0f);
    }
    static FASTGD_INLINE double curvature(double y, double p, double) {
        const double e = exp_down(-fabs(y * p)), s = 1.0 / (1.0 + e);
        return e * s * s;
    }
    static FASTGD_INLINE double pull(double c, double y, double p, double) {
        const double z = y * p;
        /* a branch, not a clamp: predicted, it costs the step that waits for this number nothing */
        if (FASTGD_UNLIKELY(!(fabs(z) <= 708.0))) return z > 0 ? 0.0 : z < 0 ? -y * c : z;
        return -(c * y) / (1.0 + exp_soon(z));
    }
};
struct ModifiedHuber : Pointwise<ModifiedHuber> {
    static FASTGD_INLINE double value(double y, double p, double) {
        const double z = y * p, m = 1.0 - z;
        return z >= 1.0 ? 0.0 : z >= -1.0 ? m * m : -4.0 * z;
    }
    static FASTGD_INLINE double gradient(double y, double p, double) {
        const double z = y * p;
        return z >= 1.0 ? 0.0 : z >= -1.0 ? -2.0 * y * (1.0 - z) : -4.0 * y;
    }
};
struct SquaredError : Pointwise<SquaredError> {
    static FASTGD_INLINE double value(double y, double p, double) { return 0.5 * (p - y) * (p - y); }
    static FASTGD_INLINE double gradient(double y, double p, double) { return p - y; }
    static FASTGD_INLINE double curvature(double, double, double) { return 1.0; }
};
struct Huber : Pointwise<Huber> {
    static FASTGD_INLINE double value(double y, double p, double a) {
        const double r = fabs(y - p);
        return r <= a ? 0.5 * r * r : a * (r - 0.5 * a);
    }
    static FASTGD_INLINE double gradient(double y, double p, double a) {
        const double r = p - y;
        return r > a ? a : r < -a ? -a : r;
    }
};
struct EpsilonInsensitive : Pointwise<EpsilonInsensitive> {
    static FASTGD_INLINE double value(double y, double p, double a) {
        const double r = fabs(y - p) - a;
        return r > 0 ? r : 0.0;
    }
    static FASTGD_INLINE double gradient(double y, double p, double a) {
        return y - p > a ? -1.0 : p - y > a ? 1.0 : 0.0;
    }
};
struct SquaredEpsilonInsensitive : Pointwise<SquaredEpsilonInsensitive> {
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
struct Quantile : Pointwise<Quantile> {
    static FASTGD_INLINE double value(double y, double p, double a) {
        const double r = y - p;
        return r > 0 ? a * r : (a - 1.0) * r;
    }
    static FASTGD_INLINE double gradient(double y, double p, double a) {
        return y - p > 0 ? -a : y - p < 0 ? 1.0 - a : 0.0;
    }
};
/* Half the Poisson deviance with log link, up to a constant in y; the mean is exp(p). */
struct Poisson : Pointwise<Poisson> {
    static FASTGD_INLINE double value(double y, double p, double) { return exp_(p) - y * p; }
    static FASTGD_INLINE double gradient(double y, double p, double) { return exp_(p) - y; }
    static FASTGD_INLINE double curvature(double, double p, double) { return exp_(p); }
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

FASTGD_INLINE double loss_pull(int id, double c, double y, double p, double a) {
    switch (id) {
#define FASTGD_CASE(name, type, task, parameter, default_)                                          \
    case LOSS_##name:                                                                               \
        return type::pull(c, y, p, a);
        FASTGD_LOSSES(FASTGD_CASE)
#undef FASTGD_CASE
    }
    return 0;
}

/* out_i = c_i clip(gradient_i) of a buffer of rows. */
inline void loss_pulls(int id, const double *c, const double *y, const double *p, double *FASTGD_RESTRICT out, idx n,
                       double a) {
    switch (id) {
#define FASTGD_CASE(name, type, task, parameter, default_)                                          \
    case LOSS_##name:                                                                               \
        FASTGD_SIMD                                                                                 \
        for (idx i = 0; i < n; i++) out[i] = c[i] * clip(type::gradient(y[i], p[i], a));            \
        return;
        FASTGD_LOSSES(FASTGD_CASE)
#undef FASTGD_CASE
    }
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

template <typename Loss>
inline double losses_and_slopes_as(const double *weight, const double *y, const double *p, double *FASTGD_RESTRICT out,
                                   idx n, double a) {
    double sum = 0, product = 1;
    if (weight) {
        FASTGD_SIMD_SUM(sum)
        for (idx i = 0; i < n; i++) {
            double value, factor, slope;
            Loss::both(y[i], p[i], a, &value, &factor, &slope);
            sum += weight[i] * (value + log1p_(factor - 1.0));
            out[i] = weight[i] * (slope / factor);
        }
        return sum;
    }
    FASTGD_SIMD_SUM_AND_PRODUCT(sum, product)
    for (idx i = 0; i < n; i++) {
        double value, factor, slope;
        Loss::both(y[i], p[i], a, &value, &factor, &slope);
        sum += value;
        product *= factor; /* in [1, 2]: one logarithm for all rows */
        out[i] = slope / factor;
    }
    return sum + log(product);
}

/* out_i = weight_i gradient_i of up to 512 rows, nothing cut; returns the sum of weight_i loss_i. weight may be NULL. */
inline double losses_and_slopes(int id, const double *weight, const double *y, const double *p, double *out, idx n,
                                double a) {
    switch (id) {
#define FASTGD_CASE(name, type, task, parameter, default_)                                          \
    case LOSS_##name:                                                                               \
        return losses_and_slopes_as<type>(weight, y, p, out, n, a);
        FASTGD_LOSSES(FASTGD_CASE)
#undef FASTGD_CASE
    }
    return 0;
}

/* out_i = weight_i curvature_i; weight may be NULL. */
inline void loss_curvatures(int id, const double *weight, const double *y, const double *p, double *FASTGD_RESTRICT out,
                            idx n, double a) {
    switch (id) {
#define FASTGD_CASE(name, type, task, parameter, default_)                                          \
    case LOSS_##name:                                                                               \
        FASTGD_SIMD                                                                                 \
        for (idx i = 0; i < n; i++) out[i] = type::curvature(y[i], p[i], a);                        \
        break;
        FASTGD_LOSSES(FASTGD_CASE)
#undef FASTGD_CASE
    }
    if (weight)
        for (idx i = 0; i < n; i++) out[i] *= weight[i];
}

/* For the dual of the logistic loss: 1 / a = 1 + exp(-theta), and log(1 + exp(x)). */
FASTGD_INLINE double exp_clamped(double x) { return exp_soon(x < -700.0 ? -700.0 : x > 700.0 ? 700.0 : x); }
FASTGD_INLINE double softplus(double x) { return log1p_(exp_down(-fabs(x))) + (x > 0 ? x : 0.0); }

/* Softmax of every column of z (classes x rows) in place; loss_i = log(sum_k exp(z_ki)) - z_(y_i)i. */
template <typename W>
FASTGD_NOINLINE void softmax_columns(W *FASTGD_RESTRICT z, const int32_t *y, double *FASTGD_RESTRICT loss, idx classes,
                                     idx rows) {
    enum { AT_ONCE = 64 };
    double most[AT_ONCE], sum[AT_ONCE];
    for (idx first = 0; first < rows; first += AT_ONCE) {
        const idx n = rows - first < AT_ONCE ? rows - first : (idx)AT_ONCE;
        W *const block = z + first;
        for (idx i = 0; i < n; i++) {
            most[i] = block[i];
            sum[i] = 0;
        }
        for (idx k = 1; k < classes; k++) {
            const W *v = block + k * rows;
            FASTGD_SIMD
            for (idx i = 0; i < n; i++) most[i] = v[i] > most[i] ? (double)v[i] : most[i];
        }
        for (idx i = 0; i < n; i++) loss[first + i] = most[i] - (double)block[y[first + i] * rows + i];
        for (idx k = 0; k < classes; k++) {
            W *v = block + k * rows;
            FASTGD_SIMD
            for (idx i = 0; i < n; i++) {
                const W e = exp_down(v[i] - (W)most[i]);
                v[i] = e;
                sum[i] += e;
            }
        }
        for (idx i = 0; i < n; i++) {
            loss[first + i] += log(sum[i]);
            sum[i] = 1.0 / sum[i];
        }
        for (idx k = 0; k < classes; k++) {
            W *v = block + k * rows;
            FASTGD_SIMD
            for (idx i = 0; i < n; i++) v[i] = (W)(v[i] * sum[i]);
        }
    }
}

}  // namespace
}  // namespace fastgd

#endif
