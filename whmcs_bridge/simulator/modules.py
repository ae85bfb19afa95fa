"""Module commands on services: the hooks around them, what they change, and how they fail."""

from dataclasses import dataclass
from typing import Any

from whmcs_bridge.simulator.records import Actor, Email, Service, ServiceStatus
from whmcs_bridge.simulator.state import World, aborts

NO_MODULE = "Service not assigned to a module"


@dataclass(frozen=True, slots=True)
class Command:
    """A module function: its name in hooks and logs, in the module queue, and the status it leaves."""

    name: str
    queue_action: str
    status: str = ""


CREATE = Command("Create", "CreateAccount", ServiceStatus.ACTIVE)
SUSPEND = Command("Suspend", "SuspendAccount", ServiceStatus.SUSPENDED)
UNSUSPEND = Command("Unsuspend", "UnsuspendAccount", ServiceStatus.ACTIVE)
TERMINATE = Command("Terminate", "TerminateAccount", ServiceStatus.TERMINATED)
CHANGE_PACKAGE = Command("ChangePackage", "ChangePackage")
CHANGE_PASSWORD = Command("ChangePassword", "ChangePassword")
RENEW = Command("Renew", "Renew")
CUSTOM = Command("Custom", "Custom")


def module_of(world: World, service: Service) -> str:
    """The system name of the module behind a service; empty for none."""
    product = world.products.get(service.product)
    return product.module if product is not None else ""


def run_module(world: World, service: Service, command: Command, *, reason: str = "", end_status: str = "") -> str:
    """Run a module command as the current actor; return the error text, empty when it worked.

    Fires PreModule*, then AfterModule* or AfterModule*Failed with the documented variables
    (facts sheet 11.2). On success the status follows (`end_status` overrides it: a cancellation
    request ends in Cancelled), `reason` is stored by a suspension, and `module:<name>` is recorded.
    A failure of the cron or a payment enters the module queue.
    """
    if not module_of(world, service):
        return NO_MODULE
    listening = world.hook_listener is not None or world.switches.debug_hooks
    variables = {"params": module_params(world, service)} if listening else {}
    if command is SUSPEND and listening:
        variables["params"]["suspendreason"] = reason
    hook = f"PreModule{command.name}"
    if listening and aborts(world.fire(hook, variables)):
        world.record(f"refused:{hook}", client=service.client, service=service.id)
        return world.switches.aborted_module_failure_text
    world.waited += world.switches.module_latency
    error = world.failing_services.get(service.id) or world.switches.module_failure_text
    if error:
        _failed(world, service, command, variables, error)
        return error
    _succeeded(world, service, command, reason, end_status)
    if listening:
        world.fire(f"AfterModule{command.name}", variables)
    return ""


def _failed(world: World, service: Service, command: Command, variables: dict[str, Any], error: str) -> None:
    automated = world.actor in (Actor.CRON, Actor.PAYMENT)
    if automated or world.switches.api_module_failure_enters_queue:
        world.queue_module_failure(service, command.queue_action, error)
    world.note_activity(f"Module {command.name} Failed - Service ID: {service.id} - Error: {error}", service.client)
    kind = f"module:{command.name.lower()}:failed"
    world.record(kind, client=service.client, service=service.id, detail=error)
    if world.hook_listener is not None:
        failure = {**variables, "failureResponseMessage": error}
        world.fire(f"AfterModule{command.name}Failed", failure)


def _succeeded(world: World, service: Service, command: Command, reason: str, end_status: str) -> None:
    if command.status:
        world.set_service_status(service, end_status or command.status)
    if command is SUSPEND:
        service.suspend_reason = reason
    for entry in world.module_queue.values():
        if entry.service == service.id and entry.action == command.queue_action:
            entry.completed = True
    if world.actor == Actor.CRON and command in (SUSPEND, TERMINATE):
        doing = "Suspending" if command is SUSPEND else "Terminating"
        world.note_activity(f"Cron Job: {doing} Service - Service ID: {service.id}", service.client)
    else:
        world.note_activity(f"Module {command.name} Successful - Service ID: {service.id}", service.client)
    kind = f"module:{command.name.lower()}"
    world.record(kind, client=service.client, service=service.id, detail=reason)
    if command is SUSPEND and world.actor == Actor.API and world.switches.api_suspend_sends_mail:
        client = world.clients[service.client]
        world.add_email(
            Email(
                0,
                client.id,
                "Service Suspension Notification",
                f"Your service {service.domain} has been suspended.",
                world.clock,
                to=client.email,
                template="Service Suspension Notification",
                relid=service.id,
            )
        )


def module_params(world: World, service: Service) -> dict[str, Any]:
    """The common module parameters of a service (facts sheet 11.2), secrets included as WHMCS does."""
    product = world.products.get(service.product)
    server = world.servers.get(service.server)
    client = world.clients.get(service.client)
    details: dict[str, Any] = {}
    if client is not None:
        details = {
            "userid": client.id,
            "id": client.id,
            "firstname": client.firstname,
            "lastname": client.lastname,
            "email": client.email,
            "groupid": client.group,
            "status": client.status,
        }
    return {
        "serviceid": service.id,
        "accountid": service.id,
        "userid": service.client,
        "pid": service.product,
        "serverid": service.server,
        "domain": service.domain,
        "username": service.username,
        "password": service.password,
        "producttype": product.type if product else "",
        "moduletype": product.module if product else "",
        "clientsdetails": details,
        "customfields": {world.field_name(n): value for n, value in (service.customfields or {}).items()},
        "configoptions": {},
        "server": server is not None,
        "serverip": server.ipaddress if server else "",
        "serverhostname": server.hostname if server else "",
        "serverusername": "root" if server else "",
        "serverpassword": "",
        "serveraccesshash": "",
        "serversecure": True,
        "serverport": "",
        "status": service.status,
    }
