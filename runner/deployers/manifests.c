/*
 * manifests: Kubernetes objects from YAML files, created in the order of the files, awaited until
 * rolled out, deleted in reverse.
 *
 * Every object carries label crumble/run: an object that was there before is an error and is never
 * adopted, and destroy deletes only what carries this run's label, so that half a deploy, a second
 * destroy or a namesake made by somebody else do no harm.
 */
#include "runner/deployers/deployer.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/yaml.h"
#include "runner/deployers/rollout.h"

#include <stdio.h>
#include <string.h>

struct manifests {
	struct strings files;
	char *namespace;
	int64_t wait_ns;
};

static const struct param params[] = {
	{ "files", PARAM_STRINGS, offsetof(struct manifests, files), .required = true,
		.doc = "YAML files, relative to the scenario, in order" },
	{ "namespace", PARAM_STRING, offsetof(struct manifests, namespace),
		.doc = "for objects that name none; absent: the scenario's" },
	{ "wait", PARAM_DURATION, offsetof(struct manifests, wait_ns), .def = "5m",
		.doc = "until all workloads are rolled out" },
	PARAM_END
};

#define DESTROY_NS (5 * 60 * NS_PER_S)
#define LAST_PAUSE_MS 2000

/* ---- the documents ---- */

static int check_object(const char *file, const cJSON *object, struct err *err)
{
	const char *kind = json_str(object, "kind", NULL);

	if (!cJSON_IsObject(object))
		return err_set(err, ERR_CONFIG, "%s: a document is no Kubernetes object", file);
	if (!json_str(object, "apiVersion", NULL) || !kind)
		return err_set(err, ERR_CONFIG, "%s: a document lacks apiVersion or kind", file);
	if (!json_str(object, "metadata", "name", NULL))
		return err_set(err, ERR_CONFIG, "%s: %s without metadata.name", file, kind);
	return 0;
}

static int add_documents(const char *file, cJSON *docs, cJSON *all, struct err *err)
{
	cJSON *doc;

	while ((doc = cJSON_DetachItemFromArray(docs, 0))) {
		const char *kind = json_str(doc, "kind", NULL);

		if (kind && !strcmp(kind, "List")) {
			cJSON *items = cJSON_DetachItemFromObjectCaseSensitive(doc, "items");
			int failed = add_documents(file, items, all, err);

			cJSON_Delete(items);
			cJSON_Delete(doc);
			if (failed)
				return -1;
			continue;
		}
		cJSON_AddItemToArray(all, doc);
		if (check_object(file, doc, err))
			return -1;
	}
	return 0;
}

static int load_objects(const struct manifests *p, const char *dir, cJSON **ret, struct err *err)
{
	OWN_JSON cJSON *all = cJSON_CreateArray();

	for (size_t i = 0; i < p->files.n; i++) {
		const char *file = p->files.v[i];
		OWN_MEM char *path = *file == '/' ? strdup(file) : str_format("%s/%s", dir, file);
		OWN_JSON cJSON *docs = NULL;

		if (!path || !all)
			return err_set(err, ERR_NOMEM, "no memory for manifests");
		if (yaml_file_to_json(path, &docs, err) || add_documents(path, docs, all, err))
			return -1;
	}
	if (!cJSON_GetArraySize(all))
		return err_set(err, ERR_CONFIG, "the manifests hold no object");
	*ret = TAKE(all);
	return 0;
}

static int manifests_check(const void *params_, const char *scenario_dir, struct err *err)
{
	OWN_JSON cJSON *all = NULL;

	return load_objects(params_, scenario_dir, &all, err);
}

static const char *namespace_of(
	const struct deployer_env *env, const struct manifests *p, const cJSON *object)
{
	const char *own = json_str(object, "metadata", "namespace", NULL);

	return own ? own : p->namespace ? p->namespace : env->namespace;
}

static int manifests_undo(
	const struct deployer_env *env, const void *params_, cJSON **ret_undo, struct err *err)
{
	OWN_JSON cJSON *all = NULL, *undo = cJSON_CreateObject();
	cJSON *list = cJSON_AddArrayToObject(undo, "objects");
	const cJSON *object;

	if (load_objects(params_, env->scenario_dir, &all, err))
		return -1;
	cJSON_ArrayForEach(object, all) cJSON_AddItemToArray(
		list, json_object("apiVersion", json_str(object, "apiVersion", NULL), "kind",
			      json_str(object, "kind", NULL), "name",
			      json_str(object, "metadata", "name", NULL), "namespace",
			      namespace_of(env, params_, object), (char *)NULL));
	if (cJSON_GetArraySize(list) != cJSON_GetArraySize(all))
		return err_set(err, ERR_NOMEM, "no memory for the undo record");
	*ret_undo = TAKE(undo);
	return 0;
}

/* ---- deploy ---- */

static cJSON *member(cJSON *object, const char *key)
{
	cJSON *found = cJSON_GetObjectItemCaseSensitive(object, key);

	if (found && !cJSON_IsObject(found)) { /* `labels:` without anything is null */
		cJSON_DeleteItemFromObjectCaseSensitive(object, key);
		found = NULL;
	}
	return found ? found : cJSON_AddObjectToObject(object, key);
}

static void put(cJSON *object, const char *key, const char *value)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, key);
	cJSON_AddStringToObject(object, key, value);
}

static int create(
	const struct deployer_env *env, const struct manifests *p, cJSON *object, struct err *err)
{
	const char *kind = json_str(object, "kind", NULL);
	const char *name = json_str(object, "metadata", "name", NULL);
	const char *ns = namespace_of(env, p, object);
	cJSON *metadata = member(object, "metadata");

	put(member(metadata, "labels"), "crumble/run", env->run_id);
	if (env->expires)
		put(member(metadata, "annotations"), "crumble/expires", env->expires);
	if (!k8s_create(env->k8s, object, ns, NULL, err))
		return 0;
	if (err && err->code == ERR_CONFLICT)
		return err_set(err, ERR_CONFLICT,
			"%s %s exists already in namespace %s and is not this run's: delete it, or "
			"leave it out of the manifests",
			kind, name, ns);
	return err_wrap(err, "create %s %s in namespace %s", kind, name, ns);
}

static int manifests_deploy(const struct deployer_env *env, const void *params_, struct err *err)
{
	OWN_JSON cJSON *all = NULL;
	cJSON *object;

	if (load_objects(params_, env->scenario_dir, &all, err))
		return -1;
	cJSON_ArrayForEach(object, all)
	{
		if (stop_requested(env->stop))
			return err_set(err, ERR_STOPPED, "stopped while creating objects");
		if (create(env, params_, object, err))
			return -1;
	}
	return 0;
}

static int manifests_ready(const struct deployer_env *env, const void *params_, struct err *err)
{
	const struct manifests *p = params_;
	int64_t deadline_ns = clock_now_ns() + p->wait_ns;
	OWN_JSON cJSON *all = NULL;
	const cJSON *object;

	if (load_objects(p, env->scenario_dir, &all, err))
		return -1;
	cJSON_ArrayForEach(object, all)
	{
		const struct k8s_kind *kind = k8s_kind_by_word(json_str(object, "kind", NULL));
		const char *name = json_str(object, "metadata", "name", NULL);
		const struct rollout rollout = { env->k8s, kind, namespace_of(env, p, object), name,
			env->say };
		char text[300];

		if (kind != &k8s_deployment && kind != &k8s_statefulset && kind != &k8s_daemonset &&
			kind != &k8s_job)
			continue;
		if (rollout_wait(&rollout, deadline_ns, env->stop, err))
			return -1;
		snprintf(text, sizeof(text), "%s %s is %s", kind->kind, name,
			kind == &k8s_job ? "complete" : "rolled out");
		if (env->say)
			env->say(text);
	}
	return 0;
}

/* ---- destroy, from the undo record alone ---- */

struct doomed {
	const struct k8s_kind *kind; /* NULL: nothing of ours is there */
	const char *ns, *name;
	char *uid;
};

static int look_up(
	const struct deployer_env *env, const cJSON *entry, struct doomed *ret, struct err *err)
{
	const char *api = json_str(entry, "apiVersion", NULL),
		   *kind = json_str(entry, "kind", NULL);
	const char *run, *uid;
	OWN_JSON cJSON *object = NULL;
	struct err mine;

	if (!err)
		err = &mine;
	*ret = (struct doomed){
		.ns = json_str(entry, "namespace", NULL),
		.name = json_str(entry, "name", NULL),
	};
	if (!api || !kind || !ret->name)
		return err_set(err, ERR_FORMAT, "the undo record names no object");
	if (k8s_find_kind(env->k8s, api, kind, &ret->kind, err) ||
		k8s_get(env->k8s, ret->kind, ret->kind->namespaced ? ret->ns : NULL, ret->name,
			&object, err)) {
		ret->kind = NULL;
		return err->code == ERR_NOT_FOUND ? 0 : err_wrap(err, "%s %s", kind, ret->name);
	}
	run = json_str(object, "metadata", "labels", "crumble/run", NULL);
	uid = json_str(object, "metadata", "uid", NULL);
	if (!run || strcmp(run, env->run_id) || !uid)
		ret->kind = NULL;
	else if (!(ret->uid = strdup(uid)))
		return err_set(err, ERR_NOMEM, "no memory for a uid");
	return 0;
}

static int delete_one(const struct deployer_env *env, const struct doomed *doomed, struct err *err)
{
	const struct k8s_delete options = {
		.uid = doomed->uid,
		.grace_s = -1,
		.propagation = "Foreground",
	};
	struct err mine;

	if (!err)
		err = &mine;
	if (!k8s_delete(env->k8s, doomed->kind, doomed->kind->namespaced ? doomed->ns : NULL,
		    doomed->name, &options, err))
		return 0;
	if (err->code == ERR_NOT_FOUND || err->code == ERR_CONFLICT)
		return 0; /* gone meanwhile, or another of that name */
	return err_wrap(err, "delete %s %s", doomed->kind->kind, doomed->name);
}

/* How long destroy waits, for all objects together. */
struct patience {
	int64_t until_ns;
	bool hurried;
};

/* True when it has run out. */
static bool is_over(struct patience *patience, const struct deployer_env *env)
{
	int64_t soon_ns = clock_now_ns() + DEPLOYER_HURRY_MS * NS_PER_MS;

	if (!patience->hurried && stop_requested(env->hurry)) {
		patience->hurried = true;
		if (patience->until_ns > soon_ns)
			patience->until_ns = soon_ns;
	}
	return clock_now_ns() >= patience->until_ns;
}

static int await_gone(const struct deployer_env *env, const struct doomed *doomed,
	struct patience *patience, struct err *err)
{
	struct err mine;

	if (!err)
		err = &mine;
	for (int64_t pause_ms = 50;; pause_ms *= 2) {
		OWN_JSON cJSON *object = NULL;
		const char *uid;

		if (k8s_get(env->k8s, doomed->kind, doomed->kind->namespaced ? doomed->ns : NULL,
			    doomed->name, &object, err))
			return err->code == ERR_NOT_FOUND
				       ? 0
				       : err_wrap(err, "is %s %s gone", doomed->kind->kind,
						 doomed->name);
		uid = json_str(object, "metadata", "uid", NULL);
		if (!uid || strcmp(uid, doomed->uid))
			return 0;
		if (is_over(patience, env))
			return err_set(err, ERR_TIMEOUT,
				"%s %s in namespace %s is deleted but not gone %s",
				doomed->kind->kind, doomed->name, doomed->ns ? doomed->ns : "-",
				patience->hurried ? "12 s after the signal"
						  : "after 5 minutes: look at its finalizers");
		if (pause_ms > LAST_PAUSE_MS)
			pause_ms = LAST_PAUSE_MS;
		if (stop_wait(env->stop, pause_ms))
			return err_set(err, ERR_STOPPED, "stopped while %s %s was being deleted",
				doomed->kind->kind, doomed->name);
	}
}

/* Everything is tried, unless the server is lost: half a minute a request would add up. The first
 * trouble is told. */
static int manifests_destroy(const struct deployer_env *env, const cJSON *undo, struct err *err)
{
	const cJSON *objects = json_at(undo, "objects", NULL);
	int n = cJSON_GetArraySize(objects), result = 0;
	struct doomed *doomed = calloc((size_t)n + 1, sizeof(*doomed));
	struct patience patience = { .until_ns = clock_now_ns() + DESTROY_NS };
	bool lost = false;

	if (!doomed)
		return err_set(err, ERR_NOMEM, "no memory to destroy");
	for (int i = n - 1; i >= 0 && !lost; i--) {
		struct err mine = { ERR_NONE, "" };

		if (!look_up(env, cJSON_GetArrayItem(objects, i), &doomed[i], &mine) &&
			(!doomed[i].kind || !delete_one(env, &doomed[i], &mine)))
			continue;
		lost = mine.code == ERR_NET || mine.code == ERR_TIMEOUT;
		if (!result && err)
			*err = mine;
		result = -1;
	}
	for (int i = n - 1; i >= 0 && !lost; i--)
		if (doomed[i].kind && await_gone(env, &doomed[i], &patience, result ? NULL : err))
			result = -1;
	for (int i = 0; i < n; i++)
		free(doomed[i].uid);
	free(doomed);
	return result;
}

const struct deployer_ops deployer_manifests = {
	.name = "manifests",
	.doc = "Kubernetes objects from YAML files: created in order, deleted in reverse",
	.params = params,
	.params_size = sizeof(struct manifests),
	.needs_cluster = true,
	.check = manifests_check,
	.undo = manifests_undo,
	.deploy = manifests_deploy,
	.ready = manifests_ready,
	.destroy = manifests_destroy,
};
