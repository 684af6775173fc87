/* The decoders: lists item by item, lines, and what a watch remembers; cut anywhere. */
#include "k8s/k8s_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

struct seen {
	struct buf text; /* "items:a,items:b," */
	int stop_after;  /* 0: never */
	int n;
};

static int on_item(void *arg, const char *array, const cJSON *item)
{
	struct seen *seen = arg;
	OWN_MEM char *text = json_print(item);

	buf_addf(&seen->text, "%s:%s;", array, text);
	return ++seen->n == seen->stop_after;
}

/* Feeds in pieces of `step` bytes. */
static int feed(const char *json, size_t len, size_t step, struct seen *seen, cJSON **ret_head,
	struct err *err)
{
	struct stream *stream;
	int result = 0;

	buf_init(&seen->text, 1 << 20);
	assert_int_equal(stream_new(on_item, seen, &stream, err), 0);
	for (size_t at = 0; at < len && !result; at += step)
		result = stream_feed(stream, json + at, len - at < step ? len - at : step);
	result = stream_finish(stream, err);
	if (ret_head)
		*ret_head = cJSON_Duplicate(stream_head(stream), 1);
	stream_free(stream);
	return result;
}

#define LIST                                                                                     \
	"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"7\",\"continue\":\"c\"},"     \
	"\"items\":[{\"a\":{\"items\":[1,{\"b\":null}]},\"n\":-1.5e3},[],{},\"s\\u00e4\",true]," \
	"\"rest\":{\"items\":[3]}}"

static void test_items(void **state)
{
	(void)state;
	for (size_t step = 1; step <= sizeof(LIST); step++) {
		struct seen seen = { 0 };
		OWN_JSON cJSON *head = NULL;
		struct err err = { 0 };

		assert_int_equal(feed(LIST, strlen(LIST), step, &seen, &head, &err), 0);
		assert_string_equal(buf_str(&seen.text),
			"items:{\"a\":{\"items\":[1,{\"b\":null}]},\"n\":-1500};items:[];items:{};"
			"items:\"s\xc3\xa4\";items:true;");
		assert_string_equal(json_str(head, "metadata", "continue", NULL), "c");
		assert_int_equal(json_int(head, 0, "rest", "items", "0", NULL), 3);
		assert_null(json_at(head, "items", NULL));
		buf_done(&seen.text);
	}
}

static void expect_bad(const char *json, size_t len, const char *word)
{
	struct seen seen = { 0 };
	struct err err = { 0 };

	assert_int_equal(feed(json, len, 65536, &seen, NULL, &err), -1);
	if (!strstr(err.text, word))
		fail_msg("\"%s\" lacks \"%s\"", err.text, word);
	buf_done(&seen.text);
}

static void test_no_list(void **state)
{
	OWN_MEM char *deep = malloc(1000), *big = malloc(STREAM_ITEM_BYTES + 100);

	(void)state;
	expect_bad("", 0, "cut off");
	expect_bad("[1]", 3, "no JSON object");
	expect_bad("7", 1, "no JSON object");
	expect_bad("<html>", 6, "not JSON");
	expect_bad("{\"items\":[{\"a\":1},", 18, "cut off");
	expect_bad("{\"items\":[]}{", 13, "not JSON");
	expect_bad("{\"items\":[\"\xff\xfe\"]}", 15, "not JSON");
	memset(deep, '[', 1000);
	memcpy(deep, "{\"items\":", 9);
	expect_bad(deep, 1000, "nested deeper");
	memset(big, 'x', STREAM_ITEM_BYTES + 100);
	memcpy(big, "{\"items\":[{\"a\":\"", 16);
	memcpy(big + STREAM_ITEM_BYTES + 95, "\"}]}", 4);
	expect_bad(big, STREAM_ITEM_BYTES + 99, "more than 8 MiB");
	memcpy(big, "{\"metadata\":\"xxx", 16);
	memcpy(big + (1 << 20) + 20, "\"}", 2);
	expect_bad(big, (1 << 20) + 22, "beside the items");
}

static void test_end_early(void **state)
{
	struct seen seen = { .stop_after = 2 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(feed(LIST, strlen(LIST), 7, &seen, NULL, &err), 0);
	assert_int_equal(seen.n, 2);
	buf_done(&seen.text);
}

/* ---- lines ---- */

static int on_line(void *arg, const char *data, size_t len)
{
	struct buf *out = arg;

	buf_addf(out, "<%.*s>", (int)len, data);
	return len == 4 && !memcmp(data, "stop", 4) ? 7 : 0;
}

static void test_lines(void **state)
{
	static const char text[] = "one\n\ntwo\r\nthree\nrest";

	(void)state;
	for (size_t step = 1; step <= sizeof(text); step++) {
		OWN_BUF struct buf out;
		struct lines lines;

		buf_init(&out, 1000);
		lines_init(&lines, 100);
		for (size_t at = 0; at < strlen(text); at += step)
			assert_int_equal(
				lines_feed(&lines, text + at,
					strlen(text) - at < step ? strlen(text) - at : step,
					on_line, &out),
				0);
		assert_string_equal(buf_str(&out), "<one><two><three>");
		assert_int_equal(lines_feed(&lines, "\nstop\nmore\n", 11, on_line, &out), 7);
		assert_string_equal(buf_str(&out), "<one><two><three><rest><stop>");
		lines_done(&lines);
	}
}

static void test_line_limit(void **state)
{
	OWN_BUF struct buf out;
	struct lines lines;

	(void)state;
	buf_init(&out, 1000);
	lines_init(&lines, 8);
	assert_int_equal(lines_feed(&lines, "12345678\n", 9, on_line, &out), 0);
	assert_false(lines_overflow(&lines));
	assert_int_not_equal(lines_feed(&lines, "123456789\n", 10, on_line, &out), 0);
	assert_true(lines_overflow(&lines));
	lines_done(&lines);
	lines_init(&lines, 8);
	assert_int_equal(lines_feed(&lines, "12345", 5, on_line, &out), 0);
	assert_int_not_equal(lines_feed(&lines, "6789", 4, on_line, &out), 0);
	assert_true(lines_overflow(&lines));
	assert_string_equal(buf_str(&out), "<12345678>");
	lines_done(&lines);
}

/* ---- the store ---- */

static cJSON *object(int number, const char *phase)
{
	OWN_MEM char *text = str_format("{\"metadata\":{\"name\":\"p%d\",\"uid\":\"u%d\","
					"\"managedFields\":[1]},\"phase\":\"%s\"}",
		number, number, phase);
	cJSON *json;

	assert_int_equal(json_parse("test", text, strlen(text), &json, NULL), 0);
	return json;
}

static void put(struct store *store, int number, const char *phase)
{
	OWN_JSON cJSON *json = object(number, phase);

	assert_int_equal(store_put(store, json, NULL), 0);
}

static int on_gone(void *arg, const cJSON *json)
{
	assert_null(json_at(json, "metadata", "managedFields", NULL));
	buf_addf(arg, "%s=%s;", json_str(json, "metadata", "name", NULL),
		json_str(json, "phase", NULL));
	return 0;
}

static int on_gone_end(void *arg, const cJSON *json)
{
	on_gone(arg, json);
	return 1;
}

static void test_store(void **state)
{
	OWN_BUF struct buf gone;
	OWN_JSON cJSON *second = object(2, "x"), *no_uid = cJSON_CreateObject();
	struct store *store;
	struct err err;

	(void)state;
	buf_init(&gone, 1 << 20);
	assert_int_equal(store_new(&store, NULL), 0);
	store_begin(store);
	for (int i = 0; i < 1000; i++)
		put(store, i, "old");
	assert_int_equal(store_count(store), 1000);
	put(store, 3, "new");
	store_remove(store, second);
	store_remove(store, second);
	assert_int_equal(store_count(store), 999);
	assert_int_equal(store_sweep(store, on_gone, &gone, NULL), 0);
	assert_string_equal(buf_str(&gone), "");
	store_begin(store);
	for (int i = 4; i < 1000; i++)
		put(store, i, "again");
	assert_int_equal(store_sweep(store, on_gone_end, &gone, NULL), 0);
	assert_int_equal(store_sweep(store, on_gone, &gone, NULL), 0);
	assert_int_equal(store_count(store), 996);
	assert_non_null(strstr(buf_str(&gone), "p3=new;"));
	assert_non_null(strstr(buf_str(&gone), "p0=old;"));
	assert_non_null(strstr(buf_str(&gone), "p1=old;"));
	assert_int_equal(strlen(buf_str(&gone)), 3 * strlen("p0=old;"));
	assert_int_equal(store_put(store, no_uid, &err), -1);
	store_free(store);
}

static void test_events(void **state)
{
	static const char error[] =
		"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}";
	struct watch_event event;
	struct err err;

	(void)state;
	assert_int_equal(watch_event_parse(error, strlen(error), &event, &err), 0);
	assert_int_equal(event.code, 410);
	cJSON_Delete(event.json);
	assert_int_equal(watch_event_parse("{}", 2, &event, &err), -1);
	assert_int_equal(
		watch_event_parse("{\"type\":\"ADDED\",\"object\":1}", 27, &event, &err), -1);
	assert_int_equal(watch_event_parse("{\"type\":\"ADD", 12, &event, &err), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),
		cmocka_unit_test(test_no_list),
		cmocka_unit_test(test_end_early),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_line_limit),
		cmocka_unit_test(test_store),
		cmocka_unit_test(test_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
