/*
 * Lists in pages, each read as a stream. A page whose connection broke is asked for again, and
 * what it had told already is left out; a continue token that expired begins the list anew.
 */
#include "k8s/k8s_internal.h"

#include <stdio.h>
#include <string.h>

#define LIMIT 500
#define RESTARTS 5

/* Hashes of the items that the page has told: bounded by the page, not by the cluster. */
struct told {
	uint64_t *slots; /* 0: free */
	size_t size;     /* a power of two */
	size_t count;
};

struct page {
	struct list_job *job;
	struct stream *stream;
	struct told told;
	bool again; /* it is not the first try */
	struct err err;
};

static uint64_t hash_of(const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return hash ? hash : 1;
}

static bool told_find(const struct told *told, uint64_t hash, size_t *ret_slot)
{
	size_t slot = hash & (told->size - 1);

	while (told->slots[slot] && told->slots[slot] != hash)
		slot = (slot + 1) & (told->size - 1);
	*ret_slot = slot;
	return told->slots[slot] != 0;
}

static int told_grow(struct told *told)
{
	struct told more = { .size = told->size ? told->size * 2 : 256, .count = told->count };
	size_t slot;

	more.slots = calloc(more.size, sizeof(*more.slots));
	if (!more.slots)
		return -1;
	for (size_t i = 0; i < told->size; i++) {
		if (!told->slots[i] || told_find(&more, told->slots[i], &slot))
			continue;
		more.slots[slot] = told->slots[i];
	}
	free(told->slots);
	*told = more;
	return 0;
}

/* An item's identity: its uid, or a row's first cell (its name). */
static const char *identity(const cJSON *item)
{
	const char *uid = json_str(item, "metadata", "uid", NULL);

	return uid ? uid : json_str(item, "cells", "0", NULL);
}

/* 1: told before; 0: it is now; -1: no memory. */
static int tell_once(struct told *told, const cJSON *item)
{
	const char *id = identity(item);
	uint64_t hash = id ? hash_of(id) : 0;
	size_t slot;

	if (!id)
		return 0;
	if (told->count * 2 >= told->size && told_grow(told))
		return -1;
	if (told_find(told, hash, &slot))
		return 1;
	told->slots[slot] = hash;
	told->count++;
	return 0;
}

static int on_item(void *arg, const char *array, const cJSON *item)
{
	struct page *page = arg;
	struct list_job *job = page->job;
	int before = job->repeat ? 0 : tell_once(&page->told, item);

	if (before < 0)
		return err_set(&page->err, ERR_NOMEM, "no memory for a page of a list");
	/* On the first try nothing is left out: a server may well name two rows alike. */
	if (before && page->again)
		return 0;
	if (job->item(job->arg, array, item, stream_head(page->stream)))
		job->ended = true;
	return job->ended;
}

static int on_data(void *arg, const char *data, size_t len)
{
	struct page *page = arg;

	return stream_feed(page->stream, data, len);
}

static void on_again(void *arg)
{
	struct page *page = arg;

	page->again = true;
	if (!page->err.code)
		stream_reset(page->stream, &page->err);
}

static int list_path(
	const struct list_job *job, const char *token, struct buf *path, struct err *err)
{
	char limit[16];

	if (path_of(path, job->kind, job->ns, NULL, NULL, err))
		return -1;
	snprintf(limit, sizeof(limit), "%u", job->limit);
	path_query(path, "limit", limit);
	path_query(path, "includeObject", job->include_object);
	if (job->select) {
		path_query(path, "labelSelector", job->select->labels);
		path_query(path, "fieldSelector", job->select->fields);
	}
	path_query(path, "continue", token);
	return buf_failed(path) ? err_set(err, ERR_NOMEM, "list %s: the query is too long",
					  job->kind->plural)
				: 0;
}

static void page_done(struct page *page)
{
	stream_free(page->stream);
	free(page->told.slots);
}

/* What the page says of the rest, and of the list's version. */
static int page_end(struct page *page, char **token, struct err *err)
{
	struct list_job *job = page->job;
	const cJSON *head = stream_head(page->stream);
	const char *more = json_str(head, "metadata", "continue", NULL);
	const char *version = json_str(head, "metadata", "resourceVersion", NULL);
	char *next = NULL;

	if (!cJSON_IsObject(json_at(head, "metadata", NULL)))
		return err_set(err, ERR_FORMAT, "no list (kind %s)",
			json_str(head, "kind", NULL) ? json_str(head, "kind", NULL) : "missing");
	if (more && *more) {
		if (*token && !strcmp(*token, more))
			return err_set(err, ERR_FORMAT, "a continue token that leads nowhere");
		next = strdup(more);
		if (!next)
			return err_set(err, ERR_NOMEM, "no memory");
	}
	free(*token);
	*token = next;
	if (!job->version && version)
		job->version = strdup(version);
	return 0;
}

/* One page; *token is the way to the next, NULL behind the last. */
static int list_page(struct list_job *job, char **token, struct err *err)
{
	OWN_BUF struct buf path;
	OWN(page_done) struct page page = { .job = job };
	struct call call = { .method = "GET",
		.accept = job->accept,
		.repeatable = true,
		.total_ms = CALL_PAGE_MS,
		.idle_ms = CALL_PAGE_MS / 4,
		.on_data = on_data,
		.again = on_again,
		.arg = &page };
	const struct http_reply *reply;
	int result;

	buf_init(&path, PATH_BYTES);
	if (list_path(job, *token, &path, err) || stream_new(on_item, &page, &page.stream, err))
		return -1;
	call.path = buf_str(&path);
	if (k8s_call(job->client, &call, &reply, err))
		return -1;
	if (job->ended)
		return 0;
	result = page.err.code ? err_set(err, page.err.code, "%s", page.err.text)
			       : stream_finish(page.stream, err);
	if (!result)
		result = page_end(&page, token, err);
	if (result)
		err_wrap(err, "GET %s%.*s", k8s_config_server(job->client->config),
			(int)strcspn(call.path, "?"), call.path);
	return result;
}

int list_run(struct list_job *job, struct err *err)
{
	OWN_MEM char *token = NULL;
	unsigned restarts = 0;

	job->version = NULL;
	job->ended = false;
	for (;;) {
		struct err why = { 0 };

		if (!list_page(job, &token, &why)) {
			if (!token || job->ended)
				return 0;
			continue;
		}
		free(TAKE(job->version));
		if (why.code != ERR_GONE || !token || ++restarts > RESTARTS)
			return err_set(err, why.code, "%s", why.text);
		free(TAKE(token));
		if (job->restart)
			job->restart(job->arg);
	}
}

/* ---- the public one ---- */

struct plain {
	int (*each)(void *arg, const cJSON *item);
	void *arg;
};

static int plain_item(void *arg, const char *array, const cJSON *item, const cJSON *head)
{
	struct plain *plain = arg;

	(void)head;
	return *array == 'i' ? plain->each(plain->arg, item) : 0;
}

int k8s_list(struct k8s *client, const struct k8s_kind *kind, const char *ns,
	const struct k8s_select *select, int (*each)(void *arg, const cJSON *item), void *arg,
	char **ret_version, struct err *err)
{
	struct plain plain = { each, arg };
	struct list_job job = { .client = client,
		.kind = kind,
		.ns = ns,
		.select = select,
		.limit = select && select->limit ? select->limit : LIMIT,
		.item = plain_item,
		.arg = &plain };

	if (list_run(&job, err))
		return -1;
	if (!job.version)
		job.version = strdup("");
	if (!job.version)
		return err_set(err, ERR_NOMEM, "no memory");
	if (ret_version)
		*ret_version = TAKE(job.version);
	free(job.version);
	return 0;
}
