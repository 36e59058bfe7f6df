#!/usr/bin/env python3
"""The operator's and a program's road through a real belfryd with its own Redis: belfryctl, sign-in, keys, tickets, sends,
idempotency, media, the transition log. Usage: operator_test.py BIN_DIR"""
import http.client, json, os, pathlib, re, subprocess, sys, tempfile, time, unittest

BIN = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else "build/release/bin").resolve()


class House:
    """One belfryd, without an account that could reach anybody: its Graph API is a closed port."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        for name in ("app_secret", "verify_token", "access_token"):
            (self.dir / name).write_text(name + "-of-the-test\n")
            (self.dir / name).chmod(0o600)
        self.config = self.dir / "belfry.toml"
        self.config.write_text(f"""
[server]
state_dir = "{self.dir}/state"
shards = 3
[listen]
public = ["http://127.0.0.1:0"]
admin = "http://127.0.0.1:0"
[[queue]]
id = "hall"
name = "Town hall"
[[whatsapp]]
id = "wa-main"
portfolio = "main"
phone_number_id = "1"
app_secret_file = "app_secret"
verify_token_file = "verify_token"
access_token_file = "access_token"
graph_url = "http://127.0.0.1:9"
queue = "hall"
""")
        (self.dir / "state").mkdir(exist_ok=True)
        self.log = open(self.dir / "log", "w+")
        self.process = subprocess.Popen([BIN / "belfryd", "--config", self.config], stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.public = None
        for line in self.process.stdout:
            found = re.search(r"listening public=http://(\S+?)/? ", line + " ")
            if found:
                self.public = found.group(1).rstrip("/")
                break
        if not self.public:
            self.log.seek(0)
            raise RuntimeError("belfryd did not start:\n" + self.log.read()[-3000:])

    def stop(self):
        self.process.terminate()
        code = self.process.wait(15)
        self.process.stdout.close()
        self.log.close()
        return code

    def ctl(self, *args, fails=0, stdin=None):
        done = subprocess.run([BIN / "belfryctl", "--config", self.config, *args], capture_output=True, text=True, timeout=60, input=stdin)
        assert done.returncode == fails, (args, done.returncode, done.stdout, done.stderr)
        return done.stdout if not fails else done.stderr

    def ctl_json(self, *args):
        return json.loads(self.ctl("--json", *args))

    def http(self, method, path, body=None, key=None, **headers):
        connection = http.client.HTTPConnection(self.public, timeout=20)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if key:
            headers["Authorization"] = "Bearer " + key
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        answer.json = json.loads(data) if "json" in (answer.getheader("content-type") or "") else None
        answer.data = data
        return answer


class Operator(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory(prefix="belfry-operator-")
        cls.house = House(cls.temporary.name)
        cls.password = cls.house.dir / "password"
        cls.password.write_text("correct horse battery\n")

    @classmethod
    def tearDownClass(cls):
        code = cls.house.stop()
        cls.temporary.cleanup()
        assert code == 0, code

    def test_a_people(self):
        h = self.house
        ana = h.ctl_json("agent", "add", "--login", "ana@city", "--name", "Ana", "--queue", "hall", "--password-file", str(self.password))
        self.assertEqual((ana["id"], ana["capacity"], ana["queues"], ana["roles"]), ("agent_ana-city", 5, ["queue_hall"], ["agent"]))
        self.assertIn("already", h.ctl("agent", "add", "--login", "ana@city", "--name", "Ana", fails=1))
        self.assertIn("no such queue", h.ctl("agent", "add", "--login", "b", "--name", "B", "--queue", "nowhere", fails=1))
        h.ctl("agent", "add", fails=2)
        h.ctl("fly", fails=2)
        self.assertIn("agent_ana-city", h.ctl("agent", "list"))
        self.assertIn("not a queue's id", h.ctl("agent", "add", "--login", "b", "--name", "B", "--queue", "agent_b", fails=1))
        self.assertEqual(h.ctl_json("agent", "set", "agent_ana-city", "--capacity", "3", "--availability", "paused")["availability"], "paused")
        self.assertEqual(h.ctl_json("queue", "add", "water", "--wrapup", "30")["wrapup_s"], 30)
        self.assertIn("queue_water already", h.ctl("queue", "add", "water", fails=1))
        self.assertIn("queue_water already", h.ctl("queue", "add", "queue_water", fails=1))
        for word in ("agent_water", "queue_queue_water"):
            self.assertIn("not a queue's id", h.ctl("queue", "add", word, fails=1))
        self.assertEqual({q["id"] for q in h.ctl_json("queue", "list")}, {"queue_hall", "queue_water"})
        h.ctl("skill", "add", "pipes", "--name", "Pipes")
        self.assertEqual(h.ctl_json("skill", "list"), [{"id": "pipes", "name": "Pipes"}])
        self.assertEqual(h.ctl_json("agent", "set", "agent_ana-city", "--skill", "pipes:3")["skills"], ["pipes:3"])
        self.assertIn("no such skill", h.ctl("agent", "set", "agent_ana-city", "--skill", "art", fails=1))
        water = h.ctl_json("queue", "set", "water", "--skill", "pipes:4", "--sticky", "20", "--step", "30 lower=1", "--step", "60 drop=pipes add=hall")
        self.assertEqual((water["sticky_s"], water["steps"]), (20, [{"after_s": 30, "lower_levels": 1, "drop": []},
                                                                    {"after_s": 60, "lower_levels": 0, "drop": ["pipes"], "add": "queue_hall"}]))
        self.assertIn("not in order", h.ctl("queue", "set", "water", "--step", "30 lower=1", "--step", "30 lower=2", fails=1))
        self.assertIn("none of lower=N", h.ctl("queue", "set", "water", "--step", "30 loud", fails=1))
        time.sleep(0.6)  # every shard has heard of it
        self.assertEqual(h.ctl("simulate-routing", "water").count("After"), 2)
        whole = h.ctl("export", "-")
        self.assertIn('"pipes:3"', whole)
        self.assertIn('"lower_levels"', whole)
        self.assertEqual(h.ctl_json("account", "list")[0]["id"], "wa-main")
        for _ in range(50):
            if h.ctl_json("status")["ready"]:
                break
            time.sleep(0.1)
        self.assertIn("queue_hall", h.ctl("status"))
        self.assertIn("no agent of queue_hall", h.ctl("simulate-routing", "hall"))

    def test_b_session_and_ticket(self):
        h = self.house
        wrong = h.http("POST", "/api/v1/session", {"login": "ana@city", "password": "x"})
        self.assertEqual((wrong.status, wrong.json["code"]), (401, "wrong_credentials"))
        good = h.http("POST", "/api/v1/session", {"login": "ana@city", "password": "correct horse battery"})
        self.assertEqual(good.status, 200, good.data)
        cookie = good.getheader("set-cookie").split(";")[0]
        self.assertEqual(h.http("GET", "/api/v1/session", Cookie=cookie).json["agent"], {"id": "agent_ana-city", "name": "Ana"})
        self.assertEqual(h.http("POST", "/api/v1/tickets", {"for": "desk"}, Cookie=cookie).status, 403)
        ticket = h.http("POST", "/api/v1/tickets", {"for": "desk"}, Cookie=cookie, X_Belfry_CSRF="1", Origin="http://" + h.public)
        self.assertEqual((ticket.status, ticket.json["expires_in"]), (201, 30))

        def upgrade(origin, value):
            return h.http("GET", "/ws/desk", Connection="Upgrade", Upgrade="websocket", Sec_WebSocket_Version="13", Origin=origin,
                          Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", Sec_WebSocket_Protocol="belfry.desk.v1, ticket." + value).status

        self.assertEqual(upgrade("https://evil.example", ticket.json["ticket"]), 403)
        self.assertEqual(upgrade("http://" + h.public, "x" * 43), 401)
        self.assertEqual(h.http("DELETE", "/api/v1/session", Cookie=cookie, X_Belfry_CSRF="1").status, 204)
        self.assertEqual(h.http("GET", "/api/v1/session", Cookie=cookie).status, 401)

    def test_c_keys_and_sends(self):
        h = self.house
        key = h.ctl("key", "add", "--role", "integration", "--name", "library").strip()
        self.assertRegex(key, r"^bfk_[A-Za-z0-9_-]{43}$")
        self.assertIn("no agent", h.ctl("key", "add", "--role", "agent", "--agent", "nobody", fails=1))
        text = {"account": "wa-main", "to": "+49 1511 2345678", "text": "Your book is here"}
        closed = h.http("POST", "/api/v1/messages", text, key)
        self.assertEqual((closed.status, closed.json["code"]), (409, "window_closed"))
        message = {"account": "wa-main", "to": "+49 1511 2345678", "template": {"name": "book_here", "language": "de"}}
        first = h.http("POST", "/api/v1/messages", message, key, Idempotency_Key="one")
        self.assertEqual(first.status, 202, first.data)
        again = h.http("POST", "/api/v1/messages", message, key, Idempotency_Key="one")
        self.assertEqual((again.status, again.data), (202, first.data))
        other = h.http("POST", "/api/v1/messages", {**message, "to": "+49 1511 9999999"}, key, Idempotency_Key="one")
        self.assertEqual((other.status, other.json["code"]), (422, "idempotency_key_reused"))
        shown = h.http("GET", "/api/v1/messages/" + first.json["id"], key=key)
        self.assertEqual((shown.json["dir"], shown.json["type"]), ("out", "template"))
        self.assertEqual(len(h.http("GET", f"/api/v1/conversations/{first.json['conversation']}/messages", key=key).json["items"]), 1)
        self.assertIn("template", h.ctl("trace", first.json["id"]))
        h.ctl("explain", first.json["conversation"])
        up = h.http("POST", "/api/v1/media?filename=a.txt", b"hello", key, Content_Type="text/plain")
        self.assertEqual(up.status, 201, up.data)
        down = h.http("GET", "/api/v1/media/" + up.json["id"], key=key)
        self.assertEqual((down.data, down.getheader("content-disposition")[:10]), (b"hello", "attachment"))
        desk = h.ctl_json("key", "add", "--role", "agent", "--agent", "ana-city")
        self.assertEqual(desk["agent"], "agent_ana-city")
        h.ctl("key", "remove", desk["id"])
        keys = h.ctl_json("key", "list")
        self.assertEqual([k["name"] for k in keys], ["library"])
        self.assertEqual({h.http("GET", "/api/v1/session", key=key).status for _ in range(20)}, {200})
        h.ctl("key", "remove", keys[0]["id"])
        # Every shard has heard of it before it would have looked again by itself, five seconds later.
        time.sleep(0.5)
        self.assertEqual({h.http("GET", "/api/v1/session", key=key).status for _ in range(20)}, {401})

    def test_d_log_and_moving(self):
        h = self.house
        self.assertIn("agent=agent_ana-city", h.ctl("tail", "--once"))
        out = h.dir / "export.json"
        h.ctl("export", str(out))
        self.assertNotIn("argon2", out.read_text())
        self.assertEqual(h.ctl("agent", "remove", "ana-city"), "removed agent_ana-city\n")
        self.assertNotIn("ana-city", h.ctl("agent", "list"))
        self.assertEqual(h.http("POST", "/api/v1/session", {"login": "ana@city", "password": "correct horse battery"}).status, 401)
        self.assertEqual(h.ctl_json("import", str(out)), {"made": 1, "changed": 0})
        self.assertEqual(h.ctl_json("agent", "list")[0]["capacity"], 3)
        self.assertEqual(h.http("GET", "/api/v1/openapi.json").json["openapi"], "3.1.0")
        self.assertIn("--config", h.ctl("--socket", str(h.dir / "none.sock"), "status", fails=1))


if __name__ == "__main__":
    unittest.main(verbosity=1)
