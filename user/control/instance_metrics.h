/* SPDX-License-Identifier: BSD-2-Clause */
/* A running instance as its metrics show it. */
#ifndef WEIR_CONTROL_INSTANCE_METRICS_H
#define WEIR_CONTROL_INSTANCE_METRICS_H

#include "control/ctl_source.h"
#include "control/instance.h"

void instance_metrics(const struct weir_instance *inst, struct ctl_metrics *m);

#endif
