"""A headless Chromium, driven by its own protocol (Chrome DevTools Protocol) over our own WebSocket client.

    with Browser(shutil.which("chromium")) as browser:
        browser.go("http://127.0.0.1:9464/")
        browser.wait("document.title === 'weir'")
        browser.picture("page.png")

complaints: what the page's console, its exceptions and its policy said.
"""
import base64
import json
import os
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from websocket_client import WebSocket

SECONDS = 60
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage", "--hide-scrollbars",
         "--remote-debugging-port=0", "--remote-allow-origins=*"]


class Browser:
    def __init__(self, program, width=1280, height=900):
        self._profile = tempfile.TemporaryDirectory(prefix="weir-browser-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={self._profile.name}", f"--window-size={width},{height}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.complaints = []
        self._id = 0
        try:
            port = self._find_port()
            pages = json.loads(urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=SECONDS).read())
            target = next(page for page in pages if page["type"] == "page")["webSocketDebuggerUrl"]
            self._socket = WebSocket(port, seconds=SECONDS, target="/".join(["", *target.split("/")[3:]]).encode(), protocol=None)
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.ask(domain + ".enable")
        except BaseException:
            self.close()
            raise

    def _find_port(self):
        path, deadline = Path(self._profile.name) / "DevToolsActivePort", time.monotonic() + SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if path.exists() and (text := path.read_text()):
                return int(text.splitlines()[0])
            time.sleep(0.05)
        raise AssertionError("the browser did not start")

    def _note(self, event):
        method, params = event["method"], event["params"]
        if method == "Log.entryAdded":
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning"):
            self.complaints.append(str(params["args"]))

    def ask(self, method, **params):
        self._id += 1
        self._socket.send_text(json.dumps({"id": self._id, "method": method, "params": params}))
        while True:
            message = self._socket.receive_json()
            if message.get("id") == self._id:
                assert "error" not in message, message
                return message["result"]
            if "method" in message:
                self._note(message)

    def value(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait(self, expression, seconds=SECONDS):
        deadline = time.monotonic() + seconds
        while not (value := self.value(expression)):
            assert time.monotonic() < deadline, f"not within {seconds} s: {expression}; {self.complaints}"
            time.sleep(0.05)
        return value

    def go(self, url):
        self.ask("Page.navigate", url=url)
        self.wait(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")

    def look(self, width=1280, height=900, dark=False, still=False):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}])

    def picture(self, path):
        """The whole page, below its window too."""
        data = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(base64.b64decode(data))

    def close(self):
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(SECONDS)
        self._profile.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()
