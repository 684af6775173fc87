/* Temporary folders: private, and gone with all that is in them, however their maker ends. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/own.h"
#include "base/stop.h"
#include "base/tempdir.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define LONG_NS (60 * NS_PER_S)

static bool is_there(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static void put(const char *dir, const char *name)
{
	OWN_MEM char *path = str_format("%s/%s", dir, name);

	assert_int_equal(buf_write_file(path, "x", 1, NULL), 0);
}

/* A tree with what is hard to remove in it. */
static void fill(const char *dir, const char *outside)
{
	OWN_MEM char *sub = str_format("%s/sub", dir), *deep = str_format("%s/sub/deep", dir);
	OWN_MEM char *link = str_format("%s/link", dir), *locked = str_format("%s/locked", dir);

	assert_int_equal(mkdir(sub, 0700), 0);
	assert_int_equal(mkdir(deep, 0700), 0);
	assert_int_equal(mkdir(locked, 0700), 0);
	put(dir, "file");
	put(deep, "file");
	put(locked, "file");
	assert_int_equal(chmod(locked, 0), 0);
	assert_int_equal(symlink(outside, link), 0);
}

static void test_made_and_removed(void **state)
{
	struct tempdir dir = { 0 }, other = { 0 };
	struct stat st;
	OWN_MEM char *path = NULL;

	(void)state;
	assert_int_equal(tempdir_new("crumble-test", &other, NULL), 0);
	put(other.path, "stays");
	assert_int_equal(tempdir_new("crumble-test", &dir, NULL), 0);
	assert_string_not_equal(dir.path, other.path);
	assert_int_equal(stat(dir.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	path = strdup(dir.path);
	fill(path, other.path);
	tempdir_done(&dir);
	assert_false(is_there(path));
	free(path);
	path = str_format("%s/stays", other.path); /* the link was not followed */
	assert_true(is_there(path));
	tempdir_done(&other);
	tempdir_done(&other);
	tempdir_done(NULL);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie of ours is left */
	assert_int_equal(errno, ECHILD);
}

static void test_guard_killed(void **state)
{
	struct tempdir dir = { 0 };
	OWN_MEM char *path = NULL;

	(void)state;
	assert_int_equal(tempdir_new("crumble-test", &dir, NULL), 0);
	path = strdup(dir.path);
	put(path, "file");
	assert_int_equal(kill(dir.guard, SIGTERM), 0); /* a group's signal does not reach it */
	assert_int_equal(kill(dir.guard, SIGKILL), 0);
	tempdir_done(&dir);
	assert_false(is_there(path));
}

static void test_nowhere(void **state)
{
	struct tempdir dir = { 0 };
	struct err err = { 0 };

	(void)state;
	setenv("TMPDIR", "/no/such/folder", 1);
	assert_int_equal(tempdir_new("crumble-test", &dir, &err), -1);
	assert_non_null(strstr(err.text, "/no/such/folder"));
	setenv("TMPDIR", "/proc", 1);
	assert_int_equal(tempdir_new("crumble-test", &dir, &err), -1);
	assert_non_null(strstr(err.text, "/proc/crumble-test-"));
	unsetenv("TMPDIR");
}

/* The maker, in a process of its own: says the folder's path and waits to be killed. */
static void make_and_hang(int to)
{
	struct tempdir dir = { 0 };

	if (tempdir_new("crumble-test", &dir, NULL))
		_exit(1);
	fill(dir.path, "/");
	if (write(to, dir.path, strlen(dir.path) + 1) < 0)
		_exit(1);
	for (;;)
		pause();
}

static void test_we_are_killed(void **state)
{
	int64_t until = clock_now_ns() + LONG_NS;
	char path[4096] = "";
	int ends[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0)
		make_and_hang(ends[1]);
	assert_true(pid > 0);
	assert_true(read(ends[0], path, sizeof(path) - 1) > 1);
	assert_true(is_there(path));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (is_there(path) && clock_now_ns() < until)
		stop_wait(NULL, 2);
	assert_false(is_there(path));
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_and_removed),
		cmocka_unit_test(test_guard_killed),
		cmocka_unit_test(test_nowhere),
		cmocka_unit_test(test_we_are_killed),
	};

	return cmocka_run_group_tests_name("tempdir", tests, NULL, NULL);
}
