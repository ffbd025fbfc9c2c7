"""Clients that do things out of order, at random (seeded): calls before initialize, initialize twice, sessions that were deleted,
answers to questions that nobody asked, another era in the middle of a connection. Each gets the specification's error, and the
sessions that behave stay as they are."""
import json
import random
import socket

from client import _META
from legacy import Reply, Session
from stress import LINES, module, run

FIELDS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "stress", "version": "1"}}


def ask(weir, body, more=None):
    """(status, answer or None) of one POST."""
    with Reply(weir, "POST", {**FIELDS, **(more or {})}, json.dumps(body)) as reply:
        data = reply.last() if reply.is_stream else reply.response.read()
        return reply.status, (json.loads(data) if isinstance(data, bytes) and data else data or None)


def request(method, params=None, number=7):
    return {"jsonrpc": "2.0", "id": number, "method": method, **({"params": params} if params is not None else {})}


def error_of(answer):
    return (answer or {}).get("error", {}).get("code")


class Http:
    """Misdeeds of one connection-less client; each returns (what happened, what must)."""

    def __init__(self, weir, chance):
        self.weir, self.chance = weir, chance

    def early(self):
        status, answer = ask(self.weir, request("tools/list"))
        return (status, error_of(answer)), [(400, -32600), (400, -32602)]

    def unknown(self):
        status, answer = ask(self.weir, request("ping"), {"Mcp-Session-Id": f"{self.chance.getrandbits(128):032x}"})
        return (status, error_of(answer)), [(404, -32600)]

    def deleted(self):
        session = Session(self.weir)
        session.end()
        with session.request("ping") as reply:
            return (reply.status, error_of(reply.json())), [(404, -32600)]

    def twice(self):
        with Session(self.weir) as session:
            status, answer = ask(self.weir, request("initialize", HELLO), {"Mcp-Session-Id": session.id})
            good = session.result("ping") == {}
            return (400 <= status or error_of(answer) is not None, good), [(True, True)]

    def unasked(self):
        with Session(self.weir) as session:
            number = self.chance.choice([0, 1, "1", 2**64, "x" * 100])
            status, _ = ask(self.weir, {"jsonrpc": "2.0", "id": number, "result": {}}, {"Mcp-Session-Id": session.id})
            return (status < 500, session.result("ping") == {}), [(True, True)]

    def other_era(self):
        """A modern request that names a session, and a modern method in a session."""
        with Session(self.weir) as session:
            status, answer = ask(self.weir, request("server/discover"), session.headers())
            return (error_of(answer), session.result("ping") == {}), [(-32601, True)]

    def both_eras(self):
        """Alternating on one session's client: neither disturbs the other."""
        with Session(self.weir) as session:
            params = {"name": "echo", "arguments": {"message": "modern"}, "_meta": _META}
            status, answer = ask(self.weir, request("tools/call", params), {
                "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "echo"})
            return (status, answer["result"]["content"][0]["text"], session.result("ping")), [(200, "modern", {})]

    def bad_cancel(self):
        with Session(self.weir) as session:
            status = session.notify("notifications/cancelled", {"requestId": self.chance.choice([1, "none", 2**70]), "reason": "why not"})
            return (status, session.result("ping")), [(202, {})]

    def bad_resume(self):
        """Last-Event-ID of a number that was never sent."""
        with Session(self.weir) as session:
            stream = session.stream(f"{self.chance.randrange(5)}-{self.chance.randrange(10**6, 10**9)}")
            status = stream.status
            stream.close()
            return (status < 500, session.result("ping")), [(True, {})]

    MISDEEDS = (early, unknown, deleted, twice, unasked, other_era, both_eras, bad_cancel, bad_resume)


def by_lines(weir, chance):
    """A connection whose messages come in random order; a model of it says what must be answered."""
    sock = socket.create_connection((weir.host, weir.ports[1]), timeout=60)
    file = sock.makefile("rb")
    begun = False
    for number in range(chance.randrange(2, 12)):
        kind = chance.choice(["hello", "ping", "list", "modern", "answer", "again"])
        if kind == "answer":
            sock.sendall(json.dumps({"jsonrpc": "2.0", "id": number, "result": {}}).encode() + b"\n")
            continue
        body = {"hello": request("initialize", HELLO, number), "again": request("initialize", HELLO, number),
                "ping": request("ping", None, number), "list": request("tools/list", None, number),
                "modern": request("tools/list", {"_meta": _META}, number)}[kind]
        sock.sendall(json.dumps(body).encode() + b"\n")
        answer = json.loads(file.readline())
        if answer.get("id") != number:
            return f"{kind}: answer to {answer.get('id')} instead of {number}"
        good = "result" in answer
        wanted = {"modern": True, "list": begun, "hello": not begun, "again": not begun}.get(kind)
        if wanted is not None and good != wanted:
            return f"{kind} {'after' if begun else 'before'} initialize: {answer}"
        if kind in ("hello", "again") and good:
            begun = True
            sock.sendall(b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
    file.close(), sock.close()
    return None


def main(stress):
    chance, count = random.Random(17), stress.size(6000, quick=150, least=40)
    with stress.gateway(LINES + module("conformance")) as weir:
        steady = [Session(weir) for _ in range(4)]
        http, seen = Http(weir, chance), {}
        for n in range(count):
            misdeed = chance.choice(http.MISDEEDS)
            found, allowed = misdeed(http)
            seen[misdeed.__name__] = seen.get(misdeed.__name__, 0) + 1
            stress.check(found in allowed, f"{misdeed.__name__}: {found} instead of {allowed}")
            if n % 3 == 0:
                mistake = by_lines(weir, chance)
                stress.check(mistake is None, f"by lines: {mistake}")
            if n % 10 == 0:
                stress.check(steady[n // 10 % 4].result("ping") == {}, "a steady session is disturbed")
            if len(stress.failures) > 10:
                break
        for session in steady:
            stress.check(session.result("tools/list")["tools"] != [], "a steady session is disturbed")
            session.end()
        stress.figure(**seen)
    return f"{count:,} misdeeds of {len(Http.MISDEEDS)} kinds at random, {count // 3:,} connections by lines", "the specification's error each, state intact"


run(main, 17, "state corruption")
