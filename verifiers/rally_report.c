/* From Rally's own report to samples and cases. */
#include "verifiers/rally_report.h"

#include "base/buf.h"
#include "base/clock.h"
#include "verifiers/stream.h"

#include <math.h>
#include <string.h>

/* One workload of the report. */
struct workload {
	const cJSON *json;
	const char *scenario; /* "Authenticate.keystone" */
	int number, twin;     /* in the report; among those of the same scenario */
	int64_t recorded, lost;
	bool counted; /* its runner has a number of iterations, so losses are known */
	bool unset;   /* a context failed in set-up: nothing was to run */
};

struct emission {
	const struct rally_report *in;
	struct sink *sink;
	struct details *details;
	struct workload *workloads;
	size_t n;
	unsigned failed; /* SLA criteria */
};

/* ---- cases ---- */

/* "failure_rate" (reports put "VERIFIER sla: " in front), and which workload if there are several.
 */
static void tell_case(const struct emission *e, const struct workload *w, const char *what,
	const char *verdict, const char *message)
{
	char name[256];
	cJSON *event;
	int len = snprintf(name, sizeof(name), "%s", what);

	if (w && e->n > 1 && len > 0 && (size_t)len < sizeof(name))
		len += snprintf(name + len, sizeof(name) - (size_t)len,
			w->twin ? " [%s %d]" : " [%s]", w->scenario, w->twin + 1);
	event = json_object("e", "case", "verifier", e->in->verifier, "name", name, "verdict",
		verdict, "message", message, NULL);
	if (event)
		e->sink->event(e->sink, event);
}

static void tell_sla(struct emission *e, const struct workload *w)
{
	const cJSON *item, *list = json_at(w->json, "sla_results", "sla", NULL);

	cJSON_ArrayForEach(item, list)
	{
		const char *criterion = json_str(item, "criterion", NULL);
		const char *detail = json_str(item, "detail", NULL);
		bool ok = json_bool(item, false, "success", NULL);
		char what[128];

		snprintf(what, sizeof(what), "%s", criterion ? criterion : "unnamed");
		tell_case(e, w, what, ok ? "pass" : "fail", detail ? detail : "");
		e->failed += !ok;
	}
}

/* [class, message, traceback] as "class: message"; "" when there was none. */
static void error_text(const cJSON *error, char *text, size_t size)
{
	const char *class = json_str(error, "0", NULL), *message = json_str(error, "1", NULL);

	text[0] = '\0';
	if (cJSON_IsArray(error) && cJSON_GetArraySize(error))
		snprintf(text, size, "%s: %s", class ? class : "error",
			message ? message : "no message");
}

/* Rally ignores what fails in a context's clean-up, and then leaves projects behind. */
static void tell_contexts(const struct emission *e, struct workload *w)
{
	static const char *const stages[] = { "setup", "cleanup" };
	const cJSON *item;

	cJSON_ArrayForEach(item, json_at(w->json, "contexts_results", NULL))
	{
		const char *plugin = json_str(item, "plugin_name", NULL);

		for (size_t i = 0; i < ARRAY_LEN(stages); i++) {
			char text[DETAIL_BYTES], what[128];

			error_text(json_at(item, stages[i], "error", NULL), text, sizeof(text));
			if (!text[0])
				continue;
			snprintf(what, sizeof(what), "context %s %s", plugin ? plugin : "unnamed",
				stages[i]);
			tell_case(e, w, what, "broken", text);
			w->unset = w->unset || !i;
		}
	}
}

static void tell_hooks(const struct emission *e, const struct workload *w)
{
	const cJSON *hook, *result;

	cJSON_ArrayForEach(hook, json_at(w->json, "hooks", NULL))
	{
		const char *name = json_str(hook, "config", "description", NULL);
		unsigned bad = 0;
		char what[128], text[64];

		cJSON_ArrayForEach(result, json_at(hook, "results", NULL))
		{
			const char *status = json_str(result, "status", NULL);

			bad += !status || strcmp(status, "success") != 0;
		}
		if (!bad)
			continue;
		snprintf(what, sizeof(what), "hook %s", name && *name ? name : "unnamed");
		snprintf(text, sizeof(text), "failed %u times", bad);
		tell_case(e, w, what, "broken", text);
	}
}

/* ---- samples ---- */

struct iteration {
	double begin;
	const cJSON *json;
};

static int by_begin(const void *a, const void *b)
{
	const struct iteration *x = a, *y = b;

	return (x->begin > y->begin) - (x->begin < y->begin);
}

static struct iteration *sorted(const struct workload *w)
{
	struct iteration *list = calloc((size_t)w->recorded + 1, sizeof(*list));
	const cJSON *item;
	size_t n = 0;

	if (!list)
		return NULL;
	cJSON_ArrayForEach(item, json_at(w->json, "data", NULL))
	{
		list[n].begin = json_num(item, 0, "timestamp", NULL);
		list[n++].json = item;
	}
	qsort(list, n, sizeof(*list), by_begin);
	return list;
}

/* Seconds since 1970 on Rally's clock, as ns of the run's. */
static int64_t run_ns(const struct emission *e, double epoch_s)
{
	return llround(epoch_s * 1e9) - e->in->wall_offset_ns - e->sink->t0_ns;
}

static void add_iteration(
	const struct emission *e, struct stream *stream, const struct iteration *it, uint32_t seq)
{
	/* its `duration` leaves out the time that the iteration slept by itself */
	double length = json_num(it->json, 0, "duration", NULL) +
			json_num(it->json, 0, "idle_duration", NULL);
	int64_t due = run_ns(e, it->begin);
	struct sample sample = { .due_ns = due, .first_us = SAMPLE_NEVER, .seq = seq };
	char text[DETAIL_BYTES];

	sample.done_us = sample_us(due, due + llround(length * 1e9));
	error_text(json_at(it->json, "error", NULL), text, sizeof(text));
	if (text[0]) {
		sample.outcome = OUTCOME_FAILED;
		sample.detail = details_number(e->details, text);
	}
	stream_add(stream, &sample);
}

static void add_lost(
	const struct emission *e, struct stream *stream, const struct workload *w, int64_t last_due)
{
	for (int64_t i = 0; i < w->lost; i++) {
		struct sample sample = { .due_ns = last_due,
			.sent_us = SAMPLE_NEVER,
			.first_us = SAMPLE_NEVER,
			.done_us = SAMPLE_NEVER,
			.outcome = OUTCOME_LOST,
			.seq = (uint32_t)(w->recorded + i) };

		sample.detail = details_number(e->details,
			"lost by Rally: the scenario could not even be constructed (see its log)");
		stream_add(stream, &sample);
	}
}

static int tell_samples(const struct emission *e, const struct workload *w, struct err *err)
{
	struct stream_spec spec = { .verifier = e->in->verifier,
		.kind = "rally",
		.workload = w->number,
		.title = w->scenario,
		.timeout_ns = e->in->timeout_ns,
		.finite = true,
		.phases = e->in->phases };
	OWN_MEM struct iteration *list = sorted(w);
	struct stream *stream = list ? stream_open(e->sink, &spec) : NULL;
	int64_t last = run_ns(e, json_num(w->json, 0, "start_time", NULL));

	if (!stream)
		return err_set(err, ERR_NOMEM, "no memory for the iterations of %s", w->scenario);
	for (int64_t i = 0; i < w->recorded; i++)
		add_iteration(e, stream, &list[i], (uint32_t)i);
	if (w->recorded)
		last = run_ns(e, list[w->recorded - 1].begin);
	add_lost(e, stream, w, last);
	stream_close(stream);
	return 0;
}

/* ---- losses ---- */

/* How many iterations its runner was told to run: -1 when that is not a number (for a duration). */
static int64_t planned(const cJSON *workload)
{
	const cJSON *runner = json_at(workload, "runner", NULL);

	if (json_str(runner, "type", NULL))
		return json_int(runner, -1, "times", NULL);
	return runner ? json_int(runner->child, -1, "times", NULL) : -1;
}

/* When a scenario's constructor raises (many log in there), the thread of Rally's runner dies and
 * the iteration is in no report: not a failure, not in the count, and every SLA stays green. */
static void count_lost(struct workload *w)
{
	int64_t times = planned(w->json);
	int64_t total = json_int(w->json, w->recorded, "total_iteration_count", NULL);

	w->counted = times >= 0;
	if (times < total)
		times = total;
	w->lost = times > w->recorded && !w->unset ? times - w->recorded : 0;
}

/* Threads that died and are in no count are losses of the workloads that run for a duration. */
static void blame_dead_threads(struct emission *e)
{
	int64_t rest = e->in->died;
	struct workload *open = NULL;
	char text[128];

	for (size_t i = 0; i < e->n; i++) {
		rest -= e->workloads[i].lost;
		if (!open && !e->workloads[i].counted)
			open = &e->workloads[i];
	}
	if (rest <= 0)
		return;
	if (open) {
		open->lost += rest;
		return;
	}
	snprintf(text, sizeof(text),
		"%lld threads of Rally died, though no iteration is missing: see its log",
		(long long)rest);
	tell_case(e, NULL, "rally threads", "broken", text);
}

/* ---- the whole ---- */

static size_t count_workloads(const cJSON *task)
{
	const cJSON *subtask;
	size_t n = 0;

	cJSON_ArrayForEach(subtask, json_at(task, "subtasks", NULL))
		n += (size_t)cJSON_GetArraySize(json_at(subtask, "workloads", NULL));
	return n;
}

static void fill_workload(struct emission *e, const cJSON *json)
{
	struct workload *w = &e->workloads[e->n];
	const cJSON *scenario = json_at(json, "scenario", NULL);

	w->json = json;
	w->number = (int)e->n;
	w->scenario = scenario && scenario->child ? scenario->child->string : "unnamed";
	w->recorded = cJSON_GetArraySize(json_at(json, "data", NULL));
	for (size_t i = 0; i < e->n; i++)
		w->twin += !strcmp(e->workloads[i].scenario, w->scenario);
	e->n++;
}

static int find_workloads(struct emission *e, const cJSON *task, struct err *err)
{
	const cJSON *subtask, *workload;

	e->workloads = calloc(count_workloads(task) + 1, sizeof(*e->workloads));
	if (!e->workloads)
		return err_set(err, ERR_NOMEM, "no memory for Rally's workloads");
	cJSON_ArrayForEach(subtask, json_at(task, "subtasks", NULL))
	{
		cJSON_ArrayForEach(workload, json_at(subtask, "workloads", NULL))
			fill_workload(e, workload);
	}
	return 0;
}

static int tell_all(struct emission *e, struct err *err)
{
	for (size_t i = 0; i < e->n; i++) {
		tell_contexts(e, &e->workloads[i]);
		tell_hooks(e, &e->workloads[i]);
		tell_sla(e, &e->workloads[i]);
		count_lost(&e->workloads[i]);
	}
	blame_dead_threads(e);
	for (size_t i = 0; i < e->n; i++)
		if (tell_samples(e, &e->workloads[i], err))
			return -1;
	return 0;
}

/* Rally tells the verdict three times; a count above 255 wraps in the exit status. */
static int check_sla(const struct emission *e, struct err *err)
{
	unsigned failed = 0;
	const cJSON *item;

	cJSON_ArrayForEach(item, e->in->sla)
	{
		const char *status = json_str(item, "status", NULL);

		failed += !status || strcmp(status, "PASS") != 0;
	}
	if (failed == e->failed && (int)(failed & 0xff) == e->in->sla_exit)
		return 0;
	return err_set(err, ERR_FORMAT,
		"Rally contradicts itself: its report has %u failed SLA criteria, sla-check %u, and "
		"its exit status is %d",
		e->failed, failed, e->in->sla_exit);
}

/* A task that crashed or was killed is green in every format that Rally writes. */
static int check_status(const struct emission *e, const cJSON *task, struct err *err)
{
	const char *status = json_str(task, "status", NULL);
	const cJSON *subtask;

	if (!status || strcmp(status, "finished") != 0)
		return err_set(err, ERR_API, "Rally's task is \"%s\", not finished",
			status ? status : "without status");
	cJSON_ArrayForEach(subtask, json_at(task, "subtasks", NULL))
	{
		status = json_str(subtask, "status", NULL);
		if (!status || strcmp(status, "finished") != 0)
			return err_set(err, ERR_API,
				"Rally's subtask \"%s\" is \"%s\", not finished",
				json_str(subtask, "title", NULL) ? json_str(subtask, "title", NULL)
								 : "",
				status ? status : "without status");
	}
	if (!e->n)
		return err_set(err, ERR_API, "Rally's task ran no workload at all");
	return 0;
}

static int check_workloads(const struct emission *e, struct err *err)
{
	for (size_t i = 0; i < e->n; i++) {
		const struct workload *w = &e->workloads[i];

		if (w->unset)
			return err_set(err, ERR_API, "Rally could not set %s up: see its cases",
				w->scenario);
		if (!w->recorded && !w->lost)
			return err_set(err, ERR_API, "Rally ran no iteration of %s", w->scenario);
	}
	return 0;
}

int rally_report_emit(const struct rally_report *report, struct sink *sink, struct err *err)
{
	struct emission e = { .in = report, .sink = sink };
	const cJSON *task = json_at(report->report, "tasks", "0", NULL);
	int failed;

	e.details = details_new(sink, report->verifier);
	if (!e.details)
		return err_set(err, ERR_NOMEM, "no memory for Rally's errors");
	failed = find_workloads(&e, task, err) || tell_all(&e, err) ||
		 check_status(&e, task, err) || check_sla(&e, err) || check_workloads(&e, err);
	free(e.workloads);
	details_free(e.details);
	return failed ? -1 : 0;
}
