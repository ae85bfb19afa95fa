"""Reading scenario files: what is loose is taken, what is wrong is named, all of it at once."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.scenarios import HERE
from whmcs_bridge.errors import ScenarioProblem
from whmcs_bridge.scenarios import load, read
from whmcs_bridge.scenarios.model import At, Event, Scenario, When

HOUSE = """
id = "story"
clients = [{ id = "ana" }]
services = [{ id = "site", client = "ana", class = "hosting" }]
config.class.hosting = { product_types = ["hostingaccount"], suspend_after_days = 3 }
"""
INVOICE = (
    '{ date = 2026-03-08, type = "invoice_issued", invoice = "I1", client = "ana", due = 2026-03-10, amount = "40.00" }'
)
EXPECT = 'expect = [{ date = 2026-03-13, service = "site", state = "suspended" }]'


def write(folder: Path, text: str, name: str = "story.toml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def one(folder: Path, text: str, name: str = "story.toml") -> Scenario:
    (scenario,) = load([write(folder, text, name)])
    return scenario


def problems(folder: Path, text: str, name: str = "story.toml") -> list[str]:
    with pytest.raises(ScenarioProblem) as wrong:
        load([write(folder, text, name)])
    assert wrong.value.exit_code == 2
    return wrong.value.problems


def event_of(folder: Path, text: str) -> Event:
    return one(folder, f"{HOUSE}{EXPECT}\nevents = [{text}]").events[0]


# --- what is taken --------------------------------------------------------------------------------


def test_toml_and_json_carry_the_same_structure(tmp_path: Path) -> None:
    table = {
        "id": "story",
        "config": {"class": {"hosting": {"product_types": ["hostingaccount"], "suspend_after_days": 3}}},
        "clients": [{"id": "ana"}],
        "services": [{"id": "site", "client": "ana", "class": "hosting"}],
        "events": [
            {
                "date": "2026-03-08",
                "type": "invoice_issued",
                "invoice": "I1",
                "client": "ana",
                "due": "2026-03-10",
                "amount": 40.0,
            }
        ],
        "expect": [{"date": "2026-03-13", "service": "site", "state": "suspended"}],
    }
    from_json = one(tmp_path, json.dumps(table), "story.json")
    from_toml = one(tmp_path, f"{HOUSE}{EXPECT}\nevents = [{INVOICE}]")
    assert from_json.events == from_toml.events
    assert from_json.expect == from_toml.expect
    assert (from_json.clients, from_json.services) == (from_toml.clients, from_toml.services)


@pytest.mark.parametrize("key", ["", "scenario", "scenarios"])
def test_a_file_may_hold_a_list(tmp_path: Path, key: str) -> None:
    tables = [
        {"id": name, "clients": [{"id": "ana"}], "events": [{"date": "2026-03-08", "type": "extra_run"}]}
        for name in ("first", "second")
    ]
    text = json.dumps({key: tables} if key else tables)
    assert [scenario.id for scenario in load([write(tmp_path, text, "two.json")])] == ["first", "second"]


def test_folders_are_read_recursively_in_order(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    story = f"{HOUSE}{EXPECT}\nevents = [{INVOICE}]"
    write(tmp_path, story.replace("story", "b"), "b.toml")
    write(tmp_path / "deep", story.replace("story", "a"), "a.toml")
    write(tmp_path, "no scenario", "README.md")
    assert [scenario.id for scenario in load([tmp_path])] == ["b", "a"]


@pytest.mark.parametrize("amount", ['"40"', "40", "40.0", '"40.00"'])
def test_amounts_are_strings_or_numbers(tmp_path: Path, amount: str) -> None:
    event = event_of(tmp_path, INVOICE.replace('"40.00"', amount))
    assert event.money("amount") == Decimal("40.00")


def test_an_invoice_without_lines_bills_the_clients_only_service(tmp_path: Path) -> None:
    (line,) = event_of(tmp_path, INVOICE).values["lines"]
    assert (line.kind, line.what, line.amount) == ("service", "site", Decimal("40.00"))


def test_an_invoice_without_lines_bills_nothing_known_where_there_are_two_services(tmp_path: Path) -> None:
    two = HOUSE.replace("services = [", 'services = [{ id = "shop", client = "ana", class = "hosting" }, ')
    scenario = one(tmp_path, f"{two}{EXPECT}\nevents = [{INVOICE}]")
    assert scenario.events[0].values["lines"][0].kind == "text"


def test_a_line_without_an_amount_takes_the_rest(tmp_path: Path) -> None:
    lines = 'lines = [{ service = "site" }, { domain = "ana.example.org", amount = "12.00" }] }'
    event = event_of(tmp_path, INVOICE.removesuffix(" }") + ", " + lines)
    assert [line.amount for line in event.values["lines"]] == [Decimal("28.00"), Decimal("12.00")]


def test_the_clock_runs_over_events_and_expectations_only(tmp_path: Path) -> None:
    scenario = one(tmp_path, f"{HOUSE}{EXPECT}\nevents = [{INVOICE}]")
    assert (scenario.first, scenario.last) == (date(2026, 3, 8), date(2026, 3, 13))


def test_a_client_has_been_one_for_three_years_unless_the_file_says_since_when(tmp_path: Path) -> None:
    scenario = one(tmp_path, f"{HOUSE}{EXPECT}\nevents = [{INVOICE}]")
    assert scenario.clients[0].since == date(2023, 3, 8)


def test_events_are_sorted_by_date_and_moment_and_stay_in_order_otherwise(tmp_path: Path) -> None:
    events = """events = [
        { date = 2026-03-09, type = "extra_run", ref = "c" },
        { date = 2026-03-08, type = "extra_run", ref = "b" },
        { date = 2026-03-09, type = "extra_run", ref = "d" },
        { date = 2026-03-08, type = "extra_run", ref = "a", at = "before_run" },
    ]"""
    scenario = one(tmp_path, f"{HOUSE}{EXPECT}\n{events}")
    assert [event.ref for event in scenario.events] == ["a", "b", "c", "d"]
    assert scenario.events[0].at is At.BEFORE_RUN


def test_a_single_word_stands_for_a_list_of_one(tmp_path: Path) -> None:
    expect = """expect = [
        { date = 2026-03-13, when = "after_run", service = "site", state = "active", also_ok = "warned" },
        { date = 2026-03-13, service = "site", actions = "module:suspend" },
    ]"""
    scenario = one(tmp_path, f"{HOUSE}{expect}\nevents = [{INVOICE}]")
    assert scenario.expect[0].also_ok == ("warned",)
    assert scenario.expect[0].when is When.AFTER_RUN
    assert scenario.expect[1].actions == ("module:suspend",)


def test_a_class_gets_a_product_by_its_first_selector(tmp_path: Path) -> None:
    text = """
    id = "story"
    clients = [{ id = "ana" }]
    services = [
      { id = "a", client = "ana", class = "types" },
      { id = "b", client = "ana", class = "groups" },
      { id = "c", client = "ana", class = "ids" },
    ]
    events = [{ date = 2026-03-08, type = "extra_run" }]
    [config.class]
    types = { product_types = ["server", "other"], suspend_after_days = 3 }
    groups = { product_groups = ["Licences"], suspend_after_days = 3 }
    ids = { product_ids = [77], suspend_after_days = 3 }
    """
    scenario = one(tmp_path, text)
    by_label = {product.label: product for product in scenario.products}
    assert by_label["class types"].type == "server"
    assert by_label["class groups"].group == "Licences"
    assert scenario.number("product", "class ids") == 77
    assert all(product.module for product in scenario.products)


def test_groups_named_anywhere_are_made_and_not_exempt(tmp_path: Path) -> None:
    text = f"""{HOUSE}{EXPECT}
    groups = [{{ name = "Partners", exempt = true }}]
    events = [{{ date = 2026-03-08, type = "group_set", client = "ana", group = "Press" }}]
    [config.vip]
    group = "VIP"
    [config.group.Resellers]
    suspend_after_days = 5
    """
    scenario = one(tmp_path, text)
    assert {group.name: group.exempt for group in scenario.groups} == {
        "Partners": True,
        "Resellers": False,
        "VIP": False,
        "Press": False,
    }


def test_labels_are_numbers_to_the_settings(tmp_path: Path) -> None:
    text = f"""{HOUSE}{EXPECT}
    events = [{INVOICE}]
    [config.client.ana]
    suspend_after_days = 4
    [config.service.site]
    suspend_after_days = 5
    """
    scenario = one(tmp_path, text)
    policy = scenario.settings.policy
    assert policy.clients[scenario.number("client", "ana")] == {"suspend_after_days": 4}
    assert policy.services[scenario.number("service", "site")] == {"suspend_after_days": 5}


def test_a_later_policy_lies_over_the_one_before(tmp_path: Path) -> None:
    change = (
        '{ date = 2026-03-09, type = "policy_changed", config = { class = { hosting = { suspend_after_days = 9 } } } }'
    )
    scenario = one(tmp_path, f"{HOUSE}{EXPECT}\nevents = [{change}]")
    later = scenario.events[0].settings
    assert later is not None
    (hosting,) = later.policy.classes
    assert hosting.product_types == {"hostingaccount"}
    assert hosting.layer["suspend_after_days"] == 9


def test_scenario_settings_enforce_without_approvals_limits_and_sanity(tmp_path: Path) -> None:
    settings = one(tmp_path, f"{HOUSE}{EXPECT}\nevents = [{INVOICE}]").settings
    assert settings.enforcing
    assert settings.policy.approval["terminate"] == "automatic"
    assert not settings.policy.limits.by_kind
    assert not settings.policy.sanity.enabled


# --- what is wrong --------------------------------------------------------------------------------

WRONG_EVENTS = [
    pytest.param('{ date = 2026-03-08, type = "paymet" }', "events #1.type", 'did you mean "payment"', id="type"),
    pytest.param("{ date = 2026-03-08 }", "events #1.type", "expected an event type", id="no-type"),
    pytest.param('{ date = "someday", type = "extra_run" }', "events #1.date", "expected a date", id="date"),
    pytest.param('{ type = "extra_run" }', "events #1.date", "expected a date", id="no-date"),
    pytest.param(
        '{ date = 2026-03-08, type = "payment", invoice = "I9" }',
        "events #1.invoice",
        "expected an invoice",
        id="invoice",
    ),
    pytest.param('{ date = 2026-03-08, type = "payment" }', "events #1.invoice", "payment needs it", id="no-invoice"),
    pytest.param(
        '{ date = 2026-03-08, type = "extra_run", at = "before" }', "events #1.at", 'did you mean "before_run"', id="at"
    ),
    pytest.param(
        '{ date = 2026-03-08, type = "manual_suspend", servce = "site" }',
        "events #1.servce",
        'did you mean "service"',
        id="key",
    ),
    pytest.param(
        '{ date = 2026-03-08, type = "manual_suspend", service = "sit" }',
        "events #1.service",
        'did you mean "site"',
        id="service",
    ),
    pytest.param(
        '{ date = 2026-03-08, type = "promise_recorded", until = 2026-03-12 }',
        "events #1",
        "client or service",
        id="whom",
    ),
    pytest.param(
        '{ date = 2026-03-08, type = "credit_added", client = "ana", amount = "a lot" }',
        "events #1.amount",
        "expected an amount",
        id="amount",
    ),
    pytest.param(
        '{ date = 2026-03-08, type = "manual_status_set", service = "site", status = "Gone" }',
        "events #1.status",
        '"Terminated"',
        id="status",
    ),
    pytest.param(
        '{ date = 2026-03-08, type = "cancellation_requested", service = "site", when = "soon" }',
        "events #1.when",
        '"immediate" or "end_of_period"',
        id="when",
    ),
    pytest.param(
        INVOICE.removesuffix(" }") + ', lines = [{ service = "site", amount = "39.00" }] }',
        "events #1.amount",
        "the sum of its lines",
        id="sum",
    ),
    pytest.param(
        INVOICE.removesuffix(" }") + ', lines = [{ servis = "site", amount = "40.00" }] }',
        "events #1.lines #1.servis",
        'did you mean "service"',
        id="line",
    ),
    pytest.param(
        '{ date = 2026-03-08, type = "policy_changed", config = { class = { hosting = { suspend_afer_days = 9 } } } }',
        "events #1",
        "suspend_afer_days",
        id="config",
    ),
    pytest.param(
        f'{{ date = 2026-03-07, type = "payment", invoice = "I1" }}, {INVOICE}',
        "events #1.invoice",
        "not issued yet",
        id="too-early",
    ),
    pytest.param(f"{INVOICE}, {INVOICE}", "events #2.invoice", "a second time", id="twice"),
]


@pytest.mark.parametrize(("events", "key", "said"), WRONG_EVENTS)
def test_a_wrong_event_is_named_with_what_was_expected(tmp_path: Path, events: str, key: str, said: str) -> None:
    lines = problems(tmp_path, f"{HOUSE}{EXPECT}\nevents = [{events}]")
    start = f"{tmp_path / 'story.toml'}: scenario story: {key}: "
    assert any(line.startswith(start) and said in line for line in lines), lines


WRONG_EXPECTATIONS = [
    pytest.param(
        '{ date = 2026-03-13, service = "site", state = "down" }', "expect #1.state", '"suspended"', id="state"
    ),
    pytest.param('{ date = 2026-03-13, state = "active" }', "expect #1.service", "because of state", id="no-service"),
    pytest.param('{ service = "site", state = "active" }', "expect #1.date", "expected a date", id="no-date"),
    pytest.param('{ date = 2026-03-13, client = "bob", vip = true }', "expect #1.client", "`clients`", id="client"),
    pytest.param('{ date = 2026-03-13, client = "ana", vip = "yes" }', "expect #1.vip", "true or false", id="vip"),
    pytest.param(
        '{ date = 2026-03-13, service = "site", actions = ["module:suspnd"] }',
        "expect #1.actions #1",
        'did you mean "module:suspend"',
        id="action",
    ),
    pytest.param(
        '{ date = 2026-03-13, after = "lunch", service = "site", state = "active" }',
        "expect #1.after",
        "`ref`",
        id="ref",
    ),
    pytest.param(
        '{ date = 2026-03-13, service = "site", status = "suspended!" }', "expect #1.status", '"Suspended"', id="status"
    ),
    pytest.param(
        '{ date = 2026-03-13, service = "site", next = { step = "suspend", on = 2026-03-13 } }',
        "expect #1.next",
        "{ step, date }",
        id="next",
    ),
    pytest.param(
        '{ date = 2026-03-13, invoice = "I7", invoice_status = "Paid" }',
        "expect #1.invoice",
        "invoice_issued",
        id="invoice",
    ),
    pytest.param(
        '{ date = 2026-03-13, service = "site", stat = "active" }', "expect #1.stat", 'did you mean "state"', id="key"
    ),
]


@pytest.mark.parametrize(("expect", "key", "said"), WRONG_EXPECTATIONS)
def test_a_wrong_expectation_is_named_with_what_was_expected(tmp_path: Path, expect: str, key: str, said: str) -> None:
    (line,) = problems(tmp_path, f"{HOUSE}events = [{INVOICE}]\nexpect = [{expect}]")
    assert f"scenario story: {key}: " in line
    assert said in line


WRONG_HOUSES = [
    pytest.param("panel = { suspend_dys = 5 }", "panel.suspend_dys", 'did you mean "suspend_days"', id="panel"),
    pytest.param('panel = { auto_unsuspend = "on" }', "panel.auto_unsuspend", "true or false", id="panel-flag"),
    pytest.param("evnets = []", "evnets", 'did you mean "events"', id="top"),
    pytest.param('config.runs = { only = ["x"] }', "config.runs.only #1", "expected a date", id="runs"),
    pytest.param('config.runs = "daily"', "config.runs", "{ only = [dates] }", id="runs-shape"),
    pytest.param("config.clas.vps = { }", "[config]", "clas", id="config-table"),
    pytest.param('config.policy = { scope = "everything" }', "scope", '"service"', id="config-value"),
    pytest.param("config.client.bob = { suspend_after_days = 3 }", "bob", "expected", id="config-label"),
    pytest.param(
        'config.class.vps = { product_types = ["server"], suspend_after_days = 0 }',
        "suspend_after_days",
        "from 1",
        id="zero",
    ),
    pytest.param(
        'config.class.vps = { product_types = ["server"], suspend_after_days = 3, terminate_after_days = 3 }',
        "terminate_after_days",
        "expected more than",
        id="ends-too-early",
    ),
    pytest.param(
        'config.class.vps = { product_types = ["hostingaccount"], suspend_after_days = 3 }',
        "hostingaccount",
        "",
        id="tie",
    ),
    pytest.param(
        'config.class.vps = { product_types = ["server"], suspend_after_days = 2, '
        'notices = [{ day = 2, message = "suspension-warning" }] }',
        "suspension-warning",
        "",
        id="late-warning",
    ),
]


@pytest.mark.parametrize(("more", "key", "said"), WRONG_HOUSES)
def test_a_wrong_house_is_named_with_what_was_expected(tmp_path: Path, more: str, key: str, said: str) -> None:
    lines = problems(tmp_path, f"{HOUSE}{EXPECT}\nevents = [{INVOICE}]\n{more}")
    assert any(key in line and said in line and "scenario story" in line for line in lines), lines


def test_a_service_of_an_unknown_class_is_a_mistake(tmp_path: Path) -> None:
    text = f"{HOUSE}{EXPECT}\nevents = [{INVOICE}]".replace('class = "hosting"', 'class = "hostin"')
    (line,) = problems(tmp_path, text)
    assert "services #1.class" in line
    assert 'did you mean "hosting"' in line


def test_every_mistake_of_every_file_is_reported_at_once(tmp_path: Path) -> None:
    write(
        tmp_path, f'{HOUSE}{EXPECT}\nevents = [{{ date = 2026-03-08, type = "paymet" }}]\npanel = {{ x = 1 }}', "a.toml"
    )
    write(tmp_path, "id = ", "b.toml")
    write(tmp_path, "[", "c.json")
    with pytest.raises(ScenarioProblem) as wrong:
        load([tmp_path, tmp_path / "missing.toml", tmp_path / "notes.txt"])
    said = wrong.value.problems
    assert [file for file in ("a.toml", "b.toml", "c.json", "missing.toml", "notes.txt") if file not in str(said)] == []
    assert len([line for line in said if "a.toml" in line]) == 2
    assert any("not valid TOML" in line for line in said)
    assert any("not valid JSON" in line for line in said)


def test_what_is_right_is_read_beside_what_is_wrong(tmp_path: Path) -> None:
    write(tmp_path, f"{HOUSE}{EXPECT}\nevents = [{INVOICE}]", "good.toml")
    write(tmp_path, "id = ", "bad.toml")
    found = read([tmp_path])
    assert [scenario.id for scenario in found.scenarios] == ["story"]
    assert len(found.problems) == 1


def test_an_empty_folder_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ScenarioProblem, match=r"no \*\.toml"):
        load([tmp_path])


def test_the_samples_load(tmp_path: Path) -> None:
    assert {scenario.id for scenario in load([HERE / "samples"])} == {
        "pays-one-of-two",
        "strict-hosting",
        "vip-in-and-out",
    }
