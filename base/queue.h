/*
 * A queue of pointers between threads; pushing hands the item over. Unbounded in items on purpose:
 * its writers are paced (events, blocks of samples), and dropping or blocking would both lie.
 */
#ifndef CRUMBLE_BASE_QUEUE_H
#define CRUMBLE_BASE_QUEUE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct queue;

int queue_new(struct queue **ret_queue, struct err *err);
/* Items left inside are given to `drop` (may be NULL). NULL queue is fine. */
void queue_free(struct queue *queue, void (*drop)(void *item));

/* False: the queue is closed or there is no memory, and the item is still the caller's. */
bool queue_push(struct queue *queue, void *item);
/* The next item; NULL at the deadline (clock_now_ns), or when closed and empty. */
void *queue_pop(struct queue *queue, int64_t deadline_ns);
/* No more pushes; pop drains what is left. */
void queue_close(struct queue *queue);
/* True when closed and empty. */
bool queue_ended(struct queue *queue);

#endif
