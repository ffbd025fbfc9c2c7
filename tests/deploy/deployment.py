"""What docker/ ships, as processes on loopback: two gateways with weir.yaml behind HAProxy or nginx. The files are taken as they
are; only addresses and paths are others."""
import os
import re
import ssl
import subprocess
import tempfile
import time
from pathlib import Path

from balancers import Balancer
from certificates import Authority
from free_port import free_port
from weir_process import ROOT, WeirProcess, binary

DOCKER = ROOT / "docker"
SECONDS = 60
STATE_KEY = "one key of at least thirty-two bytes, for both"
HANDLERS = """
threads: 2
modules: [{{path: {fixtures}/conformance.so}}]
commands:
  - {{name: mark, run: [tee, -a, {marks}], stdin: json, input_schema: {{type: object, properties: {{n: {{type: integer}}}}}}}}
"""


def replaced(text, changes):
    """text with each old part, which must be there as often as said, changed: (old, new, times)."""
    for old, new, times in changes:
        assert text.count(old) == times, f"{old!r} is there {text.count(old)} times"
        text = text.replace(old, new)
    return text


def wait_for(condition, what, seconds=SECONDS):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.02)
    return found


class Gateway:
    """One that can be started again, at the same addresses."""

    def __init__(self, folder, changes=()):
        self.plain, self.proxied, self.admin = (free_port() for _ in range(3))
        self.past = []  # the log of those that have ended
        self.config = replaced((DOCKER / "weir.yaml").read_text(), [
            ("0.0.0.0:8080", f"127.0.0.1:{self.plain}", 1), ("0.0.0.0:8081", f"127.0.0.1:{self.proxied}", 1),
            ("0.0.0.0:9464", f"127.0.0.1:{self.admin}", 1), ("172.31.250.0/24", "127.0.0.1", 2), ("threads: auto\n", "", 1),
            ("limits:\n", "limits:\n  queue_delay: 0\n", 1),  # how busy this machine is decides nothing here
            *changes]) + HANDLERS.format(fixtures=Path(binary()).resolve().parent / "fixtures", marks=folder / "marks")
        self.start()

    def start(self):
        self.weir = WeirProcess(self.config, {"WEIR_STATE_KEY": STATE_KEY})

    def stop(self):
        """SIGTERM, as a restart does; it must end cleanly."""
        self.weir.stop(SECONDS)
        self.past += self.requests_now()

    def kill(self):
        """SIGKILL; when this returns the kernel has closed all its connections."""
        self.weir.process.kill()
        self.weir.process.wait()

    def requests_now(self):
        return self.weir.logs("request")

    def requests(self):
        """Its access log."""
        return self.past + self.requests_now()

    def close(self):
        self.weir.kill()


class Haproxy(Balancer):
    program = "haproxy"
    source = "haproxy.cfg"

    def __init__(self, deployment):
        self.deployment = deployment
        super().__init__("", ports=2)

    def command(self):
        gateways = {f"WEIR_GATEWAY_{i + 1}": f"127.0.0.1:{gateway.proxied}" for i, gateway in enumerate(self.deployment.gateways)}
        os.environ.update({**gateways, "WEIR_BIND": f"127.0.0.1:{self.ports[0]}", "WEIR_CERTIFICATE": str(self.deployment.pem),
                           "WEIR_METRICS_BIND": f"127.0.0.1:{self.ports[1]}",
                           "WEIR_STREAM_TIMEOUT": self.deployment.stream_timeout, "WEIR_MAX_CONNECTIONS": "1000"})
        return [self.path, "-db", "-f", str(DOCKER / self.source)]

    def attempts(self):
        """{traceparent: (gateway's index or None, whether the gateway broke it off)} of its log."""
        found = {}
        for line in self.said().splitlines():
            match = re.search(r" gateways/(?:gateway-(\d)|<NOSRV>) \S+ \S+ \S+ - - (\S)(\S)\S\S .*\{([^|}]*)", line)
            if match and match[4]:
                found[match[4]] = (int(match[1]) - 1 if match[1] else None, match[2] == "S")
        return found


class Nginx(Balancer):
    program = "nginx"
    source = "nginx.conf"

    def __init__(self, deployment):
        self.deployment = deployment
        super().__init__("", ports=1)

    def command(self):
        one, two = self.deployment.gateways
        self.config.write_text(replaced((DOCKER / self.source).read_text(), [
            ("listen 8443", f"listen 127.0.0.1:{self.ports[0]}", 1), ("/run/secrets/gateway.pem", str(self.deployment.pem), 2),
            ("gateway-1:8080", f"127.0.0.1:{one.plain}", 2), ("gateway-2:8080", f"127.0.0.1:{two.plain}", 2),
            ("/tmp/nginx", f"{self.folder}/nginx", 6), ("90s", self.deployment.stream_timeout, 2)]))
        return [self.path, "-e", "stderr", "-p", str(self.folder), "-c", str(self.config), "-g", "daemon off;"]

    def attempts(self):
        ports = {f"127.0.0.1:{gateway.plain}": i for i, gateway in enumerate(self.deployment.gateways)}
        found = {}
        for line in self.said().splitlines():
            match = re.search(r'" (\d+) .* to=(.*) upstream=(.*) trace=(\S+)$', line)
            if match and match[4] != "-":
                found[match[4]] = (ports.get(match[2].split(", ")[-1]), match[1] == "502" and match[3].endswith("502"))
        return found


class Deployment:
    """Two gateways and a balancer before them; `port` speaks TLS."""

    def __init__(self, balancer, changes=(), stream_timeout="90s"):
        self._folder = tempfile.TemporaryDirectory(prefix="weir-deploy-")
        self.folder = Path(self._folder.name)
        self.folder.chmod(0o755)
        self.stream_timeout = stream_timeout
        authority = Authority(self.folder)
        certificate, key = authority.sign("gateway")
        self.pem = self.folder / "gateway.pem"
        self.pem.write_text(certificate.read_text() + key.read_text())
        self.trust = ssl.create_default_context(cafile=str(authority.path))
        self.gateways = []
        self.balancer = None
        try:
            for _ in range(2):
                self.gateways.append(Gateway(self.folder, changes))
            self.balancer = balancer(self)
        except BaseException:
            self.close()
            raise

    @property
    def port(self):
        return self.balancer.ports[0]

    def restart_balancer(self):
        kind = type(self.balancer)
        self.balancer.stop()
        self.balancer = kind(self)

    def marks(self):
        """Every n that the tool `mark` was run with, as often as it was."""
        path = self.folder / "marks"
        return [int(n) for n in re.findall(r'"n":\s*(\d+)', path.read_text())] if path.exists() else []

    def close(self):
        if self.balancer:
            self.balancer.stop()
        for gateway in self.gateways:
            gateway.close()
        self._folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def judge(*command):
    """(exit status, everything that was said) of a program that judges a file."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout + done.stderr
