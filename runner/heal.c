/* Undoing what a dead run left behind: from its journal alone, any number of times. */
#include "runner/leftovers.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/record.h"
#include "reports/report.h"
#include "runner/cluster.h"
#include "runner/cookies/cookie.h"
#include "runner/deployers/deployer.h"
#include "runner/environment.h"

#include <stdio.h>
#include <string.h>

struct healing {
	const char *dir;
	const struct leftovers *left;
	struct journal *journal;
	struct cluster *cluster;
	struct k8s *k8s;
	struct stop *stop;
};

/* Monotonic time does not survive the run: wall time since its anchor stands in. */
static int note(struct healing *h, cJSON *event, struct err *err)
{
	int64_t anchor_ns = json_int(h->left->run, 0, "wall_ns", NULL), t = 0;
	OWN_JSON cJSON *owned = event;

	if (anchor_ns > 0)
		t = clock_wall_ns() - anchor_ns;
	json_add_int(owned, "t", t > 0 ? t : 0);
	if (journal_append(h->journal, owned, err) || journal_sync(h->journal, err))
		return -1;
	return 0;
}

/* That nothing is there would otherwise be believed of any cluster that a changed kubeconfig
 * leads to. */
static int check_same(const struct healing *h, struct err *err)
{
	const char *server = json_str(h->left->last, "server", NULL);
	const char *id = json_str(h->left->last, "id", NULL), *now_id = cluster_id(h->cluster);
	const char *now = k8s_config_server(cluster_config(h->cluster));

	if (id && now_id ? !strcmp(id, now_id) : !server || !strcmp(server, now))
		return 0;
	return err_set(err, ERR_CONFIG,
		"%s: is another cluster than the run's (%s): give its kubeconfig in $KUBECONFIG; "
		"if that cluster is gone for good, remove %s",
		now, server ? server : "?", h->dir);
}

static int connect_cluster(struct healing *h, struct err *err)
{
	const char *kind = json_str(h->left->run, "cluster", "kind", NULL);
	const char *context = json_str(h->left->run, "cluster", "context", NULL);
	enum cluster_kind is = CLUSTER_NONE;

	if (kind && !strcmp(kind, "kubeconfig"))
		is = CLUSTER_KUBECONFIG;
	else if (kind && !strcmp(kind, "in-cluster"))
		is = CLUSTER_IN_CLUSTER;
	if (cluster_open(is, context, NULL, h->stop, &h->cluster, err))
		return -1;
	if (!cluster_config(h->cluster))
		return 0;
	if (check_same(h, err))
		return -1;
	return k8s_new(cluster_config(h->cluster), h->stop, &h->k8s, err);
}

static int undo_deployment(struct healing *h, const struct leftover *leftover, struct err *err)
{
	const struct deployer_ops *ops = deployer_find(leftover->kind);
	const char *id = json_str(h->left->run, "id", NULL);
	char **env = environment_make(cluster_kubeconfig(h->cluster), id);
	OWN_MEM char *logs = str_format("%s/logs", h->dir);
	const struct deployer_env deployer = {
		.k8s = h->k8s,
		.namespace = "default",
		.scenario_dir = ".",
		.logs_dir = logs,
		.run_id = id ? id : "",
		.name = leftover->name,
		.env = (const char *const *)env,
		.stop = h->stop,
	};
	int failed;

	if (!ops)
		failed = err_set(
			err, ERR_CONFIG, "this build knows no deployer %s", leftover->kind);
	else if (!env || !logs)
		failed = err_set(err, ERR_NOMEM, "no memory to heal");
	else if (ops->needs_cluster && !h->k8s)
		failed = err_set(err, ERR_CONFIG, "the record names no cluster");
	else
		failed = ops->destroy(&deployer, leftover->undo, err);
	environment_free(env);
	return failed;
}

static int heal_deployment(struct healing *h, const struct leftover *leftover, struct err *err)
{
	cJSON *intent = json_object("e", "undo.intent", "name", leftover->name, (char *)NULL);
	cJSON *done = json_object("e", "undo.done", "name", leftover->name, (char *)NULL);
	int failed;

	/* The undo is safe to repeat: a journal that cannot be written must not stop it. */
	note(h, intent, NULL);
	failed = undo_deployment(h, leftover, err);
	cJSON_AddBoolToObject(done, "ok", !failed);
	cJSON_AddBoolToObject(done, "kept", false);
	cJSON_AddStringToObject(done, "message", failed ? err->text : "undone by crumble heal");
	if (note(h, done, failed ? NULL : err))
		return -1;
	return failed;
}

static int heal_bite(struct healing *h, const struct leftover *leftover, struct err *err)
{
	const struct cookie_ops *ops = cookie_find(leftover->kind);
	cJSON *done = json_object("e", "heal.done", "bite", leftover->name, (char *)NULL);
	int failed;

	note(h, json_object("e", "heal.intent", "bite", leftover->name, (char *)NULL), NULL);
	if (!ops || !ops->heal)
		failed = err_set(err, ERR_CONFIG, "this build cannot heal a cookie of kind %s",
			leftover->kind);
	else if (!h->k8s)
		failed = err_set(err, ERR_CONFIG, "the record names no cluster");
	else
		failed = ops->heal(h->k8s, leftover->undo, err);
	cJSON_AddBoolToObject(done, "ok", !failed);
	cJSON_AddStringToObject(done, "message", failed ? err->text : "healed by crumble heal");
	if (note(h, done, failed ? NULL : err) || failed)
		return -1;
	return note(h,
		json_object("e", "heal.proof", "bite", leftover->name, "evidence",
			"undone by crumble heal", (char *)NULL),
		err);
}

static void heal_all(struct healing *h, size_t *ret_left, struct err *err)
{
	struct err mine;

	/* Bites first, then deployments in reverse, as a run does it. */
	for (int bites = 1; bites >= 0; bites--) {
		for (size_t i = h->left->n; i-- > 0;) {
			const struct leftover *leftover = &h->left->v[i];
			struct err *told = *ret_left ? &mine : err;

			if (leftover->is_bite != bites)
				continue;
			if (bites ? heal_bite(h, leftover, told)
				  : heal_deployment(h, leftover, told)) {
				log_error("%s is not undone: %s", leftover->name, told->text);
				(*ret_left)++;
			} else {
				log_line(LOG_INFO, "HEAL", "%s is undone", leftover->name);
			}
		}
	}
}

static void report_again(const char *dir)
{
	struct result *result = NULL;
	struct err err;

	if (report_build(dir, false, &result, &err) || report_write(dir, result, false, &err))
		log_warn("%s: reports: %s", dir, err.text);
	result_free(result);
}

static int heal_left(const char *dir, const struct leftovers *left, struct stop *stop,
	size_t *ret_left, struct err *err)
{
	struct healing h = { .dir = dir, .left = left, .stop = stop };

	if (journal_open(dir, &h.journal, err))
		return -1;
	if (connect_cluster(&h, err))
		*ret_left = left->n;
	else
		heal_all(&h, ret_left, err);
	k8s_free(h.k8s);
	cluster_close(h.cluster);
	journal_close(h.journal);
	report_again(dir);
	return *ret_left ? -1 : 0;
}

int leftovers_heal(const char *dir, struct stop *stop, size_t *ret_left, struct err *err)
{
	struct leftovers left;
	int result = 0;

	*ret_left = 0;
	if (leftovers_read(dir, &left, err))
		return -1;
	if (left.locked)
		result = err_set(err, ERR_CONFLICT,
			"%s: its run is still alive and undoes its own: stop that run instead",
			dir);
	else if (left.n)
		result = heal_left(dir, &left, stop, ret_left, err);
	/* What is known is undone; what stood behind a bad line is not known. */
	if (left.damaged && !left.locked && !result) {
		const char *id = json_str(left.run, "id", NULL);

		*ret_left = 1;
		result = err_set(err, ERR_FORMAT,
			"%s/journal.jsonl is damaged: what stood behind the bad line is unknown: look "
			"for objects labelled crumble/run=%s yourself, then remove the folder",
			dir, id ? id : "?");
	}
	leftovers_done(&left);
	return result;
}
