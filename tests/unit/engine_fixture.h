/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An engine over packet I/O in memory, under a clock that the test moves, with
 * the gate's part (cookies, flow entries) and the clients played by the test.
 *
 *     struct rig    engine, queues, flow map, time
 *     struct peer   one client: sends segments, checks and takes answers
 *     struct bulk   a client with a real TCP, for transfers
 *     struct pair   two rigs joined by a wire, each other's peers
 */
#ifndef WEIR_ENGINE_FIXTURE_H
#define WEIR_ENGINE_FIXTURE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/abi.h>
#include <weir/packet.h>
#include "engine/engine.h"
#include "net/pktio_impair.h"
#include "net/pktio_mem.h"

#define SECOND 1000000ULL

/* ---- the flows map, in memory ------------------------------------------------- */

struct flowmap_mem {
	struct flowmap m;
	pthread_mutex_t lock;
	struct {
		weir_tuple t;
		struct weir_flow f;
		bool used;
	} * e;
	unsigned cap, n;
	/* what the calls are to return, and how often they came */
	int lookup_err, insert_err, remove_err;
	unsigned lookup_misses; /* so many lookups find nothing, as if they came too early */
	unsigned lookups, inserts, removes;
};

struct flowmap_mem *flowmap_mem_new(unsigned cap);
void flowmap_mem_free(struct flowmap_mem *m);

/* ---- ways and ports, in memory ------------------------------------------------- */

struct netops_mem {
	struct netops n;
	uint8_t host;	 /* our addresses: 10.0.0.host, fd00::host */
	uint32_t mtu;	 /* of every route */
	int path_err;	 /* what path() is to return */
	unsigned agains; /* before that, so many times -EAGAIN */
	unsigned paths;	 /* calls of path() */
	uint16_t first, last;
	uint16_t next;
	unsigned taken; /* ports, each once */
	unsigned refs[65536];
	bool shared[65536];
};

struct netops_mem *netops_mem_new(uint8_t host, uint32_t mtu);

/* ---- the rig --------------------------------------------------------------------- */

#define RIG_PORT       80
#define RIG_START_US   5000000000ULL
#define RIG_MTU	       1500
#define RIG_OTHER_PORT 81 /* nobody listens there */

struct rig_config {
	struct engine_config engine;
	unsigned queues;
	unsigned frames; /* buffers per direction and queue */
	uint32_t mtu;
	unsigned flows; /* capacity of the map */
	const struct weir_app *app;
	void *arg;
	const struct impair_config *impair; /* both directions; NULL: none */
	uint8_t net_host;		    /* has netops, as this host; 0: none */
	bool no_listener;
};

struct rig {
	struct rig_config cfg;
	struct engine *e;
	struct weir_gate_config gate;
	struct flowmap_mem *flows;
	bool shared; /* the flows */
	struct netops_mem *net;
	struct weir_service service; /* what the listener's pressure is written to */
	struct pktio *server[8], *client[8];
	uint64_t heartbeat[8];
	uint64_t now_us;
};

void rig_config_default(struct rig_config *cfg);
struct rig *rig_open(const struct rig_config *cfg);
/* On another one's flow map, which outlives it. */
struct rig *rig_open_on(const struct rig_config *cfg, struct flowmap_mem *flows);
void rig_close(struct rig *r);
void rig_add_queue(struct rig *r);	   /* the device has one more */
void rig_poll(struct rig *r);		   /* one turn of every worker */
void rig_settle(struct rig *r);		   /* turns until nothing happens */
void rig_pass(struct rig *r, uint64_t us); /* time goes by, timer for timer */
uint64_t rig_count(struct rig *r, enum weir_counter c);
uint64_t rig_state(struct rig *r, enum weir_tcp_state s);
uint64_t rig_conns(struct rig *r); /* all states but TIME_WAIT */
struct engine_status rig_status(struct rig *r);
void rig_inject(struct rig *r, unsigned queue, const void *frame, size_t len);
/* Whether no frame waits on any queue. */
bool rig_silent(struct rig *r);
uint64_t rig_gate_ms(const struct rig *r);

/*
 * Once its workers run as threads, a rig's clock is the machine's: cookies are made and checked
 * by the same.
 */
uint64_t real_us(void);
void nap(void); /* a millisecond */

/* ---- a client ---------------------------------------------------------------------- */

struct sent {
	uint8_t frame[2048];
	size_t len;
};

struct peer {
	struct rig *r;
	weir_tuple t;
	unsigned queue;
	unsigned vlans;
	bool ts;
	uint8_t mac[6];
	uint32_t isn, cookie;
	uint32_t seq, ack;
	uint32_t tsval, tsecr;
	uint16_t wnd;
	struct sent log[32]; /* what it sent, for replays */
	unsigned nlog;
};

/* An answer, its checksums and lengths checked. */
struct got {
	struct tcp_seg seg;
	uint8_t frame[4096];
	size_t len;
	uint32_t l3_off;
	uint8_t payload[4096];
};

void peer_init(struct peer *p, struct rig *r, int family, uint16_t port);
/* What the gate does: a cookie for this client, with the flow entered or not. */
void peer_cookie(struct peer *p, bool enter);
size_t peer_build(const struct peer *p, uint8_t *frame, uint8_t flags, uint32_t seq, uint32_t ack,
		  const void *data, size_t len);
void peer_send_at(struct peer *p, uint8_t flags, uint32_t seq, uint32_t ack, const void *data,
		  size_t len);
void peer_send(struct peer *p, uint8_t flags, const void *data, size_t len);
/* The next frame for it on its queue; other peers' frames before it are lost. false: none. */
bool peer_recv(struct peer *p, struct got *g);
/* Takes all that waits, acknowledges nothing. Flags seen, ORed. */
uint8_t peer_take(struct peer *p);
/* A SYN; its SYN-ACK, which what the client sends next acknowledges; and all three. */
void peer_syn(struct peer *p);
struct got peer_syn_ack(struct peer *p);
void peer_handshake(struct peer *p);
/* Cookie, entry, final ACK, one turn: a connection. */
void peer_open(struct peer *p);
/* Sends text, expects it back, acknowledges it. */
void peer_echo(struct peer *p, const char *text);
void peer_replay(struct peer *p); /* everything it ever sent, in order */
void frame_fix_checksums(uint8_t *frame, size_t len);

/* ---- a client with a TCP of its own ------------------------------------------------- */

struct bulk {
	struct peer p;
	struct tcp_conn *tcp;
	struct tcp_config cfg;
	struct tcp_pool pool;
	void *mem;
	struct tcp_env env;
	uint64_t counters[WEIR_C_MAX];
	uint64_t to_send, sent, received;
	bool shut, wrong;
	unsigned hop; /* 0: its own queue; n: another queue every n frames */
	unsigned frames;
};

void bulk_init(struct bulk *b, struct rig *r, uint16_t port, uint64_t bytes);
void bulk_fini(struct bulk *b);
/* Until all of them and the engine's ends are closed; false: time ran out. */
bool bulk_run(struct rig *r, struct bulk *all, unsigned n, uint64_t limit_us);

/* ---- two engines, and an application for either end ------------------------------------- */

struct end {
	unsigned opens, closes, timers, events;
	unsigned event_bits;
	int reason, error;
	struct weir_conn *conn; /* the last one opened */
	char in[4096];
	size_t len;
	const char *hello; /* sent by on_open */
	bool echo;
	bool close_on_eof;
	bool refuse;
};
extern const struct weir_app end_app;

struct pair {
	struct rig *a, *b; /* b listens on RIG_PORT */
	struct end ea, eb;
	/* false: the frame is lost. `to_b`: which way; v: parsed. NULL: all arrive. */
	bool (*wire)(struct pair *p, bool to_b, const struct weir_pkt *v);
	unsigned left;	   /* the wire's to use */
	unsigned moved;	   /* frames that arrived */
	unsigned to_queue; /* what arrives at a comes in on this queue */
	bool cut;
};

void pair_config(struct rig_config *cfg, bool a);
void pair_open(struct pair *p, const struct rig_config *a, const struct rig_config *b);
void pair_close(struct pair *p);
void pair_settle(struct pair *p);
void pair_pass(struct pair *p, uint64_t us);
/* From a to b's port; 0 or what worker_connect() says. */
int pair_connect(struct pair *p, int family, struct weir_conn **c);
/* a connects to b, up to ESTABLISHED on both. */
struct weir_conn *pair_up(struct pair *p, int family);
/* a sends text, and b's echo of it comes. */
void pair_talk(struct pair *p, struct weir_conn *c, const char *text);
/* Everything that any of the two may keep is over. */
void pair_expect_over(struct pair *p);
/* A test's set-up and tear-down: the pair by its defaults. */
int pair_setup(void **state);
int pair_teardown(void **state);
/* No slot, flow, port, block or tuple is left on a rig after its residues' time. */
void rig_expect_clean(struct rig *r);

/* ---- the echo application, counting its calls ------------------------------------------ */

struct echo_log {
	/* of all workers */
	_Atomic unsigned opens, closes, datas, writables, timers, shorts;
	_Atomic int last_reason;
	bool close_on_data, refuse, abort_on_data, abort_timeout_on_data;
	bool hold;	/* on_data reads nothing */
	bool keep_open; /* no close at the peer's end */
	bool shutdown_on_open;
	unsigned sleep_ms; /* on_data blocks that long */
	uint64_t timer_ms;
	const char *greeting; /* sent by on_open, then closed */
};
extern const struct weir_app echo_test_app;

/* A rig with the defaults that serves it: a test's set-up and tear-down. */
struct echo_rig {
	struct rig *r;
	struct echo_log log;
};
int echo_rig_setup(void **state);
int echo_rig_teardown(void **state);

/* Sends `bytes` of a bulk's stream, then closes. */
struct source_log {
	uint64_t bytes;
};
extern const struct weir_app source_test_app;

#endif
