#!/usr/bin/env python3
"""belfry-sim's SMSC against ESMEs that are not belfryd: npm `smpp` (loadtest/peers/esme.mjs), and forty lines of Python that misbehave.
What belfryd is tested with must be right by others' tables first. Usage: smsc_double_test.py BIN_DIR"""
from belfry import *

PEERS = pathlib.Path(__file__).resolve().parents[2] / "loadtest/peers"
BIND, SUBMIT, DELIVER, UNBIND, ENQUIRE, DATA = 9, 4, 5, 6, 0x15, 0x103
RESP = 0x80000000


class Smsc:
    def __init__(self, *words):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="belfry-live-smsc-"))
        (self.dir / "password").write_text("secret\n")
        self.process = start([BIN / "belfry-sim", "smsc", "--json", "--control", "--seconds", "60", *words], stdout=subprocess.PIPE)
        found = first_line(self.process, r"^listening smpp=127\.0\.0\.1:(\d+) control=http://(\S+)", 20, lambda: "no line")
        self.port, self.control = int(found[1]), found[2]

    def stats(self):
        return request(self.control, "GET", "/sim/stats").json

    def ask(self, path, body):
        answer = request(self.control, "POST", "/sim/" + path, body)
        equal(answer.status, 200, answer.json)
        return answer.json

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)
        shutil.rmtree(self.dir, ignore_errors=True)


def text(value, *more):
    return value.encode() + b"\0"


def sm(to, words, coding=0, registered=0, esm=0, source="12345"):
    return (b"\0\0\1" + text(source) + b"\1\1" + text(to) + bytes([esm, 0, 0]) + b"\0\0" + bytes([registered, 0, coding, 0, len(words)]) + words)


class Esme:
    def __init__(self, smsc, kind=BIND, system_id="sim", password="secret", version=0x34):
        self.socket = socket.create_connection(("127.0.0.1", smsc.port), timeout=10)
        self.buffer, self.sequence = b"", 0
        self.bound = self.ask(kind, text(system_id) + text(password) + b"\0" + bytes([version, 0, 0, 0]))

    def send(self, command, body=b"", status=0, sequence=None, slowly=False):
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        octets = struct.pack(">IIII", 16 + len(body), command, status, sequence) + body
        for each in ([octets[i:i + 1] for i in range(len(octets))] if slowly else [octets]):
            self.socket.sendall(each)
        return sequence

    def read(self, seconds=10):
        """(command, status, sequence, body), or None where the link ended."""
        self.socket.settimeout(seconds)
        while len(self.buffer) < 4 or len(self.buffer) < struct.unpack(">I", self.buffer[:4])[0]:
            try:
                got = self.socket.recv(65536)
            except ConnectionResetError:
                got = b""
            if not got:
                return None
            self.buffer += got
        length, command, status, sequence = struct.unpack(">IIII", self.buffer[:16])
        body, self.buffer = self.buffer[16:length], self.buffer[length:]
        return command, status, sequence, body

    def ask(self, command, body=b"", slowly=False):
        sequence = self.send(command, body, slowly=slowly)
        while True:
            got = self.read()
            if got is None or got[2] == sequence and got[0] in (command | RESP, RESP):
                return got

    def close(self):
        self.socket.close()


def node(url, *words):
    ran = subprocess.run(["node", PEERS / "esme.mjs", url, *words], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


def road(scheme, *words):
    with tempfile.TemporaryDirectory() as directory:
        log = pathlib.Path(directory) / "journal"
        with Smsc("--calm", "--system-id", "node", "--receipts", "both", "--ids", "hex-resp", "--receipt-delay", "200ms", "--mo", "32", "--mo-rate", "200",
                  "--mo-unique", "--retry", "300ms", "--journal", log, *words) as smsc:
            got = node(f"{scheme}://127.0.0.1:{smsc.port}", "--refuse", "3", "--wait", "2000")
            stats = smsc.stats()
        equal((got["bind"]["status"], got["bind"]["version"], got["enquire"], got["unbind"]), (0, 0x34, 0, 0), got)
        equal([each["status"] for each in got["submits"]], [0] * 7 + [0x0B])
        ids = [each["id"] for each in got["submits"][:7]]
        equal(sorted(each["receipted_message_id"] for each in got["receipts"]), sorted(ids), "every submit has its receipt, by TLV")
        for each in got["receipts"]:  # and by its text, in the other radix
            equal(int(re.match(r"id:(\d+) sub:001 .* stat:DELIVRD err:000 text:", each["text"])[1]), int(each["receipted_message_id"], 16))
        entries = [json.loads(line) for line in log.read_text().splitlines()]
        said = {each["text"] for each in entries if each["k"] == "mo"}
        equal(len(said), 32)
        # node-smpp knows neither 0x18 nor 0xF0 nor binary as anything but octets of its default; esme.mjs hands them over as they are.
        equal({each["text"] for each in got["messages"]}, said, "each message in every coding, as node-smpp reads it")
        texts = {each["text"] for each in entries if each["k"] == "submit" and "text" in each}
        equal(texts, {f"no. {i}: Grüße @ 5 €" for i in range(5)} | {"нет воды 🚰 " * 9})
        equal((stats["complaints"], stats["repeated"], stats["accepted"], stats["messages"], stats["mo_acked"]), ({}, 0, 7, 6, 32))
        equal((got["refused"], stats["deliver_codes"]["0x64"]), (3, 3))


def test_node_as_esme():
    road("smpp")


def test_node_as_esme_over_tls():
    with tempfile.TemporaryDirectory() as directory:
        cert, key = pathlib.Path(directory) / "cert", pathlib.Path(directory) / "key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
        road("ssmpp", "--cert-file", cert, "--key-file", key)


def test_binds():
    with Smsc("--system-id", "sim") as smsc:
        equal(Esme(smsc, system_id="other").bound[1], 0x0F)
        esme = Esme(smsc)
        equal(esme.bound[1], 0)
        equal(esme.ask(BIND, text("sim") + b"\0\0" + b"\x34\0\0\0")[1], 5)
        equal(Esme(smsc, kind=1).ask(SUBMIT, sm("491511234567", b"hi"))[1], 4, "a receiver may not submit")
        equal(esme.ask(0x10203, b"what")[:2], (RESP, 3), "generic_nack")
        equal(esme.ask(SUBMIT, b"\0\0\1broken")[1], 0xC2)
        equal(esme.ask(ENQUIRE, slowly=True)[1], 0)
        equal(esme.ask(SUBMIT, sm("491511234567", b"hi"), slowly=True)[1], 0, "octet by octet")
        esme.socket.sendall(struct.pack(">IIII", 8, ENQUIRE, 0, 99))
        equal(esme.read()[:3], (RESP, 2, 0))
        equal(esme.read(), None, "and the link ends")
    with Smsc("--no-transceiver", "--refuse-binds", "1") as smsc:
        equal([Esme(smsc).bound[1], Esme(smsc).bound[1], Esme(smsc, kind=2).bound[1]], [0x0D, 3, 0])
    with Smsc("--version", "5", "--window", "4") as smsc:
        esme = Esme(smsc, version=0x50)
        assert esme.bound[3].endswith(b"\2\x10\0\1\x50"), esme.bound
        assert esme.ask(SUBMIT, sm("491511234567", b"hi"))[3][-5:-1] == b"\4\x28\0\1"


def test_window_throttle_and_repeats():
    with Smsc("--calm", "--window", "2", "--delay", "200ms") as smsc:
        esme = Esme(smsc)
        for i in range(5):
            esme.send(SUBMIT, sm("491511234567", b"hello %d" % i))
        equal([esme.read()[1] for _ in range(5)], [0] * 5)
        stats = smsc.stats()
        equal((stats["over_window"], stats["most_outstanding"]), (3, 5))
        equal(esme.ask(SUBMIT, sm("491511234567", b"hello 1"))[1], 0)
        equal(smsc.stats()["repeated"], 1)
        part = b"\5\0\3\7\2\1" + b"first half "
        for _ in range(2):
            equal(esme.ask(SUBMIT, sm("491511234567", part, esm=0x40))[1], 0)
        equal(smsc.stats()["repeated_segments"], 1)
        equal(esme.ask(SUBMIT, sm("491511234567", b"x" * 161))[1], 0)
        equal(esme.ask(SUBMIT, sm("491511234567", "a🚰".encode("utf-16-be")[:-2], coding=8))[1], 0)
        equal(set(smsc.stats()["complaints"]), {"segment of 161 where 160 fit", "surrogate pair cut"})
    with Smsc("--calm", "--rate", "50", "--status", "0x45:0.5") as smsc:
        esme = Esme(smsc)
        codes = []
        for i in range(60):
            codes.append(esme.ask(SUBMIT, sm("491511234567", b"hello %d" % i))[1])
            time.sleep(0.01)
        assert 0x58 in codes and 0x45 in codes and 0 in codes, codes


def test_unknown_outcomes():
    with Smsc("--calm", "--drop-rate", "1") as smsc:
        esme = Esme(smsc)
        equal(esme.ask(SUBMIT, sm("491511234567", b"hello")), None, "taken, never answered, and the link fell")
        smsc.ask("faults", {"drop": 0, "mute": 1})
        esme = Esme(smsc)
        esme.send(SUBMIT, sm("491511234567", b"hello"))
        equal(esme.ask(ENQUIRE)[1], 0, "a mute SMSC still lives")
        stats = smsc.stats()
        equal((stats["dropped"], stats["muted"], stats["accepted"], stats["answered"], stats["repeated"]), (1, 1, 2, 0, 1))


def test_receipts():
    with Smsc("--calm", "--early-rate", "1", "--ids", "dec-resp") as smsc:
        esme = Esme(smsc)
        sequence = esme.send(SUBMIT, sm("491511234567", b"hello", registered=1))
        receipt, answer = esme.read(), esme.read()
        equal((receipt[0], answer[0], answer[2]), (DELIVER, SUBMIT | RESP, sequence), "the receipt overtakes the answer")
        number = int(answer[3][:-1])
        assert b"id:%x sub:" % number in receipt[3], receipt
    with Smsc("--calm", "--receipt-delay", "100ms", "--intermediate-rate", "1", "--undeliverable", "1", "--dialect", "mixed", "--receipts", "both") as smsc:
        esme = Esme(smsc)
        for i in range(40):
            esme.send(SUBMIT, sm("491511234567", b"hello %d" % i, registered=1))
        got = {DELIVER: 0, DATA: 0, SUBMIT | RESP: 0}
        while sum(got.values()) < 120:
            command, _, sequence, _ = esme.read()
            got[command] += 1
            if command < RESP:
                esme.send(command | RESP, b"\0", sequence=sequence)
        assert got[DATA] > 0 and got[DELIVER] + got[DATA] == 80, got
        until("the acknowledgements", lambda: smsc.stats()["receipts_acked"] == 80)


def test_each_message_until_it_is_taken():
    with Smsc("--mo", "30", "--mo-rate", "500", "--mo-unique", "--retry", "100ms", "--duplicate-rate", "0.3", "--mo-kinds", "gsm,ucs2,long-udh8") as smsc:
        esme, taken, cut = Esme(smsc), set(), 0
        while smsc.stats()["mo_acked"] < 30:
            got = esme.read(2)
            if got is None or cut == 0 and len(taken) > 10:  # once by us, with deliver_sm open
                cut += 1
                esme.close()
                esme = Esme(smsc)
                continue
            if got[0] != DELIVER:
                continue
            status = 0x64 if random.random() < 0.2 else 0
            if status == 0:
                taken.add(got[3])
            esme.send(DELIVER | RESP, b"\0", status=status, sequence=got[2])
            if len(taken) == 50:
                time.sleep(0.1)
        stats = smsc.stats()
        equal(len(taken), 50, "10 short, 10 in UCS-2, 10 of three parts")
        assert stats["repeats"] > 0 and stats["retried"] > 0 and stats["mo_failed"] == 0, stats
        esme.close()


def test_odd_operators():
    with Smsc("--odd-rate", "1", "--mo", "40", "--mo-rate", "500", "--mo-kinds", "gsm", "--duplicate-rate", "0", "--slow-rate", "0") as smsc:
        esme = Esme(smsc)
        assert b"\x10\x02\0\6vendor" in esme.bound[3], esme.bound
        answers = [esme.ask(SUBMIT, sm("491511234567", b"hello %d" % i))[3] for i in range(20)]
        assert any(not a.endswith(b"\0") and a.isdigit() for a in answers) and any(b"vendor" in a for a in answers), answers
        smsc.ask("faults", {"odd": 0})
        until("the end of what waits", lambda: smsc.stats()["odd"] >= 32)


run(*[(name.removeprefix("test_").replace("_", " "), each) for name, each in list(globals().items()) if name.startswith("test_")])
