"""The status page in a real browser: it loads, lives, complains of nothing, and can be used by everybody."""

import json
import threading

import pytest

from browser import PROGRAM, Browser
from client import PREDICT_STREAM, Client, prompt
from processes import Worker, wait_until
from stubs import ROOT

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no chromium: scripts/setup --test installs it")

#: Pictures of the page for whoever changes it. Not part of the repository.
SHOTS = ROOT / "Tests" / "Peers" / "screenshots"
COUNT = "document.querySelectorAll('#decisions tbody tr').length"


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


class Traffic:
    """Conversations from a few callers, until it is told to stop."""

    def __init__(self, address: str):
        self.address = address
        self.stops = threading.Event()
        self.threads = [threading.Thread(target=self.talk, args=(number,)) for number in range(4)]

    def talk(self, number: int):
        with Client(self.address) as client:
            turn = 0
            while not self.stops.is_set():
                text = f"You are helper {number % 2}. " * 40 + f"turn {turn % 5} of {number} " * 10
                client.call(PREDICT_STREAM, prompt(text))
                turn += 1
                self.stops.wait(0.05)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stops.set()
        for thread in self.threads:
            thread.join()


def test_the_page_lives_while_traffic_flows_and_complains_of_nothing(own_fleet, browser):
    fleet = own_fleet(3)
    browser.open(f"http://{fleet.homing.admin}/")
    browser.wait("document.querySelectorAll('.card').length == 3")
    assert browser.ask("document.querySelector('#ready .text').textContent") == "ready"
    assert browser.ask(COUNT) == 0 and not browser.ask("document.getElementById('no-decisions').hidden")
    with Traffic(fleet.address):
        browser.wait(f"{COUNT} == 12")
        # A whole interval has ended, and the picture, the tiles and the lines have it.
        browser.wait("document.querySelectorAll('#flow rect.reused').length > 0")
        browser.wait("document.querySelectorAll('#flow path.ribbon').length > 0")
        browser.wait("document.querySelectorAll('#hit-chart path.line').length > 0")
        before = browser.ask("document.querySelector('#decisions tbody tr').dataset.key")
        browser.wait(f"document.querySelector('#decisions tbody tr').dataset.key != {json.dumps(before)}")
        assert browser.wait("document.querySelector('#glance dd').textContent").endswith(" %")
        victim = fleet.workers[1]
        victim.kill()
        browser.wait("document.querySelectorAll('.card.bad').length == 1")
        assert "unreachable" in browser.ask("document.querySelector('.card.bad .badge').textContent")
        browser.wait("document.getElementById('announcer').textContent.includes('unreachable')")
        assert "unreachable" in browser.ask("document.getElementById('events').textContent")
        browser.screenshot(SHOTS / "wide-light.png")
    victim.restart()
    browser.wait("document.querySelectorAll('.card.good').length == 3")
    assert browser.complaints() == []
    address = f"http://{fleet.homing.admin}/"
    assert set(browser.requests()) == {address, f"{address}api/stream"}, "nothing but its own port is asked"


def test_what_a_person_has_chosen_stays(fleet, browser):
    with fleet.client() as client:
        for number in range(20):
            assert client.call(PREDICT_STREAM, prompt(f"{number} " * 100)).ok
    browser.open(f"http://{fleet.homing.admin}/")
    browser.wait(f"{COUNT} == 12")
    browser.ask("document.getElementById('more').focus(); document.getElementById('more').click()")
    browser.wait(f"{COUNT} > 12")
    assert browser.ask("document.getElementById('more').getAttribute('aria-expanded')") == "true"
    browser.ask("document.getElementById('pause').click()")
    newest = browser.ask("document.querySelector('#decisions tbody tr').dataset.key")
    with fleet.client() as client:
        assert client.call(PREDICT_STREAM, prompt("another")).ok
    # The page has the new decision, and shows it when it is asked to go on.
    browser.wait(f"page.state.decisions[0].id != {json.dumps(newest)}")
    assert browser.ask("document.querySelector('#decisions tbody tr').dataset.key") == newest
    assert browser.ask("document.activeElement.id") == "more"
    browser.ask("document.getElementById('pause').click()")
    assert browser.ask("document.querySelector('#decisions tbody tr').dataset.key") != newest
    assert browser.complaints() == []


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_needs_no_sideways_scrolling(fleet, browser, dark):
    browser.open(f"http://{fleet.homing.admin}/", width=360, height=740, dark=dark)
    browser.wait("document.querySelectorAll('.card').length == 3")
    with Traffic(fleet.address):
        browser.wait(f"{COUNT} == 12")
        browser.wait("document.querySelectorAll('#flow rect.reused, #flow rect.fresh').length > 0")
        assert browser.ask("document.documentElement.scrollWidth") <= 360
        too_wide = "[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > 361)"
        assert browser.ask(f"{too_wide}.map(e => e.outerHTML.slice(0, 80))") == []
        browser.screenshot(SHOTS / f"phone-{'dark' if dark else 'light'}.png")
    assert browser.complaints() == []


def contrast(browser: Browser, front: str, back: str) -> float:
    """WCAG 2.2 contrast of two of the page's colours as they are now."""
    return browser.ask(
        f"""(() => {{
          const style = getComputedStyle(document.documentElement);
          const light = name => {{
            const hex = style.getPropertyValue(name).trim().slice(1);
            const full = hex.length == 3 ? [...hex].map(c => c + c).join("") : hex;
            const parts = [0, 2, 4].map(at => parseInt(full.slice(at, at + 2), 16) / 255)
              .map(part => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
            return .2126 * parts[0] + .7152 * parts[1] + .0722 * parts[2];
          }};
          const [a, b] = [light("{front}"), light("{back}")].sort((x, y) => y - x);
          return (a + .05) / (b + .05);
        }})()"""
    )


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_can_be_told_from_its_ground(fleet, browser, dark):
    browser.open(f"http://{fleet.homing.admin}/", dark=dark)
    browser.wait("document.querySelectorAll('.card').length == 3")
    for back in ("--card", "--paper"):
        for front in ("--ink", "--soft", "--good", "--bad", "--wait"):
            assert contrast(browser, front, back) >= 4.5, (front, back)
        for front in ("--accent", "--fresh", "--focus"):
            assert contrast(browser, front, back) >= 3, (front, back)


def test_a_screen_reader_finds_its_way(fleet, browser):
    browser.open(f"http://{fleet.homing.admin}/")
    browser.wait("document.querySelectorAll('.card').length == 3")
    browser.call("Accessibility.enable")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            roles.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    for role in ("banner", "main", "contentinfo", "navigation"):
        assert len(roles.get(role, [])) == 1, f"one {role}, not {roles.get(role)}"
    assert {"Where prompts go", "Replicas", "Recent decisions", "Events"} <= set(roles["heading"])
    assert all(roles["region"]), "every region has a name"
    assert len(roles["meter"]) == 6 and set(roles["meter"]) == {"In flight", "Reused"}
    pictures = [name for role in ("img", "image") for name in roles.get(role, [])]
    assert len(pictures) == 3 and all(pictures), "every picture says in words what it shows"
    assert all(roles["button"]) and all(roles["link"])
    # Which state a replica is in is a word, not only a colour.
    badges = browser.ask("[...document.querySelectorAll('.card .badge .text')].map(e => e.textContent)")
    assert badges == ["available"] * 3
    assert browser.ask("document.getElementById('announcer').getAttribute('aria-live')") == "polite"


def test_the_keyboard_reaches_everything_in_order(fleet, browser):
    browser.open(f"http://{fleet.homing.admin}/")
    browser.wait("document.querySelectorAll('.card').length == 3")
    visited = []
    for _ in range(6):
        for kind in ("rawKeyDown", "keyUp"):
            browser.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        visited.append(browser.ask("document.activeElement.id || document.activeElement.textContent"))
    assert visited[0] == "Skip to the replicas" and visited[1] == "pause", visited
    assert browser.ask("getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_nothing_moves_for_those_who_want_it_calm(fleet, browser):
    moved = "new MutationObserver(all => all.forEach(one => one.addedNodes.forEach(node => " \
        "{ if (node.classList?.contains('dot')) window.moved = true; }))).observe(document, " \
        "{ childList: true, subtree: true })"
    for calm in (True, False):
        browser.open(f"http://{fleet.homing.admin}/", calm=calm)
        browser.wait("document.querySelectorAll('.card').length == 3")
        browser.ask(f"window.moved = false; {moved}; 0")
        newest = browser.ask("page.state.decisions.length ? page.state.decisions[0].id : ''")
        with Traffic(fleet.address):
            wait = "page.state.decisions.length > 0 && page.state.decisions[0].id"
            seen = browser.wait(f"({wait}) != {json.dumps(newest)} && {wait}")
            browser.wait(f"page.state.decisions[0].id != {json.dumps(seen)}")
            if calm:
                assert browser.ask("window.moved") is False
            else:
                browser.wait("window.moved")


def test_a_guarded_port_asks_its_reader_for_the_token(configured, browser, tmp_path):
    worker = Worker().started()
    token = tmp_path / "token"
    token.write_text("right\n")
    configuration = {
        "listeners": ["127.0.0.1:0"],
        "admin": {"auth": {"tokens": [{"token_file": str(token)}]}},
        "clusters": [{"name": "chat", "replicas": [worker.address]}],
    }
    fleet = configured(configuration, [worker], awaits_probes=False)
    wait_until(lambda: fleet.homing.get("/ready")[0] == 200, "it is ready")
    browser.open(f"http://{fleet.homing.admin}/")
    submit = "document.getElementById('token').value = '{}'; document.getElementById('door').requestSubmit(); 0"
    browser.wait("!document.getElementById('door').hidden")
    assert browser.ask("document.activeElement.id") == "token" and browser.ask("house.hidden")
    browser.ask(submit.format("wrong"))
    browser.wait("document.getElementById('door-note').textContent.includes('not accepted')")
    browser.ask(submit.format("right"))
    browser.wait("document.querySelectorAll('.card').length == 1")
    assert browser.ask("document.getElementById('door').hidden") and "right" not in browser.ask("document.body.innerHTML")
    # The browser itself notes the two answers of 401; the page says nothing of its own.
    assert all("401" in text for text in browser.complaints())
    fleet.homing.terminate()


def test_what_comes_from_outside_is_text_and_never_markup(configured, browser):
    """A model's name is the operator's, and as wild as text can be."""
    wild = "<img src=x onerror=alert(1)>&lt;</script>\"'"
    worker = Worker().started()
    configuration = {
        "listeners": ["127.0.0.1:0"],
        "clusters": [{"name": "chat", "models": [wild], "replicas": [worker.address]}],
    }
    fleet = configured(configuration, [worker])
    browser.open(f"http://{fleet.homing.admin}/")
    browser.wait("document.querySelectorAll('.card').length == 1")
    assert wild in browser.ask("document.querySelector('.cluster p').textContent")
    assert browser.ask("document.querySelectorAll('img').length") == 0 and browser.complaints() == []
