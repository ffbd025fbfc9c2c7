"""Behind proxies: PROXY headers of both versions, good, bad, missing, slow and from strangers; X-Forwarded-For, Forwarded."""
import socket
import ssl
import struct
import tempfile
import time
import unittest

from certificates import Authority
from edge import SECONDS, ask, clients, connect, message, read_to_end, request, wait_counter
from websocket_client import WebSocket
from weir_process import WeirProcess

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V1 = b"PROXY TCP4 198.51.100.7 127.0.0.1 56324 443\r\n"
HEAD_TIMEOUT = 1
CONFIG = f"""
threads: 2
admin: {{address: "127.0.0.1:0"}}
log: {{level: debug}}
limits: {{head_timeout: {HEAD_TIMEOUT}s}}
"""
LISTENERS = """
listen:
  - {{address: "127.0.0.1:0", proxy_protocol: true, trusted_proxies: [127.0.0.0/8]}}
  - {{address: "127.0.0.1:0", proxy_protocol: true, trusted_proxies: [192.0.2.1]}}
  - {{address: "127.0.0.1:0", proxy_protocol: true, trusted_proxies: [127.0.0.0/8], tls: {{certificate: {}, key: {}}}}}
  - {{address: "127.0.0.1:0", proxy_protocol: true, trusted_proxies: [127.0.0.0/8], transports: [stream]}}
  - {{address: "127.0.0.1:0", trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]}}
  - {{address: "127.0.0.1:0"}}
  - {{address: "127.0.0.1:0", proxy_protocol: true, trusted_proxies: [127.0.0.0/8, 10.0.0.0/8]}}
"""
OURS, STRANGERS, TLS, LINES, FORWARDED, PLAIN, BOTH = range(7)


def v2(source="198.51.100.7", command=1, values=b""):
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    address = socket.inet_pton(family, source) * 2 + struct.pack(">HH", 56324, 443)
    head = bytes([0x20 | command, 0x21 if ":" in source else 0x11])
    return SIGNATURE + head + struct.pack(">H", len(address + values)) + address + values


class Proxies(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        authority = Authority(folder.name)
        self.tls = ssl.create_default_context(cafile=str(authority.path))
        self.weir = WeirProcess(CONFIG + LISTENERS.format(*authority.sign("gateway")))
        self.addCleanup(self.weir.kill)
        self.ports = self.weir.ports

    def tearDown(self):
        self.weir.stop()

    def connect(self, which):
        connection = connect(self.ports[which])
        self.addCleanup(connection.close)
        return connection

    def assert_refused(self, which, sent, counter):
        connection = self.connect(which)
        connection.sendall(sent)
        self.assertEqual(read_to_end(connection), b"")
        self.count = getattr(self, "count", 0) + 1
        wait_counter(self.weir, counter, self.count)

    def test_good_headers(self):
        expected = []
        for header, client in [(V1, "198.51.100.7"), (v2(), "198.51.100.7"), (v2("2001:db8::7"), "2001:db8::7"),
                               (b"PROXY TCP6 2001:db8::1 ::1 1 2\r\n", "2001:db8::1"), (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
                               (v2(command=0), "127.0.0.1"), (v2(values=b"\x04\0\x03abc" * 200), "198.51.100.7")]:
            with self.subTest(header=header[:40]):
                connection = self.connect(OURS)
                connection.sendall(header)
                ask(connection)
                ask(connection)  # the address is the connection's
                expected += [client] * 2
                self.assertEqual(clients(self.weir, len(expected)), expected)

    def test_header_and_request_in_one_segment_and_byte_by_byte(self):
        together = self.connect(OURS)
        together.sendall(V1 + request())
        self.assertIn(b"supportedVersions", together.recv(65536))
        chopped = self.connect(OURS)
        chopped.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in v2():
            chopped.sendall(bytes([byte]))
        ask(chopped)
        self.assertEqual(clients(self.weir, 2), ["198.51.100.7"] * 2)

    def test_bad_and_missing_headers(self):
        for sent in [request(), b"PROXY TCP4 1 2 3 4\r\n" + request(), b"\x16\x03\x01\0\xa5", b"PROXY UNKNOWN " + b"x" * 200,
                     SIGNATURE + b"\x31\x11\0\x0c", v2()[:-1] + b"", b"\0"]:
            if sent == v2()[:-1]:
                continue
            with self.subTest(sent=sent[:40]):
                self.assert_refused(OURS, sent, 'weir_refusals_total{reason="proxy_header"}')
        ask_after = self.connect(OURS)
        ask_after.sendall(V1)
        ask(ask_after)

    def test_strangers_may_not_speak_of_others(self):
        self.assert_refused(STRANGERS, V1 + request(), 'weir_refusals_total{reason="proxy_peer"}')

    def test_slow_and_cut_headers(self):
        begin = time.monotonic()
        silent, half = self.connect(OURS), self.connect(OURS)
        half.sendall(V1[:20])
        self.assertEqual(read_to_end(half), b"")
        self.assertEqual(read_to_end(silent), b"")
        self.assertGreaterEqual(time.monotonic() - begin, HEAD_TIMEOUT * 0.9)
        self.assertLess(time.monotonic() - begin, SECONDS)
        wait_counter(self.weir, 'weir_timeouts_total{stage="proxy_header"}', 2)
        cut = self.connect(OURS)
        cut.sendall(V1[:20])
        cut.shutdown(socket.SHUT_WR)
        self.assertEqual(read_to_end(cut), b"")

    def test_a_drain_does_not_wait_for_headers(self):
        connections = [self.connect(OURS) for _ in range(10)]
        for connection in connections:
            connection.sendall(V1[:20])

    def test_before_tls(self):
        connection = self.connect(TLS)
        connection.sendall(v2())
        with self.tls.wrap_socket(connection, server_hostname="localhost") as secure:
            ask(secure)
        self.assertEqual(clients(self.weir), ["198.51.100.7"])

    def test_before_lines(self):
        connection = self.connect(LINES)
        connection.sendall(V1 + message() + b"\n")
        self.assertIn(b"supportedVersions", connection.makefile("rb").readline())
        self.assertEqual(clients(self.weir), ["198.51.100.7"])

    def test_forwarded_fields(self):
        rows = [(["X-Forwarded-For: 203.0.113.9, 198.51.100.7"], "198.51.100.7"),
                (["X-Forwarded-For: 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
                (["X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 198.51.100.7"], "198.51.100.7"),
                (['Forwarded: for="[2001:db8::7]:4711";proto=https'], "2001:db8::7"),
                (["Forwarded: for=203.0.113.9", "X-Forwarded-For: 198.51.100.7"], "127.0.0.1"),
                (["X-Forwarded-For: unknown"], "127.0.0.1"), ([], "127.0.0.1")]
        connection = self.connect(FORWARDED)
        for extra, _ in rows:  # each request says its own
            ask(connection, extra=extra)
        self.assertEqual(clients(self.weir, len(rows)), [client for _, client in rows])

    def test_websockets(self):
        """By a PROXY header, by a field of the first head, by one of a later head, and by one of a head that is large."""
        fields = {"extra": [b"X-Forwarded-For: 203.0.113.9, 198.51.100.7"]}
        header, first, later, large = (self.connect(which) for which in (OURS, FORWARDED, FORWARDED, FORWARDED))
        header.sendall(V1)
        ask(later)
        self.assertEqual(clients(self.weir), ["127.0.0.1"])  # before the next: lines of several reactors come in any order
        for number, (connection, upgrade) in enumerate([
                (header, {}), (first, fields), (later, fields), (large, {"extra": [b"X-Long: " + b"x" * 9000, *fields["extra"]]})]):
            with WebSocket(0, sock=connection, **upgrade) as websocket:
                self.assertIn("result", websocket.call("server/discover"))
                websocket.close()
            self.assertEqual(clients(self.weir, number + 2)[number + 1:], ["198.51.100.7"])

    def test_forwarded_fields_of_strangers(self):
        ask(self.connect(PLAIN), extra=["X-Forwarded-For: 198.51.100.7", "Forwarded: for=198.51.100.7"])
        self.assertEqual(clients(self.weir), ["127.0.0.1"])

    def test_a_proxy_behind_a_balancer(self):
        """The PROXY header names a proxy that is trusted, too: its field counts. One that is not is the client."""
        for source, client in [("10.2.2.2", "198.51.100.7"), ("203.0.113.3", "203.0.113.3")]:
            connection = self.connect(BOTH)
            connection.sendall(v2(source))
            ask(connection, extra=["X-Forwarded-For: 198.51.100.7"])
            self.assertEqual(clients(self.weir, 1)[-1] if client == "198.51.100.7" else clients(self.weir, 2)[-1], client)


if __name__ == "__main__":
    unittest.main()
