/* Cookiemonster's own files: what each key becomes, and what cannot be taken. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/own.h"
#include "runner/cookiemonster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[] = "/tmp/crumble-monster-XXXXXX";

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static int load(const char *name, const char *text, struct cookiemonster *ret, struct err *err)
{
	OWN_MEM char *path = str_format("%s/%s", dir, name);
	int got;

	assert_int_equal(buf_write_file(path, text, strlen(text), NULL), 0);
	got = cookiemonster_load(path, ret, err);
	unlink(path);
	return got;
}

static const void *value(const struct cookiemonster *monster, size_t i, const char *name)
{
	const struct param *param = param_find(monster->ops->params, name);

	assert_non_null(param);
	return (const char *)monster->v[i].params + param->offset;
}

#define TEXT(monster, i, name) (*(char *const *)value(monster, i, name))
#define NUMBER(monster, i, name) (*(const int64_t *)value(monster, i, name))
#define FLAG(monster, i, name) (*(const bool *)value(monster, i, name))
#define CHOICE(monster, i, name) (*(const int *)value(monster, i, name))

static void v1_bites_first_after_one_interval(void **state)
{
	OWN(cookiemonster_done) struct cookiemonster m = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(
		load("a.json",
			"{\"name\":\"\",\"kind\":\"deployment\",\"namespace\":\"openstack\","
			"\"target\":2,\"interval\":30,\"duration\":600,\"slack\":false}\n",
			&m, &err),
		0);
	assert_int_equal(m.n, 1);
	assert_false(m.numbered);
	assert_int_equal(CHOICE(&m, 0, "kind"), 0);
	assert_null(TEXT(&m, 0, "name"));
	assert_string_equal(TEXT(&m, 0, "namespace"), "openstack");
	assert_int_equal(NUMBER(&m, 0, "target"), 2);
	assert_true(FLAG(&m, 0, "guard"));
	assert_int_equal(m.v[0].timing.interval_ns, 30 * NS_PER_S);
	assert_int_equal(m.v[0].timing.duration_ns, 600 * NS_PER_S);
	assert_true(m.v[0].timing.first_after_interval);
	assert_int_equal(m.notes.n, 0);
}

static void v1_keys_have_no_case_and_strangers_are_told(void **state)
{
	OWN(cookiemonster_done) struct cookiemonster m = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(
		load("a.json",
			"{\"NAME\":\"mariadb\",\"Kind\":\"statefulset\",\"nameSpace\":\"test\","
			"\"Interval\":15,\"slack\":true,\"fatal\":true,\"async\":1}",
			&m, &err),
		0);
	assert_string_equal(TEXT(&m, 0, "name"), "mariadb");
	assert_int_equal(CHOICE(&m, 0, "kind"), 1);
	assert_int_equal(NUMBER(&m, 0, "target"), 1);
	assert_false(FLAG(&m, 0, "guard"));
	assert_int_equal(m.v[0].timing.duration_ns, 0);
	assert_int_equal(m.notes.n, 2);
	assert_string_equal(
		m.notes.v[0], "the key \"async\" is unknown to Cookiemonster too: ignored");
	assert_string_equal(m.notes.v[1], "slack is not supported yet: ignored");
}

static void v1_interval_zero_is_one_bite_at_once(void **state)
{
	OWN(cookiemonster_done) struct cookiemonster m = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(
		load("a.json",
			"{\"kind\":\"deployment\",\"interval\":0,\"duration\":600,\"fatal\":false}",
			&m, &err),
		0);
	assert_int_equal(m.v[0].timing.interval_ns, 0);
	assert_false(m.v[0].timing.first_after_interval);
	assert_true(FLAG(&m, 0, "guard"));
	assert_null(TEXT(&m, 0, "namespace"));
	assert_int_equal(m.notes.n, 1);
	assert_string_equal(m.notes.v[0], "names no namespace: the scenario's is taken");
}

static const char config[] = "namespace:\n"
			     "  - name: openstack\n"
			     "    resource:\n"
			     "    - kind: deployment\n"
			     "      name:\n"
			     "      target: 1\n"
			     "    - kind: statefulset\n"
			     "      Name: mariadb\n"
			     "      target: \"2\"\n"
			     "    - kind: statefulset\n"
			     "      name: rabbitmq\n"
			     "interval: \"60\"\n"
			     "duration: 600\n"
			     "slack: true\n"
			     "bmcad: x\n";

static void v2_is_a_cookie_a_resource_and_bites_at_once(void **state)
{
	OWN(cookiemonster_done) struct cookiemonster m = { 0 };
	struct err err;

	(void)state;
	assert_int_equal(load("config.yaml", config, &m, &err), 0);
	assert_true(m.numbered);
	assert_int_equal(m.n, 2);
	assert_null(TEXT(&m, 0, "name"));
	assert_string_equal(TEXT(&m, 1, "name"), "mariadb");
	assert_string_equal(TEXT(&m, 1, "namespace"), "openstack");
	assert_int_equal(NUMBER(&m, 1, "target"), 2);
	assert_int_equal(m.v[1].timing.interval_ns, 60 * NS_PER_S);
	assert_int_equal(m.v[1].timing.duration_ns, 600 * NS_PER_S);
	assert_false(m.v[1].timing.first_after_interval);
	assert_int_equal(m.notes.n, 2);
	assert_string_equal(m.notes.v[1], "a statefulset without target never kills: left out");
}

static void what_cannot_be_taken_is_said(void **state)
{
	static const struct {
		const char *name, *text, *message;
	} rows[] = {
		{ "a.json", "{\"kind\":\"daemonset\",\"interval\":1}",
			"kind daemonset is not supported yet: deployment and statefulset are" },
		{ "a.json", "{\"kind\":\"Deployment\",\"interval\":1}",
			"kind \"Deployment\" is neither deployment nor statefulset" },
		{ "a.json", "{\"interval\":1}", "kind is missing: deployment or statefulset" },
		{ "a.json", "{\"kind\":\"deployment\"}",
			"interval is missing: whole seconds, 0 to kill once" },
		{ "a.json", "{\"kind\":\"deployment\",\"interval\":\"5\"}",
			"interval: not a number" },
		{ "a.json", "{\"kind\":\"deployment\",\"interval\":-1}",
			"interval: -1 is not a whole number from 0 to 31536000" },
		{ "a.json", "{\"kind\":\"deployment\",\"interval\":1,\"fatal\":1}",
			"fatal: neither true nor false" },
		{ "a.json", "{\"target\":\"\",\"commands\":[]}",
			"a nodeexec cookie, which is not supported yet" },
		{ "a.json", "[1]", "not a map" },
		{ "a.json", "{\"kind\":", "not JSON (near byte 7 of 8)" },
		{ "c.yaml", "namespace: []\ninterval: 60s\n",
			"interval: \"60s\" is not a whole number (they are seconds here, without a unit)" },
		{ "c.yaml", "namespace: []\n", "no resource with a target: it never kills" },
		{ "c.yaml", "namespace: [{name: a}]\n", "namespace.resource: not a list" },
		{ "c.yaml", "", "is empty" },
		{ "c.toml", "interval = 1", "neither .json nor .yaml nor .yml" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		OWN(cookiemonster_done) struct cookiemonster m = { 0 };
		OWN_MEM char *message = str_format("%s/%s: %s", dir, rows[i].name, rows[i].message);
		struct err err = { 0 };

		if (!load(rows[i].name, rows[i].text, &m, &err))
			fail_msg("%s was taken", rows[i].text);
		assert_string_equal(err.text, message);
		assert_null(m.v);
	}
}

/* What we ship, like the ancestor did. */
static void shipped_files_load(void **state)
{
	static const char *const names[] = { "openstack-random-deployment",
		"openstack-random-statefulset", "test-mariadb", "test-rabbitmq" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		OWN(cookiemonster_done) struct cookiemonster m = { 0 };
		OWN_MEM char *path = str_format(
			TESTS_DIR "/../scenarios/cookies.d/killpod/%s.json", names[i]);
		struct err err;

		if (cookiemonster_load(path, &m, &err))
			fail_msg("%s", err.text);
		assert_int_equal(m.n, 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(v1_bites_first_after_one_interval),
		cmocka_unit_test(v1_keys_have_no_case_and_strangers_are_told),
		cmocka_unit_test(v1_interval_zero_is_one_bite_at_once),
		cmocka_unit_test(v2_is_a_cookie_a_resource_and_bites_at_once),
		cmocka_unit_test(what_cannot_be_taken_is_said),
		cmocka_unit_test(shipped_files_load),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
