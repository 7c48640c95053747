/**
 * One channel that several tabs follow through one subscription.
 *
 * Invariant: a tab gets every event behind its own place once and in order, or is told that it has to read again. Where it
 * comes to a channel that is open already, the recent events kept here fill what lies between its place and the present;
 * where its place belongs to another stream, the channel is opened anew from there and the hub decides.
 */
import type { Position } from "../event";
import type { Following, Opened, Socket } from "./socket";
import type { Arrival, Present, Tell } from "./wire";

/** Events kept for tabs that come later, or that were slow. */
export const KEPT = 512;

/** A tab as a channel sees it. */
export interface Listener {
  /** Takes nothing now: what it misses is looked up when it can take again. */
  readonly behind: boolean;
  tell: (tell: Tell) => void;
}

interface Seat {
  /** The stream `had` counts in; null for who wants what comes from now on. */
  epoch: string | null;
  /** The offset up to which the tab has everything. */
  had: number;
  /** Something came while the tab took nothing. */
  missed?: boolean;
}

export class SharedChannel {
  private seats = new Map<Listener, Seat>();
  private subscription: Following | null = null;
  private open = false;
  private asked: Position | undefined;
  private epoch: string | null = null;
  private kept: Arrival[] = [];
  /** Everything behind `start` up to `top` is kept. */
  private start = 0;
  private top = 0;
  private people: Present[] = [];

  constructor(
    readonly name: string,
    private socket: Socket,
    /** The hub closed the channel for good. */
    private onRefused: () => void,
  ) {}

  get empty(): boolean {
    return this.seats.size === 0;
  }

  follow(listener: Listener, since?: Position): void {
    const seat: Seat = { epoch: since?.epoch ?? null, had: since?.offset ?? 0 };
    this.seats.set(listener, seat);
    if (!this.subscription || (since && (this.open ? since.epoch !== this.epoch : !this.asked))) this.subscribe(since);
    else if (this.open) this.level(listener, seat);
    if (this.people.length > 0) listener.tell({ is: "present", channel: this.name, people: this.people });
  }

  leave(listener: Listener): void {
    this.seats.delete(listener);
    if (this.empty) this.close();
  }

  /** A tab that was behind can take again. */
  catchUp(listener: Listener): void {
    const seat = this.seats.get(listener);
    if (seat?.missed && this.open) this.level(listener, seat);
  }

  private close(): void {
    this.subscription?.close();
    this.subscription = null;
  }

  private subscribe(since?: Position): void {
    this.close();
    this.open = false;
    this.asked = since;
    // What an abandoned subscription still says is nobody's business.
    const mine = <A extends unknown[]>(run: (...args: A) => void) => (...args: A) => {
      if (this.subscription === following) run(...args);
    };
    const following: Following = this.socket.follow(this.name, since, {
      opened: mine((opened) => this.opened(opened)),
      arrived: mine((arrival) => this.arrived(arrival)),
      refused: mine((code) => this.refused(code)),
      present: mine((people) => this.present(people)),
    });
    this.subscription = following;
  }

  /** What is recovered arrives in the same turn: the tabs are told when it ends. */
  private opened({ position, recovered }: Opened): void {
    if (position && (!recovered || position.epoch !== this.epoch)) {
      this.epoch = position.epoch;
      this.kept = [];
      this.start = recovered ? (this.asked?.offset ?? position.offset) : position.offset;
      this.top = this.start;
    }
    this.open = false;
    const subscription = this.subscription;
    queueMicrotask(() => {
      if (this.subscription !== subscription) return;
      this.open = true;
      for (const [listener, seat] of this.seats) this.level(listener, seat);
      this.trim();
    });
  }

  /** Not while a recovery comes in: however long it is, it is for those who wait for it. */
  private trim(): void {
    const over = this.kept.length - KEPT;
    if (over > 0) this.start = this.kept.splice(0, over).at(-1)?.offset ?? this.start;
  }

  private arrived(arrival: Arrival): void {
    if (arrival.offset !== undefined) {
      if (arrival.offset <= this.top) return;
      this.top = arrival.offset;
      this.kept.push(arrival);
    }
    if (!this.open) return;
    this.trim();
    for (const [listener, seat] of this.seats) {
      if ((arrival.offset ?? Number.MAX_SAFE_INTEGER) <= seat.had) continue;
      seat.missed ||= listener.behind;
      if (seat.missed) continue;
      if (arrival.offset !== undefined) seat.had = arrival.offset;
      listener.tell({ is: "events", channel: this.name, events: [arrival] });
    }
  }

  /** Brings one tab from its place to the present. */
  private level(listener: Listener, seat: Seat): void {
    seat.missed = listener.behind;
    if (seat.missed) return;
    const fromNow = seat.epoch === null;
    const recovered = this.epoch === null || fromNow || (seat.epoch === this.epoch && seat.had >= this.start);
    const events = recovered && !fromNow ? this.kept.filter((arrival) => (arrival.offset ?? 0) > seat.had) : [];
    if (!recovered || fromNow) seat.had = this.top;
    seat.epoch = this.epoch;
    seat.had = Math.max(seat.had, this.top);
    const position = this.epoch === null ? null : { epoch: this.epoch, offset: seat.had };
    listener.tell({ is: "followed", channel: this.name, recovered, position, events });
  }

  private refused(code: number): void {
    for (const listener of this.seats.keys()) listener.tell({ is: "refused", channel: this.name, code });
    this.seats.clear();
    this.close();
    this.onRefused();
  }

  private present(people: Present[]): void {
    this.people = people;
    for (const listener of this.seats.keys()) listener.tell({ is: "present", channel: this.name, people });
  }
}
