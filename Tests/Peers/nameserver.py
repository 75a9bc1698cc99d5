"""A real name server (dnsmasq) on a loopback port, whose records a test changes."""

import pathlib
import shutil
import signal
import socket
import struct
import subprocess
import tempfile

from processes import wait_until

DNSMASQ = shutil.which("dnsmasq") or shutil.which("dnsmasq", path="/usr/sbin:/sbin")


def free_port() -> int:
    """A loopback port that is free for UDP and TCP."""
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
            udp.bind(("127.0.0.1", 0))
            try:
                tcp.bind(udp.getsockname())
            except OSError:
                continue
            return udp.getsockname()[1]


class NameServer:
    """Authoritative for `test`: a name of it that has no record is not there (NXDOMAIN)."""

    def __init__(self, ttl: int = 1):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="homing-dns-"))
        self.hosts = self.folder / "hosts"
        self.port = free_port()
        self.ttl = ttl
        self.process: subprocess.Popen | None = None
        self.records: list[str] = []
        self.hosts.write_text("")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, *records: str):
        """Starts with these options of dnsmasq as its records, on the same port as before."""
        self.records = list(records)
        command = [
            DNSMASQ, "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=",
            "--listen-address=127.0.0.1", "--bind-interfaces", f"--port={self.port}", "--local=/test/",
            f"--addn-hosts={self.hosts}", f"--local-ttl={self.ttl}", "--log-facility=-", "--cache-size=0", *records,
        ]  # fmt: skip
        # Otherwise it becomes a user that cannot read the test's folder.
        command += ["--user=root", "--group=root"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_until(self.answers, "the name server answers")

    def answers(self) -> bool:
        assert self.process.poll() is None, self.process.stderr.read().decode()
        query = struct.pack(">6H", 1, 0x100, 1, 0, 0, 0) + b"\x04test\x00" + struct.pack(">2H", 2, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0.1)
            client.connect(("127.0.0.1", self.port))
            try:
                client.send(query)
                return bool(client.recv(512))
            except OSError:
                return False

    def set_addresses(self, name: str, *addresses: str):
        """Makes these the addresses of the name; without any it is no name any more."""
        self.hosts.write_text("".join(f"{address} {name}\n" for address in addresses))
        if self.process:
            self.process.send_signal(signal.SIGHUP)

    def restart(self, *records: str):
        self.stop()
        self.start(*records)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.communicate()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
