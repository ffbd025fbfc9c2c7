"""docker/haproxy.cfg before two gateways."""
import http.client
import re
import unittest

from callers import Session
from deployment import SECONDS, Haproxy, wait_for
from scenarios import Behind


class BehindHaproxy(Behind, unittest.TestCase):
    balancer = Haproxy
    http2 = "2"
    # It neither answers nor logs what was broken off, unless it was the first request of its client's connection: it closes
    # that connection.
    broken_off = (None, (0, True))

    def go_elsewhere(self, deployment, session, home):
        """A balancer that was started again remembers no session: all go by load, and one that is sent to another gateway is told."""
        deployment.restart_balancer()
        session.connect()
        others = [Session(deployment) for _ in range(2)]
        self.ready(deployment)
        for other in others:
            self.assertEqual(other.call(), 200)
            other.close()

    def ready(self, deployment):
        wait_for(lambda: len(re.findall(r'haproxy_server_status\{proxy="gateways",server="gateway-\d",state="UP"\} 1', self.metrics(deployment))) == 2,
                 "both gateways to be up")

    def metrics(self, deployment):
        connection = http.client.HTTPConnection("127.0.0.1", deployment.balancer.ports[1], timeout=SECONDS)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return text

    def test_drain_is_seen_before_the_listener_closes(self):
        """The order that a restart without loss stands on: /readyz says no, HAProxy sees it, and only then does the listener close."""
        deployment = self.deploy()
        self.ready(deployment)
        gateway = deployment.gateways[0]
        gateway.weir.process.terminate()
        gateway.weir.wait_log("leaving")
        wait_for(lambda: re.search(r'proxy="gateways",server="gateway-1",state="DOWN"\} 1', self.metrics(deployment)), "HAProxy to see it")
        self.assertEqual(gateway.weir.logs("draining"), [], "it serves on")
        gateway.stop()
        self.assertIn("503", [line for line in deployment.balancer.said().splitlines() if "Server gateways/gateway-1 is DOWN" in line][0])


del Behind

if __name__ == "__main__":
    unittest.main()
