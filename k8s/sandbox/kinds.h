/* The kinds that the sandbox knows: one row each, from which discovery and routing are made. */
#ifndef CRUMBLE_K8S_SANDBOX_KINDS_H
#define CRUMBLE_K8S_SANDBOX_KINDS_H

#include <stdbool.h>
#include <stddef.h>

struct kind {
	const char *kind;     /* "Deployment" */
	const char *plural;   /* "deployments" */
	const char *singular; /* "deployment" */
	const char *group;    /* "apps"; "" for the core */
	const char *version;  /* "v1" */
	const char *brief;    /* "deploy"; NULL: none */
	bool namespaced;
	bool in_all;     /* `kubectl get all` lists it */
	bool scale;      /* has a /scale */
	bool status;     /* has a /status, and a generation that follows its spec */
};

enum kind_id {
	KIND_CONFIGMAP, KIND_ENDPOINTS, KIND_EVENT, KIND_NAMESPACE, KIND_NODE, KIND_CLAIM, KIND_POD,
	KIND_SECRET, KIND_SERVICEACCOUNT, KIND_SERVICE, KIND_DAEMONSET, KIND_DEPLOYMENT,
	KIND_REPLICASET, KIND_STATEFULSET, KIND_JOB, KIND_PDB, KIND_COUNT
};

extern const struct kind kinds[KIND_COUNT];

/* NULL: there is none. */
const struct kind *kind_routed(const char *group, const char *version, const char *plural);
/* By apiVersion and kind, as in an owner reference. */
const struct kind *kind_named(const char *api_version, const char *name);
/* "apps/v1", "v1". */
const char *kind_api_version(const struct kind *kind);
/* "Deployment.apps", "Pod": as messages about invalid objects call it. */
const char *kind_qualified(const struct kind *kind);
/* "deployments.apps", "pods": as other messages call it. */
const char *kind_resource(const struct kind *kind);

static inline size_t kind_index(const struct kind *kind)
{
	return (size_t)(kind - kinds);
}

#endif
