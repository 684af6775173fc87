/* What the bench programs share. */
#include "tests/bench/bench.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(2);
}

void pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0)
		return;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fprintf(stderr, "no core %d here: not pinned\n", cpu);
}

static int64_t ns_of(struct timeval tv)
{
	return (int64_t)tv.tv_sec * 1000000000 + (int64_t)tv.tv_usec * 1000;
}

int64_t cpu_used_ns(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
}

long rss_kib(const char *pid)
{
	char path[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmRSS:", 6))
			kib = strtol(line + 6, NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int listen_any(int *ret_port)
{
	struct sockaddr_in address = loopback(0);
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1024) ||
		getsockname(fd, (struct sockaddr *)&address, &len))
		die("cannot listen on 127.0.0.1: %m");
	*ret_port = ntohs(address.sin_port);
	return fd;
}

int connect_to(int port)
{
	struct sockaddr_in address = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("cannot connect to port %d: %m", port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* Reads until `need` bytes are there or the head is whole. Returns the head's length. */
static size_t read_head(int fd, char *buffer, size_t size, size_t *ret_have)
{
	size_t have = 0;
	char *end = NULL;

	while (!end) {
		ssize_t n = have < size - 1 ? read(fd, buffer + have, size - 1 - have) : 0;

		if (n <= 0)
			die("the bench server went away");
		have += (size_t)n;
		buffer[have] = '\0';
		end = strstr(buffer, "\r\n\r\n");
	}
	*ret_have = have;
	return (size_t)(end + 4 - buffer);
}

size_t get(int fd, const char *path, void *body, size_t max)
{
	char buffer[4096];
	int len = snprintf(buffer, sizeof(buffer), "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path);
	size_t have, head, length, rest;
	const char *field;

	if (write(fd, buffer, (size_t)len) != len)
		die("cannot send to the bench server: %m");
	head = read_head(fd, buffer, sizeof(buffer), &have);
	field = strstr(buffer, "Content-Length: ");
	length = field ? strtoul(field + 16, NULL, 10) : 0;
	rest = have - head;
	if (body && length <= max)
		memcpy(body, buffer + head, rest);
	while (rest < length) {
		char *to = body && length <= max ? (char *)body + rest : buffer;
		size_t room = body && length <= max ? length - rest : sizeof(buffer);
		ssize_t n = read(fd, to, room);

		if (n <= 0)
			die("the bench server went away");
		rest += (size_t)n;
	}
	return length;
}

size_t arrivals(int port, int64_t *times, size_t max)
{
	int fd = connect_to(port);
	size_t len = get(fd, "/arrivals", times, max * sizeof(*times));

	close(fd);
	return len / sizeof(*times);
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void print_percentiles(const char *label, int64_t *values, size_t n)
{
	static const double at[] = { 0.5, 0.99, 0.999 };

	printf("%s", label);
	qsort(values, n, sizeof(*values), ascending);
	for (size_t i = 0; i < 3; i++)
		printf(" %.3f", n ? (double)values[(size_t)((double)(n - 1) * at[i])] / 1e6 : -1.0);
	printf("\n");
}
