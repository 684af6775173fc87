/* The scenario between file and struct, and what is derived from its entries. */
#include "runner/scenario_draft.h"

#include "base/clock.h"
#include "verifiers/verifier.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_PERIOD_NS NS_PER_S
#define DEFAULT_TIMEOUT_NS (5 * NS_PER_S)
#define CONCURRENCY_MAX 256
#define RATE_MAX 10000

static void entry_done(struct draft_entry *entry, enum section_id id)
{
	struct kind kind;

	param_done(sections[id].params, entry->form);
	free(entry->form);
	if (entry->kind >= 0 && kind_at(sections[id].kinds, (size_t)entry->kind, &kind))
		param_done(kind.params, entry->params);
	free(entry->params);
}

void draft_done(struct draft *draft)
{
	for (int id = 0; id < SECTION_COUNT; id++) {
		struct draft_section *section = &draft->sections[id];

		for (size_t i = 0; i < section->n; i++)
			entry_done(&section->v[i], (enum section_id)id);
		free(section->v);
		*section = (struct draft_section){ 0 };
	}
}

struct draft_entry *draft_add(struct draft *draft, enum section_id id, struct err *err)
{
	struct draft_section *section = &draft->sections[id];
	struct draft_entry *v = realloc(section->v, (section->n + 1) * sizeof(*v)), *entry;

	if (!v) {
		err_set(err, ERR_NOMEM, "no memory for the scenario");
		return NULL;
	}
	section->v = v;
	entry = &v[section->n];
	*entry = (struct draft_entry){ .kind = -1, .form = calloc(1, sections[id].size) };
	if (!entry->form) {
		err_set(err, ERR_NOMEM, "no memory for the scenario");
		return NULL;
	}
	section->n++;
	return param_defaults(sections[id].params, entry->form, err) ? NULL : entry;
}

int draft_set_kind(struct draft_entry *entry, enum section_id id, int index, struct err *err)
{
	struct kind kind;

	if (!kind_at(sections[id].kinds, (size_t)index, &kind))
		return err_set(err, ERR_BUG, "no kind %d", index);
	entry->params = calloc(1, kind.params_size ? kind.params_size : 1);
	if (!entry->params)
		return err_set(err, ERR_NOMEM, "no memory for the scenario");
	entry->kind = index;
	return param_defaults(kind.params, entry->params, err);
}

bool draft_is_finite(const struct draft_entry *verify)
{
	return verify->kind >= 0 && verifier_kinds[verify->kind]->run;
}

int rate_parse(const char *text, int64_t *ret_period_ns, struct err *err)
{
	char *end;
	double rate = strtod(text, &end);
	double per = !strcmp(end, "/s") ? 1 : !strcmp(end, "/m") ? 60 : 0;

	if (!per || strspn(text, "0123456789.") != (size_t)(end - text) || !(rate > 0))
		return err_set(err, ERR_CONFIG, "\"%s\" is not a rate: write 20/s or 30/m", text);
	if (rate / per > RATE_MAX)
		return err_set(err, ERR_CONFIG, "%s is out of range: at most 10000/s", text);
	*ret_period_ns = llround(per / rate * (double)NS_PER_S);
	return 0;
}

int64_t draft_period_ns(const struct form_verify *form)
{
	int64_t period = 0;

	if (form->every_ns)
		return form->every_ns;
	if (!form->rate)
		return DEFAULT_PERIOD_NS;
	return rate_parse(form->rate, &period, NULL) ? 0 : period;
}

int64_t draft_timeout_ns(const struct draft_entry *verify)
{
	const struct form_verify *form = verify->form;

	if (form->timeout_ns || draft_is_finite(verify))
		return form->timeout_ns;
	return DEFAULT_TIMEOUT_NS;
}

unsigned draft_concurrency(const struct draft_entry *verify)
{
	const struct form_verify *form = verify->form;
	int64_t period = draft_period_ns(form), needed;

	if (form->concurrency)
		return (unsigned)form->concurrency;
	if (!period)
		return 1;
	/* one more: the slot at the very moment of an expiry finds a place, too */
	needed = (draft_timeout_ns(verify) + period - 1) / period + 1;
	return needed > CONCURRENCY_MAX ? CONCURRENCY_MAX : (unsigned)needed;
}

unsigned draft_phases(const struct draft_entry *verify)
{
	static const char *const names[] = { "baseline", "faults", "recovery" };
	const struct form_verify *form = verify->form;
	unsigned bits = 0;

	if (!form->phases.n)
		return draft_is_finite(verify) ? PHASE_FAULTS
					       : PHASE_BASELINE | PHASE_FAULTS | PHASE_RECOVERY;
	for (size_t i = 0; i < form->phases.n; i++)
		for (unsigned k = 0; k < ARRAY_LEN(names); k++)
			if (!strcmp(form->phases.v[i], names[k]))
				bits |= 1u << k;
	return bits;
}

int64_t draft_faults_ns(const struct form_phases *phases, struct err *err)
{
	int64_t ns;

	if (!phases->faults)
		return err_set(err, ERR_CONFIG, "is missing");
	if (!strcmp(phases->faults, "until-done"))
		return 0;
	if (clock_parse_duration(phases->faults, &ns, err))
		return err_wrap(err, "neither until-done nor a duration");
	return ns ? ns : err_set(err, ERR_CONFIG, "0s: no time for any fault");
}

char *path_in(const char *dir, const char *name)
{
	if (*name == '/' || !strcmp(dir, "."))
		return strdup(name);
	return str_format("%s/%s", dir, name);
}
