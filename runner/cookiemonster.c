/* Cookiemonster's files as killpod cookies. */
#include "runner/cookiemonster.h"

#include "base/buf.h"
#include "base/yaml.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#define FILE_MAX_BYTES YAML_MAX_BYTES
#define COOKIES_MAX 200
#define SECONDS_MAX 31536000

/* One bite as the files tell it, before it becomes killpod's params. */
struct bite {
	const char *kind, *name, *namespace;
	int64_t target, interval, duration;
	bool fatal, first_after_interval;
};

void cookiemonster_done(struct cookiemonster *monster)
{
	if (!monster)
		return;
	for (size_t i = 0; i < monster->n; i++) {
		param_done(monster->ops->params, monster->v[i].params);
		free(monster->v[i].params);
	}
	free(monster->v);
	for (size_t i = 0; i < monster->notes.n; i++)
		free(monster->notes.v[i]);
	free(monster->notes.v);
	*monster = (struct cookiemonster){ 0 };
}

static int note(struct cookiemonster *monster, struct err *err, const char *format, const char *key)
{
	static const struct param notes = { .name = "notes", .type = PARAM_STRINGS };
	OWN_MEM char *text = str_format(format, key);

	if (!text)
		return err_set(err, ERR_NOMEM, "no memory");
	return param_append(&notes, &monster->notes, text, err);
}

/* ---- values ---- */

/* The last of a key's spellings, as the original takes it. */
static const cJSON *get(const cJSON *object, const char *key)
{
	const cJSON *found = NULL, *item;

	cJSON_ArrayForEach(item, object) if (item->string && !strcasecmp(item->string, key))
		found = item;
	return found;
}

static int get_string(const cJSON *object, const char *key, const char **ret, struct err *err)
{
	const cJSON *item = get(object, key);

	if (!item || cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsString(item))
		return err_set(err, ERR_CONFIG, "%s: not a string", key);
	*ret = *item->valuestring ? item->valuestring : NULL;
	return 0;
}

/* A whole number from 0 on. `quoted`: v2 takes it in quotes too. */
static int get_count(
	const cJSON *object, const char *key, bool quoted, int64_t *ret, struct err *err)
{
	const cJSON *item = get(object, key);
	double value;

	if (!item || cJSON_IsNull(item))
		return 0;
	value = item->valuedouble;
	if (quoted && cJSON_IsString(item)) {
		char *end;

		value = strtod(item->valuestring, &end);
		if (!isdigit((unsigned char)*item->valuestring) || *end)
			return err_set(err, ERR_CONFIG,
				"%s: \"%.40s\" is not a whole number (they are "
				"seconds here, without a unit)",
				key, item->valuestring);
	} else if (!cJSON_IsNumber(item)) {
		return err_set(err, ERR_CONFIG, "%s: not a number", key);
	}
	if (value < 0 || value != floor(value) || value > SECONDS_MAX)
		return err_set(err, ERR_CONFIG, "%s: %g is not a whole number from 0 to %d", key,
			value, SECONDS_MAX);
	*ret = (int64_t)value;
	return 0;
}

static int get_bool(const cJSON *object, const char *key, bool *ret, struct err *err)
{
	const cJSON *item = get(object, key);

	if (!item || cJSON_IsNull(item))
		return 0;
	if (!cJSON_IsBool(item))
		return err_set(err, ERR_CONFIG, "%s: neither true nor false", key);
	*ret = cJSON_IsTrue(item);
	return 0;
}

static bool is_known(const char *key, const char *const *known)
{
	for (; *known; known++)
		if (!strcasecmp(key, *known))
			return true;
	return false;
}

static int note_unknown(struct cookiemonster *monster, const cJSON *object,
	const char *const *known, struct err *err)
{
	const cJSON *item;

	cJSON_ArrayForEach(
		item, object) if (!is_known(item->string, known) &&
				  note(monster, err,
					  "the key \"%s\" is unknown to Cookiemonster too: ignored",
					  item->string)) return -1;
	return 0;
}

/* ---- bites become params ---- */

static int check_kind(const char *kind, struct err *err)
{
	if (!kind)
		return err_set(err, ERR_CONFIG, "kind is missing: deployment or statefulset");
	if (!strcmp(kind, "daemonset"))
		return err_set(err, ERR_CONFIG,
			"kind daemonset is not supported yet: deployment and "
			"statefulset are");
	if (strcmp(kind, "deployment") && strcmp(kind, "statefulset"))
		return err_set(err, ERR_CONFIG,
			"kind \"%.40s\" is neither deployment nor statefulset", kind);
	return 0;
}

static int set(const struct cookie_ops *ops, void *params, const char *name, const char *value,
	struct err *err)
{
	const struct param *param = param_find(ops->params, name);

	if (!param)
		return err_set(err, ERR_BUG, "killpod has no parameter %s", name);
	return param_set(param, params, value, err) ? err_wrap(err, "%s", name) : 0;
}

static int set_seconds(const struct cookie_ops *ops, void *params, const char *name, int64_t value,
	struct err *err)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64 "s", value);
	return set(ops, params, name, text, err);
}

static int fill(
	const struct cookie_ops *ops, void *params, const struct bite *bite, struct err *err)
{
	char target[32];

	snprintf(target, sizeof(target), "%" PRId64, bite->target);
	if (param_defaults(ops->params, params, err) || set(ops, params, "kind", bite->kind, err) ||
		set(ops, params, "target", target, err) ||
		set_seconds(ops, params, "interval", bite->interval, err) ||
		/* a single round has no duration */
		set_seconds(ops, params, "duration", bite->interval ? bite->duration : 0, err) ||
		set(ops, params, "guard", bite->fatal ? "false" : "true", err))
		return -1;
	if (bite->name && set(ops, params, "name", bite->name, err))
		return -1;
	if (bite->namespace && set(ops, params, "namespace", bite->namespace, err))
		return -1;
	return ops->check ? ops->check(params, err) : 0;
}

static int add(struct cookiemonster *monster, const struct bite *bite, struct err *err)
{
	struct monster_cookie *v, *cookie;

	if (check_kind(bite->kind, err))
		return -1;
	if (!bite->namespace &&
		note(monster, err, "names no %s: the scenario's is taken", "namespace"))
		return -1;
	if (monster->n == COOKIES_MAX)
		return err_set(err, ERR_CONFIG, "more than %d resources", COOKIES_MAX);
	v = realloc(monster->v, (monster->n + 1) * sizeof(*v));
	if (!v)
		return err_set(err, ERR_NOMEM, "no memory");
	monster->v = v;
	cookie = &v[monster->n];
	*cookie = (struct monster_cookie){ .params = calloc(1, monster->ops->params_size) };
	if (!cookie->params)
		return err_set(err, ERR_NOMEM, "no memory");
	monster->n++;
	if (fill(monster->ops, cookie->params, bite, err))
		return -1;
	monster->ops->timing(cookie->params, &cookie->timing);
	cookie->timing.first_after_interval = bite->first_after_interval;
	return 0;
}

/* ---- v1: one job a file ---- */

static int load_v1(struct cookiemonster *monster, const cJSON *root, struct err *err)
{
	static const char *const known[] = { "name", "kind", "namespace", "interval", "target",
		"duration", "slack", "fatal", NULL };
	struct bite bite = { .target = 1, .interval = -1 };
	bool slack = false;

	if (get_string(root, "kind", &bite.kind, err) ||
		get_string(root, "name", &bite.name, err) ||
		get_string(root, "namespace", &bite.namespace, err) ||
		get_count(root, "interval", false, &bite.interval, err) ||
		get_count(root, "target", false, &bite.target, err) ||
		get_count(root, "duration", false, &bite.duration, err) ||
		get_bool(root, "slack", &slack, err) || get_bool(root, "fatal", &bite.fatal, err) ||
		note_unknown(monster, root, known, err))
		return -1;
	if (bite.interval < 0)
		return err_set(
			err, ERR_CONFIG, "interval is missing: whole seconds, 0 to kill once");
	if (!bite.target)
		bite.target = 1;
	if (slack && note(monster, err, "%s is not supported yet: ignored", "slack"))
		return -1;
	bite.first_after_interval = bite.interval > 0;
	return add(monster, &bite, err);
}

/* ---- v2: all jobs in one file ---- */

static int load_resource(struct cookiemonster *monster, const cJSON *resource,
	const struct bite *common, struct err *err)
{
	static const char *const known[] = { "kind", "name", "target", NULL };
	struct bite bite = *common;

	if (!cJSON_IsObject(resource))
		return err_set(err, ERR_CONFIG, "resource: not a map");
	if (get_string(resource, "kind", &bite.kind, err) ||
		get_string(resource, "name", &bite.name, err) ||
		get_count(resource, "target", true, &bite.target, err) ||
		note_unknown(monster, resource, known, err))
		return -1;
	if (bite.target)
		return add(monster, &bite, err);
	return note(monster, err, "a %s without target never kills: left out",
		bite.kind ? bite.kind : "resource");
}

static int load_namespace(struct cookiemonster *monster, const cJSON *namespace,
	const struct bite *common, struct err *err)
{
	static const char *const known[] = { "name", "resource", NULL };
	const cJSON *resources = get(namespace, "resource"), *resource;
	struct bite bite = *common;

	if (!cJSON_IsObject(namespace))
		return err_set(err, ERR_CONFIG, "namespace: not a map");
	if (get_string(namespace, "name", &bite.namespace, err) ||
		note_unknown(monster, namespace, known, err))
		return -1;
	if (!cJSON_IsArray(resources))
		return err_set(err, ERR_CONFIG, "namespace.resource: not a list");
	cJSON_ArrayForEach(
		resource, resources) if (load_resource(monster, resource, &bite, err)) return -1;
	return 0;
}

static int load_v2(struct cookiemonster *monster, const cJSON *root, struct err *err)
{
	static const char *const known[] = { "namespace", "interval", "duration", "slack",
		"slackwebhook", "bmcad", "change", NULL };
	const cJSON *namespace;
	struct bite bite = { 0 };
	bool slack = false;

	monster->numbered = true;
	if (get_count(root, "interval", true, &bite.interval, err) ||
		get_count(root, "duration", true, &bite.duration, err) ||
		get_bool(root, "slack", &slack, err) || note_unknown(monster, root, known, err))
		return -1;
	if (slack && note(monster, err, "%s is not supported yet: ignored", "slack"))
		return -1;
	cJSON_ArrayForEach(namespace, get(root, "namespace")) if (load_namespace(monster, namespace,
									  &bite, err)) return -1;
	return monster->n ? 0
			  : err_set(err, ERR_CONFIG, "no resource with a target: it never kills");
}

/* ---- files ---- */

static int parse_file(const char *path, cJSON **ret, struct err *err)
{
	const char *end = strrchr(path, '.');
	OWN_MEM char *text = NULL;
	OWN_JSON cJSON *docs = NULL;
	size_t len;

	if (buf_read_file(path, FILE_MAX_BYTES, &text, &len, err))
		return -1;
	if (end && !strcmp(end, ".json"))
		return json_parse(path, text, len, ret, err);
	if (!end || (strcmp(end, ".yaml") && strcmp(end, ".yml")))
		return err_set(err, ERR_CONFIG, "%s: neither .json nor .yaml nor .yml", path);
	if (yaml_to_json(path, text, len, &docs, err))
		return -1;
	*ret = cJSON_DetachItemFromArray(docs, 0);
	return *ret ? 0 : err_set(err, ERR_CONFIG, "%s: is empty", path);
}

static int load(struct cookiemonster *monster, const cJSON *root, struct err *err)
{
	if (!cJSON_IsObject(root))
		return err_set(err, ERR_CONFIG, "not a map");
	if (cJSON_IsArray(get(root, "commands")))
		return err_set(err, ERR_CONFIG, "a nodeexec cookie, which is not supported yet");
	return cJSON_IsArray(get(root, "namespace")) ? load_v2(monster, root, err)
						     : load_v1(monster, root, err);
}

int cookiemonster_load(const char *path, struct cookiemonster *ret, struct err *err)
{
	OWN(cookiemonster_done) struct cookiemonster monster = { .ops = cookie_find("killpod") };
	OWN_JSON cJSON *root = NULL;

	if (!monster.ops)
		return err_set(err, ERR_BUG, "there is no killpod");
	if (parse_file(path, &root, err))
		return -1;
	if (load(&monster, root, err))
		return err_wrap(err, "%s", path);
	*ret = monster;
	monster = (struct cookiemonster){ 0 };
	return 0;
}
