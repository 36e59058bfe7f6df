#!/usr/bin/env python3
"""Redis' disk is full, under load. Its log may not grow beyond a limit, so it ends at a write (`appendfsync always`) and at the first one after
each start, until there is room again. Nothing is acknowledged that is not kept. Needs no right to mount. Usage: redis_full_test.py BIN_DIR"""
import functools
from trouble import *


def full(shards):
    with server() as redis, house(redis=redis.url, shards=shards) as h:
        h.start()
        meta = h.meta("--statuses", "read", "--status-delay", "100ms", "--rate-limit", "0", "--no-pair-limit", journal=h.dir / "meta.journal")
        keys = h.people("ana", "bob", capacity=20)
        (h.dir / "keys").write_text("\n".join(keys) + "\n")
        h.ready()
        agents = h.sim("agents", "--url", h.url, "--count", "2", "--key-file", h.dir / "keys", "--accept", "50ms", "--think", "200ms", "--turns", "3",
                       "--journal", h.dir / "agents.journal")
        load = webhooks(h, 15, 150)
        journal = h.dir / "load.journal"
        until("the load runs", lambda: lines(journal) > 100, 30)
        # Half a megabyte is left; it is used up, and then it is full however often Redis is started.
        limit = redis.log().stat().st_size + (1 << 19)
        resource.prlimit(redis.process.pid, resource.RLIMIT_FSIZE, (limit, limit))
        body = envelope(change([message("491511000001", "while the disk is full")]))
        samples, codes = collections.Counter(), []
        for life in range(4):
            until("Redis ends, for it cannot write", lambda: redis.process.poll() is not None, 30)
            codes.append(redis.process.returncode)
            until("/readyz says no", lambda: h.readyz().status == 503, 20)
            time.sleep(0.5)
            kept = lines(journal)
            for _ in range(5):
                samples.update([code(h, body), h.readyz().status])
                time.sleep(0.1)
            equal(lines(journal), kept, "yes heard while there is no Redis")
            redis.start(limit=limit) if life < 3 else redis.start()
        equal(set(samples), {503}, "webhook and /readyz while the disk is full")
        until("a webhook is accepted", lambda: code(h, body) == 200, 30)
        h.ready(30)
        say(f"Redis ended {len(codes)} times with {codes}; log {redis.log().stat().st_size - limit:+d} octets beyond the limit by now; {samples[503]} answers 503")
        until("the load has ended", lambda: load.poll() is not None, 60)
        time.sleep(1)
        agents.send_signal(signal.SIGTERM)
        robots = report(agents)
        say("agents:", {k: v for k, v in robots.items() if v and not isinstance(v, (dict, list))})
        checked = account(h, Redis(redis.sock), meta, load, h.dir / "agents.journal")
        assert checked["replies_acked"] > 0, checked
        equal(agents.returncode, 0, f"the desk's promises {robots}")
        equal(h.starts, 1, "starts of belfryd")
        meta.stop()
        equal(h.stop(), 0, "exit code")


if __name__ == "__main__":
    run(*((f"Redis' disk is full, shards {shards}", functools.partial(full, shards)) for shards in (1, 3)))
