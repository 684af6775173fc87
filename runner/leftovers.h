/*
 * What a run left behind, read from its journal alone, and its undoing: deployments that were
 * neither undone nor kept, and held bites without proof that they are gone. Instant bites (kills)
 * leave nothing. What stood on the run's own sandbox is gone with it.
 */
#ifndef CRUMBLE_RUNNER_LEFTOVERS_H
#define CRUMBLE_RUNNER_LEFTOVERS_H

#include "base/err.h"
#include "base/json.h"
#include "base/stop.h"

#include <stdbool.h>
#include <stddef.h>

struct leftover {
	char *name;     /* of the deployment, or the bite's id */
	char *kind;     /* of the deployer or cookie */
	bool is_bite;
	cJSON *undo;
};

struct leftovers {
	struct leftover *v; /* in the order of their intents */
	size_t n;
	bool locked;        /* a live run writes this record: it undoes them itself */
	bool damaged;       /* from a bad line on nothing is known */
	cJSON *run;         /* the `run` event; NULL: none */
	cJSON *last;        /* its latest `cluster` event; NULL: none */
};

int leftovers_read(const char *dir, struct leftovers *ret, struct err *err);
void leftovers_done(struct leftovers *leftovers);
/* "deployment web, bite slow/3": for a message. */
void leftovers_text(const struct leftovers *leftovers, char *out, size_t size);

/* Undoes what DIR's record left, journals it, and makes its reports again. Any number of times.
 * *ret_left: how many remain; the error is about the first of them. -1 with *ret_left 0: the record
 * itself could not be read or is held by a live run. */
int leftovers_heal(const char *dir, struct stop *stop, size_t *ret_left, struct err *err);

#endif
