"""What this CPU can do, and what compiled the kernels.

Compiled for the most portable level, so that it may be imported anywhere, before any kernel is.
The features are read from the CPUID instruction itself: one way for every compiler, under the
names that Linux gives them in /proc/cpuinfo.  Elsewhere than on x86 the set is empty.
"""

cdef extern from *:
    """
    #if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
      #ifdef _MSC_VER
        #include <intrin.h>
        #include <immintrin.h>
        static void fastgd_cpuid(int leaf, unsigned int regs[4]) {
            __cpuidex((int *)regs, leaf, 0);
        }
        static unsigned long long fastgd_xgetbv(void) { return _xgetbv(0); }
      #else
        #include <cpuid.h>
        static void fastgd_cpuid(int leaf, unsigned int regs[4]) {
            __cpuid_count(leaf, 0, regs[0], regs[1], regs[2], regs[3]);
        }
        static unsigned long long fastgd_xgetbv(void) {
            unsigned int low, high;
            __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
            return ((unsigned long long)high << 32) | low;
        }
      #endif
      #define FASTGD_X86 1
    #else
      static void fastgd_cpuid(int leaf, unsigned int regs[4]) {
          (void)leaf;
          regs[0] = regs[1] = regs[2] = regs[3] = 0;
      }
      static unsigned long long fastgd_xgetbv(void) { return 0; }
      #define FASTGD_X86 0
    #endif

    #define FASTGD_STRING_(x) #x
    #define FASTGD_STRING(x) FASTGD_STRING_(x)
    #if defined(__clang__)
      #define FASTGD_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
      #define FASTGD_COMPILER "gcc " __VERSION__
    #elif defined(_MSC_VER)
      #define FASTGD_COMPILER "msvc " FASTGD_STRING(_MSC_VER)
    #else
      #define FASTGD_COMPILER "unknown"
    #endif
    """
    void fastgd_cpuid(int leaf, unsigned int* regs) noexcept nogil
    unsigned long long fastgd_xgetbv() noexcept nogil
    bint FASTGD_X86
    const char* FASTGD_COMPILER
    unsigned long CYTHON_HEX_VERSION

# What the OS must save of the state of vectors of 32 and of 64 bytes.
cdef enum:
    YMM = 0x06
    ZMM = 0xE6

# feature: (leaf, register: 0 eax, 1 ebx, 2 ecx, 3 edx, bit, what the OS must save)
_FEATURES = {
    "fma": (1, 2, 12, YMM),
    "movbe": (1, 2, 22, 0),
    "avx": (1, 2, 28, YMM),
    "f16c": (1, 2, 29, YMM),
    "bmi1": (7, 1, 3, 0),
    "avx2": (7, 1, 5, YMM),
    "bmi2": (7, 1, 8, 0),
    "avx512f": (7, 1, 16, ZMM),
    "lzcnt": (<int>0x80000001, 2, 5, 0),
}


cdef unsigned int _register(int leaf, int index) noexcept:
    """One register of one leaf; zero where the CPU does not know the leaf."""
    cdef unsigned int regs[4]
    fastgd_cpuid(leaf & <int>0x80000000, regs)  # the highest leaf of this family
    if regs[0] < <unsigned int>leaf:
        return 0
    fastgd_cpuid(leaf, regs)
    return regs[index]


def features():
    """Return the frozenset of the features that kernels may ask for and this CPU has."""
    if not FASTGD_X86:
        return frozenset()
    cdef bint osxsave = (_register(1, 2) >> 27) & 1
    cdef unsigned int saved = fastgd_xgetbv() if osxsave else 0
    return frozenset(
        name
        for name, (leaf, index, bit, needs) in _FEATURES.items()
        if (_register(leaf, index) >> bit) & 1 and (saved & <unsigned int>needs) == <unsigned int>needs
    )


def built_with():
    """Return the compiler and the version of Cython that built the kernels, as a dict."""
    cdef unsigned long version = CYTHON_HEX_VERSION
    return {
        "compiler": FASTGD_COMPILER.decode("ascii", "replace").strip(),
        "Cython": f"{version >> 24}.{(version >> 16) & 255}.{(version >> 8) & 255}",
    }
