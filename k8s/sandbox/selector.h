/* Label and field selectors, as queries (`app=web,tier!=db`, `x in (a,b)`) and as objects. */
#ifndef CRUMBLE_K8S_SANDBOX_SELECTOR_H
#define CRUMBLE_K8S_SANDBOX_SELECTOR_H

#include "base/json.h"
#include "k8s/sandbox/kinds.h"

struct selector; /* NULL selects all */

/* ERR_FORMAT with the API server's own wording. NULL or "" gives NULL. */
int selector_parse_labels(const char *text, struct selector **ret_selector, struct err *err);
int selector_parse_fields(const struct kind *kind, const char *text,
	struct selector **ret_selector, struct err *err);
void selector_free(struct selector *selector);
/* Of labels: metadata.labels decide; of fields: the fields of the object. */
bool selector_matches(const struct selector *selector, const cJSON *object);

/* A LabelSelector object ({matchLabels, matchExpressions}) or a plain map against an object's
 * labels. A missing or empty one matches nothing. */
bool label_selector_matches(const cJSON *selector, const cJSON *object);
bool label_map_matches(const cJSON *map, const cJSON *object);
/* matchLabels as a query, as the status of a scale carries it; to be freed. */
char *label_selector_text(const cJSON *selector);

#endif
