"""Read one client live: what every harmful step looks at last."""

from whmcs_bridge.domain.book import Invoice
from whmcs_bridge.domain.ids import ClientId
from whmcs_bridge.errors import BridgeError, NotFound, UnreadableReply
from whmcs_bridge.jobs.context import Ports
from whmcs_bridge.ports import ClientBook


def read_client(ports: Ports, client: ClientId, *, credit: bool = False, services: bool = True) -> ClientBook:
    """Read services, addons, open invoices with lines, and those that are not open any more; keep it in the mirror.

    Without `services` they and the addons are taken as the last snapshot had them: for what only asks about money.
    Raises WhmcsError if any part cannot be read: half a client is no client.
    """
    panel, mirror, today = ports.panel, ports.mirror, ports.today()
    known = mirror.book(client)
    if services or known is None:
        owned, addons = panel.services_of(client), panel.addons_of(client)
    else:
        owned, addons = [s for s in known.services if s.id not in known.missing], known.addons
    heads = panel.invoice_heads_of(client)
    open_now = {head.id for head in heads}
    gone = [i.id for i in known.invoices if i.client_id == client and i.id not in open_now] if known else []
    invoices: list[Invoice] = []
    for number, found in panel.invoices([*open_now, *gone]):
        if isinstance(found, NotFound) and number not in open_now:
            continue  # deleted in WHMCS: no debt any more
        if isinstance(found, BridgeError):
            raise UnreadableReply(f"invoice {number} of client {client}: {found}") from found
        invoices.append(found)
    if credit:
        details = panel.client(client)
        mirror.save_credit(client, details.credit, details.currency, today)
        mirror.save_client_group(client, details.group_id)
    mirror.save_book_live(client, owned, addons, heads, invoices, ports.now(), today)
    book = mirror.book(client)
    if book is None:
        raise UnreadableReply(f"client {client} is not in the mirror: run a sync first")
    return book
