/*
 * Temporary folders and their guards. A guard is forked from a program with threads and executes
 * nothing: it uses system calls only, no memory of malloc's and no stdio.
 */
#include "base/tempdir.h"

#include "base/buf.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define DEPTH_MAX 64
#define PAUSE_MS 20
#define TRIES 1500 /* half a minute: children have 10 s to end, and writers may come late */

/* --- removing, without malloc ----------------------------------------------------------------- */

struct dirent_head { /* of getdents64: readdir would use malloc */
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Links are removed, never followed. What cannot be removed now is for the next try. */
static void remove_below(int parent, const char *name, int depth)
{
	_Alignas(struct dirent_head) char names[2048];
	int dir;
	long len;

	if (!unlinkat(parent, name, 0) || errno != EISDIR || depth == DEPTH_MAX)
		return;
	if (fchmodat(parent, name, 0700, 0)) /* it is a folder, no link to one */
		return;
	dir = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return;
	while ((len = syscall(SYS_getdents64, dir, names, sizeof(names))) > 0)
		for (long at = 0; at < len;) {
			const struct dirent_head *entry = (const void *)(names + at);

			at += entry->len;
			if (!is_dots(entry->name))
				remove_below(dir, entry->name, depth + 1);
		}
	close(dir);
	unlinkat(parent, name, AT_REMOVEDIR);
}

static void remove_all(const char *path)
{
	for (int i = 0; i < TRIES && !access(path, F_OK); i++) {
		remove_below(AT_FDCWD, path, 0);
		if (access(path, F_OK))
			return;
		poll(NULL, 0, PAUSE_MS);
	}
}

/* --- the guard -------------------------------------------------------------------------------- */

/* Makes the folder itself, so that there is no instant at which nobody minds it; says so by one
 * byte (0, or why not) and waits for the end of the other side. */
static void guard(const char *path, int fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	unsigned char why;

	fd = fcntl(fd, F_DUPFD_CLOEXEC, 10);
	for (int i = 0; i < 3; i++)
		dup2(null, i);
	dup2(fd, 3);
	syscall(SYS_close_range, 4U, ~0U, 0U);
	setsid();
	prctl(PR_SET_NAME, "crumble-tempdir");
	why = mkdir(path, 0700) ? (unsigned char)errno : 0;
	if (chdir("/"))
		errno = 0; /* it only keeps a folder busy */
	if (send(3, &why, 1, MSG_NOSIGNAL) == 1 && !why)
		while (read(3, &why, 1) < 0 && errno == EINTR)
			;
	if (!why)
		remove_all(path);
	_exit(0);
}

/* Its signals are blocked for good; ours as they were. */
static pid_t fork_guard(const char *path, int fd)
{
	sigset_t all, before;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	if (pid == 0)
		guard(path, fd);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return pid;
}

/* --- at our end ------------------------------------------------------------------------------- */

/* The whole path: the guard stands in another folder. */
static char *name_it(const char *name)
{
	const char *tmp = getenv("TMPDIR");
	OWN_MEM char *whole = realpath(tmp && *tmp ? tmp : "/tmp", NULL);
	uint64_t number;

	if (!whole || getrandom(&number, sizeof(number), 0) != sizeof(number))
		return NULL;
	return str_format("%s/%s-%016" PRIx64, whole, name, number);
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static int start(struct tempdir *dir, struct err *err)
{
	int ends[2];
	unsigned char why = EIO;
	ssize_t got;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return err_errno(err, "%s: socketpair", dir->path);
	dir->guard = fork_guard(dir->path, ends[1]);
	close(ends[1]);
	if (dir->guard < 0) {
		close(ends[0]);
		return err_errno(err, "%s: fork", dir->path);
	}
	do
		got = read(ends[0], &why, 1);
	while (got < 0 && errno == EINTR);
	if (got == 1 && !why) {
		dir->fd = ends[0];
		return 0;
	}
	close(ends[0]);
	reap(dir->guard);
	errno = why;
	return err_errno(err, "%s: make folder", dir->path);
}

int tempdir_new(const char *name, struct tempdir *ret_dir, struct err *err)
{
	struct tempdir dir = { .path = name_it(name) };

	if (!dir.path)
		return err_errno(err, "a temporary folder in $TMPDIR (%s)",
			getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (start(&dir, err)) {
		free(dir.path);
		return -1;
	}
	*ret_dir = dir;
	return 0;
}

void tempdir_done(struct tempdir *dir)
{
	if (!dir || !dir->path)
		return;
	close(dir->fd);
	reap(dir->guard);
	remove_below(AT_FDCWD, dir->path, 0); /* should the guard have been killed */
	free(dir->path);
	*dir = (struct tempdir){ 0 };
}
