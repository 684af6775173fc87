/*
 * "Did you mean": the nearest of known names to a mistyped one.
 */
#ifndef CRUMBLE_BASE_NEAR_H
#define CRUMBLE_BASE_NEAR_H

#include <stddef.h>

/* The candidate that is close enough to be meant (at most a third of the name's letters differ,
 * neighbours swapped count once), the first of the nearest; NULL when none is. `candidate` gives the
 * i-th name, NULL behind the last. */
const char *name_near(const char *name, const char *(*candidate)(void *arg, size_t i), void *arg);

#endif
