"""A headless Chromium, driven over its debugging pipe (Chrome DevTools Protocol) with nothing but the standard library."""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading
import time

from processes import wait_until

PROGRAM = shutil.which("chromium")


class Browser:
    """One browser process and one page in it. Messages go over a pair of pipes, so no port is open."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="homing-browser-", ignore_cleanup_errors=True)
        from_us, self.output = os.pipe()
        self.input, to_us = os.pipe()

        def place_pipes():
            # The browser reads from 3 and writes to 4, whatever numbers the pipes have here.
            first, second = os.dup(from_us), os.dup(to_us)
            os.dup2(first, 3)
            os.dup2(second, 4)

        self.process = subprocess.Popen(
            [
                PROGRAM,
                "--headless=new",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-proxy-server",
                f"--user-data-dir={self.folder.name}",
                "about:blank",
            ],
            preexec_fn=place_pipes,
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(from_us)
        os.close(to_us)
        self.serial = 0
        self.answers: dict[int, dict] = {}
        self.events: list[dict] = []
        threading.Thread(target=self.read, daemon=True).start()
        target = self.call("Target.createTarget", url="about:blank", session=None)["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True, session=None)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def read(self):
        kept = b""
        while chunk := os.read(self.input, 1 << 16):
            *messages, kept = (kept + chunk).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self.answers[message["id"]] = message
                else:
                    self.events.append(message)

    def call(self, method: str, session: str | None = "page", **parameters) -> dict:
        self.serial += 1
        message = {"id": self.serial, "method": method, "params": parameters}
        if session:
            message["sessionId"] = self.session
        serial = self.serial
        os.write(self.output, json.dumps(message).encode() + b"\0")
        answer = wait_until(lambda: self.answers.pop(serial, None), f"the browser answers {method}", 30)
        assert "error" not in answer, f"{method}: {answer['error']}"
        return answer["result"]

    def open(self, url: str, width: int = 1280, height: int = 900, dark: bool = False, calm: bool = False):
        """Opens a page at a size, in light or dark, with or without motion. What was noticed before is forgotten."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1 if width > 600 else 2,
            mobile=width <= 600,
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.events.clear()
        self.call("Page.navigate", url=url)

    def ask(self, expression: str):
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str, limit: float = 20):
        """The first true value of an expression in the page."""
        return wait_until(lambda: self.ask(expression), f"in the page: {expression}", limit)

    def complaints(self) -> list[str]:
        """What the page or the browser wrote to the console as errors or warnings, and exceptions nobody caught."""
        said = []
        for event in list(self.events):
            what = event["params"]
            match event["method"]:
                case "Runtime.exceptionThrown":
                    said.append(json.dumps(what["exceptionDetails"]))
                case "Runtime.consoleAPICalled" if what["type"] in ("error", "warning", "assert"):
                    said.append(json.dumps(what["args"]))
                case "Log.entryAdded" if what["entry"]["level"] in ("error", "warning"):
                    said.append(what["entry"]["text"])
        return said

    def requests(self) -> list[str]:
        """Every address that the page asked for."""
        events = list(self.events)
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def screenshot(self, path: pathlib.Path):
        """The whole page, also what is below the window."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 6000), "scale": 1}
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.output)
        time.sleep(0)
        self.folder.cleanup()
