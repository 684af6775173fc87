/* Objects as a client asked for them. */
#include "k8s/sandbox/present.h"

#include "k8s/sandbox/edit.h"

#include <inttypes.h>
#include <string.h>

struct shape shape_of(const char *accept, const char *include)
{
	struct shape shape = { 0 };
	const char *end = accept;

	for (const char *at = accept; at && *at; at = *end ? end + 1 : end) {
		OWN_MEM char *one = NULL;

		end = at + strcspn(at, ",");
		one = must_format("%.*s", (int)(end - at), at);
		if (strncmp(one + strspn(one, " "), "application/json", 16) && !strstr(one, "*/*"))
			continue;
		shape.beta = strstr(one, "v=v1beta1");
		if (strstr(one, "as=Table"))
			shape.form = SHAPE_TABLE;
		else if (strstr(one, "as=PartialObjectMetadata"))
			shape.form = SHAPE_METADATA;
		break;
	}
	if (!strcmp(include, "None"))
		shape.include = INCLUDE_NONE;
	else if (!strcmp(include, "Object"))
		shape.include = INCLUDE_OBJECT;
	return shape;
}

static const char *meta_version(const struct shape *shape)
{
	return shape->beta ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1";
}

static void add_json(struct buf *out, const cJSON *json)
{
	OWN_MEM char *text = json ? cJSON_PrintUnformatted(json) : must_dup("null");

	buf_add_str(out, text);
}

static void add_whole(const struct kind *kind, const cJSON *json, struct buf *out)
{
	OWN_MEM char *text = cJSON_PrintUnformatted(json);

	buf_addf(out, "{\"kind\":\"%s\",\"apiVersion\":\"%s\"%s%s", kind->kind,
		kind_api_version(kind), json->child ? "," : "", text + 1);
}

static void add_metadata(const struct shape *shape, const cJSON *json, struct buf *out)
{
	buf_addf(out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"%s\",\"metadata\":",
		meta_version(shape));
	add_json(out, json_at(json, "metadata", NULL));
	buf_add_str(out, "}");
}

static void add_row(
	const struct shape *shape, const struct kind *kind, const cJSON *json, struct buf *out)
{
	OWN_JSON cJSON *cells = table_cells(kind, json);

	buf_add_str(out, "{\"cells\":");
	add_json(out, cells);
	buf_add_str(out, ",\"object\":");
	if (shape->include == INCLUDE_NONE)
		buf_add_str(out, "null");
	else if (shape->include == INCLUDE_OBJECT)
		add_whole(kind, json, out);
	else
		add_metadata(shape, json, out);
	buf_add_str(out, "}");
}

/* Up to and with the bracket before the rows. `metadata` is its JSON text. */
static void begin_table(
	const struct shape *shape, const struct kind *kind, const char *metadata, struct buf *out)
{
	OWN_JSON cJSON *columns = shape->no_columns ? NULL : table_columns(kind);

	buf_addf(out,
		"{\"kind\":\"Table\",\"apiVersion\":\"%s\",\"metadata\":%s,\"columnDefinitions\":",
		meta_version(shape), metadata);
	add_json(out, columns);
	buf_add_str(out, ",\"rows\":[");
}

void present_object(
	const struct shape *shape, const struct kind *kind, const cJSON *json, struct buf *out)
{
	OWN_MEM char *metadata = NULL;

	switch (shape->form) {
	case SHAPE_OBJECT:
		add_whole(kind, json, out);
		break;
	case SHAPE_METADATA:
		add_metadata(shape, json, out);
		break;
	case SHAPE_TABLE:
		metadata = must_format(
			"{\"resourceVersion\":\"%s\"}", meta(json, "resourceVersion"));
		begin_table(shape, kind, metadata, out);
		add_row(shape, kind, json, out);
		buf_add_str(out, "]}");
		break;
	}
}

static char *list_metadata(const struct page *page)
{
	OWN_MEM char *next = page->next ? must_format(",\"continue\":\"%s\"", page->next) : NULL;
	OWN_MEM char *left = page->next && page->remaining >= 0
				     ? must_format(
					       ",\"remainingItemCount\":%" PRId64, page->remaining)
				     : NULL;

	return must_format("{\"resourceVersion\":\"%" PRIu64 "\"%s%s}", page->rv, next ? next : "",
		left ? left : "");
}

static void begin_list(
	const struct shape *shape, const struct kind *kind, const char *metadata, struct buf *out)
{
	bool partial = shape->form == SHAPE_METADATA;

	buf_addf(out, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\",\"metadata\":%s,\"items\":[",
		partial ? "PartialObjectMetadata" : kind->kind,
		partial ? meta_version(shape) : kind_api_version(kind), metadata);
}

void present_list(const struct shape *shape, const struct kind *kind, const struct page *page,
	struct buf *out)
{
	OWN_MEM char *metadata = list_metadata(page);

	if (shape->form == SHAPE_TABLE)
		begin_table(shape, kind, metadata, out);
	else
		begin_list(shape, kind, metadata, out);
	for (size_t i = 0; i < page->n; i++) {
		const cJSON *json = page->versions[i]->json;

		if (i)
			buf_add_str(out, ",");
		if (shape->form == SHAPE_TABLE)
			add_row(shape, kind, json, out);
		else if (shape->form == SHAPE_METADATA)
			add_metadata(shape, json, out);
		else
			add_json(out, json);
	}
	buf_add_str(out, "]}");
}
