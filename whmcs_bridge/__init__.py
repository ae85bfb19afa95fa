"""House rules for WHMCS: plans before it acts, explains everything, never harms anyone who has paid."""

__version__ = "0.1.0"
