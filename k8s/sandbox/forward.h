/* One forwarded TCP connection, on an epoll that its owner drives. */
#ifndef CRUMBLE_K8S_SANDBOX_FORWARD_H
#define CRUMBLE_K8S_SANDBOX_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The first member of all that an epoll event may point to. */
enum handle { HANDLE_WAKE, HANDLE_LISTENER, HANDLE_CLIENT, HANDLE_SERVER };

struct forward;
struct side {
	enum handle handle;
	struct forward *forward;
};

/* Takes the client's descriptor; connects to ip:port (host order). NULL: it was refused at once,
 * and the client was reset. */
struct forward *forward_new(int epoll, int client, uint32_t ip, uint16_t port);
/* Handles an event of one of its sides. False: both ends are closed, and it may be freed. */
bool forward_step(struct forward *forward, const struct side *side, uint32_t events);
/* Resets both ends if they are open. NULL is fine. */
void forward_free(struct forward *forward);

/* All that there are, in a list that the owner keeps. */
struct forward_list {
	struct forward *first;
};
void forward_link(struct forward_list *list, struct forward *forward);
/* Frees those whose ends are closed (all: every one). */
void forward_sweep(struct forward_list *list, bool all);

#endif
