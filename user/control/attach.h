/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Putting the gate on the interface, and where: native XDP runs in the driver,
 * generic XDP after it, on socket buffers, on any interface and at a price.
 *
 * `auto` means native, and generic where native would not work: the driver
 * cannot, or the interface is a veth whose other end has no XDP program, where
 * what native XDP_TX sends stays lying (the peer polls for it only when it has a
 * program of its own). Whoever asks for native gets native or an error.
 *
 * How:
 *
 *     a bpf_link	  the hook is ours alone; gone when the descriptor is closed, by
 *			  whatever death of the process, unless want->keep pins it (pin.h):
 *			  then the gate stays after a kill and drops what is its services',
 *			  until attach_gate() puts the new program in the place of the old, or
 *			  `weir detach`
 *     a dispatcher	  libxdp's (dispatcher.h): others have the hook with us. Pinned: after
 *			  a kill our seat stays, and services are closed, not the host's,
 *			  until attach_gate() or `weir detach` takes it out
 *
 * Any other program on the hook is named and left alone.
 */
#ifndef WEIR_CONTROL_ATTACH_H
#define WEIR_CONTROL_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "control/err.h"
#include "control/netif.h"

enum xdp_mode { XDP_MODE_AUTO, XDP_MODE_NATIVE, XDP_MODE_GENERIC };

enum attach_share {
	ATTACH_SHARE_AUTO,   /* a dispatcher where there is one, else a link */
	ATTACH_SHARE_ALWAYS, /* make one where there is none */
	ATTACH_SHARE_NEVER,  /* a link or nothing */
};

struct attach_want {
	enum xdp_mode mode;
	enum attach_share share;
	unsigned prio; /* among the dispatcher's programs: lower ones are run before */
	bool keep;     /* the link, when we are killed; a dispatcher keeps our seat anyhow */
	const struct pin *pin; /* where, and where a killed weir may have left one */
};

struct bpf_object;
struct dispatcher;
struct pin;

/* The gate: loaded for a link, and how to come by it once more, not loaded, for a dispatcher. */
struct attach_prog {
	int fd;
	struct bpf_object *(*again)(void *arg); /* NULL and errno; the callee's to close */
	void *arg;
};

struct attachment {
	enum xdp_mode mode;
	bool shared;
	int link_fd;		 /* -1: none */
	bool left;		 /* chosen: a killed weir's link is on the hook */
	bool trial;		 /* the link was taken over, and we may fail yet */
	bool pinned;		 /* while it was on trial: that goes with it */
	const struct pin *pin;	 /* NULL: the link is not pinned */
	struct dispatcher *seat; /* NULL: none */
};

#define ATTACHMENT_NONE                                                                            \
	{                                                                                          \
		.link_fd = -1                                                                      \
	}

/* Before loading: where and how to try; refuses a hook that is another's. */
int attach_choose(struct attachment *at, const struct netif *n, const struct attach_want *want,
		  weir_log_fn log, struct weir_err *err);

/*
 * Attaches as chosen; with want->mode AUTO, at->mode may turn from native to generic. Every
 * queue's socket is bound by then: so a weir that is in a dispatcher already is dead.
 */
int attach_gate(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		const struct attach_want *want, weir_log_fn log, struct weir_err *err);

/* Whether it still is where it was put: 1, 0 (somebody took it off), -ENODEV (no interface). */
int attach_look(const struct attachment *at, const struct netif *n);

/* After attach_look() gave 0: chooses and attaches anew. */
int attach_again(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		 const struct attach_want *want, weir_log_fn log, struct weir_err *err);

/* The start has succeeded: what was taken over is ours to end; its pin goes if not wanted. */
void attach_settle(struct attachment *at, const struct attach_want *want);

/*
 * From a weir that lives (takeover.h): what it has put on the hook, and where. Ours takes the
 * place of its program, with no frame in between, and is on trial until attach_own().
 */
struct attach_given {
	bool shared, generic, pinned;
	int link_fd;	/* -1: a dispatcher */
	int pin_dir_fd; /* -1: not pinned */
	char pin_name[48];
};
/* Before loading, in place of attach_choose(): whether that is what is wanted. */
int attach_choose_given(struct attachment *at, const struct netif *n,
			const struct attach_want *want, const struct attach_given *given,
			struct weir_err *err);
/* The descriptors stay the caller's. */
int attach_take(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		const struct attach_want *want, const struct attach_given *given, weir_log_fn log,
		struct weir_err *err);
/* What the former one would have removed, in place of attach_settle(). */
void attach_settle_given(struct attachment *at, const struct attach_given *given);
/* Nobody else ends it any more. */
void attach_own(struct attachment *at);

/* Pieces of attach.c: our program on a link, in the place of `was`; and a seat. 0 or -errno. */
int attach_replace(int link_fd, int prog_fd, uint32_t was);
int attach_join(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		const struct attach_want *want, weir_log_fn log, struct weir_err *err);

/* The other side: what there is to be given; descriptors stay ours. */
void attach_give(const struct attachment *at, struct attach_given *given);
/* It was given: nothing of it is taken off. */
void attach_release(struct attachment *at);
/* It was not, or not for long: our program is put back. 0 or -errno. */
int attach_put_back(struct attachment *at, const struct netif *n, const struct attach_prog *prog,
		    const struct attach_want *want, weir_log_fn log, struct weir_err *err);

void attach_end(struct attachment *at);

const char *attach_mode_name(enum xdp_mode mode); /* "native", "generic" */

#endif
