/*
 * A config: what kubeconfig.c read from files, or what a pod is given by its service account.
 */
#include "k8s/k8s_internal.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

void k8s_config_free(struct k8s_config *config)
{
	if (!config)
		return;
	free(config->server);
	free(config->ns);
	free(config->context);
	free(config->token);
	free(config->token_file);
	free(config->ca_file);
	free(config->ca_data);
	free(config->cert_file);
	free(config->cert_data);
	free(config->key_file);
	free(config->key_data);
	free(config);
}

const char *k8s_config_server(const struct k8s_config *config)
{
	return config->server;
}

const char *k8s_config_namespace(const struct k8s_config *config)
{
	return config->ns ? config->ns : "default";
}

const char *k8s_config_context(const struct k8s_config *config)
{
	return config->context;
}

bool k8s_config_is_in_cluster(const struct k8s_config *config)
{
	return config->in_cluster;
}

static int base64_digit(int c)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

int base64_text(const char *text, char **ret_data)
{
	OWN_MEM char *data = malloc(strlen(text) / 4 * 3 + 4);
	unsigned bits = 0, held = 0, digits = 0, pads = 0;
	size_t len = 0;

	if (!data)
		return -1;
	for (; *text; text++) {
		int digit = base64_digit((unsigned char)*text);

		if (isspace((unsigned char)*text))
			continue;
		if (*text == '=' && ++pads <= 2)
			continue;
		if (digit < 0 || pads)
			return -1;
		bits = bits << 6 | (unsigned)digit;
		held += 6;
		digits++;
		if (held >= 8) {
			held -= 8;
			data[len++] = (char)(bits >> held & 0xff);
		}
	}
	if ((digits + pads) % 4 || memchr(data, '\0', len))
		return -1;
	data[len] = '\0';
	*ret_data = TAKE(data);
	return 0;
}

/* A file that is named must be there now: later it would look like trouble with the server. */
static int check_file(const char *path, const char *key, const char *where, struct err *err)
{
	if (!path || access(path, R_OK) == 0)
		return 0;
	return err_set(err, ERR_CONFIG, "%s: %s %s: %s", where, key, path, strerror(errno));
}

static int check_pem(const char *data, const char *key, const char *where, struct err *err)
{
	if (!data || strstr(data, "-----BEGIN "))
		return 0;
	return err_set(
		err, ERR_CONFIG, "%s: %s: no PEM inside (no line -----BEGIN ...)", where, key);
}

static int check_server(struct k8s_config *config, const char *where, struct err *err)
{
	const char *host;
	size_t len = strlen(config->server);

	while (len && config->server[len - 1] == '/')
		config->server[--len] = '\0';
	if (strncmp(config->server, "https://", 8) && strncmp(config->server, "http://", 7))
		return err_set(err, ERR_CONFIG, "%s: server \"%s\": must begin with https://",
			where, config->server);
	host = strstr(config->server, "://") + 3;
	if (memchr(host, '@', strcspn(host, "/?#")))
		return err_set(err, ERR_CONFIG,
			"%s: server: a user in the URL is not supported: use a token or a "
			"client certificate",
			where);
	if (!*host || strpbrk(host, "?# \t\n"))
		return err_set(
			err, ERR_CONFIG, "%s: server \"%s\" is no base URL", where, config->server);
	return 0;
}

static int check_tls(const struct k8s_config *config, const char *where, struct err *err)
{
	bool ca = config->ca_file || config->ca_data;
	bool cert = config->cert_file || config->cert_data;
	bool key = config->key_file || config->key_data;

	if (config->insecure && ca)
		return err_set(err, ERR_CONFIG,
			"%s: insecure-skip-tls-verify and a certificate authority exclude one "
			"another: remove one",
			where);
	if (cert != key)
		return err_set(err, ERR_CONFIG, "%s: %s without %s", where,
			cert ? "client-certificate" : "client-key",
			cert ? "client-key" : "client-certificate");
	if (check_pem(config->ca_data, "certificate-authority-data", where, err) ||
		check_pem(config->cert_data, "client-certificate-data", where, err) ||
		check_pem(config->key_data, "client-key-data", where, err))
		return -1;
	if (check_file(config->ca_file, "certificate-authority", where, err) ||
		check_file(config->cert_file, "client-certificate", where, err) ||
		check_file(config->key_file, "client-key", where, err))
		return -1;
	return 0;
}

/* Data goes before a file, as kubectl has it. */
static void prefer_data(char **file, const char *data)
{
	if (!data)
		return;
	free(*file);
	*file = NULL;
}

int config_finish(struct k8s_config *config, const char *where, struct err *err)
{
	prefer_data(&config->ca_file, config->ca_data);
	prefer_data(&config->cert_file, config->cert_data);
	prefer_data(&config->key_file, config->key_data);
	if (check_server(config, where, err) || check_tls(config, where, err))
		return -1;
	if (!config->token && check_file(config->token_file, "tokenFile", where, err))
		return -1;
	config->tls = (struct http_tls){
		.ca_file = config->ca_file,
		.ca_data = config->ca_data,
		.cert_file = config->cert_file,
		.cert_data = config->cert_data,
		.key_file = config->key_file,
		.key_data = config->key_data,
		.insecure = config->insecure,
	};
	return 0;
}

static void trim(char *text)
{
	size_t len = strlen(text);

	while (len && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
}

static void config_drop(struct k8s_config **config)
{
	k8s_config_free(*config);
}

int config_service_account(const char *folder, const char *host, const char *port,
	struct k8s_config **ret_config, struct err *err)
{
	OWN(config_drop) struct k8s_config *config = calloc(1, sizeof(*config));
	OWN_MEM char *ns_file = str_format("%s/namespace", folder);
	const char *format = strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s";

	if (!config || !ns_file)
		return err_set(err, ERR_NOMEM, "in-cluster: no memory");
	config->in_cluster = true;
	config->server = str_format(format, host, port);
	config->token_file = str_format("%s/token", folder);
	config->ca_file = str_format("%s/ca.crt", folder);
	if (!config->server || !config->token_file || !config->ca_file)
		return err_set(err, ERR_NOMEM, "in-cluster: no memory");
	if (access(ns_file, F_OK) == 0) {
		if (buf_read_file(ns_file, 4096, &config->ns, NULL, err))
			return err_wrap(err, "in-cluster");
		trim(config->ns);
	}
	if (config_finish(config, "in-cluster", err))
		return -1;
	*ret_config = TAKE(config);
	return 0;
}

int k8s_config_in_cluster(struct k8s_config **ret_config, struct err *err)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");

	if (!host || !*host || !port || !*port)
		return err_set(err, ERR_CONFIG,
			"in-cluster: KUBERNETES_SERVICE_HOST and _PORT are not set: this is no "
			"pod; use --cluster kubeconfig");
	return config_service_account(SERVICE_ACCOUNT, host, port, ret_config, err);
}
