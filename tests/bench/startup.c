/*
 * bench-startup CRUMBLE RUNS: from the start of `crumble run` with one plain HTTP check to its
 * first request, and its memory at that moment. Prints "startup MIN MEDIAN" (ms) and "rss MIN
 * MEDIAN" (MiB).
 */
#include "tests/bench/bench.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RUNS_MAX 1000

static char dir[] = "/tmp/bench-startup.XXXXXX";

static void write_scenario(const char *path, int port)
{
	OWN_MEM char *text = str_format("name: bench-startup\n"
					"phases: {baseline: 0s, faults: 2s, recovery: 0s}\n"
					"verify:\n"
					"- name: web\n"
					"  http: {url: \"http://127.0.0.1:%d/\"}\n"
					"  every: 1s\n"
					"  expect: [samples >= 1]\n",
		port);
	struct err err;

	if (!text || buf_write_file(path, text, strlen(text), &err))
		die("cannot write the scenario");
}

static pid_t start(const char *crumble, const char *scenario, const char *out)
{
	const char *const argv[] = { crumble, "run", scenario, "--out", out, NULL };
	posix_spawn_file_actions_t actions;
	extern char **environ;
	pid_t pid;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
	errno = posix_spawn(&pid, crumble, &actions, NULL, (char *const *)argv, environ);
	if (errno)
		die("%s: %m", crumble);
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}

/* Waits for the first byte of the first request. */
static int64_t first_request(int listener)
{
	struct pollfd pfd = { .fd = listener, .events = POLLIN };
	char byte;
	int fd;

	if (poll(&pfd, 1, 10000) != 1)
		die("no request within 10 s");
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	pfd.fd = fd;
	if (fd < 0 || poll(&pfd, 1, 10000) != 1 || recv(fd, &byte, 1, MSG_PEEK) != 1)
		die("no request within 10 s");
	close(fd);
	return clock_now_ns();
}

/* Into a folder of its own: nothing of an earlier run has to be removed. */
static void one(
	const char *crumble, const char *scenario, int run, int64_t *ret_ns, int64_t *ret_kib)
{
	OWN_MEM char *out = str_format("%s/out.%d", dir, run);
	int port, listener = listen_any(&port);
	int64_t begin_ns;
	char number[16];
	pid_t pid;

	if (!out)
		die("no memory");
	write_scenario(scenario, port);
	begin_ns = clock_now_ns();
	pid = start(crumble, scenario, out);
	*ret_ns = first_request(listener) - begin_ns;
	snprintf(number, sizeof(number), "%d", (int)pid);
	*ret_kib = rss_kib(number);
	close(listener);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void print(const char *label, int64_t *values, int n, double unit)
{
	qsort(values, (size_t)n, sizeof(*values), ascending);
	printf("%s %.1f %.1f\n", label, (double)values[0] / unit, (double)values[n / 2] / unit);
}

int main(int argc, char **argv)
{
	int64_t times[RUNS_MAX], kib[RUNS_MAX];
	int runs = argc == 3 ? atoi(argv[2]) : 0;
	OWN_MEM char *scenario = NULL;

	if (runs < 1 || runs > RUNS_MAX)
		die("bench-startup CRUMBLE RUNS");
	if (!mkdtemp(dir))
		die("mkdtemp: %m");
	scenario = str_format("%s/startup.yaml", dir);
	if (!scenario)
		die("no memory");
	for (int i = 0; i < runs; i++)
		one(argv[1], scenario, i, &times[i], &kib[i]);
	print("startup", times, runs, 1e6);
	print("rss", kib, runs, 1024);
	return 0; /* the caller removes /tmp/bench-startup.* */
}
