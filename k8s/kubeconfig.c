/*
 * kubeconfig files, merged as kubectl merges them: of clusters, users and contexts of one name the
 * first file's counts whole, and so does the first current-context; relative paths are relative to
 * the file that names them.
 *
 * What is not supported yet is an error, never left out in silence: acting with other rights, or
 * on another server, than the file says would be worse than not acting.
 */
#include "base/yaml.h"
#include "k8s/k8s_internal.h"

#include <errno.h>
#include <string.h>

/* Sections: name -> {"file", "folder", "value"}. */
struct merged {
	cJSON *clusters, *users, *contexts;
	char *current;
	struct buf read; /* names of the files that were there */
	struct buf missing;
};

static void merged_done(struct merged *m)
{
	cJSON_Delete(m->clusters);
	cJSON_Delete(m->users);
	cJSON_Delete(m->contexts);
	free(m->current);
	buf_done(&m->read);
	buf_done(&m->missing);
}

static int no_memory(struct err *err)
{
	return err_set(err, ERR_NOMEM, "kubeconfig: no memory");
}

static char *folder_of(const char *file)
{
	const char *slash = strrchr(file, '/');

	if (!slash)
		return strdup(".");
	return strndup(file, slash == file ? 1 : (size_t)(slash - file));
}

static int merge_entry(cJSON *into, const char *file, const char *folder, const char *name,
	const cJSON *value, struct err *err)
{
	cJSON *entry;

	if (cJSON_GetObjectItemCaseSensitive(into, name))
		return 0;
	entry = cJSON_AddObjectToObject(into, name);
	if (!entry || !cJSON_AddStringToObject(entry, "file", file) ||
		!cJSON_AddStringToObject(entry, "folder", folder) ||
		(value && !cJSON_AddItemToObject(entry, "value", cJSON_Duplicate(value, 1))))
		return no_memory(err);
	return 0;
}

/* `key` is the plural: entries are [{name: x, KEY-without-s: {...}}]. */
static int merge_section(
	cJSON *into, const char *file, const cJSON *config, const char *key, struct err *err)
{
	const cJSON *section = json_at(config, key, NULL), *item;
	OWN_MEM char *folder = folder_of(file);
	OWN_MEM char *inner = strndup(key, strlen(key) - 1);
	OWN_JSON cJSON *seen = cJSON_CreateObject();

	if (!folder || !inner || !seen)
		return no_memory(err);
	if (!section || cJSON_IsNull(section))
		return 0;
	if (!cJSON_IsArray(section))
		return err_set(err, ERR_CONFIG, "%s: %s: must be a list", file, key);
	cJSON_ArrayForEach(item, section)
	{
		const char *name = json_str(item, "name", NULL);
		const cJSON *value = json_at(item, inner, NULL);

		if (!name)
			return err_set(err, ERR_CONFIG,
				"%s: %s: an entry whose name is missing or no string", file, key);
		if (cJSON_GetObjectItemCaseSensitive(seen, name))
			return err_set(err, ERR_CONFIG, "%s: %s: \"%s\" stands there twice", file,
				key, name);
		cJSON_AddTrueToObject(seen, name);
		if (value && !cJSON_IsObject(value) && !cJSON_IsNull(value))
			return err_set(err, ERR_CONFIG, "%s: %s \"%s\": %s must be a mapping", file,
				key, name, inner);
		if (merge_entry(into, file, folder, name, value, err))
			return -1;
	}
	return 0;
}

static int merge_config(struct merged *m, const char *file, const cJSON *config, struct err *err)
{
	const char *kind = json_str(config, "kind", NULL);
	const char *current = json_str(config, "current-context", NULL);

	if (!cJSON_IsObject(config) || (kind && strcmp(kind, "Config")))
		return err_set(err, ERR_CONFIG, "%s: no kubeconfig (kind: %s)", file,
			kind ? kind : "missing, and no mapping");
	if (merge_section(m->clusters, file, config, "clusters", err) ||
		merge_section(m->users, file, config, "users", err) ||
		merge_section(m->contexts, file, config, "contexts", err))
		return -1;
	if (!m->current && current && *current) {
		m->current = strdup(current);
		if (!m->current)
			return no_memory(err);
	}
	return 0;
}

static int merge_file(struct merged *m, const char *file, struct err *err)
{
	OWN_JSON cJSON *docs = NULL;
	struct err why;

	if (yaml_file_to_json(file, &docs, &why)) {
		if (why.code == ERR_NOT_FOUND) {
			buf_addf(&m->missing, "%s%s", m->missing.len ? ", " : "", file);
			return 0;
		}
		return err_set(err, why.code == ERR_NOMEM ? ERR_NOMEM : ERR_CONFIG,
			"kubeconfig: %s", why.text);
	}
	buf_addf(&m->read, "%s%s", m->read.len ? ", " : "", file);
	if (cJSON_GetArraySize(docs) > 1)
		return err_set(err, ERR_CONFIG, "%s: more than one YAML document", file);
	return docs->child ? merge_config(m, file, docs->child, err) : 0;
}

static int merge_files(struct merged *m, const char *files, struct err *err)
{
	OWN_MEM char *copy = strdup(files);
	char *rest = copy, *file;

	m->clusters = cJSON_CreateObject();
	m->users = cJSON_CreateObject();
	m->contexts = cJSON_CreateObject();
	buf_init(&m->read, 4096);
	buf_init(&m->missing, 4096);
	if (!copy || !m->clusters || !m->users || !m->contexts)
		return no_memory(err);
	while ((file = strsep(&rest, ":")))
		if (*file && merge_file(m, file, err))
			return -1;
	if (!m->read.len)
		return err_set(err, ERR_CONFIG,
			"kubeconfig: no such file: %s (set KUBECONFIG, or make ~/.kube/config)",
			m->missing.len ? buf_str(&m->missing) : "the list is empty");
	return 0;
}

/* "a, b, c", of what exists: a wrong name is mostly a misspelt one. */
static void add_names(struct buf *out, const cJSON *section)
{
	const cJSON *entry;

	if (!section->child)
		buf_add_str(out, "none");
	cJSON_ArrayForEach(entry, section)
		buf_addf(out, "%s%s", entry == section->child ? "" : ", ", entry->string);
}

static int find_context(
	const struct merged *m, const char *name, const cJSON **ret_entry, struct err *err)
{
	OWN_BUF struct buf names;

	buf_init(&names, 300);
	add_names(&names, m->contexts);
	if (!name)
		return err_set(err, ERR_CONFIG, "%s: no current-context: name one (there are: %s)",
			buf_str(&m->read), buf_str(&names));
	*ret_entry = cJSON_GetObjectItemCaseSensitive(m->contexts, name);
	if (!*ret_entry)
		return err_set(err, ERR_CONFIG, "%s: no context \"%s\" (there are: %s)",
			buf_str(&m->read), name, buf_str(&names));
	return 0;
}

/* The cluster or user that a context names. */
static int find_part(const cJSON *section, const cJSON *context, const char *key,
	const cJSON **ret_entry, struct err *err)
{
	const char *name = json_str(context, "value", key, NULL);
	const char *file = json_str(context, "file", NULL);

	*ret_entry = NULL;
	if (!name || !*name)
		return 0;
	*ret_entry = cJSON_GetObjectItemCaseSensitive(section, name);
	if (!*ret_entry)
		return err_set(err, ERR_CONFIG,
			"%s: context \"%s\" names the %s \"%s\", which is "
			"nowhere",
			file, context->string, key, name);
	return 0;
}

/* ---- one entry to the config's members ---- */

static int take_text(const cJSON *entry, const char *key, char **ret, struct err *err)
{
	const cJSON *value = json_at(entry, "value", key, NULL);

	if (!value || cJSON_IsNull(value) || (cJSON_IsString(value) && !*value->valuestring))
		return 0;
	if (!cJSON_IsString(value))
		return err_set(err, ERR_CONFIG, "%s: \"%s\": %s: must be a string",
			json_str(entry, "file", NULL), entry->string, key);
	*ret = strdup(value->valuestring);
	return *ret ? 0 : no_memory(err);
}

static int take_path(const cJSON *entry, const char *key, char **ret, struct err *err)
{
	OWN_MEM char *path = NULL;

	if (take_text(entry, key, &path, err))
		return -1;
	if (!path)
		return 0;
	if (*path == '/')
		*ret = TAKE(path);
	else
		*ret = str_format("%s/%s", json_str(entry, "folder", NULL), path);
	return *ret ? 0 : no_memory(err);
}

static int take_base64(const cJSON *entry, const char *key, char **ret, struct err *err)
{
	OWN_MEM char *text = NULL;

	if (take_text(entry, key, &text, err))
		return -1;
	if (text && base64_text(text, ret))
		return err_set(err, ERR_CONFIG, "%s: \"%s\": %s: not base64",
			json_str(entry, "file", NULL), entry->string, key);
	return 0;
}

/* Members that change where we go or who we are, and that we cannot honour yet. */
static int refuse(const cJSON *entry, const char *const (*keys)[2], struct err *err)
{
	for (; (*keys)[0]; keys++) {
		const cJSON *value = json_at(entry, "value", (*keys)[0], NULL);

		if (!value || cJSON_IsNull(value) ||
			(cJSON_IsString(value) && !*value->valuestring))
			continue;
		return err_set(err, ERR_CONFIG, "%s: \"%s\": %s is not supported yet: %s",
			json_str(entry, "file", NULL), entry->string, (*keys)[0], (*keys)[1]);
	}
	return 0;
}

static int read_cluster(const cJSON *entry, struct k8s_config *config, struct err *err)
{
	static const char *const refused[][2] = {
		{ "tls-server-name", "use a server address that its certificate names" },
		{ "proxy-url", "set https_proxy in the environment" },
		{ NULL, NULL },
	};

	if (refuse(entry, refused, err) || take_text(entry, "server", &config->server, err) ||
		take_path(entry, "certificate-authority", &config->ca_file, err) ||
		take_base64(entry, "certificate-authority-data", &config->ca_data, err))
		return -1;
	if (!config->server)
		return err_set(err, ERR_CONFIG, "%s: cluster \"%s\" has no server",
			json_str(entry, "file", NULL), entry->string);
	config->insecure = json_bool(entry, 0, "value", "insecure-skip-tls-verify", NULL);
	return 0;
}

static int read_user(const cJSON *entry, struct k8s_config *config, struct err *err)
{
#define TOKEN_ADVICE "use a token, a tokenFile or a client certificate"
	static const char *const refused[][2] = {
		{ "exec", TOKEN_ADVICE },
		{ "auth-provider", TOKEN_ADVICE },
		{ "username", TOKEN_ADVICE },
		{ "password", TOKEN_ADVICE },
		{ "as", "use the credentials of the user you mean" },
		{ "as-uid", "use the credentials of the user you mean" },
		{ "as-groups", "use the credentials of the user you mean" },
		{ "as-user-extra", "use the credentials of the user you mean" },
		{ NULL, NULL },
	};

	if (!entry)
		return 0;
	if (refuse(entry, refused, err) || take_text(entry, "token", &config->token, err) ||
		take_path(entry, "tokenFile", &config->token_file, err) ||
		take_path(entry, "client-certificate", &config->cert_file, err) ||
		take_base64(entry, "client-certificate-data", &config->cert_data, err) ||
		take_path(entry, "client-key", &config->key_file, err) ||
		take_base64(entry, "client-key-data", &config->key_data, err))
		return -1;
	return 0;
}

static int read_context(
	const struct merged *m, const cJSON *context, struct k8s_config *config, struct err *err)
{
	const cJSON *cluster, *user;
	OWN_MEM char *where = NULL;

	if (find_part(m->clusters, context, "cluster", &cluster, err) ||
		find_part(m->users, context, "user", &user, err))
		return -1;
	if (!cluster)
		return err_set(err, ERR_CONFIG, "%s: context \"%s\" names no cluster",
			json_str(context, "file", NULL), context->string);
	config->context = strdup(context->string);
	where = str_format("%s: context \"%s\"", json_str(context, "file", NULL), context->string);
	if (!config->context || !where)
		return no_memory(err);
	if (take_text(context, "namespace", &config->ns, err) ||
		read_cluster(cluster, config, err) || read_user(user, config, err))
		return -1;
	return config_finish(config, where, err);
}

static int default_files(char **ret_files, struct err *err)
{
	const char *env = getenv("KUBECONFIG"), *home = getenv("HOME");

	if (env && *env)
		*ret_files = strdup(env);
	else if (home && *home)
		*ret_files = str_format("%s/.kube/config", home);
	else
		return err_set(err, ERR_CONFIG, "kubeconfig: neither KUBECONFIG nor HOME is set");
	return *ret_files ? 0 : no_memory(err);
}

int k8s_config_kubeconfig(
	const char *files, const char *context, struct k8s_config **ret_config, struct err *err)
{
	OWN(merged_done) struct merged merged = { 0 };
	OWN_MEM char *from = NULL;
	const cJSON *entry = NULL;
	struct k8s_config *config;

	if (files)
		from = strdup(files);
	else if (default_files(&from, err))
		return -1;
	if (!from)
		return no_memory(err);
	if (merge_files(&merged, from, err) ||
		find_context(&merged, context ? context : merged.current, &entry, err))
		return -1;
	config = calloc(1, sizeof(*config));
	if (!config)
		return no_memory(err);
	if (read_context(&merged, entry, config, err)) {
		k8s_config_free(config);
		return -1;
	}
	*ret_config = config;
	return 0;
}
