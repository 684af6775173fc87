/* The run's one watch of pods, a thread and a client a namespace, for bites.h. */
#ifndef CRUMBLE_RUNNER_WATCH_H
#define CRUMBLE_RUNNER_WATCH_H

#include "base/err.h"
#include "base/stop.h"
#include "runner/bites.h"
#include "runner/recorder.h"

#include <stdbool.h>

struct watch;

/* `config`, `recorder` and `bites` outlive it. */
int watch_new(const struct k8s_config *config, struct recorder *recorder, struct bites *bites,
	struct watch **ret_watch, struct err *err);
/* Ends its threads. NULL is fine. */
void watch_free(struct watch *watch);

/* Begins to watch this namespace, unless it is watched already, and waits until all that is there
 * has been seen. One thread alone calls this. */
int watch_namespace(struct watch *watch, const char *ns, struct stop *stop, struct err *err);
/* A watch that was refused for good: its reason. False: all is well. */
bool watch_failed(struct watch *watch, struct err *err);

#endif
