"""ClientEdit: a client's record was saved; a group set by hand is seen here."""

from hooks.looking_again import look_again_unless_ours as handle

__all__ = ["handle"]
