"""What the settings name and WHMCS has to have: classes for products, the VIP group, mail templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from commands.checkups.finding import Finding, Grade, plural
from whmcs_bridge.errors import WhmcsError

if TYPE_CHECKING:
    from whmcs_bridge.api.client import WhmcsApi
    from whmcs_bridge.domain.book import ClientGroup, Product
    from whmcs_bridge.policy.rules import VipRules
    from whmcs_bridge.settings import Settings

SHOWN = 5


def catalogue(api: WhmcsApi, settings: Settings, values: Mapping[str, str | None]) -> Iterator[Finding]:
    """Products without a class or with two, client groups, templates that messages name."""
    try:
        groups, templates = api.groups(), {name.strip() for name in api.email_templates()}
        products = api.products()
    except WhmcsError as error:
        why = "whether the names in the settings exist in WHMCS is not known"
        yield Finding("catalogue", Grade.WARN, f"it cannot be read: {error}", "run doctor again", why)
        return
    yield from _classes(products, settings)
    yield from _groups(groups, settings, values)
    yield from _templates(templates, settings)
    counted = ((len(products), "product"), (len(groups), "client group"), (len(templates), "mail template"))
    text = ", ".join(plural(count, what) for count, what in counted)
    yield Finding("catalogue", Grade.OK, text)


def _classes(products: Sequence[Product], settings: Settings) -> Iterator[Finding]:
    from whmcs_bridge.policy.rules import choose_class

    policy, without, without_module = settings.policy, [], []
    for product in products:
        names = choose_class(policy, product.id, product.group, product.type)
        if len(names) > 1:
            text = f"product {product.id} {product.name} is claimed by the classes {', '.join(names)}"
            why = "which rules hold for it is a toss: nothing is done to its services"
            yield Finding("classes", Grade.FAIL, text, "give it to exactly one class", why)
        elif not names:
            without.append(product)
        elif not product.module:
            without_module.append(product)
    if without and not any(one.product_groups for one in policy.classes):  # the group's name is not told here
        text = f"no class takes {plural(len(without), 'product')}: {_some(without)}"
        yield Finding("classes", Grade.INFO, text, "", "nothing is ever done to their services")
    if without_module:
        text = f"{plural(len(without_module), 'product')} without a module: {_some(without_module)}"
        why = "only their status can be set: staff gets a task and switches them off and on by hand"
        yield Finding("classes", Grade.INFO, text, "", why)


def _some(products: Sequence[Product]) -> str:
    return ", ".join(f"{p.id} {p.name}" for p in products[:SHOWN]) + (", ..." if len(products) > SHOWN else "")


def _groups(groups: Sequence[ClientGroup], settings: Settings, values: Mapping[str, str | None]) -> Iterator[Finding]:
    from whmcs_bridge.policy.whmcs_settings import CONTINUOUS, is_on

    vip = settings.policy.vip
    yield from _unknown_groups(groups, settings)
    exempt = sorted(g.name for g in groups if g.exempt and (vip is None or g.name != vip.group))
    if exempt:
        text = f"exempt from suspension in WHMCS: {', '.join(exempt)}"
        why = "nothing suspends or ends their members, however much they owe; a report lists those who do"
        told = values.get(CONTINUOUS) is not None
        if told and not is_on(values[CONTINUOUS]):
            why = f"{why}; with {CONTINUOUS} off they are served and never billed again"
            todo = "switch it on, or take the exemption from the group"
            yield Finding("groups", Grade.WARN, text, todo, why)
        else:
            yield Finding("groups", Grade.INFO, text, "", why)
    if vip is not None:
        yield from _vip(next((g for g in groups if g.name == vip.group), None), vip, values)


def _unknown_groups(groups: Sequence[ClientGroup], settings: Settings) -> Iterator[Finding]:
    """Groups that the settings name and WHMCS does not have; the VIP group has a finding of its own."""
    known, vip = {g.name for g in groups}, settings.policy.vip
    named = dict.fromkeys((f'[group."{name}"]' for name in settings.policy.groups if name not in known), "")
    if vip is not None:
        named.update({f"[vip] managed_groups {name}": "" for name in vip.managed_groups if name not in known | {""}})
    own = (f'[group."{vip.group}"]', f"[vip] managed_groups {vip.group}") if vip is not None else ()
    for place in named:
        if place not in own:
            text = f"{place}: WHMCS has no such client group"
            why = "it has no effect: the rules meant for that group's clients are those of everybody"
            yield Finding("groups", Grade.WARN, text, "correct the name, or make the group in WHMCS", why)


def _vip(group: ClientGroup | None, vip: VipRules, values: Mapping[str, str | None]) -> Iterator[Finding]:
    from whmcs_bridge.policy.whmcs_settings import CONTINUOUS, SUSPENSION, is_on

    name = vip.group
    if group is None:
        text = f"WHMCS has no client group called {name}"
        why = "nobody can be put into VIP or taken out of it"
        yield Finding("vip", Grade.FAIL, text, "make it in System Settings > Client Groups: the API cannot", why)
        return
    if group.exempt:
        text = f"the group {name} is exempt from suspension in WHMCS"
        why = (
            "nobody suspends a member: who owes has to leave the group first, with the sync of the first overdue day; "
            "if syncs stop, members who owe stay up for good"
        )
        if name not in vip.managed_groups:
            why = f"[vip] managed_groups lacks {name}: nobody is taken out of it, and nobody suspends a member who owes"
            if values.get(CONTINUOUS) is not None and not is_on(values[CONTINUOUS]):
                why = f"{why}; with {CONTINUOUS} off they are served and never billed again"
            yield Finding("vip", Grade.FAIL, text, f'add "{name}" to managed_groups, or end the exemption', why)
        else:
            yield Finding("vip", Grade.INFO, text, "have status --max-age watched", why)
    elif is_on(values.get(SUSPENSION)):
        text = f"the group {name} is not exempt in WHMCS, and {SUSPENSION} is on"
        why = "WHMCS's cron suspends a member on its own day, whatever courtesy [vip] grants"
        yield Finding("vip", Grade.WARN, text, f"switch {SUSPENSION} off, or exempt the group", why)
    else:
        yield Finding("vip", Grade.OK, f"the group {name} is there, and not exempt: [vip] alone spares its members")
    if group.discount_percent:
        text = f"the group {name} gives {group.discount_percent} % off"
        yield Finding(
            "vip", Grade.INFO, text, "", "who joins or leaves VIP pays another price from the next invoice on"
        )
    if group.separate_invoices:
        text = f"the group {name} has separate invoices"
        why = "who joins VIP gets an invoice for each service from then on, and more due dates to be late on"
        yield Finding("vip", Grade.INFO, text, "", why)


def _templates(templates: set[str], settings: Settings) -> Iterator[Finding]:
    for message in settings.policy.messages.values():
        if message.template and templates and message.template not in templates:
            text = f"message {message.name}: WHMCS has no e-mail template called {message.template}"
            why = "the mail cannot be sent, and a step that has to be announced by it waits"
            yield Finding("messages", Grade.FAIL, text, "correct the name, or make the template", why)
