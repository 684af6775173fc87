/* Child processes, each under a keeper of its own: start, read what it says, end it in time. */
#include "base/proc.h"

#include "base/clock.h"
#include "base/keeper.h"
#include "base/own.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define LINE_BYTES ((size_t)64 << 10)
#define DIE_WITHIN_NS (30 * NS_PER_S) /* after SIGKILL; longer means it hangs in the kernel */

/* One output of the child, when somebody reads it. */
struct stream {
	int fd; /* -1: nobody does, or it has ended */
	struct buf line;
	bool cut;          /* the rest of an over-long line is dropped */
	struct buf *whole; /* proc_run: the bytes instead of the lines */
};

struct proc {
	struct keeper keeper;
	pid_t pid;
	char *name;
	struct stream streams[2]; /* stdout, stderr */
	int log_fd;
	void (*on_line)(void *arg, bool is_err, const char *line);
	void *arg;
	bool ended;
	int status;
	enum proc_end how;
};

/* --- starting --------------------------------------------------------------------------------- */

static const char *env_of(const char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env && *env; env++)
		if (!strncmp(*env, name, len) && (*env)[len] == '=')
			return *env + len + 1;
	return NULL;
}

/* What a child needs of our environment and no more: no tokens, no passwords. */
static char **minimal_env(void)
{
	static const char *const names[] = { "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ",
		"http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY",
		"NO_PROXY", "ALL_PROXY" };
	char **env = calloc(ARRAY_LEN(names) + 1, sizeof(*env));
	size_t n = 0;

	for (size_t i = 0; env && i < ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);

		if (value)
			env[n++] = str_format("%s=%s", names[i], value);
	}
	return env;
}

static void free_env(char ***env)
{
	for (char **e = *env; e && *e; e++)
		free(*e);
	free(*env);
}

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* The program's path, to be freed: as it is when it has a slash, otherwise the first in PATH. */
static char *find_program(const char *name, const char *path)
{
	if (strchr(name, '/'))
		return strdup(name);
	if (!path)
		path = "/usr/local/bin:/usr/bin:/bin";
	for (size_t len; *name; path += len + 1) {
		OWN_MEM char *full = NULL;

		len = strcspn(path, ":");
		full = str_format("%.*s/%s", len ? (int)len : 1, len ? path : ".", name);
		if (!full || is_program(full))
			return TAKE(full);
		if (!path[len])
			return NULL;
	}
	return NULL;
}

/* Descriptors of the child: *ret_child to be closed by us after the start. */
static int open_stream(
	struct proc *p, struct stream *s, bool read_it, int *ret_child, struct err *err)
{
	int fds[2];

	if (!read_it) {
		*ret_child = p->log_fd >= 0 ? fcntl(p->log_fd, F_DUPFD_CLOEXEC, 3) : -1;
		return p->log_fd >= 0 && *ret_child < 0 ? err_errno(err, "dup") : 0;
	}
	if (pipe2(fds, O_CLOEXEC))
		return err_errno(err, "pipe");
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	s->fd = fds[0];
	*ret_child = fds[1];
	return 0;
}

static int launch(struct proc *p, const struct proc_spec *spec, bool read_out, struct err *err)
{
	OWN(free_env) char **own_env = NULL;
	OWN_MEM char *path = NULL;
	OWN_FD int out = -1;
	OWN_FD int error = -1;
	struct keeper_spec k = { .argv = spec->argv, .env = spec->env, .cwd = spec->cwd };

	if (!spec->env) {
		own_env = minimal_env();
		if (!own_env)
			return err_set(err, ERR_NOMEM, "%s: no memory", p->name);
		k.env = (const char *const *)own_env;
	}
	path = find_program(spec->argv[0], env_of(k.env, "PATH"));
	if (!path)
		return err_set(
			err, ERR_NOT_FOUND, "there is no program \"%s\" in PATH", spec->argv[0]);
	if (spec->log_path) {
		p->log_fd = open(spec->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (p->log_fd < 0)
			return err_errno(err, "%s: log %s", p->name, spec->log_path);
	}
	if (open_stream(p, &p->streams[0], read_out || spec->on_line, &out, err) ||
		open_stream(p, &p->streams[1], read_out || spec->on_line, &error, err))
		return -1;
	k.path = path;
	k.in_fd = spec->in_fd > 0 ? spec->in_fd : -1;
	k.out_fd = out;
	k.err_fd = error;
	if (keeper_start(&k, &p->keeper, err))
		return -1;
	p->pid = p->keeper.pid;
	return 0;
}

static int start(
	const struct proc_spec *spec, bool read_out, struct proc **ret_proc, struct err *err)
{
	struct proc *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(err, ERR_NOMEM, "%s: no memory", spec->argv[0]);
	p->log_fd = p->streams[0].fd = p->streams[1].fd = -1;
	for (int i = 0; i < 2; i++)
		buf_init(&p->streams[i].line, LINE_BYTES);
	p->on_line = spec->on_line;
	p->arg = spec->arg;
	p->name = strdup(spec->argv[0]);
	if (!p->name || launch(p, spec, read_out, err)) {
		if (!p->name)
			err_set(err, ERR_NOMEM, "%s: no memory", spec->argv[0]);
		proc_free(p);
		return -1;
	}
	*ret_proc = p;
	return 0;
}

int proc_start(const struct proc_spec *spec, struct proc **ret_proc, struct err *err)
{
	return start(spec, false, ret_proc, err);
}

pid_t proc_pid(const struct proc *p)
{
	return p->pid;
}

/* --- reading ---------------------------------------------------------------------------------- */

static void end_line(struct proc *p, struct stream *s)
{
	if (p->on_line)
		p->on_line(p->arg, s == &p->streams[1], buf_str(&s->line));
	buf_reset(&s->line);
	s->cut = false;
}

static void take_lines(struct proc *p, struct stream *s, const char *data, size_t len)
{
	while (len) {
		const char *end = memchr(data, '\n', len);
		size_t part = end ? (size_t)(end - data) : len;
		size_t room = LINE_BYTES - s->line.len;

		if (part > room)
			s->cut = true;
		buf_add(&s->line, data, part > room ? room : part);
		if (end)
			end_line(p, s);
		part += end ? 1 : 0;
		data += part;
		len -= part;
	}
}

static void log_bytes(int fd, const char *data, size_t len)
{
	while (fd >= 0 && len) {
		ssize_t put = write(fd, data, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return; /* a full disk must not end the child */
		data += put;
		len -= (size_t)put;
	}
}

static void end_stream(struct proc *p, struct stream *s)
{
	if (s->line.len || s->cut)
		end_line(p, s);
	close(TAKE_FD(s->fd));
}

/* Reads what is there. At most `rounds` chunks, so that a flood cannot hide a deadline. */
static void read_stream(struct proc *p, struct stream *s, int rounds)
{
	char chunk[16384];

	while (s->fd >= 0 && rounds--) {
		ssize_t got = read(s->fd, chunk, sizeof(chunk));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return;
		if (got <= 0) {
			end_stream(p, s);
			return;
		}
		log_bytes(p->log_fd, chunk, (size_t)got);
		if (s->whole)
			buf_add(s->whole, chunk, (size_t)got);
		else
			take_lines(p, s, chunk, (size_t)got);
	}
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Waits for output, the end, `stop` (when it still matters) or `until`. */
static void wait_for_news(struct proc *p, struct stop *stop, int64_t until)
{
	struct pollfd fds[4] = { { .fd = p->streams[0].fd, .events = POLLIN },
		{ .fd = p->streams[1].fd, .events = POLLIN },
		{ .fd = p->keeper.fd, .events = POLLIN },
		{ .fd = stop ? stop_fd(stop) : -1, .events = POLLIN } };
	int64_t left = until - clock_now_ns();
	struct timespec ts;

	if (left < 0)
		left = 0;
	ts.tv_sec = left / NS_PER_S;
	ts.tv_nsec = left % NS_PER_S;
	if (ppoll(fds, 4, &ts, NULL) <= 0)
		return;
	read_stream(p, &p->streams[0], 64);
	read_stream(p, &p->streams[1], 64);
	if (fds[2].revents)
		p->ended = keeper_ended(&p->keeper, &p->status);
}

/* All writers are gone: what is in the pipes is all there will be. */
static void drain(struct proc *p)
{
	for (int i = 0; i < 2; i++) {
		struct stream *s = &p->streams[i];

		read_stream(p, s, 4096);
		if (s->fd >= 0)
			end_stream(p, s);
	}
}

static void set_result(const struct proc *p, struct proc_result *ret)
{
	ret->how = p->how == PROC_EXITED && WIFSIGNALED(p->status) ? PROC_SIGNALED : p->how;
	ret->code = WIFSIGNALED(p->status) ? WTERMSIG(p->status) : WEXITSTATUS(p->status);
}

int proc_wait(struct proc *p, struct stop *stop, int64_t deadline_ns, int64_t grace_ms,
	struct proc_result *ret_result, struct err *err)
{
	enum { RUNNING, TERMINATED, KILLED } state = RUNNING;
	int64_t until = deadline_ns;

	while (!p->ended) {
		bool stopped = state == RUNNING && stop_requested(stop);

		if (!stopped && clock_now_ns() < until) {
			wait_for_news(p, state == RUNNING ? stop : NULL, until);
			continue;
		}
		if (state == KILLED)
			return err_set(err, ERR_IO,
				"%s (pid %d) does not die: it hangs in the kernel", p->name,
				(int)p->pid);
		if (state == RUNNING)
			p->how = stopped ? PROC_STOPPED : PROC_DEADLINE;
		state = state == RUNNING && grace_ms > 0 ? TERMINATED : KILLED;
		keeper_signal(&p->keeper, state == TERMINATED ? SIGTERM : SIGKILL, true);
		until = clock_now_ns() +
			(state == TERMINATED ? grace_ms * NS_PER_MS : DIE_WITHIN_NS);
	}
	drain(p);
	set_result(p, ret_result);
	return 0;
}

void proc_free(struct proc *p)
{
	if (!p)
		return;
	keeper_end(&p->keeper);
	for (int i = 0; i < 2; i++) {
		own_close(&p->streams[i].fd);
		buf_done(&p->streams[i].line);
	}
	own_close(&p->log_fd);
	free(p->name);
	free(p);
}

/* --- run -------------------------------------------------------------------------------------- */

static void keep_last(void *arg, bool is_err, const char *line)
{
	char *last = arg;

	if (is_err && *line)
		snprintf(last, 256, "%s", line);
}

static int judge(const char *name, const struct proc_result *result, int64_t timeout_ms,
	const char *last, struct err *err)
{
	const char *colon = *last ? ": " : "";

	switch (result->how) {
	case PROC_EXITED:
		if (!result->code)
			return 0;
		return err_set(
			err, ERR_IO, "%s: exit code %d%s%s", name, result->code, colon, last);
	case PROC_SIGNALED:
		return err_set(err, ERR_IO, "%s: ended by signal %d (%s)%s%s", name, result->code,
			strsignal(result->code), colon, last);
	case PROC_DEADLINE:
		return err_set(err, ERR_TIMEOUT, "%s: not done within %" PRId64 " ms%s%s", name,
			timeout_ms, colon, last);
	case PROC_STOPPED:
		break;
	}
	return err_set(err, ERR_STOPPED, "%s: stopped", name);
}

int proc_run(const struct proc_spec *spec, struct stop *stop, int64_t timeout_ms, size_t max_bytes,
	char **ret_out, struct err *err)
{
	struct proc_spec own = *spec;
	struct proc_result result;
	char last[256] = "";
	OWN_BUF struct buf out;
	struct proc *p;
	int failed;

	buf_init(&out, max_bytes);
	own.on_line = keep_last;
	own.arg = last;
	if (start(&own, true, &p, err))
		return -1;
	p->streams[0].whole = &out;
	failed = proc_wait(p, stop,
		timeout_ms > 0 ? clock_now_ns() + timeout_ms * NS_PER_MS : INT64_MAX, 2000, &result,
		err);
	proc_free(p);
	if (failed || judge(spec->argv[0], &result, timeout_ms, last, err))
		return -1;
	if (ret_out && buf_failed(&out))
		return err_set(err, ERR_NOMEM, "%s: it said more than %zu bytes", spec->argv[0],
			max_bytes);
	if (ret_out)
		*ret_out = buf_take(&out);
	if (ret_out && !*ret_out)
		return err_set(err, ERR_NOMEM, "%s: no memory", spec->argv[0]);
	return 0;
}
