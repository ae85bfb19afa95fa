"""A WHMCS that fits in a test: state, actions, cron, faults; in process and over HTTP."""
