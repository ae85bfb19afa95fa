"""The edge to WHMCS's API: one POST per action, domain values out, our errors when it says no."""
