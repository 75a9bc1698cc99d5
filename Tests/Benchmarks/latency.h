/* Times of many requests, kept whole, for exact quantiles. */
#ifndef LATENCY_H
#define LATENCY_H

#include <stdint.h>

/* Keeps a time; those above four seconds count as four. */
void sample(uint64_t nanoseconds);
/* The time, in microseconds, below which this share of them lies; 0 when there is none. */
double quantile(double share);

#endif
