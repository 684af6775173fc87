/*
 * Scenario files: what is wrong with them is told whole and with its place (golden files: NAME.yaml
 * and the exact NAME.txt), and a good one becomes the struct that it says.
 */
#include "runner/commands.h"
#include "runner/scenario.h"

#include "base/clock.h"
#include "base/json.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int in_golden(void **state)
{
	(void)state;
	return chdir(TESTS_DIR "/golden/scenario");
}

static int is_yaml(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return end && !strcmp(end, ".yaml");
}

static void check_golden(const char *file)
{
	OWN_MEM char *golden = str_format("%.*s.txt", (int)(strlen(file) - 5), file), *text = NULL;
	struct scenario *scenario = NULL;
	OWN_BUF struct buf problems;
	struct err err = { 0 };
	int ret;

	buf_init(&problems, 1 << 20);
	ret = scenario_load(file, &scenario, &problems, &err);
	scenario_free(scenario);
	assert_int_equal(buf_read_file(golden, 1 << 20, &text, NULL, NULL), 0);
	assert_string_equal(buf_str(&problems), text);
	assert_int_equal(ret, strncmp(file, "bad-", 4) ? 0 : -1);
	assert_int_equal(err.code, ret ? ERR_CONFIG : ERR_NONE);
	if (ret)
		assert_int_equal(strncmp(err.text, file, strlen(file)), 0);
}

static void mistakes_are_told_whole(void **state)
{
	struct dirent **names;
	int n = scandir(".", &names, is_yaml, alphasort);

	(void)state;
	assert_true(n >= 8);
	for (int i = 0; i < n; i++) {
		check_golden(names[i]->d_name);
		free(names[i]);
	}
	free(names);
}

static struct scenario *load(const char *file)
{
	struct scenario *scenario = NULL;
	OWN_BUF struct buf problems;
	struct err err;

	buf_init(&problems, 1 << 20);
	if (scenario_load(file, &scenario, &problems, &err))
		fail_msg("%s", buf_str(&problems));
	return scenario;
}

static void assert_cookies(const struct scenario *s)
{
	static const char *const names[] = { "eat-keystone", "eat-anything", "eat-many-1",
		"eat-many-2" };

	assert_int_equal(s->n_cookies, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(s->cookies[i].name, names[i]);
		assert_string_equal(s->cookies[i].ops->name, "killpod");
		assert_int_equal(s->cookies[i].n_expect, 1);
	}
	assert_int_equal(s->cookies[0].start_ns, 10 * NS_PER_S);
	assert_int_equal(s->cookies[0].settle_ns, 5 * NS_PER_S);
	assert_int_equal(s->cookies[0].timing.interval_ns, 30 * NS_PER_S);
	assert_int_equal(s->cookies[0].timing.duration_ns, 240 * NS_PER_S);
	assert_false(s->cookies[0].timing.first_after_interval);
	assert_string_equal(s->cookies[0].expect[0].text, "bites >= 8");
	assert_int_equal(s->cookies[0].expect[0].line, 16);
	assert_int_equal(s->cookies[0].line, 13);
	assert_true(s->cookies[1].timing.first_after_interval);
	assert_string_equal(s->cookies[1].expect[0].text, "bites >= 1");
	assert_int_equal(s->cookies[1].expect[0].line, 0);
	assert_int_equal(s->cookies[3].timing.interval_ns, 60 * NS_PER_S);
}

static void assert_verifiers(const struct scenario *s)
{
	static const char *const names[] = { "token", "boot", "dashboard", "dashboard-new",
		"only-faults", "control" };
	const struct scenario_verify *token = &s->verify[0], *boot = &s->verify[1];
	const unsigned all = PHASE_BASELINE | PHASE_FAULTS | PHASE_RECOVERY;

	assert_int_equal(s->n_verify, 6);
	for (size_t i = 0; i < 6; i++) {
		assert_string_equal(s->verify[i].v.name, names[i]);
		assert_int_equal(s->verify[i].v.control, i == 5);
	}
	assert_int_equal(token->v.period_ns, 50 * NS_PER_MS);
	assert_int_equal(token->v.timeout_ns, 2 * NS_PER_S);
	assert_int_equal(token->v.concurrency, 41);
	assert_int_equal(token->v.phases, all);
	assert_int_equal(token->flap, 2);
	assert_int_equal(token->warmup_ns, 5 * NS_PER_S);
	assert_int_equal(token->n_expect, 3);
	assert_int_equal(token->expect[2].parsed.metric, METRIC_P99);
	assert_int_equal(token->expect[2].parsed.window, WINDOW_FAULTS);
	assert_int_equal(boot->v.phases, PHASE_FAULTS);
	assert_int_equal(boot->v.timeout_ns, 0);
	assert_string_equal(boot->expect[0].text, "sla");
	assert_string_equal(boot->expect[1].text, "samples >= 1");
	assert_int_equal(s->verify[2].v.connection, CONNECTION_REUSED);
	assert_int_equal(s->verify[3].v.connection, CONNECTION_NEW);
	assert_int_equal(s->verify[3].v.concurrency, 11);
	assert_string_equal(s->verify[3].expect[0].text, "recovered");
	assert_int_equal(s->verify[4].v.phases, PHASE_FAULTS);
	assert_int_equal(s->verify[4].v.concurrency, 3);
	assert_int_equal(s->verify[4].v.period_ns, NS_PER_S);
	assert_int_equal(s->verify[5].v.period_ns, 2 * NS_PER_S);
	assert_int_equal(s->verify[5].n_expect, 1);
}

static void a_good_one_becomes_what_it_says(void **state)
{
	struct scenario *s = load("good-full.yaml");

	(void)state;
	assert_string_equal(s->name, "keystone-ha");
	assert_string_equal(s->title, "Keystone survives the loss of any one pod");
	assert_true(s->has_seed);
	assert_true(s->seed == UINT64_MAX);
	assert_string_equal(s->context, "staging");
	assert_true(s->cluster_named);
	assert_string_equal(s->namespace, "openstack");
	assert_string_equal(s->cloud, "default");
	assert_string_equal(s->clouds_file, "m/clouds.yaml");
	assert_int_equal(s->baseline_ns, 30 * NS_PER_S);
	assert_int_equal(s->faults_ns, 300 * NS_PER_S);
	assert_int_equal(s->recovery_ns, 120 * NS_PER_S);
	assert_int_equal(s->n_deploy, 2);
	assert_string_equal(s->deploy[0].name, "control-plane");
	assert_string_equal(s->deploy[1].ops->name, "command");
	assert_int_equal(strlen(s->sha256), 64);
	assert_cookies(s);
	assert_verifiers(s);
	assert_true(scenario_needs_cluster(s));
	scenario_free(s);
	scenario_free(NULL);
}

static void defaults(void **state)
{
	struct scenario *s = load("good-small.yaml");

	(void)state;
	assert_string_equal(s->title, "small");
	assert_string_equal(s->namespace, "default");
	assert_string_equal(s->dir, ".");
	assert_false(s->has_seed);
	assert_false(s->cluster_named);
	assert_null(s->cloud);
	assert_null(s->clouds_file);
	assert_int_equal(s->baseline_ns, 30 * NS_PER_S);
	assert_int_equal(s->faults_ns, 0);
	assert_int_equal(s->faults_limit_ns, 7200 * NS_PER_S);
	assert_int_equal(s->recovery_ns, 60 * NS_PER_S);
	assert_false(scenario_needs_cluster(s));
	scenario_free(s);
}

static void a_missing_file_is_one_line(void **state)
{
	struct scenario *scenario = NULL;
	OWN_BUF struct buf problems;
	struct err err;

	(void)state;
	buf_init(&problems, 4096);
	assert_int_equal(scenario_load("gone.yaml", &scenario, &problems, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_string_equal(err.text, "gone.yaml: No such file or directory");
	assert_string_equal(buf_str(&problems), "gone.yaml: No such file or directory\n");
	assert_null(scenario);
}

/* ---- ${service:...} ---- */

static int resolve(void *arg, const char *ns, const char *name, const char *port,
	char **ret_host_port, struct err *err)
{
	if (*(bool *)arg)
		return err_set(err, ERR_NOT_FOUND, "no service %s", name);
	*ret_host_port = str_format("%s.%s.test:%s", name, ns, port);
	return 0;
}

static char *url_of(const struct param *table, void *params)
{
	return *(char **)((char *)params + param_find(table, "url")->offset);
}

static void services_are_replaced_in_every_string(void **state)
{
	const struct verifier_ops *ops = verifier_find("http");
	void *params = calloc(1, ops->params_size), *resolved = NULL;
	const struct param *headers = param_find(ops->params, "headers");
	const struct strings *list;
	bool fails = false;
	struct err err;

	(void)state;
	assert_int_equal(param_set(param_find(ops->params, "url"), params,
				 "http://${service:a/b:80}/x?to=${service:c/d:http}", &err),
		0);
	assert_int_equal(param_append(headers, params, "Host: ${service:a/b:80}", &err), 0);
	assert_int_equal(param_append(headers, params, "X: ${HOME}", &err), 0);
	assert_int_equal(scenario_resolve_params(ops->params, params, ops->params_size, resolve,
				 &fails, &resolved, &err),
		0);
	assert_string_equal(url_of(ops->params, resolved), "http://b.a.test:80/x?to=d.c.test:http");
	list = (const void *)((const char *)resolved + headers->offset);
	assert_int_equal(list->n, 2);
	assert_string_equal(list->v[0], "Host: b.a.test:80");
	assert_string_equal(list->v[1], "X: ${HOME}");
	assert_non_null(strstr(url_of(ops->params, params), "${service:a/b:80}"));
	param_done(ops->params, resolved);
	free(resolved);
	fails = true;
	resolved = NULL;
	assert_int_equal(scenario_resolve_params(ops->params, params, ops->params_size, resolve,
				 &fails, &resolved, &err),
		-1);
	assert_string_equal(err.text, "url: no service b");
	assert_null(resolved);
	param_done(ops->params, params);
	free(params);
}

/* No cookie and no deployment: only the references, wherever they stand, ask for a cluster. */
static void references_need_a_cluster(void **state)
{
	struct scenario *in_url = load("good-url.yaml"), *in_file = load("good-clouds.yaml");

	(void)state;
	assert_true(scenario_needs_cluster(in_url));
	assert_true(scenario_needs_cluster(in_file));
	scenario_free(in_url);
	scenario_free(in_file);
}

/* ---- the commands ---- */

/* What cmd_list prints, to be freed. */
static char *list_output(bool markdown)
{
	char name[] = "list", option[] = "--markdown";
	char *argv[] = { name, markdown ? option : NULL, NULL };
	FILE *out = tmpfile();
	int kept = dup(STDOUT_FILENO);
	char *text = calloc(1, 1 << 16);

	assert_true(out && text && kept >= 0);
	fflush(stdout);
	dup2(fileno(out), STDOUT_FILENO);
	optind = 0;
	assert_int_equal(cmd_list(markdown ? 2 : 1, argv), 0);
	dup2(kept, STDOUT_FILENO);
	close(kept);
	assert_true(pread(fileno(out), text, (1 << 16) - 1, 0) > 0);
	fclose(out);
	return text;
}

static void assert_lists(const char *text, const char *kind, const struct param *params)
{
	OWN_MEM char *title = str_format("`%s`", kind);

	assert_non_null(strstr(text, title));
	for (; params && params->name; params++) {
		OWN_MEM char *row = str_format(
			"| `%s` | %s |", params->name, param_type_name(params->type));

		if (!strstr(text, row))
			fail_msg("%s: no row %s", kind, row);
	}
}

static void list_has_every_kind_and_metric(void **state)
{
	OWN_MEM char *text = list_output(true), *plain = list_output(false);

	(void)state;
	for (size_t i = 0; cookie_kinds[i]; i++)
		assert_lists(text, cookie_kinds[i]->name, cookie_kinds[i]->params);
	for (size_t i = 0; verifier_kinds[i]; i++)
		assert_lists(text, verifier_kinds[i]->name, verifier_kinds[i]->params);
	for (size_t i = 0; deployer_kinds[i]; i++)
		assert_lists(text, deployer_kinds[i]->name, deployer_kinds[i]->params);
	for (int i = 0; i < METRIC_COUNT; i++) {
		OWN_MEM char *row = str_format("| `%s` |", metric_name((enum metric)i));

		assert_non_null(strstr(text, row));
		assert_non_null(strstr(plain, metric_name((enum metric)i)));
	}
	assert_non_null(strstr(plain, "verifier http: "));
	assert_null(strstr(plain, "|\n"));
}

static void check_has_exit_codes(void **state)
{
	char name[] = "check", file[] = "good-small.yaml", folder[] = "m";
	char *good[] = { name, file, NULL }, *bad[] = { name, folder, NULL },
	     *none[] = { name, NULL };

	(void)state;
	optind = 0;
	assert_int_equal(cmd_check(2, good), 0);
	optind = 0;
	assert_int_equal(cmd_check(2, bad), 2);
	optind = 0;
	assert_int_equal(cmd_check(1, none), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_told_whole),
		cmocka_unit_test(a_good_one_becomes_what_it_says),
		cmocka_unit_test(defaults),
		cmocka_unit_test(a_missing_file_is_one_line),
		cmocka_unit_test(services_are_replaced_in_every_string),
		cmocka_unit_test(references_need_a_cluster),
		cmocka_unit_test(check_has_exit_codes),
		cmocka_unit_test(list_has_every_kind_and_metric),
	};

	return cmocka_run_group_tests(tests, in_golden, NULL);
}
