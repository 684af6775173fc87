/*
 * Rally's command line in a private folder: its own configuration, database, HOME and environment,
 * so that no two runs, and no Rally of the user's, can meet. Of use to rally.c alone.
 */
#ifndef CRUMBLE_VERIFIERS_RALLY_CALL_H
#define CRUMBLE_VERIFIERS_RALLY_CALL_H

#include "base/err.h"
#include "base/proc.h"
#include "base/stop.h"
#include "base/tempdir.h"

#include <stdbool.h>
#include <stdint.h>

#define RALLY_REASON_BYTES 240

struct rally_home {
	/* With rally.conf and rally.sqlite in it, which hold passwords: gone however we die. */
	struct tempdir temp;
	const char *dir; /* its path */
	char *conf;
	char *log;    /* Rally's own log, and what its commands say */
	char **env;   /* NULL-terminated */
};

/* Makes the folder below $TMPDIR (or /tmp); `log` is copied. */
int rally_home_new(const char *run_id, const char *name, const char *log,
	struct rally_home *ret_home, struct err *err);
/* Makes a file that only its owner reads, where there is none: Rally would let everybody. */
int rally_private_file(const char *path, struct err *err);
/* Deletes the folder with all that is in it. Zeroed is fine. */
void rally_home_done(struct rally_home *home);

struct rally_call {
	const char *const *args;  /* behind `rally --config-file FILE`; NULL-terminated */
	const char *cwd;          /* NULL: ours */
	int64_t deadline_ns;
	bool quiet;               /* its output does not go to the log: it may show a password */
	/* Each line of its standard output; may be NULL. */
	void (*line)(void *arg, const char *line);
	void *arg;
};

/* What a call came to, beside its exit status. */
struct rally_end {
	int code;                        /* exit status */
	unsigned died;                   /* "Exception in thread" lines on stderr */
	char reason[RALLY_REASON_BYTES]; /* the best guess at why it failed: a line of its output */
};

/* Runs it to its end. -1 when it could not be started, was stopped (ERR_STOPPED), passed its
 * deadline (ERR_TIMEOUT) or died of a signal; any exit status is a success of this function. */
int rally_call(const struct rally_home *home, const struct rally_call *call, struct stop *stop,
	struct rally_end *ret_end, struct err *err);
/* The same, and an exit status other than 0 is an error that tells the reason. */
int rally_must(const struct rally_home *home, const struct rally_call *call, struct stop *stop,
	struct err *err);

#endif
