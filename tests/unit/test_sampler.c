/*
 * The open-loop core against a server on the loopback: every slot accounted for, phases, the cap,
 * timeouts, outages as told live. Times are never asserted, save those that are computed.
 */
#include "base/clock.h"
#include "base/own.h"
#include "verifiers/stream.h"
#include "verifiers/verifier.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a server: one thread a connection; /STATUS answers so, /hang never, /reset breaks ---- */

#define CONNECTIONS_MAX 256

static struct {
	int listener, port;
	pthread_t acceptor, threads[CONNECTIONS_MAX];
	int fds[CONNECTIONS_MAX];
	int n;
	atomic_bool broken; /* /ok answers 503 */
} server;

static bool answer(int fd, const char *path)
{
	char reply[128];
	int status = !strncmp(path, "/ok ", 4) ? (server.broken ? 503 : 200) : atoi(path + 1);
	int len = snprintf(reply, sizeof(reply),
		"HTTP/1.1 %d Whatever\r\nContent-Length: 2\r\n\r\nhi", status);

	if (!strncmp(path, "/reset ", 7))
		return false;
	return !strncmp(path, "/hang ", 6) || send(fd, reply, (size_t)len, MSG_NOSIGNAL) == len;
}

static void *serve(void *arg)
{
	int fd = *(int *)arg;
	char request[4096];
	size_t len = 0;

	for (;;) {
		ssize_t n = recv(fd, request + len, sizeof(request) - 1 - len, 0);

		if (n <= 0)
			break;
		len += (size_t)n;
		request[len] = '\0';
		if (!strstr(request, "\r\n\r\n"))
			continue;
		if (!answer(fd, strchr(request, ' ') + 1))
			break;
		len = 0;
	}
	shutdown(fd, SHUT_RDWR);
	return NULL;
}

static void *accept_all(void *arg)
{
	(void)arg;
	while (server.n < CONNECTIONS_MAX) {
		int fd = accept(server.listener, NULL, NULL);

		if (fd < 0)
			break;
		server.fds[server.n] = fd;
		pthread_create(&server.threads[server.n], NULL, serve, &server.fds[server.n]);
		server.n++;
	}
	return NULL;
}

static int start_server(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);

	(void)state;
	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(server.listener, (struct sockaddr *)&address, size) ||
		listen(server.listener, 256) ||
		getsockname(server.listener, (struct sockaddr *)&address, &size))
		return -1;
	server.port = ntohs(address.sin_port);
	return pthread_create(&server.acceptor, NULL, accept_all, NULL);
}

static int end_server(void **state)
{
	(void)state;
	shutdown(server.listener, SHUT_RDWR);
	pthread_join(server.acceptor, NULL);
	for (int i = 0; i < server.n; i++) {
		shutdown(server.fds[i], SHUT_RDWR);
		pthread_join(server.threads[i], NULL);
		close(server.fds[i]);
	}
	close(server.listener);
	return 0;
}

/* ---- a sink that keeps everything ---- */

#define FILES 4
#define SAMPLES_MAX 20000
#define EVENTS_MAX 2048

static struct {
	pthread_mutex_t lock;
	struct {
		char name[64], verifier[64];
		int64_t period_ns;
		struct sample samples[SAMPLES_MAX];
		size_t n;
	} files[FILES];
	int n_files;
	cJSON *events[EVENTS_MAX];
	int n_events;
	int policy;      /* of the thread that told an event */
	int heir_policy; /* of one that it started */
} kept = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void *note_heir(void *arg)
{
	(void)arg;
	kept.heir_policy = sched_getscheduler(0);
	return NULL;
}

static void keep_policies(void)
{
	pthread_t heir;

	kept.policy = sched_getscheduler(0);
	if (!pthread_create(&heir, NULL, note_heir, NULL))
		pthread_join(heir, NULL);
}

static void keep_event(struct sink *sink, cJSON *event)
{
	char *text = json_print(event); /* as it goes to the journal, and back */

	(void)sink;
	pthread_mutex_lock(&kept.lock);
	if (!strcmp(json_str(event, "e", NULL), "verifier"))
		keep_policies();
	if (kept.n_events < EVENTS_MAX)
		kept.events[kept.n_events++] = cJSON_Parse(text);
	pthread_mutex_unlock(&kept.lock);
	free(text);
	cJSON_Delete(event);
}

static int keep_file(struct sink *sink, const char *file, const char *verifier, int64_t period_ns)
{
	int number;

	(void)sink;
	pthread_mutex_lock(&kept.lock);
	number = kept.n_files++;
	snprintf(kept.files[number].name, 64, "%s", file);
	snprintf(kept.files[number].verifier, 64, "%s", verifier);
	kept.files[number].period_ns = period_ns;
	kept.files[number].n = 0;
	pthread_mutex_unlock(&kept.lock);
	return number;
}

static void keep_samples(struct sink *sink, int file, const struct sample *samples, size_t n)
{
	size_t *have = &kept.files[file].n;

	(void)sink;
	pthread_mutex_lock(&kept.lock);
	if (*have + n <= SAMPLES_MAX)
		memcpy(&kept.files[file].samples[*have], samples, n * sizeof(*samples));
	*have += n;
	pthread_mutex_unlock(&kept.lock);
}

static struct sink sink = { .event = keep_event, .open = keep_file, .samples = keep_samples };

static size_t kept_samples(int file)
{
	size_t n;

	pthread_mutex_lock(&kept.lock);
	n = kept.files[file].n;
	pthread_mutex_unlock(&kept.lock);
	return n;
}

static int empty_sink(void **state)
{
	(void)state;
	for (int i = 0; i < kept.n_events; i++)
		cJSON_Delete(kept.events[i]);
	kept.n_events = kept.n_files = 0;
	for (int f = 0; f < FILES; f++)
		kept.files[f].n = 0;
	server.broken = false;
	sink.t0_ns = clock_now_ns() - 5 * NS_PER_S;
	return 0;
}

static int count_events(const char *e, const char *verifier, const char *mark)
{
	int n = 0;

	for (int i = 0; i < kept.n_events; i++) {
		const char *name = json_str(kept.events[i], "name", NULL);
		const char *its_mark = json_str(kept.events[i], "mark", NULL);

		n += !strcmp(json_str(kept.events[i], "e", NULL), e) &&
		     (!verifier || (name && !strcmp(name, verifier))) &&
		     (!mark || (its_mark && !strcmp(its_mark, mark)));
	}
	return n;
}

static int by_seq(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* The file of a verifier, its samples by seq; each seq exactly once. */
static int sorted(const char *verifier)
{
	for (int f = 0; f < kept.n_files; f++) {
		if (strcmp(kept.files[f].verifier, verifier))
			continue;
		assert_true(kept.files[f].n < SAMPLES_MAX);
		qsort(kept.files[f].samples, kept.files[f].n, sizeof(struct sample), by_seq);
		for (size_t i = 0; i < kept.files[f].n; i++)
			assert_int_equal(kept.files[f].samples[i].seq, i);
		return f;
	}
	fail_msg("%s has no samples file", verifier);
	return -1;
}

static size_t count(int file, enum outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < kept.files[file].n; i++)
		n += kept.files[file].samples[i].outcome == outcome;
	return n;
}

/* ---- checks: one path after the other; the last answer decides ---- */

struct session {
	char urls[2][128];
	int n;
	struct stop *sleeps; /* a step that holds up the thread: once, for 100 ms */
};

struct state {
	int step;
};

static struct stop *slow_step;
static bool slow_behind_reply; /* hold up the thread when the first reply is there, not before */

static int script_open(
	void *session, const struct verifier *v, const struct verifier_env *env, struct err *err)
{
	struct session *s = session;
	const char *const *paths = v->params;

	(void)env;
	if (!*paths)
		return err_set(err, ERR_CONFIG, "no path");
	for (; paths[s->n]; s->n++)
		snprintf(s->urls[s->n], sizeof(s->urls[0]), "http://127.0.0.1:%d%s", server.port,
			paths[s->n]);
	s->sleeps = slow_step;
	return 0;
}

static enum step script_step(void *session, void *state, const struct http_reply *reply,
	struct http_request *ret_request, struct step_result *ret_result)
{
	struct session *s = session;
	struct state *at = state;

	if (s->sleeps && (reply || !slow_behind_reply))
		stop_wait(TAKE(s->sleeps), 100);
	if (at->step < s->n) {
		ret_request->url = s->urls[at->step++];
		return STEP_REQUEST;
	}
	ret_result->outcome = reply->status == 200 ? OUTCOME_OK : OUTCOME_HTTP_5XX;
	if (reply->status != 200)
		snprintf(ret_result->detail, sizeof(ret_result->detail), "HTTP %d, request %p",
			reply->status, (void *)at);
	return STEP_DONE;
}

static const struct verifier_ops script = { .name = "script",
	.session_size = sizeof(struct session),
	.state_size = sizeof(struct state),
	.open = script_open,
	.step = script_step };

#define PATHS(...) ((const char *[]){ __VA_ARGS__, NULL })

static struct verifier make(const char *name, const char **paths)
{
	struct verifier v = { .ops = &script,
		.params = paths,
		.period_ns = 5 * NS_PER_MS,
		.timeout_ns = 10 * NS_PER_S,
		.concurrency = 50,
		.phases = PHASE_BASELINE | PHASE_FAULTS | PHASE_RECOVERY };

	snprintf(v.name, sizeof(v.name), "%s", name);
	return v;
}

/* ---- a sampler in its thread ---- */

static struct {
	struct sampler *sampler;
	struct stop *stop;
	pthread_t thread;
	int64_t begin_ns;
	int policy_behind; /* of the thread when sampler_run has returned */
} run;

static void *run_thread(void *arg)
{
	struct err err;
	int failed;

	(void)arg;
	failed = sampler_run(run.sampler, run.stop, &err);
	run.policy_behind = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
	return failed ? run.sampler : NULL;
}

static void prepare(const struct verifier *v, size_t n)
{
	const struct verifier *list[FILES];
	struct verifier_env env = { 0 };
	struct err err;

	for (size_t i = 0; i < n; i++)
		list[i] = &v[i];
	assert_int_equal(stop_new(NULL, &run.stop, &err), 0);
	assert_int_equal(sampler_new(list, n, &env, &sink, &run.sampler, &err), 0);
}

static void start(const struct verifier *v, size_t n)
{
	prepare(v, n);
	run.begin_ns = clock_now_ns() + 10 * NS_PER_MS;
	assert_int_equal(pthread_create(&run.thread, NULL, run_thread, NULL), 0);
}

static void await(void)
{
	void *failed;

	pthread_join(run.thread, &failed);
	assert_null(failed);
	sampler_free(run.sampler);
	stop_free(run.stop);
}

static int64_t after_ms(int64_t ms)
{
	return run.begin_ns + ms * NS_PER_MS;
}

/* ---- schedule ---- */

static void every_slot_is_on_record_at_its_exact_time(void **state)
{
	struct verifier v = make("web", PATHS("/ok"));
	int f;

	(void)state;
	v.period_ns = 3333333; /* one that does not divide a second */
	start(&v, 1);
	sampler_phase(run.sampler, PHASE_BASELINE, run.begin_ns);
	sampler_end(run.sampler, run.begin_ns + 150 * v.period_ns);
	await();
	f = sorted("web");
	assert_int_equal(kept.files[f].n, 150);
	assert_string_equal(kept.files[f].name, "web.samples");
	assert_int_equal(kept.files[f].period_ns, v.period_ns);
	for (size_t i = 0; i < 150; i++) {
		const struct sample *s = &kept.files[f].samples[i];

		assert_true(s->due_ns == run.begin_ns + (int64_t)i * v.period_ns - sink.t0_ns);
		assert_true(s->outcome == OUTCOME_OK || s->outcome == OUTCOME_MISSED);
		if (s->outcome == OUTCOME_MISSED)
			continue;
		assert_int_equal(s->status, 200);
		assert_true(s->sent_us <= s->first_us && s->first_us <= s->done_us);
		assert_true(s->done_us < SAMPLE_LONG);
		assert_int_equal(s->detail, 0);
	}
	assert_true(count(f, OUTCOME_OK) > 0);
}

static void begin_and_end_are_told_once(void **state)
{
	struct verifier v = make("web", PATHS("/ok"));
	const cJSON *begin = NULL;

	(void)state;
	v.control = true;
	start(&v, 1);
	sampler_phase(run.sampler, PHASE_BASELINE, run.begin_ns);
	sampler_phase(run.sampler, PHASE_FAULTS, after_ms(20));
	sampler_end(run.sampler, after_ms(50));
	await();
	assert_int_equal(count_events("verifier", "web", "begin"), 1);
	assert_int_equal(count_events("verifier", "web", "end"), 1);
	begin = kept.events[0];
	assert_string_equal(json_str(begin, "kind", NULL), "script");
	assert_string_equal(json_str(begin, "file", NULL), "web.samples");
	assert_true(json_int(begin, 0, "period", NULL) == v.period_ns);
	assert_true(json_int(begin, 0, "timeout", NULL) == v.timeout_ns);
	assert_true(json_bool(begin, -1, "control", NULL) == true);
	assert_true(json_bool(begin, -1, "finite", NULL) == false);
	assert_string_equal(json_str(begin, "phases", "1", NULL), "faults");
}

static void a_verifier_runs_in_its_phases_only(void **state)
{
	struct verifier v[3] = { make("all", PATHS("/ok")), make("faults", PATHS("/ok")),
		make("around", PATHS("/ok")) };
	int64_t t0 = sink.t0_ns, due;
	int f;

	(void)state;
	v[1].phases = PHASE_FAULTS;
	v[2].phases = PHASE_BASELINE | PHASE_RECOVERY;
	start(v, 3);
	/* 103 ms: the grid of `around` does not begin anew with recovery */
	sampler_phase(run.sampler, PHASE_BASELINE, run.begin_ns);
	sampler_phase(run.sampler, PHASE_FAULTS, after_ms(53));
	sampler_phase(run.sampler, PHASE_RECOVERY, after_ms(103));
	sampler_end(run.sampler, after_ms(150));
	await();

	f = sorted("all");
	assert_int_equal(kept.files[f].n, 30);
	f = sorted("faults");
	assert_int_equal(kept.files[f].n, 10);
	assert_true(kept.files[f].samples[0].due_ns == after_ms(53) - t0);
	assert_true(kept.files[f].samples[9].due_ns == after_ms(98) - t0);
	f = sorted("around");
	assert_int_equal(kept.files[f].n, 20); /* 0, 5 ... 50, and 105 ... 145 */
	for (size_t i = 0; i < 20; i++) {
		due = kept.files[f].samples[i].due_ns + t0;
		assert_true((due - run.begin_ns) % v[2].period_ns == 0);
		assert_true(due < after_ms(53) || due >= after_ms(103));
	}
}

static void a_phase_told_while_waiting_begins_at_once(void **state)
{
	struct verifier v = make("web", PATHS("/ok"));
	int64_t deadline = clock_now_ns() + 20 * NS_PER_S;

	(void)state;
	v.period_ns = 3600 * NS_PER_S; /* the one sample is due at the phase's begin */
	start(&v, 1);
	stop_wait(run.stop, 50);
	sampler_phase(run.sampler, PHASE_FAULTS, clock_now_ns());
	while (!(kept_samples(0)) && clock_now_ns() < deadline)
		stop_wait(run.stop, 10);
	assert_int_equal(kept_samples(0), 1); /* and it was flushed while the run goes on */
	sampler_end(run.sampler, clock_now_ns());
	await();
	assert_int_equal(kept.files[0].n, 1);
}

static void nothing_told_nothing_done(void **state)
{
	struct verifier v = make("web", PATHS("/ok"));

	(void)state;
	start(&v, 1);
	sampler_end(run.sampler, clock_now_ns());
	await();
	assert_int_equal(kept.n_files, 0);
	assert_int_equal(kept.n_events, 0);
}

static bool may_be_first(void)
{
	const struct sched_param least = { .sched_priority = 1 }, none = { .sched_priority = 0 };

	if (sched_setscheduler(0, SCHED_FIFO, &least))
		return false;
	assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &none), 0);
	return true;
}

/* Slots are used in time on a busy machine, too; nobody else is put first. */
static void the_thread_goes_first_where_it_may(void **state)
{
	struct verifier v = make("web", PATHS("/ok"));
	bool may = may_be_first();

	(void)state;
	start(&v, 1);
	sampler_phase(run.sampler, PHASE_BASELINE, run.begin_ns);
	sampler_end(run.sampler, after_ms(30));
	await();
	assert_int_equal(count_events("verifier", NULL, NULL), 2);
	assert_int_equal(kept.policy & ~SCHED_RESET_ON_FORK, may ? SCHED_FIFO : SCHED_OTHER);
	assert_int_equal(kept.heir_policy & ~SCHED_RESET_ON_FORK, SCHED_OTHER);
	assert_int_equal(run.policy_behind, SCHED_OTHER);
}

/* ---- what hangs ---- */

static void slots_behind_a_held_cap_are_unsent(void **state)
{
	struct verifier v = make("hung", PATHS("/hang"));
	int f;

	(void)state;
	v.concurrency = 2;
	v.timeout_ns = 150 * NS_PER_MS;
	start(&v, 1);
	sampler_phase(run.sampler, PHASE_BASELINE, run.begin_ns);
	sampler_end(run.sampler, after_ms(100));
	await();
	f = sorted("hung");
	assert_int_equal(kept.files[f].n, 20);
	/* two were sent, awaited behind the end, and timed out; the cap was held ever after */
	assert_int_equal(count(f, OUTCOME_TIMEOUT), 2);
	assert_int_equal(count(f, OUTCOME_UNSENT) + count(f, OUTCOME_MISSED), 18);
	assert_true(count(f, OUTCOME_UNSENT) > 0);
	for (size_t i = 0; i < 20; i++) {
		const struct sample *s = &kept.files[f].samples[i];
		bool sent = s->outcome == OUTCOME_TIMEOUT;

		assert_int_equal(s->sent_us != SAMPLE_NEVER, sent);
		assert_int_equal(s->done_us != SAMPLE_NEVER, sent);
		assert_int_equal(s->first_us, SAMPLE_NEVER);
		if (sent) /* the timeout runs from sent */
			assert_true(s->done_us - s->sent_us >= 149000);
	}
}

static void a_stopped_run_cancels_what_is_in_flight(void **state)
{
	struct verifier v = make("hung", PATHS("/hang"));
	int f;

	(void)state;
	v.period_ns = 3600 * NS_PER_S;
	start(&v, 1);
	sampler_phase(run.sampler, PHASE_BASELINE, run.begin_ns);
	stop_wait(run.stop, 100);
	stop_request(run.stop, 15);
	await();
	f = sorted("hung");
	assert_int_equal(kept.files[f].n, 1);
	assert_int_equal(kept.files[f].samples[0].outcome, OUTCOME_CANCELLED);
	assert_true(kept.files[f].samples[0].sent_us != SAMPLE_NEVER);
	assert_int_equal(count_events("verifier", "hung", "end"), 1);
}

static void slots_that_the_runner_slept_through_are_missed_and_not_made_up_for(void **state)
{
	struct verifier v = make("web", PATHS("/ok"));
	int f;

	(void)state;
	assert_int_equal(stop_new(NULL, &slow_step, NULL), 0);
	start(&v, 1); /* the first step holds up the thread for 100 ms: 20 slots */
	sampler_phase(run.sampler, PHASE_BASELINE, run.begin_ns);
	sampler_end(run.sampler, after_ms(200));
	await();
	stop_free(TAKE(slow_step));
	f = sorted("web");
	assert_int_equal(kept.files[f].n, 40);
	assert_true(count(f, OUTCOME_MISSED) >= 18);
	assert_int_equal(kept.files[f].samples[1].outcome, OUTCOME_MISSED);
	assert_int_equal(kept.files[f].samples[1].sent_us, SAMPLE_NEVER);
	assert_int_equal(kept.files[f].samples[1].done_us, SAMPLE_NEVER);
	for (size_t i = 1; i < 40; i++) /* no burst: what is sent is sent in its own slot */
		if (kept.files[f].samples[i].outcome == OUTCOME_OK)
			assert_true(kept.files[f].samples[i].sent_us <= v.period_ns / 1000);
}

/* ---- several requests a sample ---- */

static void a_sample_may_take_several_requests(void **state)
{
	struct verifier v = make("login", PATHS("/ok", "/500"));
	int f;

	(void)state;
	start(&v, 1);
	sampler_phase(run.sampler, PHASE_BASELINE, run.begin_ns);
	sampler_end(run.sampler, after_ms(50));
	await();
	f = sorted("login");
	assert_int_equal(kept.files[f].n, 10);
	assert_true(count(f, OUTCOME_HTTP_5XX) > 0);
	assert_int_equal(count(f, OUTCOME_HTTP_5XX) + count(f, OUTCOME_MISSED), 10);
	for (size_t i = 0; i < 10; i++)
		if (kept.files[f].samples[i].outcome == OUTCOME_HTTP_5XX)
			assert_int_equal(kept.files[f].samples[i].status, 500);
	/* their texts differ by an address only: one detail */
	assert_int_equal(count_events("detail", NULL, NULL), 1);
}

static void one_timeout_covers_all_its_requests(void **state)
{
	struct verifier v = make("login", PATHS("/ok", "/hang"));
	int f;

	(void)state;
	v.period_ns = 3600 * NS_PER_S;
	v.timeout_ns = 100 * NS_PER_MS;
	start(&v, 1);
	sampler_phase(run.sampler, PHASE_BASELINE, run.begin_ns);
	sampler_end(run.sampler, after_ms(10));
	await();
	f = sorted("login");
	assert_int_equal(kept.files[f].n, 1);
	assert_int_equal(kept.files[f].samples[0].outcome, OUTCOME_TIMEOUT);
	assert_true(kept.files[f].samples[0].first_us != SAMPLE_NEVER); /* of the first answer */
}

static void no_request_is_sent_when_the_time_is_up(void **state)
{
	struct verifier v = make("login", PATHS("/ok", "/ok"));
	int f;

	(void)state;
	v.period_ns = 3600 * NS_PER_S;
	v.timeout_ns = 80 * NS_PER_MS; /* over before the second request's turn comes */
	assert_int_equal(stop_new(NULL, &slow_step, NULL), 0);
	slow_behind_reply = true;
	start(&v, 1);
	sampler_phase(run.sampler, PHASE_BASELINE, run.begin_ns);
	sampler_end(run.sampler, after_ms(10));
	await();
	slow_behind_reply = false;
	stop_free(TAKE(slow_step));
	f = sorted("login");
	assert_int_equal(kept.files[f].n, 1);
	assert_int_equal(kept.files[f].samples[0].outcome, OUTCOME_TIMEOUT);
}

/* ---- connections and transport ---- */

static enum outcome only_outcome(const char *path, unsigned *ret_new, enum verifier_connection how)
{
	struct verifier v = make("web", PATHS(path));
	int f;
	enum outcome outcome = OUTCOME_MISSED;

	empty_sink(NULL);
	v.connection = how;
	v.concurrency = 1;
	v.period_ns = 20 * NS_PER_MS;
	start(&v, 1);
	sampler_phase(run.sampler, PHASE_BASELINE, run.begin_ns);
	sampler_end(run.sampler, after_ms(100));
	await();
	f = sorted("web");
	*ret_new = 0;
	for (size_t i = 0; i < kept.files[f].n; i++) {
		const struct sample *s = &kept.files[f].samples[i];

		if (s->outcome == OUTCOME_MISSED || s->outcome == OUTCOME_UNSENT)
			continue;
		*ret_new += s->flags & SAMPLE_NEW_CONNECTION;
		outcome = s->outcome;
		assert_int_equal(s->detail != 0, outcome != OUTCOME_OK);
	}
	return outcome;
}

static void connections_are_kept_or_made_as_told(void **state)
{
	unsigned new;

	(void)state;
	assert_int_equal(only_outcome("/ok", &new, CONNECTION_REUSED), OUTCOME_OK);
	assert_int_equal(new, 1);
	assert_int_equal(only_outcome("/ok", &new, CONNECTION_NEW), OUTCOME_OK);
	assert_true(new > 1);
	assert_int_equal(new, count(0, OUTCOME_OK));
}

static void transport_failures_have_their_class(void **state)
{
	int port = server.port;
	unsigned new;

	(void)state;
	assert_int_equal(only_outcome("/reset", &new, CONNECTION_REUSED), OUTCOME_RESET);
	server.port = 1; /* nobody listens there */
	assert_int_equal(only_outcome("/ok", &new, CONNECTION_REUSED), OUTCOME_REFUSED);
	server.port = port;
}

/* ---- waking ---- */

static void *drive_for_ever(void *http)
{
	http_drive(http, INT64_MAX, NULL);
	return NULL;
}

static void a_loop_that_waits_is_woken_by_word_and_by_stop(void **state)
{
	struct http *http;
	struct stop *stop;
	pthread_t thread;

	(void)state;
	assert_int_equal(http_new(NULL, &http, NULL), 0);
	assert_int_equal(stop_new(NULL, &stop, NULL), 0);
	pthread_create(&thread, NULL, drive_for_ever, http);
	http_wake(http);
	pthread_join(thread, NULL);
	assert_int_equal(http_watch(http, stop, NULL), 0);
	pthread_create(&thread, NULL, drive_for_ever, http);
	stop_request(stop, 1);
	pthread_join(thread, NULL);
	assert_int_equal(http_watch(http, NULL, NULL), 0);
	stop_free(stop);
	http_free(http);
}

/* ---- trial, figures, outages ---- */

static void a_trial_records_nothing_and_names_what_failed(void **state)
{
	struct verifier good[2] = { make("web", PATHS("/ok")), make("api", PATHS("/ok")) };
	struct verifier bad[2] = { make("web", PATHS("/ok")), make("api", PATHS("/500")) };
	struct err err = { 0 };

	(void)state;
	prepare(good, 2);
	assert_int_equal(sampler_try(run.sampler, run.stop, &err), 0);
	sampler_free(run.sampler);
	stop_free(run.stop);
	prepare(bad, 2);
	assert_int_equal(sampler_try(run.sampler, run.stop, &err), -1);
	assert_non_null(strstr(err.text, "verifier api: http-5xx: HTTP 500"));
	sampler_free(run.sampler);
	stop_free(run.stop);
	assert_int_equal(kept.n_events, 0);
	assert_int_equal(kept.n_files, 0);
}

static void a_trial_can_be_stopped(void **state)
{
	struct verifier v = make("web", PATHS("/hang"));
	struct err err = { 0 };

	(void)state;
	prepare(&v, 1);
	stop_request(run.stop, 2);
	assert_int_equal(sampler_try(run.sampler, run.stop, &err), -1);
	assert_int_equal(err.code, ERR_STOPPED);
	sampler_free(run.sampler);
	stop_free(run.stop);
}

static void a_check_that_cannot_open_is_named(void **state)
{
	static const char *none[] = { NULL };
	struct verifier v = make("web", none);
	const struct verifier *list[] = { &v };
	struct verifier_env env = { 0 };
	struct sampler *sampler;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(sampler_new(list, 1, &env, &sink, &sampler, &err), -1);
	assert_string_equal(err.text, "verifier web: no path");
}

static struct {
	atomic_int begins, ends;
	int64_t length_ns;
	char what[32];
} told;

static void on_outage(
	void *arg, const char *verifier, bool begins, int64_t length_ns, const char *what)
{
	(void)arg;
	assert_string_equal(verifier, "web");
	snprintf(told.what, sizeof(told.what), "%s", what);
	told.length_ns = length_ns;
	if (begins)
		told.begins++;
	else
		told.ends++;
}

static void wait_for(atomic_int *counter, int value)
{
	int64_t deadline = clock_now_ns() + 30 * NS_PER_S;

	while (*counter < value && clock_now_ns() < deadline)
		stop_wait(run.stop, 5);
	assert_int_equal(*counter, value);
}

static void outages_are_told_when_they_begin_and_end(void **state)
{
	struct verifier v = make("web", PATHS("/ok"));
	struct sampler_now now;

	(void)state;
	prepare(&v, 1);
	sampler_on_outage(run.sampler, on_outage, NULL);
	run.begin_ns = clock_now_ns();
	assert_int_equal(pthread_create(&run.thread, NULL, run_thread, NULL), 0);
	sampler_phase(run.sampler, PHASE_FAULTS, run.begin_ns);
	do {
		stop_wait(run.stop, 5);
		assert_int_equal(sampler_now(run.sampler, &now, 1), 1);
	} while (now.ok < 5 && clock_now_ns() < after_ms(30000));
	assert_int_equal(now.bad, 0);
	assert_true(now.outage_since_ns == -1);
	assert_true(now.p99_ms > 0);

	server.broken = true;
	wait_for(&told.begins, 1);
	sampler_now(run.sampler, &now, 1);
	assert_true(now.outage_since_ns > run.begin_ns - sink.t0_ns);
	assert_string_equal(now.detail, "http-5xx");
	server.broken = false;
	wait_for(&told.ends, 1);
	assert_int_equal(told.begins, 1);
	sampler_now(run.sampler, &now, 1);
	assert_true(now.outage_since_ns == -1);
	sampler_end(run.sampler, clock_now_ns());
	await();
	assert_int_equal(told.begins, 1);
	assert_int_equal(told.ends, 1);
	assert_string_equal(told.what, "http-5xx");
	assert_true(told.length_ns > 0);
}

/* ---- error texts ---- */

static void collapses_to(const char *text, const char *expected)
{
	char out[DETAIL_BYTES];

	details_collapse(text, out);
	assert_string_equal(out, expected);
}

static void ids_and_numbers_are_collapsed(void **state)
{
	(void)state;
	collapses_to("took 12 s", "took N s");
	collapses_to("took 1.25 s", "took N s");
	collapses_to("HTTP 503, expected 2xx", "HTTP 503, expected 2xx");
	collapses_to("server 1b4e28ba-2fa1-11d2-883f-0016d3cca427 is gone", "server ID is gone");
	collapses_to("req-1b4e28ba-2fa1-11d2-883f-0016d3cca427", "req-ID");
	collapses_to("token 0x7f3a9c", "token ID");
	collapses_to("pod keystone-7d9f8b6c5-x2x4z", "pod keystone-ID");
	collapses_to("worker1234 left", "workerN left");
	collapses_to("GET http://127.0.0.1:5000/v3/users/12: connection refused",
		"GET http://127.0.0.1:5000/v3/users/N: connection refused");
	collapses_to("line\nbreak\ttab", "line break tab");
	collapses_to("bad \xff byte, good \xc3\xa4", "bad ? byte, good \xc3\xa4");
}

static void a_long_text_is_cut_between_characters(void **state)
{
	char text[600], out[DETAIL_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 1; i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[598] = '\0';
	details_collapse(text, out);
	assert_int_equal(strlen(out), DETAIL_BYTES - 2);
	assert_int_equal((unsigned char)out[DETAIL_BYTES - 3], 0xa4);
}

static void each_text_is_told_once_and_the_rest_is_other(void **state)
{
	struct details *details = details_new(&sink, "web");
	char text[64];

	(void)state;
	assert_int_equal(details_number(details, ""), 0);
	assert_int_equal(details_number(details, NULL), 0);
	for (int i = 0; i < 1100; i++) {
		/* letters only, or they would be one */
		snprintf(text, sizeof(text), "error %c%c%c", 'g' + i % 15, 'g' + i / 15 % 15,
			'g' + i / 225);
		assert_int_equal(details_number(details, text), i < 1000 ? i + 1 : 1001);
	}
	assert_int_equal(details_number(details, "error ggg"), 1);
	assert_int_equal(count_events("detail", NULL, NULL), 1001);
	assert_string_equal(json_str(kept.events[1000], "text", NULL), "other");
	assert_int_equal(json_int(kept.events[1000], 0, "number", NULL), 1001);
	assert_string_equal(json_str(kept.events[0], "verifier", NULL), "web");
	details_free(details);
}

static void people_read_a_text_as_it_was_the_first_time(void **state)
{
	struct details *details = details_new(&sink, "web");
	char token[201];

	(void)state;
	memset(token, 'x', sizeof(token) - 1);
	token[200] = '\0';
	memcpy(token, "token gAAAAA-", 13);
	assert_int_equal(details_number(details, "refused by 127.0.0.1:5000\n after 12 ms"), 1);
	assert_int_equal(details_number(details, "refused by 127.0.0.2:5001\n after 7 ms"), 1);
	assert_int_equal(details_number(details, "pod keystone-7d9f8b6c5-x2x4z is gone"), 2);
	assert_int_equal(details_number(details, token), 3);
	assert_int_equal(count_events("detail", NULL, NULL), 3);
	assert_string_equal(
		json_str(kept.events[0], "text", NULL), "refused by 127.0.0.1:5000  after 12 ms");
	assert_string_equal(
		json_str(kept.events[1], "text", NULL), "pod keystone-7d9f8b6c5-x2x4z is gone");
	assert_string_equal(json_str(kept.events[2], "text", NULL), "token ID");
	details_free(details);
}

/* ---- streams of finite verifiers ---- */

static void a_workload_has_a_file_of_its_own(void **state)
{
	struct stream_spec spec = { .verifier = "boot",
		.kind = "rally",
		.workload = 1,
		.title = "Authenticate.keystone",
		.finite = true,
		.phases = PHASE_FAULTS };
	struct stream *stream = stream_open(&sink, &spec);
	struct sample sample = { .seq = 0 };

	(void)state;
	for (uint32_t i = 0; i < SAMPLES_BLOCK + 1; i++) {
		sample.seq = i;
		stream_add(stream, &sample);
	}
	assert_int_equal(kept.files[0].n, SAMPLES_BLOCK); /* a full block is not kept waiting */
	stream_close(stream);
	assert_int_equal(kept.files[0].n, SAMPLES_BLOCK + 1);
	assert_string_equal(kept.files[0].name, "boot.1.samples");
	assert_string_equal(kept.files[0].verifier, "boot");
	assert_int_equal(count_events("verifier", "boot", "begin"), 1);
	assert_int_equal(count_events("verifier", "boot", "end"), 0); /* its runner's to tell */
	assert_string_equal(json_str(kept.events[0], "workload", NULL), "Authenticate.keystone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, empty_sink)
		TEST(every_slot_is_on_record_at_its_exact_time),
		TEST(begin_and_end_are_told_once),
		TEST(a_verifier_runs_in_its_phases_only),
		TEST(a_phase_told_while_waiting_begins_at_once),
		TEST(nothing_told_nothing_done),
		TEST(the_thread_goes_first_where_it_may),
		TEST(slots_behind_a_held_cap_are_unsent),
		TEST(a_stopped_run_cancels_what_is_in_flight),
		TEST(slots_that_the_runner_slept_through_are_missed_and_not_made_up_for),
		TEST(a_sample_may_take_several_requests),
		TEST(one_timeout_covers_all_its_requests),
		TEST(no_request_is_sent_when_the_time_is_up),
		TEST(connections_are_kept_or_made_as_told),
		TEST(transport_failures_have_their_class),
		TEST(a_loop_that_waits_is_woken_by_word_and_by_stop),
		TEST(a_trial_records_nothing_and_names_what_failed),
		TEST(a_trial_can_be_stopped),
		TEST(a_check_that_cannot_open_is_named),
		TEST(outages_are_told_when_they_begin_and_end),
		TEST(ids_and_numbers_are_collapsed),
		TEST(a_long_text_is_cut_between_characters),
		TEST(each_text_is_told_once_and_the_rest_is_other),
		TEST(people_read_a_text_as_it_was_the_first_time),
		TEST(a_workload_has_a_file_of_its_own),
	};
	int failed = cmocka_run_group_tests(tests, start_server, end_server);

	empty_sink(NULL);
	return failed;
}
