/* A container's environment, command and arguments. */
#include "k8s/sandbox/podenv.h"

#include "base/buf.h"
#include "k8s/sandbox/edit.h"

#include <ctype.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void words_add(struct words *words, char *text)
{
	words->v = must_grow(words->v, (words->n + 2) * sizeof(*words->v));
	words->v[words->n++] = text;
	words->v[words->n] = NULL;
}

void words_done(struct words *words)
{
	for (size_t i = 0; i < words->n; i++)
		free(words->v[i]);
	free(words->v);
	*words = (struct words){ 0 };
}

static const char *env_value(const struct words *env, const char *name, size_t len)
{
	for (size_t i = 0; i < env->n; i++)
		if (!strncmp(env->v[i], name, len) && env->v[i][len] == '=')
			return env->v[i] + len + 1;
	return NULL;
}

/* Later ones replace earlier ones. */
static void env_set(struct words *env, const char *name, const char *value)
{
	size_t len = strlen(name);
	char *text = must_format("%s=%s", name, value);

	for (size_t i = 0; i < env->n; i++) {
		if (strncmp(env->v[i], name, len) || env->v[i][len] != '=')
			continue;
		free(env->v[i]);
		env->v[i] = text;
		return;
	}
	words_add(env, text);
}

static char *expand(const struct words *env, const char *text)
{
	OWN_BUF struct buf out = { .max_bytes = (size_t)16 << 20 };

	for (const char *at = text; *at;) {
		const char *end = at[0] == '$' && at[1] == '(' ? strchr(at, ')') : NULL;
		const char *value = end ? env_value(env, at + 2, (size_t)(end - at - 2)) : NULL;

		if (at[0] == '$' && at[1] == '$') {
			buf_add(&out, "$", 1);
			at += 2;
		} else if (value) {
			buf_add_str(&out, value);
			at = end + 1;
		} else {
			buf_add(&out, at++, 1);
		}
	}
	return out.len ? buf_take(&out) : must_dup("");
}

char *podenv_expand(const struct words *env, const struct mounts *mounts, const char *text)
{
	OWN_MEM char *placed = mounts_apply(mounts, text); /* values have had theirs already */

	return expand(env, placed);
}

void podenv_argv(const struct words *env, const struct mounts *mounts, const cJSON *command,
	const cJSON *args, struct words *ret_argv)
{
	const cJSON *lists[] = { command, args }, *one;

	for (size_t i = 0; i < ARRAY_LEN(lists) && cJSON_GetArraySize(command); i++)
		cJSON_ArrayForEach(one, lists[i]) if (cJSON_IsString(one))
			words_add(ret_argv, podenv_expand(env, mounts, one->valuestring));
}

/* ---- where values come from ---- */

static char *decoded(const char *base64)
{
	size_t len = strlen(base64);
	char *text = must_alloc(len + 4);
	int n = EVP_DecodeBlock((unsigned char *)text, (const unsigned char *)base64, (int)len);

	for (size_t i = len; n > 0 && i > 0 && base64[i - 1] == '='; i--)
		n--;
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* A key of a configMap or secret; *ret_value NULL when it is optional and missing. */
static int key_value(struct cluster *cluster, const cJSON *pod, const struct kind *kind,
	const cJSON *ref, char **ret_value, struct err *err)
{
	const char *name = json_str(ref, "name", NULL), *key = json_str(ref, "key", NULL);
	const cJSON *object = name ? store_get(cluster->store, kind, meta(pod, "namespace"), name)
				   : NULL;
	const char *value = key ? json_str(object, "data", key, NULL) : NULL;

	*ret_value = NULL;
	if (value)
		*ret_value = kind == &kinds[KIND_SECRET] ? decoded(value) : must_dup(value);
	else if (json_bool(ref, 0, "optional", NULL))
		return 0;
	else if (!object)
		return err_set(err, ERR_NOT_FOUND, "%s \"%s\" not found", kind->singular,
			name ? name : "");
	else
		return err_set(err, ERR_NOT_FOUND, "couldn't find key %s in %s %s/%s",
			key ? key : "", kind->kind, meta(pod, "namespace"), name);
	return 0;
}

/* metadata.labels['app'] and the like. */
static const char *map_field(const cJSON *pod, const char *path)
{
	OWN_MEM char *map = NULL;
	OWN_MEM char *key = NULL;

	if (sscanf(path, "metadata.%m[a-z]['%m[^']']", &map, &key) != 2)
		return NULL;
	return json_str(pod, "metadata", map, key, NULL);
}

static char *field_value(const cJSON *pod, const char *path, const char *ip)
{
	const char *value = NULL;

	if (!strcmp(path, "status.podIP") || !strcmp(path, "status.podIPs"))
		value = ip;
	else if (!strcmp(path, "status.hostIP") || !strcmp(path, "status.hostIPs"))
		value = "127.0.0.1";
	else if (!strcmp(path, "spec.nodeName"))
		value = json_str(pod, "spec", "nodeName", NULL);
	else if (!strcmp(path, "spec.serviceAccountName"))
		value = json_str(pod, "spec", "serviceAccountName", NULL);
	else if (!strncmp(path, "metadata.", 9) && !strchr(path, '['))
		value = json_str(pod, "metadata", path + 9, NULL);
	else
		value = map_field(pod, path);
	return must_dup(value ? value : "");
}

static int value_from(struct cluster *cluster, const cJSON *pod, const cJSON *from, const char *ip,
	char **ret_value, struct err *err)
{
	const char *field = json_str(from, "fieldRef", "fieldPath", NULL);
	const cJSON *map = json_at(from, "configMapKeyRef", NULL);
	const cJSON *secret = json_at(from, "secretKeyRef", NULL);

	if (map)
		return key_value(cluster, pod, &kinds[KIND_CONFIGMAP], map, ret_value, err);
	if (secret)
		return key_value(cluster, pod, &kinds[KIND_SECRET], secret, ret_value, err);
	if (!field)
		return err_set(err, ERR_CONFIG,
			"the sandbox knows fieldRef, configMapKeyRef and secretKeyRef in "
			"valueFrom: this is another");
	*ret_value = field_value(pod, field, ip);
	return 0;
}

static int add_env_from(struct cluster *cluster, const cJSON *pod, const cJSON *from,
	struct words *env, struct err *err)
{
	const cJSON *map = json_at(from, "configMapRef", NULL);
	const cJSON *ref = map ? map : json_at(from, "secretRef", NULL);
	const struct kind *kind = &kinds[map ? KIND_CONFIGMAP : KIND_SECRET];
	const char *name = json_str(ref, "name", NULL), *prefix = json_str(from, "prefix", NULL);
	const cJSON *object = name ? store_get(cluster->store, kind, meta(pod, "namespace"), name)
				   : NULL;
	const cJSON *one;

	if (!object && !json_bool(ref, 0, "optional", NULL))
		return err_set(err, ERR_NOT_FOUND, "%s \"%s\" not found", kind->singular,
			name ? name : "");
	cJSON_ArrayForEach(one, json_at(object, "data", NULL))
	{
		OWN_MEM char *key = must_format("%s%s", prefix ? prefix : "", one->string);
		OWN_MEM char *value = map ? must_dup(one->valuestring) : decoded(one->valuestring);

		env_set(env, key, value);
	}
	return 0;
}

/* ---- service variables ---- */

static char *variable_name(const char *name)
{
	char *out = must_dup(name);

	for (char *c = out; *c; c++)
		*c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
	return out;
}

static void set_named(struct words *env, const char *value, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void set_named(struct words *env, const char *value, const char *format, ...)
{
	char name[512];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	env_set(env, name, value);
}

static void add_port(
	struct words *env, const char *service, const char *ip, const cJSON *port, bool first)
{
	int64_t number = json_int(port, 0, "port", NULL);
	const char *name = json_str(port, "name", NULL);
	OWN_MEM char *digits = must_format("%" PRId64, number);
	OWN_MEM char *url = must_format("tcp://%s:%" PRId64, ip, number);

	if (first) {
		set_named(env, ip, "%s_SERVICE_HOST", service);
		set_named(env, digits, "%s_SERVICE_PORT", service);
		set_named(env, url, "%s_PORT", service);
	}
	if (name) {
		OWN_MEM char *upper = variable_name(name);

		set_named(env, digits, "%s_SERVICE_PORT_%s", service, upper);
	}
	set_named(env, url, "%s_PORT_%s_TCP", service, digits);
	set_named(env, "tcp", "%s_PORT_%s_TCP_PROTO", service, digits);
	set_named(env, digits, "%s_PORT_%s_TCP_PORT", service, digits);
	set_named(env, ip, "%s_PORT_%s_TCP_ADDR", service, digits);
}

static void add_services(struct cluster *cluster, const cJSON *pod, struct words *env)
{
	bool links = json_bool(pod, 1, "spec", "enableServiceLinks", NULL);
	size_t n;
	const struct object *all = store_objects(cluster->store, &kinds[KIND_SERVICE], &n);

	for (size_t i = 0; i < n; i++) {
		const cJSON *json = all[i].now->json, *port;
		const char *ip = json_str(json, "spec", "clusterIP", NULL);
		bool api = !strcmp(all[i].ns, "default") && !strcmp(all[i].name, "kubernetes");
		bool near = links && !strcmp(all[i].ns, meta(pod, "namespace"));
		OWN_MEM char *name = variable_name(all[i].name);
		bool first = true;

		if ((!api && !near) || !ip || !strcmp(ip, "None"))
			continue;
		cJSON_ArrayForEach(port, json_at(json, "spec", "ports", NULL))
		{
			add_port(env, name, ip, port, first);
			first = false;
		}
	}
}

/* What every process here needs, and an image would bring. */
static void add_basics(const cJSON *pod, const char *home, struct words *env)
{
	const char *path = getenv("PATH");

	env_set(env, "PATH",
		path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	env_set(env, "HOSTNAME", meta(pod, "name"));
	env_set(env, "HOME", home);
}

static int add_one(struct cluster *cluster, const cJSON *pod, const cJSON *one, const char *ip,
	const struct mounts *mounts, struct words *env, struct err *err)
{
	const char *name = json_str(one, "name", NULL), *text = json_str(one, "value", NULL);
	const cJSON *from = json_at(one, "valueFrom", NULL);
	OWN_MEM char *value = NULL;

	if (!name)
		return 0;
	if (!from)
		value = podenv_expand(env, mounts, text ? text : "");
	else if (value_from(cluster, pod, from, ip, &value, err))
		return -1;
	if (value)
		env_set(env, name, value);
	return 0;
}

int podenv_make(struct cluster *cluster, const cJSON *pod, const cJSON *container, const char *ip,
	const struct mounts *mounts, struct words *ret_env, struct err *err)
{
	OWN(words_done) struct words env = { 0 };
	OWN_MEM char *home = must_format("%s/p/%.8s", cluster->dir, meta(pod, "uid"));
	const cJSON *one;

	add_basics(pod, home, &env);
	add_services(cluster, pod, &env);
	cJSON_ArrayForEach(
		one, json_at(container, "envFrom", NULL)) if (add_env_from(cluster, pod, one, &env,
								      err)) return -1;
	cJSON_ArrayForEach(
		one, json_at(container, "env", NULL)) if (add_one(cluster, pod, one, ip, mounts,
								  &env, err)) return -1;
	*ret_env = env;
	env = (struct words){ 0 };
	return 0;
}
