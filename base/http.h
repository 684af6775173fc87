/*
 * HTTP: one event loop (curl_multi_socket_action on epoll) that one thread drives. Everything has
 * a deadline, also while a name server is silent. TLS is verified unless told otherwise. Proxies
 * come from the environment (http_proxy, https_proxy, no_proxy). Nothing here logs; error texts
 * never hold headers, bodies, tokens or the user part of a URL.
 */
#ifndef CRUMBLE_BASE_HTTP_H
#define CRUMBLE_BASE_HTTP_H

#include "base/err.h"
#include "base/outcome.h"
#include "base/stop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http;          /* the loop, its connections and its waiting requests */
struct http_transfer; /* one request under way */

/* Whom to trust and who we are. NULL members: the system's trust, no client certificate.
 * For each, a file or PEM data. */
struct http_tls {
	const char *ca_file, *ca_data;
	const char *cert_file, *cert_data;
	const char *key_file, *key_data;
	bool insecure; /* no verification at all */
};

/* All members are borrowed for the call that takes it only (http_start copies what it needs). */
struct http_request {
	const char *method;          /* NULL: GET */
	const char *url;
	const char *const *headers;  /* "Name: value", NULL-terminated; NULL: none */
	const char *bearer;          /* token for Authorization; never shown */
	const void *body;
	size_t body_len;
	const struct http_tls *tls;  /* NULL: the system's trust. Kept by reference: it must
				      * outlive the transfer and the connections made with it */
	int64_t connect_ms;          /* 0: 10 s */
	int64_t total_ms;            /* from start to the last byte; 0: none (a watch) */
	int64_t idle_ms;             /* the longest silence once connected; 0: none */
	size_t max_reply_bytes;      /* 0: 16 MiB; for the collected body, not for streamed bytes */
	bool new_connection;         /* do not reuse one, do not keep this one */
	bool once;                   /* never sent twice: a kept connection that breaks before the
				      * first byte of an answer is a RESET, not a second try */
	/* Streaming: gets the bytes of a 2xx reply as they come (others are collected in body).
	 * A result that is not 0 ends the transfer with outcome CANCELLED. NULL: collect all.
	 * No http_start from inside it. */
	int (*on_data)(void *arg, const char *data, size_t len);
	void *on_data_arg;
};

struct http_reply {
	/* OK: an HTTP answer arrived whole, whatever its status. REFUSED, RESET, DNS, TLS, TIMEOUT:
	 * as named. BODY: larger than allowed, or not HTTP. CANCELLED. FAILED: trouble of our own
	 * (descriptors, ports, memory), which says nothing about the server. */
	enum outcome outcome;
	int status;           /* 0: none arrived */
	const char *body;     /* NUL-terminated, never NULL */
	size_t body_len;
	int64_t sent_ns, first_ns, done_ns; /* clock_now_ns; 0: never. sent: when it was started */
	bool new_connection;
	int64_t retry_after_s;        /* -1: no such header */
	const char *error;            /* one line for people when outcome is not OK; never NULL */
	/* Reply headers by name, without regard to case; NULL when missing. Borrowed. */
	const char *(*header)(const struct http_reply *reply, const char *name);
	const void *state;
};

struct http_options {
	const char *user_agent;   /* NULL: "crumble/VERSION" */
	long max_connections;     /* idle ones kept; 0: 512 */
};

/* `options` may be NULL. */
int http_new(const struct http_options *options, struct http **ret_http, struct err *err);
/* Waiting transfers are cancelled (their `done` is called with CANCELLED). NULL is fine. */
void http_free(struct http *http);

/* Begins a request. `done` is called once, from http_drive (never from here); the reply and what
 * it points to are valid only inside it. From inside it new requests may be started, but the loop
 * not driven or freed. A request on a kept connection that turns out to be closed is sent once
 * more on a new one, as every client does, unless `once` forbids it (a connection that is known to
 * be closed is not used for it either way); nothing else is tried again. Names are kept for 5 s. */
int http_start(struct http *http, const struct http_request *request,
	void (*done)(void *arg, const struct http_reply *reply), void *arg,
	struct http_transfer **ret_transfer, struct err *err);
/* Ends it early: its `done` is called with CANCELLED, from the next http_drive. */
void http_cancel(struct http_transfer *transfer);

/* Handles what is ready; waits until something is, until `until_ns`, or until `stop` is set
 * (may be NULL). Returns the number of transfers that ended. Call it in a loop. */
int http_drive(struct http *http, int64_t until_ns, struct stop *stop);
/* Every http_drive from here on returns when `stop` is set, also without being told of it: each of
 * its waits is then one system call instead of two. NULL ends that; `stop` must live until then. */
int http_watch(struct http *http, struct stop *stop, struct err *err);
/* From any thread: the http_drive that waits, or the next one, returns at once. */
void http_wake(struct http *http);
/* Transfers under way. */
size_t http_pending(const struct http *http);

/* One request, start to end. `reply` is valid until the next call on this loop. -1 only when no
 * request could be made at all (bad URL, no memory) or `stop` was set (ERR_STOPPED); trouble of
 * the network is in reply->outcome. */
int http_perform(struct http *http, const struct http_request *request, struct stop *stop,
	const struct http_reply **ret_reply, struct err *err);

/* The err code for a reply that is no success: by outcome, or by status. ERR_NONE for 2xx. */
enum err_code http_err_code(const struct http_reply *reply);

#endif
