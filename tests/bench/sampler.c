/*
 * bench-sampler PORT RATE SECONDS HUNG CPU: the open-loop core with the http check, writing a real
 * samples file, measured as bench-floor measures itself, while HUNG other requests hang. Prints
 * the same lines, and "rss MIB" (all requests in flight), "due N recorded N ok N missed N unsent
 * N".
 *
 * bench-sampler PORT RATE freeze CPU: the server stands still for 2 s. Prints how many samples
 * were due meanwhile, how many of them are on record as sent in their slot, and the longest
 * latency: "frozen due N sent N longest MS".
 */
#include "tests/bench/bench.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/own.h"
#include "verifiers/verifier.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define SAMPLES_MAX 1000000
#define TIMEOUT_NS (60 * NS_PER_S)
#define WARM_UP_S \
	1 /* connections are made and pages touched: the floor has its own first request */

extern const struct verifier_ops verifier_http;

static struct sample samples[SAMPLES_MAX]; /* of "web" */
static atomic_size_t n_samples;
static struct samples_writer *writers[2];
static bool is_web[2];
static int n_files;
static char dir[] = "/tmp/bench-sampler.XXXXXX";

static void on_event(struct sink *sink, cJSON *event)
{
	(void)sink;
	cJSON_Delete(event);
}

static int on_open(struct sink *sink, const char *file, const char *verifier, int64_t period_ns)
{
	struct err err;

	(void)sink;
	if (samples_create(
		    dir, file, verifier, clock_wall_ns(), period_ns, &writers[n_files], &err))
		die("%s", err.text);
	is_web[n_files] = !strcmp(verifier, "web");
	return n_files++;
}

static void on_samples(struct sink *sink, int file, const struct sample *block, size_t n)
{
	size_t have = n_samples;
	struct err err;

	(void)sink;
	if (samples_append(writers[file], block, n, &err))
		die("%s", err.text);
	if (!is_web[file] || have + n > SAMPLES_MAX)
		return;
	memcpy(samples + have, block, n * sizeof(*block));
	n_samples = have + n;
}

static struct sink sink = { .event = on_event, .open = on_open, .samples = on_samples };

static struct verifier make(
	const char *name, int port, const char *path, int rate, unsigned cap, unsigned phases)
{
	struct verifier v = { .ops = &verifier_http,
		.period_ns = NS_PER_S / rate,
		.timeout_ns = TIMEOUT_NS,
		.concurrency = cap,
		.phases = phases };
	OWN_MEM char *url = str_format("http://127.0.0.1:%d%s", port, path);
	struct err err;

	snprintf(v.name, sizeof(v.name), "%s", name);
	v.params = calloc(1, verifier_http.params_size);
	if (!url || !v.params || param_defaults(verifier_http.params, v.params, &err) ||
		param_set(param_find(verifier_http.params, "url"), v.params, url, &err))
		die("cannot set up the check");
	return v;
}

static struct stop *stop;

static void *run(void *sampler)
{
	struct err err;

	if (sampler_run(sampler, stop, &err))
		die("%s", err.text);
	return NULL;
}

static int by_seq(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

static size_t count(enum outcome outcome)
{
	size_t n = 0;

	for (size_t i = 0; i < n_samples; i++)
		n += samples[i].outcome == outcome;
	return n;
}

/* Of the last n requests that arrived: those before were the warm-up's. */
static void print_arrival(int port, const int64_t *due, size_t n)
{
	static int64_t times[SAMPLES_MAX];
	size_t have = arrivals(port, times, SAMPLES_MAX);
	int64_t *last = times + have - n;

	if (have < n || count(OUTCOME_OK) != n) {
		printf("arrival - - -\n"); /* some sample failed: nothing to compare */
		return;
	}
	for (size_t i = 0; i < n; i++)
		last[i] -= due[i];
	print_percentiles("arrival", last, n);
}

static void report(int port, size_t due_samples)
{
	int64_t *late = calloc(n_samples + 1, sizeof(*late));
	int64_t *due = calloc(n_samples + 1, sizeof(*due));
	size_t sent = 0;

	if (!late || !due)
		die("no memory");
	qsort(samples, n_samples, sizeof(samples[0]), by_seq);
	for (size_t i = 0; i < n_samples; i++) {
		if (samples[i].sent_us == SAMPLE_NEVER)
			continue;
		due[sent] = samples[i].due_ns + sink.t0_ns;
		late[sent++] = (int64_t)samples[i].sent_us * 1000;
	}
	print_percentiles("lateness", late, sent);
	print_arrival(port, due, sent);
	printf("due %zu recorded %zu ok %zu missed %zu unsent %zu\n", due_samples,
		(size_t)n_samples, count(OUTCOME_OK), count(OUTCOME_MISSED), count(OUTCOME_UNSENT));
	free(late);
	free(due);
}

/* The samples that were due within 2 s from begin_ns on. */
static void report_freeze(int64_t begin_ns)
{
	size_t due = 0, sent = 0;
	double longest = 0;

	begin_ns -= sink.t0_ns;
	for (size_t i = 0; i < n_samples; i++) {
		const struct sample *s = &samples[i];

		if (s->due_ns < begin_ns || s->due_ns >= begin_ns + 2 * NS_PER_S)
			continue;
		due++;
		sent += s->sent_us != SAMPLE_NEVER && s->outcome == OUTCOME_OK;
		if (s->done_us != SAMPLE_NEVER && s->done_us / 1e3 > longest)
			longest = s->done_us / 1e3;
	}
	printf("frozen due %zu sent %zu longest %.0f\n", due, sent, longest);
}

static void freeze(int port, int64_t begin_ns)
{
	int fd = connect_to(port);

	stop_wait_until(stop, begin_ns);
	begin_ns = clock_now_ns();
	get(fd, "/freeze", NULL, 0);
	close(fd);
	stop_wait(stop, 1000);
	report_freeze(begin_ns);
}

/* Measures from begin_ns on, when the check has run for WARM_UP_S. */
static void steady(int64_t begin_ns, int seconds, int rate)
{
	int64_t cpu;

	stop_wait_until(stop, begin_ns);
	cpu = cpu_used_ns();
	stop_wait_until(stop, begin_ns + seconds * NS_PER_S);
	cpu = cpu_used_ns() - cpu;
	printf("cpu %.4f\n", (double)cpu / 1e9 / seconds / rate * 1000);
	printf("rss %.1f\n", (double)rss_kib("self") / 1024);
}

/* Forgets the samples of the warm-up. */
static void drop_before(int64_t begin_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < n_samples; i++)
		if (samples[i].due_ns + sink.t0_ns >= begin_ns)
			samples[kept++] = samples[i];
	n_samples = kept;
}

static void remove_dir(void)
{
	OWN_MEM char *command = str_format("%s/samples", dir);
	static const char *const files[] = { "web.samples", "hung.samples" };

	for (size_t i = 0; command && i < 2; i++) {
		OWN_MEM char *file = str_format("%s/%s", command, files[i]);

		samples_close(writers[i]);
		if (file)
			unlink(file);
	}
	if (command)
		rmdir(command);
	rmdir(dir);
}

int main(int argc, char **argv)
{
	bool frozen = argc == 5 && !strcmp(argv[3], "freeze");
	int port = argc > 2 ? atoi(argv[1]) : 0, rate = argc > 2 ? atoi(argv[2]) : 0;
	int seconds = argc > 3 ? atoi(argv[3]) : 0, hung = argc == 6 ? atoi(argv[4]) : 0;
	struct verifier v[2];
	const struct verifier *const list[] = { &v[0], &v[1] };
	const struct verifier_env env = { .scenario_dir = "." };
	struct sampler *sampler;
	pthread_t thread;
	int64_t begin_ns;
	struct err err;

	if (argc != 6 && !frozen)
		die("bench-sampler PORT RATE SECONDS HUNG CPU | PORT RATE freeze CPU");
	if (!mkdtemp(dir))
		die("mkdtemp: %m");
	v[0] = make("web", port, "/", rate, frozen ? (unsigned)rate * 3 : 64, PHASE_FAULTS);
	v[1] = make("hung", port, "/hang", 1000, hung ? (unsigned)hung : 1, PHASE_BASELINE);
	sink.t0_ns = clock_now_ns();
	if (stop_new(NULL, &stop, &err) ||
		sampler_new(list, hung ? 2 : 1, &env, &sink, &sampler, &err))
		die("%s", err.text);
	pin(atoi(argv[argc - 1]));
	arrivals(port, NULL, 0);
	if (pthread_create(&thread, NULL, run, sampler))
		die("no thread");
	begin_ns = clock_now_ns() + NS_PER_S / 2 + hung * NS_PER_MS;
	sampler_phase(sampler, PHASE_BASELINE, clock_now_ns());
	sampler_phase(sampler, PHASE_FAULTS, begin_ns);
	begin_ns += WARM_UP_S * NS_PER_S;
	if (!frozen)
		sampler_end(sampler, begin_ns + seconds * NS_PER_S);
	if (frozen)
		freeze(port, begin_ns);
	else
		steady(begin_ns, seconds, rate);
	stop_wait(stop, 300);
	stop_request(stop, 1);
	pthread_join(thread, NULL);
	drop_before(frozen ? 0 : begin_ns);
	if (!frozen)
		report(port, (size_t)rate * (size_t)seconds);
	sampler_free(sampler);
	for (int i = 0; i < 2; i++) {
		param_done(verifier_http.params, v[i].params);
		free(v[i].params);
	}
	remove_dir();
	stop_free(stop);
	return 0;
}
