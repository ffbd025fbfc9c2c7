"""A million mixed calls of both eras over HTTP, by lines and over WebSocket: memory is flat after the warm-up."""
from legacy import Session
from stress import LINES, UPGRADE, call_message, http, http_call, http_method, lines, message, module, run, websocket_frame


def mixed_http(session):
    fields = [f"Mcp-Session-Id: {session.id}", f"MCP-Protocol-Version: {session.version}"]

    def legacy(method, params):
        return http(message(method, params, meta=None), fields, modern=False)

    return [http_call(), http_call("time", {}), http_method("tools/list"), http_method("resources/read", {"uri": "weir://about"}, "weir://about"),
            http_method("prompts/get", {"name": "summarize", "arguments": {"text": "long"}}, "summarize"), http_method("server/discover"),
            http_method("completion/complete", {"ref": {"type": "ref/prompt", "name": "summarize"}, "argument": {"name": "style", "value": "b"}}),
            http_method("no/such"), http_call("no_such_tool", {}), http_call("echo", {"message": 5}), http_call("large", {"bytes": 20000}),
            http_call("test_tool_with_progress", {}),
            legacy("tools/call", {"name": "echo", "arguments": {"message": "#" * 10}}), legacy("ping", {}), legacy("prompts/list", {}),
            legacy("resources/templates/list", {}), legacy("tools/call", {"name": "none", "arguments": {}})]


def main(stress):
    total = stress.size(1_000_000, quick=40_000)
    with stress.gateway(LINES + module("strain", "conformance")) as weir:
        session = Session(weir)
        wires = [(mixed_http(session), {}),
                 ([lines(call_message()), lines(message("tools/list")), lines(message("no/such")), lines(call_message("large", {"bytes": 20000}))],
                  {"port": weir.ports[1], "framing": "lines"}),
                 ([websocket_frame(call_message()), websocket_frame(message("prompts/list"))], {"framing": "websocket", "prelude": UPGRADE})]

        def one_round(count):
            for (messages, keys), share in zip(wires, (0.6, 0.2, 0.2)):
                found = stress.calls(weir, *messages, connections=32, count=int(count * share), seconds=1200, **keys)
                stress.right(found)
                stress.check(not any(code.startswith("5") for code in found["statuses"]), f"answers: {found['statuses']}")

        one_round(total // 5)
        warm = weir.resident_mib()
        for _ in range(4):
            one_round(total // 5)
        end = weir.resident_mib()
        if not stress.tenth:
            stress.check(end <= warm * 1.05 + 1, f"{warm:.1f} MiB after a fifth, {end:.1f} MiB at the end")
        session.end()
        stress.figure(warm_mib=warm, end_mib=end)
    return (f"{total:,} calls of 23 kinds, both eras, three transports", f"{warm:.1f} MiB after a fifth of them, {end:.1f} MiB after all")


run(main, 13, "resource leaks")
