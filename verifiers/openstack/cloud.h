/*
 * Which OpenStack, and as whom: an entry of clouds.yaml (with secure.yaml merged over it), or the
 * OS_* variables. Defaults are those of openstacksdk and keystoneauth. Password logins only.
 *
 * Nothing here uses the network, and no error text holds a password.
 */
#ifndef CRUMBLE_VERIFIERS_OPENSTACK_CLOUD_H
#define CRUMBLE_VERIFIERS_OPENSTACK_CLOUD_H

#include "verifiers/verifier.h"

/* Strings are the cloud's own; NULL where nothing was said. */
struct cloud {
	char *name;       /* entry of clouds.yaml; "OS_* variables" when it has none */
	char *auth_url;   /* ends in /v3, without a slash behind it */
	char *username, *user_id, *password;
	char *user_domain_id, *user_domain_name;       /* one is set: id "default" by default */
	char *project_id, *project_name;
	char *project_domain_id, *project_domain_name; /* one is set when project_name is */
	char *domain_id, *domain_name;                 /* the scope when no project is named */
	char *region, *interface;                      /* interface: "public" by default */
	char *ca_file, *cert_file, *key_file;
	bool insecure;
};

/*
 * `name` NULL: env->cloud, then OS_CLOUD, then OS_AUTH_URL and its kin, then the only entry of
 * clouds.yaml. The file is env->clouds_file, or OS_CLIENT_CONFIG_FILE, or the first of
 * ./, ~/.config/openstack/ and /etc/openstack/ that has one. env->resolve (may be NULL) is applied
 * to auth_url. *ret_cloud is zeroed first, so that cloud_done is right after a failure too.
 */
int cloud_load(const char *name, const struct verifier_env *env, struct cloud *ret_cloud,
	struct err *err);
/* Wipes the password, frees. NULL and zeroed are fine. */
void cloud_done(struct cloud *cloud);

/* The members that base/http takes; borrowed from the cloud. */
struct http_tls cloud_tls(const struct cloud *cloud);

/* Body of POST /v3/auth/tokens for a password login, to be freed (wipe it first: it holds the
 * password); NULL when there is no memory. */
char *cloud_login_body(const struct cloud *cloud);

/* Frees a string that holds a secret, after wiping it. NULL is fine. */
void cloud_wipe(char *secret);

#endif
