"""TLS in front of everything: names, clients' certificates, reloads under load, and beginnings that are none."""
import json
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

from certificates import Authority
from edge import SECONDS, answer, ask, clients, connect, counters, message, read_to_end, request, wait_counter
from weir_process import WeirProcess, binary

HEAD_TIMEOUT = 1
CONFIG = f"""
threads: 2
admin: {{address: "127.0.0.1:0"}}
log: {{level: debug}}
limits: {{head_timeout: {HEAD_TIMEOUT}s, max_payload: 64KiB}}
"""


class Tls(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.authority = Authority(self.folder)
        self.certificate, self.key = self.authority.sign("gateway")
        self.trust = ssl.create_default_context(cafile=str(self.authority.path))

    def start(self, tls="", listener=""):
        weir = WeirProcess(CONFIG + f"listen: [{{address: '127.0.0.1:0', {listener} tls: {{certificate: {self.certificate}, "
                                    f"key: {self.key}{tls}}}}}]\n")
        self.addCleanup(weir.kill)
        self.assertRegex(weir.url, r"^https://127\.0\.0\.1:\d+/mcp$")
        self.port = weir.ports[0]
        return weir

    def plain(self):
        connection = connect(self.port)
        self.addCleanup(connection.close)
        return connection

    def secure(self, context=None, name="localhost"):
        connection = connect(self.port, context or self.trust, name)
        self.addCleanup(connection.close)
        return connection

    def name_of(self, context=None, name="localhost"):
        """The common name of the certificate that is shown now."""
        with connect(self.port, context or self.trust, name) as connection:
            return dict(field[0] for field in connection.getpeercert()["subject"])["commonName"]

    # ---- service ----

    def test_requests(self):
        weir = self.start()
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            context = ssl.create_default_context(cafile=str(self.authority.path))
            context.minimum_version = context.maximum_version = version
            context.set_alpn_protocols(["h2", "http/1.1"])
            connection = self.secure(context)
            self.assertEqual(connection.selected_alpn_protocol(), "http/1.1")
            for _ in range(3):
                ask(connection)
        self.assertEqual(clients(weir, 6), ["127.0.0.1"] * 6)
        weir.stop()

    def test_bodies_beyond_the_cap(self):
        weir = self.start()
        connection = self.secure()
        connection.sendall(request(body=b"[" + b" " * 70000 + b"]")[:40000])
        self.assertEqual(answer(connection)[0], 413)
        weir.stop()

    def test_old_versions_are_not_spoken(self):
        weir = self.start(", min_version: 1.3")
        context = ssl.create_default_context(cafile=str(self.authority.path))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with self.assertRaises(ssl.SSLError):
            self.secure(context)
        wait_counter(weir, 'weir_tls_failures_total{reason="version"}', 1)
        weir.stop()

    def test_names(self):
        other = self.authority.sign("other", "DNS:a.example")
        any_of = self.authority.sign("any", "DNS:*.b.example")
        weir = self.start(f", sni: [{{name: a.example, certificate: {other[0]}, key: {other[1]}}}, "
                          f"{{name: '*.b.example', certificate: {any_of[0]}, key: {any_of[1]}}}]")
        self.assertEqual(self.name_of(name="a.example"), "other")
        self.assertEqual(self.name_of(name="x.b.example"), "any")
        self.assertEqual(self.name_of(), "gateway")
        weir.stop()

    def test_certificates_of_clients(self):
        alice = self.authority.sign("alice", "URI:spiffe://example/alice", usage="clientAuth")
        stranger = Authority((self.folder / "elsewhere").mkdir() or self.folder / "elsewhere").sign("mallory", usage="clientAuth")
        for auth, without in [("require", None), ("request", "")]:
            weir = self.start(f", client_ca: {self.authority.path}, client_auth: {auth}")
            context = ssl.create_default_context(cafile=str(self.authority.path))
            context.load_cert_chain(*alice)
            ask(self.secure(context))
            self.assertEqual(weir.wait_log("request")["subject"], "CN=alice")
            if without is None:
                with self.assertRaises((ssl.SSLError, ConnectionError)):
                    ask(self.secure())
            else:
                ask(self.secure())
                self.assertEqual(weir.wait_log("request", count=2)["subject"], without)
            context = ssl.create_default_context(cafile=str(self.authority.path))
            context.load_cert_chain(*stranger)
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                ask(self.secure(context))
            weir.stop()

    def test_a_stream_of_events(self):
        weir = self.start()
        body = (b'{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},'
                b'"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}')
        connection = self.secure()
        connection.sendall(request(body=body, method="subscriptions/listen"))
        stream = connection.makefile("rb")
        self.assertIn(b"200", stream.readline())
        while not (line := stream.readline()).startswith(b"data: {"):
            self.assertTrue(line)
        weir.signal(signal.SIGTERM)  # the drain ends the stream, and its last bytes come
        self.assertTrue(stream.read().endswith(b"0\r\n\r\n"))
        weir.stop()

    def test_answers_that_wait_for_their_reader(self):
        """As many as all buffers take, and one more: all come, in order, when the client reads at last."""
        weir = self.start()
        connection, number = self.secure(), 0
        connection.setblocking(False)
        with self.assertRaises(ssl.SSLWantWriteError):
            while number < 100000:
                connection.send(request(body=message(number=number)))
                number += 1
        ask(self.secure())  # it holds up nobody
        connection.settimeout(SECONDS)
        stream = connection.makefile("rb")
        for expected in range(number + 1):
            if expected == number:
                connection.sendall(request(body=message(number=number)))
            self.assertIn(b" 200 ", stream.readline())
            length = [int(line.split(b":")[1]) for line in iter(stream.readline, b"\r\n") if line.lower().startswith(b"content-length:")]
            self.assertEqual(json.loads(stream.read(length[0]))["id"], expected)
        weir.stop()

    # ---- reloads ----

    def test_reload_by_signal_and_by_file_under_load(self):
        weir = self.start()
        standing = self.secure()
        ask(standing)
        stop, failures, rounds = threading.Event(), [], [0]

        def load():
            while not stop.is_set():
                try:
                    with connect(self.port, self.trust) as connection:
                        ask(connection)
                        ask(connection)
                    rounds[0] += 1
                except Exception as failure:  # pylint: disable=broad-except
                    failures.append(failure)
                    return

        threads = [threading.Thread(target=load) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in range(1, 4):
            certificate, key = self.authority.sign(f"next{number}")
            if number % 2:
                os.replace(key, self.key)
                os.replace(certificate, self.certificate)
                weir.signal(signal.SIGHUP)
            else:
                os.replace(key, self.key)  # the pair does not match for a moment
                os.replace(certificate, self.certificate)
            deadline = time.monotonic() + SECONDS
            while self.name_of() != f"next{number}":
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertGreater(rounds[0], 10)
        ask(standing)  # from before all of it
        weir.stop()

    def test_a_bad_reload_keeps_the_old_certificate(self):
        weir = self.start()
        good = self.certificate.read_bytes()
        self.certificate.write_text("nonsense")
        kept = weir.wait_log("certificates_kept")  # by the change of the file alone
        self.assertIn(str(self.certificate), kept["why"])
        self.assertEqual(self.name_of(), "gateway")
        weir.signal(signal.SIGHUP)
        weir.wait_log("reloaded")
        self.assertEqual(len(weir.logs("certificates_kept")), 2)
        ask(self.secure())
        self.certificate.write_bytes(good)
        weir.wait_log("certificates_read")
        self.assertEqual(self.name_of(), "gateway")
        weir.stop()

    def test_tls_can_neither_come_nor_go(self):
        weir = self.start()
        weir.config_path.write_text(CONFIG + "listen: [{address: '127.0.0.1:0'}]\n")
        weir.signal(signal.SIGHUP)
        self.assertIn("tls", weir.wait_log("reload_refused")["mistake"])
        ask(self.secure())
        weir.stop()

    # ---- mistakes ----

    def test_bad_certificates_are_mistakes_with_their_places(self):
        expired = self.authority.sign("expired", days=-1)
        other = self.authority.sign("other")
        rows = [(f"{{certificate: {self.folder}/none.pem, key: {self.key}}}", "none.pem"),
                (f"{{certificate: {self.certificate}, key: {other[1]}}}", "does not belong to"),
                (f"{{certificate: {expired[0]}, key: {expired[1]}}}", "expired"),
                (f"{{certificate: {self.certificate}, key: {self.key}, sni: [{{name: a.example, certificate: {expired[0]}, "
                 f"key: {expired[1]}}}]}}", "expired")]
        for tls, reason in rows:
            with self.subTest(reason=reason):
                path = self.folder / "weir.yaml"
                path.write_text(f"listen:\n- address: 127.0.0.1:0\n  tls: {tls}\n")
                for command in ["check", path], ["serve", "--config", path]:
                    done = subprocess.run([binary(), *command], capture_output=True, text=True, timeout=SECONDS, check=False)
                    self.assertEqual(done.returncode, 2, done.stderr)
                    self.assertRegex(done.stderr, r":3:\d+: listen\[0\]\.tls")
                    self.assertIn(reason, done.stderr)

    # ---- beginnings ----

    def test_what_is_no_tls(self):
        weir = self.start()
        plain = self.plain()
        plain.sendall(request())
        self.assertTrue(read_to_end(plain).startswith(b"HTTP/1.1 400 "))
        garbage = self.plain()
        garbage.sendall(b"\x00\x01\x02\x03" * 100)
        read_to_end(garbage)
        hello = self.plain()
        hello.sendall(b"\x16\x03\x01\x00\x05\x02\0\0\x01\0")  # a record, but no ClientHello in it
        read_to_end(hello)
        begin = time.monotonic()
        silent, half = self.plain(), self.plain()
        half.sendall(b"\x16\x03\x01\x00\xa5\x01")
        self.assertEqual(read_to_end(silent), b"")
        read_to_end(half)
        self.assertLess(time.monotonic() - begin, SECONDS)
        wait_counter(weir, 'weir_tls_failures_total{reason="timeout"}', 2)
        found = counters(weir)
        self.assertEqual(found['weir_tls_failures_total{reason="plain_http"}'], 1)
        self.assertEqual(found['weir_tls_failures_total{reason="garbage"}'] +
                         found['weir_tls_failures_total{reason="protocol"}'], 2)
        ask(self.secure())
        for connection in plain, garbage, hello, silent, half:
            connection.close()
        weir.stop()

    def test_slow_heads_inside_tls(self):
        weir = self.start()
        for sent in b"POST /mcp HTTP/1.1\r\nHost: loc", b"P", b"":
            with self.subTest(sent=sent):
                connection = self.secure()
                begin = time.monotonic()
                connection.sendall(sent)
                received = read_to_end(connection)
                self.assertGreaterEqual(time.monotonic() - begin, HEAD_TIMEOUT * 0.9)
                if sent:
                    self.assertTrue(received.startswith(b"HTTP/1.1 408 "), received)
        again = self.secure()
        ask(again)
        again.sendall(b"P")  # the next head has begun, too
        self.assertTrue(read_to_end(again).startswith(b"HTTP/1.1 408 "))
        wait_counter(weir, 'weir_timeouts_total{stage="head"}', 4)
        dripping = self.secure()
        begin = time.monotonic()
        try:
            while time.monotonic() - begin < SECONDS:
                dripping.sendall(b"X")
                time.sleep(0.02)
        except (ConnectionError, ssl.SSLError):
            pass
        self.assertLess(time.monotonic() - begin, SECONDS)
        weir.stop()

    def test_vanished_clients_leave_nothing(self):
        weir = self.start()
        ask(self.secure())
        for _ in range(20):
            connection = self.secure()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(request()[:50])
            connection.close()
            connection = self.secure()
            ask(connection)
            connection.close()
        weir.stop()  # which it does only when no connection is left

    def test_one_too_many_is_closed(self):
        self.port = 0
        weir = WeirProcess(CONFIG.replace("max_payload", "max_connections: 1, max_payload") +
                           f"listen: [{{address: '127.0.0.1:0', tls: {{certificate: {self.certificate}, key: {self.key}}}}}]\n")
        self.addCleanup(weir.kill)
        self.port = weir.ports[0]
        first = self.secure()
        ask(first)
        second = self.plain()
        self.assertEqual(read_to_end(second), b"")
        ask(first)
        second.close()
        first.close()
        weir.stop()


if __name__ == "__main__":
    unittest.main()
