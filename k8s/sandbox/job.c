/* Jobs: pods until enough of them have succeeded, or too many have failed. */
#include "k8s/sandbox/controllers.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/objects.h"

static const struct kind *const own_kind = &kinds[KIND_JOB];

struct counts {
	int64_t active, ready, succeeded, failed;
};

static struct counts count(const struct owned *pods)
{
	struct counts counts = { 0 };

	for (size_t i = 0; i < pods->n; i++) {
		const cJSON *pod = pods->v[i]->json;
		const char *phase = json_str(pod, "status", "phase", NULL);

		counts.succeeded += same_text(phase, "Succeeded");
		counts.failed += same_text(phase, "Failed");
		counts.active += pod_is_active(pod);
		counts.ready += pod_is_ready(pod);
	}
	return counts;
}

/* How often the containers of running pods have failed: that counts too (OnFailure). */
static int64_t restarts(const struct owned *pods)
{
	int64_t n = 0;
	const cJSON *one;

	for (size_t i = 0; i < pods->n; i++)
		cJSON_ArrayForEach(one, json_at(pods->v[i]->json, "status", "containerStatuses",
						NULL)) n += json_int(one, 0, "restartCount", NULL);
	return n;
}

static void stop_pods(struct cluster *cluster, const cJSON *job, const struct owned *pods)
{
	for (size_t i = 0; i < pods->n; i++)
		if (pod_is_active(pods->v[i]->json))
			delete_pod_of(cluster, own_kind, job, pods->v[i]->json);
}

static void tell(struct cluster *cluster, const cJSON *job, const struct counts *counts,
	bool complete, const char *failed_reason)
{
	cJSON *status, *copy = status_begin(cluster->store, own_kind, job, &status);

	if (!json_at(status, "startTime", NULL))
		edit_now(status, "startTime");
	status_count(status, "active", complete || failed_reason ? 0 : counts->active);
	status_count(status, "succeeded", counts->succeeded);
	status_count(status, "failed", counts->failed);
	edit_int(status, "ready", counts->ready);
	if (complete) {
		condition_set(status, "SuccessCriteriaMet", true, "CompletionsReached",
			"Reached expected number of succeeded pods");
		condition_set(status, "Complete", true, "CompletionsReached",
			"Reached expected number of succeeded pods");
		if (!json_at(status, "completionTime", NULL))
			edit_now(status, "completionTime");
	} else if (failed_reason) {
		condition_set(status, "Failed", true, failed_reason,
			same_text(failed_reason, "BackoffLimitExceeded")
				? "Job has reached the specified backoff limit"
				: "Job was active longer than specified deadline");
	}
	status_end(cluster->store, own_kind, copy);
}

static const char *failure(const cJSON *job, const struct counts *counts, int64_t restarted)
{
	int64_t limit = json_int(job, 6, "spec", "backoffLimit", NULL);
	int64_t deadline = json_int(job, 0, "spec", "activeDeadlineSeconds", NULL);
	int64_t start = time_of(json_str(job, "status", "startTime", NULL));

	if (counts->failed + restarted > limit)
		return "BackoffLimitExceeded";
	return deadline && start && time_wall_s() - start >= deadline ? "DeadlineExceeded" : NULL;
}

static void reconcile(struct cluster *cluster, const cJSON *job)
{
	OWN(owned_done) struct owned pods = owned_by(cluster->store, &kinds[KIND_POD], job);
	struct counts counts = count(&pods);
	int64_t wanted = json_int(job, 1, "spec", "completions", NULL);
	int64_t most = json_int(job, 1, "spec", "parallelism", NULL);
	bool complete = counts.succeeded >= wanted;
	const char *failed = complete ? NULL : failure(job, &counts, restarts(&pods));

	if (is_terminating(job) || condition_true(job, "Complete") || condition_true(job, "Failed"))
		return;
	if (complete || failed)
		stop_pods(cluster, job, &pods);
	for (; !complete && !failed && counts.active < most &&
		counts.active + counts.succeeded < wanted;
		counts.active++)
		create_pod(cluster, own_kind, job, NULL, NULL, NULL);
	tell(cluster, job, &counts, complete, failed);
}

void reconcile_jobs(struct cluster *cluster)
{
	OWN(owned_done) struct owned all = owned_all(cluster->store, own_kind);

	for (size_t i = 0; i < all.n; i++)
		reconcile(cluster, all.v[i]->json);
}
