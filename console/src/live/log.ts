import type { LiveEvent, Position } from "./event";

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
  private start: number;
  private seen: number;
  /** The stream the offsets count in; null while it is not known. */
  epoch: string | null;

  /** Complete from `position`; without one from where the channel will be opened. */
  constructor(position?: Position) {
    this.start = position?.offset ?? Number.MAX_SAFE_INTEGER;
    this.seen = position?.offset ?? -1;
    this.epoch = position?.epoch ?? null;
  }

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

  /** Where to go on from. */
  get position(): Position | undefined {
    return this.epoch === null || this.seen < 0 ? undefined : { epoch: this.epoch, offset: this.seen };
  }

  /** What is known begins anew at `position`. */
  reset({ epoch, offset }: Position): void {
    this.events = [];
    this.epoch = epoch;
    this.start = offset;
    this.seen = offset;
  }
}
