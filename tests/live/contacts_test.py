#!/usr/bin/env python3
"""Citizens: the same number on two channels is shown and not trusted; merged by a code that comes back, or by an agent; parted again; answered on
another of their addresses; older history folds when a number may have changed hands. Usage: contacts_test.py BIN_DIR"""
import functools
from belfry import *

THIRD = "106540352242924"
COUNTY = """
[[whatsapp]]
id = "county"
portfolio = "county"
phone_number_id = "{number}"
app_secret_file = "app_secret"
verify_token_file = "verify_token"
access_token_file = "access_token"
graph_url = "{graph}"
queue = "hall"
rate = 1000
"""
WHO = "491511000071"


def citizens(shards):
    graph, = free_ports(1)
    graph = f"http://127.0.0.1:{graph}"
    with house(shards=shards, queue='wrapup = "0s"', graph=graph, more=COUNTY.format(number=THIRD, graph=graph)) as h:
        h.start()
        meta = h.meta("--calm", numbers=(NUMBER, THIRD))
        ana_key, bob_key = h.people("ana", "bob", capacity=9)
        h.ready()
        ana, bob = Desk(h, ana_key).be_ready(), Desk(h, bob_key)
        mine = functools.partial(h.api, key=ana_key)

        def card(conversation):
            return h.get("/conversations/" + conversation)

        def sent(to, number):
            return [s for s in meta.sends() if s.get("to") == to and s.get("phone_number_id", number) == number]

        # One person writes to the city, and to the county by the same number: two contacts, each shown beside the other.
        meta.citizen(WHO, "My street is dark")
        city, gen = ana.take()
        meta.citizen(WHO, "And the road too", phone_number_id=THIRD)
        county, county_gen = ana.take(lambda f: f["conversation"] != city)
        one, two = card(city)["contact"]["id"], card(county)["contact"]["id"]
        assert one != two, "a number alone merges nobody"
        seen = mine("GET", "/contacts/" + one).json
        equal(seen["same_number"], [{"id": two, "name": "Citizen 0071", "address": "wa:county:" + WHO, "verified": False}], "the same number")
        equal([c["id"] for c in seen["conversations"]], [city], "his conversations")
        equal([(a["account"], a["address"]) for a in seen["addresses"]], [("city", "wa:city:" + WHO), ("water", "wa:city:" + WHO)], "his addresses")
        ana.refused("merge", "other_contact", conversation=city, gen=gen, into=county)
        ana.refused("switch", "not_his", conversation=city, gen=gen, account="county", address="wa:county:" + WHO)
        ana.refused("switch", "invalid_recipient", conversation=city, gen=gen, account="county", address="wa:city:" + WHO)

        # By a code: sent to one address, sent back from the other. Who has nothing to do with him may not; a wrong code does nothing.
        verify = {"account": "county", "to": "+" + WHO, "conversation": city, "language": "es"}
        equal(h.api("POST", f"/contacts/{one}/verify", verify, key=bob_key).status, 404, "not bob's")
        equal(mine("POST", f"/contacts/{one}/verify", {k: v for k, v in verify.items() if k != "conversation"}).status, 403, "without one")
        equal(mine("POST", f"/contacts/{one}/verify", {**verify, "text": "no code in it"}).json["code"], "invalid_content", "no code")
        equal(mine("POST", f"/contacts/{one}/verify", {**verify, "account": "mars"}).json["code"], "unknown_account", "no account")
        asked = mine("POST", f"/contacts/{one}/verify", verify)
        equal(asked.status, 202, "a code is on its way")
        words = until("the code", lambda: next((m["text"] for m in h.all(f"/conversations/{county}/messages") if "código" in m.get("text", "")), None))
        code = re.search(r"\d{6}", words)[0]
        meta.citizen(WHO, "000000" if code != "000000" else "111111")
        ana.message(lambda m: m.get("text") in ("000000", "111111"))
        equal(mine("GET", "/contacts/" + one).json["merged"], [], "by a wrong code")
        meta.citizen(WHO, f"{code[:3]} {code[3:]}")
        ana.message(lambda m: m["dir"] == "note" and "code came back" in m["text"])
        merged = until("one citizen", lambda: next((c for c in [mine("GET", "/contacts/" + one).json] if c["merged"]), None))
        equal((merged["id"], merged["merged"][0]["id"], merged["merged"][0]["by"][:12], merged["same_number"]), (one, two, "code of key_", []), "merged")
        equal([c["id"] for c in merged["conversations"]], [county, city], "one timeline, the newest first")
        equal(mine("GET", "/contacts/" + two).json["id"], one, "by either contact")
        assert any(c["action"] == "contact.proved" and c["object"] == one for c in h.all("/audit/changes")), "audited"

        # Answering elsewhere: not while another conversation is open there. Merged into one, it goes on at either address.
        ana.refused("switch", "other_open", conversation=city, gen=gen, account="county", address="wa:county:" + WHO)
        ana.do("merge", conversation=county, gen=county_gen, into=city)
        equal(card(county)["into"], city, "where it goes on")
        meta.citizen(WHO, "Is the road lit again?", phone_number_id=THIRD)
        ana.event("message", conversation=city, test=lambda f: f["message"].get("text") == "Is the road lit again?")
        ana.do("switch", conversation=city, gen=gen, account="county", address="wa:county:" + WHO)
        gen = ana.event("conversation", conversation=city, gen=gen + 1)["gen"]
        equal(card(city)["account"], "county", "answered by")
        reply = ana.do("reply", conversation=city, gen=gen, text="Both are lit")["id"]
        until("it was sent", lambda: h.get("/messages/" + reply)["state"] in ("sent", "delivered", "read"))
        out = [s for s in meta.sends() if "Both are lit" in json.dumps(s)]
        assert len(out) == 1 and THIRD in json.dumps(out), out
        meta.citizen(WHO, "Thank you")  # to the city
        ana.event("message", conversation=city, test=lambda f: f["message"].get("text") == "Thank you")
        until("nothing is on its way", lambda: mine("POST", f"/conversations/{city}/switch", {"gen": gen, "account": "city", "address": "wa:city:" + WHO}).status == 200)
        gen += 1
        reply = ana.do("reply", conversation=city, gen=gen, text="Good night")["id"]
        until("it was sent", lambda: h.get("/messages/" + reply)["state"] in ("sent", "delivered", "read"))
        out = [s for s in meta.sends() if "Good night" in json.dumps(s)]
        assert len(out) == 1 and THIRD not in json.dumps(out), out

        # Undone: each has what was his.
        equal(mine("POST", f"/contacts/{two}/part", {"conversation": city}).status, 422, "without a reason")
        equal(mine("POST", f"/contacts/{two}/part", {"conversation": city, "reason": "it was his sister"}).status, 200, "parted")
        equal([c["id"] for c in mine("GET", "/contacts/" + one).json["conversations"]], [city], "his own again")
        equal(h.api("POST", f"/contacts/{two}/part", {"reason": "again"}).json["code"], "not_merged", "parted twice")

        # By hand, of a number that he says is his; a supervisor needs no conversation, and finds him by an address.
        equal(h.api("POST", f"/contacts/{one}/numbers", {"number": "0151 1000"}).status, 422, "no country")
        other = "491511000072"
        meta.citizen(other, "Hello")
        third, third_gen = ana.take(lambda f: f["conversation"] not in (city, county))
        stranger = card(third)["contact"]["id"]
        said = mine("POST", f"/contacts/{stranger}/numbers", {"number": f"+{WHO[:2]} {WHO[2:]}", "conversation": third})
        equal((said.status, said.json["numbers_said"]), (200, ["+" + WHO]), "a number that he says")
        equal(sorted(s["id"] for s in said.json["same_number"]), sorted([one, two]), "whose it is")
        found = h.get("/contacts?address=wa:city:" + WHO)["items"]
        equal([c["id"] for c in found], [one], "found by an address")
        equal(h.get("/contacts?address=wa:city:nobody")["items"], [], "nobody")
        equal(mine("GET", "/contacts?address=wa:city:" + WHO).status, 403, "an agent looks nobody up")
        equal(h.api("POST", f"/contacts/{one}/merge", {"with": "999999", "reason": "x"}).status, 404, "with nobody")
        equal(h.api("POST", f"/contacts/{one}/merge", {"with": stranger, "reason": "he showed his passport"}).json["merged"][0]["id"], stranger, "by hand")
        changes = [(c["action"], c["object"]) for c in h.all("/audit/changes") if c["action"].startswith("contact.")]
        for action in ("verify", "proved", "part", "number", "merge"):
            assert any(a == "contact." + action for a, _ in changes), (action, changes)

        # His identity key changed: what is over may be another person's, and folds.
        ana.do("resolve", conversation=third, gen=third_gen)
        until("it is closed", lambda: card(third)["state"] == "closed")
        time.sleep(0.1)
        h.hear(message(other, None, type="system", system={"type": "customer_identity_changed", "body": "changed", "customer": other},
                       identity={"acknowledged": True, "created_timestamp": str(int(time.time())), "hash": "DF2lS5v2W6x="}))
        meta.citizen(other, "It is me, a new phone")
        fourth, _ = ana.take(lambda f: f["conversation"] not in (city, county, third))
        folded = mine("GET", "/contacts/" + stranger).json
        equal((folded["folded"], third in [c["id"] for c in folded["conversations"]]), (True, False), "what came before")
        shown = mine("POST", f"/contacts/{stranger}/unfold", {"reason": "he named the case"}).json
        assert third in [c["id"] for c in shown["conversations"]], shown
        assert fourth in [c["id"] for c in shown["conversations"]], shown
        no_double_owner(h)


if __name__ == "__main__":
    run(*((f"citizens, shards {shards}", functools.partial(citizens, shards)) for shards in (1, 3)))
