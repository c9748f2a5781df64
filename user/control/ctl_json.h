/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The replies of the control socket. Every reply is one object on one line with
 * "version": 1; names and units are fixed, scripts rely on them.
 *
 *   status    {"version":1,"weir":V,"pid":N,"iface":S,"mode":S,"xsk":S,"uptime_s":N,…}
 *   conns     {"version":1,"conns":[row,…],"unanswered_workers":[N,…]}
 *   counters  {"version":1,"counters":{NAME:N,…}}
 *   history   {"version":1,"seconds":N,"taken":N,"workers":N,"series":{NAME:[N,…],…},
 *              "cpu_permille":[[N,…],…]}    oldest first; a list a worker; taken numbers the newest
 *   keys      ctl_json_keys.h
 *   mode      {"version":1,"services":[{"listen":S,"app":S,"mode":S,"cookies":B,…},…]}
 *   health    {"version":1,"iface":S,"healthy":B,"reason":S|null,"draining":B,"full":B,
 *              "heartbeat_age_ms":N}
 *   backends  {"version":1,"services":[{"listen":S,"options":{NAME:TEXT,…},"up":N,"configured":N,
 *             "backends":[{"backend":S,"state":S,"in_use":N,…},…]},…]}
 *   drain     {"version":1,"drain":{"state":"serving|draining|closing","exit":B,
 *             "left_ms":N or null},"connections":N}
 *   ping      {"version":1,"pong":true,"weir":V,"pid":N}
 *   trace     {"version":1,"trace":true,"mono_ns":N,"wall_ns":N}, then records
 *   an error  {"version":1,"error":TEXT}
 */
#ifndef WEIR_CONTROL_CTL_JSON_H
#define WEIR_CONTROL_CTL_JSON_H

#include <jansson.h>

#include "control/ctl_source.h"

/* New references; NULL when memory is out. */
json_t *ctl_json_status(const struct ctl_status *s);
json_t *ctl_json_counters(const uint64_t *v);
/* The last `seconds` (0: all there are). h NULL: an empty one. */
json_t *ctl_json_history(const struct history *h, unsigned seconds);
/* Of one service (its index), or of all: only < 0. */
json_t *ctl_json_mode(const struct ctl_status *s, int only);
json_t *ctl_json_health(const struct ctl_health *h);
json_t *ctl_json_backends(const struct ctl_source *src);
json_t *ctl_json_drain(const struct ctl_status *s);
json_t *ctl_json_ping(void);
json_t *ctl_json_trace_head(uint64_t mono_ns, uint64_t wall_ns);
json_t *ctl_json_error(const char *text);
json_t *ctl_json_conn(const struct engine_conn_row *row);

#endif
