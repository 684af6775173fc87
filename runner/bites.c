/* Bites in force: their proof and their replacements. */
#include "runner/bites.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define EVIDENCE_BYTES 256

struct tracked {
	struct cookie_target target; /* owned copy */
	enum cookie_proof proof;
	bool gone, scheduled, ready;
	char *new_name, *new_uid; /* NULL: no replacement yet */
};

struct bite {
	struct bites *bites;
	struct bite *next;
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

struct bites {
	struct recorder *recorder;
	pthread_mutex_t lock;       /* guards all below, and what hangs on it */
	struct bite *first, **last; /* oldest first */
	struct seen seen;
	struct bites_count count;
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

static void tell_target(const struct bite *bite, size_t index, const char *state)
{
	const struct tracked *tracked = &bite->targets[index];
	cJSON *event = json_object("e", "target", "bite", bite->id, "state", state, (char *)NULL);

	json_add_int(event, "target", (int64_t)index);
	json_add_str(event, "name", tracked->new_name);
	json_add_str(event, "uid", tracked->new_uid);
	recorder_event(bite->bites->recorder, event);
}

static void say(const struct bite *bite, const char *pod, const char *what)
{
	log_line(LOG_INFO, "BITE", "%-18s %s %s (%.1f s)", bite->id, pod, what,
		(double)(clock_now_ns() - bite->sent_ns) / 1e9);
}

static void tell_proof(struct bite *bite, bool proved, const char *evidence)
{
	cJSON *event = json_object("e", "bite.proof", "bite", bite->id, "verdict",
		proved ? "proved" : "disproved", "evidence", evidence, (char *)NULL);

	bite->told = true;
	if (proved) {
		bite->bites->count.proved++;
		bite->bites->count.last_ns = clock_now_ns();
	}
	recorder_event(bite->bites->recorder, event);
}

/* ---- proof ---- */

static bool all_proved(const struct bite *bite)
{
	for (size_t i = 0; i < bite->n; i++)
		if (bite->targets[i].proof != PROOF_PROVED)
			return false;
	return true;
}

static void take_proof(
	struct bite *bite, size_t index, enum cookie_proof proof, const char *evidence)
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

static void follow(struct bite *bite, size_t index, const cJSON *pod)
{
	struct tracked *tracked = &bite->targets[index];
	const char *node = json_str(pod, "spec", "nodeName", NULL);

	if (!tracked->scheduled && node && *node) {
		tracked->scheduled = true;
		tell_target(bite, index, "scheduled");
	}
	if (!tracked->ready && k8s_pod_ready(pod)) {
		tracked->ready = true;
		bite->bites->count.last_ns = clock_now_ns();
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

static bool awaits(const struct bite *bite, const struct tracked *tracked,
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
	struct bites *b, const char *ns, const cJSON *pod, const char *name, const char *uid)
{
	OWN_MEM char *workload = NULL;
	const struct k8s_kind *kind = cookie_pod_workload(pod, &workload);

	for (struct bite *bite = b->first; kind && bite; bite = bite->next) {
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

static void settle(struct bite *bite)
{
	bool over = bite->told && (bite->acknowledged || bite->failed);

	for (size_t i = 0; over && i < bite->n; i++)
		over = bite->targets[i].ready || bite->targets[i].proof == PROOF_DISPROVED;
	bite->settled = over;
}

static void see_bite(struct bite *bite, enum k8s_change change, const cJSON *pod, const char *uid)
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

void bites_see(struct bites *b, const char *ns, enum k8s_change change, const cJSON *pod)
{
	const char *name = json_str(pod, "metadata", "name", NULL);
	const char *uid = json_str(pod, "metadata", "uid", NULL);
	bool fresh;

	if (!name || !uid)
		return;
	pthread_mutex_lock(&b->lock);
	fresh = change != K8S_DELETED && seen_add(&b->seen, uid);
	for (struct bite *bite = b->first; bite; bite = bite->next)
		if (!bite->settled && bite->n && !strcmp(bite->targets[0].target.ns, ns))
			see_bite(bite, change, pod, uid);
	if (fresh)
		match(b, ns, pod, name, uid);
	pthread_mutex_unlock(&b->lock);
}

/* ---- bites ---- */

static void bite_free(struct bite *bite)
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

int bites_add(struct bites *b, const char *id, const struct cookie_ops *ops,
	const struct cookie_plan *plan, struct bite **ret_bite, struct err *err)
{
	struct bite *bite = calloc(1, sizeof(*bite));
	int failed = 0;

	if (!bite)
		return err_set(err, ERR_NOMEM, "no memory for a bite");
	bite->bites = b;
	bite->ops = ops;
	bite->id = strdup(id);
	bite->targets = calloc(plan->n_targets + 1, sizeof(*bite->targets));
	while (bite->targets && bite->n < plan->n_targets && !failed) {
		failed = copy_target(&bite->targets[bite->n], &plan->targets[bite->n]);
		bite->n++;
	}
	if (!bite->id || !bite->targets || failed) {
		bite_free(bite);
		return err_set(err, ERR_NOMEM, "no memory for a bite");
	}
	pthread_mutex_lock(&b->lock);
	*b->last = bite;
	b->last = &bite->next;
	pthread_mutex_unlock(&b->lock);
	*ret_bite = bite;
	return 0;
}

void bite_sent(struct bite *bite)
{
	pthread_mutex_lock(&bite->bites->lock);
	bite->sent = true;
	bite->sent_ns = clock_now_ns();
	bite->bites->count.sent++;
	pthread_mutex_unlock(&bite->bites->lock);
}

void bite_done(struct bite *bite, bool ok)
{
	pthread_mutex_lock(&bite->bites->lock);
	bite->acknowledged = ok;
	bite->failed = !ok;
	settle(bite);
	pthread_mutex_unlock(&bite->bites->lock);
}

void bite_drop(struct bite *bite)
{
	struct bites *b = bite->bites;
	struct bite **link = &b->first;

	pthread_mutex_lock(&b->lock);
	while (*link != bite)
		link = &(*link)->next;
	*link = bite->next;
	if (b->last == &bite->next)
		b->last = link;
	pthread_mutex_unlock(&b->lock);
	bite_free(bite);
}

void bites_count(struct bites *b, struct bites_count *ret)
{
	pthread_mutex_lock(&b->lock);
	*ret = b->count;
	for (const struct bite *bite = b->first; bite; bite = bite->next) {
		if (bite->settled || !bite->sent)
			continue;
		ret->unproved += bite->acknowledged && !bite->told;
		for (size_t i = 0; i < bite->n; i++)
			ret->unready += bite->targets[i].target.workload &&
					!bite->targets[i].ready &&
					bite->targets[i].proof != PROOF_DISPROVED &&
					(bite->acknowledged || bite->targets[i].gone);
	}
	pthread_mutex_unlock(&b->lock);
}

/* ---- life ---- */

int bites_new(struct recorder *recorder, struct bites **ret_bites, struct err *err)
{
	struct bites *b = calloc(1, sizeof(*b));

	if (!b)
		return err_set(err, ERR_NOMEM, "no memory for bites");
	pthread_mutex_init(&b->lock, NULL);
	b->recorder = recorder;
	b->last = &b->first;
	*ret_bites = b;
	return 0;
}

void bites_free(struct bites *b)
{
	if (!b)
		return;
	while (b->first) {
		struct bite *bite = b->first;

		b->first = bite->next;
		bite_free(bite);
	}
	free(b->seen.slots);
	pthread_mutex_destroy(&b->lock);
	free(b);
}
