"""C handler modules in a running gateway: the page "write a handler in ten minutes" word for word, the example module, and what
is refused at start."""
import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from client import call_text, result, tools
from weir_process import ROOT, WeirProcess, binary

BASE = "listen: [{address: '127.0.0.1:0'}]\nbuiltin: false\n"
FIXTURES = Path(binary()).resolve().parent / "fixtures"
PAGE = ROOT / "gateway" / "providers" / "README.md"
EXAMPLE = BASE + f"modules:\n  - path: {FIXTURES}/example.so\n"


def block(language):
    """The first code block of that language on the page."""
    return re.search(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S)[1]


def start_refusal(config, command="check"):
    """What the gateway says of a configuration that it refuses."""
    with tempfile.TemporaryDirectory(prefix="weir-test-") as folder:
        path = Path(folder) / "weir.yaml"
        path.write_text(config)
        arguments = [binary(), "check", path] if command == "check" else [binary(), "serve", "--config", path]
        done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2, (done.returncode, done.stderr)
        return done.stderr


class TenMinutes(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="weir-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "shout.c").write_text(block("c"))
        (self.folder / "gateway").symlink_to(ROOT / "gateway")
        done = subprocess.run(["sh", "-ec", block("sh")], cwd=self.folder, capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_page_as_it_stands(self):
        config = BASE + block("yaml").replace("./shout.so", str(self.folder / "shout.so"))
        with WeirProcess(config) as weir:
            self.assertEqual(tools(weir), ["shout"])
            self.assertEqual(call_text(weir, "shout", {"text": "hello"}), "HELLO!")
            refused = result(weir, "tools/call", {"name": "shout", "arguments": {"text": 7}}, "shout")
            self.assertTrue(refused["isError"])

    def test_relative_to_the_configuration(self):
        (self.folder / "weir.yaml").write_text(BASE + block("yaml"))
        done = subprocess.run([binary(), "check", self.folder / "weir.yaml"], cwd="/", capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


class Example(unittest.TestCase):
    def test_notes(self):
        with WeirProcess(EXAMPLE) as weir:
            self.assertEqual(tools(weir), ["count_words", "write_note", "forget_note", "count_down"])
            self.assertEqual(call_text(weir, "count_words", {"text": " a  b\nc "}), "3 words")
            self.assertEqual(call_text(weir, "write_note", {"title": "milk", "text": "buy \"two\"\n"}),
                             "note://milk is on the board")
            listed = result(weir, "resources/list")["resources"]
            self.assertEqual([resource["uri"] for resource in listed], ["note://milk"])
            read = result(weir, "resources/read", {"uri": "note://milk"}, "note://milk")["contents"]
            self.assertEqual(read, [{"uri": "note://milk", "mimeType": "text/plain", "text": "buy \"two\"\n"}])
            complete = result(weir, "completion/complete", {
                "ref": {"type": "ref/resource", "uri": "note://{title}"}, "argument": {"name": "title", "value": "m"}})
            self.assertEqual(complete["completion"]["values"], ["milk"])
            prompt = result(weir, "prompts/get", {"name": "review_note", "arguments": {"title": "milk"}}, "review_note")
            self.assertIn("milk", json.dumps(prompt["messages"]))
            self.assertEqual(call_text(weir, "forget_note", {"title": "milk"}), "Forgotten")
            self.assertEqual(result(weir, "resources/list")["resources"], [])
            self.assertEqual(call_text(weir, "count_down", {"seconds": 0}), "Lift-off")

    def test_stopped_with_the_gateway(self):
        weir = WeirProcess(EXAMPLE)
        weir.stop()
        self.assertEqual(len(weir.logs("module_stopped")), 1)


class Refusals(unittest.TestCase):
    ROWS = [
        ("no_such_module", "No such file or directory: build the module, or correct its path"),
        ("bad_symbol", 'exports no symbol "weir_module"'),
        ("bad_version", "build it again with this gateway's weir_module.h"),
        ("bad_start", "start() refused: the license file is missing: set config.license"),
        ("bad_duplicate", 'tool "twin": this name is taken'),
        ("bad_schema", 'tool "crooked": its inputSchema is no good'),
    ]

    def test_refused_at_start(self):
        for name, sentence in self.ROWS:
            for command in ("check", "serve"):
                with self.subTest(name, command=command):
                    said = start_refusal(BASE + f"modules:\n  - path: {FIXTURES}/{name}.so\n", command)
                    self.assertIn("modules[0] /", said)
                    self.assertIn(sentence, said)

    def test_one_name_twice(self):
        said = start_refusal(EXAMPLE + "commands:\n  - {name: count_words, run: [wc, -w]}\n")
        self.assertIn('commands[0] count_words: there is another "count_words" already: rename one of the two', said)


if __name__ == "__main__":
    unittest.main()
