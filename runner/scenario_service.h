/*
 * ${service:NAMESPACE/NAME:PORT}: the one thing that is replaced in a scenario's strings.
 */
#ifndef CRUMBLE_RUNNER_SCENARIO_SERVICE_H
#define CRUMBLE_RUNNER_SCENARIO_SERVICE_H

#include "base/err.h"

#include <stdbool.h>

/* -1 when a ${service:...} in text is malformed. */
int service_check(const char *text, struct err *err);
bool service_in(const char *text);
/* A copy of text with each one replaced; to be freed. */
int service_replace(const char *text,
	int (*service)(void *arg, const char *ns, const char *name, const char *port,
		char **ret_host_port, struct err *err),
	void *arg, char **ret_text, struct err *err);

#endif
