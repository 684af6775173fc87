/* Scalars of YAML 1.1 as Kubernetes reads them (bools are y, yes, on, true and their opposites;
 * 010 is octal; timestamps stay strings). */
#include "base/yaml.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TAG "tag:yaml.org,2002:"
#define EXACT (INT64_C(1) << 53)

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(text, *words))
			return true;
	return false;
}

static bool looks_null(const char *text)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL", NULL };

	return is_one_of(text, words);
}

bool yaml_is_null(const struct yaml_node *node)
{
	return node->form == YAML_TEXT && !node->quoted && !node->tag && looks_null(node->text);
}

static cJSON *parse_bool(const char *text)
{
	static const char *const yes[] = { "y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE",
		"on", "On", "ON", NULL };
	static const char *const no[] = { "n", "N", "no", "No", "NO", "false", "False", "FALSE",
		"off", "Off", "OFF", NULL };

	if (is_one_of(text, yes))
		return cJSON_CreateTrue();
	return is_one_of(text, no) ? cJSON_CreateFalse() : NULL;
}

/* Digits of `base`, with underscores between them; the magnitude, or -1. */
static int parse_digits(const char *text, unsigned base, uint64_t *ret)
{
	uint64_t value = 0;
	bool any = false;

	for (; *text; text++) {
		unsigned digit;

		if (*text == '_')
			continue;
		if (!isxdigit((unsigned char)*text))
			return -1;
		digit = isdigit((unsigned char)*text) ? (unsigned)(*text - '0')
						      : (unsigned)(tolower(*text) - 'a') + 10;
		if (digit >= base || value > (UINT64_MAX - digit) / base)
			return -1;
		value = value * base + digit;
		any = true;
	}
	*ret = value;
	return any ? 0 : -1;
}

/* cJSON's numbers are doubles: beyond 2^53 the digits are kept as they are. */
static cJSON *make_int(bool negative, uint64_t magnitude)
{
	char digits[24];

	if (magnitude <= (uint64_t)EXACT)
		return cJSON_CreateNumber(negative ? -(double)magnitude : (double)magnitude);
	snprintf(digits, sizeof(digits), "%s%" PRIu64, negative ? "-" : "", magnitude);
	return cJSON_CreateRaw(digits);
}

static cJSON *parse_int(const char *text)
{
	bool negative = *text == '-';
	uint64_t magnitude;
	unsigned base = 10;

	if (*text == '-' || *text == '+')
		text++;
	if (!isdigit((unsigned char)*text))
		return NULL;
	if (text[0] == '0' && text[1]) {
		switch (text[1]) {
		case 'x':
		case 'X':
			base = 16;
			text += 2;
			break;
		case 'o':
		case 'O':
			base = 8;
			text += 2;
			break;
		case 'b':
		case 'B':
			base = 2;
			text += 2;
			break;
		default:
			base = 8;
			text++;
		}
	}
	if (parse_digits(text, base, &magnitude))
		return NULL;
	if (negative && magnitude > (uint64_t)INT64_MAX + 1)
		return NULL;
	return make_int(negative, magnitude);
}

/* [-+] digits [. digits] or . digits, [e [-+] digits]: nothing else that strtod would take. */
static bool looks_float(const char *text)
{
	size_t before, after = 0;

	text += *text == '-' || *text == '+';
	before = strspn(text, "0123456789");
	text += before;
	if (*text == '.') {
		after = strspn(text + 1, "0123456789");
		text += 1 + after;
	}
	if (!before && !after)
		return false;
	if (*text == 'e' || *text == 'E') {
		text++;
		text += *text == '-' || *text == '+';
		if (!isdigit((unsigned char)*text))
			return false;
		text += strspn(text, "0123456789");
	}
	return !*text;
}

static bool looks_infinite(const char *text)
{
	static const char *const words[] = { ".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF",
		"+.inf", "+.Inf", "+.INF", "-.inf", "-.Inf", "-.INF", NULL };

	return is_one_of(text, words);
}

static cJSON *parse_float(const char *text, struct err *err)
{
	double value;

	if (looks_infinite(text)) {
		err_set(err, ERR_CONFIG, "%s has no JSON form", text);
		return NULL;
	}
	if (!looks_float(text))
		return NULL;
	value = strtod(text, NULL);
	if (isfinite(value))
		return cJSON_CreateNumber(value);
	err_set(err, ERR_CONFIG, "%.40s is too large for a number", text);
	return NULL;
}

static cJSON *parse_plain(const char *text, struct err *err)
{
	cJSON *json;

	if (looks_null(text))
		return cJSON_CreateNull();
	json = parse_bool(text);
	if (!json)
		json = parse_int(text);
	if (!json)
		json = parse_float(text, err);
	if (json || err->code)
		return json;
	return cJSON_CreateString(text);
}

/* !!int and its like: the text must be that. */
static cJSON *parse_tagged(const char *tag, const char *text, struct err *err)
{
	cJSON *json = NULL;

	if (!strcmp(tag, "!") || !strcmp(tag, TAG "str"))
		return cJSON_CreateString(text);
	if (!strcmp(tag, TAG "int"))
		json = parse_int(text);
	else if (!strcmp(tag, TAG "bool"))
		json = parse_bool(text);
	else if (!strcmp(tag, TAG "float"))
		json = parse_float(text, err);
	else if (!strcmp(tag, TAG "null"))
		json = looks_null(text) ? cJSON_CreateNull() : NULL;
	else
		err_set(err, ERR_CONFIG, "the tag %.80s is not supported", tag);
	if (!json && !err->code)
		err_set(err, ERR_CONFIG, "\"%.80s\" is not of its tag %.80s", text, tag);
	return json;
}

cJSON *yaml_scalar_to_json(const struct yaml_node *node, struct err *err)
{
	struct err reason = { .code = ERR_NONE };
	cJSON *json;

	if (node->tag)
		json = parse_tagged(node->tag, node->text, &reason);
	else if (node->quoted)
		json = cJSON_CreateString(node->text);
	else
		json = parse_plain(node->text, &reason);
	if (!json && !reason.code)
		err_set(&reason, ERR_NOMEM, "no memory");
	if (!json && err)
		*err = reason;
	return json;
}
