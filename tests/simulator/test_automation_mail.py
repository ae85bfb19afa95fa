import pytest

from tests.simulator.worlds import a_client, a_world, listen
from whmcs_bridge.simulator.mail import send_mail
from whmcs_bridge.simulator.records import Contact

NAME = "Invoice Created"


def test_an_automatic_mail_is_logged_with_its_template_and_copied_to_contacts_that_want_it() -> None:
    world = a_world()
    client = a_client(world, email="ann@example.com")
    world.add_contact(Contact(0, client.id, email="books@example.com", emails=frozenset({"invoice"})))
    world.add_contact(Contact(0, client.id, email="tech@example.com", emails=frozenset({"support"})))
    mail = send_mail(world, client, NAME, 5)
    assert mail is not None
    assert (mail.to, mail.cc, mail.template, mail.relid, mail.failed) == (
        "ann@example.com",
        "books@example.com",
        NAME,
        5,
        False,
    )


@pytest.mark.parametrize("why", ["switched off by the client", "template disabled", "hook"])
def test_a_mail_that_is_not_wanted_is_not_sent(why: str) -> None:
    world = a_world()
    client = a_client(world, email_off=frozenset({"invoice"}) if why.startswith("switched") else frozenset())
    if why == "template disabled":
        next(each for each in world.templates.values() if each.name == NAME).disabled = True
    if why == "hook":
        listen(world).answers["EmailPreSend"] = lambda _: {"abortsend": True}
    assert send_mail(world, client, NAME, 5) is None
    assert len(world.emails) == 0


def test_a_mailer_out_of_order_leaves_a_failed_mail() -> None:
    world = a_world()
    world.switches.mail_fails = True
    mail = send_mail(world, a_client(world), NAME, 5)
    assert mail is not None
    assert mail.failed
    assert mail.failure_reason
