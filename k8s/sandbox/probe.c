/* Probes: asked again and again, believed after so many answers in a row. */
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/pod.h"

static const char *const names[PROBE_COUNT] = { "Startup", "Liveness", "Readiness" };

void probe_reset(struct probe *probe, int64_t now)
{
	action_cancel(&probe->action);
	words_done(&probe->argv);
	probe->good = probe->bad = 0;
	probe->passed = false;
	probe->due_ns = now + json_int(probe->spec, 0, "initialDelaySeconds", NULL) * NS_PER_S;
}

static void begin(struct pod *pod, struct container *container, struct probe *probe)
{
	const cJSON *command = json_at(probe->spec, "exec", "command", NULL);
	struct action_context context = { .env = container->env.v,
		.cwd = container->cwd,
		.ip = pod->ip_text,
		.ports = json_at(container->spec, "ports", NULL) };

	words_done(&probe->argv);
	podenv_argv(&container->env, &container->mounts, command, NULL, &probe->argv);
	context.argv = probe->argv.v;
	action_start(&probe->action, probe->spec,
		json_int(probe->spec, 1, "timeoutSeconds", NULL) * 1000, &context);
}

/* Counts a result. True: the verdict changed, or liveness has failed for good. */
static bool judge(struct pod *pod, struct container *container, enum probe_kind kind)
{
	struct probe *probe = &container->probes[kind];
	bool ok = probe->action.result == ACTION_OK, was = probe->passed;

	if (ok) {
		probe->good++;
		probe->bad = 0;
		if (probe->good >= json_int(probe->spec, 1, "successThreshold", NULL))
			probe->passed = true;
		return probe->passed != was;
	}
	probe->bad++;
	probe->good = 0;
	pod_event(pod, "Warning", "Unhealthy", "%s probe failed: %s", names[kind],
		probe->action.message);
	if (probe->bad < json_int(probe->spec, 3, "failureThreshold", NULL))
		return false;
	probe->passed = false;
	return was || kind != PROBE_READINESS;
}

bool probe_step(struct pod *pod, struct container *container, enum probe_kind kind, int64_t now,
	int64_t *next)
{
	struct probe *probe = &container->probes[kind];
	bool changed = false;

	if (!action_busy(&probe->action) && now >= probe->due_ns) {
		probe->due_ns = now + json_int(probe->spec, 10, "periodSeconds", NULL) * NS_PER_S;
		begin(pod, container, probe);
	}
	if (probe->action.type != ACTION_NONE && action_step(&probe->action) != ACTION_PENDING) {
		changed = judge(pod, container, kind);
		action_cancel(&probe->action);
	}
	sooner(next, action_busy(&probe->action) ? probe->action.deadline_ns : probe->due_ns);
	return changed;
}
