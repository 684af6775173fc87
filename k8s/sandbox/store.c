/* The object store: sorted shelves of immutable versions, and a ring of the latest changes. */
#include "k8s/sandbox/store.h"

#include "k8s/sandbox/edit.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIRST_VERSION 100 /* so that 1 is as old as it is on a cluster with a past */
#define WAKES 4

struct shelf {
	struct object *v;
	size_t n, size;
};

struct store {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct shelf shelves[KIND_COUNT];
	struct change *ring; /* the change that made rv stands at rv % history */
	size_t history;
	uint64_t rv, oldest;
	int wakes[WAKES];
	size_t n_wakes;
	bool stopped;
};

struct version *version_ref(struct version *version)
{
	if (version)
		atomic_fetch_add(&version->refs, 1);
	return version;
}

void version_unref(struct version *version)
{
	if (!version || atomic_fetch_sub(&version->refs, 1) != 1)
		return;
	cJSON_Delete(version->json);
	free(version);
}

static struct version *version_new(cJSON *json, uint64_t rv)
{
	struct version *version = must_alloc(sizeof(*version));
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, rv);
	edit_str(edit_metadata(json), "resourceVersion", text);
	atomic_init(&version->refs, 1);
	version->rv = rv;
	version->json = json;
	return version;
}

struct store *store_open(size_t history)
{
	struct store *store = must_alloc(sizeof(*store));
	pthread_condattr_t attr;

	memset(store, 0, sizeof(*store));
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_mutex_init(&store->lock, NULL);
	pthread_cond_init(&store->changed, &attr);
	pthread_condattr_destroy(&attr);
	store->history = history;
	store->ring = must_alloc(history * sizeof(*store->ring));
	memset(store->ring, 0, history * sizeof(*store->ring));
	store->rv = store->oldest = FIRST_VERSION;
	return store;
}

static void change_done(struct change *change)
{
	version_unref(change->now);
	version_unref(change->before);
	memset(change, 0, sizeof(*change));
}

void store_close(struct store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->history; i++)
		change_done(&store->ring[i]);
	for (size_t k = 0; k < KIND_COUNT; k++) {
		for (size_t i = 0; i < store->shelves[k].n; i++)
			version_unref(store->shelves[k].v[i].now);
		free(store->shelves[k].v);
	}
	free(store->ring);
	pthread_cond_destroy(&store->changed);
	pthread_mutex_destroy(&store->lock);
	free(store);
}

void store_lock(struct store *store)
{
	pthread_mutex_lock(&store->lock);
}

void store_unlock(struct store *store)
{
	pthread_mutex_unlock(&store->lock);
}

void store_wait(struct store *store, int64_t until_ns)
{
	struct timespec until = { until_ns / NS_PER_S, until_ns % NS_PER_S };

	if (!store->stopped)
		pthread_cond_timedwait(&store->changed, &store->lock, &until);
}

void store_add_wake(struct store *store, int fd)
{
	store_lock(store);
	if (store->n_wakes < WAKES)
		store->wakes[store->n_wakes++] = fd;
	store_unlock(store);
}

static void tell_all(struct store *store)
{
	uint64_t one = 1;

	pthread_cond_broadcast(&store->changed);
	for (size_t i = 0; i < store->n_wakes; i++)
		while (write(store->wakes[i], &one, sizeof(one)) < 0 && errno == EINTR)
			;
}

void store_stop(struct store *store)
{
	store_lock(store);
	store->stopped = true;
	tell_all(store);
	store_unlock(store);
}

bool store_stopped(struct store *store)
{
	bool stopped;

	store_lock(store);
	stopped = store->stopped;
	store_unlock(store);
	return stopped;
}

uint64_t store_version(const struct store *store)
{
	return store->rv;
}

uint64_t store_oldest(const struct store *store)
{
	return store->oldest;
}

const struct change *store_change(const struct store *store, uint64_t rv)
{
	return &store->ring[rv % store->history];
}

static int by_place(const char *ns, const char *name, const struct object *object)
{
	int order = strcmp(ns, object->ns);

	return order ? order : strcmp(name, object->name);
}

/* Where it is, or where it belongs. */
static bool shelf_find(const struct shelf *shelf, const char *ns, const char *name, size_t *ret_at)
{
	size_t low = 0, high = shelf->n;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = by_place(ns, name, &shelf->v[middle]);

		if (order == 0) {
			*ret_at = middle;
			return true;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	*ret_at = low;
	return false;
}

/* Takes the version. */
static void shelf_set(struct shelf *shelf, struct version *version)
{
	struct object object = { meta(version->json, "namespace"), meta(version->json, "name"),
		version };
	size_t at;

	if (shelf_find(shelf, object.ns, object.name, &at)) {
		version_unref(shelf->v[at].now);
		shelf->v[at] = object;
		return;
	}
	if (shelf->n == shelf->size) {
		shelf->size = shelf->size ? shelf->size * 2 : 16;
		shelf->v = must_grow(shelf->v, shelf->size * sizeof(*shelf->v));
	}
	memmove(shelf->v + at + 1, shelf->v + at, (shelf->n - at) * sizeof(*shelf->v));
	shelf->v[at] = object;
	shelf->n++;
}

static void shelf_drop(struct shelf *shelf, const char *ns, const char *name)
{
	size_t at;

	if (!shelf_find(shelf, ns, name, &at))
		return;
	version_unref(shelf->v[at].now);
	shelf->n--;
	memmove(shelf->v + at, shelf->v + at + 1, (shelf->n - at) * sizeof(*shelf->v));
}

struct version *store_get_version(
	const struct store *store, const struct kind *kind, const char *ns, const char *name)
{
	const struct shelf *shelf = &store->shelves[kind_index(kind)];
	size_t at;

	return shelf_find(shelf, ns, name, &at) ? shelf->v[at].now : NULL;
}

const cJSON *store_get(
	const struct store *store, const struct kind *kind, const char *ns, const char *name)
{
	struct version *version = store_get_version(store, kind, ns, name);

	return version ? version->json : NULL;
}

const struct object *store_objects(
	const struct store *store, const struct kind *kind, size_t *ret_n)
{
	const struct shelf *shelf = &store->shelves[kind_index(kind)];

	*ret_n = shelf->n;
	return shelf->v;
}

const cJSON *store_by_uid(const struct store *store, const char *uid)
{
	for (size_t k = 0; k < KIND_COUNT; k++)
		for (size_t i = 0; i < store->shelves[k].n; i++)
			if (!strcmp(meta(store->shelves[k].v[i].now->json, "uid"), uid))
				return store->shelves[k].v[i].now->json;
	return NULL;
}

/* Takes both. */
static void record(struct store *store, enum change_type type, const struct kind *kind,
	struct version *now, struct version *before)
{
	struct change *slot = &store->ring[now->rv % store->history];

	change_done(slot);
	*slot = (struct change){ type, kind, now, before };
	store->rv = now->rv;
	if (store->rv - store->oldest > store->history)
		store->oldest = store->rv - store->history;
	tell_all(store);
}

const cJSON *store_set(struct store *store, const struct kind *kind, cJSON *json)
{
	struct version *before = store_get_version(
		store, kind, meta(json, "namespace"), meta(json, "name"));
	struct version *now;

	if (before) {
		edit_str(edit_metadata(json), "resourceVersion",
			meta(before->json, "resourceVersion"));
		if (same_json(before->json, json)) {
			cJSON_Delete(json);
			return before->json;
		}
	}
	now = version_new(json, store->rv + 1);
	version_ref(before);
	shelf_set(&store->shelves[kind_index(kind)], now);
	record(store, before ? CHANGE_MODIFIED : CHANGE_ADDED, kind, version_ref(now), before);
	return now->json;
}

void store_drop(struct store *store, const struct kind *kind, const char *ns, const char *name)
{
	struct version *before = version_ref(store_get_version(store, kind, ns, name));

	if (!before)
		return;
	shelf_drop(&store->shelves[kind_index(kind)], meta(before->json, "namespace"),
		meta(before->json, "name"));
	record(store, CHANGE_DELETED, kind, version_new(edit_copy(before->json), store->rv + 1),
		before);
}

struct version **store_past(
	struct store *store, const struct kind *kind, uint64_t rv, size_t *ret_n)
{
	const struct shelf *now = &store->shelves[kind_index(kind)];
	struct shelf past = { 0 };
	struct version **versions;

	for (size_t i = 0; i < now->n; i++)
		shelf_set(&past, version_ref(now->v[i].now));
	for (uint64_t at = store->rv; at > rv; at--) { /* undone, the latest first */
		const struct change *change = store_change(store, at);

		if (change->kind != kind)
			continue;
		if (change->type == CHANGE_ADDED)
			shelf_drop(&past, meta(change->now->json, "namespace"),
				meta(change->now->json, "name"));
		else
			shelf_set(&past, version_ref(change->before));
	}
	versions = must_alloc(past.n * sizeof(*versions));
	for (size_t i = 0; i < past.n; i++)
		versions[i] = past.v[i].now;
	free(past.v);
	*ret_n = past.n;
	return versions;
}

void store_free_past(struct version **versions, size_t n)
{
	for (size_t i = 0; i < n; i++)
		version_unref(versions[i]);
	free(versions);
}
