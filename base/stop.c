/* The stop token. An eventfd that stays readable is both flag and wake-up. */
#include "base/stop.h"

#include "base/clock.h"
#include "base/own.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>

struct stop {
	atomic_int reason;
	int fd;
	struct stop *parent, *children, *next;
};

/* Guards the family tree: tokens are made and freed seldom. */
static pthread_mutex_t family = PTHREAD_MUTEX_INITIALIZER;

static void request(struct stop *stop, int reason)
{
	const uint64_t one = 1;
	int none = 0;

	if (!atomic_compare_exchange_strong(&stop->reason, &none, reason))
		return;
	while (write(stop->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
	for (struct stop *child = stop->children; child; child = child->next)
		request(child, reason);
}

int stop_new(struct stop *parent, struct stop **ret_stop, struct err *err)
{
	struct stop *stop = calloc(1, sizeof(*stop));

	if (!stop)
		return err_set(err, ERR_NOMEM, "no memory for a stop token");
	stop->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop->fd < 0) {
		free(stop);
		return err_errno(err, "eventfd");
	}
	stop->parent = parent;
	if (parent) {
		pthread_mutex_lock(&family);
		stop->next = parent->children;
		parent->children = stop;
		if (stop_requested(parent))
			request(stop, stop_requested(parent));
		pthread_mutex_unlock(&family);
	}
	*ret_stop = stop;
	return 0;
}

void stop_free(struct stop *stop)
{
	if (!stop)
		return;
	pthread_mutex_lock(&family);
	if (stop->parent) {
		struct stop **link = &stop->parent->children;

		while (*link != stop)
			link = &(*link)->next;
		*link = stop->next;
	}
	pthread_mutex_unlock(&family);
	close(stop->fd);
	free(stop);
}

void stop_request(struct stop *stop, int reason)
{
	pthread_mutex_lock(&family);
	request(stop, reason);
	pthread_mutex_unlock(&family);
}

int stop_requested(const struct stop *stop)
{
	return stop ? atomic_load(&((struct stop *)stop)->reason) : 0;
}

bool stop_wait_until(struct stop *stop, int64_t deadline_ns)
{
	for (;;) {
		int64_t left = deadline_ns - clock_now_ns();
		struct pollfd pfd = { .fd = stop ? stop->fd : -1, .events = POLLIN };
		struct timespec ts;

		if (stop_requested(stop))
			return true;
		if (left <= 0)
			return false;
		ts.tv_sec = left / NS_PER_S;
		ts.tv_nsec = left % NS_PER_S;
		ppoll(&pfd, 1, &ts, NULL);
	}
}

bool stop_wait(struct stop *stop, int64_t ms)
{
	return stop_wait_until(stop, clock_now_ns() + ms * NS_PER_MS);
}

int stop_fd(const struct stop *stop)
{
	return stop->fd;
}
