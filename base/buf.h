/*
 * A byte buffer that grows up to a maximum of its own and is always NUL-terminated.
 *
 * Errors stick: after one (limit reached, no memory) every later call fails too, so a caller may
 * add many parts and ask once, by buf_failed() or by the last call's result.
 */
#ifndef CRUMBLE_BASE_BUF_H
#define CRUMBLE_BASE_BUF_H

#include "base/err.h"
#include "base/own.h"

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL while nothing was added; otherwise NUL-terminated */
	size_t len;
	size_t size;
	size_t max_bytes;
	bool failed;
};

void buf_init(struct buf *b, size_t max_bytes);
/* Frees. NULL and zeroed are fine. */
void buf_done(struct buf *b);
/* Empties, keeps the memory, forgets an error. */
void buf_reset(struct buf *b);

int buf_add(struct buf *b, const void *data, size_t len);
int buf_add_str(struct buf *b, const char *text);
int buf_addf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first n bytes. */
void buf_drop(struct buf *b, size_t n);

static inline bool buf_failed(const struct buf *b)
{
	return b->failed;
}

/* The text, never NULL. Borrowed. */
static inline const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

/* Hands out the text (to be freed with free), never NULL unless an error stuck; empties b. */
char *buf_take(struct buf *b);

/* Reads a whole file of at most max_bytes. *ret_data is NUL-terminated, to be freed. */
int buf_read_file(const char *path, size_t max_bytes, char **ret_data, size_t *ret_len,
	struct err *err);

/* Writes a file whole: a temporary beside it, fsync, rename. Mode 0600. */
int buf_write_file(const char *path, const void *data, size_t len, struct err *err);

/* Appends all of it or nothing to fd (O_APPEND), whose *size it keeps: what a full disk left half
 * written is cut off again. path is for the error. */
int buf_append_file(int fd, const char *path, const void *data, size_t len, off_t *size,
	struct err *err);

#define OWN_BUF OWN(buf_done)

/* A string made by printf's rules, to be freed; NULL when there is no memory. */
char *str_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
