/** A search box over the address: what is typed leads to it after a pause, and what the address says otherwise (a saved view, a
 *  link, the way back) is shown in the box. */
import { useEffect, useRef, useState } from "react";
import { useLater } from "./basics";

export function useTyped(value: string, pause: number, onTyped: (text: string) => void): [text: string, set: (text: string) => void, later: string] {
  const [text, setText] = useState(value);
  const later = useLater(text.trim(), pause);
  const sent = useRef(value);
  useEffect(() => {
    if (later === sent.current) return;
    sent.current = later;
    onTyped(later);
    // Only what was typed leads.
  }, [later]);
  useEffect(() => {
    if (value === sent.current) return;
    sent.current = value;
    setText(value);
  }, [value]);
  return [text, setText, later];
}
