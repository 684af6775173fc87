/* The three kinds of patches that change an object. */
#include "k8s/sandbox/patch.h"

#include "k8s/sandbox/edit.h"

#include <string.h>

static void merge(cJSON *target, const cJSON *patch, bool strategic);

/* The key by which a list's entries are told apart; NULL: the list is replaced whole. */
static const char *merge_key(const char *list)
{
	static const struct {
		const char *list, *key;
	} keys[] = {
		{ "containers", "name" },
		{ "initContainers", "name" },
		{ "env", "name" },
		{ "volumes", "name" },
		{ "volumeMounts", "mountPath" },
		{ "ports", "containerPort" },
		{ "conditions", "type" },
		{ "ownerReferences", "uid" },
		{ "tolerations", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (!strcmp(keys[i].list, list))
			return keys[i].key;
	return NULL;
}

static cJSON *entry_like(cJSON *list, const char *key, const cJSON *like)
{
	const cJSON *want = cJSON_GetObjectItemCaseSensitive(like, key);
	cJSON *one;

	cJSON_ArrayForEach(one,
		list) if (want &&
			  same_json(cJSON_GetObjectItemCaseSensitive(one, key), want)) return one;
	return NULL;
}

static void merge_list(cJSON *target, const char *name, const char *key, const cJSON *patch)
{
	cJSON *list = edit_array(target, name);
	const cJSON *one;

	cJSON_ArrayForEach(one, patch)
	{
		cJSON *there = entry_like(list, key, one);

		if (same_text(json_str(one, "$patch", NULL), "delete")) {
			if (there)
				cJSON_Delete(cJSON_DetachItemViaPointer(list, there));
		} else if (there) {
			merge(there, one, true);
		} else {
			cJSON_AddItemToArray(list, edit_copy(one));
		}
	}
}

/* Lists of plain values that merge as sets. */
static bool is_set_list(const char *name)
{
	return !strcmp(name, "finalizers");
}

static void merge_set(cJSON *target, const char *name, const cJSON *patch)
{
	cJSON *list = edit_array(target, name);
	const cJSON *one, *there;

	cJSON_ArrayForEach(one, patch)
	{
		bool found = false;

		cJSON_ArrayForEach(there, list) found |= same_json(there, one);
		if (!found)
			cJSON_AddItemToArray(list, edit_copy(one));
	}
}

static void merge(cJSON *target, const cJSON *patch, bool strategic)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, patch)
	{
		const char *key = one->string;
		const char *by = strategic && cJSON_IsArray(one) && one->child &&
						 cJSON_IsObject(one->child)
					 ? merge_key(key)
					 : NULL;

		if (strategic && key[0] == '$')
			continue; /* directives: only $patch: delete is known, in lists */
		if (cJSON_IsNull(one))
			edit_del(target, key);
		else if (cJSON_IsObject(one))
			merge(edit_object(target, key), one, strategic);
		else if (by)
			merge_list(target, key, by, one);
		else if (strategic && cJSON_IsArray(one) && is_set_list(key))
			merge_set(target, key, one);
		else
			edit_set(target, key, edit_copy(one));
	}
}

void patch_merge(cJSON *target, const cJSON *patch)
{
	merge(target, patch, false);
}

void patch_strategic(cJSON *target, const cJSON *patch)
{
	merge(target, patch, true);
}

/* ---- JSON patch ---- */

/* The next part of a pointer, unescaped, into `out`. */
static const char *pointer_part(const char *at, char *out, size_t size)
{
	size_t n = 0;

	for (at++; *at && *at != '/'; at++) {
		char c = *at;

		if (c == '~' && (at[1] == '0' || at[1] == '1'))
			c = *++at == '0' ? '~' : '/';
		if (n + 1 < size)
			out[n++] = c;
	}
	out[n] = '\0';
	return at;
}

static cJSON *child_of(cJSON *parent, const char *key)
{
	if (cJSON_IsArray(parent)) {
		char *end;
		long index = strtol(key, &end, 10);

		return *end || !*key ? NULL : cJSON_GetArrayItem(parent, (int)index);
	}
	return cJSON_GetObjectItemCaseSensitive(parent, key);
}

/* The parent of what the pointer points to, and the last key. NULL: there is no such place. */
static cJSON *pointer_parent(cJSON *target, const char *pointer, char *key, size_t size)
{
	cJSON *at = target;

	if (*pointer != '/')
		return NULL;
	for (pointer = pointer_part(pointer, key, size); at && *pointer;
		pointer = pointer_part(pointer, key, size))
		at = child_of(at, key);
	return at;
}

/* cJSON_InsertItemInArray of Debian 12 (1.7.15-1+deb12u4) refuses all places but the first. */
static void insert_at(cJSON *list, int at, cJSON *value)
{
	int behind = cJSON_GetArraySize(list) - at;

	cJSON_AddItemToArray(list, value);
	for (; behind > 0; behind--)
		cJSON_AddItemToArray(list, cJSON_DetachItemFromArray(list, at));
}

static void put_at(cJSON *parent, const char *key, cJSON *value, bool insert)
{
	if (!cJSON_IsArray(parent))
		edit_set(parent, key, value);
	else if (!strcmp(key, "-"))
		cJSON_AddItemToArray(parent, value);
	else if (insert)
		insert_at(parent, atoi(key), value);
	else
		cJSON_ReplaceItemInArray(parent, atoi(key), value);
}

static int apply(cJSON *target, const cJSON *operation, struct err *err)
{
	const char *op = json_str(operation, "op", NULL);
	const char *path = json_str(operation, "path", NULL);
	const cJSON *value = json_at(operation, "value", NULL);
	char key[256] = "";
	cJSON *parent = path ? pointer_parent(target, path, key, sizeof(key)) : NULL;
	cJSON *there = parent ? child_of(parent, key) : NULL;

	if (!op || !parent || (!there && strcmp(op, "add")))
		return err_set(err, ERR_FORMAT,
			"the server rejected our request due to an error in our request: "
			"%s operation does not apply: doc is missing path: \"%s\"",
			op ? op : "patch", path ? path : "");
	if (!strcmp(op, "remove"))
		cJSON_Delete(cJSON_DetachItemViaPointer(parent, there));
	else if (!strcmp(op, "add") || !strcmp(op, "replace"))
		put_at(parent, key, edit_copy(value), *op == 'a');
	else if (strcmp(op, "test"))
		return err_set(err, ERR_FORMAT, "Unexpected kind: %s", op);
	else if (!same_json(there, value))
		return err_set(err, ERR_FORMAT, "testing path %s failed", path);
	return 0;
}

int patch_json(cJSON *target, const cJSON *operations, struct err *err)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, operations) if (apply(target, one, err)) return -1;
	return 0;
}
