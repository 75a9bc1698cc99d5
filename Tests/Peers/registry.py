"""A real PostgreSQL with the tables of LocalAI's registry, on a UNIX socket and a loopback port."""

import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

from nameserver import free_port
from processes import wait_until

#: Newest first.
BINARIES = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]), reverse=True)
PASSWORD = "open sesame"

#: As LocalAI's migrations make them, as far as they matter for where replicas are.
TABLES = """
CREATE TABLE backend_nodes (
    id varchar(36) PRIMARY KEY, name text UNIQUE, node_type text, address text, http_address text, status text,
    total_vram bigint, available_vram bigint, last_heartbeat timestamptz, created_at timestamptz DEFAULT now());
CREATE TABLE node_models (
    id varchar(36) PRIMARY KEY, node_id varchar(36), model_name text, replica_index bigint, address text, state text,
    in_flight bigint DEFAULT 0, last_used timestamptz, config_revision text, created_at timestamptz DEFAULT now());
CREATE TABLE model_config_states (model_name text PRIMARY KEY, config_revision text NOT NULL);
"""


def owner() -> str | None:
    """Who runs the server: PostgreSQL refuses root. None means whoever runs this."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


class Registry:
    """The user `homing` may read; `localai` owns the tables and may write."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="homing-pg-"))
        self.user = owner()
        if self.user:
            shutil.chown(self.folder, self.user)
        self.data = self.folder / "data"
        self.port = free_port()
        password = self.folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self.run(
            "initdb", "-D", self.data, "-U", "localai", "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync",
            "--no-instructions", "-E", "UTF8", "--locale=C",
        )  # fmt: skip
        self.process: subprocess.Popen | None = None
        self.start()
        self.sql(TABLES)
        self.sql(f"CREATE USER homing PASSWORD '{PASSWORD}'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO homing")

    @property
    def url(self) -> str:
        return f"postgresql://homing@127.0.0.1:{self.port}/postgres"

    @property
    def socket_url(self) -> str:
        return f"postgresql://homing@/postgres?host={self.folder}&port={self.port}"

    def run(self, name: str, *arguments, text: str = "") -> str:
        done = subprocess.run(
            [f"{BINARIES[0]}/{name}", *map(str, arguments)], input=text, capture_output=True, text=True,
            user=self.user, cwd=self.folder, env={"PATH": os.environ["PATH"], "PGPASSWORD": PASSWORD},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self):
        command = [
            f"{BINARIES[0]}/postgres", "-D", self.data, "-k", self.folder, "-h", "127.0.0.1", "-p", self.port,
            "-F", "-c", "max_connections=20", "-c", "shared_buffers=1MB", "-c", "autovacuum=off",
        ]  # fmt: skip
        self.process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=self.user,
            cwd=self.folder,
        )  # fmt: skip
        wait_until(self.answers, "the database answers", 30)

    def answers(self) -> bool:
        assert self.process.poll() is None, "the database ended before it answered"
        ready = [f"{BINARIES[0]}/pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, check=False).returncode == 0

    def sql(self, text: str) -> str:
        """As the owner of the tables; returns rows with `|` between their columns."""
        return self.run(
            "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "localai", "-h", self.folder,
            "-p", self.port, "postgres", text=text,
        )  # fmt: skip

    def set_replicas(self, model: str, *addresses: str):
        """Makes these the loaded replicas of the model, each on a healthy node of its own."""
        rows = [f"DELETE FROM node_models WHERE model_name = '{model}'"]
        for index, address in enumerate(addresses):
            node = f"node-{address}"
            rows.append(
                f"INSERT INTO backend_nodes (id, name, node_type, address, status) "
                f"VALUES ('{node}', '{node}', 'backend', '{address}', 'healthy') ON CONFLICT (id) DO NOTHING"
            )
            rows.append(
                f"INSERT INTO node_models (id, node_id, model_name, replica_index, address, state, config_revision) "
                f"VALUES ('{model}-{index}', '{node}', '{model}', 0, '{address}', 'loaded', 'r1')"
            )
        self.sql(";\n".join(rows))

    def kill(self):
        """As when its machine dies: no connection is closed in order."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def suspend(self):
        """New connections are taken by the system, and nobody speaks on them."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def close(self):
        self.resume()
        if self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
