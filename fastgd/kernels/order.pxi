# The order of the rows: scikit-learn's own shuffle, so that one `random_state` gives one trajectory.

cdef void permute(int32_t *order, idx n, uint32_t seed) noexcept nogil:
    """Fisher-Yates with a 32-bit xorshift (Marsaglia 2003), draw by draw as scikit-learn's."""
    cdef int32_t kept
    cdef idx i, j
    for i in range(n):
        order[i] = <int32_t> i
    if seed == 0:
        seed = 1
    for i in range(n - 1):
        seed ^= seed << 13
        seed ^= seed >> 17
        seed ^= seed << 5
        j = i + <idx> ((seed & 0x7fffffff) % <uint32_t> (n - i))
        kept = order[i]
        order[i] = order[j]
        order[j] = kept


cdef class Order:
    """Row orders of successive epochs.

    scikit-learn passes its seed by value, so that each epoch applies the same permutation sigma to the
    order that the epoch before left behind: sigma is drawn once, an epoch's shuffle is one gather.

    Parameters
    ----------
    n : int
        Number of rows.
    seed : int or None
        None: the rows in their own order.
    chosen : buffer of int32, or None
        Sorted rows to train on (None: all). The order is drawn over all n rows, then the others are
        left out, as scikit-learn passes over its validation rows.
    among : buffer of n int32, or None
        Which rows of X the rows 0 ... n - 1 are (None: the same), as in a fold of cross-validation.
    """

    cdef idx n
    cdef idx most              # no row of X from here on
    cdef readonly idx count    # rows in an epoch
    cdef int32_t *sigma
    cdef int32_t *order
    cdef int32_t *spare        # the order being made, then the chosen part of it
    cdef char *mask

    def __cinit__(self):
        self.sigma = self.order = self.spare = NULL
        self.mask = NULL

    def __init__(self, idx n, seed=None, const int32_t[::1] chosen=None, const int32_t[::1] among=None):
        cdef idx k
        if n > 0x7fffffff:
            raise ValueError(f"X has {n} rows; fastgd trains on at most {0x7fffffff}.")
        if among is not None and among.shape[0] != n:
            raise ValueError(f"The kernels need {n} rows of X to train on, not {among.shape[0]}.")
        for k in range(0 if chosen is None else chosen.shape[0]):
            if not k <= chosen[k] < n or (k > 0 and chosen[k] <= chosen[k - 1]):
                raise ValueError(f"The kernels need chosen rows in rising order, below {n}.")
        self.n = self.most = n
        self.count = n if chosen is None else chosen.shape[0]
        if among is not None:
            self.most = 0
            for k in range(n):
                if among[k] < 0:
                    raise ValueError("The kernels count rows of X from 0.")
                self.most = max(self.most, <idx> among[k] + 1)
        if seed is not None:
            self.sigma = <int32_t *> take(n * sizeof(int32_t))
            self.spare = <int32_t *> take(n * sizeof(int32_t))
            permute(self.sigma, n, seed)
        elif chosen is None and among is None:
            return
        self.order = <int32_t *> take(n * sizeof(int32_t))
        for k in range(n):
            self.order[k] = <int32_t> k if among is None else among[k]
        if chosen is None:
            return
        if seed is None:
            for k in range(self.count):  # chosen[k] >= k: nothing is overwritten before it is read
                self.order[k] = self.order[chosen[k]]
            return
        self.mask = <char *> take(self.most)
        memset(self.mask, 0, self.most)
        for k in range(self.count):
            self.mask[self.order[chosen[k]]] = 1

    def __dealloc__(self):
        free(self.sigma)
        free(self.order)
        free(self.spare)
        free(self.mask)

    def advance(self):
        """Go on to the next epoch's order."""
        cdef int32_t *made = self.spare
        cdef idx k, kept = 0
        if self.sigma == NULL:
            return
        with nogil:
            for k in range(self.n):
                made[k] = self.order[self.sigma[k]]
            self.spare = self.order
            self.order = made
            if self.mask != NULL:
                for k in range(self.n):
                    if self.mask[made[k]]:
                        self.spare[kept] = made[k]
                        kept += 1

    cdef const int32_t *rows(self) noexcept nogil:
        """The epoch's rows; NULL for 0 ... n - 1."""
        return self.order if self.mask == NULL else self.spare
