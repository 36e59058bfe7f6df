#!/usr/bin/env python3
"""The SMS road against an SMSC that Belfry did not write (npm's `smpp`, loadtest/peers/smsc.mjs): binds, submits, receipts in their
forms, long messages both ways, throttling, lost links, words. Usage: sms_test.py BIN_DIR"""
import functools
from belfry import *

class Town:
    def __init__(self, shards):
        self.shards = shards
        self.numbers, self.taken = itertools.count(491600000001), set()

    def wake(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="belfry-live-sms-"))
        self.smsc = Smsc(self.home, "--password", "s3cret12")
        (self.home / "password").write_text("s3cret12\n")
        (self.home / "password").chmod(0o600)
        more = "".join(f"""
[[smpp]]
id = "{id}"
host = "127.0.0.1"
port = {self.smsc.port}
system_id = "belfry"
password_file = "{self.home}/password"
source = "12345"
window = 10
rate = 500
enquire_link = "1s"
response_timeout = "2s"
queue = "hall"
{also}""" for id, also in (("sms", 'segment_price = "0.045 EUR"'), ))
        self.house = House(shards=self.shards, more=more)
        h = self.house.start()
        self.keys = h.people("ana", queues=("hall",), capacity=40)
        h.ready()
        self.ana = Desk(h, self.keys[0])
        self.ana.be_ready()
        until("a bind", lambda: self.smsc.get("seen")["binds"] >= 1)

    def citizen(self):
        return str(next(self.numbers))

    def open(self, text="Good morning", **more):
        who = self.citizen()
        equal(self.smsc.deliver(who, text, **more), 0, "the answer to deliver_sm")
        return who, *self.take()

    def take(self):
        conversation, gen = self.ana.take(lambda f: f["conversation"] not in self.taken)
        self.taken.add(conversation)
        return conversation, gen

    def say(self, conversation, gen, text):
        return self.ana.do("reply", conversation=conversation, gen=gen, text=text)

    def log(self, conversation):
        return self.house.all(f"/conversations/{conversation}/messages")

    def send(self, to, text, **more):
        answer = self.house.api("POST", "/messages", {"account": "sms", "to": "+" + to, "text": text, **more})
        return answer

    def state(self, id):
        return self.house.get("/messages/" + id)

    def sleep(self):
        h = self.house
        equal(self.ana.gaps, [], "event ids without a hole")
        equal(h.metric("belfry_messages_unaccounted"), 0, "belfry_messages_unaccounted")
        equal(h.stop(), 0, "belfryd's exit code")
        seen = self.smsc.get("seen")
        say(f"{len(self.smsc.submits())} submits, {seen}")
        equal(seen["sessions"], 0, "sessions after a graceful stop")
        assert seen["unbinds"] >= 1, seen
        h.cleanup()
        self.smsc.process.stdin.close()
        shutil.rmtree(self.home, ignore_errors=True)


def a_message_comes_and_is_answered(t):
    who, conversation, gen = t.open("There is no water @ Mill Lane".replace("@", "\0"))
    (message,) = t.log(conversation)
    equal((message["text"], message["dir"]), ("There is no water @ Mill Lane", "in"), "what came")
    t.smsc.tell("behave", receipts="text", stat="DELIVRD")
    t.say(conversation, gen, "We are on our way. 5 € [sic]")
    sent = until("a submit", lambda: t.smsc.submits(who))[0]
    equal((sent["source_addr"], sent["data_coding"], bytes.fromhex(sent["raw"])), ("12345", 0, b"We are on our way. 5 \x1be \x1b<sic\x1b>"), "submit_sm")
    until("delivered", lambda: t.log(conversation)[-1]["state"] == "delivered")
    equal(t.log(conversation)[-1]["provider_id"], sent["id"], "provider_id")
    t.smsc.tell("behave", receipts="none")


def receipts_in_their_forms(t):
    for form in ({"receipts": "tlv"}, {"receipts": "text"}, {"receipts": "text", "early": True}, {"receipts": "tlv", "stat": "UNDELIV"}):
        t.smsc.tell("behave", **{"stat": "DELIVRD", "early": False, **form})
        id = t.send(t.citizen(), "A notice").json["id"]
        wanted = "failed" if form.get("stat") == "UNDELIV" else "delivered"
        until(f"{wanted} by {form}", lambda: t.state(id)["state"] == wanted)
    t.smsc.tell("behave", receipts="none", early=False, stat="DELIVRD")


def long_texts_go_and_come(t):
    t.smsc.tell("behave", receipts="text")
    who = t.citizen()
    text = "Привет, " + "вода будет завтра в девять. " * 6 + "🚰"
    id = t.send(who, text).json["id"]
    units = len(text.encode("utf-16-be")) // 2
    parts = until("all its segments", lambda: (lambda s: s if len(s) == -(-units // 67) else None)(t.smsc.submits(who)))
    heads = [bytes.fromhex(p["raw"])[:6] for p in parts]
    assert all(h[:3] == b"\x05\x00\x03" and h[4] == len(parts) for h in heads) and [h[5] for h in heads] == list(range(1, len(parts) + 1)), heads
    equal(b"".join(bytes.fromhex(p["raw"])[6:] for p in parts).decode("utf-16-be"), text, "what the handset reads")
    until("delivered when all are", lambda: t.state(id)["state"] == "delivered")
    t.smsc.tell("behave", receipts="none")
    # A citizen's, in three parts that come in the wrong order; the emoji is cut in two.
    who = t.citizen()
    octets = ("A" * 66 + "🌊" + "B" * 80).encode("utf-16-be")
    pieces = [octets[i:i + 134] for i in range(0, len(octets), 134)]
    for n in (2, 3, 1):
        udh = bytes([5, 0, 3, 77, len(pieces), n])
        equal(t.smsc.deliver(who, octets=pieces[n - 1], udh=udh.hex(), coding=8, esm_class=0x40), 0, f"part {n}")
    conversation, gen = t.take()
    (message,) = t.log(conversation)
    equal(message["text"], "A" * 66 + "🌊" + "B" * 80, "the whole")
    equal(t.smsc.deliver(who, octets=pieces[0], udh=bytes([5, 0, 3, 77, len(pieces), 1]).hex(), coding=8, esm_class=0x40), 0, "a part again")
    equal(len(t.log(conversation)), 1, "messages after a part came again")


def the_same_word_twice_is_two_messages(t):
    who, conversation, gen = t.open("yes")
    equal(t.smsc.deliver(who, "yes"), 0, "the second yes")
    until("both", lambda: len(t.log(conversation)) == 2)


def throttled_and_full_queues_pass(t):
    t.smsc.tell("behave", throttle=3)
    ids = [t.send(t.citizen(), f"Notice {i}").json["id"] for i in range(5)]
    for id in ids:
        until("sent after throttling", lambda: t.state(id)["state"] == "sent")
    t.smsc.tell("behave", status={"0x0B": 1})
    id = t.send(t.citizen(), "To nobody").json["id"]
    until("failed", lambda: t.state(id)["state"] == "failed")
    equal(t.state(id)["reason"], "RINVDSTADR (0x0B)", "why")
    t.smsc.tell("behave", status={"0x08": 1})
    id = t.send(t.citizen(), "Later").json["id"]
    until("sent in the second try", lambda: t.state(id)["state"] == "sent", 30)


def an_unknown_outcome_is_told_and_cleared_by_its_receipt(t):
    t.smsc.tell("behave", drop=1, receipts="text")
    who, conversation, gen = t.open("Are you there?")
    t.smsc.tell("behave", drop=1, receipts="text")
    t.say(conversation, gen, "Yes")
    until("uncertain", lambda: t.log(conversation)[-1]["state"] == "uncertain")
    until("a bind again", lambda: t.smsc.get("seen")["sessions"] == 1)
    until("delivered, as the receipt says", lambda: t.log(conversation)[-1]["state"] == "delivered")
    equal(len(t.smsc.submits(who)), 1, "submits of one reply")
    t.smsc.tell("behave", receipts="none", mute=1)
    t.say(conversation, gen, "Still")
    until("uncertain without an answer", lambda: t.log(conversation)[-1]["state"] == "uncertain")


def a_reference_in_a_receipt_says_whose_it_is(t):
    t.smsc.tell("behave", receipts="none", mute=2)
    who = t.citizen()
    ids = [t.send(who, text).json["id"] for text in ("The first", "The second")]
    for id in ids:
        until("uncertain without an answer", lambda: t.state(id)["state"] == "uncertain", 30)
    first, second = t.smsc.submits(who)
    assert None not in (first["reference"], second["reference"]) and first["reference"] != second["reference"], (first, second)
    t.smsc.tell("receipt", id=first["id"])  # both went to one number, and of the second nobody knows more
    until("delivered", lambda: t.state(ids[0])["state"] == "delivered")
    equal(t.state(ids[1])["state"], "uncertain", "the second")
    t.smsc.tell("receipt", id=second["id"])
    until("delivered", lambda: t.state(ids[1])["state"] == "delivered")


def links_come_back(t):
    before = t.smsc.get("seen")
    t.smsc.tell("hangup")
    until("a bind", lambda: t.smsc.get("seen")["binds"] > before["binds"])
    until("enquire_link", lambda: t.smsc.get("seen")["enquire_links"] > before["enquire_links"] + 1)
    id = t.send(t.citizen(), "After it").json["id"]
    until("sent", lambda: t.state(id)["state"] == "sent")


def words_are_heeded(t):
    who = t.citizen()
    equal(t.smsc.deliver(who, "Stop!"), 0, "STOP")
    answer = until("an answer", lambda: t.smsc.submits(who))
    assert b"START" in bytes.fromhex(answer[0]["raw"]), answer
    equal(t.smsc.deliver(who, "STOP"), 0, "STOP again")
    refused = t.send(who, "An offer")
    equal((refused.status, refused.json["code"]), (409, "consent_refused"), "a send after STOP")
    equal(t.smsc.deliver(who, "СТАРТ".encode("utf-16-be").decode("latin-1")), 0, "a word in the wrong alphabet is a message")
    equal(t.smsc.deliver(who, "СТАРТ", coding=8), 0, "START in Russian")
    until("a second answer, in two segments", lambda: len(t.smsc.submits(who)) == 3)
    equal(t.send(who, "Welcome back").status, 202, "a send after START")


def bad_input_is_told_where_it_comes_in(t):
    for body, code in (({"to": "Mill Lane"}, "invalid_recipient"), ({"to": "0151 1234567"}, "invalid_recipient"),
                       ({"to": "+4915112345678", "text": "x" * 39016}, "invalid_content"), ({"to": "+4915112345678", "sms": {"sender": "TWELVE CHARS"}}, "invalid_content"),
                       ({"to": "+4915112345678", "sms": {"colour": 1}}, "invalid_content"), ({"account": "nobody", "to": "+4915112345678"}, "unknown_account")):
        answer = t.house.api("POST", "/messages", {"account": "sms", "text": "x", **body})
        equal((answer.status, answer.json["code"]), (422, code), str(body)[:80])
    said = t.house.ctl("sms", "preview", "Água às 9h, 5 €")
    equal(said, "sms: UCS-2, 1 segment, 15 of 70 used, 0.045 EUR; because of Á", "preview")
    equal(t.house.ctl("account", "test", "sms"), "sms: the SMSC took the bind", "account test")
    t.smsc.tell("behave", refuse=0x0D)
    done = subprocess.run([BIN / "belfryctl", "--config", t.house.config, "account", "test", "sms"], capture_output=True, text=True)
    t.smsc.tell("behave", refuse=0)
    equal((done.returncode, done.stdout.strip()), (1, "sms: the SMSC refused the bind: RBINDFAIL (0x0D), the bind failed"), "a refused bind")


STEPS = (a_message_comes_and_is_answered, receipts_in_their_forms, long_texts_go_and_come, the_same_word_twice_is_two_messages, throttled_and_full_queues_pass,
         an_unknown_outcome_is_told_and_cleared_by_its_receipt, a_reference_in_a_receipt_says_whose_it_is, links_come_back, words_are_heeded, bad_input_is_told_where_it_comes_in)

if __name__ == "__main__":
    if not (PEERS / "node_modules/smpp").exists():
        sys.exit(f"{PEERS}/node_modules has no smpp: run `npm ci` there, as ./dev test does")
    tests = []
    for shards in (1, 3):
        town = Town(shards)
        tests.append((f"the town wakes, shards {shards}", town.wake))
        tests += [(step.__name__.replace("_", " "), functools.partial(step, town)) for step in STEPS]
        tests.append((f"the town sleeps, shards {shards}", town.sleep))
    run(*tests)
