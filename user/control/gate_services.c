/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate's tables of what is ours (abi.h, "services"), changed while it reads them:
 * every step is one store or one map operation, in an order that leaves a frame
 * either as before or as after.
 */
#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "control/gate.h"
#include "control/gate_policy.h"

/* A service was there: its connections may still be. Not counted by gate_port_active(). */
#define ACTIVE_FOR_GOOD 0x80000000u

static void port_set(struct gate *g, uint16_t port, uint16_t bits)
{
	__atomic_fetch_or(&g->ports[port], bits, __ATOMIC_RELEASE);
}

static void port_clear(struct gate *g, uint16_t port, uint16_t bits)
{
	__atomic_fetch_and(&g->ports[port], (uint16_t)~bits, __ATOMIC_RELEASE);
}

/* The gate's own tables find a service for us, too. */
static int find(const struct gate *g, const struct weir_addr *a)
{
	struct weir_service_key key;
	uint32_t id;

	if (!a->family) {
		id = g->ports[a->port] & WEIR_PORT_ID_MASK;
		return id ? (int)id - 1 : -ENOENT;
	}
	services_key(&key, a);
	if (bpf_map_lookup_elem(g->services_fd, &key, &id))
		return -ENOENT;
	return (int)id;
}

static int free_id(struct gate *g)
{
	while (g->free_from < WEIR_MAX_SERVICES && g->services[g->free_from].in_use)
		g->free_from++;
	return g->free_from < WEIR_MAX_SERVICES ? (int)g->free_from : -ENOSPC;
}

/*
 * The key of an address without a port, for TCP whose ports cannot be read, names any of the
 * services there; the others are on a ring with it.
 */
static int join_host(struct gate *g, struct weir_service_key *key, uint32_t id)
{
	struct gate_listen *l = &g->listens[id], *other;
	uint32_t first;

	key->port = 0;
	l->next = l->prev = (uint16_t)id;
	if (bpf_map_lookup_elem(g->services_fd, key, &first))
		return bpf_map_update_elem(g->services_fd, key, &id, BPF_ANY);
	other = &g->listens[first];
	l->next = other->next;
	l->prev = (uint16_t)first;
	g->listens[other->next].prev = (uint16_t)id;
	other->next = (uint16_t)id;
	return 0;
}

static void leave_host(struct gate *g, struct weir_service_key *key, uint32_t id)
{
	const struct gate_listen *l = &g->listens[id];
	uint32_t next = l->next;

	key->port = 0;
	g->listens[l->next].prev = l->prev;
	g->listens[l->prev].next = l->next;
	if (next == id)
		bpf_map_delete_elem(g->services_fd, key);
	else
		bpf_map_update_elem(g->services_fd, key, &next, BPF_ANY);
}

/* An address and port, and the address alone. */
static int enter_address(struct gate *g, uint32_t id)
{
	const struct weir_addr *a = &g->listens[id].addr;
	struct weir_service_key key;
	int rc;

	services_key(&key, a);
	rc = bpf_map_update_elem(g->services_fd, &key, &id, BPF_ANY);
	if (rc)
		return rc;
	rc = join_host(g, &key, id);
	if (rc) {
		services_key(&key, a);
		bpf_map_delete_elem(g->services_fd, &key);
		return rc;
	}
	if (!g->addressed[a->port]++)
		port_set(g, a->port, WEIR_PORT_ADDRESSED);
	return 0;
}

static void leave_address(struct gate *g, uint32_t id)
{
	const struct weir_addr *a = &g->listens[id].addr;
	struct weir_service_key key;

	services_key(&key, a);
	bpf_map_delete_elem(g->services_fd, &key);
	leave_host(g, &key, id);
	if (!--g->addressed[a->port])
		port_clear(g, a->port, WEIR_PORT_ADDRESSED);
}

static int listen_locked(struct gate *g, const struct weir_addr *a, const struct service_mode *m)
{
	struct weir_service *s;
	int id, rc = 0;

	if (find(g, a) >= 0)
		return -EEXIST;
	id = free_id(g);
	if (id < 0)
		return id;
	s = &g->services[id];
	s->mode = (uint32_t)m->mode;
	s->syn_per_sec = m->syn_per_sec;
	s->hold_ms = m->hold_ms;
	s->pressure_ms = s->cookies_ms = 0;
	g->listens[id].addr = *a;
	gate_policy_listen(g, (unsigned)id);
	__atomic_store_n(&s->in_use, 1, __ATOMIC_RELEASE);
	if (a->family)
		rc = enter_address(g, (uint32_t)id);
	else
		port_set(g, a->port, (uint16_t)(id + 1));
	if (rc)
		s->in_use = 0;
	return rc ? rc : id;
}

int gate_listen(struct gate *g, const struct weir_addr *a, const struct service_mode *m)
{
	int id;

	pthread_mutex_lock(&g->lock);
	id = listen_locked(g, a, m);
	pthread_mutex_unlock(&g->lock);
	return id;
}

void gate_unlisten(struct gate *g, unsigned id)
{
	struct weir_addr a;

	pthread_mutex_lock(&g->lock);
	if (id < WEIR_MAX_SERVICES && g->services[id].in_use) {
		a = g->listens[id].addr;
		g->active[a.port] |= ACTIVE_FOR_GOOD;
		port_set(g, a.port, WEIR_PORT_ACTIVE);
		__atomic_store_n(&g->services[id].in_use, 0, __ATOMIC_RELEASE);
		if (a.family)
			leave_address(g, id);
		else
			port_clear(g, a.port, WEIR_PORT_ID_MASK);
		if (id < g->free_from)
			g->free_from = id;
	}
	pthread_mutex_unlock(&g->lock);
}

int gate_services(struct gate *g, struct services *s, const struct service_mode *common,
		  struct weir_err *err)
{
	unsigned i;

	for (i = 0; i < s->n; i++) {
		const struct service_mode m = service_mode_of(&s->v[i], common);
		int id = gate_listen(g, &s->v[i].addr, &m);

		if (id < 0)
			return err_set(err, id, "%s: cannot tell the gate of it: %s", s->v[i].text,
				       strerror(-id));
		s->v[i].gate_id = (uint16_t)id;
	}
	return 0;
}

struct weir_service *gate_service_at(struct gate *g, const struct weir_addr *a)
{
	int id;

	pthread_mutex_lock(&g->lock);
	id = find(g, a);
	pthread_mutex_unlock(&g->lock);
	return id < 0 ? NULL : &g->services[id];
}

static void set_mode(struct weir_service *s, enum weir_mode mode)
{
	if (s->mode != (uint32_t)mode)
		__atomic_store_n(&s->cookies_ms, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&s->mode, (uint32_t)mode, __ATOMIC_RELEASE);
}

static bool is_service(const struct gate *g, unsigned id)
{
	return id < WEIR_MAX_SERVICES && g->services[id].in_use;
}

int gate_service_mode(struct gate *g, unsigned id, enum weir_mode mode)
{
	int rc = -EINVAL;

	pthread_mutex_lock(&g->lock);
	if (is_service(g, id) && mode <= WEIR_MODE_NEVER) {
		set_mode(&g->services[id], mode);
		rc = 0;
	}
	pthread_mutex_unlock(&g->lock);
	return rc;
}

enum weir_mode gate_service_mode_now(const struct gate *g, unsigned id)
{
	return (enum weir_mode)__atomic_load_n(&g->services[id].mode, __ATOMIC_RELAXED);
}

int gate_service_set(struct gate *g, unsigned id, const struct service_mode *m)
{
	int rc = -EINVAL;

	pthread_mutex_lock(&g->lock);
	if (is_service(g, id)) {
		__atomic_store_n(&g->services[id].syn_per_sec, m->syn_per_sec, __ATOMIC_RELAXED);
		__atomic_store_n(&g->services[id].hold_ms, m->hold_ms, __ATOMIC_RELAXED);
		set_mode(&g->services[id], m->mode);
		rc = 0;
	}
	pthread_mutex_unlock(&g->lock);
	return rc;
}

void gate_port_active(struct gate *g, uint16_t port, bool on)
{
	pthread_mutex_lock(&g->lock);
	if (on && !g->active[port]++)
		port_set(g, port, WEIR_PORT_ACTIVE);
	else if (!on && g->active[port] & ~ACTIVE_FOR_GOOD && !--g->active[port])
		port_clear(g, port, WEIR_PORT_ACTIVE);
	pthread_mutex_unlock(&g->lock);
}
