"""weir health: what a container's HEALTHCHECK and an operator ask. Exit status 0 ready, 1 not, 2 nobody can be asked so."""
import signal
import socket
import tempfile
import unittest
from pathlib import Path

from free_port import free_port
from certificates import Authority
from test_cli import run
from test_http_front import Client, call, wait_for
from weir_process import WeirProcess

PROXY = "proxy_protocol: true, trusted_proxies: [127.0.0.1]"


class Health(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.directory.cleanup)
        cls.folder = Path(cls.directory.name)
        cls.certificate = "certificate: {}, key: {}".format(*Authority(cls.folder).sign("gateway"))

    def assertHealth(self, status, *arguments, says="", environment=None, cwd=None):
        done = run("health", *arguments, environment=environment, cwd=cwd)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "ready\n" if status == 0 else "")
        self.assertIn(says, done.stderr)

    def check_configured(self, *listeners, more="", environment=None):
        """Asks by nothing but the configuration, as the one that was started."""
        config = "listen:\n" + "".join(f"  - {{{listener}}}\n" for listener in listeners) + more
        with WeirProcess(config, environment) as weir:
            self.assertHealth(0, "--config", str(weir.config_path), environment=environment)
            self.assertHealth(0, cwd=weir.config_path.parent, environment=environment)
        (self.folder / "weir.yaml").write_text(config)
        self.assertHealth(1, "--config", str(self.folder / "weir.yaml"), environment=environment)

    def test_where_the_configuration_listens(self):
        path = self.folder / "weir.sock"
        for listener in ("address: '127.0.0.1:{}'", "address: '0.0.0.0:{}'", "address: '[::1]:{}'", "address: '[::]:{}'",
                         "address: '127.0.0.1:{}', allowed_hosts: [gateway.example]",
                         f"address: '127.0.0.1:{{}}', tls: {{{{{self.certificate}}}}}",
                         f"address: 'unix:{path}'", f"address: 'unix:{path}', tls: {{{{{self.certificate}}}}}"):
            with self.subTest(listener[:60]):
                self.check_configured(listener.format(free_port()))

    def test_the_first_that_a_plain_request_reaches(self):
        for refuses in (PROXY, "transports: [stream]",
                        f"tls: {{{self.certificate}, client_ca: {self.folder}/authority.pem, client_auth: require}}"):
            with self.subTest(refuses[:30]):
                first = f"address: '127.0.0.1:{free_port()}', {refuses}"
                self.check_configured(first, f"address: '127.0.0.1:{free_port()}'")
                self.check_configured(first, more=f"admin: {{address: '127.0.0.1:{free_port()}'}}")
                self.check_configured(first, environment={"WEIR_ADMIN_ADDRESS": f"127.0.0.1:{free_port()}"})
                (self.folder / "alone.yaml").write_text(f"listen: [{{{first}}}]\n")
                self.assertHealth(2, "--config", str(self.folder / "alone.yaml"), says="give a URL")

    def test_a_place(self):
        path = self.folder / "place.sock"
        config = f"listen: [{{address: '127.0.0.1:0'}}, {{address: '127.0.0.1:0', tls: {{{self.certificate}}}}}, {{address: 'unix:{path}'}}]\n"
        with WeirProcess(config) as weir:
            plain, secure, _ = weir.ports
            for place in (f"http://127.0.0.1:{plain}", weir.url, f"http://localhost:{plain}/else/where?and=more", f"unix:{path}",
                          f"https://127.0.0.1:{secure}/mcp"):
                self.assertHealth(0, place, environment={"http_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"})
            self.assertHealth(1, f"http://127.0.0.1:{secure}")
        self.assertHealth(1, f"http://127.0.0.1:{plain}", says="connect")
        self.assertHealth(1, f"unix:{path}")

    def test_not_ready(self):
        with WeirProcess("listen: [{address: '127.0.0.1:0'}]\nlimits: {drain_grace: 1h}\n") as weir:
            weir.signal(signal.SIGTERM)
            weir.wait_log("leaving")
            self.assertHealth(1, weir.url, says="not ready (503)")
        with WeirProcess("listen: [{address: '127.0.0.1:0'}]\nlimits: {max_in_flight: 1}\n"
                         "commands: [{name: wait, run: [sleep, '100'], timeout: 100s}]\n") as weir:
            client = Client(weir, call("wait"))
            wait_for(lambda: run("health", weir.url).returncode == 1, "the only place to be taken")
            client.close()
            wait_for(lambda: run("health", weir.url).returncode == 0, "the place to be free")

    def test_somebody_who_never_answers(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.assertHealth(1, f"http://127.0.0.1:{silent.getsockname()[1]}", "--timeout", "1", says="imeout")

    def test_usage(self):
        for arguments in (("ftp://127.0.0.1",), ("unix:",), ("127.0.0.1:80", "more"), ("--timeout", "0"), ("--timeout", "x"),
                          ("--frobnicate",), ("--config",), ("http://",)):
            self.assertHealth(2, *arguments, says="usage: weir health")
        self.assertHealth(2, "--config", str(self.folder / "nothing.yaml"), says="nothing.yaml")
        self.assertHealth(2, environment={"WEIR_THREADS": "many"}, says="WEIR_THREADS")


if __name__ == "__main__":
    unittest.main()
