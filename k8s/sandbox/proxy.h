/*
 * Service addresses: a TCP forwarder for each port of each service, to ready pods in turn. A
 * service without a ready pod refuses connections; what is connected stays so until either end
 * goes. One thread on epoll.
 */
#ifndef CRUMBLE_K8S_SANDBOX_PROXY_H
#define CRUMBLE_K8S_SANDBOX_PROXY_H

#include "k8s/sandbox/cluster.h"

struct proxy;

int proxy_start(struct cluster *cluster, struct proxy **ret_proxy, struct err *err);
/* After store_stop. NULL is fine. */
void proxy_stop(struct proxy *proxy);

#endif
