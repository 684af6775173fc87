/*
 * The active transfers as a heap by the time at which each has to be looked at next: one that
 * hangs costs nothing until then.
 */
#include "base/http_impl.h"

#include "base/clock.h"

static void heap_put(struct http *http, size_t place, struct http_transfer *t)
{
	http->heap[place] = t;
	t->place = place;
}

/* Moves t to where its wake_ns belongs. */
static void heap_settle(struct http *http, struct http_transfer *t)
{
	size_t at = t->place, n = http->n_active;

	while (at && http->heap[(at - 1) / 2]->wake_ns > t->wake_ns) {
		heap_put(http, at, http->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && http->heap[child + 1]->wake_ns < http->heap[child]->wake_ns)
			child++;
		if (http->heap[child]->wake_ns >= t->wake_ns)
			break;
		heap_put(http, at, http->heap[child]);
	}
	heap_put(http, at, t);
}

int http_heap_add(struct http *http, struct http_transfer *t)
{
	if (http->n_active == http->heap_size) {
		size_t size = http->heap_size ? 2 * http->heap_size : 16;
		struct http_transfer **heap = realloc(http->heap, size * sizeof(*heap));

		if (!heap)
			return -1;
		http->heap = heap;
		http->heap_size = size;
	}
	heap_put(http, http->n_active++, t);
	heap_settle(http, t);
	return 0;
}

void http_heap_remove(struct http *http, struct http_transfer *t)
{
	struct http_transfer *last = http->heap[--http->n_active];

	if (last == t)
		return;
	heap_put(http, t->place, last);
	heap_settle(http, last);
}

void http_schedule(struct http_transfer *t)
{
	int64_t wake = t->total_at;

	if (t->connect_at && t->connect_at < wake)
		wake = t->connect_at;
	if (t->idle_ms > 0 && t->last_ns + t->idle_ms * NS_PER_MS < wake)
		wake = t->last_ns + t->idle_ms * NS_PER_MS;
	t->wake_ns = t->cancelled ? 0 : wake;
	heap_settle(t->http, t);
}
