/*
 * Objects as a client asked for them: whole, their metadata alone, or rows of a Table. Everything
 * is written as compact JSON text.
 */
#ifndef CRUMBLE_K8S_SANDBOX_PRESENT_H
#define CRUMBLE_K8S_SANDBOX_PRESENT_H

#include "base/buf.h"
#include "k8s/sandbox/store.h"

enum shape_form { SHAPE_OBJECT, SHAPE_METADATA, SHAPE_TABLE };
enum shape_include { INCLUDE_METADATA, INCLUDE_NONE, INCLUDE_OBJECT };

struct shape {
	enum shape_form form;
	bool beta;                  /* meta.k8s.io/v1beta1 instead of v1 */
	enum shape_include include; /* in the rows of a Table */
	bool no_columns;            /* a Table without its column definitions (watch events) */
};

#define PRESENT_MAX_BYTES ((size_t)256 << 20)

/* From an Accept header: the first form that we can answer. `include`: includeObject's value. */
struct shape shape_of(const char *accept, const char *include);

void present_object(const struct shape *shape, const struct kind *kind, const cJSON *json,
	struct buf *out);

struct page {
	struct version *const *versions;
	size_t n;
	uint64_t rv;
	const char *next;  /* continue token; NULL: this is the last page */
	int64_t remaining; /* -1: not said */
};
void present_list(const struct shape *shape, const struct kind *kind, const struct page *page,
	struct buf *out);

/* ---- table.c ---- */

/* Column definitions of a kind's Table, and the cells of an object's row. New. */
cJSON *table_columns(const struct kind *kind);
cJSON *table_cells(const struct kind *kind, const cJSON *json);
/* "5s", "2m10s", "3h": ages as kubectl shows them. */
void table_age(int64_t seconds, char *out, size_t size);
/* What `kubectl get pods` calls the state of a pod. */
void pod_summary(const cJSON *pod, char *status, size_t size, int *ret_ready, int *ret_total,
	int *ret_restarts);

#endif
