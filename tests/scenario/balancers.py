"""Real load balancers in front of a gateway: HAProxy and nginx, each as a process of its own."""
import os
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from free_port import free_port

START_SECONDS = 30
PATH = os.environ.get("PATH", "") + ":/usr/sbin"


class Balancer:
    """`configuration` has {folder}, and {0}, {1}, ... for the ports that it listens on: free ones."""

    program = None

    def __init__(self, configuration, ports=1):
        self.path = shutil.which(self.program, path=PATH)
        if not self.path:
            raise unittest.SkipTest(f"{self.program} is not there: ./dev test installs it")
        self.ports = [free_port() for _ in range(ports)]
        self._directory = tempfile.TemporaryDirectory(prefix="balancer-")
        self.folder = Path(self._directory.name)
        self.folder.chmod(0o755)
        self.config = self.folder / "config"
        self.config.write_text(configuration.format(*self.ports, folder=self.folder))
        self.output = (self.folder / "output").open("w+")
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=self.output, stderr=subprocess.STDOUT)
        try:
            for port in self.ports:
                self._wait(port)
        except AssertionError:
            self.stop()
            raise

    def command(self):
        raise NotImplementedError

    def said(self):
        self.output.seek(0)
        return self.output.read()

    def _wait(self, port):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, self.said()
                time.sleep(0.02)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.output.close()
        self._directory.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Haproxy(Balancer):
    """The configuration is the part behind the defaults."""

    program = "haproxy"
    DEFAULTS = """
global
    maxconn 1000
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
"""

    def __init__(self, configuration, ports=1):
        super().__init__(self.DEFAULTS + configuration, ports)

    def command(self):
        return [self.path, "-db", "-f", str(self.config)]


class Nginx(Balancer):
    """The configuration is what stands in http { }; its braces are doubled."""

    program = "nginx"
    DEFAULTS = """
daemon off;
master_process off;
pid {folder}/pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
"""

    def __init__(self, configuration, ports=1):
        super().__init__(self.DEFAULTS + configuration + "}}\n", ports)

    def command(self):
        return [self.path, "-e", "stderr", "-p", str(self.folder), "-c", str(self.config)]
