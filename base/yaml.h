/*
 * YAML 1.1 on libyaml, with its marks and with limits (1 MiB, depth 32, no more than 100 aliases,
 * UTF-8, no NUL): manifests, kubeconfig, clouds.yaml and Rally tasks become cJSON; a scenario
 * becomes a tree that knows the place of every key.
 */
#ifndef CRUMBLE_BASE_YAML_H
#define CRUMBLE_BASE_YAML_H

#include "base/err.h"
#include "base/own.h"

/*
 * All documents of a text as a JSON array (empty documents are left out). Scalars follow YAML 1.1
 * as Kubernetes reads it; merge keys (<<) are applied; duplicate keys are errors. `name` is what
 * messages call the text: "NAME:LINE:COLUMN: reason". The array is the caller's.
 */
int yaml_to_json(const char *name, const char *text, size_t len, cJSON **ret_docs, struct err *err);
/* The same for a file. A missing one is ERR_NOT_FOUND. */
int yaml_file_to_json(const char *path, cJSON **ret_docs, struct err *err);

#endif
