/* See latency.h. */
#include "latency.h"

#include <stdlib.h>

#include "connection.h"

static uint32_t *samples; /* nanoseconds */
static size_t sample_count, sample_room;

void sample(uint64_t nanoseconds) {
    if (sample_count == sample_room) {
        sample_room = sample_room ? sample_room * 2 : 1 << 16;
        if (!(samples = realloc(samples, sample_room * sizeof *samples))) fail("realloc");
    }
    samples[sample_count++] = nanoseconds > UINT32_MAX ? UINT32_MAX : (uint32_t)nanoseconds;
}

static int ascending(const void *left, const void *right) {
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

double quantile(double share) {
    if (!sample_count) return 0;
    qsort(samples, sample_count, sizeof *samples, ascending);
    return samples[(size_t)((double)(sample_count - 1) * share)] / 1e3;
}
