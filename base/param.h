/*
 * Parameter tables: what a kind (cookie, verifier, deployer) can be told. From its rows are made
 * the scenario's schema and checks, `crumble list --markdown`, and the values themselves: a kind's
 * params struct is filled by param_set from the text in the file, so that no parser guesses types.
 */
#ifndef CRUMBLE_BASE_PARAM_H
#define CRUMBLE_BASE_PARAM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum param_type {
	PARAM_STRING,   /* char *, NULL when absent and without default */
	PARAM_BOOL,     /* bool: true or false, nothing else */
	PARAM_INT,      /* int64_t: plain decimal */
	PARAM_NUMBER,   /* double */
	PARAM_PERCENT,  /* double, 0..100, written "1%" */
	PARAM_DURATION, /* int64_t ns, written "30s" */
	PARAM_ENUM,     /* int: index into `choices` */
	PARAM_STRINGS,  /* struct strings: a list of strings */
};

struct strings {
	char **v; /* each to be freed, and v; NULL-terminated when not NULL */
	size_t n;
};

struct param {
	const char *name;             /* the key in the file; NULL ends the table */
	enum param_type type;
	size_t offset;                /* of the member in the params struct */
	const char *def;              /* default in the file's own spelling; NULL: none */
	bool required;
	double min, max;              /* for numbers and durations (seconds); both 0: no limits */
	const char *const *choices;   /* PARAM_ENUM: NULL-terminated */
	const char *doc;              /* one line */
	size_t given;                 /* offset of a bool that becomes true once the value is set,
				       * where absent differs from every value; 0: none */
	bool file;                    /* names a file, looked up from the scenario's folder: it must
				       * be there when the scenario is checked */
};

#define PARAM_END { .name = NULL }

/* Fills a zeroed struct with the table's defaults. */
int param_defaults(const struct param *table, void *params, struct err *err);
/* Sets one scalar from its text, checking type and limits; an earlier value is freed. The error
 * says what was expected, without the parameter's name (the caller has the place). */
int param_set(const struct param *param, void *params, const char *text, struct err *err);
/* Appends to a PARAM_STRINGS. */
int param_append(const struct param *param, void *params, const char *text, struct err *err);
/* Frees what the params own; zeroed and NULL are fine. */
void param_done(const struct param *table, void *params);

const struct param *param_find(const struct param *table, const char *name);
/* "string", "duration", ... for documentation and messages. */
const char *param_type_name(enum param_type type);

#endif
