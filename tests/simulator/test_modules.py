"""Module commands: their hooks, their failures, what they leave behind."""

import pytest

from tests.simulator.calls import a_front, reply_of
from tests.simulator.worlds import a_client, a_service, a_world, listen
from whmcs_bridge.simulator.front import Front
from whmcs_bridge.simulator.records import Actor


@pytest.fixture
def front() -> Front:
    world = a_world()
    client = a_client(world, group=0)
    a_service(world, client, domain="a.example", username="auser", password="pw")
    a_service(world, client, product=2)
    return a_front(world)


ENDS = [
    ("ModuleCreate", "Create", "Active"),
    ("ModuleSuspend", "Suspend", "Suspended"),
    ("ModuleUnsuspend", "Unsuspend", "Active"),
    ("ModuleTerminate", "Terminate", "Terminated"),
    ("ModuleChangePackage", "ChangePackage", "Pending"),
]


@pytest.mark.parametrize(("action", "name", "status"), ENDS)
def test_a_command_fires_its_hooks_and_leaves_its_status(front: Front, action: str, name: str, status: str) -> None:
    world = front.world
    world.set_service_status(world.services[1], "Pending")
    listener = listen(world)
    assert reply_of(front, action, serviceid=1) == {"result": "success"}
    assert listener.points == [f"PreModule{name}", f"AfterModule{name}"]
    assert world.services[1].status == status
    assert world.log[-1].kind == f"module:{name.lower()}"
    assert world.log[-1].actor == Actor.API


def test_hooks_carry_the_documented_variables_under_params(front: Front) -> None:
    listener = listen(front.world)
    reply_of(front, "ModuleSuspend", serviceid=1, suspendreason="unpaid")
    params = listener.variables("PreModuleSuspend")[0]["params"]
    assert {name: params[name] for name in ("serviceid", "userid", "pid", "domain", "username", "suspendreason")} == {
        "serviceid": 1,
        "userid": 1,
        "pid": 1,
        "domain": "a.example",
        "username": "auser",
        "suspendreason": "unpaid",
    }
    assert params["moduletype"] == "cpanel"
    assert params["clientsdetails"]["userid"] == 1


def test_an_abort_stops_the_command_and_is_recorded(front: Front) -> None:
    listener = listen(front.world)
    listener.answers["PreModuleTerminate"] = lambda _: {"abortcmd": True}
    reply = reply_of(front, "ModuleTerminate", serviceid=1)
    assert reply == {"result": "error", "message": "Module Command Aborted by Action Hook"}
    assert listener.points == ["PreModuleTerminate"]
    assert front.world.services[1].status == "Active"
    assert front.world.log[-1].kind == "refused:PreModuleTerminate"


def test_the_listener_can_see_who_acts(front: Front) -> None:
    seen: list[str] = []
    front.world.hook_listener = lambda point, variables: seen.append(front.world.actor)
    reply_of(front, "ModuleSuspend", serviceid=1)
    assert set(seen) == {Actor.API}


def test_a_module_that_fails_says_so_in_its_own_words(front: Front) -> None:
    front.world.failing_services[1] = "Connection to server failed"
    listener = listen(front.world)
    reply = reply_of(front, "ModuleSuspend", serviceid=1)
    assert reply == {"result": "error", "message": "Connection to server failed"}
    assert listener.points == ["PreModuleSuspend", "AfterModuleSuspendFailed"]
    failure = listener.variables("AfterModuleSuspendFailed")[0]
    assert failure["failureResponseMessage"] == "Connection to server failed"
    assert front.world.services[1].status == "Active"


def test_every_module_can_be_made_to_fail(front: Front) -> None:
    front.world.switches.module_failure_text = "License expired"
    assert reply_of(front, "ModuleCreate", serviceid=1)["message"] == "License expired"


@pytest.mark.parametrize("entered", [False, True])
def test_whether_an_api_failure_enters_the_queue_is_a_switch(front: Front, entered: bool) -> None:
    front.world.switches.api_module_failure_enters_queue = entered
    front.world.failing_services[1] = "down"
    reply_of(front, "ModuleSuspend", serviceid=1)
    reply = reply_of(front, "GetModuleQueue")
    assert reply["count"] == int(entered)
    if entered:
        assert reply["queue"][0]["moduleAction"] == "SuspendAccount"
        assert reply["queue"][0]["lastAttemptError"] == "down"


def test_a_service_without_a_module_cannot_be_commanded(front: Front) -> None:
    listener = listen(front.world)
    reply = reply_of(front, "ModuleSuspend", serviceid=2)
    assert reply == {"result": "error", "message": "Service not assigned to a module"}
    assert listener.points == []


def test_the_id_may_come_under_its_old_name(front: Front) -> None:
    assert reply_of(front, "ModuleSuspend", accountid=1) == {"result": "success"}


def test_an_id_is_required(front: Front) -> None:
    assert reply_of(front, "ModuleSuspend")["message"] == "Service ID is required"


def test_the_reason_is_stored_and_gone_after_the_release(front: Front) -> None:
    reply_of(front, "ModuleSuspend", serviceid=1, suspendreason="Overdue: invoice 5")
    row = reply_of(front, "GetClientsProducts", serviceid=1)["products"]["product"][0]
    assert (row["status"], row["suspensionreason"]) == ("Suspended", "Overdue: invoice 5")
    reply_of(front, "ModuleUnsuspend", serviceid=1)
    row = reply_of(front, "GetClientsProducts", serviceid=1)["products"]["product"][0]
    assert (row["status"], row["suspensionreason"]) == ("Active", "")


def test_a_status_set_by_hand_runs_no_module_and_no_module_hook(front: Front) -> None:
    listener = listen(front.world)
    reply_of(front, "UpdateClientProduct", serviceid=1, status="Terminated")
    assert listener.points == ["PreServiceEdit", "ServiceEdit"]
    assert front.world.services[1].status == "Terminated"
    assert front.world.log[-1].kind == "service:status"


def test_a_reason_can_be_set_and_unset_on_a_suspended_service(front: Front) -> None:
    """Facts sheet 7.2: how WHMCS's auto-unsuspend is blocked and allowed again."""
    reply_of(front, "ModuleSuspend", serviceid=1)
    reply_of(front, "UpdateClientProduct", serviceid=1, suspendreason="ours")
    assert front.world.services[1].suspend_reason == "ours"
    reply_of(front, "UpdateClientProduct", serviceid=1, **{"unset[0]": "suspendreason"})
    assert front.world.services[1].suspend_reason == ""


def test_the_activity_log_tells_of_the_command(front: Front) -> None:
    reply_of(front, "ModuleSuspend", serviceid=1)
    entry = reply_of(front, "GetActivityLog", description="module suspend")["activity"]["entry"][0]
    assert entry["description"] == "Module Suspend Successful - Service ID: 1"


@pytest.mark.parametrize("sent", [False, True])
def test_whether_an_api_suspension_sends_mail_is_a_switch(front: Front, sent: bool) -> None:
    front.world.switches.api_suspend_sends_mail = sent
    reply_of(front, "ModuleSuspend", serviceid=1)
    assert bool(front.world.emails) is sent
