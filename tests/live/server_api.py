"""Asks, with the unmodified PyPI client of the server API, everything that it knows, of the hub at URL, with KEY.

Usage: python server_api.py URL KEY CHANNEL USER, where USER is connected. Each answer goes out as a line of JSON.
"""

import asyncio
import json
import sys
import time

import cent

url, key, channel, user = sys.argv[1:]
client = cent.Client(f"{url}/api", key)


def tell(name, answer):
    print(json.dumps({"asked": name, "answer": answer.model_dump(mode="json", exclude_none=True)}), flush=True)


def refused(name, asked):
    try:
        asked()
    except cent.CentError as error:
        print(json.dumps({"asked": name, "refused": type(error).__name__, "code": getattr(error, "code", None)}), flush=True)


def once(asked, there):
    """The first answer in which it is there: an order about a connection is carried out after it was answered."""
    for _ in range(600):
        answer = asked()
        if there(answer):
            break
        time.sleep(0.05)
    return answer


publish = cent.PublishRequest(channel=channel, data={"n": 1}, tags={"a": "b"}, idempotency_key="once")
first = client.publish(publish)
tell("publish", first)
tell("publish again", client.publish(publish))
tell("broadcast", client.broadcast(cent.BroadcastRequest(channels=[channel, "nowhere:1"], data=[2])))
tell("history", client.history(cent.HistoryRequest(channel=channel, limit=10, reverse=True)))
since = cent.StreamPosition(offset=1, epoch=first.epoch)
tell("history since", client.history(cent.HistoryRequest(channel=channel, limit=10, since=since)))
tell("subscribe", client.subscribe(cent.SubscribeRequest(user=user, channel=channel)))
tell("presence", once(lambda: client.presence(cent.PresenceRequest(channel=channel)), lambda answer: answer.presence))
tell("presence_stats", client.presence_stats(cent.PresenceStatsRequest(channel=channel)))
tell("channels", client.channels(cent.ChannelsRequest(pattern=f"{channel}*")))
tell("info", client.info(cent.InfoRequest()))
# it takes no answer apart that has an error in it
batch = [cent.PublishRequest(channel=channel, data=3), cent.PresenceStatsRequest(channel=channel)]
for n, reply in enumerate(client.batch(cent.BatchRequest(requests=batch)).replies):
    tell(f"batch {n}", reply)
tell("unsubscribe", client.unsubscribe(cent.UnsubscribeRequest(user=user, channel=channel)))
tell("refresh", client.refresh(cent.RefreshRequest(user=user, expire_at=4_000_000_000)))
tell("history_remove", client.history_remove(cent.HistoryRemoveRequest(channel=channel)))
tell("history after", client.history(cent.HistoryRequest(channel=channel)))
leave = cent.Disconnect(code=4500, reason="go")
tell("disconnect", client.disconnect(cent.DisconnectRequest(user=user, disconnect=leave)))
refused("unknown", lambda: client.publish(cent.PublishRequest(channel="nowhere:1", data=1)))
refused("lost place", lambda: client.history(cent.HistoryRequest(channel=channel, since=cent.StreamPosition(offset=1, epoch="x"))))
refused("wrong key", lambda: cent.Client(f"{url}/api", "wrong").info(cent.InfoRequest()))


async def meanwhile():
    asked = cent.AsyncClient(f"{url}/api", key)
    try:
        tell("asynchronously", await asked.publish(cent.PublishRequest(channel=channel, data=4)))
    finally:
        await asked.close()


asyncio.run(meanwhile())
