/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What weir-load's driver wants of a TCP: the kernel's (backend_kernel.c) or weir's own
 * over AF_XDP (backend_xdp.c). The driver decides what is opened, sent and expected, and
 * takes the times; a back end moves bytes and says who is ready. One thread.
 *
 * A connection is a struct be_conn, which lives inside the driver's own and does not
 * move between connect() and close() or abort(). After either of these the back end
 * knows nothing of it any more: no event names it, and it may serve for another
 * connect() at once, also from within the handling of a batch of events. So a back end
 * must drop, or not yet have fetched, what it holds ready for it; the driver looks at
 * the events of one wait() in order and skips those of connections it has let go
 * (be_conn.round tells them apart).
 *
 * Errors are -errno. Functions with `why` point it at one sentence for the operator.
 */
#ifndef LOAD_BACKEND_H
#define LOAD_BACKEND_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

union be_addr {
	struct sockaddr sa; /* sa_family: AF_INET, AF_INET6 */
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct be_conn {
	union {
		int fd;
		void *ptr;
	};
	uint32_t round; /* which wait() it was opened after; the driver's */
	uint32_t priv;	/* the back end's */
};

/* What a connection is ready for. */
#define BE_CONNECTED 0x01u /* once: the handshake is done; sending may begin */
#define BE_IN	     0x02u /* bytes, or the end of the peer's stream */
#define BE_OUT	     0x04u /* room to send again, after a send that found none */
/*
 * With BE_IN, where ends are reported only once: the end is in, so recv() is to go on to
 * its 0 although one was short.
 */
#define BE_END	 0x10u
#define BE_ERROR 0x08u /* it is over; error() says why. Only close() or abort() remain */

struct be_event {
	struct be_conn *conn;
	unsigned events;
};

/* What a back end is opened for. */
struct be_options {
	const char *iface;	    /* xdp: the interface; the kernel's routes by itself */
	union be_addr remote;	    /* every connection goes there */
	const union be_addr *local; /* local addresses, port 0; none: the back end chooses */
	unsigned int locals;
	unsigned int conns;	     /* at most so many at once */
	unsigned int rcvbuf, sndbuf; /* bytes of each connection; 0: the back end's own */
	bool busy_poll;		     /* wait() never sleeps */
	bool nodelay;		     /* requests may be longer than one segment: no Nagle */
	uint64_t timeout_ns;	     /* close() gives up when nobody ended for so long */
	const volatile int *stop;    /* 2: close() waits for nobody any more */
};

struct backend {
	const char *name; /* as --backend takes it */
	int (*open)(void **be, const struct be_options *o, const char **why);
	/* Waits for what was hung up while some of it ends in order; resets what is left. */
	void (*close)(void *be);
	/*
	 * Begins to connect from local (NULL: any) to the remote of the options; local is
	 * one of the options'. 0: BE_CONNECTED or BE_ERROR follows from wait(), never from
	 * here. -EADDRNOTAVAIL: no port left there. -EMFILE, -ENOBUFS, -ENOMEM: our limits.
	 */
	int (*connect)(void *be, struct be_conn *c, const union be_addr *local);
	/* Bytes taken, or -EAGAIN (BE_OUT will follow), or what ended the connection. */
	ssize_t (*send)(void *be, struct be_conn *c, const void *buf, size_t len);
	/*
	 * Bytes, 0 at the end of the stream, -EAGAIN (BE_IN will follow), or what ended the
	 * connection. Fewer than asked for: there are no more for now, BE_IN will follow.
	 */
	ssize_t (*recv)(void *be, struct be_conn *c, void *buf, size_t len);
	/*
	 * BE_IN is wanted from now on (the start) or not: a slow reader does not want it.
	 * Wanted again, it is reported if it is already true. Events that are not wanted
	 * may still come.
	 */
	void (*want_in)(void *be, struct be_conn *c, bool wanted);
	int (*shutdown)(void *be, struct be_conn *c);	/* our FIN, after what was sent */
	void (*hangup)(void *be, struct be_conn *c);	/* closes in order; the handle is gone */
	void (*abort)(void *be, struct be_conn *c);	/* RST; the handle is gone */
	int (*error)(void *be, struct be_conn *c);	/* -errno of what ended it, 0: none */
	size_t (*unacked)(void *be, struct be_conn *c); /* sent, and not acknowledged */
	/*
	 * The next events, at most max. Sleeps for the first of them for at most timeout_ns
	 * (0: not at all), with a resolution of some 50 us or better. Returns how many, 0 at
	 * the end of the time, -EINTR on a signal, or the back end's own failure.
	 *
	 * Events may be reported once per change or while they are true: the driver goes on
	 * until -EAGAIN or a short recv where it wants more.
	 */
	int (*wait)(void *be, struct be_event *ev, int max, uint64_t timeout_ns);
};

extern const struct backend backend_kernel;
extern const struct backend backend_xdp;

/* The one clock of all of it: CLOCK_MONOTONIC in ns. */
uint64_t load_now(void);

#endif
