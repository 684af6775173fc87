/* The queue: in order, nothing lost and nothing twice between threads, closed for good. */
#include "base/clock.h"
#include "base/own.h"
#include "base/queue.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

#define WRITERS 4
#define EACH 5000

static struct queue *make(void)
{
	struct queue *q = NULL;

	assert_int_equal(queue_new(&q, NULL), 0);
	return q;
}

static void test_order(void **state)
{
	struct queue *q = make();
	int items[3];

	(void)state;
	for (int round = 0; round < 2; round++) { /* again after it was empty */
		for (int i = 0; i < 3; i++)
			assert_true(queue_push(q, &items[i]));
		for (int i = 0; i < 3; i++)
			assert_ptr_equal(queue_pop(q, 0), &items[i]);
		assert_null(queue_pop(q, 0));
	}
	assert_false(queue_ended(q));
	queue_free(q, NULL);
	queue_free(NULL, NULL);
}

static void test_deadline(void **state)
{
	struct queue *q = make();
	int64_t until = clock_now_ns() + 20 * NS_PER_MS;

	(void)state;
	assert_null(queue_pop(q, until));
	assert_true(clock_now_ns() >= until);
	queue_free(q, NULL);
}

static void test_close(void **state)
{
	struct queue *q = make();
	int item;

	(void)state;
	queue_push(q, &item);
	queue_close(q);
	assert_false(queue_push(q, &item));
	assert_false(queue_ended(q)); /* what is in it is still to be had */
	assert_ptr_equal(queue_pop(q, INT64_MAX), &item);
	assert_true(queue_ended(q));
	assert_null(queue_pop(q, INT64_MAX)); /* at once, whatever the deadline */
	queue_free(q, NULL);
}

static int dropped;

static void drop(void *item)
{
	free(item);
	dropped++;
}

static void test_free_drops(void **state)
{
	struct queue *q = make();

	(void)state;
	for (int i = 0; i < 3; i++)
		queue_push(q, malloc(1));
	queue_free(q, drop);
	assert_int_equal(dropped, 3);
}

struct writer {
	struct queue *q;
	int numbers[EACH];
};

static void *write_all(void *arg)
{
	struct writer *w = arg;

	for (int i = 0; i < EACH; i++) {
		w->numbers[i] = i;
		if (!queue_push(w->q, &w->numbers[i]))
			return NULL;
	}
	return w;
}

static void test_threads(void **state)
{
	static struct writer writers[WRITERS];
	struct queue *q = make();
	pthread_t threads[WRITERS];
	int next[WRITERS] = { 0 }, got = 0;
	int *item;

	(void)state;
	for (int i = 0; i < WRITERS; i++) {
		writers[i].q = q;
		pthread_create(&threads[i], NULL, write_all, &writers[i]);
	}
	while (got < WRITERS * EACH && (item = queue_pop(q, clock_now_ns() + 60 * NS_PER_S))) {
		got++;
		for (int i = 0; i < WRITERS; i++)
			if (item >= writers[i].numbers && item < writers[i].numbers + EACH)
				assert_int_equal(*item, next[i]++); /* each writer's in order */
	}
	assert_int_equal(got, WRITERS * EACH);
	for (int i = 0; i < WRITERS; i++) {
		void *done = NULL;

		pthread_join(threads[i], &done);
		assert_non_null(done);
	}
	assert_null(queue_pop(q, 0));
	queue_free(q, NULL);
}

static void *pop_for_ever(void *arg)
{
	return queue_pop(arg, clock_now_ns() + 3600 * NS_PER_S) ? arg : NULL;
}

static void test_close_wakes(void **state)
{
	struct queue *q = make();
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, pop_for_ever, q);
	queue_close(q);
	for (int i = 0; i < 4; i++) {
		void *item = q;

		pthread_join(threads[i], &item);
		assert_null(item);
	}
	queue_free(q, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_free_drops),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_close_wakes),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
