/* Deploy and teardown: the cluster, what stands on it, and what is needed to verify it. */
#include "runner/run.h"

#include "base/buf.h"
#include "base/log.h"
#include "runner/environment.h"

#include <string.h>

/* How long a service that was just rolled out may take to answer, and one that nobody deployed. */
#define TRY_DEPLOYED_NS (30 * NS_PER_S)
#define TRY_THERE_NS (3 * NS_PER_S)

/* ---- ${service:...} ---- */

static int service_address(void *arg, const char *ns, const char *name, const char *port,
	char **ret_host_port, struct err *err)
{
	struct run *run = arg;

	if (!run->k8s)
		return err_set(err, ERR_CONFIG, "${service:%s/%s:%s}: the run has no cluster", ns,
			name, port);
	return k8s_service_address(run->k8s, ns, name, port, ret_host_port, err);
}

/* A text is a table of one string. */
static int resolve_text(
	const struct verifier_env *env, const char *text, char **ret_text, struct err *err)
{
	static const struct param table[] = {
		{ .name = "text", .type = PARAM_STRING, .offset = 0 },
		PARAM_END,
	};
	struct one {
		char *text;
	} one = { (char *)text };
	void *resolved = NULL;

	if (scenario_resolve_params(
		    table, &one, sizeof(one), service_address, env->resolve_arg, &resolved, err))
		return -1;
	*ret_text = ((struct one *)resolved)->text;
	free(resolved);
	return 0;
}

static void fill_verifier_env(struct run *run)
{
	const struct scenario *s = run->scenario;

	run->verifier_env = (struct verifier_env){
		.scenario_dir = s->dir,
		.logs_dir = run->logs_dir,
		.artifacts_dir = run->artifacts_dir,
		.run_id = run->short_id,
		.cloud = s->cloud,
		.clouds_file = s->clouds_file,
		.resolve = resolve_text,
		.resolve_arg = run,
	};
}

static int resolve_verifiers(struct run *run, struct err *err)
{
	const struct scenario *s = run->scenario;

	run->verifiers = calloc(s->n_verify + 1, sizeof(*run->verifiers));
	if (!run->verifiers)
		return err_set(err, ERR_NOMEM, "no memory for verifiers");
	for (size_t i = 0; i < s->n_verify; i++) {
		const struct verifier *v = &s->verify[i].v;

		run->verifiers[i] = *v;
		run->verifiers[i].params = NULL;
		if (scenario_resolve_params(v->ops->params, v->params, v->ops->params_size,
			    service_address, run, &run->verifiers[i].params, err))
			return err_wrap(err, "verifier %s", v->name);
	}
	return 0;
}

static void free_verifiers(struct run *run)
{
	for (size_t i = 0; run->verifiers && i < run->scenario->n_verify; i++) {
		struct verifier *v = &run->verifiers[i];

		if (!v->params)
			continue;
		param_done(v->ops->params, v->params);
		free(v->params);
	}
	free(TAKE(run->verifiers));
}

/* ---- the cluster ---- */

static void tell_cluster(struct run *run)
{
	cJSON *event = recorder_make("cluster");

	json_add_str(event, "kind", cluster_kind_name(run->cluster_kind));
	json_add_str(event, "context", run->context);
	json_add_str(event, "namespace", run->scenario->namespace);
	json_add_str(event, "server", k8s_config_server(cluster_config(run->cluster)));
	json_add_str(event, "version", cluster_version(run->cluster));
	json_add_str(event, "id", cluster_id(run->cluster));
	recorder_event(run->recorder, event);
}

static int open_cluster(struct run *run, struct err *err)
{
	OWN_MEM char *log = str_format("%s/sandbox.log", run->logs_dir);

	if (run->cluster_kind == CLUSTER_NONE)
		return 0;
	if (cluster_open(run->cluster_kind, run->context, log, run->stop, &run->cluster, err))
		return -1;
	tell_cluster(run);
	log_line(LOG_INFO, "CLUSTER", "%s %s %s", cluster_kind_name(run->cluster_kind),
		k8s_config_server(cluster_config(run->cluster)), cluster_version(run->cluster));
	return k8s_new(cluster_config(run->cluster), run->stop, &run->k8s, err);
}

/* ---- deployments ---- */

static void say(const char *text)
{
	log_line(LOG_INFO, "DEPLOY", "%s", text);
}

static struct deployer_env deployer_env(
	struct run *run, const struct scenario_deploy *entry, struct stop *stop)
{
	return (struct deployer_env){
		.k8s = run->k8s,
		.namespace = run->scenario->namespace,
		.scenario_dir = run->scenario->dir,
		.logs_dir = run->logs_dir,
		.run_id = run->id,
		.expires = run->expires,
		.name = entry->name,
		.env = (const char *const *)run->env,
		.stop = stop,
		.hurry = signals_stop(run->signals),
		.say = say,
	};
}

/* On a sandbox of our own it goes when we go. */
static bool can_be_left(const struct run *run, const struct scenario_deploy *entry)
{
	return run->cluster_kind != CLUSTER_SANDBOX || !entry->ops->needs_cluster;
}

/* As heal will find it in the journal: numbers are raw digits until they are read again. */
static cJSON *as_journalled(const cJSON *undo, struct err *err)
{
	OWN_MEM char *text = json_print(undo);
	cJSON *again = NULL;

	if (!text)
		err_set(err, ERR_NOMEM, "no memory for the undo record");
	else if (!json_parse("the undo record", text, strlen(text), &again, err))
		return again;
	return NULL;
}

/* Takes `undo`. */
static int commit_intent(
	struct run *run, const struct scenario_deploy *entry, cJSON *undo, struct err *err)
{
	cJSON *event = json_object("e", "deploy.intent", "name", entry->name, "deployer",
		entry->ops->name, (char *)NULL);
	OWN_JSON cJSON *record = as_journalled(undo, err);

	cJSON_AddItemToObject(event, "undo", undo);
	if (!record) {
		cJSON_Delete(event);
		return -1;
	}
	if (recorder_commit(run->recorder, event, err))
		return -1;
	run->undo[run->n_deployed++] = TAKE(record);
	atomic_fetch_add(&run->n_left, can_be_left(run, entry));
	return 0;
}

static int deploy_resolved(
	struct run *run, const struct scenario_deploy *entry, const void *params, struct err *err)
{
	const struct deployer_env env = deployer_env(run, entry, run->stop);
	cJSON *undo = NULL, *done;
	int failed;

	if (entry->ops->undo(&env, params, &undo, err) || commit_intent(run, entry, undo, err))
		return -1;
	log_line(LOG_INFO, "DEPLOY", "%s (%s)", entry->name, entry->ops->name);
	failed = entry->ops->deploy(&env, params, err) || entry->ops->ready(&env, params, err);
	done = run_outcome("deploy.done", !failed, failed ? err->text : "");
	json_add_str(done, "name", entry->name);
	recorder_event(run->recorder, done);
	return failed ? -1 : 0;
}

static int deploy(struct run *run, const struct scenario_deploy *entry, struct err *err)
{
	void *params = NULL;
	int failed;

	failed = scenario_resolve_params(entry->ops->params, entry->params, entry->ops->params_size,
		service_address, run, &params, err);
	if (!failed)
		failed = deploy_resolved(run, entry, params, err);
	if (params)
		param_done(entry->ops->params, params);
	free(params);
	return failed ? err_wrap(err, "deploy %s", entry->name) : 0;
}

/* ---- verifiers ---- */

static int open_sampler(struct run *run, struct err *err)
{
	size_t n = 0;
	const struct verifier **sampled = calloc(run->scenario->n_verify + 1, sizeof(*sampled));
	int failed = 0;

	if (!sampled)
		return err_set(err, ERR_NOMEM, "no memory for verifiers");
	for (size_t i = 0; i < run->scenario->n_verify; i++)
		if (!run->verifiers[i].ops->run)
			sampled[n++] = &run->verifiers[i];
	if (n)
		failed = sampler_new(sampled, n, &run->verifier_env, recorder_sink(run->recorder),
			&run->sampler, err);
	free(sampled);
	return failed;
}

/* Every sampled verifier once, unrecorded: a service that does not answer now would tell nothing
 * about faults. */
static int try_verifiers(struct run *run, struct err *err)
{
	int64_t deadline_ns = clock_now_ns() +
			      (run->scenario->n_deploy ? TRY_DEPLOYED_NS : TRY_THERE_NS);

	for (int64_t pause_ms = 50; run->sampler && sampler_try(run->sampler, run->stop, err);
		pause_ms *= 2) {
		if (err->code == ERR_STOPPED || err->code == ERR_AUTH || err->code == ERR_TLS ||
			clock_now_ns() >= deadline_ns)
			return -1;
		if (pause_ms == 800) /* it takes long: nobody should wait without a word */
			log_line(LOG_INFO, "AWAIT", "%s", err->text);
		if (stop_wait(run->stop, pause_ms < 1000 ? pause_ms : 1000))
			return err_set(err, ERR_STOPPED, "stopped before the first sample");
	}
	return 0;
}

/* ---- up and down ---- */

static int up(struct run *run, struct err *err)
{
	const struct scenario *s = run->scenario;

	fill_verifier_env(run);
	if (open_cluster(run, err))
		return -1;
	if (s->n_deploy) {
		run->env = environment_make(cluster_kubeconfig(run->cluster), run->id);
		run->undo = calloc(s->n_deploy, sizeof(cJSON *));
		if (!run->env || !run->undo)
			return err_set(err, ERR_NOMEM, "no memory for deployments");
	}
	for (size_t i = 0; i < s->n_deploy; i++)
		if (deploy(run, &s->deploy[i], err))
			return -1;
	if (resolve_verifiers(run, err) || open_sampler(run, err) || finite_prepare(run, err) ||
		try_verifiers(run, err))
		return -1;
	return feed_preflight(run, err);
}

int stage_up(struct run *run, struct err *err)
{
	int failed = up(run, err);

	run->config_error = failed && (err->code == ERR_CONFIG || err->code == ERR_USAGE);
	if (failed && stop_requested(run->stop))
		return -1;
	recorder_event(run->recorder, run_outcome("preflight", !failed, failed ? err->text : ""));
	return failed;
}

static void undo(struct run *run, size_t index, const cJSON *record)
{
	const struct scenario_deploy *entry = &run->scenario->deploy[index];
	const struct deployer_env env = deployer_env(run, entry, NULL);
	struct err err = { ERR_NONE, "" };
	cJSON *done;
	int failed = 0;

	/* The undo happens whatever the journal says: it is safe to repeat. */
	recorder_commit(run->recorder,
		json_object("e", "undo.intent", "name", entry->name, (char *)NULL), NULL);
	if (!run->options->keep)
		failed = entry->ops->destroy(&env, record, &err);
	done = run_outcome("undo.done", !failed && !run->options->keep, err.text);
	json_add_str(done, "name", entry->name);
	cJSON_AddBoolToObject(done, "kept", run->options->keep);
	recorder_event(run->recorder, done);
	if (!failed)
		atomic_fetch_sub(&run->n_left, can_be_left(run, entry));
	log_line(failed ? LOG_ERROR : LOG_INFO, "UNDO", "%s%s%s", entry->name,
		run->options->keep ? " is kept"
		: failed           ? ": "
				   : " is gone",
		failed ? err.text : "");
}

void stage_down(struct run *run)
{
	finite_free(run);
	sampler_free(TAKE(run->sampler));
	free_verifiers(run);
	/* Healing is not stopped by what stopped the run. */
	if (run->k8s)
		k8s_set_stop(run->k8s, NULL);
	while (run->n_deployed) {
		OWN_JSON cJSON *record = run->undo[--run->n_deployed];

		undo(run, run->n_deployed, record);
	}
	free(TAKE(run->undo));
	k8s_free(TAKE(run->k8s));
	cluster_close(TAKE(run->cluster));
	environment_free(TAKE(run->env));
}
