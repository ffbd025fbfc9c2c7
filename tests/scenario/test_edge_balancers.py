"""Behind real balancers: HAProxy with PROXY headers, fields and TLS to the back end, nginx with kept-alive connections."""
import ssl
import tempfile
import threading
import unittest

from balancers import Haproxy, Nginx
from certificates import Authority
from edge import META, SECONDS, ask, clients, connect, counters, request
from weir_process import WeirProcess

CONFIG = """
threads: 2
admin: {{address: "127.0.0.1:0"}}
log: {{level: debug}}
limits: {{max_streams: 100}}
listen:
  - {{address: "127.0.0.1:0", trusted_proxies: [127.0.0.1]}}
  - {{address: "127.0.0.1:0", trusted_proxies: [127.0.0.1], proxy_protocol: true}}
  - {{address: "127.0.0.1:0", trusted_proxies: [127.0.0.1], proxy_protocol: true, tls: {{certificate: {}, key: {}}}}}
"""
FIELDS, HEADERS, TLS = range(3)
LISTEN = ('{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":%s}}' %
          str(META).replace("'", '"')).encode()
TOLD = "203.0.113.9"    # by a client that is no proxy
CLIENT = "127.0.0.2"    # where it really is
PROXY = "127.0.0.1"


class Balancers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.authority = Authority(cls.folder.name)
        cls.certificate = cls.authority.sign("gateway")

    def setUp(self):
        self.weir = WeirProcess(CONFIG.format(*self.certificate))
        self.addCleanup(self.weir.kill)
        self.back = self.weir.ports

    def connections(self):
        return counters(self.weir)["weir_connections_total"]

    def many(self, port, rounds=20, at_once=4, **parts):
        """Requests on kept-alive connections, several at once."""
        failures = []

        def run():
            try:
                with connect(port, source=CLIENT) as connection:
                    for _ in range(rounds):
                        ask(connection, **parts)
            except Exception as failure:  # pylint: disable=broad-except
                failures.append(failure)

        threads = [threading.Thread(target=run) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        return rounds * at_once

    def check_stream(self, port):
        """The first event comes while the stream is open, and the stream ends with its client."""
        connection = connect(port, source=CLIENT)
        connection.sendall(request(body=LISTEN, method="subscriptions/listen"))
        stream = connection.makefile("rb")
        self.assertIn(b" 200 ", stream.readline())
        while not (line := stream.readline()).startswith(b"data: {"):
            self.assertTrue(line)
        stream.close()
        connection.close()

    def stop(self):
        """Only when all connections and streams have ended does it stop in time."""
        self.weir.stop(SECONDS)

    def test_haproxy_with_fields(self):
        configuration = f"""
listen front
    bind 127.0.0.1:{{0}}
    option forwardfor
    http-reuse always
    server weir 127.0.0.1:{self.back[FIELDS]}
"""
        with Haproxy(configuration) as balancer:
            before = self.connections()
            sent = self.many(balancer.ports[0], extra=[f"X-Forwarded-For: {TOLD}"])
            self.assertLess(self.connections() - before, sent / 2)  # they are kept alive
            self.check_stream(balancer.ports[0])
            self.assertEqual(set(clients(self.weir, sent)), {CLIENT})
            self.many(balancer.ports[0], 1, 1, extra=[f"Forwarded: for={TOLD}"])  # which HAProxy passes on
            self.assertEqual(clients(self.weir, sent + 2).count(PROXY), 1)  # neither field is believed
        self.stop()

    def test_haproxy_with_headers(self):
        for which, options in [(HEADERS, "send-proxy"), (HEADERS, "send-proxy-v2"),
                               (HEADERS, "send-proxy-v2 proxy-v2-options crc32c"),
                               (TLS, f"send-proxy-v2 ssl verify required ca-file {self.authority.path}")]:
            with self.subTest(options=options[:40]):
                configuration = f"""
listen front
    bind 127.0.0.1:{{0}}
    http-reuse always
    server weir 127.0.0.1:{self.back[which]} {options}
listen tcp
    mode tcp
    bind 127.0.0.1:{{1}}
    server weir 127.0.0.1:{self.back[which]} {options}
"""
                with Haproxy(configuration, 2) as balancer:
                    for port in balancer.ports:
                        self.many(port, 5)
                        self.check_stream(port)
        found = counters(self.weir)
        self.assertEqual(found['weir_refusals_total{reason="proxy_header"}'], 0)
        self.assertEqual(set(clients(self.weir)), {CLIENT})
        self.stop()

    def test_haproxy_checks_health(self):
        """Its checks say LOCAL, or nothing at all: no refusal is counted, and the server is up."""
        configuration = f"""
listen front
    bind 127.0.0.1:{{0}}
    option httpchk GET /readyz
    server weir 127.0.0.1:{self.back[HEADERS]} send-proxy-v2 check-send-proxy check inter 50ms fall 1 rise 1
"""
        with Haproxy(configuration) as balancer:
            while counters(self.weir)["weir_http_requests_total"] < 20:  # the admin's own are among them
                pass
            self.many(balancer.ports[0], 5)
            self.assertNotIn("DOWN", balancer.said())
        self.assertEqual(counters(self.weir)['weir_refusals_total{reason="proxy_header"}'], 0)
        self.stop()

    def test_tls_passed_through_haproxy(self):
        configuration = f"""
listen front
    mode tcp
    bind 127.0.0.1:{{0}}
    server weir 127.0.0.1:{self.back[TLS]} send-proxy-v2
"""
        trust = ssl.create_default_context(cafile=str(self.authority.path))
        with Haproxy(configuration) as balancer:
            with connect(balancer.ports[0], trust) as connection:
                for _ in range(10):
                    ask(connection)
        self.stop()

    def test_nginx_with_kept_alive_connections(self):
        configuration = f"""
    upstream weir {{{{ server 127.0.0.1:{self.back[FIELDS]}; keepalive 4; }}}}
    server {{{{
        listen 127.0.0.1:{{0}};
        location / {{{{
            proxy_pass http://weir;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host localhost;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_buffering off;
            proxy_read_timeout 60s;
        }}}}
    }}}}
"""
        with Nginx(configuration) as balancer:
            before = self.connections()
            sent = self.many(balancer.ports[0], extra=[f"X-Forwarded-For: {TOLD}"])
            self.assertLess(self.connections() - before, sent / 2)
            self.check_stream(balancer.ports[0])
            self.assertEqual(set(clients(self.weir, sent)), {CLIENT})
        self.stop()


if __name__ == "__main__":
    unittest.main()
