"""The PHP file that goes into WHMCS, run by real PHP: in a stand-in for WHMCS, against a small receiver."""
