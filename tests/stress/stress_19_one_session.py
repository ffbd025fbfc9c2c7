"""One session used from 64 connections at once, with the same few ids: every answer reaches the request that asked."""
from legacy import Session
from stress import call_message, http, message, module, run


def main(stress):
    count, connections = stress.size(200_000, quick=20_000), 64
    with stress.gateway(module("strain", "conformance")) as weir:
        session = Session(weir)
        fields = [f"Mcp-Session-Id: {session.id}", f"MCP-Protocol-Version: {session.version}"]
        stream = session.stream()
        forms = [call_message(meta=None), call_message("turn", meta=None), message("tools/list", {}, meta=None), message("ping", {}, meta=None)]
        found = stress.calls(weir, *(http(form, fields, modern=False) for form in forms), connections=connections, count=count, reuse=4)
        stress.right(found)
        stress.check(found["results"] == count, f"answers: {found['statuses']}")
        told = stream.event()
        stress.check(told is not None, "the session's own stream was cut")
        stream.close()
        stress.check(session.result("ping") == {}, "the session is not in good health")
        session.end()
    return f"{count:,} calls of one session on {connections} connections with 4 ids", "0 lost, 0 wrong"


run(main, 19, "concurrent corruption")
