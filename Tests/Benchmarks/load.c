/*
 * A load generator for what h2load cannot do: paced streams, arrivals at random times, a new connection for every
 * request, connections and streams that stay open, callers that give up. It reads every message and every grpc-status.
 *
 *   load --to HOST:PORT --body FILE [--body FILE …] [--method NAME] (--requests N | --paced-seconds S) [OPTION N …]
 *
 * load_options.h says what each option does. Prints `ready` when all connections are there (and every paced stream has
 * had a message); a line on stdin begins the measurement; its end is a line of JSON; connections stay open until stdin
 * ends. One thread.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "connection.h"
#include "latency.h"
#include "load_options.h"

/* Where a prompt is made different, behind the frame's and the message's heads; nanoseconds in which streams begin. */
enum { PROMPT_AT = 12, DIGITS = 8, RAMP = 500000000 };

/* One connection to the proxy, made anew in place when it is over: events may still name it. */
struct client {
    size_t open; /* streams */
    int is_ready, is_over, is_dropped, is_gone;
    uint64_t dialled;
    struct connection connection;
};
#define CLIENT(pointer) ((struct client *)((char *)(pointer) - offsetof(struct client, connection)))

/* One request. Freed when its stream closes; lost with a broken connection. */
struct call {
    char *body;
    size_t length, sent;
    uint64_t began, messages;
    size_t have; /* bytes of the message that is arriving */
    char message[REPLY_LENGTH + 1];
    int is_ok, is_aborted;
};

static struct client *clients;
static nghttp2_session_callbacks *callbacks;
static int timer;

static int is_measuring, is_finished;
static uint64_t begun, done, failed, aborted, messages; /* since the measurement began */
static uint64_t unready, unheard, owed, turn, ramped, started, next_begin;

static void finish(void) {
    if (is_finished || !is_measuring) return;
    double took = (double)(now() - started) / 1e9;
    is_finished = 1;
    printf("{\"requests\": %lu, \"messages\": %lu, \"failed\": %lu, \"aborted\": %lu, \"seconds\": %.6f, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f}\n",
           done, messages, failed, aborted, took, quantile(0.5), quantile(0.99));
    fflush(stdout);
}

/* How many of so many requests are still to be begun. */
static size_t due(size_t most) {
    uint64_t left = !paced_seconds && is_measuring && begun < (uint64_t)requests ? (uint64_t)requests - begun : 0;
    return left < most ? left : most;
}

static int is_closed_loop(void) { return !paced_seconds && !rate && !in_flight && !fresh; }

/* MARK: - Requests */

static ssize_t read_body(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                         nghttp2_data_source *source, void *user) {
    (void)session, (void)id, (void)user;
    struct call *call = source->ptr;
    size_t count = call->length - call->sent < room ? call->length - call->sent : room;
    memcpy(to, call->body + call->sent, count);
    call->sent += count;
    if (call->sent == call->length) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)count;
}

/* Begins a request, which should have begun at `when`. Whoever calls flushes the connection. */
static void ask(struct client *client, uint64_t when) {
    static uint64_t number;
    struct call *call = calloc(1, sizeof *call);
    if (!call) fail("calloc");
    size_t which = number++ % body_count;
    *call = (struct call){.body = bodies[which].bytes, .length = bodies[which].length, .began = when};
    if (distinct) {
        char digits[DIGITS + 1];
        snprintf(digits, sizeof digits, "%08x", (unsigned)(number % (uint64_t)distinct + (uint64_t)first));
        if (!(call->body = malloc(call->length))) fail("malloc");
        memcpy(call->body, bodies[which].bytes, call->length);
        memcpy(call->body + PROMPT_AT, digits, DIGITS);
    }
    nghttp2_nv headers[] = {pair(":method", "POST"), pair(":scheme", "http"), pair(":path", path),
                            pair(":authority", authority), pair("content-type", "application/grpc"),
                            pair("te", "trailers"), pair("user-agent", "grpc-go/1.70.0")};
    nghttp2_data_provider provider = {{.ptr = call}, read_body};
    if (nghttp2_submit_request(client->connection.session, NULL, headers, 7, &provider, call) < 0) fail("request");
    client->open += 1;
    begun += 1;
}

/* MARK: - What nghttp2 calls */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_length,
                     const uint8_t *value, size_t value_length, uint8_t flags, void *user) {
    (void)flags, (void)user;
    struct call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call && name_length == 11 && memcmp(name, "grpc-status", 11) == 0)
        call->is_ok = value_length == 1 && *value == '0';
    return 0;
}

static void message_arrived(nghttp2_session *session, struct client *client, struct call *call, int32_t id) {
    int is_right = memcmp(call->message, "\0\0\0\0\x1e\x0a\x1c", REPLY_TEXT) == 0;
    if (!is_right || call->messages++ == UINT32_MAX) call->messages = UINT32_MAX;
    if (is_measuring && !is_finished) messages += 1;
    if (paced_seconds && is_measuring && !is_finished) sample(now() - strtoull(call->message + REPLY_TEXT, NULL, 10));
    if (call->messages != 1) return;
    if (unheard > 0) unheard -= 1;
    if (abort_share > 0 && drand48() < abort_share) {
        call->is_aborted = 1;
        if (drand48() < 0.2) client->is_over = client->is_dropped = 1;
        else nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    }
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t length,
                   void *user) {
    (void)flags;
    struct call *call = nghttp2_session_get_stream_user_data(session, id);
    while (call && length > 0) {
        size_t count = REPLY_LENGTH - call->have < length ? REPLY_LENGTH - call->have : length;
        memcpy(call->message + call->have, data, count);
        call->have += count, data += count, length -= count;
        if (call->have < REPLY_LENGTH) break;
        call->have = 0;
        message_arrived(session, CLIENT(user), call, id);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user) {
    (void)session;
    struct client *client = CLIENT(user);
    if (frame->hd.type == NGHTTP2_SETTINGS && !(frame->hd.flags & NGHTTP2_FLAG_ACK) && !client->is_ready) {
        client->is_ready = 1;
        if (unready > 0) unready -= 1;
    }
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user) {
    struct client *client = CLIENT(user);
    struct call *call = nghttp2_session_get_stream_user_data(session, id);
    if (!call) return 0;
    int is_whole = expected ? call->messages == (uint64_t)expected : call->messages > 0;
    if (call->is_aborted) aborted += 1;
    else if (code != NGHTTP2_NO_ERROR || !call->is_ok || call->have != 0 || !is_whole) failed += 1;
    done += 1;
    if (!paced_seconds && !is_finished) sample(now() - call->began);
    if (distinct) free(call->body);
    free(call);
    client->open -= 1;
    if (fresh) client->is_over = 1;
    if (in_flight) owed += 1;
    if (is_closed_loop() && due(1)) ask(client, now());
    if (!paced_seconds && done >= (uint64_t)requests) finish();
    return 0;
}

/* MARK: - Connections */

static void dial(struct client *client) {
    memset(client, 0, offsetof(struct client, connection.out));
    client->dialled = now();
    /* A connect on the loopback is over at once, unless the backlog is full: then all wait. */
    int socket_ = client->connection.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (socket_ < 0 || connect(socket_, (struct sockaddr *)&target, sizeof target) != 0) fail("connect");
    if (fcntl(socket_, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
    if (nghttp2_session_client_new(&client->connection.session, callbacks, &client->connection) != 0) fail("nghttp2");
    begin(&client->connection, 100);
}

static void settle(struct client *client);

static void ask_and_flush(struct client *client, size_t count, uint64_t when) {
    while (count-- > 0) ask(client, when);
    if (!flush(&client->connection)) client->is_over = 1;
    settle(client);
}

/* What follows from the end of a connection, if it is over: what was open on it is lost, a new one takes its place. */
static void settle(struct client *client) {
    if (!client->is_over || client->is_gone) return;
    *(client->is_dropped ? &aborted : &failed) += client->open;
    done += client->open;
    owed += client->open;
    end(&client->connection);
    if (!paced_seconds && done >= (uint64_t)requests) finish();
    client->is_gone = is_finished || (fresh && !due(1));
    if (client->is_gone) return;
    dial(client);
    ask_and_flush(client, fresh || is_closed_loop() ? due(fresh ? 1 : (size_t)streams) : 0, client->dialled);
}

/* MARK: - Time and commands */

/* When the next request of a random arrival, or the next stream of a ramp, begins. */
static void schedule(uint64_t from) {
    double wait = rate ? -log(1 - drand48()) / rate * 1e9 : RAMP / (connections * streams);
    arm(timer, next_begin = from + (uint64_t)wait);
}

static void tick(void) {
    uint64_t expirations;
    if (read(timer, &expirations, sizeof expirations) < 0 && errno != EAGAIN) fail("timer");
    if (paced_seconds && is_measuring) return finish();
    while (next_begin <= now()) {
        if (rate ? !due(1) : ramped++ >= (uint64_t)(connections * streams)) return;
        ask_and_flush(&clients[turn++ % (size_t)connections], 1, next_begin);
        schedule(next_begin);
    }
}

static void start(void) {
    is_measuring = 1;
    begun = done = failed = aborted = messages = 0;
    started = now();
    if (paced_seconds) arm(timer, started + (uint64_t)(paced_seconds * 1e9));
    else if (rate) schedule(started);
    else if (in_flight) owed = (uint64_t)in_flight;
    else
        for (size_t index = 0; index < (size_t)connections; index++) {
            if (fresh) dial(&clients[index]);
            ask_and_flush(&clients[index], due(fresh ? 1 : (size_t)streams), now());
        }
}

/* A line begins the measurement; the end of the input ends the program. */
static void command(void) {
    char line[64];
    if (read(STDIN_FILENO, line, sizeof line) > 0) return start();
    finish();
    exit(0);
}

static void get_ready(void) {
    static int is_ramping, is_ready;
    if (is_ready || unready > 0) return;
    if (paced_seconds && !is_ramping) {
        is_ramping = 1;
        schedule(now());
    }
    if (unheard > 0) return;
    is_ready = 1;
    puts("ready");
    fflush(stdout);
}

/* MARK: - Start */

int main(int count, char **arguments) {
    if (!parse(count, arguments)) {
        fprintf(stderr, "load: wrong arguments; load.c says which there are\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    srand48(1);
    if (nghttp2_session_callbacks_new(&callbacks) != 0) fail("nghttp2");
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    poller = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    clients = calloc((size_t)connections, sizeof *clients);
    if (poller < 0 || timer < 0 || !clients) fail("epoll");
    watch_input(timer, &timer);
    watch_input(STDIN_FILENO, NULL);
    if (paced_seconds) unheard = (uint64_t)(connections * streams);
    for (size_t index = 0; !fresh && index < (size_t)connections; index++) {
        dial(&clients[index]);
        unready += 1;
        ask_and_flush(&clients[index], 0, 0);
    }
    for (;;) {
        get_ready();
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, -1);
        if (ready < 0 && errno != EINTR) fail("epoll_wait");
        int is_due = 0;
        for (int index = 0; index < ready; index++) {
            void *owner = events[index].data.ptr;
            if (!owner) command();
            else if (owner == &timer) is_due = 1;
            else if (!CLIENT(owner)->is_gone) {
                if (!serve(owner, events[index].events)) CLIENT(owner)->is_over = 1;
                settle(CLIENT(owner));
            }
        }
        if (is_due) tick();
        for (; in_flight && owed > 0; owed--)
            if (due(1)) ask_and_flush(&clients[turn++ % (size_t)connections], 1, now());
    }
}
