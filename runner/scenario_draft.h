/*
 * A scenario between the file and struct scenario: every section's entries as form structs and
 * kinds' params. Made twice: by the checks from the tree with marks, and by the loader.
 */
#ifndef CRUMBLE_RUNNER_SCENARIO_DRAFT_H
#define CRUMBLE_RUNNER_SCENARIO_DRAFT_H

#include "runner/scenario_form.h"
#include "runner/scenario_problems.h"

struct draft_entry {
	void *form;                          /* of the section's struct, defaults filled in */
	int kind;                            /* in the section's set; -1: none */
	void *params;                        /* of the kind; NULL without one */
	const struct yaml_node *node, *kind_node; /* NULL where the file has none */
	char path[PATH_BYTES];
	bool bad;                            /* has a mistake: its values are not to be trusted */
};

struct draft_section {
	struct draft_entry *v;
	size_t n; /* sections that are one map without kinds: always 1 */
};

struct draft {
	struct draft_section sections[SECTION_COUNT];
};

/* A new entry with the section's defaults, behind the others. NULL with `err` set. */
struct draft_entry *draft_add(struct draft *draft, enum section_id id, struct err *err);
/* Gives an entry its kind, with that kind's defaults. */
int draft_set_kind(struct draft_entry *entry, enum section_id id, int kind, struct err *err);
void draft_done(struct draft *draft);

/* The first entry's form of a section. */
static inline void *draft_form(const struct draft *draft, enum section_id id)
{
	return draft->sections[id].v[0].form;
}

/* Fills the draft from the tree: keys, types, limits, kinds, files, references. */
void draft_check(struct draft *draft, const struct yaml_node *root, const char *dir,
	struct problems *problems);
/* What the values must be to one another: names, phases, expectations that the plan can yield. */
void draft_check_rules(struct draft *draft, const char *dir, struct problems *problems);

/* ---- what the rules and the loader both derive ---- */

bool draft_is_finite(const struct draft_entry *verify);
/* Between due times, from rate or every; 0: a rate that is none. */
int64_t draft_period_ns(const struct form_verify *form);
int64_t draft_timeout_ns(const struct draft_entry *verify);
unsigned draft_concurrency(const struct draft_entry *verify);
unsigned draft_phases(const struct draft_entry *verify);
/* ns, 0 for until-done, -1 for what is neither. */
int64_t draft_faults_ns(const struct form_phases *phases, struct err *err);
/* "20/s" in a period. */
int rate_parse(const char *text, int64_t *ret_period_ns, struct err *err);
/* DIR/name, or name when it is absolute; to be freed. */
char *path_in(const char *dir, const char *name);

#endif
