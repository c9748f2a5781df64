/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The adapter: packetdrill's system calls, packets and clock on a weir stack.
 *
 *     script ──► calls_*.c ──► weir_sock_*     vtime.c   the clock, and who waits for it
 *        │                        │            fds.c     descriptors
 *        │                     weir_stack      settings.c  --so_flags
 *        └─ packets ─► wire.c ─► (front.c) ─► engine     host.c     what it stands on
 *
 * One instance is one stack on one wire under virtual time. Nothing sleeps: time goes
 * by when a script sleeps, asks for a packet that is not there yet, or makes a
 * blocking call; every timer on the way fires at its own moment.
 *
 * Threads: packetdrill makes its blocking calls on a second thread. All state is
 * under `lock`. A blocked call is tried again after everything that happens, by the
 * thread that made it happen, so that its result and the time of its end depend on
 * the script alone; the blocked thread only fetches them.
 */
#ifndef WEIR_PACKETDRILL_PD_H
#define WEIR_PACKETDRILL_PD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/abi.h>
#include <weir/weir.h>
#include "control/gate_serve.h"
#include "engine/engine.h"
#include "interface.h"
#include "settings.h"
#include "wire.h"

#define PD_FDS	 1024
#define PD_NEVER UINT64_MAX

struct pd;
struct pd_front;
struct pd_host;

/* ---- descriptors: fds.c -------------------------------------------------------- */

/*
 * A descriptor's number is that of a real one (an eventfd, otherwise unused), as
 * packetdrill closes what a script leaves open by itself.
 */
struct pd_epoll;
struct pd_fd {
	struct weir_sock *sock; /* NULL: an epoll set, or free */
	struct pd_epoll *epoll;
	bool nonblock;
	int linger_s; /* SO_LINGER: -1 off */
};

int fds_put(struct pd *pd, struct weir_sock *sock, struct pd_epoll *epoll, bool nonblock);
struct pd_fd *fds_get(struct pd *pd, int fd);  /* NULL and errno EBADF */
struct pd_fd *fds_sock(struct pd *pd, int fd); /* also ENOTSOCK */
void fds_drop(struct pd *pd, int fd);

/* ---- time: vtime.c -------------------------------------------------------------- */

/*
 * A call that may block. op() tries once, under the lock: >= 0 or -errno is the
 * result, -EAGAIN means to wait. At the deadline timeout_result is returned.
 */
struct pd_call {
	ssize_t (*op)(struct pd *pd, struct pd_call *call);
	int fd;
	int flags;
	void *arg;
	const struct iovec *iov;
	int niov;
	size_t done; /* bytes moved by earlier tries */
	uint64_t deadline_us;
	ssize_t timeout_result;
	/* vtime.c's */
	struct pd_call *next;
	pthread_cond_t *over;
	bool ended;
	ssize_t result;
	uint64_t ended_us;
};

/* Until op() gives a result; at once -EAGAIN if `nonblock`. The lock is held. */
ssize_t vtime_call(struct pd *pd, struct pd_call *call, bool nonblock);
/* Something has changed: runs the stack and whoever waits, at the present time. */
void vtime_turn(struct pd *pd);
void vtime_advance(struct pd *pd, uint64_t until_us);
/* To the next timer, at most to limit_us. false: none is due by then. */
bool vtime_step(struct pd *pd, uint64_t limit_us);
int vtime_usleep(void *self, useconds_t us);
int vtime_gettimeofday(void *self, struct timeval *tv, struct timezone *tz);

/* ---- the instance ----------------------------------------------------------------- */

struct pd {
	pthread_mutex_t lock;
	pthread_t script; /* the thread that runs the script; blocking calls are another's */
	struct pd_settings set;
	uint64_t now_us;
	unsigned looks; /* at the clock, in a row */
	struct pd_call *waiting;
	struct wire wire;
	struct pd_front *front; /* NULL: the engine alone */
	struct pd_host *host;
	struct weir_stack *stack;
	struct pd_fd fds[PD_FDS];
	struct pd_epoll *epolls;
};

/* The result of a call as the script sees it: -1 and errno for -errno. */
ssize_t pd_return(struct pd *pd, ssize_t result);
struct pd *pd_enter(void *self); /* takes the lock */

/* ---- the stack and what it stands on: host.c, host_net.c, front.c ---------------------- */

int host_open(struct pd *pd, char *why, size_t len);
void host_close(struct pd *pd);
void host_run(struct pd *pd); /* until there is nothing more to do at pd->now_us */
uint64_t host_next(struct pd *pd);

/* In memory: a map of flows, and a network in which every address is ours. */
struct flowmap *host_flowmap_new(void);
void host_flowmap_free(struct flowmap *m);
struct netops *host_net_new(struct pd *pd);
void host_net_free(struct netops *n);

/* The gate's program before the engine; each frame is run through it. */
int front_open(struct pd *pd, char *why, size_t len);
void front_close(struct pd_front *f);
struct flowmap *front_flowmap(struct pd_front *f);
struct gate *front_gate(struct pd_front *f);
struct gate_serve *front_serve(struct pd_front *f); /* what the gate has been told of */
/* Takes the frame: to the engine, answered, or dropped. */
void front_frame(struct pd *pd, struct wire_frame *frame);

/* ---- the calls: calls_*.c, epoll.c ------------------------------------------------------ */

void calls_sock_fill(struct pd_interface *ifc);
void calls_io_fill(struct pd_interface *ifc);
void calls_ctl_fill(struct pd_interface *ifc);
void calls_poll_fill(struct pd_interface *ifc);
void epoll_fill(struct pd_interface *ifc);

void epoll_sample(struct pd *pd); /* after each turn: edges are seen here */
void epoll_forget(struct pd *pd, int fd);
void epoll_free(struct pd *pd, struct pd_epoll *e);

/* poll(2)'s time-out as a moment; negative: never. */
uint64_t pd_deadline(const struct pd *pd, int timeout_ms);

#endif
