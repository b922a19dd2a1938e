# The kernels, compiled once per instruction-set level: each `_<level>.pyx` includes this file.
#
# A `Descent` (descent.pxi) is the state of one model in training: buffers, scalars, and the fixed
# description of loss, penalty and step. It runs segments of an epoch without the GIL, in one of the
# loops below, and fills a report; it knows no schedule, no stopping rule and no estimator. Nothing is
# raised inside a loop: numbers that overflow go on as inf or NaN and are reported at the epoch's end.

from libc.math cimport fabs, isfinite, log1p
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from cpython.buffer cimport PyBUF_SIMPLE, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer

include "passes.pxi"
include "rows.pxi"
include "order.pxi"
include "model.pxi"
include "sequential.pxi"
include "minibatch.pxi"
include "optimizers.pxi"
include "pointwise.pxi"
include "descent.pxi"
include "scaled.pxi"
include "many.pxi"
include "full.pxi"
include "dual.pxi"
include "softmax.pxi"
include "coordinate.pxi"
include "columns.pxi"
