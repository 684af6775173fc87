/* What may happen to any object: being deleted gracefully, losing its finalizers, having events. */
#ifndef CRUMBLE_K8S_SANDBOX_OBJECTS_H
#define CRUMBLE_K8S_SANDBOX_OBJECTS_H

#include "k8s/sandbox/store.h"

/* All with the store's lock held. */

enum propagation { PROPAGATE_BACKGROUND, PROPAGATE_FOREGROUND, PROPAGATE_ORPHAN };

/* Begins or completes the deletion of an object that is there. grace_s -1: its own. Returns the
 * state it then has, a new reference: still there and terminating, or its last one. */
struct version *object_delete(struct store *store, const struct kind *kind, const char *ns,
	const char *name, int64_t grace_s, enum propagation propagation);
bool has_finalizer(const cJSON *object, const char *finalizer);
/* Takes a copy without that finalizer into the store; one that waited for it alone is gone. */
void object_drop_finalizer(struct store *store, const struct kind *kind, const cJSON *object,
	const char *finalizer);
/* Stores a changed copy (taken), or removes it when it is terminating and nothing holds it. */
const cJSON *object_replace(struct store *store, const struct kind *kind, cJSON *json);

/* A new reference object for metadata.ownerReferences. */
cJSON *owner_reference(const struct kind *kind, const cJSON *owner);
/* An Event about an object; a repeated one is counted. `type`: "Normal" or "Warning". */
void event_add(struct store *store, const struct kind *kind, const cJSON *object,
	const char *component, const char *type, const char *reason, const char *format, ...)
	__attribute__((format(printf, 7, 8)));

/* Sets a condition by its type; lastTransitionTime moves only with the status. */
void condition_set(cJSON *status, const char *type, bool value, const char *reason,
	const char *message);
bool condition_true(const cJSON *object, const char *type);
bool pod_is_ready(const cJSON *pod); /* Ready is True, and it is not terminating */
bool pod_is_over(const cJSON *pod);  /* Succeeded or Failed */

#endif
