/* A cloud's settings: from clouds.yaml and secure.yaml, from OS_* variables, with defaults; and
 * errors that say what to do and never a password. */
#include "base/buf.h"
#include "verifiers/openstack/cloud.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char dir[64];
	char *old_dir;
};

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

/* Every test runs in an empty folder, as a user without settings. */
static int set_up(void **state)
{
	static const char *const unset[] = { "OS_CLOUD", "OS_AUTH_URL", "OS_USERNAME", "OS_USER_ID",
		"OS_PASSWORD", "OS_PROJECT_NAME", "OS_PROJECT_ID", "OS_TENANT_NAME",
		"OS_USER_DOMAIN_NAME", "OS_USER_DOMAIN_ID", "OS_PROJECT_DOMAIN_NAME",
		"OS_PROJECT_DOMAIN_ID", "OS_DOMAIN_ID", "OS_DOMAIN_NAME", "OS_REGION_NAME",
		"OS_INTERFACE", "OS_ENDPOINT_TYPE", "OS_CACERT", "OS_CERT", "OS_KEY", "OS_INSECURE",
		"OS_AUTH_TYPE", "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE",
		"XDG_CONFIG_HOME" };
	struct place *place = calloc(1, sizeof(*place));

	for (size_t i = 0; i < ARRAY_LEN(unset); i++)
		unsetenv(unset[i]);
	snprintf(place->dir, sizeof(place->dir), "/tmp/test_cloud-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	place->old_dir = getcwd(NULL, 0);
	assert_int_equal(chdir(place->dir), 0);
	setenv("HOME", place->dir, 1);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	assert_int_equal(chdir(place->old_dir), 0);
	nftw(place->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(place->old_dir);
	free(place);
	return 0;
}

static void put(const char *path, const char *text)
{
	assert_int_equal(buf_write_file(path, text, strlen(text), NULL), 0);
}

static void load(const char *name, const struct verifier_env *env, struct cloud *cloud)
{
	static const struct verifier_env none = { 0 };
	struct err err;

	if (cloud_load(name, env ? env : &none, cloud, &err))
		fail_msg("%s", err.text);
}

static void refuse(const char *name, const struct verifier_env *env, const char *text)
{
	static const struct verifier_env none = { 0 };
	struct cloud cloud;
	struct err err;

	assert_int_equal(cloud_load(name, env ? env : &none, &cloud, &err), -1);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" is not in: %s", text, err.text);
	assert_null(strstr(err.text, "s3cret"));
	assert_null(strchr(err.text, '\n'));
	cloud_done(&cloud);
}

#define TWO                                                                                 \
	"clouds:\n"                                                                         \
	"  east:\n"                                                                         \
	"    auth: {auth_url: 'http://east.example:5000', username: u, password: s3cret,\n" \
	"      project_name: p}\n"                                                          \
	"    region_name: R1\n"                                                             \
	"  west:\n"                                                                         \
	"    auth: {auth_url: 'https://west.example/identity/v3/', username: w,\n"          \
	"      project_id: 0a1b, user_domain_name: D, password: s3cret}\n"                  \
	"    interface: internal\n"                                                         \
	"    verify: false\n"

static void an_entry_with_defaults(void **state)
{
	struct cloud cloud;

	(void)state;
	put("clouds.yaml", TWO);
	load("east", NULL, &cloud);
	assert_string_equal(cloud.name, "east");
	assert_string_equal(cloud.auth_url, "http://east.example:5000/v3");
	assert_string_equal(cloud.username, "u");
	assert_string_equal(cloud.password, "s3cret");
	assert_string_equal(cloud.user_domain_id, "default");
	assert_string_equal(cloud.project_domain_id, "default");
	assert_string_equal(cloud.region, "R1");
	assert_string_equal(cloud.interface, "public");
	assert_false(cloud.insecure);
	cloud_done(&cloud);
	cloud_done(&cloud);
	load("west", NULL, &cloud);
	assert_string_equal(cloud.auth_url, "https://west.example/identity/v3");
	assert_string_equal(cloud.project_id, "0a1b");
	assert_string_equal(cloud.user_domain_name, "D");
	assert_null(cloud.user_domain_id);
	assert_null(cloud.project_domain_id);
	assert_string_equal(cloud.interface, "internal");
	assert_true(cloud.insecure);
	assert_true(cloud_tls(&cloud).insecure);
	cloud_done(&cloud);
}

static void which_cloud_is_chosen(void **state)
{
	struct verifier_env env = { .cloud = "west" };
	struct cloud cloud;

	(void)state;
	put("clouds.yaml", TWO);
	refuse(NULL, NULL, "which cloud?");
	refuse(NULL, NULL, "east, west");
	setenv("OS_CLOUD", "east", 1);
	load(NULL, NULL, &cloud);
	assert_string_equal(cloud.name, "east");
	cloud_done(&cloud);
	load(NULL, &env, &cloud); /* the scenario's stands above the variable */
	assert_string_equal(cloud.name, "west");
	cloud_done(&cloud);
	load("east", &env, &cloud); /* and the check's own above both */
	assert_string_equal(cloud.name, "east");
	cloud_done(&cloud);
	refuse("north", NULL, "no cloud \"north\"; there is: east, west");
}

static void the_only_entry_needs_no_name(void **state)
{
	struct cloud cloud;

	(void)state;
	put("clouds.yaml",
		"clouds: {one: {auth: {auth_url: 'http://h', username: u, password: p}}}\n");
	load(NULL, NULL, &cloud);
	assert_string_equal(cloud.name, "one");
	cloud_done(&cloud);
}

static void where_files_are_found(void **state)
{
	struct verifier_env env = { .clouds_file = "named.yaml" };
	struct cloud cloud;

	(void)state;
	refuse("east", NULL, "no clouds.yaml in");
	refuse("east", &env, "named.yaml cannot be read");
	assert_int_equal(mkdir(".config", 0700), 0);
	assert_int_equal(mkdir(".config/openstack", 0700), 0);
	put(".config/openstack/clouds.yml", TWO);
	load("east", NULL, &cloud);
	cloud_done(&cloud);
	put("other.yaml",
		"clouds: {o: {auth: {auth_url: 'http://o', username: u, password: p}}}\n");
	setenv("OS_CLIENT_CONFIG_FILE", "other.yaml", 1);
	load("o", NULL, &cloud);
	cloud_done(&cloud);
	put("named.yaml",
		"clouds: {mine: {auth: {auth_url: 'http://m', username: u, password: p}}}\n");
	load("mine", &env, &cloud);
	cloud_done(&cloud);
	setenv("OS_CLIENT_CONFIG_FILE", "gone.yaml", 1);
	refuse("o", NULL, "OS_CLIENT_CONFIG_FILE gone.yaml cannot be read");
}

static void secure_yaml_is_merged_over(void **state)
{
	struct cloud cloud;

	(void)state;
	put("clouds.yaml",
		"clouds: {c: {auth: {auth_url: 'http://h', username: u, password: old}}}\n");
	put("secure.yaml", "clouds: {c: {auth: {password: new}, region_name: R9}, other: {}}\n");
	load("c", NULL, &cloud);
	assert_string_equal(cloud.password, "new");
	assert_string_equal(cloud.username, "u");
	assert_string_equal(cloud.region, "R9");
	cloud_done(&cloud);
}

static void variables_alone(void **state)
{
	struct cloud cloud;

	(void)state;
	setenv("OS_AUTH_URL", "http://keystone.example:5000/v2.0", 1);
	refuse(NULL, NULL, "username (OS_USERNAME) is missing");
	setenv("OS_USERNAME", "demo", 1);
	refuse(NULL, NULL, "password (OS_PASSWORD) is missing");
	setenv("OS_PASSWORD", "s3cret", 1);
	setenv("OS_TENANT_NAME", "old-name", 1);
	setenv("OS_PROJECT_DOMAIN_NAME", "PD", 1);
	setenv("OS_ENDPOINT_TYPE", "admin", 1);
	setenv("OS_INSECURE", "True", 1);
	load(NULL, NULL, &cloud);
	assert_string_equal(cloud.auth_url, "http://keystone.example:5000/v3");
	assert_string_equal(cloud.project_name, "old-name");
	assert_string_equal(cloud.project_domain_name, "PD");
	assert_null(cloud.project_domain_id);
	assert_string_equal(cloud.user_domain_id, "default");
	assert_string_equal(cloud.interface, "admin");
	assert_true(cloud.insecure);
	cloud_done(&cloud);
	setenv("OS_PROJECT_NAME", "new-name", 1);
	setenv("OS_INSECURE", "0", 1);
	load(NULL, NULL, &cloud);
	assert_string_equal(cloud.project_name, "new-name");
	assert_false(cloud.insecure);
	cloud_done(&cloud);
	setenv("OS_AUTH_TYPE", "v3applicationcredential", 1);
	refuse(NULL, NULL, "only password logins");
}

static void nothing_is_said(void **state)
{
	(void)state;
	refuse(NULL, NULL, "no cloud: set OS_CLOUD");
}

static void a_domain_stands_for_both(void **state)
{
	struct cloud cloud;

	(void)state;
	put("clouds.yaml", "clouds: {c: {auth: {auth_url: 'http://h', username: u, password: p,"
			   " project_name: x, domain_id: dd}},"
			   " d: {auth: {auth_url: 'http://h', username: u, password: p,"
			   " domain_name: Dom}}}\n");
	load("c", NULL, &cloud);
	assert_string_equal(cloud.user_domain_id, "dd");
	assert_string_equal(cloud.project_domain_id, "dd");
	cloud_done(&cloud);
	load("d", NULL, &cloud); /* a scope of its own when there is no project */
	assert_string_equal(cloud.user_domain_id, "default");
	cloud_done(&cloud);
}

static void mistakes_are_told(void **state)
{
	static const struct {
		const char *text, *told;
	} bad[] = {
		{ "clouds: [1]\n", "no `clouds:` map" },
		{ "x: 1\n", "no `clouds:` map" },
		{ "clouds: {c: 3}\n", "cloud \"c\" is no map" },
		{ "clouds: {c: {auth: {username: u}}}\n", "c: auth_url (OS_AUTH_URL) is missing" },
		{ "clouds: {c: {profile: vexxhost, auth: {username: u}}}\n", "vendor profiles" },
		{ "clouds: {c: {auth_type: token}}\n", "only password logins" },
		{ "clouds: {c: {auth: {auth_url: 'http://h', username: u, password: 123}}}\n",
			"password must be a string" },
		{ "clouds: {c: {auth: {auth_url: 'ftp://h', username: u, password: s3cret}}}\n",
			"http:// or https://" },
		{ "clouds: {c: {auth: {auth_url: 'http://', username: u, password: s3cret}}}\n",
			"no host" },
		{ "clouds: {c: {cacert: /gone/ca.pem, auth: {auth_url: 'http://h', username: u,"
		  " password: s3cret}}}\n",
			"cacert /gone/ca.pem cannot be read" },
		{ "clouds: {c: {auth: {password: s3cret\n", "clouds.yaml:" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		put("clouds.yaml", bad[i].text);
		refuse("c", NULL, bad[i].told);
	}
}

static void certificates_at_home(void **state)
{
	struct place *place = *state;
	OWN_MEM char *path = str_format("%s/ca.pem", place->dir);
	struct cloud cloud;

	put("ca.pem", "PEM");
	put("clouds.yaml",
		"clouds: {c: {cacert: ~/ca.pem, auth: {auth_url: 'http://h', username: u,"
		" password: p}}}\n");
	load("c", NULL, &cloud);
	assert_string_equal(cloud.ca_file, path);
	assert_string_equal(cloud_tls(&cloud).ca_file, path);
	cloud_done(&cloud);
}

static int resolve(
	const struct verifier_env *env, const char *text, char **ret_text, struct err *err)
{
	if (env->resolve_arg)
		return err_set(err, ERR_NOT_FOUND, "no such service");
	assert_string_equal(text, "http://${service:default/keystone:5000}/v3");
	*ret_text = strdup("http://127.96.0.1:5000/v3");
	return 0;
}

static void services_become_addresses(void **state)
{
	struct verifier_env env = { .resolve = resolve };
	struct cloud cloud;

	(void)state;
	put("clouds.yaml", "clouds: {c: {auth: {username: u, password: p,"
			   " auth_url: 'http://${service:default/keystone:5000}/v3'}}}\n");
	load("c", &env, &cloud);
	assert_string_equal(cloud.auth_url, "http://127.96.0.1:5000/v3");
	cloud_done(&cloud);
	env.resolve_arg = &env;
	refuse("c", &env, "c: auth_url: no such service");
}

static void the_login_body(void **state)
{
	OWN_MEM char *by_name = NULL, *by_id = NULL, *domain = NULL;
	struct cloud cloud = { .username = (char *)"u",
		.password = (char *)"p\"q",
		.user_domain_name = (char *)"D",
		.project_name = (char *)"x",
		.project_domain_id = (char *)"default" };

	(void)state;
	by_name = cloud_login_body(&cloud);
	assert_string_equal(by_name,
		"{\"auth\":{\"identity\":{\"password\":{\"user\":{\"name\":\"u\",\"domain\":"
		"{\"name\":\"D\"},\"password\":\"p\\\"q\"}},\"methods\":[\"password\"]},"
		"\"scope\":{\"project\":{\"name\":\"x\",\"domain\":{\"id\":\"default\"}}}}}");
	cloud.user_id = (char *)"1f";
	cloud.project_id = (char *)"2f";
	by_id = cloud_login_body(&cloud);
	assert_non_null(strstr(by_id, "\"user\":{\"id\":\"1f\",\"password\""));
	assert_non_null(strstr(by_id, "\"scope\":{\"project\":{\"id\":\"2f\"}}"));
	cloud.project_id = cloud.project_name = NULL;
	cloud.domain_name = (char *)"N";
	domain = cloud_login_body(&cloud);
	assert_non_null(strstr(domain, "\"scope\":{\"domain\":{\"name\":\"N\"}}"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_entry_with_defaults),
		TEST(which_cloud_is_chosen),
		TEST(the_only_entry_needs_no_name),
		TEST(where_files_are_found),
		TEST(secure_yaml_is_merged_over),
		TEST(variables_alone),
		TEST(nothing_is_said),
		TEST(a_domain_stands_for_both),
		TEST(mistakes_are_told),
		TEST(certificates_at_home),
		TEST(services_become_addresses),
		TEST(the_login_body),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
