/* See load_options.h. */
#include "load_options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "connection.h"

enum { MOST_BYTES = 1 << 20 };

struct body bodies[MOST_BODIES];
size_t body_count;
struct sockaddr_in target;
char authority[64], path[128] = "/backend.Backend/Predict";
double connections = 1, streams = 1, requests, paced_seconds, in_flight, rate, fresh, expected, distinct, first;
double abort_share;

static void read_file(const char *name) {
    FILE *file = fopen(name, "rb");
    char *bytes = malloc(MOST_BYTES);
    if (!file || !bytes || body_count == MOST_BODIES) fail(name);
    bodies[body_count].bytes = bytes;
    bodies[body_count++].length = fread(bytes, 1, MOST_BYTES, file);
    fclose(file);
}

int parse(int count, char **arguments) {
    const struct { const char *name; double *value; } numbers[] = {
        {"--connections", &connections}, {"--streams", &streams}, {"--requests", &requests}, {"--rate", &rate},
        {"--paced-seconds", &paced_seconds}, {"--in-flight", &in_flight}, {"--fresh", &fresh}, {"--first", &first},
        {"--messages", &expected}, {"--distinct", &distinct}, {"--abort", &abort_share}};
    for (int index = 1; index + 1 < count; index += 2) {
        const char *name = arguments[index], *value = arguments[index + 1];
        size_t known = 0;
        if (strcmp(name, "--to") == 0) {
            char host[32];
            int port;
            if (strlen(value) >= sizeof authority || sscanf(value, "%31[^:]:%d", host, &port) != 2) return 0;
            target = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
            if (inet_pton(AF_INET, host, &target.sin_addr) != 1) return 0;
            strcpy(authority, value);
        } else if (strcmp(name, "--method") == 0)
            snprintf(path, sizeof path, "/backend.Backend/%s", value);
        else if (strcmp(name, "--body") == 0)
            read_file(value);
        else {
            while (known < sizeof numbers / sizeof *numbers && strcmp(numbers[known].name, name) != 0) known++;
            if (known == sizeof numbers / sizeof *numbers) return 0;
            *numbers[known].value = strtod(value, NULL);
        }
    }
    return count % 2 == 1 && body_count > 0 && target.sin_port && (requests >= 1 || paced_seconds > 0);
}
