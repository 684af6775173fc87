/* Before an object is stored: is it valid, and what does the API server add to it? */
#include "k8s/sandbox/prepare.h"

#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/selector.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <string.h>

/* ---- names ---- */

static bool is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* RFC 1123: a label, or with dots a subdomain. */
static bool name_valid(const char *name, bool dots)
{
	size_t len = strlen(name);

	if (!len || len > (dots ? 253 : 63))
		return false;
	for (size_t i = 0; i < len; i++) {
		bool edge = i == 0 || i == len - 1 ||
			    (dots && (name[i - 1] == '.' || name[i + 1] == '.'));

		if (is_label_char(name[i]))
			continue;
		if (edge || (name[i] != '-' && !(dots && name[i] == '.')))
			return false;
	}
	return true;
}

static bool name_is_label(const struct kind *kind)
{
	return kind == &kinds[KIND_SERVICE] || kind == &kinds[KIND_NAMESPACE];
}

static int check_name(const struct kind *kind, const char *name, struct answer *answer)
{
	bool label = name_is_label(kind);

	if (!*name)
		return answer_invalid(answer, kind, "", "metadata.name", "FieldValueRequired",
			"Required value: name or generateName is required");
	if (name_valid(name, !label))
		return 0;
	return answer_invalid(answer, kind, name, "metadata.name", "FieldValueInvalid",
		label ? "Invalid value: \"%s\": a lowercase RFC 1123 label must consist of lower "
			"case alphanumeric characters or '-', and must start and end with an "
			"alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
			"validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
		      : "Invalid value: \"%s\": a lowercase RFC 1123 subdomain must consist of "
			"lower case alphanumeric characters, '-' or '.', and must start and end "
			"with an alphanumeric character (e.g. 'example.com', regex used for "
			"validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*"
			"[a-z0-9])?)*')",
		name);
}

static int set_name(const struct kind *kind, cJSON *metadata, struct answer *answer)
{
	const char *name = json_str(metadata, "name", NULL);
	const char *stem = json_str(metadata, "generateName", NULL);

	if ((!name || !*name) && stem && *stem) {
		OWN_MEM char *made = NULL;
		char ending[6];

		random_ending(ending, 5);
		made = must_format("%.58s%s", stem, ending);
		edit_str(metadata, "name", made);
	}
	name = json_str(metadata, "name", NULL);
	return check_name(kind, name ? name : "", answer);
}

/* ---- content ---- */

static int check_containers(const struct kind *kind, const cJSON *json, const cJSON *spec,
	const char *where, struct answer *answer)
{
	const cJSON *list = json_at(spec, "containers", NULL);
	const cJSON *one;

	if (list && !cJSON_IsArray(list))
		return answer_bad(answer,
			"%s in version \"%s\" cannot be handled as a %s: json: cannot unmarshal "
			"%s into Go struct field PodSpec.%s.containers of type []v1.Container",
			kind->kind, kind->version, kind->kind,
			cJSON_IsString(list) ? "string" : "object", where);
	if (!list || !list->child) {
		OWN_MEM char *field = must_format("%s.containers", where);

		return answer_invalid(answer, kind, meta(json, "name"), field, "FieldValueRequired",
			"Required value");
	}
	cJSON_ArrayForEach(one, list)
	{
		OWN_MEM char *field = must_format("%s.containers[0].name", where);

		if (!json_str(one, "name", NULL))
			return answer_invalid(answer, kind, meta(json, "name"), field,
				"FieldValueRequired", "Required value");
	}
	return 0;
}

static int check_template(const struct kind *kind, const cJSON *json, struct answer *answer)
{
	const cJSON *template = json_at(json, "spec", "template", NULL);
	const cJSON *selector = json_at(json, "spec", "selector", NULL);
	OWN_MEM char *labels = NULL;

	if (check_containers(
		    kind, json, json_at(template, "spec", NULL), "spec.template.spec", answer))
		return -1;
	if (kind == &kinds[KIND_JOB])
		return 0;
	if (!selector || !selector->child)
		return answer_invalid(answer, kind, meta(json, "name"), "spec.selector",
			"FieldValueRequired", "Required value");
	if (label_selector_matches(selector, template))
		return 0;
	labels = cJSON_PrintUnformatted(json_at(template, "metadata", "labels", NULL));
	return answer_invalid(answer, kind, meta(json, "name"), "spec.template.metadata.labels",
		"FieldValueInvalid",
		"Invalid value: %s: `selector` does not match template `labels`",
		labels ? labels : "null");
}

static int check_service(const cJSON *json, struct answer *answer)
{
	const struct kind *kind = &kinds[KIND_SERVICE];
	const cJSON *ports = json_at(json, "spec", "ports", NULL), *port;

	if ((!ports || !ports->child) &&
		!same_text(json_str(json, "spec", "clusterIP", NULL), "None"))
		return answer_invalid(answer, kind, meta(json, "name"), "spec.ports",
			"FieldValueRequired", "Required value");
	cJSON_ArrayForEach(port, ports)
	{
		int64_t n = json_int(port, 0, "port", NULL);

		if (n < 1 || n > 65535)
			return answer_invalid(answer, kind, meta(json, "name"),
				"spec.ports[0].port", "FieldValueInvalid",
				"Invalid value: %d: must be between 1 and 65535, inclusive",
				(int)n);
	}
	return 0;
}

static int check_content(const struct kind *kind, const cJSON *json, struct answer *answer)
{
	switch (kind_index(kind)) {
	case KIND_POD:
		return check_containers(kind, json, json_at(json, "spec", NULL), "spec", answer);
	case KIND_DEPLOYMENT:
	case KIND_REPLICASET:
	case KIND_STATEFULSET:
	case KIND_DAEMONSET:
	case KIND_JOB:
		return check_template(kind, json, answer);
	case KIND_SERVICE:
		return check_service(json, answer);
	default:
		return 0;
	}
}

/* ---- service addresses ---- */

static bool address_taken(struct cluster *cluster, const char *ip)
{
	size_t n;
	const struct object *all = store_objects(cluster->store, &kinds[KIND_SERVICE], &n);

	for (size_t i = 0; i < n; i++)
		if (same_text(json_str(all[i].now->json, "spec", "clusterIP", NULL), ip))
			return true;
	return false;
}

static int set_cluster_ip(struct cluster *cluster, cJSON *json, struct answer *answer)
{
	cJSON *spec = edit_object(json, "spec"), *list;
	const char *asked = json_str(spec, "clusterIP", NULL);
	char ip[IP_BYTES];
	uint32_t i;

	if (same_text(json_str(spec, "type", NULL), "ExternalName"))
		return 0;
	if (!asked || !*asked) {
		for (i = 1; i < ADDRESSES - 1; i++) {
			ip_text(cluster->services_base + i, ip);
			if (!address_taken(cluster, ip))
				break;
		}
		if (i == ADDRESSES - 1)
			return answer_fail(answer, 500, "InternalError",
				"failed to allocate a serviceIP: range is full");
		edit_str(spec, "clusterIP", ip);
	} else if (strcmp(asked, "None")) {
		uint32_t address = ntohl(inet_addr(asked));

		if (address - cluster->services_base >= ADDRESSES || address_taken(cluster, asked))
			return answer_invalid(answer, &kinds[KIND_SERVICE], meta(json, "name"),
				"spec.clusterIPs", "FieldValueInvalid",
				"Invalid value: [\"%s\"]: failed to allocate IP %s: the provided "
				"IP is not in the valid range or already allocated",
				asked, asked);
	}
	list = edit_set(spec, "clusterIPs", cJSON_CreateArray());
	cJSON_AddItemToArray(list, cJSON_CreateString(json_str(spec, "clusterIP", NULL)));
	return 0;
}

/* ---- the whole ---- */

static void set_first_status(const struct kind *kind, cJSON *json)
{
	cJSON *status;

	if (!kind->status || kind == &kinds[KIND_NODE])
		return;
	edit_del(json, "status");
	status = edit_object(json, "status");
	if (kind == &kinds[KIND_POD]) {
		edit_str(status, "phase", "Pending");
		edit_str(status, "qosClass", "BestEffort");
	} else if (kind == &kinds[KIND_NAMESPACE]) {
		cJSON *spec = edit_object(json, "spec");

		if (!json_at(spec, "finalizers", NULL))
			cJSON_AddItemToArray(
				edit_array(spec, "finalizers"), cJSON_CreateString("kubernetes"));
		edit_str(edit_object(edit_metadata(json), "labels"), "kubernetes.io/metadata.name",
			meta(json, "name"));
		edit_str(status, "phase", "Active");
	} else if (kind == &kinds[KIND_CLAIM]) {
		edit_str(status, "phase", "Bound");
	} else if (kind == &kinds[KIND_SERVICE]) {
		edit_object(status, "loadBalancer");
	}
}

static void set_data(cJSON *json)
{
	const cJSON *one;

	/* stringData is for writing only. */
	cJSON_ArrayForEach(one, json_at(json, "stringData", NULL))
	{
		size_t len = strlen(one->valuestring ? one->valuestring : "");
		unsigned char *text = must_alloc(len * 4 / 3 + 8);

		EVP_EncodeBlock(text, (const unsigned char *)one->valuestring, (int)len);
		edit_str(edit_object(json, "data"), one->string, (char *)text);
		free(text);
	}
	edit_del(json, "stringData");
}

int prepare_new(struct cluster *cluster, const struct kind *kind, const char *ns, cJSON *json,
	struct answer *answer)
{
	cJSON *metadata = edit_metadata(json);
	char uid[UID_BYTES];

	edit_del(json, "kind");
	edit_del(json, "apiVersion");
	edit_del(metadata, "deletionTimestamp");
	edit_del(metadata, "deletionGracePeriodSeconds");
	edit_del(metadata, "resourceVersion");
	if (set_name(kind, metadata, answer))
		return -1;
	if (kind->namespaced)
		edit_str(metadata, "namespace", ns);
	else
		edit_del(metadata, "namespace");
	random_uid(uid);
	edit_str(metadata, "uid", uid);
	edit_now(metadata, "creationTimestamp");
	if (kind->status && kind != &kinds[KIND_NODE] && kind != &kinds[KIND_NAMESPACE])
		edit_int(metadata, "generation", 1);
	if (check_content(kind, json, answer))
		return -1;
	prepare_defaults(kind, json);
	set_first_status(kind, json);
	if (kind == &kinds[KIND_SECRET])
		set_data(json);
	return kind == &kinds[KIND_SERVICE] ? set_cluster_ip(cluster, json, answer) : 0;
}

/* What only the server may set stays as it was. */
static void keep(cJSON *json, const cJSON *before, const char *key)
{
	const cJSON *was = json_at(before, "metadata", key, NULL);

	if (was)
		edit_set(edit_metadata(json), key, edit_copy(was));
	else
		edit_del(edit_metadata(json), key);
}

int prepare_next(const struct kind *kind, const cJSON *before, cJSON *json, struct answer *answer)
{
	static const char *const fixed[] = { "uid", "creationTimestamp", "deletionTimestamp",
		"deletionGracePeriodSeconds", "generation", "namespace", "name" };

	edit_del(json, "kind");
	edit_del(json, "apiVersion");
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		keep(json, before, fixed[i]);
	if (kind == &kinds[KIND_SERVICE]) {
		const char *ip = json_str(before, "spec", "clusterIP", NULL);

		if (ip && !json_str(json, "spec", "clusterIP", NULL))
			edit_str(edit_object(json, "spec"), "clusterIP", ip);
		if (!same_text(ip, json_str(json, "spec", "clusterIP", NULL)))
			return answer_invalid(answer, kind, meta(json, "name"),
				"spec.clusterIPs[0]", "FieldValueInvalid",
				"Invalid value: []string{\"%s\"}: may not change once set",
				json_str(json, "spec", "clusterIP", NULL));
	}
	if (check_content(kind, json, answer))
		return -1;
	prepare_defaults(kind, json);
	if (kind == &kinds[KIND_SECRET])
		set_data(json);
	if (kind->status && !same_json(json_at(before, "spec", NULL), json_at(json, "spec", NULL)))
		edit_int(edit_metadata(json), "generation",
			json_int(before, 0, "metadata", "generation", NULL) + 1);
	return 0;
}
