"""A gateway that listens in every way there is, and the transports to it."""
import subprocess
from pathlib import Path

import transports
from weir_process import WeirProcess, binary

FIXTURE = Path(binary()).resolve().parent / "fixtures" / "conformance.so"
HANDLERS = f"""
threads: 2
page_size: 7
modules: [{{path: '{FIXTURE}'}}]
limits: {{drain_timeout: 5s}}
"""


class Gateways:
    """names: of the transports, the one that is the measure first."""

    names = ["http", "ws", "sse"]

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        listeners = ["{address: '127.0.0.1:0', transports: [http, websocket, sse]}"]
        self.weir = WeirProcess(HANDLERS + "listen:\n" + "".join(f"  - {listener}\n" for listener in listeners))
        return self

    def __exit__(self, *_):
        self.weir.stop()

    def transport(self, name):
        """A new one, not open yet. Inside a running loop."""
        host, port = self.weir.host, self.weir.port
        if name == "http":
            return transports.Http(host, port, "/mcp")
        if name == "ws":
            return transports.WebSocket(host, port, "/mcp")
        if name == "sse":
            return transports.Sse(host, port, "/sse")
        raise KeyError(name)
