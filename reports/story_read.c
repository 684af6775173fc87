/* A journal's events, one after another, into the story's structures. */
#include "base/buf.h"
#include "reports/grow.h"
#include "reports/story.h"

#include <stdio.h>

/* ---- small parts ---- */

/* Out of memory is remembered and told once, at the end. */
static char *copy(struct story *s, const char *text)
{
	char *copied = text ? strdup(text) : NULL;

	if (text && !copied)
		s->nomem = true;
	return copied;
}

static char *copy_key(struct story *s, const cJSON *e, const char *key)
{
	return copy(s, json_str(e, key, NULL));
}

static bool is(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

static int64_t time_of(const cJSON *e)
{
	return json_int(e, 0, "t", NULL);
}

static void tell(struct story *s, const cJSON *e, struct story_told *told)
{
	free(told->message);
	told->ok = json_bool(e, 0, "ok", NULL);
	told->t = time_of(e);
	told->message = copy_key(s, e, "message");
}

static void add_string(struct story *s, char ***list, size_t *n, const char *text)
{
	char **place = text ? GROW(*list, *n) : NULL;

	if (place)
		*place = copy(s, text);
	else if (text)
		s->nomem = true;
	if (place && !*place)
		--*n;
}

/* ---- who takes part ---- */

static struct story_cookie *cookie_of(struct story *s, const char *name)
{
	struct story_cookie *c;

	if (!name)
		return NULL;
	for (size_t i = 0; i < s->n_cookies; i++)
		if (is(s->cookies[i].name, name))
			return &s->cookies[i];
	c = GROW(s->cookies, s->n_cookies);
	if (!c) {
		s->nomem = true;
		return NULL;
	}
	c->name = copy(s, name);
	c->begin_ns = c->end_ns = -1;
	c->settle_ns = INT64_C(5000000000);
	return c;
}

static struct story_verifier *verifier_of(struct story *s, const char *name)
{
	struct story_verifier *v;

	if (!name)
		return NULL;
	for (size_t i = 0; i < s->n_verifiers; i++)
		if (is(s->verifiers[i].name, name))
			return &s->verifiers[i];
	v = GROW(s->verifiers, s->n_verifiers);
	if (!v) {
		s->nomem = true;
		return NULL;
	}
	v->name = copy(s, name);
	v->begin_ns = v->end_ns = -1;
	v->success.ok = -1;
	v->flap = 1;
	v->phases = 7;
	return v;
}

static void on_cookie(struct story *s, const cJSON *e)
{
	struct story_cookie *c = cookie_of(s, json_str(e, "name", NULL));
	const char *mark = json_str(e, "mark", NULL);

	if (!c)
		return;
	if (is(mark, "begin"))
		c->begin_ns = time_of(e);
	else if (is(mark, "end"))
		c->end_ns = time_of(e);
	if (!c->kind)
		c->kind = copy_key(s, e, "kind");
	c->line = (unsigned)json_int(e, c->line, "line", NULL);
	c->instant = json_bool(e, c->instant, "instant", NULL);
	c->settle_ns = json_int(e, c->settle_ns, "settle", NULL);
}

static void take_phases(struct story_verifier *v, const cJSON *phases)
{
	const cJSON *name;
	unsigned bits = 0;

	cJSON_ArrayForEach(name, phases)
	{
		for (int p = STORY_BASELINE; p <= STORY_RECOVERY; p++)
			if (is(cJSON_GetStringValue(name), story_phase_names[p]))
				bits |= 1u << (p - STORY_BASELINE);
	}
	if (bits)
		v->phases = bits;
}

static void take_file(struct story *s, struct story_verifier *v, const cJSON *e)
{
	const char *file = json_str(e, "file", NULL);
	struct story_file *f;

	if (!file || strchr(file, '/'))
		return;
	for (size_t i = 0; i < v->n_files; i++)
		if (is(v->files[i].file, file))
			return;
	f = GROW(v->files, v->n_files);
	if (!f) {
		s->nomem = true;
		return;
	}
	f->file = copy(s, file);
	f->workload = copy_key(s, e, "workload");
}

static void on_verifier(struct story *s, const cJSON *e)
{
	struct story_verifier *v = verifier_of(s, json_str(e, "name", NULL));
	const char *mark = json_str(e, "mark", NULL);

	if (!v)
		return;
	if (is(mark, "begin")) {
		v->begin_ns = v->begin_ns < 0 ? time_of(e) : v->begin_ns;
		take_file(s, v, e);
	} else if (is(mark, "end")) {
		v->end_ns = time_of(e);
		if (json_at(e, "ok", NULL))
			tell(s, e, &v->success);
	}
	if (!v->kind)
		v->kind = copy_key(s, e, "kind");
	v->finite = json_bool(e, v->finite, "finite", NULL);
	v->control = json_bool(e, v->control, "control", NULL);
	v->period_ns = json_int(e, v->period_ns, "period", NULL);
	v->timeout_ns = json_int(e, v->timeout_ns, "timeout", NULL);
	v->warmup_ns = json_int(e, v->warmup_ns, "warmup", NULL);
	v->flap = (unsigned)json_int(e, v->flap, "flap", NULL);
	v->line = (unsigned)json_int(e, v->line, "line", NULL);
	take_phases(v, json_at(e, "phases", NULL));
}

static void on_expect(struct story *s, const cJSON *e)
{
	bool of_cookie = is(json_str(e, "role", NULL), "cookie");
	const char *of = json_str(e, "of", NULL), *text = json_str(e, "text", NULL);
	struct story_cookie *c = of_cookie ? cookie_of(s, of) : NULL;
	struct story_verifier *v = of_cookie ? NULL : verifier_of(s, of);
	struct story_expect *x = NULL;

	if (!text || (!c && !v))
		return;
	x = c ? GROW(c->expects, c->n_expects) : GROW(v->expects, v->n_expects);
	if (!x) {
		s->nomem = true;
		return;
	}
	x->text = copy(s, text);
	x->line = (unsigned)json_int(e, 0, "line", NULL);
	x->readable = !expectation_parse(text, of_cookie, &x->parsed, NULL);
}

static void on_detail(struct story *s, const cJSON *e)
{
	struct story_verifier *v = verifier_of(s, json_str(e, "verifier", NULL));
	struct story_detail *d = v ? GROW(v->details, v->n_details) : NULL;

	if (!d) {
		s->nomem |= v != NULL;
		return;
	}
	d->number = (uint16_t)json_int(e, 0, "number", NULL);
	d->text = copy_key(s, e, "text");
}

static void on_case(struct story *s, const cJSON *e)
{
	struct story_verifier *v = verifier_of(s, json_str(e, "verifier", NULL));
	struct story_case *c = v ? GROW(v->cases, v->n_cases) : NULL;
	const char *verdict = json_str(e, "verdict", NULL);

	if (!c) {
		s->nomem |= v != NULL;
		return;
	}
	c->name = copy_key(s, e, "name");
	c->message = copy_key(s, e, "message");
	c->text = copy_key(s, e, "text");
	c->verdict = is(verdict, "pass")   ? VERDICT_PASS
		     : is(verdict, "fail") ? VERDICT_FAIL
		     : is(verdict, "skip") ? VERDICT_SKIP
					   : VERDICT_BROKEN;
}

/* ---- what was done ---- */

static struct story_bite *bite_of(struct story *s, const cJSON *e)
{
	const char *id = json_str(e, "bite", NULL);

	for (size_t i = s->n_bites; id && i-- > 0;)
		if (is(s->bites[i].b.id, id))
			return &s->bites[i];
	return NULL;
}

static char *workload_text(const cJSON *target, const char *ns)
{
	const char *kind = json_str(target, "workload", "kind", NULL);
	const char *name = json_str(target, "workload", "name", NULL);

	return kind && name ? str_format("%s %s/%s", kind, ns ? ns : "default", name) : NULL;
}

static void take_targets(struct story *s, struct story_bite *bite, const cJSON *targets)
{
	size_t n = (size_t)cJSON_GetArraySize(targets), i = 0;
	const cJSON *target;

	if (!n)
		return;
	bite->b.targets = calloc(n, sizeof(*bite->b.targets));
	bite->workloads = calloc(n, sizeof(*bite->workloads));
	if (!bite->b.targets || !bite->workloads) {
		s->nomem = true;
		return;
	}
	bite->b.n_targets = n;
	cJSON_ArrayForEach(target, targets)
	{
		struct result_target *t = &bite->b.targets[i];

		t->kind = copy_key(s, target, "kind");
		t->ns = copy_key(s, target, "namespace");
		t->name = copy_key(s, target, "name");
		t->uid = copy_key(s, target, "uid");
		t->gone_ns = t->replaced_ns = t->scheduled_ns = t->ready_ns = -1;
		bite->workloads[i++] = workload_text(target, t->ns);
	}
}

static void on_bite_intent(struct story *s, const cJSON *e)
{
	const struct story_cookie *c = cookie_of(s, json_str(e, "cookie", NULL));
	struct story_bite *bite = c ? GROW(s->bites, s->n_bites) : NULL;

	if (!bite) {
		s->nomem |= c != NULL;
		return;
	}
	bite->instant = c->instant;
	bite->settle_ns = c->settle_ns;
	bite->b.id = copy_key(s, e, "bite");
	bite->b.cookie = copy(s, c->name);
	bite->b.due_ns = json_int(e, time_of(e), "due", NULL);
	bite->b.sent_ns = bite->b.done_ns = bite->b.proof_ns = bite->b.end_ns = -1;
	bite->heal_proof_ns = -1;
	bite->done.ok = bite->heal.ok = -1;
	take_targets(s, bite, json_at(e, "targets", NULL));
}

static void on_bite_proof(struct story *s, struct story_bite *bite, const cJSON *e)
{
	bite->b.proved = is(json_str(e, "verdict", NULL), "proved");
	bite->disproved = !bite->b.proved;
	bite->b.proof_ns = time_of(e);
	free(bite->b.evidence);
	bite->b.evidence = copy_key(s, e, "evidence");
}

/* An instant bite ends when all its replacements are Ready. */
static void ended_by_ready(struct story_bite *bite)
{
	int64_t last = -1;

	for (size_t i = 0; i < bite->b.n_targets; i++) {
		if (bite->b.targets[i].ready_ns < 0)
			return;
		if (bite->b.targets[i].ready_ns > last)
			last = bite->b.targets[i].ready_ns;
	}
	if (!bite->instant || last < 0)
		return;
	bite->b.end_ns = last;
	bite->b.recovered = true;
}

static void first_time(int64_t *at, const cJSON *e)
{
	if (*at < 0)
		*at = time_of(e);
}

static void on_target(struct story *s, const cJSON *e)
{
	struct story_bite *bite = bite_of(s, e);
	int64_t index = json_int(e, -1, "target", NULL);
	const char *state = json_str(e, "state", NULL);
	struct result_target *t;

	if (!bite || index < 0 || (size_t)index >= bite->b.n_targets)
		return;
	t = &bite->b.targets[index];
	if (is(state, "gone"))
		first_time(&t->gone_ns, e);
	else if (is(state, "replaced"))
		first_time(&t->replaced_ns, e);
	else if (is(state, "scheduled"))
		first_time(&t->scheduled_ns, e);
	else if (is(state, "ready"))
		first_time(&t->ready_ns, e);
	if (!is(state, "gone") && json_str(e, "uid", NULL)) {
		free(t->new_name);
		free(t->new_uid);
		t->new_name = copy_key(s, e, "name");
		t->new_uid = copy_key(s, e, "uid");
	}
	ended_by_ready(bite);
}

static void on_bite(struct story *s, const char *name, const cJSON *e)
{
	struct story_bite *bite = bite_of(s, e);

	if (!bite)
		return;
	if (is(name, "bite.sent")) {
		first_time(&bite->b.sent_ns, e);
	} else if (is(name, "bite.done")) {
		tell(s, e, &bite->done);
		bite->b.done_ns = time_of(e);
	} else if (is(name, "bite.proof")) {
		on_bite_proof(s, bite, e);
	} else if (is(name, "heal.done")) {
		tell(s, e, &bite->heal);
	} else if (is(name, "heal.proof")) {
		first_time(&bite->heal_proof_ns, e);
		if (!bite->instant) {
			bite->b.end_ns = bite->heal_proof_ns;
			bite->b.recovered = true;
		}
	}
}

static bool same(const char *a, const char *b)
{
	return a == b || is(a, b);
}

static void on_bite_skip(struct story *s, const cJSON *e)
{
	const cJSON *w = json_at(e, "workload", NULL);
	const char *cookie = json_str(e, "cookie", NULL), *reason = json_str(e, "reason", NULL);
	const char *kind = json_str(w, "kind", NULL), *ns = json_str(w, "namespace", NULL);
	const char *name = json_str(w, "name", NULL);
	struct result_skip *skip;

	for (size_t i = 0; i < s->n_skips; i++) {
		skip = &s->skips[i];
		if (same(skip->cookie, cookie) && same(skip->reason, reason) &&
			same(skip->kind, kind) && same(skip->ns, ns) && same(skip->name, name)) {
			skip->times++;
			return;
		}
	}
	skip = GROW(s->skips, s->n_skips);
	if (!skip) {
		s->nomem = true;
		return;
	}
	*skip = (struct result_skip){ .cookie = copy(s, cookie),
		.kind = copy(s, kind),
		.ns = copy(s, ns),
		.name = copy(s, name),
		.reason = copy(s, reason),
		.times = 1 };
}

static void on_deploy(struct story *s, const char *name, const cJSON *e)
{
	const char *of = json_str(e, "name", NULL);
	struct story_deploy *d = NULL;

	for (size_t i = 0; i < s->n_deploys; i++)
		if (is(s->deploys[i].name, of))
			d = &s->deploys[i];
	if (!d && is(name, "deploy.intent")) {
		d = GROW(s->deploys, s->n_deploys);
		if (!d) {
			s->nomem = true;
			return;
		}
		d->name = copy(s, of ? of : "?");
		d->done.ok = d->undo.ok = -1;
	}
	if (!d)
		return;
	if (is(name, "deploy.done"))
		tell(s, e, &d->done);
	if (is(name, "undo.done")) {
		tell(s, e, &d->undo);
		d->kept = json_bool(e, 0, "kept", NULL);
	}
}

static void on_phase(struct story *s, const cJSON *e)
{
	const char *name = json_str(e, "name", NULL);
	bool begins = is(json_str(e, "mark", NULL), "begin");

	for (int p = 0; p < STORY_PHASES; p++)
		if (is(name, story_phase_names[p]))
			first_time(begins ? &s->begin[p] : &s->end[p], e);
}

static void on_sweep(struct story *s, const cJSON *e)
{
	const cJSON *line;

	while (s->n_sweep_left) /* the last sweep counts: heal sweeps again */
		free(s->sweep_left[--s->n_sweep_left]);
	free(TAKE(s->sweep_left));
	tell(s, e, &s->sweep);
	cJSON_ArrayForEach(line, json_at(e, "left", NULL))
	{
		OWN_MEM char *text = cJSON_IsString(line) ? NULL : json_print(line);

		add_string(s, &s->sweep_left, &s->n_sweep_left,
			text ? text : cJSON_GetStringValue(line));
	}
}

/* A second signal does not change what ended the run. */
static void on_signal(struct story *s, const cJSON *e)
{
	if (s->signal)
		return;
	s->signal = (int)json_int(e, 0, "signal", NULL);
	s->signal_name = copy_key(s, e, "name");
	s->signal_ns = time_of(e);
}

static void on_run(struct story *s, const cJSON *e)
{
	if (!s->run)
		s->run = cJSON_Duplicate(e, true);
	s->nomem |= !s->run;
}

/* What was known of it only once it had answered. */
static void on_cluster(struct story *s, const cJSON *e)
{
	static const char *const keys[] = { "server", "version" };
	cJSON *cluster = cJSON_GetObjectItemCaseSensitive(s->run, "cluster");

	for (size_t i = 0; cluster && i < ARRAY_LEN(keys); i++) {
		const char *value = json_str(e, keys[i], NULL);

		if (!value)
			continue;
		cJSON_DeleteItemFromObjectCaseSensitive(cluster, keys[i]);
		s->nomem |= !cJSON_AddStringToObject(cluster, keys[i], value);
	}
}

static int on_event(void *arg, const cJSON *e)
{
	struct story *s = arg;
	const char *name = json_str(e, "e", NULL);
	int64_t t = time_of(e);

	s->last_ns = t > s->last_ns ? t : s->last_ns;
	if (is(name, "signal") || is(name, "error"))
		first_time(&s->cut_ns, e);
	if (is(name, "run"))
		on_run(s, e);
	else if (is(name, "cluster"))
		on_cluster(s, e);
	else if (is(name, "cookie"))
		on_cookie(s, e);
	else if (is(name, "verifier"))
		on_verifier(s, e);
	else if (is(name, "expect"))
		on_expect(s, e);
	else if (is(name, "phase"))
		on_phase(s, e);
	else if (is(name, "preflight"))
		tell(s, e, &s->preflight);
	else if (is(name, "gate"))
		tell(s, e, &s->gate);
	else if (is(name, "sweep"))
		on_sweep(s, e);
	else if (is(name, "bite.intent"))
		on_bite_intent(s, e);
	else if (is(name, "bite.skip"))
		on_bite_skip(s, e);
	else if (is(name, "target"))
		on_target(s, e);
	else if (!strncmp(name, "bite.", 5) || !strncmp(name, "heal.", 5))
		on_bite(s, name, e);
	else if (!strncmp(name, "deploy.", 7) || !strncmp(name, "undo.", 5))
		on_deploy(s, name, e);
	else if (is(name, "detail"))
		on_detail(s, e);
	else if (is(name, "case"))
		on_case(s, e);
	else if (is(name, "note"))
		add_string(s, &s->notes, &s->n_notes, json_str(e, "text", NULL));
	else if (is(name, "error"))
		add_string(s, &s->errors, &s->n_errors, json_str(e, "text", NULL));
	else if (is(name, "signal"))
		on_signal(s, e);
	else if (is(name, "run.end")) {
		s->ended = true;
		s->ended_ns = t;
	}
	return s->nomem;
}

/* A replacement that comes when recovery is over comes too late. */
static void judge_late(struct story *s)
{
	int64_t end_ns = s->end[STORY_RECOVERY];

	for (size_t i = 0; end_ns >= 0 && i < s->n_bites; i++)
		if (s->bites[i].instant && s->bites[i].b.end_ns > end_ns)
			s->bites[i].b.recovered = false;
}

int story_read(const char *dir, struct story **ret_story, struct err *err)
{
	struct story *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ERR_NOMEM, "%s: no memory", dir);
	for (int p = 0; p < STORY_PHASES; p++)
		s->begin[p] = s->end[p] = -1;
	s->preflight.ok = s->gate.ok = s->sweep.ok = -1;
	s->cut_ns = -1;
	s->dir = copy(s, dir);
	if (journal_read(dir, on_event, s, &s->journal, err) ||
		(s->nomem && err_set(err, ERR_NOMEM, "%s: no memory to read the journal", dir))) {
		story_free(s);
		return -1;
	}
	judge_late(s);
	*ret_story = s;
	return 0;
}
