/* YAML trees as JSON: merge keys applied, duplicate keys refused, aliases written out. */
#include "base/yaml.h"

#include "base/buf.h"

#include <string.h>

/* What the JSON of one text may cost, in bytes and so much a node: aliases of aliases multiply, and
 * this is where it ends. A text of 1 MiB without aliases stays below it. */
#define COST_MAX (16 * 1024 * 1024)
#define COST_NODE 16

struct convert {
	const char *name;
	size_t cost;
	struct err *err;
};

static int fail(struct convert *c, const struct yaml_node *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int fail(struct convert *c, const struct yaml_node *at, const char *format, ...)
{
	char reason[256];
	va_list args;

	va_start(args, format);
	vsnprintf(reason, sizeof(reason), format, args);
	va_end(args);
	return err_set(c->err, ERR_CONFIG, "%s:%u:%u: %s", c->name, at->line, at->column, reason);
}

static int no_memory(struct convert *c)
{
	return err_set(c->err, ERR_NOMEM, "%s: no memory for its YAML", c->name);
}

static int spend(struct convert *c, const struct yaml_node *node)
{
	c->cost += COST_NODE + (node->form == YAML_TEXT ? strlen(node->text) : 0);
	return c->cost <= COST_MAX ? 0 : fail(c, node, "its aliases make too much of it (16 MiB)");
}

static int convert_node(struct convert *c, const struct yaml_node *node, cJSON **ret);

/* ---- maps ---- */

struct entry {
	char *key;
	const struct yaml_node *at, *value;
	size_t order; /* of two entries of one key, the one with the smaller order counts */
	bool merged;  /* came by a merge key */
	bool dropped;
};

struct entries {
	struct entry *v;
	size_t n, size;
};

static void entries_done(struct entries *entries)
{
	for (size_t i = 0; i < entries->n; i++)
		free(entries->v[i].key);
	free(entries->v);
}

static int is_merge(const struct yaml_node *key)
{
	return key->form == YAML_TEXT && !key->quoted && !key->tag && !strcmp(key->text, "<<");
}

/* A key as JSON has them: strings. What YAML reads as a bool or a number becomes its canonical
 * text, as in Kubernetes. */
static int convert_key(struct convert *c, const struct yaml_node *key, char **ret)
{
	OWN_JSON cJSON *json = NULL;
	struct err reason;

	if (key->form != YAML_TEXT)
		return fail(c, key, "a key that is a list or a map");
	if (spend(c, key))
		return -1;
	json = yaml_scalar_to_json(key, &reason);
	if (!json)
		return fail(c, key, "%s", reason.text);
	if (cJSON_IsNull(json))
		return fail(c, key, "a key that is null");
	*ret = cJSON_IsString(json) ? strdup(json->valuestring) : cJSON_PrintUnformatted(json);
	return *ret ? 0 : no_memory(c);
}

static int entries_add(struct convert *c, struct entries *entries, const struct yaml_node *key,
	const struct yaml_node *value, bool merged)
{
	struct entry *entry;

	if (entries->n == entries->size) {
		size_t size = entries->size ? entries->size * 2 : 8;
		struct entry *v = realloc(entries->v, size * sizeof(*v));

		if (!v)
			return no_memory(c);
		entries->v = v;
		entries->size = size;
	}
	entry = &entries->v[entries->n];
	*entry = (struct entry){ .at = key, .value = value, .order = entries->n, .merged = merged };
	if (convert_key(c, key, &entry->key))
		return -1;
	entries->n++;
	return 0;
}

static int merge(struct convert *c, struct entries *entries, const struct yaml_node *from);

/* The entries of a map, its own first, then what it merges, the nearest first. */
static int collect(
	struct convert *c, struct entries *entries, const struct yaml_node *map, bool merged)
{
	/* Maps that only merge others multiply without a single key. */
	if (merged && spend(c, map))
		return -1;
	for (size_t i = 0; i < map->n; i++)
		if (!is_merge(map->keys[i]) &&
			entries_add(c, entries, map->keys[i], map->values[i], merged))
			return -1;
	for (size_t i = 0; i < map->n; i++)
		if (is_merge(map->keys[i]) && merge(c, entries, map->values[i]))
			return -1;
	return 0;
}

static int merge(struct convert *c, struct entries *entries, const struct yaml_node *from)
{
	if (from->form == YAML_MAP)
		return collect(c, entries, from, true);
	if (from->form != YAML_LIST)
		return fail(c, from, "a merge key (<<) takes a map or a list of maps");
	for (size_t i = 0; i < from->n; i++) {
		if (from->values[i]->form != YAML_MAP)
			return fail(c, from->values[i],
				"a merge key (<<) takes a map or a list of maps");
		if (collect(c, entries, from->values[i], true))
			return -1;
	}
	return 0;
}

static int by_key(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;
	int order = strcmp(x->key, y->key);

	return order ? order : (x->order > y->order) - (x->order < y->order);
}

/* Of entries of one key only the first stays; a second one in the map itself is an error. */
static int drop_duplicates(struct convert *c, struct entries *entries)
{
	OWN_MEM struct entry **sorted = calloc(entries->n + 1, sizeof(*sorted));
	const struct entry *kept = NULL;

	if (!sorted)
		return no_memory(c);
	for (size_t i = 0; i < entries->n; i++)
		sorted[i] = &entries->v[i];
	qsort(sorted, entries->n, sizeof(struct entry *), by_key);
	for (size_t i = 0; i < entries->n; i++) {
		struct entry *entry = sorted[i];

		if (!kept || strcmp(kept->key, entry->key)) {
			kept = entry;
			continue;
		}
		if (!entry->merged)
			return fail(c, entry->at, "duplicate key \"%s\" (first in line %u)",
				entry->key, kept->at->line);
		entry->dropped = true;
	}
	return 0;
}

static int convert_entry(struct convert *c, const struct entry *entry, cJSON *object)
{
	cJSON *value = NULL;

	if (convert_node(c, entry->value, &value))
		return -1;
	if (cJSON_AddItemToObject(object, entry->key, value))
		return 0;
	cJSON_Delete(value);
	return no_memory(c);
}

static int convert_map(struct convert *c, const struct yaml_node *map, cJSON **ret)
{
	OWN(entries_done) struct entries entries = { 0 };
	OWN_JSON cJSON *object = cJSON_CreateObject();

	if (!object)
		return no_memory(c);
	if (collect(c, &entries, map, false) || drop_duplicates(c, &entries))
		return -1;
	for (size_t i = 0; i < entries.n; i++)
		if (!entries.v[i].dropped && convert_entry(c, &entries.v[i], object))
			return -1;
	*ret = TAKE(object);
	return 0;
}

static int convert_list(struct convert *c, const struct yaml_node *list, cJSON **ret)
{
	OWN_JSON cJSON *array = cJSON_CreateArray();

	if (!array)
		return no_memory(c);
	for (size_t i = 0; i < list->n; i++) {
		cJSON *value = NULL;

		if (convert_node(c, list->values[i], &value))
			return -1;
		cJSON_AddItemToArray(array, value);
	}
	*ret = TAKE(array);
	return 0;
}

static int convert_node(struct convert *c, const struct yaml_node *node, cJSON **ret)
{
	struct err reason;

	if (spend(c, node))
		return -1;
	if (node->form == YAML_MAP)
		return convert_map(c, node, ret);
	if (node->form == YAML_LIST)
		return convert_list(c, node, ret);
	*ret = yaml_scalar_to_json(node, &reason);
	return *ret ? 0 : fail(c, node, "%s", reason.text);
}

int yaml_to_json(const char *name, const char *text, size_t len, cJSON **ret_docs, struct err *err)
{
	OWN_YAML struct yaml_tree *tree = NULL;
	OWN_JSON cJSON *docs = cJSON_CreateArray();
	struct convert c = { .name = name, .err = err };

	if (!docs)
		return no_memory(&c);
	if (yaml_parse(name, text, len, &tree, err))
		return -1;
	for (size_t i = 0; i < tree->n_docs; i++) {
		cJSON *doc = NULL;

		if (convert_node(&c, tree->docs[i], &doc))
			return -1;
		cJSON_AddItemToArray(docs, doc);
	}
	*ret_docs = TAKE(docs);
	return 0;
}

int yaml_file_to_json(const char *path, cJSON **ret_docs, struct err *err)
{
	OWN_MEM char *text = NULL;
	size_t len;

	if (buf_read_file(path, YAML_MAX_BYTES, &text, &len, err))
		return -1;
	return yaml_to_json(path, text, len, ret_docs, err);
}
