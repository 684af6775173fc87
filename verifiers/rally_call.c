/* Rally's command line in a private folder. */
#include "verifiers/rally_call.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/own.h"

#include <fcntl.h>
#include <string.h>

#define ENV_MAX 24
#define ARGS_MAX 24
#define GRACE_MS 2000

/* Distribution folders first: Rally's scripts must find the Python that they were packaged for. */
#define RALLY_PATH "PATH=/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin"

/* ---- the folder ---- */

void rally_home_done(struct rally_home *home)
{
	tempdir_done(&home->temp);
	for (size_t i = 0; home->env && home->env[i]; i++)
		free(home->env[i]);
	free(home->env);
	free(home->conf);
	free(home->log);
	memset(home, 0, sizeof(*home));
}

/* What Rally needs of ours: proxies, and whom to trust; nothing else of the caller's environment
 * may change what it does. */
static int make_env(struct rally_home *home)
{
	static const char *const kept[] = { "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY",
		"HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "all_proxy", "REQUESTS_CA_BUNDLE",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "TZ" };
	size_t n = 0;

	home->env = calloc(ENV_MAX, sizeof(*home->env));
	if (!home->env)
		return -1;
	home->env[n++] = strdup(RALLY_PATH);
	home->env[n++] = str_format("HOME=%s", home->dir);
	home->env[n++] = str_format("TMPDIR=%s", home->dir);
	home->env[n++] = strdup("LANG=C.UTF-8");
	home->env[n++] = strdup("PYTHONUNBUFFERED=1");
	home->env[n++] = strdup("PYTHONWARNINGS=ignore");
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (getenv(kept[i]))
			home->env[n++] = str_format("%s=%s", kept[i], getenv(kept[i]));
	for (size_t i = 0; i < n; i++)
		if (!home->env[i])
			return -1;
	return 0;
}

static int write_conf(const struct rally_home *home, struct err *err)
{
	OWN_MEM char *text = str_format("[DEFAULT]\n"
					"debug = false\n"
					"use_stderr = false\n"
					"log_file = %s\n"
					"[database]\n"
					"connection = sqlite:///%s/rally.sqlite\n",
		home->log, home->dir);

	if (!text)
		return err_set(err, ERR_NOMEM, "no memory for rally.conf");
	return buf_write_file(home->conf, text, strlen(text), err);
}

int rally_private_file(const char *path, struct err *err)
{
	OWN_FD int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	return fd < 0 ? err_errno(err, "%s", path) : 0;
}

int rally_home_new(const char *run_id, const char *name, const char *log,
	struct rally_home *ret_home, struct err *err)
{
	OWN_MEM char *prefix = NULL;
	struct rally_home home = { 0 };

	prefix = str_format("%s-%s", run_id, name);
	if (!prefix)
		return err_set(err, ERR_NOMEM, "no memory for Rally's folder");
	if (tempdir_new(prefix, &home.temp, err))
		return err_wrap(err, "a folder for Rally");
	home.dir = home.temp.path;
	home.conf = str_format("%s/rally.conf", home.dir);
	home.log = strdup(log);
	if (!home.conf || !home.log || make_env(&home)) {
		rally_home_done(&home);
		return err_set(err, ERR_NOMEM, "no memory for Rally's folder");
	}
	if (write_conf(&home, err) || rally_private_file(home.log, err)) {
		rally_home_done(&home);
		return -1;
	}
	*ret_home = home;
	return 0;
}

/* ---- a call ---- */

struct listener {
	const struct rally_call *call;
	struct rally_end *end;
	bool reason_next;  /* the line before said "Reason(s):" */
	bool reason_fixed; /* what is in end->reason is better than a last line */
};

/* Rally tells why in its own words: below "Reason(s):", or in a line with "error:" in it; the
 * last line it said is the next best. */
static void find_reason(struct listener *l, const char *line)
{
	while (*line == ' ' || *line == '\t')
		line++;
	if (!*line || strchr("+-", *line) || l->reason_fixed ||
		(l->call->quiet && strstr(line, "assword")))
		return;
	if (!strncmp(line, "Reason(s):", 10)) {
		l->reason_next = true;
		return;
	}
	l->reason_fixed = l->reason_next || strstr(line, "rror:") != NULL;
	snprintf(l->end->reason, sizeof(l->end->reason), "%s", line);
}

static void on_line(void *arg, bool is_err, const char *line)
{
	struct listener *l = arg;

	if (is_err && strstr(line, "Exception in thread"))
		l->end->died++;
	find_reason(l, line);
	if (!is_err && l->call->line)
		l->call->line(l->call->arg, line);
}

/* "task start": what the call is called in errors. */
static void call_name(const struct rally_call *call, char *text, size_t size)
{
	snprintf(text, size, "rally %s %s", call->args[0], call->args[1]);
}

static int start(const struct rally_home *home, const struct rally_call *call,
	struct listener *listener, struct proc **ret_proc, struct err *err)
{
	const char *argv[ARGS_MAX] = { "/usr/bin/rally", "--config-file", home->conf };
	struct proc_spec spec = {
		.argv = argv,
		.env = (const char *const *)home->env,
		.cwd = call->cwd,
		.log_path = call->quiet ? NULL : home->log,
		.on_line = on_line,
		.arg = listener,
	};
	size_t n = 3;

	if (access(argv[0], X_OK))
		argv[0] = "rally"; /* not Debian's: wherever PATH has it */
	for (const char *const *arg = call->args; *arg && n < ARGS_MAX - 1; arg++)
		argv[n++] = *arg;
	if (!proc_start(&spec, ret_proc, err))
		return 0;
	if (err && err->code == ERR_NOT_FOUND)
		return err_set(err, ERR_NOT_FOUND,
			"rally is not installed: apt-get install rally python3-rally-openstack");
	return -1;
}

static int judge_end(const struct rally_call *call, const struct proc_result *result,
	struct rally_end *end, struct err *err)
{
	char name[64];

	call_name(call, name, sizeof(name));
	end->code = result->code;
	switch (result->how) {
	case PROC_EXITED:
		return 0;
	case PROC_STOPPED:
		return err_set(err, ERR_STOPPED, "%s was ended with the run", name);
	case PROC_DEADLINE:
		return err_set(err, ERR_TIMEOUT,
			"%s did not end in time and was killed with its process group", name);
	case PROC_SIGNALED:
		break;
	}
	return err_set(err, ERR_IO, "%s died of signal %d", name, result->code);
}

int rally_call(const struct rally_home *home, const struct rally_call *call, struct stop *stop,
	struct rally_end *ret_end, struct err *err)
{
	struct rally_end end = { 0 };
	struct listener listener = { .call = call, .end = &end };
	struct proc_result result = { 0 };
	struct proc *proc = NULL;
	int failed;

	if (start(home, call, &listener, &proc, err))
		return -1;
	failed = proc_wait(proc, stop, call->deadline_ns, GRACE_MS, &result, err) ||
		 judge_end(call, &result, &end, err);
	proc_free(proc);
	*ret_end = end;
	return failed ? -1 : 0;
}

int rally_must(const struct rally_home *home, const struct rally_call *call, struct stop *stop,
	struct err *err)
{
	struct rally_end end = { 0 };
	char name[64];

	call_name(call, name, sizeof(name));
	if (rally_call(home, call, stop, &end, err))
		return -1;
	if (!end.code)
		return 0;
	return err_set(err, ERR_API, "%s: exit %d: %s (more in %s)", name, end.code,
		end.reason[0] ? end.reason : "it said nothing", home->log);
}
