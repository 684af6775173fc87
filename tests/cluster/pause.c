/* PID 1 of a pod's sandbox, and of a node: reaps every orphan, and ends on TERM or INT. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void end(int sig)
{
	(void)sig;
	_exit(0);
}

static void reap(int sig)
{
	(void)sig;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(void)
{
	struct sigaction action = { .sa_handler = reap, .sa_flags = SA_NOCLDSTOP };

	sigaction(SIGCHLD, &action, NULL);
	signal(SIGTERM, end);
	signal(SIGINT, end);
	for (;;)
		pause();
}
