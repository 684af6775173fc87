/*
 * Child processes: what they get, what they say, and above all that they end: at a deadline, with
 * their leader, and with us, however we die. A second process of this program is killed for that.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/keeper.h"
#include "base/own.h"
#include "base/proc.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define LONG_MS 60000 /* longer than any test: a deadline that must not be what ends it */

static char folder[64];

static int set_up(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/crumble-test-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	const char *const argv[] = { "rm", "-rf", folder, NULL };
	const struct proc_spec spec = { .argv = argv };

	(void)state;
	return proc_run(&spec, NULL, LONG_MS, 0, NULL, NULL);
}

static int64_t in_ms(int64_t ms)
{
	return clock_now_ns() + ms * NS_PER_MS;
}

static char *in_folder(const char *name)
{
	return str_format("%s/%s", folder, name);
}

/* True when no such process runs (one that nobody has reaped yet does not run). */
static bool is_gone(pid_t pid)
{
	OWN_MEM char *path = str_format("/proc/%d/stat", (int)pid);
	OWN_MEM char *text = NULL;
	const char *bracket;

	if (buf_read_file(path, 4096, &text, NULL, NULL))
		return true;
	bracket = strrchr(text, ')');
	return bracket && bracket[2] == 'Z';
}

static void wait_gone(pid_t pid)
{
	int64_t until = in_ms(LONG_MS), pause_ms = 1;

	for (; !is_gone(pid) && clock_now_ns() < until;
		pause_ms = pause_ms < 64 ? 2 * pause_ms : 64)
		stop_wait(NULL, pause_ms);
	assert_true(is_gone(pid));
}

/* The pid that a script wrote into a file, once it is there whole. */
static pid_t read_pid(const char *name)
{
	OWN_MEM char *path = in_folder(name);
	int64_t until = in_ms(LONG_MS), pause_ms = 1;

	for (; clock_now_ns() < until; pause_ms = pause_ms < 64 ? 2 * pause_ms : 64) {
		OWN_MEM char *text = NULL;

		if (!buf_read_file(path, 64, &text, NULL, NULL) && strchr(text, '\n'))
			return (pid_t)strtol(text, NULL, 10);
		stop_wait(NULL, pause_ms);
	}
	fail_msg("%s: no process wrote its number", path);
	return -1;
}

struct heard {
	struct buf out, err;
	size_t lines, longest;
};

static void hear(void *arg, bool is_err, const char *line)
{
	struct heard *heard = arg;

	heard->lines++;
	if (strlen(line) > heard->longest)
		heard->longest = strlen(line);
	buf_addf(is_err ? &heard->err : &heard->out, "%s|", line);
}

static void heard_init(struct heard *heard)
{
	*heard = (struct heard){ 0 };
	buf_init(&heard->out, 1 << 20);
	buf_init(&heard->err, 1 << 20);
}

static void heard_done(struct heard *heard)
{
	buf_done(&heard->out);
	buf_done(&heard->err);
}

#define SHELL(script) ((const char *const[]){ "sh", "-c", script, NULL })

static struct proc *start(const struct proc_spec *spec)
{
	struct proc *p = NULL;
	struct err err = { 0 };

	if (proc_start(spec, &p, &err))
		fail_msg("%s", err.text);
	return p;
}

static struct proc_result wait_for(struct proc *p, int64_t ms, int64_t grace_ms)
{
	struct proc_result result = { 0 };
	struct err err = { 0 };

	if (proc_wait(p, NULL, in_ms(ms), grace_ms, &result, &err))
		fail_msg("%s", err.text);
	return result;
}

/* In the test's folder, heard. */
static struct proc_result run(const char *script, int64_t ms, int64_t grace_ms, struct heard *heard)
{
	const struct proc_spec spec = {
		.argv = SHELL(script), .cwd = folder, .on_line = heard ? hear : NULL, .arg = heard
	};
	struct proc *p = start(&spec);
	struct proc_result result = wait_for(p, ms, grace_ms);

	proc_free(p);
	return result;
}

/* --- what it says and how it ends --------------------------------------------------------------
 */

static void test_ends(void **state)
{
	struct proc_result r = run("exit 7", LONG_MS, 0, NULL);

	(void)state;
	assert_int_equal(r.how, PROC_EXITED);
	assert_int_equal(r.code, 7);
	r = run("kill -USR1 $$", LONG_MS, 0, NULL);
	assert_int_equal(r.how, PROC_SIGNALED);
	assert_int_equal(r.code, SIGUSR1);
}

static void test_lines(void **state)
{
	struct heard heard;

	(void)state;
	heard_init(&heard);
	run("echo one; echo >&2 bad; printf 'two\\n\\nlast'", LONG_MS, 0, &heard);
	assert_string_equal(buf_str(&heard.out), "one|two||last|");
	assert_string_equal(buf_str(&heard.err), "bad|");
	heard_done(&heard);
	heard_init(&heard);
	run("head -c 200000 /dev/zero | tr '\\0' x; echo; echo next", LONG_MS, 0, &heard);
	assert_int_equal(heard.lines, 2);
	assert_int_equal(heard.longest, 65536);
	assert_non_null(strstr(buf_str(&heard.out), "x|next|"));
	heard_done(&heard);
}

static void test_log(void **state)
{
	OWN_MEM char *path = in_folder("log");
	OWN_MEM char *text = NULL;
	struct proc_spec spec = { .argv = SHELL("echo out; echo err >&2"), .log_path = path };
	struct heard heard;
	struct stat st;
	struct proc *p = start(&spec);

	(void)state;
	wait_for(p, LONG_MS, 0);
	proc_free(p);
	heard_init(&heard);
	spec.on_line = hear;
	spec.arg = &heard;
	p = start(&spec);
	wait_for(p, LONG_MS, 0);
	proc_free(p);
	assert_int_equal(buf_read_file(path, 1000, &text, NULL, NULL), 0);
	assert_int_equal(strlen(text), 16); /* twice: appended, whether somebody listens or not */
	assert_int_equal(heard.lines, 2);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	heard_done(&heard);
}

static void test_flood_keeps_deadline(void **state)
{
	struct heard heard;
	struct proc_result r;

	(void)state;
	heard_init(&heard);
	r = run("yes", 200, 0, &heard);
	assert_int_equal(r.how, PROC_DEADLINE);
	assert_true(heard.lines > 0);
	heard_done(&heard);
}

/* --- what it gets ----------------------------------------------------------------------------- */

static void test_environment(void **state)
{
	static const char *const own[] = { "ONLY=this", NULL };
	const char *const argv[] = { "env", NULL };
	struct proc_spec spec = { .argv = argv };
	OWN_MEM char *minimal = NULL;
	OWN_MEM char *whole = NULL;

	(void)state;
	setenv("OS_PASSWORD", "s3cret", 1);
	setenv("no_proxy", "inside", 1);
	assert_int_equal(proc_run(&spec, NULL, LONG_MS, 65536, &minimal, NULL), 0);
	unsetenv("OS_PASSWORD");
	unsetenv("no_proxy");
	assert_non_null(strstr(minimal, "PATH="));
	assert_non_null(strstr(minimal, "no_proxy=inside\n"));
	assert_null(strstr(minimal, "s3cret"));
	spec.env = own;
	assert_int_equal(proc_run(&spec, NULL, LONG_MS, 65536, &whole, NULL), 0);
	assert_string_equal(whole, "ONLY=this\n");
}

/* The two that glibc keeps for itself: make hands them down ignored. */
static void disposition_of_hidden(void (*handler)(int))
{
	uint64_t action[8] = { (uintptr_t)handler };

	for (int i = 32; i <= 33; i++)
		assert_int_equal(syscall(SYS_rt_sigaction, i, action, NULL, 8), 0);
}

/* Signals, descriptors and session as they should be, whatever ours are. */
static void test_clean_start(void **state)
{
	const struct proc_spec spec = { .argv = SHELL("grep -E '^Sig(Blk|Ign)' /proc/self/status;"
						      "ls /proc/self/fd; cat;"
						      "ps -o pid=,pgid=,sid= -p $$") };
	OWN_MEM char *out = NULL;
	int pid = 0, group = 0, session = 0;
	const char *rest;
	sigset_t block, before;
	struct err err = { 0 };
	int leak[2];

	(void)state;
	assert_int_equal(pipe(leak), 0); /* without CLOEXEC on purpose */
	signal(SIGPIPE, SIG_IGN);
	disposition_of_hidden(SIG_IGN);
	sigfillset(&block);
	pthread_sigmask(SIG_BLOCK, &block, &before);
	if (proc_run(&spec, NULL, LONG_MS, 65536, &out, &err))
		fail_msg("%s", err.text);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	disposition_of_hidden(SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	close(leak[0]);
	close(leak[1]);
	rest = "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n0\n1\n2\n3\n";
	assert_int_equal(strncmp(out, rest, strlen(rest)), 0); /* 3 is ls's own */
	assert_int_equal(sscanf(out + strlen(rest), "%d %d %d", &pid, &group, &session), 3);
	assert_true(pid > 0 && pid == group && pid == session);
}

static void test_cannot_start(void **state)
{
	OWN_MEM char *plain = in_folder("plain");
	OWN_MEM char *script = in_folder("script");
	const struct {
		struct proc_spec spec;
		enum err_code code;
		const char *says;
	} cases[] = {
		{ { .argv = (const char *const[]){ "no-such-thing", NULL } }, ERR_NOT_FOUND,
			"no-such-thing" },
		{ { .argv = (const char *const[]){ "/no/such/thing", NULL } }, ERR_NOT_FOUND,
			"/no/such/thing" },
		{ { .argv = (const char *const[]){ plain, NULL } }, ERR_IO, "Permission" },
		{ { .argv = (const char *const[]){ script, NULL } }, ERR_IO, "Exec format" },
		{ { .argv = SHELL("true"), .cwd = "/no/folder" }, ERR_IO, "/no/folder" },
		{ { .argv = SHELL("true"), .log_path = "/no/folder/log" }, ERR_IO,
			"/no/folder/log" },
	};

	(void)state;
	assert_int_equal(buf_write_file(plain, "x", 1, NULL), 0);
	assert_int_equal(buf_write_file(script, "x", 1, NULL), 0);
	assert_int_equal(chmod(script, 0700), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct proc *p = NULL;
		struct err err = { 0 };

		assert_int_equal(proc_start(&cases[i].spec, &p, &err), -1);
		assert_null(p);
		assert_int_equal(err.code, cases[i].code);
		assert_non_null(strstr(err.text, cases[i].says));
	}
}

/* --- the end of a group ----------------------------------------------------------------------- */

#define LEAVE_BEHIND                                                                            \
	"sleep 1000 & echo $! > a;"                                                             \
	"setsid sleep 1000 & echo $! > b;"                                                      \
	"setsid sh -c 'trap \"\" TERM HUP INT; (setsid sleep 1000 & echo $! > d); echo $$ > c;" \
	" while :; do sleep 1; done' &"                                                         \
	"while ! [ -s c ]; do sleep 0.01; done;"

static void test_leaves_nothing(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	struct proc_result r = run(LEAVE_BEHIND "exit 3", LONG_MS, 0, NULL);

	(void)state;
	assert_int_equal(r.how, PROC_EXITED);
	assert_int_equal(r.code, 3);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_true(is_gone(read_pid(names[i])));
}

static void test_deadline(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	struct proc_result r;

	(void)state;
	r = run("trap '' TERM;" LEAVE_BEHIND "sleep 1000; sleep 1000", 500, 200, NULL);
	assert_int_equal(r.how, PROC_DEADLINE);
	assert_int_equal(r.code, SIGKILL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_true(is_gone(read_pid(names[i])));
	r = run("trap 'exit 5' TERM; while :; do sleep 0.01; done", 100, LONG_MS, NULL);
	assert_int_equal(r.how, PROC_DEADLINE);
	assert_int_equal(r.code, 5);
}

/* After SIGTERM a descendant may clean up, also when the leader was quicker. */
static void test_grace_is_for_all(void **state)
{
	OWN_MEM char *done = in_folder("done");

	(void)state;
	run("(trap 'sleep 0.2; touch done; exit' TERM; touch ready; while :; do sleep 0.01; done) &"
	    "while ! [ -e ready ]; do sleep 0.01; done; sleep 1000",
		1000, LONG_MS, NULL);
	assert_int_equal(access(done, F_OK), 0);
}

static void *request_stop(void *arg)
{
	stop_wait(NULL, 50);
	stop_request(arg, SIGTERM);
	return NULL;
}

static void test_stop(void **state)
{
	const struct proc_spec spec = { .argv = SHELL("sleep 1000") };
	struct proc_result result;
	struct stop *stop = NULL;
	struct err err = { 0 };
	struct proc *p = start(&spec);
	pthread_t thread;

	(void)state;
	assert_int_equal(stop_new(NULL, &stop, NULL), 0);
	pthread_create(&thread, NULL, request_stop, stop);
	assert_int_equal(proc_wait(p, stop, INT64_MAX, LONG_MS, &result, &err), 0);
	assert_int_equal(result.how, PROC_STOPPED);
	assert_int_equal(result.code, SIGTERM);
	pthread_join(thread, NULL);
	proc_free(p);
	assert_int_equal(proc_run(&spec, stop, LONG_MS, 0, NULL, &err), -1);
	assert_int_equal(err.code, ERR_STOPPED);
	stop_free(stop);
}

static void test_free_ends_it(void **state)
{
	const struct proc_spec spec = { .argv = SHELL("trap '' TERM HUP; sleep 1000") };
	struct proc *p = start(&spec);
	pid_t pid = proc_pid(p);

	(void)state;
	assert_false(is_gone(pid));
	proc_free(p);
	assert_true(is_gone(pid));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie of ours is left */
	assert_int_equal(errno, ECHILD);
	proc_free(NULL);
}

/* --- proc_run --------------------------------------------------------------------------------- */

static void expect_error(
	const char *script, int64_t ms, size_t max, enum err_code code, const char *says)
{
	const struct proc_spec spec = { .argv = SHELL(script) };
	OWN_MEM char *out = NULL;
	struct err err = { 0 };

	assert_int_equal(proc_run(&spec, NULL, ms, max, &out, &err), -1);
	assert_null(out);
	assert_int_equal(err.code, code);
	assert_non_null(strstr(err.text, says));
	assert_int_equal(strncmp(err.text, "sh: ", 4), 0);
}

static void test_run(void **state)
{
	const struct proc_spec spec = { .argv = SHELL("printf 'a\\nb'; echo noise >&2") };
	OWN_MEM char *out = NULL;

	(void)state;
	assert_int_equal(proc_run(&spec, NULL, LONG_MS, 3, &out, NULL), 0);
	assert_string_equal(out, "a\nb");
	assert_int_equal(proc_run(&spec, NULL, LONG_MS, 0, NULL, NULL), 0);
	expect_error("echo 1; echo first >&2; echo why >&2; exit 9", LONG_MS, 100, ERR_IO,
		"exit code 9: why");
	expect_error("kill -KILL $$", LONG_MS, 100, ERR_IO, "signal 9");
	expect_error("echo stuck >&2; sleep 1000", 300, 100, ERR_TIMEOUT, "within 300 ms: stuck");
	expect_error("echo 12345", LONG_MS, 5, ERR_NOMEM, "more than 5 bytes");
}

static void *run_twenty(void *arg)
{
	const struct proc_spec spec = { .argv = SHELL("echo $$; sleep 1000 & exit 0") };

	for (int i = 0; i < 20; i++) {
		OWN_MEM char *out = NULL;

		if (proc_run(&spec, NULL, LONG_MS, 100, &out, NULL) || atoi(out) <= 1)
			++*(int *)arg;
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[6];
	int failed[6] = { 0 };

	(void)state;
	for (int i = 0; i < 6; i++)
		pthread_create(&threads[i], NULL, run_twenty, &failed[i]);
	for (int i = 0; i < 6; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(failed[i], 0);
	}
}

/* --- however we die --------------------------------------------------------------------------- */

/* What the second process of this program does: three children with offspring, then nothing. */
static int start_and_hang(const char *where)
{
	for (int i = 0; i < 3; i++) {
		OWN_MEM char *sub = str_format("%s/%d", where, i);
		const struct proc_spec spec = {
			.argv = SHELL(LEAVE_BEHIND "echo $$ > e; sleep 1000"), .cwd = sub
		};
		struct proc *p;

		mkdir(sub, 0700);
		if (proc_start(&spec, &p, NULL))
			return 1;
	}
	for (;;)
		pause();
}

static void die_by(int signal)
{
	static const char *const names[] = { "a", "b", "c", "d", "e" };
	pid_t pid = fork(), pids[3][ARRAY_LEN(names)];

	assert_true(pid >= 0);
	if (pid == 0) {
		execl("/proc/self/exe", "test_proc", "--start-and-hang", folder, NULL);
		_exit(127);
	}
	for (int i = 0; i < 3; i++)
		for (size_t n = 0; n < ARRAY_LEN(names); n++) {
			OWN_MEM char *name = str_format("%d/%s", i, names[n]);

			pids[i][n] = read_pid(name);
			assert_false(is_gone(pids[i][n]));
		}
	kill(pid, signal);
	waitpid(pid, NULL, 0);
	for (int i = 0; i < 3; i++)
		for (size_t n = 0; n < ARRAY_LEN(names); n++)
			wait_gone(pids[i][n]);
}

static void test_we_are_killed(void **state)
{
	(void)state;
	die_by(SIGKILL);
}

static void test_we_crash(void **state)
{
	(void)state;
	die_by(SIGABRT);
}

static void test_keeper_killed(void **state)
{
	OWN_MEM char *script = str_format("cd %s; sleep 1000 & echo $! > a; wait", folder);
	const struct keeper_spec spec = { .path = "/bin/sh",
		.argv = SHELL(script),
		.env = (const char *const[]){ "PATH=/usr/bin:/bin", NULL },
		.in_fd = -1,
		.out_fd = -1,
		.err_fd = -1 };
	struct keeper keeper = { 0 };
	int64_t until = in_ms(LONG_MS);
	int status = 0;
	pid_t pid, other;

	(void)state;
	assert_int_equal(keeper_start(&spec, &keeper, NULL), 0);
	pid = keeper.pid;
	other = read_pid("a");
	assert_false(keeper_ended(&keeper, &status));
	kill(keeper.keeper_pid, SIGKILL);
	while (!keeper_ended(&keeper, &status) && clock_now_ns() < until)
		stop_wait(NULL, 1);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	wait_gone(pid);
	wait_gone(other);
	assert_true(keeper_end(&keeper)); /* nothing to do any more */
	assert_true(keeper_end(NULL));
}

static void test_keeper_signals_child_alone(void **state)
{
	OWN_MEM char *told = in_folder("told");
	OWN_MEM char *script = str_format(
		"cd %s; (trap 'touch told' TERM; echo $! > r;"
		"while :; do sleep 0.01; done) &"
		"trap 'exit 4' TERM; echo $! > a; while :; do sleep 0.01; done",
		folder);
	const struct keeper_spec spec = { .path = "/bin/sh",
		.argv = SHELL(script),
		.env = (const char *const[]){ "PATH=/usr/bin:/bin", NULL },
		.in_fd = -1,
		.out_fd = -1,
		.err_fd = -1 };
	struct keeper keeper = { 0 };
	int64_t until = in_ms(LONG_MS);
	int status = 0;
	pid_t other;

	(void)state;
	assert_int_equal(keeper_start(&spec, &keeper, NULL), 0);
	read_pid("r");
	other = read_pid("a");
	keeper_signal(&keeper, SIGTERM, false);
	while (!keeper_ended(&keeper, &status) && clock_now_ns() < until)
		stop_wait(NULL, 1);
	assert_int_equal(WEXITSTATUS(status), 4);
	assert_true(is_gone(other));
	assert_int_equal(access(told, F_OK), -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ends),
		TEST(test_lines),
		TEST(test_log),
		TEST(test_flood_keeps_deadline),
		TEST(test_environment),
		TEST(test_clean_start),
		TEST(test_cannot_start),
		TEST(test_leaves_nothing),
		TEST(test_deadline),
		TEST(test_grace_is_for_all),
		TEST(test_stop),
		TEST(test_free_ends_it),
		TEST(test_run),
		TEST(test_threads),
		TEST(test_we_are_killed),
		TEST(test_we_crash),
		TEST(test_keeper_killed),
		TEST(test_keeper_signals_child_alone),
	};

	if (argc == 3 && !strcmp(argv[1], "--start-and-hang"))
		return start_and_hang(argv[2]);
	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
