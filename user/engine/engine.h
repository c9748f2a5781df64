/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine: workers that turn frames into connections and connections into
 * calls of the application. A worker owns the sockets of its RX queues, its
 * connections, its timers and its pools, and shares no cache line with others.
 *
 *   pktio[q] ─► worker ─► table ─► connection (user/tcp) ─► weir_app callbacks
 *                 │ └─ another worker's flow: bounded hand-over ring
 *                 └─ flows map (struct flowmap): lookup, insert, delete in batches
 *
 * Life of a tuple in the worker's table:
 *   connection ─► [TIME_WAIT] ─► [tombstone until its cookie is dead]
 *              ─► closing (delete under way) ─► gone
 * The entry in the flows map exists until the delete that ends `closing`.
 *
 * Threads: engine_* functions are called by one controlling thread, unless said
 * otherwise; callbacks run on the workers. All functions return 0 or -errno.
 */
#ifndef WEIR_ENGINE_H
#define WEIR_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <weir/abi.h>
#include <weir/weir.h>
#include "net/pktio.h"
#include "tcp/tcp.h"

/* A 4-tuple; IPv4 as ::ffff:a.b.c.d, so that one type serves both families. */
typedef struct weir_flow_key6 weir_tuple;

/*
 * The flows map as the engine sees it. control/flowmap_bpf.c is the kernel's;
 * tests use one in memory. Thread-safe: every worker calls it.
 */
struct flowmap {
	const struct flowmap_ops {
		/* 0, -ENOENT, -errno */
		int (*lookup)(struct flowmap *m, const weir_tuple *t, struct weir_flow *f);
		/* never overwrites: -EEXIST; full: -E2BIG */
		int (*insert)(struct flowmap *m, const weir_tuple *t, const struct weir_flow *f);
		/* deletes all n; a missing one is no error. 0 or -errno */
		int (*remove)(struct flowmap *m, const weir_tuple *t, unsigned n);
		/*
		 * Walks the map some entries at a time from *cursor (0: start;
		 * 0 again when the end was reached). Returns entries filled.
		 */
		int (*walk)(struct flowmap *m, uint64_t *cursor, weir_tuple *t, struct weir_flow *f,
			    unsigned max);
		/*
		 * The connection of an entry that stays is over, or there is one again: for
		 * who counts those. NULL: nobody does.
		 */
		void (*alive)(struct flowmap *m, const weir_tuple *t, bool alive);
	} * ops;
};

/*
 * The way to a peer, and the ports that active opens take: control/netops.c asks the
 * kernel (rtnetlink, a bound socket); tests have one in memory. Called by workers,
 * several at once. Answers at once: what takes time is asked for again.
 */
struct net_path {
	uint8_t dst_mac[6], src_mac[6];
	uint32_t mtu; /* of the route */
};
/* What an active open asks of a port: that its 4-tuple with it is free. */
enum net_fit {
	NET_TAKEN,
	NET_FITS,
	NET_SOON, /* it will be, in a time that is the same for all */
};
struct net_want {
	enum net_fit (*fits)(void *arg, uint16_t port); /* within the call alone */
	void *arg;
	uint32_t hash; /* of the addresses and the peer's port */
	uint8_t group; /* the worker: ports are shared within it alone */
};
struct netops {
	const struct netops_ops {
		/*
		 * The next hop towards `remote`; a `local` of family 0 receives the address
		 * that the route prefers (its port is left alone). 0; -EAGAIN: the neighbour
		 * is being resolved, ask again (`local` and the path's mtu are filled in
		 * already); -ENETUNREACH: no route through this device;
		 * -EHOSTUNREACH: nobody answers for it; -EADDRNOTAVAIL: not our address.
		 */
		int (*path)(struct netops *n, const struct weir_addr *remote,
			    struct weir_addr *local, struct net_path *path);
		/*
		 * Takes a local port (0: a free one, stored in local->port) so that the
		 * host's stack and other callers keep off it, and has the gate look for
		 * flows there. With `shared`, one taken before may be taken again (counted).
		 * 0, -EADDRINUSE, -EADDRNOTAVAIL, -EACCES, -errno.
		 */
		int (*port_take)(struct netops *n, struct weir_addr *local, bool shared);
		/*
		 * Takes, shared, a port that fits: one that is held already if there is, so
		 * that as few are held as will do. NULL: each open gets one of its own.
		 * -EADDRNOTAVAIL, -errno.
		 */
		int (*port_pick)(struct netops *n, struct weir_addr *local,
				 const struct net_want *want);
		void (*port_put)(struct netops *n, const struct weir_addr *local);
	} * ops;
};

struct engine_config {
	unsigned workers;    /* 1..queues */
	unsigned conns;	     /* connections per worker (131072) */
	unsigned timewaits;  /* TIME_WAIT entries per worker (65536) */
	unsigned tombstones; /* per worker (262144) */
	/*
	 * Flow entries of a worker, of all kinds, above which the oldest tombstones go before
	 * their time: or many short connections would fill the flow table. 0 (the default):
	 * whatever it takes.
	 */
	unsigned flows;
	uint64_t buffer_bytes;	 /* send and receive blocks per worker (256 MiB) */
	unsigned handover_slots; /* frames per ring between two workers (1024) */
	unsigned backlog;	 /* connections in SYN_RCVD per worker and listener (1024) */
	unsigned state_max;	 /* of applications not known at the start, bytes (64) */
	/*
	 * Segments of no connection are answered as RFC 9293 3.10.7.1 and 3.10.7.2 say.
	 * Off (the default) where a gate has decided that already.
	 */
	bool rst_unknown;
	bool accept_partial_csum;
	bool busy_poll; /* never sleep */
	/*
	 * An active open may take a 4-tuple that has been in our TIME_WAIT for a second,
	 * where timestamps tell its segments from old ones.
	 */
	bool reuse_timewait;
	struct tcp_config tcp;
};
void engine_config_default(struct engine_config *cfg);

/* What the engine stands on; all of it outlives the engine. */
struct engine_env {
	struct pktio **queues; /* one per RX queue, index = queue; see engine_add_queue() */
	unsigned nqueues;
	struct flowmap *flows;
	struct netops *net; /* NULL: no active opens (-EOPNOTSUPP) */
	/* The gate's live configuration: keys and clock for validating cookies. */
	const struct weir_gate_config *gate;
	uint64_t base_mono_us; /* CLOCK_MONOTONIC at the gate's mono_ms 0 */
	/* A cell per queue for the gate's heartbeat check, in gate mono_ms. */
	uint64_t *heartbeat;
	/*
	 * The gate's record of the service at a listener's address, where workers say that
	 * they have no room; asked when they first have none. NULL: there is none.
	 */
	struct weir_service *(*service)(void *arg, const struct weir_addr *a);
	void *service_arg;
	/* A message for the log, from any thread; NULL: silent. */
	void (*log)(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
};

struct engine;
struct worker;
struct worker_listen;

int engine_create(struct engine **out, const struct engine_config *cfg,
		  const struct engine_env *env);
/*
 * By all workers, before start. Any address: a->family 0. The app and arg outlive the
 * engine. -EADDRINUSE; -EINVAL: also an application whose state does not fit, once the
 * workers are made (engine_config.state_max).
 */
int engine_listen(struct engine *e, const struct weir_addr *a, const struct weir_app *app,
		  void *arg);
int engine_serve(struct engine *e, const struct worker_listen *l);

/*
 * What is listened on, changed while the workers run: those of a batch are made beforehand, so
 * that nothing can fail once it is posted, and each worker takes the batch at the end of a
 * turn. Who listens at an address already is replaced: its connections go on, and so do the
 * handshakes under way, with what they were let in by. `gone` is as worker_unlisten().
 */
struct engine_batch;
/* 0, -EINVAL (an application whose state does not fit), -ENOMEM: there is no batch. */
int engine_batch(struct engine_batch **out, struct engine *e, const struct worker_listen *listen,
		 unsigned nlisten, const struct weir_addr *gone, unsigned ngone);
/* Leaves out listen[i]. */
void engine_batch_skip(struct engine_batch *b, unsigned i);
/* What a connection has room for of an application's (weir_app.conn_size). */
size_t engine_state_max(const struct engine *e);
void engine_batch_drop(struct engine_batch *b); /* one that is not posted; NULL is fine */
/* The engine's from now on. Waits so long for all workers to have it; false: not yet all. */
bool engine_batch_post(struct engine *e, struct engine_batch *b, int timeout_ms);
/*
 * As engine_listen(), but at any time, and for one worker alone: from its thread, or
 * while it has none. `opts`: what its connections start with (NULL: the worker's);
 * backlog 0: the engine's. Connections of a listener that is taken away live on; its
 * handshakes under way do not, and neither `arg` nor may_open is used for new ones.
 */
struct worker_listen {
	struct weir_addr addr; /* zeros with family 4 or 6: any of that family */
	const struct weir_app *app;
	void *arg;
	const struct tcp_opts *opts;
	unsigned backlog;
	/* NULL: yes. Whether another connection may be let in now; asked at a SYN and at
	 * a first segment. False: dropped, counted; the client tries again. */
	bool (*may_open)(void *arg);
	/* NULL, or counted up for each listener and, by its worker, down when it and the last
	 * of its connections are gone: then `arg` is the caller's alone again. */
	_Atomic unsigned *users;
};
int worker_listen(struct worker *w, const struct worker_listen *l);
void worker_unlisten(struct worker *w, const struct weir_addr *a);
/* What its connections start with from now on; SYNs answered before keep theirs. */
void worker_listen_opts(struct worker *w, const struct weir_addr *a, const struct tcp_opts *opts);

/*
 * Active open. Same threads as worker_listen(). The SYN leaves once path and port are
 * known; how it ends is told by on_open (arg: o->arg) or, without one before, by
 * on_close with the reason. 0 and *out, -EADDRINUSE (the 4-tuple), -EADDRNOTAVAIL,
 * -ENETUNREACH, -ENOBUFS (no slot), -EOPNOTSUPP, -ESHUTDOWN (draining), -errno. A
 * neighbour that does not answer within 3 s ends it with TCP_END_UNREACHABLE, EHOSTUNREACH.
 */
struct worker_connect {
	struct weir_addr local; /* family 0 or zeros: as routed; port 0: one that is free for it */
	struct weir_addr remote;
	const struct weir_app *app;
	void *arg;
	const struct tcp_opts *opts;
	bool share_port; /* SO_REUSEADDR: one local port towards several peers */
};
int worker_connect(struct worker *w, const struct worker_connect *o, struct weir_conn **out);

/*
 * Connections that `which` names, but active opens, are reset by their owners soon. It is
 * asked on the workers' threads, for as long as the engine lives.
 */
typedef bool (*engine_unwanted)(void *arg, const struct weir_addr *local,
				const struct weir_addr *remote);
void engine_reset_if(struct engine *e, engine_unwanted which, void *arg);

int engine_start(struct engine *e);
/*
 * The device has a queue more, whose socket is in env.queues[number]: its worker, who is
 * the one that queue would have had at the start, takes it in its next turn.
 */
void engine_add_queue(struct engine *e);
/*
 * Drain: nothing new is let in, and every connection is told (on_drain: the
 * application finishes its answer and closes; without one it is closed at once).
 * engine_drain() starts it and returns; engine_drained() asks. The caller bounds
 * it by engine_stop(), which resets what is left.
 */
void engine_drain(struct engine *e);
/* What is being closed is not opened again; new ones are. */
void engine_undrain(struct engine *e);
bool engine_drained(const struct engine *e);
/*
 * RSTs what is left, joins the threads. From then on nothing of the queues is in its hands:
 * every frame is released, submitted or cancelled.
 */
void engine_stop(struct engine *e);
void engine_destroy(struct engine *e);

/*
 * For tests: no threads; one turn of one worker's loop at a given time.
 * worker_next_timeout() is of the connections; upkeep (heartbeat, sweep) wants a
 * turn every 200 ms besides, as a thread gives it. A thread that finds a second
 * gone since its last turn was stopped (SIGSTOP, a suspended machine): that time
 * does not count for its connections, so no timer fires and nothing is aborted
 * for it; the gate's clock, cookies and tombstones go by real time.
 */
struct worker *engine_worker(struct engine *e, unsigned i);
unsigned worker_poll(struct worker *w, uint64_t now_us); /* frames and timers handled */
uint64_t worker_next_timeout(const struct worker *w);	 /* its now: output waits to be run */

/* ---- looking in ------------------------------------------------------------ */

struct engine_status {
	uint64_t states[WEIR_TCP_NSTATES];
	uint64_t conns_used, conns_max; /* slots of the fullest worker */
	uint64_t tombstones;
	uint64_t closing;
	uint64_t per_connection_bytes; /* everything one idle connection costs */
	uint64_t conn_memory_bytes;    /* pools as allocated */
	uint64_t buffer_bytes_used, buffer_bytes_total;
};
void engine_get_status(const struct engine *e, struct engine_status *s);

/*
 * One queue and one worker, as of a moment ago: workers tell a few times a second. What
 * is wanted of a worker: its counters by name, and the connections it has.
 */
struct engine_queue_status {
	unsigned worker;
	const char *mode; /* of its socket: "copy", "zerocopy" */
	uint64_t rx_frames, tx_frames, rx_dropped, rx_ring_full, rx_fill_empty;
};
struct engine_worker_status {
	uint64_t conns, rx_frames, tx_frames, handover_sent, handover_received;
	uint64_t cpu_us; /* that its thread has used; 0: it has none */
};
void engine_get_queue(const struct engine *e, unsigned queue, struct engine_queue_status *s);
void engine_get_worker(const struct engine *e, unsigned worker, struct engine_worker_status *s);

#define ENGINE_COOKIES_TIMED 4

/* Histograms of times, all workers together; each keeps its own. */
struct engine_times {
	struct tcp_hist rtt;	   /* round trips of segments that were sent once */
	struct tcp_hist handshake; /* that a worker answered: from the SYN to the ACK */
	/*
	 * That the gate answered, as far as a cookie can tell: of clients with timestamps,
	 * whose echo says when the SYN-ACK left, at most 64 ms earlier than it did; one of
	 * ENGINE_COOKIES_TIMED of them.
	 */
	struct tcp_hist cookie;
};
void engine_get_times(const struct engine *e, struct engine_times *t);

/* What the pools hold at most, all workers together; they are filled as they are needed. */
struct engine_memory {
	uint64_t conns, buffers;
	uint64_t residue; /* TIME_WAIT, tombstones, and the table of all tuples */
	uint64_t rings;	  /* between the workers, and of the trace */
};
void engine_memory(const struct engine_config *cfg, unsigned mtu, struct engine_memory *m);

/* Sums the workers' rows into v[WEIR_C_MAX]; the xsk statistics included. */
void engine_get_counters(const struct engine *e, uint64_t *v);
/* One worker's row, live: to be read by __atomic_load_n(), relaxed. */
const uint64_t *engine_worker_counters(const struct engine *e, unsigned worker);

struct engine_conn_row {
	uint64_t id;
	unsigned worker;
	const char *service; /* the app's name; static */
	struct weir_addr local, remote;
	struct tcp_info tcp;
	uint64_t timer_in_us; /* until tcp.timer expires; 0 when none */
};
/*
 * Up to `max` rows of one worker from *cursor on (0: start; UINT64_MAX: done).
 * The worker fills them between two batches, some hundred at a time. Returns
 * rows, or -ETIMEDOUT when the worker does not answer within timeout_ms.
 */
int engine_conns(struct engine *e, unsigned worker, uint64_t *cursor, struct engine_conn_row *rows,
		 unsigned max, int timeout_ms);

/* Trace: on until off; then read what the workers wrote. *lost is cumulative. */
void engine_trace(struct engine *e, bool on, const struct weir_trace_filter *filter);
unsigned engine_trace_read(struct engine *e, unsigned worker, struct weir_trace_rec *recs,
			   unsigned max, uint64_t *lost);
unsigned engine_workers(const struct engine *e);

#endif
