/*
 * What the parts of base/http share: http.c (the loop), http_heap.c (deadlines), http_request.c (an
 * easy handle made ready for a request), http_end.c (how a transfer ends), http_reply.c (what
 * became of it), http_resolve.c (names). Nobody else's business.
 */
#ifndef CRUMBLE_BASE_HTTP_IMPL_H
#define CRUMBLE_BASE_HTTP_IMPL_H

#include "base/buf.h"
#include "base/http.h"

#include <curl/curl.h>

#define HTTP_CONNECT_MS 10000
#define HTTP_REPLY_BYTES ((size_t)16 << 20)
#define HTTP_NAME_BYTES 256 /* a host name, with its NUL */
#define HTTP_ADDRESSES 16   /* of one name */

/* --- names ------------------------------------------------------------------------------------
 * curl's own resolver starts a thread a transfer and cannot be asked to share; with a silent name
 * server they pile up. Here a name has one lookup in flight, and whoever needs it waits for that. */

struct http_resolver;

struct http_lookup {
	struct http_lookup *next;
	struct http_resolver *resolver;
	char host[HTTP_NAME_BYTES];
	bool done;   /* under the resolver's lock */
	int error;   /* of getaddrinfo */
	char addresses[HTTP_ADDRESSES * 48]; /* "192.0.2.1,[2001:db8::1]" */
};

int http_resolver_new(struct http_resolver **ret_resolver, struct err *err);
/* Threads that still wait for a name server keep what they need. NULL is fine. */
void http_resolver_free(struct http_resolver *resolver);
/* Readable when a lookup has ended. */
int http_resolver_fd(const struct http_resolver *resolver);
/* The lookup of `host` that is under way, or a new one; NULL: no thread to be had. Valid until
 * http_resolver_next hands it out. */
struct http_lookup *http_resolver_ask(struct http_resolver *resolver, const char *host);
/* Takes out one that has ended, NULL when there is none. To be freed with free(). */
struct http_lookup *http_resolver_next(struct http_resolver *resolver);

/* --- a request -------------------------------------------------------------------------------- */

/* Trust and identity by content: handles compare it by address. Lives as long as the loop. */
struct http_identity {
	struct http_identity *next;
	struct http_tls tls; /* strings of our own */
};

struct http_transfer {
	struct http *http;
	CURL *easy;
	struct http_transfer *next; /* in the pool */
	size_t place;               /* in the heap of active ones */
	int64_t wake_ns;            /* the heap's key: when to look at it next */
	bool active, in_multi, cancelled, hold;

	/* what the easy handle is set to, so that it is not set again */
	char method[16];
	bool configured, has_body, new_connection;
	const struct http_identity *identity;
	char *url;
	CURLU *parsed;              /* the same: spares curl a parse for each request */
	struct buf head;            /* header lines, each with a newline behind it */
	struct curl_slist *headers;
	struct buf payload;
	char host[HTTP_NAME_BYTES]; /* when it is a name to look up; "" otherwise */
	char proxy[HTTP_NAME_BYTES];
	long port, proxy_port;

	/* this request */
	void (*done)(void *arg, const struct http_reply *reply);
	void *arg;
	int (*on_data)(void *arg, const char *data, size_t len);
	void *on_data_arg;
	size_t max_reply_bytes;
	int64_t connect_ms, total_ms, idle_ms;
	int64_t sent_ns, first_ns, last_ns, connect_at, total_at;
	bool head_ended, streaming, stopped, too_large, intercepted, lookup_allowed, curl_looks_up;
	bool once, sent, refused_again; /* curl was about to send it a second time, and may not */
	const struct http_lookup *lookup; /* waits for it */
	struct curl_slist *resolved;
	struct buf body;
	char curl_text[CURL_ERROR_SIZE];
	char error[ERR_TEXT_BYTES];
};

struct socket_state {
	unsigned char wanted, registered; /* EPOLLIN, EPOLLOUT */
};

struct http {
	CURLM *multi;
	CURLU *parser;
	int epoll;
	int wake; /* eventfd of http_wake */
	struct stop *watched;
	bool no_pwait2; /* a kernel before 5.11, or a filter that does not know the call */
	int64_t timer_ns; /* when curl wants to be called; INT64_MAX: never */
	char *user_agent;
	struct socket_state *sockets; /* by descriptor */
	size_t n_sockets;
	struct http_resolver *resolver;
	struct http_identity *identities;
	struct http_transfer **heap;
	size_t n_active, heap_size;
	struct http_transfer *pool, *held;
	struct http_reply held_reply;
	struct buf scratch;
};

/* curl closes a connection. */
int http_close_socket(void *http, curl_socket_t fd);

struct http_transfer *http_transfer_new(struct http *http);
void http_transfer_free(struct http_transfer *t);
/* Sets the handle for this request; only what differs from the handle's last one. */
int http_transfer_prepare(struct http_transfer *t, const struct http_request *request,
	struct err *err);
/* curl gets the addresses of a name. */
int http_transfer_resolved(struct http_transfer *t, const char *host, long port,
	const char *addresses);
void http_identities_free(struct http *http);

/* --- the active ones -------------------------------------------------------------------------- */

int http_heap_add(struct http *http, struct http_transfer *t);
void http_heap_remove(struct http *http, struct http_transfer *t);
/* Puts t where its next deadline belongs. */
void http_schedule(struct http_transfer *t);
/* Gives it to curl. */
int http_enter_multi(struct http_transfer *t);

/* Each returns the number of transfers that ended: with their lookup, at a deadline (or cancelled),
 * with curl's result. */
int http_end_lookups(struct http *http);
int http_expire(struct http *http);
int http_collect(struct http *http);

/* Tells whoever waits for it; t is the pool's afterwards (or held, for http_perform's reply). */
void http_finish(struct http_transfer *t, enum outcome outcome);
void http_recycle(struct http_transfer *t);
void http_release_held(struct http *http);

/* --- what became of it ------------------------------------------------------------------------ */

enum outcome http_classify(const struct http_transfer *t, CURLcode code);
/* "METHOD URL: why", without the URL's user and query, into t->error. */
void http_explain(struct http_transfer *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* The same for curl's result, in words of ours where they are plainer than curl's. */
void http_explain_code(struct http_transfer *t, CURLcode code, enum outcome outcome);
/* "2s", "150ms" */
void http_show_ms(int64_t ms, char ret_text[32]);
void http_reply_fill(const struct http_transfer *t, enum outcome outcome, struct http_reply *ret);

#endif
