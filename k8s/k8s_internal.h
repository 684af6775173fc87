/*
 * What the files of k8s/ share with one another and with nobody else: the config's members, the
 * one way a request goes out, paths, and the decoders of lists and watches.
 */
#ifndef CRUMBLE_K8S_K8S_INTERNAL_H
#define CRUMBLE_K8S_K8S_INTERNAL_H

#include "base/buf.h"
#include "base/http.h"
#include "k8s/k8s.h"

/* ---- config.c ---- */

/* Immutable once loaded: any number of clients and threads read it. */
struct k8s_config {
	char *server; /* "https://host:port[/prefix]", no slash at the end */
	char *ns, *context;
	bool in_cluster;
	char *token;      /* as written in the file */
	char *token_file; /* goes before `token`, and is read again as it rotates */
	char *ca_file, *ca_data, *cert_file, *cert_data, *key_file, *key_data;
	bool insecure;
	struct http_tls tls; /* borrows the above */
};

/* Checks what only makes sense together, and fills `tls`. `where` begins the messages. */
int config_finish(struct k8s_config *config, const char *where, struct err *err);
/* k8s_config_in_cluster, from a folder with token, ca.crt and namespace. */
int config_service_account(const char *folder, const char *host, const char *port,
	struct k8s_config **ret_config, struct err *err);
/* Standard base64 with padding; white space is skipped. *ret_data is NUL-terminated, to be freed.
 * -1 when it is not base64, or has a NUL inside. */
int base64_text(const char *text, char **ret_data);

/* ---- path.c ---- */

#define PATH_BYTES 32768

/* "/api/v1/namespaces/NS/pods[/NAME[/SUB]]". `name` NULL: the collection. Everything is encoded;
 * a name that would change the path's meaning ("", "..", "a/b") is refused. */
int path_of(struct buf *path, const struct k8s_kind *kind, const char *ns, const char *name,
	const char *subresource, struct err *err);
/* Adds "?key=value" or "&key=value", encoded; nothing when value is NULL or "". */
void path_query(struct buf *path, const char *key, const char *value);

/* ---- client.c ---- */

struct k8s {
	const struct k8s_config *config;
	struct stop *stop;
	struct http *http;
	char *token; /* last read from config->token_file */
	int64_t token_read_ns;
	unsigned seed; /* of the jitter */
	bool kept;     /* the last request left its connection open */
	struct found_kind *found; /* by discovery */
};

#define CALL_TOTAL_MS 30000
#define CALL_PAGE_MS 60000
#define CALL_REPLY_BYTES (16u << 20)

struct call {
	const char *method, *path; /* path from the server's root on, with its query */
	const char *accept;        /* NULL: application/json */
	const char *content_type;  /* of body */
	const char *body;
	/* It may be sent again although an earlier try may have been carried out. Without it only
	 * what surely was not (refused, 429, 503 with Retry-After) is tried again. */
	bool repeatable;
	unsigned tries;   /* 0: as many as fit into total_ms */
	int64_t total_ms; /* over all tries; 0: none, one try (a watch) */
	int64_t idle_ms;  /* the longest silence; 0: none */
	size_t max_bytes; /* 0: CALL_REPLY_BYTES */
	/* Streaming, as in struct http_request; `again` is told before a further try. */
	int (*on_data)(void *arg, const char *data, size_t len);
	void (*again)(void *arg);
	void *arg;
	bool lost; /* result: it may have been sent before, and its answer been lost */
};

/* 0: a 2xx reply (or on_data ended it: outcome CANCELLED), valid until the next call. -1: no such
 * reply within the call's time; the message is the one that k8s.h promises. */
int k8s_call(struct k8s *client, struct call *call, const struct http_reply **ret_reply,
	struct err *err);
/* The same, its body parsed. `ret_json` may be NULL. */
int k8s_call_json(struct k8s *client, struct call *call, cJSON **ret_json, struct err *err);

/* ---- status.c ---- */

/* A Status object as one line, "409 Conflict: message"; `code` where it has none. */
void status_line(struct buf *line, int code, const cJSON *status);
/* What an answer that is no success says, JSON or not. */
void status_of_reply(struct buf *line, const struct http_reply *reply);
enum err_code status_err_code(int code);

/* ---- kinds.c ---- */

void kinds_free(struct found_kind *found);

/* ---- stream.c: a list as it comes, one item at a time ---- */

struct stream;

#define STREAM_ITEM_BYTES (8u << 20)

/* `item` gets each element of the top-level arrays "items" and "rows" (`array` says which),
 * borrowed; other than 0 ends the stream. */
int stream_new(int (*item)(void *arg, const char *array, const cJSON *item), void *arg,
	struct stream **ret_stream, struct err *err);
void stream_free(struct stream *stream);
/* Forgets all that came. */
int stream_reset(struct stream *stream, struct err *err);
/* 0: go on. Else bytes that are no list, a limit, or `item` ended it (stream_ended tells). */
int stream_feed(struct stream *stream, const char *data, size_t len);
bool stream_ended(const struct stream *stream);
/* No more bytes: was it one whole JSON object? Also the place to ask why stream_feed said no. */
int stream_finish(struct stream *stream, struct err *err);
/* The other top-level members so far (kind, metadata, columnDefinitions). Borrowed. */
const cJSON *stream_head(const struct stream *stream);

/* ---- list.c ---- */

struct list_job {
	struct k8s *client;
	const struct k8s_kind *kind;
	const char *ns;
	const struct k8s_select *select; /* may be NULL */
	const char *accept;              /* NULL: application/json */
	const char *include_object;      /* of a table; NULL: not asked for */
	unsigned limit;
	/* `head` is what came before the item. */
	int (*item)(void *arg, const char *array, const cJSON *item, const cJSON *head);
	void (*restart)(void *arg); /* the list begins anew (410); may be NULL */
	void *arg;
	bool repeat; /* when a page is cut and read again, tell all its items again */
	char *version; /* result, to be freed */
	bool ended;    /* result: `item` ended it */
};

int list_run(struct list_job *job, struct err *err);

/* ---- columns.c: a table's cell from the object, worded as the server words it ---- */

int column_text(struct buf *text, const struct k8s_kind *kind, const cJSON *object,
	const char *column);

/* ---- lines.c: bytes to lines ---- */

struct lines {
	struct buf part; /* of a line whose end has not come */
};

#define LINE_BYTES (8u << 20)

void lines_init(struct lines *lines, size_t max_bytes);
void lines_done(struct lines *lines);
/* `line` gets each whole line that is not empty, without its end, borrowed (not NUL-terminated);
 * other than 0 ends it and is returned. -1 also for a line over the limit (lines_overflow). */
int lines_feed(struct lines *lines, const char *data, size_t len,
	int (*line)(void *arg, const char *data, size_t len), void *arg);
bool lines_overflow(const struct lines *lines);

/* ---- store.c: what a watch knows, so that a relist can tell what vanished ---- */

struct store;

int store_new(struct store **ret_store, struct err *err);
void store_free(struct store *store);
size_t store_count(const struct store *store);
/* Remembers the object's state under its uid, as seen in this round. */
int store_put(struct store *store, const cJSON *object, struct err *err);
void store_remove(struct store *store, const cJSON *object);
/* A new round: what is not put again until store_sweep is gone. */
void store_begin(struct store *store);
/* Takes out what was not put in this round; `gone` gets its last state, borrowed; other than 0
 * ends the sweep (the rest stays for the next). */
int store_sweep(struct store *store, int (*gone)(void *arg, const cJSON *object), void *arg,
	struct err *err);

/* ---- watch.c ---- */

/* One line of a watch: its type, object and, for "ERROR", the Status's code. */
struct watch_event {
	cJSON *json; /* owns all */
	const char *type;
	const cJSON *object;
	const char *version; /* the object's resourceVersion; NULL: none */
	int code;
};

int watch_event_parse(const char *line, size_t len, struct watch_event *ret_event,
	struct err *err);

#endif
