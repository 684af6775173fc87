/* The stop token: set once, seen by all below it, and every wait on it ends. */
#include "base/clock.h"
#include "base/stop.h"

#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static struct stop *make(struct stop *parent)
{
	struct stop *stop = NULL;

	assert_int_equal(stop_new(parent, &stop, NULL), 0);
	return stop;
}

static bool is_readable(const struct stop *stop)
{
	struct pollfd fd = { .fd = stop_fd(stop), .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

static void test_set_once(void **state)
{
	struct stop *stop = make(NULL);

	(void)state;
	assert_int_equal(stop_requested(stop), 0);
	assert_false(is_readable(stop));
	stop_request(stop, 15);
	stop_request(stop, 2);
	assert_int_equal(stop_requested(stop), 15); /* the first reason stays */
	assert_true(is_readable(stop));
	assert_true(stop_wait(stop, 3600000));
	assert_true(is_readable(stop)); /* a wait takes nothing away */
	stop_free(stop);
	stop_free(NULL);
	assert_int_equal(stop_requested(NULL), 0);
}

static void test_family(void **state)
{
	struct stop *top = make(NULL), *one = make(top), *two = make(top), *deep = make(one), *late;

	(void)state;
	stop_request(one, 3);
	assert_int_equal(stop_requested(deep), 3);
	assert_int_equal(stop_requested(top), 0);
	assert_int_equal(stop_requested(two), 0);
	stop_request(top, 9);
	assert_int_equal(stop_requested(two), 9);
	assert_int_equal(stop_requested(one), 3);
	late = make(top); /* born after the end */
	assert_int_equal(stop_requested(late), 9);
	assert_true(is_readable(late));
	stop_free(late);
	stop_free(two);
	stop_free(deep);
	stop_free(one);
	stop_free(top);
}

static void test_freed_child_is_forgotten(void **state)
{
	struct stop *top = make(NULL), *a = make(top), *b = make(top), *c = make(top);

	(void)state;
	stop_free(b);
	stop_request(top, 1);
	assert_true(stop_requested(a) && stop_requested(c));
	stop_free(c);
	stop_free(a);
	stop_free(top);
}

static void test_wait_passes(void **state)
{
	struct stop *stop = make(NULL);
	int64_t until = clock_now_ns() + 20 * NS_PER_MS;

	(void)state;
	assert_false(stop_wait_until(stop, until));
	assert_true(clock_now_ns() >= until); /* never too early */
	assert_false(stop_wait_until(stop, 0));
	assert_false(stop_wait(NULL, 1));
	stop_free(stop);
}

static void *wait_long(void *arg)
{
	return stop_wait(arg, 3600000) ? arg : NULL;
}

static void test_wakes_threads(void **state)
{
	struct stop *top = make(NULL), *child = make(top);
	pthread_t threads[8];

	(void)state;
	for (int i = 0; i < 8; i++)
		pthread_create(&threads[i], NULL, wait_long, i % 2 ? top : child);
	stop_request(top, 1);
	for (int i = 0; i < 8; i++) {
		void *woken = NULL;

		pthread_join(threads[i], &woken);
		assert_non_null(woken);
	}
	stop_free(child);
	stop_free(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set_once),
		cmocka_unit_test(test_family),
		cmocka_unit_test(test_freed_child_is_forgotten),
		cmocka_unit_test(test_wait_passes),
		cmocka_unit_test(test_wakes_threads),
	};

	return cmocka_run_group_tests_name("stop", tests, NULL, NULL);
}
