/* What a scenario's values must be to one another. */
#include "base/clock.h"
#include "reports/expect.h"
#include "runner/cookiemonster.h"
#include "runner/scenario_draft.h"
#include "verifiers/verifier.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz0123456789-"
#define SCENARIO_NAME_MAX 40
#define VERIFIER_NAME_MAX 30
#define ENTRY_NAME_MAX 40

/* Lengths of the phases, as far as they are known. */
struct plan {
	bool known; /* the section had no mistake */
	bool until_done;
	int64_t baseline_ns, faults_ns, recovery_ns; /* until-done: its limit */
};

struct rules {
	struct draft *draft;
	const char *dir;
	struct problems *problems;
	struct plan plan;
};

/* The place of a key's value, or of its entry. */
static const struct yaml_node *place(const struct draft_entry *entry, const char *key)
{
	const struct yaml_node *node = yaml_get(entry->node, key);

	return node ? node : entry->node;
}

static const char *path_of(char out[PATH_BYTES], const struct draft_entry *entry, const char *key)
{
	snprintf(out, PATH_BYTES, "%.100s%s%s", entry->path, *entry->path ? "." : "", key);
	return out;
}

/* ---- names ---- */

static bool is_slug(const char *name)
{
	return *name && *name != '-' && name[strspn(name, NAME_CHARS)] == '\0' &&
	       name[strlen(name) - 1] != '-';
}

static int check_name(struct rules *r, struct draft_entry *entry, const char *name, size_t max)
{
	char path[PATH_BYTES];

	if (!name)
		return 0;
	path_of(path, entry, "name");
	if (!is_slug(name))
		return problem_error(r->problems, place(entry, "name"), path,
			"\"%.80s\" is no name: a-z, 0-9 and - inside", name);
	if (strlen(name) > max)
		return problem_error(r->problems, place(entry, "name"), path,
			"\"%.80s\" is longer than %zu letters", name, max);
	return 0;
}

static const char *entry_name(const struct draft_entry *entry, enum section_id id)
{
	if (id == SECTION_DEPLOY)
		return ((struct form_deploy *)entry->form)->name;
	if (id == SECTION_COOKIES)
		return ((struct form_cookie *)entry->form)->name;
	return ((struct form_verify *)entry->form)->name;
}

/* What the runner adds to names must not meet another name. */
static bool derived(enum section_id id, const struct draft_entry *of, const char *name)
{
	const char *base = entry_name(of, id);
	size_t len = strlen(base);

	if (strncmp(name, base, len) || name[len] != '-')
		return false;
	if (id == SECTION_VERIFY)
		return !strcmp(name + len, "-new") &&
		       ((struct form_verify *)of->form)->connection == FORM_BOTH;
	return id == SECTION_COOKIES && ((struct form_cookie *)of->form)->file && name[len + 1] &&
	       !name[len + 1 + strspn(name + len + 1, "0123456789")];
}

static void check_duplicate(struct rules *r, enum section_id id, size_t index)
{
	struct draft_section *section = &r->draft->sections[id];
	struct draft_entry *entry = &section->v[index];
	const char *name = entry_name(entry, id);
	char path[PATH_BYTES];

	for (size_t i = 0; name && i < section->n; i++) {
		const struct draft_entry *other = &section->v[i];
		const char *taken = entry_name(other, id);

		if (i == index || !taken)
			continue;
		if ((i < index && !strcmp(name, taken)) || derived(id, other, name)) {
			problem_error(r->problems, place(entry, "name"),
				path_of(path, entry, "name"), "\"%.40s\" is taken (line %u)", name,
				place(other, "name")->line);
			return;
		}
	}
}

static void check_names(struct rules *r, enum section_id id, size_t max)
{
	struct draft_section *section = &r->draft->sections[id];

	for (size_t i = 0; i < section->n; i++) {
		if (check_name(r, &section->v[i], entry_name(&section->v[i], id), max))
			section->v[i].bad = true;
		check_duplicate(r, id, i);
	}
}

static void check_verifier_names(struct rules *r)
{
	struct draft_section *section = &r->draft->sections[SECTION_VERIFY];
	char path[PATH_BYTES];

	check_names(r, SECTION_VERIFY, VERIFIER_NAME_MAX);
	for (size_t i = 0; i < section->n; i++) {
		struct draft_entry *entry = &section->v[i];
		const struct form_verify *form = entry->form;

		if (!form->name)
			continue;
		if (form->connection == FORM_BOTH && strlen(form->name) + 4 > VERIFIER_NAME_MAX)
			problem_error(r->problems, place(entry, "name"),
				path_of(path, entry, "name"),
				"\"%.40s\" is too long for connection: both, which adds -new (%d letters)",
				form->name, VERIFIER_NAME_MAX);
		if (!strcmp(form->name, "control") && r->draft->sections[SECTION_CONTROL].n)
			problem_error(r->problems, place(entry, "name"),
				path_of(path, entry, "name"),
				"\"control\" is the name of the control probe");
	}
}

/* ---- the file itself, cluster, phases ---- */

static void check_seed(struct rules *r, struct draft_entry *top)
{
	const struct form_top *form = top->form;
	char *end;

	if (!form->seed)
		return;
	errno = 0;
	strtoull(form->seed, &end, 10);
	if (form->seed[strspn(form->seed, "0123456789")] || errno || end == form->seed)
		problem_error(r->problems, place(top, "seed"), "seed",
			"\"%.40s\" is not an integer from 0 to 18446744073709551615", form->seed);
}

static void check_phases(struct rules *r)
{
	struct draft_entry *entry = &r->draft->sections[SECTION_PHASES].v[0];
	const struct form_phases *form = entry->form;
	struct err err = { 0 };
	int64_t faults;

	if (!form->faults)
		return;
	faults = draft_faults_ns(form, &err);
	if (faults < 0) {
		problem_error(r->problems, place(entry, "faults"), "phases.faults", "%s", err.text);
		return;
	}
	if (faults && yaml_get(entry->node, "faults_limit"))
		problem_error(r->problems, place(entry, "faults_limit"), "phases.faults_limit",
			"has no meaning without faults: until-done");
	r->plan = (struct plan){ .known = !entry->bad,
		.until_done = !faults,
		.baseline_ns = form->baseline_ns,
		.recovery_ns = form->recovery_ns,
		.faults_ns = faults ? faults : form->faults_limit_ns };
}

static void check_until_done(struct rules *r)
{
	struct draft_section *verify = &r->draft->sections[SECTION_VERIFY];
	struct draft_entry *phases = &r->draft->sections[SECTION_PHASES].v[0];

	if (!r->plan.until_done)
		return;
	for (size_t i = 0; i < verify->n; i++)
		if (draft_is_finite(&verify->v[i]) || verify->v[i].bad)
			return;
	problem_error(r->problems, place(phases, "faults"), "phases.faults",
		"until-done needs a verifier that ends by itself, like rally");
}

/* A run that lacks either can only be BROKEN. */
static void warn_vacuous(struct rules *r, const struct yaml_node *root)
{
	if (!yaml_get(root, "cookies"))
		problem_warning(r->problems, root, "", "no cookies: the run will be BROKEN");
	if (!yaml_get(root, "verify"))
		problem_warning(r->problems, root, "", "nothing to verify: the run will be BROKEN");
}

/* ---- expectations ---- */

static int64_t phase_ns(const struct plan *plan, unsigned bits)
{
	return (bits & PHASE_BASELINE ? plan->baseline_ns : 0) +
	       (bits & PHASE_FAULTS ? plan->faults_ns : 0) +
	       (bits & PHASE_RECOVERY ? plan->recovery_ns : 0);
}

static unsigned window_bits(enum window window)
{
	static const unsigned bits[] = {
		[WINDOW_CHAOS] = PHASE_FAULTS | PHASE_RECOVERY,
		[WINDOW_BASELINE] = PHASE_BASELINE,
		[WINDOW_FAULTS] = PHASE_FAULTS,
		[WINDOW_RECOVERY] = PHASE_RECOVERY,
		[WINDOW_RUN] = PHASE_BASELINE | PHASE_FAULTS | PHASE_RECOVERY,
	};

	return bits[window];
}

static bool is_lower_limit(const struct expectation *e)
{
	return e->op == OP_GE || e->op == OP_GT || e->op == OP_EQ;
}

/* One expectation of a verifier. */
struct wish {
	struct rules *r;
	const struct draft_entry *entry;
	const struct yaml_node *node;
	char path[PATH_BYTES];
	struct expectation e;
};

/* Does the verifier run at all in that window? */
static int check_window(struct wish *w)
{
	unsigned bits = window_bits(w->e.window) & draft_phases(w->entry);

	if (w->e.metric == METRIC_SLA || w->e.metric == METRIC_RECOVERED)
		return 0;
	if (w->e.window == WINDOW_BASELINE && !w->r->plan.baseline_ns)
		return problem_error(w->r->problems, w->node, w->path,
			"needs a baseline, and phases.baseline is 0s");
	if (!bits)
		return problem_error(w->r->problems, w->node, w->path,
			"the verifier does not run during %s (phases)", window_name(w->e.window));
	if (!phase_ns(&w->r->plan, bits))
		return problem_error(
			w->r->problems, w->node, w->path, "%s lasts 0s", window_name(w->e.window));
	return 0;
}

/* The metric that asks less, for the message. */
static const char *humbler(enum metric metric)
{
	return metric == METRIC_P999 ? "p99" : metric == METRIC_P99 ? "p95" : "max";
}

/* Can the plan yield what it asks for? Only of sampled verifiers is that known. */
static void check_yield(struct wish *w)
{
	const struct form_verify *form = w->entry->form;
	unsigned bits = window_bits(w->e.window) & draft_phases(w->entry);
	int64_t period = draft_period_ns(form), samples;

	if (!period || draft_is_finite(w->entry))
		return;
	samples = (phase_ns(&w->r->plan, bits) + period - 1) / period;
	if ((uint64_t)samples < metric_needs(w->e.metric))
		problem_error(w->r->problems, w->node, w->path,
			"the plan yields %" PRId64 " of %" PRIu64
			" samples needed; use %s, or a higher rate",
			samples, metric_needs(w->e.metric), humbler(w->e.metric));
	if (w->e.metric == METRIC_SAMPLES && is_lower_limit(&w->e) && w->e.value > (double)samples)
		problem_error(w->r->problems, w->node, w->path,
			"the plan yields %" PRId64 " samples; raise the rate, or lower the limit",
			samples);
	if (w->e.metric == METRIC_RATE && is_lower_limit(&w->e) &&
		w->e.value > (double)NS_PER_S / (double)period * 1.0001)
		problem_error(w->r->problems, w->node, w->path, "the plan sends %.4g/s",
			(double)NS_PER_S / (double)period);
}

static void check_outage_limit(struct wish *w)
{
	int64_t timeout = draft_timeout_ns(w->entry);
	char text[CLOCK_DURATION_BYTES];

	if (w->e.metric != METRIC_LONGEST_OUTAGE || is_lower_limit(&w->e) ||
		draft_is_finite(w->entry) || (double)timeout <= w->e.value)
		return;
	clock_format_duration(timeout, text);
	problem_warning(w->r->problems, w->node, w->path,
		"the timeout (%s) is longer: a freeze shorter than it is degradation, not an outage",
		text);
}

static void check_wish(struct wish *w)
{
	if (w->e.metric == METRIC_SLA && !draft_is_finite(w->entry)) {
		problem_error(w->r->problems, w->node, w->path,
			"a sampled verifier has no criteria of its own: sla is for those like rally");
		return;
	}
	if (!w->r->plan.known || check_window(w))
		return;
	check_yield(w);
	check_outage_limit(w);
}

/* All expectations of an entry, parsed; mistakes are told, and `each` (may be NULL) sees the good
 * ones. */
static void check_expectations(struct rules *r, struct draft_entry *entry,
	const struct strings *texts, bool of_cookie, void (*each)(struct wish *))
{
	const struct yaml_node *list = yaml_get(entry->node, "expect");
	OWN_MEM struct expectation *seen = calloc(texts->n + 1, sizeof(*seen));
	size_t n = 0;

	/* With a mistake in the list, places and texts no longer agree. */
	for (size_t i = 0; seen && list && list->n == texts->n && i < texts->n; i++) {
		struct wish w = { .r = r, .entry = entry, .node = list->values[i] };
		struct err err = { 0 };

		snprintf(w.path, sizeof(w.path), "%.80s.expect[%zu]", entry->path, i);
		if (expectation_parse(texts->v[i], of_cookie, &w.e, &err)) {
			problem_error(r->problems, w.node, w.path, "%s", err.text);
			continue;
		}
		for (size_t k = 0; k < n; k++) {
			if (expectation_collides(&seen[k], &w.e)) {
				problem_error(r->problems, w.node, w.path,
					"a second limit of %s in the same window and direction",
					metric_name(w.e.metric));
				break;
			}
		}
		seen[n++] = w.e;
		if (each)
			each(&w);
	}
}

/* ---- verifiers ---- */

static void refuse_key(struct rules *r, struct draft_entry *entry, const char *key, bool given)
{
	char path[PATH_BYTES];

	if (given)
		problem_error(r->problems, place(entry, key), path_of(path, entry, key),
			"has no meaning for a verifier that ends by itself");
}

static void check_pace(struct rules *r, struct draft_entry *entry)
{
	const struct form_verify *form = entry->form;
	char path[PATH_BYTES];
	struct err err = { 0 };
	int64_t period;

	if (form->rate && rate_parse(form->rate, &period, &err)) {
		problem_error(r->problems, place(entry, "rate"), path_of(path, entry, "rate"), "%s",
			err.text);
		entry->bad = true;
	}
	if (form->rate && form->every_ns)
		problem_error(r->problems, place(entry, "every"), path_of(path, entry, "every"),
			"rate is given too: only one of them");
	if (!draft_is_finite(entry))
		return;
	refuse_key(r, entry, "rate", form->rate);
	refuse_key(r, entry, "every", form->every_ns);
	refuse_key(r, entry, "concurrency", form->concurrency);
	refuse_key(r, entry, "connection", form->has_connection);
}

static void warn_concurrency(struct rules *r, struct draft_entry *entry)
{
	const struct form_verify *form = entry->form;
	int64_t period = draft_period_ns(form), timeout = draft_timeout_ns(entry);
	unsigned cap = draft_concurrency(entry);
	const char *key = form->concurrency ? "concurrency" : form->rate ? "rate" : "every";
	char path[PATH_BYTES];

	if (!period || draft_is_finite(entry) || timeout / period <= (int64_t)cap)
		return;
	problem_warning(r->problems, place(entry, key), path_of(path, entry, key),
		"rate x timeout is %" PRId64 ", more than the cap of %u samples under way: what a "
		"freeze keeps back beyond that is unsent, and not ok",
		timeout / period, cap);
}

static void check_phase_names(struct rules *r, struct draft_entry *entry)
{
	const struct form_verify *form = entry->form;
	const struct yaml_node *list = yaml_get(entry->node, "phases");

	for (size_t i = 0; list && list->n == form->phases.n && i < list->n; i++) {
		const char *name = form->phases.v[i];
		char path[PATH_BYTES];

		if (!strcmp(name, "baseline") || !strcmp(name, "faults") ||
			!strcmp(name, "recovery"))
			continue;
		snprintf(path, sizeof(path), "%.80s.phases[%zu]", entry->path, i);
		problem_error(r->problems, list->values[i], path,
			"\"%.40s\" is not one of: baseline, faults, recovery", name);
		entry->bad = true;
	}
}

static void check_verifier(struct rules *r, struct draft_entry *entry)
{
	const struct form_verify *form = entry->form;
	bool had_mistake = entry->bad;
	char path[PATH_BYTES];

	check_pace(r, entry);
	check_phase_names(r, entry);
	if (!entry->bad)
		warn_concurrency(r, entry);
	if (r->plan.known && form->has_warmup && form->warmup_ns >= r->plan.baseline_ns &&
		form->warmup_ns)
		problem_error(r->problems, place(entry, "warmup"), path_of(path, entry, "warmup"),
			"leaves nothing of the baseline");
	/* Without a kind it is unknown what it can yield; the texts are still read. */
	if (had_mistake || entry->bad) {
		struct plan plan = r->plan;

		r->plan.known = false;
		if (entry->kind >= 0)
			check_expectations(r, entry, &form->expect, false, check_wish);
		r->plan = plan;
		return;
	}
	check_expectations(r, entry, &form->expect, false, check_wish);
}

/* ---- cookies ---- */

/* How many rounds the faults phase has room for; -1: as many as there is time. */
static int64_t rounds(const struct plan *plan, int64_t start, const struct cookie_timing *timing)
{
	int64_t room = plan->faults_ns - start, first = timing->first_after_interval;

	if (!timing->interval_ns)
		return 1;
	if (timing->duration_ns && timing->duration_ns < room)
		room = timing->duration_ns;
	return (room + timing->interval_ns - 1) / timing->interval_ns - first;
}

static void check_rounds(
	struct rules *r, struct draft_entry *entry, const struct cookie_timing *timing)
{
	const struct form_cookie *form = entry->form;
	int64_t most = rounds(&r->plan, form->start_ns, timing);
	char path[PATH_BYTES];

	if (most < 1) {
		problem_error(r->problems, place(entry, "start"), entry->path,
			"its first bite would come when the faults phase is over");
		return;
	}
	for (size_t i = 0; i < form->expect.n; i++) {
		const struct yaml_node *list = yaml_get(entry->node, "expect");
		struct expectation e;

		if (r->plan.until_done || expectation_parse(form->expect.v[i], true, &e, NULL) ||
			!is_lower_limit(&e) || e.value <= (double)most)
			continue;
		snprintf(path, sizeof(path), "%.80s.expect[%zu]", entry->path, i);
		problem_error(r->problems, list->values[i], path,
			"the plan has room for %" PRId64 " bites", most);
	}
	if (!r->plan.until_done && timing->duration_ns > r->plan.faults_ns - form->start_ns)
		problem_warning(r->problems,
			entry->kind_node ? entry->kind_node : place(entry, "file"), entry->path,
			"its duration goes beyond the faults phase, and ends with it");
}

static void check_timing(
	struct rules *r, struct draft_entry *entry, const struct cookie_timing *timing)
{
	const struct form_cookie *form = entry->form;
	char path[PATH_BYTES];

	if (!r->plan.known || entry->bad)
		return;
	if (form->start_ns >= r->plan.faults_ns)
		problem_error(r->problems, place(entry, "start"), path_of(path, entry, "start"),
			"lies behind the end of the faults phase");
	else
		check_rounds(r, entry, timing);
}

static void check_cookie_file(struct rules *r, struct draft_entry *entry)
{
	const struct form_cookie *form = entry->form;
	OWN(cookiemonster_done) struct cookiemonster monster = { 0 };
	OWN_MEM char *file = path_in(r->dir, form->file);
	char path[PATH_BYTES];
	struct err err = { 0 };

	path_of(path, entry, "file");
	if (!file || cookiemonster_load(file, &monster, &err)) {
		problem_error(r->problems, place(entry, "file"), path, "%s",
			file ? err.text : "no memory");
		return;
	}
	for (size_t i = 0; i < monster.notes.n; i++)
		problem_warning(r->problems, place(entry, "file"), path, "%s: %s", file,
			monster.notes.v[i]);
	for (size_t i = 0; i < monster.n; i++)
		check_timing(r, entry, &monster.v[i].timing);
}

static void check_cookie(struct rules *r, struct draft_entry *entry)
{
	const struct form_cookie *form = entry->form;
	struct cookie_timing timing = { 0 };

	check_expectations(r, entry, &form->expect, true, NULL);
	if (entry->kind >= 0 && !entry->bad) {
		cookie_kinds[entry->kind]->timing(entry->params, &timing);
		check_timing(r, entry, &timing);
	} else if (form->file && !entry->bad) {
		check_cookie_file(r, entry);
	}
}

void draft_check_rules(struct draft *draft, const char *dir, struct problems *problems)
{
	struct rules r = { draft, dir, problems, { 0 } };
	struct draft_entry *top = &draft->sections[SECTION_TOP].v[0];

	check_name(&r, top, ((struct form_top *)top->form)->name, SCENARIO_NAME_MAX);
	check_seed(&r, top);
	check_names(&r, SECTION_DEPLOY, ENTRY_NAME_MAX);
	check_names(&r, SECTION_COOKIES, ENTRY_NAME_MAX);
	check_verifier_names(&r);
	check_phases(&r);
	check_until_done(&r);
	warn_vacuous(&r, top->node);
	for (size_t i = 0; i < draft->sections[SECTION_COOKIES].n; i++)
		check_cookie(&r, &draft->sections[SECTION_COOKIES].v[i]);
	for (size_t i = 0; i < draft->sections[SECTION_VERIFY].n; i++)
		check_verifier(&r, &draft->sections[SECTION_VERIFY].v[i]);
	for (size_t i = 0; i < draft->sections[SECTION_CONTROL].n; i++)
		check_verifier(&r, &draft->sections[SECTION_CONTROL].v[i]);
}
