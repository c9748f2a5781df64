/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys as JSON, for the control socket and for `weir key show-id`.
 *
 *   {"version":1,"iface":S,"source":"file","file":S,"watch":"inotify","loaded_at":T,
 *    "file_error":S|null,
 *    "fingerprint":F,"mtu":N,"wscale":N,"now":T,"issuing":ID,
 *    "next":{"id":ID,"switch_at":T,"in_ms":N}|null,
 *    "keys":[{"id":ID,"state":S,"fingerprint":F,"accept_from":T,"issue_from":T,
 *             "retire_at":T|null},…]}
 *   {"version":1,"iface":S,"source":"random","rotate_ms":N}
 *
 * T: "2026-11-21T14:00:00Z"; F: 12 hexadecimal digits; states: keys_state_name().
 */
#ifndef WEIR_CONTROL_CTL_JSON_KEYS_H
#define WEIR_CONTROL_CTL_JSON_KEYS_H

#include <jansson.h>

#include "control/keys_report.h"

json_t *ctl_json_keys(const struct keys_status *s);
/* Of a file alone. */
json_t *ctl_json_key_file(const char *path, const struct keys_report *r);

#endif
