/* The structures of a run's story, and small questions to it. Reading: story_read.c. */
#include "reports/story.h"

#include <string.h>

const char *const story_phase_names[STORY_PHASES] = { "deploy", "baseline", "faults", "recovery",
	"sweep", "teardown" };

static void strings_free(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

static void expects_free(struct story_expect *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i].text);
	free(v);
}

static void cookie_done(struct story_cookie *c)
{
	free(c->name);
	free(c->kind);
	expects_free(c->expects, c->n_expects);
}

static void verifier_done(struct story_verifier *v)
{
	free(v->name);
	free(v->kind);
	free(v->success.message);
	for (size_t i = 0; i < v->n_files; i++) {
		free(v->files[i].file);
		free(v->files[i].workload);
	}
	free(v->files);
	expects_free(v->expects, v->n_expects);
	for (size_t i = 0; i < v->n_details; i++)
		free(v->details[i].text);
	free(v->details);
	for (size_t i = 0; i < v->n_cases; i++) {
		free(v->cases[i].name);
		free(v->cases[i].message);
		free(v->cases[i].text);
	}
	free(v->cases);
}

static void bite_done(struct story_bite *bite)
{
	if (bite->workloads)
		strings_free(bite->workloads, bite->b.n_targets);
	result_bite_done(&bite->b);
	free(bite->done.message);
	free(bite->heal.message);
}

static void deploy_done(struct story_deploy *d)
{
	free(d->name);
	free(d->done.message);
	free(d->undo.message);
}

void story_free(struct story *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n_cookies; i++)
		cookie_done(&s->cookies[i]);
	for (size_t i = 0; i < s->n_verifiers; i++)
		verifier_done(&s->verifiers[i]);
	for (size_t i = 0; i < s->n_bites; i++)
		bite_done(&s->bites[i]);
	for (size_t i = 0; i < s->n_deploys; i++)
		deploy_done(&s->deploys[i]);
	for (size_t i = 0; i < s->n_skips; i++)
		result_skip_done(&s->skips[i]);
	free(s->cookies);
	free(s->verifiers);
	free(s->bites);
	free(s->deploys);
	free(s->skips);
	strings_free(s->errors, s->n_errors);
	strings_free(s->notes, s->n_notes);
	strings_free(s->sweep_left, s->n_sweep_left);
	free(s->preflight.message);
	free(s->gate.message);
	free(s->sweep.message);
	free(s->signal_name);
	free(s->dir);
	cJSON_Delete(s->run);
	free(s);
}

const char *story_phase_at(const struct story *s, int64_t at_ns)
{
	for (int p = STORY_PHASES - 1; p >= 0; p--)
		if (s->begin[p] >= 0 && s->begin[p] <= at_ns)
			return story_phase_names[p];
	return "start";
}

const char *story_phase_now(const struct story *s)
{
	return story_phase_at(s, INT64_MAX);
}

bool story_touched(const struct story *s)
{
	return s->n_bites || s->n_deploys;
}

/* What was intended may have been done, also where no request is on record. */
bool story_bite_open(const struct story_bite *bite)
{
	return !bite->instant && bite->heal_proof_ns < 0;
}

bool story_deploy_open(const struct story_deploy *d)
{
	return !d->kept && d->undo.ok != 1;
}

bool story_own_sandbox(const struct story *s)
{
	const char *kind = json_str(s->run, "cluster", "kind", NULL);

	return kind && !strcmp(kind, "sandbox");
}
