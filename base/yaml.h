/*
 * YAML 1.1 on libyaml, with its marks and with limits (1 MiB, depth 32, no more than 100 aliases,
 * UTF-8, no NUL): manifests, kubeconfig, clouds.yaml and Rally tasks become cJSON; a scenario
 * becomes a tree that knows the place of every key.
 */
#ifndef CRUMBLE_BASE_YAML_H
#define CRUMBLE_BASE_YAML_H

#include "base/err.h"
#include "base/own.h"

#include <stdbool.h>
#include <stddef.h>

#define YAML_MAX_BYTES (1024 * 1024)
#define YAML_MAX_DEPTH 32
#define YAML_MAX_ALIASES 100

/*
 * All documents of a text as a JSON array (empty documents are left out). Scalars follow YAML 1.1
 * as Kubernetes reads it; merge keys (<<) are applied; duplicate keys are errors. `name` is what
 * messages call the text: "NAME:LINE:COLUMN: reason". The array is the caller's.
 */
int yaml_to_json(const char *name, const char *text, size_t len, cJSON **ret_docs, struct err *err);
/* The same for a file. A missing one is ERR_NOT_FOUND. */
int yaml_file_to_json(const char *path, cJSON **ret_docs, struct err *err);

/* ---- the tree with marks ---- */

enum yaml_form { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml_node {
	enum yaml_form form;
	unsigned line, column; /* from 1 */
	/* YAML_TEXT: as it stands in the file, quotes and escapes undone. */
	const char *text;
	bool quoted;           /* in quotes or a block scalar: a string, whatever it looks like */
	const char *tag;       /* NULL: none */
	/* YAML_LIST: n values; YAML_MAP: n keys and values, in the file's order, duplicates and
	 * merge keys included. */
	const struct yaml_node **keys, **values;
	size_t n;
};

/* Owns all nodes of a text. */
struct yaml_tree {
	const char *name;               /* what messages call the text */
	const struct yaml_node **docs;  /* empty documents are left out */
	size_t n_docs;
	size_t aliases;                 /* how many; `*a` is the very node that it names */
	unsigned alias_line, alias_column; /* of the first */
	struct yaml_arena *arena;
};

/* *ret_tree is the caller's; errors as above, the first one. */
int yaml_parse(const char *name, const char *text, size_t len, struct yaml_tree **ret_tree,
	struct err *err);
void yaml_tree_free(struct yaml_tree *tree);

/* The value of the first key of this text in a map; NULL when there is none. Borrowed. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* Plain ~, null, or nothing at all. */
bool yaml_is_null(const struct yaml_node *node);
/* A plain or tagged scalar as JSON, by the rules above. NULL with the reason in `err` for what JSON
 * has not (.nan, unknown tags). */
cJSON *yaml_scalar_to_json(const struct yaml_node *node, struct err *err);

static inline void own_yaml_tree(struct yaml_tree **tree)
{
	yaml_tree_free(*tree);
}
#define OWN_YAML OWN(own_yaml_tree)

#endif
