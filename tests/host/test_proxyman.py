# SPDX-License-Identifier: BSD-2-Clause
"""The options of a proxied service are those of its manual page, in the same order."""
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, f"{ROOT}/tests/net")
from weirlab import Cases, check, check_equal  # noqa: E402


def read(path):
    with open(f"{ROOT}/{path}", encoding="utf-8") as f:
        return f.read()


def options(_):
    table = read("user/proxy/proxy_spec.c").split("options[] = {")[1].split("\n};")[0]
    known = re.findall(r'(?:OPT_\w+\(|\{\{)"([a-z-]+)"', table)
    page = re.findall(r"^\*([a-z-]+)=\*", read("docs/man/weir-proxy.8.scd"), re.M)
    check(len(known) > 10, f"options found: {known}")
    check_equal(page, known, "options of the page")


cases = Cases()
cases.one(options, None)
sys.exit(cases.status())
