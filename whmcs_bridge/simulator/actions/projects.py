"""Project management: projects, tasks, messages, timers."""

from collections.abc import Mapping

from whmcs_bridge.simulator.actions.base import ApiError, Handler, Params, Reply, moment_text
from whmcs_bridge.simulator.actions.shelf import Row, add_row, find_row, rows_of
from whmcs_bridge.simulator.state import World

MISSING = "Project ID Not Found"
TEXTS = ("title", "status", "ticketids", "invoiceids", "notes", "created", "duedate")


def _check_people(world: World, params: Params) -> None:
    if params.number("userid") and params.number("userid") not in world.clients:
        raise ApiError("Client ID Not Found")
    if params.number("adminid") and params.number("adminid") not in world.admins:
        raise ApiError("Admin ID Not Found")


def create_project(world: World, params: Params) -> Reply:
    """CreateProject."""
    if not params.text("title"):
        raise ApiError("Project Title is Required.")
    if not params.text("adminid"):
        raise ApiError("Admin ID not Set")
    _check_people(world, params)
    row: Row = {
        "id": 0,
        "userid": params.number("userid"),
        "title": params.text("title"),
        "attachments": "",
        "ticketids": params.text("ticketids"),
        "invoiceids": params.text("invoiceids"),
        "notes": params.text("notes"),
        "adminid": params.number("adminid"),
        "status": params.text("status") or "Pending",
        "created": params.text("created") or world.today.isoformat(),
        "duedate": params.text("duedate") or "0000-00-00",
        "completed": int(params.flag("completed")),
        "lastmodified": moment_text(world.clock),
    }
    number = add_row(world, "projects", row)
    return {"result": "success", "message": "Project has been created", "projectid": str(number)}


def _project(world: World, params: Params) -> Row:
    if not params.text("projectid"):
        raise ApiError("Project ID Not Set")
    return find_row(world, "projects", params.number("projectid"), MISSING)


def update_project(world: World, params: Params) -> Reply:
    """UpdateProject."""
    row = _project(world, params)
    _check_people(world, params)
    for name in TEXTS:
        if name in params:
            row[name] = params.text(name)
    for name in ("userid", "adminid"):
        if name in params:
            row[name] = params.number(name)
    if "completed" in params:
        row["completed"] = int(params.flag("completed"))
    row["lastmodified"] = moment_text(world.clock)
    return {"result": "success", "message": "Project Has Been Updated"}


def _texts(row: Row) -> Reply:
    """A row with its numbers as text, as these actions send them."""
    return {key: str(value) if isinstance(value, int) else value for key, value in row.items()}


def get_projects(world: World, params: Params) -> Reply:
    """GetProjects: a bare array."""
    rows = list(rows_of(world, "projects").values())
    for name in ("userid", "adminid"):
        if params.text(name):
            rows = [row for row in rows if row[name] == params.number(name)]
    for name in TEXTS:
        if params.text(name):
            rows = [row for row in rows if row[name] == params.text(name)]
    start, size = params.page()
    page = [_texts(row) for row in rows[start : start + size]]
    return {
        "result": "success",
        "totalresults": str(len(rows)),
        "startnumber": str(start),
        "numreturned": str(len(page)),
        "projects": page,
    }


def get_project(world: World, params: Params) -> Reply:
    """GetProject, with its tasks, their timers, and its messages."""
    project = _project(world, params)
    number = project["id"]
    tasks = [row for row in rows_of(world, "project_tasks").values() if row["projectid"] == number]
    messages = [row for row in rows_of(world, "project_messages").values() if row["projectid"] == number]
    return {
        "result": "success",
        "projectinfo": _texts(project),
        "tasks": {"task": [{**_texts(row), "timelogs": _timers(world, row["id"])} for row in tasks]},
        "messages": {"message": [_texts(row) for row in messages]},
    }


def _timers(world: World, task: int) -> Reply | str:
    rows = [_texts(row) for row in rows_of(world, "project_timers").values() if row["taskid"] == task]
    return {"timelog": rows} if rows else ""


def add_project_task(world: World, params: Params) -> Reply:
    """AddProjectTask."""
    project = _project(world, params)
    _check_people(world, params)
    if not params.text("task"):
        raise ApiError("A task description must be specified")
    tasks = rows_of(world, "project_tasks")
    row: Row = {
        "id": 0,
        "projectid": project["id"],
        "task": params.text("task"),
        "notes": params.text("notes"),
        "adminid": params.number("adminid"),
        "created": moment_text(world.clock),
        "duedate": params.text("duedate") or "0000-00-00",
        "completed": int(params.flag("completed")),
        "billed": int(params.flag("billed")),
        "order": sum(task["projectid"] == project["id"] for task in tasks.values()) + 1,
    }
    add_row(world, "project_tasks", row)
    return {"result": "success", "message": "Task has been added"}


def update_project_task(world: World, params: Params) -> Reply:
    """UpdateProjectTask."""
    if not params.text("taskid"):
        raise ApiError("Task ID is Required")
    row = find_row(world, "project_tasks", params.number("taskid"), "Task ID Not Found")
    if params.text("projectid"):
        row["projectid"] = _project(world, params)["id"]
    for name in ("task", "notes", "duedate"):
        if name in params:
            row[name] = params.text(name)
    if "completed" in params:
        row["completed"] = int(params.flag("completed"))
    return {"result": "success", "message": "Task has been updated"}


def delete_project_task(world: World, params: Params) -> Reply:
    """DeleteProjectTask."""
    if not params.text("projectid"):
        raise ApiError("Project ID is Required")
    if not params.text("taskid"):
        raise ApiError("Task ID is Required")
    _project(world, params)
    row = find_row(world, "project_tasks", params.number("taskid"), "Task ID Not Found")
    del rows_of(world, "project_tasks")[row["id"]]
    return {"result": "success", "message": "Task has been deleted"}


def add_project_message(world: World, params: Params) -> Reply:
    """AddProjectMessage."""
    project = _project(world, params)
    _check_people(world, params)
    if not params.text("message"):
        raise ApiError("Message not Entered")
    row: Row = {
        "id": 0,
        "projectid": project["id"],
        "date": moment_text(world.clock),
        "message": params.text("message"),
        "attachments": "",
        "adminid": params.number("adminid") or 1,
    }
    add_row(world, "project_messages", row)
    return {"result": "success", "message": "Message has been added"}


def _unix(world: World, params: Params, name: str) -> int:
    return params.number(name) or int(world.clock.timestamp())


def start_task_timer(world: World, params: Params) -> Reply:
    """StartTaskTimer."""
    project = _project(world, params)
    _check_people(world, params)
    task = find_row(world, "project_tasks", params.number("taskid"), "Task ID Not Found")
    row: Row = {
        "id": 0,
        "projectid": project["id"],
        "taskid": task["id"],
        "adminid": params.number("adminid") or 1,
        "start": _unix(world, params, "start_time"),
        "end": params.number("end_time"),
        "donotbill": 0,
        "starttime": moment_text(world.clock),
        "endtime": "",
    }
    add_row(world, "project_timers", row)
    return {"result": "success", "message": "Start Timer Has Been Set"}


def end_task_timer(world: World, params: Params) -> Reply:
    """EndTaskTimer."""
    if not params.text("timerid"):
        raise ApiError("Timer ID Not Set")
    row = find_row(world, "project_timers", params.number("timerid"), "Timer ID Not Found")
    if params.text("projectid"):
        _project(world, params)
    row["end"], row["endtime"] = _unix(world, params, "end_time"), moment_text(world.clock)
    return {"result": "success", "message": "Timer Has Ended"}


ACTIONS: Mapping[str, Handler] = {
    "CreateProject": create_project,
    "UpdateProject": update_project,
    "GetProjects": get_projects,
    "GetProject": get_project,
    "AddProjectTask": add_project_task,
    "UpdateProjectTask": update_project_task,
    "DeleteProjectTask": delete_project_task,
    "AddProjectMessage": add_project_message,
    "StartTaskTimer": start_task_timer,
    "EndTaskTimer": end_task_timer,
}
