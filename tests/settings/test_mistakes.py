"""Every mistake is one line: key, what was found, what was expected."""

import pytest

from tests.settings.files import CLASS, problems_of
from whmcs_bridge.errors import SettingsProblem, UsageProblem
from whmcs_bridge.settings import from_mapping
from whmcs_bridge.settings.drivers import STORES
from whmcs_bridge.settings.report import or_list

STAGE = 'expected a whole number of days from 1 to 3650, or "never"'
AMOUNT = 'expected an amount in quotes with a dot, such as "5.00"'

LOCAL = '[[backup_store]]\nname = "a"\ndriver = "local"\nroot = "/backup"\nlayout = "hestia"\n'
SFTP = (
    LOCAL.replace("local", "sftp")
    + """host = "backup.example.com"
user = "bridge"
host_key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExample"
"""
)

CASES = [
    # the top of the file
    ('mode = "enforced"', 'mode: found "enforced", expected "shadow" or "enforce"; did you mean "enforce"?'),
    ("mode = true", 'mode: found true, expected "shadow" or "enforce"'),
    ('mode = ""', 'mode: found "" (empty), expected "shadow" or "enforce"'),
    ("[polcy]", "polcy: found an unknown key; did you mean policy?"),
    ("policy = 3", "[policy]: found 3, expected a table with scope, release"),
    ("class = 3", "[class]: found 3, expected tables named [class.NAME]"),
    ("[class]\nhosting = 3", "[class.hosting]: found 3, expected a table [class.NAME]"),
    ('[class.""]\nsuspend_after_days = 3', '[class.""]: found an empty name, expected one that is not empty'),
    # days
    ("[class.a]\nsuspend_after_days = 0", f"[class.a] suspend_after_days: found 0, {STAGE}"),
    ("[class.a]\nsuspend_after_days = -1", f"[class.a] suspend_after_days: found -1, {STAGE}"),
    ("[class.a]\nsuspend_after_days = 99999", f"[class.a] suspend_after_days: found 99999, {STAGE}"),
    ("[class.a]\nsuspend_after_days = true", f"[class.a] suspend_after_days: found true, {STAGE}"),
    ("[class.a]\nsuspend_after_days = 3.0", f"[class.a] suspend_after_days: found 3.0, {STAGE}"),
    ("[class.a]\nsuspend_after_days = nan", f"[class.a] suspend_after_days: found nan, {STAGE}"),
    (
        '[class.a]\nsuspend_after_days = "3"',
        f'[class.a] suspend_after_days: found "3", {STAGE}; write it without quotes',
    ),
    ('[class.a]\nsuspend_after_days = ""', f'[class.a] suspend_after_days: found "" (empty), {STAGE}'),
    ('[class.a]\nsuspend_after_days = "off"', f'[class.a] suspend_after_days: found "off", {STAGE}; write "never"'),
    ("[class.a]\nsuspend_after_days = 2026-01-01", f"[class.a] suspend_after_days: found 2026-01-01, {STAGE}"),
    ("[class.a]\nsuspend_after_days = [3]", f"[class.a] suspend_after_days: found a list, {STAGE}"),
    (
        "[class.a]\nfinal_warning_days = 0",
        "[class.a] final_warning_days: found 0, expected a whole number of days from 1 to 3650",
    ),
    (
        "[policy]\nrecent_contact_days = -1",
        "[policy] recent_contact_days: found -1, expected a whole number of days from 0 to 3650",
    ),
    # unknown keys
    (
        "[class.a]\nsuspend_after_day = 3",
        "[class.a] suspend_after_day: found an unknown key; did you mean suspend_after_days?",
    ),
    (
        "[class.a]\nsuspend_after_hours = 3",
        "[class.a] suspend_after_hours: found an unknown key; did you mean suspend_after_days?",
    ),
    ('[policy]\nproduct_types = ["server"]', "[policy] product_types: found an unknown key; expected one of scope"),
    ("[limits]\nunsuspend = { max = 3 }", "[limits] unsuspend: found an unknown key; did you mean suspend?"),
    (
        "[limits]\nsuspend = { maximum = 3 }",
        "[limits] suspend.maximum: found an unknown key; expected one of always_allowed, max, percent, max_announced",
    ),
    ('[policy]\n"a\\nb" = 1', '[policy] "a\\nb": found an unknown key; expected one of scope'),
    # choices
    (
        '[policy]\nrelease = "all paid"',
        '[policy] release: found "all paid", expected "all-paid" or "service-paid"; did you mean "all-paid"?',
    ),
    ("[policy]\nscope = 1", '[policy] scope: found 1, expected "service" or "client"'),
    (
        "[policy]\ncancel_invoices_of_ended = 1",
        "[policy] cancel_invoices_of_ended: found 1, expected true or false",
    ),
    (
        '[policy]\ncancel_invoices_of_ended = "true"',
        '[policy] cancel_invoices_of_ended: found "true", expected true or false; write it without quotes',
    ),
    # money
    ("[policy]\nmin_debt = 5", f"[policy] min_debt: found 5, {AMOUNT}; put it in quotes"),
    ("[policy]\nmin_debt = 5.0", f"[policy] min_debt: found 5.0, {AMOUNT}; put it in quotes"),
    (
        '[policy]\nmin_debt = "5,00"',
        f'[policy] min_debt: found "5,00", {AMOUNT}; write a dot, and no thousands separator',
    ),
    ('[policy]\nmin_debt = "-5.00"', f'[policy] min_debt: found "-5.00", {AMOUNT}; amounts are never negative'),
    ('[policy]\nmin_debt = ""', f'[policy] min_debt: found "" (empty), {AMOUNT}'),
    ('[policy]\nmin_debt = "R$ 5.00"', f'[policy] min_debt: found "R$ 5.00", {AMOUNT}'),
    ('[policy]\nmin_debt = "٥.00"', f'[policy] min_debt: found "٥.00", {AMOUNT}'),
    ('[policy]\nmin_debt = "5.00\\n"', f'[policy] min_debt: found "5.00\\n", {AMOUNT}'),
    ("[policy]\nmin_debt = { BRL = 5.0 }", f"[policy] min_debt.BRL: found 5.0, {AMOUNT}; put it in quotes"),
    (
        '[policy]\nmin_debt = { real = "5.00" }',
        '[policy] min_debt.real: found the name "real", expected a currency code such as BRL',
    ),
    # lists
    (
        "[policy]\nrelease_counts = []",
        "[policy] release_counts: found an empty list, "
        'expected a list of "service", "addon", "domain", "overage" or "fee", not empty',
    ),
    (
        '[policy]\ncontact_signs = "ticket"',
        '[policy] contact_signs: found "ticket", expected a list of "ticket", "payment" or "login"; '
        'put it in brackets: ["ticket"]',
    ),
    (
        '[policy]\ncontact_signs = ["ticket", "ticket"]',
        '[policy] contact_signs #2: found "ticket" a second time, expected it once',
    ),
    (
        '[policy]\npayment_order = ["service", "addon"]',
        "[policy] payment_order: found a list, "
        'expected a list with each of "service", "addon", "domain", "overage", "fee" once',
    ),
    (
        "[class.a]\nnotices = [{ day = 2 }]",
        "[class.a] notices #1.message: missing, expected the name of a message, not empty",
    ),
    (
        '[class.a]\nnotices = [{ day = "2", message = "payment-reminder" }]',
        '[class.a] notices #1.day: found "2", expected a whole number of days from -365 to 3650; '
        "write it without quotes",
    ),
    (
        '[class.a]\nnotices = [{ day = 2, message = "" }]',
        '[class.a] notices #1.message: found "" (empty), expected the name of a message, not empty',
    ),
    # selectors
    (
        '[class.a]\nproduct_types = ["hosting"]',
        '[class.a] product_types #1: found "hosting", '
        'expected "hostingaccount", "reselleraccount", "server" or "other"',
    ),
    ("[class.a]\nproduct_ids = [0]", "[class.a] product_ids #1: found 0, expected a WHMCS product id, 1 or more"),
    (
        '[class.a]\nproduct_ids = ["12"]',
        '[class.a] product_ids #1: found "12", expected a WHMCS product id, 1 or more; write it without quotes',
    ),
    (
        "[class.a]\nproducts = [1]\nproduct_ids = [2]",
        "[class.a] products: found beside product_ids, expected one of the two",
    ),
    ("[client.0]\nsuspend_after_days = 3", '[client.0]: found "0", expected a WHMCS client id, 1 or more'),
    ("[client.rui]\nsuspend_after_days = 3", '[client.rui]: found "rui", expected a WHMCS client id, 1 or more'),
    ("[service.012]\nsuspend_after_days = 3", '[service.012]: found "012", expected a WHMCS service id, 1 or more'),
    # calendar
    (
        '[calendar]\ntimezone = "America/Sao_Paolo"',
        '[calendar] timezone: found "America/Sao_Paolo", expected a time zone such as America/Sao_Paulo; '
        'did you mean "America/Sao_Paulo"?',
    ),
    (
        '[calendar]\ntimezone = "../../etc/passwd"',
        '[calendar] timezone: found "../../etc/passwd", expected a time zone such as America/Sao_Paulo',
    ),
    (
        '[calendar]\ntimezone = ""',
        '[calendar] timezone: found "" (empty), expected a time zone such as America/Sao_Paulo',
    ),
    (
        '[calendar]\nholidays = "XX"',
        '[calendar] holidays: found "XX", expected a country, or country-subdivision, such as "BR-SP"; '
        "no country 'XX' is known, expected a two-letter code such as BR",
    ),
    (
        '[calendar]\nholidays = "BR-ZZ"',
        '[calendar] holidays: found "BR-ZZ", expected a country, or country-subdivision, such as "BR-SP"; '
        "BR has no subdivision 'ZZ'",
    ),
    (
        '[calendar]\nquiet_days = ["fridays"]',
        '[calendar] quiet_days #1: found "fridays", expected "monday", "tuesday", "wednesday", "thursday", "friday", '
        '"saturday", "sunday" or "holiday"; did you mean "friday"?',
    ),
    (
        '[calendar]\nquiet_days = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]',
        "[calendar] quiet_days: found all seven days of the week, expected at least one on which steps may happen",
    ),
    (
        '[calendar]\nquiet_days = ["holiday"]',
        '[calendar] quiet_days: found "holiday" without holidays, expected [calendar] holidays to name a country',
    ),
    (
        '[calendar]\nact_hours = "9-16"',
        '[calendar] act_hours: found "9-16", expected hours of one day such as "09:00-16:00", or "any"',
    ),
    (
        '[calendar]\nact_hours = "16:00-09:00"',
        '[calendar] act_hours: found "16:00-09:00", expected hours of one day such as "09:00-16:00", or "any"; '
        "the start comes before the end",
    ),
    (
        "[calendar]\nclearing_bank_days = { boleto = -1 }",
        "[calendar] clearing_bank_days.boleto: found -1, expected a whole number of days from 0 to 60",
    ),
    # whmcs and secrets
    (
        '[whmcs]\nidentifier = "env:A"\nsecret = "env:B"',
        "[whmcs] url: missing, expected WHMCS's address, such as https://billing.example.com",
    ),
    (
        '[whmcs]\nurl = "billing.example.com"\nidentifier = "env:A"\nsecret = "env:B"',
        '[whmcs] url: found "billing.example.com", expected WHMCS\'s address, such as https://billing.example.com',
    ),
    (
        '[whmcs]\nurl = "https://u:p@billing.example.com"\nidentifier = "env:A"\nsecret = "env:B"',
        "[whmcs] url: found a user name or password in the address, "
        "expected WHMCS's address, such as https://billing.example.com",
    ),
    (
        '[whmcs]\nurl = "https://billing.example.com"\nidentifier = "env:A"\nsecret = "hunter2"',
        '[whmcs] secret: found a text that is not a reference (not shown), expected "env:NAME" or "file:PATH"',
    ),
    (
        '[whmcs]\nurl = "https://billing.example.com"\nidentifier = ""\nsecret = "env:B"',
        '[whmcs] identifier: found "" (empty), expected "env:NAME" or "file:PATH"',
    ),
    (
        '[whmcs]\nurl = "https://billing.example.com"\nidentifier = "env:"\nsecret = "env:B"',
        '[whmcs] identifier: found "env:", expected "env:NAME" or "file:PATH"',
    ),
    (
        '[whmcs]\nurl = "https://b.example.com"\nidentifier = "env:A"\nsecret = "env:B"\npage_size = 0',
        "[whmcs] page_size: found 0, expected a whole number from 1 to 1000",
    ),
    (
        '[whmcs]\nurl = "https://b.example.com"\nidentifier = "env:A"\nsecret = "env:B"\nca_bundle = "no/such.pem"',
        '[whmcs] ca_bundle: found "no/such.pem", which is no file, expected the path of a PEM file',
    ),
    # the other tables
    *(
        (
            f'[hooks]\nlisten = "{text}"',
            f'[hooks] listen: found "{text}", expected an address and a port, such as 127.0.0.1:8765',
        )
        for text in ("8765", "localhost", "127.0.0.1:70000", "http://127.0.0.1:8765", "::1:8765")
    ),
    (
        '[hooks]\nsecret = "hunter2"',
        '[hooks] secret: found a text that is not a reference (not shown), expected "env:NAME" or "file:PATH"',
    ),
    ("[vip]\nmin_tenure_months = 18", "[vip] group: missing, expected the name of a WHMCS client group, not empty"),
    ('[vip]\ngroup = ""', '[vip] group: found "" (empty), expected the name of a WHMCS client group, not empty'),
    (
        '[vip]\ngroup = "VIP"\nexempt_max_debt = 500.00',
        f"[vip] exempt_max_debt: found 500.0, {AMOUNT}; put it in quotes",
    ),
    (
        '[promises]\nnot_on = ["friday"]',
        '[promises] not_on #1: found "friday", expected "eve-of-quiet-day"',
    ),
    (
        "[trust_release]\ntiers = [{ times = 1 }]",
        "[trust_release] tiers #1.days: missing, expected a whole number of days from 1 to 365",
    ),
    (
        "[trust_release]\ntiers = [{ days = 3, min_tenure_months = 12, max_tenure_months = 3 }]",
        "[trust_release] tiers #1.max_tenure_months: found 3, expected at least min_tenure_months, which is 12",
    ),
    (
        '[receipts]\naccept = { boleto = "yes" }',
        '[receipts] accept.boleto: found "yes", expected "hold" or "no"',
    ),
    (
        "[limits]\nsuspend = { percent = 200 }",
        "[limits] suspend.percent: found 200, expected a number from 0.01 to 100",
    ),
    (
        "[limits]\nsuspend = { percent = inf }",
        "[limits] suspend.percent: found inf, expected a number from 0.01 to 100",
    ),
    (
        "[limits]\nsuspend = { always_allowed = 9, max = 3 }",
        "[limits] suspend.always_allowed: found 9, expected no more than max, 3",
    ),
    (
        "[limits]\nterminate = { max_announced = 9 }",
        "[limits] terminate.max_announced: found it here, expected it under suspend only: nothing else is announced",
    ),
    (
        "[limits]\nsuspend = 25",
        '[limits] suspend: found 25, expected "off", or a table with always_allowed, max, percent, max_announced',
    ),
    ('sanity = "off"', '[sanity]: found "off", expected a table with enabled, max_days_since_run'),
    (
        '[approval]\nterminate = "yes"',
        '[approval] terminate: found "yes", expected "required" or "automatic"',
    ),
    (
        '[messages."x"]\nsubject = "Hello"',
        '[messages."x"]: found subject, expected either template, or subject and text',
    ),
    (
        '[messages."x"]\ntemplate = "T"\nsubject = "S"\ntext = "<p>"',
        '[messages."x"]: found template, subject or text, expected either template, or subject and text',
    ),
    ('[messages."x"]', '[messages."x"]: found nothing, expected either template, or subject and text'),
    (
        '[messages."x"]\nsubject = "Hello"\ntext = "<p>"\nabout = "invoice"',
        '[messages."x"] about: found beside subject and text, expected beside template only',
    ),
    (
        '[messages."x"]\nsubject = "Hello"\ntext = "{amout} is due"',
        '[messages."x"] text: found the placeholder {amout}; did you mean {amount}?',
    ),
    ('backup_store = { name = "a" }', "[[backup_store]]: found a table, expected a list: write [[backup_store]]"),
    ('[[backup_store]]\nname = "a"', f"[[backup_store]] #1.driver: missing, expected {or_list(STORES)}"),
    (
        '[[backup_store]]\nname = "a"\ndriver = "locla"',
        f'[[backup_store]] #1.driver: found "locla", expected {or_list(STORES)}; did you mean "local"?',
    ),
    (
        LOCAL + LOCAL.replace('"/backup"', '"/backup2"'),
        '[[backup_store]] #2.name: found "a" a second time',
    ),
    *(
        (
            LOCAL + LOCAL.replace('"a"', '"b"').replace('"/backup"', f'"{root}"'),
            '[[backup_store]] #2: found what store "a" holds too, expected no store in another',
        )
        for root in ("/backup", "/backup/weekly")
    ),
    (
        LOCAL + "servers = 3",
        "[[backup_store]] #1.servers: found 3, expected a list of ids of servers in WHMCS, not empty; "
        "put it in brackets: [3]",
    ),
    (
        '[[backup_store]]\nname = "a"\ndriver = "solusvm1"',
        f'[[backup_store]] #1.driver: found "solusvm1", expected {or_list(STORES)}; SolusVM 1 has no documented API '
        "for backups: take sftp or ftp with a template for the folder that they lie in, or manual",
    ),
    (LOCAL + "rooot = 3", "[[backup_store]] #1.rooot: found an unknown key; did you mean root?"),
    (LOCAL.replace('root = "/backup"\n', ""), "[[backup_store]] #1.root: missing, expected an absolute path"),
    *(
        (
            LOCAL.replace('"/backup"', f'"{root}"'),
            f'[[backup_store]] #1.root: found "{root}", expected an absolute path of the store\'s own folder',
        )
        for root in ("/", "backup", "/backup/../etc", "/backup/", "//backup", "/ba ckup", "/back%20up", "/b*")
    ),
    (LOCAL.replace('"/backup"', '""'), '[[backup_store]] #1.root: found "" (empty), expected an absolute path'),
    (
        LOCAL.replace('"/backup"', '"/home"'),
        '[[backup_store]] #1.root: found "/home", which holds more than backups, expected an absolute path',
    ),
    (
        LOCAL.replace("hestia", "hesti"),
        '[[backup_store]] #1.layout: found "hesti", expected "cpanel", "directadmin", "hestia", "vesta" or "custom"; '
        'did you mean "hestia"?',
    ),
    (
        LOCAL + 'template = "{user}.tar"',
        '[[backup_store]] #1.template: found beside layout "hestia", expected "custom"',
    ),
    (
        LOCAL.replace("hestia", "custom"),
        '[[backup_store]] #1.template: missing beside layout "custom", expected a path with {user}',
    ),
    *(
        (
            LOCAL.replace("hestia", "custom") + f'template = "{template}"',
            f'[[backup_store]] #1.template: found "{template}": {why}',
        )
        for template, why in (
            ("backup.tar", "{user} has to stand in it exactly once, and stands 0 times"),
            ("{user}/{user}.tar", "{user} has to stand in it exactly once, and stands 2 times"),
            ("{user}{date}.tar", "{user} has to stand between literals, not beside another placeholder"),
            ("backup_{user}.tar", "'_' before {user} may be part of a user name (user_characters)"),
            ("backup-{user}x", "'x' after {user} may be part of a user name (user_characters)"),
            ("../{user}.tar", "no empty, . or .. segment, and no / at either end"),
            ("/{user}.tar", "no empty, . or .. segment, and no / at either end"),
            ("{user}.%d.tar", "letters, digits and ._:@=+-/ only beside placeholders"),
            ("{user}.{day}.tar", "the placeholder {day} is none of {user}, {date}, {compact_date}, {time}, "),
        )
    ),
    (
        SFTP + 'password = "hunter2"',
        '[[backup_store]] #1.password: found a text that is not a reference (not shown), expected "env:NAME" or '
        '"file:PATH"',
    ),
    (SFTP, "[[backup_store]] #1.private_key: found neither it nor password, expected one of private_key and password"),
    (
        SFTP.replace("ssh-ed25519", "ssh-magic") + 'password = "env:P"',
        '[[backup_store]] #1.host_key: found "ssh-magic AAAA',
    ),
    ('[[panel]]\nname = "w"\ndriver = "names"\npath = "x"', "[[panel]] #1.servers: missing, expected a list of ids"),
    ('[storage]\nfolder = ""', '[storage] folder: found "" (empty), expected the path of a folder'),
]


@pytest.mark.parametrize(("text", "line"), CASES, ids=[text.replace("\n", " ")[:60] for text, _ in CASES])
def test_a_mistake_is_told_with_its_key_what_was_found_and_what_was_expected(text: str, line: str) -> None:
    [found] = problems_of(text)
    assert found.startswith(line)
    assert len(found.splitlines()) == 1


def test_every_mistake_in_a_file_is_told_at_once() -> None:
    text = """
    mode = "on"
    [policy]
    min_debt = 5
    scope = "all"
    [class.hosting]
    suspend_after_days = 0
    terminate_after_day = 15
    [vip]
    [calendar]
    timezone = "Mars"
    """
    places = [line.split(": ")[0] for line in problems_of(text)]
    assert places == [
        "mode",
        "[calendar] timezone",
        "[policy] min_debt",
        "[policy] scope",
        "[class.hosting] suspend_after_days",
        "[class.hosting] terminate_after_day",
        "[vip] group",
    ]


def test_a_plain_secret_is_never_repeated() -> None:
    text = '[whmcs]\nurl = "https://b.example.com"\nidentifier = "hunter1"\nsecret = "hunter2"' + CLASS
    assert len(problems_of(text)) == 2
    assert "hunter" not in "\n".join(problems_of(text))


def test_a_file_without_whmcs_says_so() -> None:
    with pytest.raises(SettingsProblem) as caught:
        from_mapping({})
    assert caught.value.problems == [
        "bridge.toml: [whmcs]: missing, expected a table with url, identifier and secret",
    ]
    assert caught.value.exit_code == UsageProblem.exit_code == 2
