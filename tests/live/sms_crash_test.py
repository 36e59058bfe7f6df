#!/usr/bin/env python3
"""SIGKILL of belfryd again and again while it submits thousands of texts and takes thousands: no citizen's message that was answered
is lost or shown twice, every text that was accepted is accounted for, none is sent twice. Usage: sms_crash_test.py BIN_DIR [COUNT]"""
import functools
from belfry import *

COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 2500


def killed_while_it_works(shards):
    home = pathlib.Path(tempfile.mkdtemp(prefix="belfry-live-sms-"))
    (home / "password").write_text("s3cret12\n")
    (home / "password").chmod(0o600)
    journals = home / "smsc.journal", home / "load.journal"
    with open(home / "smsc.log", "wb") as log:
        smsc = start([BIN / "belfry-sim", "smsc", "--system-id", "belfry", "--password-file", home / "password", "--mo", str(COUNT), "--mo-rate", str(COUNT // 12),
                      "--mo-kinds", "gsm,ucs2,latin1", "--mo-unique", "--citizens", "300", "--receipts", "both", "--receipt-delay", "100ms", "--retry", "1s", "--deliver-timeout", "4s",
                      "--journal", journals[0], "--seconds", "100", "--json"], stdout=subprocess.PIPE, stderr=log)
    port = first_line(smsc, r"smpp=127\.0\.0\.1:(\d+)", 20, lambda: (home / "smsc.log").read_text())[1]
    h = House(shards=shards, more=f"""
[[smpp]]
id = "sms"
host = "127.0.0.1"
port = {port}
system_id = "belfry"
password_file = "{home}/password"
source = "12345"
window = 50
rate = 2000
response_timeout = "3s"
queue = "hall"
""")
    h.start()
    h.people()
    h.ready()
    (home / "key").write_text(h.ctl("key", "add", "--role", "integration", "--name", "load") + "\n")
    load = start([BIN / "belfry-sim", "load", "sms", "--url", h.url + "/api/v1/messages", "--key-file", home / "key", "--account", "sms", "--count", str(COUNT), "--connections", "8",
                  "--rate", str(COUNT // 12), "--idempotency", "--retry", "--journal", journals[1], "--seconds", "90", "--json"],
                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    kills = 0
    while load.poll() is None and kills < 8:
        time.sleep(1.5)
        h.kill()
        kills += 1
        h.start()
    h.ready(30)
    loaded = report(load, 100)
    until("no text on its way", lambda: h.metric("belfry_sends_in_flight") == 0, 60)
    time.sleep(5)
    smsc.send_signal(signal.SIGTERM)
    said = report_of(smsc)
    found = h.check(*journals)
    say(f"{kills} kills, {said['submits']} submits, {said['mo_acked']} messages acknowledged, {found}")
    equal({k: found[k] for k in ("missing_mo", "doubled_mo", "missing_asked", "doubled_submits")}, {"missing_mo": 0, "doubled_mo": 0, "missing_asked": 0, "doubled_submits": 0}, "check")
    equal(h.metric("belfry_messages_unaccounted"), 0, "belfry_messages_unaccounted")
    equal(h.stop(), 0, "belfryd's exit code")
    h.cleanup()
    shutil.rmtree(home, ignore_errors=True)


def report_of(process):
    out, _ = process.communicate(timeout=60)
    return json.loads(out.decode().splitlines()[-1])


if __name__ == "__main__":
    run(*((f"killed while it works, shards {shards}", functools.partial(killed_while_it_works, shards)) for shards in (1, 3)))
