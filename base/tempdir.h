/*
 * A private folder below $TMPDIR (or /tmp) that is gone with us, however we die: a guard process of
 * our own holds one end of a pipe, and at its end of file removes the folder with all that is in
 * it. What still writes there (children that are being ended) is outlasted, half a minute at most.
 * Only who kills us and the guard at once leaves the folder behind.
 */
#ifndef CRUMBLE_BASE_TEMPDIR_H
#define CRUMBLE_BASE_TEMPDIR_H

#include "base/err.h"

#include <sys/types.h>

struct tempdir {
	char *path; /* 0700, ours */
	int fd;     /* the guard's pipe */
	pid_t guard;
};

/* The folder's name begins with `name`. Any thread. */
int tempdir_new(const char *name, struct tempdir *ret_dir, struct err *err);
/* Removes it, and waits until that is done. NULL and zeroed are fine. */
void tempdir_done(struct tempdir *dir);

#endif
