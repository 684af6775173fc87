/* Watches: each is a reader of the store's past with a place of its own; nothing is queued. */
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/request.h"
#include "k8s/sandbox/selector.h"
#include "k8s/sandbox/stream.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define BOOKMARK_NS (60 * NS_PER_S)
#define CHUNK_BYTES ((size_t)256 << 10)

struct watch {
	struct stream stream;
	struct cluster *cluster;
	const struct kind *kind;
	char ns[256];
	struct shape shape;
	struct selector *labels, *fields;
	uint64_t seen;          /* all changes up to here have been told */
	struct version **first; /* the state at `seen`, still to be told from first_at on */
	size_t n_first, first_at;
	bool tell_first_end; /* a bookmark says when the first state is whole */
	bool bookmarks;
	int64_t end_ns, bookmark_ns;
	bool ended;
};

static bool is_wanted(const struct watch *watch, const struct version *version)
{
	if (!version || (*watch->ns && strcmp(watch->ns, meta(version->json, "namespace"))))
		return false;
	return selector_matches(watch->labels, version->json) &&
	       selector_matches(watch->fields, version->json);
}

static void add_event(struct watch *watch, const char *type, const cJSON *json, struct buf *out)
{
	buf_addf(out, "{\"type\":\"%s\",\"object\":", type);
	present_object(&watch->shape, watch->kind, json, out);
	buf_add_str(out, "}\n");
	watch->shape.no_columns = true;
}

static void add_bookmark(struct watch *watch, bool first_end, struct buf *out)
{
	buf_addf(out,
		"{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\","
		"\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"%s}}}\n",
		watch->kind->kind, kind_api_version(watch->kind), watch->seen,
		first_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
	watch->bookmark_ns = clock_now_ns() + BOOKMARK_NS;
}

static void add_expired(struct watch *watch, uint64_t oldest, struct buf *out)
{
	OWN_MEM char *message = must_format(
		"too old resource version: %" PRIu64 " (%" PRIu64 ")", watch->seen, oldest);
	OWN_JSON cJSON *status = status_failure(410, "Expired", message);
	OWN_MEM char *text = cJSON_PrintUnformatted(status);

	buf_addf(out, "{\"type\":\"ERROR\",\"object\":%s}\n", text);
	watch->ended = true;
}

static void add_first(struct watch *watch, struct buf *out)
{
	while (watch->first_at < watch->n_first && out->len < CHUNK_BYTES) {
		const struct version *version = watch->first[watch->first_at++];

		if (is_wanted(watch, version))
			add_event(watch, "ADDED", version->json, out);
	}
	if (watch->first_at == watch->n_first && watch->tell_first_end) {
		watch->tell_first_end = false;
		add_bookmark(watch, true, out);
	}
}

/* What the change means for this watch: an object may come into a selector or leave it. */
static void add_change(struct watch *watch, const struct change *change, struct buf *out)
{
	bool was = is_wanted(watch, change->before);
	bool is = change->type != CHANGE_DELETED && is_wanted(watch, change->now);

	if (is)
		add_event(watch, was ? "MODIFIED" : "ADDED", change->now->json, out);
	else if (was) {
		OWN_JSON cJSON *last = edit_copy(change->before->json);

		edit_str(edit_metadata(last), "resourceVersion",
			meta(change->now->json, "resourceVersion"));
		add_event(watch, "DELETED", last, out);
	}
}

/* Tells the changes since, up to a chunk. The lock is let go while text is made. */
static void add_changes(struct watch *watch, struct buf *out)
{
	struct store *store = watch->cluster->store;

	while (out->len < CHUNK_BYTES && watch->seen < store_version(store)) {
		struct change change;

		if (watch->seen < store_oldest(store)) {
			add_expired(watch, store_oldest(store), out);
			return;
		}
		change = *store_change(store, ++watch->seen);
		if (change.kind != watch->kind)
			continue;
		version_ref(change.now);
		version_ref(change.before);
		store_unlock(store);
		add_change(watch, &change, out);
		version_unref(change.now);
		version_unref(change.before);
		store_lock(store);
	}
}

static bool watch_next(struct stream *stream, struct buf *out, int64_t until_ns)
{
	struct watch *watch = (struct watch *)stream;
	struct store *store = watch->cluster->store;

	if (watch->ended)
		return false;
	if (watch->first_at < watch->n_first || watch->tell_first_end) {
		add_first(watch, out);
		return true;
	}
	if (until_ns > watch->end_ns)
		until_ns = watch->end_ns;
	if (store_stopped(store))
		return false;
	store_lock(store);
	if (watch->seen == store_version(store))
		store_wait(store, until_ns);
	add_changes(watch, out);
	store_unlock(store);
	if (clock_now_ns() >= watch->end_ns)
		watch->ended = true;
	if (watch->bookmarks && (watch->ended || clock_now_ns() >= watch->bookmark_ns))
		add_bookmark(watch, false, out);
	return out->len || !watch->ended;
}

static void watch_free(struct stream *stream)
{
	struct watch *watch = (struct watch *)stream;

	store_free_past(watch->first, watch->n_first);
	selector_free(watch->labels);
	selector_free(watch->fields);
	free(watch);
}

/* From which moment. With the lock held. */
static int choose_start(struct watch *watch, const struct request *request, struct answer *answer)
{
	struct store *store = watch->cluster->store;
	const char *asked = request_param(request, "resourceVersion");
	bool initial = !strcmp(request_param(request, "sendInitialEvents"), "true");
	uint64_t want = strtoull(asked, NULL, 10);

	if (want > store_version(store))
		return answer_too_large(answer, want, store_version(store));
	if (want && !initial) {
		watch->seen = want;
		return 0;
	}
	watch->seen = store_version(store);
	if (strcmp(request_param(request, "sendInitialEvents"), "false"))
		watch->first = store_past(store, watch->kind, watch->seen, &watch->n_first);
	watch->tell_first_end = initial && watch->bookmarks;
	return 0;
}

static bool is_true(const char *text)
{
	return !strcmp(text, "true") || !strcmp(text, "1");
}

void verb_watch(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	struct watch *watch = must_alloc(sizeof(*watch));
	int64_t timeout_s = strtoll(request_param(request, "timeoutSeconds"), NULL, 10);
	int failed;

	*watch = (struct watch){
		.stream = { watch_next, watch_free, "application/json" },
		.cluster = cluster,
		.kind = request->kind,
		.shape = request->shape,
		.bookmarks = is_true(request_param(request, "allowWatchBookmarks")),
	};
	snprintf(watch->ns, sizeof(watch->ns), "%s", request->ns);
	watch->end_ns = clock_now_ns() + (timeout_s > 0 ? timeout_s : 2400) * NS_PER_S;
	watch->bookmark_ns = clock_now_ns() + BOOKMARK_NS;
	failed = request_selectors(request, &watch->labels, &watch->fields, answer);
	if (!failed) {
		store_lock(cluster->store);
		failed = choose_start(watch, request, answer);
		store_unlock(cluster->store);
	}
	if (failed) {
		watch_free(&watch->stream);
		return;
	}
	answer->code = 200;
	answer->stream = &watch->stream;
}
