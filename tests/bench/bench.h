/* What the bench programs share: pinning, percentiles, a raw HTTP connection. Errors end them. */
#ifndef CRUMBLE_TESTS_BENCH_BENCH_H
#define CRUMBLE_TESTS_BENCH_BENCH_H

#include <stddef.h>
#include <stdint.h>

/* Says why and exits with 2. */
void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* The whole process on one core; -1: anywhere. A machine without that core: anywhere. */
void pin(int cpu);

int64_t cpu_used_ns(void); /* of this process so far, user and system */
long rss_kib(const char *pid); /* VmRSS of "self" or a number */

/* A listening socket on 127.0.0.1, any port. */
int listen_any(int *ret_port);
/* A connection to 127.0.0.1. */
int connect_to(int port);
/* GET path on a connection that is kept; the body goes to `body` (may be NULL). Returns its length. */
size_t get(int fd, const char *path, void *body, size_t max);

/* Arrival times (CLOCK_MONOTONIC ns, ascending) of the requests for "/" since the last call. */
size_t arrivals(int port, int64_t *times, size_t max);

/* "LABEL p50 p99 p99.9" of n values in ns, as milliseconds; sorts them. */
void print_percentiles(const char *label, int64_t *values, size_t n);

#endif
