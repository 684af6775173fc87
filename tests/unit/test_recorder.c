/* The record's one writer: order, commits, samples, and what it says when the disk refuses. */
#include "base/clock.h"
#include "base/own.h"
#include "base/record.h"
#include "runner/folder.h"
#include "runner/recorder.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	struct recorder *recorder;
	int64_t t0_ns;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct err err;

	strcpy(f->dir, "/tmp/test-recorder-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->t0_ns = clock_now_ns();
	assert_int_equal(recorder_new(f->dir, f->t0_ns, clock_wall_ns(), &f->recorder, &err), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	recorder_free(f->recorder);
	assert_int_equal(folder_remove(f->dir, NULL), 0);
	free(f);
	return 0;
}

struct told {
	char names[4096];
	int64_t last_t;
	bool in_order;
	size_t n;
};

static int each(void *arg, const cJSON *event)
{
	struct told *told = arg;
	int64_t t = json_int(event, -1, "t", NULL);
	size_t len = strlen(told->names);

	told->in_order &= t >= told->last_t;
	told->last_t = t;
	told->n++;
	if (len < sizeof(told->names) - 64)
		snprintf(told->names + len, sizeof(told->names) - len, "%s ",
			json_str(event, "e", NULL));
	return 0;
}

static struct told read_back(const struct fixture *f)
{
	struct told told = { .in_order = true };
	struct journal_state journal;
	struct err err;

	assert_int_equal(journal_read(f->dir, each, &told, &journal, &err), 0);
	assert_int_equal(journal.bad_line, 0);
	return told;
}

static void commit_is_read_back_at_once(void **state)
{
	struct fixture *f = *state;
	struct err err;
	struct told told;

	recorder_event(f->recorder, recorder_make("run"));
	assert_int_equal(recorder_commit(f->recorder, recorder_make("bite.intent"), &err), 0);
	told = read_back(f);
	assert_string_equal(told.names, "run bite.intent ");
	assert_false(recorder_failed(f->recorder, NULL));
}

static void *push_many(void *arg)
{
	for (int i = 0; i < 500; i++)
		recorder_event(arg, recorder_make("note"));
	return NULL;
}

/* Whoever pushes from wherever: times in the journal never go back. */
static void order_of_times_is_kept(void **state)
{
	struct fixture *f = *state;
	pthread_t threads[4];
	struct told told;

	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, push_many, f->recorder), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	recorder_flush(f->recorder);
	told = read_back(f);
	assert_int_equal(told.n, 2000);
	assert_true(told.in_order);
}

static void own_time_is_kept(void **state)
{
	struct fixture *f = *state;
	cJSON *event = recorder_make("phase");

	json_add_int(event, "t", 42);
	recorder_event(f->recorder, event);
	recorder_flush(f->recorder);
	assert_int_equal(read_back(f).last_t, 42);
}

static int count_sample(void *arg, const struct sample *sample)
{
	uint32_t *next = arg;

	assert_int_equal(sample->seq, (*next)++);
	return 0;
}

static void samples_of_several_verifiers(void **state)
{
	struct fixture *f = *state;
	struct sink *sink = recorder_sink(f->recorder);
	int a = sink->open(sink, "a.samples", "a", NS_PER_S);
	int b = sink->open(sink, "b.samples", "b", NS_PER_S);
	struct samples_info info;
	struct err err;
	uint32_t next = 0;

	assert_int_equal(a, 0);
	assert_int_equal(b, 1);
	for (uint32_t i = 0; i < 3000; i++) {
		struct sample sample = { .due_ns = i, .seq = i };

		sink->samples(sink, a, &sample, 1);
		if (i < 10)
			sink->samples(sink, b, &sample, 1);
	}
	recorder_flush(f->recorder);
	assert_int_equal(samples_read(f->dir, "a.samples", count_sample, &next, &info, &err), 0);
	assert_int_equal(next, 3000);
	assert_string_equal(info.name, "a");
	next = 0;
	assert_int_equal(samples_read(f->dir, "b.samples", count_sample, &next, &info, &err), 0);
	assert_int_equal(next, 10);
	assert_string_equal(info.name, "b");
}

/* A limit on file size stands for a full disk: writes beyond it fail. */
static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void refused_intent_is_an_error_for_good(void **state)
{
	struct fixture *f = *state;
	char why[ERR_TEXT_BYTES];
	struct err err;
	struct told told;

	assert_int_equal(recorder_commit(f->recorder, recorder_make("run"), &err), 0);
	limit_files(40);
	assert_int_equal(recorder_commit(f->recorder, recorder_make("bite.intent"), &err), -1);
	assert_int_equal(err.code, ERR_IO);
	assert_true(recorder_failed(f->recorder, why));
	assert_non_null(strstr(why, "journal.jsonl"));
	/* Space alone does not make the record whole again: nothing new is begun. */
	limit_files(RLIM_INFINITY);
	assert_int_equal(recorder_commit(f->recorder, recorder_make("bite.intent"), &err), -1);
	recorder_flush(f->recorder);
	told = read_back(f);
	assert_non_null(strstr(told.names, "run"));
}

/* What the disk does not take now is kept, in order, and written when it does. */
static void events_are_kept_while_the_disk_is_full(void **state)
{
	struct fixture *f = *state;
	struct err err;
	struct told told;

	assert_int_equal(recorder_commit(f->recorder, recorder_make("run"), &err), 0);
	limit_files(40);
	recorder_event(f->recorder, recorder_make("one"));
	recorder_event(f->recorder, recorder_make("two"));
	recorder_flush(f->recorder);
	assert_true(recorder_failed(f->recorder, NULL));
	limit_files(RLIM_INFINITY);
	recorder_event(f->recorder, recorder_make("three"));
	recorder_flush(f->recorder);
	told = read_back(f);
	assert_string_equal(told.names, "run one two three ");
}

static void journal_that_cannot_be_made(void **state)
{
	struct fixture *f = *state;
	struct recorder *second = NULL;
	struct err err;

	recorder_flush(f->recorder);
	/* Another run in the same folder. */
	assert_int_equal(recorder_new(f->dir, f->t0_ns, 0, &second, &err), 0);
	assert_int_equal(recorder_commit(second, recorder_make("bite.intent"), &err), -1);
	assert_true(recorder_failed(second, NULL));
	recorder_free(second);
	/* ... and the first one's record is as it was. */
	assert_int_equal(recorder_commit(f->recorder, recorder_make("run"), &err), 0);
	assert_string_equal(read_back(f).names, "run ");
}

static void count_event(void *arg, const cJSON *event)
{
	assert_non_null(json_str(event, "e", NULL));
	(*(int *)arg)++;
}

static void every_written_event_is_shown(void **state)
{
	struct fixture *f = *state;
	int n = 0;

	recorder_on_event(f->recorder, count_event, &n);
	recorder_event(f->recorder, recorder_make("run"));
	recorder_event(f->recorder, recorder_make("note"));
	recorder_flush(f->recorder);
	assert_int_equal(n, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commit_is_read_back_at_once),
		TEST(order_of_times_is_kept),
		TEST(own_time_is_kept),
		TEST(samples_of_several_verifiers),
		TEST(refused_intent_is_an_error_for_good),
		TEST(events_are_kept_while_the_disk_is_full),
		TEST(journal_that_cannot_be_made),
		TEST(every_written_event_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
