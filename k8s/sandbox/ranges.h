/*
 * Each running sandbox has a /20 of 127.64.0.0/11 for pods and one of 127.96.0.0/11 for services.
 * Which one is held by a name that ends with its holder, however that dies: an abstract socket,
 * seen by exactly those who share the loopback interface.
 */
#ifndef CRUMBLE_K8S_SANDBOX_RANGES_H
#define CRUMBLE_K8S_SANDBOX_RANGES_H

#include "base/err.h"

#include <stdint.h>

/* *ret_fd holds the ranges while it is open. */
int ranges_take(uint32_t *ret_pods, uint32_t *ret_services, int *ret_fd, struct err *err);

#endif
