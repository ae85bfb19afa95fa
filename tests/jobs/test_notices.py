"""Notices: each exactly once, never only to a dead mailbox, never two about debt on one day."""

from tests.house import HOSTING, WARNED, House, client_id, done, results, the_result
from whmcs_bridge.policy.decision import Kind
from whmcs_bridge.ports import StepState
from whmcs_bridge.simulator import cron, faults
from whmcs_bridge.simulator.faults import Fault
from whmcs_bridge.simulator.records import Contact, EmailTemplate

MAILS = {
    **WARNED,
    "on_suspend_message": "service-suspended",
    "on_release_message": "service-released",
    "on_end_message": "service-ended",
}
WITH_MAILS = {"class": {"hosting": MAILS}}


def test_a_case_from_reminder_to_end_sends_each_mail_once() -> None:
    """Three syncs a day, and every mail once."""
    with House.of(WITH_MAILS) as house:
        client, service, _ = house.a_debtor(overdue=-5)
        for _ in range(24):
            for _ in range(3):
                house.sync()
            house.pass_days()
        assert service.status == "Terminated"
        assert [mail.split(" ")[0] for mail in house.mails(client)] == [
            "Payment",
            "Please",
            "Suspended:",
            "Final",
            "Ended:",
        ]


def test_a_release_is_told_once() -> None:
    with House.of(WITH_MAILS) as house:
        client, _, invoice = house.a_debtor()
        house.next_day(3)
        house.pay(invoice)
        house.next_day(2)
        assert len(house.mails(client, "Back online")) == 1


def test_the_mail_says_what_is_owed_and_when_service_ends() -> None:
    with House.of(WITH_MAILS) as house:
        client, service, invoice = house.a_debtor()
        house.next_day(2)
        mail = next(m for m in house.world.emails.values() if m.subject.startswith("Please pay"))
        assert mail.subject == f"Please pay before {house.day(1)}: {service.domain}"
        assert client.firstname in mail.message
        assert "10.00 USD" in mail.message
        assert str(invoice.id) in mail.message


def test_a_lost_answer_sends_no_second_mail() -> None:
    with House.of(WITH_MAILS) as house:
        client, _, _ = house.a_debtor(overdue=2)
        house.faults(Fault("SendEmail", faults.Kind.TIMEOUT_AFTER))
        report = house.sync()
        assert the_result(report, Kind.NOTICE).state is StepState.UNKNOWN
        house.sync()
        house.sync()
        assert len(house.mails(client)) == 1
        assert done(house.next_day())[-1] == "suspend"


def test_a_lost_mail_is_sent_again_before_the_step_it_warns_of() -> None:
    with House.of(WITH_MAILS) as house:
        client, service, _ = house.a_debtor(overdue=2)
        house.faults(Fault("SendEmail", faults.Kind.TIMEOUT_BEFORE))
        house.sync()
        assert house.mails(client) == []
        house.next_day()
        assert (len(house.mails(client, "Please pay")), service.status) == (1, "Active")
        house.next_day()
        assert service.status == "Suspended"


def test_two_services_that_have_to_hear_the_same_share_a_mail() -> None:
    with House.of(WITH_MAILS) as house:
        client = house.a_client()
        services = [house.a_service(client) for _ in range(2)]
        for service in services:
            house.an_invoice(service, due=-2)
        report = house.sync()
        assert results(report, Kind.NOTICE) == [("notice", "done")] * 2
        (subject,) = house.mails(client)
        assert all(service.domain in subject for service in services)
        mail = next(iter(house.world.emails.values()))
        assert "20.00 USD" in mail.message


def test_one_invoice_for_two_services_is_asked_for_once() -> None:
    """The mail about both services names the whole of it, not twice its amount."""
    with House.of(WITH_MAILS) as house:
        client = house.a_client()
        one, two = (house.a_service(client) for _ in range(2))
        house.an_invoice(one, due=-2, lines=[("Hosting", one.id, 1000), ("Hosting", two.id, 700)])
        house.sync()
        mail = next(iter(house.world.emails.values()))
        assert "17.00 USD" in mail.message


def test_of_several_missed_notices_only_the_latest_goes_out_but_the_warning_first() -> None:
    notices = [
        {"day": 1, "message": "payment-reminder"},
        {"day": 2, "message": "suspension-warning"},
        {"day": 4, "message": "payment-reminder"},
        {"day": 5, "message": "payment-reminder"},
    ]
    with House.of({"class": {"hosting": {**HOSTING, "notices": notices, "suspend_after_days": 8}}}) as house:
        client, service, _ = house.a_debtor(overdue=20)
        house.sync()
        assert [mail.split(" ")[0] for mail in house.mails(client)] == ["Please"]
        assert service.status == "Active"
        house.next_day()
        assert service.status == "Suspended"


# --- WHMCS's own mails ----------------------------------------------------------------------------


def reminding(house: House) -> None:
    """WHMCS sends its own overdue notices, on days 1, 3 and 7."""
    house.world.settings["SendOverdueReminders"] = "on"
    cron.run_daily_cron(house.world)


def test_a_debt_mail_of_whmcs_counts_as_the_reminder_of_the_day() -> None:
    notices = [{"day": 1, "message": "payment-reminder"}]
    with House.of({"class": {"hosting": {**HOSTING, "notices": notices}}}) as house:
        client, _, _ = house.a_debtor(overdue=1)
        reminding(house)
        assert house.mails(client) == ["First Invoice Overdue Notice"]
        report = house.sync()
        assert results(report, Kind.NOTICE) == [("notice", "skipped")]
        house.next_day()
        assert len(house.mails(client)) == 1


def test_a_warning_waits_a_day_when_whmcs_wrote_today() -> None:
    """No client gets two debt mails in a day, and no suspension comes without its own warning."""
    notices = [{"day": 1, "message": "suspension-warning"}]
    with House.of({"class": {"hosting": {**HOSTING, "suspend_after_days": 2, "notices": notices}}}) as house:
        client, service, _ = house.a_debtor(overdue=1)
        reminding(house)
        house.sync()
        assert len(house.mails(client)) == 1
        house.next_day()
        assert len(house.mails(client, "Please pay")) == 1
        assert service.status == "Active"
        house.next_day()
        assert service.status == "Suspended"


def test_a_house_may_ignore_what_whmcs_sends() -> None:
    notices = [{"day": 1, "message": "payment-reminder"}]
    rules = {**HOSTING, "notices": notices, "whmcs_notices": "ignore"}
    with House.of({"class": {"hosting": rules}}) as house:
        client, _, _ = house.a_debtor(overdue=1)
        reminding(house)
        house.sync()
        assert len(house.mails(client)) == 2


# --- where it arrives -----------------------------------------------------------------------------


def until_the_final_warning(house: House, **client: str) -> None:
    owner = house.a_client(**client)
    service = house.a_service(owner, domain="shop.example.org")
    house.an_invoice(service)
    house.next_day(12)
    assert service.status == "Suspended"


def test_a_final_warning_is_not_sent_only_to_the_mailbox_that_was_switched_off() -> None:
    """eSmartStores warned the mailbox it had just switched off; here staff is told, and the end waits."""
    with House.of(WITH_MAILS) as house:
        until_the_final_warning(house, email="me@shop.example.org")
        assert house.mails(about="Final warning") == []
        assert "mail-failed:final-warning" in house.task_codes()
        house.next_day(20)
        assert house.events("module:terminate") == []


def test_that_a_service_is_down_is_not_told_to_its_own_mailbox_alone() -> None:
    """The mailbox goes down with the service; it is up again when the client hears of the release."""
    with House.of(WITH_MAILS) as house:
        owner = house.a_client(email="me@shop.example.org")
        service = house.a_service(owner, domain="shop.example.org")
        invoice = house.an_invoice(service, due=-2)
        house.sync()
        house.next_day()
        assert service.status == "Suspended"
        assert house.mails(about="Suspended: ") == []
        assert "mail-failed:service-suspended" in house.task_codes()
        house.pay(invoice)
        house.next_day()
        assert len(house.mails(about="Back online: ")) == 1


def test_a_final_warning_on_suspension_is_not_sent_to_the_mailbox_that_goes_down() -> None:
    rules = {**HOSTING, "terminate_after_days": 5, "final_warning_days": 2}
    with House.of({"class": {"hosting": rules}}) as house:
        owner = house.a_client(email="me@shop.example.org")
        service = house.a_service(owner, domain="shop.example.org")
        house.an_invoice(service, due=-3)
        house.sync()
        assert service.status == "Suspended"
        assert house.mails() == []
        house.next_day(20)
        assert house.events("module:terminate") == []


def test_clients_without_a_mailbox_do_not_end_the_run_for_the_others() -> None:
    """Ten final warnings that reach nobody are ten tasks, no rising error rate."""
    with House.of(WITH_MAILS) as house:
        for number in range(10):
            owner = house.a_client(email=f"me@shop{number}.example.org")
            house.an_invoice(house.a_service(owner, domain=f"shop{number}.example.org"))
        _, late, _ = house.a_debtor()
        report = house.next_day(12)
        assert results(report, Kind.NOTICE) == [("notice", "skipped")] * 10 + [("notice", "done")]
        assert (report.broken_off, report.exit_code) == ("", 0)
        house.next_day(3)
        assert late.status == "Terminated"


def test_a_contact_elsewhere_is_enough_for_a_final_warning() -> None:
    with House.of(WITH_MAILS) as house:
        owner = house.a_client(email="me@shop.example.org")
        service = house.a_service(owner, domain="shop.example.org")
        house.world.add_contact(Contact(0, owner.id, email="me@example.net", emails=frozenset({"product"})))
        house.an_invoice(service)
        house.next_day(15)
        assert len(house.mails(about="Final warning")) == 1
        assert service.status == "Terminated"


def test_a_final_warning_that_failed_holds_the_end() -> None:
    """Accepted by SendEmail, failed in the mail log by the next run: the warning has not been given."""
    with House.of(WITH_MAILS) as house:
        _, service, _ = house.a_debtor()
        house.next_day(12)
        (mail,) = (m for m in house.world.emails.values() if m.subject.startswith("Final warning"))
        mail.failed, mail.failure_reason = True, "550 no such user"
        house.next_day()
        assert [m.delivered for m in house.case(service).notices if m.message == "final-warning"] == [False, None]
        house.next_day(2)
        assert service.status == "Suspended"
        house.next_day()
        assert service.status == "Terminated"


def test_mail_that_whmcs_cannot_send_holds_the_steps_that_rest_on_it() -> None:
    with House.of(WITH_MAILS) as house:
        _, service, _ = house.a_debtor()
        house.world.switches.mail_fails = True
        house.next_day(6)
        assert service.status == "Active"
        assert "mail-failed:suspension-warning" in house.task_codes()
        house.world.switches.mail_fails = False
        house.next_day(2)
        assert service.status == "Suspended"


def test_a_message_may_be_a_template_of_whmcs() -> None:
    """Sent by name; a lost answer is looked up by the template's subject."""
    rules = {**HOSTING, "notices": [{"day": 2, "message": "suspension-warning"}]}
    messages = {"suspension-warning": {"template": "Please pay now", "about": "invoice"}}
    with House.of({"class": {"hosting": rules}, "messages": messages}) as house:
        house.world.templates[99] = EmailTemplate(99, "invoice", "Please pay now", "Invoice {$invoice_num} is late")
        client, service, _ = house.a_debtor(overdue=2)
        house.faults(Fault("SendEmail", faults.Kind.TIMEOUT_AFTER))
        house.sync()
        house.next_day()
        assert house.mails(client) == ["Please pay now"]
        assert service.status == "Suspended"


def test_a_failing_message_does_not_undo_the_step_it_belongs_to() -> None:
    with House.of({"class": {"hosting": {**HOSTING, "on_suspend_message": "service-suspended"}}}) as house:
        _, service, _ = house.a_debtor(overdue=3)
        house.world.switches.mail_fails = True
        report = house.sync()
        assert sorted(results(report)) == [("notice", "failed"), ("suspend", "done")]
        assert service.status == "Suspended"
        assert "mail-failed:service-suspended" in house.task_codes()


def test_a_message_whose_answer_was_lost_after_its_step_is_sent_by_the_next_run() -> None:
    """The service is down and the mail never left: the next run owes it still."""
    with House.of({"class": {"hosting": {**HOSTING, "on_suspend_message": "service-suspended"}}}) as house:
        client, _, _ = house.a_debtor(overdue=3)
        house.faults(Fault("SendEmail", faults.Kind.TIMEOUT_BEFORE))
        house.sync()
        assert house.mails(client) == []
        house.sync()
        house.sync()
        assert house.mails(client) == ["Suspended: site1.example.net"]


def test_a_lost_message_is_not_taken_for_the_one_about_another_service_of_the_same_name() -> None:
    """Both are a Starter without a domain: with the same subject, one mail in the log would pass for two."""
    with House.of({"class": {"hosting": {**HOSTING, "on_suspend_message": "service-suspended"}}}) as house:
        client = house.a_client()
        for _ in range(2):
            house.an_invoice(house.a_service(client, domain=""), due=-3)
        house.faults(Fault("SendEmail", faults.Kind.TIMEOUT_BEFORE, nth=2))
        house.sync()
        house.faults()
        house.sync()
        assert house.mails() == ["Suspended: Starter (1)", "Suspended: Starter (2)"]


def test_an_owed_message_is_dropped_when_it_is_no_longer_true() -> None:
    """The mail on suspension was lost, and the client has paid since: nobody is told of a suspension that is over."""
    rules = {**HOSTING, "on_suspend_message": "service-suspended", "on_release_message": "service-released"}
    with House.of({"class": {"hosting": rules}}) as house:
        client, service, invoice = house.a_debtor(overdue=3)
        house.faults(Fault("SendEmail", faults.Kind.TIMEOUT_BEFORE))
        house.sync()
        house.pay(invoice)
        house.bridge.reevaluate(client_id(client), "InvoicePaid")
        assert service.status == "Active"
        house.next_day()
        assert house.mails(client) == ["Back online: site1.example.net"]
