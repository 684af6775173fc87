/*
 * The list of a run's cases: complete from the plan on, in a stable order under stable names, each
 * judged as far as the record allows.
 */
#ifndef CRUMBLE_REPORTS_CASES_H
#define CRUMBLE_REPORTS_CASES_H

#include "reports/measure.h"

struct cases {
	struct result *result;
	const struct story *story;
	bool complete; /* the end is on record, or told */
	bool live;     /* it is being written */
	struct measure_env *env;
	const struct measure *const *measures; /* one a verifier; NULL: not measured */
	bool nomem;
};

/* Where a check stands. */
enum check { CHECK_DONE, CHECK_RUNNING, CHECK_WAITING, CHECK_NOT_RUN };

/* Of an expectation of a verifier. In a live run no samples are needed of checks not done. */
enum check check_of_expect(const struct cases *c, const struct story_verifier *v,
	const struct story_expect *x);

/* The phase that an expectation's window begins with. */
enum story_phase cases_first_phase(const struct story_expect *x);

/* Fills result->cases. -1 without memory. */
int cases_build(struct cases *c, struct err *err);

/* ---- parts, one file each ---- */

struct result_case *cases_add(struct cases *c, const char *name);
/* Verdict of a check that is not done. */
void cases_set_pending(struct cases *c, struct result_case *rc, enum check check,
	enum story_phase waits_for);
/* The name of an expectation's case; `many`: lower and upper limits are told apart. To be freed. */
char *cases_expect_name(const char *of, const struct story_expect *all, size_t n, size_t i);
/* The limit: ">= 99.5%"; NULL for metrics without. To be freed. */
char *cases_limit(const struct story_expect *x);
/* Why the run got nowhere ("steady state was not reached"); NULL: it did not stop early. */
const char *cases_blocked(const struct cases *c);
bool cases_deploy_failed(const struct story *s, const struct story_deploy **ret);

void cases_of_cookie(struct cases *c, const struct story_cookie *cookie);
void cases_of_verifier(struct cases *c, size_t verifier);
void cases_run_completed(struct cases *c);
void cases_nothing_left(struct cases *c);

#endif
