/* Passes and steps for many models at once: they share each read of X.
 *
 * The weights of all models are one array of d x width values, row-major: what belongs to a feature lies
 * side by side, one model per lane, so that nothing is summed across a vector and a value of X, once
 * loaded, serves all models. width is the number of models, padded to whole vectors. Rows that are scattered
 * over many columns wait for their weights: there a few models lie closer together, `stride` of them in a row of W.
 *
 * Exact stochastic descent in blocks of rows: with P = X_b W from before the block and the Gram matrix
 * G = X_b X_b', which the models share, the prediction of row r is scale (P_r + sum_{s<r} U_s G_rs) + b,
 * where U_s are the steps of the block's earlier rows; W += X_b' U follows once per block.
 */
#ifndef FASTGD_MANY_H
#define FASTGD_MANY_H

#include "losses.h"

namespace fastgd {
namespace { /* internal linkage: each build of the kernels keeps its own code */

enum { ROWS_AT_ONCE = 4 };

/* ---- dense passes ------------------------------------------------------------------------------------ */

template <int VECTORS, typename X, typename W>
FASTGD_INLINE void many_dot_at(const X *const *x, const W *w, idx j, typename Lanes<W>::V (*sums)[VECTORS]) {
    typename Lanes<W>::V wv[VECTORS];
    for (int v = 0; v < VECTORS; v++) wv[v] = load<W>(w + v * Lanes<W>::N);
    for (int r = 0; r < ROWS_AT_ONCE; r++)
        for (int v = 0; v < VECTORS; v++) sums[r][v] += splat<W>((W)x[r][j]) * wv[v];
}

/* `VECTORS` vectors of p_r = x_r W for four rows. Each half of the columns is summed in order, so that a model has the
 * same bits in whichever lane, and next to whomever, it is; the halves of a single vector together, to keep eight sums
 * on the way. */
template <int VECTORS, typename X, typename W>
FASTGD_INLINE void many_dot_tile(const X *const *x, const W *w, idx d, idx width, W *p) {
    typename Lanes<W>::V low[ROWS_AT_ONCE][VECTORS], high[ROWS_AT_ONCE][VECTORS];
    const idx half = d / 2;
    for (int r = 0; r < ROWS_AT_ONCE; r++)
        for (int v = 0; v < VECTORS; v++) low[r][v] = high[r][v] = splat<W>(0);
    for (idx j = 0; j < half; j++) {
        many_dot_at<VECTORS>(x, w + j * width, j, low);
        if (VECTORS == 1) many_dot_at<VECTORS>(x, w + (half + j) * width, half + j, high);
    }
    for (idx j = VECTORS == 1 ? 2 * half : half; j < d; j++) many_dot_at<VECTORS>(x, w + j * width, j, high);
    for (int r = 0; r < ROWS_AT_ONCE; r++)
        for (int v = 0; v < VECTORS; v++) store<W>(p + r * width + v * Lanes<W>::N, low[r][v] + high[r][v]);
}

/* p_r = x_r W for four rows; p is 4 x width. */
template <typename X, typename W> inline void many_dot(const X *const *x, const W *w, idx d, idx width, W *p) {
    enum { N = Lanes<W>::N };
    idx m = 0;
    for (; m + 2 * N <= width; m += 2 * N) many_dot_tile<2>(x, w + m, d, width, p + m);
    if (m < width) many_dot_tile<1>(x, w + m, d, width, p + m);
}

template <int VECTORS, typename X, typename W>
FASTGD_INLINE void many_axpy_tile(const X *const *x, const W *u, idx d, idx width, W *w) {
    typedef typename Lanes<W>::V V;
    enum { N = Lanes<W>::N };
    V uv[ROWS_AT_ONCE][VECTORS];
    for (int r = 0; r < ROWS_AT_ONCE; r++)
        for (int v = 0; v < VECTORS; v++) uv[r][v] = load<W>(u + r * width + v * N);
    for (idx j = 0; j < d; j++) {
        V wv[VECTORS];
        for (int v = 0; v < VECTORS; v++) wv[v] = load<W>(w + j * width + v * N);
        for (int r = 0; r < ROWS_AT_ONCE; r++) {
            const V xv = splat<W>((W)x[r][j]);
            for (int v = 0; v < VECTORS; v++) wv[v] += xv * uv[r][v];
        }
        for (int v = 0; v < VECTORS; v++) store<W>(w + j * width + v * N, wv[v]);
    }
}

/* W += sum_r x_r' u_r for four rows; u is 4 x width. */
template <typename X, typename W> inline void many_axpy(const X *const *x, const W *u, idx d, idx width, W *w) {
    enum { N = Lanes<W>::N };
    idx m = 0;
    for (; m + 2 * N <= width; m += 2 * N) many_axpy_tile<2>(x, u + m, d, width, w + m);
    if (m < width) many_axpy_tile<1>(x, u + m, d, width, w + m);
}

/* The Gram matrix of four rows (lower triangle and diagonal); the next four are prefetched meanwhile. */
template <typename X, typename W> struct GramBody {
    typedef typename Lanes<W>::V V;
    const X *const *x;
    const X *const *ahead;
    V g[10];
    template <typename R> FASTGD_INLINE void at(idx j, R a, R b, R c, R e) {
        const V av = a(j), bv = b(j), cv = c(j), ev = e(j);
        g[0] += av * av;
        g[1] += bv * av;
        g[2] += bv * bv;
        g[3] += cv * av;
        g[4] += cv * bv;
        g[5] += cv * cv;
        g[6] += ev * av;
        g[7] += ev * bv;
        g[8] += ev * cv;
        g[9] += ev * ev;
    }
    template <int k> FASTGD_INLINE void full(idx j) {
        if (k == 0)
            for (int r = 0; r < ROWS_AT_ONCE; r++) FASTGD_PREFETCH(ahead[r] + j);
        at(j, Row<W, X>(x[0]), Row<W, X>(x[1]), Row<W, X>(x[2]), Row<W, X>(x[3]));
    }
    FASTGD_INLINE void tail(idx j, idx n) {
        at(j, Tail<W, X>(x[0], n), Tail<W, X>(x[1], n), Tail<W, X>(x[2], n), Tail<W, X>(x[3], n));
    }
};

/* The weights only tell the type to add in. */
template <typename X, typename W>
inline void many_gram(const X *const *x, const X *const *ahead, const W *, idx d, double *g) {
    GramBody<X, W> b;
    b.x = x;
    b.ahead = ahead;
    for (int k = 0; k < 10; k++) b.g[k] = splat<W>(0);
    sweep<W>(d, b);
    for (int r = 0, k = 0; r < ROWS_AT_ONCE; r++) {
        FASTGD_PREFETCH((const char *)(ahead[r] + d) - 1);
        for (int s = 0; s <= r; s++, k++) g[r * ROWS_AT_ONCE + s] = sum<W>(b.g[k]);
    }
}

/* A row to come, where no Gram matrix is taken of it. */
template <typename X> inline void many_prefetch(const X *x, idx d) {
    for (idx j = 0; j < d; j += CACHE_LINE / (idx)sizeof(X)) FASTGD_PREFETCH(x + j);
    FASTGD_PREFETCH((const char *)(x + d) - 1);
}

/* ---- CSR passes -------------------------------------------------------------------------------------- */

/* Every fourth value of the row belongs to one of four sums, whatever the tile: see many_dot_tile. */
template <int VECTORS, typename X, typename W, typename I>
FASTGD_INLINE void many_csr_dot_tile(const X *x, const I *col, idx nnz, const W *w, idx stride, W *p) {
    typedef typename Lanes<W>::V V;
    enum { N = Lanes<W>::N };
    V sums[4][VECTORS];
    for (int q = 0; q < 4; q++)
        for (int v = 0; v < VECTORS; v++) sums[q][v] = splat<W>(0);
    idx k = 0;
    for (; k + 4 <= nnz; k += 4)
        for (int q = 0; q < 4; q++)
            for (int v = 0; v < VECTORS; v++)
                sums[q][v] += splat<W>((W)x[k + q]) * load<W>(w + (idx)col[k + q] * stride + v * N);
    for (int q = 0; q < 3; q++)
        if (k + q < nnz)
            for (int v = 0; v < VECTORS; v++)
                sums[q][v] += splat<W>((W)x[k + q]) * load<W>(w + (idx)col[k + q] * stride + v * N);
    for (int v = 0; v < VECTORS; v++) store<W>(p + v * N, (sums[0][v] + sums[2][v]) + (sums[1][v] + sums[3][v]));
}

template <int VECTORS, typename X, typename W, typename I>
FASTGD_INLINE void many_csr_axpy_tile(const X *x, const I *col, idx nnz, const W *u, W *w, idx width) {
    typedef typename Lanes<W>::V V;
    enum { N = Lanes<W>::N };
    V uv[VECTORS];
    for (int v = 0; v < VECTORS; v++) uv[v] = load<W>(u + v * N);
    for (idx k = 0; k < nnz; k++) {
        W *const at = w + (idx)col[k] * width;
        const V xv = splat<W>((W)x[k]);
        for (int v = 0; v < VECTORS; v++) store<W>(at + v * N, load<W>(at + v * N) + xv * uv[v]);
    }
}

/* The same for LANES models, half a vector of them or fewer; p has room for a vector. */
template <int LANES, typename X, typename W, typename I>
inline void many_csr_dot_few(const X *x, const I *col, idx nnz, const W *w, W *p) {
    typedef typename Half<W>::V V;
    V sums[4] = {};
    idx k = 0;
    for (; k + 4 <= nnz; k += 4)
        for (int q = 0; q < 4; q++)
            sums[q] += splat_half<W>((W)x[k + q]) * load_few<LANES>(w + (idx)col[k + q] * LANES);
    for (int q = 0; q < 3; q++)
        if (k + q < nnz) sums[q] += splat_half<W>((W)x[k + q]) * load_few<LANES>(w + (idx)col[k + q] * LANES);
    store<W>(p, splat<W>(0));
    store_few<LANES>(p, (sums[0] + sums[2]) + (sums[1] + sums[3]));
}

template <int LANES, typename X, typename W, typename I>
inline void many_csr_axpy_few(const X *x, const I *col, idx nnz, const W *u, W *w) {
    const typename Half<W>::V uv = load_few<LANES>(u);
    for (idx k = 0; k < nnz; k++) {
        W *const at = w + (idx)col[k] * LANES;
        store_few<LANES>(at, load_few<LANES>(at) + splat_half<W>((W)x[k]) * uv);
    }
}

/* The weights that a row will need, where it is short: the requests of a long one would hold up the row at hand. */
template <typename W, typename I> inline void many_prefetch_weights(const W *w, const I *col, idx nnz, idx stride) {
    if (nnz * stride * (idx)sizeof(W) > 4096) return;
    for (idx k = 0; k < nnz; k++)
        for (idx m = 0; m < stride; m += CACHE_LINE / (idx)sizeof(W)) FASTGD_PREFETCH(w + (idx)col[k] * stride + m);
}

/* p = x W for one row. */
template <typename X, typename W, typename I>
inline void many_csr_dot(const X *x, const I *col, idx nnz, const W *w, idx stride, W *p) {
    enum { N = Lanes<W>::N };
    if (stride == 1) return many_csr_dot_few<1>(x, col, nnz, w, p);
    if (stride == 2) return many_csr_dot_few<2>(x, col, nnz, w, p);
    if (stride < N) return many_csr_dot_few<N / 2>(x, col, nnz, w, p);
    idx m = 0;
    for (; m + 2 * N <= stride; m += 2 * N) many_csr_dot_tile<2>(x, col, nnz, w + m, stride, p + m);
    if (m < stride) many_csr_dot_tile<1>(x, col, nnz, w + m, stride, p + m);
}

/* W += x' u for one row. */
template <typename X, typename W, typename I>
inline void many_csr_axpy(const X *x, const I *col, idx nnz, const W *u, W *w, idx stride) {
    enum { N = Lanes<W>::N };
    if (stride == 1) return many_csr_axpy_few<1>(x, col, nnz, u, w);
    if (stride == 2) return many_csr_axpy_few<2>(x, col, nnz, u, w);
    if (stride < N) return many_csr_axpy_few<N / 2>(x, col, nnz, u, w);
    idx m = 0;
    for (; m + 4 * N <= stride; m += 4 * N) many_csr_axpy_tile<4>(x, col, nnz, u + m, w + m, stride);
    for (; m + 2 * N <= stride; m += 2 * N) many_csr_axpy_tile<2>(x, col, nnz, u + m, w + m, stride);
    if (m < stride) many_csr_axpy_tile<1>(x, col, nnz, u + m, w + m, stride);
}

/* The values of a dense row that are not zero, and their columns; returns how many. Both arrays have room for a
 * vector more than d. The row `ahead` is prefetched meanwhile. */
template <typename X> inline idx many_compress_from(const X *x, idx j, idx d, X *values, int32_t *columns, idx n) {
    for (; j < d; j++) {
        values[n] = x[j];
        columns[n] = (int32_t)j;
        n += x[j] != 0;
    }
    return n;
}
template <typename X> inline idx many_compress(const X *x, const X *ahead, idx d, X *values, int32_t *columns) {
    many_prefetch(ahead, d);
    return many_compress_from(x, 0, d, values, columns, 0);
}

#if defined(__AVX2__) && defined(FASTGD_VECTOR_EXTENSIONS)
/* For each set of lanes: those lanes first, in order. */
template <int LANES> struct Moves {
    int32_t to[1 << LANES][LANES];
    constexpr Moves() : to() {
        for (int mask = 0; mask < 1 << LANES; mask++)
            for (int lane = 0, n = 0; lane < LANES; lane++)
                if (mask >> lane & 1) to[mask][n++] = lane;
    }
};
static constexpr Moves<8> MOVES8{};
static constexpr Moves<4> MOVES4{};

template <> inline idx many_compress(const float *x, const float *ahead, idx d, float *values, int32_t *columns) {
    idx n = 0, j = 0;
    FASTGD_PREFETCH((const char *)(ahead + d) - 1);
    for (; j + 8 <= d; j += 8) {
        FASTGD_PREFETCH(ahead + j);
        const __m256 v = _mm256_loadu_ps(x + j);
        const int mask = _mm256_movemask_ps(_mm256_cmp_ps(v, _mm256_setzero_ps(), _CMP_NEQ_UQ));
        const __m256i move = _mm256_loadu_si256((const __m256i *)MOVES8.to[mask]);
        _mm256_storeu_ps(values + n, _mm256_permutevar8x32_ps(v, move));
        _mm256_storeu_si256((__m256i *)(columns + n), _mm256_add_epi32(move, _mm256_set1_epi32((int)j)));
        n += __builtin_popcount(mask);
    }
    return many_compress_from(x, j, d, values, columns, n);
}
template <> inline idx many_compress(const double *x, const double *ahead, idx d, double *values, int32_t *columns) {
    idx n = 0, j = 0;
    FASTGD_PREFETCH((const char *)(ahead + d) - 1);
    for (; j + 4 <= d; j += 4) {
        FASTGD_PREFETCH(ahead + j);
        const __m256d v = _mm256_loadu_pd(x + j);
        const int mask = _mm256_movemask_pd(_mm256_cmp_pd(v, _mm256_setzero_pd(), _CMP_NEQ_UQ));
        const __m128i move = _mm_loadu_si128((const __m128i *)MOVES4.to[mask]);
        const __m128i low = _mm_add_epi32(move, move); /* a double's lanes, as lanes of float */
        const __m256i both = _mm256_or_si256(_mm256_cvtepu32_epi64(low),
                                             _mm256_slli_epi64(_mm256_cvtepu32_epi64(_mm_add_epi32(low, _mm_set1_epi32(1))), 32));
        _mm256_storeu_pd(values + n, _mm256_castps_pd(_mm256_permutevar8x32_ps(_mm256_castpd_ps(v), both)));
        _mm_storeu_si128((__m128i *)(columns + n), _mm_add_epi32(move, _mm_set1_epi32((int)j)));
        n += __builtin_popcount(mask);
    }
    return many_compress_from(x, j, d, values, columns, n);
}
#endif

template <typename X> inline double squares(const X *x, idx n) {
    double total = 0;
    FASTGD_SIMD_SUM(total)
    for (idx k = 0; k < n; k++) total += (double)x[k] * (double)x[k];
    return total;
}

/* ---- steps ------------------------------------------------------------------------------------------- */

/* What the models are and how far they have come: arrays of `width` numbers each. */
struct Models {
    idx width, stride;
    idx classes; /* softmax: each model has so many neighbouring lanes; else 1 */
    int loss, fit_intercept;
    double smallest;                                       /* scale below which it goes into the weights */
    double *parameter, *l2, *positive, *negative, *target; /* fixed; target: label, or column of y */
    double *intercept, *scale, *carried, *sq;              /* as of the single model (model.pxi) */
    double *loss_sum, *product, *penalty_sum;              /* of the epoch; loss_sum lacks log(product) */
    double *eta, *y, *weight;                              /* of the row, or the batch, at hand */
    double *fold;                                          /* out: what has to go into the weights, or 1 */
};

/* Targets and weights of a row whose label is `code`. */
inline void many_labels(const Models *s, double code, double weight) {
    FASTGD_SIMD
    for (idx m = 0; m < s->width; m++) {
        const bool is = s->target[m] == code;
        s->y[m] = is ? 1.0 : -1.0;
        s->weight[m] = weight * (is ? s->positive[m] : s->negative[m]);
    }
}

/* p += the steps of the block's earlier rows: r of them in u, g: x_r . x_s. */
template <typename W>
FASTGD_INLINE void many_correct(const Models *s, W *FASTGD_RESTRICT p, const W *FASTGD_RESTRICT u, const double *g, int r) {
    const idx width = s->width;
    for (int q = 0; q < r; q++) {
        const W gq = (W)g[q];
        FASTGD_SIMD
        for (idx m = 0; m < width; m++) p[m] += u[q * width + m] * gq;
    }
}

/* A row's losses into loss_sum and product, and their gradients in place of the targets y; p = x W. In batches
 * (WEIGHED) losses count by the row's weight. A loop of its own: its long chains overlap from lane to lane only while
 * the loop is short. Not inlined: compilers vectorise it only where they see it alone. */
template <typename Loss, typename W> struct Precision { typedef double T; };
template <typename Loss> struct Precision<Loss, float> { typedef typename Loss::Single T; };
template <typename Loss, bool WEIGHED, typename W> FASTGD_NOINLINE void many_gradients_as(const Models *s, const W *p) {
    typedef typename Precision<Loss, W>::T T;
    double *FASTGD_RESTRICT y = s->y, *FASTGD_RESTRICT losses = s->loss_sum, *FASTGD_RESTRICT products = s->product;
    const double *FASTGD_RESTRICT scale = s->scale, *FASTGD_RESTRICT intercept = s->intercept;
    const double *FASTGD_RESTRICT parameter = s->parameter, *FASTGD_RESTRICT weight = s->weight;
    FASTGD_SIMD
    for (idx m = 0; m < s->width; m++) {
        const double raw = scale[m] * (double)p[m] + intercept[m];
        T value, product, slope;
        Loss::both((T)y[m], (T)raw, (T)parameter[m], &value, &product, &slope);
        if (WEIGHED) {
            losses[m] += weight[m] * Loss::value(y[m], raw, parameter[m]);
        } else {
            losses[m] += value;
            products[m] *= product;
        }
        y[m] = Loss::clipped(slope / product);
    }
}

/* The same of a softmax, for a row whose label is `code`; the loss goes to the first lane of each model, the row's
 * weight to all. */
template <bool WEIGHED, typename W> FASTGD_NOINLINE void many_softmax(const Models *s, const W *p, idx code, double weight) {
    const idx classes = s->classes;
    double *FASTGD_RESTRICT y = s->y;
    const double *FASTGD_RESTRICT scale = s->scale, *FASTGD_RESTRICT intercept = s->intercept;
    FASTGD_SIMD
    for (idx m = 0; m < s->width; m++) y[m] = scale[m] * (double)p[m] + intercept[m];
    for (idx first = 0; first + classes <= s->width; first += classes) {
        double *FASTGD_RESTRICT raw = y + first;
        const double own = weight * s->positive[first + code], right = raw[code];
        double largest = raw[0], sum = 0;
        for (idx c = 1; c < classes; c++) largest = raw[c] > largest ? raw[c] : largest;
        FASTGD_SIMD_SUM(sum)
        for (idx c = 0; c < classes; c++) {
            raw[c] = exp_down((W)(raw[c] - largest));
            sum += raw[c];
        }
        const double inverse = 1 / sum;
        FASTGD_SIMD
        for (idx c = 0; c < classes; c++) {
            raw[c] *= inverse;
            s->weight[first + c] = own;
        }
        raw[code] -= 1;
        s->loss_sum[first] += (WEIGHED ? own : 1) * (log(sum) + largest - right);
    }
}

template <bool WEIGHED, typename W>
inline void many_gradients(const Models *s, const W *p, idx code, double weight) {
    if (s->classes > 1) return many_softmax<WEIGHED>(s, p, code, weight);
    switch (s->loss) {
#define FASTGD_CASE(name, type, task, parameter, default_)                                          \
    case LOSS_##name:                                                                               \
        return many_gradients_as<type, WEIGHED>(s, p);
        FASTGD_LOSSES(FASTGD_CASE)
#undef FASTGD_CASE
    }
}

/* Stochastic step of all models on a row with p = x W and xx = x . x, from the gradients in y; u receives the row's
 * coefficients in the unscaled weights. Returns FADED if `fold` has anything to put into the weights first, and STEPPED
 * if any coefficient is not zero. */
enum { FADED = 1, STEPPED = 2 };
template <typename W> FASTGD_NOINLINE int many_move(const Models *s, const W *p, W *u, double xx) {
    const double fit_intercept = s->fit_intercept, smallest = s->smallest;
    const double *FASTGD_RESTRICT eta = s->eta, *FASTGD_RESTRICT gradient = s->y, *FASTGD_RESTRICT weight = s->weight;
    const double *FASTGD_RESTRICT l2 = s->l2, *FASTGD_RESTRICT carried = s->carried;
    double *FASTGD_RESTRICT intercept = s->intercept, *FASTGD_RESTRICT scale = s->scale, *FASTGD_RESTRICT sq = s->sq;
    double *FASTGD_RESTRICT penalties = s->penalty_sum, *FASTGD_RESTRICT fold = s->fold;
    int outcome = 0;
    FASTGD_SIMD_ANY(outcome)
    for (idx m = 0; m < s->width; m++) {
        const double wx = scale[m] * (double)p[m];
        const double shrunk = 1.0 - l2[m] * eta[m], factor = shrunk > 0.0 ? shrunk : 0.0;
        const double after = scale[m] * factor, update = -eta[m] * weight[m] * gradient[m];
        const bool fades = after * carried[m] < smallest;
        penalties[m] += 0.5 * l2[m] * (sq[m] > 0.0 ? sq[m] : 0.0);
        sq[m] = factor * factor * sq[m] + update * (2.0 * factor * wx + update * xx);
        intercept[m] += fit_intercept * update;
        fold[m] = fades ? after : 1.0;
        scale[m] = fades ? 1.0 : after;
        u[m] = (W)(update / scale[m]);
        outcome |= (fades ? FADED : 0) | (update != 0.0 ? STEPPED : 0);
    }
    return outcome;
}

/* Stochastic step on row r of a block. */
template <typename W>
inline int many_step(const Models *s, W *p, W *u, const double *g, int r, double xx, idx code, double weight) {
    many_correct(s, p, u, g, r);
    many_gradients<false>(s, p, code, weight);
    return many_move(s, p, u + r * s->width, xx);
}

/* A row's share of a batch's step, minus the weighted gradient, into u; its sum over rows into `total`. */
template <typename W>
inline void many_pull(const Models *s, const W *p, W *FASTGD_RESTRICT u, double *FASTGD_RESTRICT total, idx code,
                      double weight) {
    many_gradients<true>(s, p, code, weight);
    FASTGD_SIMD
    for (idx m = 0; m < s->width; m++) {
        const double pull = -s->weight[m] * s->y[m];
        total[m] += pull;
        u[m] = (W)pull;
    }
}

/* A batch's step, as far as it is not on the weights: `total` is the sum of the rows' pulls, c receives what it is
 * multiplied with in the unscaled weights. Returns as `many_step`. */
inline bool many_batch(const Models *s, double *total, double rows, double *c) {
    int faded = 0;
    for (idx m = 0; m < s->width; m++) {
        const double shrunk = 1.0 - s->l2[m] * s->eta[m], factor = shrunk > 0.0 ? shrunk : 0.0;
        const double rate = s->eta[m] / rows, after = s->scale[m] * factor;
        const bool fades = after * s->carried[m] < s->smallest;
        s->penalty_sum[m] += rows * 0.5 * s->l2[m] * (s->sq[m] > 0.0 ? s->sq[m] : 0.0);
        s->sq[m] *= factor * factor;
        s->intercept[m] += s->fit_intercept * (rate * total[m]); /* rounded as for one model */
        s->fold[m] = fades ? after : 1.0;
        s->scale[m] = fades ? 1.0 : after;
        c[m] = rate / s->scale[m];
        total[m] = 0;
        faded |= fades;
    }
    return faded != 0;
}

/* Products of losses into their sums, before they overflow. */
inline void many_flush(const Models *s) {
    for (idx m = 0; m < s->width; m++) {
        s->loss_sum[m] += log(s->product[m]);
        s->product[m] = 1;
    }
}

/* ---- passes over the weights ------------------------------------------------------------------------- */

/* The step of a dense batch, W += c g with one c per model, and the norms after it; g is left at zero. */
template <typename W> inline void many_add(const Models *s, W *w, W *g, idx d, const double *c) {
    const idx width = s->width, stride = s->stride;
    double *FASTGD_RESTRICT sq = s->sq;
    for (idx m = 0; m < width; m++) sq[m] = 0;
    for (idx j = 0; j < d; j++, w += stride, g += stride) {
        FASTGD_SIMD
        for (idx m = 0; m < stride; m++) {
            w[m] += (W)c[m] * g[m];
            sq[m] += (double)w[m] * (double)w[m];
            g[m] = 0;
        }
    }
    for (idx m = 0; m < width; m++) sq[m] *= s->scale[m] * s->scale[m];
}

/* W += x' (c u) for a CSR row of a batch; `growth` gains what w . w does. */
template <typename X, typename W, typename I>
inline void many_csr_add(const Models *s, const X *x, const I *col, idx nnz, const W *u, const double *c, W *w,
                         double *FASTGD_RESTRICT growth) {
    const idx stride = s->stride;
    for (idx k = 0; k < nnz; k++) {
        W *const at = w + (idx)col[k] * stride;
        const W xk = (W)x[k];
        FASTGD_SIMD
        for (idx m = 0; m < stride; m++) {
            const W old = at[m], step = (W)c[m] * u[m] * xk;
            at[m] = old + step;
            growth[m] += (double)step * (2 * (double)old + (double)step);
        }
    }
}

/* Put `fold` into the weights, and into `rows` rows of block[], `width` apart. */
template <typename W> inline void many_fold(const Models *s, W *w, idx d, W *block, int rows) {
    for (idx m = 0; m < s->width; m++) {
        if (s->fold[m] == 1) continue;
        for (idx j = 0; m < s->stride && j < d; j++) w[j * s->stride + m] *= (W)s->fold[m];
        for (int r = 0; r < rows; r++) block[r * s->width + m] *= (W)s->fold[m];
        s->carried[m] = 1;
    }
}

/* End of an epoch: scales into the weights; per model squared norm, sum of absolute values (finite if all of them
 * are), and squared distance to `previous`, which becomes what the weights are now. */
template <typename W>
inline void many_settle(const Models *s, W *w, W *previous, idx d, double *FASTGD_RESTRICT size,
                        double *FASTGD_RESTRICT moved) {
    const idx width = s->width, stride = s->stride;
    double *FASTGD_RESTRICT sq = s->sq, *FASTGD_RESTRICT scale = s->scale;
    for (idx m = 0; m < width; m++) {
        sq[m] = moved[m] = 0;
        size[m] = fabs(s->intercept[m]);
    }
    for (idx j = 0; j < d; j++, w += stride, previous += stride) {
        FASTGD_SIMD
        for (idx m = 0; m < stride; m++) {
            const W now = (W)scale[m] * w[m];
            const double v = now, step = v - (double)previous[m];
            sq[m] += v * v;
            size[m] += fabs(v);
            moved[m] += step * step;
            w[m] = previous[m] = now;
        }
    }
    for (idx m = 0; m < width; m++) {
        s->carried[m] *= scale[m];
        scale[m] = 1;
    }
}

}  // namespace
}  // namespace fastgd

#endif
