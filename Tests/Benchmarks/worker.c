/*
 * A worker for benchmarks on libnghttp2 and epoll: answers every call with headers, one 30-byte message (or, for
 * PredictStream, as many as --messages says) and trailers, and does nothing else, so that it is never the slowest part.
 *
 *   worker [--ports N] [--messages N] [--interval-ms N]      prints `worker grpc=127.0.0.1:PORT` for every
 *                                                               port, then `ready`
 *
 * With an interval the messages of a stream come one by one, at that distance from when it began, and their text is
 * the time of their making: what is between it and its reading was spent on the way. One thread. A Health call gets
 * the nine bytes that mean "OK" to a prober. What a caller sends is dropped.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "connection.h"

enum { STREAMS = 10000, MOST_PORTS = 1024 };

static const uint8_t reply_frame[] = "\x00\x00\x00\x00\x1e\x0a\x1c" "a nest for every prompt, ok.";
_Static_assert(sizeof reply_frame - 1 == REPLY_LENGTH, "a frame of 5 + 30 bytes");

/* Reply.message = "OK". */
static const uint8_t health_frame[] = {0x00, 0x00, 0x00, 0x00, 0x04, 0x0a, 0x02, 0x4f, 0x4b};

/* One call: what is still to be sent of its answer. Freed when its stream closes, lost with a broken connection. */
struct call {
    const uint8_t *frame;
    size_t frame_length;
    size_t left;  /* bytes of all frames that may be sent now and are not yet */
    size_t later; /* messages that wait for their time */
    /* Of a paced call: its own frame, and its place among the calls that wait, the earliest first. */
    uint8_t stamped[REPLY_LENGTH + 1];
    uint64_t due;
    struct connection *connection;
    int32_t id;
    struct call *previous, *next;
};

static size_t stream_messages = 128;
static uint64_t interval; /* nanoseconds; 0: as fast as they go */
static struct call waiting = {.previous = &waiting, .next = &waiting};
static int timer;

static int is_path(const uint8_t *value, size_t length, const char *path) {
    return length == strlen(path) && memcmp(value, path, length) == 0;
}

/* MARK: - Paced calls */

/* All wait equally long, so whoever comes last is due last. */
static void enqueue(struct call *call) {
    call->previous = waiting.previous;
    call->next = &waiting;
    call->previous->next = waiting.previous = call;
    if (waiting.next == call) arm(timer, call->due);
}

static void dequeue(struct call *call) {
    if (!call->next) return;
    call->previous->next = call->next;
    call->next->previous = call->previous;
    call->previous = call->next = NULL;
}

static void stamp(struct call *call) {
    snprintf((char *)call->stamped + REPLY_TEXT, REPLY_LENGTH - REPLY_TEXT + 1, "%028llu", (unsigned long long)now());
    call->left = REPLY_LENGTH;
    call->later -= 1;
}

static void close_connection(struct connection *connection) {
    /* Only those that wait are looked up: the callback for closed streams does not come for them. */
    for (struct call *call = waiting.next, *next; call != &waiting; call = next) {
        next = call->next;
        if (call->connection == connection) dequeue(call);
    }
    end(connection);
    free(connection);
}

/* Sends the next message of every call that is due. */
static void tick(void) {
    uint64_t expirations;
    if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) fail("timer");
    for (uint64_t time = now(); waiting.next != &waiting && waiting.next->due <= time;) {
        struct call *call = waiting.next;
        struct connection *connection = call->connection;
        dequeue(call);
        call->due += interval;
        if (call->left == 0) stamp(call); /* else its reader is slow and it loses a turn */
        if (call->later > 0) enqueue(call);
        nghttp2_session_resume_data(connection->session, call->id);
        if (!flush(connection)) close_connection(connection);
    }
    if (waiting.next != &waiting) arm(timer, waiting.next->due);
}

/* MARK: - What nghttp2 calls */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct call *call = malloc(sizeof *call);
    if (!call) return NGHTTP2_ERR_CALLBACK_FAILURE;
    *call = (struct call){.frame = reply_frame, .frame_length = REPLY_LENGTH, .left = REPLY_LENGTH,
                          .connection = user, .id = frame->hd.stream_id};
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user) {
    (void)flags, (void)user;
    if (!is_path(name, name_length, ":path")) return 0;
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!call) return 0;
    if (is_path(value, value_length, "/backend.Backend/Health")) {
        call->frame = health_frame;
        call->frame_length = call->left = sizeof health_frame;
    } else if (is_path(value, value_length, "/backend.Backend/PredictStream")) {
        call->left = interval ? 0 : stream_messages * REPLY_LENGTH;
        call->later = interval ? stream_messages : 0;
    }
    return 0;
}

static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *target, size_t room, uint32_t *flags,
                           nghttp2_data_source *source, void *user) {
    (void)user;
    struct call *call = source->ptr;
    /* One message to a DATA frame, as gRPC libraries send them. */
    size_t rest = call->left % call->frame_length;
    if (rest == 0 && call->left > 0) rest = call->frame_length;
    size_t written = rest < room ? rest : room;
    memcpy(target, call->frame + (call->frame_length - rest), written);
    call->left -= written;
    if (call->left == 0 && call->later == 0) {
        nghttp2_nv trailers[] = {pair("grpc-status", "0")};
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, id, trailers, 1) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return written == 0 && call->later > 0 ? NGHTTP2_ERR_DEFERRED : (ssize_t)written;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    (void)user;
    int has_ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (!has_ended || (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)) return 0;
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!call) return 0;
    if (call->later > 0) {
        memcpy(call->stamped, reply_frame, REPLY_TEXT);
        call->frame = call->stamped;
        call->due = now() + interval;
        stamp(call);
        if (call->later > 0) enqueue(call);
    }
    nghttp2_nv headers[] = {pair(":status", "200"), pair("content-type", "application/grpc")};
    nghttp2_data_provider provider = {{.ptr = call}, read_answer};
    return nghttp2_submit_response(session, frame->hd.stream_id, headers, 2, &provider);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
    (void)code, (void)user;
    struct call *call = nghttp2_session_get_stream_user_data(session, id);
    if (call) dequeue(call);
    free(call);
    return 0;
}

/* MARK: - Connections */

static void accept_all(int listener, const nghttp2_session_callbacks *callbacks) {
    int accepted;
    while ((accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct connection *connection = calloc(1, sizeof *connection);
        if (!connection) fail("calloc");
        connection->socket = accepted;
        if (nghttp2_session_server_new(&connection->session, callbacks, connection) != 0) fail("nghttp2");
        begin(connection, STREAMS);
        if (!flush(connection)) close_connection(connection);
    }
    if (errno != EAGAIN && errno != ECONNABORTED) fail("accept");
}

/* Binds a free port of the loopback; prints and returns the listening socket. */
static int listening(void) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        fail("listen");
    printf("worker grpc=127.0.0.1:%d\n", ntohs(address.sin_port));
    return listener;
}

int main(int count, char **arguments) {
    size_t ports = 1;
    for (int index = 1; index < count; index += 2) {
        size_t value = index + 1 < count ? strtoul(arguments[index + 1], NULL, 10) : 0;
        if (value > 0 && value <= MOST_PORTS && strcmp(arguments[index], "--ports") == 0)
            ports = value;
        else if (value > 0 && strcmp(arguments[index], "--messages") == 0)
            stream_messages = value;
        else if (index + 1 < count && strcmp(arguments[index], "--interval-ms") == 0)
            interval = value * 1000000u;
        else {
            fprintf(stderr, "usage: worker [--ports N] [--messages N] [--interval-ms N]\n");
            return 2;
        }
    }
    signal(SIGPIPE, SIG_IGN);

    nghttp2_session_callbacks *callbacks;
    if (nghttp2_session_callbacks_new(&callbacks) != 0) fail("nghttp2");
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);

    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (poller < 0 || timer < 0) fail("epoll");
    watch_input(timer, &timer);
    static int listeners[MOST_PORTS];
    for (size_t index = 0; index < ports; index++) {
        listeners[index] = listening();
        watch_input(listeners[index], &listeners[index]);
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        int is_due = 0;
        for (int index = 0; index < ready; index++) {
            void *owner = events[index].data.ptr;
            if (owner == &timer)
                is_due = 1;
            else if ((int *)owner >= listeners && (int *)owner < listeners + MOST_PORTS)
                accept_all(*(int *)owner, callbacks);
            else if (!serve(owner, events[index].events))
                close_connection(owner);
        }
        /* After the others: it may close connections that have an event in this batch. */
        if (is_due) tick();
    }
}
