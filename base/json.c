/* JSON on cJSON, with its traps closed. */
#include "base/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int json_parse(const char *what, const char *data, size_t len, cJSON **ret_json, struct err *err)
{
	const char *end = NULL;
	OWN_JSON cJSON *json = NULL;

	json = cJSON_ParseWithLengthOpts(data, len, &end, 0);
	if (!json)
		return err_set(err, ERR_FORMAT, "%s: not JSON (near byte %zu of %zu)", what,
			end && end >= data ? (size_t)(end - data) : 0, len);
	while (end < data + len && isspace((unsigned char)*end))
		end++;
	if (end != data + len)
		return err_set(err, ERR_FORMAT, "%s: text behind the JSON value (byte %zu of %zu)",
			what, (size_t)(end - data), len);
	*ret_json = TAKE(json);
	return 0;
}

static const cJSON *step(const cJSON *json, const char *key)
{
	if (cJSON_IsArray(json)) {
		char *end;
		long index = strtol(key, &end, 10);

		return *end || index < 0 ? NULL : cJSON_GetArrayItem(json, (int)index);
	}
	return cJSON_GetObjectItemCaseSensitive(json, key);
}

static const cJSON *walk(const cJSON *json, va_list keys)
{
	const char *key;

	while (json && (key = va_arg(keys, const char *)))
		json = step(json, key);
	return json;
}

#define WALK(json, last)                    \
	({                                  \
		va_list keys_;              \
		const cJSON *found_;        \
		va_start(keys_, last);      \
		found_ = walk(json, keys_); \
		va_end(keys_);              \
		found_;                     \
	})

const cJSON *json_at(const cJSON *json, ...)
{
	return WALK(json, json);
}

const char *json_str(const cJSON *json, ...)
{
	return cJSON_GetStringValue(WALK(json, json));
}

double json_num(const cJSON *json, double absent, ...)
{
	const cJSON *at = WALK(json, absent);

	return cJSON_IsNumber(at) ? at->valuedouble : absent;
}

int64_t json_int(const cJSON *json, int64_t absent, ...)
{
	const cJSON *at = WALK(json, absent);

	if (!cJSON_IsNumber(at) || !(fabs(at->valuedouble) < 9.2e18))
		return absent;
	return (int64_t)at->valuedouble;
}

bool json_bool(const cJSON *json, int absent, ...)
{
	const cJSON *at = WALK(json, absent);

	return cJSON_IsBool(at) ? cJSON_IsTrue(at) : absent;
}

cJSON *json_add_int(cJSON *object, const char *key, int64_t value)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, value);
	return cJSON_AddRawToObject(object, key, digits);
}

void json_add_str(cJSON *object, const char *key, const char *text)
{
	if (text)
		cJSON_AddStringToObject(object, key, text);
}

cJSON *json_object(const char *key, ...)
{
	cJSON *object = cJSON_CreateObject();
	va_list args;

	va_start(args, key);
	while (object && key) {
		const char *value = va_arg(args, const char *);

		if (!value)
			break;
		cJSON_AddStringToObject(object, key, value);
		key = va_arg(args, const char *);
	}
	va_end(args);
	return object;
}

char *json_print(const cJSON *json)
{
	return cJSON_PrintUnformatted(json);
}
