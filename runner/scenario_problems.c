/* The mistakes of one file, with their places. */
#include "runner/scenario_problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void add(struct problems *problems, const struct yaml_node *at, const char *path,
	bool warning, const char *format, va_list args)
{
	char reason[600];
	struct problem *problem;

	problems->errors += !warning;
	if (problems->n == PROBLEMS_MAX) {
		problems->dropped++;
		return;
	}
	vsnprintf(reason, sizeof(reason), format, args);
	problem = &problems->v[problems->n];
	problem->line = at ? at->line : 1;
	problem->column = at ? at->column : 1;
	problem->warning = warning;
	problem->text = *path ? str_format("%s: %s", path, reason) : strdup(reason);
	if (problem->text)
		problems->n++;
	else
		problems->dropped++;
}

int problem_error(struct problems *problems, const struct yaml_node *at, const char *path,
	const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(problems, at, path, false, format, args);
	va_end(args);
	return -1;
}

int problem_warning(struct problems *problems, const struct yaml_node *at, const char *path,
	const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(problems, at, path, true, format, args);
	va_end(args);
	return -1;
}

static int by_place(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;

	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->column != y->column)
		return x->column < y->column ? -1 : 1;
	return strcmp(x->text, y->text);
}

int problems_tell(struct problems *problems, struct buf *out, struct err *err)
{
	const struct problem *first = NULL;

	qsort(problems->v, problems->n, sizeof(problems->v[0]), by_place);
	for (size_t i = 0; i < problems->n; i++) {
		const struct problem *p = &problems->v[i];

		if (!p->warning && !first)
			first = p;
		buf_addf(out, "%s:%u:%u: %s%s\n", problems->file, p->line, p->column,
			p->warning ? "warning: " : "", p->text);
	}
	if (problems->dropped)
		buf_addf(out, "%s: and %zu more\n", problems->file, problems->dropped);
	if (!problems->errors)
		return 0;
	if (!first)
		return err_set(
			err, ERR_NOMEM, "%s: no memory to tell its mistakes", problems->file);
	err_set(err, ERR_CONFIG, "%s:%u:%u: %s", problems->file, first->line, first->column,
		first->text);
	if (problems->errors > 1)
		err_set(err, ERR_CONFIG, "%s:%u:%u: %.300s (and %zu more: crumble check tells all)",
			problems->file, first->line, first->column, first->text,
			problems->errors - 1);
	return -1;
}

void problems_done(struct problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		free(problems->v[i].text);
	problems->n = 0;
}
