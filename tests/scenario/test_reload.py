"""SIGHUP puts a new configuration before the clients in one step, or refuses it and stays as it was. SIGTERM lets what is under
way finish, up to a time limit."""
import http.client
import os
import re
import signal
import threading
import time
import unittest
from pathlib import Path

from client import call_text, post, result, tools
from weir_process import WeirProcess, binary

BASE = "listen: [{address: '127.0.0.1:0'}]\nbuiltin: false\n"
HELLO = "commands:\n  - {name: hello, run: [echo, hello]}\n"
NAP = "commands:\n  - {name: nap, run: [sh, -c, 'echo $$ > pid; while [ ! -e go ]; do sleep 0.05; done; echo done'], " \
      "directory: ., timeout: 100s}\n"
PROBE = Path(binary()).resolve().parent / "fixtures" / "probe.so"
WAIT_SECONDS = 30


def reload(weir, config):
    """Sends SIGHUP and returns the event that answers it."""
    done, refused = len(weir.logs("reloaded")), len(weir.logs("reload_refused"))
    weir.config_path.write_text(config)
    weir.signal(signal.SIGHUP)
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        if len(weir.logs("reloaded")) > done:
            return "reloaded"
        if len(weir.logs("reload_refused")) > refused:
            return "reload_refused"
        with weir._news:
            weir._news.wait(1)
    raise AssertionError(f"no answer to SIGHUP:\n{weir.output()}")


def wait_for(condition, what):
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited too long for {what}"
        time.sleep(0.02)


def in_use(weir, limit):
    """What the metrics page says of a limit."""
    address = weir.wait_log("ready")["admin"].removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=WAIT_SECONDS)
    try:
        connection.request("GET", "/metrics")
        page = connection.getresponse().read().decode()
    finally:
        connection.close()
    return int(re.search(rf'^weir_limit_used{{limit="{limit}"}} (\d+)$', page, re.MULTILINE)[1])


def in_background(target, *arguments):
    """A thread and the list that gets its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(target(*arguments)))
    thread.start()
    return thread, results


class Reload(unittest.TestCase):
    def test_handlers_come_and_go(self):
        with WeirProcess(BASE + HELLO) as weir:
            self.assertEqual(tools(weir), ["hello"])
            more = HELLO + "  - {name: again, run: [echo, again]}\n"
            self.assertEqual(reload(weir, BASE + more), "reloaded")
            self.assertEqual(tools(weir), ["hello", "again"])
            self.assertEqual(call_text(weir, "again"), "again\n")
            self.assertEqual(reload(weir, BASE.replace("false", "true")), "reloaded")
            self.assertEqual(tools(weir), ["echo", "time"])
            self.assertEqual(post(weir, "tools/call", {"name": "hello", "arguments": {}}, "hello")[1]["error"]["code"], -32602)

    def test_changed_handler(self):
        with WeirProcess(BASE + HELLO) as weir:
            self.assertEqual(call_text(weir, "hello"), "hello\n")
            self.assertEqual(reload(weir, BASE + HELLO.replace("[echo, hello]", "[echo, bye]")), "reloaded")
            self.assertEqual(call_text(weir, "hello"), "bye\n")

    def test_settings(self):
        commands = "commands:\n" + "".join(f"  - {{name: t{i}, run: [ls]}}\n" for i in range(5))
        with WeirProcess(BASE + commands) as weir:
            self.assertEqual(len(result(weir, "tools/list")["tools"]), 5)
            self.assertEqual(reload(weir, BASE + "page_size: 2\nlist_ttl: 5s\nlog: {format: json}\n" + commands), "reloaded")
            page = result(weir, "tools/list")
            self.assertEqual((len(page["tools"]), page["ttlMs"]), (2, 5000))
            self.assertIn("nextCursor", page)
            self.assertTrue([line for line in weir.stderr if line.startswith("{") and '"event":"reloaded"' in line],
                            "the log's format has changed, too")

    def test_bad_file_is_refused(self):
        rows = [
            (BASE + "page_size: 0\nthreds: 1\n", ["page_size: \"0\" is too small", "did you mean threads?"], "mistakes"),
            (BASE + "a: [", ["not YAML"], "no YAML"),
            (BASE + "modules: [{path: ./nothing.so}]\n", ["weir.yaml:3:11: modules[0] "], "no such module"),
            (BASE + HELLO + "  - {name: hello, run: [ls]}\n", ["is taken by the entry"], "a name twice"),
            (BASE.replace("false", "true") + "commands: [{name: echo, run: [ls]}]\n", ["there is another \"echo\""], "a name that is taken"),
            (BASE + "threads: 7\n", ["threads: cannot change while the gateway runs"], "fixed"),
            (BASE.replace("127.0.0.1:0", "127.0.0.1:1"), ["listen[0].address: cannot change"], "another address"),
        ]
        with WeirProcess(BASE + HELLO) as weir:
            for config, sentences, comment in rows:
                with self.subTest(comment):
                    before = len(weir.logs("reload_refused"))
                    self.assertEqual(reload(weir, config), "reload_refused")
                    weir.wait_log("reload_refused", count=before + len(sentences))
                    said = " ".join(line["mistake"] for line in weir.logs("reload_refused")[before:])
                    for sentence in sentences:
                        self.assertIn(sentence, said)
                    self.assertEqual(call_text(weir, "hello"), "hello\n")
            weir.config_path.unlink()
            weir.signal(signal.SIGHUP)
            weir.wait_log("reload_refused", count=len(weir.logs("reload_refused")) + 1)
            self.assertEqual(reload(weir, BASE + HELLO), "reloaded")

    def test_call_under_way_keeps_its_handler(self):
        with WeirProcess(BASE + NAP) as weir:
            folder = Path(weir.config_path).parent
            thread, results = in_background(call_text, weir, "nap", None, 60)
            wait_for((folder / "pid").exists, "the program")
            self.assertEqual(reload(weir, BASE + HELLO), "reloaded")
            self.assertEqual(tools(weir), ["hello"])
            (folder / "go").touch()
            thread.join()
            self.assertEqual(results, ["done\n"])

    def test_under_load(self):
        """No request is torn or lost while configurations change."""
        bye = HELLO.replace("[echo, hello]", "[echo, bye]")
        with WeirProcess(BASE + HELLO) as weir:
            stop, wrong, calls = threading.Event(), [], [0]

            def work():
                while not stop.is_set():
                    text = call_text(weir, "hello", seconds=60)
                    calls[0] += 1
                    if text not in ("hello\n", "bye\n"):
                        wrong.append(text)
            workers = [in_background(work) for _ in range(4)]
            for turn in range(10):
                self.assertEqual(reload(weir, BASE + (HELLO if turn % 2 else bye)), "reloaded")
            wait_for(lambda: calls[0] > 20, "some calls")
            stop.set()
            for thread, results in workers:
                thread.join()
                self.assertEqual(results, [None], "a worker failed")
            self.assertEqual(wrong, [])


class Drain(unittest.TestCase):
    def test_what_is_under_way_finishes(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name), WeirProcess(BASE + NAP) as weir:
                folder = Path(weir.config_path).parent
                thread, results = in_background(call_text, weir, "nap", None, 60)
                wait_for((folder / "pid").exists, "the program")
                weir.signal(number)
                weir.wait_log("draining")
                self.assertRaises(OSError, post, weir, "tools/list")  # nobody new
                self.assertIsNone(weir.process.poll())
                (folder / "go").touch()
                thread.join()
                self.assertEqual(results, ["done\n"])
                weir.wait_log("stopped")

    def cut_short(self, weir, hasten):
        folder = Path(weir.config_path).parent
        thread, results = in_background(post, weir, "tools/call", {"name": "nap", "arguments": {}}, "nap", 60)
        wait_for(lambda: (folder / "pid").exists() and (folder / "pid").read_text().strip(), "the program")
        program = int((folder / "pid").read_text())
        weir.signal(signal.SIGTERM)
        weir.wait_log("draining")
        hasten()
        weir.wait_log("drain_cut_short")
        thread.join()
        self.assertEqual((results[0][0], results[0][1]["error"]["code"]), (503, 503))
        weir.wait_log("stopped")
        self.assertEqual(weir.process.wait(WAIT_SECONDS), 0)
        self.assertRaises(ProcessLookupError, os.kill, program, 0)

    def test_time_limit(self):
        with WeirProcess(BASE + "limits: {drain_timeout: 200ms}\n" + NAP) as weir:
            self.cut_short(weir, lambda: None)

    def test_second_signal(self):
        with WeirProcess(BASE + NAP) as weir:
            self.cut_short(weir, lambda: weir.signal(signal.SIGTERM))

    def test_handler_that_never_ends(self):
        """The process ends all the same, within its limits; only what the handler uses is not taken apart."""
        config = BASE + f"admin: {{address: '127.0.0.1:0'}}\nlimits: {{drain_timeout: 100ms}}\nmodules: [{{path: '{PROBE}'}}]\n"
        with WeirProcess(config) as weir:
            thread, results = in_background(post, weir, "tools/call", {"name": "block", "arguments": {}}, "block", 60)
            wait_for(lambda: in_use(weir, "workers") == 1, "the handler")
            weir.signal(signal.SIGTERM)
            weir.wait_log("drain_cut_short")
            thread.join()
            self.assertEqual(results[0][0], 503)
            weir.wait_log("handlers_still_running")
            self.assertEqual(weir.process.wait(WAIT_SECONDS), 0)

    def test_at_once_when_idle(self):
        with WeirProcess(BASE) as weir:
            weir.signal(signal.SIGTERM)
            self.assertEqual(weir.process.wait(WAIT_SECONDS), 0)


if __name__ == "__main__":
    unittest.main()
