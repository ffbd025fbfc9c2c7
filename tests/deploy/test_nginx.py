"""docker/nginx.conf before two gateways."""
import unittest

from callers import Session
from deployment import Nginx
from scenarios import SOURCES, Behind


class BehindNginx(Behind, unittest.TestCase):
    balancer = Nginx
    http2 = "1.1"
    broken_off = ((0, True),)

    def go_elsewhere(self, deployment, session, home):
        """From another address, as a client that moves: to one whose sessions are at the other gateway."""
        for source in SOURCES:
            other = Session(deployment, source)
            moved = other.at(deployment.gateways[home]) == 404
            other.close()
            if moved:
                session.source = source
                session.connect()
                return
        self.fail("all addresses lead to one gateway")


del Behind

if __name__ == "__main__":
    unittest.main()
