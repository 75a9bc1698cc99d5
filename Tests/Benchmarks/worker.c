/*
 * A worker for benchmarks on libnghttp2 and epoll: answers every call with headers, one 30-byte message (or, for
 * PredictStream, as many as --messages says) and trailers, and does nothing else, so that it is never the slowest part.
 *
 *   worker [--port N] [--messages N]      prints `worker grpc=127.0.0.1:PORT`
 *
 * One thread. A Health call gets the nine bytes that mean "OK" to a prober. What a caller sends is dropped.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 256, CHUNK = 64 * 1024, STREAMS = 10000, WINDOW = 8 * 1024 * 1024 };

/* Reply.message (field 1) of 28 characters: 30 bytes, in a gRPC frame of 35. */
static const uint8_t reply_frame[] = "\x00\x00\x00\x00\x1e\x0a\x1c" "a nest for every prompt, ok.";
enum { REPLY_LENGTH = sizeof reply_frame - 1 };
_Static_assert(REPLY_LENGTH == 35, "a frame of 5 + 30 bytes");

/* Reply.message = "OK". */
static const uint8_t health_frame[] = {0x00, 0x00, 0x00, 0x00, 0x04, 0x0a, 0x02, 0x4f, 0x4b};

/* One call: what is still to be sent of its answer. Freed when its stream closes, lost with a broken connection. */
struct call {
    const uint8_t *frame;
    size_t frame_length;
    size_t left; /* bytes of all frames that are not sent yet */
};

/* One connection. Freed when the peer leaves or breaks the protocol. */
struct connection {
    int socket;
    nghttp2_session *session;
    uint8_t out[CHUNK * 2];
    size_t out_length;
    size_t out_sent;
    uint32_t watched;
};

static int poller;
static size_t stream_messages = 128;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static nghttp2_nv pair(const char *name, const char *value) {
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value),
                        NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE};
}

static int is_path(const uint8_t *value, size_t length, const char *path) {
    return length == strlen(path) && memcmp(value, path, length) == 0;
}

/* MARK: - What nghttp2 calls */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    (void)user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    struct call *call = malloc(sizeof *call);
    if (!call) return NGHTTP2_ERR_CALLBACK_FAILURE;
    *call = (struct call){reply_frame, REPLY_LENGTH, REPLY_LENGTH};
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user) {
    (void)flags, (void)user;
    if (!is_path(name, name_length, ":path")) return 0;
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!call) return 0;
    if (is_path(value, value_length, "/backend.Backend/Health"))
        *call = (struct call){health_frame, sizeof health_frame, sizeof health_frame};
    else if (is_path(value, value_length, "/backend.Backend/PredictStream"))
        call->left = stream_messages * REPLY_LENGTH;
    return 0;
}

static ssize_t read_answer(nghttp2_session *session, int32_t id, uint8_t *target, size_t room, uint32_t *flags,
                           nghttp2_data_source *source, void *user) {
    (void)user;
    struct call *call = source->ptr;
    size_t written = 0;
    while (written < room && call->left > 0) {
        size_t rest = call->left % call->frame_length; /* of the frame that is being sent */
        if (rest == 0) rest = call->frame_length;
        size_t count = rest < room - written ? rest : room - written;
        memcpy(target + written, call->frame + (call->frame_length - rest), count);
        written += count;
        call->left -= count;
    }
    if (call->left == 0) {
        nghttp2_nv trailers[] = {pair("grpc-status", "0")};
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        if (nghttp2_submit_trailer(session, id, trailers, 1) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return (ssize_t)written;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    (void)user;
    int has_ended = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    if (!has_ended || (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)) return 0;
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!call) return 0;
    nghttp2_nv headers[] = {pair(":status", "200"), pair("content-type", "application/grpc")};
    nghttp2_data_provider provider = {{.ptr = call}, read_answer};
    return nghttp2_submit_response(session, frame->hd.stream_id, headers, 2, &provider);
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
    (void)code, (void)user;
    free(nghttp2_session_get_stream_user_data(session, id));
    return 0;
}

/* MARK: - Connections */

static void close_connection(struct connection *connection) {
    close(connection->socket); /* leaves the poller with it */
    nghttp2_session_del(connection->session);
    free(connection);
}

static void watch(struct connection *connection, uint32_t events) {
    if (connection->watched == events) return;
    struct epoll_event event = {.events = events, .data.ptr = connection};
    int operation = connection->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(poller, operation, connection->socket, &event) != 0) fail("epoll_ctl");
    connection->watched = events;
}

/* Sends all that the session has, as far as the socket takes it. Returns 0 when the connection is over. */
static int flush(struct connection *connection) {
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

/* Reads what is there and answers it. Returns 0 when the connection is over. */
static int serve(struct connection *connection, uint32_t events) {
    static uint8_t in[CHUNK];
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        ssize_t count = recv(connection->socket, in, sizeof in, 0);
        if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR)) return 0;
        if (count > 0 && nghttp2_session_mem_recv(connection->session, in, (size_t)count) < 0) return 0;
    }
    return flush(connection);
}

static void accept_all(int listener, const nghttp2_session_callbacks *callbacks) {
    int accepted;
    while ((accepted = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int on = 1;
        setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *connection = calloc(1, sizeof *connection);
        if (!connection) fail("calloc");
        connection->socket = accepted;
        if (nghttp2_session_server_new(&connection->session, callbacks, connection) != 0) fail("nghttp2");
        nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, STREAMS},
                                             {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW}};
        nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings, 2);
        nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0, WINDOW);
        if (!flush(connection)) close_connection(connection);
    }
}

/* Binds the loopback; prints and returns the listening socket. */
static int listen_on(uint16_t port) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    int on = 1;
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1024) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        fail("listen");
    printf("worker grpc=127.0.0.1:%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int count, char **arguments) {
    uint16_t port = 0;
    for (int index = 1; index < count; index += 2) {
        int has_value = index + 1 < count;
        if (has_value && strcmp(arguments[index], "--port") == 0)
            port = (uint16_t)atoi(arguments[index + 1]);
        else if (has_value && strcmp(arguments[index], "--messages") == 0)
            stream_messages = strtoul(arguments[index + 1], NULL, 10);
        else {
            fprintf(stderr, "usage: worker [--port N] [--messages N]\n");
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

    int listener = listen_on(port);
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = NULL};
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, listener, &wanted) != 0) fail("epoll");
    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        for (int index = 0; index < ready; index++) {
            struct connection *connection = events[index].data.ptr;
            if (!connection)
                accept_all(listener, callbacks);
            else if (!serve(connection, events[index].events))
                close_connection(connection);
        }
    }
}
