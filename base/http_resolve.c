/*
 * Names to addresses: getaddrinfo in a thread, one lookup a name at a time. A lookup cannot be
 * ended from outside, so its thread is detached and shares only a counted block with the loop:
 * the one exception to "whoever starts a thread joins it".
 */
#include "base/http_impl.h"

#include "base/own.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>

struct http_resolver {
	pthread_mutex_t lock;
	int fd;
	int users; /* the loop, and each lookup's thread */
	struct http_lookup *lookups;
	bool orphaned; /* the loop is gone: threads free their own lookups */
};

int http_resolver_new(struct http_resolver **ret_resolver, struct err *err)
{
	struct http_resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return err_set(err, ERR_NOMEM, "no memory for a resolver");
	r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->fd < 0) {
		free(r);
		return err_errno(err, "eventfd");
	}
	pthread_mutex_init(&r->lock, NULL);
	r->users = 1;
	*ret_resolver = r;
	return 0;
}

/* Gives up one use; called with the lock held, which it releases. */
static void leave(struct http_resolver *r)
{
	bool last = --r->users == 0;

	pthread_mutex_unlock(&r->lock);
	if (!last)
		return;
	close(r->fd);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void http_resolver_free(struct http_resolver *r)
{
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	r->orphaned = true;
	while (r->lookups) {
		struct http_lookup *lookup = r->lookups;

		r->lookups = lookup->next;
		if (lookup->done)
			free(lookup);
	}
	leave(r);
}

int http_resolver_fd(const struct http_resolver *r)
{
	return r->fd;
}

/* "192.0.2.1,[2001:db8::1]", as CURLOPT_RESOLVE wants it. */
static void write_addresses(const struct addrinfo *info, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (int n = 0; info && n < HTTP_ADDRESSES; info = info->ai_next) {
		bool v6 = info->ai_family == AF_INET6;
		char ip[NI_MAXHOST];
		int len;

		if (getnameinfo(info->ai_addr, info->ai_addrlen, ip, sizeof(ip), NULL, 0,
			    NI_NUMERICHOST) ||
			strchr(ip, '%'))
			continue;
		len = snprintf(out + used, size - used, "%s%s%s%s", used ? "," : "", v6 ? "[" : "",
			ip, v6 ? "]" : "");
		if (len < 0 || (size_t)len >= size - used) {
			out[used] = '\0';
			return;
		}
		used += (size_t)len;
		n++;
	}
}

static void *look_up(void *arg)
{
	struct http_lookup *lookup = arg;
	struct http_resolver *r = lookup->resolver;
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	const uint64_t one = 1;
	struct addrinfo *info = NULL;
	int error = getaddrinfo(lookup->host, NULL, &hints, &info);

	if (!error) {
		write_addresses(info, lookup->addresses, sizeof(lookup->addresses));
		freeaddrinfo(info);
		if (!lookup->addresses[0])
			error = EAI_NONAME;
	}
	pthread_mutex_lock(&r->lock);
	lookup->error = error;
	lookup->done = true;
	if (r->orphaned)
		free(lookup);
	else
		while (write(r->fd, &one, sizeof(one)) < 0 && errno == EINTR)
			;
	leave(r);
	return NULL;
}

/* A detached thread that takes no signals. */
static int start_thread(struct http_lookup *lookup)
{
	pthread_attr_t attr;
	sigset_t all, before;
	pthread_t thread;
	int error;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attr, look_up, lookup);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	return error ? -1 : 0;
}

struct http_lookup *http_resolver_ask(struct http_resolver *r, const char *host)
{
	struct http_lookup *lookup;

	for (lookup = r->lookups; lookup; lookup = lookup->next)
		if (!strcmp(lookup->host, host))
			return lookup;
	lookup = calloc(1, sizeof(*lookup));
	if (!lookup)
		return NULL;
	lookup->resolver = r;
	snprintf(lookup->host, sizeof(lookup->host), "%s", host);
	pthread_mutex_lock(&r->lock);
	if (start_thread(lookup)) {
		pthread_mutex_unlock(&r->lock);
		free(lookup);
		return NULL;
	}
	r->users++;
	lookup->next = r->lookups;
	r->lookups = lookup;
	pthread_mutex_unlock(&r->lock);
	return lookup;
}

struct http_lookup *http_resolver_next(struct http_resolver *r)
{
	struct http_lookup **link, *found = NULL;
	uint64_t count;

	pthread_mutex_lock(&r->lock);
	for (link = &r->lookups; *link && !(*link)->done; link = &(*link)->next)
		;
	found = *link;
	if (found)
		*link = found->next;
	else if (read(r->fd, &count, sizeof(count)) < 0)
		count = 0; /* nothing new: fine */
	pthread_mutex_unlock(&r->lock);
	return found;
}
