/* Samples: whatever order they were written in, they come back in the order of seq; damage is
 * skipped and counted. */
#include "base/buf.h"
#include "base/record.h"

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

#define FILE_NAME "token.samples"

static char dir[64];

static char *path_of(const char *file)
{
	return str_format("%s/samples/%s", dir, file);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/crumble-samples-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	OWN_MEM char *file = path_of(FILE_NAME), *folder = path_of("");

	(void)state;
	unlink(file);
	rmdir(folder);
	return rmdir(dir);
}

static struct sample sample(uint32_t seq)
{
	return (struct sample){ .due_ns = (int64_t)seq * 1000000,
		.sent_us = 10,
		.first_us = 20,
		.done_us = 30 + seq % 7,
		.seq = seq };
}

static uint32_t random_state;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 1664525u + 1013904223u;
	return (random_state >> 8) % below;
}

static struct samples_writer *create(void)
{
	struct samples_writer *w = NULL;
	struct err err = { 0 };

	if (samples_create(dir, FILE_NAME, "token", 1700000000000000000, 50000000, &w, &err))
		fail_msg("%s", err.text);
	return w;
}

static void append(struct samples_writer *w, const struct sample *s, size_t n)
{
	struct err err = { 0 };

	if (samples_append(w, s, n, &err))
		fail_msg("%s", err.text);
}

/* `n` samples in blocks of `per`, in order. */
static void write_in_order(uint32_t n, uint32_t per)
{
	struct samples_writer *w = create();
	struct sample block[SAMPLES_BLOCK];

	for (uint32_t seq = 0; seq < n;) {
		uint32_t count = 0;

		while (count < per && seq < n)
			block[count++] = sample(seq++);
		append(w, block, count);
	}
	samples_close(w);
}

struct seen {
	uint64_t n;
	int64_t last;
	bool ordered;
	uint64_t stop_after;
};

static int see(void *arg, const struct sample *s)
{
	struct seen *seen = arg;
	struct sample want = sample(s->seq);

	if ((int64_t)s->seq <= seen->last || memcmp(s, &want, sizeof(want)))
		seen->ordered = false;
	seen->last = s->seq;
	return ++seen->n == seen->stop_after;
}

static struct samples_info read_back(struct seen *seen)
{
	struct samples_info info = { .lost_bytes = 77 };
	struct err err = { 0 };

	*seen = (struct seen){ .last = -1, .ordered = true, .stop_after = seen->stop_after };
	if (samples_read(dir, FILE_NAME, see, seen, &info, &err))
		fail_msg("%s", err.text);
	return info;
}

static void the_header_comes_back(void **state)
{
	struct seen seen = { 0 };
	struct samples_info info;

	(void)state;
	write_in_order(1, 1);
	info = read_back(&seen);
	assert_string_equal(info.name, "token");
	assert_true(info.wall_t0_ns == 1700000000000000000);
	assert_int_equal(info.period_ns, 50000000);
	assert_int_equal(info.records, 1);
	assert_int_equal(info.lost_bytes, 0);
	assert_int_equal(info.lost_records, 0);
}

static void an_empty_file_has_no_samples(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	samples_close(create());
	assert_int_equal(read_back(&seen).records, 0);
}

static void all_come_back_in_order(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	write_in_order(5000, SAMPLES_BLOCK);
	assert_int_equal(read_back(&seen).records, 5000);
	assert_true(seen.ordered);
	assert_int_equal(seen.n, 5000);
}

/* Written by completion: shuffled within a window, with stragglers that come much later. */
static void disorder_is_put_right(void **state)
{
	enum { N = 20000 };
	static struct sample all[N];
	struct samples_writer *w = create();
	struct seen seen = { 0 };
	struct samples_info info;

	(void)state;
	random_state = 7;
	for (uint32_t i = 0; i < N; i++)
		all[i] = sample(i);
	for (uint32_t i = 0; i < N; i++) {
		uint32_t far = draw(100) ? 200 : 9000, j = i + draw(far < N - i ? far : N - i);
		struct sample swap = all[i];

		all[i] = all[j];
		all[j] = swap;
	}
	for (uint32_t i = 0; i < N;) {
		uint32_t count = 1 + draw(SAMPLES_BLOCK);

		count = count < N - i ? count : N - i;
		append(w, all + i, count);
		i += count;
	}
	samples_close(w);
	info = read_back(&seen);
	assert_int_equal(info.records, N);
	assert_int_equal(info.lost_records, 0);
	assert_true(seen.ordered);
	assert_int_equal(seen.last, N - 1);
}

static void each_may_end_the_reading(void **state)
{
	struct seen seen = { .stop_after = 3 };

	(void)state;
	write_in_order(5000, 100);
	read_back(&seen);
	assert_int_equal(seen.n, 3);
}

static void flip(off_t at)
{
	OWN_MEM char *path = path_of(FILE_NAME);
	OWN_FD int fd = open(path, O_RDWR);
	char byte;

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
}

/* A bad block is skipped wherever the damage is, also in the count that says where it ends. */
static void a_bad_block_is_skipped_and_counted(void **state)
{
	const off_t block = 16 + 100 * 32;

	(void)state;
	write_in_order(1000, 100);
	for (off_t in_block = 0; in_block < block; in_block += in_block < 16 ? 1 : 97) {
		struct seen seen = { 0 };
		struct samples_info info;

		flip(64 + 3 * block + in_block);
		info = read_back(&seen);
		flip(64 + 3 * block + in_block);
		assert_int_equal(info.records, 900);
		assert_int_equal(info.lost_records, 100);
		assert_int_equal(info.lost_bytes, block);
		assert_true(seen.ordered);
	}
}

static void a_torn_tail_is_counted(void **state)
{
	OWN_MEM char *path = path_of(FILE_NAME);
	struct seen seen = { 0 };
	struct samples_info info;

	(void)state;
	write_in_order(1000, 100);
	assert_int_equal(truncate(path, 64 + 9 * (16 + 3200) + 16 + 50 * 32 + 5), 0);
	info = read_back(&seen);
	assert_int_equal(info.records, 900);
	assert_int_equal(info.lost_records, 50);
	assert_int_equal(info.lost_bytes, 16 + 50 * 32 + 5);
	assert_true(seen.ordered);
}

static void gaps_and_doubles_are_counted(void **state)
{
	struct samples_writer *w = create();
	struct sample some[5] = { sample(0), sample(1), sample(5), sample(5), sample(6) };
	struct seen seen = { 0 };
	struct samples_info info;

	(void)state;
	append(w, some, 5);
	samples_close(w);
	info = read_back(&seen);
	assert_int_equal(info.records, 4);
	assert_int_equal(info.lost_records, 3 + 1);
	assert_true(seen.ordered);
}

static void what_is_no_samples_file_is_refused(void **state)
{
	OWN_MEM char *path = path_of(FILE_NAME);
	struct err err = { 0 };

	(void)state;
	assert_int_equal(samples_read(dir, FILE_NAME, see, NULL, NULL, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	write_in_order(10, 10);
	flip(3);
	assert_int_equal(samples_read(dir, FILE_NAME, see, NULL, NULL, &err), -1);
	assert_int_equal(err.code, ERR_FORMAT);
	flip(3);
	flip(8); /* byte order */
	assert_int_equal(samples_read(dir, FILE_NAME, see, NULL, NULL, &err), -1);
	assert_int_equal(err.code, ERR_FORMAT);
	assert_int_equal(truncate(path, 30), 0);
	assert_int_equal(samples_read(dir, FILE_NAME, see, NULL, NULL, &err), -1);
	assert_int_equal(err.code, ERR_FORMAT);
}

static void the_writer_keeps_its_limits(void **state)
{
	struct samples_writer *w = create(), *second = NULL;
	static struct sample many[SAMPLES_BLOCK + 1];
	struct err err = { 0 };

	(void)state;
	assert_int_equal(samples_append(w, many, SAMPLES_BLOCK + 1, &err), -1);
	assert_int_equal(err.code, ERR_BUG);
	assert_int_equal(samples_append(w, many, 0, &err), 0);
	samples_close(w);
	assert_int_equal(
		samples_create(dir, "x", "a-name-of-more-than-thirty-bytes", 0, 0, &second, &err),
		-1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_int_equal(samples_create(dir, FILE_NAME, "token", 0, 0, &second, &err), -1);
	assert_int_equal(err.code, ERR_IO);
}

static void a_full_disk_leaves_no_partial_block(void **state)
{
	struct rlimit before, small = { 64 + 16 + 320 + 100, 0 };
	struct samples_writer *w = create();
	struct sample some[10];
	struct seen seen = { 0 };
	struct err err = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 10; i++)
		some[i] = sample(i);
	append(w, some, 10);
	for (uint32_t i = 0; i < 10; i++)
		some[i] = sample(10 + i);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(samples_append(w, some, 10, &err), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(read_back(&seen).lost_bytes, 0);
	append(w, some, 10);
	samples_close(w);
	assert_int_equal(read_back(&seen).records, 20);
}

static void times_are_kept_in_microseconds(void **state)
{
	(void)state;
	assert_true(sample_us(5000, 0) == SAMPLE_NEVER);
	assert_int_equal(sample_us(5000, 5000), 0);
	assert_int_equal(sample_us(5000, 4000), 0);
	assert_int_equal(sample_us(5000, 1505000), 1500);
	assert_true(sample_us(0, INT64_C(4294967294) * 1000) == SAMPLE_LONG);
	assert_true(sample_us(0, INT64_C(4294967293) * 1000) == 0xfffffffd);
	assert_true(sample_us(0, INT64_MAX) == SAMPLE_LONG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_header_comes_back),
		TEST(an_empty_file_has_no_samples),
		TEST(all_come_back_in_order),
		TEST(disorder_is_put_right),
		TEST(each_may_end_the_reading),
		TEST(a_bad_block_is_skipped_and_counted),
		TEST(a_torn_tail_is_counted),
		TEST(gaps_and_doubles_are_counted),
		TEST(what_is_no_samples_file_is_refused),
		TEST(the_writer_keeps_its_limits),
		TEST(a_full_disk_leaves_no_partial_block),
		cmocka_unit_test(times_are_kept_in_microseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
