"""Every method by its nature: what is answered for the whole fleet, what sticks to a worker, what follows a prompt."""

import pathlib

import grpc
import pytest

from client import LOAD_MODEL, PREDICT, prompt, script
from fleet import Fleet, Homing
from processes import Worker
from stubs import make, pb, text

WORDS = "the quick brown fox jumps over the lazy dog and runs on "
EXPLAIN = ("x-homing-explain", "1")


def path(name: str) -> str:
    return f"/backend.Backend/{name}"


# Answered for all


def test_status_and_metrics_are_those_of_all_workers_together(own_fleet):
    fleet = own_fleet(3)
    with fleet.client() as client:
        status = client.call(path("Status"), pb.HealthMessage()).reply
        assert (status.state, status.memory.total) == (2, 3000), "READY, and the sum"
        metrics = client.call(path("GetMetrics"), pb.MetricsRequest()).reply
        assert (metrics.tokens_per_second, metrics.tokens_generated, metrics.prompt_tokens_processed) == (31.5, 15, 21)
        assert metrics.slot_id == 0, "a slot is one worker's"


def test_status_is_busy_when_every_worker_has_a_stream(own_fleet):
    fleet = own_fleet(2, "--policy", "least_in_flight")
    with fleet.client() as client:
        busy = [client.start(path("PredictStream"), prompt("x"), script(messages=10_000, interval_s=0.05)) for _ in "ab"]
        assert len({call.headers()["x-worker"] for call in busy}) == 2
        assert client.call(path("Status"), pb.HealthMessage()).reply.state == 1
        for call in busy:
            call.cancel()


def test_many_who_ask_for_metrics_cost_the_workers_little(own_fleet):
    fleet = own_fleet(2)
    with fleet.client() as client:
        for _ in range(50):
            assert client.call(path("GetMetrics"), pb.MetricsRequest()).ok
    assert fleet.count(path("GetMetrics")) <= 2 * 10, "once a second and worker"


def test_metrics_that_no_worker_has_fail_as_the_workers_say_it(own_fleet):
    fleet = own_fleet(1, worker_arguments=("--requires-model",))
    with fleet.client() as client:
        answer = client.call(path("GetMetrics"), pb.MetricsRequest())
        assert (answer.code, answer.details) == (grpc.StatusCode.FAILED_PRECONDITION, "Model not loaded")


# Prompts


def test_score_goes_where_the_stable_part_of_its_prompt_is(own_fleet):
    fleet = own_fleet(3)
    with fleet.client() as client:
        head = WORDS * 60
        workers = set()
        for number in range(6):
            request = make(pb.ScoreRequest, prompt=head + f"{number} " * 400, stable_prefix_len=len(head))
            workers.add(client.call(path("Score"), request).worker)
        assert len(workers) == 1


def test_tokenizing_follows_a_prompt_and_leaves_no_trace(own_fleet):
    fleet = own_fleet(3)
    with fleet.client() as client:
        long = WORDS * 100
        home = client.predict(long).worker
        for _ in range(5):
            answer = client.call(path("TokenizeString"), prompt(long), [EXPLAIN])
            assert (answer.worker, text(answer.header("x-homing-reason"))) == (home, "followed")
        other = "z" + long
        client.call(path("TokenizeString"), prompt(other))
        fresh = client.call(PREDICT, prompt(other), [EXPLAIN])
        assert int(fresh.header("x-homing-matched-bytes")) == 0, "nobody has computed it"


# Jobs and sessions


@pytest.mark.parametrize(
    "start, request_type, watch, watch_type, stop, stop_type",
    [
        ("StartFineTune", "FineTuneRequest", "FineTuneProgress", "FineTuneProgressRequest", "StopFineTune",
         "FineTuneStopRequest"),
        ("StartQuantization", "QuantizationRequest", "QuantizationProgress", "QuantizationProgressRequest",
         "StopQuantization", "QuantizationStopRequest"),
    ],
)
def test_calls_about_a_job_reach_the_worker_that_has_it(
    own_fleet, start, request_type, watch, watch_type, stop, stop_type
):
    fleet = own_fleet(3)
    with fleet.client() as client:
        jobs = {}
        for number in range(6):
            # Some callers name their job, others are told its name.
            request = getattr(pb, request_type)(job_id=f"job-{number}" if number % 2 else "")
            started = client.call(path(start), request)
            jobs[started.reply.job_id] = started.worker
        assert len(jobs) == 6 and len(set(jobs.values())) > 1, "jobs are spread over the workers"
        for job, worker in jobs.items():
            watched = client.call(path(watch), getattr(pb, watch_type)(job_id=job))
            assert watched.ok and watched.worker == worker
            stopped = client.call(path(stop), getattr(pb, stop_type)(job_id=job))
            assert stopped.ok and stopped.worker == worker


def test_a_job_that_nobody_remembers_is_looked_for(own_fleet):
    fleet = own_fleet(3)
    with fleet.client() as client:
        started = client.call(path("StartFineTune"), pb.FineTuneRequest(job_id="old"))
        assert started.ok
    second = Homing([worker.address for worker in fleet.workers]).started()
    try:
        second.await_probed()
        with Fleet(fleet.workers, second).client() as client:
            for _ in range(3):
                watched = client.call(path("FineTuneProgress"), pb.FineTuneProgressRequest(job_id="old"))
                assert watched.ok and watched.worker == started.worker
            missing = client.call(path("FineTuneProgress"), pb.FineTuneProgressRequest(job_id="never"))
            assert (missing.code, missing.details) == (grpc.StatusCode.NOT_FOUND, "no such job")
    finally:
        second.terminate()


def test_an_audio_session_stays_with_its_decoder(own_fleet):
    fleet = own_fleet(3)
    with fleet.client() as client:
        homes = {}
        for turn in range(4):
            for session in range(6):
                request = pb.AudioDecodeRequest(frames=[b"x"], options={"a": "b", "session_id": f"s{session}"})
                worker = client.call(path("AudioDecode"), request).worker
                assert homes.setdefault(session, worker) == worker
        assert len(set(homes.values())) > 1
        # One that is gone takes its sessions with it; they go on elsewhere.
        lost = fleet.worker(homes[0])
        lost.kill()
        request = pb.AudioDecodeRequest(frames=[b"x"], options={"session_id": "s0"})
        moved = {client.call(path("AudioDecode"), request).worker for _ in range(3)}
        assert len(moved) == 1 and moved != {lost.address}


# Stores


def store_set(client, number: int):
    key = pb.StoresKey(Floats=[float(number)])
    request = pb.StoresSetOptions(Keys=[key], Values=[pb.StoresValue(Bytes=b"%d" % number)])
    return client.call(path("StoresSet"), request)


def store_get(client, number: int):
    answer = client.call(path("StoresGet"), pb.StoresGetOptions(Keys=[pb.StoresKey(Floats=[float(number)])]))
    return answer.worker, [value.Bytes for value in answer.reply.Values]


def test_what_is_stored_is_found_again(own_fleet):
    fleet = own_fleet(3)
    with fleet.client() as client:
        writers = {store_set(client, number).worker for number in range(9)}
        assert len(writers) == 1, "one replica keeps the stores"
        for number in range(9):
            assert store_get(client, number) == (*writers, [b"%d" % number])


def test_every_worker_can_keep_the_stores(own_fleet, tmp_path: pathlib.Path):
    workers = [Worker() for _ in range(3)]
    addresses = [worker.started().address for worker in workers]
    config = tmp_path / "homing.yaml"
    config.write_text(
        "listeners: [127.0.0.1:0]\nclusters:\n- name: pool\n  routing: {policy: round_robin}\n"
        "  stores: {writes: all}\n  replicas: [" + ", ".join(addresses) + "]\n"
    )
    fleet = Fleet(workers, Homing([], "-c", str(config)).started())
    try:
        fleet.homing.await_probed()
        with fleet.client() as client:
            for number in range(5):
                assert store_set(client, number).reply.success
            assert [worker.count(path("StoresSet")) for worker in workers] == [5, 5, 5]
            seen = set()
            for number in range(5):
                worker, values = store_get(client, number)
                assert values == [b"%d" % number]
                seen.add(worker)
            assert len(seen) == 3, "any of them answers reads"
            failed = client.call(path("StoresSet"), b"\x0a\xff")
            assert failed.code is not grpc.StatusCode.OK
        fleet.expect_quiet()
    finally:
        fleet.stop()


# Answers that are known


def test_metadata_of_a_model_is_asked_for_once(own_fleet):
    fleet = own_fleet(2)
    with fleet.client() as client:
        request = make(pb.ModelOptions, Model="nest-7b", ContextSize=4096)
        answers = {client.call(path("ModelMetadata"), request).reply.SerializeToString() for _ in range(10)}
        assert len(answers) == 1 and fleet.count(path("ModelMetadata")) == 1
        client.call(path("ModelMetadata"), make(pb.ModelOptions, Model="nest-7b", ContextSize=8192))
        assert fleet.count(path("ModelMetadata")) == 2, "other options, another question"
        assert client.call(LOAD_MODEL, request).ok
        client.call(path("ModelMetadata"), request)
        assert fleet.count(path("ModelMetadata")) == 3, "the model was loaded anew"


def test_a_failed_question_is_asked_again(own_fleet):
    fleet = own_fleet(1)
    with fleet.client() as client:
        request = make(pb.ModelOptions, Model="nest-7b")
        bad = client.call(path("ModelMetadata"), request, script(status="INTERNAL", details="not now"))
        assert (bad.code, bad.details) == (grpc.StatusCode.INTERNAL, "not now")
        assert client.call(path("ModelMetadata"), request).ok


# Which cluster


def test_metadata_and_authority_say_which_cluster_is_meant(tmp_path: pathlib.Path):
    workers = [Worker().started() for _ in range(3)]
    config = tmp_path / "homing.yaml"
    config.write_text(
        "listeners: [127.0.0.1:0]\nproxy: {model_metadata_key: X-Model}\ndefault_cluster: rest\nclusters:\n"
        f"- {{name: a, models: [model-a], authorities: [a.example], replicas: ['{workers[0].address}']}}\n"
        f"- {{name: b, models: [model-b], replicas: ['{workers[1].address}']}}\n"
        f"- {{name: rest, models: [model-c], replicas: ['{workers[2].address}']}}\n"
    )
    fleet = Fleet(workers, Homing([], "-c", str(config)).started())
    try:
        fleet.homing.await_probed()
        first, second, rest = (worker.address for worker in workers)
        with fleet.client() as client, fleet.client([("grpc.default_authority", "A.example:80")]) as named:
            assert client.predict("x").worker == rest
            assert client.predict("x", ModelIdentity="model-b").worker == second
            assert client.predict("x", [("x-model", "model-a")]).worker == first
            assert client.call(path("Detokenize"), pb.DetokenizeRequest(), [("x-model", "model-b")]).worker == second
            assert named.predict("x").worker == first
            for unknown in (client.predict("x", [("x-model", "model-z")]), client.predict("x", ModelIdentity="z"),
                            client.predict("x", [("x-model", "model-a")], ModelIdentity="model-b")):
                assert unknown.code is grpc.StatusCode.NOT_FOUND and "model identity mismatch" in unknown.details
        fleet.expect_quiet()
    finally:
        fleet.stop()
