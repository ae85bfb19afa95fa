"""What staff sees in WHMCS: standing, state, why, what may be offered, and nothing that is anybody's markup."""

from datetime import date

from tests.house import HOSTING, client_id, service_id
from tests.screens.page import Page, asked, house, on_summary, on_tab
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.screens import POINTS, render

EVIL = "<script>alert(1)</script>\"'&{{7*7}}"


def test_a_client_in_debt_is_shown_with_each_service_its_next_step_and_why() -> None:
    with house() as h:
        client, service, invoice = h.a_debtor(overdue=1)
        other = h.a_service(client)
        h.sync()
        page = on_summary(h, client.id)
        assert f"client {client.id} is overdue" in page.text
        assert f"{service.id} {service.domain}" in page.text
        assert f"{other.id} {other.domain}" in page.text
        assert f"Suspend on {h.day(2)}" in page.text
        assert f"invoice {invoice.id}, due {h.day(-1)}" in page.text
        assert f"whmcs-bridge explain client:{client.id}" in page.text
        assert "whmcs-bridge" in page.ids


def test_a_protection_is_shown_with_its_end_and_who_recorded_it() -> None:
    with house() as h:
        client, service, _ = h.a_debtor(overdue=3)
        h.sync()
        today = h.today
        hold = Record(
            0,
            RecordKind.HOLD,
            RecordState.OPEN,
            "eva",
            "talks to us",
            today,
            today,
            h.day(9),
            service_id=service_id(service),
        )
        h.bridge.record(hold)
        text = on_summary(h, client.id).text
        assert f"hold until {h.day(9)}, recorded by eva on {today}: talks to us" in text


def test_what_waits_for_approval_is_named_and_linked() -> None:
    with house(approval={"suspend": "required"}) as h:
        client, _, _ = h.a_debtor(overdue=3)
        h.sync()
        assert "Waiting for approval" in on_summary(h, client.id).text
        event = asked(h, "AdminAreaClientSummaryActionLinks", userid=str(client.id))
        reply = render(h.bridge, "AdminAreaClientSummaryActionLinks", event)
        found = [link for html in reply["links"] for link in Page.of(html).links]
        assert found == ["#whmcs-bridge", "#whmcs-bridge-approvals"]
        assert set(found) <= {f"#{anchor}" for anchor in on_summary(h, client.id).ids}
        tile = render(h.bridge, "AdminHomeWidgets", asked(h, "AdminHomeWidgets"))
        assert "Approvals waiting: 1" in Page.of(tile["html"]).text


def test_shadow_mode_and_a_start_with_a_few_clients_are_said() -> None:
    with house() as h:
        client, service, _ = h.a_debtor(overdue=1)
        first, _, _ = h.a_debtor(overdue=1)
        h.sync()
        assert "Shadow mode" not in on_summary(h, client.id).text
        h.bridge.enforce_only((), (client_id(first),), "eva")
        assert "not among them" in on_tab(h, service.id)["whmcs-bridge"].text
        h.enforcing(False)
        assert "Shadow mode: nothing is done" in on_summary(h, client.id).text
        tile = render(h.bridge, "AdminHomeWidgets", asked(h, "AdminHomeWidgets"))
        assert "Shadow mode: nothing is changed" in Page.of(tile["html"]).text


def test_names_and_reasons_are_never_markup() -> None:
    with house() as h:
        client = h.a_client(firstname=EVIL, companyname=EVIL)
        service = h.a_service(client, domain=EVIL)
        h.an_invoice(service, due=-1)
        h.sync()
        today = h.today
        hold = Record(
            0, RecordKind.HOLD, RecordState.OPEN, EVIL, EVIL, today, today, h.day(3), service_id=service_id(service)
        )
        h.bridge.record(hold)
        assert EVIL in on_summary(h, client.id).text  # Page refuses every script there is
        pages = on_tab(h, service.id)
        assert EVIL in pages["Why"].text
        assert EVIL in pages["To read to the client"].text


# --- the services tab -------------------------------------------------------------------------------


def test_the_tab_says_what_may_be_offered_today_and_until_when() -> None:
    with house(promises={"max_days": 8}) as h:
        _, service, invoice = h.a_debtor(overdue=1)
        h.sync()
        pages = on_tab(h, service.id)
        offered = pages["May be offered today"].text
        assert f"Promise to pay: yes, through {h.day(8)} at the latest" in offered
        assert "Trust release: no: only a suspension for debt can be released on trust" in offered
        assert f"Receipt (says it is paid): yes for invoice {invoice.id}" in offered
        form = pages["Record"]
        assert form.options["whmcs_bridge_record"] == ["", "promise", "receipt", "hold"]
        assert form.options["whmcs_bridge_invoice"] == ["", str(invoice.id)]
        assert all(name.startswith("whmcs_bridge_") for name in form.inputs)
        assert not any(form.inputs.values()), "an untouched form says nothing"


def test_what_may_not_be_offered_says_from_which_day_it_may() -> None:
    with house(promises={"cooldown_days": 30}) as h:
        client, service, _ = h.a_debtor(overdue=1)
        h.sync()
        broken = Record(
            0,
            RecordKind.PROMISE,
            RecordState.BROKEN,
            "eva",
            "",
            h.day(-20),
            h.day(-20),
            h.day(-15),
            closed_on=h.day(-10),
            client_id=client_id(client),
        )
        h.bridge.journal.add_record(broken)
        offered = on_tab(h, service.id)["May be offered today"].text
        assert f"no: a promise was broken less than 30 days ago; from {h.day(20)} on" in offered


def test_a_suspended_service_can_be_offered_a_release_once_the_client_is_here_long_enough() -> None:
    tiers = [{"min_tenure_months": 3, "days": 4}]
    with house(trust_release={"tiers": tiers}) as h:
        client = h.a_client(created=date(2025, 1, 20))
        service = h.a_service(client)
        h.an_invoice(service, due=-3)
        h.sync()
        assert service.status == "Suspended"
        offered = on_tab(h, service.id)["May be offered today"].text
        assert "Trust release: no: no tier of [trust_release] takes a client of 1 months" in offered
        assert "from 2025-04-20 on" in offered


def test_what_is_read_to_the_client_is_two_sentences_in_each_language() -> None:
    with house() as h:
        client = h.a_client(created=date(2020, 1, 1))
        service = h.a_service(client)
        invoice = h.an_invoice(service, due=-3)
        h.sync()
        page = on_tab(h, service.id)["To read to the client"]
        assert page.langs == ["en", "pt-BR", "nl"]
        assert f"{service.domain} is suspended, because" in page.text
        assert f"(invoice no. {invoice.id}). It comes back as soon as all of that is paid;" in page.text
        assert "switch it on again, through March 13, 2025" in page.text
        assert "está suspenso" in page.text
        assert "is opgeschort" in page.text


def test_a_paid_up_service_is_said_to_be_that() -> None:
    with house() as h:
        service = h.a_service()
        h.sync()
        pages = on_tab(h, service.id)
        assert "nothing, if nothing changes" in pages["whmcs-bridge"].text
        assert "nothing that counts is overdue" in pages["Why"].text
        assert "Promise to pay: no: nothing is owed" in pages["May be offered today"].text
        assert f"Nothing is overdue for {service.domain}. There is nothing that you have to do." in (
            pages["To read to the client"].text
        )
        assert pages["Record"].options["whmcs_bridge_record"] == ["", "hold"]


# --- the house --------------------------------------------------------------------------------------


def test_the_tile_counts_the_days_steps_and_says_what_holds_the_house() -> None:
    with house() as h:
        h.a_debtor(overdue=3)
        h.sync()
        tile = render(h.bridge, "AdminHomeWidgets", asked(h, "AdminHomeWidgets"))
        text = Page.of(tile["html"]).text
        assert "suspended: 1 done" in text
        assert "(0 min ago): ok" in text
        assert "Paused" not in text
        h.bridge.pause(reason="bank is down")
        paused = Page.of(render(h.bridge, "AdminHomeWidgets", asked(h, "AdminHomeWidgets"))["html"]).text
        assert "Paused" in paused
        assert "bank is down" in paused
        assert "whmcs-bridge pause --off" in paused


def test_in_shadow_mode_the_tile_counts_what_would_be_due() -> None:
    with house() as h:
        h.enforcing(False)
        h.a_debtor(overdue=3)
        h.sync()
        text = Page.of(render(h.bridge, "AdminHomeWidgets", asked(h, "AdminHomeWidgets"))["html"]).text
        assert "suspended: 1 due" in text


def test_a_house_without_a_sync_still_has_a_tile() -> None:
    with house() as h:
        text = Page.of(render(h.bridge, "AdminHomeWidgets", asked(h, "AdminHomeWidgets"))["html"]).text
        assert "No sync yet" in text
        assert "no steps" in text


# --- nothing ever breaks a page ---------------------------------------------------------------------


def test_who_and_what_we_do_not_know_shows_nothing() -> None:
    with house() as h:
        h.sync()
        for point in sorted(POINTS - {"AdminHomeWidgets"}):
            for number in ("999", "", "-1", "x"):
                assert render(h.bridge, point, asked(h, point, userid=number, id=number)) == {}
        assert render(h.bridge, "SomethingElse", asked(h, "SomethingElse")) == {}


def test_a_screen_that_goes_wrong_shows_nothing_and_raises_nothing() -> None:
    with house() as h:
        client, service, _ = h.a_debtor(overdue=1)
        h.sync()
    for point in sorted(POINTS - {"AdminClientServicesTabFieldsSave"}):  # its databases are closed
        assert render(h.bridge, point, asked(h, point, userid=str(client.id), id=str(service.id))) == {}


def test_screens_look_at_one_class_of_products_too() -> None:
    with house(**{"class": {"hosting": {**HOSTING, "product_types": ["server"]}}}) as h:
        client, service, _ = h.a_debtor(overdue=9)
        h.sync()
        assert "no class takes this product" in on_summary(h, client.id).text
        assert "no class takes this product" in on_tab(h, service.id)["Why"].text


def test_of_very_many_services_those_in_debt_come_first() -> None:
    with house() as h:
        client = h.a_client()
        services = [h.a_service(client) for _ in range(30)]
        h.an_invoice(services[-1], due=-1)
        h.sync()
        page = on_summary(h, client.id)
        assert f"{services[-1].id} {services[-1].domain}" in page.text
        assert page.tags.count("tr") == 1 + 25
        assert "and 5 more services" in page.text
