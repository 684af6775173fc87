/* One verifier's samples, read once, into tallies by phase. */
#include "reports/measure.h"

#include "base/own.h"

#include <stdio.h>
#include <string.h>

#define CONTROL_MAX ((size_t)1 << 20)

/* ---- what all are measured against ---- */

static int64_t in_force_until(const struct story_bite *bite)
{
	int64_t end;

	if (bite->b.end_ns < 0 || __builtin_add_overflow(bite->b.end_ns, bite->settle_ns, &end))
		return INT64_MAX;
	return end;
}

int measure_env_init(struct measure_env *env, const struct story *story, struct err *err)
{
	*env = (struct measure_env){ .story = story };
	env->spans = calloc(story->n_bites + 1, sizeof(*env->spans));
	env->kept = calloc(KEPT_OUTAGES, sizeof(*env->kept));
	if (!env->spans || !env->kept) {
		measure_env_done(env);
		return err_set(err, ERR_NOMEM, "no memory to measure");
	}
	for (size_t i = 0; i < story->n_bites; i++) {
		const struct story_bite *bite = &story->bites[i];

		if (bite->b.sent_ns >= 0)
			env->spans[env->n_spans++] = (struct span){ .sent_ns = bite->b.sent_ns,
				.end_ns = in_force_until(bite),
				.bite = i };
	}
	spans_prepare(env->spans, env->n_spans);
	return 0;
}

void measure_env_done(struct measure_env *env)
{
	free(env->spans);
	free(env->kept);
	free(env->control);
	*env = (struct measure_env){ 0 };
}

static int64_t kept_length(const struct kept_outage *k)
{
	return outage_length_ns(&k->o);
}

static void kept_sift_down(struct measure_env *env, size_t i, struct kept_outage new)
{
	size_t child;

	while ((child = 2 * i + 1) < env->n_kept) {
		if (child + 1 < env->n_kept &&
			kept_length(&env->kept[child + 1]) < kept_length(&env->kept[child]))
			child++;
		if (kept_length(&env->kept[child]) >= kept_length(&new))
			break;
		env->kept[i] = env->kept[child];
		i = child;
	}
	env->kept[i] = new;
}

static void keep(struct measure_env *env, const struct kept_outage *new)
{
	size_t i = env->n_kept;

	env->outages_total++;
	if (i == KEPT_OUTAGES) {
		if (kept_length(new) > kept_length(&env->kept[0]))
			kept_sift_down(env, 0, *new);
		return;
	}
	env->n_kept++;
	for (; i && kept_length(&env->kept[(i - 1) / 2]) > kept_length(new); i = (i - 1) / 2)
		env->kept[i] = env->kept[(i - 1) / 2];
	env->kept[i] = *new;
}

/* Merged where they touch, so that they stay sorted and apart. More than a million of them are
 * one long one: the observer was no observer. */
static int control_failed(struct measure_env *env, const struct outage *o)
{
	struct bad_time *last = env->n_control ? &env->control[env->n_control - 1] : NULL;

	if (last && (o->begin_ns <= last->to_ns || env->n_control == CONTROL_MAX)) {
		if (o->last_done_ns > last->to_ns)
			last->to_ns = o->last_done_ns;
		return 0;
	}
	if (env->n_control == env->control_room) {
		size_t room = env->control_room ? env->control_room * 2 : 16;
		struct bad_time *bigger = reallocarray(env->control, room, sizeof(*bigger));

		if (!bigger)
			return -1;
		env->control = bigger;
		env->control_room = room;
	}
	env->control[env->n_control++] = (struct bad_time){ o->begin_ns, o->last_done_ns };
	return 0;
}

/* ---- windows ---- */

/* A phase lasts until the next one that began; `due` before the first belongs to the first, and
 * one in a phase that is not the verifier's (due as the phase changed) to the next that is. */
static int phase_of(const struct story *s, unsigned phases, int64_t due_ns)
{
	int found = -1;

	for (int p = 0; p < MEASURE_PHASES; p++) {
		int64_t begin = s->begin[STORY_BASELINE + p];

		if (begin >= 0 && (found < 0 || due_ns >= begin))
			found = p;
	}
	for (int p = found; p >= 0 && p < MEASURE_PHASES; p++)
		if (phases & 1u << p && s->begin[STORY_BASELINE + p] >= 0)
			return p;
	return found;
}

static bool window_has(enum window window, int phase)
{
	switch (window) {
	case WINDOW_BASELINE:
		return phase == MEASURE_BASELINE;
	case WINDOW_FAULTS:
		return phase == MEASURE_FAULTS;
	case WINDOW_RECOVERY:
		return phase == MEASURE_RECOVERY;
	case WINDOW_CHAOS:
		return phase != MEASURE_BASELINE;
	case WINDOW_RUN:
		return true;
	}
	return false;
}

void measure_window(const struct measure *m, enum window window, struct tally *into)
{
	memset(into, 0, sizeof(*into));
	for (int p = 0; p < MEASURE_PHASES; p++)
		if (window_has(window, p))
			tally_merge(into, &m->phase[p]);
	into->bad += measure_window_lost(m, window);
}

uint64_t measure_window_lost(const struct measure *m, enum window window)
{
	return window == WINDOW_CHAOS || window == WINDOW_RUN ? m->iterations_lost : 0;
}

void window_times(const struct story *s, enum window window, int64_t *ret_from, int64_t *ret_to)
{
	*ret_from = *ret_to = -1;
	for (int p = 0; p < MEASURE_PHASES; p++) {
		int64_t begin = s->begin[STORY_BASELINE + p], end = s->end[STORY_BASELINE + p];

		if (!window_has(window, p) || begin < 0)
			continue;
		if (*ret_from < 0)
			*ret_from = begin;
		*ret_to = end >= 0 ? end : s->last_ns;
	}
}

/* ---- samples ---- */

struct measuring {
	struct measure_env *env;
	struct measure *m;
	size_t verifier;
	int64_t until_ns, warm_ns;
	struct outages outages;
	bool nomem;
};

static void on_outage(void *arg, const struct outage *o)
{
	struct measuring *g = arg;
	const struct measure_env *env = g->env;
	struct kept_outage k = { .o = *o, .verifier = g->verifier };
	int phase = phase_of(env->story, g->m->verifier->phases, o->due_ns);

	g->m->open_at_end = o->ok_behind_ns < 0;
	if (g->m->verifier->control) {
		g->nomem |= control_failed(g->env, o) != 0;
		return;
	}
	blame_outage(o, env->spans, env->n_spans, env->control, env->n_control, &k.b);
	g->m->last_class = k.b.class;
	if (phase >= 0)
		tally_outage(&g->m->phase[phase], o, &k.b);
	keep(g->env, &k);
}

static void remember_last(struct measure *m, const struct sample *s, int phase)
{
	enum sample_class class = sample_class(s);

	if (class == SAMPLE_NEITHER)
		return;
	m->last_due_ns = s->due_ns;
	m->last_ok[m->n_last++ % LAST_SAMPLES] = class == SAMPLE_OK;
	if (class != SAMPLE_OK)
		return;
	if ((int64_t)s->done_us * 1000 > m->slowest_ns)
		m->slowest_ns = (int64_t)s->done_us * 1000;
	m->last_us[m->n_last_us++ % LAST_LATENCIES] = s->done_us;
	if (phase == MEASURE_BASELINE)
		moments_add(&m->baseline, s->done_us);
}

static void look_for_bite(struct measuring *g, const struct sample *s)
{
	int64_t sent = sample_sent_ns(s), done = sample_done_ns(s);

	if (sent >= 0 && !g->m->met_bite)
		g->m->met_bite = spans_meet(
			g->env->spans, g->env->n_spans, sent, done > sent ? done : sent);
}

static int on_sample(void *arg, const struct sample *s)
{
	struct measuring *g = arg;
	struct measure *m = g->m;
	int phase;

	if (s->due_ns >= g->until_ns && s->outcome != OUTCOME_LOST)
		return 1;
	m->records++;
	if (s->outcome != OUTCOME_LOST && s->due_ns > m->last_slot_ns)
		m->last_slot_ns = s->due_ns;
	m->by_outcome[s->outcome < OUTCOME_COUNT ? s->outcome : OUTCOME_FAILED]++;
	if (s->outcome == OUTCOME_LOST) {
		m->iterations_lost++;
		return 0;
	}
	if (s->due_ns < g->warm_ns) {
		m->warmup++;
		return 0;
	}
	phase = phase_of(g->env->story, m->verifier->phases, s->due_ns);
	if (phase >= 0)
		tally_sample(&m->phase[phase], s);
	remember_last(m, s, phase);
	look_for_bite(g, s);
	outages_add(&g->outages, s);
	return g->nomem;
}

static void measure_file(struct measuring *g, const char *file)
{
	struct measure *m = g->m;
	struct samples_info info = { 0 };
	struct err err = { 0 };

	outages_init(&g->outages, m->verifier->flap, on_outage, g);
	if (samples_read(g->env->story->dir, file, on_sample, g, &info, &err)) {
		if (!m->trouble[0])
			snprintf(m->trouble, sizeof(m->trouble), "%s", err.text);
		return;
	}
	outages_end(&g->outages);
	m->lost_bytes += info.lost_bytes;
	m->lost_records += info.lost_records;
}

/* When a sampled verifier ought to have ended: with its last phase, unless the run was cut short
 * before. -1: not yet, or unknown. */
static int64_t ought_to_end(const struct story *s, const struct story_verifier *v)
{
	int64_t end = -1;

	for (int p = 0; p < MEASURE_PHASES; p++)
		if (v->phases & 1u << p && s->begin[STORY_BASELINE + p] >= 0)
			end = s->end[STORY_BASELINE + p];
	return s->cut_ns >= 0 && s->cut_ns < end ? s->cut_ns : end;
}

/* A file that just ends has no gap: its slots are counted against the clock. */
static void count_unwritten(struct measure *m, const struct story *s)
{
	const struct story_verifier *v = m->verifier;
	int64_t end_ns = ought_to_end(s, v);

	if (v->finite || v->period_ns <= 0 || m->last_slot_ns < 0 || end_ns <= m->last_slot_ns)
		return;
	m->unwritten = (uint64_t)((end_ns - m->last_slot_ns - 1) / v->period_ns);
	m->lost_records += m->unwritten;
}

int measure_verifier(struct measure_env *env, size_t verifier, int64_t until_ns,
	struct measure **ret_measure, struct err *err)
{
	const struct story_verifier *v = &env->story->verifiers[verifier];
	OWN_MEM struct measure *m = calloc(1, sizeof(*m));
	struct measuring g = {
		.env = env, .m = m, .verifier = verifier, .until_ns = until_ns, .warm_ns = INT64_MIN
	};

	if (!m)
		return err_set(err, ERR_NOMEM, "no memory to measure %s", v->name);
	m->verifier = v;
	m->last_due_ns = m->last_slot_ns = -1;
	if (v->warmup_ns > 0 && v->begin_ns >= 0)
		g.warm_ns = v->begin_ns + v->warmup_ns;
	for (size_t i = 0; i < v->n_files; i++)
		measure_file(&g, v->files[i].file);
	if (until_ns == INT64_MAX)
		count_unwritten(m, env->story);
	if (g.nomem)
		return err_set(err, ERR_NOMEM, "no memory to measure %s", v->name);
	*ret_measure = TAKE(m);
	return 0;
}
