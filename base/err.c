/* Errors: what was tried, on what, what came back. */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Adds ": more", cut where the room ends. */
static void append(struct err *err, const char *more)
{
	size_t used = strlen(err->text), room = sizeof(err->text) - used;
	size_t len = strlen(more);

	if (room < 4)
		return;
	if (len > room - 3)
		len = room - 3;
	memcpy(err->text + used, ": ", 2);
	memcpy(err->text + used + 2, more, len);
	err->text[used + 2 + len] = '\0';
}

int err_set(struct err *err, enum err_code code, const char *format, ...)
{
	va_list args;

	if (!err)
		return -1;
	err->code = code;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return -1;
}

int err_wrap(struct err *err, const char *format, ...)
{
	char inner[ERR_TEXT_BYTES];
	va_list args;

	if (!err)
		return -1;
	memcpy(inner, err->text, sizeof(inner));
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	append(err, inner);
	return -1;
}

int err_errno(struct err *err, const char *format, ...)
{
	const char *reason = strerror(errno);
	va_list args;

	if (!err)
		return -1;
	err->code = errno == ENOMEM ? ERR_NOMEM : ERR_IO;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	append(err, reason);
	return -1;
}
