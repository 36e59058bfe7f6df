#!/usr/bin/env python3
"""kill -9 of belfryd exactly at the points that matter, and answers of Redis that are lost while it lives. A relay before Redis stops at the call
that is meant, so the product holds no code for this. Whatever was acknowledged is there, once; no reply is sent twice; what may have been sent
says `uncertain`, and a status of the provider finds it. Usage: failpoints_test.py BIN_DIR"""
import functools
from belfry import *
from relay import Relay

SENT = ("sent", "delivered", "read")


class Scene:
    """A house whose Redis is behind a relay, Meta without mischief and without statuses of its own, one agent at one desk."""

    def __init__(self, house, relay):
        self.house, self.relay, self.numbers = house, relay, itertools.count(491511000001)
        h = house.start()
        self.meta = h.meta("--calm", "--statuses", "none", "--rate-limit", "0", "--no-pair-limit", journal=h.dir / "meta.journal")
        (self.key,) = h.people("ana", capacity=100)
        h.ready()
        self.desk = Desk(h, self.key).be_ready()
        self.earlier = []  # what desks heard that were lost with their belfryd
        self.open_conversations, self.journal = [], open(h.dir / "test.journal", "a")

    # -- belfryd's life

    def restart(self):
        self.house.start().ready()
        self.resume()

    def resume(self):
        self.desk.close()
        equal(self.desk.gaps, [], "event ids")
        self.earlier += self.desk.frames
        last = self.desk.last_id

        def again():  # 1013, try again later: the link on which it would hear its events is not up yet
            with contextlib.suppress(ConnectionError):
                return Desk(self.house, self.key, last)

        self.desk = until("the desk is let in", again)
        equal(self.desk.welcome["reset"], False, "the desk resumes")

    def awake(self):
        """A desk that could not be told everything is closed with 4010, and comes back."""
        if self.desk.closed is not None:
            equal(self.desk.closed, 4010, "why the desk was closed")
            self.resume()
        return self.desk

    def do(self, t, **fields):
        """A command, repeated with its client_id until it is acknowledged."""
        client_id = f"do-{os.urandom(6).hex()}" if "client_id" not in fields else fields.pop("client_id")

        def ask():
            try:
                answer = self.awake().command(t, client_id=client_id, **fields)
            except ConnectionError:
                return None
            assert answer["t"] == "ack" or answer["problem"]["status"] == 503, (t, fields, answer)
            return answer["t"] == "ack" and answer

        return until(f"{t} is acknowledged", ask)

    def events(self, kind):
        return [f for f in self.earlier + list(self.desk.frames) if f["t"] == "event" and f["kind"] == kind]

    def receipts(self, id, state=None):
        self.awake()
        return [f for f in self.events("receipt") if f["message"] == id and state in (None, f["state"])]

    def kill(self):
        self.house.kill()

    def note(self, **line):
        self.journal.write(json.dumps(line) + "\n")
        self.journal.flush()

    # -- words

    def citizen(self):
        return str(next(self.numbers))

    def talk(self):
        """A citizen writes, the agent accepts: the conversation and its generation."""
        self.house.ready()  # a link that the case before cut is back
        who = self.citizen()
        self.meta.citizen(who, "Hello")
        offer = until("an offer", lambda: self.awake() and next((f for f in self.events("offer") + self.desk.welcome["offers"]
                                                                 if f["contact"]["name"].endswith(who[-4:])), None))
        conversation, gen = offer["conversation" if "t" in offer else "id"], offer["gen"] + 1
        self.do("accept", conversation=conversation, gen=offer["gen"])
        self.open_conversations.append((conversation, gen))
        return conversation, gen

    def say(self, conversation, gen, text, wait=True):
        """A reply from the desk; its client_id, and the id it got if that was to be waited for."""
        client_id = f"say-{os.urandom(6).hex()}"
        if not wait:
            self.awake().send({"t": "reply", "client_id": client_id, "conversation": conversation, "gen": gen, "text": text})
            return client_id, None
        return client_id, self.again(client_id, conversation, gen, text)

    def again(self, client_id, conversation, gen, text):
        id = self.do("reply", client_id=client_id, conversation=conversation, gen=gen, text=text)["id"]
        self.note(k="ack", message=id, text=text)
        return id

    def heard(self, client_id):
        """The ack or nack of a command, if it came."""
        return next((f for f in self.earlier + list(self.desk.frames) if f["t"] in ("ack", "nack") and f["client_id"] == client_id), None)

    # -- what is true

    def log(self, conversation):
        return self.all(f"/conversations/{conversation}/messages")

    def all(self, path):
        """A list, asked for again while its answer is 503."""
        def ask():
            try:
                return (self.house.all(path),)
            except AssertionError as refused:
                if refused.args[0][1].status != 503:
                    raise

        return until("a list", ask)[0]

    def everything(self):
        """Every message of every conversation."""
        return [m for c in self.all("/conversations") for m in self.log(c["id"])]

    def holding(self, *provider_ids):
        return [m["provider_id"] for m in self.everything() if m.get("provider_id") in provider_ids]

    def state(self, id):
        answer = until("the store is back", lambda: (a := self.house.api("GET", "/messages/" + id)).status != 503 and a)
        equal(answer.status, 200, id)
        return answer.json["state"]

    def sends(self, id):
        """How many requests Meta accepted under the reference of this message."""
        return sum(s["opaque"].startswith((id + ".", id.removeprefix("msg_") + ".")) for s in self.meta.sends())

    def status(self, id, state):
        """Meta has news of a message; it names it by our own reference only."""
        (send,) = [s for s in self.meta.sends() if s["opaque"].startswith((id + ".", id.removeprefix("msg_") + "."))]
        self.meta.tell("status", {"wamid": send["wamid"], "status": state})

    def becomes(self, id, *states, sends=None, seconds=30):
        """Waits for one of the states at the API; the desk hears the same, over all its sockets."""
        state = until(f"{id} to be {' or '.join(states)}", lambda: (s := self.state(id)) in states and s, seconds)
        until(f"the desk hears that {id} is {state}", lambda: self.receipts(id, state))
        if sends is not None:
            equal(self.sends(id), sends, f"requests that Meta accepted for {id}, which is {state}")
        return state

    def differences(self):
        """belfryd's own recount of every conversation, now: counters against state bytes."""
        found = {c["id"]: self.relay.fcall("recount", c["id"].removeprefix("conv_")) for c in self.house.all("/conversations")}
        equal({id: answer for id, answer in found.items() if answer != ["ok", 0]}, {}, "conversations whose counters differ from their messages")
        return len(found)

    def nothing_queued(self):
        until("nothing is queued any more", lambda: not any(m["dir"] == "out" and m["state"] == "queued" for m in self.everything()), 40, every=0.2)

    def end(self):
        """Nothing waits for ever, nothing is lost or doubled, whatever happened before."""
        h = self.house
        self.meta.tell("faults", {"slow_ms": 0, "errors": {}})
        last = [self.say(conversation, gen, f"The last word in {conversation}")[1] for conversation, gen in self.open_conversations]
        self.nothing_queued()
        for id in last:
            equal((self.state(id), self.sends(id)), ("sent", 1), f"the last word {id}")
        count = self.differences()
        out = [m for m in self.everything() if m["dir"] == "out"]
        for m in out:
            if m["state"] in SENT:
                equal(self.sends(m["id"]), 1, f"{m['id']}, which is {m['state']}: requests that Meta accepted")
        stats = self.meta.ask("stats")
        equal(stats["sends_doubled"], 0, "sends doubled")
        was = h.metric("belfry_recounts_total")
        until("belfryd has recounted all", lambda: h.metric("belfry_recounts_total") - was >= count, 60, every=0.5)
        equal(h.metric("belfry_messages_unaccounted"), 0, "belfry_messages_unaccounted")
        checked = h.check(h.dir / "meta.journal", h.dir / "test.journal")
        equal((checked["missing"], checked["doubled"]), (0, 0), f"missing and doubled {checked}")
        states = collections.Counter(m["state"] for m in out)
        say(f"{count} conversations, {h.starts} starts; yes {checked['yes_heard']}, acks {checked['replies_acked']}, sends {checked['sends_seen']}; out {dict(states)}")
        equal(self.desk.gaps, [], "event ids")
        no_double_owner(h)
        self.meta.stop()
        equal(h.stop(), 0, "exit code")


@contextlib.contextmanager
def scene(shards):
    with external_redis() as url:
        relay = Relay(url)
        try:
            with house(redis=relay.url, shards=shards) as h:
                s = Scene(h, relay)
                yield s
                s.end()
        finally:
            relay.close()


# ------------------------------------------------------------------------------------- a, b: the webhook and its FCALL ingest


def post(s, body, answers):
    try:
        answers.append(s.house.webhook(body).status)
    except (OSError, http.client.HTTPException) as lost:
        answers.append(type(lost).__name__)


def ingest(s, when):
    """Three messages in one POST; the second ingest is stopped. `when` the function runs: never, before the restart, after the repeat, or it ran and the
    answer did not come."""
    who = s.citizen()
    elements = [message(who, f"{when} {i}") for i in range(3)]
    body, ids = envelope(change(elements)), [e["id"] for e in elements]
    trap = s.relay.trap("ingest", "after" if when == "stored" else "before", "hold", skip=1)
    answers = []
    posting = threading.Thread(target=post, args=(s, body, answers))
    posting.start()
    trap.wait()
    s.kill()
    posting.join(20)
    assert answers and answers[0] != 200, f"acknowledged, though not all was stored: {answers}"
    if when == "written":
        trap.release()
    s.restart()
    before = s.holding(*ids)
    wanted = {"never": (1,), "written": (2,), "late": (1,), "stored": (2, 3)}[when]
    assert len(before) in wanted, (when, before)
    until("the repeat is accepted", lambda: s.house.webhook(body).status == 200)
    for id in ids:
        s.note(k="yes", wamid=id)
    if when == "late":
        equal(trap.release(), "dup", "the late ingest")
    equal(s.house.webhook(body).status, 200, "one repeat more")
    equal(sorted(s.holding(*ids)), sorted(ids), "each message, once")
    s.differences()
    say(f"ingest {when}: the provider heard {answers[0]}; {len(before)} of 3 were stored; after the repeat each is there once")


def ingest_of_meta(s, at):
    """The same with the provider itself, which repeats until it hears a yes."""
    said = s.meta.ask("stats")["webhook_codes"].get("200", 0)
    trap = s.relay.trap("ingest", at, "hold")
    wamid = s.meta.citizen(s.citizen(), f"{at} of Meta's own")
    trap.wait()
    s.kill()
    equal(s.meta.ask("stats")["webhook_codes"].get("200", 0), said, "yes heard before the message was safe")
    s.restart()
    until("Meta has heard its yes", lambda: s.meta.ask("stats")["pending"] == 0, 40)
    equal(s.holding(wamid), [wamid], "the message")


def webhooks(shards):
    with scene(shards) as s:
        for when in ("never", "written", "late", "stored"):
            ingest(s, when)
        for at in ("before", "after"):
            ingest_of_meta(s, at)


# ------------------------------------------------------------------------------- c: claimed, and no byte sent to the provider


def claims(words, answer):
    return isinstance(answer, list) and answer[:1] == ["ok"] and len(answer) > 1


def under_lease(words, answer):
    return words[13] != ""  # the lease epoch: this shard owns the lane and would send at once


def claimed_at_once(words, answer):
    return isinstance(answer, list) and answer[:1] == ["ok"] and answer[3] == 1


def stop_at_reply(s, at, when=None, then="hold"):
    """Replies until one is stopped: with several shards only the owner of the lane claims at once, so tabs are opened until one is his."""
    conversation, gen = s.talk()
    trap = s.relay.trap("reply", at, then, when)
    for attempt in range(40):
        text = f"reply {at} {attempt}"
        client_id, _ = s.say(conversation, gen, text, wait=False)
        until("the reply is stopped or answered", lambda: trap.sprung.is_set() or s.heard(client_id))
        if trap.sprung.is_set():
            return trap, conversation, gen, client_id, text
        equal(s.heard(client_id)["t"], "ack", "a reply that went through")
        s.becomes(s.heard(client_id)["id"], "sent", sends=1)  # nothing of the conversation is in flight when the next one comes
        s.resume()
    raise AssertionError("no reply was claimed at once in 40 attempts")


def stop_at_claim(s, at, then="hold"):
    """Two replies, the first one answered slowly: the second waits for its turn, and its owner claims it then."""
    conversation, gen = s.talk()
    s.meta.tell("faults", {"slow_ms": 1000})
    first = s.say(conversation, gen, "first of two")[1]
    until("Meta has accepted the first one", lambda: s.sends(first) == 1, every=0.005)
    waits = lambda words, answer: s.relay.ask("LLEN", "{belfry}:out:city:1") > 0
    trap = s.relay.trap("claim", at, then, claims if at == "after" else waits)
    client_id, second = s.say(conversation, gen, "second of two")
    trap.wait()
    s.meta.tell("faults", {"slow_ms": 0})
    return trap, conversation, gen, client_id, first, second


def claimed_by_reply(s, when):
    """`when` the function ran: never, after the kill (its lease still counts), after the restart (it does not any more), or before the kill."""
    trap, conversation, gen, client_id, text = stop_at_reply(s, "after" if when == "stored" else "before", claimed_at_once if when == "stored" else under_lease)
    s.kill()
    assert s.heard(client_id) is None, "acknowledged to the desk before it was safe"
    late = trap.release() if when == "written" else None
    s.restart()
    if when == "late":
        late = trap.release()
    replies = [m for m in s.log(conversation) if m.get("text") == text]
    equal(len(replies), 0 if when == "never" else 1, "what is there before the desk repeats it")
    id = s.again(client_id, conversation, gen, text)
    if when != "never":
        equal(id, replies[0]["id"], "the repeat with the same client_id is the same message")
    # Claimed by the one who died: it may have been sent, nobody sends it again. Not claimed: it is sent, once.
    claimed = when == "stored" or (late is not None and late[3] == 1)
    equal(claimed, when in ("written", "stored"), "a lease counts until the restart, and not after it")
    state = s.becomes(id, "uncertain", sends=0) if claimed else s.becomes(id, "sent", sends=1)
    equal([m["text"] for m in s.log(conversation)].count(text), 1, "the reply in the log")
    say(f"reply, run {when}: {'claimed' if claimed else 'not claimed'} by the dead; {state}, Meta accepted {s.sends(id)}")
    return id, state


def claimed_by_owner(s, when):
    trap, conversation, gen, client_id, first, second = stop_at_claim(s, "after" if when == "stored" else "before")
    s.kill()
    late = trap.release() if when == "written" else None
    s.restart()
    if when == "late":
        late = trap.release()
        equal(late, ["lost"], "a claim under a lease of before the restart")
    claimed = when == "stored" or (late is not None and claims((), late))
    equal(claimed, when in ("written", "stored"), "a lease counts until the restart, and not after it")
    state = s.becomes(second, "uncertain", sends=0) if claimed else s.becomes(second, "sent", sends=1)
    equal((s.state(first), s.sends(first)), ("sent", 1), "the first one")
    equal(s.again(client_id, conversation, gen, "second of two"), second, "the repeat with the same client_id")
    say(f"claim, run {when}: {'claimed' if claimed else 'not claimed'} by the dead; {state}, Meta accepted {s.sends(second)}")
    return second, state


def returned(s, when):
    """Meta refuses a reply for now; it is claimed until it has been put back."""
    conversation, gen = s.talk()
    s.meta.tell("faults", {"errors": {"130429": 1}})
    trap = s.relay.trap("put_back", "after" if when == "stored" else "before", "hold")
    client_id, id = s.say(conversation, gen, f"refused, put back {when}")
    trap.wait()
    s.kill()
    s.meta.tell("faults", {"errors": {}})
    if when == "written":
        trap.release()
    s.restart()
    if when == "late":
        s.becomes(id, "uncertain", sends=0)
        trap.release()
    state = s.becomes(id, "sent", sends=1) if when in ("written", "stored") else s.becomes(id, "uncertain", sends=0)
    equal(s.again(client_id, conversation, gen, f"refused, put back {when}"), id, "the repeat with the same client_id")
    say(f"put_back, run {when}: {state}, Meta accepted {s.sends(id)}")
    return id, state


def claimed(shards):
    with scene(shards) as s:
        found = [way(s, when) for way in (claimed_by_reply, claimed_by_owner, returned) for when in ("never", "written", "late", "stored")]
        # Nobody sends an uncertain reply for us, not even after its turn has passed to the next one.
        uncertain = [id for id, state in found if state == "uncertain"]
        assert len(uncertain) >= 2, found
        for conversation, gen in s.open_conversations:
            s.say(conversation, gen, f"The next word in {conversation}")
        s.nothing_queued()
        equal([(id, s.state(id)) for id, _ in found], found, "states, when those after them have been sent")
        equal([s.sends(id) for id in uncertain], [0] * len(uncertain), "requests that Meta accepted for the uncertain ones")


# ------------------------------------------------------------------------------------ d: bytes have left, nothing is settled


def byte_sent(s):
    """Meta has accepted the request, and not answered yet."""
    conversation, gen = s.talk()
    s.meta.tell("faults", {"slow_ms": 60_000})
    client_id, id = s.say(conversation, gen, "accepted, not answered")
    until("Meta has accepted it", lambda: s.sends(id) == 1)
    s.kill()
    s.meta.tell("faults", {"slow_ms": 0})
    s.restart()
    s.becomes(id, "uncertain", sends=1)
    equal(s.again(client_id, conversation, gen, "accepted, not answered"), id, "the repeat with the same client_id")
    s.status(id, "delivered")
    s.becomes(id, "delivered", sends=1)
    say("accepted by Meta, its answer not read: uncertain, then delivered by its status; accepted once")


def answered(s, when):
    """Meta's 200 is here; the settle is not: `when` it runs never, before the restart, after it, or it ran and its answer did not come."""
    conversation, gen = s.talk()
    trap = s.relay.trap("settle", "after" if when == "stored" else "before", "hold")
    client_id, id = s.say(conversation, gen, f"answered, settled {when}")
    trap.wait()
    equal(s.sends(id), 1, "Meta accepted it")
    s.kill()
    if when == "written":
        equal(trap.release(), ["ok", 1], "the settle")
    s.restart()
    if when == "late":
        s.becomes(id, "uncertain", sends=1)
        trap.release()
    state = s.becomes(id, "sent" if when in ("written", "stored") else "uncertain", sends=1)
    for news in ("delivered", "read"):
        s.status(id, news)
        s.becomes(id, news, sends=1)
    say(f"answered by Meta, settle ran {when}: {state}, then delivered and read by its statuses; accepted once")


def status_webhook(s, at):
    """A status is settled, or not yet, and its webhook not answered: it comes again, and moves the message once."""
    conversation, gen = s.talk()
    id = s.say(conversation, gen, f"status {at}")[1]
    s.becomes(id, "sent", sends=1)
    said = s.meta.ask("stats")["webhook_codes"].get("200", 0)
    trap = s.relay.trap("settle", at, "hold")
    s.status(id, "delivered")
    trap.wait()
    s.kill()
    equal(s.meta.ask("stats")["webhook_codes"].get("200", 0), said, "yes heard before the status was safe")
    s.restart()
    s.becomes(id, "delivered", sends=1)
    until("Meta has heard its yes", lambda: s.meta.ask("stats")["pending"] == 0, 40)
    equal(len(s.receipts(id, "delivered")), 1, "receipts `delivered` at the desk")


def sent(shards):
    with scene(shards) as s:
        byte_sent(s)
        for when in ("never", "written", "late", "stored"):
            answered(s, when)
        for at in ("before", "after"):
            status_webhook(s, at)


# --------------------------------------------------------------------------------------- answers that are lost, nobody dies


def repeated(s, client_id, conversation, gen, text):
    """The desk hears no yes while it is not sure, and then repeats with the same client_id until it is."""
    until("the desk hears what became of it", lambda: s.desk.closed is not None or s.heard(client_id))
    if s.desk.closed is None:
        equal(s.heard(client_id)["t"], "nack", "the answer to a reply whose outcome is not known")
    id = s.again(client_id, conversation, gen, text)
    equal([m["text"] for m in s.log(conversation)].count(text), 1, "the reply in the log")
    return id


def lost_reply(s, at, late=False):
    trap, conversation, gen, client_id, text = stop_at_reply(s, at, claimed_at_once if at == "after" else under_lease, "cut")
    id = repeated(s, client_id, conversation, gen, text)
    s.becomes(id, "sent", sends=1)
    if late:
        equal(trap.release()[0], "repeat", "the late reply")
        s.becomes(id, "sent", sends=1)
    say(f"reply lost {at} it ran{', and run late' if late else ''}: sent once")


def lost_claim(s, at, late=False):
    trap, conversation, gen, client_id, first, second = stop_at_claim(s, at, "cut")
    if late:
        time.sleep(1.5)  # by now belfryd is back and has renewed its lease; this is not what is asserted
        say("the late claim hears", trap.release()[:1])
    s.becomes(second, "sent", sends=1)
    equal(s.sends(first), 1, "the first one")
    say(f"claim lost {at} it ran{', and run late' if late else ''}: sent once")


def lost_settle(s, at, late=False):
    conversation, gen = s.talk()
    trap = s.relay.trap("settle", at, "cut")
    id = s.say(conversation, gen, f"settle lost {at}")[1]
    trap.wait()
    s.becomes(id, "sent", sends=1)
    if late:
        trap.release()
        equal(s.state(id), "sent", "after the late settle")
    equal(len(s.receipts(id)), 1, "receipts at the desk")
    s.status(id, "delivered")
    s.becomes(id, "delivered", sends=1)
    say(f"settle lost {at} it ran{', and run late' if late else ''}: sent once, settled once")


def lost_put_back(s, at, late=False):
    conversation, gen = s.talk()
    s.meta.tell("faults", {"errors": {"130429": 1}})
    trap = s.relay.trap("put_back", at, "cut")
    id = s.say(conversation, gen, f"put back, lost {at}")[1]
    trap.wait()
    s.meta.tell("faults", {"errors": {}})
    if late:
        time.sleep(1.5)
        trap.release()
    s.becomes(id, "sent", sends=1)
    say(f"put_back lost {at} it ran{', and run late' if late else ''}: sent once")


def lost_renew(s, at, late=False):
    """The reply that claimed has no answer, and neither has the call that is to put that right."""
    reply, conversation, gen, client_id, text = stop_at_reply(s, "after", claimed_at_once, "cut")
    trap = s.relay.trap("renew", at, "cut").wait()
    id = repeated(s, client_id, conversation, gen, text)
    s.becomes(id, "sent", sends=1)
    if late:
        equal(trap.release(), ["lost"], "a renew of an epoch that is over")
    s.becomes(id, "sent", sends=1)
    say(f"reply lost, and then renew {at} it ran{', and run late' if late else ''}: sent once")


def lost_by_api(s, at):
    """The API hears no 202 while it is not sure; its repeat with the same Idempotency-Key is the same message."""
    s.house.ready()  # the link that the case before cut is back
    conversation, gen = s.talk()
    trap = s.relay.trap("reply", at, "cut")
    text, answers = f"by API, lost {at}", []

    def ask():
        answers.append(s.house.api("POST", "/messages", {"conversation": conversation, "text": text}, Idempotency_Key=f"lost-{at}-{conversation}"))
        return answers[-1].status == 202

    ask()
    trap.wait()
    equal(answers[0].status, 503, "the answer to a message whose outcome is not known")

    s.house.ready()  # the link is back; the key is free within the second
    until("the repeat is accepted", ask, 10, every=0.5)
    heard = [a.status for a in answers]
    assert set(heard) <= {503, 409, 202} and heard.count(409) <= 4, answers
    id = answers[-1].json["id"]
    assert ask() and answers[-1].json["id"] == id, answers[-1]
    equal([m["text"] for m in s.log(conversation)].count(text), 1, "the message in the log")
    s.becomes(id, "sent", sends=1)
    say(f"reply of the API lost {at} it ran: heard {dict(collections.Counter(heard))}, sent once")


def lost_ingest(s, at):
    s.house.ready()  # the link that the case before cut is back
    who = s.citizen()
    element = message(who, f"lost {at}")
    body = envelope(change([element]))
    trap = s.relay.trap("ingest", at, "cut")
    equal(s.house.webhook(body).status, 503, "a webhook whose outcome is not known")
    trap.wait()
    until("the repeat is accepted", lambda: s.house.webhook(body).status == 200)
    s.note(k="yes", wamid=element["id"])
    if at == "before":
        equal(trap.release(), "dup", "the late ingest")
    equal(s.holding(element["id"]), [element["id"]], "the message")


def silent(s, function):
    """The link stays open and nothing comes: at its deadline belfryd closes it, and by then the lease may be another shard's. Then the reply may be
    `uncertain`; it is never sent twice."""
    when = {"reply": claimed_at_once, "claim": claims}.get(function)
    if function == "reply":
        trap, conversation, gen, client_id, text = stop_at_reply(s, "after", when)
        id = repeated(s, client_id, conversation, gen, text)
    elif function == "claim":
        id = stop_at_claim(s, "after")[-1]
    else:
        conversation, gen = s.talk()
        if function == "put_back":
            s.meta.tell("faults", {"errors": {"130429": 1}})
        trap = s.relay.trap(function, "after", "hold")
        id = s.say(conversation, gen, f"silent {function}")[1]
        trap.wait()
        s.meta.tell("faults", {"errors": {}})
    state = s.becomes(id, "sent", "uncertain", seconds=40)
    s.nothing_queued()
    assert s.sends(id) in ((1,) if state == "sent" or function == "settle" else (0, 1)), (function, state, s.sends(id))
    say(f"{function}, and silence: {state}, Meta accepted {s.sends(id)}")


def lost(shards):
    with scene(shards) as s:
        for at in ("before", "after"):
            lost_ingest(s, at)
            lost_by_api(s, at)
        for way in (lost_reply, lost_claim, lost_settle, lost_put_back, lost_renew):
            for at, late in (("after", False), ("before", False), ("before", True)):
                way(s, at, late)
        for function in ("reply", "claim", "settle", "put_back"):
            silent(s, function)
        equal(s.house.starts, 1, "starts of belfryd")


if __name__ == "__main__":
    run(*((f"{name}, shards {shards}", functools.partial(test, shards)) for shards in (1, 3) for name, test in (
        ("a webhook's message, stored or not, and no answer", webhooks), ("a reply is claimed and no byte sent", claimed),
        ("bytes were sent and nothing settled", sent), ("answers of Redis are lost", lost))))
