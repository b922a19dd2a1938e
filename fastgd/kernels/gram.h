/* Sums of products of few columns: the upper triangle of Z'Z, in float64, from rows that are in the first-level cache.
 *
 * A tile of the result is kept in registers while the rows pass by: ROWS entries of z times VECS vectors of it.
 * BLAS does the same, but for some tens of columns its packing and its padding cost as much as the products. */

#ifndef FASTGD_GRAM_H
#define FASTGD_GRAM_H

#include "passes.h"

namespace fastgd {
namespace {

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

/* table += Z'Z on and above the diagonal, whatever below it. width is a multiple of 4, and so many columns has Z. */
inline void gram_rows(const double *z, idx width, idx count, double *table) {
    idx j = 0;
    for (; j + 8 <= width; j += 8)
        for (idx i = 0; i < j + 8; i += 4) gram_tile<4, 2>(z, width, count, i, j, table);
    if (j < width) {
        idx i = 0;
        for (; i + 8 <= width; i += 8) gram_tile<8, 1>(z, width, count, i, j, table);
        if (i < width) gram_tile<4, 1>(z, width, count, i, j, table);
    }
}

} // namespace
} // namespace fastgd

#endif
