"""A person's word about a store that only people can look into: recorded, named, and never taken for evidence."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.house import House, service_id
from tests.jobs.shelves import Shelf
from tests.jobs.test_deletions import MADE, a_house, end, kinds, plan_of, set_status, states, tasks
from whmcs_bridge.domain.backups import Probe
from whmcs_bridge.domain.deletions import DeletionPlan, ItemState, PlanState
from whmcs_bridge.domain.status import ServiceStatus
from whmcs_bridge.errors import StalePlan, UnknownId, UsageProblem
from whmcs_bridge.jobs.backup_attest import attest, proof_of
from whmcs_bridge.jobs.backup_certificate import certificate, certificate_lines
from whmcs_bridge.screens.page import fill
from whmcs_bridge.simulator.records import Service

BLIND = Probe(complete=False, why="only a person can look into it")


def a_tape(name: str = "tape") -> Shelf:
    """A store that nobody but a person sees into."""
    tape = Shelf(name, deletes=False)
    tape.state = BLIND
    return tape


def attested(house: House, service: Service, store: str = "tape", **more: Any) -> DeletionPlan:
    plan = plan_of(house, service)
    return attest(house.bridge.ports, plan.digest, store, more.pop("because", "tape 12 was shredded"), **more)


def ended_with(house: House, shelf: Shelf) -> Service:
    service = house.a_service()
    shelf.put("site1", "full", MADE)
    end(house, service)
    house.next_day()
    return service


def test_a_persons_word_ends_the_plan_as_attested_and_never_as_complete() -> None:
    shelf = Shelf()
    with a_house(shelf, a_tape()) as house:
        service = ended_with(house, shelf)
        assert "backups-unverifiable" in tasks(house)
        plan = attested(house, service, name="Ana Example", reference="ticket 12")
        assert (plan.state, plan.complete, plan.attested) == (PlanState.DONE, False, True)
        assert states(plan) == {"shelf": "gone_verified", "tape": "attested"}
        assert house.case(service).erased_on == house.today
        house.next_day()
        assert "backups-unverifiable" not in tasks(house)
        assert kinds(house, service)[-3:] == ["attested", "verdict", "verified"]
        verdict = [n for n in house.bridge.journal.deletions.links(service_id(service)) if n.kind == "verdict"][-1]
        assert json.loads(verdict.body)["verdict"] == "attested"


def test_the_certificate_tells_a_persons_word_from_a_listing() -> None:
    shelf = Shelf()
    with a_house(shelf, a_tape()) as house:
        service = ended_with(house, shelf)
        attested(house, service, name="Ana Example", reference="ticket 12")
        told = certificate(house.bridge.ports, service_id(service))
        assert (told["outcome"], told["complete"]) == ("attested", False)
        by_store = {s["store"]: s for s in told["stores"]}
        assert by_store["shelf"]["state"] == "gone_verified"
        assert by_store["shelf"]["attested"] is None
        assert by_store["tape"]["attested"]["by"] == "Ana Example"
        text, page = "\n".join(certificate_lines(told)), fill("certificate.html", it=told)
        for shown in (text, page):
            assert "not by a listing" in shown
            assert "Ana Example" in shown
            assert "tape 12 was shredded" in shown
            assert "ticket 12" in shown
            assert "complete: every store" not in shown


def test_a_word_given_early_holds_until_the_other_stores_are_gone() -> None:
    shelf = Shelf()
    with a_house(shelf, a_tape(), layer={"delete_backups_after_days": 5}) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        plan = attested(house, service)
        assert (plan.state, plan.attested) == (PlanState.OPEN, False)
        house.next_day(5)
        after = plan_of(house, service)
        assert (after.state, after.attested, shelf.names()) == (PlanState.DONE, True, [])


def test_a_word_about_one_store_holds_when_the_list_of_another_is_made_anew() -> None:
    shelf = Shelf()
    with a_house(shelf, a_tape(), layer={"delete_backups_after_days": 5}) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        first = attested(house, service)
        shelf.put("site1", "late", house.today)
        house.next_day(5)
        after = plan_of(house, service)
        assert after.digest != first.digest
        assert states(after)["tape"] == "attested"
        assert after.attested


def test_a_service_that_lived_again_needs_a_new_word() -> None:
    shelf = Shelf()
    with a_house(shelf, a_tape(), layer={"delete_backups_after_days": 5}) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        attested(house, service)
        set_status(house, service, ServiceStatus.ACTIVE)
        house.sync()
        house.pass_days()
        set_status(house, service, ServiceStatus.TERMINATED)
        house.sync()
        house.next_day(6)
        assert states(plan_of(house, service))["tape"] == "unverifiable"


def test_what_comes_back_in_a_verified_store_opens_an_attested_plan_again() -> None:
    shelf = Shelf()
    with a_house(shelf, a_tape()) as house:
        service = ended_with(house, shelf)
        attested(house, service)
        shelf.put("site1", "full", MADE)
        house.next_day()
        assert "backups-back" in tasks(house)
        house.next_day()
        after = plan_of(house, service)
        assert (shelf.names(), after.state, after.attested) == ([], PlanState.DONE, True)


def test_a_store_that_can_be_listed_after_all_goes_before_the_word() -> None:
    """It shows nothing: verified. It shows something: the plan is open again, and the word is gone."""
    shelf, tape = Shelf(), Shelf("tape", deletes=False)
    tape.put("site1", "old", MADE)
    with a_house(shelf, tape) as house:
        service = ended_with(house, shelf)
        tape.state = BLIND
        attested(house, service)
        tape.state = Probe(complete=True)
        house.next_day()
        opened = plan_of(house, service)
        assert (opened.state, states(opened)["tape"]) == (PlanState.OPEN, "planned")
        assert opened.stores[1].attested is None
        tape.state = BLIND
        house.next_day()
        attested(house, service)
        tape.held.clear()
        tape.state = Probe(complete=True)
        house.next_day()
        assert plan_of(house, service).complete


@pytest.mark.parametrize("planned", [True, False])
def test_a_word_given_early_falls_with_the_first_listing_that_shows_something(planned: bool) -> None:
    """Whether it shows what was planned before the word was given, or something that nobody had seen."""
    shelf, tape = Shelf(), a_tape()
    if planned:
        tape.state = Probe(complete=True)
        tape.put("site1", "old", MADE)
    with a_house(shelf, tape, layer={"delete_backups_after_days": 5}) as house:
        service = house.a_service()
        shelf.put("site1", "full", MADE)
        end(house, service)
        tape.state = BLIND
        attested(house, service)
        tape.state = Probe(complete=True)
        tape.put("site1", "old", MADE)
        house.next_day(5)
        plan = plan_of(house, service)
        assert (plan.state, plan.attested) == (PlanState.OPEN, False)
        tape_s = plan.store("tape")
        assert tape_s is not None
        assert (tape_s.state is ItemState.ATTESTED, tape_s.attested) == (False, None)


@pytest.mark.parametrize("more", ["items", "left alone"])
def test_what_a_store_still_shows_cannot_be_attested_away(more: str) -> None:
    shelf, tape = Shelf(), Shelf("tape", deletes=False)
    tape.put("site1", "old", MADE, shared=more == "left alone")
    with a_house(shelf, tape) as house:
        service = ended_with(house, shelf)
        if more == "items":
            with pytest.raises(UsageProblem, match="still lists 1 items of it, such as site1/old"):
                attested(house, service)
            tape.held.clear()
            with pytest.raises(UsageProblem, match="nobody has to attest it"):
                attested(house, service)
        else:  # nobody can say by a listing whose it is: a person may
            assert attested(house, service).attested


def test_only_what_people_delete_can_be_attested_and_only_in_an_open_plan() -> None:
    shelf = Shelf()
    with a_house(shelf, a_tape()) as house:
        service = ended_with(house, shelf)
        with pytest.raises(UsageProblem, match="the bridge itself deletes in store shelf"):
            attested(house, service, "shelf")
        with pytest.raises(UnknownId, match="it has: shelf, tape"):
            attested(house, service, "disk")
        for wrong in ("", " ", "two\nlines", "x" * 401):
            with pytest.raises(UsageProblem, match="--because"):
                attested(house, service, because=wrong)
        assert attested(house, service).attested
        with pytest.raises(StalePlan, match="is done"):
            attested(house, service)


def test_a_proof_is_kept_by_its_name_and_hash(tmp_path: Path) -> None:
    file = tmp_path / "protocol.pdf"
    file.write_bytes(b"secret content")
    proof = proof_of(file)
    assert (proof.name, proof.size) == ("protocol.pdf", 14)
    assert proof.sha256 == hashlib.sha256(b"secret content").hexdigest()
    with pytest.raises(UsageProblem, match="give a file that can be read"):
        proof_of(tmp_path / "nothing")
