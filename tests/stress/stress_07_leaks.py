"""Connections that end by FIN, by RST or in silence, at every stage: before the PROXY header, in it, in TLS, in the head, in the
body, in a stream, in a WebSocket."""
from stress import UPGRADE, call_message, fixed, http_call, http_method, lines, run, websocket_frame
from certificates import Authority
from forms import PROXY_1, PROXY_2, client_hello

LISTEN_REQUEST = http_method("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
CONFIG = """
listen:
  - {address: '127.0.0.1:0', transports: [http, websocket, sse]}
  - {address: '127.0.0.1:0', proxy_protocol: true, trusted_proxies: [127.0.0.0/8]}
  - {address: '127.0.0.1:0', transports: [stream]}
  - {address: '127.0.0.1:0', tls: {certificate: CERTIFICATE, key: KEY}}
  - {address: '127.0.0.1:0', transports: [stream], tls: {certificate: CERTIFICATE, key: KEY}}
limits: {head_timeout: 1s, body_timeout: 1s, idle_timeout: 2s}
"""


def main(stress):
    total = stress.size(100_000, quick=8_000)
    certificate, key = Authority(stress.folder).sign("localhost")
    config = CONFIG.replace("CERTIFICATE", str(certificate)).replace("KEY", str(key))
    chunked = http_call().replace(b"Content-Length: ", b"Transfer-Encoding: chunked\r\nX-Was: ")
    # (listener, share of all, what is sent, whether it may become a stream: those stay open as long as their client does)
    stages = [
        (0, 0.3, fixed(http_call(), http_call() * 3, chunked, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"), False),
        (0, 0.2, fixed(LISTEN_REQUEST, b"GET /sse HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"), True),
        (0, 0.1, fixed(UPGRADE + websocket_frame(call_message()) * 3), False),
        (1, 0.1, fixed(PROXY_1 + http_call(), PROXY_2 + http_call(), PROXY_2 + UPGRADE + websocket_frame(call_message())), False),
        (2, 0.1, fixed(lines(call_message()) * 5), False),
        (3, 0.15, [client_hello(), b"\x16\x03\x01\xff\xff" + bytes(3000)], False),
        (4, 0.05, [client_hello()], False),
    ]
    with stress.gateway(config) as weir:
        sums = {"connections": 0, "unconnected": 0, "left_open": 0, "silent": 0}
        # A bounded rate: a backlog that overflows would lose connections before the gateway sees them.
        rate = 1500 if stress.tenth else 6000
        for number, (listener, share, files, streams) in enumerate(stages):
            found = stress.storm("churn", *files, port=weir.ports[listener], connections=2000, count=int(total * share), silent=10,
                                 patience=2 if streams else 30, seconds=600, seed=7, rate=rate, sources=200)
            if not streams:
                stress.check(found["left_open"] == 0, f"{found['left_open']} of stage {number} were left to stand")
            for name in sums:
                sums[name] += found[name]
        stress.check(sums["unconnected"] <= total // 1000, f"{sums['unconnected']} could not be made")
        stress.right(stress.calls(weir, count=1000), "afterwards")
        stress.settle(weir)
        used = weir.used()
        stress.check(not used, f"still in use: {used}")
        stress.figure(memory_before_mib=weir.memory_before, memory_after_mib=weir.resident_mib(), **sums)
    return (f"{total:,} connections cut anywhere in 14 forms on 5 kinds of listener, {sums['silent']:,} of them in silence",
            "descriptors and every counter back at zero")


run(main, 7, "connection leaks")
