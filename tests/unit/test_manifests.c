/* manifests: what is created, in which order, and that only what is ours is ever deleted. The
 * cluster is a list of objects. */
#include "base/buf.h"
#include "base/own.h"
#include "runner/deployers/deployer.h"
#include "runner/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define CRASHING                                                                         \
	"{\"phase\":\"Running\",\"containerStatuses\":[{\"restartCount\":4,\"state\":{"  \
	"\"waiting\":{\"reason\":\"CrashLoopBackOff\"}},\"lastState\":{\"terminated\":{" \
	"\"exitCode\":3}}}]}"

/* ---- the cluster ---- */

static struct {
	cJSON *objects; /* of all kinds, as created */
	int creations;
	char log[1024];   /* "+kind/name " and "-kind/name " */
	bool never_ready; /* workloads stay at zero ready replicas */
	const char *pod_status;
	int refuse_at; /* the creation of this number is refused; 0: none */
} cluster;

static void note(char what, const char *kind, const char *name)
{
	size_t len = strlen(cluster.log);

	snprintf(cluster.log + len, sizeof(cluster.log) - len, "%c%s/%s ", what, kind, name);
}

static int find(const char *kind, const char *name)
{
	int n = cJSON_GetArraySize(cluster.objects);

	for (int i = 0; i < n; i++) {
		const cJSON *item = cJSON_GetArrayItem(cluster.objects, i);

		if (!strcmp(json_str(item, "kind", NULL), kind) &&
			!strcmp(json_str(item, "metadata", "name", NULL), name))
			return i;
	}
	return -1;
}

static void put(const cJSON *object)
{
	cJSON *copy = cJSON_Duplicate(object, 1), *status;
	char uid[32];

	snprintf(uid, sizeof(uid), "uid-%d", ++cluster.creations);
	cJSON_AddStringToObject(cJSON_GetObjectItem(copy, "metadata"), "uid", uid);
	json_add_int(cJSON_GetObjectItem(copy, "metadata"), "generation", 1);
	status = cJSON_AddObjectToObject(copy, "status");
	cJSON_AddNumberToObject(status, "observedGeneration", 1);
	if (!cluster.never_ready) {
		cJSON_AddNumberToObject(status, "replicas", 1);
		cJSON_AddNumberToObject(status, "updatedReplicas", 1);
		cJSON_AddNumberToObject(status, "readyReplicas", 1);
		cJSON_AddNumberToObject(status, "availableReplicas", 1);
	}
	{ /* numbers that were added raw become numbers */
		OWN_MEM char *text = json_print(copy);

		cJSON_Delete(copy);
		copy = cJSON_Parse(text);
	}
	cJSON_AddItemToArray(cluster.objects, copy);
}

int k8s_create(struct k8s *client, const cJSON *object, const char *ns, cJSON **ret_object,
	struct err *err)
{
	const char *kind = json_str(object, "kind", NULL);
	const char *name = json_str(object, "metadata", "name", NULL);

	assert_null(client);
	assert_null(ret_object);
	assert_string_equal(ns, strcmp(name, "elsewhere") ? "shop" : "other");
	if (cluster.refuse_at && cluster.creations + 1 == cluster.refuse_at)
		return err_set(err, ERR_NOT_FOUND,
			"POST .../%s: 404 Not Found: namespaces \"shop\" not found", kind);
	if (find(kind, name) >= 0)
		return err_set(err, ERR_CONFLICT, "POST .../%s: 409 Conflict", kind);
	note('+', kind, name);
	put(object);
	return 0;
}

int k8s_get(struct k8s *client, const struct k8s_kind *kind, const char *ns, const char *name,
	cJSON **ret_object, struct err *err)
{
	int at = find(kind->kind, name);

	assert_null(client);
	(void)ns;
	if (at < 0)
		return err_set(err, ERR_NOT_FOUND, "GET .../%s: 404 Not Found", name);
	*ret_object = cJSON_Duplicate(cJSON_GetArrayItem(cluster.objects, at), 1);
	return 0;
}

int k8s_delete(struct k8s *client, const struct k8s_kind *kind, const char *ns, const char *name,
	const struct k8s_delete *options, struct err *err)
{
	int at = find(kind->kind, name);
	const cJSON *object = at < 0 ? NULL : cJSON_GetArrayItem(cluster.objects, at);

	assert_null(client);
	(void)ns;
	assert_non_null(object);
	if (strcmp(options->uid, json_str(object, "metadata", "uid", NULL)))
		return err_set(err, ERR_CONFLICT, "DELETE .../%s: 409 Conflict", name);
	note('-', kind->kind, name);
	cJSON_DeleteItemFromArray(cluster.objects, at);
	return 0;
}

int k8s_list(struct k8s *client, const struct k8s_kind *kind, const char *ns,
	const struct k8s_select *select, int (*each)(void *arg, const cJSON *item), void *arg,
	char **ret_version, struct err *err)
{
	OWN_MEM char *text = str_format(
		"{\"metadata\":{\"name\":\"web-1\"},\"status\":%s}", cluster.pod_status);
	OWN_JSON cJSON *pod = cJSON_Parse(text);

	assert_non_null(pod);

	assert_null(client);
	assert_ptr_equal(kind, &k8s_pod);
	assert_string_equal(select->labels, "app=web");
	assert_string_equal(ns, "shop");
	assert_null(ret_version);
	(void)err;
	each(arg, pod);
	return 0;
}

int k8s_pod_log(struct k8s *client, const char *ns, const char *name, const char *container,
	unsigned tail, char **ret_text, struct err *err)
{
	assert_null(client);
	assert_null(container);
	assert_string_equal(ns, "shop");
	assert_string_equal(name, "web-1");
	assert_true(tail > 0);
	(void)err;
	*ret_text = strdup("starting\nno such database\n");
	return 0;
}

/* ---- the fixture ---- */

static char dir[64];
static void *params;
static struct deployer_env env = { .namespace = "default",
	.run_id = "run-1",
	.expires = "2026-11-24T16:00:00Z",
	.name = "stage",
	.scenario_dir = dir };

static const struct deployer_ops *ops(void)
{
	return deployer_find("manifests");
}

static void set(const char *key, const char *value)
{
	const struct param *param = param_find(ops()->params, key);
	struct err err;

	if (param->type == PARAM_STRINGS)
		assert_int_equal(param_append(param, params, value, &err), 0);
	else
		assert_int_equal(param_set(param, params, value, &err), 0);
}

static void write_file(const char *name, const char *text)
{
	OWN_MEM char *path = str_format("%s/%s", dir, name);
	struct err err;

	assert_int_equal(buf_write_file(path, text, strlen(text), &err), 0);
}

static int setup(void **state)
{
	struct err err;

	(void)state;
	memset(&cluster, 0, sizeof(cluster));
	cluster.objects = cJSON_CreateArray();
	cluster.pod_status = CRASHING;
	strcpy(dir, "/tmp/test-manifests-XXXXXX");
	assert_non_null(mkdtemp(dir));
	params = calloc(1, ops()->params_size);
	assert_int_equal(param_defaults(ops()->params, params, &err), 0);
	set("files", "a.yaml");
	set("namespace", "shop");
	write_file("a.yaml", "apiVersion: v1\n"
			     "kind: ConfigMap\n"
			     "metadata: {name: settings}\n"
			     "---\n"
			     "apiVersion: apps/v1\n"
			     "kind: Deployment\n"
			     "metadata:\n"
			     "  name: web\n"
			     "  labels:\n"
			     "spec: {replicas: 1, selector: {matchLabels: {app: web}}}\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	cJSON_Delete(cluster.objects);
	param_done(ops()->params, params);
	free(params);
	assert_int_equal(folder_remove(dir, NULL), 0);
	return 0;
}

static cJSON *undo_record(void)
{
	cJSON *undo = NULL;
	struct err err = { ERR_NONE, "" };

	if (ops()->undo(&env, params, &undo, &err))
		fail_msg("%s", err.text);
	return undo;
}

static void deploy(void)
{
	struct err err = { ERR_NONE, "" };

	if (ops()->deploy(&env, params, &err) || ops()->ready(&env, params, &err))
		fail_msg("%s", err.text);
}

/* ---- tests ---- */

static void created_in_order_with_the_runs_marks(void **state)
{
	const cJSON *object;

	(void)state;
	deploy();
	assert_string_equal(cluster.log, "+ConfigMap/settings +Deployment/web ");
	cJSON_ArrayForEach(object, cluster.objects)
	{
		assert_string_equal(
			json_str(object, "metadata", "labels", "crumble/run", NULL), "run-1");
		assert_string_equal(
			json_str(object, "metadata", "annotations", "crumble/expires", NULL),
			"2026-11-24T16:00:00Z");
	}
}

static void destroyed_in_reverse_and_twice(void **state)
{
	OWN_JSON cJSON *undo = undo_record();
	struct err err;

	(void)state;
	deploy();
	*cluster.log = '\0';
	assert_int_equal(ops()->destroy(&env, undo, &err), 0);
	assert_string_equal(cluster.log, "-Deployment/web -ConfigMap/settings ");
	assert_int_equal(ops()->destroy(&env, undo, &err), 0);
	assert_int_equal(cJSON_GetArraySize(cluster.objects), 0);
}

/* An object that was there before is an error, and stays, also when the rest is undone. */
static void others_are_never_adopted(void **state)
{
	OWN_JSON cJSON *undo = undo_record();
	OWN_JSON cJSON *theirs = cJSON_Parse(
		"{\"kind\":\"Deployment\",\"metadata\":{\"name\":\"web\"},\"spec\":{}}");
	struct err err;

	(void)state;
	put(theirs);
	assert_int_equal(ops()->deploy(&env, params, &err), -1);
	assert_int_equal(err.code, ERR_CONFLICT);
	assert_non_null(strstr(err.text, "Deployment web exists already in namespace shop"));
	assert_int_equal(ops()->destroy(&env, undo, &err), 0);
	assert_string_equal(cluster.log, "+ConfigMap/settings -ConfigMap/settings ");
	assert_int_equal(find("Deployment", "web"), 0);
}

static void half_a_deploy_is_undone(void **state)
{
	OWN_JSON cJSON *undo = undo_record();
	struct err err;

	(void)state;
	cluster.refuse_at = 2;
	assert_int_equal(ops()->deploy(&env, params, &err), -1);
	assert_non_null(strstr(err.text, "Deployment web in namespace shop"));
	assert_non_null(strstr(err.text, "namespaces \"shop\" not found"));
	assert_int_equal(ops()->destroy(&env, undo, &err), 0);
	assert_int_equal(cJSON_GetArraySize(cluster.objects), 0);
}

static void undo_record_holds_no_content(void **state)
{
	OWN_JSON cJSON *undo = NULL;
	OWN_MEM char *text = NULL;

	(void)state;
	write_file("a.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\n"
			     "stringData: {password: hunter2}\n");
	undo = undo_record();
	text = json_print(undo);
	assert_non_null(strstr(text, "keys"));
	assert_null(strstr(text, "hunter2"));
}

static void own_namespace_and_lists(void **state)
{
	OWN_JSON cJSON *undo = NULL;

	(void)state;
	write_file("a.yaml", "apiVersion: v1\nkind: List\nitems:\n"
			     "- {apiVersion: v1, kind: ConfigMap, metadata: {name: elsewhere, "
			     "namespace: other}}\n"
			     "- {apiVersion: v1, kind: ConfigMap, metadata: {name: here}}\n");
	undo = undo_record();
	assert_string_equal(json_str(undo, "objects", "0", "namespace", NULL), "other");
	assert_string_equal(json_str(undo, "objects", "1", "namespace", NULL), "shop");
	deploy();
	assert_string_equal(cluster.log, "+ConfigMap/elsewhere +ConfigMap/here ");
}

static void not_rolled_out_says_why(void **state)
{
	struct err err;

	(void)state;
	cluster.never_ready = true;
	set("wait", "0s");
	assert_int_equal(ops()->deploy(&env, params, &err), 0);
	assert_int_equal(ops()->ready(&env, params, &err), -1);
	assert_int_equal(err.code, ERR_TIMEOUT);
	assert_non_null(strstr(err.text, "Deployment web in namespace shop is not rolled out"));
	assert_non_null(strstr(err.text, "pod web-1 exited with 3, restarted 4 times"));
	assert_non_null(strstr(err.text, "starting|no such database"));
	assert_null(strchr(err.text, '\n'));
}

/* As kubelets tell it; what the user reads. */
static void what_ails_a_pod_is_said_in_its_kubelets_words(void **state)
{
	static const struct {
		const char *status, *says;
	} pods[] = {
		{ "{\"phase\":\"Pending\",\"containerStatuses\":[{\"ready\":false,\"state\":{"
		  "\"waiting\":{\"reason\":\"ImagePullBackOff\",\"message\":\"Back-off pulling image "
		  "\\\"web:7\\\"\"}},\"lastState\":{}}]}",
			"pod web-1 waiting: ImagePullBackOff, Back-off pulling image \"web:7\"" },
		{ "{\"phase\":\"Running\",\"containerStatuses\":[{\"ready\":false,\"state\":{"
		  "\"waiting\":{\"reason\":\"CrashLoopBackOff\",\"message\":\"back-off 10s\"}},"
		  "\"lastState\":{\"terminated\":{\"exitCode\":128,\"reason\":\"StartError\","
		  "\"message\":\"exec: \\\"web\\\": executable file not found in $PATH\"}}}]}",
			"pod web-1 cannot start: exec: \"web\": executable file not found in $PATH" },
		{ "{\"phase\":\"Running\",\"containerStatuses\":[{\"ready\":true,\"state\":{"
		  "\"running\":{}},\"lastState\":{\"terminated\":{\"exitCode\":1}}},{\"ready\":false,"
		  "\"restartCount\":2,\"state\":{\"terminated\":{\"exitCode\":137,\"reason\":"
		  "\"OOMKilled\"}}}]}",
			"pod web-1 exited with 137 (OOMKilled), restarted 2 times" },
		{ "{\"phase\":\"Pending\",\"initContainerStatuses\":[{\"ready\":false,"
		  "\"restartCount\":1,\"state\":{\"terminated\":{\"exitCode\":5,\"reason\":\"Error\"}}}"
		  "],\"containerStatuses\":[{\"ready\":false,\"state\":{\"waiting\":{\"reason\":"
		  "\"PodInitializing\"}}}]}",
			"pod web-1 exited with 5, restarted 1 times" },
		{ "{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":"
		  "\"False\",\"message\":\"0/3 nodes are available: 3 Insufficient cpu.\"}]}",
			"pod web-1 finds no node: 0/3 nodes are available" },
		{ "{\"phase\":\"Pending\",\"containerStatuses\":[{\"ready\":false,\"state\":{"
		  "\"waiting\":{\"reason\":\"ContainerCreating\"}}}]}",
			"pod web-1 Pending, not ready" },
	};
	struct err err;

	(void)state;
	cluster.never_ready = true;
	set("wait", "0s");
	assert_int_equal(ops()->deploy(&env, params, &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(pods); i++) {
		cluster.pod_status = pods[i].status;
		assert_int_equal(ops()->ready(&env, params, &err), -1);
		if (!strstr(err.text, pods[i].says))
			fail_msg("\"%s\" does not say \"%s\"", err.text, pods[i].says);
	}
}

static void stopped_while_waiting(void **state)
{
	struct stop *stop = NULL;
	struct err err;

	(void)state;
	cluster.never_ready = true;
	assert_int_equal(stop_new(NULL, &stop, &err), 0);
	stop_request(stop, 15);
	env.stop = stop;
	assert_int_equal(ops()->deploy(&env, params, &err), -1);
	assert_int_equal(err.code, ERR_STOPPED);
	assert_string_equal(cluster.log, "");
	env.stop = NULL;
	assert_int_equal(ops()->deploy(&env, params, &err), 0);
	env.stop = stop;
	assert_int_equal(ops()->ready(&env, params, &err), -1);
	assert_int_equal(err.code, ERR_STOPPED);
	env.stop = NULL;
	stop_free(stop);
}

static void mistakes_are_found_before_anything_is_done(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "apiVersion: v1\nkind: ConfigMap\n  metadata: {name: x}\n", "a.yaml:3:" },
		{ "kind: ConfigMap\nmetadata: {name: x}\n", "apiVersion" },
		{ "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n", "metadata.name" },
		{ "- 1\n- 2\n", "no Kubernetes object" },
		{ "# nothing\n", "no object" },
	};
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		write_file("a.yaml", cases[i].text);
		assert_int_equal(ops()->check(params, dir, &err), -1);
		if (!strstr(err.text, cases[i].says))
			fail_msg("\"%s\" does not say \"%s\"", err.text, cases[i].says);
	}
	set("files", "missing.yaml");
	write_file("a.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n");
	assert_int_equal(ops()->check(params, dir, &err), -1);
	assert_non_null(strstr(err.text, "missing.yaml"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(created_in_order_with_the_runs_marks),
		TEST(destroyed_in_reverse_and_twice),
		TEST(others_are_never_adopted),
		TEST(half_a_deploy_is_undone),
		TEST(undo_record_holds_no_content),
		TEST(own_namespace_and_lists),
		TEST(not_rolled_out_says_why),
		TEST(what_ails_a_pod_is_said_in_its_kubelets_words),
		TEST(stopped_while_waiting),
		TEST(mistakes_are_found_before_anything_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
