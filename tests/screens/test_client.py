"""What a client reads: what is owed, what happens when, how to stop it; in three languages, and only where it is so."""

import re

import pytest

from tests.house import House, client_id, service_id
from tests.screens.page import house, on_panel, panel
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.screens.words import _TEXTS, LOCALES, speaker
from whmcs_bridge.simulator.records import Currency

LANGUAGES = pytest.mark.parametrize("language", ["english", "portuguese-br", "dutch"])


@LANGUAGES
def test_who_owes_nothing_reads_nothing(language: str) -> None:
    with house() as h:
        client = h.a_client()
        h.a_service(client)
        h.sync()
        assert panel(h, client.id, language) == {}


def _overdue(h: House) -> tuple[int, int, str]:
    reais = h.world.add_currency(Currency(0, "BRL", "R$", ""))
    client = h.a_client(currency=reais.id)
    service = h.a_service(client)
    invoice = h.an_invoice(service, due=-1)
    h.sync()
    return client.id, invoice.id, service.domain


def test_in_english() -> None:
    with house() as h:
        client, invoice, domain = _overdue(h)
        page = on_panel(h, client)
        assert f"Invoice {invoice}: R$10.00, due since March 9, 2025" in page.text
        assert f"From March 12, 2025: suspension of {domain}" in page.text
        assert f"Payment of these invoices prevents it: {invoice}." in page.text
        assert page.links == [f"viewinvoice.php?id={invoice}"]
        assert page.langs == ["en"]
        assert panel(h, client)["label"] == "Open invoices: R$10.00"


def test_in_brazilian_portuguese() -> None:
    with house() as h:
        client, invoice, domain = _overdue(h)
        page = on_panel(h, client, "portuguese-br")
        assert f"Fatura {invoice}: R$ 10,00, vencida desde 9 de março de 2025" in page.text
        assert f"A partir de 12 de março de 2025: suspensão de {domain}" in page.text
        assert page.langs == ["pt-BR"]


def test_in_dutch() -> None:
    with house() as h:
        client, invoice, domain = _overdue(h)
        page = on_panel(h, client, "dutch")
        assert f"Factuur {invoice}: R$ 10,00, vervallen sinds 9 maart 2025" in page.text
        assert f"Vanaf 12 maart 2025: opschorting van {domain}" in page.text
        assert page.langs == ["nl"]


def test_any_other_language_is_answered_in_english() -> None:
    with house() as h:
        client, invoice, _ = _overdue(h)
        for language in ("", "klingon", "../../etc", "ENGLISH"):
            assert f"Invoice {invoice}" in on_panel(h, client, language).text


def test_what_is_not_due_yet_threatens_nobody() -> None:
    with house() as h:
        client = h.a_client()
        h.an_invoice(h.a_service(client), due=6)
        h.sync()
        text = on_panel(h, client.id).text
        assert "to be paid by March 16, 2025" in text
        assert "If you pay in time, nothing changes." in text
        assert "thank you" not in text


def test_who_is_suspended_reads_what_brings_it_back_and_when_it_ends() -> None:
    with house(approval={"terminate": "automatic"}) as h:
        client, service, invoice = h.a_debtor(overdue=3)
        h.sync()
        assert service.status == "Suspended"
        text = on_panel(h, client.id).text
        assert f"Suspended now: {service.domain}" in text
        assert f"brings what is suspended back: {invoice.id}." in text
        ends = re.search(rf"From (.+): end of {re.escape(service.domain)}", text)
        assert ends is not None
        assert f"deletion of the backups of {service.domain}" in text


def test_a_promise_moves_the_day_that_is_told() -> None:
    with house() as h:
        client, service, _ = h.a_debtor(overdue=1)
        h.sync()
        today = h.today
        h.bridge.record(
            Record(
                0,
                RecordKind.PROMISE,
                RecordState.OPEN,
                "eva",
                "a note about them",
                today,
                today,
                h.day(5),
                service_id=service_id(service),
            )
        )
        text = on_panel(h, client.id).text
        assert "From March 16, 2025: suspension" in text
        assert "eva" not in text
        assert "a note" not in text


def test_while_the_house_is_paused_no_day_is_told() -> None:
    with house() as h:
        client, invoice, _ = _overdue(h)
        h.bridge.pause(reason="bank is down")
        text = on_panel(h, client).text
        assert f"Invoice {invoice}" in text
        assert "suspension" not in text
        assert "bank" not in text


def test_nothing_is_told_where_the_bridge_does_not_act() -> None:
    with house() as h:
        client, _, _ = _overdue(h)
        other = h.a_client()
        h.a_service(other)
        h.sync()
        h.bridge.enforce_only((), (client_id(other),), "eva")
        assert panel(h, client) == {}
        h.bridge.enforce_everyone("eva")
        assert panel(h, client)
        h.enforcing(False)
        assert panel(h, client) == {}


def test_an_old_reading_tells_nobody_that_he_owes() -> None:
    with house() as h:
        client, _, _ = _overdue(h)
        h.pass_days(2)
        assert panel(h, client) == {}


def test_a_suspension_by_staff_and_vip_are_no_matter_for_the_client() -> None:
    with house(vip={"group": "VIP"}) as h:
        client, service, _ = h.a_debtor(overdue=1, group=1)
        service.status, service.suspend_reason = "Suspended", "internal: abuse"
        h.sync()
        text = on_panel(h, client.id).text
        assert "Suspended" not in text
        assert "abuse" not in text
        assert "vip" not in text.lower()


def test_a_name_is_never_markup() -> None:
    with house() as h:
        client = h.a_client()
        service = h.a_service(client, domain="<script>x</script>")
        h.an_invoice(service, due=-1)
        h.sync()
        assert "<script>x</script>" in on_panel(h, client.id).text


def test_many_services_are_named_in_short() -> None:
    voice = speaker("dutch")
    assert voice.listed(["a", "b"]) == "a en b"
    assert voice.listed(list("abcdefg")) == "a, b, c, d, e en nog 2"


def test_every_text_has_the_same_places_to_fill_in_in_every_language() -> None:
    for key, texts in _TEXTS.items():
        places = [set(re.findall(r"\{(\w+)\}", text)) for text in texts]
        assert places[0] == places[1] == places[2], key
        assert len(set(texts)) == 3, key


def test_every_language_has_somebody_who_speaks_it() -> None:
    for language in LOCALES:
        assert speaker(language).say("pay")


def test_of_very_many_services_only_the_oldest_debts_are_followed_up() -> None:
    with house() as h:
        client = h.a_client()
        for number in range(27):
            h.an_invoice(h.a_service(client, domain=f"s{number}.example.net"), due=-1)
        h.sync()
        text = on_panel(h, client.id).text
        assert "suspension of s0.example.net" in text
        assert "Other services concerned: 2" in text


def test_a_service_that_is_up_is_not_held_to_the_debt_of_others() -> None:
    with house() as h:
        client, service, invoice = h.a_debtor(overdue=3)
        other = h.a_service(client)
        later = h.an_invoice(other, due=9)
        h.sync()
        page = on_panel(h, client.id)
        assert f"Suspended now: {service.domain}" in page.text
        assert other.domain not in page.text
        assert page.links == [f"viewinvoice.php?id={i.id}" for i in (invoice, later)]
