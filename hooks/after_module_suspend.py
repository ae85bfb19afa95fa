"""AfterModuleSuspend: a module has suspended a service, whoever asked."""

from hooks.looking_again import look_again_unless_api as handle

__all__ = ["handle"]
