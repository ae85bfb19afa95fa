"""The demo's house rules: a bridge.toml like any other."""

SETTINGS = """\
# The house of `whmcs-bridge demo`. Its WHMCS was simulated inside the demo and is gone; what is left works from
# mirror.db and journal.db alone:  plan --offline, explain, journal, tasks  (with --config and this file's path).

mode = "enforce"

[whmcs]
url = "http://127.0.0.1:8090"
identifier = "env:WHMCS_IDENTIFIER"
secret = "env:WHMCS_SECRET"

[calendar]
timezone = "UTC"
quiet_days = ["saturday", "sunday"]      # nobody is suspended or ended on a weekend
clearing_bank_days = { boleto = 2, banktransfer = 2 }

[policy]
release = "all-paid"                     # back only when everything overdue is paid
min_debt = "1.00"

[class.hosting]
product_types = ["hostingaccount", "reselleraccount"]
notices = [
    { day = -4, message = "payment-reminder" },
    { day = 2, message = "suspension-warning" },
]
suspend_after_days = 3
terminate_after_days = 15
final_warning_days = 3
delete_backups_after_days = 2
on_suspend_message = "service-suspended"
on_release_message = "service-released"
on_end_message = "service-ended"

[class.vps]
product_types = ["server"]
notices = [{ day = 1, message = "suspension-warning" }]
suspend_after_days = 2
terminate_after_days = 8
delete_backups_after_days = 0
on_suspend_message = "service-suspended"
on_release_message = "service-released"

[class.licence]
product_types = ["other"]
notices = [{ day = 1, message = "suspension-warning" }]
suspend_after_days = 2
terminate_after_days = 10
on_suspend_message = "service-suspended"
on_release_message = "service-released"

[vip]
group = "VIP"
min_tenure_months = 18
exempt_max_days = 10                     # who was VIP on the due date has so many days more
exempt_max_debt = "500.00"
managed_groups = ["VIP", ""]

[limits]
suspend = { always_allowed = 5, max = 25, percent = 2.0, max_announced = 100 }
terminate = { always_allowed = 2, max = 5, percent = 0.5 }
delete_backups = { always_allowed = 2, max = 10, percent = 1.0 }

[approval]
terminate = "required"                   # a person approves each termination
delete_backups = "automatic"
"""
