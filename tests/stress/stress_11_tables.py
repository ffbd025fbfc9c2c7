"""Tables at their caps: sessions, streams, subscriptions, tasks, connections' own questions: refused with 503, given back, and no
memory beyond what a full table needs."""
import contextlib
import json

from legacy import Session
from stress import ID, NUMBER, http, http_method, message, module, run, wait_for
from test_http_front import Client

CAPS = {"sessions": 200, "streams": 100, "subscriptions": 300, "tasks": 50}
CONFIG = module("conformance") + f"""
limits: {{max_sessions: {CAPS['sessions']}, max_streams: {CAPS['streams']}, max_subscriptions: {CAPS['subscriptions']},
         max_tasks: {CAPS['tasks']}, session_idle: 1s, task_ttl: 1s, idle_timeout: 5s}}
"""
INITIALIZE = message("initialize", {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "stress", "version": "1"}}, meta=None)
TASKS = {"io.modelcontextprotocol/protocolVersion": "2026-07-28",
         "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}, "extensions": {"io.modelcontextprotocol/tasks": {}}}}


def fill_sessions(stress, weir, count):
    found = stress.calls(weir, http(INITIALIZE, modern=False), connections=8, count=count)
    stress.right(found, "of initialize")
    stress.check(found["statuses"].get("200", 0) >= CAPS["sessions"] and found["statuses"].get("503", 0) > 0 and
                 len(found["statuses"]) == 2, f"sessions: {found['statuses']}")


def fill_streams(stress, weir, count):
    listen = http_method("subscriptions/listen", {"notifications": {"toolsListChanged": True}}).replace(ID.encode(), b"1234567890")
    clients = []
    try:
        statuses = []
        for _ in range(count):
            clients.append(Client(weir, listen))
            statuses.append(clients[-1].head()[0])
        stress.check(statuses.count(200) == CAPS["streams"] and statuses.count(503) == count - CAPS["streams"],
                     f"streams: {({status: statuses.count(status) for status in statuses})}")
    finally:
        for client in clients:
            client.close()


def fill_subscriptions(stress, weir, count):
    wait_for(lambda: "sessions" not in weir.used(), "the sessions to be over")
    session = Session(weir)
    body = message("resources/subscribe", {"uri": f"test://template/{NUMBER}/data"}, meta=None)
    fields = [f"Mcp-Session-Id: {session.id}", f"MCP-Protocol-Version: {session.version}"]
    found = stress.calls(weir, http(body, fields, modern=False), connections=4, count=count)
    stress.check(weir.used().get("subscriptions", 0) <= CAPS["subscriptions"], f"subscriptions: {weir.used()}")
    stress.check(found["statuses"].get("503", 0) > 0 and found["unanswered"] == found["lost"] == 0, f"subscriptions: {found['statuses']}")
    with contextlib.suppress(AssertionError):
        session.end()


def fill_tasks(stress, weir, count):
    body = message("tools/call", {"name": "confirm_delete", "arguments": {"filename": "x"}}, meta=TASKS)
    found = stress.calls(weir, http(body, name="confirm_delete"), connections=4, count=count)
    stress.check(weir.used().get("tasks", 0) <= CAPS["tasks"], f"tasks: {weir.used()}")
    stress.right(found, "of tasks")
    # Who gets no task is served as an ordinary call: the handler is told, and this one goes on.
    stress.check(weir.counted('weir_limit_refused_total{limit="tasks"}') > 0, f"no task was refused: {found['statuses']}")


def main(stress):
    rounds = stress.size(10, quick=2, least=2)
    times = stress.size(100, quick=10, least=4)
    with stress.gateway(CONFIG) as weir:
        memory = []
        for _ in range(rounds):
            fill_sessions(stress, weir, CAPS["sessions"] * times)
            fill_streams(stress, weir, CAPS["streams"] * 2)
            fill_subscriptions(stress, weir, CAPS["subscriptions"] * times)
            fill_tasks(stress, weir, CAPS["tasks"] * times)
            for name, cap in CAPS.items():
                highest = weir.counted(f'weir_limit_highest{{limit="{name}"}}')
                stress.check(highest <= cap, f"{highest} {name} at a cap of {cap}")
            wait_for(lambda: not weir.used(), "the tables to be empty again")
            memory.append(weir.resident_mib())
        if not stress.tenth:
            stress.check(memory[-1] <= memory[0] * 1.1 + 2, f"memory after each round: {memory}")
        stress.figure(memory_mib=json.dumps([round(one, 1) for one in memory]))
    return (f"{rounds} rounds, each {times} times {CAPS['sessions']} sessions, {CAPS['subscriptions']} subscriptions and "
            f"{CAPS['tasks']} tasks, twice {CAPS['streams']} streams, where there may be one time as many",
            f"the rest refused, all given back; {memory[0]:.0f} MiB after the first round, {memory[-1]:.0f} after the last")


run(main, 11, "table overflow")
