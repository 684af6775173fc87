/* Which pods stand behind a service. */
#ifndef CRUMBLE_K8S_SANDBOX_ENDPOINTS_H
#define CRUMBLE_K8S_SANDBOX_ENDPOINTS_H

#include "k8s/sandbox/store.h"

/* With the store's lock held. Is this pod meant by the service's selector? */
bool service_selects(const cJSON *service, const char *ns, const cJSON *pod);
/* May it get new connections? */
bool service_serves(const cJSON *service, const cJSON *pod);
/* The pod's port for a port of the service, by number or by name; 0: it has none. */
int service_target_port(const cJSON *port, const cJSON *pod);

#endif
