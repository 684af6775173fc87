/* The result of a run: names of verdicts, and freeing. */
#include "reports/result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *verdict_name(enum verdict verdict)
{
	static const char *const names[] = { "PASS", "FAIL", "BROKEN", "SKIP" };

	return (unsigned)verdict < 4 ? names[verdict] : "BROKEN";
}

static int rank(int code)
{
	return code == EXIT_UNHEALED ? 6
	       : code > 128          ? 5
	       : code == EXIT_USAGE  ? 4
	       : code == EXIT_FAILED ? 3
	       : code == EXIT_BROKEN ? 2
	       : code                ? 1
				     : 0;
}

int exit_code_worse(int a, int b)
{
	return rank(b) > rank(a) ? b : a;
}

struct result *result_without_record(
	const char *scenario, const char *case_name, const char *type, const char *message)
{
	struct result *result = calloc(1, sizeof(*result));
	struct result_case *only = calloc(1, sizeof(*only));

	if (!result || !only) {
		free(result);
		free(only);
		return NULL;
	}
	*only = (struct result_case){ .name = strdup(case_name),
		.verdict = VERDICT_BROKEN,
		.type = strdup(type),
		.message = strdup(message),
		.value = NAN,
		.low = NAN,
		.high = NAN };
	result->scenario = strdup(scenario);
	result->title = strdup(scenario);
	result->verdict = VERDICT_BROKEN;
	result->exit_code = EXIT_BROKEN;
	result->complete = true;
	result->cases = only;
	result->n_cases = 1;
	if (result->scenario && result->title && only->name && only->type && only->message)
		return result;
	result_free(result);
	return NULL;
}

static void case_done(struct result_case *c)
{
	free(c->name);
	free(c->type);
	free(c->message);
	free(c->text);
	free(c->metric);
	free(c->limit);
	free(c->unit);
	free(c->window);
	free(c->bite);
}

static void strings_free(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

void result_outage_done(struct result_outage *o)
{
	free(o->verifier);
	strings_free(o->bites, o->n_bites);
	free(o->detail);
}

void result_bite_done(struct result_bite *b)
{
	for (size_t i = 0; i < b->n_targets; i++) {
		free(b->targets[i].kind);
		free(b->targets[i].ns);
		free(b->targets[i].name);
		free(b->targets[i].uid);
		free(b->targets[i].new_name);
		free(b->targets[i].new_uid);
	}
	free(b->targets);
	free(b->id);
	free(b->cookie);
	free(b->evidence);
}

void result_skip_done(struct result_skip *s)
{
	free(s->cookie);
	free(s->kind);
	free(s->ns);
	free(s->name);
	free(s->reason);
}

static void names_free(struct result *r)
{
	char *all[] = { r->dir, r->run_id, r->scenario, r->title, r->file, r->wall, r->tool,
		r->commit, r->sha256, r->seed, r->host, r->cluster };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		free(all[i]);
}

void result_free(struct result *r)
{
	if (!r)
		return;
	names_free(r);
	for (size_t i = 0; i < r->n_cases; i++)
		case_done(&r->cases[i]);
	for (size_t i = 0; i < r->n_outages; i++)
		result_outage_done(&r->outages[i]);
	for (size_t i = 0; i < r->n_bites; i++)
		result_bite_done(&r->bites[i]);
	for (size_t i = 0; i < r->n_verifiers; i++) {
		free(r->verifiers[i].name);
		free(r->verifiers[i].kind);
	}
	for (size_t i = 0; i < r->n_phases; i++)
		free(r->phases[i].name);
	for (size_t i = 0; i < r->n_skips; i++)
		result_skip_done(&r->skips[i]);
	free(r->cases);
	free(r->outages);
	free(r->bites);
	free(r->verifiers);
	free(r->phases);
	free(r->skips);
	strings_free(r->left, r->n_left);
	strings_free(r->notes, r->n_notes);
	free(r);
}
