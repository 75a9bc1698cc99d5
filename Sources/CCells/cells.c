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

__attribute__((noinline)) static _Bool announce(void) {
    pthread_once(&once, make_key);
    own.is_announced = pthread_setspecific(thread_end, &own) == 0;
    return own.is_announced;
}

/// What a session of libnghttp2 1.52 has for its streams and, twice, for the headers that it remembers: its
/// nghttp2_map.h and nghttp2_hd.h. Later versions begin with few slots for streams themselves.
struct stream_table {
    void *slots;
    void *memory;
    size_t streams;
    uint32_t slot_count, slot_bits;
};
struct header_ring {
    void *slots;
    size_t mask, first, headers;
};
enum { stream_slot = 16, first_stream_bits = 8, first_streams = 1 << first_stream_bits };
enum { header_slot = sizeof(void *), first_headers = 128 };
/// What it gets instead.
enum { few_bits = 4, few = 1 << few_bits };

struct homing_shared_piece {
    size_t size;
    /// A session is being made, and the next one who asks for `size` bytes gets `bytes`.
    _Bool is_offered;
    /// What that session was given.
    char *session;
    size_t session_size;
    void *stream_slots;
    void *header_slots[2];
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
    if (!is_offered) return;
    piece->session = NULL;
    piece->stream_slots = piece->header_slots[0] = piece->header_slots[1] = NULL;
}

/// By its address alone: a cell may outlive the piece that it is asked about.
static _Bool is_shared(void *cell, struct homing_shared_piece *piece) {
    return piece && cell == (char *)piece + offsetof(struct homing_shared_piece, bytes);
}

/// Inlined, and `announce` and `note_headers` not: what nearly every call does fits in few registers.
__attribute__((always_inline)) static inline void *take(size_t size) {
    size_t list = size / step + (size % step != 0);
    if (list >= lists) return malloc(size);
    struct cell *cell = own.free[list];
    // Whole steps, so that the cell comes back to the list that it was taken for.
    if (!cell) return malloc(list * step);
    own.free[list] = cell->next;
    own.kept -= list * step;
    return cell;
}

__attribute__((noinline)) static void *note_headers(size_t size, struct homing_shared_piece *piece) {
    void *cell = take(size);
    if (piece && piece->is_offered) piece->header_slots[piece->header_slots[0] != NULL] = cell;
    return cell;
}

void *homing_cells_malloc(size_t size, void *piece) {
    return size == first_headers * header_slot ? note_headers(size, piece) : take(size);
}

void homing_cells_free(void *freed, void *piece) {
    if (!freed || is_shared(freed, piece)) return;
    size_t list = malloc_usable_size(freed) / step;
    if (are_kept && list > 0 && list < lists && own.kept + list * step <= HOMING_CELLS_KEPT &&
        (own.is_announced || announce())) {
        struct cell *cell = freed;
        cell->next = own.free[list];
        own.free[list] = cell;
        own.kept += list * step;
        return;
    }
    free(freed);
}

void *homing_cells_calloc(size_t count, size_t size, void *shared) {
    if (size != 0 && count > SIZE_MAX / size) return NULL;
    // malloc knows which of its large pieces are zero already.
    _Bool is_large = count * size >= lists * step;
    void *cell = is_large ? calloc(count, size) : take(count * size);
    if (!is_large && cell) memset(cell, 0, count * size);
    struct homing_shared_piece *piece = shared;
    if (piece && piece->is_offered) {
        if (count == 1 && !piece->session) {
            piece->session = cell;
            piece->session_size = size;
        } else if (count == first_streams && size == stream_slot) {
            piece->stream_slots = cell;
        }
    }
    return cell;
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

static _Bool shrink_streams(struct stream_table *table, void *piece) {
    if (table->streams != 0 || table->slot_count != first_streams || table->slot_bits != first_stream_bits) return 0;
    void *slots = homing_cells_calloc(few, stream_slot, piece);
    if (!slots) return 0;
    homing_cells_free(table->slots, piece);
    table->slots = slots;
    table->slot_count = few;
    table->slot_bits = few_bits;
    return 1;
}

static _Bool shrink_headers(struct header_ring *ring, void *piece) {
    if (ring->mask != first_headers - 1 || ring->first != 0 || ring->headers != 0) return 0;
    void *slots = homing_cells_malloc(few * header_slot, piece);
    if (!slots) return 0;
    homing_cells_free(ring->slots, piece);
    ring->slots = slots;
    ring->mask = few - 1;
    return 1;
}

int homing_shrink_session(void *session, struct homing_shared_piece *piece) {
    int shrunk = 0;
    if (!session || session != piece->session) return shrunk;
    // A place is what we take it for when it has the address that was handed out, and behind it the words of a new one.
    for (size_t at = 0; at + sizeof(struct stream_table) <= piece->session_size; at += sizeof(void *)) {
        void *place = piece->session + at, *slots = *(void **)place;
        if (!slots) continue;
        if (slots == piece->stream_slots) shrunk += shrink_streams(place, piece);
        if (slots == piece->header_slots[0] || slots == piece->header_slots[1]) shrunk += shrink_headers(place, piece);
    }
    piece->session = NULL;
    return shrunk;
}

_Bool homing_cells_are_kept(void) { return are_kept; }
size_t homing_cells_kept(void) { return own.kept; }
