"""Handlers that die, hang, flap and babble: each call fails with what is known of why, the others and the gateway do not notice."""
import re

from stress import http_call, run, wait_for
from client import post

CONFIG = """
limits: {max_processes: 100}
commands:
  - {name: dies, run: [sh, -c, 'echo last words >&2; kill -9 $$']}
  - {name: crashes, run: [sh, -c, 'echo last words >&2; kill -SEGV $$']}
  - {name: fails, run: [sh, -c, 'echo last words >&2; exit 3']}
  - {name: flaps, run: [sh, -c, 'echo last words >&2; exit $(($$ % 2))']}
  - {name: hangs, run: [sleep, "1000"], timeout: 200ms}
  - {name: deaf, run: [sh, -c, 'trap "" TERM HUP INT; while :; do sleep 1000; done'], timeout: 200ms}
  - {name: closes, run: [sh, -c, 'exec >&- 2>&-; sleep 0.1; exit 4']}
  - {name: orphan, run: [sh, -c, 'sleep 1000 & echo gone >&2; exit 5'], timeout: 5s}
  - {name: babbles, run: ['yes'], max_output: 1KiB}
  - {name: babbles_errors, run: [sh, -c, 'yes >&2'], max_output: 1KiB, timeout: 300ms}
  - {name: nowhere, run: [VANISHES]}
  - {name: unreadable, run: [head, -c, "3000", /dev/urandom], output: json}
  - {name: good, run: [echo, fine]}
"""
# What each one's caller must be told.
TOLD = {"dies": r"signal 9.*last words|last words.*signal 9|[Kk]illed.*last words", "crashes": r"last words", "fails": r"exit status 3.*last words",
        "hangs": r"timed out after 200 ms", "deaf": r"timed out after 200 ms", "closes": r"exit status 4", "orphan": r"exit status 5",
        "babbles": r"max_output", "babbles_errors": r"max_output|timed out", "nowhere": r"no such file", "unreadable": r"JSON|UTF-8"}


def told(weir, tool):
    _, answer = post(weir, "tools/call", {"name": tool, "arguments": {}}, tool)
    if "error" in answer:
        return answer["error"]["message"]
    texts = " ".join(item["text"] for item in answer["result"]["content"])
    return texts.replace("\n", " ") if answer["result"].get("isError") else f"no failure: {texts}"


def main(stress):
    count = stress.size(20_000, quick=600, least=60)
    names = [*TOLD, "flaps", "good"]
    vanishes = stress.file(b"#!/bin/sh\n")
    vanishes.chmod(0o755)
    with stress.gateway(CONFIG.replace("VANISHES", str(vanishes))) as weir:
        vanishes.unlink()
        for tool, words in TOLD.items():
            said = told(weir, tool)
            stress.check(re.search(words, said), f"{tool}: {said[:200]!r}")
        with stress.beside(weir) as beside:
            found = stress.calls(weir, *(http_call(name, {}) for name in names), connections=40, count=count, seconds=1200)
        stress.right(found)
        stress.check(set(found["statuses"]) <= {"200", "-32603", "503"}, f"answers: {found['statuses']}")
        stress.judge_beside(beside, stress.calls(weir, count=200), "while handlers died", 250)
        wait_for(lambda: not weir.programs(), "every program to be collected")
        stress.check("fine" in told(weir, "good"), "a good handler does not work any more")
        stress.figure(failed=found["failed_tools"], answered=found["answered"])
    return f"{count:,} calls of {len(names)} handlers, {len(TOLD) + 1} of which die, hang, flap or babble", "each said why; the others did not notice"


run(main, 18, "handler collapse")
