/* Passes over rows: every loop that touches X, the weights or the penalty's arrays.
 *
 * A pass reads one row, or a few rows at once, and does all the work those bytes are needed for
 * (axpy of one row and dot of the next, squared norms, truncation, averaging), because the loops of
 * gradient descent are bound by loads, not by arithmetic. The epoch loops that call them are Cython
 * (*.pxi). The arithmetic is written once on 32-byte vectors: GCC and clang lower them to AVX2, to
 * two SSE2 or two NEON registers, as the build's flags allow; other compilers get a plain struct.
 *
 * Conventions
 *   X       type of the data, W of the weights and of the arithmetic, I of CSR indices
 *   w       weights without their scale (the true weight is scale * w), padded with zeros to a
 *           multiple of LANES_MAX elements, so that the last vector of w can be read and written
 *   ahead   the row that will be needed some rows later: one prefetch into L2 per cache line,
 *           spread through the loop (a burst of prefetches in front of it gains nothing)
 * Nothing here allocates, raises or keeps state.
 */
#ifndef FASTGD_PASSES_H
#define FASTGD_PASSES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define FASTGD_INLINE inline __attribute__((always_inline))
#define FASTGD_NOINLINE __attribute__((noinline))
#define FASTGD_RESTRICT __restrict__
#define FASTGD_PREFETCH(address) __builtin_prefetch((address), 0, 2)
#define FASTGD_UNLIKELY(condition) __builtin_expect((condition), 0)
#ifndef FASTGD_NO_VECTOR_EXTENSIONS
#define FASTGD_VECTOR_EXTENSIONS 1
#endif
#elif defined(_MSC_VER)
#define FASTGD_INLINE __forceinline
#define FASTGD_NOINLINE __declspec(noinline)
#define FASTGD_RESTRICT __restrict
#if defined(_M_X64) || defined(_M_IX86)
#include <xmmintrin.h>
#define FASTGD_PREFETCH(address) _mm_prefetch((const char *)(address), _MM_HINT_T1)
#endif
#else
#define FASTGD_INLINE inline
#define FASTGD_NOINLINE
#define FASTGD_RESTRICT
#endif
#ifndef FASTGD_UNLIKELY
#define FASTGD_UNLIKELY(condition) (condition)
#endif
#ifndef FASTGD_PREFETCH
#define FASTGD_PREFETCH(address) ((void)(address))
#endif
#if defined(_OPENMP) || defined(__GNUC__)
#define FASTGD_SIMD_PRAGMA(text) _Pragma(#text)
#define FASTGD_SIMD FASTGD_SIMD_PRAGMA(omp simd)
#define FASTGD_SIMD_SUM(...) FASTGD_SIMD_PRAGMA(omp simd reduction(+ : __VA_ARGS__))
#define FASTGD_SIMD_ANY(...) FASTGD_SIMD_PRAGMA(omp simd reduction(| : __VA_ARGS__))
#define FASTGD_SIMD_SUM_AND_PRODUCT(sum, product) \
    FASTGD_SIMD_PRAGMA(omp simd reduction(+ : sum) reduction(* : product))
#else
#define FASTGD_SIMD_SUM_AND_PRODUCT(sum, product)
#define FASTGD_SIMD_ANY(...)
#define FASTGD_SIMD
#define FASTGD_SIMD_SUM(...)
#endif
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace fastgd {
namespace { /* internal linkage: each build of the kernels keeps its own code */

typedef ptrdiff_t idx;

enum { LANES_MAX = 16, CACHE_LINE = 64 };

FASTGD_INLINE void prefetch(const void *address) { FASTGD_PREFETCH(address); }

/* ---- 32-byte vectors ------------------------------------------------------------------------ */

#ifdef FASTGD_VECTOR_EXTENSIONS
typedef float f32v __attribute__((vector_size(32)));
typedef double f64v __attribute__((vector_size(32)));
typedef float f32x4 __attribute__((vector_size(16)));
typedef double f64x2 __attribute__((vector_size(16)));
template <typename V> FASTGD_INLINE V choose(decltype(V() > V()) mask, V a, V b) { return mask ? a : b; }
/* |v|, and `size` turned by the sign of v. */
template <typename V> FASTGD_INLINE V magnitude(V v) {
    typedef decltype(V() > V()) Bits;
    return (V)((Bits)v & ~(Bits)(-V()));
}
template <typename V> FASTGD_INLINE V signed_as(V size, V v) {
    typedef decltype(V() > V()) Bits;
    return (V)((Bits)size ^ ((Bits)v & (Bits)(-V())));
}
#else
template <typename T> struct Plain {
    enum { N = 32 / sizeof(T) };
    T v[N];
    T &operator[](int i) { return v[i]; }
    T operator[](int i) const { return v[i]; }
};
template <typename T> struct PlainMask { bool v[32 / sizeof(T)]; };
#define FASTGD_PLAIN(op)                                                                            \
    template <typename T> FASTGD_INLINE Plain<T> operator op(Plain<T> a, Plain<T> b) {              \
        for (int i = 0; i < Plain<T>::N; i++) a.v[i] = a.v[i] op b.v[i];                            \
        return a;                                                                                   \
    }
FASTGD_PLAIN(+)
FASTGD_PLAIN(-)
FASTGD_PLAIN(*)
#undef FASTGD_PLAIN
template <typename T> FASTGD_INLINE void operator+=(Plain<T> &a, Plain<T> b) { a = a + b; }
template <typename T> FASTGD_INLINE PlainMask<T> operator>(Plain<T> a, Plain<T> b) {
    PlainMask<T> m;
    for (int i = 0; i < Plain<T>::N; i++) m.v[i] = a.v[i] > b.v[i];
    return m;
}
template <typename T> FASTGD_INLINE Plain<T> choose(PlainMask<T> m, Plain<T> a, Plain<T> b) {
    for (int i = 0; i < Plain<T>::N; i++) a.v[i] = m.v[i] ? a.v[i] : b.v[i];
    return a;
}
template <typename T> FASTGD_INLINE Plain<T> magnitude(Plain<T> v) {
    for (int i = 0; i < Plain<T>::N; i++) v.v[i] = std::fabs(v.v[i]);
    return v;
}
template <typename T> FASTGD_INLINE Plain<T> signed_as(Plain<T> size, Plain<T> v) {
    for (int i = 0; i < Plain<T>::N; i++) size.v[i] = std::signbit(v.v[i]) ? -size.v[i] : size.v[i];
    return size;
}
typedef Plain<float> f32v;
typedef Plain<double> f64v;
#endif
template <typename V> FASTGD_INLINE V larger(V a, V b) { return choose<V>(a > b, a, b); }
template <typename V> FASTGD_INLINE V smaller(V a, V b) { return choose<V>(b > a, a, b); }

template <typename W> struct Lanes;
template <> struct Lanes<float> { typedef f32v V; enum { N = 8 }; };
template <> struct Lanes<double> { typedef f64v V; enum { N = 4 }; };

#ifdef FASTGD_VECTOR_EXTENSIONS
template <typename W> FASTGD_INLINE typename Lanes<W>::V splat(W a) {
    const typename Lanes<W>::V zero = {};
    return a - zero; /* a broadcast; compilers build element by element what is written so */
}
/* Halves, then a tree: the next step waits for this number. */
template <typename H, typename V> FASTGD_INLINE H folded(V v) {
    H low, high;
    memcpy(&low, &v, sizeof low);
    memcpy(&high, (const char *)&v + sizeof low, sizeof high);
    return low + high;
}
FASTGD_INLINE float total(f32v v) {
    const f32x4 h = folded<f32x4>(v);
    return (h[0] + h[2]) + (h[1] + h[3]);
}
FASTGD_INLINE double total(f64v v) {
    const f64x2 h = folded<f64x2>(v);
    return h[0] + h[1];
}
#else
template <typename W> FASTGD_INLINE typename Lanes<W>::V splat(W a) {
    typename Lanes<W>::V v;
    for (int i = 0; i < Lanes<W>::N; i++) v[i] = a;
    return v;
}
template <typename T> FASTGD_INLINE T total(Plain<T> v) {
    for (int n = Plain<T>::N / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++) v[i] += v[i + n];
    return v[0];
}
#endif
/* Half a vector, or the first LANES elements of one. */
#ifdef FASTGD_VECTOR_EXTENSIONS
template <typename W> struct Half;
template <> struct Half<float> { typedef f32x4 V; enum { N = 4 }; };
template <> struct Half<double> { typedef f64x2 V; enum { N = 2 }; };
template <typename W> FASTGD_INLINE typename Half<W>::V splat_half(W a) {
    const typename Half<W>::V zero = {};
    return a - zero;
}
#else
template <typename W> struct Half { typedef typename Lanes<W>::V V; enum { N = Lanes<W>::N }; };
template <typename W> FASTGD_INLINE typename Half<W>::V splat_half(W a) { return splat<W>(a); }
#endif
template <int LANES, typename W> FASTGD_INLINE typename Half<W>::V load_few(const W *p) {
    typename Half<W>::V v = {};
    if (LANES == Half<W>::N) memcpy(&v, p, sizeof v);
    else
        for (int i = 0; i < LANES; i++) v[i] = p[i];
    return v;
}
template <int LANES, typename W> FASTGD_INLINE void store_few(W *p, typename Half<W>::V v) {
    if (LANES == Half<W>::N) memcpy(p, &v, sizeof v);
    else
        for (int i = 0; i < LANES; i++) p[i] = v[i];
}
template <typename W> FASTGD_INLINE double sum(typename Lanes<W>::V v) { return total(v); }

/* Loads convert from the type of X to the type of the weights. `full` reads a vector, `tail` the last
 * 1 ... N-1 elements of a row with zeros behind them: rows of X are not padded, and what follows the
 * last one may not be ours. `inside` says that a whole vector lies before the tail. */
template <typename W, typename X> struct Loader {
    typedef typename Lanes<W>::V V;
    static FASTGD_INLINE V full(const X *p) {
        V v;
        for (int i = 0; i < Lanes<W>::N; i++) v[i] = (W)p[i];
        return v;
    }
    static FASTGD_INLINE V tail(const X *p, idx n, bool) {
        V v = splat<W>(0);
        for (idx i = 0; i < n; i++) v[i] = (W)p[i];
        return v;
    }
};
template <typename W> FASTGD_INLINE typename Lanes<W>::V load(const W *p) {
    typename Lanes<W>::V v;
    memcpy(&v, p, sizeof v);
    return v;
}
template <typename W> FASTGD_INLINE void store(W *p, typename Lanes<W>::V v) { memcpy(p, &v, sizeof v); }

#if defined(__AVX2__) && defined(FASTGD_VECTOR_EXTENSIONS)
/* A masked load still waits for the cache line behind the row, which nobody prefetched. So the tail is
 * read as the end of the vector that ends with the row, and moved to the front. */
static const int32_t LEADING[16] = {-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0};
static const int32_t MOVE8[16] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0};
FASTGD_INLINE __m256i leading8(idx n) { return _mm256_loadu_si256((const __m256i *)(LEADING + 8 - n)); }
FASTGD_INLINE __m128i leading4(idx n) { return _mm_loadu_si128((const __m128i *)(LEADING + 8 - n)); }
FASTGD_INLINE __m256 last8(__m256 v, idx n) {
    const __m256i move = _mm256_loadu_si256((const __m256i *)(MOVE8 + 8 - n));
    return _mm256_and_ps(_mm256_permutevar8x32_ps(v, move), _mm256_castsi256_ps(leading8(n)));
}
template <> struct Loader<float, float> {
    static FASTGD_INLINE f32v full(const float *p) { return load<float>(p); }
    static FASTGD_INLINE f32v tail(const float *p, idx n, bool inside) {
        return (f32v)(inside ? last8(_mm256_loadu_ps(p + n - 8), n) : _mm256_maskload_ps(p, leading8(n)));
    }
};
template <> struct Loader<double, double> {
    static FASTGD_INLINE f64v full(const double *p) { return load<double>(p); }
    static FASTGD_INLINE f64v tail(const double *p, idx n, bool inside) {
        return inside ? (f64v)last8(_mm256_castpd_ps(_mm256_loadu_pd(p + n - 4)), 2 * n)
                      : (f64v)_mm256_maskload_pd(p, leading8(2 * n));
    }
};
template <> struct Loader<double, float> {
    static FASTGD_INLINE f64v full(const float *p) { return (f64v)_mm256_cvtps_pd(_mm_loadu_ps(p)); }
    static FASTGD_INLINE f64v tail(const float *p, idx n, bool inside) {
        if (!inside) return (f64v)_mm256_cvtps_pd(_mm_maskload_ps(p, leading4(n)));
        const __m128i move = _mm_loadu_si128((const __m128i *)(MOVE8 + 4 - n));
        const __m128 v = _mm_permutevar_ps(_mm_loadu_ps(p + n - 4), move);
        return (f64v)_mm256_cvtps_pd(_mm_and_ps(v, _mm_castsi128_ps(leading4(n))));
    }
};
#endif

template <typename W, typename X> struct Row {
    const X *x;
    explicit FASTGD_INLINE Row(const X *x_) : x(x_) {}
    FASTGD_INLINE typename Lanes<W>::V operator()(idx j) const { return Loader<W, X>::full(x + j); }
};
template <typename W, typename X> struct Tail {
    const X *x;
    idx n;
    FASTGD_INLINE Tail(const X *x_, idx n_) : x(x_), n(n_) {}
    FASTGD_INLINE typename Lanes<W>::V operator()(idx j) const { return Loader<W, X>::tail(x + j, n, j > 0); }
};

/* Two vectors a turn: two independent sums hide the latency of the fused multiply-add. A body has
 * full<k>(j), which adds a whole vector to its k-th sum, and tail(j, n) for what is left. */
template <typename W, typename Body> FASTGD_INLINE void sweep(idx d, Body &body) {
    const idx n = Lanes<W>::N;
    idx j = 0;
    for (; j + 2 * n <= d; j += 2 * n) {
        body.template full<0>(j);
        body.template full<1>(j + n);
    }
    if (j + n <= d) {
        body.template full<0>(j);
        j += n;
    }
    if (j < d) body.tail(j, d - j);
}

/* ---- dense passes ---------------------------------------------------------------------------- */

/* p = w . x and, for the norm of the weights and the passive-aggressive rules, xx = x . x. */
template <typename X, typename W> struct DotBody {
    typedef typename Lanes<W>::V V;
    const X *x;
    const char *ahead;
    const W *w;
    V p[2], xx[2];
    template <int k, typename R> FASTGD_INLINE void at(idx j, R row) {
        const V xv = row(j);
        p[k] += load<W>(w + j) * xv;
        xx[k] += xv * xv;
    }
    template <int k> FASTGD_INLINE void full(idx j) {
        if (k == 0) FASTGD_PREFETCH(ahead + j * sizeof(X));
        at<k>(j, Row<W, X>(x));
    }
    FASTGD_INLINE void tail(idx j, idx n) { at<0>(j, Tail<W, X>(x, n)); }
};

template <typename X, typename W>
inline void dot(const X *x, const X *ahead, const W *w, idx d, double *p, double *xx) {
    DotBody<X, W> b;
    b.x = x;
    b.ahead = (const char *)ahead;
    FASTGD_PREFETCH((const char *)(ahead + d) - 1);
    b.w = w;
    b.p[0] = b.p[1] = b.xx[0] = b.xx[1] = splat<W>(0);
    sweep<W>(d, b);
    *p = sum<W>(b.p[0] + b.p[1]);
    *xx = sum<W>(b.xx[0] + b.xx[1]);
}

/* The step on a row that is at hand: w += c x, and xx = x . x. */
template <typename X, typename W> struct AxpyBody {
    typedef typename Lanes<W>::V V;
    const X *x;
    W *w;
    V c, xx[2];
    template <int k, typename R> FASTGD_INLINE void at(idx j, R row) {
        const V xv = row(j);
        store<W>(w + j, load<W>(w + j) + c * xv);
        xx[k] += xv * xv;
    }
    template <int k> FASTGD_INLINE void full(idx j) { at<k>(j, Row<W, X>(x)); }
    FASTGD_INLINE void tail(idx j, idx n) { at<0>(j, Tail<W, X>(x, n)); }
};

template <typename X, typename W> inline double axpy(const X *x, W *w, double c, idx d) {
    AxpyBody<X, W> b;
    b.x = x;
    b.w = w;
    b.c = splat<W>((W)c);
    b.xx[0] = b.xx[1] = splat<W>(0);
    sweep<W>(d, b);
    return sum<W>(b.xx[0] + b.xx[1]);
}

/* The prediction alone, for losses that leave most rows as they are. */
template <typename X, typename W> struct PredictBody {
    typedef typename Lanes<W>::V V;
    const X *x;
    const char *ahead;
    const W *w;
    V p[2];
    template <int k> FASTGD_INLINE void full(idx j) {
        if (k == 0) FASTGD_PREFETCH(ahead + j * sizeof(X));
        p[k] += load<W>(w + j) * Loader<W, X>::full(x + j);
    }
    FASTGD_INLINE void tail(idx j, idx n) { p[0] += load<W>(w + j) * Loader<W, X>::tail(x + j, n, j > 0); }
};

template <typename X, typename W> inline double predict(const X *x, const X *ahead, const W *w, idx d) {
    PredictBody<X, W> b;
    b.x = x;
    b.ahead = (const char *)ahead;
    FASTGD_PREFETCH((const char *)(ahead + d) - 1);
    b.w = w;
    b.p[0] = b.p[1] = splat<W>(0);
    sweep<W>(d, b);
    return sum<W>(b.p[0] + b.p[1]);
}

/* x . y of two rows of X: how much the step on one row moves the prediction of another.
 * The weights only tell the type to add in. */
template <typename X, typename W> inline double gram(const X *x, const X *y, const W *, idx d) {
    typedef typename Lanes<W>::V V;
    V a = splat<W>(0);
    idx j = 0;
    for (; j + Lanes<W>::N <= d; j += Lanes<W>::N) a += Loader<W, X>::full(x + j) * Loader<W, X>::full(y + j);
    if (j < d) a += Loader<W, X>::tail(x + j, d - j, j > 0) * Loader<W, X>::tail(y + j, d - j, j > 0);
    return sum<W>(a);
}

/* The pipelined pass, penalties none and l2:  w += c x0;  p = w . x2;  g = x1 . x2;  xx = x2 . x2.
 * While it runs, the step of row 1 is already known, so that its own prediction (p + c1 g of the
 * pass before) never waits for a whole pass, nor the pass for the loss's exponential. */
template <typename X, typename W, bool AVERAGE> struct PipeBody {
    typedef typename Lanes<W>::V V;
    const X *x0, *x1, *x2;
    const char *ahead;
    W *w, *average;
    V c, average_c, p[2], g[2], xx[2];
    template <int k, typename R> FASTGD_INLINE void at(idx j, R r0, R r1, R r2) {
        const V a = r0(j), b = r2(j), wv = load<W>(w + j) + c * a;
        if (AVERAGE) store<W>(average + j, load<W>(average + j) + average_c * a);
        store<W>(w + j, wv);
        p[k] += wv * b;
        g[k] += r1(j) * b;
        xx[k] += b * b;
    }
    template <int k> FASTGD_INLINE void full(idx j) {
        if (k == 0) FASTGD_PREFETCH(ahead + j * sizeof(X));
        at<k>(j, Row<W, X>(x0), Row<W, X>(x1), Row<W, X>(x2));
    }
    FASTGD_INLINE void tail(idx j, idx n) { at<0>(j, Tail<W, X>(x0, n), Tail<W, X>(x1, n), Tail<W, X>(x2, n)); }
};

template <bool AVERAGE, typename X, typename W>
inline void pipe_as(const X *x0, const X *x1, const X *x2, const X *ahead, W *w, double c, W *average,
                    double average_c, idx d, double *p, double *g, double *xx) {
    PipeBody<X, W, AVERAGE> b;
    b.x0 = x0;
    b.x1 = x1;
    b.x2 = x2;
    b.ahead = (const char *)ahead;
    FASTGD_PREFETCH((const char *)(ahead + d) - 1); /* rows seldom begin a cache line: one more */
    b.w = w;
    b.average = average;
    b.c = splat<W>((W)c);
    b.average_c = splat<W>((W)average_c);
    b.p[0] = b.p[1] = b.g[0] = b.g[1] = b.xx[0] = b.xx[1] = splat<W>(0);
    sweep<W>(d, b);
    *p = sum<W>(b.p[0] + b.p[1]);
    *g = sum<W>(b.g[0] + b.g[1]);
    *xx = sum<W>(b.xx[0] + b.xx[1]);
}

template <typename X, typename W>
inline void pipe(const X *x0, const X *x1, const X *x2, const X *ahead, W *w, double c, W *average,
                 double average_c, idx d, double *p, double *g, double *xx) {
    if (average) pipe_as<true>(x0, x1, x2, ahead, w, c, average, average_c, d, p, g, xx);
    else pipe_as<false>(x0, x1, x2, ahead, w, c, average, average_c, d, p, g, xx);
}

/* What a fused pass carries besides the row: the truncation of the l1 penalty, the running average. */
template <typename W> struct Extras {
    W *q;             /* l1: penalty already applied to each weight (Tsuruoka et al. 2009) */
    double u;         /* l1: penalty each weight should have received by now */
    double scale;     /* scale of the weights at this step */
    W *average;       /* averaging: see `settle_average` */
    double average_c; /* averaging: what the row is multiplied with in the average */
    double l1, sq;    /* out, if l1: norms (without scale) after the step, before the truncation */
};

/* Truncated gradient with cumulative penalty: z moves towards zero by (u + q) / scale, never through. */
template <typename W>
FASTGD_INLINE typename Lanes<W>::V truncate(typename Lanes<W>::V z, typename Lanes<W>::V *q, typename Lanes<W>::V u,
                                            typename Lanes<W>::V scale, typename Lanes<W>::V inverse) {
    typedef typename Lanes<W>::V V;
    const V size = magnitude(z), due = u + signed_as(*q, z); /* never below zero, but for rounding */
    const V kept = smaller(larger(size - due * inverse, splat<W>(0)), size), moved = signed_as(kept, z);
    *q += scale * (moved - z);
    return moved;
}

/* The fused pass, any penalty:  w += c x0, truncate, average;  p = w . x1;  xx = x1 . x1. */
template <typename X, typename W, bool L1, bool AVERAGE> struct FusedBody {
    typedef typename Lanes<W>::V V;
    const X *x0, *x1;
    const char *ahead;
    W *w, *q, *average;
    V c, average_c, u, scale, inverse, p[2], xx[2], l1[2], sq[2];
    template <int k, typename R> FASTGD_INLINE void at(idx j, R r0, R r1) {
        const V a = r0(j), b = r1(j);
        V wv = load<W>(w + j) + c * a;
        if (AVERAGE) store<W>(average + j, load<W>(average + j) + average_c * a);
        if (L1) {
            V qv = load<W>(q + j);
            l1[k] += magnitude(wv);
            sq[k] += wv * wv;
            wv = truncate<W>(wv, &qv, u, scale, inverse);
            store<W>(q + j, qv);
        }
        store<W>(w + j, wv);
        p[k] += wv * b;
        xx[k] += b * b;
    }
    template <int k> FASTGD_INLINE void full(idx j) {
        if (k == 0) FASTGD_PREFETCH(ahead + j * sizeof(X));
        at<k>(j, Row<W, X>(x0), Row<W, X>(x1));
    }
    FASTGD_INLINE void tail(idx j, idx n) { at<0>(j, Tail<W, X>(x0, n), Tail<W, X>(x1, n)); }
};

template <bool L1, bool AVERAGE, typename X, typename W>
inline void fused_as(const X *x0, const X *x1, const X *ahead, W *w, double c, idx d, Extras<W> *e, double *p,
                            double *xx) {
    FusedBody<X, W, L1, AVERAGE> b;
    b.x0 = x0;
    b.x1 = x1;
    b.ahead = (const char *)ahead;
    FASTGD_PREFETCH((const char *)(ahead + d) - 1); /* rows seldom begin a cache line: one more */
    b.w = w;
    b.q = e->q;
    b.average = e->average;
    b.c = splat<W>((W)c);
    b.average_c = splat<W>((W)e->average_c);
    b.u = splat<W>((W)e->u);
    b.scale = splat<W>((W)e->scale);
    b.inverse = splat<W>((W)(1 / e->scale));
    b.p[0] = b.p[1] = b.xx[0] = b.xx[1] = b.l1[0] = b.l1[1] = b.sq[0] = b.sq[1] = splat<W>(0);
    sweep<W>(d, b);
    *p = sum<W>(b.p[0] + b.p[1]);
    *xx = sum<W>(b.xx[0] + b.xx[1]);
    e->l1 = sum<W>(b.l1[0] + b.l1[1]);
    e->sq = sum<W>(b.sq[0] + b.sq[1]);
}

template <typename X, typename W>
inline void fused(const X *x0, const X *x1, const X *ahead, W *w, double c, idx d, Extras<W> *e, double *p,
                         double *xx) {
    if (e->q && e->average) fused_as<true, true>(x0, x1, ahead, w, c, d, e, p, xx);
    else if (e->q) fused_as<true, false>(x0, x1, ahead, w, c, d, e, p, xx);
    else if (e->average) fused_as<false, true>(x0, x1, ahead, w, c, d, e, p, xx);
    else fused_as<false, false>(x0, x1, ahead, w, c, d, e, p, xx);
}

/* Mini-batches: predictions of up to four rows in one read of the weights. */
template <typename X, typename W> struct Dot4Body {
    typedef typename Lanes<W>::V V;
    const X *const *x;
    const X *const *ahead;
    const W *w;
    V p[4][2];
    template <int k> FASTGD_INLINE void full(idx j) {
        const V wv = load<W>(w + j);
        for (int r = 0; r < 4; r++) {
            if (k == 0) FASTGD_PREFETCH(ahead[r] + j);
            p[r][k] += wv * Loader<W, X>::full(x[r] + j);
        }
    }
    FASTGD_INLINE void tail(idx j, idx n) {
        const V wv = load<W>(w + j);
        for (int r = 0; r < 4; r++) p[r][0] += wv * Loader<W, X>::tail(x[r] + j, n, j > 0);
    }
};

template <typename X, typename W>
inline void dot4(const X *const *x, int rows, const X *const *ahead, const W *w, idx d, double *p) {
    if (rows < 4) {
        double xx;
        for (int r = 0; r < rows; r++) dot(x[r], x[r], w, d, p + r, &xx);
        return;
    }
    Dot4Body<X, W> b;
    b.x = x;
    b.ahead = ahead;
    b.w = w;
    for (int r = 0; r < 4; r++) {
        FASTGD_PREFETCH((const char *)(ahead[r] + d) - 1);
        b.p[r][0] = b.p[r][1] = splat<W>(0);
    }
    sweep<W>(d, b);
    for (int r = 0; r < 4; r++) p[r] = sum<W>(b.p[r][0] + b.p[r][1]);
}

/* The same rows added to the gradient in one read of it: g += sum_r c_r x_r. */
template <typename X, typename W> struct Axpy4Body {
    typedef typename Lanes<W>::V V;
    const X *x[4];
    W *g;
    V c[4];
    template <typename R> FASTGD_INLINE void at(idx j, R r0, R r1, R r2, R r3) {
        store<W>(g + j, (load<W>(g + j) + c[0] * r0(j) + c[1] * r1(j)) + (c[2] * r2(j) + c[3] * r3(j)));
    }
    template <int k> FASTGD_INLINE void full(idx j) {
        at(j, Row<W, X>(x[0]), Row<W, X>(x[1]), Row<W, X>(x[2]), Row<W, X>(x[3]));
    }
    FASTGD_INLINE void tail(idx j, idx n) {
        at(j, Tail<W, X>(x[0], n), Tail<W, X>(x[1], n), Tail<W, X>(x[2], n), Tail<W, X>(x[3], n));
    }
};

template <typename X, typename W> inline void axpy4(const X *const *x, int rows, const double *c, W *g, idx d) {
    Axpy4Body<X, W> b;
    for (int r = 0; r < 4; r++) {
        b.x[r] = x[r < rows ? r : 0];
        b.c[r] = splat<W>((W)(r < rows ? c[r] : 0));
    }
    b.g = g;
    sweep<W>(d, b);
}

/* For Hessians and moments: a row measured from `mean`, in units of 1 / scale, times root ... */
template <typename X, typename W>
FASTGD_NOINLINE void centred_row(const X *FASTGD_RESTRICT x, const X *ahead, const W *FASTGD_RESTRICT mean,
                                 const W *FASTGD_RESTRICT scale, W root, W *FASTGD_RESTRICT out, idx d) {
    for (idx j = 0; j < d * (idx)sizeof(X); j += CACHE_LINE) FASTGD_PREFETCH((const char *)ahead + j);
    FASTGD_SIMD
    for (idx j = 0; j < d; j++) out[j] = root * (((W)x[j] - mean[j]) * scale[j]);
    out[d] = root;
}

/* ... and its share of sum h (x - mean) and sum h (x - mean)^2. */
template <typename X, typename W>
FASTGD_NOINLINE void add_moments(const X *FASTGD_RESTRICT x, const X *ahead, const W *FASTGD_RESTRICT mean, W h,
                                 W *FASTGD_RESTRICT sum, W *FASTGD_RESTRICT squares, idx d) {
    for (idx j = 0; j < d * (idx)sizeof(X); j += CACHE_LINE) FASTGD_PREFETCH((const char *)ahead + j);
    FASTGD_SIMD
    for (idx j = 0; j < d; j++) {
        const W v = (W)x[j] - mean[j];
        sum[j] += h * v;
        squares[j] += (h * v) * v;
    }
}

/* ---- CSR passes: one row has nnz columns `col`, all different, and values x ---------------------- */

template <typename X, typename I> FASTGD_INLINE void prefetch_row(const X *x, const I *col, idx nnz) {
    for (idx k = 0; k < nnz; k += CACHE_LINE / (idx)sizeof(X)) FASTGD_PREFETCH(x + k);
    for (idx k = 0; k < nnz; k += CACHE_LINE / (idx)sizeof(I)) FASTGD_PREFETCH(col + k);
    FASTGD_PREFETCH(x + nnz - 1);
    FASTGD_PREFETCH(col + nnz - 1);
}

/* n <= N elements of w at the given columns, zeros behind them. */
template <typename W, typename I> FASTGD_INLINE typename Lanes<W>::V gather(const W *w, const I *col, idx n) {
    enum { N = Lanes<W>::N };
    typename Lanes<W>::V v = splat<W>(0);
    if (n == N)
        for (int i = 0; i < N; i++) v[i] = w[col[i]];
    else
        for (idx i = 0; i < n; i++) v[i] = w[col[i]];
    return v;
}
template <typename W, typename X> FASTGD_INLINE typename Lanes<W>::V load_up_to(const X *x, idx n, bool inside) {
    return n == Lanes<W>::N ? Loader<W, X>::full(x) : Loader<W, X>::tail(x, n, inside);
}
FASTGD_INLINE idx at_most(idx n, idx most) { return n < most ? n : most; }

/* p = w . x, xx = x . x; the gathered weights stay in z (padded), so that the step needs no second gather. */
template <typename X, typename W, typename I>
inline void csr_dot(const X *x, const I *col, idx nnz, const W *w, W *z, double *p, double *xx) {
    typedef typename Lanes<W>::V V;
    enum { N = Lanes<W>::N };
    V a = splat<W>(0), b = splat<W>(0);
    for (idx k = 0; k < nnz; k += N) {
        const idx n = at_most(nnz - k, N);
        const V zv = gather(w, col + k, n), xv = load_up_to<W>(x + k, n, k > 0);
        store<W>(z + k, zv);
        a += zv * xv;
        b += xv * xv;
    }
    *p = sum<W>(a);
    *xx = sum<W>(b);
}

/* The first n <= N elements of v to the given columns of w, which are all different. */
template <typename W, typename I> FASTGD_INLINE void scatter(W *w, const I *col, idx n, typename Lanes<W>::V v) {
    enum { N = Lanes<W>::N };
    if (n == N)
        for (int i = 0; i < N; i++) w[col[i]] = v[i];
    else
        for (idx i = 0; i < n; i++) w[col[i]] = v[i];
}

template <typename X, typename W, typename I>
inline void csr_step(const X *x, const I *col, idx nnz, const W *z, double c, W *w) {
    enum { N = Lanes<W>::N };
    const typename Lanes<W>::V cv = splat<W>((W)c);
    for (idx k = 0; k < nnz; k += N) {
        const idx n = at_most(nnz - k, N);
        scatter(w, col + k, n, load<W>(z + k) + cv * load_up_to<W>(x + k, n, k > 0));
    }
}

/* w += c x for rows of a batch, which may share columns; returns the growth of w . w. */
template <typename X, typename W, typename I>
inline double csr_axpy(const X *x, const I *col, idx nnz, double c, W *w) {
    double growth = 0;
    for (idx k = 0; k < nnz; k++) {
        const W old = w[col[k]], step = (W)c * (W)x[k];
        w[col[k]] = old + step;
        growth += (double)step * (2 * (double)old + step);
    }
    return growth;
}

/* g += c x in float64, whatever the type of x. */
template <typename X, typename I> inline void csr_add_to(const X *x, const I *col, idx nnz, double c, double *g) {
    for (idx k = 0; k < nnz; k++) g[col[k]] += c * x[k];
}

/* w . x alone. Rows of text and one-hot data are often shorter than what vectors need to pay. */
template <typename X, typename W, typename I>
inline double csr_predict(const X *x, const I *col, idx nnz, const W *w) {
    W a = 0, b = 0, c = 0, e = 0;
    idx k = 0;
    for (; k + 4 <= nnz; k += 4) {
        a += w[col[k]] * (W)x[k];
        b += w[col[k + 1]] * (W)x[k + 1];
        c += w[col[k + 2]] * (W)x[k + 2];
        e += w[col[k + 3]] * (W)x[k + 3];
    }
    for (; k < nnz; k++) a += w[col[k]] * (W)x[k];
    return (double)(a + b) + (double)(c + e);
}

/* squares += h x^2, in float64. */
template <typename X, typename I> inline void csr_add_squares(const X *x, const I *col, idx nnz, double h, double *squares) {
    for (idx k = 0; k < nnz; k++) squares[col[k]] += h * ((double)x[k] * x[k]);
}

/* The share of one row in the upper triangle of X' diag(h) X, a d x d matrix: columns in any order. */
template <typename X, typename I> inline void csr_outer(const X *x, const I *col, idx nnz, double h, double *H, idx d) {
    for (idx a = 0; a < nnz; a++) {
        double *row = H + col[a] * d;
        const double c = h * x[a];
        for (idx b = a; b < nnz; b++) row[col[b]] += c * x[b];
    }
}

/* The l1 penalty on CSR. The truncation acts on every weight at every step; here a weight is brought
 * up to date when its column is next read (`csr_late`): while it stays away from zero, it has moved by the
 * sum of the steps' penalties, and once at zero it stays there. Below the scale of the weights (elastic
 * net) that sum is U = sum of eta_k l1 / scale_k, of which each step leaves a note (`Taken`). So the step at
 * which a weight reached zero is found, and with it the penalty paid until then.
 *
 * Norms of the weights cannot be summed over all columns at each row. They are kept for the weights
 * as if all of them moved on (`l1`, `sq` over `active` weights), and corrected when a weight turns out
 * to have stopped at zero in the meantime: with V = U - U(zero) it is then thought to be V beyond zero.
 * What earlier steps were charged for that follows from running sums over the charges (`Charged`), since
 * sum of scale V and of scale^2 V^2 are polynomials in U(zero). */
struct Taken {
    double U, u, scale; /* after a step */
};
struct Charged {
    double U;                           /* at the norms that a step was charged for */
    double scale, scale_U;              /* sums, over the charges so far, of rows x these */
    double square, square_U, square_UU; /* the same of the scale's square */
};
struct Truncation {
    double u, U, step;       /* penalty so far; the same over the scale; share of the last step in U */
    double scale, inverse;   /* of the weights; 1 / scale */
    double active, l1, sq;   /* virtual norms, without scale */
    double seen_U;           /* U at the norms of the last step that moved, before its truncation, ... */
    double seen_l1, seen_sq; /* ... and these norms */
    double late_l1, late_sq; /* out: what the sums of past norms were short of */
    double over_l1, over_sq; /* out: the same of the norms not yet charged, without scale */
    Taken *taken;            /* steps + 1 of them, from where all weights were up to date */
    Charged *charged;        /* charges + 1 of them */
    idx steps, charges, room;
};

/* All weights are up to date: notes begin anew. */
FASTGD_INLINE void forget(Truncation *t) {
    t->U = t->seen_U = 0;
    t->steps = t->charges = 0;
    t->taken[0].U = 0;
    t->taken[0].u = t->u;
    memset(t->charged, 0, sizeof(Charged));
}

/* The norms at seen_U are charged to `rows` rows, with the weights' scale. */
FASTGD_INLINE void note_charge(Truncation *t, double scale, double rows) {
    const Charged *before = t->charged + t->charges++;
    Charged *now = t->charged + t->charges;
    const double U = t->seen_U, once = rows * scale, twice = once * scale;
    now->U = U;
    now->scale = before->scale + once;
    now->scale_U = before->scale_U + once * U;
    now->square = before->square + twice;
    now->square_U = before->square_U + twice * U;
    now->square_UU = before->square_UU + twice * U * U;
}

/* A step of the penalty is taken: u, U and scale are those after it. */
FASTGD_INLINE void note_step(Truncation *t) {
    Taken *now = t->taken + ++t->steps;
    now->U = t->U;
    now->u = t->u;
    now->scale = t->scale;
}

/* The first of notes[1 ... n] whose U is at least U; n if none is, but for rounding. */
template <typename Note> FASTGD_INLINE idx first_at(const Note *notes, idx n, double U) {
    idx low = 1, high = n;
    while (low < high) {
        const idx middle = (low + high) / 2;
        if (notes[middle].U >= U) high = middle;
        else low = middle + 1;
    }
    return high;
}

/* Penalty that a weight had paid when it reached zero, at U = zero. */
FASTGD_INLINE double paid_at_zero(const Truncation *t, double zero) {
    const idx k = first_at(t->taken, t->steps, zero);
    const Taken *before = t->taken + k - 1;
    return before->u + t->taken[k].scale * (zero - before->U);
}

/* A row has weights that stopped at zero since they were last read: correct penalties and norms. */
template <typename W, typename I>
inline void csr_stopped(const I *col, idx nnz, const W *w, const W *q, const W *last, W *r, Truncation *t) {
    for (idx k = 0; k < nnz; k++) {
        const double zk = w[col[k]], sign = zk < 0 ? -1 : 1, size = sign * zk;
        const double v = size - (last ? (double)(W)t->U - last[col[k]] : (double)(W)t->u + sign * q[col[k]]);
        if (zk == 0 || v > 0 || t->steps == 0) continue;
        const double zero = t->U + v, now = t->seen_U - zero;
        if (last) r[k] = (W)(-sign * paid_at_zero(t, zero));
        if (!(now > 0)) continue; /* too late to have been seen beyond zero */
        t->over_l1 += now;
        t->over_sq -= now * now;
        if (t->charges == 0 || !(t->charged[t->charges].U > zero)) continue;
        const Charged *all = t->charged + t->charges, *none = t->charged + first_at(t->charged, t->charges, zero) - 1;
        t->late_l1 += (all->scale_U - none->scale_U) - zero * (all->scale - none->scale);
        t->late_sq -= (all->square_UU - none->square_UU) - 2 * zero * (all->square_U - none->square_U)
                      + zero * zero * (all->square - none->square);
    }
}

/* Bring the weights of a row up to date; z and r (padded) receive weight and penalty of each column. */
template <typename W, typename I>
inline void csr_late(const I *col, idx nnz, const W *w, const W *q, const W *last, W *z, W *r, Truncation *t) {
    typedef typename Lanes<W>::V V;
    enum { N = Lanes<W>::N };
    const V zero = splat<W>(0), one = splat<W>(1), u = splat<W>((W)t->u), U = splat<W>((W)t->U);
    V active = zero, l1 = zero, sq = zero, stopped = zero;
    for (idx k = 0; k < nnz; k += N) {
        const idx n = at_most(nnz - k, N);
        const V zv = gather(w, col + k, n), qv = gather(q, col + k, n);
        const V size = magnitude(zv), on = choose<V>(size > zero, one, zero);
        const V paid = signed_as(qv, zv); /* in the direction of zero */
        const V due = last ? U - gather(last, col + k, n) : u + paid;
        const V v = on * (size - due); /* where the weight would be, had zero not stopped it */
        const V kept = larger(v, zero), moved = signed_as(kept, zv);
        store<W>(z + k, moved);
        store<W>(r + k, last ? choose<V>(size > zero, choose<V>(zero > zv, u, zero - u), qv) : qv + (moved - zv));
        active += on;
        l1 += v;
        sq += v * v;
        stopped += on * choose<V>(v > zero, zero, one);
    }
    t->active -= sum<W>(active);
    t->l1 -= sum<W>(l1);
    t->sq -= sum<W>(sq);
    if (sum<W>(stopped) > 0) csr_stopped(col, nnz, w, q, last, r, t);
}

/* One step on a row whose weights z, r are up to date: z += c x, truncate to penalty u, write back. */
template <typename X, typename W, typename I>
inline void csr_truncated_step(const X *x, const I *col, idx nnz, double c, const W *z, const W *r, W *w, W *q,
                               W *last, Truncation *t) {
    typedef typename Lanes<W>::V V;
    enum { N = Lanes<W>::N };
    const V zero = splat<W>(0), one = splat<W>(1), cv = splat<W>((W)c), u = splat<W>((W)t->u);
    const V scale = splat<W>((W)t->scale), inverse = splat<W>((W)t->inverse), step = splat<W>((W)t->step);
    V active = zero, l1 = zero, sq = zero, seen_l1 = zero, seen_sq = zero;
    for (idx k = 0; k < nnz; k += N) {
        const idx n = at_most(nnz - k, N);
        const V zv = load<W>(z + k) + cv * load_up_to<W>(x + k, n, k > 0);
        V qv = load<W>(r + k);
        const V size = magnitude(zv);
        const V moved = truncate<W>(zv, &qv, u, scale, inverse);
        const V kept = magnitude(moved), on = choose<V>(kept > zero, one, zero);
        const V counted = on * (kept + step); /* `advance` takes it off */
        scatter(w, col + k, n, moved);
        scatter(q, col + k, n, qv);
        active += on;
        l1 += counted;
        sq += counted * counted;
        seen_l1 += size;
        seen_sq += size * size;
    }
    if (last)
        for (idx k = 0; k < nnz; k++) last[col[k]] = (W)t->U;
    t->seen_l1 = t->l1 + sum<W>(seen_l1);
    t->seen_sq = t->sq + sum<W>(seen_sq);
    t->active += sum<W>(active);
    t->l1 += sum<W>(l1);
    t->sq += sum<W>(sq);
}

/* The same in three parts, for batches whose rows share columns: put a row's weights back ... */
template <typename W, typename I>
inline void csr_put(const I *col, idx nnz, const W *z, const W *r, W *w, W *q, W *last, Truncation *t) {
    for (idx k = 0; k < nnz; k++) {
        const double v = z[k];
        w[col[k]] = z[k];
        q[col[k]] = r[k];
        t->active += (double)(v != 0);
        t->l1 += fabs(v);
        t->sq += v * v;
    }
    if (last)
        for (idx k = 0; k < nnz; k++) last[col[k]] = (W)t->U;
}

/* ... w += c x ... */
template <typename X, typename W, typename I>
inline void csr_add(const X *x, const I *col, idx nnz, double c, W *w, Truncation *t) {
    for (idx k = 0; k < nnz; k++) {
        const W old = w[col[k]], now = old + (W)c * (W)x[k];
        w[col[k]] = now;
        t->active += (double)(now != 0) - (double)(old != 0);
        t->l1 += fabs((double)now) - fabs((double)old);
        t->sq += (double)now * now - (double)old * old;
    }
}

/* ... and truncate, after `advance`; a column met again has nothing left to pay. */
template <typename W, typename I>
inline void csr_truncate(const I *col, idx nnz, W *w, W *q, W *last, Truncation *t) {
    const W u = (W)t->u, scale = (W)t->scale, inverse = (W)t->inverse;
    for (idx k = 0; k < nnz; k++) {
        const W z = w[col[k]], sign = (W)(z > 0) - (W)(z < 0), size = sign * z;
        const W due = u + sign * q[col[k]];
        if (last) last[col[k]] = (W)t->U;
        if (z == 0 || due == 0) continue;
        const W v = size - due * inverse, kept = v > 0 ? v : 0;
        const double assumed = size - t->step;
        w[col[k]] = sign * kept;
        q[col[k]] = kept > 0 ? -sign * u : q[col[k]] - scale * z; /* exactly, for `due == 0` next time */
        t->active -= (double)(kept == 0);
        t->l1 += kept - assumed;
        t->sq += (double)kept * kept - assumed * assumed;
    }
}

/* All active weights move on by the step's share of the penalty. */
FASTGD_INLINE void advance(Truncation *t) {
    t->sq += t->step * (t->active * t->step - 2 * t->l1);
    t->l1 -= t->active * t->step;
}

/* ---- passes over the weights ---------------------------------------------------------------------- */

/* Put the scale into the weights: w *= scale. */
template <typename W> inline void rescale(W *w, idx d, double scale) {
    for (idx j = 0; j < d; j++) w[j] = w[j] * (W)scale + (W)0; /* truncation leaves -0, a sum with 0 does not */
}

/* The running average: average = (average + a w) / b, with the unscaled w (Bottou 2012, section 5.2:
 * average and weights as sums of the same rows). */
template <typename W> inline void settle_average(const W *w, W *average, idx d, double a, double b) {
    if (average)
        for (idx j = 0; j < d; j++) average[j] = (W)((average[j] + (W)a * w[j]) * (W)(1 / b));
}

struct Norms {
    double l1, sq, active, moved; /* sums over the weights; moved = squared distance to `previous` */
};

template <typename W> inline Norms norms(const W *w, const W *previous, idx d) {
    double l1 = 0, sq = 0, active = 0, moved = 0;
    FASTGD_SIMD_SUM(l1, sq, active)
    for (idx j = 0; j < d; j++) {
        const double v = w[j];
        l1 += fabs(v);
        sq += v * v;
        active += (double)(v != 0);
    }
    if (previous) {
        FASTGD_SIMD_SUM(moved)
        for (idx j = 0; j < d; j++) {
            const double v = (double)w[j] - (double)previous[j];
            moved += v * v;
        }
    }
    const Norms result = {l1, sq, active, moved};
    return result;
}

}  // namespace
}  // namespace fastgd

#endif
