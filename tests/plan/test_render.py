"""A plan as data for readers."""

from datetime import date
from decimal import Decimal

from whmcs_bridge.domain.ids import ClientId, InvoiceId, ServiceId
from whmcs_bridge.domain.money import Money
from whmcs_bridge.plan.model import Held, Plan, Step, Stop
from whmcs_bridge.plan.render import to_json, totals, view
from whmcs_bridge.policy.decision import Kind, Withheld

TODAY = date(2025, 3, 10)


def a_step(
    number: int, kind: Kind = Kind.SUSPEND, *, amount: str = "10.00", currency: str = "USD", **more: object
) -> Step:
    given: dict[str, object] = {
        "id": f"{kind}-s{number}@{TODAY}",
        "kind": kind,
        "client": ClientId(number),
        "service": ServiceId(number),
        "date": TODAY,
        "reason": f"invoice {number} unpaid",
        "invoices": (InvoiceId(number),),
        "amount": Money(Decimal(amount), currency),
        "since": date(2025, 3, 1),
    }
    return Step(**{**given, **more})  # type: ignore[arg-type]


def held(number: int, until: date | None, code: str = "override") -> Held:
    return Held(ClientId(number), ServiceId(number), Withheld(Kind.SUSPEND, code, f"why {number}", until))


def test_the_documented_shape() -> None:
    """design.md, section 12: fields are added, never renamed."""
    stop = Stop("limit:suspend", (Kind.SUSPEND,), "too many", "whmcs-bridge sync --allow suspend=1")
    plan = Plan(TODAY, "v", (a_step(1),), (), (held(2, None),), (stop,), fingerprint="abc")
    found = to_json(plan)
    assert {"fingerprint", "complete", "limits", "steps", "withheld"} <= set(found)
    step = {"id", "kind", "client", "service", "date", "reason", "invoices", "amount"}
    assert step <= set(found["steps"][0])
    assert {"service", "kind", "why", "until"} <= set(found["withheld"][0])
    assert found["steps"][0]["amount"] == "10.00"
    assert found["withheld"][0]["until"] is None
    assert found["limits"]["passed"] is False
    assert found["limits"]["stops"][0]["way_past"] == "whmcs-bridge sync --allow suspend=1"


def test_money_is_added_per_currency() -> None:
    steps = [a_step(1), a_step(2, amount="5.50"), a_step(3, amount="1.00", currency="BRL"), a_step(4, amount="0")]
    assert [str(money) for money in totals(steps)] == ["1.00 BRL", "15.50 USD"]


def test_sections_follow_the_order_of_the_run_and_notices_part_by_message() -> None:
    steps = (
        a_step(1, Kind.TERMINATE),
        a_step(2, Kind.NOTICE, message="final-warning"),
        a_step(3, Kind.NOTICE, message="payment-reminder"),
        a_step(4, Kind.UNSUSPEND),
        a_step(5),
    )
    titles = [section.title for section in view(Plan(TODAY, "v", steps)).sections]
    assert titles == ["Unsuspend", "Send final-warning", "Send payment-reminder", "Suspend", "Terminate"]


def test_long_lists_are_shortened_and_say_by_how_much() -> None:
    plan = Plan(TODAY, "v", tuple(a_step(number) for number in range(1, 16)))
    (section,) = view(plan, rows=4).sections
    assert (len(section.rows), section.more, section.count) == (4, 11, 15)
    (whole,) = view(plan, rows=None).sections
    assert (len(whole.rows), whole.more) == (15, 0)


def test_names_are_looked_up_for_shown_rows_only() -> None:
    asked: list[int] = []

    def names(client: ClientId, service: ServiceId | None) -> tuple[str, str]:
        asked.append(client)
        return f"Client {client}", ""

    plan = Plan(TODAY, "v", tuple(a_step(number) for number in range(1, 16)))
    (section,) = view(plan, names, rows=3).sections
    assert asked == [1, 2, 3]
    assert section.rows[0].client == "1 Client 1"


def test_withheld_steps_are_grouped_by_reason_with_their_ends() -> None:
    withheld = (held(1, date(2025, 4, 1)), held(2, None), held(3, date(2025, 3, 20)), held(4, None, "credit"))
    override, credit = sorted(view(Plan(TODAY, "v", (), (), withheld)).held, key=lambda g: -g.count)
    assert (override.count, override.first_end, override.last_end, override.open_ended) == (
        3,
        date(2025, 3, 20),
        date(2025, 4, 1),
        1,
    )
    assert override.subjects == ("service 1", "service 2", "service 3")
    assert (credit.count, credit.first_end, credit.open_ended) == (1, None, 1)
