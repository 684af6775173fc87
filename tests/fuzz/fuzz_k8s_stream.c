/*
 * Fuzz target: what an API server sends. The first byte says how the bytes are cut; the rest goes
 * through the list decoder and through the watch's lines and events.
 */
#include "k8s/k8s_internal.h"
#include "tests/fuzz/fuzz.h"

static int on_item(void *arg, const char *array, const cJSON *item)
{
	OWN_BUF struct buf text;

	buf_init(&text, 4096);
	column_text(&text, &k8s_pod, item, "Status");
	column_text(&text, &k8s_pod, item, "Ready");
	k8s_pod_ready(item);
	return *array == 'r' && ++*(int *)arg == 100;
}

static int on_line(void *arg, const char *line, size_t len)
{
	struct store *store = arg;
	struct watch_event event;

	if (watch_event_parse(line, len, &event, NULL))
		return 0;
	if (store_put(store, event.object, NULL) == 0 && event.code == 410)
		store_remove(store, event.object);
	cJSON_Delete(event.json);
	return 0;
}

static int on_gone(void *arg, const cJSON *object)
{
	(void)arg;
	return object == NULL;
}

static void feed(const char *data, size_t size, size_t step)
{
	struct stream *stream = NULL;
	struct store *store = NULL;
	struct lines lines;
	int rows = 0;

	lines_init(&lines, 4096);
	if (stream_new(on_item, &rows, &stream, NULL) || store_new(&store, NULL))
		abort();
	for (size_t at = 0; at < size; at += step) {
		size_t len = size - at < step ? size - at : step;

		stream_feed(stream, data + at, len);
		lines_feed(&lines, data + at, len, on_line, store);
	}
	stream_finish(stream, NULL);
	store_begin(store);
	store_sweep(store, on_gone, NULL, NULL);
	stream_free(stream);
	store_free(store);
	lines_done(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size)
		feed((const char *)data + 1, size - 1, (size_t)*data + 1);
	return 0;
}
