"""`backups`: what staff sees of stores and plans, what it approves, and the certificate."""

import json
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.commands.desk import Desk, a_desk
from tests.house import HOSTING, House
from tests.jobs.shelves import Lie, Shelf
from tests.jobs.test_deletions import MADE, end, set_status
from whmcs_bridge import wiring
from whmcs_bridge.domain.backups import Capabilities, Probe
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.simulator.records import Service

Around = Callable[[House, Service], None]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shelf: Shelf) -> Desk:
    monkeypatch.setattr(wiring, "_stores", lambda _settings: (shelf,))
    return a_desk(tmp_path, monkeypatch, day="2025-03-14")


def lived(desk: Desk, shelf: Shelf, story: Around, **layer: Any) -> None:
    """Let a house with this shelf live a while; its databases are the desk's."""
    tables = {"class": {"hosting": {**HOSTING, **layer}}, "backups": {"max_items": 2}}
    with House.of(tables, folder=desk.folder, stores=[shelf]) as house:
        story(house, house.a_service())


def ended(house: House, service: Service) -> None:
    end(house, service)
    house.next_day()


def seen(house: House, _: Service) -> None:
    house.sync()


def test_an_empty_house_has_no_plans(desk: Desk) -> None:
    assert desk.run("backups", "plans") == "No deletion is planned or under way.\n"


def test_list_shows_what_is_the_services_and_what_only_may_be(desk: Desk, shelf: Shelf) -> None:
    shelf.put("site1", "full", MADE)
    shelf.put("site1", "ancient", date(2019, 1, 1))
    shelf.put("site2", "full", MADE)
    lived(desk, shelf, end, delete_backups_after_days=9)
    shown = desk.run("backups", "list", "1")
    assert "site1/full" in shown
    assert "ambiguous: made outside" in shown
    assert "site2" not in shown
    [store] = desk.json("backups", "list", "1")["stores"]
    assert [item["locator"] for item in store["items"]] == ["site1/full"]


def test_list_of_a_service_that_nobody_knows_says_so(desk: Desk) -> None:
    assert "no service 99 is known" in desk.run("backups", "list", "99", code=2)


def test_probe_says_what_each_store_can_and_fails_where_one_is_blind(desk: Desk, shelf: Shelf) -> None:
    [told] = desk.json("backups", "probe")
    assert (told["store"], told["complete"], told["can"]) == ("shelf", True, ["deletes"])
    shelf.state = Probe(complete=False, why="no right to list")
    assert "not every store shows all it holds: shelf" in desk.run("backups", "probe", code=1)


def test_probe_of_one_store_says_what_has_to_be_proved_of_it(desk: Desk, shelf: Shelf) -> None:
    shelf.state = Probe(complete=True, notes=("delete one of bkptest by hand", "  then set deletes_by"))
    shown = desk.run("backups", "probe", "--store", "shelf").splitlines()
    assert shown[-2:] == ["shelf: delete one of bkptest by hand", "shelf:   then set deletes_by"]
    assert "there are: shelf" in desk.run("backups", "probe", "--store", "elsewhere", code=2)


def test_probe_says_which_stores_have_one_credential_for_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = a_desk(tmp_path, monkeypatch)
    store = """
[[backup_store]]
name = "%s"
driver = "ftp"
servers = [1]
host = "127.0.0.1"
port = 1
user = "auditor"
password = "env:NOBODY"
root = "/%s"
layout = "cpanel"
"""
    hand = '[backup_store.delete_with]\nuser = "deleter"\npassword = "env:NOBODY_ELSE"\n'
    with (tmp_path / "bridge.toml").open("a", encoding="utf-8") as file:
        file.write(store % ("box", "box") + store % ("safe", "safe") + hand)
    shown = desk.run("backups", "probe", code=1)
    assert "One credential lists and deletes (no delete_with): box" in shown
    told = json.loads(desk.result("backups", "probe", "--json", code=1).stdout)
    assert [one["one_credential"] for one in told] == [True, False]
    assert "one credential lists and deletes" in desk.run("policy", "check")
    found = json.loads(desk.result("doctor", "--offline", "--json", code=1).stdout)["findings"]
    hands = [(one["grade"], one["text"]) for one in found if one["text"].startswith("store ")]
    assert [grade for grade, _ in hands] == ["warn", "warn", "info"]
    assert "delete_with.password" in hands[2][1]


def test_a_plan_over_the_caps_is_shown_and_approved_by_its_hash(desk: Desk, shelf: Shelf) -> None:
    for name in ("a", "b", "c"):
        shelf.put("site1", name, MADE)
    lived(desk, shelf, ended)
    [plan] = desk.json("backups", "plans")["plans"]
    assert plan["waits_for_approval"]
    shown = desk.run("backups", "plans", "show", plan["plan"][:8])
    assert "3 items, 2 go unasked" in shown
    assert "waits for approval" in desk.run("backups", "plans")
    assert "3 items approved" in desk.run("backups", "plans", "approve", plan["plan"][:12])
    assert desk.json("backups", "plans", "show", plan["plan"])["approved_by"] == "ana"
    assert "at least six letters" in desk.run("backups", "plans", "show", "abc", code=2)
    assert "no plan 123456" in desk.run("backups", "plans", "show", "123456", code=2)


def test_a_halt_is_lifted_with_a_reason_and_only_where_one_stands(desk: Desk, shelf: Shelf) -> None:
    for name in ("site1", "site2"):
        shelf.put(name, "full", MADE)
    shelf.lie = Lie.NEIGHBOUR
    lived(desk, shelf, ended)
    assert "shelf stands still" in desk.run("backups", "plans")
    desk.run("backups", "plans", "lift", "shelf", "--because", "known")
    assert "no halt stands on store shelf" in desk.run("backups", "plans", "lift", "shelf", "--because", "x", code=2)


def test_closing_a_plan_keeps_in_the_certificate_what_was_left(desk: Desk, shelf: Shelf) -> None:
    shelf.put("site1", "everybody", MADE, shared=True)
    lived(desk, shelf, ended)
    [plan] = desk.json("backups", "plans")["plans"]
    desk.run("backups", "plans", "close", plan["plan"], "--because", "the tape goes in May")
    told = desk.json("backups", "evidence", "1")
    assert f"(mark {told['left'][0]['mark']}): shared" in desk.run("backups", "plans", "show", plan["plan"])
    assert not told["complete"]
    assert told["closed_because"] == "closed by ana: the tape goes in May"
    assert told["left"][0]["why"].startswith("shared")
    assert desk.json("backups", "plans")["plans"] == []


def test_the_certificate_says_what_went_and_what_it_does_not_say(desk: Desk, shelf: Shelf) -> None:
    shelf.put("site1", "full<&>", MADE)
    lived(desk, shelf, ended)
    text = desk.run("backups", "evidence", "1")
    assert "gone_verified  site1/full<&>, 1000 bytes" in text
    assert "It does not say:" in text
    page = desk.run("backups", "evidence", "1", "--html")
    assert "site1/full&lt;&amp;&gt;" in page
    assert not re.search(r"""(?:src|href)=|url\(|@import""", page)
    told = desk.json("backups", "evidence", "1")
    assert told["complete"]
    assert told["chain"]["whole"]
    assert [event["kind"] for event in told["events"]] == ["plan", "deleted", "store", "verdict"]


def test_a_service_without_evidence_has_no_certificate(desk: Desk) -> None:
    assert "nothing was planned or deleted for service 7" in desk.run("backups", "evidence", "7", code=2)


def test_verify_finds_a_record_that_was_changed_and_one_that_was_taken_out(desk: Desk, shelf: Shelf) -> None:
    shelf.put("site1", "full", MADE)
    lived(desk, shelf, ended)
    assert "is whole" in desk.run("backups", "evidence", "--verify")
    with desk.journal() as journal, journal._store.writing as conn:
        conn.execute("DELETE FROM evidence_chain WHERE number=2")
    assert "record 2 is missing" in desk.run("backups", "evidence", "--verify", code=1)
    assert "name a service" in desk.run("backups", "evidence", code=2)


def test_verify_knows_a_head_that_was_kept_and_finds_out_a_chain_that_was_cut(desk: Desk, shelf: Shelf) -> None:
    shelf.put("site1", "full", MADE)
    lived(desk, shelf, ended)
    kept = desk.json("backups", "evidence", "--verify")["today"]
    shown = desk.run("backups", "evidence", "--verify", "--head", kept)
    assert "The head is in it: record 4 of 2025-03-" in shown
    assert kept in shown
    told = desk.json("backups", "evidence", "--verify", "--head", kept)["kept"]
    assert (told["stands"], told["number"], told["since"], told["signed"]) == (True, 4, 0, None)
    with desk.journal() as journal, journal._store.writing as conn:
        conn.execute("DELETE FROM evidence_chain WHERE number=4")
    assert "is whole" in desk.run("backups", "evidence", "--verify")
    cut = desk.run("backups", "evidence", "--verify", "--head", kept, code=1)
    assert "rewritten or cut off" in cut
    assert "the chain ends at record 3 now" in cut
    assert "--head belongs to --verify" in desk.run("backups", "evidence", "--head", kept, code=2)
    assert "--head: expected the hash of a record" in desk.run("backups", "evidence", "--verify", "--head", "x", code=2)


def test_a_house_with_a_key_signs_its_heads(desk: Desk, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put("site1", "full", MADE)
    lived(desk, shelf, ended)
    with (desk.folder / "bridge.toml").open("a", encoding="utf-8") as file:
        file.write('[backups]\nevidence_key = "env:EVIDENCE_KEY"\n')
    assert "It is not signed: " in desk.run("backups", "evidence", "--verify")
    found = json.loads(desk.result("doctor", "--offline", "--json", code=1).stdout)["findings"]
    assert [one["grade"] for one in found if one["text"].startswith("evidence_key: ")] == ["warn"]
    monkeypatch.setenv("EVIDENCE_KEY", "sixteen letters and more")
    kept = desk.json("backups", "evidence", "--verify")["today"]
    assert kept.count(":") == 3
    assert "Its signature is the house's." in desk.run("backups", "evidence", "--verify", "--head", kept)
    assert kept in desk.run("backups", "evidence", "1")
    monkeypatch.setenv("EVIDENCE_KEY", "another key altogether")
    assert "is not the house's" in desk.run("backups", "evidence", "--verify", "--head", kept, code=1)


def test_a_request_holds_the_deletion_until_it_is_handed_over(desk: Desk, shelf: Shelf) -> None:
    shelf.put("site1", "full", MADE)
    lived(desk, shelf, seen)
    assert "nothing is deleted until 2025-04-13 (after-payment)" in desk.run("backups", "request", "1")
    assert "a request of 2025-03-14 stands" in desk.run("backups", "request", "1", code=2)

    def story(house: House, _: Service) -> None:
        service = house.world.services[1]
        house.pass_days(4)
        set_status(house, service, ServiceStatus.TERMINATED)
        house.next_day(3)

    with House.of({"class": {"hosting": HOSTING}}, folder=desk.folder, stores=[shelf]) as house:
        service = house.a_service()
        story(house, service)
        assert shelf.names() == ["site1/full"]
        assert house.withheld(house.sync(), service) == {"handover": "delete_backups"}
        assert "backups-asked-for" in {task.code for task in house.bridge.journal.tasks()}
    desk.run("backups", "request", "1", "--handed-over", "--note", "by link")
    assert "no request stands" in desk.run("backups", "request", "1", "--withdrawn", code=2)


def test_the_audit_sorts_by_whose_it_is_and_deletes_nothing(desk: Desk, shelf: Shelf) -> None:
    for name in ("site1", "site2", "stranger", ""):
        shelf.put(name, "full", MADE)
    shelf.put("site2", "all", MADE, shared=True)

    def story(house: House, service: Service) -> None:
        house.a_service()
        end(house, service)

    lived(desk, shelf, story, delete_backups_after_days=30)
    before = len(shelf.held)
    told = desk.json("backups", "audit")
    [store] = told["stores"]
    found = {one["class"]: one["account"] for one in store["accounts"]}
    assert found == {"ended-known": "site1", "unknown-to-whmcs": "stranger", "unparsable": "", "shared": "site2"}
    assert store["totals"]["live"] == {"accounts": 1, "items": 1, "bytes": 1000}
    assert "stranger" in desk.run("backups", "audit", "--store", "shelf")
    assert "no store x in the settings; there are: shelf" in desk.run("backups", "audit", "--store", "x", code=2)
    assert len(shelf.held) == before


def test_json_of_a_plan_is_json(desk: Desk, shelf: Shelf) -> None:
    shelf.put("site1", "full", MADE)
    lived(desk, shelf, end, delete_backups_after_days=9)
    shown = desk.run("backups", "plans", "--json")
    assert json.loads(shown)["plans"][0]["items"][0]["state"] == "planned"


def test_a_persons_word_is_recorded_with_its_proof_and_told_apart_in_the_certificate(
    desk: Desk, shelf: Shelf, tmp_path: Path
) -> None:
    shelf.caps = Capabilities(deletes=False)
    shelf.state = Probe(complete=False, why="only a person can look into it")
    lived(desk, shelf, ended)
    [plan] = desk.json("backups", "plans")["plans"]
    proof = tmp_path / "protocol.txt"
    proof.write_text("tape 12", "utf-8")
    words = ("--store", "shelf", "--because", "tape 12 shredded", "--name", "Ana Example", "--proof", str(proof))
    assert "attested, not complete" in desk.run("backups", "plans", "attest", plan["plan"], *words)
    told = desk.json("backups", "evidence", "1")
    assert (told["outcome"], told["complete"]) == ("attested", False)
    [store] = told["stores"]
    assert (store["attested"]["by"], store["attested"]["recorded_by"]) == ("Ana Example", "ana")
    [kept] = store["attested"]["proofs"]
    assert (kept["name"], kept["bytes"], len(kept["sha256"])) == ("protocol.txt", 7, 64)
    assert "attested by Ana Example (recorded by ana)" in desk.run("backups", "evidence", "1")
    assert "is done" in desk.run("backups", "plans", "attest", plan["plan"], *words, code=3)


def test_the_audit_says_what_was_erased_and_is_back(desk: Desk, shelf: Shelf) -> None:
    shelf.put("site1", "full", MADE)
    lived(desk, shelf, ended)
    assert "Accounts that were erased" not in desk.run("backups", "audit")
    shelf.put("site1", "full", MADE)
    shown = desk.run("backups", "audit")
    assert "(erased before)" in shown
    assert "Accounts that were erased and have items again: 1." in shown
    assert desk.json("backups", "audit")["erased_and_back"] == 1
