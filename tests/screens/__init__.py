"""What WHMCS's pages show of the bridge."""
