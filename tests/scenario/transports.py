"""Every way to a gateway, behind one face, and an MCP client of either era on top of it.

A transport has open(), send(message), cancel(id, reason) and close(), and gives every message that comes to `receive`.
Peer speaks one era over one transport: requests, what the server asks meanwhile, and notifications."""
import asyncio
import json

from websocket import CLOSE, PING, PONG, Frames, frame, upgrade_head
from weir_process import COMPLAINTS

SECONDS = 30
LEGACY, MODERN = "2025-11-25", "2026-07-28"
META = "io.modelcontextprotocol/"
LIMIT = 32 * 1024 * 1024
CANCELLED = "notifications/cancelled"


class Transport:
    has_headers = False  # a stream per request, and Mcp-* fields

    def __init__(self):
        self.receive = None  # set by the Peer
        self._tasks = set()
        self.failures = []  # of what runs in the background
        self.closing = False

    def start(self, coroutine):
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task):
        self._tasks.discard(task)
        failure = None if task.cancelled() else task.exception()
        if failure and not (self.closing and isinstance(failure, (ConnectionError, asyncio.IncompleteReadError))):
            self.failures.append(failure)

    async def stop_tasks(self):
        self.closing = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def open(self):
        pass

    async def initialized(self):
        """A legacy client is through with its handshake."""

    async def cancel(self, number, reason, modern):
        await self.send({"jsonrpc": "2.0", "method": CANCELLED, "params": {"requestId": number, "reason": reason}})


# ---- lines ----


class Lines(Transport):
    """Newline-delimited messages on a pair of asyncio streams."""

    async def connect(self):
        raise NotImplementedError

    async def open(self):
        self.reader, self.writer = await self.connect()
        self.start(self._read())

    async def _read(self):
        while line := await self.reader.readline():
            assert line.endswith(b"\n"), line
            self.receive(json.loads(line))

    async def send(self, message):
        self.writer.write(json.dumps(message).encode() + b"\n")
        await self.writer.drain()

    async def close(self):
        self.writer.close()
        await self.stop_tasks()


class Stream(Lines):
    def __init__(self, address, tls=None):
        super().__init__()
        self.address, self.tls = address, tls  # (host, port), or a path

    async def connect(self):
        if isinstance(self.address, str):
            return await asyncio.open_unix_connection(self.address, limit=LIMIT)
        return await asyncio.open_connection(*self.address, limit=LIMIT, ssl=self.tls)


class Stdio(Lines):
    """Starts the gateway itself; what it says on standard error is kept, and its exit status judged."""

    def __init__(self, command):
        super().__init__()
        self.command = command

    async def connect(self):
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(*self.command, stdin=pipe, stdout=pipe, stderr=pipe, limit=LIMIT)
        self.errors = asyncio.create_task(self.process.stderr.read())
        return self.process.stdout, self.process.stdin

    async def close(self):
        self.writer.close()
        status = await asyncio.wait_for(self.process.wait(), SECONDS)
        self.stderr = (await self.errors).decode()
        await self.stop_tasks()
        assert status == 0 and not COMPLAINTS.search(self.stderr), (status, self.stderr)


# ---- HTTP ----


class HttpConnection:
    """One request, and its answer as it comes."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, host, port, tls):
        name = {"server_hostname": host} if tls else {}
        return cls(*await asyncio.open_connection(host, port, ssl=tls, limit=LIMIT, **name))

    async def request(self, method, target, host, fields, body=None):
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in fields.items())]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))
        await self.writer.drain()
        return await self.head()

    async def head(self):
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.status = int(lines[0].split(" ")[1])
        self.fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
        return self.status

    async def _line(self):
        line = await self.reader.readline()
        if not line.endswith(b"\n"):
            raise asyncio.IncompleteReadError(line, None)
        return line

    async def pieces(self):
        """The body, as it comes."""
        if self.fields.get("transfer-encoding") == "chunked":
            while size := int(await self._line(), 16):
                yield (await self.reader.readexactly(size + 2))[:size]
            await self._line()
        elif size := int(self.fields.get("content-length", 0)):
            yield await self.reader.readexactly(size)

    async def body(self):
        return b"".join([piece async for piece in self.pieces()])

    async def events(self):
        """(type, data) of each event with data."""
        text = b""
        async for piece in self.pieces():
            *blocks, text = (text + piece).split(b"\n\n")
            for block in blocks:
                fields = {}
                for line in block.decode().split("\n"):
                    name, colon, value = line.partition(":")
                    if name and colon:
                        value = value.removeprefix(" ")
                        fields[name] = fields[name] + "\n" + value if name == "data" and name in fields else value
                if fields.get("data"):
                    yield fields.get("event", "message"), fields["data"]

    def close(self):
        self.writer.close()


class HttpBase(Transport):
    def __init__(self, host, port, path, tls=None, fields=None):
        super().__init__()
        self.host, self.port, self.path, self.tls = host, port, path, tls
        self.extra = fields or {}
        self.connections = set()

    async def connect(self):
        connection = await HttpConnection.open(self.host, self.port, self.tls)
        self.connections.add(connection)
        return connection

    def drop(self, connection):
        self.connections.discard(connection)
        connection.close()

    @property
    def host_field(self):
        return f"{self.host}:{self.port}"

    async def close(self):
        for connection in list(self.connections):
            self.drop(connection)
        await self.stop_tasks()


class Http(HttpBase):
    """Streamable HTTP: a POST per message, and a stream for what belongs to none."""

    has_headers = True

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.session = None
        self.version = None
        self.under_way = {}

    def _fields(self, message):
        fields = {"Accept": "application/json, text/event-stream", **self.extra}
        if self.session:
            fields["Mcp-Session-Id"] = self.session
        if self.version:
            fields["MCP-Protocol-Version"] = self.version
        params = (message or {}).get("params", {})
        if f"{META}protocolVersion" in params.get("_meta", {}):
            fields["MCP-Protocol-Version"] = params["_meta"][f"{META}protocolVersion"]
            fields["Mcp-Method"] = message["method"]
            if message["method"] in ("tools/call", "prompts/get"):
                fields["Mcp-Name"] = params["name"]
            elif message["method"] == "resources/read":
                fields["Mcp-Name"] = params["uri"]
        return fields

    async def send(self, message):
        """Returns when the message is at the gateway; what comes of it is received in the background."""
        connection = await self.connect()
        if "id" in message and "method" in message:
            self.under_way[message["id"]] = connection
            self.start(self._exchange(connection, message))
        else:
            await self._exchange(connection, message)

    async def _exchange(self, connection, message):
        try:
            fields = {"Content-Type": "application/json", **self._fields(message)}
            status = await connection.request("POST", self.path, self.host_field, fields, json.dumps(message).encode())
            self.session = connection.fields.get("mcp-session-id", self.session)
            if connection.fields.get("content-type") == "text/event-stream":
                async for _, data in connection.events():
                    self.receive(json.loads(data))
            elif body := await connection.body():
                self.receive(json.loads(body))
            else:
                assert status == 202, (status, message)
        except (ConnectionError, asyncio.IncompleteReadError):
            if connection in self.connections:
                raise
        finally:
            self.under_way.pop(message.get("id"), None)
            self.drop(connection)

    async def initialized(self):
        connection = await self.connect()
        fields = self._fields(None) | {"Accept": "text/event-stream"}
        status = await connection.request("GET", self.path, self.host_field, fields)
        assert status == 200, status
        self.start(self._listen(connection))

    async def _listen(self, connection):
        async for _, data in connection.events():
            self.receive(json.loads(data))

    async def cancel(self, number, reason, modern):
        """A modern client closes the request's own stream."""
        if modern:
            self.drop(self.under_way.pop(number))
        else:
            await super().cancel(number, reason, modern)

    async def close(self):
        if self.session:
            connection = await self.connect()
            fields = self._fields(None) | {"Accept": "application/json"}
            assert await connection.request("DELETE", self.path, self.host_field, fields) == 204
        await super().close()


class Sse(HttpBase):
    """HTTP with SSE (2024-11-05): one stream, and a POST per message on a connection of its own."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.endpoint = asyncio.get_running_loop().create_future()

    async def open(self):
        self.stream = await self.connect()
        status = await self.stream.request("GET", self.path, self.host_field, {"Accept": "text/event-stream", **self.extra})
        assert status == 200, status
        self.start(self._listen())
        await asyncio.wait_for(self.endpoint, SECONDS)

    async def _listen(self):
        async for kind, data in self.stream.events():
            if kind == "endpoint":
                self.endpoint.set_result(data)
            else:
                self.receive(json.loads(data))

    async def post(self, body, fields=None):
        """The status of the answer."""
        connection = await self.connect()
        fields = {"Content-Type": "application/json", "Connection": "close", **self.extra, **(fields or {})}
        status = await connection.request("POST", self.endpoint.result(), self.host_field, fields, body)
        self.answer = await connection.body()
        self.drop(connection)
        return status

    async def send(self, message):
        status = await self.post(json.dumps(message).encode())
        assert status == 202, (status, self.answer)
        assert not self.answer, self.answer


class WebSocket(HttpBase):
    async def open(self):
        self.stream = await self.connect()
        head, accept = upgrade_head(self.host_field, self.path, self.extra.items())
        self.stream.writer.write(head)
        assert await self.stream.head() == 101, self.stream.status
        assert self.stream.fields["sec-websocket-accept"] == accept
        assert self.stream.fields["sec-websocket-protocol"] == "mcp"
        self.closed = asyncio.get_running_loop().create_future()
        self.start(self._read())

    async def _read(self):
        frames = Frames()
        while data := await self.stream.reader.read(65536):
            frames.feed(data)
            while found := frames.read():
                opcode, payload = found
                if opcode == PING:
                    self.stream.writer.write(frame(payload, PONG))
                elif opcode == CLOSE:
                    self.closed.set_result(int.from_bytes(payload[:2], "big"))
                else:
                    self.receive(json.loads(payload))
        if not self.closed.done():
            self.closed.set_result(0)

    async def send(self, message):
        self.stream.writer.write(frame(json.dumps(message)))
        await self.stream.writer.drain()

    async def close(self):
        self.stream.writer.write(frame((1000).to_bytes(2, "big"), CLOSE))
        assert await asyncio.wait_for(self.closed, SECONDS) == 1000
        await super().close()


# ---- MCP ----


class Failed(Exception):
    """A JSON-RPC error."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code, self.error = error["code"], error


class Peer:
    """answers: method → function of params, for what the server asks; also says which capabilities are declared."""

    CAPABILITIES = {"elicitation": {"form": {}}, "sampling": {}, "roots": {}}
    ROUNDS = 10

    def __init__(self, transport, modern):
        self.transport, self.modern = transport, modern
        self.answers = {}
        self.notifications = []
        self._news = asyncio.Condition()
        self._waiting = {}
        self._last = -1  # so that the first id is 0
        self.log_level = None
        self.unasked = []  # answers to nothing that waits
        transport.receive = self._received

    async def __aenter__(self):
        await self.transport.open()
        if self.modern:
            self.server = await self.request("server/discover")
            return self
        self.server = await self.request("initialize", {
            "protocolVersion": LEGACY, "capabilities": self.CAPABILITIES, "clientInfo": {"name": "scenario", "version": "1"}})
        self.transport.version = self.server["protocolVersion"]
        await self.notify("notifications/initialized")
        await self.transport.initialized()
        return self

    async def __aexit__(self, *_):
        await self.transport.close()
        assert not self.transport.failures, self.transport.failures

    # what comes

    def _received(self, message):
        self.transport.start(self._take(message))

    async def _take(self, message):
        assert message["jsonrpc"] == "2.0", message
        if "method" not in message:
            waiting = self._waiting.pop(message["id"], None)
            if waiting is None or waiting.done():
                self.unasked.append(message)
            else:
                waiting.set_result(message)
        elif "id" in message:
            assert not self.modern, f"a request of the server in the modern era: {message}"
            result = self.answers[message["method"]](message.get("params", {}))
            await self.transport.send({"jsonrpc": "2.0", "id": message["id"], "result": result})
        else:
            async with self._news:
                self.notifications.append(message)
                self._news.notify_all()

    async def wait_notification(self, method, count=1, matches=lambda params: True):
        """The params of the count-th one."""

        def found():
            return [one.get("params", {}) for one in self.notifications
                    if one["method"] == method and matches(one.get("params", {}))]

        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: len(found()) >= count), SECONDS)
        return found()[count - 1]

    # what goes

    def _params(self, params, progress):
        params = dict(params or {})
        meta = dict(params.get("_meta", {}))
        if self.modern:
            meta |= {f"{META}protocolVersion": MODERN, f"{META}clientCapabilities": self.CAPABILITIES,
                     f"{META}clientInfo": {"name": "scenario", "version": "1"}}
            if self.log_level:
                meta[f"{META}logLevel"] = self.log_level
        if progress is not None:
            meta["progressToken"] = progress
        return params | {"_meta": meta} if meta else params

    async def begin(self, method, params=None, progress=None):
        """(id, future of the whole response)"""
        self._last += 1
        number = self._last
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        await self.transport.send(
            {"jsonrpc": "2.0", "id": number, "method": method, "params": self._params(params, progress)})
        return number, future

    async def notify(self, method, params=None):
        await self.transport.send({"jsonrpc": "2.0", "method": method, **({"params": params} if params else {})})

    async def once(self, method, params=None, progress=None):
        number, future = await self.begin(method, params, progress)
        response = await asyncio.wait_for(future, SECONDS)
        assert response["id"] == number and isinstance(response["id"], int), response
        if "error" in response:
            raise Failed(response["error"])
        return response["result"]

    async def request(self, method, params=None, progress=None):
        """Answers what the server needs first, in the modern era by asking again."""
        params = dict(params or {})
        for _ in range(self.ROUNDS):
            result = await self.once(method, params, progress)
            if result.get("resultType") != "input_required":
                return result
            params["inputResponses"] = {key: self.answers[asked["method"]](asked.get("params", {}))
                                        for key, asked in result.get("inputRequests", {}).items()}
            if "requestState" in result:
                params["requestState"] = result["requestState"]
        raise AssertionError("asked for input too often")

    async def cancel(self, number):
        self._waiting.pop(number).cancel()
        await self.transport.cancel(number, "not wanted any more", self.modern)

    async def call(self, tool, arguments=None, progress=None):
        return await self.request("tools/call", {"name": tool, "arguments": arguments or {}}, progress)

    async def list_all(self, method, member):
        items, pages, params = [], 0, {}
        while True:
            page = await self.request(method, params)
            items += page[member]
            pages += 1
            if "nextCursor" not in page:
                return items, pages
            params = {"cursor": page["nextCursor"]}
