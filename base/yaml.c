/* YAML: libyaml's events into a tree with marks, within limits. */
#include "base/yaml.h"

#include "base/buf.h"

#include <inttypes.h>
#include <string.h>
#include <yaml.h>

/* Memory of a tree: freed as a whole, so that nodes may be shared by aliases. */
struct yaml_arena {
	struct chunk *chunks;
	char *name;
};

struct chunk {
	struct chunk *next;
	max_align_t data[];
};

static void *arena_add(struct yaml_arena *arena, size_t size)
{
	struct chunk *chunk = calloc(1, sizeof(*chunk) + size);

	if (!chunk)
		return NULL;
	chunk->next = arena->chunks;
	arena->chunks = chunk;
	return chunk->data;
}

static void arena_free(struct yaml_arena *arena)
{
	while (arena && arena->chunks) {
		struct chunk *chunk = arena->chunks;

		arena->chunks = chunk->next;
		free(chunk);
	}
	if (arena)
		free(arena->name);
	free(arena);
}

void yaml_tree_free(struct yaml_tree *tree)
{
	if (!tree)
		return;
	arena_free(tree->arena);
	free(tree->docs);
	free(tree);
}

/* Nodes of a collection that is being read; moved into the arena at its end. */
struct list {
	const struct yaml_node **v;
	size_t n, size;
};

static int list_add(struct list *list, const struct yaml_node *node)
{
	if (list->n == list->size) {
		size_t size = list->size ? list->size * 2 : 8;
		const struct yaml_node **v = realloc(
			list->v, size * sizeof(const struct yaml_node *));

		if (!v)
			return -1;
		list->v = v;
		list->size = size;
	}
	list->v[list->n++] = node;
	return 0;
}

struct anchor {
	const char *name;
	const struct yaml_node *node;
};

struct parse {
	yaml_parser_t parser;
	struct yaml_tree *tree;
	struct anchor *anchors; /* of this document; the latest of a name counts */
	size_t n_anchors;
	unsigned depth;
	const char *text;
	size_t len;
	struct err *err;
};

static int fail(struct parse *p, const yaml_mark_t *mark, const char *reason)
{
	return err_set(p->err, ERR_CONFIG, "%s:%zu:%zu: %s", p->tree->name, mark->line + 1,
		mark->column + 1, reason);
}

static int no_memory(struct parse *p)
{
	return err_set(p->err, ERR_NOMEM, "%s: no memory for its YAML", p->tree->name);
}

/* The reader knows bytes only: it has read ahead of all marks. */
static int fail_bytes(struct parse *p)
{
	size_t at = p->parser.problem_offset < p->len ? p->parser.problem_offset : p->len;
	size_t line = 1, begin = 0;

	for (size_t i = 0; i < at; i++) {
		if (p->text[i] == '\n') {
			line++;
			begin = i + 1;
		}
	}
	return err_set(p->err, ERR_CONFIG, "%s:%zu:%zu: %s: save the file as UTF-8 text",
		p->tree->name, line, at - begin + 1, p->parser.problem);
}

/* What libyaml disliked, at the place of the problem itself and not of its context. */
static int fail_syntax(struct parse *p)
{
	const yaml_parser_t *y = &p->parser;

	if (y->error == YAML_MEMORY_ERROR)
		return no_memory(p);
	if (y->error == YAML_READER_ERROR)
		return fail_bytes(p);
	return err_set(p->err, ERR_CONFIG, "%s:%zu:%zu: %s%s%s", p->tree->name,
		y->problem_mark.line + 1, y->problem_mark.column + 1,
		y->problem ? y->problem : "not YAML", y->context ? " " : "",
		y->context ? y->context : "");
}

static int next_event(struct parse *p, yaml_event_t *ret_event)
{
	return yaml_parser_parse(&p->parser, ret_event) ? 0 : fail_syntax(p);
}

static const char *copy_text(struct parse *p, const void *text, size_t len)
{
	char *copy = arena_add(p->tree->arena, len + 1);

	if (copy)
		memcpy(copy, text, len);
	return copy;
}

static struct yaml_node *node_add(
	struct parse *p, enum yaml_form form, const yaml_mark_t *mark, const yaml_char_t *tag)
{
	struct yaml_node *node = arena_add(p->tree->arena, sizeof(*node));

	if (!node)
		return NULL;
	node->form = form;
	node->line = (unsigned)mark->line + 1;
	node->column = (unsigned)mark->column + 1;
	if (tag) {
		node->tag = copy_text(p, tag, strlen((const char *)tag));
		if (!node->tag)
			return NULL;
	}
	return node;
}

/* An anchor counts from the end of its node on, so no node can hold itself. */
static int anchor_add(struct parse *p, const yaml_char_t *name, const struct yaml_node *node)
{
	struct anchor *anchors;

	if (!name)
		return 0;
	anchors = realloc(p->anchors, (p->n_anchors + 1) * sizeof(*anchors));
	if (!anchors)
		return no_memory(p);
	p->anchors = anchors;
	anchors[p->n_anchors].name = copy_text(p, name, strlen((const char *)name));
	anchors[p->n_anchors].node = node;
	return anchors[p->n_anchors++].name ? 0 : no_memory(p);
}

static int read_alias(struct parse *p, const yaml_event_t *event, const struct yaml_node **ret)
{
	const char *name = (const char *)event->data.alias.anchor;

	if (p->tree->aliases++ == 0) {
		p->tree->alias_line = (unsigned)event->start_mark.line + 1;
		p->tree->alias_column = (unsigned)event->start_mark.column + 1;
	}
	if (p->tree->aliases > YAML_MAX_ALIASES)
		return fail(p, &event->start_mark, "more than 100 aliases");
	for (size_t i = p->n_anchors; i-- > 0;) {
		if (!strcmp(p->anchors[i].name, name)) {
			*ret = p->anchors[i].node;
			return 0;
		}
	}
	return fail(p, &event->start_mark, "an alias of an anchor that is not there");
}

static int read_scalar(struct parse *p, const yaml_event_t *event, const struct yaml_node **ret)
{
	const char *value = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct yaml_node *node = node_add(p, YAML_TEXT, &event->start_mark, event->data.scalar.tag);

	if (memchr(value, '\0', len))
		return fail(p, &event->start_mark, "a NUL character in a string");
	if (!node || !(node->text = copy_text(p, value, len)))
		return no_memory(p);
	node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
	*ret = node;
	return anchor_add(p, event->data.scalar.anchor, node);
}

static int read_node(struct parse *p, const yaml_event_t *event, const struct yaml_node **ret);

/* The nodes of a collection up to its end, keys and values in turn. */
static int read_children(struct parse *p, yaml_event_type_t end, struct list *list)
{
	for (;;) {
		OWN(yaml_event_delete) yaml_event_t event = { 0 };
		const struct yaml_node *child;

		if (next_event(p, &event))
			return -1;
		if (event.type == end)
			return 0;
		if (read_node(p, &event, &child))
			return -1;
		if (list_add(list, child))
			return no_memory(p);
	}
}

static const struct yaml_node **copy_every(
	struct parse *p, const struct list *list, size_t first, size_t step)
{
	const struct yaml_node **v = arena_add(p->tree->arena, (list->n + 1) * sizeof(*v));

	for (size_t i = first, n = 0; v && i < list->n; i += step)
		v[n++] = list->v[i];
	return v;
}

static int keep_children(struct parse *p, struct yaml_node *node, const struct list *list)
{
	size_t step = node->form == YAML_MAP ? 2 : 1;

	node->n = list->n / step;
	node->values = copy_every(p, list, step - 1, step);
	if (node->form == YAML_MAP)
		node->keys = copy_every(p, list, 0, step);
	return node->values && (node->keys || node->form == YAML_LIST) ? 0 : no_memory(p);
}

static int read_collection(struct parse *p, const yaml_event_t *event, enum yaml_form form,
	const yaml_char_t *tag, const yaml_char_t *anchor, const struct yaml_node **ret)
{
	struct yaml_node *node = node_add(p, form, &event->start_mark, tag);
	struct list list = { 0 };
	int failed;

	if (!node)
		return no_memory(p);
	if (p->depth == YAML_MAX_DEPTH)
		return fail(p, &event->start_mark, "nested deeper than 32 levels");
	p->depth++;
	failed = read_children(p,
			 form == YAML_MAP ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT,
			 &list) ||
		 keep_children(p, node, &list);
	p->depth--;
	free(list.v);
	*ret = node;
	return failed ? -1 : anchor_add(p, anchor, node);
}

static int read_node(struct parse *p, const yaml_event_t *event, const struct yaml_node **ret)
{
	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return read_alias(p, event, ret);
	case YAML_SCALAR_EVENT:
		return read_scalar(p, event, ret);
	case YAML_SEQUENCE_START_EVENT:
		return read_collection(p, event, YAML_LIST, event->data.sequence_start.tag,
			event->data.sequence_start.anchor, ret);
	case YAML_MAPPING_START_EVENT:
		return read_collection(p, event, YAML_MAP, event->data.mapping_start.tag,
			event->data.mapping_start.anchor, ret);
	default:
		return fail(p, &event->start_mark, "not what YAML has in this place");
	}
}

static int read_document(struct parse *p, struct list *docs)
{
	OWN(yaml_event_delete) yaml_event_t event = { 0 };
	const struct yaml_node *root;

	p->n_anchors = 0;
	if (next_event(p, &event) || read_node(p, &event, &root))
		return -1;
	if (!yaml_is_null(root) && list_add(docs, root))
		return no_memory(p);
	return 0;
}

static int read_stream(struct parse *p, struct list *docs)
{
	for (;;) {
		OWN(yaml_event_delete) yaml_event_t event = { 0 };

		if (next_event(p, &event))
			return -1;
		if (event.type == YAML_STREAM_END_EVENT)
			return 0;
		if (event.type == YAML_DOCUMENT_START_EVENT && read_document(p, docs))
			return -1;
	}
}

/* Size, byte order mark, NUL: what libyaml would take, or take for something else. */
static int check_bytes(const char *name, const char **text, size_t *len, struct err *err)
{
	const char *nul;
	size_t line = 1;

	if (*len > YAML_MAX_BYTES)
		return err_set(
			err, ERR_CONFIG, "%s: %zu bytes of YAML, more than 1 MiB", name, *len);
	if (*len >= 2 && (!memcmp(*text, "\xff\xfe", 2) || !memcmp(*text, "\xfe\xff", 2)))
		return err_set(err, ERR_CONFIG, "%s:1:1: UTF-16: save the file as UTF-8", name);
	if (*len >= 3 && !memcmp(*text, "\xef\xbb\xbf", 3)) {
		*text += 3;
		*len -= 3;
	}
	nul = *len ? memchr(*text, '\0', *len) : NULL;
	if (!nul)
		return 0;
	for (const char *at = *text; at < nul; at++)
		line += *at == '\n';
	return err_set(
		err, ERR_CONFIG, "%s:%zu:1: a NUL byte in this line: not a text file?", name, line);
}

static struct yaml_tree *tree_new(const char *name)
{
	struct yaml_tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return NULL;
	tree->arena = calloc(1, sizeof(*tree->arena));
	if (tree->arena)
		tree->name = tree->arena->name = strdup(name);
	if (tree->name)
		return tree;
	yaml_tree_free(tree);
	return NULL;
}

int yaml_parse(const char *name, const char *text, size_t len, struct yaml_tree **ret_tree,
	struct err *err)
{
	OWN_YAML struct yaml_tree *tree = NULL;
	struct parse p = { .err = err };
	struct list docs = { 0 };
	int failed;

	if (check_bytes(name, &text, &len, err))
		return -1;
	p.text = text;
	p.len = len;
	p.tree = tree = tree_new(name);
	if (!tree || !yaml_parser_initialize(&p.parser))
		return err_set(err, ERR_NOMEM, "%s: no memory for its YAML", name);
	yaml_parser_set_encoding(&p.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&p.parser, (const unsigned char *)text, len);
	failed = read_stream(&p, &docs);
	yaml_parser_delete(&p.parser);
	free(p.anchors);
	tree->docs = docs.v;
	tree->n_docs = docs.n;
	if (failed)
		return -1;
	*ret_tree = TAKE(tree);
	return 0;
}

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
	for (size_t i = 0; map && map->form == YAML_MAP && i < map->n; i++)
		if (map->keys[i]->form == YAML_TEXT && !strcmp(map->keys[i]->text, key))
			return map->values[i];
	return NULL;
}
