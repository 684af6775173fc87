/* Inside the recorder: what its thread (recorder_thread.c) and its callers (recorder.c) share. */
#ifndef CRUMBLE_RUNNER_RECORDER_IMPL_H
#define CRUMBLE_RUNNER_RECORDER_IMPL_H

#include "base/queue.h"
#include "base/record.h"
#include "runner/recorder.h"

#include <pthread.h>

enum what { ITEM_EVENT, ITEM_OPEN, ITEM_SAMPLES, ITEM_FLUSH };

/* Who waits for an item, on its own stack. */
struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;
	int result;
	struct err err;
};

struct item {
	enum what what;
	cJSON *event;
	struct waiter *waiter;
	int file;
	char *path, *verifier;
	int64_t period_ns;
	size_t n;
	struct sample samples[];
};

struct samples_file {
	struct samples_writer *writer;
	char *path;
	size_t n;
	struct sample waiting[SAMPLES_BLOCK];
};

struct recorder {
	struct sink sink; /* first: a sink is a recorder */
	char *dir, *reserve;
	int64_t wall_t0_ns;
	struct queue *queue;
	pthread_t thread;
	pthread_mutex_t lock; /* guards the order of `t`, and what follows */
	int n_opened;
	bool failed;
	struct err why;
	/* The thread's own. */
	struct journal *journal;
	struct samples_file **files;
	size_t n_files;
	cJSON **kept; /* events that the disk did not take yet */
	size_t n_kept;
	bool unsynced;
	int64_t clock_due_ns;
	void (*seen)(void *arg, const cJSON *event);
	void *seen_arg;
};

void recorder_item_free(void *item);
void recorder_tell(struct waiter *waiter, int result, const struct err *err);
/* The thread's body. */
void *recorder_thread(void *recorder);

#endif
