#!/usr/bin/env python3
"""Who waits, how long he is told it will be, and goals that are told before they are missed. Usage: waiting_test.py BIN_DIR"""
import datetime, functools
from belfry import *

GOALS = 'sla = { answer = "30s", first_reply = "6s", next_reply = "5s", resolve = "1h", within_percent = 80 }'


def put(h, path, **body):
    answer = h.api("PUT", path, body)
    assert answer.status in (200, 201), (path, answer.status, answer.body)
    return answer.json


def at(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def told(h, conversation=None):
    return [t for t in h.all("/audit/transitions") if t["kind"] == "sla" and conversation in (None, t["conversation"])]


def of_queue(h, queue):
    return next(q for q in h.get("/stats")["queues"] if q["id"] == queue)


def clocks(shards):
    """A first reply and a next one that will be late: predicted, then breached, each told once, also by the next process."""
    with house(shards=shards, queue='wrapup = "0s"\nmode = "auto"\n' + GOALS.replace('"30s"', '"4s"')) as h:
        h.start()
        meta = h.meta("--calm")
        (key,) = h.people("ana", capacity=5)
        h.ready()
        queue = h.all("/agents")[0]["queues"][0]
        equal(h.get(f"/queues/{queue}")["sla"],
              {"answer_s": 4, "first_reply_s": 6, "next_reply_s": 5, "resolve_s": 3600, "within_percent": 80}, "goals of the file")
        for i in range(3):
            meta.citizen(f"49151100006{i}", "Is anybody there?")
            until("it waits", lambda: len(h.all("/conversations")) == i + 1)
        time.sleep(0.7)  # each shard's picture is half a second old at most
        waiting = h.all(f"/queues/{queue}/waiting")
        equal([w["position"] for w in waiting], [1, 2, 3], "places")
        equal([w["estimate"] for w in waiting], [None] * 3, "estimates before 20 waits are known")
        assert all(set(w) == {"conversation", "position", "since", "estimate", "sla"} for w in waiting), waiting
        one = waiting[0]["conversation"]
        first = h.get(f"/conversations/{one}")
        due = first["sla"]["first_reply"]["due"]
        equal(round(at(due) - at(first["first_at"]), 3), 6, "due after")
        until("a prediction of each", lambda: len(told(h)) >= 3, 8)
        predicted = told(h, one)
        equal([(t["why"], t["clock"], t["due"]) for t in predicted], [("predicted", "first_reply", due)], "told at first")
        assert at(predicted[0]["at"]) < at(due), predicted
        equal(h.get(f"/conversations/{one}")["sla"]["first_reply"]["state"], "predicted", "state")
        until("breaches", lambda: len(told(h)) >= 6, 10)
        both = told(h, one)
        equal([t["why"] for t in both], ["predicted", "breached"], "told")
        late = at(both[1]["at"]) - at(due)
        say(f"predicted {at(due) - at(predicted[0]['at']):.2f} s before, breached told {late:.3f} s after it was due")
        assert 0 <= late < 2, late
        equal(h.get(f"/conversations/{one}")["sla"]["first_reply"], {"state": "breached", "due": due}, "state")
        stats = of_queue(h, queue)
        equal((stats["waiting"], stats["overdue"], stats["agents_ready"], stats["estimate"]), (3, 3, 0, None), "of the queue")
        until("metrics", lambda: h.metric("belfry_queue_waiting", queue="hall") == 3, 5)
        equal([h.metric("belfry_sla_total", queue="hall", clock="first_reply", kind=kind) for kind in ("predicted", "breached")], [3, 3], "counted")
        log = (h.dir / "belfryd.log").read_text()
        equal((log.count("sla_predicted"), log.count("sla_breached")), (3, 3), "log lines")
        assert "Citizen" not in log and "4915110000" not in log, "personal data in the log"

        # The next process tells nothing again, and says the same due time.
        equal(h.stop(), 0, "exit code")
        h.start()
        h.ready()
        until("the owner is back", lambda: h.metric("belfry_queue_waiting", queue="hall") == 3, 15)
        time.sleep(2)
        equal(len(told(h)), 6, "told again")
        equal(h.get(f"/conversations/{one}")["sla"]["first_reply"], {"state": "breached", "due": due}, "after a restart")

        # She answers; then his next question has a clock of its own, which a reply ends.
        desk = Desk(h, key).be_ready()
        gens = {one: desk.event("assigned", conversation=one)["gen"]}
        desk.do("reply", conversation=one, gen=gens[one], text="Yes, here I am")
        sla = h.get(f"/conversations/{one}")["sla"]
        equal((sla["first_reply"]["state"], sla["next_reply"], sla["resolve"]["state"]), ("breached", {"state": "met"}, "due"), "answered late")
        time.sleep(1)
        meta.citizen("491511000060", "When do you open?")
        meta.citizen("491511000060", "And where?")
        asked = until("the clock of the next reply", lambda: h.get(f"/conversations/{one}")["sla"]["next_reply"].get("due"))
        until("it is predicted", lambda: [t for t in told(h, one) if t["clock"] == "next_reply"], 8)
        until("it is breached", lambda: len([t for t in told(h, one) if t["clock"] == "next_reply"]) == 2, 8)
        equal([(t["why"], t["due"]) for t in told(h, one)[2:]], [("predicted", asked), ("breached", asked)], "the next reply")
        assert at(told(h, one)[2]["at"]) < at(asked) <= at(told(h, one)[3]["at"])
        desk.do("reply", conversation=one, gen=gens[one], text="At eight, here")
        equal(h.get(f"/conversations/{one}")["sla"]["next_reply"], {"state": "met"}, "answered")
        # Answered in time, the next one is told of nowhere.
        meta.citizen("491511000060", "Thanks")
        until("asked again", lambda: h.get(f"/conversations/{one}")["sla"]["next_reply"].get("due"))
        desk.do("reply", conversation=one, gen=gens[one], text="With pleasure")
        time.sleep(6)
        equal(len(told(h, one)), 4, "told of what was in time")
        text = h.ctl("explain", one)
        assert "The first reply was due at" in text and "The next reply will be late for" in text, text
        desk.do("resolve", conversation=one, gen=gens[one])
        equal(h.get(f"/conversations/{one}")["sla"]["resolve"]["state"], "met", "resolved")
        no_double_owner(h)
        meta.stop()
        equal(h.stop(), 0, "exit code")


def estimates(shards):
    """Twenty waits, then an estimate: places, slots, its error, the service level; from the stream again after a restart."""
    with house(shards=shards, queue='wrapup = "0s"\nmode = "auto"\n' + GOALS.replace('"6s"', '"5m"')) as h:
        h.start()
        meta = h.meta("--calm")
        (key,) = h.people("ana", capacity=2)
        h.ready()
        queue = h.all("/agents")[0]["queues"][0]
        desk = Desk(h, key).be_ready()
        until("a slot", lambda: of_queue(h, queue)["free_slots"] == 2)
        for i in range(21):
            who = f"4915110001{i:02d}"
            meta.citizen(who, "Quick question")
            given = desk.event("assigned", test=lambda f: f["contact"]["name"].endswith(who[-4:]) if "contact" in f else True)
            mine = until("hers", lambda: [c for c in h.all("/conversations") if c["state"] == "active"])[0]
            time.sleep(5 if i > 18 else 0)  # the last two take their time: so the mean is no nought
            desk.do("resolve", conversation=mine["id"], gen=mine["gen"])
            until("closed", lambda: not [c for c in h.all("/conversations") if c["state"] == "active"])
        level = of_queue(h, queue)["service_level"]
        equal((level["answered"], level["in_time"], level["percent"], level["wanted_percent"], level["abandoned"]), (21, 21, 100, 80, 0), "level")
        equal(h.metric("belfry_queue_service_level_total", queue="hall", result="in_time"), 21, "metric")
        for i in range(5):
            meta.citizen(f"4915110002{i:02d}", "A long story")
            until("it is here", lambda: len([c for c in h.all("/conversations") if c["state"] in ("active", "queued")]) == i + 1)
        time.sleep(0.7)
        waiting = h.all(f"/queues/{queue}/waiting")
        equal([w["position"] for w in waiting], [1, 2, 3], "places")
        seconds = [w["estimate"]["seconds"] for w in waiting]
        assert seconds == sorted(seconds) and seconds[-1] > 0 and all(w["estimate"]["p50_s"] <= w["estimate"]["p90_s"] for w in waiting), waiting
        stats = of_queue(h, queue)
        equal((stats["waiting"], stats["slots"], stats["free_slots"], stats["agents_ready"]), (3, 2, 0, 1), "of the queue")
        assert stats["estimate"] and stats["next_due"] and stats["overdue"] == 0, stats
        say("estimates", [w["estimate"] for w in waiting])
        # Pages; and what is no cursor.
        page = h.get(f"/queues/{queue}/waiting?limit=2")
        rest = h.get(f"/queues/{queue}/waiting?limit=2&after={page['next']}")
        equal(([w["position"] for w in page["items"]], [w["position"] for w in rest["items"]], rest["next"]), ([1, 2], [3], None), "pages")
        equal(h.api("GET", f"/queues/{queue}/waiting?after=x").status, 422, "no cursor")
        equal(h.api("GET", "/queues/queue_none/waiting").status, 404, "no queue")
        equal(h.metric("belfry_queue_wait_estimate_error_seconds_count", queue="hall"), 0, "errors before anybody was answered")
        for mine in [c for c in h.all("/conversations") if c["state"] == "active"]:
            desk.do("resolve", conversation=mine["id"], gen=mine["gen"])
        until("the errors of two", lambda: h.metric("belfry_queue_wait_estimate_error_seconds_count", queue="hall") == 2, 5)
        time.sleep(0.5)  # every shard has heard of it
        before = of_queue(h, queue)
        equal(h.stop(), 0, "exit code")
        h.start()
        h.ready()
        after = until("the stream was read", lambda: (q := of_queue(h, queue))["service_level"]["answered"] and q, 10)
        equal(after["service_level"], before["service_level"], "the service level after a restart")
        meta.stop()
        equal(h.stop(), 0, "exit code")


def hours(shards):
    """Time in which the queue is closed does not count."""
    with house(shards=shards, queue='wrapup = "0s"') as h:
        h.start()
        meta = h.meta("--calm")
        h.people("ana")
        h.ready()
        queue = h.all("/agents")[0]["queues"][0]
        equal(put(h, f"/queues/{queue}", hours="never", zone="Europe/Berlin", sla={"first_reply_s": 3})["sla"], {"first_reply_s": 3}, "goals")
        time.sleep(0.7)
        meta.citizen("491511000081", "Hello?")
        one = until("it waits", lambda: h.all(f"/queues/{queue}/waiting"))[0]
        equal(one["sla"], {"first_reply": {"state": "due"}}, "never open: never due")
        time.sleep(5)
        equal(told(h), [], "told while it was closed")
        opened = time.time()
        put(h, f"/queues/{queue}/emergency", state="open", reason="The river rises")
        until("breached", lambda: len(told(h)) == 2, 10)
        first, second = told(h)
        equal((first["why"], second["why"]), ("predicted", "breached"), "told")
        say(f"breached {at(second['at']) - opened:.2f} s after it opened")
        assert 2.9 < at(second["at"]) - opened < 6, (opened, second)
        # What cannot be: refused with words, and nothing changed. Taken away, and back by belfryctl.
        for sla, says in (({"first_reply_s": -1}, "sla.first_reply_s"), ({"first": 3}, "sla.first"), ({"resolve_s": 1, "first_reply_s": 9}, "longer than resolving"),
                          ("5m", "must be an object"), ({"within_percent": 80}, "without saying"), ({"next_reply_s": "5m"}, "whole number")):
            answer = h.api("PUT", f"/queues/{queue}", {"sla": sla})
            equal(answer.status, 422, sla)
            assert says in answer.json["detail"], answer.json
        equal(h.get(f"/queues/{queue}")["sla"], {"first_reply_s": 3}, "the queue")
        equal(put(h, f"/queues/{queue}", sla={})["sla"], {}, "taken away")
        h.ctl("queue", "set", queue, "--sla", "answer=30s first_reply=5m resolve=8h within=90")
        goals = {"answer_s": 30, "first_reply_s": 300, "resolve_s": 28800, "within_percent": 90}
        equal(h.get(f"/queues/{queue}")["sla"], goals, "by belfryctl")
        h.ctl("export", h.dir / "out.json")
        put(h, f"/queues/{queue}", sla={})
        h.ctl("import", h.dir / "out.json")
        equal(h.get(f"/queues/{queue}")["sla"], goals, "exported and imported")
        meta.stop()
        equal(h.stop(), 0, "exit code")


if __name__ == "__main__":
    run(*((f"{name}, shards {shards}", functools.partial(test, shards)) for shards in (1, 3)
          for name, test in (("clocks", clocks), ("estimates", estimates), ("closed hours", hours))))
