/* Who may talk to the API, and how: certificates made for this run, a token, a kubeconfig. */
#ifndef CRUMBLE_K8S_SANDBOX_ACCESS_H
#define CRUMBLE_K8S_SANDBOX_ACCESS_H

#include "base/err.h"

#include <stdint.h>

struct access_keys {
	char *ca_pem, *cert_pem, *key_pem;
	char *token;
};

/* `service_ip`: also a name of the server, beside 127.0.0.1 and localhost. */
int access_make(const char *service_ip, struct access_keys *ret_keys, struct err *err);
void access_done(struct access_keys *keys);
/* Writes DIR/kubeconfig (mode 0600). */
int access_write_kubeconfig(const char *path, const struct access_keys *keys, uint16_t port,
	struct err *err);

#endif
