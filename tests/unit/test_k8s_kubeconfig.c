/* kubeconfig: merging, what each member becomes, and what each mistake is told as. */
#include "k8s/k8s_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <ftw.h>
#include <string.h>
#include <sys/stat.h>

static char folder[64];

static int setup(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/crumble-kubeconfig-XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	(void)state;
	return nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Writes FOLDER/name and returns its path, to be freed. */
static char *file(const char *name, const char *text)
{
	char *path = str_format("%s/%s", folder, name);

	assert_int_equal(buf_write_file(path, text, strlen(text), NULL), 0);
	return path;
}

static struct k8s_config *load(const char *files, const char *context)
{
	struct k8s_config *config = NULL;
	struct err err = { 0 };

	if (k8s_config_kubeconfig(files, context, &config, &err))
		fail_msg("%s", err.text);
	return config;
}

static void expect_error(const char *files, const char *context, const char *words)
{
	struct k8s_config *config = NULL;
	struct err err = { 0 };

	assert_int_equal(k8s_config_kubeconfig(files, context, &config, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	assert_null(strchr(err.text, '\n'));
	if (!strstr(err.text, words))
		fail_msg("\"%s\" lacks \"%s\"", err.text, words);
}

#define CLUSTER(name, server) "clusters:\n- name: " name "\n  cluster: {server: \"" server "\"}\n"
#define CONTEXT(name, cluster, user) \
	"contexts:\n- name: " name "\n  context: {cluster: " cluster ", user: " user "}\n"

static void test_merge(void **state)
{
	OWN_MEM char *a = file("a", "kind: Config\n" CLUSTER("c", "https://a/") CONTEXT("x", "c",
					    "u") "users:\n- name: u\n  user: {token: one}\n");
	OWN_MEM char *b = file("b",
		"current-context: yy\n" CLUSTER("c",
			"https://b") "- name: d\n  cluster: {server: 'https://d:1'}\n" CONTEXT("x",
			"d",
			"u") "- name: yy\n  context: {cluster: d, user: u, namespace: ns1}\n"
			     "users:\n- name: u\n  user: {token: two, client-key: k}\ncurrent-context2: z\n");
	OWN_MEM char *c = file("c", "current-context: x\n");
	OWN_MEM char *list = str_format("%s/none::%s:%s:%s", folder, a, b, c);
	struct k8s_config *config;

	(void)state;
	config = load(list, NULL); /* the first current-context is b's */
	assert_string_equal(k8s_config_context(config), "yy");
	assert_string_equal(k8s_config_server(config), "https://d:1");
	assert_string_equal(k8s_config_namespace(config), "ns1");
	assert_string_equal(config->token, "one"); /* the first user u counts whole */
	assert_null(config->key_file);
	k8s_config_free(config);
	config = load(list, "x");
	assert_string_equal(k8s_config_server(config), "https://a");
	assert_string_equal(k8s_config_namespace(config), "default");
	assert_false(k8s_config_is_in_cluster(config));
	k8s_config_free(config);
}

static void test_environment(void **state)
{
	OWN_MEM char *path = NULL, *kube = str_format("%s/.kube", folder);
	struct k8s_config *config;

	(void)state;
	assert_int_equal(mkdir(kube, 0700), 0);
	path = file(".kube/config",
		"current-context: x\n" CLUSTER("c", "https://home") CONTEXT("x", "c", "\"\""));
	setenv("HOME", folder, 1);
	unsetenv("KUBECONFIG");
	config = load(NULL, NULL);
	assert_string_equal(k8s_config_server(config), "https://home");
	k8s_config_free(config);
	setenv("KUBECONFIG", "/nowhere/config", 1);
	expect_error(NULL, NULL, "no such file: /nowhere/config");
	unsetenv("KUBECONFIG");
}

/* Files are relative to the kubeconfig that names them; data goes before files. */
static void test_credentials(void **state)
{
	OWN_MEM char *sub = str_format("%s/sub", folder), *ca = NULL, *cert = NULL, *key = NULL;
	OWN_MEM char *tokens = NULL, *path = NULL;
	struct k8s_config *config;

	(void)state;
	assert_int_equal(mkdir(sub, 0700), 0);
	ca = file("sub/ca.pem", "-----BEGIN CERTIFICATE-----");
	cert = file("sub/cert.pem", "-----BEGIN CERTIFICATE-----");
	key = file("sub/key.pem", "-----BEGIN PRIVATE KEY-----");
	tokens = file("sub/token", "secret\n");
	path = file("sub/config",
		"current-context: x\n"
		"clusters:\n- name: c\n  cluster: {server: 'https://h', certificate-authority: ca.pem}\n"
		"- name: i\n  cluster: {server: 'https://h', insecure-skip-tls-verify: true}\n"
		"contexts:\n- name: x\n  context: {cluster: c, user: files}\n"
		"- name: data\n  context: {cluster: i, user: data}\n"
		"users:\n- name: files\n  user: {client-certificate: cert.pem, client-key: key.pem, "
		"tokenFile: token}\n"
		"- name: data\n  user:\n    client-certificate: /nowhere\n"
		"    client-certificate-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==\n"
		"    client-key-data: |\n      LS0tLS1CRUdJTiBQUklW\n      QVRFIEtFWS0tLS0tCg==\n");
	config = load(path, NULL);
	assert_string_equal(config->tls.ca_file, ca);
	assert_string_equal(config->tls.cert_file, cert);
	assert_string_equal(config->tls.key_file, key);
	assert_string_equal(config->token_file, tokens);
	assert_false(config->tls.insecure);
	k8s_config_free(config);
	config = load(path, "data");
	assert_true(config->tls.insecure);
	assert_null(config->tls.cert_file);
	assert_string_equal(config->tls.cert_data, "-----BEGIN CERTIFICATE-----\n");
	assert_string_equal(config->tls.key_data, "-----BEGIN PRIVATE KEY-----\n");
	k8s_config_free(config);
}

static void expect_user_error(const char *user, const char *words)
{
	OWN_MEM char *text = str_format("current-context: x\n" CLUSTER("c", "https://h") CONTEXT(
						"x", "c", "u") "users:\n- name: u\n  user: {%s}\n",
		user);
	OWN_MEM char *path = file("user", text);

	expect_error(path, NULL, words);
}

static void expect_cluster_error(const char *cluster, const char *words)
{
	OWN_MEM char *text = str_format(
		"current-context: x\nclusters:\n- name: c\n  cluster: {%s}\n" CONTEXT(
			"x", "c", "u") "users: [{name: u}]\n",
		cluster);
	OWN_MEM char *path = file("cluster", text);

	expect_error(path, NULL, words);
}

static void test_refused(void **state)
{
	(void)state;
	expect_user_error("exec: {command: aws}", "exec is not supported yet");
	expect_user_error("auth-provider: {name: gcp}", "auth-provider is not supported yet");
	expect_user_error("username: a, password: b", "username is not supported yet");
	expect_user_error("token: t, as: root", "as is not supported yet");
	expect_user_error("client-certificate-data: '%%%'", "client-certificate-data: not base64");
	expect_user_error("client-certificate-data: 'YWJj', client-key-data: 'YWJj'",
		"client-certificate-data: no PEM inside");
	expect_user_error("client-certificate: /nowhere/c, client-key: /nowhere/k",
		"client-certificate /nowhere/c: No such file");
	expect_user_error("client-key: /nowhere/k", "client-key without client-certificate");
	expect_user_error("tokenFile: /nowhere/t", "tokenFile /nowhere/t: No such file");
	expect_user_error("token: 12", "token: must be a string");
	expect_cluster_error("insecure-skip-tls-verify: false", "has no server");
	expect_cluster_error(
		"server: 'https://h', tls-server-name: x", "tls-server-name is not supported yet");
	expect_cluster_error(
		"server: 'https://h', proxy-url: 'http://p'", "proxy-url is not supported yet");
	expect_cluster_error("server: 'h:6443'", "must begin with https://");
	expect_cluster_error("server: 'https://me:pw@h'", "a user in the URL is not supported");
	expect_cluster_error(
		"server: 'https://h', certificate-authority: no.pem", "/no.pem: No such");
	expect_cluster_error("server: 'https://h', insecure-skip-tls-verify: true, "
			     "certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==",
		"exclude one another");
}

static void test_mistakes(void **state)
{
	OWN_MEM char *good = file("good",
		CLUSTER("c", "https://h") CONTEXT("x", "c",
			"u") "- name: yy\n  context: {cluster: nix}\n- name: z\n  context: {}\n"
			     "users: [{name: u}]\n");
	OWN_MEM char *twice = file("twice", CLUSTER("c", "https://h") "- name: c\n");
	OWN_MEM char *other = file("other", "kind: Pod\n"), *list = file("list", "[1]\n");
	OWN_MEM char *broken = file("broken", "a: [\n"), *empty = file("empty", "");
	OWN_MEM char *docs = file("docs", "kind: Config\n---\nkind: Config\n");
	OWN_MEM char *section = file("section", "clusters: 7\n"), *both = NULL;

	(void)state;
	expect_error(good, NULL, "no current-context: name one (there are: x, yy, z)");
	expect_error(good, "w", "no context \"w\" (there are: x, yy, z)");
	expect_error(good, "yy", "context \"yy\" names the cluster \"nix\", which is nowhere");
	expect_error(good, "z", "context \"z\" names no cluster");
	expect_error("/nowhere/a:/nowhere/b", NULL, "no such file: /nowhere/a, /nowhere/b");
	expect_error("", NULL, "the list is empty");
	expect_error(twice, NULL, "\"c\" stands there twice");
	expect_error(other, NULL, "no kubeconfig (kind: Pod)");
	expect_error(list, NULL, "no kubeconfig");
	expect_error(broken, NULL, "broken:");
	expect_error(empty, NULL, "no current-context");
	expect_error(docs, NULL, "more than one YAML document");
	expect_error(section, NULL, "clusters: must be a list");
	expect_error(folder, NULL, folder);
	both = str_format("%s:%s", good, broken);
	expect_error(both, "x", "broken:");
}

static void test_base64(void **state)
{
	static const char *const bad[] = { "a", "ab=c", "ab===", "abc=d", "a-b_", "AAAA" };
	char *text;

	(void)state;
	assert_int_equal(base64_text("aGVsbG8=", &text), 0);
	assert_string_equal(text, "hello");
	free(text);
	assert_int_equal(base64_text(" aGVs\nbG8h ", &text), 0);
	assert_string_equal(text, "hello!");
	free(text);
	assert_int_equal(base64_text("", &text), 0);
	assert_string_equal(text, "");
	free(text);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(base64_text(bad[i], &text), -1);
}

static void test_service_account(void **state)
{
	OWN_MEM char *sa = str_format("%s/sa", folder), *token = NULL, *ns = NULL, *ca = NULL;
	struct k8s_config *config = NULL;
	struct err err;

	(void)state;
	unsetenv("KUBERNETES_SERVICE_HOST");
	assert_int_equal(k8s_config_in_cluster(&config, &err), -1);
	assert_non_null(strstr(err.text, "this is no pod"));
	assert_int_equal(mkdir(sa, 0700), 0);
	assert_int_equal(config_service_account(sa, "10.0.0.1", "443", &config, &err), -1);
	assert_int_equal(err.code, ERR_CONFIG);
	ca = file("sa/ca.crt", "-----BEGIN CERTIFICATE-----");
	token = file("sa/token", "t");
	ns = file("sa/namespace", "chaos\n");
	assert_int_equal(config_service_account(sa, "fd00::1", "443", &config, &err), 0);
	assert_string_equal(k8s_config_server(config), "https://[fd00::1]:443");
	assert_string_equal(k8s_config_namespace(config), "chaos");
	assert_true(k8s_config_is_in_cluster(config));
	assert_null(k8s_config_context(config));
	k8s_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_merge, setup, teardown),
		cmocka_unit_test_setup_teardown(test_environment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_credentials, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mistakes, setup, teardown),
		cmocka_unit_test(test_base64),
		cmocka_unit_test_setup_teardown(test_service_account, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
