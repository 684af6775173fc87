/*
 * Cookies, a thread each: rounds are due at start + k * interval, never drifting; a round that
 * comes too late is skipped and said so, not bunched. Each bite is planned, its intent is on disk,
 * then it is sent.
 *
 * Planning and biting of all cookies exclude one another: two that look at one workload at the same
 * time would each see a pod to spare, and together take the last one.
 */
#include "runner/run.h"

#include "base/buf.h"
#include "base/log.h"
#include "runner/watch.h"

#include <stdio.h>
#include <string.h>

struct held { /* a bite that must be healed */
	struct held *next;
	char *id;
	cJSON *undo;
};

struct feeder {
	struct run *run;
	const struct scenario_cookie *cookie;
	struct stop *stop;
	pthread_mutex_t *feeding;
	int64_t begin_ns, end_ns; /* of the faults phase; end INT64_MAX: unknown */
	pthread_t thread;
	bool has_thread;
	struct k8s *k8s;
	cJSON *named; /* workloads that were named as skipped: each once */
	struct held *held;
};

struct feeders {
	struct stop *stop;
	pthread_mutex_t feeding;
	struct feeder *v;
	size_t n;
};

static struct cookie_env env_of(
	const struct run *run, const struct scenario_cookie *cookie, struct k8s *k8s)
{
	return (struct cookie_env){ k8s, cookie->name, run->scenario->namespace, run->id,
		run->seed };
}

/* ---- what is told ---- */

static void tell_skip(
	struct feeder *f, int64_t due_ns, const char *reason, const struct cookie_skip *skip)
{
	cJSON *event = json_object(
		"e", "bite.skip", "cookie", f->cookie->name, "reason", reason, (char *)NULL);

	json_add_int(event, "due", due_ns - f->run->t0_ns);
	if (skip)
		cJSON_AddItemToObject(event, "workload",
			json_object("kind", skip->kind->kind, "namespace", skip->ns, "name",
				skip->name, (char *)NULL));
	recorder_event(f->run->recorder, event);
}

/* A workload that chaos never touches is news for its owner, once. */
static void tell_skips(struct feeder *f, int64_t due_ns, const struct cookie_plan *plan)
{
	for (size_t i = 0; i < plan->n_skips; i++) {
		const struct cookie_skip *skip = &plan->skips[i];
		OWN_MEM char *key = str_format("%s/%s", skip->ns, skip->name);

		if (!key || cJSON_GetObjectItemCaseSensitive(f->named, key))
			continue;
		cJSON_AddTrueToObject(f->named, key);
		tell_skip(f, due_ns, skip->reason, skip);
		log_line(LOG_INFO, "SKIP", "%s %s %s/%s: %s", f->cookie->name, skip->kind->kind,
			skip->ns, skip->name, skip->reason);
	}
}

static void tell_mark(const struct feeder *f, const char *mark)
{
	cJSON *event = json_object("e", "cookie", "name", f->cookie->name, "kind",
		f->cookie->ops->name, "mark", mark, (char *)NULL);

	json_add_int(event, "line", f->cookie->line);
	cJSON_AddBoolToObject(event, "instant", f->cookie->ops->instant);
	json_add_int(event, "settle", f->cookie->settle_ns);
	recorder_event(f->run->recorder, event);
}

static void say_bite(const char *id, const struct cookie_plan *plan)
{
	for (size_t i = 0; i < plan->n_targets; i++)
		log_line(LOG_INFO, "BITE", "%-18s %s of %s", id, plan->targets[i].name,
			plan->targets[i].workload ? plan->targets[i].workload : "-");
}

/* ---- one bite ---- */

static int commit_intent(struct feeder *f, const char *id, int64_t due_ns,
	const struct cookie_plan *plan, struct err *err)
{
	cJSON *event = json_object(
		"e", "bite.intent", "bite", id, "cookie", f->cookie->name, (char *)NULL);

	json_add_int(event, "due", due_ns - f->run->t0_ns);
	cJSON_AddItemToObject(event, "targets", plan_targets(plan));
	cJSON_AddItemToObject(
		event, "undo", plan->undo ? cJSON_Duplicate(plan->undo, 1) : cJSON_CreateObject());
	return recorder_commit(f->run->recorder, event, err);
}

static void hold(struct feeder *f, const char *id, const struct cookie_plan *plan)
{
	struct held *held;

	if (f->cookie->ops->instant)
		return;
	atomic_fetch_add(&f->run->n_left, 1);
	atomic_fetch_add(&f->run->n_held, 1);
	held = calloc(1, sizeof(*held));
	if (!held)
		return; /* counted as left, and healed from the journal */
	held->id = strdup(id);
	held->undo = cJSON_Duplicate(plan->undo, 1);
	held->next = f->held;
	f->held = held;
}

static void do_bite(
	struct feeder *f, const char *id, const struct cookie_plan *plan, struct bite *watched)
{
	const struct cookie_env env = env_of(f->run, f->cookie, f->k8s);
	struct err err = { ERR_NONE, "" };
	cJSON *done;
	int failed;

	bite_sent(watched);
	recorder_event(f->run->recorder, json_object("e", "bite.sent", "bite", id, (char *)NULL));
	say_bite(id, plan);
	live_bite(f->run->live);
	/* The end of the phase does not cut a bite in half. */
	k8s_set_stop(f->k8s, signals_hurry(f->run->signals));
	failed = f->cookie->ops->bite(&env, f->cookie->params, plan, &err);
	k8s_set_stop(f->k8s, f->stop);
	done = json_object("e", "bite.done", "bite", id, "message", err.text, (char *)NULL);
	cJSON_AddBoolToObject(done, "ok", !failed);
	recorder_event(f->run->recorder, done);
	bite_done(watched, !failed);
	if (failed)
		log_line(LOG_ERROR, "BITE", "%-18s failed: %s", id, err.text);
}

static void bite(struct feeder *f, unsigned round, int64_t due_ns, const struct cookie_plan *plan)
{
	struct bite *watched = NULL;
	char id[80];
	struct err err;

	snprintf(id, sizeof(id), "%.60s/%u", f->cookie->name, round + 1);
	if (bites_add(f->run->bites, id, f->cookie->ops, plan, &watched, &err)) {
		tell_skip(f, due_ns, err.text, NULL);
		return;
	}
	if (commit_intent(f, id, due_ns, plan, &err)) {
		/* What is not on disk is not done. */
		bite_drop(watched);
		log_error("%s is not done: %s", id, err.text);
		return;
	}
	hold(f, id, plan);
	do_bite(f, id, plan, watched);
}

/* ---- rounds ---- */

static void do_round(struct feeder *f, unsigned round, int64_t due_ns)
{
	const struct cookie_env env = env_of(f->run, f->cookie, f->k8s);
	struct cookie_plan plan = { 0 };
	struct err err = { ERR_NONE, "" };

	pthread_mutex_lock(f->feeding);
	if (stop_requested(f->stop) || recorder_failed(f->run->recorder, NULL)) {
		;
	} else if (f->cookie->ops->plan(&env, f->cookie->params, round, &plan, &err)) {
		if (err.code != ERR_STOPPED) {
			tell_skip(f, due_ns, err.text, NULL);
			log_line(LOG_WARN, "SKIP", "%s: %s", f->cookie->name, err.text);
		}
	} else {
		tell_skips(f, due_ns, &plan);
		if (plan.n_targets)
			bite(f, round, due_ns, &plan);
		else if (plan.n_skips != 1)
			tell_skip(f, due_ns, plan.reason ? plan.reason : "no target", NULL);
	}
	pthread_mutex_unlock(f->feeding);
	cookie_plan_done(&plan);
}

/* Held bites, in reverse: healed at their cookie's end. */
static void heal_held(struct feeder *f)
{
	k8s_set_stop(f->k8s, signals_hurry(f->run->signals));
	while (f->held) {
		struct held *held = f->held;
		struct err err = { ERR_NONE, "" };
		struct recorder *r = f->run->recorder;
		cJSON *done = json_object("e", "heal.done", "bite", held->id, (char *)NULL);
		int failed;

		recorder_commit(
			r, json_object("e", "heal.intent", "bite", held->id, (char *)NULL), NULL);
		failed = f->cookie->ops->heal(f->k8s, held->undo, &err);
		cJSON_AddBoolToObject(done, "ok", !failed);
		json_add_str(done, "message", err.text);
		recorder_event(r, done);
		if (!failed) {
			recorder_event(
				r, json_object("e", "heal.proof", "bite", held->id, "evidence",
					   "the undo was acknowledged", (char *)NULL));
			atomic_fetch_sub(&f->run->n_left, 1);
			atomic_fetch_sub(&f->run->n_held, 1);
		}
		log_line(failed ? LOG_ERROR : LOG_INFO, "HEAL", "%-18s %s", held->id,
			failed ? err.text : "healed");
		f->held = held->next;
		free(held->id);
		cJSON_Delete(held->undo);
		free(held);
	}
}

static int64_t due_of(const struct feeder *f, unsigned round)
{
	const struct cookie_timing *timing = &f->cookie->timing;

	return f->begin_ns + f->cookie->start_ns +
	       ((int64_t)round + timing->first_after_interval) * timing->interval_ns;
}

static bool is_due(const struct feeder *f, unsigned round)
{
	const struct cookie_timing *timing = &f->cookie->timing;
	int64_t due_ns = due_of(f, round);

	if (round && !timing->interval_ns)
		return false;
	if (timing->duration_ns &&
		due_ns >= f->begin_ns + f->cookie->start_ns + timing->duration_ns)
		return false;
	return due_ns < f->end_ns;
}

static void *feed(void *arg)
{
	struct feeder *f = arg;
	int64_t interval_ns = f->cookie->timing.interval_ns;

	tell_mark(f, "begin");
	for (unsigned round = 0; is_due(f, round); round++) {
		int64_t due_ns = due_of(f, round);

		if (stop_wait_until(f->stop, due_ns))
			break;
		if (interval_ns && clock_now_ns() - due_ns >= interval_ns)
			tell_skip(f, due_ns, "late: the round before took longer than an interval",
				NULL);
		else
			do_round(f, round, due_ns);
	}
	/* A held bite lasts as long as its cookie. */
	if (f->held && f->cookie->timing.duration_ns)
		stop_wait_until(
			f->stop, f->begin_ns + f->cookie->start_ns + f->cookie->timing.duration_ns);
	else if (f->held)
		stop_wait_until(f->stop, f->end_ns);
	heal_held(f);
	tell_mark(f, "end");
	return NULL;
}

/* ---- for the run ---- */

static int preflight_one(struct run *run, const struct scenario_cookie *cookie, struct err *err)
{
	const struct cookie_env env = env_of(run, cookie, run->k8s);
	struct cookie_plan plan = { 0 };
	int failed;

	if (cookie->ops->plan(&env, cookie->params, 0, &plan, err))
		return err_wrap(err, "cookie %s", cookie->name);
	failed = plan.watch_ns && watch_namespace(run->watch, plan.watch_ns, run->stop, err);
	cookie_plan_done(&plan);
	return failed ? err_wrap(err, "cookie %s", cookie->name) : 0;
}

int feed_preflight(struct run *run, struct err *err)
{
	const struct scenario *s = run->scenario;

	if (!s->n_cookies)
		return 0;
	if (bites_new(run->recorder, &run->bites, err) ||
		watch_new(
			cluster_config(run->cluster), run->recorder, run->bites, &run->watch, err))
		return -1;
	for (size_t i = 0; i < s->n_cookies; i++)
		if (preflight_one(run, &s->cookies[i], err))
			return -1;
	return 0;
}

static int start_one(struct feeder *f, struct err *err)
{
	f->named = cJSON_CreateObject();
	if (k8s_new(cluster_config(f->run->cluster), f->stop, &f->k8s, err))
		return -1;
	if (pthread_create(&f->thread, NULL, feed, f))
		return err_set(err, ERR_NOMEM, "no thread for cookie %s", f->cookie->name);
	f->has_thread = true;
	return 0;
}

int feed_start(struct run *run, int64_t begin_ns, int64_t end_ns, struct err *err)
{
	const struct scenario *s = run->scenario;
	struct feeders *feeders = calloc(1, sizeof(*feeders));

	if (!feeders)
		return err_set(err, ERR_NOMEM, "no memory for cookies");
	run->feeders = feeders;
	pthread_mutex_init(&feeders->feeding, NULL);
	feeders->v = calloc(s->n_cookies + 1, sizeof(*feeders->v));
	if (!feeders->v)
		return err_set(err, ERR_NOMEM, "no memory for cookies");
	if (stop_new(run->stop, &feeders->stop, err))
		return -1;
	for (; feeders->n < s->n_cookies; feeders->n++) {
		struct feeder *f = &feeders->v[feeders->n];

		*f = (struct feeder){
			.run = run,
			.cookie = &s->cookies[feeders->n],
			.stop = feeders->stop,
			.feeding = &feeders->feeding,
			.begin_ns = begin_ns,
			.end_ns = end_ns,
		};
		if (start_one(f, err)) {
			feeders->n++;
			return -1;
		}
	}
	return 0;
}

void feed_end(struct run *run)
{
	struct feeders *feeders = run->feeders;

	if (!feeders)
		return;
	if (feeders->stop)
		stop_request(feeders->stop, 1);
	for (size_t i = 0; i < feeders->n; i++) {
		struct feeder *f = &feeders->v[i];

		if (f->has_thread)
			pthread_join(f->thread, NULL);
		k8s_free(f->k8s);
		cJSON_Delete(f->named);
	}
	stop_free(feeders->stop);
	free(feeders->v);
	pthread_mutex_destroy(&feeders->feeding);
	free(feeders);
	run->feeders = NULL;
}
