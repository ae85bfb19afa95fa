"""Panels over HTTP: who lives, from answers in their known shapes, and nobody from any other."""

import json
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from whmcs_bridge.backups.panels import DirectAdmin, Hestia, HttpPanel, Vesta, Whm
from whmcs_bridge.domain.backups import LivingAccount
from whmcs_bridge.domain.panel_lists import PanelBackup, PanelDestination
from whmcs_bridge.errors import StoreAuthFailed, StoreRateLimited, StoreTrouble, StoreUnreachable, ViewIncomplete
from whmcs_bridge.settings.model import PanelSettings
from whmcs_bridge.settings.secret import Secret

TOKEN = "panel-token-for-tests"


def given(driver: str, url: str, **options: Any) -> PanelSettings:
    return PanelSettings("host1", driver, (1,), {"url": url.rstrip("/"), "timeout_seconds": 5, **options})


def whm(url: str) -> HttpPanel:
    return Whm(given("whm", url, user="root", token=Secret.given(TOKEN)))


def directadmin(url: str) -> HttpPanel:
    return DirectAdmin(given("directadmin", url, user="admin", login_key=Secret.given(TOKEN)))


def hestia(url: str) -> HttpPanel:
    return Hestia(given("hestia", url, access_key=Secret.given("AK"), secret_key=Secret.given(TOKEN)))


def vesta(url: str) -> HttpPanel:
    return Vesta(given("vesta", url, user="admin", password=Secret.given(TOKEN)))


EVERY = pytest.mark.parametrize("panel", [whm, directadmin, hestia, vesta])
Make = Callable[[str], HttpPanel]


def test_whm_tells_who_lives_and_by_which_id(httpserver: HTTPServer) -> None:
    row = {"user": "bob", "uid": "1007", "unix_startdate": "1736467200", "domain": "bob.example.com", "owner": "agency"}
    own = {"user": "agency", "domain": "agency.example.com", "owner": "agency"}
    httpserver.expect_request(
        "/json-api/listaccts", query_string={"api.version": "1"}, headers={"Authorization": f"whm root:{TOKEN}"}
    ).respond_with_json({"metadata": {"result": 1, "command": "listaccts"}, "data": {"acct": [row, own]}})
    assert whm(httpserver.url_for("/")).living() == {
        "bob": LivingAccount("bob", "1007:1736467200", "bob.example.com", "agency"),
        "agency": LivingAccount("agency", "", "agency.example.com", ""),
    }


def test_a_refusal_of_whm_has_status_200(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/json-api/listaccts").respond_with_json(
        {"metadata": {"result": 0, "reason": "You do not have permission"}}
    )
    with pytest.raises(ViewIncomplete, match="You do not have permission"):
        whm(httpserver.url_for("/")).living()


@pytest.mark.parametrize("users", ['["bob","bob1"]', '{"list":["bob","bob1"]}', "list[]=bob&list[]=bob1"])
def test_directadmin_tells_users_resellers_and_admins(httpserver: HTTPServer, users: str) -> None:
    for command, text in (("ALL_USERS", users), ("RESELLERS", "list[]=agency"), ("ADMINS", '["admin"]')):
        httpserver.expect_request(f"/CMD_API_SHOW_{command}").respond_with_data(text)
    assert set(directadmin(httpserver.url_for("/")).living()) == {"bob", "bob1", "agency", "admin"}


@pytest.mark.parametrize("nobody", ["[]", '{"list":[]}', "list[]=", "error=0&text=&details="])
def test_a_directadmin_without_resellers_has_an_empty_list_of_them(httpserver: HTTPServer, nobody: str) -> None:
    for command, text in (("ALL_USERS", "list[]=bob"), ("RESELLERS", nobody), ("ADMINS", '["admin"]')):
        httpserver.expect_request(f"/CMD_API_SHOW_{command}").respond_with_data(text)
    assert set(directadmin(httpserver.url_for("/")).living()) == {"bob", "admin"}


@pytest.mark.parametrize("command", ["RESELLERS", "ADMINS"])
@pytest.mark.parametrize("text", ["", "{}", '{"type":"FORBIDDEN"}', '{"result":"failed"}', "<html>"])
def test_an_answer_without_a_list_says_of_nobody_that_they_are_gone(
    httpserver: HTTPServer, command: str, text: str
) -> None:
    for one in ("ALL_USERS", "RESELLERS", "ADMINS"):
        httpserver.expect_request(f"/CMD_API_SHOW_{one}").respond_with_data(text if one == command else '["bob"]')
    with pytest.raises(ViewIncomplete, match=f"CMD_API_SHOW_{command}"):
        directadmin(httpserver.url_for("/")).living()


def test_a_list_without_any_admin_is_not_believed(httpserver: HTTPServer) -> None:
    for command, text in (("ALL_USERS", "list[]=bob"), ("RESELLERS", "[]"), ("ADMINS", "[]")):
        httpserver.expect_request(f"/CMD_API_SHOW_{command}").respond_with_data(text)
    with pytest.raises(ViewIncomplete, match="nobody at all to CMD_API_SHOW_ADMINS"):
        directadmin(httpserver.url_for("/")).living()


@pytest.mark.parametrize("text", ["error=1&text=Access+denied", '{"error":"1","text":"Access denied"}'])
def test_a_refusal_of_directadmin_is_no_list(httpserver: HTTPServer, text: str) -> None:
    for command in ("ALL_USERS", "RESELLERS", "ADMINS"):
        httpserver.expect_request(f"/CMD_API_SHOW_{command}").respond_with_data(text)
    with pytest.raises(ViewIncomplete, match="Access denied"):
        directadmin(httpserver.url_for("/")).living()


@pytest.mark.parametrize("panel", [hestia, vesta])
def test_hestia_and_vesta_tell_who_lives_and_since_when(httpserver: HTTPServer, panel: Make) -> None:
    users = {"bob": {"NAME": "Bob", "DATE": "2026-01-10", "TIME": "10:11:12"}, "admin": {}}
    httpserver.expect_request("/api/", method="POST").respond_with_json(users, headers={"Hestia-Exit-Code": "0"})
    assert panel(httpserver.url_for("/")).living() == {
        "bob": LivingAccount("bob", "2026-01-10 10:11:12"),
        "admin": LivingAccount("admin"),
    }


@pytest.mark.parametrize(("code", "error"), [("10", StoreAuthFailed), ("3", ViewIncomplete)])
def test_a_command_of_hestia_that_failed_is_no_list(httpserver: HTTPServer, code: str, error: type[Exception]) -> None:
    httpserver.expect_request("/api/").respond_with_json({"x": {}}, headers={"Hestia-Exit-Code": code})
    with pytest.raises(error):
        hestia(httpserver.url_for("/")).living()


@EVERY
@pytest.mark.parametrize(
    "text", ["", "null", "{}", "[]", "<html><title>Login</title></html>", '{"data": 1}', '[{"a": 1}]', '{"list": [1]}']
)
def test_what_is_no_list_of_accounts_says_nobody_is_gone(httpserver: HTTPServer, panel: Make, text: str) -> None:
    httpserver.expect_request("/json-api/listaccts").respond_with_data(text)
    for command in ("ALL_USERS", "RESELLERS", "ADMINS"):
        httpserver.expect_request(f"/CMD_API_SHOW_{command}").respond_with_data(text)
    httpserver.expect_request("/api/").respond_with_data(text)
    with pytest.raises(StoreTrouble):
        panel(httpserver.url_for("/")).living()


@EVERY
@pytest.mark.parametrize(
    ("status", "error"),
    [(401, StoreAuthFailed), (403, StoreAuthFailed), (302, StoreUnreachable), (500, StoreUnreachable)],
)
def test_a_status_that_is_no_answer(httpserver: HTTPServer, panel: Make, status: int, error: type[Exception]) -> None:
    for path in ("/json-api/listaccts", "/CMD_API_SHOW_ALL_USERS", "/api/"):
        httpserver.expect_request(path).respond_with_data("[]", status=status, headers={"Location": "/elsewhere"})
    with pytest.raises(error) as raised:
        panel(httpserver.url_for("/")).living()
    assert TOKEN not in str(raised.value)


def test_a_panel_in_a_hurry_and_one_that_is_away(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/api/").respond_with_data("", status=429)
    with pytest.raises(StoreRateLimited):
        hestia(httpserver.url_for("/")).living()
    with pytest.raises(StoreUnreachable) as away:
        hestia("http://127.0.0.1:1").living()
    assert TOKEN not in f"{away.value}{away.value.__cause__}"


def test_a_panel_serves_its_own_servers_only(httpserver: HTTPServer) -> None:
    panel = whm(httpserver.url_for("/"))
    assert (panel.serves(1), panel.serves(2)) == (True, False)
    panel.close()


# --- what the panels list -------------------------------------------------------------------------


def whm_says(httpserver: HTTPServer, function: str, data: object, **query: str) -> None:
    httpserver.expect_request(
        f"/json-api/{function}", query_string={"api.version": "1", **query} if query else None
    ).respond_with_json({"metadata": {"result": 1, "command": function}, "data": data})


def test_whm_lists_backups_of_accounts_that_are_gone_and_where_they_go(httpserver: HTTPServer) -> None:
    whm_says(httpserver, "backup_date_list", {"backup_set": ["2026-11-01", "2026-11-08"]})
    users = [{"username": "bob", "status": "active"}, {"username": "bob1", "status": "inactive"}]
    none = {"username": "carol", "status": "no_backup"}
    whm_says(httpserver, "backup_user_list", {"user": [*users, none]}, restore_point="2026-11-01")
    whm_says(httpserver, "backup_user_list", {"user": users[:1]}, restore_point="2026-11-08")
    config = {"backupdir": "/backup", "keeplocal": 0, "backupenable": "1"}
    whm_says(httpserver, "backup_config_get", {"backup_config": config})
    bucket = {"id": "x", "name": "off site", "type": "AmazonS3", "bucket": "b1", "folder": "whm1", "disabled": 1}
    box = {"id": "y", "name": "box", "type": "SFTP", "host": "box.example.com", "path": "/b", "disabled": 0}
    whm_says(httpserver, "backup_destination_list", {"destination_list": [bucket, box]})
    found = whm(httpserver.url_for("/")).inventory()
    assert found is not None
    assert [(b.account, b.name, b.day) for b in found.backups] == [
        ("bob", "2026-11-01", date(2026, 11, 1)),
        ("bob1", "2026-11-01", date(2026, 11, 1)),
        ("bob", "2026-11-08", date(2026, 11, 8)),
    ]
    assert found.destinations == (
        PanelDestination("backupdir", "Local", path="/backup", used=False),
        PanelDestination("off site", "AmazonS3", "b1", "whm1", used=False),
        PanelDestination("box", "SFTP", "box.example.com", "/b"),
    )


def test_hestia_lists_what_each_users_index_names(httpserver: HTTPServer) -> None:
    def answer(request: Request) -> Response:
        cmd, user = request.form["cmd"], request.form["arg1"]
        if cmd == "v-list-users":
            return Response(json.dumps({"bob": {}, "bob.smith": {}}), headers={"Hestia-Exit-Code": "0"})
        rows = (
            {f"{user}.2026-10-01_05-10-00.tar": {"TYPE": "local,sftp", "DATE": "2026-10-01"}} if user == "bob" else {}
        )
        assert request.form["arg2"] == "json"
        return Response(json.dumps(rows) if rows else "", headers={"Hestia-Exit-Code": "0"})

    httpserver.expect_request("/api/", method="POST").respond_with_handler(answer)
    found = hestia(httpserver.url_for("/")).inventory()
    assert found is not None
    name = "bob.2026-10-01_05-10-00.tar"
    assert found.backups == (PanelBackup("bob", name, date(2026, 10, 1), ("local", "sftp")),)
    assert [d.kind for d in found.destinations] == ["local", "sftp"]


def test_directadmin_lists_its_archives_and_where_schedules_send_them(httpserver: HTTPServer) -> None:
    names = ["user.admin.bob.tar.zst", "reseller.admin.agency.tar.gz"]
    archives = "&".join([*(f"file{n}={name}" for n, name in enumerate(names)), "num_files=2", "location=/home/admin/b"])
    httpserver.expect_request("/CMD_API_ADMIN_BACKUP").respond_with_data(archives)
    crons = {
        "1": {"where": "ftp", "ftp_ip": "ftp.example.com", "ftp_path": "/da"},
        "2": {"where": "local", "local_path": "/mnt/da"},
    }
    httpserver.expect_request("/CMD_ADMIN_BACKUP").respond_with_json({"crons": crons})
    found = directadmin(httpserver.url_for("/")).inventory()
    assert found is not None
    assert [(b.account, b.name) for b in found.backups] == [("bob", names[0]), ("agency", names[1])]
    assert [(d.kind, d.host, d.path) for d in found.destinations] == [
        ("local", "", "/home/admin/b"),
        ("ftp", "ftp.example.com", "/da"),
        ("local", "", "/mnt/da"),
    ]


def test_archives_that_directadmin_counts_and_does_not_show_are_no_list(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/CMD_API_ADMIN_BACKUP").respond_with_data("num_files=3&file0=user.admin.bob.tar.gz")
    with pytest.raises(ViewIncomplete, match="1 archives where it counts 3"):
        directadmin(httpserver.url_for("/")).inventory()


@EVERY
@pytest.mark.parametrize("text", ["", "null", "[]", "<html></html>", '{"data": 1}', '{"error": "1", "text": "no"}'])
def test_what_is_no_list_of_backups_is_trouble(httpserver: HTTPServer, panel: Make, text: str) -> None:
    httpserver.expect_request(re.compile("/.*")).respond_with_data(text)
    with pytest.raises(StoreTrouble):
        panel(httpserver.url_for("/")).inventory()
