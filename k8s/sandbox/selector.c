/* Label and field selectors. */
#include "k8s/sandbox/selector.h"

#include "k8s/sandbox/edit.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum op { OP_IN, OP_NOT_IN, OP_EXISTS, OP_MISSING };

struct term {
	char *key;
	enum op op;
	char **values;
	size_t n;
};

struct selector {
	bool fields;
	struct term *terms;
	size_t n;
};

static struct term *term_add(struct selector *s, const char *key, size_t len, enum op op)
{
	struct term *term;

	s->terms = must_grow(s->terms, (s->n + 1) * sizeof(*s->terms));
	term = &s->terms[s->n++];
	*term = (struct term){ .key = must_format("%.*s", (int)len, key), .op = op };
	return term;
}

static void term_value(struct term *term, const char *text, size_t len)
{
	term->values = must_grow(term->values, (term->n + 1) * sizeof(*term->values));
	term->values[term->n++] = must_format("%.*s", (int)len, text);
}

void selector_free(struct selector *selector)
{
	if (!selector)
		return;
	for (size_t i = 0; i < selector->n; i++) {
		for (size_t v = 0; v < selector->terms[i].n; v++)
			free(selector->terms[i].values[v]);
		free(selector->terms[i].values);
		free(selector->terms[i].key);
	}
	free(selector->terms);
	free(selector);
}

static void own_selector(struct selector **selector)
{
	selector_free(*selector);
}

static const char *skip(const char *at)
{
	while (isspace((unsigned char)*at))
		at++;
	return at;
}

static size_t word_len(const char *at)
{
	size_t len = 0;

	while (at[len] && (isalnum((unsigned char)at[len]) || strchr("-_./", at[len])))
		len++;
	return len;
}

static bool is_word(const char *at, size_t len, const char *word)
{
	return strlen(word) == len && !strncmp(at, word, len);
}

static int unable(const char *text, struct err *err)
{
	return err_set(err, ERR_FORMAT,
		"unable to parse requirement: found '%s', expected: ',' or a selector operator",
		text);
}

/* "(a,b)" behind `in` or `notin`. */
static int parse_values(const char **at, struct term *term, struct err *err)
{
	const char *p = skip(*at);

	if (*p != '(')
		return unable(p, err);
	do {
		size_t len;

		p = skip(p + 1);
		len = word_len(p);
		term_value(term, p, len);
		p = skip(p + len);
	} while (*p == ',');
	if (*p != ')')
		return unable(p, err);
	*at = p + 1;
	return 0;
}

static int parse_set(
	struct selector *s, const char *key, size_t len, const char **at, struct err *err)
{
	size_t op = word_len(*at);
	bool in = is_word(*at, op, "in");

	if (!in && !is_word(*at, op, "notin"))
		return unable(*at, err);
	*at += op;
	return parse_values(at, term_add(s, key, len, in ? OP_IN : OP_NOT_IN), err);
}

static int parse_term(struct selector *s, const char **at, struct err *err)
{
	bool absent = **at == '!';
	const char *key = skip(absent ? *at + 1 : *at);
	size_t len = word_len(key), value;
	const char *p = skip(key + len);
	bool differs = p[0] == '!' && p[1] == '=';

	if (!len)
		return unable(key, err);
	if (*p == ',' || !*p) {
		term_add(s, key, len, absent ? OP_MISSING : OP_EXISTS);
		*at = p;
		return 0;
	}
	if (*p != '=' && !differs) {
		*at = p;
		return parse_set(s, key, len, at, err);
	}
	p = skip(p + (differs || p[1] == '=' ? 2 : 1));
	value = word_len(p);
	term_value(term_add(s, key, len, differs ? OP_NOT_IN : OP_IN), p, value);
	*at = p + value;
	return 0;
}

static struct selector *selector_new(bool fields)
{
	struct selector *s = must_alloc(sizeof(*s));

	*s = (struct selector){ .fields = fields };
	return s;
}

int selector_parse_labels(const char *text, struct selector **ret_selector, struct err *err)
{
	OWN(own_selector) struct selector *s = NULL;
	const char *at = text ? skip(text) : "";

	if (*at)
		s = selector_new(false);
	while (*at) {
		if (parse_term(s, &at, err))
			return -1;
		at = skip(at);
		if (*at && *at != ',')
			return unable(at, err);
		if (*at)
			at = skip(at + 1);
	}
	*ret_selector = TAKE(s);
	return 0;
}

/* ---- fields ---- */

static bool field_known(const struct kind *kind, const char *key)
{
	static const struct {
		enum kind_id kind;
		const char *field;
	} more[] = {
		{ KIND_POD, "status.phase" },
		{ KIND_POD, "status.podIP" },
		{ KIND_POD, "spec.nodeName" },
		{ KIND_POD, "spec.restartPolicy" },
		{ KIND_POD, "spec.serviceAccountName" },
		{ KIND_NODE, "spec.unschedulable" },
		{ KIND_NAMESPACE, "status.phase" },
		{ KIND_SECRET, "type" },
		{ KIND_SERVICE, "spec.clusterIP" },
		{ KIND_SERVICE, "spec.type" },
		{ KIND_JOB, "status.successful" },
		{ KIND_EVENT, "involvedObject.kind" },
		{ KIND_EVENT, "involvedObject.namespace" },
		{ KIND_EVENT, "involvedObject.name" },
		{ KIND_EVENT, "involvedObject.uid" },
		{ KIND_EVENT, "involvedObject.fieldPath" },
		{ KIND_EVENT, "reason" },
		{ KIND_EVENT, "type" },
	};

	if (!strcmp(key, "metadata.name") ||
		(kind->namespaced && !strcmp(key, "metadata.namespace")))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(more); i++)
		if (kind == &kinds[more[i].kind] && !strcmp(key, more[i].field))
			return true;
	return false;
}

static int parse_field(
	struct selector *s, const struct kind *kind, const char *part, size_t len, struct err *err)
{
	const char *op = memchr(part, '=', len);
	bool differs = op && op > part && op[-1] == '!';
	const char *value = op ? op + 1 : NULL;
	struct term *term;

	if (!op)
		return err_set(err, ERR_FORMAT, "invalid selector: '%.*s'; can't understand '%.*s'",
			(int)len, part, (int)len, part);
	if (value < part + len && *value == '=')
		value++;
	term = term_add(s, part, (size_t)(op - part) - differs, differs ? OP_NOT_IN : OP_IN);
	term_value(term, value, (size_t)(part + len - value));
	if (!field_known(kind, term->key))
		return err_set(err, ERR_FORMAT, "field label not supported: %s", term->key);
	return 0;
}

int selector_parse_fields(
	const struct kind *kind, const char *text, struct selector **ret_selector, struct err *err)
{
	OWN(own_selector) struct selector *s = NULL;

	if (text && *text)
		s = selector_new(true);
	for (const char *at = text; at && *at;) {
		size_t len = strcspn(at, ",");

		if (len && parse_field(s, kind, at, len, err))
			return -1;
		at += len + (at[len] == ',');
	}
	*ret_selector = TAKE(s);
	return 0;
}

/* ---- matching ---- */

/* The value of a dotted field as text; "" when missing, as the API server has it. */
static const char *field_value(const cJSON *object, const char *path, char *room, size_t size)
{
	const cJSON *at = object;
	char key[64];

	while (at && *path) {
		size_t len = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)len, path);
		at = cJSON_GetObjectItemCaseSensitive(at, key);
		path += len + (path[len] == '.');
	}
	if (cJSON_IsNumber(at)) {
		snprintf(room, size, "%.0f", at->valuedouble);
		return room;
	}
	if (cJSON_IsBool(at))
		return cJSON_IsTrue(at) ? "true" : "false";
	return cJSON_IsString(at) ? at->valuestring : "";
}

static bool among(const struct term *term, const char *value)
{
	for (size_t i = 0; i < term->n; i++)
		if (!strcmp(term->values[i], value))
			return true;
	return false;
}

static bool term_matches(const struct term *term, const char *value)
{
	switch (term->op) {
	case OP_IN:
		return value && among(term, value);
	case OP_NOT_IN:
		return !value || !among(term, value);
	case OP_EXISTS:
		return value;
	case OP_MISSING:
		return !value;
	}
	return false;
}

bool selector_matches(const struct selector *selector, const cJSON *object)
{
	char room[32];

	for (size_t i = 0; selector && i < selector->n; i++) {
		const struct term *term = &selector->terms[i];
		const char *value = selector->fields
					    ? field_value(object, term->key, room, sizeof(room))
					    : json_str(object, "metadata", "labels", term->key,
						      NULL);

		if (!term_matches(term, value))
			return false;
	}
	return true;
}

/* ---- selectors that are objects ---- */

bool label_map_matches(const cJSON *map, const cJSON *object)
{
	const cJSON *want;

	if (!map || !map->child)
		return false;
	cJSON_ArrayForEach(want,
		map) if (!same_text(json_str(object, "metadata", "labels", want->string, NULL),
				 want->valuestring)) return false;
	return true;
}

static bool expression_matches(const cJSON *expression, const cJSON *object)
{
	const char *key = json_str(expression, "key", NULL);
	const char *op = json_str(expression, "operator", NULL);
	const char *have = key ? json_str(object, "metadata", "labels", key, NULL) : NULL;
	const cJSON *value;
	bool found = false;

	if (same_text(op, "Exists"))
		return have;
	if (same_text(op, "DoesNotExist"))
		return !have;
	cJSON_ArrayForEach(value, json_at(expression, "values", NULL))
		found |= have && same_text(have, value->valuestring);
	return same_text(op, "NotIn") ? !found : found;
}

bool label_selector_matches(const cJSON *selector, const cJSON *object)
{
	const cJSON *map = json_at(selector, "matchLabels", NULL);
	const cJSON *list = json_at(selector, "matchExpressions", NULL);
	const cJSON *expression;

	if ((!map || !map->child) && (!list || !list->child))
		return false;
	if (map && map->child && !label_map_matches(map, object))
		return false;
	cJSON_ArrayForEach(
		expression, list) if (!expression_matches(expression, object)) return false;
	return true;
}

char *label_selector_text(const cJSON *selector)
{
	char *text = must_dup("");
	const cJSON *want;

	cJSON_ArrayForEach(want, json_at(selector, "matchLabels", NULL))
	{
		char *longer = must_format("%s%s%s=%s", text, *text ? "," : "", want->string,
			want->valuestring ? want->valuestring : "");

		free(text);
		text = longer;
	}
	return text;
}
