/*
 * The HTTP loop: curl_multi_socket_action on epoll. Deadlines are kept here, in a heap by the time
 * at which a transfer has to be looked at next, so that one that hangs costs nothing meanwhile and
 * none depends on what curl is waiting for. Idle connections stay in epoll: a request on a
 * connection that is kept alive needs no epoll_ctl at all.
 */
#include "base/http_impl.h"

#include "base/clock.h"
#include "base/version.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#define EVENTS 64

/* --- curl's sockets and timer ----------------------------------------------------------------- */

static struct socket_state *socket_at(struct http *http, int fd)
{
	if ((size_t)fd >= http->n_sockets) {
		size_t n = (size_t)fd + 64;
		struct socket_state *more = realloc(http->sockets, n * sizeof(*more));

		if (!more)
			return NULL;
		memset(more + http->n_sockets, 0, (n - http->n_sockets) * sizeof(*more));
		http->sockets = more;
		http->n_sockets = n;
	}
	return &http->sockets[fd];
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *state)
{
	struct http *http = arg;
	struct socket_state *s = socket_at(http, fd);
	struct epoll_event event = { .data.fd = fd };

	(void)easy;
	(void)state;
	if (!s)
		return -1;
	s->wanted = (unsigned char)((what & CURL_POLL_IN ? EPOLLIN : 0) |
				    (what & CURL_POLL_OUT ? EPOLLOUT : 0));
	if (what == CURL_POLL_REMOVE) {
		s->wanted =
			0; /* it may be used again soon: left in epoll until it says something */
		return 0;
	}
	if (s->wanted == s->registered)
		return 0;
	event.events = s->wanted;
	if (epoll_ctl(http->epoll, s->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event))
		return -1;
	s->registered = s->wanted;
	return 0;
}

static void unregister(struct http *http, int fd)
{
	struct socket_state *s = (size_t)fd < http->n_sockets ? &http->sockets[fd] : NULL;

	if (!s || !s->registered)
		return;
	epoll_ctl(http->epoll, EPOLL_CTL_DEL, fd, NULL);
	s->registered = 0;
}

int http_close_socket(void *arg, curl_socket_t fd)
{
	struct http *http = arg;

	unregister(http, fd);
	if ((size_t)fd < http->n_sockets)
		http->sockets[fd].wanted = 0;
	return close(fd);
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http *http = arg;

	(void)multi;
	if (timeout_ms < 0)
		http->timer_ns = INT64_MAX;
	else
		http->timer_ns = timeout_ms ? clock_now_ns() + timeout_ms * NS_PER_MS : 0;
	return 0;
}

static void run_timers(struct http *http)
{
	int running;

	for (int i = 0; i < 8 && http->timer_ns <= clock_now_ns(); i++) {
		http->timer_ns = INT64_MAX;
		curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
}

/* --- the loop's life -------------------------------------------------------------------------- */

static CURLcode init_code;

static void init_curl(void)
{
	init_code = curl_global_init(CURL_GLOBAL_SSL);
}

static int set_up(struct http *http, const struct http_options *options, struct err *err)
{
	long connections = options && options->max_connections ? options->max_connections : 512;
	struct epoll_event event = { .events = EPOLLIN };

	http->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (http->epoll < 0)
		return err_errno(err, "epoll_create1");
	if (http_resolver_new(&http->resolver, err))
		return -1;
	http->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (http->wake < 0)
		return err_errno(err, "eventfd");
	event.data.fd = http_resolver_fd(http->resolver);
	if (epoll_ctl(http->epoll, EPOLL_CTL_ADD, event.data.fd, &event))
		return err_errno(err, "epoll_ctl");
	event.data.fd = http->wake;
	if (epoll_ctl(http->epoll, EPOLL_CTL_ADD, event.data.fd, &event))
		return err_errno(err, "epoll_ctl");
	http->multi = curl_multi_init();
	http->parser = curl_url();
	http->user_agent = options && options->user_agent
				   ? strdup(options->user_agent)
				   : str_format("crumble/%s", version_number);
	if (!http->multi || !http->parser || !http->user_agent)
		return err_set(err, ERR_NOMEM, "no memory for HTTP");
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, connections);
	return 0;
}

int http_new(const struct http_options *options, struct http **ret_http, struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http *http;

	pthread_once(&once, init_curl);
	if (init_code)
		return err_set(err, ERR_NOMEM, "libcurl: %s", curl_easy_strerror(init_code));
	http = calloc(1, sizeof(*http));
	if (!http)
		return err_set(err, ERR_NOMEM, "no memory for HTTP");
	http->epoll = http->wake = -1;
	http->timer_ns = INT64_MAX;
	buf_init(&http->scratch, (size_t)256 << 10);
	if (set_up(http, options, err)) {
		http_free(http);
		return -1;
	}
	*ret_http = http;
	return 0;
}

void http_free(struct http *http)
{
	if (!http)
		return;
	while (http->n_active) {
		http_explain(http->heap[0], "cancelled");
		http_finish(http->heap[0], OUTCOME_CANCELLED);
	}
	http_release_held(http);
	while (http->pool) {
		struct http_transfer *t = http->pool;

		http->pool = t->next;
		http_transfer_free(t);
	}
	curl_multi_cleanup(http->multi);
	curl_url_cleanup(http->parser);
	http_resolver_free(http->resolver);
	http_identities_free(http);
	if (http->epoll >= 0)
		close(http->epoll);
	if (http->wake >= 0)
		close(http->wake);
	buf_done(&http->scratch);
	free(http->user_agent);
	free(http->sockets);
	free(http->heap);
	free(http);
}

/* --- starting --------------------------------------------------------------------------------- */

/* A handle, best one that was used for this URL. */
static struct http_transfer *take(struct http *http, const char *url)
{
	struct http_transfer **link = &http->pool, *t;

	for (int i = 0; *link && i < 16; i++, link = &(*link)->next)
		if ((*link)->url && !strcmp((*link)->url, url))
			break;
	if (!*link)
		link = &http->pool;
	t = *link;
	if (!t)
		return http_transfer_new(http);
	*link = t->next;
	return t;
}

int http_start(struct http *http, const struct http_request *request,
	void (*done)(void *arg, const struct http_reply *reply), void *arg,
	struct http_transfer **ret_transfer, struct err *err)
{
	struct http_transfer *t;

	http_release_held(http);
	t = take(http, request->url);
	if (!t)
		return err_set(err, ERR_NOMEM, "no memory for a request");
	if (http_transfer_prepare(t, request, err)) {
		http_recycle(t);
		return -1;
	}
	t->done = done;
	t->arg = arg;
	if (http_heap_add(http, t)) {
		http_recycle(t);
		return err_set(err, ERR_NOMEM, "no memory for a request");
	}
	t->active = true;
	http_schedule(t);
	if (http_enter_multi(t)) {
		http_heap_remove(http, t);
		t->active = false;
		http_recycle(t);
		return err_set(
			err, ERR_BUG, "libcurl takes no request here (from inside on_data?)");
	}
	if (ret_transfer)
		*ret_transfer = t;
	return 0;
}

void http_cancel(struct http_transfer *t)
{
	if (!t || !t->active)
		return;
	t->cancelled = true;
	http_schedule(t);
}

int http_watch(struct http *http, struct stop *stop, struct err *err)
{
	/* once is enough to be told, and it stays readable for ever */
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };

	if (http->watched)
		epoll_ctl(http->epoll, EPOLL_CTL_DEL, stop_fd(http->watched), NULL);
	http->watched = stop;
	if (!stop)
		return 0;
	event.data.fd = stop_fd(stop);
	if (epoll_ctl(http->epoll, EPOLL_CTL_ADD, event.data.fd, &event)) {
		http->watched = NULL;
		return err_errno(err, "epoll_ctl");
	}
	return 0;
}

void http_wake(struct http *http)
{
	eventfd_write(http->wake, 1);
}

size_t http_pending(const struct http *http)
{
	return http->n_active;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* The kernel may add 50 us to each wait of a thread, unless told otherwise. */
static void want_precision(void)
{
	static _Thread_local bool told;

	if (!told)
		prctl(PR_SET_TIMERSLACK, 1000UL, 0UL, 0UL, 0UL);
	told = true;
}

/* How long there is nothing to do but wait. */
static struct timespec time_left(const struct http *http, int64_t until_ns, const struct stop *stop)
{
	int64_t wait;

	if (http->timer_ns < until_ns)
		until_ns = http->timer_ns;
	if (http->n_active && http->heap[0]->wake_ns < until_ns)
		until_ns = http->heap[0]->wake_ns;
	wait = until_ns - clock_now_ns();
	if (until_ns <= 0 || wait < 0 || stop_requested(stop))
		wait = 0;
	return (struct timespec){ .tv_sec = wait / NS_PER_S, .tv_nsec = wait % NS_PER_S };
}

static int wait_for_events(
	struct http *http, int64_t until_ns, struct stop *stop, struct epoll_event events[EVENTS])
{
	struct timespec ts = time_left(http, until_ns, stop);
	struct pollfd fds[2] = { { .fd = http->epoll, .events = POLLIN },
		{ .fd = stop ? stop_fd(stop) : -1, .events = POLLIN } };
	int n;

	want_precision();
	if (!stop && !http->no_pwait2) {
		n = epoll_pwait2(http->epoll, events, EVENTS, &ts, NULL);
		if (n >= 0 || errno == EINTR)
			return n;
		http->no_pwait2 = true;
	}
	if (ppoll(fds, 2, &ts, NULL) <= 0)
		return 0;
	return epoll_wait(http->epoll, events, EVENTS, 0);
}

/* Hands curl what is ready. Returns the number of transfers that ended with their lookup. */
static int handle_events(struct http *http, const struct epoll_event *events, int n)
{
	int ended = 0, running;

	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd, what = 0;

		if (fd == http_resolver_fd(http->resolver)) {
			ended += http_end_lookups(http);
			continue;
		}
		if (fd == http->wake) {
			eventfd_read(http->wake, &(eventfd_t){ 0 });
			continue;
		}
		if (http->watched && fd == stop_fd(http->watched))
			continue;
		if (!http->sockets[fd].wanted) {
			unregister(http, fd); /* an idle connection that closes: curl will see */
			continue;
		}
		what |= events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0;
		what |= events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
		what |= events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
		curl_multi_socket_action(http->multi, fd, what, &running);
	}
	return ended;
}

int http_drive(struct http *http, int64_t until_ns, struct stop *stop)
{
	struct epoll_event events[EVENTS];
	int ended, n;

	http_release_held(http);
	run_timers(http);
	ended = http_collect(http);
	n = wait_for_events(http, ended ? 0 : until_ns, stop, events);
	ended += handle_events(http, events, n);
	run_timers(http);
	ended += http_collect(http);
	return ended + http_expire(http);
}

/* --- one request ------------------------------------------------------------------------------ */

static void note_end(void *arg, const struct http_reply *reply)
{
	(void)reply;
	*(bool *)arg = true;
}

int http_perform(struct http *http, const struct http_request *request, struct stop *stop,
	const struct http_reply **ret_reply, struct err *err)
{
	struct http_transfer *t;
	bool ended = false;

	if (stop_requested(stop))
		return err_set(err, ERR_STOPPED, "stopped before a request");
	if (http_start(http, request, note_end, &ended, &t, err))
		return -1;
	t->hold = true;
	while (!ended) {
		http_drive(http, INT64_MAX, stop);
		if (!ended && stop_requested(stop))
			http_cancel(t);
	}
	if (stop_requested(stop) && http->held_reply.outcome == OUTCOME_CANCELLED)
		return err_set(err, ERR_STOPPED, "%s", t->error);
	*ret_reply = &http->held_reply;
	return 0;
}
