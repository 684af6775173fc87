/* The kinds of cookies, from cookies.def, and what all of them need. */
#include "runner/cookies/cookie.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COOKIE(name) extern const struct cookie_ops cookie_##name;
#include "runner/cookies/cookies.def"
#undef COOKIE

#define COOKIE(name) &cookie_##name,
const struct cookie_ops *const cookie_kinds[] = {
#include "runner/cookies/cookies.def"
	NULL
};
#undef COOKIE

const struct cookie_ops *cookie_find(const char *name)
{
	for (const struct cookie_ops *const *ops = cookie_kinds; *ops; ops++)
		if (!strcmp((*ops)->name, name))
			return *ops;
	return NULL;
}

static void target_done(struct cookie_target *target)
{
	free(target->ns);
	free(target->name);
	free(target->uid);
	free(target->workload);
}

void cookie_plan_done(struct cookie_plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->n_targets; i++)
		target_done(&plan->targets[i]);
	for (size_t i = 0; i < plan->n_skips; i++) {
		free(plan->skips[i].ns);
		free(plan->skips[i].name);
		free(plan->skips[i].reason);
	}
	free(plan->targets);
	free(plan->skips);
	free(plan->reason);
	cJSON_Delete(plan->undo);
	free(plan->watch_ns);
	free(plan->watch_selector);
	memset(plan, 0, sizeof(*plan));
}

static char *copy(const char *text, bool *failed)
{
	char *out = text ? strdup(text) : NULL;

	*failed |= text && !out;
	return out;
}

int cookie_plan_target(struct cookie_plan *plan, const struct cookie_target *from, struct err *err)
{
	struct cookie_target *grown = realloc(
		plan->targets, (plan->n_targets + 1) * sizeof(*plan->targets));
	struct cookie_target *target;
	bool failed = false;

	if (!grown)
		return err_set(err, ERR_NOMEM, "no memory for a target");
	plan->targets = grown;
	target = &grown[plan->n_targets];
	*target = (struct cookie_target){
		.kind = from->kind,
		.ns = copy(from->ns, &failed),
		.name = copy(from->name, &failed),
		.uid = copy(from->uid, &failed),
		.workload_kind = from->workload_kind,
		.workload = copy(from->workload, &failed),
	};
	plan->n_targets++;
	return failed ? err_set(err, ERR_NOMEM, "no memory for a target") : 0;
}

int cookie_plan_skip(struct cookie_plan *plan, const struct k8s_kind *kind, const char *ns,
	const char *name, struct err *err, const char *format, ...)
{
	struct cookie_skip *grown = realloc(plan->skips, (plan->n_skips + 1) * sizeof(*grown));
	struct cookie_skip *skip;
	bool failed = false;
	va_list args;

	if (!grown)
		return err_set(err, ERR_NOMEM, "no memory for a skip");
	plan->skips = grown;
	skip = &grown[plan->n_skips];
	*skip = (struct cookie_skip){
		.kind = kind,
		.ns = copy(ns, &failed),
		.name = copy(name, &failed),
	};
	va_start(args, format);
	if (vasprintf(&skip->reason, format, args) < 0)
		skip->reason = NULL;
	va_end(args);
	plan->n_skips++;
	return failed || !skip->reason ? err_set(err, ERR_NOMEM, "no memory for a skip") : 0;
}

/* FNV-1a over the parts with their ends marked, then murmur's finalizer, which spreads it over all
 * bits: keys that differ in their last byte alone must not stay in order. */
static uint64_t mix(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *byte = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
	return hash;
}

uint64_t cookie_hash(const struct cookie_env *env, unsigned round, const char *key)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	unsigned char number[12];

	for (unsigned i = 0; i < 8; i++)
		number[i] = (unsigned char)(env->seed >> (8 * i));
	for (unsigned i = 0; i < 4; i++)
		number[8 + i] = (unsigned char)(round >> (8 * i));
	hash = mix(hash, number, sizeof(number));
	hash = mix(hash, env->name, strlen(env->name) + 1);
	hash = mix(hash, key, strlen(key) + 1);
	hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	hash = (hash ^ (hash >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	return hash ^ (hash >> 33);
}

static const cJSON *controller(const cJSON *pod)
{
	const cJSON *owner;

	cJSON_ArrayForEach(
		owner, json_at(pod, "metadata", "ownerReferences",
			       NULL)) if (json_bool(owner, 0, "controller", NULL)) return owner;
	return NULL;
}

/* A ReplicaSet of a Deployment is called DEPLOYMENT-HASH, and its pods carry the hash. */
static char *deployment_name(const char *replicaset, const char *hash)
{
	size_t len = strlen(replicaset), tail = hash ? strlen(hash) : 0;

	if (!tail || len < tail + 2 || strcmp(replicaset + len - tail, hash) ||
		replicaset[len - tail - 1] != '-')
		return NULL;
	return strndup(replicaset, len - tail - 1);
}

const struct k8s_kind *cookie_pod_workload(const cJSON *pod, char **ret_name)
{
	const cJSON *owner = controller(pod);
	const char *kind = json_str(owner, "kind", NULL), *name = json_str(owner, "name", NULL);
	const struct k8s_kind *of = NULL;
	char *found = NULL;

	if (!kind || !name)
		return NULL;
	if (!strcmp(kind, "ReplicaSet")) {
		found = deployment_name(
			name, json_str(pod, "metadata", "labels", "pod-template-hash", NULL));
		of = &k8s_deployment;
	} else if (!strcmp(kind, "StatefulSet") || !strcmp(kind, "DaemonSet")) {
		found = strdup(name);
		of = *kind == 'S' ? &k8s_statefulset : &k8s_daemonset;
	}
	if (!found)
		return NULL;
	*ret_name = found;
	return of;
}
