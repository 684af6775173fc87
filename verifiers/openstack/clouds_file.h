/* clouds.yaml: where it is, and one of its entries. Of use to cloud.c alone. */
#ifndef CRUMBLE_VERIFIERS_OPENSTACK_CLOUDS_FILE_H
#define CRUMBLE_VERIFIERS_OPENSTACK_CLOUDS_FILE_H

#include "base/err.h"
#include "base/json.h"

#include <stdbool.h>

/* Is there a clouds.yaml? `file` NULL: in the usual places. *ret_path is to be freed; NULL when
 * there is none. -1 only for a named file that cannot be read, or no memory. */
int clouds_file_find(const char *file, char **ret_path, struct err *err);

/* The entry `name` of the file, with that of secure.yaml merged over it. `name` NULL: the only
 * one. *ret_name and *ret_entry are the caller's. */
int clouds_file_entry(const char *path, const char *name, char **ret_name, cJSON **ret_entry,
	struct err *err);

#endif
