"""SIGTERM drains: what is open ends well, nothing new begins, and the program leaves with 0."""

import signal
import socket
import time

from client import BIDI, PREDICT_STREAM, Conversation, prompt, script
from frames import ACK, GOAWAY, PING, Peer, frame
from processes import wait_until


def is_listening(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def test_open_streams_end_well_after_sigterm(own_fleet):
    fleet = own_fleet(2)
    with fleet.client() as client, fleet.client() as other:
        conversation = Conversation(client, BIDI)
        assert conversation.ping(b"before") == b"before"
        stream = other.start(PREDICT_STREAM, prompt("x"), script(messages=30, interval_s=0.02))
        stream.next()
        fleet.homing.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not is_listening(fleet.address), "the listener is closed")
        assert conversation.ping(b"after") == b"after"
        rest = stream.outcome()
        assert rest.ok and len(rest.replies) == 29
        assert fleet.homing.is_running
        conversation.close_half()
        assert conversation.outcome().ok
    assert fleet.homing.process.wait(10) == 0


def test_a_request_on_a_slow_way_gets_in(own_fleet):
    """Callers are given the time of their own connection to hear of the drain: what they sent before that is served."""
    fleet = own_fleet(1)
    with Peer(fleet.address) as far:
        fleet.homing.process.send_signal(signal.SIGTERM)
        notices = lambda: [int.from_bytes(found.payload[:4], "big") for found in far.frames if found.kind == GOAWAY]
        far.wait(lambda: any(found.kind == PING for found in far.frames), "the drain is announced")
        assert notices() == [2**31 - 1]
        time.sleep(0.7)
        far.call()
        assert far.served(1) == "0"
        assert len(notices()) == 1, "it has not answered"
        far.send(frame(PING, ACK, 0, bytes(8)))
        far.wait(lambda: len(notices()) == 2, "the last GOAWAY")
        assert notices()[1] == 1
    assert fleet.homing.process.wait(10) == 0


def test_who_does_not_answer_holds_a_drain_up_for_two_seconds(own_fleet):
    fleet = own_fleet(1)
    with Peer(fleet.address) as deaf:
        deaf.call()
        assert deaf.served(1) == "0"
        assert fleet.homing.terminate(limit=5) == 0


def test_an_idle_program_ends_at_once(own_fleet):
    fleet = own_fleet(1)
    with fleet.client() as client:
        assert client.predict("x").ok
        # The connection stays open: an idle connection must not hold the program back.
        assert fleet.homing.terminate(limit=5) == 0


def test_sigint_drains_too(own_fleet):
    fleet = own_fleet(1)
    fleet.homing.process.send_signal(signal.SIGINT)
    assert fleet.homing.process.wait(5) == 0


def test_sighup_does_not_end_the_program_or_anything_in_it(own_fleet):
    fleet = own_fleet(1)
    with fleet.client() as client:
        conversation = Conversation(client, BIDI)
        assert conversation.ping(b"before") == b"before"
        for _ in range(3):
            fleet.homing.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any("reload asked for" in line for line in fleet.homing.stderr), "the signal is heard")
        assert conversation.ping(b"after") == b"after"
        conversation.close_half()
        assert conversation.outcome().ok
