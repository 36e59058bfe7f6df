#!/usr/bin/env python3
"""The WhatsApp road, whole: what Meta posts reaches a desk, what the desk answers reaches Meta, and its statuses come back.
Each step runs with one shard and with three. Usage: road_test.py BIN_DIR"""
import functools, socket
from belfry import *

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001e221bc330000000049454e44ae426082")


class Town:
    """A house, Meta without mischief, and two agents; each citizen writes from a number of his own."""

    def __init__(self, shards):
        self.shards, self.house, self.numbers = shards, None, itertools.count(491511000001)

    def wake(self):
        self.house = House(shards=self.shards)
        h = self.house.start()
        self.meta = h.meta("--calm", "--status-delay", "40ms", "--read-rate", "1", numbers=(NUMBER, SECOND))
        self.keys = h.people("ana", "bob", queues=("hall", "works"), capacity=40)
        h.ready()
        self.ana = Desk(h, self.keys[0])
        equal((self.ana.welcome["agent"], self.ana.welcome["reset"]), ({"id": "agent_ana", "name": "Ana"}, False), "welcome")
        self.bob = Desk(h, self.keys[1])
        self.ana.be_ready()

    def citizen(self):
        return str(next(self.numbers))

    def open(self, text="Good morning", desk=None):
        """A citizen writes and an agent accepts: who wrote, his message's wamid, the conversation, its generation."""
        who = self.citizen()
        wamid = self.meta.citizen(who, text)
        conversation, gen = (desk or self.ana).take(lambda f: f["contact"]["name"].endswith(who[-4:]))
        return who, wamid, conversation, gen

    def log(self, conversation):
        return self.house.all(f"/conversations/{conversation}/messages")

    def sent_to(self, who):
        return [s for s in self.meta.sends() if s["to"] == who]

    def sleep(self):
        h = self.house
        equal(self.ana.gaps + self.bob.gaps, [], "event ids without a hole")
        equal(self.meta.ask("stats")["sends_doubled"], 0, "sends doubled")
        equal(self.meta.ask("stats")["graph_errors"], {}, "what Meta's rules refused")
        equal(h.metric("belfry_messages_unaccounted"), 0, "belfry_messages_unaccounted")
        say(f"{len(self.ana.frames) + len(self.bob.frames)} frames, {len(self.meta.sends())} sends, "
            f"{int(h.metric('belfry_webhook_requests_total'))} webhook requests")
        equal(self.meta.stop(), 0, "belfry-sim's exit code")
        equal(h.stop(), 0, "belfryd's exit code")
        equal(h.redis_servers(), [], "redis-servers after a graceful stop")
        h.cleanup()


def a_message_goes_the_whole_road(t):
    who, wamid, conversation, gen = t.open("There is no water in Mill Lane")
    offer = t.ana.event("offer", conversation=conversation)
    equal((offer["preview"], offer["queue"], offer["channel"], offer["gen"] + 1), ("There is no water in Mill Lane", "queue_hall", "wa", gen), "offer")
    assigned = t.ana.event("assigned", conversation=conversation)
    equal(assigned["gen"], gen, "the generation after accept")
    sent = t.ana.do("reply", conversation=conversation, gen=gen, text="We are coming")["id"]
    for state in ("sent", "delivered", "read"):
        t.ana.event("receipt", message=sent, state=state)
    states = [f["state"] for f in t.ana.events("receipt") if f["message"] == sent]
    equal(states, ["sent", "delivered", "read"], "receipts at the desk")
    (seen,) = t.sent_to(who)
    equal((seen["type"], seen["text"], seen["number"]), ("text", "We are coming", NUMBER), "what Meta heard")
    shown = t.house.get("/messages/" + sent)
    equal((shown["state"], shown["dir"], shown["text"], shown["provider_id"]), ("read", "out", "We are coming", seen["wamid"]), "GET message")
    log = t.log(conversation)
    equal([(m["n"], m["dir"], m["state"]) for m in log], [(1, "in", "stored"), (2, "out", "read")], "the log")
    equal(log[0]["provider_id"], wamid, "the wamid of the first message")
    t.meta.citizen(who, "Thank you")
    t.ana.message(lambda m: m["conversation"] == conversation and m["text"] == "Thank you")


def late_statuses_never_go_back(t):
    who, _, conversation, gen = t.open()
    sent = t.ana.do("reply", conversation=conversation, gen=gen, text="Once read, read")["id"]
    t.ana.event("receipt", message=sent, state="read")
    for state in ("delivered", "sent", "failed"):
        t.meta.tell("status", {"wamid": t.sent_to(who)[0]["wamid"], "status": state})
    until("Meta has nothing to say", lambda: t.meta.ask("stats")["pending"] == 0)
    equal(t.house.get("/messages/" + sent)["state"], "read", "state after late statuses")


def a_duplicate_is_kept_once(t):
    who = t.citizen()
    one, two = message(who, "One"), message(who, "Two")
    t.house.hear(one)
    t.house.hear(one, two, one)
    t.house.hear(two)
    conversation, _ = t.ana.take(lambda f: f["contact"]["name"].endswith(who[-4:]))
    equal([m["text"] for m in t.log(conversation)], ["One", "Two"], "the log after five copies")


def first_messages_at_once_open_one_conversation(t):
    who = t.citizen()
    several = [message(who, f"first {i}") for i in range(8)]
    threads = [threading.Thread(target=t.house.hear, args=(m,)) for m in several for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    conversation, _ = t.ana.take(lambda f: f["contact"]["name"].endswith(who[-4:]))
    equal(sorted(m["text"] for m in t.log(conversation)), sorted(m["text"]["body"] for m in several), "one conversation with all of them")
    equal(len([f for f in t.ana.events("offer") if f["contact"]["name"].endswith(who[-4:])]), 1, "offers")


def who_fails_authentication_hears_one_constant(t):
    body = envelope(change([message(t.citizen(), "forged")]))
    bodies = {t.house.webhook(body, sign=sign).body for sign in
              (False, "sha256=" + "0" * 64, "sha256=", "x", signature(body).upper(), signature(body)[7:], signature(body, "another"), signature(body + b" "))}
    statuses = {t.house.webhook(body, sign=sign).status for sign in (False, "sha256=" + "0" * 64)}
    equal((statuses, len(bodies)), ({401}, 1), f"refusals {bodies}")
    equal(t.house.webhook(b"not JSON either", sign=False).status, 401, "the signature is looked at first")


def bad_requests_have_their_own_answers(t):
    h = t.house
    equal(h.webhook(b"{}", account="nobody").status, 404, "unknown account")
    equal(h.webhook(b"{}", account="").status, 404, "no account")
    before = h.metric("belfry_webhook_requests_total", result="malformed")
    for what, body in (("not JSON", b"hello"), ("half", b'{"object":'), ("empty", b""), ("too deep", b"[" * 5000 + b"]" * 5000), ("no UTF-8", b'{"a":"\xff"}')):
        equal(h.webhook(body).status, 400, what)
    until("malformed counted", lambda: h.metric("belfry_webhook_requests_total", result="malformed") - before == 5, 10)
    equal(request(h.address, "PUT", "/webhooks/whatsapp/city", b"").status, 405, "another method")
    # Only the head is sent: the answer must not wait for the body.
    for size in (4 << 20) + 1, 1 << 40:
        equal(answer_to_a_head(h, size), b"HTTP/1.1 413", f"a body of {size} octets")
    big = envelope(change([message(t.citizen(), "big")]), {"field": "unknown", "value": {"pad": "y" * ((4 << 20) - 1000)}})
    equal(h.webhook(big).status, 200, f"{len(big)} octets are within the limit")
    t.ana.take()


def answer_to_a_head(house, size):
    with socket.create_connection(("127.0.0.1", house.port), timeout=15) as s:
        s.sendall(f"POST /webhooks/whatsapp/city HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        return s.recv(200)[:12]


def the_limit_of_a_webhook_is_configuration(t):
    with house(limits='[limits]\nwebhook_body = "1MiB"') as h:
        h.start()
        equal(answer_to_a_head(h, (1 << 20) + 1), b"HTTP/1.1 413", "one octet above [limits] webhook_body")
        equal(h.stop(), 0, "exit code")


def meta_shakes_hands(t):
    ask = lambda token: request(t.house.address, "GET", f"/webhooks/whatsapp/city?hub.mode=subscribe&hub.verify_token={token}&hub.challenge=1158201444")
    good = ask(SECRETS["verify_token"])
    equal((good.status, good.body), (200, b"1158201444"), "handshake")
    equal(ask("wrong").status, 403, "handshake with a wrong token")


def a_batch_of_two_numbers_is_filed_by_number(t):
    here, there, nobody = t.citizen(), t.citizen(), t.citizen()
    quarantined = t.house.metric("belfry_webhook_events_total", kind="quarantined")
    body = envelope(change([message(here, "to the hall")]), change([message(there, "to the works")], SECOND), change([message(nobody, "to nobody")], "999"),
                    change([{"from": here, "type": "text"}]), change([message(here, "and again")]))
    equal(t.house.webhook(body).status, 200, "the batch")
    for who, queue, account, texts in ((here, "queue_hall", "city", ["to the hall", "and again"]), (there, "queue_works", "water", ["to the works"])):
        conversation, _ = t.ana.take(lambda f: f["contact"]["name"].endswith(who[-4:]))
        shown = t.house.get("/conversations/" + conversation)
        equal((shown["queue"], shown["account"]), (queue, account), "where it was filed")
        equal([m["text"] for m in t.log(conversation)], texts, "its log")
    until("two quarantined", lambda: t.house.metric("belfry_webhook_events_total", kind="quarantined") - quarantined == 2, 10)


def edits_revokes_and_reactions_find_their_message(t):
    who, wamid, conversation, gen = t.open("Watre is out")
    sent = t.ana.do("reply", conversation=conversation, gen=gen, text="Noted")["id"]
    t.ana.event("receipt", message=sent, state="read")
    ours = t.sent_to(who)[0]["wamid"]
    t.meta.citizen(who, message={"type": "edit", "edit": {"original_message_id": wamid, "message": {"type": "text", "text": {"body": "Water is out"}}}})
    t.meta.citizen(who, message={"type": "reaction", "reaction": {"message_id": ours, "emoji": "👍"}})
    t.meta.citizen(who, message={"type": "revoke", "revoke": {"original_message_id": wamid}})
    for kind, of in (("edit", wamid), ("reaction", ours), ("revoke", wamid)):
        heard = t.ana.message(lambda m: m["conversation"] == conversation and m["type"] == kind, kind)["message"]
        equal(heard.get("of"), of, f"what the {kind} is about")
    log = t.log(conversation)
    equal([m["type"] for m in log], ["text", "text", "edit", "reaction", "revoke"], "the log")
    equal((log[2]["text"], log[3]["text"]), ("Water is out", "👍"), "words of edit and reaction")


def a_picture_is_fetched_and_served(t):
    h = t.house
    about = {"id": t.meta.tell("media", PNG, Content_Type="image/png")["id"], "mime_type": "image/png",
             "sha256": base64.b64encode(hashlib.sha256(PNG).digest()).decode(), "caption": "the leak"}
    who, _, conversation, gen = t.open()
    t.meta.citizen(who, message={"type": "image", "image": about})
    first = t.ana.message(lambda m: m["conversation"] == conversation and m["type"] == "image")["message"]
    t.ana.message(lambda m: m["id"] == first["id"] and "id" in m["media"], "the picture, ready")
    got = h.api("GET", "/media/" + first["id"], key=t.keys[0])
    equal((got.status, got.body), (200, PNG), "the picture")
    equal((got.headers["content-disposition"].split(";")[0], got.headers["x-content-type-options"]), ("attachment", "nosniff"), "its headers")
    assert "sandbox" in got.headers["content-security-policy"], got.headers
    equal(h.api("GET", "/media/" + first["id"], key=h.ctl("key", "add", "--role", "alert_author")).status in (403, 404), True, "who may not see it")
    equal(request(h.address, "GET", "/api/v1/media/" + first["id"]).status, 401, "who shows no key")
    # The same octets again, under another id of Meta's, and as a file that belongs to nobody.
    equal(h.api("GET", "/media/msg_999.1").status, 404, "no such message")


def every_kind_of_content_goes_out(t):
    h = t.house
    who, wamid, conversation, gen = t.open()
    up = h.api("POST", "/media?filename=plan.png", PNG, key=t.keys[0], Content_Type="image/png")
    equal(up.status, 201, f"upload {up}")
    contents = [
        ("template", {"template": {"name": "pipe_mended", "language": "en", "parameters": ["Mill Lane"]}}),
        ("image", {"media": {"kind": "image", "id": up.json["id"], "mime": "image/png"}, "text": "Here"}),
        ("interactive", {"text": "Is it better?", "buttons": [{"id": "y", "title": "Yes"}, {"id": "n", "title": "No"}]}),
        ("interactive", {"text": "Which street?", "list": {"button": "Streets", "sections": [{"title": "All", "rows": [{"id": "1", "title": "Mill Lane"}]}]}}),
        ("location", {"location": {"latitude": 52.5, "longitude": 13.4, "name": "Works"}}),
        ("reaction", {"reaction": {"message_id": wamid, "emoji": "🙏"}}),
        ("text", {"text": "As you said", "reply_to": wamid}),
    ]
    for kind, fields in contents:
        sent = t.ana.do("reply", conversation=conversation, gen=gen, **fields)["id"]
        # A reaction has no statuses of its own.
        first = t.ana.event("receipt", message=sent)
        equal(first["state"], "sent", f"{kind}: the first receipt {first}")
    sends = t.sent_to(who)
    equal([s["type"] for s in sends], [kind for kind, _ in contents], "what Meta heard, in order")
    equal(sends[-1]["context"], wamid, "what the last one answers")
    assert t.meta.ask("stats")["uploads"] >= 1, "the picture was uploaded"
    for fields in ({"text": " "}, {"text": "x" * 4097}, {"text": "q", "buttons": [{"id": str(i), "title": str(i)} for i in range(4)]}, {"media": {"kind": "image", "id": "media_" + "0" * 64}},
                   {"text": "both", "template": {"name": "a", "language": "en"}, "location": {"latitude": 1, "longitude": 1}}):
        answer = t.ana.command("reply", conversation=conversation, gen=gen, **fields)
        assert answer["t"] == "nack" and 400 <= answer["problem"]["status"] < 500, (fields, answer)
    equal(len(t.log(conversation)), 1 + len(contents), "entries: what was refused left none")


def an_uploaded_file_goes_out_by_its_id_alone(t):
    who, _, conversation, gen = t.open()
    up = t.house.api("POST", "/media?filename=plan.png", PNG, key=t.keys[0], Content_Type="image/png").json
    sent = t.ana.do("reply", conversation=conversation, gen=gen, media={"id": up["id"]}, text="The plan")["id"]
    t.ana.event("receipt", message=sent, state="delivered")
    equal([s["type"] for s in t.sent_to(who)], ["image"], "what Meta heard")


def nobody_sends_a_file_that_is_not_his(t):
    """In whatever place of a content it is named, from the desk and by the API; his own needs nothing but its id."""
    who, _, conversation, gen = t.open()
    upload = lambda key, octets: t.house.api("POST", "/media?filename=plan.png", octets, key=key, Content_Type="image/png").json["id"]
    hers, his, none = upload(t.keys[0], PNG), upload(t.keys[1], PNG + b"his"), "media_" + "0" * 64
    header, y = lambda id: {"media": {"kind": "image", "id": id}}, [{"id": "y", "title": "Yes"}]
    template = {"name": "pipe_mended", "language": "en"}
    places = {
        "media": lambda id: {"media": {"kind": "image", "id": id}, "text": "x"},
        "buttons": lambda id: {"text": "x", "buttons": {"header": header(id), "buttons": y}},
        "link": lambda id: {"text": "x", "link": {"header": header(id), "display_text": "Open", "url": "https://example.org/"}},
        "template": lambda id: {"template": {**template, "header": header(id)}},
    }
    send = lambda fields: t.house.api("POST", "/messages", {"conversation": conversation, **fields}, key=t.keys[0])
    for where, fields in places.items():
        for id in (his, his.removeprefix("media_"), none):
            t.ana.refused("reply", "unknown_media", conversation=conversation, gen=gen, **fields(id))
            answer = send(fields(id))
            equal((answer.status, answer.json["code"]), (422, "unknown_media"), f"{where}: {answer}")
    # Where it is not looked for, it is refused: as Meta's own, and as media that is none.
    own = {"template": {**template, "components": [{"type": "header", "parameters": [{"type": "image", "image": {"id": his}}]}]}}
    disguised = {"media": {"kind": "buttons", "header": header(his), "buttons": y}, "text": "x"}
    for what in (own, disguised):
        answer = t.ana.command("reply", conversation=conversation, gen=gen, **what)
        assert answer["t"] == "nack" and answer["problem"]["status"] in (400, 422), (what, answer)
        equal(send(what).status, 422, f"{what}")
    equal(len(t.log(conversation)), 1, "entries: what was refused left none")
    for where, fields in places.items():
        sent = t.ana.do("reply", conversation=conversation, gen=gen, **fields(hers))["id"]
        t.ana.event("receipt", message=sent, state="delivered")
    equal([s["type"] for s in t.sent_to(who)], ["image", "interactive", "interactive", "template"], "what Meta heard")


def a_closed_window_takes_only_a_template(t):
    who = t.citizen()
    t.house.hear(message(who, "From yesterday", at=time.time() - 25 * 3600))
    conversation, gen = t.ana.take(lambda f: f["contact"]["name"].endswith(who[-4:]))
    problem = t.ana.refused("reply", "window_closed", conversation=conversation, gen=gen, text="Too late")
    assert "template" in problem["detail"], problem
    sent = t.ana.do("reply", conversation=conversation, gen=gen, template={"name": "hello_again", "language": "en"})["id"]
    t.ana.event("receipt", message=sent, state="delivered")
    t.house.hear(message(who, "I am back"))
    t.ana.message(lambda m: m["conversation"] == conversation and m.get("text") == "I am back")
    t.ana.do("reply", conversation=conversation, gen=gen, text="Open again")


def commands_are_guarded_and_repeatable(t):
    who, _, conversation, gen = t.open()
    stale = t.ana.refused("reply", "stale_generation", conversation=conversation, gen=gen - 1, text="stale")
    equal(stale["now"], {"gen": gen, "state": "active", "owner": "agent_ana"}, "now")
    t.bob.be_ready()
    equal(t.bob.command("reply", conversation=conversation, gen=gen, text="not mine")["t"], "nack", "a reply of another")
    t.bob.do("availability", value="paused")
    acks = [t.ana.command("reply", client_id="the-same", conversation=conversation, gen=gen, text="Only once") for _ in range(3)]
    again = Desk(t.house, t.keys[0])
    acks.append(again.command("reply", client_id="the-same", conversation=conversation, gen=gen, text="Only once"))
    again.close()
    equal({(a["t"], a["id"]) for a in acks}, {("ack", acks[0]["id"])}, "the same ack each time, also at another tab")
    t.ana.event("receipt", message=acks[0]["id"], state="delivered")
    equal(len(t.sent_to(who)), 1, "sends")
    nothing = t.ana.command("accept", conversation="conv_999999", gen=1)
    equal((nothing["t"], nothing["problem"]["status"]), ("nack", 404), "an unknown conversation")
    t.ana.send({"t": "ping"})
    t.ana.wait(lambda f: f["t"] == "pong", "pong")


def a_bad_frame_is_answered_by_its_client_id(t):
    _, _, conversation, _ = t.open()
    t.ana.send({"t": "reply", "client_id": "no-gen", "conversation": conversation, "text": "x"})
    equal(t.ana.wait(lambda f: f["t"] == "nack" and f["client_id"] == "no-gen", "nack", 5)["problem"]["status"], 400, "a reply without gen")


def note_park_transfer_resolve(t):
    who, _, conversation, gen = t.open()
    note = t.ana.do("note", conversation=conversation, text="Knows the mayor")["id"]
    heard = t.ana.message(lambda m: m["id"] == note)["message"]
    equal((heard["dir"], heard["text"]), ("note", "Knows the mayor"), "note")
    # Parked until a moment from now: it wakes by itself.
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
    t.ana.do("park", conversation=conversation, gen=gen, until=soon)
    t.ana.event("conversation", conversation=conversation, state="parked")
    gen = t.ana.event("conversation", conversation=conversation, state="active")["gen"]
    # Parked for long: the citizen wakes it.
    t.ana.do("park", conversation=conversation, gen=gen)
    t.meta.citizen(who, "Still there?")
    gen = t.ana.event("conversation", conversation=conversation, state="active", test=lambda f: f["gen"] > gen)["gen"]
    # To a queue; a colleague takes it there, answers, resolves.
    t.ana.refused("transfer", "unknown_queue", conversation=conversation, gen=gen, to={"queue": "nowhere"})
    t.ana.refused("transfer", "bad_frame", conversation=conversation, gen=gen, to={"queue": "agent_bob"})
    t.ana.do("transfer", conversation=conversation, gen=gen, to={"queue": "queue_works"})
    t.ana.event("rescinded", conversation=conversation)
    t.bob.be_ready()
    last = t.bob.event("offer", conversation=conversation)
    equal(last["queue"], "queue_works", "the queue of the offer")
    t.bob.do("accept", conversation=conversation, gen=last["gen"])
    t.bob.do("availability", value="paused")
    sent = t.bob.do("reply", conversation=conversation, gen=last["gen"] + 1, text="Bob here")["id"]
    t.bob.event("receipt", message=sent, state="read")
    t.bob.do("resolve", conversation=conversation, gen=last["gen"] + 1, code="done")
    wrapup = t.bob.event("conversation", conversation=conversation, state="wrapup")
    t.bob.do("resolve", conversation=conversation, gen=wrapup["gen"])
    t.bob.event("conversation", conversation=conversation, state="closed")
    equal(t.house.get("/conversations/" + conversation)["state"], "closed", "REST")
    equal([m["dir"] for m in t.log(conversation)], ["in", "note", "in", "out"], "the log")
    kinds = [x["kind"] for x in t.house.all("/audit/transitions?conversation=" + conversation)]
    say("transitions:", " ".join(kinds))
    equal(kinds, ["offered", "accepted", "parked", "woken", "parked", "woken", "requeued", "offered", "accepted", "wrapup", "closed"], "transitions")
    # Who writes again opens a new one.
    t.meta.citizen(who, "One more thing")
    another, _ = t.ana.take(lambda f: f["contact"]["name"].endswith(who[-4:]) and f["conversation"] != conversation)
    assert another != conversation


def a_colleague_declines_what_was_handed_to_him(t):
    _, _, conversation, gen = t.open()
    t.ana.refused("transfer", "not_ready", conversation=conversation, gen=gen, to={"agent": "agent_bob"})
    t.bob.be_ready()
    t.ana.do("transfer", conversation=conversation, gen=gen, to={"agent": "bob"})
    offer = t.bob.event("offer", conversation=conversation)
    t.bob.do("decline", conversation=conversation, gen=offer["gen"], reason="lunch")
    t.bob.do("availability", value="paused")
    back = t.ana.event("offer", conversation=conversation, test=lambda f: f["gen"] > offer["gen"])
    t.ana.do("accept", conversation=conversation, gen=back["gen"])
    stale = t.bob.refused("accept", "stale_generation", conversation=conversation, gen=offer["gen"])
    equal(stale["now"], {"gen": back["gen"] + 1, "state": "active", "owner": "agent_ana"}, "who has it now")


def read_and_typing_reach_meta(t):
    who, _, conversation, _ = t.open()
    before = t.meta.ask("stats")
    t.ana.send({"t": "typing", "conversation": conversation})
    t.ana.send({"t": "read", "conversation": conversation, "message": conversation.replace("conv_", "msg_") + ".1"})
    until("typing and read", lambda: (lambda s: s["typings"] > before["typings"] and s["reads"] > before["reads"])(t.meta.ask("stats")))


def who_loses_his_post_or_his_key_is_signed_out(t):
    h = t.house
    t.ana.do("availability", value="paused")
    (key,) = h.people("cyd", queues=("hall", "works"))
    tabs = [Desk(h, key) for _ in range(4)]  # on whatever shards
    cyd = tabs[0].be_ready()
    _, _, held, _ = t.open(desk=cyd)
    t.meta.citizen(who := t.citizen(), "And me?")
    offered = cyd.event("offer", test=lambda f: f["contact"]["name"].endswith(who[-4:]))["conversation"]
    t.ana.be_ready()
    h.ctl("agent", "remove", "cyd")
    for tab in tabs:
        tab.signed_out()
    for conversation in (held, offered):
        back = t.ana.event("offer", conversation=conversation)
        t.ana.do("accept", conversation=conversation, gen=back["gen"])
    try:
        Desk(h, key)
        raise AssertionError("his key opens a desk")
    except ConnectionError as error:
        assert " 401 " in str(error), error
    # Two keys of one agent: only what was opened with the revoked one is closed.
    (first,) = h.people("dee")
    second = h.ctl("key", "add", "--role", "agent", "--agent", "dee", "--name", "second")
    desks = [Desk(h, first), Desk(h, second), Desk(h, second)]
    h.ctl("key", "remove", next(k["id"] for k in h.all("/keys") if k.get("name") == "second"))
    desks[1].signed_out(), desks[2].signed_out()
    desks[0].do("availability", value="ready")
    # Signed in twice: a sign-out closes the desk of that session, a new password the other's.
    h.people("eve")
    equal(h.api("PUT", "/agents/agent_eve/password", {"password": "horse battery one"}).status, 204, "a password")

    def sign_in():
        answer = request(h.address, "POST", "/api/v1/session", {"login": "eve", "password": "horse battery one"})
        cookie = {"Cookie": answer.headers["set-cookie"].split(";")[0], "X-Belfry-CSRF": "1"}
        ticket = request(h.address, "POST", "/api/v1/tickets", {"for": "desk"}, cookie).json["ticket"]
        return cookie, Desk(h, None, ticket=ticket)

    (cookie, one), (_, other) = sign_in(), sign_in()
    equal(request(h.address, "DELETE", "/api/v1/session", headers=cookie).status, 204, "sign-out")
    one.signed_out()
    other.do("availability", value="paused")
    equal(h.api("PUT", "/agents/agent_eve/password", {"password": "horse battery two"}).status, 204, "a new password")
    other.signed_out()
    h.ctl("agent", "remove", "dee"), desks[0].signed_out(), h.ctl("agent", "remove", "eve")


def signed_out_on_every_node(_):
    with external_redis() as url, house(redis=url, node="one", shards=2) as one, house(redis=url, node="two", shards=2) as two:
        one.start(), two.start()
        (key,) = one.people("ana")
        one.ready(), two.ready()
        desks = [Desk(h, key) for h in (one, two, one, two)]
        one.ctl("agent", "remove", "ana")
        for desk in desks:
            desk.signed_out()
        until("nobody is at a desk", lambda: one.metric("belfry_desk_sockets") + two.metric("belfry_desk_sockets") == 0)
        equal((one.stop(), two.stop()), (0, 0), "exit codes")


STEPS = (meta_shakes_hands, a_message_goes_the_whole_road, late_statuses_never_go_back, a_duplicate_is_kept_once,
         first_messages_at_once_open_one_conversation, who_fails_authentication_hears_one_constant, bad_requests_have_their_own_answers,
         a_batch_of_two_numbers_is_filed_by_number, edits_revokes_and_reactions_find_their_message, a_picture_is_fetched_and_served,
         every_kind_of_content_goes_out, an_uploaded_file_goes_out_by_its_id_alone, nobody_sends_a_file_that_is_not_his,
         a_closed_window_takes_only_a_template, commands_are_guarded_and_repeatable, a_bad_frame_is_answered_by_its_client_id, note_park_transfer_resolve,
         a_colleague_declines_what_was_handed_to_him, who_loses_his_post_or_his_key_is_signed_out, read_and_typing_reach_meta)

if __name__ == "__main__":
    tests = []
    tests.append(("the limit of a webhook is configuration", functools.partial(the_limit_of_a_webhook_is_configuration, None)))
    tests.append(("signed out on every node", functools.partial(signed_out_on_every_node, None)))
    for shards in (1, 3):
        town = Town(shards)
        tests.append((f"the town wakes, shards {shards}", town.wake))
        tests += [(step.__name__.replace("_", " "), functools.partial(step, town)) for step in STEPS]
        tests.append((f"the town sleeps, shards {shards}", town.sleep))
    run(*tests)
