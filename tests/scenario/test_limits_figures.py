"""What /metrics says of limits: what each is set to, and a count of what is refused for it, whoever refuses."""
import re
import socket
import subprocess
import unittest
from pathlib import Path

from client import result
from test_http_front import ADMIN, LISTEN, WAIT_SECONDS, metrics, wait_for
from weir_process import ROOT, WeirProcess, binary

BODY = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
LONG = b"x" * 40000
UPGRADE = [b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13",
           b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==", b"Sec-WebSocket-Protocol: mcp"]


def head(*fields, line=b"POST /mcp HTTP/1.1"):
    common = [b"Host: localhost", b"Content-Type: application/json", b"Accept: application/json, text/event-stream"]
    return b"\r\n".join([line, *common, *fields, b"", b""])


# name, bytes, status, counted as
REFUSED = [
    ("a field that is too long", head(b"X: " + LONG, b"Content-Length: 40") + BODY, 431, "head"),
    ("too many fields", head(*(b"X-%d: 1" % i for i in range(4000))), 431, "head"),
    ("a target that is too long", head(line=b"POST /" + LONG + b" HTTP/1.1"), 414, "head"),
    ("the same of an upgrade", head(*UPGRADE, b"X: " + LONG, line=b"GET /mcp HTTP/1.1"), 431, "head"),
    ("a trailer that is too long", head(b"Transfer-Encoding: chunked") + b"28\r\n" + BODY + b"\r\n0\r\nX: " + LONG + b"\r\n\r\n", 431, "head"),
    ("a field without a colon", head(b"no field", b"Content-Length: 40") + BODY, 400, "bad_http"),
    ("a version that is none", head(line=b"POST /mcp HTTP/3.9"), 505, "bad_http"),
    ("a chunk that is none", head(b"Transfer-Encoding: chunked") + b"zz\r\n", 400, "bad_http"),
]


def status_of(weir, request):
    """Of the answer; what is refused before it is read to its end may be answered by a reset afterwards."""
    answer = b""
    with socket.create_connection((weir.host, weir.port), timeout=WAIT_SECONDS) as connection:
        try:
            connection.sendall(request)
        except ConnectionError:
            pass
        while b"\r\n" not in answer and (more := connection.recv(65536)):
            answer += more
    return int(answer.split(b" ")[1])


def counts(weir, name="weir_refusals_total"):
    return {series: value for series, value in metrics(weir).items() if series.startswith(name)}


def more(before, after):
    return {series: after[series] - before[series] for series in after if after[series] != before[series]}


class Refusals(unittest.TestCase):
    def test_each_is_counted_once(self):
        with WeirProcess(LISTEN + ADMIN) as weir:
            for name, request, status, reason in REFUSED:
                with self.subTest(name):
                    before = counts(weir)
                    self.assertEqual(status_of(weir, request), status)
                    self.assertEqual(more(before, counts(weir)), {f'weir_refusals_total{{reason="{reason}"}}': 1})

    def test_heads_by_the_option(self):
        """To the byte, and whoever judges it: the first head, a later one, an upgrade."""
        most = 1024
        with WeirProcess(LISTEN + ADMIN + f"limits: {{max_head: {most}}}\n") as weir:
            for upgrade, served in ((False, 400), (True, 101)):
                small = head(*UPGRADE, line=b"GET /mcp HTTP/1.1") if upgrade else head(b"Content-Length: 40")
                for over in (0, 1):
                    before = counts(weir)
                    padding = b"X: " + b"x" * (most + over - len(small) - len(b"X: \r\n"))
                    data = small[:-2] + padding + b"\r\n\r\n"
                    self.assertEqual(len(data), most + over)
                    self.assertEqual(status_of(weir, data + (b"" if upgrade else BODY)), 431 if over else served)
                    wait_for(lambda: more(before, counts(weir)) == ({'weir_refusals_total{reason="head"}': 1} if over else {}), "its count")

    def test_commands(self):
        config = LISTEN + ADMIN + """
commands:
  - {name: late, run: [sleep, "100"], timeout: 100ms, input_schema: {type: object}}
  - {name: flood, run: ["yes"], max_output: 1KiB, input_schema: {type: object}}
"""
        for tool, series in (("late", 'weir_timeouts_total{stage="command"}'), ("flood", "weir_command_output_ended_total")):
            with self.subTest(tool), WeirProcess(config) as weir:
                self.assertTrue(result(weir, "tools/call", {"name": tool, "arguments": {}}, tool)["isError"])
                self.assertEqual(metrics(weir)[series], 1)


class Settings(unittest.TestCase):
    def test_every_option_has_its_figure(self):
        listed = subprocess.run([binary(), "options"], capture_output=True, text=True, check=True, timeout=WAIT_SECONDS).stdout
        options = set(re.findall(r"^(limits\.[a-z_.0-9]+)$", listed, re.M)) - {"limits.tools"}
        self.assertIn("limits.max_payload", options)
        config = "limits: {max_payload: 1MiB, request_timeout: 1500ms, memory_high: 0.5}\n"
        with WeirProcess(LISTEN + ADMIN + config) as weir:
            shown = metrics(weir)
            settings = {match[1] for series in shown if (match := re.fullmatch(r'weir_setting\{option="(.*)"\}', series))}
            self.assertEqual(settings, options)
            for option, value in (("max_payload", 1048576), ("request_timeout", 1.5), ("memory_high", 0.5), ("max_batch", 100)):
                self.assertEqual(shown[f'weir_setting{{option="limits.{option}"}}'], value)

    def test_a_reload_shows(self):
        with WeirProcess(LISTEN + ADMIN + "limits: {max_batch: 7}\n") as weir:
            self.assertEqual(metrics(weir)['weir_setting{option="limits.max_batch"}'], 7)
            weir.config_path.write_text(LISTEN + ADMIN + "limits: {max_batch: 8}\n")
            weir.signal(1)
            weir.wait_log("reloaded")
            self.assertEqual(metrics(weir)['weir_setting{option="limits.max_batch"}'], 8)

    def test_every_quota_has_its_figures(self):
        table = (Path(ROOT) / "limits" / "quotas.def").read_text()
        labels = re.findall(r'^QUOTA\(\w+, "(\w+)", "(limits\.\w+)"', table, re.M)
        self.assertGreater(len(labels), 10)
        with WeirProcess(LISTEN + ADMIN) as weir:
            shown = metrics(weir)
            for label, option in labels:
                for name in ("used", "max", "highest", "refused_total", "evicted_total"):
                    self.assertIn(f'weir_limit_{name}{{limit="{label}"}}', shown)
                self.assertIn(f'weir_setting{{option="{option}"}}', shown)


if __name__ == "__main__":
    unittest.main()
