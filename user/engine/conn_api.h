/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What user/sock needs of a connection and a worker beyond weir.h. Everything is
 * called from the worker's thread, inside or outside of callbacks: calls that give
 * TCP something to send put the connection on the run list, and the next
 * worker_poll() sends it (worker_next_timeout() is then now).
 */
#ifndef WEIR_CONN_API_H
#define WEIR_CONN_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <weir/weir.h>
#include "engine/engine.h"
#include "tcp/tcp.h"

/* on_event: besides TCP_EV_URGENT and TCP_EV_SENT, a soft error: weir_conn_error(). */
#define CONN_EV_ERROR 0x100

/* Moves the worker's clock on (never back): what is called next counts from there. */
void worker_clock(struct worker *w, uint64_t now_us);

enum weir_tcp_state conn_tcp_state(const struct weir_conn *c);
void conn_info(const struct weir_conn *c, struct tcp_info *info);
void conn_set_opts(struct weir_conn *c, const struct tcp_opts *o);
void conn_get_opts(const struct weir_conn *c, struct tcp_opts *o);
/* As tcp_send_urgent() and tcp_recv_urgent(). */
size_t conn_send_urgent(struct weir_conn *c, const void *data, size_t len);
bool conn_recv_urgent(const struct weir_conn *c, uint64_t *ahead);
/* Its arg from now on: a socket that was accepted takes over from its listener. */
void conn_set_arg(struct weir_conn *c, void *arg);

#endif
