/*
 * What a run is going to do, before it does it: its id, the events that every record begins with,
 * plan.json for a replay, and --dry-run.
 */
#include "runner/run.h"

#include "base/buf.h"
#include "base/record.h"
#include "base/version.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- identity ---- */

static void stamp(int64_t wall_ns, char out[20])
{
	time_t seconds = (time_t)(wall_ns / NS_PER_S);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(out, 20, "%Y%m%dt%H%M%Sz", &tm);
}

void plan_identify(struct run *run)
{
	const struct scenario *s = run->scenario;
	int64_t faults_ns = s->faults_ns ? s->faults_ns : s->faults_limit_ns;
	unsigned char random[10] = { 0 };
	char when[20];

	/* Without entropy ids are less unique, and that is all. */
	if (RAND_bytes(random, sizeof(random)) != 1)
		memcpy(random, &run->t0_ns, sizeof(run->t0_ns));
	stamp(run->wall_t0_ns, when);
	snprintf(run->id, sizeof(run->id), "%.16s-%.40s-%02x%02x", when, s->name, random[0],
		random[1]);
	snprintf(run->short_id, sizeof(run->short_id), "cr-%.16s-%02x%02x", when, random[0],
		random[1]);
	clock_rfc3339(run->wall_t0_ns + 3600 * NS_PER_S +
			      2 * (s->baseline_ns + faults_ns + s->recovery_ns),
		0, run->expires);
	if (run->options->has_seed)
		run->seed = run->options->seed;
	else if (s->has_seed)
		run->seed = s->seed;
	else
		memcpy(&run->seed, random + 2, sizeof(run->seed));
}

enum cluster_kind plan_cluster(
	const struct scenario *s, const struct run_options *options, const char **ret_context)
{
	*ret_context = NULL;
	if (!scenario_needs_cluster(s))
		return CLUSTER_NONE;
	if (options->has_cluster) {
		*ret_context = options->context;
		/* --cluster kubeconfig without a context takes the scenario's, if it has one. */
		if (options->cluster == CLUSTER_KUBECONFIG && !options->context)
			*ret_context = s->context;
		return options->cluster;
	}
	if (!s->cluster_named)
		return CLUSTER_SANDBOX;
	*ret_context = s->context;
	return CLUSTER_KUBECONFIG;
}

/* ---- the first events ---- */

static void add_phases(cJSON *event, const struct scenario *s)
{
	cJSON *phases = cJSON_AddObjectToObject(event, "phases");

	json_add_int(phases, "baseline", s->baseline_ns);
	json_add_int(phases, "faults", s->faults_ns);
	json_add_int(phases, "recovery", s->recovery_ns);
}

static const char *artifact_base(void)
{
	static const char *const names[] = { "WORKSPACE", "CI_PROJECT_DIR" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return value;
	}
	return NULL;
}

static cJSON *run_event(const struct run *run)
{
	const struct scenario *s = run->scenario;
	cJSON *event = recorder_make("run"), *cluster;
	char wall[CLOCK_RFC3339_BYTES], seed[24], host[256] = "";

	clock_rfc3339(run->wall_t0_ns, 1, wall);
	snprintf(seed, sizeof(seed), "%" PRIu64, run->seed);
	gethostname(host, sizeof(host) - 1);
	json_add_int(event, "t", 0);
	json_add_int(event, "format", RECORD_FORMAT);
	json_add_str(event, "id", run->id);
	json_add_str(event, "short", run->short_id);
	json_add_str(event, "scenario", s->name);
	json_add_str(event, "title", s->title);
	json_add_str(event, "file", s->path);
	json_add_str(event, "wall", wall);
	json_add_int(event, "wall_ns", run->wall_t0_ns);
	json_add_str(event, "tool", version_number);
	json_add_str(event, "commit", version_commit);
	json_add_str(event, "sha256", s->sha256);
	json_add_str(event, "seed", seed);
	json_add_int(event, "pid", getpid());
	json_add_str(event, "host", host);
	json_add_str(event, "artifact_base", artifact_base());
	cluster = cJSON_AddObjectToObject(event, "cluster");
	json_add_str(cluster, "kind", cluster_kind_name(run->cluster_kind));
	json_add_str(cluster, "context", run->context);
	json_add_str(cluster, "namespace", s->namespace);
	add_phases(event, s);
	return event;
}

static void record_expectations(const struct run *run, const char *of, const char *role,
	const struct scenario_expect *expect, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		cJSON *event = json_object("e", "expect", "of", of, "role", role, "text",
			expect[i].text, (char *)NULL);

		json_add_int(event, "line", expect[i].line);
		cJSON_AddBoolToObject(event, "default", expect[i].line == 0);
		recorder_event(run->recorder, event);
	}
}

static void record_cookie(const struct run *run, const struct scenario_cookie *cookie)
{
	cJSON *event = json_object("e", "cookie", "name", cookie->name, "kind", cookie->ops->name,
		"mark", "plan", (char *)NULL);

	json_add_int(event, "line", cookie->line);
	cJSON_AddBoolToObject(event, "instant", cookie->ops->instant);
	json_add_int(event, "settle", cookie->settle_ns);
	recorder_event(run->recorder, event);
	record_expectations(run, cookie->name, "cookie", cookie->expect, cookie->n_expect);
}

static void add_phase_names(cJSON *event, unsigned phases)
{
	static const char *const names[] = { "baseline", "faults", "recovery" };
	cJSON *list = cJSON_AddArrayToObject(event, "phases");

	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		if (phases & (1U << i))
			cJSON_AddItemToArray(list, cJSON_CreateString(names[i]));
}

static void record_verifier(const struct run *run, const struct scenario_verify *verify)
{
	const struct verifier *v = &verify->v;
	bool finite = v->ops->run;
	OWN_MEM char *file = str_format("%s.samples", v->name);
	cJSON *event = json_object("e", "verifier", "name", v->name, "kind", v->ops->name, "mark",
		"plan", (char *)NULL);

	json_add_int(event, "line", verify->line);
	cJSON_AddBoolToObject(event, "finite", finite);
	cJSON_AddBoolToObject(event, "control", v->control);
	json_add_int(event, "period", finite ? 0 : v->period_ns);
	json_add_int(event, "timeout", v->timeout_ns);
	json_add_int(event, "flap", verify->flap);
	json_add_int(event, "warmup", verify->warmup_ns);
	add_phase_names(event, v->phases);
	if (!finite)
		json_add_str(event, "file", file);
	recorder_event(run->recorder, event);
	record_expectations(run, v->name, "verifier", verify->expect, verify->n_expect);
}

void plan_record(struct run *run)
{
	const struct scenario *s = run->scenario;

	recorder_event(run->recorder, run_event(run));
	for (size_t i = 0; i < s->n_cookies; i++)
		record_cookie(run, &s->cookies[i]);
	for (size_t i = 0; i < s->n_verify; i++)
		record_verifier(run, &s->verify[i]);
}

/* ---- rounds ---- */

cJSON *plan_targets(const struct cookie_plan *plan)
{
	cJSON *list = cJSON_CreateArray();

	for (size_t i = 0; i < plan->n_targets; i++) {
		const struct cookie_target *t = &plan->targets[i];
		cJSON *item = json_object("kind", t->kind->kind, "namespace", t->ns, "name",
			t->name, "uid", t->uid, (char *)NULL);

		if (t->workload)
			cJSON_AddItemToObject(item, "workload",
				json_object("kind", t->workload_kind->kind, "name", t->workload,
					(char *)NULL));
		cJSON_AddItemToArray(list, item);
	}
	return list;
}

/* ---- plan.json: what was drawn, from the journal ---- */

static int collect_bite(void *arg, const cJSON *event)
{
	const char *e = json_str(event, "e", NULL);
	cJSON *bites = arg, *bite;

	if (!e || strcmp(e, "bite.intent"))
		return 0;
	bite = cJSON_CreateObject();
	json_add_str(bite, "bite", json_str(event, "bite", NULL));
	json_add_str(bite, "cookie", json_str(event, "cookie", NULL));
	json_add_int(bite, "due", json_int(event, 0, "due", NULL));
	cJSON_AddItemToObject(bite, "targets", cJSON_Duplicate(json_at(event, "targets", NULL), 1));
	cJSON_AddItemToArray(bites, bite);
	return 0;
}

int plan_write_file(struct run *run, struct err *err)
{
	OWN_MEM char *path = str_format("%s/plan.json", run->dir);
	OWN_MEM char *text = NULL;
	OWN_JSON cJSON *plan = cJSON_CreateObject();
	struct journal_state state;
	char seed[24];

	snprintf(seed, sizeof(seed), "%" PRIu64, run->seed);
	json_add_int(plan, "format", 1);
	json_add_str(plan, "scenario", run->scenario->name);
	json_add_str(plan, "sha256", run->scenario->sha256);
	json_add_str(plan, "seed", seed);
	if (journal_read(
		    run->dir, collect_bite, cJSON_AddArrayToObject(plan, "bites"), &state, err))
		return -1;
	text = cJSON_Print(plan);
	if (!path || !text)
		return err_set(err, ERR_NOMEM, "no memory for plan.json");
	return buf_write_file(path, text, strlen(text), err);
}

/* ---- --dry-run ---- */

static void print_phases(const struct scenario *s)
{
	char baseline[CLOCK_DURATION_BYTES], faults[CLOCK_DURATION_BYTES],
		recovery[CLOCK_DURATION_BYTES];

	clock_format_duration(s->baseline_ns, baseline);
	clock_format_duration(s->faults_ns ? s->faults_ns : s->faults_limit_ns, faults);
	clock_format_duration(s->recovery_ns, recovery);
	printf("  phases    baseline %s, faults %s%s, recovery %s\n", baseline,
		s->faults_ns ? "" : "until done, at most ", faults, recovery);
}

static void print_lists(const struct scenario *s)
{
	for (size_t i = 0; i < s->n_deploy; i++)
		printf("  deploy    %s (%s)\n", s->deploy[i].name, s->deploy[i].ops->name);
	for (size_t i = 0; i < s->n_verify; i++) {
		const struct scenario_verify *v = &s->verify[i];

		printf("  %s %s (%s)\n", v->v.control ? "control  " : "verify   ", v->v.name,
			v->v.ops->name);
		for (size_t k = 0; k < v->n_expect; k++)
			printf("              %s%s\n", v->expect[k].text,
				v->expect[k].line ? "" : " (default)");
	}
}

static void print_timing(const struct scenario_cookie *c)
{
	char start[CLOCK_DURATION_BYTES], interval[CLOCK_DURATION_BYTES],
		duration[CLOCK_DURATION_BYTES];

	clock_format_duration(c->start_ns, start);
	clock_format_duration(c->timing.interval_ns, interval);
	clock_format_duration(c->timing.duration_ns, duration);
	printf("  cookie    %s (%s), from %s", c->name, c->ops->name, start);
	if (c->timing.interval_ns)
		printf(", each %s", interval);
	else
		printf(", once");
	if (c->timing.duration_ns)
		printf(", for %s", duration);
	printf("\n");
}

static int print_round(const struct scenario *s, const struct scenario_cookie *c, struct k8s *k8s,
	uint64_t seed, struct err *err)
{
	const struct cookie_env env = { k8s, c->name, s->namespace, "dry-run", seed };
	struct cookie_plan plan = { 0 };

	if (c->ops->plan(&env, c->params, 0, &plan, err)) {
		if (err->code != ERR_NOT_FOUND || !s->n_deploy)
			return err_wrap(err, "cookie %s", c->name);
		printf("              bites what this scenario deploys: not there yet\n");
		return 0;
	}
	for (size_t i = 0; i < plan.n_targets; i++)
		printf("              would bite %s %s/%s of %s\n", plan.targets[i].kind->kind,
			plan.targets[i].ns, plan.targets[i].name,
			plan.targets[i].workload ? plan.targets[i].workload : "-");
	for (size_t i = 0; i < plan.n_skips; i++)
		printf("              skips %s %s/%s: %s\n", plan.skips[i].kind->kind,
			plan.skips[i].ns, plan.skips[i].name, plan.skips[i].reason);
	if (plan.reason)
		printf("              bites nothing: %s\n", plan.reason);
	cookie_plan_done(&plan);
	return 0;
}

static int print_cookies(const struct scenario *s, const struct run_options *options,
	struct k8s *k8s, struct err *err)
{
	uint64_t seed = options->has_seed ? options->seed : s->seed;

	for (size_t i = 0; i < s->n_cookies; i++) {
		print_timing(&s->cookies[i]);
		if (!k8s)
			printf("              targets are known once the sandbox stands\n");
		else if (print_round(s, &s->cookies[i], k8s, seed, err))
			return -1;
	}
	return 0;
}

int run_print_plan(const struct scenario *s, const struct run_options *options,
	struct signals *signals, struct err *err)
{
	const char *context;
	enum cluster_kind kind = plan_cluster(s, options, &context);
	struct cluster *cluster = NULL;
	struct k8s *k8s = NULL;
	int failed = 0;

	printf("%s: %s\n", s->name, s->title);
	printf("  file      %s\n", s->path);
	/* A sandbox is not started for this: nothing would stand on it yet. */
	if (kind == CLUSTER_KUBECONFIG || kind == CLUSTER_IN_CLUSTER) {
		if (cluster_open(kind, context, NULL, signals_stop(signals), &cluster, err))
			return -1;
		failed = k8s_new(cluster_config(cluster), signals_stop(signals), &k8s, err);
		if (!failed)
			printf("  cluster   %s%s%s, %s %s\n", cluster_kind_name(kind),
				context ? " " : "", context ? context : "",
				k8s_config_server(cluster_config(cluster)),
				cluster_version(cluster));
	} else {
		printf("  cluster   %s\n", cluster_kind_name(kind));
	}
	print_phases(s);
	print_lists(s);
	if (!failed)
		failed = print_cookies(s, options, k8s, err);
	k8s_free(k8s);
	cluster_close(cluster);
	return failed;
}
