"""SMS: submit_sm/s fed by POST /api/v1/messages on 64 connections and deliver_sm/s, window 100, against belfry-sim's fast sink, beside
Debian's kannel (bearerbox + smsbox) over the same sink in the same run.

Rounds are interleaved; medians are printed, and ratios of the same round. kannel fsyncs in no case; "fsync always" is belfryd's default.
  slow sink       each answer 50 ms late, window 100: of the most that (window less the alerts' tenth) / delay allows
  throttled sink  takes 300 a second, and belfryd may send 1,000: of what it takes
  queued          so many messages wait for an SMSC that is not there: memory of gateway and Redis
"""
import json, pathlib, subprocess, sys, time
import kannel
from house import BIN, House, Table, start, stop

ACCOUNT = '''
[[smpp]]
id = "sms"
host = "127.0.0.1"
port = {port}
system_id = "sim"
password_file = "secret"
source = "12345"
window = {window}
rate = {rate}
queue = "city"
'''


class Sms:
    """A belfryd on a sink of its own."""

    def __init__(self, options, fsync, *sink, window=100, rate=100000, port=None):
        self.running = []
        self.home = None
        if port is None:
            self.log = pathlib.Path(f"/tmp/belfry_bench_sink_{time.monotonic_ns()}.log")
            self.sink, found = start([BIN / "belfry-sim", "smsc", "--json", *sink], r"listening smpp=127\.0\.0\.1:(\d+)", self.log)
            self.running.append(self.sink)
            port = found.group(1)
        self.house = House(fsync, options.shards, more=ACCOUNT.format(port=port, window=window, rate=rate))
        made = self.house.api("POST", "/keys", {"role": "integration"})
        (self.house.home / "key").write_text(made["key"] + "\n")

    def load(self, count, *more):
        ran = subprocess.run([str(w) for w in [BIN / "belfry-sim", "load", "sms", "--url", self.house.desk + "/api/v1/messages", "--key-file",
                              self.house.home / "key", "--account", "sms", "--count", count, "--connections", "64", "--json", *self.house.watch, *more]],
                             capture_output=True, text=True)
        lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
        if not lines:
            sys.exit("bench: load sms said: " + ran.stdout + ran.stderr)
        return json.loads(lines[-1])

    def report(self, ask=False):
        if ask:
            self.sink.terminate()
        self.sink.wait(180)
        return json.loads(self.log.read_text().splitlines()[-1])

    def cpu(self):
        return kannel.cpu_us(self.house.belfryd.pid)

    def close(self):
        for process in self.running:
            if process.poll() is None:
                stop(process)
        self.house.close()


def out(options, fsync):
    sms = Sms(options, fsync, "--fast", "--count", str(options.count), "--seconds", "120")
    try:
        cpu = sms.cpu()
        load, sink = sms.load(options.count), sms.report()
        return {"rate": sink["submits_per_second"], "cpu_us": (sms.cpu() - cpu) / options.count, "accepted": load["answers_per_second"]}
    finally:
        sms.close()


def into(options, fsync):
    sms = Sms(options, fsync, "--fast", "--mo-flood", str(options.count), "--mo-window", "100", "--mo-delay", "2s", "--seconds", "120")
    try:
        cpu = sms.cpu()
        sink = sms.report()
        return {"rate": sink["mo_per_second"], "cpu_us": (sms.cpu() - cpu) / options.count}
    finally:
        sms.close()


def slow(options):
    sms = Sms(options, "always", "--calm", "--delay", "50ms", "--window", "100", "--receipts", "none", window=100)
    try:
        sms.load(9000)
        time.sleep(4)  # most of what 9,000 take: the first windowful comes at once and counts little
        sink = sms.report(ask=True)
        assert sink.get("over_window", 0) == 0, sink
        return sink["submits_per_second"] / (90 / 0.05)
    finally:
        sms.close()


def throttled(options):
    sms = Sms(options, "always", "--calm", "--rate", "300", "--receipts", "none", rate=1000)
    try:
        sms.load(9000)
        time.sleep(2)
        begun = time.monotonic()
        while time.monotonic() - begun < 60 and int(sms.house.redis.cli("LLEN", "{belfry}:out:sms:1") or 0) > 0:
            time.sleep(0.2)
        return sms.report(ask=True)["accepted_per_second"] / 300
    finally:
        sms.close()


def rss(pid):
    return int(next(l for l in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if l.startswith("VmRSS")).split()[1]) * 1024


def queued(options, count):
    sms = Sms(options, "everysec", port=9)
    try:
        sms.load(2000, "--citizens", count)
        before, memory = rss(sms.house.belfryd.pid), sms.house.redis.memory()
        sms.load(count, "--citizens", count, "--seed", "2")
        return (rss(sms.house.belfryd.pid) - before) / 1e6 * 1e6 / count, (sms.house.redis.memory() - memory) / count
    finally:
        sms.close()


def sms(options):
    table = Table()
    for _ in range(options.rounds):
        for fsync in ("always", "everysec"):
            for name, measure in (("out", out), ("in", into)):
                got = measure(options, fsync)
                table.note(f"belfryd {name}, fsync {fsync}: /s", got["rate"])
                table.note(f"belfryd {name}, fsync {fsync}: CPU us", got["cpu_us"])
        for store in ("none", "spool"):
            for name, measure in (("out", kannel.out), ("in", kannel.into)):
                got = measure(store, options.count)
                table.note(f"kannel {name}, store {store}: /s", got["rate"])
                table.note(f"kannel {name}, store {store}: CPU us", got["cpu_us"])
        table.note("slow sink: share of the most", slow(options))
        table.note("throttled sink: share of its limit", throttled(options))
        gateway, redis = queued(options, 100_000)
        table.note("queued: octets of the gateway, each", gateway)
        table.note("queued: octets of Redis, each", redis)
    table.show()
    print()
    table.ratio("belfryd out, fsync always: /s", "kannel out, store spool: /s", 3)
    table.ratio("belfryd in, fsync always: /s", "kannel in, store spool: /s", 4)
    table.ratio("belfryd out, fsync always: /s", "kannel out, store none: /s", 1)
    table.ratio("belfryd in, fsync always: /s", "kannel in, store none: /s", 1)
    table.ratio("belfryd in, fsync everysec: /s", "kannel in, store none: /s", 2)
    for name in ("out", "in"):
        table.ratio(f"belfryd {name}, fsync always: CPU us", f"kannel {name}, store spool: CPU us", 0.2, most=True)
    for name, goal in (("slow sink: share of the most", "at least 0.95"), ("throttled sink: share of its limit", "at least 0.9"),
                       ("queued: octets of the gateway, each", "at most 20"), ("queued: octets of Redis, each", "at most 450")):
        print(f"{name:90s} {table.median(name):6.2f}   goal: {goal}")
