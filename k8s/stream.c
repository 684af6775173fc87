/*
 * A list as it comes: libyajl's events are built into one cJSON item at a time, which is told and
 * freed; only what stands beside the items (kind, metadata, columns) is kept. Memory is that of
 * the largest item, whatever the length of the list.
 */
#include "k8s/k8s_internal.h"

#include <string.h>
#include <yajl/yajl_parse.h>

#define DEPTH 128             /* as deep as any object; cJSON frees by recursion */
#define HEAD_BYTES (1u << 20) /* columns and metadata are a few kB */
#define TOKEN_COST 4          /* quotes, colon, comma */

struct stream {
	int (*item)(void *arg, const char *array, const cJSON *item);
	void *arg;
	yajl_handle yajl;
	cJSON *head;
	cJSON *stack[DEPTH]; /* open containers; NULL: the array of items itself */
	size_t depth;
	cJSON *current;    /* the item that is being built */
	const char *array; /* "items" or "rows" while inside of it */
	char *key;         /* of the value that comes next */
	size_t used;       /* of the current item's, or the head's, allowance */
	size_t head_used;
	bool ended;
	struct err err;
};

static int fail(struct stream *s, enum err_code code, const char *text)
{
	if (!s->err.code)
		err_set(&s->err, code, "%s", text);
	return 0; /* yajl: stop */
}

static bool among_items(const struct stream *s)
{
	return s->depth && !s->stack[s->depth - 1];
}

/* An item is whole. */
static int tell(struct stream *s)
{
	int result = s->item(s->arg, s->array, s->current);

	cJSON_Delete(TAKE(s->current));
	s->used = 0;
	if (result)
		s->ended = true;
	return !result;
}

/* The key moves into the node, which saves a copy; cJSON frees it with the node. */
static int add(struct stream *s, cJSON *node)
{
	cJSON *parent = s->depth ? s->stack[s->depth - 1] : NULL;

	if (!node)
		return fail(s, ERR_NOMEM, "no memory");
	if (!s->depth || !parent) {
		s->current = node;
		return 1;
	}
	node->string = TAKE(s->key);
	if (!cJSON_AddItemToArray(parent, node)) {
		cJSON_Delete(node);
		return fail(s, ERR_NOMEM, "no memory");
	}
	return 1;
}

static int cost(struct stream *s, size_t len)
{
	bool item = s->current || among_items(s);
	size_t *used = item ? &s->used : &s->head_used;

	*used += len + TOKEN_COST;
	if (*used <= (item ? STREAM_ITEM_BYTES : HEAD_BYTES))
		return 1;
	return fail(s, ERR_NOMEM,
		item ? "an object of more than 8 MiB" : "more than 1 MiB beside the items");
}

static int scalar(struct stream *s, cJSON *node, size_t len)
{
	if (!s->depth) {
		cJSON_Delete(node);
		return fail(s, ERR_FORMAT, "no JSON object");
	}
	if (!cost(s, len)) {
		cJSON_Delete(node);
		return 0;
	}
	if (!add(s, node))
		return 0;
	return among_items(s) ? tell(s) : 1;
}

static int on_null(void *arg)
{
	return scalar(arg, cJSON_CreateNull(), 4);
}

static int on_bool(void *arg, int value)
{
	return scalar(arg, cJSON_CreateBool(value), 5);
}

static int on_number(void *arg, const char *text, size_t len)
{
	struct stream *s = arg;
	char digits[64];

	if (len >= sizeof(digits))
		return fail(s, ERR_FORMAT, "a number of more than 63 digits");
	memcpy(digits, text, len);
	digits[len] = '\0';
	return scalar(s, cJSON_CreateNumber(strtod(digits, NULL)), len);
}

static int on_string(void *arg, const unsigned char *text, size_t len)
{
	cJSON *node = cJSON_CreateNull();

	if (node) {
		node->type = cJSON_String;
		node->valuestring = strndup((const char *)text, len);
		if (!node->valuestring) {
			cJSON_Delete(node);
			node = NULL;
		}
	}
	return scalar(arg, node, len);
}

static int push(struct stream *s, cJSON *container)
{
	if (s->depth == DEPTH)
		return fail(s, ERR_FORMAT, "nested deeper than 128");
	s->stack[s->depth++] = container;
	return 1;
}

static int open_container(struct stream *s, cJSON *container)
{
	if (!cost(s, 1)) {
		cJSON_Delete(container);
		return 0;
	}
	if (!s->depth) {
		s->head = container;
		return container ? push(s, container) : fail(s, ERR_NOMEM, "no memory");
	}
	return add(s, container) && push(s, container);
}

static int on_map(void *arg)
{
	return open_container(arg, cJSON_CreateObject());
}

static int on_array(void *arg)
{
	struct stream *s = arg;

	if (!s->depth)
		return fail(s, ERR_FORMAT, "no JSON object");
	if (s->depth == 1 && s->key && (!strcmp(s->key, "items") || !strcmp(s->key, "rows"))) {
		s->array = *s->key == 'i' ? "items" : "rows";
		free(TAKE(s->key));
		return push(s, NULL);
	}
	return open_container(s, cJSON_CreateArray());
}

static int on_key(void *arg, const unsigned char *text, size_t len)
{
	struct stream *s = arg;

	free(s->key);
	s->key = strndup((const char *)text, len);
	if (!s->key)
		return fail(s, ERR_NOMEM, "no memory");
	return cost(s, len);
}

static int on_close(void *arg)
{
	struct stream *s = arg;

	s->depth--;
	if (s->current && among_items(s))
		return tell(s);
	if (s->depth == 1 && !s->current)
		s->array = NULL;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_map,
	.yajl_map_key = on_key,
	.yajl_end_map = on_close,
	.yajl_start_array = on_array,
	.yajl_end_array = on_close,
};

static void forget(struct stream *s)
{
	if (s->yajl)
		yajl_free(s->yajl);
	s->yajl = NULL;
	cJSON_Delete(TAKE(s->head));
	cJSON_Delete(TAKE(s->current));
	free(TAKE(s->key));
	s->depth = 0;
	s->array = NULL;
	s->used = s->head_used = 0;
	s->ended = false;
	s->err = (struct err){ 0 };
}

int stream_new(int (*item)(void *arg, const char *array, const cJSON *item), void *arg,
	struct stream **ret_stream, struct err *err)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ERR_NOMEM, "no memory for a list");
	s->item = item;
	s->arg = arg;
	if (stream_reset(s, err)) {
		stream_free(s);
		return -1;
	}
	*ret_stream = s;
	return 0;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	forget(s);
	free(s);
}

int stream_reset(struct stream *s, struct err *err)
{
	forget(s);
	s->yajl = yajl_alloc(&callbacks, NULL, s);
	return s->yajl ? 0 : err_set(err, ERR_NOMEM, "no memory for a list");
}

int stream_feed(struct stream *s, const char *data, size_t len)
{
	yajl_status status;

	if (!s->yajl || s->ended || s->err.code)
		return -1;
	status = yajl_parse(s->yajl, (const unsigned char *)data, len);
	if (status == yajl_status_ok)
		return 0;
	if (status == yajl_status_error)
		fail(s, ERR_FORMAT, "not JSON");
	return -1;
}

bool stream_ended(const struct stream *s)
{
	return s->ended;
}

int stream_finish(struct stream *s, struct err *err)
{
	if (s->ended)
		return 0;
	if (!s->err.code && (!s->yajl || yajl_complete_parse(s->yajl) != yajl_status_ok))
		fail(s, ERR_FORMAT, "JSON that is cut off");
	if (!s->err.code && !s->head)
		fail(s, ERR_FORMAT, "no JSON object");
	if (s->err.code)
		return err_set(err, s->err.code, "%s", s->err.text);
	return 0;
}

const cJSON *stream_head(const struct stream *s)
{
	return s->head;
}
