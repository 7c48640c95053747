/**
 * This tab's end of the live link. The socket itself may be shared with other tabs (`exchange/`); what this tab has seen of
 * each channel is kept here, so that it resumes from there whoever holds the socket, and told apart: what is new, what was
 * lost, who was signed out.
 */
import { api, must } from "../api/client";
import { asProblem } from "../api/problem";
import type { LiveEvent, Position } from "./event";
import type { Arrival, Line, LinkFacts, Present, Tell } from "./exchange/wire";
import { ChannelLog } from "./log";
import { pill } from "./pill";

/** The hub's own channels carry events of ours; anything may be published in those of the operator's application. */
const OURS = /^(feed|job|case|inbox):/;

interface Channel {
  log: ChannelLog;
  followers: number;
  /** Followed for good, whoever lets go of it. */
  kept: boolean;
}

export interface LinkListeners {
  event: (event: LiveEvent) => void;
  /** As it came, before anyone made sense of it. */
  arrived: (channel: string, arrival: Arrival) => void;
  refused: (channel: string) => void;
  present: (channel: string, people: Present[]) => void;
  /** `again` is false for the first time. */
  connected: (again: boolean) => void;
  /** The channel's stream cannot be resumed: everything read from it is to be read again. */
  lost: (channel: string) => void;
  /** The hub closed the link for good, with this code. */
  ended: (code: number, reason: string) => void;
}

/** What came back since the link broke. */
interface Resumption {
  /** Channels that are not open again. */
  awaited: Set<string>;
  events: number;
  lost: boolean;
}

type Open = (hear: (tells: Tell[]) => void) => Line;

export class Link {
  private line: Line;
  private channels = new Map<string, Channel>();
  private resuming: Resumption | null = null;
  private live = false;
  private was = false;
  private welcomed = false;

  constructor(
    open: Open,
    private user: string,
    private listeners: LinkListeners,
  ) {
    this.line = open((tells) => this.hear(tells));
  }

  /** `signedOut`: for all tabs of this browser. */
  close(signedOut: boolean): void {
    this.line.say({ do: "bye", signedOut });
    this.line.close();
  }

  /** After the hub ended the link without ending the session. */
  again(): void {
    pill.connecting();
    this.line.say({ do: "hello", user: this.user, lock: null });
  }

  /** Connects anew, with a token of the present session. */
  renew(): void {
    this.line.say({ do: "renew" });
  }

  measure(): void {
    this.line.say({ do: "measure" });
  }

  network(online: boolean): void {
    this.line.say({ do: "network", online });
  }

  /** Follows a channel for good. Answers whether everything behind `position` is known or will be delivered. */
  follow(channel: string, position?: Position): boolean {
    const known = this.channels.get(channel);
    if (!known) {
      this.open(channel, position).kept = true;
      return true;
    }
    known.kept = true;
    if (!position) return true;
    const { log } = known;
    if (log.epoch === position.epoch) return log.covers(position.offset);
    // Another stream, or none known yet: from here on the page's place counts, and the hub says whether it is good.
    log.reset(position);
    this.ask(channel, log);
    return true;
  }

  /** Follows a channel until the returned function is called. */
  hold(channel: string): () => void {
    const held = this.channels.get(channel) ?? this.open(channel);
    held.followers += 1;
    return () => {
      held.followers -= 1;
      if (held.followers > 0 || held.kept || this.channels.get(channel) !== held) return;
      this.channels.delete(channel);
      this.line.say({ do: "leave", channel });
    };
  }

  since(channel: string, offset: number): LiveEvent[] {
    return this.channels.get(channel)?.log.since(offset) ?? [];
  }

  private open(channel: string, position?: Position): Channel {
    const opened = { log: new ChannelLog(position), followers: 0, kept: false };
    this.channels.set(channel, opened);
    this.resuming?.awaited.delete(channel);
    this.ask(channel, opened.log);
    return opened;
  }

  private ask(channel: string, log: ChannelLog): void {
    const since = log.position;
    if (this.welcomed) this.line.say({ do: "follow", channel, ...(since && { since }) });
  }

  private hear(tells: Tell[]): void {
    let count = 0;
    for (const tell of tells) {
      if (tell.is === "events" || tell.is === "followed") count += tell.events.length;
      this.heard(tell);
    }
    if (count > 0) this.line.say({ do: "took", count });
  }

  private heard(tell: Tell): void {
    switch (tell.is) {
      case "welcome":
        return this.welcome();
      case "link":
        return this.facts(tell.facts);
      case "followed":
        return this.followed(tell);
      case "events":
        return tell.events.forEach((arrival) => this.take(tell.channel, arrival));
      case "present":
        return this.listeners.present(tell.channel, tell.people);
      case "refused":
        this.channels.delete(tell.channel);
        this.listeners.refused(tell.channel);
        return this.back(tell.channel);
      case "token":
        return void this.fetchToken(tell.ask);
      case "ended":
        this.live = false;
        this.welcomed = false;
        return this.listeners.ended(tell.code, tell.reason);
    }
  }

  /** A new exchange knows nothing of this tab: it goes on from what it has seen. */
  private welcome(): void {
    this.welcomed = true;
    this.live = false;
    this.resuming = null;
    if (this.was) pill.reconnecting();
    for (const [channel, { log }] of this.channels) this.ask(channel, log);
  }

  private facts(facts: LinkFacts): void {
    pill.facts(facts);
    const live = facts.state === "live";
    if (live === this.live) return;
    this.live = live;
    if (!live) {
      this.resuming = null;
      return pill.reconnecting();
    }
    const again = this.was;
    this.was = true;
    if (again && this.channels.size > 0) this.resuming = { awaited: new Set(this.channels.keys()), events: 0, lost: false };
    else pill.connected();
    this.listeners.connected(again);
  }

  private followed({ channel, recovered, position, events }: Extract<Tell, { is: "followed" }>): void {
    const known = this.channels.get(channel);
    if (!known) return;
    const { log } = known;
    if (position && (!recovered || log.epoch === null)) log.reset(position);
    if (!recovered) {
      if (this.resuming) this.resuming.lost = true;
      else pill.refetched();
      this.listeners.lost(channel);
    }
    for (const arrival of events) if (this.take(channel, arrival) && this.resuming) this.resuming.events += 1;
    this.back(channel);
  }

  /** A channel has an answer; after the last one it is known what the break cost. */
  private back(channel: string): void {
    const { resuming } = this;
    if (!resuming?.awaited.delete(channel) || resuming.awaited.size > 0) return;
    this.resuming = null;
    if (resuming.lost) pill.refetched();
    else pill.resumed(resuming.events);
  }

  private take(channel: string, arrival: Arrival): boolean {
    const known = this.channels.get(channel);
    if (!known) return false;
    const ours = OURS.test(channel);
    const event = { ...((ours ? arrival.data : null) as LiveEvent), channel, ...(arrival.offset !== undefined && { offset: arrival.offset }) };
    if (!known.log.take(event)) return false;
    pill.event();
    this.listeners.arrived(channel, arrival);
    if (ours) this.listeners.event(event);
    return true;
  }

  private async fetchToken(ask: number): Promise<void> {
    try {
      const { token } = await must(api.POST("/api/v1/live/token"));
      this.line.say({ do: "token", ask, token, refused: false });
    } catch (error) {
      const { status } = asProblem(error);
      this.line.say({ do: "token", ask, token: null, refused: status === 401 || status === 403 });
    }
  }
}
