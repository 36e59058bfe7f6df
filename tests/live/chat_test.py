#!/usr/bin/env python3
"""The web chat: a citizen's socket from hello to close, its tabs, what he misses, files, the same over server-sent events and as a form
without JavaScript, and who is kept out. Usage: chat_test.py BIN_DIR"""
import functools, hashlib, re, urllib.parse
from belfry import *

WEB = '''
[[web]]
id = "portal"
origins = ["https://city.example"]
languages = ["en", "es"]
queue = "hall"
form = ["name", "phone?"]
identity_key_file = "app_secret"
[[web]]
id = "strict"
origins = ["https://other.example"]
queue = "hall"
challenge_after = 2
challenge_bits = 8
'''


def b64(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def jwt(claims, key=SECRETS["app_secret"], alg="HS256"):
    signed = b64(json.dumps({"alg": alg, "typ": "JWT"}).encode()) + "." + b64(json.dumps(claims).encode())
    return signed + "." + b64(hmac.new(key.encode(), signed.encode(), hashlib.sha256).digest())


def solved(salt, bits):
    for nonce in itertools.count():
        if int.from_bytes(hashlib.sha256(f"{salt}:{nonce}".encode()).digest(), "big") >> (256 - bits) == 0:
            return str(nonce)


def texts(tab, direction=None):
    return [f["message"]["text"] for f in tab.events("message") if direction in (None, f["message"]["dir"])]


def refused_upgrade(h, status, **more):
    try:
        Tab(h, hello=False, **more)
    except ConnectionError as no:
        assert f" {status} " in str(no), no
        return
    raise AssertionError(f"a socket opened that should hear {status}")


def talk(shards):
    with house(shards=shards, more=WEB, queue='wrapup = "0s"') as h:
        h.start()
        ana, bob = (Desk(h, key) for key in h.people("ana", "bob"))
        h.ready()
        tab = Tab(h, language="es", page="https://city.example/water")
        hello = tab.welcome
        equal((hello["reset"], hello["messages"], hello["open"], hello["languages"]), (True, [], True, ["en", "es"]), "the first welcome")
        equal(hello["form"]["fields"], [{"name": "name", "required": True}, {"name": "phone", "required": False}], "the form")
        equal(tab.refused("form", "invalid_form", fields={"phone": "12"})["status"], 422, "a number that is none")
        tab.token = tab.do("form", fields={"name": "Grace", "phone": "+49 151 1234567"})["token"]

        # He waits: told at once where he stands; then the agent's name.
        first = tab.write("My tap is dry")
        tab.event("queue", position=1)
        equal(texts(tab), ["My tap is dry"], "his own words come back to each tab")
        ana.be_ready()
        conversation, gen = ana.take()
        tab.event("assigned", test=lambda f: f["agent"]["name"] == "Ana")
        heard = h.get("/conversations/" + conversation)
        equal((heard["channel"], heard["contact"]["name"]), ("web", "Grace"), "what the desk knows")

        # Replies are sent when they are kept; typing both ways; receipts both ways.
        ana.do("reply", conversation=conversation, gen=gen, text="Which street?")
        reply = tab.message(lambda m: m["dir"] == "out")["message"]
        equal((reply["text"], reply["agent"]["name"]), ("Which street?", "Ana"), "a reply")
        equal(h.get("/messages/" + reply["id"])["state"], "sent", "its state")
        tab.send({"t": "read", "message": reply["id"]})
        ana.event("receipt", message=reply["id"], state="read")
        tab.send({"t": "typing"})
        ana.event("typing", conversation=conversation)
        ana.send({"t": "typing", "conversation": conversation})
        tab.event("typing", test=lambda f: f["agent"]["name"] == "Ana")
        ana.send({"t": "read", "conversation": conversation, "message": first})
        tab.event("receipt", message=first, state="read")

        # A note is not his to see, and what follows it comes nevertheless.
        ana.do("note", conversation=conversation, text="sounds upset")
        ana.do("reply", conversation=conversation, gen=gen, text="We look into it")
        tab.message(lambda m: m.get("text") == "We look into it")
        assert "sounds upset" not in texts(tab), "a note was shown to a citizen"

        # Another tab begins with all there is; both hear what is written in either. A repeat is kept once.
        other = Tab(h, token=tab.token)
        equal([m["text"] for m in other.welcome["messages"]], ["My tap is dry", "Which street?", "We look into it"], "a second tab")
        equal(other.welcome["conversation"]["agent"]["name"], "Ana", "whose it is")
        assert "form" not in other.welcome, "he is asked twice"
        other.do("message", client_id="c-1", text="Mill street")
        tab.message(lambda m: m.get("client_id") == "c-1")
        other.do("message", client_id="c-1", text="Mill street")
        ana.message(lambda m: m.get("text") == "Mill street")
        equal(len([t for t in texts(ana) if t == "Mill street"]), 1, "a repeat")

        # What he misses while he is away comes after his last id; nothing that he saw comes again.
        last = tab.last_id
        tab.cut()
        ana.do("reply", conversation=conversation, gen=gen, text="The pump is broken")
        back = Tab(h, token=tab.token, last_id=last)
        back.message(lambda m: m.get("text") == "The pump is broken")
        equal((back.welcome["reset"], texts(back)), (False, ["The pump is broken"]), "what he missed")

        # The gateway falls, with a message on its way: the repeat is kept once.
        h.kill()
        h.start().ready()
        again = Tab(h, token=tab.token, last_id=back.last_id)
        again.do("message", client_id="c-1", text="Mill street")
        equal(texts(again), [], "nothing twice after the fall")

        # An announcement: over everything, at once, in each welcome until it is over; and only where it belongs.
        until_then = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
        flood = {"severity": "extreme", "headline": "Flood", "text": "Go up", "expires": until_then}
        elsewhere = Tab(h, inbox="strict", origin="https://other.example")
        equal(h.api("PUT", "/announcements/flood", {**flood, "inboxes": ["portal"]}).status, 201, "announced")
        equal(again.event("alert")["alert"]["headline"], "Flood", "heard")
        equal([a["id"] for a in Tab(h).welcome["alerts"]], ["flood"], "in a welcome")
        equal(h.api("PUT", "/announcements/all", flood).status, 201, "announced everywhere")
        equal([f["alert"]["id"] for f in [elsewhere.event("alert")]], ["all"], "not where it does not belong")
        equal(h.api("PUT", "/announcements/x", {**flood, "expires": "2020-01-01T00:00:00Z"}).status, 422, "one that is over")
        equal(h.api("DELETE", "/announcements/flood").status, 204, "ended")
        again.event("alert", test=lambda f: f["alert"]["id"] == "flood" and f["alert"]["expires"] < "2000")
        equal([a["id"] for a in Tab(h).welcome["alerts"]], ["all"], "what is left")

        # The end, by himself; then a new conversation.
        again.do("end")
        again.event("closed", conversation=conversation)
        equal(h.get("/conversations/" + conversation)["state"], "closed", "ended by the citizen")
        again.write("One more thing")
        fresh = h.get("/conversations?limit=10")["items"][-1]
        equal((fresh["previous"], fresh["state"]), (conversation, "queued"), "the next conversation")


def files(shards):
    with house(shards=shards, more=WEB) as h:
        h.start()
        (key,) = h.people("ana")
        ana = Desk(h, key)
        h.ready()
        tab = Tab(h)
        bearer = {"Authorization": "Bearer " + tab.token}
        png = b"\x89PNG\r\n\x1a\n" + os.urandom(500)
        equal(request(h.address, "POST", "/chat/portal/media", png).status, 401, "a file of nobody")
        for bad in (b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>", b"<!doctype html><p>x", b"\x7fELF" + bytes(60)):
            equal(request(h.address, "POST", "/chat/portal/media", bad, bearer).status, 415, bad[:10])
        sent = request(h.address, "POST", "/chat/portal/media", png, {**bearer, "X-File-Name": "my%20pipe.png"})
        equal((sent.status, sent.json["type"], sent.json["name"]), (201, "image/png", "my pipe.png"), "an upload")
        tab.refused("message", "unknown_media", media={"id": "media_" + "0" * 64})
        Tab(h).refused("message", "unknown_media", media={"id": sent.json["id"]})  # it is not his
        tab.write("look", media={"id": sent.json["id"]})
        mine = tab.message(lambda m: "media" in m)["message"]["media"]
        got = request(h.address, "GET", mine["url"])
        equal((got.status, got.body, got.headers["content-security-policy"]), (200, png, "sandbox; default-src 'none'"), "a download")
        assert got.headers["content-disposition"].startswith("attachment"), got.headers
        equal(request(h.address, "GET", mine["url"].replace("/chat/media/", "/chat/media/9")).status, 404, "a forged address")
        ana.be_ready()
        conversation, gen = ana.take()
        m = until("the desk has the file", lambda: next((m for m in h.get(f"/conversations/{conversation}/messages")["items"]
                                                          if m.get("media", {}).get("id")), None))
        equal(h.api("GET", "/media/" + m["media"]["id"], key=key).body, png, "the file at the desk")
        up = h.api("POST", "/media", b"%PDF-1.4 the form", key=key, **{"Content-Type": "application/pdf"}).json["id"]
        ana.do("reply", conversation=conversation, gen=gen, media={"id": up})
        theirs = tab.message(lambda m: m["dir"] == "out")["message"]
        equal(request(h.address, "GET", theirs["media"]["url"]).body, b"%PDF-1.4 the form", "a file of the agent")
        story = request(h.address, "GET", "/chat/portal/transcript", headers=bearer)
        assert b"look" in story.body and story.headers["content-disposition"].startswith("attachment"), story


def without_sockets(shards):
    with house(shards=shards, more=WEB, queue='wrapup = "0s"') as h:
        h.start()
        ana = Desk(h, h.people("ana")[0])
        h.ready()

        def post(frame, token=None, status=200):
            answer = request(h.address, "POST", "/chat/portal/frames", frame, {"Authorization": "Bearer " + token} if token else {})
            equal(answer.status, status, frame["t"])
            return answer.json if answer.body else None

        welcome = post({"t": "hello", "inbox": "portal"})
        token = welcome["token"]
        equal(post({"t": "message", "client_id": "a", "text": "x"}, status=401)["code"], "token_expired", "no token")
        stream = http.client.HTTPConnection(h.address, timeout=20)
        stream.request("GET", "/chat/portal/events", headers={"Authorization": "Bearer " + token})
        answer = stream.getresponse()
        equal((answer.status, answer.headers["Content-Type"]), (200, "text/event-stream; charset=utf-8"), "a stream of events")

        def next_event(test):
            id, lines = None, []
            while True:
                line = answer.fp.readline().decode().rstrip("\n") if not answer.chunked else None
                if line is None:
                    line = chunked_line()
                if line.startswith("id: "):
                    id = line[4:]
                elif line.startswith("data: "):
                    frame = json.loads(line[6:])
                    if test(frame):
                        return id, frame

        buffer = b""

        def chunked_line():
            nonlocal buffer
            while b"\n" not in buffer:
                buffer += answer.read1(65536)
            line, buffer = buffer.split(b"\n", 1)
            return line.decode()

        next_event(lambda f: f["t"] == "welcome")
        equal(post({"t": "form", "client_id": "f", "fields": {}}, token, 422)["code"], "invalid_form", "a nack is the problem itself")
        assert post({"t": "message", "client_id": "a1", "text": "By POST"}, token)["id"].startswith("msg_"), "an ack"
        id, own = next_event(lambda f: f.get("kind") == "message")
        equal((own["message"]["text"], own["id"]), ("By POST", id), "his own words, with their id")
        ana.be_ready()
        conversation, gen = ana.take()
        next_event(lambda f: f.get("kind") == "assigned")
        stream.close()
        ana.do("reply", conversation=conversation, gen=gen, text="Missed")
        stream = http.client.HTTPConnection(h.address, timeout=20)
        stream.request("GET", "/chat/portal/events", headers={"Authorization": "Bearer " + token, "Last-Event-ID": id})
        answer, buffer = stream.getresponse(), b""
        equal(next_event(lambda f: f.get("kind") == "message")[1]["message"]["text"], "Missed", "what the stream missed")
        stream.close()

        # No script at all: a form, with the token in a hidden field.
        form = request(h.address, "GET", "/chat/portal", headers={"Accept-Language": "ar, en;q=0.5"})
        page = form.body.decode()
        assert form.status == 200 and '<html lang="ar" dir="rtl">' in page and "<script" not in page, page[:300]
        assert "frame-ancestors 'self' https://city.example" in form.headers["content-security-policy"], form.headers
        fields = dict(re.findall(r'name="(token|client_id)" value="([^"]*)"', page))

        def submit(**more):
            return request(h.address, "POST", "/chat/portal", urllib.parse.urlencode({**fields, **more}),
                           {"Content-Type": "application/x-www-form-urlencoded"})
        for _ in range(2):  # sent again by a reload: kept once
            page = submit(text="<b>Without</b> script").body.decode()
        equal(page.count("&lt;b&gt;Without&lt;/b&gt; script"), 1, "a message of the form")
        equal(request(h.address, "POST", "/chat/portal", urllib.parse.urlencode({**fields, "text": "x"}),
                      {"Content-Type": "application/x-www-form-urlencoded", "Origin": "https://evil.example"}).status, 403, "a foreign form")
        conversation, gen = ana.take(lambda f: "Without" in f.get("preview", ""))
        ana.do("reply", conversation=conversation, gen=gen, text="Read you")
        assert "Read you" in submit().body.decode(), "the answer on the page"


def goes_on_by_sms(shards):
    home = pathlib.Path(tempfile.mkdtemp(prefix="belfry-live-chat-"))
    (home / "password").write_text("s3cret12\n")
    (home / "password").chmod(0o600)
    smsc = Smsc(home, "--password", "s3cret12")
    more = WEB.replace('form = ["name", "phone?"]', 'continue = ["sms"]') + f"""
[[smpp]]
id = "sms"
host = "127.0.0.1"
port = {smsc.port}
system_id = "belfry"
password_file = "{home}/password"
source = "12345"
queue = "hall"
"""
    with house(shards=shards, more=more) as h:
        h.start()
        ana = Desk(h, h.people("ana")[0])
        h.ready()
        until("a bind", lambda: smsc.get("seen")["binds"] >= 1)
        first, second = Tab(h), Tab(h)
        equal(first.welcome["continue"], ["sms"], "ways on")
        equal(first.refused("continue", "no_conversation", channel="sms", number="+491511234567")["status"], 409, "nothing to go on with")
        first.write("I have to leave")
        second.write("I come after him")
        first.refused("continue", "not_offered", channel="whatsapp", number="+491511234567")
        first.refused("continue", "invalid_number", channel="sms", number="12")
        first.do("continue", channel="sms", number="+49 151 1234567")
        words = lambda: [bytes.fromhex(s["raw"]).decode() for s in smsc.submits("491511234567")]
        code = until("the code", words)[0][:6]
        first.write("000000" if code != "000000" else "111111")  # a wrong one moves nothing
        time.sleep(0.3)
        one = h.get("/conversations?limit=10")["items"][0]
        equal((one["channel"], one["state"]), ("web", "queued"), "after a wrong code")
        first.write(code)
        moved = first.event("moved")
        equal((moved["channel"], moved["address"]), ("sms", "\u2026567"), "where it goes on")
        one = until("it goes on there", lambda: next((c for c in h.get("/conversations?limit=10")["items"] if c["id"] == one["id"] and c["channel"] == "sms"), None))
        equal([c["conversation"] for c in h.get("/queues/queue_hall/waiting")["items"]][0], one["id"], "its place in the line")
        # What he writes on the page still comes into it; the answer goes by SMS, and is no web citizen's to call read.
        first.write("Still here")
        ana.be_ready()
        conversation, gen = ana.take(lambda f: f["conversation"] == one["id"])
        sent = ana.do("reply", conversation=conversation, gen=gen, text="We answer here")["id"]
        until("the answer by SMS", lambda: "We answer here" in words())
        first.send({"t": "read", "message": sent})
        until("it is sent", lambda: h.get("/messages/" + sent)["state"] == "sent")
        request(h.address, "POST", "/chat/portal/frames", {"t": "read", "message": sent}, {"Authorization": "Bearer " + first.token})
        first.write("Got it")
        equal(h.get("/messages/" + sent)["state"], "sent", "who reads an SMS does not say so here")
    end(smsc.process)
    shutil.rmtree(home, ignore_errors=True)


def pages(shards):
    with house(shards=shards, more=WEB) as h:
        h.start().ready()
        frame = request(h.address, "GET", "/widget/?inbox=portal&host=https%3A%2F%2Fcity.example")
        if frame.status == 404 and b"not built" in frame.body:
            return say("the pages are not built")
        assert "frame-ancestors 'self' https://city.example;" in frame.headers["content-security-policy"] + ";", frame.headers
        assert "other.example" not in frame.headers["content-security-policy"], "another inbox's page may embed it"
        equal(request(h.address, "GET", "/widget/?inbox=nowhere").status, 404, "an inbox that is none")
        loader = request(h.address, "GET", "/widget.js")
        equal((loader.status, loader.headers["cross-origin-resource-policy"]), (200, "cross-origin"), "the loader")
        assert "frame-ancestors 'none'" in request(h.address, "GET", "/desk/").headers["content-security-policy"], "the desk in a frame"


def kept_out(shards):
    with house(shards=shards, more=WEB) as h:
        h.start()
        h.people("ana")
        h.ready()
        refused_upgrade(h, 403, origin="https://evil-city.example")
        refused_upgrade(h, 403, origin="null")
        Tab(h, origin="https://city.example").close()
        foreign = Tab(h, inbox="strict", origin="https://city.example", hello=False)
        foreign.send({"t": "hello", "inbox": "strict"})
        foreign.wait(lambda f: f["t"] == "bye" and f["code"] == 4003, "bye")
        until("it is closed", lambda: foreign.closed == 4003)
        silent = Tab(h, hello=False)
        until("who says nothing is closed", lambda: silent.closed == 1008)
        long = Tab(h, hello=False)
        long.send({"t": "hello", "inbox": "portal", "page": "x" * 5000})
        until("a hello that is too long", lambda: long.closed == 1009)

        # A token of another inbox, or none of ours, makes a new visitor.
        tab = Tab(h)
        assert Tab(h, token=tab.token[:-2] + "AA").welcome["visitor"] != tab.welcome["visitor"], "a forged token"
        equal(Tab(h, token=tab.token).welcome["visitor"], tab.welcome["visitor"], "his token")
        strict = Tab(h, inbox="strict", origin="https://other.example", token=tab.token)
        assert strict.welcome["visitor"] != tab.welcome["visitor"], "a token of another inbox"

        # Who he is, by the agency's word only.
        now = int(time.time())
        good = {"sub": "citizen-7", "name": "Ada", "aud": "portal", "exp": now + 300}
        tab.refused("identify", "identity_refused", jwt=jwt(good, key="guessed"))
        tab.refused("identify", "identity_refused", jwt=jwt({**good, "aud": "strict"}))
        tab.refused("identify", "identity_refused", jwt=jwt({**good, "exp": now - 100}))
        tab.refused("identify", "identity_refused", jwt=jwt({**good, "exp": now + 5000}))
        tab.refused("identify", "identity_refused", jwt=jwt(good, alg="none"))
        tab.write("Nobody knows me")
        tab.do("identify", jwt=jwt(good))
        tab.message(lambda m: m["type"] == "system")
        elsewhere = Tab(h)  # another browser, the same person: the same conversation
        equal(elsewhere.do("identify", jwt=jwt(good))["client_id"][:4], elsewhere.name[:4], "an ack")
        elsewhere.message(lambda m: m.get("text") == "Nobody knows me")
        elsewhere.write("Me again")
        tab.message(lambda m: m.get("text") == "Me again")
        (one,) = h.get("/conversations?limit=10")["items"]
        equal(one["messages"], 3, "one citizen, two browsers")
        tab = Tab(h)

        # Faster than one reads; more than one opens.
        fast = Tab(h)
        for i in range(60):
            fast.send({"t": "message", "client_id": f"fast-{i}", "text": "again"})
        fast.wait(lambda f: f["t"] == "nack" and f["problem"]["code"] == "too_fast", "a nack")
        for _ in range(2 * shards + 1):  # two for each shard, then work
            hard = Tab(h, inbox="strict", origin="https://other.example")
            answer = hard.command("message", text="hello")
            if answer["t"] == "nack":
                break
        problem = answer["problem"]
        equal(problem["code"], "challenge", "after so many")
        equal(problem["challenge"]["bits"], 8, "a challenge")
        problem = hard.refused("solve", "not_solved", nonce="no")  # and another, to try again
        hard.do("solve", nonce=solved(problem["challenge"]["salt"], 8))
        hard.write("third")
        tabs = [Tab(h, token=tab.token, hello=False) for _ in range(8 * shards)]  # and `tab` itself: one more than eight on a shard
        for each in tabs:
            each.send({"t": "hello", "inbox": "portal", "token": tab.token})
        until("the ninth tab", lambda: any(each.closed == 4009 for each in tabs))
        for bad in ("{", "[]", '{"t":"nothing"}', '{"t":"message","text":"x"}', '{"t":"read","message":"conv_1"}'):
            fast._write(1, bad.encode())
        fast.wait(lambda f: f["t"] == "nack" and f["problem"]["code"] == "bad_frame", "a nack")
        equal(request(h.address, "GET", "/chat/nowhere").status, 404, "an inbox that is none")
        equal(request(h.address, "PUT", "/chat/portal/frames").headers["allow"], "POST", "another method")
        h.stop()
        until("the socket ends in order", lambda: fast.closed == 1001)
        assert fast.wait(lambda f: f["t"] == "bye", "bye")["retry_after"] >= 1, "when to come back"


run(*[(f"{name}, shards {shards}", functools.partial(test, shards)) for shards in (1, 2)
      for name, test in (("a conversation", talk), ("files", files), ("without sockets", without_sockets), ("going on by SMS", goes_on_by_sms), ("the pages", pages), ("who is kept out", kept_out))])
