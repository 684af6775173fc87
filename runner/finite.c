/* Verifiers that end by themselves (Rally), a thread each, from their first phase on. */
#include "runner/run.h"

#include "base/log.h"

#include <string.h>

struct finite_one {
	struct run *run;
	const struct verifier *v;
	void *session;
	bool prepared, started;
	atomic_bool ended;
	pthread_t thread;
};

struct finite {
	struct stop *stop;
	struct finite_one *v;
	size_t n;
};

static void tell_end(struct run *run, const struct verifier *v, bool ok, const char *message)
{
	cJSON *event = run_outcome("verifier", ok, message);

	json_add_str(event, "name", v->name);
	json_add_str(event, "kind", v->ops->name);
	json_add_str(event, "mark", "end");
	cJSON_AddBoolToObject(event, "finite", true);
	recorder_event(run->recorder, event);
}

static void *run_one(void *arg)
{
	struct finite_one *one = arg;
	struct run *run = one->run;
	struct err err = { ERR_NONE, "" };
	int failed;

	log_line(LOG_INFO, "VERIFY", "%s began", one->v->name);
	failed = one->v->ops->run(
		one->session, recorder_sink(run->recorder), run->finite->stop, &err);
	if (failed && stop_requested(run->finite->stop) && !stop_requested(run->stop))
		err_set(&err, ERR_TIMEOUT, "still running at the end of recovery: ended");
	tell_end(run, one->v, !failed, err.text);
	log_line(failed ? LOG_ERROR : LOG_INFO, "VERIFY", "%s ended%s%s", one->v->name,
		failed ? ": " : "", failed ? err.text : "");
	atomic_store(&one->ended, true);
	return NULL;
}

static int prepare_one(struct run *run, const struct verifier *v, struct err *err)
{
	struct finite_one *one = &run->finite->v[run->finite->n];

	*one = (struct finite_one){ .run = run, .v = v };
	run->finite->n++;
	if (v->ops->prepare &&
		v->ops->prepare(v, &run->verifier_env, run->stop, &one->session, err))
		return err_wrap(err, "verifier %s", v->name);
	one->prepared = true;
	return 0;
}

int finite_prepare(struct run *run, struct err *err)
{
	const struct scenario *s = run->scenario;

	run->finite = calloc(1, sizeof(*run->finite));
	if (!run->finite || stop_new(run->stop, &run->finite->stop, err))
		return err_set(err, ERR_NOMEM, "no memory for verifiers");
	run->finite->v = calloc(s->n_verify + 1, sizeof(*run->finite->v));
	if (!run->finite->v)
		return err_set(err, ERR_NOMEM, "no memory for verifiers");
	for (size_t i = 0; i < s->n_verify; i++)
		if (run->verifiers[i].ops->run && prepare_one(run, &run->verifiers[i], err))
			return -1;
	return 0;
}

void finite_phase(struct run *run, enum phase_bit phase)
{
	for (size_t i = 0; i < run->finite->n; i++) {
		struct finite_one *one = &run->finite->v[i];

		if (one->started || !(one->v->phases & phase))
			continue;
		if (pthread_create(&one->thread, NULL, run_one, one)) {
			tell_end(run, one->v, false, "no thread for it");
			atomic_store(&one->ended, true);
		} else {
			one->started = true;
		}
	}
}

bool finite_ended(struct run *run)
{
	for (size_t i = 0; i < run->finite->n; i++)
		if (!atomic_load(&run->finite->v[i].ended))
			return false;
	return true;
}

void finite_end(struct run *run)
{
	if (!run->finite || !run->finite->stop)
		return;
	stop_request(run->finite->stop, 1);
	for (size_t i = 0; i < run->finite->n; i++) {
		struct finite_one *one = &run->finite->v[i];

		if (one->started)
			pthread_join(one->thread, NULL);
		one->started = false;
	}
}

void finite_free(struct run *run)
{
	if (!run->finite)
		return;
	finite_end(run);
	for (size_t i = 0; i < run->finite->n; i++) {
		struct finite_one *one = &run->finite->v[i];

		if (one->prepared && one->v->ops->cleanup)
			one->v->ops->cleanup(one->session);
	}
	stop_free(run->finite->stop);
	free(run->finite->v);
	free(run->finite);
	run->finite = NULL;
}
