/* What goes when something else goes: dependents of an owner, and all in a namespace. */
#include "k8s/sandbox/controllers.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"

#include <string.h>

/* ---- owners ---- */

/* Has it owners, and are all of them gone? */
static bool is_orphaned(struct store *store, const cJSON *object)
{
	const cJSON *owners = json_at(object, "metadata", "ownerReferences", NULL), *one;

	if (!owners || !owners->child)
		return false;
	cJSON_ArrayForEach(one, owners)
	{
		const char *uid = json_str(one, "uid", NULL);

		if (uid && store_by_uid(store, uid))
			return false;
	}
	return true;
}

static bool names_owner(const cJSON *object, const char *uid)
{
	const cJSON *one;

	cJSON_ArrayForEach(
		one, json_at(object, "metadata", "ownerReferences",
			     NULL)) if (same_text(json_str(one, "uid", NULL), uid)) return true;
	return false;
}

static void release(
	struct store *store, const struct kind *kind, const cJSON *object, const char *uid)
{
	cJSON *copy = edit_copy(object);
	cJSON *list = edit_array(edit_metadata(copy), "ownerReferences");

	for (int i = cJSON_GetArraySize(list) - 1; i >= 0; i--)
		if (same_text(json_str(cJSON_GetArrayItem(list, i), "uid", NULL), uid))
			cJSON_DeleteItemFromArray(list, i);
	if (!list->child)
		edit_del(edit_metadata(copy), "ownerReferences");
	store_set(store, kind, copy);
}

/* Deletes or releases what names this owner. Returns how many are still there. */
static size_t settle_dependents(struct store *store, const cJSON *owner, bool orphan)
{
	OWN_MEM char *uid = must_dup(meta(owner, "uid"));
	size_t left = 0;

	for (size_t k = 0; k < KIND_COUNT; k++) {
		OWN(owned_done) struct owned all = owned_all(store, &kinds[k]);

		for (size_t i = 0; i < all.n; i++) {
			const cJSON *json = all.v[i]->json;

			if (!names_owner(json, uid))
				continue;
			left++;
			if (orphan)
				release(store, &kinds[k], json, uid);
			else if (!is_terminating(json))
				version_unref(object_delete(store, &kinds[k],
					meta(json, "namespace"), meta(json, "name"), -1,
					&kinds[k] == &kinds[KIND_POD] ? PROPAGATE_BACKGROUND
								      : PROPAGATE_FOREGROUND));
		}
	}
	return left;
}

static void settle_owner(struct store *store, const struct kind *kind, const cJSON *owner)
{
	if (!is_terminating(owner))
		return;
	if (has_finalizer(owner, "orphan")) {
		settle_dependents(store, owner, true);
		object_drop_finalizer(store, kind, owner, "orphan");
	} else if (has_finalizer(owner, "foregroundDeletion")) {
		if (!settle_dependents(store, owner, false))
			object_drop_finalizer(store, kind, owner, "foregroundDeletion");
	}
}

/* ---- namespaces ---- */

/* Deletes all in it. Returns how many are still there. */
static size_t empty_namespace(struct store *store, const char *ns)
{
	size_t left = 0;

	for (size_t k = 0; k < KIND_COUNT; k++) {
		OWN(owned_done) struct owned all = owned_all(store, &kinds[k]);

		for (size_t i = 0; i < all.n; i++) {
			const cJSON *json = all.v[i]->json;

			if (!kinds[k].namespaced || strcmp(meta(json, "namespace"), ns))
				continue;
			if (!is_terminating(json))
				version_unref(object_delete(store, &kinds[k], ns,
					meta(json, "name"), -1, PROPAGATE_BACKGROUND));
			left += store_get(store, &kinds[k], ns, meta(json, "name")) != NULL;
		}
	}
	return left;
}

static void reconcile_namespaces(struct store *store)
{
	OWN(owned_done) struct owned all = owned_all(store, &kinds[KIND_NAMESPACE]);

	for (size_t i = 0; i < all.n; i++) {
		const cJSON *json = all.v[i]->json;

		if (is_terminating(json) && !empty_namespace(store, meta(json, "name")))
			store_drop(store, &kinds[KIND_NAMESPACE], "", meta(json, "name"));
	}
}

void reconcile_garbage(struct cluster *cluster)
{
	struct store *store = cluster->store;

	for (size_t k = 0; k < KIND_COUNT; k++) {
		OWN(owned_done) struct owned all = owned_all(store, &kinds[k]);

		for (size_t i = 0; i < all.n; i++) {
			const cJSON *json = all.v[i]->json;

			if (is_orphaned(store, json) && !is_terminating(json))
				version_unref(
					object_delete(store, &kinds[k], meta(json, "namespace"),
						meta(json, "name"), -1, PROPAGATE_BACKGROUND));
			else
				settle_owner(store, &kinds[k], json);
		}
	}
	reconcile_namespaces(store);
}
