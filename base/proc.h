/*
 * Child processes: each in a process group (session) of its own, with a deadline, found by pidfd,
 * and never outliving us: whatever kills this program, also SIGKILL, the child's whole group ends.
 */
#ifndef CRUMBLE_BASE_PROC_H
#define CRUMBLE_BASE_PROC_H

#include "base/buf.h"
#include "base/err.h"
#include "base/stop.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc;

/* Borrowed for the call. */
struct proc_spec {
	const char *const *argv;  /* NULL-terminated; argv[0] is looked up in PATH */
	const char *const *env;   /* "A=b", NULL-terminated: the child's whole environment. NULL: a
				   * minimal one (PATH, HOME, LANG, LC_ALL, TMPDIR, TZ, proxies) */
	const char *cwd;          /* NULL: ours */
	const char *log_path;     /* stdout and stderr are appended here, mode 0600; NULL: dropped */
	int in_fd;                /* becomes the child's stdin; 0: /dev/null */
	/* Gets each line of stdout (is_err false) and stderr, without its newline, cut at 64 KiB.
	 * From proc_wait's thread. NULL: none. */
	void (*on_line)(void *arg, bool is_err, const char *line);
	void *arg;
};

/* ERR_NOT_FOUND when there is no such program: the message names it. */
int proc_start(const struct proc_spec *spec, struct proc **ret_proc, struct err *err);
pid_t proc_pid(const struct proc *proc);

enum proc_end { PROC_EXITED, PROC_SIGNALED, PROC_DEADLINE, PROC_STOPPED };

struct proc_result {
	enum proc_end how;
	int code; /* exit status or signal */
};

/* Reads its output and waits until it ends. At the deadline (clock_now_ns; INT64_MAX: none), or
 * when `stop` is set, the group gets SIGTERM, `grace_ms` later SIGKILL. When it returns nothing of
 * the group is left. */
int proc_wait(struct proc *proc, struct stop *stop, int64_t deadline_ns, int64_t grace_ms,
	struct proc_result *ret_result, struct err *err);
/* Ends what still runs (SIGKILL to the group) and frees. NULL is fine. */
void proc_free(struct proc *proc);

/* Start, wait, and the standard output of at most max_bytes (ret_out: to be freed; may be NULL).
 * Not exiting with 0 is an error that names the program, how it ended, and the last line it said
 * on stderr. spec->on_line is not used. */
int proc_run(const struct proc_spec *spec, struct stop *stop, int64_t timeout_ms, size_t max_bytes,
	char **ret_out, struct err *err);

#endif
