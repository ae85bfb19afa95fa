"""WHMCS asks before it acts."""

from dataclasses import replace
from datetime import date

import pytest

from hooks import pre_module_terminate, pre_module_unsuspend
from tests.hooks.house import ANA, BOB, INVOICE, SHOP, SITE, UNKNOWN, ask, event, house, module_event, open_tasks
from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.records import RecordKind
from whmcs_bridge.domain.told import Told
from whmcs_bridge.hookpoints import Actor, HookEvent
from whmcs_bridge.settings.model import HookSettings

DAY_1, DAY_3, DAY_4 = date(2026, 3, 11), date(2026, 3, 13), date(2026, 3, 14)


def test_the_cron_may_not_suspend_who_owes_nothing_and_staff_hears_of_it_once() -> None:
    with house(DAY_1) as stage:
        for _ in range(3):
            answer = ask(stage, module_event(stage, "PreModuleSuspend", SHOP))
            assert answer.abort
            assert answer.reason.startswith("no debt")
        assert len(open_tasks(stage, "due-date-lag")) == 1


def test_the_cron_may_not_suspend_before_the_houses_day() -> None:
    with house(DAY_1) as stage:
        answer = ask(stage, module_event(stage, "PreModuleSuspend", SITE))
        assert answer.abort
        assert "2026-03-13" in answer.reason
        assert open_tasks(stage, "due-date-lag") == []


def test_a_person_may_suspend_and_it_is_kept_who_did() -> None:
    with house(DAY_1) as stage:
        assert not ask(stage, module_event(stage, "PreModuleSuspend", SHOP, Actor.ADMIN)).abort
        (kept,) = [entry for entry in stage.bridge.journal.evidence(SHOP) if entry.get("kind") == "person"]
        assert (kept["act"], kept["by"]) == ("PreModuleSuspend", "staff")
        assert "no debt" in kept["rules"]


@pytest.mark.parametrize("actor", [Actor.PAYMENT, Actor.CRON, Actor.API])
def test_nobody_but_a_person_unsuspends_a_debtor(actor: str) -> None:
    with house(DAY_4) as stage:
        answer = ask(stage, module_event(stage, "PreModuleUnsuspend", SITE, actor))
        assert answer.abort
        assert str(INVOICE) in answer.reason
        assert stage.bridge.journal.records(kind=RecordKind.RELEASE) == []


def test_the_invoice_being_paid_right_now_is_not_held_against_the_client() -> None:
    with house(DAY_4) as stage:
        asked = module_event(stage, "PreModuleUnsuspend", SITE, Actor.PAYMENT, paying=INVOICE)
        assert not ask(stage, asked).abort


def test_what_whmcs_says_with_its_question_is_newer_than_the_mirror() -> None:
    """Paid since the last reading, or in debt since then: the answer rests on what WHMCS has this moment."""
    with house(DAY_4) as stage:
        book = stage.bridge.mirror.book(ANA)
        other = stage.bridge.mirror.book(BOB)
        assert book is not None
        assert other is not None
        paid = Told(ANA, book.services, (), book.client.group_id)
        assert not ask(stage, telling(module_event(stage, "PreModuleUnsuspend", SITE, Actor.PAYMENT), paid)).abort
        assert ask(stage, telling(module_event(stage, "PreModuleSuspend", SITE), paid)).abort
        (invoice,) = book.invoices
        line = replace(invoice.lines[0], relid=int(SHOP))
        debt = replace(invoice, client_id=BOB, lines=(line,))
        owing = Told(BOB, other.services, (debt,), other.client.group_id)
        answer = ask(stage, telling(module_event(stage, "PreModuleSuspend", SHOP), owing))
        assert answer.abort, "an invoice that no reading has seen yet counts from today"
        assert stage.bridge.mirror.book(ANA) == book, "an answer changes nothing"


def test_a_word_about_another_client_is_not_taken_for_this_ones() -> None:
    with house(DAY_4) as stage:
        other = stage.bridge.mirror.book(BOB)
        assert other is not None
        bobs = Told(BOB, other.services, (), other.client.group_id)
        answer = ask(stage, telling(module_event(stage, "PreModuleUnsuspend", SITE, Actor.PAYMENT), bobs))
        assert not answer.abort, "a service that the client told of does not have is not known"
        assert ask(stage, telling(module_event(stage, "PreModuleSuspend", SITE), bobs)).abort


def telling(asked: HookEvent, told: Told) -> HookEvent:
    return replace(asked, told=told)


@pytest.mark.parametrize("point", ["PreModuleUnsuspend", "PreModuleTerminate"])
def test_a_house_may_refuse_its_people_what_the_rules_refuse(point: str) -> None:
    with house(DAY_4) as stage:
        ports = stage.bridge.ports
        ports.settings = replace(ports.settings, hooks=HookSettings(admin_clicks="refuse"))
        answer = ask(stage, module_event(stage, point, SITE, Actor.ADMIN))
        assert answer.abort
        assert answer.reason
        assert stage.bridge.journal.records(kind=RecordKind.RELEASE) == []
        (kept,) = [entry for entry in stage.bridge.journal.evidence(SITE) if entry.get("kind") == "person"]
        assert (kept["act"], kept["refused"]) == (point, True)
        ports.settings = replace(ports.settings, mode="shadow")
        assert not ask(stage, module_event(stage, point, SITE, Actor.ADMIN)).abort


def test_what_the_rules_allow_no_house_refuses_a_person() -> None:
    with house(DAY_4) as stage:
        ports = stage.bridge.ports
        ports.settings = replace(ports.settings, hooks=HookSettings(admin_clicks="refuse"))
        asked = module_event(stage, "PreModuleUnsuspend", SITE, Actor.ADMIN, paying=INVOICE)
        assert not ask(stage, asked).abort


def test_a_click_keeps_a_service_up_for_as_long_as_the_house_says() -> None:
    with house(DAY_4) as stage:
        ports = stage.bridge.ports
        ports.settings = replace(ports.settings, hooks=HookSettings(click_release_days=10))
        ask(stage, module_event(stage, "PreModuleUnsuspend", SITE, Actor.ADMIN))
        (release,) = stage.bridge.journal.records(kind=RecordKind.RELEASE)
        assert release.until == date(2026, 3, 24)


def test_a_persons_unsuspension_is_a_release_of_three_days() -> None:
    with house(DAY_4) as stage:
        assert not ask(stage, module_event(stage, "PreModuleUnsuspend", SITE, Actor.ADMIN)).abort
        (release,) = stage.bridge.journal.records(kind=RecordKind.RELEASE)
        assert (release.service_id, release.since, release.until) == (SITE, DAY_4, date(2026, 3, 17))
        assert release.author == "staff"


def test_a_person_who_unsuspends_what_owes_nothing_needs_no_release() -> None:
    with house(DAY_4) as stage:
        assert not ask(stage, module_event(stage, "PreModuleUnsuspend", SHOP, Actor.ADMIN)).abort
        assert stage.bridge.journal.records(kind=RecordKind.RELEASE) == []


def test_the_cron_may_not_end_a_service_before_its_stage() -> None:
    with house(DAY_4) as stage:
        answer = ask(stage, module_event(stage, "PreModuleTerminate", SITE))
        assert answer.abort
        assert "2026-03-25" in answer.reason


def test_a_person_may_end_a_service_and_whose_account_it_was_is_kept() -> None:
    with house(DAY_4) as stage:
        assert not ask(stage, module_event(stage, "PreModuleTerminate", SITE, Actor.ADMIN)).abort
        kinds = {entry.get("kind") for entry in stage.bridge.journal.evidence(SITE)}
        assert kinds >= {"person", "identity"}


@pytest.mark.parametrize("actor", [Actor.ADMIN, Actor.CRON])
def test_whose_account_it_was_is_kept_as_whmcs_says_where_it_ends(actor: Actor) -> None:
    """The cron is refused, so nothing is kept; a person is not, and the module will blank the name."""
    with house(DAY_4) as stage:
        book = stage.bridge.mirror.book(BOB)
        assert book is not None
        renamed = replace(book.services[0], username="renamed")
        told = Told(BOB, (renamed,), (), book.client.group_id)
        answer = ask(stage, telling(module_event(stage, "PreModuleTerminate", SHOP, actor), told))
        kept = [entry["username"] for entry in stage.bridge.journal.evidence(SHOP) if entry.get("kind") == "identity"]
        assert (answer.abort, kept) == ((False, ["renamed"]) if actor is Actor.ADMIN else (True, []))


def test_an_overdue_invoice_is_not_cancelled_by_a_request_and_one_not_due_is() -> None:
    with house(DAY_4) as stage:
        overdue = event(stage, "PreInvoiceAutomaticCancellation", Actor.CLIENT, invoiceid=INVOICE, facts={"client": 1})
        other = event(stage, "PreInvoiceAutomaticCancellation", Actor.CLIENT, invoiceid=77, facts={"client": 1})
        assert ask(stage, overdue).abort
        assert not ask(stage, other).abort


def test_the_client_of_an_invoice_is_read_where_the_shim_did_not_say() -> None:
    with house(DAY_4) as stage:
        assert ask(stage, event(stage, "PreInvoiceAutomaticCancellation", Actor.CLIENT, invoiceid=INVOICE)).abort


def test_what_whmcs_says_with_its_question_decides_what_may_be_cancelled() -> None:
    """Overdue since the last reading, or paid since; and the client need not be looked up for it."""
    with house(DAY_4) as stage:
        book = stage.bridge.mirror.book(ANA)
        assert book is not None
        (invoice,) = book.invoices
        told = Told(ANA, book.services, (replace(invoice, id=InvoiceId(5000)), invoice), book.client.group_id)
        asked = event(stage, "PreInvoiceAutomaticCancellation", Actor.CLIENT, invoiceid=INVOICE)
        before = dict(stage.bridge.panel.calls())
        assert ask(stage, telling(asked, told)).abort
        assert not ask(stage, telling(asked, replace(told, invoices=()))).abort
        assert stage.bridge.panel.calls() == before
        nobody = Told(ClientId(999), (), (invoice,), book.client.group_id)
        assert not ask(stage, telling(asked, nobody)).abort


def test_a_person_may_cancel_an_invoice() -> None:
    with house(DAY_4) as stage:
        asked = event(stage, "PreInvoiceAutomaticCancellation", Actor.ADMIN, invoiceid=INVOICE, facts={"client": 1})
        assert not ask(stage, asked).abort


@pytest.mark.parametrize(
    ("point", "abort"), [("PreModuleSuspend", True), ("PreModuleUnsuspend", False), ("PreModuleTerminate", True)]
)
def test_an_unknown_service_is_let_up_and_not_down(point: str, abort: bool) -> None:
    with house(DAY_1) as stage:
        assert ask(stage, module_event(stage, point, UNKNOWN)).abort is abort


@pytest.mark.parametrize("point", ["PreModuleSuspend", "PreModuleUnsuspend", "PreModuleTerminate"])
def test_an_ask_without_a_service_is_none_of_ours(point: str) -> None:
    with house(DAY_1) as stage:
        assert not ask(stage, event(stage, point)).abort


def test_the_bridges_own_suspension_passes_its_own_hook_without_an_answer_in_the_log() -> None:
    """The sync of day 3 suspends through the API; WHMCS calls PreModuleSuspend in the middle of it."""
    with house(DAY_3) as stage:
        assert stage.world.services[SITE].status == "Suspended"
        stage.collect()
        assert "module:suspend" in {action.name for action in stage.actions}
        assert not {action.name for action in stage.actions} & {"allow:PreModuleSuspend", "refuse:PreModuleSuspend"}


@pytest.mark.parametrize(
    ("point", "service"), [("PreModuleSuspend", SHOP), ("PreModuleSuspend", SITE), ("PreModuleTerminate", SITE)]
)
def test_in_shadow_mode_nothing_is_refused_and_it_is_said_what_would_be(point: str, service: ServiceId) -> None:
    """Shadow mode plans and records, and changes nothing: WHMCS goes its own way."""
    with house(DAY_1, "shadow") as stage:
        answer = ask(stage, module_event(stage, point, service))
        assert not answer.abort
        assert answer.reason.startswith("shadow mode; the rules would refuse it: ")


@pytest.mark.parametrize("way", ["asked", "told later"])
def test_a_click_on_an_addon_leaves_its_service_where_it_is(way: str) -> None:
    with house(DAY_4) as stage:
        params = {"serviceid": str(SITE), "addonId": "7"}
        click = event(stage, "PreModuleUnsuspend", Actor.ADMIN, params=params)
        if way == "asked":
            assert not ask(stage, click).abort
        else:
            pre_module_unsuspend.note(click, stage.bridge)
        assert stage.bridge.journal.records(kind=RecordKind.RELEASE) == []
        (kept,) = [entry for entry in stage.bridge.journal.evidence(SITE) if entry.get("kind") == "person"]
        assert kept["act"] == "PreModuleUnsuspend of addon 7"


def test_the_cron_may_bring_an_addon_back_and_neither_suspend_nor_end_it() -> None:
    with house(DAY_4) as stage:
        for point, refused in (("PreModuleUnsuspend", False), ("PreModuleSuspend", True), ("PreModuleTerminate", True)):
            asked = event(stage, point, params={"serviceid": str(SITE), "addonId": "7"})
            assert ask(stage, asked).abort is refused


def test_whose_account_a_person_ended_while_the_bridge_was_away_is_kept_as_told() -> None:
    with house(DAY_1) as stage:
        book = stage.bridge.mirror.book_of_service(SHOP)
        assert book is not None
        (shop,) = book.services
        told = replace(shop, username="shopone")
        stage.bridge.mirror.save_service_live(replace(shop, username=""))  # blanked by the module, read since
        gone = replace(module_event(stage, "PreModuleTerminate", SHOP, Actor.ADMIN), services=(told,))
        pre_module_terminate.note(gone, stage.bridge)
        kept = [entry for entry in stage.bridge.journal.evidence(SHOP) if entry.get("kind") == "identity"]
        assert kept[-1]["username"] == "shopone"
