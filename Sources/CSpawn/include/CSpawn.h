#pragma once

#include <sys/types.h>

/// Starts a program as a process that is nobody's child: it is handed to the subreaper or to process 1 at once, so that a
/// service manager hears of its end. C, because between fork and exec nothing may run that takes a lock.
///
/// `descriptors` become 3, 4, … in the new process, which inherits no others but 0, 1 and 2. Its signals are as a login
/// shell has them. `pid_text`, unless null, points into `environment` at ten characters, which become its process id as
/// decimal text, ended by a zero.
///
/// Returns the process id, or a negative errno when the process could not be made or the program not be started.
pid_t homing_spawn_detached(const char *_Nonnull path, char *_Nullable const *_Nonnull arguments,
                            char *_Nullable const *_Nonnull environment, char *_Nullable pid_text,
                            const int *_Nonnull descriptors, int count);
