/* Any bytes as a kubeconfig: refused with a reason, or a server, a namespace and nothing leaked. */
#include "k8s/k8s.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct k8s_config *config = NULL;
	struct err err = { 0 };
	char path[64];
	int fd = memfd_create("kubeconfig", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (k8s_config_kubeconfig(path, NULL, &config, &err)) {
		if (!err.code || !err.text[0] || config)
			abort();
	} else if (strncmp(k8s_config_server(config), "http", 4) != 0 ||
		   !k8s_config_namespace(config)[0]) {
		abort();
	}
	k8s_config_free(config);
	close(fd);
	return 0;
}
