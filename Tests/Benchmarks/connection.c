/* See connection.h. */
#define _GNU_SOURCE
#include "connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int poller;

void fail(const char *what) {
    perror(what);
    exit(1);
}

uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

nghttp2_nv pair(const char *name, const char *value) {
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static void watch(struct connection *connection, uint32_t events) {
    if (connection->watched == events) return;
    struct epoll_event event = {.events = events, .data.ptr = connection};
    int operation = connection->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(poller, operation, connection->socket, &event) != 0) fail("epoll_ctl");
    connection->watched = events;
}

void watch_input(int descriptor, void *owner) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = owner};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, descriptor, &event) != 0) fail("epoll_ctl");
}

void begin(struct connection *connection, uint32_t streams) {
    int on = 1;
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, streams},
                                         {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};
    nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 2);
    nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
}

int flush(struct connection *connection) {
    for (;;) {
        while (connection->out_length < CHUNK) {
            const uint8_t *bytes;
            ssize_t count = nghttp2_session_mem_send(connection->session, &bytes);
            if (count < 0) return 0;
            if (count == 0) break;
            memcpy(connection->out + connection->out_length, bytes, (size_t)count); /* one frame: below CHUNK */
            connection->out_length += (size_t)count;
        }
        if (connection->out_length == 0) break;
        ssize_t sent = send(connection->socket, connection->out + connection->out_sent,
                            connection->out_length - connection->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) {
            watch(connection, EPOLLIN | EPOLLOUT);
            return 1;
        }
        if (sent < 0) return 0;
        connection->out_sent += (size_t)sent;
        if (connection->out_sent == connection->out_length) connection->out_length = connection->out_sent = 0;
    }
    watch(connection, EPOLLIN);
    return nghttp2_session_want_read(connection->session) || nghttp2_session_want_write(connection->session);
}

int serve(struct connection *connection, uint32_t events) {
    static uint8_t in[CHUNK];
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t count = recv(connection->socket, in, sizeof in, 0);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return 0;
        if (count > 0 && nghttp2_session_mem_recv(connection->session, in, (size_t)count) < 0) return 0;
    }
    return flush(connection);
}

void end(struct connection *connection) {
    close(connection->socket); /* leaves the poller with it */
    nghttp2_session_del(connection->session);
}

void arm(int timer, uint64_t when) {
    struct itimerspec wanted = {.it_value = {(time_t)(when / 1000000000u), (long)(when % 1000000000u)}};
    if (timerfd_settime(timer, TFD_TIMER_ABSTIME, &wanted, NULL) != 0) fail("timerfd_settime");
}
