"""Calls that go on while a test changes something behind the program."""

import threading

from client import PREDICT_STREAM, Client, prompt, script


class Traffic:
    """Callers that stream one answer after the other until the end; every call that fails is kept."""

    def __init__(self, address: str, callers: int = 4):
        self.failed: list[str] = []
        self.by_worker: dict[str, int] = {}
        self.lock = threading.Lock()
        self.is_over = threading.Event()
        self.clients = [Client(address) for _ in range(callers)]
        self.threads = [
            threading.Thread(target=self.call, args=(number, client), daemon=True)
            for number, client in enumerate(self.clients)
        ]

    def __enter__(self) -> "Traffic":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        for thread in self.threads:
            thread.join(30)
        for client in self.clients:
            client.channel.close()

    @property
    def count(self) -> int:
        with self.lock:
            return sum(self.by_worker.values())

    def served_by(self, worker: str) -> int:
        with self.lock:
            return self.by_worker.get(worker, 0)

    def call(self, number: int, client: Client):
        turn = 0
        while not self.is_over.is_set():
            turn += 1
            what = script(messages=3, interval_s=0.005)
            outcome = client.call(PREDICT_STREAM, prompt(f"caller {number} turn {turn}"), what)
            with self.lock:
                if outcome.ok and len(outcome.replies) == 3:
                    self.by_worker[outcome.worker] = self.by_worker.get(outcome.worker, 0) + 1
                else:
                    self.failed.append(f"{outcome.code} {outcome.details} after {len(outcome.replies)} messages")
