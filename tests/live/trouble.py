"""What the tests of a troubled Redis share: a paced load that repeats, a redis-server that the test ends and starts, and the account at the end."""
import resource
from belfry import *
from relay import Redis, RespError


def lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def webhooks(h, seconds, rate, *more):
    """A paced load that repeats what was refused or lost, as Meta does."""
    return h.sim("load", "webhook", "--url", h.url + "/webhooks/whatsapp/city", "--app-secret-file", h.dir / "app_secret", "--seconds", str(seconds), "--rate", str(rate),
                 "--connections", "16", "--citizens", "300", "--duplicate-rate", "0.05", "--retry", "--give-up", "60s", "--journal", h.dir / "load.journal", *more)


def code(h, body):
    """What a webhook hears; 0 if no answer comes."""
    try:
        return h.webhook(body).status
    except (OSError, http.client.HTTPException):
        return 0


def differences(h, redis):
    """What belfryd's own recount says of every conversation, now."""
    (library,) = [name for name in fields(redis("FUNCTION", "LIST"), "library_name")]
    version = library.rsplit("_", 1)[1]
    found = {c["id"]: redis("FCALL", f"recount_{version}", 1, "{belfry}", c["id"].removeprefix("conv_")) for c in h.all("/conversations")}
    return {id: answer for id, answer in found.items() if answer != ["ok", 0]}


def fields(answers, name):
    return [answer[i + 1] for answer in answers for i in range(0, len(answer), 2) if answer[i] == name]


def account(h, redis, meta, load, *journals):
    """The load ends, and everything acknowledged is there, once. Meta's journal and the load's are always asked."""
    loaded = report(load)
    codes = loaded["codes"]
    say("load:", {k: loaded[k] for k in ("accepted", "accepted_new", "codes", "lost_connections", "connect_errors", "timeouts", "journal_lines")})
    equal(set(codes), {"200", "503"}, "what webhooks heard")
    until("Meta has said everything", lambda: meta.ask("stats")["pending"] == 0, 40)
    until("no send is in flight", lambda: h.metric("belfry_sends_in_flight") == 0, 30)
    until("no reply is queued", lambda: not any(m["dir"] == "out" and m["state"] == "queued" for c in h.all("/conversations") for m in h.all(f"/conversations/{c['id']}/messages")),
          60, every=0.5)
    checked = h.check(h.dir / "meta.journal", h.dir / "load.journal", *journals)
    say("check:", {k: v for k, v in checked.items() if v})
    equal((checked["missing"], checked["doubled"]), (0, 0), f"missing and doubled {checked}")
    assert checked["yes_heard"] >= loaded["accepted_new"] > 0, (checked, loaded)
    equal(meta.ask("stats")["sends_doubled"], 0, "sends doubled")
    equal(differences(h, redis), {}, "conversations whose counters differ from their messages")
    was = h.metric("belfry_recounts_total")
    until("belfryd recounts", lambda: h.metric("belfry_recounts_total") - was >= 20, 60, every=0.5)
    equal(h.metric("belfry_messages_unaccounted"), 0, "belfry_messages_unaccounted")
    no_double_owner(h)
    return checked


class Server:
    """A redis-server that the test may end and start again on the same files; `limit` is the most octets a file of it may have."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="belfry-live-redis-"))
        self.sock, self.process, self.deaths = self.dir / "redis.sock", None, 0

    url = property(lambda self: f"unix://{self.sock}")

    def start(self, *more, limit=None):
        def before():
            if limit is not None:  # a write beyond it fails as on a full disk: an error, not a signal
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        with contextlib.suppress(FileNotFoundError):
            self.sock.unlink()
        with open(self.dir / "log", "ab") as log:
            self.process = start(["redis-server", "--port", "0", "--unixsocket", self.sock, "--dir", self.dir, "--appendonly", "yes", "--appendfsync", "always",
                                  "--save", "", "--maxmemory-policy", "noeviction", *more], stdout=subprocess.DEVNULL if limit else log, stderr=log,
                                 preexec_fn=before, restore_signals=False)
        until("redis-server", lambda: peer_pid(self.sock) or self.process.poll() is not None)
        return self

    def ask(self, *words):
        one = Redis(self.sock)
        try:
            return one(*words)
        finally:
            one.socket.close()

    def log(self):
        return max(self.dir.glob("appendonlydir/*.incr.aof"), key=lambda p: p.stat().st_mtime)

    def cleanup(self):
        with contextlib.suppress(Exception):
            end(self.process, signal.SIGKILL)
        shutil.rmtree(self.dir, ignore_errors=True)


@contextlib.contextmanager
def server():
    made = Server().start()
    try:
        yield made
    finally:
        made.cleanup()
