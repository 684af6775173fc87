/* The environment of deployers' and undo commands. */
#include "runner/environment.h"

#include "base/buf.h"
#include "base/own.h"

#include <stdbool.h>
#include <string.h>

extern char **environ;

static bool is_passed(const char *entry)
{
	static const char *const names[] = { "PATH=", "HOME=", "USER=", "LOGNAME=", "SHELL=",
		"LANG=", "LC_", "TMPDIR=", "TZ=", "OS_", "HELM_", "XDG_", "SSL_CERT_",
		"http_proxy=", "https_proxy=", "no_proxy=", "HTTP_PROXY=", "HTTPS_PROXY=",
		"NO_PROXY=", "KUBECONFIG=" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strncmp(entry, names[i], strlen(names[i])))
			return true;
	return false;
}

static bool push(char **env, size_t *n, char *entry)
{
	env[*n] = entry;
	if (entry)
		(*n)++;
	return entry;
}

char **environment_make(const char *kubeconfig, const char *run_id)
{
	size_t count = 0, n = 0;
	char **env;
	bool ok = true;

	while (environ && environ[count])
		count++;
	env = calloc(count + 3, sizeof(*env));
	if (!env)
		return NULL;
	for (size_t i = 0; i < count && ok; i++)
		if (is_passed(environ[i]) &&
			!(kubeconfig && !strncmp(environ[i], "KUBECONFIG=", 11)))
			ok = push(env, &n, strdup(environ[i]));
	if (ok && kubeconfig)
		ok = push(env, &n, str_format("KUBECONFIG=%s", kubeconfig));
	if (ok && run_id)
		ok = push(env, &n, str_format("CRUMBLE_RUN=%s", run_id));
	if (ok)
		return env;
	environment_free(env);
	return NULL;
}

void environment_free(char **env)
{
	for (size_t i = 0; env && env[i]; i++)
		free(env[i]);
	free(env);
}
