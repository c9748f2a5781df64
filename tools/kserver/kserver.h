/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's side of a comparison: services on a listener of the kernel's TCP, by
 * edge-triggered epoll. They do what weir's applications of the same name do, with as
 * few system calls as the kernel's interface needs, so that what is compared is the
 * stack below and not the server.
 */
#ifndef KSERVER_H
#define KSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What every connection begins with. */
struct kconn {
	int fd;
	bool blocked;	    /* a send found no room; the loop clears it when there is some */
	bool out;	    /* asked for EPOLLOUT: not before it is needed */
	struct kconn *next; /* in the list of the free ones */
};

enum kverdict {
	KCONN_WAIT,  /* it would block: call again when epoll says so */
	KCONN_AGAIN, /* it could go on; others first */
	KCONN_OVER,
	KCONN_RESET, /* the client does not keep to the protocol */
};

struct service {
	const char *name;
	size_t conn_size;
	/* Goes on until the socket would block, within reason. events: EPOLL*. */
	enum kverdict (*serve)(struct kconn *c, uint32_t events);
	void (*end)(struct kconn *c); /* frees what it holds; may be NULL */
};

extern const struct service service_http, service_echo, service_discard, service_sized;

/* What http answers; 0 or -errno. */
int http_load(const char *path);
/* Makes the table that sized sends from. */
void sized_init(void);

/* ---- loop.c */

struct loop_options {
	const struct service *service;
	const char *addr, *port;
	bool reuseport;	  /* one listener a thread */
	bool busy_poll;	  /* never sleep */
	int busy_poll_us; /* SO_BUSY_POLL; 0: not set */
};

/* A listener, or -errno. */
int loop_listen(const struct loop_options *o);
/* Serves until *stop; 0 or -errno. */
int loop_run(const struct loop_options *o, int listener, const volatile int *stop);

/* A piece that one call moves at most, before others have their turn. */
#define KSERVER_PIECE (64 * 1024)
#define KSERVER_TURNS 16

/* Each thread's own place to receive into. */
extern _Thread_local unsigned char kserver_buf[KSERVER_PIECE];

#endif
