"""Mails: filled in safely, for the client and for the Smarty that WHMCS runs over them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whmcs_bridge.policy.rules import Message
from whmcs_bridge.settings import render
from whmcs_bridge.settings.messages import BUILT_IN, PLACEHOLDERS, unknown_placeholders

VALUES = {
    "client": "Ana",
    "company": "Example Hosting",
    "services": "example.com",
    "invoices": "12, 13",
    "amount": "80.00 BRL",
    "due": "2026-03-10",
    "suspend_on": "2026-03-13",
    "terminate_on": "2026-03-25",
    "link": "https://billing.example.com/clientarea.php?action=invoices",
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_message_fills_in_completely(name: str) -> None:
    subject, text = render(BUILT_IN[name], VALUES)
    assert "{" not in subject + text
    assert "Dear Ana," in text
    assert list(unknown_placeholders(BUILT_IN[name])) == []


def test_values_are_escaped_and_their_braces_are_no_tags_to_whmcs() -> None:
    message = Message("m", subject="For {client}", text="<p>{client}</p>")
    subject, text = render(message, {"client": "<b>{$password}</b> {php}\r\nBcc: x"})
    assert text.startswith("<p>&lt;b&gt;&#123;$password&#125;&lt;/b&gt; &#123;php&#125;")
    assert subject == "For <b>($password)</b> (php) Bcc: x"


def test_a_line_that_needs_a_missing_date_is_left_out() -> None:
    """A service that is never terminated must not be told a day on which it will be."""
    _, text = render(BUILT_IN["service-suspended"], {**VALUES, "terminate_on": ""})
    assert "deleted" not in text
    assert "comes back" in text


def test_merge_fields_of_whmcs_are_left_to_whmcs() -> None:
    message = Message("m", subject="S", text="{literal}a{/literal} {$signature} {client}")
    assert list(unknown_placeholders(message)) == []
    assert render(message, VALUES)[1] == "{literal}a{/literal} {$signature} Ana"


def test_a_template_of_whmcs_is_not_ours_to_fill_in() -> None:
    with pytest.raises(ValueError, match="WHMCS's template 'Reminder'"):
        render(Message("m", template="Reminder"), VALUES)


@given(st.dictionaries(st.sampled_from(sorted(PLACEHOLDERS)), st.text(max_size=30)))
def test_whatever_a_client_is_called_the_mail_has_no_tag_and_the_subject_one_line(values: dict[str, str]) -> None:
    for message in BUILT_IN.values():
        subject, text = render(message, values)
        assert "{" not in subject + text
        assert "}" not in subject + text
        assert len(subject.splitlines()) <= 1
        bare = Message("m", subject="s", text="\n".join(f"{{{name}}}" for name in PLACEHOLDERS))
        assert "<" not in render(bare, values)[1].replace("<br>", "")
