"""AfterClientMerge: everything of one client is another's now; the one that stays is read again."""

from hooks.looking_again import look_again_unless_api as handle

__all__ = ["handle"]
