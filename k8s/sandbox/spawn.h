/* Starting a pod's processes, each under a keeper of its own. */
#ifndef CRUMBLE_K8S_SANDBOX_SPAWN_H
#define CRUMBLE_K8S_SANDBOX_SPAWN_H

#include "base/keeper.h"

/* argv[0] is looked up in PATH. Output is appended to log_path; NULL: dropped. ERR_NOT_FOUND:
 * there is no such program. */
int spawn_process(char *const *argv, char *const *env, const char *cwd, const char *log_path,
	struct keeper *ret_keeper, struct err *err);

#endif
