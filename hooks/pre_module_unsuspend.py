"""PreModuleUnsuspend: one paid invoice is not everything that is owed."""

from dataclasses import replace
from datetime import timedelta

from hooks.a_persons_act import keep_act, persons_answer
from hooks.about import addon_of, paying, service_of, who
from hooks.answering import answer
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.domain.ids import ServiceId
from whmcs_bridge.domain.records import Record, RecordKind, RecordState
from whmcs_bridge.hookpoints import Answer, HookEvent
from whmcs_bridge.policy.decision import Kind


def handle(event: HookEvent, bridge: Bridge) -> Answer:
    """Refuse while debt holds the release back, the invoice being paid aside; a person's click is a short release."""
    service = service_of(event)
    if service is None:
        return Answer(False, "names no service")
    kind = Kind.UNSUSPEND_ADDON if addon_of(event) else Kind.UNSUSPEND
    verdict = bridge.may(kind, service, paying=paying(event), told=event.told)
    if verdict.ours:
        return Answer(False, verdict.why, ours=True)
    if event.by_person:
        answered = persons_answer(event, bridge, verdict)
        if not verdict.allowed and not answered.abort:
            _keep_up(event, bridge, service)
        return answered
    return answer(bridge, verdict.allowed, verdict.why, advisory=verdict.advisory)


def note(event: HookEvent, bridge: Bridge) -> None:
    """A person unsuspended while the bridge was away: kept up just the same, from that day.

    What the cron or a payment was let do is judged by the next sync.
    """
    service = service_of(event)
    if service is not None and event.by_person:
        keep_act(event, bridge, "the bridge was away")
        _keep_up(event, bridge, service)


def _keep_up(event: HookEvent, bridge: Bridge, service: ServiceId) -> None:
    book = bridge.mirror.book_of_service(service)
    if book is None or addon_of(event):  # an addon that is up leaves its service where it is
        return
    day = event.at.date()
    record = Record(
        id=0,
        kind=RecordKind.RELEASE,
        state=RecordState.OPEN,
        author=who(event),
        reason="unsuspended in WHMCS's admin area",
        made_on=day,
        since=day,
        until=day + timedelta(days=bridge.settings.hooks.click_release_days),
        client_id=book.client.id,
        service_id=service,
    )
    known = bridge.journal.records(client=book.client.id, kind=RecordKind.RELEASE)
    if record in [replace(one, id=0) for one in known]:
        return  # recorded when it was asked, and told again by way of the spool
    with bridge.journal.writer():
        bridge.journal.add_record(record)
