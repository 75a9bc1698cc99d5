"""nghttp2's own tools from Debian: another HTTP/2 implementation on the caller's side, and a burst of load."""

import re
import shutil
import subprocess

import pytest

from raw import frame
from stubs import make, pb

GRPC = ["-H", "content-type: application/grpc", "-H", "te: trailers"]


def run(*command: str) -> str:
    assert shutil.which(command[0]), f"{command[0]} is missing: scripts/setup --test installs it"
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def body(tmp_path):
    path = tmp_path / "body"
    path.write_bytes(frame(make(pb.PredictOptions, Prompt="a nest " * 30).SerializeToString()))
    return str(path)


def test_nghttp_sees_headers_data_and_trailers(relay, body):
    said = run("nghttp", "-v", "--no-dep", "-d", body, *GRPC, f"http://{relay.address}/backend.Backend/Predict")
    assert ":status: 200" in said and "grpc-status: 0" in said and "x-worker-trailer" in said
    assert said.index(":status: 200") < said.index("grpc-status: 0")


def test_nghttp_sees_a_trailers_only_answer_as_one_frame(relay, body):
    what = ["-H", 'x-script: {"status": "NOT_FOUND", "details": "nothing", "messages": 0}']
    said = run("nghttp", "-v", "--no-dep", "-d", body, *GRPC, *what, f"http://{relay.address}/backend.Backend/Predict")
    assert "grpc-status: 5" in said and said.count("recv HEADERS frame") == 1 and "recv DATA frame" not in said


@pytest.mark.parametrize("shape", [("-n", "2000", "-c", "8", "-m", "16"), ("-n", "500", "-c", "50", "-m", "1")])
def test_h2load_gets_an_answer_to_every_request(relay, body, shape):
    said = run("h2load", *shape, *GRPC, "-d", body, f"http://{relay.address}/backend.Backend/Predict")
    count = shape[1]
    assert f"{count} succeeded, 0 failed, 0 errored, 0 timeout" in said, said
    assert f"status codes: {count} 2xx, 0 3xx, 0 4xx, 0 5xx" in said, said
    # h2load does not look at trailers. A failed call has no message, so the volume tells that none failed.
    address = relay.workers[0].address.encode()
    reply = len(frame(make(pb.Reply, message=address).SerializeToString()))
    data = int(re.search(r"traffic: .*?, .*?\((\d+)\) data", said)[1])
    assert data == int(count) * reply, said
