"""Layouts: one pattern for exactly one user, from end to end, and what a listing reads in a path."""

from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.backups.contract import NEIGHBOURS
from whmcs_bridge.backups.layouts import BY_NAME, CPANEL, DIRECTADMIN, HESTIA, VESTA, Layout, Read, custom

DAY = date(2026, 5, 31)
CUSTOM = custom("{date}/accounts/{user}.tar.gz")
FULL = custom("dumps/{compact_date}-{time}/{user}/site-{number}.{word}", "-")
READ = [
    (CPANEL, "2026-05-31/accounts/bob.tar.gz", Read("bob", DAY)),
    (CPANEL, "2026-05-31/accounts/bob.tar", Read("bob", DAY)),
    (CPANEL, "weekly/2026-05-31/accounts/bob.tar.gz", Read("bob", DAY)),
    (CPANEL, "monthly/2026-05-31/accounts/bob_1.tar.gz", Read("bob_1", DAY)),
    (CPANEL, "cpbackup/daily/bob.tar.gz", Read("bob")),
    (CPANEL, ".meta/bob.db", Read("bob", timeless=True)),
    (CPANEL, "2026-05-31/accounts/bob-=-meta", Read("bob", DAY)),
    (CPANEL, "incremental/accounts/bob-=-meta", Read("bob", timeless=True)),
    (CPANEL, "incremental/accounts/.master.meta", Read("", shared=True)),
    (CPANEL, "2026-05-31/system/files/etc/passwd", Read("", DAY, shared=True)),
    (CPANEL, "2026-05-31/accounts/.master.meta", Read("", DAY, shared=True)),
    (CPANEL, "2026-13-31/accounts/bob.tar.gz", Read("bob")),
    (CPANEL, "2026-05-31/accounts/bob", Read()),
    (CPANEL, "2026-05-31/bob.tar.gz", Read()),
    (CPANEL, "x/2026-05-31/accounts/bob.tar.gz", Read()),
    (CPANEL, "2026-05-31/accounts/bob.tar.gz.part", Read()),
    (DIRECTADMIN, "user.admin.bob.tar.gz", Read("bob")),
    (DIRECTADMIN, "Monday/user.reseller1.bob.tar.zst", Read("bob")),
    (DIRECTADMIN, "2026-05-31/user.admin.bob.tar.gz.enc", Read("bob", DAY)),
    (DIRECTADMIN, "a/2026-05-31/user.admin.bob.tar", Read("bob", DAY)),
    (DIRECTADMIN, "reseller.admin.bob.tar.gz", Read("bob", shared=True)),
    (DIRECTADMIN, "admin.root.admin.tar.gz", Read("admin", shared=True)),
    (DIRECTADMIN, "user.admin.x.bob.tar.gz", Read()),
    (DIRECTADMIN, "bob.tar.gz", Read()),
    (HESTIA, "bob.2026-05-31_05-10-00.tar", Read("bob", DAY)),
    (HESTIA, "bob.smith.2026-05-31_05-10-00.tar", Read("bob.smith", DAY)),
    (HESTIA, "bob/bob.2026-05-31_05-10-00.tar", Read("bob", DAY)),
    (HESTIA, "bob/bob1.2026-05-31_05-10-00.tar", Read()),
    (HESTIA, "bob.2026-05-31.tar", Read()),
    (HESTIA, "bob.log", Read("bob", timeless=True)),
    (VESTA, "bob.2026-05-31.tar", Read("bob", DAY)),
    (VESTA, "bob.2026-05-31_05-10-00.tar", Read("bob", DAY)),
    (CUSTOM, "2026-05-31/accounts/bob.tar.gz", Read("bob", DAY)),
    (CUSTOM, "2026-05-31/accounts/bob.1.tar.gz", Read()),
    (FULL, "dumps/20260531-235959/a-b/site-7.zip", Read("a-b", DAY)),
    (custom("{user}"), "bob", Read("bob")),
    (custom("USER/{user}.tar"), "USER/bob.tar", Read("bob")),
    (custom("USER/{user}.tar"), "bob/bob.tar", Read()),
    (custom("{date}/{user}/{date}.tar"), "2026-05-31/bob/2026-06-01.tar", Read("bob", DAY)),
]


@pytest.mark.parametrize(("layout", "locator", "expected"), READ, ids=lambda value: getattr(value, "name", str(value)))
def test_a_path_is_read_as_the_panel_writes_it(layout: Layout, locator: str, expected: Read) -> None:
    assert layout.read(locator) == expected
    assert layout.read(f".whmcs-bridge-quarantine/0f0f/{locator}") == expected


@pytest.mark.parametrize("layout", BY_NAME.values(), ids=lambda layout: layout.name)
def test_what_lies_beside_the_backups_is_looked_for_under_exactly_one_name(layout: Layout) -> None:
    for user in ("bob", "bob1", "b_b", "bob.smith", "B.B"):
        for path in layout.beside(user):
            assert layout.form_of(path, user)
            assert not any(path in layout.beside(other) for other in (*NEIGHBOURS, "b", "") if other != user)
    for odd in ("", ".", "..", "/", "bob/../x", "bob\n", "b*b", "USER/x", "bob/"):
        assert layout.beside(odd) == ()
    assert (
        layout.beside("bob")
        == {
            "cpanel": (".meta/bob.db", "incremental/accounts/bob-=-meta"),
            "hestia": ("bob.log",),
            "vesta": ("bob.log",),
            "directadmin": (),
        }[layout.name]
    )


def test_a_folder_is_an_item_only_where_the_panel_keeps_whole_homes() -> None:
    trees = {
        "2026-05-31/accounts/bob": DAY,
        "weekly/2026-05-31/accounts/bob": DAY,
        "incremental/accounts/bob": None,
        "cpbackup/daily/bob": None,
    }
    for path, day in trees.items():
        assert CPANEL.is_tree(path)
        read = CPANEL.read(path, tree=True)
        assert (read.account, read.made_on) == ("bob", day)
        assert CPANEL.form_of(path, "bob", tree=True)
        assert not CPANEL.form_of(path, "bob")
    for path in ("2026-05-31/accounts/bob.tar.gz", "2026-05-31/accounts", "2026-05-31", "2026-05-31/system/bob", "bob"):
        assert not CPANEL.is_tree(path)
    for layout in (DIRECTADMIN, HESTIA, VESTA, CUSTOM):
        assert not any(layout.is_tree(path) for path in trees)


NAMES = {
    "cpanel": "2026-05-31/accounts/{}.tar.gz",
    "directadmin": "user.admin.{}.tar.gz",
    "hestia": "{}.2026-05-31_05-10-00.tar",
    "vesta": "{}.2026-05-31.tar",
}


@pytest.mark.parametrize("name", NAMES)
def test_no_neighbour_s_backup_is_bob_s(name: str) -> None:
    layout = BY_NAME[name]
    assert layout.form_of(NAMES[name].format("bob"), "bob")
    for neighbour in NEIGHBOURS:
        path = NAMES[name].format(neighbour)
        assert layout.form_of(path, "bob") is None, neighbour
        read = layout.read(path)
        assert read.account in ("", neighbour), neighbour


user_names = st.text("abo1_.-%*[]?B\n\u0441/ ", min_size=0, max_size=6)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=60, deadline=None)
@given(mine=user_names, other=user_names)
@example(mine="bob", other="bob.2026-05-31_05-10-00")
@example(mine="b.b", other="bab")
@example(mine="a", other="admin.a")
def test_two_users_never_share_a_backup(name: str, mine: str, other: str) -> None:
    """For all names: what is claimed for one user is not claimed for another, and is read as his."""
    layout, path = BY_NAME[name], NAMES[name].format(mine)
    if layout.form_of(path, mine):
        assert mine == other or layout.form_of(path, other) is None
        assert layout.read(path).account == mine


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(
        st.sampled_from(["", "a.", "x/", "backup=", "{date}/", "{number}-"]),
        st.sampled_from(["", ".tar", "/x", "@{date}"]),
    ),
    user_names,
    user_names,
)
def test_a_template_of_the_house_s_own_never_mixes_two_users(around: tuple[str, str], mine: str, other: str) -> None:
    layout = custom("{user}".join(around))
    fill = {"{date}": "2026-05-31", "{number}": "17"}
    path = "".join((around[0], mine, around[1]))
    for placeholder, text in fill.items():
        path = path.replace(placeholder, text)
    if layout.form_of(path, mine):
        assert mine == other or layout.form_of(path, other) is None
        assert layout.read(path).account == mine


def test_a_user_whose_name_the_layout_does_not_know_has_no_backup() -> None:
    assert CUSTOM.form_of("2026-05-31/accounts/bob.1.tar.gz", "bob.1") is None
    assert CUSTOM.form_of("2026-05-31/accounts/.tar.gz", "") is None
    assert CPANEL.form_of("2026-05-31/system/x", "") is None
    assert custom("{user}/x.tar", "_.").form_of("bob.1/x.tar", "bob.1")


def test_an_odd_path_is_nobody_s_even_where_the_pattern_would_take_it() -> None:
    for path in (
        "a/../user.admin.bob.tar.gz",
        "a//user.admin.bob.tar.gz",
        "a b/user.admin.bob.tar.gz",
        "%41/user.admin.bob.tar",
    ):
        assert DIRECTADMIN.read(path) == Read()
        assert DIRECTADMIN.form_of(path, "bob") is None
