"""Request ids of every form: echoed digit for digit, or refused; and ids that are used again while they are in flight."""
import json
import random
import re
import socket

from stress import LINES, call_message, http_call, lines, message, run, websocket_frame, UPGRADE
from test_ids import BROKEN, EITHER, LEGAL, REFUSED

ID_OF = re.compile(rb'"id":("(?:[^"\\]|\\.)*"|[^,}]*)')
BATCH = 50


def random_id(chance):
    kind = chance.randrange(4)
    if kind == 0:
        return str(chance.choice([0, -1, 2**53, 2**63, 2**64, 10**400]) + chance.randrange(-3, 4))
    if kind == 1:
        return f"{chance.randrange(-9, 10)}{chance.randrange(10 ** chance.randrange(1, 40))}".replace("-0", "-7").lstrip("0") or "0"
    if kind == 2:
        return json.dumps("".join(chance.choice("az09\"\\\u00e9\u4e2d\U0001f600 \n") for _ in range(chance.randrange(40))),
                          ensure_ascii=bool(chance.randrange(2)))
    return chance.choice(LEGAL)


class Wire:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")

    def ask(self, ids):
        self.socket.sendall(b"".join(lines(call_message(arguments={"message": f"m{n}"}, id=one)) for n, one in enumerate(ids)))
        return [self.file.readline() for _ in ids]


def judge(stress, ids, answers):
    """By lines, answers of one connection may come in any order: each has its own message's number."""
    left = {f'"m{n}"'.encode(): one.encode() for n, one in enumerate(ids)}
    for answer in answers:
        mark = next((mark for mark in left if mark in answer), None)
        found = ID_OF.search(answer)
        if mark is None or not found or found[1] != left.pop(mark):
            stress.check(False, f"a wrong id: {answer[:120]!r}")
            return


def main(stress):
    chance, count = random.Random(4), stress.size(20_000, quick=4_000)
    with stress.gateway(LINES) as weir:
        wire = Wire(weir.ports[1])
        for start in range(0, count, BATCH):
            ids = [random_id(chance) for _ in range(BATCH)]
            judge(stress, ids, wire.ask(ids))
        for one in [*LEGAL, *EITHER]:
            answer = wire.ask([one])[0]
            echoed, found = b'"result"' in answer, ID_OF.search(answer)
            stress.check(found and found[1] == one.encode() if echoed else b"-32600" in answer, f"id {one[:40]}: {answer[:120]!r}")
        for one in [*REFUSED, *(broken for broken in BROKEN if "\n" not in broken)]:
            answer = wire.ask([one])[0]
            stress.check(b'"error":{"code":-326' in answer or b'"error":{"code":-327' in answer, f"id {one}: {answer[:120]!r}")
        wire.file.close(), wire.socket.close()
        again = stress.size(60_000, quick=6_000)
        for what, form, keys in (
                ("over HTTP", http_call(), {}),
                ("by lines", lines(call_message()), {"port": weir.ports[1], "framing": "lines"}),
                ("over WebSocket", websocket_frame(call_message()), {"framing": "websocket", "prelude": UPGRADE})):
            found = stress.calls(weir, form, connections=16, count=again // 3, reuse=3, **keys)
            stress.right(found, what)
            stress.check(found["results"] == again // 3, f"answers {what}: {found['statuses']}")
    return (f"{count:,} random ids, {len(LEGAL) + len(EITHER) + len(REFUSED) + len(BROKEN)} chosen ones, {again:,} calls with "
            "three ids on 16 connections", "each echoed as it was or refused; no answer was another's")


run(main, 4, "request ids")
