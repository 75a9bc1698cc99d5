"""The pages of the documentation, and the small shell in which their commands run.

Conventions of the pages, which Contributing.md tells: a block of `sh` runs here, all blocks of a page in one shell; `sh not-here
REASON` does not. `yaml` is Homing's configuration unless another word stands behind it. Fixed ports stand for free ones, /etc,
/var, /run, /tmp and /usr/share for folders of the test.
"""

import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from dataclasses import dataclass

from processes import program
from stubs import ROOT

BLOCK = re.compile(r"^```(\w+)(?: +([^\n]*))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r"(127\.0\.0\.1|0\.0\.0\.0|localhost|\[::1\]|\[::\]):(\d{4,5})\b")
FOLDER = re.compile(r"(?<![\w.~/])/(?=(?:etc|var|run|tmp|usr/share)/)")
LONG = re.compile(r"^(?:[A-Z_]+=\S+ +)*homing (serve|worker)\b")

#: Stands before every page: ends at the first command that fails, and names it.
PRELUDE = r"""
set -eEuo pipefail
set -m
trap 'echo "FAILED: $BASH_COMMAND" >&2' ERR
serving=""
# Waits until a process of ours says that it serves; fails when it ends before.
await_serving() {
    for _ in $(seq 400); do
        grep -qs "^homing \(serving\|worker\) " "$DOCS_STATE/$1.out" && return 0
        kill -0 "$1" 2>/dev/null || break
        sleep 0.05
    done
    echo "does not serve: $(cat "$DOCS_STATE/$1.err" "$DOCS_STATE/$1.out")" >&2
    return 1
}
# A reader ends one server before he starts the next one in the same terminal.
end_serving() {
    [ -z "$serving" ] || { kill "$serving" && wait "$serving"; }
    serving=""
}
"""

#: Stands for the program on the path: keeps what servers say, and gives those that name no port one of the test's.
WRAPPER = r"""#!/usr/bin/env bash
case " $* " in
    " serve "* | " worker "*)
        [ "$1" = worker ] || case " $* " in
            *" -c "* | *" --config "* | *" --listen "*) ;;
            *) export HOMING_LISTEN=${HOMING_LISTEN-$DOCS_LISTEN} ;;
        esac
        echo $$ >>"$DOCS_STATE/pids"
        exec "$DOCS_PROGRAM" "$@" >"$DOCS_STATE/$$.out" 2>"$DOCS_STATE/$$.err"
        ;;
    " init "*.yaml*)
        # The file that it writes has the ports of the pages.
        "$DOCS_PROGRAM" "$@"
        exec sed -i "$DOCS_PORTS" "$2"
        ;;
esac
exec "$DOCS_PROGRAM" "$@"
"""


@dataclass
class Block:
    language: str
    #: What stands behind the language.
    note: str
    text: str

    @property
    def runs(self) -> bool:
        return self.language in ("sh", "console", "bash") and not self.note.startswith("not-here")


@dataclass
class Page:
    path: pathlib.Path

    @property
    def name(self) -> str:
        return str(self.path.relative_to(ROOT))

    @property
    def text(self) -> str:
        return self.path.read_text()

    @property
    def blocks(self) -> list[Block]:
        return [Block(language, note or "", text) for language, note, text in BLOCK.findall(self.text)]


def pages() -> list[Page]:
    """The README and every page of every target."""
    return [Page(path) for path in [ROOT / "README.md", *sorted(ROOT.glob("Sources/*/*.docc/*.md"))]]


def free_port() -> int:
    """A port that nobody has, out of the range that the kernel hands out by itself: it is bound a while later."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Bench:
    """An empty folder with free ports in which a page's commands run. Use it with `with`: it ends what it started."""

    def __enter__(self) -> "Bench":
        # Short, because a UNIX socket's path is at most 107 bytes.
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="hd-"))
        self.ports: dict[str, int] = {}
        for folder in (
            "bin state home/.config/fish/completions work etc/homing etc/bash_completion.d usr/share/zsh/site-functions "
            "var/log/homing var/lib/homing run/homing run/secrets tmp"
        ).split():
            (self.root / folder).mkdir(parents=True)
        wrapper = self.root / "bin" / "homing"
        wrapper.write_text(WRAPPER)
        wrapper.chmod(0o755)
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HOMING_")}
        self.environment = {
            **clean,
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.root / "home"),
            "NO_PROXY": "*",
            "DOCS_PROGRAM": program(),
            "DOCS_STATE": str(self.root / "state"),
            "DOCS_LISTEN": self.placed("127.0.0.1:50051"),
            "HOMING_ADDRESS": self.placed("127.0.0.1:50051"),
            "HOMING_ADMIN": self.placed("127.0.0.1:9901"),
            "DOCS_PORTS": ";".join(
                f"s/{place}/{self.placed(place)}/"
                for place in (f"127.0.0.1:{port}" for port in (50051, 50052, 50053, 9901))
            ),
            "HOMING_TOKEN": "token-of-callers",
            "TOKEN": "token-of-the-admin-port",
            "HOMING_ADMIN_TOKEN": "token-of-the-admin-port",
            "LOCALAI_GRPC_AUTH_TOKEN": "token-of-workers",
        }
        return self

    def __exit__(self, *_):
        pids = self.root / "state" / "pids"
        for pid in map(int, pids.read_text().split() if pids.exists() else []):
            try:
                # Only what the wrapper started, and what is still that.
                if b"homing" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGTERM)
            except (FileNotFoundError, ProcessLookupError):
                pass
        shutil.rmtree(self.root, ignore_errors=True)

    def placed(self, text: str) -> str:
        """The text with this bench's ports and folders."""

        def address(match: re.Match) -> str:
            if match[2] not in self.ports:
                self.ports[match[2]] = free_port()
            host = "127.0.0.1" if match[1] == "0.0.0.0" else match[1]
            return f"{host}:{self.ports[match[2]]}"

        return FOLDER.sub(f"{self.root}/", ADDRESS.sub(address, text))

    def script(self, blocks: list[Block]) -> str:
        """What bash runs for the blocks of a page."""
        text = "".join(block.text for block in blocks)
        lines = [PRELUDE]
        if "homing serve" not in text and re.search(r"homing (status|top|logs|predict|reload|replica)\b|:9901", text):
            # The page is about a running homing and does not start one.
            for port in (50052, 50053):
                lines += self.lines(f"homing worker --listen 127.0.0.1:{port} --model nest-7b &")
            serve = "homing serve --replica 127.0.0.1:50052 --replica 127.0.0.1:50053"
            if "$TOKEN" in text:
                # With an admin port that has a token, which changes need.
                tokens = "{ auth: { tokens: [{ token_env: TOKEN }] } }"
                (self.root / "fleet.yaml").write_text(self.placed(f"listeners: [127.0.0.1:50051]\nadmin: {tokens}\n"))
                serve += " -c ../fleet.yaml"
            lines += self.lines(f"{serve} &")
        here = None
        for line in text.replace("\\\n", " ").splitlines():
            if here or (match := re.search(r"<<-?'?(\w+)'?", line)):
                # The inside of a here-document is no command.
                here = None if here and line.strip() == here else here or match[1]
                lines.append(self.placed(line))
            else:
                lines += self.lines(line)
        return "\n".join([*lines, "end_serving", ""])

    def lines(self, line: str) -> list[str]:
        line = self.placed(line.split("  #")[0].rstrip())
        if line.startswith("homing logs") and re.search(r" (--follow|-f)\b", line):
            return [f"timeout 2 {line} || [ $? = 124 ]"]
        match = LONG.match(line)
        if not match or " --help" in line:
            return [line]
        if line.endswith("&"):
            return [line, "await_serving $!"]
        ended = ["end_serving"] if match[1] == "serve" else []
        return [*ended, f"{line} &", "await_serving $!", *(["serving=$!"] if match[1] == "serve" else [])]

    def run(self, script: str, limit: float = 90) -> subprocess.CompletedProcess:
        """What came of it, with both outputs in one; code 124 when it took longer than `limit` seconds."""
        (self.root / "script").write_text(script)
        said = self.root / "said"
        with said.open("w") as output:
            shell = subprocess.Popen(
                ["bash", str(self.root / "script")],
                cwd=self.root / "work",
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                code = shell.wait(limit)
            except subprocess.TimeoutExpired:
                shell.kill()
                shell.wait()
                code = 124
        return subprocess.CompletedProcess(script, code, said.read_text(errors="replace"))
