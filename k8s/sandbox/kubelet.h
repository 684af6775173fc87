/* The kubelet of all nodes: one thread that runs the pods that were given to a node. */
#ifndef CRUMBLE_K8S_SANDBOX_KUBELET_H
#define CRUMBLE_K8S_SANDBOX_KUBELET_H

#include "k8s/sandbox/cluster.h"

struct kubelet;

int kubelet_start(struct cluster *cluster, struct kubelet **ret_kubelet, struct err *err);
/* After store_stop: ends every process of every pod, at once. NULL is fine. */
void kubelet_stop(struct kubelet *kubelet);

#endif
