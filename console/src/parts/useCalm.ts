import { useEffect, useState } from "react";

/** Calm: at the top, without a pointer above, a focus inside or a choice made. Only then may newcomers step in by themselves. */
export function useCalm(scroll: React.RefObject<HTMLDivElement | null>, onCalm: (calm: boolean) => void, busy: boolean): boolean {
  const [calm, setCalm] = useState(true);
  useEffect(() => {
    const element = scroll.current;
    if (!element) return;
    let hovered = false;
    const tell = () => {
      const focused = element.contains(document.activeElement);
      setCalm(!busy && !hovered && !focused && element.scrollTop < 8);
    };
    // A page that changes under a resting pointer is entered by nobody: only the person's own movement counts.
    const move = (event: PointerEvent) => {
      if (hovered || event.pointerType !== "mouse" || (event.movementX === 0 && event.movementY === 0)) return;
      hovered = true;
      tell();
    };
    const leave = () => {
      hovered = false;
      tell();
    };
    tell();
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerleave", leave);
    element.addEventListener("scroll", tell, { passive: true });
    element.addEventListener("focusin", tell);
    const out = () => setTimeout(tell, 0);
    element.addEventListener("focusout", out);
    return () => {
      element.removeEventListener("pointermove", move);
      element.removeEventListener("pointerleave", leave);
      element.removeEventListener("scroll", tell);
      element.removeEventListener("focusin", tell);
      element.removeEventListener("focusout", out);
    };
  }, [scroll, busy]);
  useEffect(() => onCalm(calm), [calm, onCalm]);
  return calm;
}
