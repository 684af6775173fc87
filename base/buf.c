/* A byte buffer that grows up to a maximum of its own; whole files. */
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void buf_init(struct buf *b, size_t max_bytes)
{
	*b = (struct buf){ .max_bytes = max_bytes };
}

void buf_done(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	b->data = NULL;
	b->len = b->size = 0;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data)
		b->data[0] = '\0';
}

/* Makes room for `more` bytes and the NUL. */
static int buf_reserve(struct buf *b, size_t more)
{
	size_t need = b->len + more + 1, size = b->size ? b->size : 64;
	char *data;

	if (b->failed)
		return -1;
	if (more > b->max_bytes || b->len > b->max_bytes - more)
		goto fail;
	if (need <= b->size)
		return 0;
	while (size < need)
		size *= 2;
	if (size > b->max_bytes + 1)
		size = b->max_bytes + 1;
	data = realloc(b->data, size);
	if (!data)
		goto fail;
	b->data = data;
	b->size = size;
	return 0;
fail:
	b->failed = true;
	return -1;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	if (buf_reserve(b, len))
		return -1;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_add_str(struct buf *b, const char *text)
{
	return buf_add(b, text, strlen(text));
}

int buf_addf(struct buf *b, const char *format, ...)
{
	va_list args, again;
	int len;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 || buf_reserve(b, (size_t)len)) {
		va_end(again);
		b->failed = true;
		return -1;
	}
	vsnprintf(b->data + b->len, (size_t)len + 1, format, again);
	va_end(again);
	b->len += (size_t)len;
	return 0;
}

void buf_drop(struct buf *b, size_t n)
{
	if (n > b->len)
		n = b->len;
	if (!n)
		return;
	memmove(b->data, b->data + n, b->len - n + 1);
	b->len -= n;
}

char *buf_take(struct buf *b)
{
	char *data;

	if (buf_add(b, "", 0))
		return NULL;
	data = TAKE(b->data);
	b->len = b->size = 0;
	return data;
}

int buf_read_file(
	const char *path, size_t max_bytes, char **ret_data, size_t *ret_len, struct err *err)
{
	OWN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	OWN_BUF struct buf b;
	char chunk[16384];
	ssize_t got;

	buf_init(&b, max_bytes);
	if (fd < 0) {
		err_errno(err, "%s", path);
		if (err && errno == ENOENT)
			err->code = ERR_NOT_FOUND;
		return -1;
	}
	while ((got = read(fd, chunk, sizeof(chunk))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, "%s", path);
		if (buf_add(&b, chunk, (size_t)got))
			return err_set(
				err, ERR_NOMEM, "%s: larger than %zu bytes", path, max_bytes);
	}
	if (ret_len)
		*ret_len = b.len;
	*ret_data = buf_take(&b);
	return *ret_data ? 0 : err_set(err, ERR_NOMEM, "%s: no memory", path);
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t put = write(fd, data, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		data += put;
		len -= (size_t)put;
	}
	return 0;
}

int buf_append_file(
	int fd, const char *path, const void *data, size_t len, off_t *size, struct err *err)
{
	size_t done = 0;

	while (done < len) {
		ssize_t put = write(fd, (const char *)data + done, len - done);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		done += (size_t)put;
	}
	if (done == len) {
		*size += (off_t)len;
		return 0;
	}
	err_errno(err, "%s: append %zu bytes", path, len);
	if (done && ftruncate(fd, *size))
		err_wrap(err, "half of it is left behind");
	return -1;
}

int buf_write_file(const char *path, const void *data, size_t len, struct err *err)
{
	OWN_MEM char *tmp = str_format("%s.tmp", path);
	OWN_FD int fd = -1;

	if (!tmp)
		return err_set(err, ERR_NOMEM, "%s: no memory", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, "%s", tmp);
	if (write_all(fd, data, len) || fsync(fd) || rename(tmp, path)) {
		err_errno(err, "%s", path);
		unlink(tmp);
		return -1;
	}
	return 0;
}

char *str_format(const char *format, ...)
{
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	return len < 0 ? NULL : text;
}
