/*
 * command: any program that deploys, and another that takes it away again.
 *
 * Both run in the scenario's folder, as process groups with a deadline, and are logged to
 * logs/NAME.log. The undo command is journalled as it stands in the file: it must not hold secrets,
 * and must work after half a deploy, none, or twice.
 */
#include "runner/deployers/deployer.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"

#include <string.h>

struct command {
	struct strings argv, undo;
	int64_t timeout_ns;
};

static const struct param params[] = {
	{ "argv", PARAM_STRINGS, offsetof(struct command, argv), .required = true,
		.doc = "program and arguments; runs in the scenario's folder" },
	{ "undo", PARAM_STRINGS, offsetof(struct command, undo),
		.doc = "takes it away again; absent: nothing is left to undo" },
	{ "timeout", PARAM_DURATION, offsetof(struct command, timeout_ns), .def = "20m",
		.doc = "of each of the two" },
	PARAM_END
};

static int command_check(const void *params_, const char *scenario_dir, struct err *err)
{
	const struct command *p = params_;

	(void)scenario_dir;
	if (!p->argv.n || !*p->argv.v[0])
		return err_set(err, ERR_CONFIG, "argv: is empty: give a program");
	if (p->undo.n && !*p->undo.v[0])
		return err_set(err, ERR_CONFIG, "undo: names no program");
	return 0;
}

static int command_undo(
	const struct deployer_env *env, const void *params_, cJSON **ret_undo, struct err *err)
{
	const struct command *p = params_;
	/* Whole: heal may be called from another folder. */
	OWN_MEM char *cwd = realpath(env->scenario_dir, NULL);
	OWN_JSON cJSON *undo = json_object("cwd", cwd, (char *)NULL);
	cJSON *argv = cJSON_AddArrayToObject(undo, "argv");

	if (!cwd)
		return err_errno(err, "%s", env->scenario_dir);
	for (size_t i = 0; i < p->undo.n; i++)
		cJSON_AddItemToArray(argv, cJSON_CreateString(p->undo.v[i]));
	if (!argv || !json_add_int(undo, "timeout", p->timeout_ns))
		return err_set(err, ERR_NOMEM, "no memory for the undo record");
	*ret_undo = TAKE(undo);
	return 0;
}

static int run(const struct deployer_env *env, const char *cwd, const char *const *argv,
	int64_t timeout_ns, struct err *err)
{
	OWN_MEM char *log = str_format("%s/%s.log", env->logs_dir, env->name);
	const struct proc_spec spec = {
		.argv = argv,
		.env = env->env,
		.cwd = cwd,
		.log_path = log,
	};

	if (proc_run(&spec, env->stop, timeout_ns / NS_PER_MS, 1 << 20, NULL, err))
		return err_wrap(err, "log in %s", log ? log : "-");
	return 0;
}

static int command_deploy(const struct deployer_env *env, const void *params_, struct err *err)
{
	const struct command *p = params_;

	return run(env, env->scenario_dir, (const char *const *)p->argv.v, p->timeout_ns, err);
}

/* A command that has ended with success serves: it waits for that itself. */
static int command_ready(const struct deployer_env *env, const void *params_, struct err *err)
{
	(void)env;
	(void)params_;
	(void)err;
	return 0;
}

static int command_destroy(const struct deployer_env *env, const cJSON *undo, struct err *err)
{
	const cJSON *list = json_at(undo, "argv", NULL);
	int n = cJSON_GetArraySize(list);
	OWN_MEM const char **argv = calloc((size_t)n + 1, sizeof(*argv));

	if (!argv)
		return err_set(err, ERR_NOMEM, "no memory for a command");
	if (!n)
		return 0;
	for (int i = 0; i < n; i++) {
		argv[i] = cJSON_GetStringValue(cJSON_GetArrayItem(list, i));
		if (!argv[i])
			return err_set(err, ERR_FORMAT, "the undo record holds no command");
	}
	return run(env, json_str(undo, "cwd", NULL), argv,
		json_int(undo, 20 * 60 * NS_PER_S, "timeout", NULL), err);
}

const struct deployer_ops deployer_command = {
	.name = "command",
	.doc = "any program that deploys, and another that takes it away again",
	.params = params,
	.params_size = sizeof(struct command),
	.check = command_check,
	.undo = command_undo,
	.deploy = command_deploy,
	.ready = command_ready,
	.destroy = command_destroy,
};
