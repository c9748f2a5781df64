// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/proxy_worker.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <syslog.h>
#include <unistd.h>

#include "proxy/proxy.h"

#define CHUNK	 512 /* relays that memory is taken for at once */
#define FDS_KEPT 64

const char *const proxy_io_names[] = {"auto", "uring", "epoll", NULL};

static enum bio_kind io_wanted = BIO_AUTO;
static _Atomic int io_chosen = -1; /* -1: not yet */
static weir_app_log_fn io_log;

/* Rows of the workers there are, and the sum of those that have ended. */
static pthread_mutex_t rows_lock = PTHREAD_MUTEX_INITIALIZER;
static struct proxy_worker *rows;
static uint64_t ended[WEIR_C_MAX];

void proxy_set_io(enum bio_kind kind)
{
	io_wanted = kind;
	io_chosen = -1;
}

int proxy_io_choose(weir_app_log_fn log, char *why, size_t len)
{
	int rc = bio_choose(io_wanted, why, len);
	bool first = io_chosen < 0;

	if (rc < 0)
		return rc;
	io_chosen = rc;
	io_log = log;
	if (first && log)
		log(LOG_INFO, "proxy: backends are waited for by %s", why);
	return 0;
}

void proxy_counters(uint64_t *v)
{
	pthread_mutex_lock(&rows_lock);
	for (unsigned i = 0; i < WEIR_C_MAX; i++)
		v[i] += ended[i];
	for (struct proxy_worker *w = rows; w; w = w->others)
		for (unsigned i = 0; i < WEIR_C_MAX; i++)
			v[i] += __atomic_load_n(&w->counts[i], __ATOMIC_RELAXED);
	pthread_mutex_unlock(&rows_lock);
}

static void row_add(struct proxy_worker *w)
{
	pthread_mutex_lock(&rows_lock);
	w->others = rows;
	rows = w;
	pthread_mutex_unlock(&rows_lock);
}

static void row_remove(struct proxy_worker *w)
{
	struct proxy_worker **at = &rows;

	pthread_mutex_lock(&rows_lock);
	while (*at != w)
		at = &(*at)->others;
	*at = w->others;
	for (unsigned i = 0; i < WEIR_C_MAX; i++)
		ended[i] += w->counts[i];
	pthread_mutex_unlock(&rows_lock);
}

/* ---- relays ------------------------------------------------------------------------- */

static bool more_relays(struct proxy_worker *w)
{
	struct relay **all = realloc(w->chunks, (w->nchunks + 1) * sizeof(*all));
	struct relay *chunk;

	if (!all)
		return false;
	w->chunks = all;
	chunk = calloc(CHUNK, sizeof(*chunk));
	if (!chunk)
		return false;
	for (unsigned i = CHUNK; i--;) {
		chunk[i].index = w->nchunks * CHUNK + i;
		chunk[i].fd = -1;
		chunk[i].next = w->free;
		w->free = &chunk[i];
	}
	all[w->nchunks++] = chunk;
	return true;
}

struct relay *relay_new(struct proxy_worker *w)
{
	struct relay *r;

	if (!w->free && !more_relays(w))
		return NULL;
	r = w->free;
	w->free = r->next;
	*r = (struct relay){.index = r->index, .gen = r->gen, .fd = -1, .state = RELAY_CONNECTING};
	return r;
}

/* On the list of those that are due it stays, and is free once its turn has come. */
void relay_free(struct proxy_worker *w, struct relay *r)
{
	bool due = r->flags & RELAY_DUE;

	r->state = RELAY_FREE;
	r->c = NULL;
	r->flags = due ? RELAY_DUE : 0;
	r->gen++;
	if (due)
		return;
	r->next = w->free;
	w->free = r;
}

struct relay *relay_next(struct proxy_worker *w)
{
	struct relay *r;

	while ((r = w->due)) {
		w->due = r->next;
		if (!w->due)
			w->due_end = &w->due;
		r->flags &= (uint16_t)~RELAY_DUE;
		if (r->state != RELAY_FREE)
			return r;
		relay_free(w, r);
	}
	return NULL;
}

/* ---- the loop ----------------------------------------------------------------------- */

static void notice(void *arg, uint64_t token, unsigned what)
{
	struct proxy_worker *w = arg;
	uint32_t index = (uint32_t)token;
	struct relay *r;

	if (index / CHUNK >= w->nchunks)
		return;
	r = &w->chunks[index / CHUNK][index % CHUNK];
	if (r->fd < 0 || relay_token(r) != token)
		return;
	if (what & (BIO_IN | BIO_HUP | BIO_ERR))
		r->flags |= RELAY_IN;
	if (what & (BIO_OUT | BIO_ERR))
		r->flags |= RELAY_OUT;
	if (what & (BIO_HUP | BIO_ERR))
		r->flags |= RELAY_HUP;
	if (what & BIO_ERR)
		r->flags |= RELAY_ERR;
	if (what & BIO_LOST)
		r->flags |= RELAY_LOST;
	relay_due(w, r);
}

static unsigned turn(struct weir_loop *l, uint64_t now_us)
{
	struct proxy_worker *w = (struct proxy_worker *)l;

	(void)now_us;
	w->bio->ops->poll(w->bio);
	return relay_turn(w);
}

static void end(struct weir_loop *l)
{
	struct proxy_worker *w = (struct proxy_worker *)l;

	for (unsigned i = 0; i < w->nchunks * CHUNK; i++) {
		struct relay *r = &w->chunks[i / CHUNK][i % CHUNK];

		if (r->flags & RELAY_PICKED)
			backends_done(r->s->backends, r->backend);
		if (r->fd >= 0)
			close(r->fd);
	}
	w->bio->ops->close(w->bio);
	row_remove(w);
	for (unsigned i = 0; i < w->nchunks; i++)
		free(w->chunks[i]);
	free(w->chunks);
	free(w);
}

/* What a ring was made with at the start (privileges, memory) may be missing now. */
static int open_bio(struct proxy_worker *w)
{
	int rc = bio_open(&w->bio, (enum bio_kind)io_chosen, RELAY_BATCH * 4, notice, w);

	if (!rc || io_wanted != BIO_AUTO || io_chosen == BIO_EPOLL)
		return rc;
	if (io_log)
		io_log(LOG_WARNING, "proxy: no io_uring for a worker (%s): it waits by epoll",
		       strerror(-rc));
	return bio_open(&w->bio, BIO_EPOLL, RELAY_BATCH * 4, notice, w);
}

/*
 * Numbers are given from below: with the last ones kept, the control socket, checks and files
 * have theirs however many clients come.
 */
static int fd_limit(void)
{
	struct rlimit r;
	rlim_t kept;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur > INT_MAX)
		return INT_MAX;
	kept = r.rlim_cur / 8 < FDS_KEPT ? r.rlim_cur / 8 : FDS_KEPT;
	return (int)(r.rlim_cur - kept);
}

static struct proxy_worker *make(void)
{
	struct proxy_worker *w = aligned_alloc(64, (sizeof(*w) + 63) & ~(size_t)63);
	char why[128];

	if (!w)
		return NULL;
	memset(w, 0, sizeof(*w));
	if (io_chosen < 0 && proxy_io_choose(NULL, why, sizeof(why)))
		goto fail;
	if (open_bio(w))
		goto fail;
	w->loop = (struct weir_loop){.fd = w->bio->fd, .turn = turn, .end = end};
	w->due_end = &w->due;
	w->fd_max = fd_limit();
	row_add(w);
	return w;
fail:
	free(w);
	return NULL;
}

struct proxy_worker *proxy_worker_of(struct weir_conn *c)
{
	struct proxy_worker *w = (struct proxy_worker *)weir_loop_get(c);

	if (w)
		return w;
	w = make();
	if (!w) {
		pthread_mutex_lock(&rows_lock);
		ended[WEIR_C_proxy_no_memory]++;
		pthread_mutex_unlock(&rows_lock);
		return NULL;
	}
	weir_loop_set(c, &w->loop);
	return w;
}
