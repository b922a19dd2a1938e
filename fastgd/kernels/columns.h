/* One column against vectors over the rows: products, and a step of its weight.
 *
 * A sparse column has its values x and the rows `at` they are in; a dense one has at == NULL and a value in
 * every row. Everything that is summed is in float64, whatever the type of the values. */

#ifndef FASTGD_COLUMNS_H
#define FASTGD_COLUMNS_H

#include "passes.h"

namespace fastgd {
namespace {

/* x . x */
template <typename X> inline double column_square(const X *x, idx count) {
    double a = 0;
    FASTGD_SIMD_SUM(a)
    for (idx k = 0; k < count; k++) a += (double)x[k] * (double)x[k];
    return a;
}

/* s . x */
template <typename X> inline double column_dot(const X *x, const int32_t *at, idx count, const double *s) {
    double a = 0, b = 0, c = 0, e = 0;
    idx k = 0;
    if (at == NULL) {
        FASTGD_SIMD_SUM(a)
        for (k = 0; k < count; k++) a += s[k] * (double)x[k];
        return a;
    }
    for (; k + 4 <= count; k += 4) {
        a += s[at[k]] * (double)x[k];
        b += s[at[k + 1]] * (double)x[k + 1];
        c += s[at[k + 2]] * (double)x[k + 2];
        e += s[at[k + 3]] * (double)x[k + 3];
    }
    for (; k < count; k++) a += s[at[k]] * (double)x[k];
    return (a + b) + (c + e);
}

/* s . x, h . x and h . x^2 in one pass */
template <typename X>
inline void column_products(const X *x, const int32_t *at, idx count, const double *s, const double *h, double *out) {
    double g = 0, m = 0, a = 0, g2 = 0, m2 = 0, a2 = 0;
    idx k = 0;
    if (at == NULL) {
        FASTGD_SIMD_SUM(g, m, a)
        for (k = 0; k < count; k++) {
            const double v = (double)x[k], hv = h[k] * v;
            g += s[k] * v;
            m += hv;
            a += hv * v;
        }
    } else {
        for (; k + 2 <= count; k += 2) {
            const double v = (double)x[k], u = (double)x[k + 1], hv = h[at[k]] * v, hu = h[at[k + 1]] * u;
            g += s[at[k]] * v;
            g2 += s[at[k + 1]] * u;
            m += hv;
            m2 += hu;
            a += hv * v;
            a2 += hu * u;
        }
        if (k < count) {
            const double v = (double)x[k], hv = h[at[k]] * v;
            g += s[at[k]] * v;
            m += hv;
            a += hv * v;
        }
    }
    out[0] = g + g2;
    out[1] = m + m2;
    out[2] = a + a2;
}

/* z += c x */
template <typename X> inline void column_add(const X *x, const int32_t *at, idx count, double c, double *z) {
    if (at == NULL) {
        FASTGD_SIMD
        for (idx k = 0; k < count; k++) z[k] += c * (double)x[k];
    } else {
        for (idx k = 0; k < count; k++) z[at[k]] += c * (double)x[k];
    }
}

/* The weight of the column grows by c: z += c x, s -= h c x. */
template <typename X>
inline void column_step(const X *x, const int32_t *at, idx count, double c, const double *h, double *s, double *z) {
    if (at == NULL) {
        FASTGD_SIMD
        for (idx k = 0; k < count; k++) {
            const double move = c * (double)x[k];
            z[k] += move;
            s[k] -= h[k] * move;
        }
        return;
    }
    for (idx k = 0; k < count; k++) {
        const double move = c * (double)x[k];
        const idx i = at[k];
        z[i] += move;
        s[i] -= h[i] * move;
    }
}

} // namespace
} // namespace fastgd

#endif
