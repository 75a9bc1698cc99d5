"""An honest caller in a process of its own: calls until its input ends, then prints how long each call took.

    python honest.py ADDRESS [LEAST]    prints `honest calls` once calls are under way, at the end a JSON object; it makes
                                        LEAST calls (50) at least
"""

import json
import sys
import threading
import time

import grpc

from client import Client


def main(address: str, least: int = 50):
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    took: list[float] = []
    failures: list[str] = []
    with Client(address) as client:
        while not ended.is_set() or len(took) < least:
            started = time.monotonic()
            outcome = client.predict("an honest prompt")
            took.append(time.monotonic() - started)
            if outcome.code is not grpc.StatusCode.OK:
                failures.append(f"{outcome.code.name}: {outcome.details}")
            if len(took) == 20:
                print("honest calls", flush=True)
            ended.wait(0.002)
    print(json.dumps({"took": took, "failures": failures}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
