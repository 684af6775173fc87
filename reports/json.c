/* report.json, format 1: all that a report says, for programs. Times are ns since the run began,
 * null where there is none. The schema is report.schema.json. */
#include "reports/clean.h"
#include "reports/reporter.h"

#include "base/json.h"

#include <math.h>

#define STRING_BYTES 60000

static void add_text(cJSON *o, const char *key, const char *text)
{
	OWN_MEM char *clean = text ? clean_copy(text, STRING_BYTES, false) : NULL;

	if (clean)
		cJSON_AddStringToObject(o, key, clean);
	else
		cJSON_AddNullToObject(o, key);
}

/* Times and the like: -1 is null. */
static void add_time(cJSON *o, const char *key, int64_t ns)
{
	if (ns < 0)
		cJSON_AddNullToObject(o, key);
	else
		json_add_int(o, key, ns);
}

static void add_number(cJSON *o, const char *key, double value)
{
	if (isfinite(value))
		cJSON_AddNumberToObject(o, key, value);
	else
		cJSON_AddNullToObject(o, key);
}

static cJSON *add_object(cJSON *array)
{
	cJSON *object = cJSON_CreateObject();

	if (!cJSON_AddItemToArray(array, object)) {
		cJSON_Delete(object);
		return NULL;
	}
	return object;
}

static void add_strings(cJSON *o, const char *key, char *const *v, size_t n)
{
	cJSON *array = cJSON_AddArrayToObject(o, key);

	for (size_t i = 0; i < n; i++) {
		OWN_MEM char *clean = clean_copy(v[i], STRING_BYTES, false);

		if (clean)
			cJSON_AddItemToArray(array, cJSON_CreateString(clean));
	}
}

static void add_run(cJSON *o, const struct result *r)
{
	cJSON *run = cJSON_AddObjectToObject(o, "run");

	add_text(run, "id", r->run_id);
	add_text(run, "scenario", r->scenario);
	add_text(run, "title", r->title);
	add_text(run, "file", r->file);
	add_text(run, "dir", r->dir);
	add_text(run, "wall", r->wall);
	add_text(run, "tool", r->tool);
	add_text(run, "commit", r->commit);
	add_text(run, "sha256", r->sha256);
	add_text(run, "seed", r->seed);
	add_text(run, "host", r->host);
	add_text(run, "cluster", r->cluster);
	json_add_int(run, "length", r->length_ns);
	cJSON_AddBoolToObject(run, "complete", r->complete);
	cJSON_AddBoolToObject(run, "damaged", r->record_damaged);
	json_add_int(run, "signal", r->signal);
}

static void add_phases(cJSON *o, const struct result *r)
{
	cJSON *array = cJSON_AddArrayToObject(o, "phases");

	for (size_t i = 0; i < r->n_phases; i++) {
		cJSON *phase = add_object(array);

		add_text(phase, "name", r->phases[i].name);
		add_time(phase, "begin", r->phases[i].begin_ns);
		add_time(phase, "end", r->phases[i].end_ns);
	}
}

static void add_cases(cJSON *o, const struct result *r)
{
	cJSON *array = cJSON_AddArrayToObject(o, "cases");
	OWN_MEM char *suite = str_format("crumble.%s", r->scenario ? r->scenario : "unknown");

	for (size_t i = 0; i < r->n_cases; i++) {
		const struct result_case *c = &r->cases[i];
		cJSON *row = add_object(array);

		add_text(row, "suite", suite);
		add_text(row, "name", c->name);
		add_text(row, "verdict", verdict_name(c->verdict));
		cJSON_AddBoolToObject(row, "running", c->running);
		add_text(row, "type", c->type);
		add_text(row, "metric", c->metric);
		add_text(row, "limit", c->limit);
		add_number(row, "value", c->value);
		add_number(row, "low", c->low);
		add_number(row, "high", c->high);
		add_text(row, "unit", c->unit && !*c->unit ? "count" : c->unit);
		json_add_int(row, "n", (int64_t)c->n);
		add_text(row, "window", c->window);
		add_text(row, "message", c->message);
		add_text(row, "text", c->text);
		add_text(row, "bite", c->bite);
		json_add_int(row, "line", c->line);
	}
}

static void add_latency(cJSON *row, const struct result_verifier *v)
{
	cJSON *latency = cJSON_AddObjectToObject(row, "latency");

	add_time(latency, "p50", v->p50_ns);
	add_time(latency, "p99", v->p99_ns);
	add_time(latency, "max", v->max_ns);
}

static void add_verifiers(cJSON *o, const struct result *r)
{
	cJSON *array = cJSON_AddArrayToObject(o, "verifiers");

	for (size_t i = 0; i < r->n_verifiers; i++) {
		const struct result_verifier *v = &r->verifiers[i];
		cJSON *row = add_object(array), *outcomes;

		add_text(row, "name", v->name);
		add_text(row, "kind", v->kind);
		cJSON_AddBoolToObject(row, "finite", v->finite);
		cJSON_AddBoolToObject(row, "control", v->control);
		json_add_int(row, "period", v->period_ns);
		json_add_int(row, "samples", (int64_t)v->samples);
		json_add_int(row, "ok", (int64_t)v->ok);
		outcomes = cJSON_AddObjectToObject(row, "by_outcome");
		for (int k = 0; k < OUTCOME_COUNT; k++)
			if (v->by_outcome[k])
				json_add_int(outcomes, outcome_name((enum outcome)k),
					(int64_t)v->by_outcome[k]);
		add_number(row, "availability", v->availability);
		add_latency(row, v);
	}
}

static void add_outages(cJSON *o, const struct result *r)
{
	cJSON *array = cJSON_AddArrayToObject(o, "outages");

	for (size_t i = 0; i < r->n_outages; i++) {
		const struct result_outage *x = &r->outages[i];
		bool censored = x->censored_begin || x->censored_end;
		cJSON *row = add_object(array);

		add_text(row, "verifier", x->verifier);
		add_time(row, "begin", x->begin_ns);
		add_time(row, "min", x->min_ns);
		add_time(row, "max", censored ? -1 : x->max_ns);
		cJSON_AddBoolToObject(row, "censored", censored);
		cJSON_AddBoolToObject(row, "censored_begin", x->censored_begin);
		cJSON_AddBoolToObject(row, "censored_end", x->censored_end);
		add_text(row, "phase", x->phase);
		add_text(row, "class", x->class);
		add_strings(row, "bites", x->bites, x->n_bites);
		add_text(row, "outcome", outcome_name(x->outcome));
		add_text(row, "detail", x->detail);
	}
	json_add_int(o, "outages_total", (int64_t)r->outages_total);
}

static void add_targets(cJSON *row, const struct result_bite *b)
{
	cJSON *array = cJSON_AddArrayToObject(row, "targets");

	for (size_t i = 0; i < b->n_targets; i++) {
		const struct result_target *t = &b->targets[i];
		cJSON *target = add_object(array);

		add_text(target, "kind", t->kind);
		add_text(target, "namespace", t->ns);
		add_text(target, "name", t->name);
		add_text(target, "uid", t->uid);
		add_text(target, "new_name", t->new_name);
		add_text(target, "new_uid", t->new_uid);
		add_time(target, "gone", t->gone_ns);
		add_time(target, "replaced", t->replaced_ns);
		add_time(target, "scheduled", t->scheduled_ns);
		add_time(target, "ready", t->ready_ns);
	}
}

static void add_bites(cJSON *o, const struct result *r)
{
	cJSON *array = cJSON_AddArrayToObject(o, "bites");

	for (size_t i = 0; i < r->n_bites; i++) {
		const struct result_bite *b = &r->bites[i];
		cJSON *row = add_object(array), *times;

		add_text(row, "id", b->id);
		add_text(row, "cookie", b->cookie);
		cJSON_AddBoolToObject(row, "proved", b->proved);
		cJSON_AddBoolToObject(row, "recovered", b->recovered);
		add_text(row, "evidence", b->evidence);
		add_targets(row, b);
		times = cJSON_AddObjectToObject(row, "times");
		add_time(times, "due", b->due_ns);
		add_time(times, "sent", b->sent_ns);
		add_time(times, "done", b->done_ns);
		add_time(times, "proof", b->proof_ns);
		add_time(times, "end", b->end_ns);
	}
}

static void add_skips(cJSON *o, const struct result *r)
{
	cJSON *array = cJSON_AddArrayToObject(o, "untouched");

	for (size_t i = 0; i < r->n_skips; i++) {
		cJSON *row = add_object(array);

		add_text(row, "cookie", r->skips[i].cookie);
		add_text(row, "kind", r->skips[i].kind);
		add_text(row, "namespace", r->skips[i].ns);
		add_text(row, "name", r->skips[i].name);
		add_text(row, "reason", r->skips[i].reason);
		json_add_int(row, "times", (int64_t)r->skips[i].times);
	}
}

static int write_json(const struct result *r, struct buf *out, struct err *err)
{
	OWN_JSON cJSON *o = cJSON_CreateObject();
	OWN_MEM char *text = NULL;

	json_add_int(o, "format", 1);
	add_run(o, r);
	add_text(o, "verdict", verdict_name(r->verdict));
	json_add_int(o, "exit", r->exit_code);
	add_phases(o, r);
	add_cases(o, r);
	add_verifiers(o, r);
	add_outages(o, r);
	add_bites(o, r);
	add_skips(o, r);
	add_strings(o, "left", r->left, r->n_left);
	add_strings(o, "notes", r->notes, r->n_notes);
	text = cJSON_Print(o);
	if (!text || buf_add_str(out, text) || buf_add_str(out, "\n"))
		return err_set(err, ERR_NOMEM, "report.json: no memory, or more than %zu bytes",
			out->max_bytes);
	return 0;
}

const struct reporter_ops reporter_json = {
	.name = "json",
	.doc = "all that a report says, for programs (format 1)",
	.file = "report.json",
	.write = write_json,
};
