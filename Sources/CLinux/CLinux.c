#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

_Static_assert(sizeof(struct homing_event) == sizeof(struct epoll_event), "one layout");
_Static_assert(offsetof(struct homing_event, data) == offsetof(struct epoll_event, data), "one layout");
_Static_assert(HOMING_READABLE == EPOLLIN && HOMING_WRITABLE == EPOLLOUT && HOMING_BROKEN == EPOLLERR, "one meaning");

int homing_epoll_make(void) { return epoll_create1(EPOLL_CLOEXEC); }

int homing_bell_make(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

int homing_clock_make(void) { return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); }

static _Bool control(int epoll, int operation, int descriptor, uint32_t events, uint64_t data) {
    struct epoll_event event = {.events = events, .data.u64 = data};
    return epoll_ctl(epoll, operation, descriptor, &event) == 0;
}

_Bool homing_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_ADD, descriptor, events, data);
}

_Bool homing_epoll_change(int epoll, int descriptor, uint32_t events, uint64_t data) {
    return control(epoll, EPOLL_CTL_MOD, descriptor, events, data);
}

void homing_epoll_remove(int epoll, int descriptor) { control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0); }

_Bool homing_epoll_add_bell(int epoll, int descriptor, uint64_t data) {
    return control(epoll, EPOLL_CTL_ADD, descriptor, EPOLLIN | EPOLLET, data);
}

int homing_epoll_wait(int epoll, struct homing_event *events, int most, _Bool may_wait) {
    return epoll_wait(epoll, (struct epoll_event *)events, most, may_wait ? -1 : 0);
}

void homing_bell_ring(int bell) {
    uint64_t one = 1;
    // It only fails when it would overflow, and then the bell has rung often enough.
    ssize_t written = write(bell, &one, sizeof one);
    (void)written;
}

void homing_clock_set(int clock, uint64_t ns) {
    struct itimerspec time = {.it_value = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)}};
    timerfd_settime(clock, TFD_TIMER_ABSTIME, &time, NULL);
}

int homing_accept(int descriptor, void *address, uint32_t *length) {
    return accept4(descriptor, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int homing_usable_processors(void) {
    // The kernel refuses a set that has no room for every processor it knows of.
    for (int room = 1024; room <= 1 << 20; room *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)room);
        if (!set) return 1;
        size_t size = CPU_ALLOC_SIZE((size_t)room);
        int failed = sched_getaffinity(0, size, set);
        int problem = errno;
        int count = failed ? 0 : CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (count > 0) return count;
        if (problem != EINVAL) return 1;
    }
    return 1;
}

void homing_name_thread(const char *name) {
    char cut[16];
    int count = 0;
    while (count < 15 && name[count]) {
        cut[count] = name[count];
        count++;
    }
    cut[count] = 0;
    pthread_setname_np(pthread_self(), cut);
}
