#!/usr/bin/env python3
"""A graceful stop answers what it heard, says goodbye and keeps everything; SIGHUP takes a configuration up or refuses it; a mistake in it is told with its
place; one state directory has one belfryd. Usage: stop_test.py BIN_DIR"""
import functools
from belfry import *


def stop_under_load(shards):
    with house(shards=shards) as h:
        h.start()
        meta = h.meta("--status-delay", "50ms", journal=h.dir / "meta.journal")
        keys = h.people("ana", "bob", capacity=20)
        (h.dir / "keys").write_text("\n".join(keys[1:]) + "\n")
        h.ready()
        desk = Desk(h, keys[0])
        agents = h.sim("agents", "--url", h.url, "--count", "1", "--key-file", h.dir / "keys", "--accept", "20ms", "--think", "100ms", "--turns", "2",
                       "--journal", h.dir / "agents.journal")
        load = h.sim("load", "webhook", "--url", h.url + "/webhooks/whatsapp/city", "--app-secret-file", h.dir / "app_secret", "--count", "4000", "--seconds", "60",
                     "--rate", "500", "--connections", "16", "--citizens", "40", "--retry", "--journal", h.dir / "load.journal")
        took = []
        for _ in range(3):
            time.sleep(1)
            began = time.monotonic()
            equal(h.stop(seconds=12), 0, "exit code under load")
            took.append(round(time.monotonic() - began, 2))
            if desk.closed is None:
                desk.thread.join(2)
            equal(desk.closed, 1001, "the close code of a desk")
            equal(h.redis_servers(), [], "redis-servers after a stop")
            h.start().ready()
            desk = Desk(h, keys[0], desk.last_id)
            equal(desk.welcome["reset"], False, "reset after a restart")
        loaded = report(load)
        until("Meta has said everything", lambda: meta.ask("stats")["pending"] == 0, 40)
        agents.send_signal(signal.SIGTERM)
        robots = report(agents)
        until("no send is in flight", lambda: h.metric("belfry_sends_in_flight") == 0, 30)
        checked = h.check(h.dir / "meta.journal", h.dir / "agents.journal", h.dir / "load.journal")
        states = collections.Counter(m["state"] for c in h.all("/conversations") for m in h.all(f"/conversations/{c['id']}/messages") if m["dir"] == "out")
        say(f"stops took {took} s; {loaded['accepted']} accepted; check {({k: v for k, v in checked.items() if v})}; replies {dict(states)}")
        equal((checked["missing"], checked["doubled"], meta.ask("stats")["sends_doubled"]), (0, 0, 0), f"missing, doubled {checked}")
        equal(states["uncertain"], 0, "a graceful stop leaves no reply uncertain")
        equal(agents.returncode, 0, f"the desk's promises {robots}")
        meta.stop()
        equal(h.stop(), 0, "exit code")


def what_was_heard_is_answered(shards):
    """Redis holds its breath while webhooks and a command wait for it; belfryd is told to stop; Redis goes on: all are answered."""
    with house(shards=shards) as h:
        h.start()
        (key,) = h.people("ana")
        h.ready()
        desk = Desk(h, key)
        pid = h.redis_pid()
        os.kill(pid, signal.SIGSTOP)
        answers = []
        bodies = [envelope(change([message("491511000001", f"last words {i}")])) for i in range(5)]
        threads = [threading.Thread(target=lambda body=body: answers.append(h.webhook(body).status)) for body in bodies]
        desk_heard = []

        def command():
            try:
                desk_heard.append(desk.command("availability", client_id="last-command", value="ready")["t"])
            except ConnectionError:
                desk_heard.append("closed")

        threads.append(threading.Thread(target=command))
        for thread in threads:
            thread.start()
        until("webhooks are with the store", lambda: h.metric("belfry_open_events") >= len(bodies), 4)
        h.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        os.kill(pid, signal.SIGCONT)
        for thread in threads:
            thread.join(20)
        equal(answers, [200] * 5, "answers given while stopping")
        say(f"five webhooks 200; the desk's command: {desk_heard[0]}")
        equal(h.process.wait(12), 0, "exit code")
        desk.thread.join(2)
        equal(desk.closed, 1001, "close code")
        h.start().ready()
        (conversation,) = h.all("/conversations")
        equal(sorted(m["text"] for m in h.all(f"/conversations/{conversation['id']}/messages")), [f"last words {i}" for i in range(5)], "what was kept")
        # A command without an answer is repeated with its client_id, and then has one.
        again = Desk(h, key)
        again.do("availability", client_id="last-command", value="ready")
        equal(next(a for a in h.all("/agents") if a["id"] == "agent_ana")["availability"], "ready", "what the command asked for")
        equal(h.stop(), 0, "exit code")


def a_restart_keeps_everything(shards):
    with house(shards=shards) as h:
        h.start()
        meta = h.meta("--calm", "--status-delay", "20ms")
        (key,) = h.people("ana", capacity=9)
        h.ready()
        desk = Desk(h, key).be_ready()
        meta.citizen("491511000001", "Remember me")
        conversation, gen = desk.take()
        sent = desk.do("reply", conversation=conversation, gen=gen, text="I do")["id"]
        desk.event("receipt", message=sent, state="delivered")
        until("quiet", lambda: meta.ask("stats")["pending"] == 0)
        upload = h.api("POST", "/media?filename=a.txt", b"kept", key=key, Content_Type="text/plain").json["id"]
        look = lambda: [h.get(p) for p in ("/agents", "/queues", "/keys", f"/conversations/{conversation}", f"/conversations/{conversation}/messages")]
        kinds = lambda: [(x["kind"], x.get("conversation")) for x in h.all("/audit/transitions") if x.get("conversation")]
        before, log, last = look(), kinds(), desk.last_id
        for how in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            h.stop(how)
            h.start().ready()
            after = look()
            for one, other in zip(before, after):
                for items in (one, other):  # presence is not kept: nobody is connected
                    for each in items.get("items", []):
                        each.pop("sessions", None), each.pop("last_used_at", None), each.pop("connected", None)
                equal(other, one, f"after {how.name}")
            equal(kinds(), log, "the transition log")
            equal(h.api("GET", "/media/" + upload, key=key).body, b"kept", "a file")
        desk = Desk(h, key, last)
        equal((desk.welcome["reset"], desk.welcome["availability"], [c["id"] for c in desk.welcome["conversations"]]), (False, "ready", [conversation]), "welcome")
        meta.citizen("491511000001", "Still here?")
        desk.message(lambda m: m.get("text") == "Still here?")
        desk.do("reply", conversation=conversation, gen=gen, text="Yes")
        equal(desk.gaps, [], "event ids")
        meta.stop()
        equal(h.stop(), 0, "exit code")


def reload(shards):
    with house(shards=shards) as h:
        h.start()
        h.people()
        h.ready()
        good = h.config.read_text()
        h.hear(message("491511000001", "before"))
        h.config.write_text(good.replace('level = "debug"', 'level = "info"'))
        h.process.send_signal(signal.SIGHUP)
        until("reloaded", lambda: h.log_has(" reloaded"), 10)
        h.config.write_text(good.replace("[log]", "[log]\nlevle = 1"))
        h.process.send_signal(signal.SIGHUP)
        until("refused", lambda: h.log_has("reload_refused"), 10)
        assert "did you mean" in h.last_words(5), h.last_words(5)
        h.config.write_text(good.replace("shards = ", "shards = 1"))
        h.process.send_signal(signal.SIGHUP)
        until("told that this needs a restart", lambda: h.log_has("reload_needs_restart"), 10)
        h.hear(message("491511000001", "after"))
        equal(h.readyz().status, 200, "/readyz")
        assert re.search(r"reload_needs_restart.*server\.shards", h.last_words(5)), h.last_words(5)
        h.config.write_text(good)
        equal(h.stop(), 0, "exit code")


def secrets_rotate(shards):
    """New app secret, verify token and access token while all runs: no restart, no message lost, no secret in the log."""
    with house(shards=shards) as h:
        h.start()
        calm = ("--calm", "--status-delay", "20ms")
        meta = h.meta(*calm)
        (key,) = h.people("ana")
        h.ready()
        good = h.config.read_text()
        desk = Desk(h, key).be_ready()
        meta.citizen("491511000001", "Hello")
        conversation, gen = desk.take()
        reply = lambda text: desk.do("reply", conversation=conversation, gen=gen, text=text)["id"]
        desk.event("receipt", message=reply("with the first token"), state="delivered")

        def write(name, value):
            (h.dir / name).write_text(value + "\n")
            (h.dir / name).chmod(0o600)

        def reloaded(word=" reloaded"):
            before = h.log_has(word)
            h.process.send_signal(signal.SIGHUP)
            until(word, lambda: h.log_has(word) > before, 10)

        def webhook(secret):
            body = envelope(change([message("491511000001", "signed")]))
            return {h.webhook(body, sign=signature(body, secret)).status for _ in range(4 * shards)}  # on whatever shard

        def handshake(token):
            return request(h.address, "GET", f"/webhooks/whatsapp/city?hub.mode=subscribe&hub.challenge=7&hub.verify_token={token}").status

        old, new = SECRETS["app_secret"], "app-secret-after"
        write("app_secret_after", new)
        equal((webhook(old), webhook(new)), ({200}, {401}), "before")
        h.config.write_text(good.replace('app_secret_file = "app_secret"', 'app_secret_file = ["app_secret", "app_secret_after"]', 1))
        equal((webhook(old), webhook(new)), ({200}, {401}), "written, not yet taken up")
        reloaded()
        equal((webhook(old), webhook(new)), ({200}, {200}), "both while they rotate")
        write("app_secret", new)
        h.config.write_text(good.replace('access_token_file', 'acces_token_file', 1))
        reloaded("reload_refused")
        equal((webhook(old), webhook(new)), ({200}, {200}), "a mistake elsewhere: nothing changes")
        h.config.write_text(good + '\n[[whatsapp]]\nid = "third"\n' + "".join(f'{k}_file = "{k}"\n' for k in SECRETS) + 'portfolio = "city"\nphone_number_id = "7"\n')
        reloaded()
        assert re.search(r"reload_needs_restart.*whatsapp\.third", h.last_words(8)), h.last_words(8)
        equal(h.webhook(b"{}", account="third").status, 404, "an account that came needs a restart")
        equal((webhook(old), webhook(new)), ({401}, {200}), "the old one is gone")

        # Meta forgets the old token first: sends are held, and go on with the new one as soon as it is taken up.
        meta.stop()
        write("access_token", "access-token-after")
        write("verify_token", "verify-token-after")
        meta = h.meta(*calm)
        waiting = reply("with the second token")
        until("the account is held", lambda: h.log_has("account_held"), 20)
        equal((handshake(SECRETS["verify_token"]), handshake("verify-token-after")), (200, 403), "the handshake before")
        reloaded()
        desk.event("receipt", message=waiting, state="delivered", seconds=30)
        equal((handshake(SECRETS["verify_token"]), handshake("verify-token-after")), (403, 200), "the handshake after")
        equal([s["text"] for s in meta.sends()], ["with the second token"], "what Meta took")
        picture = b"\x89PNG\r\n\x1a\n" + bytes(40)
        about = {"id": meta.tell("media", picture, Content_Type="image/png")["id"], "mime_type": "image/png", "sha256": base64.b64encode(hashlib.sha256(picture).digest()).decode()}
        meta.citizen("491511000001", message={"type": "image", "image": about})
        desk.message(lambda m: m["type"] == "image" and "id" in m["media"], "the picture, fetched with the new token")
        log = (h.dir / "belfryd.log").read_text("utf-8", "replace")
        for secret in (*SECRETS.values(), new, "access-token-after", "verify-token-after"):
            assert secret not in log, "a secret stands in the log"
        say("\n    ".join(line for line in log.splitlines() if "secrets_changed" in line or "reload" in line))
        meta.stop()
        equal(h.stop(), 0, "exit code")


def mistakes_are_told_with_their_place(_):
    h = House()
    check = lambda: subprocess.run([BIN / "belfryd", "--config", h.config, "--check-config"], capture_output=True, text=True, timeout=20)
    done = check()
    equal((done.returncode, done.stderr), (0, ""), "a good one")
    good = h.config.read_text()
    h.config.write_text(good.replace('public = ["http', 'publik = []\npublic = ["ftp').replace('phone_number_id = "1', 'phone_number_id = 1\n#"', 1)
                        .replace('app_secret_file = "app_secret"', 'app_secret_file = "no/such/file"', 1) + '\n[limits]\nidle_timeout = "soon"\n')
    done = check()
    lines = done.stderr.splitlines()
    for line in lines:
        say(line.replace(str(h.dir), "…"))
    equal(done.returncode, 78, "exit code")
    assert len(lines) >= 5, lines
    for line in lines:
        assert re.match(re.escape(str(h.config)) + r":\d+:\d+: [^;]+; .+; .+", line), line
    assert any("did you mean" in line and "public" in line for line in lines), lines
    for word in ("ftp", "phone_number_id", "no/such/file", "idle_timeout"):
        assert any(word in line for line in lines), (word, lines)
    done = subprocess.run([BIN / "belfryd", "--config", h.config], capture_output=True, text=True, timeout=20)
    equal((done.returncode, done.stderr.splitlines()), (78, lines), "the start says the same")
    h.config.write_text("[server\n")
    done = check()
    equal(done.returncode, 78, "no TOML at all")
    assert re.match(r".*:1:\d+: ", done.stderr), done.stderr
    equal(subprocess.run([BIN / "belfryd", "--config", h.dir / "absent.toml", "--check-config"], capture_output=True, timeout=20).returncode, 78, "no file")
    h.cleanup()


def one_state_directory_has_one_belfryd(_):
    with house() as h:
        h.start().ready()
        other = h.dir / "other.toml"
        p1, p2 = free_ports(2)
        other.write_text(h.config.read_text().replace(h.address, f"127.0.0.1:{p1}").replace(h.admin, f"127.0.0.1:{p2}"))
        done = subprocess.run([BIN / "belfryd", "--config", other], capture_output=True, text=True, timeout=20)
        say(f"the second one: exit {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
        assert done.returncode != 0 and "another belfryd" in done.stderr, done
        h.hear(message("491511000001", "the first goes on"))
        equal(len(h.redis_servers()), 1, "redis-servers")
        # Killed, its Redis lives on; the next one adopts it.
        was = h.redis_pid()
        h.kill()
        h.start().ready()
        equal(h.redis_pid(), was, "the adopted redis-server")
        equal(h.stop(), 0, "exit code")


if __name__ == "__main__":
    run(*((f"{test.__name__.replace('_', ' ')}, shards {shards}", functools.partial(test, shards)) for shards in (1, 3)
          for test in (stop_under_load, what_was_heard_is_answered, a_restart_keeps_everything, reload, secrets_rotate)),
        *((test.__name__.replace("_", " "), functools.partial(test, 1)) for test in (mistakes_are_told_with_their_place, one_state_directory_has_one_belfryd)))
