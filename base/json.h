/*
 * JSON on cJSON, with its traps closed: strict parsing (nothing behind the value), exact case of
 * keys, integers up to 2^53 only (resourceVersion stays a string).
 */
#ifndef CRUMBLE_BASE_JSON_H
#define CRUMBLE_BASE_JSON_H

#include "base/err.h"
#include "base/own.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* `what` names the text in the error ("reply of GET https://..."). *ret_json is the caller's. */
int json_parse(const char *what, const char *data, size_t len, cJSON **ret_json, struct err *err);

/* Walks keys ("metadata", "name", NULL-terminated) through objects; a key that is all digits also
 * indexes an array. NULL when anything on the way is missing. Borrowed. json may be NULL. */
const cJSON *json_at(const cJSON *json, ...) __attribute__((sentinel));
/* The string at the end of such a walk; NULL when it is missing or no string. Borrowed. */
const char *json_str(const cJSON *json, ...) __attribute__((sentinel));
/* The number there, or `absent`. */
double json_num(const cJSON *json, double absent, ...) __attribute__((sentinel));
/* The same for times and counts; exact within 2^53. */
int64_t json_int(const cJSON *json, int64_t absent, ...) __attribute__((sentinel));
bool json_bool(const cJSON *json, int absent, ...) __attribute__((sentinel));

/* Adds an integer of any size below 2^63 exactly, as raw digits: json_int sees it only after a
 * print and a parse. NULL when there is no memory. */
cJSON *json_add_int(cJSON *object, const char *key, int64_t value);
/* Adds `text`, or nothing when it is NULL. */
void json_add_str(cJSON *object, const char *key, const char *text);

/* {"key": "value", ...} from pairs of strings, NULL-terminated; pairs whose value is NULL are
 * left out by stopping: put optional ones last. NULL when there is no memory. */
cJSON *json_object(const char *key, ...) __attribute__((sentinel));

/* Compact text, to be freed. NULL when there is no memory. */
char *json_print(const cJSON *json);

#endif
