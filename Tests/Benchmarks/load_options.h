/* What load.c was told; see there for what each option means. Set once, by parse. */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <netinet/in.h>
#include <stddef.h>

enum { MOST_BODIES = 1024 };

extern struct body { char *bytes; size_t length; } bodies[MOST_BODIES];
extern size_t body_count;
extern struct sockaddr_in target;
extern char authority[64], path[128];
extern double connections, streams, requests, paced_seconds, in_flight, rate, fresh, expected, distinct, first;
extern double abort_share;

/* Returns 0 when the arguments are wrong. */
int parse(int count, char **arguments);

#endif
