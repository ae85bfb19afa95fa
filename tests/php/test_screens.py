"""What the bridge shows on WHMCS's pages, and nothing while it is away."""

import re
from html import escape

from tests.needs import needs
from tests.php.calls import OWING, UNSUSPEND
from tests.php.receiver import Receiver
from tests.php.whmcs import ADMIN, ADMIN_PAGE, CLIENT_PAGE, Call, Whmcs

pytestmark = needs("php")


def test_pages_of_the_admin_area_show_what_the_bridge_says(whmcs: Whmcs, receiver: Receiver) -> None:
    receiver.answers |= {
        "AdminAreaClientSummaryPage": (200, {"html": "<p>overdue</p>"}),
        "AdminAreaClientSummaryActionLinks": (200, {"links": ['<a href="#">explain</a>', 3]}),
        "AdminClientServicesTabFields": (200, {"fields": {"State": "<b>suspended</b>", "odd": 1}}),
        "AdminHomeWidgets": (200, {"title": "Today", "html": "<p>3 steps</p>"}),
    }
    page = whmcs.page(
        ("AdminAreaClientSummaryPage", {"userid": 3}),
        ("AdminAreaClientSummaryActionLinks", {"userid": 3}),
        ("AdminClientServicesTabFields", {"id": 34}),
        ("AdminHomeWidgets", {}),
        session=ADMIN,
        script=ADMIN_PAGE,
    )
    (summary,), (links,), (fields,), (widget,) = page.answers
    assert summary == "<p>overdue</p>"
    assert links == ['<a href="#">explain</a>']
    assert fields == {"State": "<b>suspended</b>"}
    assert widget["title"] == "Today"
    assert "<p>3 steps</p>" in widget["html"]
    assert [event["vars"] for event in receiver.events()] == [{"userid": "3"}, {"userid": "3"}, {"id": "34"}, {}]
    assert all(heard.path.startswith("/screens/") for heard in receiver.heard)


def test_the_clients_page_gets_a_panel_in_its_language(whmcs: Whmcs, receiver: Receiver) -> None:
    child = {"name": "pay", "label": "Pay invoice 99", "uri": "viewinvoice.php?id=99"}
    reply = {"name": "owed", "label": "What is owed", "html": "<p>40.00</p>", "order": 5, "children": [child]}
    receiver.answers["ClientAreaHomepagePanels"] = (200, reply)
    call: Call = ("ClientAreaHomepagePanels", {})
    page = whmcs.page(call, session={"uid": "3", "Language": "dutch"}, script=CLIENT_PAGE)
    assert receiver.events()[0]["vars"] == {"userid": "3", "language": "dutch"}
    ((panel,),) = page.seen["panels"]
    assert panel["name"] == "owed"
    assert panel["options"]["bodyHtml"] == "<p>40.00</p>"
    assert panel["options"]["order"] == 5
    assert panel["children"][0]["options"] == {"label": "Pay invoice 99", "uri": "viewinvoice.php?id=99", "order": 0}
    assert whmcs.page(call, script=CLIENT_PAGE).seen["panels"] == [[]]
    assert len(receiver.heard) == 1


EVIL = "<img src=x onerror=alert(1)>"


def test_nothing_in_the_clients_panel_is_markup_that_it_should_not_be(whmcs: Whmcs, receiver: Receiver) -> None:
    """WHMCS prints all of it as it is. What the bridge has escaped is not escaped again."""
    children = [
        {
            "name": EVIL,
            "label": f"{EVIL} &lt;b&gt; &amp; &#x27;",
            "uri": "clientarea.php?whmcs_bridge_ask=a.b-c_1&amp;x=2",
        },
        {"name": "script", "label": "x", "uri": "javascript:alert(1)"},
        {"name": "twice", "label": "x", "uri": "javascript&colon;alert%281%29"},
        {"name": "quote", "label": "x", "uri": 'a.php" onclick="alert(1)'},
    ]
    kept = '<div class="panel-body" style="margin:0"><p>5 &lt; 7</p><br><a href="viewinvoice.php?id=9">9</a></div>'
    gone = [
        EVIL,
        "<script>alert(1)</script>",
        '<a href="javascript:alert(1)">',
        '<a href=" data:text/html,x">',
        '<a href="java&#115;cript&colon;alert(1)">',
        '<p style="background:url(//example.com/x)">',
        '<p onclick="alert(1)">',
        '<p title="a>b" onclick="alert(1)">',
        '<a href="x"onclick="alert(1)">',
        "<svg/onload=alert(1)>",
        "<p\nonclick=alert(1)>",
        "<img src=x onerror=alert(1) ",
    ]
    reply = {"name": EVIL, "label": EVIL, "icon": 'fa-x"><script>', "html": kept + "".join(gone), "children": children}
    receiver.answers["ClientAreaHomepagePanels"] = (200, reply | {"footer": f'<a href="x.php">x</a>{EVIL}'})
    page = whmcs.page(("ClientAreaHomepagePanels", {}), session={"uid": "3", "Language": "dutch"}, script=CLIENT_PAGE)
    ((panel,),) = page.seen["panels"]
    body, footer = panel["options"]["bodyHtml"], panel["options"]["footerHtml"]
    assert body.startswith(kept)
    ends = {"</script>", "</a>"}
    left = set(re.findall("<[^>]*>?", body.removeprefix(kept))) - ends
    assert left == set()
    assert footer == f'<a href="x.php">x</a>{escape(EVIL)}'
    assert panel["name"] == panel["options"]["label"] == escape(EVIL)
    assert panel["options"]["icon"] == "fa-xscript"
    names, labels, uris = zip(
        *((c["name"], c["options"]["label"], c["options"]["uri"]) for c in panel["children"]), strict=True
    )
    assert names == (escape(EVIL), "script", "twice", "quote")
    assert labels[0] == f"{escape(EVIL)} &lt;b&gt; &amp; &#x27;"
    assert uris == ("clientarea.php?whmcs_bridge_ask=a.b-c_1&amp;x=2", "", "", "")


def test_what_a_clients_link_asks_for_is_forwarded_and_nothing_else_of_the_address(
    whmcs: Whmcs, receiver: Receiver
) -> None:
    call: Call = ("ClientAreaHomepagePanels", {})
    session = {"uid": "3", "Language": "dutch"}
    query = {"whmcs_bridge_ask": "release.34.3.1.ab'<\n", "token": "x"}
    whmcs.page(call, session=session, script=CLIENT_PAGE, query=query)
    whmcs.page(call, session=session, script=CLIENT_PAGE, query={"whmcs_bridge_ask": ["a"]})
    whmcs.page(call, session=session, script=CLIENT_PAGE, query=query | {"confirmed": "yes"})
    asked, plain, forged = (event["vars"] for event in receiver.events())
    assert asked == forged == {"userid": "3", "language": "dutch", "ask": "release.34.3.1.ab"}
    assert plain == {"userid": "3", "language": "dutch"}


def test_only_the_forms_button_says_that_it_was_pressed(whmcs: Whmcs, receiver: Receiver) -> None:
    call: Call = ("ClientAreaHomepagePanels", {})
    session = {"uid": "3", "Language": "dutch"}
    for post in ({"whmcs_bridge_ask": "release.34.3.1.ab'<\n", "secret": "x"}, {"whmcs_bridge_ask": ["a"]}):
        whmcs.page(call, session=session, script=CLIENT_PAGE, query={"whmcs_bridge_ask": "other"}, post=post)
    pressed, strange = (event["vars"] for event in receiver.events())
    assert pressed == {"userid": "3", "language": "dutch", "ask": "release.34.3.1.ab", "confirmed": "yes"}
    assert strange == {"userid": "3", "language": "dutch"}


def test_a_form_is_drawn_here_and_nothing_in_it_is_markup(whmcs: Whmcs, receiver: Receiver) -> None:
    confirm = {"ask": 'a.b"><script>', "text": f"Switch {EVIL} on?", "button": EVIL, "back": "No &amp; back"}
    receiver.answers["ClientAreaHomepagePanels"] = (200, {"name": "x", "html": "<p>40.00</p>", "confirm": confirm})
    call: Call = ("ClientAreaHomepagePanels", {})
    page = whmcs.page(call, session={"uid": "3", "Language": "dutch"}, script=CLIENT_PAGE)
    body = page.seen["panels"][0][0]["options"]["bodyHtml"]
    assert body.endswith("</form><p>40.00</p>")
    assert '<form method="post" action="clientarea.php"' in body
    assert '<input type="hidden" name="whmcs_bridge_ask" value="a.b&quot;&gt;&lt;script&gt;">' in body
    assert "No &amp; back</a>" in body
    assert EVIL not in body
    assert "<script" not in body


def test_the_language_is_the_clients_own_where_none_was_chosen(whmcs: Whmcs, receiver: Receiver) -> None:
    details = {"GetClientsDetails": {"result": "success", "client": {"language": "portuguese-br"}}}
    whmcs.page(("ClientAreaHomepagePanels", {}), session={"uid": "3"}, script=CLIENT_PAGE, local=details)
    assert receiver.events()[0]["vars"]["language"] == "portuguese-br"


SCREENS = [
    ("AdminAreaClientSummaryPage", {"userid": 3}),
    ("AdminAreaClientSummaryActionLinks", {"userid": 3}),
    ("AdminClientServicesTabFields", {"id": 34}),
    ("AdminHomeWidgets", {}),
    ("ClientAreaHomepagePanels", {}),
]


def test_without_the_bridge_pages_show_nothing(alone: Whmcs) -> None:
    page = alone.page(*SCREENS, session={"uid": "3", **ADMIN}, script=ADMIN_PAGE)
    assert page.answers == [[""], [[]], [[]], [None], [None]]
    assert page.seen["panels"] == [[]]
    assert alone.spool == []


def test_screens_can_be_left_out(whmcs: Whmcs) -> None:
    whmcs.set(screens=False)
    assert whmcs.page(*SCREENS).answers == [[], [], [], [], []]


def test_a_form_on_the_services_tab_is_sent_with_who_filled_it_in(whmcs: Whmcs, receiver: Receiver) -> None:
    receiver.answers["AdminClientServicesTabFieldsSave"] = (200, {"message": "promise until 2026-03-20 <recorded>"})
    posted = {"id": 34, "userid": 3, "password": "client-Passw0rd", "whmcs_bridge_promise": "2026-03-20"}
    page = whmcs.page(
        ("AdminClientServicesTabFieldsSave", {**posted, "whmcs_bridge_note": " "}), session=ADMIN, script=ADMIN_PAGE
    )
    (event,) = receiver.events()
    assert event["fields"] == {"whmcs_bridge_promise": "2026-03-20"}
    assert (event["vars"], event["actor"], event["who"]) == ({"id": "34"}, "admin", "1")
    shown = whmcs.page(
        ("AdminClientServicesTabFields", {"id": 34}), session=page.seen["session"], script=ADMIN_PAGE
    ).answer
    assert "promise until 2026-03-20 &lt;recorded&gt;" in shown["whmcs-bridge says"]


def test_a_service_that_is_saved_without_our_form_is_nobodys_business(whmcs: Whmcs, receiver: Receiver) -> None:
    whmcs.page(("AdminClientServicesTabFieldsSave", {"id": 34, "whmcs_bridge_note": ""}), session=ADMIN)
    assert receiver.heard == []


def test_a_form_that_reached_nobody_is_said_to_be_lost(alone: Whmcs) -> None:
    page = alone.page(
        ("AdminClientServicesTabFieldsSave", {"id": 34, "whmcs_bridge_note": "x"}),
        ("AdminClientServicesTabFields", {"id": 34}),
        session=ADMIN,
        script=ADMIN_PAGE,
    )
    assert "not recorded: the bridge did not answer" in page.answers[1][0]["whmcs-bridge says"]
    assert alone.spool == []


def test_an_admin_reads_why_a_click_was_refused(whmcs: Whmcs, receiver: Receiver) -> None:
    """Once, on the next page about that service; and it stays in the client's activity log."""
    receiver.answers["PreModuleUnsuspend"] = (200, {"abort": True, "reason": "invoice <12> is still open"})
    clicked = whmcs.page(UNSUSPEND, session=ADMIN, script=ADMIN_PAGE, local=OWING)
    assert clicked.answer == {"abortcmd": True}
    assert "invoice <12> is still open" in clicked.log
    tab, other = ("AdminClientServicesTabFields", {"id": 34}), ("AdminClientServicesTabFields", {"id": 35})
    page = whmcs.page(other, tab, tab, session=clicked.seen["session"], script=ADMIN_PAGE)
    (elsewhere,), (here,), (again,) = page.answers
    assert elsewhere == again == []
    assert "invoice &lt;12&gt; is still open" in here["whmcs-bridge says"]
    receiver.answers["AdminAreaClientSummaryPage"] = (200, {"html": "<p>overdue</p>"})
    summary = whmcs.page(("AdminAreaClientSummaryPage", {"userid": 3}), session=clicked.seen["session"]).answer
    assert summary.endswith("</div><p>overdue</p>")
    assert "still open" in summary
