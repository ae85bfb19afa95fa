"""ServiceEdit: a service's record was saved; a status edited by hand is seen here."""

from hooks.looking_again import look_again_unless_ours as handle

__all__ = ["handle"]
