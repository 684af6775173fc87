/*
 * rally: a Rally task, run beside the faults. Its database and environment are made in the deploy
 * phase, in a private folder; each iteration becomes a sample, each SLA criterion a case. Rally's
 * own exit status and reports call some broken tasks green: rally_report.c closes that.
 */
#include "verifiers/rally_call.h"
#include "verifiers/rally_report.h"

#include "base/buf.h"
#include "base/clock.h"
#include "verifiers/openstack/cloud.h"
#include "verifiers/verifier.h"

#include <string.h>

#define TASK_MAX_BYTES ((size_t)1 << 20)
#define REPORT_MAX_BYTES ((size_t)256 << 20)
#define SLA_MAX_BYTES ((size_t)4 << 20)
#define CALL_NS (120 * NS_PER_S) /* for commands that only take a few seconds */
#define DRIFT_NS (NS_PER_S / 10)

struct rally_params {
	char *task, *args, *cloud;
	struct strings users;
	int64_t timeout_ns;
};

#define AT(member) offsetof(struct rally_params, member)
static const struct param params[] = {
	{ .name = "task",
		.type = PARAM_STRING,
		.offset = AT(task),
		.required = true,
		.file = true,
		.doc = "the task file, YAML or JSON, as `rally task start` reads it" },
	{ .name = "args",
		.type = PARAM_STRING,
		.offset = AT(args),
		.doc = "the task's arguments, a JSON object in a string (--task-args)" },
	{ .name = "cloud",
		.type = PARAM_STRING,
		.offset = AT(cloud),
		.doc = "clouds.yaml entry of Rally's admin (default: the scenario's `cloud`)" },
	{ .name = "users",
		.type = PARAM_STRINGS,
		.offset = AT(users),
		.doc = "clouds.yaml entries of existing users; without: Rally makes its own" },
	{ .name = "timeout",
		.type = PARAM_DURATION,
		.offset = AT(timeout_ns),
		.def = "30m",
		.min = 1,
		.max = 86400,
		.doc = "for the whole task; then its processes are ended" },
	PARAM_END
};
#undef AT

struct rally_session {
	const struct verifier *v;
	const struct rally_params *p;
	struct rally_home home;
	char *task; /* the file that is run: the scenario's, or a resolved copy */
	char *cwd;
	char *report;  /* where Rally's report goes */
	char uuid[64]; /* of the task, once Rally said it */
};

static int rally_check(const void *arg, struct err *err)
{
	const struct rally_params *p = arg;
	OWN_JSON cJSON *json = NULL;

	if (!p->args)
		return 0;
	if (json_parse("args", p->args, strlen(p->args), &json, err))
		return -1;
	if (!cJSON_IsObject(json))
		return err_set(err, ERR_CONFIG,
			"args must be a JSON object, for example '{\"concurrency\": 4}'");
	return 0;
}

static int64_t in_a_while(void)
{
	return clock_now_ns() + CALL_NS;
}

/* ---- prepare: the environment ---- */

static void add_user(cJSON *user, const struct cloud *cloud)
{
	const char *user_domain = cloud->user_domain_name, *domain = cloud->project_domain_name;

	json_add_str(user, "username", cloud->username);
	json_add_str(user, "password", cloud->password);
	json_add_str(user, "project_name", cloud->project_name);
	/* Rally knows domains by name only; the id "default" is that of "Default" */
	json_add_str(user, "user_domain_name", user_domain ? user_domain : "Default");
	json_add_str(user, "project_domain_name", domain ? domain : "Default");
}

/* Rally's spec has no ids: a cloud that has nothing else cannot be told to it. */
static int check_names(const struct cloud *cloud, struct err *err)
{
	const char *ids[] = { cloud->user_domain_name ? NULL : cloud->user_domain_id,
		cloud->project_domain_name ? NULL : cloud->project_domain_id };

	if (!cloud->username || !cloud->project_name)
		return err_set(err, ERR_CONFIG,
			"%s: Rally needs username and project_name, not their ids", cloud->name);
	for (size_t i = 0; i < ARRAY_LEN(ids); i++)
		if (ids[i] && strcmp(ids[i], "default") != 0)
			return err_set(err, ERR_CONFIG,
				"%s: Rally needs a domain's name, not its id %s", cloud->name,
				ids[i]);
	return 0;
}

static int add_users(cJSON *openstack, const struct rally_params *p, const struct verifier_env *env,
	struct err *err)
{
	cJSON *users = p->users.n ? cJSON_AddArrayToObject(openstack, "users") : NULL;

	for (size_t i = 0; i < p->users.n; i++) {
		struct cloud cloud;
		cJSON *user;

		if (cloud_load(p->users.v[i], env, &cloud, err))
			return -1;
		if (check_names(&cloud, err)) {
			cloud_done(&cloud);
			return -1;
		}
		user = cJSON_CreateObject();
		add_user(user, &cloud);
		cJSON_AddItemToArray(users, user);
		cloud_done(&cloud);
	}
	return 0;
}

/* Rally runs in another folder than we do. */
static void add_path(cJSON *openstack, const char *key, const char *path)
{
	OWN_MEM char *whole = path ? realpath(path, NULL) : NULL;

	json_add_str(openstack, key, whole ? whole : path);
}

static cJSON *spec_of(const struct cloud *cloud)
{
	cJSON *openstack = cJSON_CreateObject();

	json_add_str(openstack, "auth_url", cloud->auth_url);
	json_add_str(openstack, "region_name", cloud->region);
	json_add_str(openstack, "endpoint_type", cloud->interface);
	add_path(openstack, "https_cacert", cloud->ca_file);
	add_path(openstack, "https_cert", cloud->cert_file);
	add_path(openstack, "https_key", cloud->key_file);
	if (cloud->insecure)
		cJSON_AddBoolToObject(openstack, "https_insecure", true);
	add_user(cJSON_AddObjectToObject(openstack, "admin"), cloud);
	return openstack;
}

static int write_spec(const char *path, const struct rally_params *p,
	const struct verifier_env *env, struct err *err)
{
	OWN_JSON cJSON *spec = cJSON_CreateObject();
	cJSON *openstack;
	struct cloud cloud;
	char *text;
	int ret;

	if (cloud_load(p->cloud, env, &cloud, err))
		return -1;
	openstack = spec_of(&cloud);
	cJSON_AddItemToObject(spec, "openstack", openstack);
	ret = check_names(&cloud, err) || add_users(openstack, p, env, err) ? -1 : 0;
	cloud_done(&cloud);
	if (ret)
		return -1;
	text = json_print(spec);
	if (!text)
		return err_set(err, ERR_NOMEM, "no memory for Rally's environment");
	ret = buf_write_file(path, text, strlen(text), err);
	cloud_wipe(text);
	return ret;
}

static int make_env(
	struct rally_session *s, const struct verifier_env *env, struct stop *stop, struct err *err)
{
	OWN_MEM char *spec = str_format("%s/spec.json", s->home.dir);
	const char *const db[] = { "db", "create", NULL };
	const char *const create[] = { "env", "create", "--name", env->run_id, "--spec", spec,
		NULL };
	const char *const check[] = { "env", "check", NULL };
	const char *const *const calls[] = { db, create, check };
	int ret = 0;

	if (!spec)
		return err_set(err, ERR_NOMEM, "no memory for Rally's environment");
	if (write_spec(spec, s->p, env, err))
		return -1;
	for (size_t i = 0; !ret && i < ARRAY_LEN(calls); i++) {
		struct rally_call call = {
			.args = calls[i], .deadline_ns = in_a_while(), .quiet = true
		};

		ret = rally_must(&s->home, &call, stop, err);
	}
	unlink(spec);
	return ret;
}

/* ---- prepare: the task ---- */

/* A task that names a ${service:...} is run from a copy in which the name is an address. */
static int resolve_task(struct rally_session *s, const struct verifier_env *env, struct err *err)
{
	OWN_MEM char *path = NULL;
	OWN_MEM char *text = NULL;
	OWN_MEM char *resolved = NULL;
	size_t len;

	path = s->p->task[0] == '/' ? strdup(s->p->task) : str_format("%s/%s", s->cwd, s->p->task);
	if (!path)
		return err_set(err, ERR_NOMEM, "no memory for a task's name");
	if (buf_read_file(path, TASK_MAX_BYTES, &text, &len, err))
		return err_wrap(err, "Rally's task");
	if (!env->resolve || !strstr(text, "${service:")) {
		s->task = TAKE(path);
		return 0;
	}
	s->task = str_format("%s/task", s->home.dir);
	if (!s->task)
		return err_set(err, ERR_NOMEM, "no memory for a task's name");
	if (env->resolve(env, text, &resolved, err))
		return err_wrap(err, "%s", path);
	return buf_write_file(s->task, resolved, strlen(resolved), err);
}

static void rally_cleanup(void *arg)
{
	struct rally_session *s = arg;

	if (!s)
		return;
	rally_home_done(&s->home);
	free(s->task);
	free(s->cwd);
	free(s->report);
	free(s);
}

static int whole_path(const char *folder, char **ret_path, struct err *err)
{
	*ret_path = realpath(folder, NULL);
	return *ret_path ? 0 : err_errno(err, "folder %s", folder);
}

static int prepare_session(
	struct rally_session *s, const struct verifier_env *env, struct stop *stop, struct err *err)
{
	OWN_MEM char *logs = NULL;
	OWN_MEM char *artifacts = NULL;
	OWN_MEM char *log = NULL;

	if (whole_path(env->scenario_dir, &s->cwd, err) || whole_path(env->logs_dir, &logs, err) ||
		whole_path(env->artifacts_dir, &artifacts, err))
		return -1;
	log = str_format("%s/%s.log", logs, s->v->name);
	s->report = str_format("%s/%s-report.json", artifacts, s->v->name);
	if (!log || !s->report)
		return err_set(err, ERR_NOMEM, "no memory for a Rally task");
	if (rally_home_new(env->run_id, s->v->name, log, &s->home, err) ||
		resolve_task(s, env, err))
		return -1;
	return make_env(s, env, stop, err);
}

static int rally_prepare(const struct verifier *v, const struct verifier_env *env,
	struct stop *stop, void **ret_session, struct err *err)
{
	struct rally_session *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(err, ERR_NOMEM, "no memory for a Rally task");
	s->v = v;
	s->p = v->params;
	if (prepare_session(s, env, stop, err)) {
		rally_cleanup(s);
		return -1;
	}
	*ret_session = s;
	return 0;
}

/* ---- run ---- */

/* "Using task: UUID" */
static void find_uuid(void *arg, const char *line)
{
	struct rally_session *s = arg;

	sscanf(line, "Using task: %63[0-9a-f-]", s->uuid);
}

static int64_t time_limit(const struct rally_session *s)
{
	int64_t limit = s->p->timeout_ns;

	if (s->v->timeout_ns && s->v->timeout_ns < limit)
		limit = s->v->timeout_ns;
	return limit;
}

static int out_of_time(const struct rally_session *s, struct err *err)
{
	char limit[CLOCK_DURATION_BYTES];

	if (!err || err->code != ERR_TIMEOUT)
		return -1;
	clock_format_duration(time_limit(s), limit);
	return err_set(err, ERR_TIMEOUT,
		"rally task start did not end within %s (its timeout) and was killed with its "
		"process group; what it made may be left in the cloud",
		limit);
}

static int start_task(
	struct rally_session *s, struct stop *stop, struct rally_end *ret_end, struct err *err)
{
	const char *args[8] = { "task", "start", "--task", s->task };
	struct rally_call call = { .args = args,
		.cwd = s->cwd,
		.deadline_ns = clock_now_ns() + time_limit(s),
		.line = find_uuid,
		.arg = s };

	if (s->p->args) {
		args[4] = "--task-args";
		args[5] = s->p->args;
	}
	if (rally_call(&s->home, &call, stop, ret_end, err))
		return out_of_time(s, err);
	/* 2: an SLA criterion was not met; the report has the rest */
	if ((ret_end->code == 0 || ret_end->code == 2) && s->uuid[0])
		return 0;
	return err_set(err, ERR_API, "rally task start: exit %d: %s (more in %s)", ret_end->code,
		ret_end->reason[0] ? ret_end->reason : "it said nothing", s->home.log);
}

static void collect(void *arg, const char *line)
{
	buf_addf(arg, "%s\n", line);
}

static int sla_check(
	struct rally_session *s, struct stop *stop, cJSON **ret_sla, int *ret_exit, struct err *err)
{
	const char *const args[] = { "task", "sla-check", "--uuid", s->uuid, "--json", NULL };
	OWN_BUF struct buf out;
	struct rally_call call = {
		.args = args, .deadline_ns = in_a_while(), .line = collect, .arg = &out
	};
	struct rally_end end = { 0 };

	buf_init(&out, SLA_MAX_BYTES);
	if (rally_call(&s->home, &call, stop, &end, err))
		return -1;
	if (buf_failed(&out))
		return err_set(err, ERR_NOMEM, "rally task sla-check said too much");
	if (json_parse("rally task sla-check", buf_str(&out), out.len, ret_sla, err))
		return -1;
	*ret_exit = end.code;
	return 0;
}

static int read_report(
	struct rally_session *s, struct stop *stop, cJSON **ret_report, struct err *err)
{
	const char *const args[] = { "task", "report", "--uuid", s->uuid, "--json", "--out",
		s->report, NULL };
	struct rally_call call = { .args = args, .deadline_ns = in_a_while() };
	OWN_MEM char *text = NULL;
	size_t len;

	if (rally_private_file(s->report, err) || rally_must(&s->home, &call, stop, err) ||
		buf_read_file(s->report, REPORT_MAX_BYTES, &text, &len, err))
		return -1;
	return json_parse(s->report, text, len, ret_report, err);
}

static int64_t wall_offset(void)
{
	return clock_wall_ns() - clock_now_ns();
}

/* Rally stamps iterations with the wall clock: one that was set meanwhile puts them elsewhere. */
static void note_drift(const struct rally_session *s, struct sink *sink, int64_t before)
{
	int64_t drift = wall_offset() - before;
	OWN_MEM char *text = NULL;
	cJSON *event;

	if (drift < DRIFT_NS && drift > -DRIFT_NS)
		return;
	text = str_format("%s: the wall clock was set by %lld ms while Rally ran: its iterations "
			  "may be off by as much",
		s->v->name, (long long)(drift / NS_PER_MS));
	event = text ? json_object("e", "note", "text", text, NULL) : NULL;
	if (event)
		sink->event(sink, event);
}

static int rally_run(void *arg, struct sink *sink, struct stop *stop, struct err *err)
{
	struct rally_session *s = arg;
	struct rally_report report = { .verifier = s->v->name,
		.phases = s->v->phases,
		.timeout_ns = time_limit(s),
		.wall_offset_ns = wall_offset() };
	OWN_JSON cJSON *json = NULL;
	OWN_JSON cJSON *sla = NULL;
	struct rally_end end = { 0 };

	if (start_task(s, stop, &end, err))
		return -1;
	note_drift(s, sink, report.wall_offset_ns);
	if (sla_check(s, stop, &sla, &report.sla_exit, err) || read_report(s, stop, &json, err))
		return -1;
	report.report = json;
	report.sla = sla;
	report.died = end.died;
	return rally_report_emit(&report, sink, err);
}

const struct verifier_ops verifier_rally = {
	.name = "rally",
	.doc = "A Rally task: its iterations are samples, its SLA criteria cases.",
	.params = params,
	.params_size = sizeof(struct rally_params),
	.check = rally_check,
	.prepare = rally_prepare,
	.run = rally_run,
	.cleanup = rally_cleanup,
};
