import type { LiveEvent } from "./event";

/** How many events of a channel are remembered for lists that are being read while events arrive. */
const REMEMBERED = 512;

/**
 * The recent events of one channel.
 *
 * A list's rows are read before the answer lands: what happened in between reached this tab first and found no list to
 * apply itself to. So each answer is followed by the remembered events behind its position; versions make repeats harmless.
 */
export class ChannelLog {
  private events: LiveEvent[] = [];
  private seen = -1;

  /** The position this log is complete from. */
  constructor(private start: number) {}

  /** False for an event that was here before. Events without an offset always pass and are not remembered. */
  take(event: LiveEvent): boolean {
    if (event.offset === undefined) return true;
    if (event.offset <= this.seen) return false;
    this.seen = event.offset;
    this.events.push(event);
    if (this.events.length > REMEMBERED) {
      const dropped = this.events.shift();
      this.start = Math.max(this.start, dropped?.offset ?? this.start);
    }
    return true;
  }

  /** Whether every event behind `offset` is known here. */
  covers(offset: number): boolean {
    return offset >= this.start;
  }

  since(offset: number): LiveEvent[] {
    return this.events.filter((event) => (event.offset ?? 0) > offset);
  }

  /** The stream could not be resumed: what is known begins anew at `offset`. */
  reset(offset: number): void {
    this.events = [];
    this.start = offset;
    this.seen = offset;
  }
}
