#!/usr/bin/env python3
"""What was: the history counts each turn of each conversation once, whoever dies while it counts. Usage: history_test.py BIN_DIR"""
import datetime, functools
from belfry import *

GOALS = 'sla = { answer = "30s", first_reply = "60s", within_percent = 80 }'
COUNTS = ("opened", "answered", "in_time", "abandoned", "abandoned_short", "closed", "requeued")


def history(h, query=""):
    return h.get("/stats/history?step=hour" + query)


def total(h, query=""):
    totals = history(h, query)["totals"]
    return {name: totals[0][name] if totals else 0 for name in COUNTS}


def counted(h):
    """The same from the transition log itself."""
    kinds = [(t["kind"], t["conversation"], t["gen"]) for t in h.all("/audit/transitions") if "conversation" in t]
    of = lambda *wanted: sum(kind in wanted for kind, _, _ in kinds)
    return {"opened": len({c for _, c, _ in kinds}), "answered": of("accepted", "assigned"), "closed": of("closed")}


def agrees(h):
    was, is_ = counted(h), total(h)
    return all(is_[name] == was[name] for name in was) and was


def direct(h, conversation, verb, **body):
    answer = h.api("POST", f"/conversations/{conversation}/{verb}", body)
    assert answer.status == 200, (verb, answer.status, answer.body)


def a_day(shards):
    """Each turn of a conversation is in it: by channel, queue and language."""
    with house(shards=shards, queue='wrapup = "0s"\nmode = "offer"\n' + GOALS) as h:
        h.start()
        meta = h.meta("--calm")
        (key,) = h.people("ana", capacity=5)
        h.ready()
        ana = Desk(h, key)
        ana.be_ready()
        meta.citizen("491511000001", "Buenos días, el agua de mi casa no funciona desde ayer por la noche")
        conversation, gen = ana.take()
        ana.do("reply", conversation=conversation, gen=gen, text="We look at it")
        ana.do("resolve", conversation=conversation, gen=gen)
        meta.citizen("491511000002", "Good morning, the street light in front of my house is broken")
        conversation, _ = ana.take(lambda f: f["conversation"] != conversation)
        ana.do("availability", value="paused", reason="lunch")
        direct(h, conversation, "requeue")
        direct(h, conversation, "close", code="duplicate")
        wanted = {"opened": 2, "answered": 2, "in_time": 2, "abandoned": 0, "abandoned_short": 1, "closed": 2, "requeued": 1}
        until("it is counted", lambda: total(h) == wanted, 15)
        whole = history(h, "&by=language")
        equal({t["key"]: t["opened"] for t in whole["totals"]}, {"es": 1, "en": 1}, "languages")
        equal([t["key"] for t in history(h, "&by=channel")["totals"]], ["wa"], "channels")
        equal(history(h, "&by=queue")["totals"][0]["key"], "queue_hall", "queue")
        (only,) = history(h)["totals"]
        equal((only["wait"]["count"], only["first_reply"]["count"], only["handle"]["count"]), (2, 1, 2), "what was measured")
        now = datetime.datetime.now(datetime.timezone.utc)
        hours = [datetime.datetime.fromisoformat(i["at"].replace("Z", "+00:00")) for i in whole["items"]]
        assert all((now - hour).total_seconds() < 2 * 3600 for hour in hours), whole["items"]
        csv = h.api("GET", "/stats/history?step=hour&by=queue&format=csv")
        equal(csv.headers["content-type"], "text/csv; charset=utf-8", "csv")
        assert b'"queue_hall"' in csv.body, csv.body
        equal(h.api("GET", "/stats/history", key=key).status, 200, "who may read counts")
        until("it goes on after a restart", lambda: total(h) == wanted)
        h.stop()
        h.start()
        h.ready()
        equal(total(h), wanted, "after a restart")
        equal(h.metric("belfry_history_gaps_total"), 0, "gaps")
        say(f"shards {shards}: each turn is counted")


def killed(shards):
    """belfryd is killed while it counts: nothing twice, nothing missing."""
    with house(shards=shards, queue='wrapup = "0s"\nmode = "auto"\n' + GOALS) as h:
        h.start()
        meta = h.meta("--calm")
        (key,) = h.people("ana", capacity=100)
        h.ready()
        ana = Desk(h, key)
        ana.be_ready()
        sent = 0
        for round_ in range(5):
            for _ in range(40):
                sent += 1
                meta.citizen(f"4915120{sent:05d}", "The water is cold")
            # Somewhere in the middle of counting them: a step is taken each two seconds.
            time.sleep(0.5 + 0.4 * round_)
            h.kill()
            h.start()
            h.ready()
            ana = Desk(h, key)
        until("all came", lambda: len({t["conversation"] for t in h.all("/audit/transitions") if "conversation" in t}) == sent, 60)
        for conversation in h.all("/conversations"):
            direct(h, conversation["id"], "close", code="spam")
        was = until("the history agrees with the log", lambda: agrees(h), 60)
        equal(was["opened"], sent, "opened")
        equal(was["closed"], sent, "closed")
        time.sleep(5)
        assert agrees(h), (counted(h), total(h))
        say(f"shards {shards}: {sent} conversations over 5 kills, {was['answered']} answers: as the log says")


run(*[(f"{name}, shards {shards}", functools.partial(test, shards)) for name, test in (("a day", a_day), ("killed", killed)) for shards in (1, 3)])
