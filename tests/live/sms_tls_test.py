#!/usr/bin/env python3
"""TLS towards an SMSC whose certificate a private authority signed (npm's `smpp` as SMSC): belfryd binds if it is told that authority
(`ca_file`), and says why it does not where it is told another, none, or the SMSC shows a certificate of another name.
Usage: sms_tls_test.py BIN_DIR"""
from sms_test import *


def openssl(*words):
    subprocess.run(["openssl", *(str(w) for w in words)], check=True, capture_output=True)


def authority(home, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-addext", "basicConstraints=critical,CA:TRUE", "-keyout", home / f"{name}.key", "-out", home / f"{name}.pem")
    return home / f"{name}.pem"


def certificate(home, ca, name):
    """Of `localhost`, signed by that authority."""
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", home / "smsc.key", "-out", home / "smsc.csr")
    (home / "names").write_text(f"subjectAltName=DNS:{name}\n")
    openssl("x509", "-req", "-in", home / "smsc.csr", "-CA", ca, "-CAkey", ca.with_suffix(".key"), "-CAcreateserial", "-days", "2", "-extfile", home / "names", "-out", home / "smsc.pem")
    return home / "smsc.pem", home / "smsc.key"


def account(id, port, home, host="localhost", ca=None):
    return f"""
[[smpp]]
id = "{id}"
host = "{host}"
port = {port}
tls = true
{f'ca_file = "{ca}"' if ca else ""}
system_id = "belfry"
password_file = "{home}/password"
source = "12345"
queue = "hall"
"""


def only_a_known_authority_is_bound_to():
    home = pathlib.Path(tempfile.mkdtemp(prefix="belfry-live-sms-"))
    ours, other = authority(home, "operator-ca"), authority(home, "other-ca")
    cert, key = certificate(home, ours, "localhost")
    smsc = Smsc(home, "--password", "s3cret12", "--cert", cert, "--key", key)
    (home / "password").write_text("s3cret12\n")
    (home / "password").chmod(0o600)
    h = House(more=account("private", smsc.port, home, ca=ours) + account("wrong", smsc.port, home, ca=other) + account("public", smsc.port, home)
              + account("named", smsc.port, home, host="127.0.0.1", ca=ours))
    h.start()
    h.people()
    h.ready()
    until("a bind", lambda: smsc.get("seen")["binds"] == 1)
    log = lambda: (h.dir / "belfryd.log").read_text("utf-8", "replace").splitlines()
    for id, why in (("wrong", "unable to get local issuer certificate"), ("public", "unable to get local issuer certificate"), ("named", "IP address mismatch")):
        said = until(f"why {id} has no link", lambda: [line for line in log() if "link_failed" in line and f"account={id} " in line])
        assert "certificate verify failed" in said[0] and why in said[0], said
        done = subprocess.run([BIN / "belfryctl", "--config", h.config, "account", "test", id], capture_output=True, text=True, timeout=60)
        equal((done.returncode, done.stdout.strip()[:len(id) + 17]), (1, f"{id}: no connection to"[:len(id) + 17]), f"the test of {id}")
        assert why in done.stdout, (id, done.stdout)
    until("its binds in the metrics", lambda: h.metric("belfry_smpp_binds", account="private", state="up") == 1, 10)
    for id in ("wrong", "public", "named"):
        equal((h.metric("belfry_smpp_binds", account=id, state="up"), h.metric("belfry_smpp_binds", account=id, state="down")), (0, 1), f"binds of {id}")
    equal(h.ctl("account", "test", "private"), "private: the SMSC took the bind", "account test")
    answer = h.api("POST", "/messages", {"account": "private", "to": "+491600000001", "text": "Over TLS"})
    until("sent", lambda: h.get("/messages/" + answer.json["id"])["state"] == "sent")
    equal(bytes.fromhex(smsc.submits("491600000001")[0]["raw"]), b"Over TLS", "what the SMSC read")
    time.sleep(4)  # a second try, or a third
    equal([sum("link_failed" in line and f"account={id} " in line for line in log()) for id in ("private", "wrong", "public", "named")], [0, 1, 1, 1], "times that it is said")
    equal(smsc.get("seen")["binds"], 2, "binds: ours and that of the test")
    equal(h.stop(), 0, "belfryd's exit code")
    h.cleanup()
    smsc.process.stdin.close()
    shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    if not (PEERS / "node_modules/smpp").exists():
        sys.exit(f"{PEERS}/node_modules has no smpp: run `npm ci` there, as ./dev test does")
    run(("only a known authority is bound to", only_a_known_authority_is_bound_to))
