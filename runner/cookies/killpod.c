/*
 * killpod: deletes pods of a deployment or statefulset, named or random, the way Cookiemonster
 * did, with what was broken there honoured: `target`, `duration`, guards on *ready* pods, distinct
 * victims that are Running, Ready and not terminating, and a UID precondition on the delete, so
 * that nothing but the pod that was planned is ever eaten.
 *
 * Instant: the controller makes the replacement; there is nothing to heal.
 */
#include "runner/cookies/cookie.h"

#include "base/buf.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct killpod {
	int kind;
	char *name, *namespace;
	int64_t target, interval_ns, duration_ns, grace_ns;
	bool guard, has_grace;
};

static const char *const kinds[] = { "deployment", "statefulset", NULL };

static const struct param params[] = { { "kind", PARAM_ENUM, offsetof(struct killpod, kind),
					       .required = true, .choices = kinds,
					       .doc = "whose pods are eaten" },
	{ "name", PARAM_STRING, offsetof(struct killpod, name),
		.doc = "the workload; absent: a random one that can spare a pod, drawn each round" },
	{ "namespace", PARAM_STRING, offsetof(struct killpod, namespace),
		.doc = "absent: the scenario's" },
	{ "target", PARAM_INT, offsetof(struct killpod, target), .def = "1", .min = 1, .max = 10000,
		.doc = "pods a round; fewer where the guard says so" },
	{ "interval", PARAM_DURATION, offsetof(struct killpod, interval_ns), .required = true,
		.doc = "between rounds, the first at once; 0s: one round" },
	{ "duration", PARAM_DURATION, offsetof(struct killpod, duration_ns), .def = "0s",
		.doc = "rounds are due for so long; 0s: until the faults phase ends" },
	{ "grace_period", PARAM_DURATION, offsetof(struct killpod, grace_ns),
		.given = offsetof(struct killpod, has_grace),
		.doc = "before SIGKILL, in whole seconds; absent: the pod's own; 0s: at once" },
	{ "guard", PARAM_BOOL, offsetof(struct killpod, guard), .def = "true",
		.doc = "keep one ready pod; of statefulsets and quorum services a majority" },
	PARAM_END };

static const struct k8s_kind *kind_of(const struct killpod *p)
{
	return p->kind == 0 ? &k8s_deployment : &k8s_statefulset;
}

static const char *namespace_of(const struct cookie_env *env, const struct killpod *p)
{
	return p->namespace ? p->namespace : env->namespace;
}

static int killpod_check(const void *params_, struct err *err)
{
	const struct killpod *p = params_;

	if (p->interval_ns && p->interval_ns < 100 * NS_PER_MS)
		return err_set(err, ERR_CONFIG,
			"interval: shorter than 100ms; give 0s for a single round");
	if (p->duration_ns && !p->interval_ns)
		return err_set(err, ERR_CONFIG,
			"duration: has no meaning with interval 0s, which is a single round");
	return 0;
}

static void killpod_timing(const void *params_, struct cookie_timing *ret)
{
	const struct killpod *p = params_;

	*ret = (struct cookie_timing){
		.interval_ns = p->interval_ns,
		.duration_ns = p->duration_ns,
	};
}

/* ---- workloads, and what they can spare ---- */

struct workload {
	char *name, *selector;
	int64_t replicas, ready;
};

struct workloads {
	struct workload *v;
	size_t n;
	struct err *err;
	bool failed;
};

static void workloads_done(struct workloads *w)
{
	for (size_t i = 0; i < w->n; i++) {
		free(w->v[i].name);
		free(w->v[i].selector);
	}
	free(w->v);
}

static int workloads_add(struct workloads *w, const cJSON *object)
{
	struct workload *grown = realloc(w->v, (w->n + 1) * sizeof(*w->v)), *added;
	const char *name = json_str(object, "metadata", "name", NULL);

	if (!grown || !name)
		return err_set(w->err, ERR_NOMEM, "a workload without name, or no memory for it");
	w->v = grown;
	added = &grown[w->n];
	*added = (struct workload){
		.name = strdup(name),
		.replicas = json_int(object, 1, "spec", "replicas", NULL),
	};
	w->n++;
	if (k8s_selector_text(json_at(object, "spec", "selector", NULL), &added->selector, w->err))
		return err_wrap(w->err, "selector of %s", name);
	return added->name ? 0 : err_set(w->err, ERR_NOMEM, "no memory for a workload");
}

static int each_workload(void *arg, const cJSON *item)
{
	struct workloads *w = arg;

	w->failed = workloads_add(w, item) < 0;
	return w->failed;
}

/* Clustered services need a majority, whatever kind of workload they are. */
static bool needs_quorum(const struct k8s_kind *kind, const char *name)
{
	static const char *const services[] = { "rabbitmq", "mariadb", "galera", "etcd" };

	if (kind == &k8s_statefulset)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		if (strstr(name, services[i]))
			return true;
	return false;
}

/* How many ready pods may go; where it is none, `why` says so. */
static int64_t can_spare(const struct killpod *p, const struct workload *w, char why[128])
{
	int64_t keep = needs_quorum(kind_of(p), w->name) ? w->replicas / 2 + 1 : 1;

	if (!p->guard)
		keep = 0;
	if (w->ready > keep)
		return w->ready - keep;
	if (!w->ready)
		snprintf(why, 128, "no pod is ready, doing nothing");
	else if (keep == 1)
		snprintf(why, 128, "only one pod available, doing nothing");
	else
		snprintf(why, 128,
			"%" PRId64 " of %" PRId64 " pods ready and a majority of %" PRId64
			" must stay, doing nothing",
			w->ready, w->replicas, keep);
	return 0;
}

static struct workload *find(struct workloads *w, const char *name)
{
	for (size_t i = 0; i < w->n; i++)
		if (!strcmp(w->v[i].name, name))
			return &w->v[i];
	return NULL;
}

struct counting {
	struct workloads *workloads;
	const struct k8s_kind *kind;
};

static int count_ready(void *arg, const cJSON *pod)
{
	struct counting *c = arg;
	struct workload *w;
	OWN_MEM char *name = NULL;

	if (!k8s_pod_ready(pod) || cookie_pod_workload(pod, &name) != c->kind)
		return 0;
	w = find(c->workloads, name);
	if (w)
		w->ready++;
	return 0;
}

/* ---- choosing a workload ---- */

static int load_named(
	const struct cookie_env *env, const struct killpod *p, struct workloads *w, struct err *err)
{
	const char *ns = namespace_of(env, p);
	OWN_JSON cJSON *object = NULL;

	if (k8s_get(env->k8s, kind_of(p), ns, p->name, &object, err))
		return err_wrap(err, "%s %s in namespace %s", kinds[p->kind], p->name, ns);
	return workloads_add(w, object);
}

static int load_all(
	const struct cookie_env *env, const struct killpod *p, struct workloads *w, struct err *err)
{
	struct counting counting = { w, kind_of(p) };
	const char *ns = namespace_of(env, p);

	if (k8s_list(env->k8s, kind_of(p), ns, NULL, each_workload, w, NULL, err) || w->failed)
		return err_wrap(err, "%ss of namespace %s", kinds[p->kind], ns);
	if (!w->n)
		return 0;
	if (k8s_list(env->k8s, &k8s_pod, ns, NULL, count_ready, &counting, NULL, err))
		return err_wrap(err, "pods of namespace %s", ns);
	return 0;
}

static uint64_t draw(const struct cookie_env *env, unsigned round, const char *ns, const char *name)
{
	OWN_MEM char *key = str_format("%s/%s", ns, name);

	return cookie_hash(env, round, key ? key : name);
}

/* The one with the smallest draw among those that can spare a pod; the others become skips. */
static int choose(const struct cookie_env *env, const struct killpod *p, unsigned round,
	struct workloads *w, struct cookie_plan *plan, struct workload **ret, struct err *err)
{
	const char *ns = namespace_of(env, p);
	uint64_t least = 0;

	*ret = NULL;
	for (size_t i = 0; i < w->n; i++) {
		uint64_t drawn = draw(env, round, ns, w->v[i].name);
		char why[128];

		if (!can_spare(p, &w->v[i], why)) {
			if (cookie_plan_skip(plan, kind_of(p), ns, w->v[i].name, err, "%s", why))
				return -1;
		} else if (!*ret || drawn < least) {
			*ret = &w->v[i];
			least = drawn;
		}
	}
	return 0;
}

/* ---- choosing pods: the k smallest draws, in one pass over the list ---- */

struct victim {
	uint64_t drawn;
	char *name, *uid;
};

struct victims {
	const struct cookie_env *env;
	const struct killpod *p;
	struct workload *workload;
	unsigned round;
	struct victim *v; /* by draw, the smallest first; at most `target` */
	size_t n;
	bool failed;
};

static void victims_done(struct victims *victims)
{
	for (size_t i = 0; i < victims->n; i++) {
		free(victims->v[i].name);
		free(victims->v[i].uid);
	}
	free(victims->v);
}

static void victims_insert(struct victims *victims, struct victim victim)
{
	size_t at = victims->n, max = (size_t)victims->p->target;

	while (at && victims->v[at - 1].drawn > victim.drawn)
		at--;
	if (at == max || !victim.name || !victim.uid) {
		victims->failed |= !victim.name || !victim.uid;
		free(victim.name);
		free(victim.uid);
		return;
	}
	if (victims->n == max) {
		victims->n--;
		free(victims->v[victims->n].name);
		free(victims->v[victims->n].uid);
	}
	memmove(&victims->v[at + 1], &victims->v[at], (victims->n - at) * sizeof(*victims->v));
	victims->v[at] = victim;
	victims->n++;
}

static int each_pod(void *arg, const cJSON *pod)
{
	struct victims *victims = arg;
	const char *name = json_str(pod, "metadata", "name", NULL);
	const char *uid = json_str(pod, "metadata", "uid", NULL);
	const char *ns = namespace_of(victims->env, victims->p);
	OWN_MEM char *owner = NULL;

	if (!name || !uid || !k8s_pod_ready(pod))
		return 0;
	if (cookie_pod_workload(pod, &owner) != kind_of(victims->p) ||
		strcmp(owner, victims->workload->name))
		return 0;
	for (size_t i = 0; i < victims->n; i++)
		if (!strcmp(victims->v[i].uid, uid)) /* a list that began anew tells pods twice */
			return 0;
	victims->workload->ready++;
	victims_insert(victims, (struct victim){ draw(victims->env, victims->round, ns, name),
					strdup(name), strdup(uid) });
	return victims->failed;
}

static int add_targets(
	const struct victims *victims, size_t n, struct cookie_plan *plan, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		const struct cookie_target target = {
			.kind = &k8s_pod,
			.ns = (char *)namespace_of(victims->env, victims->p),
			.name = victims->v[i].name,
			.uid = victims->v[i].uid,
			.workload_kind = kind_of(victims->p),
			.workload = victims->workload->name,
		};

		if (cookie_plan_target(plan, &target, err))
			return -1;
	}
	return 0;
}

/* Looks again at the workload's pods, and takes no more than it can spare now. */
static int pick(const struct cookie_env *env, const struct killpod *p, unsigned round,
	struct workload *w, struct cookie_plan *plan, struct err *err)
{
	struct victims victims = { .env = env, .p = p, .workload = w, .round = round };
	struct k8s_select select = { .labels = w->selector };
	const char *ns = namespace_of(env, p);
	int64_t spare;
	char why[128];
	int result = -1;

	victims.v = calloc((size_t)p->target + 1, sizeof(*victims.v));
	if (!victims.v)
		return err_set(err, ERR_NOMEM, "no memory for victims");
	w->ready = 0;
	if (k8s_list(env->k8s, &k8s_pod, ns, &select, each_pod, &victims, NULL, err)) {
		err_wrap(err, "pods of %s %s", kinds[p->kind], w->name);
	} else if (victims.failed) {
		err_set(err, ERR_NOMEM, "no memory for victims");
	} else if ((spare = can_spare(p, w, why)) == 0) {
		result = cookie_plan_skip(plan, kind_of(p), ns, w->name, err, "%s", why);
	} else {
		result = add_targets(
			&victims, victims.n < (size_t)spare ? victims.n : (size_t)spare, plan, err);
	}
	victims_done(&victims);
	return result;
}

static int say_why(const struct cookie_env *env, const struct killpod *p, struct cookie_plan *plan,
	struct err *err)
{
	const char *ns = namespace_of(env, p);

	if (plan->n_targets)
		return 0;
	if (!plan->n_skips)
		plan->reason = str_format("no %s in namespace %s", kinds[p->kind], ns);
	else if (plan->n_skips == 1)
		plan->reason = str_format(
			"%s %s: %s", kinds[p->kind], plan->skips[0].name, plan->skips[0].reason);
	else
		plan->reason = str_format("none of %zu %ss in namespace %s can spare a pod",
			plan->n_skips, kinds[p->kind], ns);
	return plan->reason ? 0 : err_set(err, ERR_NOMEM, "no memory for a reason");
}

static int killpod_plan(const struct cookie_env *env, const void *params_, unsigned round,
	struct cookie_plan *plan, struct err *err)
{
	const struct killpod *p = params_;
	struct workloads OWN(workloads_done) w = { .err = err };
	struct workload *chosen = NULL;

	memset(plan, 0, sizeof(*plan));
	plan->watch_ns = strdup(namespace_of(env, p));
	if (!plan->watch_ns)
		err_set(err, ERR_NOMEM, "no memory for a plan");
	else if (p->name ? load_named(env, p, &w, err) : load_all(env, p, &w, err))
		;
	else if (p->name)
		chosen = &w.v[0];
	else if (choose(env, p, round, &w, plan, &chosen, err))
		goto failed;
	else if (!chosen && !say_why(env, p, plan, err))
		return 0;
	if (chosen && !pick(env, p, round, chosen, plan, err) && !say_why(env, p, plan, err))
		return 0;
failed:
	cookie_plan_done(plan);
	return -1;
}

/* ---- the deed and its proof ---- */

static int killpod_bite(const struct cookie_env *env, const void *params_,
	const struct cookie_plan *plan, struct err *err)
{
	const struct killpod *p = params_;
	int result = 0;

	for (size_t i = 0; i < plan->n_targets; i++) {
		const struct cookie_target *target = &plan->targets[i];
		const struct k8s_delete options = {
			.uid = target->uid,
			.grace_s = p->has_grace ? p->grace_ns / NS_PER_S : -1,
		};

		if (k8s_delete(env->k8s, &k8s_pod, target->ns, target->name, &options,
			    result ? NULL : err)) {
			if (!result)
				err_wrap(err, "delete pod %s", target->name);
			result = -1;
		}
	}
	return result;
}

static enum cookie_proof killpod_proof(const struct cookie_target *target, enum k8s_change change,
	const cJSON *pod, char *evidence, size_t evidence_size)
{
	const char *name = json_str(pod, "metadata", "name", NULL);
	const char *uid = json_str(pod, "metadata", "uid", NULL);

	if (!name || !uid || strcmp(name, target->name))
		return PROOF_PENDING;
	if (change == K8S_DELETED && !strcmp(uid, target->uid))
		snprintf(evidence, evidence_size, "uid %s is gone", target->uid);
	else if (change != K8S_DELETED && strcmp(uid, target->uid))
		snprintf(evidence, evidence_size, "uid %s is gone: the name has uid %s now",
			target->uid, uid);
	else
		return PROOF_PENDING;
	return PROOF_PROVED;
}

const struct cookie_ops cookie_killpod = {
	.name = "killpod",
	.doc = "deletes pods of a deployment or statefulset; their controller replaces them",
	.params = params,
	.params_size = sizeof(struct killpod),
	.instant = true,
	.check = killpod_check,
	.timing = killpod_timing,
	.plan = killpod_plan,
	.bite = killpod_bite,
	.proof = killpod_proof,
};
