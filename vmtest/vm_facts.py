# SPDX-License-Identifier: BSD-2-Clause
"""
What tests say, `fact DEVICE FEATURE VALUE`: of a device (driver/queues/mode) it is what a kernel
can do, which lasts; of anything else, or in figures, it is how something went this time.
"""
import re

DEVICE = re.compile(r"^([^/]+)/(\d+)q/([^/]+)$")


def split(value):
    """("refused", "Operation not supported") of what a test said; of whichever interface."""
    head, _, why = value.partition(": ")
    return head.strip(), re.sub(r"\b(eth|weir)\d+\b", "IFACE", why).strip()


def lasting(device, value):
    return bool(DEVICE.match(device)) and not re.search(r"\d", split(value)[0])
