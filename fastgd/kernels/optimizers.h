/* Update rules: how a weight answers a gradient, one struct each, written for one weight.
 *
 * The loops over arrays below vectorise them. A rule changes the weight w and up to three numbers that
 * go with it, its slots; what is the same for all weights of a step is computed once (`prepare`).
 * TWO rules keep the point where gradients are taken apart from the weights that predict: it is their
 * slot a, and w is the answer. The first BEGIN slots of a rule begin as the weights, others as zero.
 * LAZY rules say what becomes of a weight in steps without a gradient, so that on CSR data it can
 * wait until its column is read again (`late`).
 *
 * Formulas are those of PyTorch's optimizers where it has the rule, else those of the papers named.
 */
#ifndef FASTGD_OPTIMIZERS_H
#define FASTGD_OPTIMIZERS_H

#include "passes.h"

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace fastgd {
namespace {

enum { MAX_SLOTS = 3, CHUNK = 512 };

/* Until `denormals_back`, numbers below the normal range count as zero on this thread. Moments and averages
 * of columns that are seldom there decay into that range, where an operation takes a hundred times as long. */
#if defined(__SSE2__) || defined(_M_X64)
inline uint64_t denormals_off() {
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
}
inline void denormals_back(uint64_t before) { _mm_setcsr((unsigned)before); }
#elif defined(__aarch64__) && defined(__GNUC__)
inline uint64_t denormals_off() {
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(before | (1u << 24)));
    return before;
}
inline void denormals_back(uint64_t before) { __asm__ volatile("msr fpcr, %0" : : "r"(before)); }
#else
inline uint64_t denormals_off() { return 0; }
inline void denormals_back(uint64_t) {}
#endif

/* The rule and its parameters; first, second: momenta or decay rates, in the order of the Python class. */
struct UpdateRule {
    int kind;
    double first, second, eps;
    double extra;                 /* momentum: dampening; nadam: momentum_decay; averaged: its first step */
    double weight_decay;          /* decoupled: w *= 1 - rate * weight_decay */
    double clip_norm, clip_value; /* of the gradient; infinite: none */
};

/* Of a model or an array: what state there is beside the slots. Doubles only: Python keeps it as an array. */
struct Progress {
    double t;       /* steps taken */
    double product; /* nadam: of the momenta */
    double sum;     /* schedule-free: of the squared rates */
    double slots[MAX_SLOTS]; /* of the intercept */
};

/* What a step is made of, the same for all weights. */
template <typename W> struct Pace {
    W rate, keep, eps, k0, k1, k2, k3, k4, k5;
};

struct Unbounded {
    template <typename W> FASTGD_INLINE W operator()(W v) const { return v; }
};
template <typename W> struct Box {
    W low, high;
    FASTGD_INLINE W operator()(W v) const { return v < low ? low : v > high ? high : v; }
};

template <typename W> FASTGD_INLINE W root(W v) { return (W)sqrt(v); }
template <> FASTGD_INLINE float root<float>(float v) { return sqrtf(v); }
template <typename W> FASTGD_INLINE W sign_of(W v) { return v > 0 ? (W)1 : v < 0 ? (W)-1 : (W)0; }

/* What a weight missed: `steps` steps without a gradient. */
struct Missed {
    idx steps;
    double power;  /* of the rule's decay rate, to the number of steps */
    double rates;  /* sum of the steps' rates; momentum: each times its power of the momentum */
    double share;  /* averages: what is left of the distance between the average and the iterates */
};

struct Sgd {
    enum { SLOTS = 0, BEGIN = 0, TWO = 0, LAZY = 1 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &, W &, W &, B box) {
        w = box(p.keep * w - p.rate * g);
    }
    template <typename W> static void late(const UpdateRule &, const Missed &, W &, W &, W &, W &) {}
};

/* Polyak 1964, as PyTorch writes it: the rate is not in the velocity. */
struct Momentum {
    enum { SLOTS = 1, BEGIN = 0, TWO = 0, LAZY = 1 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &a, W &, W &, B box) {
        a = p.k0 * a + p.k1 * g;
        w = box(p.keep * w - p.rate * a);
    }
    template <typename W> static void late(const UpdateRule &, const Missed &m, W &w, W &a, W &, W &) {
        w -= (W)(m.rates * a);
        a *= (W)m.power;
    }
};

/* Nesterov 1983 in the form of Sutskever et al. 2013. */
struct Nesterov {
    enum { SLOTS = 1, BEGIN = 0, TWO = 0, LAZY = 1 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &a, W &, W &, B box) {
        a = p.k0 * a + g;
        w = box(p.keep * w - p.rate * (g + p.k0 * a));
    }
    template <typename W> static void late(const UpdateRule &r, const Missed &m, W &w, W &a, W &, W &) {
        w -= (W)(r.first * m.rates * a);
        a *= (W)m.power;
    }
};

/* Duchi et al. 2011. */
struct Adagrad {
    enum { SLOTS = 1, BEGIN = 0, TWO = 0, LAZY = 1 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &a, W &, W &, B box) {
        a += g * g;
        w = box(p.keep * w - p.rate * g / (root(a) + p.eps));
    }
    template <typename W> static void late(const UpdateRule &, const Missed &, W &, W &, W &, W &) {}
};

/* Tieleman, Hinton 2012. */
struct RmsProp {
    enum { SLOTS = 1, BEGIN = 0, TWO = 0, LAZY = 1 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &a, W &, W &, B box) {
        a = p.k0 * a + p.k1 * (g * g);
        w = box(p.keep * w - p.rate * g / (root(a) + p.eps));
    }
    template <typename W> static void late(const UpdateRule &, const Missed &m, W &, W &a, W &, W &) {
        a *= (W)m.power;
    }
};

/* Zeiler 2012. */
struct Adadelta {
    enum { SLOTS = 2, BEGIN = 0, TWO = 0, LAZY = 1 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &a, W &b, W &, B box) {
        a = p.k0 * a + p.k1 * (g * g);
        const W move = root((b + p.eps) / (a + p.eps)) * g;
        b = p.k0 * b + p.k1 * (move * move);
        w = box(p.keep * w - p.rate * move);
    }
    template <typename W> static void late(const UpdateRule &, const Missed &m, W &, W &a, W &b, W &) {
        a *= (W)m.power;
        b *= (W)m.power;
    }
};

/* Kingma, Ba 2015; with weight_decay, Loshchilov, Hutter 2019 (AdamW). */
struct Adam {
    enum { SLOTS = 2, BEGIN = 0, TWO = 0, LAZY = 0 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &a, W &b, W &, B box) {
        a = p.k0 * a + p.k1 * g;
        b = p.k2 * b + p.k3 * (g * g);
        w = box(p.keep * w - p.k4 * a / (root(b) * p.k5 + p.eps));
    }
    template <typename W> static void late(const UpdateRule &, const Missed &, W &, W &, W &, W &) {}
};

/* Reddi et al. 2018. */
struct AmsGrad {
    enum { SLOTS = 3, BEGIN = 0, TWO = 0, LAZY = 0 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &a, W &b, W &c, B box) {
        a = p.k0 * a + p.k1 * g;
        b = p.k2 * b + p.k3 * (g * g);
        c = b > c ? b : c;
        w = box(p.keep * w - p.k4 * a / (root(c) * p.k5 + p.eps));
    }
    template <typename W> static void late(const UpdateRule &, const Missed &, W &, W &, W &, W &) {}
};

/* Dozat 2016. */
struct NAdam {
    enum { SLOTS = 2, BEGIN = 0, TWO = 0, LAZY = 0 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &a, W &b, W &, B box) {
        a = p.k0 * a + p.k1 * g;
        b = p.k2 * b + p.k3 * (g * g);
        w = box(p.keep * w - (p.rate * g + p.k4 * a) / (root(b) * p.k5 + p.eps));
    }
    template <typename W> static void late(const UpdateRule &, const Missed &, W &, W &, W &, W &) {}
};

/* Chen et al. 2023. */
struct Lion {
    enum { SLOTS = 1, BEGIN = 0, TWO = 0, LAZY = 1 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &a, W &, W &, B box) {
        w = box(p.keep * w - p.rate * sign_of(p.k0 * a + p.k1 * g));
        a = p.k2 * a + p.k3 * g;
    }
    template <typename W> static void late(const UpdateRule &, const Missed &m, W &w, W &a, W &, W &) {
        w -= (W)m.rates * sign_of(a);
        a *= (W)m.power;
    }
};

/* Polyak, Juditsky 1992; Ruppert 1988: plain steps, and the mean of the weights after each. */
struct Averaged {
    enum { SLOTS = 1, BEGIN = 1, TWO = 1, LAZY = 1 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &a, W &, W &, B box) {
        a = box(p.keep * a - p.rate * g);
        w += p.k0 * (a - w);
    }
    template <typename W> static void late(const UpdateRule &, const Missed &m, W &w, W &a, W &, W &) {
        w = a + (W)m.share * (w - a);
    }
};

/* Defazio et al. 2024: a = y, where gradients are taken, b = z, the plain steps, w = x, their average. */
struct ScheduleFreeSgd {
    enum { SLOTS = 2, BEGIN = 2, TWO = 1, LAZY = 1 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &a, W &b, W &, B box) {
        b = box(b - p.rate * (g + p.k4 * a));
        w += p.k0 * (b - w);
        a = b + p.k1 * (w - b);
    }
    template <typename W> static void late(const UpdateRule &r, const Missed &m, W &w, W &a, W &b, W &) {
        w = b + (W)m.share * (w - b);
        a = b + (W)r.first * (w - b);
    }
};

struct ScheduleFreeAdam {
    enum { SLOTS = 3, BEGIN = 2, TWO = 1, LAZY = 1 };
    template <typename W, typename B>
    static FASTGD_INLINE void step(const Pace<W> &p, W &w, W g, W &a, W &b, W &c, B box) {
        c = p.k2 * c + p.k3 * (g * g);
        b = box(b - p.rate * (g / (root(c) + p.eps) + p.k4 * a));
        w += p.k0 * (b - w);
        a = b + p.k1 * (w - b);
    }
    template <typename W> static void late(const UpdateRule &r, const Missed &m, W &w, W &a, W &b, W &c) {
        c *= (W)m.power;
        w = b + (W)m.share * (w - b);
        a = b + (W)r.first * (w - b);
    }
};

#define FASTGD_RULES(do)                                                                              \
    do(SGD, Sgd, "sgd") do(MOMENTUM, Momentum, "momentum") do(NESTEROV, Nesterov, "nesterov")         \
    do(ADAGRAD, Adagrad, "adagrad") do(RMSPROP, RmsProp, "rmsprop") do(ADADELTA, Adadelta, "adadelta") \
    do(ADAM, Adam, "adam") do(AMSGRAD, AmsGrad, "amsgrad") do(NADAM, NAdam, "nadam")                  \
    do(LION, Lion, "lion") do(AVERAGED, Averaged, "averaged")                                         \
    do(FREE_SGD, ScheduleFreeSgd, "schedule_free_sgd")                                                \
    do(FREE_ADAM, ScheduleFreeAdam, "schedule_free_adam")

enum RuleKind {
#define FASTGD_DO(id, type, name) RULE_##id,
    FASTGD_RULES(FASTGD_DO)
#undef FASTGD_DO
};

struct RuleEntry {
    const char *name;
    int slots, begin, two, lazy;
};
static const RuleEntry RULE_TABLE[] = {
#define FASTGD_DO(id, type, name) {name, type::SLOTS, type::BEGIN, type::TWO, type::LAZY},
    FASTGD_RULES(FASTGD_DO)
#undef FASTGD_DO
};
enum { N_RULES = sizeof(RULE_TABLE) / sizeof(RULE_TABLE[0]) };

/* Begin step t + 1 at this learning rate. */
inline void prepare(const UpdateRule &r, Progress *s, double rate, Pace<double> *p) {
    const double t = ++s->t;
    p->rate = rate;
    p->keep = 1 - rate * r.weight_decay;
    p->eps = r.eps;
    p->k0 = r.first;
    p->k1 = 1 - r.first;
    p->k2 = r.second;
    p->k3 = 1 - r.second;
    p->k4 = p->k5 = 0;
    switch (r.kind) {
    case RULE_MOMENTUM: p->k1 = t == 1 ? 1 : 1 - r.extra; break;
    case RULE_ADAM:
    case RULE_AMSGRAD:
        p->k4 = rate / (1 - pow(r.first, t));
        p->k5 = 1 / sqrt(1 - pow(r.second, t));
        break;
    case RULE_NADAM: {
        const double now = r.first * (1 - 0.5 * pow(0.96, t * r.extra));
        const double next = r.first * (1 - 0.5 * pow(0.96, (t + 1) * r.extra));
        s->product *= now;
        p->rate = rate * (1 - now) / (1 - s->product);
        p->k4 = rate * next / (1 - s->product * next);
        p->k5 = 1 / sqrt(1 - pow(r.second, t));
        break;
    }
    case RULE_AVERAGED: {
        const double number = t - r.extra + 1;
        s->sum = number > 0 ? number : 0;
        p->k0 = number > 1 ? 1 / number : 1;
        break;
    }
    case RULE_FREE_ADAM:
    case RULE_FREE_SGD:
        if (r.kind == RULE_FREE_ADAM) p->rate = rate *= sqrt(1 - pow(r.second, t));
        s->sum += rate * rate;
        p->k0 = s->sum > 0 ? rate * rate / s->sum : 1;
        p->k1 = r.first;
        p->k4 = r.weight_decay;
        break;
    default: break;
    }
}

template <typename W> FASTGD_INLINE Pace<W> narrowed(const Pace<double> &p) {
    const Pace<W> q = {(W)p.rate, (W)p.keep, (W)p.eps, (W)p.k0, (W)p.k1, (W)p.k2, (W)p.k3, (W)p.k4, (W)p.k5};
    return q;
}

/* The gradient of the objective at a weight from the sum over a batch's rows: share * sum + penalty, clipped. */
template <typename W> struct Force {
    W share, l2, l1, limit;
    FASTGD_INLINE W operator()(W sum, W point) const {
        return share * sum + l2 * point + l1 * sign_of(point);
    }
    FASTGD_INLINE W clipped(W g, W factor) const {
        g *= factor;
        return g > limit ? limit : g < -limit ? -limit : g;
    }
};

/* Squared length of the gradient of the objective. */
template <typename W>
FASTGD_NOINLINE double squared_force(const Force<W> *f, const W *FASTGD_RESTRICT point, const W *FASTGD_RESTRICT g,
                                     idx d) {
    const Force<W> force = *f;
    double total = 0;
    for (idx first = 0; first < d; first += CHUNK) {
        const idx stop = first + at_most(d - first, CHUNK);
        double part = 0;
        FASTGD_SIMD_SUM(part)
        for (idx j = first; j < stop; j++) {
            const double v = force(g[j], point[j]);
            part += v * v;
        }
        total += part;
    }
    return total;
}

/* A step of all weights while g is read and set to zero again; adds up the penalty's norms at the points. */
template <class R, typename W>
FASTGD_NOINLINE void train_pass(const Pace<W> *pace, const Force<W> *f, W factor, W *FASTGD_RESTRICT w,
                                W *FASTGD_RESTRICT g, W *FASTGD_RESTRICT s0, W *FASTGD_RESTRICT s1,
                                W *FASTGD_RESTRICT s2, idx d, double *sq, double *l1) {
    const Pace<W> p = *pace;
    const Force<W> force = *f;
    for (idx first = 0; first < d; first += CHUNK) {
        const idx stop = first + at_most(d - first, CHUNK);
        W squares = 0, sizes = 0;
        FASTGD_SIMD_SUM(squares, sizes)
        for (idx j = first; j < stop; j++) {
            W v = w[j], a = 0, b = 0, c = 0;
            if constexpr (R::SLOTS > 0) a = s0[j];
            if constexpr (R::SLOTS > 1) b = s1[j];
            if constexpr (R::SLOTS > 2) c = s2[j];
            const W point = R::TWO ? a : v;
            squares += point * point;
            sizes += point > 0 ? point : -point;
            R::step(p, v, force.clipped(force(g[j], point), factor), a, b, c, Unbounded());
            g[j] = 0;
            w[j] = v;
            if constexpr (R::SLOTS > 0) s0[j] = a;
            if constexpr (R::SLOTS > 1) s1[j] = b;
            if constexpr (R::SLOTS > 2) s2[j] = c;
        }
        *sq += squares;
        *l1 += sizes;
    }
}

/* A step along a gradient of the user's, within bounds if there are some. */
template <class R, bool BOUNDS, typename W>
FASTGD_NOINLINE void free_pass(const Pace<W> *pace, const Force<W> *f, W factor, W *FASTGD_RESTRICT w,
                               const W *FASTGD_RESTRICT g, W *FASTGD_RESTRICT s0, W *FASTGD_RESTRICT s1,
                               W *FASTGD_RESTRICT s2, const W *FASTGD_RESTRICT low, const W *FASTGD_RESTRICT high,
                               idx d) {
    const Pace<W> p = *pace;
    const Force<W> force = *f;
    FASTGD_SIMD
    for (idx j = 0; j < d; j++) {
        W v = w[j], a = 0, b = 0, c = 0;
        if constexpr (R::SLOTS > 0) a = s0[j];
        if constexpr (R::SLOTS > 1) b = s1[j];
        if constexpr (R::SLOTS > 2) c = s2[j];
        const W clipped = force.clipped(g[j], factor);
        if constexpr (BOUNDS) {
            const Box<W> box = {low[j], high[j]};
            R::step(p, v, clipped, a, b, c, box);
        } else {
            R::step(p, v, clipped, a, b, c, Unbounded());
        }
        w[j] = v;
        if constexpr (R::SLOTS > 0) s0[j] = a;
        if constexpr (R::SLOTS > 1) s1[j] = b;
        if constexpr (R::SLOTS > 2) s2[j] = c;
    }
}

/* A step of some weights: those of the columns that a batch on CSR data touched. */
template <class R, typename W>
inline void some_pass(const Pace<W> *pace, const Force<W> *f, W factor, W *w, W *g, W *s0, W *s1, W *s2,
                      const int32_t *columns, idx n) {
    const Pace<W> p = *pace;
    const Force<W> force = *f;
    W unused = 0;
    for (idx k = 0; k < n; k++) {
        const idx j = columns[k];
        W &a = R::SLOTS > 0 ? s0[j] : unused, &b = R::SLOTS > 1 ? s1[j] : unused;
        W &c = R::SLOTS > 2 ? s2[j] : unused;
        R::step(p, w[j], force.clipped(force(g[j], R::TWO ? a : w[j]), factor), a, b, c, Unbounded());
        g[j] = 0;
    }
}

/* The step of one number, such as the intercept. */
template <class R> inline void one_step(const Pace<double> &p, double g, double *w, double *s) {
    R::step(p, *w, g, s[0], s[1], s[2], Unbounded());
}

#define FASTGD_CALL(call)                                                                             \
    switch (r.kind) {                                                                                 \
        FASTGD_RULES(call)                                                                            \
    default: break;                                                                                   \
    }

template <typename W>
inline void train_step(const UpdateRule &r, const Pace<double> &p, const Force<W> &f, double factor, W *w, W *g, W *s0,
                       W *s1, W *s2, idx d, double *sq, double *l1) {
    const Pace<W> q = narrowed<W>(p);
    *sq = *l1 = 0;
#define FASTGD_DO(id, type, name)                                                                     \
    case RULE_##id: train_pass<type>(&q, &f, (W)factor, w, g, s0, s1, s2, d, sq, l1); break;
    FASTGD_CALL(FASTGD_DO)
#undef FASTGD_DO
}

template <typename W>
inline void free_step(const UpdateRule &r, const Pace<double> &p, double factor, W *w, const W *g, W *s0, W *s1, W *s2,
                      const W *low, const W *high, idx d) {
    const uint64_t before = denormals_off();
    const Pace<W> q = narrowed<W>(p);
    const Force<W> f = {1, 0, 0, (W)r.clip_value};
#define FASTGD_DO(id, type, name)                                                                     \
    case RULE_##id:                                                                                   \
        if (low) free_pass<type, true>(&q, &f, (W)factor, w, g, s0, s1, s2, low, high, d);            \
        else free_pass<type, false>(&q, &f, (W)factor, w, g, s0, s1, s2, low, high, d);               \
        break;
    FASTGD_CALL(FASTGD_DO)
#undef FASTGD_DO
    denormals_back(before);
}

template <typename W>
inline void some_step(const UpdateRule &r, const Pace<double> &p, const Force<W> &f, double factor, W *w, W *g, W *s0,
                      W *s1, W *s2, const int32_t *columns, idx n) {
    const Pace<W> q = narrowed<W>(p);
#define FASTGD_DO(id, type, name)                                                                     \
    case RULE_##id: some_pass<type>(&q, &f, (W)factor, w, g, s0, s1, s2, columns, n); break;
    FASTGD_CALL(FASTGD_DO)
#undef FASTGD_DO
}

inline void intercept_step(const UpdateRule &r, const Pace<double> &pace, double g, double *w, double *s) {
    Pace<double> p = pace;
    p.keep = 1; /* weight decay is the weights' */
    if (r.kind == RULE_FREE_SGD || r.kind == RULE_FREE_ADAM) p.k4 = 0;
    g = g > r.clip_value ? r.clip_value : g < -r.clip_value ? -r.clip_value : g;
#define FASTGD_DO(id, type, name)                                                                     \
    case RULE_##id: one_step<type>(p, g, w, s); break;
    FASTGD_CALL(FASTGD_DO)
#undef FASTGD_DO
}

template <typename W>
inline void late_step(const UpdateRule &r, const Missed &m, W *w, W *s0, W *s1, W *s2, idx j) {
    W unused = 0;
#define FASTGD_DO(id, type, name)                                                                     \
    case RULE_##id:                                                                                   \
        type::late(r, m, w[j], type::SLOTS > 0 ? s0[j] : unused, type::SLOTS > 1 ? s1[j] : unused,    \
                   type::SLOTS > 2 ? s2[j] : unused);                                                 \
        break;
    FASTGD_CALL(FASTGD_DO)
#undef FASTGD_DO
}

}  // namespace
}  // namespace fastgd

#endif
