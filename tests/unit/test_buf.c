/* Buffers: never past their maximum, always terminated, errors that stick; whole files. */
#include "base/buf.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static void test_grows_to_maximum(void **state)
{
	OWN_BUF struct buf b;

	(void)state;
	buf_init(&b, 1000);
	assert_string_equal(buf_str(&b), "");
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(buf_add(&b, "x", 1), 0);
		assert_int_equal(b.data[b.len], '\0');
	}
	assert_int_equal(b.len, 1000);
	assert_int_equal(buf_add(&b, "", 0), 0);
	assert_int_equal(buf_add(&b, "y", 1), -1);
	assert_true(buf_failed(&b));
	assert_int_equal(buf_add(&b, "", 0), -1); /* it sticks */
	assert_null(buf_take(&b));
	assert_int_equal(strlen(buf_str(&b)), 1000);
	buf_reset(&b);
	assert_false(buf_failed(&b));
	assert_int_equal(buf_addf(&b, "%d-%s", 7, "a"), 0);
	assert_string_equal(buf_str(&b), "7-a");
}

static void test_huge_length(void **state)
{
	OWN_BUF struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_int_equal(buf_add_str(&b, "abc"), 0);
	assert_int_equal(buf_add(&b, "x", SIZE_MAX), -1); /* no overflow of the sum */
	assert_string_equal(buf_str(&b), "abc");
}

static void test_format_past_maximum(void **state)
{
	OWN_BUF struct buf b;

	(void)state;
	buf_init(&b, 5);
	assert_int_equal(buf_addf(&b, "%s", "12345"), 0);
	assert_int_equal(buf_addf(&b, "%s", "6"), -1);
	assert_true(buf_failed(&b));
	assert_string_equal(buf_str(&b), "12345");
}

static void test_drop_and_take(void **state)
{
	OWN_BUF struct buf b;
	OWN_MEM char *text = NULL;
	OWN_MEM char *nothing = NULL;

	(void)state;
	buf_init(&b, 100);
	buf_add(&b, "a\0bcd", 5);
	buf_drop(&b, 2);
	assert_string_equal(buf_str(&b), "bcd");
	buf_drop(&b, 0);
	text = buf_take(&b);
	assert_string_equal(text, "bcd");
	assert_int_equal(b.len, 0);
	nothing = buf_take(&b); /* an empty buffer still gives a text */
	assert_string_equal(nothing, "");
	buf_add_str(&b, "again");
	buf_drop(&b, 99);
	assert_string_equal(buf_str(&b), "");
	buf_done(&b);
	buf_done(&b);
	buf_done(NULL);
}

static void test_files(void **state)
{
	char folder[] = "/tmp/crumble-test-XXXXXX";
	OWN_MEM char *path = NULL;
	OWN_MEM char *tmp = NULL;
	OWN_MEM char *data = NULL;
	char *none = NULL;
	struct err err = { 0 };
	struct stat st;
	size_t len = 0;

	(void)state;
	assert_non_null(mkdtemp(folder));
	path = str_format("%s/file", folder);
	tmp = str_format("%s.tmp", path);
	assert_int_equal(buf_write_file(path, "old and longer", 14, &err), 0);
	assert_int_equal(buf_write_file(path, "a\0b", 3, &err), 0);
	assert_int_equal(access(tmp, F_OK), -1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(buf_read_file(path, 3, &data, &len, &err), 0);
	assert_int_equal(len, 3);
	assert_memory_equal(data, "a\0b", 4);
	assert_int_equal(buf_read_file(path, 2, &none, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOMEM);
	assert_int_equal(buf_read_file(folder, 99, &none, NULL, &err), -1);
	assert_int_equal(err.code, ERR_IO);
	unlink(path);
	assert_int_equal(buf_read_file(path, 99, &none, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_non_null(strstr(err.text, path));
	rmdir(folder);
	assert_int_equal(buf_write_file(path, "x", 1, &err), -1);
	assert_int_equal(err.code, ERR_IO);
	assert_null(none);
}

/* Too little room (a limit on file sizes stands in for a full disk): the old file stays whole. */
static void test_no_room(void **state)
{
	char folder[] = "/tmp/crumble-test-XXXXXX";
	struct rlimit before, small;
	OWN_MEM char *path = NULL;
	OWN_MEM char *tmp = NULL;
	OWN_MEM char *data = NULL;
	struct err err = { 0 };
	static const char big[8192];
	int failed;

	(void)state;
	assert_non_null(mkdtemp(folder));
	path = str_format("%s/file", folder);
	tmp = str_format("%s.tmp", path);
	assert_int_equal(buf_write_file(path, "old", 3, &err), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small = (struct rlimit){ .rlim_cur = 4096, .rlim_max = before.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);
	failed = buf_write_file(path, big, sizeof(big), &err);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(failed, -1);
	assert_int_equal(err.code, ERR_IO);
	assert_int_equal(buf_read_file(path, 99, &data, NULL, &err), 0);
	assert_string_equal(data, "old");
	assert_int_equal(access(tmp, F_OK), -1);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows_to_maximum),
		cmocka_unit_test(test_huge_length),
		cmocka_unit_test(test_format_past_maximum),
		cmocka_unit_test(test_drop_and_take),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_no_room),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
