/* One request to the API, as read from its connection. */
#ifndef CRUMBLE_K8S_SANDBOX_REQUEST_H
#define CRUMBLE_K8S_SANDBOX_REQUEST_H

#include "k8s/sandbox/answer.h"
#include "k8s/sandbox/cluster.h"
#include "k8s/sandbox/present.h"

#define PARAMS_MAX 32

struct request {
	const char *method; /* "GET" */
	char *path;         /* decoded, without the query */
	struct {
		char *key, *value;
	} params[PARAMS_MAX];
	size_t n_params;
	struct shape shape;
	const char *content_type;
	cJSON *body; /* NULL: none */

	/* Filled by api_answer. */
	const struct kind *kind;
	char ns[256], name[256], sub[64];
};

/* "" when it is not there. */
const char *request_param(const struct request *request, const char *key);
/* The answer to it. Any thread. */
void api_answer(struct cluster *cluster, struct request *request, struct answer *answer);

/* The verbs, by file. Each fills the answer. */
void verb_get(struct cluster *cluster, const struct request *request, struct answer *answer);
void verb_list(struct cluster *cluster, const struct request *request, struct answer *answer);
void verb_watch(struct cluster *cluster, const struct request *request, struct answer *answer);
void verb_create(struct cluster *cluster, const struct request *request, struct answer *answer);
void verb_update(struct cluster *cluster, const struct request *request, struct answer *answer);
void verb_patch(struct cluster *cluster, const struct request *request, struct answer *answer);
void verb_delete(struct cluster *cluster, const struct request *request, struct answer *answer);
void verb_delete_all(struct cluster *cluster, const struct request *request,
	struct answer *answer);
void verb_log(struct cluster *cluster, const struct request *request, struct answer *answer);
void verb_evict(struct cluster *cluster, const struct request *request, struct answer *answer);
/* read.c: what several verbs need. */
struct selector;
int request_selectors(const struct request *request, struct selector **ret_labels,
	struct selector **ret_fields, struct answer *answer);
int answer_too_large(struct answer *answer, uint64_t asked, uint64_t now);
/* The state of the requested object or of its /scale, in the requested shape. */
void answer_state(struct answer *answer, int code, const struct request *request,
	struct version *version);

/* Discovery, version and health; false: not one of its paths. */
bool discovery_answer(struct cluster *cluster, const struct request *request,
	struct answer *answer);

#endif
