#!/usr/bin/env python3
"""Routes: the queue a first message goes to, by its words, language, contact and account; danger to life goes first; offers that nobody
takes widen the search. Usage: routes_test.py BIN_DIR"""
import functools
from belfry import *


def routes(shards):
    with house(shards=shards, queue='wrapup = "0s"') as h:
        h.start()
        meta = h.meta("--calm")
        h.people("ana")
        h.ready()
        for queue in ("fire", "espanol", "vip"):
            equal(h.api("PUT", "/queues/queue_" + queue, {"name": queue}).status, 201, "a queue")
        put = functools.partial(h.api, "PUT", "/routes")

        # What cannot be changes nothing, and says why.
        for items, word in (([{"queue": "queue_fire"}], "no condition"), ([{"queue": "queue_nowhere", "words": ["x"]}], "queue_nowhere"),
                            ([{"queue": "queue_fire", "account": "mars"}], "no account"), ([{"queue": "queue_fire", "language": "Spanish"}], "language"),
                            ([{"queue": "queue_fire", "words": ["a,b"]}], "comma"), ([{"words": ["x"]}], "queue")):
            answer = put({"items": items})
            assert answer.status == 422 and word in answer.body.decode(), (items, answer)
        equal(h.all("/routes"), [], "nothing was changed")
        wanted = [{"queue": "queue_fire", "words": ["fire", "fuego", "пожар"], "life_safety": True},
                  {"queue": "queue_vip", "contact": "wa:*9", "priority": 10},
                  {"queue": "queue_vip", "contact": "wa:*", "channel": "sms"},
                  {"queue": "queue_espanol", "language": "es", "account": "city"}]
        wanted[1]["contact"] = "wa:gov:491511000059"
        equal(put({"items": wanted}).json["items"], wanted, "as they were sent")
        equal(h.all("/routes"), wanted, "as they are kept")
        time.sleep(1)  # every shard has read them

        def goes_to(sender, words):
            before = {c["id"] for c in h.all("/conversations")}
            meta.citizen(sender, words)
            return until("a conversation", lambda: next((c for c in h.all("/conversations") if c["id"] not in before), None))

        for sender, words, queue in (("491511000051", "Hello, where is the town hall?", "queue_hall"),
                                     ("491511000052", "¡FUEGO en la calle Mayor!", "queue_fire"),
                                     ("491511000053", "No hay agua en mi calle desde ayer por la mañana", "queue_espanol"),
                                     ("491511000054", "A firefly sits on my window", "queue_hall"),
                                     ("491511000055", "Пожар на улице Ленина", "queue_fire")):
            equal(goes_to(sender, words)["queue"], queue, words)
        contact = h.all("/conversations")[0]
        say("routed", len(h.all("/conversations")), "conversations, the first of", contact["contact"]["name"])

        # What is said of it afterwards moves it, as long as nobody has it.
        equal(h.api("PUT", "/queues/queue_north", {"name": "North"}).status, 201, "a queue")
        for attributes, word in (({"District": "n"}, "name"), ({"a": "x,y"}, "comma"), ({f"a{i}": "" for i in range(21)}, "20")):
            answer = put({"items": wanted + [{"queue": "queue_north", "attributes": attributes}]})
            assert answer.status == 422 and word in answer.body.decode(), answer
        equal(put({"items": [{"queue": "queue_north", "attributes": {"district": "north"}}] + wanted}).status, 200, "a route by attributes")
        time.sleep(1)
        plain = goes_to("491511000058", "I have a question")
        describe = functools.partial(h.api, "PUT", f"/conversations/{plain['id']}/attributes")
        equal(describe({}).status, 422, "nothing said")
        said = describe({"attributes": {"topic": "parks"}}).json
        equal((said["queue"], said["attributes"]), ("queue_hall", {"topic": "parks"}), "no route asks for that")
        said = describe({"attributes": {"topic": "parks", "district": "north"}}).json
        equal((said["queue"], said["state"]), ("queue_north", "queued"), "by what is said of it")
        equal(h.get("/conversations/" + plain["id"])["attributes"], {"topic": "parks", "district": "north"}, "as it is kept")

        # Danger to life goes before everybody in its queue, however long they wait.
        calm = goes_to("491511000056", "Is there a fire drill tomorrow?")
        equal(h.api("POST", f"/conversations/{calm['id']}/priority", {"minutes": 1000}).status, 200, "a thousand minutes")
        urgent = goes_to("491511000057", "fire!")
        log = {t["conversation"]: t["eff"] for t in h.all("/audit/transitions") if "eff" in t}
        assert log[urgent["id"]] < log[calm["id"]], "before who counts as a thousand minutes older"


def failed_offers(shards):
    """Offers in a row that nobody takes: the third puts the queue's next step in force, before its time."""
    with house(shards=shards, queue='wrapup = "0s"') as h:
        h.start()
        meta = h.meta("--calm")
        keys = dict(zip(("ana", "bob", "cho", "far"), h.people("ana", "bob", "cho", "far", capacity=1)))
        h.ready()
        equal(h.api("PUT", "/queues/queue_other", {"name": "Other"}).status, 201, "a queue")
        equal(h.api("PUT", "/agents/agent_far", {"queues": ["queue_other"]}).status, 200, "far away")
        queue = h.all("/agents")[0]["queues"][0]
        equal(h.api("PUT", f"/queues/{queue}", {"steps": [{"after_s": 3600, "add": "queue_other"}]}).status, 200, "a step")
        desks = {name: Desk(h, key).be_ready() for name, key in keys.items()}
        time.sleep(1)
        meta.citizen("491511000061", "Who will take this?")
        asked = []
        for _ in range(3):
            name, offer = until("an offer", lambda: next(((n, o) for n, d in desks.items() for o in d.events("offer") if n not in asked), None))
            asked.append(name)
            desks[name].do("decline", conversation=offer["conversation"], gen=offer["gen"], reason="too hard")
        equal(sorted(asked), ["ana", "bob", "cho"], "who was asked")
        offer = desks["far"].event("offer", seconds=10)
        log = h.all(f"/audit/transitions?conversation={offer['conversation']}")
        equal([t["failures"] for t in log if t["kind"] == "requeued"], [1, 2, 3], "counted")
        equal({t["reason"] for t in log if t["kind"] == "requeued"}, {"too hard"}, "why")
        equal(log[-1]["reasons"]["step"], 1, "the step in force")
        assert h.log_has("offers_failed"), "the operator's log says so"
        equal([h.get("/agents/agent_ana")["availability"]], ["ready"], "declining is no missed offer")


if __name__ == "__main__":
    run(*((f"{name}, shards {shards}", functools.partial(test, shards)) for shards in (1, 3)
          for name, test in (("routes", routes), ("failed offers", failed_offers))))
