#define _GNU_SOURCE
#include "CSpawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/// The first descriptor that is passed on (SD_LISTEN_FDS_START).
enum { first_descriptor = 3 };

// What runs in the new process calls nothing but functions that are safe after a fork among threads (signal-safety(7)).

static void write_decimal(char *text, unsigned value) {
    char digits[10];
    int count = 0;
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    for (int index = 0; index < count; index++) text[index] = digits[count - 1 - index];
    text[count] = 0;
}

static void report(int pipe, int value) {
    ssize_t written = write(pipe, &value, sizeof value);
    (void)written; // A reader that is gone has nothing to be told.
}

/// Moves `descriptors` to 3, 4, …, and `pipe` behind them; returns where that is now, or -1. All others close by exec.
static int place(const int *descriptors, int count, int pipe) {
    int above = first_descriptor + count;
    int high[count > 0 ? count : 1];
    // First out of the way, since their places may overlap with where they go.
    int moved_pipe = fcntl(pipe, F_DUPFD_CLOEXEC, above);
    if (moved_pipe < 0) return -1;
    for (int index = 0; index < count; index++) {
        high[index] = fcntl(descriptors[index], F_DUPFD_CLOEXEC, above);
        if (high[index] < 0) return -1;
    }
    for (int index = 0; index < count; index++) {
        if (dup2(high[index], first_descriptor + index) < 0) return -1;
    }
    if (close_range((unsigned)above, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return -1;
    return moved_pipe;
}

static void become(const char *path, char *const *arguments, char *const *environment, char *pid_text,
                   const int *descriptors, int count, int pipe) {
    report(pipe, getpid());
    int report_to = place(descriptors, count, pipe);
    if (report_to >= 0) {
        for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (pid_text) write_decimal(pid_text, (unsigned)getpid());
        execve(path, arguments, environment);
        pipe = report_to;
    }
    report(pipe, errno);
    _exit(127);
}

/// False at the end of the pipe.
static int read_value(int pipe, int *value) {
    ssize_t got;
    do got = read(pipe, value, sizeof *value);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof *value;
}

pid_t homing_spawn_detached(const char *path, char *const *arguments, char *const *environment, char *pid_text,
                            const int *descriptors, int count) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) return -errno;
    pid_t middle = fork();
    if (middle < 0) {
        int problem = errno;
        close(ends[0]);
        close(ends[1]);
        return -problem;
    }
    if (middle == 0) {
        pid_t last = fork();
        if (last == 0) become(path, arguments, environment, pid_text, descriptors, count, ends[1]);
        _exit(last < 0 ? errno : 0);
    }
    close(ends[1]);
    // The middle one ends at once, and its end makes the last one an orphan.
    int status = 0;
    while (waitpid(middle, &status, 0) < 0 && errno == EINTR) {
    }
    int pid = 0, problem = 0;
    if (!read_value(ends[0], &pid)) {
        pid = WIFEXITED(status) && WEXITSTATUS(status) > 0 ? -WEXITSTATUS(status) : -EAGAIN;
    } else if (read_value(ends[0], &problem)) {
        pid = problem > 0 ? -problem : -EAGAIN;
    }
    close(ends[0]);
    return pid;
}
