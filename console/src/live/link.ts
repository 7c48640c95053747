/**
 * The one socket of this tab. Channels are followed from the position of the snapshot they keep true, resumed by the
 * protocol after a break, and told apart here: what is new, what was lost, who was signed out.
 */
import { Centrifuge, type Subscription, UnauthorizedError } from "centrifuge";
import { api, must } from "../api/client";
import { asProblem } from "../api/problem";
import type { LiveEvent, Position } from "./event";
import { perFrame } from "./frames";
import { ChannelLog } from "./log";
import { pill } from "./pill";

interface Channel {
  subscription: Subscription;
  log: ChannelLog;
  followers: number;
}

export interface LinkListeners {
  events: (batch: LiveEvent[]) => void;
  /** `again` is false for the first time. */
  connected: (again: boolean) => void;
  /** The channel's stream cannot be resumed: everything read from it is to be read again. */
  lost: (channel: string) => void;
  /** The hub closed the link for good, with this code. */
  ended: (code: number) => void;
}

export class Link {
  private client: Centrifuge;
  private channels = new Map<string, Channel>();
  private push: (event: LiveEvent) => void;
  private resumed = 0;

  constructor(private listeners: LinkListeners) {
    this.push = perFrame(listeners.events);
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.client = new Centrifuge(`${scheme}://${location.host}/connection/websocket`, { getToken, name: "console" });
    let again = false;
    this.client.on("connected", () => {
      pill.connected();
      listeners.connected(again);
      again = true;
    });
    this.client.on("connecting", (context) => context.code !== 0 && pill.reconnecting());
    this.client.on("disconnected", (context) => {
      if (context.code === 0) return;
      pill.ended();
      listeners.ended(context.code);
    });
    this.client.connect();
  }

  close(): void {
    this.client.disconnect();
  }

  /** Follows a channel for good. Answers whether everything behind `position` is known or will be delivered. */
  follow(channel: string, position?: Position): boolean {
    const known = this.channels.get(channel);
    if (known) return position ? known.log.covers(position.offset) : true;
    this.open(channel, position);
    return true;
  }

  /** Follows a channel until the returned function is called. */
  hold(channel: string): () => void {
    const held = this.channels.get(channel) ?? this.open(channel);
    held.followers += 1;
    return () => {
      held.followers -= 1;
      if (held.followers > 0 || this.channels.get(channel) !== held) return;
      this.channels.delete(channel);
      this.client.removeSubscription(held.subscription);
    };
  }

  since(channel: string, offset: number): LiveEvent[] {
    return this.channels.get(channel)?.log.since(offset) ?? [];
  }

  private open(channel: string, position?: Position): Channel {
    const since = position ? { epoch: position.epoch, offset: position.offset } : undefined;
    const subscription = this.client.newSubscription(channel, since ? { since } : {});
    const log = new ChannelLog(position?.offset ?? Number.MAX_SAFE_INTEGER);
    const opened = { subscription, log, followers: 0 };
    let before = position !== undefined;
    subscription.on("subscribed", (context) => {
      const top = context.streamPosition?.offset ?? 0;
      if (context.wasRecovering && !context.recovered) {
        log.reset(top);
        pill.refetched();
        this.listeners.lost(channel);
      } else if (!before) {
        log.reset(top);
      }
      before = true;
      if (context.recovered && context.hasRecoveredPublications) this.countResumed();
    });
    subscription.on("publication", (context) => {
      const event = { ...(context.data as LiveEvent), channel };
      if (context.offset !== undefined) event.offset = context.offset;
      if (!log.take(event)) return;
      this.resumed += 1;
      pill.event();
      this.push(event);
    });
    this.channels.set(channel, opened);
    subscription.subscribe();
    return opened;
  }

  // Recovered publications follow "subscribed" in the same turn of the event loop: what was counted when it ends was resumed.
  private countResumed(): void {
    this.resumed = 0;
    setTimeout(() => pill.resumed(this.resumed), 0);
  }
}

async function getToken(): Promise<string> {
  try {
    return (await must(api.POST("/api/v1/live/token"))).token;
  } catch (error) {
    const { status } = asProblem(error);
    if (status === 401 || status === 403) throw new UnauthorizedError(String(error));
    throw error;
  }
}
