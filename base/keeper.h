/*
 * A keeper: a tiny process between us and a child, so that the child and all it started end with
 * us, however we die (also by SIGKILL). It is the subreaper of its descendants and holds one end
 * of a socket whose other end only we hold: at its end of file it kills them all, also those that
 * left the process group. When the child ends, whatever it left running is killed too.
 *
 * Any thread may start one. Should the keeper itself be killed, the child gets SIGKILL at
 * once and its process group with the next keeper_ended; only who left the group stays then.
 */
#ifndef CRUMBLE_BASE_KEEPER_H
#define CRUMBLE_BASE_KEEPER_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Borrowed for the call. The child gets descriptors 0 to 2 and no others, an empty signal mask,
 * default dispositions, and a session (and process group) of its own. */
struct keeper_spec {
	const char *path;        /* what to execute: a path, no lookup */
	const char *const *argv; /* NULL-terminated */
	const char *const *env;  /* NULL-terminated: the whole environment */
	const char *cwd;         /* NULL: ours */
	int in_fd, out_fd, err_fd; /* -1: /dev/null. They stay the caller's */
};

struct keeper {
	pid_t pid;        /* the child; it is gone once keeper_ended says so */
	pid_t keeper_pid;
	int pidfd;        /* the child's */
	int fd;           /* readable when keeper_ended has news: for poll and epoll; never read it */
};

/* Returns when the child executes its program. A zeroed keeper is what keeper_end accepts. */
int keeper_start(const struct keeper_spec *spec, struct keeper *ret_keeper, struct err *err);

/* A signal to the child alone, or to it and all its descendants. The keeper sends it, so that it
 * never hits a stranger that got the number. SIGKILL always goes to all. Descendants that a
 * SIGTERM to all leaves alive after the child's own end are left in peace until SIGKILL. */
void keeper_signal(const struct keeper *keeper, int signal, bool all);

/* True once the child and all its descendants are gone; *ret_status is the child's, as of waitpid.
 * Never blocks. */
bool keeper_ended(struct keeper *keeper, int *ret_status);

/* SIGKILL to all; waits until they are gone (at most 10 s: a process can hang in the kernel) and
 * frees what the keeper holds. False when some may be left. NULL and zeroed are fine. */
bool keeper_end(struct keeper *keeper);

#endif
