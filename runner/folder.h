/* The folders of a call: OUT, and OUT/NAME for each scenario's record. 0700, files 0600. */
#ifndef CRUMBLE_RUNNER_FOLDER_H
#define CRUMBLE_RUNNER_FOLDER_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* Makes a folder with its parents (0700); one that is there already is fine. */
int folder_make(const char *path, struct err *err);
/* Removes a tree. Links are removed, never followed. One that is not there is fine. */
int folder_remove(const char *path, struct err *err);
bool folder_has(const char *dir, const char *name);
/* May this folder be replaced? It is missing, empty, or a record; otherwise ERR_USAGE. */
int folder_check(const char *path, struct err *err);
/* An empty OUT/NAME with logs, artifacts and samples in it, in place of what folder_check
 * allows. */
int folder_renew(const char *path, struct err *err);

/* The records that DIR means: itself, or its sub-folders that are one. To be freed with
 * folder_list_free. None is ERR_NOT_FOUND. */
int folder_records(const char *dir, char ***ret_list, size_t *ret_n, struct err *err);
void folder_list_free(char **list, size_t n);

#endif
