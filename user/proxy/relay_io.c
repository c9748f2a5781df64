// SPDX-License-Identifier: BSD-2-Clause
/*
 * The bytes of relays, both ways, a batch at a time:
 *
 *     client's receive buffer ── peek ──► write ── as much as was taken: consumed
 *     client's send buffer ── reserve ──► read ─── as much as came: committed
 *
 * Nothing of a connection changes between the two steps: no callback runs in between.
 */
#include "proxy/proxy_worker.h"

#include <errno.h>
#include <sys/socket.h>

static struct bio_op *new_op(struct proxy_worker *w, struct relay *r, bool send, unsigned niov)
{
	struct bio_op *op = &w->op[w->nops];

	*op = (struct bio_op){.fd = r->fd, .send = send, .iov = w->iov[w->nops], .niov = niov};
	w->batch[w->nops++] = r;
	return op;
}

/* ---- from the backend ---------------------------------------------------------------- */

static void add_read(struct proxy_worker *w, struct relay *r)
{
	int n = weir_send_reservev(r->c, w->iov[w->nops], r->pieces);

	/* Without room on_writable comes. */
	if (!n)
		return;
	/* A notice that comes while it is read is of bytes behind those. */
	r->flags &= (uint16_t)~RELAY_IN;
	new_op(w, r, false, (unsigned)n);
}

static size_t asked_for(const struct bio_op *op)
{
	size_t n = 0;

	for (unsigned i = 0; i < op->niov; i++)
		n += op->iov[i].iov_len;
	return n;
}

static void moved(struct relay *r, uint16_t answer)
{
	r->since_us = weir_now_us(r->c);
	r->flags = (uint16_t)((r->flags & ~RELAY_ANSWER) | answer);
}

/* Of a short read the rest has been read, too; but behind the last bytes is the end. */
static void read_some(struct proxy_worker *w, struct relay *r, const struct bio_op *op)
{
	bool all = (size_t)op->res == asked_for(op);

	proxy_add(w, WEIR_C_proxy_bytes_to_client, (uint64_t)op->res);
	moved(r, RELAY_ANSWER);
	r->flags |= RELAY_HEARD;
	if (all || r->flags & RELAY_HUP)
		r->flags |= RELAY_IN;
	if (all && r->pieces < RELAY_IOV)
		r->pieces *= 2;
	else if (r->pieces > 1 && op->niov > 1 && (size_t)op->res <= op->iov[0].iov_len)
		r->pieces /= 2;
	if (r->flags & RELAY_IN)
		relay_due(w, r);
}

static void was_read(struct proxy_worker *w, struct relay *r, const struct bio_op *op)
{
	weir_send_commit(r->c, op->res > 0 ? (size_t)op->res : 0);
	if (op->res > 0) {
		read_some(w, r, op);
	} else if (!op->res) {
		r->flags |= RELAY_B_EOF;
		relay_due(w, r);
	} else if (op->res != -EAGAIN) {
		relay_broken(w, r, (int)-op->res);
	}
}

/* ---- to the backend ------------------------------------------------------------------- */

static unsigned put_head(struct proxy_worker *w, const struct relay *r, struct iovec *iov)
{
	uint8_t *p = w->head[w->nheads];
	struct weir_addr from, to;

	if (r->head_sent == r->head)
		return 0;
	weir_conn_peer(r->c, &from);
	weir_conn_local(r->c, &to);
	pp2_header(p, PP2_MAX, &from, &to);
	*iov = (struct iovec){p + r->head_sent, (size_t)(r->head - r->head_sent)};
	w->nheads++;
	return 1;
}

static void add_write(struct proxy_worker *w, struct relay *r)
{
	struct iovec *iov = w->iov[w->nops];
	unsigned n = put_head(w, r, iov);

	n += (unsigned)weir_recv_peekv(r->c, iov + n, RELAY_IOV);
	if (!n)
		return;
	r->flags &= (uint16_t)~RELAY_OUT;
	new_op(w, r, true, n);
}

static void wrote(struct proxy_worker *w, struct relay *r, const struct bio_op *op)
{
	size_t n = (size_t)op->res, head = (size_t)(r->head - r->head_sent);

	if (n == asked_for(op))
		r->flags |= RELAY_OUT;
	else
		proxy_count(w, WEIR_C_proxy_backend_full);
	head = n < head ? n : head;
	r->head_sent += (uint8_t)head;
	proxy_add(w, WEIR_C_proxy_bytes_to_backend, n - head);
	weir_recv_done(r->c, n - head);
	moved(r, 0);
	if (r->flags & RELAY_OUT && (weir_recv_ready(r->c) || weir_recv_fin(r->c)))
		relay_due(w, r);
	/* The end of the backend's stream may have waited for these bytes. */
	if (r->flags & RELAY_B_EOF)
		relay_due(w, r);
}

static void was_written(struct proxy_worker *w, struct relay *r, const struct bio_op *op)
{
	if (op->res >= 0)
		wrote(w, r, op);
	else if (op->res != -EAGAIN)
		relay_broken(w, r, (int)-op->res);
}

/* ---- the ends of streams ---------------------------------------------------------------- */

/*
 * With both FINs a connection is over and what is unread of it lost: behind the client's,
 * ours waits until the backend has taken all.
 */
static bool may_end(struct relay *r)
{
	return !weir_recv_fin(r->c) || !weir_recv_ready(r->c);
}

static void pass_ends(struct proxy_worker *w, struct relay *r)
{
	if (!(r->flags & RELAY_C_END) && weir_recv_eof(r->c) && r->head_sent == r->head) {
		shutdown(r->fd, SHUT_WR);
		r->flags |= RELAY_C_END;
	}
	if ((r->flags & (RELAY_B_EOF | RELAY_B_END)) == RELAY_B_EOF && may_end(r)) {
		weir_shutdown(r->c);
		r->flags |= RELAY_B_END;
	}
	if ((r->flags & (RELAY_B_END | RELAY_C_END)) == (RELAY_B_END | RELAY_C_END))
		relay_finished(w, r);
}

/* ---- a batch ----------------------------------------------------------------------------- */

static void connecting(struct proxy_worker *w, struct relay *r)
{
	if (r->flags & (RELAY_ERR | RELAY_HUP))
		relay_connected(w, r, relay_error(r));
	else if (r->flags & RELAY_OUT)
		relay_connected(w, r, 0);
}

static void look_at(struct proxy_worker *w, struct relay *r)
{
	int error;

	if (r->flags & RELAY_LOST && r->fd >= 0)
		w->bio->ops->watch(w->bio, r->fd, relay_token(r));
	r->flags &= (uint16_t)~RELAY_LOST;
	if (r->state == RELAY_CONNECTING)
		connecting(w, r);
	if (r->state != RELAY_OPEN)
		return;
	/* Nobody reads any more, who would have been told. */
	if (r->flags & RELAY_ERR && r->flags & RELAY_B_EOF) {
		error = relay_error(r);
		r->flags &= (uint16_t)~RELAY_ERR;
		if (error) {
			relay_broken(w, r, error);
			return;
		}
	}
	pass_ends(w, r);
	if (r->state != RELAY_OPEN)
		return;
	if (r->flags & RELAY_IN && !(r->flags & RELAY_B_EOF))
		add_read(w, r);
	if (r->flags & RELAY_OUT && !(r->flags & RELAY_C_END))
		add_write(w, r);
}

unsigned relay_turn(struct proxy_worker *w)
{
	struct relay *r;
	unsigned n = 0;

	w->nops = w->nheads = 0;
	for (; n < RELAY_BATCH && (r = relay_next(w)); n++)
		look_at(w, r);
	if (w->nops)
		w->bio->ops->run(w->bio, w->op, w->nops);
	for (unsigned i = 0; i < w->nops; i++) {
		r = w->batch[i];
		/* What was read before it broke is committed, and nothing after. */
		if (r->state != RELAY_OPEN)
			continue;
		if (w->op[i].send)
			was_written(w, r, &w->op[i]);
		else
			was_read(w, r, &w->op[i]);
	}
	return n;
}
