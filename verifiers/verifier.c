/* The open-loop core, seen from outside: made, tried, told of phases, asked for figures, freed. */
#include "verifiers/sampler.h"

#include "base/clock.h"
#include "base/own.h"

#include <string.h>
#include <sys/resource.h>

#define SPARE_FILES 128 /* descriptors for everything that is not a sample's connection */
#define IDLE_CONNECTIONS_MAX 4096

/* Each request may hold a connection: enough descriptors, or a word about it. */
static int allow_files(size_t requests, struct err *err)
{
	struct rlimit limit;
	rlim_t need = requests + SPARE_FILES;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return err_errno(err, "getrlimit(RLIMIT_NOFILE)");
	if (limit.rlim_cur >= need)
		return 0;
	if (limit.rlim_max != RLIM_INFINITY && limit.rlim_max < need)
		return err_set(err, ERR_CONFIG,
			"verifiers may have %zu requests under way, but only %llu files can be open: "
			"raise \"ulimit -n\" or lower `concurrency`",
			requests, (unsigned long long)limit.rlim_max);
	limit.rlim_cur = need;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		return err_errno(err, "setrlimit(RLIMIT_NOFILE, %llu)", (unsigned long long)need);
	return 0;
}

static int open_track(struct track *track, const struct verifier *v, const struct verifier_env *env,
	struct err *err)
{
	track->v = v;
	if (!v->ops->step)
		return err_set(err, ERR_BUG, "kind %s is not sampled", v->ops->name);
	if (v->period_ns <= 0 || v->timeout_ns <= 0 || !v->concurrency)
		return err_set(err, ERR_BUG, "no period, timeout or concurrency");
	track->session = calloc(1, v->ops->session_size ? v->ops->session_size : 1);
	track->details = details_new(track->sampler->sink, v->name);
	track->live = live_new(v);
	if (!track->session || !track->details || !track->live)
		return err_set(err, ERR_NOMEM, "no memory");
	if (flights_new(track, err))
		return -1;
	if (v->ops->open && v->ops->open(track->session, v, env, err))
		return -1;
	track->opened = true;
	return 0;
}

static int open_tracks(struct sampler *sampler, const struct verifier *const *verifiers, size_t n,
	const struct verifier_env *env, struct err *err)
{
	struct http_options options = { 0 };
	size_t requests = 0;

	for (size_t i = 0; i < n; i++)
		requests += verifiers[i]->concurrency;
	if (allow_files(requests, err))
		return -1;
	options.max_connections = (long)(requests < IDLE_CONNECTIONS_MAX ? requests + 1
									 : IDLE_CONNECTIONS_MAX);
	if (http_new(&options, &sampler->http, err))
		return -1;
	for (; sampler->n_tracks < n; sampler->n_tracks++) {
		const struct verifier *v = verifiers[sampler->n_tracks];
		struct track *track = &sampler->tracks[sampler->n_tracks];

		track->sampler = sampler;
		if (open_track(track, v, env, err)) {
			sampler->n_tracks++; /* half open: to be freed too */
			return err_wrap(err, "verifier %s", v->name);
		}
	}
	return 0;
}

int sampler_new(const struct verifier *const *verifiers, size_t n, const struct verifier_env *env,
	struct sink *sink, struct sampler **ret_sampler, struct err *err)
{
	struct sampler *sampler = calloc(1, sizeof(*sampler));

	if (!sampler)
		return err_set(err, ERR_NOMEM, "no memory for the sampler");
	pthread_mutex_init(&sampler->lock, NULL);
	sampler->sink = sink;
	sampler->tracks = calloc(n ? n : 1, sizeof(*sampler->tracks));
	sampler->heap = calloc(n ? n : 1, sizeof(struct track *));
	if (!sampler->tracks || !sampler->heap) {
		sampler_free(sampler);
		return err_set(err, ERR_NOMEM, "no memory for %zu verifiers", n);
	}
	if (open_tracks(sampler, verifiers, n, env, err)) {
		sampler_free(sampler);
		return -1;
	}
	*ret_sampler = sampler;
	return 0;
}

void sampler_free(struct sampler *sampler)
{
	if (!sampler)
		return;
	sampler->cancelling = true;
	http_free(sampler->http); /* ends what is under way: the tracks must still be there */
	for (size_t i = 0; i < sampler->n_tracks; i++) {
		struct track *track = &sampler->tracks[i];

		stream_close(track->stream);
		if (track->opened && track->v->ops->close)
			track->v->ops->close(track->session);
		flights_free(track);
		live_free(track->live);
		details_free(track->details);
		free(track->session);
	}
	pthread_mutex_destroy(&sampler->lock);
	free(sampler->heap);
	free(sampler->tracks);
	free(sampler);
}

/* ---- trial ---- */

static enum err_code code_of(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_REFUSED:
	case OUTCOME_RESET:
		return ERR_NET;
	case OUTCOME_DNS:
		return ERR_DNS;
	case OUTCOME_TLS:
		return ERR_TLS;
	case OUTCOME_TIMEOUT:
		return ERR_TIMEOUT;
	case OUTCOME_AUTH:
		return ERR_AUTH;
	default:
		return ERR_API;
	}
}

static int first_failure(struct sampler *sampler, struct err *err)
{
	for (size_t i = 0; i < sampler->n_tracks; i++) {
		struct track *track = &sampler->tracks[i];

		if (track->tried == OUTCOME_OK)
			continue;
		return err_set(err, code_of(track->tried), "verifier %s: %s%s%s", track->v->name,
			outcome_name(track->tried), *track->tried_detail ? ": " : "",
			track->tried_detail);
	}
	return 0;
}

int sampler_try(struct sampler *sampler, struct stop *stop, struct err *err)
{
	int64_t now_ns = clock_now_ns();

	for (size_t i = 0; i < sampler->n_tracks; i++)
		flight_begin(&sampler->tracks[i], now_ns, 0, true);
	while (sampler->in_flight && !stop_requested(stop))
		http_drive(sampler->http, clock_now_ns() + NS_PER_S, stop);
	if (!sampler->in_flight)
		return first_failure(sampler, err);
	sampler->cancelling = true;
	flights_cancel(sampler);
	while (sampler->in_flight)
		http_drive(sampler->http, clock_now_ns() + NS_PER_S, NULL);
	sampler->cancelling = false;
	return err_set(err, ERR_STOPPED, "stopped while the verifiers were tried");
}

/* ---- from other threads ---- */

static void mark(struct sampler *sampler, unsigned index, int64_t at_ns)
{
	pthread_mutex_lock(&sampler->lock);
	sampler->marks[index].at_ns = at_ns;
	sampler->marks[index].told = true;
	pthread_mutex_unlock(&sampler->lock);
	http_wake(sampler->http);
}

void sampler_phase(struct sampler *sampler, enum phase_bit phase, int64_t at_ns)
{
	mark(sampler, phase == PHASE_BASELINE ? 0 : phase == PHASE_FAULTS ? 1 : 2, at_ns);
}

void sampler_end(struct sampler *sampler, int64_t at_ns)
{
	mark(sampler, PHASE_MARKS - 1, at_ns);
}

size_t sampler_now(struct sampler *sampler, struct sampler_now *ret_rows, size_t max)
{
	size_t n = sampler->n_tracks < max ? sampler->n_tracks : max;

	for (size_t i = 0; i < n; i++)
		live_now(&sampler->tracks[i], &ret_rows[i]);
	return n;
}

void sampler_on_outage(struct sampler *sampler,
	void (*told)(
		void *arg, const char *verifier, bool begins, int64_t length_ns, const char *what),
	void *arg)
{
	sampler->told = told;
	sampler->told_arg = arg;
}
