/* What the sandbox's parts share: the store, the folder, the addresses. */
#ifndef CRUMBLE_K8S_SANDBOX_CLUSTER_H
#define CRUMBLE_K8S_SANDBOX_CLUSTER_H

#include "k8s/sandbox/store.h"

#include <netinet/in.h>
#include <stdatomic.h>
#include <stdint.h>

struct cluster {
	struct store *store;
	const char *dir;      /* absolute */
	const char *token;    /* bearer */
	uint32_t pods_base;   /* first address of our /20, host order */
	uint32_t services_base;
	uint16_t port;        /* of the API, on 127.0.0.1 */
	_Atomic uint64_t proxied; /* the store's version that the service proxies follow */
};

#define ADDRESSES 4096 /* in a /20 */

#define IP_BYTES 16
void ip_text(uint32_t address, char out[IP_BYTES]);

#endif
