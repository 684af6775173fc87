/*
 * The sandbox's command line: a small Kubernetes for local runs and tests, whose pods are local
 * processes. It says "ready DIR/kubeconfig" on stdout once it serves, and ends, with all its
 * processes and ports, on SIGTERM, SIGINT, or the end of its lifeline. Each of its pods' processes
 * is under a keeper, which ends it also when the sandbox is killed.
 */
#include "base/log.h"
#include "base/version.h"
#include "k8s/sandbox/access.h"
#include "k8s/sandbox/controllers.h"
#include "k8s/sandbox/edit.h"
#include "k8s/sandbox/kubelet.h"
#include "k8s/sandbox/proxy.h"
#include "k8s/sandbox/ranges.h"
#include "k8s/sandbox/server.h"
#include "k8s/sandbox/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#define EXIT_USAGE 2
#define EXIT_BROKEN 3
#define HISTORY 2000

struct options {
	const char *dir;
	int lifeline; /* -1: none */
	int port;
	int history;
};

static const char usage[] =
	"usage: crumble-sandbox --dir DIR [--lifeline FD] [--port N] [--history N]\n"
	"  --dir DIR      where its files and DIR/kubeconfig are (made when missing)\n"
	"  --lifeline FD  the reading end of a pipe: the sandbox ends when the other end closes\n"
	"  --port N       of the API on 127.0.0.1 (default: any free one)\n"
	"  --history N    changes that watches and pages may lag behind (default 2000)\n";

static int number(
	const char *name, const char *text, int least, int most, int *ret_n, struct err *err)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < least || n > most)
		return err_set(err, ERR_USAGE, "--%s %s: a number from %d to %d is needed", name,
			text, least, most);
	*ret_n = (int)n;
	return 0;
}

static int read_option(int option, struct options *options, struct err *err)
{
	switch (option) {
	case 'd':
		options->dir = optarg;
		return 0;
	case 'l':
		return number("lifeline", optarg, 0, INT_MAX, &options->lifeline, err);
	case 'p':
		return number("port", optarg, 0, 65535, &options->port, err);
	case 'y':
		return number("history", optarg, 10, 1000000, &options->history, err);
	case 'h':
		fputs(usage, stdout);
		exit(0);
	case 'v':
		printf("crumble-sandbox %s (%s)\n", version_number, version_commit);
		exit(0);
	default:
		return err_set(err, ERR_USAGE, "unknown option (--help lists them)");
	}
}

static int read_options(int argc, char **argv, struct options *options, struct err *err)
{
	static const struct option known[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "lifeline", required_argument, NULL, 'l' },
		{ "port", required_argument, NULL, 'p' },
		{ "history", required_argument, NULL, 'y' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", known, NULL)) != -1)
		if (read_option(option, options, err))
			return -1;
	if (optind < argc)
		return err_set(err, ERR_USAGE, "unexpected argument %s", argv[optind]);
	if (!options->dir)
		return err_set(err, ERR_USAGE, "--dir is needed");
	if (options->lifeline >= 0 && fcntl(options->lifeline, F_GETFD) < 0)
		return err_set(
			err, ERR_USAGE, "--lifeline %d: no such descriptor", options->lifeline);
	return 0;
}

/* ---- the folder ---- */

/* Makes it, locks it (*ret_lock), and removes what an earlier sandbox left. */
static int take_dir(const char *given, char **ret_dir, int *ret_lock, struct err *err)
{
	OWN_MEM char *dir = NULL;
	OWN_MEM char *path = NULL;
	OWN_FD int lock = -1;
	static const char *const parts[] = { "p", "c" };

	if (mkdir(given, 0700) && errno != EEXIST)
		return err_errno(err, "cannot make the folder %s", given);
	dir = realpath(given, NULL);
	if (!dir || chmod(dir, 0700))
		return err_errno(err, "cannot use the folder %s", given);
	path = must_format("%s/lock", dir);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock < 0)
		return err_errno(err, "cannot write in the folder %s", dir);
	if (flock(lock, LOCK_EX | LOCK_NB))
		return err_set(
			err, ERR_CONFLICT, "a sandbox runs in %s already: use another --dir", dir);
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		OWN_MEM char *part = must_format("%s/%s", dir, parts[i]);

		remove_tree(part);
		if (mkdir(part, 0700))
			return err_errno(err, "cannot make %s", part);
	}
	*ret_dir = TAKE(dir);
	*ret_lock = TAKE_FD(lock);
	return 0;
}

/* ---- running ---- */

struct sandbox {
	struct cluster cluster;
	struct access_keys keys;
	char *dir, *kubeconfig;
	int lock, range;
	struct server *server;
	struct kubelet *kubelet;
	struct proxy *proxy;
	struct controllers *controllers;
};

static int start(struct sandbox *sandbox, const struct options *options, struct err *err)
{
	struct cluster *cluster = &sandbox->cluster;
	char first[IP_BYTES];

	if (take_dir(options->dir, &sandbox->dir, &sandbox->lock, err) ||
		ranges_take(&cluster->pods_base, &cluster->services_base, &sandbox->range, err))
		return -1;
	ip_text(cluster->services_base + 1, first);
	if (access_make(first, &sandbox->keys, err))
		return -1;
	cluster->store = store_open((size_t)options->history);
	cluster->dir = sandbox->dir;
	cluster->token = sandbox->keys.token;
	cluster->port = (uint16_t)options->port;
	if (server_start(
		    cluster, sandbox->keys.cert_pem, sandbox->keys.key_pem, &sandbox->server, err))
		return -1;
	cluster_populate(cluster);
	if (kubelet_start(cluster, &sandbox->kubelet, err) ||
		proxy_start(cluster, &sandbox->proxy, err) ||
		controllers_start(cluster, &sandbox->controllers, err))
		return -1;
	sandbox->kubeconfig = must_format("%s/kubeconfig", sandbox->dir);
	return access_write_kubeconfig(sandbox->kubeconfig, &sandbox->keys, cluster->port, err);
}

static void stop(struct sandbox *sandbox)
{
	if (sandbox->kubeconfig)
		unlink(sandbox->kubeconfig);
	if (sandbox->cluster.store)
		store_stop(sandbox->cluster.store);
	kubelet_stop(sandbox->kubelet);
	controllers_stop(sandbox->controllers);
	proxy_stop(sandbox->proxy);
	server_stop(sandbox->server);
	store_close(sandbox->cluster.store);
	access_done(&sandbox->keys);
	free(sandbox->kubeconfig);
	free(sandbox->dir);
	if (sandbox->range >= 0)
		close(sandbox->range);
	if (sandbox->lock >= 0)
		close(sandbox->lock);
}

/* Until a signal, or the end of the lifeline. */
static void wait_for_end(int signals, int lifeline)
{
	struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
		{ .fd = lifeline, .events = POLLIN } };
	char byte;

	for (;;) {
		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return;
		if (fds[0].revents)
			return;
		if (fds[1].revents && read(lifeline, &byte, 1) <= 0 && errno != EAGAIN)
			return;
	}
}

static int take_signals(struct err *err)
{
	static const int taken[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT };
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(taken); i++)
		sigaddset(&set, taken[i]);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_errno(err, "signalfd") : fd;
}

static void raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int run(const struct options *options, struct err *err)
{
	struct sandbox sandbox = { .lock = -1, .range = -1 };
	OWN_FD int signals = take_signals(err);
	int failed;

	if (signals < 0)
		return -1;
	failed = start(&sandbox, options, err);
	if (!failed) {
		printf("ready %s\n", sandbox.kubeconfig);
		fflush(stdout);
		wait_for_end(signals, options->lifeline);
	}
	stop(&sandbox);
	return failed;
}

int main(int argc, char **argv)
{
	struct options options = { .lifeline = -1, .history = HISTORY };
	struct err err = { 0 };
	bool usage_failed;

	edit_setup();
	log_setup(LOG_INFO, false);
	raise_limits();
	usage_failed = read_options(argc, argv, &options, &err);
	if (!usage_failed && run(&options, &err) == 0)
		return 0;
	fprintf(stderr, "crumble-sandbox: %s\n", err.text);
	return usage_failed ? EXIT_USAGE : EXIT_BROKEN;
}
