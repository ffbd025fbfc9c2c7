"""CPU time of commands: whoever burns it is held to limits.cpu_per_second with all that it starts, and others hardly notice."""
import json
import os
import time
import unittest
from pathlib import Path

from test_http_front import ADMIN, LISTEN, Client, call, metrics, wait_for
from weir_process import WeirProcess

COMMANDS = """
commands:
  - {name: burn, run: [sh, -c, "echo $$ >&2; while :; do :; done"], input_schema: {type: object}, timeout: 6s}
  - {name: family, run: [sh, -c, "(while :; do :; done) & while :; do :; done"], input_schema: {type: object}, timeout: 6s}
  - {name: bounds, run: [sh, -c, "ulimit -c; ulimit -n; until [ $(nice) = 10 ]; do :; done; nice; ulimit -d"], input_schema: {type: object}, max_memory: 64MiB}
  - {name: hungry, run: [sh, -c, "x=x; while :; do x=$x$x$x; done"], input_schema: {type: object}, max_memory: 32MiB, timeout: 60s}
"""


def children_seconds(weir):
    """CPU time that the programs have used, those that are gone."""
    fields = Path(f"/proc/{weir.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def answer(client):
    status, _, body = client.response()
    client.close()
    return status, json.loads(body)


class Cpu(unittest.TestCase):
    def burn(self, weir, tool):
        status, message = answer(Client(weir, call(tool)))
        self.assertEqual((status, message["result"]["isError"]), (200, True), message)
        return message["result"]["content"][0]["text"]

    def test_held(self):
        with WeirProcess(LISTEN + ADMIN + COMMANDS + "limits: {cpu_per_second: 100ms}\n") as weir:
            self.assertRegex(self.burn(weir, "burn"), "timed out|CPU")
            wait_for(lambda: children_seconds(weir) > 0, "the program to be waited for")
            self.assertLess(children_seconds(weir), 2, "of six seconds")
            self.assertGreater(metrics(weir)["weir_command_cpu_stops_total"], 0)

    def test_with_all_that_it_starts(self):
        with WeirProcess(LISTEN + ADMIN + COMMANDS + "limits: {cpu_per_second: 100ms}\n") as weir:
            self.assertRegex(self.burn(weir, "family"), "timed out|CPU")
            self.assertGreater(metrics(weir)["weir_command_cpu_stops_total"], 0)

    def test_others_hardly_notice(self):
        with WeirProcess(LISTEN + COMMANDS + "limits: {cpu_per_second: 100ms}\n") as weir:
            burning = [Client(weir, call("burn")) for _ in range(8)]
            client = Client(weir)
            times = []
            for _ in range(100):
                start = time.monotonic()
                self.assertEqual(client.send(call("echo", {"message": "x"})).response()[0], 200)
                times.append(time.monotonic() - start)
            self.assertLess(sorted(times)[94], 1, "an order of magnitude; the stress suite has the figure")
            for one in [client, *burning]:
                one.close()

    def test_no_budget(self):
        with WeirProcess(LISTEN + ADMIN + COMMANDS.replace("6s", "2s") + "limits: {cpu_per_second: 0}\n") as weir:
            self.assertIn("timed out", self.burn(weir, "burn"))
            self.assertEqual(metrics(weir)["weir_command_cpu_stops_total"], 0)

    def test_bounds(self):
        with WeirProcess(LISTEN + COMMANDS) as weir:
            _, message = answer(Client(weir, call("bounds")))
            core, descriptors, niceness, data = message["result"]["content"][0]["text"].split()
            self.assertEqual((core, descriptors, data), ("0", "1024", str(64 * 1024)))
            self.assertEqual(int(niceness), 10)
            _, message = answer(Client(weir, call("hungry")))
            self.assertTrue(message["result"]["isError"], message)


if __name__ == "__main__":
    unittest.main()
