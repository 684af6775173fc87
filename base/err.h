/*
 * Errors: what was tried, on what, what came back; on the caller's stack, nothing to free.
 *
 * Functions that can fail return 0 or -1 and take `struct err *err` last. `err` may be NULL.
 * Below runner/ nobody logs its own error: it returns it.
 */
#ifndef CRUMBLE_BASE_ERR_H
#define CRUMBLE_BASE_ERR_H

#include <stdarg.h>

enum err_code {
	ERR_NONE = 0,
	ERR_USAGE,     /* the command line */
	ERR_CONFIG,    /* a scenario, kubeconfig, clouds.yaml, cookie file */
	ERR_NOMEM,     /* memory, or a buffer's own limit */
	ERR_IO,        /* files, disk, processes */
	ERR_FORMAT,    /* bytes that are not what they should be */
	ERR_NET,       /* refused, reset, unreachable */
	ERR_DNS,       /* a name that did not resolve, or not in time */
	ERR_TLS,       /* handshake, certificate */
	ERR_TIMEOUT,   /* a deadline passed */
	ERR_AUTH,      /* 401: who we are */
	ERR_FORBIDDEN, /* 403: what we may */
	ERR_NOT_FOUND, /* 404 */
	ERR_CONFLICT,  /* 409: precondition, or exists already */
	ERR_GONE,      /* 410: a resource version or continue token that is too old */
	ERR_API,       /* any other answer that is not success */
	ERR_STOPPED,   /* the stop token was set */
	ERR_BUG,       /* an impossible state */
};

#define ERR_TEXT_BYTES 504

struct err {
	enum err_code code;
	char text[ERR_TEXT_BYTES];
};

/* Sets code and text. Always returns -1, so that `return err_set(...)` is one line. */
int err_set(struct err *err, enum err_code code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts context in front of the text that is there: "CONTEXT: TEXT". Keeps the code. Returns -1. */
int err_wrap(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* err_set with ": strerror(errno)" behind the text. Returns -1. */
int err_errno(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
