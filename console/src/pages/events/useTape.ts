/** A tape that follows channels while the page is open, as a list that a DataTable shows. */
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { holdChannel, onRefused, tapArrivals } from "../../live/store";
import type { LiveList } from "../../live/useLiveList";
import { type Entry, matches, Tape } from "./tape";

/** The least time between two looks at the tape, in milliseconds: nobody reads faster. */
const APART = 200;

export interface TapeList extends LiveList<Entry> {
  /** Channels that the hub does not let this person follow. */
  refused: ReadonlySet<string>;
  clear: () => void;
}

export function useTape(channels: string[], wanted: string, calm: boolean): TapeList {
  const tape = useRef<Tape>(undefined);
  tape.current ??= new Tape();
  const [shown, setShown] = useState<{ rows: Entry[]; count: number }>({ rows: [], count: 0 });
  const [waiting, setWaiting] = useState(0);
  const [refused, setRefused] = useState<ReadonlySet<string>>(new Set());
  const chosen = channels.join(" ");

  useEffect(() => {
    const names = chosen.split(" ").filter(Boolean);
    setRefused(new Set());
    const ends = names.map(holdChannel);
    ends.push(onRefused((channel) => names.includes(channel) && setRefused((before) => new Set([...before, channel]))));
    return () => ends.forEach((end) => end());
  }, [chosen]);

  const look = useCallback(() => {
    const { current } = tape;
    if (!current) return;
    setShown({ rows: current.read(wanted), count: current.count });
    setWaiting(0);
  }, [wanted]);
  useEffect(look, [look]);

  const watching = useRef({ calm, look, wanted });
  watching.current = { calm, look, wanted };
  useEffect(() => {
    const names = new Set(chosen.split(" "));
    let timer: ReturnType<typeof setTimeout> | undefined;
    let came = 0;
    const tell = () => {
      const more = came;
      timer = undefined;
      came = 0;
      if (watching.current.calm) watching.current.look();
      else setWaiting((before) => before + more);
    };
    const end = tapArrivals((channel, arrival) => {
      const { current } = tape;
      if (!current || !names.has(channel)) return;
      const entry = current.add(channel, arrival, Date.now());
      if (matches(entry, watching.current.wanted)) came += 1;
      timer ??= setTimeout(tell, APART);
    });
    return () => {
      clearTimeout(timer);
      end();
    };
  }, [chosen]);
  // Whoever stops looking closely sees what waited.
  useEffect(() => {
    if (calm) look();
  }, [calm, look]);

  const clear = useCallback(() => {
    tape.current?.clear();
    look();
  }, [look]);
  return useMemo(
    () => ({ rows: shown.rows, total: { value: shown.count, estimate: false }, waiting, stepsIn: true, pending: false, error: null, more: false, loadMore: () => {}, showNew: look, reload: look, refused, clear }),
    [shown, waiting, look, refused, clear],
  );
}
