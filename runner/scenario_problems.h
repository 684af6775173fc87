/*
 * The mistakes of one file, with their places, told in the file's order.
 */
#ifndef CRUMBLE_RUNNER_SCENARIO_PROBLEMS_H
#define CRUMBLE_RUNNER_SCENARIO_PROBLEMS_H

#include "base/buf.h"
#include "base/yaml.h"

#define PROBLEMS_MAX 200

struct problem {
	unsigned line, column;
	bool warning;
	char *text; /* "path: reason" */
};

struct problems {
	const char *file;
	struct problem v[PROBLEMS_MAX];
	size_t n, errors, dropped;
};

#define PATH_BYTES 128

/* `at` NULL: the file as a whole. Both return -1, so that a check can end with them. */
int problem_error(struct problems *problems, const struct yaml_node *at, const char *path,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
int problem_warning(struct problems *problems, const struct yaml_node *at, const char *path,
	const char *format, ...) __attribute__((format(printf, 4, 5)));
/* All of them into out, one a line, in the file's order; `err` gets the first mistake and their
 * number. -1 when there is a mistake; warnings are none. */
int problems_tell(struct problems *problems, struct buf *out, struct err *err);
void problems_done(struct problems *problems);

#endif
