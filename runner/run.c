/*
 * One scenario's run: the phases in their order, and what a run begins and ends with.
 *
 *     deploy -> baseline -> faults -> recovery -> sweep -> teardown -> reports
 *
 * Whatever happens on the way, sweep, teardown and reports come.
 */
#include "runner/run.h"

#include "base/buf.h"
#include "base/log.h"
#include "runner/bites.h"
#include "runner/folder.h"
#include "runner/watch.h"

#include <stdio.h>
#include <string.h>

/* How often conditions that wake nobody are looked at. */
#define LOOK_MS 50
/* A sample is in the record at most a second after its end. */
#define SAMPLES_ARRIVE_MS 1100

cJSON *run_outcome(const char *e, bool ok, const char *message)
{
	cJSON *event = json_object("e", e, "message", message, (char *)NULL);

	cJSON_AddBoolToObject(event, "ok", ok);
	return event;
}

/* ---- phases ---- */

static int64_t phase_mark(struct run *run, const char *name, const char *mark)
{
	int64_t now_ns = clock_now_ns();
	cJSON *event = json_object("e", "phase", "name", name, "mark", mark, (char *)NULL);

	json_add_int(event, "t", now_ns - run->t0_ns);
	recorder_event(run->recorder, event);
	return now_ns;
}

static int64_t phase_begin(struct run *run, const char *name, int64_t length_ns)
{
	int64_t now_ns = phase_mark(run, name, "begin");

	live_phase(run->live, name, length_ns ? now_ns + length_ns : 0);
	log_line(LOG_INFO, "PHASE", "%s", name);
	return now_ns;
}

static void phase_end(struct run *run, const char *name)
{
	phase_mark(run, name, "end");
}

static void tell_error(struct run *run, const char *text)
{
	recorder_event(run->recorder, json_object("e", "error", "text", text, (char *)NULL));
	log_error("%s", text);
}

/* Told before the phase that it cuts short ends: what was asked of that phase was not run. */
static void tell_signal(struct run *run)
{
	int number = stop_requested(signals_stop(run->signals));
	cJSON *event;

	if (!number || run->told_signal)
		return;
	run->told_signal = true;
	event = json_object(
		"e", "signal", "name", number == 2 ? "SIGINT" : "SIGTERM", (char *)NULL);
	json_add_int(event, "signal", number);
	recorder_event(run->recorder, event);
	log_line(LOG_WARN, "SIGNAL", "%s: stopping, healing, reporting",
		number == 2 ? "SIGINT" : "SIGTERM");
	/* The file that says so comes first: whoever sent it may not wait for the rest. */
	checkpoint_now(run);
}

/* Trouble of the runner's own ends a run early: what follows could not be judged. */
static bool in_trouble(struct run *run)
{
	struct err err;

	if (stop_requested(run->stop)) {
		tell_signal(run);
		return true;
	}
	if (recorder_failed(run->recorder, NULL)) {
		stop_request(run->stop, 1);
		return true;
	}
	if (run->watch && watch_failed(run->watch, &err)) {
		tell_error(run, err.text);
		stop_request(run->stop, 1);
		return true;
	}
	return false;
}

/* True when the time has passed; false when the run is to end. */
static bool pass_until(struct run *run, int64_t until_ns)
{
	while (!in_trouble(run)) {
		int64_t look_ns = clock_now_ns() + LOOK_MS * NS_PER_MS;

		if (clock_now_ns() >= until_ns)
			return true;
		stop_wait_until(run->stop, look_ns < until_ns ? look_ns : until_ns);
	}
	return false;
}

/* ---- sampling ---- */

static void *sample(void *arg)
{
	struct run *run = arg;
	struct err err = { ERR_NONE, "" };

	if (sampler_run(run->sampler, run->stop, &err) && !stop_requested(run->stop))
		tell_error(run, err.text);
	return NULL;
}

static int start_sampling(struct run *run)
{
	if (!run->sampler)
		return 0;
	sampler_on_outage(run->sampler, live_outage, run);
	if (pthread_create(&run->sampler_thread, NULL, sample, run)) {
		tell_error(run, "no thread for the verifiers");
		return -1;
	}
	run->sampling = true;
	return 0;
}

/* What is in flight is awaited. */
static void end_sampling(struct run *run)
{
	if (!run->sampling)
		return;
	sampler_end(run->sampler, clock_now_ns());
	pthread_join(run->sampler_thread, NULL);
	run->sampling = false;
}

static void tell_phase(struct run *run, enum phase_bit phase, int64_t at_ns)
{
	if (run->sampler)
		sampler_phase(run->sampler, phase, at_ns);
	finite_phase(run, phase);
}

/* ---- baseline and its gate ---- */

/* No fault is fed to a service that is not steady. */
static bool pass_gate(struct run *run)
{
	char message[256] = "";
	struct err err = { ERR_NONE, "" };
	bool ok = false;

	if (!pass_until(run, clock_now_ns() + SAMPLES_ARRIVE_MS * NS_PER_MS))
		return false;
	recorder_flush(run->recorder);
	if (report_gate(run->dir, &ok, message, &err)) {
		tell_error(run, err.text);
		return false;
	}
	recorder_event(run->recorder, run_outcome("gate", ok, message));
	log_line(ok ? LOG_INFO : LOG_ERROR, "GATE", "steady state: %s%s%s", ok ? "yes" : "no",
		*message ? ": " : "", message);
	return ok;
}

static bool baseline(struct run *run)
{
	int64_t length_ns = run->scenario->baseline_ns, begin_ns;
	bool ok;

	if (!length_ns)
		return true;
	begin_ns = phase_begin(run, "baseline", length_ns);
	tell_phase(run, PHASE_BASELINE, begin_ns);
	ok = pass_until(run, begin_ns + length_ns);
	phase_end(run, "baseline");
	return ok && pass_gate(run);
}

/* ---- faults ---- */

static bool pass_faults(struct run *run, int64_t begin_ns)
{
	const struct scenario *s = run->scenario;
	int64_t limit_ns = begin_ns + s->faults_limit_ns;

	if (s->faults_ns)
		return pass_until(run, begin_ns + s->faults_ns);
	while (!finite_ended(run) && clock_now_ns() < limit_ns)
		if (!pass_until(run, clock_now_ns() + LOOK_MS * NS_PER_MS))
			return false;
	return true;
}

static bool faults(struct run *run)
{
	const struct scenario *s = run->scenario;
	int64_t length_ns = s->faults_ns ? s->faults_ns : s->faults_limit_ns;
	int64_t begin_ns = phase_begin(run, "faults", length_ns);
	struct err err;
	bool ok;

	tell_phase(run, PHASE_FAULTS, begin_ns);
	ok = !feed_start(run, begin_ns, begin_ns + length_ns, &err);
	if (!ok)
		tell_error(run, err.text);
	ok = ok && pass_faults(run, begin_ns);
	feed_end(run);
	phase_end(run, "faults");
	return ok;
}

/* ---- recovery: from the last proved heal or replacement ---- */

static void recovery(struct run *run)
{
	int64_t length_ns = run->scenario->recovery_ns;
	int64_t begin_ns = phase_begin(run, "recovery", length_ns), from_ns = begin_ns;
	struct bites_count count;

	tell_phase(run, PHASE_RECOVERY, begin_ns);
	while (clock_now_ns() < from_ns + length_ns) {
		if (!pass_until(run, clock_now_ns() + LOOK_MS * NS_PER_MS))
			break;
		if (run->bites) {
			bites_count(run->bites, &count);
			if (count.last_ns > from_ns)
				from_ns = count.last_ns;
		}
	}
	phase_end(run, "recovery");
}

/* ---- sweep ---- */

static void sweep(struct run *run)
{
	int held;
	cJSON *event;

	phase_begin(run, "sweep", 0);
	/* What is deployed is teardown's; what remains are held bites without proof. */
	held = atomic_load(&run->n_held);
	event = run_outcome("sweep", held == 0, held ? "held bites are not healed" : "");
	cJSON_AddArrayToObject(event, "left");
	recorder_event(run->recorder, event);
	phase_end(run, "sweep");
}

/* ---- the whole ---- */

static void act(struct run *run)
{
	struct err err = { ERR_NONE, "" };
	int failed;

	phase_begin(run, "deploy", 0);
	failed = stage_up(run, &err);
	if (failed && !stop_requested(run->stop))
		log_error("%s", err.text);
	phase_end(run, "deploy");
	if (!failed) {
		live_show(run->live, run->sampler, run->bites);
		failed = start_sampling(run);
	}
	if (!failed && baseline(run) && faults(run))
		recovery(run);
	tell_signal(run);
	end_sampling(run);
	finite_end(run);
}

static void wind_down(struct run *run)
{
	live_show(run->live, NULL, NULL);
	/* Before its cluster goes: that is no trouble worth a note. */
	watch_free(TAKE(run->watch));
	sweep(run);
	phase_begin(run, "teardown", 0);
	stage_down(run);
	tell_signal(run); /* one that came meanwhile: the code and the file say the same */
	phase_end(run, "teardown");
	bites_free(TAKE(run->bites));
}

/* ---- begin and end ---- */

/* On the signals' thread: it must wait for nobody. */
static int last_words(void *arg, int code)
{
	struct run *run = arg;
	int left = atomic_load(&run->n_left);

	if (left) {
		fprintf(stderr,
			"crumble: ended at once: %d thing%s left; undo with: crumble heal %s\n",
			left, left == 1 ? " is" : "s are", run->dir);
		code = EXIT_UNHEALED;
	}
	fprintf(stderr, "crumble: %s (exit %d)  %s/junit.xml\n", left ? "UNHEALED" : "ABORTED",
		code, run->batch->out);
	return code;
}

static int verdict_code(struct run *run, const struct result *result)
{
	int code = result->exit_code;
	int number = stop_requested(signals_stop(run->signals));

	if (atomic_load(&run->n_left) && !run->options->keep)
		return EXIT_UNHEALED;
	if (number && code != EXIT_UNHEALED)
		return 128 + number;
	if (code <= EXIT_BROKEN && run->config_error)
		return EXIT_USAGE;
	if (code == EXIT_PASS && recorder_failed(run->recorder, NULL))
		return EXIT_BROKEN;
	return code;
}

/* Judged before run.end is written, since that carries the verdict. A record that could not be
 * written whole stays without its end: it is never judged as complete. */
static int judge(struct run *run)
{
	const struct result *result = NULL;
	struct err err;
	bool whole;
	int code;

	recorder_flush(run->recorder);
	whole = !recorder_failed(run->recorder, NULL);
	if (batch_build(run->batch, run->index, whole, &result, &err)) {
		log_error("%s", err.text);
		return EXIT_BROKEN;
	}
	code = verdict_code(run, result);
	if (whole) {
		cJSON *event = json_object(
			"e", "run.end", "verdict", verdict_name(result->verdict), (char *)NULL);

		json_add_int(event, "exit", code);
		if (recorder_commit(run->recorder, event, &err)) {
			/* Without its end on disk a run is not complete: nor is it in its files. */
			batch_build(run->batch, run->index, false, &result, &err);
			code = verdict_code(run, result);
		}
	}
	report_release(run->dir);
	if (batch_write(run->batch, run->index, false, &err)) {
		log_error("reports: %s", err.text);
		if (code == EXIT_PASS)
			code = EXIT_BROKEN;
	}
	return code;
}

static void run_free(struct run *run)
{
	recorder_free(run->recorder);
	checkpoint_free(run->checkpoint);
	stop_free(run->stop);
	free(run->logs_dir);
	free(run->artifacts_dir);
}

static int run_init(struct run *run, struct batch *batch, size_t index,
	const struct run_options *options, struct err *err)
{
	run->options = options;
	run->batch = batch;
	run->index = index;
	run->scenario = batch->entries[index].scenario;
	run->dir = batch->entries[index].dir;
	run->t0_ns = clock_now_ns();
	run->wall_t0_ns = clock_wall_ns();
	run->cluster_kind = plan_cluster(run->scenario, options, &run->context);
	run->logs_dir = str_format("%s/logs", run->dir);
	run->artifacts_dir = str_format("%s/artifacts", run->dir);
	if (!run->logs_dir || !run->artifacts_dir)
		return err_set(err, ERR_NOMEM, "no memory for a run");
	plan_identify(run);
	if (folder_renew(run->dir, err) ||
		recorder_new(run->dir, run->t0_ns, run->wall_t0_ns, &run->recorder, err))
		return -1;
	return 0;
}

static int begin(struct run *run, struct err *err)
{
	if (stop_new(signals_stop(run->signals), &run->stop, err) || checkpoint_start(run, err))
		return -1;
	log_set_origin(run->t0_ns);
	plan_record(run);
	return live_start(run, err);
}

int run_scenario(struct batch *batch, size_t index, const struct run_options *options,
	struct signals *signals)
{
	struct run run = { .signals = signals };
	struct err err;
	int code = EXIT_BROKEN;

	if (run_init(&run, batch, index, options, &err) || begin(&run, &err)) {
		log_error("%s", err.text);
		code = err.code == ERR_USAGE ? EXIT_USAGE : EXIT_BROKEN;
	} else {
		signals_last_words(signals, last_words, &run);
		log_line(LOG_INFO, "RUN", "%s, seed %llu, record in %s", run.id,
			(unsigned long long)run.seed, run.dir);
		act(&run);
		wind_down(&run);
		recorder_flush(run.recorder);
		if (plan_write_file(&run, &err))
			log_warn("%s", err.text);
		checkpoint_end(run.checkpoint);
		live_end(run.live);
		code = judge(&run);
		signals_last_words(signals, NULL, NULL);
		log_set_origin(0);
	}
	run_free(&run);
	return code;
}

int run_announce(
	struct batch *batch, size_t index, const struct run_options *options, struct err *err)
{
	struct run run = { .signals = NULL };
	int failed = run_init(&run, batch, index, options, err);

	if (!failed) {
		plan_record(&run);
		recorder_flush(run.recorder);
		failed = batch_build(batch, index, false, NULL, err) ||
			 batch_write(batch, index, true, err);
	}
	run_free(&run);
	return failed ? -1 : 0;
}
