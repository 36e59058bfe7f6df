#!/usr/bin/env python3
"""An end to memory: what is over moves to the archive and is found there; kill -9 in between loses and doubles nothing; where memory or disk runs
short, what is refused is refused clearly, and comes back. Each with one shard and with three. Usage: retention_test.py BIN_DIR"""
import fcntl, functools
from belfry import *
from relay import Redis, Relay

AT_ONCE = "\n[retention]\nclosed_days = 0\n"


def lines(house):
    """What stands in the archive: id -> its lines."""
    found = collections.defaultdict(list)
    for path in sorted((house.state / "archive").glob("*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            with contextlib.suppress(ValueError):
                each = json.loads(line)
                found[each["id"]].append(each)
    return found


def left_in(redis):
    """Conversations of which Redis still has anything."""
    return sorted({key.split(":")[2] for kind in ("conv", "log", "st", "pid", "hold") for key in redis("KEYS", f"{{belfry}}:{kind}:*")}, key=int)


# ---------------------------------------------------------------------------------------------------------------- the archive


def a_life(shards):
    with house(shards=shards, queue='wrapup = "0s"', more=AT_ONCE) as h:
        h.start()
        meta = h.meta("--calm", "--status-delay", "40ms", "--read-rate", "1")
        ana_key, = h.people("ana", capacity=100)
        bob_key, = h.people("bob", queues=("works",))
        h.ready()
        redis, ana = Redis(h.state / "redis.sock"), Desk(h, ana_key).be_ready()
        said = {}
        for i in range(12):
            who = str(491511000001 + i)
            wamid_ = meta.citizen(who, f"Good morning,\n\"{i}\" \U0001f600")
            conversation, gen = ana.take(lambda f: f["contact"]["name"].endswith(who[-4:]))
            reply = ana.do("reply", conversation=conversation, gen=gen, text=f"answer {i}")["id"]
            note = ana.do("note", conversation=conversation, gen=gen, text="he is kind")["id"]
            until("the answer was read", lambda: h.get("/messages/" + reply)["state"] == "read")
            before = h.get("/conversations/" + conversation), h.get(f"/conversations/{conversation}/messages")["items"]
            ana.do("resolve", conversation=conversation, gen=gen, code="done")
            said[conversation] = who, wamid_, reply, note, before
        until("all are archived", lambda: h.metric("belfry_archived_total") == len(said), 30)
        equal(left_in(redis), [], "conversations in Redis")
        equal(redis("ZCARD", "{belfry}:closed"), 0, "closed ones that wait")
        equal(h.get("/conversations")["items"], [], "the list")
        archive = lines(h)
        equal((sorted(archive), {len(each) for each in archive.values()}), (sorted(said), {1}), "lines of the archive")
        for conversation, (who, wamid_, reply, note, (was, messages)) in said.items():
            now = h.get("/conversations/" + conversation)
            equal((now["archived"], now["state"], now["why"], now["gen"]), (True, "closed", "done", was["gen"] + 1), conversation)
            assert now["first_at"] <= now["given_at"] <= now["accepted_at"] <= now["closed_at"], now
            equal({k: now[k] for k in ("id", "owner", "queue", "account", "contact", "messages")}, {k: was[k] for k in ("id", "owner", "queue", "account", "contact", "messages")})
            equal(h.all(f"/conversations/{conversation}/messages"), messages, "its messages, as they were")
            page = h.get(f"/conversations/{conversation}/messages?limit=2")
            equal((len(page["items"]), page["next"]), (2, "2"), "a page")
            equal(h.get(f"/conversations/{conversation}/messages?after=2")["items"], messages[2:], "the next page")
            equal([h.get(f"/messages/{m['id']}") for m in messages], messages, "message by message")
            equal((h.api("GET", "/messages/" + reply + "9").status, archive[conversation][0]["address"]), (404, f"wa:city:{who}"), "a stranger's; the address")
            equal(h.api("GET", "/conversations/" + conversation, key=ana_key).status, 200, "to its agent")
            for path in ("/conversations/" + conversation, f"/conversations/{conversation}/messages", "/messages/" + reply):
                equal(h.api("GET", path, key=bob_key).json["code"], "not_found", "to another queue's agent")
        trace = h.ctl("trace", reply), json.loads(h.ctl("--json", "trace", conversation))
        assert "closed" in trace[0] and "read" in trace[0] and trace[1]["conversation"]["archived"], trace
        equal([m["id"] for m in trace[1]["messages"]], [m["id"] for m in messages], "trace")
        # News that come late bring nothing back; the citizen is known when he does.
        (send,) = [s for s in meta.sends() if s["opaque"].startswith(reply.removeprefix("msg_") + ".") or s["opaque"].startswith(reply + ".")]
        meta.tell("status", {"wamid": send["wamid"], "status": "read"})
        until("Meta has heard its yes", lambda: meta.ask("stats")["pending"] == 0)
        equal(left_in(redis), [], "conversations in Redis after late news")
        meta.citizen(who, "Me again")
        again = ana.event("offer", test=lambda f: f["contact"]["name"].endswith(who[-4:]) and f["conversation"] not in said)
        equal(again["contact"]["id"], was["contact"]["id"], "his contact")
        # All his conversations, the live one and the archived one before it; to whoever may see one of them. Numbers get new owners:
        # what lies beyond 90 days of silence is folded, and who unfolds it says why.
        contact = "/contacts/" + again["contact"]["id"]
        his = h.get(contact, key=ana_key)
        before = his["conversations"][1]["id"]
        equal((his["folded"], [c["id"] for c in his["conversations"]], his["conversations"][0]["previous"]), (False, [again["conversation"], before], before), "his conversations")
        assert before in said and his["conversations"][1]["archived"], his
        equal(h.api("GET", contact, key=bob_key).json["code"], "not_found", "to another queue's agent")
        equal([h.api("GET", "/contacts/" + id).status for id in ("999999", "x")], [404, 404], "no such citizen")
        redis("HSET", "{belfry}:conv:" + again["conversation"].removeprefix("conv_"), "first", int((time.time() + 91 * 86400) * 1000))
        his = h.get(contact, key=ana_key)
        equal((his["folded"], len(his["conversations"])), (True, 1), "after a long silence")
        equal(h.api("POST", contact + "/unfold", {}).status, 422, "without a reason")
        equal(len(h.api("POST", contact + "/unfold", {"reason": "he says he is the same"}, key=ana_key).json["conversations"]), 2, "unfolded")
        equal([(c["action"], c["what"]) for c in h.all("/audit/changes") if c["object"] == again["contact"]["id"]], [("contact.unfold", "he says he is the same")], "who unfolded")
        # What was only sent ends, too.
        sent = h.api("POST", "/messages", {"account": "city", "to": "491519999999", "template": {"name": "hello", "language": {"code": "en"}}})
        equal(sent.status, 202, sent)
        until("it is archived", lambda: h.get("/conversations/" + sent.json["conversation"]).get("archived"), 30)
        equal((h.get("/conversations/" + sent.json["conversation"])["state"], h.get("/messages/" + sent.json["id"])["state"]), ("sends", "read"), "a log of sends")
        equal(left_in(redis), [again["conversation"].removeprefix("conv_")], "conversations in Redis at the end")
        equal(h.metric("belfry_messages_unaccounted"), 0, "belfry_messages_unaccounted")
        equal(meta.ask("stats")["sends_doubled"], 0, "sends doubled")
        ana.close()
        meta.stop()
        equal(h.stop(), 0, "exit code")


# --------------------------------------------------------------------------------------------------------------- kill -9 in it


def killed(shards):
    with external_redis() as url:
        relay = Relay(url)
        try:
            with house(redis=relay.url, shards=shards, more=AT_ONCE) as h:
                h.start().people()
                numbers, wanted = itertools.count(491511000001), {}

                def hear(count):
                    """Citizens write, each twice; their conversations, open."""
                    elements = [message(str(next(numbers)), f"message {i}") for i in range(count)]
                    elements += [message(e["from"], "and this") for e in elements]
                    for part in range(0, len(elements), 50):
                        h.hear(*elements[part:part + 50])
                    fresh = {c["id"]: c for c in h.all("/conversations")}
                    held = sorted(m["provider_id"] for id in fresh for m in h.all(f"/conversations/{id}/messages"))
                    equal(held, sorted(e["id"] for e in elements), "what Redis holds")
                    wanted.update((e["id"], None) for e in elements)
                    return [id.removeprefix("conv_") for id in fresh]

                def close(conversations):
                    for id in conversations:
                        equal(relay.fcall("close", "", id, 1, "", "done", 0, 3, "")[0], "ok", "close")

                def holds():
                    """Now, with belfryd dead: every message is in Redis or in the archive."""
                    stored = {m["provider_id"] for each in lines(h).values() for m in each[-1]["messages"]}
                    in_redis = set(left_in(relay.ask))
                    for id in in_redis:
                        for entry in relay.ask("LRANGE", f"{{belfry}}:log:{id}", 0, -1):
                            stored |= {w for w in wanted if w in entry}
                    equal(set(wanted) - stored, set(), "messages that are nowhere")
                    return len(in_redis), sum(id.removeprefix("conv_") not in in_redis for id in lines(h))

                def after():
                    h.start().ready()
                    until("Redis has none of them", lambda: not left_in(relay.ask), 40, every=0.2)
                    archive = lines(h)
                    counted = collections.Counter(m["provider_id"] for each in archive.values() for m in each[-1]["messages"])
                    equal((set(wanted) - set(counted), set(counted.values())), (set(), {1}), "messages of the archive")
                    equal({id: len(each) for id, each in archive.items() if len(each) != 1}, {}, "conversations with two lines")
                    for id in archive:
                        equal(h.get(f"/conversations/{id}/messages")["items"], archive[id][0]["messages"], "what the API says of it")
                    assert "archived" in h.ctl("--json", "trace", id), id

                for at, skip in (("before", 0), ("before", 20), ("after", 0), ("after", 20)):
                    conversations = hear(40)
                    trap = relay.trap("archive_done", at, "hold", skip=skip)
                    close(conversations)
                    trap.wait()
                    h.kill()
                    redis, archived = holds()
                    after()
                    say(f"killed {at} archive_done no. {skip + 1}: {redis} left in Redis, {archived} let go of, then each once")
                # Before a line is on disk nothing is deleted: the test holds the archive's lock, so no line can be written.
                conversations = hear(40)
                with open(h.state / "archive" / "lock") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    before, seen = lines(h), []
                    spy = relay.trap("page", "after", "hold", when=lambda words, answer: seen.append(words[4]) or False)
                    close(conversations)
                    until("all were read", lambda: set(conversations) <= set(seen))
                    time.sleep(0.5)
                    equal((len(left_in(relay.ask)), lines(h)), (40, before), "in Redis; in the archive")
                    relay.disarm(spy)
                    h.kill()
                    holds()
                after()
                # A late archive_done of the dead one finds that nothing is left to do.
                conversations = hear(10)
                trap = relay.trap("archive_done", "before", "hold", skip=5)
                close(conversations)
                trap.wait()
                h.kill()
                h.start().ready()
                until("Redis has none of them", lambda: not left_in(relay.ask), 40, every=0.2)
                equal(trap.release(), ["missing"], "the late archive_done")
                # At any time.
                for wait in (0, 0.001, 0.01, 0.1):
                    conversations = hear(40)
                    trap = relay.trap("archive_due", "after", "hold", when=lambda words, answer: len(answer) > 0) if wait == 0 else None
                    close(conversations)
                    if trap:
                        trap.wait()
                    until("it begins", lambda: trap or any(id not in left_in(relay.ask) for id in conversations), every=0.001)
                    time.sleep(wait)
                    h.kill()
                    redis, archived = holds()
                    after()
                    say(f"killed {wait} s after the first: {redis} left in Redis")
                # A line torn by a power cut, and an index that is lost.
                h.kill()
                path = sorted((h.state / "archive").glob("*.jsonl"))[-1]
                with open(path, "ab") as file:
                    file.write(b'{"id":"conv_99999","address":"wa:ci')
                (h.state / "archive" / "index").unlink()
                h.start().ready()
                close(hear(5))
                until("Redis has none of them", lambda: not left_in(relay.ask), 40, every=0.2)
                archive = lines(h)
                equal({len(each) for each in archive.values()}, {1}, "lines of a conversation")
                for id in archive:
                    equal(h.get("/conversations/" + id)["archived"], True, id)
                equal(h.api("GET", "/conversations/conv_99999").status, 404, "what was torn")
                # What is left is counted again and again, whatever gaps are before it.
                hear(5)
                was = h.metric("belfry_recounts_total")
                until("those that are there are recounted", lambda: h.metric("belfry_recounts_total") >= was + 10, 40, every=0.2)
                equal(h.metric("belfry_messages_unaccounted"), 0, "belfry_messages_unaccounted")
                close(left_in(relay.ask))
                until("Redis has none of them", lambda: not left_in(relay.ask), 40, every=0.2)
                # A disk that takes nothing: it waits in Redis.
                (h.state / "archive").rename(h.state / "away")
                (h.state / "archive").write_text("no directory")
                close(hear(5))
                until("the failure is told", lambda: h.metric("belfry_archive_failures_total") > 0 and h.log_has("archive_failed"))
                equal(len(left_in(relay.ask)), 5, "conversations in Redis")
                (h.state / "archive").unlink()
                (h.state / "away").rename(h.state / "archive")
                until("Redis has none of them", lambda: not left_in(relay.ask), 40, every=0.2)
                equal(h.stop(), 0, "exit code")
        finally:
            relay.close()


# ------------------------------------------------------------------------------------------------------------- memory and disk


class Filler:
    """Fills Redis to a share of its maxmemory, with something of no use."""

    def __init__(self, house):
        self.house, self.redis = house, Redis(house.state / "redis.sock")

    def info(self):
        return {k: int(v) for k, v in re.findall(r"^(used_memory|maxmemory|mem_not_counted_for_evict):(\d+)", self.redis("INFO", "memory"), re.M)}

    def to(self, percent, level):
        def there():
            while (missing := (m := self.info())["maxmemory"] * percent // 100 - m["used_memory"]) > 100_000:
                assert isinstance(self.redis("RPUSH", "filler", "x" * min(missing, 50_000)), int)
            return self.house.metric("belfry_admission_level") == level

        until(f"level {level} at {percent} %", there)
        time.sleep(1.2)  # the other shards look once a second, too

    def empty(self):
        self.redis("DEL", "filler")
        until("there is room", lambda: self.house.metric("belfry_admission_level") == 0)
        time.sleep(1.2)


def memory(shards):
    with house(shards=shards, queue='wrapup = "0s"', limits='[redis]\nmaxmemory = "64MiB"') as h:
        h.start()
        meta = h.meta("--calm", "--status-delay", "40ms", "--read-rate", "1")
        ana_key, = h.people("ana", capacity=100)
        h.ready()
        filler, ana = Filler(h), Desk(h, ana_key).be_ready()
        running, who = [], [str(491511000001 + i) for i in range(9)]
        for each in who[:3]:
            h.hear(message(each, "Good morning"))
            running.append(ana.take(lambda f: f["contact"]["name"].endswith(each[-4:])))
        (first, first_gen), (second, second_gen), _ = running

        def status(*elements):
            return h.webhook(envelope(change(list(elements)))).status

        template = {"account": "city", "template": {"name": "hello", "language": {"code": "en"}}}
        equal(h.readyz().body, b"ready\n", "/readyz")
        filler.to(75, 1)
        assert h.readyz().status == 200 and b"bulk" in h.readyz().body, h.readyz()
        equal(status(message(who[3], "at 75 %")), 200, "a new conversation at 75 %")

        filler.to(88, 2)
        assert h.readyz().status == 200 and b"85 %" in h.readyz().body, h.readyz()
        mixed = message(who[0], "I go on"), message(who[4], "I am new"), message(who[1], "I go on, too")
        for _ in range(4):  # over all shards, and repeats
            equal(status(*mixed), 503, "a webhook with a new conversation")
        for each in (mixed[0], mixed[2]):
            ana.message(lambda m: m.get("provider_id") == each["id"])  # kept, though the whole has to come again
        equal(status(message(who[1], "alone")), 200, "one that runs")
        ana.do("reply", conversation=first, gen=first_gen, text="so do I")
        answer = h.api("POST", "/messages", {**template, "to": who[5]})
        equal((answer.status, answer.json["code"]), (503, "no_new_conversations"), answer)
        equal(h.api("POST", "/messages", {**template, "to": who[1]}).status, 202, "a send into one that runs")
        equal(h.api("POST", "/messages", {"conversation": second, "text": "by the API"}).status, 202, "a send into a conversation")

        filler.to(97, 3)
        assert h.readyz().status == 200 and b"95 %" in h.readyz().body, h.readyz()
        last = message(who[1], "at 97 %")
        for _ in range(4):
            equal(status(last), 503, "one that runs")
        for t in ("reply", "note"):
            problem = ana.refused(t, "store_full", conversation=first, gen=first_gen, text="too much")
            equal(problem["status"], 503, "a reply")
        answer = h.api("POST", "/messages", {"conversation": second, "text": "by the API"})
        equal((answer.status, answer.json["code"]), (503, "store_full"), answer)
        equal(h.api("POST", "/media", b"\x89PNG", Content_Type="image/png").json["code"], "store_full", "an upload")
        reply = until("a send", lambda: [s for s in meta.sends() if s["to"] == who[0]])[0]
        meta.tell("status", {"wamid": reply["wamid"], "status": "read"})
        until("Meta has heard its yes: a receipt takes no room", lambda: meta.ask("stats")["pending"] == 0)
        equal(h.get("/conversations/" + first)["state"], "active", "reading goes on")
        ana.do("resolve", conversation=first, gen=first_gen)  # what ends makes room

        filler.empty()
        equal(h.readyz().body, b"ready\n", "/readyz")
        equal((status(*mixed), status(last)), (200, 200), "what was refused, repeated")
        equal(h.api("POST", "/messages", {**template, "to": who[5]}).status, 202, "a send that opens")
        held = collections.Counter(m["provider_id"] for c in h.all("/conversations") for m in h.all(f"/conversations/{c['id']}/messages") if m["dir"] == "in")
        equal([held[e["id"]] for e in (*mixed, last)], [1, 1, 1, 1], "each message, once")
        assert h.log_has("admission level=alerts_only") >= 1 and h.log_has("admission level=all") >= 1
        ana.close()
        meta.stop()
        equal(h.stop(), 0, "exit code")


def disk(shards):
    with house(shards=shards, limits='[limits]\ndisk_reserve = "60TiB"') as h:
        h.start().people("ana")
        until("the disk counts as full", lambda: h.readyz().status == 503 and b"disk" in h.readyz().body)
        time.sleep(1.2)
        equal(h.metric("belfry_admission_level"), 4, "level")
        assert h.metric("belfry_disk_free_bytes") > 0
        equal(h.webhook(envelope(change([message("491511000001", "hello")]))).status, 503, "a webhook")
        answer = h.api("POST", "/messages", {"account": "city", "to": "491511000001", "text": "hello"})
        equal((answer.status, answer.json["code"]), (503, "disk_full"), answer)
        equal(h.api("GET", "/conversations").status, 200, "reading")
        h.ctl("queue", "add", "more")  # the operator may
        equal(h.stop(), 0, "exit code")
        config = h.config.read_text()
        h.config.write_text(config.replace("60TiB", "1MiB"))
        h.start().ready()
        until("there is room", lambda: h.metric("belfry_admission_level") == 0)
        h.hear(message("491511000001", "hello"))
        equal(h.stop(), 0, "exit code")


def external(shards):
    with external_redis() as url, house(redis=url, shards=shards) as h:
        h.start().ready()
        until("it is said that there are no thresholds", lambda: h.log_has("redis_without_maxmemory"))
        equal((h.metric("belfry_admission_level"), h.metric("belfry_disk_free_bytes")), (0, -1), "level, disk")
        equal(h.stop(), 0, "exit code")


TESTS = [(f"{name}, {shards} shard{'s' if shards > 1 else ''}", functools.partial(test, shards)) for shards in (1, 3) for name, test in (
    ("what is over moves to the archive and is found there", a_life),
    ("kill -9 while it moves", killed),
    ("memory runs short", memory),
    ("the disk runs short", disk),
    ("an external Redis without maxmemory", external),
)]

if __name__ == "__main__":
    wanted = sys.argv[2] if len(sys.argv) > 2 else ""
    run(*[t for t in TESTS if wanted in t[0]])
