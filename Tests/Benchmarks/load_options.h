/* What load.c was told. Set once, by parse. Every option has a value; numbers that are 0 are as if absent. */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <netinet/in.h>
#include <stddef.h>

enum { MOST_BODIES = 1024 };

/* --body FILE, any number of them: requests take them in turn. */
extern struct body { char *bytes; size_t length; } bodies[MOST_BODIES];
extern size_t body_count;
/* --to HOST:PORT. */
extern struct sockaddr_in target;
extern char authority[64];
/* --method NAME, of backend.Backend; without it Predict. */
extern char path[128];
/* Connections, and the requests that each keeps going unless another option says how they come; 1 and 1. */
extern double connections, streams;
/* Requests in all; and how many messages the answer of each must have. */
extern double requests, expected; /* --requests, --messages */
/* So many requests at a time in all, each on the next connection in turn. */
extern double in_flight; /* --in-flight */
/* So many requests per second, at random times (Poisson), whatever the answers do. */
extern double rate;
/* 1: a new connection for every request, `connections` at a time. */
extern double fresh;
/* Streams begin spread over half a second and do not end; so many seconds of their messages are counted, and the time
 * that each was under way, for worker.c writes the time of its making into it. */
extern double paced_seconds; /* --paced-seconds */
/* So many different prompts, in turn, of which the first has this number. */
extern double distinct, first;
/* This share of the streams is reset, or loses its connection, at its first message. */
extern double abort_share; /* --abort */

/* Returns 0 when the arguments are wrong. */
int parse(int count, char **arguments);

#endif
