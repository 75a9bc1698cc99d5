#pragma once

// Memory in small cells that a thread keeps for itself: what libnghttp2 allocates through, eleven times in a call.
//
// malloc keeps seven cells of a size at hand for each thread; a burst of streams frees hundreds of them, and the rest go
// through its slow path. A cell given back here is the next one of its size that the same thread takes. Cells are
// malloc's own, so any thread may give back what another one took. Under AddressSanitizer nothing is kept, so that
// it sees every use of what was given back.

#include <stddef.h>

/// As malloc, free, calloc and realloc, in the shape of `nghttp2_mem`; `unused` may be anything.
void *_Nullable homing_cells_malloc(size_t size, void *_Nullable unused);
void homing_cells_free(void *_Nullable cell, void *_Nullable unused);
void *_Nullable homing_cells_calloc(size_t count, size_t size, void *_Nullable unused);
void *_Nullable homing_cells_realloc(void *_Nullable cell, size_t size, void *_Nullable unused);

/// False under AddressSanitizer.
_Bool homing_cells_are_kept(void);

/// Bytes of free cells that the calling thread keeps now; at most `HOMING_CELLS_KEPT`.
size_t homing_cells_kept(void);
enum { HOMING_CELLS_KEPT = 1024 * 1024 };
