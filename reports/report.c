/* From a run's record to its result: the story is read, samples measured, cases judged. */
#include "reports/report.h"

#include "base/buf.h"
#include "base/clock.h"
#include "reports/cases.h"
#include "reports/explain.h"
#include "reports/grow.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct build {
	struct story *story;
	struct result *result;
	struct measure_env env;
	struct measure **measures;
	bool complete, live;
};

static void build_done(struct build *b)
{
	for (size_t i = 0; b->measures && i < b->story->n_verifiers; i++)
		free(b->measures[i]);
	free(b->measures);
	measure_env_done(&b->env);
	story_free(b->story);
	result_free(b->result);
}

/* ---- samples, as far as they are needed ---- */

static bool is_needed(const struct build *b, const struct story_verifier *v)
{
	struct cases c = { .story = b->story, .complete = b->complete, .live = b->live };

	if (!b->live)
		return true;
	for (size_t i = 0; i < v->n_expects; i++)
		if (check_of_expect(&c, v, &v->expects[i]) == CHECK_DONE)
			return true;
	return false;
}

static int measure_some(struct build *b, bool control, struct err *err)
{
	for (size_t i = 0; i < b->story->n_verifiers; i++) {
		const struct story_verifier *v = &b->story->verifiers[i];

		if (v->control == control && (control || is_needed(b, v)) &&
			measure_verifier(&b->env, i, INT64_MAX, &b->measures[i], err))
			return -1;
	}
	return 0;
}

static int measure_all(struct build *b, struct err *err)
{
	bool any = !b->live;

	b->measures = calloc(b->story->n_verifiers + 1, sizeof(struct measure *));
	if (!b->measures || measure_env_init(&b->env, b->story, err))
		return err_set(err, ERR_NOMEM, "%s: no memory", b->story->dir);
	for (size_t i = 0; !any && i < b->story->n_verifiers; i++)
		any = is_needed(b, &b->story->verifiers[i]);
	if (!any)
		return 0;
	/* the control probe first: outages are laid to the observer by it */
	return measure_some(b, true, err) || measure_some(b, false, err) ? -1 : 0;
}

/* ---- the head ---- */

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static char *cluster_line(const cJSON *run)
{
	const cJSON *c = json_at(run, "cluster", NULL);
	const char *kind = json_str(c, "kind", NULL), *server = json_str(c, "server", NULL);
	const char *version = json_str(c, "version", NULL);
	const char *context = json_str(c, "context", NULL);

	if (!kind)
		return NULL;
	return str_format("%s%s%s%s%s%s%s", kind, context ? " " : "", context ? context : "",
		server ? " at " : "", server ? server : "", version ? ", " : "",
		version ? version : "");
}

static void head(struct build *b)
{
	const struct story *s = b->story;
	struct result *r = b->result;

	r->dir = copy(s->dir);
	r->run_id = copy(json_str(s->run, "id", NULL));
	r->scenario = copy(json_str(s->run, "scenario", NULL));
	r->title = copy(json_str(s->run, "title", NULL));
	r->file = copy(json_str(s->run, "file", NULL));
	r->wall = copy(json_str(s->run, "wall", NULL));
	r->tool = copy(json_str(s->run, "tool", NULL));
	r->commit = copy(json_str(s->run, "commit", NULL));
	r->sha256 = copy(json_str(s->run, "sha256", NULL));
	r->seed = copy(json_str(s->run, "seed", NULL));
	r->host = copy(json_str(s->run, "host", NULL));
	r->cluster = cluster_line(s->run);
	r->wall_ns = json_int(s->run, 0, "wall_ns", NULL);
	r->length_ns = s->ended ? s->ended_ns : s->last_ns;
	r->complete = b->complete;
	r->live = b->live;
	r->record_damaged = s->journal.bad_line != 0;
	r->signal = s->signal;
}

/* ---- lists ---- */

static int phases(struct build *b)
{
	struct result *r = b->result;

	for (int p = 0; p < STORY_PHASES; p++) {
		struct result_phase *phase;

		if (b->story->begin[p] < 0)
			continue;
		phase = GROW(r->phases, r->n_phases);
		if (!phase || !(phase->name = strdup(story_phase_names[p])))
			return -1;
		phase->begin_ns = b->story->begin[p];
		phase->end_ns = b->story->end[p];
	}
	return 0;
}

static int verifier_row(struct build *b, size_t i)
{
	const struct story_verifier *v = &b->story->verifiers[i];
	struct result_verifier *row = GROW(b->result->verifiers, b->result->n_verifiers);
	const struct measure *m = b->measures[i];
	OWN_MEM struct tally *t = calloc(1, sizeof(*t));

	if (!row || !t)
		return -1;
	row->name = copy(v->name);
	row->kind = copy(v->kind);
	row->finite = v->finite;
	row->control = v->control;
	row->period_ns = v->period_ns;
	row->availability = NAN;
	row->p50_ns = row->p99_ns = row->max_ns = -1;
	if (!m)
		return row->name ? 0 : -1;
	measure_window(m, WINDOW_RUN, t);
	row->samples = m->records;
	memcpy(row->by_outcome, m->by_outcome, sizeof(row->by_outcome));
	row->ok = m->by_outcome[OUTCOME_OK];
	if (t->ok + t->bad)
		row->availability = 100.0 * (double)t->ok / (double)(t->ok + t->bad);
	row->p50_ns = histogram_quantile_ns(&t->latency, 0.5);
	row->p99_ns = histogram_quantile_ns(&t->latency, 0.99);
	row->max_ns = histogram_quantile_ns(&t->latency, 1);
	return row->name ? 0 : -1;
}

static int by_begin(const void *a, const void *b)
{
	const struct kept_outage *x = a, *y = b;

	if (x->o.begin_ns != y->o.begin_ns)
		return x->o.begin_ns < y->o.begin_ns ? -1 : 1;
	return x->verifier < y->verifier ? -1 : x->verifier > y->verifier;
}

static const char *phase_name_at(const struct story *s, int64_t due_ns)
{
	const char *name = story_phase_names[STORY_BASELINE];
	bool any = false;

	for (int p = STORY_BASELINE; p <= STORY_RECOVERY; p++) {
		if (s->begin[p] < 0 || (any && due_ns < s->begin[p]))
			continue;
		name = story_phase_names[p];
		any = true;
	}
	return name;
}

static int outage_row(struct build *b, const struct kept_outage *k)
{
	const struct story_verifier *v = &b->story->verifiers[k->verifier];
	struct result_outage *row = GROW(b->result->outages, b->result->n_outages);

	if (!row || !(row->verifier = copy(v->name)))
		return -1;
	row->begin_ns = k->o.begin_ns;
	row->min_ns = k->o.min_ns;
	row->max_ns = k->o.max_ns;
	row->censored_begin = k->o.ok_before_ns < 0;
	row->censored_end = k->o.ok_behind_ns < 0;
	row->phase = phase_name_at(b->story, k->o.due_ns);
	row->class = blame_name(k->b.class);
	row->outcome = k->o.outcome;
	for (size_t i = 0; i < k->b.n_bites; i++) {
		char **id = GROW(row->bites, row->n_bites);

		if (!id || !(*id = copy(b->story->bites[k->b.bites[i]].b.id)))
			return -1;
	}
	for (size_t i = 0; k->o.detail && i < v->n_details && !row->detail; i++)
		if (v->details[i].number == k->o.detail)
			row->detail = copy(v->details[i].text);
	return 0;
}

static int outages(struct build *b)
{
	struct measure_env *env = &b->env;

	if (env->n_kept)
		qsort(env->kept, env->n_kept, sizeof(*env->kept), by_begin);
	b->result->outages_total = env->outages_total;
	for (size_t i = 0; i < env->n_kept; i++)
		if (outage_row(b, &env->kept[i]))
			return -1;
	return 0;
}

/* Bites, skips and texts are handed over: the story keeps none of them. Last of all. */
static int hand_over(struct build *b)
{
	struct story *s = b->story;
	struct result *r = b->result;

	r->bites = calloc(s->n_bites + 1, sizeof(*r->bites));
	if (!r->bites)
		return -1;
	for (size_t i = 0; i < s->n_bites; i++) {
		for (size_t k = 0; s->bites[i].workloads && k < s->bites[i].b.n_targets; k++)
			free(TAKE(s->bites[i].workloads[k]));
		r->bites[r->n_bites++] = s->bites[i].b;
		s->bites[i].b = (struct result_bite){ 0 };
	}
	r->skips = TAKE(s->skips);
	r->n_skips = s->n_skips;
	s->n_skips = 0;
	r->notes = TAKE(s->notes);
	r->n_notes = s->n_notes;
	s->n_notes = 0;
	for (size_t i = 0; i < s->n_errors; i++) {
		char **note = GROW(r->notes, r->n_notes);

		if (!note || !(*note = str_format("error: %s", s->errors[i])))
			return -1;
	}
	return 0;
}

/* ---- verdict ---- */

static void conclude(struct result *r)
{
	bool broken = !r->complete, failed = false;

	for (size_t i = 0; i < r->n_cases; i++) {
		failed |= r->cases[i].verdict == VERDICT_FAIL;
		broken |= r->cases[i].verdict == VERDICT_BROKEN;
	}
	r->verdict = failed ? VERDICT_FAIL : broken ? VERDICT_BROKEN : VERDICT_PASS;
	r->exit_code = r->n_left   ? (int)EXIT_UNHEALED
		       : r->signal ? 128 + r->signal
		       : failed    ? (int)EXIT_FAILED
		       : broken    ? (int)EXIT_BROKEN
				   : (int)EXIT_PASS;
}

static int build_all(struct build *b, struct err *err)
{
	struct cases c = { .result = b->result,
		.story = b->story,
		.complete = b->complete,
		.live = b->live,
		.env = &b->env };

	head(b);
	if (measure_all(b, err))
		return -1;
	c.measures = (const struct measure *const *)b->measures;
	if (cases_build(&c, err))
		return -1;
	for (size_t i = 0; i < b->story->n_verifiers; i++)
		if (verifier_row(b, i))
			return err_set(err, ERR_NOMEM, "%s: no memory", b->story->dir);
	if (phases(b) || outages(b) || hand_over(b))
		return err_set(err, ERR_NOMEM, "%s: no memory", b->story->dir);
	conclude(b->result);
	return 0;
}

int report_build(const char *dir, bool ending, struct result **ret_result, struct err *err)
{
	struct build b = { 0 };
	int result = -1;

	if (story_read(dir, &b.story, err))
		return -1;
	b.complete = ending || b.story->ended;
	b.live = !b.complete && b.story->journal.locked;
	b.result = calloc(1, sizeof(*b.result));
	if (!b.result)
		err_set(err, ERR_NOMEM, "%s: no memory", dir);
	else if (!b.story->run)
		err_set(err, ERR_FORMAT, "%s/journal.jsonl: no `run` event: not a record of a run",
			dir);
	else
		result = build_all(&b, err);
	if (!result)
		*ret_result = TAKE(b.result);
	build_done(&b);
	return result;
}
