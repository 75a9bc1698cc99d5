#pragma once

// What Swift's Glibc leaves out: epoll and its companions, and calls that are GNU's own. No header of the system is
// included, so that Swift takes none of its types to be this module's.

#include <stdint.h>

/// What happened to a watched descriptor: laid out as `struct epoll_event`.
struct homing_event {
    uint32_t events;
    uint64_t data;
} __attribute__((packed));

enum : uint32_t { HOMING_READABLE = 0x001, HOMING_WRITABLE = 0x004, HOMING_BROKEN = 0x008 };

/// An epoll, a descriptor that rings when another thread wants so, and one that rings at a time; -1 with errno.
int homing_epoll_make(void);
int homing_bell_make(void);
int homing_clock_make(void);

/// Watches, changes what is watched for, or watches no more; false with errno. Levels are told, not edges.
_Bool homing_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t data);
_Bool homing_epoll_change(int epoll, int descriptor, uint32_t events, uint64_t data);
void homing_epoll_remove(int epoll, int descriptor);

/// Watches a bell or a clock: each ring is told once, and nobody has to read it.
_Bool homing_epoll_add_bell(int epoll, int descriptor, uint64_t data);

/// Waits until something happens, or not at all; how many events there are.
int homing_epoll_wait(int epoll, struct homing_event *_Nonnull events, int most, _Bool may_wait);

/// From any thread.
void homing_bell_ring(int bell);

/// Rings when CLOCK_MONOTONIC has reached `ns`, at once when it has passed.
void homing_clock_set(int clock, uint64_t ns);

/// accept4(2) with SOCK_NONBLOCK and SOCK_CLOEXEC: the new descriptor, or -1 with errno.
int homing_accept(int descriptor, void *_Nonnull address, uint32_t *_Nonnull length);

/// How many processors this process may run on, at least 1.
int homing_usable_processors(void);

/// Names the calling thread; at most 15 characters count.
void homing_name_thread(const char *_Nonnull name);
