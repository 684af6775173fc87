/*
 * Reporters: a result as a document. Pure functions: bytes into a buffer, no files, no clock.
 *
 * A plug-in is one file that ends in `const struct reporter_ops reporter_NAME`, and one line in
 * reporters.def.
 */
#ifndef CRUMBLE_REPORTS_REPORTER_H
#define CRUMBLE_REPORTS_REPORTER_H

#include "base/buf.h"
#include "reports/result.h"

#include <stdbool.h>

#define REPORT_MAX_BYTES ((size_t)9 << 20) /* consumers of JUnit refuse 10 MB */

struct reporter_ops {
	const char *name, *doc;
	const char *file;    /* in the run's folder */
	bool checkpoint;     /* written at every change while a run lives */
	int (*write)(const struct result *result, struct buf *out, struct err *err);
};

extern const struct reporter_ops *const reporters[]; /* NULL-terminated, in the order of the list */
const struct reporter_ops *reporter_find(const char *name);

/* Several results in one JUnit document, a suite each. */
int junit_write_all(const struct result *const *results, size_t n, struct buf *out,
	struct err *err);

#endif
