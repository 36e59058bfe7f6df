#!/usr/bin/env python3
"""Skills, levels, steps, the agent of last time, priorities and opening hours, as agents see them at their desks. Usage: skills_test.py BIN_DIR"""
import functools
from belfry import *


def put(h, path, **body):
    answer = h.api("PUT", path, body)
    assert answer.status in (200, 201), (path, answer.status, answer.body)
    return answer.json


def offered_to(desks, seconds=6):
    """Whose desk the next offer comes to, and the offer."""
    def look():
        for name, desk in desks.items():
            for frame in list(desk.frames):
                if frame["t"] == "event" and frame["kind"] == "offer" and frame["id"] not in desk.seen:
                    desk.seen.add(frame["id"])
                    return name, frame
    return until("an offer", look, seconds, every=0.02)


def skills(shards):
    with house(shards=shards, queue='wrapup = "0s"') as h:
        h.start()
        meta = h.meta("--calm")
        names = ("expert", "helper", "guest")
        keys = dict(zip(names, h.people(*names, capacity=1)))
        h.ready()
        for skill in ("pipes", "german"):
            put(h, f"/skills/{skill}", name=skill.title())
        put(h, "/agents/agent_expert", skills=["pipes:5", "german:2"])
        put(h, "/agents/agent_helper", skills=["pipes:2", "german:5"])
        queue = h.all("/agents")[0]["queues"][0]
        put(h, f"/queues/{queue}", skills=["pipes:3"], steps=[{"after_s": 2, "lower_levels": 1}, {"after_s": 4, "drop": ["pipes"]}])
        desks = {name: Desk(h, keys[name]).be_ready() for name in names}
        for desk in desks.values():
            desk.seen = set()
        time.sleep(1)  # every shard has seen them

        def write(who, words="Hello"):
            began = time.monotonic()
            meta.citizen(who, words)
            name, offer = offered_to(desks)
            return name, offer, time.monotonic() - began

        def accept(name, offer):
            desks[name].do("accept", conversation=offer["conversation"], gen=offer["gen"])

        # The expert is skilled; when he is full, it takes two seconds until the helper is good enough, two more until anybody is.
        took = []
        for who, expected, least in (("491511000031", "expert", 0), ("491511000032", "helper", 2), ("491511000033", "guest", 4)):
            name, offer, seconds = write(who)
            equal((name, seconds >= least, seconds < least + 1.5), (expected, True, True), f"{who} after {seconds:.2f} s")
            accept(name, offer)
            took.append((name, offer, round(seconds, 2)))
        say("offered to", [(name, seconds) for name, _, seconds in took])
        kinds = h.all(f"/audit/transitions?conversation={took[2][1]['conversation']}")
        reasons = next(t["reasons"] for t in kinds if t["kind"] == "offered")
        equal((reasons["step"], reasons["relaxed"]), (2, 1), "why the guest")
        text = h.ctl("explain", took[2][1]["conversation"])
        assert "lacking 1 of what was asked at first" in text and "at step 2" in text, text

        # Everybody is free again: who had the citizen's last conversation gets the next, though the expert is the better one.
        for name, offer, _ in took:
            desks[name].do("resolve", conversation=offer["conversation"], gen=offer["gen"] + 1)
        put(h, f"/queues/{queue}", skills=[], steps=[])
        time.sleep(1)
        name, offer, _ = write("491511000033", "It is me again")
        equal(name, "guest", "the agent of last time")
        accept(name, offer)
        # He is at work, and no trap: the queue waits for him two seconds, then asks another.
        put(h, f"/queues/{queue}", sticky_s=2)
        desks["helper"].do("availability", value="paused")
        desks["guest"].do("resolve", conversation=offer["conversation"], gen=offer["gen"] + 1)
        time.sleep(1)
        blocker = write("491511000034")
        accept(*blocker[:2])
        if blocker[0] == "expert":  # only the guest is left: take him out of the way as well
            other = write("491511000035")
            equal(other[0], "guest", "the one who is left")
            accept(*other[:2])
        meta.citizen("491511000033", "Me once more")
        time.sleep(1)
        desks["helper"].do("availability", value="ready")
        began = time.monotonic()
        name, offer = offered_to(desks)
        equal(name, "helper", "the guest is full")
        say(f"waited for the agent of last time, then another after {time.monotonic() - began:.2f} s")
        assert time.monotonic() - began > 0.3, "the helper was asked before the two seconds were over"
        accept(name, offer)

        # Unknown skills, levels that are none: refused with words, and nothing changed.
        for path, body, says in ((f"/queues/{queue}", {"skills": ["art"]}, "no such skill"), (f"/queues/{queue}", {"skills": ["pipes:6"]}, "1 to 5"),
                                 ("/agents/agent_guest", {"skills": ["art"]}, "no such skill"), ("/agents/agent_guest", {"capacity": -1}, "capacity"),
                                 (f"/queues/{queue}", {"steps": [{"after_s": 9}]}, "nothing less")):
            answer = h.api("PUT", path, body)
            equal(answer.status, 422, path)
            assert says in answer.json["detail"], answer.json
        equal(h.get(f"/queues/{queue}")["skills"], [], "the queue")
        for desk in desks.values():
            equal(desk.gaps, [], "event ids")
        meta.stop()
        equal(h.stop(), 0, "exit code")


def priorities(shards):
    """Two queues of one agent: ten minutes of priority overtake, and nobody is forgotten."""
    with house(shards=shards, queue='wrapup = "0s"') as h:
        h.start()
        meta = h.meta("--calm")
        (key,) = h.people("ana", capacity=10)
        h.ready()
        queue = h.all("/agents")[0]["queues"][0]
        meta.citizen("491511000041", "First")
        until("it waits", lambda: len(h.all("/conversations")) == 1)
        put(h, f"/queues/{queue}", priority=10)
        time.sleep(0.7)
        meta.citizen("491511000042", "Second, and urgent")
        until("both wait", lambda: len(h.all("/conversations")) == 2)
        desk = Desk(h, key).be_ready()
        desk.seen = set()
        order = [offered_to({"ana": desk})[1]["contact"]["name"][-4:] for _ in range(2)]
        say("offered in the order", order)
        equal(order, ["0042", "0041"], "the order")
        meta.stop()
        equal(h.stop(), 0, "exit code")


def hours(shards):
    """A queue that is closed offers nothing; what waits keeps its place until it opens."""
    with house(shards=shards, queue='wrapup = "0s"') as h:
        h.start()
        meta = h.meta("--calm")
        (key,) = h.people("ana", capacity=10)
        h.ready()
        desk = Desk(h, key).be_ready()
        desk.seen = set()
        queue = h.all("/agents")[0]["queues"][0]
        shut = put(h, f"/queues/{queue}/emergency", state="closed", reason="The building is evacuated")
        equal((shut["open"], shut["open_why"], shut["open_note"]), (False, "emergency", "The building is evacuated"), "the queue")
        time.sleep(0.7)
        for who in ("491511000051", "491511000052"):
            meta.citizen(who, "Is anybody there?")
        until("both wait", lambda: [c["state"] for c in h.all("/conversations")] == ["queued", "queued"])
        time.sleep(1.5)
        equal([f for f in desk.frames if f.get("kind") == "offer"], [], "offers while it is closed")
        assert "Nobody" in h.ctl("simulate-routing", queue)
        put(h, f"/queues/{queue}", hours="never", zone="Europe/Berlin")
        equal(put(h, f"/queues/{queue}/emergency", state="none")["open"], False, "closed by its hours")
        time.sleep(1)
        equal([f for f in desk.frames if f.get("kind") == "offer"], [], "offers while it is closed")
        equal(put(h, f"/queues/{queue}", hours="always", zone="Europe/Berlin")["open"], True, "the queue")
        equal([offered_to({"ana": desk})[1]["contact"]["name"][-4:] for _ in range(2)], ["0051", "0052"], "the order")
        meta.stop()
        equal(h.stop(), 0, "exit code")


if __name__ == "__main__":
    run(*((f"{name}, shards {shards}", functools.partial(test, shards)) for shards in (1, 3)
          for name, test in (("skills and steps", skills), ("priorities", priorities), ("opening hours", hours))))
