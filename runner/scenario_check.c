/* A scenario's tree against the tables: unknown and duplicate keys, types, limits, kinds, files. */
#include "base/near.h"
#include "runner/cookies/cookie.h"
#include "runner/deployers/deployer.h"
#include "runner/scenario_draft.h"
#include "runner/scenario_service.h"
#include "verifiers/verifier.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 1000

struct check {
	struct draft *draft;
	const char *dir;
	struct problems *problems;
};

static const char *form_name(const struct yaml_node *node)
{
	return node->form == YAML_MAP ? "a map" : node->form == YAML_LIST ? "a list" : "a text";
}

static void child_path(char out[PATH_BYTES], const char *path, const char *key)
{
	if (snprintf(out, PATH_BYTES, "%s%s%.40s", path, *path ? "." : "", key) >= PATH_BYTES)
		snprintf(out, PATH_BYTES, "%.60s...", path);
}

/* ---- the right spelling, for a map in the place of a string ---- */

/* `key` and value as the place of a list's string would have them. */
static void spell_pair(struct buf *b, const char *param, const struct yaml_node *key,
	const struct yaml_node *value)
{
	buf_addf(b, "%.60s%s%.60s", key->form == YAML_TEXT ? key->text : "...",
		!strcmp(param, "headers") ? ": " : "=",
		value->form == YAML_TEXT ? value->text : "...");
}

static void spell_json(struct buf *b, const struct yaml_node *map)
{
	for (size_t i = 0; i < map->n; i++) {
		const struct yaml_node *value = map->values[i];
		OWN_JSON cJSON *json = value->form == YAML_TEXT ? yaml_scalar_to_json(value, NULL)
								: NULL;
		OWN_MEM char *text = json ? cJSON_PrintUnformatted(json) : NULL;

		buf_addf(b, "%s\"%.60s\": %s", i ? ", " : "",
			map->keys[i]->form == YAML_TEXT ? map->keys[i]->text : "...",
			text ? text : "...");
	}
}

/* What to write instead of a map: ["A=b"], app=web, '{"a": 1}'. */
static void spell_map(struct buf *b, const struct param *param, const struct yaml_node *map)
{
	bool json = param->type == PARAM_STRING && strstr(param->name, "args");

	buf_add_str(b, param->type == PARAM_STRINGS ? "[" : json ? "'{" : "");
	if (json)
		spell_json(b, map);
	for (size_t i = 0; !json && i < map->n; i++) {
		buf_add_str(b, i ? param->type == PARAM_STRINGS ? ", " : "," : "");
		buf_add_str(b, param->type == PARAM_STRINGS ? "\"" : "");
		spell_pair(b, param->name, map->keys[i], map->values[i]);
		buf_add_str(b, param->type == PARAM_STRINGS ? "\"" : "");
	}
	buf_add_str(b, param->type == PARAM_STRINGS ? "]" : json ? "}'" : "");
}

static int wrong_form(
	struct check *c, const struct param *param, const struct yaml_node *node, const char *path)
{
	bool list = param->type == PARAM_STRINGS;
	OWN_BUF struct buf spelling;

	buf_init(&spelling, 300);
	if (node->form == YAML_MAP && node->n && (list || param->type == PARAM_STRING)) {
		spell_map(&spelling, param, node);
		if (!buf_failed(&spelling))
			return problem_error(c->problems, node, path,
				"a map, where %s is wanted: write %s",
				list ? "a list of strings" : "a string", buf_str(&spelling));
	}
	if (list && node->form == YAML_TEXT && !yaml_is_null(node))
		return problem_error(c->problems, node, path,
			"a text, where a list of strings is wanted: write [\"%.80s\"]", node->text);
	return problem_error(c->problems, node, path, "%s, where a %s is wanted", form_name(node),
		param->type == PARAM_ENUM ? "name" : param_type_name(param->type));
}

/* ---- values ---- */

static int check_file(struct check *c, const struct yaml_node *node, const char *path)
{
	OWN_MEM char *file = path_in(c->dir, node->text);

	if (file && !access(file, R_OK))
		return 0;
	return problem_error(c->problems, node, path, "%s: %m", file ? file : node->text);
}

static int check_text(
	struct check *c, const struct param *param, const struct yaml_node *node, const char *path)
{
	struct err err = { 0 };

	if (node->tag)
		return problem_error(
			c->problems, node, path, "YAML tags have no place in a scenario");
	if (yaml_is_null(node))
		return problem_error(
			c->problems, node, path, "is empty: give a value, or leave the key out");
	if (service_check(node->text, &err))
		return problem_error(c->problems, node, path, "%s", err.text);
	return param->file ? check_file(c, node, path) : 0;
}

static int check_strings(struct check *c, const struct param *param, void *params,
	const struct yaml_node *node, const char *path)
{
	const struct param just_this[] = { *param, PARAM_END };
	struct err err;
	int ret = 0;

	if (!node->n)
		return problem_error(c->problems, node, path,
			param->required ? "is empty: at least one is needed"
					: "is empty: leave the key out");
	param_done(just_this, params);
	for (size_t i = 0; i < node->n; i++) {
		char item[PATH_BYTES];

		snprintf(item, sizeof(item), "%.100s[%zu]", path, i);
		if (node->values[i]->form != YAML_TEXT)
			ret = problem_error(c->problems, node->values[i], item,
				"%s, where a string is wanted", form_name(node->values[i]));
		else if (check_text(c, param, node->values[i], item))
			ret = -1;
		else if (param_append(param, params, node->values[i]->text, &err))
			ret = problem_error(c->problems, node->values[i], item, "%s", err.text);
	}
	return ret;
}

static int check_value(struct check *c, const struct param *param, void *params,
	const struct yaml_node *node, const char *path)
{
	struct err err;

	if (node->form != (param->type == PARAM_STRINGS ? YAML_LIST : YAML_TEXT))
		return wrong_form(c, param, node, path);
	if (param->type == PARAM_STRINGS)
		return check_strings(c, param, params, node, path);
	if (check_text(c, param, node, path))
		return -1;
	if (param_set(param, params, node->text, &err))
		return problem_error(c->problems, node, path, "%s", err.text);
	return 0;
}

/* ---- keys ---- */

/* Names that a key could have meant: parameters, then kinds, then (in the file itself) sections. */
struct candidates {
	const struct param *params;
	enum kind_set kinds;
	bool with_sections;
};

static const char *candidate(void *arg, size_t i)
{
	const struct candidates *from = arg;
	size_t params = param_count(from->params), kinds = kind_count(from->kinds);
	struct kind kind;

	if (i < params)
		return from->params[i].name;
	if (i < params + kinds)
		return kind_at(from->kinds, i - params, &kind) ? kind.name : NULL;
	i += SECTION_TOP + 1 - params - kinds;
	return from->with_sections && i < SECTION_COUNT ? sections[i].key : NULL;
}

static void list_candidates(struct candidates *from, char *out, size_t size)
{
	const char *name;
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; (name = candidate(from, i)) && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i ? ", " : "", name);
}

static int unknown_key(
	struct check *c, const struct yaml_node *key, const char *path, struct candidates *from)
{
	const char *near = name_near(key->text, candidate, from);
	char known[300];

	if (near)
		return problem_error(c->problems, key, path,
			"unknown key \"%.60s\"; did you mean \"%s\"?", key->text, near);
	list_candidates(from, known, sizeof(known));
	return problem_error(
		c->problems, key, path, "unknown key \"%.60s\" (known: %s)", key->text, known);
}

static int check_key(struct check *c, const struct yaml_node *map, size_t i, const char *path)
{
	const struct yaml_node *key = map->keys[i];

	/* Keys are compared each with each. */
	if (i >= ENTRIES_MAX)
		return i > ENTRIES_MAX ? -1
				       : problem_error(c->problems, key, path, "more than %d keys",
						 ENTRIES_MAX);
	if (key->form != YAML_TEXT)
		return problem_error(c->problems, key, path, "a key that is %s", form_name(key));
	for (size_t k = 0; k < i; k++)
		if (map->keys[k]->form == YAML_TEXT && !strcmp(map->keys[k]->text, key->text))
			return problem_error(c->problems, key, path,
				"duplicate key \"%.60s\" (first in line %u)", key->text,
				map->keys[k]->line);
	return 0;
}

static int check_required(
	struct check *c, const struct param *table, const struct yaml_node *map, const char *path)
{
	int ret = 0;

	for (; table && table->name; table++)
		if (table->required && !yaml_get(map, table->name))
			ret = problem_error(c->problems, map, path, "%s is missing", table->name);
	return ret;
}

/* The params of a kind. */
static int check_params(struct check *c, const struct param *table, void *params,
	const struct yaml_node *map, const char *path)
{
	struct candidates from = { .params = table };
	int ret = check_required(c, table, map, path);

	for (size_t i = 0; i < map->n; i++) {
		const struct param *param;
		char child[PATH_BYTES];

		if (check_key(c, map, i, path)) {
			ret = -1;
			continue;
		}
		param = param_find(table, map->keys[i]->text);
		child_path(child, path, map->keys[i]->text);
		if (!param)
			ret = unknown_key(c, map->keys[i], path, &from);
		else if (check_value(c, param, params, map->values[i], child))
			ret = -1;
	}
	return ret;
}

/* ---- kinds ---- */

static int ask_kind(
	enum kind_set set, int kind, const void *params, const char *dir, struct err *err)
{
	switch (set) {
	case KINDS_DEPLOYERS:
		return deployer_kinds[kind]->check ? deployer_kinds[kind]->check(params, dir, err)
						   : 0;
	case KINDS_COOKIES:
		return cookie_kinds[kind]->check ? cookie_kinds[kind]->check(params, err) : 0;
	case KINDS_VERIFIERS:
		return verifier_kinds[kind]->check ? verifier_kinds[kind]->check(params, err) : 0;
	case KINDS_NONE:
		break;
	}
	return 0;
}

static int check_kind(struct check *c, enum section_id id, struct draft_entry *entry,
	const struct yaml_node *key, const struct yaml_node *node)
{
	int index = kind_find(sections[id].kinds, key->text);
	char path[PATH_BYTES];
	struct kind kind;
	struct err err = { 0 };

	child_path(path, entry->path, key->text);
	if (entry->kind >= 0) {
		kind_at(sections[id].kinds, (size_t)entry->kind, &kind);
		return problem_error(c->problems, key, entry->path,
			"two kinds in one entry: %s and %s; make two entries of it", kind.name,
			key->text);
	}
	entry->kind_node = key;
	if (draft_set_kind(entry, id, index, &err))
		return problem_error(c->problems, key, path, "%s", err.text);
	kind_at(sections[id].kinds, (size_t)index, &kind);
	if (node->form != YAML_MAP)
		return problem_error(c->problems, node, path,
			"%s, where the kind's parameters are wanted: "
			"write %s: {...}",
			yaml_is_null(node) ? "nothing" : form_name(node), key->text);
	if (check_params(c, kind.params, entry->params, node, path))
		return -1;
	if (ask_kind(sections[id].kinds, index, entry->params, c->dir, &err))
		return problem_error(c->problems, node, path, "%s", err.text);
	return 0;
}

/* ---- entries and sections ---- */

static int check_entry_key(struct check *c, enum section_id id, struct draft_entry *entry, size_t i)
{
	const struct yaml_node *key = entry->node->keys[i], *value = entry->node->values[i];
	struct candidates from = { sections[id].params, sections[id].kinds, id == SECTION_TOP };
	const struct param *param = param_find(sections[id].params, key->text);
	char path[PATH_BYTES];

	child_path(path, entry->path, key->text);
	if (param)
		return check_value(c, param, entry->form, value, path);
	if (kind_find(sections[id].kinds, key->text) >= 0)
		return check_kind(c, id, entry, key, value);
	for (int k = SECTION_TOP + 1; id == SECTION_TOP && k < SECTION_COUNT; k++)
		if (!strcmp(sections[k].key, key->text))
			return 0;
	if (value->form == YAML_MAP && sections[id].kinds != KINDS_NONE &&
		!name_near(key->text, candidate, &from)) {
		char known[200];

		list_candidates(
			&(struct candidates){ .kinds = sections[id].kinds }, known, sizeof(known));
		return problem_error(c->problems, key, entry->path,
			"unknown %s \"%.60s\" (known: %s)", kind_set_name(sections[id].kinds),
			key->text, known);
	}
	return unknown_key(c, key, entry->path, &from);
}

/* Cookies may name a file of Cookiemonster's instead of a kind. */
static int check_has_kind(struct check *c, enum section_id id, struct draft_entry *entry)
{
	bool file = id == SECTION_COOKIES && yaml_get(entry->node, "file");
	char known[200];

	if (sections[id].kinds == KINDS_NONE)
		return 0;
	if (file && entry->kind >= 0)
		return problem_error(c->problems, entry->kind_node, entry->path,
			"both file and a kind: make two entries of it");
	if (file || entry->kind >= 0)
		return 0;
	list_candidates(&(struct candidates){ .kinds = sections[id].kinds }, known, sizeof(known));
	return problem_error(c->problems, entry->node, entry->path, "no kind of %s: one of %s%s",
		kind_set_name(sections[id].kinds), known, id == SECTION_COOKIES ? ", or file" : "");
}

static void check_entry(
	struct check *c, enum section_id id, const struct yaml_node *node, const char *path)
{
	struct err err = { 0 };
	struct draft_entry *entry = draft_add(c->draft, id, &err);
	bool strange = false;

	if (!entry) {
		problem_error(c->problems, node, path, "%s", err.text);
		return;
	}
	snprintf(entry->path, sizeof(entry->path), "%s", path);
	entry->node = node;
	if (!node)
		return;
	if (node->form != YAML_MAP) {
		entry->bad = true;
		entry->node = NULL;
		problem_error(c->problems, node, path, "%s, where a map is wanted",
			yaml_is_null(node) ? "nothing" : form_name(node));
		return;
	}
	entry->bad = check_required(c, sections[id].params, node, path);
	for (size_t i = 0; i < node->n; i++) {
		if (check_key(c, node, i, path) || check_entry_key(c, id, entry, i)) {
			entry->bad = true;
			strange |= node->keys[i]->form == YAML_TEXT &&
				   !param_find(sections[id].params, node->keys[i]->text);
		}
	}
	/* An unknown key was likely the kind: one mistake is told once. */
	if (!strange && check_has_kind(c, id, entry))
		entry->bad = true;
}

static void check_list(struct check *c, enum section_id id, const struct yaml_node *node)
{
	char path[PATH_BYTES];

	if (node->form != YAML_LIST || !node->n) {
		problem_error(c->problems, node, sections[id].key,
			node->form == YAML_LIST || yaml_is_null(node)
				? "is empty: leave the key out"
				: "a list of entries is wanted, each beginning with \"- \"");
		return;
	}
	for (size_t i = 0; i < node->n; i++) {
		snprintf(path, sizeof(path), "%s[%zu]", sections[id].key, i);
		if (i == ENTRIES_MAX) {
			problem_error(c->problems, node->values[i], path, "more than %d entries",
				ENTRIES_MAX);
			return;
		}
		check_entry(c, id, node->values[i], path);
	}
}

void draft_check(struct draft *draft, const struct yaml_node *root, const char *dir,
	struct problems *problems)
{
	struct check c = { draft, dir, problems };

	check_entry(&c, SECTION_TOP, root, "");
	for (int k = SECTION_TOP + 1; k < SECTION_COUNT; k++) {
		enum section_id id = (enum section_id)k;
		const struct yaml_node *node = yaml_get(root, sections[id].key);

		if (!node && sections[id].required)
			problem_error(problems, root, "", "%s is missing", sections[id].key);
		if (sections[id].list && node)
			check_list(&c, id, node);
		else if (!sections[id].list && (node || sections[id].kinds == KINDS_NONE))
			check_entry(&c, id, node, sections[id].key);
	}
}
