#!/usr/bin/env python3
"""Debian's kannel (bearerbox + smsbox) as the ESME on belfry-sim's fast sink: what ./dev bench sms compares belfryd with.
    out(store, count, window)    texts by smsbox's sendsms on 64 keep-alive connections; submit_sm/s as the sink sees them
    into(store, count, window)   deliver_sm with so many outstanding; /s as they are acknowledged, and until the last one is served
`store` is none, file or spool. CPU is that of both processes, until both are idle again. kannel fsyncs in no case.
Standalone: python3 loadtest/bench/kannel.py [--count N] [--window W] [--rounds R]"""
import argparse, json, pathlib, re, shutil, statistics, subprocess, sys, tempfile, time, urllib.error, urllib.request
sys.dont_write_bytecode = True
from house import BIN, start, stop

CONF = '''group = core
admin-port = {admin}
admin-interface = 127.0.0.1
admin-password = bench
smsbox-port = {box}
smsbox-interface = 127.0.0.1
box-allow-ip = "127.0.0.1"
log-level = 3
{store}

group = smsc
smsc = smpp
smsc-id = sink
host = 127.0.0.1
port = {smpp}
transceiver-mode = true
smsc-username = sim
smsc-password = bench
system-type = ""
max-pending-submits = {window}
enquire-link-interval = 30

group = smsbox
bearerbox-host = 127.0.0.1
bearerbox-port = {box}
sendsms-port = {sendsms}
sendsms-interface = 127.0.0.1
log-level = 3

group = sendsms-user
username = sim
password = bench
max-messages = 1

group = sms-service
keyword = default
catch-all = true
max-messages = 0
{service}
'''
STORES = {"none": "", "file": 'store-type = file\nstore-location = "{home}/kannel.store"', "spool": 'store-type = spool\nstore-location = "{home}/spool"'}


def cpu_us(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 10_000


class Kannel:
    """Both boxes on a sink of ours."""

    def __init__(self, store, window, *sink, get_url=False):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="belfry_kannel_"))
        (self.home / "spool").mkdir()
        (self.home / "password").write_text("bench\n")
        self.running = []
        try:
            self.sink, found = start([BIN / "belfry-sim", "smsc", "--fast", "--json", *sink] + (["--control"] if get_url else []),
                                     r"listening smpp=127\.0\.0\.1:(\d+)(?: control=(\S+))?", self.home / "sink.log")
            self.running.append(self.sink)
            ports = subprocess.run([BIN / "belfry-sim", "ports", "--count", "3"], capture_output=True, text=True, check=True).stdout.split()
            self.admin, box, self.sendsms = ports
            service = f'get-url = "{found.group(2)}/?from=%p&text=%a"' if get_url else 'text = "nothing"'
            conf = self.home / "kannel.conf"
            conf.write_text(CONF.format(admin=self.admin, box=box, sendsms=self.sendsms, smpp=found.group(1), window=window,
                                        store=STORES[store].format(home=self.home), service=service))
            self.boxes = []
            for name in ("bearerbox", "smsbox"):
                log = open(self.home / f"{name}.log", "wb")
                self.boxes.append(subprocess.Popen([f"/usr/sbin/{name}", "-v", "3", str(conf)], stdout=log, stderr=log, cwd=self.home))
                self.running.insert(0, self.boxes[-1])
                if name == "bearerbox":
                    self.until("online", r"sink.*online")
            self.until("smsbox", r"smsbox.*on-line")
        except BaseException:
            self.close()
            raise

    def status(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/status.txt?password=bench", timeout=5).read().decode()
        except (urllib.error.URLError, OSError):
            return ""

    def until(self, what, pattern):
        for _ in range(100):
            if re.search(pattern, self.status()):
                return
            if any(box.poll() is not None for box in self.boxes):
                break
            time.sleep(0.1)
        logs = "".join((self.home / f"{name}.log").read_text()[-1500:] for name in ("bearerbox", "smsbox") if (self.home / f"{name}.log").exists())
        sys.exit(f"bench: kannel is not {what}:\n{self.status()}\n{logs}")

    def cpu(self):
        return sum(cpu_us(box.pid) for box in self.boxes)

    def idle(self):
        """Waits until neither box does anything; the moment when that began."""
        before, since = self.cpu(), time.monotonic()
        while time.monotonic() - since < 1:
            time.sleep(0.1)
            now = self.cpu()
            if now > before + 10_000:  # ticks of 10 ms; timers of its own cost it less
                since = time.monotonic()
            before = now
        return since

    def report(self, ask=False):
        if ask:
            self.sink.terminate()
        self.sink.wait(180)
        return json.loads((self.home / "sink.log").read_text().splitlines()[-1])

    def close(self):
        for process in self.running:
            stop(process)
        shutil.rmtree(self.home, ignore_errors=True)


def out(store, count, window=100):
    kannel = Kannel(store, window, "--count", str(count), "--seconds", "300")
    try:
        cpu = kannel.cpu()
        ran = subprocess.run([BIN / "belfry-sim", "load", "sendsms", "--url", f"http://127.0.0.1:{kannel.sendsms}/cgi-bin/sendsms", "--password-file",
                              kannel.home / "password", "--count", str(count), "--connections", "64", "--json"], capture_output=True, text=True)
        if ran.returncode != 0:
            sys.exit("bench: load sendsms said: " + ran.stdout + ran.stderr)
        load, sink = json.loads(ran.stdout), kannel.report()
        kannel.idle()
        return {"rate": sink["submits_per_second"], "cpu_us": (kannel.cpu() - cpu) / count, "count": sink["submits"], "accepted_per_second": load["answers_per_second"],
                "accept_ms": load["accept_ms"], "codes": load["codes"], "most_in_a_read": sink["most_in_a_read"]}
    finally:
        kannel.close()


def into(store, count, window=100, get_url=False):
    """With get_url smsbox passes each message on by HTTP to a server that says nothing; without, it finds its service and drops it."""
    kannel = Kannel(store, window, "--mo-flood", str(count), "--mo-window", str(window), "--mo-delay", "4s", "--seconds", "300", get_url=get_url)
    try:
        kannel.idle()
        cpu = kannel.cpu()
        while kannel.cpu() < cpu + 20_000 and kannel.sink.poll() is None:
            time.sleep(0.01)
        begun = time.monotonic()
        while kannel.sink.poll() is None and not (get_url and f"SMS: received {count} (0 queued)" in kannel.status()):
            time.sleep(0.1)
        ended = kannel.idle()
        cpu = kannel.cpu() - cpu
        sink = kannel.report(ask=get_url)
        return {"rate": sink["mo_per_second"], "served_per_second": round(count / (ended - begun)), "cpu_us": cpu / count, "count": sink["mo_acked"],
                "mo_ms": sink["mo_ms"], "retried": sink["mo_retried"], "codes": sink["mo_codes"], "http_requests": sink.get("http_requests")}
    finally:
        kannel.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--get-url", action="store_true", help="smsbox passes messages on by HTTP")
    options = parser.parse_args()
    for store in STORES:
        for name, measure in (("out", out), ("into", lambda *more: into(*more, get_url=options.get_url))):
            got = [measure(store, options.count, options.window) for _ in range(options.rounds)]
            print(f"{name:5s} {store:6s} {statistics.median(g['rate'] for g in got):9.0f}/s {statistics.median(g['cpu_us'] for g in got):7.0f} us CPU a message"
                  f"   {json.dumps(got[-1])}", flush=True)
