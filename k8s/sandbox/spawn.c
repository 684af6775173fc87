/* Starting a pod's processes. */
#include "k8s/sandbox/spawn.h"

#include "k8s/sandbox/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

/* The program's path, to be freed; NULL: nowhere in PATH. */
static char *find_program(const char *name)
{
	const char *path = getenv("PATH");

	if (strchr(name, '/'))
		return must_dup(name);
	for (const char *at = path ? path : "/usr/bin:/bin"; *at;) {
		size_t len = strcspn(at, ":");
		char *whole = must_format("%.*s/%s", (int)len, at, name);

		if (access(whole, X_OK) == 0)
			return whole;
		free(whole);
		at += len + (at[len] == ':');
	}
	return NULL;
}

int spawn_process(char *const *argv, char *const *env, const char *cwd, const char *log_path,
	struct keeper *ret_keeper, struct err *err)
{
	OWN_MEM char *program = find_program(argv[0]);
	OWN_FD int log = -1;
	struct keeper_spec spec = { .path = program,
		.argv = (const char *const *)argv,
		.env = (const char *const *)env,
		.cwd = cwd,
		.in_fd = -1,
		.out_fd = -1,
		.err_fd = -1 };

	if (!program)
		return err_set(err, ERR_NOT_FOUND,
			"exec: \"%s\": executable file not found in $PATH", argv[0]);
	if (log_path) {
		log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (log < 0)
			return err_errno(err, "open %s", log_path);
		spec.out_fd = spec.err_fd = log;
	}
	return keeper_start(&spec, ret_keeper, err);
}
