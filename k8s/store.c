/*
 * What a watch knows: for each uid the object's last state, as compact text without managedFields
 * (a tenth of the memory that it takes as cJSON). Chained hash table that grows with its content.
 */
#include "k8s/k8s_internal.h"

#include <string.h>

#define FIRST_SLOTS 64

struct entry {
	struct entry *next;
	uint64_t hash;
	unsigned round;
	char *uid;
	char *text;
};

struct store {
	struct entry **slots;
	size_t size; /* a power of two */
	size_t count;
	unsigned round;
};

static uint64_t hash_of(const char *text)
{
	uint64_t hash = UINT64_C(14695981039346656037);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
	return hash;
}

static void entry_free(struct entry *entry)
{
	free(entry->uid);
	free(entry->text);
	free(entry);
}

int store_new(struct store **ret_store, struct err *err)
{
	struct store *store = calloc(1, sizeof(*store));

	if (store) {
		store->size = FIRST_SLOTS;
		store->slots = calloc(store->size, sizeof(*store->slots));
	}
	if (!store || !store->slots) {
		free(store);
		return err_set(err, ERR_NOMEM, "no memory for a watch");
	}
	*ret_store = store;
	return 0;
}

void store_free(struct store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->size; i++)
		while (store->slots[i]) {
			struct entry *entry = store->slots[i];

			store->slots[i] = entry->next;
			entry_free(entry);
		}
	free(store->slots);
	free(store);
}

size_t store_count(const struct store *store)
{
	return store->count;
}

/* Where the entry hangs, or would. */
static struct entry **find(struct store *store, const char *uid, uint64_t hash)
{
	struct entry **at = &store->slots[hash & (store->size - 1)];

	while (*at && ((*at)->hash != hash || strcmp((*at)->uid, uid) != 0))
		at = &(*at)->next;
	return at;
}

/* More slots; without memory for them the chains get longer, nothing else. */
static void grow(struct store *store)
{
	size_t size = store->size * 2;
	struct entry **slots = calloc(size, sizeof(*slots));

	if (!slots)
		return;
	for (size_t i = 0; i < store->size; i++)
		while (store->slots[i]) {
			struct entry *entry = store->slots[i];

			store->slots[i] = entry->next;
			entry->next = slots[entry->hash & (size - 1)];
			slots[entry->hash & (size - 1)] = entry;
		}
	free(store->slots);
	store->slots = slots;
	store->size = size;
}

/* An object without managedFields, which nobody here reads and which are half of it. */
static char *text_of(const cJSON *object)
{
	const cJSON *fields = json_at(object, "metadata", "managedFields", NULL);
	OWN_JSON cJSON *copy = NULL;

	if (!fields)
		return json_print(object);
	copy = cJSON_Duplicate(object, 1);
	if (copy)
		cJSON_DeleteItemFromObjectCaseSensitive(
			cJSON_GetObjectItemCaseSensitive(copy, "metadata"), "managedFields");
	return copy ? json_print(copy) : NULL;
}

int store_put(struct store *store, const cJSON *object, struct err *err)
{
	const char *uid = json_str(object, "metadata", "uid", NULL);
	OWN_MEM char *text = NULL;
	struct entry **at, *entry;
	uint64_t hash;

	if (!uid)
		return err_set(err, ERR_FORMAT, "an object without a uid");
	text = text_of(object);
	hash = hash_of(uid);
	at = find(store, uid, hash);
	if (!*at && text) {
		*at = calloc(1, sizeof(**at));
		if (*at)
			(*at)->uid = strdup(uid);
		if (*at && !(*at)->uid) {
			free(*at);
			*at = NULL;
		}
		if (*at) {
			(*at)->hash = hash;
			store->count++;
		}
	}
	entry = *at;
	if (!entry || !text)
		return err_set(
			err, ERR_NOMEM, "no memory for a watch of %zu objects", store->count);
	free(entry->text);
	entry->text = TAKE(text);
	entry->round = store->round;
	if (store->count > store->size)
		grow(store);
	return 0;
}

static void drop(struct store *store, struct entry **at)
{
	struct entry *entry = *at;

	*at = entry->next;
	entry_free(entry);
	store->count--;
}

void store_remove(struct store *store, const cJSON *object)
{
	const char *uid = json_str(object, "metadata", "uid", NULL);
	struct entry **at = uid ? find(store, uid, hash_of(uid)) : NULL;

	if (at && *at)
		drop(store, at);
}

void store_begin(struct store *store)
{
	store->round++;
}

int store_sweep(struct store *store, int (*gone)(void *arg, const cJSON *object), void *arg,
	struct err *err)
{
	for (size_t i = 0; i < store->size; i++) {
		struct entry **at = &store->slots[i];

		while (*at) {
			OWN_JSON cJSON *object = NULL;
			const char *text = (*at)->text;

			if ((*at)->round == store->round) {
				at = &(*at)->next;
				continue;
			}
			if (json_parse("a remembered object", text, strlen(text), &object, err))
				return -1;
			drop(store, at);
			if (gone(arg, object))
				return 0;
		}
	}
	return 0;
}
