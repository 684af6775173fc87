/*
 * bench-server [--cpu N]: the least HTTP server that keeps connections. Prints its port, serves
 * until its standard input ends.
 *
 *   /          200 and four bytes; the time of arrival is kept
 *   /hang      never answered
 *   /freeze    the whole server stands still for 2 s, and answers then
 *   /arrivals  the kept times, as native int64; forgets them
 */
#include "tests/bench/bench.h"

#include "base/clock.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 4096
#define ARRIVALS 1000000
#define REQUEST_BYTES 2048

static int epoll_fd;
static int64_t times[ARRIVALS];
static size_t n_times;
static struct {
	size_t len;
	char text[REQUEST_BYTES];
} requests[CONNECTIONS];

static void send_all(int fd, const void *data, size_t len)
{
	for (const char *p = data; len;) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n <= 0)
			return; /* the peer is gone: its read says so */
		p += n;
		len -= (size_t)n;
	}
}

static void send_arrivals(int fd)
{
	char head[128];
	int len = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
		n_times * sizeof(times[0]));

	send_all(fd, head, (size_t)len);
	send_all(fd, times, n_times * sizeof(times[0]));
	n_times = 0;
}

static void answer(int fd, const char *request, int64_t now_ns)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine";

	if (!strncmp(request, "GET /hang ", 10))
		return;
	if (!strncmp(request, "GET /arrivals ", 14)) {
		send_arrivals(fd);
		return;
	}
	if (!strncmp(request, "GET /freeze ", 12))
		nanosleep(&(struct timespec){ .tv_sec = 2 }, NULL);
	else if (n_times < ARRIVALS)
		times[n_times++] = now_ns;
	send_all(fd, ok, sizeof(ok) - 1);
}

static void accept_one(int listener)
{
	struct epoll_event event = { .events = EPOLLIN };
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), one = 1;

	if (fd < 0)
		return;
	if (fd >= CONNECTIONS)
		die("too many connections");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	requests[fd].len = 0;
	event.data.fd = fd;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static void serve(int fd)
{
	int64_t now_ns = clock_now_ns();
	char *text = requests[fd].text, *end;
	ssize_t n = read(fd, text + requests[fd].len, REQUEST_BYTES - 1 - requests[fd].len);

	if (n <= 0) {
		close(fd);
		return;
	}
	requests[fd].len += (size_t)n;
	text[requests[fd].len] = '\0';
	while ((end = strstr(text, "\r\n\r\n"))) {
		answer(fd, text, now_ns);
		requests[fd].len -= (size_t)(end + 4 - text);
		memmove(text, end + 4, requests[fd].len + 1);
	}
}

int main(int argc, char **argv)
{
	int port, listener;
	struct epoll_event events[64], event = { .events = EPOLLIN };

	pin(argc == 3 && !strcmp(argv[1], "--cpu") ? atoi(argv[2]) : -1);
	listener = listen_any(&port);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	event.data.fd = listener;
	epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event);
	event.data.fd = STDIN_FILENO;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &event))
		die("standard input must be a pipe: %m");
	printf("%d\n", port);
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll_fd, events, 64, -1);

		for (int i = 0; i < n; i++) {
			char byte;

			if (events[i].data.fd == listener)
				accept_one(listener);
			else if (events[i].data.fd != STDIN_FILENO)
				serve(events[i].data.fd);
			else if (read(STDIN_FILENO, &byte, 1) <= 0)
				return 0;
		}
	}
}
