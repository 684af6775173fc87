/*
 * Loading a scenario: the checks first, all mistakes at once; then libcyaml reads the checked text
 * into slots by a schema that is made here from the parameter tables, every scalar as a string;
 * then param_set gives the strings their types. The one file that knows libcyaml.
 */
#include "runner/scenario.h"

#include "runner/scenario_build.h"
#include "runner/scenario_draft.h"

#include <cyaml/cyaml.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

/* What libcyaml fills: one slot for each parameter (a string, or a list of them), kind (its slots)
 * and section (its entries). */
struct slot {
	void *data;
	uint64_t count;
};

/* ---- the schema ---- */

static const cyaml_schema_value_t string_entry = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 0, CYAML_UNLIMITED),
};

#define SCHEMA_TABLES_MAX 128

struct schema {
	cyaml_schema_field_t *fields[SCHEMA_TABLES_MAX]; /* to be freed */
	size_t n_fields;
	cyaml_schema_value_t entries[SECTION_COUNT]; /* of the sections that are lists */
	cyaml_schema_value_t root;
};

static void schema_done(struct schema *schema)
{
	for (size_t i = 0; i < schema->n_fields; i++)
		free(schema->fields[i]);
}

static cyaml_schema_field_t *fields_new(struct schema *schema, size_t n)
{
	cyaml_schema_field_t *fields;

	if (schema->n_fields == SCHEMA_TABLES_MAX)
		return NULL;
	fields = calloc(n + 1, sizeof(*fields));
	if (fields)
		schema->fields[schema->n_fields++] = fields;
	return fields;
}

#define OPTIONAL ((enum cyaml_flag)(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL))

/* A field in the i-th slot; its value is for the caller. */
static cyaml_schema_field_t *field_at(cyaml_schema_field_t *fields, size_t i, const char *key)
{
	fields[i] = (cyaml_schema_field_t){ .key = key,
		.data_offset = (uint32_t)(i * sizeof(struct slot) + offsetof(struct slot, data)) };
	return &fields[i];
}

static void make_list(cyaml_schema_field_t *field, const cyaml_schema_value_t *entry, size_t size)
{
	field->count_offset = field->data_offset + (uint32_t)offsetof(struct slot, count);
	field->count_size = sizeof(((struct slot *)NULL)->count);
	field->value = (cyaml_schema_value_t){ .type = CYAML_SEQUENCE,
		.flags = OPTIONAL,
		.data_size = (uint32_t)size,
		.sequence = { .entry = entry, .min = 0, .max = CYAML_UNLIMITED } };
}

static void make_map(cyaml_schema_field_t *field, const cyaml_schema_field_t *fields, size_t slots)
{
	field->value = (cyaml_schema_value_t){ .type = CYAML_MAPPING,
		.flags = OPTIONAL,
		.data_size = (uint32_t)((slots ? slots : 1) * sizeof(struct slot)),
		.mapping = { .fields = fields } };
}

static void add_params(cyaml_schema_field_t *fields, const struct param *table)
{
	for (size_t i = 0; table && table[i].name; i++) {
		cyaml_schema_field_t *field = field_at(fields, i, table[i].name);

		if (table[i].type == PARAM_STRINGS)
			make_list(field, &string_entry, sizeof(char *));
		else
			field->value = (cyaml_schema_value_t){ .type = CYAML_STRING,
				.flags = OPTIONAL,
				.data_size = sizeof(char *),
				.string = { .min = 0, .max = CYAML_UNLIMITED } };
	}
}

static size_t section_slots(enum section_id id)
{
	return param_count(sections[id].params) + kind_count(sections[id].kinds);
}

/* Parameters, then kinds; NULL when there is no memory. */
static cyaml_schema_field_t *section_fields(struct schema *schema, enum section_id id, size_t more)
{
	size_t params = param_count(sections[id].params);
	cyaml_schema_field_t *fields = fields_new(schema, section_slots(id) + more);
	struct kind kind;

	if (!fields)
		return NULL;
	add_params(fields, sections[id].params);
	for (size_t i = 0; kind_at(sections[id].kinds, i, &kind); i++) {
		size_t slots = param_count(kind.params);
		cyaml_schema_field_t *inner = fields_new(schema, slots);

		if (!inner)
			return NULL;
		add_params(inner, kind.params);
		make_map(field_at(fields, params + i, kind.name), inner, slots);
	}
	return fields;
}

static int schema_make(struct schema *schema, struct err *err)
{
	size_t slots = section_slots(SECTION_TOP);
	cyaml_schema_field_t *top = section_fields(schema, SECTION_TOP, SECTION_COUNT - 1);

	for (int k = SECTION_TOP + 1; top && k < SECTION_COUNT; k++) {
		enum section_id id = (enum section_id)k;
		cyaml_schema_field_t *field, *fields = section_fields(schema, id, 0);
		uint32_t size = (uint32_t)(section_slots(id) * sizeof(struct slot));

		if (!fields)
			return err_set(err, ERR_NOMEM, "no memory for the scenario's schema");
		field = field_at(top, slots + (size_t)k - 1, sections[id].key);
		if (!sections[id].list) {
			make_map(field, fields, section_slots(id));
			continue;
		}
		schema->entries[id] = (cyaml_schema_value_t){ .type = CYAML_MAPPING,
			.flags = CYAML_FLAG_DEFAULT,
			.data_size = size,
			.mapping = { .fields = fields } };
		make_list(field, &schema->entries[id], size);
	}
	if (!top)
		return err_set(err, ERR_NOMEM, "no memory for the scenario's schema");
	schema->root = (cyaml_schema_value_t){ .type = CYAML_MAPPING,
		.flags = CYAML_FLAG_POINTER,
		.data_size = (uint32_t)((slots + SECTION_COUNT - 1) * sizeof(struct slot)),
		.mapping = { .fields = top } };
	return 0;
}

/* ---- slots become a draft ---- */

static int take_list(
	const struct param *param, const struct slot *slot, void *params, struct err *err)
{
	const struct param just_this[] = { *param, PARAM_END };
	char *const *texts = slot->data;

	param_done(just_this, params);
	for (uint64_t i = 0; i < slot->count; i++)
		if (param_append(param, params, texts[i], err))
			return -1;
	return 0;
}

static int take_params(
	const struct param *table, const struct slot *slots, void *params, struct err *err)
{
	for (size_t i = 0; table && table[i].name; i++) {
		int failed;

		if (!slots[i].data)
			continue;
		failed = table[i].type == PARAM_STRINGS
				 ? take_list(&table[i], &slots[i], params, err)
				 : param_set(&table[i], params, slots[i].data, err);
		if (failed)
			return err_wrap(err, "%s", table[i].name);
	}
	return 0;
}

static int take_entry(
	struct draft *draft, enum section_id id, const struct slot *slots, struct err *err)
{
	struct draft_entry *entry = draft_add(draft, id, err);
	size_t params = param_count(sections[id].params);
	struct kind kind;

	if (!entry)
		return -1;
	if (!slots)
		return 0;
	if (take_params(sections[id].params, slots, entry->form, err))
		return -1;
	for (size_t i = 0; kind_at(sections[id].kinds, i, &kind); i++) {
		const struct slot *slot = &slots[params + i];

		if (slot->data && (draft_set_kind(entry, id, (int)i, err) ||
					  take_params(kind.params, slot->data, entry->params, err)))
			return -1;
	}
	return 0;
}

static int take_sections(struct draft *draft, const struct slot *top, struct err *err)
{
	if (take_entry(draft, SECTION_TOP, top, err))
		return -1;
	for (int k = SECTION_TOP + 1; k < SECTION_COUNT; k++) {
		enum section_id id = (enum section_id)k;
		const struct slot *slot = &top[section_slots(SECTION_TOP) + (size_t)k - 1];
		const struct slot *entries = slot->data;

		if (!sections[id].list && (entries || sections[id].kinds == KINDS_NONE) &&
			take_entry(draft, id, entries, err))
			return -1;
		for (uint64_t i = 0; sections[id].list && i < slot->count; i++)
			if (take_entry(draft, id, entries + i * section_slots(id), err))
				return -1;
	}
	return 0;
}

/* ---- libcyaml ---- */

/* Its last complaint. The text was checked before, so it is news about our checks. */
static void listen(cyaml_log_t level, void *arg, const char *format, va_list args)
{
	char text[256];

	if (level < CYAML_LOG_ERROR)
		return;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	err_set(arg, ERR_BUG, "%s", text);
}

static int load_draft(const char *text, size_t len, struct draft *draft, struct err *err)
{
	OWN(schema_done) struct schema schema = { .n_fields = 0 };
	struct err complaint = { .code = ERR_NONE };
	const cyaml_config_t config = { .log_fn = listen,
		.log_ctx = &complaint,
		.mem_fn = cyaml_mem,
		.log_level = CYAML_LOG_ERROR,
		.flags = CYAML_CFG_NO_ALIAS };
	cyaml_data_t *data = NULL;
	cyaml_err_t status;
	int ret;

	if (schema_make(&schema, err))
		return -1;
	status = cyaml_load_data((const uint8_t *)text, len, &config, &schema.root, &data, NULL);
	if (status != CYAML_OK || !data) {
		cyaml_free(&config, &schema.root, data, 0);
		return err_set(err, ERR_BUG, "libcyaml does not load what was checked: %s (%s)",
			cyaml_strerror(status), complaint.text);
	}
	ret = take_sections(draft, data, err);
	cyaml_free(&config, &schema.root, data, 0);
	return ret;
}

/* ---- the file ---- */

static int hash(const char *text, size_t len, char out[65], struct err *err)
{
	unsigned char digest[EVP_MAX_MD_SIZE];

	if (!EVP_Digest(text, len, digest, NULL, EVP_sha256(), NULL))
		return err_set(err, ERR_BUG, "SHA-256 failed");
	for (size_t i = 0; i < 32; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

static int read_scenario(struct scenario *s, const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');

	s->path = strdup(path);
	if (!slash)
		s->dir = strdup(".");
	else
		s->dir = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
	if (!s->path || !s->dir)
		return err_set(err, ERR_NOMEM, "no memory for the scenario");
	if (buf_read_file(path, YAML_MAX_BYTES, &s->text, &s->text_len, err))
		return -1;
	return hash(s->text, s->text_len, s->sha256, err);
}

/* One document, a map, nothing that libcyaml would read otherwise than we do. */
static int check_tree(const struct yaml_tree *tree, struct problems *problems)
{
	struct yaml_node alias = { .line = tree->alias_line, .column = tree->alias_column };

	if (!tree->n_docs)
		return problem_error(problems, NULL, "", "is empty: a scenario is wanted");
	if (tree->n_docs > 1)
		problem_error(
			problems, tree->docs[1], "", "a second document: one scenario a file");
	if (tree->aliases)
		problem_error(problems, &alias, "",
			"aliases (*name) have no place in a scenario: write it out");
	if (tree->docs[0]->form != YAML_MAP)
		return problem_error(problems, tree->docs[0], "",
			"a scenario is a map: name, phases, cookies, verify");
	return 0;
}

/* What was wrong before there was a tree: one line, which has its place already. */
static int tell_only(const struct err *reason, struct buf *problems)
{
	buf_addf(problems, "%s\n", reason->text);
	return -1;
}

static int check(const struct scenario *s, const struct yaml_tree *tree, struct draft *draft,
	struct buf *out, struct err *err)
{
	OWN(problems_done) struct problems problems = { .file = s->path };

	if (!check_tree(tree, &problems)) {
		draft_check(draft, tree->docs[0], s->dir, &problems);
		draft_check_rules(draft, s->dir, &problems);
	}
	return problems_tell(&problems, out, err);
}

static int load(struct scenario *s, const char *path, struct buf *problems, struct err *err)
{
	OWN(draft_done) struct draft checked = { 0 }, loaded = { 0 };
	OWN_YAML struct yaml_tree *tree = NULL;
	size_t bom;

	if (read_scenario(s, path, err) || yaml_parse(path, s->text, s->text_len, &tree, err))
		return tell_only(err, problems);
	if (check(s, tree, &checked, problems, err))
		return -1;
	bom = strncmp(s->text, "\xef\xbb\xbf", 3) ? 0 : 3;
	if (load_draft(s->text + bom, s->text_len - bom, &loaded, err) ||
		scenario_build(s, &loaded, &checked, err)) {
		/* The checks let through what does not load: not the file's mistake. */
		if (err->code == ERR_CONFIG)
			err->code = ERR_BUG;
		err_wrap(err, "%s", path);
		return tell_only(err, problems);
	}
	return 0;
}

int scenario_load(
	const char *path, struct scenario **ret_scenario, struct buf *problems, struct err *err)
{
	struct scenario *s = calloc(1, sizeof(*s));
	struct err reason = { .code = ERR_NONE };
	int ret;

	if (!s)
		return err_set(err, ERR_NOMEM, "no memory for the scenario");
	ret = load(s, path, problems, &reason);
	if (ret) {
		scenario_free(s);
		if (err)
			*err = reason;
		return -1;
	}
	*ret_scenario = s;
	return 0;
}
