"""`grpc.health.v1` as gRPC's own health checking package speaks it, about the program and its clusters."""

import queue
import threading

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from client import OPTIONS
from processes import Worker, wait_until

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def two_clusters(first: Worker, second: Worker) -> dict:
    return {
        "listeners": ["127.0.0.1:0"],
        "clusters": [
            {"name": "chat", "models": ["chat"], "replicas": [first.address]},
            {"name": "code", "models": ["code"], "replicas": [second.address]},
        ],
    }


def ask(stub, service: str = "") -> int:
    return stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status


def test_check_and_list_tell_of_the_program_and_of_each_cluster(configured):
    workers = [Worker().started(), Worker().started()]
    fleet = configured(two_clusters(*workers), workers)
    with grpc.insecure_channel(fleet.address, options=OPTIONS) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        assert [ask(stub, name) for name in ("", "chat", "code")] == [SERVING] * 3
        workers[1].kill()
        wait_until(lambda: ask(stub, "code") == NOT_SERVING, "the cluster without a replica is not serving")
        assert [ask(stub, name) for name in ("", "chat")] == [SERVING] * 2, "the other one is"
        # A map of names to answers; this package is older than List.
        def entry(name: bytes, status: int) -> bytes:
            key = b"\x0a" + bytes([len(name)]) + name if name else b""
            return b"\x0a" + bytes([len(key) + 4]) + key + b"\x12\x02\x08" + bytes([status])

        listed = channel.unary_unary("/grpc.health.v1.Health/List")(b"", timeout=10)
        assert listed == entry(b"", SERVING) + entry(b"chat", SERVING) + entry(b"code", NOT_SERVING)
        try:
            ask(stub, "nobody")
            raise AssertionError("an unknown service has a status")
        except grpc.RpcError as error:
            assert error.code() is grpc.StatusCode.NOT_FOUND
        workers[0].kill()
        wait_until(lambda: ask(stub) == NOT_SERVING, "nothing is served any more")
        workers[0].restart()
        wait_until(lambda: ask(stub) == SERVING, "it is again", 15)


def test_watch_tells_every_change_until_the_program_drains(configured):
    workers = [Worker().started(), Worker().started()]
    fleet = configured(two_clusters(*workers), workers)
    with grpc.insecure_channel(fleet.address, options=OPTIONS) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        told: queue.SimpleQueue = queue.SimpleQueue()
        watch = stub.Watch(health_pb2.HealthCheckRequest(service="chat"), timeout=60)
        unknown = stub.Watch(health_pb2.HealthCheckRequest(service="nobody"), timeout=60)

        def follow():
            try:
                for answer in watch:
                    told.put(answer.status)
            except grpc.RpcError as error:
                told.put(error.code())
            told.put("end")

        follower = threading.Thread(target=follow, daemon=True)
        follower.start()
        assert told.get(timeout=10) == SERVING
        assert next(unknown).status == SERVICE_UNKNOWN, "such a watch stays open"
        workers[0].kill()
        assert told.get(timeout=10) == NOT_SERVING
        workers[0].restart()
        assert told.get(timeout=20) == SERVING
        fleet.homing.process.terminate()
        assert told.get(timeout=10) == NOT_SERVING
        assert told.get(timeout=10) == "end", "a watch does not hold the drain up"
        assert fleet.homing.process.wait(10) == 0


def test_a_worker_with_the_standard_service_can_be_probed_by_it(configured, tmp_path):
    """One program is the worker of another one: it has the service, and says NOT_SERVING when its own worker dies."""
    worker = Worker().started()
    inner = configured({"listeners": ["127.0.0.1:0"], "clusters": [{"name": "in", "replicas": [worker.address]}]}, [worker])
    from fleet import Homing
    import json

    path = tmp_path / "outer.yaml"
    path.write_text(
        json.dumps(
            {
                "listeners": ["127.0.0.1:0"],
                "clusters": [
                    {
                        "name": "out",
                        "probe": {"protocol": "grpc_health", "interval_ms": 50, "retry_ms": 20, "fresh_for_ms": 0},
                        "replicas": [inner.address],
                    }
                ],
            }
        )
    )
    outer = Homing([], "-c", str(path)).started()
    try:
        outer.await_probed()
        worker.kill()
        wait_until(
            lambda: outer.replicas()[inner.address]["state"] == "unreachable", "what is not serving is taken out", 15
        )
        worker.restart()
        wait_until(lambda: outer.replicas()[inner.address]["state"] == "available", "and comes back", 15)
    finally:
        outer.terminate()
