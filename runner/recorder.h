/*
 * The record's one writer: a thread with a queue. Any thread may push; pushing hands over.
 *
 * Every event is written at once and synced at least once a second; a commit returns when its
 * event is on disk. Once the disk has refused anything, commits fail for good (so that nothing new
 * is begun), while events are still written where space set aside allows, and else kept and tried
 * again.
 */
#ifndef CRUMBLE_RUNNER_RECORDER_H
#define CRUMBLE_RUNNER_RECORDER_H

#include "base/err.h"
#include "base/json.h"
#include "verifiers/sink.h"

#include <stdbool.h>
#include <stdint.h>

struct recorder;

/* `dir` exists and holds no journal yet. The journal is made on the recorder's thread: trouble
 * with it shows as failure of the first commit and in recorder_failed. */
int recorder_new(const char *dir, int64_t t0_ns, int64_t wall_t0_ns, struct recorder **ret_recorder,
	struct err *err);
/* Writes all that was pushed, syncs, closes. NULL is fine. */
void recorder_free(struct recorder *recorder);

/* {"e": name}; never NULL is not promised: the adders of base/json.h and recorder_event accept it. */
cJSON *recorder_make(const char *name);
/* Takes the event; adds `t` where it is missing. NULL is a failure of its own. */
void recorder_event(struct recorder *recorder, cJSON *event);
/* The same, and waits until it is on disk. */
int recorder_commit(struct recorder *recorder, cJSON *event, struct err *err);
/* Waits until all that was pushed before is written, so that it can be read back. */
void recorder_flush(struct recorder *recorder);
/* True once anything could not be written; `text` (may be NULL) says what. */
bool recorder_failed(struct recorder *recorder, char text[ERR_TEXT_BYTES]);

/* For verifiers. Valid until recorder_free. */
struct sink *recorder_sink(struct recorder *recorder);

/* Called on the recorder's thread behind each event written: must not push. NULL: none. Set it
 * before anything is pushed. */
void recorder_on_event(struct recorder *recorder, void (*seen)(void *arg, const cJSON *event),
	void *arg);

#endif
