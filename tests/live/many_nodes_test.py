#!/usr/bin/env python3
"""Four belfryds on one Redis, 200 agents, a burst of conversations: each gateway is killed with SIGKILL and started again, Redis too. Counted from
the outside (belfry-sim: Meta, the citizens, the desks) and from the transition log: double owners 0, lost 0, capacity exceeded 0, order broken 0.
Usage: many_nodes_test.py BIN_DIR [--count N] [--shards 1|3]"""
import argparse, concurrent.futures, functools
import redis_many
from belfry import *
from transitions import Replay, ms

COUNT = 4000  # the whole proof is --count 20000; this is what a build has time for
AGENTS, CAPACITY = 200, 3
LEASE_MS, AFTER_MS = 4000, 2000
BATCH = 256  # offers that the matcher has under way at a time
OFFER_S = 5


class Follower:
    """Reads the transition log along, from its first line, at whichever gateway lives. The stream is trimmed; who reads along misses nothing."""

    def __init__(self, houses):
        self.houses, self.replay, self.after, self.asked = houses, Replay(LEASE_MS + AFTER_MS), "", False
        self.over, self.error, self.lock = threading.Event(), None, threading.Lock()
        self.thread = threading.Thread(target=self._follow, daemon=True)
        self.thread.start()

    def page(self):
        """One page; how many lines it had, None if nobody answered."""
        for house in self.houses:
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                answer = request(house.address, "GET", "/api/v1/audit/transitions?limit=1000" + (f"&after={self.after}" if self.after else ""), None,
                                 {"Authorization": "Bearer " + house.key}, seconds=5)
                if answer.status == 200:
                    items = answer.json["items"]
                    with self.lock:
                        for item in items:
                            self.replay.feed(item)
                    self.after = items[-1]["id"] if items else self.after
                    return len(items)
        return None

    def _follow(self):
        try:
            while not self.over.is_set():
                if (self.page() or 0) < 1000:
                    time.sleep(0.3)
        except Exception as error:
            self.error = error
            raise

    def count(self, kind):
        assert self.error is None, self.error
        with self.lock:
            return self.replay.kinds[kind]

    def stop(self):
        self.over.set()
        self.thread.join(30)
        while until("a gateway that answers", lambda: (n := self.page()) is not None and (n + 1,), 30)[0] > 1:
            pass
        return self.replay


class Stalls:
    """When this machine did not run us for a while, on the clock that Redis stamps with. What it measures is what it takes off, and is printed."""

    def __init__(self):
        self.found, self.over = [], threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)
        self.thread.start()

    def _watch(self):
        before = time.time()
        while not self.over.is_set():
            time.sleep(0.05)
            now = time.time()
            if now - before > 0.3:
                self.found.append((before * 1000, now * 1000))
            before = now

    def stop(self):
        self.over.set()
        self.thread.join()
        return self.found


def apart(spans):
    """The same time as spans that do not overlap."""
    out = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((begin, end))
    return out


def staff(house):
    """The agents and their keys, by the API: what belfryctl would say 400 times."""
    house.people()
    queue = next(q["id"] for q in house.all("/queues") if q["name"] == "Town hall")

    def one(i):
        made = house.api("POST", "/agents", {"login": f"agent{i:03d}", "name": f"Agent {i}", "capacity": CAPACITY, "queues": [queue]})
        assert made.status == 201, made
        key = house.api("POST", "/keys", {"role": "agent", "agent": made.json["id"], "name": f"desk {i}"})
        assert key.status == 201, key
        return key.json["key"]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return queue, list(pool.map(one, range(AGENTS)))


def sent_out_of_order(journal):
    """Replies of one conversation that Meta saw before an earlier one: the reference says conversation and number."""
    last, wrong = {}, []
    for line in journal.read_text().splitlines():
        with contextlib.suppress(ValueError, KeyError):
            entry = json.loads(line)
            if entry["k"] == "send":
                conversation, n = entry["opaque"].split(".")[:2]
                if int(n) <= last.get(conversation, 0):
                    wrong.append(entry["opaque"])
                last[conversation] = max(int(n), last.get(conversation, 0))
    return wrong


@contextlib.contextmanager
def lasting_redis():
    """One that may be killed and started again; what is left of it goes if all went well."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="belfry-live-many-"))
    server = redis_many.Server(directory, "redis")
    try:
        yield server
        shutil.rmtree(directory, ignore_errors=True)
    finally:
        redis_many.end_all([server.process])


def burst(shards, count):
    queue_config = f'wrapup = "1s"\noffer_timeout = "{OFFER_S}s"'
    with contextlib.ExitStack() as stack:
        redis, houses = stack.enter_context(lasting_redis()), []
        url = f"unix://{redis.dir}/sock"
        for name in "abcd":
            houses.append(stack.enter_context(house(redis=url, node=name, shards=shards, queue=queue_config, graph=houses[0].graph if houses else None)))
        a = houses[0]
        for each in houses:
            each.start()
        queue, keys = staff(a)
        for each in houses:
            each.key, each.auditor = a.key, a.auditor
            each.ready()
        follower, stalls = Follower(houses), Stalls()
        hooks = list(itertools.chain.from_iterable(("--webhook", h.url + "/webhooks/whatsapp/city") for h in houses[1:]))
        meta = a.meta("--statuses", "delivered", "--status-delay", "300ms", "--rate-limit", "0", "--no-pair-limit", *hooks, journal=a.dir / "meta.journal")
        (a.dir / "keys").write_text("\n".join(keys) + "\n")
        # The whole takes about as long as four gateways need to be killed, missed and started again.
        think_ms = 1000 if count <= 8000 else 300
        desks = list(itertools.chain.from_iterable(("--url", h.url) for h in houses))
        agents = a.sim("agents", *desks, "--count", AGENTS, "--key-file", a.dir / "keys", "--accept", "300ms", "--think", f"{think_ms}ms", "--turns", "2", "--unasked",
                       "--decline-rate", "0.03", "--ignore-rate", "0.01", "--transfer-rate", "0.05", "--transfer-queue", queue, "--cuts", "1",
                       "--journal", a.dir / "agents.journal")
        until("the agents are ready", lambda: a.get("/stats")["agents_ready"] == AGENTS, 60)
        began = time.monotonic()
        def load(name, first, number, rate):
            doors = itertools.chain.from_iterable(("--url", h.url + "/webhooks/whatsapp/city") for h in houses)
            return a.sim("load", "webhook", *doors, "--app-secret-file", a.dir / "app_secret", "--count", number, "--citizens", "0", "--first-citizen", first,
                         "--connections", "16", "--rate", rate, "--retry", "--seconds", "300", "--duplicate-rate", "0.02", "--journal", a.dir / name)

        # Half of it at once, far more than the agents can take; the rest all the while, through every kill. A fiftieth repeats what was accepted.
        loads = [load("burst.journal", 0, count * 103 // 200, max(400, count // 20)), load("stream.journal", 2 * count, count * 103 // 200, max(20, count // 100))]

        def closed(number):
            equal(agents.poll(), None, "belfry-sim agents ended by itself")
            return follower.count("closed") >= number

        kills, away, slow = [], [], 240 + count // 50
        for i, each in enumerate(houses):
            until(f"{i * 20 + 5} % are closed", lambda: closed(count * (i * 20 + 5) // 100), slow, 0.05)
            sends = meta.ask("stats")["sends_seen"]
            kills.append(time.time() * 1000)
            each.kill()
            # Long enough dead for others to find its leases lapsed and take what was its own; nobody starts it before replies go out again.
            time.sleep((LEASE_MS + AFTER_MS) / 1000 + 0.5)
            until("replies go to Meta without it", lambda: meta.ask("stats")["sends_seen"] > sends + 20, 60)
            each.start(60)
            if i == 1:
                until("half is closed", lambda: closed(count * 50 // 100), slow, 0.05)
                away.append(time.time() * 1000)
                redis.kill()
                time.sleep(1)
                redis.start()
                redis("PING")
                until("a gateway has found it again", lambda: any(h.readyz().status == 200 for h in houses), 60)
                away.append(time.time() * 1000)
        loaded = [report(each, 300) for each in loads]
        count = sum(each["accepted_new"] for each in loaded)  # some requests repeated an accepted message
        until("all is closed", lambda: closed(count), slow, 0.1)
        took = time.monotonic() - began
        for each in houses:
            each.ready(60)
        until("Meta has said everything", lambda: meta.ask("stats")["pending"] == 0, 60, 0.2)
        agents.send_signal(signal.SIGTERM)
        robots = report(agents)
        until("no send is in flight", lambda: sum(h.metric("belfry_sends_in_flight") for h in houses) == 0, 60, 0.2)
        replay = follower.stop()
        machine = stalls.stop()
        ended = a.all("/conversations")
        replay.end({c["id"]: (c["state"], c.get("owner") or "") for c in ended})
        checked = a.check(a.dir / "burst.journal", a.dir / "stream.journal", a.dir / "meta.journal", a.dir / "agents.journal")
        stats = meta.ask("stats")

        # What the outside saw.
        say(f"{len(ended)} conversations in {took:.0f} s; webhooks: {[each['codes'] for each in loaded]}, {sum(each['lost_connections'] for each in loaded)} lost connections; Meta: sends {stats['sends_seen']}, "
            f"doubled {stats['sends_doubled']}")
        say("desks:", {k: v for k, v in robots.items() if v and k in ("offers", "accepted", "declined", "ignored", "missed", "passed_on", "acks", "nacks", "resolved",
                                                                    "reconnects", "resets", "violations", "broken")})
        say("check:", {k: v for k, v in checked.items() if v})
        # What the log says.
        say("log:", dict(replay.kinds), {k: n for k, n in replay.why.items() if k.startswith("requeued")})
        waited = replay.waited(apart([(away[0], away[1]), *machine]))
        after_kill = [w for w in waited if any(k <= w[1] <= k + 2 * (LEASE_MS + AFTER_MS) for k in kills)]
        elsewhere = [w for w in waited if w not in set(after_kill)]
        worst = lambda found: f"{found[0][0] / 1000:.2f} s" if found else "below 0.5 s"
        say(f"waited while somebody was free: after a kill {worst(after_kill)} at most, else {worst(elsewhere)}; taken off: Redis away {(away[1] - away[0]) / 1000:.1f} s, "
            f"{len(machine)} stalls of this machine, {sum(b - a for a, b in machine) / 1000:.1f} s in all; most ahead of one who was given: {max(replay.overtaken)}; "
            f"load spread {replay.spread / 10:.1f} slots")
        stream = redis("XLEN", "{belfry}:ev")
        say(f"the stream holds {stream} of {sum(replay.kinds.values())} transitions")
        broken = {k: (len(v), v[:3]) for k, v in replay.found.items()}
        equal(broken, {}, "invariants that the log breaks")
        # Who is given may stand behind those whose offers are under way, or whom this agent has refused; not behind more.
        assert max(replay.overtaken) <= 2 * BATCH, f"somebody was given before {max(replay.overtaken)} who were before him"
        late = [w for w in waited if w[0] > LEASE_MS + AFTER_MS]
        equal(late[:5], [], f"{len(late)} waited longer than a lease and 2 s while somebody was free (ms, at, conversation, agent)")
        equal((checked["missing"], checked["doubled"], stats["sends_doubled"]), (0, 0, 0), f"missing, doubled {checked}")
        equal((len(ended), sum(c["state"] == "closed" for c in ended)), (count, count), "conversations, closed")
        equal(checked["yes_heard"], count, f"messages with a yes {loaded}")
        equal(sent_out_of_order(a.dir / "meta.journal"), [], "replies that overtook another")
        equal((robots["violations"], robots["resets"], agents.returncode), (0, 0, 0), f"the desks' promises {robots}")
        equal(checked["replies_waiting"], 0, "replies that nobody sends")
        equal([x["id"] for x in a.all("/agents") if x["load"] != 0], [], "agents who still hold something")
        equal(a.metric("belfry_messages_unaccounted"), 0, "unaccounted")
        for kind in ("declined", "ignored", "missed", "passed_on"):
            assert robots[kind] > 0, f"no offer was {kind}: {robots}"
        meta.stop()
        equal([h.stop() for h in houses], [0, 0, 0, 0], "exit codes")


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("bin", nargs="?")
    options.add_argument("--count", type=int, default=COUNT)
    options.add_argument("--shards", type=int, choices=(1, 3))
    wish = options.parse_args()
    run(*((f"four nodes, {AGENTS} agents, {wish.count} conversations, shards {shards}", functools.partial(burst, shards, wish.count))
          for shards in ([wish.shards] if wish.shards else [1, 3])))
