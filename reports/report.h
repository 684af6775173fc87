/*
 * From a run's record to a verdict and documents. Everything is made from OUT/NAME alone, so that
 * it can be made again from a dead run's folder.
 */
#ifndef CRUMBLE_REPORTS_REPORT_H
#define CRUMBLE_REPORTS_REPORT_H

#include "base/err.h"
#include "reports/result.h"

#include <stdbool.h>

/* Judges the record in `dir` as it stands. A record that is being written (no run.end) gives an
 * incomplete result: finished checks have their verdict, running ones are BROKEN "still running",
 * those not begun SKIP. `ending`: as if run.end stood there (how the runner learns the verdict that
 * it then writes into run.end). */
int report_build(const char *dir, bool ending, struct result **ret_result, struct err *err);

/* junit.xml, report.json and summary.txt into `dir`, each atomically. `checkpoint`: junit.xml
 * alone (written at every change while a run lives). */
int report_write(const char *dir, const struct result *result, bool checkpoint, struct err *err);

/* OUT/junit.xml of all given results, in order. */
int report_write_merged(const char *out_dir, const struct result *const *results, size_t n,
	struct err *err);

/* Steady state of the baseline, as measuring.md defines it, from the record so far (called when
 * the baseline has ended). *ret_ok false: `message` (256 bytes) says which limit, what was
 * measured. */
int report_gate(const char *dir, bool *ret_ok, char message[256], struct err *err);

/* Space for the JUnit file of a run whose disk fills up: set aside in `dir` at the start, used by
 * report_write when there is none left, given back at the end. */
int report_reserve(const char *dir, struct err *err);
void report_release(const char *dir);

/* The verdict table, outages, bites and files as plain text (summary.txt), for the terminal too.
 * colour: ANSI. To be freed. */
char *report_text(const struct result *result, bool colour);

#endif
