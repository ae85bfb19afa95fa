"""Settings that contradict each other, or give service away."""

import pytest

from tests.settings.files import CLASS, QUIET, problems_of, settings_of, warnings_of
from whmcs_bridge.settings.never import Never, never_list

HOSTING = QUIET + CLASS
LICENCE = '[class.licence]\nproduct_types = ["other"]\nsuspend_after_days = 1\nterminate_after_days = 3\n'
STAGES = "suspend_after_days = 3\nterminate_after_days = 15\n"
WARNING = 'notices = [{{ day = {}, message = "suspension-warning" }}]\n'


@pytest.mark.parametrize("days", [2, 3])
def test_a_class_that_ends_no_later_than_it_suspends_is_refused(days: int) -> None:
    assert problems_of(HOSTING + f"suspend_after_days = 3\nterminate_after_days = {days}") == [
        f"[class.hosting] terminate_after_days: found {days}, expected more than suspend_after_days, "
        "which is 3 in class hosting"
    ]


def test_the_place_is_policy_where_the_number_stands_there() -> None:
    [line] = problems_of(HOSTING + "suspend_after_days = 20\n[policy]\nterminate_after_days = 15")
    assert line.startswith("[policy] terminate_after_days: found 15")


def test_a_final_warning_longer_than_the_waiting_time_is_refused() -> None:
    assert problems_of(HOSTING + STAGES + "final_warning_days = 13") == [
        "[class.hosting] final_warning_days: found 13, expected no more than the waiting time of class hosting, 12 days"
    ]
    assert problems_of(HOSTING + STAGES + "final_warning_days = 12") == []


@pytest.mark.parametrize(("day", "fine"), [(2, True), (3, False), (4, False)])
def test_a_suspension_warning_comes_before_the_suspension_day(day: int, fine: bool) -> None:
    found = problems_of(HOSTING + STAGES + WARNING.format(day))
    assert found == (
        []
        if fine
        else [
            f"[class.hosting] notices #1: found a suspension-warning on day {day}, "
            "expected it before the suspension on day 3 in class hosting"
        ]
    )


def test_a_termination_without_a_suspension_is_warned_about() -> None:
    [line] = warnings_of(HOSTING + "terminate_after_days = 15")
    assert line.startswith("[class.hosting] terminate_after_days: has no effect in class hosting")


@pytest.mark.parametrize(
    ("selector", "shown"),
    [
        ('product_types = ["server"]', "server"),
        ('product_groups = ["Gold"]', "Gold"),
        ("product_ids = [7]", "7"),
    ],
)
def test_two_classes_that_claim_the_same_products_are_refused(selector: str, shown: str) -> None:
    [line] = problems_of(f"[class.a]\n{selector}\n[class.b]\n{selector}")
    key = selector.split(" ")[0]
    shown = shown if shown == "7" else f'"{shown}"'
    assert line == f"[class.b] {key}: found {shown}, which [class.a] has too, expected it in one class"


def test_group_names_that_differ_in_case_only_are_the_same_claim() -> None:
    assert problems_of('[class.a]\nproduct_groups = ["Gold"]\n[class.b]\nproduct_groups = ["gold"]') != []


def test_a_type_and_a_group_are_no_tie() -> None:
    assert problems_of('[class.a]\nproduct_types = ["server"]\n[class.b]\nproduct_groups = ["Gold"]') == []


def test_a_layer_that_leaves_no_waiting_time_is_warned_about_and_names_every_class() -> None:
    text = HOSTING + STAGES + LICENCE + "[service.456]\nsuspend_after_days = 15"
    assert warnings_of(text) == [
        "[service.456] suspend_after_days: leaves no day between suspension (day 15) and termination (day 15) in class "
        "hosting; the class's own waiting time is used (also in class licence)"
    ]


def test_a_layer_that_is_wrong_over_every_class_is_refused_and_over_some_only_warned_about() -> None:
    text = HOSTING + STAGES + '[group."Gold"]\nfinal_warning_days = 9\n'
    assert problems_of(text) == []
    assert warnings_of(text) == []
    [warning] = warnings_of(text + LICENCE)
    assert warning.startswith('[group."Gold"] final_warning_days: found 9, expected no more than the waiting time')
    [problem] = problems_of(text.replace("= 9", "= 13") + LICENCE)
    assert "waiting time of class hosting, 12 days" in problem


def test_a_layer_that_suspends_before_the_class_s_warning_is_told() -> None:
    text = HOSTING + STAGES + WARNING.format(2) + "[client.7]\nsuspend_after_days = 2"
    assert problems_of(text) == [
        "[client.7] notices: found a suspension-warning on day 2, expected it before the suspension on day 2 "
        "in class hosting"
    ]


# --- service given away --------------------------------------------------------------------------

NO_NEW = '[policy]\ninvoices_while_suspended = "none"\n'


def test_a_group_that_is_never_suspended_nor_billed_while_one_is_open_is_refused() -> None:
    text = HOSTING + STAGES + NO_NEW + '[group."VIP"]\nsuspend_after_days = "never"\n'
    [line] = problems_of(text)
    assert line.startswith('[group."VIP"] suspend_after_days: found "never" together with invoices_while_suspended')
    assert "service given away" in line
    assert problems_of(text + 'invoices_while_suspended = "continue"') == []


def test_the_same_for_one_client_is_a_warning() -> None:
    [line] = warnings_of(HOSTING + STAGES + NO_NEW + '[client.7]\nsuspend_after_days = "never"\n')
    assert "service given away" in line


def test_a_courtesy_that_spans_a_renewal_needs_a_limit_where_nothing_is_billed_meanwhile() -> None:
    text = HOSTING + STAGES + NO_NEW + '[vip]\ngroup = "VIP"\nexempt_max_days = {}\n'
    assert problems_of(text.format(31)) == []
    [line] = problems_of(text.format(32))
    assert line.startswith("[vip] exempt_max_days: found 32")
    assert problems_of(text.format(32) + 'exempt_max_debt = "500.00"') == []


def test_a_vip_group_that_is_not_managed_is_warned_about() -> None:
    [line] = warnings_of(HOSTING + '[vip]\ngroup = "VIP"\nmanaged_groups = ["Gold"]')
    assert line == '[vip] managed_groups: lacks "VIP", so nobody is ever taken out of the VIP group'


def test_a_vip_group_that_is_not_managed_and_not_billed_is_refused() -> None:
    text = HOSTING + STAGES + NO_NEW + '[vip]\ngroup = "VIP"\nmanaged_groups = ["Gold"]\n'
    [line] = problems_of(text)
    assert line.startswith('[vip] managed_groups: lacks "VIP" together with invoices_while_suspended = "none"')


# --- warnings ------------------------------------------------------------------------------------


def test_what_does_nothing_is_warned_about() -> None:
    assert warnings_of(QUIET) == ["[class.NAME]: no class is defined, so no service is ever suspended, ended or erased"]
    [line] = warnings_of(QUIET + "[class.empty]\nsuspend_after_days = 3")
    assert line.startswith("[class.empty]: selects no products")


def test_a_missing_time_zone_is_warned_about() -> None:
    text = CLASS + '[calendar]\nquiet_days = ["sunday"]'
    assert warnings_of(text) == ["[calendar] timezone: not set, so days begin and end in UTC"]


def test_clearing_days_without_holidays_are_warned_about() -> None:
    text = CLASS + '[calendar]\ntimezone = "UTC"\nclearing_bank_days = { boleto = 2 }'
    assert "every Monday to Friday counts as a bank day" in warnings_of(text)[0]


def test_a_message_that_is_not_ours_is_a_template_of_whmcs_with_a_warning() -> None:
    text = HOSTING + 'notices = [{ day = 2, message = "suspension-waring" }]\non_end_message = "Goodbye"'
    assert settings_of(text).policy.messages["Goodbye"].template == "Goodbye"
    assert warnings_of(text) == [
        '[class.hosting] notices #1.message: "suspension-waring" is no message of ours, so it is taken for a mail '
        'template of WHMCS; did you mean "suspension-warning"?',
        '[class.hosting] on_end_message: "Goodbye" is no message of ours, so it is taken for a mail template of WHMCS; '
        "say so in [messages] to be sure",
    ]
    named = text.replace("suspension-waring", "payment-reminder") + '\n[messages."Goodbye"]\ntemplate = "Goodbye"'
    assert warnings_of(named) == []


# --- never ---------------------------------------------------------------------------------------


def test_everything_that_is_set_to_never_is_listed() -> None:
    settings = settings_of(
        HOSTING
        + 'suspend_after_days = 3\nterminate_after_days = "never"\n'
        + '[group."Gold"]\nsuspend_after_days = "never"\n[service.5]\ndelete_backups_after_days = "never"\n'
        + "[class.free]\nproduct_ids = [1]\nterminate_after_days = 9\ndelete_backups_after_days = 0"
    )
    assert never_list(settings) == (
        Never("[class.hosting]", "terminate_after_days", "set"),
        Never("[class.hosting]", "delete_backups_after_days", "default"),
        Never("[class.free]", "suspend_after_days", "default"),
        Never("[class.free]", "terminate_after_days", "never suspended"),
        Never('[group."Gold"]', "suspend_after_days", "set"),
        Never('[group."Gold"]', "terminate_after_days", "never suspended"),
        Never("[service.5]", "delete_backups_after_days", "set"),
    )


@pytest.mark.parametrize("way", ["link = true", 'ticket_phrases = ["please unlock"]'])
def test_a_way_to_ask_for_nothing_is_named(way: str) -> None:
    asking = f"{HOSTING}{STAGES}[requests]\n{way}\n"
    [line] = [line for line in warnings_of(asking) if "[requests]" in line]
    assert line.endswith("clients may ask for nothing: that takes on_request = true in [trust_release] or [promises]")
    for table in ("trust_release", "promises"):
        allowed = warnings_of(f"{asking}[{table}]\non_request = true\n")
        assert not [line for line in allowed if "[requests]" in line]


MACHINES = """
[[backup_store]]
name = "pve"
driver = "proxmox"
servers = [3]
url = "https://pve1.example.com:8006"
token_id = "bridge@pve!backups"
token = "env:PVE_TOKEN"
storages = ["backups"]
"""
CLUSTER = """
[[panel]]
name = "cluster"
driver = "proxmox"
servers = [%d]
url = "https://pve1.example.com:8006"
token_id = "audit@pve!bridge"
token = "env:PVE_AUDIT_TOKEN"
"""
NOBODY_RECORDS = (
    '[[backup_store]] #1.servers: no [[panel]] with driver "proxmox" serves them: no machine\'s uuid is recorded, and '
    "backups stay"
)
NO_NUMBER = "[[backup_store]] #1: [backups] id_fields names no vmid: machines are known by WHMCS's user name only"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", [NOBODY_RECORDS, NO_NUMBER]),
        (CLUSTER % 4, [NOBODY_RECORDS, NO_NUMBER]),
        (CLUSTER % 3, [NO_NUMBER]),
        (CLUSTER % 3 + '[backups]\nid_fields = { vmid = ["VM ID"] }\n', []),
    ],
)
def test_machines_that_nobody_records_are_told(more: str, said: list[str]) -> None:
    warnings = warnings_of(QUIET + CLASS + MACHINES + more)
    assert [line for line in warnings if "delete_with" not in line] == said
