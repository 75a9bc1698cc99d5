/* One HTTP/2 connection on a non-blocking socket in an epoll loop: what worker.c and load.c have in common. */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <nghttp2/nghttp2.h>
#include <stddef.h>
#include <stdint.h>

enum { EVENTS = 256, CHUNK = 64 * 1024, WINDOW = 8 * 1024 * 1024 };
/* Every answer is one or more of these: a gRPC frame of five bytes and a Reply whose message has 28 characters. */
enum { REPLY_LENGTH = 35, REPLY_TEXT = 7 };

/* Belongs to whoever made it; first field of what an owner keeps about it, so that events find their owner. */
struct connection {
    int socket;
    nghttp2_session *session;
    uint32_t watched;
    size_t out_length;
    size_t out_sent;
    uint8_t out[CHUNK * 2];
};

/* The loop's epoll descriptor; connections watch themselves with it. */
extern int poller;

void fail(const char *what) __attribute__((noreturn));
/* Nanoseconds of CLOCK_MONOTONIC, the same for all processes of this machine. */
uint64_t now(void);
nghttp2_nv pair(const char *name, const char *value);
/* Sets TCP_NODELAY, sends SETTINGS with large windows. The session is set before. */
void begin(struct connection *connection, uint32_t streams);
/* Sends all that the session has, as far as the socket takes it. Returns 0 when the connection is over. */
int flush(struct connection *connection);
/* Reads what is there into the session, and flushes. Returns 0 when the connection is over. */
int serve(struct connection *connection, uint32_t events);
/* Closes the socket and frees the session, not the struct. */
void end(struct connection *connection);
/* Arms a timerfd for an instant of now(); 0 disarms it. */
void arm(int timer, uint64_t when);
/* Adds a descriptor to the loop; its events carry `owner`. */
void watch_input(int descriptor, void *owner);

#endif
