/* A queue of pointers between threads: a linked list under a lock. */
#include "base/queue.h"

#include "base/clock.h"
#include "base/own.h"

#include <pthread.h>
#include <time.h>

struct node {
	struct node *next;
	void *item;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct node *first, **last;
	bool closed;
};

int queue_new(struct queue **ret_queue, struct err *err)
{
	struct queue *q = calloc(1, sizeof(*q));
	pthread_condattr_t attr;

	if (!q)
		return err_set(err, ERR_NOMEM, "no memory for a queue");
	q->last = &q->first;
	pthread_mutex_init(&q->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&q->changed, &attr);
	pthread_condattr_destroy(&attr);
	*ret_queue = q;
	return 0;
}

void queue_free(struct queue *q, void (*drop)(void *item))
{
	if (!q)
		return;
	while (q->first) {
		struct node *node = q->first;

		q->first = node->next;
		if (drop)
			drop(node->item);
		free(node);
	}
	pthread_cond_destroy(&q->changed);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

bool queue_push(struct queue *q, void *item)
{
	struct node *node = malloc(sizeof(*node));
	bool pushed = false;

	if (!node)
		return false;
	*node = (struct node){ .item = item };
	pthread_mutex_lock(&q->lock);
	if (!q->closed) {
		*q->last = node;
		q->last = &node->next;
		pushed = true;
		pthread_cond_signal(&q->changed);
	}
	pthread_mutex_unlock(&q->lock);
	if (!pushed)
		free(node);
	return pushed;
}

void *queue_pop(struct queue *q, int64_t deadline_ns)
{
	struct timespec until = { .tv_sec = deadline_ns / NS_PER_S,
		.tv_nsec = deadline_ns % NS_PER_S };
	struct node *node;
	void *item;

	pthread_mutex_lock(&q->lock);
	while (!q->first && !q->closed)
		if (pthread_cond_timedwait(&q->changed, &q->lock, &until))
			break;
	node = q->first;
	if (node) {
		q->first = node->next;
		if (!q->first)
			q->last = &q->first;
	}
	pthread_mutex_unlock(&q->lock);
	if (!node)
		return NULL;
	item = node->item;
	free(node);
	return item;
}

void queue_close(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->closed = true;
	pthread_cond_broadcast(&q->changed);
	pthread_mutex_unlock(&q->lock);
}

bool queue_ended(struct queue *q)
{
	bool ended;

	pthread_mutex_lock(&q->lock);
	ended = q->closed && !q->first;
	pthread_mutex_unlock(&q->lock);
	return ended;
}
