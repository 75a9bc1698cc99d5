"""The calls that LocalAI makes to an external backend, in its order and on its kind of connections, before two embedded
workers: what the page LocalAI promises. LocalAI opens a connection for every call and closes it afterwards."""

import json

import grpc
import pytest

from client import FREE, HEALTH, LOAD_MODEL, PREDICT, PREDICT_STREAM, Client
from fleet import Homing
from processes import Process, program, wait_until
from stubs import make, pb

STATUS = "/backend.Backend/Status"
MODEL_METADATA = "/backend.Backend/ModelMetadata"
TOKENIZE = "/backend.Backend/TokenizeString"
FAST = ["--prefill-tokens-per-s", "1000000", "--decode-tokens-per-s", "1000000"]
EXPLAIN = [("x-homing-explain", "1")]
#: What a model's YAML makes of LoadModel: the path is the one on LocalAI's machine.
MODEL = {
    "Model": "nest-7b.gguf",
    "ModelFile": "/build/models/nest-7b.gguf",
    "ModelPath": "/build/models",
    "ContextSize": 4096,
}


def options(**fields):
    """The request of LoadModel and ModelMetadata."""
    request = make(pb.ModelOptions, **fields)
    request.Options.extend(make_list(pb.ModelOptions, "Options", "parallel:4"))
    return request


def make_list(message, field: str, *values: str) -> list:
    """The values as bytes where the proto has bytes."""
    kind = message.DESCRIPTOR.fields_by_name[field]
    return [value.encode() if kind.type == kind.TYPE_BYTES else value for value in values]



class EmbeddedWorker(Process):
    """`homing worker`, which can come back on its port."""

    def __init__(self, *arguments):
        command = [program(), "worker", "--listen", "127.0.0.1:0", "--log-level", "error", *FAST, *arguments]
        super().__init__(command, r"^homing worker grpc=(\S+)$")
        self.address = self.await_ready()[1]

    def restart(self):
        self.command[self.command.index("--listen") + 1] = self.address
        self.launch()
        assert self.await_ready()[1] == self.address


class LocalAI:
    """The caller: its deadlines, and what it makes of the answers."""

    def __init__(self, address: str):
        self.address = address

    def call(self, path: str, request, timeout=20, metadata=()):
        with Client(self.address) as client:
            return client.call(path, request, metadata, timeout)

    def is_healthy(self) -> bool:
        answer = self.call(HEALTH, pb.HealthMessage(), timeout=10)
        # Anything but exactly this is 'not ready' to LocalAI.
        return answer.ok and answer.reply.message == b"OK"

    def start_model(self):
        """A cold model: Health until it is OK, LoadModel, and one more Health."""
        wait_until(self.is_healthy, "Health is OK, which LocalAI asks for 20 times at most")
        loaded = self.call(LOAD_MODEL, options(**MODEL))
        assert loaded.reply.success, loaded
        assert self.is_healthy()

    def chat(self, *messages: tuple[str, str], path=PREDICT_STREAM):
        request = make(pb.PredictOptions, UseTokenizerTemplate=True, Tokens=6, PromptCacheAll=True)
        request.Messages.extend(make(pb.Message, role=role, content=content) for role, content in messages)
        return self.call(path, request, metadata=EXPLAIN)


@pytest.fixture
def processes():
    started = []
    yield started
    for process in reversed(started):
        if process.is_running:
            assert process.terminate() == 0, process.tail()


@pytest.fixture
def fleet(processes):
    """Two workers without a model, and homing before them."""
    workers = [EmbeddedWorker(), EmbeddedWorker()]
    processes += workers
    homing = Homing([worker.address for worker in workers]).started()
    processes.append(homing)
    return workers, homing, LocalAI(homing.address)


def loads(homing) -> float:
    return homing.metrics().sum("homing_model_loads_total")


def replies(homing) -> float:
    return homing.metrics().sum("homing_local_replies_total")


def test_the_calls_of_a_cold_model_then_of_a_warm_one(fleet):
    workers, homing, caller = fleet
    caller.start_model()
    # Health may have been asked before the first probe was back.
    before = replies(homing)
    assert loads(homing) == 2, "both workers were asked, once each"
    assert all(replica["model_loaded"] for replica in homing.replicas().values())
    assert {value for _, value in homing.metrics().named("homing_replica_slots")} == {4}, "parallel:4 was read"

    metadata = caller.call(MODEL_METADATA, options(**MODEL))
    assert metadata.ok
    words = caller.call(TOKENIZE, make(pb.PredictOptions, Prompt="Where does the bird live?"))
    assert words.ok and words.reply.length > 0

    system = ("system", "You know every bird. " * 60)
    first = caller.chat(system, ("user", "Where does the wren live?"))
    assert first.ok and len(first.replies) > 1
    second = caller.chat(system, ("user", "Where does the wren live?"), ("assistant", "In a hedge."), ("user", "Why?"))
    assert second.ok and second.header("x-homing-reason") == "prefix_match"
    assert second.header("x-homing-replica") == first.header("x-homing-replica")
    assert caller.chat(system, ("user", "And the rook?"), path=PREDICT).reply.message

    status = caller.call(STATUS, pb.HealthMessage())
    assert status.reply.state == pb.StatusResponse.READY
    assert caller.is_healthy(), "a warm model is asked for its Health every 30 s at most"
    assert loads(homing) == 2, "nothing of this loaded a model again"
    assert replies(homing) == before, "the workers answered everything themselves"


def test_an_unload_answers_and_takes_no_model_away(fleet):
    _, homing, caller = fleet
    caller.start_model()
    freed = caller.call(FREE, pb.HealthMessage(), timeout=5)
    assert freed.ok and freed.reply.success
    assert caller.chat(("user", "Still there?")).ok
    # LocalAI has forgotten the model and begins anew; nobody loads what he holds already.
    caller.start_model()
    assert loads(homing) == 2 and caller.chat(("user", "Back again?")).ok


def test_health_is_not_ok_until_a_worker_is_there(processes):
    worker = EmbeddedWorker()
    processes.append(worker)
    worker.kill()
    homing = Homing([worker.address]).started()
    processes.append(homing)
    caller = LocalAI(homing.address)
    assert not caller.is_healthy()
    worker.restart()
    caller.start_model()
    assert caller.chat(("user", "Hello?")).ok


def test_one_lost_worker_is_no_unavailable_and_its_return_needs_no_load_from_localai(fleet):
    workers, homing, caller = fleet
    caller.start_model()
    workers[0].kill()
    for number in range(12):
        answer = caller.chat(("user", f"Number {number}?"))
        assert answer.ok, answer
    workers[0].restart()
    # Homing replays the LoadModel that it remembers before the worker gets a stream.
    wait_until(lambda: homing.replicas()[workers[0].address]["model_loaded"], "the model is back", 20)
    wait_until(lambda: homing.replicas()[workers[0].address]["usable"], "the worker is back")
    assert loads(homing) == 3


def test_all_workers_lost_is_unavailable_and_localai_begins_anew(fleet):
    workers, homing, caller = fleet
    caller.start_model()
    for worker in workers:
        worker.kill()
    lost = caller.chat(("user", "Anybody?"))
    assert lost.code is grpc.StatusCode.UNAVAILABLE, lost
    assert not any(words in lost.details for words in ("connection refused", "connection reset", "no such host"))
    # What LocalAI does at UNAVAILABLE: Free, forget, and with the next request Health and LoadModel again.
    assert caller.call(FREE, pb.HealthMessage(), timeout=5).ok
    assert not caller.is_healthy()
    for worker in workers:
        worker.restart()
    caller.start_model()
    assert caller.chat(("user", "Here again?")).ok


def test_a_load_that_fails_says_so_as_localai_reads_it(fleet):
    _, _, caller = fleet
    wait_until(caller.is_healthy, "Health is OK")
    empty = caller.call(LOAD_MODEL, options())
    assert not (empty.ok and empty.reply.success), empty
    caller.start_model()


def test_workers_with_a_token_get_it_from_homing_and_localai_needs_none(processes, tmp_path):
    token = tmp_path / "token"
    token.write_text("Grpc-Token\n")
    worker = EmbeddedWorker("--auth-token-file", token)
    processes.append(worker)
    configuration = tmp_path / "homing.yaml"
    auth = {"token_file": str(token)}
    cluster = {"name": "chat", "replicas": [worker.address], "auth": auth}
    configuration.write_text(json.dumps({"listeners": ["127.0.0.1:0"], "clusters": [cluster]}))
    homing = Homing([], "-c", str(configuration)).started()
    processes.append(homing)
    caller = LocalAI(homing.address)
    caller.start_model()
    assert caller.chat(("user", "Who is there?")).ok
    without = Client(worker.address).call(HEALTH, pb.HealthMessage())
    assert without.code is grpc.StatusCode.UNAUTHENTICATED


def test_a_token_on_the_listener_is_one_that_an_external_backend_never_sends(processes, tmp_path):
    token = tmp_path / "token"
    token.write_text("Callers-Token\n")
    worker = EmbeddedWorker("--model", "nest-7b.gguf")
    processes.append(worker)
    configuration = tmp_path / "homing.yaml"
    listener = {"address": "127.0.0.1:0", "auth": {"tokens": [{"token_file": str(token)}]}}
    cluster = {"name": "chat", "replicas": [worker.address]}
    configuration.write_text(json.dumps({"listeners": [listener], "clusters": [cluster]}))
    homing = Homing([], "-c", str(configuration)).started()
    processes.append(homing)
    refused = LocalAI(homing.address).call(HEALTH, pb.HealthMessage(), timeout=10)
    assert (refused.code, refused.details) == (grpc.StatusCode.UNAUTHENTICATED, "missing authorization header")
    with Client(homing.address) as distributed:
        right = [("authorization", "Bearer Callers-Token")]
        assert wait_until(lambda: distributed.call(HEALTH, pb.HealthMessage(), right).ok, "Health with the token")
