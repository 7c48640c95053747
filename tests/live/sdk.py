"""Drives the unmodified PyPI client: orders come as lines of JSON on stdin, what happens goes out the same way.

Usage: python sdk.py URL TOKEN OPTIONS. OPTIONS is JSON: `protobuf`. Who needs a token asks for it with `token_wanted`.
"""

import asyncio
import json
import sys

import centrifuge
from centrifuge import Client, ClientEventHandler, ClientState, DeltaType, StreamPosition, SubscriptionEventHandler

url, token, options = sys.argv[1:]
PROTOBUF = json.loads(options).get("protobuf", False)


def tell(event, **facts):
    print(json.dumps({"event": event, **{name: fact for name, fact in facts.items() if fact is not None}}), flush=True)


def encode(data):
    """In Protobuf a payload is bytes, of JSON by convention."""
    return json.dumps(data).encode() if PROTOBUF else data


def decode(data):
    return (json.loads(data) if data else None) if isinstance(data, bytes) else data


def about(info):
    if info is None:
        return None
    facts = {"user": info.user, "client": info.client, "conn_info": decode(info.conn_info)}
    return {**facts, "chan_info": decode(info.chan_info)}


def said(pub):
    return {"data": decode(pub.data), "offset": pub.offset, "tags": dict(pub.tags or {}), "info": about(pub.info)}


asked = 0
waiting = {}


async def token_for(channel=None):
    global asked
    asked += 1
    waiting[asked] = asyncio.get_running_loop().create_future()
    tell("token_wanted", n=asked, channel=channel)
    return await waiting[asked]


def standing(ctx):
    return {
        "recoverable": ctx.recoverable,
        "positioned": ctx.positioned,
        "wasRecovering": ctx.was_recovering,
        "recovered": ctx.recovered,
        "data": decode(ctx.data),
    }


class Connection(ClientEventHandler):
    async def on_connecting(self, ctx):
        tell("connecting", code=ctx.code)

    async def on_connected(self, ctx):
        tell("connected", client=ctx.client)

    async def on_disconnected(self, ctx):
        # this client says so of a connection that it makes anew, too
        again = client.state == ClientState.CONNECTING
        tell("connecting" if again else "disconnected", code=ctx.code, reason=ctx.reason)

    async def on_error(self, ctx):
        code = getattr(ctx.error, "code", 0)
        # a transport that closes while the hub is away is told as `connecting`
        if isinstance(code, int) and code >= 100:
            tell("error", code=code)

    async def on_subscribed(self, ctx):
        tell("subscribed", server=True, channel=ctx.channel, **standing(ctx))

    async def on_unsubscribed(self, ctx):
        tell("unsubscribed", server=True, channel=ctx.channel)

    async def on_publication(self, ctx):
        tell("publication", server=True, channel=ctx.channel, **said(ctx.pub))

    async def on_join(self, ctx):
        tell("join", server=True, channel=ctx.channel, info=about(ctx.info))

    async def on_leave(self, ctx):
        tell("leave", server=True, channel=ctx.channel, info=about(ctx.info))


class Subscription(SubscriptionEventHandler):
    def __init__(self, channel):
        self.channel = channel
        self.deltas = 0

    async def on_subscribing(self, ctx):
        tell("subscribing", channel=self.channel, code=ctx.code)

    async def on_subscribed(self, ctx):
        tell("subscribed", channel=self.channel, **standing(ctx))

    async def on_unsubscribed(self, ctx):
        tell("unsubscribed", channel=self.channel, code=ctx.code)

    async def on_error(self, ctx):
        tell("subscription_error", channel=self.channel, code=getattr(ctx.error, "code", ctx.code))

    async def on_publication(self, ctx):
        self.deltas += bool(ctx.pub.delta)
        tell("publication", channel=self.channel, **said(ctx.pub))

    async def on_join(self, ctx):
        tell("join", channel=self.channel, info=about(ctx.info))

    async def on_leave(self, ctx):
        tell("leave", channel=self.channel, info=about(ctx.info))


async def subscribe(order):
    channel = order["subscribe"]
    subscription = client.new_subscription(
        channel,
        events=Subscription(channel),
        get_token=token_for if order.get("token") else None,
        delta=DeltaType.FOSSIL if order.get("delta") else None,
        tags_filter=centrifuge.FilterNode(order["filter"]) if order.get("filter") else None,
        min_resubscribe_delay=0.05,
        max_resubscribe_delay=0.5,
    )
    await subscription.subscribe()


async def result_of(order):
    channel = order["channel"]
    match order["ask"]:
        case "publish":
            await client.publish(channel, encode(order["data"]))
            return {}
        case "presence":
            answer = await client.presence(channel)
            return {id: about(info) for id, info in answer.clients.items()}
        case "presence_stats":
            answer = await client.presence_stats(channel)
            return {"clients": answer.num_clients, "users": answer.num_users}
        case "history":
            since = order.get("since")
            since = StreamPosition(since["offset"], since["epoch"]) if since else None
            answer = await client.history(channel, order.get("limit", 0), since, order.get("reverse", False))
            return {"publications": [said(pub) for pub in answer.publications], "offset": answer.offset, "epoch": answer.epoch}
        case "deltas":
            return client.get_subscription(channel).events.deltas


async def answer(order):
    try:
        tell("answer", result=await result_of(order))
    except Exception as error:
        tell("answer", error=getattr(error, "code", str(error)))


async def obey(order):
    if "subscribe" in order:
        await subscribe(order)
    if "unsubscribe" in order:
        await client.get_subscription(order["unsubscribe"]).unsubscribe()
    if order.get("disconnect"):
        await client.disconnect()
    if order.get("connect"):
        await client.connect()
    if "n" in order:
        waiting[order["n"]].set_result(order["token"])
    if "ask" in order:
        await answer(order)


async def main():
    global client
    client = Client(
        url, events=Connection(), token=token, get_token=token_for, use_protobuf=PROTOBUF,
        min_reconnect_delay=0.05, max_reconnect_delay=0.5,
    )
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    orders = {asyncio.create_task(client.connect())}
    while line := await lines.readline():
        orders.add(asyncio.create_task(obey(json.loads(line))))


asyncio.run(main())
