"""Reads a rendered block as a browser would: its text, its links, its inputs, and whatever should not be there."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from tests.house import HOSTING, House
from whmcs_bridge.hookpoints import Actor, HookEvent
from whmcs_bridge.screens import render

VOID = frozenset({"input", "br", "hr", "img"})


@dataclass
class Page(HTMLParser):
    """A parsed block."""

    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    inputs: dict[str, str] = field(default_factory=dict)
    options: dict[str, list[str]] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    langs: list[str] = field(default_factory=list)
    attributes: list[tuple[str, str | None]] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)
    _select: str = ""

    @classmethod
    def of(cls, html: str) -> "Page":
        page = cls()
        HTMLParser.__init__(page)
        page.feed(html)
        page.close()
        assert not page._open, f"left open: {page._open}"
        assert not {"script", "img", "link", "iframe", "style", "form", "button"} & set(page.tags)
        assert not [name for name, _ in page.attributes if name.startswith("on") or name == "src"]
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        given = dict(attrs)
        if tag not in VOID:
            self._open.append(tag)
        if tag == "a":
            self.links.append(given.get("href") or "")
        if tag == "select":
            self._select = given.get("name") or ""
        if tag in ("select", "input"):
            self.inputs[given.get("name") or ""] = given.get("value") or ""
        if tag == "option":
            self.options.setdefault(self._select, []).append(given.get("value") or "")
        for name, found in (("id", self.ids), ("lang", self.langs)):
            if given.get(name):
                found.append(given[name] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """All text, with blanks of every kind as one space."""
        return " ".join("".join(self.words).split())


def asked(house: House, point: str, actor: str = Actor.ADMIN, who: str = "7", /, **variables: object) -> HookEvent:
    return HookEvent(point, variables, house.bridge.ports.now(), actor, who)


def on_summary(house: House, client: int) -> Page:
    reply = render(
        house.bridge, "AdminAreaClientSummaryPage", asked(house, "AdminAreaClientSummaryPage", userid=str(client))
    )
    return Page.of(reply["html"])


def on_tab(house: House, service: int) -> dict[str, Page]:
    reply = render(
        house.bridge, "AdminClientServicesTabFields", asked(house, "AdminClientServicesTabFields", id=str(service))
    )
    return {label: Page.of(html) for label, html in reply["fields"].items()}


def panel(house: House, client: int, language: str = "english", **more: str) -> dict[str, Any]:
    event = asked(house, "ClientAreaHomepagePanels", Actor.CLIENT, "", userid=str(client), language=language, **more)
    return render(house.bridge, "ClientAreaHomepagePanels", event)


def on_panel(house: House, client: int, language: str = "english", **more: str) -> Page:
    return Page.of(panel(house, client, language, **more)["html"])


def saved(house: House, service: int, actor: str = Actor.ADMIN, who: str = "7", /, **fields: str) -> str:
    """What the admin reads after saving the services tab with this in the form."""
    point = "AdminClientServicesTabFieldsSave"
    given: Mapping[str, object] = {f"whmcs_bridge_{name}": value for name, value in fields.items()}
    reply = render(house.bridge, point, asked(house, point, actor, who, id=str(service)), given)
    return str(reply.get("message", ""))


@contextmanager
def house(**tables: Any) -> Iterator[House]:
    with House.of({"class": {"hosting": HOSTING}} | tables) as found:
        yield found
