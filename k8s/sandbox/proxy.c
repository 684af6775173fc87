/* Service addresses: which are listened on, and to whom connections go. */
#include "k8s/sandbox/proxy.h"

#include "base/log.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/endpoints.h"
#include "k8s/sandbox/forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

struct target {
	uint32_t ip;
	uint16_t port;
};

struct listener {
	enum handle handle;
	uint32_t ip;
	uint16_t port;
	int fd; /* -1: nobody is behind it (or the port cannot be had) */
	struct target *targets;
	size_t n, turn;
	bool wanted, warned;
	struct listener *next;
};

struct proxy {
	enum handle handle; /* of the wake descriptor */
	struct cluster *cluster;
	pthread_t thread;
	int epoll, wake;
	struct listener *listeners;
	struct forward_list forwards;
	bool died; /* some of them, in this round of events */
};

/* ---- what the store says ---- */

static struct listener *listener_for(struct proxy *proxy, uint32_t ip, uint16_t port)
{
	struct listener *one;

	for (one = proxy->listeners; one; one = one->next)
		if (one->ip == ip && one->port == port)
			return one;
	one = must_alloc(sizeof(*one));
	*one = (struct listener){ .handle = HANDLE_LISTENER,
		.ip = ip,
		.port = port,
		.fd = -1,
		.next = proxy->listeners };
	proxy->listeners = one;
	return one;
}

static void add_target(struct listener *listener, const char *ip, int port)
{
	if (!ip || port < 1 || port > 65535)
		return;
	listener->targets = must_grow(
		listener->targets, (listener->n + 1) * sizeof(*listener->targets));
	listener->targets[listener->n++] = (struct target){ ntohl(inet_addr(ip)), (uint16_t)port };
}

static void add_pods(
	struct store *store, struct listener *listener, const cJSON *service, const cJSON *port)
{
	size_t n;
	const struct object *pods = store_objects(store, &kinds[KIND_POD], &n);

	for (size_t i = 0; i < n; i++) {
		const cJSON *pod = pods[i].now->json;

		if (service_selects(service, meta(service, "namespace"), pod) &&
			!is_terminating(pod) && service_serves(service, pod))
			add_target(listener, json_str(pod, "status", "podIP", NULL),
				service_target_port(port, pod));
	}
}

/* A service without a selector: somebody wrote its endpoints. */
static void add_written(
	struct store *store, struct listener *listener, const cJSON *service, const cJSON *port)
{
	const cJSON *endpoints = store_get(
		store, &kinds[KIND_ENDPOINTS], meta(service, "namespace"), meta(service, "name"));
	const cJSON *subset, *one, *address;

	cJSON_ArrayForEach(subset, json_at(endpoints, "subsets", NULL))
		cJSON_ArrayForEach(one, json_at(subset, "ports", NULL))
	{
		if (!same_text(json_str(one, "name", NULL), json_str(port, "name", NULL)))
			continue;
		cJSON_ArrayForEach(address, json_at(subset, "addresses", NULL)) add_target(listener,
			json_str(address, "ip", NULL), (int)json_int(one, 0, "port", NULL));
	}
}

static void read_service(struct proxy *proxy, const cJSON *service)
{
	struct store *store = proxy->cluster->store;
	const char *ip = json_str(service, "spec", "clusterIP", NULL);
	bool selects = json_at(service, "spec", "selector", NULL);
	const cJSON *port;

	if (!ip || !strcmp(ip, "None"))
		return;
	cJSON_ArrayForEach(port, json_at(service, "spec", "ports", NULL))
	{
		struct listener *one = listener_for(
			proxy, ntohl(inet_addr(ip)), (uint16_t)json_int(port, 0, "port", NULL));

		one->wanted = true;
		if (selects)
			add_pods(store, one, service, port);
		else
			add_written(store, one, service, port);
	}
}

/* ---- listening ---- */

static int listen_at(const struct listener *one)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(one->port) };
	OWN_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;

	address.sin_addr.s_addr = htonl(one->ip);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 1024))
		return -1;
	return TAKE_FD(fd);
}

static void open_listener(struct proxy *proxy, struct listener *one)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = one };
	char ip[IP_BYTES];

	one->fd = listen_at(one);
	if (one->fd >= 0) {
		epoll_ctl(proxy->epoll, EPOLL_CTL_ADD, one->fd, &event);
		return;
	}
	/* The API's own service has port 443, which an ordinary user may not have: no news. */
	if (one->ip == proxy->cluster->services_base + 1)
		return;
	ip_text(one->ip, ip);
	if (!one->warned)
		log_warn("cannot listen on the service address %s:%u: %s", ip, one->port,
			strerror(errno));
	one->warned = true;
}

/* At once, even while a process being started still has a copy of the descriptor. */
static void close_listener(struct proxy *proxy, struct listener *one)
{
	if (one->fd < 0)
		return;
	epoll_ctl(proxy->epoll, EPOLL_CTL_DEL, one->fd, NULL);
	shutdown(one->fd, SHUT_RDWR);
	close(one->fd);
	one->fd = -1;
}

static void listener_free(struct proxy *proxy, struct listener *one)
{
	close_listener(proxy, one);
	free(one->targets);
	free(one);
}

static void settle_listeners(struct proxy *proxy)
{
	struct listener **link = &proxy->listeners;

	while (*link) {
		struct listener *one = *link;

		if (!one->wanted) {
			*link = one->next;
			listener_free(proxy, one);
			continue;
		}
		if (one->n && one->fd < 0)
			open_listener(proxy, one);
		else if (!one->n)
			close_listener(proxy, one);
		link = &one->next;
	}
}

static void follow_store(struct proxy *proxy)
{
	struct store *store = proxy->cluster->store;
	const struct object *all;
	uint64_t rv;
	size_t n;

	for (struct listener *one = proxy->listeners; one; one = one->next) {
		one->wanted = false;
		one->n = 0;
	}
	store_lock(store);
	rv = store_version(store);
	all = store_objects(store, &kinds[KIND_SERVICE], &n);
	for (size_t i = 0; i < n; i++)
		read_service(proxy, all[i].now->json);
	store_unlock(store);
	settle_listeners(proxy);
	atomic_store(&proxy->cluster->proxied, rv);
}

/* ---- connections ---- */

static void accept_all(struct proxy *proxy, struct listener *one)
{
	while (one->n) {
		int fd = accept4(one->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		const struct target *target;
		struct forward *forward;

		if (fd < 0)
			return;
		target = &one->targets[one->turn++ % one->n];
		forward = forward_new(proxy->epoll, fd, target->ip, target->port);
		if (forward)
			forward_link(&proxy->forwards, forward);
	}
}

/* True: the store has changed. */
static bool handle(struct proxy *proxy, const struct epoll_event *event)
{
	enum handle *handle = event->data.ptr;
	struct side *side = event->data.ptr;
	uint64_t count;

	switch (*handle) {
	case HANDLE_WAKE:
		return read(proxy->wake, &count, sizeof(count)) > 0;
	case HANDLE_LISTENER:
		accept_all(proxy, event->data.ptr);
		break;
	case HANDLE_CLIENT:
	case HANDLE_SERVER:
		proxy->died |= !forward_step(side->forward, side, event->events);
		break;
	}
	return false;
}

static void *run(void *arg)
{
	struct proxy *proxy = arg;
	struct epoll_event events[64];

	while (!store_stopped(proxy->cluster->store)) {
		int n = epoll_wait(proxy->epoll, events, ARRAY_LEN(events), -1);
		bool changed = false;

		for (int i = 0; i < n; i++)
			changed |= handle(proxy, &events[i]);
		if (proxy->died)
			forward_sweep(&proxy->forwards, false);
		proxy->died = false;
		if (changed)
			follow_store(proxy); /* last: it frees listeners that events point to */
	}
	return NULL;
}

int proxy_start(struct cluster *cluster, struct proxy **ret_proxy, struct err *err)
{
	struct proxy *proxy = must_alloc(sizeof(*proxy));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = proxy };

	*proxy = (struct proxy){ .handle = HANDLE_WAKE, .cluster = cluster };
	proxy->epoll = epoll_create1(EPOLL_CLOEXEC);
	proxy->wake = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (proxy->wake >= 0)
		store_add_wake(cluster->store, proxy->wake); /* before the first look */
	if (proxy->epoll < 0 || proxy->wake < 0 ||
		epoll_ctl(proxy->epoll, EPOLL_CTL_ADD, proxy->wake, &event) ||
		pthread_create(&proxy->thread, NULL, run, proxy)) {
		close(proxy->epoll);
		close(proxy->wake);
		free(proxy);
		return err_errno(err, "the service proxy did not start");
	}
	*ret_proxy = proxy;
	return 0;
}

void proxy_stop(struct proxy *proxy)
{
	struct listener *next;

	if (!proxy)
		return;
	pthread_join(proxy->thread, NULL);
	forward_sweep(&proxy->forwards, true);
	for (struct listener *one = proxy->listeners; one; one = next) {
		next = one->next;
		listener_free(proxy, one);
	}
	close(proxy->wake);
	close(proxy->epoll);
	free(proxy);
}
