# SPDX-License-Identifier: BSD-2-Clause
"""What a run came to, in a line a guest: counts, the failures, bad lines of the console."""
import json
import os
import re
import xml.etree.ElementTree as ET

BAD = re.compile(r"WARNING:|BUG:|KASAN|UBSAN|Oops|blocked for more than \d+ seconds|Kernel panic")


def main(dirs):
    total = {"passed": 0, "failed": 0, "skipped": 0}
    for where in dirs:
        with open(f"{where}/status.json", encoding="utf-8") as f:
            status = json.load(f)
        name = f"{status['kernel']} {status['machine']}"
        bad = [] if status["ended"] == "done" else [f"guest ended: {status['ended']}"]
        if os.path.exists(f"{where}/junit.xml"):
            for case in ET.parse(f"{where}/junit.xml").iter("testcase"):
                fault, skip = case.find("failure"), case.find("skipped")
                if fault is not None:
                    bad.append(f"{case.get('classname')}: {case.get('name')} - {fault.get('message')}")
                else:
                    total["passed" if skip is None else "skipped"] += 1
        if os.path.exists(f"{where}/console.log"):
            with open(f"{where}/console.log", encoding="utf-8", errors="replace") as f:
                bad += [f"kernel log: {line.strip()}" for line in f if BAD.search(line)][:5]
        total["failed"] += len(bad)
        for line in bad:
            print(f"not ok {name}: {line}")
    print(f"{total['passed']} passed, {total['failed']} failed, {total['skipped']} skipped")
    return 1 if total["failed"] else 0
