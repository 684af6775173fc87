/* The API's HTTPS server: a thread a connection, so that watches may simply wait. */
#ifndef CRUMBLE_K8S_SANDBOX_SERVER_H
#define CRUMBLE_K8S_SANDBOX_SERVER_H

#include "k8s/sandbox/cluster.h"

struct server;

/* Listens on 127.0.0.1; cluster->port 0 becomes the port it got. Answers begin at once. */
int server_start(struct cluster *cluster, const char *cert_pem, const char *key_pem,
	struct server **ret_server, struct err *err);
/* store_stop comes first, so that watches end. NULL is fine. */
void server_stop(struct server *server);

#endif
