/* Each namespace has a ServiceAccount "default", and gets it back. */
#include "k8s/sandbox/controllers.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"
#include "k8s/sandbox/prepare.h"

static void add_account(struct cluster *cluster, const char *ns)
{
	cJSON *account = cJSON_CreateObject();
	struct answer answer = { 0 };

	edit_str(edit_metadata(account), "name", "default");
	if (prepare_new(cluster, &kinds[KIND_SERVICEACCOUNT], ns, account, &answer))
		cJSON_Delete(account);
	else
		store_set(cluster->store, &kinds[KIND_SERVICEACCOUNT], account);
	answer_done(&answer);
}

void reconcile_accounts(struct cluster *cluster)
{
	OWN(owned_done) struct owned all = owned_all(cluster->store, &kinds[KIND_NAMESPACE]);

	for (size_t i = 0; i < all.n; i++) {
		const cJSON *namespace = all.v[i]->json;
		const char *name = meta(namespace, "name");

		if (!is_terminating(namespace) &&
			!store_get(cluster->store, &kinds[KIND_SERVICEACCOUNT], name, "default"))
			add_account(cluster, name);
	}
}
