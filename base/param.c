/* Parameter tables: a kind's values from the text in the file. */
#include "base/param.h"

#include "base/clock.h"
#include "base/own.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void *member(const struct param *param, void *params)
{
	return (char *)params + param->offset;
}

const struct param *param_find(const struct param *table, const char *name)
{
	for (; table && table->name; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

const char *param_type_name(enum param_type type)
{
	static const char *const names[] = {
		[PARAM_STRING] = "string",
		[PARAM_BOOL] = "bool",
		[PARAM_INT] = "integer",
		[PARAM_NUMBER] = "number",
		[PARAM_PERCENT] = "percentage",
		[PARAM_DURATION] = "duration",
		[PARAM_ENUM] = "one of",
		[PARAM_STRINGS] = "list of strings",
	};

	return (size_t)type < ARRAY_LEN(names) ? names[type] : "unknown";
}

/* A limit in the spelling of the parameter's own type. */
static void format_limit(const struct param *param, double limit, char out[CLOCK_DURATION_BYTES])
{
	if (param->type == PARAM_DURATION)
		clock_format_duration((int64_t)(limit * (double)NS_PER_S), out);
	else
		snprintf(out, CLOCK_DURATION_BYTES, "%.15g%s", limit,
			param->type == PARAM_PERCENT ? "%" : "");
}

static int check_limits(const struct param *param, double value, const char *text, struct err *err)
{
	char min[CLOCK_DURATION_BYTES], max[CLOCK_DURATION_BYTES];

	if (param->min == 0 && param->max == 0)
		return 0;
	format_limit(param, param->min, min);
	format_limit(param, param->max, max);
	/* A maximum below the minimum is none: a table that says only "at least". */
	if (param->max < param->min)
		return value >= param->min ? 0
					   : err_set(err, ERR_CONFIG,
						     "%s is too small: at least %s", text, min);
	if (value < param->min || value > param->max)
		return err_set(err, ERR_CONFIG, "%s is out of range: %s to %s", text, min, max);
	return 0;
}

static int set_string(char **at, const char *text, struct err *err)
{
	char *copy = strdup(text);

	if (!copy)
		return err_set(err, ERR_NOMEM, "no memory for a string");
	free(*at);
	*at = copy;
	return 0;
}

static int set_bool(bool *at, const char *text, struct err *err)
{
	if (strcmp(text, "true") && strcmp(text, "false"))
		return err_set(err, ERR_CONFIG, "\"%s\" is not a bool: write true or false", text);
	*at = !strcmp(text, "true");
	return 0;
}

static int set_int(const struct param *param, int64_t *at, const char *text, struct err *err)
{
	const char *digits = text + (*text == '-');
	char *end;
	long long value;

	errno = 0;
	value = strtoll(text, &end, 10);
	if (!isdigit((unsigned char)*digits) || *end || (digits[0] == '0' && digits[1]))
		return err_set(err, ERR_CONFIG, "\"%s\" is not a plain integer, like 3", text);
	if (errno)
		return err_set(err, ERR_CONFIG, "%s is too large for an integer", text);
	if (check_limits(param, (double)value, text, err))
		return -1;
	*at = value;
	return 0;
}

/* A plain decimal number with `suffix` right behind it; no hex, no inf, no nan. */
static int parse_number(const char *text, const char *suffix, double *ret_value)
{
	char *end;

	if (!isdigit((unsigned char)text[*text == '-']) || text[strcspn(text, "xX")])
		return -1;
	*ret_value = strtod(text, &end);
	return strcmp(end, suffix) || !isfinite(*ret_value) ? -1 : 0;
}

static int set_number(const struct param *param, double *at, const char *text, struct err *err)
{
	double value;

	if (parse_number(text, "", &value))
		return err_set(err, ERR_CONFIG, "\"%s\" is not a number, like 2.5", text);
	if (check_limits(param, value, text, err))
		return -1;
	*at = value;
	return 0;
}

static int set_percent(const struct param *param, double *at, const char *text, struct err *err)
{
	double value;

	if (parse_number(text, "%", &value))
		return err_set(err, ERR_CONFIG, "\"%s\" is not a percentage, like 1%%", text);
	if (value < 0 || value > 100)
		return err_set(err, ERR_CONFIG, "%s is out of range: 0%% to 100%%", text);
	if (check_limits(param, value, text, err))
		return -1;
	*at = value;
	return 0;
}

static int set_duration(const struct param *param, int64_t *at, const char *text, struct err *err)
{
	int64_t ns;

	if (clock_parse_duration(text, &ns, err))
		return -1;
	if (check_limits(param, (double)ns / (double)NS_PER_S, text, err))
		return -1;
	*at = ns;
	return 0;
}

static int set_enum(const struct param *param, int *at, const char *text, struct err *err)
{
	char known[256] = "";
	size_t len = 0;

	for (int i = 0; param->choices[i]; i++) {
		if (!strcmp(param->choices[i], text)) {
			*at = i;
			return 0;
		}
		if (len < sizeof(known))
			len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s",
				i ? ", " : "", param->choices[i]);
	}
	return err_set(err, ERR_CONFIG, "\"%s\" is not one of: %s", text, known);
}

static int set_value(const struct param *param, void *params, const char *text, struct err *err)
{
	void *at = member(param, params);

	switch (param->type) {
	case PARAM_STRING:
		return set_string(at, text, err);
	case PARAM_BOOL:
		return set_bool(at, text, err);
	case PARAM_INT:
		return set_int(param, at, text, err);
	case PARAM_NUMBER:
		return set_number(param, at, text, err);
	case PARAM_PERCENT:
		return set_percent(param, at, text, err);
	case PARAM_DURATION:
		return set_duration(param, at, text, err);
	case PARAM_ENUM:
		return set_enum(param, at, text, err);
	case PARAM_STRINGS:
		break;
	}
	return err_set(err, ERR_BUG, "parameter %s of type %s was set as a scalar", param->name,
		param_type_name(param->type));
}

int param_set(const struct param *param, void *params, const char *text, struct err *err)
{
	if (set_value(param, params, text, err))
		return -1;
	if (param->given)
		*(bool *)((char *)params + param->given) = true;
	return 0;
}

int param_append(const struct param *param, void *params, const char *text, struct err *err)
{
	struct strings *list = member(param, params);
	OWN_MEM char *copy = strdup(text);
	char **v;

	if (param->type != PARAM_STRINGS)
		return err_set(err, ERR_BUG, "parameter %s is no list", param->name);
	v = copy ? realloc(list->v, (list->n + 2) * sizeof(*v)) : NULL;
	if (!v)
		return err_set(err, ERR_NOMEM, "no memory for a string");
	list->v = v;
	list->v[list->n++] = TAKE(copy);
	list->v[list->n] = NULL;
	return 0;
}

int param_defaults(const struct param *table, void *params, struct err *err)
{
	for (; table && table->name; table++) {
		int failed;

		if (!table->def)
			continue;
		failed = table->type == PARAM_STRINGS ? param_append(table, params, table->def, err)
						      : param_set(table, params, table->def, err);
		if (failed)
			return err_wrap(err, "default of %s", table->name);
	}
	return 0;
}

static void strings_done(struct strings *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->v[i]);
	free(list->v);
	*list = (struct strings){ 0 };
}

void param_done(const struct param *table, void *params)
{
	for (; params && table && table->name; table++) {
		void *at = member(table, params);

		if (table->type == PARAM_STRINGS)
			strings_done(at);
		else if (table->type == PARAM_STRING)
			free(TAKE(*(char **)at));
	}
}
