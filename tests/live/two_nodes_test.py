#!/usr/bin/env python3
"""Two belfryds on one Redis behind one address: ten agents, a thousand conversations, and kill -9 of one in the middle. Leases move, no
conversation has two owners, whoever waited is answered, every acknowledged message is there once. Usage: two_nodes_test.py BIN_DIR"""
import concurrent.futures, functools, socket
from belfry import *

CONVERSATIONS, AGENTS = 1000, 10
LEASE_S = 4


class Door:
    """The one address before several: a plain TCP relay that tries the next node where one does not listen."""

    def __init__(self, ports):
        self.ports, self.turn = ports, itertools.count()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                inside, _ = self.listener.accept()
            except OSError:
                return
            turn = next(self.turn)
            for i in range(len(self.ports)):
                try:
                    outside = socket.create_connection(("127.0.0.1", self.ports[(turn + i) % len(self.ports)]), timeout=5)
                except OSError:
                    continue
                outside.settimeout(None)
                for pair in ((inside, outside), (outside, inside)):
                    threading.Thread(target=self._relay, args=pair, daemon=True).start()
                break
            else:
                inside.close()

    @staticmethod
    def _relay(one, other):
        with contextlib.suppress(OSError):
            while octets := one.recv(65536):
                other.sendall(octets)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        one.close()


def post(door, elements):
    """As Meta does: again until there is a yes, and then it counts."""
    body = envelope(change(elements))
    for _ in range(600):
        try:
            if request(f"127.0.0.1:{door.port}", "POST", "/webhooks/whatsapp/city", body,
                       {"X-Hub-Signature-256": signature(body), "Content-Type": "application/json"}, seconds=15).status == 200:
                return [e["id"] for e in elements]
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.1)
    raise AssertionError("no yes after 600 tries")


def waits(transitions, since):
    """How long each conversation waited for its next offer, in seconds, of those that waited at or after `since`."""
    began, found = {}, []
    at = lambda t: time.mktime(time.strptime(t["at"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone + float("0." + (t["at"][20:].rstrip("Z") or "0"))
    for t in transitions:
        if t["kind"] in ("queued", "requeued"):
            began[t["conversation"]] = at(t)
        elif t["kind"] in ("offered", "assigned") and t["conversation"] in began:
            now, then = at(t), began.pop(t["conversation"])
            if now >= since:
                found.append(now - then)
    return found, began


def one_dies(shards):
    queue = 'wrapup = "1s"\noffer_timeout = "5s"'
    with external_redis() as url, house(redis=url, node="a", shards=shards, queue=queue) as a, \
            house(redis=url, node="b", shards=shards, queue=queue, graph=a.graph) as b:
        a.start(), b.start()
        keys = a.people(*(f"agent{i}" for i in range(AGENTS)), capacity=25)
        b.key, b.auditor = a.key, a.auditor
        a.ready(), b.ready()
        door = Door([a.port, b.port])
        a_url, a.url = a.url, door.url
        meta = a.meta("--statuses", "delivered", "--status-delay", "100ms", "--rate-limit", "0", "--no-pair-limit", journal=a.dir / "meta.journal")
        a.url = a_url
        (a.dir / "keys").write_text("\n".join(keys) + "\n")
        agents = a.sim("agents", "--url", door.url, "--count", str(AGENTS), "--key-file", a.dir / "keys", "--accept", "30ms", "--think", "100ms",
                       "--turns", "1", "--journal", a.dir / "agents.journal")
        until("ten agents are ready", lambda: a.get("/stats")["agents_ready"] == AGENTS)
        citizens = [f"49151{i:07d}" for i in range(CONVERSATIONS)]
        batches = [[message(c, f"help {c}") for c in citizens[i:i + 5]] for i in range(0, CONVERSATIONS, 5)]
        # The one that dies holds the account's lease, or the matcher's: whichever started first took them all; so kill that one.
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            posting = [pool.submit(post, door, batch) for batch in batches]
            until("a third is said", lambda: sum(p.done() for p in posting) > len(posting) // 3, 60)
            killed = time.time()
            a.kill()
            yes = [wamid for p in posting for wamid in p.result()]
        (a.dir / "yes.journal").write_text("".join(json.dumps({"k": "yes", "wamid": w}) + "\n" for w in yes))
        b.ready(30)
        def all_closed():
            equal(agents.poll(), None, "belfry-sim agents ended by itself")
            conversations = b.all("/conversations")
            return len(conversations) >= CONVERSATIONS and all(c["state"] == "closed" for c in conversations) and conversations

        try:
            ended = until("every conversation is closed", all_closed, 60, every=1)
        except TimedOut:
            conversations = b.all("/conversations")
            say("states:", dict(collections.Counter((c["state"], c.get("owner", "")) for c in conversations)), b.get("/stats"))
            say("agents:", [{k: x.get(k) for k in ("id", "availability", "sessions", "load", "capacity")} for x in b.all("/agents")])
            left = next(c for c in conversations if c["state"] != "closed")
            say("one of them:", left, b.all(f"/conversations/{left['id']}/messages"), b.all(f"/audit/transitions?conversation={left['id']}"))
            agents.send_signal(signal.SIGTERM)
            say("robots:", report(agents))
            raise
        over = time.time() - killed
        until("Meta has said everything", lambda: meta.ask("stats")["pending"] == 0, 40)
        agents.send_signal(signal.SIGTERM)
        robots = report(agents)
        transitions = b.all("/audit/transitions")
        waited, still = waits(transitions, killed)
        no_double_owner(b)
        checked = b.check(a.dir / "yes.journal", a.dir / "meta.journal", a.dir / "agents.journal")
        states = collections.Counter(m["state"] for c in ended for m in b.all(f"/conversations/{c['id']}/messages") if m["dir"] == "out")
        first = min((w for w in waited), default=0)
        say(f"{len(ended)} conversations closed, {over:.1f} s after the kill; {robots['reconnects']} reconnects of {AGENTS} agents; waits after the kill: "
            f"median {sorted(waited)[len(waited) // 2]:.2f} s, longest {max(waited):.2f} s (lease {LEASE_S} s)")
        say(f"check {({k: v for k, v in checked.items() if v})}; replies {dict(states)}; Meta saw {meta.ask('stats')['sends_seen']} sends, doubled {meta.ask('stats')['sends_doubled']}")
        equal((len(yes), len(ended), still), (CONVERSATIONS, CONVERSATIONS, {}), "acknowledged, conversations, still waiting")
        equal((checked["missing"], checked["doubled"], meta.ask("stats")["sends_doubled"]), (0, 0, 0), f"missing, doubled {checked}")
        until("no reply is still queued", lambda: not [m for c in ended for m in b.all(f"/conversations/{c['id']}/messages") if m["state"] == "queued"], 30, every=1)
        equal(b.metric("belfry_messages_unaccounted"), 0, "unaccounted")
        equal(agents.returncode, 0, f"the desk's promises {robots}")
        # The dead one comes back and takes part again.
        a.start().ready()
        equal(len(a.all("/conversations")), CONVERSATIONS, "what the other one shows")
        meta.stop()
        equal((a.stop(), b.stop()), (0, 0), "exit codes")


if __name__ == "__main__":
    run(*((f"one of two nodes dies in a burst of {CONVERSATIONS}, shards {shards}", functools.partial(one_dies, shards)) for shards in (1, 3)))
