#!/usr/bin/env python3
"""kill -9 in the middle of a burst: of belfryd ten times, of redis-server once. Whatever was acknowledged is there, once; no reply is sent
twice; one redis-server remains. With one shard and with three. Usage: crash_test.py BIN_DIR"""
import functools
from belfry import *

KILLS, AGENTS, REQUESTS = 10, 6, 3000


def burst(shards):
    with house(shards=shards) as h:
        h.start()
        # Some answers of Meta are lost on the way: what then happened to the reply is uncertain, and it is never sent again.
        meta = h.meta("--statuses", "read", "--status-delay", "100ms", "--drop-answer", "0.02", "--rate-limit", "0", "--no-pair-limit", journal=h.dir / "meta.journal")
        (h.dir / "keys").write_text("\n".join(h.people(*(f"agent{i}" for i in range(AGENTS)), capacity=20)) + "\n")
        h.ready()
        agents = h.sim("agents", "--url", h.url, "--count", str(AGENTS), "--key-file", h.dir / "keys", "--accept", "50ms", "--think", "150ms",
                       "--turns", "3", "--journal", h.dir / "agents.journal")
        load = h.sim("load", "webhook", "--url", h.url + "/webhooks/whatsapp/city", "--app-secret-file", h.dir / "app_secret", "--count", str(REQUESTS),
                     "--seconds", "80", "--rate", "300", "--connections", "16", "--citizens", "60", "--duplicate-rate", "0.05", "--retry", "--journal", h.dir / "load.journal")
        first = h.redis_pid()
        for kill in range(KILLS):
            time.sleep(random.uniform(0.2, 0.7))
            if kill == KILLS // 2:
                os.kill(h.redis_pid(), signal.SIGKILL)  # this time both, Redis first
                time.sleep(random.uniform(0, 0.3))
            h.kill()
            assert len(h.redis_servers()) <= 1, h.redis_servers()
            h.start()
        loaded = report(load)
        say("load:", {k: loaded[k] for k in loaded if k in ("accepted", "answers", "lost", "retried", "refused", "requests", "journal_lines", "statuses")} or loaded)
        # One kill more while nobody works on it: Redis alone; belfryd starts it again.
        was = h.redis_pid()
        os.kill(was, signal.SIGKILL)
        until("another redis-server", lambda: h.redis_pid() not in (None, was))
        h.ready()
        until("Meta has said everything", lambda: meta.ask("stats")["pending"] == 0, 40)
        time.sleep(1)
        agents.send_signal(signal.SIGTERM)
        robots = report(agents)
        say("agents:", {k: v for k, v in robots.items() if v and not isinstance(v, (dict, list))})
        until("no send is in flight", lambda: h.metric("belfry_sends_in_flight") == 0, 30)
        settled = time.monotonic()
        waiting = lambda: sum(m["state"] == "queued" for c in h.all("/conversations") for m in h.all(f"/conversations/{c['id']}/messages") if m["dir"] == "out")
        say(f"replies still queued: {waiting()}")
        until("every reply has a state that says what became of it", lambda: waiting() == 0, 60, every=1)
        say(f"none after {time.monotonic() - settled:.0f} s")
        servers = h.redis_servers()
        equal((len(servers), servers), (1, [h.redis_pid()]), "redis-servers")
        checked = h.check(h.dir / "meta.journal", h.dir / "agents.journal", h.dir / "load.journal")
        say("check:", {k: v for k, v in checked.items() if v})
        states = collections.Counter((m["dir"], m["state"]) for c in h.all("/conversations") for m in h.all(f"/conversations/{c['id']}/messages"))
        say("states:", dict(states), "; redis", first, "->", servers[0], "; starts", h.starts)
        stats = meta.ask("stats")
        say("Meta:", {k: stats[k] for k in ("sends_seen", "sends_doubled", "sends_unanswered", "statuses", "webhook_codes")})
        equal((checked["missing"], checked["doubled"]), (0, 0), f"missing and doubled {checked}")
        assert checked["yes_heard"] >= REQUESTS * 0.9 and checked["sends_seen"] > 0 and checked["replies_acked"] > 0, checked
        equal(stats["sends_doubled"], 0, "sends doubled")
        equal(h.metric("belfry_messages_unaccounted"), 0, "unaccounted")
        no_double_owner(h)
        equal(agents.returncode, 0, f"the desk's promises {robots}")
        meta.stop()
        equal(h.stop(), 0, "exit code")


if __name__ == "__main__":
    run(*((f"kill -9 ten times in a burst, shards {shards}", functools.partial(burst, shards)) for shards in (1, 3)))
