/*
 * Time. Everything that is measured or waited for is CLOCK_MONOTONIC in nanoseconds; wall time is
 * for people and for the one anchor of a record.
 */
#ifndef CRUMBLE_BASE_CLOCK_H
#define CRUMBLE_BASE_CLOCK_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* CLOCK_MONOTONIC, ns. */
int64_t clock_now_ns(void);
/* CLOCK_REALTIME, ns since 1970. */
int64_t clock_wall_ns(void);

#define CLOCK_RFC3339_BYTES 32
/* "2026-11-24T14:53:10Z", or with milliseconds "2026-11-24T14:53:10.123Z". */
void clock_rfc3339(int64_t wall_ns, int millis, char out[CLOCK_RFC3339_BYTES]);

/* "250ms", "30s", "10m", "1h30m", "2h", "1.5s". A bare number, a sign, junk, an overflow: -1 with
 * a reason that says what a duration looks like. */
int clock_parse_duration(const char *text, int64_t *ret_ns, struct err *err);

#define CLOCK_DURATION_BYTES 32
/* The shortest usual form: "250ms", "1.84s", "30s", "10m", "1h30m". */
void clock_format_duration(int64_t ns, char out[CLOCK_DURATION_BYTES]);

#endif
