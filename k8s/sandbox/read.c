/* GET: one object, or a list in pages that all show the same moment. */
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/request.h"
#include "k8s/sandbox/selector.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

/* ---- one ---- */

static cJSON *scale_of(const cJSON *json)
{
	static const char *const kept[] = { "name", "namespace", "uid", "resourceVersion",
		"creationTimestamp" };
	OWN_MEM char *selector = label_selector_text(json_at(json, "spec", "selector", NULL));
	cJSON *scale = cJSON_CreateObject();

	edit_str(scale, "kind", "Scale");
	edit_str(scale, "apiVersion", "autoscaling/v1");
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		edit_str(edit_metadata(scale), kept[i], meta(json, kept[i]));
	edit_int(edit_object(scale, "spec"), "replicas",
		json_int(json, 0, "spec", "replicas", NULL));
	edit_int(edit_object(scale, "status"), "replicas",
		json_int(json, 0, "status", "replicas", NULL));
	edit_str(edit_object(scale, "status"), "selector", selector);
	return scale;
}

void answer_state(
	struct answer *answer, int code, const struct request *request, struct version *version)
{
	OWN_BUF struct buf out = { .max_bytes = PRESENT_MAX_BYTES };

	if (!strcmp(request->sub, "scale")) {
		answer_json(answer, code, scale_of(version->json));
		return;
	}
	present_object(&request->shape, request->kind, version->json, &out);
	answer_printed(answer, code, buf_take(&out));
}

void verb_get(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	struct version *version;

	store_lock(cluster->store);
	version = version_ref(
		store_get_version(cluster->store, request->kind, request->ns, request->name));
	store_unlock(cluster->store);
	if (version)
		answer_state(answer, 200, request, version);
	else
		answer_not_found(answer, request->kind, request->name);
	version_unref(version);
}

/* ---- continue tokens: the moment and the last place shown, opaque to clients ---- */

static char *token_new(int64_t rv, const cJSON *last)
{
	OWN_MEM char *text = must_format("{\"v\":\"meta.k8s.io/v1\",\"rv\":%" PRId64
					 ",\"start\":\"%s/%s\"}",
		rv, meta(last, "namespace"), meta(last, "name"));
	size_t len = strlen(text);
	char *token = must_alloc(len * 4 / 3 + 8);

	EVP_EncodeBlock((unsigned char *)token, (const unsigned char *)text, (int)len);
	token[strcspn(token, "=")] = '\0';
	for (char *c = token; *c; c++)
		*c = *c == '+' ? '-' : *c == '/' ? '_' : *c;
	return token;
}

struct place {
	int64_t rv; /* 0: no token; -1: any moment will do */
	char ns[256], name[256];
};

static int token_read(const char *token, struct place *ret_place)
{
	OWN_MEM char *padded = must_format(
		"%s%.*s", token, (int)((4 - strlen(token) % 4) % 4), "===");
	OWN_MEM char *text = must_alloc(strlen(padded) + 4);
	OWN_JSON cJSON *json = NULL;
	const char *start, *slash;
	int len;

	for (char *c = padded; *c; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	len = EVP_DecodeBlock((unsigned char *)text, (unsigned char *)padded, (int)strlen(padded));
	if (len < 0)
		return -1;
	text[len] = '\0';
	json = cJSON_Parse(text);
	start = json_str(json, "start", NULL);
	slash = start ? strchr(start, '/') : NULL;
	if (!slash)
		return -1;
	ret_place->rv = json_int(json, 0, "rv", NULL);
	snprintf(ret_place->ns, sizeof(ret_place->ns), "%.*s", (int)(slash - start), start);
	snprintf(ret_place->name, sizeof(ret_place->name), "%s", slash + 1);
	return ret_place->rv ? 0 : -1;
}

static bool is_behind(const cJSON *json, const struct place *place)
{
	int order = strcmp(meta(json, "namespace"), place->ns);

	return order > 0 || (order == 0 && strcmp(meta(json, "name"), place->name) > 0);
}

/* ---- lists ---- */

struct query {
	struct selector *labels, *fields;
	struct place from;
	uint64_t rv;  /* the moment to show */
	size_t limit; /* 0: all */
};

static void query_done(struct query *query)
{
	selector_free(query->labels);
	selector_free(query->fields);
}

int request_selectors(const struct request *request, struct selector **ret_labels,
	struct selector **ret_fields, struct answer *answer)
{
	struct err err;

	if (selector_parse_labels(request_param(request, "labelSelector"), ret_labels, &err) ||
		selector_parse_fields(
			request->kind, request_param(request, "fieldSelector"), ret_fields, &err))
		return answer_bad(answer, "%s", err.text);
	return 0;
}

int answer_too_large(struct answer *answer, uint64_t asked, uint64_t now)
{
	answer_fail(answer, 504, "Timeout",
		"Timeout: Too large resource version: %" PRIu64 ", current: %" PRIu64, asked, now);
	answer_cause(answer, "ResourceVersionTooLarge", "Too large resource version", NULL);
	edit_int(edit_object(answer->json, "details"), "retryAfterSeconds", 1);
	answer->retry_after_s = 1;
	return -1;
}

static int expired_token(struct answer *answer, const struct place *from)
{
	OWN_JSON cJSON *last = cJSON_CreateObject();
	OWN_MEM char *fresh = NULL;

	edit_str(edit_metadata(last), "namespace", from->ns);
	edit_str(edit_metadata(last), "name", from->name);
	fresh = token_new(-1, last);
	answer_fail(answer, 410, "Expired",
		"The provided continue parameter is too old to display a consistent list result. "
		"You can start a new list without the continue parameter, or use the continue "
		"token in this response to retrieve the remainder of the results. Continuing with "
		"the provided token results in an inconsistent list - objects that were created, "
		"modified, or deleted between the time the first chunk was returned and now may "
		"show up in the list.");
	edit_str(edit_object(answer->json, "metadata"), "continue", fresh);
	return -1;
}

/* Decides which moment is shown. With the lock held. */
static int choose_moment(struct store *store, const struct request *request, struct query *query,
	struct answer *answer)
{
	const char *asked = request_param(request, "resourceVersion");
	uint64_t want = strtoull(asked, NULL, 10);

	query->rv = store_version(store);
	if (query->from.rv > 0) {
		if ((uint64_t)query->from.rv < store_oldest(store))
			return expired_token(answer, &query->from);
		if ((uint64_t)query->from.rv <= query->rv)
			query->rv = (uint64_t)query->from.rv;
		return 0;
	}
	if (strspn(asked, "0123456789") != strlen(asked))
		return answer_invalid(answer, request->kind, "", "resourceVersion",
			"FieldValueInvalid",
			"Invalid value: \"%s\": strconv.ParseUint: parsing "
			"\"%s\": invalid syntax",
			asked, asked);
	if (want > query->rv)
		return answer_too_large(answer, want, query->rv);
	if (!strcmp(request_param(request, "resourceVersionMatch"), "Exact")) {
		if (want < store_oldest(store))
			return answer_fail(answer, 410, "Expired",
				"The resourceVersion for the provided list is too old.");
		query->rv = want;
	}
	return 0;
}

static int query_init(const struct request *request, struct query *query, struct answer *answer)
{
	const char *token = request_param(request, "continue");

	query->limit = (size_t)strtoull(request_param(request, "limit"), NULL, 10);
	if (*token && token_read(token, &query->from))
		return answer_bad(answer, "continue key is not valid: illegal base64 data");
	return request_selectors(request, &query->labels, &query->fields, answer);
}

static bool is_wanted(const struct request *request, const struct query *query, const cJSON *json)
{
	if (*request->ns && strcmp(request->ns, meta(json, "namespace")))
		return false;
	if (query->from.rv && !is_behind(json, &query->from))
		return false;
	return selector_matches(query->labels, json) && selector_matches(query->fields, json);
}

/* Moves what is wanted to the front; returns how many. The others are put behind them, so that
 * all references stay in the array. */
static size_t sort_out(const struct request *request, const struct query *query,
	struct version **versions, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct version *one = versions[i];

		if (!is_wanted(request, query, one->json))
			continue;
		versions[i] = versions[kept];
		versions[kept++] = one;
	}
	return kept;
}

static void answer_page(const struct request *request, const struct query *query,
	struct version **versions, size_t n, struct answer *answer)
{
	OWN_BUF struct buf out = { .max_bytes = PRESENT_MAX_BYTES };
	size_t wanted = sort_out(request, query, versions, n);
	bool more = query->limit && wanted > query->limit;
	size_t shown = more ? query->limit : wanted;
	OWN_MEM char *token = more ? token_new((int64_t)query->rv, versions[shown - 1]->json)
				   : NULL;
	bool selected = query->labels || query->fields;
	struct page page = { versions, shown, query->rv, token,
		selected ? -1 : (int64_t)(wanted - shown) };

	present_list(&request->shape, request->kind, &page, &out);
	if (buf_failed(&out))
		answer_fail(answer, 500, "InternalError", "the list is too long");
	else
		answer_printed(answer, 200, buf_take(&out));
}

void verb_list(struct cluster *cluster, const struct request *request, struct answer *answer)
{
	OWN(query_done) struct query query = { 0 };
	struct version **versions = NULL;
	size_t n = 0;
	int failed;

	if (query_init(request, &query, answer))
		return;
	store_lock(cluster->store);
	failed = choose_moment(cluster->store, request, &query, answer);
	if (!failed)
		versions = store_past(cluster->store, request->kind, query.rv, &n);
	store_unlock(cluster->store);
	if (failed)
		return;
	answer_page(request, &query, versions, n, answer);
	store_free_past(versions, n);
}
