"""ClientClose: a client was closed; its services have ended without their modules."""

from hooks.looking_again import look_again_unless_api as handle

__all__ = ["handle"]
