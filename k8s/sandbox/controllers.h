/*
 * The controllers: one thread that, whenever anything has changed, looks at everything and does
 * what is missing, until nothing is. Each part is a function that is given the cluster with the
 * store's lock held, and may be called at any time.
 */
#ifndef CRUMBLE_K8S_SANDBOX_CONTROLLERS_H
#define CRUMBLE_K8S_SANDBOX_CONTROLLERS_H

#include "k8s/sandbox/cluster.h"

struct controllers;

int controllers_start(struct cluster *cluster, struct controllers **ret_controllers,
	struct err *err);
/* After store_stop. NULL is fine. */
void controllers_stop(struct controllers *controllers);

/* One look at everything. */
void controllers_reconcile(struct cluster *cluster);

void reconcile_deployments(struct cluster *cluster);  /* deployment.c */
void reconcile_replicasets(struct cluster *cluster);  /* replicaset.c */
void reconcile_statefulsets(struct cluster *cluster); /* statefulset.c */
void reconcile_daemonsets(struct cluster *cluster);   /* daemonset.c */
void reconcile_jobs(struct cluster *cluster);         /* job.c */
void reconcile_endpoints(struct cluster *cluster);    /* endpoints.c */
void reconcile_budgets(struct cluster *cluster);      /* budget.c */
void reconcile_nodes(struct cluster *cluster);        /* scheduler.c: pods get a node */
void reconcile_accounts(struct cluster *cluster);     /* accounts.c: one for each namespace */
void reconcile_garbage(struct cluster *cluster);      /* garbage.c: owners, namespaces */

/* The namespaces, nodes and the service that every cluster has. */
void cluster_populate(struct cluster *cluster);

/* ---- owned.c: what several of them do ---- */

/* References to objects; owned_done. */
struct owned {
	struct version **v;
	size_t n;
};

struct owned owned_all(struct store *store, const struct kind *kind);
/* Those whose controller is this owner. */
struct owned owned_by(struct store *store, const struct kind *kind, const cJSON *owner);
void owned_done(struct owned *owned);
/* Neither terminating nor over. */
bool pod_is_active(const cJSON *pod);
/* Ready, for at least minReadySeconds of its owner. */
bool pod_is_available(const cJSON *pod, const cJSON *owner);

/* A pod of the owner's template. `name` NULL: generated. `labels` (may be NULL) are added. */
void create_pod(struct cluster *cluster, const struct kind *kind, const cJSON *owner,
	const char *name, const cJSON *labels, const char *node);
void delete_pod_of(struct cluster *cluster, const struct kind *kind, const cJSON *owner,
	const cJSON *pod);
/* The current status of an object as a copy to edit, and its way back. */
cJSON *status_begin(struct store *store, const struct kind *kind, const cJSON *object,
	cJSON **ret_status);
void status_end(struct store *store, const struct kind *kind, cJSON *copy);
/* A count, left out when it is 0, as the API server does. */
void status_count(cJSON *status, const char *key, int64_t n);
/* 3 or "25%" of `total`, rounded up or down. */
int64_t int_or_percent(const cJSON *value, int64_t total, bool up);

#endif
