/* Editing JSON objects, and the small values that Kubernetes objects carry. */
#include "k8s/sandbox/edit.h"

#include "base/log.h"

#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void no_memory(void)
{
	static const char text[] = "crumble-sandbox: out of memory\n";

	if (write(2, text, sizeof(text) - 1) < 0)
		_exit(4);
	_exit(3);
}

void *must_alloc(size_t bytes)
{
	void *p = malloc(bytes ? bytes : 1);

	if (!p)
		no_memory();
	return p;
}

void *must_grow(void *p, size_t bytes)
{
	p = realloc(p, bytes ? bytes : 1);
	if (!p)
		no_memory();
	return p;
}

char *must_dup(const char *text)
{
	size_t len = strlen(text) + 1;

	return memcpy(must_alloc(len), text, len);
}

char *must_format(const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		no_memory();
	return text;
}

void edit_setup(void)
{
	cJSON_Hooks hooks = { .malloc_fn = must_alloc, .free_fn = free };

	cJSON_InitHooks(&hooks);
}

cJSON *edit_set(cJSON *object, const char *key, cJSON *value)
{
	if (cJSON_GetObjectItemCaseSensitive(object, key))
		cJSON_ReplaceItemInObjectCaseSensitive(object, key, value);
	else
		cJSON_AddItemToObject(object, key, value);
	return value;
}

void edit_str(cJSON *object, const char *key, const char *value)
{
	edit_set(object, key, cJSON_CreateString(value ? value : ""));
}

void edit_int(cJSON *object, const char *key, int64_t value)
{
	edit_set(object, key, cJSON_CreateNumber((double)value));
}

void edit_bool(cJSON *object, const char *key, bool value)
{
	edit_set(object, key, cJSON_CreateBool(value));
}

void edit_del(cJSON *object, const char *key)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, key);
}

cJSON *edit_object(cJSON *object, const char *key)
{
	cJSON *there = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsObject(there) ? there : edit_set(object, key, cJSON_CreateObject());
}

cJSON *edit_array(cJSON *object, const char *key)
{
	cJSON *there = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsArray(there) ? there : edit_set(object, key, cJSON_CreateArray());
}

static bool is_missing(const cJSON *object, const char *key)
{
	const cJSON *there = cJSON_GetObjectItemCaseSensitive(object, key);

	return !there || cJSON_IsNull(there);
}

void edit_default_str(cJSON *object, const char *key, const char *value)
{
	if (is_missing(object, key))
		edit_str(object, key, value);
}

void edit_default_int(cJSON *object, const char *key, int64_t value)
{
	if (is_missing(object, key))
		edit_int(object, key, value);
}

cJSON *edit_copy(const cJSON *json)
{
	return json ? cJSON_Duplicate(json, 1) : NULL;
}

cJSON *edit_metadata(cJSON *object)
{
	return edit_object(object, "metadata");
}

bool same_json(const cJSON *a, const cJSON *b)
{
	if (!a || !b)
		return a == b;
	return cJSON_Compare(a, b, 1);
}

bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

void edit_now(cJSON *object, const char *key)
{
	char text[CLOCK_RFC3339_BYTES];

	clock_rfc3339(clock_wall_ns(), 0, text);
	edit_str(object, key, text);
}

int64_t time_of(const char *rfc3339)
{
	struct tm tm = { 0 };

	return rfc3339 && strptime(rfc3339, "%Y-%m-%dT%H:%M:%S", &tm) ? timegm(&tm) : 0;
}

int64_t time_wall_s(void)
{
	return clock_wall_ns() / NS_PER_S;
}

static void random_bytes(unsigned char *out, size_t n)
{
	if (RAND_bytes(out, (int)n) != 1) {
		log_error("no random bytes from OpenSSL: the sandbox cannot go on");
		_exit(3);
	}
}

void random_uid(char out[UID_BYTES])
{
	unsigned char b[16];
	size_t at = 0;

	random_bytes(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < sizeof(b); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		at += (size_t)sprintf(out + at, "%02x", b[i]);
	}
}

static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";

void random_ending(char *out, size_t n)
{
	unsigned char b[32];

	if (n > sizeof(b))
		n = sizeof(b);
	random_bytes(b, n);
	for (size_t i = 0; i < n; i++)
		out[i] = alphabet[b[i] % (sizeof(alphabet) - 1)];
	out[n] = '\0';
}

void hash_ending(const cJSON *json, char out[16])
{
	OWN_MEM char *text = cJSON_PrintUnformatted(json);
	uint32_t hash = 2166136261u;
	size_t i;

	for (const char *c = text; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 16777619u;
	snprintf(out, 16, "%u", hash);
	for (i = 0; out[i]; i++)
		out[i] = alphabet[(unsigned char)out[i] % (sizeof(alphabet) - 1)];
}

const char *meta(const cJSON *object, const char *key)
{
	const char *text = json_str(object, "metadata", key, NULL);

	return text ? text : "";
}

bool is_terminating(const cJSON *object)
{
	return json_str(object, "metadata", "deletionTimestamp", NULL) != NULL;
}

const cJSON *controller_of(const cJSON *object)
{
	const cJSON *owner;

	cJSON_ArrayForEach(
		owner, json_at(object, "metadata", "ownerReferences",
			       NULL)) if (json_bool(owner, 0, "controller", NULL)) return owner;
	return NULL;
}

bool is_owned_by(const cJSON *object, const char *uid)
{
	return same_text(json_str(controller_of(object), "uid", NULL), uid);
}
