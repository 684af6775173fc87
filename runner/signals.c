/* The thread that takes signals, and what they set. */
#include "runner/signals.h"

#include "base/own.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>

struct signals {
	pthread_t thread;
	pthread_mutex_t lock; /* guards say and arg */
	struct stop *stop, *hurry, *done;
	int (*say)(void *arg, int code);
	void *arg;
	int fd;
};

static void the_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
}

/* The second of one kind: nothing is waited for any more. */
static void end_now(struct signals *s, int number)
{
	int code = 128 + number;

	pthread_mutex_lock(&s->lock);
	if (s->say)
		code = s->say(s->arg, code);
	pthread_mutex_unlock(&s->lock);
	_exit(code);
}

static void take(struct signals *s, int number)
{
	int first = stop_requested(s->stop);

	if (number == SIGHUP)
		number = SIGTERM;
	if (!first)
		stop_request(s->stop, number);
	else if (first != number && !stop_requested(s->hurry))
		stop_request(s->hurry, number);
	else
		end_now(s, number);
}

static void *wait_for_signals(void *arg)
{
	struct signals *s = arg;
	struct pollfd fds[2] = {
		{ .fd = s->fd, .events = POLLIN },
		{ .fd = stop_fd(s->done), .events = POLLIN },
	};
	struct signalfd_siginfo info;

	while (!stop_requested(s->done)) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[0].revents && read(s->fd, &info, sizeof(info)) == sizeof(info))
			take(s, (int)info.ssi_signo);
	}
	return NULL;
}

static void signals_free(struct signals *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	stop_free(s->done);
	stop_free(s->hurry);
	stop_free(s->stop);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static int open_all(struct signals *s, struct err *err)
{
	sigset_t set;

	if (stop_new(NULL, &s->stop, err) || stop_new(NULL, &s->hurry, err) ||
		stop_new(NULL, &s->done, err))
		return -1;
	the_set(&set);
	/* Broken pipes and file size limits are results of write, not reasons to die. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	s->fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (s->fd < 0)
		return err_errno(err, "signalfd");
	if (pthread_create(&s->thread, NULL, wait_for_signals, s))
		return err_set(err, ERR_NOMEM, "no thread for signals");
	return 0;
}

int signals_start(struct signals **ret_signals, struct err *err)
{
	struct signals *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ERR_NOMEM, "no memory for signals");
	s->fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	if (open_all(s, err)) {
		signals_free(s);
		return -1;
	}
	*ret_signals = s;
	return 0;
}

void signals_end(struct signals *s)
{
	if (!s)
		return;
	stop_request(s->done, 1);
	pthread_join(s->thread, NULL);
	signals_free(s);
}

void signals_unblock(void)
{
	sigset_t set;

	the_set(&set);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

struct stop *signals_stop(struct signals *s)
{
	return s->stop;
}

struct stop *signals_hurry(struct signals *s)
{
	return s->hurry;
}

void signals_last_words(struct signals *s, int (*say)(void *arg, int code), void *arg)
{
	pthread_mutex_lock(&s->lock);
	s->say = say;
	s->arg = arg;
	pthread_mutex_unlock(&s->lock);
}
