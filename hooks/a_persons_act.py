"""What a person does in WHMCS's admin area: let through or refused, as the house wants it, and kept who did what."""

from hooks.about import addon_of, service_of, who
from whmcs_bridge.bridge import Bridge
from whmcs_bridge.hookpoints import Answer, HookEvent
from whmcs_bridge.jobs.ask import Verdict

REFUSE = "refuse"
"""[hooks] admin_clicks: the reason is shown where the person is."""


def persons_answer(event: HookEvent, bridge: Bridge, verdict: Verdict) -> Answer:
    """Answer a person's click and keep it; refused only where the rules say no and the house wants it so."""
    refused = (
        bridge.settings.hooks.admin_clicks == REFUSE
        and not verdict.allowed
        and not verdict.advisory
        and bridge.settings.enforcing
    )
    keep_act(event, bridge, verdict.why, refused=refused)
    return Answer(True, verdict.why) if refused else Answer(False, "a person's act")


def keep_act(event: HookEvent, bridge: Bridge, verdict: str, *, refused: bool = False) -> None:
    """Add the act to the service's evidence, once: what, who, when, and what the rules said about it.

    An answer that came too late for WHMCS brings the event back by way of the spool.
    """
    service = service_of(event)
    if service is None:
        return
    at, addon = event.at.isoformat(), addon_of(event)
    act = f"{event.point} of addon {addon}" if addon else event.point
    if any((row.get("act"), row.get("at")) == (act, at) for row in bridge.journal.evidence(service)):
        return
    payload = {"kind": "person", "act": act, "at": at, "by": who(event), "rules": verdict, "refused": refused}
    with bridge.journal.writer():
        bridge.journal.add_evidence(service, event.at, payload)
