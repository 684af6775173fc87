/* DELETE, and evictions: deletions that a disruption budget may refuse. */
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/request.h"
#include "k8s/sandbox/selector.h"

#include <inttypes.h>
#include <string.h>

struct wish {
	const char *uid, *rv; /* preconditions; NULL: none */
	int64_t grace_s;      /* -1: the object's own */
	enum propagation propagation;
	bool dry;
};

static const char *either(const struct request *request, const cJSON *options, const char *key)
{
	const char *text = json_str(options, key, NULL);

	return text ? text : request_param(request, key);
}

static struct wish wish_of(const struct request *request, const cJSON *options)
{
	const char *policy = either(request, options, "propagationPolicy");
	const char *grace = request_param(request, "gracePeriodSeconds");
	struct wish wish = {
		.uid = json_str(options, "preconditions", "uid", NULL),
		.rv = json_str(options, "preconditions", "resourceVersion", NULL),
		.grace_s = json_int(options, *grace ? strtoll(grace, NULL, 10) : -1,
			"gracePeriodSeconds", NULL),
		.dry = json_at(options, "dryRun", NULL) || *request_param(request, "dryRun"),
	};

	if (!strcmp(policy, "Foreground"))
		wish.propagation = PROPAGATE_FOREGROUND;
	else if (!strcmp(policy, "Orphan"))
		wish.propagation = PROPAGATE_ORPHAN;
	return wish;
}

static int check_precondition(const struct request *request, const cJSON *object,
	const struct wish *wish, struct answer *answer)
{
	bool uid = wish->uid && strcmp(wish->uid, meta(object, "uid"));

	if (!uid && (!wish->rv || !strcmp(wish->rv, meta(object, "resourceVersion"))))
		return 0;
	answer_fail(answer, 409, "Conflict",
		"Operation cannot be fulfilled on %s \"%s\": the %s in the precondition (%s) does "
		"not match the %s in record (%s). The object might have been %s",
		kind_qualified(request->kind), request->name, uid ? "UID" : "ResourceVersion",
		uid ? wish->uid : wish->rv, uid ? "UID" : "ResourceVersion",
		meta(object, uid ? "uid" : "resourceVersion"),
		uid ? "deleted and then recreated" : "modified");
	answer_details(answer, request->kind->group, request->kind->kind, request->name);
	return -1;
}

static void answer_removed(
	const struct request *request, const cJSON *object, struct answer *answer)
{
	cJSON *status = cJSON_CreateObject(), *details;

	edit_str(status, "kind", "Status");
	edit_str(status, "apiVersion", "v1");
	edit_object(status, "metadata");
	edit_str(status, "status", "Success");
	details = edit_object(status, "details");
	edit_str(details, "name", request->name);
	if (*request->kind->group)
		edit_str(details, "group", request->kind->group);
	edit_str(details, "kind", request->kind->plural);
	edit_str(details, "uid", meta(object, "uid"));
	answer_json(answer, 200, status);
}

static bool answers_object(const struct kind *kind)
{
	return kind == &kinds[KIND_POD] || kind == &kinds[KIND_NAMESPACE] ||
	       kind == &kinds[KIND_SERVICE];
}

static void remove_one(struct cluster *cluster, const struct request *request,
	const struct wish *wish, struct answer *answer)
{
	struct store *store = cluster->store;
	const cJSON *object = store_get(store, request->kind, request->ns, request->name);
	struct version *last;

	if (!object) {
		answer_not_found(answer, request->kind, request->name);
		return;
	}
	if (check_precondition(request, object, wish, answer))
		return;
	last = wish->dry ? version_ref(store_get_version(
				   store, request->kind, request->ns, request->name))
			 : object_delete(store, request->kind, request->ns, request->name,
				   wish->grace_s, wish->propagation);
	if (answers_object(request->kind) ||
		store_get(store, request->kind, request->ns, request->name))
		answer_state(answer, 200, request, last);
	else
		answer_removed(request, last->json, answer);
	version_unref(last);
}

void verb_delete(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	struct wish wish = wish_of(request, request->body);

	store_lock(cluster->store);
	remove_one(cluster, request, &wish, answer);
	store_unlock(cluster->store);
}

void verb_delete_all(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	struct wish wish = wish_of(request, request->body);
	struct selector *labels = NULL, *fields = NULL;
	struct version **all;
	size_t n;

	if (request_selectors(request, &labels, &fields, answer) == 0) {
		verb_list(cluster, request, answer);
		store_lock(cluster->store);
		all = store_past(cluster->store, request->kind, store_version(cluster->store), &n);
		for (size_t i = 0; i < n; i++) {
			const cJSON *json = all[i]->json;

			if (strcmp(request->ns, meta(json, "namespace")) ||
				!selector_matches(labels, json) || !selector_matches(fields, json))
				continue;
			version_unref(object_delete(cluster->store, request->kind, request->ns,
				meta(json, "name"), wish.grace_s, wish.propagation));
		}
		store_unlock(cluster->store);
		store_free_past(all, n);
	}
	selector_free(labels);
	selector_free(fields);
}

/* ---- evictions ---- */

/* The budget that refuses this pod's eviction; NULL: none. */
static const cJSON *budget_against(struct store *store, const cJSON *pod, const cJSON **ret_budget)
{
	size_t n;
	const struct object *all = store_objects(store, &kinds[KIND_PDB], &n);

	*ret_budget = NULL;
	for (size_t i = 0; i < n; i++) {
		const cJSON *json = all[i].now->json;

		if (strcmp(all[i].ns, meta(pod, "namespace")) ||
			!label_selector_matches(json_at(json, "spec", "selector", NULL), pod))
			continue;
		*ret_budget = json;
		if (json_int(json, 0, "status", "disruptionsAllowed", NULL) < 1)
			return json;
	}
	return NULL;
}

static void refuse(const cJSON *budget, struct answer *answer)
{
	OWN_MEM char *cause = must_format("The disruption budget %s needs %" PRId64
					  " healthy pods and has %" PRId64 " currently",
		meta(budget, "name"), json_int(budget, 0, "status", "desiredHealthy", NULL),
		json_int(budget, 0, "status", "currentHealthy", NULL));

	answer_fail(answer, 429, "TooManyRequests",
		"Cannot evict pod as it would violate the pod's disruption budget.");
	answer_cause(answer, "DisruptionBudget", cause, NULL);
}

/* Counted at once, so that two evictions in a row cannot both take the last one allowed. */
static void count_disruption(struct store *store, const cJSON *budget)
{
	cJSON *copy = edit_copy(budget);
	cJSON *status = edit_object(copy, "status");

	edit_int(status, "disruptionsAllowed", json_int(status, 0, "disruptionsAllowed", NULL) - 1);
	edit_int(status, "currentHealthy", json_int(status, 0, "currentHealthy", NULL) - 1);
	store_set(store, &kinds[KIND_PDB], copy);
}

static void evict(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	struct store *store = cluster->store;
	const cJSON *pod = store_get(store, request->kind, request->ns, request->name);
	struct wish wish = wish_of(request, json_at(request->body, "deleteOptions", NULL));
	const cJSON *refusing, *budget;
	cJSON *status;

	if (!pod) {
		answer_not_found(answer, request->kind, request->name);
		return;
	}
	if (check_precondition(request, pod, &wish, answer))
		return;
	refusing = budget_against(store, pod, &budget);
	if (refusing && pod_is_ready(pod)) {
		refuse(refusing, answer);
		return;
	}
	if (budget && pod_is_ready(pod) && !wish.dry)
		count_disruption(store, budget);
	if (!wish.dry)
		version_unref(object_delete(store, request->kind, request->ns, request->name,
			wish.grace_s, PROPAGATE_BACKGROUND));
	status = cJSON_CreateObject();
	edit_str(status, "kind", "Status");
	edit_str(status, "apiVersion", "v1");
	edit_object(status, "metadata");
	edit_str(status, "status", "Success");
	edit_int(status, "code", 201);
	answer_json(answer, 201, status);
}

void verb_evict(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	store_lock(cluster->store);
	evict(cluster, request, answer);
	store_unlock(cluster->store);
}
