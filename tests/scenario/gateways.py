"""A gateway that listens in every way there is, and the transports to it."""
import ssl
from pathlib import Path

import transports
from certificates import Authority
from weir_process import WeirProcess, binary

FIXTURES = Path(binary()).resolve().parent / "fixtures"
HANDLERS = f"""
threads: 2
page_size: 7
modules: [{{path: '{FIXTURES}/conformance.so'}}]
limits: {{drain_timeout: 5s}}
"""
EVERYTHING = "transports: [http, websocket, sse]"
TLS = "tls: {{certificate: {0}, key: {1}}}"


class Gateways:
    """names: of the transports, the one that is the measure first."""

    names = ["http", "https", "ws", "wss", "sse", "sse over tls", "stdio", "stream over tcp", "stream over tls",
             "stream over unix"]

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        authority = Authority(self.folder)
        tls = TLS.format(*authority.sign("gateway"))
        self.trust = ssl.create_default_context(cafile=str(authority.path))
        self.socket = str(self.folder / "stream.sock")
        listeners = [f"address: '127.0.0.1:0', {EVERYTHING}", f"address: '127.0.0.1:0', {EVERYTHING}, {tls}",
                     "address: '127.0.0.1:0', transports: [stream]", f"address: '127.0.0.1:0', transports: [stream], {tls}",
                     f"address: 'unix:{self.socket}', transports: [stream]"]
        self.weir = WeirProcess(HANDLERS + "listen:\n" + "".join(f"  - {{{listener}}}\n" for listener in listeners))
        self.stdio_config = self.folder / "stdio.yaml"
        self.stdio_config.write_text(HANDLERS)
        return self

    def __exit__(self, *_):
        self.weir.stop()

    def transport(self, name):
        """A new one, not open yet. Inside a running loop."""
        plain, secure, lines, secure_lines = (self.weir.ports[i] for i in range(4))
        here = "127.0.0.1"
        match name:
            case "http":
                return transports.Http(here, plain, "/mcp")
            case "https":
                return transports.Http(here, secure, "/mcp", tls=self.trust)
            case "ws":
                return transports.WebSocket(here, plain, "/mcp")
            case "wss":
                return transports.WebSocket(here, secure, "/mcp", tls=self.trust)
            case "sse":
                return transports.Sse(here, plain, "/sse")
            case "sse over tls":
                return transports.Sse(here, secure, "/sse", tls=self.trust)
            case "stdio":
                return transports.Stdio([binary(), "serve", "--stdio", "--config", str(self.stdio_config)])
            case "stream over tcp":
                return transports.Stream((here, lines))
            case "stream over tls":
                return transports.Stream((here, secure_lines), tls=self.trust)
            case "stream over unix":
                return transports.Stream(self.socket)
        raise KeyError(name)
