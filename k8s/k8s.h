/*
 * A small Kubernetes client. Blocking calls, one client a thread (a client owns one http loop);
 * a config may be shared by any number of clients. Every request has a deadline; 429 and 5xx are
 * tried again with backoff (Retry-After honoured) where that is safe. Lists are read as a stream:
 * memory does not grow with the cluster.
 *
 * Errors: "GET https://HOST/api/v1/...: 403 Forbidden: pods is forbidden: ...", code by status
 * (ERR_AUTH, ERR_FORBIDDEN, ERR_NOT_FOUND, ERR_CONFLICT, ERR_GONE, ERR_API) or by transport.
 */
#ifndef CRUMBLE_K8S_K8S_H
#define CRUMBLE_K8S_K8S_H

#include "base/err.h"
#include "base/json.h"
#include "base/stop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- where, and as whom ---- */

struct k8s_config;

/* `files`: a colon-separated list as in $KUBECONFIG, NULL: $KUBECONFIG, else ~/.kube/config.
 * `context` NULL: its current-context. Reads and merges them; no network. */
int k8s_config_kubeconfig(const char *files, const char *context, struct k8s_config **ret_config,
	struct err *err);
/* The service account's token (re-read while it rotates), CA and namespace. */
int k8s_config_in_cluster(struct k8s_config **ret_config, struct err *err);
void k8s_config_free(struct k8s_config *config);
const char *k8s_config_server(const struct k8s_config *config);    /* URL, never NULL */
const char *k8s_config_namespace(const struct k8s_config *config); /* never NULL: "default" */
const char *k8s_config_context(const struct k8s_config *config);   /* NULL: none */
bool k8s_config_is_in_cluster(const struct k8s_config *config);

/* ---- the client ---- */

struct k8s;

/* `config` must outlive it. `stop` ends every wait and request early with ERR_STOPPED; NULL: none.
 * No network. */
int k8s_new(const struct k8s_config *config, struct stop *stop, struct k8s **ret_client,
	struct err *err);
void k8s_free(struct k8s *client);
/* Another token from here on (healing goes on after a signal); NULL: none. */
void k8s_set_stop(struct k8s *client, struct stop *stop);
const struct k8s_config *k8s_get_config(const struct k8s *client);

/* ---- kinds ---- */

struct k8s_kind {
	const char *kind;        /* "Deployment" */
	const char *plural;      /* "deployments" */
	const char *api_version; /* "apps/v1", "v1" */
	bool namespaced;
};

extern const struct k8s_kind k8s_pod, k8s_node, k8s_namespace, k8s_service, k8s_endpoints,
	k8s_configmap, k8s_secret, k8s_event, k8s_deployment, k8s_replicaset, k8s_statefulset,
	k8s_daemonset, k8s_job, k8s_pdb;

/* A kind of the built-in table, else by the server's discovery (cached in the client). */
int k8s_find_kind(struct k8s *client, const char *api_version, const char *kind,
	const struct k8s_kind **ret_kind, struct err *err);
/* "deployment", "statefulset", "Deployment", "deployments": of the built-in table. NULL: none. */
const struct k8s_kind *k8s_kind_by_word(const char *word);

/* ---- verbs; `ns` NULL or "": all namespaces (list, watch) or the cluster's own objects ---- */

int k8s_version(struct k8s *client, char **ret_git_version, struct err *err);
/* The object; the caller's. */
int k8s_get(struct k8s *client, const struct k8s_kind *kind, const char *ns, const char *name,
	cJSON **ret_object, struct err *err);

struct k8s_select {
	const char *labels; /* "app=web,tier!=db"; NULL: all */
	const char *fields; /* "metadata.name=x"; NULL: all */
	unsigned limit;     /* page size; 0: 500 */
};
/* Each item of all pages, one at a time, borrowed; items carry no kind/apiVersion (as the server
 * sends them). `each` returns 0 to go on, else it ends the list (not an error). A continue token
 * that expired (410) starts the list anew: `each` may then see an item twice. A page whose
 * connection broke is read again without telling its items twice.
 * ret_version: the list's resourceVersion, to be freed; may be NULL. */
int k8s_list(struct k8s *client, const struct k8s_kind *kind, const char *ns,
	const struct k8s_select *select, int (*each)(void *arg, const cJSON *item), void *arg,
	char **ret_version, struct err *err);

/* The server's own columns, without objects: cheap at any size. `cells` by the names asked for in
 * `columns` (NULL-terminated: "Name", "Ready", "Status"); a column that the server does not have
 * is "". One namespace a call, since rows carry none. Pages are of 5,000 unless select->limit says
 * otherwise. Where the server does not know tables it answers with the plain list, of which the
 * same cells are made: Name of any kind; Ready, Status, IP and Node of pods; Ready of Deployments
 * and StatefulSets. */
int k8s_list_table(struct k8s *client, const struct k8s_kind *kind, const char *ns,
	const struct k8s_select *select, const char *const *columns,
	int (*each)(void *arg, const char *const *cells), void *arg, struct err *err);

/* `object` has apiVersion and kind. ns: where it names none itself. ret_object may be NULL. */
int k8s_create(struct k8s *client, const cJSON *object, const char *ns, cJSON **ret_object,
	struct err *err);

struct k8s_delete {
	const char *uid;         /* precondition; NULL: none */
	int64_t grace_s;         /* -1: the object's own */
	const char *propagation; /* "Background", "Foreground", "Orphan"; NULL: the kind's default */
};
/* Acknowledged when it returns 0; a pod is then terminating, not gone. Already gone is
 * ERR_NOT_FOUND, another uid is ERR_CONFLICT. `options` may be NULL.
 * With a uid, a request whose answer was lost (connection broke, 5xx) is sent again, and "not
 * found" or another uid is then success: the object is gone, most likely by the first try. Without
 * one it is never sent again: the name may be its replacement's by then. */
int k8s_delete(struct k8s *client, const struct k8s_kind *kind, const char *ns, const char *name,
	const struct k8s_delete *options, struct err *err);

/* `subresource` NULL, "scale", "status". `type`: "merge", "strategic-merge", "json". */
int k8s_patch(struct k8s *client, const struct k8s_kind *kind, const char *ns, const char *name,
	const char *subresource, const char *type, const cJSON *patch, cJSON **ret_object,
	struct err *err);

/* The last `tail` lines (0: all, at most 1 MiB); to be freed. */
int k8s_pod_log(struct k8s *client, const char *ns, const char *name, const char *container,
	unsigned tail, char **ret_text, struct err *err);

/* ---- watch ---- */

enum k8s_change {
	K8S_ADDED,    /* also each object that is there when a watch begins, and again all that
		       * are there after a relist */
	K8S_MODIFIED,
	K8S_DELETED,  /* also what a relist finds gone: the object is then its last known state */
	K8S_SYNCED,   /* object NULL: all that was there has been told (again, after a relist) */
	K8S_TROUBLE,  /* object NULL, text says what: the watch was lost and is being begun again */
};

/* List, then watch with bookmarks, from the list's version; a cut connection goes on from the last
 * version seen; after a 410 it lists anew and tells the difference. Returns when `stop` is set
 * (0), when `each` returns other than 0 (0), or when access is refused for good (401 twice, 403,
 * 404, at the start also a certificate that is not trusted: -1). The server ends each stream after
 * a minute, which is no trouble; one that is silent for 75 s is dead, and told as K8S_TROUBLE.
 * It runs on this client: use one for it alone; `stop` (NULL: the client's) is its token. */
int k8s_watch(struct k8s *client, const struct k8s_kind *kind, const char *ns,
	const struct k8s_select *select, struct stop *stop,
	int (*each)(void *arg, enum k8s_change change, const cJSON *object, const char *text),
	void *arg, struct err *err);

/* ---- what several callers need to know about objects ---- */

/* Running, Ready condition true, not terminating. */
bool k8s_pod_ready(const cJSON *pod);
bool k8s_pod_terminating(const cJSON *pod);
/* A selector's matchLabels and matchExpressions as a labelSelector query; to be freed. */
int k8s_selector_text(const cJSON *label_selector, char **ret_text, struct err *err);
/* Is this workload (Deployment, StatefulSet, DaemonSet) rolled out: observed, updated, ready?
 * *ret_why: what is missing ("2 of 3 ready"), to be freed; may be NULL. Other kinds are at once. */
bool k8s_rolled_out(const cJSON *object, char **ret_why);
/* A Job that has given up: it will never be complete. */
bool k8s_job_failed(const cJSON *job);

/* host:port by which `NS/NAME:PORT` is reached from where we run (scenario-format.md, "Reaching a
 * service"): cluster DNS inside the cluster; outside, the cluster IP if it is a loopback address,
 * else a NodePort of a Ready node. PORT: number or name. To be freed. */
int k8s_service_address(struct k8s *client, const char *ns, const char *name, const char *port,
	char **ret_host_port, struct err *err);

#endif
