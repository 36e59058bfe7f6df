#!/usr/bin/env python3
"""A program that answers first: it hears what the citizen writes, replies, and hands over; after that nothing of it reaches him, and
nobody is left alone with one that is gone. Usage: bot_test.py BIN_DIR"""
import functools
from belfry import *
from transitions import Replay


def programs(shards):
    with house(shards=shards, queue='wrapup = "0s"\nsla = { first_reply = "1h" }') as h:
        h.start()
        meta = h.meta("--calm")
        (ana,) = h.people("ana")
        h.ready()

        # A program is an agent with a key; it need not sign in. What cannot be is said, and changes nothing.
        equal(h.api("POST", "/agents", {"name": "Eli", "bot": True}).status, 422, "neither login nor id")
        made = json.loads(h.ctl("--json", "agent", "add", "--id", "eli", "--name", "Eli", "--bot"))
        equal((made["id"], made["bot"]), ("agent_eli", True), "a program")
        assert "bot" not in h.get("/agents/agent_ana"), "a person"
        key = h.ctl("key", "add", "--role", "agent", "--agent", "agent_eli")
        route = {"queue": "queue_hall", "channel": "wa", "bot": "agent_eli"}
        for bot in ("agent_ana", "agent_nobody"):
            equal(h.api("PUT", "/routes", {"items": [{**route, "bot": bot}]}).json["code"], "unknown_bot", bot)
        equal(h.api("PUT", "/routes", {"items": [route]}).json["items"], [route], "as they were sent")
        assert "agent_eli" in h.ctl("route", "list")
        time.sleep(1)

        def sent():
            return [s.get("text") for s in meta.sends()]

        def card(conversation):
            return h.get("/conversations/" + conversation)

        def lines(conversation):
            return h.all(f"/conversations/{conversation}/messages")

        def opened(sender, words):
            before = {c["id"] for c in h.all("/conversations")}
            meta.citizen(sender, words)
            return until("a conversation", lambda: next((c for c in h.all("/conversations") if c["id"] not in before), None))

        def answers(bot, sender, words):
            """One that goes to the program: its id and generation."""
            seen = len(bot.events("assigned"))
            meta.citizen(sender, words)
            view = until("it is assigned", lambda: bot.events("assigned")[seen:])[0]
            return view["conversation"], view["gen"]

        # It is not there: as if there were no route to it. Nor while it is there and not ready.
        equal(opened("491511000061", "Anybody?")["state"], "queued", "the program is absent")
        bot = Desk(h, key)
        equal(opened("491511000062", "Anybody there?")["state"], "queued", "the program is not ready")
        bot.be_ready()

        # It answers. An agent who is ready is not asked; nothing waits, and no clock runs.
        ana = Desk(h, ana)
        conversation, gen = answers(bot, "491511000063", "When is the bath open?")
        assigned = bot.event("assigned", conversation=conversation)["view"]
        equal((assigned["state"], assigned["queue"], assigned["owner"]), ("bot", "queue_hall", "agent_eli"), "assigned")
        bot.message(lambda m: m.get("text") == "When is the bath open?")
        bot.do("reply", conversation=conversation, gen=gen, text="Every day from eight. Anything else?")
        until("the answer arrives", lambda: "Every day from eight. Anything else?" in sent())
        meta.citizen("491511000063", "Yes, a person please")
        bot.message(lambda m: m.get("text") == "Yes, a person please")
        equal(card(conversation)["state"], "bot", "still the program's")
        assert "sla" not in card(conversation), card(conversation)
        equal(h.get("/stats")["waiting"], 2, "who waits")
        equal(h.get("/stats")["agents_ready"], 0, "agents")
        bot.refused("transfer", "unknown_queue", conversation=conversation, gen=gen, to={"queue": "queue_nowhere"})
        bot.refused("park", "stale_generation", conversation=conversation, gen=gen)
        bot.refused("reply", "stale_generation", conversation=conversation, gen=gen + 1, text="from the future")

        # The provider's limit is reached; meanwhile the program hands over. What it had written is never sent.
        meta.tell("faults", {"errors": {"130429": 1.0}})
        bot.do("reply", conversation=conversation, gen=gen, text="Let me think")
        until("the provider refused", lambda: meta.ask("stats")["graph_errors"].get("130429", 0) > 0)
        bot.do("reply", conversation=conversation, gen=gen, text="Thinking still")
        time.sleep(0.3)
        bot.do("transfer", conversation=conversation, gen=gen, to={"queue": "queue_hall"})
        bot.event("rescinded", conversation=conversation, why="transferred")
        late = bot.refused("reply", "stale_generation", conversation=conversation, gen=gen, text="One more thing")
        equal(late["now"]["state"], "queued", "what it is now")
        failed = until("both have failed", lambda: [m for m in lines(conversation) if m["state"] == "failed"][1:] and
                       [m for m in lines(conversation) if m["state"] == "failed"])
        equal([(m["text"], m["reason"]) for m in failed], [("Let me think", "handed_over"), ("Thinking still", "handed_over")], "what failed")
        receipts = [f for f in bot.events("receipt") if f.get("reason") == "handed_over"]
        equal({f["message"] for f in receipts}, {m["id"] for m in failed}, "what the program was told")
        equal(card(conversation)["sla"]["first_reply"]["state"], "due", "from now on a person owes an answer")

        # An agent gets it, with all that was said, and his answer goes out.
        ana.be_ready()
        taken, gen = ana.take(lambda f: f["conversation"] == conversation)
        words = [m["text"] for m in lines(conversation)]
        equal(words, ["When is the bath open?", "Every day from eight. Anything else?", "Yes, a person please", "Let me think", "Thinking still"], "the log")
        meta.tell("faults", {"errors": {}})
        ana.do("reply", conversation=conversation, gen=gen, text="Here is Ana")
        until("her answer arrives", lambda: "Here is Ana" in sent())
        time.sleep(3)
        assert not {"Let me think", "Thinking still", "One more thing"} & set(sent()), sent()
        ana.do("resolve", conversation=conversation, gen=gen)
        text = h.ctl("explain", conversation)
        assert "a program, answers it" in text and "passed it on" in text, text
        say("handed over:", [t["kind"] for t in h.all(f"/audit/transitions?conversation={conversation}")])

        # To an agent straight; and closed by the program itself.
        ana.do("availability", value="paused")
        conversation, gen = answers(bot, "491511000064", "Is Ana there?")
        bot.refused("transfer", "not_ready", conversation=conversation, gen=gen, to={"agent": "agent_ana"})
        bot.do("resolve", conversation=conversation, gen=gen, code="answered")
        equal((card(conversation)["state"], card(conversation)["why"]), ("closed", "answered"), "it knew the answer")

        # Nobody can give it anything; a supervisor takes what it has.
        conversation, gen = answers(bot, "491511000065", "Hello machine")
        equal(h.api("POST", f"/conversations/{conversation}/requeue", {}).json["state"], "queued", "re-queued by a supervisor")
        bot.event("rescinded", conversation=conversation, why="directed")
        equal(h.api("POST", f"/conversations/{conversation}/take", {"agent": "agent_eli"}).json["code"], "not_ready", "to a program")

        # It falls over: what it has waits for people at once, and its last words are not sent.
        conversation, gen = answers(bot, "491511000066", "Is it you?")
        meta.tell("faults", {"errors": {"130429": 1.0}})
        bot.do("reply", conversation=conversation, gen=gen, text="It is I")
        bot.cut()
        until("it waits for a person", lambda: card(conversation)["state"] == "queued", 2)
        meta.tell("faults", {"errors": {}})
        until("its last words failed", lambda: [m["state"] for m in lines(conversation) if m["dir"] == "out"] == ["failed"])
        equal(opened("491511000067", "And now?")["state"], "queued", "the program is gone")
        time.sleep(2)
        assert "It is I" not in sent(), sent()

        # Paused, it hands back what it has; and it answers at night, and hands over to the morning.
        bot = Desk(h, key)
        conversation, gen = answers(bot, "491511000068", "Good evening")
        bot.do("availability", value="paused", reason="new version")
        until("it waits", lambda: card(conversation)["state"] == "queued")
        bot.be_ready()
        if not h.api("PUT", "/queues/queue_hall", {"hours": "mon-sun 00:00-00:01", "zone": "UTC"}).json["open"]:
            time.sleep(1)
            conversation, gen = answers(bot, "491511000069", "Is anybody awake?")
            equal(card(conversation)["state"], "bot", "at night")
            bot.do("transfer", conversation=conversation, gen=gen, to={"queue": "queue_hall"})
            equal(card(conversation)["state"], "after_hours", "until the morning")
            equal(h.api("PUT", "/queues/queue_hall/emergency", {"state": "open", "reason": "flood"}).status, 200, "opened")
            until("it is in line", lambda: card(conversation)["state"] == "queued")

        # It moves house with the rest.
        h.ctl("export", h.dir / "all.json")
        kept = json.loads((h.dir / "all.json").read_text())
        equal([a["bot"] for a in kept["agents"] if "bot" in a], [True], "exported")
        h.api("PUT", "/routes", {"items": []})
        h.ctl("import", h.dir / "all.json")
        equal(h.all("/routes"), [route], "imported")
        no_double_owner(h)
        replay = Replay()
        for item in h.all("/audit/transitions"):
            replay.feed(item)
        shown = {c["id"]: (c["state"], c.get("owner", "")) for c in h.all("/conversations")}
        equal({k: v for k, v in replay.end(shown).found.items() if k != "I12"}, {}, "what the log breaks")


if __name__ == "__main__":
    run(*((f"programs, shards {shards}", functools.partial(programs, shards)) for shards in (1, 3)))
