/*
 * bench-floor PORT RATE SECONDS CPU: the least that sending at a fixed rate costs. One connection,
 * one thread, absolute clock_nanosleep, send, recv. Prints "lateness p50 p99 p99.9" (ms, sent -
 * due), "arrival ..." (ms, at the server - due) and "cpu S" (seconds for 1,000 requests).
 */
#include "tests/bench/bench.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

static void sleep_until(int64_t ns)
{
	struct timespec ts = { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL))
		;
}

static void ask(int fd)
{
	static const char request[] =
		"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: floor\r\nAccept: */*\r\n\r\n";
	char reply[1024];

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0 ||
		recv(fd, reply, sizeof(reply), 0) <= 0)
		die("the bench server went away");
}

int main(int argc, char **argv)
{
	int64_t begin, period, cpu, *late, *arrived;
	size_t n;
	int fd, port;

	if (argc != 5)
		die("bench-floor PORT RATE SECONDS CPU");
	pin(atoi(argv[4]));
	prctl(PR_SET_TIMERSLACK, 1UL);
	port = atoi(argv[1]);
	period = NS_PER_S / atoi(argv[2]);
	n = (size_t)atoi(argv[2]) * (size_t)atoi(argv[3]);
	late = calloc(n, sizeof(*late));
	arrived = calloc(n + 1, sizeof(*arrived));
	if (!late || !arrived)
		die("no memory");
	fd = connect_to(port);
	ask(fd);
	arrivals(port, arrived, n);
	cpu = cpu_used_ns();
	begin = clock_now_ns() + NS_PER_S / 10;
	for (size_t i = 0; i < n; i++) {
		int64_t due = begin + (int64_t)i * period;

		sleep_until(due);
		late[i] = clock_now_ns() - due;
		ask(fd);
	}
	cpu = cpu_used_ns() - cpu;
	if (arrivals(port, arrived, n) != n)
		die("the bench server counted other requests");
	for (size_t i = 0; i < n; i++)
		arrived[i] -= begin + (int64_t)i * period;
	print_percentiles("lateness", late, n);
	print_percentiles("arrival", arrived, n);
	printf("cpu %.4f\n", (double)cpu / 1e9 / (double)n * 1000);
	printf("rss %.1f\n", (double)rss_kib("self") / 1024);
	return 0;
}
