/* Sums of products of few columns: the upper triangle of Z'Z, in float64, from rows that are in the first-level cache.
 *
 * A tile of the result is kept in registers while the rows pass by: ROWS entries of z times VECS vectors of it.
 * BLAS does the same, but for some tens of columns its packing and its padding cost as much as the products.
 *
 * Nothing else in the kernels is bound by arithmetic alone, and so nothing else has vectors of 64 bytes: here
 * they double the speed, in one function that is compiled for them, not in a build of its own. */

#ifndef FASTGD_GRAM_H
#define FASTGD_GRAM_H

#include "passes.h"

#if defined(__AVX2__) && defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define FASTGD_AVX512 __attribute__((target("avx512f")))
#endif

namespace fastgd {
namespace {

/* z = (x - shift) scale, in float64; the last vector of a row begins where it ends with the row. */
template <typename X>
FASTGD_NOINLINE void centre_row(const X *FASTGD_RESTRICT x, const X *ahead, const double *FASTGD_RESTRICT shift,
                                double scale, double *FASTGD_RESTRICT z, idx d) {
    const f64v factor = splat<double>(scale);
    for (idx j = 0; j < d * (idx)sizeof(X); j += CACHE_LINE) FASTGD_PREFETCH((const char *)ahead + j);
    if (d < 4) {
        for (idx j = 0; j < d; j++) z[j] = ((double)x[j] - shift[j]) * scale;
        return;
    }
    for (idx j = 0; j + 4 <= d; j += 4)
        store(z + j, (Loader<double, X>::full(x + j) - load(shift + j)) * factor);
    if (d % 4) store(z + d - 4, (Loader<double, X>::full(x + d - 4) - load(shift + d - 4)) * factor);
}

template <int ROWS, int VECS>
FASTGD_INLINE void gram_tile(const double *FASTGD_RESTRICT z, idx width, idx count, idx i, idx j,
                             double *FASTGD_RESTRICT table) {
    const f64v zero = {};
    f64v sum[ROWS][VECS];
    for (int a = 0; a < ROWS; a++)
        for (int b = 0; b < VECS; b++) sum[a][b] = zero;
    for (idx r = 0; r < count; r++) {
        const double *row = z + r * width;
        f64v right[VECS];
        for (int b = 0; b < VECS; b++) memcpy(&right[b], row + j + 4 * b, sizeof(f64v));
        for (int a = 0; a < ROWS; a++) {
            const f64v left = splat<double>(row[i + a]);
            for (int b = 0; b < VECS; b++) sum[a][b] += left * right[b];
        }
    }
    for (int a = 0; a < ROWS; a++)
        for (int b = 0; b < VECS; b++) {
            double *out = table + (i + a) * width + j + 4 * b;
            f64v old;
            memcpy(&old, out, sizeof old);
            old += sum[a][b];
            memcpy(out, &old, sizeof old);
        }
}

#ifdef FASTGD_AVX512
template <int ROWS, int VECS>
FASTGD_AVX512 FASTGD_NOINLINE void wide_gram_tile(const double *FASTGD_RESTRICT z, idx width, idx count, idx i,
                                                  idx j, double *FASTGD_RESTRICT table) {
    __m512d sum[ROWS][VECS];
#pragma GCC unroll 8
    for (int a = 0; a < ROWS; a++)
#pragma GCC unroll 2
        for (int b = 0; b < VECS; b++) sum[a][b] = _mm512_setzero_pd();
    for (idx r = 0; r < count; r++) {
        const double *row = z + r * width;
        __m512d right[VECS];
#pragma GCC unroll 2
        for (int b = 0; b < VECS; b++) right[b] = _mm512_loadu_pd(row + j + 8 * b);
#pragma GCC unroll 8
        for (int a = 0; a < ROWS; a++) {
            const __m512d left = _mm512_set1_pd(row[i + a]);
#pragma GCC unroll 2
            for (int b = 0; b < VECS; b++) sum[a][b] = _mm512_fmadd_pd(left, right[b], sum[a][b]);
        }
    }
#pragma GCC unroll 8
    for (int a = 0; a < ROWS; a++)
#pragma GCC unroll 2
        for (int b = 0; b < VECS; b++) {
            double *out = table + (i + a) * width + j + 8 * b;
            _mm512_storeu_pd(out, _mm512_add_pd(_mm512_loadu_pd(out), sum[a][b]));
        }
}

/* As far as whole vectors go; returns the first column that is left. */
inline idx wide_gram_rows(const double *z, idx width, idx count, double *table) {
    idx j = 0;
    for (; j + 16 <= width; j += 16) {
        for (idx i = 0; i <= j; i += 8) wide_gram_tile<8, 2>(z, width, count, i, j, table);
        wide_gram_tile<8, 1>(z, width, count, j + 8, j + 8, table);
    }
    if (j + 8 <= width) {
        for (idx i = 0; i <= j; i += 8) wide_gram_tile<8, 1>(z, width, count, i, j, table);
        j += 8;
    }
    return j;
}
#else
inline idx wide_gram_rows(const double *, idx, idx, double *) { return 0; }
#endif

/* table += Z'Z on and above the diagonal, whatever below it. width is a multiple of 4, and so many columns has Z.
 * wide: whether the CPU has vectors of 64 bytes. */
inline void gram_rows(bool wide, const double *z, idx width, idx count, double *table) {
    idx j = wide ? wide_gram_rows(z, width, count, table) : 0;
    for (; j + 8 <= width; j += 8)
        for (idx i = 0; i < j + 8; i += 4) gram_tile<4, 2>(z, width, count, i, j, table);
    if (j < width) {
        idx i = 0;
        for (; i + 8 <= width; i += 8) gram_tile<8, 1>(z, width, count, i, j, table);
        if (i < width) gram_tile<4, 1>(z, width, count, i, j, table);
    }
}

/* squares[a] += sum of (z . v_a)^2 over rows z; rows of z and of v are `width` long, a multiple of 4. */
inline void add_squares_along(const double *FASTGD_RESTRICT z, idx width, idx count, const double *FASTGD_RESTRICT v,
                              idx directions, double *FASTGD_RESTRICT squares) {
    const f64v zero = {};
    for (idx a = 0; a < directions; a++, v += width) {
        double along = 0;
        idx r = 0;
        for (; r + 4 <= count; r += 4) {
            const double *row = z + r * width;
            f64v sum[4] = {zero, zero, zero, zero};
            for (idx j = 0; j < width; j += 4)
                for (int b = 0; b < 4; b++) sum[b] += load(row + b * width + j) * load(v + j);
            for (int b = 0; b < 4; b++) {
                const double move = total(sum[b]);
                along += move * move;
            }
        }
        for (; r < count; r++) {
            f64v sum = zero;
            for (idx j = 0; j < width; j += 4) sum += load(z + r * width + j) * load(v + j);
            along += total(sum) * total(sum);
        }
        squares[a] += along;
    }
}

} // namespace
} // namespace fastgd

#endif
