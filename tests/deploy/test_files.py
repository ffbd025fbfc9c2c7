"""The files of docker/ as their own programs judge them, and whether they agree with each other."""
import os
import re
import shutil
import unittest

try:
    import yaml
except ImportError:
    yaml = None
from deployment import DOCKER, Deployment, Haproxy, Nginx, judge
from weir_process import ROOT, binary

PATH = os.environ["PATH"] + ":/usr/sbin:" + str(ROOT / "build" / "prometheus" / "usr" / "bin")


def program(name):
    path = shutil.which(name, path=PATH)
    if not path:
        raise unittest.SkipTest(f"{name} is not there: ./dev test installs it")
    return path


class Files(unittest.TestCase):
    def assertGood(self, judged):
        self.assertEqual(judged[0], 0, judged[1])

    def test_weir(self):
        self.assertGood(judge(binary(), "check", DOCKER / "weir.yaml"))

    def test_haproxy(self):
        program("haproxy")
        with Deployment(Haproxy) as deployment:
            self.assertGood(judge("haproxy", "-c", "-f", DOCKER / "haproxy.cfg"))
            said = deployment.balancer.said()
            self.assertNotIn("[WARNING]", said)

    def test_nginx(self):
        program("nginx")
        with Deployment(Nginx) as deployment:
            status, said = judge("nginx", "-t", "-e", "stderr", "-p", deployment.balancer.folder, "-c", deployment.balancer.config)
            self.assertEqual(status, 0, said)
            self.assertNotIn("[warn]", said)

    def test_prometheus(self):
        self.assertGood(judge(program("promtool"), "check", "config", DOCKER / "prometheus" / "prometheus.yml"))


class Compose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not yaml:
            raise unittest.SkipTest("Python's yaml is not there: ./dev test installs Debian's")
        cls.compose = yaml.safe_load((DOCKER / "compose.yml").read_text())
        cls.services = cls.compose["services"]

    def test_every_service_is_confined(self):
        for name, service in self.services.items():
            with self.subTest(name):
                self.assertIs(service["read_only"], True)
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
                for limit in ("mem_limit", "cpus", "pids_limit", "restart", "logging"):
                    self.assertIn(limit, service)
                self.assertNotIn("privileged", service)
                self.assertNotIn("cap_add", service)
                self.assertNotIn("network_mode", service)

    def test_what_is_named_is_there(self):
        for name, service in self.services.items():
            for volume in service.get("volumes", []):
                source, _, rest = volume.partition(":")
                if source.startswith("."):
                    self.assertTrue((DOCKER / source).exists(), volume)
                    self.assertTrue(rest.endswith(":ro"), f"{name}: {volume}")
                else:
                    self.assertIn(source, self.compose["volumes"])
            for secret in service.get("secrets", []):
                self.assertIn(secret, self.compose["secrets"])
            for network in service["networks"]:
                self.assertIn(network, self.compose["networks"])
            build = service.get("build")
            if build:
                self.assertTrue((DOCKER / build["context"] / build["dockerfile"]).exists())

    def test_only_the_balancer_is_outside(self):
        outside = {name for name, service in self.services.items() if "outside" in service["networks"]}
        self.assertEqual(outside, {"haproxy", "prometheus"})
        published = {name: service["ports"] for name, service in self.services.items() if "ports" in service}
        self.assertEqual(set(published), outside)
        self.assertTrue(all(port.startswith("127.0.0.1:") for port in published["prometheus"]))
        self.assertIs(self.compose["networks"]["inside"]["internal"], True)

    def test_the_files_agree(self):
        weir = yaml.safe_load((DOCKER / "weir.yaml").read_text())
        haproxy = (DOCKER / "haproxy.cfg").read_text()
        nginx = (DOCKER / "nginx.conf").read_text()
        scraped = yaml.safe_load((DOCKER / "prometheus" / "prometheus.yml").read_text())
        plain, proxied = weir["listen"]
        subnet = self.compose["networks"]["inside"]["ipam"]["config"][0]["subnet"]
        gateways = [name for name in self.services if name.startswith("gateway-")]
        self.assertTrue(proxied["proxy_protocol"] and "proxy_protocol" not in plain)
        for listener in (plain, proxied):
            self.assertEqual(listener["trusted_proxies"], [subnet])
        port = {name: address.rpartition(":")[2] for name, address in
                (("plain", plain["address"]), ("proxied", proxied["address"]), ("admin", weir["admin"]["address"]))}
        self.assertEqual(re.findall(r"presetenv WEIR_GATEWAY_\d (\S+)", haproxy), [f"{name}:{port['proxied']}" for name in gateways])
        self.assertEqual(set(re.findall(r"^\s+server (\S+)", nginx, re.M)) - {"{"}, {f"{name}:{port['plain']}" for name in gateways})
        jobs = {job["job_name"]: job["static_configs"][0]["targets"] for job in scraped["scrape_configs"]}
        metrics = re.search(r"WEIR_METRICS_BIND (\S+)", haproxy)[1]
        self.assertEqual(jobs, {"weir": [f"{name}:{port['admin']}" for name in gateways], "haproxy": [f"haproxy{metrics}"]})
        self.assertEqual(self.services["haproxy"]["ports"][0].rpartition(":")[2], re.search(r"WEIR_BIND :(\d+)", haproxy)[1])
        for file in (haproxy, nginx):
            for secret in re.findall(r"/run/secrets/([\w.]+)", file):
                self.assertIn(secret, self.compose["secrets"])
        exposed = re.search(r"^EXPOSE (.*)$", (DOCKER / "Dockerfile").read_text(), re.M)[1].split()
        self.assertEqual(exposed, [port["plain"], port["proxied"], port["admin"]])

    def test_time_to_stop(self):
        """The orchestrator waits longer than a gateway needs, and the gateway longer than the balancer needs to notice."""
        weir = yaml.safe_load((DOCKER / "weir.yaml").read_text())
        haproxy = (DOCKER / "haproxy.cfg").read_text()
        seconds = {name: int(weir["limits"][name].removesuffix("s")) for name in ("drain_grace", "drain_timeout")}
        for service in self.services.values():
            if "stop_grace_period" in service and "WEIR_STATE_KEY" in service.get("environment", {}):
                self.assertGreater(int(service["stop_grace_period"].removesuffix("s")), sum(seconds.values()))
        inter, fall = int(re.search(r"check inter (\d+)s", haproxy)[1]), int(re.search(r" fall (\d+)", haproxy)[1])
        self.assertGreater(seconds["drain_grace"], inter * fall)
        idle = int(re.search(r"keepalive_timeout (\d+)s;\n    }", (DOCKER / "nginx.conf").read_text())[1])
        self.assertLess(idle, seconds["drain_grace"])


if __name__ == "__main__":
    unittest.main()
