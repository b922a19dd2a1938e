/* Passes of the descent on scaled columns: a row as it trains, the penalty with a strength per column,
 * and what there is to know about the columns. Conventions as in passes.h. */
#ifndef FASTGD_SCALED_H
#define FASTGD_SCALED_H

#include "passes.h"

namespace fastgd {
namespace { /* internal linkage: each build of the kernels keeps its own code */

/* out = (x - centre) * inverse, column by column; returns the squared norm of out. centre and inverse are
 * padded; so is out, which writes up to a vector beyond the row's end: rows of a block come in order. */
template <typename X, typename W> struct ScaleBody {
    typedef typename Lanes<W>::V V;
    const X *x;
    const char *ahead;
    const W *centre, *inverse;
    W *out;
    V xx[2];
    template <int k, typename R> FASTGD_INLINE void at(idx j, R row) {
        const V v = (row(j) - load<W>(centre + j)) * load<W>(inverse + j);
        store<W>(out + j, v);
        xx[k] += v * v;
    }
    template <int k> FASTGD_INLINE void full(idx j) {
        if (k == 0) FASTGD_PREFETCH(ahead + j * sizeof(X));
        at<k>(j, Row<W, X>(x));
    }
    FASTGD_INLINE void tail(idx j, idx n) { at<0>(j, Tail<W, X>(x, n)); }
};

template <typename X, typename W>
inline double scale_row(const X *x, const X *ahead, const W *centre, const W *inverse, W *out, idx d) {
    ScaleBody<X, W> b;
    b.x = x;
    b.ahead = (const char *)ahead;
    FASTGD_PREFETCH((const char *)(ahead + d) - 1);
    b.centre = centre;
    b.inverse = inverse;
    b.out = out;
    b.xx[0] = b.xx[1] = splat<W>(0);
    sweep<W>(d, b);
    return sum<W>(b.xx[0] + b.xx[1]);
}

/* What `steps` steps of the l2 penalty leave of a weight, as one proximal step: stable at any strength. */
template <typename W> inline void shrinkage(const W *l2, double steps, W *FASTGD_RESTRICT factor, idx d) {
    const W s = (W)steps;
    FASTGD_SIMD
    for (idx j = 0; j < d; j++) factor[j] = 1 / (1 + s * l2[j]);
}

/* That penalty, then w *= factor, and towards zero by `steps` l1; then total += weight w. Returns the
 * penalty before, in sums of a few hundred numbers of the weights' type. l1 and total may be NULL. */
template <typename W>
inline double shrink(W *FASTGD_RESTRICT w, const W *l2, const W *FASTGD_RESTRICT factor, const W *l1,
                     W *FASTGD_RESTRICT total, idx d, double steps, double weight) {
    const W s = (W)steps, c = (W)weight;
    double penalty = 0;
    for (idx first = 0; first < d; first += 256) {
        const idx end = at_most(d, first + 256);
        W part = 0;
        FASTGD_SIMD_SUM(part)
        for (idx j = first; j < end; j++) {
            part += l2[j] * w[j] * w[j];
            w[j] *= factor[j];
        }
        penalty += 0.5 * part;
        if (l1) {
            part = 0;
            FASTGD_SIMD_SUM(part)
            for (idx j = first; j < end; j++) {
                const W cut = s * l1[j], v = w[j], up = v + cut, down = v - cut;
                part += l1[j] * (v < 0 ? -v : v);
                w[j] = down > 0 ? down : up < 0 ? up : 0;
            }
            penalty += part;
        }
        if (total) {
            FASTGD_SIMD
            for (idx j = first; j < end; j++) total[j] += c * w[j];
        }
    }
    return penalty;
}

/* Of some columns over a few rows: sum and sum of squares about a shift, and the range. The sums of the
 * rows at hand are taken in the type of X, those of all rows in double. */
template <typename X, typename V> struct Moments {
    V shift, sum, square, low, high;
    FASTGD_INLINE void begin(V s, V x) {
        shift = s;
        sum = square = x - x;
        low = high = x;
    }
    FASTGD_INLINE void add(V x) {
        const V e = x - shift;
        sum += e;
        square += e * e;
        low = choose<V>(low > x, x, low);
        high = choose<V>(x > high, x, high);
    }
};

template <typename X>
inline void column_ranges(const X *const *rows, int n, idx d, const X *shift, double *sum, double *square, double *low,
                        double *high) {
    typedef typename Lanes<X>::V V;
    enum { N = Lanes<X>::N };
    for (idx j = 0; j + N <= d; j += N) {
        Moments<X, V> m;
        m.begin(load<X>(shift + j), load<X>(rows[0] + j));
        for (int i = 0; i < n; i++) m.add(load<X>(rows[i] + j));
        for (int k = 0; k < N; k++) {
            sum[j + k] += m.sum[k];
            square[j + k] += m.square[k];
            low[j + k] = m.low[k] < low[j + k] ? m.low[k] : low[j + k];
            high[j + k] = m.high[k] > high[j + k] ? m.high[k] : high[j + k];
        }
    }
    for (idx j = d / N * N; j < d; j++) {
        for (int i = 0; i < n; i++) {
            const X x = rows[i][j], e = x - shift[j];
            sum[j] += e;
            square[j] += (double)e * e;
            low[j] = x < low[j] ? x : low[j];
            high[j] = x > high[j] ? x : high[j];
        }
    }
}

/* The same of one CSR row: sums of squares, and the range. */
template <typename X, typename I>
inline void csr_column_ranges(const X *x, const I *col, idx nnz, double *sum, double *square, double *low,
                            double *high) {
    for (idx k = 0; k < nnz; k++) {
        const double v = x[k];
        const I j = col[k];
        sum[j] += v;
        square[j] += v * v;
        low[j] = v < low[j] ? v : low[j];
        high[j] = v > high[j] ? v : high[j];
    }
}

/* out = x * inverse at the row's columns; out is padded. */
template <typename X, typename W, typename I>
inline void csr_scale(const X *x, const I *col, idx nnz, const W *inverse, W *out) {
    enum { N = Lanes<W>::N };
    for (idx k = 0; k < nnz; k += N) {
        const idx n = at_most(nnz - k, N);
        store<W>(out + k, gather(inverse, col + k, n) * load_up_to<W>(x + k, n, k > 0));
    }
}

}  // namespace
}  // namespace fastgd

#endif
