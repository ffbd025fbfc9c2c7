"""Malformed data on every listener: forms that are known to break things, and requests mutated at random (seeded). The gateway
serves on, and in the full form the tables of tests/scenario say that each error is the right one."""
import os
import random
import subprocess
import sys

from stress import ROOT, UPGRADE, call_message, fixed, http_call, lines, run, websocket_frame
from certificates import Authority
from forms import PROXY_1, PROXY_2, client_hello, mutate

TABLES = ["test_raw_http", "test_websocket_cases", "test_edge_proxy", "test_ids"]
FILES = 60
CONFIG = """
listen:
  - {address: '127.0.0.1:0', transports: [http, websocket, sse]}
  - {address: '127.0.0.1:0', proxy_protocol: true, trusted_proxies: [127.0.0.0/8]}
  - {address: '127.0.0.1:0', transports: [stream]}
  - {address: '127.0.0.1:0', tls: {certificate: CERTIFICATE, key: KEY}}
limits: {head_timeout: 1s, body_timeout: 1s, idle_timeout: 2s}
"""


def main(stress):
    total, chance = stress.size(200_000, quick=12_000), random.Random(10)
    certificate, key = Authority(stress.folder).sign("localhost")
    forms = [(0, fixed(http_call(), http_call() * 2, UPGRADE + websocket_frame(call_message()) * 2,
                       http_call().replace(b"Content-Length: ", b"Transfer-Encoding: chunked\r\nX-Was: "))),
             (1, fixed(PROXY_1 + http_call(), PROXY_2 + http_call())), (2, fixed(lines(call_message()) * 3)), (3, [client_hello()])]
    with stress.gateway(CONFIG.replace("CERTIFICATE", str(certificate)).replace("KEY", str(key))) as weir:
        with stress.beside(weir) as beside:
            for listener, good in forms:
                files = [mutate(chance, chance.choice(good)) for _ in range(FILES)]
                stress.storm("churn", *files, port=weir.ports[listener], connections=2000, count=total // len(forms), silent=5, patience=5, seconds=600,
                             seed=listener + 1, rate=2000 if stress.tenth else 8000, sources=200)
        stress.judge_beside(beside, stress.calls(weir, count=200), "meanwhile", 250)
        stress.right(stress.calls(weir, count=1000), "afterwards")
    if not stress.quick:
        for name in TABLES:
            done = subprocess.run([sys.executable, "-B", "-m", "unittest", name], cwd=ROOT / "tests/scenario", env=os.environ,
                                  capture_output=True, text=True)
            stress.check(done.returncode == 0, f"{name}: {done.stderr[-300:]}")
    return (f"{total:,} connections with mutated HTTP, WebSocket, PROXY, TLS and lines, cut anywhere"
            + ("" if stress.quick else f"; the tables {', '.join(TABLES)}"), "no crash, everybody else served")


run(main, 10, "malformed data")
