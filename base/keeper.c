/*
 * The keeper process and its two ends. It is forked from a program with threads and executes
 * nothing: from the fork on it uses system calls only, no memory of malloc's and no stdio.
 */
#include "base/keeper.h"

#include "base/clock.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define END_WITHIN_NS (10 * NS_PER_S)
#define RESCAN_MS 5 /* between two searches for descendants that are still being killed */

struct order {
	int signal;
	int all;
};

enum news_kind { NEWS_STARTED, NEWS_ENDED };

struct news {
	int kind;
	int value; /* the child's pid, or its status */
};

/* Why a child never came to execute its program. */
struct failure {
	int stage;
	int error;
};

enum stage { STAGE_FORK = 1, STAGE_CWD, STAGE_FDS, STAGE_EXEC };

struct plan {
	const struct keeper_spec *spec;
	int socket, failed_fd;
	pid_t child;
	bool child_gone, killing, sparing;
	int status;
};

/* --- in the child ----------------------------------------------------------------------------- */

static void give_up(int fd, enum stage stage)
{
	struct failure failure = { .stage = stage, .error = errno };

	while (write(fd, &failure, sizeof(failure)) < 0 && errno == EINTR)
		;
	_exit(127);
}

/* By system call: the C library refuses the two signals that it keeps for itself, which a parent
 * like make hands down ignored. All zeros is SIG_DFL on every machine. */
static void reset_signals(void)
{
	static const uint64_t normal[8];
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		syscall(SYS_rt_sigaction, i, normal, NULL, (NSIG - 1) / 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Puts `from` (-1: /dev/null) out of the way of 0 to 2. */
static int lift(int from)
{
	int null, fd;

	if (from >= 0)
		return fcntl(from, F_DUPFD_CLOEXEC, 10);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	fd = null < 0 ? -1 : fcntl(null, F_DUPFD_CLOEXEC, 10);
	return fd;
}

static void execute(const struct plan *plan, pid_t keeper)
{
	const struct keeper_spec *spec = plan->spec;
	int failed = fcntl(plan->failed_fd, F_DUPFD_CLOEXEC, 10);
	int fds[3] = { lift(spec->in_fd), lift(spec->out_fd), lift(spec->err_fd) };

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != keeper)
		_exit(127);
	for (int i = 0; i < 3; i++)
		if (fds[i] < 0 || dup2(fds[i], i) < 0)
			give_up(failed, STAGE_FDS);
	if (syscall(SYS_close_range, 3U, ~0U, 1U << 2 /* CLOSE_RANGE_CLOEXEC */))
		give_up(failed, STAGE_FDS);
	if (spec->cwd && chdir(spec->cwd))
		give_up(failed, STAGE_CWD);
	reset_signals();
	execve(spec->path, (char *const *)spec->argv, (char *const *)spec->env);
	give_up(failed, STAGE_EXEC);
}

/* --- finding descendants ---------------------------------------------------------------------- */

/* Decimal digits at *text; -1 when there are none. */
static pid_t read_number(const char *text)
{
	pid_t n = 0;

	if (*text < '0' || *text > '9')
		return -1;
	while (*text >= '0' && *text <= '9')
		n = n * 10 + (*text++ - '0');
	return n;
}

/* The parent and the process group of `pid`, from /proc/PID/stat: "12 (na) me) S 1 12 ...". */
static int read_stat(pid_t pid, pid_t *ret_parent, pid_t *ret_group)
{
	char path[32] = "/proc/", digits[12], text[512], *p = NULL;
	int n = 0, at = 6, fd;
	ssize_t len;

	do
		digits[n++] = (char)('0' + pid % 10);
	while ((pid /= 10));
	while (n)
		path[at++] = digits[--n];
	memcpy(path + at, "/stat", 6);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return -1;
	text[len] = '\0';
	for (char *c = text; *c; c++)
		if (*c == ')')
			p = c; /* a name may hold brackets itself: the last one counts */
	if (!p || strlen(p) < 5)
		return -1;
	*ret_parent = read_number(p + 4);
	for (p += 4; *p && *p != ' '; p++)
		;
	*ret_group = *p ? read_number(p + 1) : -1;
	return 0;
}

static bool is_descendant(pid_t pid, pid_t keeper)
{
	pid_t group;

	for (int depth = 0; pid > 1 && depth < 4096; depth++) {
		if (pid == keeper)
			return depth > 0;
		if (read_stat(pid, &pid, &group))
			return false;
	}
	return false;
}

/* Looks again once the process is held by a descriptor: then the number cannot change owner. */
static void signal_descendant(pid_t pid, int signal, pid_t keeper)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd < 0)
		return;
	if (is_descendant(pid, keeper))
		syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
	close(fd);
}

struct dirent_head { /* of getdents64: readdir would use malloc */
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

/* A signal to every descendant that is not in `but_group` (-1: all). */
static void signal_descendants(int signal, pid_t but_group)
{
	_Alignas(struct dirent_head) char names[4096];
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t keeper = getpid(), parent, group;
	long len;

	if (proc < 0)
		return;
	while ((len = syscall(SYS_getdents64, proc, names, sizeof(names))) > 0)
		for (long at = 0; at < len;) {
			const struct dirent_head *entry = (const void *)(names + at);
			pid_t pid = read_number(entry->name);

			at += entry->len;
			if (pid <= 1 || pid == keeper || read_stat(pid, &parent, &group) ||
				(but_group > 0 && group == but_group) || parent <= 1)
				continue;
			if (is_descendant(pid, keeper))
				signal_descendant(pid, signal, keeper);
		}
	close(proc);
}

/* --- in the keeper ---------------------------------------------------------------------------- */

static void tell(int fd, int kind, int value)
{
	struct news news = { .kind = kind, .value = value };

	while (send(fd, &news, sizeof(news), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void signal_all(struct plan *plan, int signal)
{
	pid_t group = plan->child_gone ? -1
				       : plan->child; /* ours as long as we have not reaped it */

	if (group > 0)
		kill(-group, signal);
	signal_descendants(signal, group);
}

/* Takes the status of whatever ended. Does not return when nothing is left. */
static void reap(struct plan *plan)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == plan->child) {
			plan->child_gone = true;
			plan->status = status;
		}
	if (pid == 0 || errno != ECHILD)
		return;
	tell(plan->socket, NEWS_ENDED, plan->status);
	_exit(0);
}

static void obey(struct plan *plan)
{
	struct order order;
	ssize_t got = recv(plan->socket, &order, sizeof(order), MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got != sizeof(order) || order.signal == SIGKILL) {
		plan->killing = true; /* an order, or the end of whom we work for */
		return;
	}
	if (order.all) {
		plan->sparing = plan->sparing || order.signal == SIGTERM;
		signal_all(plan, order.signal);
	} else if (!plan->child_gone) {
		kill(plan->child, order.signal);
	}
}

static void drop_descriptors(struct plan *plan)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fd = fcntl(plan->socket, F_DUPFD_CLOEXEC, 10);

	for (int i = 0; i < 3; i++)
		dup2(null, i);
	dup2(fd, 3);
	plan->socket = 3;
	if (chdir("/"))
		errno = 0; /* it only keeps a folder busy */
	syscall(SYS_close_range, 4U, ~0U, 0U);
}

static void keep(struct plan *plan)
{
	pid_t keeper = getpid();
	struct pollfd fds[2] = { { .events = POLLIN }, { .events = POLLIN } };
	struct signalfd_siginfo info;
	sigset_t child_ended;

	setsid();
	prctl(PR_SET_NAME, "crumble-keeper");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	signal(SIGCHLD, SIG_DFL); /* were it ignored, no status could be had */
	plan->child = fork();
	if (plan->child == 0)
		execute(plan, keeper);
	if (plan->child < 0)
		give_up(plan->failed_fd, STAGE_FORK);
	drop_descriptors(plan);
	tell(plan->socket, NEWS_STARTED, plan->child);
	sigemptyset(&child_ended);
	sigaddset(&child_ended, SIGCHLD);
	fds[0].fd = plan->socket;
	fds[1].fd = signalfd(-1, &child_ended, SFD_CLOEXEC | SFD_NONBLOCK);
	for (;;) {
		reap(plan);
		if (plan->child_gone && !plan->sparing)
			plan->killing = true;
		if (plan->killing)
			signal_all(plan, SIGKILL);
		/* once the other end is gone it stays readable: then only the clock paces us */
		fds[0].fd = plan->killing ? -1 : plan->socket;
		poll(fds, 2, plan->killing ? RESCAN_MS : -1);
		if (read(fds[1].fd, &info, sizeof(info)) < 0)
			info.ssi_signo = 0; /* not woken by a child: fine */
		if (fds[0].revents && !plan->killing)
			obey(plan);
	}
}

/* --- at our end ------------------------------------------------------------------------------- */

/* The keeper's pid; its signals are blocked for good, ours as they were. */
static pid_t fork_keeper(struct plan *plan)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0) {
		keep(plan);
		_exit(0);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}

static int tell_failure(
	const struct keeper_spec *spec, const struct failure *failure, struct err *err)
{
	errno = failure->error;
	if (failure->stage == STAGE_CWD)
		return err_errno(err, "cannot start %s in %s", spec->argv[0], spec->cwd);
	err_errno(err, "cannot start %s", spec->argv[0]);
	if (err && failure->stage == STAGE_EXEC && failure->error == ENOENT)
		err->code = ERR_NOT_FOUND;
	return -1;
}

static ssize_t read_whole(int fd, void *data, size_t len)
{
	ssize_t got;

	do
		got = read(fd, data, len);
	while (got < 0 && errno == EINTR);
	return got;
}

int keeper_start(const struct keeper_spec *spec, struct keeper *ret_keeper, struct err *err)
{
	int sockets[2], pipes[2];
	struct plan plan = { .spec = spec };
	struct keeper keeper;
	struct failure failure;
	struct news news;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets))
		return err_errno(err, "cannot start %s: socketpair", spec->argv[0]);
	if (pipe2(pipes, O_CLOEXEC)) {
		err_errno(err, "cannot start %s: pipe", spec->argv[0]);
		close(sockets[0]);
		close(sockets[1]);
		return -1;
	}
	plan.socket = sockets[1];
	plan.failed_fd = pipes[1];
	keeper = (struct keeper){ .fd = sockets[0], .pidfd = -1, .keeper_pid = fork_keeper(&plan) };
	if (keeper.keeper_pid < 0)
		err_errno(err, "cannot start %s: fork", spec->argv[0]);
	close(sockets[1]);
	close(pipes[1]);
	if (keeper.keeper_pid < 0) {
		close(pipes[0]);
		close(sockets[0]);
		return -1;
	}
	if (read_whole(pipes[0], &failure, sizeof(failure)) == sizeof(failure)) {
		close(pipes[0]);
		keeper_end(&keeper);
		return tell_failure(spec, &failure, err);
	}
	close(pipes[0]);
	if (read_whole(keeper.fd, &news, sizeof(news)) != sizeof(news) ||
		news.kind != NEWS_STARTED) {
		keeper_end(&keeper);
		return err_set(err, ERR_IO, "cannot start %s: its keeper died", spec->argv[0]);
	}
	keeper.pid = news.value;
	keeper.pidfd = (int)syscall(SYS_pidfd_open, keeper.pid, 0); /* -1 when it ended already */
	*ret_keeper = keeper;
	return 0;
}

void keeper_signal(const struct keeper *keeper, int signal, bool all)
{
	struct order order = { .signal = signal, .all = all };

	while (send(keeper->fd, &order, sizeof(order), MSG_NOSIGNAL) < 0 && errno == EINTR)
		;
}

static void forget(struct keeper *keeper)
{
	while (waitpid(keeper->keeper_pid, NULL, 0) < 0 && errno == EINTR)
		;
	own_close(&keeper->pidfd);
	close(keeper->fd);
	*keeper = (struct keeper){ 0 };
}

/* The keeper died and left the child's group to us. Its number is still the group's, unless the
 * child is gone and somebody else has it. */
static void end_group(const struct keeper *keeper)
{
	bool is_ours = keeper->pidfd >= 0 &&
		       !syscall(SYS_pidfd_send_signal, keeper->pidfd, SIGKILL, NULL, 0);

	if (is_ours || (kill(keeper->pid, 0) && errno == ESRCH))
		kill(-keeper->pid, SIGKILL);
}

bool keeper_ended(struct keeper *keeper, int *ret_status)
{
	struct news news = { 0 };
	ssize_t got;

	do
		got = recv(keeper->fd, &news, sizeof(news), MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return false;
	if (got == sizeof(news) && news.kind != NEWS_ENDED)
		return false;
	/* without a last word the keeper was killed, and the child with it */
	if (got != sizeof(news) && keeper->pid > 0)
		end_group(keeper);
	*ret_status = got == sizeof(news) ? news.value : SIGKILL;
	forget(keeper);
	return true;
}

bool keeper_end(struct keeper *keeper)
{
	int64_t until = clock_now_ns() + END_WITHIN_NS, left;
	int status;

	if (!keeper || !keeper->keeper_pid)
		return true;
	keeper_signal(keeper, SIGKILL, true);
	while ((left = until - clock_now_ns()) > 0) {
		struct pollfd fd = { .fd = keeper->fd, .events = POLLIN };

		poll(&fd, 1, (int)(left / NS_PER_MS) + 1);
		if (keeper_ended(keeper, &status))
			return true;
	}
	own_close(&keeper->pidfd);
	close(keeper->fd); /* it goes on killing without us */
	*keeper = (struct keeper){ 0 };
	return false;
}
