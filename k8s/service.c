/*
 * By which host:port a service is reached from where we run: one scenario runs unchanged inside
 * the cluster, outside it, and on the sandbox.
 */
#include "k8s/k8s_internal.h"

#include <ctype.h>
#include <string.h>

static bool is(const char *text, const char *value)
{
	return text && !strcmp(text, value);
}

static bool port_matches(const cJSON *p, const char *port)
{
	const char *protocol = json_str(p, "protocol", NULL);
	OWN_MEM char *number = str_format("%d", (int)json_int(p, 0, "port", NULL));

	if (protocol && strcmp(protocol, "TCP") != 0)
		return false;
	return is(json_str(p, "name", NULL), port) || is(number, port);
}

static int find_port(const cJSON *service, const char *ns, const char *name, const char *port,
	const cJSON **ret_port, struct err *err)
{
	const cJSON *p;
	OWN_BUF struct buf has;

	buf_init(&has, 256);
	cJSON_ArrayForEach(p, json_at(service, "spec", "ports", NULL))
	{
		if (port_matches(p, port)) {
			*ret_port = p;
			return 0;
		}
		buf_addf(&has, "%s%d%s%s", has.len ? ", " : "", (int)json_int(p, 0, "port", NULL),
			json_str(p, "name", NULL) ? " " : "",
			json_str(p, "name", NULL) ? json_str(p, "name", NULL) : "");
	}
	return err_set(err, ERR_CONFIG, "service %s/%s has no TCP port %s (it has: %s)", ns, name,
		port, has.len ? buf_str(&has) : "none");
}

static char *host_port(const char *host, int port)
{
	return str_format(strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
}

static int answer(char *text, char **ret_host_port, struct err *err)
{
	if (!text)
		return err_set(err, ERR_NOMEM, "no memory");
	*ret_host_port = text;
	return 0;
}

/* A headless service's name leads to the pods themselves, so to their port. */
static int inside(const cJSON *service, const cJSON *p, const char *ns, const char *name,
	char **ret_host_port, struct err *err)
{
	OWN_MEM char *host = str_format("%s.%s.svc", name, ns);
	int64_t port = json_int(p, 0, "port", NULL);

	if (is(json_str(service, "spec", "clusterIP", NULL), "None"))
		port = json_int(p, port, "targetPort", NULL);
	return answer(host ? host_port(host, (int)port) : NULL, ret_host_port, err);
}

static bool is_loopback(const char *ip)
{
	return ip && (!strncmp(ip, "127.", 4) || !strcmp(ip, "::1"));
}

/* ---- nodes ---- */

struct node_search {
	char *address;
};

static const char *node_address(const cJSON *node, const char *type)
{
	const cJSON *address;

	cJSON_ArrayForEach(address, json_at(node, "status", "addresses",
					    NULL)) if (is(json_str(address, "type", NULL),
							       type)) return json_str(address,
		"address", NULL);
	return NULL;
}

static bool node_ready(const cJSON *node)
{
	const cJSON *condition;

	cJSON_ArrayForEach(condition,
		json_at(node, "status", "conditions",
			NULL)) if (is(json_str(condition, "type", NULL),
					   "Ready")) return is(json_str(condition, "status", NULL),
		"True");
	return false;
}

static int each_node(void *arg, const cJSON *node)
{
	struct node_search *search = arg;
	const char *address = node_address(node, "ExternalIP");

	if (!address)
		address = node_address(node, "InternalIP");
	if (!address || !node_ready(node))
		return 0;
	search->address = strdup(address);
	return 1;
}

static int by_node_port(struct k8s *client, int port, const char *ns, const char *name,
	char **ret_host_port, struct err *err)
{
	struct node_search search = { NULL };
	OWN_MEM char *address = NULL;

	if (k8s_list(client, &k8s_node, NULL, NULL, each_node, &search, NULL, err))
		return err_wrap(
			err, "service %s/%s: its NodePort needs a node's address", ns, name);
	address = search.address;
	if (!address)
		return err_set(err, ERR_API,
			"service %s/%s: no node is Ready and has an address for its NodePort %d",
			ns, name, port);
	return answer(host_port(address, port), ret_host_port, err);
}

int k8s_service_address(struct k8s *client, const char *ns, const char *name, const char *port,
	char **ret_host_port, struct err *err)
{
	OWN_JSON cJSON *service = NULL;
	const cJSON *p = NULL;
	const char *ip;
	int node_port;

	if (k8s_get(client, &k8s_service, ns, name, &service, err) ||
		find_port(service, ns, name, port, &p, err))
		return -1;
	if (k8s_config_is_in_cluster(client->config))
		return inside(service, p, ns, name, ret_host_port, err);
	ip = json_str(service, "spec", "clusterIP", NULL);
	if (is_loopback(ip))
		return answer(host_port(ip, (int)json_int(p, 0, "port", NULL)), ret_host_port, err);
	node_port = (int)json_int(p, 0, "nodePort", NULL);
	if (!node_port)
		return err_set(err, ERR_CONFIG,
			"service %s/%s (port %s) is not reachable from outside the cluster: give it "
			"type NodePort, or run inside the cluster (--cluster in-cluster)",
			ns, name, port);
	return by_node_port(client, node_port, ns, name, ret_host_port, err);
}
