"""A fleet whose admin port takes changes: it has a token, which everything here brings along."""

import http.client
import json
import os
import subprocess
from urllib.parse import quote

from fleet import Fleet
from processes import Worker, program, wait_until

TOKEN = "right"


def ask(address: str, path: str, method: str = "GET", body=None, token: str | None = TOKEN):
    """Status and body, as JSON where it is, of one answer of an admin port."""
    connection = http.client.HTTPConnection(address, timeout=15)
    text = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
    try:
        connection.request(method, path, text, {"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        content = answer.read().decode()
    finally:
        connection.close()
    is_json = answer.getheader("content-type", "").startswith("application/json")
    return answer.status, json.loads(content) if is_json else content


class Operator:
    """What an operator does to a running homing."""

    def __init__(self, fleet: Fleet, token_file: str):
        self.fleet = fleet
        self.token_file = token_file
        self.admin = fleet.homing.admin

        def get(path: str) -> tuple[int, str]:
            status, body = ask(self.admin, path)
            return status, body if isinstance(body, str) else json.dumps(body)

        # What is looked at after every test brings the token too.
        fleet.homing.get = get

    def ask(self, method: str, path: str, body=None):
        return ask(self.admin, path, method, body)

    def add(self, worker: Worker, **more):
        status, body = self.ask("POST", "/api/replicas", {"address": worker.address, **more})
        assert status == 201, body
        return body

    def change(self, verb: str, worker: Worker):
        status, body = self.ask("POST", f"/api/replicas/{quote(worker.address, safe='')}/{verb}")
        assert status == 200, body
        return body

    def remove(self, worker: Worker, query: str = ""):
        status, body = self.ask("DELETE", f"/api/replicas/{worker.address}{query}")
        assert status == 202, body
        return body

    def replicas(self) -> dict[str, dict]:
        return self.fleet.homing.replicas()

    def state(self, worker: Worker) -> str | None:
        """nil when it is gone."""
        return self.replicas().get(worker.address, {}).get("state")

    def await_available(self, *workers: Worker):
        wait_until(lambda: all(self.state(worker) == "available" for worker in workers), "they are available")

    def await_gone(self, worker: Worker):
        wait_until(lambda: self.state(worker) is None, f"{worker.address} is gone")

    def run(self, *arguments: str, token: bool = True, **environment: str) -> subprocess.CompletedProcess:
        """A command of the program that asks the admin port."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HOMING_")}
        flags = ["--admin", self.admin] + (["--token-file", self.token_file] if token else [])
        return subprocess.run(
            [program(), *arguments, *flags], capture_output=True, text=True, timeout=30, env={**clean, **environment}
        )
