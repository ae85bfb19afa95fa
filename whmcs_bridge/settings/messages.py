"""Mails: the built-in texts, the placeholders, and how a text is filled in safely.

WHMCS runs Smarty over a custom message (facts sheet, SendEmail), so no value of a client's may reach it as a tag.
"""

import html
import re
from collections.abc import Iterator, Mapping

from whmcs_bridge.policy.rules import FINAL_WARNING, PAYMENT_REMINDER, SUSPENSION_WARNING, Message
from whmcs_bridge.settings.report import Place, Report, did_you_mean, show_text

SERVICE_SUSPENDED = "service-suspended"
SERVICE_RELEASED = "service-released"
SERVICE_ENDED = "service-ended"
APOLOGY = "apology"
"""To a client whose service was down by a run that was taken back."""

PLACEHOLDERS = {
    "client": "the client's name",
    "company": "the name of the house, as WHMCS has it",
    "services": "the services concerned",
    "invoices": "the invoices that count",
    "amount": "what is owed, with its currency",
    "due": "due date of the oldest debt",
    "suspend_on": "day of the suspension",
    "terminate_on": "day of the termination",
    "link": "address of the client's invoices",
}
SMARTY_WORDS = frozenset({"else", "foreachelse", "ldelim", "literal", "rdelim", "sectionelse", "strip"})
PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_BRACES = str.maketrans({"{": "&#123;", "}": "&#125;"})
_NO_BRACES = str.maketrans({"{": "(", "}": ")"})


def _built_in(name: str, subject: str, *lines: str) -> Message:
    return Message(name, subject=subject, text="\n".join(lines))


_GREETING = "<p>Dear {client},</p>"
_PAY = '<p>You can see and pay your invoices here: <a href="{link}">{link}</a></p>'
_CLOSE = "<p>If you have just paid, thank you; there is nothing more to do.</p>"
_SIGN = "<p>{company}</p>"

# One mail may speak of several services, so no sentence says how many.
BUILT_IN: Mapping[str, Message] = {
    message.name: message
    for message in (
        _built_in(
            PAYMENT_REMINDER,
            "Payment reminder: {amount} due on {due}",
            _GREETING,
            "<p>This is a reminder of {amount} for {services}, due on {due}.</p>",
            "<p>Invoices: {invoices}</p>",
            _PAY,
            _CLOSE,
            _SIGN,
        ),
        _built_in(
            SUSPENSION_WARNING,
            "Please pay before {suspend_on}: {services}",
            _GREETING,
            "<p>{amount} for {services} is open since {due}.</p>",
            "<p>Invoices: {invoices}</p>",
            "<p><strong>Without payment, service will be suspended on {suspend_on}.</strong></p>",
            _PAY,
            _CLOSE,
            _SIGN,
        ),
        _built_in(
            FINAL_WARNING,
            "Final warning: {services} will be ended on {terminate_on}",
            _GREETING,
            "<p>Still suspended: {services}. {amount} is open since {due}.</p>",
            "<p>Invoices: {invoices}</p>",
            "<p><strong>Without payment, service will be ended on {terminate_on}, and its data deleted."
            " This cannot be undone.</strong></p>",
            _PAY,
            _CLOSE,
            _SIGN,
        ),
        _built_in(
            SERVICE_SUSPENDED,
            "Suspended: {services}",
            _GREETING,
            "<p>We have suspended {services}, because {amount} is open since {due}.</p>",
            "<p>Invoices: {invoices}</p>",
            "<p>Service comes back as soon as everything overdue is paid.</p>",
            "<p>Without payment, service will be ended on {terminate_on}, and its data deleted.</p>",
            _PAY,
            _SIGN,
        ),
        _built_in(
            SERVICE_RELEASED,
            "Back online: {services}",
            _GREETING,
            "<p>Thank you. We have put {services} back online.</p>",
            _SIGN,
        ),
        _built_in(
            SERVICE_ENDED,
            "Ended: {services}",
            _GREETING,
            "<p>We have ended {services}, because {amount} stayed open since {due}.</p>",
            "<p>Invoices: {invoices}</p>",
            _PAY,
            _SIGN,
        ),
        _built_in(
            APOLOGY,
            "Back online, with our apologies: {services}",
            _GREETING,
            "<p>We suspended {services} by mistake. Service is back, and we are sorry for the trouble.</p>",
            _SIGN,
        ),
    )
}


def render(message: Message, values: Mapping[str, str]) -> tuple[str, str]:
    """Return (subject, HTML) of a message of our own, filled in.

    Values are escaped, and their braces are no Smarty tags to WHMCS. A line of the text that needs a value which is
    missing or empty is left out: a date that never comes is not promised. Merge fields such as {$signature} are left to
    WHMCS. Raises ValueError for a message that is a template of WHMCS.
    """
    if message.template:
        raise ValueError(f"{message.name} is WHMCS's template {message.template!r}, which WHMCS fills in itself")
    subject = PLACEHOLDER.sub(lambda match: _in_subject(match, values), message.subject)
    lines = (line for line in message.text.splitlines() if _has_all(line, values))
    text = "\n".join(PLACEHOLDER.sub(lambda match: _in_html(match, values), line) for line in lines)
    return " ".join(subject.split()), text


def unknown_placeholders(message: Message) -> Iterator[tuple[str, str]]:
    """Yield (key, what is wrong) for every placeholder that nothing fills in."""
    for key, text in (("subject", message.subject), ("text", message.text)):
        for name in dict.fromkeys(PLACEHOLDER.findall(text)):
            if name not in PLACEHOLDERS and name not in SMARTY_WORDS:
                near = did_you_mean(name, PLACEHOLDERS)
                expected = ", ".join(f"{{{known}}}" for known in PLACEHOLDERS)
                way_out = f"did you mean {{{near}}}?" if near else f"expected one of {expected}"
                yield key, f"found the placeholder {{{name}}}; {way_out}"


def taken_for_template(name: str, known: Mapping[str, Message], at: Place, report: Report) -> Message:
    """Return a message for a name that is neither built in nor in [messages]: a template of WHMCS, with a warning."""
    near = did_you_mean(name, known)
    report.warn(
        at,
        f"{show_text(name)} is no message of ours, so it is taken for a mail template of WHMCS"
        + (f"; did you mean {show_text(near)}?" if near else "; say so in [messages] to be sure"),
    )
    return Message(name, template=name)


def _has_all(line: str, values: Mapping[str, str]) -> bool:
    return all(name not in PLACEHOLDERS or values.get(name) for name in PLACEHOLDER.findall(line))


def _in_html(match: re.Match[str], values: Mapping[str, str]) -> str:
    if match[1] not in PLACEHOLDERS:
        return match[0]
    return html.escape(values[match[1]]).translate(_BRACES).replace("\n", "<br>")


def _in_subject(match: re.Match[str], values: Mapping[str, str]) -> str:
    if match[1] not in PLACEHOLDERS:
        return match[0]
    return "".join(c if c.isprintable() else " " for c in values.get(match[1], "").translate(_NO_BRACES))
