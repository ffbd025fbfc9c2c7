"""The command line: what it prints, what it refuses, and its exit status (0 done, 1 failed, 2 wrong usage or configuration)."""
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from weir_process import COMPLAINTS, WeirProcess, binary

RUN_SECONDS = 60


def run(*arguments, cwd=None, environment=None):
    done = subprocess.run([binary(), *arguments], cwd=cwd, timeout=RUN_SECONDS, capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})})
    assert not COMPLAINTS.search(done.stderr), done.stderr
    return done


def as_yaml(section, depth=0):
    """Sections in sections; scalars as they are."""
    blanks = "  " * depth
    return "".join(f"{blanks}{key}:\n{as_yaml(value, depth + 1)}" if isinstance(value, dict) else f"{blanks}{key}: {value}\n"
                   for key, value in section.items())


class Usage(unittest.TestCase):
    def test_refused(self):
        rows = [
            ((), "usage: weir COMMAND", "no command"),
            (("frobnicate",), "there is no command frobnicate", "no such command"),
            (("--frobnicate",), "there is no command --frobnicate", "no such option"),
            (("serve", "--frobnicate"), "usage: weir serve", "an unknown option"),
            (("serve", "weir.yaml"), "usage: weir serve", "an argument too many"),
            (("serve", "--config"), "usage: weir serve", "an option without its value"),
            (("serve", "--config", "a", "--config", "b"), "usage: weir serve", "two files"),
            (("serve", *["--listen", "127.0.0.1:0"] * 33), "usage: weir serve", "too many addresses"),
            (("check",), "usage: weir check FILE", "no file"),
            (("check", "a", "b"), "usage: weir check FILE", "two files"),
            (("check", "--all"), "usage: weir check FILE", "an option"),
            (("options", "all"), "usage: weir options", "an argument too many"),
            (("completion", "fish"), "usage: weir completion bash | zsh", "a shell that is not served"),
            (("completion",), "usage: weir completion bash | zsh", "no shell"),
            (("manual", "all"), "usage: weir manual", "an argument too many"),
            (("version", "all"), "usage: weir version", "an argument too many"),
        ]
        for arguments, sentence, comment in rows:
            with self.subTest(comment):
                done = run(*arguments)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(sentence, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_help(self):
        for word in ("help", "--help", "-h"):
            done = run(word)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            for command in ("serve", "check", "options", "health", "tools", "call", "version"):
                self.assertRegex(done.stdout, rf"(?m)^  weir {command}( |$)")

    def test_help_of_a_command(self):
        done = run("serve", "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertTrue(done.stdout.startswith("  weir serve [--config FILE]"))

    def test_manual_pages(self):
        """As man would show them: no warning of groff's, and every command and option is there."""
        groff = shutil.which("groff")
        if not groff:
            self.skipTest("groff is not installed")
        for arguments, words in ((("manual",), ["weir serve", "weir check", "SIGHUP"]),
                                 (("options", "--manual"), ["limits.max_payload", "commands[].name", "WEIR_THREADS"])):
            page = run(*arguments)
            self.assertEqual((page.returncode, page.stderr), (0, ""))
            shown = subprocess.run([groff, "-man", "-ww", "-Tascii", "-P-cbou"], input=page.stdout, capture_output=True, text=True,
                                   timeout=RUN_SECONDS, check=True)
            self.assertEqual(shown.stderr, "")
            for word in words:
                self.assertIn(word, shown.stdout)

    def test_schema(self):
        done = run("options", "--schema")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        schema = json.loads(done.stdout)
        self.assertEqual(schema["properties"]["limits"]["properties"]["max_batch"]["default"], 100)
        self.assertEqual(schema["properties"]["listen"]["items"]["required"], ["address"])

    def complete(self, *words):
        """What bash would offer for the last of these words."""
        script = run("completion", "bash").stdout + """
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _weir; printf '%s\n' "${COMPREPLY[@]}"
        """
        done = subprocess.run(["bash", "-c", script, "weir", *words], capture_output=True, text=True, timeout=RUN_SECONDS, check=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_completion_of_bash(self):
        self.assertEqual(self.complete("weir", "ser"), ["serve"])
        self.assertEqual(self.complete("weir", "serve", "--"), ["--config", "--listen", "--stdio"])
        self.assertEqual(self.complete("weir", "serve", "--co"), ["--config"])
        self.assertIn("--insecure", self.complete("weir", "call", "--in"))
        self.assertEqual(self.complete("weir", "check", "w"), [])

    def test_completion_of_zsh(self):
        zsh = shutil.which("zsh")
        done = run("completion", "zsh")
        self.assertTrue(done.stdout.startswith("#compdef weir\n"))
        if not zsh:
            self.skipTest("zsh is not installed: its script was not read by it")
        subprocess.run([zsh, "-n"], input=done.stdout, text=True, timeout=RUN_SECONDS, check=True)

    def test_version(self):
        for word in ("version", "--version"):
            done = run(word)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertRegex(done.stdout, r"^weir \d+\.\d+\.\d+\n$")

    def test_full_disk(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([binary(), "options"], stdout=full, stderr=subprocess.PIPE, timeout=RUN_SECONDS, check=False)
        self.assertEqual(done.returncode, 1)


class Options(unittest.TestCase):
    def test_every_option_is_accepted_as_it_is_listed(self):
        """Each scalar option with a default: the file takes the default back, and so does its variable."""
        page = run("options").stdout
        rows = re.findall(r"^([a-z_.]+)\n    [^\n]*; default ([^;\n]+)[^\n]*; (WEIR_[A-Z_]+)$", page, re.MULTILINE)
        self.assertGreater(len(rows), 20)
        settings, environment = {}, {}
        for path, default, variable in rows:
            *sections, name = path.split(".")
            section = settings
            for key in sections:
                section = section.setdefault(key, {})
            section[name] = default
            environment[variable] = default
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "weir.yaml")
            path.write_text(as_yaml(settings))
            done = run("check", str(path), environment=environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class Check(unittest.TestCase):
    def check(self, config, environment=None):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "weir.yaml")
            path.write_text(config)
            done = run("check", str(path), environment=environment)
            return done.returncode, done.stdout.replace(folder + "/", ""), done.stderr.replace(folder + "/", "")

    def test_good(self):
        config = "commands: [{name: hi, description: says hi, run: [echo, '{who}'], input_schema: " \
                 "{type: object, properties: {who: {type: string}}, required: [who]}}]\n"
        self.assertEqual(self.check(config), (0, "weir.yaml: no mistakes\n", ""))

    def test_mistakes(self):
        status, out, err = self.check("page_size: 0\nlimits:\n  max_payloud: 1\nlisten: [{address: 8080}]\n")
        self.assertEqual((status, out), (2, ""))
        self.assertEqual(err.splitlines(), [
            'weir.yaml:1:12: page_size: "0" is too small: 1 at least',
            'weir.yaml:3:3: unknown key "limits.max_payloud", did you mean limits.max_payload?',
            'weir.yaml:4:20: listen[0].address: "8080" is no address: write 127.0.0.1:8080, [::1]:8080 or '
            'unix:/run/weir.sock'])

    def test_handlers(self):
        """What only making the handlers can tell."""
        rows = [
            ("modules: [{path: ./nothing.so}]\n", r"weir\.yaml:1:11: modules\[0\] .*nothing\.so: ", "a module that is not there"),
            ("commands: [{name: a, run: [/nonexistent/program]}]\n", r"weir\.yaml:1:12: commands\[0\] a: ", "a program that is not there"),
            ("commands:\n  - {name: a, run: [ls, '{b}']}\n  - {name: c, run: [/nonexistent]}\nmodules: [{path: ./x.so}]\n",
             r"(?s)weir\.yaml:2:5: commands\[0\] a: .*weir\.yaml:3:5: commands\[1\] c: .*weir\.yaml:4:11: modules\[0\] ",
             "all of them, in order"),
            ("commands: [{name: echo, run: [ls]}]\n", r"commands\[0\] echo: there is another \"echo\"", "a name that builtin has"),
        ]
        for config, sentence, comment in rows:
            with self.subTest(comment):
                status, out, err = self.check(config)
                self.assertEqual((status, out), (2, ""), err)
                self.assertRegex(err, sentence)

    def test_environment(self):
        status, _, err = self.check("page_size: 5\n", {"WEIR_PAGE_SIZE": "none"})
        self.assertEqual((status, err), (2, 'environment: WEIR_PAGE_SIZE: "none" is not a whole number\n'))
        self.assertEqual(self.check("page_size: 5\n", {"WEIR_SERVICE_HOST": "10.0.0.1"})[0], 0)

    def test_unreadable(self):
        done = run("check", "/nonexistent/weir.yaml")
        self.assertEqual((done.returncode, done.stderr),
                         (2, "/nonexistent/weir.yaml: cannot be read: No such file or directory\n"))


class Serve(unittest.TestCase):
    def test_mistakes(self):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "weir.yaml").write_text("thraeds: 1\n")
            done = run("serve", cwd=folder)  # ./weir.yaml is the default
        self.assertEqual((done.returncode, done.stderr),
                         (2, './weir.yaml:1:1: unknown key "thraeds", did you mean threads?\n'))

    def test_address_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with tempfile.TemporaryDirectory() as folder:
                done = run("serve", "--listen", f"127.0.0.1:{port}", cwd=folder, environment={"WEIR_ADMIN_ADDRESS": "127.0.0.1:0"})
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn(f"weir serve: cannot listen on 127.0.0.1:{port}: Address already in use\n", done.stderr)

    def test_listen_replaces_addresses(self):
        config = "listen: [{address: '127.0.0.1:1', path: /a}, {address: '127.0.0.1:2', path: /b}]\n"
        with WeirProcess(config, arguments=("--listen", "127.0.0.1:0", "--listen", "[::1]:0")) as weir:
            ready = weir.wait_log("ready")
            self.assertRegex(ready["url"], r"^http://127\.0\.0\.1:\d+/a$")
            self.assertRegex(ready["url2"], r"^http://\[::1\]:\d+/a$")
            self.assertNotIn("url3", ready)
            self.assertNotIn("admin", ready)

    def test_environment_beats_the_file(self):
        with WeirProcess("log: {format: logfmt}\nlisten: [{address: '127.0.0.1:0'}]\n",
                         environment={"WEIR_LOG_FORMAT": "json", "WEIR_ADMIN_ADDRESS": "127.0.0.1:0"}) as weir:
            self.assertTrue(weir.stderr[0].startswith("{"), weir.stderr[0])
            self.assertRegex(weir.wait_log("ready")["admin"], r"^http://127\.0\.0\.1:\d+$")

    def test_unix_socket(self):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/weir.sock"
            with WeirProcess(f"listen: [{{address: 'unix:{path}'}}]\n") as weir:
                self.assertEqual(weir.wait_log("ready")["url"], f"http://unix:{path}:/mcp")
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(path)
                    client.sendall(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    self.assertTrue(client.recv(100).startswith(b"HTTP/1.1 404 "))
            self.assertFalse(Path(path).exists())

    def test_closed_standard_descriptors(self):
        """They are no numbers for sockets: the log would go to a client, and libuv ends the process at closing one."""
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/weir.sock"
            weir = subprocess.Popen(["sh", "-c", 'exec "$0" serve --listen "unix:$1" <&- >&- 2>&-', binary(), path], cwd=folder,
                                    env={**os.environ, "WEIR_ADMIN_ADDRESS": "127.0.0.1:0"})
            end = time.monotonic() + RUN_SECONDS
            answer = b""
            while not answer.startswith(b"HTTP/1.1 200 ") and weir.poll() is None and time.monotonic() < end:  # 503: starting
                with socket.socket(socket.AF_UNIX) as client:
                    try:
                        client.connect(path)
                        client.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                        answer = client.recv(100)
                    except OSError:
                        time.sleep(0.02)  # not listening yet, and with nothing to say so
            descriptors = [os.readlink(f"/proc/{weir.pid}/fd/{number}") for number in range(3)] if answer else []
            weir.terminate()
            self.assertEqual(weir.wait(RUN_SECONDS), 0)
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer)
        self.assertEqual(descriptors, ["/dev/null"] * 3)

    def test_warns_of_unreachable_names(self):
        with WeirProcess("listen: [{address: '0.0.0.0:0'}, {address: '127.0.0.1:0'}]\n") as weir:
            self.assertEqual([line["address"] for line in weir.logs("loopback_names_only")], ["0.0.0.0:0"])
        with WeirProcess("listen: [{address: '0.0.0.0:0', allowed_hosts: [gw.example]}]\n") as weir:
            self.assertEqual(weir.logs("loopback_names_only"), [])

    def test_secrets_are_not_logged(self):
        with WeirProcess("listen: [{address: '127.0.0.1:0'}]\nlog: {level: debug}\n",
                         environment={"WEIR_STATE_KEY": "0123456789abcdef-secret"}) as weir:
            values = {line["path"]: line["value"] for line in weir.logs("option")}
            self.assertEqual(values, {"log.level": "debug", "state_key": "(secret)"})
        self.assertNotIn("0123456789abcdef", weir.output())


if __name__ == "__main__":
    unittest.main()
