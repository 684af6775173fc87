/* Errors: always one line that fits, context in front, the code kept. */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka wants the four above first */
#include <cmocka.h>

static void test_set(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_int_equal(err_set(&err, ERR_API, "GET %s: %d", "/x", 500), -1);
	assert_int_equal(err.code, ERR_API);
	assert_string_equal(err.text, "GET /x: 500");
	assert_int_equal(err_set(NULL, ERR_API, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
	assert_int_equal(err_errno(NULL, "x"), -1);
}

static void test_wrap(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_NET, "refused");
	assert_int_equal(err_wrap(&err, "list %s", "pods"), -1);
	assert_int_equal(err.code, ERR_NET);
	assert_string_equal(err.text, "list pods: refused");
}

static void test_errno(void **state)
{
	struct err err;

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_errno(&err, "open %s", "/x"), -1);
	assert_int_equal(err.code, ERR_IO);
	assert_string_equal(err.text, "open /x: No such file or directory");
	errno = ENOMEM;
	err_errno(&err, "x");
	assert_int_equal(err.code, ERR_NOMEM);
}

static void test_too_long(void **state)
{
	char longer[2 * ERR_TEXT_BYTES];
	struct err err;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	err_set(&err, ERR_BUG, "%s", longer);
	assert_int_equal(strlen(err.text), ERR_TEXT_BYTES - 1);
	err_set(&err, ERR_BUG, "why");
	err_wrap(&err, "%s", longer);
	assert_int_equal(strlen(err.text), ERR_TEXT_BYTES - 1);
	for (size_t room = 0; room < 8; room++) { /* the edge, byte by byte */
		longer[ERR_TEXT_BYTES - 1 - room] = '\0';
		err_set(&err, ERR_BUG, "why");
		err_wrap(&err, "%s", longer);
		assert_in_range(strlen(err.text), ERR_TEXT_BYTES - 1 - room, ERR_TEXT_BYTES - 1);
		errno = EPERM;
		err_errno(&err, "%s", longer);
		assert_in_range(strlen(err.text), ERR_TEXT_BYTES - 1 - room, ERR_TEXT_BYTES - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_wrap),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_too_long),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
