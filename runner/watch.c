/* The run's one watch of pods. */
#include "runner/watch.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SYNC_NS (60 * NS_PER_S)
#define EVIDENCE_BYTES 256

struct tracked {
	struct cookie_target target; /* owned copy */
	enum cookie_proof proof;
	bool gone, scheduled, ready;
	char *new_name, *new_uid; /* NULL: no replacement yet */
};

struct watch_bite {
	struct watch *watch;
	struct watch_bite *next;
	char *id;
	const struct cookie_ops *ops;
	struct tracked *targets;
	size_t n;
	bool sent, acknowledged, failed, told, settled;
	int64_t sent_ns;
};

/* The UIDs that were ever seen, as hashes: a UID never comes back. */
struct seen {
	uint64_t *slots;
	size_t n, size;
};

struct space {
	struct watch *watch;
	struct space *next;
	char *ns;
	struct k8s *k8s;
	pthread_t thread;
	bool synced, over;
	struct err err;
	struct seen seen;
};

struct watch {
	const struct k8s_config *config;
	struct recorder *recorder;
	struct stop *stop;
	pthread_mutex_t lock; /* guards all below, and what hangs on it */
	pthread_cond_t cond;
	struct space *spaces;
	struct watch_bite *bites, **last_bite; /* oldest first */
	struct watch_count count;
};

/* ---- UIDs seen ---- */

static uint64_t hash_text(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	while (*text)
		hash = (hash ^ (unsigned char)*text++) * UINT64_C(0x100000001b3);
	return hash ? hash : 1;
}

static bool put(uint64_t *slots, size_t size, uint64_t hash)
{
	size_t at = hash & (size - 1);

	while (slots[at] && slots[at] != hash)
		at = (at + 1) & (size - 1);
	if (slots[at])
		return false;
	slots[at] = hash;
	return true;
}

/* True the first time. */
static bool seen_add(struct seen *seen, const char *uid)
{
	if (seen->n * 2 >= seen->size) {
		size_t size = seen->size ? seen->size * 2 : 256;
		uint64_t *slots = calloc(size, sizeof(*slots));

		if (!slots)
			return false;
		for (size_t i = 0; i < seen->size; i++)
			if (seen->slots[i])
				put(slots, size, seen->slots[i]);
		free(seen->slots);
		seen->slots = slots;
		seen->size = size;
	}
	if (!put(seen->slots, seen->size, hash_text(uid)))
		return false;
	seen->n++;
	return true;
}

/* ---- what is told ---- */

static void tell_target(const struct watch_bite *bite, size_t index, const char *state)
{
	const struct tracked *tracked = &bite->targets[index];
	cJSON *event = json_object("e", "target", "bite", bite->id, "state", state, (char *)NULL);

	json_add_int(event, "target", (int64_t)index);
	json_add_str(event, "name", tracked->new_name);
	json_add_str(event, "uid", tracked->new_uid);
	recorder_event(bite->watch->recorder, event);
}

static void say(const struct watch_bite *bite, const char *pod, const char *what)
{
	log_line(LOG_INFO, "BITE", "%-18s %s %s (%.1f s)", bite->id, pod, what,
		(double)(clock_now_ns() - bite->sent_ns) / 1e9);
}

static void tell_proof(struct watch_bite *bite, bool proved, const char *evidence)
{
	cJSON *event = json_object("e", "bite.proof", "bite", bite->id, "verdict",
		proved ? "proved" : "disproved", "evidence", evidence, (char *)NULL);

	bite->told = true;
	if (proved) {
		bite->watch->count.proved++;
		bite->watch->count.last_ns = clock_now_ns();
	}
	recorder_event(bite->watch->recorder, event);
}

/* ---- proof ---- */

static bool all_proved(const struct watch_bite *bite)
{
	for (size_t i = 0; i < bite->n; i++)
		if (bite->targets[i].proof != PROOF_PROVED)
			return false;
	return true;
}

static void take_proof(
	struct watch_bite *bite, size_t index, enum cookie_proof proof, const char *evidence)
{
	struct tracked *tracked = &bite->targets[index];
	char text[EVIDENCE_BYTES + 64];

	tracked->proof = proof;
	if (!bite->sent && proof == PROOF_PROVED) {
		tracked->proof = PROOF_DISPROVED;
		snprintf(text, sizeof(text), "%s was gone before it was bitten",
			tracked->target.name);
		tell_proof(bite, false, text);
		return;
	}
	if (proof == PROOF_DISPROVED) {
		if (!bite->told)
			tell_proof(bite, false, evidence);
		return;
	}
	tracked->gone = true;
	tell_target(bite, index, "gone");
	say(bite, tracked->target.name, "gone");
	if (!bite->told && all_proved(bite))
		tell_proof(bite, true, evidence);
}

/* ---- replacements ---- */

static void follow(struct watch_bite *bite, size_t index, const cJSON *pod)
{
	struct tracked *tracked = &bite->targets[index];
	const char *node = json_str(pod, "spec", "nodeName", NULL);

	if (!tracked->scheduled && node && *node) {
		tracked->scheduled = true;
		tell_target(bite, index, "scheduled");
	}
	if (!tracked->ready && k8s_pod_ready(pod)) {
		tracked->ready = true;
		bite->watch->count.last_ns = clock_now_ns();
		tell_target(bite, index, "ready");
		say(bite, tracked->new_name, "replaces it and is ready");
	}
}

/* A replacement that goes before it was ready is none: the next one counts. */
static void lose(struct tracked *tracked)
{
	free(tracked->new_name);
	free(tracked->new_uid);
	tracked->new_name = tracked->new_uid = NULL;
	tracked->scheduled = false;
}

static bool awaits(const struct watch_bite *bite, const struct tracked *tracked,
	const struct k8s_kind *kind, const char *workload, const char *name)
{
	if (!bite->sent || tracked->new_uid || !tracked->target.workload ||
		tracked->proof == PROOF_DISPROVED || (bite->failed && !tracked->gone))
		return false;
	if (tracked->target.workload_kind != kind || strcmp(tracked->target.workload, workload))
		return false;
	return kind != &k8s_statefulset || !strcmp(tracked->target.name, name);
}

/* `bite->settled` bites await nothing: they are passed over. */
static void match(
	struct watch *w, const char *ns, const cJSON *pod, const char *name, const char *uid)
{
	OWN_MEM char *workload = NULL;
	const struct k8s_kind *kind = cookie_pod_workload(pod, &workload);

	for (struct watch_bite *bite = w->bites; kind && bite; bite = bite->next) {
		for (size_t i = 0; !bite->settled && i < bite->n; i++) {
			struct tracked *tracked = &bite->targets[i];

			if (strcmp(tracked->target.ns, ns) ||
				!awaits(bite, tracked, kind, workload, name))
				continue;
			tracked->new_name = strdup(name);
			tracked->new_uid = strdup(uid);
			if (!tracked->new_name || !tracked->new_uid)
				return lose(tracked);
			tell_target(bite, i, "replaced");
			follow(bite, i, pod);
			return;
		}
	}
}

static void settle(struct watch_bite *bite)
{
	bool over = bite->told && (bite->acknowledged || bite->failed);

	for (size_t i = 0; over && i < bite->n; i++)
		over = bite->targets[i].ready || bite->targets[i].proof == PROOF_DISPROVED;
	bite->settled = over;
}

static void see_bite(
	struct watch_bite *bite, enum k8s_change change, const cJSON *pod, const char *uid)
{
	char evidence[EVIDENCE_BYTES] = "";

	for (size_t i = 0; i < bite->n; i++) {
		struct tracked *tracked = &bite->targets[i];

		if (tracked->proof == PROOF_PENDING) {
			enum cookie_proof proof = bite->ops->proof(
				&tracked->target, change, pod, evidence, sizeof(evidence));

			if (proof != PROOF_PENDING)
				take_proof(bite, i, proof, evidence);
		}
		if (!tracked->new_uid || strcmp(tracked->new_uid, uid))
			continue;
		if (change != K8S_DELETED)
			follow(bite, i, pod);
		else if (!tracked->ready)
			lose(tracked);
	}
	settle(bite);
}

static void see(struct space *space, enum k8s_change change, const cJSON *pod)
{
	struct watch *w = space->watch;
	const char *name = json_str(pod, "metadata", "name", NULL);
	const char *uid = json_str(pod, "metadata", "uid", NULL);
	bool fresh;

	if (!name || !uid)
		return;
	fresh = change != K8S_DELETED && seen_add(&space->seen, uid);
	for (struct watch_bite *bite = w->bites; bite; bite = bite->next)
		if (!bite->settled && bite->n && !strcmp(bite->targets[0].target.ns, space->ns))
			see_bite(bite, change, pod, uid);
	if (fresh)
		match(w, space->ns, pod, name, uid);
}

/* ---- the threads ---- */

static int each_change(void *arg, enum k8s_change change, const cJSON *pod, const char *text)
{
	struct space *space = arg;
	struct watch *w = space->watch;

	if (change == K8S_TROUBLE) {
		cJSON *event = recorder_make("note");
		OWN_MEM char *told = str_format("watch of namespace %s: %s", space->ns, text);

		json_add_str(event, "text", told);
		recorder_event(w->recorder, event);
		return 0;
	}
	pthread_mutex_lock(&w->lock);
	if (change == K8S_SYNCED) {
		space->synced = true;
		pthread_cond_broadcast(&w->cond);
	} else {
		see(space, change, pod);
	}
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static void *watch_space(void *arg)
{
	struct space *space = arg;
	struct watch *w = space->watch;
	struct err err = { ERR_NONE, "" };
	int failed = k8s_watch(
		space->k8s, &k8s_pod, space->ns, NULL, w->stop, each_change, space, &err);

	pthread_mutex_lock(&w->lock);
	space->over = true;
	if (failed) {
		err_wrap(&err, "watch pods of namespace %s", space->ns);
		space->err = err;
	}
	pthread_cond_broadcast(&w->cond);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static struct space *find_space(struct watch *w, const char *ns)
{
	for (struct space *space = w->spaces; space; space = space->next)
		if (!strcmp(space->ns, ns))
			return space;
	return NULL;
}

static void space_free(struct space *space)
{
	k8s_free(space->k8s);
	free(space->seen.slots);
	free(space->ns);
	free(space);
}

static struct space *space_new(struct watch *w, const char *ns, struct err *err)
{
	struct space *space = calloc(1, sizeof(*space));

	if (space)
		space->ns = strdup(ns);
	if (!space || !space->ns) {
		free(space);
		err_set(err, ERR_NOMEM, "no memory for a watch");
		return NULL;
	}
	space->watch = w;
	return space;
}

static int start_space(struct watch *w, const char *ns, struct err *err)
{
	struct space *space = space_new(w, ns, err);

	if (!space)
		return -1;
	if (k8s_new(w->config, w->stop, &space->k8s, err)) {
		space_free(space);
		return -1;
	}
	if (pthread_create(&space->thread, NULL, watch_space, space)) {
		space_free(space);
		return err_set(err, ERR_NOMEM, "no thread for a watch");
	}
	pthread_mutex_lock(&w->lock);
	space->next = w->spaces;
	w->spaces = space;
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static int await_sync(struct watch *w, struct space *space, struct stop *stop, struct err *err)
{
	int64_t deadline_ns = clock_now_ns() + SYNC_NS;
	int result = 0;

	pthread_mutex_lock(&w->lock);
	while (!space->synced && !space->over && !stop_requested(stop) &&
		clock_now_ns() < deadline_ns) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 100 * NS_PER_MS;
		until.tv_sec += until.tv_nsec / NS_PER_S;
		until.tv_nsec %= NS_PER_S;
		pthread_cond_timedwait(&w->cond, &w->lock, &until);
	}
	if (space->over && space->err.code != ERR_NONE) {
		if (err)
			*err = space->err;
		result = -1;
	} else if (!space->synced) {
		result = err_set(err, stop_requested(stop) ? ERR_STOPPED : ERR_TIMEOUT,
			"the watch of pods in namespace %s did not come up", space->ns);
	}
	pthread_mutex_unlock(&w->lock);
	return result;
}

int watch_namespace(struct watch *w, const char *ns, struct stop *stop, struct err *err)
{
	struct space *space;

	pthread_mutex_lock(&w->lock);
	space = find_space(w, ns);
	pthread_mutex_unlock(&w->lock);
	if (!space && start_space(w, ns, err))
		return -1;
	pthread_mutex_lock(&w->lock);
	space = find_space(w, ns);
	pthread_mutex_unlock(&w->lock);
	return await_sync(w, space, stop, err);
}

bool watch_failed(struct watch *w, struct err *err)
{
	bool failed = false;

	pthread_mutex_lock(&w->lock);
	for (struct space *space = w->spaces; space && !failed; space = space->next) {
		failed = space->over && space->err.code != ERR_NONE;
		if (failed && err)
			*err = space->err;
	}
	pthread_mutex_unlock(&w->lock);
	return failed;
}

/* ---- bites ---- */

static void bite_free(struct watch_bite *bite)
{
	for (size_t i = 0; i < bite->n; i++) {
		struct tracked *tracked = &bite->targets[i];

		free(tracked->target.ns);
		free(tracked->target.name);
		free(tracked->target.uid);
		free(tracked->target.workload);
		lose(tracked);
	}
	free(bite->targets);
	free(bite->id);
	free(bite);
}

static int copy_target(struct tracked *to, const struct cookie_target *from)
{
	to->target.kind = from->kind;
	to->target.workload_kind = from->workload_kind;
	to->target.ns = strdup(from->ns);
	to->target.name = strdup(from->name);
	to->target.uid = strdup(from->uid);
	if (from->workload)
		to->target.workload = strdup(from->workload);
	return !to->target.ns || !to->target.name || !to->target.uid ||
			       (from->workload && !to->target.workload)
		       ? -1
		       : 0;
}

int watch_add(struct watch *w, const char *id, const struct cookie_ops *ops,
	const struct cookie_plan *plan, struct watch_bite **ret_bite, struct err *err)
{
	struct watch_bite *bite = calloc(1, sizeof(*bite));

	if (!bite)
		return err_set(err, ERR_NOMEM, "no memory for a bite");
	bite->watch = w;
	bite->ops = ops;
	bite->id = strdup(id);
	bite->targets = calloc(plan->n_targets + 1, sizeof(*bite->targets));
	for (; bite->targets && bite->n < plan->n_targets; bite->n++)
		if (copy_target(&bite->targets[bite->n], &plan->targets[bite->n]))
			break;
	if (!bite->id || !bite->targets || bite->n < plan->n_targets) {
		bite_free(bite);
		return err_set(err, ERR_NOMEM, "no memory for a bite");
	}
	pthread_mutex_lock(&w->lock);
	*w->last_bite = bite;
	w->last_bite = &bite->next;
	pthread_mutex_unlock(&w->lock);
	*ret_bite = bite;
	return 0;
}

void watch_sent(struct watch_bite *bite)
{
	pthread_mutex_lock(&bite->watch->lock);
	bite->sent = true;
	bite->sent_ns = clock_now_ns();
	bite->watch->count.bites++;
	pthread_mutex_unlock(&bite->watch->lock);
}

void watch_done(struct watch_bite *bite, bool ok)
{
	pthread_mutex_lock(&bite->watch->lock);
	bite->acknowledged = ok;
	bite->failed = !ok;
	settle(bite);
	pthread_mutex_unlock(&bite->watch->lock);
}

void watch_drop(struct watch_bite *bite)
{
	struct watch *w = bite->watch;
	struct watch_bite **link = &w->bites;

	pthread_mutex_lock(&w->lock);
	while (*link != bite)
		link = &(*link)->next;
	*link = bite->next;
	if (w->last_bite == &bite->next)
		w->last_bite = link;
	pthread_mutex_unlock(&w->lock);
	bite_free(bite);
}

void watch_count(struct watch *w, struct watch_count *ret)
{
	pthread_mutex_lock(&w->lock);
	*ret = w->count;
	for (const struct watch_bite *bite = w->bites; bite; bite = bite->next) {
		if (bite->settled || !bite->sent)
			continue;
		ret->unproved += bite->acknowledged && !bite->told;
		for (size_t i = 0; i < bite->n; i++)
			ret->unready += bite->targets[i].target.workload &&
					!bite->targets[i].ready &&
					bite->targets[i].proof != PROOF_DISPROVED &&
					(bite->acknowledged || bite->targets[i].gone);
	}
	pthread_mutex_unlock(&w->lock);
}

void watch_see(struct watch *w, const char *ns, enum k8s_change change, const cJSON *pod)
{
	struct space *space;

	pthread_mutex_lock(&w->lock);
	space = find_space(w, ns);
	if (space)
		see(space, change, pod);
	pthread_mutex_unlock(&w->lock);
}

/* ---- life ---- */

int watch_new(const struct k8s_config *config, struct recorder *recorder, struct watch **ret_watch,
	struct err *err)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return err_set(err, ERR_NOMEM, "no memory for the watch");
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->cond, NULL);
	w->config = config;
	w->recorder = recorder;
	w->last_bite = &w->bites;
	if (stop_new(NULL, &w->stop, err)) {
		watch_free(w);
		return -1;
	}
	*ret_watch = w;
	return 0;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	if (w->stop)
		stop_request(w->stop, 1);
	while (w->spaces) {
		struct space *space = w->spaces;

		w->spaces = space->next;
		pthread_join(space->thread, NULL);
		space_free(space);
	}
	while (w->bites) {
		struct watch_bite *bite = w->bites;

		w->bites = bite->next;
		bite_free(bite);
	}
	stop_free(w->stop);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->cond);
	free(w);
}
