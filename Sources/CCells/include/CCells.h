#pragma once

// Memory in small cells that a thread keeps for itself: what libnghttp2 allocates through, eleven times in a call.
//
// malloc keeps seven cells of a size at hand for each thread; a burst of streams frees hundreds of them, and the rest go
// through its slow path. A cell given back here is the next one of its size that the same thread takes. Cells are
// malloc's own, so any thread may give back what another one took. Under AddressSanitizer nothing is kept, so that
// it sees every use of what was given back.

#include <stddef.h>

/// One piece of memory that many owners have at once, each of whom needs it for a moment only, and nobody after another
/// one has begun: the frame buffer of sessions that take turns on a thread. Outlives everything that was made with it.
struct homing_shared_piece;
struct homing_shared_piece *_Nullable homing_shared_piece_make(size_t size);
void homing_shared_piece_free(struct homing_shared_piece *_Nullable piece);

/// While it is offered, the next `realloc` of nothing to exactly its size gets it, once. Never under AddressSanitizer.
void homing_shared_piece_offer(struct homing_shared_piece *_Nonnull piece, _Bool is_offered);

/// Gives a session that was just made, while `piece` was offered, 16 slots instead of 256 for its streams, and instead
/// of 128 for the headers that either side remembers: 0.5 KB instead of 6.1. They grow with what comes, as they would
/// have later. libnghttp2 has no call for that, so this writes where version 1.52 keeps them, found by the addresses
/// that they were given and the words behind those. What is kept in another way stays as it is. Returns how many were
/// made smaller, at most 3.
int homing_shrink_session(void *_Nullable session, struct homing_shared_piece *_Nonnull piece);

/// As malloc, free, calloc and realloc, in the shape of `nghttp2_mem`; `piece` is a shared piece of memory, or NULL.
/// Cells may be given back after their piece is gone.
void *_Nullable homing_cells_malloc(size_t size, void *_Nullable piece);
void homing_cells_free(void *_Nullable cell, void *_Nullable piece);
void *_Nullable homing_cells_calloc(size_t count, size_t size, void *_Nullable piece);
void *_Nullable homing_cells_realloc(void *_Nullable cell, size_t size, void *_Nullable piece);

/// False under AddressSanitizer.
_Bool homing_cells_are_kept(void);

/// Bytes of free cells that the calling thread keeps now; at most `HOMING_CELLS_KEPT`.
size_t homing_cells_kept(void);
enum { HOMING_CELLS_KEPT = 1024 * 1024 };
