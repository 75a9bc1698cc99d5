#include "CCells.h"

#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/// Cells of up to 1 KiB are kept, in steps of 16 bytes: the list of a cell is its usable size in steps, rounded down.
enum { step = 16, lists = 1024 / step + 1 };

struct cell {
    struct cell *next;
};

struct cells {
    struct cell *free[lists];
    size_t kept;
    /// Whether the thread's end has been asked for.
    _Bool is_announced;
};

#if defined(__SANITIZE_ADDRESS__)
enum { are_kept = 0 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
enum { are_kept = 0 };
#else
enum { are_kept = 1 };
#endif
#else
enum { are_kept = 1 };
#endif

static __thread struct cells own;
static pthread_key_t thread_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void give_all_back(void *value) {
    struct cells *cells = value;
    for (size_t list = 0; list < lists; list++) {
        for (struct cell *cell = cells->free[list], *next; cell; cell = next) {
            next = cell->next;
            free(cell);
        }
        cells->free[list] = NULL;
    }
    // What other destructors of the thread free from now on is not kept.
    cells->kept = HOMING_CELLS_KEPT;
}

static void make_key(void) { pthread_key_create(&thread_end, give_all_back); }

static _Bool announce(void) {
    pthread_once(&once, make_key);
    own.is_announced = pthread_setspecific(thread_end, &own) == 0;
    return own.is_announced;
}

/// What a session of libnghttp2 1.52 begins with (its nghttp2_map.h). Later versions begin with few slots themselves.
struct stream_table {
    void *slots;
    void *memory;
    size_t streams;
    uint32_t slot_count, slot_bits;
};
/// Sizes of a slot, and of a table, from 256 slots to 16.
enum { slot = 16, first_slots = 256, few_slot_bits = 4 };

struct homing_shared_piece {
    size_t size;
    /// The next one who asks for `size` bytes gets `bytes`.
    _Bool is_offered;
    /// What was last made as a table of streams while it was.
    void *stream_table;
    _Alignas(max_align_t) char bytes[];
};

struct homing_shared_piece *homing_shared_piece_make(size_t size) {
    struct homing_shared_piece *piece = malloc(sizeof *piece + size);
    if (piece) *piece = (struct homing_shared_piece){.size = size};
    return piece;
}

void homing_shared_piece_free(struct homing_shared_piece *piece) { free(piece); }

void homing_shared_piece_offer(struct homing_shared_piece *piece, _Bool is_offered) {
    piece->is_offered = is_offered && are_kept;
    if (is_offered) piece->stream_table = NULL;
}

/// By its address alone: a cell may outlive the piece that it is asked about.
static _Bool is_shared(void *cell, struct homing_shared_piece *piece) {
    return piece && cell == (char *)piece + offsetof(struct homing_shared_piece, bytes);
}

void *homing_cells_malloc(size_t size, void *piece) {
    (void)piece;
    size_t list = size / step + (size % step != 0);
    if (list >= lists) return malloc(size);
    struct cell *cell = own.free[list];
    // Whole steps, so that the cell comes back to the list that it was taken for.
    if (!cell) return malloc(list * step);
    own.free[list] = cell->next;
    own.kept -= list * step;
    return cell;
}

void homing_cells_free(void *freed, void *piece) {
    if (!freed || is_shared(freed, piece)) return;
    size_t list = malloc_usable_size(freed) / step;
    _Bool fits = list > 0 && list < lists && own.kept + list * step <= HOMING_CELLS_KEPT;
    if (are_kept && fits && (own.is_announced || announce())) {
        struct cell *cell = freed;
        cell->next = own.free[list];
        own.free[list] = cell;
        own.kept += list * step;
        return;
    }
    free(freed);
}

void *homing_cells_calloc(size_t count, size_t size, void *piece) {
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    // malloc knows which of its large pieces are zero already.
    if (count * size >= lists * step) {
        struct homing_shared_piece *shared = piece;
        void *large = calloc(count, size);
        if (shared && shared->is_offered && count == first_slots && size == slot) shared->stream_table = large;
        return large;
    }
    void *cell = homing_cells_malloc(count * size, piece);
    return cell ? memset(cell, 0, count * size) : NULL;
}

void *homing_cells_realloc(void *cell, size_t size, void *shared) {
    struct homing_shared_piece *piece = shared;
    if (!cell && piece && piece->is_offered && size == piece->size) {
        piece->is_offered = 0;
        return piece->bytes;
    }
    if (!is_shared(cell, piece)) return realloc(cell, size);
    void *own = malloc(size);
    return own ? memcpy(own, cell, size < piece->size ? size : piece->size) : NULL;
}

_Bool homing_shrink_stream_table(void *session, struct homing_shared_piece *piece) {
    struct stream_table *table = session;
    // Each of these says that it is what we take it for; all of them are true of nothing else.
    if (!piece->stream_table || table->slots != piece->stream_table || table->streams != 0 ||
        table->slot_count != first_slots || 1u << table->slot_bits != first_slots) {
        return 0;
    }
    void *slots = homing_cells_calloc(1 << few_slot_bits, slot, piece);
    if (!slots) return 0;
    homing_cells_free(table->slots, piece);
    piece->stream_table = NULL;
    table->slots = slots;
    table->slot_count = 1 << few_slot_bits;
    table->slot_bits = few_slot_bits;
    return 1;
}

_Bool homing_cells_are_kept(void) { return are_kept; }
size_t homing_cells_kept(void) { return own.kept; }
