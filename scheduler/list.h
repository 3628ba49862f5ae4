/* SPDX-License-Identifier: MIT */
/* Doubly linked lists threaded through the structures that they hold. */
#ifndef COPATCH_LIST_H
#define COPATCH_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

/* A zeroed head counts as empty, so that sparse tables need no initialising pass. */
static inline bool list_empty(const struct list *l)
{
	return l->next == l || !l->next;
}

static inline void list_add_tail(struct list *head, struct list *l)
{
	if (!head->next)
		list_init(head);
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

static inline void list_add_head(struct list *head, struct list *l)
{
	if (!head->next)
		list_init(head);
	list_add_tail(head->next, l);
}

static inline void list_del(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

/* Puts the whole chain of `from` behind that of `to`. */
static inline void list_join(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

/* Takes the whole chain of `from` over into `to`, which must be empty. */
static inline void list_take(struct list *to, struct list *from)
{
	list_init(to);
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

#define list_for_each(pos, head) \
	for (struct list *pos = (head)->next; pos && pos != (head); pos = pos->next)

#define list_for_each_safe(pos, tmp, head)                                                         \
	for (struct list *pos = (head)->next, *tmp = pos ? pos->next : NULL; pos && pos != (head); \
	     pos = tmp, tmp = pos->next)

#endif
