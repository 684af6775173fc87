/* What the API answers: an object, or a Status that says why not, in the API server's words. */
#ifndef CRUMBLE_K8S_SANDBOX_ANSWER_H
#define CRUMBLE_K8S_SANDBOX_ANSWER_H

#include "base/json.h"
#include "k8s/sandbox/kinds.h"
#include "k8s/sandbox/store.h"

struct answer {
	int code;
	cJSON *json;           /* owned */
	char *text;            /* owned; instead of json */
	bool plain;            /* text is no JSON */
	struct stream *stream; /* owned; a watch or a log, instead of either (stream.h) */
	int retry_after_s;     /* 0: no such header */
};

void answer_done(struct answer *answer);
/* Takes json. */
void answer_json(struct answer *answer, int code, cJSON *json);
/* Takes text that is JSON already. */
void answer_printed(struct answer *answer, int code, char *text);
void answer_plain(struct answer *answer, int code, const char *text);

/* A failure Status; what was there before is dropped. Returns -1. */
int answer_fail(struct answer *answer, int code, const char *reason, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* Adds details to such a Status. kind: the word as that failure has it ("pods" or "Pod"). */
void answer_details(struct answer *answer, const char *group, const char *kind, const char *name);
void answer_cause(struct answer *answer, const char *reason, const char *message,
	const char *field);
/* The usual ones. All return -1. */
int answer_not_found(struct answer *answer, const struct kind *kind, const char *name);
int answer_invalid(struct answer *answer, const struct kind *kind, const char *name,
	const char *field, const char *cause, const char *format, ...)
	__attribute__((format(printf, 6, 7)));
int answer_bad(struct answer *answer, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A Status object on its own, as a watch's ERROR event carries it. */
cJSON *status_failure(int code, const char *reason, const char *message);

#endif
