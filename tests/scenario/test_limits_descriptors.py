"""Few descriptors: the limits that need them are lowered to what there is, which is said, and nobody ever finds none left."""
import subprocess
import tempfile
import unittest
from collections import Counter
from pathlib import Path

from certificates import Authority
from test_http_front import ADMIN, LISTEN, SLOW, Client, call, metrics, used, wait_for
from websocket_client import Refused, WebSocket
from weir_process import WeirProcess, binary

FEW = ("prlimit", "--nofile=256:256")
THREADS = "threads: 2\n"


def lowered(weir):
    """The line at the start, when it is a warning."""
    [line] = weir.logs("descriptors")
    return {key: int(value) for key, value in line.items() if value.isdigit()} if line["level"] == "warning" else None


def status_of(client):
    try:
        return client.send(call("echo", {"message": "x"})).response()[0]
    except ConnectionError:
        return "cut"


def plain(weir):
    """An HTTP client that has been let in."""
    client = Client(weir)
    if status_of(client) == 200:
        return client
    client.close()
    raise Refused(503, {}, b"")


def open_until_refused(make):
    made = []
    while True:
        try:
            made.append(make())
        except Refused as refused:
            assert refused.status == 503, refused
            return made


def attempt(make):
    try:
        return make()
    except Refused:
        return None


def refusal(weir, words):
    """Of an upgrade, when it is the one with these words."""
    try:
        WebSocket(weir.port).drop()
    except Refused as refused:
        return refused if words in refused.body else None
    raise AssertionError("it was let in")


def answers(weir):
    try:
        return metrics(weir)
    except OSError:
        return None


class Descriptors(unittest.TestCase):
    def test_enough(self):
        with WeirProcess(LISTEN + "limits: {max_connections: 50}\n") as weir:
            [line] = weir.logs("descriptors")
            self.assertEqual((line["level"], line["max_connections"], line["max_processes"]), ("info", "50", "0"))

    def test_connections(self):
        with WeirProcess(THREADS + LISTEN + ADMIN, under=FEW) as weir:
            says = lowered(weir)
            most = says["max_connections"]
            self.assertEqual((says["limit"], says["configured_max_connections"]), (256, 10000))
            self.assertEqual(metrics(weir)['weir_limit_max{limit="connections"}'], most)
            clients = [Client(weir) for _ in range(400)]
            statuses = Counter(status_of(client) for client in clients)
            self.assertLessEqual(set(statuses), {200, 503, "cut"}, "closed, if its answer could not wait for it to read")
            self.assertIn(statuses[200], (most - 1, most), "all within the limit, of which one may be metrics()")
            self.assertGreater(statuses[503], 0)
            for client in clients:
                client.close()
            wait_for(lambda: used(weir, "connections") == 1, "all but that of the question to go")
            self.assertEqual(metrics(weir)["weir_accept_pauses_total"], 0)

    def test_websockets_need_more(self):
        with WeirProcess("threads: 1\n" + LISTEN + ADMIN, under=FEW) as weir:
            sockets = open_until_refused(lambda: WebSocket(weir.port))
            self.assertGreater(len(sockets), 10)
            self.assertLess(len(sockets), 256 // 3)
            for one in sockets[:2]:
                self.assertIn("result", one.call("tools/call", {"name": "echo", "arguments": {"message": "x"}}))
            sockets.pop().drop()
            clients = [wait_for(lambda: attempt(lambda: plain(weir)), "its descriptors")]
            clients += open_until_refused(lambda: plain(weir))
            clients.pop().close()
            # Now one gets in, and there is nothing for what it wants to be.
            refused = wait_for(lambda: refusal(weir, b"descriptors"), "the place of the last one")
            self.assertEqual((refused.status, refused.fields[b"retry-after"]), (503, b"1"))
            for one in clients:
                one.close()
            for one in sockets:
                one.drop()
            wait_for(lambda: answers(weir), "a place for whoever asks")
            self.assertEqual(metrics(weir)["weir_accept_pauses_total"], 0)

    def test_programs(self):
        with WeirProcess(THREADS + LISTEN + ADMIN + SLOW, under=FEW) as weir:
            most = lowered(weir)["max_processes"]
            clients = [Client(weir, call("wait")) for _ in range(most + 5)]
            wait_for(lambda: used(weir, "processes") == most, "as many as there may be")
            wait_for(lambda: metrics(weir)['weir_refusals_total{reason="processes"}'] == 5, "the others to be told")
            for client in clients:
                client.close()

    def test_tls(self):
        with tempfile.TemporaryDirectory() as folder:
            certificate, key = Authority(Path(folder)).sign("localhost")
            tls = f"tls: {{certificate: {certificate}, key: {key}}}"
            with WeirProcess(THREADS + f"listen: [{{address: '127.0.0.1:0', {tls}}}]\n", under=FEW) as weir:
                self.assertLess(lowered(weir)["max_connections"], 256 // 3)

    def test_reload(self):
        with WeirProcess(THREADS + LISTEN + "limits: {max_connections: 20}\n", under=FEW) as weir:
            self.assertIsNone(lowered(weir))
            weir.config_path.write_text(THREADS + LISTEN + "limits: {max_connections: 2000}\n")
            weir.signal(1)
            line = weir.wait_log("descriptors", count=2)
            self.assertEqual((line["level"], line["configured_max_connections"]), ("warning", "2000"))

    def run_with(self, limit, *command):
        return subprocess.run(["prlimit", f"--nofile={limit}:{limit}", binary(), *command], capture_output=True, text=True,
                              timeout=60)

    def test_too_few(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weir.yaml"
            path.write_text(THREADS + LISTEN)
            done = self.run_with(64, "serve", "--config", path)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("ulimit -Hn) is 64, and ", done.stderr)

    def test_check_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "weir.yaml"
            path.write_text(THREADS + LISTEN)
            done = self.run_with(256, "check", path)
            self.assertEqual((done.returncode, done.stdout), (0, f"{path}: no mistakes\n"))
            self.assertRegex(done.stderr, r": note: a hard limit of 256 descriptors, as it is here, leaves "
                                          r"limits.max_connections at \d+ of 10000")
            path.write_text(THREADS + LISTEN + "limits: {max_connections: 10}\n")
            self.assertEqual(self.run_with(256, "check", path).stderr, "")


if __name__ == "__main__":
    unittest.main()
