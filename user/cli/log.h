/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: one line on stderr per message, whole even among threads. */
#ifndef WEIR_CLI_LOG_H
#define WEIR_CLI_LOG_H

/* Names of the levels LOG_ERR..LOG_DEBUG of <syslog.h>, in order; NULL at the end. */
extern const char *const log_level_names[];
#define LOG_LEVEL_FIRST 3 /* LOG_ERR */

void log_set_level(int level);
void log_msg(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
