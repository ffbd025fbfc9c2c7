"""What a service manager is told (sd_notify): ready, reloading and ready again, stopping. And what NOTIFY_SOCKET may not do."""
import signal
import socket
import tempfile
import unittest
from pathlib import Path

from weir_process import WeirProcess

WAIT_SECONDS = 60


class Manager:
    """The datagrams that come to a socket, in their order."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(WAIT_SECONDS)

    def next(self):
        return dict(line.split("=", 1) for line in self.socket.recv(4096).decode().splitlines())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


class Told(unittest.TestCase):
    def life(self, address, variable):
        with Manager(address) as manager:
            with WeirProcess(environment={"NOTIFY_SOCKET": variable}) as weir:
                self.assertEqual(manager.next(), {"READY": "1"})
                weir.signal(signal.SIGHUP)
                reloading = manager.next()
                self.assertEqual(reloading["RELOADING"], "1")
                self.assertGreater(int(reloading["MONOTONIC_USEC"]), 0)
                self.assertEqual(manager.next(), {"READY": "1"})
                weir.config_path.write_text("nonsense: true\n")
                weir.signal(signal.SIGHUP)
                self.assertEqual(manager.next()["RELOADING"], "1")
                self.assertEqual(manager.next(), {"READY": "1"}, "a reload that is refused has ended, too")
                weir.wait_log("reload_refused")
            self.assertEqual(manager.next(), {"STOPPING": "1"})

    def test_path(self):
        with tempfile.TemporaryDirectory() as folder:
            address = str(Path(folder) / "notify")
            self.life(address, address)

    def test_abstract(self):
        name = f"weir-notify-{id(self)}"
        self.life(f"\0{name}", f"@{name}")

    def test_nobody(self):
        """A socket that is not there, or no address at all: the gateway serves as it would."""
        for variable in ("/nowhere/at/all", "relative", "@", "", "/" + "x" * 200):
            with self.subTest(variable[:20]), WeirProcess(environment={"NOTIFY_SOCKET": variable}):
                pass


if __name__ == "__main__":
    unittest.main()
