"""WebSocket through nginx and HAProxy as they are run before a gateway: both keep their connections to it open, and send the upgrade
on one that has carried requests."""
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

from free_port import free_port
from test_http_front import ADMIN, LISTEN, metrics, used, wait_for
from websocket_client import PING, PONG, Refused, WebSocket, frame, request, text
from weir_process import WeirProcess

START_SECONDS = 30
PATH = os.environ.get("PATH", "") + ":/usr/sbin"
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder};
  scgi_temp_path {folder};
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream weir {{ server 127.0.0.1:{weir}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://weir; proxy_http_version 1.1; proxy_set_header Host localhost; proxy_read_timeout 60s;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""
HAPROXY = """
global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
frontend public
    bind 127.0.0.1:{port}
    default_backend weir
backend weir
    http-reuse always
    server one 127.0.0.1:{weir} pool-max-conn 1 maxconn 200
"""


class Proxy:
    def __init__(self, program, config, weir):
        self.folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        path = Path(self.folder.name, "config")
        path.write_text(config.format(folder=self.folder.name, port=self.port, weir=weir.port))
        arguments = ["-c", str(path), "-p", self.folder.name] if "nginx" in program else ["-f", str(path), "-db", "-q"]
        self.process = subprocess.Popen([program, *arguments], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while not self.listens():
            assert self.process.poll() is None and time.monotonic() < deadline, f"{program} does not start"
            time.sleep(0.05)

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def get(self):
        with urllib.request.urlopen(f"http://localhost:{self.port}/healthz", timeout=30) as response:
            return response.status

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.process.terminate()
        self.process.wait(30)
        self.folder.cleanup()


class Through:
    """The scenarios; what follows says which proxy."""

    name = config = None

    def setUp(self):
        program = shutil.which(self.name, path=PATH)
        if not program:
            self.skipTest(f"no {self.name} here")
        self.weir = WeirProcess(LISTEN + ADMIN + "threads: 1\nlimits: {max_payload: 64KiB}\n")
        self.addCleanup(self.weir.__exit__, None, None, None)
        self.proxy = Proxy(program, self.config, self.weir)
        self.addCleanup(self.proxy.__exit__)

    def connections(self):
        """Those accepted so far, without the one that asks and those that asked before."""
        self.asked = getattr(self, "asked", 0) + 1
        return metrics(self.weir)["weir_connections_total"] - self.asked

    def test_on_a_connection_that_is_kept(self):
        self.assertEqual(self.proxy.get(), 200)
        before = self.connections()
        self.assertEqual(self.proxy.get(), 200)
        self.assertEqual(self.connections(), before, "the proxy keeps its connection")
        for way in ("after requests", "with early frames"):
            self.assertEqual(self.proxy.get(), 200)
            before = self.connections()
            early = text(request("tools/list", id="early")) if "early" in way else b""
            with WebSocket(self.proxy.port, early=early) as ws:
                self.assertEqual(self.connections(), before, "the upgrade came on the connection that was kept")
                self.assertEqual(ws.protocol, b"mcp")
                if early:
                    self.assertEqual(ws.receive_json()["id"], "early")
                self.assertIn("result", ws.call("tools/list"))
                ws.send_text(request("tools/call", {"name": "echo", "arguments": {"message": "x" * 50000}}, id=2))
                self.assertEqual(len(ws.receive_json()["result"]["content"][0]["text"]), 50000)
                ws.send(frame(PING, b"through"))
                ws.call("tools/list", id=3)
                ws.send(frame(PONG))
                self.assertIn("result", ws.call("tools/list", id=4))
                self.assertIn((PONG, b"through"), ws.control)
                ws.close()
        wait_for(lambda: metrics(self.weir)["weir_websocket_upgrades_total"] == 2, "the upgrades to be counted")
        self.assertEqual(metrics(self.weir)['weir_websocket_closes_total{code="peer"}'], 2)

    def test_close_codes_come_through(self):
        self.proxy.get()
        for data, code in ((frame(2), 1003), (frame(1, length=1 << 20), 1009), (frame(1, b"\xff"), 1007), (frame(3), 1002)):
            with WebSocket(self.proxy.port) as ws:
                ws.send(data)
                self.assertEqual(ws.expect_close(), code)

    def test_refusals_come_through(self):
        self.proxy.get()
        for upgrade, status in (({"target": b"/nothing"}, 404), ({"changes": {b"Origin": b"http://evil.example"}}, 403),
                                ({"changes": {b"Sec-WebSocket-Version": b"7"}}, 426)):
            with self.assertRaises(Refused) as refused:
                WebSocket(self.proxy.port, **upgrade)
            self.assertIn(refused.exception.status, (status, 400), "HAProxy judges the version itself")
        self.assertEqual(self.proxy.get(), 200)

    def test_a_client_that_vanishes(self):
        self.proxy.get()
        for _ in range(10):
            WebSocket(self.proxy.port).drop()
        wait_for(lambda: used(self.weir, "connections") <= 2, "the connections to end")


class Nginx(Through, unittest.TestCase):
    name, config = "nginx", NGINX


class HaProxy(Through, unittest.TestCase):
    name, config = "haproxy", HAPROXY


if __name__ == "__main__":
    unittest.main()
