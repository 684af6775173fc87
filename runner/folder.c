/* The folders of a call. */
#include "runner/folder.h"

#include "base/buf.h"
#include "base/own.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int make_one(const char *path, struct err *err)
{
	struct stat st;

	if (!mkdir(path, 0700))
		return 0;
	if (errno == EEXIST && !stat(path, &st) && S_ISDIR(st.st_mode))
		return 0;
	return err_errno(err, "%s: make folder", path);
}

int folder_make(const char *path, struct err *err)
{
	OWN_MEM char *copy = strdup(path);

	if (!copy)
		return err_set(err, ERR_NOMEM, "%s: no memory", path);
	for (char *at = copy + 1; *copy && *at; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		if (make_one(copy, err))
			return -1;
		*at = '/';
	}
	return make_one(copy, err);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path) && errno != ENOENT ? -1 : 0;
}

int folder_remove(const char *path, struct err *err)
{
	if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) && errno != ENOENT)
		return err_errno(err, "%s: remove", path);
	return 0;
}

bool folder_has(const char *dir, const char *name)
{
	OWN_MEM char *path = str_format("%s/%s", dir, name);
	struct stat st;

	return path && !lstat(path, &st);
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
}

static void free_entries(struct dirent **entries, int n)
{
	for (int i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
}

/* An empty folder, or nothing at all. */
static bool is_empty(const char *path)
{
	struct dirent **entries = NULL;
	struct stat st;
	int n;

	if (lstat(path, &st))
		return errno == ENOENT;
	n = scandir(path, &entries, is_entry, NULL);
	if (n > 0)
		free_entries(entries, n);
	else
		free(entries);
	return n == 0;
}

static int make_inner(const char *path, const char *name, struct err *err)
{
	OWN_MEM char *inner = str_format("%s/%s", path, name);

	return inner ? make_one(inner, err) : err_set(err, ERR_NOMEM, "%s: no memory", path);
}

int folder_check(const char *path, struct err *err)
{
	if (folder_has(path, "journal.jsonl") || is_empty(path))
		return 0;
	return err_set(err, ERR_USAGE,
		"%s: is there and is no record of a run: empty it, or give another --out", path);
}

int folder_renew(const char *path, struct err *err)
{
	if (folder_check(path, err) || folder_remove(path, err) || folder_make(path, err))
		return -1;
	return make_inner(path, "logs", err) || make_inner(path, "artifacts", err) ||
			       make_inner(path, "samples", err)
		       ? -1
		       : 0;
}

void folder_list_free(char **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static int add(char ***list, size_t *n, char *path)
{
	char **grown = path ? realloc(*list, (*n + 1) * sizeof(char *)) : NULL;

	if (!grown) {
		free(path);
		return -1;
	}
	*list = grown;
	grown[(*n)++] = path;
	return 0;
}

int folder_records(const char *dir, char ***ret_list, size_t *ret_n, struct err *err)
{
	struct dirent **entries = NULL;
	char **list = NULL;
	size_t n = 0;
	int count, failed = 0;

	if (folder_has(dir, "journal.jsonl")) {
		failed = add(&list, &n, strdup(dir));
	} else {
		count = scandir(dir, &entries, is_entry, alphasort);
		if (count < 0)
			return err_errno(err, "%s", dir);
		for (int i = 0; i < count && !failed; i++) {
			OWN_MEM char *path = str_format("%s/%s", dir, entries[i]->d_name);

			if (path && folder_has(path, "journal.jsonl"))
				failed = add(&list, &n, TAKE(path));
		}
		free_entries(entries, count);
	}
	if (failed) {
		folder_list_free(list, n);
		return err_set(err, ERR_NOMEM, "%s: no memory", dir);
	}
	if (!n)
		return err_set(err, ERR_NOT_FOUND,
			"%s: no record of a run (no journal.jsonl in it or right below it)", dir);
	*ret_list = list;
	*ret_n = n;
	return 0;
}
