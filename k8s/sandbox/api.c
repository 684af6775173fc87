/* From a path and a method to a verb. */
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/request.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

void ip_text(uint32_t address, char out[IP_BYTES])
{
	struct in_addr in = { htonl(address) };

	inet_ntop(AF_INET, &in, out, IP_BYTES);
}

const char *request_param(const struct request *request, const char *key)
{
	for (size_t i = 0; i < request->n_params; i++)
		if (!strcmp(request->params[i].key, key))
			return request->params[i].value ? request->params[i].value : "";
	return "";
}

#define PARTS 10

/* Splits in place; returns how many parts there are, PARTS + 1 when there are too many. */
static size_t split(char *path, char *parts[PARTS])
{
	size_t n = 0;
	char *rest = NULL;

	for (char *part = strtok_r(path, "/", &rest); part; part = strtok_r(NULL, "/", &rest)) {
		if (n == PARTS)
			return PARTS + 1;
		parts[n++] = part;
	}
	return n;
}

static bool is_namespace_sub(const char *word)
{
	return !strcmp(word, "status") || !strcmp(word, "finalize");
}

/* Fills kind, ns, name and sub. */
static bool route(struct request *request)
{
	OWN_MEM char *path = must_dup(request->path);
	char *parts[PARTS] = { 0 };
	size_t n = split(path, parts), at;
	const char *group = "", *version;

	if (n < 3 || n > PARTS)
		return false;
	at = !strcmp(parts[0], "apis") ? 3 : 2;
	if (at == 3)
		group = parts[1];
	else if (strcmp(parts[0], "api"))
		return false;
	version = parts[at - 1];
	if (at + 2 < n && !strcmp(parts[at], "namespaces") && !is_namespace_sub(parts[at + 2])) {
		snprintf(request->ns, sizeof(request->ns), "%s", parts[at + 1]);
		at += 2;
	}
	if (at >= n || n > at + 3)
		return false;
	request->kind = kind_routed(group, version, parts[at]);
	if (at + 1 < n)
		snprintf(request->name, sizeof(request->name), "%s", parts[at + 1]);
	if (at + 2 < n)
		snprintf(request->sub, sizeof(request->sub), "%s", parts[at + 2]);
	return request->kind && (!*request->ns || request->kind->namespaced);
}

typedef void verb_function(struct cluster *, const struct request *, struct answer *);

static bool is_watch(const struct request *request)
{
	const char *watch = request_param(request, "watch");

	return !strcmp(watch, "true") || !strcmp(watch, "1");
}

static verb_function *verb_of_all(const struct request *request)
{
	if (!strcmp(request->method, "GET"))
		return is_watch(request) ? verb_watch : verb_list;
	if (!strcmp(request->method, "POST"))
		return verb_create;
	return !strcmp(request->method, "DELETE") ? verb_delete_all : NULL;
}

static verb_function *verb_of_one(const struct request *request)
{
	if (!strcmp(request->method, "GET"))
		return verb_get;
	if (!strcmp(request->method, "PUT"))
		return verb_update;
	if (!strcmp(request->method, "PATCH"))
		return verb_patch;
	return !strcmp(request->method, "DELETE") && !*request->sub ? verb_delete : NULL;
}

/* *ret_found: is there such a thing at all? */
static verb_function *verb_of(const struct request *request, bool *ret_found)
{
	const char *sub = request->sub;
	bool pods = request->kind == &kinds[KIND_POD];

	*ret_found = true;
	if (!*request->name)
		return verb_of_all(request);
	if (!*sub || (!strcmp(sub, "status") && request->kind->status) ||
		(!strcmp(sub, "scale") && request->kind->scale))
		return verb_of_one(request);
	if (pods && !strcmp(sub, "log"))
		return !strcmp(request->method, "GET") ? verb_log : NULL;
	if (pods && !strcmp(sub, "eviction"))
		return !strcmp(request->method, "POST") ? verb_evict : NULL;
	*ret_found = false;
	return NULL;
}

static void not_allowed(struct answer *answer)
{
	answer_fail(answer, 405, "MethodNotAllowed",
		"the server does not allow this method on the requested resource");
}

void api_answer(struct cluster *cluster, struct request *request, struct answer *answer)
{
	verb_function *verb;
	bool found;

	if (discovery_answer(cluster, request, answer))
		return;
	if (!route(request)) {
		answer_plain(answer, 404, "404 page not found\n");
		return;
	}
	verb = verb_of(request, &found);
	if (!found)
		answer_fail(answer, 404, "NotFound",
			"the server could not find the requested resource");
	else if (!verb || (verb == verb_create && request->kind->namespaced && !*request->ns))
		not_allowed(answer);
	else
		verb(cluster, request, answer);
}
