/* Reports onto a disk that is full: the space set aside at the start is what they are written
 * with. On a small tmpfs, so only root can. */
#include "base/buf.h"
#include "reports/report.h"
#include "tests/support/fake_record.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct fake f;
static char disk[80];
static struct result *result;
static bool mounted;

static int setup(void **state)
{
	struct err err = { 0 };

	(void)state;
	fake_begin(&f);
	fake_whole(&f, (const char *const[]){ "availability >= 99.5%", NULL }, 50 * S, 50 * S);
	fake_close(&f);
	if (report_build(f.dir, false, &result, &err))
		fail_msg("%s", err.text);
	snprintf(disk, sizeof(disk), "%s/disk", f.dir);
	assert_int_equal(mkdir(disk, 0700), 0);
	mounted = !mount("tmpfs", disk, "tmpfs", 0, "size=2m,mode=700");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (mounted)
		umount(disk);
	result_free(result);
	result = NULL;
	fake_end(&f);
	return 0;
}

static void need_disk(void)
{
	if (mounted)
		return;
	print_message("skipped: a tmpfs cannot be mounted: %s\n", strerror(errno));
	skip();
}

static bool exists(const char *name)
{
	OWN_MEM char *path = str_format("%s/%s", disk, name);

	return !access(path, F_OK);
}

/* Not a byte is left. */
static void fill(void)
{
	OWN_MEM char *path = str_format("%s/filler", disk);
	OWN_FD int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	char page[4096];

	assert_true(fd >= 0);
	memset(page, 'x', sizeof(page));
	while (write(fd, page, sizeof(page)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
}

static bool holds(const char *name, const char *part)
{
	OWN_MEM char *path = str_format("%s/%s", disk, name);
	OWN_MEM char *text = NULL;
	struct err err = { 0 };
	size_t len;

	if (buf_read_file(path, 1 << 20, &text, &len, &err))
		fail_msg("%s", err.text);
	return memmem(text, len, part, strlen(part)) != NULL;
}

static void a_full_disk_takes_the_reports_in_the_space_set_aside(void **state)
{
	struct err err = { 0 };

	(void)state;
	need_disk();
	if (report_reserve(disk, &err))
		fail_msg("%s", err.text);
	fill();
	if (report_write(disk, result, false, &err))
		fail_msg("%s", err.text);
	assert_true(holds("junit.xml", "</testsuites>"));
	assert_true(holds("report.json", "\"verdict\""));
	assert_true(holds("summary.txt", "Verdict PASS"));
	assert_false(exists(".reserve"));
}

static void the_last_good_file_stays_whole_when_nothing_was_set_aside(void **state)
{
	struct err err = { 0 };

	(void)state;
	need_disk();
	assert_int_equal(report_write(disk, result, true, &err), 0);
	fill();
	assert_int_equal(report_write(disk, result, true, &err), -1);
	assert_non_null(strstr(err.text, "junit.xml"));
	assert_non_null(strstr(err.text, "No space left"));
	assert_true(holds("junit.xml", "</testsuites>"));
}

static void what_was_set_aside_is_given_back(void **state)
{
	struct err err = { 0 };

	(void)state;
	need_disk();
	assert_int_equal(report_reserve(disk, &err), 0);
	assert_true(exists(".reserve"));
	report_release(disk);
	assert_false(exists(".reserve"));
}

static void a_disk_too_small_for_it_is_told(void **state)
{
	struct err err = { 0 };

	(void)state;
	need_disk();
	fill();
	assert_int_equal(report_reserve(disk, &err), -1);
	assert_non_null(strstr(err.text, "No space left"));
	assert_false(exists(".reserve"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_full_disk_takes_the_reports_in_the_space_set_aside),
		TEST(the_last_good_file_stays_whole_when_nothing_was_set_aside),
		TEST(what_was_set_aside_is_given_back),
		TEST(a_disk_too_small_for_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
