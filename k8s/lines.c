/* Bytes to lines: what a watch sends is cut anywhere. */
#include "k8s/k8s_internal.h"

#include <string.h>

void lines_init(struct lines *lines, size_t max_bytes)
{
	buf_init(&lines->part, max_bytes);
}

void lines_done(struct lines *lines)
{
	buf_done(&lines->part);
}

bool lines_overflow(const struct lines *lines)
{
	return buf_failed(&lines->part);
}

static int tell(const char *data, size_t len, int (*line)(void *arg, const char *data, size_t len),
	void *arg)
{
	if (len && data[len - 1] == '\r')
		len--;
	return len ? line(arg, data, len) : 0;
}

/* Lines that are whole within `data` are told from there, without a copy. */
int lines_feed(struct lines *lines, const char *data, size_t len,
	int (*line)(void *arg, const char *data, size_t len), void *arg)
{
	const char *end;
	int result = 0;

	while (!result && (end = memchr(data, '\n', len))) {
		size_t n = (size_t)(end - data);

		if (!lines->part.len) {
			result = n > lines->part.max_bytes ? buf_add(&lines->part, data, n)
							   : tell(data, n, line, arg);
		} else {
			if (buf_add(&lines->part, data, n))
				return -1;
			result = tell(lines->part.data, lines->part.len, line, arg);
			buf_reset(&lines->part);
		}
		len -= n + 1;
		data = end + 1;
	}
	if (result)
		return result;
	return buf_add(&lines->part, data, len);
}
