/*
 * SIGINT, SIGTERM and SIGHUP (which counts as SIGTERM). main alone takes them, on a thread that
 * waits for nothing else; all other threads have them blocked.
 *
 * The first stops the run. A second of another kind (GitHub sends SIGTERM after SIGINT) skips all
 * but healing. Only a second of the same kind ends the program at once, after its last words.
 */
#ifndef CRUMBLE_RUNNER_SIGNALS_H
#define CRUMBLE_RUNNER_SIGNALS_H

#include "base/err.h"
#include "base/stop.h"

struct signals;

/* Blocks the signals in the calling thread (and all that it starts) and begins to wait for them. */
int signals_start(struct signals **ret_signals, struct err *err);
/* Ends the waiting; the signals stay blocked. NULL is fine. */
void signals_end(struct signals *signals);
/* For a child that takes this process's place (exec): the mask as it was. */
void signals_unblock(void);

/* Set by the first one; the reason is its number. */
struct stop *signals_stop(struct signals *signals);
/* Set by a second one of another kind. */
struct stop *signals_hurry(struct signals *signals);

/* What to do when a second signal of the same kind ends the program: `say` prints what is left and
 * returns the exit code (given: 128 + signal). Called on the waiting thread. NULL: none. */
void signals_last_words(struct signals *signals, int (*say)(void *arg, int code), void *arg);

#endif
