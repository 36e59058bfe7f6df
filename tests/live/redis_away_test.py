#!/usr/bin/env python3
"""Redis stops for eight seconds, then it is killed. Meanwhile nothing is acknowledged: webhooks hear 503, the desk a nack, /readyz says
why. Afterwards service is back, and the repeat of what was refused changes nothing. Usage: redis_away_test.py BIN_DIR"""
import functools
from belfry import *

AWAY_S = 8


def refused_by_desk(desk, conversation, gen, answers):
    """Until told to stop: the same reply again and again; a socket that was closed is one more way to refuse."""
    try:
        answers.append(desk.command("reply", client_id="while-away", conversation=conversation, gen=gen, text="While Redis is away", seconds=30))
    except ConnectionError as closed:
        answers.append({"t": "closed", "why": str(closed)})


def stopped(shards):
    with house(shards=shards) as h:
        h.start()
        meta = h.meta("--calm", "--status-delay", "40ms")
        (key,) = h.people("ana", capacity=20)
        h.ready()
        desk = Desk(h, key).be_ready()
        meta.citizen("491511000001", "Before")
        conversation, gen = desk.take()
        desk.do("reply", conversation=conversation, gen=gen, text="Hello")

        pid = h.redis_pid()
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        waiting = [envelope(change([message("491511000001", f"while away {i}")])) for i in range(6)]
        statuses, nacks = collections.Counter(), []
        threads = [threading.Thread(target=lambda body=body: statuses.update([h.webhook(body).status])) for body in waiting]
        threads.append(threading.Thread(target=refused_by_desk, args=(desk, conversation, gen, nacks)))
        for thread in threads:
            thread.start()
        unready = until("/readyz says no", lambda: (lambda a: a.status == 503 and a)(h.readyz()), 20)
        for thread in threads:
            thread.join(30)
        refused_after = time.monotonic() - began
        equal(dict(statuses), {503: len(waiting)}, "webhooks while Redis is stopped")
        assert nacks and nacks[0]["t"] in ("nack", "closed"), nacks
        assert unready.body.strip(), "a reason"
        late = [h.webhook(body).status for body in waiting]
        equal(set(late), {503}, "webhooks after the link was given up")
        equal(h.api("GET", "/conversations").status, 503, "REST")
        try:
            Desk(h, key, seconds=5).cut()
            raise AssertionError("a desk opened while Redis was away")
        except (ConnectionError, TimedOut):
            pass
        time.sleep(max(0.0, AWAY_S - (time.monotonic() - began)))
        unready = h.readyz()
        equal(unready.status, 503, "/readyz at the end")
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        assert state == "T", f"somebody else woke Redis: it is {state}"
        os.kill(pid, signal.SIGCONT)
        back = time.monotonic()
        until("a webhook is accepted", lambda: h.webhook(waiting[0]).status == 200, 30)
        accepted = time.monotonic() - back
        until("/readyz", lambda: h.readyz().status == 200, 30)
        ready = time.monotonic() - back
        say(f"refused within {refused_after:.1f} s; {len(waiting) + len(late)} webhooks 503, desk: {nacks[0]['t']}; reason: {unready.body.decode().strip()!r}")
        say(f"after SIGCONT: first yes {accepted:.2f} s, ready {ready:.2f} s")
        equal(h.redis_pid(), pid, "the same redis-server")
        # Everything refused is repeated, some of it twice; it is there once, in one conversation.
        for body in waiting + waiting:
            equal(h.webhook(body).status, 200, "the repeat")
        if desk.closed is not None:
            say(f"the desk had been closed with {desk.closed}; it resumes")
            desk = Desk(h, key, desk.last_id)
        again = desk.do("reply", client_id="while-away", conversation=conversation, gen=gen, text="While Redis is away")
        desk.event("receipt", message=again["id"], state="delivered", seconds=40)
        delivered = time.monotonic() - back
        texts = collections.Counter(m.get("text") for m in h.all(f"/conversations/{conversation}/messages"))
        equal({n for n in texts.values()}, {1}, f"copies of each message {texts}")
        equal(len(texts), 2 + len(waiting) + 1, "messages")
        equal(len([s for s in meta.sends() if s["text"] == "While Redis is away"]), 1, "sends of the repeated reply")
        # Routing is at work again: who writes now is offered to the same agent.
        meta.citizen("491511000002", "After")
        desk.take(lambda f: f["contact"]["name"].endswith("0002"), 40)
        say(f"after SIGCONT: the refused reply, repeated, is delivered at {delivered:.2f} s, a new conversation accepted at {time.monotonic() - back:.2f} s")
        equal(desk.gaps, [], "event ids")
        no_double_owner(h)
        equal(h.metric("belfry_messages_unaccounted"), 0, "unaccounted")
        meta.stop()
        equal(h.stop(), 0, "exit code")


def killed(shards):
    with house(shards=shards) as h:
        h.start()
        h.people("ana")
        h.ready()
        said = []
        for round in range(3):
            element = message("491511000003", f"round {round}")
            h.hear(element)
            said.append(element["text"]["body"])
            was = h.redis_pid()
            os.kill(was, signal.SIGKILL)
            began = time.monotonic()
            element = message("491511000003", f"while down {round}")
            body = envelope(change([element]))
            codes = collections.Counter()
            until("a yes", lambda: (lambda code: codes.update([code]) or code == 200)(h.webhook(body).status), 30)
            said.append(element["text"]["body"])
            say(f"redis-server {was} -> {h.redis_pid()}: the first yes after {time.monotonic() - began:.2f} s; answers {dict(codes)}")
            assert set(codes) <= {200, 503}, codes
            equal(len(h.redis_servers()), 1, "redis-servers")
            h.ready(30)
        (conversation,) = h.all("/conversations")
        equal([m["text"] for m in h.all(f"/conversations/{conversation['id']}/messages")], said, "the log")
        equal(h.stop(), 0, "exit code")


def offers_wait(shards):
    """An offer of eight seconds outlives an outage of twelve and the grace after it, and its desk stays connected: what was left of
    its time is left afterwards."""
    with house(shards=shards, queue='offer_timeout = "8s"') as h:
        h.start()
        meta = h.meta("--calm")
        (key,) = h.people("ana")
        h.ready()
        desk = Desk(h, key).be_ready()
        meta.citizen("491511000004", "Patient")
        offer = desk.event("offer")
        os.kill(h.redis_pid(), signal.SIGSTOP)
        time.sleep(12)
        os.kill(h.redis_pid(), signal.SIGCONT)
        h.ready(30)
        time.sleep(6)  # sweeping has begun again
        equal(desk.closed, None, "the desk")
        desk.do("accept", conversation=offer["conversation"], gen=offer["gen"])
        kinds = [t["kind"] for t in h.all(f"/audit/transitions?conversation={offer['conversation']}")]
        assert kinds[-1] == "accepted" and "requeued" not in kinds, kinds
        # And time runs on: the next one that nobody takes goes back.
        meta.citizen("491511000005", "Impatient")
        other = until("its conversation", lambda: next((c["id"] for c in h.all("/conversations") if c["id"] != offer["conversation"]), None))
        until("it is taken back", lambda: "requeued" in [t["kind"] for t in h.all(f"/audit/transitions?conversation={other}")], 40, every=0.5)
        meta.stop()
        equal(h.stop(), 0, "exit code")


if __name__ == "__main__":
    run(*((f"{name}, shards {shards}", functools.partial(test, shards)) for shards in (1, 3)
          for name, test in ((f"Redis is stopped for {AWAY_S} s", stopped), ("Redis is killed", killed), ("an offer outlives an outage", offers_wait))))
