#!/usr/bin/env python3
"""Supervisors: watch, whisper, take over, assign, re-queue, put first, close, re-open; warm transfer; draining; after hours; and who did
it. Usage: supervise_test.py BIN_DIR"""
import functools
from belfry import *


def desk_of_supervisor(h, login):
    """Only a person who signed in has all his roles."""
    equal(h.api("PUT", f"/agents/agent_{login}", {"roles": ["agent", "supervisor"]}).status, 200, "a role")
    equal(h.api("PUT", f"/agents/agent_{login}/password", {"password": "horse battery one"}).status, 204, "a password")
    answer = request(h.address, "POST", "/api/v1/session", {"login": login, "password": "horse battery one"})
    cookie = {"Cookie": answer.headers["set-cookie"].split(";")[0], "X-Belfry-CSRF": "1"}
    ticket = request(h.address, "POST", "/api/v1/tickets", {"for": "desk"}, cookie).json["ticket"]

    def rest(method, path, body=None):
        return request(h.address, method, "/api/v1" + path, body, cookie)
    return Desk(h, None, ticket=ticket), rest


def supervise(shards):
    with house(shards=shards, queue='wrapup = "0s"') as h:
        h.start()
        meta = h.meta("--calm")
        ana, bob, sue = h.people("ana", "bob", "sue", capacity=2)
        h.ready()
        sue, rest = desk_of_supervisor(h, "sue")
        ana, bob = Desk(h, ana).be_ready(), Desk(h, bob)

        def card(conversation):
            return h.get("/conversations/" + conversation)

        # Watching: all there is, then what changes. An agent may not.
        ana.refused("watch", "forbidden", on=True)
        sue.do("watch", on=True)
        sue.event("queue", queue="queue_hall", waiting=0)
        sue.event("presence", agent="agent_ana", availability="ready", connected=True)

        # Whispering: the agent sees it, the citizen does not.
        meta.citizen("491511000041", "My cellar is under water")
        conversation, gen = ana.take()
        sue.event("presence", agent="agent_ana", load=10)
        sue.do("note", conversation=conversation, text="He called twice this week")
        whispered = ana.message(lambda m: m["dir"] == "note")["message"]
        equal((whispered["text"], whispered["agent"]), ("He called twice this week", "agent_sue"), "a whisper")
        bob.refused("note", "stale_generation", conversation=conversation, text="not mine")

        # Taking over, though she is not ready; the agent's reply comes too late and changes nothing.
        sue.do("take", conversation=conversation, gen=gen)
        taken = sue.event("assigned", conversation=conversation)
        ana.event("rescinded", conversation=conversation, why="directed")
        late = ana.refused("reply", "stale_generation", conversation=conversation, gen=gen, text="I come")
        equal(late["now"]["owner"], "agent_sue", "whose it is")
        ana.refused("take", "forbidden", conversation=conversation)

        # Warm transfer: it stays hers until he accepts. A decline leaves it where it is.
        sue.refused("transfer", "bad_frame", conversation=conversation, gen=taken["gen"], to={}, warm=True)
        sue.refused("transfer", "nobody_free", conversation=conversation, gen=taken["gen"], to={"queue": "queue_works"}, warm=True)
        sue.refused("transfer", "not_ready", conversation=conversation, gen=taken["gen"], to={"agent": "agent_bob"}, warm=True)
        bob.be_ready()
        sue.do("transfer", conversation=conversation, gen=taken["gen"], to={"agent": "agent_bob"}, warm=True)
        offer = bob.event("offer", conversation=conversation)
        equal(card(conversation)["owner"], "agent_sue", "the owner while he is asked")
        equal(card(conversation)["invited"], "agent_bob", "who is asked")
        sue.do("reply", conversation=conversation, gen=offer["gen"], text="One moment, I ask a colleague")
        bob.do("decline", conversation=conversation, gen=offer["gen"], reason="no pump left")
        gen = card(conversation)["gen"]

        # To a queue: the best of it who is free is asked, and not again when he let it go.
        equal(h.api("PUT", "/agents/agent_bob", {"queues": ["queue_hall", "queue_works"]}).status, 200, "a second queue")
        asked = {"conversation": conversation, "to": {"queue": "queue_works"}, "warm": True}
        until("he is asked", lambda: sue.command("transfer", gen=gen, **asked)["t"] == "ack")
        offer = bob.event("offer", conversation=conversation, gen=gen + 1)
        bob.do("decline", conversation=conversation, gen=offer["gen"], reason="no pump left")
        gen = card(conversation)["gen"]
        equal((card(conversation)["owner"], card(conversation)["queue"]), ("agent_sue", "queue_hall"), "where it stays")
        sue.refused("transfer", "nobody_free", gen=gen, **asked)
        sue.do("transfer", conversation=conversation, gen=gen, to={"agent": "agent_bob"}, warm=True)
        offer = bob.event("offer", conversation=conversation, gen=gen + 1)
        other_tab = Desk(h, h.ctl("key", "add", "--role", "agent", "--agent", "agent_bob"))
        equal([o["id"] for o in other_tab.welcome["offers"]], [conversation], "what he is invited to is an offer on every tab")
        other_tab.close()
        bob.do("accept", conversation=conversation, gen=offer["gen"])
        equal((card(conversation)["owner"], card(conversation)["state"]), ("agent_bob", "active"), "after the warm transfer")

        # By REST: to somebody, back to the queue, first of all, closed, open again. Who may not, and what cannot be, changes nothing.
        ana.do("availability", value="ready")
        equal(rest("POST", f"/conversations/{conversation}/assign", {"agent": "agent_nobody"}).status, 409, "to nobody")
        equal(rest("POST", f"/conversations/{conversation}/assign", {"agent": "agent_ana", "gen": 1}).json["code"], "stale_generation", "an old generation")
        equal(rest("POST", f"/conversations/{conversation}/assign", {"agent": "agent_ana"}).json["state"], "offered", "assigned")
        ana.take(lambda f: f["conversation"] == conversation and f["gen"] > offer["gen"])
        sue.do("availability", agent="agent_ana", value="paused", reason="fire drill")
        bob.do("availability", value="paused")
        equal(rest("POST", f"/conversations/{conversation}/requeue", {"queue": "queue_nowhere"}).json["code"], "unknown_queue", "nowhere")
        equal(rest("POST", f"/conversations/{conversation}/requeue", {}).json["state"], "queued", "back to its queue")
        equal(rest("POST", f"/conversations/{conversation}/requeue", {}).json["code"], "same_queue", "again")
        meta.citizen("491511000042", "There are people on the roof")
        urgent = until("the second", lambda: next((c["id"] for c in h.all("/conversations") if c["id"] != conversation), None))
        equal(rest("POST", f"/conversations/{urgent}/priority", {"minutes": 5, "life_safety": True}).status, 422, "both")
        equal(rest("POST", f"/conversations/{urgent}/priority", {"life_safety": True}).status, 200, "first")
        time.sleep(0.5)
        since = len(bob.events("offer"))
        sue.do("availability", agent="agent_bob", value="ready")  # ana let it go a moment ago
        until("two offers", lambda: len(bob.events("offer")) >= since + 2)
        first, second = bob.events("offer")[since:since + 2]
        equal([first["conversation"], second["conversation"]], [urgent, conversation], "danger to life goes first")
        bob.do("accept", conversation=urgent, gen=first["gen"])
        bob.do("accept", conversation=conversation, gen=second["gen"])
        equal(rest("POST", f"/conversations/{conversation}/close", {"code": "spam"}).json["why"], "spam", "closed")
        equal(rest("POST", f"/conversations/{conversation}/close", {}).json["code"], "stale_generation", "closed twice")
        equal(rest("POST", "/conversations/conv_999999/close", {}).status, 404, "a foreign id")

        # Draining: nothing new, and offline when the last one is done.
        bob.do("availability", value="draining")
        equal(rest("POST", f"/conversations/{conversation}/reopen", {}).json["state"], "queued", "open again")
        bob.do("resolve", conversation=urgent, gen=first["gen"] + 1)
        until("bob has gone home", lambda: h.get("/agents/agent_bob")["availability"] == "offline")
        equal(card(conversation)["state"], "queued", "nobody is there for it")

        # After hours it waits for the queue to open; when an emergency opens it, it is in line, with its place.
        put = h.api("PUT", "/queues/queue_hall", {"hours": "mon-sun 00:00-00:01", "zone": "UTC"})
        equal(put.status, 200, "hours")
        time.sleep(1)
        if not put.json["open"]:
            meta.citizen("491511000043", "Is anybody there?")
            late = until("the third", lambda: next((c for c in h.all("/conversations") if c["id"] not in (conversation, urgent)), None))
            equal(late["state"], "after_hours", "after hours")
            equal(h.api("PUT", "/queues/queue_hall/emergency", {"state": "open", "reason": "flood"}).status, 200, "opened")
            until("it is in line", lambda: card(late["id"])["state"] == "queued")

        # The same from a terminal.
        text = h.ctl("conversation", "priority", conversation, "--minutes", "7")
        assert conversation in text and "queued" in text, text
        h.ctl("conversation", "note", conversation, "from the operator")
        h.ctl("conversation", "close", conversation, "--code", "resolved")
        h.ctl("queue", "set", "queue_hall", "--weight", "wa=0.5", "--weight", "wrapup=0.2")
        equal(h.get("/queues/queue_hall")["weights"], {"wa": 0.5, "wrapup": 0.2}, "weights")
        assert "queue.set" in h.ctl("audit") and "WORDS" in h.ctl("route", "list")

        # Who did it: the conversation's in the transition log, the rest in the audit log. An agent reads neither.
        log = [t for t in h.all(f"/audit/transitions?conversation={conversation}") if "by" in t]
        equal({t["by"] for t in log}, {"agent_sue", "operator"}, "by whom")
        say("directed", [t["kind"] for t in log])
        changes = [(c["by"], c["action"], c["object"]) for c in h.all("/audit/changes")]
        paused = [t["by"] for t in h.all("/audit/transitions") if t["kind"] == "agent" and t.get("agent") == "agent_ana" and t.get("why") == "paused"]
        equal(paused, ["agent_sue"], "who paused ana")
        assert any(c[1:] == ("queue.set", "queue_hall") for c in changes) and any(c[1] == "agent.password" for c in changes), changes
        assert "horse battery" not in json.dumps(h.all("/audit/changes"))
        no_double_owner(h)


if __name__ == "__main__":
    run(*((f"supervisors, shards {shards}", functools.partial(supervise, shards)) for shards in (1, 3)))
