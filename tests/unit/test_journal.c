/* The journal: what was appended is read back, and damage is told from a torn end. */
#include "base/buf.h"
#include "base/crc32c.h"
#include "base/record.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/crumble-journal-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static char *file(void)
{
	return str_format("%s/journal.jsonl", dir);
}

static int teardown(void **state)
{
	OWN_MEM char *path = file();

	(void)state;
	unlink(path);
	return rmdir(dir);
}

static cJSON *event(const char *name, int64_t t, const char *text)
{
	cJSON *e = cJSON_CreateObject();

	json_add_int(e, "t", t);
	json_add_str(e, "e", name);
	json_add_str(e, "text", text);
	return e;
}

static void append(struct journal *j, const char *name, int64_t t, const char *text)
{
	OWN_JSON cJSON *e = event(name, t, text);
	struct err err = { 0 };

	if (journal_append(j, e, &err))
		fail_msg("%s", err.text);
}

struct seen {
	size_t n;
	int64_t last_t;
	char last[64];
	size_t stop_after;
};

static int see(void *arg, const cJSON *e)
{
	struct seen *seen = arg;
	const char *text = json_str(e, "text", NULL);

	seen->n++;
	seen->last_t = json_int(e, -1, "t", NULL);
	snprintf(seen->last, sizeof(seen->last), "%s", text ? text : "");
	return seen->stop_after && seen->n == seen->stop_after;
}

static void write_three(void)
{
	struct journal *j = NULL;
	struct err err = { 0 };

	assert_int_equal(journal_create(dir, &j, &err), 0);
	append(j, "run", 0, "one");
	append(j, "note", 5, "two \"quoted\"\nnewline");
	append(j, "note", INT64_C(9007199254740991), "three");
	assert_int_equal(journal_sync(j, &err), 0);
	journal_close(j);
}

static void add_raw(const char *bytes, size_t len)
{
	OWN_MEM char *path = file();
	OWN_FD int fd = open(path, O_WRONLY | O_APPEND);

	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
}

static void read_back(struct seen *seen, struct journal_state *state)
{
	struct err err = { 0 };

	*state = (struct journal_state){ 0 };
	if (journal_read(dir, see, seen, state, &err))
		fail_msg("%s", err.text);
}

static void crc_is_castagnoli(void **state)
{
	unsigned char zeros[32] = { 0 };
	uint32_t half;

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283); /* the catalogue's check value */
	assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aa);      /* RFC 3720, B.4 */
	half = crc32c(0, "12345", 5);
	assert_int_equal(crc32c(half, "6789", 4), 0xe3069283);
}

static void what_was_appended_is_read(void **state)
{
	struct seen seen = { 0 };
	struct journal_state js;

	(void)state;
	write_three();
	read_back(&seen, &js);
	assert_int_equal(seen.n, 3);
	assert_true(seen.last_t == INT64_C(9007199254740991));
	assert_string_equal(seen.last, "three");
	assert_int_equal(js.lines, 3);
	assert_int_equal(js.bad_line, 0);
	assert_false(js.torn);
	assert_false(js.locked);
}

static void each_may_end_the_reading(void **state)
{
	struct seen seen = { .stop_after = 2 };
	struct journal_state js;

	(void)state;
	write_three();
	read_back(&seen, &js);
	assert_int_equal(seen.n, 2);
	assert_false(js.torn);
	assert_int_equal(js.bad_line, 0);
}

static void a_torn_last_line_is_dropped_and_cut_off(void **state)
{
	struct seen seen = { 0 };
	struct journal_state js;
	struct journal *j = NULL;
	struct err err = { 0 };

	(void)state;
	write_three();
	add_raw("0123abcd {\"t\":9,\"e\":\"no", 23);
	read_back(&seen, &js);
	assert_int_equal(seen.n, 3);
	assert_true(js.torn);
	assert_int_equal(js.bad_line, 0);

	assert_int_equal(journal_open(dir, &j, &err), 0);
	append(j, "note", 10, "healed");
	journal_close(j);
	seen = (struct seen){ 0 };
	read_back(&seen, &js);
	assert_int_equal(seen.n, 4);
	assert_string_equal(seen.last, "healed");
	assert_false(js.torn);
}

static void a_file_that_is_one_torn_line_becomes_empty(void **state)
{
	OWN_MEM char *path = file();
	struct seen seen = { 0 };
	struct journal_state js;
	struct journal *j = NULL;
	struct err err = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(journal_create(dir, &j, &err), 0);
	journal_close(j);
	add_raw("0123", 4);
	read_back(&seen, &js);
	assert_true(js.torn);
	assert_int_equal(journal_open(dir, &j, &err), 0);
	journal_close(j);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
}

/* Every single flipped bit of the file is noticed: never are three good events read. */
static void any_flipped_bit_is_noticed(void **state)
{
	OWN_MEM char *path = file();
	OWN_MEM char *data = NULL;
	size_t len = 0;
	struct err err = { 0 };

	(void)state;
	write_three();
	assert_int_equal(buf_read_file(path, 1 << 20, &data, &len, &err), 0);
	for (size_t bit = 0; bit < len * 8; bit++) {
		struct seen seen = { 0 };
		struct journal_state js;
		OWN_FD int fd = open(path, O_WRONLY);

		data[bit / 8] ^= (char)(1 << bit % 8);
		assert_int_equal(pwrite(fd, data, len, 0), (ssize_t)len);
		data[bit / 8] ^= (char)(1 << bit % 8);
		read_back(&seen, &js);
		assert_true(seen.n < 3);
		assert_true(js.torn || js.bad_line == seen.n + 1);
	}
}

static void nothing_is_read_behind_a_bad_line(void **state)
{
	struct seen seen = { 0 };
	struct journal_state js;
	struct journal *j = NULL;
	struct err err = { 0 };

	(void)state;
	write_three();
	add_raw("00000000 {\"t\":1,\"e\":\"x\"}\n", 25);
	assert_int_equal(journal_open(dir, &j, &err), 0);
	append(j, "note", 12, "later");
	journal_close(j);
	read_back(&seen, &js);
	assert_int_equal(seen.n, 3);
	assert_int_equal(js.bad_line, 4);
	assert_false(js.torn);
}

static void a_newer_format_is_refused(void **state)
{
	OWN_JSON cJSON *e = event("run", 0, NULL);
	struct seen seen = { 0 };
	struct journal *j = NULL;
	struct err err = { 0 };

	(void)state;
	json_add_int(e, "format", RECORD_FORMAT + 1);
	assert_int_equal(journal_create(dir, &j, &err), 0);
	assert_int_equal(journal_append(j, e, &err), 0);
	journal_close(j);
	assert_int_equal(journal_read(dir, see, &seen, NULL, &err), -1);
	assert_int_equal(err.code, ERR_FORMAT);
	assert_non_null(strstr(err.text, "newer"));
	assert_int_equal(seen.n, 0);
}

static void a_live_journal_is_locked(void **state)
{
	struct seen seen = { 0 };
	struct journal_state js;
	struct journal *j = NULL, *second = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(journal_create(dir, &j, &err), 0);
	append(j, "run", 0, "one");
	read_back(&seen, &js);
	assert_int_equal(seen.n, 1);
	assert_true(js.locked);
	assert_int_equal(journal_open(dir, &second, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_int_equal(journal_create(dir, &second, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	journal_close(j);
	assert_int_equal(journal_open(dir, &second, &err), 0);
	journal_close(second);
}

static void a_missing_journal_is_not_found(void **state)
{
	struct journal *j = NULL;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(journal_open(dir, &j, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(journal_read(dir, see, NULL, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void an_event_needs_t_and_e(void **state)
{
	OWN_JSON cJSON *e = json_object("e", "note", NULL);
	OWN_MEM char *path = file();
	struct journal *j = NULL;
	struct err err = { 0 };
	struct stat st;

	(void)state;
	assert_int_equal(journal_create(dir, &j, &err), 0);
	assert_int_equal(journal_append(j, e, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
	journal_close(j);
}

/* RLIMIT_FSIZE cuts a write in the middle, as a full disk does. */
static void a_full_disk_leaves_no_partial_line(void **state)
{
	struct rlimit before, small = { 100, RLIM_INFINITY };
	struct seen seen = { 0 };
	struct journal_state js;
	struct journal *j = NULL;
	struct err err = { 0 };
	OWN_JSON cJSON *e = event(
		"note", 7, "a text that is long enough to cross the limit of the file");

	(void)state;
	assert_int_equal(journal_create(dir, &j, &err), 0);
	append(j, "run", 0, "one line of about fifty bytes");
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(journal_append(j, e, &err), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(err.code, ERR_IO);
	read_back(&seen, &js);
	assert_int_equal(seen.n, 1);
	assert_false(js.torn);
	append(j, "note", 8, "there is room again");
	journal_close(j);
	seen = (struct seen){ 0 };
	read_back(&seen, &js);
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.last, "there is room again");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crc_is_castagnoli),
		TEST(what_was_appended_is_read),
		TEST(each_may_end_the_reading),
		TEST(a_torn_last_line_is_dropped_and_cut_off),
		TEST(a_file_that_is_one_torn_line_becomes_empty),
		TEST(any_flipped_bit_is_noticed),
		TEST(nothing_is_read_behind_a_bad_line),
		TEST(a_newer_format_is_refused),
		TEST(a_live_journal_is_locked),
		TEST(an_event_needs_t_and_e),
		TEST(a_full_disk_leaves_no_partial_line),
		cmocka_unit_test_setup_teardown(a_missing_journal_is_not_found, setup, NULL),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
