/*
 * Watches: list, then the changes from the list's version on.
 *
 * The server is asked to end each stream after a minute, so a connection that is silent for longer
 * is dead, however long nothing happens in the cluster. A stream that ended goes on from the last
 * version seen; where that is too old (410, told by status or inside the stream), or where going on
 * fails repeatedly, all is listed anew and what vanished meanwhile is told from the store.
 */
#include "base/clock.h"
#include "k8s/k8s_internal.h"

#include <stdio.h>
#include <string.h>

#define STREAM_S "60"
#define IDLE_MS 75000
#define PAUSE_FIRST_MS 100
#define PAUSE_MOST_MS 10000
#define RESUMES 3 /* failures in a row until it lists anew */

struct watch {
	struct k8s *client;
	const struct k8s_kind *kind;
	const char *ns;
	const struct k8s_select *select;
	int (*each)(void *arg, enum k8s_change change, const cJSON *object, const char *text);
	void *arg;
	struct store *store;
	struct lines lines;
	char *version;     /* where to go on; NULL: list first */
	bool synced;       /* a list was whole at least once */
	bool ended;        /* by `each` */
	bool got;          /* this stream brought an event */
	unsigned failures; /* in a row */
	unsigned refused;  /* 401 in a row */
	struct err err;    /* of this stream */
};

int watch_event_parse(const char *line, size_t len, struct watch_event *ret_event, struct err *err)
{
	struct watch_event event = { 0 };

	if (json_parse("a watch event", line, len, &event.json, err))
		return -1;
	event.type = json_str(event.json, "type", NULL);
	event.object = json_at(event.json, "object", NULL);
	if (!event.type || !cJSON_IsObject(event.object)) {
		cJSON_Delete(event.json);
		return err_set(err, ERR_FORMAT, "a watch event without type or object");
	}
	event.version = json_str(event.object, "metadata", "resourceVersion", NULL);
	if (!strcmp(event.type, "ERROR"))
		event.code = (int)json_int(event.object, 500, "code", NULL);
	*ret_event = event;
	return 0;
}

static int tell(struct watch *w, enum k8s_change change, const cJSON *object, const char *text)
{
	if (!w->ended && w->each(w->arg, change, object, text))
		w->ended = true;
	return w->ended;
}

/* ---- the list ---- */

static int on_listed(void *arg, const char *array, const cJSON *item, const cJSON *head)
{
	struct watch *w = arg;

	(void)head;
	if (*array != 'i')
		return 0;
	if (store_put(w->store, item, &w->err))
		return 1;
	return tell(w, K8S_ADDED, item, NULL);
}

static void on_restart(void *arg)
{
	struct watch *w = arg;

	store_begin(w->store);
}

static int on_gone(void *arg, const cJSON *object)
{
	return tell(arg, K8S_DELETED, object, NULL);
}

static int watch_list(struct watch *w)
{
	struct list_job job = { .client = w->client,
		.kind = w->kind,
		.ns = w->ns,
		.select = w->select,
		.limit = w->select && w->select->limit ? w->select->limit : 500,
		.item = on_listed,
		.restart = on_restart,
		.arg = w,
		.repeat = true };
	OWN_MEM char *version = NULL;

	store_begin(w->store);
	if (list_run(&job, &w->err))
		return -1;
	version = job.version;
	if (w->err.code || w->ended)
		return w->err.code ? -1 : 0;
	if (!version || !*version)
		return err_set(&w->err, ERR_FORMAT, "GET %s: a list without a resourceVersion",
			w->kind->plural);
	if (store_sweep(w->store, on_gone, w, &w->err))
		return -1;
	w->version = TAKE(version);
	w->synced = true;
	w->refused = 0;
	tell(w, K8S_SYNCED, NULL, NULL);
	return 0;
}

/* ---- the stream ---- */

static int fail_status(struct watch *w, const struct watch_event *event)
{
	OWN_BUF struct buf line;

	buf_init(&line, ERR_TEXT_BYTES);
	status_line(&line, event->code, event->object);
	return err_set(&w->err, status_err_code(event->code), "the watch of %s was ended: %s",
		w->kind->plural, buf_str(&line));
}

static int set_version(struct watch *w, const char *version)
{
	char *copy = version ? strdup(version) : NULL;

	if (!copy)
		return err_set(&w->err, version ? ERR_NOMEM : ERR_FORMAT,
			"a watch event without a resourceVersion");
	free(w->version);
	w->version = copy;
	w->got = true;
	return 0;
}

static int on_event(struct watch *w, const struct watch_event *event)
{
	const cJSON *object = event->object;

	if (!strcmp(event->type, "ERROR"))
		return fail_status(w, event);
	if (set_version(w, event->version))
		return -1;
	if (!strcmp(event->type, "BOOKMARK"))
		return 0;
	if (!strcmp(event->type, "DELETED")) {
		store_remove(w->store, object);
		return tell(w, K8S_DELETED, object, NULL);
	}
	if (strcmp(event->type, "ADDED") != 0 && strcmp(event->type, "MODIFIED") != 0)
		return err_set(&w->err, ERR_FORMAT, "a watch event of unknown type \"%.20s\"",
			event->type);
	if (store_put(w->store, object, &w->err))
		return -1;
	return tell(w, *event->type == 'A' ? K8S_ADDED : K8S_MODIFIED, object, NULL);
}

static int on_line(void *arg, const char *data, size_t len)
{
	struct watch *w = arg;
	struct watch_event event;
	int result;

	if (watch_event_parse(data, len, &event, &w->err))
		return -1;
	result = on_event(w, &event);
	cJSON_Delete(event.json);
	return result;
}

static int on_data(void *arg, const char *data, size_t len)
{
	struct watch *w = arg;
	int result = lines_feed(&w->lines, data, len, on_line, w);

	if (result && lines_overflow(&w->lines))
		err_set(&w->err, ERR_NOMEM, "a watch event of more than 8 MiB");
	return result;
}

static int stream_path(struct watch *w, struct buf *path, struct err *err)
{
	if (path_of(path, w->kind, w->ns, NULL, NULL, err))
		return -1;
	path_query(path, "watch", "1");
	path_query(path, "allowWatchBookmarks", "true");
	path_query(path, "timeoutSeconds", STREAM_S);
	path_query(path, "resourceVersion", w->version);
	if (w->select) {
		path_query(path, "labelSelector", w->select->labels);
		path_query(path, "fieldSelector", w->select->fields);
	}
	return buf_failed(path)
		       ? err_set(err, ERR_NOMEM, "watch %s: the query is too long", w->kind->plural)
		       : 0;
}

/* One stream to its end. 0: it ended as streams do, and goes on from w->version. */
static int watch_stream(struct watch *w)
{
	OWN_BUF struct buf path;
	struct call call = { .method = "GET", .idle_ms = IDLE_MS, .on_data = on_data, .arg = w };
	const struct http_reply *reply;

	buf_init(&path, PATH_BYTES);
	if (stream_path(w, &path, &w->err))
		return -1;
	call.path = buf_str(&path);
	lines_done(&w->lines);
	lines_init(&w->lines, LINE_BYTES);
	if (k8s_call(w->client, &call, &reply, &w->err))
		return -1;
	return w->err.code ? -1 : 0;
}

/* ---- and again ---- */

/* No use in trying further: this is how it will stay. */
static bool is_final(struct watch *w)
{
	switch (w->err.code) {
	case ERR_FORBIDDEN:
	case ERR_NOT_FOUND:
	case ERR_BUG:
	case ERR_CONFIG:
		return true;
	case ERR_AUTH:
		return ++w->refused >= 2;
	case ERR_TLS:
		return !w->synced;
	default:
		return false;
	}
}

static int64_t pause_ms(const struct watch *w)
{
	int64_t ms = PAUSE_FIRST_MS;

	for (unsigned i = 1; i < w->failures && ms < PAUSE_MOST_MS; i++)
		ms *= 2;
	ms = ms > PAUSE_MOST_MS ? PAUSE_MOST_MS : ms;
	return ms / 2 + rand_r(&w->client->seed) % (ms / 2 + 1);
}

/* After a failure: -1 for good, 0 go on. A version that is too old is no reason to wait. */
static int recover(struct watch *w)
{
	if (is_final(w))
		return -1;
	tell(w, K8S_TROUBLE, NULL, w->err.text);
	w->failures++;
	if (w->err.code == ERR_GONE || w->failures >= RESUMES)
		free(TAKE(w->version));
	if (w->err.code != ERR_GONE || w->failures > 1)
		stop_wait(w->client->stop, pause_ms(w));
	return 0;
}

/* A stream that ended at once, without a word: again and again, that would be a busy loop. */
static void breathe(struct watch *w, int64_t began_ns)
{
	if (w->version && !w->got && clock_now_ns() - began_ns < NS_PER_S)
		stop_wait(w->client->stop, PAUSE_FIRST_MS);
}

static int watch_run(struct watch *w)
{
	while (!w->ended && !stop_requested(w->client->stop)) {
		int64_t began = clock_now_ns();
		bool listing = !w->version;
		int result;

		w->err = (struct err){ 0 };
		w->got = false;
		result = listing ? watch_list(w) : watch_stream(w);
		if (w->ended || w->err.code == ERR_STOPPED)
			return 0;
		if (w->got || (!result && !listing))
			w->failures = w->refused = 0;
		if (result && recover(w))
			return -1;
		if (!result && !listing)
			breathe(w, began);
	}
	return 0;
}

int k8s_watch(struct k8s *client, const struct k8s_kind *kind, const char *ns,
	const struct k8s_select *select, struct stop *stop,
	int (*each)(void *arg, enum k8s_change change, const cJSON *object, const char *text),
	void *arg, struct err *err)
{
	struct watch w = {
		.client = client, .kind = kind, .ns = ns, .select = select, .each = each, .arg = arg
	};
	struct stop *before = client->stop;
	int result;

	if (store_new(&w.store, err))
		return -1;
	lines_init(&w.lines, LINE_BYTES);
	if (stop)
		client->stop = stop;
	result = watch_run(&w);
	client->stop = before;
	if (result)
		err_set(err, w.err.code, "%s", w.err.text);
	store_free(w.store);
	lines_done(&w.lines);
	free(w.version);
	return result;
}
