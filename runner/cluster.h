/*
 * The cluster of a run: none, a real one, or a sandbox of its own, which is a child process that
 * ends with us however we end. Nothing else in the runner knows which of them it talks to.
 */
#ifndef CRUMBLE_RUNNER_CLUSTER_H
#define CRUMBLE_RUNNER_CLUSTER_H

#include "base/err.h"
#include "base/stop.h"
#include "k8s/k8s.h"

enum cluster_kind { CLUSTER_NONE, CLUSTER_SANDBOX, CLUSTER_KUBECONFIG, CLUSTER_IN_CLUSTER };

/* "none", "sandbox", "kubeconfig", "in-cluster". */
const char *cluster_kind_name(enum cluster_kind kind);
/* The argument of --cluster: sandbox, kubeconfig[:CONTEXT], in-cluster. *ret_context points into
 * text, or is NULL. */
int cluster_parse(const char *text, enum cluster_kind *ret_kind, const char **ret_context,
	struct err *err);

struct cluster;

/* Starts a sandbox or reads a kubeconfig, and asks for the server's version. `log_path`: of the
 * sandbox. CLUSTER_NONE has no config. */
int cluster_open(enum cluster_kind kind, const char *context, const char *log_path,
	struct stop *stop, struct cluster **ret_cluster, struct err *err);
/* Ends a sandbox and removes its folder. NULL is fine. */
void cluster_close(struct cluster *cluster);

const struct k8s_config *cluster_config(const struct cluster *cluster); /* NULL: none */
const char *cluster_version(const struct cluster *cluster);             /* never NULL */
/* Tells clusters apart, whatever their address: the uid of namespace kube-system, as is usual.
 * NULL: not ours to read. */
const char *cluster_id(const struct cluster *cluster);
/* The kubeconfig that children need; NULL: what they would find themselves. */
const char *cluster_kubeconfig(const struct cluster *cluster);

/* The path of crumble-sandbox: beside our own executable, or in ../libexec/crumble. */
int cluster_find_sandbox(char **ret_path, struct err *err);

#endif
