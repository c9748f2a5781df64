# SPDX-License-Identifier: BSD-2-Clause
"""A virtio-net device whose XDP hook has several users: libxdp's dispatcher, with weir in it."""
# time-limit: 180
import functools
import sys

from guestlab import Nic, need_nic, pairs
from hooklab import XDPHOOK, coexists, has_freplace, hooked, no_dispatcher
from weirlab import Cases, need

need_nic()
need(XDPHOOK)
cases = Cases()
for queues in pairs():
    device = f"virtio_net/{queues}q"
    fixture = functools.partial(hooked, functools.partial(Nic, queues), device)
    if queues < 4:
        both = [coexists("native"), coexists("generic")]
        cases.group(fixture, both if has_freplace(fixture, device) else [no_dispatcher], f"{queues}q-")
sys.exit(cases.status())
