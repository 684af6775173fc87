/*
 * One cloud's settings, from its clouds.yaml entry or from OS_* variables: a table of what each
 * setting is called in either, then the defaults and checks that both share.
 */
#include "verifiers/openstack/cloud.h"

#include "base/buf.h"
#include "base/json.h"
#include "verifiers/openstack/clouds_file.h"

#include <openssl/crypto.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct setting {
	const char *keys[3]; /* in clouds.yaml: below `auth:` or beside it */
	const char *vars[3]; /* in the environment */
	size_t offset;
};

#define AT(member) offsetof(struct cloud, member)
static const struct setting settings[] = {
	{ { "auth_url" }, { "OS_AUTH_URL" }, AT(auth_url) },
	{ { "username" }, { "OS_USERNAME" }, AT(username) },
	{ { "user_id" }, { "OS_USER_ID" }, AT(user_id) },
	{ { "password" }, { "OS_PASSWORD" }, AT(password) },
	{ { "user_domain_id" }, { "OS_USER_DOMAIN_ID" }, AT(user_domain_id) },
	{ { "user_domain_name" }, { "OS_USER_DOMAIN_NAME" }, AT(user_domain_name) },
	{ { "project_id", "tenant_id" }, { "OS_PROJECT_ID", "OS_TENANT_ID" }, AT(project_id) },
	{ { "project_name", "tenant_name" }, { "OS_PROJECT_NAME", "OS_TENANT_NAME" },
		AT(project_name) },
	{ { "project_domain_id" }, { "OS_PROJECT_DOMAIN_ID" }, AT(project_domain_id) },
	{ { "project_domain_name" }, { "OS_PROJECT_DOMAIN_NAME" }, AT(project_domain_name) },
	{ { "domain_id" }, { "OS_DOMAIN_ID" }, AT(domain_id) },
	{ { "domain_name" }, { "OS_DOMAIN_NAME" }, AT(domain_name) },
	{ { "region_name", "region" }, { "OS_REGION_NAME" }, AT(region) },
	{ { "interface", "endpoint_type" }, { "OS_INTERFACE", "OS_ENDPOINT_TYPE" }, AT(interface) },
	{ { "cacert" }, { "OS_CACERT" }, AT(ca_file) },
	{ { "cert" }, { "OS_CERT" }, AT(cert_file) },
	{ { "key" }, { "OS_KEY" }, AT(key_file) },
};
#undef AT

static char **member(struct cloud *cloud, const struct setting *setting)
{
	return (char **)(void *)((char *)cloud + setting->offset);
}

void cloud_wipe(char *secret)
{
	if (secret)
		OPENSSL_cleanse(secret, strlen(secret));
	free(secret);
}

void cloud_done(struct cloud *cloud)
{
	if (!cloud)
		return;
	cloud_wipe(TAKE(cloud->password));
	free(cloud->name);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		free(*member(cloud, &settings[i]));
	memset(cloud, 0, sizeof(*cloud));
}

static int set(char **ret_text, const char *value, struct err *err)
{
	char *copy = strdup(value);

	if (!copy)
		return err_set(err, ERR_NOMEM, "no memory for a cloud's settings");
	free(*ret_text);
	*ret_text = copy;
	return 0;
}

/* ---- from the environment ---- */

static const char *var(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static bool yes(const char *text)
{
	return text && (!strcasecmp(text, "true") || !strcasecmp(text, "yes") ||
			       !strcasecmp(text, "on") || !strcmp(text, "1"));
}

static int from_vars(struct cloud *cloud, struct err *err)
{
	const char *type = var("OS_AUTH_TYPE");

	if (type && strcmp(type, "password") && strcmp(type, "v3password"))
		return err_set(err, ERR_CONFIG,
			"OS_AUTH_TYPE is \"%s\": only password logins are supported", type);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		for (const char *const *name = settings[i].vars; *name; name++)
			if (!*member(cloud, &settings[i]) && var(*name) &&
				set(member(cloud, &settings[i]), var(*name), err))
				return -1;
	cloud->insecure = yes(var("OS_INSECURE"));
	return set(&cloud->name, "OS_* variables", err);
}

/* ---- from clouds.yaml ---- */

static int take_key(struct cloud *cloud, const struct setting *setting, const cJSON *map,
	const char *path, struct err *err)
{
	for (const char *const *key = setting->keys; *key; key++) {
		const cJSON *item = cJSON_GetObjectItemCaseSensitive(map, *key);

		if (!item || cJSON_IsNull(item) || *member(cloud, setting))
			continue;
		if (!cJSON_IsString(item))
			return err_set(err, ERR_CONFIG,
				"%s: cloud \"%s\": %s must be a string: put it in quotes", path,
				cloud->name, *key);
		if (item->valuestring[0] && set(member(cloud, setting), item->valuestring, err))
			return -1;
	}
	return 0;
}

static int check_auth_type(
	const char *path, const struct cloud *cloud, const cJSON *entry, struct err *err)
{
	const char *type = json_str(entry, "auth_type", NULL);

	if (type && strcmp(type, "password") && strcmp(type, "v3password"))
		return err_set(err, ERR_CONFIG,
			"%s: cloud \"%s\": auth_type %s: only password logins are supported", path,
			cloud->name, type);
	return 0;
}

static int from_entry(struct cloud *cloud, const char *path, const cJSON *entry, struct err *err)
{
	const cJSON *auth = json_at(entry, "auth", NULL);

	if (check_auth_type(path, cloud, entry, err))
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (take_key(cloud, &settings[i], auth, path, err) ||
			take_key(cloud, &settings[i], entry, path, err))
			return -1;
	cloud->insecure = !json_bool(entry, true, "verify", NULL) ||
			  json_bool(entry, false, "insecure", NULL);
	if (!cloud->auth_url && json_str(entry, "profile", NULL))
		return err_set(err, ERR_CONFIG,
			"%s: cloud \"%s\" has no auth_url of its own: vendor profiles (\"%s\") are "
			"not supported",
			path, cloud->name, json_str(entry, "profile", NULL));
	return 0;
}

static int from_file(const char *path, const char *name, struct cloud *cloud, struct err *err)
{
	OWN_JSON cJSON *entry = NULL;

	if (clouds_file_entry(path, name, &cloud->name, &entry, err))
		return -1;
	return from_entry(cloud, path, entry, err);
}

/* ---- what both share ---- */

/* OS_AUTH_URL with or without /v3 and slashes behind it; v2.0 is long gone. */
static int fix_auth_url(struct cloud *cloud, const struct verifier_env *env, struct err *err)
{
	OWN_MEM char *url = NULL;
	char *end, *last;

	if (env->resolve ? env->resolve(env, cloud->auth_url, &url, err)
			 : set(&url, cloud->auth_url, err))
		return err_wrap(err, "%s: auth_url", cloud->name);
	if (strncmp(url, "http://", 7) && strncmp(url, "https://", 8))
		return err_set(err, ERR_CONFIG, "%s: auth_url must begin with http:// or https://",
			cloud->name);
	for (end = url + strlen(url); end > url && end[-1] == '/';)
		*--end = '\0';
	last = strrchr(url, '/');
	if (!last || last[-1] == ':')
		return err_set(err, ERR_CONFIG, "%s: auth_url has no host", cloud->name);
	if (!strcmp(last, "/v3") || !strcmp(last, "/v2.0"))
		*last = '\0';
	free(cloud->auth_url);
	cloud->auth_url = str_format("%s/v3", url);
	return cloud->auth_url ? 0 : err_set(err, ERR_NOMEM, "no memory for an auth_url");
}

/* "~/ca.pem", as openstacksdk reads it; and that the file can be read, before it is needed. */
static int fix_file(char **path, const char *what, const struct cloud *cloud, struct err *err)
{
	const char *home = getenv("HOME");

	if (!*path)
		return 0;
	if (!strncmp(*path, "~/", 2) && home) {
		char *whole = str_format("%s%s", home, *path + 1);

		if (!whole)
			return err_set(err, ERR_NOMEM, "no memory for a path");
		free(*path);
		*path = whole;
	}
	if (access(*path, R_OK))
		return err_errno(err, "%s: %s %s cannot be read", cloud->name, what, *path);
	return 0;
}

static int require(const struct cloud *cloud, const char *value, const char *what, struct err *err)
{
	if (value)
		return 0;
	return err_set(err, ERR_CONFIG, "%s: %s is missing", cloud->name, what);
}

/* A domain_id beside a project is that of user and project (openstacksdk); without one, "default"
 * (the openstack client). */
static int fix_domains(struct cloud *cloud, struct err *err)
{
	bool project = cloud->project_name || cloud->project_id;
	const char *id = project && cloud->domain_id ? cloud->domain_id : "default";
	bool by_name = project && !cloud->domain_id && cloud->domain_name;

	if (!cloud->user_id && !cloud->user_domain_id && !cloud->user_domain_name &&
		(by_name ? set(&cloud->user_domain_name, cloud->domain_name, err)
			 : set(&cloud->user_domain_id, id, err)))
		return -1;
	if (cloud->project_name && !cloud->project_domain_id && !cloud->project_domain_name &&
		(by_name ? set(&cloud->project_domain_name, cloud->domain_name, err)
			 : set(&cloud->project_domain_id, id, err)))
		return -1;
	return 0;
}

static int complete(struct cloud *cloud, const struct verifier_env *env, struct err *err)
{
	const char *user = cloud->username ? cloud->username : cloud->user_id;

	if (require(cloud, cloud->auth_url, "auth_url (OS_AUTH_URL)", err) ||
		require(cloud, user, "username (OS_USERNAME)", err) ||
		require(cloud, cloud->password, "password (OS_PASSWORD)", err))
		return -1;
	if (!cloud->interface && set(&cloud->interface, "public", err))
		return -1;
	if (fix_auth_url(cloud, env, err) || fix_domains(cloud, err))
		return -1;
	if (fix_file(&cloud->ca_file, "cacert", cloud, err) ||
		fix_file(&cloud->cert_file, "cert", cloud, err) ||
		fix_file(&cloud->key_file, "key", cloud, err))
		return -1;
	return 0;
}

/* A name, or a clouds file that the run was told of, decides against the OS_* variables. */
static int choose(
	const char *name, const struct verifier_env *env, struct cloud *cloud, struct err *err)
{
	OWN_MEM char *path = NULL;

	if (!name)
		name = env->cloud ? env->cloud : var("OS_CLOUD");
	if (!name && !env->clouds_file && var("OS_AUTH_URL"))
		return from_vars(cloud, err);
	if (clouds_file_find(env->clouds_file, &path, err))
		return -1;
	if (path)
		return from_file(path, name, cloud, err);
	if (name)
		return err_set(err, ERR_CONFIG,
			"cloud \"%s\": no clouds.yaml in ., ~/.config/openstack or /etc/openstack "
			"(OS_CLIENT_CONFIG_FILE names another)",
			name);
	return err_set(err, ERR_CONFIG,
		"no cloud: set OS_CLOUD and a clouds.yaml, or OS_AUTH_URL, OS_USERNAME, "
		"OS_PASSWORD and OS_PROJECT_NAME");
}

int cloud_load(
	const char *name, const struct verifier_env *env, struct cloud *ret_cloud, struct err *err)
{
	struct cloud cloud = { 0 };

	memset(ret_cloud, 0, sizeof(*ret_cloud));
	if (choose(name, env, &cloud, err) || complete(&cloud, env, err)) {
		cloud_done(&cloud);
		return -1;
	}
	*ret_cloud = cloud;
	return 0;
}

struct http_tls cloud_tls(const struct cloud *cloud)
{
	return (struct http_tls){
		.ca_file = cloud->ca_file,
		.cert_file = cloud->cert_file,
		.key_file = cloud->key_file ? cloud->key_file : cloud->cert_file,
		.insecure = cloud->insecure,
	};
}

/* {"id": ...} or {"name": ..., "domain": {...}} under `key`; `domain_*` may be NULL. */
static cJSON *add_thing(cJSON *parent, const char *key, const char *id, const char *name,
	const char *domain_id, const char *domain_name)
{
	cJSON *thing = cJSON_AddObjectToObject(parent, key);

	if (id) {
		json_add_str(thing, "id", id);
		return thing;
	}
	json_add_str(thing, "name", name);
	if (domain_id || domain_name)
		add_thing(thing, "domain", domain_id, domain_name, NULL, NULL);
	return thing;
}

static void add_scope(cJSON *auth, const struct cloud *cloud)
{
	if (cloud->project_id || cloud->project_name)
		add_thing(cJSON_AddObjectToObject(auth, "scope"), "project", cloud->project_id,
			cloud->project_name, cloud->project_domain_id, cloud->project_domain_name);
	else if (cloud->domain_id || cloud->domain_name)
		add_thing(cJSON_AddObjectToObject(auth, "scope"), "domain", cloud->domain_id,
			cloud->domain_name, NULL, NULL);
}

char *cloud_login_body(const struct cloud *cloud)
{
	OWN_JSON cJSON *body = cJSON_CreateObject();
	cJSON *auth = cJSON_AddObjectToObject(body, "auth");
	cJSON *identity = cJSON_AddObjectToObject(auth, "identity");
	cJSON *password = cJSON_AddObjectToObject(identity, "password");
	cJSON *user = add_thing(password, "user", cloud->user_id, cloud->username,
		cloud->user_domain_id, cloud->user_domain_name);

	cJSON_AddItemToArray(
		cJSON_AddArrayToObject(identity, "methods"), cJSON_CreateString("password"));
	json_add_str(user, "password", cloud->password);
	add_scope(auth, cloud);
	return user && json_str(user, "password", NULL) ? json_print(body) : NULL;
}
