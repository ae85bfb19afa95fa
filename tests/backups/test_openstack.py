"""The OpenStack driver against a cloud of our own on loopback that can lie; no real one."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Response

from tests.backups.cloud import CREDENTIAL, OTHERS, PROJECT, SECRET, Cloud, an_id
from tests.backups.contract import BOB, DAY, MADE, Contract, Place, listing, mine_of, settled
from tests.settings.files import problems_of
from whmcs_bridge.backups.openstack import PAUSE, OpenStackStore, open_store
from whmcs_bridge.domain.backups import SEEN, AccountIdentity, BackupItem, Outcome, Receipt, Verdict, captured
from whmcs_bridge.errors import StoreAuthFailed, StoreTrouble, StoreUnsupported, ViewIncomplete
from whmcs_bridge.ports import BackupStore
from whmcs_bridge.settings.drivers import same_place, store_options
from whmcs_bridge.settings.model import BackupStoreSettings
from whmcs_bridge.settings.secret import Secret

SERVER = an_id("server bob")
VOLUME = an_id("volume bob")
ACCOUNT = replace(BOB, username="root", proofs={"uuid": SERVER})
LAST_SEEN = "2026-06-10T03:00:00+00:00"


def seen_of(server: str, *volumes: str, project: str = PROJECT, seen: str = LAST_SEEN) -> dict[str, str]:
    """What the runs have kept of an account."""
    kept = {"server": server, "project": project, SEEN: seen, **{f"volume {n}": v for n, v in enumerate(volumes, 1)}}
    return {f"cloud/{name}": value for name, value in kept.items()}


KNOWN = replace(ACCOUNT, proofs={**ACCOUNT.proofs, **seen_of(SERVER, VOLUME)})


def store_on(url: str, **more: Any) -> OpenStackStore:
    options = {
        "url": url,
        "application_credential_id": CREDENTIAL,
        "application_credential_secret": Secret.given(SECRET),
        "project": PROJECT,
        "interface": "public",
        "all_projects": False,
        "id_field": "uuid",
        "listed_within_hours": 26,
        "wait_seconds": 0,
        "timeout_seconds": 5,
        "bytes_kept_days": 0,
        **more,
    }
    return open_store(BackupStoreSettings("cloud", "openstack", (1,), options))


def of_all_projects(url: str) -> OpenStackStore:
    return store_on(url, all_projects=True, project_field="project")


class CloudPlace(Place):
    """Items called like users, in turn backups, snapshots and images, of each user's own volume and server."""

    account = KNOWN
    secrets = (SECRET,)

    def __init__(self, server: HTTPServer) -> None:
        self.cloud = Cloud(server)
        self.names: dict[str, str] = {}
        self.numbers: dict[str, str] = {}
        self.away = lambda: store_on("http://127.0.0.1:1")
        self.half_forbidden = self._half
        self.cut_after_send = lambda: self._deleting(Response("", 504))
        self.read_only = lambda: self._deleting(Response('{"forbidden": {"message": "Policy"}}', 403))

    def store(self) -> BackupStore:
        return store_on(self.cloud.url)

    def _half(self) -> BackupStore:
        """The first half of a list, with the count of the whole."""
        self.cloud.twist = lambda path, words, found: (
            {**found, "backups": found["backups"][::2]} if path.endswith("/backups/detail") else found
        )
        return self.store()

    def _deleting(self, answer: Response) -> BackupStore:
        self.cloud.on_delete = lambda path: answer
        return self.store()

    def name_of(self, user: str) -> str:
        return {"root": "bob"}.get(user, user)

    def as_user(self, user: str) -> AccountIdentity:
        return replace(ACCOUNT, proofs={"uuid": user, **seen_of(user, user)})

    def more_of_account(self) -> tuple[str, ...]:
        return ("bob/2", "bob/3")

    def odd_names(self) -> tuple[str, ...]:
        return ("bob/../bob1", "bob//x", "server bob", "volume bob", "")

    def make(self, names: Iterable[str]) -> set[str]:
        made = set(names) - self.left()
        lay = (self.cloud.backup, self.cloud.snapshot, self.cloud.image)
        for number, name in enumerate(sorted(made)):
            user = "bob" if name in ("bob", *self.more_of_account()) else f"x {name}"
            kind = lay[number % 3]
            thing = f"server {user}" if kind == self.cloud.image else f"volume {user}"
            self.numbers[name] = kind(name, thing)
            self.names[self.numbers[name]] = name
        return made

    def _rows(self) -> dict[str, dict[str, Any]]:
        return {**self.cloud.backups, **self.cloud.snapshots, **self.cloud.images}

    def left(self) -> set[str]:
        return {self.names[number] for number in self._rows()}

    def replace(self, name: str) -> None:
        self._rows()[self._number(name)]["size"] += 5000

    def remove(self, name: str) -> None:
        for rows in (self.cloud.backups, self.cloud.snapshots, self.cloud.images):
            rows.pop(self._number(name), None)

    def _number(self, name: str) -> str:
        return self.numbers.get(name, "")

    def locator_of(self, name: str) -> str:
        number = self._number(name)
        kinds = {"backup": self.cloud.backups, "snapshot": self.cloud.snapshots, "image": self.cloud.images}
        return next((f"{kind}/{number}" for kind, rows in kinds.items() if number in rows), f"image/{number}")


@pytest.fixture
def place(httpserver: HTTPServer) -> CloudPlace:
    return CloudPlace(httpserver)


class TestOpenStack(Contract):
    @pytest.fixture
    def place(self, httpserver: HTTPServer) -> Place:
        return CloudPlace(httpserver)


@pytest.fixture
def cloud(httpserver: HTTPServer) -> Cloud:
    return Cloud(httpserver)


def only(store: BackupStore) -> BackupItem:
    [item] = listing(store)
    return item


# --- what is in the list -----------------------------------------------------------------------------


def test_images_in_every_visibility_are_listed_and_others_than_of_servers_are_not(cloud: Cloud) -> None:
    for visibility in ("private", "shared", "community", "public"):
        cloud.image(visibility, "server bob", visibility=visibility)
    cloud.image("hidden", "server bob", os_hidden=True)
    cloud.image("by createBackup", "server bob", image_type="backup")
    cloud.image("of old", "server bob", image_type=None)
    cloud.image("a system to install", "server bob", image_type=None, instance_uuid=None)
    cloud.image("public of others", "server x", visibility="public", project=OTHERS)
    names = {cloud.images[item.version or ""]["name"] for item in listing(store_on(cloud.url))}
    assert names == {"private", "shared", "community", "public", "hidden", "by createBackup", "of old"}


def test_sizes_and_times_are_bytes_and_instants(cloud: Cloud) -> None:
    cloud.backup("b", "volume bob", size=3)
    cloud.image("i", "server bob", size=5)
    sizes = {item.locator.partition("/")[0]: (item.size, item.at) for item in listing(store_on(cloud.url))}
    assert sizes == {"backup": (3 * 2**30, MADE), "image": (5, MADE)}


def test_pages_are_followed_by_marker_and_no_address_of_an_answer_is(cloud: Cloud) -> None:
    cloud.most = 2
    for number in range(5):
        cloud.backup(f"b{number}", "volume bob")
        cloud.image(f"i{number}", "server bob")
    assert len(listing(store_on(cloud.url))) == 10
    assert len([words for _, path, words in cloud.seen if path.endswith("/backups/detail")]) == 4


def changed(path: str, change: Callable[[Any], Any]) -> Callable[[str, Mapping[str, str], Any], Any]:
    return lambda asked, words, found: change(found) if asked.endswith(path) else found


@pytest.mark.parametrize(
    ("path", "change", "why"),
    [
        ("/backups/detail", lambda found: {**found, "backups": found["backups"][:-1]}, "0 of 1 rows"),
        ("/backups/detail", lambda found: {"backups": found["backups"]}, "rows twice|of None rows"),
        ("/backups/detail", lambda found: {"count": 1}, "a list in another shape"),
        ("/backups/detail", lambda found: {"backups": [{"id": "../x"}], "count": 1}, "a list in another shape"),
        ("/backups/detail", lambda found: Response("{}", 406), "a version before 3.45"),
        ("/backups/detail", lambda found: Response("{}", 403), "does not let us in"),
        ("/backups/detail", lambda found: [], "a list in another shape"),
        ("/snapshots/detail", lambda found: {"snapshots": found["snapshots"] * 2, "count": 2}, "the same rows twice"),
        ("/images", lambda found: Response("<html>", 200), "no JSON"),
        ("/auth/tokens", lambda found: {}, "a token in another shape"),
        (
            "/auth/tokens",
            lambda found: {"token": {**found["token"], "project": {"id": OTHERS}}},
            "belongs to another project",
        ),
        ("/auth/tokens", lambda found: {"token": {**found["token"], "catalog": None}}, "a catalog in another shape"),
        ("/auth/tokens", lambda found: {"token": {**found["token"], "catalog": []}}, "no public address of a volume"),
    ],
)
def test_what_is_no_whole_list_is_no_list(cloud: Cloud, path: str, change: Callable[[Any], Any], why: str) -> None:
    cloud.backup("b", "volume bob")
    cloud.snapshot("s", "volume bob")
    store = store_on(cloud.url)
    cloud.twist = changed(path, change)
    with pytest.raises(StoreTrouble, match=why):
        listing(store)
    assert not store.probe().complete


def paged(path: str, key: str, *rows: Any) -> Callable[[str, Mapping[str, str], Any], Any]:
    """A list of one page that holds these rows, and the empty one after it."""
    return lambda asked, words, found: (
        {key: [] if "marker" in words else list(rows), "count": len(rows)} if asked.endswith(path) else found
    )


def test_an_image_without_an_owner_is_nobody_s_to_list(cloud: Cloud) -> None:
    cloud.twist = paged("/images", "images", {"id": an_id("x"), "owner": None})
    with pytest.raises(ViewIncomplete, match="an image without an owner"):
        listing(store_on(cloud.url))


def test_a_server_that_gives_the_same_page_for_each_marker_has_no_end(cloud: Cloud) -> None:
    number = cloud.image("i", "server bob")
    cloud.twist = changed("/images", lambda found: {"images": [cloud.images[number]]})
    with pytest.raises(ViewIncomplete, match="the same rows twice"):
        listing(store_on(cloud.url))


def test_of_several_regions_one_has_to_be_named(cloud: Cloud) -> None:
    cloud.backup("b", "volume bob")
    ends = cloud.catalog[1]["endpoints"]
    ends.append({**ends[0], "region_id": "RegionTwo", "url": f"{cloud.base}/elsewhere"})
    with pytest.raises(StoreUnsupported, match="several regions; set region"):
        listing(store_on(cloud.url))
    assert len(listing(store_on(cloud.url, region="RegionOne"))) == 1


def test_an_address_in_the_clear_is_never_asked(cloud: Cloud) -> None:
    cloud.catalog[2]["endpoints"] = [{"interface": "public", "region_id": "R", "url": "http://image.example.com"}]
    with pytest.raises(StoreUnsupported, match="an address in the clear for image"):
        listing(store_on(cloud.url))


def test_a_wrong_secret_is_no_empty_list(cloud: Cloud) -> None:
    with pytest.raises(StoreAuthFailed):
        listing(store_on(cloud.url, application_credential_secret=Secret.given("another")))


def test_a_token_is_drawn_again_before_it_ends(cloud: Cloud) -> None:
    store = store_on(cloud.url)
    listing(store)
    listing(store)
    assert cloud.tokens == 1
    soon = datetime.now(UTC).isoformat()
    cloud.twist = changed("/auth/tokens", lambda found: {"token": {**found["token"], "expires_at": soon}})
    store = store_on(cloud.url)
    listing(store)
    assert cloud.tokens > 2


# --- all projects --------------------------------------------------------------------------------------


def test_who_is_no_administrator_is_never_given_all_projects(cloud: Cloud) -> None:
    """Cinder leaves `all_tenants` unheard then, and answers with the credential's own project: half a list."""
    cloud.backup("b", "volume bob", project=OTHERS)
    store = of_all_projects(cloud.url)
    with pytest.raises(ViewIncomplete, match="lacks the role admin"):
        listing(store)
    cloud.roles = ["admin"]
    assert only(of_all_projects(cloud.url)).owner_hint == OTHERS
    cloud.twist = changed("/os-services", lambda found: Response("{}", 403))
    with pytest.raises(StoreAuthFailed):
        listing(of_all_projects(cloud.url))


def test_an_item_that_names_no_project_is_nobody_s_to_list(cloud: Cloud) -> None:
    cloud.roles = ["admin"]
    number = cloud.backup("b", "volume bob")
    cloud.backups[number]["os-backup-project-attr:project_id"] = None
    cloud.twist = paged("/backups/detail", "backups", cloud.backups[number])
    assert only(store_on(cloud.url)).owner_hint == PROJECT
    with pytest.raises(ViewIncomplete, match="backups of another project, or of none"):
        listing(of_all_projects(cloud.url))


def test_a_project_of_its_own_proves_everything_in_it_and_nothing_elsewhere(cloud: Cloud) -> None:
    cloud.roles = ["admin"]
    cloud.backup("b", "volume 1", project=OTHERS)
    cloud.image("i", "server 1", project=OTHERS)
    cloud.snapshot("s", "volume 1")
    store = of_all_projects(cloud.url)
    account = replace(BOB, proofs={"project": OTHERS})
    assert {item.locator.partition("/")[0] for item in mine_of(store, account)} == {"backup", "image"}
    assert list(store.residue(account)) == []
    for item in mine_of(store, account):
        assert store.delete(item).outcome is Outcome.DELETED
    assert (cloud.backups, cloud.images, len(cloud.snapshots)) == ({}, {}, 1)


def test_while_servers_live_in_a_project_nothing_of_it_goes(cloud: Cloud) -> None:
    """Another service may be in it, whatever the settings say."""
    cloud.roles = ["admin"]
    cloud.server("server of somebody", project=OTHERS)
    cloud.backup("b", "volume 1", project=OTHERS)
    store = of_all_projects(cloud.url)
    receipt = store.delete(only(store))
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, f"servers live in its project {OTHERS}")
    account = replace(BOB, proofs={"project": OTHERS})
    assert list(store.residue(account)) == []
    cloud.backups.clear()
    listing(store)
    with pytest.raises(ViewIncomplete, match="servers live in its project"):
        store.residue(account)
    cloud.twist = paged("/servers/detail", "servers", {"id": SERVER, "tenant_id": PROJECT})
    with pytest.raises(ViewIncomplete, match="servers of another project"):
        store.residue(account)


def test_what_is_in_another_project_than_the_account_s_own_is_left_and_told(cloud: Cloud) -> None:
    cloud.roles = ["admin"]
    cloud.image("i", "server bob")
    store = of_all_projects(cloud.url)
    account = replace(KNOWN, proofs={**KNOWN.proofs, "project": OTHERS})
    assert store.claim(only(store), account).verdict is Verdict.AMBIGUOUS


@pytest.mark.parametrize("kind", ["backup", "image"])
def test_what_another_project_holds_of_the_account_s_volume_or_server_is_left_and_told(cloud: Cloud, kind: str) -> None:
    """A volume can be given to another project, and whoever owns an image writes in it what server it is of."""
    cloud.roles = ["admin"]
    lay: Callable[..., object] = cloud.backup if kind == "backup" else cloud.image
    of = "volume bob" if kind == "backup" else "server bob"
    lay("b", of, project=OTHERS)
    store = of_all_projects(cloud.url)
    claim = store.claim(only(store), KNOWN)
    assert (claim.verdict, claim.proven) == (Verdict.AMBIGUOUS, False)
    assert "another project" in claim.why
    cloud.backups.clear()
    cloud.images.clear()
    lay("c", of)
    assert store.claim(only(store), KNOWN).proven


def test_among_all_projects_a_server_proves_nothing_before_its_project_was_seen(cloud: Cloud) -> None:
    cloud.roles = ["admin"]
    cloud.image("i", "server bob", project=OTHERS)
    store = of_all_projects(cloud.url)
    claim = store.claim(only(store), replace(KNOWN, proofs={"uuid": SERVER}))
    assert claim.verdict is Verdict.AMBIGUOUS
    assert "was never seen" in claim.why


# --- whose -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("proofs", "verdict"),
    [
        ({"uuid": SERVER, **seen_of(SERVER, VOLUME)}, Verdict.MINE),
        ({"uuid": SERVER, **seen_of(SERVER, an_id("x"), VOLUME)}, Verdict.MINE),
        ({"uuid": SERVER, **seen_of(SERVER)}, Verdict.NOT_MINE),
        ({"uuid": SERVER}, Verdict.NOT_MINE),
        ({"uuid": an_id("x"), **seen_of(SERVER, VOLUME)}, Verdict.NOT_MINE),
        ({"uuid": SERVER, **seen_of(SERVER), "cloud/former volume 1": VOLUME}, Verdict.AMBIGUOUS),
        ({"uuid": SERVER, "elsewhere/seen": LAST_SEEN, "elsewhere/volume 1": VOLUME}, Verdict.NOT_MINE),
        ({"project": PROJECT}, Verdict.NOT_MINE),
        ({}, Verdict.NOT_MINE),
    ],
)
def test_a_volume_s_backups_are_whose_server_it_was_attached_to_at_last(
    cloud: Cloud, proofs: dict[str, str], verdict: Verdict
) -> None:
    cloud.backup("b", "volume bob")
    store = store_on(cloud.url)
    assert store.claim(only(store), replace(ACCOUNT, proofs=proofs)).verdict is verdict


def test_an_image_is_whose_server_it_was_made_of(cloud: Cloud) -> None:
    cloud.image("i", "server bob")
    store = store_on(cloud.url)
    item = only(store)
    assert store.claim(item, ACCOUNT).proven
    former = replace(ACCOUNT, proofs={"uuid": an_id("x"), "uuid.1": SERVER})
    assert store.claim(item, former).verdict is Verdict.AMBIGUOUS
    assert store.claim(item, replace(ACCOUNT, until=DAY.replace(month=3))).verdict is Verdict.AMBIGUOUS


# --- what a server had ------------------------------------------------------------------------------------


def kept(account: AccountIdentity, found: Mapping[str, str]) -> AccountIdentity:
    proofs = {f"cloud/{name}": value for name, value in {**found, SEEN: LAST_SEEN}.items()}
    return replace(account, proofs={"uuid": account.proofs["uuid"], **proofs})


def test_a_server_s_volumes_are_seen_and_those_that_left_it_are_remembered_apart(cloud: Cloud) -> None:
    cloud.server("server bob", "volume bob", "volume 2", "volume 3")
    cloud.volumes[an_id("volume 2")]["multiattach"] = True
    cloud.volumes[an_id("volume 3")]["attachments"].append({"server_id": an_id("server x")})
    store = store_on(cloud.url)
    account = kept(ACCOUNT, store.capture(ACCOUNT))
    shared = sorted((an_id("volume 2"), an_id("volume 3")))
    assert captured(account, "cloud") == {
        "server": SERVER,
        "project": PROJECT,
        "volume 1": VOLUME,
        "former volume 1": shared[0],
        "former volume 2": shared[1],
        "seen": LAST_SEEN,
    }
    cloud.server("server bob", "volume 4")
    later = captured(kept(ACCOUNT, store.capture(account)), "cloud")
    assert later["volume 1"] == an_id("volume 4")
    assert {later[f"former volume {n}"] for n in (1, 2, 3)} == {VOLUME, *shared}


def test_what_it_does_not_know_is_not_captured(cloud: Cloud) -> None:
    store = store_on(cloud.url)
    assert store.capture(ACCOUNT) == {}
    assert store.capture(replace(ACCOUNT, proofs={})) == {}
    assert store.capture(replace(ACCOUNT, proofs={"uuid": "../servers"})) == {}
    cloud.server("server bob")
    assert store.capture(replace(ACCOUNT, server=2)) == {}
    for attached in (None, [{"id": "x"}], ["x"]):
        cloud.servers[SERVER]["os-extended-volumes:volumes_attached"] = attached
        with pytest.raises(ViewIncomplete, match="in another shape"):
            store.capture(ACCOUNT)


@pytest.mark.parametrize(
    ("account", "why"),
    [
        (replace(KNOWN, proofs={}), "no id of root was recorded as uuid"),
        (replace(KNOWN, proofs={**KNOWN.proofs, "uuid": "no id"}), "no id of root was recorded as uuid"),
        (ACCOUNT, "were never seen while it lived"),
        (replace(KNOWN, proofs={**KNOWN.proofs, "uuid": an_id("another")}), "were never seen while it lived"),
        (replace(KNOWN, proofs={**KNOWN.proofs, "cloud/project": OTHERS}), "was in another project"),
        (replace(KNOWN, until=date(2026, 6, 13)), "seen last on 2026-06-10, too long before its end"),
    ],
)
def test_what_could_not_be_known_as_the_account_s_is_never_called_gone(
    cloud: Cloud, account: AccountIdentity, why: str
) -> None:
    store = store_on(cloud.url)
    listing(store)
    with pytest.raises(ViewIncomplete, match=why):
        store.residue(account)
    assert list(store.residue(replace(account, server=2))) == []
    assert list(store.residue(replace(account, until=None))) == []


def test_a_server_that_lives_without_anything_is_not_taken_for_done(cloud: Cloud) -> None:
    store = store_on(cloud.url)
    assert list(store.residue(KNOWN)) == []
    cloud.server("server bob", "volume bob")
    with pytest.raises(ViewIncomplete, match="lives, and may be backed up at any time"):
        store.residue(KNOWN)
    cloud.backup("b", "volume bob")
    listing(store)
    assert list(store.residue(KNOWN)) == []


# --- deleting --------------------------------------------------------------------------------------------


def test_nothing_is_forced_and_one_id_is_named(cloud: Cloud) -> None:
    cloud.backup("b", "volume bob")
    store = store_on(cloud.url)
    item = only(store)
    assert store.delete(item).outcome is Outcome.DELETED
    [(_, path, words)] = [seen for seen in cloud.seen if seen[0] == "DELETE"]
    assert (path, words) == (f"/volume/v3/{PROJECT}/backups/{item.version}", {})
    assert {method for method, _, _ in cloud.seen} == {"GET", "POST", "DELETE"}


def test_what_newer_backups_rest_on_goes_after_them(cloud: Cloud) -> None:
    number = cloud.backup("full", "volume bob", has_dependent_backups=True)
    store = store_on(cloud.url)
    receipt = store.delete(only(store))
    assert (receipt.outcome, receipt.note) == (Outcome.REFUSED, "newer backups rest on it, and go first")
    assert number in cloud.backups
    cloud.backups[number]["has_dependent_backups"] = False
    assert store.delete(only(store)).outcome is Outcome.DELETED


def test_a_deletion_is_asked_for_until_it_is_gone(cloud: Cloud) -> None:
    cloud.backup("b", "volume bob")
    cloud.slow = 3
    store = store_on(cloud.url)
    receipt = store.delete(only(store))
    assert receipt.outcome is Outcome.ACCEPTED
    assert only(store).locator == receipt.task
    assert settled(store, receipt).outcome is Outcome.DELETED


def test_within_its_time_a_deletion_is_waited_for(cloud: Cloud) -> None:
    cloud.backup("b", "volume bob")
    cloud.slow = 3
    slept: list[float] = []
    store = store_on(cloud.url, wait_seconds=60)
    store._sleep = slept.append
    assert store.delete(only(store)).outcome is Outcome.DELETED
    assert slept == [PAUSE] * 4
    cloud.backup("b", "volume bob")
    cloud.slow = 1000
    slept.clear()
    assert store.delete(only(store)).outcome is Outcome.ACCEPTED
    assert sum(slept) == 60


@pytest.mark.parametrize("ends_as", ["error_deleting", "error", "available"])
def test_a_deletion_that_ends_with_the_item_there_has_failed(cloud: Cloud, ends_as: str) -> None:
    cloud.backup("b", "volume bob")
    cloud.slow, cloud.ends_as = 1, ends_as
    store = store_on(cloud.url)
    receipt = settled(store, store.delete(only(store)))
    assert receipt.outcome is Outcome.FAILED
    assert ends_as in receipt.note


def test_success_without_effect_is_no_success(cloud: Cloud) -> None:
    cloud.snapshot("s", "volume bob")
    cloud.effect = False
    store = store_on(cloud.url)
    receipt = store.delete(only(store))
    assert (receipt.outcome, receipt.note) == (Outcome.FAILED, "its deletion ended, and it is there as available")


def test_a_neighbour_that_vanishes_with_it_is_missing_in_the_next_list(cloud: Cloud) -> None:
    cloud.backup("b", "volume bob")
    cloud.neighbour = cloud.image("of others", "server x")
    store = store_on(cloud.url)
    [mine] = mine_of(store, KNOWN)
    assert store.delete(mine).outcome is Outcome.DELETED
    assert listing(store) == []


def test_a_protected_image_stays_and_is_never_unprotected(cloud: Cloud) -> None:
    number = cloud.image("i", "server bob", protected=True)
    store = store_on(cloud.url)
    item = only(store)
    assert (item.lock, store.delete(item).outcome) == ("protected", Outcome.LOCKED)
    cloud.images[number]["protected"] = False
    free = only(store)
    cloud.on_delete = lambda path: Response("Image is protected and cannot be deleted.", 403)
    assert store.delete(free).outcome is Outcome.LOCKED
    assert "PATCH" not in {method for method, _, _ in cloud.seen}


@pytest.mark.parametrize("status", [400, 403, 409])
def test_a_refusal_is_told_in_one_line(cloud: Cloud, status: int) -> None:
    cloud.snapshot("s", "volume bob")
    cloud.on_delete = lambda path: Response('{"badRequest": {"message": "dependent\nvolumes"}}', status)
    store = store_on(cloud.url)
    receipt = store.delete(only(store))
    assert receipt.outcome is Outcome.FAILED
    assert receipt.note.startswith(f"a refusal ({status}): ")
    assert len(receipt.note.splitlines()) == 1


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("creating", Outcome.FAILED),
        ("restoring", Outcome.FAILED),
        ("None", Outcome.FAILED),
        ("deleting", Outcome.ACCEPTED),
        ("error", Outcome.DELETED),
    ],
)
def test_what_something_is_at_work_on_waits(cloud: Cloud, status: str, outcome: Outcome) -> None:
    number = cloud.backup("b", "volume bob")
    store = store_on(cloud.url)
    item = only(store)
    cloud.backups[number]["status"], cloud.slow = status, 9 if status == "deleting" else 0
    assert store.delete(item).outcome is outcome
    sent = [path for method, path, _ in cloud.seen if method == "DELETE"]
    assert bool(sent) is (outcome is Outcome.DELETED)


def test_what_a_living_server_uses_stays(cloud: Cloud) -> None:
    cloud.server("server bob", "volume bob")
    cloud.backup("b", "volume bob")
    cloud.image("i", "server bob")
    store = store_on(cloud.url)
    notes = {store.delete(item).note for item in listing(store)}
    assert notes == {f"its volume {VOLUME} is attached to a living server", f"its server {SERVER} lives"}
    cloud.end("server bob")
    cloud.volumes[VOLUME] = {"id": VOLUME, "attachments": []}
    assert {store.delete(item).outcome for item in listing(store)} == {Outcome.DELETED}


def test_a_task_that_is_none_of_ours_is_asked_nowhere(cloud: Cloud) -> None:
    store = store_on(cloud.url)
    for task in ("", "backup/", "volume/x", f"volumes/{VOLUME}", "backup/../volumes"):
        assert store.poll(Receipt(Outcome.ACCEPTED, task=task)).outcome is Outcome.UNKNOWN
    assert cloud.seen == []


def test_two_stores_of_one_project_are_one_and_all_projects_hold_each() -> None:
    here = {"url": "https://cloud.example.com/v3", "project": PROJECT, "all_projects": False}
    there = {**here, "project": OTHERS}
    assert same_place(("openstack", here), ("openstack", here))
    assert not same_place(("openstack", here), ("openstack", there))
    assert same_place(("openstack", here), ("openstack", {**there, "all_projects": True}))
    assert not same_place(
        ("openstack", {**here, "region": "RegionOne"}), ("openstack", {**here, "region": "RegionTwo"})
    )


# --- the settings ------------------------------------------------------------------------------------------

GIVEN = f"""[[backup_store]]
name = "cloud"
driver = "openstack"
servers = [3]
url = "https://cloud.example.com:5000/v3"
application_credential_id = "{CREDENTIAL}"
application_credential_secret = "env:SECRET"
project = "{PROJECT}"
"""


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("https", "http", "plain http"),
        ("servers = [3]\n", "", "servers: missing, expected WHMCS's ids of its servers: accounts of other servers"),
        (PROJECT, "hosting", "project: found"),
        (f'project = "{PROJECT}"\n', "", "project: missing"),
        (CREDENTIAL, "../x", "application_credential_id: found"),
        ("servers", 'project_field = "project"\nservers', "project_field: found beside one project"),
        ("servers", 'interface = "secret"\nservers', "interface: found"),
    ],
)
def test_settings_that_could_reach_too_far_are_refused(old: str, new: str, line: str) -> None:
    assert problems_of(GIVEN) == []
    [found] = problems_of(GIVEN.replace(old, new))
    assert line in found


def test_the_hand_that_deletes_may_have_a_credential_of_its_own() -> None:
    named = {key.name for key in store_options("openstack").credentials}
    assert named == {"application_credential_id", "application_credential_secret"}
