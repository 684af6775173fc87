/*
 * clouds.yaml and secure.yaml, looked up where openstacksdk looks: OS_CLIENT_CONFIG_FILE and
 * OS_CLIENT_SECURE_FILE, the current folder, ~/.config/openstack, /etc/openstack.
 */
#include "verifiers/openstack/clouds_file.h"

#include "base/buf.h"
#include "base/yaml.h"

#include <string.h>

static bool readable(const char *path)
{
	return access(path, R_OK) == 0;
}

/* FOLDER/BASE.yaml, .yml or .json; NULL when none is there (or no memory: then none is found). */
static char *in_folder(const char *folder, const char *base)
{
	static const char *const endings[] = { "yaml", "yml", "json" };

	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		OWN_MEM char *path = str_format("%s/%s.%s", folder, base, endings[i]);

		if (path && readable(path))
			return TAKE(path);
	}
	return NULL;
}

static char *user_folder(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	if (config && *config)
		return str_format("%s/openstack", config);
	return home && *home ? str_format("%s/.config/openstack", home) : NULL;
}

static char *in_usual_places(const char *base)
{
	OWN_MEM char *user = user_folder();
	const char *const folders[] = { ".", user, "/etc/xdg/openstack", "/etc/openstack" };

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		char *path = folders[i] ? in_folder(folders[i], base) : NULL;

		if (path)
			return path;
	}
	return NULL;
}

int clouds_file_find(const char *file, char **ret_path, struct err *err)
{
	const char *told = file ? file : getenv("OS_CLIENT_CONFIG_FILE");
	char *path;

	if (!told || !*told) {
		*ret_path = in_usual_places("clouds");
		return 0;
	}
	if (!readable(told))
		return err_errno(err, "%s %s cannot be read",
			file ? "clouds file" : "OS_CLIENT_CONFIG_FILE", told);
	path = strdup(told);
	if (!path)
		return err_set(err, ERR_NOMEM, "no memory for the name of a clouds file");
	*ret_path = path;
	return 0;
}

/* secure.yaml: named by its variable, beside the clouds file, or in the usual places. */
static char *find_secure(const char *clouds_path)
{
	const char *told = getenv("OS_CLIENT_SECURE_FILE");
	const char *slash = strrchr(clouds_path, '/');
	OWN_MEM char *folder = slash ? strndup(clouds_path, (size_t)(slash - clouds_path))
				     : strdup(".");
	char *beside;

	if (told && *told)
		return strdup(told);
	beside = folder ? in_folder(folder, "secure") : NULL;
	return beside ? beside : in_usual_places("secure");
}

/* `clouds:` of a file's first document; the whole is the caller's. */
static int read_clouds(const char *path, cJSON **ret_docs, cJSON **ret_clouds, struct err *err)
{
	OWN_JSON cJSON *docs = NULL;
	cJSON *clouds;

	if (yaml_file_to_json(path, &docs, err))
		return -1;
	clouds = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(docs, 0), "clouds");
	if (!cJSON_IsObject(clouds))
		return err_set(err, ERR_CONFIG, "%s: no `clouds:` map in it", path);
	*ret_clouds = clouds;
	*ret_docs = TAKE(docs);
	return 0;
}

/* Members of `over` replace those of `into`, maps are merged. -1: no memory. */
static int merge(cJSON *into, const cJSON *over)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, over)
	{
		cJSON *there = cJSON_GetObjectItemCaseSensitive(into, item->string);
		cJSON *copy;

		if (cJSON_IsObject(there) && cJSON_IsObject(item)) {
			if (merge(there, item))
				return -1;
			continue;
		}
		copy = cJSON_Duplicate(item, true);
		if (there)
			cJSON_DeleteItemFromObjectCaseSensitive(into, item->string);
		if (!copy || !cJSON_AddItemToObject(into, item->string, copy)) {
			cJSON_Delete(copy);
			return -1;
		}
	}
	return 0;
}

static int merge_secure(const char *clouds_path, const char *name, cJSON *entry, struct err *err)
{
	OWN_MEM char *path = find_secure(clouds_path);
	OWN_JSON cJSON *docs = NULL;
	cJSON *clouds;

	if (!path)
		return 0;
	if (read_clouds(path, &docs, &clouds, err))
		return -1;
	if (merge(entry, cJSON_GetObjectItemCaseSensitive(clouds, name)))
		return err_set(err, ERR_NOMEM, "no memory to merge %s", path);
	return 0;
}

/* "a, b, c": the entries that exist, as far as they fit. */
static void name_all(const cJSON *clouds, char *text, size_t size)
{
	const cJSON *item;
	size_t len = 0;

	text[0] = '\0';
	cJSON_ArrayForEach(item, clouds)
	{
		int n = snprintf(text + len, size - len, "%s%s", len ? ", " : "", item->string);

		if (n < 0 || (size_t)n >= size - len)
			return;
		len += (size_t)n;
	}
}

static int pick(const char *path, const cJSON *clouds, const char *name, const cJSON **ret_entry,
	struct err *err)
{
	const cJSON *entry = name ? cJSON_GetObjectItemCaseSensitive(clouds, name) : clouds->child;
	char all[256];

	name_all(clouds, all, sizeof(all));
	if (name && !entry)
		return err_set(err, ERR_CONFIG, "%s: no cloud \"%s\"; there is: %s", path, name,
			all[0] ? all : "none");
	if (!name && cJSON_GetArraySize(clouds) != 1)
		return err_set(err, ERR_CONFIG,
			"which cloud? Set OS_CLOUD or `cloud: {name: ...}`; %s has: %s", path,
			all[0] ? all : "none");
	if (!cJSON_IsObject(entry))
		return err_set(err, ERR_CONFIG, "%s: cloud \"%s\" is no map", path, entry->string);
	*ret_entry = entry;
	return 0;
}

int clouds_file_entry(
	const char *path, const char *name, char **ret_name, cJSON **ret_entry, struct err *err)
{
	OWN_JSON cJSON *docs = NULL;
	OWN_JSON cJSON *copy = NULL;
	OWN_MEM char *own_name = NULL;
	const cJSON *entry;
	cJSON *clouds;

	if (read_clouds(path, &docs, &clouds, err) || pick(path, clouds, name, &entry, err))
		return -1;
	copy = cJSON_Duplicate(entry, true);
	own_name = strdup(entry->string);
	if (!copy || !own_name)
		return err_set(err, ERR_NOMEM, "no memory for a cloud of %s", path);
	if (merge_secure(path, own_name, copy, err))
		return -1;
	*ret_name = TAKE(own_name);
	*ret_entry = TAKE(copy);
	return 0;
}
