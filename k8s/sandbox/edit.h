/*
 * Editing JSON objects, and the small values that Kubernetes objects carry (times, uids, random
 * name endings). The sandbox has no use without memory: where there is none it ends, and its
 * keeper ends the rest; so nothing here fails.
 */
#ifndef CRUMBLE_K8S_SANDBOX_EDIT_H
#define CRUMBLE_K8S_SANDBOX_EDIT_H

#include "base/clock.h"
#include "base/json.h"

#include <stdint.h>

/* Once, before anything else: memory that is there or the end. */
void edit_setup(void);
/* Memory that is there. */
void *must_alloc(size_t bytes);
void *must_grow(void *p, size_t bytes);
char *must_dup(const char *text);
char *must_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Sets or replaces; takes `value`; returns it. */
cJSON *edit_set(cJSON *object, const char *key, cJSON *value);
void edit_str(cJSON *object, const char *key, const char *value);
void edit_int(cJSON *object, const char *key, int64_t value);
void edit_bool(cJSON *object, const char *key, bool value);
void edit_del(cJSON *object, const char *key);
/* The object or array there; made when missing or of another type. */
cJSON *edit_object(cJSON *object, const char *key);
cJSON *edit_array(cJSON *object, const char *key);
/* Sets what is missing; the value of a key that is there stays. */
void edit_default_str(cJSON *object, const char *key, const char *value);
void edit_default_int(cJSON *object, const char *key, int64_t value);
/* A copy; NULL for NULL. */
cJSON *edit_copy(const cJSON *json);
cJSON *edit_metadata(cJSON *object);

bool same_json(const cJSON *a, const cJSON *b);
/* Both NULL, or equal. */
bool same_text(const char *a, const char *b);

/* Wall time in whole seconds, as objects carry it. */
void edit_now(cJSON *object, const char *key);
/* Seconds since 1970; 0 when it is no such time. */
int64_t time_of(const char *rfc3339);
int64_t time_wall_s(void);

#define UID_BYTES 37
void random_uid(char out[UID_BYTES]);
/* n characters of the alphabet of generated names, and a NUL. */
void random_ending(char *out, size_t n);
/* The same alphabet for the digits of a hash, as in NAME-54cb4c5649. */
void hash_ending(const cJSON *json, char out[16]);

/* metadata.name, .namespace, .uid, ...; "" when missing. */
const char *meta(const cJSON *object, const char *key);
bool is_terminating(const cJSON *object);
/* The owner that is its controller; NULL: none. */
const cJSON *controller_of(const cJSON *object);
bool is_owned_by(const cJSON *object, const char *uid);

#endif
