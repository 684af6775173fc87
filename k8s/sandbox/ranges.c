/* Each running sandbox has address ranges of its own. */
#include "k8s/sandbox/ranges.h"

#include "base/own.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define RANGES 512                    /* /20s in a /11 */
#define PODS UINT32_C(0x7f400000)     /* 127.64.0.0 */
#define SERVICES UINT32_C(0x7f600000) /* 127.96.0.0 */

static int hold(int fd, unsigned number)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int len = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
		"crumble-sandbox-range-%u", number);

	return bind(fd, (struct sockaddr *)&address,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len));
}

int ranges_take(uint32_t *ret_pods, uint32_t *ret_services, int *ret_fd, struct err *err)
{
	OWN_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* Not the lowest first: the processes of one that was just killed may still be ending. */
	unsigned first = (unsigned)getpid();

	if (fd < 0)
		return err_errno(err, "socket that holds an address range");
	for (unsigned i = 0; i < RANGES; i++) {
		unsigned number = (first + i) % RANGES;

		if (hold(fd, number)) {
			if (errno == EADDRINUSE)
				continue;
			return err_errno(err, "cannot hold an address range");
		}
		*ret_pods = PODS + number * 4096;
		*ret_services = SERVICES + number * 4096;
		*ret_fd = TAKE_FD(fd);
		return 0;
	}
	return err_set(err, ERR_CONFLICT,
		"all %d address ranges of 127.64.0.0/11 are taken by running sandboxes: end some",
		RANGES);
}
