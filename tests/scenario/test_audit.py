"""The audit log: administration to stderr or to a file that is rotated."""
import json
import signal
import tempfile
import unittest
from pathlib import Path

from weir_process import WeirProcess


def config(audit, extra=""):
    return f"listen: [{{address: '127.0.0.1:0'}}]\nlog: {{audit: {audit}}}\n{extra}"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


class Audit(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="weir-audit-")
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "audit.log"

    def reload(self, weir, text, event="reloaded", count=1):
        weir.config_path.write_text(text)
        weir.signal(signal.SIGHUP)
        return weir.wait_log(event, count=count)

    def test_on_standard_error(self):
        with WeirProcess("listen: [{address: '127.0.0.1:0'}]\n") as weir:
            self.assertEqual(weir.wait_log("audit_start")["version"], "0.1.0")
            self.reload(weir, "listen: [{address: '127.0.0.1:0'}]\n")
            self.assertEqual(weir.wait_log("audit_reload")["outcome"], "ok")
            self.reload(weir, "nonsense: 1\n", "reload_refused")
            refused = weir.wait_log("audit_reload", count=2)
            self.assertEqual(refused["outcome"], "refused")
            self.assertIn("unknown key", refused["mistake"])
            weir.stop()
            self.assertEqual(len(weir.logs("audit_drain")), 1)

    def test_in_a_file_that_is_rotated(self):
        with WeirProcess(config(self.path)) as weir:
            self.assertEqual(self.path.stat().st_mode & 0o777, 0o640)
            moved = self.path.rename(self.path.with_suffix(".1"))
            self.reload(weir, config(self.path, "page_size: 7\n"))
            self.reload(weir, "nonsense: 1\n", "reload_refused")  # rotation does not wait for a configuration without mistakes
            moved_again = self.path.rename(self.path.with_suffix(".2"))
            self.reload(weir, "nonsense: 1\n", "reload_refused", 2)
            weir.stop()
            self.assertEqual([line["event"] for line in lines(moved)], ["audit_start"])
            self.assertEqual([line["outcome"] for line in lines(moved_again)], ["ok", "refused"])
            self.assertEqual([line["event"] for line in lines(self.path)], ["audit_reload", "audit_drain"])
            self.assertNotIn("audit_", weir.output())

    def test_off_and_elsewhere(self):
        with WeirProcess(config('"off"')) as weir:
            self.reload(weir, config(self.path))
            self.reload(weir, config("/nowhere/at/all"), "audit_not_opened")
            self.reload(weir, config('"off"'), count=3)
            weir.stop()
            self.assertEqual([line["event"] for line in lines(self.path)], ["audit_reload", "audit_reload"])
            self.assertNotIn("audit_start", weir.output())

    def test_a_relative_path_is_beside_the_configuration(self):
        with WeirProcess(config("here.log")) as weir:
            self.reload(weir, config("here.log"))  # the start's line comes after "ready" and before this
            self.assertEqual(lines(weir.config_path.parent / "here.log")[0]["event"], "audit_start")


if __name__ == "__main__":
    unittest.main()
