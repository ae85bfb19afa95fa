"""WHMCS's numbers, kept apart by type."""

from typing import NewType

ClientId = NewType("ClientId", int)
ServiceId = NewType("ServiceId", int)
AddonId = NewType("AddonId", int)
InvoiceId = NewType("InvoiceId", int)
LineId = NewType("LineId", int)
ProductId = NewType("ProductId", int)
GroupId = NewType("GroupId", int)
ServerId = NewType("ServerId", int)
DomainId = NewType("DomainId", int)
EmailId = NewType("EmailId", int)
