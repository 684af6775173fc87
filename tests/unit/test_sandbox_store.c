/* The sandbox's store, selectors and patches: what the API's promises rest on. */
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/patch.h"
#include "k8s/sandbox/selector.h"
#include "k8s/sandbox/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <string.h>

static const struct kind *const maps = &kinds[KIND_CONFIGMAP];
static const struct kind *const pods = &kinds[KIND_POD];

static cJSON *parse(const char *text)
{
	cJSON *json;

	assert_int_equal(json_parse("test", text, strlen(text), &json, NULL), 0);
	return json;
}

static cJSON *map(const char *ns, const char *name, const char *value)
{
	cJSON *json = cJSON_CreateObject();

	edit_str(edit_metadata(json), "name", name);
	edit_str(edit_metadata(json), "namespace", ns);
	edit_str(edit_object(json, "data"), "v", value);
	return json;
}

static int setup(void **state)
{
	edit_setup();
	*state = store_open(10);
	return 0;
}

static int teardown(void **state)
{
	store_close(*state);
	return 0;
}

/* ---- store ---- */

static void test_every_change_has_a_version(void **state)
{
	struct store *store = *state;
	uint64_t before = store_version(store);
	const cJSON *now = store_set(store, maps, map("b", "x", "1"));

	assert_string_equal(meta(now, "resourceVersion"), "101");
	assert_int_equal(store_version(store), before + 1);
	store_set(store, maps, map("b", "x", "1")); /* the same: no change */
	assert_int_equal(store_version(store), before + 1);
	store_set(store, maps, map("b", "x", "2"));
	assert_int_equal(store_change(store, before + 2)->type, CHANGE_MODIFIED);
	store_drop(store, maps, "b", "x");
	assert_int_equal(store_change(store, before + 3)->type, CHANGE_DELETED);
	assert_string_equal(
		meta(store_change(store, before + 3)->now->json, "resourceVersion"), "103");
	assert_null(store_get(store, maps, "b", "x"));
	store_drop(store, maps, "b", "x"); /* not there: no change */
	assert_int_equal(store_version(store), before + 3);
}

static void test_objects_are_sorted_by_namespace_and_name(void **state)
{
	static const char *const want[] = { "a/z", "b/a", "b/c", "c/a" };
	struct store *store = *state;
	const struct object *all;
	size_t n;

	store_set(store, maps, map("b", "c", ""));
	store_set(store, maps, map("c", "a", ""));
	store_set(store, maps, map("a", "z", ""));
	store_set(store, maps, map("b", "a", ""));
	all = store_objects(store, maps, &n);
	assert_int_equal(n, ARRAY_LEN(want));
	for (size_t i = 0; i < n; i++) {
		OWN_MEM char *place = must_format("%s/%s", all[i].ns, all[i].name);

		assert_string_equal(place, want[i]);
	}
}

static void test_the_past_can_be_read(void **state)
{
	struct store *store = *state;
	struct version **past;
	uint64_t then;
	size_t n;

	store_set(store, maps, map("a", "changed", "old"));
	store_set(store, maps, map("a", "removed", "was"));
	then = store_version(store);
	store_set(store, maps, map("a", "changed", "new"));
	store_drop(store, maps, "a", "removed");
	store_set(store, maps, map("a", "added", ""));
	past = store_past(store, maps, then, &n);
	assert_int_equal(n, 2);
	assert_string_equal(json_str(past[0]->json, "data", "v", NULL), "old");
	assert_string_equal(meta(past[1]->json, "name"), "removed");
	store_free_past(past, n);
}

static void test_history_is_bounded(void **state)
{
	struct store *store = *state;
	uint64_t oldest = store_oldest(store);

	for (int i = 0; i < 25; i++) {
		OWN_MEM char *value = must_format("%d", i);

		store_set(store, maps, map("a", "x", value));
	}
	assert_int_equal(store_oldest(store), oldest + 15);
	assert_string_equal(json_str(store_change(store, store_oldest(store) + 1)->now->json,
				    "data", "v", NULL),
		"15");
}

/* ---- deletion ---- */

static cJSON *running_pod(void)
{
	return parse("{\"metadata\":{\"name\":\"p\",\"namespace\":\"a\",\"generation\":1},"
		     "\"spec\":{\"nodeName\":\"n\",\"terminationGracePeriodSeconds\":7},"
		     "\"status\":{\"phase\":\"Running\"}}");
}

static void test_a_pod_ends_gracefully(void **state)
{
	struct store *store = *state;
	const cJSON *now;

	store_set(store, pods, running_pod());
	version_unref(object_delete(store, pods, "a", "p", -1, PROPAGATE_BACKGROUND));
	now = store_get(store, pods, "a", "p");
	assert_true(is_terminating(now));
	assert_int_equal(json_int(now, 0, "metadata", "deletionGracePeriodSeconds", NULL), 7);
	assert_int_equal(json_int(now, 0, "metadata", "generation", NULL), 2);
	/* more time is not given, less is */
	version_unref(object_delete(store, pods, "a", "p", 30, PROPAGATE_BACKGROUND));
	now = store_get(store, pods, "a", "p");
	assert_int_equal(json_int(now, 0, "metadata", "deletionGracePeriodSeconds", NULL), 7);
	version_unref(object_delete(store, pods, "a", "p", 0, PROPAGATE_BACKGROUND));
	assert_null(store_get(store, pods, "a", "p"));
}

static void test_finalizers_hold(void **state)
{
	struct store *store = *state;
	cJSON *json = map("a", "x", "1");

	cJSON_AddItemToArray(
		edit_array(edit_metadata(json), "finalizers"), cJSON_CreateString("mine"));
	store_set(store, maps, json);
	version_unref(object_delete(store, maps, "a", "x", -1, PROPAGATE_BACKGROUND));
	assert_true(is_terminating(store_get(store, maps, "a", "x")));
	object_drop_finalizer(store, maps, store_get(store, maps, "a", "x"), "mine");
	assert_null(store_get(store, maps, "a", "x"));
}

static void test_a_repeated_event_is_counted(void **state)
{
	struct store *store = *state;
	OWN_JSON cJSON *pod = running_pod();
	const struct object *events;
	size_t n;

	for (int i = 0; i < 3; i++)
		event_add(store, pods, pod, "kubelet", "Warning", "Unhealthy", "it %s", "fails");
	events = store_objects(store, &kinds[KIND_EVENT], &n);
	assert_int_equal(n, 1);
	assert_int_equal(json_int(events[0].now->json, 0, "count", NULL), 3);
	assert_string_equal(json_str(events[0].now->json, "message", NULL), "it fails");
}

/* ---- selectors ---- */

static bool selects(const char *labels, const char *fields)
{
	OWN_JSON cJSON *pod = parse(
		"{\"metadata\":{\"name\":\"p\",\"namespace\":\"a\",\"labels\":{\"app\":\"web\","
		"\"example.com/tier\":\"front\",\"empty\":\"\"}},\"spec\":{\"nodeName\":\"n1\"},"
		"\"status\":{\"phase\":\"Running\"}}");
	struct selector *by_label = NULL, *by_field = NULL;
	struct err err;
	bool yes;

	if (selector_parse_labels(labels, &by_label, &err) ||
		selector_parse_fields(pods, fields, &by_field, &err))
		fail_msg("%s", err.text);
	yes = selector_matches(by_label, pod) && selector_matches(by_field, pod);
	selector_free(by_label);
	selector_free(by_field);
	return yes;
}

static void test_label_selectors(void **state)
{
	static const char *const yes[] = { "", "app", "app=web", "app==web", "app!=db", "!gone",
		"gone!=x", "app in (db, web)", "app notin (db)", "gone notin (x)",
		"empty=", "example.com/tier=front,app=web", " app = web , !gone " };
	static const char *const no[] = { "gone", "app=db", "app!=web", "!app", "app in (db)",
		"app notin (db,web)", "app=web,gone", "empty!=", "gone=" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (!selects(yes[i], NULL))
			fail_msg("'%s' should select", yes[i]);
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (selects(no[i], NULL))
			fail_msg("'%s' should not select", no[i]);
}

static void test_field_selectors(void **state)
{
	(void)state;
	assert_true(selects("app", "metadata.name=p,status.phase!=Failed"));
	assert_true(selects("", "spec.nodeName==n1,metadata.namespace=a"));
	assert_false(selects("", "metadata.name!=p"));
	assert_false(selects("", "status.phase=Pending"));
	assert_true(selects("", "status.podIP="));
}

static void test_bad_selectors_are_refused(void **state)
{
	static const char *const bad[] = { "app=web db", "=x", "app in web", "app in (web",
		"app like web", "!", "app=(x)" };
	struct selector *selector = NULL;
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (selector_parse_labels(bad[i], &selector, &err) == 0)
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(selector_parse_fields(pods, "spec.color=red", &selector, &err), -1);
	assert_string_equal(err.text, "field label not supported: spec.color");
	assert_int_equal(selector_parse_fields(pods, "nonsense", &selector, &err), -1);
	assert_int_equal(selector_parse_fields(maps, "status.phase=x", &selector, &err), -1);
}

static void test_selector_objects(void **state)
{
	OWN_JSON cJSON *pod = parse("{\"metadata\":{\"labels\":{\"app\":\"web\",\"n\":\"1\"}}}");
	static const struct {
		const char *selector;
		bool yes;
	} cases[] = {
		{ "{\"matchLabels\":{\"app\":\"web\"}}", true },
		{ "{\"matchLabels\":{\"app\":\"db\"}}", false },
		{ "{}", false },
		{ "{\"matchExpressions\":[{\"key\":\"n\",\"operator\":\"In\",\"values\":[\"1\"]}]}",
			true },
		{ "{\"matchExpressions\":[{\"key\":\"n\",\"operator\":\"NotIn\",\"values\":[\"1\"]}]}",
			false },
		{ "{\"matchExpressions\":[{\"key\":\"n\",\"operator\":\"Exists\"}]}", true },
		{ "{\"matchExpressions\":[{\"key\":\"n\",\"operator\":\"DoesNotExist\"}]}", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		OWN_JSON cJSON *selector = parse(cases[i].selector);

		if (label_selector_matches(selector, pod) != cases[i].yes)
			fail_msg("%s", cases[i].selector);
	}
}

/* ---- patches ---- */

static void check_json(const cJSON *have, const char *want)
{
	OWN_JSON cJSON *json = parse(want);
	OWN_MEM char *text = json_print(have);

	if (!same_json(have, json))
		fail_msg("%s is not %s", text, want);
}

static void test_merge_patch(void **state)
{
	OWN_JSON cJSON *json = parse("{\"a\":{\"x\":1,\"y\":2},\"l\":[1,2],\"gone\":1}");
	OWN_JSON cJSON *patch = parse(
		"{\"a\":{\"y\":3},\"l\":[9],\"gone\":null,\"new\":{\"z\":1}}");

	(void)state;
	patch_merge(json, patch);
	check_json(json, "{\"a\":{\"x\":1,\"y\":3},\"l\":[9],\"new\":{\"z\":1}}");
}

static void test_strategic_patch_merges_lists_by_name(void **state)
{
	OWN_JSON cJSON *json = parse("{\"containers\":[{\"name\":\"a\",\"image\":\"1\",\"env\":"
				     "[{\"name\":\"X\",\"value\":\"1\"}]},{\"name\":\"b\"}]}");
	OWN_JSON cJSON *patch = parse(
		"{\"containers\":[{\"name\":\"a\",\"image\":\"2\",\"env\":[{\"name\":\"Y\","
		"\"value\":\"2\"}]},{\"name\":\"b\",\"$patch\":\"delete\"},{\"name\":\"c\"}]}");

	(void)state;
	patch_strategic(json, patch);
	check_json(json,
		"{\"containers\":[{\"name\":\"a\",\"image\":\"2\",\"env\":[{\"name\":\"X\","
		"\"value\":\"1\"},{\"name\":\"Y\",\"value\":\"2\"}]},{\"name\":\"c\"}]}");
}

static int apply(cJSON *json, const char *text)
{
	OWN_JSON cJSON *patch = parse(text);

	return patch_json(json, patch, NULL);
}

static void test_json_patch(void **state)
{
	OWN_JSON cJSON *json = parse("{\"a\":{\"b/c\":1},\"l\":[1,3]}");

	(void)state;
	assert_int_equal(apply(json, "[{\"op\":\"test\",\"path\":\"/a/b~1c\",\"value\":1},"
				     "{\"op\":\"replace\",\"path\":\"/a/b~1c\",\"value\":2},"
				     "{\"op\":\"add\",\"path\":\"/l/1\",\"value\":2},"
				     "{\"op\":\"add\",\"path\":\"/l/-\",\"value\":4},"
				     "{\"op\":\"add\",\"path\":\"/n\",\"value\":{}},"
				     "{\"op\":\"remove\",\"path\":\"/l/0\"}]"),
		0);
	check_json(json, "{\"a\":{\"b/c\":2},\"l\":[2,3,4],\"n\":{}}");
	assert_int_equal(apply(json, "[{\"op\":\"remove\",\"path\":\"/none\"}]"), -1);
	assert_int_equal(apply(json, "[{\"op\":\"test\",\"path\":\"/l/0\",\"value\":7}]"), -1);
	assert_int_equal(apply(json, "[{\"op\":\"add\",\"path\":\"/x/y\",\"value\":7}]"), -1);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_every_change_has_a_version),
		STORE_TEST(test_objects_are_sorted_by_namespace_and_name),
		STORE_TEST(test_the_past_can_be_read),
		STORE_TEST(test_history_is_bounded),
		STORE_TEST(test_a_pod_ends_gracefully),
		STORE_TEST(test_finalizers_hold),
		STORE_TEST(test_a_repeated_event_is_counted),
		cmocka_unit_test(test_label_selectors),
		cmocka_unit_test(test_field_selectors),
		cmocka_unit_test(test_bad_selectors_are_refused),
		cmocka_unit_test(test_selector_objects),
		cmocka_unit_test(test_merge_patch),
		cmocka_unit_test(test_strategic_patch_merges_lists_by_name),
		cmocka_unit_test(test_json_patch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
