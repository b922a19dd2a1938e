# The rows of X as the kernels see them: borrowed buffers and a type code, dense or CSR, read-only.
#
# Dense integers have no kernel of their own: a block of rows at a time is converted into a small buffer
# (float32 holds 8- and 16-bit integers exactly), in the order of the epoch, and trained from there.

ctypedef void (*Convert)(const void *data, idx d, idx row, void *out) noexcept nogil

cdef struct Integers:
    const void *data
    Convert convert

ctypedef fused integer:
    int8_t
    uint8_t
    int16_t
    uint16_t
    int32_t
    uint32_t
    int64_t
    uint64_t

cdef void convert_row(const integer *data, idx d, idx row, void *out) noexcept nogil:
    cdef const integer *x = data + row * d
    cdef float *narrow = <float *> out
    cdef double *wide = <double *> out
    cdef idx j
    if sizeof(integer) <= 2:
        for j in range(d):
            narrow[j] = <float> x[j]
    else:
        for j in range(d):
            wide[j] = <double> x[j]


cdef void *take(idx size) except NULL:
    cdef void *memory = malloc(size if size > 0 else 1)
    if memory == NULL:
        raise MemoryError(f"No {size} bytes left for the training buffers.")
    return memory


cdef class Buffer:
    """A contiguous buffer, held as long as this object lives."""

    cdef Py_buffer view
    cdef bint held
    cdef object owner

    def __cinit__(self, owner, bint writable=False):
        self.held = False
        PyObject_GetBuffer(owner, &self.view, PyBUF_WRITABLE if writable else PyBUF_SIMPLE)
        self.held = True
        self.owner = owner

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)


cdef inline void *address(Buffer buffer) noexcept nogil:
    return NULL if buffer is None else buffer.view.buf


cdef Buffer borrow(owner, bint writable=False):
    return None if owner is None else Buffer(owner, writable)


cdef class Rows:
    """Rows of a validated matrix: C-contiguous dense, or CSR with indices in range, all different in a row.

    Parameters
    ----------
    shape : tuple of int
    data : buffer of (n, d) values, or of the CSR values
    kind : str, the type of the values as in ``numpy.dtype.kind`` plus itemsize: 'f4', 'f8', 'u1' ...
    indices, indptr : buffers of CSR, both int32 or both int64, or None
    wide : bool, the indices are int64
    """

    cdef readonly idx n, d
    cdef Buffer data, indices, indptr
    cdef readonly bint sparse, wide
    cdef bint float32          # the rows reach the kernels as float32
    cdef Convert convert       # NULL: they are used in place
    cdef idx longest           # most values in a row
    cdef idx stored            # values of all rows
    cdef idx itemsize

    def __init__(self, shape, data, str kind, indices=None, indptr=None, bint wide=False):
        cdef idx i
        cdef const int32_t *narrow
        cdef const int64_t *broad
        self.n, self.d = shape
        self.data = borrow(data)
        self.indices = borrow(indices)
        self.indptr = borrow(indptr)
        self.sparse = indptr is not None
        self.wide = wide
        self.float32 = kind in ("f4", "i1", "u1", "b1", "i2", "u2")
        self.itemsize = int(kind[1:])
        self.convert = NULL
        if kind == "i1":
            self.convert = <Convert> convert_row[int8_t]
        elif kind in ("u1", "b1"):
            self.convert = <Convert> convert_row[uint8_t]
        elif kind == "i2":
            self.convert = <Convert> convert_row[int16_t]
        elif kind == "u2":
            self.convert = <Convert> convert_row[uint16_t]
        elif kind == "i4":
            self.convert = <Convert> convert_row[int32_t]
        elif kind == "u4":
            self.convert = <Convert> convert_row[uint32_t]
        elif kind == "i8":
            self.convert = <Convert> convert_row[int64_t]
        elif kind == "u8":
            self.convert = <Convert> convert_row[uint64_t]
        elif kind not in ("f4", "f8"):
            raise TypeError(f"The kernels read float and integer data, not {kind!r}.")
        self.longest, self.stored = self.d, self.n * self.d
        if self.sparse:
            self.longest = 0
            narrow = <const int32_t *> address(self.indptr)
            broad = <const int64_t *> address(self.indptr)
            for i in range(self.n):
                self.longest = max(self.longest, broad[i + 1] - broad[i] if wide else narrow[i + 1] - narrow[i])
            self.stored = broad[self.n] if wide else narrow[self.n]

    @property
    def reads_float32(self):
        """Whether the rows reach the kernels as float32."""
        return bool(self.float32)

    def filled(self):
        """Share of the values that are not zero: of a sample of the rows, if they are dense."""
        cdef const char *value
        cdef idx step = max(<idx> 1, self.n // 64), i, j, b, count = 0, seen = 0
        cdef bint some
        if self.sparse or self.d == 0:
            return self.stored / max(1.0, <double> self.n * self.d)
        with nogil:
            for i in range((self.n + step - 1) // step):
                value = <const char *> address(self.data) + i * step * self.d * self.itemsize
                seen += self.d
                for j in range(self.d):
                    some = False
                    for b in range(self.itemsize):
                        some |= value[b] != 0
                    count += some
                    value += self.itemsize
        return count / max(1.0, <double> seen)


def distinct(const I[::1] indptr, const I[::1] indices, idx d):
    """Whether each row of a sound CSR matrix with d columns has each column at most once, in any order."""
    cdef idx i, k, n = indptr.shape[0] - 1
    cdef bint rising = True, once = True
    cdef int32_t *seen         # 1 + the last row that had the column
    with nogil:
        for i in range(n):
            for k in range(indptr[i] + 1, indptr[i + 1]):
                rising &= indices[k] > indices[k - 1]
            if not rising:
                break
    if rising:
        return True
    seen = <int32_t *> take(d * sizeof(int32_t))
    with nogil:
        memset(seen, 0, d * sizeof(int32_t))
        for i in range(n):
            for k in range(indptr[i], indptr[i + 1]):
                once &= seen[indices[k]] != i + 1
                seen[indices[k]] = <int32_t> (i + 1)
            if not once:
                break
        free(seen)
    return once
