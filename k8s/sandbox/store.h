/*
 * The object store: every kind's objects, sorted by namespace and name; each state of an object is
 * an immutable version with a resourceVersion of its own; the latest changes are kept, so that
 * watches and consistent pages are reads of the past.
 *
 * One lock over all of it. What is borrowed is valid until store_unlock, unless a version was
 * taken by version_ref; versions may be read without the lock, since nobody changes them.
 */
#ifndef CRUMBLE_K8S_SANDBOX_STORE_H
#define CRUMBLE_K8S_SANDBOX_STORE_H

#include "base/json.h"
#include "k8s/sandbox/kinds.h"

#include <stdatomic.h>
#include <stdint.h>

struct version {
	atomic_uint refs;
	uint64_t rv;
	cJSON *json;
};

struct version *version_ref(struct version *version);
void version_unref(struct version *version); /* NULL is fine */

struct object {
	const char *ns, *name; /* inside now->json; ns "" for the cluster's own */
	struct version *now;
};

enum change_type { CHANGE_ADDED, CHANGE_MODIFIED, CHANGE_DELETED };

struct change {
	enum change_type type;
	const struct kind *kind;
	struct version *now;    /* DELETED: the last state, with the deletion's resourceVersion */
	struct version *before; /* NULL when ADDED */
};

struct store;

/* Keeps the latest `history` changes. */
struct store *store_open(size_t history);
void store_close(struct store *store);

void store_lock(struct store *store);
void store_unlock(struct store *store);
/* With the lock held: waits for any change, until `until_ns`, or until store_stop. */
void store_wait(struct store *store, int64_t until_ns);
/* An eventfd that is written at every change, and by store_stop. */
void store_add_wake(struct store *store, int fd);
/* Everybody should end. */
void store_stop(struct store *store);
bool store_stopped(struct store *store);

/* ---- with the lock held ---- */

uint64_t store_version(const struct store *store);
/* The oldest resourceVersion from which changes can still be told. */
uint64_t store_oldest(const struct store *store);
/* The change that made this resourceVersion; it must be > store_oldest and <= store_version. */
const struct change *store_change(const struct store *store, uint64_t rv);

/* NULL: not there. */
const cJSON *store_get(const struct store *store, const struct kind *kind, const char *ns,
	const char *name);
struct version *store_get_version(const struct store *store, const struct kind *kind,
	const char *ns, const char *name);
/* All of a kind, sorted. */
const struct object *store_objects(const struct store *store, const struct kind *kind,
	size_t *ret_n);
/* By uid, of any kind. NULL: not there. */
const cJSON *store_by_uid(const struct store *store, const char *uid);

/* Creates or replaces by metadata's namespace and name; takes `json`, sets its resourceVersion.
 * No change, no version. Returns the state that is there now. */
const cJSON *store_set(struct store *store, const struct kind *kind, cJSON *json);
void store_drop(struct store *store, const struct kind *kind, const char *ns, const char *name);

/* The state of a kind as it was at `rv` (within the history), sorted; the caller's array of
 * references: store_free_past. */
struct version **store_past(struct store *store, const struct kind *kind, uint64_t rv,
	size_t *ret_n);
void store_free_past(struct version **versions, size_t n);

#endif
