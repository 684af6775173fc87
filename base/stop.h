/*
 * The stop token: set once, seen by every thread. There is no sleep in Crumble: stop_wait()
 * returns early when the token is set. Tokens form a chain: a child is stopped with its parent,
 * so that the end of a phase stops its threads and a signal stops all.
 */
#ifndef CRUMBLE_BASE_STOP_H
#define CRUMBLE_BASE_STOP_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct stop;

/* `parent` may be NULL; it must outlive the child. Free with stop_free (NULL is fine). */
int stop_new(struct stop *parent, struct stop **ret_stop, struct err *err);
void stop_free(struct stop *stop);

/* Sets it, and all its children. `reason` (> 0; a signal's number, or 1) is kept from the first
 * call. Any thread; async-signal-unsafe. */
void stop_request(struct stop *stop, int reason);
/* 0, or the reason. NULL is never stopped. */
int stop_requested(const struct stop *stop);

/* Waits. True when stopped (at once or meanwhile), false when the time has passed. */
bool stop_wait(struct stop *stop, int64_t ms);
bool stop_wait_until(struct stop *stop, int64_t deadline_ns);

/* A descriptor (eventfd) that is readable once stopped: for poll and epoll. Never read from it. */
int stop_fd(const struct stop *stop);

#endif
