# SPDX-License-Identifier: BSD-2-Clause
# time-limit: 60
"""weir on virtio-net: one, two and four queues, an unmodified client at the other end."""
import sys

from guestlab import need_nic
from niccases import attached, echo, every_queue, http, on_pairs, wanders

need_nic()
sys.exit(on_pairs({
    1: [("native", (attached, echo, http, every_queue))],
    2: [("native", (attached, echo, http, every_queue, wanders)), ("generic", (attached, echo, http))],
    4: [("native", (attached, echo, every_queue, wanders))],
}))
