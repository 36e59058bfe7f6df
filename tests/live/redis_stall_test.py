#!/usr/bin/env python3
"""Redis stands still for thirty seconds under load, and it comes back and loads for ten. Meanwhile nothing is acknowledged, and whoever asks is told so;
afterwards the repeats find everything there, once. Usage: redis_stall_test.py BIN_DIR"""
import functools
from trouble import *

STOPPED_S, LOADING_KEYS = 30, 9000


# ------------------------------------------------------------------------------------------------------------ it stands still


def reply_until_acked(h, key, desk, conversation, gen, text, heard):
    """The same reply under the same client_id until it is acknowledged; what was heard on the way. The socket may be closed meanwhile."""
    client_id, last = "c-" + text.replace(" ", "-"), desk.last_id
    while not heard or heard[-1][0] != "ack":
        try:
            if desk is None or desk.closed is not None:
                desk = Desk(h, key, last, seconds=10)
            answer = desk.command("reply", client_id=client_id, conversation=conversation, gen=gen, text=text, seconds=40)
            heard.append((answer["t"], answer.get("id") or answer["problem"]["code"]))
        except (OSError, AssertionError) as refused:
            heard.append((type(refused).__name__, None))
            desk = None
        time.sleep(0.5)


def stopped(shards):
    with house(shards=shards) as h:
        h.start()
        meta = h.meta("--statuses", "read", "--status-delay", "100ms", "--rate-limit", "0", "--no-pair-limit", journal=h.dir / "meta.journal")
        keys = h.people("ana", *(f"agent{i}" for i in range(3)), capacity=20)
        (h.dir / "keys").write_text("\n".join(keys[1:]) + "\n")
        h.ready()
        desks = [Desk(h, keys[0]) for _ in range(3)]
        desks[0].be_ready()
        meta.citizen("491511000001", "Before")
        conversation, gen = desks[0].take()
        desks[0].do("availability", value="paused")  # the rest is for the robots
        agents = h.sim("agents", "--url", h.url, "--count", "3", "--key-file", h.dir / "keys", "--accept", "50ms", "--think", "200ms", "--turns", "3",
                       "--journal", h.dir / "agents.journal")
        load = webhooks(h, STOPPED_S + 14, 60, "--timeout", "15s")
        journal, pid = h.dir / "load.journal", h.redis_pid()
        until("the load runs, and replies leave", lambda: lines(journal) > 100 and meta.ask("stats")["sends_seen"] > 5, 30)
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        heard = [[] for _ in desks]
        threads = [threading.Thread(target=reply_until_acked, args=(h, keys[0], desk, conversation, gen, f"tab {i} at the stop", heard[i])) for i, desk in enumerate(desks)]
        for thread in threads:
            thread.start()
        until("/readyz says no", lambda: h.readyz().status == 503, 20)
        told = time.monotonic() - began
        until("every shard gave up the link on which nothing came", lambda: h.log_has("redis did not answer in time") >= shards, 20)
        time.sleep(1)  # a yes that was on its way is in the journal by now
        kept, samples = lines(journal), collections.Counter()
        body = envelope(change([message("491511000001", "while it stands still")]))
        while time.monotonic() - began < STOPPED_S:
            samples.update([code(h, body), h.readyz().status, h.api("GET", "/conversations").status])
            time.sleep(0.3)
        equal(set(samples), {503}, "webhook, /readyz and REST while Redis stands still")
        equal(lines(journal), kept, "yes heard while Redis stands still")
        unready = h.readyz().body.decode().strip()
        assert unready and pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T", unready
        assert all(h and "ack" not in [t for t, _ in h] for h in heard), heard
        os.kill(pid, signal.SIGCONT)
        back = time.monotonic()
        until("a webhook is accepted", lambda: code(h, body) == 200, 30)
        accepted = time.monotonic() - back
        h.ready(30)
        ready = time.monotonic() - back
        say(f"/readyz says no after {told:.1f} s: {unready!r}; {samples[503]} answers 503; after SIGCONT the first yes {accepted:.2f} s, ready {ready:.2f} s")
        for thread in threads:
            thread.join(40)
        nacks = collections.Counter(t for each in heard for t, _ in each)
        say("desk:", dict(nacks), "problems:", dict(collections.Counter(why for each in heard for t, why in each if t == "nack")))
        equal((nacks["ack"], nacks["nack"] + nacks["ConnectionError"] + nacks["TimedOut"] >= 3), (3, True), f"what the desk heard {heard}")
        assert any(t == "nack" for each in heard for t, _ in each), f"a nack {heard}"
        texts = collections.Counter(m.get("text") for m in h.all(f"/conversations/{conversation}/messages"))
        equal([texts[f"tab {i} at the stop"] for i in range(3)] + [texts["while it stands still"]], [1, 1, 1, 1], "copies of what was repeated with the same key")
        equal(h.redis_servers(), [pid], "redis-servers")
        until("the load has ended", lambda: load.poll() is not None, 60)
        time.sleep(1)
        agents.send_signal(signal.SIGTERM)
        robots = report(agents)
        say("agents:", {k: v for k, v in robots.items() if v and not isinstance(v, (dict, list))})
        account(h, Redis(h.state / "redis.sock"), meta, load, h.dir / "agents.journal")
        for i in range(3):
            sends = [s for s in meta.sends() if s["text"] == f"tab {i} at the stop"]
            assert len(sends) <= 1, sends
        equal(agents.returncode, 0, f"the desk's promises {robots}")
        equal(h.starts, 1, "starts of belfryd")
        meta.stop()
        equal(h.stop(), 0, "exit code")


# -------------------------------------------------------------------------------------------------------------------- it loads


def loading(shards):
    with server() as redis, house(redis=redis.url, shards=shards) as h:
        h.start()
        meta = h.meta("--statuses", "read", "--status-delay", "100ms", "--rate-limit", "0", "--no-pair-limit", journal=h.dir / "meta.journal")
        (key,) = h.people("ana", capacity=20)
        h.ready()
        desk = Desk(h, key).be_ready()
        meta.citizen("491511000001", "Before")
        conversation, gen = desk.take()
        desk.do("reply", conversation=conversation, gen=gen, text="Hello")
        desk.do("availability", value="paused")
        # What has to be loaded: as many keys as take ten seconds at a millisecond each, in the base file, between whose keys Redis answers.
        for i in range(0, LOADING_KEYS, 500):
            equal(redis.ask("MSET", *(word for n in range(i, i + 500) for word in (f"ballast:{n}", "x" * 60))), "OK", "ballast")
        redis.ask("BGREWRITEAOF")
        until("the rewrite", lambda: "aof_rewrite_in_progress:0" in (info := redis.ask("INFO", "persistence")) and "aof_rewrite_scheduled:0" in info)
        load = webhooks(h, 24, 60)
        journal = h.dir / "load.journal"
        until("the load runs", lambda: lines(journal) > 50, 30)
        body = envelope(change([message("491511000001", "while it loads")]))
        for round in range(2 if shards == 1 else 1):
            end(redis.process, signal.SIGKILL)
            if round == 1:  # belfryd too: it starts while Redis loads
                h.kill()
            redis.start("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
            began = time.monotonic()
            is_loading = lambda: isinstance(answer := redis.ask("PING"), RespError) and answer.startswith("LOADING")
            until("Redis loads", is_loading, 10)
            if round == 1:
                h.process = None
                starting = threading.Thread(target=h.start)
                starting.start()
                until("belfryd listens", lambda: h.readyz().status == 503, 20)
            time.sleep(1)  # a yes that was on its way is in the journal by now
            kept, samples, desks = lines(journal), collections.Counter(), collections.Counter()
            while True:
                got = [code(h, body), h.readyz().status, h.api("GET", "/conversations").status if round == 0 else 503]
                if round == 0 and desk.closed is None:
                    with contextlib.suppress(ConnectionError):
                        desks.update([desk.command("reply", client_id="while-it-loads", conversation=conversation, gen=gen, text="While it loads")["t"]])
                why, now = h.readyz().body.decode().strip(), lines(journal)
                if not is_loading():
                    break
                samples.update(got)
                equal(now, kept, "yes heard while Redis loads")
                time.sleep(0.2)
            took = time.monotonic() - began
            assert set(samples) <= ({503} if round == 0 else {503, 0}) and samples[503] > 20, samples
            assert set(desks) <= {"nack", "ack"} and (round or desk.closed is not None or desks["nack"] > 0), desks
            back = time.monotonic()
            if round == 1:
                starting.join(30)
            until("a webhook is accepted", lambda: code(h, body) == 200, 30)
            accepted = time.monotonic() - back
            h.ready(30)
            say(f"loading for {took:.1f} s: {dict(samples)}, desk {dict(desks)}, last reason {why!r}; then the first yes {accepted:.2f} s, ready {time.monotonic() - back:.2f} s")
            assert took > 5, f"Redis loaded for {took:.1f} s only"
        if desk.closed is not None:
            desk = Desk(h, key, desk.last_id)
        id = until("the repeat is acknowledged", lambda: (a := desk.command("reply", client_id="while-it-loads", conversation=conversation, gen=gen, text="While it loads"))["t"] == "ack" and a["id"])
        until("the reply is delivered", lambda: h.get("/messages/" + id)["state"] in ("delivered", "read"), 40)
        texts = collections.Counter(m.get("text") for m in h.all(f"/conversations/{conversation}/messages"))
        equal((texts["While it loads"], texts["while it loads"], texts["Hello"]), (1, 1, 1), "copies")
        equal(len([s for s in meta.sends() if s["text"] == "While it loads"]), 1, "sends of the repeated reply")
        equal(redis.ask("EXISTS", *(f"ballast:{n}" for n in range(0, LOADING_KEYS, 100))), LOADING_KEYS // 100, "the ballast")
        account(h, Redis(redis.sock), meta, load)
        equal(h.starts, 2 if shards == 1 else 1, "starts of belfryd")
        meta.stop()
        equal(h.stop(), 0, "exit code")


if __name__ == "__main__":
    run(*((f"{name}, shards {shards}", functools.partial(test, shards)) for shards in (1, 3)
          for name, test in ((f"Redis stands still for {STOPPED_S} s under load", stopped), ("Redis loads", loading))))
