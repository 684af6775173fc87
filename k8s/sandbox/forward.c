/* One forwarded TCP connection: two sockets, a buffer each way. */
#include "k8s/sandbox/forward.h"

#include "k8s/sandbox/edit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define WAY_BYTES 32768

/* What goes from one side to the other. */
struct way {
	char *data;
	size_t from, to;  /* bytes that wait to be sent */
	bool ended, told; /* no more comes; the other side was told so */
};

struct forward {
	struct forward *next, *before;
	struct side sides[2]; /* client, server */
	int epoll;
	int fds[2];
	uint32_t watched[2];
	bool connecting, dead;
	struct way ways[2]; /* [i]: from side i to the other */
};

void forward_link(struct forward_list *list, struct forward *forward)
{
	forward->next = list->first;
	if (list->first)
		list->first->before = forward;
	list->first = forward;
}

static void forward_unlink(struct forward_list *list, struct forward *forward)
{
	if (forward->before)
		forward->before->next = forward->next;
	else
		list->first = forward->next;
	if (forward->next)
		forward->next->before = forward->before;
}

void forward_sweep(struct forward_list *list, bool all)
{
	struct forward *next;

	for (struct forward *one = list->first; one; one = next) {
		next = one->next;
		if (!all && !one->dead)
			continue;
		forward_unlink(list, one);
		forward_free(one);
	}
}

static void reset(int fd)
{
	struct linger at_once = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

/* abrupt: both ends see a reset, as they would without us between. */
static void end(struct forward *forward, bool abrupt)
{
	for (int i = 0; i < 2; i++) {
		if (forward->fds[i] < 0)
			continue;
		/* By hand: closing does not do it while a process being started still has a copy.
		 */
		epoll_ctl(forward->epoll, EPOLL_CTL_DEL, forward->fds[i], NULL);
		if (abrupt)
			reset(forward->fds[i]);
		else
			close(forward->fds[i]);
		forward->fds[i] = -1;
	}
	forward->dead = true;
}

void forward_free(struct forward *forward)
{
	if (!forward)
		return;
	end(forward, true);
	free(forward->ways[0].data);
	free(forward->ways[1].data);
	free(forward);
}

/* Asks epoll for what each side waits for now. */
static void watch(struct forward *forward)
{
	for (int i = 0; i < 2; i++) {
		const struct way *in = &forward->ways[i], *out = &forward->ways[!i];
		struct epoll_event event = { .data.ptr = &forward->sides[i] };

		if (!in->ended && in->to < WAY_BYTES && !forward->connecting)
			event.events |= EPOLLIN;
		if (out->to > out->from || (forward->connecting && i == 1))
			event.events |= EPOLLOUT;
		if (event.events == forward->watched[i])
			continue;
		forward->watched[i] = event.events;
		epoll_ctl(forward->epoll, EPOLL_CTL_MOD, forward->fds[i], &event);
	}
}

/* Reads into a way. False: an error. */
static bool fill(struct forward *forward, int from)
{
	struct way *way = &forward->ways[from];
	ssize_t n;

	if (way->ended || way->to == WAY_BYTES)
		return true;
	n = recv(forward->fds[from], way->data + way->to, WAY_BYTES - way->to, MSG_DONTWAIT);
	if (n > 0)
		way->to += (size_t)n;
	else if (n == 0)
		way->ended = true;
	else
		return errno == EAGAIN || errno == EINTR;
	return true;
}

static bool drain(struct forward *forward, int from)
{
	struct way *way = &forward->ways[from];

	while (way->from < way->to) {
		ssize_t n = send(forward->fds[!from], way->data + way->from, way->to - way->from,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		way->from += (size_t)n;
	}
	way->from = way->to = 0;
	if (way->ended && !way->told) {
		way->told = true;
		shutdown(forward->fds[!from], SHUT_WR);
	}
	return true;
}

static bool finish_connect(struct forward *forward, uint32_t events)
{
	int failed = 0;
	socklen_t len = sizeof(failed);

	if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
		return true;
	getsockopt(forward->fds[1], SOL_SOCKET, SO_ERROR, &failed, &len);
	forward->connecting = false;
	return !failed;
}

bool forward_step(struct forward *forward, const struct side *side, uint32_t events)
{
	bool ok = true;

	if (forward->dead)
		return false;
	if (forward->connecting && side->handle == HANDLE_SERVER)
		ok = finish_connect(forward, events);
	if (ok && !forward->connecting)
		for (int i = 0; ok && i < 2; i++)
			ok = fill(forward, i) && drain(forward, i);
	if (!ok || (forward->connecting && (events & (EPOLLERR | EPOLLHUP)))) {
		end(forward, true);
		return false;
	}
	if (forward->ways[0].told && forward->ways[1].told) {
		end(forward, false);
		return false;
	}
	watch(forward);
	return true;
}

static int connect_to(uint32_t ip, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(ip);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
		errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool enrol(struct forward *forward, int i)
{
	struct epoll_event event = { .events = i ? EPOLLOUT : 0, .data.ptr = &forward->sides[i] };
	int on = 1;

	forward->watched[i] = event.events;
	setsockopt(forward->fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return epoll_ctl(forward->epoll, EPOLL_CTL_ADD, forward->fds[i], &event) == 0;
}

struct forward *forward_new(int epoll, int client, uint32_t ip, uint16_t port)
{
	struct forward *forward;
	int server = connect_to(ip, port);

	if (server < 0) {
		reset(client);
		return NULL;
	}
	forward = must_alloc(sizeof(*forward));
	*forward = (struct forward){
		.epoll = epoll, .fds = { client, server }, .connecting = true
	};
	for (int i = 0; i < 2; i++) {
		forward->sides[i] = (struct side){ HANDLE_CLIENT + i, forward };
		forward->ways[i].data = must_alloc(WAY_BYTES);
	}
	if (enrol(forward, 0) && enrol(forward, 1))
		return forward;
	forward_free(forward);
	return NULL;
}
