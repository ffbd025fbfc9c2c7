"""Connections of one network: refused before TLS, counted behind PROXY headers, and every place given back whatever the end."""
import socket
import ssl
import tempfile
import unittest
from pathlib import Path

from certificates import Authority
from edge import answer, request
from test_http_front import ADMIN, metrics, used, wait_for
from websocket_client import WebSocket
from weir_process import WeirProcess

LIMIT = "threads: 2\nlimits: {max_connections_per_ip: 3}\n"
PLAIN, TLS, PROXY, FORWARDED, LINES = range(5)


def listeners(certificate, key):
    return f"""
listen:
  - {{address: "127.0.0.1:0"}}
  - {{address: "127.0.0.1:0", tls: {{certificate: {certificate}, key: {key}}}}}
  - {{address: "127.0.0.1:0", proxy_protocol: true, trusted_proxies: [127.0.0.0/8]}}
  - {{address: "127.0.0.1:0", trusted_proxies: [127.0.0.0/8]}}
  - {{address: "127.0.0.1:0", transports: [stream]}}
"""


def ask(connection):
    connection.sendall(request())
    return answer(connection)


def header(client):
    return f"PROXY TCP4 {client} 127.0.0.1 56324 443\r\n".encode()


class Connections(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        authority = Authority(Path(folder.name))
        certificate, key = authority.sign("gateway")
        self.trust = ssl.create_default_context(cafile=str(authority.path))
        self.weir = WeirProcess(ADMIN + LIMIT + listeners(certificate, key))
        self.addCleanup(self.weir.kill)

    def connect(self, which, tls=None, proxied=b"", source="127.0.0.1"):
        connection = socket.create_connection(("127.0.0.1", self.weir.ports[which]), 30, (source, 0))
        self.addCleanup(connection.close)
        connection.sendall(proxied)
        if tls:
            connection = self.trust.wrap_socket(connection, server_hostname="localhost")
            self.addCleanup(connection.close)
        return connection

    def refusals(self):
        return metrics(self.weir)['weir_refusals_total{reason="connections_per_ip"}']

    def fill(self, which, **how):
        held = [self.connect(which, **how) for _ in range(3)]
        for connection in held:
            self.assertEqual(ask(connection)[0], 200)
        return held

    def test_plain(self):
        held = self.fill(PLAIN)
        status, *_ = ask(self.connect(PLAIN))
        self.assertEqual((status, self.refusals()), (503, 1))
        self.assertEqual(ask(self.connect(PLAIN, source="127.0.0.2"))[0], 200, "another address")
        self.assertEqual(ask(held[0])[0], 200, "who is in stays in")
        held.pop().close()
        wait_for(lambda: ask(self.connect(PLAIN))[0] == 200, "the place that is free")

    def test_every_end_gives_its_place_back(self):
        for _ in range(5):
            half = self.connect(PLAIN)
            half.sendall(b"POST /mcp HTTP/1.1\r\nHost: local")
            whole = self.connect(PLAIN)
            self.assertEqual(ask(whole)[0], 200)
            with WebSocket(self.weir.ports[PLAIN]) as upgraded:
                self.assertIn("result", upgraded.call("tools/list"))
                self.assertEqual(ask(self.connect(PLAIN))[0], 503)
            for connection in (half, whole):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                connection.close()
            wait_for(lambda: used(self.weir, "connections") == 1, "all but the one that asks")
        self.fill(PLAIN)

    def test_tls_is_not_even_begun(self):
        self.fill(TLS, tls=True)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.connect(TLS, tls=True)
        self.assertEqual(self.refusals(), 1)
        self.assertEqual(ask(self.connect(PLAIN, source="127.0.0.2"))[0], 200)

    def test_one_count_for_all_listeners(self):
        self.fill(PLAIN)
        line = self.connect(LINES).makefile("rb").readline()
        self.assertIn(b'"code":503', line)

    def test_behind_proxies(self):
        self.fill(PROXY, proxied=header("198.51.100.7"))
        self.assertEqual(ask(self.connect(PROXY, proxied=header("198.51.100.7")))[0], 503)
        self.assertEqual(ask(self.connect(PROXY, proxied=header("198.51.100.8")))[0], 200)
        for connection in [self.connect(FORWARDED) for _ in range(6)]:
            self.assertEqual(ask(connection)[0], 200, "a proxy's connections are nobody's")

    def tearDown(self):
        self.weir.stop()


if __name__ == "__main__":
    unittest.main()
