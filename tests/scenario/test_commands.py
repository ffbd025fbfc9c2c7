"""Command handlers in a running gateway: arguments, outputs, failures, and that nothing a program started survives."""
import concurrent.futures
import http.client
import json
import os
import re
import signal
import threading
import time
import unittest
from pathlib import Path

from client import call_text, post, result
from weir_process import WeirProcess

BASE = "listen: [{address: '127.0.0.1:0'}]\nbuiltin: false\n"
WAIT_SECONDS = 30
CALLS = 50
COMMANDS = BASE + """
commands:
  - name: show
    input_schema: {type: object, properties: {text: {type: string}, depth: {type: integer}, style: {type: string, default: plain}},
                   required: [text], additionalProperties: false}
    run: [printf, "[%s]", "{text}", "--depth={depth}", "{style}", "{{}}"]
  - {name: mirror, input_schema: {type: object}, run: [cat], stdin: json, output: json}
  - {name: fail, run: [sh, -c, "echo partial; echo broken >&2; exit 4"]}
  - {name: late, run: [sleep, "100"], timeout: 300ms}
  - {name: flood, run: ["yes"], max_output: 1KiB}
  - name: family
    input_schema: {type: object, properties: {journal: {type: string}}}
    run: [sh, -c, 'sleep 1000 & echo $$ $! > "$1"; wait', sh, "{journal}"]
    timeout: 100s
"""


def call(weir, tool, arguments=None):
    return result(weir, "tools/call", {"name": tool, "arguments": arguments or {}}, tool)


def alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False


def wait_for(condition, what):
    end = time.monotonic() + WAIT_SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.02)
    return found


class Results(unittest.TestCase):
    def test_results(self):
        with WeirProcess(COMMANDS) as weir:
            self.assertEqual(call_text(weir, "show", {"text": "$(id) \"x\""}), '[$(id) "x"][plain][{}]')
            self.assertEqual(call_text(weir, "show", {"text": "", "depth": 2, "style": "é"}), "[][--depth=2][é][{}]")
            mirrored = call(weir, "mirror", {"a": [1, {"b": None}], "c": "\n"})
            self.assertEqual(mirrored["structuredContent"], {"a": [1, {"b": None}], "c": "\n"})
            self.assertEqual(json.loads(mirrored["content"][0]["text"]), mirrored["structuredContent"])

    def test_failures_are_results(self):
        with WeirProcess(COMMANDS) as weir:
            rows = [("fail", ["fail: exit status 4\nbroken", "partial\n"]), ("late", ["late: timed out after 300 ms"])]
            for tool, texts in rows:
                failed = call(weir, tool)
                self.assertTrue(failed["isError"])
                self.assertEqual([item["text"] for item in failed["content"]], texts)
            flooded = call(weir, "flood")
            self.assertTrue(flooded["isError"])
            self.assertEqual(flooded["content"][0]["text"], "flood: more than max_output (1024 bytes) on standard output")

    def test_bad_arguments_never_reach_the_program(self):
        with WeirProcess(COMMANDS) as weir:
            for arguments in ({}, {"text": 1}, {"text": "x", "depth": "2"}, {"text": "x", "other": 1}):
                refused = call(weir, "show", arguments)
                self.assertTrue(refused["isError"], arguments)
                self.assertFalse(refused["content"][0]["text"].startswith("["), refused)


class Ends(unittest.TestCase):
    """Of the program `family`, which tells its own id and its child's."""

    def start_family(self, weir):
        journal = Path(weir._directory.name) / "journal"
        connection = http.client.HTTPConnection(weir.host, weir.port, timeout=60)
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": "family", "arguments": {"journal": str(journal)},
                           "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
                                     "io.modelcontextprotocol/clientCapabilities": {}}}}
        connection.request("POST", weir.path, json.dumps(body), {
            "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "family"})
        pids = wait_for(lambda: journal.exists() and journal.read_text().split(), "the program")
        self.assertTrue(all(map(alive, pids)), pids)
        return connection, pids

    def test_ends_wake_one_thread(self):
        """The one that waits for it: not the main thread, whose own waits would be cut short."""
        with WeirProcess(COMMANDS) as weir:
            main = Path(f"/proc/{weir.process.pid}/task/{weir.process.pid}/status")

            def woken():
                return int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", main.read_text(), re.MULTILINE)[1])

            call(weir, "mirror")
            before = woken()
            for _ in range(CALLS):
                call(weir, "mirror")
            self.assertLess(woken() - before, CALLS / 2)

    def test_client_goes_away(self):
        with WeirProcess(COMMANDS) as weir:
            connection, pids = self.start_family(weir)
            connection.close()
            wait_for(lambda: not any(map(alive, pids)), "the end of the group")
            wait_for(lambda: weir.programs() == [], "the program to be reaped")

    def test_gateway_stops(self):
        weir = WeirProcess(COMMANDS + "limits: {drain_timeout: 100ms}\n")
        connection, pids = self.start_family(weir)
        weir.stop()
        connection.close()
        self.assertFalse(any(map(alive, pids)))

    def test_gateway_is_killed(self):
        """By a signal that it cannot see: nothing that it started is left, not even who saw to that."""
        weir = WeirProcess(COMMANDS)
        keeper = weir.keeper()
        connection, pids = self.start_family(weir)
        weir.kill()
        connection.close()
        wait_for(lambda: not any(map(alive, pids)), "the end of the group")
        wait_for(lambda: not alive(keeper), "the end of the keeper")

    def test_gateway_is_killed_with_its_keeper(self):
        """Then the kernel ends the programs themselves, but not what they have started."""
        weir = WeirProcess(COMMANDS)
        connection, pids = self.start_family(weir)
        os.kill(weir.keeper(), signal.SIGKILL)
        weir.kill()
        connection.close()
        wait_for(lambda: not alive(pids[0]), "the end of the program")
        os.kill(int(pids[1]), signal.SIGKILL)

    def test_keeper_is_deaf(self):
        """What ends the gateway in order is none of the keeper's business, nor is it ever a reason to log."""
        with WeirProcess(COMMANDS) as weir:
            keeper = weir.keeper()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(keeper, number)
            self.assertEqual(call_text(weir, "show", {"text": "x"}), "[x][plain][{}]")
            self.assertTrue(alive(keeper))
            self.assertEqual(os.getsid(keeper), keeper)
            self.assertEqual({os.readlink(f"/proc/{keeper}/fd/{fd}") for fd in range(3)}, {"/dev/null"})
        self.assertFalse(alive(keeper))


class Bounds(unittest.TestCase):
    def test_never_more_than_the_limit(self):
        config = BASE + "limits: {max_processes: 3}\ncommands:\n  - {name: nap, run: [sleep, '0.2']}\n"
        with WeirProcess(config) as weir:
            most, stop = 0, threading.Event()

            def watch():
                nonlocal most
                while not stop.is_set():
                    most = max(most, len(weir.programs()))

            watcher = threading.Thread(target=watch)
            watcher.start()
            with concurrent.futures.ThreadPoolExecutor(30) as pool:
                answers = list(pool.map(lambda _: post(weir, "tools/call", {"name": "nap", "arguments": {}}, "nap")[1],
                                        range(60)))
            stop.set()
            watcher.join()
            done = [answer for answer in answers if "result" in answer]
            refused = [answer["error"] for answer in answers if "error" in answer]
            self.assertEqual(len(done) + len(refused), 60)
            self.assertGreaterEqual(len(done), 3)
            self.assertTrue(refused)
            self.assertEqual({error["code"] for error in refused}, {503})
            self.assertIn("limits.max_processes", refused[0]["message"])
            self.assertLessEqual(most, 3)
            self.assertEqual(weir.programs(), [])

    def test_descriptors_return(self):
        with WeirProcess(COMMANDS) as weir:
            call_text(weir, "show", {"text": "x"})
            before = weir.descriptors()
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                texts = set(pool.map(lambda _: call_text(weir, "show", {"text": "x"}), range(100)))
            self.assertEqual(texts, {"[x][plain][{}]"})
            wait_for(lambda: weir.descriptors() <= before, "descriptors to return")


if __name__ == "__main__":
    unittest.main()
