"""The edge that WHMCS's hooks speak to: signed events in, answers out (docs/reference/receiver.md)."""
