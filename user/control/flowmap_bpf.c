/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <bpf/bpf.h>

#include <weir/presence.h>

#include "control/flowmap_bpf.h"

#define BATCH	     256 /* keys on the stack */
#define BUSY_RETRIES 64

static struct flowmap_bpf *to_bpf(struct flowmap *m)
{
	return (struct flowmap_bpf *)m;
}

/* ::ffff:a.b.c.d is an IPv4 tuple. */
static bool is_v4(const weir_tuple *t)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	return !memcmp(t->raddr, mapped, sizeof(mapped)) &&
	       !memcmp(t->laddr, mapped, sizeof(mapped));
}

static void to_key4(struct weir_flow_key4 *k, const weir_tuple *t)
{
	k->raddr = t->raddr[3];
	k->laddr = t->laddr[3];
	k->rport = t->rport;
	k->lport = t->lport;
}

static void from_key4(weir_tuple *t, const struct weir_flow_key4 *k)
{
	memset(t, 0, sizeof(*t));
	t->raddr[2] = t->laddr[2] = __builtin_bswap32(0xffff);
	t->raddr[3] = k->raddr;
	t->laddr[3] = k->laddr;
	t->rport = k->rport;
	t->lport = k->lport;
}

/* A flow that is there is counted (include/weir/presence.h): by 1 before, -1 after. */
static void count4(struct flowmap_bpf *m, const struct weir_flow_key4 *k, uint32_t by)
{
	__atomic_fetch_add(&m->presence[weir_presence_cell(weir_tuple_hash4(k))], by,
			   __ATOMIC_SEQ_CST);
}

static void count6(struct flowmap_bpf *m, const weir_tuple *t, uint32_t by)
{
	__atomic_fetch_add(&m->presence[weir_presence_cell(weir_tuple_hash6(t))], by,
			   __ATOMIC_SEQ_CST);
}

static void count(struct flowmap_bpf *m, const weir_tuple *t, uint32_t by)
{
	struct weir_flow_key4 k4;

	if (!is_v4(t)) {
		count6(m, t, by);
		return;
	}
	to_key4(&k4, t);
	count4(m, &k4, by);
}

/* The kernel gives EBUSY when a bucket's lock is held on this very CPU. */
static bool again(int rc, unsigned *tries)
{
	return (rc == -EBUSY || rc == -EAGAIN || rc == -EINTR) && ++*tries < BUSY_RETRIES;
}

static int fm_lookup(struct flowmap *map, const weir_tuple *t, struct weir_flow *f)
{
	struct flowmap_bpf *m = to_bpf(map);
	struct weir_flow_key4 k4;

	if (!is_v4(t))
		return bpf_map_lookup_elem(m->fd6, t, f);
	to_key4(&k4, t);
	return bpf_map_lookup_elem(m->fd4, &k4, f);
}

static int enter(struct flowmap_bpf *m, const weir_tuple *t, const struct weir_flow *f)
{
	struct weir_flow_key4 k4;
	bool v4 = is_v4(t);
	unsigned tries = 0;
	int rc;

	if (v4)
		to_key4(&k4, t);
	count(m, t, 1);
	do {
		rc = bpf_map_update_elem(v4 ? m->fd4 : m->fd6, v4 ? (const void *)&k4 : t, f,
					 BPF_NOEXIST);
	} while (again(rc, &tries));
	if (!rc)
		atomic_fetch_add_explicit(&m->inserted, 1, memory_order_relaxed);
	else
		count(m, t, -1u);
	return rc;
}

static int fm_insert(struct flowmap *map, const weir_tuple *t, const struct weir_flow *f)
{
	struct flowmap_bpf *m = to_bpf(map);
	struct weir_flow counted = *f;
	int rc;

	if (!flow_counts_used(&m->counts))
		return enter(m, t, f);
	pthread_rwlock_rdlock(&m->counts.lock);
	counted.flags |= flow_counts_mark(&m->counts);
	flow_counts_add(&m->counts, t->raddr, counted.flags, 1);
	rc = enter(m, t, &counted);
	if (rc)
		flow_counts_add(&m->counts, t->raddr, counted.flags, -1);
	pthread_rwlock_unlock(&m->counts.lock);
	return rc;
}

/* ---- deleting ------------------------------------------------------------------- */

struct keys {
	int fd;
	uint8_t *key;
	size_t size;
	unsigned n;
	uint8_t flags[BATCH]; /* of the entries, where flows are counted by source */
};

static void key_raddr(const struct flowmap_bpf *m, const struct keys *k, unsigned i,
		      __be32 raddr[4])
{
	weir_tuple t;

	if (k->fd == m->fd4)
		from_key4(&t, (const struct weir_flow_key4 *)k->key + i);
	else
		t = ((const weir_tuple *)k->key)[i];
	memcpy(raddr, t.raddr, sizeof(t.raddr));
}

/* Keys of the map that were deleted. */
static void uncount_keys(struct flowmap_bpf *m, const struct keys *k, unsigned from, unsigned n)
{
	unsigned i;

	for (i = from; i < from + n; i++) {
		__be32 raddr[4];

		if (k->fd == m->fd4)
			count4(m, (const struct weir_flow_key4 *)k->key + i, -1u);
		else
			count6(m, (const weir_tuple *)k->key + i, -1u);
		if (!k->flags[i])
			continue;
		key_raddr(m, k, i, raddr);
		flow_counts_add(&m->counts, raddr, k->flags[i], -1);
	}
}

/*
 * bpf_map_delete_batch() stops at the first key that is not there with -ENOENT,
 * having deleted those before: go on after it.
 */
static int delete_batch(struct flowmap_bpf *m, struct keys *k)
{
	struct bpf_map_batch_opts opts = {.sz = sizeof(opts)};
	unsigned done = 0, gone = 0, tries = 0;
	int rc = 0;

	while (done < k->n) {
		__u32 deleted = k->n - done;

		rc = bpf_map_delete_batch(k->fd, k->key + done * k->size, &deleted, &opts);
		if (rc && rc != -ENOENT && rc != -EBUSY && rc != -EAGAIN && rc != -EINTR)
			break;
		uncount_keys(m, k, done, deleted);
		done += deleted;
		gone += deleted;
		if (rc == -ENOENT)
			done++;
		else if (rc && !again(rc, &tries))
			break;
		rc = 0;
	}
	atomic_fetch_add_explicit(&m->removed, gone, memory_order_relaxed);
	return rc;
}

static int delete_keys(struct flowmap_bpf *m, int fd, void *key, size_t size, unsigned n)
{
	struct keys k = {.fd = fd, .key = key, .size = size, .n = n};
	struct weir_flow f;
	unsigned i;
	int rc;

	if (!n)
		return 0;
	if (!flow_counts_used(&m->counts))
		return delete_batch(m, &k);
	pthread_rwlock_rdlock(&m->counts.lock);
	for (i = 0; i < n; i++)
		if (!bpf_map_lookup_elem(fd, k.key + i * size, &f))
			k.flags[i] = f.flags & WEIR_FLOW_COUNTED;
	rc = delete_batch(m, &k);
	pthread_rwlock_unlock(&m->counts.lock);
	return rc;
}

static int fm_remove(struct flowmap *map, const weir_tuple *t, unsigned n)
{
	struct flowmap_bpf *m = to_bpf(map);
	struct weir_flow_key4 k4[BATCH];
	weir_tuple k6[BATCH];
	int rc = 0;

	while (n) {
		unsigned i, n4 = 0, n6 = 0, step = n < BATCH ? n : BATCH;
		int err;

		for (i = 0; i < step; i++) {
			if (is_v4(&t[i]))
				to_key4(&k4[n4++], &t[i]);
			else
				k6[n6++] = t[i];
		}
		/* One family's trouble is no reason to leave the other's entries behind. */
		err = delete_keys(m, m->fd4, k4, sizeof(k4[0]), n4);
		rc = rc ? rc : err;
		err = delete_keys(m, m->fd6, k6, sizeof(k6[0]), n6);
		rc = rc ? rc : err;
		t += step;
		n -= step;
	}
	return rc;
}

/*
 * The cursor is the map (bit 32: IPv6) and the hash bucket to go on from (low 32
 * bits), which is what the kernel takes and gives as a batch position.
 */
#define CURSOR_V6 (1ull << 32)

static int fm_walk(struct flowmap *map, uint64_t *cursor, weir_tuple *t, struct weir_flow *f,
		   unsigned max)
{
	struct flowmap_bpf *m = to_bpf(map);
	struct bpf_map_batch_opts opts = {.sz = sizeof(opts)};
	struct weir_flow_key4 k4[BATCH];
	bool v6 = *cursor & CURSOR_V6;
	__u32 in = (__u32)*cursor, out = in, count = max < BATCH ? max : BATCH, i;
	int rc;

	rc = bpf_map_lookup_batch(v6 ? m->fd6 : m->fd4, &in, &out, v6 ? (void *)t : k4, f, &count,
				  &opts);
	switch (rc) {
	case 0:
		*cursor = (v6 ? CURSOR_V6 : 0) | out;
		break;
	case -ENOENT: /* that was the last bucket */
		*cursor = v6 ? 0 : CURSOR_V6;
		break;
	case -ENOSPC: /* one bucket holds more than max: leave it out */
		*cursor = (v6 ? CURSOR_V6 : 0) | (out + 1);
		return 0;
	case -EINTR:
	case -EAGAIN:
		return 0;
	default:
		*cursor = 0;
		return rc;
	}
	for (i = 0; !v6 && i < count; i++)
		from_key4(&t[i], &k4[i]);
	return (int)count;
}

/* ---- counts by source ------------------------------------------------------------- */

/* The entry with other flags. */
static int rewrite(struct flowmap_bpf *m, const weir_tuple *t, const struct weir_flow *f)
{
	struct weir_flow_key4 k4;
	unsigned tries = 0;
	int rc;

	to_key4(&k4, t);
	do {
		rc = is_v4(t) ? bpf_map_update_elem(m->fd4, &k4, f, BPF_EXIST)
			      : bpf_map_update_elem(m->fd6, t, f, BPF_EXIST);
	} while (again(rc, &tries));
	return rc;
}

/* Says so in the entry, and counts by it. */
static void set_alive(struct flowmap_bpf *m, const weir_tuple *t, bool alive)
{
	uint8_t mark = flow_counts_mark(&m->counts), was;
	struct weir_flow f;

	if (fm_lookup(&m->map, t, &f))
		return;
	was = f.flags;
	if (!alive)
		f.flags = (uint8_t)((was & ~WEIR_FLOW_COUNTED) | WEIR_FLOW_OVER);
	else if (!(was & WEIR_FLOW_COUNTED))
		f.flags = (uint8_t)((was & ~WEIR_FLOW_OVER) | mark);
	if (f.flags == was || rewrite(m, t, &f))
		return;
	flow_counts_add(&m->counts, t->raddr, was, -1);
	flow_counts_add(&m->counts, t->raddr, f.flags, 1);
}

static void fm_alive(struct flowmap *map, const weir_tuple *t, bool alive)
{
	struct flowmap_bpf *m = to_bpf(map);

	if (!flow_counts_used(&m->counts))
		return;
	pthread_rwlock_rdlock(&m->counts.lock);
	set_alive(m, t, alive);
	pthread_rwlock_unlock(&m->counts.lock);
}

void flowmap_bpf_count(struct flowmap_bpf *m, uint32_t in)
{
	pthread_rwlock_wrlock(&m->counts.lock);
	atomic_store_explicit(&m->counts.in, in, memory_order_relaxed);
	if (in)
		atomic_store_explicit(&m->counts.used, true, memory_order_release);
	pthread_rwlock_unlock(&m->counts.lock);
}

static int recount_one(struct flowmap_bpf *m, const weir_tuple *t, struct weir_flow *f)
{
	uint8_t mark = flow_counts_mark(&m->counts), was = f->flags;
	int rc;

	f->flags = (uint8_t)((was & ~WEIR_FLOW_COUNTED) | (was & WEIR_FLOW_OVER ? 0 : mark));
	if (f->flags == was)
		return 0;
	rc = rewrite(m, t, f);
	if (rc)
		return rc == -ENOENT ? 0 : rc;
	flow_counts_add(&m->counts, t->raddr, was, -1);
	flow_counts_add(&m->counts, t->raddr, f->flags, 1);
	return 0;
}

int flowmap_bpf_recount(struct flowmap_bpf *m)
{
	struct weir_flow f[BATCH];
	weir_tuple t[BATCH];
	uint64_t cursor = 0;
	int i, n, rc = 0;

	do {
		pthread_rwlock_wrlock(&m->counts.lock);
		n = fm_walk(&m->map, &cursor, t, f, BATCH);
		for (i = 0; i < n && !rc; i++)
			rc = recount_one(m, &t[i], &f[i]);
		pthread_rwlock_unlock(&m->counts.lock);
		rc = rc ? rc : n < 0 ? n : 0;
	} while (cursor && !rc);
	return rc;
}

static const struct flowmap_ops bpf_ops = {
	.lookup = fm_lookup,
	.insert = fm_insert,
	.remove = fm_remove,
	.walk = fm_walk,
	.alive = fm_alive,
};

void flowmap_bpf_init(struct flowmap_bpf *m, int fd4, int fd6, uint32_t *presence)
{
	memset(m, 0, sizeof(*m));
	m->map.ops = &bpf_ops;
	m->fd4 = fd4;
	m->fd6 = fd6;
	m->presence = presence;
	flow_counts_init(&m->counts, NULL, NULL);
}
